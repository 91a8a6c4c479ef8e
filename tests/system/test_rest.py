# SPDX-License-Identifier: Apache-2.0
"""The REST interface: what clients of the reference server do with it, conditions, lists, and that
nothing is answered that docs/openapi.json does not describe.
"""

import json
import re
import threading
import unittest
import urllib.parse

import jsonschema

import harness
import openapi
import rest_client
import test_administration as administration

PREFIX, OWNER, SECRET = administration.PREFIX, administration.OWNER, administration.SECRET
NOBODY = "302:" + OWNER
API = "/api/handles/"


def value(index, type_, text, **more):
    return {"index": index, "type": type_, "data": {"format": "string", "value": text}, **more}


def admin(index=100, permissions="011111110011", at=302):
    return {"index": index, "type": "HS_ADMIN", "data": {"format": "admin", "value": {
        "handle": OWNER, "index": at, "permissions": permissions}}}


class RestTest(administration.Administered):
    def served(self, *records, **settings):
        node = rest_client.serve(self.node(prefix=PREFIX))
        node.setting("limits", "verify", 100000)
        for name, text in settings.items():
            node.setting(*name.split("__"), text)
        self.store(node, administration.owner_record(), *records)
        return node.start()

    def rest(self, node, tls=True, user=None, secret=None):
        client = rest_client.Client(node, tls, user, secret, openapi.judge)
        self.addCleanup(client.close)
        return client

    def administrator(self, node):
        return self.rest(node, user=NOBODY, secret=SECRET)


