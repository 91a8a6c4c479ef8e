# SPDX-License-Identifier: Apache-2.0
"""Killed, without power, failed by its disk: the store keeps its word. Small sizes of tests/crash.

The larger ones: tests/crash/kill_loop.py ROUNDS, power_loop.py IMAGES, fault_loop.py SAMPLES,
serving_loop.py SAMPLES, soak.py SECONDS.
"""

import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "crash"))
import crash_tools as tools  # noqa: E402  (the path comes first)
import fault_loop  # noqa: E402
import kill_loop  # noqa: E402
import power_loop  # noqa: E402
import serving_loop  # noqa: E402
import soak  # noqa: E402

KILLS = 100
IMAGES = 1000
COUNTER_IMAGES = 200
FAULT_SAMPLES = 3
SERVING_SAMPLES = 2
SOAK_S = 20


class Kill(unittest.TestCase):
    def test_killed_writers_and_daemons_lose_nothing(self):
        found = kill_loop.kill_rounds(KILLS)
        for name, part in found.items():
            print("kill -9 of a %s: %d rounds, %d acknowledged, %d failures" % (
                name, part["rounds"], part["acknowledged"], len(part["failures"])))
            self.assertEqual(part["failures"], [])
            self.assertGreater(part["acknowledged"], 0)
        self.assertEqual(sum(part["rounds"] for part in found.values()), KILLS)


class Power(unittest.TestCase):
    def test_no_image_after_a_power_failure_lacks_what_was_acknowledged(self):
        found = power_loop.power_images(IMAGES)
        print("power failure: %(images)d images, %(marks_checked)d acknowledged sets looked for, "
              "%(unsynced_writes)d unsynced writes, %(losses)d losses" % found)
        self.assertEqual(found["reasons"], [])
        self.assertEqual((found["images"], found["losses"], found["crashes"]), (IMAGES, 0, 0))
        self.assertGreater(found["unsynced_writes"], IMAGES)

    def counter_proof(self, flags):
        found = power_loop.power_images(COUNTER_IMAGES, flags=flags)
        print("power failure with %s: %d images, %d losses, %d checkers ended" % (
            flags, found["images"], found["losses"], found["crashes"]))
        return found

    def test_a_store_that_never_syncs_is_caught(self):
        found = self.counter_proof("nosync")
        self.assertGreater(found["losses"] + found["crashes"], COUNTER_IMAGES // 4)

    def test_a_store_that_does_not_sync_its_meta_page_is_caught(self):
        found = self.counter_proof("nometasync")
        self.assertGreater(found["losses"], COUNTER_IMAGES // 10)
        self.assertIn("acknowledged and is lost", "".join(found["reasons"]))


class Fault(unittest.TestCase):
    def test_a_failing_call_ends_clearly_and_costs_nothing_acknowledged(self):
        found = fault_loop.fault_runs(FAULT_SAMPLES)
        print("failing calls: %s, %d failures" % (
            ", ".join("%d of %s" % (n, name) for name, n in found["runs"].items()),
            len(found["failures"])))
        self.assertEqual(found["failures"], [])
        self.assertTrue(all(found["runs"].values()))


    def test_a_call_failing_in_a_serving_node_costs_nothing_acknowledged(self):
        found = serving_loop.serving_runs(SERVING_SAMPLES)
        print("failing calls of a serving node: %d runs, %d failures" % (
            sum(found["runs"].values()), len(found["failures"])))
        self.assertEqual(found["failures"], [])
        self.assertEqual(set(found["runs"]), set(serving_loop.ERRORS))


class Soak(unittest.TestCase):
    def test_a_node_under_mixed_faults_stays_right_and_does_not_grow(self):
        found = soak.soak(SOAK_S)
        print("soak: %(rounds)d rounds, %(acts)s, %(acknowledged)d acknowledged, memory in KiB "
              "%(memory_kib)s" % found)
        self.assertEqual(found["failures"], [])
        self.assertEqual(found["rounds"], 2)
        self.assertGreater(found["acts"]["resolve"], 100)


class Checker(unittest.TestCase):
    """It must see what is wrong, or the tests above prove nothing."""

    def setUp(self):
        folder = tools.Folder()
        self.folder = folder.__enter__()
        self.addCleanup(folder.__exit__)
        self.store, self.ledger = self.folder("store"), self.folder("w.ledger")
        subprocess.run([tools.program("crash_writer"), self.store, self.ledger, "1", "60", "2"],
                       check=True, timeout=60)
        with open(self.ledger, "rb") as f:
            self.marks = list(tools.MARK.iter_unpack(f.read()))

    def reason(self, marks):
        with open(self.ledger, "wb") as f:
            f.write(b"".join(tools.MARK.pack(*m) for m in marks))
        return tools.check_store(self.store, self.ledger)["reason"]

    def of_kind(self, kind):
        """Where the last mark of this kind stands that wrote items."""
        return max(i for i, m in enumerate(self.marks)
                   if m[1] == kind and (kind != tools.ACKNOWLEDGED or m[6]))

    def test_a_true_ledger_passes(self):
        self.assertEqual(self.reason(self.marks), "")

    def test_an_acknowledged_set_that_is_not_stored_is_a_loss(self):
        lost = [list(self.marks[self.of_kind(kind)])
                for kind in (tools.SUBMITTED, tools.ACKNOWLEDGED)]
        for mark in lost:
            mark[3] = 1000
        self.assertIn("acknowledged and is lost", self.reason([*self.marks, *lost]))

    def test_a_stored_set_that_nobody_submitted_is_invented(self):
        acknowledged = self.marks[self.of_kind(tools.ACKNOWLEDGED)]
        marks = [m for m in self.marks if m[3] != acknowledged[3] or m[1] == tools.OPENED]
        self.assertIn("nobody submitted", self.reason(marks))

    def test_a_version_other_than_the_acknowledged_one_is_seen(self):
        at = self.of_kind(tools.ACKNOWLEDGED)
        mark = list(self.marks[at])
        first = next(i for i in range(8) if mark[6] & 1 << i)
        mark[8 + first] += 1
        self.assertIn("told otherwise", self.reason([*self.marks[:at], tuple(mark),
                                                     *self.marks[at + 1:]]))

    def test_a_set_that_turns_up_after_its_session_is_seen(self):
        opened = tools.MARK.pack(tools.LEDGER_MAGIC, tools.OPENED, 1, 0, 1, 0, 0, 0, *[0] * 8)
        self.assertIn("outside its session",
                      self.reason([*self.marks, tools.MARK.unpack(opened)]))

    def test_a_changed_byte_of_a_value_is_seen(self):
        path = os.path.join(self.store, "data.mdb")
        with open(path, "r+b") as f:
            data = f.read()
            number = self.marks[self.of_kind(tools.ACKNOWLEDGED)][3]
            at = [m.start() for m in re.finditer(rb"%d\.\d\.\d [a-z]" % number, data)]
            for place in at:
                f.seek(place)
                f.write(b"x")
        self.assertNotEqual(self.reason(self.marks), "")


if __name__ == "__main__":
    unittest.main()
