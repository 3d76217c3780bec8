"""compare by content ids: what both servers vouch for is believed, headers decide the rest, and no less is found than by headers."""
import subprocess

import pytest

from copying import copy, fill, note, notes
from lab import load
from lab.cyrus import Cyrus
from lab.hostile import Fake
from test_compare import Compared, compare, never_wrong

MANY = 120      # messages: from 100 on it is worth asking
BY_HEADERS = "disable=X-GUID,DIGEST=SHA1,OBJECTID"


def sync(src, dst, user):
    """By dsync, which keeps GUIDs."""
    load.append_many(dst, user, "INBOX", [])
    subprocess.run(src.as_server_user(src.doveadm("backup", "-u", user, "sdbox:%s/home/%s/mail" % (dst.dir, user))), check=True)


@pytest.fixture
def synced(src, dst, user):
    fill(src, user, {"INBOX": notes(MANY) + [note(3)], "Work": notes(5, 1000)})
    sync(src, dst, user)


def watched(proxy, *servers, rules=()):
    return [proxy(server, log=True, rules=list(rules)) for server in servers]


def fetches(proxied, what):
    return [line.partition(" ")[2] for _, _, line in proxied.commands("UID FETCH") if what in line]


def proofs(done):
    return {key: number for key, number in done.total["proved_by"].items() if number}


def as_by_headers(run, first, other, *options):
    """The same is found without ids; returns what that is."""
    code = run("compare", first, other, *options, "--json").code
    done = compare(run, first, other, *options, code=code)
    plain = compare(run, first, other + "&quirk=" + BY_HEADERS, *options, code=code)
    assert "id" not in proofs(plain) and done.counts() == plain.counts()
    assert done.found() == plain.found()
    return done


def change_all(server, user, first=1):
    """One of each at an account of notes; UIDs and note numbers are the same from `first` on."""
    load.expunge(server, user, "INBOX", "4,7,8,9,10")
    load.append_many(server, user, "INBOX", [
        note(5),                                                    # doubled
        note(7, body=b"nope 7\r\n"),                                # another body, of the same size
        note(8, subject="Note 8"),                                  # one bit in the header
        note(9, date="01-Jan-2024 12:00:01 +0000"),
        note(10, body=b"note 10!\r\n"),
        note(5000)])                                                # extra
    load.store(server, user, "INBOX", "6", "+", ("\\Flagged",))


def check_changes(run, first, other):
    for check in ("none", "flags,date,size"):
        done = as_by_headers(run, first, other, "--check", check)
        assert done.total["proved_by"]["id"] > MANY - 10, done.total
    assert done.counts() == {"missing": 2, "doubled": 1, "extra": 2, "differing": 3}
    assert [one[1:3] for one in done.found() if one[0] == "missing"] == [("INBOX", 4), ("INBOX", 8)]
    as_by_headers(run, first, other, "--both", "--since", "2024-01-01", "--seen")
    as_by_headers(run, other, first)
    done = compare(run, first, other, "--check", "content", code=1)
    assert proofs(done)["content"] == MANY - 3 + done.boxes.get("Work", {"equal": 0})["equal"] and done.counts()["differing"] == 2


def test_guids(synced, run, src, dst, user, proxy):
    between = watched(proxy, src, dst)
    first, other = [one.url(user) for one in between]
    done = compare(run, first, other, "--check", "flags,date,size", "--both")
    assert proofs(done) == {"id": MANY + 6}
    for one in between:
        assert len(fetches(one, "X-GUID")) == 3
        assert [line.split()[2] for line in fetches(one, "HEADER")] == ["1:20,102:121"]
    # Whatever else needs the headers gets them.
    for options in (("--match", "message-id"), ("--check", "content"), ("--db", "sqlite:%s" % (run.home / "db")), ("--manifest", run.home / "m")):
        before = len(fetches(between[0], "X-GUID"))
        run("compare", first, other, *options, check=0)
        assert len(fetches(between[0], "X-GUID")) == before, options
    assert "%d by content id and size" % (MANY + 6) in run("compare", first, other, check=0).out
    change_all(dst, user)
    check_changes(run, src.url(user), dst.url(user))
    # One message was brought by a copy, of which there is a record.
    load.append_many(src, user, "INBOX", [note(6000)])
    copy(run, src.url(user), dst.url(user), "--uid", "122")
    assert proofs(compare(run, src.url(user), dst.url(user), "--check", "none", code=1)) == {"id": MANY + 1, "record": 1, "digest": 2, "header": 1}


