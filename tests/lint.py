#!/usr/bin/env python3
"""The house rules that a machine can check. Prints what breaks them, then "N passed, N failed".

    tests/lint.py [PROGRAM]

layers      a file includes its own folder and lower layers only; mail, net and state never each other
format      clang-format decides
headers     every header begins with its purpose, Owner and Threads, and has its guard
names       file names are unique in src
length      files up to 800 lines, functions up to 100
calls       system calls that os.h wraps are made through it
words       no TODO, FIXME, XXX; no typedef of a struct; no // comments
units       tests/unit/test_X.c tests src/**/X.c, or is in the table of those that test more than a file
corpora     every fuzz target has its corpus, and every corpus its target
files       the papers name no file that does not exist
scripts     shell scripts parse, and are executable
options     (with PROGRAM) the manual and the papers name every option of the program, and none that it lacks
"""
import collections
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None
LAYERS = {"base": 0, "mail": 1, "net": 1, "state": 1, "imap": 2, "pop3": 2, "store": 3, "ops": 4, "cli": 5, "web": 5}
# Who may use a lower layer of the same height, and who may use what.
OWN_ONLY = {"mail", "net", "state"}
WRAPPED = "open openat read write pread pwrite ftruncate fsync rename renameat unlinkat mkdirat fstatat link unlink mkdir rmdir connect send recv poll"
WRAPPERS = {"src/base/os.c", "src/base/os_fault.c"}
MAY_CALL = {
    ("src/base/mem.c", "write"): "out of memory: nothing may fail or be counted between there and the exit",
    ("src/base/stop.c", "write"): "runs in signal handlers, where the counters of os.h must not be touched",
    ("src/base/stop.c", "read"): "empties what stop.c itself wrote, for tests",
    ("src/net/dial_resolve.c", "write"): "wakes the waiting lane from a thread that may outlive it: a fault here would hang, not fail",
}
# Unit tests of more than one file, or of one that is called otherwise.
UNITS = {
    "test_deflate": "stream_deflate.c",
    "test_imap_append_batch": "imap_append.c with its batches",
    "test_imap_wire": "the dialogues in tests/wire",
    "test_journal_crash": "journal.c, killed at every step",
    "test_journal_random": "journal.c against a model",
    "test_plan_random": "plan.c against a model",
    "test_tls": "stream_tls.c, tls_verify.c",
}
PAPERS = ["README.md", "ARCHITECTURE.md", "HACKING.md"] + ["docs/" + path.name for path in sorted((TOP / "docs").glob("*.md"))]
FILE_MAX = 800
FUNCTION_MAX = 100


def sources(pattern="*.[ch]"):
    return sorted((TOP / "src").rglob(pattern))


def name(path):
    return str(path.relative_to(TOP))


def is_written(path):
    """Written by a program, not by people."""
    return path.read_text().startswith("/* Written by script/")


def layer_of(path):
    return path.relative_to(TOP / "src").parts[0]


def layers():
    for path in sources():
        mine = layer_of(path)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'#include "([a-z0-9_]+)/', line)
            if not found or found.group(1) == mine:
                continue
            other = found.group(1)
            if other not in LAYERS or LAYERS[other] >= LAYERS[mine]:
                yield "%s:%d: %s may not include %s" % (name(path), number, mine, other)


def format_():
    files = [str(path) for path in sources() + sorted((TOP / "tests").rglob("*.[ch]")) if not is_written(path)]
    out = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], capture_output=True, text=True)
    seen = collections.OrderedDict()
    for line in out.stderr.splitlines():
        found = re.match(r"(.+?):(\d+):\d+: error", line)
        if found:
            seen.setdefault(found.group(1), found.group(2))
    for file, number in seen.items():
        yield "%s:%s: not as clang-format has it: clang-format -i %s" % (file, number, file)


def headers():
    for path in sources("*.h"):
        text = path.read_text()
        opening = text.split("*/")[0]
        if not opening.startswith("/*"):
            yield "%s: does not begin with its purpose" % name(path)
        for word in ("Owner", "Threads"):
            if word + ":" not in opening and word + "," not in opening:
                yield "%s: does not begin with %s" % (name(path), word)
        guard = "%s_%s_H" % (path.parent.name.upper(), path.stem.upper())
        if "#ifndef " not in text:
            yield "%s: no include guard (%s)" % (name(path), guard)


def names():
    seen = {}
    for path in sources():
        if path.name in seen:
            yield "%s: the name is taken by %s" % (name(path), name(seen[path.name]))
        seen[path.name] = path


def length():
    for path in sources():
        lines = path.read_text().splitlines()
        if len(lines) > FILE_MAX and "table" not in path.stem:
            yield "%s: %d lines" % (name(path), len(lines))
        start = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif re.match(r"[a-z].*\) \{$", line):
                start = number
            elif line == "}" and start:
                if number - start > FUNCTION_MAX:
                    yield "%s:%d: a function of %d lines" % (name(path), start, number - start)
                start = None


def code_lines(path):
    """The lines without texts and comments, numbered."""
    text = re.sub(r'"(\\.|[^"\\\n])*"', '""', path.read_text())
    text = re.sub(r"/\*.*?\*/", lambda found: "\n" * found.group().count("\n"), text, flags=re.S)
    return enumerate(text.splitlines(), 1)


