"""Searching where there is no server: the same expressions find the same messages in files as on Dovecot, and what is found is copied."""
import base64
import gzip

import pytest

from copying import copy, note, subjects
from lab import load
from lab.dovecot import Dovecot
from lab.pop3 import Pop3

STORES = ["maildir:%s", "maildir:%s?layout=fs", "mbox:%s", "eml:%s"]


def parts(number, *bodies, kind=b"mixed"):
    """A multipart message of (header lines, body)."""
    text = b"".join(b"--cut\r\n%s\r\n%s\r\n" % part for part in bodies) + b"--cut--\r\n"
    return note(number, extra=b"MIME-Version: 1.0\r\nContent-Type: multipart/%s; boundary=cut\r\n" % kind, body=text)


def encoded(number, text, encoding, charset="utf-8"):
    data = text.encode(charset)
    body = base64.encodebytes(data).replace(b"\n", b"\r\n") if encoding == "base64" else \
        b"".join(b"%c" % c if 32 <= c < 127 and c != 61 else b"=%02X" % c for c in data) + b"\r\n"
    return note(number, extra=b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n" % (
        charset.encode(), encoding.encode()), body=body)


MAIL = [
    note(1, "The plan", flags=("\\Seen",), date="05-Jan-2024 23:30:00 +0000"),
    note(2, "=?utf-8?q?Gr=C3=BC=C3=9Fe?= aus =?iso-8859-1?q?M=FCnchen?=", flags=("\\Flagged", "$Work")),
    note(3, 'a "quoted" \\ one', sent="Tue, 6 Feb 2024 01:00:00 +0900"),
    note(4, size=5000, date="10-Mar-2024 00:00:00 +0000", flags=("\\Answered", "\\Deleted")),
    encoded(5, "Der Schlüssel liegt unter der Matte", "quoted-printable"),
    encoded(6, "Der Schlüssel liegt im Schrank", "base64", "iso-8859-1"),
    parts(7, (b"Content-Type: text/plain\r\n", b"the treasure"), (b"Content-Type: application/x-map\r\nX-Part: mark\r\n", b"the chart")),
    parts(8, (b"", b"one"), (b"Content-Type: message/rfc822\r\n", b"Subject: inner plan\r\n\r\ninner body"), kind=b"digest"),
    note(9, extra=b"To: Anna <anna@example.net>\r\nCc: =?utf-8?b?SsO8cmdlbg==?= <j@example.net>\r\nX-Mark: a=b\r\n", flags=("\\Draft",)),
    note(10, "folded\r\n into two", sent="no date at all"),
]
EXPRESSIONS = [
    "SEEN", "UNSEEN UNFLAGGED", "KEYWORD $Work", "DELETED ANSWERED", "2:4,9", "*", "UID 8:* NOT UID 9",
    "LARGER 4999", "SMALLER 4999", "SINCE 6-Jan-2024", "BEFORE 5-Jan-2024", "ON 5-Jan-2024",
    "SENTSINCE 2-Jan-2024", "SENTBEFORE 2-Jan-2024",
    "SUBJECT grüße", "SUBJECT \"GRÜßE AUS MÜNCHEN\"", "SUBJECT \"\\\"quoted\\\" \\\\\"", "SUBJECT \"folded into\"",
    "FROM a@example", "TO ANNA", "CC jürgen", "HEADER X-Mark a=b", "HEADER X-Mark \"\"", "HEADER Cc example.net",
    "BODY schlüssel", "BODY \"im schrank\"", "BODY \"the chart\"", "BODY \"the treasure\"", "BODY \"inner body\"", "BODY note",
    "TEXT \"inner plan\"", "TEXT x-mark", "BODY x-mark", "TEXT schlüssel",
    "OR SUBJECT plan (BODY schlüssel NOT BODY matte)", "NOT (OR SEEN FLAGGED) SMALLER 4000", "OR OR UID 1 UID 2 BODY treasure",
]


@pytest.fixture(scope="module")
def account(servers):
    server = servers(Dovecot)
    load.append_many(server, "searched", "INBOX", MAIL)
    return server


def uids(run, location, *terms):
    rows = run("search", "--json", location, *terms, check=0).json
    assert rows[-1]["complete"] is True
    return sorted(row["uid"] for row in rows[:-1])


@pytest.fixture(scope="module")
def on_server(account):
    """Asked once: expression → UIDs."""
    known = {}

    def ask(run, expression):
        if expression not in known:
            known[expression] = uids(run, account.url("searched"), "--search", expression)
        return known[expression]

    return ask


