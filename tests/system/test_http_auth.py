# SPDX-License-Identifier: Apache-2.0
"""Who one is over HTTP: challenge sessions and the Handle scheme, certificates, API keys; and what
does not get in."""

import base64
import hashlib
import hmac
import json
import os
import re
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import administrator as adm
import harness
import openapi
import rest_client
import test_administration as administration

PREFIX, OWNER, SECRET = administration.PREFIX, administration.OWNER, administration.SECRET
API = "/api/handles/"
SESSIONS = "/api/sessions/"
KEYS = os.path.join(harness.VECTORS, "keys")
CNONCE = bytes(range(16))
RECORD = {"values": [
    {"index": 1, "type": "URL", "data": "http://x.example/"},
    *({"index": index, "type": "HS_ADMIN", "data": {"format": "admin", "value": {
        "handle": OWNER, "index": at, "permissions": "011111110011"}}}
      for index, at in ((100, 300), (101, 302)))]}


def b64(data):
    return base64.b64encode(data).decode()


def field(**said):
    return "Handle " + ", ".join('%s="%s"' % item for item in said.items())


def read_field(text):
    return dict(re.findall(r'(\w+)="([^"]*)"', text))


def sign(message, key, digest="sha256", options=()):
    with tempfile.NamedTemporaryFile() as f:
        f.write(message)
        f.flush()
        form = ["-keyform", "DER"] if key.endswith(".der") else []
        return subprocess.run(["openssl", "dgst", "-" + digest, *form, "-sign", key, *options,
                               f.name], check=True, capture_output=True).stdout


def by_secret(nonce, alg, secret=SECRET, cnonce=CNONCE):
    """The members of an answer with a secret key."""
    key, message, more = secret.encode(), nonce + cnonce, {}
    if alg in ("SHA1", "SHA256", "SHA-1", "SHA-256"):
        mac = hashlib.new(alg.replace("-", "").lower(), key + message + key).digest()
    elif alg == "PBKDF2WithHmacSHA1":
        derived = hashlib.pbkdf2_hmac("sha1", key, b"saltsaltsaltsalt", 10000, 20)
        mac = hmac.new(derived, message, "sha1").digest()
        more = {"salt": b64(b"saltsaltsaltsalt"), "iterations": "10000", "length": "160"}
    else:
        mac = hmac.new(key, message, alg[4:].lower()).digest()
    return {"id": "302:" + OWNER, "type": "HS_SECKEY", "alg": alg, "cnonce": b64(cnonce),
            "signature": b64(mac), **more}


def by_key(nonce, key, index=300, digest="sha256", alg="SHA256"):
    return {"id": "%d:%s" % (index, OWNER), "type": "HS_PUBKEY", "alg": alg, "cnonce": b64(CNONCE),
            "signature": b64(sign(nonce + CNONCE, os.path.join(KEYS, key), digest))}


class Authenticated(administration.Administered):
    def served(self, *records, **settings):
        node = rest_client.serve(self.node(prefix=PREFIX))
        node.setting("limits", "trusted_networks", "[]")
        for name, text in settings.items():
            node.setting(*name.split("__"), text)
        self.store(node, administration.owner_record(), *records)
        return node.start()

    def client(self, node, tls=True, context=None):
        client = rest_client.Client(node, tls, seen=openapi.judge)
        if context is not None:
            client.connection._context = context
        self.addCleanup(client.close)
        return client

    def open_session(self, client):
        answer = client.ask("POST", SESSIONS)
        self.assertEqual(answer.status, 201)
        told = answer.json()
        return told["sessionId"], base64.b64decode(told["nonce"])

    def put(self, client, name="x", **fields):
        return client.put(API + PREFIX + "/" + name, RECORD, **fields)

    def refused(self, answer):
        """401 without a word but the two challenges; gives the Handle one."""
        self.assertEqual((answer.status, answer.body), (401, b""))
        self.assertIsNone(answer.field("Content-Type"))
        lines = answer.all("WWW-Authenticate")
        self.assertTrue(lines[-1].startswith("Handle "), lines)
        self.assertIn('error="Identity not verified"', lines[-1])
        return read_field(lines[-1])


