"""mailhaul filter: both ways to write rules, what they decide, what moves, and what breaks on the way."""
import json
import re
import signal
import subprocess

import pytest

from conftest import PROGRAM, TOP
from copying import note, subjects
from grid import HOW, IMPATIENT, fault
from lab import load, witness
from lab.courier import Courier
from lab.cyrus import Cyrus
from lab.server import until

FATES = ("moved", "copied", "there", "stayed", "gone", "failed", "unknown")

BOX = {
    "INBOX": [note(1, "invoice 7"), note(2, "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", flags=("\\Seen", "Work")),
              note(3, "invoice haul", size=9000), note(4, "old", date="01-Jan-2010 12:00:00 +0000",
                                                       sent="Fri, 01 Jan 2010 12:00:00 +0000"),
              note(5, "folded\r\n word"), note(6, "=?utf-8?b?G1szMW3igK5iaWRp?=")],
    "Work": [note(7, "invoice 8"), note(8, "plan", extra=b"List-Id: <haul.example>\r\n")],
    "Work/Sub": [note(9, "invoice 9")],
}


@pytest.fixture
def box(src, user):
    load.fill(src, user, [(name, messages, True) for name, messages in BOX.items()])
    return src


@pytest.fixture
def rules(tmp_path):
    """rules("Subject TAB x …") writes a file; blanks around | are tabs."""
    def write(text):
        path = tmp_path / "rules"
        path.write_bytes(re.sub(r" *\| *", "\t", text).encode())
        return path
    return write


def decided(run, box, user, path, *options, code=0):
    """{target: {(mailbox, uid)}} of a dry run."""
    result = run("filter", "--json", "-n", box.url(user), "--rules", path, *options, check=code)
    total = result.json[-1]
    assert total["type"] == "total" and total["dry_run"] and total["complete"] is (code == 0), result
    found = {}
    for row in result.json:
        if row["type"] == "message":
            found.setdefault((row["place"] or "") + row["target"], set()).add((row["mailbox"], row["uid"]))
    assert sum(map(len, found.values())) == total["found"], result
    assert sum(row["found"] for row in result.json if row["type"] == "rule") == total["found"], result
    return found


def test_lines(box, user, run, rules):
    def one(text, *options):
        return decided(run, box, user, rules(text), *options)

    assert one("Subject | invoice | INBOX | Money") == {"Money": {("INBOX", 1), ("INBOX", 3)}}
    assert one("Subject | invoice | * | Money") == {
        "Money": {("INBOX", 1), ("INBOX", 3), ("Work", 1), ("Work/Sub", 1)}}
    assert one("Subject | invoice | * | Money", "--under", "Work") == {"Money": {("Work", 1), ("Work/Sub", 1)}}
    assert one("Subject | invoice | * | Money", "-x", "Work/**") == {"Money": {("INBOX", 1), ("INBOX", 3)}}
    assert one("Subject | invoice | * | Money", "--uid", "1") == {
        "Money": {("INBOX", 1), ("Work", 1), ("Work/Sub", 1)}}
    assert one("Subject | *grüße | INBOX | X") == {"X": {("INBOX", 2)}}
    assert one("Subject | \"^folded word$\" | INBOX | X") == {"X": {("INBOX", 5)}}
    assert one("Size | >8000 | INBOX | X") == {"X": {("INBOX", 3)}}
    assert one("Date | <01 Jan 2011 00:00:00 +0000 | INBOX | X") == {"X": {("INBOX", 4)}}
    assert one("Internaldate | <2011-01-01 | INBOX | X") == {"X": {("INBOX", 4)}}
    assert one("Flags | Seen | * | X") == one("Flags | Work | * | X") == {"X": {("INBOX", 2)}}
    assert one("ISEARCH | \"SUBJECT invoice SMALLER 5000\" | INBOX | X") == {"X": {("INBOX", 1)}}
    assert one("ISEARCH | (SENTBEFORE (100)) | Work | X | copy") == {"X": {("Work", 1), ("Work", 2)}}
    assert one("Subject | nothing | * | X") == {}
    two = "Subject | haul | INBOX | A\nSubject | invoice | INBOX | B\n"
    assert one(two) == {"B": {("INBOX", 1), ("INBOX", 3)}}
    assert one(two, "--first-match") == {"A": {("INBOX", 3)}, "B": {("INBOX", 1)}}


