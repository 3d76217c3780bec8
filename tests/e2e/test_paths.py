"""A location that cannot be opened is trouble on this machine (7), a mailbox in it that cannot is one mailbox (3): for all stores of files alike, on both sides.

The tests run as root mostly, whom no mode stops: the program is run without that privilege.
"""
import os
import shutil
import subprocess

import pytest

from conftest import PROGRAM

STORES = ("maildir", "mbox", "eml", "thunderbird")
MESSAGE = b"From: a@a.example\nSubject: %d\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nMessage-ID: <%d@a.example>\n\ntext %d\n"
FROM = b"From a@a.example Mon Jan  1 10:00:00 2024\n"


def bound(run, *args):
    """As run(), but modes of files hold."""
    argv = [PROGRAM, *map(str, args)]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("there is no setpriv")
        argv = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *argv]
    return run.finish(subprocess.Popen(argv, env=run.env, cwd=str(run.home), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE))


def maildir(path, *numbers):
    for sub in ("cur", "new", "tmp"):
        (path / sub).mkdir(parents=True)
    for number in numbers:
        (path / "cur" / ("1.%d:2,S" % number)).write_bytes(MESSAGE % ((number,) * 3))


def tree(scheme, path):
    """Two mailboxes, A and B; what to close so that nothing of B can be read."""
    if scheme == "maildir":
        maildir(path)
        maildir(path / ".A", 1)
        maildir(path / ".B", 2)
        return path / ".B"
    if scheme == "eml":
        for number, name in enumerate("AB"):
            (path / name).mkdir(parents=True)
            (path / name / "1.eml").write_bytes(MESSAGE % ((number,) * 3))
        return path / "B"
    path.mkdir()
    ext = ".mbox" if scheme == "mbox" else ""
    for number, name in enumerate("AB"):
        (path / (name + ext)).write_bytes(FROM + MESSAGE % ((number,) * 3) + b"\n")
    return path / ("B" + ext)


def numbers(top):
    """The messages below a directory, by their Message-IDs, in whatever files they are."""
    found = []
    for path in top.rglob("*"):
        if path.is_file() and "mailhaul" not in path.name:
            found += [int(line[13:].split(b"@")[0]) for line in path.read_bytes().splitlines() if line.startswith(b"Message-ID: <")]
    return sorted(found)


@pytest.fixture
def good(tmp_path):
    maildir(tmp_path / "good", 1, 2)
    return "maildir:%s" % (tmp_path / "good")


def lost(tmp_path, what):
    """A path where nothing can be opened."""
    (tmp_path / "file").write_bytes(b"text\n")
    (tmp_path / "closed/x").mkdir(parents=True)
    os.chmod(tmp_path / "closed", 0)
    return {"nowhere": tmp_path / "nowhere/x", "below": tmp_path / "file/x", "file": tmp_path / "file",
            "closed": tmp_path / "closed", "in": tmp_path / "closed/x"}[what]


@pytest.mark.parametrize("scheme", STORES)
@pytest.mark.parametrize("what", ["nowhere", "below", "file", "closed", "in"])
def test_location(run, good, tmp_path, scheme, what):
    if (scheme, what) == ("mbox", "file"):
        pytest.skip("a file may be an mbox: its mailbox is told to be none")
    path = lost(tmp_path, what)
    place = "%s:%s" % (scheme, path)
    for words in (("list", place), ("size", place), ("copy", place, "eml:%s" % (tmp_path / "out")), ("copy", good, place)):
        if words[1] == good and what == "nowhere":
            continue
        result = bound(run, *words)
        assert result.code == 7 and str(path) in result.err, result
        assert "complete:" not in result.out, result
    assert not (tmp_path / "out").exists() and (tmp_path / "file").read_bytes() == b"text\n"
    os.chmod(tmp_path / "closed", 0o700)


def test_single_file(run, good, tmp_path):
    """An mbox that is not there, or not to be read, is no empty one."""
    place = "mbox:%s" % (tmp_path / "a.mbox")
    for words in (("list", place), ("copy", place, "eml:%s" % (tmp_path / "out"))):
        assert bound(run, *words).code == 7
    (tmp_path / "a.mbox").write_bytes(FROM + MESSAGE % (1, 1, 1) + b"\n")
    os.chmod(tmp_path / "a.mbox", 0)
    for words in (("list", place), ("copy", place, "eml:%s" % (tmp_path / "out")), ("copy", good, place)):
        assert bound(run, *words).code == 7
    os.chmod(tmp_path / "a.mbox", 0o600)
    (tmp_path / "a.mbox").write_bytes(b"no mail\n")
    result = run("copy", place, "eml:%s" % (tmp_path / "out"))
    assert result.code == 3 and "no mbox file" in result.err, result


@pytest.mark.parametrize("scheme", STORES)
def test_one_mailbox_of_the_source(run, tmp_path, scheme):
    """The other one is copied, the run is not complete, and nothing is deleted for the sake of what is missing."""
    closed = tree(scheme, tmp_path / "in")
    place, target = "%s:%s" % (scheme, tmp_path / "in"), "eml:%s" % (tmp_path / "out")
    assert run("copy", place, target).code == 0
    assert sorted(path.parent.name for path in (tmp_path / "out").glob("*/*.eml")) == ["A", "B"]
    os.chmod(closed, 0)
    for words in (("copy", place, "eml:%s" % (tmp_path / "fresh")), ("mirror", "--yes", "--delete-mailboxes", "--max-delete=100%", place, target)):
        result = bound(run, *words)
        assert result.code == 3, result
    assert [path.parent.name for path in (tmp_path / "fresh").glob("*/*.eml")] == ["A"]
    assert sorted(path.parent.name for path in (tmp_path / "out").glob("*/*.eml")) == ["A", "B"]
    os.chmod(closed, 0o700)


