"""Deterministic accounts: the same mail every time, whatever the machine.

An account is an iterable of (mailbox name as displayed, iterable of Message, subscribed).

    small()     a person's account, about 600 messages in 14 mailboxes
    s(scale)    10,000 messages in 10 mailboxes, log-normal sizes, about 390 MB (the workload S of docs/performance.md)
    l(count)    100,000 messages of 3 KB in INBOX (the workload L)
    t()         28 mailboxes with odd names, 96 odd messages (the workload T)
    many(n)     n mailboxes with a message each
"""
import dataclasses
import math
import random
import zlib

from . import syntax

FIRST = 1_041_379_200    # 2003-01-01
SPAN = 23 * 365 * 86400
ZONES = (0, 60, 120, -300, -480, 330, 345, 720, -210, 0, 60)
KEYWORDS = ("$Forwarded", "$MDNSent", "$label1", "$label2", "work", "project-x", "NonJunk", "Steuer_2024")
PEOPLE = (("Anna Berg", "anna@old.example"), ("Jürgen Groß", "juergen@example.org"), ("王小明", "wang@example.cn"),
          ("Zoë O'Neill", "zoe@example.net"), ("Billing", "no-reply@shop.example"), ("Łukasz Żak", "lz@example.pl"))
WORDS = ("the quick report about last week and the offer we sent to them was accepted so please look at the figures "
         "before Monday because the meeting starts early and nobody has the time to read it twice thanks").split()
STREAM_CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Message:
    """One message to append: its octets (or a size and a way to make them), its flags, its INTERNALDATE."""
    body: bytes = b""
    flags: tuple = ()
    date: str = "01-Jan-2024 12:00:00 +0000"
    stream: object = None      # None, or a function giving an iterator of chunks
    length: int = 0            # of the stream

    @property
    def size(self):
        return self.length if self.stream else len(self.body)

    def chunks(self):
        return self.stream() if self.stream else iter((self.body,))

    def replaced(self, body):
        return Message(body, self.flags, self.date)

    def with_flags(self, *flags):
        return dataclasses.replace(self, flags=flags)

    def with_date(self, date):
        return dataclasses.replace(self, date=date)


def _pool():
    """A megabyte of text lines, of which bodies are cut: making every word anew would take longer than sending it."""
    rng = random.Random(7)
    lines = []
    size = 0
    while size < 1 << 20:
        line = " ".join(rng.choice(WORDS) for _ in range(rng.randrange(6, 14)))
        if rng.random() < 0.05:
            line = "Grüße, 你好, ça va? " + line
        lines.append(line.encode() + b"\r\n")
        size += len(lines[-1])
    return b"".join(lines), rng.randbytes(1 << 20).hex().encode()


_POOL = []


