"""What `compare --db` keeps, with imapdiag's documented uses: two servers, three and more (the first against each), argument files."""
import signal

import pytest

from copying import fill, note, notes
from lab import load
from lab.dovecot import Dovecot
from lab.postgres import Postgres
from lab.server import PASSWORD
from test_compare import NOWHERE, pair  # noqa: F401
from test_results import Slow, back, pg, sqlite  # noqa: F401

FOUND = "SELECT location, kind, name, what, uid, other_uid FROM findings ORDER BY location, kind, name, uid, other_uid"


def compare(run, locations, back, *options, code=0, **kwargs):  # noqa: F811
    return run("compare", *locations, *back.args, *options, check=code, **kwargs)


def test_two_servers(pair, run, src, dst, user, back):  # noqa: F811
    compare(run, pair, back)
    assert back.texts("SELECT command, state, exit_code FROM runs") == [["compare", "finished", "0"]]
    assert back.texts(FOUND) == []
    assert back.texts("SELECT location, user_name, error FROM locations ORDER BY location") == [["1", user, None], ["2", user, None]]
    boxes = "SELECT location, name, complete, messages, announced FROM mailboxes WHERE run = %d AND name IN ('INBOX', 'Work/Done') ORDER BY 1, 2"
    whole = [[number, name, "1", count, count] for number in "12" for name, count in (("INBOX", "7"), ("Work/Done", "5"))]
    assert back.texts(boxes % 1) == whole
    assert back.texts("SELECT count(*), count(message_id), count(header_digest) FROM messages") == [["24"] * 3]
    load.expunge(dst, user, "Work/Done", "2")     # note 13
    load.append_many(dst, user, "INBOX", [note(99)])
    compare(run, pair, back, "--check", "all", "--both", code=1)
    assert back.texts("SELECT exit_code FROM runs WHERE run = 2") == [["1"]]
    found = back.texts("SELECT kind, mailbox, uid, other_uid, message_id FROM found WHERE run = 2 ORDER BY kind")
    assert found == [["extra", "INBOX", None, "8", "<note.99@example.org>"],
                     ["missing", "Work/Done", "4", None, "<note.13@example.org>"]]
    assert back.texts("SELECT mailbox, kind, number FROM differences WHERE run = 2 ORDER BY 1") == [
        ["INBOX", "extra", "1"], ["Work/Done", "missing", "1"]]
    # What another tool would ask: rows of the first that the other has not, by digest.
    rest = back.texts("SELECT m.message_id FROM messages m JOIN mailboxes b USING (run, mailbox) WHERE run = 2 AND b.location = 1"
                      " AND header_digest NOT IN (SELECT header_digest FROM messages n JOIN mailboxes c USING (run, mailbox)"
                      " WHERE run = 2 AND c.location = 2)")
    assert rest == [["<note.13@example.org>"]]


def test_each_kind(pair, run, src, dst, user, back):  # noqa: F811
    load.store(dst, user, "INBOX", "1", "+", ["\\Flagged"])
    load.append_many(dst, user, "INBOX", [note(1)])
    load.delete_mailbox(dst, user, "Work/Done")
    load.append_many(dst, user, "Other", notes(1, 300), create=True)
    compare(run, pair, back, "--check", "flags", "--both", code=1)
    kinds = back.texts("SELECT kind, name, what, count(*) FROM findings GROUP BY kind, name, what ORDER BY kind")
    assert sorted(kinds, key=str) == sorted([
        ["differs", "INBOX", "flags", "1"], ["doubled", "INBOX", None, "1"], ["extra", "Other", None, "1"],
        ["mailbox extra", "Other", None, "1"], ["mailbox missing", "Work/Done", None, "1"], ["missing", "Work/Done", None, "5"]],
        key=str)


