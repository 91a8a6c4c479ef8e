# SPDX-License-Identifier: Apache-2.0
"""`guantong remote` and `guantong key` against a real node: every verb, every kind of key, and what
is refused."""

import base64
import json
import os
import stat

import harness

PREFIX = "88.1000"
USER = PREFIX + "/User_li"
PART = PREFIX + "/P-1"


class Remote(harness.NodeTest):

    def setUp(self):
        self.server = self.node(prefix=PREFIX).start()
        self.env = {"XDG_CONFIG_HOME": self.path("config")}
        self.at = "@127.0.0.1:%d" % self.server.port
        values = []
        for index, kind in ((300, "rsa"), (301, "secret"), (302, "sm2"), (303, "p256")):
            harness.run("key", "new", self.path(kind), "--type", kind)
            words = ["--secret"] if kind == "secret" else []
            shown = harness.run("key", "show", self.path(kind), *words, "--for", "record",
                                "--handle", "%d:%s" % (index, USER))
            values.append(json.loads(shown.stdout))
        self.stored({"handle": USER, "values": values})
        self.login("site")

    def path(self, name):
        return os.path.join(self.server.holder.name, name)

    def stored(self, record):
        harness.run("record", "put", self.server.dir, "-", stdin=(json.dumps(record) + "\n").encode())

    def login(self, who, code=0):
        words = {"site": ["--key", os.path.join(self.server.dir, "keys/site.pem"),
                          "--identity", "300:0.NA/" + PREFIX],
                 "rsa": ["--key", self.path("rsa"), "--identity", "300:" + USER],
                 "secret": ["--secret-file", self.path("secret"), "--identity", "301:" + USER],
                 "sm2": ["--key", self.path("sm2"), "--identity", "302:" + USER],
                 "p256": ["--key", self.path("p256"), "--identity", "303:" + USER],
                 "wrong": ["--key", self.path("sm2"), "--identity", "300:" + USER]}[who]
        return harness.run("remote", "login", self.at, *words, env=self.env, code=code)

    def remote(self, *words, code=0, stdin=None):
        return harness.run("remote", *words, env=self.env, code=code,
                           stdin=None if stdin is None else stdin.encode())

    def part(self, *values):
        return json.dumps({"handle": PART, "values": list(values)}) + "\n"

    def owned(self):
        """P-1 with an administrator for each of the user's keys."""
        return self.part({"index": 1, "type": "URL", "data": "https://example.cn/1"}, *(
            {"index": 100 + i, "type": "HS_ADMIN", "data": {"format": "admin", "value": {
                "handle": USER, "index": 300 + i, "permissions": "011111110011"}}}
            for i in range(4)))

    def shown(self):
        return harness.run_json("record", "show", self.server.dir, PART)


class Verbs(Remote):

    def test_each_verb_does_what_it_says(self):
        self.remote("create", "-", stdin=self.owned())
        self.assertEqual(len(self.shown()["values"]), 5)
        self.login("rsa")
        self.remote("modify", "-", stdin=self.part(
            {"index": 1, "type": "URL", "data": "https://example.cn/2"}))
        self.remote("add", "-", stdin=self.part({"index": 2, "type": "DESC", "data": "轴承"}))
        self.assertEqual([v["data"]["value"] for v in self.shown()["values"] if v["index"] < 100],
                         ["https://example.cn/2", "轴承"])
        self.remote("rm", PART, "--index", "2", "--yes")
        self.assertEqual([v["index"] for v in self.shown()["values"]], [1, 100, 101, 102, 103])
        self.remote("put", "-", stdin=self.owned())
        self.assertEqual(self.shown()["values"][0]["data"]["value"], "https://example.cn/1")
        self.remote("rm", PART, "--yes")
        harness.run("record", "show", self.server.dir, PART, code=1)

    def test_journal_names_who_and_from_where(self):
        self.remote("create", "-", stdin=self.owned())
        entry = harness.run("journal", "tail", self.server.dir, "-n", "1", "--json").stdout
        self.assertIn("300:0.NA/" + PREFIX, entry)
        self.assertIn("127.0.0.1", entry)

    def test_minted_name_is_told(self):
        made = json.loads(self.remote("create", "--mint", "-", "--json", stdin=json.dumps(
            {"handle": PREFIX + "/", "values": [{"index": 1, "type": "URL", "data": "x:"}]})
        ).stdout)["items"][0]
        self.assertTrue(made["ok"])
        self.assertEqual(len(made["handle"]), len(PREFIX) + 1 + 36)
        harness.run("record", "show", self.server.dir, made["handle"])

    def test_list_of_many_messages_is_whole(self):
        records = "".join(json.dumps({"handle": "%s/L-%04d" % (PREFIX, i), "values": [
            {"index": 1, "type": "URL", "data": "x:"}]}) + "\n" for i in range(777))
        harness.run("record", "put", self.server.dir, "-", stdin=records.encode())
        listed = json.loads(self.remote("ls", PREFIX, "--json").stdout)["items"]
        self.assertEqual(sorted(n.upper() for n in listed),
                         sorted(["%s/L-%04d" % (PREFIX, i) for i in range(777)] + [USER.upper()]))

    def test_many_records_when_some_fail_are_partly_done(self):
        lines = self.owned() + self.owned().replace("P-1", "P-2") + self.owned()
        done = json.loads(self.remote("create", "-", "--json", stdin=lines, code=6).stdout)
        self.assertEqual([i["ok"] for i in done["items"]], [True, True, False])
        self.assertEqual(done["items"][2]["code"], 101)
        self.assertEqual((done["done"], done["failed"]), (2, 1))

    def test_dry_run_sends_nothing(self):
        self.remote("create", "-", "--dry-run", stdin=self.owned())
        harness.run("record", "show", self.server.dir, PART, code=1)


