"""From a server into files: the tools that write Maildirs or mbox files, each with fsync, on a real disk.

Started by bench.py. What arrived is counted: which octets a Maildir holds, the tests compare.
"""
import os
import shutil
import sys
import tempfile

import tools


class Into:
    """Where the tools put the files: a directory of its own for each run, not in memory."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="mailhaul-bench-", dir=os.environ.get("BENCH_DISK", "/var/tmp"))

    def fresh(self):
        shutil.rmtree(self.root)
        os.mkdir(self.root)
        return self.root

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)


class MailhaulInto(tools.Mailhaul):
    """to: "maildir:%s", "mbox:%s"."""

    def __init__(self, into, to, name):
        super().__init__(name=name)
        self.into = into
        self.to = to

    def argv(self, side):
        return [os.environ["MAILHAUL"], "copy", side.src.url(side.user, port=side.src_port),
                self.to % os.path.join(self.into.root, "mail"), "--yes", "-q", "--state",
                os.path.join(side.dir, "mailhaul")]


class MbsyncInto(tools.Mbsync):
    def __init__(self, into):
        super().__init__(compress=False)
        self.into = into

    def argv(self, side):
        mail = os.path.join(self.into.root, "mail")
        state = os.path.join(side.dir, "mbsync")
        for path in (mail, state):
            os.makedirs(path, exist_ok=True)
        return ["mbsync", "-q", "-c", side.write("mbsyncrc", (
            'IMAPAccount src\nHost 127.0.0.1\nPort %d\nUser %s\nPass "%s"\nSSLType None\nAuthMechs LOGIN\n'
            "DisableExtension COMPRESS=DEFLATE\n\nIMAPStore src\nAccount src\n\n"
            "MaildirStore dst\nPath %s/\nInbox %s/INBOX\nSubFolders Verbatim\n\n"
            "Channel c\nFar :src:\nNear :dst:\nPatterns *\nCreate Near\nSync Pull\nCopyArrivalDate yes\nSyncState %s/\n"
            % (side.src_port, side.user, side.password, mail, mail, state))), "c"]


class DoveadmInto(tools.Doveadm):
    def __init__(self, into):
        self.into = into

    def argv(self, side):
        mail = os.path.join(self.into.root, "mail")
        os.chmod(self.into.root, 0o777)
        argv = super().argv(side)
        at = argv.index("backup")
        return argv[:at] + ["-o", "mail_location=maildir:" + mail, "-o", "mail_fsync=always"] + argv[at:]


class OfflineimapInto(tools.Offlineimap):
    def __init__(self, into):
        self.into = into

    def argv(self, side):
        secret = side.write("offlineimap-pass", side.password + "\n")
        return ["offlineimap", "-o", "-u", "quiet", "-c", side.write("offlineimaprc", (
            "[general]\nmetadata = %s/offlineimap\naccounts = a\nsocktimeout = 300\n"
            "[Account a]\nlocalrepository = dst\nremoterepository = src\n"
            "[Repository dst]\ntype = Maildir\nlocalfolders = %s\n"
            "[Repository src]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = %d\nremoteuser = %s\n"
            "remotepassfile = %s\nssl = no\nstarttls = no\nauth_mechanisms = LOGIN\nmaxconnections = 4\nreadonly = True\n"
            % (side.dir, os.path.join(self.into.root, "mail"), side.src_port, side.user, secret)))]


class Imapbackup(tools.Tool):
    """The Python 3 version, where IMAPBACKUP says. Its files do not end in .mbox: they are told by what is in them."""
    name = "imapbackup"

    def __init__(self, into):
        self.into = into

    def available(self):
        script = os.environ.get("IMAPBACKUP", "")
        return None if os.path.isfile(script) else "no script at IMAPBACKUP=%s" % script

    def argv(self, side):
        mail = os.path.join(self.into.root, "mail")
        os.makedirs(mail, exist_ok=True)
        return [sys.executable, os.environ["IMAPBACKUP"], "-s", "127.0.0.1:%d" % side.src_port, "-u", side.user, "-p", side.password,
                "-d", mail, "--nospinner"]


def count(root):
    """Messages in all Maildirs, or From_ lines of all mbox files, below root."""
    total = 0
    for path, _, names in os.walk(root):
        if os.path.basename(path) in ("cur", "new"):
            total += len(names)
        else:
            for name in names:
                if name.endswith(".mbox"):
                    with open(os.path.join(path, name), "rb") as file:
                        total += sum(line.startswith(b"From ") for line in file)
    return total


def everyone(into):
    return [MailhaulInto(into, "maildir:%s", "mailhaul"), MbsyncInto(into), DoveadmInto(into), OfflineimapInto(into),
            MailhaulInto(into, "mbox:%s", "mailhaul, mbox"), Imapbackup(into)]
