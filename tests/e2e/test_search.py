"""mailhaul search: terms, what a terminal sees, mailboxes that refuse, flags."""
import json
import re
import threading

import pytest

from copying import flags_of, note, subjects
from grid import fault
from lab import load, witness
from lab.corpus import Message
from lab.dovecot import Dovecot
from lab.hostile import CAPABILITIES, Fake
from lab.server import PASSWORD

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


def test_many_mailboxes_at_once(user, run):
    """MULTISEARCH (RFC 7377): what certainly holds nothing is not opened; where the server cannot tell, all are searched."""
    names = ["INBOX"] + ["box %d" % n for n in range(5)]
    with Fake({name: [note(n)] for n, name in enumerate(names)}, capabilities=CAPABILITIES + " MULTISEARCH") as fake:
        fake.on("^ESEARCH", b'* ESEARCH (TAG "%TAG%" MAILBOX "box 3" UIDVALIDITY 1000) UID COUNT 1\r\n%TAG% OK done\r\n')
        assert found(run, fake, user, "seen") == [("box 3", 1)]
        assert fake.commands("^ESEARCH")[0].endswith("RETURN (COUNT) SEEN") and len(fake.commands("^EXAMINE")) == 1
        assert len(found(run, fake, user, "body=x")) == 6 and len(fake.commands("^ESEARCH")) == 1
        fake.rules.clear()
        for refusal in (b"%TAG% NO never\r\n", b"%TAG% BAD what\r\n", "close"):
            fake.on("^ESEARCH", refusal, times=1)
            assert len(found(run, fake, user, "seen", code=0)) == 6, refusal


def test_add_flags(box, user, run):
    run("search", "-n", box.url(user), "subject=plan", "--add-flags", "\\Flagged", check=0)
    assert found(run, box, user, "flagged") == []
    run("search", box.url(user), "subject=plan", "--add-flags", "\\Flagged", check=0)
    assert found(run, box, user, "flagged") == [("INBOX", 1), ("Work", 1)]


def everything(server, user):
    """{mailbox: [note numbers]}"""
    return {name: subjects(server, user, name) for name in witness.read(server, user).mailboxes}


def actions(result):
    return {(row["action"], row["mailbox"]): (row["messages"], row["done"], row["there"], row["gone"], row["failed"])
            for row in result.json if row["type"] == "action"}


def test_copy_to(box, user, run):
    """The target is made on demand, and what it has already is not copied again."""
    before = everything(box, user)
    result = run("search", "-n", "--json", box.url(user), "subject=plan", "--copy-to", "Plans/New", check=0)
    assert actions(result) == {("copied", "INBOX"): (1, 0, 0, 0, 0), ("copied", "Work"): (1, 0, 0, 0, 0)}
    assert everything(box, user) == before
    result = run("search", "--json", box.url(user), "subject=plan", "--copy-to", "Plans/New", check=0)
    assert actions(result) == {("copied", "INBOX"): (1, 1, 0, 0, 0), ("copied", "Work"): (1, 1, 0, 0, 0)}
    after = everything(box, user)
    assert sorted(after.pop("Plans/New")) == [1, 5]
    after.pop("Plans", None)
    assert after == before
    result = run("search", "--json", box.url(user), "subject=plan", "--copy-to", "Plans/New", check=0)
    assert {key: row[1:3] for key, row in actions(result).items()} == {
        ("copied", "INBOX"): (0, 1), ("copied", "Work"): (0, 1), ("copied", "Plans/New"): (0, 2)}
    assert sorted(subjects(box, user, "Plans/New")) == [1, 5]


