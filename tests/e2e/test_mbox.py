"""mbox: files and trees, read and written: round trips over IMAP are byte-exact, other programs agree on what they see, nothing is doubled or cut off."""
import bz2
import fcntl
import gzip
import lzma
import mailbox
import os
import pathlib
import re
import shutil
import subprocess
import threading

import pytest

from copying import copy, fill, mirror, note, notes
from lab import corpus, load, witness
from lab.dovecot import Dovecot

FROM = b"From a@example.org Thu Jan  1 00:00:07 1970\n"


def quoted():
    """Lines that would begin a message, in every form."""
    lines = [b"From a@example.org Thu Jan  1 00:00:07 1970", b"", b"From a@example.org Thu Jan  1 00:00:07 1970", b">From b", b">>From c",
             b" From d", b"From", b">", b"", b"From the start", b""]
    bodies = [b"\r\n".join(lines) + b"\r\n", b"\r\n\r\n\r\n", b"From ", b">From x", b"x\r\n\r\n"]
    return [note(100 + i, body=body) for i, body in enumerate(bodies)] + [
        corpus.Message(b"From a@example.org Thu Jan  1 00:00:07 1970\r\nSubject: a From_ line in front\r\n\r\nx\r\n"),
        corpus.Message(b"Subject: lengths\r\nContent-Length: 5\r\nStatus: RO\r\nX-Mozilla-Status: 0009\r\n\r\nbody\r\n\r\nFrom x\r\n"),
        corpus.Message(b"Subject: double\r\n\r\none\r\r\ntwo\rthree\r\n"),
        corpus.Message(b"\r\n"), corpus.Message(b"\r\n\r\n"), corpus.Message(b"Subject: ends in CR\r\n\r\nx\r")]


def account():
    return {"INBOX": corpus.odd() + quoted(), "Work/Küche.2024": notes(5, flags=("\\Seen", "$Work")), "Empty": [],
            "Work": [note(1, flags=("\\Answered", "\\Flagged", "\\Draft", "\\Deleted"))]}


def back(run_new, place, dst, user):
    """From files back into an account, by a machine that knows nothing of it."""
    report = copy(run_new(), place, dst.url(user))
    return report


def same(src, dst, user, **options):
    return [str(d) for d in witness.diff(witness.read(src, user), witness.read(dst, user), subscriptions=False, **options)]


@pytest.mark.parametrize("query", ["", "?layout=fs", "?layout=thunderbird", "?ext=mbox.gz", "?ext=mbox.bz2", "?ext=mbox.zst",
                                   "?ext=mbox.xz", "?variant=mboxrd,status"])
def test_round_trip(src, dst, user, run, run_new, tmp_path, query):
    fill(src, user, account())
    place = "mbox:%s%s" % (tmp_path / "mail", query)
    first = copy(run, src.url(user), place)
    assert first.copied == first.found
    before = {p: p.read_bytes() for p in (tmp_path / "mail").rglob("*") if p.is_file()}
    again = copy(run, src.url(user), place)
    assert again.copied == 0 and again.there == first.found
    assert {p: p.read_bytes() for p in (tmp_path / "mail").rglob("*") if p.is_file()} == before
    assert copy(run_new(), src.url(user), place).copied == 0
    back(run_new, place, dst, user)
    assert same(src, dst, user) == []


def test_names_of_files(src, user, run, tmp_path):
    fill(src, user, account())
    copy(run, src.url(user), "mbox:%s" % (tmp_path / "mail"))
    names = sorted(p.name for p in (tmp_path / "mail").iterdir() if not p.name.startswith("."))
    assert names == ["Empty.mbox", "INBOX.mbox", "Work.Küche%2E2024.mbox", "Work.mbox"]
    copy(run, src.url(user), "mbox:%s?layout=fs" % (tmp_path / "fs"))
    assert (tmp_path / "fs" / "Work" / "Küche%2E2024.mbox").exists()
    copy(run, src.url(user), "mbox:%s?layout=thunderbird" % (tmp_path / "tb"))
    assert (tmp_path / "tb" / "Work.sbd" / "Küche.2024").exists()


