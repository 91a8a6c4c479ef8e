#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One call of the C library fails: no crash, a clear end, and the store keeps its word.

  fault_loop.py [SAMPLES]

For each program (a writer; the commands init, import and export), each call and each way to fail,
SAMPLES of the calls it makes fail one at a time, spread over the run; 0: every one. Prints a line
of JSON; exits 1 when something did not hold.
"""

import errno
import json
import os
import random
import shutil
import subprocess
import sys

import crash_tools as tools

ERRORS = {
    "pwrite": ("ENOSPC", "EIO", "EAGAIN", "short", "late"),
    "write": ("ENOSPC", "EIO", "short"),
    "fdatasync": ("EIO", "ENOSPC", "late"),
    "fsync": ("EIO", "ENOSPC"),
    "open": ("EMFILE", "ENOSPC", "EIO"),
    "mmap": ("ENOMEM", "EAGAIN"),
    "ftruncate": ("ENOSPC", "EIO"),
    "malloc": ("ENOMEM",),
}
# After these a commit cannot know what reached the disk: nothing more may be acknowledged.
REFUSING = {("pwrite", "EIO"), ("pwrite", "late"), ("fdatasync", "EIO"), ("fdatasync", "late")}
SETS = 24
ROWS = 50
EXITS_OF_COMMANDS = (1, 2, 3, 4, 5, 6, 7)
EXIT_BUG = 70
LIMIT_S = 60


def run(words, env, stdin=None):
    """(exit code or None when it hung, output, error output)"""
    try:
        done = subprocess.run(words, env=env, capture_output=True, timeout=LIMIT_S, check=False,
                              input=stdin)
    except subprocess.TimeoutExpired:
        return None, b"", b""
    return done.returncode, done.stdout, done.stderr


class Writer:
    """crash_writer on a store that is made, filled, closed and opened again."""

    name = "writer"

    def __init__(self, folder):
        self.folder = folder

    def prepare(self):
        shutil.rmtree(self.folder("store"), ignore_errors=True)
        if os.path.exists(self.folder("w.ledger")):
            os.unlink(self.folder("w.ledger"))

    def words(self, call, error):
        refuses = ["refuses"] if (call, error) in REFUSING else []
        return [tools.program("crash_writer"), self.folder("store"), self.folder("w.ledger"), "1",
                str(SETS), "2", *refuses]

    def judge(self, code, _, said):
        if code not in (0, 3):
            return "exit %s: %s" % (code, said.decode("utf-8", "replace")[-300:])
        if code == 3 and not said and not os.path.exists(self.folder("w.ledger")):
            return "exit 3 without a word"
        found = tools.check_store(self.folder("store"), self.folder("w.ledger"), "write")
        return None if found["ok"] else found["reason"]


class Command:
    """One command on a node made beforehand; `said` must explain every end but success."""

    def __init__(self, folder):
        self.folder = folder
        self.rows = "".join(json.dumps({"handle": "88.1000/f%d" % n, "values": [
            {"index": 1, "type": "DESC", "data": {"format": "string", "value": "row %d" % n}}]})
            + "\n" for n in range(ROWS))
        with open(folder("rows.jsonl"), "w", encoding="utf-8") as f:
            f.write(self.rows)
        self.made = folder("made")
        self.node = folder("node")
        shutil.rmtree(self.made, ignore_errors=True)
        self.plain("init", self.made, "--prefix", "88.1000", "--listen", "127.0.0.1")

    def plain(self, *words):
        code, output, said = run([tools.GUANTONG, *words], {**os.environ, "LC_ALL": "C.UTF-8"})
        if code != 0:
            raise AssertionError("guantong %s: exit %s %s" % (" ".join(words), code, said))
        return output

    def prepare(self):
        shutil.rmtree(self.node, ignore_errors=True)
        shutil.copytree(self.made, self.node)

    def judge(self, code, output, said):
        is_told = code in (0, *EXITS_OF_COMMANDS) or (code == EXIT_BUG and b"memory" in said)
        if not is_told:
            return "exit %s: %s" % (code, said.decode("utf-8", "replace")[-300:])
        if code != 0 and not said:
            return "exit %d without a word" % code
        return self.judge_node(code, output)

    def verify(self):
        code, output, said = run([tools.GUANTONG, "journal", "verify", self.node],
                                 {**os.environ, "LC_ALL": "C.UTF-8"})
        return None if code == 0 else "journal verify: exit %s %s%s" % (code, output, said)

    def stored_rows(self):
        return sum(b"88.1000/f" in line for line in
                   self.plain("export", self.node).splitlines())


class Init(Command):
    name = "init"

    def prepare(self):
        shutil.rmtree(self.node, ignore_errors=True)

    def words(self, *_):
        return [tools.GUANTONG, "init", self.node, "--prefix", "88.1000", "--listen", "127.0.0.1"]

    def judge_node(self, code, _):
        return self.verify() if code == 0 else None


class Import(Command):
    name = "import"

    def words(self, *_):
        return [tools.GUANTONG, "import", self.node, self.folder("rows.jsonl"), "--reject",
                self.folder("reject"), "--no-progress"]

    def judge_node(self, code, _):
        stored = self.stored_rows()
        if code == 0 and stored != ROWS:
            return "said it took all %d rows, %d are there" % (ROWS, stored)
        return self.verify()


class Export(Command):
    name = "export"

    def __init__(self, folder):
        super().__init__(folder)
        self.empty = folder("empty")
        shutil.copytree(self.made, self.empty)
        self.plain("import", self.made, folder("rows.jsonl"), "--no-progress")
        self.expected = self.plain("export", self.made)

    def words(self, *_):
        return [tools.GUANTONG, "export", self.node, "--output", self.folder("exported")]

    def prepare(self):
        super().prepare()
        if os.path.exists(self.folder("exported")):
            os.unlink(self.folder("exported"))

    def judge_node(self, code, _):
        if code == 0 and not self.is_whole():
            return "said it exported everything, and did not"
        return self.verify()

    def is_whole(self):
        """Equal, or equal once imported: where memory fails a value may be written another way."""
        with open(self.folder("exported"), "rb") as f:
            if f.read() == self.expected:
                return True
        copy = self.folder("copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.empty, copy)
        self.plain("import", copy, self.folder("exported"), "--no-progress")
        return self.plain("export", copy) == self.expected


def count_calls(case, folder):
    """How many calls of each kind the program makes when nothing fails."""
    case.prepare()
    env = tools.preload("crash_failing", CRASH_FAIL_CALL="pwrite", CRASH_FAIL_AT="0",
                        CRASH_FAIL_ERROR="5", CRASH_FAIL_COUNTS=folder("counts"))
    code, _, said = run(case.words("", ""), env)
    if code != 0:
        raise AssertionError("%s without a fault: exit %s %s" % (case.name, code, said))
    with open(folder("counts"), encoding="ascii") as f:
        return {name: int(count) for name, count in (line.split() for line in f)}


def chosen(count, samples, choose):
    if samples == 0 or count <= samples:
        return range(1, count + 1)
    step = count / samples
    return sorted({min(count, 1 + int(step * (i + choose.random()))) for i in range(samples)})


def fail_once(case, call, error, at):
    case.prepare()
    number = str(getattr(errno, error)) if error.startswith("E") else error
    env = tools.preload("crash_failing", CRASH_FAIL_CALL=call, CRASH_FAIL_AT=str(at),
                        CRASH_FAIL_ERROR=number)
    reason = case.judge(*run(case.words(call, error), env))
    return "%s, %s %d: %s: %s" % (case.name, call, at, error, reason) if reason else None


def fault_runs(samples, seed=1):
    """Figures by program; `failures` tells what did not hold."""
    choose = random.Random(seed)
    result = {"runs": {}, "failures": []}
    for kind in (Writer, Init, Import, Export):
        with tools.Folder() as folder:
            case = kind(folder)
            counts = count_calls(case, folder)
            runs = 0
            for call, errors in ERRORS.items():
                # A program allocates often: more samples there.
                wanted = samples * 8 if call == "malloc" else samples
                for error in errors:
                    for at in chosen(counts[call], wanted, choose):
                        reason = fail_once(case, call, error, at)
                        runs += 1
                        if reason:
                            result["failures"].append(reason)
            result["runs"][case.name] = runs
    return result


def main(words):
    result = fault_runs(tools.size_of(words, 5), seed=random.randrange(1 << 30))
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
