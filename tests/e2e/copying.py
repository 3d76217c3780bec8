"""What the tests of `copy` share: running it with its report checked, and short words for small accounts.

Every run goes through copy(): whatever a test is about, the JSON lines parse, the mailboxes add up to the end, every
message found is accounted for, and exit code and verdict agree.
"""
from lab import load, witness
from lab.corpus import Message

VERSION = 1
# What becomes of a message that was found: exactly one of these.
FATES = ("copied", "there_by_record", "there_by_digest", "there_by_content", "deleted_at_destination", "vanished",
         "refused", "failed", "unknown")
# Other counts that are sums over mailboxes.
SUMS = FATES + ("found", "copied_bytes", "flags_changed", "flags_lost", "deleted_at_source", "deleted_extra", "altered")
COMPLETE = {0: "complete", 1: "complete"}


class Report:
    """The JSON lines of one run, checked."""

    def __init__(self, result, dry_run=False):
        self.result = result
        self.lines = result.json
        assert self.lines, result
        assert len(self.lines) == len(result.out.splitlines()), result
        assert all(line["version"] == VERSION for line in self.lines), result
        assert self.lines[0]["type"] == "begin" and self.lines[0]["dry_run"] is dry_run, result
        self.end = self.lines[-1]
        assert self.end["type"] == "end", result
        self.mailboxes = {line["source"]: line for line in self.lines if line["type"] == "mailbox"}
        self.findings = [line for line in self.lines if line["type"] == "finding"]
        self._adds_up(dry_run)

    def _adds_up(self, dry_run):
        end, result = self.end, self.result
        assert end["exit_code"] == result.code, result
        assert end["mailboxes"] == len(self.mailboxes), result
        for key in SUMS:
            assert end[key] == sum(line[key] for line in self.mailboxes.values()), (key, result)
        for key in end["skipped"]:
            assert end["skipped"][key] == sum(line["skipped"][key] for line in self.mailboxes.values()), (key, result)
        for line in self.mailboxes.values():
            if line["state"] in ("done", "unchanged", "unknown"):
                accounted = sum(line[key] for key in FATES) + sum(line["skipped"].values())
                assert accounted == line["found"], (line, result)
        complete = result.code in COMPLETE
        assert end["verdict"] == ("dry-run" if dry_run and complete else "complete" if complete else end["verdict"]), result
        if end["verdict"] == "complete":
            assert complete and not (end["refused"] or end["failed"] or end["unknown"]), result

    def __getattr__(self, name):
        return self.end[name]

    @property
    def there(self):
        return self.end["there_by_record"] + self.end["there_by_digest"] + self.end["there_by_content"]

    @property
    def skipped(self):
        return {key: count for key, count in self.end["skipped"].items() if count}

    def found_out(self, kind):
        """The findings of one kind, as (mailbox, uid, text)."""
        return [(f["mailbox"], f["uid"], f["text"]) for f in self.findings if f["finding"] == kind]


def copy(run, source, target, *options, code=0, **kwargs):
    """Runs `copy --json` between two locations and returns its checked report."""
    result = run("copy", source, target, "--json", "--progress=never", *options, **kwargs)
    assert result.code == code, result
    return Report(result, "--dry-run" in options or "-n" in options)


def mirror(run, source, target, *options, code=0, **kwargs):
    """The same with `mirror --yes`."""
    result = run("mirror", source, target, "--json", "--progress=never", "--yes", *options, **kwargs)
    assert result.code == code, result
    return Report(result, "--dry-run" in options or "-n" in options)


def both(src, dst, user, **options):
    """The differences between a user's two accounts."""
    return witness.diff(witness.read(src, user), witness.read(dst, user), **options)


def note(number, subject=None, flags=(), date="01-Jan-2024 12:00:00 +0000", size=0, sent=None, extra=b"", body=None):
    """A small message with a Message-ID."""
    text = b"note %d\r\n" % number if body is None else body
    head = (b"From: a@example.org\r\nSubject: %s\r\nMessage-ID: <note.%d@example.org>\r\nDate: %s\r\n" % (
        (subject or "note %d" % number).encode(), number, (sent or "Mon, 01 Jan 2024 12:00:00 +0000").encode()))
    data = bytearray(head + extra + b"\r\n" + text)     # bytes would be copied whole with each line
    while len(data) < size:
        data += (b"x" * 70)[:max(size - len(data) - 2, 1)] + b"\r\n"
    return Message(bytes(data), tuple(flags), date)


def notes(count, first=1, **options):
    return [note(first + i, **options) for i in range(count)]


def fill(server, user, mailboxes, subscribed=True):
    """{name: [Message]} into an account."""
    return load.fill(server, user, [(name, messages, subscribed) for name, messages in mailboxes.items()])


def bodies(server, user, mailbox="INBOX"):
    """The messages of a mailbox as (sha, flags), in their order."""
    return [(m.sha, m.flags) for m in witness.read(server, user, mailboxes={mailbox}).mailboxes.get(mailbox, [])]


def count(server, user, mailbox="INBOX"):
    return len(witness.read(server, user, mailboxes={mailbox}).mailboxes.get(mailbox, []))


def subjects(server, user, mailbox="INBOX"):
    """The first words by which the messages of a mailbox are known: their note numbers, in order."""
    client = witness.Client(server, user)
    try:
        client.examine(client.raw(mailbox))
        found = []
        for _, items in client.ask("UID FETCH", b"1:*", b"(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])").get("FETCH", []):
            text = next(value for key, value in _pairs(items) if key.startswith(b"BODY"))
            found.append((int(dict(_pairs(items))[b"UID"]), _number(text)))
        return [number for _, number in sorted(found)]
    finally:
        client.logout()


def _pairs(items):
    return [(items[i].upper(), items[i + 1]) for i in range(0, len(items) - 1, 2)]


def _number(text):
    text = text.decode("latin-1")
    return int(text.split("<note.")[1].split("@")[0]) if "<note." in text else None


def flags_of(server, user, mailbox="INBOX"):
    """{note number: set of flags}"""
    client = witness.Client(server, user)
    try:
        client.examine(client.raw(mailbox))
        found = {}
        answer = client.ask("UID FETCH", b"1:*", b"(UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])").get("FETCH", [])
        for _, items in answer:
            pairs = dict(_pairs(items))
            text = next(value for key, value in pairs.items() if key.startswith(b"BODY["))
            found[_number(text)] = {f.decode() for f in pairs[b"FLAGS"]} - {"\\Recent"}
        return found
    finally:
        client.logout()
