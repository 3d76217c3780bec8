"""The tools that are measured side by side: how each is told to copy one account to another.

A tool is a class with `name`, `available()` and `argv(side)`; `side` says where the two servers are and where the tool
may keep its state. All of them copy from side.src to side.dst, both on loopback, in clear text.
"""
import dataclasses
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


@dataclasses.dataclass
class Side:
    """One task: the servers, the ports to use (a server's or a proxy's), the user, and a directory for state."""
    src: object
    dst: object
    src_port: int
    dst_port: int
    user: str
    dir: str
    jobs: object = None

    @property
    def password(self):
        return self.src.password(self.user)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        return path


class Tool:
    name = ""
    program = None
    keeps_state = True

    def available(self):
        return None if shutil.which(self.program) else "%s is not installed" % self.program


class Mailhaul(Tool):
    name = "mailhaul"

    def __init__(self, *options, name=None):
        self.options = options
        self.name = name or self.name

    def available(self):
        program = os.environ.get("MAILHAUL", "")
        return None if os.access(program, os.X_OK) else "no program at MAILHAUL=%s" % program

    def argv(self, side):
        argv = [os.environ["MAILHAUL"], "copy", side.src.url(side.user, port=side.src_port),
                side.dst.url(side.user, port=side.dst_port), "--yes", "-q", *self.options]
        if "--state" not in self.options:
            argv += ["--state", os.path.join(side.dir, "mailhaul")]
        return argv


class Compare(Mailhaul):
    """Compares the two accounts instead of copying."""
    keeps_state = False

    def __init__(self, *options):
        super().__init__(*options, name=" ".join(("mailhaul compare",) + options))

    def argv(self, side):
        return [os.environ["MAILHAUL"], "compare", side.src.url(side.user, port=side.src_port),
                side.dst.url(side.user, port=side.dst_port), "-q", *self.options]


class Raw(Tool):
    """The ceiling. Its binary is compiled by bench.py."""
    keeps_state = False

    def __init__(self, binary, connections, mode="copy"):
        self.name = "raw %s x%d" % (mode, connections)
        self.binary = binary
        self.connections = connections
        self.mode = mode

    def available(self):
        return None

    def argv(self, side):
        return [self.binary, self.mode, str(side.src_port), str(side.dst_port), side.user, side.password,
                str(self.connections)]


class Serial(Tool):
    """One message at a time, as imapsync works, without imapsync's own costs."""
    name = "serial"
    keeps_state = False

    def available(self):
        return None

    def argv(self, side):
        return [sys.executable, os.path.join(HERE, "serial.py"), str(side.src_port), str(side.dst_port), side.user,
                side.password]


class Mbsync(Tool):
    name = "mbsync"
    program = "mbsync"

    def __init__(self, compress=True):
        self.compress = compress
        self.name = "mbsync" if compress else "mbsync, no COMPRESS"

    def argv(self, side):
        config = ""
        for name, port in (("src", side.src_port), ("dst", side.dst_port)):
            config += ('IMAPAccount %s\nHost 127.0.0.1\nPort %d\nUser %s\nPass "%s"\nSSLType None\nAuthMechs LOGIN\n%s'
                       '\nIMAPStore %s\nAccount %s\n\n'
                       % (name, port, side.user, side.password,
                          "" if self.compress else "DisableExtension COMPRESS=DEFLATE\n", name, name))
        state = os.path.join(side.dir, "mbsync")
        os.makedirs(state, exist_ok=True)
        config += ("Channel c\nFar :src:\nNear :dst:\nPatterns *\nCreate Near\nSync Pull\nCopyArrivalDate yes\n"
                   "SyncState %s/\n" % state)
        return ["mbsync", "-q", "-c", side.write("mbsyncrc", config), "c"]


class Interimap(Tool):
    name = "interimap"
    program = "interimap"

    def argv(self, side):
        config = "database = %s/interimap.db\n\n" % side.dir
        for name, port in (("local", side.src_port), ("remote", side.dst_port)):
            config += ("[%s]\ntype = imap\nhost = 127.0.0.1\nport = %d\nusername = %s\npassword = %s\nSTARTTLS = NO\n"
                       "compress = NO\n\n" % (name, port, side.user, side.password))
        return ["interimap", "--config=" + side.write("interimap", config), "--quiet"]

class Offlineimap(Tool):
    name = "offlineimap"
    program = "offlineimap"

    def argv(self, side):
        secret = side.write("offlineimap-pass", side.password + "\n")
        config = ("[general]\nmetadata = %s/offlineimap\naccounts = a\nsocktimeout = 300\n"
                  "[Account a]\nlocalrepository = dst\nremoterepository = src\n" % side.dir)
        for name, port in (("dst", side.dst_port), ("src", side.src_port)):
            config += ("[Repository %s]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = %d\nremoteuser = %s\n"
                       "remotepassfile = %s\nssl = no\nstarttls = no\nauth_mechanisms = LOGIN\nmaxconnections = 4\n"
                       "%s"
                       % (name, port, side.user, secret, "readonly = True\n" if name == "src" else ""))
        return ["offlineimap", "-o", "-u", "quiet", "-c", side.write("offlineimaprc", config)]


class Doveadm(Tool):
    """dsync over imapc: reads by IMAP, but writes straight into the destination's storage."""
    name = "doveadm backup"
    program = "setpriv"

    def available(self):
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        return None if shutil.which("doveadm", path=path) else "doveadm is not installed"

    def argv(self, side):
        secret = "imapc_password=" + side.password
        argv = side.dst.doveadm(
            "-o", "imapc_host=127.0.0.1", "-o", "imapc_port=%d" % side.src_port, "-o", "imapc_user=" + side.user,
            "-o", secret, "-o", "imapc_features=rfc822.size fetch-headers fetch-bodystructure",
            "-o", "mail_prefetch_count=20", "backup", "-R", "-u", side.user, "imapc:")
        return side.dst.as_server_user(argv)