class HandleScheme(Authenticated):
    def test_secret_keys_in_every_form(self):
        client = self.client(self.served())
        for alg in ("SHA1", "SHA256", "SHA-256", "HmacSHA1", "HmacSHA256", "PBKDF2WithHmacSHA1"):
            with self.subTest(alg):
                session, nonce = self.open_session(client)
                said = field(sessionId=session, **by_secret(nonce, alg))
                self.assertIn(self.put(client, "a-" + alg, Authorization=said).status, (200, 201))
                again = self.put(client, "a-" + alg, Authorization=field(sessionId=session))
                self.assertEqual(again.status, 200, "the session is in")
                wrong = field(sessionId=session, **by_secret(nonce, alg, secret="other"))
                self.assertEqual(self.refused(self.put(client, Authorization=wrong))["sessionId"],
                                 session)

    def test_public_keys(self):
        node = self.served()
        client = self.client(node)
        for key, index, digest, alg in (("adminpriv.pem", 300, "sha256", "SHA256"),
                                        ("adminpriv.pem", 300, "sha1", "SHA1"),
                                        ("dsapriv.pkcs8.der", 301, "sha256", "SHA-256")):
            with self.subTest(key, alg=alg):
                session, nonce = self.open_session(client)
                said = field(sessionId=session, **by_key(nonce, key, index, digest, alg))
                told = client.get(SESSIONS + "this", Authorization=field(sessionId=session)).json()
                self.assertNotIn("authenticated", told)
                self.assertIn(client.get(API + OWNER + "?publicOnly",
                                         Authorization=said).status, (200,))
                told = client.get(SESSIONS + "this", Authorization=field(sessionId=session)).json()
                self.assertEqual((told["authenticated"], told["id"]),
                                 (True, "%d:%s" % (index, OWNER)))
        session, nonce = self.open_session(client)
        other = by_key(nonce, "userpriv.pem")
        self.refused(self.put(client, Authorization=field(sessionId=session, **other)))

    def test_sm2_key(self):
        node = self.served()
        private = os.path.join(node.dir, "sm2")
        name = PREFIX + "/sm2-user"
        harness.run("key", "new", private, "--type", "sm2")
        shown = harness.run("key", "show", private, "--for", "record", "--handle", "300:" + name)
        node.stop()
        self.store(node, {"handle": name, "values": [
            json.loads(shown.stdout),
            administration.hex_value(100, "HS_ADMIN", adm.admin_data(0xfff, name, 300))]})
        node.start()
        client = self.client(node)
        session, nonce = self.open_session(client)
        hashed = subprocess.run(["openssl", "dgst", "-sm3", "-binary"], input=nonce + CNONCE,
                                check=True, capture_output=True).stdout
        with tempfile.NamedTemporaryFile() as f:
            f.write(hashed)
            f.flush()
            signature = subprocess.run(
                ["openssl", "pkeyutl", "-sign", "-rawin", "-digest", "sm3", "-inkey", private,
                 "-pkeyopt", "distid:" + name, "-in", f.name], check=True,
                capture_output=True).stdout
        said = field(sessionId=session, id="300:" + name, type="HS_PUBKEY", alg="SM3",
                     cnonce=b64(CNONCE), signature=b64(signature))
        answer = client.put(API + name + "?index=7",
                            [{"index": 7, "type": "NOTE", "data": "n"}], Authorization=said)
        self.assertEqual(answer.status, 201, answer.body)

    def test_node_proves_itself(self):
        node = self.served()
        client = self.client(node)
        public = os.path.join(node.dir, "node.pub.pem")
        shown = ssl.get_server_certificate(("127.0.0.1", node.https_port))
        with open(public, "wb") as f:
            f.write(subprocess.run(["openssl", "x509", "-noout", "-pubkey"], input=shown.encode(),
                                   check=True, capture_output=True).stdout)

        def proved(told):
            message = base64.b64decode(told["nonce"]) + CNONCE
            with tempfile.NamedTemporaryFile() as m, tempfile.NamedTemporaryFile() as s:
                m.write(message)
                m.flush()
                s.write(base64.b64decode(told["serverSignature"]))
                s.flush()
                return subprocess.run(["openssl", "dgst", "-sha256", "-verify", public,
                                       "-signature", s.name, m.name], capture_output=True)

        alone = self.put(client, Authorization=field(version="0", cnonce=b64(CNONCE)))
        lines = alone.all("WWW-Authenticate")
        self.assertEqual((alone.status, alone.code(), len(lines)), (401, 402, 1))
        told = read_field(lines[0])
        self.assertEqual(told["serverAlg"], "SHA256")
        self.assertEqual(proved(told).returncode, 0)
        made = client.ask("POST", SESSIONS, {"cnonce": b64(CNONCE)}).json()
        self.assertEqual(proved(made).returncode, 0)
        self.assertEqual(list(made), ["sessionId", "nonce", "serverAlg", "serverSignature"])

    def test_challenges_are_told_as_the_reference_server_does(self):
        client = self.client(self.served())
        lines = self.put(client).all("WWW-Authenticate")
        self.assertEqual(lines[0], 'Basic realm="handle"')
        self.assertRegex(lines[1], r'^Handle sessionId="[0-9a-f]{40}", nonce="[^"]{24}"$')
        bare = self.put(client, X_Requested_With="XMLHttpRequest").all("WWW-Authenticate")
        self.assertEqual(len(bare), 1)
        said = self.put(client, Authorization='Handle version="0"')
        self.assertEqual((len(said.all("WWW-Authenticate")), said.code()), (1, 402))
        plain = self.put(self.client(self.served(), tls=False))
        self.assertEqual((plain.status, plain.all("WWW-Authenticate")), (403, []))


