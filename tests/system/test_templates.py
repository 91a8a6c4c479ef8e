# SPDX-License-Identifier: Apache-2.0
"""Handles without a record, answered by the template of their prefix (HS_NAMESPACE)."""

import json
import time

import harness
import wire

PUBLIC = 0x01000000
PREFIX = "88.1000"
TEMPLATE = """<namespace>
  <template delimiter="@">
    <if test="matches" expression="p(\\d+)">
      <foreach>
        <if value="type" expression="URL"><value data="${data}?page=$1"/></if>
        <else><value/></else>
      </foreach>
    </if>
    <else>
      <if expression="chapter"><value index="5" type="TITLE" data="${base} 第一章"/></if>
    </else>
  </template>
</namespace>"""


def value(index, kind, data, permissions="1110"):
    return {"index": index, "type": kind, "data": data, "ttl": 3600, "permissions": permissions}


class Templates(harness.NodeTest):
    def setUp(self):
        self.ours = self.node(prefix=PREFIX)
        self.put(PREFIX + "/book", value(1, "URL", "https://example.cn/book"),
                 value(2, "NOTE", "for administrators", "1100"))
        self.put(PREFIX + "/book@p2", value(1, "URL", "https://example.cn/stored"))
        self.name_space(TEMPLATE)
        self.ours.start()

    def put(self, handle, *values):
        line = json.dumps({"handle": handle, "values": list(values)}) + "\n"
        harness.run("record", "put", self.ours.dir, "-", stdin=line.encode())

    def name_space(self, text):
        shown = harness.run_json("record", "show", self.ours.dir, "0.NA/" + PREFIX)
        kept = shown["values"] if "values" in shown else shown["items"][0]["values"]
        kept = [v for v in kept if v["type"] != "HS_NAMESPACE"]
        line = json.dumps({"handle": "0.NA/" + PREFIX,
                           "values": kept + [value(70, "HS_NAMESPACE", text)]}) + "\n"
        harness.run("record", "put", self.ours.dir, "-", stdin=line.encode())

    def told(self, suffix, flags=PUBLIC, tcp=False, **more):
        how = self.ours.resolve_tcp if tcp else self.ours.resolve_udp
        answer = how(PREFIX + "/" + suffix, flags=flags, **more)
        if answer.code != 1:
            return answer.code
        handle, values = answer.resolution()
        self.assertEqual(handle.decode(), PREFIX + "/" + suffix)
        return [(v.index, v.type.decode(), v.data.decode()) for v in values]

    def test_absent_handles_are_answered_by_the_template(self):
        for tcp in (False, True):
            self.assertEqual(self.told("book@p17", tcp=tcp),
                             [(1, "URL", "https://example.cn/book?page=17")])
            self.assertEqual(self.told("BOOK@P17", tcp=tcp),
                             [(1, "URL", "https://example.cn/book?page=17")])
            self.assertEqual(self.told("none@chapter", tcp=tcp),
                             [(5, "TITLE", PREFIX + "/none 第一章")])
            self.assertEqual(self.told("book@p2", tcp=tcp),
                             [(1, "URL", "https://example.cn/stored")])
        self.assertEqual(self.told("book@p17", types=["TITLE"]), 200)
        self.assertEqual(self.told("book@p17", flags=0), 402)

    def test_answers_can_be_certified(self):
        answer = self.ours.resolve_tcp(PREFIX + "/book@p17", flags=PUBLIC | wire.CT)
        self.assertEqual(answer.code, 1)
        self.assertIn(b"HS_SIGNED", answer.credential)

    def test_names_that_the_template_does_not_know_stay_absent(self):
        for suffix in ("book@x", "none", "none@p1", "book@"):
            self.assertEqual(self.told(suffix), 100, suffix)

    def test_a_handle_that_gets_a_record_and_loses_it(self):
        self.assertEqual(self.told("book@p3"), [(1, "URL", "https://example.cn/book?page=3")])
        self.put(PREFIX + "/book@p3", value(1, "URL", "https://example.cn/now"))
        for _ in range(3):
            self.assertEqual(self.told("book@p3"), [(1, "URL", "https://example.cn/now")])
        harness.run("record", "rm", self.ours.dir, PREFIX + "/book@p3", "--yes")
        self.assertEqual(self.told("book@p3"), [(1, "URL", "https://example.cn/book?page=3")])

    def test_a_new_template_answers_at_once(self):
        self.name_space('<namespace><template delimiter="@"><value type="A" data="${extension}"/>'
                        "</template></namespace>")
        self.assertEqual(self.told("book@p17"), [(1, "A", "p17")])
        self.name_space("<namespace><status>inactive</status><statusmsg>closed</statusmsg>"
                        "</namespace>")
        answer = self.ours.resolve_udp(PREFIX + "/book@p17", flags=PUBLIC)
        self.assertEqual((answer.code, wire.Reader(answer.body).text()), (2, b"closed"))
        self.assertEqual(self.told("book"), [(1, "URL", "https://example.cn/book")])

    def test_a_template_that_would_run_for_ever_hurts_nobody(self):
        self.name_space('<namespace><template delimiter="@"><if expression="ok"><value type="A" '
                        'data="fine"/></if><else><if value="handle" test="matches" '
                        'expression="(.+)+[%#]"><notfound/></if></else></template></namespace>')
        began = time.monotonic()
        codes = [self.told("%s@%d" % ("a" * 100, i)) for i in range(100)]
        # No good; and soon, too much of a worker's time would go into it.
        self.assertLessEqual(set(codes), {2, 3})
        self.assertIn(2, codes)
        self.assertEqual(self.told("book@ok"), [(1, "A", "fine")])
        self.assertEqual(self.told("book"), [(1, "URL", "https://example.cn/book")])
        self.assertLess(time.monotonic() - began, 60)
        self.assertIn("its expressions take too long", self.ours.said())
        self.assertLess(self.ours.said().count("its expressions take too long"), 65)

    def test_a_template_with_entities_is_not_taken(self):
        line = json.dumps({"handle": "0.NA/" + PREFIX, "values": [
            value(70, "HS_NAMESPACE", '<!DOCTYPE n [<!ENTITY a "a">]><n>&a;</n>')]}) + "\n"
        done = harness.run("record", "put", self.ours.dir, "-", stdin=line.encode(), code=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.told("book@p17"), [(1, "URL", "https://example.cn/book?page=17")])

    def test_a_template_can_be_tried_before_it_is_installed(self):
        name = PREFIX + "/book@9"
        given = '<n><template delimiter="@"><value type="A" data="${extension}"/></template></n>'
        tried = harness.run_json("prefix", "template-test", self.ours.dir, name, PREFIX + "/book",
                                 "--template", "-", stdin=given.encode())["items"]
        self.assertEqual([(i["handle"], i["source"]) for i in tried],
                         [(name, "template"), (PREFIX + "/book", "record")])
        self.assertEqual([(v["type"], v["data"]["value"]) for v in tried[0]["values"]],
                         [("A", "9")])
        self.assertEqual([v["index"] for v in tried[1]["values"]], [1])
        self.assertEqual(self.told("book@9"), 100)
        stored = harness.run("prefix", "template-test", self.ours.dir, PREFIX + "/book@p4")
        self.assertIn("https://example.cn/book?page=4", stored.stdout)
        harness.run("prefix", "template-test", self.ours.dir, name, code=1)

    def test_a_template_that_is_no_good_is_told_when_tried(self):
        for given, reason in (
                ("<n><template><vaule/></template></n>", "<vaule> is not known here"),
                ('<n><template><if test="matches" expression="("/></template></n>',
                 "bad expression"),
                ('<n><template><if test="is" expression="x"/></template></n>', "neither equals"),
                ("<n><status>inactive</status><statusmsg>gone</statusmsg></n>", "gone"),
                ('<n><template ref="x"><value/></template></n>', "is not index:handle"),
                ("<n><a></b></n>", "is not XML")):
            done = harness.run("prefix", "template-test", self.ours.dir, PREFIX + "/book@9",
                               "--template", "-", stdin=given.encode(), code=4)
            self.assertIn(reason, done.stderr)
