"""Every option family of `copy` against real servers: which mailboxes, which messages, names, flags, content, the run."""
import contextlib
import json
import re
import sqlite3
import time

import pytest

from copying import both, copy, count, fill, flags_of, mirror, note, notes, subjects
from lab import corpus, load, syntax, witness
from lab.dovecot import Dovecot
from lab.server import PASSWORD

DAY = 86400


def names(server, user):
    return set(witness.read(server, user).mailboxes) - {"INBOX"}


# Which mailboxes.

TREE = ("Archive", "Archive/2022", "Archive/2023", "Archive/2023/Q1", "Lists/a", "Lists/b", "Küche", "Trash")


@pytest.fixture(scope="module")
def tree(src):
    load.fill(src, "tree", [(name, [note(i)], name not in ("Trash", "Lists/b")) for i, name in enumerate(TREE, 1)])
    return "tree"


@pytest.mark.parametrize("options, expected", [
    (["-m", "Archive"], "Archive"),
    (["-m", "Archive/**"], "Archive Archive/2022 Archive/2023 Archive/2023/Q1"),
    (["-m", "Archive/*"], "Archive/2022 Archive/2023"),
    (["-m", "Archive/2022", "-m", "K?che"], "Archive/2022 Küche"),
    (["--include-regex", "^L.*/b$"], "Lists/b"),
    (["-m", "Trash", "--include-regex", "/a$"], "Trash Lists/a"),
    (["-x", "Archive/**"], "Lists/a Lists/b Küche Trash"),
    (["-x", "Archive/2023", "-m", "Archive/**"], "Archive Archive/2022 Archive/2023/Q1"),
    (["--exclude-regex", "(?i)^(archive|lists)"], "Küche Trash"),
    (["--subscribed"], "Archive Archive/2022 Archive/2023 Archive/2023/Q1 Lists/a Küche"),
    (["--subscribed", "-m", "Lists/**"], "Lists/a"),
    (["-m", "Nothing*"], ""),
], ids=" ".join)
def test_which_mailboxes(src, dst, tree, run, user, options, expected):
    report = copy(run, src.url(tree), dst.url(user), *options)
    assert set(report.mailboxes) - {"INBOX"} == set(expected.split())
    assert {name for name, messages in witness.read(dst, user).mailboxes.items() if messages} == set(expected.split())


@pytest.mark.parametrize("options", [["--include-regex", "("], ["--exclude-regex", "[a-"], ["--uid", "x"],
                                     ["--since", "yesterday-ish"], ["--larger", "big"], ["--match", "guess"],
                                     ["--rename", "s/a"], ["--search", "FROM x\r\nA1 DELETE INBOX"],
                                     ["--max-delete", "x"], ["--map", "/nonexistent"], ["--skip-ids", "/nonexistent"], ["--add-flags", "a(b"]], ids=" ".join)
def test_usage_errors_touch_nothing(src, dst, tree, run, user, options):
    result = run("copy", src.url(tree), dst.url(user), *options, check=2)
    assert options[0] in result.err
    assert names(dst, user) == set()


# Which messages.

NOW = int(time.time())
MIX = [note(1, date="01-Jan-2020 00:00:00 +0000", sent="Wed, 01 Jan 2020 00:00:00 +0000", flags=("\\Seen",)),
       note(2, date="10-Jun-2021 12:00:00 +0000", sent="Thu, 09 Jun 2022 12:00:00 +0000", flags=("\\Flagged", "\\Seen")),
       note(3, date="15-Mar-2023 23:30:00 +0000", sent="Wed, 15 Mar 2023 23:30:00 +0000", flags=("work",), size=5000),
       note(4, date="16-Mar-2023 00:30:00 +0000", sent="Thu, 16 Mar 2023 00:30:00 +0000", flags=("\\Deleted",), size=2000),
       note(5, date=syntax.internaldate(NOW - 2 * DAY), sent="Sat, 20 May 2023 00:00:00 +0000", flags=("\\Deleted", "\\Seen")),
       note(6, subject="find me", date="01-Feb-2024 00:00:00 +0000", flags=("\\Answered", "work"), size=1000)]


@pytest.fixture(scope="module")
def mix(src):
    fill(src, "mix", {"INBOX": MIX})
    return "mix"


