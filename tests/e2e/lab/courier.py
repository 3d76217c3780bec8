"""A private Courier IMAP server: "." between levels, the prefix "INBOX.", neither LITERAL+ nor MULTIAPPEND.

Every name is a user; the Maildir is made at the first login.
"""
from .chroot import Chrooted, with_user
from .server import PASSWORD, free_ports

# Courier's authpipe protocol: requests line by line, answers end with a dot, refusals are FAIL.
AUTH = """
import os, sys

USER, GROUP = 60402, 60402

def account(name):
    home = "/srv/mail/" + name.replace("/", "_")
    if not os.path.isdir(home):
        os.makedirs(home)
        os.system("/usr/bin/maildirmake.courier '%s/Maildir'" % home)
        os.system("chown -R %d:%d '%s'" % (USER, GROUP, home))
    return "UID=%d\\nGID=%d\\nHOME=%s\\nADDRESS=%s\\nMAILDIR=%s/Maildir\\n.\\n" % (USER, GROUP, home, name, home)

os.umask(0o077)
while True:
    line = sys.stdin.readline()
    if not line:
        break
    words = line.split()
    answer = "FAIL\\n"
    if words and words[0] == "PRE":
        answer = account(words[-1])
    elif words and words[0] == "AUTH":
        service, kind, name, password = (sys.stdin.read(int(words[1])).split("\\n") + [""] * 4)[:4]
        if kind == "login" and password == PASSWORD:
            answer = account(name)
    sys.stdout.write(answer)
    sys.stdout.flush()
"""

AUTHDAEMON = """
authmodulelist="authpipe"
authmodulelistorig="authpipe"
daemons=3
authdaemonvar=/run/courier/authdaemon
DEBUG_LOGIN=0
DEFAULTOPTIONS=""
LOGGEROPTS=""
"""

START = """
set -e
mkdir -p /run/courier/authdaemon /run/courier /srv/mail
chown -R courier:courier /run/courier
chmod 755 /run/courier /run/courier/authdaemon /srv /srv/mail
/sbin/ldconfig 2>/dev/null || true
set -a
. /etc/courier/authdaemonrc
/usr/sbin/courierlogger -pid=/run/courier/authdaemon/pid -start /usr/lib/courier/courier-authlib/authdaemond
. /etc/courier/imapd
while [ ! -S /run/courier/authdaemon/socket ]; do sleep 0.02; done
chmod 777 /run/courier/authdaemon/socket
TLS_CERTFILE=/nonexistent
IMAP_STARTTLS=NO
IMAP_TLS_REQUIRED=0
IMAP_EMPTYTRASH=
IMAP_CHECK_ALL_FOLDERS=0
IMAP_ULIMITD=
COURIERTLS=/usr/bin/couriertls
prefix=/usr
exec_prefix=/usr
bindir=/usr/bin
sbindir=/usr/sbin
umask 022
{pop3}
exec /usr/sbin/couriertcpd -address=127.0.0.1 -maxprocs=200 -maxperip=200 -nodnslookup -noidentlookup \\
	{port} /usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir
"""


POP3 = """
. /etc/courier/pop3d
POP3_STARTTLS=NO
POP3_TLS_REQUIRED=0
/usr/sbin/couriertcpd -address=127.0.0.1 -maxprocs=200 -maxperip=200 -nodnslookup -noidentlookup \\
	{port} /usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d Maildir &
"""


class Courier(Chrooted):
    """pop3: serves POP3 too, at `pop3_port`."""

    name = "courier"
    separator = "."
    prefix = "INBOX."
    roots = ("courier-imap", "courier-base", "courier-authlib", "courier-authdaemon", "courier-authlib-pipe",
             "libcourier-unicode4")

    def __init__(self, pop3=False):
        super().__init__()
        self.pop3 = pop3
        self.pop3_port = None
        if pop3:
            self.name = "courierpop"    # other packages, kept in a place of their own
            self.roots = (*self.roots, "courier-pop")

    def files(self):
        self.port, self.pop3_port = free_ports(2)
        return {
            "/etc/courier/authdaemonrc": (AUTHDAEMON, 0o644),
            "/etc/courier/authProg": ("#!/usr/bin/python3\nPASSWORD = %r\n%s" % (PASSWORD, AUTH), 0o755),
            "/etc/passwd": (_users(), 0o644),
            "/etc/group": with_user("courier:x:60402:", "courier"),
        }

    def script(self):
        return START.format(port=self.port, pop3=POP3.format(port=self.pop3_port) if self.pop3 else "")

    def pop3_url(self, user, port=None, **keys):
        """The location of an account's INBOX by POP3, in clear text."""
        return "pop3" + self.url(user, port=port or self.pop3_port, **keys)[len("imap"):]


def _users():
    return with_user("courier:x:60402:60402::/var/lib/courier:/usr/sbin/nologin", "courier")[0]
