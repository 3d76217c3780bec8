"""dedup: of messages that are the same one stays, whatever goes wrong, and nothing that is not the same goes."""
import collections
import contextlib
import fcntl
import os
import re
import signal
import socket

import pytest

from copying import copy, count, fill, flags_of, note, notes, subjects
from grid import IMPATIENT, fault
from lab import load, witness
from lab.corpus import Message
from lab.dovecot import Dovecot
from lab.hostile import CAPABILITIES, Fake
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
    # Marked once, before the last look: a mark that somebody takes off after it keeps the message.
    marks = [line for _, _, line in door.commands("UID STORE") if "+FLAGS" in line and "\\Deleted" in line]
    assert len(marks) == len(door.commands("UID EXPUNGE")) > 0
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
    load.store(box, user, "Box", "2", "+", ["\\Answered"])
    end = dedup(run, door.url(user), "--move-to", target, "--across")
    assert end["done"] == 11 and all(copy[0] == "Box" for copy, _ in end["copies"])
    assert flags_of(box, user)[6] == {"\\Answered"}     # across, too


def test_without_uidplus(box, run, user, proxy):
    """A plain EXPUNGE takes what others marked: refused before anything is marked."""
    door = proxy(box, hide=["UIDPLUS", "IMAP4rev2"], log=True)
    load.store(box, user, "INBOX", "22", "+", ["\\Deleted"])
    result = run("dedup", door.url(user), *YES)
    assert result.code == 6 and not door.commands("UID STORE") and not door.commands("EXPUNGE"), result
    assert dedup(run, door.url(user), *YES, "--expunge-all")["done"] == 5
    assert 99 not in subjects(box, user) and len(subjects(box, user)) == 16


# faults

WRITES = [("UID FETCH", 3), ("UID FETCH", 6), ("UID STORE", 1), ("UID STORE", 3), ("UID EXPUNGE", 1)]
OTHERS = [("LIST", 1), ("EXAMINE", 1), ("EXAMINE", 2), ("UID FETCH", 1), ("UID FETCH", 2), ("UID FETCH", 4),
          ("UID FETCH", 5), ("UID FETCH", 7), ("UID FETCH", 8), ("SELECT", 1), ("SELECT", 2), ("UID STORE", 2)]


# When sampled, of the other steps every second one is refused, and the line breaks at the rest.
@pytest.mark.parametrize("how, steps, half", [("no", WRITES, 0), ("cut", WRITES, 1), ("bad", WRITES[2:], None), ("swallow", WRITES[2:], None),
                                               ("stall", WRITES[1::2], None)])
def test_faults(src, run, user, proxy, soak, how, steps, half):
    """At each step, from then on: only copies may be missing, of each message one stays, and no failure is called complete."""
    door = proxy(src)
    more = [] if half is None else OTHERS if soak else OTHERS[half::2]
    for number, (command, nth) in enumerate(steps + more):
        name = "%s-%d" % (user, number)
        fill(src, name, {"INBOX": notes(3) + [note(1, flags=("\\Seen",)), note(2, flags=("$Work",)), note(3, body=b"x\r\n")]})
        before = held(src, name)
        door.set_rules([fault(how, command, nth=nth)])
        result = run("dedup", door.url(name), "--expunge", "--yes", "--json", "--max-delete", "2", *IMPATIENT)
        now = check_safe(src, name, before)
        assert door.fired(), (command, nth)
        assert result.code in (3, 4, 6) or (result.code == 0 and len(subjects(src, name)) == 4), \
            (command, nth, result)
        if now == before:
            continue
        dedup(run, src.url(name), "--expunge", "--yes", "--max-delete", "2")
        flags = flags_of(src, name)
        assert check_safe(src, name, before) and len(subjects(src, name)) == 4
        assert "\\Seen" in flags[1] and "$Work" in flags[2], (command, nth, result)


@pytest.mark.parametrize("action, on, nth", [("--expunge", "UID STORE", 3), ("--expunge", "UID EXPUNGE", 1),
                                             ("--mark", "UID STORE", 3), ("--move-to=Copies", "UID MOVE", 1)])