SEARCHES = [
    ("--since 2023-03-16", {4, 5, 6}, {"date"}),
    ("--since 16-Mar-2023", {4, 5, 6}, {"date"}),
    ("--before 16-Mar-2023", {1, 2, 3}, {"date"}),
    ("--since 5d", {5}, {"date"}),
    ("--since 2021-01-01 --before 2023-03-16", {2, 3}, {"date"}),
    ("--sent-since 2022-06-09 --sent-before 2023-03-16", {2, 3}, {"search"}),
    ("--sent-since 2024-01-02", set(), {"search"}),
    ("--seen", {1, 2, 5}, {"flag"}),
    ("--unseen", {3, 4, 6}, {"flag"}),
    ("--flag \\Flagged", {2}, {"flag"}),
    ("--flag work", {3, 6}, {"flag"}),
    ("--flag work --flag \\Answered", {6}, {"flag"}),
    ("--no-flag work", {1, 2, 4, 5}, {"flag"}),
    ("--no-flag work --no-flag \\Seen", {4}, {"flag"}),
    ("--skip-deleted", {1, 2, 3, 6}, {"deleted"}),
    ("--larger 1500", {3, 4}, {"size"}),
    ("--smaller 1k", {1, 2, 5}, {"size"}),
    ("--larger 1500 --smaller 4k", {4}, {"size"}),
    ("--max-size 1KiB", {1, 2, 5, 6}, {"size"}),
    ("--uid 2:3,6", {2, 3, 6}, {"uid"}),
    ("--uid 5:*", {5, 6}, {"uid"}),
    ("--limit 2", {1, 2}, {"limit"}),
    ("--limit 2 --newest-first", {5, 6}, {"limit"}),
    ("--limit 2 --unseen", {3, 4}, {"limit", "flag"}),
    ("--since 2023-01-01 --unseen --skip-deleted --larger 4k", {3}, {"date", "flag", "deleted", "size"}),
]


@pytest.mark.parametrize("options, expected, reasons", SEARCHES, ids=[s[0] for s in SEARCHES])
def test_which_messages(src, dst, mix, run, user, options, expected, reasons):
    report = copy(run, src.url(mix), dst.url(user), *options.split(" "))
    assert set(subjects(dst, user)) == expected
    assert report.copied == len(expected) and report.found == 6
    assert set(report.skipped) <= reasons and sum(report.skipped.values()) == 6 - len(expected)


def test_search_expressions(src, dst, mix, run, user):
    assert copy(run, src.url(mix), dst.url(user), "--search", 'SUBJECT "find me"').copied == 1
    assert subjects(dst, user) == [6]
    assert copy(run, src.url(mix), dst.url(user), "--search", "OR SEEN FLAGGED", "--skip-deleted").copied == 2
    assert subjects(dst, user) == [6, 1, 2]
    copy(run, src.url(mix), dst.url(user), "--search", "NOSUCHKEY", code=3)
    assert subjects(dst, user) == [6, 1, 2]


def test_other_options_look_again(src, dst, mix, run, user):
    """What one selection reconciled is no excuse under another one."""
    assert copy(run, src.url(mix), dst.url(user), "--seen").copied == 3
    assert copy(run, src.url(mix), dst.url(user), "--seen").copied == 0
    assert copy(run, src.url(mix), dst.url(user), "--limit", "4").copied == 2
    assert copy(run, src.url(mix), dst.url(user)).copied == 1
    assert sorted(subjects(dst, user)) == [1, 2, 3, 4, 5, 6]


def test_skip_ids(src, dst, run, user, tmp_path):
    """What the list names is left out, wherever mail comes from, and is no less safe for that where it is."""
    named = [note(2), note(2), note(5, extra=b"Message-Id: <other@example.org>\r\n"), note(8, flags=("\\Deleted",))]
    folded = corpus.Message(b"Subject: folded\r\nMessage-ID:\r\n <note.9@example.org>\r\n\r\nx\r\n")
    others = [note(1), note(3, flags=("\\Deleted",)), note(4), corpus.Message(b"Subject: none\r\n\r\n<note.2@example.org>\r\n")]
    fill(src, user, {"INBOX": named + others + [folded]})
    ids = tmp_path / "ids"
    ids.write_text("# seen already\r\n<note.2@example.org>\r\n\r\nnote.5@example.org\n <note.8@example.org>\n<note.9@example.org>")
    skip = ("--skip-ids", str(ids))
    report = copy(run, src.url(user), dst.url(user), *skip)
    assert (report.copied, report.skipped) == (4, {"id": 5})
    assert copy(run, src.url(user), dst.url(user), *skip).skipped
    for kind in ("maildir", "mbox", "eml"):
        place = "%s:%s/%s" % (kind, tmp_path, kind)
        copy(run, src.url(user), place)
        report = copy(run, place, dst.url(user), *skip, "--into", kind, "--limit", "3")
        assert (report.copied, report.skipped) == (3, {"id": 5, "limit": 1}), kind
    # A mirror leaves them alone at the destination too; a list that is another is another choice.
    load.append_many(dst, user, "INBOX", [note(8), note(77)])
    report = mirror(run, src.url(user), dst.url(user), *skip, "--max-delete", "100%")
    assert (report.copied, report.deleted_extra) == (0, 1) and 8 in subjects(dst, user)
    ids.write_text("<note.9@example.org>\n")
    assert copy(run, src.url(user), dst.url(user), *skip).copied == 3
    # The other commands that read messages.
    assert run("search", src.url(user), "undeleted", *skip, check=0).out.splitlines()[-1] == "6 found"
    ids.write_text("<note.8@example.org>\n")
    run("trash", src.url(user), *skip, check=0)
    assert subjects(src, user, "Trash") == [3] and 8 in subjects(src, user)
    run("purge", src.url(user), "-m", "INBOX", "--yes", "--max-delete", "100%", *skip, check=0)
    assert subjects(src, user) == [8]


