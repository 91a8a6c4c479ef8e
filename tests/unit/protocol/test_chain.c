/* SPDX-License-Identifier: Apache-2.0
 *
 * Chains from a record to a root: what holds, and each way in which one does not.
 */
#include "protocol/chain.h"

#include "tests/unit/protocol/claims_fixture.h"

#define USER "300:88.1/u"
#define TOP "300:0.NA/88"
#define HANDLE "88.1/part"

static const struct jws_permission everything = {JWS_EVERYTHING, {NULL, 0}, true};
static const struct jws_permission under_88_1 = {
    JWS_HANDLES_UNDER_THIS_PREFIX, {(const uint8_t *)"0.NA/88.1", 9}, true};
static const struct jws_permission below_88 = {
    JWS_DERIVED_PREFIXES, {(const uint8_t *)"0.NA/88", 7}, true};

/* root -> top-level node -> user -> record; each link may be bent before it is made. */
struct scene {
    struct claims_world world;
    struct world_terms top, user, signature;
    struct jws_permission top_may, user_may;
    enum claims_digest digest;
    enum world_key user_key;
    struct value values[4]; /* URL, DESC, HS_SIGNATURE, another HS_SIGNATURE */
    struct record record;
};

static void scene_begin(struct scene *scene, struct arena *arena)
{
    *scene = (struct scene){
        .top = {KEY_ROOT, ROOT_ID, TOP, NULL, NOW - 10, NOW + 1000},
        .user = {KEY_TOP, TOP, USER, "400:0.NA/88", NOW - 10, NOW + 500},
        .signature = {KEY_USER, USER, HANDLE, "400:88.1/u", NOW - 10, NOW + 100},
        .top_may = below_88,
        .user_may = under_88_1,
        .digest = CLAIMS_SHA256,
        .user_key = KEY_USER,
    };
    claims_world_begin(&scene->world, arena);
    scene->values[0] = world_value(1, "URL", BYTES_LITERAL("https://example.cn/part"));
    scene->values[1] = world_value(2, "DESC", BYTES_LITERAL("a part"));
}

/* Certificates into the world, the signature into the record. */
static void scene_make(struct scene *scene)
{
    struct claims_world *world = &scene->world;
    const struct record covered = {BYTES_LITERAL(HANDLE), scene->values, 2};
    world_put(world, "0.NA/88",
              world_value(400, "HS_CERT",
                          world_certificate(world, &scene->top, KEY_TOP, scene->top_may)));
    world_put(
        world, "88.1/u",
        world_value(400, "HS_CERT",
                    world_certificate(world, &scene->user, scene->user_key, scene->user_may)));
    scene->values[2] = world_value(
        400, "HS_SIGNATURE", world_signature(world, &scene->signature, scene->digest, &covered));
    scene->record = (struct record){BYTES_LITERAL(HANDLE), scene->values, 3};
}

static void assert_flawed(struct scene *scene, size_t links, enum claims_flaw flaw)
{
    struct chain chain = world_follow(&scene->world, &scene->record);
    const struct chain_signature *signature = &chain.signatures[0];
    assert_int_equal(signature->verdict, CHAIN_FLAWED);
    assert_int_equal(signature->link_count, links);
    assert_int_equal(signature->links[links - 1].flaw, flaw);
    assert_false(chain_covers(&chain, 0));
    assert_false(chain_is_passing(&chain));
    claims_world_done(&scene->world);
}

static void assert_verdict(struct scene *scene, enum chain_verdict verdict)
{
    struct chain chain = world_follow(&scene->world, &scene->record);
    assert_int_equal(chain.signatures[0].verdict, verdict);
    assert_false(chain_covers(&chain, 0));
    claims_world_done(&scene->world);
}

static void assert_trusted(struct scene *scene, size_t links)
{
    struct chain chain = world_follow(&scene->world, &scene->record);
    assert_int_equal(chain.signature_count, 1);
    assert_int_equal(chain.signatures[0].verdict, CHAIN_TRUSTED);
    assert_int_equal(chain.signatures[0].link_count, links);
    assert_ptr_equal(chain.signatures[0].root, &scene->world.root[0]);
    assert_true(chain_covers(&chain, 0));
    assert_true(chain_covers(&chain, 1));
    assert_false(chain_covers(&chain, 2)); /* a signature covers not itself */
    claims_world_done(&scene->world);
}

/* --- what holds ------------------------------------------------------------------------------- */

static void chain_up_to_the_root_is_trusted(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene_make(&scene);
    struct chain chain = world_follow(&scene.world, &scene.record);
    assert_int_equal(chain_expires(&chain), NOW + 100);
    assert_int_equal(scene.world.asked, 2);
    assert_trusted(&scene, 3);
}