def test_three(synced, run, src, dst, user, proxy):
    """All vouch for the same kind, or headers are read; one message is known to one of the others by its id."""
    names = user + "b", user + "c"
    for name in names:
        load.append_many(dst, name, "INBOX", [])
        subprocess.run(src.as_server_user(src.doveadm("backup", "-u", user, "sdbox:%s/home/%s/mail" % (dst.dir, name))), check=True)
    load.expunge(dst, names[0], "INBOX", "5")
    load.append_many(dst, names[0], "INBOX", [note(5)])
    load.expunge(dst, names[1], "INBOX", "7")
    places = [src.url(user), dst.url(names[0]), dst.url(names[1])]
    result = run("compare", *places, "--json", check=1)
    ends = [line for line in result.json if line["type"] == "compare"]
    assert [end["proved_by"]["id"] for end in ends] == [MANY + 5, MANY + 5]
    assert [(end["proved_by"]["digest"], end["missing"], end["extra"], end["doubled"], end["unknown"]) for end in ends] == [
        (1, 0, 0, 0, 0), (0, 1, 0, 0, 0)]
    # The second look at the first, for the sake of the second, decides nothing about the third, which could not be read.
    between, = watched(proxy, dst, rules=[{"on": "EXAMINE", "nth": 2, "do": "reply", "text": "NO broken", "times": -1}])
    result = run("compare", *places[:2], between.url(names[1]), "--json", check=3)
    ends = [line for line in result.json if line["type"] == "compare"]
    assert [(end["state"], end["missing"], end["proved_by"]["digest"]) for end in ends] == [("equal", 0, 1), ("unknown", 0, 0)]
    assert sum("broken" in (line.get("error") or "") for line in result.json) == 2, result
    fill(dst, user + "d", {"INBOX": notes(MANY) + [note(3)], "Work": notes(5, 1000)})
    result = run("compare", *places, dst.url(user + "d"), "--json", check=1)
    assert all(line["proved_by"]["id"] == 0 for line in result.json if line["type"] == "compare")


def test_guids_of_their_own(run, src, dst, user, proxy):
    """Only a sample is asked for them."""
    for server in (src, dst):
        fill(server, user, {"INBOX": notes(MANY), "Work": notes(5, 1000)})
    between = watched(proxy, src, dst)
    done = compare(run, *[one.url(user) for one in between])
    assert proofs(done) == {"digest": MANY + 5}
    for one in between:
        assert [line.split()[2] for line in fetches(one, "X-GUID")] == ["1:20,101:120"]
    between[0].set_rules([])
    compare(run, between[0].url(user), dst.url(user), "-m", "Work")
    assert not fetches(between[0], "X-GUID")


@pytest.mark.others
def test_cyrus(run, servers, user):
    """A digest of the octets, kept by every copy; and EMAILID, where it is not offered."""
    server = servers(Cyrus)
    first, other = server.url(user), server.url(user + "x")
    fill(server, user, {"INBOX": notes(MANY)})
    copy(run, first, other)
    assert proofs(compare(run, first, other)) == {"record": MANY}
    plain = "--state", "none"
    assert proofs(compare(run, first, other, *plain)) == {"id": MANY}
    assert proofs(compare(run, first, other + "&quirk=disable=DIGEST=SHA1", *plain)) == {"id": MANY}
    change_all(server, user + "x")
    load.append_many(server, user + "x", "INBOX", [note(5)])
    done = as_by_headers(run, first, other, *plain, "--check", "flags,date,size")
    assert done.counts() == {"missing": 2, "doubled": 2, "extra": 2, "differing": 3}
    assert done.total["proved_by"]["id"] == MANY - 5


