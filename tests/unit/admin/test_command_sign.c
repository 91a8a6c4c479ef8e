/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong record sign` and `guantong key cert`: what is signed, what is not, and what is no way
 * to ask for it.
 */
#include "tests/unit/admin/run_command.h"

#include "protocol/claims.h"
#include "protocol/record_json.h"

#define USER "300:88.1/User_li"

struct place {
    char directory[64];
    char key[96], sm2[96], public_key[96], records[96];
    struct arena *arena;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    assert_non_null(place);
    scratch_make(place->directory);
    (void)snprintf(place->key, sizeof(place->key), "%s/key", place->directory);
    (void)snprintf(place->sm2, sizeof(place->sm2), "%s/sm2", place->directory);
    (void)snprintf(place->public_key, sizeof(place->public_key), "%s/public", place->directory);
    (void)snprintf(place->records, sizeof(place->records), "%s/records", place->directory);
    MUST(EXIT_OK, "key", "new", place->key);
    MUST(EXIT_OK, "key", "new", place->sm2, "--type", "sm2");
    MUST(EXIT_OK, "key", "convert", place->key, place->public_key, "--to", "public-pem");
    place->arena = arena_new(1 << 16, 16 << 20);
    assert_non_null(place->arena);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    scratch_remove(place->directory);
    arena_free(place->arena);
    free(place);
    return 0;
}

static struct jws_claims claims_of(struct place *place, struct bytes data)
{
    struct jws jws;
    struct jws_claims claims;
    assert_int_equal(jws_decode(data, place->arena, &jws), STATUS_OK);
    assert_int_equal(jws_claims_decode(&jws, place->arena, &claims), STATUS_OK);
    return claims;
}

static const struct value *value_at(const struct record *record, uint32_t index)
{
    for (size_t i = 0; i < record->count; i++) {
        if (record->values[i].index == index) {
            return &record->values[i];
        }
    }
    fail_msg("no value %u", index);
    return NULL;
}

static void sign_covers_what_everybody_may_see(void **state)
{
    struct place *place = *state;
    struct record record;
    write_file(place->records,
               "{\"handle\":\"88.1/p\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"},"
               "{\"index\":2,\"type\":\"DESC\",\"data\":\"d\",\"permissions\":\"1100\"},"
               "{\"index\":3,\"type\":\"HS_SECKEY\",\"data\":\"s\"},"
               "{\"index\":400,\"type\":\"HS_SIGNATURE\",\"data\":\"e30.e30.AA\"},"
               "{\"index\":401,\"type\":\"HS_SIGNATURE\",\"data\":\"e30.e30.AA\"}]}\n");
    struct run run = EXPECT(EXIT_OK, "record", "sign", place->records, "--key", place->key,
                            "--identity", USER, "--chain", "400:88.1/User_li,400:0.NA/88.1");
    assert_int_equal(record_json_parse(bytes_of_text(run.out), place->arena, 0, &record, NULL),
                     STATUS_OK);
    assert_int_equal(record.count, 5);
    const struct jws_claims claims = claims_of(place, value_at(&record, 400)->data);
    assert_int_equal(claims.digest_count, 1);
    assert_int_equal(claims.digests[0].index, 1);
    assert_int_equal(claims.chain_count, 2);
    assert_true(claims.expires > claims.issued_at + 364 * 86400);
    assert_true(claims.not_before < claims.issued_at);
    assert_true(bytes_equal(claims.issuer, BYTES_LITERAL(USER)));
    assert_true(bytes_equal(claims.subject, BYTES_LITERAL("88.1/p")));
    assert_true(bytes_equal(claims.digest_algorithm, BYTES_LITERAL("SHA-256")));
    assert_true(bytes_equal(value_at(&record, 401)->data, BYTES_LITERAL("e30.e30.AA")));
    run_done(&run);
}

static void sign_of_many_records_signs_each(void **state)
{
    struct place *place = *state;
    write_file(
        place->records,
        "{\"handle\":\"88.1/a\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}\n"
        "\n{\"handle\":\"88.1/b\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}");
    struct run run =
        EXPECT(EXIT_OK, "record", "sign", place->records, "--key", place->sm2, "--identity", USER,
               "--index", "7", "--expires", "never", "--digest", "sha-256");
    const char *rest = run.out;
    for (char name = 'a'; name <= 'b'; name++) {
        struct record record;
        size_t len = strcspn(rest, "\n");
        assert_int_equal(record_json_parse(bytes_of(rest, len), place->arena, 0, &record, NULL),
                         STATUS_OK);
        const struct jws_claims claims = claims_of(place, value_at(&record, 7)->data);
        assert_int_equal(claims.subject.data[claims.subject.len - 1], name);
        assert_int_equal(claims.expires, 0);
        assert_true(bytes_equal(claims.digest_algorithm, BYTES_LITERAL("SHA-256")));
        rest += len + 1;
    }
    assert_string_equal(rest, "");
    run_done(&run);
}

static void sign_when_asked_wrongly_signs_nothing(void **state)
{
    struct place *place = *state;
    write_file(
        place->records,
        "{\"handle\":\"88.1/a\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}\n");
    static const char *const wrong[][2] = {
        {"--identity", "88.1/User_li"},
        {"--index", "0"},
        {"--index", "-1"},
        {"--index", "4x"},
        {"--expires", "365"},
        {"--expires", "-1d"},
        {"--expires", "d"},
        {"--digest", "sha-1"},
        {"--chain", "400:"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        bool is_identity = strcmp(wrong[i][0], "--identity") == 0;
        struct run run =
            EXPECT(EXIT_USAGE, "record", "sign", place->records, "--json", "--key", place->key,
                   wrong[i][0], wrong[i][1], is_identity ? NULL : "--identity", USER);
        assert_problem(&run, "GT1003");
        run_done(&run);
    }
    struct run run = EXPECT(EXIT_USAGE, "record", "sign", place->records, "--json", "--key",
                            place->public_key, "--identity", USER);
    assert_problem(&run, "GT1003");
    run_done(&run);
    write_file(place->records, "{\"handle\":\"88.1/a\"}\n");
    run = EXPECT(EXIT_REFUSED, "record", "sign", place->records, "--json", "--key", place->key,
                 "--identity", USER);
    assert_problem(&run, "GT1209");
    run_done(&run);
}

static struct jws_claims certified(struct place *place, const struct run *run)
{
    struct value value;
    struct fault fault = {STATUS_OK, ""};
    json_t *object = run_json(run);
    assert_int_equal(value_json_decode(object, place->arena, 0, &value, &fault), STATUS_OK);
    json_decref(object);
    assert_true(bytes_equal(value.type, BYTES_LITERAL("HS_CERT")));
    return claims_of(place, value.data);
}

static void cert_says_what_its_owner_may_sign(void **state)
{
    struct place *place = *state;
    struct run run = EXPECT(EXIT_OK, "key", "cert", place->public_key, "--handle", USER, "--perm",
                            "handlesUnderThisPrefix:88.1", "--perm", "derivedPrefixes:0.NA/88.1",
                            "--perm", "thisHandle:88.2/x", "--perm", "everything", "--no-certify",
                            "--key", place->sm2, "--identity", "300:0.NA/88.1", "--json");
    const struct jws_claims claims = certified(place, &run);
    assert_int_equal(claims.permission_count, 4);
    assert_true(bytes_equal(claims.permissions[0].handle, BYTES_LITERAL("0.NA/88.1")));
    assert_true(bytes_equal(claims.permissions[1].handle, BYTES_LITERAL("0.NA/88.1")));
    assert_true(bytes_equal(claims.permissions[2].handle, BYTES_LITERAL("88.2/x")));
    assert_int_equal(claims.permissions[3].perm, JWS_EVERYTHING);
    for (size_t i = 0; i < 4; i++) {
        assert_false(claims.permissions[i].may_certify);
    }
    assert_true(bytes_equal(claims.subject, BYTES_LITERAL(USER)));
    run_done(&run);
}

static void cert_when_asked_wrongly_is_not_made(void **state)
{
    struct place *place = *state;
    static const char *const wrong[] = {
        "all",         "everything:88.1/x",      "thisHandle",
        "thisHandle:", "derivedPrefixes:88.1/x", "handlesUnderThisPrefix:",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct run run =
            EXPECT(EXIT_USAGE, "key", "cert", place->public_key, "--handle", USER, "--perm",
                   wrong[i], "--key", place->key, "--identity", "300:0.NA/88.1", "--json");
        assert_problem(&run, "GT1003");
        run_done(&run);
    }
    MUST(EXIT_USAGE, "key", "cert", place->public_key, "--handle", USER, "--key", place->key,
         "--identity", "300:0.NA/88.1");
    MUST(EXIT_USAGE, "key", "cert", place->public_key, "--handle", "88.1/u", "--perm", "everything",
         "--key", place->key, "--identity", "300:0.NA/88.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_covers_what_everybody_may_see),
        cmocka_unit_test(sign_of_many_records_signs_each),
        cmocka_unit_test(sign_when_asked_wrongly_signs_nothing),
        cmocka_unit_test(cert_says_what_its_owner_may_sign),
        cmocka_unit_test(cert_when_asked_wrongly_is_not_made),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