static void chain_of_sm2_and_sm3_is_trusted(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.digest = CLAIMS_SM3;
    scene.user_key = KEY_SM2;
    scene.signature.by = KEY_SM2;
    scene_make(&scene);
    assert_trusted(&scene, 3);
}

static void chain_without_references_asks_the_issuers(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.signature.chain = NULL;
    scene.user.chain = NULL;
    scene_make(&scene);
    assert_trusted(&scene, 3);
}

static void chain_that_names_the_key_finds_the_certificate(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.signature.chain = USER;
    scene.user.chain = TOP;
    scene_make(&scene);
    assert_trusted(&scene, 3);
}

static void chain_of_a_root_alone_needs_nothing_else(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.signature = (struct world_terms){KEY_ROOT, ROOT_ID, HANDLE, NULL, 0, 0};
    scene_make(&scene);
    struct chain chain = world_follow(&scene.world, &scene.record);
    assert_int_equal(chain_expires(&chain), INT64_MAX);
    assert_int_equal(scene.world.asked, 0);
    assert_trusted(&scene, 1);
}

static void chain_to_a_root_without_name_is_trusted(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.world.root[0].handle = BYTES_NONE;
    scene_make(&scene);
    assert_trusted(&scene, 3);
}

static void certificate_that_holds_is_chosen_among_others(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.signature.chain = NULL;
    scene_make(&scene);
    struct record *user = &scene.world.records[1];
    const struct world_terms old = {KEY_TOP, TOP, USER, NULL, 0, NOW - 5};
    const struct value values[] = {
        world_value(400, "HS_CERT", world_certificate(&scene.world, &old, KEY_DSA, under_88_1)),
        world_value(401, "HS_CERT", world_certificate(&scene.world, &old, KEY_USER, under_88_1)),
        user->values[0],
    };
    user->values = arena_calloc(*state, 3, sizeof(values[0]));
    assert_non_null(user->values);
    memcpy(user->values, values, sizeof(values));
    user->count = 3;
    assert_trusted(&scene, 3);
}

static void value_that_is_not_signed_is_not_covered(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene_make(&scene);
    scene.values[3] = world_value(3, "EMAIL", BYTES_LITERAL("a@example.cn"));
    scene.record.count = 4;
    struct chain chain = world_follow(&scene.world, &scene.record);
    assert_true(chain_covers(&chain, 0));
    assert_false(chain_covers(&chain, 3));
    assert_int_equal(chain.signatures[0].covers[3], CLAIMS_UNCOVERED);
    claims_world_done(&scene.world);
}

/* Values hidden by permission do not break the rest (the national SDK's rule). */
static void value_that_is_not_given_is_named(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene_make(&scene);
    scene.record.values++;
    scene.record.count = 2;
    struct chain chain = world_follow(&scene.world, &scene.record);
    assert_int_equal(chain.signatures[0].verdict, CHAIN_TRUSTED);
    assert_int_equal(chain.signatures[0].absent_count, 1);
    assert_int_equal(chain.signatures[0].absent[0], 1);
    assert_true(chain_covers(&chain, 0));
    claims_world_done(&scene.world);
}

static void second_signature_holds_when_the_first_is_broken(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene_make(&scene);
    scene.values[3] = scene.values[2];
    scene.values[3].index = 401;
    scene.values[2].data = BYTES_LITERAL("e30.e30.AA");
    scene.record.count = 4;
    struct chain chain = world_follow(&scene.world, &scene.record);
    assert_int_equal(chain.signature_count, 2);
    assert_int_equal(chain.signatures[0].verdict, CHAIN_FLAWED);
    assert_int_equal(chain.signatures[1].verdict, CHAIN_TRUSTED);
    assert_int_equal(chain.signatures[1].index, 401);
    assert_true(chain_covers(&chain, 0));
    claims_world_done(&scene.world);
}

/* --- what does not ---------------------------------------------------------------------------- */

static void record_without_signature_is_not_covered(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene_make(&scene);
    scene.record.count = 2;
    struct chain chain = world_follow(&scene.world, &scene.record);
    assert_int_equal(chain.signature_count, 0);
    assert_false(chain_covers(&chain, 0));
    claims_world_done(&scene.world);
}

static void signature_that_is_not_public_is_not_looked_at(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene_make(&scene);
    scene.values[2].permissions = VALUE_ADMIN_READ;
    struct chain chain = world_follow(&scene.world, &scene.record);
    assert_int_equal(chain.signature_count, 0);
    claims_world_done(&scene.world);
}

