"""What a reviewer found by playing the adversary: servers and moments that once made the program lose mail, double it or
call a copy complete that was not.

All of it is between scripted servers (lab/hostile.py), without MULTIAPPEND, so that each message is an APPEND of its own and
one of them can go wrong.
"""
import re
import threading
import time

import pytest

from copying import Report, note, notes
from lab.hostile import Fake

NO_UIDPLUS = "IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN NAMESPACE UNSELECT"
SINGLE = NO_UIDPLUS + " UIDPLUS"
BODY = r"^UID FETCH .*BODY.PEEK\[\]"
LOST = (3, 4)       # a connection lost for good, and mailboxes failed by it
DELETE = ("--delete-source", "--yes", "--max-delete", "100%")


class Unchecked(Report):
    """For runs whose counts do not add up to what was found: they tell what was done, in more passes than one."""

    def _adds_up(self, dry_run):
        assert self.end["exit_code"] == self.result.code, self.result


def copy(run, src, dst, *options, code=(0,), kind=Report):
    """Runs `copy` and returns its checked report; the exit code is one of those expected, and the verdict agrees with it."""
    result = run("copy", src.url("u"), dst.url("u"), "--json", "--progress=never", "--settle=100ms", *options)
    assert result.code in code, result
    report = kind(result, "--dry-run" in options)
    assert report.verdict == ("incomplete" if result.code else "dry-run" if "--dry-run" in options else "complete"), result
    return report


def held(fake, mailbox="INBOX"):
    """The note numbers of all messages that a mailbox holds, sorted: the exact multiset."""
    return sorted(int(re.search(rb"<note\.(\d+)@", body).group(1)) for body, _, _ in fake.messages(mailbox))


def intact(fake, messages, mailbox="INBOX"):
    """Whether a mailbox holds these messages, octet for octet, and no others."""
    return sorted(body for body, _, _ in fake.messages(mailbox)) == sorted(message.body for message in messages)


def cut(session):
    """The connection is lost, both ways."""
    session.sock.shutdown(2)
    session.close()


def silently(session):
    """The command is obeyed, and its answer lost."""
    send, session.send = session.send, lambda data: None
    session.default()
    session.send = send


def edited(session, change):
    """The command is obeyed, and change(octets) answered instead of the octets."""
    send = session.send
    session.send = lambda data: send(change(data))
    session.default()
    session.send = send


def lose_answers(fake, count):
    """The next count APPENDs are stored without an answer; then the connection is lost and no more is stored."""
    appends = []

    def reply(session):
        appends.append(session)
        if len(appends) <= count:
            silently(session)
        if len(appends) >= count:
            cut(session)
    fake.on("^APPEND", reply)


# nothing doubled

@pytest.mark.parametrize("earlier", [0, 2])
def test_resumed_with_an_estimated_size(run, earlier):
    """The answers to three appends are lost, and RFC822.SIZE of one of these messages is an estimate, as Exchange's are. The
    next run finds all three, also when a mailbox with records is only looked at from the recorded UIDNEXT on."""
    with Fake({"INBOX": notes(earlier)}) as src, Fake(capabilities=SINGLE) as dst:
        if earlier:
            copy(run, src, dst)
        added = [note(11 + i, size=300 + 100 * i) for i in range(5)]
        for message in added:
            src.store(src.boxes["INBOX"], message.body)
        src.boxes["INBOX"].messages[earlier + 1].size = 9999
        lose_answers(dst, 3)
        report = copy(run, src, dst, "--retries=0", code=LOST)
        assert report.found_out("mailbox-failed")
        assert held(dst) == held(src)[:earlier + 3]
        dst.rules.clear()
        report = copy(run, src, dst)
        assert (report.found, report.copied, report.there) == (earlier + 5, 2, earlier + 3) and not report.findings
        assert intact(dst, notes(earlier) + added)
        assert copy(run, src, dst).there_by_record == earlier + 5


def test_content_options_and_lost_answers(run):
    """With --fix-eol the answers to four appends are lost. What arrived is looked for as the option changed it."""
    with Fake({"INBOX": notes(5)}) as src, Fake(capabilities=SINGLE) as dst:
        appends = []

        def reply(session):
            appends.append(session)
            silently(session)
            if len(appends) == 4:
                cut(session)
        dst.on("^APPEND", reply, times=4)
        report = copy(run, src, dst, "--fix-eol")
        assert (report.found, report.copied, report.there) == (5, 1, 4) and not report.findings
        assert intact(dst, notes(5)) and intact(src, notes(5))


