# SPDX-License-Identifier: Apache-2.0
"""What real clients administered at the reference server, done again here in the order they did it:
their requests byte for byte, their answers to challenges signed anew, as our nonce is another. Every
answer is held against the captured one; ids, times and nonces aside."""

import os
import re
import unittest

import administrator as adm
import harness
import test_administration as common
import test_captures as captured
import wire

KEYS = os.path.join(harness.VECTORS, "keys")
OWNER = common.OWNER

# In this order every one meets the state it met then.
FLOWS = [
    "create-noauth", "create-pubkey-tcp", "create-exists", "create-seckey", "create-utf8",
    "create-large", "create-overwrite", "create-mint", "create-mint.3", "create-h2", "delete-handle",
    "delete-missing", "create-h2", "modify-value", "modify-missing", "modify-seckey-v2.0",
    "modify-seckey-v2.3", "modify-pubkey-v2.3", "modify-dsa", "auth-bad-pubkey", "auth-bad-seckey",
    "auth-no-such-key", "auth-not-admin", "add-value", "add-value-exists",
    "resolve-private-auth-tcp", "resolve-private-auth-udp", "list-handles", "remove-value",
    "remove-missing", "list-homed-nas", "home-prefix", "unhome-prefix", "next-txn-id"]

# The national SDK on its one connection, logged in after the second.
NATIONAL = [
    "idsdk-connect.1", "idsdk-create-before-login.1", "idsdk-login-rsa.1", "idsdk-predelete.1",
    "idsdk-predelete.2", "idsdk-create.1", "idsdk-create-exists.1", "idsdk-create-utf8.1",
    "idsdk-lookup-all.1", "idsdk-lookup-index.1", "idsdk-lookup-type.1", "idsdk-lookup-digest.1",
    "idsdk-lookup-trusted.1", "idsdk-lookup-notfound.1", "idsdk-lookup-utf8.1", "idsdk-modify.1",
    "idsdk-add.1", "idsdk-remove.1", "idsdk-delete.1", "idsdk-delete-missing.1"]

# What we do otherwise on purpose; the reasons stand in docs/protocol.md.
HOMED_HERE = [b"0.NA/88.1000", b"0.NA/88.1000.1"]


def load(name, kind):
    with open(os.path.join(captured.CAPTURES, "%s.%s.hex" % (name, kind)), encoding="ascii") as f:
        return [bytes.fromhex(line) for line in f.read().split()]


def key_of(answer, version):
    """The key that the captured answer names, or the wrong one it was made with."""
    r = wire.Reader(answer.body)
    kind, handle, index = r.text(), r.text().decode(), r.number()
    reference = "%d:%s" % (index, handle)
    if kind == b"HS_SECKEY":
        return adm.SecretKey(reference, common.SECRET)
    name = {301: "dsapriv.pkcs8.der", 303: "userpriv.pem"}.get(index, "adminpriv.pem")
    return adm.PrivateKey(reference, os.path.join(KEYS, name), is_dsa=index == 301)


