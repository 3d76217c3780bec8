"""Who is at the other end, and who listens: certificates, versions, STARTTLS and the attacks on it.

Whatever is refused is refused with exit 4, in words that say what to do, and before one octet of a credential left:
the server's record of all octets that came in, also within TLS, decides that.
"""
import base64
import re
import socket
import ssl
import threading

import pytest

from copying import note, notes
from lab import tls, witness
from lab.dovecot import Dovecot
from lab.hostile import CAPABILITIES, Fake
from lab.server import PASSWORD

STARTTLS = CAPABILITIES.replace("AUTH=PLAIN", "AUTH=PLAIN STARTTLS")


# Old versions are what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class TlsFake(Fake):
    """A fake whose TLS can be set up; `peers` are the certificates that clients showed."""

    def __init__(self, *args, low=None, high=None, client_ca=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.low, self.high, self.client_ca = low, high, client_ca

    def context(self):
        context = super().context()
        if self.low or self.high:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = self.low or ssl.TLSVersion.TLSv1
            context.maximum_version = self.high or ssl.TLSVersion.TLSv1_3
        if self.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.client_ca)
        return context


def url(server, user, scheme, host=tls.HOST, port=None, **keys):
    keys = {"pass-file": server.pass_file(user), **keys}
    query = "&".join("%s=%s" % item for item in keys.items() if item[1] is not None)
    return "%s://%s@%s:%d?%s" % (scheme, user, host, port or server.port, query)


def implicit(pki, cert, **options):
    return TlsFake(cert=cert, implicit_tls=True, **options)


def starttls(pki, cert, **options):
    return TlsFake(cert=cert, capabilities=STARTTLS, **options)


SCHEMES = {"imaps": implicit, "imap": starttls}


def credentials(user):
    """What may not be on the wire, in every form the mechanisms have."""
    plain = PASSWORD.encode()
    return [plain, base64.b64encode(plain), base64.b64encode(b"\0%s\0%s" % (user.encode(), plain)),
            base64.b64encode(b"%s\0%s\0%s" % (user.encode(), user.encode(), plain)), base64.b64encode(user.encode())]


def silent(fake, user):
    """Nothing that has to do with a login came in."""
    octets = bytes(fake.raw)
    assert not re.search(rb"(?i)login|authenticate|x-masterauth", octets), octets
    for secret in credentials(user):
        assert secret not in octets


def refused(run, fake, user, location, *words, command="list"):
    """It is refused, with all these words, and the server saw no credential. Returns the result."""
    nowhere = "imap://u@127.0.0.1:1?tls=none&pass-env=NONE"
    result = run(command, "--timeout=5s", *(["--retries=0", location, nowhere] if command == "copy" else [location]),
                 env={"NONE": "x"})
    assert result.code == 4, result
    for word in words:
        assert word in result.out + result.err, (word, result)
    silent(fake, user)
    return result


def test_the_records_can_tell(pki, run, user):
    """What the other tests rest on: a login that goes through leaves what they look for."""
    with implicit(pki, pki.good) as fake:
        run("list", url(fake, user, "imaps", **{"ca-file": pki.ca}), check=0)
        assert credentials(user)[2] in bytes(fake.raw)
        with pytest.raises(AssertionError):
            silent(fake, user)


# certificates

