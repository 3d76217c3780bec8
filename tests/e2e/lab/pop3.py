"""A scriptable POP3 server, for what real ones do not do, or not on demand.

    fake = Pop3([b"Subject: x\\r\\n\\r\\nbody\\r\\n"])
    fake.on("RETR", b"-ERR no\\r\\n", nth=2)
    with fake: ... fake.url("anna"), fake.commands, fake.messages

Messages are octets whose lines end with CRLF. A message goes when QUIT is answered; a line that breaks deletes nothing. One session
at a time: another one is told [IN-USE].

on(command, reply, nth=1, times=1): from the nth such command over all sessions on, so many times (-1: for ever). The reply is
    bytes       sent as they are instead of the answer
    "cut"       the connection is closed instead; "cut-after": when the command was carried out, without an answer; a number: after so many octets of it
    "stall"     nothing is answered
    function    called with the session, the command and its argument; returns bytes, or None for the usual answer
"""
import contextlib
import hashlib
import select
import socket
import threading
import time

from .server import PASSWORD, Server, work_dir

CAPABILITIES = ("TOP", "UIDL", "USER", "PIPELINING", "RESP-CODES")


class Pop3(Server):
    """uidls: a function of the message, or "number": the message's number; sizes: what LIST says, a function of the message; capabilities None = no CAPA."""

    name = "pop3"

    def __init__(self, messages=(), capabilities=CAPABILITIES, uidls=None, sizes=len, has=("TOP", "UIDL"), greeting=b"+OK ready\r\n"):
        super().__init__()
        self.messages = list(messages)
        self.capabilities = capabilities
        self.uidls = uidls or (lambda message: hashlib.sha1(message).hexdigest())
        self.sizes = sizes
        self.has = has
        self.greeting = greeting
        self.rules = []
        self.commands = []
        self.sessions = 0
        self.most_pending = 0
        self.lock = threading.Lock()
        self.listener = None
        self.open = set()

    def on(self, command, reply, nth=1, times=1):
        self.rules.append({"command": command, "reply": reply, "nth": nth, "times": times, "seen": 0, "fired": 0})
        return self

    def fired(self):
        return sum(rule["fired"] for rule in self.rules)

    def calm(self):
        """No more rules; what was seen is forgotten."""
        self.rules = []
        self.commands = []

    def count(self, command):
        return sum(line.split(" ")[0] == command for line in self.commands)

    def url(self, user="anna", port=None, scheme="pop3", **keys):
        return scheme + super().url(user, port, **keys)[len("imap"):]

    def start(self):
        self.dir = work_dir(self.name)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self):
        if self.listener:
            self.listener.close()
            for sock in list(self.open):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        super().stop()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.sessions += 1
            self.open.add(sock)
            threading.Thread(target=Session(self, sock).run, daemon=True).start()

    def rule_for(self, command):
        for rule in self.rules:
            if rule["command"] not in (command, "*"):
                continue
            rule["seen"] += 1
            if rule["seen"] >= rule["nth"] and (rule["times"] < 0 or rule["fired"] < rule["times"]):
                rule["fired"] += 1
                return rule["reply"]
        return None