def test_content_options_and_a_kill(run, run_new):
    """With --fix-eol the program is killed when three messages have arrived and the third is not acknowledged. The next run
    copies the other two; one without any state copies nothing."""
    with Fake({"INBOX": notes(5)}) as src, Fake(capabilities=SINGLE) as dst:
        appends, third, killed = [], threading.Event(), threading.Event()

        def reply(session):
            appends.append(session)
            if len(appends) < 3:
                session.default()
                return
            silently(session)
            third.set()
            killed.wait(30)
            session.close()
        dst.on("^APPEND", reply)
        process = run.start("copy", src.url("u"), dst.url("u"), "--fix-eol")
        assert third.wait(30)
        process.kill()
        process.communicate()
        killed.set()
        dst.rules.clear()
        assert held(dst) == [1, 2, 3]
        report = copy(run, src, dst, "--fix-eol")
        assert (report.found, report.copied, report.there) == (5, 2, 3) and not report.findings
        assert intact(dst, notes(5))
        report = copy(run_new(), src, dst, "--fix-eol", "--state=none")
        assert (report.copied, report.there_by_digest) == (0, 5)
        assert intact(dst, notes(5))


def test_content_options_and_no_lasting_uids(run):
    """With --fix-eol, to a destination without UIDPLUS whose UIDVALIDITY is new at every SELECT: no record ever holds, and
    still what was copied is recognised instead of being copied in pass after pass."""
    with Fake({"INBOX": notes(2)}) as src, Fake(capabilities=NO_UIDPLUS) as dst:
        def select(session):
            dst.boxes["INBOX"].uidvalidity += 1
            session.default()
        dst.on("^(SELECT|EXAMINE)", select)
        # What one pass copied, the next finds there: both are counted.
        report = copy(run, src, dst, "--fix-eol", kind=Unchecked)
        assert (report.found, report.copied) == (2, 2) and not report.findings
        assert len(dst.commands("^APPEND")) == 2
        assert intact(dst, notes(2)) and intact(src, notes(2))


def test_late_arrival_that_cannot_be_looked_for(run):
    """The answer to an append is lost, the message is sent again, and then the first one arrives after all, when the
    destination no longer lets itself be listed: whether one came twice is not known, so the copy is not complete."""
    with Fake({"INBOX": notes(3)}) as src, Fake(capabilities=SINGLE) as dst:
        appends, lists, late = [], [], []

        def append(session):
            appends.append(session)
            if len(appends) == 2:
                late.append(session.literals[-1])
                cut(session)
            session.default()

        def listing(session):
            lists.append(session)
            if len(lists) == 1:
                session.default()
                return
            while late:
                dst.store(dst.boxes["INBOX"], late.pop())
            session.no("[UNAVAILABLE] later")
        dst.on("^APPEND", append).on("^LIST", listing)
        # The unknown one is none of those found.
        report = copy(run, src, dst, code=(3,), kind=Unchecked)
        assert (report.found, report.copied, report.unknown) == (3, 3, 1)
        [(_, _, text)] = report.found_out("unknown")
        assert "run again" in text
        assert held(dst) == [1, 2, 2, 3] and intact(src, notes(3))
        dst.rules.clear()
        # It is remembered until it is gone, and said which one it is.
        for _ in range(2):
            report = copy(run, src, dst, code=(3,), kind=Unchecked)
            assert (report.copied, report.there, report.unknown) == (0, 3, 1) and held(dst) == [1, 2, 2, 3]
            [(_, uid, text)] = report.found_out("unknown")
            assert uid == 2 and "UID 2 and UID 4" in text
        del dst.boxes["INBOX"].messages[1]
        report = copy(run, src, dst)
        assert (report.copied, report.there + report.deleted_at_destination) == (0, 3) and held(dst) == [1, 2, 3]
        assert not report.findings and not copy(run, src, dst).findings


def resent(src, dst):
    """The answer to the append of note 2 is lost, and the message never stored: it is sent again."""
    appends = []

    def append(session):
        appends.append(session)
        if len(appends) == 2:
            cut(session)
        session.default()
    dst.on("^APPEND", append)


