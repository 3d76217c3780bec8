"""mailhaul compare: every difference is found, what cannot be read is unknown, nothing is changed."""
import pytest

from copying import copy, fill, note, notes
from lab import load, witness
from lab.courier import Courier
from lab.cyrus import Cyrus
from lab.dovecot import Dovecot
from lab.hostile import Fake
from lab.server import PASSWORD
from test_users import users_file, where

NOWHERE = "imap://x@127.0.0.1:1?tls=none&pass-cmd=echo%20x"

COUNTS = ("missing", "doubled", "extra", "differing", "unknown")
CODES = {"equal": 0, "different": 1, "unknown": 3}


class Compared:
    """The JSON lines of one run with one other account, checked."""

    def __init__(self, result):
        self.result = result
        self.lines = result.json
        assert len(self.lines) == len(result.out.splitlines()) and self.lines, result
        assert all(line["version"] == 1 for line in self.lines), result
        self.total = self.lines[-1]
        assert self.total["type"] == "compare", result
        boxes = [line for line in self.lines if line["type"] == "mailbox"]
        self.boxes = {line["mailbox"] or line["other_mailbox"]: line for line in boxes}
        self.differences = [line for line in self.lines if line["type"] == "difference"]
        assert len(boxes) == len(self.boxes) == self.total["mailboxes"], result
        for key in COUNTS + ("equal", "first_messages", "other_messages"):
            assert sum(box[key] for box in boxes) == self.total[key], (key, result)
        if not result.code > 3:
            assert result.code == CODES[self.total["state"]], result

    def counts(self):
        """What is not zero."""
        return {key: self.total[key] for key in COUNTS if self.total[key]}

    def found(self):
        return sorted((one["what"], one["mailbox"] or one["other_mailbox"], one["uid"], one["other_uid"],
                       *one["in"]) for one in self.differences)


def compare(run, first, other, *options, code=0, **kwargs):
    result = run("compare", first, other, "--json", *options, **kwargs)
    assert result.code == code, result
    return Compared(result)


@pytest.fixture
def pair(src, dst, user):
    """The same mail on both sides, with twins, in different orders."""
    twin = note(3)
    mail = {"INBOX": notes(6) + [twin], "Work/Done": notes(5, 10), "Empty": []}
    fill(src, user, mail)
    fill(dst, user, {name: list(reversed(messages)) for name, messages in mail.items()})
    return src.url(user), dst.url(user)


def test_equal(pair, run, src, dst, user):
    before = witness.read(src, user), witness.read(dst, user)
    done = compare(run, *pair, "--check", "all", "--both")
    assert done.total["equal"] == 12 and done.counts() == {} and done.differences == []
    assert done.total["proved_by"]["content"] == 12
    assert compare(run, *pair).total["proved_by"] == {"content": 0, "record": 0, "id": 0, "digest": 12, "header": 0}
    text = run("compare", *pair, check=0).out
    assert "nothing is missing" in text and "INBOX" not in text
    assert "INBOX" in run("compare", *pair, "-v", check=0).out
    assert len(run("compare", "-q", *pair, check=0).out.splitlines()) == 1
    assert (witness.read(src, user), witness.read(dst, user)) == before


def test_after_copy(src, dst, user, run):
    fill(src, user, {"INBOX": notes(20, flags=("\\Seen", "kw")), "Grüße": notes(3, 30), "a&b": notes(2, 40)})
    copy(run, src.url(user), dst.url(user))
    first, other = src.url(user), dst.url(user)
    compare(run, first, other, "--check", "flags,date,size,content", "--both")


def test_no_more_is_asked_for_than_is_compared(pair, run, dst, user, proxy):
    """Dates, which are a sixth of what a comparison costs on the wire, only where they are looked at. Weaker proofs say so."""
    between = proxy(dst, log=True)
    locations = pair[0], between.url(user)
    for options, dates in (((), False), (("--check", "date"), True), (("--check", "flags"), True), (("--since", "2020-01-01"), True),
                           (("--manifest", run.home / "m", "--manifest", run.home / "n"), True)):
        before = len(between.commands("UID FETCH"))
        compare(run, *locations, *options) if "--manifest" not in options else run("compare", *locations, *options, check=0)
        asked = between.commands("UID FETCH")[before:]
        assert any("RFC822.SIZE" in str(line) for line in asked), (options, before, between.commands())
        assert any("INTERNALDATE" in str(line) for line in asked) == dates, (options, asked)
    assert "12 by Message-ID and size" in run("compare", *pair, "--match", "message-id", check=0).out


