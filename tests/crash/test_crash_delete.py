"""A mirror that is killed while it deletes, at any step and any system call: no message of the source goes, only what was extra; the next run ends the work, and
the one after it finds none. What was to be deleted is written down nowhere: it is found again."""
import collections
import hashlib
import itertools
import mailbox
import shutil
import signal

import pytest

from copying import note
from e2e_conftest import Runner
from lab import load, witness
from lab.faulty import summary
from test_crash import kills, side_by_side

KILLS = 3    # at each step and each system call that changes something, when sampled
NUMBERS = itertools.count(1)
TWIN = note(50)
MAIL = {"INBOX": [note(i) for i in range(1, 8)] + [TWIN], "Work": [note(i) for i in range(20, 24)]}
# Other mail; copies too many of one that stays; one that differs in its body alone.
EXTRA = {"INBOX": [note(i) for i in range(100, 105)] + [TWIN, TWIN, note(3, body=b"note x\r\n")], "Work": [note(120)], "Gone": [note(130), note(131)]}


def sha(body):
    return hashlib.sha256(body.replace(b"\r\n", b"\n").rstrip(b"\n").replace(b"\n", b"\r\n") + b"\r\n").hexdigest()


def counted(mail):
    return {name: collections.Counter(sha(message.body) for message in messages) for name, messages in mail.items()}


class Imap:
    gone, code = 1, 0    # mailboxes that --delete-mailboxes takes, and how a whole run ends

    def __init__(self, lab):
        self.server, self.user = lab.dst, "delete%d" % next(NUMBERS)
        lab.dst.add_user(self.user)
        self.place = lab.dst.url(self.user)

    def add(self, name, messages):
        load.fill(self.server, self.user, [(name, messages, False)])

    def read(self):
        mailboxes = witness.read(self.server, self.user).mailboxes
        return {name: collections.Counter(message.sha for message in messages) for name, messages in mailboxes.items()}


class Maildir:
    gone, code = 1, 0

    def __init__(self, lab):
        self.path = lab.folder / ("delete%d" % next(NUMBERS))
        self.place = "maildir:%s" % self.path

    def folder(self, name):
        return self.path if name == "INBOX" else self.path / ("." + name)

    def add(self, name, messages):
        for sub in ("tmp", "new", "cur"):
            (self.folder(name) / sub).mkdir(parents=True, exist_ok=True)
        for message in messages:
            (self.folder(name) / "cur" / ("%d.theirs:2," % next(NUMBERS))).write_bytes(message.body.replace(b"\r\n", b"\n"))

    def read(self):
        return {name: collections.Counter(sha(path.read_bytes()) for path in (self.folder(name) / "cur").iterdir())
                for name in ("INBOX", "Work", "Gone") if (self.folder(name) / "cur").is_dir()}


class Mbox:
    gone, code = 0, 3    # a file that others made, and that was never opened: what it holds is not known, so it stays, and that is said

    def __init__(self, lab):
        self.path = lab.folder / ("delete%d" % next(NUMBERS))
        self.place = "mbox:%s" % self.path

    def add(self, name, messages):
        with open(self.path / (name + ".mbox"), "ab") as file:
            for message in messages:
                file.write(b"From a@example.org Mon Jan  1 12:00:00 2024\n" + message.body.replace(b"\r\n", b"\n") + b"\n")

    def read(self):
        result = {}
        for path in self.path.glob("*.mbox"):
            box = mailbox.mbox(path, create=False)
            result[path.stem] = collections.Counter(sha(box.get_bytes(key)) for key in box.keys())
        return result


class Eml:
    gone, code = 1, 0

    def __init__(self, lab):
        self.path = lab.folder / ("delete%d" % next(NUMBERS))
        self.place = "eml:%s" % self.path

    def add(self, name, messages):
        (self.path / name).mkdir(parents=True, exist_ok=True)
        for message in messages:
            (self.path / name / ("their%d.eml" % next(NUMBERS))).write_bytes(message.body)

    def read(self):
        found = {path.name: collections.Counter(sha(file.read_bytes()) for file in path.glob("*.eml")) for path in self.path.iterdir() if path.is_dir()}
        return {name: messages for name, messages in found.items() if messages}    # a directory without any is no mailbox


class Lab:
    def __init__(self, dst, folder, kind):
        self.dst, self.folder, self.kind = dst, folder, kind
        for name, messages in MAIL.items():
            (folder / "source" / name).mkdir(parents=True)
            for number, message in enumerate(messages):
                (folder / "source" / name / ("%d.eml" % number)).write_bytes(message.body)
        counts = folder / "counts"
        run, place = self.victim()
        result = self.mirror(run, place, env={"MAILHAUL_FAULT_COUNT": str(counts)})
        assert result.code == kind.code and result.json[-1]["deleted_extra"] == 9 and result.json[-1]["mailboxes_deleted"] == kind.gone, summary(result)
        self.truth = counted(MAIL if kind.gone else dict(MAIL, Gone=EXTRA["Gone"]))
        assert place.read() == self.truth
        if not counts.exists():
            pytest.skip("built without -Dfaults=true")
        self.counts = {name: int(count) for name, count in (line.rsplit(None, 1) for line in counts.read_text().splitlines())}

    def victim(self):
        """A copy that is complete and recorded, and then somebody put other mail beside it."""
        run, place = Runner(self.folder / ("home%d" % next(NUMBERS))), self.kind(self)
        result = run("copy", "eml:%s" % (self.folder / "source"), place.place, timeout=90)
        assert result.code == 0, summary(result)
        for name, messages in EXTRA.items():
            place.add(name, messages)
        return run, place

    def mirror(self, run, place, **options):
        return run("mirror", "eml:%s" % (self.folder / "source"), place.place, "--json", "--yes", "--max-delete", "100%", "--delete-mailboxes",
                   "--settle", "100ms", "-j", "1", "--retries", "2", timeout=90, **options)

    def check(self, fault):
        run, place = self.victim()
        first = self.mirror(run, place, env={"MAILHAUL_FAULT": fault})
        assert first.code in (-signal.SIGKILL, self.kind.code), "%s: %s" % (fault, summary(first))
        found, truth = place.read(), self.truth
        for name, messages in truth.items():
            assert not messages - found.get(name, collections.Counter()), "%s: mail of the source is gone from %s" % (fault, name)
            assert not found[name] - messages - counted(EXTRA).get(name), "%s: doubled in %s" % (fault, name)
        second = self.mirror(run, place)
        assert second.code == self.kind.code and place.read() == truth, "%s: not ended: %s\nfirst: %s" % (fault, summary(second), summary(first))
        assert second.json[-1]["copied"] == 0, "%s: copied again: %s" % (fault, summary(second))
        third = self.mirror(run, place)
        end = third.json[-1]
        assert third.code == self.kind.code and end["copied"] == end["deleted_extra"] == end["mailboxes_deleted"] == 0, "%s: %s" % (fault, summary(third))
        shutil.rmtree(run.home)
        return first.code != 0


@pytest.mark.parametrize("kind", [Imap, Maildir, Mbox, Eml])
def test_killed_while_deleting(dst, tmp_path, soak, kind):
    lab = Lab(dst, tmp_path, kind)
    faults, killed = list(kills(lab.counts, soak, KILLS, ("point.remove", "point.delete", "point.mbox"))), []
    side_by_side(lambda fault: killed.append(lab.check(fault)), faults)
    assert sum(killed) > len(faults) * 3 // 4 > 15, "only %d of %d were killed" % (sum(killed), len(faults))
