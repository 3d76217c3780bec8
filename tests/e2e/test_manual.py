"""Every example of the manual and of the README, run as it stands there: only hosts, passwords and directories are those of the laboratory."""
import itertools
import os
import re
import subprocess

import pytest

from conftest import PROGRAM, SANITIZER, TOP
from copying import fill, note, notes
from lab import witness
from lab.corpus import Message
from lab.dovecot import Dovecot
from lab.server import PASSWORD

NUMBERS = itertools.count(1)
MASTER = ("root", "m4ster")
URL = re.compile(r"(['\"]?)\b(imap|pop3)s://(?:([^@\s'\"]+)@)?(\w+)\.example(/[^\s'\"?]*)?(\?[^\s'\"]*)?")
# Which server a name means, and what is put behind the user's name there, so that no two are one account.
HOSTS = {"old": ("old", ""), "mail": ("old", ""), "new": ("new", ""), "spare": ("new", "spare"), "mx1": ("old", ""), "mx2": ("new", ""),
         "mx3": ("new", "mx")}
# What commands may end with, beside 0: the manual says that comparing finds differences.
ALSO = {"compare": {1}}
# Blocks that hold no command: what they hold is checked by tests of their own here.
NO_COMMANDS = {"# the same name and password": "test_users_file", "RemoteServer: old": "test_remote_servers", "[account old]": "the accounts of all"}
WRAPPER = """#!/bin/sh
"%s" "$@" --yes
code=$?
printf '%%s\\t%%s\\n' "$code" "$*" >>"$HOME/ran"
exit 0
"""


def plain(text):
    """What a reader of the manual sees."""
    for escape, what in (("\\-", "-"), ("\\(aq", "'"), ("\\(dq", '"'), ("\\&", ""), ("\\e", "\\")):
        text = text.replace(escape, what)
    return text


def manual():
    page = (TOP / "docs" / "manual.in").read_text()
    return [plain(block) for block in re.findall(r"(?ms)^\.nf\n(.*?)^\.fi$", page)]


def readme():
    text = (TOP / "README.md").read_text()
    blocks = re.findall(r"(?m)^\n((?:    .*\n)+)", text)
    return [re.sub(r"(?m)^    ", "", block) for block in blocks if "mailhaul " in block and "meson" not in block and "script/" not in block]


