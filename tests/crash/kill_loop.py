#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 under write load, reopen, look: nothing acknowledged is lost, nothing is invented.

  kill_loop.py [ROUNDS]

Most rounds kill crash_writer, which writes through the committer; one in ten kills a whole
guantongd that several clients write to over its control socket. A store lives for several rounds,
so that each recovery is the start of the next load. Prints a line of JSON; exits 1 on a loss.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import crash_tools as tools

sys.path.insert(0, os.path.join(tools.ROOT, "tests", "system"))
import harness  # noqa: E402  (the path comes first)

ROUNDS_PER_STORE = 10
DAEMON_ROUNDS_PER_NODE = 5
CLIENTS = 3
NAMES_PER_CLIENT = 12


# --- the committer ------------------------------------------------------------------------------

def kill_writer(store, ledger, seed, delay_s):
    """Lets a writer run for a while and kills it; its exit code when it ended by itself."""
    with subprocess.Popen([tools.program("crash_writer"), store, ledger, str(seed), "0", "1"],
                          stderr=subprocess.PIPE) as writer:
        time.sleep(delay_s)
        writer.send_signal(signal.SIGKILL)
        said = writer.stderr.read().decode("utf-8", "replace")
        code = writer.wait(timeout=60)
    return None if code == -signal.SIGKILL else "the writer ended: exit %d %s" % (code, said)


