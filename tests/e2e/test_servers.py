"""Every direction between Dovecot, Cyrus and Courier, with everything odd that mail can be; and what a server refuses."""
import dataclasses
import hashlib

import pytest

from copying import Report, both, copy, count, fill, note, notes, subjects
from lab import corpus, load, witness
from lab.cyrus import Cyrus
from lab.dovecot import Dovecot
from lab.hostile import Fake

KINDS = {
    "dovecot": lambda servers: servers(Dovecot, instance=1),
    "dovecot2": lambda servers: servers(Dovecot, instance=2),
    "maildir": lambda servers: servers(Dovecot, format="maildir", separator="."),
    "prefix": lambda servers: servers(Dovecot, separator=".", prefix="INBOX."),
    "cyrus": lambda servers: servers(Cyrus),
    "courier": lambda servers: _courier(servers),
}


def _courier(servers):
    from lab.courier import Courier
    return servers(Courier)


def others(*args):
    return pytest.param(*args, marks=pytest.mark.others, id="-".join(args))


def plain(*args):
    return pytest.param(*args, id="-".join(args))


DIRECTIONS = [plain("dovecot", "dovecot2"), plain("dovecot", "maildir"), plain("maildir", "dovecot"),
              plain("dovecot", "prefix"), plain("prefix", "maildir"), others("dovecot", "cyrus"),
              others("cyrus", "dovecot"), others("dovecot", "courier"), others("courier", "dovecot"),
              others("cyrus", "courier"), others("courier", "cyrus")]


def sample():
    """Every mailbox of the small account with a sixth of its messages: the names and the kinds stay, the time does not."""
    for name, messages, subscribed in corpus.small():
        yield name, list(messages)[::6], subscribed


def second_does_nothing(run, a, b, **kwargs):
    again = copy(run, a, b, **kwargs)
    assert (again.copied, again.flags_changed) == (0, 0)
    return again


@pytest.mark.parametrize("a, b", DIRECTIONS)
def test_a_realistic_account_in_every_direction(servers, run, user, a, b):
    a, b = KINDS[a](servers), KINDS[b](servers)
    total = load.fill(a, user, sample())
    b.add_user(user)
    report = copy(run, a.url(user), b.url(user))
    assert (report.copied, report.found) == (total, total)
    assert report.findings == []
    assert both(a, b, user, parents=True) == []
    second_does_nothing(run, a.url(user), b.url(user))


# What each destination cannot store as it is. Dovecot takes the whole lot.
ODD = [plain("dovecot", "dovecot2"), plain("dovecot", "maildir"), plain("maildir", "prefix"), others("dovecot", "cyrus"),
       others("dovecot", "courier")]


@pytest.mark.parametrize("a, b", ODD)
def test_96_odd_messages(servers, run, user, a, b):
    a, b = KINDS[a](servers), KINDS[b](servers)
    fill(a, user, {"INBOX": corpus.odd_96()})
    b.add_user(user)
    result = run("copy", a.url(user), b.url(user), "--json")
    report = Report(result)
    source = witness.read(a, user)
    target = witness.read(b, user)
    differences = witness.diff(source, target)
    # Every difference is a message that the report names, and nothing is named that is no difference.
    there = {m.sha for m in target.mailboxes["INBOX"]}
    refused, altered = ({uid for _, uid, _ in report.found_out(kind)} for kind in ("refused", "altered"))
    assert refused | altered == {m.uid for m in source.mailboxes["INBOX"] if m.sha not in there}
    assert {d.kind for d in differences} <= {"missing", "altered", "extra"}
    assert len(target.mailboxes["INBOX"]) == 96 - len(refused)
    assert result.code == (3 if refused else 1 if altered else 0)
    assert (report.altered, report.refused) == (len(altered), len(refused))
    if b.name == "dovecot":
        assert differences == []
    again = copy(run, a.url(user), b.url(user), code=3 if refused else 0)
    assert (again.copied, again.there_by_record) == (0, 96 - report.refused)


NAMES = [plain("dovecot", "dovecot2"), plain("dovecot", "maildir"), plain("dovecot", "prefix"), plain("maildir", "dovecot"),
         others("dovecot", "cyrus"), others("dovecot", "courier")]

# Names that these servers refuse: the mailboxes arrive under their strict form, and every run says so.
REFUSED = {
    "cyrus": {'quote"d', "back\\slash", "100%", "per%cent%20", "semi;colon, comma", "{5}"},
    "courier": {"emoji \U0001F600"},
}


