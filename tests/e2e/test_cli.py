"""The command line as people meet it: help, mistakes, files of arguments, completion, the manual, list, check, terminals, signals."""
import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import termios
import time

import pytest

from conftest import PROGRAM, TOP
from lab import corpus, load, tls, witness
from lab.dovecot import Dovecot
from lab.hostile import Fake
from lab.server import free_ports, until

COMMANDS = ["copy", "mirror", "compare", "check", "list", "size", "search", "filter", "dedup", "purge", "trash", "mailbox", "run", "completion",
            "help"]
LATER = "sync backup restore snapshots verify prune migrate serve".split()
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")


def options_of(help_text):
    """Names in the column of options, not those that an explanation mentions."""
    found = set()
    for line in help_text.splitlines():
        head = re.match(r"  (?:-\w, |    |(?=--))((?:--\S+ ?)+)", line)
        if head:
            found.update(OPTION.findall(head.group(1)))
    return found


def completed_options(run):
    """Per command the option names that bash would offer."""
    script = run("completion", "bash", check=0).out
    found = {}
    for name, words in re.findall(r"^\t(\S+)\)\n\t\toptions='([^']*)'", script, re.M):
        found[name] = set(OPTION.findall(words))
    return found


def test_help_lists_commands(run):
    text = run("--help", check=0).out
    listed = re.findall(r"^  ([a-z]+) {2,}", text.split("Commands:")[1].split("\n\n")[0], re.M)
    assert listed == COMMANDS
    assert run("help", check=0).out == text
    assert run("-h", check=0).out == text


def test_version(run):
    assert re.fullmatch(r"mailhaul \d+\.\d+\.\d+\n", run("--version", check=0).out)