class Clients(RestTest):
    def test_a_pyhandle_style_client_works(self):
        """Its sequence of requests: look, create with overwrite=false, read, change by index, add,
        remove, delete."""
        node = self.served()
        client = self.administrator(node)
        handle = PREFIX + "/pyhandle-1"
        url = API + urllib.parse.quote(handle)
        head = {"Content-Type": "application/json"}
        self.assertEqual(client.get(API + OWNER + "?index=300").json()["values"][0]["type"],
                         "HS_PUBKEY")
        self.assertEqual(client.get(url).code(), 100)
        entries = [admin(), {"index": 1, "type": "URL", "data": "http://x.example/1"},
                   {"index": 2, "type": "CHECKSUM", "data": "abc"}]
        made = client.put(url + "?overwrite=false", {"values": entries}, **head)
        self.assertEqual((made.status, made.json()), (201, {"responseCode": 1, "handle": handle}))
        again = client.put(url + "?overwrite=false", {"values": entries}, **head)
        self.assertEqual((again.status, again.code()), (409, 101))
        record = client.get(url).json()
        self.assertEqual([v["index"] for v in record["values"]], [1, 2, 100])
        self.assertEqual(record["values"][0]["data"],
                         {"format": "string", "value": "http://x.example/1"})
        self.assertTrue(all(v["ttl"] == 86400 for v in record["values"]))
        changed = client.put(url + "?index=1&index=2&overwrite=true", {"values": [
            {"index": 1, "type": "URL", "data": "http://x.example/2", "ttl": 3600},
            {"index": 2, "type": "CHECKSUM", "data": "def"}]}, **head)
        self.assertEqual(changed.status, 200)
        added = client.put(url + "?index=3", [{"index": 3, "type": "NOTE", "data": "neu"}], **head)
        self.assertEqual(added.status, 201)
        self.assertEqual(client.delete(url + "?index=2").status, 200)
        texts = {v["index"]: v["data"]["value"] for v in client.get(url).json()["values"]
                 if v["index"] < 100}
        self.assertEqual(texts, {1: "http://x.example/2", 3: "neu"})
        self.assertEqual(client.delete(url).json(), {"responseCode": 1, "handle": handle})
        self.assertEqual((client.delete(url).status, client.get(url).status), (404, 404))

    def test_every_format_comes_back_as_it_was_put(self):
        node = self.served()
        client = self.administrator(node)
        values = [
            value(1, "URL", "https://例子.cn/?a=\"b\"&c=\\d", permissions="0110"),
            {"index": 2, "type": "BIN", "data": {"format": "base64", "value": "AAH/"}},
            {"index": 3, "type": "HS_VLIST", "data": {"format": "vlist", "value": [
                {"handle": OWNER, "index": 300}, {"handle": OWNER, "index": 0}]}},
            value(4, "NOTE", "x", ttl="2030-01-01T00:00:00Z",
                  references=[{"handle": OWNER, "index": 1}]),
            admin(), admin(101, "111111111111", 0)]
        path = API + PREFIX + "/formats"
        self.assertEqual(client.put(path, values).status, 201)
        self.assertEqual(client.put(path + "?index=5", {
            "index": 5, "type": "HEX", "data": {"format": "hex", "value": "00ff"}}).status, 201)
        back = client.get(path).json()["values"]
        for v in back:
            del v["timestamp"]
        self.assertEqual(back.pop(4)["data"], {"format": "base64", "value": "AP8="})
        self.assertEqual(back, [{"ttl": 86400, **v} for v in values])
        site = client.get("/api/site").json()["site"]
        self.assertEqual(client.put(path + "?index=6", [{
            "index": 6, "type": "HS_SITE", "data": {"format": "site", "value": site}}]).status, 201)
        self.assertEqual(client.get(path + "?index=6").json()["values"][0]["data"]["value"], site)
        key = site["servers"][0]["publicKey"]
        self.assertEqual(client.put(path + "?index=7", [{
            "index": 7, "type": "HS_PUBKEY", "data": key}]).status, 201)
        self.assertEqual(client.get(path + "?type=HS_PUBKEY").json()["values"][0]["data"], key)

    def test_a_broken_escape_is_told_as_everything_else(self):
        client = self.rest(self.served(), tls=False)
        for path in (API + PREFIX + "/%zz", API + PREFIX + "/a%2", API + OWNER + "?type=%00"):
            answer = client.get(path)
            self.assertEqual((answer.status, answer.code()), (400, 4), path)
            self.assertEqual(answer.field("Content-Type"), "application/json;charset=utf-8")
            self.assertIn("escape", answer.json()["message"])
            self.assertEqual(answer.field("Connection"), "close")
        other = client.get("/%zz")
        self.assertEqual((other.status, other.field("Content-Type")),
                         (400, "application/problem+json"))

    def test_a_suffix_is_minted(self):
        node = self.served()
        client = self.administrator(node)
        made = client.put(API + PREFIX + "/m-?mintNewSuffix=true", [value(1, "URL", "x"), admin()])
        self.assertEqual(made.status, 201)
        self.assertRegex(made.json()["handle"], r"^88\.1000/m-[0-9a-f-]{36}$")
        self.assertEqual(client.get(API + made.json()["handle"]).code(), 1)

    def test_shapes_and_their_refusals(self):
        node = self.served()
        client = self.administrator(node)
        path = API + PREFIX + "/shapes"
        for body, fields in ((b"{\"values\":[", {}), (b"7", {}), (b"{}", {}), (b"", {}),
                             ({"handle": PREFIX + "/other", "values": []}, {}),
                             ([value(1, "URL", "x")], {"Content_Type": "text/plain"})):
            answer = client.put(path, body, **{"Content_Type": "application/json", **fields})
            self.assertEqual((answer.status, answer.code()), (400, 4), body)
        answer = client.put(path, [value(1, "URL", "x", permissions="11111")])
        self.assertEqual((answer.status, answer.code()), (400, 202))
        self.assertEqual(client.put(path + "?index=2", [value(1, "URL", "x")]).status, 400)
        self.assertEqual(client.put(path, [value(1, "URL", "x"), value(1, "URL", "y")]).status, 409)
        self.assertEqual(client.delete(path + "?index=various").status, 400)
        self.assertEqual(client.get(path + "?index=x").status, 400)
        self.assertEqual(client.put(API + "77.1/x", [value(1, "URL", "x")]).code(), 301)


