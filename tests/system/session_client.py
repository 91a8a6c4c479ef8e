# SPDX-License-Identifier: Apache-2.0
"""Sessions as a client has them: a Diffie-Hellman set-up, messages with MAC, encrypted ones. Written
apart from the C client; AES and RSA by the system's libcrypto."""

import ctypes
import ctypes.util
import hmac
import os
import secrets
import struct

import administrator as adm
import wire

SETUP, TERMINATE = 400, 401
DIFFIE_HELLMAN = 4
ENCRYPTED = 0x40  # of the envelope's third byte
ANONYMOUS = 0xffffffff
# RFC 2409, second group: what the Java clients use.
PRIME = int("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A0879"
            "8E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B"
            "0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF", 16)


class Libcrypto:
    """The few calls we need of it."""

    def __init__(self):
        self.lib = ctypes.CDLL(ctypes.util.find_library("crypto"))
        for name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_cbc", "EVP_MD_CTX_new", "EVP_sha256",
                     "BIO_new_file", "PEM_read_bio_PrivateKey"):
            getattr(self.lib, name).restype = ctypes.c_void_p

    def aes(self, key, iv, data, is_encrypting):
        room = ctypes.create_string_buffer(len(data) + 32)
        size, rest = ctypes.c_int(), ctypes.c_int()
        context = ctypes.c_void_p(self.lib.EVP_CIPHER_CTX_new())
        done = (self.lib.EVP_CipherInit_ex(context, ctypes.c_void_p(self.lib.EVP_aes_128_cbc()),
                                           None, key, iv, is_encrypting) and
                self.lib.EVP_CipherUpdate(context, room, ctypes.byref(size), data, len(data)) and
                self.lib.EVP_CipherFinal_ex(context, ctypes.byref(room, size.value),
                                            ctypes.byref(rest)))
        self.lib.EVP_CIPHER_CTX_free(context)
        if not done:
            raise ValueError("cannot be decrypted")
        return room.raw[:size.value + rest.value]

    def private_key(self, path):
        bio = ctypes.c_void_p(self.lib.BIO_new_file(path.encode(), b"r"))
        key = ctypes.c_void_p(self.lib.PEM_read_bio_PrivateKey(bio, None, None, None))
        self.lib.BIO_free(bio)
        if not key:
            raise ValueError("no key in " + path)
        return key

    def sign(self, key, message):
        room = ctypes.create_string_buffer(1024)
        size = ctypes.c_size_t(len(room))
        context = ctypes.c_void_p(self.lib.EVP_MD_CTX_new())
        done = (self.lib.EVP_DigestSignInit(context, None, ctypes.c_void_p(self.lib.EVP_sha256()),
                                            None, key) == 1 and
                self.lib.EVP_DigestSign(context, room, ctypes.byref(size), message,
                                        ctypes.c_size_t(len(message))) == 1)
        self.lib.EVP_MD_CTX_free(context)
        if not done:
            raise ValueError("cannot sign")
        return room.raw[:size.value]


LIBCRYPTO = Libcrypto()


class RsaKey:
    """As administrator.PrivateKey, for those who sign thousands of times."""

    def __init__(self, reference, path):
        self.index, self.handle = reference.split(":", 1)
        self.key, self.type = LIBCRYPTO.private_key(path), b"HS_PUBKEY"

    def sign(self, nonce, digest, _version):
        return wire.text("SHA-256") + wire.text(LIBCRYPTO.sign(self.key, nonce + digest))


def java_integer(number):
    """Big-endian, a zero byte in front of a set top bit."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def dh_record(y, prime=PRIME, generator=2):
    return (wire.text("DH_PUB_KEY") + bytes(2) + wire.text(java_integer(y)) +
            wire.text(java_integer(prime)) + wire.text(java_integer(generator)))


def setup_body(key, mode=DIFFIE_HELLMAN, identity="", index=ANONYMOUS, timeout=86400):
    return (struct.pack(">HI", mode, timeout) + wire.text(identity) + struct.pack(">I", index) +
            wire.text(key) + bytes(2))


class SessionClient(adm.Client):
    """A connection with a session; `key` of administrator.py proves who it is, None: anonymous."""

    def __init__(self, address, key=None, **more):
        super().__init__(address, key, **more)
        self.session, self.session_key, self.counter = 0, b"", 0

    def set_up(self):
        """The answer to the set-up; afterwards the session stands."""
        private = secrets.randbits(512) | 1
        identity = (self.key.handle, int(self.key.index)) if self.key else ("", ANONYMOUS)
        self.send(self.packet(SETUP, setup_body(dh_record(pow(2, private, PRIME)),
                                                identity=identity[0], index=identity[1])))
        answer = self.receive()
        if answer.code == 1:
            self.agree(answer, private)
        return answer

    def agree(self, answer, private):
        r = wire.Reader(answer.body)
        r.number(2)
        data = wire.Reader(r.text())
        if data.number() != 3:
            raise ValueError("another cipher than AES")
        if data.text() != b"DH_PUB_KEY":
            raise ValueError("no DH key")
        data.number(2)
        shared = pow(int.from_bytes(data.text(), "big"), private, PRIME).to_bytes(128, "big")
        while len(shared) > 32 and shared[0] == 0:
            shared = shared[1:]
        self.session, self.session_key, self.counter = answer.session, shared[:32], 0

    def mac(self, packet, counter):
        """The packet, of which nothing follows the body yet, with its credential."""
        prefix = packet[0:2] + bytes([packet[2] & 0x1f]) + packet[3:12] + struct.pack(">I", counter)
        made = hmac.new(self.session_key, prefix + packet[20:-4], "sha256").digest()
        algorithm = wire.text("HMAC-SHA256") + wire.text(made)
        credential = (bytes(8) + struct.pack(">I", counter) + wire.text("HS_MAC") +
                      struct.pack(">I", len(algorithm)) + algorithm)
        return resized(packet[:-4] + wire.text(credential))

    def encrypt(self, packet):
        iv = os.urandom(16)
        sealed = iv + LIBCRYPTO.aes(self.session_key[:16], iv, packet[20:], 1)
        head = bytearray(packet[:20])
        head[2] |= ENCRYPTED
        return resized(bytes(head) + sealed)

    def session_packet(self, opcode, body, flags=wire.PLAIN, is_encrypted=False, counter=None):
        if counter is None:
            self.counter += 1
            counter = self.counter
        packet = self.mac(self.packet(opcode, body, flags, self.session), counter)
        return self.encrypt(packet) if is_encrypted else packet

    def receive(self):
        head = wire.read_exactly(self.socket, 20)
        packet = head + wire.read_exactly(self.socket, int.from_bytes(head[16:20], "big"))
        return wire.Message(self.decrypt(packet) if head[2] & ENCRYPTED else packet)

    def decrypt(self, packet):
        return resized(packet[:20] + LIBCRYPTO.aes(self.session_key[:16], packet[20:36],
                                                   packet[36:], 0))

    def in_session(self, opcode, body, flags=wire.PLAIN, is_encrypted=False):
        """The answer; a challenge in between is answered."""
        self.send(self.session_packet(opcode, body, flags, is_encrypted))
        answer = self.receive()
        if answer.code != 402 or self.key is None:
            return answer
        self.send(self.answer_packet(answer))
        return self.receive()


def resized(packet):
    packet = bytearray(packet)
    packet[16:20] = (len(packet) - 20).to_bytes(4, "big")
    return bytes(packet)


