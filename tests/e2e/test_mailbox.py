"""mailhaul mailbox: what is named goes, nothing else, and only as it was listed."""
import signal

import pytest

from copying import fill, note, notes
from grid import HOW, IMPATIENT, fault
from lab import load, witness
from lab.dovecot import Dovecot
from test_users import escape

ALL = ("--yes", "--max-delete", "100%")


@pytest.fixture
def box(src, user):
    fill(src, user, {"INBOX": notes(2), "Old": notes(3, 10), "Old/2001": notes(2, 20), "Old/2002": [], "Keep": notes(5, 30), "Empty": []})
    return src


def names(server, user):
    return sorted(witness.read(server, user).mailboxes)


def mailbox(run, action, url, *args, code=0, **keys):
    result = run("mailbox", action, "--json", url, *args, check=code, **keys)
    end = result.json[-1]
    assert end["type"] == "end" and end["exit_code"] == code and end["action"] == action, result
    return end, {row["mailbox"]: row for row in result.json[:-1]}


def test_delete(box, user, run):
    before = witness.read(box, user)
    result = run("mailbox", "delete", "-n", box.url(user), "Old", "--max-delete", "100%", check=0)
    assert "would be deleted Old with 3 messages" in result.out, result
    assert witness.diff(before, witness.read(box, user)) == []
    end, rows = mailbox(run, "delete", box.url(user), "Old/2001", "Empty", *ALL)
    assert (end["done"], rows["Old/2001"]["messages"], rows["Empty"]["state"]) == (2, 2, "done")
    after = witness.read(box, user)
    assert sorted(after.mailboxes) == ["INBOX", "Keep", "Old", "Old/2002"]
    assert {"Old/2001", "Empty"} & after.subscribed == set()
    for name in after.mailboxes:
        assert after.mailboxes[name] == before.mailboxes[name]


def test_delete_leaves_what_is_below(box, user, run):
    mailbox(run, "delete", box.url(user), "Old", *ALL)
    after = witness.read(box, user)
    assert len(after.mailboxes["Old/2001"]) == 2 and "Old" not in after.mailboxes
    end, rows = mailbox(run, "delete", box.url(user), "--regex", "^Old(/|$)", *ALL)
    assert end["failed"] == 0
    after = witness.read(box, user)
    assert sorted(after.mailboxes) == ["Empty", "INBOX", "Keep"] and "Old" not in after.unselectable


def test_delete_by_regex(box, user, run):
    """INBOX never goes, whatever the expression."""
    before = witness.read(box, user)
    end, rows = mailbox(run, "delete", box.url(user), "--regex", ".", *ALL)
    assert list(rows) == ["Old/2002", "Old/2001", "Old", "Keep", "Empty"]
    after = witness.read(box, user)
    assert after.mailboxes == {"INBOX": before.mailboxes["INBOX"]}
    end, rows = mailbox(run, "delete", box.url(user), "--regex", "nowhere", *ALL)
    assert end["mailboxes"] == 0


def test_guards(box, user, run):
    before = witness.read(box, user)
    end, _ = mailbox(run, "delete", box.url(user), "Old", "--yes", code=6)      # the brake
    assert end["done"] == 0
    mailbox(run, "delete", box.url(user), "Old", "--max-delete", "2", "--yes", code=6)
    mailbox(run, "delete", box.url(user), "Empty", code=6)                      # nobody says yes
    mailbox(run, "delete", box.url(user), "INBOX", "nowhere", *ALL, code=3)
    for args in (["delete", box.url(user)], ["delete", box.url(user), "--regex", "("], ["create", box.url(user), "a//b"],
                 ["rename", box.url(user), "Old"], ["rename", box.url(user), "--regex", "x", "a", "b"], ["sink", box.url(user), "x"],
                 ["delete"], ["delete", box.url(user) + "&x=y", "Old"]):
        run("mailbox", *args, check=2)
    run("mailbox", "delete", box.url(user), "Empty", "--no-expunge", "--yes", check=2)
    assert witness.diff(before, witness.read(box, user)) == []