class Reading(RestTest):
    RECORD = {"handle": PREFIX + "/P-1", "values": [
        value(1, "URL", "https://a.example/"), value(2, "URL.mobile", "https://m.example/"),
        value(3, "NAME", "轴承"), value(4, "COST", "12.50", permissions="1100"),
        administration.hex_value(100, "HS_ADMIN", administration.adm.admin_data(0x7f3, OWNER, 302))]}
    PLAIN = {"handle": PREFIX + "/P-2", "values": RECORD["values"][:3]}

    def served_records(self):
        return self.served(self.RECORD, self.PLAIN)

    def indexes(self, client, query, handle="/P-1"):
        return [v["index"] for v in client.get(API + PREFIX + handle + query).json()["values"]]

    def test_filters_are_a_union(self):
        """The same from a record that is public altogether and one that is not."""
        client = self.rest(self.served_records(), tls=False)
        for handle, rest in (("/P-1", [100]), ("/P-2", [])):
            for query, expected in (("", [1, 2, 3] + rest), ("?type=URL", [1]),
                                    ("?type=URL.", [1, 2]), ("?index=3&type=url", [1, 3]),
                                    ("?type=NAME&type=URL.mobile", [2, 3]),
                                    ("?index=3&index=1&index=9", [1, 3]), ("?index=2-99", [2, 3]),
                                    ("?type=NOPE", [])):
                self.assertEqual(self.indexes(client, query, handle), expected, query)
            many = "&".join("type=T%d" % i for i in range(20))
            self.assertEqual(self.indexes(client, "?type=NAME&" + many, handle), [3])

    def test_restricted_values(self):
        node = self.served_records()
        stranger, owner = self.rest(node), self.administrator(node)
        self.assertEqual(self.indexes(stranger, ""), [1, 2, 3, 100])
        self.assertEqual(self.indexes(stranger, "?index=4"), [])
        refused = stranger.get(API + PREFIX + "/P-1?publicOnly=false")
        self.assertEqual((refused.status, refused.code()), (401, 402))
        self.assertIn('Basic realm="handle"', refused.all("WWW-Authenticate"))
        self.assertEqual(self.indexes(owner, ""), [1, 2, 3, 4, 100])
        self.assertEqual(self.indexes(owner, "?publicOnly"), [1, 2, 3, 100])
        plain = self.rest(node, tls=False)
        refused = plain.get(API + PREFIX + "/P-1?publicOnly=false")
        self.assertEqual((refused.status, refused.code()), (403, 402))
        self.assertEqual(refused.all("WWW-Authenticate"), [])
        wrong = self.rest(node, user=NOBODY, secret="nope").get(API + PREFIX + "/P-1")
        self.assertEqual((wrong.status, wrong.body), (401, b""))

    def test_who_may_not_is_refused(self):
        node = self.served_records()
        user = self.rest(node, user="302:" + PREFIX + "/P-9", secret="x")
        self.assertEqual(user.delete(API + PREFIX + "/P-1").status, 401)
        stranger = self.rest(node)
        for answer in (stranger.put(API + PREFIX + "/P-3", [value(1, "URL", "x")]),
                       stranger.delete(API + PREFIX + "/P-1"),
                       stranger.get("/api/handles?prefix=" + PREFIX)):
            self.assertEqual((answer.status, answer.code()), (401, 402))
        # Whoever it proved to be has no permission there.
        locked = dict(self.PLAIN, handle=PREFIX + "/P-4")
        owner = self.administrator(node)
        self.assertEqual(owner.put(API + locked["handle"], locked["values"]).status, 201)
        answer = owner.put(API + locked["handle"] + "?index=1", [value(1, "URL", "y")])
        self.assertEqual((answer.status, answer.code()), (403, 400))

    def test_post_is_a_long_get(self):
        client = self.rest(self.served_records(), tls=False)
        path = API + PREFIX + "/P-1"
        form = client.ask("POST", path, b"type=NAME&index=1&pretty",
                          Content_Type="application/x-www-form-urlencoded")
        self.assertEqual([v["index"] for v in form.json()["values"]], [1, 3])
        self.assertIn(b'\n  "handle"', form.body)
        by_json = client.ask("POST", path, {"type": ["NAME"], "index": [1, 2]})
        self.assertEqual([v["index"] for v in by_json.json()["values"]], [1, 2, 3])
        self.assertEqual(client.ask("POST", path, b"[", Content_Type="application/json").status, 400)

    def test_shapes_of_the_answer(self):
        client = self.rest(self.served_records(), tls=False)
        path = API + PREFIX + "/P-2"
        plain = client.get(path)
        self.assertEqual(plain.field("Content-Type"), "application/json;charset=utf-8")
        pretty = client.get(path + "?pretty=true")
        self.assertEqual(pretty.body.decode(),
                         json.dumps(plain.json(), indent=2, ensure_ascii=False))
        called = client.get(path + "?callback=a.b")
        self.assertEqual(called.field("Content-Type"), "application/javascript;charset=utf-8")
        self.assertEqual(called.body, b"a.b(" + plain.body + b");")
        self.assertEqual(client.get(path + "?callback=alert(1)").status, 400)
        head = client.ask("HEAD", path)
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.field("Content-Length"), str(len(plain.body)))
        self.assertEqual(client.get(API + "88.1000%2FP-2").json()["handle"], PREFIX + "/P-2")
        self.assertEqual(client.get(API + PREFIX.lower() + "/p-2").json()["handle"], PREFIX + "/p-2")

    def test_both_ways_are_counted_alike(self):
        node = self.served_records()
        client = self.rest(node, tls=False)

        def counted():
            figures = harness.run_json("stats", node.dir)["requests"]
            return (figures["requests"]["http"], figures["operations"].get("RESOLUTION", 0),
                    sum(figures["answers"].values()))

        before = counted()
        for handle in ("/P-1", "/P-2"):
            client.get(API + PREFIX + handle)
            client.get(API + PREFIX + handle + "?type=NOPE")
        self.assertEqual([b - a for a, b in zip(before, counted())], [4, 4, 4])

    def test_other_origins_may_ask(self):
        client = self.rest(self.served_records(), tls=False)
        client.seen = None
        for path in (API + PREFIX + "/P-1", "/api/site", "/nowhere"):
            allowed = client.ask("OPTIONS", path, Origin="https://x.example",
                                 Access_Control_Request_Method="PUT")
            self.assertEqual((allowed.status, allowed.body), (200, b""))
            self.assertEqual(allowed.field("Access-Control-Allow-Methods"),
                             "GET,POST,HEAD,PUT,DELETE")
            self.assertIsNone(allowed.field("Access-Control-Allow-Credentials"))
            answer = client.get(path, Origin="https://x.example")
            self.assertEqual(answer.field("Access-Control-Allow-Origin"), "https://x.example")
            self.assertIsNone(client.get(path).field("Access-Control-Allow-Origin"))

    def test_nothing_else_is_served_below_api(self):
        client = self.rest(self.served_records(), tls=False)
        client.seen = None
        for verb in ("GET", "POST", "PUT", "DELETE"):
            answer = client.ask(verb, "/api/nothing")
            self.assertEqual((answer.status, answer.code()), (404, 4))


