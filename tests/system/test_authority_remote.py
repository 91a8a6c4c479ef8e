# SPDX-License-Identifier: Apache-2.0
"""Keys and groups that live on other nodes: who proves to be somebody by them, and what he may do.
A top-level node and two secondary ones, each a real guantongd on an address of its own."""

import json
import os
import time
import unittest

import administrator as adm
import harness
import test_administration as base
import test_upstream
import wire

HERE, THERE, GONE = "88.608", "88.700", "88.701"
USER, MEMBER, OTHER = "300:88.700/User", "302:88.608/member", "302:88.608/other"
SECRETS = {MEMBER: "the member's secret", OTHER: "the other's secret"}
AT = "200:%s/" % THERE


def group(*references, permissions="1110", ttl=86400):
    return {**base.hex_value(200, "HS_VLIST", adm.vlist_data(*references), permissions), "ttl": ttl}


def owned(*references, bits=0x0fff):
    """A record that all of these may administer."""
    pairs = [r.split(":", 1) for r in references]
    return [base.text_value(1, "URL", "x"), base.text_value(2, "NOTE", "restricted", "1100"),
            *(base.hex_value(100 + i, "HS_ADMIN", adm.admin_data(bits, handle, int(index)))
              for i, (index, handle) in enumerate(pairs))]


def put(node, handle, values):
    line = json.dumps({"handle": handle, "values": values}) + "\n"
    harness.run("record", "put", node.dir, "-", stdin=line.encode())


class Nodes:
    def __init__(self, **settings):
        self.all = []
        self.above = self.make("88", "127.0.89.1")
        self.here = self.make(HERE, "127.0.89.2")
        self.there = self.make(THERE, "127.0.89.3")
        self.here.setting("upstream", "servers", "['%s:%d']" % self.above.address)
        for key, value in settings.items():
            section, name = key.split("__")
            self.here.setting(section, name, value)
        for prefix, node in ((HERE, self.here), (THERE, self.there)):
            put(self.above, "0.NA/" + prefix, [
                {"index": 1, "type": "HS_SITE", "data": test_upstream.site_of(node, prefix)}])
        for handle, secret in SECRETS.items():
            put(self.here, handle.split(":")[1], [
                base.text_value(302, "HS_SECKEY", secret, "1100")])
        put(self.there, "88.700/User", [
            base.hex_value(300, "HS_PUBKEY", base.vector("userpub.bin")),
            base.hex_value(303, "HS_PUBKEY", base.vector("adminpub.bin"))])
        for node in self.all:
            node.start()

    def make(self, prefix, address):
        node = harness.Node(prefix=prefix, listen=(address,))
        self.all.append(node)
        return node

    def close(self):
        for node in self.all:
            node.close()


class Remote(unittest.TestCase):
    SETTINGS = {}

    @classmethod
    def setUpClass(cls):
        cls.nodes = Nodes(**cls.SETTINGS)
        cls.addClassCleanup(cls.nodes.close)
        cls.here, cls.there = cls.nodes.here, cls.nodes.there

    def client(self, reference=None, **more):
        key = reference and adm.SecretKey(reference, SECRETS.get(reference, "no such secret"))
        client = adm.Client(self.here.address, key, **more)
        self.addCleanup(client.close)
        return client

    def user(self, index=300, file="userpriv.pem"):
        return adm.PrivateKey("%d:88.700/User" % index,
                              os.path.join(harness.VECTORS, "keys", file))

    def thing(self, *references, **more):
        name = "%s/%s" % (HERE, self.id().rsplit(".", 1)[1])
        put(self.here, name, owned(*references, **more))
        return name

    def change(self, client, name, key=None):
        return client.modify(name, adm.value(1, "URL", str(time.monotonic())), key=key).code

    def asked(self, node=None):
        return test_upstream.metric(node or self.there, "requests")