class Place:
    """A home directory, two servers, and a fresh account of each name for every block."""

    def __init__(self, servers, run):
        self.server = {name: servers(Dovecot, instance="manual-" + name, format="maildir", pop3=True, master=MASTER) for name in ("old", "new")}
        self.home = run.home
        self.env = dict(run.env, PATH="%s/bin:%s" % (self.home, run.env["PATH"]))
        (self.home / "bin").mkdir()
        self._program("mailhaul", WRAPPER % PROGRAM)
        self._program("secret-tool", "#!/bin/sh\nprintf '%%s\\n' '%s'\n" % PASSWORD)
        self._program("pass", "#!/bin/sh\nprintf '%%s\\n' '%s'\n" % PASSWORD)
        for name, secret in (("root.pass", MASTER[1]), ("old.pass", MASTER[1]), ("new.pass", MASTER[1]),
                             ("config/mailhaul/new.pass", PASSWORD), ("bert.secret", PASSWORD)):
            self._secret(name, secret)
        (self.home / ".config").symlink_to("config")
        for name in ("cur", "new", "tmp"):
            (self.home / "anna" / name).mkdir(parents=True)
        for profile in ("x", "abcd"):
            folder = self.home / ".thunderbird" / (profile + ".default") / "Mail" / "Local Folders"
            folder.mkdir(parents=True)
            (folder / "Inbox").write_text("From - Thu Jan  1 00:00:07 1970\nX-Mozilla-Status: 0001\nSubject: local\n\nx\n\n")

    def _program(self, name, text):
        (self.home / "bin" / name).write_text(text)
        (self.home / "bin" / name).chmod(0o755)

    def _secret(self, name, text):
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_text(text + "\n")

    def user(self, name, suffix=""):
        return "%s%d%s" % (name, self.number, suffix)

    def accounts(self):
        """Fresh ones, and the configuration of the manual."""
        self.number = next(NUMBERS)
        for name in ("anna", "bert"):
            fill(self.server["old"], self.user(name), account())
        fill(self.server["old"], self.user("annawork"), account())
        fill(self.server["new"], self.user("anna"), {"INBOX": notes(2), "Junk": []})
        (self.home / "people").write_text("".join(self.user(name) + "\n" for name in ("anna", "bert")))
        [config] = [block for block in manual() if block.startswith("[account old]")]
        work = "\n[account work]\nlocation = %s\n" % self.server["old"].url(self.user("annawork"))
        (self.home / "config" / "mailhaul" / "config").write_text(self.mapped(config, False) + work)

    def mapped(self, text, secrets):
        """Hosts, users and directories of here; secrets: passwords come from files, unless an administrator's are named."""
        def location(match):
            quote, scheme, user, host, mailbox, query = match.groups()
            name, suffix = HOSTS[host]
            server = self.server[name]
            keys = "tls=none" + ("&pass-file=%s" % server.pass_file("all") if secrets else "")
            keys += "&" + query[1:] if query else ""
            # a name that stands there, before what a server puts behind it
            user = re.sub(r"^(\w+)", lambda name: self.user(name.group(1), suffix), user) + "@" if user else ""
            port = server.port if scheme == "imap" else server.pop3_port
            text = "%s://%s127.0.0.1:%d%s?%s" % (scheme, user, port, mailbox or "", keys)
            return quote + text if quote or not secrets else "'%s'" % text
        text = re.sub(r"(?<![\w/])/(srv|home/anna)/", "%s/" % self.home, text)
        return URL.sub(location, text)

    def run(self, block):
        """[(exit code, arguments)] of the block's commands."""
        self.accounts()
        secrets = not re.search(r"admin=|\*root", block)
        script = self.mapped(block, secrets)
        if not secrets:    # quoted, for the keys
            script = re.sub(r"(?<!['\S])((?:imap|pop3)://\S+)", r"'\1'", script)
        ran = self.home / "ran"
        ran.write_text("")
        done = subprocess.run(["bash", "-e", "-u", "-o", "pipefail", "-c", script], cwd=self.home, env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        output = done.stdout.decode(errors="replace")
        assert done.returncode == 0 and not SANITIZER.search(output), "%s\n%s" % (script, output)
        codes = [(int(line.split("\t")[0]), line.split("\t")[1]) for line in ran.read_text().splitlines()]
        for code, arguments in codes:
            assert code == 0 or code in ALSO.get(arguments.split()[0], set()), "%s\nexit %d: %s\n%s" % (script, code, arguments, output)
        return codes


def account():
    bill = Message(b"From: shop@example.org\r\nTo: anna@old.example\r\nSubject: invoice 7\r\nDate: Thu, 01 Jun 2023 12:00:00 +0000\r\n\r\nx\r\n",
                   date="01-Jun-2023 12:00:00 +0000")
    return {"INBOX": [*notes(12, flags=("\\Seen",)), note(20, flags=("\\Deleted",)), bill], "Junk": notes(2, 30), "Lists/1998": notes(1, 40),
            "Lists/2020": notes(1, 41), "Trash": notes(1, 50), "Sent": notes(1, 60), "Projects/X": notes(2, 70), "Archive": notes(1, 80)}


# What the last command of a block should have brought about: (words of the block, server, what its account holds then).
EFFECTS = [
    ("purge -m Junk", "old", {"Junk": 0}),
    ("trash --empty", "old", {"Trash": 0, "INBOX": 13}),
    ("mailbox rename", "old", {"Archive/1998": 1, "Archive/2020": 1}),
    ("--move-to Bills/2023", "old", {"Bills/2023": 1, "INBOX": 13}),
    ("copy old new", "new", {"INBOX": 14, "Projects/X": 2, "Trash": 1}),
    ("--exclude 'Trash/**'", "new", {"INBOX": 13, "Sent": 1}),
    ("copy mbox:~/mail", "new", {"INBOX": 14, "Projects/X": 2}),
    ("Local Folders'", "new", {"Old/INBOX": 1}),
    ("pop3s://anna@old.example imaps://anna@new.example/Old", "old", {"INBOX": 0}),
    ("pop3s://anna@old.example imaps://anna@new.example/Old", "new", {"Old/INBOX": 14}),
    ("--into Archive/POP", "old", {"INBOX": 0}),
    ("--into Archive/POP", "new", {"INBOX": 14, "Archive/POP": 14}),
    ("mirror imaps://anna@old.example maildir:~/Maildir", "old", {"INBOX": 14}),
]


def check_effects(place, block):
    """How many there were to check."""
    effects = [effect for effect in EFFECTS if effect[0] in block]
    for words, server, expected in effects:
        found = witness.read(place.server[server], place.user("anna")).mailboxes
        assert {name: len(found.get(name, [])) for name in expected} == expected, words
    return len(effects)


@pytest.fixture
def place(servers, run):
    return Place(servers, run)


def commands(block):
    """How often the program is called there."""
    return len(re.findall(r"(?m)^mailhaul ", block))


def test_manual(place):
    left_out = set(NO_COMMANDS)
    count = effects = 0
    for block in manual():
        if commands(block):
            assert len(place.run(block)) == commands(block), block
            count += commands(block)
            effects += check_effects(place, block)
        else:
            left_out.remove(next(start for start in NO_COMMANDS if block.startswith(start)))
    assert not left_out and count >= 35 and effects == len(EFFECTS)
    assert len(os.listdir(place.home / "Maildir" / "cur")) == 14
    # The job that the configuration names.
    assert place.run("mailhaul run nightly")[0][0] == 0
    assert "Trash" not in witness.read(place.server["new"], place.user("anna")).mailboxes


def test_readme(place):
    blocks = readme()
    assert len(blocks) >= 9
    (place.home / "rules").write_text("Subject\tinvoice\tINBOX\tMoney\n")
    for block in blocks:
        assert len(place.run(block)) == commands(block), block


def test_users_file(place):
    [lines] = [block for block in manual() if block.startswith("# the same name")]
    place.accounts()
    lines = lines.replace(":secret\n", ":%s\n" % PASSWORD).replace("/run/secrets/bert", str(place.home / "bert.secret"))
    for name in ("anna@a.example", "bert", "carl"):
        fill(place.server["old"], name, {"INBOX": notes(2)})
    place._secret("users", lines)
    assert place.run("mailhaul copy --users users imaps://old.example imaps://new.example")[0][0] == 0
    for name, mailbox in (("anna@a.example", "INBOX"), ("bert@a.example", "INBOX"), ("carl", "Old mail/INBOX")):
        assert len(witness.read(place.server["new"], name).mailboxes[mailbox]) == 2


def test_remote_servers(place):
    [lines] = [block for block in manual() if block.startswith("RemoteServer: old")]
    place._secret("remote", place.mapped(lines, False) + "Subject\tnote 1$\tINBOX\told:Kept\nSubject\tnote 2$\tINBOX\tdisk:Kept\n")
    assert [code for code, _ in place.run("mailhaul filter work --rules remote")] == [0]
    assert len(witness.read(place.server["old"], place.user("anna")).mailboxes["Kept"]) == 1
    assert len(os.listdir(place.home / "Mail" / ".Kept" / "cur")) == 1