def test_by_record(src, dst, user, run):
    """What a copy wrote down is a proof, in both directions, and tells twins apart; without it the headers are."""
    first, other = src.url(user), dst.url(user)
    fill(src, user, {"INBOX": [note(1), note(1), note(2)], "Work": notes(3, 10)})
    copy(run, first, other)
    load.append_many(dst, user, "Work", [note(50)])
    load.append_many(src, user, "Work", [note(50)])
    proofs = compare(run, first, other).total["proved_by"]
    assert proofs == {"content": 0, "record": 6, "id": 0, "digest": 1, "header": 0}
    assert compare(run, other, first).total["proved_by"] == proofs
    assert compare(run, first, other, "--state", "none").total["proved_by"]["digest"] == 7
    assert "6 by record" in run("compare", first, other, check=0).out
    # Flags of twins, the wrong way round: as a multiset they would be equal.
    load.store(src, user, "INBOX", "1", "+", ("\\Flagged",))
    load.store(dst, user, "INBOX", "2", "+", ("\\Flagged",))
    assert compare(run, first, other, "--check", "flags", code=1).counts() == {"differing": 2}
    compare(run, first, other, "--check", "flags", "--state", "none")
    # The mailbox is another one, or the message of a record is gone.
    load.delete_mailbox(dst, user, "Work")
    load.append_many(dst, user, "Work", notes(3, 10) + [note(50)], create=True)
    load.expunge(dst, user, "INBOX", "3")
    done = compare(run, first, other, code=1)
    assert done.found() == [("missing", "INBOX", 3, None)] and done.total["proved_by"]["digest"] == 4


def change(dst, user, what):
    """One thing at the other account, and how it shows: kind, in."""
    if what == "missing":
        load.expunge(dst, user, "INBOX", "4")
    elif what == "twin":    # one of two
        load.expunge(dst, user, "INBOX", "1")
    elif what == "doubled":
        load.append_many(dst, user, "INBOX", [note(5)])
    elif what == "extra":
        load.append_many(dst, user, "INBOX", [note(99)])
    elif what == "flag":
        load.store(dst, user, "INBOX", "4", "+", ("\\Flagged",))
    elif what == "date":
        load.expunge(dst, user, "INBOX", "4")
        load.append_many(dst, user, "INBOX", [note(4, date="01-Jan-2024 12:00:01 +0000")])
    elif what == "size":
        load.expunge(dst, user, "INBOX", "4")
        load.append_many(dst, user, "INBOX", [note(4, body=b"note 4!\r\n")])
    elif what == "byte":
        load.expunge(dst, user, "INBOX", "4")
        load.append_many(dst, user, "INBOX", [note(4, body=b"nope 4\r\n")])


@pytest.mark.parametrize("what, option, counts, found", [
    ("missing", "none", {"missing": 1}, [("missing", "INBOX", 4, None)]),
    ("twin", "none", {"missing": 1}, None),
    ("doubled", "none", {"doubled": 1}, [("doubled", "INBOX", None, 8)]),
    ("flag", "flags", {"differing": 1}, [("differs", "INBOX", 4, 4, "flags")]),
    ("date", "date", {"differing": 1}, [("differs", "INBOX", 4, 8, "date")]),
    ("size", "size", {"differing": 1}, [("differs", "INBOX", 4, 8, "size")]),
    ("byte", "content", {"differing": 1}, [("differs", "INBOX", 4, 8, "content")]),
])
def test_each_is_found(pair, run, dst, user, what, option, counts, found):
    change(dst, user, what)
    done = compare(run, *pair, "--check", option, code=1)
    assert done.counts() == counts
    assert found is None or done.found() == found
    compare(run, *pair, "--check", "all", code=1)
    if option != "none":
        compare(run, *pair, "--check", "none", code=0)