def test_line_breaks_once(box, run, user, proxy, action, on, nth):
    """The answer is lost: the same run looks again, and ends it."""
    door = proxy(box, rules=[{"do": "swallow", "on": on, "nth": nth}])
    end = dedup(run, door.url(user), action, "--yes", "-m", "INBOX", "--settle", "0.3s")
    assert door.fired() and (end["done"], end["vanished"], end["spared"]) == (5, 0, 0)
    if action != "--mark":
        check_done(box, user)


@pytest.mark.parametrize("action", ["--expunge", "--move-to=Copies"])
def test_killed(src, run, user, action):
    """At each step: the next run ends it, and then there is nothing left to do."""
    moves = "move" in action
    for number, point in enumerate(["dedup note", "dedup marked", "dedup forget"]
                                   + (["relocate moved", "relocate unmark"] if moves else ["dedup mark", "dedup remove", "dedup removed"])):
        name = "%s-%d" % (user, number)
        fill(src, name, {"INBOX": notes(3) + [note(1, flags=("\\Seen",)), note(2)]})
        before = held(src, name)
        run("dedup", src.url(name), action, "--yes", check=-signal.SIGKILL, env={"MAILHAUL_FAULT": "point.%s:1:kill" % point})
        check_safe(src, name, before)
        dedup(run, src.url(name), action, "--yes", "--settle", "0.3s")
        now = check_safe(src, name, before)
        assert sum(len(where) for where in now.values()) == (5 if moves else 3), now
        assert len(subjects(src, name)) == 3 and "\\Seen" in flags_of(src, name)[1]
        assert not any("\\deleted" in flags for where in now.values() for _, _, flags in where), (point, now)
        assert dedup(run, src.url(name), action, "--yes")["selected"] == 0


def test_bodies_not_given(run):
    """A server that gives empty, cut or other texts for what it cannot read: those are equal, the messages are not."""
    def answer(text):
        def reply(session):
            for seq, msg in session._chosen(session.words[2]):
                session.send(b"* %d FETCH (UID %d FLAGS () RFC822.SIZE %d BODY[] {%d}\r\n%s)\r\n"
                             % (seq, msg.uid, len(msg.body), len(text(msg.body)), text(msg.body)))
            session.ok()
        return reply

    twins = [note(1, body=b"line\r\n" * 20 + b"%d\r\n" % n) for n in range(3)]
    for text in (lambda body: b"", lambda body: body[:150], lambda body: b"Subject: lost\r\n\r\n" + b"x" * 300):
        with Fake({"INBOX": twins}) as fake:
            fake.on(r"UID FETCH .*BODY.PEEK\[\]", answer(text))
            end = dedup(run, fake.url("u"), "--expunge", "--yes", "--max-delete", "100%", code=3)
            assert end["selected"] == 0 and len(fake.messages()) == 3


def test_size_too_large(run):
    """A server that makes sizes up: what shows where it ends was read, what does not may be cut."""
    cut = 0

    def columns(session):
        for seq, msg in session._chosen(session.words[2]):
            session.send(b"* %d FETCH (UID %d FLAGS () RFC822.SIZE %d)\r\n" % (seq, msg.uid, len(msg.body) + 50 + msg.uid))
        session.ok()

    def body(session):
        for seq, msg in session._chosen(session.words[2]):
            text = msg.body[:len(msg.body) - cut]
            session.send(b"* %d FETCH (UID %d FLAGS () RFC822.SIZE %d BODY[] {%d}\r\n%s)\r\n"
                         % (seq, msg.uid, len(msg.body) + 50, len(text), text))
        session.ok()

    parts = [relayed(note(n, body=b"--x\r\n\r\n" + b"text\r\n" * 2000 + b"--x--\r\n"), b"Content-Type: multipart/mixed; boundary=x\r\n") for n in (1, 2, 1)]
    with Fake({"INBOX": [*parts, note(3), note(3)]}) as fake:
        fake.on(r"UID FETCH .*RFC822.SIZE\)", columns)
        fake.on(r"UID FETCH .*BODY.PEEK\[\]", body)
        for cut, expected in ((3, {}), (0, {3: 1})):
            assert pairs(dedup(run, fake.url("u"), "--verify", "content", code=3)) == expected
            assert dedup(run, fake.url("u"), "--by", "message-id", "--verify", "content", code=3)["selected"] == 0


