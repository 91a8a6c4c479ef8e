# SPDX-License-Identifier: Apache-2.0
"""Records are administered over the Handle protocol, by those who may and by no one else."""

import json
import os
import signal
import threading
import unittest
import uuid

import administrator as adm
import harness
import wire

PREFIX = "88.1000"
OWNER = "0.NA/" + PREFIX
SECRET = "s3cr3tKey-88"


def hex_value(index, type_, data, permissions="1110"):
    return {"index": index, "type": type_, "permissions": permissions,
            "data": {"format": "hex", "value": data.hex()}}


def text_value(index, type_, text, permissions="1110"):
    return hex_value(index, type_, text.encode(), permissions)


def vector(name):
    with open(os.path.join(harness.VECTORS, "keys", name), "rb") as f:
        return f.read()


def owner_record(permissions=0x1fff):
    """0.NA/88.1000 with the keys of the vectors: 300 RSA, 302 secret, both administrators."""
    return {"handle": OWNER, "values": [
        hex_value(1, "HS_SITE", vector("siteinfo.bin")),
        hex_value(100, "HS_ADMIN", adm.admin_data(permissions, OWNER, 300)),
        hex_value(101, "HS_ADMIN", adm.admin_data(permissions, OWNER, 302)),
        hex_value(200, "HS_VLIST", adm.vlist_data("300:" + OWNER, "302:" + OWNER)),
        hex_value(300, "HS_PUBKEY", vector("adminpub.bin")),
        hex_value(301, "HS_PUBKEY", vector("dsapub.bin")),
        hex_value(302, "HS_SECKEY", SECRET.encode(), "1100"),
        hex_value(303, "HS_PUBKEY", vector("userpub.bin")),
    ]}


class Administered(harness.NodeTest):
    """A node with 88.1000, whose owner has keys."""

    def administered(self, **settings):
        node = self.node(prefix=PREFIX)
        for key, value in settings.items():
            node.setting("admin", key, value)
        self.store(node, owner_record())
        node.start()
        return node

    def store(self, node, *records):
        path = self.file(node, "records.jsonl", "".join(json.dumps(r) + "\n" for r in records))
        harness.run("import", node.dir, path)

    def client(self, node, key=None, **more):
        client = adm.Client(node.address, key, **more)
        self.addCleanup(client.close)
        return client

    def owner(self, node, **more):
        return self.client(node, adm.SecretKey("302:" + OWNER, SECRET), **more)

    def shown(self, node, handle):
        return harness.run_json("record", "show", node.dir, handle, "--secrets")

    def told(self, answer):
        return "%d %s" % (answer.code, answer.error_text() if answer.code != 1 else "")


