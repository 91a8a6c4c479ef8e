# SPDX-License-Identifier: Apache-2.0
"""Malformed input at a real node, row by row of protocol.md §14: what is answered over UDP and TCP,
and that the next request is served. A test is named after its row.

Rows that need what is not here are tested elsewhere: sessions and credentials (9, 10, 52-64) in
tests/unit/protocol/test_session_*.c, test_signature.c and test_secret_answer.c; slow senders and
full tables (16, 17, 20, 78) in tests/scenario/test_scene_*.c and test_floods.py; the client's side
(48, 49, 79, 80) in test_scene_ask.c, test_scene_client.c and tests/unit/admin/test_resolve.c.
"""

import json
import socket
import struct
import unittest

import harness
import wire

GOOD = "88.1000/a"
DROP = None  # UDP: silence; TCP: the connection is closed without an answer
KEPT, CLOSED, ENDED = "kept", "closed", "ended"


def packet(body=None, length=None, body_length=None, rest=bytes(4), code=0, opcode=1, first=b"",
           bits=0, session=0, sequence=0, version=(2, 11), recursion=0):
    """A request whose every length can lie; `rest` is what stands behind the body."""
    body = wire.resolution_body(GOOD) if body is None else body
    message = wire.HEADER.pack(opcode, code, wire.PLAIN, 0xffff, recursion, 0, 0x65546980,
                               len(body) if body_length is None else body_length & 0xffffffff)
    message += body + rest
    length = len(message) if length is None else length & 0xffffffff
    return first + wire.ENVELOPE.pack(version[0], version[1], bits | 2, 11, session, 7, sequence,
                                      length) + message


def credential(version=0, kind=b"HS_SIGNED", section=None, tail=b""):
    signed = wire.text(b"SHA1") + wire.text(b"x" * 8)
    section = len(signed) if section is None else section
    return wire.text(bytes([version, 0]) + bytes(2) + wire.text("88.1000/a") + struct.pack(">I", 1) +
                     wire.text(kind) + struct.pack(">I", section) + signed + tail)


def names(handle, indexes=0, types=0, tail=b""):
    return handle + struct.pack(">I", indexes & 0xffffffff) + \
        struct.pack(">I", types & 0xffffffff) + tail


def lying(length):
    """A text that says how long it is and is not."""
    return struct.pack(">I", length & 0xffffffff) + b"88.1000/a"


LONG = "88.1000/" + "x" * 2041