class Conditions(RestTest):
    def test_tags_follow_the_version(self):
        node = self.served()
        client = self.administrator(node)
        path = API + PREFIX + "/tagged"
        client.put(path, [value(1, "URL", "a"), admin()])
        first = client.get(path).field("ETag")
        self.assertRegex(first, r'^"[0-9]+-[0-9a-f]{16}"$')  # not what strangers see
        public = client.get(path, Authorization=None).field("ETag")
        self.assertRegex(public, r'^"[0-9]+"$')
        self.assertNotEqual(client.get(path + "?pretty").field("ETag"), first)
        for tags in (first, '"x", ' + first, "W/" + first, "*"):
            known = client.get(path, If_None_Match=tags)
            self.assertEqual((known.status, known.body), (304, b""), tags)
        self.assertEqual(client.get(path, If_None_Match='"1", x').status, 200)
        self.assertEqual(client.put(path, [value(1, "URL", "b"), admin()]).status, 200)
        self.assertEqual(client.get(path, If_None_Match=first).status, 200)

    def test_tags_tell_strangers_nothing_of_what_they_may_not_see(self):
        node = self.served()
        client, stranger = self.administrator(node), self.rest(node)
        path = API + PREFIX + "/half"
        client.put(path, [value(1, "T", "a"), value(2, "S", "b", permissions="1100"), admin()])
        tag = client.get(path).field("ETag")
        self.assertIsNotNone(tag)
        for more in ("", "?index=1&publicOnly=false", "?index=2", "?type=S&publicOnly"):
            answer = stranger.get(path + more)
            self.assertEqual((answer.status, answer.field("ETag")), (200, None), more)
        for condition in (tag, '"1"', '"77"', "*"):
            said = {(a.status, a.body) for a in (
                stranger.delete(path, If_Match=condition),
                stranger.delete(path, If_None_Match=condition), stranger.delete(path))}
            self.assertEqual([status for status, _ in said], [401], condition)
        self.assertEqual(client.delete(path, If_Match='"77"').status, 412)
        self.assertEqual(client.delete(path, If_Match=tag).status, 200)

    def test_what_pages_may_load_is_public(self):
        """Scripts and forms of any page are sent with what the browser knows of its user."""
        node = self.served()
        client = self.administrator(node)
        path = API + PREFIX + "/half"
        client.put(path, [value(1, "T", "a"), value(2, "S", "hidden", permissions="1100"), admin()])
        kept = client.get(path)
        self.assertEqual(kept.field("Cache-Control"), "private, no-cache")
        self.assertIn(b"hidden", kept.body)
        for more in ("", "&publicOnly=false&index=1"):
            loaded = rest_client.Client(node, True, NOBODY, SECRET)
            answer = loaded.get(path + "?callback=f" + more)
            self.assertNotIn(b"hidden", answer.body)
            listed = loaded.get("/api/handles?prefix=%s&callback=f" % PREFIX)
            self.assertEqual(listed.status, 400)
            sent = loaded.ask("POST", "/api/prefixes/" + PREFIX + ".9",
                              Origin="https://evil.example")
            self.assertEqual(sent.status, 403)
            loaded.close()

    def test_more_than_anybody_means_is_refused_at_once(self):
        node = self.served()
        stranger = rest_client.Client(node, False)
        path = API + OWNER
        for body, type_ in ((b"[" + b"[]," * 1000000 + b"[]]", "application/json"),
                            (b"a&" * 1000000, "application/x-www-form-urlencoded")):
            answer = stranger.ask("POST", path, body, Content_Type=type_)
            self.assertEqual((answer.status, answer.code()), (400, 4))
            self.assertRegex(answer.json()["message"], "^more than ")
        answer = stranger.ask("POST", path, ('{"%s":null}' % ("中" * 20)).encode(),
                              Content_Type="application/json")
        self.assertEqual(answer.json()["message"], "中" * 10 + ": neither text, number nor truth")
        stranger.close()

    def test_changes_on_condition(self):
        node = self.served()
        client = self.administrator(node)
        path = API + PREFIX + "/tagged"
        values = [value(1, "URL", "a"), admin()]
        self.assertEqual(client.put(path, values, If_Match="*").status, 412)
        self.assertEqual(client.put(path, values, If_None_Match="*").status, 201)
        self.assertEqual(client.put(path, values, If_None_Match="*").status, 412)
        tag = client.get(path).field("ETag")
        self.assertEqual(client.put(path + "?index=1", [value(1, "URL", "b")],
                                    If_Match=tag).status, 200)
        for answer in (client.put(path, values, If_Match=tag),
                       client.put(path + "?index=1", [value(1, "URL", "c")], If_Match=tag),
                       client.put(path, values, If_Match="W/" + tag),
                       client.put(path, values, If_Match="nonsense"),
                       client.delete(path, If_Match=tag),
                       client.delete(path + "?index=1", If_Match=tag)):
            self.assertEqual(answer.status, 412)
        self.assertEqual(client.get(path + "?index=1").json()["values"][0]["data"]["value"], "b")
        tag = client.get(path).field("ETag")
        self.assertEqual(client.delete(path, If_Match=tag).status, 200)
        self.assertEqual(client.delete(path, If_Match=tag).status, 412)

    def test_of_two_that_saw_the_same_version_one_wins(self):
        """Six count up together: whoever wrote on what it had read counts."""
        node = self.served()
        path = API + PREFIX + "/counted"
        self.administrator(node).put(path, [value(1, "COUNT", "0"), admin()])
        won, lost = [], []

        def count():
            client = rest_client.Client(node, True, NOBODY, SECRET)
            for _ in range(20):
                read = client.get(path)
                now = int(read.json()["values"][0]["data"]["value"])
                answer = client.put(path + "?index=1", [value(1, "COUNT", str(now + 1))],
                                    If_Match=read.field("ETag"))
                (won if answer.status == 200 else lost).append(answer.status)
            client.close()

        threads = [threading.Thread(target=count) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(lost) - {412}, set())
        self.assertEqual(len(won) + len(lost), 120)
        last = self.rest(node).get(path).json()["values"][0]["data"]["value"]
        self.assertEqual(int(last), len(won))