class Operations(Administered):
    def test_owner_creates_changes_and_deletes(self):
        node = self.administered()
        owner = self.owner(node)
        name = PREFIX + "/Part-1"
        answer = owner.create(name, adm.value(1, "URL", "http://a/", timestamp=7),
                              adm.admin(100, 0x07f3, "302:" + OWNER))
        self.assertEqual((answer.code, wire.Reader(answer.body).text()), (1, name.encode()),
                         self.told(answer))
        self.assertEqual(owner.create(name, adm.value(1, "URL", "x")).code, 101)
        self.assertEqual(owner.add(name, adm.value(2, "EMAIL", "a@b")).code, 1)
        self.assertEqual(owner.modify(name, adm.value(1, "URL", "http://b/")).code, 1)
        self.assertEqual(owner.add(name, adm.value(3, "DESC", "gone")).code, 1)
        self.assertEqual(owner.remove(name, 3).code, 1)
        _, values = node.resolve_udp(name).resolution()
        self.assertEqual([(v.index, v.data) for v in values if v.index != 100],
                         [(1, b"http://b/"), (2, b"a@b")])
        self.assertGreater(values[0].timestamp, 1700000000, "the server says when")
        self.assertEqual([v["index"] for v in self.shown(node, name)["values"]], [1, 2, 100])
        self.assertEqual(owner.delete(name).code, 1)
        self.assertEqual(node.resolve_udp(name).code, 100)
        self.assertEqual(owner.delete(name).code, 100)

    def test_journal_names_who_and_from_where(self):
        node = self.administered()
        self.assertEqual(self.owner(node).create(PREFIX + "/j", adm.value(1, "URL", "x")).code, 1)
        items = harness.run_json("record", "history", node.dir, PREFIX + "/j")["items"]
        self.assertEqual((items[0]["actor"], items[0]["origin"]), ("302:" + OWNER, "127.0.0.1"))
        harness.run("journal", "verify", node.dir)

    def test_rsa_and_dsa_keys_prove_who_asks(self):
        node = self.administered()
        keys = os.path.join(harness.VECTORS, "keys")
        rsa = adm.PrivateKey("300:" + OWNER, os.path.join(keys, "adminpriv.pem"))
        dsa = adm.PrivateKey("301:" + OWNER, os.path.join(keys, "dsapriv.pkcs8.der"), is_dsa=True)
        user = adm.PrivateKey("300:" + OWNER, os.path.join(keys, "userpriv.pem"))
        client = self.client(node)
        name = PREFIX + "/keys"
        self.assertEqual(client.create(name, adm.value(1, "URL", "x"),
                                       adm.admin(100, 0x10, "301:" + OWNER), key=rsa).code, 1)
        self.assertEqual(client.modify(name, adm.value(1, "URL", "y"), key=dsa).code, 1)
        self.assertEqual(client.modify(name, adm.value(1, "URL", "z"), key=rsa).code, 400)
        self.assertEqual(client.create(name + "2", adm.value(1, "URL", "x"), key=user).code, 403)
        any_index = adm.SecretKey("0:" + OWNER, SECRET)
        self.assertEqual(client.create(name + "3", adm.value(1, "URL", "x"),
                                       key=any_index).code, 1)

    def test_timestamps_of_what_did_not_change_are_kept(self):
        node = self.administered()
        old = text_value(1, "URL", "same")
        old["timestamp"] = "2020-01-02T03:04:05Z"
        other = text_value(2, "URL", "other")
        other["timestamp"] = "2020-01-02T03:04:05Z"
        name = PREFIX + "/old"
        self.store(node, {"handle": name, "values": [
            old, other, hex_value(100, "HS_ADMIN", adm.admin_data(0xfff, OWNER, 302))]})
        owner = self.owner(node)
        answer = owner.create(name, adm.value(1, "URL", "same"), adm.value(2, "URL", "new"),
                              adm.admin(100, 0xfff, "302:" + OWNER), flags=adm.OVERWRITE)
        self.assertEqual(answer.code, 1, self.told(answer))
        self.assertTrue(answer.flags & adm.OVERWRITE)
        _, values = node.resolve_tcp(name).resolution()
        self.assertEqual(values[0].timestamp, 1577934245)
        self.assertGreater(values[1].timestamp, 1700000000)

    def test_minted_suffix_is_a_lower_case_uuid(self):
        node = self.administered()
        owner = self.owner(node)
        answer = owner.create(PREFIX + "/m-", adm.value(1, "URL", "x"), flags=adm.MINT)
        name = wire.Reader(answer.body).text().decode()
        made = uuid.UUID(name[len(PREFIX) + 3:])
        self.assertEqual((made.version, PREFIX + "/m-" + str(made)), (4, name))
        self.assertTrue(answer.flags & adm.MINT)
        self.assertEqual(node.resolve_udp(name).code, 1)

    def test_checks_before_and_after_the_challenge(self):
        node = self.administered()
        self.store(node, {"handle": PREFIX + "/a", "values": [
            text_value(1, "URL", "x"), text_value(2, "URL", "locked", "1010")]})
        c = self.client(node)
        v, a = adm.value, PREFIX + "/a"
        bad_utf8 = adm.values_body(PREFIX.encode() + b"/\xff", [v(1, "URL", "x")])
        before = [
            (adm.CREATE, adm.values_body("77.1/x", [v(1, "URL", "x")]), 301),
            (adm.CREATE, bad_utf8, 102),
            (adm.CREATE, adm.values_body(PREFIX + "/n", [v(0, "URL", "x")]), 202),
            (adm.CREATE, adm.values_body(PREFIX + "/n", [v(2**31, "URL", "x")]), 202),
            (adm.CREATE, adm.values_body(PREFIX + "/n", [v(1, "URL", "x")] * 2), 201),
            (adm.CREATE, adm.values_body(PREFIX + "/n", [v(1, "HS_ADMIN", b"\0")]), 202),
            (adm.CREATE, adm.values_body(a, [v(1, "URL", "x")]), 101),
            (adm.CREATE, adm.values_body(PREFIX + "/n", [v(1, "URL", "x")]), 402),
            (adm.ADD, adm.values_body("77.1/x", [v(1, "URL", "x")]), 301),
            (adm.ADD, adm.values_body(a, []), 202),
            (adm.ADD, adm.values_body(a, [v(3, "URL", "x")] * 2), 201),
            (adm.ADD, adm.values_body(a, [v(1, "URL", "x")]), 402),
            (adm.ADD, adm.values_body(PREFIX + "/n", [v(1, "URL", "x")]), 402),
            (adm.REMOVE, adm.remove_body("77.1/x", [1]), 301),
            (adm.REMOVE, adm.remove_body(a, [9]), 402),
            (adm.REMOVE, adm.remove_body(PREFIX + "/n", [9]), 402),
            (adm.DELETE, wire.text(PREFIX + "/n"), 402),
            (adm.DELETE, wire.text("77.1/n"), 301),
            (adm.MODIFY, adm.values_body("77.1/x", [v(1, "URL", "x")]), 301),
            (adm.MODIFY, adm.values_body(PREFIX + "/n", [v(1, "URL", "x")]), 100),
            (adm.MODIFY, adm.values_body(a, [v(9, "URL", "x")]), 200),
            (adm.MODIFY, adm.values_body(a, [v(1, "URL", "x")] * 2), 202),
            (adm.MODIFY, adm.values_body(a, [v(2, "URL", "x")]), 401),
            (adm.MODIFY, adm.values_body(a, [v(1, "URL", "x")]), 402),
        ]
        for opcode, body, code in before:
            with self.subTest(opcode=opcode, body=body, code=code):
                self.assertEqual(c.begin(opcode, body).code, code)
        wrong = adm.SecretKey("302:" + OWNER, "wrong")
        after = [
            (adm.ADD, adm.values_body(PREFIX + "/n", [v(1, "URL", "x")]), 100),
            (adm.ADD, adm.values_body(a, [v(1, "URL", "x")]), 201),
            (adm.REMOVE, adm.remove_body(PREFIX + "/n", [9]), 100),
            (adm.REMOVE, adm.remove_body(a, [9]), 200),
            (adm.REMOVE, adm.remove_body(a, [2]), 401),
            (adm.DELETE, wire.text(PREFIX + "/n"), 100),
            (adm.CREATE, adm.values_body(PREFIX + "/n", [v(1, "URL", "x")]), 403),
            (adm.DELETE, wire.text(a), 400),
        ]
        for opcode, body, code in after:
            with self.subTest(opcode=opcode, body=body, code=code, verified=False):
                self.assertEqual(c.ask(opcode, body, key=wrong).code, code)

    def test_malformed_and_hostile_values_are_refused_by_their_code(self):
        """protocol.md §14, rows 32 to 47, before anybody is asked who they are."""
        node = self.administered()
        c = self.client(node)
        v, name = adm.value, PREFIX + "/h"
        whole = adm.values_body(name, [v(1, "URL", "x")])
        lying_references = v(1, "URL", "x")[:-4] + b"\0\0\0\1"
        unknown_ttl = v(1, "URL", "x")
        unknown_ttl = unknown_ttl[:8] + b"\2" + unknown_ttl[9:]
        site = vector("siteinfo.bin")
        cases = [
            (adm.values_body("", [v(1, "URL", "x")]), 102),
            (adm.values_body("/x", [v(1, "URL", "x")]), 301),
            (adm.values_body(PREFIX + "/", [v(1, "URL", "x")]), 102),
            (adm.values_body(PREFIX + "/" + "x" * 2041, [v(1, "URL", "x")]), 102),
            (adm.values_body(name.encode() + b"\xed\xa0\x80", [v(1, "URL", "x")]), 102),
            (whole + b"\0", 4), (whole[:-1], 4),
            (wire.text(name) + b"\0\0\0\2" + v(1, "URL", "x"), 4),
            (wire.text(name) + b"\x7f\xff\xff\xff" + v(1, "URL", "x"), 4),
            (wire.text(name) + b"\xff\xff\xff\xff", 4),
            (adm.values_body(name, [lying_references]), 4),
            (adm.values_body(name, [unknown_ttl]), 202),
            (adm.values_body(name, [v(1, "URL", "x", 0x10)]), 202),
            (adm.values_body(name, [v(1, "", "x")]), 202),
            (adm.values_body(name, [v(1, "T" * 256, "x")]), 202),
            (adm.values_body(name, [v(1, b"\xff", "x")]), 202),
            (adm.values_body(name, [v(1, "HS_ADMIN", adm.admin_data(1, "a/b", 1)[:-1])]), 202),
            (adm.values_body(name, [v(1, "HS_ADMIN", adm.admin_data(1, "a/b", 1) + b"\0")]), 202),
            (adm.values_body(name, [v(1, "HS_ADMIN", adm.admin_data(1, "a/b", 1) + b"\0\0")]),
             402),
            (adm.values_body(name, [v(1, "HS_VLIST", adm.vlist_data("1:a/b") + b"\0")]), 202),
            (adm.values_body(name, [v(1, "HS_VLIST", b"\0\x0f\0\0")]), 202),
            (adm.values_body(name, [v(1, "HS_SITE", site)]), 402),
            (adm.values_body(name, [v(1, "HS_SITE", site + b"\0")]), 202),
            (adm.values_body(name, [v(1, "HS_SITE", site[:12])]), 202),
            (adm.values_body(name, [v(i + 1, "T", "") for i in range(2049)]), 202),
        ]
        for body, code in cases:
            with self.subTest(body=body[:80], code=code):
                self.assertEqual(c.begin(adm.CREATE, body).code, code)

    def test_record_stays_within_what_an_answer_can_carry(self):
        node = self.administered()
        owner, name = self.owner(node), PREFIX + "/large"
        owner.create(name, adm.admin(100, 0xfff, "302:" + OWNER), adm.value(1, "B", "x" * 200000))
        answer = owner.add(name, adm.value(2, "B", "x" * 100000))
        self.assertEqual(answer.code, 202)
        self.assertIn(b"bytes", answer.error_text())
        owner.create(PREFIX + "/many", adm.admin(5000, 0xfff, "302:" + OWNER),
                     *(adm.value(i + 1, "T", "") for i in range(2047)))
        self.assertEqual(owner.add(PREFIX + "/many", adm.value(3000, "T", "")).code, 202)
        self.assertEqual(owner.remove(PREFIX + "/many", *range(1, 2048)).code, 1)
        self.assertEqual(owner.add(PREFIX + "/many", adm.value(3000, "T", "")).code, 1)

    def test_add_that_overwrites_changes_and_adds(self):
        node = self.administered()
        owner, name = self.owner(node), PREFIX + "/o"
        owner.create(name, adm.value(1, "URL", "x"), adm.admin(100, 0xfff, "302:" + OWNER))
        first = owner.add(name, adm.value(2, "URL", "y"), flags=adm.OVERWRITE)
        self.assertEqual((first.code, first.flags & adm.OVERWRITE), (1, 0), "nothing was there")
        answer = owner.add(name, adm.value(1, "URL", "z"), adm.value(3, "URL", "n"),
                           flags=adm.OVERWRITE)
        self.assertEqual((answer.code, answer.flags & adm.OVERWRITE), (1, adm.OVERWRITE))
        _, values = node.resolve_udp(name).resolution()
        self.assertEqual([v.data for v in values[:3]], [b"z", b"y", b"n"])

    def test_public_write_needs_nobody_but_opens_no_door(self):
        node = self.administered()
        name = PREFIX + "/guestbook"
        self.store(node, {"handle": name, "values": [
            text_value(1, "DESC", "old", "1111"), text_value(2, "DESC", "kept"),
            text_value(3, "DESC", "frozen", "1011"),
            hex_value(4, "HS_ADMIN", adm.admin_data(1, OWNER, 302), "1111"),
            hex_value(100, "HS_ADMIN", adm.admin_data(0xfff, name, 0))]})
        c = self.client(node)
        self.assertEqual(c.modify(name, adm.value(1, "DESC", "new", 0x0f)).code, 1)
        items = harness.run_json("record", "history", node.dir, name)["items"]
        self.assertEqual(items[0]["actor"], "anybody")
        for values, code in (
                ([adm.value(2, "DESC", "new")], 402), ([adm.value(3, "DESC", "new")], 401),
                ([adm.value(1, "DESC", "a", 0x0f), adm.value(2, "DESC", "b")], 402),
                ([adm.value(1, "HS_ADMIN", adm.admin_data(0xfff, OWNER, 0), 0x0f)], 402),
                ([adm.admin(4, 0xfff, "0:" + OWNER)], 402),
                ([adm.value(1, "HS_SECKEY", "mine", 0x0f)], 402),
                ([adm.value(1, "HS_PUBKEY", vector("userpub.bin"), 0x0f)], 402)):
            self.assertEqual(c.modify(name, *values).code, code)
        self.assertEqual(c.remove(name, 1).code, 402, "to remove it takes somebody")

    def test_restricted_values_are_told_to_those_who_may_read(self):
        node = self.administered()
        name = PREFIX + "/mixed"
        self.store(node, {"handle": name, "values": [
            text_value(1, "URL", "open"), text_value(2, "NOTE", "internal", "1100"),
            text_value(3, "NOTE", "sealed", "0000"), text_value(4, "HS_SECKEY", "s", "1110"),
            hex_value(100, "HS_ADMIN", adm.admin_data(0x0400, OWNER, 302)),
            hex_value(101, "HS_ADMIN", adm.admin_data(0x03ff, OWNER, 300))]})
        c = self.owner(node)
        rsa = adm.PrivateKey("300:" + OWNER,
                             os.path.join(harness.VECTORS, "keys", "adminpriv.pem"))
        _, values = c.resolve(name, indexes=[1, 2, 4]).resolution()
        self.assertEqual([v.data for v in values], [b"open", b"internal", b"s"])
        self.assertEqual(c.resolve(name).code, 401, "nobody may read one of them")
        self.assertEqual(c.resolve(name, indexes=[2], key=rsa).code, 400)
        wrong = adm.SecretKey("302:" + OWNER, "wrong")
        self.assertEqual(c.resolve(name, indexes=[2], key=wrong).code, 403)
        stranger = self.client(node)
        self.assertEqual(stranger.resolve(name, indexes=[2]).code, 402)
        self.assertEqual(stranger.resolve(name, indexes=[1, 100]).code, 1)
        _, values = node.resolve_tcp(name).resolution()
        self.assertEqual([v.index for v in values], [1, 100, 101])

    def test_quota_is_refused_with_what_is_left(self):
        node = self.administered()
        harness.run("prefix", "home", node.dir, PREFIX, "--no-record", "--max-identifiers=1",
                    "--max-bytes=400")
        owner = self.owner(node)
        big = owner.create(PREFIX + "/q1", adm.value(1, "URL", "x" * 400))
        self.assertEqual((big.code, big.error_text()),
                         (604, b"quota of the prefix: 1 of 1 identifiers left, "
                               b"400 of 400 bytes left"))
        self.assertEqual(owner.create(PREFIX + "/q1", adm.value(1, "URL", "x")).code, 1)
        full = owner.create(PREFIX + "/q2", adm.value(1, "URL", "x"))
        self.assertEqual(full.code, 604)
        self.assertIn(b"0 of 1 identifiers left", full.error_text())

    def test_deleted_handle_stays_deleted_where_the_settings_say_so(self):
        node = self.node(prefix=PREFIX)
        node.setting("prefix", "reuse", "never")
        self.store(node, owner_record())
        node.start()
        owner = self.owner(node)
        values = (adm.value(1, "URL", "x"), adm.admin(100, 0xfff, "302:" + OWNER))
        self.assertEqual(owner.create(PREFIX + "/once", *values).code, 1)
        self.assertEqual(owner.delete(PREFIX + "/once").code, 1)
        answer = owner.create(PREFIX + "/once", *values)
        self.assertEqual(answer.code, 101)
        self.assertIn(b"deleted handle", answer.error_text())


