"""Random mail that is all traps, there and back through every format: the same octets, flags, dates and numbers, or a report that says which message is not."""
import collections
import hashlib
import re

import pytest

from copying import copy
from lab import load, wild, witness

SEED = 20261127
PLACES = ("maildir:%s", "maildir:%s?layout=fs", "mbox:%s", "mbox:%s?ext=mbox.gz&layout=fs", "mbox:%s?ext=mbox.zst", "mbox:%s?ext=mbox.xz",
          "mbox:%s?ext=mbox.bz2", "mbox:%s?variant=mboxrd,status", "thunderbird:%s", "eml:%s")
COUNT = 120
BARE = re.compile(b"(?<!\r)\n")


@pytest.fixture(scope="module")
def account(src):
    """A user of src with random mail, filled once."""
    mail = wild.messages(SEED, COUNT)
    load.fill(src, "wild", [("INBOX", mail[:COUNT // 2], True), ("Work/Deep", mail[COUNT // 2:], True)])
    return witness.read(src, "wild")


@pytest.mark.parametrize("pattern", PLACES)
def test_imap_and_back(src, dst, user, run, run_new, tmp_path, account, pattern):
    place = pattern % (tmp_path / "mail")
    first = copy(run, src.url("wild"), place)
    assert first.copied == COUNT and first.altered == 0, first.result
    assert copy(run_new(), src.url("wild"), place).copied == 0    # recognised by what is in the files
    assert copy(run_new(), place, dst.url(user)).copied == COUNT
    assert [str(d) for d in witness.diff(account, witness.read(dst, user), subscriptions=False)] == []


def write_raw(top, mail):
    """As imapdump would: a file a message."""
    top.mkdir(parents=True)
    for number, message in enumerate(mail):
        (top / ("%d.eml" % number)).write_bytes(message.body)


def meant(body):
    """Of a tree that is not ours, a file that has no CRLF has the line ends of Unix."""
    return body if b"\r\n" in body[:65536] else BARE.sub(b"\r\n", body)


@pytest.mark.parametrize("pattern", PLACES)
def test_raw_through_files(run, tmp_path, pattern):
    """Between files nothing is lost at all, be it NUL, bare LF or an empty message; but a Maildir cannot keep bare LFs, and says of which."""
    mail = wild.messages(SEED + 1, COUNT, raw=True)
    write_raw(tmp_path / "a/INBOX", mail)
    place = pattern % (tmp_path / "mail")
    first = copy(run, "eml:%s" % (tmp_path / "a"), place, code="maildir" in pattern)
    altered = {uid - 1 for _, uid, _ in first.found_out("altered")}
    assert altered == ({i for i, m in enumerate(mail) if BARE.search(meant(m.body))} if "maildir" in pattern else set())
    assert copy(run, place, "eml:%s" % (tmp_path / "b")).copied == COUNT
    have = collections.Counter(path.read_bytes() for path in (tmp_path / "b/INBOX").glob("*.eml"))
    assert have == collections.Counter(BARE.sub(b"\r\n", meant(m.body)) if i in altered else meant(m.body) for i, m in enumerate(mail))
    assert copy(run, "eml:%s" % (tmp_path / "a"), place).copied == 0


def test_raw_to_imap(dst, user, run, tmp_path):
    """Each arrives as it is, or is said to have been altered or refused; a second run doubles none."""
    mail = wild.messages(SEED + 2, COUNT, raw=True)
    write_raw(tmp_path / "a/INBOX", mail)
    first = copy(run, "eml:%s" % (tmp_path / "a"), dst.url(user), code=3)
    altered = {uid - 1 for _, uid, _ in first.found_out("altered")}
    refused = {uid - 1 for _, uid, _ in first.found_out("refused")}
    assert all(b"\0" in mail[i].body or BARE.search(meant(mail[i].body)) or b"\r" in mail[i].body.replace(b"\r\n", b"") for i in altered)
    assert all(mail[i].body in (b"", b"\r") for i in refused) and refused
    assert first.altered == len(altered) and first.refused == len(refused) and first.copied == COUNT - len(refused)
    there = collections.Counter(m.sha for m in witness.read(dst, user).mailboxes["INBOX"])
    exact = collections.Counter(hashlib.sha256(meant(m.body)).hexdigest() for i, m in enumerate(mail) if i not in altered | refused)
    assert not exact - there and sum((there - exact).values()) == len(altered)
    again = copy(run, "eml:%s" % (tmp_path / "a"), dst.url(user), code=3)
    assert again.copied == 0 and again.refused == len(refused)
