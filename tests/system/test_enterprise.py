# SPDX-License-Identifier: Apache-2.0
"""Enterprises from application to tombstone, beside a serving node: states, prefixes, who may have
what, what is told and what is kept."""

import json
import os
import shlex
import unittest

import harness

FILE = "00" * 32
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
ANSWER = ("--reference", "TLN-1", "--date", "2026-11-21")
NOT_HERE = 301


def social_code(number):
    """A unified social credit code with right check characters (GB 32100, GB 11714)."""
    organisation = "%08d" % number
    weighed = sum(int(d) * w for d, w in zip(organisation, (3, 7, 9, 10, 5, 8, 4, 2)))
    code = "91420700" + organisation + "0123456789X0"[(11 - weighed % 11) % 11 if weighed % 11 != 1
                                                      else 10]
    total = sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(code))
    return code + ALPHABET[(31 - total % 31) % 31]


def dossier(number, **changes):
    cloud = {"deploy_mode": 2, "name": "示范云"}
    made = {
        "org_name": "鄂州示范泵业%d有限公司" % number, "org_nature": 2, "org_addr_province": "420000",
        "org_addr_city": "420700", "org_addr_county": "420704", "org_addr": "示范路1号",
        "org_crt_type": 1, "org_crt_code": social_code(number), "org_crt_image": FILE,
        "industry_category": "C", "industry_specific": "34", "contact_name": "陈一",
        "contact_crt_type": 2, "contact_crt_no": "E00000001",
        "contact_email": "chen@pump.example", "contact_phone": "13900000001",
        "legal_name": "周二", "legal_crt_type": 2, "legal_crt_no": "E00000002",
        "legal_crt_front_image": FILE, "legal_crt_back_image": FILE,
        "ent_prefix": "88.608.%d" % number, "serv_sys_build_type": 1, "serv_sys_oper_type": 1,
        "systems": [{"sys_type": i, **cloud} for i in (1, 2, 3, 4)]}
    made.update(changes)
    return {key: value for key, value in made.items() if value is not None}


class Enterprises(harness.NodeTest):
    def setUp(self):
        self.site = self.node(prefix="88.608")

    def do(self, *words, code=0, **more):
        return harness.run(*words[:2], self.site.dir, *words[2:], code=code, **more)

    def told(self, *words):
        return harness.run_json(*words[:2], self.site.dir, *words[2:])

    def apply(self, number, code=0, options=(), **changes):
        text = json.dumps(dossier(number, **changes)).encode()
        done = self.do("enterprise", "apply", "-", "--json", *options, stdin=text, code=code)
        return json.loads(done.stdout)

    def approve(self, name):
        self.do("enterprise", "verify", name, "--note", "seen the licence")
        self.do("enterprise", "review", name)
        self.do("enterprise", "approve", name)

    def admit(self, number):
        name = self.apply(number)["id"]
        self.approve(name)
        self.do("prefix", "confirm", "88.608.%d" % number, *ANSWER)
        return name

    def put(self, handle, code=0):
        line = harness.record(handle, (1, "URL", "https://pump.example/"))
        return self.do("record", "put", "-", stdin=line.encode(), code=code)

    def state(self, name):
        return self.told("enterprise", "show", name)["state"]

    def answer(self, handle):
        return self.site.resolve_tcp(handle).code

    def holds(self):
        """Rows, index, journal, chain and counters."""
        self.do("record", "verify")
        self.do("audit", "verify")