class Lists(Administered):
    def test_names_come_in_fifties_and_the_last_message_says_so(self):
        node = self.administered()
        for count, messages in ((0, 1), (1, 1), (50, 1), (51, 2), (100, 2), (120, 3)):
            self.store(node, *({"handle": "%s/n%03d" % (PREFIX, i),
                                "values": [text_value(1, "URL", "x")]} for i in range(count)))
            answer, names, got = self.owner(node).names(adm.LIST, OWNER)
            self.assertEqual((answer.code, len(names), got), (1, count, messages))
            self.assertEqual(names, [b"%s/N%03d" % (PREFIX.encode(), i) for i in range(count)])

    def test_list_goes_on_beside_other_answers_for_one_who_logged_in(self):
        node = self.administered()
        self.store(node, *({"handle": "%s/%s%04d" % (PREFIX, "n" * 200, i),
                            "values": [text_value(1, "URL", "x")]} for i in range(4000)))
        owner = self.owner(node)
        self.assertEqual(owner.login().code, 1)
        # In one piece: else the list may be over before the other question comes.
        owner.send(owner.packet(adm.LIST, wire.text(OWNER)) +
                   owner.packet(1, wire.resolution_body(OWNER)))
        names, messages, before = [], 0, None
        while True:
            answer = owner.receive()
            if answer.opcode == 1:
                before = messages
                continue
            r = wire.Reader(answer.body)
            names += [r.text() for _ in range(r.number())]
            messages += 1
            if not answer.flags & adm.CONTINUED:
                break
        self.assertEqual((len(names), len(set(names)), messages), (4000, 4000, 80))
        self.assertLess(before, 80, "the other answer did not wait for the whole list")

    def test_list_needs_the_permission_the_prefix_and_the_switch(self):
        node = self.administered()
        harness.run("prefix", "home", node.dir, "88.1001")
        c = self.owner(node)
        self.assertEqual(c.names(adm.LIST, "0.NA/77.1")[0].code, 301)
        self.assertEqual(c.names(adm.LIST, "0.NA/88.1001")[0].code, 400)
        self.assertEqual(c.names(adm.LIST, PREFIX)[0].code, 1)
        self.store(node, owner_record(0x07ff))
        self.assertEqual(c.names(adm.LIST, OWNER)[0].code, 400)
        self.assertEqual(c.names(adm.DERIVED, OWNER)[0].code, 400)
        node.setting("admin", "allow_list_handles", "no")
        harness.run("node", "reload", node.dir)
        self.assertEqual(c.begin(adm.LIST, wire.text(OWNER)).code, 5)

    def test_derived_prefixes_are_those_right_below(self):
        node = self.administered()
        below = ["%s.%s" % (PREFIX, s) for s in ("1", "1.5", "2.7", "2.8", "A", "A.1", "A.2", "B")]
        self.store(node, *({"handle": "0.NA/" + p, "values": [text_value(1, "DESC", "x")]}
                           for p in below))
        _, names, _ = self.owner(node).names(adm.DERIVED, OWNER)
        self.assertEqual(names, [("0.NA/%s.%s" % (PREFIX, s)).encode() for s in "12AB"])


