"""Measures mailhaul beside other tools, on private servers, in one run. Start it with script/bench.

Each scenario runs every tool in turn and that as often as --runs says, so that a machine that drifts drifts for all;
the figures are medians. A tool that reaches the time limit is stopped and extrapolated from what it had done. What
arrived is compared by the witness, for the last run of each tool.
"""
import argparse
import dataclasses
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

import files  # noqa: E402
import tools  # noqa: E402
from lab import corpus, load, witness  # noqa: E402
from lab.dovecot import Dovecot  # noqa: E402
from lab.proxy import Proxy  # noqa: E402
from lab.server import work_dir  # noqa: E402

RTT = 0.05
NO_BATCH = ("IMAP4rev1 SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS LIST-EXTENDED LIST-STATUS CHILDREN UNSELECT CONDSTORE "
            "QRESYNC ESEARCH SPECIAL-USE STATUS=SIZE LITERAL-")
MIB = 1 << 20


@dataclasses.dataclass
class Run:
    """One run of one tool."""
    wall: float
    cpu: float
    rss: int                    # octets, of the biggest process
    code: int
    stopped: bool = False       # by the time limit
    done: int = 0               # messages at the destination
    server_cpu: float = 0.0
    turns: int = 0              # of all connections
    depth: int = 0              # of the connection that took the most
    sent: int = 0               # octets to both servers
    received: int = 0
    verdict: str = ""
    error: str = ""


