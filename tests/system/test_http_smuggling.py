# SPDX-License-Identifier: Apache-2.0
"""Requests that two servers could read differently, sent to a node directly and through nginx: the
two must agree on where each message ends, so that nobody's request can hide in another's.

Directly every probe ends in the answers named here, and the connection ends with a refusal. Through
nginx, whatever it makes of a probe, the node sees as many requests as nginx passed on, and the next
client on the kept connection between the two gets its own answer.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

import harness

NGINX = shutil.which("nginx") or os.path.join(harness.ROOT, "build", "tools", "usr", "sbin", "nginx")
NEXT = b"GET /smuggled HTTP/1.1\r\nHost: node\r\n\r\n"  # nobody has it: 404


def head(*fields, line=b"POST /readyz HTTP/1.1", host=b"Host: node\r\n"):
    return line + b"\r\n" + host + b"".join(f + b"\r\n" for f in fields) + b"\r\n"


def length(*values, body=b"hello"):
    return head(*(b"Content-Length: " + v for v in values)) + body


def coded(value, body=b"0\r\n\r\n", name=b"Transfer-Encoding: "):
    return head(name + value) + body


def chunked(body):
    return coded(b"chunked", body)


def get(*fields, **more):
    return head(*fields, line=b"GET /readyz HTTP/1.1", **more)


# Name: the probe, and the statuses of what it and NEXT behind it are answered with directly.
GOOD = {
    "plain": (get(), [200, 404]),
    "length": (length(b"5"), [415, 404]),
    "length 0": (length(b"0", body=b""), [415, 404]),
    "blanks around a length": (head(b"Content-Length:   5  ") + b"hello", [415, 404]),
    "chunked": (chunked(b"5\r\nhello\r\n0\r\n\r\n"), [415, 404]),
    "chunked in capitals": (coded(b"CHUNKED", b"A\r\n0123456789\r\n0\r\n\r\n"), [415, 404]),
    "one empty line before": (b"\r\n" + get(), [200, 404]),
    "obs-text in a value": (get(b"X-Name: \xe6\x88\x91"), [200, 404]),
    "raw text in the target": (head(line=b"GET /88.1000/\xe6\x88\x91 HTTP/1.1"), [404, 404]),
    "tab in a value": (get(b"X-Name: a\tb"), [200, 404]),
    "empty value": (get(b"X-Name:"), [200, 404]),
    "body of a GET": (get(b"Content-Length: 5") + b"hello", [200, 404]),
    "name that looks alike": (head(b"Content_Length: 5", b"Content-Length: 0"), [415, 404]),
    "pipelined within a body": (length(b"%d" % len(NEXT), body=NEXT), [415, 404]),
}
BAD = {
    "two lengths": length(b"5", b"6", body=b"hello!"),
    "the same length twice": length(b"5", b"5"),
    "list of lengths": length(b"5, 5"),
    "length with a sign": length(b"+5"),
    "negative length": length(b"-5"),
    "hexadecimal length": length(b"0x5"),
    "length with a zero before": length(b"05"),
    "length of two words": length(b"5 0"),
    "length with a point": length(b"5.0"),
    "empty length": length(b""),
    "length beyond 64 bits": length(b"18446744073709551621"),
    "length beyond 63 bits": length(b"9223372036854775813"),
    "length and chunked": head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked and length": head(b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n",
    "length in a trailer": chunked(b"0\r\nContent-Length: 5\r\n\r\n"),
    "any trailer": chunked(b"0\r\nX-A: b\r\n\r\n"),
    "coding twice": head(b"Transfer-Encoding: chunked",
                         b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "other coding": coded(b"gzip"),
    "two codings": coded(b"gzip, chunked"),
    "chunked first": coded(b"chunked, identity"),
    "identity": coded(b"identity"),
    "coding with a tail": coded(b"chunked;q=1"),
    "coding that looks alike": coded(b"xchunked"),
    "vertical tab before the coding": coded(b"\x0bchunked"),
    "coding with a space before the colon": coded(b"chunked", name=b"Transfer-Encoding : "),
    "folded coding": coded(b"\r\n chunked"),
    "chunked on HTTP/1.0": head(b"Transfer-Encoding: chunked",
                                line=b"POST /readyz HTTP/1.0") + b"0\r\n\r\n",
    "chunk with an extension": chunked(b"5;a=b\r\nhello\r\n0\r\n\r\n"),
    "chunk with a sign": chunked(b"+5\r\nhello\r\n0\r\n\r\n"),
    "negative chunk": chunked(b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunk as 0x": chunked(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk with zeros before": chunked(b"0005\r\nhello\r\n0\r\n\r\n"),
    "chunk with a blank behind": chunked(b"5 \r\nhello\r\n0\r\n\r\n"),
    "chunk with a blank before": chunked(b" 5\r\nhello\r\n0\r\n\r\n"),
    "chunk size ends in LF": chunked(b"5\nhello\r\n0\r\n\r\n"),
    "chunk data ends in LF": chunked(b"5\r\nhello\n0\r\n\r\n"),
    "chunk longer than it says": chunked(b"5\r\nhello!\r\n0\r\n\r\n"),
    "chunk beyond 64 bits": chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "chunk without a size": chunked(b"\r\nhello\r\n0\r\n\r\n"),
    "last chunk ends in LF": chunked(b"0\n\n"),
    "no chunks at all": chunked(b"hello"),
    "bare LF behind the request line": b"GET /readyz HTTP/1.1\nHost: node\r\n\r\n",
    "bare LF behind a field": b"GET /readyz HTTP/1.1\r\nHost: node\n\r\n",
    "bare LF at the end": b"GET /readyz HTTP/1.1\r\nHost: node\r\n\n",
    "bare LF everywhere": b"GET /readyz HTTP/1.1\nHost: node\n\n",
    "bare CR in a value": get(b"X-A: b\rX-B: c"),
    "CR CR LF": b"GET /readyz HTTP/1.1\r\r\nHost: node\r\n\r\n",
    "NUL in a value": get(b"X-A: b\0c"),
    "NUL in a name": get(b"X\0A: b"),
    "NUL in the target": head(line=b"GET /ready\0z HTTP/1.1"),
    "control byte in a value": get(b"X-A: b\x01"),
    "DEL in a value": get(b"X-A: b\x7f"),
    "space before the colon": get(b"X-A : b"),
    "tab before the colon": get(b"X-A\t: b"),
    "no name": get(b": b"),
    "no colon": get(b"X-A"),
    "space in a name": get(b"X A: b"),
    "folded field": get(b"X-A: b\r\n c"),
    "blank before the first field": b"GET /readyz HTTP/1.1\r\n X-A: b\r\nHost: node\r\n\r\n",
    "obs-text in a name": get(b"X-\xe6: b"),
    "no host": get(host=b""),
    "two hosts": get(b"Host: other"),
    "empty host": get(host=b"Host:\r\n"),
    "host with a path": get(host=b"Host: node/x\r\n"),
    "host with a user": get(host=b"Host: me@node\r\n"),
    "two spaces in the request line": head(line=b"GET  /readyz HTTP/1.1"),
    "tab in the request line": head(line=b"GET\t/readyz HTTP/1.1"),
    "space behind the version": head(line=b"GET /readyz HTTP/1.1 "),
    "space before the method": head(line=b" GET /readyz HTTP/1.1"),
    "no version": head(line=b"GET /readyz"),
    "small version": head(line=b"GET /readyz http/1.1"),
    "version 1.10": head(line=b"GET /readyz HTTP/1.10"),
    "version 2": head(line=b"GET /readyz HTTP/2.0"),
    "version 0.9": head(line=b"GET /readyz HTTP/0.9"),
    "absolute target": head(line=b"GET http://node/readyz HTTP/1.1"),
    "target without a slash": head(line=b"GET readyz HTTP/1.1"),
    "CONNECT": head(line=b"CONNECT node:80 HTTP/1.1"),
    "unknown method": head(line=b"BREW /readyz HTTP/1.1"),
    "broken escape": head(line=b"GET /readyz?%zz HTTP/1.1"),
    "NUL as an escape": head(line=b"GET /readyz?%00 HTTP/1.1"),
    "raw bytes in the target": head(line=b"GET /\xe6\x88 HTTP/1.1"),
    "raw control character in the target": head(line=b"GET /\xc2\x85 HTTP/1.1"),
    "raw text in the query": head(line=b"GET /readyz?\xe6\x88\x91 HTTP/1.1"),
    "raw text in the target of a POST": head(line=b"POST /\xe6\x88\x91 HTTP/1.1"),
    "two empty lines before": b"\r\n\r\n" + get(),
    "LF before": b"\n" + get(),
    "rubbish before": b"rubbish\r\n" + get(),
}

CONFIGURATION = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log info;
events {{ worker_connections 256; }}
http {{
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  log_format passed '$upstream_status $status $request'; access_log {dir}/access.log passed;
  upstream node {{ server 127.0.0.1:{node}; keepalive 1; }}
  client_body_timeout 1s; client_header_timeout 1s; proxy_read_timeout 5s;
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host node;
    proxy_next_upstream off; proxy_request_buffering {buffering};
    location / {{ proxy_pass http://node; }}
  }}
}}
"""