class Session:
    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.user = None
        self.messages = None        # of this session, by number from 1
        self.marked = set()
        self.locked = False

    def run(self):
        try:
            self.sock.sendall(self.server.greeting)
            buffer = b""
            while True:
                while b"\n" not in buffer:
                    data = self.sock.recv(65536)
                    if not data:
                        return
                    buffer += data
                self.server.most_pending = max(self.server.most_pending, buffer.count(b"\n"))
                line, _, buffer = buffer.partition(b"\n")
                if not self.command(line.rstrip(b"\r").decode("latin-1")):
                    return
        except OSError:
            pass
        finally:
            if self.locked:
                self.server.lock.release()
            self.server.open.discard(self.sock)
            self.sock.close()

    def command(self, line):
        word, _, argument = line.partition(" ")
        word = word.upper()
        self.server.commands.append("PASS ***" if word == "PASS" else line)
        reply = self.server.rule_for(word)
        if reply == "cut":
            return False
        if reply == "stall":
            self.until_hung_up(20)
            return False
        if callable(reply):
            reply = reply(self, word, argument)
        if isinstance(reply, bytes):
            self.sock.sendall(reply)
            return True
        answer = self.answer(word, argument)
        if reply == "cut-after":
            return False
        if isinstance(reply, int):
            self.sock.sendall(answer[:reply])
            return False
        self.sock.sendall(answer)
        return word != "QUIT"

    def until_hung_up(self, seconds):
        """As a server does, that gives the mailbox free when its client has gone."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ready, _, _ = select.select([self.sock], [], [], 0.5)
            if ready and not self.sock.recv(65536):
                return

    def answer(self, word, argument):
        name = "do_" + word.lower()
        server = self.server
        if word in ("TOP", "UIDL") and word not in server.has:
            return b"-ERR unknown command\r\n"
        if word == "CAPA":
            if server.capabilities is None:
                return b"-ERR unknown command\r\n"
            return b"+OK\r\n" + b"".join(c.encode() + b"\r\n" for c in server.capabilities) + b".\r\n"
        if word == "USER":
            self.user = argument
            return b"+OK\r\n"
        if word == "PASS":
            return self.login(argument)
        if word == "QUIT":
            return self.quit()
        if self.messages is None:
            return b"-ERR log in first\r\n"
        return getattr(self, name, self.unknown)(argument)

    def unknown(self, argument):
        return b"-ERR unknown command\r\n"

    def login(self, password):
        if password != PASSWORD:
            return b"-ERR wrong\r\n"
        if not self.server.lock.acquire(blocking=False):
            return b"-ERR [IN-USE] another session has it\r\n"
        self.locked = True
        self.messages = list(self.server.messages)
        return b"+OK\r\n"

    def quit(self):
        if self.messages is not None and self.marked:
            self.server.messages = [m for i, m in enumerate(self.messages, 1) if i not in self.marked]
        return b"+OK\r\n"

    def there(self):
        return [(i, m) for i, m in enumerate(self.messages, 1) if i not in self.marked]

    def one(self, argument):
        number = argument.split(" ")[0]
        if not number.isdigit() or not 0 < int(number) <= len(self.messages) or int(number) in self.marked:
            return None, None
        return int(number), self.messages[int(number) - 1]

    def do_noop(self, _):
        return b"+OK\r\n"

    def do_stat(self, _):
        return b"+OK %d %d\r\n" % (len(self.there()), sum(self.server.sizes(m) for _, m in self.there()))

    def _listing(self, argument, value):
        if argument:
            number, message = self.one(argument)
            return b"+OK %d %s\r\n" % (number, value(message)) if message is not None else b"-ERR no such message\r\n"
        return b"+OK\r\n" + b"".join(b"%d %s\r\n" % (i, value(m)) for i, m in self.there()) + b".\r\n"

    def do_list(self, argument):
        return self._listing(argument, lambda m: b"%d" % self.server.sizes(m))

    def do_uidl(self, argument):
        if self.server.uidls == "number":
            numbers = {id(m): i for i, m in enumerate(self.messages, 1)}
            return self._listing(argument, lambda m: b"%d" % numbers[id(m)])
        return self._listing(argument, lambda m: self.server.uidls(m).encode("latin-1"))

    def do_retr(self, argument):
        _, message = self.one(argument)
        return b"-ERR no such message\r\n" if message is None else b"+OK\r\n" + stuffed(message)

    def do_top(self, argument):
        _, message = self.one(argument)
        if message is None:
            return b"-ERR no such message\r\n"
        head, mark, _ = message.partition(b"\r\n\r\n")
        return b"+OK\r\n" + stuffed(head + (b"\r\n\r\n" if mark else b""))

    def do_dele(self, argument):
        number, message = self.one(argument)
        if message is None:
            return b"-ERR no such message\r\n"
        self.marked.add(number)
        return b"+OK\r\n"

    def do_rset(self, _):
        self.marked.clear()
        return b"+OK\r\n"


def stuffed(message):
    """RFC 1939 §3; a last line without its end gets one."""
    if message and not message.endswith(b"\r\n"):
        message += b"\r\n"
    lines = message.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"
