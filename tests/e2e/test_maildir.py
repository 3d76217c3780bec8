"""Maildirs as source and destination: what goes in comes out, and other programs read it as we do."""
import hashlib
import mailbox
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from copying import both, copy, note, notes
from lab import corpus, load, witness
from lab.corpus import Message
from lab.dovecot import Dovecot

TRAPS = [
    Message(b"Subject: bare CR\r\n\r\na\rb\r\rc\r\n", ("\\Seen",)),
    Message(b"Subject: CR CR LF\r\n\r\nline\r\r\nline\r\n"),
    Message(b"Subject: CR CR LF late\r\n\r\n" + b"x" * 70 * 4000 + b"\r\n" * 9000 + b"\r\r\n"),
    Message(b"Subject: ends in CR\r\n\r\nx\r"),
    Message(b"Subject: one long line\r\n\r\n" + b"y" * 100_000 + b"\r\n"),
    corpus.message(77, 600_000, seed="big"),
]
NAMES = ("Entwürfe", "A/B/C", "with.dot", "cur", "Work & Co", "[odd] *name%", "Ünï/cödé")


def account():
    return [("INBOX", [*corpus.odd(), *TRAPS], True), *((name, notes(2, first=10 * i), i % 2 == 0) for i, name in enumerate(NAMES, 1)),
            ("Empty", [], True)]


@pytest.fixture
def serve(servers):
    """Dovecot over a tree that mailhaul wrote: a copy of it, as the home of a user."""
    def start(user, tree, layout=None):
        server = servers(Dovecot, instance=7, format="maildir", separator="/" if layout else ".",
                         settings="mail_location = maildir:~/mail:LAYOUT=fs\n" if layout else "")
        home = os.path.join(server.dir, "home", user)
        os.makedirs(home, exist_ok=True)
        shutil.copytree(tree, os.path.join(home, "mail"))
        subprocess.run(["chown", "-R", "--reference", os.path.join(server.dir, "home"), home], check=True)
        return server
    return start


def files(tree):
    """Every message file with its content, wherever it is."""
    return {os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names
            if os.path.basename(folder) in ("cur", "new", "tmp")}


@pytest.mark.parametrize("layout", ["maildir++", "fs"])
def test_there_and_back(src, dst, run, user, tmp_path, layout):
    load.fill(src, user, account())
    place = "maildir:%s/mail?layout=%s" % (tmp_path, layout)
    first = copy(run, src.url(user), place, code=1)    # a name was escaped
    assert first.copied == sum(len(messages) for _, messages, _ in account())
    before = files(tmp_path / "mail")
    again = copy(run, src.url(user), place)
    assert (again.copied, again.there, again.flags_changed) == (0, first.copied, 0)
    assert files(tmp_path / "mail") == before and not [path for path in before if os.path.dirname(path).endswith("/tmp")]
    wrong = place[:-len(layout)] + ("maildir++" if layout == "fs" else "fs")
    assert "would not see them" in run("copy", wrong, dst.url(user), check=2).err
    back = copy(run, place, dst.url(user))
    assert back.copied == first.copied
    assert both(src, dst, user) == []
    assert copy(run, place, dst.url(user)).copied == 0
    # Without any record: found by digest, nothing doubled.
    shutil.rmtree(run.state)
    assert copy(run, src.url(user), place).copied == 0
    assert files(tmp_path / "mail") == before


@pytest.mark.parametrize("layout", [None, "fs"])
def test_dovecot_agrees(src, run, user, tmp_path, serve, layout):
    load.fill(src, user, account())
    copy(run, src.url(user), "maildir:%s/mail%s" % (tmp_path, "?layout=fs" if layout else ""), code=1)
    server = serve(user, tmp_path / "mail", layout)
    # $Forwarded, keywords, dates, octets, subscriptions; a level "cur", or with a dot, is escaped.
    renamed = {"cur": "%63ur"} if layout else {"with.dot": "with%2Edot"}
    found = witness.diff(witness.read(src, user), witness.read(server, user), name_map=lambda name: renamed.get(name, name))
    assert found == []


