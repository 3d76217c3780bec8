"""Runs that build on earlier ones: what changed is carried over, what did not costs nothing."""
import os

import pytest

from copying import both, copy, count, fill, flags_of, note, notes, subjects
from lab import corpus, load, witness
from lab.dovecot import Dovecot
from lab.hostile import Fake


def first(run, src, dst, user, count=10, mailbox="INBOX"):
    fill(src, user, {mailbox: notes(count)})
    assert copy(run, src.url(user), dst.url(user)).copied == count


def test_new_mail(src, dst, run, user):
    first(run, src, dst, user)
    load.append_many(src, user, "INBOX", notes(3, first=20))
    load.append_many(dst, user, "INBOX", notes(2, first=30))
    report = copy(run, src.url(user), dst.url(user))
    assert (report.copied, report.there_by_record) == (3, 10)
    assert both(src, dst, user, extra=False) == []
    assert count(dst, user) == 15


def test_deleted_at_the_destination(src, dst, run, user):
    """A tombstone: not copied again, counted; --recopy does, and once only."""
    first(run, src, dst, user)
    load.expunge(dst, user, "INBOX", "3:4")
    for _ in range(2):
        report = copy(run, src.url(user), dst.url(user))
        assert (report.copied, report.deleted_at_destination, report.there_by_record) == (0, 2, 8)
    load.append_many(src, user, "INBOX", [note(20)])
    report = copy(run, src.url(user), dst.url(user))
    assert (report.copied, report.deleted_at_destination) == (1, 2)
    assert copy(run, src.url(user), dst.url(user), "--recopy").copied == 2
    for options in ([], ["--recopy"], []):
        report = copy(run, src.url(user), dst.url(user), *options)
        assert (report.copied, report.deleted_at_destination, report.there) == (0, 0, 11)
    assert sorted(subjects(dst, user)) == [*range(1, 11), 20]


@pytest.mark.parametrize("mailboxes", [["INBOX"], ["INBOX", "Other"]])
def test_emptied_destination(src, dst, run, user, mailboxes):
    """All that was copied is gone at the destination. It is not copied again, as any deletion; but "complete" alone would be read as
    "it is there", so it is said of the mailbox, in every run, and of no other."""
    first(run, src, dst, user)
    load.fill(src, user, [(name, notes(12, first=50), True) for name in mailboxes[1:]])
    assert not copy(run, src.url(user), dst.url(user)).findings
    load.expunge(dst, user, "INBOX", "1:9")
    assert not copy(run, src.url(user), dst.url(user)).findings
    load.expunge(dst, user, "INBOX", "1:*")
    for options in ([], [], ["--dry-run"]):
        report = copy(run, src.url(user), dst.url(user), *options)
        assert (report.copied, report.deleted_at_destination) == (0, 10)
        [(mailbox, _, text)] = report.found_out("emptied")
        assert mailbox == "INBOX" and "none of the 10 messages" in text and "--recopy" in text
    assert copy(run, src.url(user), dst.url(user), "--recopy").copied == 10
    assert not copy(run, src.url(user), dst.url(user)).findings


def test_deleted_again_after_recopy(src, dst, run, user):
    first(run, src, dst, user, 5)
    load.expunge(dst, user, "INBOX", "2")
    copy(run, src.url(user), dst.url(user))
    copy(run, src.url(user), dst.url(user), "--recopy")
    load.expunge(dst, user, "INBOX", "6")
    report = copy(run, src.url(user), dst.url(user))
    assert (report.copied, report.deleted_at_destination) == (0, 1)
    assert subjects(dst, user) == [1, 3, 4, 5]


def test_deleted_at_the_source(src, dst, run, user):
    first(run, src, dst, user)
    load.expunge(src, user, "INBOX", "1:4")
    for _ in range(2):
        report = copy(run, src.url(user), dst.url(user))
        assert (report.copied, report.found, report.there_by_record) == (0, 6, 6)
    assert subjects(dst, user) == list(range(1, 11))


