"""The witness: reads an account with Python's imaplib and says in what two accounts differ.

    a = witness.read(src, "anna")
    b = witness.read(dst, "anna")
    assert witness.diff(a, b) == []

Compared per mailbox is the multiset of (SHA-256 of the message, flags without \\Recent, INTERNALDATE's instant), so a
message too many counts like one too few. It reads with EXAMINE and BODY.PEEK[] and leaves no trace.
"""
import collections
import dataclasses
import hashlib
import imaplib
import re

from . import syntax

imaplib._MAXLINE = 100_000_000
BATCH_BYTES = 16 << 20   # bodies asked for at once
CHUNK = 8 << 20          # a bigger message is read in pieces of this size
SPECIAL = {"\\all", "\\archive", "\\drafts", "\\flagged", "\\junk", "\\sent", "\\trash", "\\important"}
UNSELECTABLE = {"\\noselect", "\\nonexistent"}


@dataclasses.dataclass(frozen=True)
class Message:
    """What counts about a message, and what helps a person to find it."""
    sha: str
    flags: frozenset
    date: int
    uid: int = dataclasses.field(compare=False, default=0)
    size: int = dataclasses.field(compare=False, default=0)
    hint: str = dataclasses.field(compare=False, default="")

    def __str__(self):
        return "UID %d, %d octets, sha256 %s%s" % (self.uid, self.size, self.sha[:12], self.hint and ", " + self.hint)


@dataclasses.dataclass
class Account:
    mailboxes: dict = dataclasses.field(default_factory=dict)       # display name -> [Message]
    unselectable: set = dataclasses.field(default_factory=set)
    subscribed: set = dataclasses.field(default_factory=set)
    special_use: dict = dataclasses.field(default_factory=dict)     # display name -> frozenset of attributes
    validity: dict = dataclasses.field(default_factory=dict)        # display name -> (UIDVALIDITY, UIDNEXT)

    @property
    def count(self):
        return sum(map(len, self.mailboxes.values()))


@dataclasses.dataclass(frozen=True)
class Difference:
    """kind: mailbox-missing, mailbox-extra, missing, doubled, extra, altered, flags, date, subscription, special-use."""
    kind: str
    mailbox: str
    text: str

    def __str__(self):
        return "%s: %s: %s" % (self.mailbox, self.kind, self.text)


class Client(imaplib.IMAP4):
    """imaplib for the connection and the framing; the values are parsed by lab.syntax."""

    def __init__(self, server, user, port=None, password=None, login=True):
        super().__init__(server.host, port or server.port, timeout=300)
        self.delimiter = None
        self.prefix = ""
        if login:
            self.login(user, password or server.password(user))
            self.capabilities = tuple(self.capability()[1][-1].decode().upper().split())
            self.state = "SELECTED"     # in which imaplib lets every command pass
            self._namespace()

    def ask(self, name, *args):
        """Sends a command and returns {RESPONSE: [values of each]}; raises unless the answer is OK."""
        self.untagged_responses = {}
        imaplib.Commands.setdefault(name, ("AUTH", "SELECTED"))
        status, data = self._simple_command(name, *args)
        if status != "OK":
            raise self.error("%s: %s %r" % (name, status, data))
        responses, self.untagged_responses = self.untagged_responses, {}
        return {kind: list(_responses(pieces)) for kind, pieces in responses.items()}

    def _namespace(self):
        if "NAMESPACE" in self.capabilities:
            personal = self.ask("NAMESPACE")["NAMESPACE"][0][0]
            if personal:
                self.prefix = syntax.utf7_decode(personal[0][0])
                self.delimiter = personal[0][1] and personal[0][1].decode()
                return
        self.delimiter = self.ask("LIST", b'""', b'""')["LIST"][0][1].decode()

    def display(self, raw):
        return syntax.display(raw, self.delimiter, self.prefix)

    def raw(self, name):
        return syntax.raw(name, self.delimiter, self.prefix)

    def mailboxes(self):
        """[(display name, raw name, set of lower-case attributes)]"""
        answer = self.ask("LIST", b'""', b'"*"').get("LIST", [])
        found = {item[2]: {flag.decode().lower() for flag in item[0]} for item in answer}
        if "SPECIAL-USE" in self.capabilities:
            for item in self.ask("LIST", b"(SPECIAL-USE)", b'""', b'"*"').get("LIST", []):
                found.setdefault(item[2], set()).update(flag.decode().lower() for flag in item[0])
        return [(self.display(raw), raw, attrs) for raw, attrs in sorted(found.items())]

    def examine(self, raw):
        self.ask("EXAMINE", syntax.quote(raw))


