# SPDX-License-Identifier: Apache-2.0
"""Holds requests and answers of the tests against docs/openapi.json."""

import json
import os
import re
import urllib.parse

import jsonschema

import harness

with open(os.path.join(harness.ROOT, "docs", "openapi.json"), encoding="utf-8") as f:
    DOCUMENT = json.load(f)


def schema(part):
    """A schema of the document, with what it refers to."""
    return {**part, "components": DOCUMENT["components"]}


def resolved(part):
    while "$ref" in part:
        at = DOCUMENT
        for name in part["$ref"].lstrip("#/").split("/"):
            at = at[name]
        part = at
    return part


def patterns(item):
    """What the names in a path look like; none has more than one."""
    return [resolved(p)["schema"].get("pattern", "") for p in item.get("parameters", [])
            if resolved(p)["in"] == "path"]


def find_path(path):
    """The item of `paths`; a name at the end of a path may hold slashes."""
    for template, item in DOCUMENT["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "(.+)", re.escape(template))
        found = re.fullmatch(pattern, path)
        if found and all(map(re.search, patterns(item), found.groups())):
            return item
    raise AssertionError("no such path is described: " + path)


def judge(verb, path, body, answer):
    """Raises what is not as described."""
    path, _, query = path.partition("?")
    item = find_path(path)
    operation = item["get" if verb == "HEAD" else verb.lower()]
    described = [resolved(p) for p in item.get("parameters", []) + operation.get("parameters", [])]
    names = {p["name"] for p in described if p["in"] == "query"}
    given = {name for name, _ in urllib.parse.parse_qsl(query, keep_blank_values=True)}
    if given - names:
        raise AssertionError("%s %s: not described: %s" % (verb, path, given - names))
    response = operation["responses"].get(str(answer.status))
    if response is None:
        raise AssertionError("%s %s: %d is not described" % (verb, path, answer.status))
    response = resolved(response)
    kind = (answer.field("Content-Type") or "").split(";")[0]
    content = response.get("content", {})
    if answer.body and kind == "application/json":
        jsonschema.validate(answer.json(), schema(content[kind]["schema"]),
                            jsonschema.Draft202012Validator)
    elif answer.body and kind != "application/javascript" and kind not in content:
        raise AssertionError("%s %s: %s is not described" % (verb, path, kind))
    if body is not None and answer.status < 300 and "requestBody" in operation:
        described_body = operation["requestBody"]["content"].get("application/json")
        if described_body and body[:1] in b"[{":
            jsonschema.validate(json.loads(body), schema(described_body["schema"]),
                                jsonschema.Draft202012Validator)
