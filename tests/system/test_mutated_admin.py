# SPDX-License-Identifier: Apache-2.0
"""Mutated administrative messages change nothing and crash nothing (mutate_admin.py says which).

GUANTONG_MUTATED_ADMIN (1000) is how many, GUANTONG_MUTATED_SEED (1) which. Run it with a build that
has sanitizers: what they say fails the test.
"""

import json
import os
import subprocess
import sys
import unittest
import unittest.mock

import administrator as adm
import harness
import mutate_admin
import test_administration as base
import test_mutated

MESSAGES = int(os.environ.get("GUANTONG_MUTATED_ADMIN", "1000"))
SEED = os.environ.get("GUANTONG_MUTATED_SEED", "1")
SANDBOX = mutate_admin.SANDBOX
GROWTH_MAX_KB = 8192  # of memory that is no file's, after a first part
BOUNDS = {"sessions": 64, "challenges": 256, "repeated_bytes": "1M"}  # of what grows by design


def anonymous_kb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


class MutatedAdministration(base.Administered):
    def serving(self):
        node = self.node(prefix=base.PREFIX)
        node.setting("admin", "server_admins", "['300:%s']" % base.OWNER)
        for key, value in BOUNDS.items():
            node.setting("limits", key, value)
        harness.run("prefix", "home", node.dir, SANDBOX, "88.1002", "--no-record")
        self.store(node, base.owner_record(), {"handle": "0.NA/" + SANDBOX, "values": [
            base.hex_value(100, "HS_ADMIN", adm.admin_data(0x1fff, "88.1002/keys", 300))]},
            {"handle": "88.1002/keys", "values": [
                base.hex_value(300, "HS_PUBKEY", base.vector("userpub.bin"))]},
            *(self.thing(prefix, name) for prefix in (base.PREFIX, SANDBOX) for name in "ab"))
        node.setting("workers", "hot_set", "1M")
        with unittest.mock.patch.dict(os.environ, test_mutated.SANITIZER):
            node.start()
        return node

    def thing(self, prefix, name):
        keeper, index = ((base.OWNER, 300) if prefix == base.PREFIX else ("88.1002/keys", 300))
        return {"handle": "%s/%s" % (prefix, name), "values": [
            base.text_value(1, "URL", "http://before.example/"),
            base.text_value(2, "DESC", "before"), base.text_value(3, "NOTE", "inside", "1100"),
            base.hex_value(100, "HS_ADMIN", adm.admin_data(0xfff, keeper, index))]}

    def kept(self, node):
        """All that nobody but the owner of the sandbox may not change."""
        lines = harness.run("export", node.dir, "--secrets").stdout.split("\n")
        return [line for line in lines if line and not self.is_sandbox(line)]

    def is_sandbox(self, line):
        handle = json.loads(line)["handle"].upper()
        return handle.removeprefix("0.NA/").split("/")[0] == SANDBOX

    def prefixes(self, node):
        return [p["prefix"] for p in harness.run_json("prefix", "list", node.dir)["items"]]

    def mutate(self, node, count, seed):
        done = subprocess.run(
            [sys.executable, os.path.join(os.path.dirname(__file__), "mutate_admin.py"),
             "--count=%d" % count, "--seed=%s" % seed, node.address[0], str(node.address[1])],
            stdout=subprocess.PIPE, text=True, timeout=7200)
        report = json.loads(done.stdout)
        self.assertEqual(report.pop("wrong"), [])
        return report

    def test_mutated_messages_change_nothing(self):
        node = self.serving()
        before, homed = self.kept(node), self.prefixes(node)
        self.assertEqual(len(before), 4)
        self.mutate(node, max(1000, MESSAGES // 10), "w" + SEED)
        pid = node.daemon.pid
        anonymous = anonymous_kb(pid)
        report = self.mutate(node, MESSAGES, SEED)
        growth = anonymous_kb(pid) - anonymous
        print("mutated: %s, memory %+d kB of %d" % (json.dumps(report), growth, anonymous))
        self.assertEqual(self.kept(node), before)
        self.assertEqual(self.prefixes(node), homed)
        for code in ("400", "402", "403"):
            self.assertIn(code, report["codes"], "the messages did not come that far")
        self.assertLess(growth, GROWTH_MAX_KB)
        self.assertIsNone(node.daemon.poll(), "the daemon ended: " + node.said())
        harness.run("journal", "verify", node.dir)
        self.assertEqual(node.stop(), 0)


if __name__ == "__main__":
    unittest.main()