class Sessions(Authenticated):
    def test_life_of_a_session_over_connections(self):
        node = self.served()
        session, nonce = self.open_session(self.client(node))
        said = {"sessionId": session, **by_secret(nonce, "SHA256")}
        for number in ("iterations", "length"):
            said.pop(number, None)
        put = self.client(node).put(SESSIONS + "this", said)
        self.assertEqual((put.status, put.json()),
                         (200, {"sessionId": session, "nonce": b64(nonce), "authenticated": True,
                                "id": "302:" + OWNER}))
        for path in (SESSIONS + "this", SESSIONS + session):
            told = self.client(node).get(path, Authorization=field(sessionId=session))
            self.assertEqual((told.status, told.json()["id"]), (200, "302:" + OWNER))
        name = field(version="0", sessionId=session)
        for _ in range(8):  # connections of either worker
            self.assertIn(self.put(self.client(node), Authorization=name).status, (200, 201))
        over = self.client(node).delete(SESSIONS + "this", Authorization=name)
        self.assertEqual((over.status, over.body), (204, b""))
        self.refused(self.put(self.client(node), Authorization=name))
        for verb in ("GET", "PUT", "DELETE"):
            self.assertEqual(self.client(node).ask(verb, SESSIONS + "this",
                                                   Authorization=name).status, 403)

    def test_what_the_body_carries_is_verified(self):
        """The reference server keeps who is in, whatever a PUT says."""
        node = self.served()
        client = self.client(node)
        session, nonce = self.open_session(client)
        name = field(sessionId=session)
        first = client.put(SESSIONS + "this", by_key(nonce, "adminpriv.pem"), Authorization=name)
        self.assertEqual(first.json()["id"], "300:" + OWNER)
        second = client.put(SESSIONS + "this", by_secret(nonce, "PBKDF2WithHmacSHA1"),
                            Authorization=name)
        self.assertEqual((second.status, second.json()["id"]), (200, "302:" + OWNER))
        wrong = client.put(SESSIONS + "this", by_secret(nonce, "SHA1", "no"), Authorization=name)
        self.assertEqual((wrong.status, wrong.json()["error"]), (401, "Identity not verified"))

    def test_sessions_are_for_https(self):
        node = self.served()
        for verb, path in (("POST", SESSIONS), ("GET", SESSIONS + "this")):
            self.assertEqual(self.client(node, tls=False).ask(verb, path).status, 403)

    def test_a_key_taken_out_ends_its_sessions(self):
        node = self.served()
        client = self.client(node)
        session, nonce = self.open_session(client)
        name = field(sessionId=session)
        self.assertEqual(client.put(SESSIONS + "this", by_secret(nonce, "SHA256"),
                                    Authorization=name).status, 200)
        gone = client.delete(API + OWNER + "?index=302", Authorization=name)
        self.assertEqual(gone.status, 200, gone.body)
        self.assertEqual(self.put(client, Authorization=name).status, 401)

    def test_strangers_displace_each_other_and_nobody_who_is_in(self):
        node = self.served(limits__challenges_per_source=20, limits__sessions_per_source=20)
        client = self.client(node)
        session, nonce = self.open_session(client)
        fresh, _ = self.open_session(client)
        name = field(sessionId=session)
        client.put(SESSIONS + "this", by_secret(nonce, "SHA256"), Authorization=name)
        for _ in range(60):
            self.open_session(client)
        self.assertEqual(client.get(SESSIONS + "this", Authorization=name).status, 200)
        gone = client.get(SESSIONS + "this", Authorization=field(sessionId=fresh))
        self.assertEqual(gone.status, 403)

    def test_verifications(self):
        client = self.client(self.served())
        said = by_secret(CNONCE, "PBKDF2WithHmacSHA1")
        del said["id"], said["type"]
        path = "/api/verifications/302:" + OWNER + "?"
        right = client.get(path + urllib.parse.urlencode({"nonce": b64(CNONCE), **said}))
        self.assertEqual((right.status, right.json()),
                         (200, {"responseCode": 1, "handle": OWNER, "isValid": True}))
        said["signature"] = b64(b"x" * 20)
        wrong = client.get(path + urllib.parse.urlencode({"nonce": b64(CNONCE), **said}))
        self.assertEqual(wrong.json()["isValid"], False)
        self.assertEqual(client.get(path).status, 400)
        nobody = client.get("/api/verifications/302:%s/none?" % PREFIX +
                            urllib.parse.urlencode({"nonce": b64(CNONCE), **said}))
        self.assertEqual((nobody.status, nobody.code()), (404, 100))


