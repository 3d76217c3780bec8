"""Logging in: each mechanism against a server that checks it, where secrets come from, and what is said when it fails."""
import base64
import hashlib
import hmac
import os
import re
import ssl
import tempfile

import pytest

from copying import both, fill, notes
from lab import tls
from lab.dovecot import Dovecot
from lab.hostile import Fake
from lab.server import PASSWORD, until

ALL = "plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 external oauthbearer xoauth2"
ADMIN = ("boss", "b0ss pass*word")
LOGIN_ONLY = "IMAP4rev1 UIDPLUS NAMESPACE UNSELECT LITERAL+"


def secret_file(run, name, text, mode=0o600):
    path = run.home / name
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


@pytest.fixture(scope="module")
def dovecot(servers):
    """Every mechanism Debian's Dovecot has, in clear text."""
    return servers(Dovecot, auth=ALL, master=ADMIN)


@pytest.fixture(scope="module")
def secure(servers, pki):
    """The same with TLS, and with client certificates that say who it is."""
    ca = tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="mailhaul-ca-")
    with open(pki.ca, "rb") as file:
        ca.write(file.read())
    ca.flush()
    os.chmod(ca.name, 0o644)    # for the account that Dovecot runs as
    yield servers(Dovecot, auth=ALL, cert=pki.good, cleartext=False, settings="""
ssl_ca = <%s
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = yes
passdb {
  driver = static
  mechanisms = external
  args = nopassword=y
}
""" % ca.name)


def used(run, location, *options, env=None):
    """The mechanism that a login used."""
    check, = run("check", "--json", *options, location, env=env, check=0).json
    return check["auth_used"]


# mechanisms

@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5", "digest-md5", "scram-sha-1", "scram-sha-256"])
def test_passwords(dovecot, run, user, mechanism):
    assert used(run, dovecot.url(user, auth=mechanism)) == mechanism


@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5", "digest-md5", "scram-sha-1", "scram-sha-256"])
def test_wrong_passwords(dovecot, run, user, mechanism):
    wrong = secret_file(run, "wrong", PASSWORD + "x")
    result = run("list", dovecot.url(user, auth=mechanism, **{"pass-file": wrong}), check=5)
    assert "login of %s at 127.0.0.1" % user in result.err and mechanism in result.err
    assert "check user name and password" in result.err
    assert PASSWORD not in result.err


@pytest.mark.parametrize("mechanism", ["oauthbearer", "xoauth2"])
def test_tokens(dovecot, run, user, mechanism):
    good = secret_file(run, "good", dovecot.token(user))
    assert used(run, dovecot.url(user, auth=mechanism, **{"pass-file": None, "token-file": good})) == mechanism
    for bad in (dovecot.token(user, -60), dovecot.token("another"), "no-token"):
        result = run("list", dovecot.url(user, auth=mechanism, **{
            "pass-file": None, "token-file": secret_file(run, "bad", bad)}), check=5)
        assert "get a new one" in result.err and bad not in result.err
    result = run("list", dovecot.url(user, auth=mechanism, **{
        "pass-file": None, "token-file": secret_file(run, "bad", "to ken")}), check=5)
    assert "is it really an access token" in result.err


def test_no_password_where_a_token_failed(run, user):
    """A refused token is asked for once more and then that is it: no other mechanism, no password."""
    with Fake(capabilities="IMAP4rev1 SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER AUTH=PLAIN") as fake:
        fake.on("AUTHENTICATE (XOAUTH2|OAUTHBEARER)", b"%TAG% NO [AUTHENTICATIONFAILED] expired\r\n")
        token = secret_file(run, "token", "abc")
        run("list", fake.url(user, **{"pass-file": None, "token-file": token}), check=5)
        assert len(fake.commands("AUTHENTICATE")) == 2 and not fake.commands("PLAIN|^LOGIN")


def test_external(secure, pki, run):
    keys = {"ca-file": pki.ca, "client-cert": pki.client.cert, "client-key": pki.client.key, "auth": "external"}
    location = "imaps://%s@localhost:%d?%s"
    query = "&".join("%s=%s" % item for item in keys.items())
    assert used(run, location % ("anna", secure.tls_port, query)) == "external"
    # The certificate says who it is; another user's mailbox is another's.
    run("list", location % ("bert", secure.tls_port, query), check=5)


