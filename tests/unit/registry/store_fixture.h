/* SPDX-License-Identifier: Apache-2.0
 *
 * A store in a directory of its own, and short ways to write to it: what the registry's tests
 * share.
 *
 * Header only, as each test is one program. Everything asserts; nothing is returned half done.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/committer.h"
#include "registry/journal.h"

#define FIXTURE_NOW_MS 1700000000000
#define FIXTURE_MAP_BYTES (1ull << 30)

struct fixture {
    char path[64];
    struct registry_options options;
    struct registry *registry;
    struct snapshot *snapshot;
    int64_t now_ms;
};

static const uint8_t fixture_key[REGISTRY_COMMITMENT_KEY_LEN] = "0123456789abcdef0123456789abcde";

static inline void fixture_open(struct fixture *f)
{
    struct fault fault = {0};
    enum status status = registry_open(&f->options, &f->registry, &fault);
    if (status != STATUS_OK) {
        print_error("%s: %s\n", status_name(status), fault.text);
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(snapshot_new(f->registry, &f->snapshot), STATUS_OK);
}

static inline void fixture_close(struct fixture *f)
{
    snapshot_free(f->snapshot);
    registry_close(f->registry);
    f->snapshot = NULL;
    f->registry = NULL;
}

static inline void fixture_begin(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    (void)snprintf(f->path, sizeof(f->path), "/tmp/registry-test-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    f->options.path = f->path;
    f->options.map_bytes = FIXTURE_MAP_BYTES;
    f->options.may_create = true;
    f->options.commitment_key = bytes_of(fixture_key, sizeof(fixture_key));
    f->now_ms = FIXTURE_NOW_MS;
    fixture_open(f);
}

static inline int fixture_unlink(const char *path, const struct stat *info, int kind,
                                 struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void fixture_end(struct fixture *f)
{
    fixture_close(f);
    assert_int_equal(nftw(f->path, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline struct change_set *fixture_set(enum change_policy policy)
{
    struct change_set *set =
        change_set_new(policy, BYTES_LITERAL("uid:0(test)"), BYTES_LITERAL("cli"));
    assert_non_null(set);
    return set;
}

/* A public URL value. */
static inline struct value fixture_value(uint32_t index, const char *data)
{
    return (struct value){
        .index = index,
        .timestamp = 1600000000,
        .ttl = VALUE_TTL_DEFAULT,
        .permissions = VALUE_PERMISSIONS_DEFAULT,
        .type = BYTES_LITERAL("URL"),
        .data = bytes_of_text(data),
    };
}

static inline enum status fixture_add(struct change_set *set, const char *handle, const char *data,
                                      enum change_mode mode)
{
    struct value value = fixture_value(1, data);
    struct record record = {bytes_of_text(handle), &value, 1};
    return change_set_put_record(set, &record, mode, NULL);
}

/* Commits and frees; the outcome of item 0, or of the set when it has none or failed. */
static inline enum status fixture_commit(struct fixture *f, struct change_set *set)
{
    f->now_ms += 1000;
    enum status status = committer_commit_now(f->registry, f->snapshot, set, f->now_ms);
    if (status == STATUS_OK && change_set_count(set) > 0) {
        status = change_set_item_status(set, 0);
    }
    change_set_free(set);
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
    return status;
}

static inline enum status fixture_put(struct fixture *f, const char *handle, const char *data)
{
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(fixture_add(set, handle, data, CHANGE_REPLACE), STATUS_OK);
    return fixture_commit(f, set);
}

static inline enum status fixture_delete(struct fixture *f, const char *handle)
{
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_delete_record(set, bytes_of_text(handle)), STATUS_OK);
    return fixture_commit(f, set);
}

static inline struct prefix_row fixture_prefix(const char *prefix)
{
    return (struct prefix_row){
        .prefix = bytes_of_text(prefix),
        .enterprise = BYTES_LITERAL("self"),
        .state = PREFIX_ACTIVE,
        .hosting = PREFIX_HOSTED,
        .case_rule = CASE_INSENSITIVE,
    };
}

static inline enum status fixture_put_prefix(struct fixture *f, const struct prefix_row *row,
                                             enum change_mode mode)
{
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_put_prefix(set, row, mode, NULL), STATUS_OK);
    return fixture_commit(f, set);
}

static inline void fixture_home(struct fixture *f, const char *prefix)
{
    struct prefix_row row = fixture_prefix(prefix);
    assert_int_equal(fixture_put_prefix(f, &row, CHANGE_CREATE), STATUS_OK);
}

static inline enum status fixture_get(struct fixture *f, const char *handle, struct record_row *out)
{
    return registry_get_record(f->snapshot, bytes_of_text(handle), CASE_INSENSITIVE, out);
}

/* The data of the only value of a row. */
static inline struct bytes fixture_data(const struct record_row *row)
{
    struct wire_reader r = wire_read(row->values);
    struct value value;
    assert_int_equal(wire_u32(&r), 1);
    assert_int_equal(value_decode(&r, &value), STATUS_OK);
    return value.data;
}

static inline void fixture_verify(struct fixture *f)
{
    struct journal_report report;
    enum status status = journal_verify(f->registry, NULL, NULL, &report);
    if (status != STATUS_OK) {
        print_error("position %lu: %s\n", (unsigned long)report.first_bad_position, report.reason);
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(report.first_bad_position, 0);
}
