# SPDX-License-Identifier: Apache-2.0
"""A node while it lives: writes become visible everywhere, reloads and stops lose nothing."""

import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
import wire


class Visibility(harness.NodeTest):
    def test_acknowledged_write_is_seen_by_the_next_request_on_any_worker(self):
        node = self.node(prefix="88.1000")
        node.setting("workers", "count", 8)
        node.start()
        # Many sockets: the kernel spreads them over the workers' SO_REUSEPORT sockets.
        udp = []
        for _ in range(48):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.settimeout(5)
            s.connect(node.address)
            udp.append(s)
            self.addCleanup(s.close)
        tcp = [socket.create_connection(node.address, timeout=5) for _ in range(24)]
        for s in tcp:
            self.addCleanup(s.close)
        for round_number in range(12):
            text = "version %d" % round_number
            harness.run("record", "put", node.dir, "-",
                        stdin=harness.record("88.1000/seen", (1, "DESC", text)).encode())
            request = wire.resolve("88.1000/seen", request_id=round_number + 1)
            for s in udp:
                s.send(request)
            for s in tcp:
                s.sendall(request)
            for s in udp + tcp:
                packet = s.recv(65535) if s in udp else wire.read_packet(s)
                answer = wire.Message(packet)
                self.assertEqual(answer.code, 1)
                self.assertEqual(answer.resolution()[1][0].data.decode(), text)

    def test_deleted_record_is_gone_on_every_worker(self):
        node = self.node(prefix="88.1000")
        node.setting("workers", "count", 4)
        node.start()
        harness.run("record", "put", node.dir, "-",
                    stdin=harness.record("88.1000/gone", (1, "DESC", "x")).encode())
        self.assertEqual(node.resolve_udp("88.1000/gone").code, 1)
        harness.run("record", "rm", node.dir, "88.1000/gone", "--yes")
        for _ in range(32):
            self.assertEqual(node.resolve_udp("88.1000/gone").code, 100)


class Streams(harness.NodeTest):
    def setUp(self):
        self.n = self.node(prefix="88.1000").start()

    def test_one_connection_is_kept_and_pipelined(self):
        with socket.create_connection(self.n.address, timeout=10) as s:
            s.sendall(b"".join(wire.resolve("0.NA/88.1000", request_id=i) for i in range(1, 501)))
            ids = {wire.Message(wire.read_packet(s)).request_id for _ in range(500)}
            self.assertEqual(ids, set(range(1, 501)))
            time.sleep(0.3)
            s.sendall(wire.resolve("0.NA/88.1000", request_id=501))
            self.assertEqual(wire.Message(wire.read_packet(s)).request_id, 501)

    def test_half_closed_client_gets_its_answers(self):
        with socket.create_connection(self.n.address, timeout=10) as s:
            s.sendall(wire.resolve("0.NA/88.1000", request_id=7))
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(wire.Message(wire.read_packet(s)).request_id, 7)
            self.assertEqual(s.recv(1), b"")

    def test_request_in_single_bytes_is_answered(self):
        with socket.create_connection(self.n.address, timeout=10) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in wire.resolve("0.NA/88.1000", request_id=9):
                s.send(bytes([byte]))
            self.assertEqual(wire.Message(wire.read_packet(s)).request_id, 9)

    def test_impossible_length_is_answered_with_4_and_closed(self):
        with socket.create_connection(self.n.address, timeout=10) as s:
            packet = bytearray(wire.resolve("0.NA/88.1000", request_id=11))
            packet[16:20] = (262145).to_bytes(4, "big")
            s.sendall(packet)
            answer = wire.Message(wire.read_packet(s))
            self.assertEqual((answer.code, answer.request_id), (4, 11))
            self.assertEqual(s.recv(1), b"")

    def test_short_message_is_answered_with_4_and_the_next_one_served(self):
        short = wire.ENVELOPE.pack(2, 11, 2, 11, 0, 12, 0, 10) + bytes(10)
        with socket.create_connection(self.n.address, timeout=10) as s:
            s.sendall(short + wire.resolve("0.NA/88.1000", request_id=13))
            first, second = (wire.Message(wire.read_packet(s)) for _ in range(2))
            self.assertEqual((first.code, first.request_id), (4, 12))
            self.assertEqual((second.code, second.request_id), (1, 13))

    def test_reader_that_never_reads_does_not_hold_others_up(self):
        lines = [harness.record("88.1000/big", *[(i, "BLOB", "x" * 9000) for i in range(1, 21)])]
        harness.run("record", "put", self.n.dir, "-", stdin="\n".join(lines).encode())
        with socket.create_connection(self.n.address, timeout=10) as lazy:
            lazy.setblocking(False)
            flood = b"".join(wire.resolve("88.1000/big", request_id=i) for i in range(1, 3000))
            sent = 0
            try:
                while sent < len(flood):
                    sent += lazy.send(flood[sent:])
            except BlockingIOError:
                pass
            for _ in range(20):
                self.assertEqual(self.n.resolve_udp("0.NA/88.1000").code, 1)
                self.assertEqual(self.n.resolve_tcp("88.1000/big").code, 1)
            with open("/proc/%d/status" % self.n.daemon.pid, encoding="ascii") as f:
                rss = next(int(l.split()[1]) for l in f if l.startswith("VmRSS"))
            self.assertLess(rss, 1 << 20, "kB resident: a lazy reader does not bloat the node")

    def test_administration_is_challenged_on_tcp_and_refused_on_udp(self):
        create = wire.text("88.1000/new") + bytes(4)
        packet = wire.request(create, opcode=100)
        challenge = wire.Message(wire.ask_tcp(self.n.address, packet)[0])
        self.assertEqual((challenge.code, challenge.opcode), (402, 100))
        self.assertEqual(challenge.digest, wire.digest_of(packet))
        self.assertEqual(len(wire.Reader(challenge.body).text()), 16)
        for request_id, code in ((1, 403), (2, 405)):  # an answer is good once
            answer = wire.Message(wire.ask_tcp(self.n.address, wire.request(
                wire.text("HS_PUBKEY") + wire.text("0.NA/88.1000") + bytes([0, 0, 1, 44]) +
                wire.text(""), opcode=200, session=challenge.session, request_id=request_id))[0])
            self.assertEqual(answer.code, code)
        self.assertEqual(wire.Message(wire.ask_udp(self.n.address, [packet])[0]).code, 4)
        national = wire.request(create, opcode=100, flags=0, version=(2, 3), suggested=(2, 10))
        self.assertEqual(wire.Message(wire.ask_tcp(self.n.address, national)[0]).code, 408)
        foreign = wire.request(wire.text("99.1/new") + bytes(4), opcode=100)
        self.assertEqual(wire.Message(wire.ask_tcp(self.n.address, foreign)[0]).code, 301)