def test_strongest_first(secure, dovecot, pki, run, user):
    """With TLS and without, and the user's own order before it."""
    location = "imaps://%s@localhost:%d?ca-file=%s&pass-file=%s" % (user, secure.tls_port, pki.ca, secure.pass_file(user))
    assert used(run, location) == "scram-sha-256"
    assert used(run, dovecot.url(user)) == "scram-sha-256"
    assert used(run, dovecot.url(user), "--auth=plain,cram-md5") == "plain"
    # What the server does not offer is passed over.
    assert used(run, dovecot.url(user), "--auth=scram-sha-256-plus,cram-md5,plain") == "cram-md5"
    token = secret_file(run, "token", dovecot.token(user))
    assert used(run, dovecot.url(user, **{"pass-file": None, "token-file": token})) == "oauthbearer"


def test_in_clear_text_what_hides_the_secret_goes_first(run, user, servers):
    server = servers(Dovecot, auth="plain login cram-md5")
    assert used(run, server.url(user)) == "cram-md5"


def test_login_command(run, user):
    """For servers that offer no SASL mechanism; never where they say that it is off."""
    with Fake(capabilities=LOGIN_ONLY) as fake:
        assert used(run, fake.url(user)) == "login"
        assert fake.commands("^LOGIN %s " % user) and not fake.commands("^AUTHENTICATE")
    with Fake(capabilities=LOGIN_ONLY + " LOGINDISABLED") as fake:
        result = run("list", fake.url(user), check=5)
        assert "offers no" in result.err and not fake.commands("^LOGIN|^AUTHENTICATE")


@pytest.mark.parametrize("password", ['with "quotes" and \\', "line\x01feed\x7f", "pässwörd ☃", "{5+}", "~" * 1000, '" x\\'])
def test_login_command_carries_any_password(run, user, password):
    with Fake(capabilities=LOGIN_ONLY) as fake:
        taken = []

        def login(session):
            taken.append((session.words[1], session.words[2]))
            session.ok()
        fake.on("^LOGIN", login)
        run("list", fake.url(user, **{"pass-file": secret_file(run, "odd", password)}), check=0)
        assert taken == [(user.encode(), password.encode())]


def test_user_names_are_no_commands(run):
    """A line end in the user name would be a second command: refused, or a literal, never sent as it is."""
    with Fake(capabilities=LOGIN_ONLY) as fake:
        tags, names = [], []
        fake.on("X-EVIL", lambda s: tags.append(s.tag) or s.ok())
        fake.on("^LOGIN", lambda s: names.append(s.words[1]) or s.ok())
        for name in ("a%0D%0Am9%20X-EVIL%20", "a%22%20b", "a%5C%22%0Am9%20X-EVIL"):
            result = run("list", "imap://%s@127.0.0.1:%d?tls=none&pass-file=%s" % (name, fake.port, fake.pass_file("u")))
            assert result.code in (0, 2, 5), result
        run("list", "imap://a%%00b@127.0.0.1:%d?tls=none&pass-file=%s" % (fake.port, fake.pass_file("u")), check=2)
        assert b'a" b' in names and set(names) <= {b'a" b', b"a\r\nm9 X-EVIL ", b'a\\"\nm9 X-EVIL'}
        assert b"m9" not in tags


# SCRAM, with a server of our own

def scram_server(session, binding=None, lie=None):
    """RFC 5802 with SHA-256. binding: what tls-unique must be. lie: a function that changes the server's last word."""
    salt, rounds = b"salt of the fake", 4096
    first = base64.b64decode(session.words[2])
    bare = first.split(b",", 2)[2]
    nonce = dict(part.split(b"=", 1) for part in bare.split(b","))[b"r"] + b"server"
    challenge = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(salt), rounds)
    session.send(b"+ " + base64.b64encode(challenge) + b"\r\n")
    final = base64.b64decode(session.file.readline().strip())
    without, _, proof = final.rpartition(b",p=")
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, rounds)
    message = b",".join([bare, challenge, without])
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    good = base64.b64decode(proof) == bytes(a ^ b for a, b in zip(client_key, signature))
    bound = base64.b64decode(dict(part.split(b"=", 1) for part in without.split(b","))[b"c"])
    header = b",".join(first.split(b",")[:2]) + b","
    if not good or bound != header + (binding or b"") or (binding and not first.startswith(b"p=tls-unique,")):
        session.no("[AUTHENTICATIONFAILED] wrong")
        return
    word = b"v=" + base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256"))
    word = lie(word) if lie else word
    if word is not None:
        session.send(b"+ " + base64.b64encode(word) + b"\r\n")
        session.file.readline()
    session.ok()


