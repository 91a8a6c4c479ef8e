#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A believable city's worth of identifiers, the same for the same seed.

Writes two files into the folder given:

  prefixes.txt   the enterprises' prefixes, one a line, to be homed
  records.jsonl  one record a line, as `guantong import` reads it

A chain-leader in Ezhou builds gear reducers, roller conveyors and pump sets; its suppliers in
Ezhou and Huangshi deliver castings, bearings, motors, seals and fasteners in batches. Every
finished product names the very parts that went into it. All names are invented.
"""

import argparse
import datetime
import json
import os
import random
import sys

NODE = "88.608"

# prefix, name, city, [(code, Chinese name, material, models)]
LEADER = (
    "88.608.8889",
    "鄂城贯通重机股份有限公司",
    "湖北省鄂州市鄂城区",
    [
        ("P", "行星齿轮减速机", "42CrMo", ["XJ-180", "XJ-225", "XJ-280"]),
        ("C", "辊筒输送机", "Q235B", ["GS-600", "GS-800", "GS-1000"]),
        ("B", "不锈钢离心泵组", "06Cr19Ni10", ["LB-32", "LB-50", "LB-80"]),
    ],
)

SUPPLIERS = [
    ("88.608.1001", "华容精密铸造有限公司", "湖北省鄂州市华容区",
     [("H", "减速机壳体铸件", "QT450-10", ["KT-180", "KT-225", "KT-280"])]),
    ("88.608.1002", "西塞轴承制造有限公司", "湖北省黄石市西塞山区",
     [("Z", "深沟球轴承", "GCr15", ["6205", "6208", "6312"])]),
    ("88.608.1003", "梁子湖电机有限公司", "湖北省鄂州市梁子湖区",
     [("M", "三相异步电动机", "硅钢片", ["YE4-90L", "YE4-112M", "YE4-132S"])]),
    ("88.608.1004", "下陆橡塑密封件厂", "湖北省黄石市下陆区",
     [("S", "骨架油封", "FKM", ["TC-45", "TC-60", "TC-85"])]),
    ("88.608.1005", "铁山紧固件有限公司", "湖北省黄石市铁山区",
     [("F", "高强度螺栓", "35CrMo", ["M12x60", "M16x80", "M20x100"])]),
]

FIRST_DAY = datetime.date(2026, 1, 5)
LAST_DAY = datetime.date(2026, 11, 21)
INSPECTORS = ["王建国", "李秀英", "陈志强", "刘洋", "周敏"]


def text_value(index, kind, text, permissions=None):
    value = {"index": index, "type": kind, "data": {"format": "string", "value": text}}
    if permissions:
        value["permissions"] = permissions
    return value


def admin_value(prefix):
    return {
        "index": 100,
        "type": "HS_ADMIN",
        "data": {
            "format": "admin",
            "value": {"handle": "0.NA/" + prefix, "index": 300, "permissions": "011111110011"},
        },
    }


def enterprise_record(prefix, name, city):
    """What the enterprise is: resolved by whoever scans one of its parts."""
    return {
        "handle": prefix + "/ENTERPRISE",
        "values": [
            text_value(1, "NAME", name),
            text_value(2, "ADDRESS", city),
            text_value(3, "URL", "https://%s.example/" % prefix.replace(".", "-")),
            admin_value(prefix),
        ],
    }


def part_record(chance, prefix, name, family, day, number):
    code, title, material, models = family
    handle = "%s/%s-%s-%04d" % (prefix, code, day.strftime("%Y%m%d"), number)
    values = [
        text_value(1, "URL", "https://%s.example/t/%s" % (prefix.replace(".", "-"),
                                                         handle.split("/", 1)[1])),
        text_value(2, "NAME", title),
        text_value(3, "MODEL", chance.choice(models)),
        text_value(4, "BATCH", "%s%s-%02d" % (code, day.strftime("%y%m"), 1 + day.day // 4)),
        text_value(5, "MATERIAL", material),
        text_value(6, "MADE_ON", day.isoformat()),
        text_value(7, "MADE_BY", name),
        text_value(8, "INSPECTED_BY", chance.choice(INSPECTORS)),
        text_value(20, "UNIT_COST", "%.2f CNY" % chance.uniform(8, 9800), "1100"),
        admin_value(prefix),
    ]
    return {"handle": handle, "values": values}


def working_days():
    day = FIRST_DAY
    while day <= LAST_DAY:
        if day.weekday() < 6:
            yield day
        day += datetime.timedelta(days=1)


def city(records, seed):
    """Yields at least `records` records, suppliers' parts before the products that use them."""
    chance = random.Random(seed)
    made = 0
    for prefix, name, where, _ in [LEADER] + SUPPLIERS:
        yield enterprise_record(prefix, name, where)
        made += 1
    days = list(working_days())
    per_day = max(1, -(-(records - made) // len(days)))
    products = max(3, per_day // 6)
    for day in days:
        delivered = []
        for i in range(per_day - products):
            prefix, name, _, families = SUPPLIERS[i % len(SUPPLIERS)]
            part = part_record(chance, prefix, name, chance.choice(families), day,
                               1 + i // len(SUPPLIERS))
            delivered.append(part["handle"])
            yield part
        for i in range(products):
            prefix, name, _, families = LEADER
            family = families[i % len(families)]
            product = part_record(chance, prefix, name, family, day, 1 + i // len(families))
            for n, part in enumerate(chance.sample(delivered, min(4, len(delivered)))):
                product["values"].insert(-1, text_value(30 + n, "COMPONENT", part))
            yield product


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", help="where the two files go")
    arguments.add_argument("--records", type=int, default=24000, help="at least this many")
    arguments.add_argument("--seed", type=int, default=608)
    given = arguments.parse_args()
    os.makedirs(given.folder, exist_ok=True)
    with open(os.path.join(given.folder, "prefixes.txt"), "w", encoding="utf-8") as out:
        for prefix, _, _, _ in [LEADER] + SUPPLIERS:
            out.write(prefix + "\n")
    count = 0
    with open(os.path.join(given.folder, "records.jsonl"), "w", encoding="utf-8") as out:
        for record in city(given.records, given.seed):
            out.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    print("%d records of %d enterprises" % (count, 1 + len(SUPPLIERS)))


if __name__ == "__main__":
    sys.exit(main())
