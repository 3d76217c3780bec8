"""What goes wrong at home: no room, no rights, a state in use, a slip in the configuration. Each says what to do."""
import os
import re
import resource
import signal
import time

import pytest

from copying import both, fill, note, notes
from lab import witness
from lab.hostile import Fake


@pytest.mark.parametrize("limit", [0, 4096, 40_000])
def test_no_room_for_the_state(src, dst, run, user, limit):
    """The record cannot grow (RLIMIT_FSIZE, as on a full disk): exit 7, and with room again nothing is doubled."""
    fill(src, user, {"INBOX": notes(300)})
    locations = src.url(user), dst.url(user)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)     # our own; a child begins with the default
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        process = run.start("copy", *locations)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    result = run.finish(process)
    assert result.code == 7, result
    assert re.search(r"(?i)full|space|large|write|disk", result.err + result.out), result
    run("copy", src.url(user), dst.url(user), check=0)
    assert both(src, dst, user) == []


def test_state_that_cannot_be_made(src, dst, run, user):
    """A file where the directory should be."""
    fill(src, user, {"INBOX": notes(1)})
    blocked = run.home / "blocked"
    blocked.write_text("x")
    result = run("copy", "--state", blocked / "state", src.url(user), dst.url(user), check=7)
    assert str(blocked) in result.err
    assert witness.read(dst, user).count == 0


def test_state_in_use(src, dst, proxy, run, user):
    """Two runs of one pair would copy everything twice: the second says who is there, and a dead one's lock is none."""
    fill(src, user, {"INBOX": notes(3)})
    between = proxy(src, rules=[{"do": "stall", "on": "UID FETCH"}])
    first = run.start("copy", "--src-port=%d" % between.port, src.url(user), dst.url(user))
    try:
        end = time.monotonic() + 20
        while not between.fired() and time.monotonic() < end:
            time.sleep(0.05)
        assert between.fired()
        # The account behind the proxy is another to the journal; the same pair again:
        result = run("copy", "--src-port=%d" % between.port, src.url(user), dst.url(user), check=7)
        assert re.search(r"another|in use|locked", result.err), result
    finally:
        first.kill()
        first.wait()
    between.set_rules([])
    run("copy", "--src-port=%d" % between.port, src.url(user), dst.url(user), check=0)
    assert both(src, dst, user) == []


@pytest.mark.parametrize("text,line,words", [
    ("[account a]\nlocation = imap://u@h\ntsl = none\n", 3, ["tsl", "tls"]),
    ("[account a]\nlocation = imap://u@h\ntls = non\n", 3, ["tls", "implicit"]),
    ("[acount a]\nlocation = imap://u@h\n", 1, ["acount"]),
    ("# fine\n\n[account a]\nlocation imap://u@h\n", 4, []),
    ("[account a]\nlocation = imap://u@h\nport = many\n", 3, ["port"]),
    ("[account a]\nlocation = imap://u@h\n\n[account a]\nlocation = imap://v@h\n", 4, ["a"]),
    ("[account a]\nlocation = imap://u:secret77@h\n", 2, ["pass"]),
    ("[account a]\nlocation = imap://u@h\nauth = plian\n", 3, ["plian", "plain"])])
def test_slips_in_the_configuration(run, text, line, words):
    """FILE:LINE, what is wrong, and what may have been meant."""
    config = run.home / "conf"
    config.write_text(text)
    result = run("list", "--config", config, "a", check=2)
    assert "%s:%d:" % (config, line) in result.err, result
    for word in words:
        assert word in result.err, (word, result)
    assert "secret77" not in result.err


def test_names_of_accounts(run):
    config = run.home / "conf"
    config.write_text("[account work]\nlocation = imap://u@h\n")
    result = run("list", "--config", config, "wrok", check=2)
    assert "wrok" in result.err and "work" in result.err
    result = run("list", "--config", run.home / "absent", "work", check=2)
    assert "absent" in result.err


def test_names_the_destination_cannot_have(run, user):
    """Refused by name, with what the server says; all others arrive."""
    with Fake({"INBOX": notes(1), "good": [note(2)], "bad": [note(3)]}) as src, Fake() as dst:
        dst.on("^CREATE .*bad", b"%TAG% NO [CANNOT] Invalid mailbox name\r\n")
        result = run("copy", "--retries=0", src.url(user), dst.url(user), check=3)
        assert "bad" in result.out + result.err and "Invalid mailbox name" in result.out + result.err, result
        assert [len(dst.messages(name)) for name in ("INBOX", "good")] == [1, 1]
        assert "complete: every" not in result.out