class Tls12(Fake):
    """Python knows tls-unique, which is for TLS 1.2."""

    def context(self):
        context = super().context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context


def test_channel_binding(pki, run, user):
    """Debian's Dovecot has no -PLUS, so the fake checks that the login is bound to this very connection."""
    offered = "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS"
    with Tls12(capabilities=offered, cert=pki.good, implicit_tls=True) as fake:
        fake.on("^AUTHENTICATE SCRAM-SHA-256-PLUS", lambda s: scram_server(s, s.sock.get_channel_binding("tls-unique")))
        location = "imaps://%s@localhost:%d?ca-file=%s&pass-file=%s" % (user, fake.port, pki.ca, fake.pass_file(user))
        assert used(run, location) == "scram-sha-256-plus"
        fake.rules.clear()
        # As if somebody sat in between with a connection of his own.
        fake.on("^AUTHENTICATE SCRAM-SHA-256-PLUS", lambda s: scram_server(s, b"x" * 12))
        run("list", location, check=5)
        assert len(fake.commands("^AUTHENTICATE")) == 2
    with Fake(capabilities=offered) as fake:
        result = run("list", fake.url(user, auth="scram-sha-256-plus"), check=5)
        assert "needs a TLS connection" in result.err and "tls=" in result.err


@pytest.mark.parametrize("lie", [lambda word: b"v=" + base64.b64encode(b"x" * 32), lambda word: None,
                                 lambda word: b"e=other-error", lambda word: b"", lambda word: word[:-4]])
def test_an_impostor_cannot_prove_itself(run, user, lie):
    """A server that says OK without having known the password is not given the mail."""
    with Fake(capabilities="IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256") as fake:
        fake.on("^AUTHENTICATE", lambda s: scram_server(s, lie=lie))
        run("list", fake.url(user), check=5)
        assert not fake.commands("LIST|NAMESPACE")
    with Fake(capabilities="IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256") as fake:
        fake.on("^AUTHENTICATE", scram_server)
        assert used(run, fake.url(user)) == "scram-sha-256"


@pytest.mark.parametrize("answer", [b"%TAG% OK in\r\n", b"+ !!!!\r\n", b"+ " + b"A" * 200_000 + b"\r\n",
                                    b"+ " + base64.b64encode(b"r=x,s=c2FsdA==,i=4096") + b"\r\n",
                                    b"+ " + base64.b64encode(b"r=,s=,i=0") + b"\r\n", b"+ \r\n" * 50],
                         ids=["early-ok", "no-base64", "long", "nonce", "empty", "endless"])
def test_scram_answers_that_make_no_sense(run, user, answer):
    with Fake(capabilities="IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256 AUTH=PLAIN") as fake:
        fake.on("^AUTHENTICATE", answer)
        result = run("list", "--timeout=5s", fake.url(user))
        assert result.code in (4, 5), result
        assert len(fake.commands("^AUTHENTICATE|^LOGIN")) == 1, "no second try with less"


# administrators

@pytest.mark.parametrize("mechanism", ["plain", "digest-md5"])
def test_authorization_identity(dovecot, run, user, mechanism):
    fill(dovecot, user, {"Only " + user: notes(1)})
    keys = {"pass-file": secret_file(run, "boss", ADMIN[1]), "admin": ADMIN[0], "auth": mechanism}
    result = run("list", dovecot.url(user, **keys), check=0)
    assert "Only " + user in result.out
    # The administrator's password is not the user's.
    run("list", dovecot.url(user, **dict(keys, **{"pass-file": dovecot.pass_file(user)})), check=5)


def test_admin_by_user_name(dovecot, run, user):
    fill(dovecot, user, {"Only " + user: notes(1)})
    result = run("list", dovecot.url(user + "*" + ADMIN[0], **{
        "auth": "plain", "pass-file": secret_file(run, "boss", ADMIN[1])}), check=0)
    assert "Only " + user in result.out


