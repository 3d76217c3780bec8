"""A destination that already holds mail, and no record of how it came there: what is there is found, and N stay N."""
import pytest

from copying import both, bodies, copy, count, fill, note, notes, subjects
from lab import corpus, load, witness
from lab.dovecot import Dovecot


def test_identical_copies_stay_as_many(src, dst, run, user):
    """Three at the source, one at the destination: two more, and then none."""
    same = corpus.identical(3)
    fill(src, user, {"INBOX": [*same, note(1)]})
    fill(dst, user, {"INBOX": same[:1]})
    report = copy(run, src.url(user), dst.url(user))
    assert (report.copied, report.there) == (3, 1)
    assert both(src, dst, user) == []
    assert copy(run, src.url(user), dst.url(user), "--state", "none").copied == 0
    assert count(dst, user) == 4


@pytest.mark.parametrize("here, there", [(1, 3), (3, 3), (3, 2), (5, 1)])
def test_n_against_m(src, dst, run, user, here, there):
    fill(src, user, {"INBOX": corpus.identical(here)})
    fill(dst, user, {"INBOX": corpus.identical(there)})
    for _ in range(2):
        copy(run, src.url(user), dst.url(user), "--state", "none")
        assert count(dst, user) == max(here, there)


def test_without_message_id(src, dst, run, user):
    messages = [corpus.no_message_id(i) for i in range(5)]
    fill(src, user, {"INBOX": messages})
    fill(dst, user, {"INBOX": messages[:3]})
    report = copy(run, src.url(user), dst.url(user), "--state", "none")
    assert (report.copied, report.there) == (2, 3)
    assert both(src, dst, user) == []
    assert copy(run, src.url(user), dst.url(user), "--state", "none").copied == 0


def test_odd_messages_already_there(src, dst, run, user):
    """No header, no body, 8-bit, one octet, equal headers: all 96 are found again, without a record."""
    messages = corpus.odd_96()
    fill(src, user, {"INBOX": messages})
    fill(dst, user, {"INBOX": messages[::2]})
    report = copy(run, src.url(user), dst.url(user), "--state", "none")
    assert (report.copied, report.there) == (48, 48)
    assert both(src, dst, user) == []
    again = copy(run, src.url(user), dst.url(user), "--state", "none")
    assert (again.copied, again.there) == (0, 96)


def test_equal_headers_different_bodies(src, dst, run, user):
    """Headers and size agree; only the body knows that these are two messages."""
    first, other = corpus.same_header()
    assert first.size == other.size
    fill(src, user, {"INBOX": [first, other]})
    fill(dst, user, {"INBOX": [other]})
    report = copy(run, src.url(user), dst.url(user))
    assert report.copied == 1 and report.there_by_content == 1
    assert both(src, dst, user) == []


def test_one_of_each_with_equal_headers(src, dst, run, user):
    """One here, another there, headers and size equal: the header digest alone would lose one of them."""
    first, other = corpus.same_header()
    fill(src, user, {"INBOX": [first]})
    fill(dst, user, {"INBOX": [other]})
    copy(run, src.url(user), dst.url(user), "--match", "content")
    assert {sha for sha, _ in bodies(src, user)} < {sha for sha, _ in bodies(dst, user)}
    assert count(dst, user) == 2


def test_a_body_of_other_size(src, dst, run, user):
    base = note(1)
    longer = base.replaced(base.body + b"one line more\r\n")
    fill(src, user, {"INBOX": [base]})
    fill(dst, user, {"INBOX": [longer]})
    assert copy(run, src.url(user), dst.url(user)).copied == 1
    assert count(dst, user) == 2


def test_received_rewritten(src, dst, run, user):
    """What another server put on top of the header makes no new message of it, even where sizes differ."""
    messages = [corpus.message(i, 1500) for i in range(6)]
    fill(src, user, {"INBOX": messages})
    fill(dst, user, {"INBOX": [corpus.received_rewritten(m) for m in messages[:4]]})
    report = copy(run, src.url(user), dst.url(user))
    assert (report.copied, report.there_by_content) == (2, 4)
    assert count(dst, user) == 6


def test_rewritten_and_altered(src, dst, run, user):
    """The same, but the body differs too: then it is another message."""
    message = corpus.message(1, 1500)
    fill(src, user, {"INBOX": [message]})
    fill(dst, user, {"INBOX": [load.altered(corpus.received_rewritten(message))]})
    assert copy(run, src.url(user), dst.url(user)).copied == 1


