"""A place that was put back to an earlier state, from a backup: UIDs are given anew there, and what was recorded of them is about other messages."""
import shutil

import pytest

from copying import copy
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