@pytest.mark.parametrize("mechanism", ["login", "cram-md5", "ntlm", "xoauth2"])
def test_admin_with_a_mechanism_that_carries_none(run, user, mechanism):
    with Fake() as fake:
        result = run("list", fake.url(user, admin="boss", auth=mechanism), check=2)
        assert "admin" in result.err and "scram-sha-256" in result.err
        assert fake.connections == 0


def test_admin_where_nothing_offered_carries_one(run, user):
    with Fake(capabilities="IMAP4rev1 AUTH=CRAM-MD5 AUTH=LOGIN") as fake:
        result = run("list", fake.url(user, admin="boss"), check=5)
        assert "on a user's behalf" in result.err and not fake.commands("^AUTHENTICATE|^LOGIN")


def test_groupwise(run, user):
    """The application's name and key, then LOGIN with the user and no password."""
    with Fake(capabilities="IMAP4rev1 AUTH=XGWTRUSTEDAPP") as fake:
        def authenticate(session):
            session.send(b"+\r\n")
            session.answer = session.file.readline().strip()
            session.ok() if session.answer == b"XGWTRUSTEDAPP " + base64.b64encode(b"APP\0k3y") else session.no()
        fake.on("^AUTHENTICATE XGWTRUSTEDAPP", authenticate)
        fake.on("^LOGIN", lambda s: s.ok() if s.words[1:] == [user.encode(), b""] else s.no())
        assert used(run, fake.url(user, auth="xgwtrustedapp", **{
            "pass-file": secret_file(run, "app", "APP k3y")})) == "xgwtrustedapp"
        assert used(run, fake.url(user, auth="xgwtrustedapp", admin="APP", **{
            "pass-file": secret_file(run, "key", "k3y")})) == "xgwtrustedapp"
        run("list", fake.url(user, auth="xgwtrustedapp", **{"pass-file": secret_file(run, "bad", "APP key")}), check=5)
        result = run("list", fake.url(user, auth="xgwtrustedapp", **{"pass-file": secret_file(run, "one", "k3y")}), check=2)
        assert "name and key" in result.err


def test_kerio(run, user):
    with Fake(capabilities="IMAP4rev1 AUTH=PLAIN") as fake:
        def master(session):
            session.send(b"+ <123.456@kerio>\r\n")
            right = hashlib.md5(b"<123.456@kerio>m4ster").hexdigest().encode()
            session.ok() if session.file.readline().strip() == right else session.no()
        fake.on("^X-MASTERAUTH", master)
        fake.on("^X-SETUSER", lambda s: s.ok() if s.words[1] == user.encode() else s.no())
        key = {"pass-file": secret_file(run, "master", "m4ster")}
        assert used(run, fake.url(user, auth="kerio-master", **key)) == "kerio-master"
        assert fake.commands('^X-SETUSER "%s"' % user)
        run("list", fake.url(user, auth="kerio-master"), check=5)
        fake.rules.insert(0, [re.compile(b"SETUSER"), b"%TAG% NO no such user\r\n", -1])
        run("list", fake.url(user, auth="kerio-master", **key), check=5)


# refusals

def test_one_attempt_only(run, user, dst):
    """A wrong password that is tried again locks the account."""
    for command in (["check"], ["list"], ["copy", "-j4"]):
        with Fake({"INBOX": notes(2), "A": notes(2), "B": notes(2)}) as fake:
            location = fake.url(user, **{"pass-file": secret_file(run, "wrong", "wr0ng")})
            result = run(*command, location, *([dst.url(user)] if "copy" in command else []), check=5)
            assert len(fake.commands("^AUTHENTICATE|^LOGIN")) == 1, command
            assert "wrong" in result.out + result.err and "wr0ng" not in result.out + result.err


@pytest.mark.parametrize("auth,offered,words", [
    ("scram-sha-256", "AUTH=PLAIN AUTH=CRAM-MD5", ["does not offer auth=scram-sha-256", "it offers PLAIN CRAM-MD5"]),
    ("oauthbearer", "AUTH=OAUTHBEARER", ["needs a token", "token-file or token-cmd"]),
    (None, "AUTH=GSSAPI LOGINDISABLED", ["offers no way to log in", "GSSAPI"]),
    (None, "AUTH=XOAUTH2 LOGINDISABLED", ["a password does not help there", "token-cmd"]),
    ("external", "AUTH=PLAIN", ["does not offer auth=external"]),
    ("plain", "AUTH=\x1b[31mEVIL LOGINDISABLED", ["does not offer auth=plain"]),
])
def test_mechanism_missing(run, user, auth, offered, words):
    with Fake(capabilities="IMAP4rev1 " + offered) as fake:
        result = run("list", fake.url(user, auth=auth), check=5)
        for word in words:
            assert word in result.err, (word, result)
        assert "\x1b" not in result.err
        assert not fake.commands("^AUTHENTICATE|^LOGIN")


