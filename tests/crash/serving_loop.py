#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One call of the C library fails inside a serving guantongd: it goes on, or ends with a reason.

  serving_loop.py [SAMPLES]

For each call and each way to fail, SAMPLES of the calls the daemon makes fail one at a time; 0:
every one. Meanwhile clients resolve and write. No answer may be wrong, nothing acknowledged may be
lost, and once the fault is over the daemon answers and stops as always, or it has ended by itself
and said why. Prints a line of JSON; exits 1 when something did not hold.
"""

import errno
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

import crash_tools as tools
import fault_loop

sys.path.insert(0, os.path.join(tools.ROOT, "tests", "system"))
import harness  # noqa: E402  (the path comes first)
import wire  # noqa: E402

ERRORS = {
    "pread": ("EIO", "EINTR"),
    "pwrite": ("ENOSPC", "EIO", "short", "late"),
    "write": ("ENOSPC", "EIO", "EINTR"),
    "fdatasync": ("EIO", "ENOSPC"),
    "ftruncate": ("ENOSPC", "EIO"),
    "open": ("EMFILE", "EIO"),
    "mmap": ("ENOMEM",),
    "malloc": ("ENOMEM",),
    "sendmmsg": ("EAGAIN", "ENOBUFS", "EPERM", "short"),
    "recvmmsg": ("EAGAIN", "EINTR", "ENOMEM", "ECONNREFUSED"),
    "send": ("EAGAIN", "EPIPE", "ECONNRESET", "short"),
    "recv": ("EAGAIN", "EINTR", "ECONNRESET"),
    "accept4": ("EAGAIN", "EMFILE", "ENFILE", "ECONNABORTED", "ENOMEM"),
    "epoll_ctl": ("ENOMEM", "ENOSPC"),
    "socket": ("EMFILE", "ENOBUFS"),
    "eventfd": ("EMFILE",),
}
KNOWN = ["88.1000/known%d" % n for n in range(4)]
WRITES = 4
ASKS = 6
LIMIT_S = 10
PATIENCE_S = 1.0
PLAIN = {**os.environ, "LC_ALL": "C.UTF-8"}


def content(name):
    return "content of " + name


def command(*words, stdin=None):
    """(exit code or None when it hung, what it said)"""
    try:
        done = subprocess.run([tools.GUANTONG, *words], input=stdin, capture_output=True,
                              check=False, timeout=LIMIT_S, env=PLAIN)
    except subprocess.TimeoutExpired:
        return None, "hangs"
    return done.returncode, done.stderr.decode("utf-8", "replace")


class Daemon:
    """One run of guantongd with at most one failing call, and what its clients saw."""

    def __init__(self, directory, port, env):
        self.directory, self.address = directory, ("127.0.0.1", port)
        self.reasons, self.acknowledged, self.asked = [], set(), set()
        self.log = os.path.join(os.path.dirname(directory), "said")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([tools.program("crash_guantongd"), "--allow-root",
                                             directory], env=env, stdout=log, stderr=log)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def is_up(self):
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            if " ready: " in self.said():
                return True
            # The line that says so may be the call that fails.
            if time.monotonic() > deadline - LIMIT_S + PATIENCE_S and self.takes_commands():
                return True
            time.sleep(0.005)
        self.reasons.append("neither ready nor ended")
        return False

    def takes_commands(self):
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(os.path.join(self.directory, "run", "control.sock")) == 0

    def ask(self, name, by_udp):
        """True when the right answer came, False when none did."""
        try:
            if by_udp:
                got = wire.ask_udp(self.address, wire.fragments(wire.resolve(name)), PATIENCE_S)
                answer = wire.Message(wire.reassemble(got)) if got else None
            else:
                answer = wire.Message(wire.ask_tcp(self.address, wire.resolve(name),
                                                   timeout=PATIENCE_S)[0])
        except (OSError, EOFError):
            return False
        if answer is None:
            return False
        if answer.code == 1 and answer.resolution()[1][0].data == content(name).encode():
            return True
        if answer.code not in (2, 3):  # an error of the server's own is honest
            self.reasons.append("%s: a wrong answer, code %d" % (name, answer.code))
        return False

    def write(self, number):
        name = "88.1000/new%d" % number
        self.asked.add(name)
        row = harness.record(name, (1, "DESC", content(name))).encode()
        code, said = command("record", "put", self.directory, "-", stdin=row)
        if code == 0:
            self.acknowledged.add(name)
        elif code is None or not said:
            self.reasons.append("record put: exit %s: %s" % (code, said or "without a word"))
        return code == 0

    def load(self):
        for number in range(WRITES):
            if self.write(number) and not self.ask_twice("88.1000/new%d" % number):
                self.reasons.append("new%d: acknowledged and not answered" % number)
            for name in KNOWN[:ASKS // 2]:
                self.ask(name, True)
                self.ask(name, False)
        if command("node", "reload", self.directory)[0] is None:
            self.reasons.append("node reload: hangs")

    def ask_twice(self, name):
        """One failing call costs one answer at most, and what was lost on the way is asked again."""
        return self.process.poll() is not None or any(
            self.ask(name, by_udp) for by_udp in (True, True, False, False))

    def judge_living(self):
        for by_udp in (True, False):
            for name in KNOWN:
                if not (self.ask(name, by_udp) or self.ask(name, by_udp)):
                    self.reasons.append("no answer over %s afterwards" % ("UDP" if by_udp else "TCP"))
                    return
        # The one call may fail within the first of these.
        code, said = command("node", "status", self.directory)
        if code is not None and code != 0:
            code, said = command("node", "status", self.directory)
        if code != 0:
            self.reasons.append("node status afterwards: exit %s %s" % (code, said))

    def end(self):
        """Stops it when it lives; how it ended. Twice, as libevent's own note of the signal may be
        the call that fails."""
        for _ in range(2):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                pass
        self.process.kill()
        self.process.wait()
        self.reasons.append("does not stop")
        return 0

    def run(self):
        is_living = self.is_up()
        if is_living:
            self.load()
            is_living = self.process.poll() is None
        if is_living:
            self.judge_living()
        code = self.end()
        # "[err]" is how libevent ends a program.
        is_told = any(word in self.said() for word in (" error ", "guantongd: ", "[err] "))
        if code < 0 or (code != 0 and not is_told) or (code == 0 and not is_living):
            self.reasons.append("ended: exit %d %s" % (code, self.said()[-400:]))
        return self


class Serving(fault_loop.Command):
    """A node with some records, copied for every run."""

    name = "serving"

    def __init__(self, folder):
        super().__init__(folder)
        self.port = harness.free_port()
        rows = "".join(harness.record(n, (1, "DESC", content(n))) + "\n" for n in KNOWN)
        with open(folder("known.jsonl"), "w", encoding="utf-8") as f:
            f.write(rows)
        self.plain("import", self.made, folder("known.jsonl"), "--no-progress")
        for section, key, value in (("listen", "handle_port", self.port),
                                    ("listen", "metrics_port", 0), ("workers", "count", 2),
                                    # small, so that the map is exchanged within a run
                                    ("store", "map_size", "1M"), ("store", "reserve", "1M"),
                                    ("limits", "trusted_networks", "[127.0.0.0/8]")):
            harness.put_setting(self.made, section, key, value)

    def lost(self, daemon):
        found = {}
        for line in self.plain("export", self.node).splitlines():
            record = json.loads(line)
            found[record["handle"]] = record["values"][0]["data"].get("value")
        for name in {*KNOWN, *daemon.acknowledged}:
            if found.get(name) != content(name):
                yield "%s: acknowledged, holds %r" % (name, found.get(name))
        for name in found:
            if name.startswith("88.1000/") and name not in {*KNOWN, *daemon.asked}:
                yield "%s: nobody wrote it" % name

    def once(self, env):
        """The reasons of one run."""
        self.prepare()
        daemon = Daemon(self.node, self.port, env).run()
        verdict = self.verify()
        return daemon.reasons + ([verdict] if verdict else []) + list(self.lost(daemon))

    def counts(self):
        env = tools.preload("crash_failing", CRASH_FAIL_CALL="pwrite", CRASH_FAIL_AT="0",
                            CRASH_FAIL_ERROR="5", CRASH_FAIL_COUNTS=self.folder("counts"))
        reasons = self.once(env)
        if reasons:
            raise AssertionError("without a fault: %s" % reasons)
        with open(self.folder("counts"), encoding="ascii") as f:
            return {name: int(count) for name, count in (line.split() for line in f)}


def serving_runs(samples, seed=1):
    """Figures by call; `failures` tells what did not hold."""
    choose = random.Random(seed)
    result = {"runs": {}, "failures": []}
    with tools.Folder() as folder:
        serving = Serving(folder)
        counts = serving.counts()
        for call, errors in ERRORS.items():
            wanted = samples * 8 if call == "malloc" else samples
            for error in errors:
                for at in fault_loop.chosen(counts[call], wanted, choose):
                    number = str(getattr(errno, error)) if error.startswith("E") else error
                    reasons = serving.once(tools.preload(
                        "crash_failing", CRASH_FAIL_CALL=call, CRASH_FAIL_AT=str(at),
                        CRASH_FAIL_ERROR=number))
                    result["runs"][call] = result["runs"].get(call, 0) + 1
                    result["failures"] += ["%s %d: %s: %s" % (call, at, error, reason)
                                           for reason in reasons]
    return result


def main(words):
    result = serving_runs(tools.size_of(words, 2), seed=random.randrange(1 << 30))
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
