"""A private Dovecot on loopback, run as an unprivileged user from a temporary directory.

    with Dovecot(format="maildir", separator=".") as server:
        server.host, server.port, server.password("anna")

Every user name is known and gets an empty account at its first login, so one server serves a whole test run.
"""
import base64
import hashlib
import hmac
import json
import os
import shutil
import time

from .server import PASSWORD, Server, free_ports, unprivileged

FORMATS = {"sdbox": "sdbox:~/mail", "mdbox": "mdbox:~/mail", "maildir": "maildir:~/mail",
           "mbox": "mbox:~/mail:INBOX=~/mail/inbox"}
# A key for tokens that only this lab accepts.
TOKEN_KEY = b"mailhaul lab token key"

BASIC = """
base_dir = {run}
state_dir = {run}
log_path = {dir}/log
info_log_path = {dir}/log
protocols = {protocols}
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_vsz_limit = 4G
default_process_limit = 400
default_client_limit = 4000
first_valid_uid = 1
first_valid_gid = 0
mail_uid = {user}
mail_gid = {group}
mail_home = {home}/%u
mail_location = {location}
mail_fsync = {fsync}
mail_max_userip_connections = {connections}
mail_max_keyword_length = 100
mail_plugins = {plugins}
disable_plaintext_auth = no
auth_mechanisms = {auth}
auth_username_chars =
auth_verbose = yes
auth_failure_delay = {auth_delay} secs
auth_cache_size = 10M
shutdown_clients = yes
ssl = {ssl}
{extra}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
{special_use}
}}
service anvil {{
  chroot =
  # Without this listener a wrong password costs no waiting.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service auth {{
  unix_listener auth-userdb {{
    user = {user}
  }}
}}
service auth-worker {{
  user = {user}
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  service_count = 100
}}
{pop3}
protocol imap {{
  mail_plugins = {imap_plugins}
  imap_id_send = name *
}}
plugin {{
{plugin}
}}
"""

POP3 = """
service pop3-login {{
  chroot =
  service_count = 0
  process_min_avail = 0
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {tls_port}
    ssl = yes
  }}
}}
protocol pop3 {{
  mail_max_userip_connections = 1
  pop3_no_flag_updates = yes
}}
"""

SPECIAL_USE = "".join(
    "  mailbox %s {\n    special_use = %s\n    auto = no\n  }\n" % (name, attr)
    for name, attr in (("Drafts", "\\Drafts"), ("Sent", "\\Sent"), ("Trash", "\\Trash"), ("Junk", "\\Junk"),
                       ("Archive", "\\Archive")))

USERDB = """
userdb {{
  driver = static
  args = uid={user} gid={group} home={home}/%u allow_all_users=yes
}}
"""


