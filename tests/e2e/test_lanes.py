"""How many connections a run has: raised while that pays, never beyond what the servers and the user allow."""
import pytest

from lab import corpus, load, witness

pytestmark = pytest.mark.threads
RATE = 1_000_000    # octets a second that one connection gets


def boxes(count=14, each=50):
    return [("box %d" % i, [corpus.message(i * each + n, 20_000, seed="lanes") for n in range(each)], True)
            for i in range(count)]


def copy(run, source, target, *options):
    """The connections that were made, by side."""
    result = run("copy", source, target, "--json", *options, timeout=120, check=0)
    return {side["side"]: side["connections"] for side in result.json[-1]["traffic"]}


def test_raised_while_it_pays(src, dst, user, run, proxy):
    load.fill(src, user, boxes())
    slow = proxy(src, rate=RATE)
    used = copy(run, slow.url(user, compress="no"), dst.url(user))
    assert 4 <= used["source"] <= 8 and used["destination"] == used["source"]
    assert slow.stats()["connections"] == used["source"]
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []


def test_up_to_what_the_server_allows(src, dst, user, run, proxy, tmp_path):
    """The one too many is refused; the others go on, and no more are tried."""
    load.fill(src, user, boxes())
    slow = proxy(src, rate=RATE, limit=4)
    copy(run, slow.url(user, compress="no"), dst.url(user), "--log", tmp_path / "log")
    stats = slow.stats()
    assert stats["connections"] == 4 and stats["refused"] == 1
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []


@pytest.mark.parametrize("keys, options", [({}, ("-j", "2")), ({"connections": "2"}, ())])
def test_never_beyond_what_was_said(src, dst, user, run, proxy, keys, options):
    load.fill(src, user, boxes(8, 40))
    slow = proxy(src, rate=2 * RATE)
    used = copy(run, slow.url(user, compress="no", **keys), dst.url(user), *options)
    assert used == {"source": 2, "destination": 2}
    assert slow.stats()["connections"] == 2


def test_nothing_left_to_take(src, dst, user, run, proxy, tmp_path):
    load.fill(src, user, boxes(2, 150))
    slow = proxy(src, rate=RATE)
    copy(run, slow.url(user, compress="no"), dst.url(user), "--log", tmp_path / "log")
    assert "one more" not in (tmp_path / "log").read_text()
