"""A destination that takes nothing but synchronising literals: idle lanes help with one mailbox (ops/lane_share.c)."""
import time

from lab import corpus, load, witness

BARE = ["LITERAL+", "LITERAL-", "MULTIAPPEND"]


def test_lanes_share_a_mailbox(src, dst, user, run, proxy):
    """Every message arrives once, whichever lane carried it; a second run has nothing to do."""
    load.fill(src, user, corpus.l(300, 800))
    far = proxy(dst, hide=BARE, rtt=0.01)
    first = run("copy", src.url(user), far.url(user), "-j", "4", "--json", timeout=120, check=0)
    assert first.json[-1]["copied"] == 300
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []
    appends = [one["c2s"] for one in far.stats()["per_connection"] if one["c2s"] > 20_000]
    assert len(appends) >= 2, "one connection carried everything: %r" % appends
    second = run("copy", src.url(user), far.url(user), "-j", "4", "--json", timeout=120, check=0)
    assert second.json[-1]["copied"] == 0


def test_keep_order_forbids_it(src, dst, user, run, proxy):
    load.fill(src, user, corpus.l(100, 800))
    far = proxy(dst, hide=BARE)
    run("copy", src.url(user), far.url(user), "-j", "4", "--keep-order", timeout=120, check=0)
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []
    appends = [one["c2s"] for one in far.stats()["per_connection"] if one["c2s"] > 20_000]
    assert len(appends) == 1


def test_killed_while_lanes_share(src, dst, user, run, proxy):
    load.fill(src, user, corpus.l(300, 800))
    far = proxy(dst, hide=BARE, rtt=0.02)
    process = run.start("copy", src.url(user), far.url(user), "-j", "3")
    time.sleep(1.5)
    process.kill()
    process.communicate()
    run("copy", src.url(user), far.url(user), "-j", "3", "--settle", "200ms", timeout=120, check=0)
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []


def test_a_helper_loses_its_line(src, dst, user, run, proxy):
    """What the helper had sent is looked for before it is sent again."""
    load.fill(src, user, corpus.l(300, 800))
    far = proxy(dst, hide=BARE, rtt=0.01, rules=[{"do": "swallow", "on": "APPEND", "nth": 60, "times": 2}])
    run("copy", src.url(user), far.url(user), "-j", "3", "--settle", "200ms", timeout=120, check=0)
    assert far.fired()
    assert witness.diff(witness.read(src, user), witness.read(dst, user)) == []