def test_skip_ids_that_cannot_be_read(src, dst, run, user, proxy, tmp_path):
    """Whether such a message is meant is not known: it is neither copied nor deleted, and nothing is called complete."""
    fill(src, user, {"INBOX": notes(4)})
    ids = tmp_path / "ids"
    ids.write_text("<note.4@example.org>\n")
    door = proxy(src, drop=[r"^\* 2 FETCH .*HEADER\.FIELDS \(MESSAGE-ID\)"])
    report = copy(run, door.url(user), dst.url(user), "--skip-ids", ids, code=3)
    assert (report.copied, report.unknown, report.skipped) == (2, 1, {"id": 1})
    run("purge", door.url(user), "-m", "INBOX", "--yes", "--max-delete", "100%", "--skip-ids", ids, check=3)
    assert 2 in subjects(src, user) and 4 in subjects(src, user)
    assert copy(run, src.url(user), dst.url(user), "--skip-ids", ids).skipped == {"id": 1}


def test_newest_first_begins_with_the_newest(src, dst, run, user):
    """In portions of a megabyte, each from the oldest to the newest."""
    fill(src, user, {"INBOX": notes(30, size=120_000)})
    copy(run, src.url(user), dst.url(user), "--newest-first", "-j1")
    order = subjects(dst, user)
    assert min(order[:5]) > 15 and max(order[-3:]) < 10


def test_keep_order(src, dst, run, user):
    fill(src, user, {"INBOX": notes(300)})
    copy(run, src.url(user), dst.url(user), "--keep-order", "-j", "4")
    assert subjects(dst, user) == list(range(1, 301))


# Names.

def renamed(src, dst, tree, run, user, *options, source="", target="", **kwargs):
    report = copy(run, src.url(tree).replace("?", source + "?"), dst.url(user).replace("?", target + "?"), *options, **kwargs)
    return report, {name for name, messages in witness.read(dst, user).mailboxes.items() if messages}


RENAMES = [
    (["--rename", "s/^Archive/Old/"], {"Old", "Old/2022", "Old/2023", "Old/2023/Q1", "Lists/a", "Lists/b", "Küche", "Trash"}),
    (["--rename", "s/a/b/g", "--rename", "s/b$/c/", "-m", "Lists/*", "--merge"], {"Lists/c"}),
    (["--rename", "s|^(.*)/(.*)$|$2/$1|", "-m", "Lists/*"], {"a/Lists", "b/Lists"}),
    (["--strip-prefix", "Archive", "-m", "Archive/**"], {"Archive", "2022", "2023", "2023/Q1"}),
    (["--root", "Old/Mail", "-m", "K*"], {"Old/Mail/Küche"}),
    (["--into", "All/In one"], {"All/In one"}),
    (["--strip-prefix", "Lists", "--root", "X", "-m", "Lists/*"], {"X/a", "X/b"}),
]


@pytest.mark.parametrize("options, expected", RENAMES, ids=[" ".join(r[0]) for r in RENAMES])
def test_names(src, dst, tree, run, user, options, expected):
    report, there = renamed(src, dst, tree, run, user, *options)
    assert there == expected
    assert sum(len(m) for m in witness.read(dst, user).mailboxes.values()) == report.found == report.copied
    again, same = renamed(src, dst, tree, run, user, *options)
    assert again.copied == 0 and same == expected


