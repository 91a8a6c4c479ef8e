/* SPDX-License-Identifier: Apache-2.0
 *
 * Every value of every capture through JSON and back; and the JSON interface's captures: what the
 * reference server wrote is what we write, what its clients sent is what we read.
 */
#include "protocol/record_json.h"

#include <dirent.h>
#include <stdlib.h>

#include "protocol/body.h"
#include "tests/unit/protocol/json_survives.h"
#include "tests/unit/protocol/vectors.h"

#define NOW 1700000000
#define FILES_MAX 1024

static int set_up(void **state)
{
    *state = arena_new(1 << 20, 64 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

struct tally {
    size_t records;
    size_t values;
    size_t json_answers;
    size_t json_requests;
};

static void check_message(struct arena *arena, struct bytes packet, struct tally *tally)
{
    struct message message;
    struct body_values body;
    struct digest digest;
    struct bytes rest;
    bool has_digest;
    if (message_decode(packet, &message) != STATUS_OK ||
        body_take_digest(&message, &rest, &digest, &has_digest) != STATUS_OK) {
        return;
    }
    uint32_t opcode = message.header.opcode;
    bool has_values = message.header.response_code == 1
                          ? opcode == 1
                          : message.header.response_code == 0 &&
                                (opcode == 100 || opcode == 102 || opcode == 104);
    if (!has_values || body_values_decode(rest, arena, &body) != STATUS_OK || body.count == 0) {
        return;
    }
    for (size_t i = 0; i < body.count; i++) {
        if (body.values[i].index == 0) {
            return; /* malformed on purpose */
        }
    }
    const struct record record = {body.handle, body.values, body.count};
    json_survives(arena, &record);
    tally->records++;
    tally->values += body.count;
}

static void expect_same_json(json_t *ours, json_t *theirs)
{
    if (!json_equal(ours, theirs)) {
        char *left = json_dumps(ours, JSON_COMPACT);
        char *right = json_dumps(theirs, JSON_COMPACT);
        fail_msg("ours  %s\ntheirs %s", left, right);
    }
}

/* What the reference server wrote about a record is what we write. */
static void check_json_answer(struct arena *arena, json_t *answer, struct tally *tally)
{
    struct record record;
    struct fault fault = {STATUS_OK, ""};
    if (record_json_decode(answer, arena, 0, &record, &fault) != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
    json_t *ours = record_json_encode(&record, 0);
    (void)json_object_set_new(ours, "responseCode", json_integer(1));
    expect_same_json(ours, answer);
    json_decref(ours);
    json_survives(arena, &record);
    tally->json_answers++;
}

static void check_json_request(struct arena *arena, json_t *request, struct tally *tally)
{
    struct record record;
    struct fault fault = {STATUS_OK, ""};
    (void)json_object_set_new(request, "handle", json_string("88.1000/rest-1"));
    if (record_json_decode(request, arena, NOW, &record, &fault) != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
    json_survives(arena, &record);
    for (size_t i = 0; i < record.count; i++) {
        assert_int_equal(value_check(&record.values[i], NULL), STATUS_OK);
        json_t *ours = value_json_encode(&record.values[i], 0);
        json_t *theirs =
            json_object_get(json_array_get(json_object_get(request, "values"), i), "data");
        if (json_is_object(theirs)) {
            expect_same_json(json_object_get(ours, "data"), theirs);
        }
        json_decref(ours);
    }
    tally->json_requests++;
}

static void check_http(struct arena *arena, struct bytes http, struct tally *tally)
{
    const uint8_t *end = memmem(http.data, http.len, "\r\n\r\n", 4);
    assert_non_null(end);
    struct bytes body = bytes_from(http, (size_t)(end - http.data) + 4);
    json_t *json = json_loadb((const char *)body.data, body.len, JSON_REJECT_DUPLICATES, NULL);
    if (json_array_size(json_object_get(json, "values")) > 0) {
        if (bytes_start_with(http, BYTES_LITERAL("PUT "))) {
            check_json_request(arena, json, tally);
        } else {
            check_json_answer(arena, json, tally);
        }
    }
    json_decref(json);
}

static int is_hex_file(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".hex") == 0;
}

static void check_file(struct arena *arena, const char *file, struct tally *tally)
{
    char path[512];
    struct bytes line;
    (void)snprintf(path, sizeof(path), "captured/%s", file);
    struct bytes rest = vectors_file(arena, path);
    while (vectors_next_line(&rest, &line)) {
        struct bytes packet = vectors_hex(arena, line);
        if (strncmp(file, "rest-", 5) == 0) {
            check_http(arena, packet, tally);
        } else {
            check_message(arena, packet, tally);
        }
    }
}

static void every_captured_value_survives(void **state)
{
    struct dirent **entries = NULL;
    struct tally tally = {0};
    int count = scandir(TEST_VECTORS "/captured", &entries, is_hex_file, alphasort);
    assert_in_range(count, 300, FILES_MAX);
    for (int i = 0; i < count; i++) {
        arena_reset(*state);
        check_file(*state, entries[i]->d_name, &tally);
        free(entries[i]);
    }
    free(entries);
    printf("%zu records with %zu values, %zu JSON answers, %zu JSON requests\n", tally.records,
           tally.values, tally.json_answers, tally.json_requests);
    assert_true(tally.records >= 60);
    assert_true(tally.values >= 150);
    assert_true(tally.json_answers >= 6);
    assert_true(tally.json_requests >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_captured_value_survives)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
