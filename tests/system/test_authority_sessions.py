# SPDX-License-Identifier: Apache-2.0
"""A session is the node's, not a connection's: what was agreed on one connection is spoken on
others, on every worker, and ends for all of them at once."""

import unittest

import administrator as adm
import session_client as sc
import test_administration as base
import wire

OWNER, PREFIX, TERMINATE = base.OWNER, base.PREFIX, 401


class Sessions(base.Administered):
    def client_in(self, node, session):
        """Another connection that speaks in the session."""
        client = sc.SessionClient(node.address, session.key)
        self.addCleanup(client.close)
        client.session, client.session_key = session.session, session.session_key
        return client

    def several_workers(self):
        node = self.node(prefix=PREFIX)
        node.setting("workers", "count", "4")
        self.store(node, base.owner_record())
        node.start()
        session = sc.SessionClient(node.address, adm.SecretKey("302:" + OWNER, base.SECRET))
        self.addCleanup(session.close)
        self.assertEqual(session.set_up().code, 1)
        return node, session

    def create(self, number):
        return adm.values_body("%s/s%d" % (PREFIX, number), [adm.value(1, "URL", "x")])

    def test_session_is_spoken_on_a_connection_for_each_request(self):
        node, session = self.several_workers()
        challenged = []
        for i in range(16):
            client = self.client_in(node, session)
            client.counter = i
            client.send(client.session_packet(adm.CREATE, self.create(i), is_encrypted=i % 2 == 1))
            answer = client.receive()
            challenged.append(answer.code == 402)
            if answer.code == 402:  # on one connection, answered on the next
                self.assertEqual(answer.session, session.session)
                other = self.client_in(node, session)
                other.send(other.answer_packet(answer, session.key))
                answer = other.receive()
            self.assertEqual(answer.code, 1, i)
            client.close()
        self.assertEqual(challenged, [True] + [False] * 15, "once proved, its MAC is enough")
        self.assertEqual(node.resolve_udp(PREFIX + "/s15").code, 1)

    def test_repetition_on_another_connection_is_not_done_again(self):
        node, session = self.several_workers()
        self.assertEqual(session.in_session(adm.CREATE, self.create(0)).code, 1)
        packet = session.session_packet(adm.CREATE, self.create(1))
        session.send(packet)
        self.assertEqual(session.receive().code, 1)
        other = self.client_in(node, session)
        self.assertEqual(self.sent(other, packet).code, 1, "the first answer, once more")
        altered = bytearray(packet)
        altered[8:12] = b"\0\0\x7f\1"  # another request id: the MAC covers it
        self.assertEqual(self.sent(self.client_in(node, session), bytes(altered)).code, 502)
        again = self.client_in(node, session)
        again.counter = 1
        self.assertEqual(self.sent(again, again.session_packet(adm.CREATE, self.create(2))).code,
                         505, "its counter was used")
        self.assertEqual(node.resolve_udp(PREFIX + "/s2").code, 100)

    def sent(self, client, packet):
        client.send(packet)
        return client.receive()

    def test_end_of_a_session_is_its_end_everywhere(self):
        node, session = self.several_workers()
        self.assertEqual(session.in_session(adm.CREATE, self.create(0)).code, 1)
        clients = [self.client_in(node, session) for _ in range(8)]
        self.assertEqual(session.in_session(TERMINATE, wire.text("/")).code, 1)
        for i, client in enumerate(clients):
            client.counter = 10 + i
            answer = self.sent(client, client.session_packet(adm.CREATE, self.create(1)))
            self.assertEqual(answer.code, 500)
        self.assertEqual(node.resolve_udp(PREFIX + "/s1").code, 100)


if __name__ == "__main__":
    unittest.main()
