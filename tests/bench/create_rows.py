# SPDX-License-Identifier: Apache-2.0
"""Rows of tests/bench/run: records created over the network by clients that prove who they are, and
what that does to those who resolve meanwhile. Every answer is checked and every record read back."""

import json
import os
import shutil
import statistics
import subprocess
import time

PREFIX = "88.608.8889"
KEYS = PREFIX + "/keys"
MANY = 256  # connections, one create outstanding on each: groups of a hundred can form
WRITES_PER_S = 200
ROW_BYTES = 347  # of the baseline's rows; as those of the other measurements
ALONE = 200  # creates of the client that is alone, each round


def cpu_us(pid):
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task), encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e3


class Creating:
    """A node of its own with two administrators, and the clients that have their keys."""

    def __init__(self, bench, run, count):
        self.bench, self.run, self.next = bench, run, 0
        self.directory = bench.path("node-create")
        bench.new_node(self.directory)
        guantong, self.key, secret = bench.tool("guantong"), bench.path("rsa.pem"), bench.path("key")
        for path, kind in ((self.key, "rsa"), (secret, "secret")):
            if os.path.exists(path):
                os.unlink(path)
            run.command([guantong, "key", "new", path, "--type", kind])
        with open(secret, encoding="ascii") as f:
            self.secret = f.read().strip()
        values = [json.loads(run.command([guantong, "key", "show", path, *words, "--for", "record",
                                          "--handle", "%d:%s" % (index, KEYS)]))
                  for path, words, index in ((self.key, [], 300), (secret, ["--secret"], 301))]
        admins = [{"index": index - 200, "type": "HS_ADMIN", "data": {"format": "admin", "value": {
            "handle": KEYS, "index": index, "permissions": "011111110011"}}} for index in (300, 301)]
        records = bench.path("create.jsonl")
        with open(records, "w", encoding="ascii") as f:
            for handle, some in ((KEYS, values), ("0.NA/" + PREFIX, admins)):
                f.write(json.dumps({"handle": handle, "values": some}) + "\n")
        run.command([guantong, "import", self.directory, records,
                     bench.data_file("csv", count), "--no-progress"])

    def words(self, what, is_rsa, first, count, connections, rate, port):
        return ["taskset", "-c", str(self.run.LOAD_CORE), self.bench.tool("create_load"), what,
                self.key if is_rsa else self.secret, "%d:%s" % (300 if is_rsa else 301, KEYS),
                PREFIX, str(first), str(count), str(connections), str(rate), str(port)]

    def judged(self, output):
        figures = json.loads(output)
        wrong = figures["wrong"] + figures["unanswered"]
        self.bench.wrong += wrong
        if wrong:
            raise self.run.Failure("create_load: %s" % output)
        return figures

    def create(self, server, is_rsa, count, connections):
        """Creates, then reads all of them back."""
        first, self.next = self.next, self.next + count
        before = cpu_us(server.pid)
        figures = self.judged(self.run.command(
            self.words("create", is_rsa, first, count, connections, 0, server.port)))
        figures["server_cpu_us"] = (cpu_us(server.pid) - before) / count
        self.judged(self.run.command(
            self.words("check", is_rsa, first, count, 16, 0, server.port)))
        return figures

    def baseline(self, name, *words):
        printed = self.run.command(["taskset", "-c", str(self.run.SERVER_CORE),
                                    self.bench.tool(name), *map(str, words)])
        return [float(word) for word in printed.split()]

    def commits(self, group):
        """(microseconds a row by the clock, of CPU)"""
        path = self.bench.path("commits")
        shutil.rmtree(path, ignore_errors=True)
        os.mkdir(path)
        return self.baseline("baseline_commit", path, self.bench.options.seconds, group, ROW_BYTES)

    def round(self, server, template):
        """One round of everything that is compared, one after the other."""
        seconds = self.bench.options.seconds
        trip = self.bench.load(template, "--tcp", "--sockets=1", count=1)
        return {
            "rsa": self.create(server, True, int(500 * seconds), MANY),
            "secret": self.create(server, False, int(10000 * seconds), MANY),
            "alone": self.create(server, True, ALONE, 1),
            "verify": self.baseline("baseline_verify", "rsa", seconds / 2)[0],
            "hmac": self.baseline("baseline_verify", "hmac", seconds / 2)[0],
            "hundred": self.commits(100), "one": self.commits(1)[0],
            "trip": trip["latency_us"]["p50"],
        }


