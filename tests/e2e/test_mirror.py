"""mirror: the destination is made equal, and nothing is deleted that should not be.

After every run that says "complete" the witness must find both sides equal, as multisets of bodies, flags and dates; after
every other one, what both sides had is still at the destination, and the source is as it was.
"""
import collections
import os
import signal
import threading
import time

import pytest

from copying import Report, both, bodies, copy, count, fill, flags_of, mirror, note, notes, subjects
from lab import corpus, load, witness
from lab.dovecot import Dovecot
from lab.hostile import Fake

ALL = ("--max-delete", "100%")


def shas(server, user, mailbox="INBOX"):
    """The multiset of bodies."""
    return collections.Counter(sha for sha, _ in bodies(server, user, mailbox))


def extra_five(src, dst, user, common=40):
    """The source has 1 to `common`; the destination has them too, and 500 to 504 besides."""
    fill(src, user, {"INBOX": notes(common)})
    fill(dst, user, {"INBOX": notes(common) + notes(5, 500)})


# equal

def test_equal_and_idempotent(src, dst, run, user):
    fill(src, user, {"INBOX": notes(30), "Archive/2024": notes(20, 100), "Empty": []})
    fill(dst, user, {"INBOX": notes(10) + notes(3, 500), "Archive/2024": notes(20, 100) + notes(1, 600)})
    report = mirror(run, src.url(user), dst.url(user), *ALL)
    assert (report.copied, report.there, report.deleted_extra) == (20, 30, 4)
    assert both(src, dst, user) == []
    for _ in range(3):
        report = mirror(run, src.url(user), dst.url(user))
        assert (report.copied, report.deleted_extra, report.flags_changed) == (0, 0, 0)
    assert report.mailboxes_unchanged == 3
    assert both(src, dst, user) == []


def test_follows_the_source(src, dst, run, user):
    """Messages come, go and change flags at the source, run after run; N identical ones stay N."""
    fill(src, user, {"INBOX": notes(40) + list(corpus.identical(3)), "Box": list(corpus.same_header()) + notes(30, 50)})
    dst.add_user(user)
    assert mirror(run, src.url(user), dst.url(user)).deleted_extra == 0
    assert both(src, dst, user) == []
    load.expunge(src, user, "INBOX", "3,7,41")
    load.expunge(src, user, "Box", "1")
    load.append_many(src, user, "INBOX", notes(2, 300))
    load.store(src, user, "INBOX", "5", "+", ["\\Flagged", "later"])
    report = mirror(run, src.url(user), dst.url(user))
    assert (report.copied, report.deleted_extra, report.flags_changed) == (2, 4, 1)
    assert report.mailboxes["INBOX"]["deleted_extra"] == 3
    assert both(src, dst, user) == []
    load.append_many(dst, user, "INBOX", corpus.identical(1))   # a fourth one
    assert mirror(run, src.url(user), dst.url(user)).deleted_extra == 1
    assert both(src, dst, user) == []


def test_copies_again_what_was_deleted(src, dst, run, user):
    """Made equal is also what the destination's owner deleted; the records of both copies disturb no count later."""
    fill(src, user, {"INBOX": notes(20)})
    dst.add_user(user)
    mirror(run, src.url(user), dst.url(user))
    load.expunge(dst, user, "INBOX", "4:6")
    report = mirror(run, src.url(user), dst.url(user))
    assert (report.copied, report.deleted_at_destination, report.there) == (3, 0, 17)
    assert both(src, dst, user) == []
    for _ in range(2):
        report = mirror(run, src.url(user), dst.url(user))
        assert (report.copied, report.there) == (0, 20)
    assert report.mailboxes_unchanged == 1


def test_after_copy(src, dst, run, user):
    """What copy recorded as deleted by its owner is copied again, and what it called reconciled is looked at again."""
    extra_five(src, dst, user)
    copy(run, src.url(user), dst.url(user))
    assert copy(run, src.url(user), dst.url(user)).mailboxes_unchanged == 1
    assert mirror(run, src.url(user), dst.url(user)).deleted_extra == 5
    assert both(src, dst, user) == []


@pytest.mark.parametrize("how", ["merge", "source", "keep"])
def test_flags(src, dst, run, user, how):
    fill(src, user, {"INBOX": notes(20)})
    dst.add_user(user)
    mirror(run, src.url(user), dst.url(user))
    load.store(src, user, "INBOX", "2", "+", ["\\Seen"])
    load.store(dst, user, "INBOX", "3", "+", ["\\Flagged"])
    mirror(run, src.url(user), dst.url(user), "--flags-on-update", how)
    found = flags_of(dst, user)
    assert found[2] == ({"\\Seen"} if how != "keep" else set())
    assert found[3] == (set() if how == "source" else {"\\Flagged"})
    if how == "source":
        assert both(src, dst, user) == []


