"""A copy into mbox files that is killed, or that the system fails, at any step and any system call: resumed, read back over IMAP, and once more with
nothing to do. Nothing is lost or doubled, and what another program appended after the crash stays whole."""
import itertools
import shutil
import signal

import pytest

from copying import copy
from e2e_conftest import PROGRAM, Runner
from lab import corpus, load, witness
from lab.faulty import end_of, must_be_honest, summary
from test_crash import kills, sampled, side_by_side

KILLS = {"": 2, "?ext=mbox.gz": 1}    # at each step and each system call that changes something, when sampled
WRITING = ("point.mbox", "write", "pwrite", "fsync", "ftruncate", "openat", "renameat", "unlinkat")    # in all else packed files are as others
NUMBERS = itertools.count(1)
THEIRS = b"From them@example.org Thu Jan  1 00:00:07 1970\nSubject: theirs\nMessage-ID: <theirs@example.org>\n\nwhole\n\n"


def account():
    return (("INBOX", [corpus.no_header(), *corpus.same_header(), *corpus.identical(3), corpus.no_line_end(), corpus.eight_bit(),
                       corpus.Message(b"Subject: quoted\r\n\r\nFrom me\r\n\r\nFrom a@x Thu Jan  1 00:00:07 1970\r\n>From you\r\n"),
                       corpus.Message(b"Subject: exact\r\n\r\na\r\r\nb\r\n"), corpus.message(50, 1_500_000, seed="big"), corpus.message(1)], False),
            ("Work", [*corpus.identical(2, number=9), *(corpus.message(i, seed="w", flags=("\\Seen", "$Work")) for i in range(4))], False),
            ("Empty", [], False))


class Lab:
    def __init__(self, src, dst, folder, query):
        self.src, self.dst, self.folder, self.query = src, dst, folder, query
        load.fill(src, "crashmbox", account())
        self.truth = witness.read(src, "crashmbox")
        self.counts = self._count()
        self.killed = 0

    def victim(self):
        number = next(NUMBERS)
        return self.folder / ("mail%d" % number), Runner(self.folder / ("home%d" % number))

    def copy(self, run, mail, *args, **options):
        return run("copy", self.src.url("crashmbox"), "mbox:%s%s" % (mail, self.query), "--json", "-j", "1", "--settle", "100ms", "--retries", "2",
                   *args, timeout=90, **options)

    def diff(self, mail, run):
        """Reads everything back, on a machine that knows nothing of it."""
        number = next(NUMBERS)
        user = "backmbox%d" % number
        self.dst.add_user(user)
        if mail.exists():
            copy(Runner(self.folder / ("back%d" % number)), "mbox:%s%s" % (mail, self.query), self.dst.url(user))
        return [d for d in witness.diff(self.truth, witness.read(self.dst, user), subscriptions=False)]

    def _count(self):
        mail, run = self.victim()
        path = self.folder / "counts"
        result = self.copy(run, mail, env={"MAILHAUL_FAULT_COUNT": str(path)})
        assert result.code == 0, summary(result)
        assert self.diff(mail, run) == []
        self.whole = mail
        if not path.exists():
            pytest.skip("%s was built without -Dfaults=true" % PROGRAM)
        return {name: int(count) for name, count in (line.rsplit(None, 1) for line in path.read_text().splitlines())}

    def converge(self, run, mail, first, what):
        for _ in range(2):
            result = self.copy(run, mail)
            if result.code == 0:
                break
        found = self.diff(mail, run)
        assert result.code == 0 and found == [], "%s: not resumed: %s; %s\nfirst: %s" % (
            what, summary(result), "; ".join(map(str, found)), summary(first))
        again = self.copy(run, mail)
        assert again.code == 0 and end_of(again)["copied"] == 0, "%s: a third run still copies: %s" % (what, summary(again))
        left = [p.name for p in mail.rglob("*") if p.name.endswith("-new")]
        assert not left, "%s left files behind: %s" % (what, left)


@pytest.fixture(scope="module", params=["", "?ext=mbox.gz"])
def lab(src, dst, tmp_path_factory, request):
    return Lab(src, dst, tmp_path_factory.mktemp("crash"), request.param)


def kill(lab, fault, forget=False):
    mail, run = lab.victim()
    first = lab.copy(run, mail, env={"MAILHAUL_FAULT": fault})
    if first.code == -signal.SIGKILL:
        lab.killed += 1
    if forget:
        shutil.rmtree(run.state, ignore_errors=True)
    lab.converge(run, mail, first, fault)


def places(lab, soak):
    faults = kills(lab.counts, soak, KILLS[lab.query], "point.mbox")
    return [fault for fault in faults if soak or not lab.query or fault.startswith(WRITING)]


def test_killed_anywhere(lab, soak):
    faults = places(lab, soak)
    assert lab.counts["point.mbox-written"] >= 2
    lab.killed = 0
    side_by_side(lambda fault: kill(lab, fault), faults)
    assert lab.killed > len(faults) * 3 // 4


