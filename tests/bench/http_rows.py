# SPDX-License-Identifier: Apache-2.0
"""Rows of tests/bench/run: records over REST beside nginx serving what we answer from files, plain and
over TLS. One worker each, connections kept, one request outstanding on each, the same client (wrk)
asking for the same paths: one all the time, or any of many. nginx and wrk come by
conf/unpack_packages."""

import contextlib
import http.client
import os
import re
import shlex
import shutil
import ssl
import subprocess

COUNT = 20000
ROOT = "/api/handles/"
PATTERN = "88.608.8889/R-##########"
PORTS = {"plain": "http", "TLS": "https"}
CONNECTIONS = 16
OURS, NGINX, NGINX_OPEN = "guantongd", "nginx", "nginx, files kept open"
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}

CONFIGURATION = """
daemon off; master_process off; pid {place}/{plain}.pid; error_log {place}/error.log;
events {{ worker_connections 256; }}
http {{
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  access_log off; sendfile on; tcp_nopush on; default_type application/json;
  keepalive_requests 1000000000; {more}
  ssl_certificate {place}/certificate.pem; ssl_certificate_key {place}/key.pem;
  ssl_protocols TLSv1.2 TLSv1.3;
  server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl; root {place}; }}
}}
"""
OPEN_FILES = "open_file_cache max=100000 inactive=60s; open_file_cache_valid 60s;"

NAMES = """
local head, tail = "GET %s", " HTTP/1.1\\r\\nHost: node\\r\\n\\r\\n"
request = function() return head .. string.format("%%0%dd", math.random(0, %d)) .. tail end
"""


def tool(run, name):
    for folder in ("usr/sbin", "usr/bin"):
        path = os.path.join(run.ROOT, "build", "tools", folder, name)
        if os.path.exists(path):
            return path
    return shutil.which(name)


def make_node(bench, run):
    path, data = bench.path("node-http"), bench.path("http.csv")
    bench.new_node(path)
    with open(data, "w", encoding="ascii") as f:
        f.write("handle,index,type,data\n")
        for number in range(COUNT):
            handle = run.name_of(PATTERN, number)
            f.write("%s,1,URL,https://id.example.cn/part/%010d\n" % (handle, number))
            f.write("%s,2,DESC,shaft XJ-180 of batch %06d\n" % (handle, number))
    run.command([bench.tool("guantong"), "import", path, data, "--no-progress"])
    return path


def start_node(bench, run, node, ports):
    handle_port = run.free_port()
    with open(os.path.join(node, "guantong.yaml"), "w", encoding="ascii") as f:
        f.write('node:\n  prefix: "88.608"\nlisten:\n  addresses: ["127.0.0.1"]\n'
                "  handle_port: %d\n  tls_port: 0\n  metrics_port: 0\n  http_port: %d\n"
                "  https_port: %d\nworkers:\n  count: 1\n  hot_set: 0\nlimits:\n"
                "  trusted_networks: [%s]\nlog:\n  level: warning\n"
                % (handle_port, ports["plain"], ports["TLS"], run.TRUSTED))
    words = [bench.tool("guantongd"), *(["--allow-root"] if os.geteuid() == 0 else []), node]
    with open(bench.path("guantongd.log"), "ab") as log:
        return run.Program(words, ports["plain"], log=log, ready=run.answers_tcp)


def start_nginx(run, place, ports, more):
    path = os.path.join(place, "%d.conf" % ports["plain"])
    with open(path, "w", encoding="ascii") as f:
        f.write(CONFIGURATION.format(place=place, plain=ports["plain"], tls=ports["TLS"],
                                     more=more))
    return run.Program([tool(run, "nginx"), "-p", place, "-c", path, "-e", place + "/error.log"],
                       ports["plain"], ready=run.answers_tcp)


def make_place(bench, run, body):
    """What nginx serves, with a certificate as the node makes one for itself."""
    place = bench.path("nginx")
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(os.path.dirname(place + ROOT + PATTERN))
    for number in range(COUNT):
        with open(place + ROOT + run.name_of(PATTERN, number), "wb") as f:
            f.write(body)
    run.command(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=node",
                 "-days", "30", "-keyout", place + "/key.pem", "-out", place + "/certificate.pem"])
    return place


def get(kind, port, path):
    """The body of an answer that must be right."""
    if kind == "TLS":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return body if answer.status == 200 else b""


