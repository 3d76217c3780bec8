"""Copies under fire: a proxy before each server cuts, refuses, swallows, stalls and lies; see lab/faulty.py for what every case must withstand.

Whole with --soak; else the cases marked quick, which still are every command, every kind of fault and both sides.
"""
import threading

import pytest

from conftest import Runner
from lab import corpus, load, witness
from lab.faulty import Attacks, Case, account, end_of
from lab.hostile import Fake

BARE = {"only": ["IMAP4rev1"]}
NO_GREETING = {"rewrite": [[r"^(\* OK) \[CAPABILITY[^\]]*\]", r"\1"]]}
STATUS = {"hide": ["LIST-STATUS"]}


@pytest.fixture(scope="module")
def attacks(src, dst, tmp_path_factory):
    attacks = Attacks(src, dst, tmp_path_factory.mktemp("faults"), Runner)
    yield attacks
    attacks.stop()


@pytest.fixture
def attack(attacks, soak):
    """attack(cases): all of them, side by side."""
    return lambda cases: attacks.run_all([case for case in cases if soak or case.quick])


def grown(job):
    """A copy that is up to date, then one new message, one flag more and one less at the source."""
    assert job.copy().code == 0
    load.append_many(job.src, job.user, "INBOX", [corpus.message(77, seed="new")])
    load.store(job.src, job.user, "INBOX", "1", "+", ["\\Flagged"])
    load.store(job.src, job.user, "INBOX", "5", "-", ["\\Seen"])


# Every command, both sides: (name, rule's target, options of that proxy, what happens before).
SOURCE = [
    ("AUTHENTICATE", {"on": "AUTHENTICATE"}, {}, None),
    ("LOGIN", {"on": "LOGIN"}, BARE, None),
    ("CAPABILITY", {"on": "CAPABILITY"}, NO_GREETING, None),
    ("ID", {"on": "ID"}, {}, None),
    ("ENABLE", {"on": "ENABLE"}, {}, None),
    ("NAMESPACE", {"on": "NAMESPACE"}, {}, None),
    ("LIST", {"on": "LIST"}, {}, None),
    ("LIST bare", {"on": "LIST", "nth": 2}, BARE, None),
    ("LSUB", {"on": "LSUB"}, BARE, None),
    ("STATUS", {"on": "STATUS", "nth": 2}, STATUS, None),
    ("EXAMINE", {"on": "EXAMINE"}, {}, None),
    ("EXAMINE 2", {"on": "EXAMINE", "nth": 2}, {}, None),
    ("UID FETCH columns", {"on": "UID FETCH"}, {}, None),
    ("UID FETCH bodies", {"on": "UID FETCH", "match": r"BODY\.PEEK\[\]"}, {}, None),
    ("UID FETCH changes", {"on": "UID FETCH", "match": "CHANGEDSINCE"}, {}, grown),
    ("UID SEARCH", {"on": "UID SEARCH"}, {}, grown),
    ("LOGOUT", {"on": "LOGOUT"}, {}, None),
]
DESTINATION = [
    ("AUTHENTICATE", {"on": "AUTHENTICATE"}, {}, None),
    ("LOGIN", {"on": "LOGIN"}, BARE, None),
    ("CAPABILITY", {"on": "CAPABILITY"}, NO_GREETING, None),
    ("LIST", {"on": "LIST"}, {}, None),
    ("LIST after CREATE", {"on": "LIST", "nth": 2}, {}, None),
    ("LIST at the end", {"on": "LIST", "nth": 3}, {}, None),
    ("STATUS", {"on": "STATUS"}, STATUS, None),
    ("CREATE", {"on": "CREATE"}, {}, None),
    ("SUBSCRIBE", {"on": "SUBSCRIBE"}, {}, None),
    ("APPEND", {"on": "APPEND"}, {}, None),
    ("APPEND streamed", {"on": "APPEND", "nth": 2}, {}, None),
    ("APPEND bare", {"on": "APPEND", "nth": 5}, BARE, None),
    ("APPEND without UIDs", {"on": "APPEND", "nth": 2}, {"hide": ["UIDPLUS"]}, None),
    ("SELECT", {"on": "SELECT"}, {}, grown),
    ("UID SEARCH", {"on": "UID SEARCH"}, {}, grown),
    ("UID FETCH", {"on": "UID FETCH"}, {}, grown),
    ("UID STORE", {"on": "UID STORE"}, {}, grown),
    ("APPEND of the new", {"on": "APPEND"}, {}, grown),
    ("LOGOUT", {"on": "LOGOUT"}, {}, None),
]
FAULTS = {
    "cut before": {"do": "cut-before"},
    "reset before": {"do": "cut-before", "reset": True},
    "cut after": {"do": "cut-after"},
    "swallowed": {"do": "swallow"},
    "cut in the answer": {"do": "cut-reply", "at": 3},
    "NO": {"do": "reply", "text": "NO there is trouble"},
    "BAD": {"do": "reply", "text": "BAD what is this?"},
    "BYE": {"do": "reply", "text": "BYE going down"},
    "NO for ever": {"do": "reply", "text": "NO there is trouble", "times": -1},
    "BAD for ever": {"do": "reply", "text": "BAD what is this?", "times": -1},
    "cut for ever": {"do": "cut-before", "times": -1},
}