def test_deleted_at_the_source_and_delivered_again(src, dst, run, user):
    """The same message comes back under a new UID: its copy is still there, so it is not doubled."""
    first(run, src, dst, user, 4)
    load.expunge(src, user, "INBOX", "2")
    copy(run, src.url(user), dst.url(user))
    load.append_many(src, user, "INBOX", [note(2)])
    assert copy(run, src.url(user), dst.url(user)).copied == 0
    assert sorted(subjects(dst, user)) == [1, 2, 3, 4]


def test_a_tombstone_is_for_one_message(src, dst, run, user):
    """Deleted there; then an identical one arrives here: that one is new."""
    first(run, src, dst, user, 3)
    load.expunge(dst, user, "INBOX", "2")
    copy(run, src.url(user), dst.url(user))
    load.append_many(src, user, "INBOX", [note(2)])
    report = copy(run, src.url(user), dst.url(user))
    assert (report.copied, report.deleted_at_destination) == (1, 1)
    assert subjects(dst, user) == [1, 3, 2]


@pytest.mark.parametrize("condstore", [True, False])
def test_flags_changed_on_either_side(servers, src, dst, run, user, condstore):
    """With CONDSTORE and without: the source's changes are carried, the destination's stay."""
    options = {} if condstore else {"capabilities": "IMAP4rev1 LITERAL+ SASL-IR UIDPLUS NAMESPACE UNSELECT MULTIAPPEND"}
    a = servers(Dovecot, **options) if options else src
    first(run, a, dst, user)
    load.store(a, user, "INBOX", "1", "+", ["\\Flagged", "work"])
    load.store(dst, user, "INBOX", "2", "+", ["\\Answered"])
    load.store(a, user, "INBOX", "3", "+", ["\\Seen"])
    load.store(dst, user, "INBOX", "3", "+", ["own"])
    report = copy(run, a.url(user), dst.url(user))
    assert (report.copied, report.flags_changed) == (0, 2)
    flags = flags_of(dst, user)
    assert (flags[1], flags[2], flags[3]) == ({"\\Flagged", "work"}, {"\\Answered"}, {"\\Seen", "own"})
    load.store(a, user, "INBOX", "1", "-", ["\\Flagged"])
    assert copy(run, a.url(user), dst.url(user)).flags_changed == 1
    assert flags_of(dst, user)[1] == {"work"}
    assert flags_of(a, user)[2] == set()
    assert copy(run, a.url(user), dst.url(user)).flags_changed == 0


def test_deleted_flag_is_carried_and_never_expunged(src, dst, run, user):
    first(run, src, dst, user, 4)
    load.store(src, user, "INBOX", "2", "+", ["\\Deleted"])
    copy(run, src.url(user), dst.url(user))
    assert flags_of(dst, user)[2] == {"\\Deleted"} and count(dst, user) == 4


def rename(server, user, old, new):
    client = witness.Client(server, user)
    try:
        client.ask("RENAME", b'"%s"' % client.raw(old), b'"%s"' % client.raw(new))
    finally:
        client.logout()


def test_renamed_at_the_source(src, dst, run, user):
    """Additive: the new name is made, the old one stays; nothing is lost, and the next run is quiet."""
    first(run, src, dst, user, 5, "Old")
    rename(src, user, "Old", "New")
    copy(run, src.url(user), dst.url(user))
    assert subjects(dst, user, "New") == [1, 2, 3, 4, 5] and count(dst, user, "Old") == 5
    assert copy(run, src.url(user), dst.url(user)).copied == 0


def test_renamed_at_the_destination(src, dst, run, user):
    first(run, src, dst, user, 5, "Old")
    rename(dst, user, "Old", "Moved")
    copy(run, src.url(user), dst.url(user))
    assert subjects(dst, user, "Old") == [1, 2, 3, 4, 5] and count(dst, user, "Moved") == 5