class Dovecot(Server):
    """One private Dovecot.

    format          sdbox, mdbox or maildir
    separator       hierarchy delimiter; prefix: the personal namespace's prefix, such as "INBOX."
    cert            a lab.tls.Cert: STARTTLS on `port`, TLS on `tls_port`; cleartext=False then refuses clear logins
    capabilities    the whole list to announce instead of what Dovecot can do
    auth            mechanisms, such as "plain login scram-sha-256 oauthbearer"
    users           {user: password} instead of "every name, one password"
    master          (name, password) of an administrator: log in as user*name, or by authorization identity
    quota           bytes an account may hold
    connections     mail_max_userip_connections
    compress        offer COMPRESS=DEFLATE
    special_use     offer Drafts, Sent, Trash, Junk, Archive with their special use
    pop3            serve POP3 too, one connection a user: STLS on `pop3_port`, TLS on `pop3s_port`
    settings        further lines for the configuration
    """

    name = "dovecot"

    def __init__(self, format="sdbox", separator="/", prefix="", cert=None, cleartext=True, tls_min="TLSv1.2",
                 capabilities=None, auth="plain login", users=None, master=None, quota=None, connections=100,
                 compress=True, fsync="never", special_use=True, auth_delay=0,
                 pop3=False, settings=""):
        super().__init__()
        self.format = format
        self.separator = separator
        self.prefix = prefix
        self.cert = cert
        self.cleartext = cleartext
        self.tls_min = tls_min
        self.capabilities = capabilities
        self.auth = auth
        self.users = users
        self.master = master
        self.quota = quota
        self.connections = connections
        self.compress = compress
        self.fsync = fsync
        self.special_use = special_use
        self.auth_delay = auth_delay
        self.pop3 = pop3
        self.settings = settings
        self.tls_port = self.pop3_port = self.pop3s_port = None

    @classmethod
    def available(cls):
        return None if shutil.which("dovecot", path=_path()) else "dovecot-imapd is not installed"

    def password(self, user):
        return self.users[user] if self.users else PASSWORD

    def token(self, user, seconds=3600):
        """A bearer token for XOAUTH2 and OAUTHBEARER (a JWT signed with the lab's key); seconds < 0: expired."""
        def encode(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=")
        now = int(time.time())
        head = encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        body = encode(json.dumps({"sub": user, "iat": now - 10 + min(seconds, 0), "exp": now + seconds}).encode())
        mac = hmac.new(TOKEN_KEY, head + b"." + body, hashlib.sha256).digest()
        return (head + b"." + body + b"." + encode(mac)).decode()

    def config(self, user, group):
        plugins = []
        imap_plugins = ["$mail_plugins"]
        plugin = []
        extra = []
        if self.compress:
            plugins.append("zlib")
            imap_plugins.append("imap_zlib")
        if self.quota is not None:
            plugins.append("quota")
            imap_plugins.append("imap_quota")
            plugin += ["quota = count:User quota", "quota_vsizes = yes", "quota_grace = 0",
                       "quota_rule = *:bytes=%d" % self.quota]
        if self.capabilities:
            extra.append("imap_capability = " + self.capabilities)
        if self.cert:
            extra += ["ssl_cert = <%s/tls.pem" % self.dir, "ssl_key = <%s/tls.key" % self.dir,
                      "ssl_min_protocol = " + self.tls_min, "ssl_cipher_list = ALL:@SECLEVEL=0"]
        text = BASIC.format(
            dir=self.dir, run=self.dir + "/run", home=self.dir + "/home", user=user, group=group,
            location=FORMATS[self.format], fsync=self.fsync, connections=self.connections,
            plugins=" ".join(plugins), imap_plugins=" ".join(imap_plugins), plugin="\n".join(plugin),
            auth=self.auth, auth_delay=self.auth_delay, separator=self.separator, prefix=self.prefix,
            ssl="no" if not self.cert else "yes" if self.cleartext else "required",
            special_use=SPECIAL_USE if self.special_use else "", port=self.port,
            tls_port=self.tls_port if self.cert else 0, protocols="imap pop3" if self.pop3 else "imap",
            pop3=POP3.format(port=self.pop3_port, tls_port=self.pop3s_port if self.cert else 0) if self.pop3 else "",
            extra="\n".join(extra))
        return text + self._passdbs() + USERDB.format(
            user=user, group=group, home=self.dir + "/home") + self.settings + "\n"

    def _passdbs(self):
        text = ""
        if "oauth" in self.auth:
            text += ("passdb {\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = %s/oauth2.conf\n}\n"
                     % self.dir)
        if self.master:
            text += "passdb {\n  driver = passwd-file\n  master = yes\n  args = %s/masters\n}\n" % self.dir
            text += "auth_master_user_separator = *\n"
        if self.users:
            return text + "passdb {\n  driver = passwd-file\n  args = %s/users\n}\n" % self.dir
        # A static passdb splits its arguments at blanks, so the one password stands in a file keyed by a wildcard.
        return text + ("passdb {\n  driver = passwd-file\n  args = username_format=any %s/users\n}\n" % self.dir)

    def _secrets(self):
        """Files that only the account running Dovecot has to read, so it gets copies of its own."""
        if self.cert:
            shutil.copyfile(self.cert.cert, os.path.join(self.dir, "tls.pem"))
            shutil.copyfile(self.cert.key, os.path.join(self.dir, "tls.key"))
        users = self.users or {"any": PASSWORD}
        # A colon would end the password's field.
        files = {"users": "".join("%s:{PLAIN.b64}%s\n" % (name, base64.b64encode(word.encode()).decode())
                                  for name, word in users.items())}
        if self.master:
            files["masters"] = "%s:{PLAIN}%s\n" % tuple(self.master)
        if "oauth" in self.auth:
            files["oauth2.conf"] = (
                "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=%s/keys/\n"
                "username_attribute = sub\n" % self.dir)
            os.makedirs(self.dir + "/keys/default/HS256")
            with open(self.dir + "/keys/default/HS256/default", "wb") as file:
                file.write(base64.b64encode(TOKEN_KEY))
        for name, text in files.items():
            with open(os.path.join(self.dir, name), "w") as file:
                file.write(text)

    def _start(self):
        user, group, uid, gid = unprivileged()
        self.port, self.tls_port, self.pop3_port, self.pop3s_port = free_ports(4)
        for name in ("run", "home"):
            os.mkdir(os.path.join(self.dir, name))
        self._secrets()
        conf = os.path.join(self.dir, "dovecot.conf")
        with open(conf, "w") as file:
            file.write(self.config(user, group))
        argv = self.as_server_user([shutil.which("dovecot", path=_path()), "-F", "-c", conf])
        open(os.path.join(self.dir, "log"), "w").close()
        if os.getuid() == 0:
            os.chmod(self.dir, 0o755)
            for path, _, names in os.walk(self.dir):
                os.chown(path, uid, gid)
                for name in names:
                    os.chown(os.path.join(path, name), uid, gid)
        self._spawn(argv)
        self._wait_ready(self.port)

    @staticmethod
    def as_server_user(argv):
        """A command that runs as the account Dovecot runs as."""
        if os.getuid() != 0:
            return argv
        _, _, uid, gid = unprivileged()
        return ["setpriv", "--reuid=%d" % uid, "--regid=%d" % gid, "--clear-groups", "--pdeathsig=KILL", *argv]

    def pop3_url(self, user, port=None, **keys):
        """The location of an account's INBOX by POP3, in clear text unless keys say otherwise."""
        return "pop3" + self.url(user, port=port or self.pop3_port, **keys)[len("imap"):]

    def remove_user(self, user):
        """Removes an account's mail."""
        shutil.rmtree(os.path.join(self.dir, "home", user), ignore_errors=True)

    def doveadm(self, *args):
        """argv for doveadm speaking to this server's configuration."""
        return [shutil.which("doveadm", path=_path()), "-c", os.path.join(self.dir, "dovecot.conf"), *args]


def _path():
    return os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
