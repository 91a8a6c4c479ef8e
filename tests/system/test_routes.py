# SPDX-License-Identifier: Apache-2.0
"""Routes to enterprise nodes: tested on demand, probed now and then, and what was found kept."""

import json
import os
import signal
import time
import unittest

import harness

PREFIX = "88.608.9"
PROBES = (("interval", "1s"), ("timeout", "400ms"), ("failures", "2"))


def figures(node):
    """Labelled gauges and counters of the running node."""
    found = {}
    for line in harness.run("stats", node.dir, "--openmetrics").stdout.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            found[name.removeprefix("guantong_")] = float(value)
    return found


def eventually(test, judge, seconds=30):
    deadline = time.monotonic() + seconds
    while not judge():
        if time.monotonic() > deadline:
            test.fail("it never came about")
        time.sleep(0.1)


class Routes(harness.NodeTest):
    def setUp(self):
        self.enterprise = self.node(prefix=PREFIX, listen=("127.0.88.24",))
        self.enterprise.start()
        self.ours = self.node(prefix="88.608", listen=("127.0.88.22",))

    def delegate(self, port=None, key=None):
        address = "%s:%d" % (self.enterprise.address[0], port or self.enterprise.port)
        key = key or os.path.join(self.enterprise.dir, "keys", "site.pem")
        harness.run("prefix", "delegate", self.ours.dir, PREFIX, "--address", address, "--key", key)

    def start(self, *settings):
        """With probes as the settings say; without any, never."""
        for key, value in settings:
            self.ours.setting("probe", key, value)
        self.ours.start()

    def steps(self, *words, code=0):
        shown = json.loads(harness.run("prefix", "route-test", self.ours.dir, PREFIX, "--json",
                                       "--timeout=1s", *words, code=code).stdout)
        self.assertEqual(shown["ok"], code == 0)
        return [(step["step"], step["where"].split()[0], step["finding"])
                for step in shown["steps"]]

    def state(self):
        listed = harness.run_json("prefix", "list", self.ours.dir)["items"]
        row = next(row for row in listed if row["prefix"] == PREFIX)
        return row["route"]["state"] if row["route"] else None

    # --- on demand --------------------------------------------------------------------------

    def test_a_good_route_is_shown_step_by_step(self):
        self.delegate()
        self.start()
        self.assertEqual(self.steps(), [("own", "tcp", "OK"), ("server", "udp", "OK"),
                                       ("server", "tcp", "OK")])
        shown = harness.run("prefix", "route-test", self.ours.dir, PREFIX).stdout
        self.assertEqual(shown.count("✓"), 3)
        self.assertIn("version 2.11, site serial 1, signed", shown)
        self.assertIn("no service above is configured", shown)
        chinese = harness.run("prefix", "route-test", self.ours.dir, PREFIX,
                              env={"LC_ALL": "zh_CN.UTF-8"}).stdout
        self.assertIn("应答正常", chinese)

    def test_a_handle_that_must_be_there_is_asked_for(self):
        self.delegate()
        self.start()
        part = PREFIX + "/part"
        self.assertIn(("server", "tcp", "NOT_FOUND"), self.steps("--handle", part, code=1))
        harness.run("record", "put", self.enterprise.dir, "-",
                    stdin=(harness.record(part, (1, "URL", "https://example.cn/")) + "\n").encode())
        self.assertIn(("server", "tcp", "OK"), self.steps("--handle", part))

    def test_a_wrong_port_is_found(self):
        self.delegate(port=harness.free_port())
        self.start()
        self.assertEqual(self.steps(code=1)[1:], [("server", "udp", "NO_ANSWER"),
                                                 ("server", "tcp", "UNREACHABLE")])
        shown = harness.run("prefix", "route-test", self.ours.dir, PREFIX, "--timeout=1s", code=1)
        self.assertEqual(shown.stdout.count("✗"), 2)
        self.assertEqual(shown.stdout.count("remedy:"), 2)

    def test_another_key_is_found(self):
        self.delegate(key=os.path.join(self.ours.dir, "keys", "site.pem"))
        self.start()
        self.assertEqual(self.steps(code=1)[1:], [("server", "udp", "WRONG_KEY"),
                                                 ("server", "tcp", "WRONG_KEY")])

    def test_a_node_without_the_prefix_is_found(self):
        harness.run("prefix", "unhome", self.enterprise.dir, PREFIX, "--yes")
        self.delegate()
        self.start()
        self.assertEqual(self.steps(code=1)[1:], [("server", "udp", "NOT_RESPONSIBLE"),
                                                 ("server", "tcp", "NOT_RESPONSIBLE")])

    def test_a_node_of_ours_that_does_not_run_is_found(self):
        self.delegate()
        steps = self.steps(code=1)
        self.assertEqual(steps, [("own", "tcp", "UNREACHABLE")])

    def test_what_is_no_prefix_or_no_time_is_refused(self):
        self.delegate()
        self.start()
        self.assertNotEqual(harness.run("prefix", "route-test", self.ours.dir, "8/8",
                                        code=None).returncode, 0)
        harness.run("prefix", "route-test", self.ours.dir, PREFIX, "--timeout=soon", code=2)
        harness.run("prefix", "route-history", self.ours.dir, "88.608.77", code=1)

    # --- HTTP -------------------------------------------------------------------------------

    def site_of(self, node, prefix):
        shown = harness.run_json("record", "show", node.dir, "0.NA/" + prefix)
        return next(v["data"]["value"] for v in shown["values"] if v["type"] == "HS_SITE")

    def delegate_by_site(self, signer=None):
        """To a node that serves HTTP and HTTPS, too, by the site record it made; with the key of
        another one."""
        self.enterprise = self.node(prefix=PREFIX, listen=("127.0.88.24",), http=True, https=True)
        self.enterprise.start()
        site = self.site_of(self.enterprise, PREFIX)
        if signer is not None:
            site["servers"][0]["publicKey"] = self.site_of(signer, "88.608")["servers"][0][
                "publicKey"]
        path = os.path.join(self.ours.dir, "their-site.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(site, f)
        harness.run("prefix", "delegate", self.ours.dir, PREFIX, "--site", path)

    def test_the_ways_over_http_are_walked(self):
        self.delegate_by_site()
        self.start(*PROBES)
        steps = self.steps()[1:]
        self.assertEqual({way for _, way, _ in steps}, {"udp", "tcp", "http", "https"})
        self.assertEqual({finding for _, _, finding in steps}, {"OK"})
        eventually(self, lambda: self.state() == "up")

    def test_another_key_is_found_behind_tls_and_over_http(self):
        self.delegate_by_site(signer=self.ours)
        self.start()
        steps = self.steps(code=1)[1:]
        self.assertEqual({way for _, way, _ in steps}, {"udp", "tcp", "http", "https"})
        self.assertEqual({finding for _, _, finding in steps}, {"WRONG_KEY"})

    def test_http_that_nobody_serves_is_found(self):
        self.delegate_by_site()
        self.enterprise.stop()
        self.enterprise.setting("listen", "http_port", "0")
        self.enterprise.start()
        self.start()
        steps = dict((way, finding) for _, way, finding in self.steps(code=1)[1:])
        self.assertEqual(steps, {"udp": "OK", "tcp": "OK", "http": "UNREACHABLE", "https": "OK"})

    # --- all about one prefix ---------------------------------------------------------------

    def test_a_prefix_is_shown_with_its_service_and_its_route(self):
        self.delegate()
        self.start(*PROBES)
        eventually(self, lambda: self.state() == "up")
        shown = harness.run_json("prefix", "show", self.ours.dir, PREFIX)
        self.assertEqual((shown["prefix"], shown["state"], shown["hosting"], shown["has_record"]),
                         (PREFIX, "active", "delegated", True))
        where = "%s:%d" % self.enterprise.address
        self.assertEqual(shown["service"]["ways"], ["udp " + where, "tcp " + where])
        self.assertEqual(len(shown["service"]["sites"]), 1)
        self.assertEqual((shown["route"]["state"], shown["route"]["is_live"]), ("up", True))
        text = harness.run("prefix", "show", self.ours.dir, PREFIX).stdout
        self.assertRegex(text, r"hosting +delegated to a node of its own")
        self.assertRegex(text, r"route +up since 2")
        self.assertIn("tcp " + where, text)

    def test_a_prefix_of_ours_is_shown_with_its_limits(self):
        harness.run("prefix", "home", self.ours.dir, PREFIX, "--max-identifiers", "7", "--no-record")
        harness.run("record", "put", self.ours.dir, "-", stdin=(
            harness.record(PREFIX + "/a", (1, "URL", "https://example.cn/")) + "\n").encode())
        shown = harness.run_json("prefix", "show", self.ours.dir, PREFIX)
        self.assertEqual((shown["hosting"], shown["identifiers"], shown["max_identifiers"]),
                         ("hosted", 1, 7))
        self.assertEqual((shown["has_record"], shown["route"]), (False, None))
        self.assertGreater(shown["bytes"], 0)
        text = harness.run("prefix", "show", self.ours.dir, PREFIX).stdout
        self.assertRegex(text, r"identifiers +1 of at most 7")
        self.assertRegex(text, r"service +no prefix record")
        harness.run("prefix", "show", self.ours.dir, "88.77", code=4)
        harness.run("prefix", "show", self.ours.dir, "8/8", code=4)

    # --- from above -------------------------------------------------------------------------

    def above(self, prefix, address):
        """A service above that sends who asks for the prefix to this address."""
        top = self.node(prefix="88", listen=("127.0.88.21",))
        self.lead(top, prefix, address)
        top.start()
        self.ours.setting("upstream", "servers", "['%s:%d']" % top.address)
        return top

    def lead(self, top, prefix, address):
        harness.run("prefix", "delegate", top.dir, prefix, "--address", "%s:%d" % address)

    def test_the_way_from_above_leads_there_or_elsewhere(self):
        self.delegate()
        top = self.above(PREFIX, self.enterprise.address)
        self.start()
        self.assertEqual(self.steps()[3:], [("above", "udp", "OK"), ("above", "tcp", "OK")])
        self.lead(top, PREFIX, ("127.0.88.99", 2641))
        self.assertEqual(self.steps()[3:], [("above", "udp", "OTHER_SERVICE"),
                                           ("above", "tcp", "OTHER_SERVICE")])
        self.assertIn("! above udp", harness.run("prefix", "route-test", self.ours.dir,
                                                 PREFIX).stdout)
        harness.run("record", "rm", top.dir, "0.NA/" + PREFIX, "--yes")
        self.assertEqual(self.steps(code=1)[3:], [("above", "udp", "NOT_FOUND"),
                                                 ("above", "tcp", "NOT_FOUND")])

    def test_servers_that_a_record_of_another_node_tells_are_found(self):
        self.delegate()
        top = self.above(PREFIX, self.enterprise.address)
        shown = harness.run_json("record", "show", self.ours.dir, "0.NA/" + PREFIX)
        site = next(v for v in shown["values"] if v["type"] == "HS_SITE")
        harness.run("record", "put", top.dir, "-", stdin=(json.dumps(
            {"handle": "88/serv", "values": [site]}) + "\n").encode())
        harness.run("prefix", "delegate", self.ours.dir, PREFIX, "--serv", "88/serv")
        self.start(*PROBES)
        self.assertEqual(self.steps()[:3], [("own", "tcp", "OK"), ("server", "udp", "OK"),
                                            ("server", "tcp", "OK")])
        eventually(self, lambda: self.state() == "up")
        harness.run("prefix", "delegate", self.ours.dir, PREFIX, "--serv", "88/none")
        eventually(self, lambda: self.state() == "down")

    def test_our_canary_is_asked_for_from_above(self):
        self.delegate()
        self.above("88.608", self.ours.address)
        harness.run("record", "put", self.ours.dir, "-", stdin=(
            harness.record("88.608/canary", (1, "DESC", "sings")) + "\n").encode())
        self.start(*PROBES, ("canary", "88.608/canary"))
        self.ways_become("up")
        shown = harness.run("node", "status", self.ours.dir).stdout
        for way in ("over UDP", "over TCP", "from above"):
            self.assertRegex(shown, "canary %s +up since" % way)
        self.assertEqual(figures(self.ours)['canary_ways{state="up"}'], 3)
        harness.run("record", "rm", self.ours.dir, "88.608/canary", "--yes")
        self.ways_become("down")
        self.assertIn("our own canary by above is down", self.ours.said())
        self.assertIn("warning probe: our own canary by tcp is down, was up", self.ours.said())

    def ways_become(self, state):
        eventually(self, lambda: {way["state"] for way in harness.run_json(
            "node", "status", self.ours.dir)["canary"].values()} == {state})

    # --- now and then -----------------------------------------------------------------------

    def test_a_node_that_is_killed_and_comes_back_is_seen_everywhere(self):
        self.delegate()
        self.start(*PROBES)
        eventually(self, lambda: self.state() == "up")
        self.assertEqual(figures(self.ours)['probe_prefixes{state="up"}'], 1)
        self.enterprise.stop(signal.SIGKILL)
        eventually(self, lambda: self.state() == "down")
        self.assertEqual(figures(self.ours)['probe_prefixes{state="down"}'], 1)
        self.assertIn("warning probe: the node of 88.608.9 is down, was up", self.ours.said())
        self.enterprise.start()
        eventually(self, lambda: self.state() == "up")
        self.assertIn("the node of 88.608.9 is up, was down", self.ours.said())
        history = harness.run_json("prefix", "route-history", self.ours.dir, PREFIX)
        self.assertTrue(history["is_live"])
        states = [stretch["state"] for stretch in history["history"]]
        self.assertEqual([s for i, s in enumerate(states) if i == 0 or s != states[i - 1]],
                         ["up", "down", "up"])
        self.assertRegex(harness.run("prefix", "list", self.ours.dir).stdout,
                         r"88\.608\.9 +delegated +up")

    def test_the_history_outlasts_a_restart(self):
        self.delegate(port=harness.free_port())
        self.start(*PROBES)
        eventually(self, lambda: self.state() == "down")
        before = harness.run_json("prefix", "route-history", self.ours.dir, PREFIX)
        self.ours.stop()
        stopped = harness.run_json("prefix", "route-history", self.ours.dir, PREFIX)
        self.assertFalse(stopped["is_live"])
        self.assertEqual(stopped["since"], before["since"])
        self.ours.setting("probe", "interval", "1h")
        self.ours.start()
        after = harness.run_json("prefix", "route-history", self.ours.dir, PREFIX)
        self.assertTrue(after["is_live"])
        self.assertEqual((after["state"], after["since"]), ("down", before["since"]))

    def test_a_reload_switches_probes_on_and_off(self):
        self.delegate()
        self.start(("interval", "0s"))
        time.sleep(1)
        self.assertNotIn('probe_rounds_total', [n for n, v in figures(self.ours).items() if v])
        for key, value in PROBES:
            self.ours.setting("probe", key, value)
        harness.run("node", "reload", self.ours.dir)
        eventually(self, lambda: self.state() == "up")
        self.ours.setting("probe", "interval", "0s")
        harness.run("node", "reload", self.ours.dir)
        eventually(self, lambda: self.state() == "unknown")


if __name__ == "__main__":
    unittest.main()