class Servers(Administered):
    def test_server_administrators_home_and_unhome(self):
        node = self.administered(server_admins="['302:%s']" % OWNER,
                                 home_only_admins="['300:%s']" % OWNER)
        c = self.owner(node)
        rsa = adm.PrivateKey("300:" + OWNER,
                             os.path.join(harness.VECTORS, "keys", "adminpriv.pem"))
        dsa = adm.PrivateKey("301:" + OWNER,
                             os.path.join(harness.VECTORS, "keys", "dsapriv.pkcs8.der"), True)
        self.assertEqual(c.begin(adm.HOME, wire.text("88.1000/x")).code, 102)
        self.assertEqual(c.begin(adm.HOME, wire.text("0.NA/88.1000.7")).code, 402)
        self.assertEqual(c.ask(adm.HOME, wire.text("0.NA/88.1000.7"), key=dsa).code, 400)
        for name in ("0.NA/88.1000.7", "88.1000.7", "88.1000.8"):
            self.assertEqual(c.ask(adm.HOME, wire.text(name), key=rsa).code, 1)
        _, names, _ = c.names(adm.HOMED, "/")
        self.assertEqual(names, [b"0.NA/88.1000", b"0.NA/88.1000.7", b"0.NA/88.1000.8"])
        self.assertEqual(node.resolve_udp("88.1000.7/x").code, 100)
        self.assertEqual(c.ask(adm.UNHOME, wire.text("88.1000.7")).code, 1)
        self.assertEqual(c.ask(adm.UNHOME, wire.text("0.NA/88.1000.7")).code, 1)
        self.assertEqual(c.ask(adm.UNHOME, wire.text("77.1")).code, 301)
        self.assertEqual(node.resolve_udp("88.1000.7/x").code, 301)
        _, names, _ = c.names(adm.HOMED, "/")
        self.assertEqual(names, [b"0.NA/88.1000", b"0.NA/88.1000.8"])

    def test_full_access_is_off_unless_it_is_on(self):
        node = self.administered(server_admins="['302:%s']" % OWNER)
        harness.run("prefix", "home", node.dir, "88.1001", "--no-record")
        self.store(node, {"handle": "88.1001/x", "values": [
            text_value(1, "URL", "x"), text_value(2, "URL", "locked", "1010")]})
        c = self.owner(node)
        self.assertEqual(c.modify("88.1001/x", adm.value(1, "URL", "y")).code, 400)
        self.assertEqual(c.create("88.1001/z", adm.value(1, "URL", "y")).code, 400)
        node.setting("admin", "full_access", "yes")
        harness.run("node", "reload", node.dir)
        self.assertEqual(c.modify("88.1001/x", adm.value(1, "URL", "y")).code, 1)
        self.assertEqual(c.create("88.1001/z", adm.value(1, "URL", "y")).code, 1)
        self.assertEqual(c.modify("88.1001/x", adm.value(2, "URL", "y")).code, 401)

    def test_top_level_prefix_is_created_by_those_above_it(self):
        node = self.administered()
        rsa = adm.PrivateKey("300:" + OWNER,
                             os.path.join(harness.VECTORS, "keys", "adminpriv.pem"))
        c = self.owner(node)
        site = adm.value(1, "URL", "http://77/")
        self.assertEqual(c.create("0.NA/77", site).code, 301)
        for name in ("0.NA", "77"):
            harness.run("prefix", "home", node.dir, name, "--no-record")
        self.assertEqual(c.create("0.NA/77", site).code, 400, "nobody is above it")
        self.store(node, {"handle": "0.NA/0.NA", "values": [
            hex_value(100, "HS_ADMIN", adm.admin_data(0x001, OWNER, 302)),
            hex_value(101, "HS_ADMIN", adm.admin_data(0xffe, OWNER, 300))]})
        self.assertEqual(c.create("0.NA/77", site, key=rsa).code, 400, "ADD_NA is for derived ones")
        self.assertEqual(node.resolve_udp("0.NA/77").code, 100)
        self.assertEqual(c.create("0.NA/77", site).code, 1)
        self.assertEqual(node.resolve_udp("0.NA/77").code, 1)
        self.assertEqual(c.create("0.NA/77", site).code, 101)

    def test_full_store_refuses_writes_and_keeps_answering(self):
        node = self.node(prefix=PREFIX)
        for key, value in {"map_size": "1M", "reserve": "1M", "map_max": "2M"}.items():
            node.setting("store", key, value)
        self.store(node, owner_record())
        node.start()
        c = self.owner(node)
        large = adm.value(1, "DESC", "x" * 30000)
        count = 0
        while (answer := c.create("%s/f%d" % (PREFIX, count), large)).code == 1 and count < 2000:
            count += 1
        self.assertEqual((answer.code, answer.error_text()), (3, b"storage is full"))
        last = "%s/f%d" % (PREFIX, count)
        self.assertEqual(node.resolve_udp(last).code, 100)
        self.assertEqual(node.resolve_udp(PREFIX + "/f0").code, 1)
        node.setting("store", "map_max", "64M")
        harness.run("node", "reload", node.dir)
        self.assertEqual(c.create(last, large).code, 1, "not 101: nothing of it was kept")

    def test_status_is_told_to_its_administrators(self):
        node = self.administered(status_admins="['302:%s']" % OWNER)
        c = self.owner(node)
        handle, values = c.resolve("0.SITE/status").resolution()
        self.assertEqual((handle, values[0].type), (b"0.SITE/status", b"CNRI.SERVER_STATUS"))
        self.assertEqual(c.names(adm.HOMED, "/")[0].code, 400)


