"""A proxy for clear-text IMAP that delays, counts and breaks. It runs as a process of its own.

    with Proxy(server, rtt=0.05) as proxy:               # a far server: half of it each way, bandwidth not limited
        ...; proxy.stats()["turns"]
    with Proxy(server, rules=[{"do": "swallow", "on": "APPEND", "nth": 2}]) as proxy:
        ...; assert proxy.fired()

Options
    rtt             seconds of round trip; connecting costs one more, as on a real line
    rate            bytes a second each way
    hide            capabilities that are taken out of every announcement; only: the ones that are left in
    limit           connections at a time; one more is told "* BYE [UNAVAILABLE] Maximum number of connections"
    chop            octets a write at most, to exercise parsers
    rewrite         [(regular expression, replacement)] on the server's lines (not on literals)
    drop            regular expressions; responses whose first line matches are left out, literals and all
    rules           faults, see below
    log             True: note every client command (implied by rules and hide); see commands()
    refuse_after    True: after the first cut nobody is let in any more, until allow()

A rule is a dict. Rules on commands count over all connections and fire once, or `times` times (-1: for ever).
    on              command name ("APPEND", "UID FETCH", "*"); match: a regular expression on its first line
    nth             the first one that is meant, from 1
    do              cut-before            hang up instead of passing the command on
                    cut-literal           hang up within its literal; at: octets, or a fraction if below 1 (0.5);
                                          literal: which one, from 1
                    cut-after             pass it on whole, hang up on the client at once, let the server finish
                    swallow               wait until the server has done it, keep the tagged answer back, hang up
                    cut-reply             hang up `at` octets into the answer
                    cut-reply-literal     hang up within the first literal of the answer; at: as above
                    reply                 don't pass it on, answer `text`: "NO [LIMIT] later", "BAD what?", or
                                          "BYE gone", which hangs up too; untagged: lines to send before it;
                                          early: refuse at the first synchronising literal, before it is sent
                    stall                 don't pass it on, never answer, stay connected
                    inject                pass it on, but send `text` (whole lines) to the client first
                    delay                 hold it back for `seconds`
                    hold                  hold it back until release(); see held()
Rules on octets, for each connection or only for number `connection` (from 1):
    do              cut                   direction "c2s" or "s2c", after `bytes`
                    stall                 the same, but silently stay connected
`reset`: True hangs up with RST instead of FIN.
"""
import asyncio
import collections
import contextlib
import json
import re
import socket
import subprocess
import sys
import time

LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r?\n$")
CAPABILITY = re.compile(rb"(\* CAPABILITY|\[CAPABILITY)((?: +[^\]\r\n ]+)+)")
TWO_WORDS = {b"UID", b"GETQUOTAROOT"}
RECEIVE_BUFFER = 1 << 22
IN_FLIGHT = 1 << 26     # octets under way before the sender is held, when there is a delay
AT_ONCE = 1 << 22       # and when there is none
DRAIN_SECONDS = 10      # how long a server may take to finish a command whose client is gone


