/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node stores for itself: prefix rows under the enterprise `self`, and 0.NA/<prefix>
 * (decisions.md "Own records").
 */
#pragma once

#include "conf/settings.h"
#include "protocol/value.h"
#include "registry/registry.h"

/* A new row with the settings' case rule and quotas; `prefix` is borrowed. */
struct prefix_row own_records_prefix(struct bytes prefix, const struct settings *settings);

struct own_records_facts {
    struct bytes prefix;        /* whose record */
    struct bytes administrator; /* HS_ADMIN names 300:0.NA/<administrator> */
    struct bytes site;          /* HS_SITE bytes */
    struct bytes public_key;    /* HS_PUBKEY record; empty: no value 300 */
    uint32_t now_s;
};

/* 0.NA/<prefix> = 1 HS_SITE, 100 HS_ADMIN, 300 HS_PUBKEY; in the arena. */
enum status own_records_build(struct arena *arena, const struct own_records_facts *facts,
                              struct record *out_record);
