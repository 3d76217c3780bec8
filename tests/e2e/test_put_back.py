"""A place that was put back to an earlier state, from a backup: UIDs are given anew there, and what was recorded of them is about other messages."""
import os
import shutil
import subprocess

import pytest

from copying import copy, count, notes, subjects
from lab import load
from test_paths import MESSAGE, maildir, numbers


@pytest.mark.parametrize("scheme, others", [("mbox", 1), ("eml", 2), ("thunderbird", 3)])
def test_tree(run, tmp_path, scheme, others):
    """Two accounts are kept in a tree, and the tree somewhere else. Fewer, as many or more messages have come than were lost: none is taken for one of those."""
    for name, count in (("a", 6), ("b", others)):
        maildir(tmp_path / name, *range(count) if name == "a" else range(20, 20 + count))
    a, b, tree = "maildir:%s" % (tmp_path / "a"), "maildir:%s" % (tmp_path / "b"), "%s:%s" % (scheme, tmp_path / "tree")
    there = "maildir:%s" % (tmp_path / "there")
    copy(run, a, tree)
    shutil.copytree(tmp_path / "tree", tmp_path / "backup", symlinks=True)
    for number in (7, 8):
        (tmp_path / "a/cur" / ("1.%d:2,S" % number)).write_bytes(MESSAGE % ((number,) * 3))
    copy(run, a, tree)
    assert copy(run, tree, there).copied == 8
    shutil.rmtree(tmp_path / "tree")
    (tmp_path / "backup").rename(tmp_path / "tree")
    assert copy(run, b, tree).copied == others
    assert copy(run, tree, there).copied == others
    again = copy(run, a, tree)
    assert (again.copied, again.there, again.deleted_at_destination) == (2, 6, 0)
    assert numbers(tmp_path / "tree") == numbers(tmp_path / "there") == [*range(6), 7, 8, *range(20, 20 + others)]
    assert copy(run, a, tree).copied == copy(run, tree, there).copied == 0


def roll_back(run, src, server, user, tmp_path, place, target):
    """Six messages of the source are copied; then the server gets its files back from when there were four."""
    load.append_many(src, user, "INBOX", notes(4))
    copy(run, place, target)
    home = os.path.join(server.dir, "home", user)
    subprocess.run(["cp", "-a", home, tmp_path / "backup"], check=True)
    load.append_many(src, user, "INBOX", notes(2, first=10))
    copy(run, place, target)
    os.rename(home, tmp_path / "later")
    subprocess.run(["cp", "-a", tmp_path / "backup", home], check=True)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_server(src, dst, run, user, tmp_path, side):
    """A server that was rolled back keeps its UIDVALIDITY: --delete-source does not take new mail for what a record says of its UID; one without the record ends the work."""
    server = src if side == "source" else dst
    roll_back(run, src, server, user, tmp_path, src.url(user), dst.url(user))
    load.append_many(server, user, "INBOX", notes(2, first=20))
    options = ("--delete-source", "--yes", "--max-delete=100%")
    report = copy(run, src.url(user), dst.url(user), *options, code=3)
    assert report.deleted_at_source == 4 and "put back to an earlier state" in report.findings[0]["text"]
    assert copy(run, src.url(user), dst.url(user), *options, code=3).copied == 0   # it may be the destination that changes headers
    report = copy(run, src.url(user), dst.url(user), *options, "--state=none")
    assert (report.copied, report.deleted_at_source) == (2, 2)
    assert count(src, user) == 0
    assert sorted(subjects(dst, user)) == [1, 2, 3, 4, 10, 11, 20, 21]


@pytest.mark.parametrize("hidden, came", [((), 1), ((), 5), (("CONDSTORE", "QRESYNC"), 4)])
def test_server_without_deleting(src, dst, run, user, tmp_path, proxy, hidden, came):
    """Fewer or more messages have come than were lost: in both cases they are copied, also where the server tells what changed and is past what it told before."""
    place = src.url(user, port=proxy(src, hide=list(hidden)).port) if hidden else src.url(user)
    roll_back(run, src, src, user, tmp_path, place, dst.url(user))
    load.append_many(src, user, "INBOX", notes(came, first=20, size=300))
    report = copy(run, place, dst.url(user))
    assert (report.copied, report.there, report.there_by_record) == (came, 4, 0)
    assert "put back to an earlier state" in report.result.err
    assert copy(run, place, dst.url(user)).copied == 0


def test_destination(src, dst, run, user, tmp_path):
    """A destination that was put back, or a server that lags behind: nothing is sent again, nor called deleted, until --recopy says which it was."""
    roll_back(run, src, dst, user, tmp_path, src.url(user), dst.url(user))
    load.append_many(dst, user, "INBOX", notes(1, first=20))
    report = copy(run, src.url(user), dst.url(user), code=3)
    assert report.copied == 0 and "--recopy" in report.findings[0]["text"]
    assert copy(run, src.url(user), dst.url(user), "--recopy").copied == 2
    assert copy(run, src.url(user), dst.url(user)).copied == 0
    assert sorted(subjects(dst, user)) == [1, 2, 3, 4, 10, 11, 20]
