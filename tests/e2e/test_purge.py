"""purge: exactly what the plan chose goes, and whatever goes wrong, nothing else."""
import json
import signal

import pytest

from copying import copy, count, fill, flags_of, notes, subjects
from grid import HOW, IMPATIENT, fault
from lab import load
from lab.server import PASSWORD

ALL = ("--max-delete", "100%")


def purge(run, location, *options, code=0):
    result = run("purge", location, "--json", "--yes", *options)
    assert result.code == code, result
    end = result.json[-1]
    assert end["type"] == "end" and end["exit_code"] == code, result
    adds_up(result)
    return end


def adds_up(result):
    lines = [line for line in result.json if line["type"] == "mailbox"]
    end = result.json[-1]
    for key in ("found", "selected", "done", "vanished", "spared"):
        assert end[key] == sum(line[key] for line in lines), (key, result)
    assert (end["verdict"] in ("complete", "dry-run")) == (end["exit_code"] == 0), result


def test_selected(src, run, user):
    fill(src, user, {"INBOX": notes(20), "Box": notes(5, 100)})
    load.store(src, user, "INBOX", "3,5", "+", ["\\Flagged"])
    end = purge(run, src.url(user), "-m", "INBOX", "--flag", "\\Flagged")
    assert (end["found"], end["selected"], end["done"], end["what"]) == (20, 2, 2, "deleted")
    assert subjects(src, user) == [n for n in range(1, 21) if n not in (3, 5)]
    assert count(src, user, "Box") == 5
    text = run("purge", src.url(user), "-m", "INBOX", "--uid", "1:2", "--yes", check=0).out.splitlines()
    assert text[0].split() == "INBOX 2 of 18 messages deleted".split()
    assert text[-1] == "complete: 2 of 18 messages deleted"
    assert run("purge", "-q", src.url(user), "-m", "INBOX", "--uid", "4", "--yes", check=0).out == \
        "complete: 1 of 16 messages deleted\n"


def test_report(src, run, user, tmp_path):
    """--report FILE: what --json prints, beside the text; a file that cannot be written is said before anything goes."""
    fill(src, user, {"INBOX": notes(20)})
    args = ("purge", src.url(user), "-m", "INBOX", "--uid", "1:2", "--yes")
    assert "cannot write the report" in run(*args, "--report", tmp_path / "nowhere" / "report", check=7).err
    assert count(src, user) == 20
    out = run(*args, "--report", tmp_path / "report", check=0).out
    assert out.endswith("complete: 2 of 20 messages deleted\n") and "{" not in out
    rows = [json.loads(line) for line in open(tmp_path / "report")]
    assert [row["type"] for row in rows] == ["mailbox", "end"] and rows[1]["done"] == 2
    assert (tmp_path / "report").stat().st_mode & 0o777 == 0o600
    result = run(*args, "--json", "--report", tmp_path / "report", check=0)
    assert open(tmp_path / "report").read() == result.out
    result = run("purge", src.url(user), "-m", "INBOX", "--uid", "3:4", "--yes", "--report", tmp_path / "report",
                 env={"MAILHAUL_FAULT": "write:1+:ENOSPC"}, check=7)
    assert "No space" in result.err


def test_dry_run(src, run, user, proxy):
    fill(src, user, {"INBOX": notes(20)})
    door = proxy(src, log=True)
    end = purge(run, door.url(user), "-m", "INBOX", "--dry-run")
    assert (end["selected"], end["done"], end["verdict"]) == (20, 0, "dry-run")
    assert count(src, user) == 20 and not door.commands("SELECT") and not door.commands("UID STORE")
    result = run("purge", src.url(user), "-m", "INBOX", "-n", check=0)
    assert result.out.endswith("dry-run: 20 of 20 messages would be deleted\n") and "last message" in result.err


def test_guards(src, run, user):
    fill(src, user, {"INBOX": notes(20), "Box": notes(20, 100)})
    assert run("purge", src.url(user), "--yes", *ALL).code == 2      # which mailboxes?
    assert run("purge", src.url(user), "-m", "Box", *ALL).code == 6     # nobody said yes
    purge(run, src.url(user), "-m", "Box", code=6)      # the last message
    purge(run, src.url(user), "-m", "Box", "--max-delete", "19", code=6)
    purge(run, src.url(user), "-m", "Box", "--uid", "1:16", code=6)     # more than a quarter
    assert count(src, user, "Box") == 20
    end = purge(run, src.url(user), "-m", "Box", *ALL)
    assert end["done"] == 20
    assert count(src, user, "Box") == 0 and count(src, user) == 20
    assert purge(run, src.url(user), "-m", "Box", *ALL)["done"] == 0