def calls():
    pattern = re.compile(r"(?<![\w.>])(%s)\(" % "|".join(WRAPPED.split()))
    for path in sources("*.c"):
        if name(path) in WRAPPERS:
            continue
        for number, line in code_lines(path):
            found = pattern.search(line)
            if found and (name(path), found.group(1)) not in MAY_CALL:
                yield "%s:%d: a system call past base/os.h: %s" % (name(path), number, line.strip())


def words():
    for path in sources() + sorted((TOP / "tests").rglob("*.[ch]")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                yield "%s:%d: to be done now, not later: %s" % (name(path), number, line.strip())
        for number, line in code_lines(path):
            if re.search(r"\btypedef\s+(struct|enum|union)\b", line):
                yield "%s:%d: structs have no second name: %s" % (name(path), number, line.strip())
            if re.search(r"(^|[;{}\s])//", line):
                yield "%s:%d: comments are /* */: %s" % (name(path), number, line.strip())


def units():
    stems = {path.stem for path in sources("*.c")} | {path.stem for path in sources("*.h")}
    for path in sorted((TOP / "tests" / "unit").glob("*.c")):
        if path.stem not in UNITS and path.stem.replace("test_", "", 1) not in stems:
            yield "%s: tests no file of src" % name(path)
    for unit in UNITS:
        if not (TOP / "tests" / "unit" / (unit + ".c")).exists():
            yield "tests/lint.py: %s is gone" % unit


def corpora():
    targets = {path.stem.replace("fuzz_", "", 1) for path in (TOP / "tests" / "fuzz").glob("fuzz_*.c")}
    there = {path.name for path in (TOP / "tests" / "fuzz" / "corpus").iterdir()}
    for target in sorted(targets ^ there):
        yield "tests/fuzz: fuzz_%s.c and corpus/%s: one is missing" % (target, target)


def files():
    """What looks like a path with a folder must be one; X, * and upper case words stand for something."""
    roots = [TOP, TOP / "src", TOP / "tests"]
    for paper in PAPERS:
        for number, line in enumerate((TOP / paper).read_text().splitlines(), 1):
            for found in re.findall(r"(?<![\w/:.~$-])((?:src|tests|script|docs|base|mail|net|state|imap|store|ops|cli|\.ci)"
                                    r"/[\w./*-]*\w)", line):
                if re.search(r"\*|\bX\b|_X", found) or "://" in line.split(found)[0][-4:]:
                    continue
                if not any((root / found).exists() for root in roots):
                    yield "%s:%d: there is no %s" % (paper, number, found)
            for found in re.findall(r"`(\w+\.[ch])`", line):
                if not any(TOP.glob("*/**/" + found)):
                    yield "%s:%d: there is no %s" % (paper, number, found)


def scripts():
    for path in sorted((TOP / "script").iterdir()) + [TOP / ".ci" / "run"]:
        if path.is_file() and not os.access(path, os.X_OK):
            yield "%s: is not executable" % name(path)
        if path.is_file() and path.read_text().startswith("#!/bin/sh"):
            if subprocess.run(["sh", "-n", str(path)], capture_output=True).returncode:
                yield "%s: does not parse" % name(path)


def options():
    """The tables of the program say which options there are; completion for fish lists them one a line."""
    def ask(argv, text=""):
        return subprocess.run([PROGRAM, *argv], input=text, capture_output=True, text=True, check=True, timeout=60).stdout

    known = set(re.findall(r" -l '?([a-z0-9-]+)", ask(["completion", "fish"])))
    manual = ask(["manual"], (TOP / "docs" / "manual.in").read_text()).replace("\\-", "-").replace("\\fR", "").replace("\\fB", "")
    named = set(re.findall(r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])(?![\w-])", manual))
    for option in sorted(known - named):
        key = re.sub(r"^(src|dst)-", "", option)  # keys of an account are explained once, by their name
        if not re.search(r"(?<![\w-])%s(?![\w-])" % key, manual):
            yield "mailhaul manual: does not name --%s" % option
    for option in sorted(named - known):
        yield "mailhaul manual: there is no --%s" % option
    for paper in ("README.md", "ARCHITECTURE.md"):
        for number, line in enumerate((TOP / paper).read_text().splitlines(), 1):
            for option in re.findall(r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])", line):
                if option not in known:
                    yield "%s:%d: there is no --%s" % (paper, number, option)


CHECKS = [("layers", layers), ("format", format_), ("headers", headers), ("names", names), ("length", length),
          ("calls", calls), ("words", words), ("units", units), ("corpora", corpora), ("files", files), ("scripts", scripts)]
if PROGRAM:
    CHECKS.append(("options", options))


def main():
    failed = 0
    for title, check in CHECKS:
        problems = list(check())
        failed += bool(problems)
        for problem in problems[:40]:
            print("%s: %s" % (title, problem))
        if len(problems) > 40:
            print("%s: and %d more" % (title, len(problems) - 40))
    print("%d passed, %d failed" % (len(CHECKS) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