def test_three_and_more(pair, run, dst, user, back):  # noqa: F811
    """imapdiag: 1→2, then 1→3; one that is not there does not keep the others from being compared."""
    fill(dst, user + "x", {"INBOX": notes(1)})
    compare(run, [*pair, dst.url(user + "x"), NOWHERE], back, code=4)
    assert [row[0] for row in back.texts("SELECT location FROM locations ORDER BY location")] == ["1", "2", "3", "4"]
    counts = back.texts("SELECT location, kind, count(*) FROM findings GROUP BY location, kind ORDER BY location, kind")
    assert counts == [["3", "mailbox missing", "2"], ["3", "missing", "11"], ["4", "unknown", "1"]]
    error, = back.texts("SELECT error FROM locations WHERE location = 4")
    assert "connect" in error[0].lower()
    assert back.texts("SELECT DISTINCT location FROM mailboxes ORDER BY 1") == [["1"], ["2"], ["3"]]


def test_what_is_not_known(pair, run, dst, user, proxy, back):  # noqa: F811
    rules = [{"on": command, "match": "Work", "do": "reply", "text": "NO broken", "times": -1} for command in ("EXAMINE", "SELECT")]
    between = proxy(dst, rules=rules)
    compare(run, [pair[0], between.url(user)], back, code=3)
    rows = back.texts("SELECT kind, name, reason FROM findings")
    assert [row[:2] for row in rows] == [["unknown", "Work/Done"]] and "broken" in rows[0][2]
    row, = back.texts("SELECT complete, messages, error FROM mailboxes WHERE location = 2 AND name = 'Work/Done'")
    assert row[:2] == ["0", "0"] and "broken" in row[2]
    assert back.texts("SELECT count(*) FROM messages JOIN mailboxes USING (run, mailbox) WHERE location = 2") == [["7"]]


def test_the_first_is_not_there(pair, run, back):  # noqa: F811
    compare(run, [NOWHERE, pair[1]], back, code=4)
    assert back.texts("SELECT state, exit_code FROM runs") == [["finished", "4"]]
    assert back.texts("SELECT location, kind FROM findings") == [["1", "unknown"]]
    assert back.texts("SELECT count(*) FROM messages") == [["0"]]


def test_cut_and_mended(pair, run, src, user, proxy, back):  # noqa: F811
    """A mailbox that is read twice is kept once."""
    between = proxy(src, rules=[{"on": "UID FETCH", "do": "cut-reply", "at": 60, "nth": nth} for nth in (1, 2)])
    compare(run, [between.url(user), pair[1]], back)
    assert back.texts("SELECT location, count(*) FROM messages JOIN mailboxes USING (run, mailbox) GROUP BY location ORDER BY 1") == [
        ["1", "12"], ["2", "12"]]


def test_selection_and_counts(pair, run, dst, user, back):  # noqa: F811
    compare(run, pair, back, "-m", "INBOX", "--uid", "1:2")
    assert back.texts("SELECT location, messages FROM mailboxes ORDER BY 1") == [["1", "2"], ["2", "7"]]
    assert back.texts("SELECT count(*) FROM messages m JOIN mailboxes USING (run, mailbox) WHERE location = 1") == [["2"]]
    load.expunge(dst, user, "INBOX", "1")
    compare(run, pair, back, "--count-only", "--clear-db", "--yes", code=1)
    assert back.texts("SELECT kind, name, what, reason FROM findings") == [
        ["differs", "INBOX", "count", "7 messages at the first, 6 there"]]
    assert back.texts("SELECT location, complete, messages FROM mailboxes WHERE name = 'INBOX' ORDER BY 1") == [
        ["1", "1", "7"], ["2", "1", "6"]]
    assert back.texts("SELECT count(*) FROM messages") == [["0"]]


@pytest.mark.parametrize("match", ["message-id", "header:from,date", "content"])
def test_digests_of_other_headers_are_not_kept_as_the_usual(pair, run, back, match):  # noqa: F811
    compare(run, pair, back, "--match", match, "-m", "INBOX")
    usual, ids = back.texts("SELECT count(header_digest), count(message_id) FROM messages")[0]
    assert usual == ("14" if match == "content" else "0")
    assert ids == ("0" if match == "header:from,date" else "14")


