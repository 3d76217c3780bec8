"""A copy that is killed, or that the system fails, at any step and any system call: resumed, compared, and once more with nothing to do.

MAILHAUL_FAULT_COUNT tells how many of each there are (src/base/os.h); sampled evenly, whole with --soak. Needs a build with -Dfaults=true.
"""
import concurrent.futures
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from e2e_conftest import PROGRAM, Runner
from lab import corpus, load, witness
from lab.faulty import end_of, kinds, must_be_honest, quiet, summary

WORKERS = 4
KILLS = 3           # at each step and each system call that changes something, when sampled
# Death before a call that changes nothing, here or on a server, leaves what death before the next change does.
LOOKING = {"close", "connect", "fcntl", "fstat", "fstatat", "poll", "pread", "read", "socket", "stat"}
NUMBERS = iter(range(1, 1 << 30))


def account(letters):
    """Few mailboxes: odd messages, identical copies, one that is streamed, an empty one."""
    return (("INBOX", [corpus.no_header(), corpus.dots(), *corpus.same_header(), *corpus.identical(3), corpus.eight_bit(),
                       corpus.message(50, 600_000, seed="big"), corpus.message(1)], True),
            ("Work/Küche", [*corpus.identical(2, number=9), corpus.no_line_end(), *(corpus.message(i, seed="w") for i in range(letters))],
             True),
            ("Empty", [], True))


class Lab:
    def __init__(self, src, dst, folder):
        self.src, self.dst, self.folder = src, dst, folder
        load.fill(src, "crash", account(4))
        self.truth = witness.read(src, "crash")
        self.counts = self._count()
        self.killed = 0

    def victim(self):
        """A destination nobody had before, and a machine of its own."""
        number = next(NUMBERS)
        user = "victim%d" % number
        self.dst.add_user(user)
        return user, Runner(self.folder / ("home%d" % number))

    def copy(self, run, user, *args, **options):
        return run("copy", self.src.url("crash"), self.dst.url(user), "--json", "--settle", "100ms", "-j", "1", "--retries", "2", *args,
                   timeout=90, **options)

    def diff(self, user):
        return witness.diff(self.truth, witness.read(self.dst, user))

    def _count(self):
        user, run = self.victim()
        path = self.folder / "counts"
        result = self.copy(run, user, env={"MAILHAUL_FAULT_COUNT": str(path)})
        assert result.code == 0 and self.diff(user) == [], summary(result)
        if not path.exists():
            pytest.skip("%s was built without -Dfaults=true" % PROGRAM)
        return {name: int(count) for name, count in (line.rsplit(None, 1) for line in path.read_text().splitlines())}

    def converge(self, run, user, first, what):
        """At most two runs finish the work, and the next one finds none."""
        quiet(self.dst, user)
        found = self.diff(user)
        assert not kinds(found) & {"doubled", "extra", "altered", "date"}, "%s left %s" % (what, "; ".join(map(str, found)))
        for _ in range(2):
            result = self.copy(run, user)
            must_be_honest(result, self.diff(user))
            if result.code == 0:
                break
        assert result.code == 0 and self.diff(user) == [], "%s: not resumed: %s; %s\nfirst: %s" % (
            what, summary(result), "; ".join(map(str, self.diff(user))), summary(first))
        again = self.copy(run, user)
        assert again.code == 0 and end_of(again)["copied"] == 0, "%s: a third run still copies: %s" % (what, summary(again))
        assert self.diff(user) == [], "%s: the third run changed something" % what
        left = [name for name in os.listdir(run.state) if not name.endswith((".db", ".lock"))]
        assert not left, "%s left files behind: %s" % (what, left)


@pytest.fixture(scope="module")
def lab(src, dst, tmp_path_factory):
    return Lab(src, dst, tmp_path_factory.mktemp("crash"))


def sampled(count, most):
    """1…count, or `most` of them, evenly, the ends among them (of one: the middle)."""
    if count <= most:
        return list(range(1, count + 1))
    if most == 1:
        return [(count + 1) // 2]
    return sorted({1 + round(i * (count - 1) / (most - 1)) for i in range(most)})


def side_by_side(function, items):
    problems = []

    def guarded(item):
        try:
            function(item)
        except (Exception, pytest.fail.Exception) as error:
            problems.append("== %s: %s: %s" % (item, type(error).__name__, str(error)[:3000]))

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(guarded, items))
    if problems:
        pytest.fail("%d of %d cases failed:\n\n%s" % (len(problems), len(items), "\n\n".join(problems)), pytrace=False)