def test_other_form(src, run, user):
    """The same octets under another type or encoding are another text: a mover that lost these headers makes no copy."""
    form = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
    good = relayed(note(1), form)
    fill(src, user, {"INBOX": [note(1), good, relayed(good, b"Received: by x\r\n"), relayed(note(1), form.replace(b"8", b"7"))]})
    assert pairs(dedup(run, src.url(user), "--by", "message-id", "--expunge", "-n")) == {3: 2}


def test_trash_keeps_nothing(src, run, user):
    """What stayed in the trash would go with it."""
    fill(src, user, {"Deleted Items": notes(12), "Projects": notes(12), "Spam": notes(2), "Work": notes(2)})
    end = dedup(run, src.url(user), "--across", "--expunge", "--yes", "--max-delete", "100%")
    assert end["done"] == 2 and count(src, user, "Projects") == count(src, user, "Deleted Items") == 12
    end = dedup(run, src.url(user), "--across", "--keep", "last", "-m", "Projects", "-m", "Deleted Items")
    assert end["selected"] == 12 and all(kept[0] == "Deleted Items" for _, kept in end["copies"])     # it was asked for


# others at work

def meanwhile(run, door, location, change, *options):
    """Runs until the door has held a command back, changes something, and waits for the end."""
    process = run.start("dedup", location, "--json", *options)
    with door.held():
        change()
    return run.finish(process)


@pytest.mark.parametrize("nth, change", [(1, "gone"), (2, "gone"), (2, "marked"), (1, "flagged")])
def test_changed_meanwhile(box, run, user, proxy, nth, change):
    """What was to stay went, or is about to: its copies stay, without marks. What is not chosen any more stays too, and what arrives in any case."""
    before = held(box, user)
    door = proxy(box, rules=[{"do": "hold", "on": "SELECT", "nth": nth}])

    def act():
        client = witness.Client(box, user)
        client.ask("SELECT", b"INBOX")
        client.ask("UID STORE", b"17" if change == "flagged" else b"2",
                   b"+FLAGS (\\Draft)" if change == "flagged" else b"+FLAGS (\\Deleted)")
        if change == "gone":
            client.ask("UID EXPUNGE", b"2")
        client.logout()
        load.append_many(box, user, "INBOX", [note(1)])

    result = meanwhile(run, door, door.url(user), act, *YES, "--no-flag", "\\Draft")
    end = result.json[-1]
    now = held(box, user)
    assert ("INBOX", 23) in [place[:2] for where in now.values() for place in where]
    if change == "flagged":
        assert result.code == 0 and (end["done"], end["spared"]) == (4, 1) and check_safe(box, user, before), result
        return
    assert result.code == 3 and (end["done"], end["spared"]) == (3, 2), result
    second = next(sha for sha, where in before.items() if ("INBOX", 2) in [place[:2] for place in where])
    assert sum("\\deleted" not in flags for _, _, flags in now[second]) == 2


@pytest.mark.parametrize("nth", [1, 2])
def test_mailbox_made_anew(src, run, user, proxy, nth):
    """The same UIDs in another mailbox of that name are other messages."""
    fill(src, user, {"Work": notes(4) + notes(3), "INBOX": notes(1)})
    door = proxy(src, rules=[{"do": "hold", "on": "SELECT", "nth": nth}])

    def act():
        load.delete_mailbox(src, user, "Work")
        fill(src, user, {"Work": notes(7, 100)})

    result = meanwhile(run, door, door.url(user), act, "--expunge", "--yes")
    assert result.code != 0 and result.json[-1]["done"] == 0, result
    assert nth == 2 or not door.commands("UID STORE")
    assert subjects(src, user, "Work") == list(range(100, 107))
    assert not any(flags for flags in flags_of(src, user, "Work").values())