def cpu_ns(pid):
    tasks = "/proc/%d/task" % pid
    total = 0
    for task in os.listdir(tasks):
        with open("%s/%s/schedstat" % (tasks, task), encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total


def latency(said, point):
    found = re.search(r"^\s+%s%%\s+([\d.]+)(us|ms|s)$" % point, said, re.M)
    return float(found[1]) * UNITS[found[2]]


def wrk(bench, run, program, url, script, seconds):
    words = ["taskset", "-c", str(run.LOAD_CORE), tool(run, "wrk"), "--latency", "-t1",
             "-c%d" % CONNECTIONS, "-d%ds" % seconds, *(["-s", script] if script else []), url]
    tools = os.path.join(run.ROOT, "build", "tools", "usr", "lib", "x86_64-linux-gnu")
    before = cpu_ns(program.pid)
    done = subprocess.run(words, capture_output=True, text=True, check=False,
                          env={**os.environ, "LD_LIBRARY_PATH": tools})
    used = cpu_ns(program.pid) - before
    count = re.search(r"^\s+(\d+) requests in ([\d.]+)s", done.stdout, re.M)
    if done.returncode != 0 or not count or int(count[1]) == 0:
        raise run.Failure("%s: %s" % (shlex.join(words), done.stderr or done.stdout))
    wrong = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", done.stdout)))
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)",
                       done.stdout)
    bench.wrong += wrong
    return {"requests": int(count[1]), "seconds": float(count[2]), "used_ns": used, "wrong": wrong,
            "lost": sum(map(int, errors.groups())) if errors else 0,
            "latency_us": {"p50": latency(done.stdout, 50), "p99": latency(done.stdout, 99)}}


def apart(short, long):
    """What the second run took longer than the first: connecting is in both."""
    requests = long["requests"] - short["requests"]
    seconds, used_ns = long["seconds"] - short["seconds"], long["used_ns"] - short["used_ns"]
    return {"rate": requests / seconds, "server_cpu_us": used_ns / 1e3 / requests,
            "server_busy": used_ns / 1e9 / seconds, "wrong": short["wrong"] + long["wrong"],
            "lost": short["lost"] + long["lost"], "duplicate": 0,
            "latency_us": long["latency_us"]}


def write_script(bench):
    path, digits = bench.path("names.lua"), PATTERN.count("#")
    with open(path, "w", encoding="ascii") as f:
        f.write(NAMES % (ROOT + PATTERN.rstrip("#"), digits, COUNT - 1))
    return path


class Servers:
    """The node and its baselines; {name: (program, ports)}."""

    def __init__(self, bench, run):
        self.bench, self.run = bench, run
        self.one = ROOT + run.name_of(PATTERN, 7)
        self.script = write_script(bench)
        self.stack = contextlib.ExitStack()
        self.servers = {}
        ports = {kind: run.free_port() for kind in PORTS}
        self.add(OURS, start_node(bench, run, make_node(bench, run), ports), ports)
        self.body = get("plain", ports["plain"], self.one)
        place = make_place(bench, run, self.body)
        for name, more in ((NGINX, ""), (NGINX_OPEN, OPEN_FILES)):
            ports = {kind: run.free_port() for kind in PORTS}
            self.add(name, start_nginx(run, place, ports, more), ports)
        for name, (_, ports) in self.servers.items():
            for kind in PORTS:
                if not self.body or get(kind, ports[kind], self.one) != self.body:
                    raise run.Failure("%s does not answer rightly over %s" % (name, kind))

    def add(self, name, program, ports):
        self.servers[name] = self.stack.enter_context(program), ports

    def measure(self, name, kind, script):
        program, ports = self.servers[name]
        url = "%s://127.0.0.1:%d%s" % (PORTS[kind], ports[kind], self.one)
        while True:
            runs = [wrk(self.bench, self.run, program, url, script, seconds)
                    for seconds in (1, 1 + max(1, round(self.bench.options.seconds)))]
            if runs[1]["requests"] > 1.5 * runs[0]["requests"]:  # else the machine was not ours
                return apart(*runs)

    def rounds(self, kind, script):
        return self.bench.rounds({name: lambda name=name: self.measure(name, kind, script)
                                  for name in self.servers})


def rows(size, run):
    title = "REST resolve, keep-alive, %s, %s"
    if tool(run, "nginx") is None or tool(run, "wrk") is None:
        for kind in PORTS:
            yield run.row(title % (kind, "one name"), 1.0, None,
                          why="no nginx or wrk (conf/unpack_packages)")
        return
    servers = Servers(size.bench, run)
    with servers.stack:
        for kind in PORTS:
            for who, script in (("one name", None), ("%d names" % COUNT, servers.script)):
                results = servers.rounds(kind, script)
                beside = run.beside(title % (kind, who), 1.0, results, NGINX)
                beside["versus"] += ", files of %d bytes" % len(servers.body)
                yield beside
                yield run.beside(title % (kind, who), None, results, NGINX_OPEN)