def test_help_is_what_the_parser_takes(run):
    completed, everywhere = completed_options(run), options_of(run("--help", check=0).out)
    for command in COMMANDS:
        text = run(command, "--help", check=0).out
        assert run("help", command, check=0).out == text
        listed, taken = options_of(text), completed[command]
        assert listed <= taken
        assert taken - listed <= everywhere
        # The lists come from the tables that the parser reads: a few of each show that it does.
        named = sorted(listed - {"help", "version"})
        for name in named[::max(1, len(named) // 3)]:
            err = run(command, "--%s" % name, "--help").err
            assert "there is no option" not in err and "is no option of" not in err


def replaced():
    """Every row of docs/replaces.md: heading, the section's command, the old option, what it is here."""
    for section in (TOP / "docs" / "replaces.md").read_text().split("\n## ")[1:]:
        heading, text = section.split("\n", 1)
        commands = re.findall(r"`mailhaul (\w+)", text.partition("\n|")[0])
        for line in re.findall(r"(?m)^\|(?!-)(.*)\|$", text)[1:]:
            old, here, remark = (cell.strip() for cell in re.split(r"(?<!\\)\|", line))
            yield heading, commands, old, here, remark


def test_what_replaces_old_options_exists(run):
    """The page names no command and no option that is not there, and leaves no old option without an answer."""
    taken = completed_options(run)
    everywhere = options_of(run("--help", check=0).out)
    letters = set(re.findall(r"^  -(\w), ", "".join(run(*words, check=0).out for words in (["--help"], ["copy", "--help"])), re.M))
    rows = list(replaced())
    assert {row[0] for row in rows} == set(re.findall(r"(?m)^## (.*)$", (TOP / "docs" / "replaces.md").read_text()))
    assert len(rows) > 150
    for heading, commands, old, here, remark in rows:
        assert here or remark, (heading, old)
        for span in re.findall(r"`([^`]+)`", here):
            named = re.match(r"(?:mailhaul )?(\w+)", span)
            within = [named.group(1)] if named and named.group(1) in COMMANDS else commands
            assert within, "%s says no command: `mailhaul …` above its table" % heading
            for name in OPTION.findall(span):
                assert all(name in taken[command] | everywhere for command in within), (heading, old, span)
            assert set(re.findall(r"(?<!\S)-(\w)(?!\S)", span)) <= letters, (heading, old, span)


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_wider_than_a_terminal(run, command):
    for line in run(command, "--help", check=0).out.splitlines():
        assert len(line) <= 100, line


@pytest.mark.parametrize("name", LATER)
def test_later_commands_say_so(run, name):
    result = run(name, "a", "b", check=2)
    assert result.err == "mailhaul: error: %s is not there yet\n" % name
    assert name not in completed_options(run)


@pytest.mark.parametrize("args, text", [
    ([], "which command?"),
    (["lsit", "a"], "did you mean list?"),
    (["copy", "a"], "copy needs SRC DST"),
    (["copy", "--exlude", "x", "a", "b"], "did you mean --exclude?"),
    (["copy", "--users", "f", "a", "b"], "--users: cannot open f"),
    (["copy", "--seen", "--unseen", "a", "b"], "exclude each other"),
    (["copy", "a", "b"], "no account a in the configuration"),
    (["copy", "--src-port=x", "imap://u@h", "imap://u@i"], "port"),
    (["copy", "--src-tls=maybe", "imap://u@h", "imap://u@i"], "tls"),
    (["copy", "imap://u@h?pass-env=P", "imap://u@H:143?pass-env=P"], "same account"),
    (["list", "--config=/does/not/exist", "a"], "/does/not/exist"),
    (["check", "--ping", "--scan", "imap://u@h"], "--ping excludes"),
    (["check", "--port=5", "imap://a@h", "imap://b@h", "imap://c@h"], "account keys belong to each of them"),
    (["list", "imap://u@h?prot=5"], "port"),
    (["completion", "tcsh"], "bash, zsh and fish"),
    (["help", "copi"], "did you mean copy?"),
    (["copy", "--log=/does/not/exist/x", "a", "b"], "/does/not/exist/x"),
])
def test_mistakes(run, args, text):
    result = run(*args, env={"P": "x"})
    assert result.code == (7 if "--log" in str(args) else 2), result
    assert text in result.err
    assert result.out == ""
    assert result.err.count("\n") == 1, "one line, no usage dump"
    assert result.err.startswith("mailhaul: error: ")


def test_argument_file(run, src, user, tmp_path):
    (tmp_path / "more").write_text("--stats\n--json\n")
    (tmp_path / "args").write_text("list\r\n\r\n%s\r\n@%s\r\n" % (src.url(user), tmp_path / "more"))
    result = run("@%s" % (tmp_path / "args"), check=0)
    assert [row["type"] for row in result.json] == ["mailbox", "total"]
    (tmp_path / "wrong").write_text("list\n--statz\n")
    assert "wrong line 2: there is no option --statz" in run("@%s" % (tmp_path / "wrong"), check=2).err
    assert run("@%s" % (tmp_path / "missing"), check=2).err.count("\n") == 1


def test_control_bytes_stay_out_of_messages(run):
    result = run("copy", "--\x1b[31mred", "a", "b", check=2)
    assert "\x1b" not in result.err


@pytest.mark.parametrize("shell, argv", [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["-n"])])
def test_completion_parses(run, tmp_path, shell, argv):
    script = run("completion", shell, check=0).out
    if not shutil.which(shell):
        pytest.skip(shell + " is not installed")
    (tmp_path / "script").write_text(script)
    subprocess.run([shell, *argv, str(tmp_path / "script")], check=True)


def bash_complete(script, *words):
    """What bash offers for the last word; the words are cut as readline cuts them."""
    code = "source '%s'\nCOMP_WORDS=(%s)\nCOMP_CWORD=%d\n_mailhaul 2>/dev/null\nprintf '%%s\\n' \"${COMPREPLY[@]}\"\n" % (
        script, " ".join("'%s'" % word for word in words), len(words) - 1)
    out = subprocess.run(["bash", "--norc", "-c", code], stdout=subprocess.PIPE, check=True, cwd=script.parent).stdout
    return out.decode().split()


def test_completion_completes(run, tmp_path):
    script = tmp_path / "mailhaul.bash"
    script.write_text(run("completion", "bash", check=0).out)
    (tmp_path / "passfile").write_text("")
    assert bash_complete(script, "mailhaul", "") == COMMANDS
    assert bash_complete(script, "mailhaul", "co") == ["copy", "compare", "completion"]
    assert bash_complete(script, "mailhaul", "copy", "--mailb") == ["--mailbox="]
    assert bash_complete(script, "mailhaul", "-n", "copy", "--progress", "=", "a") == ["auto", "always"]
    assert bash_complete(script, "mailhaul", "copy", "--progress", "n") == ["never"]
    assert bash_complete(script, "mailhaul", "copy", "--src-tls", "=") == ["implicit", "starttls", "none"]
    assert bash_complete(script, "mailhaul", "copy", "--src-pass-file", "=", "passf") == ["passfile"]
    assert bash_complete(script, "mailhaul", "copy", "@passf") == ["@passfile"]
    assert bash_complete(script, "mailhaul", "completion", "") == ["bash", "zsh", "fish"]
    assert bash_complete(script, "mailhaul", "list", "--rename") == []


def manual(run):
    with open(TOP / "docs" / "manual.in") as source:
        return run("manual", stdin=source, check=0).out


def test_manual_knows_every_option(run):
    text = manual(run).replace("\\-", "-")
    options = set(re.findall(r"^\.TP\n(?:\\fB-\w\\fR, )?\\fB--([a-z-]+)\\fR", text, re.M))
    keys = set(re.findall(r"^\.TP\n\\fB([a-z][a-z-]*)\\fR=", text, re.M))
    for command, taken in completed_options(run).items():
        for name in taken:
            assert name in options or re.sub("^(src|dst)-", "", name) in keys, (command, name)
    offered = set().union(*completed_options(run).values())
    assert options <= offered
    assert {"src-" + key for key in keys} <= offered
    for command in COMMANDS:
        assert "\\fBmailhaul %s\\fR" % command in text


def test_manual_lints(run, tmp_path):
    page = tmp_path / "mailhaul.1"
    page.write_text(manual(run))
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    out = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)], stdout=subprocess.PIPE).stdout
    assert out == b""