class Groups(Administered):
    def test_groups_are_followed_within_bounds(self):
        node = self.administered()

        def group(name, *references):
            return {"handle": "%s/%s" % (PREFIX, name),
                    "values": [hex_value(200, "HS_VLIST", adm.vlist_data(*references), "1100")]}

        def thing(name, reference):
            index, handle = reference.split(":", 1)
            return {"handle": "%s/%s" % (PREFIX, name), "values": [
                text_value(1, "URL", "x"),
                hex_value(100, "HS_ADMIN", adm.admin_data(0xfff, handle, int(index)))]}

        me, at = "302:" + OWNER, "200:%s/" % PREFIX
        chain = [group("c%d" % i, at + "c%d" % (i + 1)) for i in range(1, 12)]
        self.store(
            node, group("mine", me), group("Case", "302:" + OWNER.lower()),
            group("any", "0:" + OWNER), group("outer", at + "nobody", at + "MINE"),
            group("cycle", at + "cycle2"), group("cycle2", at + "cycle", at + "cycle2"),
            group("wide", *([at + "none%d" % i for i in range(60)] + [at + "mine"])),
            group("direct", *(["300:x/%d" % i for i in range(5000)] + [me])),
            *chain, group("c12", me),
            thing("t-mine", at + "mine"), thing("t-case", at + "case"),
            thing("t-any", at + "any"), thing("t-outer", at + "outer"),
            thing("t-zero", "0:%s/mine" % PREFIX), thing("t-cycle", at + "cycle"),
            thing("t-wide", at + "wide"), thing("t-direct", at + "direct"),
            thing("t-short", at + "c4"), thing("t-long", at + "c1"),
            thing("t-wrong", "201:%s/mine" % PREFIX))
        owner = self.owner(node)
        for name, code in (("mine", 1), ("case", 1), ("any", 1), ("outer", 1), ("zero", 400),
                           ("cycle", 400), ("wide", 400), ("direct", 1), ("short", 1),
                           ("long", 400), ("wrong", 400)):
            with self.subTest(name):
                answer = owner.modify("%s/t-%s" % (PREFIX, name), adm.value(1, "URL", "y"))
                self.assertEqual(answer.code, code)


