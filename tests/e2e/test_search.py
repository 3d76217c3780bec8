"""mailhaul search: terms, what a terminal sees, mailboxes that refuse, flags."""
import re

import pytest

from copying import note
from lab import load

HOSTILE = b"\x1b[31mred \xe2\x80\xae bidi"


@pytest.fixture
def box(src, user):
    load.append_many(src, user, "INBOX", [
        note(1, "the plan"), note(2, "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", flags=("\\Seen",)),
        note(3, 'a "quoted" \\ one'), note(4, "=?utf-8?b?G1szMW3igK5iaWRp?=")])
    load.append_many(src, user, "Work", [note(5, "the plan again", extra=b"X-Mark: a=b\r\n")], create=True)
    return src


def found(run, box, user, *terms, code=0):
    result = run("search", "--json", box.url(user), *terms, check=code)
    assert result.json[-1]["type"] == "total" and result.json[-1]["complete"] is (code == 0), result
    return sorted((row["mailbox"], row["uid"]) for row in result.json[:-1])


def test_terms(box, user, run):
    everything = [("INBOX", n) for n in (1, 2, 3, 4)] + [("Work", 1)]
    assert found(run, box, user) == everything
    assert found(run, box, user, "subject=the plan") == [("INBOX", 1), ("Work", 1)]
    assert found(run, box, user, "OR", "subject=again", "subject=quoted") == [("INBOX", 3), ("Work", 1)]
    assert found(run, box, user, "NOT", "(", "subject=plan", "unseen", ")") == everything[1:4]
    assert found(run, box, user, "seen", "AND", "from=example") == [("INBOX", 2)]
    assert found(run, box, user, "header X-Mark=a=b") == found(run, box, user, "x-mark=a=b") == [("Work", 1)]
    assert found(run, box, user, 'subject="quoted" \\') == [("INBOX", 3)]
    assert found(run, box, user, "subject=Grüße") == [("INBOX", 2)]
    assert found(run, box, user, "subject=plan", "--search", "NOT SUBJECT again") == [("INBOX", 1)]
    assert found(run, box, user, "subject=nowhere") == []
    assert "nothing found" in run("search", box.url(user), "subject=nowhere", check=0).out


@pytest.mark.parametrize("term", ["subject=a\nA1 DELETE INBOX", "keyword=a b", "from", "OR", "(", ")", "uid=1)",
                                  "since=never", "a b=c", "x:y=z"])
def test_nothing_is_injected(box, user, run, term):
    run("search", box.url(user), term, check=2)


def test_terminal(box, user, run):
    result = run("search", box.url(user), check=0)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", result.out), result
    assert "Grüße" in result.out and "5 found" in result.out
    subjects = [row.get("subject") for row in run("search", "--json", box.url(user)).json]
    assert "Grüße" in subjects
    assert run("search", "--uids", box.url(user), "unseen").out == "1,3:4\tINBOX\n1\tWork\n".replace("3:4", "3,4")


def test_one_bad_mailbox(box, user, run, proxy):
    broken = proxy(box, rules=[{"on": "EXAMINE", "match": "Work", "do": "reply", "text": "NO broken", "times": -1}])
    assert found(run, broken, user, "subject=plan", code=3) == [("INBOX", 1)]
    cut = proxy(box, rules=[{"on": "UID SEARCH", "do": "cut-before"}])
    assert found(run, cut, user, "subject=plan") == [("INBOX", 1), ("Work", 1)]
    bad = proxy(box, rules=[{"on": "UID SEARCH", "do": "reply", "text": "BAD what", "times": -1}])
    assert found(run, bad, user, "subject=plan", code=3) == []


def test_add_flags(box, user, run):
    run("search", "-n", box.url(user), "subject=plan", "--add-flags", "\\Flagged", check=0)
    assert found(run, box, user, "flagged") == []
    run("search", box.url(user), "subject=plan", "--add-flags", "\\Flagged", check=0)
    assert found(run, box, user, "flagged") == [("INBOX", 1), ("Work", 1)]
