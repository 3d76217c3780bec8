"""mailhaul filter: both ways to write rules, what they decide, what moves, and what breaks on the way."""
import re

import pytest

from copying import note
from lab import load

BOX = {
    "INBOX": [note(1, "invoice 7"), note(2, "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", flags=("\\Seen", "Work")),
              note(3, "invoice haul", size=9000), note(4, "old", date="01-Jan-2010 12:00:00 +0000",
                                                       sent="Fri, 01 Jan 2010 12:00:00 +0000"),
              note(5, "folded\r\n word"), note(6, "=?utf-8?b?G1szMW3igK5iaWRp?=")],
    "Work": [note(7, "invoice 8"), note(8, "plan", extra=b"List-Id: <haul.example>\r\n")],
    "Work/Sub": [note(9, "invoice 9")],
}


@pytest.fixture
def box(src, user):
    load.fill(src, user, [(name, messages, True) for name, messages in BOX.items()])
    return src


@pytest.fixture
def rules(tmp_path):
    """rules("Subject TAB x …") writes a file; blanks around | are tabs."""
    def write(text):
        path = tmp_path / "rules"
        path.write_bytes(re.sub(r" *\| *", "\t", text).encode())
        return path
    return write


def decided(run, box, user, path, *options, code=0):
    """{target: {(mailbox, uid)}} of a dry run."""
    result = run("filter", "--json", "-n", box.url(user), "--rules", path, *options, check=code)
    total = result.json[-1]
    assert total["type"] == "total" and total["dry_run"] and total["complete"] is (code == 0), result
    found = {}
    for row in result.json:
        if row["type"] == "message":
            found.setdefault((row["place"] or "") + row["target"], set()).add((row["mailbox"], row["uid"]))
    assert sum(map(len, found.values())) == total["found"], result
    assert sum(row["found"] for row in result.json if row["type"] == "rule") == total["found"], result
    return found


def test_lines(box, user, run, rules):
    def one(text, *options):
        return decided(run, box, user, rules(text), *options)

    assert one("Subject | invoice | INBOX | Money") == {"Money": {("INBOX", 1), ("INBOX", 3)}}
    assert one("Subject | invoice | * | Money") == {
        "Money": {("INBOX", 1), ("INBOX", 3), ("Work", 1), ("Work/Sub", 1)}}
    assert one("Subject | invoice | * | Money", "--under", "Work") == {"Money": {("Work", 1), ("Work/Sub", 1)}}
    assert one("Subject | invoice | * | Money", "-x", "Work/**") == {"Money": {("INBOX", 1), ("INBOX", 3)}}
    assert one("Subject | invoice | * | Money", "--uid", "1") == {
        "Money": {("INBOX", 1), ("Work", 1), ("Work/Sub", 1)}}
    assert one("Subject | *grüße | INBOX | X") == {"X": {("INBOX", 2)}}
    assert one("Subject | \"^folded word$\" | INBOX | X") == {"X": {("INBOX", 5)}}
    assert one("Size | >8000 | INBOX | X") == {"X": {("INBOX", 3)}}
    assert one("Date | <01 Jan 2011 00:00:00 +0000 | INBOX | X") == {"X": {("INBOX", 4)}}
    assert one("Internaldate | <2011-01-01 | INBOX | X") == {"X": {("INBOX", 4)}}
    assert one("Flags | Seen | * | X") == one("Flags | Work | * | X") == {"X": {("INBOX", 2)}}
    assert one("ISEARCH | \"SUBJECT invoice SMALLER 5000\" | INBOX | X") == {"X": {("INBOX", 1)}}
    assert one("ISEARCH | (SENTBEFORE (100)) | Work | X | copy") == {"X": {("Work", 1), ("Work", 2)}}
    assert one("Subject | nothing | * | X") == {}
    two = "Subject | haul | INBOX | A\nSubject | invoice | INBOX | B\n"
    assert one(two) == {"B": {("INBOX", 1), ("INBOX", 3)}}
    assert one(two, "--first-match") == {"A": {("INBOX", 3)}, "B": {("INBOX", 1)}}