def test_blocks(box, user, run, rules):
    path = rules("# rules\n[bills]\nin = INBOX\nin = Work/**\nsubject = invoice\nsize = < 8k\nmove-to = Money\n"
                 "[lists]\nany = yes\nheader List-Id = haul\nsubject = haul\ncopy-to = Lists\n"
                 "[here]\nsubject = 9$\nmove-to = Work/Sub\n")
    assert decided(run, box, user, path) == {
        "Money": {("INBOX", 1), ("Work", 1)}, "Lists": {("INBOX", 3), ("Work", 2)}, "Work/Sub": {("Work/Sub", 1)}}
    rows = {row["rule"]: row for row in run("filter", "--json", "-n", box.url(user), "--rules", path).json
            if row["type"] == "rule" and row["mailbox"] == "Work/Sub"}
    assert rows["here"]["stayed"] == 1 and rows["here"]["line"] == 13 and rows["here"]["text"] == "subject = 9$"


def test_terminal(box, user, run, rules):
    path = rules("Subject | . | INBOX | Money")
    result = run("filter", "-n", box.url(user), "--rules", path, check=0)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", result.out), result
    assert "Grüße" in result.out and "move to Money (line 1: Subject .)" in result.out, result
    assert "6 found" in result.out and "nothing was changed" in result.out, result
    assert len(run("filter", "-n", "-q", box.url(user), "--rules", path, check=0).out.splitlines()) == 1
    everything = run("filter", "-n", "-v", box.url(user), "--rules", rules("Subject | plan | * | X"), check=0)
    assert everything.out.count("stays: no rule") == 8, everything


@pytest.mark.parametrize("text, complaint", [
    ("", "no rules"), ("Subject | x | INBOX\nSubject | ( | INBOX | X", "line 1: a rule has four fields"),
    ("Subject | ok | INBOX | X\nSubject | ( | INBOX | X", "line 2: "), ("Subject | x | INBOX | a//b", "line 1: "),
    ("Subject | x | INBOX | host:X", "no RemoteServer line"), ("[a]\nsubject = x", "line 1: the rule has neither"),
    ("RemoteServer: gone\nSubject | x | INBOX | gone:X", "no account gone"),
    ("RemoteServer: p = pop3s://u@h.example\nSubject | x | INBOX | p:X", "POP3 can only be read"),
    ("RemoteServer: p = eml:/x?attachments=only\nSubject | x | INBOX | p:X", "only a part of each message"),
    ("RemoteServer: p = eml:/x?headers-only=yes\nSubject | x | INBOX | p:X", "only a part of each message")])
def test_rules_are_checked(box, user, run, rules, text, complaint):
    assert complaint in run("filter", "-n", box.url(user), "--rules", rules(text), check=2).err


def test_rules_file(box, user, run, rules):
    assert "--rules" in run("filter", box.url(user), check=2).err
    run("filter", box.url(user), "--rules", "/nowhere", check=2)
    path = rules("RemoteServer: h.example/u/secret\nSubject | x | INBOX | h.example:X")
    path.chmod(0o644)
    result = run("filter", "-n", box.url(user), "--rules", path, check=2)
    assert "password" in result.err and "secret" not in result.err.replace(str(path), ""), result


def test_unknown_stays(box, user, run, rules, proxy):
    """A mailbox of which anything is not known is left alone, the others are not."""
    path = rules("Subject | invoice | * | Money")
    broken = proxy(box, rules=[{"on": "EXAMINE", "match": "Work\"", "do": "reply", "text": "NO broken", "times": -1}])
    assert decided(run, broken, user, path, code=3) == {"Money": {("INBOX", 1), ("INBOX", 3), ("Work/Sub", 1)}}
    cut = proxy(box, rules=[{"on": "UID FETCH", "nth": 2, "do": "cut-before"}])
    assert len(decided(run, cut, user, path)["Money"]) == 4
    search = rules("ISEARCH | SUBJECT invoice | * | Money\nSubject | invoice | Work | Other")
    bad = proxy(box, rules=[{"on": "UID SEARCH", "do": "reply", "text": "BAD what", "times": -1}])
    assert decided(run, bad, user, search, code=3) == {}
    assert "the rule of line 1" in run("filter", "-n", bad.url(user), "--rules", search).err
    assert "line 1: none of its mailboxes" in run("filter", "-n", box.url(user), "--rules", rules("Subject | x | Imbox | Y"), check=0).err


