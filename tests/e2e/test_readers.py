"""Files that mailhaul wrote, read by NeoMutt and served by Courier; a Maildir that Courier wrote, read by mailhaul."""
import os
import re
import shutil
import subprocess

import pytest

from copying import both, copy, fill, flags_of, mirror, note, notes
from lab import corpus, load, neomutt, witness
from test_mbox import quoted

# What neomutt's patterns say of flags.
WORDS = {"read": "\\seen", "flagged": "\\flagged", "replied": "\\answered", "deleted": "\\deleted"}


def mail():
    """All system flags, and what a Unix file holds without a trick of ours: a header, an empty line, lines that end in CRLF."""
    marked = [note(1, flags=("\\Seen", "\\Flagged")), note(2, flags=("\\Answered",)), note(3, flags=("\\Seen", "\\Deleted", "\\Draft"))]
    return marked + [m for m in [note(4, size=200_000), *quoted(), *corpus.odd()]
                     if m.body.startswith((b"From:", b"Subject:")) and b"\r\n\r\n" in m.body and m.body.endswith(b"\r\n") and
                     b"\r\r" not in m.body]


@pytest.mark.parametrize("kind", ["maildir", "mbox"])
def test_neomutt_agrees(src, run, user, tmp_path, kind):
    if neomutt.available():
        pytest.skip(neomutt.available())
    messages = mail()
    fill(src, user, {"INBOX": messages})
    copy(run, src.url(user), "%s:%s/mail%s" % (kind, tmp_path, "?variant=mboxrd,status" if kind == "mbox" else ""))
    (tmp_path / "work").mkdir()
    found = neomutt.read(str(tmp_path / "mail" / ("INBOX.mbox" if kind == "mbox" else "")), str(tmp_path / "work"))
    plain = {name: sorted(_undone(m) for m in found[name]) for name in found}
    assert len(plain["all"]) == len(messages)
    assert plain["all"] == sorted(_unix(m) for m in messages)
    for name, flag in WORDS.items():
        assert plain[name] == sorted(_unix(m) for m in messages if flag in map(str.lower, m.flags)), name


def _unix(message):
    return message.body.replace(b"\r\n", b"\n")


def _undone(text):
    """Without what mbox puts around it, and the lines that tell other programs the flags."""
    if not text.startswith(b"From "):
        return text
    text = text.split(b"\n", 1)[1]
    text = re.sub(rb"\A((?:X-)?(?:Status|Keywords): [^\n]*\n)+", b"", text)
    head, empty, body = text.partition(b"\n\n")
    head = re.sub(rb"(?m)^X-Original-((?:X-Original-)*(?:X-)?(?:Status|Keywords):)", rb"\1", head)
    return re.sub(rb"(?m)^>(>*From )", rb"\1", head + empty + body)


def home(courier, user):
    """Where Courier keeps a user's mail, seen through its process: it has mounts of its own."""
    return "/proc/%d/root%s/layer/root/srv/mail/%s/Maildir" % (courier.process.pid, courier.dir, user)


def test_written_by_courier(courier, src, dst, run, user, tmp_path):
    """Flags in the name, keywords in files of its own, the newest of which counts; names of folders are UTF-8."""
    fill(courier, user, {"INBOX": [note(1, flags=("\\Seen", "$Work")), note(2, flags=("\\Answered", "work", "$Forwarded")), note(3),
                                   note(4, flags=("\\Deleted",)), *corpus.identical(2)],
                         "A/B": [note(5, flags=("\\Flagged", "\\Draft", "x"))], "Küche": notes(1, 9)})
    load.store(courier, user, "INBOX", "3", "+", ["late", "$Work"])
    load.store(courier, user, "INBOX", "2", "-", ["work"])
    load.store(courier, user, "INBOX", "1", "-", ["$Work"])
    tree = tmp_path / "mail"
    shutil.copytree(home(courier, user), tree)
    assert (tree / "courierimapkeywords" / ":list").exists()
    copy(run, "maildir:%s" % tree, dst.url(user))
    assert both(courier, dst, user) == []
    # What it told in :list alone counts as well; a file that names nothing takes all away; nonsense is passed over.
    [answered] = [name[:-len(":2,R")] for name in os.listdir(tree / "cur") if name.endswith(":2,R")]
    (tree / "courierimapkeywords" / answered).write_text("")
    for path in (tree / ".A.B" / "courierimapkeywords").iterdir():
        if path.name != ":list":
            path.unlink()
    with open(tree / ".A.B" / "courierimapkeywords" / ":list", "a") as file:
        file.write("nobody:0 7 x\n\0\nno colon\n:\n")
    report = copy(run, "maildir:%s" % tree, dst.url(user))
    assert report.flags_changed == 1 and flags_of(dst, user, "A/B") == {5: {"\\Flagged", "\\Draft", "x"}}
    # A keyword that goes at the source of a mirror goes from Courier's files too.
    fill(src, user, {"INBOX": [note(3, flags=("late",))]})
    options = ("-m", "INBOX", "--flags-on-update", "source", "--max-delete", "100%")
    assert mirror(run, src.url(user), "maildir:%s" % tree, *options).flags_changed == 1
    assert mirror(run, src.url(user), "maildir:%s" % tree, *options).flags_changed == 0
    assert "late\n" in [p.read_text() for p in (tree / "courierimapkeywords").iterdir()]


def test_served_by_courier(courier, src, run, user, tmp_path):
    """It sees what mailhaul wrote, but for keywords: those are where Dovecot keeps them."""
    fill(src, user, {"INBOX": [*mail(), *corpus.identical(2)], "A/B": [note(5, flags=("\\Flagged", "$Work"))], "Empty": []})
    copy(run, src.url(user), "maildir:%s/mail" % tmp_path)
    witness.read(courier, user)
    shutil.rmtree(home(courier, user))
    shutil.copytree(tmp_path / "mail", home(courier, user))
    subprocess.run(["chown", "-R", "60402:60402", home(courier, user)], check=True)
    found = witness.diff(witness.read(src, user), witness.read(courier, user), subscriptions=False)
    assert [str(one) for one in found if "$" not in str(one)] == []
