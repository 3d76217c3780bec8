"""What imapsync 2.229 was seen to lose, double or hide (reference/imapsync.md §8), row by row: here none of it happens.

Rows 1 to 3 are its --delete2; `copy` has no such thing, so its --delete-source is tried, which is just as final.
"""
import pytest

from lab import corpus, load, witness
from lab.faulty import end_of

DELETE = ("--delete-source", "--yes", "--max-delete", "100%")
REFUSED = {"do": "reply", "text": "NO there is trouble", "times": -1}


@pytest.fixture
def copy(src, dst, user, run, proxy):
    """copy(*args, src=rules, dst=rules, hide=…): a run through proxies that stay the same."""
    dst.add_user(user)
    before, behind = proxy(src, log=True), proxy(dst, log=True)

    def go(*args, src=(), dst=(), hide=()):
        before.set_rules(list(src), hide=list(hide), log=True)
        behind.set_rules(list(dst), hide=list(hide), log=True)
        return run("copy", before.url(user), behind.url(user), "--json", "--settle", "200ms", "--retries", "2", *args)
    return go


def three(src, user, mailbox="INBOX", first=1):
    load.fill(src, user, [(mailbox, [corpus.message(i, seed=mailbox) for i in range(first, first + 3)], True)])


def count(server, user, mailbox="INBOX"):
    return len(witness.read(server, user).mailboxes.get(mailbox, ()))


def failed(result):
    assert result.code not in (0, 1) and end_of(result).get("verdict") != "complete" and result.err, result


def test_row_1_and_5_source_search_answers_no(copy, src, dst, user):
    three(src, user)
    assert copy().code == 0
    load.append_many(src, user, "INBOX", [corpus.message(9)])
    failed(copy(*DELETE, src=[dict(REFUSED, on="UID SEARCH"), dict(REFUSED, on="SEARCH")]))
    assert (count(src, user), count(dst, user)) == (4, 3)
    failed(copy("--search", "ALL", "--recopy", *DELETE, src=[dict(REFUSED, on="UID SEARCH")]))
    assert (count(src, user), count(dst, user)) == (4, 3)


def test_row_1_search_answers_nothing(copy, src, dst, user, proxy, run):
    """Nor is a SEARCH that says OK and shows nothing taken for an empty mailbox: neither side's messages are called gone."""
    three(src, user)
    lying = proxy(src, log=True), proxy(dst, log=True)
    dst.add_user(user)
    ask = ("copy", lying[0].url(user), lying[1].url(user), "--json")
    assert run(*ask).code == 0
    load.append_many(src, user, "INBOX", [corpus.message(9)])
    for one in lying:
        one.set_rules([], drop=[r"^\* (E?SEARCH)"], log=True)
    result = run(*ask)
    assert count(dst, user) == 4 or result.code not in (0, 1), result
    for one in lying:
        one.set_rules([], drop=[], log=True)
    assert run(*ask).code == 0 and witness.diff(witness.read(src, user), witness.read(dst, user)) == []


def test_row_2_source_header_fetch_answers_no(copy, src, dst, user):
    three(src, user)
    load.append_many(dst, user, "INBOX", [corpus.message(i, seed="INBOX") for i in (1, 2)])
    failed(copy(*DELETE, src=[dict(REFUSED, on="UID FETCH", match="HEADER")]))
    failed(copy(*DELETE, src=[dict(REFUSED, on="UID FETCH")]))
    assert (count(src, user), count(dst, user)) == (3, 2)
    assert copy().code == 0 and count(dst, user) == 3


def test_row_3_source_list_answers_no(copy, src, dst, user):
    three(src, user, "Box")
    assert copy().code == 0
    failed(copy(*DELETE, src=[dict(REFUSED, on="LIST")]))
    failed(copy(*DELETE, dst=[dict(REFUSED, on="LIST")]))
    assert (count(src, user, "Box"), count(dst, user, "Box")) == (3, 3)


def test_row_4_destination_recreated(copy, src, dst, user):
    three(src, user, "Box")
    assert copy().code == 0
    load.delete_mailbox(dst, user, "Box")
    load.append_many(dst, user, "Box", [], create=True)
    result = copy(*DELETE)
    assert result.code == 0 and end_of(result)["copied"] == 3 and count(dst, user, "Box") == 3, result
    assert count(src, user, "Box") == 0     # only because they are at the destination again


def test_row_6_append_answer_lost(copy, src, dst, user):
    three(src, user)
    assert copy(dst=[{"on": "APPEND", "do": "swallow"}]).code == 0
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []


def test_row_7_header_fetch_fails_and_nothing_is_doubled(copy, src, dst, user):
    load.fill(src, user, [("INBOX", [corpus.no_header(), corpus.no_body(), corpus.one_octet()], True)])
    load.append_many(dst, user, "INBOX", [corpus.no_header(), corpus.no_body(), corpus.one_octet()])
    for side in ("src", "dst"):
        failed(copy(**{side: [dict(REFUSED, on="UID FETCH")]}))
        assert count(dst, user) == 3
    result = copy()
    assert result.code == 0 and end_of(result)["copied"] == 0 and count(dst, user) == 3, result


def test_row_8_headerless_of_two_mailboxes_into_one(copy, src, dst, user):
    head = corpus.no_header()
    load.fill(src, user, [("A", [head], True), ("B", [head.replaced(b"\r\nAnother body.\r\n")], True), ("C", [head], True)])
    result = copy("--into", "All", "--merge")
    assert result.code == 0 and count(dst, user, "All") == 3, result
    assert end_of(copy("--into", "All", "--merge"))["copied"] == 0 and count(dst, user, "All") == 3


def test_row_9_equal_headers_other_bodies(copy, src, dst, user):
    load.fill(src, user, [("INBOX", [*corpus.same_header(), *corpus.same_header(2)], True)])
    assert copy().code == 0 and witness.diff(witness.read(src, user), witness.read(dst, user)) == []
    assert copy("--state", "none").code == 0 and count(dst, user) == 4


def test_row_9_rewritten_received_is_no_other_message(copy, src, dst, user):
    messages = [corpus.message(i) for i in range(3)]
    load.fill(src, user, [("INBOX", messages, True)])
    load.append_many(dst, user, "INBOX", [corpus.received_rewritten(msg) for msg in messages])
    assert copy().code == 0 and count(dst, user) == 3


def test_row_10_headerless_is_copied(copy, src, dst, user):
    load.fill(src, user, [("INBOX", [corpus.no_header(), corpus.one_octet()], True)])
    result = copy()
    assert result.code == 0 and end_of(result)["copied"] == 2 and count(dst, user) == 2


def test_row_11_deleted_at_the_source_is_not_destroyed(copy, src, dst, user):
    messages = [corpus.message(i, flags=["\\Deleted"] if i == 1 else []) for i in range(3)]
    load.fill(src, user, [("INBOX", messages, True)])
    failed(copy(*DELETE, dst=[{"on": "APPEND", "do": "reply", "text": "NO [OVERQUOTA] full", "times": -1}]))
    assert count(src, user) == 3
    assert copy("--skip-deleted", *DELETE).code == 0
    assert (count(src, user), count(dst, user)) == (1, 2)   # it was not selected: it stays


def test_row_12_what_is_left_out_is_said(copy, src, dst, user):
    load.fill(src, user, [("INBOX", [corpus.message(1), corpus.message(2, size=20_000)], True)])
    result = copy("--max-size", "10k")
    assert end_of(result)["copied"] == 1 and end_of(result)["skipped"]["size"] == 1, result
    failed(copy("--pipe", "exit 1"))
    assert count(dst, user) == 1


def test_row_13_source_lost_in_the_midst(copy, src, user, run, proxy, dst):
    for number, name in enumerate(("A", "B", "C")):
        three(src, user, name, number * 10)
    dst.add_user(user)
    dying = proxy(src, rules=[{"on": "UID FETCH", "nth": 3, "do": "cut-before"}], refuse_after=True)
    result = run("copy", dying.url(user), dst.url(user), "--json", "--retries", "1", "-j", "1")
    failed(result)
    assert result.code == 4 and end_of(result)["mailboxes_failed"] >= 2, result
    dying.allow()
    assert run("copy", dying.url(user), dst.url(user), "--json").code == 0
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []


def test_row_14_flags_of_the_destination_stay(copy, src, dst, user):
    three(src, user)
    assert copy().code == 0
    load.store(dst, user, "INBOX", "1:3", "+", ["\\Seen", "$Work"])
    load.store(src, user, "INBOX", "1", "+", ["\\Flagged"])
    assert copy().code == 0
    flags = [msg.flags for msg in witness.read(dst, user).mailboxes["INBOX"]]
    assert all({"\\seen", "$Work"} <= one for one in flags) and "\\flagged" in flags[0], flags


def test_row_15_all_conditions_hold_together(copy, src, dst, user):
    messages = [corpus.message(i, date="%02d-Jan-%d 12:00:00 +0000" % (i + 1, 2010 + 10 * (i % 2))) for i in range(6)]
    load.fill(src, user, [("INBOX", messages, True)])
    assert copy("--search", "ALL", "--since", "01-Jan-2015").code == 0
    assert count(dst, user) == 3


def test_row_16_duplicates_of_the_source_go_too(copy, src, dst, user):
    load.fill(src, user, [("INBOX", [*corpus.identical(3), corpus.message(1)], True)])
    assert copy(*DELETE).code == 0
    assert (count(src, user), count(dst, user)) == (0, 4)
