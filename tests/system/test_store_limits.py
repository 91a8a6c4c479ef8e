# SPDX-License-Identifier: Apache-2.0
"""A node whose store reaches a limit while it serves: the map's ceiling, the address space, the disk.

No request is refused and none is answered wrongly; writes go on, or are refused with a reason and
go on once there is room again.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
import unittest

import harness
from harness import NodeTest, record, run, run_json

sys.path.insert(0, os.path.join(harness.ROOT, "tests", "crash"))
import crash_tools as tools  # noqa: E402  (the path comes first)

DATA_LEN = 20000
KNOWN = ["88.1000/known%d" % n for n in range(20)]
MIB = 1 << 20
FULL = "store: full, records are refused"
AGAIN = "store: takes records again"


def content(name):
    return (name + " ") * 20


def known_rows():
    return "".join(record(name, (1, "DESC", content(name))) + "\n" for name in KNOWN)


def big_rows(first, count):
    return "".join(record("88.1000/big%d" % n, (1, "DESC", "%d " % n + "x" * DATA_LEN)) + "\n"
                   for n in range(first, first + count))


class Resolver(threading.Thread):
    """Asks for known names over UDP and TCP until told to stop; every answer must be right."""

    def __init__(self, node):
        super().__init__()
        self.node, self.over, self.asked, self.wrong = node, threading.Event(), 0, []

    def ask(self, number):
        name = KNOWN[number % len(KNOWN)]
        ask = self.node.resolve_tcp if number % 4 == 0 else self.node.resolve_udp
        try:
            values = ask(name).resolution()[1]
            if values[0].data != content(name).encode():
                self.wrong.append("%s: %r" % (name, values[0].data[:60]))
        except Exception as error:  # whatever it is, the answer was not there
            self.wrong.append("%s: %r" % (name, error))

    def run(self):
        while not self.over.is_set():
            self.ask(self.asked)
            self.asked += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


class Limits(NodeTest):
    def small(self, **settings):
        node = self.node()
        for key, value in {"map_size": "1M", "reserve": "1M", **settings}.items():
            node.setting("store", key, value)
        return node

    def fill(self, node, first, count, code=0):
        rows = self.file(node, "rows%d.jsonl" % first, big_rows(first, count))
        return run("import", node.dir, rows, "--no-progress", "--reject",
                   os.path.join(node.holder.name, "reject%d" % first), code=code)

    def fill_up(self, node, end):
        """In pieces until one is refused; (the refused one, rows that were taken for certain)."""
        for first in range(0, end, 20):
            done = self.fill(node, first, 20, code=None)
            if done.returncode != 0:
                return done, first
        self.fail("%d rows were taken" % end)

    def start_known(self, node):
        node.start()
        run("import", node.dir, self.file(node, "known.jsonl", known_rows()), "--no-progress")
        return node

    def figure(self, node, name):
        lines = run("stats", node.dir, "--openmetrics").stdout.splitlines()
        found = [line.split()[1] for line in lines if line.startswith(name + " ")]
        return int(float(found[0]))

    def told(self, node, line):
        """In the log, once; the daemon looks every second."""
        end = time.monotonic() + 30
        while line not in node.said() and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(node.said().count(line), 1, node.said()[-2000:])

    def sound(self, node, records):
        """Stops the node and looks at all of it."""
        self.assertEqual(node.stop(), 0)
        self.assertTrue(run_json("journal", "verify", node.dir)["holds"])
        found = [json.loads(line) for line in run("export", node.dir).stdout.splitlines()]
        named = [r for r in found if r["handle"].startswith("88.1000/")]
        self.assertEqual(len(named), records)
        for r in named:
            name = r["handle"]
            start = content(name) if name in KNOWN else "%s xxx" % name[len("88.1000/big"):]
            self.assertTrue(r["values"][0]["data"]["value"].startswith(start), name)


class Map(Limits):
    def test_map_grows_while_serving_and_nobody_notices(self):
        node = self.start_known(self.small())
        before = self.figure(node, "guantong_store_map_bytes")
        with Resolver(node) as one, Resolver(node) as other:
            self.fill(node, 0, 1000)
        self.assertEqual(one.wrong + other.wrong, [])
        self.assertGreater(one.asked + other.asked, 20)
        after = self.figure(node, "guantong_store_map_bytes")
        self.assertGreaterEqual(after, before + 16 * MIB)
        print("map grown from %d to %d MiB under %d resolutions" % (
            before // MIB, after // MIB, one.asked + other.asked))
        self.sound(node, 1000 + len(KNOWN))

    def test_a_reading_command_follows_the_growing_map(self):
        node = self.start_known(self.small())
        done = threading.Event()
        seen, failures = [], []

        def export():
            while not done.is_set():
                found = run("export", node.dir, code=None)
                seen.append(found.stdout.count("\n"))
                if found.returncode != 0:
                    failures.append(found.stderr)
        reader = threading.Thread(target=export)
        reader.start()
        try:
            self.fill(node, 0, 600)
        finally:
            done.set()
            reader.join()
        self.assertEqual(failures, [])
        self.assertEqual(seen, sorted(seen))
        self.sound(node, 600 + len(KNOWN))

    def test_at_its_maximum_records_are_refused_until_it_is_raised_and_reloaded(self):
        node = self.start_known(self.small(map_max="6M"))
        with Resolver(node) as resolver:
            refused, _ = self.fill_up(node, 500)
            self.assertIn("store.map_max", refused.stderr)
            self.assertLessEqual(self.figure(node, "guantong_store_map_bytes"), 6 * MIB)
            status = run_json("node", "status", node.dir)
            self.assertEqual((status["refuses_writes"], status["store_is_full"]), (False, True))
            self.assertIn("store.map_max", run("node", "status", node.dir).stdout)
            run("record", "rm", node.dir, "88.1000/big0", "--yes")
            self.told(node, FULL)
            node.setting("store", "map_max", "1G")
            run("node", "reload", node.dir)
            self.fill(node, 0, 500)
            self.told(node, AGAIN)
            self.assertFalse(run_json("node", "status", node.dir)["store_is_full"])
            self.assertEqual(self.figure(node, "guantong_store_refused_newest"), 0)
        self.assertEqual(resolver.wrong, [])
        self.sound(node, 500 + len(KNOWN))


class AddressSpace(Limits):
    def test_without_address_space_records_are_refused_until_there_is_some(self):
        node = self.small(map_size="64M", reserve="60M", map_max="64M")
        node.daemon_path = tools.program("crash_guantongd")  # sanitizers reserve it all
        self.start_known(node)
        with open("/proc/%d/statm" % node.daemon.pid, encoding="ascii") as f:
            used = int(f.read().split()[0]) * resource.getpagesize()
        no_limit = resource.prlimit(node.daemon.pid, resource.RLIMIT_AS)
        resource.prlimit(node.daemon.pid, resource.RLIMIT_AS, (used + 40 * MIB, no_limit[1]))
        node.setting("store", "map_max", "0")
        run("node", "reload", node.dir)
        with Resolver(node) as resolver:
            refused = self.fill(node, 0, 400, code=None)
            self.assertNotEqual(refused.returncode, 0)
            self.assertEqual(self.figure(node, "guantong_store_map_bytes"), 64 * MIB)
            resource.prlimit(node.daemon.pid, resource.RLIMIT_AS, no_limit)
            self.fill(node, 0, 400)
        self.assertEqual(resolver.wrong, [])
        self.sound(node, 400 + len(KNOWN))


def can_mount():
    return os.geteuid() == 0 and shutil.which("mount") is not None


class Disk(Limits):
    """A store on a file system of its own, which runs full."""

    DISK = 12 * MIB

    def on_small_disk(self):
        node = self.small()
        store = os.path.join(node.dir, "store")
        kept = os.path.join(node.holder.name, "kept")
        shutil.copytree(store, kept)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d,mode=0700" % self.DISK,
                               "tmpfs", store], capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("no file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", store], check=True)
        shutil.copytree(kept, store, dirs_exist_ok=True)
        self.filler = os.path.join(store, "filler")
        return self.start_known(node)

    def eat(self):
        """Somebody else takes what is left."""
        with open(self.filler, "wb", buffering=0) as f:
            try:
                while f.write(b"x" * 4096) > 0:
                    pass
            except OSError:
                pass

    @unittest.skipUnless(can_mount(), "only root can mount")
    def test_a_full_disk_refuses_writes_until_there_is_room_and_loses_nothing(self):
        node = self.on_small_disk()
        with Resolver(node) as resolver:
            refused, taken = self.fill_up(node, 1000)
            self.assertIn("free disk space", refused.stderr)
            self.assertGreater(taken, 100)
            # What records must leave free takes deletions.
            run("record", "rm", node.dir, "88.1000/big0", "--yes")
            self.eat()
            full = run("record", "rm", node.dir, "88.1000/big1", "--yes", code=None)
            for n in range(2, 30):
                if full.returncode != 0:
                    break
                full = run("record", "rm", node.dir, "88.1000/big%d" % n, "--yes", code=None)
            self.assertNotEqual(full.returncode, 0)
            self.assertIn("free disk space", full.stderr)
            self.assertFalse(run_json("node", "status", node.dir)["refuses_writes"])
            self.told(node, FULL)
            os.unlink(self.filler)
            run("record", "rm", node.dir, "88.1000/big40", "--yes")
            run("record", "rm", node.dir, "88.1000/big41", "--yes")
        self.assertEqual(resolver.wrong, [])
        self.assertGreater(resolver.asked, 20)
        stored = len(run("export", node.dir).stdout.splitlines()) - 1
        self.sound(node, stored)


if __name__ == "__main__":
    unittest.main()
