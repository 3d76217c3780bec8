"""POP3 accounts as a source: every message once and to the octet, whatever the server does; deleted only when QUIT says so."""
import base64
import collections
import hashlib
import itertools
import signal
import time

import pytest

from copying import copy, count, fill, note, notes, subjects
from lab import corpus, load, witness
from lab.courier import Courier
from lab.dovecot import Dovecot
from lab.pop3 import Pop3
from lab.server import PASSWORD

CAPA = ("TOP", "UIDL", "USER", "RESP-CODES")
PIPELINING = CAPA + ("PIPELINING",)
QUICK = ("--retries", "3")


@pytest.fixture(scope="session")
def pop(servers):
    """Dovecot with POP3 beside IMAP: filled by the one, read by the other."""
    return servers(Dovecot, instance="pop3", format="maildir", pop3=True)


@pytest.fixture
def fake():
    """fake(messages, **options) gives a scriptable server that ends with the test."""
    started = []

    def start(messages, **options):
        started.append(Pop3(messages, **options).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()


def raw(number, text=None):
    return note(number, body=text).body


def mail(messages=8):
    return [raw(i) for i in range(1, messages + 1)]


def there(dst, user, mailbox="INBOX"):
    """How often each message is at the destination, by digest."""
    found = witness.read(dst, user, mailboxes={mailbox}).mailboxes.get(mailbox, [])
    return collections.Counter(m.sha for m in found)


def as_sent(messages):
    """What POP3 makes of them: a last line without its end gets one."""
    return collections.Counter(hashlib.sha256(m if m.endswith(b"\r\n") else m + b"\r\n").hexdigest() for m in messages)


def same(dst, user, messages, mailbox="INBOX"):
    assert there(dst, user, mailbox) == as_sent(messages)


# ---- real servers ----

@pytest.mark.parametrize("format", ["maildir", "sdbox"])
def test_every_octet(servers, dst, run, user, format):
    """Filled by IMAP, read by POP3: the witness sees no difference."""
    server = servers(Dovecot, instance="pop3", format=format, pop3=True)
    odd = [m for m in corpus.odd() if m.body.endswith(b"\r\n")]      # POP3 ends the last line of a message
    messages = [*odd, note(1, body=b".\r\n"), note(2, body=b".\r\n..\r\n...\r\n+OK\r\n-ERR no\r\n.x\r\n"),
                note(3, body=b"\r\n\r\n"), note(4, size=3 << 20), note(5, body=b".\r\n" * 100_000), *notes(200, first=10)]
    fill(server, user, {"INBOX": messages})
    report = copy(run, server.pop3_url(user), dst.url(user))
    assert report.copied == report.found == len(messages)
    found = witness.diff(witness.read(server, user), witness.read(dst, user), flags=False, dates=False, subscriptions=False)
    assert found == []
    again = copy(run, server.pop3_url(user), dst.url(user))
    assert (again.copied, again.there_by_record) == (0, len(messages))
    assert witness.diff(witness.read(server, user), witness.read(dst, user), flags=False, dates=False, subscriptions=False) == []


def test_courier(servers, dst, run, user):
    server = servers(Courier, pop3=True)
    messages = [corpus.dots(), corpus.wire_lookalike(), note(1, body=b".\r\n..\r\n+OK\r\n"), note(2, size=1 << 20), *notes(50, first=10)]
    fill(server, user, {"INBOX": messages})
    assert copy(run, server.pop3_url(user), dst.url(user)).copied == len(messages)
    assert witness.diff(witness.read(server, user), witness.read(dst, user), flags=False, dates=False, subscriptions=False) == []
    load.append_many(server, user, "INBOX", [note(999)])
    report = copy(run, server.pop3_url(user), dst.url(user), "--delete-source", "--yes", "--max-delete", "100%")
    assert (report.copied, report.deleted_at_source) == (1, len(messages) + 1)
    assert count(server, user) == 0 and count(dst, user) == len(messages) + 1


def test_new_and_gone(pop, dst, run, user):
    fill(pop, user, {"INBOX": notes(10)})
    assert copy(run, pop.pop3_url(user), dst.url(user)).copied == 10
    load.expunge(pop, user, "INBOX", "2:4")
    load.append_many(pop, user, "INBOX", notes(3, first=20))
    report = copy(run, pop.pop3_url(user), dst.url(user))
    assert (report.copied, report.there_by_record) == (3, 7)
    load.expunge(dst, user, "INBOX", "1")
    report = copy(run, pop.pop3_url(user), dst.url(user))
    assert (report.copied, report.deleted_at_destination) == (0, 1)


def test_without_state(pop, dst, run, user):
    """Known again by what they are, not by what was noted."""
    fill(pop, user, {"INBOX": notes(10) + [note(3)]})
    assert copy(run, pop.pop3_url(user), dst.url(user), "--state", "none").copied == 11
    report = copy(run, pop.pop3_url(user), dst.url(user), "--state", "none")
    assert (report.copied, report.there_by_digest + report.there_by_content) == (0, 11)


def test_dates(pop, dst, run, user):
    """Received, else Date; --since goes by them."""
    old = note(1, sent="Tue, 01 Feb 2005 10:00:00 +0100")
    new = note(2, sent="Tue, 01 Feb 2005 10:00:00 +0100",
               extra=b"Received: from a by b; Fri, 3 Feb 2023 00:00:01 +0000\r\nReceived: from c; Tue, 1 Feb 2005 10:00:00 +0000\r\n")
    fill(pop, user, {"INBOX": [old, new, note(3, sent="whenever")]})
    copy(run, pop.pop3_url(user), dst.url(user))
    dates = sorted(m.date for m in witness.read(dst, user).mailboxes["INBOX"])
    assert dates[:2] == [1107248400, 1675382401] and dates[2] > time.time() - 600
    report = copy(run, pop.pop3_url(user), dst.url(user, mailbox=None), "--into", "Since", "--since", "2020-01-01")
    assert report.copied == 1 and subjects(dst, user, "Since") == [2]


def test_several_destinations(fake, dst, run, user, proxy):
    """One maildrop into several mailboxes, each with its own record; deleted is what all have, and no message that came between."""
    server = fake(mail(6))
    into = ("--into", "One", "--into", "Two/Deep")
    deletes = ("--delete-source", "--yes", "--max-delete", "100%")

    def into_each(target, *options, code=0):
        result = run("copy", server.url(), target, "--json", *into, *options, check=code)
        rows = {line["destination"]: line for line in result.json if line["type"] == "mailbox"}
        assert list(rows) == ["One", "Two/Deep"], result
        assert result.json[-1]["found"] == rows["One"]["found"] and result.json[-1]["mailboxes"] == 1, result
        return rows["One"], rows["Two/Deep"]

    door = proxy(dst, log=True)
    one, two = into_each(door.url(user))
    assert (one["copied"], two["copied"]) == (6, 6)
    server.messages.append(raw(7))
    door.set_rules([{"do": "reply", "on": "APPEND", "match": "Two", "text": "NO not today", "times": -1}])
    one, two = into_each(door.url(user), *deletes, code=3)
    assert (one["copied"], two["copied"], two["deleted_at_source"]) == (1, 0, 6) and server.messages == [raw(7)]
    door.set_rules([])
    server.on("QUIT", lambda s, w, a: server.messages.append(raw(8)) or None)
    one, two = into_each(door.url(user), *deletes)
    assert (one["copied"], two["copied"], one["deleted_at_source"], two["deleted_at_source"]) == (0, 2, 0, 1)
    assert server.messages == [raw(8)]
    one, two = into_each(door.url(user), *deletes)
    assert (one["copied"], two["copied"], two["deleted_at_source"]) == (1, 0, 1) and server.messages == []
    same(dst, user, mail(8), "One")
    same(dst, user, mail(8), "Two/Deep")
    for wrong in (("mirror", *into), ("copy", "--delete-extra", *into), ("compare", *into)):
        assert "--into" in run(wrong[0], server.url(), dst.url(user), *wrong[1:], check=2).err


def test_check_and_list(pop, run, user):
    fill(pop, user, {"INBOX": notes(3)})
    result = run("check", pop.pop3_url(user), check=0)
    assert "greeting" in result.out and "PIPELINING" in result.out and "plain" in result.out
    out = run("list", pop.pop3_url(user), "--json", check=0).json
    (line,) = [item for item in out if item.get("mailbox") == "INBOX" or item.get("name") == "INBOX"]
    assert line["messages"] == 3


def test_delete_source(pop, dst, run, user):
    fill(pop, user, {"INBOX": notes(10)})
    report = copy(run, pop.pop3_url(user), dst.url(user), "--delete-source", "--yes", code=6)
    assert (report.copied, report.deleted_at_source) == (10, 0)
    assert count(pop, user) == 10
    report = copy(run, pop.pop3_url(user), dst.url(user), "--delete-source", "--yes", "--max-delete", "100%", "--limit", "4")
    assert report.deleted_at_source == 4
    assert count(pop, user) == 6 and count(dst, user) == 10


@pytest.mark.parametrize("auth", ["plain", "login", "scram-sha-256", "apop", "cram-md5", None])
def test_mechanisms(servers, dst, run, user, auth):
    server = servers(Dovecot, instance="pop3 auth", format="maildir", pop3=True, auth="plain login cram-md5 apop scram-sha-256")
    fill(server, user, {"INBOX": notes(1)})
    assert copy(run, server.pop3_url(user, auth=auth), dst.url(user), "--trace", "trace", "--log", "log").copied == 1
    written = (run.home / "trace").read_bytes() + (run.home / "log").read_bytes()
    assert b"CAPA" in written
    for secret in (PASSWORD.encode(), base64.b64encode(PASSWORD.encode()),
                   base64.b64encode(b"\0%s\0%s" % (user.encode(), PASSWORD.encode()))):
        assert secret not in written
    assert run("check", server.pop3_url(user, auth="plain"), check=0)
    bad = run.home / "bad"
    bad.write_text("wrong\n")
    bad.chmod(0o600)
    result = run("check", server.pop3_url(user, auth=auth, **{"pass-file": bad}), check=5)
    assert "wrong" not in result.out + result.err


def test_tls(servers, dst, run, user, pki):
    server = servers(Dovecot, instance="pop3 tls", format="maildir", pop3=True, cert=pki.good, cleartext=False)
    fill(servers(Dovecot, instance="pop3", format="maildir", pop3=True), user, {"INBOX": []})
    secure = {"tls": None, "ca-file": pki.ca}
    for url in (server.pop3_url(user, **secure),
                "pop3s" + server.pop3_url(user, port=server.pop3s_port, **secure)[len("pop3"):]):
        assert "TLS 1." in run("check", url, check=0).out.replace("TLSv", "TLS ")
    result = run("check", server.pop3_url(user, tls=None), check=4)
    assert "trusted" in result.out + result.err or "certificate" in result.out + result.err


def test_no_stls(fake, run):
    """Nothing readable goes out, and nothing at all but STLS."""
    server = fake(mail())
    result = run("check", server.url(tls=None), check=4)
    assert "STLS" in result.out + result.err
    assert [line.split(" ")[0] for line in server.commands] == ["STLS"]


# ---- servers that lack something ----

LACKS = {
    "nothing": {},
    "pipelining": {"capabilities": CAPA},
    "capa": {"capabilities": None},
    "top": {"has": ("UIDL",)},
    "uidl": {"has": ("TOP",)},
    "uidl and top": {"has": ()},
    "everything": {"has": (), "capabilities": None},
    "sizes": {"sizes": lambda m: len(m) - m.count(b"\n")},
    "all sizes": {"sizes": lambda m: 0},
    "unique uidl": {"uidls": lambda m: "same"},
    "short uidl": {"uidls": lambda m: "u" * 500 + hashlib.sha1(m).hexdigest()},
    "uidl that counts": {"uidls": "number"},
    "uidl that is one": {"uidls": lambda m: "two words" if b"note 3" in m else hashlib.sha1(m).hexdigest()},
    "no uidl for one": {"uidls": lambda m: "" if b"note 3" in m else hashlib.sha1(m).hexdigest()},
}


@pytest.mark.parametrize("lack", LACKS)
def test_lacks(fake, dst, run, run_new, user, lack):
    """Identical copies stay as many; a second run copies nothing, nor does another machine without the record; new ones come, and only they."""
    messages = mail(6) + [raw(2), raw(2), raw(9, b"open line"), raw(10, b".\r\n..\r\n+OK\r\n")]
    server = fake(messages, **LACKS[lack])
    assert copy(run, server.url(), dst.url(user)).copied == 10
    same(dst, user, messages)
    assert server.most_pending == 1 or lack not in ("pipelining", "capa", "everything")
    assert server.most_pending > 1 or lack in ("pipelining", "capa", "everything")
    assert copy(run_new(), server.url(), dst.url(user)).copied == 0
    server.calm()
    assert copy(run, server.url(), dst.url(user)).copied == 0
    if "uidl" not in lack and lack != "everything":
        assert server.count("RETR") <= 3 and server.count("TOP") <= 3      # of those that share a UIDL
    server.messages = server.messages[:2] + server.messages[3:] + [raw(20), raw(2)]
    assert copy(run, server.url(), dst.url(user)).copied == 2
    same(dst, user, messages + [raw(20), raw(2)])
    report = copy(run, server.url(), dst.url(user), "--delete-source", "--yes", "--max-delete", "100%")
    assert report.copied == 0 and report.deleted_at_source == len(messages) + 1 and server.messages == []
    same(dst, user, messages + [raw(20), raw(2)])


def test_uidl_used_again(fake, dst, run, user):
    """A number that counts from 1 again when the maildrop is empty: another message is not taken for the old one."""
    server = fake(mail(3), uidls=lambda m: "1")
    copy(run, server.url(), dst.url(user))
    server.messages = [raw(50, b"quite another one\r\n")]
    assert copy(run, server.url(), dst.url(user)).copied == 1


def test_uidls_change(fake, dst, run, user):
    """All UIDLs are new (the server was moved): nothing is copied again."""
    server = fake(mail())
    copy(run, server.url(), dst.url(user))
    server.uidls = lambda m: "x" + hashlib.sha1(m).hexdigest()
    assert copy(run, server.url(), dst.url(user)).copied == 0


def test_in_use(fake, dst, run, user):
    """Held by a session that broke off: waited for."""
    server = fake(mail())
    server.on("PASS", b"-ERR [IN-USE] locked\r\n", times=2)
    assert copy(run, server.url(), dst.url(user)).copied == 8
    assert server.fired() == 2


def test_expire(fake, dst, run, user):
    """A server that deletes at QUIT what was read is not told QUIT."""
    server = fake(mail(), capabilities=PIPELINING + ("EXPIRE 0",))
    assert copy(run, server.url(), dst.url(user)).copied == 8
    assert server.count("QUIT") == 0


# ---- faults ----

def until_complete(run, server, target, runs=6):
    for _ in range(runs):
        result = run("copy", server.url(), target, "--json", "--progress=never", *QUICK)
        assert result.code in (0, 3, 4), result
        if result.code == 0:
            return
    pytest.fail("not complete after %d runs: %r" % (runs, result))


FAULTS = [(command, fault) for command in ("CAPA", "USER", "PASS", "STAT", "LIST", "UIDL", "RETR")
          for fault in ("cut", "cut-after", 7, b"-ERR [SYS/TEMP] later\r\n", b"-ERR no\r\n", b"garbage\r\n", b"\r\n", b"+OK\r\n")]


def sampled(cases, step):
    """Every step-th case in script/check, all of them in script/soak."""
    return [pytest.param(*case, marks=() if i % step == 0 else pytest.mark.soak) for i, case in enumerate(cases)]


@pytest.mark.parametrize("command, fault, pipelining", sampled(
    [(command, fault, pipelining) for pipelining in (True, False) for command, fault in FAULTS], 5))
def test_faults(fake, dst, run, user, command, fault, pipelining):
    """One fault at the first, second or third such command: never a wrong "complete", nothing altered, nothing doubled."""
    if (command, fault, pipelining) == ("RETR", b"+OK\r\n", True):
        pytest.skip("+OK without a message, and the next answer behind it: nobody can tell that from a message")
    messages = mail() + [raw(1), raw(30, b".\r\n+OK\r\n..\r\n")]
    server = fake(messages, capabilities=PIPELINING if pipelining else CAPA)
    server.on(command, fault, nth=3 if command == "RETR" else 1)
    result = run("copy", server.url(), dst.url(user), "--json", "--progress=never", "--retries", "1", "--timeout", "3")
    assert server.fired() == 1
    if result.code == 0:
        same(dst, user, messages)
    assert not there(dst, user) - as_sent(messages), result
    server.calm()
    until_complete(run, server, dst.url(user))
    same(dst, user, messages)
    assert server.messages == messages


@pytest.mark.parametrize("pipelining", [True, False])
def test_cut_everywhere(fake, dst, run, user, pipelining):
    """The line breaks at each octet of a message in turn."""
    messages = [raw(1), raw(2, b".\r\n..\r\nx\r\n"), raw(3)]
    server = fake(messages, capabilities=PIPELINING if pipelining else CAPA)
    for nth, at in enumerate(range(1, len(messages[1]) + 14, 9)):
        server.on("RETR", at, nth=2 + nth)
    until_complete(run, server, dst.url(user), runs=30)
    same(dst, user, messages)


def test_refused_message(fake, dst, run, user):
    """-ERR for one: it alone is missing, and the stream stays in step."""
    messages = mail()
    server = fake(messages)
    server.on("RETR", lambda s, w, a: b"-ERR cannot read it\r\n" if a == "3" else None, times=-1)
    report = copy(run, server.url(), dst.url(user), code=3)
    assert (report.copied, report.failed) == (7, 1)
    assert "cannot read it" in report.found_out("failed")[0][2]
    same(dst, user, messages[:2] + messages[3:])
    report = copy(run, server.url(), dst.url(user), "--delete-source", "--yes", "--max-delete", "100%", code=3)
    assert server.messages == [messages[2]]
    server.calm()
    assert copy(run, server.url(), dst.url(user)).copied == 1
    same(dst, user, messages)


def test_stall(fake, dst, run, user):
    server = fake(mail())
    server.on("RETR", "stall", nth=4)
    assert copy(run, server.url(), dst.url(user), "--timeout", "2", "--settle", "100ms").copied == 8
    same(dst, user, mail())


SWEEP = {"true": {}, "lies": {"sizes": lambda m: len(m) - m.count(b"\n")}, "no uidl": {"has": ("TOP",)}, "one by one": {"capabilities": CAPA}}
SWEPT = mail(12) + [raw(1), raw(1), raw(2), note(50, size=700_000).body, raw(51, b".\r\n..\r\n+OK\r\n")]


def swept(count, most, soak):
    return range(1, count + 1) if soak or count <= most else sorted({1 + round(i * (count - 1) / (most - 1)) for i in range(most)})


@pytest.mark.parametrize("case, how", sampled([(case, how) for how in ("kill", "EIO") for case in SWEEP], 5))
def test_killed(fake, dst, run_new, user, soak, case, how):
    """Killed, or failed by the system, at its steps and system calls; then the rest, with --delete-source: once each, and gone at the end."""
    counts = run_new()
    path = counts.home / "counts"
    copy(counts, fake(SWEPT, **SWEEP[case]).url(), dst.url(user + "x"), env={"MAILHAUL_FAULT_COUNT": str(path)})
    if not path.exists():
        pytest.skip("built without -Dfaults=true")
    found = dict(line.rsplit(None, 1) for line in path.read_text().splitlines())
    names = ("point", "pwrite", "fsync", "send", "recv", "open") if how == "kill" else ("pwrite", "send", "recv", "open", "poll")
    deletes = ("--delete-source", "--yes", "--max-delete", "100%")
    killed = 0
    for name in names:
        for n in swept(int(found.get(name, 0)), 3, soak):
            server, run, who = fake(SWEPT, **SWEEP[case]), run_new(), "%s-%s-%d" % (user, name, n)
            first = run("copy", server.url(), dst.url(who), *deletes, "--settle", "100ms", "--retries", "2",
                        env={"MAILHAUL_FAULT": "%s:%d:%s" % (name, n, how)})
            killed += first.code < 0
            have = there(dst, who)
            assert not have - as_sent(SWEPT), (first, name, n)
            lost = as_sent(SWEPT) - have - as_sent(server.messages)
            assert not lost, ("lost", first, name, n)
            report = copy(run, server.url(), dst.url(who), *deletes, "--settle", "100ms")
            assert server.messages == [] and report.failed == 0
            same(dst, who, SWEPT)
    assert killed > 12 or how != "kill"


# ---- deleting ----

@pytest.mark.parametrize("command, fault, gone", [
    ("DELE", "cut", False), ("DELE", b"-ERR no\r\n", None), ("DELE", "cut-after", False), ("QUIT", "cut", False),
    ("QUIT", "cut-after", True), ("QUIT", b"-ERR some were not removed\r\n", False)])
def test_delete_faults(fake, dst, run, user, command, fault, gone):
    """Deleted is what QUIT confirmed, or what is not there any more: nothing else is said, and nothing is lost."""
    messages = mail()
    server = fake(messages)
    copy(run, server.url(), dst.url(user))
    server.on(command, fault, nth=3 if command == "DELE" else 1)
    options = ("--delete-source", "--yes", "--max-delete", "100%", "--retries", "0")
    report = copy(run, server.url(), dst.url(user), *options, code=0 if gone else 4 if "cut" in str(fault) else 3)
    assert report.deleted_at_source == (8 if gone else 0)
    assert len(server.messages) == (0 if gone else 1 if gone is None else 8)
    server.calm()
    copy(run, server.url(), dst.url(user), *options)
    assert server.messages == []
    same(dst, user, messages)


def test_delete_checks_the_uidl(fake, dst, run, user):
    """Message numbers that mean something else all of a sudden: nothing is deleted."""
    server = fake(mail())
    copy(run, server.url(), dst.url(user))
    server.on("UIDL", lambda s, w, a: b"+OK %s other\r\n" % a.encode() if a == "5" else None, times=-1)
    report = copy(run, server.url(), dst.url(user), "--delete-source", "--yes", "--max-delete", "100%", code=6)
    assert report.deleted_at_source == 0 and server.count("DELE") == 0 and len(server.messages) == 8


def test_delete_only_what_is_there(fake, dst, run, user):
    """New mail that came meanwhile stays."""
    server = fake(mail())
    server.on("QUIT", lambda s, w, a: server.messages.append(raw(77)) or None)
    copy(run, server.url(), dst.url(user))
    assert len(server.messages) == 9
    report = copy(run, server.url(), dst.url(user), "--delete-source", "--yes", "--max-delete", "100%", "--limit", "8")
    assert report.deleted_at_source == 8 and len(server.messages) == 1


# ---- hostile servers ----

ENDLESS = b"x" * 65536


def endless(line_end=b""):
    def reply(session, word, argument):
        session.sock.sendall(b"+OK\r\n")
        for _ in itertools.repeat(None, 5000):
            session.sock.sendall(ENDLESS + line_end)
        return b""
    return reply


@pytest.mark.parametrize("command", ["CAPA", "USER", "STAT", "LIST", "UIDL"])
def test_endless_lines(fake, dst, run, user, command):
    server = fake(mail())
    server.on(command, endless(), times=-1)
    result = run("copy", server.url(), dst.url(user), "--retries", "0", "--timeout", "10")
    assert result.code in (3, 4), result
    assert count(dst, user) == 0


@pytest.mark.parametrize("answer", [b"+OK\r\n4000000000 5\r\n.\r\n", b"+OK\r\n1 5\r\n1 5\r\n.\r\n", b"+OK\r\n2 5\r\n1 5\r\n.\r\n",
                                    b"+OK\r\n1\r\n.\r\n", b"+OK\r\nx y\r\n.\r\n", b"+OK\r\n.\r\n", b"+OK\r\n-1 5\r\n.\r\n"])
def test_bad_lists(fake, dst, run, user, answer):
    """A listing that is none is unknown, never empty."""
    server = fake(mail())
    server.on("LIST", answer, times=-1)
    result = run("copy", server.url(), dst.url(user), "--retries", "0")
    assert result.code in (3, 4), result
    assert server.count("DELE") == 0 and count(dst, user) == 0


def test_flood_of_uidls(fake, dst, run, user):
    server = fake(mail())

    def flood(session, word, argument):
        session.sock.sendall(b"+OK\r\n")
        while True:
            session.sock.sendall(b"1 a\r\n" * 10_000)

    server.on("UIDL", flood, times=-1)
    result = run("copy", server.url(), dst.url(user), "--retries", "0")
    assert result.code in (3, 4) and count(dst, user) == 0, result


def test_interrupted(fake, dst, run, user):
    """SIGINT while the server is silent: at once, and the rest comes next time."""
    server = fake(mail())
    server.on("RETR", "stall", nth=5)
    process = run.start("copy", server.url(), dst.url(user))
    end = time.monotonic() + 20
    while not server.fired() and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert run.finish(process).code == 130
    server.calm()
    copy(run, server.url(), dst.url(user), "--retries", "6", "--settle", "100ms")
    same(dst, user, mail())


def test_top_that_gives_everything(fake, dst, run, run_new, user):
    """The number of lines is ignored: headers are recognized all the same."""
    server = fake(mail() + [note(50, size=1 << 20).body], has=("TOP",))
    server.on("TOP", lambda s, w, a: s.do_retr(a.split(" ")[0]), times=-1)
    assert copy(run, server.url(), dst.url(user)).copied == 9
    assert copy(run, server.url(), dst.url(user)).copied == 0
    assert copy(run_new(), server.url(), dst.url(user)).copied == 0
    same(dst, user, server.messages)


def test_huge_count(fake, dst, run, user):
    server = fake(mail())
    server.on("STAT", b"+OK 4294967295 18446744073709551615\r\n", times=-1)
    assert run("copy", server.url(), dst.url(user), "--retries", "0").code in (3, 4)


def test_endless_message(fake, dst, run, user):
    """It is given up, alone: the others arrive."""
    messages = mail()
    server = fake(messages)
    ask = endless(b"\r\n")
    server.on("RETR", lambda s, w, a: ask(s, w, a) if a == "3" else None, times=-1)
    report = copy(run, server.url(), dst.url(user), "--max-size", "1M", code=3, timeout=120)
    assert (report.copied, report.failed) == (7, 1)
    same(dst, user, messages[:2] + messages[3:])


def test_max_size(fake, dst, run, user):
    server = fake(mail() + [note(50, size=2 << 20).body])
    report = copy(run, server.url(), dst.url(user), "--max-size", "1M")
    assert report.copied == 8 and sum(report.skipped.values()) == 1
    assert server.count("RETR") == 8


def test_control_characters(fake, run):
    """What a server says reaches no terminal raw."""
    server = fake([], greeting=b"+OK \x1b]0;owned\x07 ready\r\n", capabilities=CAPA + ("X \x1b[31m",))
    result = run("check", server.url(), check=0)
    assert "\x1b" not in result.out + result.err and "\x07" not in result.out + result.err


def test_writing_is_refused(fake, src, run, user):
    """Read side only: said before anything is done."""
    server = fake(mail())
    result = run("copy", src.url(user), server.url(), check=2)
    assert "only be read" in result.err and not server.commands


@pytest.mark.parametrize("at", range(40, 4000, 720))
def test_dovecot_cut(pop, dst, run, user, proxy, at):
    """A real server's line breaks after so many octets, again and again."""
    fill(pop, user, {"INBOX": [*notes(8), note(50, size=3000)]})
    broken = proxy(pop, target=pop.pop3_port, rules=[{"do": "cut", "direction": "s2c", "bytes": at}])
    result = run("copy", pop.pop3_url(user, port=broken.port), dst.url(user), "--retries", "2")
    assert result.code in (0, 3, 4), result
    copy(run, pop.pop3_url(user), dst.url(user))
    assert sorted(subjects(dst, user)) == [*range(1, 9), 50]