def test_source_is_never_written(src, dst, run, user):
    """The program this one replaces expunges the source first. Messages marked \\Deleted there are mail, are copied, and stay."""
    fill(src, user, {"INBOX": notes(20), "Box": notes(3, 100)})
    load.store(src, user, "INBOX", "2,4", "+", ["\\Deleted"])
    fill(dst, user, {"INBOX": notes(3, 500)})
    before = witness.read(src, user)
    mirror(run, src.url(user), dst.url(user), *ALL)
    after = witness.read(src, user)
    assert witness.diff(before, after) == [] and before.validity == after.validity
    assert both(src, dst, user) == []


def test_no_commands_that_write_at_the_source(src, dst, run, user, proxy):
    extra_five(src, dst, user)
    door = proxy(src, log=True)
    mirror(run, door.url(user), dst.url(user))
    names = {name for _, name, _ in door.commands()}
    assert names and not names & {"SELECT", "UID STORE", "STORE", "EXPUNGE", "UID EXPUNGE", "CLOSE", "APPEND", "DELETE", "RENAME", "CREATE"}


def test_renamed_mailboxes(src, dst, run, user):
    fill(src, user, {"INBOX": notes(20), "Work": notes(15, 100), "Work/Sub": notes(15, 200)})
    fill(dst, user, {"Other": notes(5, 900), "Old/Job": notes(1, 700)})
    options = ("--rename", "s/^Work/Job/", "--root", "Old", *ALL)
    for turn in range(2):
        assert mirror(run, src.url(user), dst.url(user), *options).deleted_extra == (1 if turn == 0 else 0)
        assert subjects(dst, user, "Old/Job") == list(range(100, 115))
        assert subjects(dst, user, "Old/Job/Sub") == list(range(200, 215))
        assert count(dst, user, "Other") == 5


def test_another_source_for_the_same_mailbox(src, dst, run, user):
    """Yesterday A went to Box, today B does: records of A hold nothing back."""
    fill(src, user, {"A": notes(20), "B": notes(20, 10)})
    dst.add_user(user)
    mirror(run, src.url(user), dst.url(user), "-m", "A", "--rename", "s/^A$/Box/")
    mirror(run, src.url(user), dst.url(user), "-m", "B", "--rename", "s/^B$/Box/", *ALL)
    assert shas(dst, user, "Box") == shas(src, user, "B")


@pytest.mark.others
@pytest.mark.parametrize("kind", ["cyrus", "courier"])
def test_other_servers(src, run, user, kind, request):
    other = request.getfixturevalue(kind)
    fill(src, user, {"INBOX": notes(20), "Work/Küche": notes(20, 100)})
    fill(other, user, {"INBOX": notes(20) + notes(2, 500), "Work/Küche": notes(5, 100)})
    options = () if kind == "cyrus" else ("--expunge-all",)
    assert mirror(run, src.url(user), other.url(user), *options).deleted_extra == 2
    assert mirror(run, src.url(user), other.url(user)).copied == 0
    for mailbox in ("INBOX", "Work/Küche"):
        assert shas(src, user, mailbox) == shas(other, user, mailbox)


# the guards

def test_asks(src, dst, run, user):
    extra_five(src, dst, user)
    result = run("mirror", src.url(user), dst.url(user), "--json", "--progress=never")
    assert result.code == 6 and "not confirmed" in result.err, result
    assert count(dst, user) == 45
    # Nobody is asked when nothing is to go.
    result = run("mirror", src.url(user), dst.url(user), "--delete-extra=no", "--json", check=0)
    assert Report(result).deleted_extra == 0 and count(dst, user) == 45


@pytest.mark.parametrize("common, extra, options, allowed", [
    (40, 5, [], True),
    (40, 10, [], True),     # 10 of 50 are more than 10 % of the account, but 10 are free
    (40, 11, [], False),
    (200, 22, [], True),
    (200, 23, [], False),   # the account: more than 10 %
    (0, 3, [], False),      # the last one
    (0, 3, ALL, True),
    (40, 5, ["--max-delete", "4"], False),
    (40, 5, ["--max-delete", "5"], True),
    (40, 10, ["--max-delete", "19%"], False),
    (40, 10, ["--max-delete", "20%"], True),
])
def test_brake(src, dst, run, user, common, extra, options, allowed):
    fill(src, user, {"INBOX": notes(common) if common else []})
    fill(dst, user, {"INBOX": notes(common) + notes(extra, 500)})
    report = mirror(run, src.url(user), dst.url(user), *options, code=0 if allowed else 6)
    assert report.deleted_extra == (extra if allowed else 0)
    assert count(dst, user) == common + (0 if allowed else extra)
    if not allowed:
        assert report.verdict == "incomplete" and "nothing was deleted" in report.result.err