def test_python_agrees(src, run, user, tmp_path):
    load.fill(src, user, account())
    copy(run, src.url(user), "maildir:%s/mail" % tmp_path, code=1)
    inbox = mailbox.Maildir(tmp_path / "mail", create=False)
    truth = witness.read(src, user)
    assert sorted(inbox.list_folders()) == sorted(
        [".".join(["Entw&APw-rfe"]), "A.B.C", "with%2Edot", "cur", "Work &- Co", "[odd] *name%", "&ANw-n&AO8-.c&APY-d&AOk-", "Empty"])
    assert len(inbox) == len(truth.mailboxes["INBOX"])
    letters = {"\\seen": "S", "\\answered": "R", "\\flagged": "F", "\\deleted": "T", "\\draft": "D", "$forwarded": "P"}
    expected = sorted((message.date, "".join(sorted(letters[flag.lower()] for flag in message.flags if flag.lower() in letters)))
                      for message in truth.mailboxes["INBOX"])
    assert sorted((int(message.get_date()), "".join(c for c in message.get_flags() if c.isupper())) for message in inbox) == expected
    for path in files(tmp_path / "mail"):
        assert ",S=%d," % os.path.getsize(path) in path
    sizes = sorted(int(os.path.basename(path).split(",W=")[1].split(":")[0]) for path in files(tmp_path / "mail")
                   if os.path.dirname(path) == str(tmp_path / "mail" / "cur"))
    assert sizes == sorted(message.size for message in truth.mailboxes["INBOX"])


def test_bare_lf_is_told(src, run, user, tmp_path):
    """A Unix file cannot tell it from a line's end. Dovecot's sdbox makes it CRLF itself; from a Maildir with raw octets it arrives as CRLF."""
    load.append_many(src, user, "INBOX", corpus.bare_line_ends())
    assert copy(run, src.url(user), "maildir:%s/mail" % tmp_path).copied == 2


def test_flags_follow(src, run, user, tmp_path):
    load.append_many(src, user, "INBOX", notes(3))
    place = "maildir:%s/mail" % tmp_path
    copy(run, src.url(user), place)
    load.store(src, user, "INBOX", "2", "+", ["\\Flagged", "$Work"])
    assert copy(run, src.url(user), place).flags_changed == 1
    assert copy(run, src.url(user), place).flags_changed == 0
    [name] = [name for name in os.listdir(tmp_path / "mail" / "cur") if "F" in name.split(":2,")[1]]
    assert name.endswith("Fa")
    assert (tmp_path / "mail" / "dovecot-keywords").read_text() == "0 $Work\n"


def test_more_keywords_than_letters(src, run, user, tmp_path):
    """26 fit. What does not is told, and is no news in the next run."""
    load.append_many(src, user, "INBOX", [note(1).with_flags(*("k%02d" % i for i in range(20))),
                                          note(2).with_flags(*("k%02d" % i for i in range(10, 40)))])
    report = copy(run, src.url(user), "maildir:%s/mail" % tmp_path, code=1)
    assert report.copied == 2 and report.flags_lost == 1
    [(_, _, text)] = report.found_out("flags-lost")
    assert "k26" in text and "k39" in text and "k25" not in text
    assert copy(run, src.url(user), "maildir:%s/mail" % tmp_path).flags_changed == 0


def deliver(folder, number, sub="new", info=""):
    path = folder / sub
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    (folder / "new").mkdir(exist_ok=True)
    (folder / "cur").mkdir(exist_ok=True)
    name = "%d.M%dP1.host" % (1_700_000_000 + number, number)
    (folder / "tmp" / name).write_bytes(b"Subject: %d\nMessage-ID: <%d@x>\n\nbody %d\n" % (number, number, number))
    os.rename(folder / "tmp" / name, path / (name + info))
    return path / (name + info)


