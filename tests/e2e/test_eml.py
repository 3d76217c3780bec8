"""eml: one file a message: round trips over IMAP are exact to the octet, imapdump's trees are read, hostile trees harm nobody, nothing is doubled."""
import email
import os
import shutil

import pytest

from copying import bodies, copy, fill, mirror, note, notes
from lab import corpus, load, witness


def account():
    return {"INBOX": corpus.odd(), "Work/Küche.2024": notes(5, flags=("\\Seen", "$Work")), "Empty": [],
            "Work": [note(1, flags=("\\Answered", "\\Flagged", "\\Draft", "\\Deleted"))], "Work/CON": notes(1), "L" * 120 + "/é": notes(1)}


def same(src, dst, user, **options):
    return [str(d) for d in witness.diff(witness.read(src, user), witness.read(dst, user), **options)]


def files(top):
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file() and not path.name.startswith("."))


def contents(top):
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


@pytest.mark.parametrize("query", ["", "?name-by=number&ext=msg", "?name-by=subject"])
def test_round_trip(src, dst, user, run, run_new, tmp_path, query):
    fill(src, user, account())
    place = "eml:%s%s" % (tmp_path / "mail", query)
    first = copy(run, src.url(user), place)
    assert first.copied == first.found
    before = contents(tmp_path / "mail")
    again = copy(run, src.url(user), place)
    assert again.copied == 0 and again.there == first.found
    assert copy(run_new(), src.url(user), place).copied == 0  # another machine recognises them
    assert contents(tmp_path / "mail") == before
    assert copy(run_new(), place, dst.url(user)).copied == first.found
    assert contents(tmp_path / "mail") == before
    assert same(src, dst, user) == []


def test_names(src, user, run, run_new, tmp_path, dst):
    """Levels that no directory should be called like are escaped, and come back."""
    boxes = {"INBOX": notes(1), "CON/nul.txt/com1": notes(1), "a%2Eb": notes(1), "x" * 230: notes(1), "ends ": notes(1), "%43ON": notes(1)}
    fill(src, user, boxes)
    copy(run, src.url(user), "eml:%s" % (tmp_path / "mail"))
    assert (tmp_path / "mail/INBOX/1.eml").exists() and (tmp_path / "mail/%43ON/%6Eul.txt/%63om1/1.eml").exists()
    assert all(len(part) <= 200 for name in files(tmp_path / "mail") for part in name.split("/"))
    copy(run_new(), "eml:%s" % (tmp_path / "mail"), dst.url(user))
    assert same(src, dst, user) == []


def test_hostile_names(dst, user, run, tmp_path):
    """From one tree into another: what only files can be called."""
    top = tmp_path / "a"
    for name in ("..x", "A&-B", "tab\there", "-rf", "Entw\u00fcrfe"):
        (top / name).mkdir(parents=True)
        (top / name / "1.eml").write_bytes(b"Subject: " + name.encode() + b"\n\nx\n")
    (top / ".hidden").mkdir()
    (top / ".hidden/1.eml").write_bytes(b"Subject: no\n\nx\n")
    os.symlink("/etc", top / "link")
    report = copy(run, "eml:%s" % top, "eml:%s" % (tmp_path / "b"), code=3)
    assert report.copied == 4 and "1 mailboxes of the source were left out" in report.findings[0]["text"]
    report = copy(run, "eml:%s" % (tmp_path / "b"), "eml:%s" % (tmp_path / "c"))
    assert report.copied == 4 and files(tmp_path / "b") == files(tmp_path / "c")


def test_new_deleted_and_edited(src, dst, user, run, tmp_path):
    """What a user does to the files: one removed is gone, one put there is new, one edited is said to be, and none is lost or doubled."""
    fill(src, user, {"INBOX": notes(4)})
    top = tmp_path / "mail/INBOX"
    copy(run, src.url(user), "eml:%s" % (tmp_path / "mail"))
    (top / "2.eml").unlink()
    (top / "letter.eml").write_bytes(b"Subject: put there\n\nby hand\n")
    (top / "3.eml").write_bytes(b"Subject: edited\r\n\r\nx\r\n")
    report = copy(run, "eml:%s" % (tmp_path / "mail"), dst.url(user), code=3)
    assert (report.found, report.copied, report.unknown) == (4, 3, 1), report.result
    assert "3.eml is left out: it was changed: 22 octets" in report.result.err
    bodies = sorted(m.size for m in witness.read(dst, user).mailboxes["INBOX"])
    assert len(b"Subject: put there\r\n\r\nby hand\r\n") in bodies
    again = copy(run, src.url(user), "eml:%s" % (tmp_path / "mail"), code=3)
    assert (again.copied, again.there, again.unknown) == (0, 2, 2), again.result
    (top / "3.eml").unlink()
    again = copy(run, src.url(user), "eml:%s" % (tmp_path / "mail"))
    assert again.copied == 0 and again.deleted_at_destination == 2


