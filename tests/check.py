#!/usr/bin/env python3
"""Every test of the project, step by step, counted into one line "N passed, N failed".

    tests/check.py [--only STEP[,STEP…]] [--soak]

Each step says at once how it went; what it printed is in build-check/log/STEP. A failure is followed by the command that repeats it
alone. Builds are kept between runs (build-check*), and made anew when their options or the list of files changed.
"""
import argparse
import concurrent.futures
import hashlib
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
LOGS = TOP / "build-check" / "log"
CORES = os.cpu_count() or 2
FUZZ_SECONDS = 3
FUZZ_SECONDS_SOAK = 3600
TIDY_NODES = 40_000
TELL_SECONDS = 30
# gcc's thread sanitizer knows no address space as random as newer kernels make it: without, it always starts.
STILL = ["setarch", "-R"] if subprocess.run(["setarch", "-R", "true"], capture_output=True).returncode == 0 else []

BUILDS = {
    # The tests' main build: both sanitizers, and system calls that fail on demand.
    "build-check": ["-Db_sanitize=address,undefined", "-Dfaults=true", "-Dwerror=true"],
    # Without -Dwerror: at -O1 gcc warns of what it does not see through.
    "build-check-thread": ["-Db_sanitize=thread", "-Db_lundef=false", "-Doptimization=1"],
    "build-check-clang": ["-Dbuildtype=release", "-Dwerror=true"],
    # What a user builds: at -O3 gcc sees through more than in any other build.
    "build-check-gcc": ["-Dbuildtype=release", "-Dwerror=true"],
    "build-check-fuzz": ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dfuzz=true", "-Dprogram=false"],
    # For some seconds of search the compiler's time is what counts.
    "build-check-fuzz-quick": ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dfuzz=true", "-Dprogram=false", "-Doptimization=0"],
}
CLANG = {"build-check-clang", "build-check-fuzz", "build-check-fuzz-quick"}
# Linked by the linker that users have. The others, more than a hundred programs, by one that takes a quarter of the time.
RELEASES = {"build-check-clang", "build-check-gcc"}


class Counts:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def add(self, passed, failed):
        self.passed += passed
        self.failed += failed


