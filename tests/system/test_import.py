# SPDX-License-Identifier: Apache-2.0
"""Bulk import: beside the store, through the daemon and in place it comes to the same; cut off at
any moment it goes on to the same end."""

import json
import os
import random
import signal
import subprocess
import time

import harness

ROWS = int(os.environ.get("GUANTONG_IMPORT_ROWS", "6000"))
KILLS = int(os.environ.get("GUANTONG_IMPORT_KILLS", "6"))
PREFIXES = ("88.1000.1", "88.1000.2", "88.1000.3")


def quoted(text):
    return '"%s"' % text.replace('"', '""')


def rows_of(number, chance):
    """The CSV rows of one record: sorted names mostly, everything strange now and then."""
    prefix = PREFIXES[number * len(PREFIXES) // ROWS]
    name = "%s/P-%06d" % (prefix, number)
    what = chance.randrange(60)
    if what == 0:
        name = "%s/%s%06d" % (prefix, "L" * chance.randrange(440, 600), number)
    elif what == 1:
        name = "88.9999/not-ours-%d" % number
    elif what == 2:
        name = "%s/P-%06d" % (prefix, chance.randrange(number + 1))  # out of order, repeated
    elif what == 3:
        name = name.lower() if number % 2 else "%s/bad name %d" % (prefix, number)
    rows = ["%s,1,URL,https://x.example/%d" % (name, number),
            "%s,2,DESC,%s" % (name, quoted('"零件", %d\n%s' % (number, "x" * 200)))]
    if what == 4:
        rows.append('%s,300,HS_SECKEY,secret-%d,86400,1110' % (name, number))
    elif what == 5:
        rows.append("%s,3,URL,https://x.example/,soon," % name)
    elif what == 6:
        rows[1] = "%s,2" % name
    return [row if row.count(",") > 3 and row.endswith(("1110", "soon,")) else row + ",,"
            for row in rows] if what != 6 else rows


def text_of(seed):
    chance = random.Random(seed)
    lines = ["handle,index,type,data,ttl,permissions"]
    for number in range(ROWS):
        lines += rows_of(number, chance)
    return "\n".join(lines) + "\n"


def exported(node):
    """Records without what tells when they came."""
    records = []
    for line in harness.run("export", node.dir, "--secrets", timeout=300).stdout.splitlines():
        record = json.loads(line)
        if record["handle"].startswith("0.NA/"):
            continue  # the node's own: ports, keys
        for value in record["values"]:
            value.pop("timestamp", None)
        records.append(record)
    return records


def counts(summary):
    return {name: summary[name] for name in ("records", "created", "replaced", "unchanged",
                                             "rejected", "over_quota", "warnings")}


class Import(harness.NodeTest):
    maxDiff = None

    def city(self):
        node = self.node()
        for prefix in PREFIXES:
            limit = ("--max-identifiers", ROWS // 4) if prefix == PREFIXES[1] else ()
            harness.run("prefix", "home", node.dir, prefix, *limit)
        return node

    def load(self, node, path, *words):
        done = harness.run("import", node.dir, path, "--json", "--reject", path + ".rejected",
                           *words, code=None, timeout=600)
        self.assertIn(done.returncode, (0, 6), done.stderr)
        return counts(json.loads(done.stdout)), self.rejects(path)

    def rejects(self, path):
        """What was refused when it was put is written before what the store refused later."""
        with open(path + ".rejected", encoding="utf-8") as f:
            return sorted(f.read().replace(path, "FILE").splitlines())

    def check_equal(self, node, other):
        self.assertEqual(exported(node), exported(other))
        for one in (node, other):
            harness.run("journal", "verify", one.dir, timeout=600)
        self.assertEqual(harness.run("prefix", "list", node.dir, "--json").stdout.split('"created')[0],
                         harness.run("prefix", "list", other.dir, "--json").stdout.split('"created')[0])

    def test_import_beside_the_store_equals_import_through_the_daemon(self):
        beside, served = self.city(), self.city()
        served.start()
        text = text_of(1)
        self.assertGreater(len(text), 1 << 20)
        before = os.stat(os.path.join(beside.dir, "store")).st_ino
        one = self.load(beside, self.file(beside, "rows.csv", text))
        self.assertNotEqual(os.stat(os.path.join(beside.dir, "store")).st_ino, before)
        other = self.load(served, self.file(served, "rows.csv", text))
        self.assertEqual(one, other)
        for name in ("created", "rejected", "over_quota", "warnings"):
            self.assertTrue(one[0][name], name)
        self.check_equal(beside, served)
        self.assertFalse(os.path.exists(os.path.join(beside.dir, "store.loading")))
        # Once more, now in place: some are replaced, the others left alone.
        text = text.replace("x.example/1", "y.example/1")
        one = self.load(beside, self.file(beside, "rows.csv", text))
        self.assertEqual(one, self.load(served, self.file(served, "rows.csv", text)))
        self.assertTrue(one[0]["replaced"] and one[0]["unchanged"])
        self.check_equal(beside, served)
        beside.start()

    def killed(self, node, path, delay):
        """One attempt that is killed after `delay` seconds; the summary when it was faster."""
        attempt = subprocess.Popen(
            [os.path.join(harness.BUILD, "guantong"), "import", node.dir, path, "--json",
             "--reject", path + ".rejected", "--resume"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        try:
            out, _ = attempt.communicate(timeout=delay)
        except subprocess.TimeoutExpired:
            attempt.kill()
            out, _ = attempt.communicate()
        return json.loads(out) if out else None

    def killed_while_the_daemon_sleeps(self, node, path):
        """What was sent is committed after its sender died, perhaps after the next one began."""
        node.daemon.send_signal(signal.SIGSTOP)
        attempt = subprocess.Popen([os.path.join(harness.BUILD, "guantong"), "import", node.dir,
                                    path, "--reject", path + ".rejected"])
        deadline = time.monotonic() + 30
        while not os.path.exists(path + ".resume") and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertTrue(os.path.exists(path + ".resume"))
        time.sleep(0.1)
        attempt.kill()
        attempt.wait()
        node.daemon.send_signal(signal.SIGCONT)

    def cut_off(self, node, path, whole):
        """Kills at random moments until the whole is done, and compares."""
        chance = random.Random(3)
        summary = None
        for _ in range(KILLS):
            summary = self.killed(node, path, chance.uniform(0.1, 0.9) * self.span)
            if summary is not None:
                break
        one = (self.load(node, path, "--resume") if summary is None
               else (counts(summary), self.rejects(path)))
        self.assertEqual(len(one[1]), len(whole[1]))
        self.assertEqual(one[1], whole[1])
        self.assertEqual(sum(one[0][n] for n in ("created", "replaced", "unchanged", "rejected")),
                         one[0]["records"])
        self.assertEqual(one[0], whole[0])

    def test_import_killed_and_resumed_comes_to_the_same(self):
        text = text_of(2)
        whole, cut, beside = self.city().start(), self.city().start(), self.city()
        begun = time.monotonic()
        expected = self.load(whole, self.file(whole, "rows.csv", text))
        self.span = time.monotonic() - begun
        path = self.file(cut, "rows.csv", text)
        self.killed_while_the_daemon_sleeps(cut, path)
        self.cut_off(cut, path, expected)
        self.check_equal(cut, whole)
        # Beside the store nothing counts before the end, so each attempt begins anew.
        self.cut_off(beside, self.file(beside, "rows.csv", text), expected)
        self.check_equal(beside, whole)

    def interrupted(self, text):
        """A node whose import a Ctrl-C met in the middle, the file, and what it told: later and
        later until it has begun; one that was through already is of no use."""
        for attempt in range(40):
            node = self.city()
            path = self.file(node, "rows.csv", text)
            for delay in range(5 + attempt, 5000, 5):
                importing = subprocess.Popen(
                    [os.path.join(harness.BUILD, "guantong"), "import", node.dir, path, "--json",
                     "--reject", path + ".rejected"], stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE)
                time.sleep(delay / 1000)
                importing.send_signal(signal.SIGINT)
                out, error = importing.communicate(timeout=120)
                if importing.returncode == -signal.SIGINT:
                    continue
                self.assertTrue(out, error)
                told = json.loads(out)
                if told["records"] > 0:
                    break
            if told["interrupted"]:
                return node, path, told
        self.fail("never met it in the middle")

    def test_import_interrupted_goes_on_and_refuses_what_changed(self):
        text = text_of(4)
        whole = self.city()
        expected = self.load(whole, self.file(whole, "rows.csv", text))
        beside, path, told = self.interrupted(text)
        self.assertTrue(told["interrupted"])
        self.assertTrue(os.path.exists(path + ".resume"))
        facts = os.stat(path)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
        refused = harness.run("import", beside.dir, path, "--resume", code=None)
        self.assertNotIn(refused.returncode, (0, 6))
        self.assertIn("changed", refused.stderr)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        other = harness.run("import", whole.dir, path, "--resume", code=None)
        self.assertIn("another store", other.stderr)
        refused = harness.run("import", beside.dir, path, "--resume", "--create-only", code=None)
        self.assertIn("--create-only", refused.stderr)
        self.assertEqual(self.load(beside, path, "--resume"), expected)
        self.check_equal(beside, whole)


if __name__ == "__main__":
    harness.unittest.main()
