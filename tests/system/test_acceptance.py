# SPDX-License-Identifier: Apache-2.0
"""A node is set up, loaded, started and asked with the commands of the README."""

import json
import os
import unittest

import harness
import wire


def key_hex(name):
    with open(os.path.join(harness.VECTORS, "keys", name), "rb") as f:
        return f.read().hex()


def redefinition():
    """A record for 0.NA/88.1000 with administrators, a public key and a secret key that claims to
    be publicly readable."""
    return json.dumps({"handle": "0.NA/88.1000", "values": [
        {"index": 100, "type": "HS_ADMIN", "data": {"format": "admin", "value": {
            "handle": "0.NA/88.1000", "index": 300, "permissions": "111111111111"}}},
        {"index": 300, "type": "HS_PUBKEY", "data": {"format": "hex",
                                                    "value": key_hex("adminpub.bin")}},
        {"index": 302, "type": "HS_SECKEY", "data": "s3cr3tKey-88", "permissions": "1110"},
    ]}) + "\n"


class Acceptance(harness.NodeTest):
    def test_init_import_daemon_resolve(self):
        node = self.node(prefix="88.1000")
        path = self.file(node, "file.jsonl", redefinition())
        done = harness.run("import", node.dir, path)
        self.assertIn("HS_SECKEY", done.stdout + done.stderr, "import warns")
        node.start()
        done = harness.run("resolve", "0.NA/88.1000", "@127.0.0.1:%d" % node.port, "--tcp", "--json")
        self.assertEqual(done.stderr, "")
        self.assertNotIn("s3cr3tKey-88", done.stdout)
        self.assertNotIn("HS_SECKEY", done.stdout)
        self.assertIn("HS_PUBKEY", done.stdout)
        answer = node.resolve_tcp("0.NA/88.1000")
        self.assertEqual([v.index for v in answer.resolution()[1]], [100, 300])
        self.assertNotIn(b"s3cr3tKey-88", answer.rest)

    def test_secret_key_is_in_no_answer_whatever_is_asked(self):
        node = self.node(prefix="88.1000")
        harness.run("import", node.dir, self.file(node, "file.jsonl", redefinition()))
        node.start()
        for flags in (wire.PLAIN, wire.REC, 0, wire.PO | wire.CT, wire.PO | wire.RD):
            for more in ({}, {"indexes": [302]}, {"types": ["HS_SECKEY"]}, {"types": ["HS_SECKEY."]}):
                for suggested in ((2, 11), (2, 10)):
                    answer = node.resolve_tcp("0.NA/88.1000", flags=flags, version=(2, 3),
                                              suggested=suggested, **more)
                    self.assertNotIn(b"s3cr3tKey-88", answer.rest)

    def test_every_transport_and_family(self):
        node = self.node(prefix="88.1000", listen=("127.0.0.1", "::1"))
        node.start()
        request = wire.resolve("0.NA/88.1000")
        for host in ("127.0.0.1", "::1"):
            udp = wire.Message(wire.reassemble(wire.ask_udp((host, node.port), [request])))
            tcp = wire.Message(wire.ask_tcp((host, node.port), request)[0])
            self.assertEqual(udp.code, 1)
            self.assertEqual(udp.body, tcp.body)
        harness.run("resolve", "0.NA/88.1000", "@[::1]:%d" % node.port, "--udp")

    def test_answers_leave_from_the_address_that_was_asked(self):
        node = self.node(prefix="88.1000", listen=("0.0.0.0",), init=["--address", "127.0.0.1"])
        node.start()
        got = wire.ask_udp(("127.0.0.7", node.port), [wire.resolve("0.NA/88.1000")])
        self.assertTrue(got, "a connected socket takes answers from the address it asked only")

    def test_site_info_is_the_site_record(self):
        site = os.path.join(harness.VECTORS, "keys", "siteinfo.bin")
        node = self.node(prefix="88.1000", init=["--site", site]).start()
        answer = wire.Message(wire.ask_tcp(node.address, wire.request(wire.text("/"), opcode=2))[0])
        with open(site, "rb") as f:
            self.assertEqual(answer.body, f.read())

    def test_init_leaves_an_existing_node_alone(self):
        node = self.node(prefix="88.1000")
        before = sorted(os.listdir(node.dir))
        done = harness.run("init", node.dir, "--prefix", "88.2000", code=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(before, sorted(os.listdir(node.dir)))
        self.assertEqual(oct(os.stat(os.path.join(node.dir, "keys")).st_mode & 0o777), "0o700")
        for key in os.listdir(os.path.join(node.dir, "keys")):
            self.assertEqual(os.stat(os.path.join(node.dir, "keys", key)).st_mode & 0o077, 0, key)


if __name__ == "__main__":
    unittest.main()