def test_extra(pair, run, dst, user):
    change(dst, user, "extra")
    load.append_many(dst, user, "Other", notes(2, 200), create=True)
    done = compare(run, *pair)
    assert done.counts() == {"extra": 3} and done.total["mailboxes_extra"] == 1 and done.differences == []
    assert "only at" in run("compare", *pair, check=0).out
    done = compare(run, *pair, "--both", code=1)
    assert done.found() == [("extra", "INBOX", None, 8), ("extra", "Other", None, 1), ("extra", "Other", None, 2)]
    assert compare(run, *pair, "--both", "-m", "INBOX", code=1).total["mailboxes_extra"] == 0
    compare(run, *pair, "--both", "-m", "Work/**")


def test_mailbox_missing(pair, run, dst, user):
    load.delete_mailbox(dst, user, "Work/Done")
    load.delete_mailbox(dst, user, "Empty")
    done = compare(run, *pair, code=1)
    assert done.total["mailboxes_missing"] == 2 and done.counts() == {"missing": 5}
    assert done.boxes["Work/Done"]["other_mailbox"] is None
    assert "no such mailbox there" in run("compare", *pair, check=1).out
    assert compare(run, *pair, "--no-empty", code=1).total["mailboxes_missing"] == 1
    compare(run, *pair, "-x", "Work/Done", "--no-empty")
    assert compare(run, *pair, "--count-only", code=1).counts() == {"missing": 5}


def test_count_only(pair, run, dst, user, proxy):
    change(dst, user, "missing")
    between = proxy(dst, log=True)
    other = between.url(user)
    done = compare(run, pair[0], other, "--count-only", code=1)
    assert done.boxes["INBOX"]["missing"] == 1 and done.counts() == {"missing": 1}
    assert between.commands("LIST") and not between.commands("EXAMINE") and not between.commands("SELECT")
    change(dst, user, "extra")
    compare(run, *pair, "--count-only")
    compare(run, *pair, "--count-only", "--seen")
    load.append_many(dst, user, "INBOX", [note(100)])
    compare(run, *pair, "--count-only")
    compare(run, *pair, "--count-only", "--both", code=1)
    assert run("compare", *pair, "--count-only", "--show-ids").code == 2


def test_show_ids(pair, run, src, dst, user):
    load.append_many(src, user, "INBOX", [note(50, "=?utf-8?q?Gr=C3=BC=C3=9Fe?= \x1b[31m")])
    change(dst, user, "extra")
    text = run("compare", *pair, "--show-ids", check=1).out
    assert "<note.50@example.org>" in text and "Grüße" in text and "\x1b" not in text and "note.99" not in text
    done = compare(run, *pair, "--show-ids", "--both", code=1)
    ids = {one["what"]: one["message_id"] for one in done.differences}
    assert ids == {"missing": "<note.50@example.org>", "extra": "<note.99@example.org>"}
    load.append_many(src, user, "INBOX", notes(8, 60))
    uids = [one["uid"] for one in compare(run, *pair, "--show-ids", code=1).differences]
    assert len(uids) == 9 and uids == sorted(uids)