def test_brake_holds_all_mailboxes(src, dst, run, user):
    """One mailbox that may not lose so much keeps the others too; copies are made all the same."""
    fill(src, user, {"A": notes(30), "B": []})
    fill(dst, user, {"A": notes(25) + notes(1, 500), "B": notes(1, 600)})
    report = mirror(run, src.url(user), dst.url(user), code=6)
    assert (report.copied, report.deleted_extra) == (5, 0)
    assert count(dst, user, "A") == 31 and count(dst, user, "B") == 1


def test_dry_run(src, dst, run, user):
    extra_five(src, dst, user)
    fill(dst, user, {"Other": notes(2, 700)})
    before = witness.read(dst, user)
    report = mirror(run, src.url(user), dst.url(user), "--dry-run", "--delete-mailboxes", "-v")
    assert report.deleted_extra == 5 and report.mailboxes_deleted == 1
    assert "would delete UID 45 of INBOX" in report.result.err
    assert [text for _, _, text in report.found_out("note") if "refused" in text]    # Other would lose its last message
    assert witness.diff(before, witness.read(dst, user)) == []


def test_without_uidplus(src, servers, run, user, proxy, dst):
    extra_five(src, dst, user)
    door = proxy(dst, hide=["UIDPLUS", "IMAP4rev2"], log=True)
    load.store(dst, user, "INBOX", "1", "+", ["\\Deleted"])     # somebody else's mark
    report = mirror(run, src.url(user), door.url(user), code=6)
    assert report.deleted_extra == 0 and count(dst, user) == 45
    assert not door.commands("UID EXPUNGE") and not door.commands("EXPUNGE") and not door.commands("UID STORE")
    assert "--expunge-all" in report.result.err
    report = mirror(run, src.url(user), door.url(user), "--no-expunge")
    assert report.deleted_extra == 5 and count(dst, user) == 45 and not door.commands("EXPUNGE")
    report = mirror(run, src.url(user), door.url(user), "--no-expunge")
    assert report.deleted_extra == 0 and report.copied == 0       # marked is done
    mirror(run, src.url(user), door.url(user), "--expunge-all")
    assert len(door.commands("EXPUNGE")) == 1 and not set(range(500, 505)) & set(subjects(dst, user))


def test_no_expunge(src, dst, run, user):
    extra_five(src, dst, user)
    report = mirror(run, src.url(user), dst.url(user), "--no-expunge")
    assert report.deleted_extra == 5 and count(dst, user) == 45
    found = flags_of(dst, user)
    assert all(found[n] == {"\\Deleted"} for n in range(500, 505)) and not any(found[n] for n in range(1, 41))
    assert mirror(run, src.url(user), dst.url(user), "--no-expunge").deleted_extra == 0
    assert mirror(run, src.url(user), dst.url(user)).deleted_extra == 5
    assert both(src, dst, user) == []


def test_only_these_are_expunged(src, dst, run, user):
    """What others marked at the destination stays marked, and stays."""
    extra_five(src, dst, user)
    load.store(dst, user, "INBOX", "7,8", "+", ["\\Deleted"])
    mirror(run, src.url(user), dst.url(user))
    assert subjects(dst, user) == list(range(1, 41)) and flags_of(dst, user)[7] == {"\\Deleted"}


@pytest.mark.parametrize("args", [
    ["--delete-source"], ["--uid", "1:3"], ["--delete-mailboxes", "--into", "X"], ["--delete-source-mailboxes"],
    ["--merge", "--rename", "s/^[AB]$/C/"], ["--into", "C"]])
def test_usage(src, dst, run, user, args):
    fill(src, user, {"A": notes(2), "B": notes(2, 10)})
    fill(dst, user, {"C": notes(1, 50)})
    result = run("mirror", src.url(user), dst.url(user), "--yes", *args)
    assert result.code == 2, result
    assert count(dst, user, "C") == 1


def test_into_one_mailbox(src, dst, run, user):
    """One source mailbox may go into another one."""
    fill(src, user, {"A": notes(20), "B": notes(2, 100)})
    fill(dst, user, {"C": notes(1, 50)})
    assert mirror(run, src.url(user), dst.url(user), "-m", "A", "--into", "C").deleted_extra == 1
    assert subjects(dst, user, "C") == list(range(1, 21))


