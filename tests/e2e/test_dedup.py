"""dedup: of messages that are the same one stays, whatever goes wrong, and nothing that is not the same goes."""
import collections

import pytest

from copying import fill, flags_of, note, notes, subjects
from lab import load, witness
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


# what is done about them

def held(server, user):
    """{sha: [(mailbox, uid, flags)]} of an account."""
    found = collections.defaultdict(list)
    for name, messages in witness.read(server, user).mailboxes.items():
        for message in messages:
            found[message.sha].append((name, message.uid, message.flags))
    return found


def check_safe(server, user, before):
    """Whatever happened: of each message one is left, and not marked."""
    now = held(server, user)
    for sha, where in before.items():
        assert any("\\deleted" not in flags for _, _, flags in now[sha]), (where, now[sha])
    return now


@pytest.fixture
def box(src, user):
    """22 messages in INBOX, of which 5 are copies; a twin by its Message-ID; one copy more in another mailbox."""
    fill(src, user, {"INBOX": notes(15, 1) + [note(1, flags=("\\Seen", "$Work")), note(2), note(2, flags=("\\Flagged",)),
                                             note(3, body=b"another\r\n"), note(4), note(5), note(99)],
                     "Box": notes(11, 5)})
    return src


COPIES = {16: 1, 17: 2, 18: 2, 20: 4, 21: 5}
YES = ("--expunge", "--yes", "-m", "INBOX")


def check_done(server, user):
    messages = {message.uid: message for message in witness.read(server, user).mailboxes["INBOX"]}
    assert sorted(messages) == sorted(set(range(1, 23)) - set(COPIES))
    assert not any("\\deleted" in message.flags for message in messages.values())
    assert set(messages[1].flags) >= {"\\seen", "$Work"} and "\\flagged" in messages[2].flags
    assert len(witness.read(server, user).mailboxes["Box"]) == 11


def test_expunge(box, run, user, proxy):
    before = held(box, user)
    door = proxy(box, log=True)
    end = dedup(run, door.url(user), "--expunge", "-n")
    assert (end["selected"], end["done"], end["verdict"]) == (5, 0, "dry-run") and pairs(end) == COPIES
    assert dedup(run, door.url(user), "--expunge", code=6)["done"] == 0     # nobody said yes
    assert dedup(run, door.url(user), "--mark", "--yes", "--max-delete", "4", code=6)["done"] == 0
    assert held(box, user) == before and not door.commands("UID STORE")
    end = dedup(run, door.url(user), "--expunge", "--yes")
    assert (end["selected"], end["done"], end["groups"]) == (5, 5, 4)
    check_done(box, user)
    assert not door.commands("EXPUNGE") and not door.commands("CLOSE")
    assert dedup(run, door.url(user), "--expunge", "--yes")["selected"] == 0
    end = dedup(run, door.url(user), "--expunge", "--yes", "--across", "--by", "message-id", "--verify", "none",
                "--max-delete", "12", "--keep", "largest")
    assert end["done"] == 12 and len(check_safe(box, user, {})) == 16     # 3's twin went: it was asked for


def test_mark(box, run, user):
    end = dedup(run, box.url(user), "--mark", "--yes", "--keep", "last")
    assert (end["done"], end["what"]) == (5, "marked as deleted")
    assert {m.uid for m in witness.read(box, user).mailboxes["INBOX"] if "\\deleted" in m.flags} == {1, 2, 17, 4, 5}
    end = dedup(run, box.url(user), "--mark", "--yes")     # what is marked is not what stays
    assert end["selected"] == 0 and end["groups"] == 4
    assert dedup(run, box.url(user), *YES)["done"] == 5
    assert flags_of(box, user)[1] == {"\\Seen", "$Work"}
    assert not any("\\deleted" in m.flags for m in witness.read(box, user).mailboxes["INBOX"])


@pytest.mark.parametrize("hide", [[], ["MOVE"]], ids=["MOVE", "COPY"])
def test_move(box, run, user, proxy, hide):
    """The target gets what went, without marks, and is no source itself."""
    target = 'My "old" copies'
    door = proxy(box, hide=hide)
    end = dedup(run, door.url(user), "--move-to", target, "-m", "INBOX", "--max-delete", "2", code=6)
    assert dedup(run, door.url(user), "--move-to", target, "-m", "INBOX")["done"] == 5
    check_done(box, user)
    moved = witness.read(box, user).mailboxes[target]
    assert len(moved) == 5 and not any("\\deleted" in m.flags for m in moved)
    assert dedup(run, door.url(user), "--move-to", target)["selected"] == 0
    end = dedup(run, door.url(user), "--move-to", target, "--across")
    assert end["done"] == 11 and all(copy[0] == "Box" for copy, _ in end["copies"])


def test_without_uidplus(box, run, user, proxy):
    """A plain EXPUNGE takes what others marked: refused before anything is marked."""
    door = proxy(box, hide=["UIDPLUS", "IMAP4rev2"], log=True)
    load.store(box, user, "INBOX", "22", "+", ["\\Deleted"])
    result = run("dedup", door.url(user), *YES)
    assert result.code == 6 and not door.commands("UID STORE") and not door.commands("EXPUNGE"), result
    assert dedup(run, door.url(user), *YES, "--expunge-all")["done"] == 5
    assert 99 not in subjects(box, user) and len(subjects(box, user)) == 16


# faults

STEPS = [("LIST", 1), ("EXAMINE", 1), ("EXAMINE", 2), ("UID FETCH", 1), ("UID FETCH", 2), ("UID FETCH", 3),
         ("UID FETCH", 4), ("UID FETCH", 5), ("UID FETCH", 6), ("UID FETCH", 7), ("SELECT", 1), ("SELECT", 2),
         ("UID STORE", 1), ("UID STORE", 2), ("UID STORE", 3), ("UID STORE", 4), ("UID EXPUNGE", 1)]


@pytest.mark.parametrize("how", ["NO not today", "BAD what", "cut-before", "swallow", "stall"])
def test_faults(src, run, user, proxy, how):
    """At each step, from then on: only copies may be missing, of each message one stays, and no failure is called complete."""
    fired = 0
    for number, (command, nth) in enumerate(STEPS):
        name = "%s-%d" % (user, number)
        fill(src, name, {"INBOX": notes(4) + [note(1, flags=("\\Seen",)), note(2, flags=("$Work",)), note(3, body=b"x\r\n")]})
        before = held(src, name)
        rule = {"do": "reply", "text": how} if " " in how else {"do": how}
        door = proxy(src, rules=[dict(rule, on=command, nth=nth, times=-1)])
        result = run("dedup", door.url(name), "--expunge", "--yes", "--json", "--retries", "0", "--timeout", "0.5s",
                     "--max-delete", "2")
        done = len(check_safe(src, name, before)) and len(subjects(src, name)) == 5
        fired += door.fired() > 0
        assert result.code in (3, 4, 6) or (result.code == 0 and done and (how == "BAD what" or not door.fired())), \
            (command, nth, result)
        door.stop()
        dedup(run, src.url(name), "--expunge", "--yes", "--max-delete", "2")
        check_safe(src, name, before)
        flags = flags_of(src, name)
        assert len(subjects(src, name)) == 5 and "\\Seen" in flags[1] and "$Work" in flags[2], (command, nth, result)
    assert fired >= len(STEPS) - 3
