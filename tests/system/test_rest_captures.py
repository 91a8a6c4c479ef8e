# SPDX-License-Identifier: Apache-2.0
"""What REST clients sent to the reference server is answered alike: status, fields that matter, JSON
with its members in their order. What differs stands here and, with its reason, in docs/protocol.md.
"""

import glob
import json
import os
import re
import socket

import harness
import rest_client
import test_administration as administration

CAPTURES = os.path.join(harness.VECTORS, "captured")

# Sessions, the Handle scheme and the page have tests of their own.
ELSEWHERE = re.compile(r"rest-(session-|challenge|put-badsig|put-pubkey|put-session|redirect|nored)")

# In this order each finds what the ones before it made.
ORDER = """put-plain-noauth put-plain-basic put-tls-badbasic put-tls-basic put-tls-basic-again
put-exists put-badjson put-index get get-auth get-callback get-pretty get-index get-type get-novalues
get-notfound get-notresp get-utf8 get-admin site options list list-count list-noauth delete-index
delete delete-missing""".split()

FIELDS = ("Content-Type", "Location", "WWW-Authenticate", "Access-Control-Allow-Origin",
          "Access-Control-Max-Age", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
          "Access-Control-Allow-Credentials")

WRITTEN = re.compile(r'("timestamp": ?)"2026-[^"]*"')


def read(name):
    with open(os.path.join(CAPTURES, "rest-%s.hex" % name), encoding="ascii") as f:
        return bytes.fromhex(f.read().strip())


def is_tls(name):
    with open(os.path.join(CAPTURES, "rest-%s.md" % name), encoding="utf-8") as f:
        return "over TLS;" in f.read()


class Reply:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        pairs = [line.split(": ", 1) for line in lines[1:]]
        self.fields = {n: [v for m, v in pairs if m.lower() == n.lower()] for n in FIELDS}

    def text(self):
        """The body, with every time of writing alike."""
        return WRITTEN.sub(r'\1"..."', self.body.decode())


class RestCaptures(harness.NodeTest):
    def served(self):
        """The records that were there, out of the answers."""
        site = os.path.join(harness.VECTORS, "keys", "siteinfo.bin")
        node = rest_client.serve(self.node(prefix="88.1000", init=("--site", site)))
        records = [json.loads(Reply(read(name + ".resp")).body)
                   for name in ("get-admin", "get-utf8")]
        records[0]["values"].append(administration.text_value(
            302, "HS_SECKEY", administration.SECRET, "1100"))
        for name in ("drv-1", "sec-1"):
            records.append({"handle": "88.1000/" + name, "values": [
                {"index": 1, "type": "URL", "data": "https://example.com/"}]})
        path = self.file(node, "records.jsonl", "".join(
            json.dumps({"handle": r["handle"], "values": r["values"]}) + "\n" for r in records))
        harness.run("import", node.dir, path)
        return node.start()

    def exchange(self, node, name):
        port = node.https_port if is_tls(name) else node.http_port
        with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
            if not is_tls(name):
                return self.talk(plain, name)
            with rest_client.tls_context().wrap_socket(plain) as over_tls:
                return self.talk(over_tls, name)

    def talk(self, connection, name):
        connection.sendall(read(name + ".req"))
        data = b""
        while piece := connection.recv(65536):
            data += piece
        return Reply(data)

    def test_every_exchange_is_listed_once(self):
        names = {os.path.basename(p)[5:-8] for p in glob.glob(CAPTURES + "/rest-*.req.hex")}
        self.assertEqual(sorted(n for n in names if not ELSEWHERE.match("rest-" + n)),
                         sorted(ORDER))

    def test_each_is_answered_as_captured(self):
        node = self.served()
        for name in ORDER:
            ours, theirs = self.exchange(node, name), Reply(read(name + ".resp"))
            with self.subTest(name):
                self.assertEqual(ours.status, theirs.status)
                check = getattr(self, "check_" + name.replace("-", "_"), self.check)
                check(ours, theirs)

    def check(self, ours, theirs):
        self.assertEqual(ours.fields, theirs.fields)
        self.assertEqual(ours.text(), theirs.text())

    def check_put_badjson(self, ours, theirs):
        """Their message names a class of their program."""
        ours_json, theirs_json = json.loads(ours.body), json.loads(theirs.body)
        self.assertEqual(list(ours_json), list(theirs_json))
        self.assertEqual(ours_json["responseCode"], theirs_json["responseCode"])
        self.assertEqual(ours.fields, theirs.fields)

    def check_get_admin(self, ours, theirs):
        """Values come in order of index."""
        ours_json, theirs_json = json.loads(ours.body), json.loads(theirs.body)
        theirs_json["values"].sort(key=lambda value: value["index"])
        self.assertEqual(ours_json, theirs_json)
        self.assertEqual([list(v) for v in ours_json["values"]],
                         [list(v) for v in theirs_json["values"]])
        self.assertEqual(ours.fields, theirs.fields)

    def check_put_tls_badbasic(self, ours, theirs):
        """The Handle scheme's line holds what is new each time; the tests of sessions look at it."""
        for reply in (ours, theirs):
            lines = reply.fields["WWW-Authenticate"]
            reply.fields["WWW-Authenticate"] = [x for x in lines if not x.startswith("Handle ")]
        self.assertEqual(ours.fields, theirs.fields)
        self.assertEqual(ours.body, b"")
