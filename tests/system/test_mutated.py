# SPDX-License-Identifier: Apache-2.0
"""Mutated requests at a live node over every transport, while valid clients are served and timed.

GUANTONG_MUTATED_PACKETS (10000) is how many, GUANTONG_MUTATED_SEED (1) which, GUANTONG_MUTATED_RATE
(4000) how many a second. Run it with a build that has sanitizers: what they say fails the test.
"""

import json
import os
import subprocess
import sys
import time
import unittest
import unittest.mock

import harness
import test_captures

PACKETS = int(os.environ.get("GUANTONG_MUTATED_PACKETS", "10000"))
SEED = os.environ.get("GUANTONG_MUTATED_SEED", "1")
RATE = float(os.environ.get("GUANTONG_MUTATED_RATE", "4000"))
WARM_UP = 20000  # packets until every buffer has had its size once
GROWTH_MAX_KB = 24576  # of memory that is no file's since then, whatever the number of packets: the
# challenges of the last minute, what is kept of answers
LOAD = os.path.join(harness.BUILD, "tests", "bench", "load")
VALID_PER_SECOND = 200
# Freed memory is kept from use for a while by the sanitizer; bounded, or it would be seen as growth.
SANITIZER = {"ASAN_OPTIONS": ":".join([os.environ.get("ASAN_OPTIONS", ""),
                                       "quarantine_size_mb=4", "thread_local_quarantine_size_kb=64"])}


def resident_kb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


class Mutated(harness.NodeTest):
    def records(self, node):
        """All the node may tell: what was imported, and the record `init` made."""
        records = {handle.decode(): {str(i): v.data.hex() for i, v in values.items()}
                   for handle, values in test_captures.stored_values().values()}
        records["88.1000/a"] = {"1": b"a part".hex()}
        records["88.1000/b"] = {"1": (b"x" * 1200).hex()}
        handle, values = node.resolve_tcp("0.NA/88.1000").resolution()
        records.setdefault(handle.decode(), {}).update(
            {str(v.index): v.data.hex() for v in values})
        return records

    def serving(self):
        site = os.path.join(harness.VECTORS, "keys", "siteinfo.bin")
        node = self.node(prefix="88.1000", init=["--site", site])
        lines = test_captures.json_lines(test_captures.stored_values())
        lines += harness.record("88.1000/a", (1, "DESC", "a part")) + "\n"
        lines += harness.record("88.1000/b", (1, "DESC", "x" * 1200)) + "\n"
        harness.run("import", node.dir, self.file(node, "rows.jsonl", lines))
        with unittest.mock.patch.dict(os.environ, SANITIZER):
            node.start()
        return node, self.file(node, "records.json", json.dumps(self.records(node)))

    def mutate(self, node, records, count, seed):
        words = [sys.executable, os.path.join(os.path.dirname(__file__), "mutate.py"),
                 "--count=%d" % count, "--seed=%s" % seed, "--rate=%g" % RATE,
                 "--records=" + records, node.address[0], str(node.address[1])]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def valid_clients(self, node, seconds):
        """One on each transport, open loop, every answer checked."""
        words = [LOAD, "--names=88.1000/a", "--count=1", "--rate=%d" % VALID_PER_SECOND, "--sleep",
                 "--seconds=%d" % seconds, "--warmup=0", node.address[0], str(node.address[1])]
        return {kind: subprocess.Popen(words[:1] + more + words[1:], stdout=subprocess.PIPE,
                                       text=True)
                for kind, more in (("udp", []), ("tcp", ["--tcp", "--sockets=4"]))}

    def test_mutated_requests_do_no_harm(self):
        node, records = self.serving()
        pid = node.daemon.pid
        before = descriptors(pid)
        warm_up = self.mutate(node, records, min(WARM_UP, PACKETS // 2), "w" + SEED)
        self.judge(warm_up)
        resident = resident_kb(pid)
        mutating = self.mutate(node, records, PACKETS, SEED)
        valid = self.valid_clients(node, max(1, PACKETS / RATE))
        sent = self.judge(mutating)
        for kind, client in valid.items():
            self.judge_client(kind, client)
        growth = resident_kb(pid) - resident
        print("mutated: %s, resident %+d kB of %d" % (json.dumps(sent), growth, resident))
        self.assertLess(growth, GROWTH_MAX_KB)
        self.assert_descriptors(pid, before)
        self.assertIsNone(node.daemon.poll(), "the daemon ended: " + node.said())
        self.assertEqual(node.stop(), 0)

    def judge(self, process):
        report = json.loads(process.communicate(timeout=7200)[0])
        self.assertEqual(report.pop("wrong"), [])
        self.assertEqual(process.returncode, 0)
        self.assertGreater(report["values_told"], 0)
        return report

    def judge_client(self, kind, process):
        figures = json.loads(process.communicate(timeout=60)[0])
        times = figures["latency_us"]
        print("valid %s: %d right, %d wrong, %d lost, p50 %.2f ms, p99 %.2f ms" % (
            kind, figures["right"], figures["wrong"], figures["lost"], times["p50"] / 1000,
            times["p99"] / 1000))
        self.assertEqual((figures["wrong"], figures["broken"]), (0, 0))
        self.assertGreater(figures["right"], 0.95 * figures["sent"])

    def assert_descriptors(self, pid, before):
        """Closed connections go at the latest when the node reads their end."""
        deadline = time.monotonic() + 10
        while descriptors(pid) > before and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertLessEqual(descriptors(pid), before)


if __name__ == "__main__":
    unittest.main()