@pytest.mark.parametrize("scheme", STORES)
def test_one_mailbox_of_the_destination(run, tmp_path, scheme):
    tree("eml", tmp_path / "in")
    closed = tree(scheme, tmp_path / "out")
    shutil.rmtree(closed) if closed.is_dir() else closed.unlink()
    place, target = "eml:%s" % (tmp_path / "in"), "%s:%s" % (scheme, tmp_path / "out")
    assert run("copy", place, target).code == 0
    for name in "AB":
        (tmp_path / "in" / name / "9.eml").write_bytes(MESSAGE % (9, 9, 9))
    inner = [closed / sub for sub in ("cur", "new", "tmp")] if scheme == "maildir" else []
    for path in [closed, *inner]:
        os.chmod(path, 0o500 if path.is_dir() else 0o400)
    result = bound(run, "copy", place, target, "--json")
    assert result.code == 3, result
    copied = {line["source"]: line["copied"] for line in result.json if line["type"] == "mailbox"}
    assert copied == {"A": 1, "B": 0}, result
    for path in [closed, *inner]:
        os.chmod(path, 0o700)
    assert run("copy", place, target).code == 0


@pytest.mark.parametrize("scheme", STORES)
def test_destination_that_takes_nothing(run, good, tmp_path, scheme):
    (tmp_path / "out").mkdir()
    os.chmod(tmp_path / "out", 0o500)
    result = bound(run, "copy", good, "%s:%s" % (scheme, tmp_path / "out"))
    assert result.code == 3 and "Permission denied" in result.err, result
    result = bound(run, "copy", good, "%s:%s" % (scheme, tmp_path / "out/deep/er"))
    assert result.code == 7 and "Permission denied" in result.err, result
    os.chmod(tmp_path / "out", 0o700)


@pytest.mark.parametrize("scheme", STORES)
def test_one_place_in_the_other(run, tmp_path, scheme):
    """The destination in the source is no part of it: else each run would copy it into itself. Where mail is deleted, neither may lie in the other."""
    tree(scheme, tmp_path / "out")
    outer, inner = "%s:%s" % (scheme, tmp_path / "out"), "%s:%s/.C" % (scheme, tmp_path / "out")
    inner = inner if scheme == "maildir" else inner.replace(".C", "C")
    for _ in range(2):
        assert run("copy", outer, inner).code == 0
        before = numbers(tmp_path / "out")
        assert before == ([1, 1, 2, 2] if scheme == "maildir" else [0, 0, 1, 1])
    for words in ((outer, inner), (inner, outer)):
        result = run("mirror", "--yes", "--delete-mailboxes", "--max-delete=100%", *words)
        assert result.code == 2 and "lies in the" in result.err, result
    assert numbers(tmp_path / "out") == before


def test_sizes_of_others(run, tmp_path):
    """Files of others tell no exact sizes: what was recorded when they were read is no proof that this is another mailbox."""
    maildir(tmp_path / "in", *range(5))
    place, target = "maildir:%s" % (tmp_path / "in"), "mbox:%s" % (tmp_path / "out")
    assert run("copy", place, target).code == 0
    shutil.rmtree(run.state)
    assert "(0 by record, 5 by digest" in run("copy", place, target).out
    result = run("copy", place, target)
    assert "(5 by record" in result.out and result.err == "", result


def test_mail_of_another_layout(run, tmp_path):
    """Accounts beside each other that are Maildir++ each, directories in a Maildir++, and KMail's folders: what is left out is said, and nothing is complete."""
    for account, number in (("home", 1), ("work", 2)):
        maildir(tmp_path / "Mail" / account, number)
        maildir(tmp_path / "Mail" / account / ".Sent", number + 10)
    maildir(tmp_path / "both", 1)
    maildir(tmp_path / "both/.Sent", 2)
    maildir(tmp_path / "both/Archive/2020", 3)
    maildir(tmp_path / "kmail/inbox", 1)
    maildir(tmp_path / "kmail/.inbox.directory/sub", 2)
    (tmp_path / "old/.inbox.directory").mkdir(parents=True)
    (tmp_path / "old/inbox").write_bytes(FROM + MESSAGE % (1, 1, 1) + b"\n")
    for place, there in (("maildir:Mail", [1, 2]), ("maildir:both", [1, 2]), ("maildir:kmail", [1]), ("mbox:old", [1])):
        scheme, name = place.split(":")
        result = run("copy", "%s:%s" % (scheme, tmp_path / name), "eml:%s" % (tmp_path / "out" / name))
        assert result.code == 3 and "left out" in result.err, result
        assert numbers(tmp_path / "out" / name) == there
    assert run("copy", "maildir:%s?layout=maildir++" % (tmp_path / "both"), "eml:%s" % (tmp_path / "out/both")).code == 0
    # As a destination all of them are as good as ever; a folder may stand where another layout has its list of subscriptions.
    maildir(tmp_path / "Mail/subscriptions", 5)
    for place, code in (("maildir:%s" % (tmp_path / "Mail"), 1), ("mbox:%s" % (tmp_path / "old"), 0)):
        assert run("copy", "eml:%s" % (tmp_path / "out/both"), place).code == code
