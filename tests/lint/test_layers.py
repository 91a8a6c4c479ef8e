#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lint sees what it is for: fixtures/<rule>/ breaks one rule, `.expected` says where."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS = os.path.join(HERE, "layers")
FIXTURES = os.path.join(HERE, "fixtures")


def lint(*words):
    done = subprocess.run([sys.executable, LAYERS, *words], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout.splitlines()


def build_library(root, build):
    """The fixture's registry as the build would leave it."""
    for room in ("protocol", "conf", "registry", "resolver", "admin"):
        os.makedirs(os.path.join(build, room))
    made = os.path.join(build, "a.c.o")
    subprocess.run(["gcc", "-fPIC", "-c", os.path.join(root, "registry", "a.c"), "-o", made],
                   check=True)
    subprocess.run(["ar", "rc", os.path.join(build, "registry", "libregistry.a"), made], check=True)


class Layers(unittest.TestCase):
    maxDiff = None

    def check(self, rule):
        root = os.path.join(FIXTURES, rule)
        with open(os.path.join(root, ".expected"), encoding="utf-8") as f:
            expected = f.read().splitlines()
        with tempfile.TemporaryDirectory() as build:
            words = [root]
            if rule == "state":
                build_library(root, build)
                words = ["--build", build]
            code, lines = lint(*words)
        # `.expected` names file, line and rule; of the text only what tells two apart.
        cut = [re.match(re.escape(e) if e in f else r"[^\]]*\]", f).group(0)
               for e, f in zip(expected + [""] * len(lines), lines)]
        self.assertEqual(cut, expected, "\n".join(lines))
        self.assertEqual(code, 1 if expected else 0)


def add_case(rule):
    setattr(Layers, "test_%s_when_broken_is_reported" % rule.replace("-", "_"),
            lambda self: self.check(rule))


for name in sorted(os.listdir(FIXTURES)):
    add_case(name)


class Rules(unittest.TestCase):
    def test_every_rule_has_a_fixture(self):
        with open(LAYERS, encoding="utf-8") as f:
            text = f.read()
        rules = set(re.findall(r'offend\([^"]*"([a-z-]+)",', text))
        self.assertGreater(len(rules), 10)
        self.assertEqual(rules | {"clean"}, set(os.listdir(FIXTURES)))


if __name__ == "__main__":
    unittest.main()
