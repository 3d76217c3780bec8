"""copy --delete-source where the source is the destination under another name: its only messages stay, and the run says why."""
import pytest

from copying import fill, notes, subjects
from grid import HOW, IMPATIENT, fault
from lab import load, witness
from lab.dovecot import Dovecot

DELETE = ("--delete-source", "--yes", "--max-delete", "100%", "--settle", "100ms")


def marked(server, user):
    return [message for box in witness.read(server, user).mailboxes.values() for message in box
            if "\\deleted" in message.flags]


@pytest.mark.parametrize("before", [[], ["\\Deleted"]])
def test_two_names_of_a_server(src, run, user, proxy, before):
    """Also where everything is marked already."""
    fill(src, user, {"INBOX": notes(12), "Sent": notes(3, 50)})
    for mailbox in ("INBOX", "Sent"):
        load.store(src, user, mailbox, "1:*", "+", before)
    result = run("copy", src.url(user), proxy(src).url(user), *DELETE, check=6)
    assert "both are one mailbox" in result.err and "complete:" not in result.out, result
    assert subjects(src, user) == list(range(1, 13)) and subjects(src, user, "Sent") == [50, 51, 52]
    assert len(marked(src, user)) == (15 if before else 0)


def test_a_name_that_leads_elsewhere_now(src, dst, run, user, proxy):
    """The copies were recorded, and then the old server's name was given to the new one."""
    fill(src, user, {"INBOX": notes(12)})
    door = proxy(src, log=True)
    run("copy", door.url(user), dst.url(user), check=0)
    door.set_rules([], target=dst.port)
    result = run("copy", door.url(user), dst.url(user), *DELETE, check=6)
    assert "both are one mailbox" in result.err, result
    assert subjects(dst, user) == list(range(1, 13)) == subjects(src, user)


@pytest.mark.parametrize("way", ["maildir to imap", "imap to maildir"])
def test_a_maildir_that_is_served(servers, run, user, way):
    server = servers(Dovecot, format="maildir")
    fill(server, user, {"INBOX": notes(5)})
    files = "maildir:%s/home/%s/mail" % (server.dir, user)
    places = (files, server.url(user)) if way.startswith("maildir") else (server.url(user), files)
    result = run("copy", *places, *DELETE, check=6)
    assert "both are one mailbox" in result.err, result
    assert subjects(server, user) == [1, 2, 3, 4, 5] and marked(server, user) == []


def test_two_doors(servers, run, user):
    """POP3 shows no marks: what was found at the destination stays, what was put there goes."""
    server = servers(Dovecot, pop3=True)
    fill(server, user, {"INBOX": notes(5)})
    result = run("copy", server.pop3_url(user), server.url(user), *DELETE, check=6)
    assert "5 messages stay at the source" in result.err, result
    assert subjects(server, user) == [1, 2, 3, 4, 5]
    run("copy", server.pop3_url(user), server.url(user), "--into", "Kept", *DELETE, check=0)
    assert subjects(server, user) == [] and subjects(server, user, "Kept") == [1, 2, 3, 4, 5]


def test_an_mbox_that_is_served(servers, run, user):
    server = servers(Dovecot, format="mbox")
    fill(server, user, {"INBOX": notes(5)})
    result = run("copy", server.url(user), "mbox:%s/home/%s/mail/inbox" % (server.dir, user), "-m", "INBOX", *DELETE)
    assert len(subjects(server, user)) == 5, result


def test_copies_that_are_gone(src, dst, run, user, proxy):
    """Deleted at the destination after they were found there: their originals stay."""
    fill(src, user, {"INBOX": notes(5)})
    door = proxy(dst, log=True)
    run("copy", src.url(user), door.url(user), check=0)
    door.set_rules([{"on": "EXAMINE", "do": "hold"}])
    process = run.start("copy", src.url(user), door.url(user), "--recopy", *DELETE)
    with door.held():
        load.expunge(dst, user, "INBOX", "1:2")
    result = run.finish(process)
    assert result.code == 3 and "not at the destination any more" in result.err, result
    assert subjects(src, user) == [1, 2] and subjects(dst, user) == [3, 4, 5] and marked(src, user) == []


@pytest.mark.parametrize("place", ["maildir", "mbox", "eml", "thunderbird"])
def test_files_without_state(src, dst, run, user, tmp_path, place):
    """Two places are two, also where nothing is written down."""
    fill(src, user, {"INBOX": notes(5), "A/B": notes(3, 50)})
    files = "%s:%s/mail" % (place, tmp_path)
    run("copy", "--state", "none", src.url(user), files, *DELETE, check=0)
    assert witness.read(src, user).count == 0
    run("copy", "--state", "none", files, dst.url(user), *DELETE, check=0)
    assert subjects(dst, user) == [1, 2, 3, 4, 5] and subjects(dst, user, "A/B") == [50, 51, 52]


def test_killed_while_it_looks(src, run, user, proxy):
    fill(src, user, {"INBOX": notes(12)})
    door = proxy(src)
    first = run("copy", src.url(user), door.url(user), *DELETE, env={"MAILHAUL_FAULT": "point.apart marked:1:kill"})
    if first.code == 6:
        pytest.skip("built without -Dfaults=true")
    assert len(marked(src, user)) == 8
    run("copy", src.url(user), door.url(user), *DELETE, check=6)
    assert subjects(src, user) == list(range(1, 13)) and len(marked(src, user)) == 8


@pytest.mark.parametrize("side, on, nth", [("dst", "EXAMINE", 1), ("dst", "UID FETCH", 1), ("dst", "EXAMINE", 2), ("dst", "UID FETCH", 2),
                                           ("src", "SELECT", 1), ("src", "UID STORE", 1), ("src", "UID STORE", 2)])
def test_faults(src, dst, run, user, proxy, side, on, nth):
    """At each step of the look: nothing goes that is not proved, the exit code says so, and the next run ends the work."""
    doors = {"src": proxy(src, log=True), "dst": proxy(dst, log=True)}
    fill(src, user, {"INBOX": notes(6)})
    places = doors["src"].url(user), doors["dst"].url(user)
    run("copy", *places, check=0)
    for how in HOW:
        if (how, on) == ("bad", "EXAMINE"):
            continue                        # a server without it: SELECT does
        doors[side].set_rules([fault(how, on, nth=nth)], log=True)
        result = run("copy", *places, *DELETE, *IMPATIENT)
        assert doors[side].fired(), (how, on, nth)
        assert result.code in (3, 4) and "complete:" not in result.out.replace("INCOMPLETE:", ""), (how, result)
        assert subjects(src, user) == subjects(dst, user) == [1, 2, 3, 4, 5, 6], (how, result)
        doors[side].set_rules([], log=True)
    run("copy", *places, *DELETE, check=0)
    assert subjects(src, user) == [] and subjects(dst, user) == [1, 2, 3, 4, 5, 6]
