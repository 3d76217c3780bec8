"""A copy into a Maildir that is killed, or that the system fails, at any step: every message is there once in the end, whole, with its flags and date."""
import hashlib
import os
import signal

import pytest

from e2e_conftest import Runner
from lab import corpus, load, witness
from lab.faulty import summary
from test_crash import NUMBERS, account, kills, sampled, side_by_side

KILLS = 3   # at each step and each system call that changes something, when sampled
LETTERS = {"S": "\\seen", "R": "\\answered", "F": "\\flagged", "T": "\\deleted", "D": "\\draft"}
FAILURES = ("write:{}+:ENOSPC", "write:{}:EIO", "write:{}:short", "fsync:{}:EIO", "fsync:{}+:ENOSPC", "renameat:{}:EIO", "renameat:{}+:ENOSPC",
            "openat:{}:EMFILE", "openat:{}:EACCES", "mkdirat:{}:ENOSPC", "futimens:{}:EPERM", "fstatat:{}:EIO", "close:{}:EIO",
            "unlinkat:{}:EIO", "pwrite:{}:EIO")


class Lab:
    def __init__(self, src, folder):
        self.src, self.folder = src, folder
        load.fill(src, "crash-maildir", [*account(70), ("Odd", [corpus.message(7, 400_000, seed="odd"), corpus.Message(
            b"Subject: CR CR LF\r\n\r\n" + b"x\r\n" * 50_000 + b"\r\r\n")], True)])
        self.truth = {name: sorted((message.sha, message.date) for message in messages)
                      for name, messages in witness.read(src, "crash-maildir").mailboxes.items()}
        victim, run = self.victim()
        counts = folder / "counts"
        result = self.copy(run, victim, env={"MAILHAUL_FAULT_COUNT": str(counts)})
        assert result.code == 0 and self.found(victim) == self.truth, summary(result)
        if not counts.exists():
            pytest.skip("built without -Dfaults=true")
        self.counts = {name: int(count) for name, count in (line.rsplit(None, 1) for line in counts.read_text().splitlines())}

    def victim(self):
        number = next(NUMBERS)
        return self.folder / ("mail%d" % number), Runner(self.folder / ("home%d" % number))

    def copy(self, run, place, **options):
        return run("copy", self.src.url("crash-maildir"), "maildir:%s" % place, "--json", "-j", "1", "--retries", "2", timeout=90, **options)

    def found(self, place):
        """What a reader of the Maildir finds, by a program of its own."""
        result = {}
        for name in self.truth:
            folder = place if name == "INBOX" else place / ("." + {"Work/Küche": "Work.K&APw-che"}.get(name, name))
            if not (folder / "cur").is_dir():
                continue
            result[name] = sorted(self.message(folder / "cur" / file) for file in os.listdir(folder / "cur"))
        return result

    @staticmethod
    def message(path):
        data = path.read_bytes()
        assert ",S=%d," % len(data) in path.name
        lines = data.split(b"\n")
        mail = b"".join(line + (b"\n" if line.endswith(b"\r") else b"\r\n") for line in lines[:-1]) + lines[-1]
        return hashlib.sha256(mail).hexdigest(), int(os.stat(path).st_mtime)

    def check(self, fault, killed):
        place, run = self.victim()
        first = self.copy(run, place, env={"MAILHAUL_FAULT": fault})
        assert first.code != 99, summary(first)
        assert not killed or first.code in (-signal.SIGKILL, 0), summary(first)
        for name, messages in self.found(place).items():
            extra = [message for message in messages if message not in self.truth[name]]
            assert not extra or "futimens" in fault, "%s: a damaged message in %s" % (fault, name)
            assert len(messages) <= len(self.truth[name]), "%s: doubled in %s" % (fault, name)
        if first.code == 0 and "futimens" not in fault:
            assert self.found(place) == self.truth, "%s: a false complete: %s" % (fault, summary(first))
        result = self.copy(run, place)
        if "futimens" in fault:
            return
        assert result.code == 0 and self.found(place) == self.truth, "%s: not resumed: %s\nfirst: %s" % (fault, summary(result), summary(first))
        again = self.copy(run, place)
        assert again.code == 0 and again.json[-1]["copied"] == 0, "%s: a third run copies" % fault


@pytest.fixture(scope="module")
def lab(src, tmp_path_factory):
    return Lab(src, tmp_path_factory.mktemp("crash-maildir"))


def test_killed_anywhere(lab, soak):
    side_by_side(lambda fault: lab.check(fault, True), list(kills(lab.counts, soak, KILLS, "point.maildir")))


def test_failed_anywhere(lab, soak):
    faults = [form.format(n) for form in FAILURES
              for n in sampled(lab.counts.get(form.split(":")[0], 1), 100 if soak else 2)]
    side_by_side(lambda fault: lab.check(fault, False), faults)