class Walk(Enterprises):
    def test_application_confirmed_by_the_top_node_resolves(self):
        self.site.start()
        told = self.apply(1)
        self.assertEqual("submitted", told["state"])
        name = told["id"]
        self.assertIn("verify", self.do("prefix", "confirm", "88.608.1", *ANSWER, code=4).stderr)
        self.assertEqual(NOT_HERE, self.answer("88.608.1/a"))
        self.approve(name)
        self.assertEqual("approved", self.state(name))
        self.put("88.608.1/a", code=4)
        self.do("prefix", "confirm", "88.608.1", "--date", "2026-11-21", code=2)
        self.do("prefix", "confirm", "88.608.1", "--reference", "x", "--date", "21.11.2026", code=2)
        self.do("prefix", "confirm", "88.608.1", *ANSWER)
        shown = self.told("enterprise", "show", "88.608.1")
        self.assertEqual(("enabled", 1, "TLN-1", "2026-11-21"), tuple(
            shown[key] for key in ("state", "national_status", "reference", "confirmed_on")))
        self.put("88.608.1/a")
        self.assertEqual(1, self.answer("88.608.1/a"))
        self.assertEqual(1, self.answer("0.NA/88.608.1"))
        self.do("prefix", "confirm", "88.608.77", "--enterprise", name, *ANSWER)
        self.put("88.608.77/a")
        self.assertEqual(1, self.answer("88.608.77/a"))
        rows = {row["prefix"]: row for row in self.told("prefix", "list")["items"]}
        self.assertEqual(name, rows["88.608.1"]["enterprise"])
        self.assertEqual(name, rows["88.608.77"]["enterprise"])
        self.holds()

    def test_own_node_is_where_the_confirmation_says(self):
        self.site.start()
        name = self.apply(1)["id"]
        self.approve(name)
        self.do("prefix", "confirm", "88.608.1", "--address", "192.0.2.1:2641", *ANSWER)
        states = {row["prefix"]: row["state"] for row in self.told("prefix", "list")["items"]}
        self.assertEqual("delegated", states["88.608.1"])
        self.put("88.608.1/a", code=4)
        self.assertEqual(1, self.answer("0.NA/88.608.1"))
        self.do("enterprise", "suspend", name, "--policy", "hold", "--reason", "unpaid")
        self.assertEqual(NOT_HERE, self.answer("0.NA/88.608.1"))
        self.do("enterprise", "resume", name)
        self.assertEqual(1, self.answer("0.NA/88.608.1"))
        self.holds()

    def test_rejected_application_is_corrected_and_handed_in_again(self):
        name = self.apply(1, options=("--draft",))["id"]
        self.do("enterprise", "verify", name, code=4)
        self.do("enterprise", "submit", name)
        self.do("enterprise", "reject", name, code=2)
        self.do("enterprise", "reject", name, "--reason", "the licence cannot be read")
        shown = self.told("enterprise", "show", name)
        self.assertEqual(("rejected", 3), (shown["state"], shown["national_status"]))
        self.assertEqual("the licence cannot be read", shown["notes"][-1]["text"])
        self.assertEqual({"submit", "remove"}, {act["act"] for act in shown["next"]})
        text = json.dumps(dossier(1, org_name="鄂州示范阀业有限公司")).encode()
        self.do("enterprise", "update", name, "-", stdin=text)
        self.do("enterprise", "submit", name)
        self.approve(name)
        self.do("prefix", "refuse", "88.608.1", *ANSWER, "--reason", "name differs")
        self.assertEqual("rejected", self.state(name))
        self.holds()

    def test_suspension_keeps_reading_or_holds_as_it_says(self):
        self.site.start()
        name = self.admit(1)
        self.put("88.608.1/a")
        for _ in range(3):
            self.assertEqual(1, self.answer("88.608.1/a"))
        self.do("enterprise", "suspend", name, "--policy", "keep-reading", code=2)
        self.do("enterprise", "suspend", name, "--policy", "keep-reading", "--reason", "expired")
        self.assertEqual(1, self.answer("88.608.1/a"))
        self.put("88.608.1/a2", code=4)
        self.do("record", "rm", "88.608.1/a", "--yes", code=4)
        self.do("prefix", "home", "88.608.1", code=4)
        self.do("enterprise", "suspend", name, "--policy", "hold", "--reason", "still expired")
        self.assertEqual(NOT_HERE, self.answer("88.608.1/a"))
        self.do("enterprise", "resume", name)
        self.assertEqual(1, self.answer("88.608.1/a"))
        self.put("88.608.1/a2")
        self.holds()

    def test_cancelled_enterprise_leaves_its_prefix_to_nobody(self):
        self.site.start()
        name = self.admit(1)
        self.put("88.608.1/a")
        self.do("enterprise", "remove", name, "--reason", "early", "--yes", code=4)
        self.do("enterprise", "cancel", name, "--reason", "dissolved", code=2)
        self.do("enterprise", "cancel", name, "--reason", "dissolved", "--yes")
        self.assertEqual("to-delete", self.state(name))
        self.assertEqual(NOT_HERE, self.answer("88.608.1/a"))
        self.do("enterprise", "remove", name, "--reason", "TLN-2", "--yes")
        self.assertEqual("cancelled", self.state(name))
        self.assertEqual([], self.told("enterprise", "show", name)["next"])
        told = self.apply(1, code=4)["error"]
        self.assertEqual("GT1214", told["code"])
        self.assertIn("ent_prefix", told["reason"])
        self.do("prefix", "home", "88.608.1", code=4)
        again = self.apply(1, ent_prefix="88.608.2")["id"]
        self.assertNotEqual(name, again)
        self.holds()


