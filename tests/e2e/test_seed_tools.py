"""What users of list_imap_folders, imapPing, imapCapability and list_account_sizes did, done with list, check and size (imap-tools.md §7.18, 7.20–7.22).

    list_imap_folders -S, -s, -U, -A, -l, -u, -O    list LOCATION, --stats, search larger=, --admin, --users, --raw-names, >FILE
    imapPing -h -u -p -A -I                         check --ping, the location, --pass-*, --admin, --trace
    imapCapability -h -u -p -m -A                   check --capabilities, list --raw-names, --admin
    list_account_sizes -S -u -A -B -N -t            size LOCATION, --users, --admin, --brief, --method=scan, --timeout

Refused: list -B and -N (no quota is asked there, and there is nothing longer to be brief about); -L, -d, -I are --log, -v, --trace everywhere.
"""
import re
import socket

import pytest

from copying import fill, note, notes
from lab.dovecot import Dovecot

ADMIN = ("boss", "m4ster")


@pytest.fixture
def master(servers, tmp_path):
    """A server with an administrator, and the keys that log in as him."""
    server = servers(Dovecot, instance=11, master=ADMIN)
    secret = tmp_path / "master"
    secret.write_text(ADMIN[1] + "\n")
    secret.chmod(0o600)
    server.keys = ["--admin", ADMIN[0], "--pass-file", str(secret)]
    server.everybody = "imap://%%u@127.0.0.1:%d?tls=none" % server.port
    return server


def people(run, *names):
    path = run.home / "people"
    path.write_text("".join(name + "\n" for name in names))
    return path


def bare(server, user):
    return "imap://%s@127.0.0.1:%d?tls=none" % (user, server.port)


def test_list_as_administrator(master, user, run):
    fill(master, user, {"INBOX": notes(2), "Arbeit/Zürich": notes(1, 5)})
    out = run("list", "--stats", "--total", *master.keys, bare(master, user), check=0).out
    assert re.search(r"INBOX +2 ", out) and "Zürich" in out and re.search(r"\b3\b.*mailboxes|mailboxes.*\b3\b|\b3 +3\b", out), out
    assert "Z&APw-rich" in run("list", "--raw-names", *master.keys, bare(master, user), check=0).out


def test_list_of_many_without_their_secrets(master, user, run):
    """-l with -A: names only; totals are each user's own (the seed's ran on over all users)."""
    names = [user + letter for letter in "ab"]
    for count, name in enumerate(names, 1):
        fill(master, name, {"INBOX": notes(count)})
    result = run("list", "--stats", "--json", "--users", people(run, *names), *master.keys, master.everybody, check=0)
    totals = {row["user"]: row["messages"] for row in result.json if row["type"] == "total"}
    assert totals == {names[0]: 1, names[1]: 2}


def test_list_to_a_file(src, user, run, tmp_path):
    """-O: in statistics mode the seed closed it after the first user."""
    fill(src, user, {"INBOX": notes(1)})
    path = tmp_path / "list"
    with open(path, "w") as file:
        run("list", "--stats", src.url(user), stdout=file, check=0)
    assert "INBOX" in path.read_text()


def test_large_messages(src, user, run):
    """-U: which messages are larger than that, with subject and size."""
    fill(src, user, {"INBOX": [note(1), note(2, "big one", size=30000)], "Work": [note(3, "bigger", size=60000)]})
    result = run("search", "--json", src.url(user), "larger=20k", check=0)
    rows = [row for row in result.json if row["type"] == "message"]
    assert sorted((row["mailbox"], row["subject"], row["size"] > 20000) for row in rows) == [
        ("INBOX", "big one", True), ("Work", "bigger", True)]
    assert "big one" in run("search", src.url(user), "larger=20k", check=0).out


def test_ping_names_each_step_with_its_time(master, user, run, tmp_path):
    trace = tmp_path / "trace"
    result = run("check", "--ping", "--trace", trace, *master.keys, bare(master, user), check=0)
    assert re.search(r"ok in [\d.]+ ms \(resolve [\d.]+, connect [\d.]+, greeting [\d.]+, login [\d.]+, ready [\d.]+\)", result.out)
    assert ADMIN[1] not in trace.read_text() and ADMIN[1] not in result.err
    check, = run("check", "--ping", "--json", *master.keys, bare(master, user), check=0).json
    assert [step["step"] for step in check["steps"]] == ["resolve", "connect", "greeting", "login", "ready"]
    assert all(step["ok"] and step["us"] >= 0 for step in check["steps"])


def test_ping_does_not_look_into_mailboxes(src, user, run, proxy):
    between = proxy(src, log=True)
    run("check", "--ping", between.url(user), check=0)
    said = " ".join(str(command) for command in between.commands())
    assert "LOGIN" in said or "AUTHENTICATE" in said
    assert not re.search(r"\b(LIST|SELECT|EXAMINE|FETCH|STATUS)\b", said), said


def test_ping_of_what_does_not_answer(user, run):
    """Exit codes say which step failed: the seed's did not."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        location = "imap://x@127.0.0.1:%d?tls=none&pass-cmd=echo%%20x" % port
        result = run("check", "--ping", "--timeout=500ms", location, check=4)
        assert "greeting" in result.out


def test_capabilities(master, user, run):
    result = run("check", "--capabilities", *master.keys, bare(master, user), check=0)
    for word in ("IMAP4rev1", "UIDPLUS", "LITERAL+", "delimiter", "greeting"):
        assert word in result.out, (word, result)
    check, = run("check", "--capabilities", "--json", *master.keys, bare(master, user), check=0).json
    assert "UIDPLUS" in check["capabilities"] and check["auth_offered"] and check["delimiter"] == "/"
    # Without a user nobody logs in: what is offered before is shown, and what it lacks is not known.
    nobody = "imap://127.0.0.1:%d?tls=none" % master.port
    check, = run("check", "--capabilities", "--json", nobody, check=0).json
    assert "IMAP4rev1" in check["capabilities"] and "PLAIN" in check["auth_offered"] and "lacks" not in check
    assert "before any login" in run("check", "--capabilities", nobody, check=0).out
    run("check", nobody, check=2)


def test_sizes_of_many_without_their_secrets(master, user, run):
    """-u with -A: names only, the largest first, failures stay in the table, never a question."""
    names = [user + letter for letter in "abc"]
    for count, name in zip((1, 3, 2), names):
        fill(master, name, {"INBOX": notes(count)})
    result = run("size", "--json", "--users", people(run, *names), *master.keys, master.everybody, "--timeout", "45", check=0)
    rows = [row for row in result.json if row["type"] == "size"]
    assert [row["user"] for row in rows] == [names[1], names[2], names[0]]
    assert result.json[-1]["accounts"] == 3 and result.json[-1]["size"] == sum(row["size"] for row in rows)
    brief = run("size", "--brief", *master.keys, bare(master, names[1]), check=0)
    assert brief.out == "%d\n" % rows[0]["size"]
    scanned = run("size", "--brief", "--method=scan", *master.keys, bare(master, names[1]), check=0)
    assert scanned.out == brief.out