class Life(harness.NodeTest):
    def test_reload_applies_a_good_file_and_leaves_the_old_one_on_a_bad_one(self):
        node = self.node(prefix="88.1000").start()
        stop, failures = threading.Event(), []

        def ask():
            with socket.create_connection(node.address, timeout=10) as s:
                number = 0
                while not stop.is_set():
                    number += 1
                    s.sendall(wire.resolve("0.NA/88.1000", request_id=number))
                    answer = wire.Message(wire.read_packet(s))
                    if answer.code != 1 or answer.request_id != number:
                        failures.append((number, answer.code))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            try:
                for level in ("debug", "info", "debug", "info"):
                    node.setting("log", "level", level)
                    harness.run("node", "reload", node.dir)
                with open(os.path.join(node.dir, "guantong.yaml"), "a", encoding="utf-8") as f:
                    f.write("\nlimits:\n  conections: 5\n")
                done = harness.run("node", "reload", node.dir, code=None)
                self.assertNotEqual(done.returncode, 0)
                node.daemon.send_signal(signal.SIGHUP)
                time.sleep(0.3)
            finally:
                stop.set()
            for a in asking:
                a.result()
        self.assertEqual(failures, [])
        self.assertEqual(node.resolve_udp("0.NA/88.1000").code, 1)
        self.assertIn("guantong.yaml:", node.said())

    def test_sigterm_answers_what_it_took_and_exits_with_0(self):
        node = self.node(prefix="88.1000").start()
        with socket.create_connection(node.address, timeout=10) as s:
            s.sendall(b"".join(wire.resolve("0.NA/88.1000", request_id=i) for i in range(1, 201)))
            for _ in range(200):
                wire.read_packet(s)
            self.assertEqual(node.stop(), 0)
            self.assertEqual(s.recv(1), b"")

    def test_second_daemon_on_the_same_directory_is_refused_by_name(self):
        node = self.node(prefix="88.1000").start()
        second = subprocess.run([os.path.join(harness.BUILD, "guantongd"), node.dir],
                                capture_output=True, timeout=60)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn(str(node.daemon.pid), second.stderr.decode())
        self.assertEqual(node.resolve_udp("0.NA/88.1000").code, 1)

    def test_port_in_use_is_told(self):
        node = self.node(prefix="88.1000")
        with socket.socket() as other:
            other.bind(("127.0.0.1", node.port))
            other.listen()
            done = subprocess.run([os.path.join(harness.BUILD, "guantongd"), node.dir],
                                  capture_output=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(node.port), done.stderr.decode())

    def test_ready_and_stopping_are_told_to_the_service_manager(self):
        node = self.node(prefix="88.1000")
        path = os.path.join(node.holder.name, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(30)
            daemon = subprocess.Popen([os.path.join(harness.BUILD, "guantongd"), node.dir],
                                      env={**os.environ, "NOTIFY_SOCKET": path},
                                      stderr=subprocess.DEVNULL)
            self.addCleanup(daemon.kill)
            self.assertIn(b"READY=1", manager.recv(4096))
            daemon.terminate()
            self.assertIn(b"STOPPING=1", manager.recv(4096))
            self.assertEqual(daemon.wait(timeout=60), 0)

    def test_stats_count_what_was_answered(self):
        node = self.node(prefix="88.1000").start()
        for i in range(10):
            node.resolve_udp("0.NA/88.1000")
            node.resolve_tcp("88.1000/none")
        text = harness.run("stats", node.dir, "--openmetrics").stdout
        self.assertTrue(text.endswith("# EOF\n"))
        self.assertIn('guantong_requests_total{transport="udp"} 10\n', text)
        self.assertIn('guantong_requests_total{transport="tcp"} 10\n', text)
        self.assertIn('guantong_answers_total{code="100"} 10\n', text)
        self.assertIsInstance(harness.run_json("stats", node.dir), dict)

    def test_killed_during_import_keeps_what_was_acknowledged(self):
        node = self.node(prefix="88.1000").start()
        rows = "\n".join(harness.record("88.1000/k-%06d" % i, (1, "DESC", "row %d" % i))
                         for i in range(30000))
        path = self.file(node, "rows.jsonl", rows + "\n")
        loading = subprocess.Popen([os.path.join(harness.BUILD, "guantong"), "import", node.dir,
                                    path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while node.resolve_udp("88.1000/k-002000").code != 1:
            self.assertLess(time.monotonic(), deadline)
            self.assertIsNone(loading.poll())
        seen = [i for i in range(0, 30000, 97)
                if node.resolve_udp("88.1000/k-%06d" % i).code == 1]
        node.stop(signal.SIGKILL)
        loading.communicate(timeout=120)
        self.assertNotEqual(loading.returncode, 0)
        node.start()
        for i in seen:
            self.assertEqual(node.resolve_udp("88.1000/k-%06d" % i).code, 1)
        report = harness.run_json("journal", "verify", node.dir)
        self.assertIsInstance(report, dict)
        harness.run("import", node.dir, path)
        self.assertEqual(harness.run("export", node.dir, "--prefix", "88.1000").stdout.count("\n"),
                         30000)


class ImportExport(harness.NodeTest):
    def test_bad_rows_go_to_the_reject_file_and_good_ones_are_stored(self):
        node = self.node(prefix="88.1000")
        good = harness.record("88.1000/good", (1, "DESC", "fine"))
        bad = ["{", '{"handle":"88.1000/x"}', harness.record("99.1/foreign", (1, "DESC", "x")),
               harness.record("88.1000/zero", (0, "DESC", "x")),
               harness.record("88.1000/", (1, "DESC", "x"))]
        path = self.file(node, "mixed.jsonl", "\n".join(bad[:2] + [good] + bad[2:]) + "\n")
        harness.run("import", node.dir, path, code=6)
        with open(path + ".rejected", encoding="utf-8") as f:
            rejected = [json.loads(line) for line in f if line.strip()]
        lines = sorted({r["line"] for r in rejected if "line" in r})
        self.assertEqual(lines, [1, 2, 4, 5, 6])
        for r in rejected:
            self.assertTrue(r.get("reason"), r)
        node.start()
        self.assertEqual(node.resolve_udp("88.1000/good").code, 1)
        self.assertEqual(node.resolve_udp("88.1000/zero").code, 100)

    def test_export_into_another_node_gives_the_same_export(self):
        first, second = self.node(prefix="88.1000"), self.node(prefix="88.1000")
        rows = [harness.record("88.1000/%s-%d" % (name, i), (1, "DESC", "行 %d" % i),
                               (2, "PRICE", "secret %d" % i, "1100"))
                for name in ("零件", "PART") for i in range(300)]
        harness.run("import", first.dir, self.file(first, "rows.jsonl", "\n".join(rows) + "\n"))
        path = os.path.join(first.holder.name, "all.jsonl")
        harness.run("export", first.dir, "--prefix", "88.1000", "--secrets", "--output", path)
        harness.run("import", second.dir, path)
        again = os.path.join(second.holder.name, "all.jsonl")
        harness.run("export", second.dir, "--prefix", "88.1000", "--secrets", "--output", again)
        with open(path, "rb") as a, open(again, "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.assertNotIn("PRICE", harness.run("export", first.dir).stdout)

    def test_csv_in_and_out(self):
        node = self.node(prefix="88.1000")
        text = ("\ufeffhandle,index,type,data,ttl,permissions\r\n"
                '88.1000/c-1,1,DESC,"说明, ""引号""",3600,1110\r\n'
                "88.1000/c-1,2,URL,https://a.example/,86400,1110\r\n"
                "88.1000/c-2,1,DESC,x,86400,1110\r\n")
        harness.run("import", node.dir, self.file(node, "rows.csv", text.encode()))
        shown = harness.run_json("record", "show", node.dir, "88.1000/c-1")
        self.assertIn('说明, "引号"', json.dumps(shown, ensure_ascii=False).replace('\\"', '"'))
        gb = "handle,index,type,data\r\n88.1000/c-3,1,DESC,鄂州\r\n".encode("gb18030")
        path = self.file(node, "gb.csv", gb)
        done = harness.run("import", node.dir, path, code=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("gb18030", (done.stdout + done.stderr).lower())
        harness.run("import", node.dir, path, "--encoding", "gb18030")
        self.assertIn("鄂州", harness.run("record", "show", node.dir, "88.1000/c-3").stdout)

    def test_quota_is_exact(self):
        node = self.node(prefix="88.1000")
        harness.run("prefix", "home", node.dir, "88.1000.1", "--max-identifiers", "10")
        rows = "\n".join(harness.record("88.1000.1/%d" % i, (1, "DESC", "x")) for i in range(25))
        path = self.file(node, "rows.jsonl", rows + "\n")
        harness.run("import", node.dir, path, code=7)
        listed = {p["prefix"]: p for p in harness.run_json("prefix", "list", node.dir)["items"]}
        self.assertEqual(listed["88.1000.1"]["identifiers"], 10)
        harness.run("record", "rm", node.dir, "88.1000.1/0", "--yes")
        harness.run("record", "put", node.dir, "-",
                    stdin=harness.record("88.1000.1/24", (1, "DESC", "x")).encode())
        done = harness.run("record", "put", node.dir, "-", code=7,
                           stdin=harness.record("88.1000.1/23", (1, "DESC", "x")).encode())
        self.assertIn("remedy", done.stderr)


class Cli(harness.NodeTest):
    def test_chinese_locale_speaks_chinese(self):
        done = harness.run("record", "show", "/nonexistent", "x", code=None,
                           env={"LC_ALL": "zh_CN.UTF-8"})
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "[\u4e00-\u9fff]")

    def test_mistyped_words_name_the_nearest(self):
        self.assertIn("prefix", harness.run("prefx", "list", code=2).stderr)
        self.assertIn("--json", harness.run("prefix", "list", "--jsn", code=2).stderr)

    def test_help_is_everywhere(self):
        for words in ([], ["init"], ["import"], ["resolve"], ["record", "put"], ["prefix", "home"]):
            self.assertIn("guantong", harness.run(*words, "--help").stdout)

    def test_unhomed_prefix_is_not_served_until_homed_again(self):
        node = self.node(prefix="88.1000").start()
        harness.run("prefix", "home", node.dir, "88.1000.7")
        harness.run("record", "put", node.dir, "-",
                    stdin=harness.record("88.1000.7/a", (1, "DESC", "x")).encode())
        self.assertEqual(node.resolve_udp("88.1000.7/a").code, 1)
        harness.run("prefix", "unhome", node.dir, "88.1000.7", code=None)
        self.assertEqual(node.resolve_udp("88.1000.7/a").code, 1, "not without --yes")
        harness.run("prefix", "unhome", node.dir, "88.1000.7", "--yes")
        self.assertEqual(node.resolve_udp("88.1000.7/a").code, 301)
        harness.run("prefix", "home", node.dir, "88.1000.7")
        self.assertEqual(node.resolve_udp("88.1000.7/a").code, 1)

    def test_history_and_journal_tell_what_happened(self):
        node = self.node(prefix="88.1000").start()
        for n in range(3):
            harness.run("record", "put", node.dir, "-",
                        stdin=harness.record("88.1000/h", (1, "DESC", "v%d" % n)).encode())
        harness.run("record", "rm", node.dir, "88.1000/h", "--yes")
        history = json.dumps(harness.run_json("record", "history", node.dir, "88.1000/h"))
        for n in range(3):
            self.assertIn("v%d" % n, history)
        harness.run("journal", "verify", node.dir)
        self.assertIn("88.1000/H", harness.run("journal", "tail", node.dir).stdout.upper())

    def test_decode_reads_what_resolve_shows(self):
        done = harness.run("decode", wire.resolve("88.1000/x").hex())
        self.assertIn("88.1000/x", done.stdout)
        harness.run("decode", "zz", code=2)


if __name__ == "__main__":
    unittest.main()
