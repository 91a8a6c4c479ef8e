# SPDX-License-Identifier: Apache-2.0
"""Every unauthenticated, unsigned resolution and site-info exchange that real clients had with the
reference server over UDP, TCP and HTTP is answered as captured: ids, times, serial and value order
aside.

The store is built by `import` out of the captured answers, the site record by `init --site`.
"""

import glob
import http.client
import json
import os
import re
import subprocess
import tempfile
import unittest

import harness
import wire

CAPTURES = os.path.join(harness.VECTORS, "captured")

# What we do differently on purpose, and why. Each is still checked, by the function named.
MALFORMED = {  # name: code we answer, or None for silence (protocol §13, §14)
    "raw-handlelen-overflow-udp": 4,      # a length that runs past the message
    "raw-shortmsg-udp": 4,                # the caller's request id is echoed, not FFFFFFFF
    "raw-shortmsg-tcp": 4,
    "raw-biglen-tcp": 4,                  # then the connection is closed
    "raw-garbage-udp": None,              # no envelope, no answer
    "raw-response-as-request-udp": None,  # never answer an answer
    "raw-op0-udp": 4,
    "raw-badop-udp": 5,                   # the opcode is unknown, the message is fine
}
OTHER = {
    "raw-v1.0-udp": "version 1.0 is refused with code 4",
    "raw-oversize-datagram-udp": "a datagram over 512 bytes is accepted when the length fits",
    "raw-keepalive-tcp": "the connection is kept and the second request answered, too",
    "referral-prefix": "303 comes with delegation; until then the name is simply not found",
    "raw-multi-reorder-udp": "the answer in one datagram has no stale truncated flag",
    "resolve-udp-multipacket-request": "the same",
}


class Capture:
    def __init__(self, path):
        self.name = os.path.basename(path)[:-len(".req.hex")]
        about = os.path.join(CAPTURES, self.name + ".md")
        if not os.path.exists(about):
            about = os.path.join(CAPTURES, re.sub(r"\.\d+$", "", self.name) + ".md")
        with open(about, encoding="utf-8") as f:
            self.transport = re.search(r"\[(udp|tcp|http)\]", f.read()).group(1)
        with open(path, encoding="ascii") as f:
            self.request = [bytes.fromhex(l) for l in f.read().split()]
        with open(path.replace(".req.hex", ".resp.hex"), encoding="ascii") as f:
            self.answer = [bytes.fromhex(l) for l in f.read().split()]
        if self.transport == "http":  # whole HTTP messages
            self.answer_head = self.answer[0].partition(b"\r\n\r\n")[0]
            self.request_head = self.request[0].partition(b"\r\n\r\n")[0]
            self.request, self.answer = (
                [whole[0].partition(b"\r\n\r\n")[2]] for whole in (self.request, self.answer))
        if self.transport == "udp" and self.name.startswith("raw-"):
            # All that one side sent may stand on one line.
            self.request = [d for line in self.request for d in datagrams(line)]
            self.answer = [d for line in self.answer for d in datagrams(line)]

    def asked(self):
        return wire.Message(wire.reassemble(self.request) if self.transport == "udp"
                            else self.request[0])

    def answered(self):
        return wire.Message(wire.reassemble(self.answer) if self.transport == "udp"
                            else self.answer[0])


def datagrams(data):
    """Cuts what was sent in one go where the pieces' envelopes say."""
    if len(data) < 20 or not data[2] & 0x20:
        return [data]
    pieces = []
    while data:
        sequence, total = int.from_bytes(data[12:16], "big"), int.from_bytes(data[16:20], "big")
        size = 20 + min(492, total - 492 * sequence)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def captures():
    """The flows of this test: opcodes 1 and 2, outside sessions, or malformed."""
    for path in sorted(glob.glob(os.path.join(CAPTURES, "*.req.hex"))):
        name = os.path.basename(path)[:-len(".req.hex")]
        if name.startswith("rest-") or name.startswith("session-"):
            continue
        capture = Capture(path)
        if name in MALFORMED or name in OTHER:
            yield capture
            continue
        if int.from_bytes(capture.request[0][20:24], "big") in (1, 2):
            yield capture