def test_a_doubt_is_about_doubles_only(run):
    """A message is sent again. What else is at the destination is none of its doubles: identical messages of the source, the
    same mail delivered there with another Received line, and whatever comes later. The doubt ends with the next run."""
    double = note(2)
    with Fake({"INBOX": notes(3) + [double, double]}) as src, Fake(capabilities=SINGLE) as dst:
        resent(src, dst)
        report = copy(run, src, dst)
        assert (report.found, report.copied) == (5, 5) and not report.findings
        dst.rules.clear()
        dst.store(dst.boxes["INBOX"], b"Received: by another way\r\n" + note(2).body)
        dst.store(dst.boxes["INBOX"], note(9).body)
        report = copy(run, src, dst)
        assert (report.copied, report.there_by_record) == (0, 5) and not report.findings
        # Over: a message stored twice by somebody else is not ours.
        dst.store(dst.boxes["INBOX"], note(2).body)
        report = copy(run, src, dst)
        assert (report.copied, report.there_by_record) == (0, 5) and not report.findings


@pytest.mark.parametrize("moment", ["before the verdict", "after the verdict"])
def test_a_late_double_is_named(run, moment):
    """A message is sent again, and the first append arrives after all: before the verdict the same run says so, after it the
    next one does."""
    with Fake({"INBOX": notes(3)}) as src, Fake(capabilities=SINGLE) as dst:
        lists = []
        resent(src, dst)

        def listing(session):
            lists.append(session)
            if len(lists) == 2 and moment == "before the verdict":
                dst.store(dst.boxes["INBOX"], note(2).body)
            session.default()
        dst.on("^LIST", listing)
        if moment == "before the verdict":
            report = copy(run, src, dst, code=(3,), kind=Unchecked)
            assert [(uid, "UID 2 and UID 4" in text) for _, uid, text in report.found_out("unknown")] == [(2, True)]
        else:
            assert not copy(run, src, dst).findings
            dst.store(dst.boxes["INBOX"], note(2).body)
        dst.rules.clear()
        report = copy(run, src, dst, code=(3,), kind=Unchecked)
        assert [(uid, "UID 2 and UID 4" in text) for _, uid, text in report.found_out("unknown")] == [(2, True)]
        assert held(dst) == [1, 2, 2, 3]
        del dst.boxes["INBOX"].messages[3]
        assert not copy(run, src, dst).findings


def test_a_dry_run_keeps_the_records(run):
    """A dry run sees the destination's UIDVALIDITY changed for a moment. The records stay: what the owner deleted there is
    not copied again by the next run."""
    with Fake({"INBOX": notes(5)}) as src, Fake(capabilities=SINGLE) as dst:
        copy(run, src, dst)
        del dst.boxes["INBOX"].messages[2]
        assert copy(run, src, dst).deleted_at_destination == 1
        dst.boxes["INBOX"].uidvalidity = 7
        report = copy(run, src, dst, "--dry-run")
        assert (report.copied, report.there_by_digest) == (1, 4)
        dst.boxes["INBOX"].uidvalidity = 1000
        report = copy(run, src, dst)
        assert (report.there_by_record, report.deleted_at_destination, report.copied) == (4, 1, 0)
        assert held(dst) == [1, 2, 4, 5] and intact(src, notes(5))


# nothing lost

def test_tagged_answers_only_when_idle(run):
    """The source sends bodies at once and the tagged answers only when nothing more is asked: as many FETCHes as are under way
    are answered together. The rest is asked for all the same."""
    messages = [note(i + 1, body=(b"y" * 998 + b"\r\n") * 1100) for i in range(20)]
    with Fake({"INBOX": messages}) as src, Fake(capabilities=SINGLE) as dst:
        waiting, asked, done = {}, {}, threading.Event()

        def flush(session):
            while not done.wait(0.05):
                if waiting[session] and time.monotonic() - asked[session] > 0.8:
                    tags, waiting[session] = waiting[session], []
                    session.send(b"".join(tag + b" OK done\r\n" for tag in tags))

        def fetch(session):
            session.ok = lambda *text: None
            session.default()
            del session.ok
            asked[session] = time.monotonic()
            if session not in waiting:
                waiting[session] = []
                threading.Thread(target=flush, args=(session,), daemon=True).start()
            waiting[session].append(session.tag)
        src.on(BODY, fetch)
        report = copy(run, src, dst)
        done.set()
        assert (report.found, report.copied) == (20, 20) and not report.findings
        assert intact(dst, messages) and intact(src, messages)
        src.rules.clear()
        assert copy(run, src, dst, "--dry-run").there_by_record == 20


