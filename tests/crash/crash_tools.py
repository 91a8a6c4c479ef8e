# SPDX-License-Identifier: Apache-2.0
"""What the crash loops share: the programs of the build, a folder of their own, one run of each."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("GUANTONG_BUILD", os.path.join(ROOT, "build", "check"))
PROGRAMS = os.path.join(BUILD, "tests", "crash")
GUANTONG = os.path.join(PROGRAMS, "crash_guantong")  # the commands, without sanitizers
MARK = struct.Struct("=IIQQQIHH8Q")  # struct mark of ledger.h
LEDGER_MAGIC = 0x4C444752
OPENED, SUBMITTED, ACKNOWLEDGED, REFUSED = 1, 2, 3, 4


def program(name):
    return os.path.join(PROGRAMS, name)


def preload(name, **env):
    """An environment in which tests/crash/NAME is loaded first."""
    return {**os.environ, "LC_ALL": "C.UTF-8", "LD_PRELOAD": program(name + ".so"), **env}


class Folder:
    """A folder that goes with the test; it lies in memory where there is such a place."""

    def __enter__(self):
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.path = tempfile.mkdtemp(prefix="guantong-crash-", dir=base)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def __call__(self, *names):
        return os.path.join(self.path, *names)

    def clear(self):
        for name in os.listdir(self.path):
            path = self(name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)


def marks(ledger):
    """The marks of a ledger as tuples: (kind, number, position, status)."""
    with open(ledger, "rb") as f:
        data = f.read()
    return [(m[1], m[3], m[4], m[5]) for m in
            MARK.iter_unpack(data[:len(data) // MARK.size * MARK.size])]


def was_opened(ledger):
    return os.path.exists(ledger) and any(m[0] == OPENED for m in marks(ledger))


def check_store(store, ledger, *words):
    """What crash_check says; {"ok": false} with its end when it did not say anything. A store that
    was never opened may be made now, which must succeed whatever its making left behind."""
    if not os.path.exists(ledger):
        with open(ledger, "wb"):
            pass
    if not was_opened(ledger):
        words = (*words, "unmade")
    done = subprocess.run([program("crash_check"), store, ledger, *words], capture_output=True,
                          timeout=300, check=False)
    if done.returncode in (0, 1) and done.stdout:
        found = json.loads(done.stdout)
        if found["unmade"]:
            found.update(ok=False, reason="was not made again")
        return found
    return {"ok": False, "reason": "crash_check: exit %d %s" % (
        done.returncode, done.stderr.decode("utf-8", "replace")[-500:])}


def died(returncode):
    """Was the program ended by a signal nobody sent on purpose?"""
    return returncode < 0 and returncode != -signal.SIGKILL


def size_of(words, default):
    """The size argument of a loop's command line."""
    if len(words) > 2 or (len(words) == 2 and not words[1].isdigit()):
        sys.exit("%s [SIZE] (%d when not given)" % (words[0], default))
    return int(words[1]) if len(words) == 2 else default
