"""Fills accounts: creates mailboxes and appends messages as fast as the server takes them.

    load.fill(server, "anna", corpus.small())
    load.append_many(server, "anna", "INBOX", [corpus.message(1)])
"""
import selectors

from . import syntax
from .witness import Client

BATCH = 200              # messages in one MULTIAPPEND
WRITE = 1 << 18
CHUNK = 1 << 20


class Pipe:
    """A raw connection that writes without waiting and reads answers while it does."""

    def __init__(self, client):
        self.sock = client.socket()
        self.file = client.file
        self.out = bytearray()
        self.lines = bytearray()
        self.tag = 0
        self.open = {}
        self.go_ahead = False

    def command(self, line):
        self.tag += 1
        tag = b"L%d" % self.tag
        self.open[tag] = line[:200]
        self.out += tag + b" " + line
        return tag

    def write(self, data):
        self.out += data
        if len(self.out) >= WRITE:
            self._pump(lambda: not self.out)

    def flush(self):
        self._pump(lambda: not self.out)

    def wait_all(self):
        self._pump(lambda: not self.out and not self.open)

    def wait_go_ahead(self):
        """Waits for "+"; an early tagged answer raises. Set go_ahead to False before the literal is announced."""
        self._pump(lambda: not self.out and self.go_ahead)

    def _pump(self, done):
        self.sock.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
            self._take()
            while not done():
                selector.modify(self.sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if self.out else 0))
                ready = selector.select(300)
                if not ready:
                    raise TimeoutError("the server is silent; waiting for %r" % self.open)
                if ready[0][1] & selectors.EVENT_READ:
                    data = self.sock.recv(65536)
                    if not data:
                        raise ConnectionError("the server hung up; waiting for %r" % self.open)
                    self.lines += data
                    self._take()
                if self.out and ready[0][1] & selectors.EVENT_WRITE:
                    sent = self.sock.send(memoryview(self.out)[:WRITE])
                    del self.out[:sent]
        self.sock.setblocking(True)

    def _take(self):
        *lines, rest = bytes(self.lines).split(b"\r\n")
        self.lines = bytearray(rest)
        for line in lines:
            if line.startswith(b"+"):
                self.go_ahead = True
            tag, _, rest = line.partition(b" ")
            if tag in self.open:
                command = self.open.pop(tag)
                if not rest.upper().startswith(b"OK"):
                    raise RuntimeError("%r refused: %r" % (command, line))
            elif line.upper().startswith(b"* BYE"):
                raise ConnectionError(repr(line))


def append_many(server, user, mailbox, messages, port=None, create=False):
    """Appends messages (lab.corpus.Message) to a mailbox (as displayed); with LITERAL+ and MULTIAPPEND if it can."""
    client = Client(server, user, port)
    try:
        if create and mailbox != "INBOX":
            client.create(syntax.quote(client.raw(mailbox)))
        _append(client, mailbox, messages)
    finally:
        _close(client)


def _append(client, mailbox, messages):
    pipe = Pipe(client)
    name = syntax.quote(client.raw(mailbox))
    plus = "LITERAL+" in client.capabilities
    batch = BATCH if "MULTIAPPEND" in client.capabilities else 1
    count = 0
    for msg in messages:
        if count == 0:
            pipe.command(b"APPEND " + name)
        pipe.go_ahead = False
        head = b' (%s) "%s"' % (" ".join(msg.flags).encode(), msg.date.encode())
        pipe.write(head + (b" {%d+}\r\n" if plus else b" {%d}\r\n") % msg.size)
        if not plus:
            pipe.wait_go_ahead()
        for chunk in msg.chunks():
            pipe.write(chunk)
        count += 1
        if count == batch:
            pipe.write(b"\r\n")
            if not plus:
                pipe.wait_all()
            count = 0
    if count:
        pipe.write(b"\r\n")
    pipe.wait_all()


def fill(server, user, account, port=None):
    """Makes an account out of a corpus: mailboxes, messages, subscriptions. Returns the number of messages."""
    server.add_user(user)
    client = Client(server, user, port)
    total = 0
    try:
        there = {name for name, _, _ in client.mailboxes()}
        for name, messages, subscribed in account:
            if name not in there:
                client.ask("CREATE", syntax.quote(client.raw(name)))
            if subscribed:
                client.ask("SUBSCRIBE", syntax.quote(client.raw(name)))
            counted = _Counted(messages)
            _append(client, name, counted)
            total += counted.count
    finally:
        _close(client)
    return total


class _Counted:
    def __init__(self, items):
        self.items = items
        self.count = 0

    def __iter__(self):
        for item in self.items:
            self.count += 1
            yield item


def _close(client):
    try:
        client.logout()
    except (OSError, client.error):
        client.shutdown()


def store(server, user, mailbox, uids, how, flags, port=None):
    """Changes flags: how is "+", "-" or ""."""
    client = Client(server, user, port)
    try:
        client.ask("SELECT", syntax.quote(client.raw(mailbox)))
        client.ask("UID STORE", uids.encode(), (how + "FLAGS.SILENT (%s)" % " ".join(flags)).encode())
    finally:
        _close(client)


def expunge(server, user, mailbox, uids, port=None):
    """Removes messages for good."""
    client = Client(server, user, port)
    try:
        client.ask("SELECT", syntax.quote(client.raw(mailbox)))
        client.ask("UID STORE", uids.encode(), b"+FLAGS.SILENT (\\Deleted)")
        client.ask("EXPUNGE")
    finally:
        _close(client)


def command(server, user, name, *args, port=None):
    """One command on a connection of its own; arguments are sent as they are. Returns {RESPONSE: [values]}."""
    client = Client(server, user, port)
    try:
        return client.ask(name, *[arg.encode() if isinstance(arg, str) else arg for arg in args])
    finally:
        _close(client)


def delete_mailbox(server, user, mailbox, port=None):
    client = Client(server, user, port)
    try:
        client.ask("DELETE", syntax.quote(client.raw(mailbox)))
    finally:
        _close(client)


def altered(msg):
    """A copy of a message with one byte changed in its body (or at its end, when it has none)."""
    data = bytearray(b"".join(msg.chunks()))
    at = len(data) - 1
    while at > 0 and data[at] in b"\r\n":
        at -= 1
    data[at] ^= 1
    return msg.replaced(bytes(data))