LOCATIONS = [
    ("/Archive", "", {"Archive", "Archive/2022", "Archive/2023", "Archive/2023/Q1"}),
    ("/Archive/2023", "/Old", {"Old", "Old/Q1"}),
    ("", "/Old", {"Old/" + name for name in TREE}),
    ("/K%C3%BCche", "/Neue%20K%C3%BCche", {"Neue Küche"}),
]


@pytest.mark.parametrize("source, target, expected", LOCATIONS, ids=["%s to %s" % row[:2] for row in LOCATIONS])
def test_a_mailbox_in_the_location(src, dst, tree, run, user, source, target, expected):
    _, there = renamed(src, dst, tree, run, user, source=source, target=target)
    assert there == expected


def test_map_file(src, dst, tree, run, user):
    path = run.home / "map"
    path.write_text("# a comment\nArchive/**: Old/Archive\n\"Lists/a\" : Lists/b-und-a\nKüche:  Kitchen \nTrash: INBOX/Bin\n")
    _, there = renamed(src, dst, tree, run, user, "--map", path)
    assert there == {"Old/Archive", "Old/Archive/2022", "Old/Archive/2023", "Old/Archive/2023/Q1", "Lists/b-und-a", "Lists/b",
                     "Kitchen", "INBOX/Bin"}


def test_a_name_that_is_not_there(src, dst, tree, run, user):
    """A slip of the keyboard is not "nothing to do": the rest is done, and the run is not complete."""
    report = copy(run, src.url(tree), dst.url(user), "-m", "Kuche", "-m", "Lists/*", "-m", "None*", code=3)
    assert report.copied == 2 and "Kuche: there is no such mailbox" in report.result.err
    for command in (("copy", src.url(tree).replace("?", "/Kuche?"), dst.url(user)), ("size", "-m", "Kuche", src.url(tree)),
                    ("search", "-m", "Kuche", src.url(tree)), ("mirror", "--yes", "-m", "Kuche", src.url(tree), dst.url(user)),
                    ("compare", "-m", "Kuche", "-m", "Lists/*", src.url(tree), dst.url(user))):
        assert "Kuche: there is no such mailbox" in run(*command, check=3).err
    copy(run, src.url(tree), dst.url(user), "-m", "None*")
    run("mirror", "--yes", "--delete-mailboxes", "-m", "Kuche", src.url(tree), dst.url(user), check=0)


def test_two_sources_onto_one_target(src, dst, tree, run, user):
    options = ["--rename", "s|Lists/.*|L|"]
    result = run("copy", src.url(tree), dst.url(user), *options, check=2)
    assert "Lists/a" in result.err and "Lists/b" in result.err and "--merge" in result.err
    assert names(dst, user) == set()
    renamed(src, dst, tree, run, user, *options, "--merge")
    assert sorted(subjects(dst, user, "L")) == [5, 6]


@pytest.mark.parametrize("jobs", ["1", "4"])
@pytest.mark.parametrize("state", [[], ["--state", "none"]], ids=["state", "no state"])
def test_merging_loses_and_doubles_nothing(src, dst, run, user, jobs, state):
    """The same message in three mailboxes is three messages, also in one mailbox; and stays three."""
    same = note(1)
    fill(src, user, {"A": [same, note(2)], "B": [same, note(3)], "C": [same, same, note(4)]})
    report = copy(run, src.url(user), dst.url(user), "--into", "All", "-j", jobs, *state)
    assert sorted(subjects(dst, user, "All")) == [1, 1, 1, 1, 2, 3, 4]
    assert report.copied == 7
    for _ in range(2):
        assert copy(run, src.url(user), dst.url(user), "--into", "All", "-j", jobs, *state).copied == 0
    assert sorted(subjects(dst, user, "All")) == [1, 1, 1, 1, 2, 3, 4]


def test_automap(src, dst, run, user):
    fill(src, user, {"Gesendete Objekte": [note(1)], "Papierkorb": [note(2)], "Papierkorb/2022": [note(3)], "Other": [note(4)]})
    load.fill(dst, user, [("Sent", [], True), ("Trash", [], True)])
    copy(run, src.url(user), dst.url(user), "--automap")
    target = witness.read(dst, user).mailboxes
    assert {name for name in target if target[name]} == {"Sent", "Trash", "Trash/2022", "Other"}