def test_names(src, dst, user, run):
    fill(src, user, {"INBOX": notes(2), "Alt": notes(3, 10), "Neu": notes(3, 20), "Gesendet": notes(1, 30)})
    fill(dst, user, {"INBOX": notes(2), "Old/Alt": notes(3, 10), "Old/Neu": notes(2, 20), "Sent": notes(1, 30)})
    first, other = src.url(user), dst.url(user)
    done = compare(run, first, other, "-m", "Alt", "-m", "Neu", "--root", "Old", code=1)
    assert done.found() == [("missing", "Neu", 3, None)] and done.boxes["Neu"]["other_mailbox"] == "Old/Neu"
    compare(run, first, other, "-m", "Gesendet", "--automap")
    compare(run, first, other, "-m", "Alt", "--rename", "s/^/Old\\//")
    mapping = run.home / "map"
    mapping.write_text("Alt: Old/Alt\nGesendet: Sent\n")
    compare(run, first, other, "-x", "Neu", "--map", mapping)
    # Two that go into one are compared with it together.
    both = run.home / "both"
    both.write_text("Alt: Both\nNeu: Both\n")
    load.append_many(dst, user, "Both", notes(2, 10) + notes(3, 20), create=True)
    assert run("compare", first, other, "-m", "Alt", "-m", "Neu", "--map", both).code == 2
    done = compare(run, first, other, "-m", "Alt", "-m", "Neu", "--map", both, "--merge", "--show-ids", "--both", code=1)
    assert [one for one in done.found() if one[0] == "missing"] == [("missing", "Alt", 3, None)]
    assert [one["message_id"] for one in done.differences if one["what"] == "missing"] == ["<note.12@example.org>"]
    # Locations that name a mailbox.
    compare(run, first.replace("?", "/Alt?"), other.replace("?", "/Old/Alt?"), "--both")
    compare(run, first.replace("?", "/Gesendet?"), other, "--automap", "--both")


def test_selection(src, dst, user, run):
    old, new = notes(3, date="01-Jan-2020 00:00:00 +0000"), notes(3, 10, flags=("\\Seen",))
    fill(src, user, {"INBOX": old + new})
    fill(dst, user, {"INBOX": new})
    first, other = src.url(user), dst.url(user)
    assert compare(run, first, other, code=1).counts() == {"missing": 3}
    assert compare(run, first, other, "--since", "2023-01-01").total["equal"] == 3
    compare(run, first, other, "--seen", "--both")
    compare(run, first, other, "--search", "SEEN")
    assert compare(run, first, other, "--before", "2023-01-01", code=1).counts() == {"missing": 3}
    assert compare(run, first, other, "--uid", "3:4", code=1).found() == [("missing", "INBOX", 3, None)]
    assert compare(run, first, other, "--limit", "1", code=1).counts() == {"missing": 1}
    compare(run, first, other, "--limit", "3", "--newest-first", "--both")
    load.store(src, user, "INBOX", "4", "+", ("\\Deleted",))
    assert compare(run, first, other, "--skip-deleted", "--since", "2023-01-01").total["first_messages"] == 2
    # Where nothing was compared, nothing is known to be there.
    result = run("compare", first, other, "-m", "Imbox", check=3)
    assert result.out.startswith("UNKNOWN") and "choose none" in result.err, result


def test_match(src, dst, user, run):
    """imap_audit compares Message-IDs, or with -g date, subject and sender; messages without are told apart all the same."""
    bare = note(7).replaced(b"From: a@example.org\r\nSubject: bare\r\n\r\nx\r\n")
    other_bare = note(7).replaced(b"From: b@example.org\r\nSubject: bare\r\n\r\nx\r\n")
    fill(src, user, {"INBOX": [note(1, "one"), note(2), bare, other_bare]})
    fill(dst, user, {"INBOX": [note(1, "[list] one"), note(2), bare]})
    first, other = src.url(user), dst.url(user)
    done = compare(run, first, other, "--match", "message-id", "--check", "none", code=1)
    assert done.found() == [("missing", "INBOX", 4, None)]
    assert compare(run, first, other, "--match", "header:from,date", "--check", "none", code=1).counts() == {"missing": 1}
    assert compare(run, first, other, "--check", "none", code=1).counts() == {"missing": 2, "extra": 1}
    assert compare(run, first, other, "--match", "content", code=1).counts() == {"missing": 2, "extra": 1}