def talk(port, data, timeout=5.0):
    """All that comes back until the other side closes, or the last of two answers is whole."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
        got = b""
        try:
            s.sendall(data)
            while len(answers(got)) < 2 or not answers(got)[-1][1]:
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        except OSError:
            pass
        return got


def answers(data):
    """[(status, is whole)] of the answers that follow each other in data."""
    found = []
    while data:
        match = re.match(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n(.*?\r\n)?\r\n", data, re.S)
        if not match:
            found.append((None, True))
            break
        size = re.search(rb"(?i)content-length: (\d+)", match[0])
        end = match.end() + (int(size[1]) if size else 0)
        if len(data) < end and found == [] and data[match.end():].startswith(b"HTTP/1.1 "):
            end = match.end()
        found.append((int(match[1]), len(data) >= end))
        data = data[end:]
    return found


class Smuggling(harness.NodeTest):
    def start(self):
        node = self.node(http=True)
        node.start()
        return node

    def requests_seen(self, node):
        figures = harness.run_json("stats", node.dir)["requests"]
        return figures["http_requests"] + figures["http_refused"]

    def test_node_reads_every_probe_in_one_way(self):
        node = self.start()
        for name, (probe, wanted) in GOOD.items():
            with self.subTest(name):
                got = [status for status, _ in answers(talk(node.http_port, probe + NEXT))]
                self.assertEqual(got, wanted)
        for name, probe in BAD.items():
            with self.subTest(name):
                got = [status for status, _ in answers(talk(node.http_port, probe + NEXT))]
                self.assertEqual(len(got), 1, got)
                self.assertIn(got[0], (400, 413, 501, 505))

    def proxy(self, node, buffering):
        place = os.path.join(node.holder.name, "nginx")
        os.makedirs(place, exist_ok=True)
        port = harness.free_port()
        path = os.path.join(place, "nginx.conf")
        with open(path, "w", encoding="ascii") as f:
            f.write(CONFIGURATION.format(dir=place, node=node.http_port, port=port,
                                         buffering=buffering))
        proxy = subprocess.Popen([NGINX, "-p", place, "-c", path, "-e", place + "/error.log"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def stop():
            proxy.send_signal(signal.SIGTERM)
            proxy.wait(timeout=30)
        self.addCleanup(stop)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return port, place
            except OSError:
                time.sleep(0.05)
        raise AssertionError("nginx does not listen")

    def passed_on(self, place):
        with open(place + "/access.log", encoding="utf-8", errors="replace") as f:
            return sum(line[:3].isdigit() for line in f)

    def canary(self, port):
        got = talk(port, b"GET /readyz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
        self.assertTrue(got.startswith(b"HTTP/1.1 200 ") and got.endswith(b"ready\n"), got)

    def check_behind_nginx(self, buffering):
        node = self.start()
        port, place = self.proxy(node, buffering)
        probes = {**BAD, **{name: probe for name, (probe, _) in GOOD.items()}}
        self.canary(port)
        for name, probe in probes.items():
            with self.subTest(name):
                talk(port, probe + NEXT, timeout=2.0)
                self.canary(port)
        time.sleep(0.5)  # its log is written behind the answers
        self.assertEqual(self.requests_seen(node), self.passed_on(place))
        for name, (probe, wanted) in GOOD.items():
            with self.subTest("answers to " + name):
                if name == "name that looks alike":  # nginx leaves it out
                    continue
                got = [status for status, _ in answers(talk(port, probe + NEXT))]
                self.assertEqual(got, wanted)

    @unittest.skipUnless(os.path.exists(NGINX), "nginx is not there")
    def test_nginx_that_gathers_bodies_agrees(self):
        self.check_behind_nginx("on")

    @unittest.skipUnless(os.path.exists(NGINX), "nginx is not there")
    def test_nginx_that_passes_bodies_on_agrees(self):
        self.check_behind_nginx("off")


if __name__ == "__main__":
    unittest.main()