def _responses(pieces):
    """Splits imaplib's pieces into responses: a piece that carries no literal ends one."""
    response = []
    for piece in pieces:
        response.append(piece)
        if not isinstance(piece, tuple):
            yield syntax.values(response)
            response = []


def read(server, user, port=None, password=None, mailboxes=None):
    """The whole account, or the mailboxes named (as displayed)."""
    account = Account()
    client = Client(server, user, port, password)
    try:
        for name, raw, attrs in client.mailboxes():
            if mailboxes is not None and name not in mailboxes:
                continue
            if attrs & UNSELECTABLE:
                account.unselectable.add(name)
                continue
            if attrs & SPECIAL:
                account.special_use[name] = frozenset(attrs & SPECIAL)
            account.mailboxes[name] = _messages(client, raw)
            account.validity[name] = _validity(client, raw)
        for item in client.ask("LSUB", b'""', b'"*"').get("LSUB", []):
            if b"\\noselect" not in [flag.lower() for flag in item[0]]:
                account.subscribed.add(client.display(item[2]))
    finally:
        client.logout()
    return account


def _validity(client, raw):
    answer = client.ask("STATUS", syntax.quote(raw), b"(UIDVALIDITY UIDNEXT)")["STATUS"][0]
    status = syntax.pairs(answer[1])
    return int(status[b"UIDVALIDITY"]), int(status[b"UIDNEXT"])


def _messages(client, raw):
    client.examine(raw)
    answer = client.ask("UID FETCH", b"1:*", b"(UID FLAGS INTERNALDATE RFC822.SIZE)").get("FETCH", [])
    metas = {}
    for _, items in answer:
        items = syntax.pairs(items)
        metas[int(items[b"UID"])] = items
    bodies = {}
    for batch in _batches(metas):
        bodies.update(_bodies(client, batch, metas))
    return [_message(uid, metas[uid], *bodies[uid]) for uid in sorted(metas)]


def _batches(metas):
    batch, total = [], 0
    for uid in sorted(metas):
        size = int(metas[uid][b"RFC822.SIZE"])
        if batch and (total + size > BATCH_BYTES or len(batch) >= 5000):
            yield batch
            batch, total = [], 0
        batch.append(uid)
        total += size
    if batch:
        yield batch


def _bodies(client, batch, metas):
    """{uid: (sha, octets, hint)}"""
    if len(batch) == 1 and int(metas[batch[0]][b"RFC822.SIZE"]) > CHUNK:
        return {batch[0]: _big_body(client, batch[0])}
    found = {}
    for _, items in client.ask("UID FETCH", uid_set(batch), b"(UID BODY.PEEK[])").get("FETCH", []):
        items = syntax.pairs(items)
        if b"BODY[]" in items:
            body = items[b"BODY[]"] or b""
            found[int(items[b"UID"])] = hashlib.sha256(body).hexdigest(), len(body), _hint(body)
    missing = set(batch) - set(found)
    if missing:
        raise AssertionError("the server gave no body for UIDs %s" % sorted(missing)[:10])
    return found


def _big_body(client, uid):
    sha, octets, hint = hashlib.sha256(), 0, ""
    while True:
        answer = client.ask("UID FETCH", b"%d" % uid, b"(UID BODY.PEEK[]<%d.%d>)" % (octets, CHUNK))
        items = syntax.pairs(answer["FETCH"][0][1])
        part = next(value for key, value in items.items() if key.startswith(b"BODY[]")) or b""
        hint = hint or _hint(part)
        sha.update(part)
        octets += len(part)
        if len(part) < CHUNK:
            return sha.hexdigest(), octets, hint


def uid_set(uids):
    """Sorted UIDs as a sequence set with ranges."""
    parts, first, last = [], None, None
    for uid in uids:
        if last is not None and uid == last + 1:
            last = uid
            continue
        if first is not None:
            parts.append("%d:%d" % (first, last) if last > first else "%d" % first)
        first = last = uid
    parts.append("%d:%d" % (first, last) if last > first else "%d" % first)
    return ",".join(parts).encode()


def _hint(body):
    """A line of the header by which a person knows the message, and by which altered copies are paired."""
    head = body[:100_000].split(b"\r\n\r\n", 1)[0]
    for name in (rb"message-id", rb"subject", rb"date"):
        match = re.search(rb"(?im)^" + name + rb":\s*([^\r\n]+)", head)
        if match:
            return "%s %s" % (name.decode(), match.group(1)[:70].decode("latin-1"))
    return repr(bytes(body[:30])) if body else "empty"