def test_blocks(box, user, run, rules):
    path = rules("# rules\n[bills]\nin = INBOX\nin = Work/**\nsubject = invoice\nsize = < 8k\nmove-to = Money\n"
                 "[lists]\nany = yes\nheader List-Id = haul\nsubject = haul\ncopy-to = Lists\n"
                 "[here]\nsubject = 9$\nmove-to = Work/Sub\n")
    assert decided(run, box, user, path) == {
        "Money": {("INBOX", 1), ("Work", 1)}, "Lists": {("INBOX", 3), ("Work", 2)}, "Work/Sub": {("Work/Sub", 1)}}
    rows = {row["rule"]: row for row in run("filter", "--json", "-n", box.url(user), "--rules", path).json
            if row["type"] == "rule" and row["mailbox"] == "Work/Sub"}
    assert rows["here"]["stayed"] == 1 and rows["here"]["line"] == 13 and rows["here"]["text"] == "subject = 9$"


def test_terminal(box, user, run, rules):
    path = rules("Subject | . | INBOX | Money")
    result = run("filter", "-n", box.url(user), "--rules", path, check=0)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", result.out), result
    assert "Grüße" in result.out and "move to Money (line 1: Subject .)" in result.out, result
    assert "6 found" in result.out and "nothing was changed" in result.out, result
    assert len(run("filter", "-n", "-q", box.url(user), "--rules", path, check=0).out.splitlines()) == 1
    everything = run("filter", "-n", "-v", box.url(user), "--rules", rules("Subject | plan | * | X"), check=0)
    assert everything.out.count("stays: no rule") == 8, everything


@pytest.mark.parametrize("text, complaint", [
    ("", "no rules"), ("Subject | x | INBOX\nSubject | ( | INBOX | X", "line 1: a rule has four fields"),
    ("Subject | ok | INBOX | X\nSubject | ( | INBOX | X", "line 2: "), ("Subject | x | INBOX | a//b", "line 1: "),
    ("Subject | x | INBOX | host:X", "no RemoteServer line"), ("[a]\nsubject = x", "line 1: the rule has neither"),
    ("RemoteServer: gone\nSubject | x | INBOX | gone:X", "line 1: location: no account gone"),
    ("RemoteServer: p = pop3s://u@h.example\nSubject | x | INBOX | p:X", "POP3 can only be read")])
def test_rules_are_checked(box, user, run, rules, text, complaint):
    assert complaint in run("filter", "-n", box.url(user), "--rules", rules(text), check=2).err


def test_rules_file(box, user, run, rules):
    assert "--rules" in run("filter", box.url(user), check=2).err
    run("filter", box.url(user), "--rules", "/nowhere", check=2)
    path = rules("RemoteServer: h.example/u/secret\nSubject | x | INBOX | h.example:X")
    path.chmod(0o644)
    result = run("filter", "-n", box.url(user), "--rules", path, check=2)
    assert "password" in result.err and "secret" not in result.err.replace(str(path), ""), result


def test_unknown_stays(box, user, run, rules, proxy):
    """A mailbox of which anything is not known is left alone, the others are not."""
    path = rules("Subject | invoice | * | Money")
    broken = proxy(box, rules=[{"on": "EXAMINE", "match": "Work\"", "do": "reply", "text": "NO broken", "times": -1}])
    assert decided(run, broken, user, path, code=3) == {"Money": {("INBOX", 1), ("INBOX", 3), ("Work/Sub", 1)}}
    cut = proxy(box, rules=[{"on": "UID FETCH", "nth": 2, "do": "cut-before"}])
    assert len(decided(run, cut, user, path)["Money"]) == 4
    search = rules("ISEARCH | SUBJECT invoice | * | Money\nSubject | invoice | Work | Other")
    bad = proxy(box, rules=[{"on": "UID SEARCH", "do": "reply", "text": "BAD what", "times": -1}])
    assert decided(run, bad, user, search, code=3) == {}
    assert "the rule of line 1" in run("filter", "-n", bad.url(user), "--rules", search).err