def test_partly_filled_with_mail_of_its_own(src, dst, run, user):
    """Only what is missing comes, and what is the destination's own stays."""
    load.fill(src, user, [("INBOX", notes(40), True), ("Sent", notes(20, first=100), True)])
    load.fill(dst, user, [("INBOX", [*notes(25, first=10), *notes(7, first=900)], True), ("Own", notes(3, first=950), True)])
    report = copy(run, src.url(user), dst.url(user), "--state", "none")
    assert (report.copied, report.there) == (35, 25)
    assert both(src, dst, user, extra=False) == []
    assert sorted(subjects(dst, user)) == sorted([*range(1, 41), *range(900, 907)])
    assert count(dst, user, "Own") == 3
    assert copy(run, src.url(user), dst.url(user), "--state", "none").copied == 0


@pytest.mark.parametrize("how, copied", [("message-id", 2), ("header:Subject,From", 1), ("content", 3), ("auto", 3)])
def test_match(src, dst, run, user, how, copied):
    """1 is there; 2 with another body; 3 with another Message-ID and body but the same subject."""
    third = note(3)
    fill(src, user, {"INBOX": [note(1), note(2), third, note(4)]})
    fill(dst, user, {"INBOX": [note(1), note(2, body=b"something else\r\n"), note(33, subject="note 3")]})
    assert copy(run, src.url(user), dst.url(user), "--match", how, "--state", "none").copied == copied
    assert copy(run, src.url(user), dst.url(user), "--match", how, "--state", "none").copied == 0


def test_the_other_direction_adopts_by_record(src, dst, run, user):
    """A to B, then B to A: the record of the one serves the other."""
    messages = [corpus.no_message_id(i) for i in range(8)]
    fill(src, user, {"INBOX": messages, "Box": notes(5)})
    copy(run, src.url(user), dst.url(user))
    load.append_many(dst, user, "Box", notes(2, first=50))
    back = copy(run, dst.url(user), src.url(user))
    assert (back.copied, back.there_by_record, back.there_by_digest + back.there_by_content) == (2, 13, 0)
    assert both(src, dst, user) == []
    assert copy(run, src.url(user), dst.url(user)).copied == 0
    assert copy(run, dst.url(user), src.url(user)).copied == 0


def test_tombstones_hold_in_both_directions(src, dst, run, user):
    """Deleted at the destination: not copied again. From the destination's view the source has it, and nothing is to be done."""
    fill(src, user, {"INBOX": notes(5)})
    copy(run, src.url(user), dst.url(user))
    load.expunge(dst, user, "INBOX", "2")
    load.expunge(src, user, "INBOX", "4")
    assert copy(run, src.url(user), dst.url(user)).deleted_at_destination == 1
    back = copy(run, dst.url(user), src.url(user))
    assert (back.copied, back.deleted_at_destination) == (0, 1)
    assert subjects(src, user) == [1, 2, 3, 5] and subjects(dst, user) == [1, 3, 4, 5]


def test_into_a_mailbox_that_others_share(src, dst, run, user):
    """--merge into a mailbox that holds mail already: the same message in two mailboxes is two messages there."""
    fill(src, user, {"A": [note(1), note(2)], "B": [note(1), note(3)]})
    fill(dst, user, {"All": [note(9), note(1)]})
    for state in ([], [], ["--state", "none"]):
        copy(run, src.url(user), dst.url(user), "--into", "All", *state)
        assert sorted(subjects(dst, user, "All")) == [1, 1, 2, 3, 9]


@pytest.mark.others
@pytest.mark.parametrize("kind", ["cyrus", "courier"])
def test_adoption_on_other_servers(src, request, run, user, kind):
    server = request.getfixturevalue(kind)
    messages = [corpus.message(i, 1200) for i in range(20)] + corpus.identical(2) + [corpus.no_message_id(5)]
    fill(src, user, {"INBOX": messages})
    server.add_user(user)
    load.append_many(server, user, "INBOX", messages[:22:2])
    report = copy(run, src.url(user), server.url(user), "--state", "none")
    assert (report.copied, report.there) == (23 - 11, 11)
    assert both(src, server, user, parents=True) == []
    assert copy(run, src.url(user), server.url(user), "--state", "none").copied == 0


def test_maildir_destination(src, servers, run, user):
    maildir = servers(Dovecot, format="maildir", separator=".")
    messages = [corpus.message(i, 1200) for i in range(10)]
    fill(src, user, {"INBOX": messages})
    fill(maildir, user, {"INBOX": messages[3:]})
    assert copy(run, src.url(user), maildir.url(user), "--state", "none").copied == 3
    assert witness.diff(witness.read(src, user), witness.read(maildir, user)) == []
