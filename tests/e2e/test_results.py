"""The database of results, written by `check --scan`: SQLite, and PostgreSQL as a private server, with everything that goes wrong with databases.

What `compare` adds is in test_compare_db.py.
"""
import os
import signal
import socket
import sqlite3
import stat
import threading
import time

import pytest

from copying import note
from lab import load
from lab.hostile import Fake
from lab.postgres import USER, Postgres
from lab.server import PASSWORD

COLUMNS = "run, command, state, exit_code, ended IS NOT NULL"


@pytest.fixture(scope="module")
def pg(servers):
    return servers(Postgres)


@pytest.fixture
def db(pg, user):
    """A database nobody had before."""
    pg.create(user)
    return user


def sqlite(path, sql):
    with sqlite3.connect(path) as connection:
        rows = connection.execute(sql).fetchall()
    connection.close()
    return rows


def fill(server, user, **mailboxes):
    for name, count in mailboxes.items():
        load.append_many(server, user, name, [note(i, name) for i in range(count)], create=name != "INBOX")


def scan(run, where, *args, check=0, **kwargs):
    return run("check", "--scan", *args, *([where] if isinstance(where, str) else where), check=check, **kwargs)


class Back:
    """Both kinds of database, as a test sees them."""

    def __init__(self, url, options, query):
        self.url, self.options, self.query = url, options, query

    @property
    def args(self):
        return ["--db", self.url, *self.options]

    def texts(self, sql):
        """Rows as texts: numbers and booleans look different in each."""
        words = {"t": "1", "f": "0", "True": "1", "False": "0"}
        return [[None if field is None else words.get(str(field), str(field)) for field in row] for row in self.query(sql)]


@pytest.fixture(params=["sqlite", "postgres"])
def back(request, tmp_path, user):
    if request.param == "sqlite":
        path = tmp_path / "results.db"
        return Back("sqlite:%s" % path, [], lambda sql: sqlite(path, sql))
    pg = request.getfixturevalue("pg")
    pg.create(user)
    return Back(pg.db_url(user), pg.pass_options(), lambda sql: pg.query(user, sql))


def test_one_server(src, user, run, back):
    """imapdiag with one server: connection test and scan."""
    fill(src, user, INBOX=3, Work=2)
    load.store(src, user, "INBOX", "2", "+", ["\\Seen", "$Mine"])
    scan(run, src.url(user), *back.args)
    assert back.texts("SELECT %s FROM runs" % COLUMNS) == [["1", "check", "finished", "0", "1"]]
    assert back.texts("SELECT location, name, host, user_name, error FROM locations") == [
        ["1", "imap://%s@127.0.0.1:%d" % (user, src.port), "127.0.0.1", user, None]]
    boxes = back.texts("SELECT name, complete, messages, announced, error FROM mailboxes WHERE messages > 0 ORDER BY name")
    assert boxes == [["INBOX", "1", "3", "3", None], ["Work", "1", "2", "2", None]]
    rows = back.texts("SELECT uid, m.octets, flags, message_id FROM messages m JOIN mailboxes b USING (run, mailbox)"
                      " WHERE b.name = 'INBOX' ORDER BY uid")
    notes = [note(i, "INBOX") for i in range(3)]
    assert [row[:2] for row in rows] == [[str(i + 1), str(msg.size)] for i, msg in enumerate(notes)]
    assert rows[1][2] == "\\Seen $Mine" and rows[0][2] == ""
    for row, msg in zip(rows, notes):
        assert row[3] and row[3].encode() in b"".join(msg.chunks())
    arrived = back.texts("SELECT arrived FROM messages WHERE uid = 1")[0][0]
    assert arrived.startswith("20") and ("Z" in arrived or "+00" in arrived)
    digests = back.texts("SELECT count(DISTINCT header_digest), count(content_digest) FROM messages")
    assert digests == [["5", "0"]]
    assert back.texts("SELECT count(*) FROM findings") == [["0"]]