# list

@pytest.fixture
def odd_account(src, user):
    load.fill(src, user, corpus.t())
    return src, user


def test_list_shows_what_is_there(run, odd_account):
    server, user = odd_account
    account = witness.read(server, user)
    result = run("list", "--json", "--stats", server.url(user), check=0)
    rows = {row["name"]: row for row in result.json if row["type"] == "mailbox" and not row["noselect"]}
    assert set(rows) == set(account.mailboxes)
    for name, row in rows.items():
        messages = account.mailboxes[name]
        assert row["version"] == 1
        assert row["messages"] == len(messages)
        assert row["unseen"] == sum("\\seen" not in map(str.lower, message.flags) for message in messages)
        assert row["size"] == sum(message.size for message in messages)
    total = result.json[-1]
    assert total["type"] == "total"
    assert total["messages"] == account.count
    assert total["size"] == sum(row["size"] for row in rows.values())


def test_list_is_a_tree(run, src, user):
    for name in ("Archive", "Archive-x", "Archive/2024", "Archive/2024/Q1", "a/only child"):
        load.append_many(src, user, name, [corpus.message(1)], create=True)
    lines = run("list", src.url(user), check=0).out.splitlines()
    assert [line[:14].rstrip() for line in lines[1:]] == [
        "INBOX", "Archive", "  2024", "    Q1", "Archive-x", "a", "  only child"]
    assert "\\Archive" in lines[2]


def test_list_aligns_wide_names(run, src, user):
    for name in ("受信トレイ", "Küche", "plain"):
        load.append_many(src, user, name, [corpus.message(1)], create=True)
    lines = run("list", "--stats", src.url(user), check=0).out.splitlines()

    def columns(text):
        return sum(2 if ord(c) > 0x2e80 else 1 for c in text)
    assert len({columns(line.rstrip().split("  \\")[0]) for line in lines if "subscribed" not in line}) == 1


def test_list_selects(run, src, user):
    for name in ("Archive", "Archive/2024", "Other"):
        load.append_many(src, user, name, [corpus.message(1)], create=True)

    def names(*args, location=""):
        rows = run("list", "--json", *args, src.url(user).replace("?", location + "?"), check=0).json
        return [row["name"] for row in rows if row["type"] == "mailbox"]
    assert names() == ["INBOX", "Archive", "Archive/2024", "Other"]
    assert names("-m", "Archive/**") == ["Archive", "Archive/2024"]
    assert "mailbox Imbox: there is no such mailbox" in run("list", "-m", "Imbox", src.url(user), check=3).err
    assert "-m Im*: there is no such mailbox" in run("list", "-m", "Im*", src.url(user), check=0).err
    assert names("-x", "Archive/**") == ["INBOX", "Other"]
    assert names("--include-regex", "^O") == ["Other"]
    assert names(location="/Archive") == ["Archive", "Archive/2024"]
    result = run("list", "--large", "2", "--total", src.url(user), check=0)
    assert "2024" in result.out or "Other" in result.out
    assert result.out.splitlines()[-1].startswith("4 mailboxes, 3 messages")