def test_move_to(box, user, run):
    assert "would be moved to Done" in run("search", "-n", box.url(user), "subject=plan", "--move-to", "Done", check=0).out
    out = run("search", box.url(user), "subject=plan", "--move-to", "Done", "--add-flags", "\\Flagged", check=0).out
    assert "INBOX: 1 moved to Done" in out and "Work: 1 flagged" in out
    assert everything(box, user) == {"INBOX": [2, 3, 4], "Work": [], "Done": [1, 5]}
    assert all("\\Flagged" in flags for flags in flags_of(box, user, "Done").values())
    assert "Done: 0 moved to Done, 2 there already" in run("search", box.url(user), "subject=plan", "--move-to", "Done", check=0).out
    run("search", box.url(user), "subject=Grüße", "--move-to", "inbox", check=0)
    assert everything(box, user)["INBOX"] == [2, 3, 4]
    for options in (("--copy-to", "A", "--move-to", "B"), ("--save", "eml:x", "--add-flags", "a"), ("--copy-to", "")):
        run("search", box.url(user), "subject=plan", *options, check=2)


NO, BAD, STALL, CUT, DONE_AND_CUT = "no", "bad", "stall", "cut", "swallow"      # the last three once
QUICK = ("--settle", "0.3s")


@pytest.mark.parametrize("command, do, codes", [
    ("LIST", NO, {3, 4}), ("LIST", STALL, {4}), ("EXAMINE", NO, {3}), ("EXAMINE", STALL, {0}),
    ("UID SEARCH", NO, {3}), ("UID SEARCH", BAD, {3}), ("UID SEARCH", CUT, {0}), ("UID SEARCH", STALL, {0}),
    ("UID FETCH", NO, {3}), ("UID FETCH", CUT, {0}), ("SELECT", NO, {3}),
    ("UID MOVE", NO, {3}), ("UID MOVE", BAD, {0}), ("UID MOVE", CUT, {0}), ("UID MOVE", DONE_AND_CUT, {0, 3}), ("UID MOVE", STALL, {0, 3})],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "")
def test_faults(box, user, run, proxy, command, do, codes):
    """Whatever happens, no message is lost or doubled, and the next run ends it. MOVE that is answered with BAD is COPY."""
    broken = proxy(box, rules=[fault(do, command, times=-1 if do in (NO, BAD) else 1)])
    result = run("search", broken.url(user), "subject=plan", "--move-to", "Done", "--timeout", "1", *QUICK)
    assert result.code in codes, result
    assert broken.fired()
    assert sorted(n for numbers in everything(box, user).values() for n in numbers) == [1, 2, 3, 4, 5]
    run("search", box.url(user), "subject=plan", "--move-to", "Done", *QUICK, check=0)
    assert everything(box, user) == {"INBOX": [2, 3, 4], "Work": [], "Done": everything(box, user)["Done"]}
    assert sorted(subjects(box, user, "Done")) == [1, 5]


def test_copy_faults(box, user, run, proxy):
    """A lost answer to COPY doubles nothing; without MOVE it is COPY and EXPUNGE by UID."""
    broken = proxy(box, rules=[{"on": "UID COPY", "do": "cut-after"}])
    run("search", broken.url(user), "subject=plan", "--copy-to", "Copies", *QUICK)
    run("search", box.url(user), "subject=plan", "-x", "Copies", "--copy-to", "Copies", *QUICK, check=0)
    assert sorted(subjects(box, user, "Copies")) == [1, 5]
    for rule in ({"on": "UID EXPUNGE", "do": "cut-before"}, {"on": "UID COPY", "do": "reply", "text": "NO full", "times": -1}):
        broken = proxy(box, hide=["MOVE"], rules=[rule])
        run("search", broken.url(user), "subject=plan", "-x", "Copies", "--move-to", "Done", *QUICK)
        assert sorted(n for name, numbers in everything(box, user).items() for n in set(numbers) if name != "Copies") == [1, 2, 3, 4, 5]