def test_two_at_once(src, run, user, proxy):
    """One keeps the first, the other one the last: never both go, wherever they meet."""
    mark, look, remove = ("UID STORE", 1), ("SELECT", 2), ("UID EXPUNGE", 1)
    for number, (first, second) in enumerate([(remove, None), (look, look), (mark, look), (look, remove)]):
        name = "%s-%d" % (user, number)
        fill(src, name, {"INBOX": notes(4) + notes(4)})
        before = held(src, name)
        runs = []
        for keep, where in (("first", first), ("last", second)):
            rules = [{"do": "delay", "on": where[0], "nth": where[1], "seconds": 0.5}] if where else []
            door = proxy(src, rules=rules)
            runs.append(run.start("dedup", door.url(name), "--expunge", "--yes", "--keep", keep, "--max-delete", "4", "--json"))
        codes = [run.finish(process).code for process in runs]
        now = check_safe(src, name, before)
        assert all(code in (0, 3) for code in codes) and sum(map(len, now.values())) >= 4, (first, second, codes)


@pytest.fixture(scope="module")
def views(servers, tmp_path_factory):
    """A server with a mailbox that is a view of INBOX, and does not say so."""
    place = tmp_path_factory.mktemp("views")
    (place / "All").mkdir()
    (place / "All" / "dovecot-virtual").write_text("INBOX\n  all\n")
    for path in (place, place / "All", *place.parents):
        if not path.stat().st_mode & 1:
            path.chmod(0o755)
    return servers(Dovecot, instance="views", settings="""
protocol imap {
  mail_plugins = zlib imap_zlib virtual
}
namespace views {
  separator = /
  prefix = views/
  subscriptions = no
  location = virtual:%s:INDEX=~/views
}
""" % place)


@pytest.mark.parametrize("action", ["--mark", "--expunge", "--move-to=Copies"])
def test_view(views, run, user, action):
    """The copy in a view is the message itself: its mark shows on the one that stays, and it is left alone."""
    fill(views, user, {"INBOX": notes(6)})
    load.expunge(views, user, "INBOX", "1")     # else the UIDs may tell
    before = held(views, user)
    assert len(before) == 5 and ("views/All", 1, frozenset()) in sum(before.values(), [])
    end = dedup(run, views.url(user), "--across", action, "--yes", "--max-delete", "100%", code=3)
    assert end["selected"] == end["spared"] > 0 and end["done"] == 0
    now = held(views, user)     # Dovecot's view is short of some now and then
    assert all([place for place in now[sha] if place[0] == "INBOX"] == [where[0]] for sha, where in before.items())
    assert not any(flags for where in now.values() for _, _, flags in where)


def test_view_killed(run):
    """The only message is marked, under both names, and the run is gone: the next one takes the mark off, or says that it does not."""
    options = ("--across", "--expunge", "--yes", "--max-delete", "100%")
    for point in ("marked", "forget"):
        with Fake({"INBOX": notes(5), "All": []}) as fake:
            fake.boxes["All"].messages, fake.boxes["All"].uidvalidity = fake.boxes["INBOX"].messages, 77
            before = fake.messages()
            run("dedup", fake.url("u"), *options, check=-signal.SIGKILL, env={"MAILHAUL_FAULT": "point.dedup %s:1:kill" % point})
            killed = fake.messages()
            assert (killed == before) == (point != "marked")
            if point == "marked":
                assert "broken off" in run("dedup", fake.url("u"), check=3).err
                assert "broken off" in run("dedup", fake.url("u"), *options, "-n", check=3).err
                assert "choose it too" in run("dedup", fake.url("u"), *options, "-m", "INBOX", check=3).err     # the note is of All
                assert fake.messages() == killed
                run("dedup", fake.url("u"), *options, check=-signal.SIGKILL, env={"MAILHAUL_FAULT": "point.dedup undone:1:kill"})
            assert dedup(run, fake.url("u"), *options, code=3)["spared"] == 5
            assert fake.messages() == before and run("dedup", fake.url("u")).code == 0


