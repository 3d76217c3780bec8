#!/usr/bin/env python3
"""The house rules that a machine can check. Prints what breaks them, then "N passed, N failed".

layers      a file includes its own folder and lower layers only; mail, net and state never each other
format      clang-format decides
headers     every header begins with Owner, Lifetime or Threads, and has its guard
names       file names are unique in src
length      files up to 800 lines, functions up to 100
calls       system calls that os.h wraps are made through it
scripts     shell scripts parse
"""
import collections
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
LAYERS = {"base": 0, "mail": 1, "net": 1, "state": 1, "imap": 2, "pop3": 2, "store": 3, "ops": 4, "cli": 5, "web": 5}
# Who may use a lower layer of the same height, and who may use what.
OWN_ONLY = {"mail", "net", "state"}
WRAPPED = "open openat read write pread pwrite ftruncate fsync rename link unlink mkdir rmdir connect send recv poll"
MAY_CALL = {"src/base/os.c", "src/base/os_fault.c"}
FILE_MAX = 800
FUNCTION_MAX = 100


def sources(pattern="*.[ch]"):
    return sorted((TOP / "src").rglob(pattern))


def name(path):
    return str(path.relative_to(TOP))


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
    files = [str(path) for path in sources()] + [str(path) for path in sorted((TOP / "tests").rglob("*.[ch]"))]
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
        if "Owner" not in text[:3000] or "Threads" not in text[:3000]:
            yield "%s: says neither Owner nor Threads" % name(path)
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


def calls():
    pattern = re.compile(r"(?<![\w.>])(%s)\(" % "|".join(WRAPPED.split()))
    for path in sources("*.c"):
        if name(path) in MAY_CALL:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if pattern.search(re.sub(r'"[^"]*"|/\*.*?(\*/|$)|^ \*.*', "", line)):
                yield "%s:%d: a system call past base/os.h: %s" % (name(path), number, line.strip())


def scripts():
    for path in sorted((TOP / "script").iterdir()) + [TOP / ".ci" / "run"]:
        if path.is_file() and path.read_text().startswith("#!/bin/sh"):
            if subprocess.run(["sh", "-n", str(path)], capture_output=True).returncode:
                yield "%s: does not parse" % name(path)


CHECKS = [("layers", layers), ("format", format_), ("headers", headers), ("names", names), ("length", length),
          ("calls", calls), ("scripts", scripts)]


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