def test_what_is_wrong_is_a_finding(src, user, run, back, proxy):
    fill(src, user, INBOX=3, Work=2)
    refusing = proxy(src, rules=[{"on": "EXAMINE", "match": "Work", "do": "reply", "text": "NO [NOPERM] no entry"}])
    gone = "imap://x@127.0.0.1:1?tls=none&pass-cmd=echo%20x"
    scan(run, [refusing.url(user), gone], *back.args, check=4)
    assert back.texts("SELECT state, exit_code FROM runs") == [["finished", "4"]]
    first, second = back.texts("SELECT location, error FROM locations ORDER BY location")
    assert first == ["1", None] and second[0] == "2" and "connect" in second[1]
    assert back.texts("SELECT complete, messages, announced FROM mailboxes WHERE name = 'Work'") == [["0", "0", None]]
    findings = back.texts("SELECT location, kind, name, reason FROM findings ORDER BY location")
    assert [row[:3] for row in findings] == [["1", "unknown", "Work"], ["2", "unknown", None]]
    assert "no entry" in findings[0][3] and "connect" in findings[1][3]
    assert back.texts("SELECT mailbox, kind, number FROM differences ORDER BY mailbox") in (
        [["Work", "unknown", "1"], [None, "unknown", "1"]], [[None, "unknown", "1"], ["Work", "unknown", "1"]])


def test_files_and_several(src, user, run, back, tmp_path):
    box = tmp_path / "mail.mbox"
    box.write_bytes(b"From a@b Mon Jan  1 00:00:00 2024\nMessage-ID:\n <folded@x>\nSubject: x\n\nhello\n")
    fill(src, user, INBOX=1)
    scan(run, ["mbox:%s" % box, src.url(user)], *back.args)
    assert back.texts("SELECT location, user_name FROM locations ORDER BY location") == [["1", None], ["2", user]]
    assert back.texts("SELECT message_id FROM messages m JOIN mailboxes USING (run, mailbox) WHERE location = 1") == [["<folded@x>"]]


def test_hostile_mail(run, back):
    fake = Fake({"INBOX": [], "a\\'b": []})
    nasty = (b"Message-ID: <a\xff\x00\x1b[31m\xe2\x80\xaeb\\N'; DROP TABLE runs; -->\r\n\r\nx",
             b"Message-ID: <" + b"x" * 20000 + b">\r\n\r\nx", b"Message-ID:\r\n\r\nx", b"Subject: none\r\n\r\nx", b"")
    with fake:
        for body in nasty:
            fake.store(fake.boxes["INBOX"], body)
        result = scan(run, fake.url(USER), *back.args)
    ids = [row[0] for row in back.texts("SELECT message_id FROM messages ORDER BY uid")]
    assert "\\xFF" in ids[0] and "\\x1B[31m\\u{202E}b\\N'; DROP TABLE runs; -->" in ids[0], ids[0]
    assert ids[1] == "<" + "x" * 4095 and ids[2:] == [None] * 3
    assert "2 texts are in the database with \\xNN" in result.err
    assert back.texts("SELECT state FROM runs") == [["finished"]]


def test_runs_follow_each_other_and_are_cleared(src, user, run, back):
    fill(src, user, INBOX=2)
    for _ in range(2):
        scan(run, src.url(user), *back.args)
    assert back.texts("SELECT run, state FROM runs ORDER BY run") == [["1", "finished"], ["2", "finished"]]
    assert back.texts("SELECT run, count(*) FROM messages GROUP BY run ORDER BY run") == [["1", "2"], ["2", "2"]]
    result = scan(run, src.url(user), *back.args, "--clear-db", check=6)
    assert "2 earlier runs stay" in result.err and result.out == ""
    assert back.texts("SELECT count(*) FROM runs") == [["2"]]
    result = scan(run, src.url(user), *back.args, "--clear-db", "--yes", "--dry-run")
    assert "dry run: nothing is written" in result.err
    assert back.texts("SELECT count(*) FROM runs") == [["2"]]
    back.query("CREATE TABLE mine(x text)")
    scan(run, src.url(user), *back.args, "--clear-db", "--yes")
    assert back.texts("SELECT run FROM runs") == [["3"]]
    for table in ("locations", "mailboxes", "messages"):
        assert back.texts("SELECT DISTINCT run FROM %s" % table) == [["3"]]
    back.query("SELECT * FROM mine")
    # One run is forgotten with everything of it.
    back.query("DELETE FROM runs WHERE run = 3")
    assert back.texts("SELECT count(*) FROM messages") == [["0"]]