def subjects(server, user, name="INBOX"):
    return sorted(message.hint for message in witness.read(server, user).mailboxes[name])


def test_foreign_source(dst, run, user, tmp_path):
    """New mail, a name in new and cur at once, flags after a comma, leftovers in tmp, what is no file; later renamed by a reader."""
    root = tmp_path / "mail"
    moved = deliver(root, 1)
    deliver(root, 2, "cur", ":2,RS")
    deliver(root, 3, "cur", ":2,")
    shutil.copy(root / "cur" / "1700000003.M3P1.host:2,", root / "new" / "1700000003.M3P1.host")
    (root / "tmp" / "half").write_bytes(b"Subject: half")
    (root / "cur" / "1700000009.dir:2,").mkdir()
    os.mkfifo(root / "new" / "1700000010.fifo")
    os.symlink("/etc/passwd", root / "cur" / "1700000011.link:2,S")
    deliver(root / ".Sub.Folder", 4)
    report = copy(run, "maildir:%s" % root, dst.url(user), code=3)
    assert (report.copied, report.unknown, report.found) == (4, 3, 7)
    found = witness.read(dst, user)
    assert len(found.mailboxes["INBOX"]) == 3 and len(found.mailboxes["Sub/Folder"]) == 1
    assert sorted(sorted(message.flags) for message in found.mailboxes["INBOX"]) == [[], [], ["\\answered", "\\seen"]]
    os.rename(moved, root / "cur" / (moved.name + ",S=40:2,S"))
    deliver(root, 5)
    report = copy(run, "maildir:%s" % root, dst.url(user), code=3)
    assert (report.copied, report.flags_changed, report.there) == (1, 1, 4)


def test_delivery_races_the_run(src, dst, run, user, tmp_path):
    """Another program delivers and marks as read all the time: nothing lost, nothing doubled in the end."""
    root = tmp_path / "mail"
    for number in range(200):
        deliver(root, number)
    process = run.start("copy", "maildir:%s" % root, dst.url(user), "--json")
    for number in range(200, 300):
        deliver(root, number)
        for path in list((root / "new").iterdir())[:3]:
            os.rename(path, root / "cur" / (path.name + ":2,S"))
    run.finish(process)
    assert copy(run, "maildir:%s" % root, dst.url(user)).there + 0 >= 200
    assert copy(run, "maildir:%s" % root, dst.url(user)).copied == 0
    found = witness.read(dst, user).mailboxes["INBOX"]
    assert len(found) == 300 == len({message.sha for message in found})


def test_killed_and_resumed(src, run, user, tmp_path):
    load.append_many(src, user, "INBOX", [*notes(300), *corpus.identical(3)])
    truth = sorted(message.sha for message in witness.read(src, user).mailboxes["INBOX"])
    place = "maildir:%s/mail" % tmp_path
    for delay in (0.05, 0.15, 0.25, 0.4):
        process = run.start("copy", src.url(user), place, "--json")
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    copy(run, src.url(user), place)
    found = [hashlib.sha256(message.replace(b"\n", b"\r\n")).hexdigest() for message in
             (open(path, "rb").read() for path in files(tmp_path / "mail") if "/cur/" in path)]
    assert sorted(found) == truth
    assert copy(run, src.url(user), place).copied == 0


def test_nested_directories_are_found(dst, run, user, tmp_path):
    """As mbsync and offlineimap lay them out: INBOX is a directory too, names may be UTF-8."""
    deliver(tmp_path / "mail" / "INBOX", 1)
    deliver(tmp_path / "mail" / "Entwürfe" / "Alt", 2)
    deliver(tmp_path / "mail" / "Sent", 3, "cur", ":2,S")
    assert copy(run, "maildir:%s/mail" % tmp_path, dst.url(user)).copied == 3
    assert {name for name, found in witness.read(dst, user).mailboxes.items() if found} == {"INBOX", "Entwürfe/Alt", "Sent"}