static void value_that_was_altered_is_not_covered(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene_make(&scene);
    scene.values[0].data = BYTES_LITERAL("https://example.com/part");
    struct chain chain = world_follow(&scene.world, &scene.record);
    assert_int_equal(chain.signatures[0].verdict, CHAIN_TRUSTED);
    assert_int_equal(chain.signatures[0].covers[0], CLAIMS_ALTERED);
    assert_false(chain_covers(&chain, 0));
    assert_true(chain_covers(&chain, 1));
    claims_world_done(&scene.world);
}

static void signature_that_was_altered_is_broken(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene_make(&scene);
    uint8_t *text = arena_alloc(*state, scene.values[2].data.len);
    assert_non_null(text);
    memcpy(text, scene.values[2].data.data, scene.values[2].data.len);
    size_t at = scene.values[2].data.len - 20;
    text[at] = text[at] == 'A' ? 'B' : 'A';
    scene.values[2].data.data = text;
    assert_flawed(&scene, 1, CLAIMS_BAD_SIGNATURE);
}

static void signature_of_another_key_is_broken(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.signature.by = KEY_TOP;
    scene_make(&scene);
    assert_flawed(&scene, 1, CLAIMS_BAD_SIGNATURE);
}

static void signature_of_a_false_root_is_broken(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.top.by = KEY_USER;
    scene_make(&scene);
    assert_flawed(&scene, 3, CLAIMS_BAD_SIGNATURE);
}

static void signature_of_another_record_is_not_taken(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.signature.subject = "88.1/other";
    scene_make(&scene);
    assert_flawed(&scene, 1, CLAIMS_WRONG_SUBJECT);
}

static void signature_when_expired_is_not_taken(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.signature.expires = NOW - 1;
    scene_make(&scene);
    assert_flawed(&scene, 1, CLAIMS_EXPIRED);
}

static void signature_before_its_time_is_not_taken(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.signature.not_before = NOW + 1;
    scene_make(&scene);
    assert_flawed(&scene, 1, CLAIMS_NOT_YET);
}

static void certificate_when_expired_is_not_taken(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.user.expires = NOW - 1;
    scene_make(&scene);
    assert_flawed(&scene, 2, CLAIMS_EXPIRED);
}

static void certificate_before_its_time_is_not_taken(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.top.not_before = NOW + 1;
    scene_make(&scene);
    assert_flawed(&scene, 3, CLAIMS_NOT_YET);
}

static void certificate_for_other_handles_permits_not(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.user_may.handle = BYTES_LITERAL("0.NA/88.2");
    scene_make(&scene);
    assert_flawed(&scene, 1, CLAIMS_NOT_PERMITTED);
}

static void certificate_that_gives_too_much_is_not_taken(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.user_may = everything;
    scene_make(&scene);
    assert_flawed(&scene, 2, CLAIMS_NOT_PERMITTED);
}

static void certificate_of_who_may_not_certify_is_not_taken(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.top_may.may_certify = false;
    scene_make(&scene);
    assert_flawed(&scene, 2, CLAIMS_NOT_PERMITTED);
}

static void certificate_of_somebody_else_is_none(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.user.subject = "300:88.1/v";
    scene_make(&scene);
    assert_verdict(&scene, CHAIN_NO_CERTIFICATE);
}

static void certificate_that_is_missing_ends_the_chain(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.signature.chain = NULL;
    scene.signature.issuer = "300:88.1/nobody";
    scene_make(&scene);
    assert_verdict(&scene, CHAIN_NO_CERTIFICATE);
}

static void certificate_that_cannot_be_had_is_another_matter(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene_make(&scene);
    scene.world.trouble = STATUS_TIMED_OUT;
    struct chain chain = world_follow(&scene.world, &scene.record);
    assert_true(chain_is_passing(&chain));
    assert_verdict(&scene, CHAIN_UNREACHABLE);
}

static void certificate_that_vouches_for_itself_is_no_root(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.top = (struct world_terms){KEY_TOP, TOP, TOP, NULL, 0, 0};
    scene_make(&scene);
    assert_verdict(&scene, CHAIN_NO_ROOT);
}

static void chain_that_bites_its_tail_ends(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene.top = (struct world_terms){KEY_USER, USER, TOP, NULL, 0, 0};
    scene.top_may = everything;
    scene.user_may = everything;
    scene_make(&scene);
    assert_verdict(&scene, CHAIN_LOOP);
}

/* Certificate n vouches for n - 1; `depth` of them under the root. */
static void make_deep(struct scene *scene, size_t depth)
{
    char(*names)[24] = arena_calloc(scene->world.arena, depth + 1, sizeof(*names));
    assert_non_null(names);
    for (size_t i = 0; i <= depth; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "300:88.1/n%zu", i);
    }
    for (size_t i = 0; i < depth; i++) {
        bool is_last = i + 1 == depth;
        const struct world_terms terms = {
            is_last ? KEY_ROOT : KEY_USER, is_last ? ROOT_ID : names[i + 1], names[i], NULL, 0, 0};
        world_put(&scene->world, names[i] + 4,
                  world_value(400, "HS_CERT",
                              world_certificate(&scene->world, &terms, KEY_USER, everything)));
    }
    scene->signature = (struct world_terms){KEY_USER, names[0], HANDLE, NULL, 0, 0};
    scene_make(scene);
}

