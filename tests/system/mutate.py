#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends mutated requests to a node over UDP and TCP, and judges every answer it gives.

  mutate.py [--count=N] [--seed=N] [--rate=N] --records=FILE ADDRESS PORT

Seeds are the captured requests and some of our own. A mutation changes bytes, or the structure:
lengths and counts that lie, pieces in disorder, two requests in one. FILE holds the records the node
may tell (JSON: {handle: {index: hex}}); whatever it answers must be one of them. On kept connections
a valid request follows each mutated one whose frame is whole: it must get its own answer.

Prints JSON: what was sent, answered, closed, and the first wrong answers. Exit code 0: none wrong.
The same seed sends the same packets.
"""

import argparse
import glob
import json
import os
import random
import select
import socket
import struct
import sys
import time

import wire

VECTORS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "vectors")
SOURCES = 16
KEPT = 8
ONE_SHOTS = 64
ENVELOPE, HEADER = 20, 24
MESSAGE_MAX = 262144
OWN_IDS = 0x5eed0000  # request ids of the valid requests between mutated ones
WORDS = (0, 1, 2, 4, 255, 491, 492, 493, 2048, 2049, 65535, 65536, MESSAGE_MAX, MESSAGE_MAX + 1,
         0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff)
OPCODES = (0, 1, 2, 100, 101, 102, 103, 104, 105, 200, 201, 202, 300, 301, 400, 401, 1001)


def captured_requests():
    for path in sorted(glob.glob(os.path.join(VECTORS, "captured*", "*.req.hex"))):
        if os.path.basename(path).startswith("rest-") or "-http" in path:
            continue
        with open(path, encoding="ascii") as f:
            for line in f.read().split():
                packet = bytes.fromhex(line)
                if len(packet) >= ENVELOPE + HEADER:
                    yield packet


def whole(packet):
    """The packet with lengths of envelope and body that agree with its bytes."""
    packet = bytearray(packet)
    packet[16:20] = (len(packet) - ENVELOPE).to_bytes(4, "big")
    return bytes(packet)


class Mutator:
    def __init__(self, seeds, seed):
        self.random = random.Random(seed)  # any text will do
        self.seeds = seeds
        self.ways = (self.flip, self.flip, self.put_byte, self.put_word, self.put_word, self.cut,
                     self.extend, self.repeat, self.join, self.put_opcode, self.put_flags,
                     self.put_version, self.swell)

    def flip(self, p):
        for _ in range(self.random.choice((1, 1, 2, 8))):
            at = self.random.randrange(len(p))
            p[at] ^= 1 << self.random.randrange(8)
        return p

    def put_byte(self, p):
        p[self.random.randrange(len(p))] = self.random.choice((0, 1, 0x7f, 0x80, 0xff))
        return p

    def put_word(self, p):
        """A length, a count, an id: whatever stands there."""
        at = self.random.randrange(max(1, len(p) - 3))
        at = at // 4 * 4 if self.random.random() < 0.7 else at
        word = self.random.choice((*WORDS, len(p), len(p) - at, self.random.getrandbits(32)))
        p[at:at + 4] = struct.pack(">I", word & 0xffffffff)[:len(p) - at]
        return p

    def cut(self, p):
        return p[:self.random.randrange(len(p) + 1)]

    def extend(self, p):
        return p + self.random.randbytes(self.random.choice((1, 4, 24, 500, 2000)))

    def repeat(self, p):
        start = self.random.randrange(len(p))
        part = p[start:start + self.random.randrange(1, 64)]
        return p[:start] + part * self.random.choice((2, 3, 30)) + p[start:]

    def join(self, p):
        other = self.random.choice(self.seeds)
        return p[:self.random.randrange(len(p))] + other[self.random.randrange(len(other)):]

    def put_opcode(self, p):
        p[20:24] = struct.pack(">I", self.random.choice(OPCODES))
        return p

    def put_flags(self, p):
        p[28:32] = struct.pack(">I", self.random.getrandbits(32))
        return p

    def put_version(self, p):
        p[0:4] = bytes(self.random.choice((0, 1, 2, 3, 5, 255)) for _ in range(4))
        return p

    def swell(self, p):
        """A list with more items than anybody asks for."""
        count = self.random.choice((100, 2049, 20000))
        body = wire.text("88.1000/a") + struct.pack(">I", count) + bytes(4 * count) + bytes(4)
        return bytearray(wire.request(body))

    def packet(self):
        p = bytearray(self.random.choice(self.seeds))
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            p = self.random.choice(self.ways)(p) or bytearray(1)
        if len(p) >= ENVELOPE + HEADER and self.random.random() < 0.5:
            p = bytearray(whole(p))
            if self.random.random() < 0.5:
                p[40:44] = max(0, len(p) - ENVELOPE - HEADER - 4).to_bytes(4, "big")
        return bytes(p)

    def datagrams(self):
        """What leaves by UDP: a packet, or pieces with something wrong about them."""
        p = self.packet()
        if len(p) <= 512 or len(p) > 8192 or self.random.random() < 0.3:
            return [p[:65000]]
        pieces = [bytearray(d) for d in wire.fragments(p)]
        self.random.shuffle(pieces)
        pieces = pieces[:self.random.randrange(1, len(pieces) + 1)]
        if self.random.random() < 0.5:
            pieces.append(bytearray(self.random.choice(pieces)))
        if self.random.random() < 0.5:
            self.flip(self.random.choice(pieces))
        return [bytes(d) for d in pieces]


class Judge:
    """Knows what the node may answer."""

    def __init__(self, records):
        self.records = {handle.upper(): values for handle, values in records.items()}
        self.answers, self.right, self.between, self.wrong = 0, 0, 0, []

    def say(self, fault, packet):
        if len(self.wrong) < 20:
            self.wrong.append("%s: %s" % (fault, packet[:600].hex()))

    def packet(self, packet):
        """One whole answer; its message, or None when it is wrong."""
        self.answers += 1
        try:
            message = wire.Message(packet)
            if message.code == 0:
                raise ValueError("an answer without a code")
            if message.code == 1 and message.opcode == 1:
                self.resolution(message)
            return message
        except (ValueError, KeyError, IndexError, struct.error) as e:
            self.say(repr(e), packet)
            return None

    def resolution(self, message):
        handle, values = message.resolution()
        name = handle.decode("utf-8", "surrogateescape").upper()
        known = self.records[name if "/" in name else "0.NA/" + name]  # a bare prefix (§5.7)
        for value in values:
            if known[str(value.index)] != value.data.hex():
                raise ValueError("index %d is not what was stored" % value.index)
        self.right += 1

    def datagram(self, datagram):
        if len(datagram) < ENVELOPE + 1:
            self.say("an answer without a message", datagram)
        elif datagram[2] & 0x20:
            self.answers += datagram[12:16] == bytes(4)  # the pieces of other requests mix here
        else:
            self.packet(datagram)


class Udp:
    def __init__(self, address, judge):
        self.judge, self.sockets, self.sent = judge, [], 0
        for i in range(SOURCES):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("127.0.3.%d" % (i + 1), 0))
            s.connect(address)
            s.setblocking(False)
            self.sockets.append(s)

    def send(self, mutator):
        s = self.sockets[self.sent % SOURCES]
        self.sent += 1
        for datagram in mutator.datagrams():
            try:
                s.send(datagram)
            except (BlockingIOError, ConnectionRefusedError):
                pass

    def receive(self):
        for s in self.sockets:
            try:
                while True:
                    self.judge.datagram(s.recv(65535))
            except (BlockingIOError, ConnectionRefusedError):
                pass

    def close(self):
        for s in self.sockets:
            s.close()


class Connection:
    """Takes what it gets and cuts it into answers."""

    def __init__(self, address, judge):
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setblocking(False)
        self.judge, self.got, self.waiting = judge, b"", []
        self.is_in_frame = True  # all that was sent so far

    def send(self, data):
        """False: the node does not take it; the connection is of no more use."""
        try:
            return self.socket.send(data) == len(data)
        except (BlockingIOError, ConnectionError):
            return False

    def answers(self):
        while len(self.got) >= ENVELOPE:
            size = ENVELOPE + int.from_bytes(self.got[16:20], "big")
            if size > ENVELOPE + MESSAGE_MAX:
                self.judge.say("an answer that is too long", self.got)
                self.got = b""
                return
            if len(self.got) < size:
                return
            self.answer(self.got[:size])
            self.got = self.got[size:]

    def answer(self, packet):
        message = self.judge.packet(packet)
        if message is not None and message.request_id in self.waiting:
            self.judge.between += 1
            if message.code != 1 or message.request_id != self.waiting.pop(0):
                self.judge.say("a valid request got another answer", packet)

    def receive(self):
        """False when the node closed it."""
        try:
            while True:
                data = self.socket.recv(1 << 18)
                if not data:
                    return False
                self.got += data
                self.answers()
        except BlockingIOError:
            return True
        except ConnectionError:
            return False

    def close(self):
        self.socket.close()


class Kept:
    """Connections that go on for as long as the node lets them."""

    def __init__(self, address, judge):
        self.address, self.judge, self.sent, self.closed, self.valid = address, judge, 0, 0, 0
        self.connections = [Connection(address, judge) for _ in range(KEPT)]

    def send(self, mutator):
        at = self.sent % KEPT
        self.sent += 1
        packet = mutator.packet()
        is_whole = mutator.random.random() < 0.8
        connection = self.connections[at]
        if is_whole and connection.is_in_frame and len(packet) > ENVELOPE:
            self.valid += 1
            request_id = OWN_IDS + self.valid % 0xffff
            connection.waiting.append(request_id)
            packet = whole(packet) + wire.resolve("88.1000/a", request_id=request_id)
        else:
            connection.is_in_frame = False
        is_done = not connection.is_in_frame and mutator.random.random() < 0.3
        if not connection.send(packet) or not connection.receive() or is_done:
            self.renew(at)

    def renew(self, at):
        self.closed += 1
        self.connections[at].close()
        self.connections[at] = Connection(self.address, self.judge)

    def receive(self):
        for at in range(KEPT):
            if not self.connections[at].receive():
                self.renew(at)

    def close(self):
        for connection in self.connections:
            if connection.waiting and connection.is_in_frame:
                self.judge.say("a valid request got no answer", connection.got)
            connection.close()


class OneShot:
    """A connection for each packet; half of them say that nothing follows."""

    def __init__(self, address, judge):
        self.address, self.judge, self.sent, self.open = address, judge, 0, []

    def send(self, mutator):
        self.sent += 1
        connection = Connection(self.address, self.judge)
        connection.send(mutator.packet())
        if mutator.random.random() < 0.5:
            try:
                connection.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        self.open.append(connection)
        if len(self.open) > ONE_SHOTS:
            self.open.pop(0).close()

    def receive(self):
        still = []
        for connection in self.open:
            if connection.receive():
                still.append(connection)
            else:
                connection.close()
        self.open = still

    def close(self):
        for connection in self.open:
            connection.close()


def run(options, judge):
    seeds = list(captured_requests()) + [
        wire.resolve("88.1000/a"), wire.resolve("88.1000/b", types=["DESC", "URL"], indexes=[1, 2]),
        wire.request(wire.text("/"), opcode=2), wire.resolve("88.1000/a", types=["X" * 60] * 20)]
    mutator = Mutator(seeds, options.seed)
    address = (options.address, options.port)
    ways = [Udp(address, judge), Kept(address, judge), OneShot(address, judge)]
    start = time.monotonic()
    for n in range(options.count):
        ways[0 if n % 10 < 6 else 1 if n % 10 < 9 else 2].send(mutator)
        if n % 50 == 49:
            for way in ways:
                way.receive()
            time.sleep(max(0.0, start + n / options.rate - time.monotonic()))
    for _ in range(20):
        select.select([], [], [], 0.05)
        for way in ways:
            way.receive()
    for way in ways:
        way.close()
    return {"seconds": round(time.monotonic() - start, 1), "udp": ways[0].sent, "kept": ways[1].sent,
            "one_shot": ways[2].sent, "closed": ways[1].closed, "valid_between": ways[1].valid,
            "valid_answered": judge.between, "answers": judge.answers, "values_told": judge.right, "wrong": judge.wrong}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--rate", type=float, default=4000)
    parser.add_argument("--records", required=True)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    with open(options.records, encoding="utf-8") as f:
        judge = Judge(json.load(f))
    report = run(options, judge)
    print(json.dumps(report))
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
