"""copy --users: many accounts in one run."""
import collections
import signal
import subprocess
import sys
import time

import pytest

from conftest import PROGRAM
from copying import both, count, note, notes
from lab import load, witness
from lab.dovecot import Dovecot
from lab.server import DIE_WITH_PARENT, PASSWORD, until
from test_secrets import hits, left_behind


def where(server, who="%u", **keys):
    return "imap://%s@127.0.0.1:%d?%s" % (who, server.port, "&".join(["tls=none"] + ["%s=%s" % item for item in keys.items()]))


def users_file(run, *lines, name="secret", mode=0o600, end="\n"):
    """Named so that left_behind() does not look into it."""
    path = run.home / name
    path.write_bytes("".join(line + end for line in lines).encode())
    path.chmod(mode)
    return path


def escape(text):
    return "".join("\\" + c if c in ":\\#=@!$ " else c for c in text)


class Reports:
    """The JSON lines of a run over users: of each, and of all."""

    def __init__(self, result):
        self.result = result
        self.of = collections.defaultdict(list)
        self.all = []
        for line in result.json:
            (self.of[line["user"]] if "user" in line else self.all).append(line)
        assert self.all[0]["type"] == "begin" and self.all[-1]["type"] == "end" and len(self.all) == 2, result
        self.end = self.all[-1]
        assert self.end["exit_code"] == result.code, result
        for lines in self.of.values():
            assert lines[0]["type"] == "begin" and lines[-1]["type"] == "end", result
            assert sum(line["type"] == "end" for line in lines) == 1, result
        ends = [lines[-1] for lines in self.of.values()]
        assert self.end["users_done"] == len(ends), result
        for key in ("found", "copied", "copied_bytes", "failed", "refused", "unknown", "there_by_record", "mailboxes"):
            assert self.end[key] == sum(end[key] for end in ends), (key, result)

    def codes(self):
        return {user: lines[-1]["exit_code"] for user, lines in self.of.items()}


def copy_users(run, path, source, target, *options, code=0, **kwargs):
    result = run("copy", "--users", path, source, target, "--json", "--progress=never", *options, **kwargs)
    assert result.code == code, result
    return Reports(result)


@pytest.fixture
def names(user):
    """names(20) gives so many fresh users."""
    return lambda count: ["%s.%d+x@a" % (user, i) for i in range(count)]


def fill(server, names, messages=2):
    for i, name in enumerate(names):
        load.append_many(server, name, "INBOX", notes(messages, size=200 * (i % 3)))


def same(src, dst, names):
    for name in names:
        assert both(src, dst, name) == [], name


@pytest.mark.parametrize("jobs", [1, 8])
def test_twenty_users(src, dst, run, names, jobs):
    people = names(20)
    fill(src, people)
    path = users_file(run, "# everybody", "", *("%s:%s" % (escape(name), PASSWORD) for name in people))
    report = copy_users(run, path, where(src), where(dst), "-j", jobs)
    assert report.end["users"] == 20 and report.end["users_failed"] == 0 and report.end["copied"] == 40
    assert set(report.of) == set(people)
    same(src, dst, people)
    # Again: nothing is left to do.
    report = copy_users(run, path, where(src), where(dst), "-j", jobs)
    assert report.end["copied"] == 0 and report.end["mailboxes_unchanged"] == report.end["mailboxes"]
    # One more message, and one more user.
    load.append_many(src, people[3], "INBOX", [note(99)])
    report = copy_users(run, path, where(src), where(dst))
    assert report.end["copied"] == 1 and report.of[people[3]][-1]["copied"] == 1
    same(src, dst, people)


def test_two_fail(src, dst, run, names):
    """A wrong password and a server that refuses: the others arrive, and the code says the gravest."""
    people = names(6)
    fill(src, people)
    lines = ["%s:%s" % (escape(name), PASSWORD) for name in people]
    lines[1] = "%s:wrong:%s:%s" % (escape(people[1]), escape(people[1]), PASSWORD)
    lines[4] += ":source=imap://%u@127.0.0.1:1?tls=none"
    report = copy_users(run, users_file(run, *lines), where(src), where(dst), "-j3", "--retries=1", code=5)
    assert report.codes() == {name: {1: 5, 4: 4}.get(i, 0) for i, name in enumerate(people)}
    assert report.end["users_failed"] == 2 and report.end["verdict"] == "incomplete"
    same(src, dst, [name for i, name in enumerate(people) if i not in (1, 4)])


