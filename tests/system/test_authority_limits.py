# SPDX-License-Identifier: Apache-2.0
"""What answers to challenges may cost, how often they may be wrong, and whose answer is repeated."""

import hashlib
import hmac
import struct
import time
import unittest

import administrator as adm
import harness
import test_administration as base
import wire

OWNER, PREFIX, SECRET = base.OWNER, base.PREFIX, base.SECRET


class Derived(adm.SecretKey):
    """An answer by PBKDF2 with the figures it is told."""

    def __init__(self, reference, rounds, bits=160, salt=16, claimed_rounds=None):
        super().__init__(reference, SECRET)
        self.rounds, self.bits, self.salt = rounds, bits, salt
        self.claimed_rounds = rounds if claimed_rounds is None else claimed_rounds

    def sign(self, nonce, digest, version):
        salt = bytes(self.salt)
        derived = hashlib.pbkdf2_hmac("sha1", self.secret, salt, self.rounds,
                                      max(1, min(self.bits, 4096) // 8))
        mac = hmac.new(derived, nonce + digest, "sha1").digest()
        return (b"\x22" + wire.text(salt) +
                struct.pack(">II", self.claimed_rounds & 0xffffffff, self.bits & 0xffffffff) +
                wire.text(mac))


class Coded(adm.SecretKey):
    """An answer in one form of protocol.md §7.5, by its code."""

    FORMS = {
        0x01: lambda k, m: hashlib.md5(k + m + k).digest(),
        0x02: lambda k, m: hashlib.sha1(k + m + k).digest(),
        0x03: lambda k, m: hashlib.sha256(k + m + k).digest(),
        0x12: lambda k, m: hmac.new(k, m, "sha1").digest(),
        0x13: lambda k, m: hmac.new(k, m, "sha256").digest(),
    }

    def __init__(self, code, secret=SECRET):
        super().__init__("302:" + OWNER, secret)
        self.code = code

    def sign(self, nonce, digest, version):
        return bytes([self.code]) + self.FORMS[self.code](self.secret, nonce + digest)


class Forms(base.Administered):
    def test_every_form_of_a_secret_answer_proves_who_asks(self):
        node = self.administered()
        client = self.client(node)
        value = adm.value(1, "URL", "x")
        for code in Coded.FORMS:
            with self.subTest("%02x" % code):
                name, wrong = "%s/f%02x" % (PREFIX, code), Coded(code, "a guess")
                self.assertEqual(client.create(name, value, key=wrong).code, 403)
                expected = 403 if code == 0x01 else 1
                self.assertEqual(client.create(name, value, key=Coded(code)).code, expected)
        node.setting("auth", "md5_answers", "yes")
        harness.run("node", "reload", node.dir)
        self.assertEqual(client.create(PREFIX + "/f01", value, key=Coded(0x01)).code, 1)


class Costs(base.Administered):
    def test_answer_that_costs_too_much_is_refused_without_computing(self):
        node = self.administered()
        client = self.client(node)
        value = adm.value(1, "URL", "x")
        right = Derived("302:" + OWNER, 1000000)
        self.assertEqual(client.create(PREFIX + "/dear", value, key=right).code, 1)
        start = time.monotonic()
        for rounds in (1000001, 2**31 - 1, 2**31, 2**32 - 1, 0):
            for reference in ("302:" + OWNER, "0:" + OWNER):
                with self.subTest(rounds=rounds, reference=reference):
                    key = Derived(reference, 1000, claimed_rounds=rounds)
                    self.assertEqual(client.create(PREFIX + "/no", value, key=key).code, 403)
        for more in ({"bits": 0}, {"bits": 8}, {"bits": 161}, {"bits": 520}, {"bits": 2**31 - 8},
                     {"salt": 0}, {"salt": 65}, {"salt": 100000}):
            with self.subTest(**more):
                key = Derived("302:" + OWNER, 1000, **more)
                self.assertEqual(client.create(PREFIX + "/no", value, key=key).code, 403)
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual(node.resolve_udp(PREFIX + "/no").code, 100)

    def test_many_keys_of_one_handle_share_what_one_answer_may_cost(self):
        node = self.administered()
        self.store(node, {"handle": PREFIX + "/keys", "values": [
            base.text_value(300 + i, "HS_SECKEY", SECRET, "1100") for i in range(4)]})
        self.store(node, {"handle": PREFIX + "/t", "values": [
            base.text_value(1, "URL", "x"),
            base.hex_value(100, "HS_ADMIN", adm.admin_data(0xfff, PREFIX + "/keys", 0))]})
        client, any_key = self.client(node), "0:" + PREFIX + "/keys"
        for rounds, code in ((250000, 1), (250001, 403)):
            answer = client.modify(PREFIX + "/t", adm.value(1, "URL", str(rounds)),
                                   key=Derived(any_key, rounds))
            self.assertEqual(answer.code, code)


class Wrong(base.Administered):
    def limited(self):
        node = self.node(prefix=PREFIX)
        node.setting("limits", "trusted_networks", "[]")
        node.setting("limits", "wrong_answers", "5")
        self.store(node, base.owner_record())
        # Its counts begin anew with each minute.
        if time.time() % 60 > 45:
            time.sleep(61 - time.time() % 60)
        return node.start()

    def test_logins_may_be_wrong_so_often_a_minute(self):
        node = self.limited()
        guess = adm.SecretKey("302:" + OWNER, "a guess")
        codes = [self.client(node).login(guess).code for _ in range(8)]
        self.assertEqual(codes, [403] * 5 + [3] * 3)
        self.assertEqual(self.owner(node).login().code, 3, "nor is a right one told from them")
        refused = harness.run_json("stats", node.dir)["requests"]["wrong_answers_refused"]
        self.assertEqual(refused, 4)

    def test_answers_to_every_challenge_are_counted_together(self):
        node = self.limited()
        guess = adm.SecretKey("302:" + OWNER, "a guess")
        codes = [self.client(node).create(PREFIX + "/g", adm.value(1, "URL", "x"), key=guess).code
                 for _ in range(3)]
        codes += [self.client(node).login(guess).code for _ in range(3)]
        self.assertEqual(codes, [403] * 5 + [3])
        self.assertEqual(node.resolve_udp(PREFIX + "/g").code, 100)

    def test_right_ones_are_not_counted(self):
        node = self.limited()
        for _ in range(8):
            self.assertEqual(self.owner(node).login().code, 1)

    def test_trusted_networks_may_guess(self):
        node = self.administered()
        guess = adm.SecretKey("302:" + OWNER, "a guess")
        codes = {self.client(node).login(guess).code for _ in range(70)}
        self.assertEqual(codes, {403})


class Repeated(base.Administered):
    """The same bytes from one address: an answer is repeated to whom it was given alone."""

    def test_repetition_by_another_identity_is_a_request_of_its_own(self):
        node = self.administered()
        self.store(node, {"handle": PREFIX + "/user", "values": [
            base.text_value(300, "HS_SECKEY", "user's own", "1100")]})
        self.store(node, {"handle": PREFIX + "/t", "values": [
            base.hex_value(100, "HS_ADMIN", adm.admin_data(0xfff, OWNER, 302))]})
        owner = self.owner(node)
        user = self.client(node, adm.SecretKey("300:%s/user" % PREFIX, "user's own"))
        again = self.owner(node)
        for client in (owner, user, again):
            self.assertEqual(client.login().code, 1)
        packet = owner.packet(adm.ADD, adm.values_body(PREFIX + "/t", [adm.value(1, "URL", "x")]))
        codes = {}
        for name, client in (("owner", owner), ("user", user), ("again", again)):
            client.send(packet)
            codes[name] = client.receive().code
        # The owner's own repetition is answered as the first was; done again it would be 201.
        self.assertEqual(codes, {"owner": 1, "user": 201, "again": 1})
        fresh = owner.packet(adm.ADD, adm.values_body(PREFIX + "/t", [adm.value(1, "URL", "x")]))
        owner.send(fresh)
        self.assertEqual(owner.receive().code, 201)
        delete = owner.packet(adm.DELETE, wire.text(PREFIX + "/t"))
        user.send(delete)
        self.assertEqual(user.receive().code, 400)
        owner.send(delete)
        self.assertEqual(owner.receive().code, 1, "nor is a refusal repeated to the owner")


class Verified(base.Administered):
    """Operation 201: is this answer right for your secret key?"""

    def body(self, handle, index, secret, nonce=b"n" * 16, digest=b"d" * 32):
        signed = adm.SecretKey("%d:%s" % (index, handle), secret).sign(nonce, digest, (2, 11))
        return (wire.text(handle) + struct.pack(">I", index) + wire.text(nonce) +
                wire.text(digest) + wire.text(signed))

    def ask(self, client, *args):
        answer = client.begin(201, self.body(*args))
        return (answer.code, answer.body if answer.code == 1 else b"")

    def test_answers_are_judged_and_nothing_else_is_told(self):
        node = self.administered()
        c = self.client(node)
        for index in (302, 0):
            self.assertEqual(self.ask(c, OWNER, index, SECRET), (1, b"\1"))
            self.assertEqual(self.ask(c, OWNER, index, "a guess"), (1, b"\0"))
        self.assertEqual(self.ask(c, OWNER, 300, SECRET)[0], 200, "no secret key")
        self.assertEqual(self.ask(c, PREFIX + "/none", 300, SECRET)[0], 100)
        self.assertEqual(self.ask(c, "77.1/x", 300, SECRET)[0], 301)
        self.assertEqual(c.begin(201, self.body(OWNER, 302, SECRET) + b"\0").code, 4)

    def test_so_many_are_judged_a_minute(self):
        node = self.node(prefix=PREFIX)
        node.setting("limits", "verify", "4")
        self.store(node, base.owner_record())
        if time.time() % 60 > 45:
            time.sleep(61 - time.time() % 60)
        node.start()
        c = self.client(node)
        codes = [self.ask(c, OWNER, 302, "guess %d" % i)[0] for i in range(6)]
        self.assertEqual(codes, [1] * 4 + [3] * 2)


class Passwords(base.Administered):
    """Operation 2000."""

    def log_in(self, client, handle, password):
        body = wire.text(handle) + struct.pack(">II", 0, 1) + wire.text(password)
        return client.begin(2000, body).code

    def passworded(self, limit=60):
        node = self.node(prefix=PREFIX)
        node.setting("auth", "password_login", "yes")
        node.setting("limits", "verify", str(limit))
        self.store(node, base.owner_record())
        if time.time() % 60 > 45:
            time.sleep(61 - time.time() % 60)
        return node.start()

    def test_password_login_is_off_unless_it_is_on(self):
        node = self.administered()
        self.assertEqual(self.log_in(self.client(node), OWNER, SECRET), 5)

    def test_right_password_makes_the_connection_its_owner(self):
        node = self.passworded()
        c = self.client(node)
        for password in ("", "a guess", SECRET[:-1], SECRET + "x"):
            self.assertEqual(self.log_in(c, OWNER, password), 403)
        self.assertEqual(self.log_in(c, PREFIX + "/nobody", SECRET), 403)
        self.assertEqual(c.create(PREFIX + "/p", adm.value(1, "URL", "x")).code, 402)
        self.assertEqual(self.log_in(c, OWNER, SECRET), 1)
        self.assertEqual(c.create(PREFIX + "/p", adm.value(1, "URL", "x")).code, 1)
        items = harness.run_json("record", "history", node.dir, PREFIX + "/p")["items"]
        self.assertEqual(items[0]["actor"], "302:" + OWNER)

    def test_passwords_may_be_tried_so_often_a_minute(self):
        node = self.passworded(limit=4)
        c = self.client(node)
        codes = [self.log_in(c, OWNER, "guess %d" % i) for i in range(5)]
        self.assertEqual(codes + [self.log_in(c, OWNER, SECRET)], [403] * 4 + [3] * 2)


class Homes(base.Administered):
    def test_prefix_with_a_node_of_its_own_is_not_homed_or_unhomed_from_afar(self):
        node = self.administered(server_admins="['302:%s']" % OWNER)
        harness.run("prefix", "home", node.dir, "88.1000.9")
        harness.run("prefix", "delegate", node.dir, "88.1000.9", "--address", "127.0.88.77:2641")
        owner = self.owner(node)
        before = harness.run_json("prefix", "list", node.dir)
        for opcode in (adm.HOME, adm.UNHOME):
            for name in ("88.1000.9", "0.NA/88.1000.9"):
                answer = owner.ask(opcode, wire.text(name))
                self.assertEqual((answer.code, answer.error_text()),
                                 (401, b"the prefix has a node of its own"))
        self.assertEqual(harness.run_json("prefix", "list", node.dir), before)
        stranger = adm.SecretKey("302:" + OWNER, "wrong")
        self.assertEqual(owner.ask(adm.HOME, wire.text("88.1000.9"), key=stranger).code, 403)


if __name__ == "__main__":
    unittest.main()
