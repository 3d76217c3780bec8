"""mailhaul trash, and with it ops/relocate: what is marked goes to the trash once, whatever happens on the way, and nothing else changes.

In every test each message stands in exactly one mailbox at the end, and is the one it was.
"""
import collections
import os
import signal
import time

import pytest

from copying import fill, note, notes
from grid import IMPATIENT, fault
from lab import load, witness
from test_users import escape

NO_MOVE = ["MOVE"]
BARE = ["MOVE", "UIDPLUS"]


def marked(count, first=1):
    return [note(n, flags=("\\Deleted", "\\Seen")) for n in range(first, first + count)]


def place(server, user):
    """{sha: [(mailbox, flags)]}"""
    found = collections.defaultdict(list)
    for name, messages in witness.read(server, user).mailboxes.items():
        for message in messages:
            found[message.sha].append((name, message.flags))
    return found


def counts(server, user):
    return {name: len(messages) for name, messages in witness.read(server, user).mailboxes.items() if messages}


def check_single(server, user, total):
    found = place(server, user)
    assert len(found) == total and all(len(where) == 1 for where in found.values()), \
        [where for where in found.values() if len(where) != 1]
    return found


def check_trash(server, user, name, count):
    """The trash holds so many, none of them marked; the other flags are as they were."""
    messages = witness.read(server, user, mailboxes=[name]).mailboxes[name]
    assert len(messages) == count
    assert all("\\deleted" not in message.flags and "\\seen" in message.flags for message in messages)


@pytest.fixture
def box(src, user):
    """35 messages, 12 of them marked, in two mailboxes."""
    fill(src, user, {"INBOX": notes(10, 100) + marked(7) + notes(3, 200), "Work": marked(5, 50) + notes(10, 300), "Trash": []})
    return src


def trash(run, url, *args, code=0, **keys):
    result = run("trash", "--json", url, *args, check=code, **keys)
    end = result.json[-1]
    assert end["type"] == "end" and end["exit_code"] == code, result
    return end


def check_done(server, user):
    check_single(server, user, 35)
    assert counts(server, user) == {"INBOX": 13, "Work": 10, "Trash": 12}
    check_trash(server, user, "Trash", 12)


@pytest.mark.parametrize("hide", [[], NO_MOVE, ["UIDPLUS"]])
def test_moves(box, user, run, proxy, hide):
    front = proxy(box, hide=hide, log=True)
    end = trash(run, front.url(user))
    assert (end["selected"], end["done"], end["verdict"]) == (12, 12, "complete")
    check_done(box, user)
    assert bool(front.commands("UID MOVE")) == ("MOVE" not in hide)
    assert bool(front.commands("UID EXPUNGE")) == ("MOVE" in hide)
    assert not front.commands("EXPUNGE") and not front.commands("CLOSE")
    assert trash(run, front.url(user))["done"] == 0
    check_done(box, user)


def test_dry_run(box, user, run):
    before = witness.read(box, user)
    end = trash(run, box.url(user), "--dry-run")
    assert (end["selected"], end["done"], end["dry_run"]) == (12, 0, True)
    assert witness.diff(before, witness.read(box, user)) == []
    assert not os.path.exists(run.state / "moves")
    out = run("trash", "-n", box.url(user), check=0).out
    assert "12 of 35 messages would be moved to Trash" in out, out


def test_bare_server(box, user, run, proxy):
    """Neither MOVE nor UIDPLUS: refused, for a plain EXPUNGE takes what others marked; not even with --expunge-all if not all that is marked goes."""
    front = proxy(box, hide=BARE)
    before = witness.read(box, user)
    assert run("trash", front.url(user)).code == 6
    assert trash(run, front.url(user), "--expunge-all", "--limit", "2", code=6)["done"] == 0
    assert witness.diff(before, witness.read(box, user)) == []
    assert not front.commands("EXPUNGE") and not front.commands("UID COPY")
    assert trash(run, front.url(user), "--expunge-all")["done"] == 12
    check_done(box, user)


def test_chosen(box, user, run):
    assert trash(run, box.url(user), "-m", "Work", "--limit", "2")["done"] == 2
    assert counts(box, user) == {"INBOX": 20, "Work": 13, "Trash": 2}
    # The old tool's list: one name here, and it is said.
    assert "mailbox INBOX,Work: there is no such mailbox" in run("trash", box.url(user), "-m", "INBOX,Work", "-m", "Wor?", check=3).err