def test_what_people_read(src, dst, run, names):
    people = names(3)
    fill(src, people)
    path = users_file(run, *("%s:%s" % (escape(name), PASSWORD if i else "wrong") for i, name in enumerate(people)))
    log = run.home / "log"
    trace = run.home / "trace"
    result = run("copy", "--users", path, where(src), where(dst), "--log", log, "--trace", trace, "-j2", check=5)
    assert "%s: complete: 2 copied" % people[1] in result.out and "INCOMPLETE: 1 of 3 users" in result.out
    assert "%s: incomplete: 0 copied" % people[0] in result.out
    assert "error: %s: " % people[0] in result.err
    text = log.read_text()
    for name in people[1:]:
        assert " %s: run begins: " % name in text, text
    assert (" src(%s) C: " % people[2]).encode() in trace.read_bytes()
    # Quiet: only what went wrong, and the verdict.
    result = run("copy", "-q", "--users", path, where(src), where(dst), check=5)
    assert len(result.out.splitlines()) == 1, result


def test_report_file(src, dst, run, names):
    people = names(2)
    fill(src, people)
    path = users_file(run, *("%s:%s" % (escape(name), PASSWORD) for name in people))
    file = run.home / "report"
    run("copy", "--users", path, where(src), where(dst), "--report", file, check=0)
    first = file.read_text()
    assert {name for name in people if '"user":"%s"' % name in first} == set(people)
    assert first.count('"type":"end"') == 3


def test_one_user_is_a_plain_run(src, dst, run, run_new, user):
    load.append_many(src, user, "INBOX", notes(5))
    path = users_file(run, "%s:%s" % (user, PASSWORD))
    many = copy_users(run, path, where(src), where(dst)).of[user]
    plain = run("copy", "--json", src.url(user), dst.url(user + "x"), check=0).json
    assert [line["type"] for line in many] == [line["type"] for line in plain]
    for one, other in zip(many, plain):
        assert set(one) - {"user"} == set(other)
    # And they share the record.
    again = run("copy", "--json", src.url(user), dst.url(user), check=0).json[-1]
    assert again["copied"] == 0 and again["mailboxes_unchanged"] == again["mailboxes"]


@pytest.mark.parametrize("jobs", [1, 4])
def test_interrupted(src, dst, run, names, jobs):
    people = names(8)
    fill(src, people, 40)
    path = users_file(run, *("%s:%s" % (escape(name), PASSWORD) for name in people))
    options = ["copy", "--json", "--users", path, where(src), where(dst), "-j%d" % jobs]
    process = run.start(*options, "--rate=60")
    until(lambda: count(dst, people[0]))
    process.send_signal(signal.SIGINT)
    result = run.finish(process)
    assert result.code == 130, result
    end = Reports(result).end
    assert end["verdict"] == "interrupted" and end["copied"] < 320
    again = copy_users(run, path, where(src), where(dst))
    assert again.end["copied"] == 320 - end["copied"]
    same(src, dst, people)


def test_rate_counts_over_all(src, dst, run, names):
    """Eight users at 20 messages a second take as long as one with as many messages."""
    people = names(8)
    fill(src, people, 10)
    path = users_file(run, *("%s:%s" % (escape(name), PASSWORD) for name in people))
    began = time.monotonic()
    copy_users(run, path, where(src), where(dst), "-j8", "--rate=20")
    assert time.monotonic() - began > 2.5


def test_full_disk_ends_all(src, dst, run, names):
    people = names(6)
    fill(src, people)
    path = users_file(run, *("%s:%s" % (escape(name), PASSWORD) for name in people))
    report = copy_users(run, path, where(src), where(dst), "-j1", code=7, env={"MAILHAUL_FAULT": "fsync:9+:ENOSPC"})
    assert report.end["users_done"] < 6
    copy_users(run, path, where(src), where(dst))
    same(src, dst, people)