def test_list_raw_names(run, src, user):
    load.append_many(src, user, "Küche", [corpus.message(1)], create=True)
    assert "K&APw-che" in run("list", "--raw-names", src.url(user), check=0).out


def test_list_without_help_of_the_server(run, user):
    """No LIST-STATUS, no STATUS=SIZE: asked one by one, sizes added up."""
    messages = [corpus.message(number) for number in range(5)]
    with Fake({"INBOX": messages, "Other": messages[:2]}) as fake:
        rows = run("list", "--json", "--stats", fake.url(user), check=0).json
    assert {row["name"]: (row["messages"], row["size"]) for row in rows if row["type"] == "mailbox"} == {
        "INBOX": (5, sum(len(message.body) for message in messages)),
        "Other": (2, sum(len(message.body) for message in messages[:2]))}


def test_list_says_what_it_does_not_know(run, user):
    """A mailbox that cannot be counted is unknown, not empty."""
    with Fake({"INBOX": [corpus.message(1)], "Broken": [corpus.message(2)]}) as fake:
        fake.on(r"STATUS .*Broken", lambda session: session.no("disk error"))
        result = run("list", "--json", "--stats", fake.url(user), check=3)
    rows = {row["name"]: row for row in result.json if row["type"] == "mailbox"}
    assert rows["Broken"]["messages"] is None and "disk error" in rows["Broken"]["error"]
    assert rows["INBOX"]["messages"] == 1
    assert "Broken" in result.err
    with Fake() as fake:
        fake.on(r"^LIST", lambda session: session.no("not now"))
        result = run("list", fake.url(user))
    assert result.code in (3, 4) and result.out == "" and "not now" in result.err


def test_hostile_names_are_harmless(run, user):
    with Fake({"INBOX": []}) as fake:
        def listing(session):
            session.send(b'* LIST () "/" {16}\r\nred\x1b[31m\x07\xff\r\nend!!\r\n')
            session.send(b'* LIST () "/" "\xe2\x80\xaertl"\r\n')
            session.ok()
        fake.on(r"^LIST .*\*", listing)
        fake.on(r"^STATUS", lambda session: session.no("no"))
        result = run("list", fake.url(user))
    assert result.code in (0, 3, 4)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", result.out + result.err)


# check

def test_check_tells_all(run, src, user):
    load.append_many(src, user, "INBOX", [corpus.message(number) for number in range(3)])
    result = run("check", src.url(user), "--capabilities", "--scan", check=0)
    for word in ("resolve", "connect", "greeting", "login", "ready", "list", "announced", "MULTIAPPEND", "UIDPLUS: ",
                 "delimiter /", "3 messages", "1 mailboxes"):
        assert word in result.out, word
    assert result.out.rstrip().endswith("ok")
    check, = [row for row in run("check", "--json", src.url(user), check=0).json]
    assert check["ok"] and check["type"] == "check" and check["auth_used"] == "plain"
    assert [step["step"] for step in check["steps"]] == ["resolve", "connect", "greeting", "login", "ready"]
    assert "UIDPLUS" in check["capabilities"] and "UIDPLUS" in check["uses"] and "UIDPLUS" not in check["lacks"]
    assert check["mailboxes"] == 1 and check["tls"] is None


def test_check_pings_each(run, src, dst, user):
    port, = free_ports(1)
    result = run("check", "--ping", src.url(user), src.url(user, port=port), dst.url(user), check=4)
    lines = result.out.splitlines()
    assert len(lines) == 3
    assert ": ok in " in lines[0] and ": ok in " in lines[2]
    assert "connect failed: " in lines[1] and str(port) in lines[1]


@pytest.fixture(scope="module")
def secure(servers, pki):
    return servers(Dovecot, cert=pki.good, cleartext=False)


def secure_url(server, user, scheme="imaps", host=tls.HOST, **keys):
    keys = {"pass-file": server.pass_file(user), **keys}
    port = server.tls_port if scheme == "imaps" else server.port
    return "%s://%s@%s:%d?%s" % (scheme, user, host, port, "&".join("%s=%s" % item for item in keys.items()))


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_check_tls(run, secure, pki, user, scheme):
    url = secure_url(secure, user, scheme, **{"ca-file": pki.ca})
    check, = run("check", "--json", url, check=0).json
    assert check["tls"]["verified"] == "ok"
    assert check["tls"]["pin"] == "sha256$" + pki.good.pin
    assert check["tls"]["days_left"] > 1000
    steps = [step["step"] for step in check["steps"]]
    assert steps == (["resolve", "connect", "tls", "greeting", "login", "ready"] if scheme == "imaps" else
                     ["resolve", "connect", "greeting", "tls", "login", "ready"])
    text = run("check", url, check=0).out
    assert "tls-pin=sha256$" + pki.good.pin in text and "CN=localhost" in text


