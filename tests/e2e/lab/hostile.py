"""A scriptable IMAP server for what real servers do not do, or not on demand.

It keeps a small account in memory and answers like a plain server, except where the test says otherwise:

    fake = Fake({"INBOX": [corpus.message(1)]})
    fake.on(r"UID FETCH .*BODY", b"* 1 FETCH (UID 1 BODY[] {9223372036854775807}\\r\\n")
    fake.on(r"^LIST", lambda s: s.send(b'* LIST () "/" "../../etc/passwd"\\r\\n') or s.ok())
    with fake: ... fake.host, fake.port, fake.seen

on(pattern, reply, times=-1): the pattern is searched in the command without its tag, literals shown as {n}. The reply is
    bytes       sent as they are; %TAG% stands for the tag
    None        nothing is ever answered
    "close"     the connection is closed, "reset" with RST
    function    called with the session: session.tag, .line, .literals, .send(), .ok(), .no(), .bad(), .default()
"""
import base64
import dataclasses
import os
import re
import shutil
import socket
import ssl
import struct
import threading
import time

from . import syntax
from .server import PASSWORD, Server, free_ports, work_dir

CAPABILITIES = "IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN UIDPLUS NAMESPACE UNSELECT MULTIAPPEND"
LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r?\n$")


@dataclasses.dataclass
class Stored:
    uid: int
    body: bytes
    flags: set
    date: str
    size: int = -1      # what RFC822.SIZE claims; -1: the truth


@dataclasses.dataclass
class Box:
    messages: list
    uidvalidity: int = 1000
    uidnext: int = 1
    attributes: str = ""
    subscribed: bool = True


class Fake(Server):
    """mailboxes: {raw name: [corpus.Message]}. What clients append is kept in them, see `messages()`."""

    name = "fake"

    def __init__(self, mailboxes=None, capabilities=CAPABILITIES, greeting=None, delimiter="/", cert=None,
                 implicit_tls=False, max_connections=None, newest=None,
                 permanent="\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*"):
        super().__init__()
        self.capabilities = capabilities
        self.greeting = greeting
        self.separator = delimiter
        self.cert = cert
        self.implicit_tls = implicit_tls
        self.max_connections = max_connections
        self.newest = newest    # a mailbox shows only so many messages, the last ones; None: all
        self.permanent = permanent
        self.lock = threading.RLock()
        self.boxes = {}
        self.rules = []
        self.items = {}         # other items of FETCH: {b"X-GUID": function of the message that gives the value}
        self.seen = []          # (connection, command without its tag) in order of arrival
        self.raw = bytearray()  # every octet that clients sent, also inside TLS
        self.connections = 0
        self.open = 0
        for name, messages in (mailboxes or {"INBOX": []}).items():
            box = self.boxes[name] = Box([])
            for msg in messages:
                self.store(box, msg.body, msg.flags, msg.date)

    def store(self, box, body, flags=(), date="01-Jan-2024 12:00:00 +0000"):
        stored = Stored(box.uidnext, body, set(flags), date)
        box.uidnext += 1
        box.messages.append(stored)
        return stored

    def messages(self, name="INBOX"):
        """[(body, sorted flags, INTERNALDATE)] as they are stored now."""
        with self.lock:
            return [(msg.body, sorted(msg.flags), msg.date) for msg in self.boxes[name].messages]

    def on(self, pattern, reply, times=-1):
        self.rules.append([re.compile(pattern.encode() if isinstance(pattern, str) else pattern, re.I | re.S),
                           reply, times])
        return self

    def commands(self, pattern=""):
        """The commands that matched a pattern, as text."""
        return [line.decode("latin-1") for _, line in list(self.seen) if re.search(pattern.encode(), line, re.I)]

    def start(self):
        self.dir = work_dir(self.name)
        self.listener = socket.create_server((self.host, free_ports(1)[0]), backlog=100)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self):
        self.listener.close()
        if self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)
            self.dir = None

    def __enter__(self):
        return self if self.dir else self.start()

    def pass_file(self, user):
        path = os.path.join(self.dir, "pass")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(PASSWORD + "\n")
        return path

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert.cert, self.cert.key)
        return context

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, sock, number):
        with self.lock:
            self.open += 1
        try:
            if self.implicit_tls:
                sock = self.context().wrap_socket(sock, server_side=True)
            Session(self, sock, number).run()
        except (OSError, ValueError, EOFError):
            pass
        finally:
            with self.lock:
                self.open -= 1
            sock.close()