def test_a_path_that_cannot_be_made_is_one_users_trouble(src, run, names, tmp_path):
    people = names(4)
    fill(src, people)
    (tmp_path / people[1]).write_text("a file where a directory is wanted")
    path = users_file(run, *("%s:%s" % (escape(name), PASSWORD) for name in people))
    report = copy_users(run, path, where(src), "eml:%s/%%u/mail" % tmp_path, "-j1", code=7)
    assert report.codes() == {name: 7 if name == people[1] else 0 for name in people}
    assert report.end["users_done"] == 4


def test_a_record_in_use_is_one_users_trouble(src, dst, run, names, proxy):
    people = names(3)
    fill(src, people)
    path = users_file(run, *("%s:%s" % (escape(name), PASSWORD) for name in people))
    copy_users(run, path, where(src), where(dst))
    damaged = sorted(run.state.glob("*.db"))[0]
    damaged.write_bytes(b"no database" * 1000)
    report = copy_users(run, path, where(src), where(dst), code=7)
    assert sorted(report.codes().values()) == [0, 0, 7]


def test_deleting_is_confirmed_once(src, dst, run, names):
    people = names(3)
    fill(src, people)
    path = users_file(run, *("%s:%s" % (escape(name), PASSWORD) for name in people))
    options = ["copy", "--users", path, where(src), where(dst), "--delete-source", "--max-delete=100%"]
    # Nobody to ask, as under cron: the session has no terminal.
    result = run(*options, check=6, start_new_session=True)
    assert "nothing was begun" in result.err
    assert all(witness.read(dst, name).count == 0 for name in people)
    run(*options, "--yes", check=0)
    for name in people:
        assert (witness.read(src, name).count, witness.read(dst, name).count) == (0, 2)


def test_mirror(src, dst, run, names):
    people = names(3)
    fill(src, people)
    for name in people:
        load.append_many(dst, name, "INBOX", notes(3, first=50))
    path = users_file(run, *("%s:%s" % (escape(name), PASSWORD) for name in people))
    options = ["mirror", "--users", path, where(src), where(dst), "--max-delete=100%"]
    result = run(*options, check=6, start_new_session=True)
    assert "nothing was begun" in result.err
    result = run(*options, "--yes", check=0)
    same(src, dst, people)
    # One would delete what the other has brought.
    path = users_file(run, *("%s:%s:%s:%s" % (escape(name), PASSWORD, escape(people[0]), PASSWORD) for name in people))
    result = run("mirror", "--yes", "--users", path, where(src), where(dst), check=2)
    assert ":2: an account that another line has too" in result.err


def test_options_of_a_line(src, dst, run, names):
    people = names(2)
    fill(src, people)
    mapping = run.home / "mapping"
    mapping.write_text("INBOX: Old mail\n")
    path = users_file(
        run, "%s:%s:root=Old\\ place dst-connections=1" % (escape(people[0]), PASSWORD),
        "%s:%s:%s:%s:map=%s" % (escape(people[1]), PASSWORD, escape(people[1] + "2"), PASSWORD, mapping))
    copy_users(run, path, where(src), where(dst))
    assert len(witness.read(dst, people[0]).mailboxes["Old place/INBOX"]) == 2
    assert len(witness.read(dst, people[1] + "2").mailboxes["Old mail"]) == 2


def test_two_into_one(src, dst, run, names):
    """Users with an account in common are not at work at once."""
    people = names(4)
    fill(src, people)
    lines = ["%s:%s:%s:%s:root=from%d" % (escape(name), PASSWORD, escape(people[0] + "all"), PASSWORD, i)
             for i, name in enumerate(people)]
    # The same again, as servers that don't tell upper from lower case in user names see it.
    lines.append(lines[0].replace(escape(people[0]), escape(people[0].upper())))
    path = users_file(run, *lines)
    copy_users(run, path, where(src), where(dst), "-j8")
    target = witness.read(dst, people[0] + "all")
    assert all(len(target.mailboxes["from%d/INBOX" % i]) == 2 for i in range(4))


