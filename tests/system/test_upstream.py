# SPDX-License-Identifier: Apache-2.0
"""Names of other nodes: a root, the Wuhan node, two secondary nodes and an enterprise node, each a
real guantongd on an address of its own."""

import json
import socket
import struct
import threading
import time
import unittest

import harness
import wire

RECURSIVE = 0x10000000
PUBLIC = 0x01000000
AUTHORITATIVE = 0x80000000
NO_REFERRAL = 0x00100000
RD = 0x00800000


def total(figure):
    return sum(map(total, figure.values())) if isinstance(figure, dict) else figure


def metric(node, name):
    return total(harness.run_json("stats", node.dir)["requests"][name])


class Nodes:
    """root and Wuhan above, two secondary nodes, one enterprise node below both."""

    def __init__(self):
        self.all = []
        self.root = self.make("86", "127.0.86.1")
        self.wuhan = self.make("88", "127.0.88.1", self.root)
        self.first = self.make("88.608", "127.0.88.2", self.wuhan)
        self.second = self.make("88.700", "127.0.88.3", self.wuhan)
        self.enterprise = self.make("88.608.9", "127.0.88.4")
        harness.run("prefix", "home", self.enterprise.dir, "88.700.5", "86.1", "88.900", "88.900.1")
        self.delegate(self.wuhan, "88.608", self.first, "88.608")
        self.delegate(self.wuhan, "88.700", self.second, "88.700")
        self.delegate(self.first, "88.608.9", self.enterprise, "88.608.9")
        self.delegate(self.second, "88.700.5", self.enterprise, "88.608.9")
        self.delegate(self.root, "86.1", self.enterprise, "88.608.9")
        put(self.wuhan, "0.NA/88.900", {"index": 1, "type": "HS_SITE.PREFIX",
                                        "data": site_of(self.enterprise, "88.608.9")})
        for node, handle in ((self.second, "88.700/part"), (self.enterprise, "88.608.9/part"),
                             (self.enterprise, "88.700.5/part"), (self.enterprise, "86.1/part"),
                             (self.enterprise, "88.900.1/part"),
                             (self.enterprise, "88.608.9/walk"),
                             (self.first, "88.608/own")):
            put(node, handle, {"index": 1, "type": "URL", "data": "https://example.cn/" + handle},
                {"index": 2, "type": "DESC", "data": "of " + handle})
        for node in self.all:
            node.start()

    def make(self, prefix, address, upstream=None):
        node = harness.Node(prefix=prefix, listen=(address,))
        self.all.append(node)
        if upstream is not None:
            node.setting("upstream", "servers", "['%s:%d']" % upstream.address)
        return node

    def delegate(self, above, prefix, below, own):
        """The record of `prefix` at the node above says that `below` answers for it."""
        put(above, "0.NA/" + prefix, {"index": 1, "type": "HS_SITE", "data": site_of(below, own)})

    def close(self):
        for node in self.all:
            node.close()


def put(node, handle, *values):
    line = json.dumps({"handle": handle, "values": list(values)}) + "\n"
    harness.run("record", "put", node.dir, "-", stdin=line.encode())


def site_of(node, prefix):
    shown = harness.run_json("record", "show", node.dir, "0.NA/" + prefix)
    values = shown["values"] if "values" in shown else shown["items"][0]["values"]
    return next(v["data"] for v in values if v["type"] == "HS_SITE")


def assert_resolves(test, answer, handle):
    test.assertEqual(answer.code, 1, answer.code == 1 or answer.error_text())
    values = {v.type.decode(): v.data for v in answer.resolution()[1]}
    test.assertEqual(values["DESC"], ("of " + handle).encode())


class Standing(unittest.TestCase):
    """What can be asked of nodes that stand."""

    @classmethod
    def setUpClass(cls):
        cls.nodes = Nodes()
        cls.addClassCleanup(cls.nodes.close)
        cls.wuhan, cls.first = cls.nodes.wuhan, cls.nodes.first

    def test_names_of_all_levels_are_resolved_at_one_secondary_node(self):
        for handle in ("88.700/part", "88.608.9/part", "88.700.5/part", "86.1/part", "88.900.1/part",
                       "88.608/own"):
            with self.subTest(handle):
                assert_resolves(self, self.first.resolve_udp(handle), handle)
                assert_resolves(self, self.first.resolve_tcp(handle), handle)

    def test_the_walk_goes_down_from_the_top_to_the_enterprise(self):
        """The second node asks the Wuhan node, which knows the first node alone, which knows the
        enterprise's; nobody asks for anybody else."""
        before = {node: metric(node, "requests") for node in self.nodes.all}
        assert_resolves(self, self.nodes.second.resolve_tcp("88.608.9/walk"), "88.608.9/walk")
        asked = {node: metric(node, "requests") - before[node] for node in self.nodes.all}
        self.assertEqual(asked[self.nodes.root], 0)
        self.assertEqual(asked[self.wuhan], 2)  # 0.NA/88.608.9, then 0.NA/88.608
        self.assertEqual(asked[self.first], 1)  # 0.NA/88.608.9
        self.assertEqual(asked[self.nodes.enterprise], 1)

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

    def test_prefixes_kept_elsewhere_are_referred_to(self):
        self.assertEqual(self.wuhan.resolve_tcp("0.NA/88.900.1").code, 303)
        self.assertEqual(self.wuhan.resolve_tcp("0.NA/88.901.1").code, 100)
        older = self.wuhan.resolve_tcp("0.NA/88.900.1", suggested=(2, 9))
        self.assertEqual(older.code, 1)  # resolved on behalf of who knows no such referral
        self.assertEqual(older.flags & AUTHORITATIVE, 0)
        request = wire.request(wire.resolution_body("0.NA/88.900.1"),
                               flags=RECURSIVE | PUBLIC | NO_REFERRAL)
        self.assertEqual(wire.Message(wire.ask_tcp(self.wuhan.address, request)[0]).code, 100)

    def test_without_the_recursion_flag_nothing_is_asked(self):
        request = wire.request(wire.resolution_body("88.700/part"), flags=PUBLIC)
        self.assertEqual(wire.Message(wire.ask_tcp(self.first.address, request)[0]).code, 301)

    def test_a_circle_of_nodes_ends(self):
        """The Wuhan node says that the first node answers for 88.800, which sends it back there."""
        put(self.wuhan, "0.NA/88.800", {"index": 1, "type": "HS_SITE",
                                             "data": site_of(self.wuhan, "88")})
        answer = self.first.resolve_tcp("88.800/x")
        self.assertIn(answer.code, (2, 3, 6))


class Changing(unittest.TestCase):
    """What needs nodes of its own."""

    def setUp(self):
        self.nodes = Nodes()
        self.addCleanup(self.nodes.close)
        self.wuhan, self.first = self.nodes.wuhan, self.nodes.first

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

    def test_a_dead_top_level_node_does_not_touch_own_names(self):
        self.wuhan.stop()
        start = time.monotonic()
        self.assertEqual(self.first.resolve_tcp("88.700/part").code, 3)
        self.assertLess(time.monotonic() - start, 6)
        assert_resolves(self, self.first.resolve_udp("88.608/own"), "88.608/own")
        assert_resolves(self, self.first.resolve_tcp("88.608.9/part"), "88.608.9/part")
        self.wuhan.start()
        deadline = time.monotonic() + 20
        while self.first.resolve_tcp("88.700/part").code != 1:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)