class Proxy:
    """The proxy as the tests see it: starts the process, asks it for figures. A process that has done its work is used again."""

    _idle = []

    def __init__(self, server, **options):
        self.server = server
        self.host = "127.0.0.1"
        self.options = dict(options, host=server.host, target=options.pop("target", None) or server.port)
        self.port = None
        self.process = None

    def start(self):
        if self._idle:
            self.process = self._idle.pop()
        else:
            self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._send(self.options)
        self.port = self._receive()["port"]
        return self

    def stop(self):
        if self.process:
            try:
                self._send({"end": True})
                self._receive()
                self._idle.append(self.process)
            except (OSError, RuntimeError):
                self.process.kill()
                self.process.wait()
            self.process = None

    def stats(self):
        """{connections, open, c2s, s2c, turns, fired, commands, per_connection}

        turns: how often the client spoke after the server had spoken, so about the round trips after the greeting.
        """
        self._send({"stats": True})
        return self._receive()

    def fired(self):
        """The faults that happened, as [{rule, connection, line}]."""
        return self.stats()["fired"]

    def commands(self, name=None):
        """The client's commands, [connection, name, first line], all or those of one name."""
        return [item for item in self.stats()["commands"] if name in (None, item[1])]

    def set_rules(self, rules, **options):
        """New rules; all counters start again. Other options may be changed along (rtt, hide, rewrite, drop…)."""
        self._send(dict(options, rules=rules, reset_counters=True))
        self._receive()

    def allow(self):
        """Lets clients in again after refuse_after."""
        self._send({"allow": True})
        self._receive()

    @contextlib.contextmanager
    def held(self):
        """What is done within happens while a command is held back, and that one goes on afterwards."""
        from .server import until   # the process itself is started outside the package
        until(self.fired)
        try:
            yield
        finally:
            self.release()

    def release(self):
        """Lets the commands go on that are held back, if there are any."""
        self._send({"release": True})
        self._receive()

    def hang_up(self):
        """Cuts every open connection."""
        self._send({"hang_up": True})
        self._receive()

    def url(self, user, **keys):
        return self.server.url(user, port=self.port, **keys)

    def password(self, user):
        return self.server.password(user)

    def add_user(self, user):
        self.server.add_user(user)

    def _send(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def _receive(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the proxy died (exit %s)" % self.process.wait())
        return json.loads(line)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


# From here on: the process itself.

class Pipe:
    """One direction of a connection: a queue of chunks, each with the time of its release."""

    def __init__(self, relay, name):
        self.relay = relay
        self.name = name
        self.source = None
        self.sink = None
        self.queue = collections.deque()
        self.queued = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.timer = None
        self.free_at = 0.0
        self.stalled = False
        self.held = False
        self.limit = None       # (octets, what to do then)

    def send(self, data):
        """Passes data on, when its time has come."""
        if self.stalled or not data:
            return
        if self.limit and self.bytes_out + len(data) >= self.limit[0]:
            count, then = self.limit
            self.limit = None
            self._put(bytes(data[:count - self.bytes_out]))
            self.stalled = True
            self.after(then)
            return
        self._put(data)

    def after(self, action):
        """Does something once all that was sent before is out."""
        if self.queue:
            self.queue.append((self.queue[-1][0], action))
        else:
            action()

    def _put(self, data):
        options = self.relay.hub.options
        self.bytes_out += len(data)
        chop = options.get("chop")
        if chop and len(data) > chop:
            for at in range(0, len(data), chop):
                self._enqueue(data[at:at + chop], options)
        else:
            self._enqueue(data, options)

    def _enqueue(self, data, options):
        half = options.get("rtt", 0) / 2
        rate = options.get("rate")
        if not half and not rate and not self.queue:
            self._write(data)
            return
        now = time.monotonic()
        release = now + half
        if rate:
            release = max(release, self.free_at)
            self.free_at = release + len(data) / rate
        self.queue.append((release, data))
        self.queued += len(data)
        self._hold()
        if not self.timer:
            self._arm()

    def _arm(self):
        loop = self.relay.hub.loop
        # loop.time() is the monotonic clock, so release times can be used as they are.
        self.timer = loop.call_at(self.queue[0][0], self._release)

    def _release(self):
        self.timer = None
        now = time.monotonic() + 0.0005
        while self.queue and self.queue[0][0] <= now:
            _, item = self.queue.popleft()
            if callable(item):
                item()
            else:
                self.queued -= len(item)
                self._write(item)
        if self.queue:
            self._arm()
        self._hold()

    def _write(self, data):
        if self.sink and not self.sink.is_closing():
            self.sink.write(data)
            self._hold()

    def _hold(self):
        """Flow control: stops reading from the source while too much is under way."""
        options = self.relay.hub.options
        room = IN_FLIGHT if options.get("rtt") else AT_ONCE
        waiting = self.queued + (self.sink.get_write_buffer_size() if self.sink else 0)
        if self.source is None or self.source.is_closing():
            return
        if waiting > room and not self.held:
            self.held = True
            self.source.pause_reading()
        elif waiting <= room // 2 and self.held:
            self.held = False
            self.source.resume_reading()


class End(asyncio.Protocol):
    """One of the two sockets of a connection."""

    def __init__(self, relay, side):
        self.relay = relay
        self.side = side
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RECEIVE_BUFFER)
        transport.set_write_buffer_limits(high=AT_ONCE // 2)
        self.relay.connected(self.side, transport)

    def data_received(self, data):
        self.relay.received(self.side, data)

    def eof_received(self):
        self.relay.ended(self.side)
        return True

    def connection_lost(self, exc):
        self.relay.lost(self.side)

    def resume_writing(self):
        pipe = self.relay.c2s if self.side == "server" else self.relay.s2c
        pipe._hold()


class Relay:
    """One client connection and its counterpart to the server."""

    def __init__(self, hub):
        self.hub = hub
        self.number = 0
        self.c2s = Pipe(self, "c2s")
        self.s2c = Pipe(self, "s2c")
        self.client = None
        self.server = None
        self.turns = 0
        self.last = "server"
        self.early = []
        self.draining = False
        self.closed = False
        self.client_side = ClientSide(self)
        self.server_side = ServerSide(self)

    def connected(self, side, transport):
        if side == "client":
            self.client = transport
            self.c2s.source = self.s2c.sink = transport
            self.hub.accepted(self)
        else:
            self.server = transport
            self.s2c.source = self.c2s.sink = transport
            for data in self.early:
                self._from_client(data)
            self.early = []

    def received(self, side, data):
        if side == "client":
            self.c2s.bytes_in += len(data)
            if self.last == "server":
                self.turns += 1
                self.last = "client"
            if self.server:
                self._from_client(data)
            else:
                self.early.append(data)
        else:
            self.s2c.bytes_in += len(data)
            self.last = "server"
            if self.draining:
                self.server_side.watch(data)
            elif self.hub.scripted:
                self.server_side.feed(data)
            else:
                self.s2c.send(data)

    def _from_client(self, data):
        if self.draining:
            return
        if self.hub.scripted:
            self.client_side.feed(data)
        else:
            self.c2s.send(data)

    def ended(self, side):
        """One side said it will send no more."""
        if self.draining and side == "server":
            self.close()
            return
        pipe, other = (self.c2s, self.server) if side == "client" else (self.s2c, self.client)
        pipe.after(lambda: self.end_of(other))
        if side == "server":
            pipe.after(self.close)

    @staticmethod
    def end_of(transport):
        try:
            if transport and not transport.is_closing() and transport.can_write_eof():
                transport.write_eof()
        except OSError:
            pass  # that side was faster to go

    def lost(self, side):
        if side == "client" and self.draining:
            return
        pipe = self.c2s if side == "client" else self.s2c
        pipe.after(self.close)

    def close(self):
        if not self.closed:
            self.closed = True
            self.hub.relays.discard(self)
            for transport in (self.client, self.server):
                if transport and not transport.is_closing():
                    transport.close()

    def cut(self, reset=False):
        """Hangs up on both sides; what was already passed on still arrives, unless reset."""
        self.hub.cut_happened()
        self.draining = True
        self._hang_up(self.client, reset)
        if self.server and not self.server.is_closing():
            self.server.close()
        self.closed = True
        self.hub.relays.discard(self)

    def cut_client(self, tag, reset=False):
        """Hangs up on the client, but lets the server finish the command with this tag."""
        self.hub.cut_happened()
        self.draining = True
        self.server_side.awaited = tag
        self._hang_up(self.client, reset)
        self.hub.loop.call_later(DRAIN_SECONDS, self.close)

    @staticmethod
    def _hang_up(transport, reset):
        if reset:
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            transport.abort()
        elif not transport.is_closing():
            transport.close()


class Command:
    def __init__(self, tag, name, line):
        self.tag = tag
        self.name = name
        self.line = line
        self.rule = None
        self.kept = False       # not passed on
        self.literals = 0


class ClientSide:
    """Parses what the client sends, just enough to know where commands and literals begin and end."""

    def __init__(self, relay):
        self.relay = relay
        self.buffer = bytearray()
        self.left = 0
        self.command = None
        self.talking = None     # tag of AUTHENTICATE or IDLE: lines are no commands
        self.waiting = False    # held back by "delay"

    def feed(self, data):
        self.buffer += data
        while self.buffer and not self.relay.draining and not self.waiting:
            if self.left:
                chunk = bytes(self.buffer[:self.left])
                del self.buffer[:len(chunk)]
                self.left -= len(chunk)
                self._literal(chunk)
                continue
            end = self.buffer.find(b"\n")
            if end < 0:
                break
            line = bytes(self.buffer[:end + 1])
            del self.buffer[:end + 1]
            self._line(line)

    def _line(self, line):
        if self.talking and not self.command:
            if self.relay.server_side.done(self.talking) or (self.talking_idle and line.strip().upper() == b"DONE"):
                was_idle, self.talking = self.talking_idle, None
                if was_idle:
                    self.relay.c2s.send(line)
                    return
            else:
                self.relay.c2s.send(line)
                return
        if not self.command:
            self._start(line)
        if not self.command:
            return
        if self.waiting:
            self.buffer[:0] = line
            return
        match = LITERAL.search(line)
        self._pass(line)
        if match and not self.relay.draining:
            self._announced(int(match.group(1)), match.group(2) == b"+")
        elif not self.relay.draining:
            self._end()

    def _start(self, line):
        words = line.split(None, 3)
        if len(words) < 2:
            self.relay.c2s.send(line)
            return
        name = words[1].upper()
        if name in TWO_WORDS and len(words) > 2:
            name += b" " + words[2].upper()
        command = self.command = Command(words[0], name.decode("latin-1"), line)
        hub = self.relay.hub
        shown = line if name not in (b"LOGIN", b"AUTHENTICATE") else b" ".join(words[:3 if name != b"LOGIN" else 2])
        hub.commands.append([self.relay.number, command.name, shown.strip().decode("latin-1")[:2000]])
        rule = command.rule = hub.match(self.relay, command)
        if not rule:
            return
        do = rule["do"]
        if do == "cut-before":
            self.relay.cut(rule.get("reset"))
            self.command = None
        elif do in ("reply", "stall"):
            command.kept = True
        elif do == "inject":
            self.relay.server_side.inject(rule["text"].encode("latin-1"))
        elif do == "hold":
            self.waiting = True
            hub.held.append(self)
        elif do == "delay":
            self.waiting = True
            hub.loop.call_later(rule["seconds"], self._go_on)

    def _go_on(self):
        self.waiting = False
        self.feed(b"")

    def _pass(self, data):
        if not self.command.kept:
            self.relay.c2s.send(data)

    def _announced(self, size, plus):
        command = self.command
        command.literals += 1
        rule = command.rule
        if command.kept and rule["do"] == "reply" and not plus:
            if rule.get("early"):
                self._answer(rule)
                self.command = None
                return
            self.relay.server_side.inject(b"+ go ahead\r\n")
        self.left = size
        self.cut_at = None
        if rule and rule["do"] == "cut-literal" and command.literals == rule.get("literal", 1):
            at = rule.get("at", 0.5)
            self.cut_at = min(int(at * size) if 0 < at < 1 else int(at), size)
            if self.cut_at == 0:
                self.relay.c2s.after(lambda: self.relay.cut(rule.get("reset")))
                self.relay.draining = True

    def _literal(self, chunk):
        if self.cut_at is not None:
            if len(chunk) >= self.cut_at:
                self._pass(chunk[:self.cut_at])
                rule = self.command.rule
                self.relay.draining = True
                self.relay.c2s.after(lambda: self.relay.cut(rule.get("reset")))
                return
            self.cut_at -= len(chunk)
        self._pass(chunk)

    def _end(self):
        command, self.command = self.command, None
        side = self.relay.server_side
        if command.name in ("AUTHENTICATE", "IDLE") and not command.kept:
            self.talking = command.tag
            self.talking_idle = command.name == "IDLE"
            side.finished.discard(command.tag)
        rule = command.rule
        if not rule:
            return
        do, reset = rule["do"], rule.get("reset")
        if do == "reply":
            self._answer(rule, command)
        elif do == "cut-after":
            self.relay.c2s.after(lambda: self.relay.cut_client(command.tag, reset))
        elif do == "swallow":
            side.swallow[command.tag] = reset
        elif do == "cut-reply":
            side.relay.s2c.limit = (side.relay.s2c.bytes_out + int(rule.get("at", 1)), lambda: self.relay.cut(reset))
        elif do == "cut-reply-literal":
            side.cut_literal = rule

    def _answer(self, rule, command=None):
        command = command or self.command
        text = rule["text"]
        data = rule.get("untagged", "").encode("latin-1")
        side = self.relay.server_side
        if text.upper().startswith("BYE"):
            side.inject(data + b"* " + text.encode("latin-1") + b"\r\n", then=self.relay.cut)
        else:
            side.inject(data + command.tag + b" " + text.encode("latin-1") + b"\r\n")


class ServerSide:
    """Parses what the server sends: responses with their literals."""

    def __init__(self, relay):
        self.relay = relay
        self.buffer = bytearray()
        self.left = 0
        self.inside = False     # between the pieces of one response
        self.dropping = False
        self.finished = set()
        self.swallow = {}
        self.cut_literal = None
        self.injected = collections.deque()
        self.awaited = None
        self.tail = b""

    def done(self, tag):
        return tag in self.finished

    def inject(self, data, then=None):
        self.injected.append((data, then))
        self._flush_injected()

    def _flush_injected(self):
        while self.injected and not self.inside and not self.left:
            data, then = self.injected.popleft()
            self.relay.s2c.send(data)
            if then:
                self.relay.draining = True
                self.relay.s2c.after(then)

    def watch(self, data):
        """After the client is gone: only waits for the tagged answer."""
        self.tail = (self.tail + data)[-65536:]
        if self.awaited and re.search(rb"(^|\n)" + re.escape(self.awaited) + rb" [^\n]*\n", self.tail):
            self.relay.close()

    def feed(self, data):
        self.buffer += data
        while self.buffer and not self.relay.draining:
            if self.left:
                chunk = bytes(self.buffer[:self.left])
                del self.buffer[:len(chunk)]
                self.left -= len(chunk)
                if not self.dropping:
                    self.relay.s2c.send(chunk)
                continue
            end = self.buffer.find(b"\n")
            if end < 0:
                break
            line = bytes(self.buffer[:end + 1])
            del self.buffer[:end + 1]
            self._line(line)

    def _line(self, line):
        first = not self.inside
        match = LITERAL.search(line)
        self.inside = bool(match)
        if match:
            self.left = int(match.group(1))
        if first:
            self.dropping = self.relay.hub.drops(line)
            if self._tagged(line):
                return
        if not self.dropping:
            self.relay.s2c.send(self.relay.hub.rewritten(line))
        if match and self.cut_literal:
            rule, self.cut_literal = self.cut_literal, None
            at = rule.get("at", 0.5)
            count = min(int(at * self.left) if 0 < at < 1 else int(at), self.left)
            pipe = self.relay.s2c
            if count:
                pipe.limit = (pipe.bytes_out + count, lambda: self.relay.cut(rule.get("reset")))
            else:
                self.relay.draining = True
                pipe.after(lambda: self.relay.cut(rule.get("reset")))
        self._flush_injected()

    def _tagged(self, line):
        """True when a tagged answer is kept back."""
        tag = line.partition(b" ")[0]
        if tag in (b"*", b"+"):
            return False
        self.finished.add(tag)
        if tag in self.swallow:
            reset = self.swallow.pop(tag)
            self.relay.draining = True
            self.relay.s2c.after(lambda: self.relay.cut(reset))
            return True
        return False


class Hub:
    """The listening socket, the rules and the counters."""

    def __init__(self, options):
        self.loop = asyncio.get_running_loop()
        self.options = {}
        self.relays = set()
        self.all = []
        self.held = []
        self.shut = False
        self.limit_refused = 0
        self.cpu_before = time.process_time()
        self.set(options)

    def set(self, options):
        self.options.update(options)
        options = self.options
        self.rules = [dict(rule, seen=0, left=rule.get("times", 1)) for rule in options.get("rules", ())]
        self.fired = []
        self.commands = []
        self.hide = {name.upper().encode() for name in options.get("hide", ())}
        self.only = {name.upper().encode() for name in options.get("only") or ()}
        self.rewrites = [(re.compile(a.encode("latin-1")), b.encode("latin-1"))
                         for a, b in options.get("rewrite", ())]
        self.dropped = [re.compile(a.encode("latin-1")) for a in options.get("drop", ())]
        on_commands = any("on" in rule for rule in self.rules)
        self.scripted = bool(on_commands or self.hide or self.only or self.rewrites or self.dropped
                             or options.get("log"))
        if self.scripted:
            # What cannot be read cannot be scripted.
            self.hide |= {b"COMPRESS=DEFLATE", b"STARTTLS"}
        if options.get("reset_counters"):
            self.all = list(self.relays)
            for relay in self.all:
                relay.turns = relay.c2s.bytes_in = relay.s2c.bytes_in = 0

    def accepted(self, relay):
        limit = self.options.get("limit")
        if self.shut:
            relay.closed = True
            relay.client.abort()
            return
        if limit and len(self.relays) >= limit:
            self.limit_refused += 1
            relay.client.write(b"* BYE [UNAVAILABLE] Maximum number of connections from user+IP exceeded\r\n")
            relay.client.close()
            return
        self.relays.add(relay)
        self.all.append(relay)
        relay.number = len(self.all)
        self._octet_rules(relay)
        # A real line's handshake: the greeting comes two round trips after the client's first packet.
        self.loop.call_later(self.options.get("rtt", 0) * 1.5,
                             lambda: self.loop.create_task(self._connect(relay)))

    async def _connect(self, relay):
        try:
            await self.loop.create_connection(lambda: End(relay, "server"), self.options["host"],
                                              self.options["target"])
        except OSError:
            relay.cut()
            return
        if relay.closed and relay.server:
            relay.server.close()

    def _octet_rules(self, relay):
        for index, rule in enumerate(self.rules):
            if "direction" not in rule or not rule["left"]:
                continue
            if rule.get("connection") not in (None, relay.number):
                continue
            rule["left"] -= 1
            pipe = relay.c2s if rule["direction"] == "c2s" else relay.s2c
            reset = rule.get("reset")

            def act(index=index, rule=rule, reset=reset):
                self.fired.append({"rule": index, "connection": relay.number, "line": ""})
                if rule["do"] == "cut":
                    relay.cut(reset)
            if rule["bytes"] == 0:
                pipe.stalled = True
                self.loop.call_soon(act)
            else:
                pipe.limit = (rule["bytes"], act)

    def match(self, relay, command):
        hit = None
        for index, rule in enumerate(self.rules):
            if "on" not in rule or rule["on"].upper() not in ("*", command.name):
                continue
            if "match" in rule and not re.search(rule["match"].encode("latin-1"), command.line, re.I):
                continue
            rule["seen"] += 1
            if hit or rule["seen"] < rule.get("nth", 1) or not rule["left"]:
                continue
            rule["left"] -= 1
            hit = rule
            self.fired.append({"rule": index, "connection": relay.number,
                               "line": command.line[:200].decode("latin-1").strip()})
        return hit

    def cut_happened(self):
        if self.options.get("refuse_after"):
            self.shut = True

    def drops(self, line):
        return any(pattern.search(line) for pattern in self.dropped)

    def rewritten(self, line):
        if self.hide or self.only:
            line = CAPABILITY.sub(self._capabilities, line)
        for pattern, replacement in self.rewrites:
            line = pattern.sub(replacement, line)
        return line

    def _capabilities(self, match):
        left = [name for name in match.group(2).split()
                if name.upper() not in self.hide and (not self.only or name.upper() in self.only)]
        return b" ".join([match.group(1)] + left)

    def stats(self):
        return {
            "connections": len(self.all), "open": len(self.relays), "refused": self.limit_refused,
            "c2s": sum(relay.c2s.bytes_in for relay in self.all),
            "s2c": sum(relay.s2c.bytes_in for relay in self.all),
            "turns": sum(relay.turns for relay in self.all),
            "per_connection": [{"c2s": relay.c2s.bytes_in, "s2c": relay.s2c.bytes_in, "turns": relay.turns}
                               for relay in self.all],
            "fired": self.fired, "commands": self.commands, "cpu": time.process_time() - self.cpu_before,
        }

    def control(self, message):
        if "stats" in message:
            return self.stats()
        if "allow" in message:
            self.shut = False
        elif "release" in message:
            held, self.held = self.held, []
            for side in held:
                side._go_on()
        elif "hang_up" in message:
            for relay in list(self.relays):
                relay.cut()
        else:
            self.set(message)
        return {}


    def end(self):
        self.shut = True
        for relay in self.all:
            relay.closed = True
            for transport in (relay.client, relay.server):
                if transport:
                    transport.abort()


async def main():
    """Options, then controls until the "end", and so again; the end of the input ends the process."""
    reader = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        hub = Hub(json.loads(line))
        server = await hub.loop.create_server(lambda hub=hub: End(Relay(hub), "client"), "127.0.0.1", 0, backlog=500)
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        while line := await reader.readline():
            message = json.loads(line)
            if "end" in message:
                break
            print(json.dumps(hub.control(message)), flush=True)
        server.close()
        hub.end()
        print("{}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
