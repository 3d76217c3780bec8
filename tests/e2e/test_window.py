"""Servers that show only the newest messages of a mailbox: what they do not show is unknown, not gone."""
from copying import notes, subjects, copy, fill
from lab.hostile import CAPABILITIES, Fake


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


def test_newest_only_destination(run, user, tmp_path):
    """What it hides is neither taken for deleted nor sent again; with what nobody recorded nothing can be said, but for what is newer."""
    lost = ("--state", str(tmp_path / "lost"))

    def state(target, code=0, options=(), **expected):
        report = copy(run, source.url(user), target.url(user), *options, code=code)
        assert {key: report.end[key] for key in expected} == expected, report.result
        return report

    with Fake({"INBOX": notes(1100)}) as source, \
            Fake({"INBOX": []}, greeting=b"* OK Gimap ready for requests\r\n", newest=1000) as server:
        inbox, there = source.boxes["INBOX"], server.boxes["INBOX"].messages
        state(server, copied=1100)
        for message in notes(2, 1101):
            source.store(inbox, message.body)
        state(server, copied=2, there_by_record=1100)
        # Neither a mirror nor --delete-source takes what it does not see for gone, or for safe.
        inbox.messages[0:1] = []
        inbox.messages[0].flags = {"\\Flagged"}
        result = run("mirror", source.url(user), server.url(user), "--yes", "--recopy", check=3)
        assert "only the destination has cannot be told" in result.err and len(there) == 1102
        # The state is lost: 102 of the messages are not shown.
        report = state(server, 3, lost, copied=0, there_by_digest=1000, unknown=101)
        assert [text for _, _, text in report.found_out("unknown")] == [
            "the destination shows 1000 messages, and of a mailbox no more than so many, its newest: 101 of the source's "
            "may be among the older ones, and are not copied; let it show all of them (Gmail: Settings, Folder size limits) "
            "or copy into another mailbox"]
        source.store(inbox, notes(1, 2000)[0].body, date="01-Jan-2090 12:00:00 +0000")
        state(server, 3, lost, copied=1, there_by_record=1000, unknown=101)
        assert len(there) == 1103
        # With the state all is known again, and with all shown even without.
        state(server, there_by_record=1101, there_by_digest=1, unknown=0)
        report = state(server, 3, ("--delete-source", "--yes", "--max-delete", "100%"), deleted_at_source=1000)
        assert "102 messages stay at the source" in report.result.out
        assert len(inbox.messages) == 102 and len(there) == 1103
        server.newest = None
        state(server, options=lost, there_by_record=1, there_by_digest=101, copied=0, unknown=0)
        state(server, options=("--delete-source", "--yes", "--max-delete", "100%"), deleted_at_source=102)
        assert len({message.body for message in there}) == len(there) == 1103
        assert "\\Flagged" in there[1].flags


def test_newest_only_broken_line(run, user):
    """What stood there before is hidden when the line breaks: the rest was looked for while it was shown. What comes later and is old was not."""
    with Fake({"INBOX": notes(1100)}) as source, \
            Fake({"INBOX": notes(3, 3000)}, CAPABILITIES.replace(" MULTIAPPEND", ""),
                 b"* OK Gimap ready for requests\r\n", newest=1000) as server:
        inbox, there = source.boxes["INBOX"], server.boxes["INBOX"].messages

        def cut(session):
            if len(there) == 1050 and not cuts:
                cuts.append(len(there))
                session.close()
            session.default()

        cuts = []
        server.on("^APPEND", cut)
        report = copy(run, source.url(user), server.url(user))
        assert cuts and report.copied + report.there == 1100 and len(there) == 1103
        source.store(inbox, notes(1, 2000)[0].body, date="01-Jan-2090 12:00:00 +0000")
        source.store(inbox, notes(1, 3000)[0].body)
        report = copy(run, source.url(user), server.url(user), code=3)
        assert report.copied == 1 and report.unknown == 1 and report.there == 1100 and len(there) == 1104
        server.newest = None
        report = copy(run, source.url(user), server.url(user))
        assert report.copied == 0 and report.there == 1102 and len(there) == 1104
