"""Names that the destination refuses in whatever form: the mailbox gets another name, reversibly, and keeps it over all runs."""
import re
import shutil
import urllib.parse

import pytest

from copying import Report, copy, fill, note, notes
from lab import load, witness
from lab.hostile import Fake

EMOJI = "emoji \U0001F600"
STRICT = "emoji %F0%9F%98%80"
REFUSED = {EMOJI: STRICT, "100%": "100%25", "{5}": "%7B5%7D", "Bad{/child": "Bad%7B/child", "Bad{": "Bad%7B",
           "K\u00fcche/sub{}": "K\u00fcche/sub%7B%7D", "x*/y*/z": "x%2A/y%2A/z"}


def picky(fake, pattern=r"[&{*\"\\]|%(?![0-9A-F][0-9A-F])", but=r"^K&APw-che"):
    """Refuses names that hold one of these, wherever they come; a run without a code, as Courier and Cyrus do."""
    def create(session):
        name = session.words[1].decode("latin-1")
        if re.search(pattern, re.sub(but, "", name)):
            session.no("Invalid mailbox name")
        else:
            session.default()
    return fake.on(r"^CREATE", create)


def raw(name):
    return name.replace("\u00fc", "&APw-")


def changed(report):
    return {name for name, _, _ in report.found_out("name-changed")}


def creates(fake):
    return len(fake.commands(r"^CREATE"))


@pytest.mark.parametrize("lanes", [1, 3])
def test_they_arrive_under_another_name(src, run, user, lanes):
    names = list(REFUSED) + ["Plain", "Plain/sub", "K\u00fcche"]
    load.fill(src, user, [(name, notes(3, first=10 * i), i % 2 == 0) for i, name in enumerate(names)])
    with picky(Fake({"INBOX": []})) as fake:
        report = copy(run, src.url(user), fake.url(user), "-j", lanes, code=1)
        assert report.copied == 3 * len(names) and report.found_out("mailbox-failed") == []
        there = {name: len(box.messages) for name, box in fake.boxes.items()}
        for name in names:
            assert there.get(raw(REFUSED.get(name, name))) == 3, (name, there)
        assert changed(report) == set(REFUSED)
        for name, _, text in report.found_out("name-changed"):
            assert '"%s"' % REFUSED[name] in text
            assert "/".join(urllib.parse.unquote(level) for level in REFUSED[name].split("/")) == name
        # What was subscribed is subscribed under the name it has.
        wanted = {raw(REFUSED.get(name, name)) for i, name in enumerate(names) if i % 2 == 0}
        assert {line.split(" ", 1)[1].strip('"') for line in fake.commands("^SUBSCRIBE")} >= wanted - {"INBOX"}

        # The second run finds them: nothing is created, nothing opened that has not changed, nothing doubled.
        before = creates(fake)
        again = copy(run, src.url(user), fake.url(user), "-j", lanes, code=1)
        assert (again.copied, again.there_by_record, changed(again)) == (0, 3 * len(names), set(REFUSED))
        assert creates(fake) == before
        assert {name: len(box.messages) for name, box in fake.boxes.items()} == there
        dry = copy(run, src.url(user), fake.url(user), "--dry-run", code=1)
        assert (dry.copied, changed(dry)) == (0, set(REFUSED))

        # And new mail goes where the old is.
        fill(src, user, {EMOJI: [note(99)]})
        assert copy(run, src.url(user), fake.url(user), "-j", lanes, code=1).copied == 1
        assert len(fake.boxes[STRICT].messages) == 4


def test_without_state(src, run, user):
    """--state none: whose the mail under the other name is, is not known, and nothing is poured into it. What the message says to do
    does it, for every name that was refused."""
    load.fill(src, user, [(name, notes(2, first=10 * i), True) for i, name in enumerate(REFUSED)])
    with picky(Fake({"INBOX": []})) as fake:
        assert copy(run, src.url(user), fake.url(user), "--state=none", code=1).copied == 2 * len(REFUSED)
        there = {name: len(box.messages) for name, box in fake.boxes.items()}
        report = copy(run, src.url(user), fake.url(user), "--state=none", code=3)
        failed = report.found_out("mailbox-failed")
        assert {name for name, _, _ in failed} == set(REFUSED)
        lines = []
        for name, _, text in failed:
            assert "--state none" in text
            lines.append("%s: %s" % (name, re.search(r'and "(.*)", the name', text).group(1)))
        table = run.home / "map"
        table.write_text("".join(line + "\n" for line in lines))
        for _ in range(2):
            report = copy(run, src.url(user), fake.url(user), "--state=none", "--map", table)
            assert (report.copied, report.there_by_digest) == (0, 2 * len(REFUSED))
        assert {name: len(box.messages) for name, box in fake.boxes.items()} == there


def test_a_run_killed_after_creating(src, run, user):
    """Created, and no record of it: an empty mailbox under the name is taken."""
    fill(src, user, {EMOJI: notes(3)})
    with picky(Fake({"INBOX": [], STRICT: []})) as fake:
        assert copy(run, src.url(user), fake.url(user), code=1).copied == 3
        assert len(fake.boxes[STRICT].messages) == 3