def test_save(box, user, run, tmp_path):
    """copy's machinery: incremental, exact, and mailboxes where nothing was found are not made."""
    where = "eml:%s" % (tmp_path / "saved")
    run("search", "-n", box.url(user), "subject=Grüße", "--save", where, check=0)
    assert not (tmp_path / "saved").exists()
    run("search", box.url(user), "subject=Grüße", "--save", where, check=0)
    assert [p.name for p in (tmp_path / "saved").iterdir() if p.is_dir()] == ["INBOX"]
    result = run("search", "--json", box.url(user), "OR", "subject=Grüße", "subject=again", "--save", where, check=0)
    assert result.json[-1]["type"] == "end" and result.json[-1]["copied"] == 1
    assert run("search", "--json", where, check=0).json[-1]["messages"] == 2
    assert run("search", "--json", where + "/Work", "subject=again", "--save", "maildir:%s" % (tmp_path / "md"),
               check=0).json[-1]["copied"] == 1
    assert "nothing found" in run("search", box.url(user), "subject=nowhere", "--save", where, check=0).out


def test_in_files(box, user, run, tmp_path):
    where = "maildir:%s" % (tmp_path / "md")
    run("copy", box.url(user), where, check=0)
    run("search", where, "subject=plan", "--move-to", "Done", "--add-flags", "$Kept", check=0)
    run("search", where, "subject=plan", "--copy-to", "Again", check=0)
    run("search", where, "subject=plan", "--copy-to", "Again", "-x", "Again", check=0)
    found = run("search", "--json", where, "keyword=$Kept", check=0).json[:-1]
    assert sorted((row["mailbox"], row["subject"]) for row in found) == [
        ("Again", "the plan"), ("Again", "the plan again"), ("Done", "the plan"), ("Done", "the plan again")]
    assert run("search", "--json", where, check=0).json[-1]["messages"] == 7


def test_users(box, run, tmp_path):
    for name in ("su1", "su2"):
        load.append_many(box, name, "INBOX", [note(1, "for %s" % name)])
    users = tmp_path / "users"
    users.write_text("su1:%s\nsu2:wrong\nsu3:%s\n" % (PASSWORD, PASSWORD))
    users.chmod(0o600)
    where = "imap://%%u@127.0.0.1:%d?tls=none" % box.port
    result = run("search", "--users", users, where, "NOT", "body=nowhere", "subject=for", "--retries=0")
    parts = {part.split(":")[0]: part.strip() for part in result.out.split("\n\n")}
    assert result.code == 5 and parts["su3"] == "su3:\nnothing found" and parts["su2"].startswith("su2:\nfailed: login"), result
    assert result.out.endswith("\n3 users, 1 of them failed\n"), result
    assert re.search("for su1\n1 found$", parts["su1"]), result
    result = run("search", "--json", "--users", users, where, "subject=for", "--move-to", "Kept", "--retries=0")
    assert [(row["user"], row["done"]) for row in result.json if row["type"] == "action"] == [("su1", 1)]
    assert result.json[-1] == {"version": 1, "type": "users", "users": 3, "users_failed": 1, "exit_code": 5}
    assert "copy --search" in run("search", "--users", users, where, "subject=for", "--save", "eml:%s" % tmp_path).err


@pytest.mark.parametrize("kind", ["cyrus", "courier"])
def test_other_servers(request, kind, user, run):
    server = request.getfixturevalue(kind)
    load.append_many(server, user, "INBOX", [note(1, "the plan"), note(2, "=?utf-8?q?Gr=C3=BC=C3=9Fe?="), note(3)])
    assert found(run, server, user, "subject=plan") == [("INBOX", 1)]
    assert found(run, server, user, "NOT", "subject=Grüße") == [("INBOX", 1), ("INBOX", 3)]
    run("search", server.url(user), "subject=plan", "--copy-to", "Done", check=0)
    run("search", server.url(user), "subject=Grüße", "--move-to", "Done", check=0)
    assert sorted(subjects(server, user, "Done")) == [1, 2] and subjects(server, user, "INBOX") == [1, 3]


