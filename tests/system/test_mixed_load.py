# SPDX-License-Identifier: Apache-2.0
"""Everything at once at one node: resolutions over UDP and TCP, imports, single writes, reloads,
backups, statistics. Every answer is checked. `tests/run --full` runs it under ThreadSanitizer, too,
whose reports end the daemon.

GUANTONG_MIXED_SECONDS (4) is how long.
"""

import json
import os
import re
import subprocess
import tempfile
import threading
import time
import unittest

import harness

SECONDS = float(os.environ.get("GUANTONG_MIXED_SECONDS", "4"))
NAMES = 1000
LOAD = os.path.join(harness.BUILD, "tests", "bench", "load")


class Chore(threading.Thread):
    """Does one thing over and over; keeps what went wrong."""

    def __init__(self, act):
        super().__init__()
        self.act, self.done, self.fault = act, 0, None
        self.stops = threading.Event()

    def run(self):
        while not self.stops.is_set() and self.fault is None:
            try:
                self.act(self.done)
                self.done += 1
            except Exception as e:  # pylint: disable=broad-except
                self.fault = e


class MixedLoad(harness.NodeTest):
    def setUp(self):
        self.n = self.node(prefix="88.1000")
        self.n.setting("workers", "count", 3)
        self.n.setting("log", "level", "info")
        self.import_rows(0)
        self.n.start()
        self.backups = tempfile.TemporaryDirectory(prefix="guantong-backups-")
        self.addCleanup(self.backups.cleanup)

    def import_rows(self, turn):
        """The names that are asked for, with another text each time."""
        rows = [harness.record("88.1000/P-%04d" % i, (1, "DESC", "turn %d" % turn))
                for i in range(NAMES)]
        harness.run("import", self.n.dir, self.file(self.n, "rows.jsonl", "\n".join(rows) + "\n"))

    def write(self, turn):
        handle = "88.1000/w%d" % (turn % 5)
        harness.run("record", "put", self.n.dir, "-",
                    stdin=harness.record(handle, (1, "DESC", "write %d" % turn)).encode())
        values = self.n.resolve_tcp(handle).resolution()[1]
        self.assertEqual(values[0].data, b"write %d" % turn)

    def reload(self, turn):
        self.n.setting("log", "level", "info" if turn % 2 else "notice")
        self.n.setting("limits", "pipelined", 500 + turn % 7)
        harness.run("node", "reload", self.n.dir)

    def back_up(self, turn):
        place = os.path.join(self.backups.name, str(turn))
        os.mkdir(place)
        harness.run("backup", "create", self.n.dir, "--without-keys", "--to", place)

    def look(self, _):
        harness.run_json("stats", self.n.dir)

    def clients(self):
        words = [LOAD, "--names=88.1000/P-####", "--count=%d" % NAMES, "--zipf", "--sleep",
                 "--warmup=0", "--seconds=%g" % SECONDS, "--timeout-ms=5000"]
        target = [self.n.address[0], str(self.n.address[1])]
        return [subprocess.Popen(words + more + target, stdout=subprocess.PIPE, text=True)
                for more in (["--rate=500", "--sockets=8"],
                             ["--tcp", "--sockets=4", "--rate=300"],
                             ["--one-shot", "--sockets=2", "--rate=50"])]

    def test_everything_at_once_is_right(self):
        chores = {name: Chore(act) for name, act in (
            ("import", self.import_rows), ("write", self.write), ("reload", self.reload),
            ("backup", self.back_up), ("stats", self.look))}
        clients = self.clients()
        for chore in chores.values():
            chore.start()
        time.sleep(SECONDS)
        for chore in chores.values():
            chore.stops.set()
        for chore in chores.values():
            chore.join()
        found = [json.loads(client.communicate(timeout=120)[0]) for client in clients]
        for name, chore in chores.items():
            self.assertIsNone(chore.fault, name)
            self.assertGreater(chore.done, 0, name)
        for each in found:
            self.assertEqual((each["wrong"], each["broken"]), (0, 0))
            self.assertGreater(each["right"], 0.95 * each["sent"])
        print("mixed load: %d answers, " % sum(each["right"] for each in found) +
              ", ".join("%d x %s" % (c.done, n) for n, c in chores.items()))
        self.assertEqual(self.n.stop(), 0)
        self.assertIsNone(re.search(r"Sanitizer", open_text(self.n)), "a sanitizer spoke")


def open_text(node):
    with open(os.path.join(node.holder.name, "daemon.log"), encoding="utf-8",
              errors="replace") as f:
        return f.read()


if __name__ == "__main__":
    unittest.main()