def test_faults(synced, run, src, dst, user, proxy):
    """At the sample, and at the scan: a refusal costs the ids, a broken line a round, and what stays broken is unknown."""
    between, = watched(proxy, dst)
    places = src.url(user), between.url(user)

    def under(rule, nth, *options):
        between.set_rules([{"on": "UID FETCH", "match": "X-GUID", "nth": nth, **rule}])
        result = run("compare", *places, "--json", *options)
        assert between.fired(), (rule, nth)
        return result

    for text in ("NO not now", "BAD what"):
        for nth in (1, 2):
            result = under({"do": "reply", "text": text, "times": -1}, nth)
            never_wrong(result, (0,))
            assert proofs(Compared(result)) == {"digest": MANY + 6}, (text, nth)
    for how, nth in (({"do": "cut-before"}, 1), ({"do": "cut-reply", "at": 40}, 2)):
        result = under(how, nth, "--retries", "1")
        never_wrong(result, (0,))
        assert proofs(Compared(result)) == {"id": MANY + 6}
    never_wrong(under({**how, "times": -1}, 2, "--retries", "0"), (3, 4))
    # The second look.
    load.expunge(dst, user, "INBOX", "5")
    load.append_many(dst, user, "INBOX", [note(5)])
    for rule, codes in (({"do": "reply", "text": "NO broken", "times": -1}, (3,)), ({"do": "cut-before"}, (0,))):
        between.set_rules([{"on": "UID FETCH", "match": "HEADER", "nth": 2, **rule}])
        result = run("compare", *places, "--json", "--retries", "1")
        assert between.fired()
        never_wrong(result, codes)


def dovecot_like(messages, guid):
    fake = Fake({"INBOX": messages}, capabilities="IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN ID UIDPLUS NAMESPACE UNSELECT")
    fake.on(r"^ID", b'* ID ("name" "Dovecot")\r\n%TAG% OK done\r\n')
    fake.items[b"X-GUID"] = guid
    return fake


def good(msg):
    return b"%08xdc75096b8b09000083ecc375" % msg.uid


def test_ids_that_are_none(run):
    """A third of the messages without; then one for two messages, so that a sample finds no two that are alike."""
    for guid, used in ((lambda msg: good(msg) if msg.uid % 3 else b"NIL", 80),
                       (lambda msg: good(msg).replace(b"%08x" % msg.uid, b"%08x" % (msg.uid // 2)), 0)):
        with dovecot_like(notes(MANY), guid) as one, dovecot_like(notes(MANY), guid) as two:
            done = compare(run, one.url("a"), two.url("b"), "--both")
            assert done.total["proved_by"]["id"] == used and done.total["equal"] == MANY


def test_ids_that_lie(run):
    """Equal ids of messages that are not the same: of other sizes, they prove nothing; in the sample, they are found out."""
    other = notes(59) + [note(60, "another", body=b"longer than it was\r\n")] + notes(MANY - 60, 61)
    with dovecot_like(notes(MANY), good) as one, dovecot_like(other, good) as two:
        done = compare(run, one.url("a"), two.url("b"), "--both", code=1)
        assert done.found() == [("extra", "INBOX", None, 60), ("missing", "INBOX", 60, None)] and proofs(done) == {"id": MANY - 1}
    with dovecot_like(notes(MANY), good) as one, dovecot_like(notes(MANY, 2), good) as two:
        done = compare(run, one.url("a"), two.url("b"), "--both", code=1)
        assert done.counts() == {"missing": 1, "extra": 1} and proofs(done) == {"digest": MANY - 1}


def test_another_mailbox_meanwhile(run):
    """UIDVALIDITY of the second look is another one: what was to be read there is unknown."""
    with dovecot_like(notes(MANY), good) as one, dovecot_like(notes(MANY), lambda msg: good(msg) if msg.uid != 60 else b"NIL") as two:
        def scan(session):
            session.default()
            if session.line.startswith(b"UID FETCH 1:* "):
                one.boxes["INBOX"].uidvalidity += 1
        one.on("UID FETCH", scan)
        done = compare(run, one.url("a"), two.url("b"), code=3)
        assert done.boxes["INBOX"]["state"] == "unknown" and "UIDVALIDITY" in done.boxes["INBOX"]["error"]