def test_without_uidplus(src, run, user, proxy):
    fill(src, user, {"INBOX": notes(20)})
    load.store(src, user, "INBOX", "1", "+", ["\\Deleted"])     # somebody else's mark
    door = proxy(src, hide=["UIDPLUS", "IMAP4rev2"], log=True)
    purge(run, door.url(user), "-m", "INBOX", "--uid", "7", code=6)
    assert count(src, user) == 20 and not door.commands("EXPUNGE") and not door.commands("UID STORE")
    end = purge(run, door.url(user), "-m", "INBOX", "--uid", "7", "--no-expunge")
    assert (end["done"], end["what"]) == (1, "marked as deleted") and count(src, user) == 20
    assert {n for n, flags in flags_of(src, user).items() if "\\Deleted" in flags} == {1, 7}
    assert purge(run, door.url(user), "-m", "INBOX", "--uid", "7", "--expunge-all")["done"] == 1
    assert subjects(src, user) == [n for n in range(2, 21) if n != 7]


def test_between_plan_and_removal(src, run, user, proxy):
    """What arrives stays, what is flagged is spared, what goes by another hand is told."""
    fill(src, user, {"INBOX": notes(20)})
    door = proxy(src, rules=[{"on": "SELECT", "do": "hold"}])
    process = run.start("purge", door.url(user), "-m", "INBOX", "--no-flag", "\\Flagged", "--yes", "--json", *ALL)
    with door.held():
        load.append_many(src, user, "INBOX", notes(3, 500))
        load.store(src, user, "INBOX", "4", "+", ["\\Flagged"])
        load.expunge(src, user, "INBOX", "6:7")
    result = run.finish(process)
    end = result.json[-1]
    assert result.code == 0 and (end["done"], end["vanished"], end["spared"]) == (17, 2, 1), result
    assert subjects(src, user) == [4, 500, 501, 502]


def test_arrives_during_removal(src, run, user, proxy):
    fill(src, user, {"INBOX": notes(20)})
    door = proxy(src, rules=[{"on": "UID EXPUNGE", "do": "hold"}])
    process = run.start("purge", door.url(user), "-m", "INBOX", "--yes", "--json", *ALL)
    with door.held():
        load.append_many(src, user, "INBOX", notes(2, 500))
        load.store(src, user, "INBOX", "21", "+", ["\\Deleted"])      # marked by somebody else: not ours
    result = run.finish(process)
    assert result.code == 0 and result.json[-1]["done"] == 20, result
    assert subjects(src, user) == [500, 501]


@pytest.mark.parametrize("how", HOW)
def test_faults(src, run, user, proxy, how):
    """At each command in turn: only what was chosen may ever be missing, and no failure is called complete."""
    door = proxy(src)
    for command in ["LIST", "EXAMINE", "UID FETCH", "SELECT", "UID STORE", "UID EXPUNGE"]:
        name = "%s-%s" % (user, command.replace(" ", "-"))
        fill(src, name, {"INBOX": notes(20)})
        door.set_rules([fault(how, command)])
        result = run("purge", door.url(name), "-m", "INBOX", "--uid", "3:5", "--yes", "--json", *IMPATIENT)
        left = subjects(src, name)
        assert door.fired() and set(left) >= set(range(1, 21)) - {3, 4, 5}, (command, result)
        # A server whose EXAMINE is BAD is asked by SELECT; one that does not know UID EXPUNGE has no UIDPLUS.
        code = {("bad", "EXAMINE"): 0, ("bad", "UID EXPUNGE"): 6}.get((how, command), 3 if how in ("no", "bad") and command != "LIST" else 4)
        assert result.code == code, (command, result)
        assert purge(run, src.url(name), "-m", "INBOX", "--uid", "3:5")["selected"] == len(left) - 17
        assert len(subjects(src, name)) == 17


