# SPDX-License-Identifier: Apache-2.0
"""What a node keeps of another node's answers, seen and thrown away by the command line."""

import json
import os
import signal
import time
import unittest

import harness


class Cache(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.above = harness.Node(prefix="88", listen=("127.0.88.11",))
        cls.addClassCleanup(cls.above.close)
        cls.node = harness.Node(prefix="88.608", listen=("127.0.88.12",))
        cls.addClassCleanup(cls.node.close)
        cls.node.setting("upstream", "servers", "['%s:%d']" % cls.above.address)
        cls.node.setting("cache", "size", "32M")
        for name in ("88/part", "88/other", "88/Third"):
            record = {"handle": name, "values": [
                {"index": 1, "type": "URL", "data": "https://example.cn/" + name, "ttl": 900}]}
            harness.run("record", "put", cls.above.dir, "-", stdin=(json.dumps(record) + "\n").encode())
        cls.above.start()
        cls.node.start()

    def ask(self, name, code=1):
        self.assertEqual(self.node.resolve_tcp(name).code, code)

    def shown(self, name):
        """What is kept: written a moment after the answer; asked again after a flush that came
        within the moment in which the worker itself remembers."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            done = harness.run("cache", "show", self.node.dir, name, "--json", code=None)
            if done.returncode == 0:
                return json.loads(done.stdout)
            self.node.resolve_tcp(name)
            time.sleep(0.1)
        self.fail("never kept: " + name)

    def metric(self, name):
        return harness.run_json("stats", self.node.dir)["requests"][name]

    def test_an_answer_is_shown_with_the_time_it_has_left(self):
        self.ask("88/part")
        entry = self.shown("88/part")[0]
        self.assertEqual((entry["kind"], entry["state"], entry["code"]), ("record", "fresh", 1))
        self.assertIn("https://example.cn/88/part", json.dumps(entry))
        text = harness.run("cache", "show", self.node.dir, "88/part").stdout
        self.assertIn("record, fresh", text)
        self.assertIn("TTL LEFT", text)

    def test_the_second_question_is_answered_from_the_cache(self):
        self.ask("88/part")
        self.shown("88/part")
        time.sleep(1)
        before = sum(self.metric("cache_hits").values())
        self.ask("88/part")
        self.assertGreater(sum(self.metric("cache_hits").values()), before)

    def test_an_answer_that_says_no_is_kept_too(self):
        self.ask("88/absent", code=100)
        entry = self.shown("88/absent")[0]
        self.assertEqual((entry["kind"], entry["code"]), ("negative", 100))

    def test_names_are_flushed_one_by_one(self):
        self.shown("88/other")
        self.shown("88/Third")
        self.assertEqual(
            harness.run_json("cache", "flush", self.node.dir, "88/other")["removed"], 1)
        harness.run("cache", "show", self.node.dir, "88/other", code=1)
        self.assertEqual(len(self.shown("88/Third")), 1)

    def test_a_prefix_and_everything_are_flushed(self):
        self.shown("88/part")
        self.shown("88/Third")
        self.assertGreater(
            harness.run_json("cache", "flush", self.node.dir, "--prefix", "88")["removed"], 1)
        harness.run("cache", "show", self.node.dir, "88/part", code=1)
        self.ask("88/part")
        time.sleep(1)
        harness.run("cache", "flush", self.node.dir, "--all")
        self.assertEqual(harness.run_json("cache", "stats", self.node.dir)["entries"], 0)

    def test_what_to_flush_must_be_said_once(self):
        harness.run("cache", "flush", self.node.dir, code=2)
        harness.run("cache", "flush", self.node.dir, "88/part", "--all", code=2)

    def test_figures_tell_kinds_and_room(self):
        self.shown("88/part")
        self.shown("88/absent")
        stats = harness.run_json("cache", "stats", self.node.dir)
        self.assertGreaterEqual(stats["kinds"]["record"]["fresh"], 1)
        self.assertGreaterEqual(stats["kinds"]["negative"]["fresh"], 1)
        self.assertEqual(stats["max_bytes"], 32 << 20)
        self.assertIn("record", harness.run("cache", "stats", self.node.dir).stdout)
        self.assertGreaterEqual(self.metric("cache_entries"), stats["entries"])

    def test_it_outlives_a_kill_and_damage_does_not_stop_the_node(self):
        self.shown("88/part")
        self.node.stop(signal.SIGKILL)
        self.node.start()
        self.assertEqual(self.shown("88/part")[0]["state"], "fresh")
        self.node.stop()
        with open(os.path.join(self.node.dir, "cache", "data.mdb"), "r+b") as data:
            for page in range(2, 40):
                data.seek(page * 4096)
                data.write(os.urandom(4096))
        self.node.start()
        self.ask("88/part")
        self.assertIn("made anew", self.node.said())
        self.assertEqual(self.shown("88/part")[0]["state"], "fresh")


class Stale(harness.NodeTest):
    """The node above dies: what it said is told beyond its time, and marked."""

    def test_a_stale_answer_is_marked_until_the_service_is_back(self):
        above = self.node(prefix="88", listen=("127.0.88.11",))
        node = self.node(prefix="88.608", listen=("127.0.88.12",))
        node.setting("upstream", "servers", "['%s:%d']" % above.address)
        node.setting("upstream", "time", "500ms")
        node.setting("upstream", "hold_max", "1s")
        node.setting("cache", "size", "32M")
        record = {"handle": "88/part", "values": [
            {"index": 1, "type": "URL", "data": "https://example.cn/", "ttl": 2}]}
        harness.run("record", "put", above.dir, "-", stdin=(json.dumps(record) + "\n").encode())
        above.start()
        node.start()
        ask = ("resolve", "88/part", "@%s:%d" % node.address)
        self.assertNotIn("stale", harness.run_json(*ask))
        time.sleep(0.5)
        above.stop()
        time.sleep(2)
        self.assertIs(harness.run_json(*ask)["stale"], True)
        shown = harness.run(*ask).stdout
        self.assertIn("STALE", shown)
        self.assertIn("over its time", shown)
        self.assertIn("https://example.cn/", shown)
        entry = harness.run_json("cache", "show", node.dir, "88/part")[0]
        self.assertEqual(entry["state"], "stale")
        self.assertGreater(harness.run_json("stats", node.dir)["requests"]["cache_stale"], 0)
        above.start()
        deadline = time.monotonic() + 10
        while "stale" in harness.run_json(*ask):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.3)


if __name__ == "__main__":
    unittest.main()