@pytest.mark.parametrize("mechanism", ["apop", "plian", "scram"])
def test_mechanisms_that_are_none(run, user, mechanism):
    with Fake() as fake:
        result = run("list", fake.url(user, auth=mechanism), check=2)
        assert "auth" in result.err and mechanism in result.err and fake.connections == 0


@pytest.mark.parametrize("word", ["[UNAVAILABLE] try later", "[INUSE] busy"])
def test_a_server_without_time_is_no_wrong_password(run, user, word):
    with Fake() as fake:
        fake.on("^AUTHENTICATE", b"%TAG% NO " + word.encode() + b"\r\n")
        result = run("list", fake.url(user))
        assert result.code in (3, 4) and "check user name" not in result.err, result


# tokens that end

def test_token_renewed_in_the_middle_of_a_run(servers, dst, proxy, run, user):
    """The line is cut when the first token has expired: the reconnecting lane asks for another one."""
    dovecot = servers(Dovecot, auth="plain xoauth2", settings="auth_cache_size = 0\n")
    fill(dovecot, user, {"INBOX": notes(60, size=3000)})
    calls = run.home / "calls"
    first, second = (secret_file(run, name, "") for name in ("first", "second"))
    script = run.home / "token"
    script.write_text("#!/bin/sh\necho x >>%s\nif [ $(wc -l <%s) -eq 1 ]; then cat %s; else cat %s; fi\n"
                      % (calls, calls, first, second))
    script.chmod(0o700)
    first.write_text(dovecot.token(user, 2))
    second.write_text(dovecot.token(user, 3600))
    between = proxy(dovecot, rules=[{"do": "delay", "on": "UID FETCH", "match": "BODY", "seconds": 3},
                                    {"do": "cut", "direction": "s2c", "bytes": 60_000, "connection": 1}])
    location = between.url(user, auth="xoauth2", **{"pass-file": None, "token-cmd": script})
    result = run("copy", "-j1", location, dst.url(user), check=0)
    assert len(between.fired()) == 2, between.fired()
    assert between.stats()["connections"] >= 2
    assert calls.read_text().count("x") >= 2
    assert both(dovecot, dst, user) == [], result


# where secrets come from

@pytest.mark.parametrize("mode,good", [(0o600, True), (0o400, True), (0o640, False), (0o604, False), (0o660, False),
                                       (0o644, False), (0o620, False)])
def test_mode_of_a_pass_file(src, run, user, mode, good):
    path = secret_file(run, "pass", PASSWORD, mode)
    result = run("list", src.url(user, **{"pass-file": path}))
    assert result.code == (0 if good else 5) or (not good and result.code == 2), result
    if not good:
        assert "chmod 600" in result.err and str(path) in result.err


def test_pass_files_that_are_none(src, run, user):
    fifo = run.home / "fifo"
    os.mkfifo(fifo, 0o600)
    for path, word in ((run.home / "absent", "No such file"), (run.home, "not a regular file"), (fifo, "not a regular file"),
                       (secret_file(run, "empty", ""), "empty")):
        result = run("list", src.url(user, **{"pass-file": path}), timeout=20)
        assert result.code in (2, 5) and word in result.err and "pass-file" in result.err, result


def test_pass_cmd(src, run, user):
    secret_file(run, "pass", PASSWORD)
    assert used(run, src.url(user, **{"pass-file": None}), "--pass-cmd=cat pass; echo rest") == "plain"
    for command, word in (("exit 3", "status 3"), ("true", "printed nothing"), ("kill -9 $$", "signal 9")):
        result = run("list", "--pass-cmd=" + command, src.url(user, **{"pass-file": None}), check=5)
        assert word in result.err and "pass-cmd" in result.err


