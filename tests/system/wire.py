# SPDX-License-Identifier: Apache-2.0
"""A second, small reader and writer of the Handle protocol, written apart from the C codec, so that
system tests do not check the node with its own code."""

import hashlib
import socket
import struct

ENVELOPE = struct.Struct(">BBBBIIII")
HEADER = struct.Struct(">IIIHBBII")

REC, CA, PO, RD, CT, AT = 0x10000000, 0x08000000, 0x01000000, 0x00800000, 0x40000000, 0x80000000
PLAIN = REC | CA | PO


def text(data):
    if isinstance(data, str):
        data = data.encode()
    return struct.pack(">I", len(data)) + data


def resolution_body(handle, indexes=(), types=()):
    return (text(handle) + struct.pack(">I", len(indexes)) +
            b"".join(struct.pack(">I", i) for i in indexes) + struct.pack(">I", len(types)) +
            b"".join(text(t) for t in types))


def request(body, opcode=1, flags=PLAIN, request_id=1, version=(2, 11), suggested=(2, 11),
            session=0, code=0):
    message = HEADER.pack(opcode, code, flags, 0xffff, 0, 0, 0x65546980, len(body)) + body
    message += struct.pack(">I", 0)
    return ENVELOPE.pack(version[0], version[1], suggested[0], suggested[1], session, request_id, 0,
                         len(message)) + message


def resolve(handle, request_id=1, **more):
    filters = {k: more.pop(k) for k in ("indexes", "types") if k in more}
    return request(resolution_body(handle, **filters), request_id=request_id, **more)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n < 0 or self.at + n > len(self.data):
            raise ValueError("%d bytes wanted, %d left" % (n, len(self.data) - self.at))
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, size=4):
        return int.from_bytes(self.take(size), "big")

    def text(self):
        return self.take(self.number())

    def left(self):
        return len(self.data) - self.at


class Value:
    """One handle value; `fields` leaves the timestamp out."""

    def __init__(self, r):
        self.index, self.timestamp = r.number(), r.number()
        self.ttl_type, self.ttl, self.permissions = r.number(1), r.number(), r.number(1)
        self.type, self.data = r.text(), r.text()
        self.references = [(r.text(), r.number()) for _ in range(r.number())]

    def fields(self):
        return (self.index, self.ttl_type, self.ttl, self.permissions, self.type, self.data,
                tuple(self.references))


class Message:
    def __init__(self, packet):
        (self.major, self.minor, self.bits, self.suggested_minor, self.session, self.request_id,
         self.sequence, self.length) = ENVELOPE.unpack(packet[:20])
        self.rest = packet[20:]
        if self.length != len(self.rest):
            raise ValueError("length %d, %d bytes came" % (self.length, len(self.rest)))
        (self.opcode, self.code, self.flags, self.serial, self.recursion, _, self.expiration,
         body_len) = HEADER.unpack(self.rest[:24])
        self.digested = self.rest[:24 + body_len]
        self.body = self.rest[24:24 + body_len]
        if len(self.body) != body_len:
            raise ValueError("body is cut")
        self.credential = self.rest[24 + body_len + 4:]
        self.digest = b""
        if self.code and self.flags & RD:
            length = {1: 17, 2: 21, 3: 33}[self.body[0]]
            self.digest, self.body = self.body[:length], self.body[length:]

    def resolution(self):
        """(handle, values sorted by index) of a resolution answer."""
        r = Reader(self.body)
        handle = r.text()
        values = [Value(r) for _ in range(r.number())]
        if r.left():
            raise ValueError("%d bytes behind the values" % r.left())
        return handle, sorted(values, key=lambda v: v.index)

    def error_text(self):
        return Reader(self.body).text() if self.body else b""


def digest_of(packet):
    """The request digest a 2.7+ server sends: 03 and SHA-256 of header and body."""
    return b"\x03" + hashlib.sha256(Message(packet).digested).digest()


def reassemble(datagrams):
    """One packet out of the datagrams of an answer, in any order."""
    whole = bytearray()
    for piece in sorted(datagrams, key=lambda d: int.from_bytes(d[12:16], "big")):
        whole += piece[20:]
    first = bytearray(min(datagrams, key=lambda d: int.from_bytes(d[12:16], "big"))[:20])
    first[2] &= ~0x20 & 0xff
    return bytes(first) + bytes(whole)


def fragments(packet):
    """The datagrams of a packet as a client sends it."""
    envelope, payload = packet[:20], packet[20:]
    if len(payload) <= 492:
        return [packet]
    pieces = []
    for n, start in enumerate(range(0, len(payload), 492)):
        head = bytearray(envelope)
        head[2] |= 0x20
        head[12:16] = n.to_bytes(4, "big")
        pieces.append(bytes(head) + payload[start:start + 492])
    return pieces


def ask_udp(address, datagrams, timeout=3.0):
    """Sends the datagrams and gives back those of the answer ([] when none came)."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        s.connect(address)
        for d in datagrams:
            s.send(d)
        got, have = [], 0
        try:
            while True:
                d = s.recv(65535)
                got.append(d)
                have += len(d) - 20
                if have >= int.from_bytes(d[16:20], "big"):
                    return got
        except socket.timeout:
            return got


def read_exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError("closed after %d of %d bytes" % (len(data), n))
        data += more
    return data


def read_packet(s):
    envelope = read_exactly(s, 20)
    return envelope + read_exactly(s, int.from_bytes(envelope[16:20], "big"))


def ask_tcp(address, data, answers=1, timeout=10.0):
    """Sends bytes on a new connection and reads this many answers."""
    with socket.create_connection(address, timeout=timeout) as s:
        s.sendall(data)
        return [read_packet(s) for _ in range(answers)]
