#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Power failures: a recorded writer, cut at random moments, every image opened and checked.

  power_loop.py [IMAGES]

Several recordings, each with its own writes, share the images. Prints a line of JSON; exits 1 on a
loss. `record` and `replay` take LMDB flags, too: with "nosync" and "nometasync" the replay must
find losses, or it would not find ours.
"""

import json
import os
import random
import subprocess
import sys

import crash_tools as tools

SETS = 240
SESSIONS = 4
IMAGES_PER_RECORDING = 1000


def record(folder, seed, flags=""):
    """Runs a writer under the recorder; the recording's path."""
    recording = folder("recording")
    done = subprocess.run(
        [tools.program("crash_writer"), folder("store"), folder("w.ledger"), str(seed), str(SETS),
         str(SESSIONS)], capture_output=True, timeout=120, check=False,
        env=tools.preload("crash_recorder", CRASH_RECORDING=recording, CRASH_LMDB_FLAGS=flags))
    if done.returncode != 0:
        raise AssertionError("the recorded writer: exit %d %s" % (
            done.returncode, done.stderr.decode("utf-8", "replace")))
    return recording


def replay(folder, recording, images, seed):
    os.makedirs(folder("image"), exist_ok=True)
    done = subprocess.run([tools.program("crash_replay"), recording, folder("image"), str(images),
                           str(seed)], capture_output=True, timeout=7200, check=False)
    if done.returncode not in (0, 1):
        raise AssertionError("crash_replay: exit %d %s" % (
            done.returncode, done.stderr.decode("utf-8", "replace")))
    return json.loads(done.stdout)


def power_images(images, seed=1, flags=""):
    """Figures over all recordings; `reasons` holds the first losses."""
    total = {"recordings": 0, "images": 0, "losses": 0, "crashes": 0, "unmade": 0,
             "marks_checked": 0, "unsynced_writes": 0, "reasons": []}
    while total["images"] < images:
        with tools.Folder() as folder:
            number = total["recordings"]
            found = replay(folder, record(folder, seed + number, flags),
                           min(IMAGES_PER_RECORDING, images - total["images"]), seed + number)
        total["recordings"] += 1
        total["reasons"] = (total["reasons"] + ["recording %d: %s" % (seed + number, r)
                                                for r in found["reasons"]])[:10]
        for key in ("images", "losses", "crashes", "unmade", "marks_checked", "unsynced_writes"):
            total[key] += found[key]
    return total


def main(words):
    result = power_images(tools.size_of(words, 1000), seed=random.randrange(1 << 30))
    print(json.dumps(result))
    return 1 if result["losses"] or result["crashes"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
