# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/rest.md, docs/rest-auth.md and their Chinese pages do what the pages say."""

import json
import os
import re
import subprocess

import harness
import rest_client
import test_administration as administration

PREFIX = "88.608.8889"
OWNER = "0.NA/" + PREFIX
PAGES = ("rest.md", "rest.zh.md", "rest-auth.md", "rest-auth.zh.md")


def blocks(page):
    """[(commands, JSON text or None)], in order."""
    with open(os.path.join(harness.ROOT, "docs", page), encoding="utf-8") as f:
        found = re.findall(r"```(sh|json)\n(.*?)```", f.read(), re.S)
    pairs = []
    for kind, text in found:
        if kind == "sh":
            pairs.append([text, None])
        else:
            pairs[-1][1] = text
    return pairs


def timeless(document):
    for v in document.get("values", []):
        v["timestamp"] = "..."
    return document


class RestDocs(administration.Administered):
    def served(self):
        node = rest_client.serve(self.node(prefix=PREFIX))
        admin = administration.hex_value(100, "HS_ADMIN",
                                         administration.adm.admin_data(0x7f3, OWNER, 302))
        self.store(node, {"handle": OWNER, "values": [
            administration.hex_value(100, "HS_ADMIN",
                                     administration.adm.admin_data(0x1fff, OWNER, 302)),
            administration.text_value(302, "HS_SECKEY", administration.SECRET, "1100")]},
            {"handle": PREFIX + "/P-1", "values": [
                administration.text_value(1, "URL", "https://parts.example/P-1"),
                administration.text_value(2, "NAME", "行星齿轮减速机"), admin]})
        return node.start()

    def test_examples_do_what_the_pages_say(self):
        for page in PAGES:
            node = self.served()
            with open(os.path.join(node.holder.name, ".curlrc"), "w", encoding="ascii") as f:
                f.write("insecure\nsilent\nshow-error\n")
            before = ""
            for commands, expected in blocks(page):
                with self.subTest(page=page, commands=commands):
                    commands = commands.replace("node.example.cn:8443",
                                                "127.0.0.1:%d" % node.https_port)
                    done = subprocess.run(
                        ["sh", "-euc", before + commands], capture_output=True, timeout=60,
                        env={**os.environ, "CURL_HOME": node.holder.name}, check=False)
                    self.assertEqual((done.returncode, done.stderr), (0, b""))
                    if expected is None:
                        before += commands
                    else:
                        self.judge(done.stdout.decode(), json.loads(expected))

    def judge(self, said, expected):
        """The last answer; answers of several commands follow each other."""
        decoder, at, answer = json.JSONDecoder(), 0, None
        said = said.rstrip().replace("}\n{", "}{")  # a document a line
        while at < len(said):
            answer, at = decoder.raw_decode(said, at)
        self.assertEqual(json.dumps(timeless(answer)), json.dumps(timeless(expected)))

    def test_both_pages_show_the_same(self):
        for english, chinese in zip(PAGES[::2], PAGES[1::2]):
            self.assertEqual(blocks(english), blocks(chinese))