# which messages

def test_selection_keeps_the_rest(src, dst, run, user):
    """Only what the options select on both sides goes: old mail stays, and so does what has a counterpart that they leave out."""
    old, new = {"date": "01-Jan-2020 12:00:00 +0000"}, {"date": "01-Jan-2024 12:00:00 +0000"}
    fill(src, user, {"INBOX": notes(30, **new) + notes(5, 100, **old)})
    fill(dst, user, {"INBOX": notes(30, **new) + notes(2, 100, **new) + notes(3, 500, **new) + notes(3, 600, **old)})
    report = mirror(run, src.url(user), dst.url(user), "--since", "2023-01-01")
    assert (report.deleted_extra, report.copied) == (3, 0)
    # 100 and 101 have other dates at the destination, and stand at the source
    assert subjects(dst, user) == list(range(1, 31)) + [100, 101, 600, 601, 602]


@pytest.mark.parametrize("option, gone", [
    (["--larger", "3k"], [501]), (["--smaller", "3k"], [500]), (["--unseen"], [500]), (["--seen"], [501]),
    (["--search", "SUBJECT special"], [501]), (["--sent-since", "2024-06-01"], [501]), (["--flag", "\\Seen"], [501]),
    (["--limit", "3"], [500, 501]), (["--max-size", "3k"], [500]), (["--skip-deleted"], [500, 501])], ids=lambda v: str(v[0]))
def test_selection(src, dst, run, user, option, gone):
    fill(src, user, {"INBOX": notes(30)})
    fill(dst, user, {"INBOX": notes(30) + [note(500), note(501, "special", ["\\Seen"], size=5000, sent="Sat, 01 Jun 2024 12:00:00 +0000")]})
    report = mirror(run, src.url(user), dst.url(user), *option)
    assert report.deleted_extra == len(gone)
    assert set(range(500, 502)) - set(subjects(dst, user)) == set(gone)
    assert set(subjects(dst, user)) >= set(range(1, 31))


def test_empty_destination(src, dst, run, user):
    """Whatever the message options say, only the source's mail stays."""
    fill(src, user, {"INBOX": notes(30), "Box": notes(1, 80)})
    fill(dst, user, {"INBOX": notes(30) + notes(3, 600, date="01-Jan-2020 12:00:00 +0000"), "Other": notes(3, 700)})
    report = copy(run, src.url(user), dst.url(user), "--empty-destination", "--since", "2023-01-01", "--yes")
    assert report.deleted_extra == 3 and subjects(dst, user) == list(range(1, 31)) and count(dst, user, "Other") == 3


def test_a_destination_that_cannot_search(src, dst, run, user, proxy):
    extra_five(src, dst, user)
    door = proxy(dst, rules=[{"on": "UID SEARCH", "do": "reply", "text": "NO no search today", "times": -1}])
    report = mirror(run, src.url(user), door.url(user), "--search", "SUBJECT note", code=3)
    assert report.deleted_extra == 0 and count(dst, user) == 45
    assert "nothing is deleted there" in report.result.err


# what is unknown

def test_refused_messages_keep_all(src, run, user):
    """A message that the destination refuses may be what one of its own is: nothing goes in that mailbox, but in the other."""
    fill(src, user, {"INBOX": notes(20), "Box": notes(20, 100)})
    with Fake({"INBOX": notes(19) + [note(500)], "Box": notes(20, 100) + [note(600)]}) as fake:
        fake.on("^APPEND", b"%TAG% NO [CANNOT] not this one\r\n")
        report = mirror(run, src.url(user), fake.url(user), code=3)
        assert (report.refused, report.deleted_extra) == (1, 1)
        assert len(fake.messages()) == 20 and len(fake.messages("Box")) == 20


