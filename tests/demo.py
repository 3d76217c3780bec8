#!/usr/bin/env python3
"""The main job, shown: an account is copied between two real servers, killed half way, finished, and checked.

Called by script/demo. Servers, mail and state live in temporary directories and are gone afterwards.
"""
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time
import unicodedata

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests" / "e2e"))

from lab import corpus, load, witness  # noqa: E402
from lab.dovecot import Dovecot  # noqa: E402
from lab.proxy import Proxy  # noqa: E402

USER = "anna"


def say(text):
    print("\n\033[1m%s\033[0m" % text if sys.stdout.isatty() else "\n" + text, flush=True)


def mailhaul(program, env, *args, kill_after=None):
    argv = [program, *args]
    print("$ mailhaul " + " ".join(shlex.quote(arg) for arg in args), flush=True)
    process = subprocess.Popen(argv, env=env)
    if kill_after is None:
        return process.wait()
    time.sleep(kill_after)
    process.kill()
    process.wait()
    return None


def pad(text, width):
    return text + " " * (width - sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text))


def configure(home, accounts):
    """The accounts by name, as a user would have them."""
    path = pathlib.Path(home) / "mailhaul" / "config"
    path.parent.mkdir()
    path.write_text("\n".join("[account %s]\nlocation = %s\n" % item for item in accounts.items()))
    path.chmod(0o600)
    print("$ cat ~/.config/mailhaul/config\n" + path.read_text().rstrip())


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="mailhaul-demo-") as home, Dovecot() as old, Dovecot(separator=".") as new:
        progress = ["--progress=always"] if sys.stderr.isatty() else []
        env = dict(os.environ, XDG_STATE_HOME=home, XDG_CONFIG_HOME=home)
        say("Two private Dovecot servers are up; the old one gets an account of 1,000 messages in 10 mailboxes.")
        load.fill(old, USER, corpus.s(0.1))
        with Proxy(old, rtt=0.02, rate=8_000_000) as far:
            configure(home, {"old": far.url(USER), "new": new.url(USER)})
            say("The old server is a bit away (20 ms, 8 MB/s). Copy it, and pull the plug after two seconds:")
            mailhaul(program, env, "copy", "old", "new", *progress, kill_after=2)
            say("Killed. The same command again goes on where it was:")
            if mailhaul(program, env, "copy", "old", "new", *progress) != 0:
                return 1
            say("And once more: nothing to do.")
            if mailhaul(program, env, "copy", "old", "new") != 0:
                return 1
        say("What an independent client (Python's imaplib) sees on both sides:")
        differences = witness.diff(witness.read(old, USER), witness.read(new, USER))
        there = witness.read(new, USER)
        for name in sorted(there.mailboxes):
            print("  %s %5d messages" % (pad(name, 30), len(there.mailboxes[name])))
        for difference in differences:
            print("  DIFFERENT: %s" % difference)
        print("every message, flag and date is the same" if not differences else "the copies differ")
        return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
