"""What the lines carry decides, while bodies flow: slow ones compress."""
import pytest

from lab import corpus, load, witness

SLOW = 1_000_000    # octets a second


def sides(path):
    """Which side compresses from when on, by the log."""
    with open(path) as file:
        text = file.read()
    return {side for side in ("source", "destination")
            if any(side + ": a connection carries" in line and "compressing" in line for line in text.splitlines())}


def commands(path):
    with open(path, "rb") as file:
        return file.read().count(b" COMPRESS DEFLATE")


def mail(count=300, size=20_000):
    """One mailbox: compression begins in its middle."""
    return corpus.l(count, size)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_slow_line_compresses(src, dst, user, run, proxy, tmp_path, side):
    # What was asked ahead of the source still comes as it is.
    load.fill(src, user, mail(500))
    slow = proxy(src, rate=2 * SLOW) if side == "source" else proxy(dst, rate=SLOW)
    log, trace = tmp_path / "log", tmp_path / "trace"
    run("copy", (slow if side == "source" else src).url(user), (slow if side == "destination" else dst).url(user),
        "-j", "1", "--log", log, "--trace", trace, timeout=120, check=0)
    assert sides(log) == {side}
    assert commands(trace) == 1
    stats = slow.stats()
    carried = stats["s2c"] if side == "source" else stats["c2s"]
    assert carried < 9_500_000, "it carried 10 MB as they are: %r" % stats
    with open(log) as file:
        assert "again in" not in file.read(), "the line broke"
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []


def test_other_lanes_follow(src, dst, user, run, proxy, tmp_path):
    load.fill(src, user, [("box %d" % i, list(corpus.l(400, 20_000))[0][1], True) for i in range(3)])
    slow = proxy(dst, rate=SLOW)
    trace = tmp_path / "trace"
    run("copy", src.url(user), slow.url(user), "-j", "3", "--trace", trace, timeout=120, check=0)
    assert commands(trace) >= 2
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []


def test_a_fast_line_does_not(src, dst, user, run, tmp_path):
    load.fill(src, user, mail(40))
    log, trace = tmp_path / "log", tmp_path / "trace"
    run("copy", src.url(user), dst.url(user), "-j", "1", "--log", log, "--trace", trace, check=0)
    assert sides(log) == set() and commands(trace) == 0


def test_forbidden(src, dst, user, run, proxy, tmp_path):
    load.fill(src, user, mail(200))
    slow = proxy(dst, rate=SLOW)
    log, trace = tmp_path / "log", tmp_path / "trace"
    run("copy", src.url(user), slow.url(user, compress="no"), "-j", "1", "--log", log, "--trace", trace,
        timeout=120, check=0)
    assert sides(log) == set() and commands(trace) == 0


def test_our_own_limit_is_no_slow_line(src, dst, user, run, tmp_path):
    load.fill(src, user, mail(150))
    log, trace = tmp_path / "log", tmp_path / "trace"
    run("copy", src.url(user), dst.url(user), "-j", "1", "--bandwidth", "1M", "--log", log, "--trace", trace,
        timeout=120, check=0)
    assert sides(log) == set() and commands(trace) == 0


def test_refused(src, dst, user, run, proxy, tmp_path):
    """A server that offers it and does not do it loses nothing."""
    load.fill(src, user, mail())
    slow = proxy(dst, rate=SLOW, rules=[{"do": "reply", "on": "COMPRESS", "text": "NO not now"}],
                 rewrite=[["UIDPLUS", "UIDPLUS COMPRESS=DEFLATE"]])
    trace = tmp_path / "trace"
    run("copy", src.url(user), slow.url(user), "-j", "1", "--trace", trace, timeout=120, check=0)
    assert commands(trace) == 1 and slow.fired()
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []
