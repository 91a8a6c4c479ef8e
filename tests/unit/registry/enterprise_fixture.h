/* SPDX-License-Identifier: Apache-2.0
 *
 * Enterprises in a test's store: the least dossier the registry takes, and one row in one state.
 */
#pragma once

#include "tests/unit/registry/store_fixture.h"

#include "registry/enterprise.h"

/* `number` makes credential and prefix its own. */
static inline struct bytes fixture_dossier(unsigned number, char *room, size_t size)
{
    int len = snprintf(
        room, size, "{\"org_crt_type\":1,\"org_crt_code\":\"code%u\",\"ent_prefix\":\"88.608.%u\"}",
        number, number);
    assert_true(len > 0 && (size_t)len < size);
    return bytes_of(room, (size_t)len);
}

static inline struct enterprise_row fixture_enterprise(const char *id, enum enterprise_state state,
                                                       struct bytes dossier)
{
    struct enterprise_row row = {
        .id = bytes_of_text(id),
        .state = state,
        .policy = state == ENTERPRISE_SUSPENDED ? ENTERPRISE_HOLD : ENTERPRISE_POLICY_NONE,
        .dossier = dossier,
    };
    if (state == ENTERPRISE_ENABLED || state == ENTERPRISE_SUSPENDED) {
        row.reference = BYTES_LITERAL("ent-7");
        row.confirmed_on = BYTES_LITERAL("2026-11-21");
    }
    return row;
}

static inline enum status
fixture_put_enterprise(struct fixture *f, const struct enterprise_row *row, enum change_mode mode)
{
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_put_enterprise(set, row, mode, NULL), STATUS_OK);
    return fixture_commit(f, set);
}

/* Walks it from submitted to enabled. */
static inline void fixture_admit(struct fixture *f, const char *id, unsigned number)
{
    static const enum enterprise_state walk[] = {ENTERPRISE_SUBMITTED, ENTERPRISE_VERIFIED,
                                                 ENTERPRISE_APPROVED, ENTERPRISE_ENABLED};
    char room[128];
    struct bytes dossier = fixture_dossier(number, room, sizeof(room));
    for (size_t i = 0; i < sizeof(walk) / sizeof(walk[0]); i++) {
        struct enterprise_row row = fixture_enterprise(id, walk[i], dossier);
        assert_int_equal(fixture_put_enterprise(f, &row, CHANGE_REPLACE), STATUS_OK);
    }
}
