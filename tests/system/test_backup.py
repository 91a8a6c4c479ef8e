# SPDX-License-Identifier: Apache-2.0
"""Backups: made while the node serves and is written to, refused when touched, restored equal."""

import fcntl
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
import time

import harness

ROUNDS = int(os.environ.get("GUANTONG_BACKUP_ROUNDS", "3"))
RECORDS = int(os.environ.get("GUANTONG_BACKUP_RECORDS", "3000"))


def tool(*words, **more):
    return subprocess.Popen([os.path.join(harness.BUILD, "guantong"), *map(str, words)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, "LC_ALL": "C.UTF-8"}, **more)


def tree(path):
    """{name: bytes} of every file below."""
    found = {}
    for where, _, files in os.walk(path):
        for name in files:
            with open(os.path.join(where, name), "rb") as f:
                found[os.path.relpath(os.path.join(where, name), path)] = f.read()
    return found


class Writer(threading.Thread):
    """Puts numbered records one set after the other, and keeps what was acknowledged."""

    def __init__(self, node):
        super().__init__()
        self.node, self.stops, self.done = node, threading.Event(), 0

    def run(self):
        while not self.stops.is_set():
            lines = [harness.record("88.1000/w%d" % ((self.done + i) % 700),
                                    (1, "URL", "round %d" % self.done),
                                    (2, "HS_SECKEY", "secret %d" % self.done, "1100"))
                     for i in range(7)]
            harness.run("record", "put", self.node.dir, "-", stdin="\n".join(lines).encode())
            self.done += 1

    def finish(self):
        self.stops.set()
        self.join()