class Identities(Remote):

    def test_every_kind_of_key_proves_itself(self):
        self.remote("create", "-", stdin=self.owned())
        for number, kind in enumerate(("rsa", "secret", "sm2", "p256")):
            said = self.login(kind)
            self.assertIn("proved", said.stdout)
            url = "https://example.cn/by-%d" % number
            self.remote("modify", "-", stdin=self.part({"index": 1, "type": "URL", "data": url}))
            self.assertEqual(self.shown()["values"][0]["data"]["value"], url)

    def test_login_keeps_no_secret_and_is_readable_by_its_owner_only(self):
        self.login("secret")
        kept = os.path.join(self.env["XDG_CONFIG_HOME"], "guantong", "remote.json")
        with open(self.path("secret"), encoding="ascii") as f:
            secret = f.read().strip()
        with open(kept, encoding="utf-8") as f:
            self.assertNotIn(secret, f.read())
        self.assertEqual(stat.S_IMODE(os.stat(kept).st_mode), 0o600)
        self.remote("login", "--forget")
        self.assertFalse(os.path.exists(kept))

    def test_login_with_a_wrong_key_is_refused_and_keeps_the_old(self):
        said = self.login("wrong", code=4)
        self.assertIn("GT1305", said.stderr)
        self.remote("create", "-", stdin=self.owned())

    def test_key_of_somebody_else_changes_nothing(self):
        self.remote("create", "-", stdin=self.owned())
        before = self.shown()
        change = self.part({"index": 1, "type": "URL", "data": "https://evil.example"})
        for identity, key in (("300:" + USER, "sm2"), ("300:%s/Nobody" % PREFIX, "rsa"),
                              ("999:" + USER, "rsa")):
            self.remote("modify", "-", "--key", self.path(key), "--identity", identity,
                        stdin=change, code=4)
        self.assertEqual(self.shown(), before)

    def test_certified_answers_are_held_against_the_kept_key(self):
        self.remote("create", "-", "--certified", stdin=self.owned())
        self.assertEqual(len(self.shown()["values"]), 5)
        kept = os.path.join(self.env["XDG_CONFIG_HOME"], "guantong", "remote.json")
        with open(kept, encoding="utf-8") as f:
            config = json.load(f)
        harness.run("key", "convert", self.path("rsa"), self.path("rsa.bin"), "--to",
                    "reference-public")
        with open(self.path("rsa.bin"), "rb") as f:
            config["server_key"] = base64.b64encode(f.read()).decode()
        with open(kept, "w", encoding="utf-8") as f:
            json.dump(config, f)
        said = self.remote("ls", PREFIX, "--certified", code=4)
        self.assertIn("did not sign with it", said.stderr)
        said = self.login("site", code=4)
        self.assertIn("not the one kept", said.stderr)

    def test_without_identity_the_remedy_is_told(self):
        self.remote("login", "--forget")
        said = self.remote("ls", PREFIX, self.at, code=2)
        self.assertIn("remote login", said.stderr)

    def test_server_that_is_not_there_is_unreachable(self):
        self.server.stop()
        self.remote("ls", PREFIX, code=5)
