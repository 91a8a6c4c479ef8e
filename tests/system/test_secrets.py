# SPDX-License-Identifier: Apache-2.0
"""Planted secrets appear nowhere: not in logs, answers, what commands print, metrics; no core file
is left by a node that is aborted while somebody logs in, and what was used once and is over stands
nowhere in its memory."""

import base64
import os
import re
import resource
import signal
import socket
import subprocess
import unittest
import urllib.request

import administrator as adm
import harness
import session_client as sc
import test_administration as base
import wire

PLAIN_DAEMON = os.path.join(harness.BUILD, "tests", "crash", "crash_guantongd")  # no sanitizer
PLANTED = b"PlantedSecretKey-7Vq2xW9uK4mZ8sLd"
TYPED = b"TypedWrongPassword-3nB6vR1yH5cJ0tXe"
PHRASE = b"KeyFilePassPhrase-9aF4gP7wQ2oE6iUz"
PIECE = 24  # bytes of a secret that count as the secret


def number(n):
    return n.to_bytes(4, "big")


def forms_of(name, secret):
    """How a secret may show: as it is, turned round (numbers in memory), hex, base64."""
    start = max(0, (len(secret) - PIECE) // 2)
    piece = secret[start:start + PIECE]
    forms = {piece: name, piece[::-1]: name + ", turned round", piece.hex().encode(): name + ", hex",
             piece.hex().upper().encode(): name + ", hex"}
    for before in range(3):
        coded = base64.b64encode(bytes(before) + piece)
        forms[coded[(before * 8 + 5) // 6:(before + len(piece)) // 3 * 4]] = name + ", base64"
    return forms


def private_numbers(path):
    """The private parts of a PEM key."""
    text = subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-text"], check=True,
                          capture_output=True, text=True).stdout
    parts = re.findall(r"^(privateExponent|prime\d|priv):\n((?:    [0-9a-f:]+\n)+)", text, re.M)
    return {label: bytes.fromhex(re.sub(r"[^0-9a-f]", "", digits)).lstrip(b"\0")
            for label, digits in parts}


def pem_lines(path):
    with open(path, "rb") as f:
        return {("line %d" % n): line.strip() for n, line in enumerate(f)
                if len(line) > 40 and b"-----" not in line}


class Secrets(base.Administered):
    def setUp(self):
        self.seen, self.kept = [], {}

    def planted(self, daemon=None):
        node = self.node(prefix=base.PREFIX)
        if daemon:
            node.daemon_path = daemon
        self.metrics_port = harness.free_port()
        for section, key, value in (("listen", "metrics_port", self.metrics_port),
                                    ("log", "level", "debug"), ("log", "file", "log/node.log"),
                                    ("auth", "password_login", "yes"),
                                    ("admin", "server_admins", "['302:%s']" % base.OWNER)):
            node.setting(section, key, value)
        record = base.owner_record()
        for value in record["values"]:
            if value["index"] == 302:
                value["data"]["value"] = PLANTED.hex()
        self.store(node, record)
        keys = os.path.join(node.dir, "keys")
        for name in os.listdir(keys):
            self.keep_file(os.path.join(keys, name))
        for name, secret in (("HS_SECKEY", PLANTED), ("password", TYPED), ("pass phrase", PHRASE)):
            self.kept.update(forms_of(name, secret))
        return node.start()

    def keep_file(self, path):
        name = os.path.basename(path)
        with open(path, "rb") as f:
            content = f.read()
        if not content.startswith(b"-----"):
            self.kept.update(forms_of(name, bytes.fromhex(content.decode())
                                      if re.fullmatch(rb"[0-9a-f]+\s*", content) else content))
            return
        for parts in (private_numbers(path), pem_lines(path)):
            for label, secret in parts.items():
                self.kept.update(forms_of("%s, %s" % (name, label), secret))

    def found_in(self, data, forms=None):
        return sorted({name for form, name in (forms or self.kept).items() if form in data})

    def said(self, data):
        """Something a person or a peer gets to see."""
        self.seen.append(data.encode() if isinstance(data, str) else data)

    def command(self, *words, code=None, **more):
        done = harness.run(*words, code=code, **more)
        self.said(done.stdout)
        self.said(done.stderr)
        return done

    # --- what is done to the node ---

    def tell(self, node, *packets):
        """Everything that comes back on a connection of its own."""
        with socket.create_connection(node.address, timeout=20) as s:
            s.sendall(b"".join(packets))
            s.shutdown(socket.SHUT_WR)
            try:
                while data := s.recv(1 << 16):
                    self.said(data)
            except OSError:
                pass

    def session(self, node):
        """A session whose key is kept; after good, wrong and odd messages it is ended."""
        key = adm.SecretKey("302:" + base.OWNER, PLANTED)
        c = sc.SessionClient(node.address, key)
        self.assertEqual(c.set_up().code, 1)
        self.ended.update(forms_of("session key", c.session_key))
        name = base.PREFIX + "/s"
        deeds = ((adm.CREATE, adm.values_body(name, [adm.admin(100, 0xfff, "302:" + base.OWNER)])),
                 (adm.MODIFY, adm.values_body(name, [adm.value(9, "URL", "x")])),
                 (adm.LIST, wire.text(base.OWNER)), (adm.DELETE, wire.text(name)))
        for is_encrypted in (False, True):
            for opcode, body in deeds:
                answer = c.in_session(opcode, body, is_encrypted=is_encrypted)
                self.said(answer.rest)
        right = c.session_packet(adm.LIST, wire.text(base.OWNER))
        sealed = c.session_packet(adm.LIST, wire.text(base.OWNER), is_encrypted=True)
        for packet in (right, sealed):
            for at in (7, 21, len(packet) // 2, len(packet) - 1):
                wrong = bytearray(packet)
                wrong[at] ^= 0x55
                self.tell(node, bytes(wrong))
            self.tell(node, packet[:-9])
            self.tell(node, packet, packet)
        c.send(c.session_packet(sc.TERMINATE, wire.text("/")))
        self.said(c.receive().rest)
        c.close()

    def logins(self, node):
        user = wire.text(base.OWNER)
        with adm.Client(node.address) as c:
            for password in (TYPED, PLANTED, TYPED + b"\xff", b""):
                answer = c.begin(2000, user + number(0) + number(1) + wire.text(password))
                self.said(answer.rest)
            c.send(c.packet(2000, user + number(0) + wire.text(TYPED)))  # malformed
            self.said(c.receive().rest)
            for key in (adm.SecretKey("302:" + base.OWNER, TYPED),
                        adm.SecretKey("302:" + base.OWNER, PLANTED),
                        adm.SecretKey("0:nobody/here", TYPED)):
                for opcode, body in ((adm.LOGIN, user + number(302)),
                                     (adm.HOMED, wire.text("/")), (adm.LIST, user)):
                    self.said(c.ask(opcode, body, key=key).rest)
                challenge = c.begin(adm.LIST, user)
                for packet in (c.answer_packet(challenge, key)[:-7], c.answer_packet(challenge, key)):
                    self.tell(node, sc.resized(packet))
        with adm.Client(node.address, adm.SecretKey("302:" + base.OWNER, TYPED)) as c:
            self.said(c.resolve(base.OWNER).rest)
            self.said(c.begin(1, wire.resolution_body(base.OWNER, [302], []), wire.REC).rest)
            self.said(c.begin(201, user + number(302) + wire.text(b"n" * 16) + b"\x02" +
                              bytes(20) + wire.text(b"nothing")).rest)

    def commands(self, node):
        d = node.dir
        for words in (("stats",), ("node", "status"), ("conf", "show"), ("journal", "tail"),
                      ("record", "show", base.OWNER), ("record", "history", base.OWNER), ("export",),
                      ("prefix", "list"), ("journal", "verify"), ("record", "verify")):
            at = 2 if words[0] in ("node", "conf", "journal", "record", "prefix") else 1
            full = [*words[:at], d, *words[at:]]
            self.command(*full)
            self.command(*full, "--json")
        self.command("resolve", base.OWNER, "@127.0.0.1:%d" % node.port, "--tcp", "--private")
        self.command("stats", d, "--openmetrics")

    def keys_of_people(self, node):
        """The CLI with pass phrases and secrets, right ones and wrong ones."""
        plain, sealed = (os.path.join(node.holder.name, n) for n in ("user.pem", "sealed.pem"))
        phrase = self.file(node, "phrase", PHRASE + b"\n")
        typed, secret = self.file(node, "typed", TYPED), self.file(node, "secret", PLANTED)
        at, env = "@127.0.0.1:%d" % node.port, {"XDG_CONFIG_HOME": node.holder.name + "/config"}
        self.command("key", "new", plain, code=0)
        self.keep_file(plain)
        self.command("key", "convert", plain, sealed, "--to=pem", "--new-pass-phrase-file", phrase,
                     code=0)
        for json_ in ([], ["--json"]):
            self.command("key", "show", sealed, "--pass-phrase-file", phrase, *json_, code=0)
            self.command("key", "show", sealed, "--pass-phrase-file", typed, *json_)
            for words in (["--secret-file", secret], ["--secret-file", typed],
                          ["--key", sealed, "--pass-phrase-file", phrase],
                          ["--key", sealed, "--pass-phrase-file", typed]):
                words += ["--identity", "302:" + base.OWNER]
                self.command("remote", "login", at, *words, *json_, env=env)
                self.command("remote", "ls", base.PREFIX, at, *words, *json_, env=env)

    def metrics(self, node):
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.metrics_port) as answer:
            self.said(answer.read())

    # --- judging ---

    def assert_unseen(self, node):
        for name in ("log", "log/node.log"):
            path = os.path.join(node.dir, name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    self.said(f.read())
        self.said(node.said())
        everything = b"\n".join(self.seen)
        self.assertGreater(len(everything), 20000)
        self.assertIn(b"debug", everything)
        self.assertEqual(self.found_in(everything, {**self.kept, **self.ended}), [])

    def test_nobody_sees_a_secret(self):
        self.ended = {}
        node = self.planted()
        self.session(node)
        self.logins(node)
        self.commands(node)
        self.keys_of_people(node)
        self.metrics(node)
        self.assert_unseen(node)

    def memory_of(self, pid):
        """All that a core would hold: what is private and may be written."""
        with open("/proc/%d/maps" % pid, encoding="ascii") as f:
            ranges = [line.split()[0] for line in f if line.split()[1].startswith("rw-p")]
        memory = []
        with open("/proc/%d/mem" % pid, "rb", buffering=0) as f:
            for start, end in (map(lambda at: int(at, 16), r.split("-")) for r in ranges):
                f.seek(start)
                while start < end:
                    data = f.read(min(end - start, 1 << 20))
                    if not data:
                        break
                    memory.append(data)
                    start += len(data)
        return b"".join(memory)

    def test_what_is_over_stands_nowhere_in_memory(self):
        if not os.path.exists(PLAIN_DAEMON):
            self.skipTest("a daemon without sanitizers is built with the crash tests")
        self.ended = {}
        node = self.planted(PLAIN_DAEMON)
        self.session(node)
        self.logins(node)
        with adm.Client(node.address) as c:
            c.begin(2000, wire.text(base.OWNER) + number(0) + number(1) + wire.text(TYPED))
        try:
            memory = self.memory_of(node.daemon.pid)
        except PermissionError:
            self.skipTest("another process's memory may not be read")
        self.assertIn(base.PREFIX.encode(), memory, "this is its memory")
        # Not HS_SECKEY values: the store's pages that were written stand in memory by right.
        gone = {**self.ended, **forms_of("password", TYPED)}
        self.assertEqual(self.found_in(memory, gone), [])

    def test_aborted_during_login_it_leaves_no_core(self):
        if not os.path.exists(PLAIN_DAEMON):
            self.skipTest("a daemon without sanitizers is built with the crash tests")
        before = resource.getrlimit(resource.RLIMIT_CORE)
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_CORE, before)
        self.ended = {}
        node = self.planted(PLAIN_DAEMON)
        node.stop()
        os.chdir(node.holder.name)
        resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
        control = subprocess.Popen(["sleep", "60"])
        control.send_signal(signal.SIGABRT)
        control.wait()
        cores = self.cores(node)
        if not cores:
            self.skipTest("this machine writes no core files where one could look")
        for path in cores:
            os.unlink(path)
        node.start()
        with adm.Client(node.address, adm.SecretKey("302:" + base.OWNER, PLANTED)) as c:
            challenge = c.begin(adm.LOGIN, wire.text(base.OWNER) + number(302))
            c.send(c.answer_packet(challenge))
            self.assertEqual(node.stop(signal.SIGABRT), -signal.SIGABRT)
        left = []
        for path in self.cores(node):
            with open(path, "rb") as f:
                left += self.found_in(f.read()) or ["no secret"]
        self.assertEqual(left, [])

    def cores(self, node):
        folder = node.holder.name
        return [os.path.join(folder, n) for n in os.listdir(folder) if n.startswith("core")]


if __name__ == "__main__":
    unittest.main()
