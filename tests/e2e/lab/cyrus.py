"""A private Cyrus IMAP server. Every name is a user; the account appears at the first login.
It is told to leave 8-bit octets in headers alone, which by default it overwrites (munge8bit).

    with Cyrus() as server: ...                     # "/" between levels, no prefix
    with Cyrus(separator=".", prefix="INBOX.") as server: ...
"""
from .chroot import Chrooted, with_user
from .server import PASSWORD, free_ports

IMAPD = """
configdirectory: /var/lib/cyrus
partition-default: /var/spool/cyrus/mail
defaultpartition: default
servername: lab.example
admins: cyrus
altnamespace: {alt}
unixhierarchysep: {unix}
allowplaintext: yes
sasl_pwcheck_method: saslauthd
sasl_mech_list: PLAIN LOGIN
sasl_saslauthd_path: /run/lab-auth
autocreate_quota: 0
autocreate_post: yes
duplicatesuppression: no
munge8bit: no
skiplist_unsafe: 1
idlesocket: /run/cyrus-idle
lmtpsocket: /run/cyrus-lmtp
proc_path: /run/cyrus-proc
mboxname_lockpath: /run/cyrus-lock
maxlogins_per_user: 0
popminpoll: 0
imapidlepoll: 1
{settings}
"""

MASTER = """
START {{
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r"
}}
SERVICES {{
  imap cmd="/usr/lib/cyrus/bin/imapd -U 100" listen="127.0.0.1:{port}" proto="tcp4" prefork=0 maxchild=200
}}
EVENTS {{
}}
"""

# Answers like saslauthd: four counted strings in (user, password, service, realm), one counted string out.
AUTH = """
import os, socketserver, struct

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        fields = []
        for _ in range(4):
            size, = struct.unpack(">H", self.rfile.read(2))
            fields.append(self.rfile.read(size).decode())
        answer = b"OK" if fields[1] == PASSWORD else b"NO"
        self.wfile.write(struct.pack(">H", len(answer)) + answer)

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

server = Server("/run/lab-auth", Handler)
os.chmod("/run/lab-auth", 0o777)
server.serve_forever()
"""

START = """
set -e
mkdir -p /run/cyrus-proc /run/cyrus-lock /var/spool/cyrus/mail /var/run/cyrus
for name in backup db log lock msg proc ptclient quota socket sync user; do mkdir -p /var/lib/cyrus/$name; done
chown -R cyrus:mail /var/lib/cyrus /var/spool/cyrus /run/cyrus-proc /run/cyrus-lock /run
/usr/bin/python3 /lab-auth.py &
while [ ! -S /run/lab-auth ]; do sleep 0.02; done
exec /usr/lib/cyrus/bin/master -p /run/cyrus-master.pid -L /run/cyrus-log
"""


class Cyrus(Chrooted):
    name = "cyrus"
    roots = ("cyrus-imapd", "cyrus-common", "cyrus-clients", "db-util")

    def __init__(self, separator="/", prefix="", settings=""):
        super().__init__()
        self.separator = separator
        self.prefix = prefix
        self.settings = settings

    def files(self):
        self.port, = free_ports(1)
        return {
            "/etc/imapd.conf": (IMAPD.format(alt="no" if self.prefix else "yes",
                                             unix="yes" if self.separator == "/" else "no",
                                             settings=self.settings), 0o644),
            "/etc/cyrus.conf": (MASTER.format(port=self.port), 0o644),
            "/lab-auth.py": ("PASSWORD = %r\n%s" % (PASSWORD, AUTH), 0o644),
            "/etc/passwd": with_user("cyrus:x:60401:8::/var/spool/cyrus:/usr/sbin/nologin", "cyrus"),
        }

    def script(self):
        return START