# Row, what is wrong, the packet, the code over UDP, the code over TCP, and the connection: kept,
# closed by the node, or ended by us.
CASES = [
    (1, "shorter than an envelope", packet()[:19], DROP, DROP, ENDED),
    (1, "an envelope only, which announces more", packet()[:20], 4, DROP, ENDED),
    (2, "negative length", packet(length=-1), 4, 4, CLOSED),
    (2, "length over the maximum", packet(length=262145), 4, 4, CLOSED),
    (3, "length below a header", packet(length=23)[:43], 4, 4, KEPT),
    (3, "no message at all", packet(length=0)[:20], 4, 4, KEPT),
    (4, "more announced than came", packet(length=400), 4, DROP, ENDED),
    (5, "bytes behind the message", packet() + b"more", 4, 1, ENDED),
    (6, "compressed", packet(bits=0x80), 4, 4, KEPT),
    (7, "encrypted without a session", packet(bits=0x40), 501, 501, KEPT),
    (7, "encrypted in a negative session", packet(bits=0x40, session=0x80000001), 501, 501, KEPT),
    (8, "encrypted in an unknown session", packet(bits=0x40, session=77), 500, 500, KEPT),
    (11, "version 0", packet(version=(0, 0)), 4, 4, KEPT),
    (11, "version 1", packet(version=(1, 0)), 4, 4, KEPT),
    (11, "version 4", packet(version=(4, 0)), 4, 4, KEPT),
    (11, "version 6", packet(version=(6, 0)), 4, 4, KEPT),
    (18, "a piece over TCP", packet(bits=0x20), 1, 4, KEPT),
    (19, "a sequence without a piece", packet(sequence=3), 1, 1, KEPT),
    (19, "a later piece that is whole", packet(bits=0x20, sequence=1), DROP, 4, KEPT),
    (21, "body longer than the message", packet(body_length=4096), 4, 4, KEPT),
    (22, "negative body", packet(body_length=-5), 4, 4, KEPT),
    (23, "credential longer than the rest", packet(rest=struct.pack(">I", 50) + b"x"), 4, 4, KEPT),
    (23, "credential shorter than the rest", packet(rest=bytes(4) + b"junk"), 4, 4, KEPT),
    (24, "credential cut", packet(rest=wire.text(credential()[4:20])), 4, 4, KEPT),
    (24, "section length lies", packet(rest=credential(section=900)), 4, 4, KEPT),
    (24, "the same in a session", packet(rest=credential(section=900), session=9), 404, 404, KEPT),
    (25, "credential of another version", packet(rest=credential(version=1)), 404, 404, KEPT),
    (25, "credential of unknown type", packet(rest=credential(kind=b"HS_MADE_UP")), 404, 404, KEPT),
    (26, "two credentials", packet(rest=credential() + credential()), 4, 4, KEPT),
    (26, "junk inside the credential", packet(rest=credential(tail=b"junk")), 4, 4, KEPT),
    (27, "operation 0", packet(opcode=0), 4, 4, KEPT),
    (27, "an answer", packet(code=1), DROP, DROP, CLOSED),
    (27, "a malformed answer", packet(code=1, body_length=-1), DROP, DROP, CLOSED),
    (28, "unknown operation", packet(opcode=4711), 5, 5, KEPT),
    (29, "administration over UDP", packet(wire.text(GOOD), opcode=101), 4, 402, KEPT),
    (30, "recursion over the limit", packet(recursion=11), 1, 1, KEPT),
    (31, "text of negative length", packet(names(lying(-1))), 4, 4, KEPT),
    (31, "text of 2^31-1 bytes", packet(names(lying(0x7fffffff))), 4, 4, KEPT),
    (31, "text one byte too long", packet(lying(10)), 4, 4, KEPT),
    (32, "2^29 indexes", packet(names(wire.text(GOOD), indexes=1 << 29)), 4, 4, KEPT),
    (32, "negative count of types", packet(names(wire.text(GOOD), types=-1)), 4, 4, KEPT),
    (32, "2^30 values to create", packet(wire.text(GOOD) + struct.pack(">I", 1 << 30), opcode=100),
     4, 4, KEPT),
    (33, "bytes behind the lists", packet(names(wire.text(GOOD), tail=b"\1")), 4, 4, KEPT),
    (34, "no handle", packet(names(wire.text(""))), 102, 102, KEPT),
    (35, "handle of 2049 bytes", packet(names(wire.text(LONG))), 102, 102, KEPT),
    (36, "invalid UTF-8", packet(names(wire.text(b"88.1000/\xff\xfe"))), 100, 100, KEPT),
    (37, "control characters", packet(names(wire.text(b"88.1000/a\r\nx: \0\x1b"))), 100, 100, KEPT),
    (43, "references lie", packet(wire.text(GOOD) + struct.pack(">I", 1) + struct.pack(">IIBIB", 1, 0,
     0, 0, 14) + wire.text("URL") + wire.text("x") + struct.pack(">I", 1 << 20), opcode=102), 4, 4,
     KEPT),
    (67, "no servers to share among", packet(struct.pack(">BQQBii", 0, 1, 0, 2, 0, 0), opcode=1001),
     4, 4, KEPT),
    (67, "a server that is none of them", packet(struct.pack(">BQQBii", 0, 1, 0, 2, 3, 3),
                                                 opcode=1001), 4, 4, KEPT),
]