@pytest.mark.parametrize("names, expected", [
    ({"Papierkorb": []}, "Papierkorb"),
    ({"Deleted Items": [], "Deleted": []}, "Deleted Items"),
    ({"INBOX/Corbeille": []}, "INBOX/Corbeille"),
    ({}, "Trash")])
def test_finds_the_trash(src, user, run, names, expected):
    fill(src, user, dict({"INBOX": marked(2) + notes(1, 9)}, **names))
    trash(run, src.url(user))
    assert counts(src, user) == {"INBOX": 1, expected: 2}
    assert expected != "Trash" or "Trash" in witness.read(src, user).subscribed


def test_special_use(src, user, run, proxy):
    fill(src, user, {"INBOX": marked(2), "Papierkorb": [], "Bin 7": []})
    front = proxy(src, rewrite=[(r'^(\* LIST \([^)]*)(\) "." "Bin 7")', r"\1 \\Trash\2")])
    trash(run, front.url(user))
    assert counts(src, user) == {"Bin 7": 2}


def test_name_with_a_blank(src, user, run):
    """The old tool sent such a name unquoted, was refused, and expunged all the same (imap-tools §10, 14)."""
    name = 'My "old" Trash'
    fill(src, user, {"INBOX": marked(3) + notes(1, 9)})
    trash(run, src.url(user), "--trash", name)
    assert counts(src, user) == {"INBOX": 1, name: 3}
    check_trash(src, user, name, 3)


def test_the_trash_itself_stays(src, user, run):
    fill(src, user, {"INBOX": notes(1), "Trash": marked(3, 20), "Trash/Old": marked(1, 40)})
    assert trash(run, src.url(user))["selected"] == 0
    assert counts(src, user) == {"INBOX": 1, "Trash": 3, "Trash/Old": 1}


# --empty

def test_empty(box, user, run):
    """After a yes: all of the trash, also what was just moved; nothing else."""
    load.append_many(box, user, "Trash", notes(2, 400))
    assert trash(run, box.url(user), "--empty", code=6)["done"] == 12      # moved; nobody says yes to the rest
    assert counts(box, user)["Trash"] == 14
    end = trash(run, box.url(user), "--empty", "--yes")
    assert end["done"] == 14 and counts(box, user) == {"INBOX": 13, "Work": 10}
    assert trash(run, box.url(user), "--empty", "--yes")["selected"] == 0
    assert "Trash" in witness.read(box, user).mailboxes


def test_empty_older_than(box, user, run):
    today = time.strftime("%d-%b-%Y 00:00:01 +0000", time.gmtime())
    load.append_many(box, user, "Trash", [note(400, date=today), note(401)])
    run("trash", box.url(user), "--older-than", "30d", check=2)
    run("trash", box.url(user), "--no-expunge", check=2)
    run("trash", box.url(user), "--trash", "inbox", "--empty", "--yes", check=2)
    shown = run("trash", box.url(user), "-m", "nothing*", "--empty", "-n", check=0)
    assert "2 of 2 messages would be deleted\n" in shown.out and "confirm" not in shown.err, shown
    assert trash(run, box.url(user), "-m", "nothing*", "--empty", "--older-than", "30d", "-n")["selected"] == 1
    assert trash(run, box.url(user), "--empty", "--older-than", "30d", "--max-delete", "2", "--yes", code=6)["done"] == 12
    assert trash(run, box.url(user), "--empty", "--older-than", "30d", "--yes")["done"] == 13
    assert counts(box, user) == {"INBOX": 13, "Work": 10, "Trash": 1}


def test_not_emptied_after_trouble(box, user, run, proxy):
    """The line breaks for good while messages move: what is in the trash stays."""
    load.append_many(box, user, "Trash", notes(2, 400))
    front = proxy(box, rules=[{"do": "cut-before", "on": "UID MOVE", "times": -1}])
    result = run("trash", "--json", front.url(user), "--empty", "--yes", "--retries", "0", "-j", "1")
    assert result.code != 0 and counts(box, user)["Trash"] == 2, result


# faults: at each command in turn

ONE_LINE = ("-j", "1", "--settle", "0.3s")


