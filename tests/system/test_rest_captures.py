# SPDX-License-Identifier: Apache-2.0
"""What REST clients sent to the reference server is answered alike: status, fields that matter, JSON
with its members in their order. What differs stands here and, with its reason, in docs/protocol.md.
"""

import base64
import glob
import hashlib
import hmac
import json
import os
import re
import socket

import harness
import rest_client
import test_administration as administration
import test_http_auth as http_auth

CAPTURES = os.path.join(harness.VECTORS, "captured")

# The page has tests of its own.
ELSEWHERE = re.compile(r"rest-(redirect|nored)")

# Those in sessions, in the order of their life: what they say of session and nonce is put in its
# place, and what they sign is signed anew.
IN_SESSIONS = """challenge session-create put-badsig put-pubkey session-get put-session-reuse
session-delete session-auth-body session-put session-put-seckey""".split()
PRIVATE_KEY = os.path.join(harness.VECTORS, "keys", "adminpriv.pem")

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

    def exchange(self, node, name, own=lambda data: data):
        port = node.https_port if is_tls(name) else node.http_port
        with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
            if not is_tls(name):
                return self.talk(plain, own(read(name + ".req")))
            with rest_client.tls_context().wrap_socket(plain) as over_tls:
                return self.talk(over_tls, own(read(name + ".req")))

    def talk(self, connection, request):
        connection.sendall(request)
        data = b""
        while piece := connection.recv(65536):
            data += piece
        return Reply(data)

    def test_every_exchange_is_listed_once(self):
        names = {os.path.basename(p)[5:-8] for p in glob.glob(CAPTURES + "/rest-*.req.hex")}
        self.assertEqual(sorted(n for n in names if not ELSEWHERE.match("rest-" + n)),
                         sorted(ORDER + IN_SESSIONS))

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

    def test_sessions_are_answered_as_captured(self):
        node = self.served()
        said = {}  # their sessionId: ours and its nonce
        self.exchange(node, "put-tls-basic")  # what they change
        for name in IN_SESSIONS:
            theirs = Reply(read(name + ".resp"))
            ours = self.exchange(node, name, lambda data: self.own(data, said, name != "put-badsig"))
            self.learn(ours, theirs, said)
            with self.subTest(name):
                self.assertEqual(ours.status, theirs.status)
                ours_told, theirs_told = self.told(ours), self.told(theirs, said)
                if name == "session-put-seckey":
                    # Theirs keeps who was in before, whatever the body proves.
                    self.assertEqual(theirs_told["body"]["id"], "300:0.NA/88.1000")
                    theirs_told["body"]["id"] = "302:0.NA/88.1000"
                self.assertEqual(ours_told, theirs_told)

    def learn(self, ours, theirs, said):
        """A session that is new to us."""
        mine, known = (dict(re.findall(r"'?(sessionId|nonce)'?[=:] ?['\"]([^'\"]+)",
                                       str(self.told(reply)))) for reply in (ours, theirs))
        if "sessionId" in known:
            said.setdefault(known["sessionId"], (mine["sessionId"], mine["nonce"]))

    def told(self, reply, said=()):
        """Fields and body; with `said` in our session's words."""
        fields = {**reply.fields, "body": reply.body.decode()}
        text = json.dumps(fields)
        for theirs in said:
            mine, nonce = said[theirs]
            text = text.replace(theirs, mine)
            text = re.sub(r'(%s\\"[,:] ?(?:\\")?nonce(?:\\":|=)\\")[^"\\]+' % mine,
                          lambda m, nonce=nonce: m.group(1) + nonce, text)
        fields = json.loads(text)
        fields["body"] = json.loads(fields["body"]) if fields["body"] else None
        return fields

    def own(self, data, said, is_signed):
        """A captured request as one of ours: session and signature."""
        for theirs, (mine, nonce) in said.items():
            if theirs.encode() not in data:
                continue
            data = data.replace(theirs.encode(), mine.encode())
            if b"HS_PUBKEY" in data and is_signed:
                data = self.signed(data, base64.b64decode(nonce))
            if b"HS_SECKEY" in data:
                key = hashlib.pbkdf2_hmac("sha1", administration.SECRET.encode(), base64.b64decode(
                    re.search(rb'"salt": "([^"]+)"', data).group(1)), 10000, 20)
                mac = hmac.new(key, base64.b64decode(nonce) + self.cnonce(data), "sha1").digest()
                data = self.with_signature(data, mac)
        head, _, body = data.partition(b"\r\n\r\n")
        head = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head)
        return head + b"\r\n\r\n" + body

    def cnonce(self, data):
        return base64.b64decode(re.search(rb'cnonce"?[=:] ?"([^"]+)"', data).group(1))

    def with_signature(self, data, signature):
        return re.sub(rb'(signature"?[=:] ?")[^"]+',
                      lambda m: m.group(1) + base64.b64encode(signature), data)

    def signed(self, data, nonce):
        made = http_auth.sign(nonce + self.cnonce(data), PRIVATE_KEY)
        return self.with_signature(data, made)

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
        """The Handle scheme's line holds what is new each time."""
        for reply in (ours, theirs):
            reply.fields["WWW-Authenticate"] = [
                re.sub(r'(sessionId|nonce)="[^"]+"', r'\1="..."', x)
                for x in reply.fields["WWW-Authenticate"]]
        self.assertEqual(ours.fields, theirs.fields)
        self.assertEqual(ours.body, b"")
