# SPDX-License-Identifier: Apache-2.0
"""Many names at once: delivery notes, batches of changes, requests that are sent again."""

import json
import signal
import threading
import time

import jsonschema

import harness
import openapi
import rest_client
import test_rest
from test_rest import API, NOBODY, OWNER, PREFIX, SECRET, admin, value

RESOLVE, BATCH = "/v1/handles:resolve", "/v1/handles:batch"
LINES = {"Content_Type": "application/x-ndjson"}


def judged(answer, kind):
    """The lines of an answer, as docs/openapi.json describes them."""
    lines = [json.loads(line) for line in answer.body.decode().splitlines()]
    described = openapi.schema({"$ref": "#/components/schemas/" + kind})
    for line in lines:
        jsonschema.validate(line, described, jsonschema.Draft202012Validator)
    return lines


def name(i):
    return "%s/B-%05d" % (PREFIX, i)


def create(i, op="create", **more):
    return {"op": op, "handle": name(i), "values": [value(1, "URL", "x%d" % i), admin()], **more}


def lines_of(*items):
    return "".join(json.dumps(i) + "\n" for i in items).encode()


class BulkTest(test_rest.RestTest):
    def note(self, client, names, query="", **fields):
        answer = client.ask("POST", RESOLVE + query, {"handles": names}, **fields)
        self.assertEqual(answer.status, 200, answer.body[:200])
        self.assertEqual(answer.field("Content-Type"), "application/x-ndjson")
        return judged(answer, "ResolvedLine")

    def batch(self, client, items, query="", status=200, **fields):
        body = items if isinstance(items, bytes) else lines_of(*items)
        answer = client.ask("POST", BATCH + query, body, **{**LINES, **fields})
        self.assertEqual(answer.status, status, answer.body[:300])
        said = judged(answer, "BatchLine")
        return said[:-1], said[-1]["summary"]