def test_imap_audit(src, dst, user, run):
    """What its guide shows, by docs/replaces.md: -m, -e, -M, -A, -B, -n, -g, -R, -u; and what it cannot tell apart, a mailbox that is not there."""
    old, late = notes(2, date="01-Jan-2019 00:00:00 +0000"), notes(2, 40, date="01-Jan-2026 00:00:00 +0000")
    fill(src, user, {"INBOX": old + notes(4, 10) + late, "Work": notes(2, 20), "Gone": [], "Junk": notes(1, 30)})
    fill(dst, user, {"INBOX": notes(3, 10), "Old/Work": notes(1, 20)})
    mapping = run.home / "map"
    mapping.write_text("Work: Old/Work\n")
    people = users_file(run, "%s:%s:%s:%s" % (user, PASSWORD, user, PASSWORD))
    common = ("--match", "message-id", "--check", "none", "--map", mapping, "-x", "Junk", "--since", "01-Jan-2020", "--before", "01-Jan-2025")
    for arguments in ((src.url(user), dst.url(user)), (where(src), where(dst), "--users", people)):
        result = run("compare", *arguments, *common, "--show-ids", "--json", check=1)
        missing = sorted(line["message_id"] for line in result.json if line["type"] == "difference")
        assert missing == ["<note.13@example.org>", "<note.21@example.org>"]
        total = next(line for line in result.json if line["type"] == "compare")
        assert (total["missing"], total["mailboxes_missing"]) == (2, 1)
    text = run("compare", src.url(user), dst.url(user), *common, "--show-ids", check=1).out
    assert "<note.13@example.org>" in text and "2 messages missing" in text and "no such mailbox there" in text
    done = compare(run, src.url(user), dst.url(user), "--map", mapping, "--count-only", "-m", "INBOX", "-m", "Work", code=1)
    assert {name: box["missing"] for name, box in done.boxes.items()} == {"INBOX": 5, "Work": 1}
    assert compare(run, src.url(user), dst.url(user), "--match", "header:date,subject,from", "-m", "INBOX", code=1).counts() == {"missing": 5}


# ---- faults: unknown, never missing, never equal ----

UNKNOWN = {"LOGIN": (4, 5), "EXAMINE": (3, 4), "UID FETCH": (3, 4)}


def between(proxy, server, pair, user, side, rules, **how):  # noqa: F811
    """The pair with a proxy at one side, and the proxy."""
    proxied = proxy(server, rules=rules, **how)
    return [proxied.url(user) if number == side else url for number, url in enumerate(pair)], proxied


def never_wrong(result, codes):
    """Nothing was lost here: so nothing is missing, and what could not be read is not said to be there."""
    assert result.code in codes, result
    ends = [line for line in result.json if line["type"] == "compare"]
    for line in result.json:
        assert not any(line.get(key) for key in ("missing", "extra", "doubled", "differing")), result
    assert all(end["state"] == ("equal" if result.code == 0 else "unknown") for end in ends), result


@pytest.mark.parametrize("side, command", [(0, "CAPABILITY"), (1, "LOGIN"), (0, "NAMESPACE"), (0, "LIST"), (1, "LIST"),
                                           (0, "EXAMINE"), (1, "EXAMINE"), (0, "UID FETCH"), (1, "UID FETCH")])
def test_refusals(pair, run, src, dst, user, proxy, side, command):
    """NO and BAD, always: unknown, but for what a server may do without."""
    for reply in ("NO broken", "BAD what"):
        rules = [{"on": word, "do": "reply", "text": reply, "times": -1}
                 for word in ((command, "SELECT") if command == "EXAMINE" else (command,))]
        locations, used = between(proxy, (src, dst)[side], pair, user, side, rules)
        result = run("compare", *locations, "--both", "--json", "--retries", "0")
        asked = bool(used.commands(command))
        never_wrong(result, UNKNOWN.get(command, (0, 3, 4)) if asked else (0,))
        if command == "LIST":
            assert result.code in (3, 4), result
    text = run("compare", *locations, "--retries", "0").out
    assert result.code == 0 or "nothing is missing" not in text


@pytest.mark.parametrize("side", [0, 1])
def test_one_mailbox_is_refused(pair, run, src, dst, user, proxy, side):
    rules = [{"on": word, "match": "Work", "do": "reply", "text": "NO broken", "times": -1} for word in ("EXAMINE", "SELECT")]
    locations, _ = between(proxy, (src, dst)[side], pair, user, side, rules)
    done = compare(run, *locations, "--both", code=3)
    assert done.boxes["Work/Done"]["state"] == "unknown" and done.boxes["INBOX"]["state"] == "equal"
    assert done.total["mailboxes_unknown"] == 1 and done.counts() == {}
    assert "UNKNOWN" in run("compare", *locations).out


