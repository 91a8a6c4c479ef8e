# SPDX-License-Identifier: Apache-2.0
"""Rows of tests/bench/run: names of another node, answered from the cache, beside names of our own
that are as long, and our own names while the node above is dead."""

import os
import shutil
import socket
import statistics
import threading
import time

OURS, THEIRS = "88.60", "88.70"  # of equal length: so are the answers
ABOVE, DEAD = ("127.0.88.70", 2641), ("127.0.88.71", 2641)
COUNT = 20000
FEW = 1000
FILL_TIMES = 7  # questions for each name until the cache counts as full: e^-7 are missing
COLD_PER_S = 500


def pattern(prefix):
    return prefix + "/P-##########"


def make_node(bench, run, prefix, address):
    """`address` is told by its site record, too; None: nobody has to know."""
    path, data = bench.path("node-" + prefix), bench.path(prefix + ".csv")
    shutil.rmtree(path, ignore_errors=True)
    host, port = address or ("127.0.0.1", 2641)
    run.command([bench.tool("guantong"), "init", path, "--prefix", prefix, "--listen", host,
                 "--port", str(port)])
    run.write_csv(data, pattern(prefix), COUNT, 100)
    run.command([bench.tool("guantong"), "import", path, data, "--no-progress"])
    return path


def start(bench, run, node, address, upstream=None, hot_set=0, core=0):
    prefix = os.path.basename(node)[len("node-"):]
    with open(os.path.join(node, "guantong.yaml"), "w", encoding="ascii") as f:
        f.write('node:\n  prefix: "%s"\nlisten:\n  addresses: ["%s"]\n  handle_port: %d\n'
                "  tls_port: 0\n  metrics_port: 0\n  http_port: 0\n  https_port: 0\n"
                "workers:\n  count: 1\n  hot_set: %d\n"
                "limits:\n  trusted_networks: [%s]\nlog:\n  level: warning\ncache:\n  size: 128M\n"
                % (prefix, address[0], address[1], hot_set, run.TRUSTED))
        if upstream is not None:
            f.write("upstream:\n  private_services: [127.0.0.0/8]\n  servers: ['%s:%d']\n" % upstream)
    words = [bench.tool("guantongd"), *(["--allow-root"] if os.geteuid() == 0 else []), node]
    name = run.name_of(pattern(prefix), 0)

    def answers(_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.05)
            try:
                s.sendto(question(name, 1), address)
                return s.recv(65536)
            except OSError:
                return None
    with open(bench.path("guantongd.log"), "ab") as log:
        return run.Program(words, address[1], core, log=log, ready=answers)


def question(name, request_id):
    text = name.encode()
    body = len(text).to_bytes(4, "big") + text + bytes(8)
    header = bytes.fromhex("000000010000000019000000ffff00007fffffff") + len(body).to_bytes(4, "big")
    message = header + body + bytes(4)
    return (bytes.fromhex("020b020b00000000") + request_id.to_bytes(4, "big") + bytes(4)
            + len(message).to_bytes(4, "big") + message)


class Asking:
    """Asks for ever new names of the node above, so many a second; does not wait for answers."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.asked, self.is_over = 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        begun = time.monotonic()
        while not self.is_over:
            while self.asked < COLD_PER_S * (time.monotonic() - begun):
                self.asked += 1
                name = "%s/C-%d-%d" % (THEIRS, id(self), self.asked)
                self.socket.send(question(name, self.asked))
            time.sleep(0.002)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.thread.join()
        self.socket.close()


def mute():
    """A server that takes everything and says nothing."""
    udp, tcp = (socket.socket(socket.AF_INET, kind) for kind in
                (socket.SOCK_DGRAM, socket.SOCK_STREAM))
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for s in (udp, tcp):
        s.bind(DEAD)
    tcp.listen(1024)
    return udp, tcp


def load(bench, server, prefix, count, *words):
    return bench.load(server, *words, pattern=pattern(prefix), count=count)


def fill(bench, server):
    asked = 0
    while asked < FILL_TIMES * COUNT:
        figures = load(bench, server, THEIRS, COUNT, "--timeout-ms=5000")
        asked += figures["rate"] * (bench.options.seconds + bench.options.warmup)


def cached(bench, run, ours, theirs):
    at = ("127.0.0.1", run.free_port())
    with start(bench, run, theirs, ABOVE, core=1), start(bench, run, ours, at, ABOVE) as server:
        fill(bench, server)
        for count in (COUNT, FEW):
            results = bench.rounds({
                "own name": lambda count=count: load(bench, server, OURS, count),
                "cached name": lambda count=count: load(bench, server, THEIRS, count)})
            yield run.row("cached answer beside a local one, %d names, without hot set" % count,
                          1.3, run.ratio(results["cached name"], results["own name"],
                                         "server_cpu_us"), least=False, versus="own name",
                          figures=run.figures_of(results))
    with start(bench, run, theirs, ABOVE, core=1), \
            start(bench, run, ours, at, ABOVE, hot_set=64 << 20) as server:
        fill(bench, server)
        load(bench, server, OURS, COUNT)
        results = bench.rounds({"own name": lambda: load(bench, server, OURS, COUNT),
                                "cached name": lambda: load(bench, server, THEIRS, COUNT)})
        yield run.row("cached answer beside a local one of a warm hot set, %d names" % COUNT, None,
                      run.ratio(results["cached name"], results["own name"], "server_cpu_us"),
                      least=False, versus="own name", figures=run.figures_of(results))


def dead(bench, run, ours):
    at = ("127.0.0.1", run.free_port())
    silent = mute()
    shutil.rmtree(os.path.join(ours, "cache"), ignore_errors=True)
    with start(bench, run, ours, at, DEAD) as server:
        rate = int(load(bench, server, OURS, COUNT)["rate"] / 2)

        def beside(*words):
            with Asking(at[1]):
                return load(bench, server, OURS, COUNT, *words)
        results = bench.rounds({"alone": lambda: load(bench, server, OURS, COUNT),
                                "beside cold names": beside})
        yield run.beside("own names while the node above is dead and %d/s of its names are asked for"
                         % COLD_PER_S, 0.95, results, "alone", "beside cold names")
        words = ("--rate=%d" % rate,)
        results = bench.rounds({"alone": lambda: load(bench, server, OURS, COUNT, *words),
                                "beside cold names": lambda: beside(*words)})
        yield run.row("the same, p99 at half load (%d/s)" % rate, None, statistics.median(
            a["latency_us"]["p99"] / b["latency_us"]["p99"] for a, b in
            zip(results["beside cold names"], results["alone"])), least=False, versus="alone",
            figures=run.figures_of(results))
        yield run.row("the same, own answers lost", 0,
                      sum(r["lost"] for r in results["beside cold names"]), least=False)
    for s in silent:
        s.close()


def rows(size, run):
    bench = size.bench
    ours = make_node(bench, run, OURS, None)
    theirs = make_node(bench, run, THEIRS, ABOVE)
    yield from cached(bench, run, ours, theirs)
    yield from dead(bench, run, ours)
