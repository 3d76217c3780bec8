"""Random mail that is all traps, the same for the same seed.

    for message in wild.messages(20261127, 60): …              what IMAP can carry
    wild.messages(20261127, 60, raw=True)                      and what it cannot: NUL, bare LF, nothing at all

Each is made of pieces that formats of files get wrong: From_ lines quoted and not, headers that mbox readers believe, lines without an
end, 8-bit octets, long lines, nothing before or behind the separator.
"""
import random

from . import syntax
from .corpus import KEYWORDS, Message, FIRST, SPAN, ZONES

ENDS = (b"\r\n",) * 12 + (b"\r\r\n", b"\r", b"\r\n\r\n")
RAW_ENDS = ENDS + (b"\n",) * 6 + (b"\n\r", b"\n\n")
LINES = (b"From a@b.example Mon Jan  1 00:00:00 2024", b">From c", b">>From d Thu Jan  1 00:00:07 1970", b"From", b"From ", b" From e", b"from f",
         b".", b"..", b"", b"", b"", b")", b"{3}", b"--b", b"text", b"Content-Length: 12", b"\xfc\xf6\xe4\xff", "Grüße 😀".encode(), b"\t", b" ",
         b"x" * 997, b"a\x1b[2J\x07\x7f", b"\x80" * 70)
FIELDS = (b"Subject: s", b"From: a@example.org", b"To: \xfcmlaut@example.org", b"Date: Mon, 01 Jan 2024 12:00:00 +0000",
          b"Content-Length: 0", b"Content-Length: 7", b"Content-Length: 99999999999999999999", b"Lines: 3", b"Status: RO", b"X-Status: AF",
          b"X-Keywords: a b", b"X-UID: 7", b"X-IMAP: 1 2", b"X-Mozilla-Status: 0009", b"X-Mozilla-Status2: 00000000", b"X-Mozilla-Keys: $label1 ",
          b"Return-Path: <>", b"From nobody Mon Jan  1 00:00:00 2024", b">From quoted", b"Subject: folded\r\n\tand folded\r\n again",
          b"No colon here", b":", b"X-Empty:", b"MIME-Version: 1.0", b"Content-Type: multipart/mixed; boundary=b")


def _header(rng):
    fields = [rng.choice(FIELDS) for _ in range(rng.choice((0, 1, 1, 3, 6, 12)))]
    if rng.random() < 0.6:
        fields.append(b"Message-ID: <%08x@wild.example>" % rng.getrandbits(rng.choice((2, 32))))
    return b"".join(field + b"\r\n" for field in fields)


def _body(rng, ends):
    lines = [rng.choice(LINES) + rng.choice(ends) for _ in range(rng.choice((0, 1, 2, 5, 15)))]
    if rng.random() < 0.05:
        lines.insert(rng.randrange(len(lines) + 1), rng.randbytes(50_000).hex().encode() + b"\r\n")
    if rng.random() < 0.3:
        lines.append(rng.choice(LINES))    # its end is missing
    return b"".join(lines)


def _octets(rng, raw):
    ends = RAW_ENDS if raw else ENDS
    kind = rng.random()
    if kind < 0.05:
        return rng.choice((b"\r\n", b"\r\n\r\n", b"x", b"From ", b"Subject: s", b">From x\r\n", b"From x\r\n\r\n") + ((b"", b"\n", b"\r", b"\0") if raw else ()))
    if kind < 0.15:
        return _body(rng, ends) or b"x"    # no header
    data = _header(rng) + (b"\r\n" if kind < 0.95 else b"") + _body(rng, ends)
    if raw and rng.random() < 0.15:
        at = rng.randrange(len(data) + 1)
        data = data[:at] + b"\0" + data[at:]
    if raw and rng.random() < 0.2:
        data = data.replace(b"\r\n", b"\n")
    return data or b"x"


def _flags(rng):
    flags = [flag for flag in ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted") if rng.random() < 0.25]
    return tuple(flags + rng.sample(KEYWORDS, rng.choice((0, 0, 0, 1, 2))))


def messages(seed, count, raw=False):
    """Some of them twice and three times."""
    rng = random.Random(seed)
    out = []
    while len(out) < count:
        message = Message(_octets(rng, raw), _flags(rng), syntax.internaldate(FIRST + rng.randrange(SPAN), rng.choice(ZONES)))
        out += [message] * rng.choice((1,) * 12 + (2, 3))
    rng.shuffle(out)
    return out[:count]