# Row, what is wrong, the values of a record that must not be stored.
VALUES = [
    (38, "index 0", [{"index": 0, "type": "URL", "data": "x"}]),
    (38, "negative index", [{"index": -1, "type": "URL", "data": "x"}]),
    (39, "an index twice", [{"index": 1, "type": "URL", "data": "x"},
                            {"index": 1, "type": "URL", "data": "y"}]),
    (40, "2049 values", [{"index": i + 1, "type": "URL", "data": "x"} for i in range(2049)]),
    (41, "no type", [{"index": 1, "type": "", "data": "x"}]),
    (41, "a type of 300 bytes", [{"index": 1, "type": "T" * 300, "data": "x"}]),
    (42, "data no answer holds", [{"index": 1, "type": "URL", "data": "x" * 262144}]),
    (44, "permissions above 0F", [{"index": 1, "type": "URL", "data": "x", "permissions": "10110"}]),
]
TYPES = [  # row, what is wrong, type, data
    (45, "administrator cut", "HS_ADMIN", "0fff"),
    (45, "administrator's handle lies", "HS_ADMIN", "0fff0000ffff38382e31303030000000c8"),
    (45, "administrator too long", "HS_ADMIN", "0fff0000000938382e313030302f61000000c8000000"),
    (46, "a list of 10^6", "HS_VLIST", "000f4240"),
    (47, "a site without end", "HS_SITE", "0001020b"),
    (47, "a site without servers", "HS_SITE", "0001020b0001c00200000000000000000000000000"),
    (48, "a service that is no handle", "HS_SERV", "ff00"),
    (50, "an entity bomb", "HS_NAMESPACE", b'<!DOCTYPE x [<!ENTITY a "&a;">]><n/>'.hex()),
    (51, "a key of modulus 0", "HS_PUBKEY",
     (wire.text("RSA_PUB_KEY") + bytes(2) + wire.text(b"\1\0\1") + wire.text(b"\0")).hex()),
    (51, "an even modulus", "HS_PUBKEY",
     (wire.text("RSA_PUB_KEY") + bytes(2) + wire.text(b"\1\0\1") + wire.text(b"\xc0" * 256)).hex()),
]


def code_of(data):
    message = wire.Message(data)
    return message.code, (message.major, message.minor)


