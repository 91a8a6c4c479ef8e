#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A node under mixed faults for as long as asked: it must stay right, and must not grow.

  soak.py [SECONDS]

Clients resolve, write, reload and storm the node with connections; now and then it is killed and
started again, its store then checked from outside. Once warm, its memory may drift by 2 % of what
it holds (a little more in a short run, where one page weighs much) and its descriptors not at all.
Prints a line of JSON; exits 1 when something did not hold.
"""

import json
import os
import random
import shutil
import signal
import socket
import sys
import threading
import time

import crash_tools as tools
import kill_loop

sys.path.insert(0, os.path.join(tools.ROOT, "tests", "system"))
import harness  # noqa: E402  (the path comes first)

ROUND_S = 600  # between two kills in a long run; a short one has two rounds
CLIENTS = 2
RESOLVERS = 2
STORM = 200
DRIFT = 0.02
DRIFT_KIB = 1024  # of a run that is too short for figures: the allocator's own steps
WARM_UP = 0.4     # of a round, until what is made once has been made
NAME = "88.1000/steady"


class Worker(threading.Thread):
    """Does one thing again and again until the round is over; notes what went wrong."""

    def __init__(self, node, over, act, pause_s):
        super().__init__()
        self.node, self.over, self.act, self.pause_s = node, over, act, pause_s
        self.count, self.failures = 0, []

    def run(self):
        while not self.over.wait(self.pause_s):
            try:
                reason = self.act(self.node)
            except (OSError, EOFError, ValueError, AssertionError) as error:
                reason = "%s: %r" % (self.act.__name__, error)
            self.count += 1
            # A request that was under way when the round ended has no answer.
            if reason and not self.over.is_set():
                self.failures.append(reason)


def resolve(node):
    for ask in (node.resolve_udp, node.resolve_tcp):
        answer = ask(NAME)
        if answer.code != 1 or answer.resolution()[1][0].data != b"steady":
            return "%s: code %d" % (NAME, answer.code)
    return None


def reload(node):
    done = harness.run("node", "reload", node.dir, code=None)
    return None if done.returncode == 0 else "node reload: " + done.stderr


def storm(node):
    """Many connections at once: closed at once, half a request, silent."""
    held = []
    try:
        for number in range(STORM):
            s = socket.create_connection(node.address, timeout=10)
            if number % 3 == 1:
                s.send(b"\x02\x0b\x01")
            held.append(s)
    finally:
        for s in held:
            s.close()


def look(node):
    """(resident KiB, descriptors) of the daemon."""
    pid = node.daemon.pid
    with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as f:
        rows = dict(line.split(":", 1) for line in f if ":" in line)
    resident = int(rows["Anonymous"].split()[0])
    return resident, len(os.listdir("/proc/%d/fd" % pid))


def settled(node):
    """A look once the storm's connections are gone."""
    found = look(node)
    for _ in range(50):
        time.sleep(0.1)
        again = look(node)
        if again == found:
            break
        found = again
    return found


def backup(node):
    target = os.path.join(node.holder.name, "backup-%d" % time.monotonic_ns())
    os.mkdir(target)
    done = harness.run("backup", "create", node.dir, "--to", target, "--without-keys", code=None)
    shutil.rmtree(target)
    return None if done.returncode == 0 else "backup create: " + done.stderr


def workers_of(node, over):
    acts = [(resolve, 0.002)] * RESOLVERS + [(reload, 1.0), (storm, 0.5), (backup, 2.0)]
    return [Worker(node, over, act, pause_s) for act, pause_s in acts]


def run_round(node, clients, seconds, result):
    node.start()
    over = threading.Event()
    fresh = kill_loop.renewed(node, clients, over)
    workers = workers_of(node, over)
    for thread in (*fresh, *workers):
        thread.start()
    deadline = time.monotonic() + seconds
    time.sleep(seconds * WARM_UP)
    warm = look(node)
    time.sleep(max(0.0, deadline - time.monotonic()))
    over.set()
    for thread in (*fresh, *workers):
        thread.join()
    clients[:] = fresh
    end = settled(node)
    for worker in workers:
        result["acts"][worker.act.__name__] = \
            result["acts"].get(worker.act.__name__, 0) + worker.count
        result["failures"] += worker.failures[:5]
    return warm, end


def idle_descriptors(node):
    node.start()
    found = settled(node)[1]
    node.stop()
    return found


def judge_growth(warm, end, idle, result):
    allowed = max(warm[0] * DRIFT, DRIFT_KIB)
    result["memory_kib"].append([warm[0], end[0]])
    if end[0] - warm[0] > allowed:
        result["failures"].append("memory: %d KiB when warm, %d at the end" % (warm[0], end[0]))
    if end[1] != idle:
        result["failures"].append("descriptors: %d when idle, %d at the end" % (idle, end[1]))


def soak(seconds, seed=1):
    """Figures of the whole run; `failures` tells what did not hold."""
    choose = random.Random(seed)
    result = {"rounds": 0, "acts": {}, "acknowledged": 0, "memory_kib": [], "failures": []}
    node = harness.Node(prefix="88.1000")
    node.daemon_path = tools.program("crash_guantongd")  # sanitizers keep what is freed
    harness.run("record", "put", node.dir, "-",
                stdin=harness.record(NAME, (1, "DESC", "steady")).encode())
    clients = [kill_loop.Client(node, n, None) for n in range(CLIENTS)]
    keeper = kill_loop.Client(node, CLIENTS, None)  # writes nothing more
    keeper.certain[NAME] = "steady"
    try:
        idle = idle_descriptors(node)
        end_of_all = time.monotonic() + seconds
        while time.monotonic() < end_of_all and not result["failures"]:
            length = min(ROUND_S, seconds / 2)
            warm, end = run_round(node, clients, length, result)
            judge_growth(warm, end, idle, result)
            node.stop(choose.choice((signal.SIGKILL, signal.SIGTERM)))
            result["failures"] += list(kill_loop.check_node(node, [*clients, keeper]))
            result["rounds"] += 1
        result["acknowledged"] = sum(c.acknowledged for c in clients)
    finally:
        node.close()
    return result


def main(words):
    result = soak(tools.size_of(words, 20), seed=random.randrange(1 << 30))
    print(json.dumps(result))
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
