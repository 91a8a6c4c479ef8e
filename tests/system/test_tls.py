# SPDX-License-Identifier: Apache-2.0
"""The Handle protocol over TLS: serving, certificates of clients, reloading, rotation of the node's key."""

import os
import resource
import socket
import ssl
import struct
import subprocess
import threading
import time
import unittest

import administrator as adm
import harness
import test_administration as administration
import wire

PREFIX = administration.PREFIX
OWNER = administration.OWNER
KEYS = os.path.join(harness.VECTORS, "keys")
CERTIFIED = 0x40000000
IDLE = 2000


def openssl(*words, **more):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, **more).stdout


def client_context(version=None, certificate=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


class TlsClient(adm.Client):
    def __init__(self, node, key=None, context=None, session=None, **more):
        super().__init__(("127.0.0.1", node.tls_port), key, **more)
        self.socket = (context or client_context()).wrap_socket(self.socket, session=session)


class TlsTest(administration.Administered):
    def tls_node(self, **settings):
        port = harness.free_port()
        node = self.node(prefix=PREFIX, init=("--tls-port", port))
        node.tls_port = port
        for name, value in settings.items():
            node.setting(*name.split("__"), value)
        return node

    def served(self, **settings):
        node = self.tls_node(**settings)
        self.store(node, administration.owner_record())
        return node.start()

    def tls(self, node, **more):
        client = TlsClient(node, **more)
        self.addCleanup(client.close)
        return client

    def forget(self, node):
        """A node that did not start."""
        node.log.close()
        node.daemon = None

    def count(self, node, name):
        return harness.run_json("stats", "--dir", node.dir)["requests"][name]

    def certificate(self, node, reference, key=None, attribute="UID", days=30):
        """(certificate, key) files; RSA from the vectors, or a new one."""
        key = key or os.path.join(KEYS, "adminpriv.pem")
        path = os.path.join(node.holder.name, "client-%d.pem" % len(os.listdir(node.holder.name)))
        config = self.file(node, "req.cnf", "[req]\ndistinguished_name=dn\nprompt=no\n"
                                            "string_mask=utf8only\n[dn]\n%s=%s\n" % (attribute,
                                                                                     reference))
        openssl("req", "-x509", "-new", "-utf8", "-key", key, "-config", config, "-days", str(days),
                "-out", path)
        return path, key

    def closed_after(self, s, seconds):
        """The peer closes within so many seconds; how long it took."""
        begun = time.monotonic()
        s.settimeout(seconds)
        try:
            while s.recv(4096):
                pass
        except (ConnectionResetError, ssl.SSLError):
            pass
        return time.monotonic() - begun


class Serving(TlsTest):
    def test_both_versions_answer_pipelined_requests(self):
        node = self.served()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = self.tls(node, context=client_context(version))
            client.send(b"".join(wire.resolve(OWNER, request_id=i) for i in range(1, 501)))
            answers = [client.receive() for _ in range(500)]
            self.assertEqual([(a.code, a.request_id) for a in answers],
                             [(1, i) for i in range(1, 501)])
        status = harness.run_json("node", "status", node.dir)
        self.assertEqual(status["tls_port"], node.tls_port)
        self.assertEqual(self.count(node, "requests")["tls"], 1000)
        self.assertEqual(self.count(node, "tls_handshakes"), 2)

    def test_large_answers_come_whole(self):
        node = self.tls_node()
        self.store(node, administration.owner_record(),
                   {"handle": PREFIX + "/large", "values": [administration.text_value(
                       i, "DESC", "x" * 20000) for i in range(1, 9)]})
        node.start()
        client = self.tls(node)
        client.send(wire.resolve(PREFIX + "/large") * 20)
        time.sleep(0.5)
        for _ in range(20):
            _, values = client.receive().resolution()
            self.assertEqual([len(v.data) for v in values], [20000] * 8)

    def test_openssl_client_is_served_and_the_certificate_has_the_site_key(self):
        node = self.served()
        shown = openssl("s_client", "-connect", "127.0.0.1:%d" % node.tls_port, "-showcerts",
                        input=b"")
        certificate = self.file(node, "shown.pem", shown)
        public = openssl("x509", "-in", certificate, "-noout", "-pubkey")
        own = openssl("pkey", "-in", os.path.join(node.dir, "keys", "site.pem"), "-pubout")
        self.assertEqual(public, own)
        subject = openssl("x509", "-in", certificate, "-noout", "-subject", "-nameopt", "utf8")
        self.assertIn("300:" + OWNER, subject.decode())

    def test_sessions_are_resumed_on_every_worker(self):
        node = self.served(workers__count=3)
        session = None
        for _ in range(8):
            client = self.tls(node, context=self.context, session=session) if session else \
                self.tls(node, context=self.keep_context())
            self.assertEqual(client.resolve(OWNER, indexes=[1]).code, 1)
            self.assertEqual(client.socket.session_reused, session is not None)
            session = client.socket.session
        self.assertEqual(self.count(node, "tls_resumed"), 7)

    def keep_context(self):
        self.context = client_context()
        return self.context

    def test_port_in_use_is_told(self):
        node = self.tls_node()
        with socket.socket() as other:
            other.bind(("127.0.0.1", node.tls_port))
            other.listen()
            with self.assertRaisesRegex(AssertionError, str(node.tls_port)):
                node.start()
            self.forget(node)

    def test_farewell_is_said_when_the_node_drains(self):
        node = self.served()
        client = self.tls(node)
        self.assertEqual(client.resolve(OWNER, indexes=[1]).code, 1)
        self.assertEqual(node.stop(), 0)
        client.socket.suppress_ragged_eofs = False
        self.assertEqual(client.socket.recv(1), b"", "close_notify, not a cut connection")


class Limits(TlsTest):
    def test_slow_and_strange_handshakes_are_closed(self):
        node = self.served(limits__handshake="400ms")
        with socket.create_connection(("127.0.0.1", node.tls_port)) as silent:
            self.assertLess(self.closed_after(silent, 10), 5)
        with socket.create_connection(("127.0.0.1", node.tls_port)) as half:
            half.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            self.assertLess(self.closed_after(half, 10), 5)
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", wire.resolve(OWNER), b"\x16\x03\x01\xff\xff" * 99):
            with socket.create_connection(("127.0.0.1", node.tls_port)) as strange:
                strange.sendall(garbage)
                self.assertLess(self.closed_after(strange, 10), 5)
        self.assertEqual(self.tls(node).resolve(OWNER, indexes=[1]).code, 1)
        self.assertGreaterEqual(self.count(node, "tls_late"), 2)
        self.assertGreaterEqual(self.count(node, "tls_handshake_failures"), 2)

    def test_handshake_does_not_stand_for_a_request(self):
        node = self.served(limits__first_request="400ms")
        client = self.tls(node)
        self.assertLess(self.closed_after(client.socket, 10), 5)

    def test_one_address_begins_only_so_many(self):
        node = self.tls_node(limits__handshakes=3)
        node.setting("limits", "trusted_networks", "[]")
        node.start()
        outcomes = []
        for _ in range(12):
            try:
                client = self.tls(node)
                outcomes.append(client.resolve(OWNER, indexes=[1]).code)
            except (OSError, ssl.SSLError):
                outcomes.append(None)
        self.assertEqual(outcomes[:3], [1, 1, 1])
        self.assertIn(None, outcomes)
        self.assertGreater(self.count(node, "tls_over_source"), 0)

    def test_idle_connections_take_little_memory(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < IDLE + 200:
            self.skipTest("too few descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        node = self.served(limits__connections_per_source=10000)
        context = client_context()
        before = self.memory(node)
        clients = []
        session = None
        for _ in range(IDLE):
            client = TlsClient(node, context=context, session=session)
            clients.append(client)
            client.send(wire.resolve(OWNER))
            self.assertEqual(client.receive().code, 1)
            session = session or client.socket.session
        each = (self.memory(node) - before) / IDLE
        self.assertEqual(self.count(node, "tls_connections"), IDLE)
        for client in clients:
            client.close()
        print("memory of an idle TLS connection: %.1f KB" % (each / 1024))
        if not self.is_sanitized(node):
            self.assertLess(each, 40 * 1024)

    def memory(self, node):
        with open("/proc/%d/status" % node.daemon.pid, encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) * 1024

    def is_sanitized(self, node):
        with open("/proc/%d/maps" % node.daemon.pid, encoding="utf-8") as f:
            return any(name in f.read() for name in ("libasan", "libtsan", "libclang_rt"))


class Certificates(TlsTest):
    def test_key_of_the_record_administers_without_a_challenge(self):
        node = self.served()
        for attribute in ("UID", "CN"):
            for reference in ("300:" + OWNER, "0:" + OWNER):
                context = client_context(
                    certificate=self.certificate(node, reference, attribute=attribute))
                client = self.tls(node, context=context)
                name = "%s/by-%s-%s" % (PREFIX, attribute, reference[0])
                self.assertEqual(client.create(name, adm.value(1, "URL", "x"),
                                               adm.admin(100, 0xfff, "300:" + OWNER)).code, 1)
                self.assertEqual(client.modify(name, adm.value(1, "URL", "y")).code, 1)
                items = harness.run_json("record", "history", node.dir, name)["items"]
                self.assertEqual(items[0]["actor"], "300:" + OWNER)
                self.assertEqual(client.delete(name).code, 1)

    def test_another_key_is_refused(self):
        node = self.served()
        wrong = self.certificate(node, "300:" + OWNER, key=os.path.join(KEYS, "userpriv.pem"))
        other = self.certificate(node, "303:" + OWNER)
        away = self.certificate(node, "300:%s/nobody" % PREFIX)
        for certificate, code in ((wrong, 403), (other, 400), (away, 400)):
            client = self.tls(node, context=client_context(certificate=certificate))
            answer = client.create(PREFIX + "/no", adm.value(1, "URL", "x"))
            self.assertEqual(answer.code, code)
            self.assertEqual(client.resolve(OWNER, indexes=[1]).code, 1)
        self.assertEqual(node.resolve_udp(PREFIX + "/no").code, 100)

    def test_identity_without_a_key_cannot_be_judged(self):
        node = self.tls_node()
        admin = administration.hex_value(102, "HS_ADMIN",
                                         adm.admin_data(0xfff, PREFIX + "/nobody", 300))
        record = administration.owner_record()
        record["values"].append(admin)
        self.store(node, record)
        node.start()
        away = self.certificate(node, "300:%s/nobody" % PREFIX)
        client = self.tls(node, context=client_context(certificate=away))
        self.assertEqual(client.create(PREFIX + "/no", adm.value(1, "URL", "x")).code, 406)

    def test_key_taken_out_of_the_record_ends_an_open_connection(self):
        node = self.served()
        context = client_context(certificate=self.certificate(node, "300:" + OWNER))
        client = self.tls(node, context=context)
        self.assertEqual(client.create(PREFIX + "/a", adm.value(1, "URL", "x")).code, 1)
        record = administration.owner_record()
        record["values"] = [v for v in record["values"] if v["index"] != 300] + [
            administration.hex_value(300, "HS_PUBKEY", administration.vector("userpub.bin"))]
        self.store(node, record)
        self.assertEqual(client.create(PREFIX + "/b", adm.value(1, "URL", "x")).code, 403)

    def test_unasked_certificate_is_nobody(self):
        node = self.served(tls__client_certificates="no")
        context = client_context(certificate=self.certificate(node, "300:" + OWNER))
        client = self.tls(node, context=context)
        self.assertEqual(client.create(PREFIX + "/a", adm.value(1, "URL", "x")).code, 402)

    def test_nameless_certificate_may_still_answer_a_challenge(self):
        node = self.served()
        context = client_context(certificate=self.certificate(node, "just a name"))
        key = adm.SecretKey("302:" + OWNER, administration.SECRET)
        client = self.tls(node, context=context, key=key)
        self.assertEqual(client.create(PREFIX + "/a", adm.value(1, "URL", "x")).code, 1)


class Tools(TlsTest):
    def at(self, node):
        return "@127.0.0.1:%d" % node.tls_port

    def test_resolve_asks_over_tls_and_trusts_one_key(self):
        node = self.served()
        document = harness.run_json("resolve", OWNER, self.at(node), "--tls", "--index", "1")
        self.assertEqual(document["exchange"]["transport"], "tls")
        done = harness.run("resolve", OWNER, self.at(node), "--tls", "--index", "1")
        self.assertIn("not verified", done.stdout)
        own = os.path.join(node.dir, "keys", "site.pem")
        done = harness.run("resolve", OWNER, self.at(node), "--server-key", own, "--index", "1")
        self.assertIn("server verified", done.stdout)
        other = os.path.join(KEYS, "adminpriv.pem")
        done = harness.run("resolve", OWNER, self.at(node), "--server-key", other, code=4)
        self.assertIn("another key", done.stderr)
        harness.run("resolve", OWNER, "@127.0.0.1:%d" % node.port, "--tls", "--timeout", "3s",
                    code=5)

    def test_remote_administers_with_its_certificate(self):
        node = self.served()
        kept = {"XDG_CONFIG_HOME": node.holder.name}
        records = self.file(node, "new.jsonl", harness.record(PREFIX + "/remote",
                                                              (1, "URL", "http://a/")))
        words = ("--tls", "--key", os.path.join(KEYS, "adminpriv.pem"), "--identity",
                 "300:" + OWNER)
        harness.run("remote", "create", records, self.at(node), *words, env=kept)
        self.assertEqual(node.resolve_udp(PREFIX + "/remote").code, 1)
        self.assertEqual(self.count(node, "challenges"), 0, "the certificate said who asks")
        wrong = ("--tls", "--key", os.path.join(KEYS, "userpriv.pem"), "--identity", "300:" + OWNER)
        more = self.file(node, "more.jsonl", harness.record(PREFIX + "/more",
                                                            (1, "URL", "http://b/")))
        done = harness.run("remote", "create", more, self.at(node), *wrong, env=kept, code=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("403", done.stderr)
        self.assertEqual(node.resolve_udp(PREFIX + "/more").code, 100)


class Reloading(TlsTest):
    def own_certificate(self, node, name):
        key = os.path.join(node.dir, name + ".key")
        path = os.path.join(node.dir, name + ".pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", path, "-subj", "/CN=" + name)
        os.chmod(key, 0o600)

    def shown(self, node):
        pem = ssl.get_server_certificate(("127.0.0.1", node.tls_port))
        return openssl("x509", "-noout", "-subject", input=pem.encode()).decode()

    def test_new_certificate_is_taken_under_load_and_a_bad_one_is_not(self):
        node = self.tls_node()
        self.own_certificate(node, "first")
        self.own_certificate(node, "second")
        node.setting("tls", "certificate", "first.pem")
        node.setting("tls", "key", "first.key")
        node.start()
        self.assertIn("first", self.shown(node))
        stop, failures, answered = threading.Event(), [], [0, 0]

        def ask_on_one(at):
            try:
                client = TlsClient(node)
                while not stop.is_set():
                    client.send(wire.resolve(OWNER))
                    if client.receive().code == 1:
                        answered[at] += 1
                client.close()
            except OSError as error:
                failures.append(error)

        def ask_on_new():
            while not stop.is_set():
                ask = TlsClient(node)
                ask.send(wire.resolve(OWNER))
                failures.extend([] if ask.receive().code == 1 else [ask])
                ask.close()

        threads = [threading.Thread(target=ask_on_one, args=(i,)) for i in range(2)]
        threads.append(threading.Thread(target=ask_on_new))
        for thread in threads:
            thread.start()
        try:
            node.setting("tls", "certificate", "second.pem")
            node.setting("tls", "key", "second.key")
            for _ in range(5):
                harness.run("node", "reload", node.dir)
                time.sleep(0.1)
            self.assertIn("second", self.shown(node))
            node.setting("tls", "certificate", "missing.pem")
            done = harness.run("node", "reload", node.dir, code=None)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("missing.pem", done.stderr)
            self.assertIn("second", self.shown(node))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        self.assertGreater(min(answered), 20)

    def test_unusable_files_keep_a_node_from_starting(self):
        node = self.tls_node()
        self.own_certificate(node, "own")
        node.setting("tls", "certificate", "own.pem")
        node.setting("tls", "key", "own.key")
        os.chmod(os.path.join(node.dir, "own.key"), 0o644)
        with self.assertRaisesRegex(AssertionError, "own.key"):
            node.start()
        self.forget(node)


class Rotation(TlsTest):
    def public(self, node, name):
        """The public key of the site key of now, in a file."""
        return self.file(node, name + ".pub", openssl(
            "pkey", "-in", os.path.join(node.dir, "keys", "site.pem"), "-pubout"))

    def ask_signed(self, node, serial, handle=OWNER):
        packet = bytearray(wire.resolve(handle, flags=wire.PLAIN | CERTIFIED))
        packet[32:34] = struct.pack(">H", serial)
        answer = wire.Message(wire.ask_tcp(node.address, bytes(packet))[0])
        self.assertEqual(answer.code, 1)
        return answer

    def verifies(self, node, answer, public):
        r = wire.Reader(answer.credential)
        r.take(4)
        r.text()
        counter = r.number()
        self.assertEqual(r.text(), b"HS_SIGNED")
        r.number()
        self.assertEqual(r.text(), b"SHA-256")
        signature = self.file(node, "signature", r.text())
        prefix = struct.pack(">BBBBIII", answer.major, answer.minor, answer.bits & 0x1f,
                             answer.suggested_minor, answer.session, answer.request_id, counter)
        message = self.file(node, "message", prefix + answer.digested)
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", public, "-signature",
                               signature, message], capture_output=True, check=False)
        return done.returncode == 0

    def site_of(self, node):
        packet = wire.request(wire.text("/"), opcode=2)
        return wire.Message(wire.ask_tcp(node.address, packet)[0]).body

    def check_rotated(self, node, old, new):
        self.assertTrue(self.verifies(node, self.ask_signed(node, 1), old), "who knows serial 1")
        for serial in (2, 0xffff):
            answer = self.ask_signed(node, serial)
            self.assertTrue(self.verifies(node, answer, new), serial)
            self.assertEqual(answer.serial, 2)

    def test_each_client_is_answered_with_the_key_it_knows(self):
        node = self.tls_node().start()
        old = self.public(node, "old")
        before = self.site_of(node)
        self.assertTrue(self.verifies(node, self.ask_signed(node, 1), old))
        self.assertEqual(harness.run_json("key", "rotate", "--dir", node.dir)["serial"], 2)
        new = self.public(node, "new")
        with open(old, "rb") as f, open(new, "rb") as g:
            self.assertNotEqual(f.read(), g.read())
        self.check_rotated(node, old, new)
        after = self.site_of(node)
        self.assertNotEqual(before, after)
        _, values = node.resolve_udp(OWNER).resolution()
        stored = {v.index: v.data for v in values}
        self.assertEqual(stored[1], after, "the prefix's record tells the same")
        self.assertIn(stored[300], after, "and its administrator has the new key")
        pem = ssl.get_server_certificate(("127.0.0.1", node.tls_port))
        with open(new, "rb") as f:
            self.assertEqual(openssl("x509", "-noout", "-pubkey", input=pem.encode()), f.read())
        self.assertNotEqual(harness.run("key", "rotate", "--dir", node.dir, code=None).returncode, 0)
        node.stop()
        node.start()
        self.check_rotated(node, old, new)
        harness.run("key", "retire", "--dir", node.dir, "--yes")
        self.assertTrue(self.verifies(node, self.ask_signed(node, 1), new), "only one is left")
        self.assertEqual(harness.run_json("key", "rotate", "--dir", node.dir)["serial"], 3)
        harness.run("journal", "verify", node.dir)

    def test_answers_verify_at_every_moment_of_a_rotation(self):
        node = self.tls_node(limits__certified=1000000).start()
        old = self.public(node, "old")
        answers, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                answers.append(self.ask_signed(node, 1))

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            time.sleep(0.2)
            harness.run("key", "rotate", "--dir", node.dir)
            time.sleep(0.2)
        finally:
            stop.set()
            thread.join()
        self.assertGreater(len(answers), 10)
        for answer in answers[:: max(1, len(answers) // 100)] + answers[-1:]:
            self.assertTrue(self.verifies(node, answer, old))

    def test_node_at_rest_is_rotated_too_and_an_interrupted_rotation_goes_on(self):
        node = self.tls_node()
        old = self.public(node, "old")
        keys = os.path.join(node.dir, "keys")
        # As a power cut leaves it: the keys are exchanged, the record still tells the old one.
        os.link(os.path.join(keys, "site.pem"), os.path.join(keys, "site.previous.pem"))
        openssl("genrsa", "-out", os.path.join(keys, "site.next.pem"), "2048")
        os.chmod(os.path.join(keys, "site.next.pem"), 0o600)
        harness.run("key", "rotate", "--dir", node.dir)
        self.assertFalse(os.path.exists(os.path.join(keys, "site.next.pem")))
        self.assertEqual(os.stat(os.path.join(keys, "site.pem")).st_mode & 0o777, 0o600)
        node.start()
        self.check_rotated(node, old, self.public(node, "new"))

    def test_site_record_of_another_key_is_left_alone(self):
        node = self.tls_node()
        path = os.path.join(node.dir, "keys", "site.pem")
        os.unlink(path)
        openssl("genrsa", "-out", path, "2048")
        os.chmod(path, 0o600)
        done = harness.run("key", "rotate", "--dir", node.dir, code=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("site record", done.stderr)


if __name__ == "__main__":
    unittest.main()