class Counting(threading.Thread):
    """A top-level service and the service of every prefix, over UDP: answers after a while, and
    counts who asks what."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.address = self.socket.getsockname()
        self.asked = []

    def site(self):
        address = socket.inet_aton(self.address[0])
        return (struct.pack(">HBBHBBI", 1, 2, 11, 1, 0x80, 0, 0) + struct.pack(">II", 0, 1) +
                struct.pack(">I", 1) + bytes(12) + address + struct.pack(">II", 0, 1) +
                struct.pack(">BBI", 3, 0, self.address[1]))

    def answer(self, packet):
        asked = wire.Message(packet)
        name = wire.Reader(asked.body).text()
        self.asked.append(name)
        kind, data = (b"HS_SITE", self.site()) if name.startswith(b"0.NA/") else (b"DESC", b"x" * 900)
        value = (struct.pack(">IIBIB", 1, 0, 0, 86400, 0x0e) + wire.text(kind) + wire.text(data) +
                 struct.pack(">I", 0))
        body = wire.digest_of(packet) + wire.text(name) + struct.pack(">I", 1) + value
        answer = bytearray(wire.request(body, flags=RD | PUBLIC, request_id=asked.request_id, code=1))
        answer[36:40] = b"\xff" * 4  # does not expire
        return bytes(answer)

    def run(self):
        while True:
            packet, peer = self.socket.recvfrom(2048)
            time.sleep(0.3)
            for piece in wire.fragments(self.answer(packet)):
                self.socket.sendto(piece, peer)


class Refusing(Counting):
    """The same, but whoever keeps prefixes below 88.608.5 says that he is not responsible."""

    def answer(self, packet):
        asked = wire.Message(packet)
        name = wire.Reader(asked.body).text()
        if name != b"0.NA/88.608.5.1":
            return super().answer(packet)
        self.asked.append(name)
        answer = bytearray(wire.request(wire.digest_of(packet), flags=RD | PUBLIC,
                                        request_id=asked.request_id, code=301))
        answer[36:40] = b"\xff" * 4
        return bytes(answer)


class Refused(harness.NodeTest):
    def test_a_keeper_that_refuses_sends_no_name_of_ours_upward(self):
        service = Refusing("127.0.88.10")
        node = self.node(prefix="88.608")
        node.setting("upstream", "servers", "['%s:%d']" % service.address)
        site = site_of(node, "88.608")
        server = site["value"]["servers"][0]
        server["address"] = service.address[0]
        server["interfaces"] = [{"query": True, "admin": False, "protocol": "UDP",
                                 "port": service.address[1]}]
        put(node, "0.NA/88.608.5", {"index": 1, "type": "HS_SITE.PREFIX", "data": site})
        service.start()
        node.start()
        self.assertEqual(node.resolve_tcp("0.NA/88.608.5.1", suggested=(2, 9)).code, 2)
        self.assertEqual(service.asked, [b"0.NA/88.608.5.1"])


class Cold(harness.NodeTest):
    """One cold name, asked for by everybody at once over all workers."""

    SOCKETS, EACH = 200, 50

    def test_ten_thousand_requests_are_one_question(self):
        service = Counting("127.0.88.9")
        node = self.node(prefix="88.608")
        node.setting("upstream", "servers", "['%s:%d']" % service.address)
        node.setting("workers", "count", "4")
        node.setting("limits", "parked", "100000")
        node.start()
        service.start()
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(self.SOCKETS)]
        for s in sockets:
            self.addCleanup(s.close)
            s.settimeout(10)
            s.connect(node.address)
        for i in range(self.EACH):
            for s in sockets:
                s.send(wire.resolve("88.700/cold", request_id=i + 1))
            if i % 10 == 9:
                time.sleep(0.05)
        sockets[0].recv(2048)
        self.assertEqual(service.asked, [b"0.NA/88.700", b"88.700/cold"])
        self.assertGreater(metric(node, "upstream_coalesced"), self.SOCKETS * self.EACH // 2)


class Names(threading.Thread):
    """A name server: who offers the service of wuhan.test, and the address of that."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.address = self.socket.getsockname()
        self.service = None
        self.asked = []

    def records(self, name, kind):
        if kind == 33 and name.startswith("_hdl-srv._udp."):
            return [struct.pack(">HHH", 10, 0, self.service[1]) + b"\1a\xc0\x1a"]
        if kind == 1 and name.startswith("a."):
            return [socket.inet_aton(self.service[0])]
        return []

    def run(self):
        while True:
            packet, peer = self.socket.recvfrom(2048)
            labels, at = [], 12
            while packet[at] != 0:
                labels.append(packet[at + 1:at + 1 + packet[at]].decode())
                at += 1 + packet[at]
            name, kind = ".".join(labels), struct.unpack(">H", packet[at + 1:at + 3])[0]
            self.asked.append((name, kind))
            records = self.records(name, kind)
            answer = packet[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0)
            answer += packet[12:at + 5]
            for data in records:
                answer += struct.pack(">HHHIH", 0xc00c, kind, 1, 5, len(data)) + data
            self.socket.sendto(answer, peer)