def test_secrets_of_every_kind(servers, dst, run, names):
    secret = "c4nary: \\of#the=mine%@!$"
    people = names(5)
    server = servers(Dovecot, users={name: secret for name in people})
    for name in people:
        load.append_many(server, name, "INBOX", [note(1)])
    (run.home / "secret.d").mkdir()
    file = run.home / "secret.d" / "secret"
    file.write_text(secret + "\n")
    file.chmod(0o600)
    kinds = [escape(secret), "@" + escape(str(file)), "!cat\\ " + escape(str(file)), "$CANARY", "@" + escape(str(file.parent)) + "/secret"]
    lines = ["%s:%s:%s:%s" % (escape(name), kind, escape(name), PASSWORD) for name, kind in zip(people, kinds)]
    files = {name: run.home / name for name in ("trace", "log", "report")}
    for mode in (["--json"], ["-vv"], ["-q"]):
        path = users_file(run, *lines)
        result = run("copy", *mode, "--users", path, where(server), where(dst), *("--%s=%s" % item for item in files.items()),
                     env={"CANARY": secret}, check=0)
        assert not hits(people[0], secret, result.out, result.err, left_behind(run)), result
        assert not hits(people[0], PASSWORD, result.out, result.err, left_behind(run)), result
        assert b"C: ***" in files["trace"].read_bytes()


def test_broken_files_tell_no_secrets(run):
    for line in ("a:c4nary:b", "a:c4nary:b:c4nary:c4nary", "a:c4nary:x=c4nary", "a:c4\\nary", "a: c4nary", "a:c4nary:src-host=c4nary c4nary",
                 "a:c4nary:source=imap://u:c4nary@h", "a:c4nary:c4nary=c4nary", "a:@c4nary:src-pass-cmd=c4nary", "a:$c4nary-x"):
        path = users_file(run, "x:y", line)
        result = run("copy", "--users", path, "imap://%u@127.0.0.1:1", "imap://%u@127.0.0.1:2", "--log=l", check=2)
        assert "c4nary" not in result.err + result.out and ":2: " in result.err, (line, result)


def test_files_that_others_may_read(src, dst, run, user):
    load.append_many(src, user, "INBOX", [note(1)])
    path = users_file(run, "%s:%s" % (user, PASSWORD), mode=0o644)
    result = run("copy", "--users", path, where(src), where(dst), check=2)
    assert "chmod 600" in result.err
    # One without secrets may be anybody's to read.
    env = {"PW": PASSWORD, "PW2": PASSWORD}
    path = users_file(run, "%s:$PW" % user, mode=0o644)
    run("copy", "--users", path, where(src), where(dst), env=env, check=0)


def test_admin_for_those_without_a_secret(servers, dst, run, names):
    people = names(3)
    server = servers(Dovecot, users={name: "own" for name in people}, master=("boss", "bosspass"))
    for name in people:
        load.append_many(server, name, "INBOX", [note(1)])
    admin = run.home / "secret2"
    admin.write_text("bosspass\n")
    admin.chmod(0o600)
    path = users_file(run, *("%s:%s:%s:%s" % (escape(name), "own" if i == 1 else "", escape(name), PASSWORD)
                             for i, name in enumerate(people)))
    trace = run.home / "trace"
    copy_users(run, path, where(server), where(dst), "--src-admin=boss", "--src-pass-file=%s" % admin, "--trace", trace)
    same(server, dst, people)


def test_tokens(servers, dst, run, names):
    people = names(2)
    server = servers(Dovecot, instance=13, auth="plain xoauth2 oauthbearer")
    for name in people:
        load.append_many(server, name, "INBOX", [note(1)])
    path = users_file(run, *("%s:oauth2:%s:%s:%s" % (escape(name), server.token(name), escape(name), PASSWORD) for name in people))
    trace = run.home / "trace"
    result = run("copy", "-vv", "--users", path, where(server), where(dst), "--trace", trace, check=0)
    assert not hits(people[0], server.token(people[0]), result.err, result.out, left_behind(run))
    same(server, dst, people)
    # The same without a word about tokens in the file: the mechanism says so.
    path = users_file(run, *("%s:%s:%s:%s" % (name, server.token(name), name, PASSWORD) for name in people))
    copy_users(run, path, where(server), where(dst), "--users-format=migrate", "--src-auth=xoauth2")