@pytest.mark.parametrize("a, b", NAMES)
def test_28_odd_names(servers, run, user, a, b):
    """Names arrive as they were, or escaped: then each is reported, and exit 1 says so."""
    names = [name for name in corpus.T_NAMES if (a, "." in name) != ("maildir", True)]
    refused = REFUSED.get(b, set())
    a, b = KINDS[a](servers), KINDS[b](servers)
    load.fill(a, user, [(name, [note(i)], i % 3 != 0) for i, name in enumerate(names)])
    b.add_user(user)
    report = Report(run("copy", a.url(user), b.url(user), "--json"))
    source, target = witness.read(a, user), witness.read(b, user)
    assert report.found_out("mailbox-failed") == []
    changed = {name for name, _, _ in report.found_out("name-changed")}
    assert changed >= refused
    assert report.result.code == (1 if changed else 0)
    assert target.count == source.count
    as_it_was = source.mailboxes.keys() - changed
    kept = dataclasses.replace(source, mailboxes={n: source.mailboxes[n] for n in as_it_was},
                               subscribed=source.subscribed & as_it_was)
    assert witness.diff(kept, target, extra=False) == []
    for name in changed:    # under another name, the message is there all the same
        shas = [m.sha for m in source.mailboxes[name]]
        assert any([m.sha for m in messages] == shas for other, messages in target.mailboxes.items()
                   if other not in source.mailboxes), name
    again = second_does_nothing(run, a.url(user), b.url(user), code=1 if refused else 0)
    assert {name for name, _, _ in again.found_out("name-changed")} == refused
    assert witness.read(b, user).mailboxes.keys() == target.mailboxes.keys()


# Messages that a destination refuses: the others arrive, and each is named.

def refused_report(report, uids, total):
    assert {uid for _, uid, _ in report.found_out("refused")} == set(uids)
    assert (report.refused, report.copied) == (len(uids), total - len(uids))
    assert report.verdict == "incomplete"


@pytest.mark.others
@pytest.mark.parametrize("kind", ["cyrus", "courier"])
def test_looking(request, dst, run, user, kind):
    """list, size, check and compare tell of these servers what is there; filter, trash, purge, mailbox, search and dedup have tests of their own."""
    server = request.getfixturevalue(kind)
    fill(server, user, {"INBOX": notes(5), "Work": notes(3, 10)})
    octets = sum(message.size for messages in witness.read(server, user).mailboxes.values() for message in messages)
    rows = run("list", "--json", "--stats", "--total", server.url(user), check=0).json
    assert {row["name"]: row["messages"] for row in rows if row["type"] == "mailbox"} == {"INBOX": 5, "Work": 3}
    for method in ((), ("--method", "scan")):
        row = run("size", "--json", server.url(user), *method, check=0).json[0]
        assert (row["messages"], row["size"]) == (8, octets)
    assert run("check", "--json", "--scan", server.url(user), check=0).json[-1]["ok"]
    dst.add_user(user)
    copy(run, server.url(user), dst.url(user))
    run("compare", "--check", "content,flags,date", server.url(user), dst.url(user), check=0)
    load.expunge(dst, user, "INBOX", "2")
    assert run("compare", server.url(user), dst.url(user), check=1).code == 1


@pytest.mark.others
@pytest.mark.parametrize("kind", ["cyrus", "courier", "dst"])
def test_bare_line_ends(request, run, user, kind):
    """Stored as they are, or named: refused, or altered. Never silently another message."""
    server = request.getfixturevalue(kind)
    server.add_user(user)
    with Fake({"INBOX": [note(1), *corpus.bare_line_ends(), note(2)]}) as fake:
        report = Report(run("copy", fake.url(user), server.url(user), "--json"))
        there = {m.sha for m in witness.read(server, user).mailboxes["INBOX"]}
        changed = {uid for uid, (body, _, _) in enumerate(fake.messages(), 1) if hashlib.sha256(body).hexdigest() not in there}
        assert changed == {uid for _, uid, _ in report.found_out("refused") + report.found_out("altered")}
        assert report.result.code == (3 if report.refused else 1 if report.altered else 0)
        assert report.copied == 4 - report.refused == len(there)
        fixed = copy(run, fake.url(user), server.url(user), "--fix-eol")
        assert fixed.copied == report.refused
        assert count(server, user) == 4


def test_a_changed_message_stays_at_the_source(dst, run, user):
    """Courier and others alter bare line ends; --delete-source keeps what was altered."""
    with Fake({"INBOX": [note(1), *corpus.bare_line_ends(), *notes(9, first=2)]}) as fake:
        report = copy(run, fake.url(user), dst.url(user), "--delete-source", "--yes", "--max-delete=100%", code=1)
        assert {uid for _, uid, _ in report.found_out("altered")} == {2}
        assert [body for body, _, _ in fake.messages()] == [corpus.bare_line_ends()[0].body]