@pytest.mark.parametrize("jobs", [1, 2])
def test_mailboxes_that_meet_with_the_same_messages(run, jobs):
    """Two mailboxes with the same messages are merged into one that already holds another: each message arrives twice, because
    it was there twice, and the copy of one mailbox is not taken for that of the other."""
    options = ("--merge", "--rename", "s/^[AB]$/INBOX/", "-j", jobs)
    with Fake({"INBOX": [], "A": notes(3), "B": notes(3)}) as src, Fake({"INBOX": [note(99)]}, capabilities=SINGLE) as dst:
        report = copy(run, src, dst, *options)
        assert (report.found, report.copied, report.there) == (6, 6, 0) and not report.findings
        assert intact(dst, notes(3) + notes(3) + [note(99)])
        report = copy(run, src, dst, *options)
        assert (report.found, report.copied, report.there_by_record) == (6, 0, 6)
        assert intact(dst, notes(3) + notes(3) + [note(99)])


def test_a_search_that_lags_behind(run):
    """In an incremental scan the source's SEARCH ALL finds three of the five messages that EXISTS counts. What it left out is
    not taken for gone."""
    with Fake({"INBOX": notes(5)}, capabilities=SINGLE + " CONDSTORE ENABLE") as src, Fake(capabilities=SINGLE) as dst:
        src.on("^(EXAMINE|SELECT)", lambda session: edited(
            session, lambda data: b"* OK [HIGHESTMODSEQ 5] kept\r\n" + data if data.startswith(b"* FLAGS") else data))
        src.on("CHANGEDSINCE", b"%TAG% OK nothing changed\r\n")
        src.on("^UID SEARCH ALL", b"* SEARCH 1 2 3\r\n%TAG% OK done\r\n")
        assert copy(run, src, dst, "--uid", "1:3").copied == 3
        report = copy(run, src, dst)
        assert src.commands("^UID SEARCH ALL"), "the case did not arise"
        assert (report.found, report.copied, report.there_by_record) == (5, 2, 3) and not report.findings
        assert intact(dst, notes(5))


@pytest.mark.parametrize("options", [("--smaller=450",), ("--larger=450",), ("--max-size=450",)])
def test_sizes_from_the_records(run, options):
    """Options that look at sizes need no scan of what is recorded: only a sample of it is asked for, and what is new."""
    messages = [note(i + 1, size=300 + i) for i in range(300)]
    with Fake({"INBOX": messages}, capabilities=SINGLE + " CONDSTORE ENABLE") as src, Fake(capabilities=SINGLE) as dst:
        src.on("^(EXAMINE|SELECT)", lambda session: edited(
            session, lambda data: b"* OK [HIGHESTMODSEQ 5] kept\r\n" + data if data.startswith(b"* FLAGS") else data))
        src.on("CHANGEDSINCE", b"%TAG% OK nothing changed\r\n")
        assert copy(run, src, dst).copied == 300
        for message in (note(401, size=200), note(402, size=900)):
            src.store(src.boxes["INBOX"], message.body)
        # A date needs the whole scan, which knows all sizes.
        whole = copy(run, src, dst, "--dry-run", "--before=2100-01-01", *options)
        told = []

        def fetch(session):
            if b"CHANGEDSINCE" in session.line:
                session.send(session.tag + b" OK nothing changed\r\n")
                return
            send, session.send = session.send, lambda data: (told.append(data), send(data))
            session.default()
            session.send = send
        src.rules[:] = [rule for rule in src.rules if "CHANGEDSINCE" not in str(rule[0].pattern)]
        src.on("^UID FETCH", fetch)
        report = copy(run, src, dst, *options)
        assert (report.found, report.copied, report.there_by_record, report.skipped) == (
            302, 1, whole.there_by_record, whole.skipped) and not report.findings
        assert len([data for data in told if b" FETCH (" in data]) < 50


