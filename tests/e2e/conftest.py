"""Fixtures of the end-to-end tests.

The servers live as long as the test run and know every user, so each test takes fresh users instead of fresh servers:

    def test_something(src, dst, user, run):
        load.fill(src, user, corpus.small())
        result = run("copy", src.url(user), dst.url(user), "--yes")
        assert result.code == 0
        assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []

The program is the one that the environment's MAILHAUL names, build/mailhaul by default.
"""
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lab import tls  # noqa: E402
from lab.courier import Courier  # noqa: E402
from lab.cyrus import Cyrus  # noqa: E402
from lab.dovecot import Dovecot  # noqa: E402
from lab.proxy import Proxy  # noqa: E402
from lab.server import DIE_WITH_PARENT, work_dir  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("MAILHAUL", TOP / "build" / "mailhaul"))
SANITIZER = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")
SANITIZER_CODE = 99
COUNTER = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="run the long tests, and the sweeps whole instead of sampled")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if not config.option.basetemp and not hasattr(config, "workerinput") and not config.getoption("--soak"):
        # The state of a short run is mostly waited for at fsync(): in memory there is nothing to wait for. On the disk with --soak.
        config.option.basetemp = config.mailhaul_temp = work_dir("tests")
    config.addinivalue_line("markers", "soak: long; only with --soak")
    config.addinivalue_line("markers", "others: needs another server than Dovecot")
    config.addinivalue_line("markers", "threads: several lanes at once; run it with a build that has -Db_sanitize=thread")
    Runner.every_leak = config.getoption("--soak")
    # Killed politely, the run still has to stop its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Under nohup or in the background these are ignored, and what we start would ignore them too: a handler does not pass to children.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_unconfigure(config):
    # What failed may be looked at until the next run.
    if hasattr(config, "mailhaul_temp") and not getattr(config, "mailhaul_failed", False):
        shutil.rmtree(config.mailhaul_temp, ignore_errors=True)


def pytest_sessionfinish(session, exitstatus):
    session.config.mailhaul_failed = exitstatus != 0


# The longest files: begun first, so that no worker is left with one at the end.
LONGEST = {"test_faults", "test_hostile", "test_users", "test_trash", "test_filter", "test_mirror", "test_wild", "test_servers"}


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: item.path.stem not in LONGEST)
    if config.getoption("--soak"):
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="only with --soak"))


@pytest.fixture(scope="session")
def soak(request):
    return request.config.getoption("--soak")


@pytest.fixture(scope="session")
def servers():
    """servers(Dovecot, separator=".") starts a server, or returns the one already running with these options."""
    running = {}

    def get(kind=Dovecot, instance=0, **options):
        key = (kind, instance, repr(sorted(options.items())))
        if key not in running:
            reason = kind.available()
            if reason:
                pytest.skip("%s: %s" % (kind.name, reason))
            running[key] = kind(**options).start()
        return running[key]

    yield get
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def src(servers):
    """The usual source: Dovecot, sdbox, "/"."""
    return servers(Dovecot, instance=1)


@pytest.fixture(scope="session")
def dst(servers):
    """The usual destination: another such Dovecot."""
    return servers(Dovecot, instance=2)


@pytest.fixture(scope="session")
def cyrus(servers):
    return servers(Cyrus)


@pytest.fixture(scope="session")
def courier(servers):
    return servers(Courier)


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return tls.Pki(str(tmp_path_factory.mktemp("pki")))


@pytest.fixture
def user():
    """A name nobody had before."""
    return "user%d" % next(COUNTER)


@pytest.fixture
def proxy():
    """proxy(server, rtt=…, rules=…) starts a proxy that ends with the test."""
    started = []

    def start(server, **options):
        started.append(Proxy(server, **options).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()


class Result:
    """How the program ended: code (negative: by a signal), out, err, and the objects of --json."""

    def __init__(self, argv, code, out, err):
        self.argv = argv
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self):
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]

    def __repr__(self):
        return "%s\nexit %d\n--- stdout\n%s\n--- stderr\n%s" % (" ".join(self.argv), self.code, self.out[-5000:],
                                                                 self.err[-5000:])


class Runner:
    """Runs the program with directories of its own for configuration and state.

    Leaks are looked for in its first run (and in all of them with --soak): that look is a third of the time of a short one.
    """

    every_leak = False

    def __init__(self, home):
        self.home = home
        self.ran = False
        self.env = dict(
            os.environ, HOME=str(home), XDG_CONFIG_HOME=str(home / "config"), XDG_STATE_HOME=str(home / "state"),
            XDG_CACHE_HOME=str(home / "cache"), LC_ALL="C.UTF-8", TZ="UTC", NO_COLOR="1",
            ASAN_OPTIONS="detect_leaks=1:exitcode=%d:detect_stack_use_after_return=1:max_uar_stack_size_log=16" % SANITIZER_CODE,
            UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:exitcode=%d" % SANITIZER_CODE,
            LSAN_OPTIONS="exitcode=%d" % SANITIZER_CODE)
        self.env.pop("MAILHAUL_FAULT", None)
        home.mkdir(exist_ok=True)

    @property
    def state(self):
        """The directory that holds the program's state."""
        return self.home / "state" / "mailhaul"

    def start(self, *args, env=None, **kwargs):
        """Starts without waiting; finish() with the process gives the result."""
        if not os.access(PROGRAM, os.X_OK):
            pytest.fail("there is no program at %s: build it, or set MAILHAUL" % PROGRAM)
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("stdout", subprocess.PIPE)
        kwargs.setdefault("stderr", subprocess.PIPE)
        env = dict(self.env, **(env or {}))
        if self.ran and not self.every_leak:
            env["ASAN_OPTIONS"] += ":detect_leaks=0"
        self.ran = True
        return subprocess.Popen([*DIE_WITH_PARENT, PROGRAM, *map(str, args)], env=env, cwd=str(self.home), **kwargs)

    def finish(self, process, timeout=60, input=None):
        try:
            out, err = process.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail("still running after %d s: %r" % (timeout, self._result(process, out, err)))
        result = self._result(process, out, err)
        if SANITIZER.search(result.err) or process.returncode == SANITIZER_CODE:
            pytest.fail("a sanitizer complained:\n%r" % result)
        assert process.returncode not in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE,
                                          -signal.SIGILL), result
        return result

    def __call__(self, *args, timeout=60, input=None, env=None, check=None, **kwargs):
        """Runs to the end. check: the exit code that is expected."""
        if input is not None:
            kwargs["stdin"] = subprocess.PIPE
        result = self.finish(self.start(*args, env=env, **kwargs), timeout, input and input.encode())
        assert check is None or result.code == check, result
        return result

    @staticmethod
    def _result(process, out, err):
        return Result(list(process.args), process.returncode, (out or b"").decode(errors="replace"),
                      (err or b"").decode(errors="replace"))


@pytest.fixture
def run(tmp_path):
    return Runner(tmp_path / "home")


@pytest.fixture
def run_new(tmp_path):
    """run_new() gives another Runner with fresh directories, as on another machine."""
    numbers = itertools.count(1)
    return lambda: Runner(tmp_path / ("home%d" % next(numbers)))