def kill(lab, fault, forget):
    user, run = lab.victim()
    first = lab.copy(run, user, env={"MAILHAUL_FAULT": fault})
    if first.code == -signal.SIGKILL:
        lab.killed += 1
    else:   # the number of polls and receives depends on the weather
        must_be_honest(first, lab.diff(user))
    if forget:
        shutil.rmtree(run.state, ignore_errors=True)
    lab.converge(run, user, first, fault)


def kills(counts, soak, most, own="point"):
    """Where to die. When sampled: up to `most` times at each step and each system call that changes something, once at all the others;
    own: what the steps are called that are this place's own, for of those that all places share there is enough here."""
    for name, count in sorted(counts.items()):
        if soak and (name == "point" or not name.startswith("point") and name != "any"):
            yield from ("%s:%d:kill" % (name, n) for n in range(1, count + 1))
        elif not soak and name not in ("point", "any"):
            once = not name.startswith(own) if name.startswith("point") else name in LOOKING
            yield from ("%s:%d:kill" % (name, n) for n in sampled(count, 1 if once else most))


def test_killed_anywhere(lab, soak):
    faults = list(kills(lab.counts, soak, KILLS))
    assert lab.counts["point"] >= 5 and len(faults) > 30, lab.counts
    lab.killed = 0
    side_by_side(lambda fault: kill(lab, fault, False), faults)
    assert lab.killed > len(faults) * 3 // 4, "only %d of %d were killed" % (lab.killed, len(faults))


def test_killed_anywhere_and_the_state_is_gone(lab, soak):
    faults = [fault for fault in kills(lab.counts, soak, KILLS) if fault.startswith(("point", "send", "recv"))]
    side_by_side(lambda fault: kill(lab, fault, True), faults if soak else faults[::2])


# Errors instead of death.

FAILURES = (("fsync", "EIO"), ("fsync", "ENOSPC"), ("pwrite", "EIO"), ("pwrite", "ENOSPC"), ("open", "EMFILE"), ("open", "ENOSPC"),
            ("open", "EACCES"), ("socket", "EMFILE"), ("connect", "ECONNREFUSED"), ("send", "ECONNRESET"), ("recv", "ECONNRESET"),
            ("send", "EPIPE"), ("poll", "ENOMEM"), ("ftruncate", "EIO"), ("mkdir", "EACCES"), ("unlink", "EIO"), ("pread", "EIO"))


def fail(lab, fault):
    user, run = lab.victim()
    first = lab.copy(run, user, env={"MAILHAUL_FAULT": fault})
    assert first.code >= 0, "%s: it died: %s" % (fault, summary(first))
    must_be_honest(first, lab.diff(user))
    if fault.endswith(("ENOSPC", "EIO")) and first.code:
        # 2: the file with the password cannot be opened.
        assert first.code in ((2, 4, 7) if fault.startswith("open") else (4, 7)), "%s: %s" % (fault, summary(first))
    lab.converge(run, user, first, fault)


def test_system_calls_fail(lab, soak):
    faults = []
    for row, (name, errno) in enumerate(FAILURES):
        for i, n in enumerate(sampled(lab.counts.get(name, 0), lab.counts.get(name, 0) if soak else 3)):
            both = ["%s:%d:%s" % (name, n, errno), "%s:%d+:%s" % (name, n, errno)]     # once, or from then on
            faults += both if soak else both[(row + i) % 2:][:1]
    assert faults
    side_by_side(lambda fault: fail(lab, fault), faults)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_killed_at_random_times(src, dst, user, run, seed):
    """A larger account, killed again and again until it is through."""
    load.fill(src, user, corpus.s(0.2))
    dst.add_user(user)
    truth, rng = witness.read(src, user), random.Random(seed)
    for _ in range(200):
        process = run.start("copy", src.url(user), dst.url(user), "--json", "--settle", "300ms", stdout=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.05, 1.5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()
        time.sleep(rng.uniform(0, 0.1))
        if process.returncode == 0:
            break
    quiet(dst, user)
    assert run("copy", src.url(user), dst.url(user), "--json", "--settle", "300ms", timeout=300).code == 0
    assert witness.diff(truth, witness.read(dst, user)) == []
    assert end_of(run("copy", src.url(user), dst.url(user), "--json"))["copied"] == 0