def text(rng, size):
    """Text of exactly size octets in CRLF lines; a part of it as hard to compress as base64 attachments are."""
    if not _POOL:
        _POOL.extend(_pool())
    pool = _POOL[0]
    if size > 50_000:
        return _attachment(rng, size)
    start = rng.randrange(len(pool) - 1)
    out = (pool[start:] + pool)[:size] if size <= len(pool) else (pool * (size // len(pool) + 1))[:size]
    return _ended(out)


def _attachment(rng, size):
    hexes = _POOL[1]
    start = rng.randrange(len(hexes) - 1)
    line = 76
    need = size // (line + 2) + 1
    data = (hexes[start:] + hexes * (need * line // len(hexes) + 1))
    out = b"\r\n".join([data[i * line:(i + 1) * line] for i in range(need)])
    return _ended(out[:size].ljust(size, b"A"))


def _ended(data):
    """Ends in CRLF, has no bare CR or LF at the cut places."""
    data = data.lstrip(b"\n")
    if len(data) < 2:
        return b"\r\n"
    return data[:-2].replace(b"\r\n", b"\0").replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b"\r\n") + b"\r\n"


def _encoded(name):
    """A display name as mailers write it."""
    if name.isascii():
        return name
    import base64
    return "=?UTF-8?B?%s?=" % base64.b64encode(name.encode()).decode()


def _rng(*key):
    return random.Random(zlib.crc32(repr(key).encode()))


def _flags(rng):
    flags = []
    if rng.random() < 0.8:
        flags.append("\\Seen")
    for flag, share in (("\\Answered", 0.15), ("\\Flagged", 0.06), ("\\Draft", 0.01), ("\\Deleted", 0.01)):
        if rng.random() < share:
            flags.append(flag)
    if rng.random() < 0.125:
        flags += rng.sample(KEYWORDS, rng.randrange(1, 3))
    return tuple(flags)


def message(number, size=2000, seed="m", flags=None, date=None, message_id=True, header=b""):
    """A plain message of about size octets, the same for the same arguments."""
    rng = _rng(seed, number)
    sender, receiver = rng.sample(PEOPLE, 2)
    when = FIRST + rng.randrange(SPAN)
    zone = rng.choice(ZONES)
    head = [
        "Return-Path: <%s>" % sender[1],
        "Received: from mx%d.example.org (mx.example.org [192.0.2.%d])\r\n\tby mail.old.example with ESMTPS id %08x;"
        "\r\n\t%s" % (number % 7, number % 250, zlib.crc32(b"%d" % number), syntax.internaldate(when, zone)),
        "From: %s <%s>" % (_encoded(sender[0]), sender[1]),
        "To: %s <%s>" % (_encoded(receiver[0]), receiver[1]),
        "Subject: %s no. %d" % (" ".join(rng.choice(WORDS) for _ in range(4)), number),
        "Date: %s" % syntax.internaldate(when - 5, zone).replace("-", " "),
    ]
    if message_id:
        head.append("Message-ID: <%d.%08x.%08x@example.org>" % (number, zlib.crc32(seed.encode()), rng.getrandbits(32)))
    head += ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
    data = "\r\n".join(head).encode() + b"\r\n" + header + b"\r\n"
    data += text(rng, max(size - len(data), 20))
    return Message(data, _flags(rng) if flags is None else tuple(flags),
                   syntax.internaldate(when, zone) if date is None else date)


def small():
    """A realistic account for demonstrations: nested and non-ASCII mailboxes, everything a person has."""
    plan = (("INBOX", 180), ("Sent", 120), ("Drafts", 6), ("Trash", 25), ("Junk", 18), ("Archive", 0),
            ("Archive/2022", 60), ("Archive/2023", 80), ("Lists/debian-user", 45), ("Lists/imap-protocol", 22),
            ("Projekte/Küche & Bad", 20), ("Projekte/Steuer 2024", 15), ("家族", 12), ("Empty", 0))
    for name, count in plan:
        rng = _rng("small", name)
        yield name, [_small_message(rng, name, i) for i in range(count)], name not in ("Junk", "Empty")


def _small_message(rng, name, i):
    size = int(min(max(rng.lognormvariate(math.log(4000), 1.2), 700), 400_000))
    msg = message(i, size, seed=name)
    if i % 40 == 17:
        return message(i, size, seed=name, message_id=False)
    return msg


S_PLAN = (("INBOX", 3000), ("Sent", 2000), ("Archive/2019", 1200), ("Archive/2020/Q1", 900), ("Archive/2020/Q2", 700),
          ("Lists/debian-user", 1000), ("Entwürfe", 100), ("Projekte/Küche & Bad", 400), ("家族/写真", 300),
          ("Trash", 400))


def s(scale=1.0):
    """Workload S: log-normal sizes, median 6 KB, mean 40 KB; 1 % without Message-ID, 1 % with a doubled one."""
    number = 0
    for name, count in S_PLAN:
        count = max(int(count * scale), 3)
        yield name, _s_messages(name, number, count), True
        number += count


def _s_messages(name, first, count):
    sigma = math.sqrt(2 * math.log(40_000 / 6_000))
    previous = None
    for number in range(first, first + count):
        rng = _rng("S", number)
        size = int(min(max(rng.lognormvariate(math.log(6_000), sigma), 500), 12_000_000))
        kind = number % 100
        if kind == 13:
            msg = message(number, size, seed="S", message_id=False)
        elif kind == 14 and previous:
            msg = same_id(previous, number)
        elif kind == 15:
            msg = message(number, size, seed="S", header=long_header())
        elif kind == 16 and number % 1000 == 16 and previous:
            msg = previous
        elif kind == 17 and number % 1000 == 17:
            msg = rng.choice(odd())
        else:
            msg = message(number, size, seed="S")
        previous = msg
        yield msg


def l(count=100_000, size=3000):
    """Workload L: many small messages in INBOX."""
    return (("INBOX", (message(number, size, seed="L") for number in range(count)), True),)


def many(count, each=1):
    """Many mailboxes with a few messages each."""
    yield "INBOX", [message(0)], True
    for number in range(1, count):
        yield "group %d/box %d" % (number // 50, number), [message(number * 100 + i) for i in range(each)], True


T_NAMES = ("INBOX", 'quote"d', "back\\slash", "(paren)", "NIL", "{5}", "a.b.c", "trailing blank ", " leading blank",
           "two  blanks", "100%", "per%cent%20", "star", "&", "a&b", "Küche", "Кириллица", "受信トレイ/仕事", "受信トレイ",
           "emoji 😀", "tilde~", "'single'", "[brackets]", "semi;colon, comma", "deep/er/and/deeper/still", "UPPER/lower",
           "upper/LOWER", "e\u0301 decomposed")


def t():
    """Workload T: 28 odd names, 96 odd messages."""
    messages = odd_96()
    for number, name in enumerate(T_NAMES):
        share = messages[number::len(T_NAMES)]
        yield name, share, number % 3 != 0


def odd_96():
    """The odd messages and enough ordinary variations of them to make 96."""
    out = list(odd())
    number = 0
    while len(out) < 96:
        number += 1
        out.append(message(number, 300 + 37 * number, seed="T", flags=_flags(_rng("T", number))))
    return out[:96]


def long_header(lines=400):
    """A folded header of some 30 KB."""
    return b"References: " + b"\r\n ".join(b"<%d.reference.%08x@lists.example.org>" % (i, i * 2654435761 % 2**32)
                                         for i in range(lines)) + b"\r\n"


# The traps: what tools lose, merge, alter or stumble over.

def no_message_id(number=1):
    return message(number, seed="noid", message_id=False)


def no_header():
    return Message(b"\r\nOnly a body, no header at all.\r\n", (), "02-Feb-2010 10:00:00 +0100")


def no_separator():
    return Message(b"Subject: only a header line, and no empty line\r\n", ("\\Seen",), "03-Mar-2011 11:11:11 -0800")


def no_body():
    return Message(b"From: a@example.org\r\nSubject: no body\r\n\r\n", (), "04-Apr-2012 00:00:00 +0000")


def no_line_end():
    return Message(b"From: a@example.org\r\nSubject: no final line end\r\n\r\nthe last line has no end", ("\\Flagged",),
                   "05-May-2013 23:59:59 +1400")


def one_octet():
    return Message(b"x", (), "06-Jun-2014 06:06:06 -1200")


def eight_bit():
    """Latin-1 octets in header and body, unannounced."""
    return Message(b"From: J\xfcrgen <j@example.org>\r\nSubject: \xfc\xf6\xe4\r\n\r\nGr\xfc\xdfe \xff\xfe\x80\r\n",
                   ("\\Answered", "$label1"), "07-Jul-2015 07:07:07 +0530")


def long_line():
    return Message(b"From: a@example.org\r\nSubject: long line\r\n\r\n" + b"x" * 20_000 + b"\r\n", (),
                   "08-Aug-2016 08:08:08 +0545")


def dots():
    """What mbox and SMTP code mangles."""
    return Message(b"From: a@example.org\r\nSubject: dots\r\n\r\n.\r\n..\r\nFrom here on\r\n>From there\r\n.\r\n", (),
                   "09-Sep-2017 09:09:09 +0000")


def wire_lookalike():
    """A body that looks like IMAP."""
    return Message(b"Subject: * OK\r\n\r\n* 5 EXISTS\r\nA1 OK done\r\n)\r\n{10}\r\n* BYE\r\n+ go\r\n", (),
                   "10-Oct-2018 10:10:10 +0000")


def same_id(msg, number=1):
    """Another message with the same Message-ID, date and subject: only the body differs."""
    return msg.replaced(msg.body.rstrip(b"\r\n") + b"\r\nvariation %d\r\n" % number)


def same_header(number=1):
    """Two messages whose headers are equal and whose bodies differ, at the same size."""
    head = b"From: a@example.org\r\nSubject: equal headers %d\r\nMessage-ID: <equal.%d@example.org>\r\n\r\n" % (
        number, number)
    return (Message(head + b"the first body\r\n"), Message(head + b"another body..\r\n"))


def received_rewritten(msg):
    """The same message as another server would have got it: its own Received and Return-Path lines."""
    head, _, body = msg.body.partition(b"\r\n\r\n")
    lines, keep = [], True
    for line in head.split(b"\r\n"):
        if line[:1] not in b" \t":
            keep = not line.lower().startswith((b"received:", b"return-path:", b"delivered-to:"))
        if keep:
            lines.append(line)
    new = [b"Return-Path: <bounce@new.example>", b"Delivered-To: anna@new.example",
           b"Received: from elsewhere.example by new.example with LMTP id 42; 1 Jan 2024 00:00:00 +0000"]
    return msg.replaced(b"\r\n".join(new + lines) + b"\r\n\r\n" + body)


def identical(count=3, number=1):
    """Byte-identical copies: N of them have to stay N."""
    return [message(number, seed="identical", flags=("\\Seen",), date="11-Nov-2019 11:11:11 +0100")] * count


def odd():
    """All the single traps; Dovecot stores each byte for byte (but takes a date in the future, or -1, for none)."""
    base = message(1, seed="odd")
    return [no_header(), no_separator(), no_body(), no_line_end(), one_octet(), eight_bit(), long_line(), dots(),
            wire_lookalike(), no_message_id(), base, same_id(base), *same_header(), *identical(3),
            message(2, seed="odd", header=long_header()),
            message(3, seed="odd", flags=KEYWORDS), message(4, seed="odd", date="01-Jan-1990 00:00:00 -0800"),
            message(5, seed="odd", date="29-Feb-2024 23:59:59 -1200")]


def bare_line_ends():
    """What many servers refuse or change: bare LF and bare CR."""
    return [Message(b"Subject: bare LF\n\nline one\nline two\n"),
            Message(b"Subject: bare CR\r\n\r\nline one\rline two\r\n")]


def nul():
    """IMAP cannot carry it but as BINARY."""
    return Message(b"Subject: nul\r\n\r\na\0b\r\n")


def giant(size=1 << 30, number=1):
    """A message of any size that is never in memory as a whole."""
    head = (b"From: a@example.org\r\nSubject: giant %d\r\nMessage-ID: <giant.%d@example.org>\r\n\r\n" % (number, number))
    line = b"0123456789abcdef" * 4 + b"%010d\r\n"

    def stream():
        yield head
        left = size - len(head)
        counter = 0
        while left > 0:
            chunk = b"".join(line % i for i in range(counter, counter + STREAM_CHUNK // 76))[:left]
            counter += STREAM_CHUNK // 76
            if len(chunk) == left:
                chunk = chunk[:-2].replace(b"\r", b"x").replace(b"\n", b"x") + b"\r\n" if left < 100 \
                    else chunk[:-80] + b"z" * 78 + b"\r\n"
                chunk = chunk[:left]
            left -= len(chunk)
            yield chunk

    return Message(stream=stream, length=size, date="12-Dec-2020 12:12:12 +0100")
