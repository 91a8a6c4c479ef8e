# SPDX-License-Identifier: Apache-2.0
"""The HTTP and HTTPS ports of a real node: health, figures, what proxies say, TLS and its reload."""

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess

import harness
import wire


class Http(harness.NodeTest):
    def served(self, **more):
        node = self.node(http=True, https=True, **more)
        harness.run("import", node.dir, self.file(
            node, "rows.jsonl", harness.record("88.1000/a", (1, "DESC", "a part")) + "\n"))
        return node

    def get(self, node, path, method="GET", body=None, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=30)
        connection.request(method, path, body=body,
                           headers={k.replace("_", "-"): v for k, v in fields.items()})
        answer = connection.getresponse()
        found = answer.status, dict(answer.headers), answer.read()
        connection.close()
        return found

    def test_health_and_figures(self):
        node = self.served().start()
        self.assertEqual(self.get(node, "/healthz")[::2], (200, b"alive\n"))
        self.assertEqual(self.get(node, "/readyz")[::2], (200, b"ready\n"))
        status, fields, text = self.get(node, "/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(fields["Content-Type"].startswith("application/openmetrics-text"))
        self.assertTrue(text.endswith(b"# EOF\n"))
        self.assertIn(b"guantong_http_requests_total", text)
        self.assertIn(b"guantong_records", text)
        status = harness.run_json("node", "status", node.dir)
        self.assertEqual((status["http_port"], status["https_port"]),
                         (node.http_port, node.https_port))

    def test_strangers_see_no_figures(self):
        node = self.served()
        node.setting("limits", "trusted_networks", "[]")
        node.start()
        self.assertEqual(self.get(node, "/metrics")[0], 404)
        self.assertEqual(self.get(node, "/metrics", X_Forwarded_For="10.0.0.1")[0], 404)

    def test_bodies_of_strangers_have_a_bound_together(self):
        node = self.served()
        for name, value in (("trusted_networks", "[]"), ("http_bodies", "1M")):
            node.setting("limits", name, value)
        node.start()
        held = []
        for _ in range(12):
            s = socket.create_connection(("127.0.0.1", node.http_port), timeout=30)
            self.addCleanup(s.close)
            s.sendall(b"PUT /api/handles/88.1000/x HTTP/1.1\r\nHost: n\r\n"
                      b"Content-Length: 600000\r\n\r\n")
            s.sendall(bytes(500000))
            held.append(s)
        s.settimeout(30)
        self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 503 "))
        self.assertEqual(self.get(node, "/88.1000%2Fa", "POST", bytes(2000))[0], 415)
        for s in held:
            s.close()

        def is_free():
            return self.get(node, "/88.1000%2Fa", "POST", bytes(300000))[0] == 415
        self.assertTrue(any(is_free() for _ in range(20)))

    def test_name_sent_as_it_is_written_is_understood(self):
        """Some apps send what they scanned without encoding it."""
        node = self.served().start()

        def ask(path):
            with socket.create_connection(("127.0.0.1", node.http_port), timeout=30) as s:
                s.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n")
                answer, body = self.read_all(s).split(b"\r\n\r\n", 1)
            return answer[:12], body
        raw = ask("/88.1000/没有".encode())
        self.assertEqual(raw[0], b"HTTP/1.1 404")
        self.assertIn("没有".encode(), raw[1])
        self.assertEqual(raw, ask(b"/88.1000/%E6%B2%A1%E6%9C%89"))
        self.assertEqual(ask(b"/88.1000/\xe6\xb2")[0], b"HTTP/1.1 400")

    def test_trusted_proxy_says_for_whom_it_asks(self):
        node = self.served()
        node.setting("limits", "trusted_proxies", "[127.0.0.1/32]")
        node.start()
        self.assertEqual(self.get(node, "/metrics")[0], 200)
        self.assertEqual(self.get(node, "/metrics", X_Forwarded_For="192.0.2.1")[0], 404)
        self.assertEqual(self.get(node, "/metrics", X_Forwarded_For="192.0.2.1, 127.0.0.9")[0], 200)

    def test_tunnel_through_tls_answers_as_tcp(self):
        node = self.served().start()
        packet = wire.resolve("88.1000/a", request_id=9)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2", "http/1.1"])
        connection = http.client.HTTPSConnection("127.0.0.1", node.https_port, context=context,
                                                 timeout=30)
        for _ in range(3):  # one connection
            connection.request("POST", "/88.1000%2Fa", body=packet,
                               headers={"Content-Type": "application/x-hdl-message"})
            answer = connection.getresponse()
            ours = wire.Message(answer.read())
            self.assertEqual((answer.status, ours.code, ours.request_id), (200, 1, 9))
        self.assertEqual(connection.sock.selected_alpn_protocol(), "http/1.1")
        connection.close()
        self.assertEqual(ours.body, wire.Message(wire.ask_tcp(node.address, packet)[0]).body)
        requests = harness.run_json("stats", node.dir)["requests"]["requests"]
        self.assertEqual(requests["https"], 3)

    def test_tls_port_says_plainly_what_it_speaks(self):
        node = self.served().start()
        for request in (b"GET / HTTP/1.1\r\nHost: n\r\n\r\n",
                        b"POST / HTTP/1.1\r\nHost: n\r\nContent-Length: 2000000\r\n\r\n"
                        + bytes(2000000)):
            with socket.create_connection(("127.0.0.1", node.https_port), timeout=30) as s:
                s.sendall(request)
                answer = self.read_all(s)
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
            self.assertIn(b"https://", answer)
        with socket.create_connection(("127.0.0.1", node.https_port), timeout=30) as s:
            s.sendall(b"rubbish\r\n")
            self.assertFalse(self.read_all(s).startswith(b"HTTP/"))

    def read_all(self, s):
        data = b""
        while piece := s.recv(65536):
            data += piece
        return data

    def test_refusal_is_read_by_who_sends_first(self):
        """A client that sends its whole body before it reads, more than the kernel keeps."""
        node = self.served()
        node.setting("limits", "http_body", "1M")
        node.start()
        size = 32 << 20
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for port, wrap in ((node.http_port, lambda s: s),
                           (node.https_port, lambda s: context.wrap_socket(s))):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
                s = wrap(plain)
                s.sendall(b"PUT /api/handles/88.1000/b HTTP/1.1\r\nHost: n\r\n"
                          b"Content-Length: %d\r\n\r\n" % size)
                for _ in range(size >> 16):
                    s.sendall(bytes(1 << 16))
                self.assertTrue(s.recv(1000).startswith(b"HTTP/1.1 413 "))
                s.close()

    def test_certificate_is_exchanged_by_a_reload(self):
        if shutil.which("openssl") is None:
            self.skipTest("openssl is not there")
        node = self.served()
        for name in ("one", "two"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                            "/CN=" + name, "-keyout", os.path.join(node.dir, "keys", name + ".key"),
                            "-out", os.path.join(node.dir, name + ".pem")],
                           check=True, capture_output=True)
            os.chmod(os.path.join(node.dir, "keys", name + ".key"), 0o600)
        node.setting("tls", "certificate", "one.pem")
        node.setting("tls", "key", "keys/one.key")
        node.start()
        first = ssl.get_server_certificate(("127.0.0.1", node.https_port))
        node.setting("tls", "certificate", "two.pem")
        node.setting("tls", "key", "keys/two.key")
        harness.run("node", "reload", node.dir)
        with open(os.path.join(node.dir, "two.pem"), encoding="ascii") as f:
            self.assertEqual(ssl.get_server_certificate(("127.0.0.1", node.https_port)), f.read())
        self.assertNotEqual(first, ssl.get_server_certificate(("127.0.0.1", node.https_port)))

    def test_kept_connection_is_told_of_the_end(self):
        node = self.served().start()
        with socket.create_connection(("127.0.0.1", node.http_port), timeout=30) as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: n\r\n\r\n")
            self.assertIn(b"alive", s.recv(1000))
            node.daemon.send_signal(signal.SIGTERM)
            try:
                rest = s.recv(1000)
            except ConnectionResetError:
                rest = b""
            self.assertEqual(rest, b"")
        self.assertEqual(node.daemon.wait(timeout=60), 0)
        node.daemon = None


if __name__ == "__main__":
    import unittest
    unittest.main()