def moved(run, box, user, path, *options, code=0):
    """The row of each rule: {(mailbox, line): row}, after a run that is checked."""
    result = run("filter", "--json", box.url(user), "--rules", path, *options, check=code)
    total = result.json[-1]
    assert total["type"] == "total" and total["complete"] is (code <= 1) and total["exit_code"] == code, result
    rows = {(row["mailbox"], row["line"]): row for row in result.json if row["type"] == "rule"}
    for row in list(rows.values()) + [total]:
        assert row["found"] == sum(row[key] for key in FATES), result
    for key in FATES:
        assert total[key] == sum(row[key] for row in rows.values()), result
    return total


def where(box, user):
    """{note number: [mailboxes]}: nothing is lost, and what stands where."""
    found = {}
    for name in witness.read(box, user).mailboxes:
        for number in subjects(box, user, name):
            found.setdefault(number, []).append(name)
    assert sorted(found) == list(range(1, 10)), found
    return {number: sorted(names) for number, names in found.items()}


HOME = {1: ["INBOX"], 2: ["INBOX"], 3: ["INBOX"], 4: ["INBOX"], 5: ["INBOX"], 6: ["INBOX"], 7: ["Work"], 8: ["Work"],
        9: ["Work/Sub"]}
CHAIN = "Subject | invoice 7 | INBOX | Work\nSubject | invoice | Work | Work/Sub\nSubject | invoice | Work/Sub | INBOX"
CHAINED = {**HOME, **{1: ["Work"], 7: ["Work/Sub"], 9: ["INBOX"]}}


def test_moves(box, user, run, rules):
    before = {m.sha: (m.flags, m.date) for m in witness.read(box, user).mailboxes["INBOX"]}
    total = moved(run, box, user, rules("Subject | invoice | * | Money/New\nFlags | Seen | INBOX | INBOX\n"
                                        "Subject | plan | Work | Plans | copy"))
    assert total["moved"] == 4 and total["stayed"] == 1 and total["copied"] == 1
    money = ["Money/New"]
    assert where(box, user) == {**HOME, **{1: money, 3: money, 7: money, 9: money, 8: ["Plans", "Work"]}}
    account = witness.read(box, user)
    assert {"Money/New", "Plans"} <= account.subscribed
    for message in account.mailboxes["Money/New"]:
        assert before.get(message.sha, (message.flags, message.date)) == (message.flags, message.date)
    again = moved(run, box, user, rules("Subject | plan | Work | Plans | copy"))
    assert (again["copied"], again["there"]) == (0, 1)
    assert subjects(box, user, "Plans") == [8]


def reported(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines]


def test_report(box, user, run, rules, proxy, tmp_path):
    """--report FILE: each message and the rule that decides it, each rule with what became of it and the UIDs that it left, in all; beside the text."""
    path, report = rules("Subject | invoice | * | Money\nFlags | Seen | INBOX | INBOX"), tmp_path / "report"
    args = ("filter", "--rules", path, "-j1")
    assert "cannot write the report" in run(*args, box.url(user), "--report", tmp_path / "nowhere" / "x", check=7).err
    assert where(box, user) == HOME
    door = proxy(box, hide=["MOVE"], rules=[fault("no", "UID COPY", times=1)])
    result = run(*args, door.url(user), "--report", report, check=3)
    rows = reported(report)
    assert "{" not in result.out and "note" not in result.out and report.stat().st_mode & 0o777 == 0o600, result
    told = {(row["mailbox"], row["uid"]): (row["decision"], row["line"]) for row in rows if row["type"] == "message"}
    assert told == {("INBOX", 1): ("move", 1), ("INBOX", 2): ("stay", 2), ("INBOX", 3): ("move", 1), ("Work", 1): ("move", 1), ("Work/Sub", 1): ("move", 1)}
    failed = [row for row in rows if row["type"] == "rule" and row["failed"]]
    left = [(row["mailbox"], row["line"], row["uids"]) for row in rows if row["type"] == "left"]
    assert len(failed) == 1 and left == [(failed[0]["mailbox"], 1, "1,3" if failed[0]["mailbox"] == "INBOX" else "1")], rows
    assert rows[-1]["type"] == "total" and rows[-1]["exit_code"] == 3 and not rows[-1]["complete"], rows
    result = run(*args, box.url(user), "--json", "--report", report, check=0)
    rows = reported(report)
    assert [row for row in rows if row["type"] != "message"] == result.json and "left" not in {row["type"] for row in rows}, result
    assert rows[-1]["moved"] == len(left[0][2].split(",")), result
    run(*args, box.url(user), "--report", report, "-n", "-q", check=0)
    assert [row["decision"] for row in reported(report) if row["type"] == "message"] == ["stay"]


