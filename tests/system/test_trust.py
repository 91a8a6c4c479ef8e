# SPDX-License-Identifier: Apache-2.0
"""Signatures of records: a root, a certificate at the top-level node, users at a secondary node, and
records signed with RSA and SM2; judged by the nodes, by `guantong resolve --verify`, and by the
openssl command."""

import base64
import json
import os
import subprocess
import threading
import time
import unittest

import harness
import wire

TRUSTED_QUERY, TRUSTED_RESULT = 2, 1
ROOT, CA = "300:88.111.1/0.0", "300:88/ca"
SM2_ID = "distid:1234567812345678"


def unpad(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pad(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def text_value(index, kind, text):
    return {"index": index, "type": kind, "data": text}


class Scene:
    """Keys, certificates, a top-level node that has the certifier's record, a secondary node."""

    def __init__(self, holder):
        self.holder = holder
        for name, kind in (("root", "rsa"), ("ca", "rsa"), ("li", "rsa"), ("wang", "sm2"),
                           ("other", "rsa")):
            harness.run("key", "new", self.path(name), "--type", kind)
            harness.run("key", "convert", self.path(name), self.public(name), "--to", "public-pem")
        root = harness.run_json("key", "show", self.path("root"), "--for", "record")
        with open(self.root_file, "w", encoding="utf-8") as f:
            json.dump({"handle": "88.111.1/0.0", "values": [root]}, f)

    def path(self, name):
        return os.path.join(self.holder, name + ".pem")

    def public(self, name):
        return os.path.join(self.holder, name + ".public")

    @property
    def root_file(self):
        return os.path.join(self.holder, "root.json")

    def certify(self, name, handle, perms, key, issuer, *more):
        words = [w for p in perms for w in ("--perm", p)]
        return harness.run_json("key", "cert", self.path(name), "--handle", handle, *words,
                                "--key", self.path(key), "--identity", issuer, *more)

    def sign(self, handle, name, issuer, *values, more=()):
        line = json.dumps({"handle": handle, "values": list(values)}) + "\n"
        done = harness.run("record", "sign", "-", "--key", self.path(name), "--identity", issuer,
                           *more, stdin=line.encode())
        return json.loads(done.stdout)


def put(node, record):
    harness.run("record", "put", node.dir, "-", stdin=(json.dumps(record) + "\n").encode())


def ask(node, handle, flags=TRUSTED_QUERY, udp=False, version=(2, 11), **filters):
    packet = wire.request(wire.resolution_body(handle, **filters), flags=wire.PLAIN | flags,
                          version=version, suggested=(2, 10) if version == (2, 3) else (2, 11))
    if udp:
        return wire.Message(wire.reassemble(wire.ask_udp(node.address, wire.fragments(packet))))
    return wire.Message(wire.ask_tcp(node.address, packet)[0])


def is_trusted(answer):
    if answer.code != 1:
        raise AssertionError("answered %d" % answer.code)
    return answer.flags & TRUSTED_RESULT != 0


def signature_of(record):
    return next(v["data"]["value"] for v in record["values"] if v["type"] == "HS_SIGNATURE")


class TrustTest(harness.NodeTest):
    @classmethod
    def setUpClass(cls):
        cls.top = harness.Node(prefix="88", listen=("127.0.89.1",))
        cls.addClassCleanup(cls.top.close)
        cls.node = harness.Node(prefix="88.608", listen=("127.0.89.2",))
        cls.addClassCleanup(cls.node.close)
        cls.scene = scene = Scene(cls.top.holder.name)
        cls.node.setting("upstream", "servers", "['%s:%d']" % cls.top.address)
        cls.node.setting("trust", "roots", "['%s']" % scene.root_file)
        site = harness.run_json("record", "show", cls.node.dir, "0.NA/88.608")
        put(cls.top, {"handle": "0.NA/88.608", "values": [
            next(v for v in site["values"] if v["type"] == "HS_SITE")]})
        put(cls.top, {"handle": "88/ca", "values": [scene.certify(
            "ca", CA, ["derivedPrefixes:88", "handlesUnderThisPrefix:88"], "root", ROOT)]})
        for name in ("li", "wang"):
            user = "300:88.608/" + name
            put(cls.node, {"handle": "88.608/" + name, "values": [scene.certify(
                name, user, ["handlesUnderThisPrefix:88.608"], "ca", CA)]})
        cls.values = [text_value(1, "URL", "https://example.cn/p"), text_value(2, "DESC", "零件")]
        for name in ("li", "wang"):
            put(cls.node, scene.sign("88.608/of-" + name, name, "300:88.608/" + name, *cls.values))
        for handle in ("88/part", "0.NA/88.700"):
            put(cls.top, scene.sign(handle, "ca", CA, *cls.values))
        cls.top.start()
        cls.node.start()

    def verify(self, handle, *more, node=None, code=0):
        done = harness.run("resolve", handle, "@%s:%d" % (node or self.node).address, "--verify",
                           "--trust-root", self.scene.root_file, "--json", *more, code=code)
        return json.loads(done.stdout)

    def test_answers_are_flagged_when_the_chain_leads_over_another_node(self):
        for name in ("li", "wang"):
            for udp in (False, True):
                with self.subTest(name, udp=udp):
                    self.assertTrue(is_trusted(ask(self.node, "88.608/of-" + name, udp=udp)))

    def test_answers_of_other_nodes_are_flagged_too(self):
        self.assertTrue(is_trusted(ask(self.node, "88/part")))
        self.assertFalse(is_trusted(ask(self.node, "88/part", flags=0)))
        for name in ("0.NA/88.700", "88.700"):
            self.assertTrue(is_trusted(ask(self.node, name)))

    def test_the_national_client_asks_and_is_told(self):
        answer = ask(self.node, "88.608/of-wang", version=(2, 3))
        self.assertTrue(is_trusted(answer))
        self.assertEqual(answer.flags & TRUSTED_QUERY, 0)

    def test_who_does_not_ask_is_told_nothing(self):
        self.assertFalse(is_trusted(ask(self.node, "88.608/of-li", flags=0)))
        self.assertFalse(is_trusted(ask(self.node, "88.608/of-li", flags=TRUSTED_RESULT)))
        plain = ask(self.node, "88.608/of-li", flags=0)
        asked = ask(self.node, "88.608/of-li")
        self.assertEqual(plain.body, asked.body)

    def test_a_node_without_roots_calls_nothing_trusted(self):
        self.assertFalse(is_trusted(ask(self.top, "88/part")))

    def test_certified_answers_are_flagged_and_signed(self):
        answer = ask(self.node, "88.608/of-li", flags=TRUSTED_QUERY | wire.CT)
        self.assertTrue(is_trusted(answer))
        self.assertIn(b"HS_SIGNED", answer.credential)

    def test_an_unsigned_or_altered_value_takes_the_flag_away(self):
        record = self.scene.sign("88.608/altered", "li", "300:88.608/li", *self.values)
        record["values"][1]["data"] = "another part"
        put(self.node, record)
        self.assertFalse(is_trusted(ask(self.node, "88.608/altered")))
        self.assertTrue(is_trusted(ask(self.node, "88.608/altered", types=("URL",))))
        shown = self.verify("88.608/altered", code=1)["trust"]
        self.assertEqual((shown["verified"], shown["uncovered"]), (False, [2]))
        self.assertEqual(shown["signatures"][0]["altered"], [2])
        record = self.scene.sign("88.608/more", "li", "300:88.608/li", *self.values)
        record["values"].append(text_value(3, "EMAIL", "a@example.cn"))
        put(self.node, record)
        self.assertFalse(is_trusted(ask(self.node, "88.608/more")))
        self.assertTrue(is_trusted(ask(self.node, "88.608/more", indexes=(1, 2))))
        self.assertFalse(is_trusted(ask(self.node, "88.608/more", types=("HS_SIGNATURE",))))

    def test_a_record_that_is_corrected_is_trusted_at_once(self):
        record = self.scene.sign("88.608/fixed", "li", "300:88.608/li", *self.values)
        wrong = json.loads(json.dumps(record))
        wrong["values"][0]["data"] = "https://example.com/"
        put(self.node, wrong)
        self.assertFalse(is_trusted(ask(self.node, "88.608/fixed")))
        put(self.node, record)
        self.assertTrue(is_trusted(ask(self.node, "88.608/fixed")))

    def test_signatures_that_do_not_hold_are_told_why(self):
        sign, li = self.scene.sign, "300:88.608/li"
        cases = {
            "expired": (sign("88.608/expired", "li", li, *self.values, more=("--expires", "1s")),
                        "expired"),
            "moved": ({**sign("88.608/x", "li", li, *self.values), "handle": "88.608/moved"},
                      "wrong_subject"),
            "forged": (sign("88.608/forged", "other", li, *self.values), "bad_signature"),
            "beyond": ({**sign("0.NA/88.608.77", "li", li, *self.values),
                        "handle": "0.NA/88.608.77"}, "not_permitted"),
        }
        time.sleep(2.1)
        for name, (record, flaw) in cases.items():
            with self.subTest(name):
                handle = record["handle"]
                put(self.node, record)
                self.assertFalse(is_trusted(ask(self.node, handle)))
                shown = self.verify(handle, code=1)["trust"]["signatures"][0]
                self.assertEqual(shown["verdict"], "flawed")
                self.assertEqual(shown["links"][-1]["flaw"], flaw)

    def test_certificates_that_give_too_much_or_go_in_circles_are_not_believed(self):
        scene = self.scene
        put(self.node, {"handle": "88.608/big", "values": [scene.certify(
            "other", "300:88.608/big", ["everything"], "ca", CA)]})
        put(self.node, {"handle": "88.608/round", "values": [scene.certify(
            "li", "300:88.608/round", ["everything"], "other", "300:88.608/turn")]})
        put(self.node, {"handle": "88.608/turn", "values": [scene.certify(
            "other", "300:88.608/turn", ["everything"], "li", "300:88.608/round")]})
        put(self.node, scene.sign("88.608/by-big", "other", "300:88.608/big", *self.values))
        put(self.node, scene.sign("88.608/by-round", "li", "300:88.608/round", *self.values))
        put(self.node, scene.sign("88.608/by-nobody", "li", "300:88.608/nobody", *self.values))
        for handle, verdict in (("88.608/by-big", "flawed"), ("88.608/by-round", "loop"),
                                ("88.608/by-nobody", "no_certificate")):
            with self.subTest(handle):
                self.assertFalse(is_trusted(ask(self.node, handle)))
                shown = self.verify(handle, code=1)["trust"]["signatures"][0]
                self.assertEqual(shown["verdict"], verdict)

    def test_the_command_tells_who_signed_what(self):
        shown = self.verify("88.608/of-wang")["trust"]
        self.assertEqual((shown["verified"], shown["uncovered"]), (True, []))
        signature = shown["signatures"][0]
        self.assertEqual((signature["verdict"], signature["digest"], signature["covers"],
                          signature["root"]), ("trusted", "SM3", [1, 2], "88.111.1/0.0"))
        self.assertEqual([(k["subject"], k["issuer"], k["algorithm"]) for k in signature["links"]],
                         [("88.608/of-wang", "300:88.608/wang", "SM2SM3"),
                          ("300:88.608/wang", CA, "RS256"), (CA, ROOT, "RS256")])
        page = harness.run("resolve", self.node.dir, "88.608/of-wang",
                           "@%s:%d" % self.node.address, "--verify", "--types", "URL").stdout
        self.assertIn("verified: signatures cover every value", page)
        self.assertIn("88.608/of-wang signed by 300:88.608/wang (SM2SM3", page)
        self.assertIn("signed, but not in this answer: 2", page)
        chinese = harness.run("resolve", self.node.dir, "88.608/of-li", "--verify",
                              "@%s:%d" % self.node.address, env={"LC_ALL": "zh_CN.UTF-8"}).stdout
        self.assertIn("88.608/of-li 由 300:88.608/li 签名（RS256", chinese)

    def test_the_command_needs_a_root_and_one_that_fits(self):
        self.assertEqual(harness.run("resolve", "88.608/of-li", "@%s:%d" % self.node.address,
                                     "--verify", "--dir", self.top.dir, code=2).stdout, "")
        done = harness.run("resolve", "88.608/of-li", "@%s:%d" % self.node.address, "--trust-root",
                           self.scene.public("other"), "--json", code=1)
        verdict = json.loads(done.stdout)["trust"]["signatures"][0]["verdict"]
        self.assertEqual(verdict, "no_certificate")
        self.verify("88.608/li", code=1)  # a certificate that nobody signed as a value
        done = harness.run("resolve", "88.608/of-li", "@%s:%d" % self.node.address, "--trust-root",
                           self.scene.public("root"), "--json")
        self.assertTrue(json.loads(done.stdout)["trust"]["verified"])

    # --- the openssl command ---

    def openssl(self, *words, code=0):
        done = subprocess.run(["openssl", *words], capture_output=True, check=False)
        if done.returncode != code:
            self.fail("openssl %s: %d\n%s" % (" ".join(words), done.returncode, done.stderr))
        return done.stdout

    def parts(self, jws, name):
        """Files with what is signed and the signature."""
        signed, signature = jws.rsplit(".", 1)
        return (self.file(self.node, name + ".signed", signed),
                self.file(self.node, name + ".signature", unpad(signature)))

    def test_openssl_verifies_what_we_sign(self):
        rsa = self.scene.sign("88.608/a", "li", "300:88.608/li", *self.values)
        signed, signature = self.parts(signature_of(rsa), "rsa")
        self.openssl("dgst", "-sha256", "-verify", self.scene.public("li"), "-signature", signature,
                     signed)
        sm2 = self.scene.sign("88.608/a", "wang", "300:88.608/wang", *self.values)
        signed, signature = self.parts(signature_of(sm2), "sm2")
        words = ["pkeyutl", "-verify", "-pubin", "-inkey", self.scene.public("wang"), "-in", signed,
                 "-rawin", "-digest", "sm3", "-sigfile", signature, "-pkeyopt"]
        self.openssl(*words, SM2_ID)
        self.openssl(*words, "distid:other", code=1)
        cert = self.scene.certify("wang", "300:88.608/wang", ["everything"], "li", "300:88.608/li")
        signed, signature = self.parts(cert["data"]["value"], "cert")
        self.openssl("dgst", "-sha256", "-verify", self.scene.public("li"), "-signature", signature,
                     signed)

    def test_openssl_digests_values_as_we_do(self):
        for name, digest in (("li", "sha256"), ("wang", "sm3")):
            record = self.scene.sign("88.608/a", name, "300:88.608/" + name, *self.values)
            claims = json.loads(unpad(signature_of(record).split(".")[1]))
            self.assertEqual(claims["digests"]["alg"], {"sha256": "SHA-256", "sm3": "SM3"}[digest])
            self.assertEqual(claims["sub"], "88.608/a")
            # ttl type, ttl, permissions, type, data, no references: the value from byte 8 on
            covered = (b"\0" + (86400).to_bytes(4, "big") + b"\x0e" + wire.text("URL") +
                       wire.text("https://example.cn/p") + bytes(4))
            said = self.openssl("dgst", "-" + digest, "-binary",
                                self.file(self.node, "covered", covered))
            self.assertEqual(claims["digests"]["digests"][0],
                             {"index": 1, "digest": base64.b64encode(said).decode()})

    def test_what_openssl_signs_is_trusted(self):
        claims = json.loads(unpad(signature_of(self.scene.sign(
            "88.608/by-openssl", "wang", "300:88.608/wang", *self.values)).split(".")[1]))
        for name, algorithm in (("li", "RS256"), ("wang", "SM2SM3"), ("wang", "SM2256")):
            handle = "88.608/%s-%s" % (name, algorithm)
            claims.update(sub=handle, iss="300:88.608/" + name)
            signed = ".".join(pad(json.dumps(p).encode()) for p in ({"alg": algorithm}, claims))
            file = self.file(self.node, "tosign", signed)
            if name == "li":
                signature = self.openssl("dgst", "-sha256", "-sign", self.scene.path(name), file)
            else:
                signature = self.openssl("pkeyutl", "-sign", "-inkey", self.scene.path(name), "-in",
                                         file, "-rawin", "-digest", "sm3", "-pkeyopt", SM2_ID)
            put(self.node, {"handle": handle, "values": self.values + [
                text_value(400, "HS_SIGNATURE", signed + "." + pad(signature))]})
            with self.subTest(algorithm):
                self.assertTrue(is_trusted(ask(self.node, handle)))
                self.assertTrue(self.verify(handle)["trust"]["verified"])


class Changing(harness.NodeTest):
    """What needs nodes of its own."""

    def setUp(self):
        self.top = self.node(prefix="88", listen=("127.0.89.3",))
        self.low = self.node(prefix="88.608", listen=("127.0.89.4",))
        self.scene = scene = Scene(self.top.holder.name)
        self.low.setting("upstream", "servers", "['%s:%d']" % self.top.address)
        self.low.setting("trust", "roots", "['%s']" % scene.root_file)
        put(self.top, {"handle": "88/ca", "values": [scene.certify(
            "ca", CA, ["derivedPrefixes:88"], "root", ROOT)]})
        lines = "".join(json.dumps({"handle": "88.608/p%d" % i, "values": [
            text_value(1, "URL", "u%d" % i)]}) + "\n" for i in range(30))
        signed = harness.run("record", "sign", "-", "--key", scene.path("ca"), "--identity", CA,
                             stdin=lines.encode()).stdout
        harness.run("record", "put", self.low.dir, "-", stdin=signed.encode())

    def figure(self, name):
        return harness.run_json("stats", self.low.dir)["requests"][name]

    def test_without_the_certifier_answers_come_all_the_same(self):
        self.low.start()
        start = time.monotonic()
        answer = ask(self.low, "88.608/p1")
        self.assertFalse(is_trusted(answer))
        self.assertLess(time.monotonic() - start, 8)
        self.top.start()
        deadline = time.monotonic() + 40
        while not is_trusted(ask(self.low, "88.608/p1")):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.5)

    def test_more_than_the_limit_are_answered_without_it(self):
        self.top.start()
        self.low.setting("limits", "trust", "1")
        self.low.setting("workers", "count", "1")
        self.low.start()
        told = [is_trusted(ask(self.low, "88.608/p%d" % i)) for i in range(30)]
        self.assertTrue(told[0])
        self.assertIn(False, told)
        self.assertEqual(self.figure("trust_refused"), told.count(False))
        again = [is_trusted(ask(self.low, "88.608/p0")) for _ in range(50)]
        self.assertEqual(again, [True] * 50)
        self.assertLess(self.figure("trust_followed"), 10)

    def test_many_ask_at_once_over_reloads(self):
        """Nothing is remembered, so every question follows its chain, over certificates kept."""
        self.low.setting("limits", "trust", "100000")
        self.low.setting("trust", "cache", "0s")
        self.low.setting("workers", "count", "4")
        self.top.start()
        self.low.start()
        told = []

        def run(first):
            for i in range(40):
                told.append(is_trusted(ask(self.low, "88.608/p%d" % ((i * 7 + first) % 30))))

        threads = [threading.Thread(target=run, args=(k,)) for k in range(6)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            harness.run("node", "reload", self.low.dir)
        for thread in threads:
            thread.join()
        self.assertEqual(told, [True] * 240)
        self.assertEqual(self.figure("trust_followed"), 240)

    def test_roots_are_read_anew_and_a_bad_file_leaves_the_old(self):
        self.top.start()
        self.low.start()
        self.assertTrue(is_trusted(ask(self.low, "88.608/p2")))
        self.low.setting("trust", "roots", "['missing.json']")
        harness.run("node", "reload", self.low.dir, code=None)
        self.assertTrue(is_trusted(ask(self.low, "88.608/p2")))
        self.low.setting("trust", "roots", "['%s']" % self.scene.public("other"))
        harness.run("node", "reload", self.low.dir)
        self.assertFalse(is_trusted(ask(self.low, "88.608/p2")))
        self.low.setting("trust", "roots", "['%s']" % self.scene.public("ca"))
        harness.run("node", "reload", self.low.dir)
        self.assertTrue(is_trusted(ask(self.low, "88.608/p2")))


if __name__ == "__main__":
    unittest.main()