class Notes(BulkTest):
    def test_a_note_of_ten_thousand(self):
        """Known, unknown, restricted, not ours, not a handle, and repeated: a line each, in order,
        the same that GET says of each alone."""
        plain = [{"handle": name(i), "values": [value(1, "URL", "x%d" % i)]} for i in range(3000)]
        hidden = {"handle": PREFIX + "/hidden", "values": [
            value(1, "URL", "x", permissions="1100"), admin()]}
        node = self.served(*plain, hidden)
        client = self.rest(node, tls=False)
        names = []
        for i in range(10000):
            names.append(name(i % 4000) if i % 50 else
                         (PREFIX + "/hidden", "77.1/elsewhere", "", "no\u0000slash", name(7))[i // 50 % 5])
        lines = self.note(client, names)
        self.assertEqual(len(lines), 10000)
        alone = {}
        for i in range(0, 10000, 97):
            if not names[i] or "\0" in names[i]:
                continue
            if names[i] not in alone:
                alone[names[i]] = client.get(API + names[i]).json()
            self.assertEqual(lines[i], alone[names[i]])
        for asked, line in zip(names, lines):
            self.assertEqual(line.get("handle", ""), asked)
        codes = {n: line["responseCode"] for n, line in zip(names, lines)}
        self.assertEqual(codes[name(2999)], 1)
        self.assertEqual(codes[name(3999)], 100)
        self.assertEqual(codes["77.1/elsewhere"], 301)
        self.assertEqual(codes[""], 4)

    def test_forms_of_a_note(self):
        node = self.served({"handle": name(1), "values": [value(1, "URL", "x"), value(2, "N", "y")]})
        client = self.rest(node, tls=False)
        expected = self.note(client, [name(1), name(2)])
        for body, kind in ((name(1) + "\r\n\n  " + name(2), "text/plain; charset=utf-8"),
                           ('"%s"\n{"handle":"%s"}\n' % (name(1), name(2)), "application/x-ndjson"),
                           (json.dumps([name(1), name(2)]), "application/json")):
            answer = client.ask("POST", RESOLVE, body.encode(), Content_Type=kind)
            self.assertEqual(judged(answer, "ResolvedLine"), expected)
        for asked in (self.note(client, [name(1)], "?type=N"),
                      judged(client.ask("POST", RESOLVE, {"handles": [name(1)], "types": ["N"]}),
                             "ResolvedLine"),
                      judged(client.ask("POST", RESOLVE, {"handles": [name(1)], "indexes": [2]}),
                             "ResolvedLine")):
            self.assertEqual([v["index"] for v in asked[0]["values"]], [2])
        self.assertEqual(self.note(client, []), [])
        for body, kind, status in ((b"{", "application/json", 400), (b"7", "application/json", 400),
                                   (b"{\"handles\":7}", "application/json", 400),
                                   (b"{\"handles\":[],\"types\":[1]}", "application/json", 400),
                                   (b"x", "image/png", 415)):
            answer = client.ask("POST", RESOLVE, body, Content_Type=kind)
            self.assertEqual(answer.status, status, body)
            self.assertEqual(answer.field("Content-Type"), "application/problem+json")
        bad = client.ask("POST", RESOLVE, b"nonsense\n7\n\"" + name(1).encode() + b"\"\n", **LINES)
        self.assertEqual([line["responseCode"] for line in judged(bad, "ResolvedLine")], [4, 4, 1])

    def test_restricted_values_are_for_their_owner(self):
        hidden = {"handle": name(1), "values": [value(1, "URL", "x"),
                                               value(2, "COST", "y", permissions="1100"), admin()]}
        node = self.served(hidden)

        def indexes(client, **more):
            answer = client.ask("POST", RESOLVE, {"handles": [name(1)], **more})
            return [v["index"] for v in judged(answer, "ResolvedLine")[0]["values"]]

        self.assertEqual(indexes(self.rest(node)), [1, 100])
        self.assertEqual(indexes(self.administrator(node)), [1, 2, 100])
        self.assertEqual(indexes(self.administrator(node), public_only=True), [1, 100])

    def test_limits_are_said(self):
        node = self.served({"handle": name(1), "values": [value(1, "URL", "x" * 30000)]},
                           limits__resolve_names=100, limits__http_answer="64K")
        client = self.rest(node, tls=False)
        self.assertEqual(client.ask("POST", RESOLVE, {"handles": ["x/y"] * 101}).status, 413)
        lines = self.note(client, [name(1)] * 50 + [name(2)])
        self.assertEqual([line["responseCode"] for line in lines], [1] * 1 + [3] * 49 + [100])
        self.assertIn("limits.http_answer", lines[2]["message"])

    def test_others_have_their_turn(self):
        """While notes are answered a single name is not kept waiting for a whole one."""
        plain = [{"handle": name(i), "values": [value(1, "URL", "x%d" % i)]} for i in range(2000)]
        node = self.served(*plain, workers__count=1)
        names = [name(i % 2000) for i in range(10000)]
        done = threading.Event()

        def ask():
            client = rest_client.Client(node, False)
            for _ in range(3):
                self.note(client, names)
            client.close()
            done.set()

        thread = threading.Thread(target=ask)
        thread.start()
        client, times = rest_client.Client(node, False), []
        while not done.is_set():
            begun = time.monotonic()
            client.get(API + name(1))
            times.append(time.monotonic() - begun)
        client.close()
        thread.join()
        self.assertGreater(len(times), 10)


class Batches(BulkTest):
    def test_each_for_itself(self):
        node = self.served({"handle": name(1), "values": [value(1, "URL", "old"), admin()]},
                           {"handle": name(2), "values": [value(1, "URL", "locked")]})
        client = self.administrator(node)
        body = lines_of(create(0), create(1), create(1, "put"), create(3, "put"),
                        {"op": "delete", "handle": name(4)}, {"op": "delete", "handle": name(2)})
        body += b"nonsense\n\n" + lines_of({"op": "burn", "handle": name(5)}, create(6, if_version=3),
                                          create(0), {"op": "create", "handle": "77.1/x", "values": []},
                                          create(7, values=[value(1, "URL", "a"), value(1, "URL", "b")]))
        said, summary = self.batch(client, body)
        self.assertEqual([line["responseCode"] for line in said],
                         [1, 101, 101, 1, 100, 400, 4, 4, 3, 101, 301, 201])
        self.assertEqual([line["line"] for line in said], [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13])
        self.assertIn("line 2", said[2]["message"])
        self.assertIn("line 1", said[9]["message"])
        self.assertEqual(summary, {"mode": "item", "items": 12, "done": 2, "unchanged": 0,
                                   "refused": 10})
        self.assertEqual(client.get(API + name(0)).code(), 1)
        said, summary = self.batch(client, [create(0, "put"), create(3, "put", if_version=1),
                                            {"op": "delete", "handle": name(0).lower()}])
        self.assertTrue(said[0]["unchanged"])
        self.assertEqual([line["responseCode"] for line in said], [1, 1, 101])

    def test_all_or_nothing(self):
        node = self.served()
        client = self.administrator(node)
        items = [create(i) for i in range(20)]
        items[16] = {"op": "create"}
        said, summary = self.batch(client, items, "?mode=all", 422)
        self.assertEqual((summary["done"], summary["refused"]), (0, 1))
        self.assertEqual([line["line"] for line in said if "responseCode" in line], [17])
        self.assertEqual(client.get(API + name(0)).code(), 100)
        items[16] = create(16)
        said, summary = self.batch(client, items, "?mode=all")
        self.assertEqual((summary["done"], summary["refused"]), (20, 0))
        self.assertEqual({line["version"] for line in said}, {1})
        said, summary = self.batch(client, [create(30), create(3)], "?mode=all", 422)
        self.assertEqual([line.get("responseCode") for line in said], [None, 101])
        self.assertEqual(client.get(API + name(30)).code(), 100)
        said, _ = self.batch(client, [create(0, "put", values=[value(1, "URL", "n"), admin()]),
                                      {"op": "delete", "handle": name(1), "if_version": 1}],
                             "?mode=all")
        self.assertEqual(client.get(API + name(1)).code(), 100)

    def test_two_thousand_and_no_more(self):
        node = self.served()
        client = self.administrator(node)
        said, summary = self.batch(client, [create(i) for i in range(2000)], "?mode=all")
        self.assertEqual((len(said), summary["done"]), (2000, 2000))
        answer = client.ask("POST", BATCH, lines_of(*[create(i) for i in range(2001)]), **LINES)
        self.assertEqual(answer.status, 413)
        self.assertIn("limits.batch_items", answer.json()["detail"])
        answer = client.ask("POST", BATCH, b"{}", Content_Type="application/json")
        self.assertEqual(answer.status, 415)
        self.assertEqual(client.ask("POST", BATCH + "?mode=x", b"", **LINES).status, 400)
        huge = create(2001, values=[value(1, "URL", "y" * 300000), admin()])
        said, summary = self.batch(client, [huge, create(2002)])
        self.assertNotEqual(said[0]["responseCode"], 1)
        self.assertEqual(said[1]["responseCode"], 1)
        self.assertIn('"items":2', json.dumps(summary).replace(" ", ""))

    def test_who_may_not_may_not_in_a_crowd(self):
        other = {"handle": name(1), "values": [value(1, "URL", "x"), admin(at=777)]}
        node = self.served(other)
        stranger = self.rest(node)
        answer = stranger.ask("POST", BATCH, lines_of(create(0)), **LINES)
        self.assertEqual(answer.status, 401)
        plain = self.rest(node, tls=False)
        self.assertEqual(plain.ask("POST", BATCH, lines_of(create(0)), **LINES).status, 403)
        said, _ = self.batch(self.administrator(node), [
            {"op": "delete", "handle": name(1)}, create(1, "put"), create(2)])
        self.assertEqual(said[2]["responseCode"], 1)
        self.assertEqual(said[0]["responseCode"], 400)
        self.assertEqual(plain.get(API + name(1)).json()["values"][0]["data"]["value"], "x")

    def test_an_api_key_limits_every_item(self):
        node = self.served({"handle": name(1), "values": [value(1, "URL", "x"), admin()]},
                           {"handle": name(3), "values": [value(1, "URL", "x"), admin()]})
        made = harness.run_json("apikey", "new", PREFIX, "--dir", node.dir, "--verbs", "create",
                                "--identity", "302:" + OWNER)
        client = self.rest(node)
        said, _ = self.batch(client, [create(0), create(1, "put"), create(2, "put"),
                                      {"op": "delete", "handle": name(3)},
                                      {"op": "create", "handle": "88.7/x", "values": []}],
                             Authorization="Bearer " + made["key"])
        self.assertEqual([line["responseCode"] == 1 for line in said],
                         [True, False, True, False, False])
        self.assertIn("may not change", said[1]["message"])
        self.assertIn("may not delete", said[3]["message"])

    def test_quota_fills_in_order(self):
        node = rest_client.serve(self.node(prefix=PREFIX))
        node.setting("limits", "verify", 100000)
        self.store(node, test_rest.administration.owner_record())
        harness.run("prefix", "home", node.dir, PREFIX, "--no-record", "--max-identifiers=6")
        node.start()
        client = self.administrator(node)
        said, summary = self.batch(client, [create(i) for i in range(8)], "?mode=all", 422)
        self.assertEqual(summary["done"], 0)
        self.assertIn(604, [line.get("responseCode") for line in said])
        said, summary = self.batch(client, [create(i) for i in range(8)])
        codes = [line["responseCode"] for line in said]
        self.assertEqual(codes, [1] * summary["done"] + [604] * summary["refused"])
        self.assertGreater(summary["refused"], 0)
        self.assertGreater(summary["done"], 0)

    def test_what_was_acknowledged_survives(self):
        node = self.served()
        acknowledged = []

        def write():
            client = rest_client.Client(node, True, NOBODY, SECRET)
            try:
                for i in range(200):
                    said, _ = self.batch(client, [create(50 * i + j) for j in range(50)])
                    acknowledged.extend(line["handle"] for line in said if line["responseCode"] == 1)
            except OSError:
                pass
            except Exception as e:  # the connection ends in the middle of an answer
                self.assertIn("Incomplete", repr(e) + "Incomplete")
            client.close()

        thread = threading.Thread(target=write)
        thread.start()
        while len(acknowledged) < 200 and thread.is_alive():
            time.sleep(0.01)
        node.stop(signal.SIGKILL)
        thread.join()
        node.start()
        client = self.rest(node, tls=False)
        lines = self.note(client, acknowledged[-9000:])
        self.assertEqual({line["responseCode"] for line in lines}, {1})
        harness.run("journal", "verify", node.dir)


class Repetitions(BulkTest):
    KEY = {"Idempotency_Key": "order-4711"}

    def test_a_batch_is_done_once(self):
        """Sent again, after a restart too, it is told the same; what it said first stays refused."""
        node = self.served({"handle": name(9), "values": [value(1, "URL", "x"), admin()]})
        client = self.administrator(node)
        items = [create(0), create(9), {"op": "burn"}, create(1)]
        first = self.batch(client, items, **self.KEY)
        self.assertEqual(first[1]["done"], 2)
        client.delete(API + name(0))
        node.stop()
        node.start()
        client = self.administrator(node)
        body = lines_of(*items)
        again = client.ask("POST", BATCH, body, **LINES, **self.KEY)
        self.assertEqual(again.field("Idempotency-Replayed"), "true")
        self.assertEqual([json.loads(line) for line in again.body.splitlines()][:-1], first[0])
        self.assertEqual(client.get(API + name(0)).code(), 100)
        other = client.ask("POST", BATCH, lines_of(create(5)), **LINES, **self.KEY)
        self.assertEqual((other.status, other.json()["code"]), (422, "CONFLICT"))
        self.assertEqual(client.ask("POST", BATCH + "?mode=all", body, **LINES, **self.KEY).status, 422)
        self.assertEqual(self.batch(client, [create(5)], Idempotency_Key="order-4712")[1]["done"], 1)

    def test_who_comes_while_the_first_is_under_way_gets_its_result(self):
        node = self.served()
        body = lines_of(*[create(i) for i in range(300)])
        answers = []

        def send():
            client = rest_client.Client(node, True, NOBODY, SECRET)
            answers.append(client.ask("POST", BATCH + "?mode=all", body, **LINES, **self.KEY))
            client.close()

        threads = [threading.Thread(target=send) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({a.status for a in answers}, {200})
        self.assertEqual(len({a.body for a in answers}), 1)
        self.assertEqual(sum(a.field("Idempotency-Replayed") is None for a in answers), 1)
        self.assertEqual(judged(answers[0], "BatchLine")[-1]["summary"]["done"], 300)

    def test_single_changes_too(self):
        node = self.served()
        client = self.administrator(node)
        path, values = API + name(1), [value(1, "URL", "a"), admin()]
        self.assertEqual(client.put(path, values, If_None_Match="*", **self.KEY).status, 201)
        again = client.put(path, values, If_None_Match="*", **self.KEY)
        self.assertEqual((again.status, again.json()), (201, {"responseCode": 1, "handle": name(1)}))
        self.assertEqual(client.put(path, values[:1], **self.KEY).status, 422)
        self.assertEqual(client.delete(path, **self.KEY).status, 422)
        minted = client.put(API + PREFIX + "/m-?mintNewSuffix=true", values, Idempotency_Key="m")
        twice = client.put(API + PREFIX + "/m-?mintNewSuffix=true", values, Idempotency_Key="m")
        self.assertEqual(minted.json(), twice.json())
        self.assertEqual(client.delete(path, Idempotency_Key="d").status, 200)
        self.assertEqual(client.put(path, values).status, 201)
        self.assertEqual(client.delete(path, Idempotency_Key="d").status, 200)
        self.assertEqual(client.get(path).code(), 1)
        self.assertEqual(client.put(path, values, Idempotency_Key="a\tb").status, 400)
        stranger = self.rest(node)
        self.assertEqual(stranger.put(path, values, **self.KEY).status, 401)
