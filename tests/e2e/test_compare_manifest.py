"""Manifests of `compare`: what an account held at one moment, signed on request, compared later instead of the account."""
import hashlib
import json
import subprocess

from copying import fill, note, notes
from lab import load
from lab.server import PASSWORD
from test_compare import NOWHERE, Compared, change, compare, pair  # noqa: F401
from test_users import users_file, where


def read(path):
    """The lines of a manifest, whose digest is that of all others."""
    octets = path.read_bytes()
    lines = [json.loads(line) for line in octets.splitlines()]
    last = octets[:-1].rindex(b"\n") + 1
    assert lines[-1]["type"] == "digest" and lines[-1]["sha256"] == hashlib.sha256(octets[:last]).hexdigest()
    return lines


def seal(path, text):
    """Anybody can make a manifest; only who has the key can sign it."""
    body = text[:text[:-1].rindex("\n") + 1]
    seal = {"type": "digest", "sha256": hashlib.sha256(body.encode()).hexdigest(), "signature": None}
    path.write_text(body + json.dumps(seal) + "\n")


def keys(home, name):
    key, public = home / (name + ".pem"), home / (name + ".pub")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True)
    subprocess.run(["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(public)], check=True)
    key.chmod(0o600)
    return key, public


def test_of_each_side(pair, run, src, dst, user):  # noqa: F811
    first, other = run.home / "first.jsonl", run.home / "other.jsonl"
    load.append_many(dst, user, "Only there", notes(2, 60), create=True)
    done = run("compare", *pair, "--manifest", first, "--manifest", other, "--check", "all", "--json", check=0)
    told = {line["file"]: line for line in done.json if line["type"] == "manifest"}
    assert told[str(first)]["messages"] == 12 and told[str(other)]["messages"] == 14
    assert all(line["complete"] and line["written"] and not line["signed"] for line in told.values())
    assert (first.stat().st_mode & 0o777) == 0o600
    lines = read(first)
    assert lines[0]["type"] == "manifest" and lines[0]["version"] == 1 and lines[0]["content"] is True
    assert lines[0]["all_mailboxes"] is lines[0]["all_messages"] is True
    rows = [line for line in lines if line["type"] == "message" and line["mailbox"] == "INBOX"]
    assert [row["uid"] for row in rows] == list(range(1, 8)) and rows[3]["message_id"] == "<note.4@example.org>"
    assert rows[3]["internaldate"].startswith("2024-01-01T") and len(rows[3]["header"]) == len(rows[3]["content"]) == 32
    # Later: with each other, and with what the accounts are now.
    a, b = "manifest:%s" % first, "manifest:%s" % other
    assert compare(run, a, b, "--check", "all").total["equal"] == 12
    assert compare(run, a, b, "--both", code=1).total["mailboxes_extra"] == 1
    load.append_many(src, user, "INBOX", [note(99)])
    for what, option, found in (("flag", "flags", ("differs", "INBOX", 4, 4, "flags")), ("missing", "size", ("missing", "INBOX", 4, None))):
        change(dst, user, what)
        assert found in compare(run, a, pair[1], "--check", option, code=1).found()
    done = compare(run, pair[0], b, "--show-ids", code=1)
    assert [one["message_id"] for one in done.differences] == ["<note.99@example.org>"]
    done = compare(run, a, pair[0], "--both", "--show-ids", code=1)
    assert done.counts() == {"extra": 1}
    assert compare(run, a, pair[1], "--count-only", code=1).total["missing"] == 1
    # What is there already stays, unless it is said.
    before = first.read_bytes()
    assert "already" in run("compare", pair[0], "--manifest", first, check=6).err and first.read_bytes() == before
    assert "13 messages in 3 mailboxes" in run("compare", pair[0], "--manifest", first, "--yes", check=0).out
    assert compare(run, a, b, code=1).total["missing"] == 1
    assert sorted(path.name for path in run.home.iterdir() if "jsonl" in path.name) == ["first.jsonl", "other.jsonl"]


def test_usage(pair, run):  # noqa: F811
    path = run.home / "m"
    for arguments in ((pair[0],), (*pair, "--sign", path), (pair[0], "--manifest", path, "--manifest", "x"),
                      (*pair, "--manifest", path, "--manifest", path), (*pair, "--manifest", path, "--count-only"),
                      (*pair, "--manifest", path, "--match", "message-id"), (*pair, "--verify-key", path),
                      (pair[0], "--manifest", run.home), (pair[0], "--manifest", path, "--sign", "/nowhere"),
                      (*pair, "--manifest", path, "--users", "/dev/null")):
        result = run("compare", *arguments)
        assert result.code in (2, 7) and not path.exists(), result
    run("compare", pair[0], "--manifest", path, check=0)
    place = "manifest:%s" % path
    assert "without --check content" in run("compare", place, pair[1], "--check", "content", check=2).err
    assert "no headers but" in run("compare", pair[0], place, "--match", "message-id", check=2).err
    for command in (("copy", place, pair[1]), ("copy", pair[0], place), ("search", place, "subject=x"), ("list", place)):
        assert "only be compared" in run(*command, check=2).err
    path.unlink()
    run("compare", *pair, "-n", "--manifest", path, check=0)
    assert not path.exists()
    run("compare", NOWHERE, "--manifest", path, check=4)
    assert not path.exists()


def test_signed(pair, run, user):  # noqa: F811
    path = run.home / "signed"
    key, public = keys(run.home, "mine")
    other_key, other_public = keys(run.home, "other")
    assert ", signed" in run("compare", *pair, "--manifest", path, "--sign", key, check=0).out
    place = "manifest:%s" % path
    compare(run, place, pair[1], "--verify-key", public)
    assert "signature" in run("compare", place, pair[1], "--verify-key", other_public, check=6).err
    text = path.read_text().replace('"size":', '"size":1', 1)
    path.write_text(text)
    assert "damaged or changed" in run("compare", place, pair[1], check=7).err
    seal(path, text)
    run("compare", place, pair[1], check=1)
    assert "not signed" in run("compare", pair[0], place, "--verify-key", public, check=6).err
    key.chmod(0o644)
    assert "chmod 600" in run("compare", pair[0], "--manifest", run.home / "m", "--sign", key, check=2).err
    run("compare", pair[0], "--manifest", run.home / "m", "--sign", public, check=2)


def test_damaged(pair, run):  # noqa: F811
    """Never "nothing is missing": a file that is not whole is refused, whichever side it stands for."""
    path, place = run.home / "m", "manifest:%s/m" % run.home
    run("compare", pair[0], "--manifest", path, check=0)
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    samples = ["", whole[:-1], whole + "\n", whole + lines[-1], "".join(lines[:-1]), "".join(lines[:4]), whole[:700],
               "".join(lines[:3] + lines[4:]), whole.replace("INBOX", "INBOY"), "[" * 100000, lines[0] + "{" + " " * 300000,
               "\0" * 5000, whole.replace('"uid":2', '"uid":99999999999999999999')]
    for text in samples:
        path.write_text(text)
        result = run("compare", place, pair[1], check=7)
        assert place[9:] in result.err and "nothing is missing" not in result.out, text[:80]
    path.write_text(samples[5])
    result = run("compare", pair[0], place, "--json", check=7)
    assert Compared(result).total["state"] == "unknown"
    path.write_text(whole)
    compare(run, place, pair[1], "--both")


def test_what_was_unknown_stays_so(pair, run, src, dst, user, proxy):  # noqa: F811
    path, place = run.home / "m", "manifest:%s/m" % run.home
    refusing = [{"on": command, "match": "Work", "do": "reply", "text": "NO broken", "times": -1} for command in ("EXAMINE", "SELECT")]
    result = run("compare", proxy(src, rules=refusing).url(user), "--manifest", path, check=3)
    assert "NOT COMPLETE" in result.out
    assert [line["complete"] for line in read(path) if line["type"] in ("mailbox", "total")].count(False) == 2
    for locations in ((place, pair[1]), (pair[1], place)):
        done = compare(run, *locations, "--both", code=3)
        assert done.boxes["Work/Done"]["state"] == "unknown" and done.counts() == {}
        assert done.boxes["INBOX"]["state"] == "equal"
    # A part says nothing of the rest: of mailboxes, and of messages.
    run("compare", pair[0], "-m", "INBOX", "--manifest", path, "--yes", check=0)
    compare(run, place, pair[1])
    assert compare(run, pair[0], place, code=3).boxes["Work/Done"]["state"] == "unknown"
    compare(run, pair[0], place, "-m", "INBOX")
    run("compare", pair[0], "--uid", "1:2", "--manifest", path, "--yes", check=0)
    assert compare(run, place, pair[1], "--both").total["equal"] == 4
    assert compare(run, pair[0], place, code=3).counts() == {"unknown": 8}


def test_users(src, dst, user, run):
    names = [user + letter for letter in "ab"]
    for name in names:
        fill(src, name, {"INBOX": notes(3)})
        fill(dst, name, {"INBOX": notes(3)})
    path = users_file(run, *["%s:%s:%s:%s" % (name, PASSWORD, name, PASSWORD) for name in names])
    run("compare", where(src), "--users", path, "--manifest", run.home / "%u.m", check=0)
    for name in names:
        assert read(run.home / (name + ".m"))[0]["location"].count(name) == 1
        compare(run, "manifest:%s" % (run.home / (name + ".m")), dst.url(name))