def test_special_use_subscriptions_and_parents(src, dst, servers, run, user):
    """\\NoSelect parents are made only where somebody needs them; special use and subscriptions go along."""
    maildir = servers(Dovecot, format="maildir", separator=".")
    load.fill(src, user, [("Sent", [note(1)], True), ("above/below/deep", [note(2)], False), ("Empty", [], True)])
    before = witness.read(src, user)
    for server in (dst, maildir):
        report = copy(run, src.url(user), server.url(user))
        target = witness.read(server, user)
        assert witness.diff(before, target, special_use=True) == []
        assert target.subscribed == {"Sent", "Empty"}
        assert "above" not in report.mailboxes
    assert witness.read(src, user) == before


def test_no_subscribe_and_no_empty(src, dst, run, user):
    load.fill(src, user, [("A", [note(1)], True), ("Empty", [], True)])
    copy(run, src.url(user), dst.url(user), "--no-subscribe", "--no-empty")
    target = witness.read(dst, user)
    assert target.subscribed == set() and set(target.mailboxes) == {"INBOX", "A"}


# Flags.

def test_flag_options(src, dst, run, user):
    fill(src, user, {"INBOX": [note(1, flags=("\\Seen", "work", "\\Deleted")), note(2, flags=("\\Flagged", "home"))]})
    copy(run, src.url(user), dst.url(user), "--add-flags", "\\Seen moved", "--remove-flags", "\\Flagged", "--no-keywords")
    assert flags_of(dst, user) == {1: {"\\Seen", "\\Deleted", "moved"}, 2: {"\\Seen", "moved"}}
    assert copy(run, src.url(user), dst.url(user), "--add-flags", "\\Seen moved", "--remove-flags", "\\Flagged",
                "--no-keywords").flags_changed == 0


# The three-way table. A flag was there (1) or not (0) at the copy; then each side may have changed it.
#   base, source now, destination now -> what merge leaves there
MERGE = {(0, 0, 0): 0, (0, 0, 1): 1, (0, 1, 0): 1, (0, 1, 1): 1, (1, 1, 1): 1, (1, 1, 0): 0, (1, 0, 1): 0, (1, 0, 0): 0}


@pytest.mark.parametrize("how", ["merge", "source", "keep"])
@pytest.mark.parametrize("flag", ["\\Flagged", "work"])
def test_flags_on_update(src, dst, run, user, how, flag):
    """All eight cases at once, each a message of its own, edited live on both sides."""
    cases = sorted(MERGE)
    fill(src, user, {"INBOX": [note(i, flags=(flag, "\\Seen") if base else ("\\Seen",))
                               for i, (base, _, _) in enumerate(cases, 1)]})
    copy(run, src.url(user), dst.url(user))
    for uid, (base, now, there) in enumerate(cases, 1):
        for server, value in ((src, now), (dst, there)):
            if value != base:
                load.store(server, user, "INBOX", str(uid), "+" if value else "-", [flag])
    options = [] if how == "merge" else ["--flags-on-update=" + how]
    before = flags_of(src, user)
    report = copy(run, src.url(user), dst.url(user), *options)
    assert flags_of(src, user) == before
    expected = {uid: MERGE[case] if how == "merge" else case[1] if how == "source" else case[2]
                for uid, case in enumerate(cases, 1)}
    assert {uid: int(flag in flags) for uid, flags in flags_of(dst, user).items()} == expected
    assert all("\\Seen" in flags for flags in flags_of(dst, user).values())
    assert report.flags_changed == sum(expected[uid] != case[2] for uid, case in enumerate(cases, 1))
    assert copy(run, src.url(user), dst.url(user), *options).flags_changed == 0
    assert {uid: int(flag in flags) for uid, flags in flags_of(dst, user).items()} == expected


def test_flags_of_adopted_messages(src, dst, run, user):
    """Without a record: union, and never \\Deleted."""
    fill(src, user, {"INBOX": [note(1, flags=("\\Seen", "work", "\\Deleted"))]})
    fill(dst, user, {"INBOX": [note(1, flags=("\\Flagged",))]})
    report = copy(run, src.url(user), dst.url(user))
    assert (report.copied, report.there_by_digest, report.flags_changed) == (0, 1, 1)
    assert flags_of(dst, user) == {1: {"\\Seen", "work", "\\Flagged"}}


# Deleting at the source.

def delete(run, src, dst, user, *options, code=0, **kwargs):
    report = copy(run, src.url(user), dst.url(user), "--delete-source", *options, code=code, **kwargs)
    return report, subjects(src, user), subjects(dst, user)


def test_delete_source_asks(src, dst, run, user):
    fill(src, user, {"INBOX": notes(60)})
    report, left, there = delete(run, src, dst, user, "--uid", "1:5", code=6)
    assert len(left) == 60 and len(there) == 5 and report.deleted_at_source == 0
    report, left, there = delete(run, src, dst, user, "--uid", "1:5", "--yes")
    assert left == list(range(6, 61)) and there == [1, 2, 3, 4, 5] and report.deleted_at_source == 5