def stored_values():
    """{folded handle: (handle, {index: value})} of all captured answers that carry values."""
    records = {}
    for path in sorted(glob.glob(os.path.join(CAPTURES, "*.resp.hex"))):
        name = os.path.basename(path)[:-len(".resp.hex")]
        if not re.match(r"(resolve|raw|idsdk-lookup|expired)", name) or "http" in name:
            continue
        try:
            answer = Capture(path.replace(".resp.hex", ".req.hex")).answered()
            if answer.opcode != 1 or answer.code != 1:
                continue
            handle, values = answer.resolution()
        except ValueError:
            continue
        if b"/" not in handle:
            handle = b"0.NA/" + handle
        _, stored = records.setdefault(handle.upper(), (handle, {}))
        for value in values:
            have = stored.setdefault(value.index, value)
            if have.fields() != value.fields():
                raise AssertionError("%s: two captures disagree on index %d of %s" % (
                    name, value.index, handle))
    return records


def json_lines(records):
    lines = []
    for _, (handle, values) in sorted(records.items()):
        lines.append(json.dumps({"handle": handle.decode(), "values": [{
            "index": v.index, "type": v.type.decode(),
            "data": {"format": "hex", "value": v.data.hex()}, "ttl": v.ttl,
            "permissions": format(v.permissions, "04b"),
            "references": [{"handle": h.decode(), "index": i} for h, i in v.references],
        } for _, v in sorted(values.items())]}, ensure_ascii=False))
    return "\n".join(lines) + "\n"


