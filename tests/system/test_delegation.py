# SPDX-License-Identifier: Apache-2.0
"""A prefix of ours that is served by the enterprise's own node: given away, and taken back."""

import json
import os
import unittest

import harness
import wire

RECURSIVE = 0x10000000
PUBLIC = 0x01000000
NO_REFERRAL = 0x00100000
PREFIX = "88.608.9"
PART = PREFIX + "/part"


def put(node, handle, text, code=0):
    line = json.dumps({"handle": handle,
                       "values": [{"index": 1, "type": "URL", "data": text}]}) + "\n"
    return harness.run("record", "put", node.dir, "-", stdin=line.encode(), code=code)


def state_of(node, prefix):
    listed = harness.run_json("prefix", "list", node.dir)["items"]
    return next(row["state"] for row in listed if row["prefix"] == prefix)


def types_of(node, prefix):
    shown = harness.run_json("record", "show", node.dir, "0.NA/" + prefix)
    values = shown["values"] if "values" in shown else shown["items"][0]["values"]
    return sorted(value["type"] for value in values)


def referred(answer):
    """Referral handle, and the types of the values."""
    r = wire.Reader(answer.body)
    handle = r.text()
    values = [wire.Value(r) for _ in range(r.number())] if r.left() else []
    return handle, [value.type.decode() for value in values]