def test_busy_at_a_reconnect(run):
    """The connection to the destination breaks during an append, and the server turns the first reconnect away as busy: that
    is waited for."""
    with Fake({"INBOX": notes(5)}) as src, Fake(capabilities=SINGLE) as dst:
        appends, greetings = [], []

        def greet(_):
            greetings.append(1)
            return b"* BYE [UNAVAILABLE] Too many connections\r\n" if len(greetings) == 1 else b"* OK ready\r\n"

        def append(session):
            appends.append(session)
            if len(appends) == 3:
                dst.greeting = greet
                cut(session)
            session.default()
        dst.on("^APPEND", append)
        report = copy(run, src, dst)
        assert len(greetings) >= 2, "the case did not arise"
        assert (report.found, report.copied) == (5, 5) and not report.findings
        assert intact(dst, notes(5)) and intact(src, notes(5))


# nothing deleted that is not proved to be there

def test_confirmed_and_not_stored(run):
    """A destination without UIDPLUS says OK to an append and drops the message. It is unknown, not "deleted by its owner", and
    stays at the source; the next run copies it."""
    with Fake({"INBOX": notes(5)}) as src, Fake(capabilities=NO_UIDPLUS) as dst:
        dst.on(r"^APPEND", lambda session: session.ok("stored") if b"note.3@" in session.literals[-1] else session.default())
        report = copy(run, src, dst, *DELETE, code=(3,))
        assert (report.found, report.copied, report.unknown, report.deleted_at_source) == (5, 4, 1, 4)
        assert report.deleted_at_destination == 0
        [(_, uid, _)] = report.found_out("unknown")
        assert uid == 3
        assert held(src) == [3] and held(dst) == [1, 2, 4, 5]
        dst.rules.clear()
        report = copy(run, src, dst, *DELETE)
        assert (report.found, report.copied, report.deleted_at_source) == (1, 1, 1)
        assert held(src) == [] and intact(dst, notes(5))


def test_confirmed_dropped_and_recopied(run):
    """With --recopy a destination that confirms a message under a UID and drops it is not sent it again in every pass."""
    with Fake({"INBOX": notes(5)}) as src, Fake({"INBOX": []}, capabilities=SINGLE) as dst:
        sent, cuts = [], []

        def append(session):
            if b"note.3@" in session.literals[-1]:
                sent.append(1)
                session.ok("[APPENDUID %d %d] stored" % (dst.boxes["INBOX"].uidvalidity, 70 + len(sent)))
            elif b"note.5@" in session.literals[-1] and len(cuts) < 2:
                cuts.append(1)
                cut(session)
            else:
                session.default()
        dst.on(r"^APPEND", append)
        report = copy(run, src, dst, "--recopy", code=(3,), kind=Unchecked)
        assert len(cuts) == 2 and len(sent) == 1
        assert (report.found, report.unknown) == (5, 1)
        assert held(dst) == [1, 2, 4, 5]
        dst.rules.clear()
        copy(run, src, dst, "--recopy", kind=Unchecked)
        assert intact(dst, notes(5))


def test_empty_body_for_a_message_with_a_size(run):
    """The source gives an empty body for a message whose size it told. That is no message: it is not stored, counts as failed,
    and is not deleted; when the source can read it again, it is copied."""
    with Fake({"INBOX": notes(5)}) as src, Fake(capabilities=SINGLE) as dst:
        third = src.boxes["INBOX"].messages[2]
        whole, third.size = third.body, len(third.body)

        def fetch(session):
            third.body = b""
            session.default()
            third.body = whole
        src.on(BODY, fetch)
        report = copy(run, src, dst, *DELETE, code=(3,))
        assert (report.found, report.copied, report.failed, report.deleted_at_source) == (5, 4, 1, 4)
        [(_, uid, text)] = report.found_out("failed")
        assert uid == 3 and "empty body" in text
        assert held(src) == [3] and held(dst) == [1, 2, 4, 5]
        src.rules.clear()
        report = copy(run, src, dst, *DELETE)
        assert (report.found, report.copied, report.deleted_at_source) == (1, 1, 1)
        assert held(src) == [] and intact(dst, notes(5))