def test_python_agrees(src, user, run, tmp_path):
    messages = quoted() + notes(3)
    fill(src, user, {"INBOX": messages})
    copy(run, src.url(user), "mbox:%s" % (tmp_path / "mail"))
    box = mailbox.mbox(tmp_path / "mail" / "INBOX.mbox", create=False)
    assert len(box) == len(messages)
    for number, message in enumerate(messages):
        if b"\r\r\n" in message.body or message.body.endswith(b"\r"):
            continue
        got = re.sub(rb"(?m)^>(>*From )", rb"\1", box.get_bytes(number))
        want = message.body.replace(b"\r\n", b"\n")
        assert got in (want, want + b"\n")
    text = (tmp_path / "mail" / "INBOX.mbox").read_bytes()
    assert text.startswith(b"From a@example.org ")
    assert b"\nFrom a@example.org Mon Jan  1 12:00:00 2024\n"


def boxes(dst, user, name="INBOX"):
    return witness.read(dst, user, mailboxes={name}).mailboxes.get(name, [])


def texts(dst, user, name="INBOX"):
    client = witness.Client(dst, user)
    client.examine(client.raw(name))
    found = []
    for _, items in client.ask("UID FETCH", b"1:*", b"(UID BODY.PEEK[])").get("FETCH", []):
        pairs = dict(zip(items[::2], items[1::2]))
        found.append((int(pairs[b"UID"]), pairs[b"BODY[]"]))
    client.logout()
    return [text for _, text in sorted(found)]


def load_file(run, tmp_path, dst, user, data, name="x.mbox", query="", code=0):
    path = tmp_path / name
    path.write_bytes(data)
    before = sorted(os.listdir(tmp_path)), path.stat()
    report = copy(run, "mbox:%s%s" % (path, query), dst.url(user), "--into", "INBOX", code=code)
    after = sorted(os.listdir(tmp_path)), path.stat()
    assert (before[0], before[1].st_mtime_ns, before[1].st_size) == (after[0], after[1].st_mtime_ns, after[1].st_size)
    return report


def crlf(text):
    return text.replace(b"\n", b"\r\n")


MBOXES = {
    "rd": (FROM + b"Subject: a\n\n>From x\n>>From y\n\n" + FROM + b"Subject: b\n\nend\n\n", "",
           [b"Subject: a\n\nFrom x\n>From y\n", b"Subject: b\n\nend\n"]),
    "o": (FROM + b"Subject: a\n\n>From x\n>>From y\n\n", "?variant=mboxo", [b"Subject: a\n\nFrom x\n>>From y\n"]),
    "cl": (FROM + b"Subject: a\nContent-Length: 8\n\n>From x\n\n" + FROM + b"Content-Length: 2\n\nb\n\n", "",
           [b"Subject: a\nContent-Length: 8\n\nFrom x\n", b"Content-Length: 2\n\nb\n"]),
    "cl2": (FROM + b"Subject: a\nContent-Length: %d\n\n\n" % (len(FROM) + 9) + FROM + b">From x\n\n" + FROM + b"\nb\n\n", "",
            [b"Subject: a\nContent-Length: %d\n\n\n" % (len(FROM) + 9) + FROM + b">From x\n", b"\nb\n"]),
    "no end": (FROM + b"Subject: a\n\nno end", "", [b"Subject: a\n\nno end"]),
    "no year": (b"From a Thu Jan  1 00:00:07\nDate: 1 Jan 1970\n\nx\n\nFrom b Thu Jan  1 00:00\nDate: 2 Jan 1970\n\ny\n", "",
                [b"Date: 1 Jan 1970\n\nx\n", b"Date: 2 Jan 1970\n\ny\n"]),
    # as IMAPtoMbox and imapbackup write it
    "imaptombox": (b"From \"A B\" <a@x> Thu Jan 01 00:00:07 1970\nSubject: a\n\nx\n\nFrom  Thu Jan 01 00:00:07 1970\nSubject: b\n\ny\n", "",
                   [b"Subject: a\n\nx\n", b"Subject: b\n\ny\n"]),
    "imapbackup": (b"From nobody Thu Jan  1 00:00:07 1970\nSubject: a\n\n>From x\n\nFrom nobody Thu Jan  1 00:00:07 1970\nb: c\n\n", "",
                   [b"Subject: a\n\nFrom x\n", b"b: c\n"]),
}