SOURCE = [
    ("AUTHENTICATE", {"on": "AUTHENTICATE"}), ("LIST", {"on": "LIST"}), ("NAMESPACE", {"on": "NAMESPACE"}),
    ("EXAMINE", {"on": "EXAMINE"}), ("EXAMINE 2", {"on": "EXAMINE", "nth": 2}), ("UID FETCH", {"on": "UID FETCH"}),
    ("UID FETCH 2", {"on": "UID FETCH", "nth": 2}), ("headers", {"on": "UID FETCH", "match": "HEADER"}),
    ("bodies", {"on": "UID FETCH", "match": r"BODY\.PEEK\[\]"}), ("LIST again", {"on": "LIST", "nth": 2}),
]
DESTINATION = [
    ("LIST", {"on": "LIST"}), ("SELECT", {"on": "SELECT"}), ("UID FETCH", {"on": "UID FETCH"}), ("headers", {"on": "UID FETCH", "match": "HEADER"}),
    ("APPEND", {"on": "APPEND"}), ("LIST at the end", {"on": "LIST", "nth": 2}), ("last SELECT", {"on": "SELECT", "nth": 3}),
    ("UID STORE", {"on": "UID STORE"}), ("UID EXPUNGE", {"on": "UID EXPUNGE"}),
]
FAULTS = {
    "NO": {"do": "reply", "text": "NO there is trouble", "times": -1},
    "BAD": {"do": "reply", "text": "BAD what is this?", "times": -1},
    "NO once": {"do": "reply", "text": "NO there is trouble"},
    "OK and nothing": {"do": "reply", "text": "OK done", "times": -1},
    "BYE": {"do": "reply", "text": "BYE going down"},
    "cut": {"do": "cut-before", "times": -1},
    "cut in the answer": {"do": "cut-reply", "at": 40, "times": -1},
    "cut late in the answer": {"do": "cut-reply", "at": 700, "times": -1},
    "swallowed": {"do": "swallow"},
}


def under_fire(src, dst, user, run, doors):
    """A run under fire: what both sides have is never lost; "complete" means equal; and a clean run then ends equal."""
    fill(src, user, {"INBOX": notes(22), "Work": notes(20, 100), "Empty": []})
    fill(dst, user, {"INBOX": notes(20) + notes(2, 500), "Work": notes(20, 100) + notes(1, 600), "Empty": notes(1, 700)})
    source = witness.read(src, user)
    result = run("mirror", doors[0].url(user), doors[1].url(user), "--json", "--progress=never", "--yes", "--retries", "1",
                 "--settle", "100ms", "--timeout", "5", *ALL)
    assert result.code in (0, 1, 3, 4, 5), result
    end = Report(result) if result.json else None
    assert witness.diff(source, witness.read(src, user)) == [], "the source was changed"
    left = {name: subjects(dst, user, name) for name in ("INBOX", "Work", "Empty")}
    assert set(left["INBOX"]) >= set(range(1, 21)) and set(left["Work"]) >= set(range(100, 120)), (left, result)
    assert len(set(left["INBOX"])) == len(left["INBOX"]), (left, result)
    if result.code in (0, 1):
        assert both(src, dst, user) == [], result
    else:
        assert result.err.strip() and (not end or end.verdict == "incomplete")
    return result, left


def afterwards(src, dst, user, run, doors):
    for door in doors:
        door.set_rules([])
    result = run("mirror", doors[0].url(user), doors[1].url(user), "--json", "--progress=never", "--yes", "--settle", "100ms", *ALL)
    assert result.code == 0 and both(src, dst, user) == [], result


def matrix(commands, soak_only):
    for number, (name, _) in enumerate(commands):
        for which, fault in enumerate(FAULTS):
            quick = (number + which) % 4 == 0 or (fault in ("NO", "OK and nothing") and not soak_only)
            yield pytest.param(name, fault, marks=() if quick else pytest.mark.soak, id="%s-%s" % (name, fault))


@pytest.mark.parametrize("name, fault", matrix(SOURCE, False))
def test_source_under_fire(src, dst, run, user, proxy, name, fault):
    rule = dict(dict(SOURCE)[name], **FAULTS[fault])
    doors = proxy(src, rules=[rule]), proxy(dst)
    result, left = under_fire(src, dst, user, run, doors)
    if name in ("AUTHENTICATE", "LIST") and FAULTS[fault].get("times") == -1 and "late" not in fault:
        assert result.code != 0 and sum(map(len, left.values())) == 44, result
    afterwards(src, dst, user, run, doors)


@pytest.mark.parametrize("name, fault", matrix(DESTINATION, True))
def test_destination_under_fire(src, dst, run, user, proxy, name, fault):
    rule = dict(dict(DESTINATION)[name], **FAULTS[fault])
    doors = proxy(src), proxy(dst, rules=[rule])
    under_fire(src, dst, user, run, doors)
    afterwards(src, dst, user, run, doors)


def test_source_shows_fewer_than_it_counts(run, user, dst):
    """FETCH leaves a message out, and the source counts it: nothing goes."""
    fill(dst, user, {"INBOX": notes(30) + notes(2, 500)})
    with Fake({"INBOX": notes(30)}) as fake:
        fake.on(r"^UID (FETCH|SEARCH)", lambda session: session.ok())
        report = mirror(run, fake.url(user), dst.url(user), code=3, *())
        assert report.deleted_extra == 0 and count(dst, user) == 32