class Named(harness.NodeTest):
    """The top-level service is told by a name alone."""

    def test_service_records_are_followed_also_when_they_change(self):
        names = Names("127.0.88.9")
        old, new = Counting("127.0.88.10"), Counting("127.0.88.11")
        names.service = old.address
        node = self.node(prefix="88.608")
        node.setting("upstream", "servers", "[wuhan.test]")
        node.setting("upstream", "name_servers", "['%s:%d']" % names.address)
        node.setting("workers", "count", "1")
        for thread in (names, old, new):
            thread.start()
        node.start()
        self.assertEqual(node.resolve_tcp("0.NA/88.1").code, 1)
        self.assertEqual(old.asked, [b"0.NA/88.1"])
        self.assertIn(("_hdl-srv._udp.wuhan.test", 33), names.asked)
        self.assertIn(("a.wuhan.test", 1), names.asked)
        names.service = new.address
        time.sleep(5.2)
        self.assertEqual(node.resolve_tcp("0.NA/88.2").code, 1)  # old ones serve, and are renewed
        time.sleep(0.5)
        self.assertEqual(node.resolve_tcp("0.NA/88.3").code, 1)
        self.assertIn(b"0.NA/88.3", new.asked)
        self.assertNotIn(b"0.NA/88.3", old.asked)


class Tunnels(harness.NodeTest):
    """An enterprise node that tells HTTP or HTTPS alone in its site record."""

    def setUp(self):
        self.ours = self.node(prefix="88.608", listen=("127.0.88.12",))
        self.ours.setting("upstream", "time", "2s")
        self.enterprise = self.node(prefix="88.608.9", listen=("127.0.88.14",))
        self.ports = {"HTTP": harness.free_port(), "HTTPS": harness.free_port()}
        self.enterprise.setting("listen", "http_port", str(self.ports["HTTP"]))
        self.enterprise.setting("listen", "https_port", str(self.ports["HTTPS"]))
        for protocol in self.ports:
            handle = "88.608.9/" + protocol
            put(self.enterprise, handle, {"index": 1, "type": "DESC", "data": "of " + handle},
                {"index": 2, "type": "TEXT", "data": "x" * 20000})
        self.enterprise.start()

    def tell(self, protocol, key_of=None):
        """Our record of its prefix says that it is reached that way."""
        site = site_of(self.enterprise, "88.608.9")
        server = site["value"]["servers"][0] if "value" in site else site["servers"][0]
        server["interfaces"] = [{"query": True, "admin": False, "protocol": protocol,
                                 "port": self.ports[protocol]}]
        if key_of is not None:
            other = site_of(key_of, "88.608")
            server["publicKey"] = (other["value"] if "value" in other else other)["servers"][0][
                "publicKey"]
        put(self.ours, "0.NA/88.608.9", {"index": 1, "type": "HS_SITE", "data": site})

    def test_names_are_resolved_through_either(self):
        for protocol in ("HTTP", "HTTPS"):
            with self.subTest(protocol):
                self.tell(protocol)
                self.ours.start()
                before = metric(self.enterprise, "requests")
                handle = "88.608.9/" + protocol
                assert_resolves(self, self.ours.resolve_tcp(handle), handle)
                self.assertEqual(self.ours.resolve_tcp(handle + "-none").code, 100)
                self.assertEqual(metric(self.enterprise, "requests") - before, 2)
                self.ours.stop()

    def test_a_server_with_another_key_is_told_nothing(self):
        self.tell("HTTPS", key_of=self.ours)
        self.ours.start()
        before = metric(self.enterprise, "requests")
        self.assertEqual(self.ours.resolve_tcp("88.608.9/HTTPS").code, 2)
        self.assertEqual(metric(self.enterprise, "requests"), before)


if __name__ == "__main__":
    unittest.main()