class Lists(RestTest):
    COUNT = 2345

    def test_pages(self):
        records = [{"handle": "%s/L-%05d" % (PREFIX, i), "values": [value(1, "URL", "x")]}
                   for i in range(self.COUNT)]
        client = self.administrator(self.served(*records))
        names = [r["handle"] for r in records]
        total = str(self.COUNT)
        every = client.get("/api/handles?prefix=" + PREFIX).json()
        self.assertEqual(list(every), ["responseCode", "prefix", "totalCount", "handles"])
        self.assertEqual((every["handles"], every["totalCount"]), (names, total))
        for page, size in ((0, 0), (0, 3), (1, 3), (0, 50), (7, 50), (2, 1000), (0, 5000),
                           (23, 100), (24, 100), (4294967295, 4294967295), (2344, 1)):
            answer = client.get("/api/handles?prefix=0.NA/%s&page=%d&pageSize=%d" % (
                PREFIX, page, size)).json()
            self.assertEqual(answer, {
                "responseCode": 1, "prefix": "0.NA/" + PREFIX, "totalCount": total, "page": page,
                "pageSize": size, "handles": names[page * size:(page + 1) * size]}, (page, size))
        self.assertEqual(client.get("/api/handles").status, 400)
        self.assertEqual(client.get("/api/handles?prefix=77.1").code(), 301)

    def test_a_list_longer_than_an_answer_may_be_wants_pages(self):
        records = [{"handle": "%s/%s-%05d" % (PREFIX, "L" * 100, i),
                    "values": [value(1, "URL", "x")]} for i in range(1000)]
        client = self.administrator(self.served(*records, limits__http_answer="64K"))
        refused = client.get("/api/handles?prefix=" + PREFIX)
        self.assertEqual((refused.status, refused.code()), (400, 4))
        self.assertIn("pages", refused.json()["message"])
        self.assertEqual(len(client.get("/api/handles?prefix=%s&page=1&pageSize=100" % PREFIX)
                             .json()["handles"]), 100)

    def test_lists_switched_off(self):
        client = self.administrator(self.served(admin__allow_list_handles="no"))
        self.assertEqual(client.get("/api/handles?prefix=" + PREFIX).status, 501)

    def test_prefixes_are_homed_listed_and_given_up(self):
        client = self.administrator(self.served(admin__server_admins="['302:%s']" % OWNER))
        first = client.get("/api/prefixes").json()
        self.assertEqual(first, {"responseCode": 1, "totalCount": "1", "prefixes": [OWNER]})
        self.assertEqual(client.put("/api/prefixes/88.1001", None).json(),
                         {"responseCode": 1, "handle": "88.1001"})
        self.assertEqual(client.ask("POST", "/api/prefixes/0.NA/88.1002").status, 200)
        names = ["0.NA/88.1000", "0.NA/88.1001", "0.NA/88.1002"]
        self.assertEqual(client.get("/api/prefixes").json()["prefixes"], names)
        for page, size in ((0, 2), (1, 2), (0, 0), (1, 1), (5, 2), (0, 3), (0, 9)):
            answer = client.get("/api/prefixes?page=%d&pageSize=%d" % (page, size)).json()
            self.assertEqual(answer["prefixes"], names[page * size:(page + 1) * size])
            self.assertEqual(answer["totalCount"], "3")
        self.assertEqual(client.delete("/api/prefixes/88.1002").status, 200)
        self.assertEqual(client.get("/api/prefixes").json()["totalCount"], "2")
        stranger = self.rest(self.served())
        self.assertEqual(stranger.get("/api/prefixes").status, 401)
        self.assertEqual(stranger.put("/api/prefixes/88.1003", None).status, 401)