def test_grown_meanwhile(box, user, run, proxy):
    """A message arrives between the listing and the deletion: the mailbox stays."""
    front = proxy(box, rules=[{"do": "hold", "on": "STATUS", "match": "Old/2001"}])
    process = run.start("mailbox", "delete", "--json", front.url(user), "Old/2001", "Old/2002", *ALL)
    with front.held():
        load.append_many(box, user, "Old/2001", [note(99)])
    result = run.finish(process)
    assert result.code == 3, result
    rows = {row["mailbox"]: row for row in result.json[:-1]}
    assert rows["Old/2001"]["state"] == "failed" and rows["Old/2002"]["state"] == "done"
    assert len(witness.read(box, user).mailboxes["Old/2001"]) == 3


# What is asked for, the commands that are spoilt, whether it is so afterwards, and the mailboxes that may change on the way.
STEPS = [
    (("delete", "Old/2001", "Empty", *ALL), ["STATUS", "DELETE", "UNSUBSCRIBE"],
     lambda after: not {"Old/2001", "Empty"} & set(after.mailboxes), {"Old/2001", "Empty"}),
    (("rename", "Old", "Older"), ["LIST", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE"],
     lambda after: {"Older", "Older/2001"} <= set(after.mailboxes) and "Old" not in after.mailboxes, {"Old", "Old/2001", "Older", "Older/2001"}),
    (("create", "New/x"), ["CREATE"], lambda after: "New/x" in after.mailboxes, {"New", "New/x"}),
    (("subscribe", "--regex", "Keep|Off"), ["SUBSCRIBE"], lambda after: {"Keep", "Off"} <= after.subscribed, set()),
    (("unsubscribe", "Keep"), ["UNSUBSCRIBE"], lambda after: "Keep" not in after.subscribed, set()),
]
READS = ("STATUS", "LIST")


@pytest.mark.parametrize("how", HOW)
def test_faults(src, run, user, proxy, how):
    """At each command in turn, from then on: nothing else goes, a row that says done is, no failure is called complete; and the next run ends it."""
    door = proxy(src)
    for args, commands, is_done, mine in STEPS:
        for command in commands:
            if (how == "swallow" and command in READS) or (how == "bad" and command not in ("DELETE", "RENAME")):
                continue
            name = "%s-%s-%s" % (user, args[0], command)
            fill(src, name, {"INBOX": notes(1), "Old": notes(2, 10), "Old/2001": notes(1, 20), "Keep": notes(2, 30), "Empty": []})
            load.append_many(src, name, "Off", [], create=True)
            before = witness.read(src, name)
            door.set_rules([fault(how, command)])
            result = run("mailbox", args[0], "--json", door.url(name), *args[1:], *IMPATIENT)
            after = witness.read(src, name)
            where = (how, args[0], command, result)
            assert door.fired(), where
            assert {box for box in {*before.mailboxes, *after.mailboxes} if before.mailboxes.get(box) != after.mailboxes.get(box)} <= mine, where
            assert args[0] == "delete" or before.count == after.count, where
            rows = [row for row in result.json if row["type"] == "mailbox"]
            assert is_done(after) or not rows or any(row["state"] == "failed" for row in rows), where
            if args[0] in ("delete", "rename") and "SUBSCRIBE" in command:
                # What was confirmed is done, and that only its subscription is in question is said.
                assert is_done(after) and all(row["state"] == "done" for row in rows), where
                assert result.code == 0 if how == "no" else (result.code == 4 and "subscription" in rows[0]["error"]), where
            else:
                assert result.code == (3 if how in ("no", "bad") and command != "LIST" else 4), where
            if not is_done(after):
                door.set_rules([fault(how, command, times=1)] if how == "swallow" else [])
                mailbox(run, args[0], door.url(name), *args[1:])
                after = witness.read(src, name)
                assert is_done(after) and not (args[0] == "delete" and after.subscribed & mine), where


@pytest.mark.parametrize("args", [("delete", "Old/2001", "Empty", *ALL), ("rename", "Old", "Older"), ("create", "New/x"), ("subscribe", "--regex", ".")])
def test_lost_answer(box, user, run, proxy, args):
    """The answer is lost, and in the next connection that to the command behind it: the same run looks again, and ends it with all that belongs to it."""
    load.command(box, user, "UNSUBSCRIBE", "Keep")
    before = witness.read(box, user)
    front = proxy(box, rules=[fault("swallow", args[0].upper(), times=1), fault("cut", "UNSUBSCRIBE", times=1)])
    end, _ = mailbox(run, args[0], front.url(user), *args[1:])
    assert front.fired() and end["failed"] == 0
    after = witness.read(box, user)
    moved = {"delete": {"Old/2001": None, "Empty": None}, "rename": {name: name.replace("Old", "Older") for name in before.mailboxes},
             "create": {}, "subscribe": {}}[args[0]]
    expected = {moved.get(name, name): messages for name, messages in before.mailboxes.items()}
    expected.pop(None, None)
    assert after.mailboxes == {**expected, **({"New/x": []} if args[0] == "create" else {})}
    subscribed = {moved.get(name, name) for name in before.subscribed} - {None}
    assert after.subscribed == (set(expected) if args[0] == "subscribe" else subscribed)


@pytest.mark.parametrize("answer", ["NO not that one", "BAD what?"])
def test_refused(box, user, run, proxy, answer):
    """One is refused: the others are done, and it is said."""
    front = proxy(box, rules=[{"do": "reply", "on": "DELETE", "match": "2001", "text": answer, "times": -1}])
    end, rows = mailbox(run, "delete", front.url(user), "--regex", "^Old/", *ALL, code=3)
    assert (end["done"], end["failed"], rows["Old/2001"]["state"]) == (1, 1, "failed")
    assert names(box, user) == ["Empty", "INBOX", "Keep", "Old", "Old/2001"]


def test_no_status_no_deletion(box, user, run, proxy):
    """Unknown is not empty."""
    front = proxy(box, hide=["LIST-STATUS"], drop=[r"^\* STATUS \"?Keep"])
    end, rows = mailbox(run, "delete", front.url(user), "Keep", "Empty", *ALL, code=3)
    assert rows["Keep"]["state"] == "failed" and rows["Empty"]["state"] == "done"
    assert "Keep" in names(box, user)


def test_killed(box, user, run):
    process = run.start("mailbox", "delete", box.url(user), "--regex", "^(Old|Empty)", *ALL,
                        env={"MAILHAUL_FAULT": "point.deleted mailbox:2:kill"})
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert names(box, user) == ["Empty", "INBOX", "Keep", "Old"]
    mailbox(run, "delete", box.url(user), "--regex", "^(Old|Empty)", *ALL)
    assert names(box, user) == ["INBOX", "Keep"]


def test_rename(box, user, run):
    """What is below goes along, and so do subscriptions."""
    before = witness.read(box, user)
    mailbox(run, "rename", box.url(user), "Old", "Archive/Old")
    after = witness.read(box, user)
    assert after.mailboxes["Archive/Old/2001"] == before.mailboxes["Old/2001"] and "Old" not in after.mailboxes
    assert after.subscribed == {name.replace("Old", "Archive/Old") for name in before.subscribed}
    mailbox(run, "rename", box.url(user), "s#^Archive/Old#O#", "s/200/20-/")
    after = witness.read(box, user)
    assert sorted(name for name in after.mailboxes if name[0] == "O") == ["O", "O/20-1", "O/20-2"]
    assert after.mailboxes["O/20-1"] == before.mailboxes["Old/2001"]
    assert after.subscribed == {"INBOX", "Keep", "Empty", "O", "O/20-1", "O/20-2"}
    for args in (("Keep", "Empty"), ("Keep", "Keep/x"), ("INBOX", "In"), ("nowhere", "x")):
        mailbox(run, "rename", box.url(user), *args, code=3)
    assert witness.read(box, user).mailboxes == after.mailboxes


def test_create_and_subscribe(src, user, run):
    fill(src, user, {"INBOX": []})
    name = 'Grüße & "co"/a'
    end, rows = mailbox(run, "create", src.url(user), name, "INBOX")
    assert rows["INBOX"]["state"] == "already" and name in names(src, user)
    assert mailbox(run, "create", src.url(user), name)[1][name]["state"] == "already"
    mailbox(run, "subscribe", src.url(user), name)
    assert name in witness.read(src, user).subscribed
    mailbox(run, "unsubscribe", src.url(user), name, "nowhere")
    assert name not in witness.read(src, user).subscribed
    mailbox(run, "subscribe", src.url(user), "nowhere", code=3)


def test_prefix_and_delimiter(servers, user, run):
    """The old tool's expressions never matched at the beginning where names have a prefix (imap-tools §3.17)."""
    server = servers(Dovecot, separator=".", prefix="INBOX.")
    fill(server, user, {"INBOX": notes(1), "Old": notes(2, 5), "Old/x": [], "My Old": []})
    end, rows = mailbox(run, "delete", server.url(user), "--regex", "^Old", *ALL)
    assert sorted(rows) == ["Old", "Old/x"] and names(server, user) == ["INBOX", "My Old"]


def test_below_the_location(box, user, run):
    end, rows = mailbox(run, "delete", box.url(user).replace("?", "/Old?"), "--regex", ".", *ALL)
    assert sorted(rows) == ["Old", "Old/2001", "Old/2002"] and names(box, user) == ["Empty", "INBOX", "Keep"]
    run("mailbox", "delete", box.url(user).replace("?", "/Old?"), "Keep", "--yes", check=2)


def test_users(src, run, tmp_path):
    for user in ("mbx-a", "mbx-b"):
        fill(src, user, {"INBOX": notes(1), "Old": []})
    users = tmp_path / "users"
    users.write_text("".join("%s:%s\n" % (user, escape(src.password(user))) for user in ("mbx-a", "mbx-b")))
    users.chmod(0o600)
    url = "imap://%%u@%s:%d?tls=none" % (src.host, src.port)
    run("mailbox", "delete", url, "Old", "--users", users, "--yes", check=0)
    run("mailbox", "create", url, "New", "--users", users, check=0)
    assert names(src, "mbx-a") == names(src, "mbx-b") == ["INBOX", "New"]


@pytest.mark.others
@pytest.mark.parametrize("kind", ["cyrus", "courier"])
def test_others(request, kind, user, run):
    server = request.getfixturevalue(kind)
    fill(server, user, {"INBOX": notes(1), "Old": notes(2, 5), "Old/x": notes(1, 9), "Keep": []})
    mailbox(run, "rename", server.url(user), "Old", "Older")
    assert names(server, user) == ["INBOX", "Keep", "Older", "Older/x"]
    mailbox(run, "delete", server.url(user), "--regex", "^Older", *ALL)
    assert names(server, user) == ["INBOX", "Keep"]


def test_maildir(tmp_path, run):
    place = "maildir:%s" % (tmp_path / "Maildir")
    for name in ("", ".Old", ".Old.x", ".Keep"):
        for sub in ("cur", "new", "tmp"):
            (tmp_path / "Maildir" / name / sub).mkdir(parents=True)
    (tmp_path / "Maildir" / ".Old" / "cur" / "1.a.b:2,S").write_bytes(b"Subject: x\n\nbody\n")
    mailbox(run, "create", place, "New")
    mailbox(run, "rename", place, "Old", "Older")
    mailbox(run, "delete", place, "Older", "--yes", code=6)
    mailbox(run, "delete", place, "Older", *ALL)
    assert sorted(path.name for path in (tmp_path / "Maildir").glob(".*")) == [".Keep", ".New", ".Older.x"]


def test_a_directory_that_stays_is_no_mailbox_again(tmp_path, run):
    """An eml tree: what else is in the directory stays, and the mailbox is gone all the same."""
    for name in ("A", "A/B"):
        (tmp_path / "mail" / name).mkdir(parents=True)
        (tmp_path / "mail" / name / "1.eml").write_bytes(note(1).body)
    tree = "eml:%s/mail" % tmp_path
    run("mailbox", "subscribe", tree, "A", check=0)
    run("mailbox", "delete", tree, "A", "--yes", "--max-delete", "100%", check=0)
    assert [row["name"] for row in run("list", "--json", tree, check=0).json if row["type"] == "mailbox"] == ["A/B"]