def writer_rounds(rounds, seed, folder):
    choose = random.Random(seed)
    result = {"rounds": 0, "acknowledged": 0, "failures": []}
    for number in range(rounds):
        is_last = (number + 1) % ROUNDS_PER_STORE == 0 or number + 1 == rounds
        store, ledger = folder("store"), folder("w.ledger")
        # Sometimes within opening, mostly within writing.
        delay_s = choose.uniform(0, 0.006) if number % 5 == 0 else choose.uniform(0, 0.1)
        ended = kill_writer(store, ledger, seed + number // ROUNDS_PER_STORE, delay_s)
        found = tools.check_store(store, ledger, *(["write"] if is_last else []))
        if ended or not found["ok"]:
            result["failures"].append("round %d: %s" % (number, ended or found["reason"]))
        result["rounds"] += 1
        if is_last or not found["ok"]:
            result["acknowledged"] += found.get("acknowledged", 0)
            folder.clear()
    return result


# --- the daemon ---------------------------------------------------------------------------------

class Client(threading.Thread):
    """Writes its own names one command after the other; knows for each what must be there.

    `certain` is the last acknowledged content of a name (None: no record), `asked` every content
    asked for since, of which any may have come about.
    """

    def __init__(self, node, number, stop):
        super().__init__()
        self.node, self.number, self.stop = node, number, stop
        self.certain, self.asked, self.acknowledged = {}, {}, 0
        self.prefixes, self.asked_prefixes = set(), set()
        self.serial = 0
        self.choose = random.Random(number)
        self.failures = []

    def run(self):
        while not self.stop.is_set():
            kind = self.choose.random()
            if kind < 0.6:
                self.put("import", 20)
            elif kind < 0.8:
                self.put("put", 1)
            elif kind < 0.95:
                self.remove()
            else:
                self.home()

    def names(self, count):
        return ["88.1000/C%d-%d" % (self.number, n) for n in
                self.choose.sample(range(NAMES_PER_CLIENT), min(count, NAMES_PER_CLIENT))]

    def command(self, *words, stdin=None):
        done = subprocess.run([tools.GUANTONG, *words], input=stdin, capture_output=True,
                              check=False, timeout=60)
        if tools.died(done.returncode):
            self.failures.append("%s: signal %d" % (" ".join(words), -done.returncode))
        return done.returncode == 0

    def settle(self, wanted, is_acknowledged):
        for name, content in wanted.items():
            if is_acknowledged:
                self.certain[name], self.asked[name] = content, []
            else:
                self.asked.setdefault(name, []).append(content)
        self.acknowledged += is_acknowledged

    def put(self, way, count):
        wanted = {}
        for name in self.names(count):
            self.serial += 1
            wanted[name] = "content %d of %s" % (self.serial, name)
        lines = "".join(harness.record(n, (1, "DESC", c)) + "\n" for n, c in wanted.items())
        if way == "put":
            self.settle(wanted, self.command("record", "put", self.node.dir, "-",
                                             stdin=lines.encode()))
            return
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
            f.write(lines)
            f.flush()
            self.settle(wanted, self.command("import", self.node.dir, f.name, "--no-progress"))

    def remove(self):
        live = [n for n, c in self.certain.items() if c is not None and not self.asked.get(n)]
        if live:
            name = self.choose.choice(live)
            self.settle({name: None},
                        self.command("record", "rm", self.node.dir, name, "--yes"))

    def home(self):
        self.serial += 1
        prefix = "88.1000.%d.%d" % (self.number, self.serial)
        self.asked_prefixes.add(prefix)
        if self.command("prefix", "home", self.node.dir, prefix):
            self.prefixes.add(prefix)
            self.acknowledged += 1

    def compare(self, found, prefixes):
        """What is wrong with what the node holds; the rest becomes certain."""
        for name in {**self.certain, **self.asked}:
            content = found.get(name)
            if content != self.certain.get(name) and content not in self.asked.get(name, []):
                yield "%s: holds %r, acknowledged %r" % (name, content, self.certain.get(name))
            self.certain[name], self.asked[name] = content, []
        for prefix in self.prefixes - prefixes:
            yield "prefix %s: acknowledged and lost" % prefix
        self.prefixes |= self.asked_prefixes & prefixes

    def knows(self, name):
        return name in self.certain or name in self.asked


def holdings(node):
    """(content by name, prefixes with a record) of a node that does not run."""
    found, prefixes = {}, set()
    for line in harness.run("export", node.dir).stdout.splitlines():
        record = json.loads(line)
        if record["handle"].startswith("0.NA/"):
            prefixes.add(record["handle"][5:])
        else:
            found[record["handle"]] = record["values"][0]["data"]["value"]
    return found, prefixes


def recount(node, found, prefixes):
    """The journal without the daemon's code: positions dense, versions one by one, live records
    those of the export."""
    position, versions, live = 1, {}, set()
    tail = harness.run("journal", "tail", node.dir, "--json", "-n", 10 ** 6).stdout
    for line in tail.splitlines():
        row = json.loads(line)
        if row["position"] != position or row["count"] != len(row["items"]):
            yield "journal: position %d where %d was due" % (row["position"], position)
        position = row["position"] + row["count"]
        for item in row["items"]:
            key = (item["table"], item["key"])
            if item["table"] == "audit":
                continue
            if item["version"] != versions.get(key, 0) + 1:
                yield "%s: version %d after %d" % (key, item["version"], versions.get(key, 0))
            versions[key] = item["version"]
            if item["table"] == "record":
                (live.add if item["operation"] == "put" else live.discard)(item["key"].upper())
    held = {n.upper() for n in found} | {"0.NA/" + p for p in prefixes}
    if live != held:
        yield "records by journal and by export differ: %s" % sorted(live ^ held)[:5]


def check_node(node, clients):
    verified = harness.run_json("journal", "verify", node.dir, code=None)
    if not verified.get("holds"):
        yield "journal verify: %s" % verified
    found, prefixes = holdings(node)
    yield from recount(node, found, prefixes)
    for client in clients:
        yield from client.compare(found, prefixes)
        yield from client.failures
    for name in found:
        if not any(c.knows(name) for c in clients):
            yield "%s: nobody wrote it" % name


def renewed(node, clients, stop):
    """Clients that know what those knew; a thread starts only once."""
    fresh = [Client(node, c.number, stop) for c in clients]
    for new, old in zip(fresh, clients):
        new.certain, new.prefixes, new.serial = old.certain, old.prefixes, old.serial
        new.asked_prefixes, new.acknowledged = old.asked_prefixes, old.acknowledged
        new.choose = old.choose
    return fresh


def kill_daemon(node, clients, delay_s):
    """One round; what is wrong."""
    node.start()
    stop = threading.Event()
    fresh = renewed(node, clients, stop)
    for client in fresh:
        client.start()
    time.sleep(delay_s)
    node.stop(signal.SIGKILL)
    stop.set()
    for client in fresh:
        client.join()
    clients[:] = fresh
    return list(check_node(node, clients))


def daemon_rounds(rounds, seed):
    choose = random.Random(seed)
    result = {"rounds": 0, "acknowledged": 0, "failures": []}
    while result["rounds"] < rounds:
        node = harness.Node(prefix="88.1000")
        clients = [Client(node, n, None) for n in range(CLIENTS)]
        try:
            for _ in range(min(DAEMON_ROUNDS_PER_NODE, rounds - result["rounds"])):
                for reason in kill_daemon(node, clients, choose.uniform(0.05, 0.6)):
                    result["failures"].append("daemon round %d: %s" % (result["rounds"], reason))
                result["rounds"] += 1
            result["acknowledged"] += sum(c.acknowledged for c in clients)
        finally:
            node.close()
    return result


def kill_rounds(rounds, seed=1):
    """Both kinds; their figures."""
    of_daemon = max(1, rounds // 10)
    with tools.Folder() as folder:
        writer = writer_rounds(rounds - of_daemon, seed, folder)
    return {"writer": writer, "daemon": daemon_rounds(of_daemon, seed)}


def main(words):
    result = kill_rounds(tools.size_of(words, 100), seed=random.randrange(1 << 30))
    print(json.dumps(result))
    return 1 if result["writer"]["failures"] or result["daemon"]["failures"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