def _message(uid, items, sha, octets, hint):
    flags = frozenset(flag.decode("latin-1") if flag[:1] != b"\\" else flag.decode().capitalize()
                      for flag in items[b"FLAGS"] if flag.lower() != b"\\recent")
    return Message(sha, flags, syntax.instant(items[b"INTERNALDATE"]), uid, octets, hint)


def diff(a, b, name_map=None, flags=True, dates=True, subscriptions=True, special_use=False, extra=True,
         parents=False):
    """The differences that make b no copy of a, as a list of Difference; empty if there are none.

    name_map    {name in a: name in b} or a function, for mailboxes that have another name at the destination
    flags, dates, subscriptions, special_use    False: not compared
    parents     True: empty mailboxes in b above those of a are fine (Cyrus makes them, other servers only list them)
    extra       False: what b has beyond a is fine (messages of a that are doubled in b are not)
    """
    found = []
    expected = {_mapped(name, name_map): name for name in a.mailboxes}
    for name_b, name in sorted(expected.items()):
        if name_b in b.mailboxes:
            found += _diff_mailbox(name, a.mailboxes[name], b.mailboxes[name_b], flags, dates, extra)
        elif name_b != "INBOX" or a.mailboxes[name]:
            found.append(Difference("mailbox-missing", name, "with %d messages" % len(a.mailboxes[name])))
    if extra:
        for name in sorted(set(b.mailboxes) - set(expected)):
            above = parents and any(other.startswith(name + "/") for other in expected)
            if b.mailboxes[name] or not (name == "INBOX" or above):
                found.append(Difference("mailbox-extra", name, "with %d messages" % len(b.mailboxes[name])))
    if subscriptions:
        for name in sorted(a.subscribed):
            if _mapped(name, name_map) not in b.subscribed:
                found.append(Difference("subscription", name, "subscribed there only"))
    if special_use:
        for name, attrs in sorted(a.special_use.items()):
            if b.special_use.get(_mapped(name, name_map)) != attrs:
                found.append(Difference("special-use", name, "%s is lost" % " ".join(sorted(attrs))))
    return found


def _mapped(name, name_map):
    if name_map is None:
        return name
    return name_map(name) if callable(name_map) else name_map.get(name, name)


def _diff_mailbox(name, a, b, flags, dates, extra):
    found = []
    known = {msg.sha for msg in a}
    rest_a, rest_b = _subtract(a, b), _subtract(b, a)
    by_sha = collections.defaultdict(list)
    for msg in rest_b:
        by_sha[msg.sha].append(msg)
    missing = []
    for msg in rest_a:
        if by_sha[msg.sha]:
            other = min(by_sha[msg.sha], key=lambda o: (msg.flags != o.flags) + (msg.date != o.date))
            by_sha[msg.sha].remove(other)
            if flags and msg.flags != other.flags:
                found.append(Difference("flags", name, "%s -> %s: %s" % (_list(msg.flags), _list(other.flags), msg)))
            if dates and msg.date != other.date:
                found.append(Difference("date", name, "%d -> %d: %s" % (msg.date, other.date, msg)))
        else:
            missing.append(msg)
    surplus = [msg for msgs in by_sha.values() for msg in msgs]
    by_hint = {msg.hint: msg for msg in surplus if msg.sha not in known}
    for msg in missing:
        altered = by_hint.pop(msg.hint, None)
        if altered:
            surplus.remove(altered)
            found.append(Difference("altered", name, "%s -> %s" % (msg, altered)))
        else:
            found.append(Difference("missing", name, str(msg)))
    for msg in surplus:
        if msg.sha in known:
            found.append(Difference("doubled", name, str(msg)))
        elif extra:
            found.append(Difference("extra", name, str(msg)))
    return found


def _subtract(a, b):
    """The messages of a that are left when b's are taken away, as multisets."""
    left = collections.Counter(b)
    rest = []
    for msg in a:
        if left[msg]:
            left[msg] -= 1
        else:
            rest.append(msg)
    return rest


def _list(flags):
    return "(" + " ".join(sorted(flags)) + ")"


def summary(differences):
    """The differences counted by kind, in one line."""
    counts = collections.Counter(difference.kind for difference in differences)
    return ", ".join("%s %d" % item for item in sorted(counts.items())) or "no difference"