def test_killed_anywhere_and_the_state_is_gone(lab, soak):
    faults = [fault for fault in places(lab, soak) if fault.startswith(("point", "pwrite", "fsync"))]
    side_by_side(lambda fault: kill(lab, fault, True), faults if soak else faults[::2])


def test_system_calls_fail(lab, soak):
    """The disk is full, or broken: said so, nothing is claimed that is not there."""
    faults = []
    for name, errno in (("pwrite", "ENOSPC"), ("pwrite", "EIO"), ("write", "ENOSPC"), ("fsync", "EIO"), ("ftruncate", "EIO"), ("openat", "ENOSPC"),
                        ("openat", "EMFILE"), ("fstat", "EIO"), ("unlinkat", "EIO"), ("pread", "EIO"), ("fcntl", "EDEADLK")):
        count = lab.counts.get(name, 0)
        for i, n in enumerate(sampled(count, count if soak else KILLS[lab.query])):
            both = ["%s:%d:%s" % (name, n, errno), "%s:%d+:%s" % (name, n, errno)]
            faults += both if soak else both[i % 2:][:1]

    def fail(fault):
        mail, run = lab.victim()
        first = lab.copy(run, mail, env={"MAILHAUL_FAULT": fault})
        assert first.code >= 0, "%s: it died: %s" % (fault, summary(first))
        if first.code == 0:
            assert lab.diff(mail, run) == [], fault
        lab.converge(run, mail, first, fault)

    side_by_side(fail, faults)


@pytest.mark.parametrize("torn", [0, 1, 7, 45, 46, 100, 4000, -1, -3])
@pytest.mark.parametrize("lab", [""], indirect=True)
def test_others_after_the_crash(lab, torn):
    """A group that broke off after so many octets, behind which a delivery agent put its own message: that one is never cut off."""
    mail, run = lab.victim()
    lab.copy(run, mail, "-m", "Empty")
    first = lab.copy(run, mail, env={"MAILHAUL_FAULT": "point.mbox-announced:1:kill"})
    assert first.code == -signal.SIGKILL
    for name in ("INBOX", "Work"):
        place = mail / (name + ".mbox")
        if place.exists() and (mail / (".%s.mbox.mailhaul" % name)).exists() and b"@append" in (mail / (".%s.mbox.mailhaul" % name)).read_bytes():
            break
    text = (lab.whole / (name + ".mbox")).read_bytes()
    place.write_bytes((text[:torn] if torn >= 0 else text[:len(text) + torn]) + THEIRS)
    for lock in mail.glob("*.lock"):
        lock.unlink()
    for _ in range(2):
        result = lab.copy(run, mail)
        if result.code == 0:
            break
    assert result.code == 0, result
    assert THEIRS[THEIRS.index(b"\nSubject"):] in place.read_bytes()
    found = lab.diff(mail, run)
    assert {d.kind for d in found} <= {"extra", "mailbox-extra"}, found
    assert end_of(lab.copy(run, mail))["copied"] == 0


REMOVING = ("point.mbox-replaced:1:kill", "renameat:1:kill", "fsync:1:kill", "fsync:2:kill", "fsync:3:kill", "write:2:kill", "write:3:kill",
            "write:4:kill", "renameat:1:EIO", "write:2+:ENOSPC", "fsync:1+:EIO")


@pytest.mark.parametrize("fault, query", [(fault, "") for fault in REMOVING] + [
    pytest.param(fault, "?ext=mbox.xz", marks=[] if fault.startswith(("point", "write:3", "write:2+")) else [pytest.mark.soak]) for fault in REMOVING])
def test_removing(src, dst, run, run_new, tmp_path, fault, query):
    """A mirror that is stopped while it writes a file anew without what went from the source."""
    number = next(NUMBERS)
    user, other = "mirrormbox%d" % number, "mirrorback%d" % number
    load.fill(src, user, [("INBOX", [*corpus.identical(2), *(corpus.message(i, seed="r") for i in range(8)), corpus.no_line_end()], False)])
    dst.add_user(other)
    place = "mbox:%s%s" % (tmp_path / "mail", query)
    assert run("mirror", src.url(user), place, "--yes", "-j", "1").code == 0
    client = witness.Client(src, user)
    client.ask("SELECT", b"INBOX")
    client.ask("UID STORE", b"1,4:6", b"+FLAGS", b"(\\Deleted)")
    client.ask("EXPUNGE")
    client.logout()
    load.fill(src, user, [("INBOX", [corpus.message(99, seed="r")], False)])
    run("mirror", src.url(user), place, "--yes", "-j", "1", "--max-delete", "100%", env={"MAILHAUL_FAULT": fault})
    for _ in range(2):
        result = run("mirror", src.url(user), place, "--yes", "-j", "1", "--max-delete", "100%")
        if result.code == 0:
            break
    assert result.code == 0, result
    copy(run_new(), place, dst.url(other))
    found = witness.diff(witness.read(src, user), witness.read(dst, other), subscriptions=False)
    assert found == [], "; ".join(map(str, found))
    assert not [p.name for p in (tmp_path / "mail").iterdir() if p.name.endswith("-new")]
