"""An attack on one copy: a fresh user, a proxy before each server, the first run under fire, then clean runs that have to converge.

    attacks = Attacks(src, dst, tmp_path)
    attacks.run_all([Case("append swallowed", dst=[{"do": "swallow", "on": "APPEND"}])])

Every case asserts, whatever happened: nothing doubled, altered or invented at the destination at any time; "complete" only if the witness agrees;
exit code and verdict that fit each other, and a text for every failure; then a run without faults completes, and one more has nothing to do.
Cases run side by side, for they mostly wait.
"""
import concurrent.futures
import dataclasses
import itertools
import queue
import re
import time

import pytest

from . import corpus, load, witness
from .proxy import Proxy

WORKERS = 5
PLAIN = {"rtt": 0, "rate": None, "chop": None, "hide": [], "only": [], "limit": None, "rewrite": [], "drop": [], "log": True,
         "refuse_after": False}
USERS = itertools.count(1)
BIG = 600_000   # streamed, not gathered


def account():
    """Few messages, but those that tempt: no header, one Message-ID twice, identical copies, one that is streamed."""
    return (("INBOX", [corpus.no_header(), corpus.dots(), *corpus.same_header(), *corpus.identical(2),
                       corpus.message(50, BIG, seed="big"), corpus.message(1)], True),
            ("Work/Küche", [*corpus.identical(2, number=9), corpus.no_line_end(), corpus.message(3, seed="w")], True),
            ("Empty", [], False))


@dataclasses.dataclass
class Case:
    name: str
    src: list = ()                  # rules of the proxy before the source
    dst: list = ()
    src_options: dict = dataclasses.field(default_factory=dict)
    dst_options: dict = dataclasses.field(default_factory=dict)
    args: tuple = ("--retries", "2")
    before: object = None           # function(job): what happens before the run under fire
    during: object = None           # function(job), in parallel to it
    after: object = None            # function(job), before the clean runs
    codes: tuple = (0, 3, 4)        # exit codes that are right
    expected: frozenset = frozenset()     # kinds of difference that stay
    doubled: bool = False           # a late append may double, if it is said
    quick: bool = True              # not only with --soak
    fires: bool = True
    account: object = account
    text: str = ""                  # a regular expression the talk of the first run must contain
    check: object = None            # function(job, result)


class Job:
    """One case at work."""

    def __init__(self, case, src, dst, proxies, runner):
        self.case = case
        self.src, self.dst = src, dst
        self.src_proxy, self.dst_proxy = proxies
        self.run = runner
        self.user = "fault%d" % next(USERS)
        self.result = None
        self.fired = []

    def copy(self, *args):
        return self.run("copy", self.src_proxy.url(self.user), self.dst_proxy.url(self.user), "--json", "--settle", "150ms",
                        *self.case.args, *args, timeout=90)

    def peace(self):
        """No more faults. The same ports, for a record belongs to two addresses."""
        for proxy in (self.src_proxy, self.dst_proxy):
            proxy.set_rules([], **PLAIN)
            proxy.allow()

    def diff(self):
        return witness.diff(witness.read(self.src, self.user), witness.read(self.dst, self.user))

    def quiet(self):
        """Waits until the servers have finished what dead clients asked of them."""
        quiet(self.src, self.user)
        quiet(self.dst, self.user)


def quiet(server, user, seconds=20):
    """Waits until no session of this user is left: Dovecot logs each login and each end."""
    if not hasattr(server, "doveadm"):
        return
    login = re.compile(r"imap-login: Info: Login: user=<%s>," % re.escape(user))
    end = re.compile(r"imap\(%s\)<\d+><[^>]*>: Info: (Disconnected|Logged out|Connection closed|Server shutting)" % re.escape(user))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with open(server.dir + "/log", encoding="utf-8", errors="replace") as file:
            text = file.read()
        if len(login.findall(text)) <= len(end.findall(text)):
            return
        time.sleep(0.05)
    raise AssertionError("sessions of %s do not end" % user)


def end_of(result):
    """The closing object of --json, or of a run that ended before there was one: an empty one."""
    objects = [item for item in result.json if item["type"] == "end"]
    return objects[-1] if objects else {}


