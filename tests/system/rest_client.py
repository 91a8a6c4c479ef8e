# SPDX-License-Identifier: Apache-2.0
"""A client of the REST interface, as bare as the ones that are written in an afternoon."""

import base64
import http.client
import json
import ssl
import urllib.parse

import harness


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def basic(user, secret):
    """`user` as "index:handle": percent-encoded, so that the colon of Basic is the only one."""
    text = urllib.parse.quote(user, safe="") + ":" + secret
    return "Basic " + base64.b64encode(text.encode()).decode()


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.fields = response.getheaders()

    def field(self, name):
        return next((v for n, v in self.fields if n.lower() == name.lower()), None)

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def json(self):
        return json.loads(self.body)

    def code(self):
        return self.json()["responseCode"]


class Client:
    """One kept connection; with `user` it says who it is."""

    def __init__(self, node, tls=True, user=None, secret=None, seen=None):
        self.connection = (
            http.client.HTTPSConnection("127.0.0.1", node.https_port, timeout=60,
                                        context=tls_context()) if tls else
            http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=60))
        self.fields = {"Authorization": basic(user, secret)} if user else {}
        self.seen = seen  # called with every request and its answer

    def close(self):
        self.connection.close()

    def ask(self, verb, path, body=None, **fields):
        """Fields are named with "_" for "-". A body that is no bytes is sent as JSON."""
        sent = {**self.fields, **{n.replace("_", "-"): v for n, v in fields.items()}}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        self.connection.request(verb, path, body, {n: v for n, v in sent.items() if v is not None})
        response = self.connection.getresponse()
        answer = Answer(response, response.read())
        if self.seen is not None:
            self.seen(verb, path, body, answer)
        return answer

    def get(self, path, **fields):
        return self.ask("GET", path, **fields)

    def put(self, path, body, **fields):
        return self.ask("PUT", path, body, **fields)

    def delete(self, path, **fields):
        return self.ask("DELETE", path, **fields)


def serve(node):
    """Opens the ports of HTTP of a node that has not started."""
    node.http_port, node.https_port = harness.free_port(), harness.free_port()
    node.setting("listen", "http_port", node.http_port)
    node.setting("listen", "https_port", node.https_port)
    return node
