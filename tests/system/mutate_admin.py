#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mutated administrative messages at a node: what somebody between an administrator and the node
can do, and what somebody with a key but without rights can.

  mutate_admin.py [--count=N] [--seed=N] ADDRESS PORT

The node is the one test_mutated_admin.py sets up. In each exchange one message is mutated, by bytes
and structure:

  request, answer     of a challenge exchange, changed on its way; the administrator signed what was
                      meant
  stranger, owner     requests signed as they are, by somebody without rights and by the owner of
                      88.1001: mutated, or well-formed and without sense
  sealed              messages of an administrator's session, changed after MAC or encryption
  session             messages of a stranger's session with right MACs, encrypted or not
  setup               session set-ups
  login, logged-in    2001 changed on its way, then a write on that connection; a stranger's requests
                      after a login
  replay              whole exchanges again, in their order, turned round, shuffled

A change that is none (a byte that nobody signs, another spelling of the same name) is not sent.
Whatever is answered with success and would write is wrong, but for the owner of 88.1001.
Prints JSON: what was sent by kind, codes, the first wrong answers. Exit code 0: none wrong.
"""

import argparse
import collections
import json
import os
import socket
import struct
import sys
import time

import administrator as adm
import harness
import mutate
import session_client as sc
import wire

OWNER, PREFIX, SANDBOX = "0.NA/88.1000", "88.1000", "88.1001"
STRANGER, KEEPER = "303:" + OWNER, "300:88.1002/keys"
SECRET = "s3cr3tKey-88"
WRITES = (adm.CREATE, adm.DELETE, adm.ADD, adm.REMOVE, adm.MODIFY, adm.HOME, adm.UNHOME)
FLAGS = (wire.PLAIN, wire.PLAIN | adm.OVERWRITE, wire.PLAIN | adm.MINT, wire.PLAIN | wire.CT,
         wire.PLAIN | wire.RD, 0)
SESSION_TIMES = 200  # messages until another session is set up


def key_path(name):
    return os.path.join(harness.VECTORS, "keys", name)


def operations(prefix):
    """What changes something, if the one who asks may."""
    a, b = prefix + "/a", prefix + "/b"
    value = adm.value(1, "URL", "http://changed.example/")
    return [(adm.CREATE, adm.values_body(prefix + "/new", [value])),
            (adm.CREATE, adm.values_body(prefix + "/many", [
                adm.value(i, "DESC", "x" * i, references=[(OWNER, 300)] * (i % 3))
                for i in range(1, 20)])),
            (adm.ADD, adm.values_body(a, [adm.value(7, "DESC", "added"),
                                          adm.admin(101, 0xfff, STRANGER)])),
            (adm.MODIFY, adm.values_body(a, [value])),
            (adm.MODIFY, adm.values_body(b, [adm.value(300, "HS_SECKEY", "mine", 0x0c)])),
            (adm.REMOVE, adm.remove_body(b, [2, 3])), (adm.DELETE, wire.text(b)),
            (adm.DELETE, wire.text("0.NA/" + prefix)), (adm.LIST, wire.text("0.NA/" + prefix)),
            (adm.DERIVED, wire.text("0.NA/" + prefix)), (adm.HOMED, wire.text("/")),
            (adm.HOME, wire.text("0.NA/%s.9" % prefix)), (adm.UNHOME, wire.text("0.NA/" + prefix)),
            (1, wire.resolution_body(b, [3], []))]


NAMES = ("%s/a", "%s/B", "%s/new", "%s/", "0.NA/%s", "0.na/%s", "0.NA/%s.9", "%s", "0.NA/0.NA",
         "88.1002/keys", "0.SITE/status", "%s/\xff", "%s/" + "y" * 1500, "", "/")
TYPES = ("URL", "HS_ADMIN", "HS_ADMIN.X", "HS_VLIST", "HS_SITE", "HS_SERV", "HS_ALIAS", "HS_PUBKEY",
         "HS_SECKEY", "HS_NAMESPACE", "hs_admin", "", "T" * 300, "\xff")
NUMBERS = (0, 1, 2, 3, 7, 100, 300, 2**31 - 1, 2**31, 2**32 - 1)


def drawn(random, prefix):
    """A well-formed request of any sense."""
    def name():
        text = random.choice(NAMES)
        return (text % prefix if "%" in text else text).encode("latin-1")

    def reference():
        return name(), random.choice(NUMBERS)

    def value():
        handle, index = reference()
        data = random.choice((
            b"", b"x", random.randbytes(40), adm.admin_data(random.getrandbits(16), "", 0)[:2] +
            wire.text(handle) + struct.pack(">I", index),
            struct.pack(">I", random.choice((0, 1, 2, 2**32 - 1))) + wire.text(handle) +
            struct.pack(">I", index)))
        return adm.value(random.choice(NUMBERS), random.choice(TYPES).encode("latin-1"), data,
                         random.getrandbits(4), random.choice(NUMBERS),
                         [reference() for _ in range(random.choice((0, 0, 1, 5)))],
                         random.choice(NUMBERS))
    opcode = random.choice((*WRITES, *WRITES, adm.LIST, adm.DERIVED, adm.HOMED, adm.LOGIN, 1, 201))
    if opcode in (adm.CREATE, adm.ADD, adm.MODIFY):
        count = random.choice((0, 1, 1, 2, 5, 60))
        return opcode, adm.values_body(name(), [value() for _ in range(count)])
    if opcode == adm.REMOVE:
        return opcode, adm.remove_body(name(), random.choices(NUMBERS, k=random.choice((0, 1, 4))))
    if opcode == adm.LOGIN:
        return opcode, wire.text(name()) + struct.pack(">I", random.choice(NUMBERS))
    if opcode == 1:
        return opcode, wire.resolution_body(name(), random.choices(NUMBERS, k=2), [])
    return opcode, wire.text(name())


def body_of(packet):
    """Header and body as a reader cuts them."""
    return packet[20:44 + int.from_bytes(packet[40:44], "big")]


class Mutator(mutate.Mutator):
    def __init__(self, seeds, seed):
        super().__init__(seeds, seed)
        self.ways = (self.flip, self.flip, self.put_byte, self.put_word, self.put_word, self.cut,
                     self.extend, self.repeat, self.join, self.put_opcode, self.put_flags,
                     self.put_version)

    def alter(self, packet, is_same=lambda altered: False):
        while True:
            p = bytearray(packet)
            for _ in range(self.random.choice((1, 1, 1, 2, 3))):
                p = self.random.choice(self.ways)(p) or bytearray(1)
            if len(p) < 20:
                p += bytes(20 - len(p))
            p = bytearray(mutate.whole(p))  # a frame that ends: the others are test_mutated.py's
            if len(p) >= 48 and self.random.random() < 0.4:
                p[40:44] = (len(p) - 48).to_bytes(4, "big")
            if bytes(p) != packet and not is_same(bytes(p)) and len(p) < mutate.MESSAGE_MAX:
                return bytes(p)


class Attack:
    def __init__(self, address, seed):
        self.address = address
        self.owner = sc.RsaKey("300:" + OWNER, key_path("adminpriv.pem"))
        self.secret = adm.SecretKey("302:" + OWNER, SECRET)
        self.stranger = sc.RsaKey(STRANGER, key_path("userpriv.pem"))
        self.keeper = sc.RsaKey(KEEPER, key_path("userpriv.pem"))
        self.maker = adm.Client(address)
        self.operations, self.own = operations(PREFIX), operations(SANDBOX)
        seeds = [self.maker.packet(*o) for o in self.operations] + list(mutate.captured_requests())
        self.mutator = Mutator(seeds, seed)
        self.random = self.mutator.random
        self.sent, self.codes = collections.Counter(), collections.Counter()
        self.wrong, self.sessions, self.used = [], {}, {}
        self.kinds = {"request": self.request, "answer": self.answer, "stranger": self.as_stranger,
                      "owner": self.as_owner, "sealed": self.sealed, "session": self.in_session,
                      "setup": self.set_up, "login": self.login, "logged-in": self.logged_in}

    # --- sending ---

    def connect(self):
        s = socket.create_connection(self.address, timeout=20)
        # A reset leaves no port behind; everything has been read by then.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return s

    def tell(self, *packets):
        """All answers to packets on a connection of their own, which says that nothing follows."""
        with self.connect() as s:
            got = b""
            try:
                s.sendall(b"".join(packets))
                s.shutdown(socket.SHUT_WR)
                while True:
                    data = s.recv(1 << 16)
                    if not data:
                        break
                    got += data
            except (ConnectionError, OSError) as e:
                if isinstance(e, TimeoutError):
                    self.say("no end", b"".join(packets))
        answers = []
        while len(got) >= 20:
            size = 20 + int.from_bytes(got[16:20], "big")
            answers.append(got[:size])
            got = got[size:]
        return answers

    def say(self, fault, packet):
        if len(self.wrong) < 20:
            self.wrong.append("%s: %s" % (fault, packet[:700].hex()))

    def judge(self, kind, answers, packet, may_write=False, client=None):
        for answer in answers:
            if answer[2] & sc.ENCRYPTED:
                answer = client.decrypt(answer)
            message = wire.Message(answer)
            self.codes[message.code] += 1
            if message.code == 1 and message.opcode in WRITES and not may_write:
                self.say("%s: operation %d was done" % (kind, message.opcode), packet)

    def challenge(self, opcode, body, flags):
        """(client's packet, the challenge it got, or None)."""
        packet = self.maker.packet(opcode, body, flags)
        for answer in self.tell(packet):
            message = wire.Message(answer)
            if message.code == 402:
                return packet, message
        return packet, None

    def signed(self, key, challenge, digest=None):
        nonce = wire.Reader(challenge.body).text()
        made = key.sign(nonce, digest or challenge.digest[1:], (2, 11))
        return self.maker.packet(adm.ANSWER, adm.answer_body(key, made), wire.PLAIN,
                                 challenge.session), made

    def some(self, operations_):
        opcode, body = self.random.choice(operations_)
        return opcode, body, self.random.choice(FLAGS)

    # --- kinds ---

    def request(self):
        packet = self.maker.packet(*self.some(self.operations))
        altered = self.mutator.alter(packet, lambda p: body_of(p) == body_of(packet))
        answers = self.tell(altered)
        self.judge("request", answers, altered)
        for answer in answers:
            message = wire.Message(answer)
            if message.code == 402 and len(message.digest) > 20:
                meant = wire.digest_of(packet)[1:]
                sound, _ = self.signed(self.random.choice((self.owner, self.secret)), message,
                                       meant)
                self.judge("request", self.tell(sound), altered)

    def answer(self):
        _, challenge = self.challenge(*self.some(self.operations))
        if challenge is None:
            return
        key = self.random.choice((self.owner, self.secret))
        packet, made = self.signed(key, challenge)
        signature = made[-20:]

        def is_same(p):
            return (p[4:8] == packet[4:8] and p[20:24] == packet[20:24] and signature in p and
                    key.handle.lower().encode() in p.lower() and made[:-20] in p)
        altered = self.mutator.alter(packet, is_same)
        if self.may_be_equal(altered, packet, signature):
            return
        self.judge("answer", self.tell(altered), altered)

    @staticmethod
    def may_be_equal(altered, packet, signature):
        """What was signed is whole: only type, index or the hash's name are spelled otherwise."""
        return signature in altered and altered[4:8] == packet[4:8]

    def odd(self, operations_, prefix, session=0):
        """A request that was mutated, or is well-formed and makes no sense."""
        opcode, body, flags = self.some(operations_)
        if self.random.random() < 0.5:
            return self.mutator.alter(self.maker.packet(opcode, body, flags, session))
        return self.maker.packet(*drawn(self.random, prefix), flags, session)

    def signs_as_it_is(self, kind, key, operations_, prefix, may_write):
        altered = self.odd(operations_, prefix)
        answers = self.tell(altered)
        self.judge(kind, answers, altered)
        for answer in answers:
            message = wire.Message(answer)
            if message.code == 402 and len(message.digest) > 20:
                sound, _ = self.signed(key, message)
                self.judge(kind, self.tell(sound), altered, may_write)

    def as_stranger(self):
        self.signs_as_it_is("stranger", self.stranger, self.operations, PREFIX, False)

    def as_owner(self):
        self.signs_as_it_is("owner", self.keeper, self.own, SANDBOX, True)

    def session_of(self, key):
        """A session of whoever has the key, in which that has been proved."""
        client, used = self.sessions.get(key, (None, SESSION_TIMES))
        if used >= SESSION_TIMES:
            if client is not None:
                client.close()
            client, used = sc.SessionClient(self.address, key), 0
            if client.set_up().code != 1:
                raise AssertionError("no session")
            client.in_session(adm.HOMED, wire.text("/"))
        self.sessions[key] = (client, used + 1)
        return client

    def sealed(self):
        client = self.session_of(self.owner)
        is_encrypted = self.random.random() < 0.5
        packet = client.session_packet(*self.some(self.operations), is_encrypted=is_encrypted)

        def is_same(p):
            if p[20:] == packet[20:]:
                return True  # of the envelope little is signed; let it be
            return not is_encrypted and body_of(p) == body_of(packet)
        altered = self.mutator.alter(packet, is_same)
        self.judge("sealed", self.tell(altered), altered, client=client)

    def in_session(self):
        client = self.session_of(self.stranger)
        altered = self.odd(self.operations, PREFIX, client.session)
        client.counter += 1
        if len(altered) > 48 and self.random.random() < 0.9:
            altered = altered[:4] + struct.pack(">I", client.session) + altered[8:]
        if self.random.random() < 0.8:
            altered = client.mac(altered, client.counter)
        if self.random.random() < 0.5:
            altered = client.encrypt(altered)
        self.judge("session", self.tell(altered), altered, client=client)

    def set_up(self):
        key = self.random.choice((
            sc.dh_record(self.random.getrandbits(1023)), sc.dh_record(1), sc.dh_record(0),
            sc.dh_record(sc.PRIME - 1), sc.dh_record(4, 23, 5), sc.dh_record(4, sc.PRIME, 0),
            sc.dh_record(4, 1 << 1100), b""))
        body = sc.setup_body(key, self.random.choice((1, 2, 3, 4, 4, 4)), OWNER, 300)
        packet = self.maker.packet(sc.SETUP, body, self.random.choice(FLAGS))
        altered = self.mutator.alter(packet)
        self.judge("setup", self.tell(altered), altered)

    def login(self):
        """Changed on its way: nobody is logged in, so a write is challenged."""
        with adm.Client(self.address, timeout=20) as c:
            body = wire.text(self.owner.handle) + struct.pack(">I", int(self.owner.index))
            packet = c.packet(adm.LOGIN, body, wire.RD)
            c.send(packet)
            challenge = c.receive()
            answer, made = self.signed(self.owner, challenge)
            altered = self.mutator.alter(answer)
            if self.may_be_equal(altered, answer, made[-20:]):
                return
            opcode, body, flags = self.some(self.operations[:8])
            write = c.packet(opcode, body, flags)
            c.send(altered)
            self.judge("login", self.answers_of(c, 0.05), altered)
            try:
                c.send(write)
                c.socket.shutdown(socket.SHUT_WR)
            except OSError:
                return
            self.judge("login", self.answers_of(c, 20), altered)

    @staticmethod
    def answers_of(client, patience):
        """What comes until nothing does."""
        client.socket.settimeout(patience)
        got = []
        try:
            while True:
                got.append(wire.read_packet(client.socket))
        except (EOFError, OSError):
            return got

    def logged_in(self):
        with adm.Client(self.address, timeout=20) as c:
            body = wire.text(self.stranger.handle) + struct.pack(">I", int(self.stranger.index))
            c.send(c.packet(adm.LOGIN, body, wire.RD))
            answer, _ = self.signed(self.stranger, c.receive())
            c.send(answer)
            if c.receive().code != 1:
                self.say("login: the stranger cannot log in", answer)
            altered = self.odd(self.operations, PREFIX)
            c.send(altered)
            c.socket.shutdown(socket.SHUT_WR)
            self.judge("logged-in", self.answers_of(c, 20), altered)

    # --- all of it ---

    def replays(self):
        """Whole exchanges that were good once, again; their outcome: nothing."""
        name = PREFIX + "/again"
        deeds = ((adm.CREATE, adm.values_body(name, [adm.admin(100, 0xfff, "300:" + OWNER)])),
                 (adm.DELETE, wire.text(name)))
        flows, answers = [], []
        session = sc.SessionClient(self.address, self.owner)
        session.set_up()
        session.in_session(adm.HOMED, wire.text("/"))
        for opcode, body in deeds:
            packet, challenge = self.challenge(opcode, body, wire.PLAIN)
            sound, _ = self.signed(self.owner, challenge)
            answers += self.tell(sound)
            flows += [packet, sound]
        for is_encrypted in (False, True):
            for opcode, body in deeds:
                packet = session.session_packet(opcode, body, is_encrypted=is_encrypted)
                flows.append(packet)
                answers += self.tell(packet)
        if [wire.Message(a).code for a in answers if not a[2] & sc.ENCRYPTED].count(1) < 4:
            self.say("replay: the exchanges were not good", b"".join(answers))
        done = {a[20:] for a in answers}  # the same answer again is no second deed
        shuffled = [self.random.sample(flows, len(flows)) for _ in range(5)]
        for order in (flows, flows[::-1], *shuffled):
            for packet in order:
                self.sent["replay"] += 1
                fresh = [a for a in self.tell(packet) if a[20:] not in done]
                self.judge("replay", fresh, packet, client=session)
                fresh = bytearray(packet)
                fresh[8:12] = self.random.randbytes(4)  # looks like another request
                self.sent["replay"] += 1
                self.judge("replay", self.tell(bytes(fresh)), packet, client=session)
        if wire.Message(self.tell(wire.resolve(name))[0]).code != 100:
            self.say("replay: what was deleted is there again", b"")
        session.close()

    def run(self, count):
        names = list(self.kinds)
        begun = time.monotonic()
        self.replays()
        while self.sent.total() < count:
            kind = self.random.choices(names, (5, 5, 5, 3, 5, 5, 1, 1, 1))[0]
            self.kinds[kind]()
            self.sent[kind] += 1
        for client, _ in self.sessions.values():
            client.close()
        return {"seconds": round(time.monotonic() - begun, 1), "sent": dict(self.sent),
                "codes": {str(c): n for c, n in self.codes.most_common()}, "wrong": self.wrong}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    report = Attack((options.address, options.port), options.seed).run(options.count)
    print(json.dumps(report))
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