def permissions():
    """[(operation, bits in the record, bits in the prefix)] of the hand-written table."""
    rows = []
    with open(os.path.join(harness.VECTORS, "permissions.txt"), encoding="utf-8") as f:
        for line in f:
            if line[0] not in "#\n":
                operation, *cells = line.split()
                rows.append((operation, *(sum(1 << i for i, c in enumerate(cells) if c == where)
                                          for where in "rp")))
    return rows


class Permissions(Administered):
    """Every operation with every single permission missing, from the request to the store."""

    ALL = 0x1fff
    USER, OTHER = "300:88.1000/user", "300:88.1000/other"
    PREFIX, RECORD, NEW = "0.NA/88.1001", "88.1001/t", "88.1001/new"
    DERIVED = "0.NA/88.1001.5"

    def stored(self, bits, locked):
        return [adm.value(1, "URL", "a"), adm.value(2, "URL", "a", 0x0f),
                adm.admin(100, bits, self.USER), adm.admin(101, self.ALL, self.OTHER),
                *([adm.value(3, "URL", "a", 0x0a)] if locked else []),
                adm.value(4, "NOTE", "restricted", 0x0c)]

    def perform(self, client, operation, bits):
        value, opened = adm.value(1, "URL", "b"), adm.value(2, "URL", "b", 0x0f)
        admin, fresh = adm.admin(101, 1, self.OTHER), adm.value(50, "URL", "b")
        plain_101, admin_1, admin_2 = (adm.value(101, "URL", "b"), adm.admin(1, 1, self.OTHER),
                                       adm.admin(2, 1, self.OTHER))
        locked = self.stored(bits, True)
        new_admin, key = adm.admin(102, 1, self.OTHER), adm.value(2, "HS_SECKEY", "k", 0x0f)
        over, name = adm.OVERWRITE, self.RECORD
        stored = self.stored(bits, False)
        return {
            "create": lambda: client.create(self.NEW, value),
            "create-derived": lambda: client.create(self.DERIVED, value),
            "delete": lambda: client.delete(name),
            "add-value": lambda: client.add(name, fresh),
            "add-admin": lambda: client.add(name, new_admin),
            "add-both": lambda: client.add(name, new_admin, fresh),
            "add-over-value": lambda: client.add(name, value, flags=over),
            "add-over-and-new": lambda: client.add(name, value, fresh, flags=over),
            "add-over-admin": lambda: client.add(name, admin, flags=over),
            "remove-value": lambda: client.remove(name, 1),
            "remove-admin": lambda: client.remove(name, 101),
            "remove-both": lambda: client.remove(name, 101, 1),
            "remove-open": lambda: client.remove(name, 2),
            "modify-value": lambda: client.modify(name, value),
            "modify-admin": lambda: client.modify(name, admin),
            "modify-admin-to-value": lambda: client.modify(name, plain_101),
            "modify-value-to-admin": lambda: client.modify(name, admin_1),
            "modify-open": lambda: client.modify(name, opened),
            "modify-open-to-admin": lambda: client.modify(name, admin_2),
            "modify-open-to-key": lambda: client.modify(name, key),
            "modify-open-and-value": lambda: client.modify(name, opened, value),
            "overwrite-value": lambda: client.create(name, value, *stored[1:], flags=over),
            "overwrite-everything": lambda: client.create(name, value, fresh, stored[2], new_admin,
                                                          flags=over),
            "overwrite-locked": lambda: client.create(
                name, *locked[:4], adm.value(3, "URL", "b", 0x0a), flags=over),
            "read": lambda: client.resolve(name),
            "list-handles": lambda: client.names(adm.LIST, self.PREFIX)[0],
            "list-derived": lambda: client.names(adm.DERIVED, self.PREFIX)[0],
        }[operation]().code

    def test_every_missing_permission_is_missed(self):
        node = self.administered(server_admins="['302:%s']" % OWNER, full_access="yes")
        harness.run("prefix", "home", node.dir, "88.1001", "--no-record")
        self.store(node, {"handle": "88.1000/user",
                          "values": [text_value(300, "HS_SECKEY", "user's own", "1100")]})
        root, user = self.owner(node), self.client(node, adm.SecretKey(self.USER, "user's own"))
        self.assertEqual((root.login().code, user.login().code), (1, 1))
        rows, tried, refused = permissions(), 0, 0

        def attempt(operation, in_record, in_prefix):
            expected = any(o == operation and r & in_record == r and p & in_prefix == p
                           for o, r, p in rows)
            locked = operation == "overwrite-locked"
            for name, values in ((self.RECORD, self.stored(in_record, locked)),
                                 (self.PREFIX, [adm.admin(100, in_prefix, self.USER)])):
                self.assertEqual(root.create(name, *values, flags=adm.OVERWRITE).code, 1)
            code = self.perform(user, operation, in_record)
            if code == 1 and operation.startswith("create"):
                root.delete(self.NEW if operation == "create" else self.DERIVED)
            no = 401 if locked else 400
            self.assertEqual(code, 1 if expected else no,
                             "%s %04x %04x" % (operation, in_record, in_prefix))
            return expected

        for operation, in_record, in_prefix in rows:
            with self.subTest(operation):
                attempt(operation, in_record, in_prefix)
                for bit in range(13):
                    rest = self.ALL & ~(1 << bit)
                    refused += not attempt(operation, rest, rest)
                    tried += 1
        self.assertEqual(tried, 13 * len(rows))
        self.assertEqual(refused, 30, "cells that matter, of lines without alternative")