@pytest.mark.parametrize("scheme, folder", [("maildir", "cur"), ("eml", "Inbox"), ("thunderbird", "Inbox/cur")])
def test_a_link_hides_a_message(run, tmp_path, scheme, folder):
    """What is behind it is not known: it is no message that is gone, and nothing is complete."""
    top, copies = tmp_path / "mail", tmp_path / "copies"
    (top / folder).mkdir(parents=True)
    for number in (1, 2, 3):
        (top / folder / ("170000000%d.M1P1.host" % number)).write_bytes(b"Subject: %d\n\nx\n" % number)
    source, place = "%s:%s" % (scheme, top), "eml:%s" % copies
    assert mirror(run, source, place).copied == 3
    hidden = top / folder / "1700000002.M1P1.host"
    hidden.rename(tmp_path / "elsewhere")
    for make in (lambda: hidden.symlink_to(tmp_path / "elsewhere"), lambda: hidden.symlink_to("nowhere"), lambda: os.mkfifo(hidden)):
        make()
        report = mirror(run, source, place, *ALL, code=3)
        assert (report.unknown, report.deleted_extra, report.copied) == (1, 0, 0), report.result
        hidden.unlink()
    report = mirror(run, source, place, *ALL)
    assert (report.deleted_extra, len(list(copies.rglob("*.eml")))) == (1, 2)


def test_no_mailboxes_at_the_source(run, user, dst):
    """LIST shows nothing at all, not even INBOX."""
    fill(dst, user, {"INBOX": notes(30), "Box": notes(3, 100)})
    with Fake({"INBOX": notes(30)}) as fake:
        fake.on(r"^LIST .*\*", lambda session: session.ok())
        result = run("mirror", fake.url(user), dst.url(user), "--json", "--yes", "--delete-mailboxes", *ALL)
        assert count(dst, user) == 30 and count(dst, user, "Box") == 3, result
        assert result.code == 6, result


# mailboxes

def tree(server, user):
    found = witness.read(server, user)
    return set(found.mailboxes), found.subscribed


def test_delete_mailboxes(src, dst, run, user):
    fill(src, user, {"INBOX": notes(20), "Keep": [], "Deep/er/est": notes(2, 50)})
    fill(dst, user, {"INBOX": notes(20), "Keep": [], "Gone": [], "Gone/Sub": [], "Deep/er/est": notes(2, 50), "Deep/other": [],
                     "Full": notes(3, 100)})
    report = mirror(run, src.url(user), dst.url(user))
    assert report.mailboxes_deleted == 0 and "Gone" in tree(dst, user)[0]
    report = mirror(run, src.url(user), dst.url(user), "--delete-mailboxes", code=6)
    assert "Full would lose its last message" in report.result.err and "Gone" in tree(dst, user)[0]
    report = mirror(run, src.url(user), dst.url(user), "--delete-mailboxes", "-x", "Full")
    assert report.mailboxes_deleted == 3
    names, subscribed = tree(dst, user)
    assert names == {"INBOX", "Keep", "Deep/er/est", "Full"} and not subscribed & {"Gone", "Gone/Sub", "Deep/other"}
    report = mirror(run, src.url(user), dst.url(user), "--delete-mailboxes", *ALL)
    assert report.mailboxes_deleted == 1 and "Full" not in tree(dst, user)[0]
    assert report.found_out("mailbox-deleted") == [("Full", 0, "deleted at the destination, with 3 messages")]
    assert both(src, dst, user) == []


def test_delete_mailboxes_within_the_root(src, dst, run, user):
    """Below --root, and below the location's mailbox; never what stands beside."""
    fill(src, user, {"INBOX": notes(5), "A": []})
    fill(dst, user, {"Beside": [], "Old/Gone": [], "Old/A": [], "Old": []})
    for where in ("%s" % dst.url(user), "--root"):
        target = (dst.url(user), "--root", "Old") if where == "--root" else (dst.url(user).replace("?", "/Old?", 1), )
        assert mirror(run, src.url(user), *target, "--delete-mailboxes").mailboxes_deleted == (0 if where == "--root" else 1)
        assert {"Beside", "Old", "Old/A"} <= tree(dst, user)[0] and "Old/Gone" not in tree(dst, user)[0]


