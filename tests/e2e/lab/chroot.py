"""Runs a server whose Debian packages conflict with Dovecot's, without installing them.

The packages are downloaded and unpacked into the upper layer of an overlay over /, and the server runs in a chroot
there, in mount and process namespaces of its own: dpkg's database stays as it is, and when the first process ends,
everything is gone. Needs root.
"""
import glob
import os
import re
import shlex
import shutil
import subprocess

from .server import Server

CACHE = os.environ.get("MAILHAUL_LAB_CACHE", "/var/tmp/mailhaul-lab")
# What the packages ask for and an IMAP server on loopback has no use for.
UNWANTED = re.compile(r"-dev$|^exim4|^gawk$|^gnutls|^libgnutls|^dovecot")
FETCH_TIMEOUT = 300

SETUP = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs {dir}/layer
mkdir {dir}/layer/up {dir}/layer/work {dir}/layer/root {dir}/layer/new
for package in {packages}; do dpkg-deb -x "$package" {dir}/layer/new; done
cd {dir}/layer/new
# On a merged /usr the directories /bin, /lib and /sbin are links that must not be hidden by directories.
for name in bin lib sbin lib64; do
	if [ -d "$name" ] && [ ! -L "$name" ]; then mkdir -p "usr/$name"; cp -a "$name/." "usr/$name/"; rm -rf "$name"; fi
done
cd /
cp -a {dir}/layer/new/. {dir}/layer/up/
rm -rf {dir}/layer/new
cp -a {dir}/files/. {dir}/layer/up/
mount -t overlay overlay -o lowerdir=/,upperdir={dir}/layer/up,workdir={dir}/layer/work {dir}/layer/root
mount --rbind /dev {dir}/layer/root/dev
mount -t proc proc {dir}/layer/root/proc
mount -t tmpfs tmpfs {dir}/layer/root/run
# No exec: this shell is the first process of the namespace and dies with its parent, which a server that changes its
# user would not.
chroot {dir}/layer/root /bin/sh /lab-start
exit $?
"""


def packages(name, roots):
    """The .deb files of some packages and of the libraries that are missing here; downloads them once."""
    folder = os.path.join(CACHE, name)
    done = os.path.join(folder, "complete")
    if not os.path.exists(done):
        os.makedirs(folder, exist_ok=True)
        plan = subprocess.run(["apt-get", "-s", "-q", "--no-install-recommends", "install", *roots],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=FETCH_TIMEOUT,
                              env=dict(os.environ, LC_ALL="C"))
        names = [line.split()[1] for line in plan.stdout.splitlines() if line.startswith("Inst ")]
        names = sorted({n for n in names if not UNWANTED.search(n)} | set(roots))
        subprocess.run(["apt-get", "-q", "download", *names], cwd=folder, check=True, timeout=FETCH_TIMEOUT,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        open(done, "w").close()
    return sorted(glob.glob(os.path.join(folder, "*.deb")))


class Chrooted(Server):
    """Base of Cyrus and Courier: `roots` are the packages, `files()` the files to add, `script()` starts the server."""

    roots = ()
    _reason = {}

    @classmethod
    def available(cls):
        if cls.name not in Chrooted._reason:
            Chrooted._reason[cls.name] = cls._unavailable()
        return Chrooted._reason[cls.name]

    @classmethod
    def _unavailable(cls):
        if os.getuid() != 0:
            return "needs root (overlay mount and chroot)"
        for tool in ("unshare", "dpkg-deb", "apt-get", "chroot", "mount"):
            if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
                return "needs " + tool
        probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], stderr=subprocess.PIPE)
        if probe.returncode:
            return "no namespaces here: " + probe.stderr.decode(errors="replace").strip()
        try:
            packages(cls.name, cls.roots)
        except (subprocess.SubprocessError, OSError) as err:
            return "the packages cannot be downloaded: %s" % err
        return None

    def files(self):
        """{path: (text, mode)} to place in the chroot."""
        raise NotImplementedError

    def script(self):
        """A shell script that starts the server in the foreground, within the chroot."""
        raise NotImplementedError

    def _start(self):
        debs = packages(self.name, self.roots)
        os.mkdir(os.path.join(self.dir, "layer"))
        files = dict(self.files())
        files["/lab-start"] = (self.script(), 0o755)
        for path, (text, mode) in files.items():
            target = os.path.join(self.dir, "files") + path
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w") as file:
                file.write(text)
            os.chmod(target, mode)
        for path, _, _ in os.walk(os.path.join(self.dir, "files")):
            os.chmod(path, 0o755)
        setup = SETUP.format(dir=shlex.quote(self.dir), packages=" ".join(map(shlex.quote, debs)))
        self._spawn(["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "/bin/sh", "-c", setup])
        self._wait_ready(self.port, 60)


def with_user(line, name):
    """The host's /etc/passwd or /etc/group, and one more line when nobody has the name yet."""
    path = "/etc/passwd" if line.count(":") > 3 else "/etc/group"
    with open(path) as file:
        text = file.read()
    if not re.search(r"(?m)^%s:" % re.escape(name), text):
        text += line + "\n"
    return text, 0o644
