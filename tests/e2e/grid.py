"""Faults at each command in turn, as the tests of all commands make them: short words for the rules of the proxy.

    door = proxy(server, rules=[fault("no", "UID STORE")])            # from its first UID STORE on
    for how in HOW: door.set_rules([fault(how, "SELECT", nth=2, times=1)])
    run("purge", door.url(user), …, *IMPATIENT)
"""
import itertools

import pytest

HOW = {
    "no": {"do": "reply", "text": "NO not today"},
    "bad": {"do": "reply", "text": "BAD what"},
    "cut": {"do": "cut-before"},
    "swallow": {"do": "swallow"},       # it is done, and the answer is lost with the line
    "stall": {"do": "stall"},
}
# Nothing is tried twice, and nobody waits long.
IMPATIENT = ("--retries", "0", "--timeout", "0.5s")


def some(*axes, step=2):
    """Every step-th combination, in which each value of each axis is there; the others only with --soak."""
    for chosen in itertools.product(*map(enumerate, axes)):
        quick = sum(number for number, _ in chosen) % step == 0
        yield pytest.param(*(value for _, value in chosen), marks=() if quick else pytest.mark.soak)


def fault(how, on, times=-1, **more):
    return dict(HOW[how], on=on, times=times, **more)