def test_delete_mailboxes_of_part_of_the_source(src, dst, run, user):
    """A source mailbox that is left out by an option still keeps its counterpart; a source that is one mailbox judges no others."""
    fill(src, user, {"A": [], "B": notes(2)})
    fill(dst, user, {"A": [], "B": notes(2), "C": []})
    assert mirror(run, src.url(user), dst.url(user), "--delete-mailboxes", "-m", "[AB]").mailboxes_deleted == 0
    assert mirror(run, src.url(user), dst.url(user), "--delete-mailboxes", "-x", "B").mailboxes_deleted == 1
    assert tree(dst, user)[0] - {"INBOX"} == {"A", "B"}
    assert run("mirror", src.url(user).replace("?", "/A?", 1), dst.url(user), "--delete-mailboxes", "--yes").code == 2


def test_delete_mailboxes_only_when_all_is_well(src, run, user):
    fill(src, user, {"INBOX": notes(3)})
    with Fake({"INBOX": notes(2), "Gone": []}) as fake:
        fake.on("^APPEND", b"%TAG% NO [CANNOT] not this one\r\n", 1)
        report = mirror(run, src.url(user), fake.url(user), "--delete-mailboxes", code=3)
        assert report.mailboxes_deleted == 0 and not fake.commands("^DELETE")


def test_mail_delivered_into_a_doomed_mailbox(src, dst, run, user, proxy):
    fill(src, user, {"INBOX": notes(3)})
    fill(dst, user, {"INBOX": notes(3), "Gone": []})
    door = proxy(dst, rules=[{"on": "STATUS", "match": "Gone", "do": "hold"}], log=True)

    thread = when_fired(door, lambda: load.append_many(dst, user, "Gone", notes(1, 900)))
    report = mirror(run, src.url(user), door.url(user), "--delete-mailboxes", code=3)
    thread.join()
    assert report.mailboxes_deleted == 0 and count(dst, user, "Gone") == 1 and "changed meanwhile" in report.result.err


def test_delete_source_mailboxes(src, dst, run, user):
    fill(src, user, {"INBOX": notes(2), "A": notes(3, 10), "A/B": notes(3, 20), "Empty": [], "Refused": notes(1, 30)})
    dst.add_user(user)
    report = copy(run, src.url(user), dst.url(user), "--delete-source", "--delete-source-mailboxes", "--yes", "-x", "Refused", *ALL)
    assert (report.deleted_at_source, report.mailboxes_deleted) == (8, 3)
    assert set(witness.read(src, user).mailboxes) == {"INBOX", "Refused"}
    assert set(witness.read(dst, user).mailboxes) == {"INBOX", "A", "A/B", "Empty"} and count(dst, user, "A") == 3


def test_delete_source_mailboxes_keeps_what_is_not_empty(src, dst, run, user):
    fill(src, user, {"A": notes(12, 10), "A/B": notes(3, 20)})
    dst.add_user(user)
    report = copy(run, src.url(user), dst.url(user), "--delete-source", "--delete-source-mailboxes", "--yes", "-m", "A*", "--uid", "1:11", *ALL)
    assert report.mailboxes_deleted == 0 and count(src, user, "A") == 1 and count(src, user, "A/B") == 3


# races

def when_fired(door, change):
    """Does something while a command is held back."""
    def wait():
        with door.held():
            change()
    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_mail_delivered_before_the_deletion(src, dst, run, user, proxy):
    """What arrives at the destination between the scan and the deletion is no one's to delete."""
    extra_five(src, dst, user)
    door = proxy(dst, rules=[{"on": "UID STORE", "do": "hold"}])
    thread = when_fired(door, lambda: load.append_many(dst, user, "INBOX", notes(2, 900)))
    assert mirror(run, src.url(user), door.url(user)).deleted_extra == 5
    thread.join()
    assert subjects(dst, user) == list(range(1, 41)) + [900, 901]
    assert mirror(run, src.url(user), door.url(user)).deleted_extra == 2
    assert both(src, dst, user) == []


def test_extra_mail_expunged_before_the_deletion(src, dst, run, user, proxy):
    extra_five(src, dst, user)
    door = proxy(dst, rules=[{"on": "UID STORE", "do": "hold"}])
    thread = when_fired(door, lambda: load.expunge(dst, user, "INBOX", "41,43"))
    mirror(run, src.url(user), door.url(user))
    thread.join()
    assert both(src, dst, user) == []


def test_destination_replaced_before_the_deletion(src, dst, run, user, proxy):
    """New UIDVALIDITY, and other messages under the extra ones' UIDs."""
    fill(src, user, {"Box": notes(40)})
    fill(dst, user, {"Box": notes(40) + notes(5, 500)})
    door = proxy(dst, rules=[{"on": "SELECT", "nth": 2, "do": "hold"}])

    def replace():
        load.delete_mailbox(dst, user, "Box")
        time.sleep(1.1)     # a second, or Dovecot may give the same UIDVALIDITY again
        load.append_many(dst, user, "Box", notes(46, 1000), create=True)
    thread = when_fired(door, replace)
    result = run("mirror", src.url(user), door.url(user), "--yes", "--json")
    thread.join()
    assert result.code == 3 and count(dst, user, "Box") == 46, result