OFTEN = ("APPEND", "UID FETCH", "LIST at")     # of these every second fault is tried, of APPEND each, of the rest a sixth: each command, and each fault


def each_command(side, commands, fault):
    for number, (name, target, options, before) in enumerate(commands):
        if fault == "cut in the answer" and name == "LOGOUT":
            continue    # nobody waits for it
        kept = {"subscription"} if name in ("SUBSCRIBE", "LSUB") and fault.startswith(("NO", "BAD")) else set()
        yield Case("%s %s: %s" % (side, name, fault), before=before, expected=frozenset(kept), codes=(0, 1, 3, 4, 5), args=("--retries", "1"),
                   quick=name == "APPEND" or (number + list(FAULTS).index(fault)) % (2 if name.startswith(OFTEN) else 6) == 0, **{side: [dict(target, **FAULTS[fault])], side + "_options": options})


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("side", ["src", "dst"])
def test_every_command(attack, side, fault):
    attack(list(each_command(side, SOURCE if side == "src" else DESTINATION, fault)))


# Cuts within literals, both ways.

AT = (0, 1, 0.5)


def literal_cuts():
    """Before the first octet, after it, in the middle, before the last one, after it."""
    small, big = {"on": "APPEND", "nth": 1}, {"on": "APPEND", "nth": 2}
    body = {"on": "UID FETCH", "match": r"BODY\.PEEK\[\]"}
    for at in (0, 1, 0.5, 1998, 1999):
        yield Case("append, gathered, at %s of 1999" % at, dst=[dict(small, do="cut-literal", literal=6, at=at)])
    for at in (0, 1, 0.5, 599_999, 600_000):
        yield Case("append, streamed, at %s of 600000" % at, dst=[dict(big, do="cut-literal", at=at)])
        yield Case("append, streamed, synchronising, at %s of 600000" % at, dst=[dict(on="APPEND", match="600000", do="cut-literal", at=at)],
                   dst_options=BARE, quick=at in (0.5, 600_000))
    for at in (0, 1, 0.5, 33, 34):
        yield Case("append, bare, at %s of 34" % at, dst=[dict(small, do="cut-literal", at=at)], dst_options=BARE, quick=at in (0, 33))
        yield Case("fetch, first body, at %s of 34" % at, src=[dict(body, do="cut-reply-literal", at=at)])
    for size in (300, 5000, 300_000, 604_500):
        yield Case("fetch, %d octets into the answer" % size, src=[dict(body, do="cut-reply", at=size)])
        yield Case("append, %d octets into the connection" % (size + 700),
                   dst=[{"do": "cut", "direction": "c2s", "bytes": size + 700, "connection": 1}])
    for size in (5, 300, 1500):
        yield Case("answers of the destination, cut after %d octets" % size,
                   dst=[{"do": "cut", "direction": "s2c", "bytes": size, "connection": 1}])