static void chain_of_the_longest_is_trusted(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    make_deep(&scene, CHAIN_CERTIFICATES_MAX);
    assert_trusted(&scene, CHAIN_CERTIFICATES_MAX + 1);
}

static void chain_that_is_too_long_ends(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    make_deep(&scene, CHAIN_CERTIFICATES_MAX + 1);
    assert_verdict(&scene, CHAIN_TOO_LONG);
}

static void lookups_of_one_record_are_bounded(void **state)
{
    struct scene scene;
    struct value values[CHAIN_SIGNATURES_MAX + 2];
    scene_begin(&scene, *state);
    make_deep(&scene, CHAIN_CERTIFICATES_MAX);
    for (uint32_t i = 0; i < CHAIN_SIGNATURES_MAX + 2; i++) {
        values[i] = scene.values[2];
        values[i].index = 400 + i;
    }
    scene.record = (struct record){BYTES_LITERAL(HANDLE), values, CHAIN_SIGNATURES_MAX + 2};
    struct chain chain = world_follow(&scene.world, &scene.record);
    assert_int_equal(chain.signature_count, CHAIN_SIGNATURES_MAX);
    assert_int_equal(scene.world.asked, CHAIN_LOOKUPS_MAX);
    assert_int_equal(chain.signatures[1].verdict, CHAIN_TRUSTED);
    assert_int_equal(chain.signatures[2].verdict, CHAIN_TOO_COSTLY);
    claims_world_done(&scene.world);
}

static void roots_when_there_are_none_nothing_is_trusted(void **state)
{
    struct scene scene;
    scene_begin(&scene, *state);
    scene_make(&scene);
    scene.world.roots.count = 0;
    assert_verdict(&scene, CHAIN_NO_CERTIFICATE);
}

static void memory_when_it_is_out_is_said(void **state)
{
    struct scene scene;
    struct chain chain;
    scene_begin(&scene, *state);
    scene_make(&scene);
    for (size_t size = 64; size < 3000; size += 512) {
        struct arena *small = arena_new(64, size);
        const struct chain_options options = {&scene.world.roots, small, NOW};
        assert_non_null(small);
        assert_int_equal(chain_begin(&chain, &options, &scene.record), STATUS_NO_MEMORY);
        arena_free(small);
    }
    claims_world_done(&scene.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(chain_up_to_the_root_is_trusted),
        CASE(chain_of_sm2_and_sm3_is_trusted),
        CASE(chain_without_references_asks_the_issuers),
        CASE(chain_that_names_the_key_finds_the_certificate),
        CASE(chain_of_a_root_alone_needs_nothing_else),
        CASE(chain_to_a_root_without_name_is_trusted),
        CASE(certificate_that_holds_is_chosen_among_others),
        CASE(value_that_is_not_signed_is_not_covered),
        CASE(value_that_is_not_given_is_named),
        CASE(second_signature_holds_when_the_first_is_broken),
        CASE(record_without_signature_is_not_covered),
        CASE(signature_that_is_not_public_is_not_looked_at),
        CASE(value_that_was_altered_is_not_covered),
        CASE(signature_that_was_altered_is_broken),
        CASE(signature_of_another_key_is_broken),
        CASE(signature_of_a_false_root_is_broken),
        CASE(signature_of_another_record_is_not_taken),
        CASE(signature_when_expired_is_not_taken),
        CASE(signature_before_its_time_is_not_taken),
        CASE(certificate_when_expired_is_not_taken),
        CASE(certificate_before_its_time_is_not_taken),
        CASE(certificate_for_other_handles_permits_not),
        CASE(certificate_that_gives_too_much_is_not_taken),
        CASE(certificate_of_who_may_not_certify_is_not_taken),
        CASE(certificate_of_somebody_else_is_none),
        CASE(certificate_that_is_missing_ends_the_chain),
        CASE(certificate_that_cannot_be_had_is_another_matter),
        CASE(certificate_that_vouches_for_itself_is_no_root),
        CASE(chain_that_bites_its_tail_ends),
        CASE(chain_of_the_longest_is_trusted),
        CASE(chain_that_is_too_long_ends),
        CASE(lookups_of_one_record_are_bounded),
        CASE(roots_when_there_are_none_nothing_is_trusted),
        CASE(memory_when_it_is_out_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