class Captures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        site = os.path.join(harness.VECTORS, "keys", "siteinfo.bin")
        cls.node = harness.Node(prefix="88.1000", init=["--site", site], http=True)
        path = os.path.join(cls.node.holder.name, "captures.jsonl")
        with open(path, "w", encoding="utf-8") as f:
            f.write(json_lines(stored_values()))
        harness.run("import", cls.node.dir, path)
        cls.node.start()

    @classmethod
    def tearDownClass(cls):
        cls.node.close()

    def ask(self, capture, timeout=3.0):
        """The datagrams (UDP) or packets (TCP) our node answers with."""
        if capture.transport == "udp":
            return wire.ask_udp(self.node.address, capture.request, timeout)
        if capture.transport == "http":
            return [self.ask_http(capture)]
        return wire.ask_tcp(self.node.address, b"".join(capture.request))

    def ask_http(self, capture):
        """Our message, sent the request as it was captured."""
        connection = http.client.HTTPConnection("127.0.0.1", self.node.http_port, timeout=10)
        self.addCleanup(connection.close)
        line, *fields = capture.request_head.decode().split("\r\n")
        method, path, _ = line.split(" ")
        connection.request(method, path, body=capture.request[0],
                           headers=dict(f.split(": ", 1) for f in fields))
        answer = connection.getresponse()
        body = answer.read()
        self.assertIn(b" %d " % answer.status, capture.answer_head.split(b"\r\n")[0])
        self.assertIn(b"Content-Type: " + answer.headers["Content-Type"].encode(),
                      capture.answer_head)
        return body

    def compare(self, capture, ours, theirs):
        asked = capture.asked()
        for field in ("major", "minor", "suggested_minor", "request_id", "opcode", "code",
                      "recursion"):
            self.assertEqual(getattr(ours, field), getattr(theirs, field), field)
        self.assertEqual(ours.flags, theirs.flags, "%08x, not %08x" % (ours.flags, theirs.flags))
        self.assertEqual(ours.digest, theirs.digest)
        self.assertEqual(ours.bits & 0x1f, theirs.bits & 0x1f, "suggested major")
        if asked.flags & wire.CT:
            self.check_signature(ours)
        else:
            self.assertEqual(ours.credential, b"")
        if ours.code == 402:
            self.assertNotEqual(ours.session, 0)
            self.assertEqual(len(ours.body), len(theirs.body), "nonce")
            self.assertEqual(ours.digest, wire.digest_of(wire.reassemble(capture.request)))
        else:
            self.assertEqual(ours.session, theirs.session)
            if asked.opcode == 1 and ours.code == 1:
                self.compare_values(ours, theirs)
            else:
                self.assertEqual(ours.body, theirs.body)

    def check_signature(self, ours):
        """By the node's own key, over what §4.5 says for that version."""
        r = wire.Reader(ours.credential)
        self.assertEqual((r.take(4), r.text()), (bytes(4), b""))
        counter, kind = r.number(), r.text()
        self.assertEqual((counter, kind, r.number()), (0, b"HS_SIGNED", r.left()))
        name, signature = r.text(), r.text()
        signed = ours.digested
        if (ours.major, ours.minor) >= (2, 8):
            signed = bytes([ours.major, ours.minor, ours.bits & 3, ours.suggested_minor]) + b"".join(
                n.to_bytes(4, "big") for n in (ours.session, ours.request_id, counter)) + signed
        with tempfile.TemporaryDirectory() as place:
            for file, content in (("data", signed), ("signature", signature)):
                with open(os.path.join(place, file), "wb") as f:
                    f.write(content)
            subprocess.run(["openssl", "dgst", "-sha256" if name == b"SHA-256" else "-sha1",
                            "-prverify", os.path.join(self.node.dir, "keys", "site.pem"),
                            "-signature", os.path.join(place, "signature"),
                            os.path.join(place, "data")], check=True, capture_output=True)

    def compare_values(self, ours, theirs):
        our_handle, our_values = ours.resolution()
        their_handle, their_values = theirs.resolution()
        self.assertEqual(our_handle, their_handle)
        # Secret keys are never public, whatever the reference server or its relay sent.
        their_values = [v for v in their_values if v.type != b"HS_SECKEY"]
        self.assertEqual([v.fields() for v in our_values], [v.fields() for v in their_values])

    def check(self, capture):
        if capture.name in MALFORMED:
            return self.check_malformed(capture)
        got = self.ask(capture)
        self.assertTrue(got, "no answer")
        ours = wire.Message(wire.reassemble(got) if capture.transport == "udp" else got[0])
        if capture.name == "raw-v1.0-udp":
            return self.assertEqual((ours.major, ours.minor, ours.code), (2, 3, 4))
        if capture.name == "referral-prefix":
            return self.assertEqual(ours.code, 100)
        if capture.name == "raw-oversize-datagram-udp":
            return self.assertEqual((ours.code, ours.resolution()[0]), (1, b"88.1000/drv-1"))
        if capture.name == "raw-keepalive-tcp":
            first, second = wire.ask_tcp(self.node.address, capture.request[0], answers=2)
            self.assertEqual([wire.Message(first).code, wire.Message(second).code], [1, 1])
            theirs = wire.Message(capture.answer[0])
            self.compare_values(wire.Message(first), theirs)
            return self.assertEqual(wire.Message(first).flags, theirs.flags)
        if capture.transport == "udp" and not capture.asked().flags & wire.CT:
            self.assertEqual([len(d) for d in sorted(got)], [len(d) for d in
                             sorted(capture.answer)], "datagrams")
            if capture.name not in OTHER:
                self.assertEqual(sorted(d[2] for d in got), sorted(d[2] for d in capture.answer))
        return self.compare(capture, ours, capture.answered())

    def check_malformed(self, capture):
        code = MALFORMED[capture.name]
        if code is None:
            return self.assertEqual(self.ask(capture, timeout=0.5), [])
        ours = wire.Message(self.ask(capture)[0])
        self.assertEqual(ours.code, code)
        return self.assertEqual(ours.request_id, 0x01020304)

    def test_every_capture_is_answered_as_captured(self):
        count = 0
        for capture in captures():
            with self.subTest(capture.name):
                self.check(capture)
                count += 1
        self.assertGreater(count, 60, "captures were found")

    def test_known_differences_are_real_captures(self):
        names = {c.name for c in captures()}
        self.assertEqual((set(MALFORMED) | set(OTHER)) - names, set())


if __name__ == "__main__":
    unittest.main()