class Document(RestTest):
    def test_it_is_served_and_sound(self):
        client = self.rest(self.served(), tls=False)
        served = client.get("/openapi.json").json()
        self.assertEqual(served, openapi.DOCUMENT)
        self.assertEqual(served["openapi"], "3.1.0")
        for part in served["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(part)
        self.assertEqual(client.get("/healthz").status, 200)
        self.assertEqual(client.get("/readyz").status, 200)

    def test_pages_and_symbols_are_described(self):
        client = self.rest(self.served(), tls=False)
        for path, status, kind in (
                ("/", 200, "text/html"), ("/?lang=en", 200, "text/html"),
                ("/?hdl=" + OWNER, 303, ""), ("/" + OWNER + "?noredirect", 200, "text/html"),
                ("/" + OWNER + "?qr=svg&size=200", 200, "image/svg+xml"),
                ("/" + OWNER + "?qr=png&of=handle", 200, "image/png"),
                ("/" + PREFIX + "/none", 404, "text/html"),
                ("/" + PREFIX + "/" + "%E6%88%91" * 600 + "?qr=svg", 414, "application/problem+json")):
            answer = client.get(path)
            got = (answer.field("Content-Type") or "").split(";")[0]
            self.assertEqual((answer.status, got), (status, kind), path)

    def test_everything_referred_to_is_there(self):
        text = json.dumps(openapi.DOCUMENT)
        for target in set(re.findall('"(#/components/[^"]+)"', text)):
            self.assertTrue(openapi.resolved({"$ref": target}), target)
        operations = [o for item in openapi.DOCUMENT["paths"].values()
                      for verb, o in item.items() if verb != "parameters"]
        names = [o["operationId"] for o in operations]
        self.assertEqual(len(names), len(set(names)))
        schemes = {name for o in operations for way in o.get("security", []) for name in way}
        self.assertEqual(schemes, set(openapi.DOCUMENT["components"]["securitySchemes"]))

    def test_what_is_not_described_is_noticed(self):
        """The judge itself."""
        client = self.rest(self.served(), tls=False)
        client.seen = None
        answer = client.get("/api/site")
        answer.body = b'{"responseCode":1}'
        with self.assertRaises(jsonschema.ValidationError):
            openapi.judge("GET", "/api/site", None, answer)
        with self.assertRaises(AssertionError):
            openapi.judge("GET", "/api/site?other=1", None, client.get("/api/site"))
        with self.assertRaises(AssertionError):
            openapi.judge("GET", "/api/other", None, answer)
        answer.status = 418
        with self.assertRaises(AssertionError):
            openapi.judge("GET", "/api/site", None, answer)


if __name__ == "__main__":
    unittest.main()
