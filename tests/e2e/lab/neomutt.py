"""NeoMutt as a reader of mail in files: what it finds in a mailbox, octet by octet, by its own patterns."""
import os
import pty
import select
import shutil
import time

PATTERNS = {"all": "~A", "read": "~R", "flagged": "~F", "replied": "~Q", "deleted": "~D"}
END = 60


def available():
    return None if shutil.which("neomutt") else "neomutt is not installed"


def read(place, work):
    """{pattern: [message]} of a Maildir or an mbox, in no order; messages as they stand there, the separator included. work: an empty directory.

    Every pattern must match something: a command without messages ends the whole macro.
    """
    keys = []
    for name, pattern in PATTERNS.items():
        os.makedirs(os.path.join(work, name))
        keys.append("<untag-pattern>~A<enter><tag-pattern>%s<enter><tag-prefix><pipe-message>cat >$(mktemp %s/XXXXXXXX)<enter>" % (
            pattern, os.path.join(work, name)))
    rc = os.path.join(work, "rc")
    with open(rc, "w") as file:
        file.write("set pipe_split pipe_sep='' wait_key=no pipe_decode=no quit=yes weed=no mark_old=no timeout=1 header_cache='' beep=no\n"
                   "push \"%s<exit>\"\n" % "".join(keys))
    _run(["neomutt", "-n", "-R", "-F", rc, "-f", place], dict(os.environ, TERM="xterm", HOME=work, LC_ALL="C.UTF-8"))
    found = {}
    for name in PATTERNS:
        paths = [os.path.join(work, name, entry) for entry in os.listdir(os.path.join(work, name))]
        found[name] = [_content(path) for path in paths]
    return found


def _content(path):
    with open(path, "rb") as file:
        return file.read()


def _run(argv, env):
    """On a terminal of its own; killed when it does not end."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, env)
    end = time.monotonic() + END
    seen = b""
    try:
        while time.monotonic() < end:
            if select.select([terminal], [], [], 1)[0]:
                piece = os.read(terminal, 65536)
                seen += piece
                if not piece:
                    break
        else:
            os.kill(pid, 9)
            raise RuntimeError("neomutt does not end: %r" % seen[-2000:])
    except OSError:
        pass        # the terminal is gone with it
    os.close(terminal)
    os.waitpid(pid, 0)