def test_deleted_and_made_again_at_the_destination(src, dst, run, user):
    first(run, src, dst, user, 6, "Box")
    load.delete_mailbox(dst, user, "Box")
    report = copy(run, src.url(user), dst.url(user))
    assert report.copied == 6 and subjects(dst, user, "Box") == [1, 2, 3, 4, 5, 6]
    load.delete_mailbox(dst, user, "Box")
    fill(dst, user, {"Box": notes(3)})
    report = copy(run, src.url(user), dst.url(user))
    assert (report.copied, report.there_by_digest) == (3, 3)
    assert sorted(subjects(dst, user, "Box")) == [1, 2, 3, 4, 5, 6]
    assert copy(run, src.url(user), dst.url(user)).copied == 0


def test_deleted_and_made_again_at_the_source(src, dst, run, user):
    """Other messages under the same UIDs: UIDVALIDITY tells, and none is taken for an old one."""
    first(run, src, dst, user, 6, "Box")
    load.delete_mailbox(src, user, "Box")
    fill(src, user, {"Box": [note(4), *notes(5, first=40)]})
    report = copy(run, src.url(user), dst.url(user))
    assert (report.copied, report.there_by_digest) == (5, 1)
    assert sorted(subjects(dst, user, "Box")) == [*range(1, 7), *range(40, 45)]
    assert copy(run, src.url(user), dst.url(user)).copied == 0


def fakes(count=6):
    return Fake({"INBOX": notes(count)}), Fake({"INBOX": []})


@pytest.mark.parametrize("side", ["source", "destination"])
def test_uidvalidity_changed(run, user, side):
    """A server that was restored from a backup: the same mail, other numbers. Nothing is doubled, nothing is deleted."""
    a, b = fakes()
    with a, b:
        copy(run, a.url(user), b.url(user))
        box = (a if side == "source" else b).boxes["INBOX"]
        box.uidvalidity += 1
        for i, message in enumerate(box.messages):
            message.uid = 101 + (i * 5) % 7
        box.messages.sort(key=lambda message: message.uid)
        box.uidnext = 200
        report = copy(run, a.url(user), b.url(user), "--delete-source", "--yes", code=6)   # the brake: not all of it
        assert (report.copied, report.there_by_digest) == (0, 6)
        assert len(a.messages()) == len(b.messages()) == 6
        again = copy(run, a.url(user), b.url(user))
        assert (again.copied, again.there_by_record) == (0, 6)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_deleted_there_before_uidvalidity_changed(run, user, side):
    """What its owner deleted at the destination stays deleted, whatever the numbers are; --recopy wants it back."""
    a, b = fakes()
    with a, b:
        copy(run, a.url(user), b.url(user))
        del b.boxes["INBOX"].messages[1:3]
        assert copy(run, a.url(user), b.url(user)).copied == 0
        for changes in (1, 2):
            box = (a if side == "source" else b).boxes["INBOX"]
            box.uidvalidity += 1
            for i, message in enumerate(box.messages):
                message.uid = 100 * changes + i
            box.uidnext = 200 + 100 * changes
            for _ in range(2):
                report = copy(run, a.url(user), b.url(user))
                assert (report.copied, len(b.messages())) == (0, 4)
        assert copy(run, a.url(user), b.url(user), "--recopy").copied == 2


def test_another_account_behind_the_same_name(run, user):
    """The same UIDVALIDITY and UIDs, other mail: sizes tell."""
    a, b = fakes()
    with a, b:
        copy(run, a.url(user), b.url(user))
        a.boxes["INBOX"].messages[:] = []
        a.boxes["INBOX"].uidnext = 1
        for message in notes(6, first=2000, body=b"other mail, of quite another length\r\n"):
            a.store(a.boxes["INBOX"], message.body)
        assert copy(run, a.url(user), b.url(user)).copied == 6
        assert len(b.messages()) == 12