@pytest.mark.parametrize("total, going, options, allowed", [
    (60, 10, [], True),           # the first 10 are free in a mailbox …
    (40, 21, [], False),          # more than 25 % beyond them
    (100, 11, [], False),         # 10 % of the account
    (8, 8, [], False),            # the last one
    (1, 1, [], False),
    (8, 7, [], True),
    (8, 8, ["--max-delete", "100%"], True),
    (8, 8, ["--max-delete", "8"], True),
    (8, 8, ["--max-delete", "7"], False),
    (100, 20, ["--max-delete", "20%"], True),
    (100, 21, ["--max-delete", "20%"], False),
])
def test_the_brake(src, dst, run, user, total, going, options, allowed):
    fill(src, user, {"INBOX": notes(total)})
    report, left, there = delete(run, src, dst, user, "--uid", "1:%d" % going, "--yes", *options, code=0 if allowed else 6)
    assert there == list(range(1, going + 1))
    assert left == list(range(going + 1 if allowed else 1, total + 1))
    assert report.deleted_at_source == (going if allowed else 0)


def test_delete_only_what_is_there(src, run, user):
    """A refused message stays; one that the destination's owner deleted stays too."""
    from lab.hostile import Fake
    fill(src, user, {"INBOX": notes(6)})
    with Fake({"INBOX": []}) as fake:
        fake.on(r"^APPEND", lambda s: s.no("not this one") if any(b"note 3\r\n" in x for x in s.literals) else s.default())
        report = copy(run, src.url(user), fake.url(user), "--delete-source", "--yes", "--max-delete", "100%", code=3)
        assert subjects(src, user) == [3]
        assert report.deleted_at_source == 5 and len(fake.messages()) == 5


def test_delete_not_what_was_deleted_there(src, dst, run, user):
    fill(src, user, {"INBOX": notes(6)})
    copy(run, src.url(user), dst.url(user))
    load.expunge(dst, user, "INBOX", "2")
    report, left, there = delete(run, src, dst, user, "--yes", "--max-delete", "100%")
    assert left == [2] and there == [1, 3, 4, 5, 6] and report.deleted_at_source == 5


def test_no_expunge_and_foreign_marks(src, dst, run, user):
    """--no-expunge marks; what others marked is never expunged along."""
    fill(src, user, {"INBOX": [note(1), note(2, flags=("\\Deleted",)), *notes(8, first=3)]})
    delete(run, src, dst, user, "--uid", "1", "--yes", "--no-expunge")
    assert {n for n, flags in flags_of(src, user).items() if "\\Deleted" in flags} == {1, 2}
    _, left, _ = delete(run, src, dst, user, "--uid", "3", "--yes")
    assert left == [1, 2, 4, 5, 6, 7, 8, 9, 10]


NO_UIDPLUS = "IMAP4rev1 LITERAL+ SASL-IR NAMESPACE UNSELECT MULTIAPPEND CHILDREN"


def test_delete_source_without_uidplus(servers, dst, run, user):
    old = servers(Dovecot, capabilities=NO_UIDPLUS)
    fill(old, user, {"INBOX": [*notes(9), note(10, flags=("\\Deleted",))]})
    report, left, there = delete(run, old, dst, user, "--uid", "1:2", "--yes", code=6)
    assert len(left) == 10 and len(there) == 2 and report.deleted_at_source == 0
    assert "\\Deleted" not in flags_of(old, user)[1]
    _, left, _ = delete(run, old, dst, user, "--uid", "1:2", "--yes", "--expunge-all")
    assert left == [3, 4, 5, 6, 7, 8, 9]


def test_headers_only_never_deletes_bodies(src, dst, run, user):
    fill(src, user, {"INBOX": notes(5)})
    run("copy", src.url(user), dst.url(user), "--headers-only", "--delete-source", "--yes", "--max-delete=100%", check=2)
    assert count(src, user) == 5


# Content.

def raw_bodies(server, user, mailbox="INBOX"):
    client = witness.Client(server, user)
    try:
        client.examine(client.raw(mailbox))
        found = client.ask("UID FETCH", b"1:*", b"(UID BODY.PEEK[])").get("FETCH", [])
        return [syntax.pairs(items)[b"BODY[]"] for _, items in found]
    finally:
        client.logout()


