"""Servers that lie, drip, flood and break the rules: the program neither crashes nor hangs nor swells, loses and doubles
nothing, and its verdict is right.

Every run goes through attack(): bounded memory, bounded time, no sanitizer's complaint, no control character in what a
terminal would get, and the report adds up.
"""
import os
import re
import signal
import subprocess
import tempfile
import time
import unicodedata
import zlib

import pytest

from conftest import SANITIZER, SANITIZER_CODE, Result
from copying import Report, fill, note, notes
from grid import some
from lab import witness
from lab.hostile import CAPABILITIES, Fake
from lab.server import PASSWORD

MIB = 1 << 20
MEMORY = 64 * MIB       # what a server may make us take beyond a run with nothing special
BODY = r"FETCH .*BODY(\.PEEK)?\[\]"
SCAN = r"UID FETCH (?!.*BODY)"
DATE = b'INTERNALDATE "01-Jan-2024 12:00:00 +0000"'
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class Run(Result):
    """A finished run with its memory and its time."""


def measured(run, *args, limit=40):
    """Runs the program and looks at its peak of memory. The sanitizer's own hoard is kept small."""
    env = {"ASAN_OPTIONS": run.env["ASAN_OPTIONS"] + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # With a preexec_fn Python forks: after a vfork its own memory would count as the peak.
        process = run.start(*args, env=env, stdout=out, stderr=err, preexec_fn=int)
        began = time.monotonic()
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - began > limit:
                process.kill()
                os.wait4(process.pid, 0)
                process.returncode = -9
                err.seek(0)
                pytest.fail("still running after %d s: %s\n%s" % (limit, args, err.read()[-2000:].decode(errors="replace")))
            time.sleep(0.01)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        result = Run(list(process.args), process.returncode, out.read().decode(errors="surrogateescape"),
                     err.read().decode(errors="surrogateescape"))
    result.seconds = time.monotonic() - began
    result.memory = usage.ru_maxrss * 1024
    assert not SANITIZER.search(result.err) and result.code != SANITIZER_CODE, result
    assert result.code >= 0, result
    return result


@pytest.fixture(scope="module")
def base():
    """The memory of a run with nothing special, measured once."""
    return {}


@pytest.fixture
def attack(run, base):
    """attack(*args, codes=(0,)) runs the program against a hostile server; see above."""

    def go(*args, codes=(0,), limit=40, memory=MEMORY):
        if not base:
            with Fake({"INBOX": notes(3)}) as tame, Fake() as target:
                base["copy"] = measured(run, "copy", tame.url("u"), target.url("u")).memory
        result = measured(run, *args, limit=limit)
        assert result.code in codes, result
        harmless(result.out)
        harmless(result.err)
        assert result.memory < base["copy"] + memory, "%d MiB, usually %d" % (result.memory // MIB, base["copy"] // MIB)
        if "--json" in args and args[0] == "copy" and result.out:
            result.report = Report(result)
        return result

    return go


def harmless(text):
    """Nothing in it that a terminal obeys, or that turns text around."""
    assert text.encode(errors="surrogateescape").decode(errors="replace") == text, "not UTF-8"
    bad = [c for c in text if c not in "\n\t" and (unicodedata.category(c) == "Cc" or c in BIDI)]
    assert not bad, (bad[:5], text[:2000])


def copy(attack, fake, dst, user, *options, **kwargs):
    return attack("copy", "--json", "--progress=never", "--timeout=5s", "--settle=100ms", "--retries=1", *options,
                  fake.url(user), dst.url(user), **kwargs)


def arrived(dst, user, mailbox="INBOX"):
    """The bodies at the destination, sorted, by the witness."""
    account = witness.read(dst, user)
    return sorted(msg.sha for msg in account.mailboxes.get(mailbox, []))


def shas(messages):
    import hashlib
    return sorted(hashlib.sha256(msg.body).hexdigest() for msg in messages)


def fetched(number, body, uid=None):
    """A FETCH with a body, as a server writes it."""
    return b"* %d FETCH (UID %d FLAGS () %s BODY[] {%d}\r\n%s)\r\n" % (number, uid or number, DATE, len(body), body)


# literals and lines

@pytest.mark.parametrize("size, where", some([b"2147483648", b"4294967301", b"9223372036854775807", b"9223372036854775808",
                                  b"18446744073709551617", b"-1", b"99999999999999999999999999", b"", b"1e9", b" 5"],
                                             ["body", "list", "flags"]))
def test_literals_that_lie(attack, user, where, size):
    """Nothing is allocated by what is announced, and what did not come whole does not arrive."""
    messages = notes(3)
    with Fake({"INBOX": messages}) as fake, Fake() as dst:
        line = {"body": b"* 2 FETCH (UID 2 FLAGS () " + DATE + b" BODY[] {%s}\r\n",
                "list": b'* LIST () "/" {%s}\r\n', "flags": b"* 2 FETCH (UID 2 FLAGS ({%s}\r\n"}[where] % size

        def reply(session):
            session.send(line + b"x" * 5000)
            session.close()
        fake.on({"body": BODY, "list": "^LIST", "flags": SCAN}[where], reply)
        result = copy(attack, fake, dst, user, codes=(3, 4))
        assert not dst.messages() and dst.boxes.keys() == {"INBOX"}
        assert '"complete"' not in result.out


def stream(session, data, octets):
    """Sends data again and again; the client may hang up whenever it likes."""
    sent = 0
    chunk = data * max(1, 65536 // len(data))
    while sent < octets:
        session.send(chunk)
        sent += len(chunk)
    session.server.sent = sent


@pytest.mark.parametrize("start,where", [
    (b"* LIST () \"/\" \"", "^LIST"), (b"* ", "^LIST"), (b"", "^LIST"), (b"* 1 FETCH (FLAGS (", SCAN),
    (b"* OK [CAPABILITY ", "^CAPABILITY"), (b"* BYE ", "^LIST"), (b"%TAG% NO ", "^EXAMINE"), (b"* 1 FETCH (BODY[] \"", BODY)])
def test_lines_without_end(attack, user, start, where):
    """Ten gigabytes would come; the cap ends it long before."""
    with Fake({"INBOX": notes(1)}, greeting=b"* OK hi\r\n") as fake, Fake() as dst:
        fake.sent = 0
        fake.on(where, lambda s: (s.send(start.replace(b"%TAG%", s.tag)), stream(s, b"a ", 10 << 30)))
        result = copy(attack, fake, dst, user, codes=(3, 4))
        assert fake.sent == 0, "all of it was read"
        assert not dst.messages()


def test_greeting_without_end(attack, user):
    with Fake(greeting=lambda s: s.send(b"* OK ") or stream(s, b"a", 10 << 30) or b"") as fake:
        attack("list", "--timeout=5s", fake.url(user), codes=(4,))


@pytest.mark.parametrize("count", [100, 100_000])
def test_deep_nesting(attack, user, count):
    """Parentheses within parentheses: no recursion that a server decides on."""
    messages = notes(2)
    with Fake({"INBOX": messages}) as fake, Fake() as dst:
        fake.on("^NAMESPACE", lambda s: s.send(b"* NAMESPACE " + b"(" * count + b")" * count + b" NIL NIL\r\n") or s.ok())
        fake.on(SCAN, lambda s: s.send(b"* 1 FETCH (BODYSTRUCTURE " + b"(" * count + b")" * count + b" UID 1)\r\n") or s.default())
        result = copy(attack, fake, dst, user, codes=(0, 3, 4))
        if result.code == 0:
            assert len(dst.messages()) == 2
        else:
            assert '"complete"' not in result.out


# floods

@pytest.mark.parametrize("line", [b"* OK still here\r\n", b"* 1 EXISTS\r\n", b"* XYZZY\r\n", b"* 7 FETCH (FLAGS (\\Seen))\r\n",
                                  b"+ \r\n"])
def test_endless_untagged(attack, user, line):
    """A server that talks and never answers: it is not silent, and yet it is given up."""
    with Fake({"INBOX": notes(1)}) as fake, Fake() as dst:
        fake.on(SCAN, lambda s: stream(s, line, 1 << 40))
        result = copy(attack, fake, dst, user, "--timeout=1s", "--retries=0", codes=(3, 4))
        assert not dst.messages(), result


@pytest.mark.parametrize("where", [SCAN, BODY])
def test_endless_fetches(attack, user, where):
    """A mailbox of one message, and no end of answers about others."""
    with Fake({"INBOX": notes(1)}) as fake, Fake() as dst:
        def flood(session):
            for first in range(1000, 1 << 31, 1000):
                session.send(b"".join(b"* %d FETCH (UID %d FLAGS () %s RFC822.SIZE 5 BODY[] {3}\r\nA\r\n)\r\n" % (uid, uid, DATE)
                                      for uid in range(first, first + 1000)))
        fake.on(where, flood)
        result = copy(attack, fake, dst, user, "--retries=0", codes=(3, 4))
        assert not dst.messages() and "does not come to an end" in result.err, result


@pytest.mark.parametrize("where", ["^LIST", "^AUTHENTICATE", "^EXAMINE", BODY])
def test_slowloris(attack, user, where):
    """An octet at a time, for ever: every step ends within its time."""
    with Fake({"INBOX": notes(1)}) as fake, Fake() as dst:
        def drip(session):
            for octet in b"* OK " + b"x" * 10_000:
                session.send(bytes([octet]))
                session.sleep(0.3)
        fake.on(where, drip)
        result = copy(attack, fake, dst, user, "--timeout=1s", "--retries=0", codes=(3, 4))
        assert not dst.messages()


def test_slowloris_greeting(attack, user):
    def drip(session):
        for octet in b"* OK " + b"x" * 10_000:
            session.send(bytes([octet]))
            session.sleep(0.3)
    with Fake(greeting=drip) as fake:
        attack("list", "--timeout=1s", fake.url(user), codes=(4,))


@pytest.mark.parametrize("what", [b"x", b"* OK flood\r\n", b"\r\n"])
def test_deflate_bomb(attack, user, what):
    """A thousand octets for each that comes: lines and answers stay bounded all the same."""
    with Fake({"INBOX": notes(1)}, capabilities=CAPABILITIES + " COMPRESS=DEFLATE") as fake:
        def compress(session):
            session.ok()
            squeeze = zlib.compressobj(9, wbits=-15)
            bomb = squeeze.compress(what * (32 * MIB // len(what))) + squeeze.flush(zlib.Z_FULL_FLUSH)
            while True:
                session.send(bomb)
        fake.on("^COMPRESS", compress)
        attack("list", "--compress=yes", "--timeout=2s", fake.url(user), codes=(3, 4))


@pytest.mark.parametrize("data", [b"\0" * 100, b"\xff" * 5000, b"* OK not compressed\r\n", b""])
def test_deflate_garbage(attack, user, data):
    with Fake(capabilities=CAPABILITIES + " COMPRESS=DEFLATE") as fake:
        fake.on("^COMPRESS", lambda s: s.ok() or s.send(data) or s.close())
        attack("list", "--compress=yes", "--timeout=2s", fake.url(user), codes=(4,))


# names

ODD_NAMES = ["../../etc/passwd", "/absolute", "..", "a/../b", "a//b", "esc\x1b[31mred\x1b[0m", "osc\x1b]52;c;ZXZpbA==\x07", "nl&AAo-x",
             "&AAAA-nul", "bidi&IC4-gnp.exe", "&-&-&-", "&bad", "&AGE-b", "&2AA-lone", "c1&AJs-31m", "tab&AAk-", "back\\slash",
             "quo\"te", "%u%s%n", "*star%", "~", "$(touch pwned)", "`touch pwned`", "; touch pwned", "-rf", "{5}", "{5+}", "NIL",
             "A" * 300, "deep/" * 30 + "end", "trailing ", " leading", "con", "cur", "new", "tmp", ".hidden", "Caf&AOk-", "Cafe&AwE-",
             "CASE", "case", "Case"]


def test_names(attack, user, dst, run):
    """Whatever mailboxes are called, the mail arrives, nothing is obeyed, and nothing leaves the account."""
    boxes = {"INBOX": notes(1)}
    boxes.update({name: [note(100 + i)] for i, name in enumerate(ODD_NAMES)})
    with Fake(boxes) as fake:
        fake.on("^LIST|^LSUB", lambda s: listing(s, boxes))
        shown = attack("list", fake.url(user), codes=(0, 1))
        assert "etc/passwd" in shown.out
        attack("list", "--json", fake.url(user), codes=(0, 1))
        attack("list", "--raw-names", fake.url(user), codes=(0, 1))
        attack("check", "--scan", fake.url(user), codes=(0, 1))
        result = copy(attack, fake, dst, user, codes=(0, 1, 3))
        refused = [line for line in result.report.mailboxes.values() if line["state"] not in ("done", "unchanged")]
        account = witness.read(dst, user)
        whole = sorted(msg.sha for box in account.mailboxes.values() for msg in box)
        there = [line for line in result.report.mailboxes.values() if line["copied"]]
        assert len(whole) == len(set(whole)) == len(there), result
        assert set(whole) <= set(shas([msg for box in boxes.values() for msg in box]))
        # What the destination cannot hold is named; the rest is there.
        assert len(there) + len(refused) >= len(boxes) - 2, (len(there), refused)
        assert result.code != 0 or len(there) == len(boxes)
        # Once more: nothing doubled.
        again = copy(attack, fake, dst, user, codes=(0, 1, 3))
        assert again.report.copied == 0, again
        attack("copy", fake.url(user), dst.url(user), codes=(0, 1, 3))
    assert not [name for name in os.listdir(run.home) if "pwned" in name]
    home = os.path.join(dst.dir, "home")
    assert all(name.startswith("user") or name in ("anna", "other") for name in os.listdir(home)), os.listdir(home)


def listing(session, names, attributes=b""):
    """All names as literals, which carry any octet."""
    what = session.words[0].upper()
    if b'""' == session.line.split()[-1]:
        session.default()
        return
    for name in names:
        data = name.encode("latin-1", errors="ignore")
        session.send(b'* %s (%s) "/" {%d}\r\n%s\r\n' % (what, attributes, len(data), data))
    session.ok()


@pytest.mark.parametrize("text", [b"\x1b[2J\x1b]0;evil\x07", b"\xe2\x80\xae\xd8\x9c", b"\xc2\x9b31m", b"\xff\xfe\x80", b"a\tb\x08\x08\x7f\x00"])
def test_words_of_the_server(attack, user, text):
    """Greeting, ALERT, NO, BYE, ID, capabilities: shown, and harmless."""
    with Fake({"INBOX": notes(1)}, greeting=b"* OK hello " + text + b"\r\n", capabilities=CAPABILITIES + " ID") as fake:
        fake.on("^ID", lambda s: s.send(b'* ID ("name" "' + text.replace(b"\0", b"") + b'")\r\n') or s.ok())
        fake.on("^CAPABILITY", lambda s: s.send(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN ID X" + text.replace(b"\t", b"") + b"\r\n") or s.ok())
        fake.on("^NAMESPACE", lambda s: s.send(b"* OK [ALERT] " + text + b"\r\n") or s.default())
        for options in ([], ["--json"], ["-vv"]):
            attack("check", "--capabilities", *options, fake.url(user), codes=(0, 4))
        fake.on("^LIST", b"%TAG% NO " + text + b"\r\n")
        attack("list", "-vv", fake.url(user), codes=(3, 4))
        fake.rules.insert(0, [re.compile(b"AUTHENTICATE"), b"%TAG% NO " + text + b"\r\n", -1])
        attack("list", fake.url(user), codes=(4, 5))
        fake.greeting = b"* BYE " + text + b"\r\n"
        attack("list", fake.url(user), codes=(4,))
        fake.greeting = text + b" is no IMAP\r\n"
        attack("list", fake.url(user), codes=(4,))


def test_names_that_collide(attack, user):
    """Two of the source's names that the destination's delimiter makes one, and names that differ only in case."""
    boxes = {"INBOX": [], "a.b": [note(1)], "a/b": [note(2)], "Case": [note(3)], "case": [note(4)]}
    with Fake(boxes) as fake, Fake(delimiter=".") as dst:
        result = copy(attack, fake, dst, user, codes=(0, 1, 3))
        bodies = [msg for name in dst.boxes for msg in dst.messages(name)]
        assert len(bodies) == 4, result
        assert len([name for name in dst.boxes if dst.messages(name)]) == 4
        copy(attack, fake, dst, user, codes=(0, 1, 3))
        assert sum(len(dst.messages(name)) for name in dst.boxes) == 4


def test_the_same_name_twice(attack, user):
    """A server that lists a mailbox twice, or lists what is not there."""
    with Fake({"INBOX": notes(2), "A": notes(2, 10)}) as fake, Fake() as dst:
        fake.on("^LIST", lambda s: listing(s, ["A", "INBOX", "A", "inbox", "ghost"]))
        result = copy(attack, fake, dst, user, codes=(0, 3))
        assert len(dst.messages("A")) == 2 and len(dst.messages("INBOX")) == 2, result


def test_fifty_thousand_mailboxes(attack, user):
    with Fake() as fake:
        data = b"".join(b'* LIST () "/" "box %d/sub"\r\n' % i for i in range(50_000))
        fake.on('^LIST .*[*]', lambda s: s.send(data) or s.ok())
        result = attack("list", "--json", fake.url(user), codes=(0, 1))
        assert len(result.json) >= 50_000


# what a FETCH may say

def lying(session, change):
    """Answers a FETCH of bodies with change(session, [(number, uid, body)])."""
    box = session.box.messages
    chosen = [(number, msg.uid, msg.body) for number, msg in session._chosen(session.words[2])]
    change(session, chosen)


def plain(session, chosen):
    for number, uid, body in chosen:
        session.send(fetched(number, body, uid))


def backwards(session, chosen):
    plain(session, reversed(chosen))
    session.ok()


def doubled(session, chosen):
    plain(session, chosen)
    plain(session, chosen)
    session.ok()


def doubled_at_once(session, chosen):
    for item in chosen:
        plain(session, [item, item])
    session.ok()


def chatty(session, chosen):
    noise = (b"* 3 EXISTS\r\n* 1 RECENT\r\n* FLAGS (\\Seen x)\r\n* OK [PERMANENTFLAGS ()] x\r\n* SEARCH 1 2 99\r\n* SEARCH\r\n"
             b'* LIST () "/" evil\r\n* STATUS INBOX (MESSAGES 9 UIDNEXT 1)\r\n* 0 FETCH (UID 0)\r\n* 99 FETCH (UID 99 FLAGS ())\r\n'
             b"* 2 FETCH (FLAGS (\\Seen))\r\n* NO [ALERT] look\r\n* BAD what\r\n* ENABLED QRESYNC\r\n* XYZZY 1 (2 3)\r\n"
             b"* ESEARCH (TAG \"m1\") UID ALL 1:4294967295\r\n* CAPABILITY IMAP4rev1\r\n* NAMESPACE NIL NIL NIL\r\n* ID NIL\r\n"
             b"* 4294967295 EXISTS\r\n* 3 EXISTS\r\n")
    for item in chosen:
        session.send(noise)
        plain(session, [item])
    session.send(noise)
    session.ok()


def unasked_bodies(session, chosen):
    """Bodies of messages nobody asked for, and one under a number that is another's."""
    session.send(fetched(9, b"From: evil\r\n\r\nevil\r\n", 77))
    plain(session, chosen)
    session.send(fetched(1, b"From: evil\r\n\r\nother\r\n", 4_000_000_000))
    session.ok()


def left_out_once(session, chosen):
    """The second is left out of a longer answer, and there when it is asked for alone."""
    plain(session, chosen if len(chosen) == 1 else [c for c in chosen if c[1] != 2])
    session.ok()


def broken_flags(session, chosen):
    for number, uid, body in chosen:
        session.send(b"* %d FETCH (UID %d FLAGS (\\Seen NIL \\* ]x $ok \"quoted\" ) %s BODY[] {%d}\r\n%s)\r\n"
                     % (number, uid, DATE, len(body), body))
    session.ok()


def partial_name(session, chosen):
    """The section in the letters and the place that some servers use."""
    for number, uid, body in chosen:
        session.send(b"* %d fetch (body[] {%d}\r\n%s flags () uid %d %s)\r\n" % (number, len(body), body, uid, DATE.lower()))
    session.ok()


@pytest.mark.parametrize("change", [backwards, doubled, doubled_at_once, chatty, unasked_bodies, left_out_once, broken_flags,
                                    partial_name], ids=lambda f: f.__name__)
def test_odd_answers_lose_nothing(attack, user, dst, change):
    messages = notes(3)
    with Fake({"INBOX": messages}) as fake:
        fake.on(BODY, lambda s: lying(s, change))
        result = copy(attack, fake, dst, user, codes=(0, 1))
        assert arrived(dst, user) == shas(messages), result
        again = copy(attack, fake, dst, user, codes=(0, 1))
        assert again.report.copied == 0 and arrived(dst, user) == shas(messages)


def without_uid(session, chosen):
    for number, uid, body in chosen:
        session.send(b"* %d FETCH (FLAGS () %s BODY[] {%d}\r\n%s)\r\n" % (number, DATE, len(body), body))
    session.ok()


def uid_zero(session, chosen):
    for number, uid, body in chosen:
        session.send(b"* %d FETCH (UID %d FLAGS () %s BODY[] {%d}\r\n%s)\r\n" % (number, uid if uid != 2 else 0, DATE, len(body), body))
    session.ok()


def nil_body(session, chosen):
    for number, uid, body in chosen:
        if uid == 2:
            session.send(b"* 2 FETCH (UID 2 FLAGS () %s BODY[] NIL)\r\n" % DATE)
        else:
            plain(session, [(number, uid, body)])
    session.ok()


def empty_body(session, chosen):
    for number, uid, body in chosen:
        if uid == 2:
            session.send(b"* 2 FETCH (UID 2 FLAGS () %s BODY[] {0}\r\n)\r\n" % DATE)
        else:
            plain(session, [(number, uid, body)])
    session.ok()


def empty_string(session, chosen):
    for number, uid, body in chosen:
        if uid == 2:
            session.send(b'* 2 FETCH (UID 2 FLAGS () %s BODY[] "")\r\n' % DATE)
        else:
            plain(session, [(number, uid, body)])
    session.ok()


def no_for_one(session, chosen):
    plain(session, [c for c in chosen if c[1] != 2])
    session.no("[SERVERBUG] cannot read one") if any(c[1] == 2 for c in chosen) else session.ok()


def left_out_always(session, chosen):
    plain(session, [c for c in chosen if c[1] != 2])
    session.ok()


def uid_too_large(session, chosen):
    for number, uid, body in chosen:
        text = b"%d" % uid if uid != 2 else b"4294967298"
        session.send(b"* %d FETCH (UID %s FLAGS () %s BODY[] {%d}\r\n%s)\r\n" % (number, text, DATE, len(body), body))
    session.ok()


@pytest.mark.parametrize("change", [uid_zero, nil_body, empty_body, empty_string, no_for_one, left_out_always, uid_too_large],
                         ids=lambda f: f.__name__)
def test_one_that_cannot_be_had(attack, user, dst, change):
    """The others arrive, the one is named, and "complete" is not said."""
    messages = notes(3)
    good = [messages[0], messages[2]]
    with Fake({"INBOX": messages}) as fake:
        fake.on(BODY, lambda s: lying(s, change))
        result = copy(attack, fake, dst, user, codes=(3,))
        assert arrived(dst, user) == shas(good), result
        assert result.report.verdict != "complete"
        assert any(f.get("uid") == 2 for f in result.report.findings), result
        fake.rules.clear()
        copy(attack, fake, dst, user, codes=(0, 1))
        assert arrived(dst, user) == shas(messages)


def test_bodies_without_uid(attack, user, dst):
    """Whose body it is, is not guessed from the number."""
    with Fake({"INBOX": notes(3)}) as fake:
        fake.on(BODY, lambda s: lying(s, without_uid))
        result = copy(attack, fake, dst, user, codes=(0, 3))
        there = arrived(dst, user)
        assert there == (shas(notes(3)) if result.code == 0 else []), result


def test_expunged_meanwhile(attack, user, dst):
    """Gone when its body is asked for, and the server says so: vanished, not failed, and not unknown."""
    messages = notes(3)
    with Fake({"INBOX": messages}) as fake:
        def expunge(session):
            box = session.box.messages
            if len(box) == 3:
                del box[1]
                session.send(b"* 2 EXPUNGE\r\n")
            session.default()
        fake.on(BODY, expunge)
        result = copy(attack, fake, dst, user, codes=(0,))
        assert result.report.vanished == 1, result
        assert arrived(dst, user) == shas([messages[0], messages[2]])


@pytest.mark.parametrize("search", [True, False], ids=["searched", "hidden"])
def test_left_out_for_ever(attack, user, dst, search):
    """A message that no FETCH of bodies gives out, and nobody expunged: it is not called vanished, whether a search for it
    finds it, or is as silent while the count stays."""
    messages = notes(3)
    with Fake({"INBOX": messages}) as fake:
        hidden = []

        def without(session):
            whole = session.box.messages
            session.box.messages = [stored for stored in whole if stored.uid != 2]
            session.default()
            session.box.messages = whole
            hidden.append(1)
        fake.on(BODY, without)
        fake.on("^UID SEARCH", lambda s: without(s) if hidden and not search else s.default())
        result = copy(attack, fake, dst, user, codes=(3,))
        assert arrived(dst, user) == shas([messages[0], messages[2]])
        report = result.report
        assert report.vanished == 0 and report.failed + report.unknown == 1 and report.verdict == "incomplete", result
        assert [finding["uid"] for finding in report.findings] == [2]
        fake.rules.clear()
        copy(attack, fake, dst, user)
        assert arrived(dst, user) == shas(messages)


@pytest.mark.parametrize("size", [0, 1, 10_000_000, 4_294_967_295, 99_999_999_999])
def test_wrong_sizes(attack, user, dst, size):
    """RFC822.SIZE is a hint; the literal is the message."""
    messages = notes(3)
    with Fake({"INBOX": messages}) as fake:
        for stored in fake.boxes["INBOX"].messages:
            stored.size = size
        result = copy(attack, fake, dst, user, codes=(0, 1))
        assert arrived(dst, user) == shas(messages), result
        assert copy(attack, fake, dst, user, codes=(0, 1)).report.copied == 0


@pytest.mark.parametrize("line", [b"* 1 FETCH (UID 0 FLAGS () %s RFC822.SIZE 5)\r\n", b"* 2 FETCH (UID 1 FLAGS () %s RFC822.SIZE 5)\r\n",
                                  b"* 1 FETCH (UID 4294967295 FLAGS () %s RFC822.SIZE 5)\r\n", b"* 1 FETCH (FLAGS () %s)\r\n",
                                  b"* 4294967295 FETCH (UID 3000000000 FLAGS () %s RFC822.SIZE 5)\r\n",
                                  b"* 1 FETCH (UID -1 FLAGS () %s)\r\n", b"* 1 FETCH (UID 9.37e+06 FLAGS () %s)\r\n"])
def test_scans_that_lie(attack, user, dst, line):
    """A line too many in the listing: the real messages arrive once, what does not exist makes no copy."""
    messages = notes(3)
    with Fake({"INBOX": messages}) as fake:
        fake.on(SCAN, lambda s: s.send(line % DATE) or s.default())
        result = copy(attack, fake, dst, user, codes=(0, 1, 3))
        there = arrived(dst, user)
        assert len(there) == len(set(there)) and set(there) <= set(shas(messages)), result
        assert result.code != 0 or there == shas(messages), result
        fake.rules.clear()
        copy(attack, fake, dst, user, codes=(0, 1))
        assert arrived(dst, user) == shas(messages)


def test_a_scan_that_shows_too_few(attack, user, dst):
    """EXISTS says three, the listing shows one: what is not known is not called complete."""
    with Fake({"INBOX": notes(3)}) as fake:
        fake.on(SCAN, lambda s: s.send(b"* 1 FETCH (UID 1 FLAGS () %s RFC822.SIZE 50)\r\n" % DATE) or s.ok())
        result = copy(attack, fake, dst, user, codes=(3,))
        assert result.report.verdict != "complete"


@pytest.mark.parametrize("reply", [b"%TAG% NO later\r\n", b"%TAG% BAD what\r\n", b"* LIST (\r\n%TAG% OK\r\n", b"%TAG% OK nothing\r\n"])
def test_listings_that_fail(attack, user, reply):
    """A listing that failed is unknown, never empty."""
    with Fake({"INBOX": notes(1)}) as fake, Fake() as dst:
        fake.on("^LIST .*[*]", reply)
        result = copy(attack, fake, dst, user, codes=(0, 3, 4))
        if b" OK nothing" in reply:
            return      # there is always an INBOX, or nothing at all
        assert result.code != 0 and '"complete"' not in result.out, result


@pytest.mark.parametrize("reply", [b"%TAG% OK\r\n", b"* STATUS INBOX ()\r\n%TAG% OK\r\n", b"%TAG% NO\r\n",
                                   b"* STATUS INBOX (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1000)\r\n%TAG% OK\r\n",
                                   b"* STATUS INBOX (MESSAGES 99 UIDNEXT 4294967295 UIDVALIDITY 0)\r\n%TAG% OK\r\n",
                                   b"* STATUS other (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 1000)\r\n%TAG% OK\r\n",
                                   b"* STATUS INBOX (MESSAGES 3 UIDNEXT 2 UIDVALIDITY 77)\r\n%TAG% OK\r\n",
                                   b"* STATUS INBOX (MESSAGES -3 UIDNEXT x)\r\n%TAG% OK\r\n"])
def test_status_that_lies(attack, user, dst, reply):
    """It may save work; it may not decide what is there."""
    messages = notes(3)
    with Fake({"INBOX": messages}) as fake:
        fake.on("^STATUS", reply)
        result = copy(attack, fake, dst, user, codes=(0, 1, 3))
        if result.code < 3:
            assert arrived(dst, user) == shas(messages), result
        fake.rules.clear()
        copy(attack, fake, dst, user, codes=(0, 1))
        assert arrived(dst, user) == shas(messages)


@pytest.mark.parametrize("status", [b"(MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1000)", b"()"])
def test_list_status_that_lies(attack, user, dst, status):
    messages = notes(3)
    with Fake({"INBOX": messages}, capabilities=CAPABILITIES + " LIST-EXTENDED LIST-STATUS") as fake:
        fake.on("^LIST .*STATUS", lambda s: s.send(b'* LIST () "/" INBOX\r\n* STATUS INBOX ' + status + b"\r\n") or s.ok())
        result = copy(attack, fake, dst, user, codes=(0, 1, 3))
        assert result.code >= 3 or arrived(dst, user) == shas(messages), result


# the destination lies

@pytest.mark.parametrize("code, multi", some([b"[APPENDUID 1000 5]", b"[APPENDUID 1000 1:4294967295]", b"[APPENDUID 0 0]", b"[APPENDUID 1000]",
                                  b"[APPENDUID 999999 1:3]", b"[APPENDUID 1000 3:1]", b"[APPENDUID 1000 *]", b"[COPYUID 1000 1 1:9]",
                                  b"[APPENDUID 1000 1,1,1]", b"[APPENDUID -1 x]", b"[COPYUID 1 1:4294967295 1:4294967295]",
                                  b"[APPENDUID 1000 4294967297]", b"[APPENDUID", b"[]"],
                                             ["", " MULTIAPPEND"]))
def test_appenduids_that_lie(attack, user, code, multi):
    """What is recorded from nonsense may cost a search, but neither a message nor a second copy of one."""
    messages = notes(3)
    with Fake({"INBOX": messages}) as fake, Fake(capabilities="IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN UIDPLUS UNSELECT" + multi) as dst:
        def append(session):
            answers, send = [], session.send
            session.send = answers.append
            session.do_append(session.words)
            session.send = send
            good = b" OK " in b"".join(answers)
            session.send(session.tag + (b" OK " + code + b" stored\r\n" if good else b" NO\r\n"))
        dst.on("^APPEND", append)
        first = copy(attack, fake, dst, user, codes=(0, 1, 3))
        bodies = sorted(body for body, _, _ in dst.messages())
        assert bodies == sorted(msg.body for msg in messages), first
        second = copy(attack, fake, dst, user, codes=(0, 1, 3))
        assert sorted(body for body, _, _ in dst.messages()) == bodies, second


@pytest.mark.parametrize("line, where", some([b"m999999 OK done\r\n", b"m0 OK done\r\n", b"m1 OK again\r\n", b"x OK\r\n", b"M8 OK\r\n", b"OK\r\n", b"\r\n",
                                  b"* \r\n", b"+ go\r\n", b"\0\0\r\n", b"* OK\r\n* PREAUTH in\r\n"],
                                             ["^EXAMINE", BODY, "^APPEND"]))
def test_answers_to_nothing(attack, user, line, where):
    """Answers to commands never sent: no message counts as stored for them."""
    messages = notes(3)
    with Fake({"INBOX": messages}) as fake, Fake() as dst:
        (dst if where == "^APPEND" else fake).on(where, lambda s: s.send(line) or s.default(), times=1)
        result = copy(attack, fake, dst, user, codes=(0, 1, 3, 4))
        bodies = sorted(body for body, _, _ in dst.messages())
        assert len(bodies) == len(set(bodies))
        if result.code < 3:
            assert bodies == sorted(msg.body for msg in messages), result
        copy(attack, fake, dst, user, codes=(0, 1))
        assert sorted(body for body, _, _ in dst.messages()) == sorted(msg.body for msg in messages)


@pytest.mark.parametrize("where, reply", some(["^APPEND", "^CREATE", "^STATUS", "^SELECT", "^EXAMINE", "^UID"],
                                              ["close", "reset", b"* BYE gone\r\n", b"%TAG% BAD no\r\n", b"\xff\xfe\r\n"]))
def test_destination_that_breaks_off(attack, user, where, reply):
    messages = notes(3)
    with Fake({"INBOX": messages, "new": [note(9)]}) as fake, Fake() as dst:
        dst.on(where, reply, times=2)
        result = copy(attack, fake, dst, user, "--timeout=2s", codes=(0, 1, 3, 4))
        dst.rules.clear()
        copy(attack, fake, dst, user, codes=(0, 1))
        for name, wanted in (("INBOX", messages), ("new", [note(9)])):
            assert sorted(body for body, _, _ in dst.messages(name)) == sorted(msg.body for msg in wanted), result


def test_early_ok_for_an_append(attack, user):
    """The destination says OK as soon as it reads the command, and keeps nothing: seen at the end, or at once."""
    with Fake({"INBOX": notes(3)}) as fake, Fake() as dst:
        dst.on("^APPEND", b"%TAG% OK stored\r\n")
        result = copy(attack, fake, dst, user, codes=(0, 1, 3, 4))
        assert not dst.messages()
        dst.rules.clear()
        # It said OK, so a first run may believe it; the next one sees what is not there.
        copy(attack, fake, dst, user, codes=(0, 1, 3))


# keywords, dates and addresses as injection

@pytest.mark.parametrize("flag", [b"a\"b", b"x)(\\Deleted", b"{5}", b"y\x1b[0m", b"z]", b"\\Evil", b"%s%n", b"\xff\xfe"])
def test_keywords_as_injection(attack, user, flag):
    """What the source calls a keyword becomes at most a flag at the destination, never a command or another flag."""
    with Fake({"INBOX": notes(2)}) as fake, Fake() as dst:
        def flags(session):
            for number, msg in session._chosen(session.words[2]):
                session.send(b"* %d FETCH (UID %d FLAGS (%s ok) %s RFC822.SIZE %d%s)\r\n" % (
                    number, msg.uid, flag, DATE, len(msg.body),
                    b" BODY[] {%d}\r\n%s" % (len(msg.body), msg.body) if b"BODY" in session.line else b""))
            session.ok()
        fake.on("UID FETCH", flags)
        result = copy(attack, fake, dst, user, codes=(0, 1, 3, 4))
        known = re.compile(rb"(?i)(CAPABILITY|AUTHENTICATE|LOGIN|NAMESPACE|LIST|LSUB|STATUS|CREATE|SUBSCRIBE|SELECT|EXAMINE|UID|"
                           rb"APPEND|UNSELECT|NOOP|LOGOUT|ID|ENABLE|CHECK)\b")
        assert all(known.match(line) for _, line in dst.seen), dst.seen
        for _, stored, _ in dst.messages():
            assert "\\Deleted" not in stored and set(stored) <= {"ok", "\\Evil", "a\"b", "%s%n", "z]"}, (stored, result)


@pytest.mark.parametrize("date", [b'"99-Xyz-9999 99:99:99 +9999"', b'"01-Jan-2024 12:00:00 +0000" ) (evil', b"NIL", b'""', b'"\\"\\\\"',
                                  b'"01-Jan-0000 00:00:00 +0000"', b'"31-Feb-2024 12:00:00 +0000"'])
def test_dates_as_injection(attack, user, date):
    with Fake({"INBOX": notes(1)}) as fake, Fake() as dst:
        def answer(session):
            for number, msg in session._chosen(session.words[2]):
                session.send(b"* %d FETCH (UID %d FLAGS () INTERNALDATE %s RFC822.SIZE %d%s)\r\n" % (
                    number, msg.uid, date, len(msg.body),
                    b" BODY[] {%d}\r\n%s" % (len(msg.body), msg.body) if b"BODY" in session.line else b""))
            session.ok()
        fake.on("UID FETCH", answer)
        copy(attack, fake, dst, user, codes=(0, 1, 3, 4))
        for _, line in dst.seen:
            if line.startswith(b"APPEND"):
                assert re.fullmatch(rb'APPEND \S+( \([^()]*\))?( "[ \d]\d-\w{3}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}")? \{\d+\+?\}', line), line


# who is no IMAP server, and who has no time

@pytest.mark.parametrize("greeting,word", [
    (b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "web server"), (b"<html><body>\r\n", "web server"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"), (b"+OK POP3 ready\r\n", "POP3"), (b"220 smtp ESMTP\r\n", "SMTP"),
    (b"\x15\x03\x01\x00\x02\x02\x46", "TLS"), (b"\x1b[2J\x00\x01\r\n", "does not speak IMAP"), (b"* HELLO\r\n", "does not speak IMAP"),
    (b"* 5 EXISTS\r\n", "does not speak IMAP"), (b"a OK\r\n", "does not speak IMAP"), (b"*\r\n", "does not speak IMAP")])
def test_not_imap(attack, user, greeting, word):
    with Fake(greeting=greeting) as fake:
        result = attack("list", "--timeout=1s", fake.url(user), codes=(4,))
        assert word in result.err, result
        assert not re.search(rb"(?i)login|authenticate", bytes(fake.raw))


@pytest.mark.parametrize("greeting", [b"* BYE no service\r\n", b"* BYE [UNAVAILABLE] Too many connections\r\n",
                                      b"* NO go away\r\n", b"* BAD go away\r\n"])
def test_turned_away(attack, user, dst, greeting):
    with Fake(greeting=greeting) as fake:
        result = attack("list", "--timeout=1s", fake.url(user), codes=(3, 4))
        assert greeting.split(b" ", 2)[2].split(b"] ")[-1].strip().decode() in result.err, result
        assert not fake.commands("LOGIN|AUTHENTICATE")


def test_one_connection_at_a_time(attack, user):
    """More lanes than the server has room for: fewer will do."""
    boxes = {name: notes(3, i * 10) for i, name in enumerate(["INBOX", "a", "b", "c"])}
    with Fake(boxes, max_connections=1) as fake, Fake() as dst:
        result = copy(attack, fake, dst, user, "-j4", codes=(0, 1))
        assert sum(len(dst.messages(name)) for name in dst.boxes) == 12, result