def test_nothing_is_chased(box, user, run, rules):
    assert moved(run, box, user, rules(CHAIN))["moved"] == 3
    assert where(box, user) == CHAINED


@pytest.mark.parametrize("hide", [("MOVE",), ("MOVE", "UIDPLUS")])
def test_old_servers(box, user, run, rules, proxy, hide):
    old = proxy(box, hide=list(hide))
    path = rules(CHAIN)
    marked = witness.Client(box, user)
    marked.select("INBOX")
    marked.uid("STORE", "4", "+FLAGS", "(\\Deleted)")
    marked.logout()
    if "UIDPLUS" in hide:
        run("filter", "-n", old.url(user), "--rules", path, check=6)
        run("filter", old.url(user), "--rules", path, check=6)
        assert where(box, user) == HOME
        moved(run, old, user, rules("Subject | plan | Work | Plans | copy"))
        assert where(box, user) == {**HOME, **{8: ["Plans", "Work"]}}
        return
    assert moved(run, old, user, path)["moved"] == 3
    assert where(box, user) == CHAINED


MOVES, COPIES = (), ("MOVE",)


# Each command in turn, with the answers that it can be spoilt by; a command that is not sent with MOVE is spoilt without it.
@pytest.mark.parametrize("hide, on, do", [
    (MOVES, "LIST", "no"), (MOVES, "LIST", "stall"), (MOVES, "EXAMINE", "cut"), (MOVES, "EXAMINE", "bad"),
    (MOVES, "UID FETCH", "no"), (MOVES, "SELECT", "no"), (COPIES, "SELECT", "cut"), (MOVES, "CREATE", "no"),
    (MOVES, "CREATE", "swallow"), (MOVES, "UID MOVE", "no"), (MOVES, "UID MOVE", "bad"), (MOVES, "UID MOVE", "swallow"),
    (COPIES, "UID COPY", "no"), (COPIES, "UID COPY", "swallow"), (COPIES, "UID COPY", "stall"), (COPIES, "UID STORE", "no"),
    (COPIES, "UID EXPUNGE", "no"), (COPIES, "UID EXPUNGE", "cut"), (COPIES, "UID EXPUNGE", "swallow")])
def test_faults(box, user, run, rules, proxy, hide, on, do):
    """With whatever goes wrong nothing is lost, and a second run ends what the first began: nothing is doubled."""
    path = rules(CHAIN.replace("INBOX | Work\n", "INBOX | New\n"))
    broken = proxy(box, hide=list(hide), rules=[fault(do, on, times=1)])
    result = run("filter", "--json", broken.url(user), "--rules", path, "--timeout", "1", "--settle", "100ms",
                 "--retries", "1")
    assert broken.fired() and result.code in (0, 3, 4), result
    where(box, user)
    if result.code:
        broken.set_rules([])
        result = run("filter", "--json", broken.url(user), "--rules", path, "--settle", "100ms")
        assert result.code == 0, result
        where(box, user)
    assert all(len(names) == 1 for names in where(box, user).values()), where(box, user)
    if result.code == 0 and "CREATE" not in on:
        assert where(box, user)[1] == ["New"], result