@pytest.mark.parametrize("options, change", [
    (["--headers-only"], lambda body: body[:body.index(b"\r\n\r\n") + 4]),
    (["--wrap-lines=100"], lambda body: re.sub(rb"(x{100})(?!\r\n)", rb"\1\r\n", body)),
    (["--pipe", "tr a-z A-Z"], bytes.upper),
    (["--pipe", "cat; printf 'X-end: 1\\r\\n'"], lambda body: body + b"X-end: 1\r\n"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_content_options(src, dst, run, user, options, change):
    messages = [note(1), note(2, body=b"x" * 350 + b"\r\n"), corpus.no_body()]
    fill(src, user, {"INBOX": messages})
    report = copy(run, src.url(user), dst.url(user), *options)
    assert raw_bodies(dst, user) == [change(m.body) for m in messages]
    assert report.copied == 3 and report.altered <= 3
    assert copy(run, src.url(user), dst.url(user), *options).copied == 0
    assert count(dst, user) == 3


def test_fix_eol(src, dst, run, user):
    fill(src, user, {"INBOX": [note(1), *corpus.bare_line_ends()]})
    report = copy(run, src.url(user), dst.url(user), "--fix-eol")
    for body in raw_bodies(dst, user):
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", body)
    assert report.copied == 3
    assert copy(run, src.url(user), dst.url(user), "--fix-eol").copied == 0


READ = "mail=$(cat; echo .); case \"$mail\" in *'note 2'*) %s;; esac; printf %%s \"${mail%%.}\""


@pytest.mark.parametrize("command", [READ % "exit 3", READ % "kill -9 $$", READ % "cat /dev/zero | head -c 100000; exit 1"])
def test_a_failing_pipe_loses_only_its_message(src, dst, run, user, command):
    fill(src, user, {"INBOX": notes(4)})
    report = copy(run, src.url(user), dst.url(user), "--pipe", command, code=3)
    assert report.failed == 1 and report.copied == 3 and count(dst, user) == 3
    assert [(box, uid) for box, uid, _ in report.found_out("failed")] == [("INBOX", 2)]


def test_pipe_that_reads_nothing(src, dst, run, user):
    fill(src, user, {"INBOX": notes(2, size=300_000)})
    report = copy(run, src.url(user), dst.url(user), "--pipe", "printf 'Subject: replaced\\r\\n\\r\\n'")
    assert report.copied == 2
    assert raw_bodies(dst, user) == [b"Subject: replaced\r\n\r\n"] * 2


# The run.

def test_dry_run_changes_nothing_at_all(src, dst, run, user):
    load.fill(src, user, [("INBOX", notes(5), True), ("New", notes(3), True)])
    copy(run, src.url(user), dst.url(user), "-m", "INBOX")
    load.append_many(src, user, "INBOX", notes(2, first=6))
    load.store(src, user, "INBOX", "1", "+", ["\\Flagged"])
    load.expunge(dst, user, "INBOX", "2")
    before = [witness.read(server, user) for server in (src, dst)]
    state = recorded(run.state)
    seen = len(dst.log())
    report = copy(run, src.url(user), dst.url(user), "--dry-run", "--delete-source")
    assert (report.copied, report.flags_changed, report.deleted_at_destination) == (5, 1, 1)
    assert [witness.read(server, user) for server in (src, dst)] == before and seen <= len(dst.log())
    assert recorded(run.state) == state
    assert copy(run, src.url(user), dst.url(user)).copied == 5


def test_dry_run_without_state_leaves_none(src, dst, run, user):
    fill(src, user, {"INBOX": notes(2)})
    assert copy(run, src.url(user), dst.url(user), "-n").copied == 2
    assert not run.state.exists() or not list(run.state.rglob("*.db"))


def recorded(directory):
    """What the journals say, but for the counter by which a commit is made to reach the disk."""
    found = {}
    for path in sorted(directory.rglob("*.db")):
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % path, uri=True)) as db:
            found[path.name] = [line for line in db.iterdump() if 'INTO "accounts"' not in line]
    return found


def test_dry_run_keeps_records_of_replaced_mailboxes(src, dst, run, user):
    """A new UIDVALIDITY makes records worthless, but a dry run is not what drops them."""
    fill(src, user, {"INBOX": [], "Box": notes(3)})
    copy(run, src.url(user), dst.url(user))
    load.delete_mailbox(dst, user, "Box")
    fill(dst, user, {"Box": []})
    state = recorded(run.state)
    assert copy(run, src.url(user), dst.url(user), "-n").copied == 3
    assert recorded(run.state) == state


def test_report_log_and_trace_hold_no_secret(src, dst, run, user):
    fill(src, user, {"INBOX": notes(2)})
    files = {name: run.home / name for name in ("report", "log", "trace")}
    options = [item for name, path in files.items() for item in ("--" + name, path)]
    out = run("copy", src.url(user), dst.url(user), *options, "-vv", check=0)
    lines = [json.loads(line) for line in files["report"].read_text().splitlines()]
    assert [line["type"] for line in lines if line["type"] != "finding"] == ["begin", "mailbox", "end"]
    assert lines[-1]["verdict"] == "complete" and lines[-1]["copied"] == 2
    assert "complete: every selected message is at the destination" in out.out
    assert b"APPEND" in files["trace"].read_bytes()
    for name, path in files.items():
        text = path.read_bytes() + out.out.encode() + out.err.encode()
        for secret in _secrets(user):
            assert secret not in text, (name, secret)
        assert path.stat().st_mode & 0o077 == 0, name
    assert PASSWORD.encode() not in b"".join(path.read_bytes() for path in run.state.rglob("*") if path.is_file())


def _secrets(user):
    import base64
    yield PASSWORD.encode()
    yield base64.b64encode(b"\0%s\0%s" % (user.encode(), PASSWORD.encode()))
    yield base64.b64encode(PASSWORD.encode())


def test_state_directory_and_none(src, dst, run, user):
    fill(src, user, {"INBOX": notes(3)})
    assert copy(run, src.url(user), dst.url(user), "--state", run.home / "elsewhere").copied == 3
    assert list((run.home / "elsewhere").rglob("*.db")) and not run.state.exists()
    again = copy(run, src.url(user), dst.url(user), "--state", "none")
    assert (again.copied, again.there_by_digest) == (0, 3)
    assert not run.state.exists()
    load.expunge(dst, user, "INBOX", "1")
    assert copy(run, src.url(user), dst.url(user), "--state", "none").copied == 1     # no memory, no tombstone
    assert copy(run, src.url(user), dst.url(user), "--state", run.home / "elsewhere").copied == 0


def test_rate_and_bandwidth(src, dst, run, user):
    fill(src, user, {"INBOX": notes(12, size=20_000)})
    began = time.monotonic()
    copy(run, src.url(user), dst.url(user), "--rate", "8", "-j1", "-m", "INBOX")
    assert time.monotonic() - began > 0.5
    began = time.monotonic()
    fill(src, user, {"Two": notes(12, first=20, size=20_000)})
    copy(run, src.url(user), dst.url(user), "--bandwidth", "150k", "-m", "Two")
    assert time.monotonic() - began > 0.5
    assert both(src, dst, user) == []


def test_daily_limit(src, dst, run, user):
    """Stops, is not complete, and goes on the next day; in between the limit holds over all runs."""
    fill(src, user, {"INBOX": notes(10, size=10_000)})
    report = copy(run, src.url(user), dst.url(user), "--daily-limit", "35k", code=3)
    assert report.verdict == "incomplete" and 2 <= report.copied <= 4
    again = copy(run, src.url(user), dst.url(user), "--daily-limit", "35k", code=3)
    assert again.copied == 0 and "daily limit" in again.error
    assert copy(run, src.url(user), dst.url(user)).copied == 10 - report.copied - again.copied
    assert both(src, dst, user) == []


def test_max_errors(src, run, user):
    from lab.hostile import Fake
    fill(src, user, {"INBOX": notes(400)})
    with Fake({"INBOX": []}, capabilities="IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN UIDPLUS NAMESPACE") as fake:
        fake.on(r"^APPEND", lambda session: session.no("never"))
        report = copy(run, src.url(user), fake.url(user), "--max-errors", "3", code=3)
        assert 3 <= report.refused < 400
        assert report.verdict == "incomplete" and "max-errors" in report.error


def test_non_ascii_names(src, dst, run, user):
    name = "Größe/家族 & Freunde/e\u0301"
    load.fill(src, user, [(name, [note(1)], True)])
    copy(run, src.url(user), dst.url(user), "-m", "Gr*/**")
    assert subjects(dst, user, name) == [1]
    assert witness.read(dst, user).subscribed == {name}


def test_the_text_report(src, dst, run, user):
    fill(src, user, {"INBOX": notes(3)})
    result = run("copy", src.url(user), dst.url(user), check=0)
    assert "3 copied" in result.out
    assert result.out.splitlines()[-1] == "complete: every selected message is at the destination"
    assert run("copy", src.url(user), dst.url(user), "-q", check=0).err == ""
    assert run("copy", src.url(user), src.url(user), check=2).out == ""