class Keys(Remote):
    def test_key_of_another_node_proves_who_asks(self):
        name = self.thing(USER)
        c = self.client()
        self.assertEqual(self.change(c, name, self.user()), 1)
        self.assertEqual(self.change(c, name, self.user(file="adminpriv.pem")), 403)
        items = harness.run_json("record", "history", self.here.dir, name)["items"]
        self.assertEqual(items[0]["actor"], USER)

    def test_key_without_index_is_the_one_that_proves_right(self):
        name = self.thing(USER)
        c = self.client()
        self.assertEqual(self.change(c, name, self.user(0)), 1)
        self.assertEqual(self.change(c, name, self.user(0, "adminpriv.pem")), 400)

    def test_key_that_is_nowhere_cannot_vouch(self):
        for reference in ("300:88.700/nobody", "300:88.999/x", "7:88.700/User"):
            with self.subTest(reference):
                name = self.thing(reference)
                key = self.user()
                key.index, key.handle = reference.split(":")
                self.assertEqual(self.change(self.client(), name, key), 406)

    def test_key_is_asked_for_once_and_then_kept(self):
        name = self.thing(USER)
        c = self.client()
        self.assertEqual(self.change(c, name, self.user()), 1)
        before = self.asked()
        for _ in range(3):
            self.assertEqual(self.change(c, name, self.user()), 1)
        self.assertEqual(self.asked(), before)

    def test_login_by_a_key_of_another_node(self):
        name = self.thing(USER)
        c = self.client()
        self.assertEqual(c.login(self.user()).code, 1)
        self.assertEqual(self.change(c, name), 1)


class Secrets(Remote):
    """A secret key is judged by the node it lives on, which signs what it says."""

    REMOTE = "302:88.700/Secretary"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        put(cls.there, "88.700/Secretary", [
            base.text_value(i, "HS_SECKEY", "kept there %d" % i, "1100") for i in (302, 303)])

    def key(self, secret, index=302):
        return adm.SecretKey("%d:88.700/Secretary" % index, secret)

    def test_secret_of_another_node_proves_who_asks(self):
        name = self.thing(self.REMOTE)
        c = self.client()
        self.assertEqual(self.change(c, name, self.key("kept there 302")), 1)
        self.assertEqual(self.change(c, name, self.key("kept there 303")), 403)
        self.assertEqual(self.change(c, name, self.key("a guess")), 403)

    def test_secret_without_index_has_what_any_of_them_has(self):
        one, any_ = self.thing(self.REMOTE), HERE + "/any"
        put(self.here, any_, owned("0:88.700/Secretary"))
        c = self.client()
        self.assertEqual(self.change(c, any_, self.key("kept there 303", 0)), 1)
        self.assertEqual(self.change(c, one, self.key("kept there 302", 0)), 400)

    def test_secret_that_is_nowhere_cannot_vouch(self):
        for handle in ("88.700/nobody", "88.999/x", "0.NA/88.700"):
            with self.subTest(handle):
                name = self.thing("302:" + handle)
                key = adm.SecretKey("302:" + handle, "x")
                self.assertEqual(self.change(self.client(), name, key), 406)


class Groups(Remote):
    def test_group_of_another_node_gives_its_members_the_right(self):
        put(self.there, "88.700/team", [group(MEMBER)])
        name = self.thing(AT + "team")
        self.assertEqual(self.change(self.client(MEMBER), name), 1)
        self.assertEqual(self.change(self.client(OTHER), name), 400)

    def test_nobody_is_asked_before_the_caller_has_proved_who_he_is(self):
        put(self.there, "88.700/shy", [group(MEMBER)])
        name = self.thing(AT + "shy")
        before = self.asked()
        wrong = adm.SecretKey(MEMBER, "wrong")
        self.assertEqual(self.change(self.client(), name, wrong), 403)
        self.assertEqual(self.asked(), before)
        self.assertEqual(self.change(self.client(MEMBER), name), 1)
        self.assertGreater(self.asked(), before)

    def test_groups_may_lead_from_node_to_node(self):
        put(self.there, "88.700/outer", [group("300:x/y", "200:88.608/middle")])
        put(self.here, "88.608/middle", [group(AT + "inner")])
        put(self.there, "88.700/inner", [group(MEMBER)])
        name = self.thing(AT + "outer")
        self.assertEqual(self.change(self.client(MEMBER), name), 1)

    def test_circle_of_groups_over_nodes_ends(self):
        put(self.there, "88.700/ring", [group("200:88.608/ring")])
        put(self.here, "88.608/ring", [group(AT + "ring", AT + "ring2")])
        put(self.there, "88.700/ring2", [group(AT + "ring")])
        self.assertEqual(self.change(self.client(MEMBER), self.thing(AT + "ring")), 400)

    def test_only_so_many_groups_are_asked_for(self):
        for i in range(30):
            put(self.there, "88.700/many%d" % i, [group("300:x/y")])
        put(self.there, "88.700/last", [group(MEMBER)])
        name = self.thing(*[AT + "many%d" % i for i in range(30)], AT + "last")
        before = test_upstream.metric(self.here, "elsewhere_asked")
        self.assertEqual(self.change(self.client(MEMBER), name), 400)
        self.assertEqual(test_upstream.metric(self.here, "elsewhere_asked") - before, 16)

    def test_group_that_not_everybody_may_read_gives_no_right(self):
        put(self.there, "88.700/closed", [group(MEMBER, permissions="1100")])
        self.assertEqual(self.change(self.client(MEMBER), self.thing(AT + "closed")), 400)

    def test_right_found_here_waits_for_nobody(self):
        name = self.thing("200:%s/x" % GONE, MEMBER)
        start = time.monotonic()
        self.assertEqual(self.change(self.client(MEMBER), name), 1)
        self.assertLess(time.monotonic() - start, 2)

    def test_group_that_never_answers_holds_nobody_up_who_is_in_another(self):
        """What comes home when the write is on its way changes nothing."""
        mute = test_upstream.Counting("127.0.89.9")
        self.addCleanup(mute.socket.close)
        put(self.nodes.above, "0.NA/88.702", [base.hex_value(1, "HS_SITE", mute.site())])
        put(self.there, "88.700/quick", [group(MEMBER)])
        name = self.thing("200:88.702/mute", AT + "quick")
        c, start = self.client(MEMBER), time.monotonic()
        for _ in range(5):
            self.assertEqual(self.change(c, name), 1)
        self.assertLess(time.monotonic() - start, 3)
        self.assertEqual(self.change(self.client(OTHER), name), 400)
        self.assertGreater(time.monotonic() - start, 3, "he had to wait for the other group")
        items = harness.run_json("record", "history", self.here.dir, name)["items"]
        self.assertEqual(len(items), 6)
        harness.run("journal", "verify", self.here.dir)

    def test_every_operation_counts_groups_of_other_nodes(self):
        put(self.there, "88.700/all", [group(MEMBER)])
        name = self.thing(AT + "all")
        c = self.client(MEMBER)
        self.assertEqual(c.add(name, adm.value(5, "DESC", "y")).code, 1)
        self.assertEqual(c.remove(name, 5).code, 1)
        answer = c.create(name, adm.value(1, "URL", "z"), adm.value(2, "NOTE", "n", 0x0c),
                          adm.admin(100, 0xfff, AT + "all"), flags=adm.OVERWRITE)
        self.assertEqual(answer.code, 1)
        _, values = c.resolve(name).resolution()
        self.assertEqual([v.data for v in values[:2]], [b"z", b"n"])
        self.assertEqual(self.client(OTHER).resolve(name).code, 400)
        self.assertEqual(c.delete(name).code, 1)

    def test_prefix_record_may_name_a_group_of_another_node(self):
        put(self.there, "88.700/creators", [group(MEMBER)])
        harness.run("prefix", "home", self.here.dir, "88.608.3", "--no-record")
        put(self.here, "0.NA/88.608.3", owned(AT + "creators", bits=0x1fff))
        c = self.client(MEMBER)
        self.assertEqual(c.create("88.608.3/a", adm.value(1, "URL", "x")).code, 1)
        first, names, _ = c.names(adm.LIST, "0.NA/88.608.3")
        self.assertEqual((first.code, names), (1, [b"88.608.3/A"]))
        self.assertEqual(self.client(OTHER).create("88.608.3/b", adm.value(1, "URL", "x")).code,
                         400)

    def test_logged_in_national_reader_is_entitled_by_a_group(self):
        put(self.there, "88.700/readers", [group(MEMBER)])
        name = self.thing(AT + "readers")
        for who, indexes in ((MEMBER, [1, 2, 100]), (OTHER, [1, 100])):
            c = self.client(who, version=(2, 3), suggested=(2, 10))
            body = wire.text(c.key.handle) + (302).to_bytes(4, "big")
            challenge = c.begin(adm.LOGIN, body, wire.RD)
            digest, nonce = adm.challenge_of(challenge)
            c.send(c.packet(adm.ANSWER, adm.answer_body(c.key, c.key.sign(nonce, digest, (2, 3))),
                            session=challenge.session))
            self.assertEqual(c.receive().code, 1)
            _, values = c.begin(1, wire.resolution_body(name), 0).resolution()
            self.assertEqual([v.index for v in values], indexes)


