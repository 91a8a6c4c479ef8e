# SPDX-License-Identifier: Apache-2.0
"""Names of other nodes: a root, the Wuhan node, two secondary nodes and an enterprise node, each a
real guantongd on an address of its own."""

import json
import time
import unittest

import harness
import wire

RECURSIVE = 0x10000000
PUBLIC = 0x01000000
AUTHORITATIVE = 0x80000000
NO_REFERRAL = 0x00100000


def total(figure):
    return sum(map(total, figure.values())) if isinstance(figure, dict) else figure


def metric(node, name):
    return total(harness.run_json("stats", node.dir)[name])


class Upstream(harness.NodeTest):

    def make(self, prefix, address, upstream=None):
        node = self.node(prefix=prefix, listen=(address,))
        if upstream is not None:
            node.setting("upstream", "servers", "['%s:%d']" % upstream.address)
        return node

    def put(self, node, handle, *values):
        line = json.dumps({"handle": handle, "values": list(values)}) + "\n"
        harness.run("record", "put", node.dir, "-", stdin=line.encode())

    def site_of(self, node, prefix):
        shown = harness.run_json("record", "show", node.dir, "0.NA/" + prefix)
        values = shown["values"] if "values" in shown else shown["items"][0]["values"]
        return next(v["data"] for v in values if v["type"] == "HS_SITE")

    def delegate(self, above, prefix, below, own):
        """The record of `prefix` at the node above says that `below` answers for it."""
        self.put(above, "0.NA/" + prefix,
                 {"index": 1, "type": "HS_SITE", "data": self.site_of(below, own)})

    def setUp(self):
        self.root = self.make("86", "127.0.86.1")
        self.wuhan = self.make("88", "127.0.88.1", self.root)
        self.first = self.make("88.608", "127.0.88.2", self.wuhan)
        self.second = self.make("88.700", "127.0.88.3", self.wuhan)
        self.enterprise = self.make("88.608.9", "127.0.88.4")
        harness.run("prefix", "home", self.enterprise.dir, "88.700.5", "86.1")
        self.delegate(self.wuhan, "88.608", self.first, "88.608")
        self.delegate(self.wuhan, "88.700", self.second, "88.700")
        self.delegate(self.first, "88.608.9", self.enterprise, "88.608.9")
        self.delegate(self.second, "88.700.5", self.enterprise, "88.608.9")
        self.delegate(self.root, "86.1", self.enterprise, "88.608.9")
        for node, handle in ((self.second, "88.700/part"), (self.enterprise, "88.608.9/part"),
                             (self.enterprise, "88.700.5/part"), (self.enterprise, "86.1/part"),
                             (self.first, "88.608/own")):
            self.put(node, handle, {"index": 1, "type": "URL", "data": "https://example.cn/" + handle},
                     {"index": 2, "type": "DESC", "data": "of " + handle})
        for node in (self.root, self.wuhan, self.first, self.second, self.enterprise):
            node.start()

    def assertResolves(self, answer, handle):
        self.assertEqual(answer.code, 1, answer.code == 1 or answer.error_text())
        values = {v.type.decode(): v.data for v in answer.resolution()[1]}
        self.assertEqual(values["DESC"], ("of " + handle).encode())

    def test_names_of_all_levels_are_resolved_at_one_secondary_node(self):
        for handle in ("88.700/part", "88.608.9/part", "88.700.5/part", "86.1/part", "88.608/own"):
            with self.subTest(handle):
                self.assertResolves(self.first.resolve_udp(handle), handle)
                self.assertResolves(self.first.resolve_tcp(handle), handle)

    def test_what_is_relayed_has_no_authority_of_ours(self):
        own = self.first.resolve_tcp("88.608/own")
        other = self.first.resolve_tcp("88.700/part")
        self.assertNotEqual(own.flags & AUTHORITATIVE, 0)
        self.assertEqual(other.flags & AUTHORITATIVE, 0)
        self.assertEqual(own.serial, other.serial)

    def test_filters_select_from_what_is_relayed(self):
        answer = self.first.resolve_tcp("88.700/part", types=("URL",))
        self.assertEqual([v.type.decode() for v in answer.resolution()[1]], ["URL"])
        answer = self.first.resolve_tcp("88.700/part", types=("EMAIL",))
        self.assertEqual(answer.code, 200)

    def test_names_that_do_not_exist_are_not_found(self):
        for handle in ("88.700/none", "88.608.9/none", "88.701/x", "88.700.6/x", "86.2/x"):
            with self.subTest(handle):
                self.assertEqual(self.first.resolve_tcp(handle).code, 100)

    def test_own_names_never_travel_upward(self):
        before = metric(self.wuhan, "requests")
        for handle in ("88.608/none", "88.608.77/x", "0.NA/88.608.77"):
            self.assertIn(self.first.resolve_tcp(handle).code, (100, 301))
        self.assertEqual(metric(self.wuhan, "requests"), before)

    def test_who_is_not_allowed_gets_a_referral_or_nothing(self):
        self.first.stop()
        self.first.setting("upstream", "allowed_networks", "[]")
        self.first.setting("limits", "trusted_networks", "[]")
        self.first.start()
        self.assertEqual(self.first.resolve_tcp("88.700/part").code, 301)
        referral = self.first.resolve_tcp("88.608.9/part")
        self.assertEqual(referral.code, 302)
        self.assertIn(b"HS_SITE", referral.body)
        refused = wire.request(wire.resolution_body("88.608.9/part"),
                               flags=RECURSIVE | PUBLIC | NO_REFERRAL)
        self.assertEqual(wire.Message(wire.ask_tcp(self.first.address, refused)[0]).code, 301)

    def test_without_the_recursion_flag_nothing_is_asked(self):
        request = wire.request(wire.resolution_body("88.700/part"), flags=PUBLIC)
        self.assertEqual(wire.Message(wire.ask_tcp(self.first.address, request)[0]).code, 301)

    def test_a_dead_top_level_node_does_not_touch_own_names(self):
        self.wuhan.stop()
        start = time.monotonic()
        self.assertEqual(self.first.resolve_tcp("88.700/part").code, 3)
        self.assertLess(time.monotonic() - start, 6)
        self.assertResolves(self.first.resolve_udp("88.608/own"), "88.608/own")
        self.assertResolves(self.first.resolve_tcp("88.608.9/part"), "88.608.9/part")
        self.wuhan.start()
        deadline = time.monotonic() + 20
        while self.first.resolve_tcp("88.700/part").code != 1:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)

    def test_a_circle_of_nodes_ends(self):
        """The Wuhan node says that the first node answers for 88.800, which sends it back there."""
        self.put(self.wuhan, "0.NA/88.800", {"index": 1, "type": "HS_SITE",
                                             "data": self.site_of(self.wuhan, "88")})
        answer = self.first.resolve_tcp("88.800/x")
        self.assertIn(answer.code, (2, 3, 6))


if __name__ == "__main__":
    unittest.main()