BAD = {
    "expired": ["expired on 2011-01-01", "the server needs a new one"],
    "not_yet": ["valid only from 2048-01-01", "clock"],
    "wrong_name": ["certificate is for other.example, not localhost", "connect by a name it covers"],
    "other_ca": ["nobody here vouches for", "ca-file=FILE or tls-pin=sha256$"],
    "self_signed": ["self-signed", "ca-file=FILE or tls-pin=sha256$"],
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", BAD)
def test_bad_certificates(pki, run, user, kind, scheme):
    with SCHEMES[scheme](pki, getattr(pki, kind)) as fake:
        refused(run, fake, user, url(fake, user, scheme, **{"ca-file": pki.ca}), *BAD[kind])


@pytest.mark.parametrize("command", ["check", "copy"])
def test_bad_certificates_with_every_command(pki, run, user, command):
    with implicit(pki, pki.expired) as fake:
        refused(run, fake, user, url(fake, user, "imaps", **{"ca-file": pki.ca}), *BAD["expired"], command=command)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_systems_trust_is_the_default(pki, run, user, scheme):
    with SCHEMES[scheme](pki, pki.good) as fake:
        refused(run, fake, user, url(fake, user, scheme), "nobody here vouches for")


def test_by_address(pki, run, user):
    """A certificate that names the address is right for it, one that does not is wrong."""
    with implicit(pki, pki.good) as fake:
        run("list", url(fake, user, "imaps", host="127.0.0.1", **{"ca-file": pki.ca}), check=0)
    with implicit(pki, pki.wrong_name) as fake:
        refused(run, fake, user, url(fake, user, "imaps", host="127.0.0.1", **{"ca-file": pki.ca}),
                "certificate is for other.example, not 127.0.0.1")


def test_sni_is_no_name_to_check(pki, run, user):
    """What is sent as the server's name does not change which name the certificate must have."""
    with implicit(pki, pki.wrong_name) as fake:
        refused(run, fake, user, url(fake, user, "imaps", sni="other.example", **{"ca-file": pki.ca}),
                "not localhost")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pins(pki, run, user, scheme):
    right, wrong = "sha256$" + pki.good.pin, "sha256$" + pki.good_other_key.pin
    with SCHEMES[scheme](pki, pki.good) as fake:
        # A trusted certificate with another key is refused, even where nothing else is checked.
        for more in ({}, {"tls-verify": "no"}):
            refused(run, fake, user, url(fake, user, scheme, **{"ca-file": pki.ca, "tls-pin": wrong, **more}),
                    "the server's key is " + right, "is not the one in tls-pin", "the server has a new key")
        run("list", url(fake, user, scheme, **{"tls-pin": right}), check=0)
        run("list", url(fake, user, scheme, **{"tls-pin": wrong + "," + right}), check=0)
        run("list", url(fake, user, scheme, **{"tls-pin": right.upper().replace("SHA256", "sha256")}), check=0)
    with SCHEMES[scheme](pki, pki.self_signed) as fake:
        run("list", url(fake, user, scheme, **{"tls-pin": "sha256$" + pki.self_signed.pin}), check=0)


@pytest.mark.parametrize("kind", ["expired", "not_yet", "wrong_name"])
def test_a_pin_excuses_neither_date_nor_name(pki, run, user, kind):
    cert = getattr(pki, kind)
    with implicit(pki, cert) as fake:
        refused(run, fake, user, url(fake, user, "imaps", **{"tls-pin": "sha256$" + cert.pin}), BAD[kind][0])


@pytest.mark.parametrize("pin", ["sha256$", "sha256$00", "md5$" + "0" * 32, "sha256$" + "g" * 64])
def test_a_pin_that_is_none(pki, run, user, pin):
    """A slip in the pin may not end as a connection without one."""
    with implicit(pki, pki.good) as fake:
        location = url(fake, user, "imaps", **{"ca-file": pki.ca, "tls-pin": pin})
        result = run("list", location, check=2)
        assert "tls-pin" in result.err
        assert fake.connections == 0


def test_verification_off_warns(pki, run, user):
    with implicit(pki, pki.expired) as fake:
        location = url(fake, user, "imaps", **{"tls-verify": "no"})
        for command in ("check", "list"):
            result = run(command, location, check=0)
            assert re.search(r"warning: .*tls-verify=no", result.err), result


def test_client_certificate(pki, run, user, tmp_path):
    encrypted, phrase = tmp_path / "client.key", tmp_path / "phrase"
    encrypted.write_bytes(tls._openssl("pkey", "-in", pki.client.key, "-aes256", "-passout", "pass:canary phrase"))
    phrase.write_text("canary phrase\n")
    phrase.chmod(0o600)
    with implicit(pki, pki.good, client_ca=pki.ca) as fake:
        keys = {"ca-file": pki.ca, "client-cert": pki.client.cert, "client-key": pki.client.key}
        run("list", url(fake, user, "imaps", **keys), check=0)
        keys.update({"client-key": encrypted, "client-key-pass-file": phrase})
        run("list", url(fake, user, "imaps", **keys), check=0)
        phrase.write_text("another\n")
        result = run("list", url(fake, user, "imaps", **keys))
        assert result.code in (2, 5) and "client-key" in result.err, result
        assert "another" not in result.err
        fake.raw.clear()
    with implicit(pki, pki.good, client_ca=pki.ca) as fake:
        # TLS 1.3 tells that a certificate is missing only after the client is through with the handshake.
        refused(run, fake, user, url(fake, user, "imaps", **{"ca-file": pki.ca}), "certificate", "client-cert")
    with implicit(pki, pki.good) as fake:
        result = run("list", url(fake, user, "imaps", **{"ca-file": pki.ca, "client-cert": pki.client.cert,
                                                         "client-key": pki.good.key}), check=2)
        assert "client-key" in result.err
        silent(fake, user)


# versions

@pytest.mark.parametrize("high", ["TLSv1", "TLSv1_1"])
def test_old_versions(pki, run, user, high):
    with implicit(pki, pki.good, high=getattr(ssl.TLSVersion, high)) as fake:
        location = url(fake, user, "imaps", **{"ca-file": pki.ca})
        refused(run, fake, user, location, "tls-min")
        number = high.replace("TLSv1_1", "1.1").replace("TLSv1", "1.0")
        check, = run("check", "--json", location + "&tls-min=" + number, check=0).json
        assert check["tls"]["tls_version"] == number


def test_version_limits(pki, run, user):
    with implicit(pki, pki.good, high=ssl.TLSVersion.TLSv1_2) as fake:
        refused(run, fake, user, url(fake, user, "imaps", **{"ca-file": pki.ca, "tls-min": "1.3"}), "tls-min")
        check, = run("check", "--json", url(fake, user, "imaps", **{"ca-file": pki.ca}), check=0).json
        assert check["tls"]["tls_version"] == "1.2"
    with implicit(pki, pki.good) as fake:
        for high, version in ((None, "1.3"), ("1.2", "1.2")):
            check, = run("check", "--json", url(fake, user, "imaps", **{"ca-file": pki.ca, "tls-max": high}), check=0).json
            assert check["tls"]["tls_version"] == version
    with implicit(pki, pki.good, low=ssl.TLSVersion.TLSv1_3) as fake:
        refused(run, fake, user, url(fake, user, "imaps", **{"ca-file": pki.ca, "tls-max": "1.2"}), "tls-max")


# STARTTLS

def test_starttls_stripped(servers, proxy, pki, run, user):
    """Who is in between takes STARTTLS out of the capabilities and refuses the command, before a real server."""
    server = servers(Dovecot, cert=pki.good)
    between = proxy(server, hide=["STARTTLS"], rules=[
        {"do": "reply", "on": "STARTTLS", "text": "BAD Unknown command", "times": -1}])
    location = url(server, user, "imap", port=between.port, **{"ca-file": pki.ca})
    for command in (["check"], ["list"]):
        result = run(*command, location, check=4)
        assert "refuses STARTTLS" in result.out + result.err and "imaps://" in result.out + result.err
    names = {name for _, name, _ in between.commands()}
    assert names <= {"CAPABILITY", "STARTTLS", "LOGOUT"} and "STARTTLS" in names


@pytest.mark.parametrize("answer", [b"%TAG% NO not now\r\n", b"%TAG% BAD what\r\n", b"* BYE no TLS here\r\n", "close",
                                    b"%TAG% PREAUTH in\r\n", b"+ go on\r\n%TAG% NO\r\n"])
def test_starttls_refused(pki, run, user, answer):
    with starttls(pki, pki.good) as fake:
        fake.on("^STARTTLS", answer)
        refused(run, fake, user, url(fake, user, "imap", **{"ca-file": pki.ca}))


EARLY = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN STARTTLS] hello\r\n"