LAYOUTS = {
    "escaped": lambda u, p: "%s:%s" % (escape(u), escape(p)),
    "migrate": lambda u, p: "%s:%s:%s:%s" % (u, p.replace(":", "\\:"), u, p.replace(":", "\\:")),
    "single": lambda u, p: "%s|%s" % (u, p),
    "blank": lambda u, p: "%s  %s" % (u, p),
    "pop3": lambda u, p: "%s %s\t%s   %s" % (u, p, u, p),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(servers, run, names, layout):
    secret = "pa:ss#@word"
    people = names(2)
    one = servers(Dovecot, instance=11, users={name: secret for name in people})
    other = servers(Dovecot, instance=12, users={name: secret for name in people})
    for name in people:
        load.append_many(one, name, "INBOX", [note(1)])
    path = users_file(run, "\ufeff# list", *(LAYOUTS[layout](name, secret) for name in people), end="\r\n")
    copy_users(run, path, where(one), where(other), "--users-format", layout)
    same(one, other, people)


def test_whole_file_first(src, dst, run, names):
    """Nothing begins when the last line is wrong, or says the same as the first."""
    people = names(3)
    fill(src, people)
    good = ["%s:%s" % (escape(name), PASSWORD) for name in people]
    for bad, text in (("x:y:z", ":4: 3 fields"), (good[0], ":4: the same accounts as in line 1"),
                      ("x:y:src-tls=wrong", ":4: tls: one of"),
                      ("x:y:dst-ext=eml", ":4: dst users file: ext: is for mbox: and eml: only"), ("x:y:map=/none", ":4: --map: cannot open /none")):
        result = run("copy", "--users", users_file(run, *good, bad), where(src), where(dst), check=2)
        assert text in result.err, result
    for source, text in ((where(src, "fixed"), "is the same for every user"), ("-", "the line names none")):
        result = run("copy", "--users", users_file(run, *good), source, where(dst), check=2)
        assert text in result.err, result
    assert all(witness.read(dst, name).count == 0 for name in people)


def test_list_and_check(src, run, names):
    people = names(3)
    fill(src, people)
    path = users_file(run, *("%s:%s" % (escape(name), PASSWORD if i else "wrong") for i, name in enumerate(people)))
    assert "-m None: there is no such mailbox" in run("list", "-m", "INBOX", "-m", "None", "--users", path, where(src), check=5).err
    result = run("list", "--stats", "--users", path, where(src), check=5)
    assert "%s:\n" % people[1] in result.out and "%s:\n" % people[2] in result.out
    result = run("list", "--json", "--users", path, where(src), check=5)
    assert {line["user"] for line in result.json[:-1]} == set(people) and result.json[-1]["users_failed"] == 1
    result = run("check", "--ping", "--users", path, where(src), check=5)
    assert people[2] in result.out


# A small process of its own: what a forked child of ours had before its exec would count as its peak.
PEAK = """import os, sys
child = os.fork()
if child == 0:
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024)"""


def peak(run, *args, env):
    """The exit code, and the most memory the process had, in octets."""
    result = subprocess.run([sys.executable, "-S", "-c", PEAK, *DIE_WITH_PARENT, PROGRAM, *map(str, args)], env=dict(run.env, **env),
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return tuple(map(int, result.stdout.split()))


def test_many_users_in_little_memory(run, user, soak):
    """A user who is done costs his line, his two names in the check, and a row: under the address sanitizer, which keeps no freed memory here, 1.5 kB."""
    few, many = (100, 600) if not soak else (1000, 10000)
    most = {}
    for count in (few, many):
        path = users_file(run, *("%s.%d:%s" % (user, i, PASSWORD) for i in range(count)))
        code, most[count] = peak(run, "copy", "-q", "--users", path, "imap://%u@127.0.0.1:1?tls=none", "imap://%u@127.0.0.1:2?tls=none",
                                 "--retries=0", "--state=none", "-j8", env={"ASAN_OPTIONS": "quarantine_size_mb=0:thread_local_quarantine_size_kb=0:detect_leaks=0"})
        assert code == 4
    # 2 to 4.5 KiB with the sanitizer; whoever kept an arena a user would double that.
    assert (most[many] - most[few]) / (many - few) < 6144, most


def test_pop3_and_files(servers, dst, run, names, tmp_path):
    """POP3 to IMAP, IMAP to Maildirs, Maildirs to mbox files, these back to IMAP: a row for each user, and one who fails each time stops nobody."""
    people = names(4)
    pop = servers(Dovecot, instance="pop3", format="maildir", pop3=True)
    fill(pop, people, 3)

    def lines(wrong, target=""):
        return users_file(run, *("%s:%s:%s:%s" % (escape(name), "wrong" if i == wrong == 1 else PASSWORD, escape(name + target),
                                                  "wrong" if i == wrong else PASSWORD) for i, name in enumerate(people)))

    def carry(path, source, target, wrong, code, left=3):
        report = copy_users(run, path, source, target, code=code)
        assert report.codes() == {key: code if people[wrong] in key else 0 for key in report.of} and len(report.of) == 4, report.result
        assert report.end["copied"] == 3 * left and report.end["users_failed"] == 1
        again = copy_users(run, path, source, target, code=code)
        assert again.end["copied"] == 0 and again.end["there_by_record"] == 3 * left
        return report

    # The layout of pop3toimap is read by test_layouts; this one says what is wrong for whom.
    carry(lines(1), "pop3://%%u@127.0.0.1:%d?tls=none" % pop.pop3_port, where(dst), 1, 5)
    copy_users(run, lines(None), "pop3://%%u@127.0.0.1:%d?tls=none" % pop.pop3_port, where(dst))
    (tmp_path / "maildirs").mkdir()
    (tmp_path / "maildirs" / people[2]).write_text("a file where a directory is wanted")
    plain = users_file(run, *(escape(name) + ":" + PASSWORD for name in people))
    carry(plain, where(dst), "maildir:%s/maildirs/%%u" % tmp_path, 2, 7)
    (tmp_path / "maildirs" / people[2]).unlink()
    copy_users(run, plain, where(dst), "maildir:%s/maildirs/%%u" % tmp_path)
    assert sorted(path.name for path in (tmp_path / "maildirs").iterdir()) == sorted(people)
    nobody = users_file(run, *map(escape, people))
    copy_users(run, nobody, "maildir:%s/maildirs/%%u" % tmp_path, "mbox:%s/mboxes/%%u" % tmp_path)
    carry(lines(3, "back"), "mbox:%s/mboxes/%%u" % tmp_path, where(dst), 3, 5)
    for name in people[:3]:
        found = witness.diff(witness.read(pop, name), witness.read(dst, name + "back"), flags=False, dates=False, subscriptions=False)
        assert found == [], name


HOSTILE = ["../x", "a/b", "/etc", "..\\x", "-rf", "~root", "a b", "%2e%2e", "...", "con", "*", "Ä", "x" * 250]


def test_hostile_names_in_paths(run, tmp_path):
    """Whatever a user is called, his files are in the one directory that %u makes of it."""
    (tmp_path / "from" / "INBOX").mkdir(parents=True)
    (tmp_path / "from" / "INBOX" / "1").write_bytes(note(1).body)
    outside = sorted(path.name for path in tmp_path.iterdir())
    for kind in ("maildir", "mbox", "eml"):
        path = users_file(run, *("%s::%s::source=eml:%s" % (escape(name), escape(name), tmp_path / "from") for name in HOSTILE))
        result = run("copy", "--users", path, "-", "%s:%s/to/%s/%%u" % (kind, tmp_path, kind), "--json", "-j1", check=0)
        assert Reports(result).end["copied"] == len(HOSTILE)
        made = sorted(path.name for path in (tmp_path / "to" / kind).iterdir())
        assert made == sorted(name.replace("/", "%2F").replace("%2e", "%252e") for name in HOSTILE)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(outside + ["to"])
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["eml", "maildir", "mbox"]
    for bad in ("..", ".", "a\x01b", "a\x1b[31mb", "a\0b", "a\x7fb", "x\u0085y"):
        path = users_file(run, "good::good::source=eml:%s" % (tmp_path / "from"), "%s::x::source=eml:%s" % (bad, tmp_path / "from"),
                          "x::%s::source=eml:%s" % (bad, tmp_path / "from"))
        result = run("copy", "--users", path, "-", "maildir:%s/bad/%%u" % tmp_path, check=2)
        assert ":2: " in result.err or ":3: " in result.err, result
        assert "\x1b" not in result.err and not (tmp_path / "bad").exists(), result