@pytest.mark.parametrize("side, command", [(0, "LIST"), (1, "EXAMINE"), (1, "UID FETCH")])
def test_cuts(pair, run, src, dst, user, proxy, side, command):
    """Cut before the answer and within it: once is mended, always is unknown."""
    for how in ({"do": "cut-before"}, {"do": "cut-reply", "at": 40}):
        for times in (1, -1):
            locations, _ = between(proxy, (src, dst)[side], pair, user, side, [{"on": command, "times": times, **how}])
            result = run("compare", *locations, "--json", "--retries", "1" if times == 1 else "0")
            never_wrong(result, (0, 4) if times == 1 and command == "LIST" else (0,) if times == 1 else (3, 4))


@pytest.mark.parametrize("side, command", [(1, "LIST"), (0, "UID FETCH")])
def test_stalls(pair, run, src, dst, user, proxy, side, command):
    locations, _ = between(proxy, (src, dst)[side], pair, user, side, [{"on": command, "do": "stall", "times": -1}])
    never_wrong(run("compare", *locations, "--json", "--timeout", "1s", "--retries", "0"), (4,))


def test_missing_rows_are_unknown(pair, run, dst, user, proxy):
    """A server that does not show what it counts, whoever asks and however often."""
    rewrite = [(r"^\* \d+ FETCH [^\r\n]*\bUID 3[ )][^\r\n]*", "* OK nothing")]
    locations, used = between(proxy, dst, pair, user, 1, [], rewrite=rewrite)
    result = run("compare", *locations, "--json", "-m", "INBOX")
    never_wrong(result, (3,))
    assert Compared(result).counts() == {"unknown": 1}, result
    locations, used = between(proxy, dst, [pair[1], pair[0]], user, 0, [], rewrite=rewrite)
    result = run("compare", *locations, "--json", "-m", "INBOX", "--both")
    assert result.code == 3 and Compared(result).counts() == {"unknown": 1}, result


def test_not_shown_is_unknown(run, dst, user, tmp_path):
    """What the first does not show may be missing, though all that it shows is there; a manifest says so as long as it lives."""
    def leave_out(session):
        for seq, msg in session._chosen(session.words[2]):
            if msg.uid != 2:
                session.send(b"* %d FETCH (UID %d%s)\r\n" % (seq, msg.uid, b"".join(session._item(msg, item.upper()) for item in session.words[3])))
        session.ok()

    fill(dst, user, {"INBOX": [note(1), note(3)]})
    with Fake({"INBOX": notes(3)}) as fake:
        fake.on(r"UID FETCH", leave_out)
        shown = compare(run, fake.url("u"), dst.url(user), code=3)
        assert shown.total["equal"] == 2 and not shown.counts() and shown.boxes["INBOX"]["state"] == "unknown"
        assert compare(run, dst.url(user), fake.url("u")).total["equal"] == 2
        compare(run, dst.url(user), fake.url("u"), "--both", code=3)
        assert run("compare", fake.url("u"), "--manifest", tmp_path / "m").code == 3
    compare(run, "manifest:%s" % (tmp_path / "m"), dst.url(user), code=3)


def test_unreachable(pair, run, user, dst):
    result = run("compare", pair[0], NOWHERE, "--json")
    assert result.code == 4 and Compared(result).total["state"] == "unknown"
    assert run("compare", NOWHERE, pair[1]).code == 4
    (run.home / "wrong").write_text("wrong\n")
    (run.home / "wrong").chmod(0o600)
    result = run("compare", pair[0], dst.url(user, **{"pass-file": run.home / "wrong"}), "--json")
    assert result.code == 5 and Compared(result).total["state"] == "unknown"


# ---- other places ----