def test_imapdiag_by_argument_file(servers, user, run, tmp_path):
    """imapdiag @args: -s sqlite:///…, -c, -f UNDELETED, -m ^INBOX$, -u user*master, with a directory of servers."""
    first, second = (servers(Dovecot, instance=number, master=("boss", "m4ster")) for number in (11, 12))
    for server in (first, second):
        fill(server, user, {"INBOX": notes(4), "Work": notes(2, 20)})
    load.store(first, user, "INBOX", "1", "+", ["\\Deleted"])
    load.expunge(second, user, "INBOX", "1,3")
    secret = tmp_path / "m4ster"
    secret.write_text("m4ster\n")
    secret.chmod(0o600)
    keys = {"pass-file": secret}
    path = tmp_path / "diag.db"
    (tmp_path / "args").write_text("\n".join([
        "compare", "--db", "sqlite:///%s" % path, "--clear-db", "--yes", "--skip-deleted", "--include-regex", "(?i)^INBOX$",
        first.url(user + "*boss", **keys), second.url(user + "*boss", **keys)]) + "\n")
    run("@%s" % (tmp_path / "args"), check=1)
    assert sqlite(path, "SELECT user_name FROM locations") == [(user,), (user,)]
    assert sqlite(path, "SELECT kind, mailbox, uid, message_id FROM found") == [("missing", "INBOX", 3, "<note.3@example.org>")]
    # The companion script: users with mismatches, and a line a mailbox.
    report = "SELECT DISTINCT user_name FROM differences WHERE state = 'finished' AND kind = 'missing'"
    assert sqlite(path, report) == [(user,)]
    assert sqlite(path, "SELECT mailbox, number FROM differences") == [("INBOX", 1)]


def test_users(src, dst, user, run, back):  # noqa: F811
    names = [user + letter for letter in "abc"]
    for name in names:
        fill(src, name, {"INBOX": notes(3)})
        fill(dst, name, {"INBOX": notes(3)})
    load.expunge(dst, names[1], "INBOX", "2")
    path = run.home / "people"
    path.write_text("".join("%s:%s:%s:%s\n" % (name, PASSWORD, name, PASSWORD) for name in names))
    path.chmod(0o600)
    where = ["imap://%%u@127.0.0.1:%d?tls=none" % server.port for server in (src, dst)]
    run("compare", *where, "--users", path, "-j3", *back.args, "--clear-db", "--yes", check=1)
    assert back.texts("SELECT state, count(*) FROM runs GROUP BY state") == [["finished", "3"]]
    assert back.texts("SELECT user_name, kind, number FROM differences") == [[names[1], "missing", "1"]]
    assert sorted(row[0] for row in back.texts("SELECT count(*) FROM messages GROUP BY run")) == ["5", "6", "6"]


def test_interrupted(pair, run, src, user, back, tmp_path):  # noqa: F811
    slow = Slow(src, user, tmp_path)
    process = run.start("compare", pair[1], slow.url, *back.args)
    slow.wait(process)
    process.send_signal(signal.SIGINT)
    slow.go()
    assert run.finish(process).code == 130
    assert back.texts("SELECT state, exit_code FROM runs") == [["interrupted", "130"]]
    assert back.texts("SELECT count(*) FROM findings") == [["0"]]


def test_the_database_fails_and_the_verdict_stands(pair, run, servers, user, tmp_path, src):  # noqa: F811
    server = servers(Postgres, instance=2)
    server.create(user)
    slow = Slow(src, user, tmp_path)
    process = run.start("compare", "--json", pair[1], slow.url, "--db", server.db_url(user), *server.pass_options())
    slow.wait(process)
    server.down()
    slow.go()
    result = run.finish(process)
    server.up()
    assert result.code == 7 and result.json[-1]["state"] == "equal", result
    assert "is not in the database" in result.err
    assert server.query(user, "SELECT state FROM runs") == [["unfinished"]]