class Session:
    """One connection: reads commands, applies the rules, answers."""

    def __init__(self, server, sock, number):
        self.server = server
        self.sock = sock
        self.file = sock.makefile("rb")
        self.number = number
        self.tag = b""
        self.line = b""             # the command without its tag, literals as {n}
        self.words = []             # its values
        self.literals = []
        self.box = None
        self.readonly = False
        self.user = None

    def send(self, data):
        self.sock.sendall(data)

    def ok(self, text="done"):
        self.send(self.tag + b" OK " + text.encode() + b"\r\n")

    def no(self, text="no"):
        self.send(self.tag + b" NO " + text.encode() + b"\r\n")

    def bad(self, text="bad"):
        self.send(self.tag + b" BAD " + text.encode() + b"\r\n")

    def sleep(self, seconds):
        time.sleep(seconds)

    def close(self):
        raise EOFError

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        raise EOFError

    def run(self):
        server = self.server
        if server.max_connections and server.open > server.max_connections:
            self.send(b"* BYE [UNAVAILABLE] Too many connections\r\n")
            return
        greeting = server.greeting
        if callable(greeting):
            greeting = greeting(self)
        elif greeting is None:
            greeting = b"* OK [CAPABILITY " + server.capabilities.encode() + b"] fake ready\r\n"
        if greeting:
            self.send(greeting)
        while self._read():
            server.seen.append((self.number, self.line))
            self._answer()

    def _read(self):
        """Reads one command; False at the end of the connection."""
        self.literals = []
        pieces, shown = [], b""
        while True:
            line = self.file.readline()
            self.server.raw += line
            if not line.endswith(b"\n"):
                return False
            match = LITERAL.search(line)
            if not match:
                pieces.append(line)
                shown += line
                break
            if not match.group(2):
                self.send(b"+ go ahead\r\n")
            literal = self.file.read(int(match.group(1)))
            self.literals.append(literal)
            self.server.raw += literal
            pieces.append((line.rstrip(b"\r\n").replace(b"+}", b"}"), literal))
            shown += line.rstrip(b"\r\n")
        self.tag, _, self.line = shown.strip(b"\r\n").partition(b" ")
        try:
            self.words = syntax.values(pieces)[1:]
        except (ValueError, IndexError):
            self.words = []
        return True

    def _answer(self):
        for rule in self.server.rules:
            pattern, reply, times = rule
            if not times or not pattern.search(self.line):
                continue
            rule[2] -= 1
            self._scripted(reply)
            return
        self.default()

    def _scripted(self, reply):
        if reply is None:
            return
        if reply == "close":
            self.close()
        elif reply == "reset":
            self.reset()
        elif callable(reply):
            reply(self)
        else:
            self.send(reply.replace(b"%TAG%", self.tag))

    def default(self):
        """What a plain server answers."""
        if not self.words:
            self.bad("no command")
            return
        name = self.words[0].decode("latin-1").upper()
        if name == "UID":
            name += "_" + self.words[1].decode("latin-1").upper()
        method = getattr(self, "do_" + name.replace("-", "_").lower(), None)
        if not method:
            self.bad("unknown command")
        else:
            with self.server.lock:
                method(self.words)

    # The commands, in the order in which a client meets them.

    def do_capability(self, _):
        self.send(b"* CAPABILITY " + self.server.capabilities.encode() + b"\r\n")
        self.ok()

    def do_noop(self, _):
        self.ok()

    do_check = do_noop

    def do_logout(self, _):
        self.send(b"* BYE bye\r\n")
        self.ok()
        self.close()

    def do_starttls(self, _):
        self.ok("go on")
        self.sock = self.server.context().wrap_socket(self.sock, server_side=True)
        self.file = self.sock.makefile("rb")

    def do_login(self, words):
        self.user = words[1]
        if words[2] != PASSWORD.encode():
            self.no("[AUTHENTICATIONFAILED] wrong")
        else:
            self.ok("[CAPABILITY %s] logged in" % self.server.capabilities)

    def do_authenticate(self, words):
        if words[1].upper() != b"PLAIN":
            self.no("unknown mechanism")
            return
        if len(words) > 2:
            answer = words[2]
        else:
            self.send(b"+ \r\n")
            answer = self.file.readline().strip()
            self.server.raw += answer
        if not base64.b64decode(answer).endswith(b"\0" + PASSWORD.encode()):
            self.no("[AUTHENTICATIONFAILED] wrong")
        else:
            self.ok("[CAPABILITY %s] logged in" % self.server.capabilities)

    def do_id(self, _):
        self.send(b'* ID ("name" "fake")\r\n')
        self.ok()

    def do_enable(self, _):
        self.send(b"* ENABLED\r\n")
        self.ok()

    def do_namespace(self, _):
        self.send(b'* NAMESPACE (("" "%s")) NIL NIL\r\n' % self.server.separator.encode())
        self.ok()

    def do_list(self, words, what=b"LIST"):
        reference, pattern = words[-2:] if len(words) == 3 else (b"", b"*")
        if pattern == b"":
            self.send(b'* LIST (\\Noselect) "%s" ""\r\n' % self.server.separator.encode())
        else:
            glob = re.escape((reference or b"") + pattern).replace(rb"\*", b".*").replace(b"%", b"[^/]*")
            for name, box in self.server.boxes.items():
                if (what == b"LIST" or box.subscribed) and re.fullmatch(glob, name.encode(), re.S):
                    self.send(b'* %s (%s) "%s" %s\r\n' % (what, box.attributes.encode(),
                                                           self.server.separator.encode(),
                                                           syntax.quote(name)))
        self.ok()

    def do_lsub(self, words):
        self.do_list(words, b"LSUB")

    def do_status(self, words):
        box = self._box(words[1])
        if not box:
            return
        values = {b"MESSAGES": len(self._shown(box)), b"UIDNEXT": box.uidnext, b"UIDVALIDITY": box.uidvalidity,
                  b"UNSEEN": 0, b"RECENT": 0}
        items = b" ".join(b"%s %d" % (item, values[item.upper()]) for item in words[2] if item.upper() in values)
        self.send(b"* STATUS %s (%s)\r\n" % (syntax.quote(words[1]), items))
        self.ok()

    def do_create(self, words):
        name = words[1].decode("latin-1").rstrip(self.server.separator)
        if name in self.server.boxes:
            self.no("[ALREADYEXISTS] exists")
        else:
            self.server.boxes[name] = Box([])
            self.ok()

    def do_subscribe(self, words):
        box = self._box(words[1])
        if box:
            box.subscribed = True
            self.ok()

    def do_select(self, words, readonly=False):
        self.box = self._box(words[1])
        if not self.box:
            return
        self.readonly = readonly
        self.send(b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* %d EXISTS\r\n* 0 RECENT\r\n"
                  b"* OK [UIDVALIDITY %d] valid\r\n* OK [UIDNEXT %d] next\r\n* OK [PERMANENTFLAGS (%s)] kept\r\n"
                  % (len(self._shown(self.box)), self.box.uidvalidity, self.box.uidnext,
                     b"" if readonly else self.server.permanent.encode()))
        self.ok("[READ-ONLY] selected" if readonly else "[READ-WRITE] selected")

    def do_examine(self, words):
        self.do_select(words, readonly=True)

    def do_unselect(self, _):
        self.box = None
        self.ok()

    def do_close(self, _):
        if self.box and not self.readonly:
            self.box.messages = [msg for msg in self.box.messages if "\\Deleted" not in msg.flags]
        self.do_unselect(_)

    def do_uid_fetch(self, words):
        items = words[3] if isinstance(words[3], list) else [words[3]]
        names = []
        for item in items:
            names += ((b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE") if isinstance(item, bytes) and item.upper() == b"ALL"
                      else (item.upper() if isinstance(item, bytes) else item,))
        for seq, msg in self._chosen(words[2]):
            self.send(b"* %d FETCH (UID %d%s)\r\n" % (seq, msg.uid, b"".join(self._item(msg, n) for n in names)))
        self.ok()

    def _item(self, msg, name):
        if name == b"FLAGS":
            return b" FLAGS (%s)" % " ".join(sorted(msg.flags)).encode()
        if name == b"INTERNALDATE":
            return b' INTERNALDATE "%s"' % msg.date.encode()
        if name == b"RFC822.SIZE":
            return b" RFC822.SIZE %d" % (len(msg.body) if msg.size < 0 else msg.size)
        if name in self.server.items:
            return b" %s %s" % (name, self.server.items[name](msg))
        if not isinstance(name, bytes) or not name.startswith(b"BODY"):
            return b""
        return self._body(msg, name.replace(b".PEEK", b""))

    @staticmethod
    def _body(msg, name):
        head, separator, _ = msg.body.partition(b"\r\n\r\n")
        head += separator
        section = name[5:name.rindex(b"]")]
        data = msg.body
        if section == b"HEADER":
            data = head
        elif section == b"TEXT":
            data = msg.body[len(head):]
        elif section.startswith(b"HEADER.FIELDS"):
            wanted = section.partition(b"(")[2].rstrip(b")").split()
            no = section.startswith(b"HEADER.FIELDS.NOT")
            lines = re.findall(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*", head)
            data = b"".join(line for line in lines
                            if (line.partition(b":")[0].strip().upper() in wanted) != no) + b"\r\n"
        partial = re.search(rb"<(\d+)\.(\d+)>$", name)
        if partial:
            start, count = map(int, partial.groups())
            data = data[start:start + count]
            name = name[:name.rindex(b"<")] + b"<%d>" % start
        return b" %s {%d}\r\n%s" % (name, len(data), data)

    def do_uid_search(self, words):
        chosen = self._shown(self.box)
        if words[2][:1].isdigit():
            numbers = [part.split(b":") for part in words[2].split(b",")]
            chosen = [chosen[i - 1] for part in numbers for i in range(int(part[0]), int(part[-1]) + 1)]
        if b"UID" in [word.upper() for word in words[2:] if isinstance(word, bytes)]:
            where = [word.upper() if isinstance(word, bytes) else word for word in words]
            chosen = [msg for _, msg in self._chosen(words[where.index(b"UID", 2) + 1])]
        self.send(b"* SEARCH" + b"".join(b" %d" % msg.uid for msg in chosen) + b"\r\n")
        self.ok()

    def do_uid_store(self, words):
        flags = {flag.decode("latin-1") for flag in words[4]}
        how = words[3].upper()
        for seq, msg in self._chosen(words[2]):
            if how.startswith(b"+"):
                msg.flags |= flags
            elif how.startswith(b"-"):
                msg.flags -= flags
            else:
                msg.flags = set(flags)
            if b"SILENT" not in how:
                self.send(b"* %d FETCH (UID %d FLAGS (%s))\r\n" % (seq, msg.uid, " ".join(sorted(msg.flags)).encode()))
        self.ok()

    def do_uid_expunge(self, words):
        chosen = {msg.uid for _, msg in self._chosen(words[2])}
        shown = self._shown(self.box)
        for seq in range(len(shown), 0, -1):
            msg = shown[seq - 1]
            if msg.uid in chosen and "\\Deleted" in msg.flags:
                self.box.messages.remove(msg)
                self.send(b"* %d EXPUNGE\r\n" % seq)
        self.ok()

    def do_append(self, words):
        box = self._box(words[1])
        if not box:
            return
        uids, flags, date, bodies = [], (), "01-Jan-2024 12:00:00 +0000", list(self.literals)
        if words[1] in bodies[:1]:
            bodies.pop(0)
        for word in words[2:]:
            if isinstance(word, list):
                flags = [flag.decode("latin-1") for flag in word]
            elif bodies and word == bodies[0]:
                uids.append(self.store_appended(box, bodies.pop(0), flags, date))
                flags, date = (), "01-Jan-2024 12:00:00 +0000"
            elif word:
                date = word.decode("latin-1")
        self.ok("[APPENDUID %d %s] stored" % (box.uidvalidity, ",".join(map(str, uids)))
                if "UIDPLUS" in self.server.capabilities else "stored")

    def store_appended(self, box, body, flags, date):
        return self.server.store(box, body, flags, date).uid

    def _box(self, name):
        box = self.server.boxes.get(name.decode("latin-1")) or (
            self.server.boxes.get("INBOX") if name.upper() == b"INBOX" else None)
        if not box:
            self.no("[TRYCREATE] no such mailbox")
        return box

    def _shown(self, box):
        return box.messages[-self.server.newest:] if self.server.newest else list(box.messages)

    def _chosen(self, sequence_set):
        """[(sequence number, message)] of a UID set."""
        messages = self._shown(self.box)
        last = messages[-1].uid if messages else 0
        chosen = set()
        for part in sequence_set.decode().split(","):
            first, _, end = part.partition(":")
            low = last if first == "*" else int(first)
            high = low if not end else last if end == "*" else int(end)
            chosen.update(msg.uid for msg in messages if min(low, high) <= msg.uid <= max(low, high))
        return [(seq, msg) for seq, msg in enumerate(messages, 1) if msg.uid in chosen]
