# SPDX-License-Identifier: Apache-2.0
"""A client that administers: it asks, answers challenges with a key, reads lists. Written apart from
the C client, like the codec it uses."""

import hashlib
import hmac
import os
import socket
import struct
import subprocess
import tempfile

import wire

CREATE, DELETE, ADD, REMOVE, MODIFY, LIST, DERIVED = 100, 101, 102, 103, 104, 105, 106
ANSWER, HOME, UNHOME, HOMED, LOGIN = 200, 300, 301, 302, 2001
OVERWRITE, MINT, CONTINUED = 0x00400000, 0x00200000, 0x04000000


class SecretKey:
    def __init__(self, reference, secret):
        self.index, self.handle = reference.split(":", 1)
        self.secret = secret.encode() if isinstance(secret, str) else secret
        self.type = b"HS_SECKEY"

    def sign(self, nonce, digest, version):
        message, key = nonce + digest, self.secret
        if version < (2, 1):
            return hashlib.md5(key + message + key).digest()
        if version < (2, 7):
            return b"\x02" + hashlib.sha1(key + message + key).digest()
        salt = os.urandom(16)
        derived = hashlib.pbkdf2_hmac("sha1", key, salt, 1000, 20)
        mac = hmac.new(derived, message, "sha1").digest()
        return (b"\x22" + wire.text(salt) + struct.pack(">II", 1000, 160) + wire.text(mac))


class PrivateKey:
    """RSA or DSA, from a file that the openssl program reads."""

    def __init__(self, reference, path, is_dsa=False):
        self.index, self.handle = reference.split(":", 1)
        self.path, self.is_dsa, self.type = path, is_dsa, b"HS_PUBKEY"

    def sign(self, nonce, digest, version):
        modern = version >= ((2, 11) if self.is_dsa else (2, 7))
        with tempfile.NamedTemporaryFile() as message:
            message.write(nonce + digest)
            message.flush()
            form = ["-keyform", "DER"] if self.path.endswith(".der") else []
            signature = subprocess.run(
                ["openssl", "dgst", "-sha256" if modern else "-sha1", *form, "-sign", self.path,
                 message.name], check=True, capture_output=True).stdout
        return wire.text("SHA-256" if modern else "SHA1") + wire.text(signature)


def value(index, type_, data, permissions=0x0e, ttl=86400, references=(), timestamp=0):
    return (struct.pack(">IIBIB", index, timestamp, 0, ttl, permissions) + wire.text(type_) +
            wire.text(data) + struct.pack(">I", len(references)) +
            b"".join(wire.text(h) + struct.pack(">I", i) for h, i in references))


def admin(index, permissions, reference, value_permissions=0x0e):
    at, handle = reference.split(":", 1)
    return value(index, "HS_ADMIN", admin_data(permissions, handle, int(at)), value_permissions)


def admin_data(permissions, handle, index):
    return struct.pack(">H", permissions) + wire.text(handle) + struct.pack(">I", index)


def vlist_data(*references):
    """Of "index:handle" texts."""
    pairs = [r.split(":", 1) for r in references]
    return struct.pack(">I", len(pairs)) + b"".join(
        wire.text(h) + struct.pack(">I", int(i)) for i, h in pairs)


def values_body(handle, values):
    return wire.text(handle) + struct.pack(">I", len(values)) + b"".join(values)


def remove_body(handle, indexes):
    return (wire.text(handle) + struct.pack(">I", len(indexes)) +
            b"".join(struct.pack(">I", i) for i in indexes))


def challenge_of(answer, version=(2, 11)):
    """(digest without its code, nonce) of a 402."""
    if version < (2, 1):
        r = wire.Reader(answer.body)
        nonce = r.text()
        return r.text(), nonce
    return answer.digest[1:], wire.Reader(answer.body).text()


def answer_body(key, signed):
    return (wire.text(key.type) + wire.text(key.handle) + struct.pack(">I", int(key.index)) +
            wire.text(signed))


class Client:
    """One connection, kept."""

    def __init__(self, address, key=None, version=(2, 11), suggested=(2, 11), timeout=30):
        self.key, self.version, self.suggested = key, version, suggested
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ids = 100

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def send(self, packet):
        self.socket.sendall(packet)

    def receive(self):
        head = wire.read_exactly(self.socket, 20)
        return wire.Message(head + wire.read_exactly(self.socket,
                                                     int.from_bytes(head[16:20], "big")))

    def packet(self, opcode, body, flags=wire.PLAIN, session=0):
        self.ids += 1
        return wire.request(body, opcode=opcode, flags=flags, request_id=self.ids,
                            version=self.version, suggested=self.suggested, session=session)

    def begin(self, opcode, body, flags=wire.PLAIN):
        """The first answer: a challenge, or it is over."""
        self.send(self.packet(opcode, body, flags))
        return self.receive()

    def answer_packet(self, challenge, key=None, flags=wire.PLAIN):
        key = key or self.key
        version = min(self.version, self.suggested)
        digest, nonce = challenge_of(challenge, version)
        return self.packet(ANSWER, answer_body(key, key.sign(nonce, digest, version)), flags,
                           challenge.session)

    def ask(self, opcode, body, flags=wire.PLAIN, key=None):
        answer = self.begin(opcode, body, flags)
        if answer.code != 402 or (key or self.key) is None:
            return answer
        self.send(self.answer_packet(answer, key))
        return self.receive()

    def login(self, key=None):
        """From now on this connection is the key's."""
        key = key or self.key
        body = wire.text(key.handle) + struct.pack(">I", int(key.index))
        return self.ask(LOGIN, body, wire.RD, key)

    # --- operations ---

    def create(self, handle, *values, flags=0, key=None):
        return self.ask(CREATE, values_body(handle, values), wire.PLAIN | flags, key)

    def delete(self, handle, key=None):
        return self.ask(DELETE, wire.text(handle), key=key)

    def add(self, handle, *values, flags=0, key=None):
        return self.ask(ADD, values_body(handle, values), wire.PLAIN | flags, key)

    def remove(self, handle, *indexes, key=None):
        return self.ask(REMOVE, remove_body(handle, indexes), key=key)

    def modify(self, handle, *values, key=None):
        return self.ask(MODIFY, values_body(handle, values), key=key)

    def resolve(self, handle, indexes=(), types=(), key=None):
        """All that the key may read."""
        return self.ask(1, wire.resolution_body(handle, indexes, types), wire.REC | wire.CA, key)

    def names(self, opcode, name, key=None):
        """(first answer that is no challenge, all names, how many messages)."""
        first = answer = self.ask(opcode, wire.text(name), key=key)
        found, messages = [], 0
        while answer.code == 1:
            r = wire.Reader(answer.body)
            found += [r.text() for _ in range(r.number())]
            messages += 1
            if not answer.flags & CONTINUED:
                break
            answer = self.receive()
        return first, found, messages
