"""thunderbird: profiles and mail directories, read with what Thunderbird wrote into the headers, and written so that it reads them."""
import fcntl
import gzip
import os

import pytest

from copying import copy, fill, note, notes
from lab import corpus, load, witness
from test_mbox import FROM, account, boxes, crlf, same, texts


def status(text, status=None, status2=None, keys=None):
    head = b""
    if status is not None:
        head += b"X-Mozilla-Status: %s\n" % status
    if status2 is not None:
        head += b"X-Mozilla-Status2: %s\n" % status2
    if keys is not None:
        head += b"X-Mozilla-Keys: %s\n" % keys.ljust(80)
    return FROM.replace(b"a@example.org", b"-") + head + text + b"\n"


def flags(message):
    return {flag.lower() for flag in message.flags}


def test_status(dst, user, run, tmp_path):
    """Bits in hexadecimal, not digits; compacted-away messages are not there; the lines themselves are not handed on."""
    mail = tmp_path / "Mail"
    mail.mkdir()
    text = b"Subject: %d\n\nX-Mozilla-Status: body\n"
    (mail / "Inbox").write_bytes(
        status(text % 1, b"0011", b"00000000") + status(text % 2, b"0009", b"00000000") + status(text % 3, b"1001", b"00800000", b"$label1 Work") +
        status(text % 4, b"0006", b"06000000") + status(text % 5) + status(text % 6, b"000a", b"00000000"))
    before = (mail / "Inbox").stat().st_mtime_ns
    assert copy(run, "thunderbird:%s" % mail, dst.url(user)).copied == 4
    found = boxes(dst, user)
    assert [flags(m) for m in found] == [{"\\seen"}, {"\\seen", "$forwarded", "$mdnsent", "$label1", "work"},
                                         {"\\answered", "\\flagged", "$label3"}, set()]
    assert texts(dst, user) == [crlf(text % i) for i in (1, 3, 4, 5)]
    assert (mail / "Inbox").stat().st_mtime_ns == before and os.listdir(mail) == ["Inbox"]


def test_tree(dst, user, run, tmp_path):
    """Folders in .sbd directories, indexes and other files aside; a profile has its accounts on top."""
    profile = tmp_path / "abc.default"
    local = profile / "Mail" / "Local Folders"
    remote = profile / "ImapMail" / "imap.example.org"
    (local / "Work.sbd" / "Deep.sbd").mkdir(parents=True)
    remote.mkdir(parents=True)
    one = status(b"Subject: x\n\nx\n", b"0001", b"00000000")
    for place in (local / "Inbox", local / "Work", local / "Work.sbd" / "Küche", local / "Work.sbd" / "Deep.sbd" / "er", remote / "INBOX"):
        place.write_bytes(one)
    (local / "Trash").write_bytes(b"")
    for name in ("Inbox.msf", "filterlog.html", "popstate.dat", "msgFilterRules.dat"):
        (local / name).write_bytes(one)
    (profile / "prefs.js").write_text("user_pref();\n")
    (profile / "storage.sqlite").write_bytes(b"SQLite")
    (profile / "extensions").mkdir()
    copy(run, "thunderbird:%s" % local, dst.url(user))
    there = witness.read(dst, user)
    found = {name: len(m) for name, m in there.mailboxes.items()}
    assert found == {"INBOX": 1, "Work": 1, "Work/Küche": 1, "Work/Deep/er": 1, "Trash": 0}
    assert there.subscribed == set(found) - {"INBOX"}   # or many programs show none of it
    names = sorted(line["name"] for line in run("list", "thunderbird:%s" % profile, "--json", check=0).json if line["type"] == "mailbox")
    assert names == ["Local Folders/Inbox", "Local Folders/Trash", "Local Folders/Work", "Local Folders/Work/Deep/er", "Local Folders/Work/Küche",
                     "imap.example.org/INBOX"]
    # while it runs its files are read, and not written
    with (profile / ".parentlock").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        result = run("copy", dst.url(user), "thunderbird:%s" % local, "-m", "Trash", "--into", "New", check=6)
        assert "Thunderbird is running" in result.err and not (local / "New").exists(), result
        assert copy(run, "thunderbird:%s" % local, dst.url(user)).copied == 0
    # what its index says to be a mailbox is one, whatever became of it
    (local / "Broken").write_bytes(b"\0" * 4096)
    (local / "Broken.msf").write_bytes(b"")
    assert copy(run, "thunderbird:%s" % local, dst.url(user), code=3).mailboxes["Broken"]["state"] == "failed"


def test_maildir_store(dst, user, run, tmp_path):
    """Folders that Thunderbird keeps as maildir, one file a message."""
    mail = tmp_path / "Local Folders"
    for folder in ("Inbox", "Work.sbd/Deep"):
        (mail / folder / "cur").mkdir(parents=True)
        (mail / folder / "tmp").mkdir()
    (mail / "Inbox" / "cur" / "1").write_bytes(b"X-Mozilla-Status: 0005\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys: $label2\nSubject: 1\n\nFrom me\n")
    (mail / "Inbox" / "cur" / "2").write_bytes(b"Subject: 2\r\n\r\nno end")
    (mail / "Inbox" / "cur" / "3").write_bytes(b"X-Mozilla-Status: 0009\r\nSubject: gone\r\n\r\n")
    (mail / "Inbox" / "tmp" / "4").write_bytes(b"Subject: half\r\n\r\n")
    (mail / "Work.sbd" / "Deep" / "cur" / "5").write_bytes(b"Subject: 5\n\nx\n")
    copy(run, "thunderbird:%s" % mail, dst.url(user))
    assert sorted(texts(dst, user)) == [b"Subject: 1\r\n\r\nFrom me\r\n", b"Subject: 2\r\n\r\nno end"]
    assert sorted(sorted(flags(m)) for m in boxes(dst, user)) == [[], ["$label2", "\\flagged", "\\seen"]]
    assert texts(dst, user, "Work/Deep") == [b"Subject: 5\r\n\r\nx\r\n"]
    assert copy(run, "thunderbird:%s" % mail, dst.url(user)).copied == 0


def test_round_trip(src, dst, user, run, run_new, tmp_path):
    # "Inbox" is INBOX on top only, also with folders below
    fill(src, user, {**account(), "INBOX/Below": notes(1, 50), "Work/INBOX": notes(1, 60)})
    load.fill(src, user, [("Not subscribed", notes(1, 70), False)])
    place = "thunderbird:%s" % (tmp_path / "Local Folders")
    first = copy(run, src.url(user), place)
    assert first.copied == first.found
    assert copy(run, src.url(user), place).copied == 0
    assert (tmp_path / "Local Folders" / "Inbox").exists() and (tmp_path / "Local Folders" / "Work.sbd").is_dir()
    copy(run_new(), place, dst.url(user))
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []


def test_written_for_thunderbird(src, dst, user, run, run_new, tmp_path):
    """Without our record, as Thunderbird sees it: flags and tags are in the headers, in front, in a place that has room."""
    fill(src, user, {"INBOX": [note(1, flags=("\\Seen", "$label1")), note(2, flags=("\\Answered", "\\Flagged", "$Forwarded")), note(3)]})
    place = tmp_path / "Local Folders"
    copy(run, src.url(user), "thunderbird:%s" % place)
    text = (place / "Inbox").read_bytes()
    assert b"2024\nX-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys: $label1" in text
    assert b"X-Mozilla-Status: 1006\n" in text
    for record in place.glob(".*.mailhaul"):
        record.unlink()
    copy(run_new(), "thunderbird:%s" % place, dst.url(user))
    assert same(src, dst, user) == []