class Administrators(Remote):
    SETTINGS = {"admin__server_admins": "['%sadmins']" % AT}

    def test_server_administrators_may_be_a_group_of_another_node(self):
        put(self.there, "88.700/admins", [group(MEMBER)])
        self.assertEqual(self.client(MEMBER).ask(adm.HOME, wire.text("88.608.5")).code, 1)
        self.assertEqual(self.client(OTHER).ask(adm.HOME, wire.text("88.608.6")).code, 400)


class Passing(Remote):
    """Nodes that go, rights that end."""

    SETTINGS = {"auth__key_cache": "1s"}

    def test_right_ends_with_the_membership_and_with_the_node(self):
        put(self.there, "88.700/brief", [group(MEMBER)])
        name = self.thing(AT + "brief")
        c = self.client(MEMBER)
        self.assertEqual(self.change(c, name), 1)
        put(self.there, "88.700/brief", [group(OTHER)])
        time.sleep(1.2)
        self.assertEqual(self.change(c, name), 400)
        put(self.there, "88.700/brief", [group(MEMBER)])
        time.sleep(1.2)
        self.assertEqual(self.change(c, name), 1)
        self.there.stop()
        time.sleep(1.2)
        start = time.monotonic()
        self.assertEqual(self.change(c, name), 400)
        self.assertLess(time.monotonic() - start, 6)
        self.assertGreater(test_upstream.metric(self.here, "elsewhere_missing"), 0)
        both = HERE + "/both"
        put(self.here, both, owned(AT + "brief", MEMBER))
        self.assertEqual(self.change(c, both), 1)
        self.there.start()


class Stopping(Remote):
    def test_node_that_stops_while_it_asks_leaves_nothing_behind(self):
        mute = test_upstream.Counting("127.0.89.9")
        self.addCleanup(mute.socket.close)
        put(self.nodes.above, "0.NA/88.702", [base.hex_value(1, "HS_SITE", mute.site())])
        name = self.thing("200:88.702/mute", "200:88.702/mute2")
        self.here.stop()
        self.here.setting("node", "drain_timeout", "1s")
        self.here.start()
        c = self.client(MEMBER)
        challenge = c.begin(adm.MODIFY, adm.values_body(name, [adm.value(1, "URL", "y")]))
        c.send(c.answer_packet(challenge))
        deadline = time.monotonic() + 10
        while test_upstream.metric(self.here, "elsewhere_asked") < 2:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.assertEqual(self.here.stop(), 0)
        self.here.start()
        _, values = self.here.resolve_tcp(name).resolution()
        self.assertEqual(values[0].data, b"x")


class Strangers(Remote):
    SETTINGS = {"limits__trusted_networks": "[]", "limits__elsewhere": "3"}

    def test_strangers_make_us_ask_so_often_a_minute(self):
        codes = []
        name = self.thing(*["300:88.700/nobody%d" % i for i in range(8)])
        for i in range(8):
            key = self.user()
            key.handle = "88.700/nobody%d" % i
            codes.append(self.change(self.client(), name, key))
        # A minute may begin in between.
        self.assertLessEqual(codes.count(406), 6, codes)
        self.assertGreaterEqual(codes.count(3), 2, codes)
        self.assertLessEqual(test_upstream.metric(self.here, "elsewhere_asked"), 6)
        self.assertGreaterEqual(test_upstream.metric(self.here, "elsewhere_refused"), 2)


del Remote  # has no tests of its own

if __name__ == "__main__":
    unittest.main()