def test_clear_of_nothing_asks_nothing(src, user, run, back):
    scan(run, src.url(user), *back.args, "--clear-db")
    assert back.texts("SELECT run FROM runs") == [["1"]]


def test_users(src, user, run, back):
    names = [user + suffix for suffix in "abc"]
    for count, name in enumerate(names, 1):
        fill(src, name, INBOX=count)
    path = run.home / "people"
    path.write_text("".join("%s:%s\n" % (name, PASSWORD) for name in names))
    path.chmod(0o600)
    where = "imap://%%u@127.0.0.1:%d?tls=none" % src.port
    scan(run, src.url(names[0]), *back.args)
    assert "needs --yes" in scan(run, where, "--users", path, *back.args, "--clear-db", check=6).err
    scan(run, where, "--users", path, *back.args, "--clear-db", "--yes")
    rows = back.texts("SELECT user_name, state, (SELECT count(*) FROM messages m WHERE m.run = r.run) FROM runs r"
                      " JOIN locations USING (run) ORDER BY run")
    assert rows == [[name, "finished", str(count)] for count, name in enumerate(names, 1)]


class Slow:
    """A location that is not connected to before go(): its password takes that long."""

    def __init__(self, server, user, tmp_path):
        self.gate = tmp_path / "gate"
        self.asked = tmp_path / "asked"
        script = tmp_path / "password"
        script.write_text("#!/bin/sh\n: >'%s'\nwhile [ ! -e '%s' ]; do sleep 0.05; done\ncat '%s'\n"
                          % (self.asked, self.gate, server.pass_file(user)))
        script.chmod(0o700)
        self.url = server.url(user, **{"pass-file": None, "pass-cmd": str(script)})

    def wait(self, process):
        end = time.monotonic() + 60
        while not self.asked.exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)

    def go(self):
        self.gate.touch()


@pytest.mark.parametrize("number, state", [(signal.SIGINT, ["interrupted", "130"]), (signal.SIGTERM, ["interrupted", "130"]),
                                           (signal.SIGKILL, ["unfinished", None])])
def test_a_run_that_broke_off(src, user, run, back, tmp_path, number, state):
    fill(src, user, INBOX=2)
    slow = Slow(src, user, tmp_path)
    process = run.start("check", "--scan", *back.args, src.url(user), slow.url)
    slow.wait(process)
    assert back.texts("SELECT state, exit_code FROM runs") == [["unfinished", None]]    # others may read meanwhile
    process.send_signal(number)
    time.sleep(0.1)
    slow.go()
    if number == signal.SIGKILL:
        process.communicate()
    else:
        assert run.finish(process).code == 130
    assert back.texts("SELECT state, exit_code FROM runs") == [state]
    assert back.texts("SELECT count(*) FROM messages") == [["0"]]
    scan(run, src.url(user), *back.args)
    assert back.texts("SELECT run, state FROM runs ORDER BY run") == [["1", state[0]], ["2", "finished"]]


@pytest.mark.parametrize("args, says", [
    (["--clear-db"], "only mean something with --db"), (["--db-pass-file=x"], "only mean something with --db"),
    (["--db=sqlite:x", "--db-pass-file=x", "--db-pass-env=x"], "exclude each other"), (["--db=x.db"], "sqlite:PATH"),
    (["--db=mysql://u:hunter2@h/d"], "--json"), (["--db=sqlite::memory:"], "leave out --db"),
    (["--db=postgresql://h/d?password=hunter2"], "what may follow"), (["--db=postgresql://u:hun/ter2@h/d"], "port")])
def test_usage(run, args, says):
    result = run("check", *args, "imap://x@127.0.0.1:1?tls=none&pass-cmd=echo", check=2)
    assert says in result.err and "hun" not in result.err and result.out == "", result