def test_killed(src, run_new, rules, proxy, user, soak):
    """Killed at any step and run again: nothing is lost, nothing doubled, and nothing left over."""
    old = proxy(src, hide=["MOVE"])
    path = rules(CHAIN)
    for point in range(1, 40, 1 if soak else 3):
        run, name = run_new(), "%s.%d" % (user, point)
        load.fill(src, name, [(box, messages, True) for box, messages in BOX.items()])
        result = run("filter", "-j1", old.url(name), "--rules", path, env={"MAILHAUL_FAULT": "point:%d:kill" % point})
        if result.code == 0:
            break
        assert result.code == -9, result
        where(src, name)
        moved(run, old, name, path, "--settle", "100ms")
        stands = where(src, name)
        assert all(len(names) == 1 for names in stands.values()), (point, stands)
        # What the first run had moved, the second may move on.
        assert all(stands[number] != HOME[number] for number in (1, 7, 9)), (point, stands)
    else:
        pytest.fail("there are more points than that")
    assert point > 6


def test_remote(box, dst, user, run, rules):
    """To another server only what that has confirmed goes from here."""
    path = rules("RemoteServer: far = %s\nSubject | invoice | * | far:Bills\nSubject | plan | Work | far:* | copy\n" %
                 dst.url(user))
    result = run("filter", "-n", box.url(user), "--rules", path, check=0)
    assert "move to far:Bills" in result.out and witness.read(dst, user).count == 0, result
    total = moved(run, box, user, path)
    assert (total["moved"], total["copied"]) == (4, 1)
    assert sorted(subjects(dst, user, "Bills")) == [1, 3, 7, 9] and subjects(dst, user, "Work") == [8]
    assert sorted(subjects(box, user, "INBOX")) == [2, 4, 5, 6] and subjects(box, user, "Work") == [8]
    total = moved(run, box, user, path)
    assert (total["moved"], total["copied"], total["there"]) == (0, 0, 1)
    block = rules("[all]\nin = INBOX\nsubject = .\nat = maildir:%s\nmove-to = *\n" % (run.home / "Mail"))
    assert moved(run, box, user, block)["moved"] == 4
    assert subjects(box, user, "INBOX") == []
    same = rules("[all]\nsubject = .\nat = %s\nmove-to = X\n" % box.url(user))
    assert "is the account itself" in run("filter", box.url(user), "--rules", same, check=2).err


# Of the move to another server each command in turn, at this side and at that one; in a run of every day only some answers to those that change nothing.
NEAR = [("LIST", 2), ("EXAMINE", 2), ("UID FETCH", 3), ("UID FETCH", 4), ("SELECT", 1), ("UID STORE", 1), ("UID EXPUNGE", 1)]
FAR = [("LIST", 1), ("CREATE", 1), ("LIST", 2), ("SELECT", 1), ("APPEND", 1), ("APPEND", 2), ("LIST", 3)]
ALWAYS = {("UID EXPUNGE", 1), ("UID STORE", 1), ("APPEND", 1), ("APPEND", 2)}
# Where a server is asked otherwise, or nothing depends on it any more; and where what is left cannot be done at all.
GOES_ON, NO_WAY = {("LIST", 3, "no"), ("LIST", 3, "bad"), ("EXAMINE", 2, "bad")}, {("UID EXPUNGE", 1, "bad")}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("side", ["near", "far"])
def test_remote_faults(src, dst, user, run, rules, proxy, soak, side, how):
    """From that command on: what is here still and there too is said to be unknown, nothing is called gone or moved that is not, and the next run ends it."""
    doors = {"near": proxy(src), "far": proxy(dst, hide=["MULTIAPPEND"])}
    for number, step in enumerate(NEAR if side == "near" else FAR):
        if not soak and step not in ALWAYS and (number + list(HOW).index(how)) % 2:
            continue
        name = "%s-%d" % (user, number)
        load.fill(src, name, [("INBOX", [note(1, "invoice 7"), note(2), note(3, "invoice 8")], True), ("Work", [note(4, "plan")], True)])
        load.fill(dst, name, [("INBOX", [], True)])
        path = rules("RemoteServer: far = %s\nSubject | invoice | INBOX | far:Bills\n%s" % (
            doors["far"].url(name), "Subject | plan | Work | Plans\n" if side == "far" else ""))
        args = ("filter", "--json", doors["near"].url(name), "--rules", path, "--settle", "100ms")
        doors[side].set_rules([fault(how, step[0], nth=step[1])])
        result = run(*args, *IMPATIENT)
        assert doors[side].fired(), (step, how)
        doors[side].set_rules([])
        total, there = result.json[-1], witness.read(dst, name).mailboxes
        here, there = subjects(src, name), subjects(dst, name, "Bills") if "Bills" in there else []
        where = (step, how, here, there, result)
        assert len(here + there) == len({*here}) + len({*there}) and {1, 2, 3} == {*here, *there} and 2 not in there, where
        invoices = sum(total[key] for key in FATES) - (side == "far")
        assert invoices == 2 and total["gone"] == 0 and total["moved"] - (side == "far") <= 3 - len(here), where
        assert len({*here} & {*there}) <= total["unknown"], where
        if (*step, how) in GOES_ON:
            assert result.code == 0 and (here, there) == ([2], [1, 3]), where
            continue
        assert result.code == (6 if (*step, how) in NO_WAY else 3 if how in ("no", "bad") and step[0] != "LIST" else 4), where
        assert not total["complete"] and result.err.strip(), where
        assert side == "near" or subjects(src, name, "Plans") == [4], where
        assert run(*args).code == 0
        assert (subjects(src, name), sorted(subjects(dst, name, "Bills"))) == ([2], [1, 3]), where