class Together(Administered):
    def test_concurrent_changes_of_one_record_all_count(self):
        node = self.administered()
        name, clients, rounds = PREFIX + "/shared", 8, 12
        self.owner(node).create(name, adm.admin(100, 0xfff, "302:" + OWNER))
        done, failed, busy = [], [], []

        def work(n):
            with adm.Client(node.address, adm.SecretKey("302:" + OWNER, SECRET)) as c:
                for i in range(rounds):
                    index = 1000 + n * rounds + i
                    answer = c.add(name, adm.value(index, "URL", str(index)))
                    while answer.code == 3:  # busy: it met others too often
                        busy.append(index)
                        answer = c.add(name, adm.value(index, "URL", str(index)))
                    (done if answer.code == 1 else failed).append((index, answer.code))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failed, [])
        self.assertEqual(len(done), clients * rounds)
        self.assertLess(len(busy), clients, "hardly anybody is told so")
        node.stop(signal.SIGKILL)
        node.start()
        kept = {v["index"] for v in self.shown(node, name)["values"]}
        self.assertEqual({index for index, _ in done} - kept, set(), "acknowledged, so kept")
        harness.run("journal", "verify", node.dir)


class Exchanges(Administered):
    def answer_to(self, packet, node):
        """The code a packet gets on a connection of its own; None: none, or it is closed."""
        with adm.Client(node.address, timeout=1) as other:
            other.send(bytes(packet))
            try:
                return other.receive().code
            except (EOFError, TimeoutError, ConnectionError):
                return None

    # Of an answer to a challenge, these bytes say nothing about who answers what: versions,
    # request id, sequence, flags, serial, hops and expiration (protocol §4.2).
    FREE = [*range(0, 4), *range(8, 16), *range(28, 40)]

    def test_every_altered_byte_of_an_answer_is_refused(self):
        node = self.administered()
        client = self.owner(node)
        body = adm.values_body(PREFIX + "/altered", [adm.value(1, "URL", "x")])
        whole = len(client.answer_packet(client.begin(adm.CREATE, body)))
        for at in range(whole):
            if at not in self.FREE:
                packet = bytearray(client.answer_packet(client.begin(adm.CREATE, body)))
                packet[at] ^= 1
                self.assertNotEqual(self.answer_to(packet, node), 1, "byte %d" % at)
        self.assertEqual(node.resolve_udp(PREFIX + "/altered").code, 100)
        sound = client.answer_packet(client.begin(adm.CREATE, body))
        self.assertEqual(self.answer_to(sound, node), 1, "unaltered, it is taken")

    def test_altered_request_is_not_what_was_answered(self):
        """The challenge is of the request as it came: an answer made for another is wrong."""
        node = self.administered()
        client = self.owner(node)
        body = adm.values_body(PREFIX + "/req", [adm.value(1, "URL", "meant")])
        meant = client.packet(adm.CREATE, body)
        for at in range(20, len(meant) - 4):
            packet = bytearray(meant)
            packet[at] ^= 1
            with adm.Client(node.address, client.key) as other:
                other.send(bytes(packet))
                try:
                    challenge = other.receive()
                except EOFError:
                    continue  # no request at all
                if challenge.code != 402:
                    continue
                digest = wire.digest_of(meant)[1:]
                self.assertNotEqual(challenge.digest[1:], digest)
                nonce = wire.Reader(challenge.body).text()
                signed = client.key.sign(nonce, digest, (2, 11))
                other.send(other.packet(adm.ANSWER, adm.answer_body(client.key, signed),
                                        session=challenge.session))
                self.assertNotEqual(other.receive().code, 1, at)
        self.assertEqual(self.owner(node).names(adm.LIST, OWNER)[1], [])

    def test_answers_cannot_be_replayed_or_swapped(self):
        node = self.administered()
        client = self.owner(node)
        bodies = [adm.values_body("%s/s%d" % (PREFIX, i), [adm.value(1, "URL", "x")])
                  for i in range(2)]
        challenges = [client.begin(adm.CREATE, b) for b in bodies]
        answers = [client.answer_packet(c) for c in challenges]
        swapped = bytearray(answers[0])
        swapped[4:8] = answers[1][4:8]
        with adm.Client(node.address) as other:
            other.send(bytes(swapped))
            self.assertEqual(other.receive().code, 403)
            other.send(answers[1])
            self.assertEqual(other.receive().code, 405, "the challenge is used up")
            other.send(answers[0])
            self.assertEqual(other.receive().code, 1)
        client.delete(PREFIX + "/s0")
        late = bytearray(answers[0])
        late[8:12] = b"\x7f\0\0\1"
        with adm.Client(node.address) as other:
            other.send(bytes(late))
            self.assertEqual(other.receive().code, 405)
        self.assertEqual(node.resolve_udp(PREFIX + "/s1").code, 100)


if __name__ == "__main__":
    unittest.main()