def summary(result):
    """What a person wants to see of a run."""
    if not result:
        return "none"
    shown = ["exit %d" % result.code]
    for item in result.json:
        shown.append("    " + " ".join("%s=%s" % (key, value) for key, value in item.items()
                                        if value and key not in ("version", "skipped", "destination")))
    return "\n".join(shown + [result.err[-2000:]])


def kinds(differences):
    return {difference.kind for difference in differences}


def must_be_honest(result, differences, expected=frozenset(), doubled=False):
    """What the program says, against what the witness sees."""
    end = end_of(result)
    never = {"altered", "extra", "date"} | (set() if doubled else {"doubled"})
    assert not kinds(differences) & never - expected, "the destination is wrong: %s" % "; ".join(map(str, differences))
    assert result.code in range(8), "it ended by a signal, or oddly"
    if result.code in (0, 1):
        assert end.get("verdict") == "complete", "exit %d without a verdict that says so" % result.code
        assert not kinds(differences) - expected, "complete? %s" % "; ".join(map(str, differences))
    else:
        assert end.get("verdict") != "complete", "complete with exit %d" % result.code
        assert result.err.strip(), "it failed without a word"


class Attacks:
    def __init__(self, src, dst, folder, runner):
        self.src, self.dst, self.folder = src, dst, folder
        self.runner = runner
        self.proxies = queue.SimpleQueue()
        self.all = []
        for _ in range(WORKERS):
            pair = Proxy(src, **PLAIN).start(), Proxy(dst, **PLAIN).start()
            self.all += pair
            self.proxies.put(pair)
        self.numbers = itertools.count(1)

    def stop(self):
        for proxy in self.all:
            proxy.stop()

    def run_all(self, cases):
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            problems = [text for text in pool.map(self._guarded, cases) if text]
        if problems:
            pytest.fail("%d of %d cases failed:\n\n%s" % (len(problems), len(cases), "\n\n".join(problems)), pytrace=False)

    def _guarded(self, case):
        pair = self.proxies.get()
        job = Job(case, self.src, self.dst, pair, self.runner(self.folder / ("home%d" % next(self.numbers))))
        try:
            self._attack(job)
            return None
        except (Exception, BaseException) as error:    # pytest.fail() is no Exception
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            return "== %s: %s: %s\nfirst run: %s\nfired: %s" % (
                case.name, type(error).__name__, str(error)[:3000], summary(job.result), job.fired)
        finally:
            self.proxies.put(pair)

    def _attack(self, job):
        case = job.case
        load.fill(self.src, job.user, case.account())
        self.dst.add_user(job.user)
        job.peace()
        if case.before:
            case.before(job)
        job.src_proxy.set_rules(list(case.src), **dict(PLAIN, **case.src_options))
        job.dst_proxy.set_rules(list(case.dst), **dict(PLAIN, **case.dst_options))
        with concurrent.futures.ThreadPoolExecutor(1) as side:
            during = side.submit(case.during, job) if case.during else None
            job.result = job.copy()
            if during:
                during.result()
        job.quiet()
        job.fired = job.src_proxy.fired() + job.dst_proxy.fired()
        assert job.fired or not case.fires or not (case.src or case.dst), "the fault never happened"
        must_be_honest(job.result, job.diff(), case.expected, case.doubled)
        assert job.result.code in case.codes, "exit %d, expected %s" % (job.result.code, case.codes)
        if case.text:
            assert re.search(case.text, job.result.err + job.result.out), "it never says %s" % case.text
        if case.check:
            case.check(job, job.result)
        if case.after:
            case.after(job)
        self._converge(job)

    @staticmethod
    def _converge(job):
        case = job.case
        job.peace()
        second = job.copy()
        differences = job.diff()
        left = case.expected | ({"doubled"} if case.doubled else set())
        assert not kinds(differences) - left, "after a clean run: %s\n%s" % ("; ".join(map(str, differences)), summary(second))
        assert second.code in (0, 1), "the clean run: %s" % summary(second)
        third = job.copy()
        assert third.code in (0, 1) and end_of(third)["copied"] == end_of(third)["flags_changed"] == 0, "a third run still found something to do: %s" % summary(third)
        assert kinds(job.diff()) == kinds(differences)
