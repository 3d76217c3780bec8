"""What every IMAP server of the lab has in common: a place to live, a port, a sure end."""
import atexit
import contextlib
import grp
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PASSWORD = "s3cret pass%word"
"""Every user's password, unless the server was given others. The blank and the per cent catch missing quoting."""

UNPRIVILEGED = "nobody"
ROOM_NEEDED = 2 << 30  # bytes free on /dev/shm before it is preferred to the disk


def work_dir(prefix):
    """A fresh directory, in memory when there is room: the lab measures programs, not disks."""
    base = os.environ.get("MAILHAUL_LAB_DIR")
    if not base and os.access("/dev/shm", os.W_OK):
        space = os.statvfs("/dev/shm")
        if space.f_bavail * space.f_frsize >= ROOM_NEEDED:
            base = "/dev/shm"
    base = base or tempfile.gettempdir()
    _sweep(base)
    return tempfile.mkdtemp(prefix="mailhaul-%s-%d-" % (prefix, os.getpid()), dir=base)


def _sweep(base):
    """Removes what runs that were killed left behind; their processes died with them."""
    for name in os.listdir(base):
        match = re.match(r"mailhaul-[a-z]+-(\d+)-", name)
        if match and not os.path.exists("/proc/" + match.group(1)):
            shutil.rmtree(os.path.join(base, name), ignore_errors=True)


def free_ports(count):
    """Ports that were free a moment ago, all different."""
    sockets = [socket.socket() for _ in range(count)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


# In front of a command: a test run that is killed must not leave it behind. A preexec_fn could do it too, but then Python forks itself, pages and all.
DIE_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"]


def until(check, seconds=60):
    """Waits for something to become true, however slow the machine is, and returns it."""
    end = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > end:
            raise AssertionError("not within %d s" % seconds)
        time.sleep(0.02)
    return found


def descendants(pid):
    """All live processes below pid, from /proc."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                with open("/proc/%s/stat" % entry) as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def cpu_seconds(pids):
    """User and system time of live processes and of those they have waited for."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open("/proc/%d/stat" % pid) as stat:
                fields = stat.read().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


class Server:
    """Base of Dovecot, Cyrus and Courier. A context manager; `start` and `stop` may also be called by hand."""

    name = "server"
    host = "127.0.0.1"
    separator = "/"
    prefix = ""

    def __init__(self):
        self.port = None
        self.dir = None
        self.process = None

    @classmethod
    def available(cls):
        """None when this server can be started here, else the reason why not."""
        return None

    def password(self, user):
        """The password of a user; all servers of the lab know the user once `add_user` was called."""
        return PASSWORD

    def add_user(self, user):
        """Makes sure that a user exists. Servers which know every user do nothing."""

    def url(self, user, port=None, **keys):
        """The location of an account for mailhaul, in clear text; `port` may be a proxy's. The secret goes by file."""
        keys = {"tls": "none", "pass-file": self.pass_file(user), **keys}
        query = "&".join("%s=%s" % item for item in keys.items() if item[1] is not None)
        return "imap://%s@%s:%d?%s" % (user.replace("@", "%40"), self.host, port or self.port, query)

    def pass_file(self, user):
        """A file, readable by its owner only, that holds the password."""
        path = os.path.join(self.dir, "pass-" + user.replace("/", "_"))
        if not os.path.exists(path):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write(self.password(user) + "\n")
        return path

    def start(self):
        self.dir = work_dir(self.name)
        atexit.register(self.stop)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        """Ends every process, then removes every file. Safe to call twice."""
        atexit.unregister(self.stop)
        if self.process:
            below = descendants(self.process.pid)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            for pid in below:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
        if self.dir:
            self._clean()
            shutil.rmtree(self.dir, ignore_errors=True)
            self.dir = None

    def cpu(self):
        """CPU seconds that the server has used so far, its children included."""
        return cpu_seconds([self.process.pid] + descendants(self.process.pid))

    def log(self):
        """What the server logged."""
        with contextlib.suppress(OSError):
            with open(os.path.join(self.dir, "log"), errors="replace") as file:
                return file.read()
        return ""

    def _start(self):
        raise NotImplementedError

    def _clean(self):
        """For servers that hold more than processes and files."""

    def _spawn(self, argv, **kwargs):
        """Starts the server as leader of its own process group, its output in the log."""
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [*DIE_WITH_PARENT, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                **kwargs)

    def _wait_ready(self, port, timeout=20.0):
        """Waits for an IMAP greeting, not just for the listening socket."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                with socket.create_connection((self.host, port), 5) as sock:
                    if sock.recv(4) == b"* OK":
                        return
            time.sleep(0.005)
        raise RuntimeError("%s does not answer on port %d:\n%s" % (self.name, port, self.log()))

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.stop()


def unprivileged():
    """(user, group) the servers run as: ourselves, or nobody when we are root."""
    uid = os.getuid()
    entry = pwd.getpwnam(UNPRIVILEGED) if uid == 0 else pwd.getpwuid(uid)
    return entry.pw_name, grp.getgrgid(entry.pw_gid).gr_name, entry.pw_uid, entry.pw_gid