class Certificates(Authenticated):
    def context(self, node, reference, key):
        path = os.path.join(node.dir, "client.pem")
        subprocess.run(["openssl", "req", "-x509", "-key", key, "-subj",
                        "/UID=" + reference.replace("/", "\\/"), "-days", "9", "-out", path],
                       check=True, capture_output=True)
        context = rest_client.tls_context()
        context.load_cert_chain(path, key)
        return context

    def test_certificate_says_who_asks(self):
        node = self.served()
        right = self.context(node, "300:" + OWNER, os.path.join(KEYS, "adminpriv.pem"))
        client = self.client(node, context=right)
        self.assertEqual(self.put(client, "by-cert").status, 201)
        said = 'Handle clientCert="true"'
        self.assertEqual(self.put(client, "by-cert", Authorization=said).status, 200)
        told = client.ask("POST", SESSIONS, {"clientCert": True})
        self.assertEqual((told.status, told.json()["id"]), (201, "300:" + OWNER))
        private = client.get(API + OWNER, Authorization=said).json()
        self.assertIn(302, [v["index"] for v in private["values"]])

    def test_certificate_of_another_key_is_nobodys(self):
        node = self.served()
        wrong = self.context(node, "300:" + OWNER, os.path.join(KEYS, "userpriv.pem"))
        client = self.client(node, context=wrong)
        self.assertEqual(self.put(client).status, 403)
        self.refused(self.put(client, Authorization='Handle clientCert="true"'))
        self.refused(self.put(self.client(node), Authorization='Handle clientCert="true"'))


