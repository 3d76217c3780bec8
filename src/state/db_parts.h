/*
 * What db.c takes from db_fault.c, in builds with -Dfaults=true only.
 *
 * Owner: the process. Threads: once, before the first database is opened.
 */
#ifndef STATE_DB_PARTS_H
#define STATE_DB_PARTS_H

/* Makes SQLite's unix VFS do its system calls through base/os, so that faults reach the database too. */
void db_fault_install(void);

#endif
