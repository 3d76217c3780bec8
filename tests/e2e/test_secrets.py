"""Canaries in every place a secret comes from, and the search for them wherever it could have ended up."""
import base64
import os
import re
import time
import urllib.parse

import pytest

from copying import fill, notes
from lab.dovecot import Dovecot
from lab.hostile import Fake
from lab.server import PASSWORD

CANARY = "c4nary/of+the mine%"


def forms(user, secret):
    """The secret as it may look anywhere."""
    plain = secret.encode()
    yield plain
    yield urllib.parse.quote(secret, safe="").encode()
    yield plain.hex().encode()
    for text in (plain, b"\0%s\0%s" % (user.encode(), plain), b"user=%s\1auth=Bearer %s\1\1" % (user.encode(), plain)):
        # Whatever stands before it: the three ways base64 can fall, less the ends that the neighbours decide.
        for shift in range(3):
            yield base64.b64encode(b"x" * shift + text).strip(b"=")[4 if shift else 0:-4]


def hits(user, secret, *places):
    found = []
    for place in places:
        data = place if isinstance(place, bytes) else place.encode()
        found += [form for form in forms(user, secret) if form in data]
    return found


def left_behind(run):
    """All octets of all files under the program's home, but those a test put its secret into."""
    return b"\n".join(path.read_bytes() for path in run.home.rglob("*") if path.is_file() and path.name != "secret")


def sources(run, url_of, secret):
    """Each way to hand a secret over: (options, location, environment)."""
    path = run.home / "secret"
    path.write_text(secret + "\n")
    path.chmod(0o600)
    yield ["--src-pass-file=%s" % path], url_of(None), {}
    yield ["--src-pass-cmd=cat %s" % path], url_of(None), {}
    yield ["--src-pass-env=CANARY"], url_of(None), {"CANARY": secret}
    yield [], url_of(urllib.parse.quote(secret, safe="")), {}


def location(server, user, password, **keys):
    who = user if password is None else "%s:%s" % (user, password)
    query = "&".join(["tls=none"] + ["%s=%s" % item for item in keys.items()])
    return "imap://%s@127.0.0.1:%d?%s" % (who, server.port, query)


@pytest.fixture(scope="module")
def guarded(servers):
    """A server whose users all have the canary for a password."""
    users = {"canary%d" % i: CANARY for i in range(20)}
    return servers(Dovecot, users=users, auth="plain login cram-md5 digest-md5 scram-sha-256")


def test_the_search_finds():
    """What the others rest on."""
    for text in (CANARY.encode(), base64.b64encode(b"\0u\0" + CANARY.encode()), base64.b64encode(b"ab" + CANARY.encode()),
                 CANARY.encode().hex().encode(), b"imap://u:" + urllib.parse.quote(CANARY, safe="").encode()):
        assert hits("u", CANARY, b"before " + text + b" after"), text


@pytest.mark.parametrize("mode", [["--json"], ["-v", "-v"], ["-q"], ["-n"]], ids=lambda mode: mode[0])
@pytest.mark.parametrize("good", [True, False], ids=["good", "wrong"])
def test_copy(guarded, dst, run, user, mode, good):
    """Every source of a secret, every mode, with success and without."""
    secret = CANARY if good else CANARY + "x"
    for i, (options, source, env) in enumerate(sources(run, lambda word: location(guarded, "canary1", word), secret)):
        files = {name: run.home / ("%s%d" % (name, i)) for name in ("trace", "log", "report")}
        options += ["--%s=%s" % item for item in files.items()]
        result = run("copy", *mode, *options, source, dst.url(user), env=env, check=0 if good else 5)
        assert not hits("canary1", secret, result.out, result.err, left_behind(run)), (options, result)
        assert not hits(user, PASSWORD, result.out, result.err, left_behind(run)), result
        assert b" src C: ***" in files["trace"].read_bytes()