def test_flags_follow(src, user, run, tmp_path, dst):
    fill(src, user, {"INBOX": notes(3)})
    place = "eml:%s" % (tmp_path / "mail")
    copy(run, src.url(user), place)
    load.store(src, user, "INBOX", "2", "+", ["\\Flagged", "$k"])
    report = copy(run, src.url(user), place)
    assert report.copied == 0
    copy(run, place, dst.url(user))
    assert same(src, dst, user) == []


def dump(top, line_end=b"\n"):
    """As imapdump writes it: N[.ext][,FLAGS], raw mailbox names, -Y sets the time."""
    inbox, umlaut = top / "INBOX", top / "Entw&APw-rfe" / "alt"
    inbox.mkdir(parents=True)
    umlaut.mkdir(parents=True)
    for place, name, when in ((inbox, "1,S", 1e9), (inbox, "2,SFA$Work$", 1.1e9), (inbox, "3", 1.2e9), (inbox, "10,d", 1.3e9),
                              (umlaut, "1", 1.4e9)):
        (place / name).write_bytes(line_end.join([b"Subject: " + name.encode(), b"", b"body", b""]))
        os.utime(place / name, (when, when))
    os.symlink("/etc/passwd", inbox / "4")
    os.mkfifo(inbox / "5")
    (inbox / "1.header").write_bytes(b"Subject: x\n")


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_imapdump(dst, user, run, tmp_path, line_end):
    dump(tmp_path / "mail", line_end)
    before = sorted((str(p), p.lstat().st_mtime) for p in (tmp_path / "mail").rglob("*"))
    assert "GB" not in run("list", "--stats", "eml:%s" % (tmp_path / "mail")).out
    report = copy(run, "eml:%s" % (tmp_path / "mail"), dst.url(user), "--max-size=1M", code=3)
    assert (report.copied, report.unknown, report.found) == (5, 2, 7)
    assert sorted((str(p), p.lstat().st_mtime) for p in (tmp_path / "mail").rglob("*")) == before
    there = witness.read(dst, user)
    assert {(m.flags, m.date) for m in there.mailboxes["INBOX"]} == {
        (frozenset(["\\seen"]), 10**9), (frozenset(["\\seen", "\\flagged", "\\answered", "Work"]), 11 * 10**8),
        (frozenset(), 12 * 10**8), (frozenset(["\\draft"]), 13 * 10**8)}
    assert [m.size for m in there.mailboxes["Entwürfe/alt"]] == [len(b"Subject: 1\r\n\r\nbody\r\n")]
    (tmp_path / "mail/INBOX/3").rename(tmp_path / "mail/INBOX/3,S")  # -w: its flags changed
    (tmp_path / "mail/INBOX/11").write_bytes(b"Subject: new\n\nx\n")
    assert copy(run, "eml:%s" % (tmp_path / "mail"), dst.url(user), code=3).copied == 1
    assert len(witness.read(dst, user).mailboxes["INBOX"]) == 5


def test_ext_limits(dst, user, run, tmp_path):
    top = tmp_path / "mail/A"
    top.mkdir(parents=True)
    for name in ("1.eml", "2.eml,S", "README.txt", ".hidden.eml"):
        (top / name).write_bytes(b"Subject: x\n\n" + name.encode())
    assert copy(run, "eml:%s?ext=eml" % (tmp_path / "mail"), dst.url(user)).copied == 2


def test_replaced(src, user, run, tmp_path):
    """A file that the manifest knows became something else: not there by record, and not gone either."""
    fill(src, user, {"INBOX": notes(3)})
    place, file = "eml:%s" % (tmp_path / "mail"), tmp_path / "mail" / "INBOX" / "2.eml"
    assert copy(run, src.url(user), place).copied == 3
    whole = file.read_bytes()
    for make in (lambda: file.symlink_to("1.eml"), lambda: file.write_bytes(whole + b"more")):
        file.unlink()
        make()
        report = copy(run, src.url(user), place, code=3)
        assert (report.copied, report.there, report.unknown) == (0, 2, 1), report.result
        assert run("compare", src.url(user), place).code == 3
        report = mirror(run, src.url(user), place, "--max-delete", "100%", code=3)
        assert (report.copied, report.deleted_extra, report.unknown) == (0, 0, 1), report.result
    file.write_bytes(whole)
    assert copy(run, src.url(user), place).there == 3