@pytest.mark.parametrize("hide, on, fault", [
    ([], "UID MOVE", "cut-before"), ([], "UID MOVE", "swallow"), ([], "UID MOVE", "cut-after"), ([], "UID MOVE", "cut-reply"),
    (["UIDPLUS"], "UID MOVE", "swallow"), ([], "UID STORE", "cut-before"), ([], "UID STORE", "swallow"),
    (NO_MOVE, "UID COPY", "cut-before"), (NO_MOVE, "UID COPY", "swallow"), (NO_MOVE, "UID COPY", "cut-after"),
    (NO_MOVE, "UID COPY", "cut-reply"), (NO_MOVE, "UID STORE", "swallow"), (NO_MOVE, "UID EXPUNGE", "cut-before"),
    (NO_MOVE, "UID EXPUNGE", "swallow"), ([], "STATUS", "cut-before"), ([], "SELECT", "cut-before")])
def test_cut(box, user, run, proxy, hide, on, fault):
    """The line breaks once: the same run ends it."""
    front = proxy(box, hide=hide, rules=[{"do": fault, "on": on, "at": 20}])
    end = trash(run, front.url(user), *ONE_LINE)
    assert front.fired()
    assert end["done"] == 12
    check_done(box, user)


@pytest.mark.parametrize("hide, on, answer, code", [
    ([], "EXAMINE", "NO not now", 3), ([], "SELECT", "NO not now", 3), ([], "UID MOVE", "NO not now", 3), ([], "UID MOVE", "BAD what?", 0), (NO_MOVE, "UID COPY", "NO not now", 3),
    (NO_MOVE, "UID STORE", "BAD what?", 3), (NO_MOVE, "UID EXPUNGE", "NO not now", 3), (NO_MOVE, "UID EXPUNGE", "BAD what?", 6),
    ([], "UID STORE", "NO not now", 3)])
def test_refused(box, user, run, proxy, hide, on, answer, code):
    """Refused throughout: nothing is lost, what is not done is said, and the next run does it without doubling anything."""
    front = proxy(box, hide=hide, rules=[{"do": "reply", "on": on, "text": answer, "times": -1}])
    trash(run, front.url(user), *ONE_LINE, code=code)
    assert front.fired()
    if code == 0:      # done by COPY then
        check_done(box, user)
        return
    assert len(place(box, user)) == 35
    if on in ("UID MOVE", "UID COPY"):
        check_single(box, user, 35)
        assert "Trash" not in counts(box, user)
    front.set_rules([])
    trash(run, front.url(user), *ONE_LINE)
    check_done(box, user)


def test_no_listing(box, user, run, proxy):
    """Which mailboxes there are is not known: nothing changes, whatever trash and mailbox were to do."""
    before = witness.read(box, user)
    front = proxy(box)
    for how in ("no", "bad", "cut", "stall"):
        front.set_rules([fault(how, "LIST")])
        for args in (["trash", front.url(user), "--empty", "--yes"], ["mailbox", "delete", front.url(user), "--regex", ".", "--yes", "--max-delete", "100%"]):
            assert run(*args, *IMPATIENT).code == 4
        assert front.fired() and witness.diff(before, witness.read(box, user)) == []


def test_stall(box, user, run, proxy):
    front = proxy(box, hide=NO_MOVE, rules=[{"do": "stall", "on": "UID COPY"}])
    trash(run, front.url(user), "--timeout", "2s", "--settle", "0.3s")
    check_done(box, user)


def test_partial_move(box, user, run, proxy):
    """The server moves some of a set and then says NO (RFC 6851 §3.3): what went is known, and the rest goes the next time."""
    front = proxy(box, rewrite=[(r"^(m\d+) OK .*Move completed.*", r"\1 NO enough")])
    end = trash(run, front.url(user), code=3)
    assert end["done"] == 12, end
    check_done(box, user)


def test_copy_refused_for_one_mailbox(box, user, run, proxy):
    front = proxy(box, hide=NO_MOVE, rules=[{"do": "reply", "on": "UID COPY", "text": "NO [OVERQUOTA] full"}])
    assert trash(run, front.url(user), "-j", "1", code=3)["done"] in (5, 7)
    check_single(box, user, 35)
    trash(run, front.url(user))
    check_done(box, user)


@pytest.mark.parametrize("state", [(), ("--state", "none")], ids=["state", "none"])
def test_no_copyuid(box, user, run, proxy, state):
    """The server does not tell which arrived: looked for."""
    front = proxy(box, hide=NO_MOVE, rewrite=[(r"\[COPYUID [^\]]*\] ", "")])
    assert trash(run, front.url(user), *state)["done"] == 12
    check_done(box, user)
    assert os.path.exists(run.state / "moves") == (state == ())