def test_job(src, user, run, tmp_path):
    fill(src, user, INBOX=1)
    config = tmp_path / "config"
    path = tmp_path / "r.db"
    config.write_text("[job j]\ncommand = check\nlocation = %s\nscan\ndb = sqlite:%s\n" % (src.url(user), path))
    run("run", "--config", config, "j", check=0)
    assert sqlite(path, "SELECT count(*) FROM messages") == [(1,)]
    config.write_text("[job j]\ncommand = check\nlocation = %s\ndb = postgresql://a:hunter2@h/d\n" % src.url(user))
    result = run("run", "--config", config, "j", check=2)
    assert "no passwords" in result.err and "hunter2" not in result.err


# ---- SQLite ----

def test_sqlite_file_is_private_and_alone(src, user, run, tmp_path):
    fill(src, user, INBOX=1)
    path = tmp_path / "r.db"
    scan(run, src.url(user), "--db", "sqlite:%s" % path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith("r.db")] == ["r.db"]


@pytest.mark.parametrize("what", ["text", "sqlite", "journal", "directory", "newer"])
def test_sqlite_refuses_what_is_not_its_own(src, user, run, tmp_path, what):
    path = tmp_path / "x"
    if what == "text":
        path.write_text("precious\n" * 1000)
    elif what == "sqlite":
        sqlite(path, "CREATE TABLE runs(precious)")
    elif what == "journal":
        other = src.url(user + "x")
        run("copy", src.url(user), other, check=0)
        path = next(run.state.rglob("*.db"), None) or next(p for p in run.state.rglob("*") if p.is_file())
    elif what == "directory":
        path.mkdir()
    else:
        scan(run, src.url(user), "--db", "sqlite:%s" % path)
        sqlite(path, "PRAGMA user_version = 77")
    before = None if what == "directory" else path.read_bytes()
    mode = path.stat().st_mode
    result = scan(run, src.url(user), "--db", "sqlite:%s" % path, "--clear-db", "--yes", check=7)
    assert result.out == "" and str(path) in result.err
    assert path.stat().st_mode == mode
    if what != "newer":
        assert before is None or path.read_bytes() == before
    else:
        assert "newer" in result.err and sqlite(path, "SELECT count(*) FROM runs") == [(1,)]


def counts(run, tmp_path, *args):
    path = tmp_path / "counts"
    run(*args, env={"MAILHAUL_FAULT_COUNT": str(path)})
    if not path.exists():
        pytest.skip("a build without faults")
    return dict((name, int(count)) for name, count in (line.rsplit(" ", 1) for line in path.read_text().splitlines()))


@pytest.fixture
def mail(tmp_path):
    """A place that costs few system calls: what is swept is the database."""
    path = tmp_path / "mail.mbox"
    path.write_bytes(b"".join(b"From a@b Mon Jan  1 00:00:00 2024\nMessage-ID: <%d@x>\n\nhello\n\n" % i for i in range(50)))
    return "mbox:%s" % path


def no_half_run(path, whole):
    """Each run has all of its rows and is finished, or has none."""
    if path.exists() and path.stat().st_size > 0:
        runs = sqlite(path, "SELECT run, state FROM runs") if sqlite(
            path, "SELECT count(*) FROM sqlite_schema WHERE name = 'runs'")[0][0] else []
        for number, state in runs:
            rows = sqlite(path, "SELECT count(*) FROM messages WHERE run = %d" % number)[0][0]
            assert rows == (whole if state == "finished" else 0), (number, state, rows)