@pytest.mark.parametrize("kind", ["missing", "empty", "other", "file"])
def test_no_source(dst, run, user, tmp_path, kind):
    path = tmp_path / "mail"
    if kind in ("empty", "other"):
        path.mkdir()
    if kind == "other":
        (path / "document").mkdir()
    if kind == "file":
        path.write_text("x")
    result = run("copy", "maildir:%s" % path, dst.url(user))
    assert result.code == 7 and "maildir:" in result.err


def test_destination_is_something_else(src, run, user, tmp_path):
    load.append_many(src, user, "INBOX", notes(1))
    (tmp_path / "document").write_text("x")
    result = run("copy", src.url(user), "maildir:%s" % tmp_path)
    assert result.code == 2 and "something else" in result.err
    assert not (tmp_path / "cur").exists()


def test_removed_as_a_whole(src, run, user, tmp_path):
    """Folders that are not there any more are made anew with all their mail: no message was deleted in them by its owner."""
    load.fill(src, user, [("INBOX", notes(2), True), ("Work", notes(3), True)])
    root = tmp_path / "mail"
    assert copy(run, src.url(user), "maildir:%s" % root).copied == 5
    shutil.rmtree(root / ".Work")
    assert copy(run, src.url(user), "maildir:%s" % root).copied == 3
    shutil.rmtree(root)
    assert copy(run, src.url(user), "maildir:%s" % root).copied == 5
    assert copy(run, src.url(user), "maildir:%s" % root).copied == 0


def test_dry_run_makes_nothing(src, run, user, tmp_path):
    load.append_many(src, user, "INBOX", notes(1))
    assert run("copy", "--dry-run", src.url(user), "maildir:%s/mail" % tmp_path).code == 0
    assert not (tmp_path / "mail").exists()


def test_links_lead_nowhere(src, run, user, tmp_path):
    """A folder that is a link out of the tree is not written through."""
    outside, root = tmp_path / "outside", tmp_path / "mail"
    deliver(outside, 1)
    deliver(root, 2)
    os.symlink(outside, root / ".Work")
    before = files(outside)
    load.fill(src, user, [("Work", notes(2), True)])
    result = run("copy", src.url(user), "maildir:%s" % root)
    assert result.code not in (0, 99) and files(outside) == before


@pytest.mark.parametrize("scheme", ["maildir", "mbox", "eml", "thunderbird"])
def test_owner(src, run, user, tmp_path, scheme):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    load.fill(src, user, [("Work", notes(2), True), ("Work/Deep", notes(2), True)])
    copy(run, src.url(user), "%s:%s/mail" % (scheme, tmp_path), "--owner=nobody")
    owners = {os.lstat(os.path.join(folder, name)).st_uid for folder, dirs, names in os.walk(tmp_path / "mail") for name in dirs + names}
    assert owners == {65534} and os.stat(tmp_path / "mail").st_uid == 65534
    assert run("copy", src.url(user), "%s:%s/mail?owner=no-such-user" % (scheme, tmp_path)).code == 2
    refused = run("copy", "%s:%s/mail" % (scheme, tmp_path), src.url(user), "--owner=nobody")
    assert refused.code == 2 and "dst options: owner: is for files only" in refused.err, refused


def test_locks_of_a_killed_run_are_broken(src, run, user, tmp_path):
    """At once: the lock says who made it."""
    load.append_many(src, user, "INBOX", notes(1))
    copy(run, src.url(user), "maildir:%s/mail" % tmp_path)
    lock = tmp_path / "mail" / "subscriptions.lock"
    gone = subprocess.Popen(["true"])
    gone.wait()
    lock.write_text("%d mailhaul %s\n" % (gone.pid, socket.gethostname()))
    load.fill(src, user, [("More", notes(1), True)])
    copy(run, src.url(user), "maildir:%s/mail" % tmp_path)
    assert not lock.exists()
    assert b"More" in (tmp_path / "mail" / "subscriptions").read_bytes()
    assert not [name for name in os.listdir(tmp_path / "mail") if name.startswith(".mailhaul")]