def test_users(src, user, run, rules, tmp_path):
    names = [user + letter for letter in "abc"]
    for name in names[:2]:
        load.fill(src, name, [(box, messages, True) for box, messages in BOX.items()])
    people = tmp_path / "people"
    people.write_text("".join("%s:%s\n" % (name, src.password(name) if name != names[2] else "wrong")
                              for name in names))
    people.chmod(0o600)
    url = src.url("%u").replace(src.password("%u"), "").replace(":@", "@")
    path = rules("Subject | invoice | * | Money")
    report = tmp_path / "report"
    result = run("filter", url, "--users", people, "--rules", path, "--report", report, check=5)
    found = reported(report)
    totals = {row.get("user"): row for row in found if row["type"] == "total"}
    assert [totals[name]["moved"] for name in names[:2]] == [4, 4] and found[-1] == totals[None], found
    assert (found[-1]["moved"], found[-1]["users"], found[-1]["users_failed"], found[-1]["exit_code"]) == (8, 3, 1, 5), found
    assert sum(row["type"] == "message" and row["user"] == names[0] for row in found) == 4, found
    assert [row["user"] for row in found if row["type"] == "error"] == [names[2]], found
    rows = {line.split()[0]: line for line in result.out.splitlines()}
    assert "4 moved" in rows[names[0]] and "4 moved" in rows[names[1]] and "NOT complete" in rows[names[2]], result
    assert "8 moved; NOT complete" in result.out.splitlines()[-1], result
    assert where(src, names[0])[1] == ["Money"]


@pytest.mark.others
@pytest.mark.parametrize("kind", [Cyrus, Courier])
def test_others(servers, kind, user, run, rules):
    server = servers(kind)
    load.fill(server, user, [(box, messages, True) for box, messages in BOX.items() if "/" not in box])
    total = moved(run, server, user, rules("Subject | invoice | * | Money\nISEARCH | SUBJECT plan | Work | Plans | copy\n"
                                           "Flags | Seen | INBOX | INBOX"))
    assert (total["moved"], total["copied"], total["stayed"]) == (3, 1, 1)
    assert sorted(subjects(server, user, "Money")) == [1, 3, 7] and subjects(server, user, "Plans") == [8]


def test_files(tmp_path, box, user, run, rules):
    mail = "maildir:%s" % (tmp_path / "Mail")
    run("copy", box.url(user), mail, check=0)
    path = rules("Subject | invoice | * | Money\nSubject | grüße | INBOX | Old | copy")
    for moves, copies in ((4, 1), (0, 0)):
        result = run("filter", "--json", mail, "--rules", path, check=0)
        assert (result.json[-1]["moved"], result.json[-1]["copied"]) == (moves, copies), result


