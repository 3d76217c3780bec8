"""The laboratory itself: a witness that misses a difference would make every other test worthless."""
import hashlib
import ssl
import socket
import time

import pytest

from lab import corpus, load, syntax, tls, witness
from lab.hostile import Fake
from lab.proxy import Proxy

MESSAGES = [corpus.message(number, seed="lab", flags=("\\Seen", "work")) for number in range(12)]


@pytest.fixture
def pair(src, dst, user):
    """Two equal accounts and a function that tells their differences."""
    for server in (src, dst):
        load.append_many(server, user, "INBOX", MESSAGES)
        load.append_many(server, user, "Küche/家族", MESSAGES[:3], create=True)

    def differences():
        return [difference.kind for difference in witness.diff(witness.read(src, user), witness.read(dst, user))]

    assert differences() == []
    return dst, user, differences


def test_witness_finds_missing(pair):
    dst, user, differences = pair
    load.expunge(dst, user, "INBOX", "5")
    assert differences() == ["missing"]


def test_witness_finds_doubled(pair):
    dst, user, differences = pair
    load.append_many(dst, user, "INBOX", [MESSAGES[4]])
    assert differences() == ["doubled"]


def test_witness_finds_extra(pair):
    dst, user, differences = pair
    load.append_many(dst, user, "INBOX", [corpus.message(99, seed="other")])
    assert differences() == ["extra"]


@pytest.mark.parametrize("number", range(len(MESSAGES)))
def test_witness_finds_altered_octet(pair, number):
    dst, user, differences = pair
    load.expunge(dst, user, "INBOX", str(number + 1))
    load.append_many(dst, user, "INBOX", [load.altered(MESSAGES[number])])
    assert differences() == ["altered"]


@pytest.mark.parametrize("how, flag", [("-", "\\Seen"), ("+", "\\Flagged"), ("+", "new-keyword"), ("-", "work")])
def test_witness_finds_flags(pair, how, flag):
    dst, user, differences = pair
    load.store(dst, user, "INBOX", "7", how, [flag])
    assert differences() == ["flags"]


def test_witness_finds_date(pair):
    dst, user, differences = pair
    load.expunge(dst, user, "INBOX", "3")
    load.append_many(dst, user, "INBOX", [MESSAGES[2].with_date("01-Jan-2001 00:00:01 +0000")])
    assert differences() == ["date"]


def test_witness_takes_equal_instants_as_equal(pair):
    dst, user, differences = pair
    seconds = syntax.instant(MESSAGES[2].date)
    load.expunge(dst, user, "INBOX", "3")
    load.append_many(dst, user, "INBOX", [MESSAGES[2].with_date(syntax.internaldate(seconds, -570))])
    assert differences() == []


def test_witness_finds_mailboxes(pair):
    dst, user, differences = pair
    load.command(dst, user, "CREATE", '"more"')
    assert differences() == ["mailbox-extra"]
    load.delete_mailbox(dst, user, "Küche/家族")
    assert differences() == ["mailbox-missing", "mailbox-extra"]


def test_witness_finds_subscription(pair, src):
    _, user, differences = pair
    load.command(src, user, "SUBSCRIBE", "INBOX")
    assert differences() == ["subscription"]


def test_witness_counts_identical_messages(src, dst, user):
    load.append_many(src, user, "INBOX", corpus.identical(3))
    load.append_many(dst, user, "INBOX", corpus.identical(2))
    a, b = witness.read(src, user), witness.read(dst, user)
    assert [d.kind for d in witness.diff(a, b)] == ["missing"]
    assert [d.kind for d in witness.diff(b, a)] == ["doubled"]


def test_witness_swapped_mailboxes(src, dst, user):
    """The same messages in other mailboxes are not the same account."""
    for server, names in ((src, ("a", "b")), (dst, ("b", "a"))):
        for name, msg in zip(names, MESSAGES):
            load.append_many(server, user, name, [msg], create=True)
    kinds = [d.kind for d in witness.diff(witness.read(src, user), witness.read(dst, user))]
    assert sorted(kinds) == ["extra", "extra", "missing", "missing"]


