# SPDX-License-Identifier: Apache-2.0
"""The page people see after scanning, in real Chromium, its QR symbols read back by zbarimg, and
the redirection of a reference proxy as captured."""

import http.client
import json
import os
import re
import subprocess
import time
import unittest
import urllib.parse

from browser import Browser
from harness import VECTORS, NodeTest, free_port, record, run

PHONE, DESKTOP = (360, 740), (1280, 900)
PAGE_MAX = 60 * 1024
HOSTILE = "</script><script>document.title='taken'</script><img src=http://127.0.0.1:9/x>"
LOCATIONS = ('<locations chooseby="locatt,weighted"><location id="0" href="https://a.example/1" '
             'http_sc="303"/><location id="1" href="https://b.example/{x}" weight="0"/></locations>')

RECORDS = [
    record("88.1000/PART-1", (1, "URL", "https://example.com/p/1"), (2, "名称", "深沟球轴承 6204"),
           (3, "PRODUCT", '{"批次":"20241115-07","数量":120}')),
    record("88.1000/hostile", (1, "X", HOSTILE), (2, "URL", "javascript:alert(1)"),
           (3, "Y", "a\u202etxt.exe"), (4, "LONG", "长" * 60000)),
    record("88.1000/many", *[(i, "T%d" % i, "x" * 900) for i in range(1, 200)]),
    record("88.1000/wide", (1, "TYPE" * 20, "W" * 1500)),
    record("88.1000/中文 名称#1?", (1, "T", "y")),
    record("88.1000/alias", (1, "HS_ALIAS", "88.1000/PART-1")),
    record("88.1000/elsewhere", (1, "HS_ALIAS", "/evil.example")),
    record("88.1000/half", (1, "T", "shown"), (2, "T", "hidden", "1100")),
    record("88.1000/loop-1", (1, "HS_ALIAS", "88.1000/loop-2")),
    record("88.1000/loop-2", (1, "HS_ALIAS", "88.1000/LOOP-1")),
    record("88.1000/loc", (1, "10320/loc", LOCATIONS), (2, "URL", "https://c.example/")),
    record("88.1000/nowhere", (1, "URL", "javascript:alert(1)")),
    record("88.1000/bare", (1, "URL", "https://host.example")),
    record("88.1000/secret", (1, "T", "hidden", "1100")),
]