@pytest.mark.parametrize("early, late", [("A", "B"), ("B", "A")])
def test_mail_that_moves_at_the_source(src, dst, run, user, proxy, early, late):
    """From the mailbox looked at late to the one looked at early: its old copy goes only when there is a new one."""
    sizes = {early: 30, late: 25}     # the larger one is first
    fill(src, user, {name: notes(sizes[name], 100 if name == "A" else 200) for name in "AB"})
    dst.add_user(user)
    mirror(run, src.url(user), dst.url(user))
    load.append_many(src, user, early, notes(1, 300))
    load.append_many(src, user, late, notes(1, 301))
    door = proxy(src, rules=[{"on": "EXAMINE", "match": late, "do": "hold"}])

    def move():
        client = load.Client(src, user)
        client.ask("SELECT", late.encode())
        client.ask("UID MOVE", b"3:5", early.encode())
        client.logout()
    thread = when_fired(door, move)
    other = dst.url(user)
    before = sum((shas(dst, user, name) for name in "AB"), collections.Counter())
    result = run("mirror", door.url(user), other, "--yes", "--json", "-j", 1, "--state", "none")
    thread.join()
    assert result.code == 0, result
    after = sum((shas(dst, user, name) for name in "AB"), collections.Counter())
    assert not before - after and after == sum((shas(src, user, name) for name in "AB"), collections.Counter())
    assert both(src, dst, user) == []


def test_mail_that_moves_to_a_new_mailbox(src, dst, run, user, proxy):
    fill(src, user, {"A": notes(30)})
    dst.add_user(user)
    mirror(run, src.url(user), dst.url(user))
    load.append_many(src, user, "A", notes(1, 300))
    door = proxy(src, rules=[{"on": "EXAMINE", "match": "A", "do": "hold"}])

    def move():
        load.append_many(src, user, "New", [], create=True)
        client = load.Client(src, user)
        client.ask("SELECT", b"A")
        client.ask("UID MOVE", b"3:5", b"New")
        client.logout()
    thread = when_fired(door, move)
    result = run("mirror", door.url(user), dst.url(user), "--yes", "--json", "--state", "none")
    thread.join()
    assert result.code == 3 and count(dst, user, "A") == 31, result
    assert "appeared at the source" in result.err
    mirror(run, src.url(user), dst.url(user))
    assert both(src, dst, user) == []


# killed

@pytest.mark.parametrize("point", range(1, 9))
def test_killed_while_deleting(src, dst, run, user, point):
    """At every step of the last phase; the next run finds what is left, asks for no more than that, and says so."""
    fill(src, user, {"A": notes(30), "B": notes(30, 100), "C": notes(30, 200)})
    fill(dst, user, {"A": notes(30) + notes(2, 500), "B": notes(30, 100) + notes(2, 600), "C": notes(30, 200), "Gone": [], "Gone2": []})
    names = ["remove"] * 2 + ["removed"] * 2 + ["delete mailbox"] * 2 + ["deleted mailbox"] * 2
    result = run("mirror", src.url(user), dst.url(user), "--yes", "--json", "--delete-mailboxes",
                 env={"MAILHAUL_FAULT": "point.%s:%d:kill" % (names[point - 1], 2 - point % 2)})
    assert result.code == -signal.SIGKILL, result
    for name, first in (("A", 1), ("B", 100), ("C", 200)):
        assert set(subjects(dst, user, name)) >= set(range(first, first + 30))
    left = witness.read(dst, user).count - 90
    report = mirror(run, src.url(user), dst.url(user), "--delete-mailboxes")
    assert report.deleted_extra == left and report.copied == 0
    assert both(src, dst, user) == []


@pytest.mark.parametrize("rule", [
    {"on": "UID STORE", "do": "cut-before"}, {"on": "UID STORE", "do": "swallow"}, {"on": "UID EXPUNGE", "do": "cut-before"},
    {"on": "UID EXPUNGE", "do": "swallow"}], ids=lambda rule: "%s %s" % (rule["on"], rule["do"]))
def test_line_breaks_while_deleting(src, dst, run, user, proxy, rule):
    """Removing by UID is repeated on a new connection."""
    extra_five(src, dst, user)
    door = proxy(dst, rules=[rule])
    assert mirror(run, src.url(user), door.url(user)).deleted_extra == 5
    assert both(src, dst, user) == [] and door.fired()