class ApiKeys(Authenticated):
    def key(self, node, *words, prefix=PREFIX):
        made = harness.run_json("apikey", "new", prefix, "--dir", node.dir, *words)
        return made["id"], made["key"]

    def bearer(self, key):
        return "Bearer " + key

    def refused_key(self, answer, words):
        self.assertEqual((answer.status, answer.body), (401, b""))
        self.assertIn(words, answer.field("WWW-Authenticate"))

    def denied(self, answer, words):
        self.assertEqual(answer.status, 403)
        self.assertIn(words, answer.body.decode())

    def test_a_key_does_what_it_may_and_the_journal_names_it(self):
        node = self.served()
        name, key = self.key(node, "--verbs", "read,create,change,delete,list", "--note", "line 3")
        client = self.client(node)
        said = {"Authorization": self.bearer(key)}
        self.assertEqual(self.put(client, "k", **said).status, 201)
        self.assertEqual(self.put(client, "k", **said).status, 200)
        self.assertEqual(client.get(API + PREFIX + "/k", **said).status, 200)
        self.assertEqual(client.get("/api/handles?prefix=" + PREFIX, **said).json()["totalCount"],
                         "1")
        self.assertEqual(client.delete(API + PREFIX + "/k?index=1", **said).status, 200)
        self.assertEqual(client.put(API + PREFIX + "/k2", RECORD, X_API_Key=key).status, 201)
        self.assertEqual(client.delete(API + PREFIX + "/k2", **said).status, 200)
        items = harness.run_json("record", "history", node.dir, PREFIX + "/k")["items"]
        self.assertEqual({i["actor"] for i in items}, {"apikey %s as 300:%s" % (name, OWNER)})
        harness.run("journal", "verify", node.dir)
        harness.run("record", "verify", node.dir)

    def test_each_limit_is_named(self):
        node = self.served()
        harness.run("prefix", "home", "--dir", node.dir, "88.1000.7", "88.1000.8")
        _, reader = self.key(node, "--verbs", "read")
        _, maker = self.key(node, "--verbs", "create", "--identity", "300:" + OWNER,
                            prefix="88.1000.7")
        client = self.client(node)
        said = {"Authorization": self.bearer(reader)}
        self.denied(self.put(client, "k", **said), "may not create")
        self.denied(client.delete(API + OWNER, **said), "may not delete")
        self.denied(client.get("/api/handles?prefix=" + PREFIX, **said), "may not list")
        said = {"Authorization": self.bearer(maker)}
        self.denied(self.put(client, "k", **said), "does not reach that prefix")
        self.denied(client.put(API + "88.1000.8/k", RECORD, **said), "does not reach that prefix")
        self.denied(client.put(API + "0.NA/88.1000.7", RECORD, **said), "may not change")
        self.denied(client.put(API + "0.NA/88.1000.7.1", RECORD, **said), "prefix record")
        self.denied(client.get(API + "88.1000.7/k", **said), "may not read")
        self.denied(client.ask("PUT", "/api/prefixes/88.1000.9", **said), "no API key")

    def test_overwriting_is_a_change(self):
        node = self.served()
        _, key = self.key(node, "--verbs", "create")
        client = self.client(node)
        said = {"Authorization": self.bearer(key)}
        self.assertEqual(self.put(client, "once", **said).status, 201)
        self.denied(self.put(client, "once", **said), "may not change")

    def test_address_expiry_and_revocation(self):
        node = self.served()
        client = self.client(node)
        _, away = self.key(node, "--verbs", "create", "--addresses", "192.0.2.0/24,2001:db8::/32")
        _, here = self.key(node, "--verbs", "create", "--addresses", "192.0.2.0/24,127.0.0.0/8")
        self.denied(self.put(client, "a", Authorization=self.bearer(away)), "this address")
        self.assertEqual(self.put(client, "a", Authorization=self.bearer(here)).status, 201)
        _, short = self.key(node, "--verbs", "create", "--expires", "1s")
        harness.run("apikey", "new", PREFIX, "--dir", node.dir, "--expires", "2020-01-01", code=2)
        name, revoked = self.key(node, "--verbs", "create")
        self.assertEqual(self.put(client, "b", Authorization=self.bearer(revoked)).status, 201)
        harness.run("apikey", "revoke", name, "--dir", node.dir)
        self.refused_key(self.put(client, "c", Authorization=self.bearer(revoked)), "revoked")
        time.sleep(1.1)
        self.refused_key(self.put(client, "d", Authorization=self.bearer(short)), "expired")
        rows = {r["id"]: r for r in harness.run_json("apikey", "list", "--dir", node.dir)["items"]}
        self.assertEqual(rows[name]["state"], "revoked")
        self.assertEqual(len(rows), 4)

    def test_wrong_keys_are_refused_and_bounded_and_lock_nobody_out(self):
        node = self.served(limits__wrong_answers=5)
        name, key = self.key(node, "--verbs", "read")
        client = self.client(node)
        for wrong in ("gtk_" + name + "_" + "A" * 43, "gtk_000000000000_" + "A" * 43,
                      key[:-1], "gtk_", "x"):
            self.refused_key(client.get(API + OWNER, Authorization=self.bearer(wrong)), "no such")
        busy = client.get(API + OWNER, Authorization=self.bearer(key))
        self.assertEqual((busy.status, busy.field("Retry-After")), (429, "60"))
        other = rest_client.Client(node, seen=openapi.judge)
        other.connection.source_address = ("127.0.0.9", 0)
        self.addCleanup(other.close)
        self.assertEqual(other.get(API + OWNER, Authorization=self.bearer(key)).status, 200)

    def test_over_plain_http_from_this_host_alone(self):
        node = self.served(limits__trusted_proxies="['127.0.0.1']")
        _, key = self.key(node, "--verbs", "create")
        client = self.client(node, tls=False)
        self.assertEqual(self.put(client, "l", Authorization=self.bearer(key)).status, 201)
        far = self.put(client, "l2", Authorization=self.bearer(key), X_Forwarded_For="192.0.2.7")
        self.denied(far, "HTTPS only")

    def test_two_credentials_at_once_are_none(self):
        node = self.served()
        _, key = self.key(node, "--verbs", "create")
        answer = self.put(self.client(node), "t", Authorization=rest_client.basic("302:" + OWNER,
                                                                                  SECRET),
                          X_API_Key=key)
        self.assertEqual(answer.status, 401)

    def test_a_store_without_keys_is_not_the_secret(self):
        """Neither store, log nor what commands print hold a key."""
        node = self.served(log__level="debug", log__file="log/node.log")
        _, key = self.key(node, "--verbs", "create")
        self.assertEqual(self.put(self.client(node), "s", Authorization=self.bearer(key)).status,
                         201)
        secret = key.split("_", 2)[2].encode()
        printed = harness.run("apikey", "list", "--dir", node.dir).stdout
        self.assertNotIn(secret.decode(), printed)
        harness.run("journal", "tail", node.dir)
        node.stop()
        for root, _, names in os.walk(node.dir):
            for name in names:
                path = os.path.join(root, name)
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        self.assertNotIn(secret, f.read(), path)