class Bench:
    def __init__(self, options):
        self.options = options
        self.dir = work_dir("bench")
        self.raw = self._compile("rawimap.c", "-pthread")
        self.measure = self._compile("measure.c")
        self.src = Dovecot().start()
        self.dst = Dovecot().start()
        self.dst_no_batch = None
        self.filled = {}            # user -> (messages, octets)
        self.read = {}              # user -> what the witness saw at the source
        self.tasks = 0
        self.results = {}           # scenario -> {tool: [Run]}
        self.goals = []

    def close(self):
        for server in (self.src, self.dst, self.dst_no_batch):
            if server:
                server.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _compile(self, name, *flags):
        binary = os.path.join(self.dir, name[:-2])
        subprocess.run(["cc", "-O2", "-o", binary, os.path.join(HERE, name), *flags], check=True)
        return binary

    # Accounts

    def account(self, name, make):
        """Loads an account at the source, once; its user is its name."""
        if name not in self.filled:
            start = time.monotonic()
            sizes = [0]

            def counted():
                for mailbox, messages, subscribed in make():
                    yield mailbox, _sized(messages, sizes), subscribed
            count = load.fill(self.src, name, counted())
            self.filled[name] = count, sizes[0]
            self.say("loaded %s: %d messages, %.1f MB in %.1f s" % (name, count, sizes[0] / 1e6,
                                                                    time.monotonic() - start))
        return name

    def source(self, user):
        if user not in self.read:
            self.read[user] = witness.read(self.src, user)
        return self.read[user]

    # Running

    def run(self, tool, user, rtt=0.0, limit=None, side_dir=None, dst=None, proxies=None, verify=True, fresh=True):
        """One measured run of one tool from the source to a fresh (or the present) account at the destination.

        proxies: a pair that outlives the run, for tools that remember an account by its port."""
        dst = dst or self.dst
        if fresh:
            self.wipe(dst, user)
        side_dir = side_dir or self.state_dir()
        own = [Proxy(server, rtt=rtt).start() for server in (self.src, dst)] if rtt and not proxies else []
        proxies = proxies or own
        seen = [proxy.stats() for proxy in proxies]
        ports = [end.port for end in (proxies or (self.src, dst))]
        side = tools.Side(self.src, dst, ports[0], ports[1], user, side_dir)
        before = self.src.cpu() + dst.cpu()
        run = self._measured(tool, side, limit or self.options.limit)
        run.server_cpu = self.src.cpu() + dst.cpu() - before
        for proxy, old in zip(proxies, seen):
            stats = proxy.stats()
            run.turns += stats["turns"] - old["turns"]
            run.depth = max([run.depth] + [one["turns"] for one in stats["per_connection"][len(old["per_connection"]):]])
            run.sent += stats["c2s"] - old["c2s"]
            run.received += stats["s2c"] - old["s2c"]
        for proxy in own:
            proxy.stop()
        self._judge(run, tool, user, dst, verify)
        return run

    def _measured(self, tool, side, limit):
        report = os.path.join(self.dir, "report")
        log = os.path.join(self.dir, "log")
        env = dict(os.environ, HOME=side.dir, XDG_STATE_HOME=side.dir, XDG_CONFIG_HOME=side.dir, LC_ALL="C.UTF-8",
                   XDG_DATA_HOME=side.dir)
        command = [self.measure, str(int(limit)), *tool.argv(side)]
        with open(report, "w") as out, open(log, "w") as err:
            # The shell only gives the report its descriptor.
            subprocess.run(["sh", "-c", 'exec 3>&1 >&2; exec "$@"', "sh", *command], stdout=out, stderr=err,
                           stdin=subprocess.DEVNULL, env=env)
        with open(report) as file:
            found = json.loads(file.read().splitlines()[-1])
        run = Run(found["wall"], found["cpu"], found["rss"] * 1024, found["code"], found["stopped"])
        with open(log, errors="replace") as file:
            text = file.read()
        if isinstance(tool, tools.Raw) and run.code == 0:
            run.wall = json.loads(text.splitlines()[-1])["seconds"]
        if run.code and not run.stopped:
            run.error = " ".join(text.split())[-160:]
        return run

    def _judge(self, run, tool, user, dst, verify):
        total = self.filled[user][0]
        if isinstance(tool, tools.Raw) and tool.mode == "fetch":
            run.done, run.verdict = total, "-"
            return
        run.done = _count(dst, user)
        if run.stopped:
            run.verdict = "stopped, %d of %d done" % (run.done, total)
            if run.done:
                run.wall *= total / run.done
        elif verify and not self.options.no_verify:
            run.verdict = self.verify(user, dst)
        else:
            run.verdict = "%d of %d there" % (run.done, total)
        if run.code and not run.stopped:
            run.verdict = "exit %d: %s; %s" % (run.code, run.error, run.verdict)

    def verify(self, user, dst):
        return witness.summary(witness.diff(self.source(user), witness.read(dst, user), subscriptions=False))

    def wipe(self, server, user):
        server.remove_user(user)

    def state_dir(self):
        self.tasks += 1
        path = os.path.join(self.dir, "state%d" % self.tasks)
        os.mkdir(path)
        return path

    def tools(self, wanted):
        """Those of the tools that are installed and asked for."""
        out = []
        for tool in wanted:
            reason = tool.available()
            if self.options.tools and not any(tool.name.startswith(name) for name in self.options.tools):
                continue
            if reason:
                self.say("%s is left out: %s" % (tool.name, reason))
            else:
                out.append(tool)
        return out

    def say(self, text):
        print("# " + text, file=sys.stderr, flush=True)

    def record(self, scenario, tool, run):
        self.results.setdefault(scenario, {}).setdefault(tool.name, []).append(run)
        self.say("%s: %s: %.2f s, CPU %.2f s, RSS %.1f MiB, %s" % (scenario, tool.name, run.wall, run.cpu,
                                                                   run.rss / MIB, run.verdict))

    def median(self, scenario, tool, field="wall"):
        runs = self.results.get(scenario, {}).get(tool)
        return statistics.median(getattr(run, field) for run in runs) if runs else None

    def goal(self, text, value, bound, unit="", at_least=False):
        """Notes whether a goal of the project was met."""
        if value is not None:
            self.goals.append((text, value, bound, unit, value >= bound if at_least else value <= bound))

    # Scenarios

    def everyone(self):
        return self.tools([
            tools.Raw(self.raw, 1), tools.Raw(self.raw, 2), tools.Mailhaul(), tools.Interimap(), tools.Doveadm(),
            tools.Mbsync(compress=False), tools.Mbsync(), tools.Serial(), tools.Offlineimap()])

    def rounds(self, scenario, user, wanted, **how):
        """Every tool in turn, as often as asked; the ones that are too slow for that only once."""
        slow = set()
        for number in range(self.options.runs):
            for tool in wanted:
                if tool.name in slow:
                    continue
                run = self.run(tool, user, verify=number == 0, **how)
                self.record(scenario, tool, run)
                if run.stopped or run.wall > 15:
                    slow.add(tool.name)

    def ceiling(self, scenario):
        walls = [self.median(scenario, "raw copy x%d" % n) for n in (1, 2)]
        walls = [wall for wall in walls if wall]
        return min(walls) if walls else None

    def fastest_other(self, scenario):
        walls = [self.median(scenario, name) for name, runs in self.results.get(scenario, {}).items()
                 if not name.startswith(("raw", "mailhaul")) and not failed(runs)]
        return min(walls) if walls else None

    def s_user(self):
        return self.account("s", lambda: corpus.s(self.options.scale))

    def l_user(self):
        return self.account("l", lambda: corpus.l(self.options.messages))

    def copy_s_0(self, scenario):
        self.rounds(scenario, self.s_user(), self.everyone())
        self._against_ceiling(scenario, 1.25)

    def copy_s_50(self, scenario):
        self.rounds(scenario, self.s_user(), self.everyone(), rtt=RTT)
        self._against_ceiling(scenario, 1.4)
        mine, other = self.median(scenario, "mailhaul"), self.fastest_other(scenario)
        if mine and other:
            self.goal("copy of S at 50 ms: as fast as the fastest other tool, times", other / mine, 8, "x", True)

    def _against_ceiling(self, scenario, bound):
        mine, ceiling = self.median(scenario, "mailhaul"), self.ceiling(scenario)
        if mine and ceiling:
            self.goal("%s: mailhaul over the raw ceiling" % scenario, mine / ceiling, bound, "x")

    def copy_l_0(self, scenario):
        self.rounds(scenario, self.l_user(), self.tools([
            tools.Raw(self.raw, 1), tools.Raw(self.raw, 1, "append"), tools.Mailhaul(), tools.Interimap(),
            tools.Doveadm(), tools.Mbsync(compress=False), tools.Serial()]))
        mine, append = self.median(scenario, "mailhaul"), self.median(scenario, "raw append x1")
        if mine and append:
            self.goal("copy of L: share of the destination's raw APPEND rate", append / mine, 0.8, "", True)
        rss = self.median(scenario, "mailhaul", "rss")
        if rss:
            self.goal("peak memory, %d messages" % self.options.messages, rss / MIB, 32, " MiB")

    def copy_l_bare_50(self, scenario):
        """No MULTIAPPEND, LITERAL- only: every message is a command, and what is above 4 KiB a round trip."""
        count = min(self.options.messages, 20_000)
        user = self.account("l-bare", lambda: corpus.l(count))
        self.dst_no_batch = self.dst_no_batch or Dovecot(capabilities=NO_BATCH).start()
        self.rounds(scenario, user, self.tools([tools.Mailhaul(), tools.Mbsync(compress=False), tools.Serial()]),
                    rtt=RTT, dst=self.dst_no_batch)
        mine = self.median(scenario, "mailhaul")
        if mine:
            self.goal("L without MULTIAPPEND at 50 ms, messages a second", count / mine, 400, "/s", True)

    def noop_10(self, scenario):
        self._noop(scenario, self.account("noop10", lambda: corpus.many(10, 20)))

    def noop_500(self, scenario):
        self._noop(scenario, self.account("noop500", lambda: corpus.many(500, 2)))

    def _noop(self, scenario, user):
        """A second run, when there is nothing to do: its time, octets and round trips, at 50 ms."""
        for tool in self.tools([tools.Mailhaul(), tools.Interimap(), tools.Mbsync(), tools.Doveadm()]):
            state = self.state_dir()
            with Proxy(self.src, rtt=RTT) as near, Proxy(self.dst, rtt=RTT) as far:
                first = self.run(tool, user, side_dir=state, proxies=(near, far), verify=False)
                if first.code:
                    self.record(scenario, tool, first)
                    continue
                for number in range(self.options.runs):
                    self.record(scenario, tool, self.run(tool, user, side_dir=state, proxies=(near, far), fresh=False,
                                                         verify=number == 0))
        rss, depth = self.median(scenario, "mailhaul", "rss"), self.median(scenario, "mailhaul", "depth")
        other = [self.median(scenario, "interimap", field) for field in ("sent", "received")]
        if rss:
            self.goal(scenario + ": peak memory", rss / MIB, 8, " MiB")
            self.goal(scenario + ": round trips of a connection, login included", depth, 10)
        if rss and all(other):
            mine = sum(self.median(scenario, "mailhaul", field) for field in ("sent", "received"))
            self.goal(scenario + ": octets against interimap's", mine / sum(other), 1.0, "x")

    def adopt_l(self, scenario):
        """Everything is there already, but there is no record of it."""
        user = self.l_user()
        raw = tools.Raw(self.raw, 1)
        self.run(raw, user, verify=False)
        for number in range(self.options.runs):
            for tool in self.tools([tools.Mailhaul()]):
                self.record(scenario, tool, self.run(tool, user, fresh=False, verify=number == 0))
        cpu = self.median(scenario, "mailhaul", "cpu")
        if cpu:
            self.goal("adopting L without state: CPU", cpu, 3.0, " s")

    def compare_l_50(self, scenario):
        """L is on both sides: is anything missing?"""
        user = self.l_user()
        if self.tools([tools.Compare()]):
            self.run(tools.Raw(self.raw, 1), user, verify=False)
        for number in range(self.options.runs):
            for tool in self.tools([tools.Compare(), tools.Compare("--match", "message-id"),
                                    tools.Compare("--count-only")]):
                self.record(scenario, tool, self.run(tool, user, rtt=RTT, fresh=False, verify=False))
        wall = self.median(scenario, "mailhaul compare")
        if wall:
            octets = sum(self.median(scenario, "mailhaul compare", field) for field in ("sent", "received"))
            self.goal("comparing L at 50 ms: seconds", wall, 10, " s")
            self.goal("comparing L at 50 ms: over the wire", octets / 1e6, 10, " MB")

    def giant(self, scenario):
        """One message of a gigabyte."""
        size = self.options.giant
        user = self.account("giant", lambda: [("INBOX", [corpus.giant(size)], True)])
        for tool in self.tools([tools.Mailhaul(), tools.Interimap(), tools.Mbsync(compress=False)]):
            self.record(scenario, tool, self.run(tool, user))
        rss = self.median(scenario, "mailhaul", "rss")
        if rss:
            self.goal("peak memory, a message of %d MiB" % (size // MIB), rss / MIB, 24, " MiB")

    def maildir_s_0(self, scenario):
        self._into_files(scenario, 0.0, 0.8)

    def maildir_s_50(self, scenario):
        self._into_files(scenario, RTT, 0.6)

    def _into_files(self, scenario, rtt, bound):
        """S into a Maildir on disk, everyone with fsync; and into mbox files, then again with nothing new."""
        user = self.s_user()
        into = files.Into()
        try:
            for number in range(self.options.runs):
                for tool in self.tools(files.everyone(into)):
                    if self._is_slow(scenario, tool):
                        continue
                    into.fresh()
                    state = self.state_dir()
                    self.record(scenario, tool, self._into(into, tool, user, state, rtt))
                    if tool.name.startswith(("mailhaul", "imapbackup")):
                        again = "%s, once more" % tool.name
                        self.results.setdefault(scenario, {}).setdefault(again, []).append(
                            self._into(into, tool, user, state, rtt))
        finally:
            into.close()
        mine = self.median(scenario, "mailhaul")
        for other, most in (("mbsync, no COMPRESS", bound), ("doveadm backup", 0.5), ("offlineimap", 0.03)):
            wall = self.median(scenario, other)
            if mine and wall and (rtt == 0 or other.startswith("mbsync")):
                self.goal("%s: mailhaul over %s" % (scenario, other), mine / wall, most, "x")

        for again, least in (("", 8), (", once more", 50)):
            mine, other = (self.median(scenario, name + again) for name in ("mailhaul, mbox", "imapbackup"))
            if mine and other and rtt == 0:
                self.goal("%s: as fast as imapbackup%s, times" % (scenario, again), other / mine, least, "x", True)

    def _is_slow(self, scenario, tool):
        runs = self.results.get(scenario, {}).get(tool.name, [])
        return any(run.stopped or run.wall > 15 for run in runs)

    def _into(self, into, tool, user, state, rtt):
        proxy = Proxy(self.src, rtt=rtt).start() if rtt else None
        port = (proxy or self.src).port
        run = self._measured(tool, tools.Side(self.src, self.dst, port, port, user, state), self.options.limit)
        if proxy:
            proxy.stop()
        run.done = files.count(into.root)
        run.verdict = "%d of %d there" % (run.done, self.filled[user][0])
        if run.stopped and run.done:
            run.wall *= self.filled[user][0] / run.done
        if run.code and not run.stopped:
            run.verdict = "exit %d: %s; %s" % (run.code, run.error, run.verdict)
        return run

    SCENARIOS = {
        "copy S, 0 ms": copy_s_0,
        "copy S, 50 ms": copy_s_50,
        "copy L, 0 ms": copy_l_0,
        "copy L, no MULTIAPPEND, 50 ms": copy_l_bare_50,
        "nothing new, 10 mailboxes, 50 ms": noop_10,
        "nothing new, 500 mailboxes, 50 ms": noop_500,
        "adopt L, 0 ms": adopt_l,
        "compare L, 50 ms": compare_l_50,
        "1 GiB message, 0 ms": giant,
        "S into a Maildir, 0 ms": maildir_s_0,
        "S into a Maildir, 50 ms": maildir_s_50,
    }

    # The report

    def report(self):
        print("Machine: %s, %d CPUs, Linux %s, %s. Dovecot %s, sdbox in memory, no fsync, no TLS." % (
            _cpu_model(), os.cpu_count(), platform.release(), time.strftime("%Y-%m-%d"), _dovecot_version()))
        for scenario, found in self.results.items():
            self._table(scenario, found)
        if self.goals:
            print("\n### Goals\n")
            print("| goal | measured | wanted | |")
            print("|---|---|---|---|")
            for text, value, bound, unit, met in self.goals:
                print("| %s | %.2f%s | %s%s | %s |" % (text, value, unit, bound, unit, "met" if met else "**missed**"))

    def _table(self, scenario, found):
        ceiling = self.ceiling(scenario)
        turns = any(run.turns for runs in found.values() for run in runs)
        print("\n### %s\n" % scenario)
        print("| tool | wall s | %smsg/s | CPU s | servers' CPU s | RSS MiB |%s runs | result |" % (
            "x ceiling | " if ceiling else "", " turns | KB out | KB in |" if turns else ""))
        print("|---" * (8 + bool(ceiling) + 3 * turns - 1) + "|---|")
        for name, runs in sorted(found.items(), key=lambda i: (failed(i[1]), self.median(scenario, i[0]))):
            print(self._row(scenario, name, runs, ceiling, turns))

    def _row(self, scenario, name, runs, ceiling, turns):
        wall = self.median(scenario, name)
        stopped = any(run.stopped for run in runs)
        done = max(run.done for run in runs)
        cells = [name, ("~%.0f" if stopped else "%.2f") % wall]
        if ceiling:
            cells.append("%.2f" % (wall / ceiling))
        copied = self._total(scenario) or done
        cells.append("-" if scenario.startswith("nothing") or failed(runs) else "%.0f" % (copied / wall))
        cells += ["%.2f" % self.median(scenario, name, "cpu"), "%.1f" % self.median(scenario, name, "server_cpu"),
                  "%.1f" % (self.median(scenario, name, "rss") / MIB)]
        if turns:
            cells += ["%d" % self.median(scenario, name, "turns"), "%.1f" % (self.median(scenario, name, "sent") / 1e3),
                      "%.1f" % (self.median(scenario, name, "received") / 1e3)]
        return "| " + " | ".join(cells + [str(len(runs)), runs[0].verdict]) + " |"

    def _total(self, scenario):
        """Messages of the account, which an extrapolated run would have copied."""
        for user, prefix in (("s", "copy S"), ("s", "S into"), ("l-bare", "copy L, no"), ("l", "copy L")):
            if scenario.startswith(prefix):
                return self.filled[user][0]
        return 0


def failed(runs):
    """Whether a tool ended with an error: its time says nothing then."""
    return any(run.code and not run.stopped for run in runs)


def _sized(messages, sizes):
    for msg in messages:
        sizes[0] += msg.size
        yield msg


def _count(server, user):
    """How many messages an account holds, by STATUS."""
    client = witness.Client(server, user)
    total = 0
    for _, raw, attrs in client.mailboxes():
        if not attrs & witness.UNSELECTABLE:
            answer = client.ask("STATUS", witness.syntax.quote(raw), b"(MESSAGES)")["STATUS"][0]
            total += int(witness.syntax.pairs(answer[1])[b"MESSAGES"])
    client.logout()
    return total


def _cpu_model():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _dovecot_version():
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    out = subprocess.run([shutil.which("dovecot", path=path), "--version"], stdout=subprocess.PIPE, text=True).stdout
    return out.split()[0] if out else "?"


def arguments():
    parser = argparse.ArgumentParser(description="Measures mailhaul beside other tools.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages, one run each, 30 s limit")
    parser.add_argument("--scale", type=float, default=1.0, help="of workload S")
    parser.add_argument("--messages", type=int, default=100_000, help="of workload L")
    parser.add_argument("--giant", type=int, default=1 << 30, help="octets of the giant message")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=int, default=120, help="seconds for one run of one tool")
    parser.add_argument("--tools", nargs="*", help="only tools whose names begin so")
    parser.add_argument("--only", nargs="*", help="only scenarios whose names contain one of these")
    parser.add_argument("--no-verify", action="store_true", help="count messages instead of comparing them")
    parser.add_argument("--json", metavar="FILE", help="all runs, for machines")
    options = parser.parse_args()
    if options.quick:
        options.scale, options.messages, options.runs, options.limit = 0.1, 10_000, 1, 30
        options.giant = 128 << 20
    return options


def main():
    options = arguments()
    bench = Bench(options)
    try:
        for name, scenario in bench.SCENARIOS.items():
            if not options.only or any(part in name for part in options.only):
                scenario(bench, name)
        bench.report()
        if options.json:
            with open(options.json, "w") as file:
                json.dump({name: {tool: [dataclasses.asdict(run) for run in runs] for tool, runs in found.items()}
                           for name, found in bench.results.items()}, file, indent=1)
    finally:
        bench.close()
    return 0 if all(goal[4] for goal in bench.goals) else 1


if __name__ == "__main__":
    sys.exit(main())