def run(name, argv, env=None, tell=False):
    """Runs a command with its output in a log; returns (exit code, output). tell: says now and then how far it is."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / name
    began = time.monotonic()
    with open(path, "wb") as log:
        process = subprocess.Popen(argv, cwd=TOP, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   env=dict(os.environ, **(env or {})))
        while True:
            try:
                code = process.wait(TELL_SECONDS if tell else None)
                break
            except subprocess.TimeoutExpired:
                say("  %s, %.0f s: %s" % (name, time.monotonic() - began, last_line(path)))
            except BaseException:
                process.terminate()
                process.wait()
                raise
    return code, path.read_text(errors="replace")


def last_line(path):
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][-100:] if lines else "…"


def say(text):
    print(text, flush=True)


def listing():
    """What a build directory was configured from: its options, and the files that Meson lists then."""
    files = sorted(str(path.relative_to(TOP)) for folder in ("src", "tests") for path in (TOP / folder).rglob("*.c"))
    return "\n".join(files)


def build(directory, targets=("all",)):
    """Configures and compiles; True when that worked."""
    place, options = TOP / directory, BUILDS[directory]
    env = {"CC": "clang" if directory in CLANG else "gcc"}
    if directory not in RELEASES and shutil.which("ld.gold"):
        env["CC_LD"] = "gold"
    mark, want = place / "check-options", " ".join([*env.values(), *options])
    files, there = place / "check-files", listing()
    if (place / "build.ninja").exists() and mark.exists() and mark.read_text() == want:
        argv = None if files.exists() and files.read_text() == there else ["meson", "setup", "--reconfigure", directory]
    else:
        for path in place.iterdir() if place.exists() else ():
            if path != LOGS:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        argv = ["meson", "setup", directory, *options]
    if argv:
        code, out = run("setup-" + directory, argv, env)
        if code:
            say(out[-3000:])
            return False
        mark.write_text(want)
        files.write_text(there)
    code, out = run("compile-" + directory, ["ninja", "-C", directory, *targets], tell=True)
    if code:
        say(out[-6000:])
    return code == 0


def step_lint(args):
    if not build("build-check", ["mailhaul"]):
        return 0, 1
    code, out = run("lint", [sys.executable, "tests/lint.py", "build-check/mailhaul"])
    passed, failed = tally(out)
    if code:
        say(out[-4000:])
    return passed, max(failed, 1 if code else 0)


def tally(out):
    found = re.findall(r"^(\d+) passed, (\d+) failed", out, re.M)
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, 0)


def meson_tests(directory, name, suites=(), targets=("all",)):
    if not build(directory, targets):
        return 0, 1
    still = STILL if directory == "build-check-thread" else []
    argv = [*still, "meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs", "--num-processes", str(CORES)]
    for suite in suites:
        argv += ["--suite", suite]
    code, out = run(name, argv, tell=True)
    ok = re.search(r"^Ok:\s+(\d+)", out, re.M)
    bad = sum(int(n) for n in re.findall(r"^(?:Fail|Timeout|Unexpected Pass):\s+(\d+)", out, re.M))
    if code:
        say(out[-6000:])
        for test in sorted(set(re.findall(r"^ *\d+/\d+ (?:\S+ / )?(\S+) +(?:FAIL|TIMEOUT|UNEXPECTEDPASS)", out, re.M))):
            say("alone: meson test -C %s -v %s" % (directory, test))
    return int(ok.group(1)) if ok else 0, bad or (1 if code else 0)


def step_unit(args):
    return meson_tests("build-check", "unit")


def step_thread(args):
    if args.soak:
        passed, failed = meson_tests("build-check-thread", "thread-unit")
    else:
        listed = re.search(r"^threaded = \[(.*?)\]", (TOP / "tests" / "meson.build").read_text(), re.M | re.S)[1]
        targets = ["tests/test_" + name for name in re.findall(r"'(\w+)'", listed)]
        passed, failed = meson_tests("build-check-thread", "thread-unit", ["threads"], ["mailhaul", *targets])
    if failed:
        return passed, failed
    more = pytest("thread-e2e", ["tests/e2e", "-m", "threads"], "build-check-thread", args,
                  {"TSAN_OPTIONS": "halt_on_error=1:exitcode=99"})
    return passed + more[0], failed + more[1]


def step_clang(args):
    # The program; the tests were compiled by gcc with -Werror already.
    built = [build(directory, ["all"] if args.soak else ["mailhaul"]) for directory in ("build-check-clang", "build-check-gcc")]
    return sum(built), len(built) - sum(built)


def step_tidy(args):
    """clang-tidy, a file at a time on all cores. A file that was clean is looked at again when it, a header or .clang-tidy changed."""
    if not build("build-check-clang", ["mailhaul"]):
        return 0, 1
    clean = TOP / "build-check-clang" / "tidy"
    clean.mkdir(exist_ok=True)
    common = hashlib.sha256()
    for path in [TOP / ".clang-tidy", TOP / "meson.build", *sorted((TOP / "src").rglob("*.h"))]:
        common.update(path.read_bytes())
    # How many states of a function the static analyzer follows. Its own bound (225,000) takes a third of an hour for the whole tree: soak's.
    depth = [] if args.soak else ["--extra-arg=" + arg for arg in ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=%d" % TIDY_NODES)]
    common.update(repr(depth).encode())
    # The largest first, so that no core is left with one at the end.
    files = sorted((TOP / "src").rglob("*.c"), key=lambda path: -path.stat().st_size)

    def one(path):
        file = str(path.relative_to(TOP))
        mark = clean / file.replace("/", "-")
        digest = hashlib.sha256(common.digest() + path.read_bytes()).hexdigest()
        if mark.exists() and mark.read_text() == digest:
            return file, 0, ""
        code, out = run("tidy-" + file.replace("/", "-"), ["clang-tidy", "--quiet", "-p", "build-check-clang", *depth, file])
        if code == 0:
            mark.write_text(digest)
        return file, code, out

    bad, done, told = 0, 0, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        for file, code, out in pool.map(one, files):
            done += 1
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                say("  tidy: %d of %d files" % (done, len(files)))
            if code:
                bad += 1
                say("%s\nalone: clang-tidy --quiet -p build-check-clang %s" % (out[-2000:], file))
    return len(files) - bad, bad


def step_fuzz(args):
    directory = "build-check-fuzz" if args.soak else "build-check-fuzz-quick"
    if not build(directory):
        return 0, 1
    seconds = FUZZ_SECONDS_SOAK if args.soak else FUZZ_SECONDS
    names = sorted(path.stem for path in (TOP / "tests" / "fuzz").glob("fuzz_*.c"))

    def one(name):
        target = directory + "/tests/fuzz/" + name
        corpus = "tests/fuzz/corpus/" + name.replace("fuzz_", "", 1)
        found = TOP / directory / "found" / name
        found.mkdir(parents=True, exist_ok=True)
        argv = [target, "-max_total_time=%d" % seconds, "-rss_limit_mb=1024", "-timeout=10", "-print_final_stats=1",
                "-artifact_prefix=%s/" % found.relative_to(TOP), str(found.relative_to(TOP)), corpus]
        code, out = run(name, argv, {"ASAN_OPTIONS": "detect_leaks=1"})
        return name, target, code, out

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        for name, target, code, out in pool.map(one, names):
            if code:
                bad += 1
                artifact = re.search(r"Test unit written to (\S+)", out)
                say("%s:\n%s\nalone: %s %s" % (name, out[-3000:], target, artifact.group(1) if artifact else ""))
    return len(names) - bad, bad


def pytest(name, paths, directory, args, env=None, spread="loadfile"):
    program = directory + "/mailhaul"
    argv = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "--durations=10", *paths]
    if CORES > 1 and importlib.util.find_spec("xdist"):
        # loadfile: a file stays with one worker, for each has servers of its own.
        # Tests wait for servers half of their time, and for time-outs.
        argv += ["-n", str(2 * CORES), "--dist", spread]
    if args.stop:
        argv.append("-x")
    if args.soak:
        argv.append("--soak")
    still = STILL if directory == "build-check-thread" else []
    code, out = run(name, [*still, *argv], dict(env or {}, MAILHAUL=str(TOP / program)), tell=True)
    last = out.strip().splitlines()[-1] if out.strip() else ""
    passed = re.search(r"(\d+) passed", last)
    failed = sum(int(n) for n in re.findall(r"(\d+) (?:failed|error)", last))
    if code not in (0, 5):
        say(out[-8000:])
        for test in re.findall(r"^(?:FAILED|ERROR) (\S+::\S+)", out, re.M):
            say("alone: MAILHAUL=%s python3 -m pytest '%s'" % (program, test))
        failed = failed or 1
    skipped = re.search(r"(\d+) skipped", last)
    if skipped:
        say("  %s: %s skipped (only with --soak, or no such server here)" % (name, skipped.group(1)))
    return int(passed.group(1)) if passed else 0, failed


def step_e2e(args):
    if not build("build-check"):
        return 0, 1
    return pytest("e2e", ["tests/e2e"], "build-check", args)


def step_crash(args):
    if not build("build-check"):
        return 0, 1
    return pytest("crash", ["tests/crash"], "build-check", args, spread="load")


STEPS = [
    ("lint", step_lint, "layers, formatting, headers, papers, options"),
    ("unit", step_unit, "unit, wire and plan tests under the address and undefined-behaviour sanitizers"),
    ("e2e", step_e2e, "the program against real servers, faults through a proxy"),
    ("crash", step_crash, "killed at journal steps and system calls, resumed, compared"),
    ("fuzz", step_fuzz, "corpora and some seconds of search for each fuzz target"),
    ("thread", step_thread, "unit tests and lanes under the thread sanitizer"),
    ("clang", step_clang, "release builds by clang and gcc without a warning"),
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

    total, start = Counts(), time.monotonic()
    for name, function, about in STEPS:
        if name not in wanted:
            continue
        began = time.monotonic()
        say("%s: %s" % (name, about))
        passed, failed = function(args)
        total.add(passed, failed)
        say("%s: %d ok, %d not, %.0f s" % (name, passed, failed, time.monotonic() - began))
    say("%.0f s in all, logs in build-check/log" % (time.monotonic() - start))
    print("%d passed, %d failed" % (total.passed, total.failed))
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