def middle(rounds, of):
    return statistics.median(of(r) for r in rounds)


def chain_us(r, check):
    """A proof judged, then a place in a group commit of a hundred."""
    return r[check] + r["hundred"][0]


def told(rounds, who, check):
    return ("%.0f/s; %.1f us of CPU each (%.1f to judge and %.1f to commit in hundreds, by the "
            "baselines); the generator signs %.0f us" % (
                middle(rounds, lambda r: r[who]["rate"]),
                middle(rounds, lambda r: r[who]["server_cpu_us"]),
                middle(rounds, lambda r: r[check]), middle(rounds, lambda r: r["hundred"][1]),
                middle(rounds, lambda r: r[who]["signing_us"])))


def many(run, rounds):
    """By the rate. A core signs with RSA a thirtieth of what a core verifies, so that one generator
    cannot keep the node busy: what it would do is computed from the rate with secret keys and the
    time that judging takes longer, as if no core were left to judge on."""
    yield run.row("authenticated create, secret key, many clients", 0.6, middle(
        rounds, lambda r: r["secret"]["rate"] * chain_us(r, "hmac") / 1e6),
        why=told(rounds, "secret", "hmac"))
    yield run.row("authenticated create, RSA-2048, many clients, computed", 0.6, middle(
        rounds, lambda r: chain_us(r, "verify") /
        (1e6 / r["secret"]["rate"] + r["verify"] - r["hmac"])),
        why="from the row above and the time to verify")
    yield run.row("authenticated create, RSA-2048, many clients, as fast as one core signs", None,
                  middle(rounds, lambda r: r["rsa"]["rate"] * chain_us(r, "verify") / 1e6),
                  why=told(rounds, "rsa", "verify"))


def rows(size, run):
    bench = size.bench
    count = min(size.count, 100000)
    creating = Creating(bench, run, count)
    port = run.free_port()
    with bench.server(creating.directory, run.free_port()) as server, \
            run.Program([bench.tool("baseline_tcp"), str(port), str(size.length)], port,
                        ready=run.answers_tcp) as template:
        rounds = [creating.round(server, template) for _ in range(bench.options.rounds)]
        yield from many(run, rounds)
        yield run.row(
            "authenticated create, one client, times two round trips and a synced commit", 1.5,
            middle(rounds, lambda r: r["alone"]["p50_us"] / (2 * r["trip"] + r["one"])), least=False,
            why="%.0f us beside 2 x %.0f and %.0f; without the client's signing, %.0f us" % (
                middle(rounds, lambda r: r["alone"]["p50_us"]), middle(rounds, lambda r: r["trip"]),
                middle(rounds, lambda r: r["one"]), middle(rounds, lambda r: r["alone"]["signing_us"])))
        yield from beside_resolution(creating, server, run, count)


def beside_resolution(creating, server, run, count):
    """p99 of resolution at half load, with and without so many authenticated writes a second."""
    bench = creating.bench
    rate = int(bench.load(server, count=count)["rate"] / 2)

    def resolve():
        return bench.load(server, "--rate=%d" % rate, count=count)

    def beside():
        seconds = bench.options.seconds + bench.options.warmup
        total = int(WRITES_PER_S * seconds)
        writer = subprocess.Popen(
            creating.words("create", True, creating.next, total, 32, WRITES_PER_S, server.port),
            stdout=subprocess.PIPE, text=True)
        creating.next += total
        time.sleep(0.05)
        figures = resolve()
        creating.judged(writer.communicate(timeout=60)[0])
        return figures
    results = bench.rounds({"alone": resolve, "beside writes": beside})
    for point in ("p50", "p99"):
        yield run.row("%s of resolution at half load (%d/s) during %d authenticated writes/s, times "
                      "without" % (point, rate, WRITES_PER_S), None, statistics.median(
                          a["latency_us"][point] / b["latency_us"][point] for a, b in
                          zip(results["beside writes"], results["alone"])), least=False,
                      figures=run.figures_of(results))