def test_pass_env_is_taken_out_of_the_environment(src, run, user):
    """Neither the program's own environment nor that of its children has it any more."""
    seen = run.home / "seen"
    look = "cat /proc/$PPID/environ >%s; env >>%s; exec socat - TCP:127.0.0.1:%d" % (seen, seen, src.port)
    result = run("list", "--tunnel=" + look, "imap://%s@localhost?tls=none&pass-env=MY_SECRET&auth=plain" % user,
                 env={"MY_SECRET": PASSWORD})
    assert PASSWORD.encode() not in seen.read_bytes() and b"MY_SECRET=" not in seen.read_bytes().replace(
        b"MY_SECRET=\0", b""), result
    assert used(run, src.url(user, **{"pass-file": None}), "--pass-env=MY_SECRET", env={"MY_SECRET": PASSWORD})
    result = run("list", "--pass-env=MY_SECRET", src.url(user, **{"pass-file": None}), check=5)
    assert "MY_SECRET is not set" in result.err


def test_both_sides_from_one_variable(src, dst, run, user):
    """The first that takes it must not leave the second without."""
    fill(src, user, {"INBOX": notes(1)})
    run("copy", "--src-pass-env=P", "--dst-pass-env=P", src.url(user, **{"pass-file": None}),
        dst.url(user, **{"pass-file": None}), env={"P": PASSWORD}, check=0)


def with_password(server, user, **keys):
    location = server.url(user, **dict({"pass-file": None}, **keys))
    return location.replace("://%s@" % user, "://%s:%s@" % (user, PASSWORD.replace("%", "%25").replace(" ", "%20")))


def test_two_secrets_in_one_place(src, run, user):
    one = secret_file(run, "one", PASSWORD)
    result = run("list", "--pass-file=%s" % one, "--pass-cmd=cat", src.url(user, **{"pass-file": None}), check=2)
    assert "pass-file" in result.err and "pass-cmd" in result.err
    run("list", src.url(user, **{"pass-env": "X"}), check=2)
    result = run("list", with_password(src, user, **{"pass-file": one}), check=2)
    assert PASSWORD not in result.err and "s3cret" not in result.err
    config = run.home / "config"
    config.write_text("[account a]\nlocation = imap://u@127.0.0.1\npass-file = x\ntoken-cmd = y\n")
    result = run("list", "--config", config, "a", check=2)
    assert "pass-file" in result.err and "token-cmd" in result.err


def test_the_nearest_secret_wins(src, run, user):
    good, bad = secret_file(run, "good", PASSWORD), secret_file(run, "bad", "wrong")
    config = run.home / "conf"

    def configured(path):
        config.write_text("[account a]\nlocation = %s\npass-file = %s\n" % (src.url(user, **{"pass-file": None}), path))
    location = src.url(user, **{"pass-file": bad})
    run("list", "--pass-file=%s" % good, location, check=0)
    run("list", "--pass-file=%s" % bad, src.url(user, **{"pass-file": good}), check=5)
    run("list", "--pass-env=P", location, env={"P": PASSWORD}, check=0)
    run("list", "--pass-file=%s" % good, with_password(src, user).replace("s3cret", "other"), check=0)
    configured(bad)
    run("list", "--config", config, "a", check=5)
    run("list", "--config", config, "--pass-file=%s" % good, "a", check=0)
    configured(good)
    run("list", "--config", config, "a", check=0)


def test_passwords_in_the_configuration_are_refused(run):
    config = run.home / "conf"
    for line in ("location = imap://u:canary99@h", "password = canary99"):
        config.write_text("[account a]\n%s\n" % line)
        result = run("list", "--config", config, "a", check=2)
        assert "pass" in result.err and "canary99" not in result.err


def test_no_secret_and_no_terminal(src, run, user):
    result = run("list", src.url(user, **{"pass-file": None}), start_new_session=True, check=5)
    assert "pass-file, pass-cmd or pass-env" in result.err


def test_a_password_command_that_hangs(src, run, user):
    """It can be interrupted, and takes its child with it."""
    ready = run.home / "ready"
    process = run.start("list", "--pass-cmd=: >%s; exec sleep 61.5" % ready, src.url(user, **{"pass-file": None}))
    until(ready.exists)
    process.terminate()
    assert run.finish(process).code == 130
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and _cmdline(pid) == b"sleep\x0061.5\0"]


def _cmdline(pid):
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as file:
            return file.read()
    except OSError:
        return b""