@pytest.mark.parametrize("data", [b"* CAPABILITY IMAP4rev1 AUTH=PLAIN X-EVIL\r\n", b"m2 OK [CAPABILITY X-EVIL] in\r\n",
                                  b"+ \r\n", b"* ", b"\r\n", b" ", b"\x16\x03\x03\x00\x00"])
def test_injected_behind_the_ok(pki, run, user, data):
    """What comes in the clear behind the OK is nobody's answer: the connection is over."""
    with starttls(pki, pki.good) as fake:
        fake.on("^STARTTLS", lambda s: s.send(s.tag + b" OK begin\r\n" + data) or shake(s))
        refused(run, fake, user, url(fake, user, "imap", **{"ca-file": pki.ca}))


def shake(session):
    session.sock = session.server.context().wrap_socket(session.sock, server_side=True)
    session.file = session.sock.makefile("rb")


def test_injected_before_the_ok_is_forgotten(pki, run, user):
    """Untagged data before the OK is legal, and worth nothing after it."""
    with starttls(pki, pki.good) as fake:
        fake.greeting = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN STARTTLS X-EVIL1] \x1b[31mhello\r\n"

        def answer(session):
            session.send(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN COMPRESS=DEFLATE X-EVIL2\r\n* 23 EXISTS\r\n"
                         b"* OK [ALERT] send your password to evil@example.org\r\n")
            session.do_starttls(None)
        fake.on("^STARTTLS", answer)
        result = run("check", "--json", url(fake, user, "imap", **{"ca-file": pki.ca}), check=0)
        assert "EVIL" not in result.out, result
        assert "COMPRESS=DEFLATE" not in result.json[0]["capabilities"]
        # Asked for again, inside TLS.
        order = [line.split()[0] for line in fake.commands()]
        assert order.index("STARTTLS") < order.index("CAPABILITY") < order.index("AUTHENTICATE")


@pytest.mark.parametrize("early", [b"m1 OK begin TLS\r\n", b"m2 OK in\r\nm1 OK begin\r\n", b"m1 BAD x\r\n"])
def test_answered_before_asked(pki, run, user, early):
    with starttls(pki, pki.good) as fake:
        fake.greeting = EARLY + early
        refused(run, fake, user, url(fake, user, "imap", **{"ca-file": pki.ca}))


@pytest.mark.parametrize("greeting", [b"* PREAUTH welcome\r\n", b"* PREAUTH [CAPABILITY IMAP4rev1] Logged in as anna\r\n",
                                      b"* preauth\r\n"])
def test_preauth(pki, run, user, greeting):
    """CVE-2020-14093 of mutt and its like: STARTTLS is not possible once logged in."""
    with starttls(pki, pki.good) as fake:
        fake.greeting = greeting
        result = refused(run, fake, user, url(fake, user, "imap", **{"ca-file": pki.ca}), "imaps://")
        assert "before TLS could begin" in result.err
        assert not fake.commands("LIST|SELECT|EXAMINE|STATUS")


def test_messages_are_not_taken_from_preauth(pki, run, user, dst):
    """The other half of that attack: mail goes to whoever asks for it, or comes from anybody."""
    with starttls(pki, pki.good, mailboxes={"INBOX": notes(2)}) as fake:
        fake.greeting = b"* PREAUTH hi\r\n"
        run("copy", "--retries=0", dst.url(user), url(fake, user, "imap", **{"ca-file": pki.ca}), check=4)
        run("copy", "--retries=0", url(fake, user, "imap", **{"ca-file": pki.ca}), dst.url(user), check=4)
    assert witness.read(dst, user).count == 0


def test_implicit_port_spoken_in_clear(pki, run, user):
    """imap:// where TLS is expected from the first octet: both sides wait, and the program says what it may be."""
    with implicit(pki, pki.good) as fake:
        result = run("list", "--timeout=1s", url(fake, user, "imap", **{"ca-file": pki.ca}), check=4)
        assert "imaps://" in result.err and "tls=implicit" in result.err
        silent(fake, user)
        result = run("list", "--timeout=1s", url(fake, user, "imap", tls="none"), check=4)
        assert "imaps://" in result.err
        silent(fake, user)


def test_clear_port_spoken_to_with_tls(pki, run, user):
    with starttls(pki, pki.good) as fake:
        refused(run, fake, user, url(fake, user, "imaps", **{"ca-file": pki.ca}), "imap://")


def test_clear_text_only_when_asked(run, user):
    with Fake().on("^STARTTLS", b"%TAG% BAD unknown command\r\n") as fake:
        location = url(fake, user, "imap", host="127.0.0.1")
        refused(run, fake, user, location, "refuses STARTTLS", "tls=none")
        run("list", location + "&tls=none", check=0)
    with Fake().on("^STARTTLS", b"%TAG% BAD unknown command\r\n") as fake:
        refused(run, fake, user, url(fake, user, "imap", host="127.0.0.1", tls="starttls"), "tls=none")
        # The other side's tls=none is not this side's.
        run("copy", "--retries=0", "--dst-tls=none", url(fake, user, "imap", host="127.0.0.1"),
            "imap://u@127.0.0.1:1?pass-env=NONE", env={"NONE": "x"}, check=4)
        silent(fake, user)


def test_referrals_are_not_followed(run, user):
    """RFC 2221: "try there" would be any server's way to send us, with the password, anywhere."""
    with Fake() as evil:
        there = b"[REFERRAL imap://%s@127.0.0.1:%d/] try there" % (user.encode(), evil.port)
        for greeting, rule in ((b"* BYE " + there + b"\r\n", None), (None, b"%TAG% NO " + there + b"\r\n"),
                               (None, b"%TAG% OK " + there + b"\r\n")):
            with Fake(greeting=greeting) as fake:
                if rule:
                    fake.on("^AUTHENTICATE|^LOGIN", rule)
                result = run("list", fake.url(user))
                assert result.code in (0, 4, 5), result
        assert evil.connections == 0


# truncation

def test_cut_within_tls_is_no_end(pki, run, user, dst):
    """The line is cut in the middle of a message: nothing shorter arrives, and the verdict says so."""
    big = note(1, size=200_000)
    with implicit(pki, pki.good, mailboxes={"INBOX": [big]}) as fake:
        def half(session):
            session.send(b"* 1 FETCH (UID 1 FLAGS () INTERNALDATE \"01-Jan-2024 12:00:00 +0000\" BODY[] {%d}\r\n%s"
                         % (len(big.body), big.body[:100_000]))
            raw = socket.socket(fileno=session.sock.detach())
            raw.shutdown(socket.SHUT_RDWR)
            raw.close()
            raise EOFError
        fake.on(r"FETCH .*BODY(\.PEEK)?\[\]", half)
        result = run("copy", "--retries=1", url(fake, user, "imaps", **{"ca-file": pki.ca}), dst.url(user))
        assert result.code in (3, 4), result
        assert "complete:" not in result.out.replace("incomplete:", "")
    assert witness.read(dst, user).count == 0


def test_garbage_within_tls(pki, run, user):
    """A record that does not decrypt ends the connection, whatever was said before it."""
    with implicit(pki, pki.good) as fake:
        def broken(session):
            raw = socket.socket(fileno=session.sock.detach())
            raw.sendall(b"\x17\x03\x03\x00\x40" + b"x" * 64)
            threading.Event().wait(0.2)
            raw.close()
            raise EOFError
        fake.on("^LIST", broken)
        result = run("list", "--timeout=5s", url(fake, user, "imaps", **{"ca-file": pki.ca}), check=4)
        assert "INBOX" not in result.out
