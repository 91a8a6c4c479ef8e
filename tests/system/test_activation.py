# SPDX-License-Identifier: Apache-2.0
"""Sockets of a service manager: they outlive the daemon, so that a restart loses nothing.

The launcher here does what systemd does: it keeps the sockets, hands them over as descriptors 3
and up, and starts the next daemon when one has ended.
"""

import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import harness
import wire

GUANTONGD = os.path.join(harness.BUILD, "guantongd")
CONF = os.path.join(harness.ROOT, "conf")
NAME = "88.1000/a"


def bound(kind, ip="127.0.0.1", port=0, dual=False):
    s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, kind)
    if ":" in ip:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind((ip, port))
    if kind == socket.SOCK_STREAM:
        s.listen(4096)
    return s


# Runs in the process that becomes the daemon: moves what it was passed to 3 and up.
LAUNCHER = """
import os, sys
passed = [int(word) for word in sys.argv[3].split(",")]
high = [os.dup(fd) for fd in passed]
while min(high) < 3 + len(high):
    high = [os.dup(fd) for fd in high]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number)
os.environ.update(LISTEN_PID=sys.argv[4] or str(os.getpid()), LISTEN_FDS=str(len(high)))
os.execv(sys.argv[1], [sys.argv[1], *sys.argv[5:], sys.argv[2]])
"""


def launch(directory, sockets, log, names=None, pid="", options=("--allow-root",)):
    """guantongd with `sockets` as descriptors 3 and up, told to be for process `pid`."""
    fds = [s.fileno() for s in sockets]
    env = {**os.environ, **({} if names is None else {"LISTEN_FDNAMES": ":".join(names)})}
    return subprocess.Popen([sys.executable, "-c", LAUNCHER, GUANTONGD, directory,
                             ",".join(map(str, fds)), pid, *options],
                            pass_fds=fds, stdout=log, stderr=log, env=env)


class GivenTest(harness.NodeTest):
    """A node that is handed sockets."""

    def open(self, *sockets, workers=3):
        self.n = self.node(prefix="88.1000")
        self.n.setting("workers", "count", workers)
        harness.run("record", "put", self.n.dir, "-",
                    stdin=harness.record(NAME, (1, "DESC", "x")).encode())
        self.sockets = list(sockets)
        for s in sockets:
            self.addCleanup(s.close)
        self.n.log = open(os.path.join(self.n.holder.name, "daemon.log"), "ab+")
        self.addCleanup(self.n.log.close)

    def launch(self, **more):
        self.n.daemon = launch(self.n.dir, self.sockets, self.n.log, **more)

    def wait_ready(self):
        deadline = time.monotonic() + 60
        while harness.run("node", "status", self.n.dir, code=None).returncode != 0:
            self.assertIsNone(self.n.daemon.poll(), self.n.said())
            self.assertLess(time.monotonic(), deadline, self.n.said())
            time.sleep(0.05)

    def end(self):
        """Ends the daemon, keeps the log open; its exit code."""
        self.n.daemon.send_signal(signal.SIGTERM)
        code = self.n.daemon.wait(timeout=60)
        self.n.daemon = None
        return code

    def ask(self, address, kind):
        """A resolution with a socket of its own, which is handed back to be read."""
        s = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, kind)
        self.addCleanup(s.close)
        s.settimeout(60)
        s.connect(address)
        s.sendall(wire.resolve(NAME, request_id=7))
        return s

    def assert_answered(self, s):
        is_udp = s.type == socket.SOCK_DGRAM
        answer = wire.Message(s.recv(65535) if is_udp else wire.read_packet(s))
        self.assertEqual((answer.code, answer.request_id), (1, 7))