class Replayed(common.Administered):
    def exchange(self, transport, packets):
        if transport == "udp":
            return wire.Message(wire.reassemble(wire.ask_udp(self.at.address, packets)))
        return wire.Message(wire.ask_tcp(self.at.address, b"".join(packets))[0])

    def steps(self, flow):
        """(number of the request, of the answer to its challenge or None)."""
        if os.path.exists(os.path.join(captured.CAPTURES, flow + ".req.hex")):
            stem, first = re.match(r"(.*?)(?:\.(\d))?$", flow).groups()
            return (flow, "%s.%d" % (stem, int(first) + 1)) if first else (flow, None)
        return flow + ".1", flow + ".2"

    def compare(self, ours, theirs):
        for field in ("major", "minor", "suggested_minor", "opcode", "code", "recursion"):
            self.assertEqual(getattr(ours, field), getattr(theirs, field), field)
        self.assertEqual("%08x" % ours.flags, "%08x" % theirs.flags)
        if not self.is_renamed:
            self.assertEqual(ours.digest, theirs.digest)
        if ours.code == 402:
            self.assertNotEqual(ours.session, 0)
            self.assertEqual(len(ours.body), len(theirs.body))
        else:
            self.assertEqual(ours.session, theirs.session)
            self.compare_bodies(ours, theirs)

    def compare_bodies(self, ours, theirs):
        if ours.opcode == 1 and ours.code == 1:
            self.assertEqual(ours.resolution()[0], theirs.resolution()[0])
            self.assertEqual([v.fields() for v in ours.resolution()[1]],
                             [v.fields() for v in theirs.resolution()[1]])
        elif ours.opcode == adm.HOMED and ours.code == 1:
            r = wire.Reader(ours.body)
            self.assertEqual([r.text() for _ in range(r.number())], HOMED_HERE)
        elif ours.flags & adm.MINT and ours.code == 1:
            self.minted, uuid4 = wire.Reader(ours.body).text(), rb"88\.1000/mint-[0-9a-f-]{36}$"
            self.assertRegex(self.minted, uuid4)
            self.assertRegex(wire.Reader(theirs.body).text(), uuid4)
        elif ours.code == 5:
            self.assertTrue(ours.error_text())
        else:
            self.assertEqual(ours.body, theirs.body)

    def asked(self, flow, first):
        """The captured packet; what it minted then has another name now."""
        packets = load(first, "req")
        if self.is_renamed:
            theirs = wire.Reader(wire.Message(packets[0]).body).text()
            packets = [p.replace(theirs, self.minted) for p in packets]
        return packets

    def run_flow(self, flow, transport):
        self.is_renamed = flow == "create-mint.3"
        first, second = self.steps(flow)
        ours = self.exchange(transport, self.asked(flow, first))
        self.compare(ours, wire.Message(wire.reassemble(load(first, "resp"))
                                        if transport == "udp" else load(first, "resp")[0]))
        if second is None:
            return
        packet = bytearray(wire.reassemble(load(second, "req")) if transport == "udp"
                           else load(second, "req")[0])
        answer = wire.Message(bytes(packet))
        asked = wire.Message(load(first, "req")[0])
        version = min((asked.major, asked.minor), (asked.bits & 3, asked.suggested_minor))
        version = version if asked.bits & 3 else (asked.major, asked.minor)
        key = key_of(answer, version)
        if flow == "auth-bad-seckey":
            key.secret = b"wrong"
        if flow == "auth-bad-pubkey":
            key.path = os.path.join(KEYS, "userpriv.pem")
        digest, nonce = adm.challenge_of(ours, version)
        body = adm.answer_body(key, key.sign(nonce, digest, version))
        again = wire.request(body, opcode=adm.ANSWER, flags=answer.flags,
                             request_id=answer.request_id, version=(answer.major, answer.minor),
                             suggested=(answer.bits & 3, answer.suggested_minor),
                             session=ours.session)
        packets = wire.fragments(again) if transport == "udp" else [again]
        ours = self.exchange(transport, packets)
        theirs = load(second, "resp")
        self.compare(ours, wire.Message(wire.reassemble(theirs) if transport == "udp"
                                        else theirs[0]))

    def test_captured_administration_ends_as_captured(self):
        site = os.path.join(KEYS, "siteinfo.bin")
        self.at = self.node(prefix=common.PREFIX, init=["--site", site])
        self.at.setting("admin", "server_admins", "['300:%s']" % OWNER)
        self.at.setting("auth", "md5_answers", "yes")  # what version 2.0 answers with
        self.store(self.at, common.owner_record())
        harness.run("prefix", "home", self.at.dir, "88.1000.1", "--no-record")
        self.at.start()
        for flow in FLOWS:
            with self.subTest(flow):
                self.run_flow(flow, "udp" if flow.endswith("-udp") else "tcp")
        harness.run("journal", "verify", self.at.dir)

    def test_national_client_administers_on_the_connection_it_logged_in_on(self):
        site = os.path.join(KEYS, "siteinfo.bin")
        self.at = self.node(prefix=common.PREFIX, init=["--site", site])
        self.store(self.at, common.owner_record())
        self.at.start()
        self.is_renamed = False
        key = adm.PrivateKey("300:" + OWNER, os.path.join(KEYS, "adminpriv.pem"))
        client = self.client(self.at, key, version=(2, 3), suggested=(2, 10))
        for name in NATIONAL:
            with self.subTest(name):
                client.send(load(name, "req")[0])
                ours, theirs = client.receive(), wire.Message(load(name, "resp")[0])
                self.assertEqual(ours.request_id, theirs.request_id)
                if theirs.code in (402, 408):  # a relay answered here: its flags are its own
                    self.assertEqual((ours.code, ours.opcode), (theirs.code, theirs.opcode))
                else:
                    self.compare(ours, theirs)
                if ours.code == 402:
                    client.send(client.answer_packet(ours))
                    done = client.receive()
                    self.assertEqual((done.opcode, done.code), (adm.LOGIN, 1))

    def test_no_flow_of_administration_is_left_out(self):
        """The rest are sessions, logins (scenario tests) and the JSON interface."""
        names = set()
        for name in os.listdir(captured.CAPTURES):
            found = re.match(r"(?!rest-|idsdk-|session-|create-udp)(.*?)(\.[1-4])?\.req\.hex$",
                             name)
            if found and int.from_bytes(load(name[:-8], "req")[0][20:24], "big") in (
                    *range(100, 107), adm.ANSWER, adm.HOME, adm.UNHOME, adm.HOMED, 1000):
                names.add(found.group(1))
        self.assertEqual(names - {f.replace("mint.3", "mint") for f in FLOWS}, set())


if __name__ == "__main__":
    unittest.main()