def test_another_name(run):
    """Where a mark need not show under the other name (Dovecot's mbox files with two indexes), the UIDs tell; where these stand for other messages, it is another mailbox."""
    with Fake({"INBOX": notes(3), "Old": notes(4), "Other": [note(9), *notes(2)]}) as fake:
        end = dedup(run, fake.url("u"), "--across", "--expunge", "--yes", "--max-delete", "100%", code=3)
        assert end["done"] == 2 and all(copy[0] == "Other" for copy, _ in end["copies"])
        assert [len(fake.messages(name)) for name in ("INBOX", "Old", "Other")] == [3, 4, 1]
        fake.boxes["Other"].attributes = "\\All"       # a view, and nothing else is chosen
        assert run("dedup", fake.url("u"), "--across", "-m", "Other").code == 2
        fake.store(fake.boxes["Other"], note(9).body)
        assert dedup(run, fake.url("u"))["selected"] == 0       # two in it are two in other mailboxes
        assert dedup(run, fake.url("u"), "-m", "Other")["selected"] == 1
        fake.boxes["Other"].messages.pop()
        fake.boxes["Old"].uidvalidity = 1001
        assert dedup(run, fake.url("u"), "--across", "--expunge", "--yes", "--max-delete", "100%")["done"] == 3


def test_labels(run):
    """Gmail: one message in two mailboxes is no copy, another one of the same content is; of which one nobody tells, nothing is said."""
    ids = {("INBOX", 1): 7, ("INBOX", 2): 8, ("Work", 1): 7, ("Work", 2): 9, ("Work", 3): 8}

    def answer(session):
        name = next(name for name, box in fake.boxes.items() if box is session.box)
        for seq, msg in session._chosen(session.words[2]):
            told = b" X-GM-MSGID %d" % (ids[name, msg.uid] << 56) if (name, msg.uid) in ids else b""
            columns = b"".join(session._item(msg, item) for item in (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"))
            session.send(b"* %d FETCH (UID %d%s%s)\r\n" % (seq, msg.uid, columns, told))
        session.ok()

    with Fake({"INBOX": notes(2), "Work": [note(1), note(2), note(2)]}, capabilities=CAPABILITIES + " X-GM-EXT-1") as fake:
        fake.boxes["Work"].uidvalidity = 77
        fake.on(r"UID FETCH .*X-GM-MSGID", answer)
        options = ("--across", "--expunge", "--yes", "--max-delete", "100%")
        assert dedup(run, fake.url("u"), *options)["copies"] == [(("Work", 2), ("INBOX", 2))]
        assert [len(fake.messages(name)) for name in ("INBOX", "Work")] == [2, 2]
        fake.store(fake.boxes["Work"], note(1).body)
        assert dedup(run, fake.url("u"), *options, code=3)["done"] == 0
        assert dedup(run, fake.url("u"), "-m", "Work", *options[1:])["done"] == 1     # in one mailbox two are two


# elsewhere

@pytest.mark.others
@pytest.mark.parametrize("kind", ["cyrus", "courier"])
def test_other_servers(request, run, user, kind):
    server = request.getfixturevalue(kind)
    server.add_user(user)
    fill(server, user, {"INBOX": notes(15) + [note(1, flags=("\\Seen",)), note(2), note(3, body=b"x\r\n")]})
    before = held(server, user)
    assert dedup(run, server.url(user), "--expunge", "--yes")["done"] == 2
    assert check_safe(server, user, before) and flags_of(server, user)[1] == {"\\Seen"} and len(subjects(server, user)) == 16


@contextlib.contextmanager
def locked(path, by_file):
    """As another run of mailhaul has it."""
    name = path / ".mailhaul-hold.lock"
    fd = os.open(path, os.O_RDONLY)
    if by_file:
        name.write_text("%d mailhaul %s\n" % (os.getpid(), socket.gethostname()))
    else:
        fcntl.flock(fd, fcntl.LOCK_EX)
    yield
    os.close(fd)
    name.unlink(missing_ok=True)


@pytest.mark.parametrize("kind", ["maildir", "mbox", "eml", "thunderbird"])
def test_files(src, dst, run, user, tmp_path, kind):
    fill(src, user, {"INBOX": notes(15) + [note(1, flags=("\\Seen",)), note(2), note(3, body=b"x\r\n")], "Work": notes(3)})
    place = "%s:%s/mail" % (kind, tmp_path)
    copy(run, src.url(user), place)
    assert dedup(run, place)["selected"] == 2
    assert dedup(run, place, "--mark", "--yes")["done"] == 2
    assert dedup(run, place, "--mark", "--yes")["selected"] == 0
    inbox = tmp_path / "mail" / ("INBOX" if kind == "eml" else "")
    faults = {"MAILHAUL_FAULT": "flock:1+:EBADF"}       # as directories on NFS
    with locked(inbox, kind == "eml"):
        end = dedup(run, place, "--expunge", "--yes", "--timeout", "0.1s", "--retries", "0", code=4, env=faults if kind == "eml" else {})
        assert end["done"] == 0
    assert dedup(run, place, "--expunge", "--yes", env=faults)["done"] == 2
    with locked(inbox, False):      # where they stay
        assert dedup(run, place, "--across", "--move-to", "Copies", "--timeout", "0.1s", "--retries", "0", code=4)["done"] == 0
    assert dedup(run, place, "--across", "--move-to", "Copies")["done"] == 3
    assert not list(tmp_path.glob("**/.mailhaul-hold*"))
    copy(run, place, dst.url(user), "--state", "none")
    assert sorted(subjects(dst, user)) == sorted([*range(1, 16), 3]) and flags_of(dst, user)[1] == {"\\Seen"}
    assert sorted(subjects(dst, user, "Copies")) == [1, 2, 3] and count(dst, user, "Work") == 0
    assert not any("\\Deleted" in flags for flags in flags_of(dst, user, "Copies").values())


@pytest.mark.parametrize("kind", ["maildir", "mbox", "eml"])
def test_three_at_once(run, tmp_path, kind):
    """In files that others made, by another name and with another state, each keeping what the others remove: one of each stays, and nobody says that he removed what he did not."""
    mail, names, texts = tmp_path / "mail", ["A", "B", "INBOX"], [note(number).body for number in range(20)]
    for name in names:
        place = mail / {"maildir": "" if name == "INBOX" else "." + name, "mbox": "", "eml": name}[kind]
        for sub in ("cur", "new", "tmp") if kind == "maildir" else ("",):
            (place / sub).mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(texts):
            if kind == "maildir":
                (place / "cur" / ("%d.%s.x:2," % (number, name))).write_bytes(text)
            elif kind == "eml":
                (place / ("%d.eml" % number)).write_bytes(text)
        if kind == "mbox":
            (mail / (name + ".mbox")).write_bytes(b"".join(b"From a@b Mon Jan  1 10:00:00 2024\n%s\n" % text.replace(b"\r", b"") for text in texts))
    (tmp_path / "link").symlink_to(mail)
    runs = [run.start("dedup", "%s:%s" % (kind, tmp_path / "link" if first == 1 else mail), "--across", "--expunge", "--yes",
                      "--max-delete", "100%", "--json", *sum([["-m", name] for name in names[first:] + names[:first]], []),
                      env={"XDG_STATE_HOME": str(tmp_path / str(first))}) for first in range(3)]
    ends = [run.finish(process) for process in runs]
    assert all(end.code in (0, 3) for end in ends) and sum(end.json[-1]["done"] for end in ends) == 40, ends
    left = b"".join(path.read_bytes() for path in mail.glob("**/*") if path.is_file() and not path.name.startswith("."))
    assert sorted(re.findall(rb"(?m)^Subject: note \d+", left)) == sorted(b"Subject: note %d" % number for number in range(20))


def test_users(src, run, user, tmp_path):
    names = [user + suffix for suffix in "abc"]
    for name in names[:2]:
        fill(src, name, {"INBOX": notes(12) + notes(3)})
    people = tmp_path / "people"
    people.write_text("".join("%s:%s\n" % (name, PASSWORD if name != names[2] else "wrong") for name in names))
    people.chmod(0o600)
    args = ("dedup", "imap://%%u@127.0.0.1:%d?tls=none" % src.port, "--users", people, "--retries", "0")
    text = run(*args, "-v", check=5).out
    assert "%s: INBOX UID 13 is a copy of INBOX UID 1" % names[0] in text and "6 groups" in text.splitlines()[-1]
    assert run(*args, "--expunge").code == 6      # nothing is asked in the middle
    result = run(*args, "--expunge", "--yes", "--json", check=5)
    lines = {line["user"]: line for line in result.json if line["type"] == "user"}
    assert [lines[name]["done"] for name in names] == [3, 3, 0] and lines[names[0]]["groups"] == 3, result
    assert (result.json[-1]["done"], result.json[-1]["users_failed"]) == (6, 1)
    assert {c["user"] for c in result.json if c["type"] == "copy"} == set(names[:2])
