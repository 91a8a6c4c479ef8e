# SPDX-License-Identifier: Apache-2.0
"""The metrics port: OpenMetrics for whoever may connect, and nothing a stranger sends hurts."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import time

import harness

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([a-z_]+)="((?:[^"\\\n]|\\[n"\\])*)"\})? '
                    r"(-?[0-9]+)")
HELP = re.compile(r'(?:[^"\\\n]|\\[n"\\])*')


def parse(text):
    """{family: (kind, {(sample, label, value of the label): number})}; ValueError."""
    if not text.endswith("\n# EOF\n"):
        raise ValueError("no EOF at the end")
    families, name = {}, None
    for line in text[:-len("# EOF\n")].splitlines():
        words = line.split(" ", 3)
        if words[:2] == ["#", "TYPE"]:
            name = words[2]
            if name in families or len(words) != 4 or words[3] not in ("counter", "gauge"):
                raise ValueError("type: " + line)
            families[name] = (words[3], {})
        elif words[:2] == ["#", "HELP"]:
            if words[2] != name or not HELP.fullmatch(words[3]) or families[name][1]:
                raise ValueError("help: " + line)
        else:
            match = SAMPLE.fullmatch(line)
            kind, samples = families.get(name, ("", {}))
            if not match or match[1] != name + ("_total" if kind == "counter" else "") or \
                    match.groups()[:3] in samples or (kind == "counter" and int(match[4]) < 0):
                raise ValueError("sample: " + line)
            samples[match.groups()[:3]] = int(match[4])
    if any(not samples for _, samples in families.values()):
        raise ValueError("a family without sample")
    return families


class MetricsPort(harness.NodeTest):
    def setUp(self):
        self.n = self.node(prefix="88.1000")
        self.address = ("127.0.0.1", harness.free_port())
        self.n.setting("listen", "metrics_port", self.address[1])
        self.n.start()

    def get(self, path="/metrics", method="GET"):
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        self.addCleanup(connection.close)
        connection.request(method, path, headers={"Accept": "application/openmetrics-text"})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def talk(self, data):
        """What comes back for `data` until the port closes; b"" also when it resets."""
        with socket.create_connection(self.address, timeout=20) as s:
            came = b""
            try:
                s.sendall(data)
                while chunk := s.recv(65536):
                    came += chunk
            except ConnectionError:
                pass
            return came

    def assert_alive(self):
        self.assertEqual(self.get()[0], 200)
        self.assertEqual(self.n.resolve_tcp("0.NA/88.1000").code, 1)

    def test_figures_are_valid_and_true(self):
        before = parse(self.get()[2])
        for _ in range(5):
            self.n.resolve_tcp("0.NA/88.1000")
        status, headers, text = self.get()
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"],
                         "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.assertEqual(int(headers["Content-Length"]), len(text.encode()))
        self.assertEqual(headers["Connection"], "close")
        after = parse(text)

        def requests(families):
            return families["guantong_requests"][1][("guantong_requests_total", "transport",
                                                     "tcp")]
        self.assertEqual(requests(after) - requests(before), 5)
        # The store's figures come from another room.
        self.assertEqual(after["guantong_records"][1], {("guantong_records", None, None): 1})
        self.assertIn("guantong_commit_groups", after)

    def test_they_are_those_of_the_command(self):
        shown = parse(harness.run("stats", self.n.dir, "--openmetrics").stdout)
        served = parse(self.get()[2])
        self.assertEqual({name: kind for name, (kind, _) in shown.items()},
                         {name: kind for name, (kind, _) in served.items()})

    def test_promtool_finds_no_syntax_error(self):
        if shutil.which("promtool") is None:
            self.skipTest("no promtool")
        done = subprocess.run(["promtool", "check", "metrics"], input=self.get()[2], text=True,
                              capture_output=True, timeout=60, check=False)
        # 3: it is content with the syntax, but has wishes for names.
        self.assertIn(done.returncode, (0, 3), done.stdout + done.stderr)

    def test_only_one_thing_is_served(self):
        self.assertEqual(self.get("/metrics?x=1")[0], 200)
        self.assertEqual(self.get("/")[0], 404)
        self.assertEqual(self.get("/metrics/")[0], 404)
        self.assertEqual(self.get("/../metrics")[0], 404)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "get"):
            status, headers, _ = self.get(method=method)
            self.assertEqual((status, headers["Allow"]), (405, "GET"))

    def test_requests_in_pieces_and_of_old_clients_are_answered(self):
        with socket.create_connection(self.address, timeout=20) as s:
            for byte in b"GET /metrics HTTP/1.0\r\nX: y\r\n\r\n":
                s.sendall(bytes([byte]))
                time.sleep(0.005)
            self.assertTrue(s.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_garbage_is_refused(self):
        for data in (b"\r\n\r\n", b"GET /metrics\r\n\r\n", b"GET  /metrics HTTP/1.1\r\n\r\n",
                     b"GET /metrics HTTP/2.0\r\n\r\n", b"GET /metrics HTTP/1.1 \r\n\r\n",
                     b"GET /metrics HTTP/1.1\n\r\n\r\n", b"\0" * 100 + b"\r\n\r\n",
                     b"GET\t/metrics\tHTTP/1.1\r\n\r\n", b" \r\n\r\n", b"\x16\x03\x01\r\n\r\n"):
            with self.subTest(data=data):
                self.assertTrue(self.talk(data).startswith(b"HTTP/1.1 400 "))
        self.talk(os.urandom(100000))
        self.assert_alive()

    def test_oversized_request_is_cut_off(self):
        head = b"GET /metrics HTTP/1.1\r\nX: "
        fits = head + b"a" * (4096 - len(head) - 4) + b"\r\n\r\n"
        self.assertTrue(self.talk(fits).startswith(b"HTTP/1.1 200 "))
        self.assertTrue(self.talk(head + b"a" * (4096 - len(head))).startswith(b"HTTP/1.1 431 "))
        self.assertNotIn(b"200 OK", self.talk(head + b"a" * 1000000))
        self.assert_alive()

    def test_slow_request_is_ended_and_makes_room(self):
        slow = [socket.create_connection(self.address, timeout=20) for _ in range(16)]
        for s in slow:
            self.addCleanup(s.close)
            s.sendall(b"GET /metrics HT")
        time.sleep(0.3)
        # No seventeenth connection meanwhile; the resolver does not mind.
        self.assertEqual(self.talk(b"GET /metrics HTTP/1.1\r\n\r\n"), b"")
        self.assertEqual(self.n.resolve_tcp("0.NA/88.1000").code, 1)
        start = time.monotonic()
        for s in slow:
            self.assertEqual(s.recv(100), b"")
        self.assertLess(time.monotonic() - start, 15)
        self.assert_alive()

    def test_many_connections_leave_nothing_behind(self):
        folder = "/proc/%d/fd" % self.n.daemon.pid
        self.assert_alive()
        before = len(os.listdir(folder))
        for _ in range(20):
            crowd = [socket.create_connection(self.address, timeout=20) for _ in range(40)]
            for i, s in enumerate(crowd):
                if i % 3 == 0:
                    try:
                        s.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                    except ConnectionError:
                        pass
                s.close()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            # What of the crowd still waits to be accepted fills the port once more.
            if self.talk(b"GET /metrics HTTP/1.1\r\n\r\n") and \
                    len(os.listdir(folder)) <= before:
                break
            time.sleep(0.05)
        self.assertLessEqual(len(os.listdir(folder)), before)
        self.assert_alive()

    def test_stop_does_not_wait_for_a_scraper(self):
        with socket.create_connection(self.address, timeout=20) as s:
            s.sendall(b"GET /metrics")
            self.get()
            self.assertEqual(self.n.stop(), 0)
            self.assertEqual(s.recv(100), b"")


class Settings(harness.NodeTest):
    def test_node_with_a_port_of_its_own_has_no_metrics_port(self):
        node = self.node(prefix="88.1000")
        with open(os.path.join(node.dir, "guantong.yaml"), encoding="utf-8") as f:
            self.assertRegex(f.read(), r"(?m)^  metrics_port: 0$")
        harness.run("init", node.dir + ".2", "--prefix", "88.1000", "--listen", "127.0.0.1")
        with open(os.path.join(node.dir + ".2", "guantong.yaml"), encoding="utf-8") as f:
            self.assertNotRegex(f.read(), r"(?m)^  metrics_port:")

    def test_port_in_use_is_told_and_the_node_serves(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            node = self.node(prefix="88.1000")
            node.setting("listen", "metrics_port", other.getsockname()[1])
            node.start()
            self.assertEqual(node.resolve_tcp("0.NA/88.1000").code, 1)
            self.assertRegex(node.said(), r"metrics: no metrics port \(another process serves "
                                          r"127\.0\.0\.1:%d already\)" % other.getsockname()[1])

    def test_address_that_is_none_is_refused_with_its_place(self):
        node = self.node(prefix="88.1000")
        node.setting("listen", "metrics_address", "localhost")
        done = harness.run("conf", "check", node.dir, code=3)
        self.assertIn("metrics_address", done.stdout + done.stderr)