class PageTest(NodeTest):
    @classmethod
    def setUpClass(cls):
        cls.holder = cls("run_nothing")
        node = cls.holder.node(init=("--description", "鄂州市二级节点"))
        cls.http_port = free_port()
        node.setting("listen", "http_port", cls.http_port)
        cls.https_port = free_port()
        node.setting("listen", "https_port", cls.https_port)
        path = cls.holder.file(node, "records.jsonl", "\n".join(RECORDS) + "\n")
        run("import", node.dir, path, "--no-progress")
        cls.running = node.start()
        cls.base = "http://127.0.0.1:%d" % cls.http_port

    @classmethod
    def tearDownClass(cls):
        cls.holder.doCleanups()

    def run_nothing(self):
        """Owns the class's node."""

    def get(self, path, headers=None, verb="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=30)
        try:
            connection.request(verb, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def page(self, path, status=200, **more):
        """The page's text; it keeps the promises of every page."""
        code, fields, body = self.get(path, **more)
        self.assertEqual(code, status, path)
        self.assertLessEqual(len(body), PAGE_MAX, path)
        self.assertNotIn("Set-Cookie", fields)
        self.assertTrue(fields["Content-Security-Policy"].startswith("default-src 'none'; "))
        self.assertNotIn("unsafe", fields["Content-Security-Policy"])
        self.assertEqual(fields["X-Content-Type-Options"], "nosniff")
        self.assertEqual(fields["Referrer-Policy"], "no-referrer")
        self.assertEqual(fields["X-Frame-Options"], "DENY")
        return body.decode()

    def browser(self, *args, **more):
        browser = Browser(*args, **more)
        self.addCleanup(browser.close)
        return browser


class BrowserTest(PageTest):
    """What Chromium makes of it."""

    def look(self, browser, path, status=200):
        browser.open(self.base + path)
        width, inner = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
        self.assertLessEqual(width, inner, path)
        said = browser.console()
        if status != 200:  # of which the browser itself speaks
            said = [s for s in said if "status of %d" % status not in s]
        self.assertEqual(said, [], path)
        self.assertEqual([u for u in browser.requests()
                          if not u.startswith(self.base + "/") and not u.startswith("data:")], [])

    def test_shown_when_phone_or_desktop_then_fits_and_asks_nobody(self):
        paths = [("/", 200), ("/88.1000/PART-1", 200), ("/88.1000/hostile", 200),
                 ("/88.1000/many", 200), ("/88.1000/wide", 200), ("/88.1000/secret", 200),
                 ("/88.1000", 200), ("/88.1000/none", 404), ("/99.9/x", 404),
                 ("/88.1000/" + "W" * 1500, 404)]
        for size in (PHONE, DESKTOP):
            for language, script in (("zh-CN", True), ("en", False)):
                browser = self.browser(*size, language=language, script=script)
                for path, status in paths:
                    self.look(browser, path, status)

    def test_phone_when_chinese_then_in_chinese_with_buttons(self):
        browser = self.browser(*PHONE, language="zh-CN")
        self.look(browser, "/88.1000/PART-1")
        text = browser.run("return document.body.innerText")
        for words in ("深沟球轴承 6204", "登记内容", "归属", "本节点登记", "批次", "20241115-07"):
            self.assertIn(words, text)
        self.assertEqual(browser.run("return document.documentElement.lang"), "zh-CN")
        self.assertFalse(browser.run("return document.getElementById('copy').hidden"))
        self.assertEqual(browser.run("return document.getElementById('handle').textContent"),
                         "88.1000/PART-1")

    def test_switch_when_followed_then_the_other_language(self):
        browser = self.browser(*PHONE, language="zh-CN")
        self.look(browser, "/88.1000/PART-1")
        browser.run("document.querySelector('header .other').click()")
        self.assertTrue(browser.url().endswith("/88.1000/PART-1?lang=en"))
        self.assertIn("What is registered", browser.run("return document.body.innerText"))

    def test_without_script_when_shown_then_everything_but_buttons(self):
        browser = self.browser(*DESKTOP, language="en", script=False)
        self.look(browser, "/88.1000/PART-1")
        text = browser.run("return document.body.innerText")
        self.assertIn("What is registered", text)
        self.assertIn("UTC", text)
        self.assertTrue(browser.run("return document.getElementById('copy').hidden"))
        self.assertNotIn("\nCopy\n", text)

    def test_hostile_when_shown_then_nothing_runs(self):
        browser = self.browser(*PHONE, language="en")
        self.look(browser, "/88.1000/hostile")
        self.assertIn("88.1000/hostile", browser.run("return document.title"))
        self.assertEqual(browser.run("return document.images.length"), 0)
        self.assertEqual(browser.run("return document.scripts.length"), 1)
        self.assertIn("U+202E", browser.run("return document.body.innerText"))
        self.assertEqual(browser.run(
            "return [...document.links].filter(a=>!/^https?:$/.test(a.protocol)).length"), 0)

    def test_form_when_sent_then_the_record(self):
        browser = self.browser(*PHONE, language="zh-CN")
        self.look(browser, "/")
        browser.run("document.getElementById('hdl').value="
                    "'https://other.example/88.1000/PART-1?x=1';document.forms[0].submit()")
        self.assertIn("深沟球轴承", browser.run("return document.body.innerText"))
        self.assertIn("/88.1000/PART-1", browser.url())

    def test_contrast_when_light_or_dark_then_enough(self):
        """WCAG AA of every text, against the nearest ground behind it."""
        script = """
        function rgb(c){return c.match(/[\\d.]+/g).map(Number)}
        function lum(c){var v=c.slice(0,3).map(x=>{x/=255;return x<=.03928?x/12.92:
          Math.pow((x+.055)/1.055,2.4)});return .2126*v[0]+.7152*v[1]+.0722*v[2]}
        function ground(e){for(;e;e=e.parentElement){var c=rgb(getComputedStyle(e).backgroundColor);
          if(c.length<4||c[3]>.5)return c}return [255,255,255]}
        var bad=[];document.querySelectorAll('body *').forEach(e=>{
          if(!e.offsetParent||![...e.childNodes].some(n=>n.nodeType==3&&n.data.trim()))return;
          var a=lum(rgb(getComputedStyle(e).color)),b=lum(ground(e)),
          r=(Math.max(a,b)+.05)/(Math.min(a,b)+.05);
          if(r<4.5)bad.push([e.outerHTML.slice(0,80),r])});return bad"""
        for dark in (False, True):
            browser = self.browser(*PHONE, language="zh-CN", dark=dark)
            for path in ("/", "/88.1000/PART-1", "/88.1000/none"):
                browser.open(self.base + path)
                self.assertEqual(browser.run(script), [], (dark, path))


class CodeTest(PageTest):
    """QR symbols, read back."""

    def read(self, path):
        done = subprocess.run(["zbarimg", "-q", "--raw", path], capture_output=True, timeout=60)
        return done.stdout.decode().rstrip("\n")

    def test_png_when_read_back_then_the_address(self):
        code, fields, body = self.get("/88.1000/PART-1?qr=png")
        self.assertEqual((code, fields["Content-Type"]), (200, "image/png"))
        path = self.file(self.running, "code.png", body)
        self.assertEqual(self.read(path), self.base + "/88.1000/PART-1")

    def test_png_when_of_the_name_then_the_name(self):
        name = "88.1000/中文 名称#1?"
        _, _, body = self.get("/" + urllib.parse.quote(name) + "?qr=png&of=handle&size=6")
        self.assertEqual(self.read(self.file(self.running, "name.png", body)), name)

    def test_svg_and_page_when_drawn_by_a_browser_then_readable(self):
        code, fields, body = self.get("/88.1000/PART-1?qr=svg&size=400")
        self.assertEqual((code, fields["Content-Type"]), (200, "image/svg+xml"))
        self.assertTrue(body.startswith(b"<svg "))
        browser = self.browser(*DESKTOP)
        path = os.path.join(self.running.holder.name, "shot.png")
        for address in ("/88.1000/PART-1?qr=svg&size=400", "/88.1000/PART-1"):
            browser.open(self.base + address)
            browser.screenshot(path, whole="qr" not in address)
            self.assertEqual(self.read(path), self.base + "/88.1000/PART-1", address)

    def test_host_when_it_is_the_requests_then_no_cache_shares_the_symbol(self):
        _, fields, _ = self.get("/88.1000/PART-1?qr=png", headers={"Host": "evil.example"})
        self.assertEqual(fields["Cache-Control"], "private, max-age=3600")
        _, fields, _ = self.get("/88.1000/PART-1?qr=png&of=handle")
        self.assertEqual(fields["Cache-Control"], "public, max-age=3600")

    def test_host_when_it_is_no_host_then_not_in_the_symbol(self):
        _, _, body = self.get("/88.1000/PART-1?qr=png", headers={"Host": "a.example/<x>"})
        if body.startswith(b"\x89PNG"):  # else the request itself was refused
            path = self.file(self.running, "host.png", body)
            self.assertEqual(self.read(path), "88.1000/PART-1")


class WordsTest(PageTest):
    """What is said, and what is read from what was scanned."""

    def test_language_when_asked_in_either_way_then_spoken(self):
        for path, accepted, words in [
                ("/88.1000/PART-1", None, "登记内容"),
                ("/88.1000/PART-1", "en-GB,en;q=0.9,zh;q=0.2", "What is registered"),
                ("/88.1000/PART-1", "zh-CN,zh;q=0.9,en;q=0.8", "登记内容"),
                ("/88.1000/PART-1", "fr,de;q=0.5", "登记内容"),
                ("/88.1000/PART-1?lang=en", "zh-CN", "What is registered"),
                ("/88.1000/PART-1?lang=zh", "en", "登记内容")]:
            headers = {} if accepted is None else {"Accept-Language": accepted}
            self.assertIn(words, self.page(path, headers=headers), (path, accepted))

    def test_scanned_when_a_carrier_is_around_it_then_the_record_and_a_note(self):
        for text in ("hdl:88.1000/PART-1", "https://id.example/88.1000/PART-1?a=b",
                     "info:hdl/88.1000/PART-1", "urn:hdl:88.1000/PART-1", " 88.1000/PART-1 "):
            page = self.page("/" + urllib.parse.quote(text, safe="") + "?lang=en")
            self.assertIn("https://example.com/p/1", page, text)
            self.assertIn("Read from <q>", page, text)

    def test_scanned_when_it_takes_a_guess_then_offered_and_not_shown(self):
        for text in ("８８．１０００／ＰＡＲＴ-1", "88.1OOO/PART-1", "88.1000/PART-1/",
                     "88.1000/PART–1", "标识：88.1000/PART-1。", "88.1000/PART\u200b-1",
                     "88.1000/PАRT-1"):
            code, _, body = self.get("/" + urllib.parse.quote(text) + "?lang=en")
            page = body.decode()
            self.assertIn(code, (400, 404), text)
            self.assertIn("Did you mean", page, text)
            self.assertIn('href="/88.1000/PART-1"', page, text)
            self.assertNotIn("example.com/p/1", page, text)

    def test_unknown_when_the_parent_is_here_then_says_whose_it_is(self):
        page = self.page("/88.1000.7/x?lang=en", status=404)
        self.assertIn("The prefix above it, 88.1000, is served here", page)
        page = self.page("/88.1000/none?lang=en", status=404)
        self.assertIn("There is no such identifier", page)
        self.assertIn("The prefix 88.1000 is served here", page)

    def test_private_when_asked_for_then_exists_and_shows_nothing(self):
        page = self.page("/88.1000/secret?lang=en")
        self.assertIn("Nothing here is open to everybody", page)
        self.assertNotIn("hidden<", page)

    def test_private_when_beside_others_then_its_changes_are_not_told(self):
        self.assertIn(">Version<", self.page("/88.1000/PART-1?lang=en"))
        page = self.page("/88.1000/half?lang=en")
        self.assertIn("shown", page)
        self.assertNotIn(">Version<", page)

    def test_filter_when_given_then_those_values_alone(self):
        page = self.page("/88.1000/PART-1?index=2")
        self.assertIn("深沟球轴承", page)
        self.assertNotIn("example.com/p/1", page)
        page = self.page("/88.1000/PART-1?type=URL&auth")
        self.assertIn("example.com/p/1", page)
        self.assertNotIn("20241115-07", page)

    def test_head_when_asked_then_no_body(self):
        code, fields, body = self.get("/88.1000/PART-1", verb="HEAD")
        self.assertEqual((code, body), (200, b""))
        self.assertIn("Content-Security-Policy", fields)


class RedirectionTest(PageTest):
    """As the reference proxy, when it is asked for."""

    def leads(self, path):
        code, fields, body = self.get(path)
        return code, fields.get("Location"), body

    def test_redirect_when_captured_then_answered_alike(self):
        with open(os.path.join(VECTORS, "captured", "rest-redirect.resp.hex"),
                  encoding="ascii") as f:
            captured = bytes.fromhex(f.read().strip()).decode()
        head, _, body = captured.partition("\r\n\r\n")
        code, fields, ours = self.get("/88.1000/PART-1?redirect")
        self.assertEqual(code, int(head.split()[1]))
        self.assertEqual(fields["Location"], "https://example.com/p/1")
        self.assertEqual(fields["Content-Type"],
                         re.search("Content-Type: (.*)", head)[1].strip())
        self.assertRegex(fields["Expires"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
        theirs = body.replace("https://example.com/p/1-v2", "https://example.com/p/1")
        self.assertEqual(ours.decode().strip(), theirs.strip())

    def test_redirect_when_setting_then_by_itself_unless_noredirect(self):
        self.running.setting("page", "mode", "redirect")
        run("node", "reload", self.running.dir)
        try:
            self.assertEqual(self.leads("/88.1000/PART-1")[:2], (302, "https://example.com/p/1"))
            self.assertEqual(self.leads("/88.1000/PART-1?noredirect")[0], 200)
            self.assertEqual(self.leads("/88.1000/none")[0], 404)
        finally:
            self.running.setting("page", "mode", "page")
            run("node", "reload", self.running.dir)

    def test_alias_when_followed_then_the_target(self):
        self.assertEqual(self.leads("/88.1000/alias?redirect")[1], "https://example.com/p/1")
        self.assertIn("is another name of this record", self.page("/88.1000/alias?lang=en"))
        self.assertEqual(self.leads("/88.1000/alias?redirect&type=URL")[1],
                         "https://example.com/p/1")
        page = self.page("/88.1000/alias?ignore_aliases&lang=en")
        self.assertIn("HS_ALIAS", page)
        self.assertNotIn("example.com/p/1", page)
        self.assertIn("lead in a circle", self.page("/88.1000/loop-1?lang=en", status=508))

    def test_form_when_it_looks_like_an_address_then_stays_here(self):
        for text in ("//evil.example/８８.1000/P", "/evil.example/８８.1000/P",
                     "/evil.example/ 88.1000/P", "\\\\evil.example/８８.1000/P"):
            _, location, _ = self.leads("/?hdl=" + urllib.parse.quote(text, safe=""))
            if location is not None:
                self.assertRegex(location, r"^/[^/\\]", text)
        page = self.page("/88.1000/elsewhere?ignore_aliases")
        self.assertIn('href="/%2Fevil.example"', page)

    def test_locations_when_chosen_then_with_their_status(self):
        self.assertEqual(self.leads("/88.1000/loc?redirect")[:2], (303, "https://a.example/1"))
        self.assertEqual(self.leads("/88.1000/loc?redirect&locatt=id:1")[:2],
                         (302, "https://b.example/{x}"))
        self.assertEqual(self.leads("/88.1000/loc?redirect&type=URL")[1], "https://c.example/")

    def test_urlappend_when_given_then_behind_the_address(self):
        self.assertEqual(self.leads("/88.1000/PART-1?redirect&urlappend=%3Fa%3D1")[1],
                         "https://example.com/p/1?a=1")
        for text in (".evil.example/", "@evil.example/", ":81/"):
            self.assertEqual(self.leads("/88.1000/bare?redirect&urlappend=" + text)[1],
                             "https://host.example/" + text)
        code, location, _ = self.leads("/88.1000/PART-1?redirect&urlappend=%0d%0aX:y")
        self.assertEqual((code, location), (200, None))

    def test_redirect_when_it_leads_to_no_web_address_then_the_page(self):
        self.assertEqual(self.leads("/88.1000/nowhere?redirect")[:2], (200, None))


class CommandTest(PageTest):
    """The command line's part: asking over HTTP, and labels to print."""

    def test_resolve_when_over_http_or_https_then_the_same_values(self):
        asked = ("resolve", "88.1000/PART-1", "--json")
        direct = json.loads(run(*asked, "@127.0.0.1:%d" % self.running.port, "--tcp").stdout)
        for port, words, transport in ((self.http_port, ("--http",), "http"),
                                       (self.https_port, ("--http", "--tls"), "https")):
            answer = json.loads(run(*asked, "@127.0.0.1:%d" % port, *words).stdout)
            self.assertEqual(answer["values"], direct["values"])
            self.assertEqual(answer["exchange"]["transport"], transport)
        run(*asked, "@127.0.0.1:%d" % self.http_port, "--http", "--udp", code=2)

    def test_labels_when_printed_by_a_browser_then_all_are_read_back(self):
        names = ["88.1000/标签 %d" % i for i in range(12)]
        lines = "handle,title\n" + "".join('"%s",轴承\n' % n for n in names)
        csv = self.file(self.running, "labels.csv", lines)
        out = os.path.join(self.running.holder.name, "labels.html")
        run("qr", "--sheet", csv, "--url", self.base, "--label", "60x80", "--output", out)
        browser = self.browser(900, 1300)
        browser.open("file://" + out)
        path = os.path.join(self.running.holder.name, "labels.png")
        browser.screenshot(path, whole=True, scale=2)
        done = subprocess.run(["zbarimg", "-q", "--raw", path], capture_output=True, timeout=60)
        self.assertEqual(sorted(done.stdout.decode().split()),
                         sorted(self.base + "/" + urllib.parse.quote(n) for n in names))


class ForeignTest(NodeTest):
    """Names of another node: told so, from the cache, and marked when they are out of date."""

    def test_foreign_when_the_other_node_goes_then_marked(self):
        above = self.node(prefix="88", listen=("127.0.88.31",))
        node = self.node(prefix="88.608", listen=("127.0.88.32",))
        port = free_port()
        for key, value in (("http_port", port), ("https_port", 0)):
            node.setting("listen", key, value)
            above.setting("listen", key, 0)
        node.setting("upstream", "servers", "['%s:%d']" % above.address)
        node.setting("upstream", "time", "500ms")
        node.setting("upstream", "hold_max", "1s")
        node.setting("cache", "size", "32M")
        lines = json.dumps({"handle": "88/part", "values": [
            {"index": 1, "type": "URL", "data": "https://example.cn/", "ttl": 3}]}) + "\n"
        run("record", "put", above.dir, "-", stdin=lines.encode())
        above.start()
        node.start()

        def page(name, status=200):
            connection = http.client.HTTPConnection("127.0.88.32", port, timeout=30)
            connection.request("GET", "/" + name, headers={"Accept-Language": "en"})
            answer = connection.getresponse()
            self.assertEqual(answer.status, status)
            text = answer.read().decode()
            connection.close()
            return text

        first = page("88/part")
        self.assertIn("From another node", first)
        self.assertIn("Not verified here: another node is responsible.", first)
        self.assertNotIn("Out of date", first)
        deadline = time.monotonic() + 20
        while "From the cache" not in page("88/part"):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.3)
        above.stop()
        time.sleep(3.2)
        stale = page("88/part")
        self.assertIn("Out of date", stale)
        self.assertIn("does not answer now", stale)
        self.assertIn("https://example.cn/", stale)
        self.assertIn("The responsible node does not answer", page("88/other", status=504))


if __name__ == "__main__":
    unittest.main()
