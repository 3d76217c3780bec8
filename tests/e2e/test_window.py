"""Servers that show only the newest messages of a mailbox: what they do not show is unknown, not gone."""
from copying import notes, subjects, copy, fill
from lab.hostile import Fake


def test_newest_only(dst, run, user):
    """As Gmail with a limit of 1,000: the older ones at the destination stay, and nothing is complete."""
    fill(dst, user, {"INBOX": notes(1005)})
    with Fake({"INBOX": notes(1000, 6)}, greeting=b"* OK Gimap ready for requests\r\n") as server:
        report = copy(run, server.url(user), dst.url(user), code=3)
        assert report.verdict == "incomplete" and report.unknown == 1 and report.copied == 0
        result = run("mirror", server.url(user), dst.url(user), "--yes", check=3)
        assert "whether it holds older ones is not known" in result.err and len(subjects(dst, user)) == 1005
        result = run("compare", server.url(user), dst.url(user), "--both", check=3)
        assert "nothing is missing" not in result.out
        server.boxes["INBOX"].messages.pop()
        run("mirror", server.url(user), dst.url(user), "--yes", check=0)
        assert subjects(dst, user) == list(range(6, 1005))
