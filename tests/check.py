#!/usr/bin/env python3
"""Every test of the project, step by step, counted into one line "N passed, N failed".

    tests/check.py [--only STEP[,STEP…]] [--soak]

Each step says at once how it went; what it printed is in build-check/log/STEP.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
LOGS = TOP / "build-check" / "log"
CORES = os.cpu_count() or 2
FUZZ_SECONDS = 5
FUZZ_SECONDS_SOAK = 3600

BUILDS = {
    # The tests' main build: both sanitizers, and system calls that fail on demand.
    "build-check": ["-Db_sanitize=address,undefined", "-Dfaults=true"],
    "build-check-thread": ["-Db_sanitize=thread", "-Db_lundef=false"],
    "build-check-clang": ["-Dbuildtype=release"],
    "build-check-fuzz": ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dfuzz=true", "-Dprogram=false"],
}
CLANG = {"build-check-clang", "build-check-fuzz"}


class Counts:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def add(self, passed, failed):
        self.passed += passed
        self.failed += failed


def run(name, argv, env=None, timeout=None):
    """Runs a command with its output in a log; returns (exit code, output)."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / name
    with open(path, "wb") as log:
        try:
            code = subprocess.run(argv, cwd=TOP, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                  env=dict(os.environ, **(env or {})), timeout=timeout).returncode
        except subprocess.TimeoutExpired:
            code = -1
            log.write(b"\ntimed out\n")
    return code, path.read_text(errors="replace")


def build(directory):
    """Configures and compiles; True when that worked."""
    options = BUILDS[directory]
    env = {"CC": "clang"} if directory in CLANG else {}
    if not (TOP / directory / "build.ninja").exists():
        code, out = run("setup-" + directory, ["meson", "setup", directory, *options], env)
        if code:
            print(out[-3000:])
            return False
    targets = ["all"]
    code, out = run("compile-" + directory, ["ninja", "-C", directory, *targets])
    if code:
        print(out[-6000:])
    return code == 0


def step_lint(args):
    code, out = run("lint", [sys.executable, "tests/lint.py"])
    passed, failed = tally(out)
    if code:
        print(out[-4000:])
    return passed, max(failed, 1 if code else 0)


def tally(out):
    found = re.findall(r"^(\d+) passed, (\d+) failed", out, re.M)
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, 0)


def meson_tests(directory, name, suites=()):
    if not build(directory):
        return 0, 1
    argv = ["meson", "test", "-C", directory, "--print-errorlogs", "--num-processes", str(CORES)]
    for suite in suites:
        argv += ["--suite", suite]
    code, out = run(name, argv)
    ok = re.search(r"^Ok:\s+(\d+)", out, re.M)
    bad = sum(int(n) for n in re.findall(r"^(?:Fail|Timeout|Unexpected Pass):\s+(\d+)", out, re.M))
    if code:
        print(out[-6000:])
    return int(ok.group(1)) if ok else 0, bad or (1 if code else 0)


def step_unit(args):
    return meson_tests("build-check", "unit")


def step_thread(args):
    passed, failed = meson_tests("build-check-thread", "thread-unit")
    if failed:
        return passed, failed
    more = pytest("thread-e2e", ["tests/e2e", "-m", "threads"], TOP / "build-check-thread" / "mailhaul", args,
                  {"TSAN_OPTIONS": "halt_on_error=1:exitcode=99"})
    return passed + more[0], failed + more[1]


def step_clang(args):
    return (1, 0) if build("build-check-clang") else (0, 1)


def step_tidy(args):
    """clang-tidy, a file at a time on all cores."""
    if not build("build-check-clang"):
        return 0, 1
    files = sorted(str(path.relative_to(TOP)) for path in (TOP / "src").rglob("*.c"))

    def one(file):
        return file, run("tidy-" + file.replace("/", "-"), ["clang-tidy", "--quiet", "-p", "build-check-clang", file])

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        for file, (code, out) in pool.map(one, files):
            if code:
                bad += 1
                print("clang-tidy %s:\n%s" % (file, out[-2000:]))
    return len(files) - bad, bad