@pytest.mark.parametrize("ends", ["lf", "crlf"])
@pytest.mark.parametrize("kind", sorted(MBOXES))
def test_dialects(dst, user, run, tmp_path, kind, ends):
    data, query, want = MBOXES[kind]
    if ends == "crlf":
        if "cl" in kind:
            pytest.skip("the lengths are of the other kind")
        data = crlf(data)
    load_file(run, tmp_path, dst, user, data, query=query)
    assert texts(dst, user) == [crlf(text) for text in want]


@pytest.mark.parametrize("pack", [(gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz"), (None, "zst")], ids=lambda p: p[1])
def test_compressed(dst, user, run, tmp_path, pack):
    """Also several compressed files in one."""
    compress = pack[0] or (lambda data: subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout)
    if pack[0] is None and not shutil.which("zstd"):
        pytest.skip("there is no zstd")
    data = compress(FROM + b"Subject: a\n\nx\n\n") + compress(FROM + b"Subject: b\n\ny\n\n")
    load_file(run, tmp_path, dst, user, data, name="x.mbox." + pack[1])
    assert texts(dst, user) == [b"Subject: a\r\n\r\nx\r\n", b"Subject: b\r\n\r\ny\r\n"]


def test_flags_and_dates_of_others(dst, user, run, tmp_path):
    data = (b"From a Thu Jan  1 01:00:07 1970 +0100\nSubject: a\nStatus: RO\nX-Status: AF\nX-Keywords: Work $Junk  \n\nx\n\n"
            b"From b Thu Jan  1 00:00:07\nSubject: b\nDate: Thu, 1 Jan 1970 00:00:09 +0000\nStatus: O\n\ny\n")
    load_file(run, tmp_path, dst, user, data)
    first, second = boxes(dst, user)
    assert {flag.lower() for flag in first.flags} == {"\\seen", "\\answered", "\\flagged", "work", "$junk"} and first.date == 7
    assert second.flags == frozenset() and second.date == 9
    assert b"Status: RO\r\n" in texts(dst, user)[0]


def test_tree_of_others(dst, user, run, tmp_path):
    """A directory is searched; what is no mail is left alone, and a pipe does not make wait."""
    mail = tmp_path / "mail"
    (mail / "deep" / "er").mkdir(parents=True)
    for name in ("a", "A.B.mbox", "deep/x", "deep/er/y.mbox", "Old.sbd/z", "A-B"):
        (mail / name).parent.mkdir(exist_ok=True)
        (mail / name).write_bytes(FROM + b"Subject: %s\n\nx\n" % name.encode())
    (mail / "none.mbox").write_bytes(b"")
    (mail / "notes.txt").write_bytes(b"From here on\nno mail\n"[5:])
    (mail / "empty").write_bytes(b"")
    os.mkfifo(mail / "pipe")
    os.symlink("/etc", mail / "link")
    os.symlink("a", mail / "alias")
    os.symlink("notes.txt", mail / "text")
    os.symlink("nowhere", mail / "lock")
    report = copy(run, "mbox:%s" % mail, dst.url(user), code=3)
    assert "2 mailboxes of the source were left out" in report.findings[0]["text"]
    account = witness.read(dst, user)
    found = {name: len(messages) for name, messages in account.mailboxes.items() if messages}
    assert found == {"a": 1, "A/B": 1, "deep/x": 1, "deep/er/y": 1, "Old/z": 1, "A-B": 1}
    assert "none" in account.mailboxes and "empty" not in account.mailboxes


def test_one_file(src, dst, user, run, run_new, tmp_path):
    """A location that is a file is one mailbox: by the first name it is given."""
    fill(src, user, {"INBOX": notes(3), "Work": notes(2, first=10)})
    place = "mbox:%s" % (tmp_path / "one.mbox")
    assert copy(run, src.url(user), place, "-m", "INBOX").copied == 3
    assert copy(run, src.url(user), place, "-m", "INBOX").copied == 0
    result = run("copy", src.url(user), place, "-m", "Work")
    assert result.code == 3 and "one file" in result.err.replace("a file is one mailbox", "one file"), result
    for into in ((), ("--into", "A", "--into", "B")):
        result = run("copy", src.url(user), "mbox:%s" % (tmp_path / "whole.mbox"), *into)
        assert result.code == 2 and "--into" in result.err and not (tmp_path / "whole.mbox").exists(), result
    assert "a directory of them" in run("list", place + "?ext=mbox.gz", check=2).err
    back(run_new, place, dst, user)
    assert same(src, dst, user) and len(boxes(dst, user)) == 3 and "INBOX" in witness.read(dst, user).subscribed
    assert copy(run, src.url(user), "mbox:%s" % (tmp_path / "all.mbox.gz"), "--into", "All").copied == 5


def test_growth_by_others(src, user, run, tmp_path):
    """Delivery agents append, mutt rewrites: what we know is known again, and nothing is copied twice."""
    fill(src, user, {"INBOX": notes(6)})
    place = tmp_path / "mail" / "INBOX.mbox"
    copy(run, src.url(user), "mbox:%s" % (tmp_path / "mail"))
    with place.open("ab") as file:
        file.write(FROM + b"Subject: delivered\n\nx\n\n")
    load.fill(src, user, [("INBOX", [note(7)], True)])
    assert copy(run, src.url(user), "mbox:%s" % (tmp_path / "mail")).copied == 1
    box = mailbox.mbox(place)
    assert len(box) == 8
    # mutt: a message is gone, others got their lines, all stand elsewhere
    text = place.read_bytes()
    parts = re.split(rb"(?m)^(?=From \S+ \w\w\w \w\w\w )", text)[1:]
    parts = [part.replace(b"\n\n", b"\nStatus: RO\nX-Status: F\n\n", 1) for part in parts]
    place.write_bytes(b"".join(parts[1:]))
    load.fill(src, user, [("INBOX", [note(8)], True)])
    report = copy(run, src.url(user), "mbox:%s" % (tmp_path / "mail"))
    assert report.copied == 1 and report.deleted_at_destination == 1
    assert len(mailbox.mbox(place)) == 8
    listed = run("list", "mbox:%s" % (tmp_path / "mail"), "--stats", "--json", check=0).json
    assert any(line.get("messages") == 8 for line in listed), listed


def test_missing_end(src, user, run, tmp_path):
    """A file of others that does not end in a line: ours begin on one of their own."""
    (tmp_path / "mail").mkdir()
    place = tmp_path / "mail" / "INBOX.mbox"
    place.write_bytes(FROM + b"Subject: theirs\n\nno end")
    fill(src, user, {"INBOX": notes(2)})
    assert copy(run, src.url(user), "mbox:%s" % (tmp_path / "mail")).copied == 2
    box = mailbox.mbox(place)
    assert [m["Subject"] for m in box] == ["theirs", "note 1", "note 2"]
    assert place.read_bytes().startswith(FROM + b"Subject: theirs\n\nno end\n\nFrom ")


def test_delete_source(dst, user, run, tmp_path):
    (tmp_path / "mail").mkdir()
    place = tmp_path / "mail" / "x.mbox"
    text = b"".join(FROM + b"Subject: %d\nMessage-ID: <%d@x>\n\nx\n\n" % (i, i) for i in range(5))
    place.write_bytes(text)
    place.chmod(0o640)
    report = copy(run, "mbox:%s" % (tmp_path / "mail"), dst.url(user), "--delete-source", "--yes", "--max-delete", "100%", "--uid", "2:3")
    assert report.deleted_at_source == 2
    assert place.read_bytes() == b"".join(FROM + b"Subject: %d\nMessage-ID: <%d@x>\n\nx\n\n" % (i, i) for i in (0, 3, 4))
    assert place.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path / "mail")) == ["x.mbox"]
    assert copy(run, "mbox:%s" % (tmp_path / "mail"), dst.url(user)).copied == 3


@pytest.mark.parametrize("scheme, name", [("mbox", "INBOX.mbox"), ("thunderbird", "Inbox")])
def test_locked(src, user, run, tmp_path, scheme, name):
    """Another program holds the file: waited for, nothing is written meanwhile, and a lock left behind by a dead run is none."""
    location, place = "%s:%s" % (scheme, tmp_path / "mail"), tmp_path / "mail" / name
    dotted = place.with_name(name + ".lock")
    place.parent.mkdir()
    place.write_bytes(b"")
    sizes = []

    def let_go(how):
        sizes.append(place.stat().st_size)
        how()

    fill(src, user, {"INBOX": notes(2)})
    dotted.write_text("1\n")
    threading.Timer(1, let_go, (dotted.unlink,)).start()
    assert copy(run, src.url(user), location).copied == 2
    dead = subprocess.Popen(["true"])
    dead.wait()
    dotted.write_text("%d mailhaul %s\n" % (dead.pid, os.uname().nodename))
    load.fill(src, user, [("INBOX", [note(3)], True)])
    assert copy(run, src.url(user), location).copied == 1
    assert not dotted.exists()
    before = place.stat().st_size
    with place.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        holder = threading.Timer(1, let_go, (lambda: fcntl.lockf(file, fcntl.LOCK_UN),))
        holder.start()
        load.fill(src, user, [("INBOX", [note(4)], True)])
        assert copy(run, src.url(user), location).copied == 1
        holder.join()
    assert sizes == [0, before]


def test_subscriptions(src, dst, user, run, run_new, tmp_path):
    """What is not subscribed comes back so; a mirror follows; others' files say nothing."""
    load.fill(src, user, [("INBOX", notes(1), True), ("Work/Küche", notes(1, 10), True), ("Work", [], False), ("Old 100%", notes(1, 20), False)])
    place = "mbox:%s" % (tmp_path / "mail")
    copy(run, src.url(user), place)
    kept = tmp_path / "mail" / ".mailhaul-subscriptions"
    assert kept.read_text() == "mailhaul-subscriptions 1\n-Old 100%25\n-Work\n"
    back(run_new, place, dst, user)
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []
    # copy only adds; a mirror ends subscriptions too, and what is left alone is not written
    client = witness.Client(src, user)
    client.ask("SUBSCRIBE", client.raw("Work"))
    client.ask("UNSUBSCRIBE", client.raw("Work/Küche"))
    client.logout()
    copy(run, src.url(user), place)
    assert kept.read_text() == "mailhaul-subscriptions 1\n-Old 100%25\n"
    mirror(run, src.url(user), place)
    assert kept.read_text() == "mailhaul-subscriptions 1\n-Old 100%25\n-Work/Küche\n"
    # what never said it, as mailhaul wrote it once, learns it
    kept.unlink()
    copy(run, src.url(user), place)
    assert kept.read_text() == "mailhaul-subscriptions 1\n-Old 100%25\n-Work/Küche\n"
    run("mailbox", "subscribe", place, "Old 100%", check=0)
    run("mailbox", "unsubscribe", place, "INBOX", check=0)
    named = [line["name"] for line in run("list", place, "--subscribed", "--json", check=0).json if line["type"] == "mailbox"]
    assert sorted(named) == ["Old 100%", "Work"]
    kept.write_text("-Work\n")
    result = run("copy", place, dst.url(user), check=0)
    assert ".mailhaul-subscriptions:1: damaged" in result.err, result


def test_hard_limits(dst, user, run, tmp_path):
    """What is no mbox is said to be none; damaged files too. The others go on."""
    mail = tmp_path / "mail"
    mail.mkdir()
    (mail / "good.mbox").write_bytes(FROM + b"Subject: a\n\nx\n")
    (mail / "bad.mbox.gz").write_bytes(gzip.compress(FROM + b"Subject: a\n\nx\n" * 1000)[:60])
    (mail / "padded.mbox.gz").write_bytes(gzip.compress(FROM + b"Subject: b\n\nx\n") + b"\0" * 512)
    (mail / "tail.mbox.gz").write_bytes(gzip.compress(FROM + b"Subject: c\n\nx\n\n") + FROM + b"Subject: not compressed\n\nx\n")
    (mail / "/".join("d%d" % level for level in range(70))).mkdir(parents=True)
    report = copy(run, "mbox:%s" % mail, dst.url(user), code=3)
    assert report.copied == 2 and report.mailboxes_failed == 2 and "not compressed" in report.result.err and "nested too deep" in report.result.err
    # nor is anything written where it would not be found again
    assert "cannot be the name" in run("copy", dst.url(user), "mbox:%s?layout=fs" % (tmp_path / "deep"), "-m", "good", "--into", "/".join("d" * 70)).err
    result = run("copy", "mbox:%s" % (tmp_path / "nothing"), dst.url(user))
    assert result.code == 7 and "No such file" in result.err, result


@pytest.mark.parametrize("query", ["", "?ext=mbox.gz"])
def test_mirror(src, dst, user, run, run_new, tmp_path, query):
    """What the source no longer has goes from the file, flags follow in the record; the rest stays octet for octet."""
    fill(src, user, {"INBOX": [*corpus.odd(), *notes(10, first=500)]})
    place = "mbox:%s%s" % (tmp_path / "mail", query)
    mirror(run, src.url(user), place)
    client = witness.Client(src, user)
    client.ask("SELECT", b"INBOX")
    client.ask("UID STORE", b"1:9,12", b"+FLAGS", b"(\\Deleted)")
    client.ask("EXPUNGE")
    client.ask("UID STORE", b"15", b"+FLAGS", b"(\\Flagged Later)")
    client.logout()
    report = mirror(run, src.url(user), place, "--max-delete", "100%")
    assert report.deleted_extra == 10 and report.flags_changed == 1
    again = mirror(run, src.url(user), place)
    assert again.copied == again.deleted_extra == again.flags_changed == 0
    back(run_new, place, dst, user)
    assert same(src, dst, user) == []


def test_mirror_keeps_what_it_cannot_count(src, user, run, tmp_path):
    """A file that others made, and of which it is not known what it holds, is not deleted, and the run is not called complete."""
    fill(src, user, {"INBOX": notes(3), "Work": notes(3)})
    place = "mbox:%s" % (tmp_path / "out")
    mirror(run, src.url(user), place, "--delete-mailboxes")
    foreign = tmp_path / "out" / "Foreign.mbox"
    foreign.write_bytes(FROM + b"Subject: theirs\n\nx\n")
    report = mirror(run, src.url(user), place, "--delete-mailboxes", "--max-delete", "100%", code=3)
    assert report.mailboxes_deleted == 0 and foreign.exists()


def test_dovecot_agrees(src, dst, user, run, servers, tmp_path):
    """A server takes the file as one of its own: as many messages, the same octets where nothing is quoted (it does not unquote)."""
    server = servers(Dovecot, format="mbox")
    messages = [*corpus.identical(2), *notes(3), corpus.message(7, 50_000), note(9, body=b"\r\n\r\nempty lines\r\n\r\n\r\n")]
    fill(src, user, {"INBOX": messages})
    copy(run, src.url(user), "mbox:%s?variant=mboxrd,status" % (tmp_path / "mail"))
    copy(run, src.url(user), "mbox:%s" % (tmp_path / "plain"))
    server.add_user(user)
    load.fill(server, user, [("INBOX", [note(1)], False)])
    home = pathlib.Path(server.dir) / "home" / user
    found = [p for p in home.rglob("inbox")]
    assert len(found) == 1, found
    found[0].write_bytes((tmp_path / "plain" / "INBOX.mbox").read_bytes())
    assert [m.sha for m in boxes(server, user)] == [m.sha for m in boxes(src, user)]
    found[0].write_bytes((tmp_path / "mail" / "INBOX.mbox").read_bytes())
    # it takes only keywords that it has numbered itself
    system = [[sorted(flag.lower() for flag in m.flags if flag[0] == "\\") for m in boxes(where, user)] for where in (server, src)]
    assert system[0] == system[1]


def test_lines_of_status(src, dst, user, run, tmp_path):
    """The flags stand in front for others, what the message itself has by these names is kept aside; others may change them, and nothing of it reaches the message."""
    own = b"Status: RO\r\nX-Original-X-Status: F\r\nx-keywords: theirs\r\n\tmore\r\n"
    messages = [note(1, extra=own, body=b"Status: body\r\n"), note(2, flags=("\\Seen", "$Work"), extra=own), note(3, extra=own, body=b"bare\r\rCR\r\n")]
    fill(src, user, {"INBOX": messages})
    place = tmp_path / "mail" / "INBOX.mbox"
    copy(run, src.url(user), "mbox:%s?variant=mboxrd,status" % place.parent)
    text = place.read_bytes()
    aside = own.replace(b"\r\n", b"\n").replace(b"Status:", b"X-Original-Status:", 1).replace(b"X-Original-X-", b"X-Original-X-Original-X-")
    aside = aside.replace(b"x-keywords", b"X-Original-x-keywords")
    assert text.count(aside) == 3 and text.count(b"\nStatus: O\nX-Status: \n") == 2 and b"\nStatus: body\n" in text
    assert b"\nStatus: RO\nX-Status: \nX-Keywords: $Work\n" in text
    # As a mail program writes it anew: flags changed, and the lines at the end of the header.
    place.write_bytes(text.replace(b"Status: O\nX-Status: \n", b"", 1).replace(b"\n\nStatus: body", b"\nStatus: RO\nX-Status: F\n\nStatus: body", 1))
    copy(run, "mbox:%s" % place.parent, dst.url(user))
    assert texts(dst, user) == [m.body for m in messages]
    flags = [sorted(f.lower() for f in m.flags) for m in boxes(dst, user)]
    assert flags == [["\\flagged", "\\seen"], ["$work", "\\seen"], []]
    # The record is lost: who says that the file is written so gets the very messages, as far as they still begin so; else the file's lines are the message's.
    for record in place.parent.glob(".*.mailhaul"):
        record.unlink()
    place.write_bytes(text)
    for query, name in (("?variant=mboxrd,status", "told"), ("", "untold")):
        assert copy(run, "mbox:%s%s" % (place.parent, query), dst.url(user), "--into", name).copied == 3
    assert texts(dst, user, "told") == [m.body for m in messages]
    flags = [sorted(f.lower() for f in m.flags) for m in boxes(dst, user, "told")]
    assert flags == [[], ["$work", "\\seen"], []]
    assert all(own not in body and b"X-Original-Status: RO\r\n" in body for body in texts(dst, user, "untold"))


@pytest.mark.soak
def test_large_file(dst, user, run, tmp_path):
    """More than 3 GB: offsets beyond 32 bits. What is behind the large message is read and found."""
    place = tmp_path / "large.mbox"
    with place.open("wb") as file:
        file.write(FROM + b"Subject: large\n\n")
        file.seek(3_300_000_000)
        file.write(b"\nend\n\n" + FROM + b"Subject: behind\n\nx\n\n")
    listed = run("list", "mbox:%s" % tmp_path, "--stats", "--json", check=0, timeout=300).json
    assert any(line.get("messages") == 2 for line in listed), listed
    assert copy(run, "mbox:%s" % place, dst.url(user), "--into", "INBOX", "--smaller", "1M", timeout=300).copied == 1
    assert texts(dst, user) == [b"Subject: behind\r\n\r\nx\r\n"]