@pytest.mark.parametrize("command", ["UID STORE", "UID EXPUNGE"])
def test_lost_answer(src, run, user, proxy, command):
    """Visited again, and what the first visit removed is counted."""
    fill(src, user, {"INBOX": notes(20)})
    door = proxy(src, rules=[{"on": command, "do": "swallow"}])
    end = purge(run, door.url(user), "-m", "INBOX", "--uid", "3:5")
    assert door.fired() and (end["selected"], end["done"], end["vanished"]) == (3, 3, 0)
    assert len(subjects(src, user)) == 17


def test_server_that_lies(src, run, user, proxy):
    fill(src, user, {"INBOX": notes(20)})
    door = proxy(src, rules=[{"on": "UID EXPUNGE", "do": "reply", "text": "OK done"}])
    assert purge(run, door.url(user), "-m", "INBOX", "--uid", "3:5", code=3)["done"] == 0


@pytest.mark.parametrize("point", ["point:1:kill", "point:2:kill"])
def test_killed(src, run, user, point):
    fill(src, user, {"INBOX": notes(20)})
    result = run("purge", src.url(user), "-m", "INBOX", "--uid", "3:5", "--yes", env={"MAILHAUL_FAULT": point})
    assert result.code in (0, -signal.SIGKILL)
    purge(run, src.url(user), "-m", "INBOX", "--uid", "3:5")
    assert subjects(src, user) == [n for n in range(1, 21) if n not in (3, 4, 5)]


@pytest.mark.others
@pytest.mark.parametrize("kind", ["cyrus", "courier"])
def test_other_servers(request, run, user, kind):
    server = request.getfixturevalue(kind)
    server.add_user(user)
    fill(server, user, {"INBOX": notes(20)})
    end = purge(run, server.url(user), "-m", "INBOX", "--uid", "3:5")
    assert end["done"] == 3 and subjects(server, user) == [n for n in range(1, 21) if n not in (3, 4, 5)]


@pytest.mark.parametrize("state", [(), ("--state", "none")])
@pytest.mark.parametrize("kind", ["maildir", "mbox", "eml", "eml-foreign"])
def test_files(src, dst, run, user, tmp_path, kind, state):
    fill(src, user, {"INBOX": notes(20), "Work": notes(5, 100)})
    load.store(src, user, "INBOX", "3,5", "+", ["\\Flagged"])
    place = "%s:%s/mail" % (kind.split("-")[0], tmp_path)
    copy(run, src.url(user), place)
    if kind == "eml-foreign":
        for manifest in (tmp_path / "mail").rglob(".mailhaul*"):
            if manifest.is_file():
                manifest.unlink()
    options = ["--larger", "1"] if kind == "eml-foreign" else ["--no-flag", "\\Flagged"]
    end = purge(run, place, "-m", "INBOX", *options, "--limit", "4", *state)
    assert (end["found"], end["done"]) == (20, 4)
    copy(run, place, dst.url(user), "--state", "none")
    assert count(dst, user) == 16 and count(dst, user, "Work") == 5
    if kind != "eml-foreign":
        assert subjects(dst, user)[:2] == [3, 5]


def test_users(src, run, user, tmp_path):
    names = [user + suffix for suffix in "abc"]
    for name in names[:2]:
        fill(src, name, {"INBOX": notes(20)})
    people = tmp_path / "people"
    people.write_text("".join("%s:%s\n" % (name, PASSWORD if name != names[2] else "wrong") for name in names))
    people.chmod(0o600)
    place = "imap://%%u@127.0.0.1:%d?tls=none" % src.port
    args = ("purge", place, "--users", people, "-m", "INBOX", "--uid", "3:5", "--retries", "0")
    assert run(*args).code == 6      # nothing is asked in the middle
    result = run(*args, "--yes", "--json", check=5)
    lines = {line["user"]: line for line in result.json if line["type"] == "user"}
    assert [lines[name]["done"] for name in names] == [3, 3, 0], result
    end = result.json[-1]
    assert (end["type"], end["done"], end["users"], end["users_failed"]) == ("end", 6, 3, 1), result
    text = run(*args, "--yes", check=5).out
    assert [line.split()[0] for line in sorted(text.splitlines()[:3])] == names and "INCOMPLETE" in text
