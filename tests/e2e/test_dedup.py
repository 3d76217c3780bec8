"""dedup: of messages that are the same one stays, whatever goes wrong, and nothing that is not the same goes."""
import pytest

from copying import fill, note, notes, subjects
from lab import load
from lab.corpus import Message
from lab.server import PASSWORD


def dedup(run, location, *options, code=0, **keys):
    result = run("dedup", location, "--json", *options, **keys)
    assert result.code == code, result
    end = result.json[-1]
    assert end["type"] == "end" and end["exit_code"] == code, result
    lines = [line for line in result.json if line["type"] == "mailbox"]
    for key in ("found", "selected", "done", "vanished", "spared", "groups", "octets"):
        assert end[key] == sum(line[key] for line in lines), (key, result)
    assert (end["verdict"] in ("complete", "dry-run")) == (code == 0), result
    end["copies"] = [((c["mailbox"], c["uid"]), (c["kept_mailbox"], c["kept_uid"]))
                     for c in result.json if c["type"] == "copy"]
    assert len(end["copies"]) == end["selected"], result
    return end


def pairs(end, mailbox="INBOX"):
    """{copy: kept} of one mailbox, as UIDs."""
    return {copy[1]: kept[1] for copy, kept in end["copies"] if copy[0] == kept[0] == mailbox}


def bare(number, body, flags=()):
    """Without Message-ID."""
    return Message(b"From: a@example.org\r\nSubject: note %d\r\n\r\n%s\r\n" % (number, body), tuple(flags),
                   "01-Jan-2024 12:00:00 +0000")


def relayed(message, extra):
    """The same message by another way: other trace headers, other size."""
    return Message(extra + message.body, message.flags, message.date)


def test_report(src, run, user, proxy):
    """What counts as the same, by each key; nothing changes."""
    hostile = b"Message-ID: <) FLAGS (\\Deleted) {3}\x1b[2J@x>\r\n"
    fill(src, user, {"INBOX": notes(4)                                          # 1-4
                     + [note(1), relayed(note(2), b"Received: by x\r\n"),       # 5-6: copies
                        note(3, body=b"another body\r\n"),                      # 7: a twin by its headers
                        bare(9, b"a"), bare(9, b"a"), bare(9, b"b"),            # 8-10
                        note(1, date="02-Jan-2024 12:00:00 +0000"),             # 11
                        note(1, subject="[list] note 1"),                       # 12
                        Message(hostile + b"Subject: x\r\n\r\nx\r\n"), Message(hostile + b"Subject: x\r\n\r\nx\r\n"),
                        Message(b"Message-ID:\r\nSubject: y\r\n\r\ny\r\n"), Message(b"Message-ID: <>\r\nSubject: z\r\n\r\nz\r\n")],
                     "Box": notes(2)})
    door = proxy(src, log=True)
    end = dedup(run, door.url(user))
    assert pairs(end) == {5: 1, 6: 2, 9: 8, 11: 1, 14: 13} and end["groups"] == 4 and end["found"] == 18
    assert not door.commands("SELECT") and not door.commands("UID STORE")
    assert pairs(dedup(run, src.url(user), "--by", "content")) == {5: 1, 6: 2, 9: 8, 11: 1, 14: 13}
    assert pairs(dedup(run, src.url(user), "--by", "message-id")) == {5: 1, 6: 2, 7: 3, 11: 1, 12: 1, 14: 13}
    assert pairs(dedup(run, src.url(user), "--by", "message-id", "--verify", "content")) == {5: 1, 6: 2, 11: 1, 14: 13}
    assert pairs(dedup(run, src.url(user), "--by", "header:subject,message-id")) == {5: 1, 6: 2, 7: 3, 11: 1, 14: 13}
    assert pairs(dedup(run, src.url(user), "--with-date", "-m", "INBOX")) == {5: 1, 6: 2, 9: 8, 14: 13}
    assert pairs(dedup(run, src.url(user), "--keep", "last")) == {1: 11, 5: 11, 2: 6, 8: 9, 13: 14}
    assert pairs(dedup(run, src.url(user), "--keep", "largest"))[2] == 6
    assert pairs(dedup(run, src.url(user), "--uid", "2:6")) == {6: 2}
    end = dedup(run, src.url(user), "--across", "-m", "Box", "-m", "INBOX")
    assert (("INBOX", 1), ("Box", 1)) in end["copies"] and (("INBOX", 6), ("Box", 2)) in end["copies"]
    text = run("dedup", "-v", src.url(user), "-m", "INBOX", check=0).out.splitlines()
    assert text[0] == "INBOX UID 5 is a copy of INBOX UID 1" and "INBOX UID 9 is a copy of INBOX UID 8, by content" in text
    assert text[-1].startswith("complete: 5 of 16 messages are copies, 4 groups, ")
    names = ",".join("X-%d" % n for n in range(33))
    assert run("dedup", src.url(user), "--by", "header:" + names).code == 2
    assert run("dedup", src.url(user), "--mark", "--expunge").code == 2