@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5", "digest-md5", "scram-sha-256"])
def test_traces_of_mechanisms(guarded, run, mechanism):
    """Not even what a mechanism derives from the secret is written down."""
    trace = run.home / "trace"
    result = run("check", "--trace", trace, "-vv", "--pass-env=CANARY", location(guarded, "canary2", None, auth=mechanism),
                 env={"CANARY": CANARY}, check=0)
    data = trace.read_bytes()
    assert not hits("canary2", CANARY, data, result.out, result.err)
    # Answers to challenges are proofs that can be tried against a list of passwords.
    assert not re.search(rb"(?m)[A-Za-z0-9+/]{40,}={0,2}\s*$", re.sub(rb"(?m)^.*(<[-=]|S:|\xe2\x86\x90|< ).*$", b"", data)), data


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
@pytest.mark.parametrize("good", [True, False])
def test_traces_of_tokens(run, user, mechanism, good):
    token = "ya29.canary-token_0123456789"
    with Fake({"INBOX": notes(1)}, capabilities="IMAP4rev1 SASL-IR AUTH=" + mechanism.upper()) as fake:
        fake.on("^AUTHENTICATE", b"%TAG% OK in\r\n" if good else
                b"+ " + base64.b64encode(b'{"status":"401"}') + b"\r\n%TAG% NO no\r\n")
        trace = run.home / "trace"
        path = run.home / "secret"
        path.write_text(token + "\n")
        path.chmod(0o600)
        for options in (["--token-file=%s" % path], ["--token-cmd=cat %s" % path]):
            result = run("list", "-vv", "--trace", trace, *options, location(fake, user, None, auth=mechanism),
                         check=0 if good else 5)
            assert not hits(user, token, result.out, result.err, left_behind(run))