class Backup(harness.NodeTest):
    def setUp(self):
        self.n = self.node(prefix="88.1000")
        self.key = os.path.join(self.n.holder.name, "private.pem")
        harness.run("backup", "recipient", self.n.dir, self.key)

    def fill(self, count=50):
        self.file(self.n, "parts.jsonl", "\n".join(
            harness.record("88.1000/P-%06d" % i, (1, "URL", "https://example.cn/%d" % i))
            for i in range(count)))
        harness.run("import", self.n.dir, os.path.join(self.n.holder.name, "parts.jsonl"))

    def create(self, *words, **more):
        return harness.run_json("backup", "create", self.n.dir, *words, **more)

    def export(self, directory):
        return harness.run("export", directory, "--secrets").stdout

    def restore(self, backup, *words):
        self.restored = getattr(self, "restored", 0) + 1
        target = os.path.join(self.n.holder.name, "restored-%d" % self.restored)
        harness.run("backup", "restore", backup, target, *(words or ("--key", self.key)))
        return target

    def leftovers(self):
        return [name for name in os.listdir(os.path.join(self.n.dir, "backup"))
                if name.endswith(".partial")]

    def model_at(self, directory, position):
        """What the node's own history says its records were at a position of the journal."""
        model = {}
        for line in harness.run("journal", "tail", directory, "-n", 1000000,
                                "--json").stdout.splitlines():
            change = json.loads(line)
            for i, item in enumerate(change["items"]):
                if item["table"] == "record" and change["position"] + i <= position:
                    model[item["key"]] = (item["operation"], item["version"], item["digest"])
        return model

    def test_rounds_while_written_are_one_instant_each(self):
        self.fill(RECORDS)
        self.n.start()
        writer = Writer(self.n)
        writer.start()
        self.addCleanup(writer.finish)
        backups = []
        for _ in range(ROUNDS):
            before = writer.done
            made = self.create()
            backups.append((before, made, writer.done))
            while writer.done < before + 2:
                time.sleep(0.01)
        writer.finish()
        for before, made, after in backups:
            told = harness.run_json("backup", "verify", made["backup"], "--key", self.key)
            self.assertEqual((told["holds"], told["keys_opened"]), (True, 4))
            target = self.restore(made["backup"])
            self.assertEqual(harness.run_json("journal", "verify", target)["holds"], True)
            self.assertEqual(harness.run_json("record", "verify", target)["holds"], True)
            # The journals agree to the byte up to the instant, so the records are those of it.
            self.assertEqual(self.model_at(target, 1 << 60),
                             self.model_at(self.n.dir, made["position"]))
            # And no acknowledged write from before it is missing, none from after it is there.
            rounds = {int(line.split("round ")[1].split('"')[0])
                      for line in self.export(target).splitlines() if "round " in line}
            if before > 0:
                self.assertGreaterEqual(max(rounds), before - 1)
            self.assertLessEqual(max(rounds, default=0), after)
            shutil.rmtree(target)

    def test_export_of_the_restored_is_equal_to_the_byte(self):
        self.fill()
        self.n.start()
        harness.run("record", "put", self.n.dir, "-", stdin="\n".join([
            harness.record("88.1000/secret", (1, "HS_SECKEY", "never tell", "1100"),
                           (2, "EMAIL", "a@example.cn", "1100")),
            harness.record("88.1000/Größe", (1, "DESC", "秤"))]).encode())
        made = self.create()
        at_instant = self.export(self.n.dir)
        harness.run("record", "rm", self.n.dir, "88.1000/secret", "--yes")
        target = self.restore(made["backup"])
        self.assertEqual(self.export(target), at_instant)
        self.assertEqual(harness.run("record", "history", target, "88.1000/secret").stdout.count(
            "uid:"), 1)
        self.assertEqual(tree(os.path.join(target, "keys")), tree(os.path.join(self.n.dir, "keys")))
        for where, wanted in (("keys", 0o700), ("keys/site.pem", 0o600), ("keys/commit.key", 0o600),
                              ("keys/data.key", 0o600), ("keys/head.pem", 0o600)):
            self.assertEqual(os.stat(os.path.join(target, where)).st_mode & 0o777, wanted, where)
        with open(os.path.join(target, "guantong.yaml"), "rb") as a, \
                open(os.path.join(self.n.dir, "guantong.yaml"), "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_the_restored_node_starts_answers_and_takes_writes(self):
        self.fill()
        made = self.create()
        target = self.restore(made["backup"])
        again = self.node(prefix="88.2000")
        shutil.rmtree(again.dir)
        shutil.move(target, again.dir)
        again.setting("listen", "handle_port", again.port)
        again.start()
        answer = again.resolve_tcp("88.1000/P-000007")
        self.assertEqual(answer.code, 1)
        harness.run("record", "put", again.dir, "-",
                    stdin=harness.record("88.1000/new", (1, "URL", "x")).encode())
        self.assertEqual(again.resolve_tcp("88.1000/new").code, 1)
        harness.run("journal", "verify", again.dir)
        harness.run("backup", "create", again.dir, "--without-keys")

    def test_a_backup_is_private_listed_and_leaves_nothing_beside(self):
        self.fill()
        made = self.create()
        for where, directories, files in os.walk(made["backup"]):
            for name in directories:
                self.assertEqual(os.stat(os.path.join(where, name)).st_mode & 0o777, 0o700)
            for name in files:
                self.assertEqual(os.stat(os.path.join(where, name)).st_mode & 0o777, 0o600)
        before = tree(made["backup"])
        harness.run("backup", "verify", made["backup"])
        self.assertEqual(tree(made["backup"]), before)
        for name in before:
            if name.startswith("keys/"):
                with open(os.path.join(self.n.dir, name[:-len(".cms")]), "rb") as f:
                    self.assertNotIn(f.read(), before[name])
        items = harness.run_json("backup", "list", self.n.dir)["items"]
        self.assertEqual([(i["name"], i["records"], i["has_keys"]) for i in items],
                         [(os.path.basename(made["backup"]), made["records"], True)])
        self.assertEqual(self.leftovers(), [])

    def test_every_member_touched_is_refused(self):
        self.fill()
        made = self.create()["backup"]
        for name, content in sorted(tree(made).items()):
            for what in ("flip first", "flip last", "cut", "longer", "gone"):
                copy = os.path.join(self.n.holder.name, "touched")
                shutil.copytree(made, copy)
                path = os.path.join(copy, name)
                changed = bytearray(content)
                if what == "flip first":
                    changed[len(changed) // 3] ^= 1
                elif what == "flip last":
                    changed[-1] ^= 0x80
                elif what == "cut":
                    del changed[-1]
                elif what == "longer":
                    changed += b"\0" * 4096
                os.unlink(path)
                if what != "gone":
                    with open(path, "wb") as f:
                        f.write(changed)
                with self.subTest(member=name, what=what):
                    done = harness.run("backup", "verify", copy, "--json", code=1)
                    self.assertEqual(json.loads(done.stdout)["error"]["code"], "GT1507")
                    target = os.path.join(self.n.holder.name, "never")
                    harness.run("backup", "restore", copy, target, "--key", self.key, code=1)
                    self.assertFalse(os.path.exists(target))
                shutil.rmtree(copy)

    def test_a_store_exchanged_with_its_digest_is_refused(self):
        """Digests alone would be fooled by who recomputes them; the journal's head is not."""
        self.fill()
        first = self.create()["backup"]
        self.fill(60)
        made = self.create()["backup"]
        shutil.copy(os.path.join(first, "store/data.mdb"), os.path.join(made, "store/data.mdb"))
        path = os.path.join(made, "manifest.json")
        with open(path, encoding="utf-8") as f:
            manifest = json.load(f)
        with open(os.path.join(made, "store/data.mdb"), "rb") as f:
            content = f.read()
        manifest["members"][0].update(bytes=len(content),
                                      sha256=hashlib.sha256(content).hexdigest())
        del manifest["sha256"]
        manifest["sha256"] = hashlib.sha256(json.dumps(
            manifest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        with open(path, "w", encoding="utf-8") as f:
            json.dump(manifest, f)
        done = harness.run("backup", "verify", made, "--json", code=1)
        self.assertIn("position", json.loads(done.stdout)["error"]["reason"])

    def test_another_private_key_is_refused_and_openssl_opens_with_the_right_one(self):
        self.fill()
        made = self.create()["backup"]
        other = os.path.join(self.n.holder.name, "other.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-out", other], check=True,
                       capture_output=True)
        target = os.path.join(self.n.holder.name, "never")
        done = harness.run("backup", "restore", made, target, "--key", other, "--json", code=4)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "GT1307")
        self.assertFalse(os.path.exists(target))
        opened = subprocess.run(["openssl", "cms", "-decrypt", "-inform", "DER", "-in",
                                 os.path.join(made, "keys/commit.key.cms"), "-inkey", self.key],
                                check=True, capture_output=True).stdout
        with open(os.path.join(self.n.dir, "keys/commit.key"), "rb") as f:
            self.assertEqual(opened, f.read())

    def test_recipients_of_other_forms(self):
        for name, words in (("bare RSA", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
                            ("bare EC", ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])):
            private = os.path.join(self.n.holder.name, "p.pem")
            public = os.path.join(self.n.holder.name, "pub.pem")
            subprocess.run(["openssl", "genpkey", "-algorithm", *words, "-out", private],
                           check=True, capture_output=True)
            subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public],
                           check=True, capture_output=True)
            with self.subTest(name):
                made = self.create("--recipient", public)
                target = self.restore(made["backup"], "--key", private)
                self.assertEqual(tree(os.path.join(target, "keys")),
                                 tree(os.path.join(self.n.dir, "keys")))

    def test_without_recipient_or_keys(self):
        os.unlink(os.path.join(self.n.dir, "backup", "recipient.pem"))
        done = harness.run("backup", "create", self.n.dir, "--json", code=2)
        self.assertIn("backup recipient", json.loads(done.stdout)["error"]["remedy"])
        made = self.create("--without-keys")["backup"]
        self.assertFalse(os.listdir(os.path.join(made, "keys")))
        target = self.restore(made, "--json")
        self.assertEqual(os.listdir(os.path.join(target, "keys")), [])
        target = os.path.join(self.n.holder.name, "told")
        said = harness.run("backup", "restore", made, target).stdout
        self.assertIn("commit.key", said)
        harness.run("backup", "verify", made, "--key", self.key, code=4)

    def test_a_target_with_something_in_it_is_left_alone(self):
        made = self.create()["backup"]
        for target in (self.n.dir, os.path.join(self.n.holder.name, "full")):
            os.makedirs(target, exist_ok=True)
            self.file(self.n, os.path.join(target, "mine"), "x")
            before = tree(target)
            harness.run("backup", "restore", made, target, "--key", self.key, code=3)
            self.assertEqual(tree(target), before)
        empty = os.path.join(self.n.holder.name, "empty")
        os.makedirs(empty)
        harness.run("backup", "restore", made, empty, "--key", self.key)
        harness.run("record", "verify", empty)

    def test_no_room(self):
        """A file that may not grow is refused with nothing left; a small disk before anything."""
        self.fill(RECORDS)

        def small():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        done = tool("backup", "create", self.n.dir, "--json", preexec_fn=small)
        out, err = done.communicate(timeout=60)
        self.assertEqual(done.returncode, 4, err)
        self.assertEqual(json.loads(out)["error"]["code"], "GT1509")
        self.assertEqual(self.leftovers(), [])
        self.assertEqual(harness.run_json("backup", "list", self.n.dir)["items"], [])
        disk = os.path.join(self.n.holder.name, "disk")
        os.makedirs(disk)
        size = os.path.getsize(os.path.join(self.n.dir, "store", "data.mdb")) * 11 // 10
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % size, "tmpfs", disk],
                          capture_output=True, check=False).returncode != 0:
            self.skipTest("tmpfs cannot be mounted here")
        try:
            done = harness.run("backup", "create", self.n.dir, "--to", disk, "--json", code=4)
            self.assertIn("1.2 times", json.loads(done.stdout)["error"]["reason"])
            self.assertEqual(os.listdir(disk), [])
        finally:
            subprocess.run(["umount", disk], check=True)

    def wait_for_partial(self, process):
        deadline = time.monotonic() + 30
        while not self.leftovers():
            self.assertLess(time.monotonic(), deadline)
            if process.poll() is not None:
                return False
            time.sleep(0.001)
        return True

    def test_interrupted_or_killed_leaves_nothing_that_looks_whole(self):
        self.fill(RECORDS)
        self.n.start()
        stopped = 0
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            for _ in range(10):
                process = tool("backup", "create", self.n.dir)
                caught = self.wait_for_partial(process)
                process.send_signal(how)
                process.communicate(timeout=60)
                if caught and process.returncode != 0:
                    stopped += 1
                    break
            if how != signal.SIGKILL:
                self.assertEqual(self.leftovers(), [])
            for item in harness.run_json("backup", "list", self.n.dir)["items"]:
                harness.run("backup", "verify", os.path.join(self.n.dir, "backup", item["name"]))
        self.assertGreaterEqual(stopped, 1)
        self.create()
        self.assertEqual(self.leftovers(), [])

    def test_one_at_a_time(self):
        made = self.create()
        with open(os.path.join(self.n.dir, "backup", ".lock"), "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = harness.run("backup", "create", self.n.dir, "--json", code=4)
            self.assertEqual(json.loads(done.stdout)["error"]["code"], "GT1304")
            done = harness.run("backup", "create", self.n.dir, "--to", self.n.holder.name, code=4)
        self.assertEqual(len(harness.run_json("backup", "list", self.n.dir)["items"]), 1)
        again = self.create()
        self.assertNotEqual(made["backup"], again["backup"])

    def test_names_that_lead_elsewhere_are_refused(self):
        made = self.create()["backup"]
        path = os.path.join(made, "manifest.json")
        with open(path, encoding="utf-8") as f:
            manifest = json.load(f)
        del manifest["sha256"]
        for name in ("keys/../../evil.cms", "/etc/passwd", "keys/.hidden.cms", "keys/a/b.cms"):
            manifest["members"][2]["name"] = name
            told = hashlib.sha256(json.dumps(manifest, sort_keys=True,
                                             separators=(",", ":")).encode()).hexdigest()
            with open(path, "w", encoding="utf-8") as f:
                json.dump({**manifest, "sha256": told}, f)
            with self.subTest(name):
                harness.run("backup", "restore", made,
                            os.path.join(self.n.holder.name, "never"), "--key", self.key, code=1)


class RecordVerify(harness.NodeTest):
    def test_beside_a_writing_daemon_every_row_holds(self):
        n = self.node(prefix="88.1000").start()
        writer = Writer(n)
        writer.start()
        self.addCleanup(writer.finish)
        for _ in range(3):
            told = harness.run_json("record", "verify", n.dir)
            self.assertEqual((told["holds"], told["items"]), (True, []))
        writer.finish()
        self.assertGreater(harness.run_json("record", "verify", n.dir)["history_rows"], 0)

    def test_a_damaged_row_is_named(self):
        n = self.node(prefix="88.1000")
        harness.run("record", "put", n.dir, "-", stdin="\n".join(
            harness.record("88.1000/p%d" % i, (1, "URL", "the-data-of-%04d" % i))
            for i in range(40)).encode())
        path = os.path.join(n.dir, "store", "data.mdb")
        with open(path, "r+b") as f:
            content = f.read()
            at = content.index(b"the-data-of-0017")
            while at >= 0:
                f.seek(at)
                f.write(b"the-DATA-of-0017")
                at = content.find(b"the-data-of-0017", at + 1)
        told = json.loads(harness.run("record", "verify", n.dir, "--json", code=1).stdout)
        self.assertEqual((told["holds"], told["damaged"]), (False, 1))
        self.assertEqual(told["items"], [{"table": "record", "key": "88.1000/P17",
                                          "version": None, "flaw": "damaged"}])
        said = harness.run("record", "verify", n.dir, code=1)
        self.assertIn("88.1000/P17", said.stdout)
        self.assertIn("GT1508", said.stderr)
        n.start()
        self.assertEqual(n.resolve_tcp("88.1000/p17").code, 2)
        self.assertEqual(n.resolve_tcp("88.1000/p18").code, 1)
        deadline = time.monotonic() + 30
        while "1 reads met a damaged row" not in n.said() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertIn("1 reads met a damaged row", n.said())