def test_a_nul_is_named(dst, run, user):
    """IMAP cannot carry it: what arrives is something else, and that is said."""
    with Fake({"INBOX": [note(1), corpus.nul(), note(2)]}) as fake:
        report = copy(run, fake.url(user), dst.url(user), code=1)
        assert [(box, uid) for box, uid, _ in report.found_out("altered")] == [("INBOX", 2)]
        assert report.copied == 3
        assert copy(run, fake.url(user), dst.url(user)).copied == 0
    assert count(dst, user) == 3


def test_too_large_for_appendlimit(src, run, user):
    """APPENDLIMIT: what is larger is not even sent."""
    fill(src, user, {"INBOX": [note(1), note(2, size=30_000), note(3)]})
    with Fake({"INBOX": []}, capabilities="IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN UIDPLUS NAMESPACE APPENDLIMIT=10000") as fake:
        report = copy(run, src.url(user), fake.url(user), code=3)
        refused_report(report, [2], 3)
        assert len(fake.messages()) == 2
        assert sum("30" in line for line in fake.commands(r"^APPEND .*\{30\d\d\d")) == 0


def test_a_full_destination(servers, src, run, user):
    """Quota: what fits arrives, whatever else is in its batch; what does not is refused by name."""
    full = servers(Dovecot, quota=20_000)
    fill(src, user, {"INBOX": [note(1), note(2, size=50_000), *notes(9, first=3, size=4000), note(20)]})
    report = copy(run, src.url(user), full.url(user), code=3)
    assert report.copied == count(full, user)
    assert 5 <= report.copied <= 6
    assert {1, 20} < set(subjects(full, user)) and 2 not in subjects(full, user)
    assert report.copied + report.refused + report.failed == 12
    assert report.found_out("refused")
    load.expunge(full, user, "INBOX", "2:3")
    again = copy(run, src.url(user), full.url(user), code=3)   # room again: the next ones, none twice
    assert again.deleted_at_destination == 2
    assert count(full, user) == report.copied - 2 + again.copied
    assert again.copied >= 1
    shas = [m.sha for m in witness.read(full, user).mailboxes["INBOX"]]
    assert len(shas) == len(set(shas))


def test_single_refusals_of_any_kind(src, run, user):
    """A server that dislikes one message of a batch: that one is named, the others arrive."""
    fill(src, user, {"INBOX": notes(10)})
    with Fake({"INBOX": []}, capabilities="IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN UIDPLUS NAMESPACE MULTIAPPEND") as fake:
        def picky(session):
            bad = any(b"note 7\r\n" in literal for literal in session.literals)
            return session.no("I don't like number seven") if bad else session.default()
        fake.on(r"^APPEND", picky)
        report = copy(run, src.url(user), fake.url(user), code=3)
        refused_report(report, [7], 10)
        assert "number seven" in report.found_out("refused")[0][2]
        assert len(fake.messages()) == 9


def test_bad_dates(src, run, user):
    """INTERNALDATEs that are none or far away don't keep a message back."""
    dates = ["01-Jan-1970 00:00:00 +0000", "31-Dec-2099 23:59:59 +1400", "00-Foo-0000 99:99:99 +9999"]
    with Fake({"INBOX": [note(i, date=date) for i, date in enumerate(dates)]}) as fake:
        report = copy(run, fake.url(user), src.url(user), code=1)
        assert report.copied == len(dates)
        assert [uid for _, uid, _ in report.found_out("altered")] == [3]
    assert count(src, user) == len(dates)


def test_keywords_the_destination_cannot_hold(src, run, user):
    """Exit 1, each message counted, the keyword named once a mailbox; nothing is tried again the next time."""
    fill(src, user, {"INBOX": [note(1, flags=("\\Seen", "work")), note(2, flags=("work",)), note(3)]})
    with Fake({"INBOX": []}, permanent="\\Answered \\Flagged \\Deleted \\Seen \\Draft") as fake:
        report = copy(run, src.url(user), fake.url(user), code=1)
        assert (report.copied, report.flags_lost, report.verdict) == (3, 2, "complete")
        assert ["work" in text for _, _, text in report.found_out("flags-lost")] == [True]
        assert [flags for _, flags, _ in fake.messages()] == [["\\Seen"], [], []]
        assert copy(run, src.url(user), fake.url(user)).copied == 0
        assert len(fake.messages()) == 3
