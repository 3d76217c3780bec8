"""mailhaul size: how large accounts are, by each method, of many, with faults."""
import csv
import io

from copying import note
from lab import load
from lab.server import PASSWORD


def fill(server, user, **mailboxes):
    """Appends so many notes to each mailbox, and gives the octets of all."""
    octets = 0
    for name, count in mailboxes.items():
        messages = [note(i, name, body=b"x" * (100 * (i + 1)) + b"\r\n") for i in range(count)]
        load.append_many(server, user, name, messages, create=name != "INBOX")
        octets += sum(message.size for message in messages)
    return octets


def rows(result):
    found = result.json
    assert found[-1]["type"] == "total" and all(row["type"] == "size" for row in found[:-1]), result
    return found[:-1], found[-1]


def test_each_method_agrees(src, proxy, user, run):
    octets = fill(src, user, INBOX=3, Work=4)
    (row,), total = rows(run("size", "--json", src.url(user), check=0))
    assert (row["method"], row["size"], row["messages"], row["error"]) == ("status", octets, 7, None)
    assert total["size"] == octets and total["accounts"] == 1
    (row,), _ = rows(run("size", "--json", "--method=scan", src.url(user), check=0))
    assert (row["method"], row["size"], row["messages"]) == ("scan", octets, 7)
    plain = proxy(src, hide=["STATUS=SIZE", "LIST-STATUS"])
    (row,), _ = rows(run("size", "--json", plain.url(user), check=0))
    assert (row["method"], row["size"], row["messages"]) == ("scan", octets, 7)
    assert run("size", "--brief", src.url(user), check=0).out == "%d\n" % octets


def test_courier(courier, run, user):
    courier.add_user(user)
    octets = fill(courier, user, INBOX=3)
    (row,), _ = rows(run("size", "--json", courier.url(user), check=0))
    assert (row["method"], row["messages"]) == ("scan", 3) and row["size"] == octets


def test_chosen(src, user, run):
    fill(src, user, INBOX=3, Work=4)
    (row,), _ = rows(run("size", "--json", "-m", "Work", src.url(user), check=0))
    assert (row["messages"], row["mailboxes"], row["method"]) == (4, 1, "status")
    (row,), _ = rows(run("size", "--json", "--uid", "1:2", src.url(user), check=0))
    assert (row["messages"], row["method"]) == (4, "scan")


def test_largest_first_and_failures_stay(src, user, run):
    sizes = {user + suffix: fill(src, user + suffix, INBOX=count) for suffix, count in (("a", 1), ("b", 5), ("c", 3))}
    wrong = src.url(user + "d", **{"pass-file": None, "pass-cmd": "echo%20wrong"})
    gone = "imap://x@127.0.0.1:1?tls=none&pass-cmd=echo"
    found, total = rows(run("size", "--json", wrong, gone, *map(src.url, sizes), "--retries=0", check=5))
    assert [row["size"] for row in found] == sorted(sizes.values(), reverse=True) + [None, None]
    assert all(row["error"] for row in found[3:]) and total["accounts_unknown"] == 2
    assert total["size"] == sum(sizes.values())
    table = run("size", wrong, *map(src.url, sizes), check=5).out.splitlines()
    assert table[0].split() == ["size", "messages", "method", "account"]
    assert user + "b" in table[1] and "?" in table[4] and "4 accounts, 1 of them not known" in table[5], table


def test_users(src, user, run):
    people = {user + suffix: fill(src, user + suffix, INBOX=count) for suffix, count in (("a", 2), ("b", 4), ("c", 3))}
    path = run.home / "secret"
    path.write_text("".join("%s:%s\n" % (name, PASSWORD) for name in people) + user + "z:wrong\n")
    path.chmod(0o600)
    where = "imap://%%u@127.0.0.1:%d?tls=none" % src.port
    found, total = rows(run("size", "--json", "--users", path, where, "-j3", check=5))
    assert [row["user"] for row in found] == sorted(people, key=people.get, reverse=True) + [user + "z"]
    assert total["accounts"] == 4 and total["size"] == sum(people.values())
    result = run("size", "--csv", "--users", path, where, check=5)
    lines = list(csv.DictReader(io.StringIO(result.out)))
    assert [line["size"] for line in lines] == [str(row["size"]) if row["size"] else "" for row in found]
    assert lines[3]["error"] and lines[3]["method"] == ""


def test_a_mailbox_that_refuses(src, proxy, user, run):
    """Its size is not taken for 0: the sum is said to be a part."""
    octets = fill(src, user, INBOX=3)
    fill(src, user, Bad=2)
    broken = proxy(src, hide=["STATUS=SIZE", "LIST-STATUS"],
                   rules=[{"on": "EXAMINE", "match": "Bad", "do": "reply", "text": "NO broken", "times": -1}])
    (row,), total = rows(run("size", "--json", broken.url(user), check=3))
    assert row["size"] == octets and row["mailboxes_unknown"] == 1 and row["error"], row
    assert total["accounts_incomplete"] == 1
    assert "incomplete: " in run("size", broken.url(user), check=3).out


def test_a_line_that_breaks(src, proxy, user, run):
    octets = fill(src, user, INBOX=3, Work=3)
    cut = proxy(src, hide=["STATUS=SIZE"], rules=[{"on": "UID FETCH", "do": "cut-reply", "at": 20}])
    (row,), _ = rows(run("size", "--json", cut.url(user), check=0))
    assert row["size"] == octets and cut.fired()
    dead = proxy(src, rules=[{"on": "LIST", "do": "cut-before", "times": -1}])
    (row,), _ = rows(run("size", "--json", dead.url(user), "--retries=1", check=4))
    assert row["size"] is None and row["error"]


def test_usage(src, user, run):
    assert "leave out --mailbox" in run("size", "--method=quota", "-m", "INBOX", src.url(user), check=2).err
    (row,), total = rows(run("size", "--json", "--method=quota", src.url(user), check=3))
    assert row["size"] is None and row["error"] and total["messages"] is None