class Delegation(harness.NodeTest):
    def setUp(self):
        self.enterprise = self.node(prefix=PREFIX, listen=("127.0.88.14",))
        put(self.enterprise, PART, "https://enterprise.example.cn/")
        self.enterprise.start()
        self.ours = self.node(prefix="88.608", listen=("127.0.88.12",))
        harness.run("prefix", "home", self.ours.dir, PREFIX)
        put(self.ours, PART, "https://hosted.example.cn/")
        self.ours.start()

    def delegate(self, *how):
        where = "%s:%d" % self.enterprise.address
        harness.run("prefix", "delegate", self.ours.dir, PREFIX, *(how or ("--address", where)))

    def ask(self, handle, flags):
        packet = wire.request(wire.resolution_body(handle), flags=flags)
        return wire.Message(wire.ask_tcp(self.ours.address, packet)[0])

    def url(self):
        answer = self.ask(PART, RECURSIVE | PUBLIC)
        self.assertEqual(answer.code, 1)
        return answer.resolution()[1][0].data

    def test_what_was_hosted_is_answered_by_the_other_node_and_comes_back(self):
        self.assertEqual(self.url(), b"https://hosted.example.cn/")
        self.assertEqual(self.url(), b"https://hosted.example.cn/")
        self.delegate()
        self.assertEqual(state_of(self.ours, PREFIX), "delegated")
        self.assertEqual(types_of(self.ours, PREFIX), ["HS_ADMIN", "HS_SITE"])
        self.assertEqual(self.url(), b"https://enterprise.example.cn/")
        harness.run("prefix", "home", self.ours.dir, PREFIX)
        self.assertEqual(state_of(self.ours, PREFIX), "active")
        self.assertEqual(types_of(self.ours, PREFIX), ["HS_ADMIN", "HS_SITE"])
        self.assertEqual(self.url(), b"https://hosted.example.cn/")

    def test_who_asks_without_recursion_is_referred_unless_he_wants_no_referral(self):
        self.delegate()
        for handle in (PART, PREFIX + "/none"):
            answer = self.ask(handle, PUBLIC)
            self.assertEqual(answer.code, 302)
            self.assertEqual(referred(answer), (b"", ["HS_SITE"]))
            self.assertEqual(self.ask(handle, PUBLIC | NO_REFERRAL).code, 301)

    def test_the_prefix_record_stays_ours(self):
        self.delegate()
        answer = self.ask("0.NA/" + PREFIX, PUBLIC)
        self.assertEqual(answer.code, 1)
        self.assertEqual([v.type.decode() for v in answer.resolution()[1]],
                         ["HS_SITE", "HS_ADMIN"])
        self.assertEqual(self.ask("0.NA/%s.1" % PREFIX, PUBLIC).code, 100)

    def test_nothing_is_written_below_it(self):
        self.delegate()
        refused = put(self.ours, PREFIX + "/new", "x", code=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("GT1203", refused.stderr)
        create = wire.request(wire.text(PREFIX + "/new") + b"\0\0\0\0", opcode=100, flags=0)
        self.assertEqual(wire.Message(wire.ask_tcp(self.ours.address, create)[0]).code, 301)

    def test_a_service_handle_or_a_site_file_tells_it_as_well(self):
        self.delegate("--serv", "0.NA/88.608.77")
        self.assertEqual(referred(self.ask(PART, PUBLIC)), (b"", ["HS_SERV"]))
        shown = harness.run_json("record", "show", self.enterprise.dir, "0.NA/" + PREFIX)
        values = shown["values"] if "values" in shown else shown["items"][0]["values"]
        site = next(v["data"] for v in values if v["type"] == "HS_SITE")
        self.delegate("--site", self.file(self.ours, "site.json", json.dumps(site)))
        self.assertEqual(self.url(), b"https://enterprise.example.cn/")
        self.delegate("--site", os.path.join(self.ours.holder.name, "site.json"))

    def test_what_makes_no_sense_is_refused(self):
        where = "--address=192.0.2.1:2641"
        for words in ((PREFIX,), (PREFIX, where, "--serv=a/b"), (PREFIX, "--serv=a/b", "--key=k"),
                      (PREFIX, "--address=192.0.2.1:99999"), ("88.608", where), ("8/8", where),
                      (PREFIX, "--serv=nothing")):
            with self.subTest(words):
                done = harness.run("prefix", "delegate", self.ours.dir, *words, code=None)
                self.assertNotEqual(done.returncode, 0)
                self.assertNotEqual(done.stderr, "")
        self.assertEqual(state_of(self.ours, PREFIX), "active")


class Aliases(harness.NodeTest):
    def alias(self, node, name, to):
        line = json.dumps({"handle": name, "values": [
            {"index": 1, "type": "HS_ALIAS", "data": to}]}) + "\n"
        harness.run("record", "put", node.dir, "-", stdin=line.encode())

    def test_a_client_that_wants_to_follows_them_and_the_server_never_does(self):
        node = self.node()
        self.alias(node, "88.1000/a", "88.1000/b")
        self.alias(node, "88.1000/b", "88.1000/c")
        put(node, "88.1000/c", "https://example.cn/c")
        self.alias(node, "88.1000/round", "88.1000/round")
        self.alias(node, "88.1000/to", "88.1000/fro")
        self.alias(node, "88.1000/fro", "88.1000/to")
        for i in range(22):  # 22 steps from the first to c, 20 from the third
            self.alias(node, "88.1000/%d" % i, "88.1000/%s" % (i + 1 if i < 21 else "c"))
        node.start()
        answer = node.resolve_tcp("88.1000/a")
        self.assertEqual([v.type.decode() for v in answer.resolution()[1]], ["HS_ALIAS"])
        at = "@%s:%d" % node.address
        shown = harness.run("resolve", "88.1000/a", at, "--follow-aliases").stdout
        self.assertIn("88.1000/b -> 88.1000/c", shown)
        self.assertIn("https://example.cn/c", shown)
        short = harness.run("resolve", "88.1000/a", at, "--follow-aliases", "--short",
                            "--types=URL").stdout
        self.assertEqual(short.strip(), "https://example.cn/c")
        for name in ("88.1000/round", "88.1000/to", "88.1000/0"):
            endless = harness.run("resolve", name, at, "--follow-aliases", code=None)
            self.assertNotEqual(endless.returncode, 0, name)
            self.assertIn("without an end", endless.stderr)
        self.assertEqual(harness.run("resolve", "88.1000/2", at, "--follow-aliases", "--short",
                                     "--types=URL").stdout.strip(), "https://example.cn/c")


if __name__ == "__main__":
    unittest.main()
