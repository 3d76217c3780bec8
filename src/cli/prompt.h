/*
 * Questions on the terminal, which is asked for by name, so that they work when standard input is something else.
 *
 * Owner: none. Threads: one at a time.
 */
#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

/* 1 = yes; 0 = no, no terminal, or interrupted. The context is not used: this is job.h's confirm. */
int prompt_confirm(void *context, const char *question);

#endif
