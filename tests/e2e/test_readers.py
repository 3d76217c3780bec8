"""Files that mailhaul wrote, read by NeoMutt and served by Courier; a Maildir that Courier wrote, read by mailhaul."""
import collections
import os
import re

import pytest

from copying import copy, fill, note, notes
from lab import corpus, neomutt, witness
from test_mbox import quoted

# What neomutt's patterns say of flags.
WORDS = {"read": "\\seen", "flagged": "\\flagged", "replied": "\\answered", "deleted": "\\deleted"}


def mail():
    """All system flags, and what a Unix file holds without a trick of ours: a header, an empty line, lines that end in CRLF. No Status line of its own."""
    marked = [note(1, flags=("\\Seen", "\\Flagged")), note(2, flags=("\\Answered",)), note(3, flags=("\\Seen", "\\Deleted", "\\Draft"))]
    return marked + [m for m in [note(4, size=200_000), *quoted(), *corpus.odd()]
                     if m.body.startswith((b"From:", b"Subject:")) and b"\r\n\r\n" in m.body and m.body.endswith(b"\r\n") and
                     b"\r\r" not in m.body and b"\nStatus:" not in m.body]


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
    return re.sub(rb"(?m)^>(>*From )", rb"\1", text)
