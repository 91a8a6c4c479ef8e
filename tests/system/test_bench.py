# SPDX-License-Identifier: Apache-2.0
"""The load generator knows a right answer from a wrong one: a small server answers it as told.

Nothing here is about speed.
"""

import json
import os
import socket
import subprocess
import threading
import unittest

import harness
import wire

LOAD = os.path.join(harness.BUILD, "tests", "bench", "load")
NAMES = ["--names=88.1000/P-####", "--count=100", "--seconds=0.2", "--warmup=0",
         "--timeout-ms=200", "--outstanding=8", "--sleep"]


def answer_to(request, code=1, handle=None, request_id=None, data=b"x" * 40):
    """One well-formed answer to a resolution, or one that is wrong in a single thing."""
    asked = wire.Message(request)
    r = wire.Reader(asked.body)
    handle = r.text() if handle is None else handle
    value = (1).to_bytes(4, "big") + bytes(4) + b"\0" + (60).to_bytes(4, "big") + b"\x0e"
    value += wire.text("URL") + wire.text(data) + bytes(4)
    body = wire.text(handle) + (1).to_bytes(4, "big") + value
    return wire.request(body, code=code,
                        request_id=asked.request_id if request_id is None else request_id)


class Server:
    """Answers each UDP datagram, or each connection's packets, with what `reply` gives."""

    def __init__(self, reply, kind=socket.SOCK_DGRAM):
        self.reply, self.socket = reply, socket.socket(socket.AF_INET, kind)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.1)
        self.port = self.socket.getsockname()[1]
        self.is_over = False
        self.threads = [threading.Thread(target=self.serve_udp if kind == socket.SOCK_DGRAM
                                         else self.accept)]
        if kind == socket.SOCK_STREAM:
            self.socket.listen(64)
        self.threads[0].start()

    def serve_udp(self):
        while not self.is_over:
            try:
                request, peer = self.socket.recvfrom(65536)
            except socket.timeout:
                continue
            for datagram in self.reply(request):
                self.socket.sendto(datagram, peer)

    def accept(self):
        while not self.is_over:
            try:
                connection = self.socket.accept()[0]
            except socket.timeout:
                continue
            thread = threading.Thread(target=self.serve_tcp, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def serve_tcp(self, connection):
        with connection:
            connection.settimeout(5)
            try:
                while True:
                    connection.sendall(b"".join(self.reply(wire.read_packet(connection))))
            except (EOFError, OSError):
                pass

    def close(self):
        self.is_over = True
        for thread in list(self.threads):
            thread.join()
        self.socket.close()


class Bench(unittest.TestCase):
    def load(self, reply, *words, kind=socket.SOCK_DGRAM):
        """(exit code, figures) of a run against a server that replies like this."""
        server = Server(reply, kind)
        try:
            done = subprocess.run([LOAD, *NAMES, *words, "127.0.0.1", str(server.port)],
                                  capture_output=True, timeout=60, check=False, text=True)
        finally:
            server.close()
        self.assertEqual(done.stderr, "")
        return done.returncode, json.loads(done.stdout)

    def assert_only(self, figures, **expected):
        for name in ("wrong", "lost", "duplicate", "late", "broken"):
            if name in expected:
                self.assertGreater(figures[name], 0, name)
            else:
                self.assertEqual(figures[name], 0, name)

    def test_right_answers_are_right(self):
        code, figures = self.load(lambda q: [answer_to(q)])
        self.assertEqual(code, 0)
        self.assert_only(figures)
        self.assertGreater(figures["right"], 0)
        self.assertEqual(figures["right"], figures["sent"])
        self.assertLessEqual(figures["latency_us"]["p50"], figures["latency_us"]["p99"])

    def test_an_answer_in_pieces_is_one_answer_in_any_order(self):
        def reply(request):
            return reversed(wire.fragments(answer_to(request, data=b"x" * 1200)))
        code, figures = self.load(reply)
        self.assertEqual(code, 0)
        self.assert_only(figures)
        self.assertEqual(figures["right"], figures["sent"])

    def test_a_missing_piece_is_a_lost_answer(self):
        code, figures = self.load(
            lambda q: wire.fragments(answer_to(q, data=b"x" * 1200))[:-1])
        self.assertEqual(code, 1)
        self.assert_only(figures, lost=True)
        self.assertEqual(figures["lost"], figures["sent"])

    def test_wrong_answers_are_wrong(self):
        faults = {
            "code": lambda q: [answer_to(q, code=100)],
            "handle": lambda q: [answer_to(q, handle=b"88.1000/P-other")],
            "cut": lambda q: [answer_to(q)[:-1]],
            "too long": lambda q: [answer_to(q) + b"\0"],
            "opcode": lambda q: [answer_to(q)[:23] + b"\2" + answer_to(q)[24:]],
        }
        for name, reply in faults.items():
            with self.subTest(name):
                code, figures = self.load(reply)
                self.assertEqual(code, 1)
                self.assert_only(figures, wrong=True)
                self.assertEqual(figures["right"], 0)

    def test_length_is_held(self):
        code, figures = self.load(lambda q: [answer_to(q)], "--length=99")
        self.assertEqual((code, figures["right"]), (1, 0))

    def test_an_unknown_request_id_is_wrong_and_its_request_lost(self):
        code, figures = self.load(lambda q: [answer_to(q, request_id=0x7fffffff)])
        self.assertEqual(code, 1)
        self.assert_only(figures, wrong=True, lost=True)

    def test_an_answer_twice_is_a_duplicate(self):
        code, figures = self.load(lambda q: [answer_to(q)] * 2)
        self.assertEqual(code, 0)
        self.assert_only(figures, duplicate=True)

    def test_silence_is_loss(self):
        code, figures = self.load(lambda q: [])
        self.assertEqual(code, 1)
        self.assertEqual(figures["lost"], figures["sent"])

    def test_an_open_loop_keeps_its_rate(self):
        code, figures = self.load(lambda q: [answer_to(q)], "--rate=500", "--outstanding=1000")
        self.assertEqual(code, 0)
        self.assertEqual(figures["sent"], 100)

    def test_tcp_counts_the_same(self):
        for words in (["--tcp", "--sockets=2"], ["--one-shot", "--sockets=2"]):
            with self.subTest(words[0]):
                code, figures = self.load(lambda q: [answer_to(q)], *words,
                                          kind=socket.SOCK_STREAM)
                self.assertEqual(code, 0)
                self.assert_only(figures)
                self.assertEqual(figures["right"], figures["sent"])
                code, figures = self.load(lambda q: [answer_to(q, code=100)], *words,
                                          kind=socket.SOCK_STREAM)
                self.assertEqual(code, 1)
                self.assert_only(figures, wrong=True)

    def test_zipf_draws_few_names_often(self):
        for words, most in ((["--zipf"], 0.05), ([], 0.01)):
            names = []

            def reply(request, names=names):
                names.append(wire.Reader(wire.Message(request).body).text())
                return [answer_to(request)]
            self.load(reply, "--names=88.1000/P-######", "--count=100000", *words)
            share = max(names.count(n) for n in set(names)) / len(names)
            self.assertEqual(share > most, bool(words), "%s %.3f" % (words, share))


if __name__ == "__main__":
    unittest.main()