class Rules(Enterprises):
    def test_credential_and_prefix_are_taken_once(self):
        self.apply(1)
        told = self.apply(1, code=4)["error"]
        self.assertEqual("GT1214", told["code"])
        self.assertIn("org_crt_code", self.apply(1, code=4, ent_prefix="88.608.2")["error"]["reason"])
        self.assertIn("ent_prefix", self.apply(2, code=4, ent_prefix="88.608.1")["error"]["reason"])
        self.do("prefix", "home", "88.608.9")
        self.assertIn("self", self.apply(9, code=4)["error"]["reason"])
        self.do("prefix", "home", "88.608.1", code=4)
        self.assertEqual(2, len(self.told("enterprise", "list")["items"]))
        self.holds()

    def test_findings_name_item_rule_and_remedy(self):
        wrong = social_code(1)[:-1] + ("0" if social_code(1)[-1] != "0" else "1")
        told = self.apply(1, code=4, org_crt_code=wrong, org_addr_county="420202",
                          contact_email="nobody", org_name=None, stray=1)["error"]
        found = {one["item"]: one for one in told["findings"]}
        self.assertEqual({"org_crt_code": "check", "org_addr_county": "nesting",
                          "contact_email": "form", "org_name": "missing", "stray": "unknown"},
                         {item: one["flaw"] for item, one in found.items()})
        self.assertEqual(social_code(1)[-1], found["org_crt_code"]["expected"])
        self.assertTrue(all(one["rule"] and one["remedy"] for one in found.values()))
        text = json.dumps(dossier(1, org_crt_code=wrong)).encode()
        said = self.do("enterprise", "apply", "-", stdin=text, code=4,
                       env={"LC_ALL": "zh_CN.UTF-8"}).stderr
        self.assertIn("证件号码", said)
        self.assertIn("校验码不正确", said)

    def test_override_with_a_reason_stands_and_is_recorded(self):
        wrong = social_code(1)[:-1] + ("0" if social_code(1)[-1] != "0" else "1")
        self.apply(1, code=4, org_crt_code=wrong, overrides={"org_crt_code": " "})
        name = self.apply(1, org_crt_code=wrong,
                          overrides={"org_crt_code": "as printed on the licence"})["id"]
        self.do("enterprise", "verify", name)
        rows = self.do("audit", "export").stdout.splitlines()
        row = next(json.loads(r) for r in rows if '"enterprise apply"' in r)
        self.assertEqual("as printed on the licence", row["detail"]["overrides"]["org_crt_code"])

    def test_district_is_one_of_the_areas_set(self):
        self.apply(1, code=4, district="葛店经开区")
        self.site.setting("report", "areas", "[葛店经开区, 临空经济区]")
        self.apply(1, district="葛店经开区")

    def test_code_table_that_was_imported_is_what_counts(self):
        built_in = self.told("conf", "codes")["items"]
        self.assertEqual(["built-in", "built-in"], [t["source"] for t in built_in])
        self.apply(1, code=4, org_addr_county="420799")
        rows = "code,parent,level,name\n420000,,province,湖北省\n420700,420000,city,鄂州市\n" \
               "420799,420700,county,新区\n"
        path = self.file(self.site, "regions.csv", rows)
        self.do("conf", "codes", "import", path)
        self.assertEqual("imported", self.told("conf", "codes")["items"][0]["source"])
        self.apply(1, org_addr_county="420799")
        bad = self.file(self.site, "bad.csv", rows + "420799,420700,county,二\n")
        self.do("conf", "codes", "import", bad, code=2)