class Given(GivenTest):
    def test_requests_sent_while_no_daemon_runs_are_answered_by_the_next(self):
        udp, tcp = bound(socket.SOCK_DGRAM), bound(socket.SOCK_STREAM)
        self.open(udp, tcp)
        for _ in range(2):
            waiting = [self.ask(s.getsockname(), s.type) for s in (udp, tcp) for _ in range(100)]
            self.launch()
            for s in waiting:
                self.assert_answered(s)
            self.wait_ready()
            self.assertEqual(self.end(), 0, self.n.said())

    def test_socket_named_tls_speaks_tls(self):
        udp, tcp, tls = bound(socket.SOCK_DGRAM), bound(socket.SOCK_STREAM), bound(socket.SOCK_STREAM)
        self.open(udp, tcp, tls)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.launch(names=["handle", "handle", "tls"])
        self.wait_ready()
        for _ in range(6):
            with socket.create_connection(tls.getsockname(), timeout=60) as plain:
                with context.wrap_socket(plain) as s:
                    s.sendall(wire.resolve(NAME, request_id=7))
                    self.assert_answered(s)
        self.assert_answered(self.ask(tcp.getsockname(), socket.SOCK_STREAM))
        self.assertEqual(self.end(), 0, self.n.said())

    def test_sockets_named_http_and_https_speak_them(self):
        sockets = [bound(kind) for kind in (socket.SOCK_DGRAM, *[socket.SOCK_STREAM] * 3)]
        self.open(*sockets)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.launch(names=["handle", "handle", "http", "https"])
        self.wait_ready()
        http_port, https_port = (s.getsockname()[1] for s in sockets[2:])
        for connection in (http.client.HTTPConnection("127.0.0.1", http_port, timeout=60),
                           http.client.HTTPSConnection("127.0.0.1", https_port, timeout=60,
                                                       context=context)):
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read()), (200, b"ready\n"))
            if connection.port == https_port:
                self.assertEqual(connection.sock.selected_alpn_protocol(), "http/1.1")
            connection.close()
        self.assertEqual(self.end(), 0, self.n.said())

    def test_every_socket_is_served_whatever_the_number_of_workers(self):
        for count, workers in ((1, 3), (3, 3), (5, 2), (2, 5)):
            with self.subTest(sockets=count, workers=workers):
                first = [bound(kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
                more = [bound(s.type, port=s.getsockname()[1])
                        for s in first for _ in range(count - 1)]
                self.open(*first, *more, workers=workers)
                self.launch()
                self.wait_ready()
                # The kernel spreads them by their port: with this many, over every socket.
                asked = [self.ask(s.getsockname(), s.type) for s in first for _ in range(60)]
                for s in asked:
                    self.assert_answered(s)
                self.assertEqual(self.end(), 0, self.n.said())

    def test_socket_of_both_families_answers_both(self):
        try:
            sockets = [bound(kind, "::", dual=True)
                       for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        except OSError as error:
            self.skipTest("no IPv6: %s" % error)
        self.open(*sockets)
        self.launch()
        for s in sockets:
            for ip in ("127.0.0.1", "127.0.0.2", "::1"):
                self.assert_answered(self.ask((ip, s.getsockname()[1]), s.type))

    def test_settings_have_no_say_and_the_log_tells_where_it_listens(self):
        udp = bound(socket.SOCK_DGRAM)
        self.open(udp)
        self.launch(names=["handle"])
        self.wait_ready()
        self.assertIn("socket of the service manager: 127.0.0.1:%d" % udp.getsockname()[1],
                      self.n.said())
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(self.n.address, timeout=5)

    def test_sockets_meant_for_another_process_are_not_taken(self):
        udp = bound(socket.SOCK_DGRAM)
        self.open(udp)
        self.launch(pid="1")
        self.wait_ready()
        self.assertEqual(self.n.resolve_tcp(NAME).code, 1)
        self.assertNotIn("service manager", self.n.said())

    def test_socket_that_cannot_be_served_ends_the_start_with_the_reason(self):
        self.open(bound(socket.SOCK_DGRAM))
        self.launch(names=["gopher"])
        self.assertEqual(self.n.daemon.wait(timeout=60), 3)
        self.n.daemon = None
        self.assertIn('descriptor 3 is named "gopher"', self.n.said())

    def test_strangers_reach_no_root_through_a_socket_given(self):
        if os.geteuid() != 0:
            self.skipTest("not root")
        udp = bound(socket.SOCK_DGRAM, "0.0.0.0")
        self.open(udp)
        self.launch(options=())
        self.assertEqual(self.n.daemon.wait(timeout=60), 1)
        self.n.daemon = None
        self.assertIn("belongs to root", self.n.said())


class Load(threading.Thread):
    """Asks until told to stop, over a new TCP connection or with a datagram each time; a distant
    client's request comes a moment after its connection."""

    def __init__(self, address, kind, distance_s):
        super().__init__()
        self.address, self.kind, self.distance_s = address, kind, distance_s
        self.stopping = threading.Event()
        self.answered, self.refused, self.lost = 0, 0, []
        self.start()

    def ask(self):
        with socket.socket(socket.AF_INET, self.kind) as s:
            s.settimeout(60)
            try:
                s.connect(self.address)
            except OSError:
                self.refused += 1
                return
            time.sleep(self.distance_s)
            s.sendall(wire.resolve(NAME, request_id=self.answered + 1))
            packet = wire.read_packet(s) if self.kind == socket.SOCK_STREAM else s.recv(65535)
            answer = wire.Message(packet)
            if (answer.code, answer.request_id) != (1, self.answered + 1):
                raise ValueError("another answer")
            self.answered += 1

    def run(self):
        while not self.stopping.is_set():
            try:
                self.ask()
            except (OSError, EOFError, ValueError) as error:
                self.lost.append(repr(error))


class RestartUnderLoad(GivenTest):
    def test_nothing_is_refused_and_nothing_is_lost(self):
        udp, tcp = bound(socket.SOCK_DGRAM), bound(socket.SOCK_STREAM)
        self.open(udp, tcp)
        self.launch()
        self.wait_ready()
        loads = [Load(s.getsockname(), s.type, distance_s)
                 for s in (udp, tcp) for distance_s in (0, 0, 0.05)]
        try:
            for _ in range(5):
                time.sleep(0.5)
                self.assertEqual(self.end(), 0, self.n.said())
                time.sleep(0.2)
                self.launch()
                self.wait_ready()
        finally:
            for load in loads:
                load.stopping.set()
            for load in loads:
                load.join()
        for load in loads:
            self.assertGreater(load.answered, 20)
            self.assertEqual((load.refused, load.lost), (0, []), self.n.said())


class Unit(unittest.TestCase):
    def setUp(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("no systemd-analyze")

    def analyze(self, *words):
        return subprocess.run(["systemd-analyze", *words, "--no-pager"], capture_output=True,
                              text=True, timeout=60, check=False, cwd=CONF)

    def test_exposure_is_low(self):
        done = self.analyze("security", "--offline=true", "--threshold=20", "guantongd.service")
        level = re.search(r"exposure level for guantongd.service: ([0-9.]+)", done.stdout)
        self.assertIsNotNone(level, done.stdout + done.stderr)
        self.assertLessEqual(float(level.group(1)), 2.0)
        self.assertEqual(done.returncode, 0)

    def test_units_hold_no_mistake(self):
        # The programs and pages are not installed here.
        with tempfile.TemporaryDirectory(prefix="guantong-") as folder:
            for name in ("guantongd.service", "guantongd.socket", "guantongd-tls.socket",
                         "guantongd-http.socket", "guantongd-https.socket"):
                with open(os.path.join(CONF, name), encoding="utf-8") as f:
                    text = re.sub(r"Documentation=.*\n", "", f.read())
                with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                    f.write(text.replace("/usr/sbin/guantongd", "/bin/true"))
            done = self.analyze("verify", os.path.join(folder, "guantongd.socket"),
                                os.path.join(folder, "guantongd-tls.socket"),
                                os.path.join(folder, "guantongd-http.socket"),
                                os.path.join(folder, "guantongd-https.socket"),
                                os.path.join(folder, "guantongd.service"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