def test_recorded_without_uidvalidity(src, run, user):
    """The record alone proves it: the mailbox was made anew, and is filled anew."""
    fill(src, user, {EMOJI: notes(3)})
    with picky(Fake({"INBOX": []})) as fake:
        copy(run, src.url(user), fake.url(user), code=1)
        fake.boxes[STRICT].uidvalidity = 4711
        report = copy(run, src.url(user), fake.url(user), code=1)
        assert (report.copied, report.there, changed(report)) == (0, 3, {EMOJI})
        assert len(fake.boxes[STRICT].messages) == 3


def test_another_mailbox_of_that_name(src, run, user):
    """Mail of two mailboxes is never poured together."""
    fill(src, user, {EMOJI: notes(3), "Plain": notes(2, first=20)})
    with picky(Fake({"INBOX": [], STRICT: [note(50)]})) as fake:
        report = copy(run, src.url(user), fake.url(user), code=3)
        assert [name for name, _, _ in report.found_out("mailbox-failed")] == [EMOJI]
        assert "--map" in report.found_out("mailbox-failed")[0][2]
        assert (report.copied, len(fake.boxes[STRICT].messages)) == (2, 1)


@pytest.mark.parametrize("first", [EMOJI, STRICT])
def test_both_names_in_one_run(src, run, user, first):
    """The one that came first has the name; the other one fails, run for run."""
    other = STRICT if first == EMOJI else EMOJI
    fill(src, user, {first: notes(3)})
    with picky(Fake({"INBOX": []})) as fake:
        assert copy(run, src.url(user), fake.url(user), code=1).copied == 3
        fill(src, user, {other: notes(2, first=20)})
        for _ in range(2):
            report = copy(run, src.url(user), fake.url(user), code=3)
            assert [name for name, _, _ in report.found_out("mailbox-failed")] == [other]
            assert (report.copied, len(fake.boxes[STRICT].messages)) == (0, 3)


def test_both_names_at_once(src, run, user):
    fill(src, user, {EMOJI: notes(3), STRICT: notes(2, first=20)})
    with picky(Fake({"INBOX": []})) as fake:
        report = copy(run, src.url(user), fake.url(user), code=3)
        assert [name for name, _, _ in report.found_out("mailbox-failed")] == [EMOJI]
        assert (report.copied, len(fake.boxes[STRICT].messages)) == (2, 2)


@pytest.mark.parametrize("answer", ["[OVERQUOTA] no room", "[NOPERM] not here", "Permission denied", "[ALREADYEXISTS] it is there",
                                    "[LIMIT] too many mailboxes", "[SERVERBUG] oops"])
def test_a_refusal_that_is_not_of_the_name(src, run, user, answer):
    """No room, no permission: no other name is tried."""
    fill(src, user, {EMOJI: notes(1)})
    with Fake({"INBOX": []}) as fake:
        fake.on(r"^CREATE", lambda session: session.no(answer))
        report = copy(run, src.url(user), fake.url(user), code=3)
        assert [name for name, _, _ in report.found_out("mailbox-failed")] == [EMOJI]
        assert not any("F0" in line for line in fake.commands("^CREATE"))


def test_refused_under_all_names(src, run, user):
    fill(src, user, {EMOJI: notes(1), "Plain": notes(1, first=9)})
    with Fake({"INBOX": []}) as fake:
        fake.on(r"^CREATE.*emoji", lambda session: session.no("I don't like it"))
        report = copy(run, src.url(user), fake.url(user), code=3)
        assert "don't like" in report.found_out("mailbox-failed")[0][2]
        assert [line.split(" ", 1)[1].strip('"') for line in fake.commands("^CREATE.*emoji [%=]")] == [
            STRICT, STRICT.replace("%", "=")]
        assert report.copied == 1


@pytest.mark.others
@pytest.mark.parametrize("kind", ["cyrus", "courier"])
def test_real_servers(request, src, run, user, kind):
    """A tree of refused names on servers that refuse them, with lanes, twice; and the state lost in between."""
    server = request.getfixturevalue(kind)
    names = [EMOJI, EMOJI + "/below", "K\u00fcche/" + EMOJI, 'quote"d/back\\slash', "semi;colon", "Plain"]
    load.fill(src, user, [(name, notes(2, first=10 * i), True) for i, name in enumerate(names)])
    server.add_user(user)
    report = Report(run("copy", src.url(user), server.url(user), "--json", "-j", "3"))
    assert report.result.code == 1 and report.copied == 2 * len(names)
    assert changed(report)
    target = witness.read(server, user)
    assert target.count == 2 * len(names)
    for _ in range(2):
        again = copy(run, src.url(user), server.url(user), "-j", 3, code=1)
        assert (again.copied, changed(again)) == (0, changed(report))
    assert witness.read(server, user).mailboxes.keys() == target.mailboxes.keys()
    # Without the records it is not known whose mail that is: nothing is doubled, and it is said.
    shutil.rmtree(run.state)
    lost = copy(run, src.url(user), server.url(user), code=3)
    assert {name for name, _, _ in lost.found_out("mailbox-failed")} == changed(report)
    assert witness.read(server, user).count == target.count