def test_check_untrusted(run, secure, pki, user):
    """Exit 4, the step, the reason, and the pin that makes it work."""
    url = secure_url(secure, user)
    result = run("check", url, check=4)
    pin = re.search(r"tls-pin=(sha256\$[0-9a-f]{64})", result.out).group(1)
    assert "FAILED" in result.out and "login" not in result.out
    run("list", url, check=4)
    run("list", "--tls-pin", pin, url, check=0)
    run("list", "--tls-pin", pin[:-1] + ("0" if pin[-1] != "0" else "1"), url, check=4)
    run("list", "--ca-file", pki.ca, url, check=0)
    result = run("list", "--tls-verify=no", url, check=0)
    assert "tls-verify=no" in result.err and "warning" in result.err


def test_check_self_signed(run, servers, pki, user):
    server = servers(Dovecot, cert=pki.self_signed)
    url = secure_url(server, user)
    result = run("check", url, check=4)
    assert "self-signed" in result.out
    pin = re.search(r"tls-pin=(sha256\$[0-9a-f]{64})", result.out).group(1)
    run("check", "--tls-pin", pin, url, check=0)


def test_wrong_password(run, src, user, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong\n")
    wrong.chmod(0o600)
    url = src.url(user, **{"pass-file": wrong})
    result = run("check", url, check=5)
    assert re.search(r"login +FAILED", result.out)
    assert "wrong" not in result.out.replace(str(wrong), "")
    run("list", url, check=5)
    run("copy", url, src.url("other"), check=5)


def test_closed_port(run, src, user):
    port, = free_ports(1)
    for args in (["check"], ["list"]):
        result = run(*args, src.url(user, port=port), check=4)
        assert "refused the connection" in result.out + result.err
    run("copy", src.url(user, port=port), src.url(user), check=4)


def test_unknown_host(run, src, user):
    result = run("check", "imap://u@no-such-host.invalid?tls=none&pass-file=" + src.pass_file(user), check=4)
    assert re.search(r"resolve +FAILED", result.out)


def test_not_imap(run, src, user):
    with Fake(greeting=b"220 mail.example ESMTP ready\r\n") as fake:
        result = run("check", fake.url(user), check=4)
    assert re.search(r"greeting +FAILED", result.out)
    assert "IMAP" in result.out


def test_scan_finds_what_does_not_add_up(run, user):
    """The server counts one message more than it shows."""
    with Fake({"INBOX": [corpus.message(number) for number in range(3)]}) as fake:
        def fetch(session):
            for number in (1, 3):
                session.send(b'* %d FETCH (UID %d FLAGS () INTERNALDATE "01-Jan-2024 12:00:00 +0000" RFC822.SIZE 50)\r\n'
                             % (number, number))
            session.ok()
        fake.on(r"UID FETCH", fetch)
        result = run("check", "--scan", fake.url(user), check=1)
        assert "the server says 3 messages and shows 2" in result.out
        assert run("check", "--scan", "--json", fake.url(user), check=1).json[-1]["mailboxes_differ"] == 1


# processes

def test_password_leaves_the_process_list(run, src, user, tmp_path):
    """The tunnel looks at the arguments of the program that started it."""
    listing = tmp_path / "cmdline"
    tunnel = "tr '\\0' ' ' </proc/$PPID/cmdline >%s; exec socat - TCP:127.0.0.1:%d" % (listing, src.port)
    if not shutil.which("socat"):
        tunnel = tunnel.split("; exec")[0]
    result = run("list", "--tunnel", tunnel, "imap://%s:hunter2secret@localhost?tls=none" % user)
    text = listing.read_text()
    assert "hunter2secret" not in text and user in text
    assert "hunter2secret" not in result.err + result.out


def test_password_in_location_is_warned_about(run, src, user):
    password = src.password(user).replace("%", "%25").replace(" ", "%20")
    result = run("list", "imap://%s:%s@127.0.0.1:%d?tls=none" % (user, password, src.port), check=0)
    assert "a password in a location" in result.err
    assert password not in result.err


def test_output_that_cannot_be_written(run, src, user):
    with open("/dev/full", "w") as full:
        result = run("list", src.url(user), stdout=full, check=7)
    assert "cannot write to standard output: No space left on device" in result.err


def test_reader_that_goes_away(run, src, user):
    read, write = os.pipe()
    os.close(read)
    process = run.start("list", src.url(user), stdout=write)
    os.close(write)
    result = run.finish(process)
    assert result.code == 7 and "standard output" not in result.err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(run, src, dst, user, closed):
    load.append_many(src, user, "INBOX", [corpus.message(1)])
    for args in (["list", src.url(user)], ["copy", src.url(user), dst.url(user)]):
        command = " ".join("'%s'" % arg for arg in [PROGRAM, *args]) + " " + closed
        process = subprocess.run(["sh", "-c", command], env=run.env, timeout=60)
        assert process.returncode == 0
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []


@contextlib.contextmanager
def silent_server():
    """Accepts, and says nothing."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["list", "check", "copy"])
def test_interrupted(run, src, user, command, number):
    with silent_server() as sock:
        url = src.url(user, port=sock.getsockname()[1])
        process = run.start(command, url, *([src.url("x" + user)] if command == "copy" else []))
        accepted = sock.accept()    # kept open: its end would be another reason to stop
        process.send_signal(number)
        assert run.finish(process).code == 130 and accepted


def test_timeout(run, src, user):
    with silent_server() as sock:
        result = run("list", "--timeout=500ms", src.url(user, port=sock.getsockname()[1]), check=4)
    assert "greeting" in result.err


class Terminal:
    """The program with a terminal of its own as its controlling one."""

    def __init__(self, run, *args, columns=60):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.chdir(str(run.home))
            os.execve(PROGRAM, [PROGRAM, *map(str, args)], dict(run.env, TERM="xterm"))
        self.text = ""

    def read(self, until=None, timeout=30):
        end = time.monotonic() + timeout
        while time.monotonic() < end and not (until and until in self.text):
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                break
            if not data:
                break
            self.text += data.decode(errors="replace")
        return self.text

    def write(self, text):
        os.write(self.fd, text.encode())

    def wait(self):
        self.read()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_password_prompt(run, src, user):
    terminal = Terminal(run, "list", src.url(user, **{"pass-file": None}))
    terminal.read("assword")
    terminal.write(src.password(user) + "\n")
    assert terminal.wait() == 0, terminal.text
    assert src.password(user) not in terminal.text
    assert "INBOX" in terminal.text


def test_progress_line(run, src, dst, user, proxy):
    """Painted within the width, wiped at the end, never on a line with something else."""
    load.append_many(src, user, "INBOX", [corpus.message(number, 20000) for number in range(300)])
    slow = proxy(src, rtt=0.2)
    terminal = Terminal(run, "copy", "--rate=150", src.url(user, port=slow.port), dst.url(user), columns=40)
    code = terminal.wait()
    assert code == 0, terminal.text
    work, _, report = terminal.text.partition("mailbox  ")
    assert work.endswith("\r\x1b[K") and "\x1b" not in report
    painted = re.findall(r"\r\x1b\[K([^\r\n\x1b]+)", work)
    assert painted and all(len(line) < 40 for line in painted)
    assert any("/300" in line for line in painted)
    assert "complete: every selected message" in terminal.text


def test_progress_without_terminal(run, src, dst, user):
    load.append_many(src, user, "INBOX", [corpus.message(1)])
    assert run("copy", src.url(user), dst.url(user), check=0).err == ""
    result = run("copy", "--progress=always", "--recopy", src.url(user), dst.url(user + "b"), check=0)
    assert "\r" not in result.err and "\x1b" not in result.err
    assert "1/1" in result.err


def test_talk_levels(run, src, user, tmp_path):
    load.append_many(src, user, "INBOX", [corpus.message(1)])
    log, trace = tmp_path / "log", tmp_path / "trace"
    run("list", "--log", log, "--trace", trace, src.url(user), check=0)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600 and stat.S_IMODE(trace.stat().st_mode) == 0o600
    text = trace.read_text(errors="replace")
    assert "CAPABILITY" in text and src.password(user) not in text


def test_log_of_a_clean_run(run, src, dst, user, tmp_path):
    """Begin, connections, mailboxes and verdict are in the file, whatever is shown; names harmless, and no secret."""
    odd = "Odd \u202e name"
    load.fill(src, user, [("INBOX", [corpus.message(1)], True), (odd, [corpus.message(2)], True)])
    log = tmp_path / "log"
    result = run("copy", "--log", log, src.url(user), dst.url(user), check=0)
    assert result.err == ""
    text = log.read_text()
    for line in (r"info: run begins: imap\S+ to imap\S+, state \S+\.db$", r"connected to 127\.0\.0\.1 \(.*Dovecot.*\), login by \S+, ",
                 r"debug: INBOX: plan for 1 messages, 0 at the destination, copy 1, ", r"info: INBOX: done: 1 messages found, 1 copied, ",
                 r"info: run ends: complete, exit code 0: 2 messages found, 2 copied, "):
        assert re.search(line, text, re.M), (line, text)
    assert len(re.findall("connected to", text)) == len(re.findall("login by", text)) >= 2
    assert src.password(user) not in text and "\u202e" not in text and "Odd" in text
    again = run("copy", "-v", "--log", log, src.url(user), dst.url(user), check=0)
    assert "run begins" in again.err and "run ends" in again.err and "debug" not in again.err
    assert "INBOX: unchanged since the last run" in log.read_text()


def test_quiet(run, src, dst, user):
    """Nothing but the verdict; a problem is still said."""
    load.append_many(src, user, "INBOX", [corpus.message(1)])
    result = run("copy", "-q", src.url(user), dst.url(user), check=0)
    assert result.out.count("\n") == 1 and result.out.startswith("complete:")
    assert result.err == ""
    assert run("copy", "-q", src.url(user), dst.url(user, port=free_ports(1)[0]), check=4).err


def test_question(run, src, dst, user):
    """What deletes asks first, and takes only a yes."""
    load.append_many(src, user, "INBOX", [corpus.message(number) for number in range(8)])
    args = ["copy", "--delete-source", "--max-delete=100%", src.url(user), dst.url(user)]
    result = run(*args, check=6, start_new_session=True)
    assert "--yes" in result.err + result.out
    for answer, code, left in (("n", 6, 8), ("", 6, 8), ("yes", 0, 0)):
        terminal = Terminal(run, *args, columns=100)
        assert "[y/N]" in terminal.read("[y/N]"), terminal.text
        terminal.write(answer + "\n")
        assert terminal.wait() == code, terminal.text
        assert witness.read(src, user).count == left
    assert witness.read(dst, user).count == 8


def test_second_interrupt(run, src, dst, user, proxy):
    """The first asks to stop, the second does not wait for it."""
    load.append_many(src, user, "INBOX", [corpus.message(number) for number in range(50)])
    terminal = Terminal(run, "copy", "--delete-source", "--max-delete=100%", src.url(user), dst.url(user))
    terminal.read("[y/N]")
    os.kill(terminal.pid, signal.SIGINT)
    assert terminal.wait() == 130
    assert witness.read(src, user).count == 50
    for pause in (0, 0.1):  # two at once may be one; and a tunnel that ignores them is not left behind
        ready = run.home / ("ready%s" % pause)
        process = run.start("list", "--tunnel", "trap '' INT TERM; : >%s; exec sleep 60" % ready, src.url(user))
        until(ready.exists)
        process.send_signal(signal.SIGINT)
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        assert run.finish(process).code == 130


def test_job(run, src, dst, user):
    load.append_many(src, user, "INBOX", [corpus.message(number) for number in range(3)])
    config = run.home / "config" / "mailhaul" / "config"
    config.parent.mkdir(parents=True)
    config.write_text("[account old]\nlocation = imap://%s@127.0.0.1:%d\ntls = none\npass-file = %s\n\n"
                      "[job nightly]\ncommand = copy\nsource = old\ndestination = %s\nlimit = 2\njson = yes\n"
                      % (user, src.port, src.pass_file(user), dst.url(user)))
    assert run("run", "nightly", "--dry-run", check=0).json[-1]["copied"] == 2
    assert witness.read(dst, user).count == 0
    assert run("run", "nightly", check=0).json[-1]["copied"] == 2
    assert run("run", "nightly", "--limit=9", check=0).json[-1]["copied"] == 1
    assert "no [job nigthly]" in run("run", "nigthly", check=2).err
    assert [row["name"] for row in run("list", "--json", "old", check=0).json if row["type"] == "mailbox"] == ["INBOX"]