def step_fuzz(args):
    if not build("build-check-fuzz"):
        return 0, 1
    seconds = FUZZ_SECONDS_SOAK if args.soak else FUZZ_SECONDS
    targets = sorted((TOP / "build-check-fuzz" / "tests" / "fuzz").glob("fuzz_*[!.p]"))
    targets = [path for path in targets if path.is_file() and os.access(path, os.X_OK)]

    def one(target):
        name = target.name
        corpus = TOP / "tests" / "fuzz" / "corpus" / name.replace("fuzz_", "", 1)
        found = TOP / "build-check-fuzz" / "found" / name
        found.mkdir(parents=True, exist_ok=True)
        argv = [str(target), "-max_total_time=%d" % seconds, "-rss_limit_mb=1024", "-timeout=10", "-print_final_stats=1",
                "-artifact_prefix=%s/" % found, str(found)]
        if corpus.is_dir():
            argv.append(str(corpus))
        return name, run(name, argv, {"ASAN_OPTIONS": "detect_leaks=1"})

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        for name, (code, out) in pool.map(one, targets):
            if code:
                bad += 1
                print("%s:\n%s" % (name, out[-3000:]))
    return len(targets) - bad, bad


def pytest(name, paths, program, args, env=None):
    argv = [sys.executable, "-m", "pytest", "-q", "-x" if args.stop else "-q", "--tb=short", "-p", "no:cacheprovider",
            "--durations=10", *paths]
    if args.soak:
        argv.append("--soak")
    code, out = run(name, argv, dict(env or {}, MAILHAUL=str(program)))
    last = out.strip().splitlines()[-1] if out.strip() else ""
    passed = re.search(r"(\d+) passed", last)
    failed = sum(int(n) for n in re.findall(r"(\d+) (?:failed|error)", last))
    if code not in (0, 5):
        print(out[-8000:])
        failed = failed or 1
    return int(passed.group(1)) if passed else 0, failed


def step_e2e(args):
    if not build("build-check"):
        return 0, 1
    return pytest("e2e", ["tests/e2e", "-m", "not threads or threads"], TOP / "build-check" / "mailhaul", args)


def step_crash(args):
    if not build("build-check"):
        return 0, 1
    return pytest("crash", ["tests/crash"], TOP / "build-check" / "mailhaul", args)


STEPS = [
    ("lint", step_lint, "layers, formatting, headers, scripts"),
    ("unit", step_unit, "unit, wire and plan tests under the address and undefined-behaviour sanitizers"),
    ("e2e", step_e2e, "the program against real servers, faults through a proxy"),
    ("crash", step_crash, "killed at journal steps and system calls, resumed, compared"),
    ("fuzz", step_fuzz, "corpora and some seconds of search for each fuzz target"),
    ("thread", step_thread, "unit tests and lanes under the thread sanitizer"),
    ("clang", step_clang, "a release build by clang without a warning"),
    ("tidy", step_tidy, "clang-tidy"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="steps, separated by commas: " + ", ".join(name for name, _, _ in STEPS))
    parser.add_argument("--soak", action="store_true", help="whole sweeps and an hour of each fuzz target")
    parser.add_argument("--stop", action="store_true", help="stop a step at its first failure")
    args = parser.parse_args()
    wanted = args.only.split(",") if args.only else [name for name, _, _ in STEPS]
    unknown = set(wanted) - {name for name, _, _ in STEPS}
    if unknown:
        parser.error("no such step: " + ", ".join(sorted(unknown)))

    total = Counts()
    for name, function, about in STEPS:
        if name not in wanted:
            continue
        began = time.monotonic()
        print("%s: %s" % (name, about), flush=True)
        passed, failed = function(args)
        total.add(passed, failed)
        print("%s: %d ok, %d not, %.0f s" % (name, passed, failed, time.monotonic() - began), flush=True)
    print("%d passed, %d failed" % (total.passed, total.failed))
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
