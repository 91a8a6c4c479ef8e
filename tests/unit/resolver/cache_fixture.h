/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of the cache share: a directory that goes afterwards, a cache in it, questions and
 * answers in a line.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolver/cache.h"

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define NOON INT64_C(1770000000000)

static const char boot[] = "3f1c2b5e-0000-4000-8000-000000000001";

struct cache_fixture {
    char directory[64];
    char path[80];
    struct cache *cache;
    struct cache_reader *reader;
    int64_t now_ms;
};

static inline struct cache_options fixture_options(const struct cache_fixture *f)
{
    return (struct cache_options){
        .path = f->path,
        .max_bytes = 32u << 20,
        .limits = {DAY, 60 * SECOND, 7 * DAY},
        .boot_id = boot,
        .now_ms = f->now_ms,
    };
}

static inline void fixture_make(struct cache_fixture *f)
{
    *f = (struct cache_fixture){.now_ms = NOON};
    (void)strcpy(f->directory, "/tmp/guantong-cache-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->path, sizeof(f->path), "%s/cache", f->directory);
}

static inline void fixture_open_with(struct cache_fixture *f, const struct cache_options *options)
{
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(cache_open(options, &f->cache, &fault), STATUS_OK);
    cache_settle(f->cache);
    assert_int_equal(cache_reader_new(f->cache, NULL, &f->reader), STATUS_OK);
}

static inline void fixture_open(struct cache_fixture *f)
{
    struct cache_options options = fixture_options(f);
    fixture_open_with(f, &options);
}

static inline void fixture_close(struct cache_fixture *f)
{
    cache_reader_free(f->reader);
    cache_close(f->cache);
    f->reader = NULL;
    f->cache = NULL;
}

static inline void fixture_done(struct cache_fixture *f)
{
    char file[128];
    fixture_close(f);
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(file, sizeof(file), "%s/%s", f->path, names[i]);
        (void)unlink(file);
    }
    (void)rmdir(f->path);
    (void)rmdir(f->directory);
}

static inline int fixture_setup(void **state)
{
    struct cache_fixture *f = malloc(sizeof(*f));
    fixture_make(f);
    fixture_open(f);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    fixture_done(*state);
    free(*state);
    return 0;
}

/* --- questions ----------------------------------------------------------------------------------
 */

/* A question whose parts it holds. */
struct asked {
    struct body_resolution body;
    uint8_t types[64];
    struct cache_question question;
};

static inline struct cache_question *ask_type(struct asked *asked, const char *handle,
                                              const char *type)
{
    *asked = (struct asked){.body = {.handle = bytes_of_text(handle)}};
    if (type != NULL) {
        struct wire_writer w = wire_write(asked->types, sizeof(asked->types));
        wire_put_bytes(&w, bytes_of_text(type));
        asked->body.type_count = 1;
        asked->body.types = wire_wrote(&w);
    }
    asked->question = (struct cache_question){
        .kind = CACHE_ANSWERS,
        .rule = CASE_SENSITIVE,
        .asked = &asked->body,
    };
    return &asked->question;
}

static inline struct cache_question *ask(struct asked *asked, const char *handle)
{
    return ask_type(asked, handle, NULL);
}

/* --- answers ------------------------------------------------------------------------------------
 */

struct value_list {
    uint8_t bytes[70000];
    struct bytes encoded;
};

static inline struct value value_of(uint32_t index, const char *type, const char *data,
                                    uint32_t ttl)
{
    return (struct value){
        .index = index,
        .ttl = ttl,
        .permissions = VALUE_PERMISSIONS_DEFAULT,
        .type = bytes_of_text(type),
        .data = bytes_of_text(data),
    };
}

static inline void encode(struct value_list *list, const struct value *values, size_t count)
{
    struct wire_writer w = wire_write(list->bytes, sizeof(list->bytes));
    value_list_encode(&w, values, count);
    list->encoded = wire_wrote(&w);
    assert_true(list->encoded.len > 0);
}

static inline enum status put_values(struct cache_fixture *f, const struct cache_question *question,
                                     const struct value *values, size_t count)
{
    struct value_list list;
    encode(&list, values, count);
    struct cache_answer answer = {1, 0, BYTES_NONE, list.encoded, f->now_ms};
    enum status status = cache_put(f->reader, question, &answer);
    cache_settle(f->cache);
    return status;
}

/* One URL. */
static inline enum status put_url(struct cache_fixture *f, const struct cache_question *question,
                                  const char *data, uint32_t ttl)
{
    struct value value = value_of(1, "URL", data, ttl);
    return put_values(f, question, &value, 1);
}

static inline enum status put_code(struct cache_fixture *f, const struct cache_question *question,
                                   uint32_t code)
{
    struct cache_answer answer = {code, 0, BYTES_NONE, BYTES_NONE, f->now_ms};
    enum status status = cache_put(f->reader, question, &answer);
    cache_settle(f->cache);
    return status;
}

static inline enum cache_state get(struct cache_fixture *f, const struct cache_question *question,
                                   struct cache_entry *out_entry)
{
    return cache_get(f->reader, question, f->now_ms, out_entry);
}

/* The TTL of the entry's first value as it leaves now. */
static inline uint32_t leaving_ttl(struct cache_fixture *f, const struct cache_entry *entry)
{
    static uint8_t room[70000];
    struct value value;
    struct wire_writer w = wire_write(room, sizeof(room));
    cache_write_values(&w, entry, f->now_ms);
    struct wire_reader r = wire_read(wire_wrote(&w));
    assert_true(wire_u32(&r) > 0);
    assert_int_equal(value_decode(&r, &value), STATUS_OK);
    return value.ttl;
}