def test_without_uidplus(servers, src, run, user):
    """No APPENDUID: the copies are looked up, once, and then known."""
    old = servers(Dovecot, capabilities="IMAP4rev1 LITERAL+ SASL-IR NAMESPACE UNSELECT MULTIAPPEND CHILDREN")
    fill(src, user, {"INBOX": [*notes(12), *corpus.identical(3), *corpus.same_header(), corpus.no_message_id()]})
    report = copy(run, src.url(user), old.url(user))
    assert (report.copied, report.there) == (18, 0)
    assert both(src, old, user) == []
    again = copy(run, src.url(user), old.url(user))
    assert (again.copied, again.there_by_record) == (0, 18)
    load.expunge(old, user, "INBOX", "1")
    assert copy(run, src.url(user), old.url(user)).deleted_at_destination == 1


def test_the_bare_minimum(run, user):
    """IMAP4rev1 and nothing else on both sides."""
    bare = "IMAP4rev1 AUTH=PLAIN"
    with Fake({"INBOX": notes(5), "Box": notes(3, first=10)}, capabilities=bare) as a, Fake({"INBOX": []}, capabilities=bare) as b:
        assert copy(run, a.url(user), b.url(user)).copied == 8
        assert copy(run, a.url(user), b.url(user)).copied == 0
        assert (len(b.messages()), len(b.messages("Box"))) == (5, 3)


def test_a_second_run_costs_nearly_nothing(src, dst, proxy, run, user):
    load.fill(src, user, [("INBOX", notes(30), True), *((n, notes(5, first=100 * i), True) for i, n in
                                                       enumerate(("A", "B/C", "D"), 1))])
    near, far = proxy(src, log=True), proxy(dst, log=True)
    copy(run, near.url(user), far.url(user))
    before = near.stats()["turns"], far.stats()["turns"]
    report = copy(run, near.url(user), far.url(user))
    assert (report.copied, report.mailboxes_unchanged, report.there_by_record) == (0, 5 - 1 + (len(report.mailboxes) - 4), 45)
    assert max(near.stats()["turns"] - before[0], far.stats()["turns"] - before[1]) <= 12


def test_500_mailboxes(src, dst, proxy, run, user):
    """The second run asks both servers for one list each, and opens nothing."""
    load.fill(src, user, corpus.many(500))
    near, far = proxy(src, log=True), proxy(dst, log=True)
    assert copy(run, near.url(user), far.url(user), timeout=120).copied == 500
    near.set_rules([]), far.set_rules([])
    before = near.stats()["turns"], far.stats()["turns"], len(near.commands()), len(far.commands())
    report = copy(run, near.url(user), far.url(user))
    assert (report.copied, report.there_by_record, report.mailboxes_unchanged) == (0, 500, 500)
    after = near.stats()["turns"], far.stats()["turns"], len(near.commands()), len(far.commands())
    assert all(new - old <= 15 for new, old in zip(after, before))


@pytest.mark.threads
def test_four_lanes(src, dst, run, user):
    """Many mailboxes, some of them onto one, on four pairs of connections: for a build with ThreadSanitizer."""
    load.fill(src, user, [("box %d" % i, notes(6, first=100 * i, size=600), True) for i in range(24)])
    load.fill(dst, user, [("box %d" % i, notes(3, first=100 * i, size=600), True) for i in range(0, 24, 3)])
    report = copy(run, src.url(user), dst.url(user), "-j", "4", "--rename", "s/box 2[0-3]/shared/", "--merge", timeout=120)
    assert (report.copied, report.there) == (24 * 6 - 7 * 3, 7 * 3)
    load.store(src, user, "box 3", "1:4", "+", ["\\Seen"])
    load.append_many(src, user, "box 5", notes(2, first=5000))
    report = copy(run, src.url(user), dst.url(user), "-j", "4", "--rename", "s/box 2[0-3]/shared/", "--merge", timeout=120)
    assert (report.copied, report.flags_changed) == (2, 4)
    assert sum(len(m) for m in witness.read(dst, user).mailboxes.values()) == 24 * 6 + 2 + 3