class Malformed(harness.NodeTest):
    @classmethod
    def setUpClass(cls):
        cls.n = harness.Node(prefix="88.1000")
        cls.n.start()
        harness.run("record", "put", cls.n.dir, "-",
                    stdin=harness.record(GOOD, (1, "DESC", "a part")).encode())

    @classmethod
    def tearDownClass(cls):
        cls.n.close()


    def udp(self, data):
        """The code answered, or None: a valid request behind it is answered first."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.connect(self.n.address)
            s.send(data)
            s.send(wire.resolve(GOOD, request_id=99))
            first = s.recv(65535)
            if wire.Message(first).request_id == 99:
                return None, None
            self.assertEqual(wire.Message(s.recv(65535)).request_id, 99)
            return code_of(first)

    def tcp(self, data, fate):
        with socket.create_connection(self.n.address, timeout=5) as s:
            s.sendall(data + (wire.resolve(GOOD, request_id=99) if fate == KEPT else b""))
            if fate == ENDED:
                s.shutdown(socket.SHUT_WR)
            try:
                answer = wire.read_packet(s)
            except EOFError:
                return None, None
            if fate == KEPT:
                self.assertEqual(wire.Message(wire.read_packet(s)).request_id, 99)
            else:
                self.assertEqual(s.recv(1), b"", "the connection is not closed")
            return code_of(answer)

    def test_rows_over_udp(self):
        for row, what, data, wanted, _, _ in CASES:
            with self.subTest("row %d: %s" % (row, what)):
                code, version = self.udp(data)
                self.assertEqual(code, wanted)
                if row == 11:
                    self.assertEqual(version, (2, 3))

    def test_rows_over_tcp(self):
        for row, what, data, _, wanted, fate in CASES:
            with self.subTest("row %d: %s" % (row, what)):
                code, version = self.tcp(data, fate)
                self.assertEqual(code, wanted)
                if row == 11:
                    self.assertEqual(version, (2, 3))

    def pieces(self):
        """A request of three datagrams."""
        return [bytearray(d) for d in wire.fragments(wire.resolve(GOOD, types=["T" * 50] * 22 +
                                                                  ["DESC"], request_id=7))]

    def assert_pieces(self, row, what, pieces, wanted):
        with self.subTest("row %d: %s" % (row, what)):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(5)
                s.connect(self.n.address)
                for piece in pieces:
                    s.send(bytes(piece))
                s.send(wire.resolve(GOOD, request_id=99))
                ids = [wire.Message(s.recv(65535)).request_id]
                while ids[-1] != 99:
                    ids.append(wire.Message(s.recv(65535)).request_id)
                self.assertEqual(ids, wanted)

    def test_rows_12_to_16_pieces(self):
        def changed(at, offset, value):
            pieces = self.pieces()
            pieces[at][offset:offset + len(value)] = value
            return pieces

        whole = self.pieces()
        self.assertEqual(len(whole), 3)
        self.assert_pieces(12, "in order", whole, [7, 99])
        self.assert_pieces(12, "past the end", changed(1, 12, b"\0\0\0\3"), [99])
        self.assert_pieces(12, "negative", changed(1, 12, b"\xff\xff\xff\xff"), [99])
        self.assert_pieces(13, "short in the middle", [whole[0], whole[1][:-1], whole[2]], [99])
        self.assert_pieces(13, "long at the end", [*whole[:2], whole[2] + b"x"], [99])
        for name, offset, value in (("length", 19, bytes([whole[1][19] ^ 1])), ("version", 1, b"\2"),
                                    ("session", 7, b"\5"), ("flags", 2, b"\xa2")):
            self.assert_pieces(14, name + " disagrees", changed(1, offset, value), [99])
        other = bytearray(whole[1])
        other[100] ^= 0xff
        self.assert_pieces(15, "the first of two stays", [*whole[:2], other, whole[2]], [7, 99])
        self.assert_pieces(16, "one never comes", [whole[0], whole[2]], [99])

    def refused(self, values):
        line = json.dumps({"handle": "88.1000/refused", "values": values}).encode()
        done = harness.run("record", "put", self.n.dir, "-", stdin=line, code=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr + done.stdout, r"\w")
        self.assertEqual(self.n.resolve_tcp("88.1000/refused").code, 100)

    def test_rows_of_values_that_are_written(self):
        for row, what, values in VALUES:
            with self.subTest("row %d: %s" % (row, what)):
                self.refused(values)
        for row, what, kind, data in TYPES:
            with self.subTest("row %d: %s" % (row, what)):
                self.refused([{"index": 1, "type": kind, "data": {"format": "hex", "value": data}}])

    def test_row_37_log_lines_stay_lines(self):
        self.assertEqual(self.udp(packet(names(wire.text(b"88.1000/\r\nerror: forged"))))[0], 100)
        self.assertNotRegex(self.n.said(), r"(?m)^error: forged")

    def test_row_72_json(self):
        good = '{"handle":"88.1000/refused","values":[{"index":%s,"type":"URL","data":%s}]}'
        for what, line in (
                ("nested too deep", '{"handle":' + "[" * 5000 + "]" * 5000 + "}"),
                ("a key twice", '{"handle":"88.1000/refused","handle":"88.1000/b","values":[]}'),
                ("a broken index", good % ("1.5", '"x"')),
                ("an index of 64 bits", good % ("4294967297", '"x"')),
                ("no number", good % ("NaN", '"x"')),
                ("half a surrogate", good % ("1", '"\\ud800"')),
                ("odd hex", good % ("1", '{"format":"hex","value":"abc"}')),
                ("broken base64", good % ("1", '{"format":"base64","value":"a*="}'))):
            with self.subTest(what):
                done = harness.run("record", "put", self.n.dir, "-", stdin=line.encode(), code=None)
                self.assertNotEqual(done.returncode, 0)
                self.assertEqual(self.n.resolve_tcp("88.1000/refused").code, 100)


if __name__ == "__main__":
    unittest.main()
