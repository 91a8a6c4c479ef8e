# SPDX-License-Identifier: Apache-2.0
"""Real nodes for system tests: a directory of their own, a daemon of their own, a free port."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import wire

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("GUANTONG_BUILD", os.path.join(ROOT, "build", "check"))
VECTORS = os.path.join(ROOT, "tests", "vectors")


def free_port():
    """A port that is free for TCP and UDP on every IPv4 address right now."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("", port))
                return port
            except OSError:
                continue


def run(*words, code=0, stdin=None, env=None, timeout=120):
    """Runs `guantong WORDS`; fails when the exit code is another one (None: any)."""
    done = subprocess.run([os.path.join(BUILD, "guantong"), *map(str, words)], input=stdin,
                          capture_output=True, timeout=timeout,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    if code is not None and done.returncode != code:
        raise AssertionError("guantong %s: exit %d, not %d\n%s%s" % (
            " ".join(map(str, words)), done.returncode, code, done.stdout, done.stderr))
    return done


def run_json(*words, **more):
    return json.loads(run(*words, "--json", **more).stdout)


def put_setting(directory, section, key, value):
    """Puts a setting into guantong.yaml, replacing the commented default."""
    path = os.path.join(directory, "guantong.yaml")
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    at = next((i for i, line in enumerate(lines) if line.startswith(section + ":")), None)
    if at is None:
        lines += [section + ":", "  %s: %s" % (key, value)]
    else:
        end = at + 1
        while end < len(lines) and (not lines[end] or lines[end][0] in " #"):
            if lines[end].strip().startswith(key + ":"):
                del lines[end]
                break
            end += 1
        lines.insert(at + 1, "  %s: %s" % (key, value))
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines))


class Node:
    """A node directory; `start` runs guantongd on it. It serves HTTP and HTTPS when asked to."""

    def __init__(self, prefix="88.1000", listen=("127.0.0.1",), init=(), http=False, https=False):
        self.holder = tempfile.TemporaryDirectory(prefix="guantong-")
        self.dir = os.path.join(self.holder.name, "node")
        self.port = free_port()
        self.address = (listen[0], self.port)
        self.daemon = None
        self.daemon_path, self.daemon_env = os.path.join(BUILD, "guantongd"), None
        addresses = [w for a in listen for w in ("--listen", a)]
        self.http_port = free_port() if http else None
        self.https_port = free_port() if https else None
        ports = [w for name, port in (("--http-port", self.http_port),
                                      ("--https-port", self.https_port)) if port
                 for w in (name, port)]
        run("init", self.dir, "--prefix", prefix, *addresses, "--port", self.port, *ports, *init)
        # Tests ask more than a stranger may; those of the limits take this back.
        self.setting("limits", "trusted_networks", "[127.0.0.0/8, '::1/128']")
        # All nodes of a test are on this machine.
        self.setting("upstream", "private_services", "[127.0.0.0/8, '::1/128']")
        # Nothing happens that the test did not ask for; those of routes take this back.
        self.setting("probe", "interval", "0s")

    def setting(self, section, key, value):
        put_setting(self.dir, section, key, value)

    def start(self):
        self.log = open(os.path.join(self.holder.name, "daemon.log"), "ab+")
        self.daemon = subprocess.Popen([self.daemon_path, "--allow-root", self.dir],
                                       stderr=self.log, stdout=self.log, env=self.daemon_env)
        deadline = time.monotonic() + 30
        while run("node", "status", self.dir, code=None).returncode != 0:
            if self.daemon.poll() is not None:
                raise AssertionError("guantongd ended: " + self.said())
            if time.monotonic() > deadline:
                raise AssertionError("guantongd is not ready: " + self.said())
            time.sleep(0.05)
        return self

    def said(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self, how=signal.SIGTERM):
        """Ends the daemon and gives back its exit code."""
        if self.daemon is None:
            return None
        self.daemon.send_signal(how)
        code = self.daemon.wait(timeout=60)
        self.daemon = None
        self.log.close()
        return code

    def close(self):
        said = ""
        if self.daemon is not None:
            self.stop()
        log = os.path.join(self.holder.name, "daemon.log")
        if os.path.exists(log):
            with open(log, encoding="utf-8", errors="replace") as f:
                said = f.read()
        self.holder.cleanup()
        if "Sanitizer" in said or "runtime error" in said:
            raise AssertionError("the daemon's sanitizer spoke:\n" + said)

    def resolve_udp(self, handle, **more):
        return wire.Message(wire.reassemble(
            wire.ask_udp(self.address, wire.fragments(wire.resolve(handle, **more)))))

    def resolve_tcp(self, handle, **more):
        return wire.Message(wire.ask_tcp(self.address, wire.resolve(handle, **more))[0])


class NodeTest(unittest.TestCase):
    """Closes what a test opens."""

    def node(self, *args, **more):
        node = Node(*args, **more)
        self.addCleanup(node.close)
        return node

    def file(self, node, name, content):
        path = os.path.join(node.holder.name, name)
        with open(path, "w" if isinstance(content, str) else "wb") as f:
            f.write(content)
        return path


def record(handle, *values):
    """A record as JSON: values are (index, type, text[, permissions])."""
    return json.dumps({"handle": handle, "values": [
        {"index": v[0], "type": v[1], "data": {"format": "string", "value": v[2]},
         **({"permissions": v[3]} if len(v) > 3 else {})} for v in values]}, ensure_ascii=False)