def test_into_a_foreign_tree(src, user, run, tmp_path):
    """What is there already gets its line in the manifest, and its file stays."""
    fill(src, user, {"INBOX": notes(2)})
    dump(tmp_path / "mail")
    report = copy(run, src.url(user), "eml:%s" % (tmp_path / "mail"))
    assert report.copied == 2
    report = copy(run, src.url(user), "eml:%s" % (tmp_path / "mail"))
    assert report.copied == 0
    assert (tmp_path / "mail/INBOX/1,S").exists()


@pytest.mark.parametrize("change", [lambda text: text.replace(b"1.eml", b"../x"), lambda text: text[:60] + b"X" + text[61:],
                                    lambda text: b"", lambda text: text + b"1\t-\n!0000000000000000\n"])
def test_tampered_manifest(src, dst, user, run, tmp_path, change):
    fill(src, user, {"INBOX": notes(2), "B": notes(1)})
    copy(run, src.url(user), "eml:%s" % (tmp_path / "mail"))
    path = tmp_path / "mail/INBOX/.mailhaul"
    path.write_bytes(change(path.read_bytes()))
    result = run("copy", "eml:%s" % (tmp_path / "mail"), dst.url(user), "--json")
    assert result.code == 3 and "damaged" in result.out, result
    assert [len(witness.read(dst, user).mailboxes.get(name, [])) for name in ("INBOX", "B")] == [0, 1]