class Changes(Enterprises):
    def update(self, name, number, code=0, **changes):
        text = json.dumps(dossier(number, **changes)).encode()
        return self.do("enterprise", "update", name, "-", stdin=text, code=code)

    def test_full_change_is_reviewed_and_incremental_one_is_not(self):
        name = self.admit(1)
        self.update(name, 1, website="pump.example")
        shown = self.told("enterprise", "show", name)
        self.assertEqual(("pump.example", ""), (shown["dossier"]["website"], shown["review"]))
        self.update(name, 1, website="pump.example", org_name="新名称")
        shown = self.told("enterprise", "show", name)
        self.assertEqual(("enabled", "submitted"), (shown["state"], shown["review"]))
        self.assertNotEqual("新名称", shown["dossier"]["org_name"])
        self.assertEqual([name], [one["id"] for one in
                                  self.told("enterprise", "list", "--changes")["items"]])
        self.do("enterprise", "approve", name, code=4)
        self.do("enterprise", "verify", name)
        self.update(name, 1, org_name="又一名称", code=4)
        self.do("enterprise", "approve", name)
        shown = self.told("enterprise", "show", name)
        self.assertEqual(("新名称", "", "enabled"),
                         (shown["dossier"]["org_name"], shown["review"], shown["state"]))
        self.update(name, 1, ent_prefix="88.608.5", code=4)
        self.holds()

    def test_people_are_masked_unless_revealed_and_that_is_audited(self):
        name = self.admit(1)
        masked = self.do("enterprise", "show", name, "--json").stdout
        for secret in ("13900000001", "chen@", "E00000001", "E00000002", "周二"):
            self.assertNotIn(secret, masked)
            self.assertNotIn(secret, self.do("enterprise", "show", name).stdout)
        self.update(name, 1, contact_phone="13900000009")
        self.assertNotIn("13900000009", self.do("audit", "export").stdout)
        before = self.do("audit", "export").stdout.count("show --reveal")
        self.assertIn("13900000009", self.do("enterprise", "show", name, "--reveal").stdout)
        self.assertEqual(before + 1, self.do("audit", "export").stdout.count("show --reveal"))

    def test_audit_tells_before_and_after_of_each_act(self):
        name = self.admit(1)
        self.update(name, 1, website="pump.example")
        rows = [json.loads(r) for r in self.do("audit", "export").stdout.splitlines()]
        mine = [row for row in rows if row["object"] == name]
        self.assertEqual(
            [None, "submitted", "verified", "in-review", "approved", "enabled"],
            [row["detail"]["before"] and row["detail"]["before"]["state"] for row in mine])
        self.assertEqual(
            ["submitted", "verified", "in-review", "approved", "enabled", "enabled"],
            [row["detail"]["after"]["state"] for row in mine])
        self.assertEqual([None, "pump.example"], mine[-1]["detail"]["changed"]["website"])
        self.assertTrue(all(row["actor"].startswith("uid:") and row["time"] for row in mine))
        tail = self.do("audit", "tail", "-n", "1", "--json").stdout.splitlines()
        self.assertEqual(mine[-1], json.loads(tail[-1]))
        out = os.path.join(self.site.holder.name, "audit.jsonl")
        self.do("audit", "export", "--output", out)
        with open(out, encoding="utf-8") as f:
            self.assertEqual(len(rows), len(f.readlines()))


class Docs(Enterprises):
    """The operator's guide, line by line."""

    def follow(self, page, heading):
        with open(os.path.join(harness.ROOT, "docs", page), encoding="utf-8") as f:
            section = f.read().split("\n## " + heading + "\n")[1].split("\n## ")[0]
        pump = self.file(self.site, "pump.json", json.dumps(dossier(8889)))
        lines = [line for block in section.split("```sh\n")[1:]
                 for line in block.split("```")[0].splitlines() if line]
        for line in lines:
            words = shlex.split(line, comments=True)
            self.assertEqual("guantong", words[0])
            harness.run(*({"/srv/guantong": self.site.dir, "pump.json": pump}.get(word, word)
                          for word in words[1:]))
        return lines

    def test_english_page_does_what_it_says(self):
        self.assertGreater(len(self.follow("operator.md", "Admitting enterprises")), 10)
        self.assertEqual("cancelled", self.state("E0000001"))

    def test_chinese_page_does_what_it_says(self):
        self.assertGreater(len(self.follow("operator.zh.md", "企业入驻")), 10)
        self.assertEqual("cancelled", self.state("E0000001"))


class Many(Enterprises):
    """Three hundred enterprises, each as far as its number says."""
    COUNT = 300

    def test_three_hundred_enterprises_walk_their_ways(self):
        self.site.start()
        count = int(os.environ.get("GUANTONG_ENTERPRISES", self.COUNT // 10))
        expected = {}
        for number in range(1, count + 1):
            name = self.apply(number)["id"]
            way = number % 5
            if way == 0:
                self.do("enterprise", "reject", name, "--reason", "no licence")
                expected[name] = "rejected"
                continue
            self.do("enterprise", "verify", name)
            self.do("enterprise", "approve", name)
            if way == 1:
                expected[name] = "approved"
                continue
            self.do("prefix", "confirm", "88.608.%d" % number, *ANSWER)
            self.put("88.608.%d/a" % number)
            expected[name] = "enabled"
            if way == 2:
                self.do("enterprise", "suspend", name, "--policy", "hold", "--reason", "unpaid")
                expected[name] = "suspended"
            elif way == 3:
                self.do("enterprise", "cancel", name, "--reason", "gone", "--yes")
                self.do("enterprise", "remove", name, "--reason", "gone", "--yes")
                expected[name] = "cancelled"
        rows = self.told("enterprise", "list")["items"]
        self.assertEqual(expected, {row["id"]: row["state"] for row in rows if row["id"] != "self"})
        for number in range(1, count + 1):
            resolves = number % 5 == 4
            self.assertEqual(1 if resolves else NOT_HERE, self.answer("88.608.%d/a" % number))
        self.holds()


if __name__ == "__main__":
    unittest.main()