class Hostile(Authenticated):
    def test_answers_to_other_nonces(self):
        node = self.served()
        client = self.client(node)
        mine, nonce = self.open_session(client)
        other, other_nonce = self.open_session(client)
        right = by_secret(nonce, "SHA256")
        for said in ({**right, "sessionId": other}, {**right, "sessionId": "0" * 40},
                     {**right, "sessionId": mine.upper()}, right,
                     {**by_secret(other_nonce, "SHA256"), "sessionId": mine}):
            self.refused(self.put(client, Authorization=field(**said)))
        client.delete(SESSIONS + "this", Authorization=field(sessionId=mine))
        self.refused(self.put(client, Authorization=field(sessionId=mine, **right)))

    def test_malformed_fields(self):
        node = self.served(limits__wrong_answers=100000)
        client = self.client(node)
        session, nonce = self.open_session(client)
        right = {"sessionId": session, **by_secret(nonce, "SHA256")}
        short = {"sessionId": session, **by_secret(nonce, "SHA256", cnonce=CNONCE[:15])}
        long_ = {"sessionId": session, **by_secret(nonce, "SHA256", cnonce=CNONCE + b"x")}
        pbkdf2 = {"sessionId": session, **by_secret(nonce, "PBKDF2WithHmacSHA1")}
        fields = [field(**short), field(**long_), field(**right) + ', id="300:x/y"',
                  field(**right)[:-1], field(**right) + ' x', field(**{**right, "alg": "ROT13"}),
                  field(**{**right, "type": "HS_ADMIN"}), field(**{**right, "id": "0:" + OWNER}),
                  field(**{**right, "id": OWNER}), field(**{**right, "signature": "***"}),
                  field(**{**pbkdf2, "iterations": "999999999"}),
                  field(**{**pbkdf2, "length": "8"}), field(**{**pbkdf2, "salt": ""}),
                  field(**{**right, "id": "302:" + "x" * 4000 + "/y"}), "Handle =", 'Handle "', "Handle ,,x",
                  "Basic", "Basic ====", "Basic " + b64(b"no-colon"), "Negotiate abc", "Handle" + "x" * 7000]
        for text in fields:
            with self.subTest(text[:60]):
                self.assertEqual(self.put(client, Authorization=text).status, 401)
        escaped = field(**right).replace('"HS_SECKEY"', '"HS\\_SEC\\KEY"')
        self.assertIn(self.put(client, Authorization=escaped).status, (200, 201))
        bare = field(**right).replace('"', "")
        self.assertIn(self.put(client, Authorization=bare).status, (200, 201))

    def test_a_huge_field_is_refused(self):
        node = self.served()
        with socket.create_connection(("127.0.0.1", node.https_port), timeout=60) as plain:
            with rest_client.tls_context().wrap_socket(plain) as tls:
                try:
                    tls.sendall(b"PUT /api/handles/88.1000/x HTTP/1.1\r\nHost: h\r\nContent-Length"
                                b": 0\r\nAuthorization: Handle cnonce=\"" + b"A" * 100000 +
                                b"\"\r\n\r\n")
                except OSError:
                    pass
                try:
                    answer = tls.recv(4096)
                except OSError:
                    answer = b""
        self.assertIn(answer[:12], (b"HTTP/1.1 431", b""))

    def test_wrong_answers_of_one_address_are_bounded(self):
        node = self.served(limits__wrong_answers=3)
        client = self.client(node)
        session, nonce = self.open_session(client)
        wrong = field(sessionId=session, **by_secret(nonce, "SHA256", "no"))
        statuses = [self.put(client, Authorization=wrong).status for _ in range(6)]
        self.assertEqual(statuses, [401] * 3 + [503] * 3)


if __name__ == "__main__":
    unittest.main()