def test_odd_account_survives_loading(servers, src, user):
    """Every odd name and message is stored as it was sent, so the corpus tests programs and not servers."""
    count = load.fill(src, user, corpus.t())
    account = witness.read(src, user)
    assert count == account.count == 96
    assert set(account.mailboxes) - {"deep", "deep/er", "deep/er/and", "deep/er/and/deeper"} == set(corpus.T_NAMES)
    stored = sorted(msg.sha for msgs in account.mailboxes.values() for msg in msgs)
    sent = sorted(hashlib.sha256(msg.body).hexdigest() for _, msgs, _ in corpus.t() for msg in msgs)
    assert stored == sent


@pytest.mark.parametrize("options", [
    {"format": "maildir", "separator": ".", "prefix": "INBOX."}, {"format": "mdbox"},
    {"capabilities": "IMAP4rev1"}], ids=["maildir", "mdbox", "bare"])
def test_dovecot_flavours(servers, src, user, options):
    other = servers(**options)
    for server in (src, other):
        load.fill(server, user, corpus.small())
    assert witness.diff(witness.read(src, user), witness.read(other, user)) == []


@pytest.mark.others
@pytest.mark.parametrize("name", ["cyrus", "courier"])
def test_other_servers(request, src, user, name):
    other = request.getfixturevalue(name)
    for server in (src, other):
        load.fill(server, user, corpus.small())
    assert witness.diff(witness.read(src, user), witness.read(other, user), parents=True) == []


def test_corpus_is_deterministic():
    def digest(account):
        sha = hashlib.sha256()
        for name, messages, subscribed in account:
            sha.update(repr((name, subscribed)).encode())
            for msg in messages:
                sha.update(msg.body + repr((msg.flags, msg.date)).encode())
        return sha.hexdigest()
    assert digest(corpus.s(0.02)) == digest(corpus.s(0.02))
    assert digest(corpus.small()) == digest(corpus.small())


def test_corpus_has_no_bare_line_ends():
    for _, messages, _ in corpus.s(0.05):
        for msg in messages:
            assert msg.body.count(b"\n") == msg.body.count(b"\r\n") == msg.body.count(b"\r")


@pytest.mark.parametrize("size", [200, 1 << 20, (1 << 20) + 1, 5_000_001])
def test_giant_has_its_size(size):
    data = b"".join(corpus.giant(size).chunks())
    assert len(data) == size and data.endswith(b"\r\n")
    assert data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r")


def test_giant_message(src, user):
    msg = corpus.giant(40 << 20)
    load.append_many(src, user, "INBOX", [msg])
    sha = hashlib.sha256()
    for chunk in msg.chunks():
        sha.update(chunk)
    assert witness.read(src, user).mailboxes["INBOX"][0].sha == sha.hexdigest()


@pytest.mark.parametrize("name", corpus.T_NAMES)
def test_names_round_trip(name):
    for delimiter in "/.":
        raw = syntax.raw(name, delimiter, "INBOX.")
        assert all(32 <= octet < 127 for octet in raw)
        if delimiter not in name or delimiter == "/":
            assert syntax.display(raw, delimiter, "INBOX.") == name


def test_proxy_delays(src, user):
    with Proxy(src, rtt=0.06) as proxy:
        client = witness.Client(proxy, user)
        start = time.monotonic()
        client.noop()
        assert time.monotonic() - start > 0.055
        client.logout()
        assert proxy.stats()["turns"] == 6      # CAPABILITY, LOGIN, CAPABILITY, NAMESPACE, NOOP, LOGOUT


@pytest.mark.parametrize("rule, stored", [
    ({"on": "APPEND", "do": "cut-before"}, 0),
    ({"on": "APPEND", "do": "cut-literal", "at": 0.5, "literal": 2}, 0),
    ({"on": "APPEND", "do": "cut-literal", "at": 0}, 0),
    ({"on": "APPEND", "do": "cut-after"}, 5),
    ({"on": "APPEND", "do": "swallow"}, 5),
    ({"on": "APPEND", "do": "reply", "text": "NO [OVERQUOTA] full"}, 0),
    ({"on": "APPEND", "do": "reply", "text": "BYE over"}, 0),
    ({"on": "*", "match": "^\\S+ APPEND", "do": "reply", "text": "BAD what"}, 0),
    ({"do": "cut", "direction": "c2s", "bytes": 1500}, 0),
    ({"do": "cut", "direction": "s2c", "bytes": 1}, 0)])