def test_literals_cut(attack):
    attack(list(literal_cuts()))


def test_every_nth_octet(attack, soak):
    """The connection breaks after n octets, for n over the whole run, both sides and both directions."""
    def cases():
        for side, direction, whole in (("src", "s2c", 610_000), ("dst", "c2s", 608_000), ("dst", "s2c", 2600), ("src", "c2s", 430)):
            steps = 40 if soak else 4
            for i in range(steps):
                yield Case("%s %s cut after %d" % (side, direction, whole * i // steps + i),
                           **{side: [{"do": "cut", "direction": direction, "bytes": whole * i // steps + i, "connection": 1}]})
    attack(list(cases()))


# The destination's last word.

def test_append_lost(attack):
    slow = {"on": "APPEND", "do": "delay", "seconds": 0.5}
    attack([
        Case("answer swallowed, all appends", dst=[{"on": "APPEND", "do": "swallow", "times": 3}], args=("--retries", "5"), codes=(0,)),
        Case("answer swallowed, bare", dst=[{"on": "APPEND", "do": "swallow", "times": 3}], dst_options=BARE, args=("--retries", "5"),
             codes=(0,)),
        Case("answer swallowed, for ever", dst=[{"on": "APPEND", "do": "swallow", "times": -1}]),
        Case("cut after the last octet", dst=[{"on": "APPEND", "do": "cut-after"}], codes=(0,)),
        Case("slow answers", dst=[dict(slow, times=3)], codes=(0,)),
        Case("swallowed, and the last look is refused", codes=(3,), text="could not be looked at",
             dst=[{"on": "APPEND", "do": "swallow"}, {"on": "LIST", "nth": 3, "do": "reply", "text": "NO not now"}]),
        Case("without UIDPLUS, swallowed", dst=[{"on": "APPEND", "nth": 2, "do": "swallow"}], dst_options={"hide": ["UIDPLUS"]}, codes=(0,)),
        Case("without MULTIAPPEND, swallowed", dst=[{"on": "APPEND", "nth": 3, "do": "swallow"}], dst_options={"hide": ["MULTIAPPEND"]},
             codes=(0,)),
    ])


def test_silence_and_slowness(attack):
    quick = ("--timeout", "2", "--retries", "1")
    attack([
        *(Case("%s never answers %s" % (side, name), args=quick, codes=(0, 4), **{side: [{"on": name, "do": "stall"}]})
          for side, name in (("src", "EXAMINE"), ("src", "UID FETCH"), ("dst", "APPEND"), ("dst", "LIST"))),
        *(Case("%s stalls after %d octets %s" % (side, count, direction), args=quick, codes=(0, 4),
               **{side: [{"do": "stall", "direction": direction, "bytes": count, "connection": 1}]})
          for side, direction, count in (("src", "s2c", 300_000), ("dst", "s2c", 1200), ("dst", "c2s", 300_000))),
        Case("a slow line", src_options={"rate": 400_000, "rtt": 0.05}, dst_options={"rate": 400_000, "rtt": 0.05}, codes=(0,)),
        Case("octet by octet", src_options={"chop": 700}, dst_options={"chop": 700}, codes=(0,)),
    ])


def test_refusals_and_backoff(attack):
    def refuse(text, name="APPEND", **more):
        return [dict({"on": name, "do": "reply", "text": text}, **more)]

    attack([
        Case("early refusal of a big message", dst=refuse("NO [TOOBIG] too large", match="600000", early=True, times=-1), dst_options=BARE,
             codes=(3,), text="too large|TOOBIG"),
        Case("refused early, all", dst=refuse("NO no room for it", early=True, times=-1), dst_options=BARE, codes=(3,)),
        Case("throttled", dst=refuse("NO [THROTTLED] slow down. Suggested Backoff Time: 500 milliseconds"), codes=(0,), text="again in 0.5 s"),
        Case("throttled at the source", src=refuse("NO [THROTTLED] Suggested Backoff Time: 500 milliseconds", "UID FETCH"), codes=(0,),
             text="again in 0.5 s"),
        Case("throttled in the bodies", codes=(0,),
             src=refuse("NO [THROTTLED] Suggested Backoff Time: 500 milliseconds", "UID FETCH", match=r"BODY\.PEEK\[\]"), text="again in 0.5 s"),
        Case("unavailable", dst=refuse("NO [UNAVAILABLE] later"), codes=(0,), text="again in"),
        Case("in use", dst=refuse("NO [INUSE] another session"), codes=(0,)),
        Case("a full account", dst=refuse("NO [OVERQUOTA] quota exceeded", times=-1), codes=(3,), text="quota exceeded"),
        Case("full for one message", dst=refuse("NO [OVERQUOTA] quota exceeded", nth=2), dst_options={"hide": ["MULTIAPPEND"]}, codes=(3,),
             text="quota exceeded"),
        Case("full for one batch", dst=refuse("NO [OVERQUOTA] quota exceeded", nth=2), codes=(0, 3)),   # 0: asked again one by one, all fit
        Case("one message refused", dst=refuse("NO I don't like it", match=r"\{34", times=-1), dst_options={"hide": ["MULTIAPPEND"]},
             codes=(3,)),
        Case("a batch refused once", dst=refuse("NO I don't like it"), codes=(0, 3)),   # 3: it held one message
        Case("TRYCREATE for ever", dst=refuse("NO [TRYCREATE] no such mailbox", times=-1), codes=(3,)),
        Case("BYE in the midst", dst=refuse("BYE [UNAVAILABLE] shutting down", times=2), codes=(0,)),
    ])


def test_connection_limits(attack):
    attack([
        Case("one connection to the source", src_options={"limit": 1}, codes=(0,), fires=False),
        Case("one connection to each", src_options={"limit": 1}, dst_options={"limit": 1}, codes=(0,), args=("-j", "4")),
        Case("two of four lanes", dst_options={"limit": 2}, codes=(0,), args=("-j", "4")),
    ])


CAPABILITIES = ("LITERAL+", "MULTIAPPEND", "UIDPLUS", "CONDSTORE QRESYNC", "LIST-STATUS", "LIST-EXTENDED", "ESEARCH", "NAMESPACE", "SPECIAL-USE",
                "ENABLE", "UNSELECT", "ID", "SASL-IR", "CHILDREN")


def test_capabilities_hidden(attack):
    def fewer(hide):
        return {"src_options": {"hide": hide.split()}, "dst_options": {"hide": hide.split()}}

    attack([Case("without " + hide, before=grown, codes=(0,), **fewer(hide)) for hide in CAPABILITIES]
           + [Case("without " + hide + ", from the start", codes=(0,), quick=hide in CAPABILITIES[:5], **fewer(hide)) for hide in CAPABILITIES]
           + [Case("bare", codes=(0,), src_options=BARE, dst_options=BARE),
              Case("bare, then again", codes=(0,), before=grown, src_options=BARE, dst_options=BARE),
              Case("bare, swallowed", codes=(0,), src_options=BARE, dst_options=BARE, dst=[{"on": "APPEND", "nth": 4, "do": "swallow"}])])


def test_flags_refused_hold_up_no_message(attack):
    def copied(job, result):
        assert end_of(result)["copied"] == 1, "the new message waits for flags"

    attack([Case("flags refused", before=grown, codes=(3,), text="flags of 1 messages could not be changed", check=copied,
                 dst=[{"on": "UID STORE", "do": "reply", "text": "NO [NOPERM] not yours", "times": -1}],
                 expected=frozenset({"flags"}))])


def test_source_lost_for_good_is_a_lost_connection(attack):
    attack([Case("the %s dies and stays away" % side, codes=(4,), args=("--retries", "1"),
                 **{side: [{"on": name, "do": "cut-before"}], side + "_options": {"refuse_after": True}})
            for side, name in (("src", "UID FETCH"), ("dst", "APPEND"))])


# A server that finishes an APPEND whose client has given up. A Fake, for it must be exact when.

def late_server(released):
    """Holds the first APPEND back until `released`, then stores it all the same. Counts what it is asked."""
    fake = Fake({"INBOX": []}, capabilities="IMAP4rev1 LITERAL+ UIDPLUS AUTH=PLAIN SASL-IR")
    fake.appends, fake.released, fake.late = 0, released, threading.Event()

    def append(session):
        fake.appends += 1
        if fake.appends > 1:
            session.default()
            released.set()
            return
        released.wait(20)
        try:
            session.default()
        finally:
            fake.late.set()

    fake.on("^APPEND", append)
    return fake


def copy_to(fake, src, user, run, *args):
    load.fill(src, user, [("INBOX", [corpus.message(1)], True)])
    return run("copy", src.url(user), fake.url(user), "--json", "--timeout", "1", *args)


def test_append_arrives_while_it_is_waited_for(src, user, run):
    fake, asked = late_server(threading.Event()), []

    def status(session):
        asked.append(1)
        if fake.appends == 1 and len(asked) > 3:
            fake.released.set()
            fake.late.wait(5)
        session.default()

    fake.on("^STATUS", status)
    with fake:
        result = copy_to(fake, src, user, run, "--settle", "1500ms")
        assert len(fake.messages()) == 1 and fake.appends == 1, result
        assert result.code == 0, result


def test_append_arrives_after_it_was_sent_again(src, user, run):
    """Nothing can undo it, but it is not called complete."""
    fake = late_server(threading.Event())

    def status(session):
        if fake.appends > 1:
            fake.late.wait(5)
        session.default()

    fake.on("^STATUS", status)
    with fake:
        result = copy_to(fake, src, user, run, "--settle", "300ms")
        assert len(fake.messages()) == 2 and fake.appends == 2, result
        assert result.code == 3 and end_of(result)["verdict"] == "incomplete" and "arrived twice" in result.err, result
        again = run("copy", src.url(user), fake.url(user), "--json", "--settle", "300ms")
        assert len(fake.messages()) == 2 and end_of(again)["copied"] == 0, again


# Mailboxes and messages that change under the copy.

def at_command(side, rule, change):
    """A case in which `change(job)` happens while a command is held back."""
    def during(job):
        with getattr(job, side + "_proxy").held():
            change(job)
    return {side: [dict(rule, do="hold")], "during": during}


def renew(server, mailbox):
    def change(job):
        one = getattr(job, server)
        load.delete_mailbox(one, job.user, mailbox)
        load.append_many(one, job.user, mailbox, [], create=True)
    return change


def refill(server, mailbox):
    """The mailbox is made anew with the same messages: new UIDVALIDITY, other UIDs."""
    def change(job):
        one = getattr(job, server)
        messages = dict((name, list(messages)) for name, messages, _ in account())[mailbox]
        load.delete_mailbox(one, job.user, mailbox)
        load.append_many(one, job.user, mailbox, messages[::-1], create=True)
        load.command(one, job.user, "SUBSCRIBE", '"Work/K&APw-che"')
    return change


def test_mailboxes_replaced(attack):
    work = "Work/Küche"
    append = {"on": "APPEND", "match": "Work"}
    one = ("-j", "1", "--retries", "2")
    gone = frozenset({"subscription"})

    def copied(change):
        def before(job):
            assert job.copy().code == 0
            change(job)
        return before

    attack([
        Case("source replaced between runs", before=copied(refill("src", work)), codes=(0,)),
        Case("destination replaced between runs", before=copied(renew("dst", work)), codes=(0,), expected=gone),
        Case("destination refilled between runs", before=copied(refill("dst", work)), codes=(0,)),
        Case("both replaced between runs", before=copied(lambda job: (refill("src", work)(job), renew("dst", work)(job))), codes=(0,),
             expected=gone),
        Case("destination deleted between runs", before=copied(lambda job: load.delete_mailbox(job.dst, job.user, work)), codes=(0,)),
        Case("destination replaced before the append", args=one, expected=gone, **at_command("dst", append, renew("dst", work))),
        Case("destination replaced before the last append", args=one, expected=gone, dst_options={"hide": ["MULTIAPPEND"]},
             **at_command("dst", dict(append, nth=4), renew("dst", work))),
        Case("destination replaced, no UIDs told", args=one, expected=gone, dst_options={"hide": ["MULTIAPPEND", "UIDPLUS"]},
             **at_command("dst", dict(append, nth=3), renew("dst", work))),
        Case("destination deleted before the append", args=one, expected=gone,
             **at_command("dst", append, lambda job: load.delete_mailbox(job.dst, job.user, work))),
        Case("source replaced before it is read", args=one, **at_command("src", {"on": "EXAMINE", "nth": 2}, refill("src", work))),
    ])


def test_source_replaced_while_it_is_read(dst, user, run):
    """Copied into an empty mailbox, then the source's UIDVALIDITY changes: what went over already is adopted, not sent again."""
    fake = Fake({"INBOX": [corpus.message(i) for i in range(3)]})

    def replace(session):
        """The first message, then a new mailbox with the same content."""
        first = session.box.messages[0]
        session.send(b"* 1 FETCH (UID %d%s)\r\n" % (first.uid, b"".join(
            session._item(first, name) for name in (b"FLAGS", b"INTERNALDATE", b"BODY.PEEK[]"))))
        session.box.uidvalidity += 1
        session.close()

    fake.on(r"^UID FETCH .*BODY\.PEEK\[\]", replace, times=1)
    dst.add_user(user)
    with fake:
        result = run("copy", fake.url(user), dst.url(user), "--json", "--settle", "100ms")
        assert result.code == 0 and "is a new one" in result.err, result
        assert len(witness.read(dst, user).mailboxes["INBOX"]) == 3, result
        assert end_of(run("copy", fake.url(user), dst.url(user), "--json"))["copied"] == 0


def test_destination_replaced_before_the_verdict(src, user, run):
    """Confirmed, and gone again when the run looks a last time: not complete, and no source message is deleted."""
    fake = Fake({"INBOX": []})

    def status(session):
        if fake.boxes["INBOX"].messages:
            fake.boxes["INBOX"].messages = []
            fake.boxes["INBOX"].uidvalidity += 1
        session.default()

    fake.on("^STATUS", status)
    with fake:
        load.fill(src, user, [("INBOX", [corpus.message(i) for i in range(3)], True)])
        result = run("copy", src.url(user), fake.url(user), "--json", "--delete-source", "--yes", "--max-delete", "100%")
        assert result.code == 3 and end_of(result)["verdict"] == "incomplete" and "replaced meanwhile" in result.err, result
        assert len(witness.read(src, user).mailboxes["INBOX"]) == 3, result
        fake.rules.clear()
        assert run("copy", src.url(user), fake.url(user), "--json").code == 0 and len(fake.messages()) == 3


def test_messages_change_meanwhile(attack):
    body = {"on": "UID FETCH", "match": r"BODY\.PEEK\[\]"}
    columns = {"on": "UID FETCH"}
    one = ("-j", "1", "--retries", "2")

    def expunge(job):
        load.expunge(job.src, job.user, "INBOX", "2,8")

    def add(job):
        load.append_many(job.src, job.user, "INBOX", [corpus.message(500, seed="added")])

    def flag(job):
        load.store(job.src, job.user, "INBOX", "2:3", "+", ["\\Flagged", "work"])

    def deliver(job):
        load.append_many(job.dst, job.user, "INBOX", [corpus.message(1)])

    attack([
        Case("expunged before the bodies", args=one, codes=(0,), **at_command("src", body, expunge)),
        Case("expunged before the columns", args=one, codes=(0,), **at_command("src", columns, expunge)),
        Case("added before the bodies", args=one, codes=(0,), expected=frozenset(), check=None, **at_command("src", columns, add)),
        Case("flags changed before the columns", args=one, codes=(0,), **at_command("src", columns, flag)),
    ])