@pytest.mark.parametrize("store", STORES)
def test_as_on_the_server(account, on_server, run, tmp_path, soak, store):
    """All of them in a Maildir; a file is a file, so a few do elsewhere."""
    where = store % (tmp_path / "copy")
    copy(run, account.url("searched"), where)
    at = STORES.index(store)
    for expression in EXPRESSIONS if at == 0 or soak else EXPRESSIONS[at::5]:
        assert uids(run, where, "--search", expression) == on_server(run, expression), expression
    assert run("search", where, "--search", "FUZZY SUBJECT x").code == 2


def test_compressed_and_foreign(account, run, tmp_path):
    copy(run, account.url("searched"), "mbox:%s" % (tmp_path / "all.gz"))
    assert uids(run, "mbox:%s" % (tmp_path / "all.gz"), "--search", "BODY schlüssel LARGER 10") == [5, 6]
    (tmp_path / "foreign").write_bytes(gzip.open(tmp_path / "all.gz").read().replace(b"\r\n", b"\n"))
    assert uids(run, "mbox:%s" % (tmp_path / "foreign"), "body=schrank") == [6]
    # without W= in their names: the size as IMAP counts it has to be read
    folder = tmp_path / "md"
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    for n in range(3):
        (folder / "cur" / ("%d.x.y:2," % n)).write_bytes(b"Subject: %d\n\n" % n + b"\n" * n)
    assert uids(run, "maildir:%s" % folder, "--search", "LARGER 14") == uids(run, "maildir:%s" % folder, "subject=1") + \
        uids(run, "maildir:%s" % folder, "subject=2")


def test_copy_what_is_found(account, dst, user, run, tmp_path):
    """--search and --sent-…, from files and into them, again and again."""
    where = "maildir:%s" % (tmp_path / "copy")
    copy(run, account.url("searched"), where)
    report = copy(run, where, dst.url(user), "--search", "BODY schlüssel", "--sent-before", "1-Feb-2024")
    assert report.copied == 2 and report.skipped == {"search": 8}
    assert subjects(dst, user) == [5, 6]
    assert copy(run, where, dst.url(user), "--search", "BODY schlüssel", "--sent-before", "1-Feb-2024").copied == 0
    report = copy(run, where, dst.url(user), "--sent-since", "2-Feb-2024")
    assert report.copied == 1 and subjects(dst, user) == [5, 6, 3]
    assert run("copy", where, dst.url(user), "--search", "FUZZY BODY x").code == 2


def test_unreadable(run, tmp_path):
    """A message that cannot be read is unknown: neither found nor left out."""
    folder = tmp_path / "md"
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    for n in range(3):
        (folder / "cur" / ("%d.x.y:2," % n)).write_bytes(b"Subject: mail %d\n\nbody\n" % n)
    where = "maildir:%s" % folder
    broken = None
    for at in range(2, 12):
        result = run("search", "--json", where, "body=body", env={"MAILHAUL_FAULT": "read:%d:EIO" % at})
        if result.code == 3:
            broken = result
            break
    assert broken, result
    assert broken.json[-1]["complete"] is False and broken.json[-1]["messages"] == 2


def test_pop3(run, dst, user):
    """LIST decides sizes, TOP what is in headers; only what needs a body is fetched whole, and a refusal is told."""
    server = Pop3([m.body for m in MAIL]).start()
    try:
        where = server.url()
        for expression in ("LARGER 4999", "UID 8:* NOT UID 9", "1:3", "ALL"):
            server.calm()
            assert len(uids(run, where, "--uids", "--search", expression)) == {"LARGER 4999": 1, "UID 8:* NOT UID 9": 2, "1:3": 3, "ALL": 10}[expression]
            assert not server.count("RETR")
        server.calm()
        assert uids(run, where, "--search", "CC jürgen SENTON 1-Jan-2024") == [9]
        assert not server.count("RETR")
        server.calm()
        assert uids(run, where, "--search", "OR SUBJECT plan (BODY schlüssel)") == [1, 5, 6]
        assert server.count("RETR") == 9
        assert uids(run, where, "--search", "SINCE 6-Feb-2024") == [3]  # it has no other date than that of its header
        assert copy(run, where, dst.url(user), "--search", "BODY schlüssel").copied == 2
        assert subjects(dst, user) == [5, 6]
        server.on("RETR", b"-ERR not now\r\n", nth=2)
        result = run("search", "--json", where, "body=schlüssel", check=3)
        assert result.json[-1]["complete"] is False and result.json[-1]["messages"] >= 1
        server.calm()
        server.on("TOP", b"-ERR no such command\r\n", times=-1)
        assert uids(run, where, "subject=plan") == [1]
    finally:
        server.stop()