def test_read_only(src, user, run, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    fill(src, user, {"INBOX": notes(2)})
    (tmp_path / "mail").mkdir(mode=0o500)
    assert run("copy", src.url(user), "eml:%s" % (tmp_path / "mail")).code in (3, 7)


@pytest.mark.parametrize("fault", ["write:3+:ENOSPC", "renameat:4+:ENOSPC"])
def test_disk_full(src, dst, user, run, tmp_path, fault):
    fill(src, user, {"INBOX": notes(150)})
    result = run("copy", src.url(user), "eml:%s" % (tmp_path / "mail"), env={"MAILHAUL_FAULT": fault})
    assert result.code == 7 or "write:" in fault and result.code != 0, result
    report = copy(run, src.url(user), "eml:%s" % (tmp_path / "mail"), "--settle", "100ms")
    assert report.copied + report.there == 150
    assert copy(run, "eml:%s" % (tmp_path / "mail"), dst.url(user)).copied == 150
    assert same(src, dst, user) == []


POINTS = ["point.eml.synced:1", "point.eml.named:2", "renameat:70", "pwrite:3", "pwrite:4", "fsync:90", "write:40", "openat:50"]


@pytest.mark.parametrize("point", POINTS)
def test_killed(src, dst, user, run, tmp_path, point):
    """At any step, in the middle of a group: resumed, nothing is lost and nothing doubled."""
    fill(src, user, {"INBOX": notes(130, flags=("\\Seen",))})
    place = "eml:%s" % (tmp_path / "mail")
    run("copy", src.url(user), place, env={"MAILHAUL_FAULT": point + ":kill"})
    report = copy(run, src.url(user), place, "--settle", "100ms")
    assert report.copied + report.there == 130
    assert len(files(tmp_path / "mail")) == 130
    assert not list((tmp_path / "mail").rglob(".mailhaul-new-*"))
    assert copy(run, place, dst.url(user)).copied == 130
    assert same(src, dst, user) == []


HOSTILE = [b"../../evil", b"/etc/passwd", b"a\\b:c", b"x\x01y\xe2\x80\xaez", b"." * 30, b"CON", b"n" * 400, b"same", b"same", b"fake.eml", b""]


def with_attachments():
    parts = [b"--b\r\nContent-Type: text/plain\r\n\r\nthe text\r\n"]
    for number, name in enumerate(HOSTILE):
        parts.append(b"--b\r\nContent-Type: application/octet-stream; name=\"%s\"\r\nContent-Transfer-Encoding: base64\r\n"
                     b"Content-Disposition: attachment; filename=\"%s\"\r\n\r\n%s\r\n" % (
                         name, name, __import__("base64").b64encode(b"content %d\n\0" % number)))
    return corpus.Message(b"Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                          + b"".join(parts) + b"--b--\r\n")


@pytest.mark.parametrize("how", ["also", "only"])
def test_attachments(src, dst, user, run, tmp_path, how):
    fill(src, user, {"INBOX": [with_attachments(), note(2)]})
    place = "eml:%s?attachments=%s" % (tmp_path / "mail", how)
    copy(run, src.url(user), place)
    top = tmp_path / "mail/INBOX"
    parts = [path for path in top.iterdir() if path.name.startswith("1.") and path.name != "1.eml"]
    assert sorted(path.read_bytes() for path in parts) == sorted(b"content %d\n\0" % number for number in range(len(HOSTILE)))
    assert all(path.stat().st_mode & 0o777 == 0o600 and len(path.name) <= 200 and "\u202e" not in path.name for path in parts)
    assert not [path for path in parts if path.name.endswith(".eml")]
    assert {path for path in files(tmp_path) if not path.startswith(("mail/INBOX/", "home/"))} == set()
    assert (top / "1.eml").exists() == (how == "also")
    assert copy(run, src.url(user), place).copied == 0
    if how == "only":
        result = run("copy", src.url(user), "eml:%s" % (tmp_path / "mail"), "--delete-source", "--yes", check=2)
        assert "nothing but attachments" in result.err and len(bodies(src, user)) == 2
        copy(run, src.url(user), "eml:%s" % (tmp_path / "whole"))
        assert "whole messages" in run("copy", src.url(user), "eml:%s?attachments=only" % (tmp_path / "whole"), check=2).err
    else:
        copy(run, place, dst.url(user))
        assert same(src, dst, user) == []


def test_attachments_after_a_kill(src, user, run, tmp_path):
    """Between the name of the message and those of its attachments: the next run writes them."""
    fill(src, user, {"INBOX": [with_attachments()]})
    place = "eml:%s?attachments=also" % (tmp_path / "mail")
    run("copy", src.url(user), place, env={"MAILHAUL_FAULT": "renameat:3:kill"})
    assert files(tmp_path / "mail") == ["INBOX/1.eml"]
    assert copy(run, src.url(user), place, "--settle", "100ms").copied == 0
    assert len(files(tmp_path / "mail")) == 1 + len(HOSTILE)


def test_eml_to_eml(src, user, run, tmp_path, dst):
    fill(src, user, account())
    copy(run, src.url(user), "eml:%s" % (tmp_path / "a"))
    copy(run, "eml:%s" % (tmp_path / "a"), "eml:%s" % (tmp_path / "b"))
    copy(run, "eml:%s" % (tmp_path / "b"), dst.url(user))
    assert same(src, dst, user) == []


def test_raw_octets_stay(user, run, tmp_path):
    """NULs, bare LFs and empty messages are kept as they are, and not reported."""
    top = tmp_path / "a/INBOX"
    top.mkdir(parents=True)
    odd = [b"Subject: nul\r\n\r\na\0b\r\n", b"Subject: lf\r\n\r\na\nb\r\n", b"Subject: open\r\n\r\nend"]
    for number, body in enumerate(odd):
        (top / ("%d.eml" % number)).write_bytes(body)
    assert copy(run, "eml:%s" % (tmp_path / "a"), "eml:%s" % (tmp_path / "b")).result.code == 0
    report = copy(run, "eml:%s" % (tmp_path / "a"), "eml:%s" % (tmp_path / "b"))
    assert report.copied == 0


@pytest.mark.parametrize("query,text", [("ext=.eml", "without a dot"), ("name-by=date", "uid, number or subject"),
                                        ("attachments=yes", "no, also or only"), ("layout=fs", "no such key"), ("owner=nobody-of-this-name", "USER[:GROUP]")])
def test_bad_keys(user, run, tmp_path, query, text):
    result = run("list", "eml:%s?%s" % (tmp_path, query))
    assert result.code == 2 and text in result.err, result


def test_headers_only(src, user, run, tmp_path):
    fill(src, user, {"INBOX": notes(2)})
    result = run("copy", src.url(user), "eml:%s?headers-only=yes" % (tmp_path / "mail"), "--json")
    assert result.code in (0, 1), result
    for path in (tmp_path / "mail/INBOX").glob("*.eml"):
        head, end, body = path.read_bytes().partition(b"\r\n\r\n")
        assert b"Subject" in head and body == b""
    result = run("copy", src.url(user), "eml:%s?headers-only=yes" % (tmp_path / "mail"))
    assert result.code in (0, 1) and result.out.endswith("of each only the header\n"), result
    assert len(files(tmp_path / "mail")) == 2
    copy(run, src.url(user), "eml:%s" % (tmp_path / "whole"))
    assert "headers come beside them" in run("copy", "--headers-only", src.url(user), "eml:%s" % (tmp_path / "whole"), check=0).err
    # The record of headers does not stand for messages.
    report = copy(run, src.url(user), "eml:%s" % (tmp_path / "mail"), "--delete-source", "--yes", "--max-delete=100%")
    assert report.copied == report.deleted_at_source == 2
    assert sum(not path.read_bytes().endswith(b"\r\n\r\n") for path in (tmp_path / "mail/INBOX").glob("*.eml")) == 2


@pytest.mark.parametrize("query", ["headers-only=yes", "headers-only=on", "attachments=only"])
def test_nothing_is_deleted_that_was_not_kept(src, user, run, tmp_path, query):
    fill(src, user, {"INBOX": notes(2)})
    result = run("copy", src.url(user), "eml:%s?%s" % (tmp_path / "mail", query), "--delete-source", "--yes")
    assert result.code == 2 and "would lose" in result.err, result
    assert len(witness.read(src, user).mailboxes["INBOX"]) == 2


def test_keys_as_options(src, user, run, tmp_path):
    fill(src, user, {"INBOX": notes(1)})
    copy(run, src.url(user), "eml:%s" % (tmp_path / "mail"), "--dst-ext=msg", "--dst-name-by=number")
    assert files(tmp_path / "mail") == ["INBOX/1.msg"]
    copy(run, src.url(user), "eml:%s" % (tmp_path / "short"), "--ext=txt", "--name-by=number", "--attachments=also")
    assert files(tmp_path / "short") == ["INBOX/1.txt"]
    result = run("copy", src.url(user), "eml:%s" % (tmp_path / "none"), "--attachments=only", "--delete-source", "--yes")
    assert result.code == 2 and "would lose" in result.err, result


def test_mirror_deletes(src, dst, user, run, tmp_path):
    fill(src, user, {"INBOX": notes(5), "Old": notes(2)})
    place = "eml:%s" % (tmp_path / "mail")
    copy(run, src.url(user), place)
    load.expunge(src, user, "INBOX", "2:3")
    load.delete_mailbox(src, user, "Old")
    result = run("mirror", src.url(user), place, "--yes", "--delete-extra", "--delete-mailboxes", "--max-delete", "100%")
    assert result.code == 0 and "subscription" not in result.err, result
    assert files(tmp_path / "mail") == ["INBOX/1.eml", "INBOX/4.eml", "INBOX/5.eml"]
    assert copy(run, place, dst.url(user)).copied == 3
    assert same(src, dst, user, subscriptions=False) == []


def test_no_such_directory(dst, user, run, tmp_path):
    result = run("copy", "eml:%s" % (tmp_path / "none"), dst.url(user))
    assert result.code not in (0, 1), result
    (tmp_path / "none" / "cur").mkdir(parents=True)     # there, and no mail of this kind
    for kind in ("mbox", "thunderbird"):
        result = run("copy", "%s:%s" % (kind, tmp_path / "none"), dst.url(user), check=3)
        assert "no mailbox" in result.err and "complete" not in result.out


@pytest.mark.parametrize("other", ["maildir", "mbox"])
def test_between_kinds_of_files(src, dst, user, run, tmp_path, other):
    """Through files of two kinds and back: what both can hold arrives exactly."""
    fill(src, user, {"INBOX": [*corpus.identical(3), corpus.dots(), corpus.no_line_end(), note(7, flags=("\\Seen", "$Junk"))], "A/b": notes(3)})
    places = [src.url(user), "eml:%s" % (tmp_path / "a"), "%s:%s" % (other, tmp_path / "b"), "eml:%s" % (tmp_path / "c"), dst.url(user)]
    for source, target in zip(places, places[1:]):
        assert copy(run, source, target).copied == 9
        assert copy(run, source, target).copied == 0
    assert same(src, dst, user, subscriptions=False) == []