@pytest.mark.parametrize("hide", [[], ["LITERAL+", "MULTIAPPEND"]], ids=["batch", "single"])
def test_proxy_breaks(src, user, rule, stored, hide):
    """A fault hits exactly what it was meant for, and the server is left in the state it promises."""
    if hide and rule.get("literal"):
        rule = dict(rule, literal=1)
    with Proxy(src, rules=[rule], hide=hide) as proxy:
        with pytest.raises((OSError, RuntimeError, witness.imaplib.IMAP4.error)):
            load.append_many(proxy, user, "INBOX", MESSAGES[:5])
        assert len(proxy.fired()) == 1
        assert witness.read(src, user).count == (min(stored, 1) if hide and rule.get("on") else stored)
        load.append_many(proxy, user, "INBOX", MESSAGES[:1])


def test_proxy_hides_capabilities(src, user):
    with Proxy(src, only=["IMAP4rev1", "UIDPLUS"]) as proxy:
        assert witness.Client(proxy, user).capabilities == ("IMAP4REV1", "UIDPLUS")


def test_proxy_cuts_literal_of_answer(src, user):
    load.append_many(src, user, "INBOX", MESSAGES[:5])
    with Proxy(src, rules=[{"on": "UID FETCH", "match": "BODY", "do": "cut-reply-literal"}]) as proxy:
        with pytest.raises((OSError, witness.imaplib.IMAP4.error)):
            witness.read(proxy, user)
        assert witness.read(proxy, user).count == 5


def test_proxy_drops_and_rewrites(src, user):
    load.append_many(src, user, "INBOX", MESSAGES[:5])
    with Proxy(src, drop=[r"^\* 3 FETCH .*BODY"]) as proxy:
        with pytest.raises(AssertionError, match=r"UIDs \[3\]"):
            witness.read(proxy, user)
    with Proxy(src, rewrite=[[r"(RFC822\.SIZE) \d+", r"\1 5"]], log=True) as proxy:
        assert witness.read(proxy, user).count == 5
        assert [item[1] for item in proxy.commands("EXAMINE")] == ["EXAMINE"]


def test_proxy_refuses_after_cut(src, user):
    rules = [{"on": "APPEND", "do": "swallow"}]
    with Proxy(src, rules=rules, refuse_after=True) as proxy:
        for _ in range(2):
            with pytest.raises((OSError, witness.imaplib.IMAP4.error)):
                load.append_many(proxy, user, "INBOX", MESSAGES[:5])
        assert witness.read(src, user).count == 5
        proxy.allow()
        witness.read(proxy, user)


def test_fake_stores_like_a_server(src, user):
    with Fake({"INBOX": []}) as fake:
        for server in (fake, src):
            load.append_many(server, user, "INBOX", corpus.odd())
        assert witness.diff(witness.read(src, user), witness.read(fake, user)) == []


def test_certificates(servers, pki, user):
    """Each bad certificate is refused for its own reason."""
    reasons = {"good": None, "expired": "expired", "not_yet": "not yet", "wrong_name": "Hostname mismatch",
               "self_signed": "self-signed", "other_ca": "unable to get local issuer"}
    for name, reason in reasons.items():
        with Fake(cert=getattr(pki, name), implicit_tls=True) as fake:
            context = ssl.create_default_context(cafile=pki.ca)
            sock = socket.create_connection((fake.host, fake.port))
            if reason is None:
                assert context.wrap_socket(sock, server_hostname=tls.HOST).recv(4) == b"* OK"
                continue
            with pytest.raises(ssl.SSLCertVerificationError, match=reason):
                context.wrap_socket(sock, server_hostname=tls.HOST)


def test_tokens(servers, user):
    server = servers(auth="plain oauthbearer xoauth2", auth_delay=0)
    for seconds, good in ((3600, True), (-60, False)):
        client = witness.Client(server, user, login=False)
        answer = "user=%s\1auth=Bearer %s\1\1" % (user, server.token(user, seconds))
        replies = iter([answer.encode(), b"\1"])
        if good:
            client.authenticate("XOAUTH2", lambda _: next(replies))
        else:
            with pytest.raises(client.error):
                client.authenticate("XOAUTH2", lambda _: next(replies))