def test_source_replaced_between_passes(run):
    """While messages are copied, the source mailbox is replaced by a new one with the same UIDs; one of its messages is not
    selected. What the first pass proved says nothing about the new UIDs: only what the second copied is deleted."""
    with Fake({"INBOX": notes(5)}) as src, Fake(capabilities=SINGLE) as dst:
        appends, sources = [], []

        def append(session):
            appends.append(session)
            if len(appends) != 4:
                session.default()
                return
            box = src.boxes["INBOX"]
            with src.lock:
                box.messages.clear()
                box.uidvalidity, box.uidnext = 2000, 1
                for i in range(5):
                    src.store(box, note(11 + i).body, ["\\Draft"] if i == 1 else [])
            time.sleep(0.5)
            for source in sources:
                source.sock.shutdown(2)
            cut(session)
        src.on("^EXAMINE", lambda session: (sources.append(session), session.default()), times=1)
        dst.on("^APPEND", append)
        # The copies of the mailbox that is gone are counted, its messages are not.
        report = copy(run, src, dst, *DELETE, "--no-flag", "\\Draft", "--rate=20", kind=Unchecked)
        assert (report.found, report.skipped, report.deleted_at_source) == (5, {"flag": 1}, 4) and not report.findings
        assert held(src) == [12] and held(dst) == [1, 2, 3, 11, 13, 14, 15]


def test_no_uidvalidity_at_the_source(run):
    """The source tells no UIDVALIDITY, and its mailbox is replaced between two runs. UIDs mean nothing from one run to the next
    then: the new messages are compared and copied, and nothing is deleted by UID."""
    with Fake({"INBOX": notes(5)}) as src, Fake(capabilities=SINGLE) as dst:
        src.on("^(EXAMINE|SELECT)", lambda session: edited(
            session, lambda data: re.sub(rb"\* OK \[UIDVALIDITY \d+\] valid\r\n", b"", data)))
        src.on("^STATUS", lambda session: (session.send(
            b"* STATUS INBOX (MESSAGES %d)\r\n" % len(src.boxes["INBOX"].messages)), session.ok()))
        assert copy(run, src, dst).copied == 5
        box = src.boxes["INBOX"]
        with src.lock:
            box.messages.clear()
            box.uidnext = 1
            for message in notes(3, first=11):
                src.store(box, message.body)
        report = copy(run, src, dst, *DELETE, code=(6,))
        assert (report.found, report.copied, report.there, report.deleted_at_source) == (3, 3, 0, 0)
        [(_, _, text)] = report.found_out("mailbox-failed")
        assert "UIDs are not lasting ones: nothing is changed" in text
        assert intact(src, notes(3, first=11)) and intact(dst, notes(5) + notes(3, first=11))
        report = copy(run, src, dst)
        assert (report.copied, report.there) == (0, 3) and intact(dst, notes(5) + notes(3, first=11))


# and what is said is true

def test_seen_set_by_the_reader(run):
    """The only unseen message is read by its owner while it is copied: that \\Seen is not taken back. A server that marks all
    that is fetched is found out by several, and put right."""
    def reading(session):
        for _, message in session._chosen(session.words[2]):
            message.flags.add("\\Seen")
        session.default()
    with Fake({"INBOX": notes(1)}) as src, Fake(capabilities=SINGLE) as dst:
        src.on(BODY, reading)
        assert copy(run, src, dst).copied == 1
        assert [flags for _, flags, _ in src.messages()] == [["\\Seen"]] and not src.commands("STORE")
        assert intact(dst, notes(1))
    with Fake({"INBOX": notes(5)}) as src, Fake(capabilities=SINGLE) as dst:
        src.on(BODY, reading)
        assert copy(run, src, dst, "--state=none").copied == 5
        assert [flags for _, flags, _ in src.messages()] == [[]] * 5
        assert intact(dst, notes(5))


def test_a_destination_emptied(run):
    """All that was copied is deleted at the destination, under the same UIDVALIDITY. By the rules it is not copied again; the
    verdict says so instead of "every selected message is at the destination", and nothing is deleted at the source."""
    with Fake({"INBOX": notes(5)}) as src, Fake(capabilities=SINGLE) as dst:
        copy(run, src, dst)
        dst.boxes["INBOX"].messages.clear()
        report = copy(run, src, dst, *DELETE)
        assert (report.found, report.deleted_at_destination, report.copied, report.deleted_at_source) == (5, 5, 0, 0)
        assert held(dst) == [] and intact(src, notes(5))
        verdict = run("copy", src.url("u"), dst.url("u"), "--progress=never", check=0).out.strip().splitlines()[-1]
        assert verdict == "complete: every selected message is at the destination, but for 5 that were deleted there"
        assert copy(run, src, dst, "--recopy").copied == 5
        assert intact(dst, notes(5))