def watching(run, url, path, *options):
    """A run that watches, once it does."""
    process = run.start("filter", "-v", url, "--rules", path, "--watch=200ms", "--report", run.home / "report", *options)
    return process, lambda: run.finish(process)


def arrived(box, user, number):
    """In Money, which may not be there yet."""
    try:
        return number in subjects(box, user, "Money")
    except witness.Client.error:
        return False


@pytest.mark.parametrize("hide, text, options, how", [
    ([], "Subject | invoice | INBOX | Money", (), "IDLE"),
    ([], "Subject | invoice | INBOX | Money\nSubject | invoice | Work | Money", (), "NOTIFY"),
    (["NOTIFY"], "Subject | invoice | INBOX | Money\nSubject | invoice | Work | Money | copy", (), "IDLE"),
    (["IDLE"], "Subject | invoice | INBOX | Money", (), "looking"),
    (["MOVE"], "Subject | invoice | INBOX | Money", ("--connections", "1"), "looking")])
def test_watch(box, user, run, rules, proxy, hide, text, options, how):
    """What arrives is moved while the run goes on, also behind a line that broke; in the end it says so and leaves."""
    server = proxy(box, hide=hide, log=True)
    process, finish = watching(run, server.url(user), rules(text), *options)
    try:
        assert until(lambda: arrived(box, user, 3))
        load.append_many(box, user, "INBOX", [note(10, "invoice 10"), note(11, "no")])
        assert until(lambda: 10 in subjects(box, user, "Money"))
        server.hang_up()
        load.append_many(box, user, "INBOX", [note(12, "invoice 12")])
        assert until(lambda: 12 in subjects(box, user, "Money"))
        if "Work" in text:
            load.append_many(box, user, "Work", [note(13, "invoice 13")])
            assert until(lambda: 13 in subjects(box, user, "Money"))
    finally:
        process.send_signal(signal.SIGINT)
        result = finish()
    assert result.code == 130 and "the watch is over" in result.out, result
    assert "by %s" % how in result.err, result
    copies = subjects(box, user, "Money")
    assert len(copies) == len(set(copies)), result
    assert sorted(subjects(box, user, "INBOX")) == [2, 4, 5, 6, 11], result
    found = reported(run.home / "report")
    assert [row["type"] for row in found].count("total") == 1 and found[-1]["moved"] + found[-1]["copied"] == len(copies), found
    assert len([row for row in found if row["type"] == "message" and row["decision"] != "stay"]) >= len(copies), found


def test_watch_ends(box, user, run, rules, proxy):
    path = rules("Subject | invoice | INBOX | Money")
    assert "--watch" in run("filter", "-n", "--watch", box.url(user), "--rules", path, check=2).err
    nobody = "imap://%s@127.0.0.1:1?tls=none&pass-env=HOME" % user
    run("filter", "--watch", nobody, "--rules", path, "--retries", "0", check=4)
    old = proxy(box, hide=["MOVE", "UIDPLUS"])
    run("filter", "--watch", old.url(user), "--rules", path, check=6)


def test_manual_examples(box, dst, user, run, rules):
    """The rules of the manual, as they stand there, run as they stand there."""
    page = (TOP / "docs" / "manual.in").read_text()
    section = page.split(".SS Moving by rules\n")[1].split("\n.SS ")[0]
    scripts = [block.replace("\\(aq", "'").replace("\\-", "-").replace("\\e", "\\")
               for block in re.findall(r"^\.nf\n(.*?)^\.fi", section, re.M | re.S) if "mailhaul" in block]
    assert len(scripts) == 2
    config = run.home / "config" / "mailhaul" / "config"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("[account work]\nlocation = %s\n[account old]\nlocation = %s\n" % (box.url(user), dst.url(user)))
    for script in scripts:
        done = subprocess.run(["sh", "-ec", script.replace("mailhaul filter", PROGRAM + " filter")], cwd=run.home,
                              env=run.env, capture_output=True, text=True)
        assert done.returncode == 0, (script, done)
    assert sorted(subjects(box, user, "Money")) == [1, 3, 7, 9]
    assert subjects(box, user, "Lists") == [8]
    assert subjects(dst, user, "INBOX") == [4]