ECHOES = {
    "tagged": b"%TAG% NO [AUTHENTICATIONFAILED] not %s\r\n",
    "code": b"%TAG% NO [%s] no\r\n",
    "untagged": b"* NO [ALERT] what is %s\r\n%TAG% NO no\r\n",
    "bye": b"* BYE %s\r\n",
    "raw": b"%s\r\n%TAG% NO no\r\n",
    "star": b"* %s\r\n%TAG% NO no\r\n",
    "challenge": b"+ %s\r\n%TAG% NO no\r\n",
    "cut": b"* NO [ALERT] %s" % (b"x" * 960) + b"%s\r\n%TAG% NO no\r\n",
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5", "xoauth2", "command"])
def test_servers_that_say_it_back(run, user, mechanism, echo):
    """The line that carries the secret, or the secret itself, comes back in an answer, and is written down nowhere."""
    token = mechanism == "xoauth2"
    secret = "ya29.canary-token_0123456789" if token else CANARY
    offers = "IMAP4rev1 SASL-IR" + ("" if mechanism == "command" else " AUTH=" + mechanism.upper())
    with Fake({"INBOX": notes(1)}, capabilities=offers) as fake:
        said = []

        def reply(session):
            said.append(bytes(session.line).strip())
            if mechanism in ("login", "cram-md5"):
                for challenge in (b"User Name", b"Password") if mechanism == "login" else (b"<1.2@x>",):
                    session.send(b"+ %s\r\n" % base64.b64encode(challenge))
                    said.append(session.file.readline().strip())
            what = said[-1] if mechanism != "command" else secret.encode()
            session.send(echo.replace(b"%TAG%", session.tag).replace(b"%s", what))
            session.close()
        fake.on("^(AUTHENTICATE|LOGIN)", reply)
        trace = run.home / "trace"
        path = run.home / "secret"
        path.write_text(secret + "\n")
        path.chmod(0o600)
        options = ["--%s-file=%s" % ("token" if token else "pass", path), "--log=%s" % (run.home / "log")]
        keys = {} if mechanism == "command" else {"auth": mechanism}
        result = run("list", "-vv", "--json", "--trace", trace, *options, location(fake, user, None, **keys))
        assert result.code in (4, 5), result
        assert said and b"S: " in trace.read_bytes()
        answer = said[-1].split()[-1]
        for place in (result.out.encode(), result.err.encode(), left_behind(run)):
            assert not hits(user, secret, place), result
            assert mechanism == "command" or answer not in place, (answer, result)


def test_login_command_with_literals(run, user):
    """LOGIN with a password that needs a literal: it goes out in pieces, and no piece is in the trace."""
    secret = "canary\"pass\\wörd\x01"
    for capabilities in ("IMAP4rev1", "IMAP4rev1 LITERAL+"):
        with Fake(capabilities=capabilities) as fake:
            fake.on("^LOGIN", lambda s: s.ok())
            trace = run.home / "trace"
            result = run("list", "-vv", "--trace", trace, "--pass-env=CANARY", location(fake, user, None),
                         env={"CANARY": secret}, check=0)
            data = trace.read_bytes()
            assert b"C: ***" in data
            assert "wörd".encode() not in data and b"canary" not in data and b"w\\xc3" not in data
            assert "canary" not in result.err


def test_usage_errors_with_a_password_in_them(run):
    for bad in ("imap://u:%s@h?nonsense=1", "imap://u:%s@h:port", "imap://u:%s@h?tls=wrong", "imaps://u:%s@h?tls=none", "imap://u:%s@",
                "imapx://u:%s@h", "imap:/u:%s@h", "imap://u:%s@h/%%zz", "imap://u:%s@h:99999"):
        for command in (["list"], ["copy", "--log=l", "--trace=t", "imap://x:canary88@y"]):
            result = run(*command, bad % "canary77", check=2)
            assert "canary" not in result.out + result.err, (bad, result)
            assert b"canary" not in left_behind(run)


def test_the_running_process(guarded, proxy, dst, run, user):
    """Arguments, environment, core limit, memory maps: what others on the machine may look at."""
    between = proxy(guarded, rules=[{"do": "stall", "on": "LIST"}])
    secret = urllib.parse.quote(CANARY, safe="")
    process = run.start("copy", "--dst-pass-env=CANARY2", location(between, "canary3", secret), location(between, "canary4", None),
                        env={"CANARY2": CANARY})
    try:
        end = time.monotonic() + 20
        while not between.fired() and time.monotonic() < end:
            time.sleep(0.05)
        assert between.fired()
        read = lambda name: open("/proc/%d/%s" % (process.pid, name), "rb").read()
        arguments = read("cmdline")
        assert b"canary3" in arguments and not hits("canary3", CANARY, arguments)
        assert not hits("canary4", CANARY, read("environ"))
        assert re.search(rb"Max core file size +0 +0 ", read("limits"))
        # Not dumpable: its files in /proc belong to root, and no debugger of the same user gets in.
        assert os.stat("/proc/%d/environ" % process.pid).st_uid == 0
        assert process.poll() is None
    finally:
        process.terminate()
        result = run.finish(process)
    assert result.code == 130
    assert not hits("canary3", CANARY, result.out, result.err, left_behind(run))


def test_files_are_private(src, dst, run, user, tmp_path):
    """Whatever the umask, nobody else can read what is written."""
    fill(src, user, {"INBOX": notes(2), "a": notes(1, 5)})
    old = os.umask(0)
    try:
        run("copy", "--log=l", "--trace=t", "--report=r", src.url(user), dst.url(user), check=0)
        seen = [path for path in run.home.rglob("*")]
    finally:
        os.umask(old)
    files = [path for path in seen if path.is_file()]
    assert {"l", "t", "r"} <= {path.name for path in files} and any(path.is_relative_to(run.state) for path in files)
    for path in files:
        assert path.stat().st_mode & 0o777 == 0o600, path
    for path in seen:
        if path.is_dir():
            assert path.stat().st_mode & 0o777 == 0o700, path


def test_no_file_is_written_through_a_link(src, run, user, tmp_path):
    """--log, --trace and --report into a directory where somebody laid a link to a file of the user's."""
    precious = tmp_path / "precious"
    precious.write_text("precious\n")
    for option in ("--trace", "--report"):
        link = run.home / "link"
        link.symlink_to(precious)
        run("copy", option, link, src.url(user), src.url(user + "x"))
        link.unlink()
    assert precious.stat().st_mode & 0o077 == 0 or precious.read_text() == "precious\n"


def test_the_journal_knows_no_secret(guarded, dst, run, user):
    """Not in the database, its log, or what is left of deleted rows."""
    fill(guarded, "canary5", {"INBOX": notes(3)})
    for _ in range(2):
        run("copy", "--src-pass-env=CANARY", location(guarded, "canary5", None), dst.url(user), env={"CANARY": CANARY}, check=0)
    assert list(run.state.rglob("*")), "there is a journal"
    assert not hits("canary5", CANARY, left_behind(run)) and not hits(user, PASSWORD, left_behind(run))