def test_hostile_headers(box, user, run):
    """Whatever a header holds, a line stays a line and a column a column."""
    load.append_many(box, user, "Bad", [
        note(11, extra=b"From: =?utf-8?b?G10wO293bmVkBw==?= <x@y>\r\n"), note(12, "=?utf-8?b?4oCu4oGm4oCo?= wide 日本語"),
        note(13, "=?iso-8859-1?q?=80=9B31m?="), note(14, "x" * 5000), note(15, "=?utf-8?q?a=0D=0Ab=00c?=")], create=True)
    raw = note(16).body.replace(b"Subject: note 16", b"Subject: \xff\xfe\x9b31m")
    load.append_many(box, user, "Bad", [Message(raw)])
    result = run("search", box.url(user), "-m", "Bad", check=0)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufffd]", result.out), result
    assert len(result.out.splitlines()) == 7
    assert len(run("search", "--json", box.url(user), "-m", "Bad", check=0).json) == 7


def test_as_imap_search(servers, user, run):
    """What imap_search and its imap_search.cf did (imap-tools.md §7.23, F10): the server and its administrator are configured, the command names the user."""
    server = servers(Dovecot, instance=11, master=("boss", "m4ster"))
    load.append_many(server, user, "INBOX", [note(1, "the plan"), note(2, "a=b", extra=b"X-Mailer: Pine\r\n"), note(3, flags=("\\Seen",))])
    load.append_many(server, user, "Sent", [note(5, "the plan again")], create=True)
    secret = run.home / ".admin"
    secret.write_text("m4ster")
    secret.chmod(0o600)
    config = run.home / "config" / "mailhaul" / "config"
    config.parent.mkdir(parents=True)
    config.write_text("[account mail]\nhost = 127.0.0.1\nport = %d\ntls = none\nadmin = boss\npass-file = ~/.admin\n" % server.port)

    def old(where, *args):
        name, _, mailbox = where.partition(":")
        result = run("search", "--uids", "--user", name, "mail" + ("/" + mailbox if mailbox else ""), *args, check=0)
        return dict(reversed(line.split("\t")) for line in result.out.splitlines())

    assert old(user, "subject=the plan") == {"INBOX": "1", "Sent": "1"}
    assert old(user + ":Sent", "subject=the plan") == {"Sent": "1"}
    assert old(user, "OR", "subject=again", "subject=a=b") == {"INBOX": "2", "Sent": "1"}
    assert old(user, "subject=plan", "AND", "NOT", "subject=again") == {"INBOX": "1"}
    assert old(user, "header x-mailer=pine") == old(user, "x-mailer=pine") == {"INBOX": "2"}
    assert old(user, "message-id=@", "date=2024", "seen", "since=01-Jan-2000") == {"INBOX": "3"}
    assert run("search", "127.0.0.1/%s/secret" % user, "subject=x", check=2).out == ""


def test_users_side_by_side(user, run, tmp_path):
    """None of four accounts is answered before all have come; each one's lines come whole."""
    barrier = threading.Barrier(4, timeout=30)
    names = [user + letter for letter in "abcd"]
    people = tmp_path / "people"
    people.write_text("".join("%s:%s\n" % (name, PASSWORD) for name in names))
    people.chmod(0o600)
    with Fake({"INBOX": [note(n, "x" * 300) for n in range(40)]}) as fake:
        fake.on("^LIST", lambda session: (barrier.wait(), session.default()), times=4)
        where = "imap://%%u@127.0.0.1:%d?tls=none" % fake.port
        result = run("search", "--users", people, where, "all", "--report", tmp_path / "report", check=0)
    *parts, end = result.out.split("\n\n")
    assert end == "4 users, none of them failed\n" and sorted(part.split(":")[0] for part in parts) == names
    assert all(len(part.splitlines()) == 42 for part in parts), result
    rows = [json.loads(line) for line in open(tmp_path / "report")]
    assert {name: sum(row.get("user") == name for row in rows) for name in names} == dict.fromkeys(names, 41)
