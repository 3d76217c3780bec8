"""IMAP syntax for the lab: values out of imaplib's raw pieces, mailbox names, quoting, dates.

Written apart from the program under test on purpose: a mistake must not be made twice.
"""
import base64
import datetime
import re

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
DATE = re.compile(r"^ ?(\d{1,2})-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$")


def values(pieces):
    """The values of one response, from imaplib's pieces: bytes, or (bytes ending in "{n}", literal).

    Lists become lists, NIL becomes None, everything else bytes: atoms as they stand, strings without their quotes.
    """
    top = []
    stack = [top]
    for piece in pieces:
        text, literal = piece if isinstance(piece, tuple) else (piece, None)
        if literal is not None:
            text = text[:text.rindex(b"{")]
        _scan(text, stack)
        if literal is not None:
            stack[-1].append(literal)
    if len(stack) != 1:
        raise ValueError("parentheses do not match: %r" % (pieces,))
    return top


def _scan(text, stack):
    at, end = 0, len(text)
    while at < end:
        char = text[at:at + 1]
        if char in b" \r\n":
            at += 1
        elif char == b"(":
            stack[-1].append([])
            stack.append(stack[-1][-1])
            at += 1
        elif char == b")":
            stack.pop()
            at += 1
        elif char == b'"':
            string, at = _quoted(text, at + 1)
            stack[-1].append(string)
        else:
            atom, at = _atom(text, at)
            stack[-1].append(None if atom.upper() == b"NIL" else atom)


def _quoted(text, at):
    out = bytearray()
    while text[at:at + 1] != b'"':
        if text[at:at + 1] == b"\\":
            at += 1
        if at >= len(text):
            raise ValueError("string without end: %r" % text)
        out.append(text[at])
        at += 1
    return bytes(out), at + 1


def _atom(text, at):
    """An atom; brackets keep what they enclose, as in BODY[HEADER.FIELDS (DATE)]."""
    start, depth = at, 0
    while at < len(text):
        char = text[at:at + 1]
        if char == b"[":
            depth += 1
        elif char == b"]":
            depth -= 1
        elif depth <= 0 and char in b" ()\r\n":
            break
        at += 1
    return text[start:at], at


def pairs(values_list):
    """{NAME: value} of a list of alternating names and values, as in FETCH and STATUS."""
    return {values_list[i].upper(): values_list[i + 1] for i in range(0, len(values_list) - 1, 2)}


def quote(data):
    """A string as a client sends it; raises for what only a literal can carry."""
    if isinstance(data, str):
        data = data.encode()
    if re.search(rb"[\x00\r\n\x80-\xff]", data):
        raise ValueError("only a literal can carry %r" % data)
    return b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def utf7_encode(name):
    """UTF-8 text to a modified UTF-7 mailbox name (RFC 3501 section 5.1.3)."""
    out = []
    for run in re.split("([^ -~]+)", name):
        if run and not " " <= run[0] <= "~":
            code = base64.b64encode(run.encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
            out.append(b"&" + code + b"-")
        else:
            out.append(run.encode().replace(b"&", b"&-"))
    return b"".join(out)


def utf7_decode(name):
    """The inverse; raises ValueError where a name is no modified UTF-7."""
    def shift(match):
        code = match.group(1)
        if not code:
            return b"&"
        code = code.replace(b",", b"/")
        data = base64.b64decode(code + b"=" * (-len(code) % 4), validate=True)
        return data.decode("utf-16-be").encode()
    return re.sub(rb"&([^-]*)-", shift, name).decode()


def display(raw, delimiter, prefix=""):
    """A server's mailbox name as people read it: UTF-8, "/" between levels, "/" inside a level as %2F."""
    try:
        name = utf7_decode(raw)
    except (ValueError, UnicodeError):
        name = raw.decode("latin-1")
    if prefix and name.startswith(prefix):
        name = name[len(prefix):]
    levels = name.split(delimiter) if delimiter else [name]
    if levels[0].upper() == "INBOX":
        levels[0] = "INBOX"
    return "/".join(level.replace("/", "%2F") for level in levels)


def raw(name, delimiter, prefix=""):
    """The inverse of display."""
    text = delimiter.join(level.replace("%2F", "/") for level in name.split("/")) if delimiter else name
    if name != "INBOX":
        text = prefix + text
    return utf7_encode(text)


def instant(internaldate):
    """Seconds since 1970 of an INTERNALDATE: zones may differ, the instant may not."""
    if isinstance(internaldate, bytes):
        internaldate = internaldate.decode("latin-1")
    match = DATE.match(internaldate)
    if not match:
        raise ValueError("no INTERNALDATE: %r" % internaldate)
    day, month, year, hour, minute, second, sign, zone_hour, zone_minute = match.groups()
    zone = datetime.timedelta(hours=int(zone_hour), minutes=int(zone_minute))
    zone = datetime.timezone(-zone if sign == "-" else zone)
    return int(datetime.datetime(int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute),
                                 int(second), tzinfo=zone).timestamp())


def internaldate(seconds, zone_minutes=0):
    """An INTERNALDATE out of an instant and a zone."""
    zone = datetime.timezone(datetime.timedelta(minutes=zone_minutes))
    when = datetime.datetime.fromtimestamp(seconds, zone)
    sign = "-" if zone_minutes < 0 else "+"
    hours, minutes = divmod(abs(zone_minutes), 60)
    return "%02d-%s-%04d %02d:%02d:%02d %s%02d%02d" % (
        when.day, MONTHS[when.month - 1], when.year, when.hour, when.minute, when.second, sign, hours, minutes)