@pytest.mark.parametrize("lie", [r"[COPYUID \1 1:9999 \3]", r"[COPYUID \1 \2 1]", r"[COPYUID 7 \2 \3]", r"[COPYUID \1 \2 \3,1:4294967295]", "[COPYUID]"])
def test_wrong_copyuid(box, user, run, proxy, lie):
    """What the server tells and cannot be is not believed: looked for, too."""
    front = proxy(box, hide=NO_MOVE, rewrite=[(r"\[COPYUID (\d+) (\S+) (\S+)\]", lie)])
    assert trash(run, front.url(user))["done"] == 12
    check_done(box, user)


@pytest.mark.parametrize("fault", ["swallow", "cut-reply"])
def test_twins(src, user, run, proxy, fault):
    """Four messages that are alike stay four."""
    alike = [note(1, flags=("\\Deleted", "\\Seen"), body=b"%d\r\n" % (n // 2)) for n in range(4)]
    fill(src, user, {"INBOX": alike + notes(2, 100), "Trash": [note(1, body=b"0\r\n", flags=("\\Seen",))]})
    front = proxy(src, hide=NO_MOVE, rules=[{"do": fault, "on": "UID COPY", "at": 10}])
    trash(run, front.url(user), *ONE_LINE)
    assert counts(src, user) == {"INBOX": 2, "Trash": 5}
    assert sorted(len(where) for where in place(src, user).values()) == [1, 1, 2, 3]


@pytest.mark.parametrize("hide", [[], NO_MOVE], ids=["MOVE", "COPY"])
@pytest.mark.parametrize("again", [False, True])
def test_the_same_message_in_two_mailboxes(src, user, run, proxy, hide, again):
    """The order to move the one never arrived, the other one's copy did: it is not taken for the first one's. In the same run, and by the next."""
    same = note(1, flags=("\\Deleted", "\\Seen"))
    fill(src, user, {"A": [same, *notes(2, 100)], "B": [same, *notes(2, 200)], "Trash": []})
    front = proxy(src, hide=hide, rules=[{"do": "cut-before", "on": "UID COPY" if hide else "UID MOVE"}])
    if again:
        run("trash", front.url(user), "--settle", "0.3s", "--retries", "0", "-j", "2", check=None)
    trash(run, front.url(user), "--settle", "0.3s", "-j", "2")
    assert front.fired()
    assert counts(src, user) == {"A": 2, "B": 2, "Trash": 2}
    check_trash(src, user, "Trash", 2)


@pytest.mark.parametrize("hide", [[], NO_MOVE], ids=["MOVE", "COPY"])
def test_long_sets(src, user, run, proxy, hide):
    """More UIDs than a line takes, and a fault in the middle."""
    fill(src, user, {"INBOX": [note(n, flags=("\\Deleted",) if n % 2 else ()) for n in range(1, 4001)], "Trash": []})
    front = proxy(src, hide=hide, rules=[{"do": "swallow", "on": "UID COPY" if hide else "UID MOVE", "nth": 2}])
    assert trash(run, front.url(user), *ONE_LINE)["done"] == 2000
    assert counts(src, user) == {"INBOX": 2000, "Trash": 2000}
    check_single(src, user, 4000)
    assert all(len(line) < 8192 for _, _, line in front.commands())


@pytest.mark.parametrize("hide, point", [
    ([], "noted"), ([], "moved"), ([], "unmark"), (NO_MOVE, "noted"), (NO_MOVE, "copied"), (NO_MOVE, "remove"), (NO_MOVE, "removed")])
def test_killed(box, user, run, proxy, hide, point):
    """Killed at each step: what a run left is ended by the next."""
    front = proxy(box, hide=hide)
    process = run.start("trash", front.url(user), "-j", "1", env={"MAILHAUL_FAULT": "point.relocate %s:1:kill" % point})
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(place(box, user)) == 35
    trash(run, front.url(user), *ONE_LINE)
    check_done(box, user)
    assert trash(run, front.url(user))["selected"] == 0


def test_changed_meanwhile(box, user, run, proxy):
    """What is taken off the list while the run is at work stays, and what comes to be marked later does too."""
    front = proxy(box, rules=[{"do": "hold", "on": "SELECT"}])
    process = run.start("trash", "--json", front.url(user), "-j", "1", "-m", "INBOX")
    with front.held():
        load.store(box, user, "INBOX", "11", "-", ["\\Deleted"])
        load.store(box, user, "INBOX", "1", "+", ["\\Deleted"])
        client = witness.Client(box, user)
        client.ask("SELECT", b"INBOX")
        client.ask("UID EXPUNGE", b"12")
        client.logout()
    result = run.finish(process)
    end = result.json[-1]
    assert (end["selected"], end["done"], end["spared"] + end["vanished"]) == (7, 5, 2), result
    check_single(box, user, 34)
    assert counts(box, user) == {"INBOX": 14, "Work": 15, "Trash": 5}


# elsewhere

@pytest.mark.others
@pytest.mark.parametrize("kind", ["cyrus", "courier"])
def test_others(request, kind, user, run):
    server = request.getfixturevalue(kind)
    fill(server, user, {"INBOX": notes(4, 100) + marked(3), "Work": marked(2, 50) + notes(2, 300)})
    assert trash(run, server.url(user))["done"] == 5
    check_single(server, user, 11)
    assert counts(server, user) == {"INBOX": 4, "Work": 2, "Trash": 5}
    check_trash(server, user, "Trash", 5)
    assert trash(run, server.url(user), "--empty", "--yes")["done"] == 5
    assert counts(server, user) == {"INBOX": 4, "Work": 2}


def test_users(src, run, tmp_path):
    people = ["trash-a", "trash-b", "trash-c"]
    for person in people[:2]:
        fill(src, person, {"INBOX": notes(2, 10) + marked(2), "Trash": []})
    users = tmp_path / "users"
    users.write_text("".join("%s:%s\n" % (person, escape(src.password(person)) if person != people[2] else "wrong") for person in people))
    users.chmod(0o600)
    result = run("trash", "--json", "imap://%%u@%s:%d?tls=none" % (src.host, src.port), "--users", users, "--retries", "0")
    assert result.code == 5 and result.json[-1]["done"] == 4 and result.json[-1]["users_failed"] == 1, result
    for person in people[:2]:
        assert counts(src, person) == {"INBOX": 2, "Trash": 2}


def files(tmp_path, run, src, user, kind):
    """The account of `box` in files."""
    place = "%s:%s" % (kind, tmp_path / kind)
    run("copy", src.url(user), place, check=0)
    return place


def from_files(run_new, src, user, place):
    """The files back on a server: a fresh account, as the witness reads it."""
    target = user + "-" + place.partition(":")[0]
    src.add_user(target)
    run_new()("copy", place, src.url(target), check=0)
    return target


@pytest.mark.parametrize("kind", ["maildir", "mbox", "eml", "thunderbird"])
def test_files(box, user, run, run_new, tmp_path, kind):
    place = files(tmp_path, run, box, user, kind)
    assert trash(run, place)["done"] == 12
    target = from_files(run_new, box, user, place)
    check_done(box, target)
    assert trash(run, place)["selected"] == 0


@pytest.mark.parametrize("kind, point", [("maildir", "noted:1"), ("maildir", "appended:3"), ("maildir", "remove:1"), ("maildir", "removed:1"),
                                         ("mbox", "appended:3"), ("eml", "remove:1")])
def test_files_killed(box, user, run, run_new, tmp_path, kind, point):
    place = files(tmp_path, run, box, user, kind)
    process = run.start("trash", place, "-j", "1", env={"MAILHAUL_FAULT": "point.relocate %s:kill" % point})
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    trash(run, place, "--settle", "0.1s")
    check_done(box, from_files(run_new, box, user, place))


def test_files_full(box, user, run, run_new, tmp_path):
    """The disk fills up while messages move: nothing is lost, nothing doubled."""
    place = files(tmp_path, run, box, user, "maildir")
    result = run("trash", place, "-j", "1", env={"MAILHAUL_FAULT": "fsync:3+:ENOSPC"})
    assert result.code == 7, result
    trash(run, place, "--settle", "0.1s")
    check_done(box, from_files(run_new, box, user, place))


def test_pop3_is_refused(run):
    result = run("trash", "pop3://anna@127.0.0.1:1?tls=none&pass-env=HOME")
    assert result.code != 0
