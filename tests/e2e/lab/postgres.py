"""A private PostgreSQL on loopback and on a socket, run as an unprivileged user from a temporary directory.

    with Postgres() as server:
        server.url("results")           # a location for --db: a database of that name is made
        server.query("results", "SELECT count(*) FROM mailhaul.runs")
"""
import glob
import os
import shutil
import subprocess
import time

from .dovecot import Dovecot
from .server import PASSWORD, Server, free_ports, unprivileged

SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{dir}'
fsync = off
full_page_writes = off
shared_buffers = 16MB
max_connections = 30
max_wal_size = 256MB
log_min_messages = warning
log_statement = 'all'
password_encryption = scram-sha-256
"""
TLS = """
ssl = on
ssl_cert_file = '{dir}/tls.pem'
ssl_key_file = '{dir}/tls.key'
"""
USER = "anna"


class Postgres(Server):
    """One private cluster. The user anna owns every database; her password is the lab's.

    cert        a lab.tls.Cert: TLS as well
    """

    name = "postgres"

    def __init__(self, cert=None):
        super().__init__()
        self.cert = cert

    @classmethod
    def available(cls):
        return None if cls.program("initdb") else "postgresql is not installed"

    @staticmethod
    def program(name):
        """The newest one that is installed."""
        found = glob.glob("/usr/lib/postgresql/*/bin/" + name)
        return max(found, key=lambda path: int(path.split("/")[4])) if found else shutil.which(name)

    def db_url(self, database, user=USER, password=None, host=None, query=""):
        """What --db takes. Without a password the secret goes by file: pass_options()."""
        secret = ":" + password.replace("%", "%25").replace(" ", "%20") if password else ""
        return "postgresql://%s%s@%s:%d/%s%s" % (user, secret, host or self.host, self.port, database, query)

    def pass_options(self):
        return ["--db-pass-file", self.pass_file(USER)]

    def create(self, database, encoding="UTF8", owner=USER):
        self._psql("template1", 'CREATE DATABASE "%s" OWNER "%s" ENCODING \'%s\' TEMPLATE template0 LOCALE \'C\''
                   % (database, owner, encoding))

    def query(self, database, sql, user=USER):
        """Rows as lists of texts, NULL as None."""
        out = self._psql(database, sql, user)
        return [[None if field == "\1" else field for field in row.split("\2")] for row in out.split("\3") if row]

    def _psql(self, database, sql, user="postgres"):
        result = subprocess.run(
            [self.program("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-F", "\2", "-R", "\3", "-P", "null=\1", "-h", self.dir,
             "-p", str(self.port), "-U", user, "-d", database, "-c", sql],
            capture_output=True, text=True, timeout=30,
            env={**os.environ, "PGPASSWORD": PASSWORD, "PGOPTIONS": "-c search_path=mailhaul,public", "LC_ALL": "C.UTF-8"})
        assert result.returncode == 0, result.stderr
        return result.stdout.rstrip("\n")

    @property
    def data(self):
        return os.path.join(self.dir, "data")

    def _run(self, *argv):
        result = subprocess.run(Dovecot.as_server_user(list(argv)), capture_output=True, text=True, cwd="/",
                                env={**os.environ, "LC_ALL": "C.UTF-8"}, timeout=60)
        assert result.returncode == 0, "%s\n%s%s" % (argv, result.stdout, result.stderr)

    def _start(self):
        _, _, uid, gid = unprivileged()
        self.port, = free_ports(1)
        if os.getuid() == 0:
            os.chmod(self.dir, 0o755)
            os.chown(self.dir, uid, gid)
        self._run(self.program("initdb"), "-D", self.data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C",
                  "--no-sync", "--no-instructions")
        with open(self.data + "/postgresql.conf", "a") as file:
            file.write((SETTINGS + (TLS if self.cert else "")).format(port=self.port, dir=self.dir))
        # The administrator comes by the socket; everybody else proves who he is.
        with open(self.data + "/pg_hba.conf", "w") as file:
            file.write("local all postgres trust\nlocal all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n")
        for path in ("tls.pem", "tls.key") if self.cert else ():
            shutil.copyfile(self.cert.cert if path == "tls.pem" else self.cert.key, os.path.join(self.dir, path))
            os.chmod(os.path.join(self.dir, path), 0o600)
            if os.getuid() == 0:
                os.chown(os.path.join(self.dir, path), uid, gid)
        self.up()
        self._psql("template1", "CREATE ROLE %s LOGIN PASSWORD '%s'" % (USER, PASSWORD))

    def up(self, timeout=30.0):
        """Starts the server on its data, and waits until it takes connections."""
        self._spawn(Dovecot.as_server_user([self.program("postgres"), "-D", self.data]))
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.process.poll() is None:
            ready = subprocess.run([self.program("pg_isready"), "-q", "-h", self.dir, "-p", str(self.port)])
            if ready.returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError("postgres does not start:\n" + self.log())

    def down(self):
        """Ends it at once, as a crash does; its data stay."""
        data = self.dir
        self.dir = None
        self.stop()
        self.dir = data