def test_sqlite_disk_full(run, tmp_path, mail):
    first = tmp_path / "first.db"
    seen = counts(run, tmp_path, "check", "--scan", "--db", "sqlite:%s" % first, mail)
    writes = seen["pwrite"]
    told = 0
    for at in sorted({1, 2, 3, writes // 2, writes - 2, writes - 1, writes}):
        path = tmp_path / ("full%d.db" % at)
        result = run("check", "--scan", "--db", "sqlite:%s" % path, mail, env={"MAILHAUL_FAULT": "pwrite:%d+:ENOSPC" % at})
        assert result.code in (0, 7), result
        told += result.code == 7
        if result.code == 7:
            assert "disk full" in result.err or "space" in result.err, result
        no_half_run(path, 50)
        run("check", "--scan", "--db", "sqlite:%s" % path, mail, check=0)
        no_half_run(path, 50)
        assert sqlite(path, "SELECT state FROM runs ORDER BY run DESC LIMIT 1") == [("finished",)]
    assert told >= 4


def test_sqlite_killed_anywhere(run, tmp_path, mail, soak):
    first = tmp_path / "first.db"
    seen = counts(run, tmp_path, "check", "--scan", "--db", "sqlite:%s" % first, mail)
    last = seen["any"]
    steps = range(1, last + 1) if soak else sorted({last * i // 16 for i in range(1, 17)})
    path = tmp_path / "killed.db"
    for at in steps:
        process = run.start("check", "--scan", "--db", "sqlite:%s" % path, mail, env={"MAILHAUL_FAULT": "any:%d:kill" % at})
        process.communicate(timeout=60)
        no_half_run(path, 50)
        if at % 4 == 0:
            path.unlink(missing_ok=True)
    run("check", "--scan", "--db", "sqlite:%s" % path, mail, check=0)
    no_half_run(path, 50)


# ---- PostgreSQL ----

class Relay:
    """Stands before PostgreSQL and does what a test says with it: look(data, number) for what a client sends on its number-th connection gives
    True (go on), "cut" (close both), "swallow" (send it on, but never an answer again), or "stall" (nothing goes on)."""

    def __init__(self, pg, look):
        self.pg, self.look, self.number = pg, look, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def url(self, database):
        return self.pg.db_url(database).replace(":%d/" % self.pg.port, ":%d/" % self.port) + "?sslmode=disable"

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.number += 1
            threading.Thread(target=self._serve, args=(client, self.number), daemon=True).start()

    def _serve(self, client, number):
        try:
            server = socket.create_connection((self.pg.host, self.pg.port))
        except OSError:
            client.close()
            return
        quiet = threading.Event()

        def back():
            try:
                while data := server.recv(65536):
                    if quiet.is_set():
                        break
                    client.sendall(data)
            except OSError:
                pass
            self._end(client)

        threading.Thread(target=back, daemon=True).start()
        try:
            while data := client.recv(65536):
                what = self.look(data, number)
                if what == "stall":
                    quiet.set()
                    continue
                if what == "swallow":
                    quiet.set()
                if what == "cut":
                    break
                server.sendall(data)
        except OSError:
            pass
        self._end(server)
        self._end(client)

    @staticmethod
    def _end(sock):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def states(pg, db):
    return [row[0] for row in pg.query(db, "SELECT state FROM runs ORDER BY run")]


def test_postgres_answer_of_commit_is_lost(pg, db, run, mail):
    """The second connection writes the rows; its COMMIT arrives, the answer does not."""
    with Relay(pg, lambda data, number: "swallow" if number == 2 and b"COMMIT" in data else True) as relay:
        scan(run, mail, "--db", relay.url(db), *pg.pass_options())
        assert relay.number == 3
    assert states(pg, db) == ["finished"]
    assert pg.query(db, "SELECT count(*), count(DISTINCT uid) FROM messages") == [["50", "50"]]


@pytest.mark.parametrize("mark", [b"SELECT state", b"COPY messages", b"COMMIT"])
def test_postgres_cut_while_writing(pg, db, run, mail, mark):
    with Relay(pg, lambda data, number: "cut" if number == 2 and mark in data else True) as relay:
        scan(run, mail, "--db", relay.url(db), *pg.pass_options())
        assert relay.number == 3
    assert states(pg, db) == ["finished"]
    assert pg.query(db, "SELECT count(*), count(DISTINCT uid) FROM messages") == [["50", "50"]]


def test_postgres_cut_every_time(pg, db, run, mail):
    with Relay(pg, lambda data, number: "cut" if b"UPDATE runs" in data else True) as relay:
        result = scan(run, mail, "--db", relay.url(db), *pg.pass_options(), check=7)
        assert relay.number == 4
    assert "mail.mbox" in result.out and "run 1 is not in the database" in result.err
    assert states(pg, db) == ["unfinished"] and pg.query(db, "SELECT count(*) FROM messages") == [["0"]]


def test_postgres_stalls(pg, db, run, mail):
    with Relay(pg, lambda data, number: "stall" if number >= 2 and b"COPY" in data else True) as relay:
        result = scan(run, mail, "--db", relay.url(db), *pg.pass_options(), "--timeout=1", check=7)
        assert "no answer for 1 s" in result.err
    assert states(pg, db) == ["unfinished"]


def test_postgres_stalls_from_the_start(pg, db, run, mail):
    with Relay(pg, lambda data, number: "stall") as relay:
        result = scan(run, mail, "--db", relay.url(db), *pg.pass_options(), "--timeout=1", check=7)
        assert "no answer for 1 s" in result.err and result.out == ""


def test_postgres_interrupted_while_it_stalls(pg, db, run, mail):
    stalled = threading.Event()

    def look(data, number):
        if number >= 2 and b"COPY" in data:
            stalled.set()
        return "stall" if stalled.is_set() else True

    with Relay(pg, look) as relay:
        process = run.start("check", "--scan", "--db", relay.url(db), *pg.pass_options(), mail)
        assert stalled.wait(60)
        process.send_signal(signal.SIGINT)
        result = run.finish(process, timeout=20)
        assert result.code == 130 and "is not in the database" in result.err
    assert states(pg, db) == ["unfinished"] and pg.query(db, "SELECT count(*) FROM messages") == [["0"]]


@pytest.mark.parametrize("comes_back", [True, False])
def test_postgres_dies_during_a_run(src, user, run, servers, tmp_path, comes_back):
    pg = servers(Postgres, instance=2)
    pg.create(user)
    fill(src, user, INBOX=2)
    slow = Slow(src, user, tmp_path)
    process = run.start("check", "--scan", "--db", pg.db_url(user), *pg.pass_options(), src.url(user), slow.url)
    slow.wait(process)
    pg.down()
    if comes_back:
        pg.up()
    slow.go()
    result = run.finish(process)
    if not comes_back:
        pg.up()
    assert result.code == (0 if comes_back else 7), result
    assert states(pg, user) == ["finished" if comes_back else "unfinished"]
    assert pg.query(user, "SELECT count(*) FROM messages") == [["4" if comes_back else "0"]]
    assert result.out.count("login") >= 2   # the result is printed whatever becomes of the database


def test_postgres_passwords(pg, db, run, mail, tmp_path):
    scan(run, mail, "--db", pg.db_url(db), "--db-pass-cmd", "cat %s" % pg.pass_file(USER))
    scan(run, mail, "--db", pg.db_url(db), "--db-pass-env", "SECRET", env={"SECRET": PASSWORD})
    passes = run.home / ".pgpass"
    passes.write_text("*:*:*:*:%s\n" % PASSWORD)
    passes.chmod(0o600)
    scan(run, mail, "--db", pg.db_url(db))
    passes.unlink()
    result = scan(run, mail, "--db", pg.db_url(db), check=7)
    assert "--db-pass-file" in result.err
    result = scan(run, mail, "--db", pg.db_url(db), "--db-pass-cmd", "echo wrong", check=7)
    assert "password authentication failed" in result.err and "wrong" not in result.err.replace("wrongly", "")
    loose = tmp_path / "loose"
    loose.write_text(PASSWORD + "\n")
    loose.chmod(0o644)
    assert "loose" in scan(run, mail, "--db", pg.db_url(db), "--db-pass-file", loose, check=2).err
    assert states(pg, db) == ["finished"] * 3


def test_postgres_password_in_the_url(pg, db, src, user, run, tmp_path):
    fill(src, user, INBOX=1)
    slow = Slow(src, user, tmp_path)
    log, trace = tmp_path / "log", tmp_path / "trace"
    process = run.start("check", "--scan", "-v", "--log", log, "--trace", trace, "--db=" + pg.db_url(db, password=PASSWORD), slow.url)
    slow.wait(process)
    with open("/proc/%d/cmdline" % process.pid, "rb") as file:
        words = file.read()
    slow.go()
    result = run.finish(process)
    assert result.code == 0 and "a password on the command line" in result.err, result
    for text in (words.decode(), result.err, result.out, log.read_text(), trace.read_text()):
        assert PASSWORD not in text and "s3cret" not in text
    assert states(pg, db) == ["finished"]


def test_postgres_refusals(pg, user, run, mail):
    def refused(database, says, query=""):
        result = scan(run, mail, "--db", pg.db_url(database, query=query), *pg.pass_options(), check=7)
        assert says in result.err and result.out == "", result

    refused(user + "none", "does not exist")
    pg.create(user + "latin", encoding="LATIN1")
    refused(user + "latin", "not in UTF8")
    pg.create(user + "others", owner="postgres")
    refused(user + "others", "permission denied")
    # A schema that the administrator made for anna is enough.
    pg.query(user + "others", "CREATE SCHEMA mailhaul AUTHORIZATION %s" % USER, user="postgres")
    scan(run, mail, "--db", pg.db_url(user + "others"), *pg.pass_options())
    # Somebody else's tables.
    pg.create(user)
    pg.query(user, "CREATE SCHEMA mailhaul; CREATE TABLE mailhaul.runs(precious int); INSERT INTO mailhaul.runs VALUES(1)")
    refused(user, "is not mailhaul's")
    refused(user, "is not mailhaul's", "?schema=mailhaul")
    assert pg.query(user, "SELECT * FROM mailhaul.runs") == [["1"]]
    scan(run, mail, "--db", pg.db_url(user, query="?schema=mine"), *pg.pass_options())
    assert pg.query(user, "SELECT count(*) FROM mine.messages") == [["50"]]
    pg.query(user, "UPDATE mine.about SET version = 99")
    refused(user, "newer mailhaul", "?schema=mine")
    assert pg.query(user, "SELECT count(*) FROM mine.runs") == [["1"]]
    refused(user, "support", "?sslmode=require")    # the server has no TLS
    result = scan(run, mail, "--db", pg.db_url(user).replace(str(pg.port), "1"), *pg.pass_options(), check=7)
    assert "connection" in result.err.lower()


def test_postgres_by_socket(pg, db, run, mail):
    scan(run, mail, "--db", "postgresql://%s@/%s?host=%s" % (USER, db, pg.dir), *pg.pass_options(), env={"PGPORT": str(pg.port)})
    assert states(pg, db) == ["finished"]


def test_postgres_tls(servers, pki, user, run, mail):
    pg = servers(Postgres, instance=3, cert=pki.good)
    pg.create(user)
    args = ["--db", pg.db_url(user, query="?sslmode=verify-full&sslrootcert=" + pki.ca), *pg.pass_options()]
    scan(run, mail, *args)
    assert states(pg, user) == ["finished"]
    pki.other_ca
    stranger = os.path.join(pki.dir, "unknown-ca.pem")
    args[1] = pg.db_url(user, query="?sslmode=verify-full&sslrootcert=" + stranger)
    assert "certificate verify failed" in scan(run, mail, *args, check=7).err


def test_postgres_first_runs_at_once(pg, db, run, mail):
    started = [run.start("check", "--scan", "--db", pg.db_url(db), *pg.pass_options(), mail) for _ in range(4)]
    for process in started:
        result = run.finish(process)
        assert result.code == 0, result
    assert states(pg, db) == ["finished"] * 4
    assert pg.query(db, "SELECT count(*) FROM messages") == [["200"]]


def test_postgres_cleared_meanwhile(pg, db, src, user, run, tmp_path):
    fill(src, user, INBOX=1)
    slow = Slow(src, user, tmp_path)
    process = run.start("check", "--scan", "--db", pg.db_url(db), *pg.pass_options(), slow.url)
    slow.wait(process)
    scan(run, src.url(user), "--db", pg.db_url(db), *pg.pass_options(), "--clear-db", "--yes")
    slow.go()
    result = run.finish(process)
    assert result.code == 7 and "cleared" in result.err
    assert states(pg, db) == ["finished"]


def test_without_libpq(run, mail, tmp_path):
    broken = tmp_path / "lib"
    broken.mkdir()
    (broken / "libpq.so.5").write_text("no library")
    result = scan(run, mail, "--db", "postgresql://a@127.0.0.1:1/d", check=2, env={"LD_LIBRARY_PATH": str(broken)})
    assert "libpq5" in result.err
    scan(run, mail, "--db", "sqlite:%s" % (tmp_path / "x.db"), env={"LD_LIBRARY_PATH": str(broken)})