def test_three(pair, run, dst, user):
    fill(dst, user + "x", {"INBOX": notes(1)})
    result = run("compare", *pair, dst.url(user + "x"), "--json")
    assert result.code == 1, result
    ends = [line for line in result.json if line["type"] == "compare"]
    assert [end["state"] for end in ends] == ["equal", "different"]
    assert ends[1]["missing"] == 11 and ends[1]["mailboxes_missing"] == 2
    # One that is not there does not keep the others from being compared.
    result = run("compare", pair[0], NOWHERE, pair[1], "--json")
    assert result.code == 4
    assert [line["state"] for line in result.json if line["type"] == "compare"] == ["unknown", "equal"]
    assert run("compare", *pair, pair[1], "--src-tls=none").code == 2
    headings = [line for line in run("compare", *pair, pair[1]).out.splitlines() if line.endswith(":")]
    assert len(headings) == 2 and all(" and imap://" in line for line in headings)


@pytest.mark.parametrize("kind", ["maildir", "eml", "mbox", "thunderbird"])
def test_files(pair, run, src, user, kind):
    place = "%s:%s" % (kind, run.home / "tree")
    copy(run, pair[0], place)
    done = compare(run, pair[0], place, "--check", "all", "--both")
    assert done.total["equal"] == 12
    compare(run, place, pair[1], "--check", "flags,size,content", "--both")
    load.append_many(src, user, "INBOX", [note(77)])
    done = compare(run, pair[0], place, "--show-ids", code=1)
    assert [one["message_id"] for one in done.differences] == ["<note.77@example.org>"]
    # What is not there is not known to lack anything, and is not made.
    assert "UNKNOWN" in run("compare", pair[0], place + "-misspelt", check=7).out
    assert not (run.home / "tree-misspelt").exists()


def test_pop3(servers, dst, user, run):
    server = servers(Dovecot, instance="pop3", format="maildir", pop3=True)
    fill(server, user, {"INBOX": notes(4, flags=("\\Seen",))})
    copy(run, server.url(user), dst.url(user))
    pop = server.pop3_url(user)
    done = compare(run, pop, dst.url(user), "--check", "all", "--both")
    assert done.total["equal"] == 4 and done.boxes["INBOX"]["not_checked"] == ["flags", "date"]
    assert "not checked" in run("compare", pop, dst.url(user), "--check", "all", check=0).out


@pytest.mark.others
@pytest.mark.parametrize("kind", [Cyrus, Courier])
def test_servers(src, user, run, servers, kind):
    server = servers(kind)
    server.add_user(user)
    fill(src, user, {"INBOX": notes(10, flags=("\\Seen",)), "Sent": notes(3, 20)})
    copy(run, src.url(user), server.url(user))
    done = compare(run, src.url(user), server.url(user), "--check", "all")
    assert done.total["equal"] == 13
    compare(run, server.url(user), src.url(user), "--check", "all", "-m", "INBOX", "-m", "Sent")
    load.append_many(src, user, "Sent", [note(99)])
    assert compare(run, src.url(user), server.url(user), code=1).counts() == {"missing": 1}


def test_users(src, dst, user, run):
    names = [user + letter for letter in "abc"]
    for name in names:
        fill(src, name, {"INBOX": notes(3)})
        fill(dst, name, {"INBOX": notes(3)})
    load.expunge(dst, names[1], "INBOX", "2")
    lines = ["%s:%s:%s:%s" % (name, PASSWORD, name, PASSWORD) for name in names]
    path = users_file(run, *lines, "nobody:wrong:nobody:wrong")
    result = run("compare", where(src), where(dst), "--users", path, "--json")
    assert result.code == 5, result
    states = {line["user"]: line["state"] for line in result.json if line["type"] == "compare"}
    assert states == {names[0]: "equal", names[1]: "different", names[2]: "equal"}
    assert result.json[-1] == {"version": 1, "type": "total", "users": 4, "equal": 2, "different": 1, "unknown": 1}
    text = run("compare", where(src), where(dst), "--users", path).out
    assert "4 users: 2 with nothing missing, 1 different, 1 unknown" in text and names[1] + ":" in text
    path = users_file(run, *lines, name="good")
    run("compare", where(src), where(dst), "--users", path, check=1)
    run("compare", where(src), where(dst), where(src), "--users", path, check=2)
