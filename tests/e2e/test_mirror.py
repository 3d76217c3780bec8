"""mirror: the destination is made equal, and nothing is deleted that should not be.

After every run that says "complete" the witness must find both sides equal, as multisets of bodies, flags and dates; after
every other one nothing of the source is missing that was there before, and what was to be kept is still there.
"""
import pytest

from copying import both, bodies, count, fill, flags_of, mirror, note, notes, subjects
from lab import corpus, load, witness

ALL = ("--max-delete", "100%")


def test_equal_and_idempotent(src, dst, run, user):
    fill(src, user, {"INBOX": notes(30), "Archive/2024": notes(20, 100), "Empty": []})
    fill(dst, user, {"INBOX": notes(10) + notes(3, 500), "Archive/2024": notes(20, 100) + notes(1, 600)})
    report = mirror(run, src.url(user), dst.url(user), *ALL)
    assert (report.copied, report.there, report.deleted_extra) == (20, 30, 4)
    assert both(src, dst, user) == []
    for _ in range(3):
        report = mirror(run, src.url(user), dst.url(user))
        assert (report.copied, report.deleted_extra, report.flags_changed) == (0, 0, 0)
    assert report.mailboxes_unchanged == 3
    assert both(src, dst, user) == []
