"""Messages with 8-bit headers into servers that have UTF8=ACCEPT (RFC 6855, RFC 9755)."""
import pytest

from copying import note
from lab.hostile import CAPABILITIES, Fake

MAIL = [note(1), note(2, subject="Grüße"), note(3), note(4, subject="你好"), note(5, body="Grüße\r\n".encode())]


def has_8bit_header(body):
    return not body.partition(b"\r\n\r\n")[0].isascii()


def strict(session):
    """RFC 6855 §4 to the letter."""
    if b"UTF8 (~{" in session.line:
        assert session.line.endswith(b")")
        uid = session.server.store(session.server.boxes["INBOX"], session.literals[-1]).uid
        session.ok("[APPENDUID 1000 %d] stored" % uid)
    elif any(has_8bit_header(body) for body in session.literals):
        session.no("[CANNOT] 8-bit header")
    else:
        session.default()


def unknowing(session):
    """Announces it, refuses such headers, and does not know the data item."""
    if b"UTF8 (~{" in session.line:
        session.bad("what is UTF8?")
    else:
        strict(session)


@pytest.fixture
def fakes():
    with Fake({"INBOX": MAIL}) as source, Fake(capabilities=CAPABILITIES + " ENABLE UTF8=ACCEPT") as destination:
        destination.on("^ENABLE", b"* ENABLED UTF8=ACCEPT\r\n%TAG% OK done\r\n")
        yield source, destination


def bodies(fake):
    return sorted(body for body, _, _ in fake.messages())


def test_a_strict_server(run, user, fakes):
    source, destination = fakes
    destination.on("^APPEND", strict)
    run("copy", source.url(user), destination.url(user), "--json", check=0)
    assert destination.commands("^ENABLE .*UTF8=ACCEPT")
    assert bodies(destination) == bodies(source)
    assert len(destination.commands(r"UTF8 \(~")) == 2, "only those that need it"


def test_a_server_that_takes_them_plainly(run, user, fakes):
    source, destination = fakes
    run("copy", source.url(user), destination.url(user), check=0)
    assert bodies(destination) == bodies(source)
    assert not destination.commands(r"UTF8 \(~")


def test_refused_either_way(run, user, fakes):
    """Reported with what the server said first; the others arrive."""
    source, destination = fakes
    destination.on("^APPEND", unknowing)
    result = run("copy", source.url(user), destination.url(user), "--json", check=3)
    assert bodies(destination) == sorted(m.body for m in MAIL if not has_8bit_header(m.body))
    said = [line["text"] for line in result.json if line.get("finding") == "refused"]
    assert len(said) == 2 and all("8-bit header" in text for text in said)
