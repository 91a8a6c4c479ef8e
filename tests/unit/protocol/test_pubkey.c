/* SPDX-License-Identifier: Apache-2.0
 *
 * Key records against the same keys as other tools wrote them, and against keys nobody may use.
 */
#include "protocol/pubkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "tests/unit/protocol/vectors.h"

#define ROOM 8192

static int set_up(void **state)
{
    *state = arena_new(1 << 16, 4 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static EVP_PKEY *spki_key(struct arena *arena, const char *file)
{
    struct bytes der = vectors_file(arena, file);
    const unsigned char *at = der.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.len);
    assert_non_null(key);
    return key;
}

static EVP_PKEY *private_key(struct arena *arena, const char *file)
{
    struct bytes der = vectors_file(arena, file);
    const unsigned char *at = der.data;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
    assert_non_null(key);
    return key;
}

static EVP_PKEY *sm2_private_key(struct arena *arena)
{
    struct bytes pem = vectors_file(arena, "keys/sm2priv.pem");
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(key);
    assert_true(EVP_PKEY_is_a(key, "SM2"));
    return key;
}

static struct bytes record_of(struct arena *arena, const EVP_PKEY *key)
{
    uint8_t *room = arena_alloc(arena, ROOM);
    assert_non_null(room);
    struct wire_writer w = wire_write(room, ROOM);
    assert_int_equal(pubkey_from_evp(key, &w), STATUS_OK);
    return wire_wrote(&w);
}

static struct bytes spki_record(struct arena *arena, const char *type, struct bytes spki)
{
    uint8_t *room = arena_alloc(arena, ROOM);
    assert_non_null(room);
    struct wire_writer w = wire_write(room, ROOM);
    wire_put_bytes(&w, bytes_of_text(type));
    wire_put_u16(&w, 0);
    wire_put_bytes(&w, spki);
    return wire_wrote(&w);
}

static struct bytes spki_der(struct arena *arena, const EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    assert_true(len > 0);
    struct bytes copy = arena_copy(arena, bytes_of(der, (size_t)len));
    OPENSSL_free(der);
    return copy;
}

static EVP_PKEY *key_of(struct bytes record)
{
    struct pubkey key;
    EVP_PKEY *evp = NULL;
    assert_int_equal(pubkey_decode(record, &key), STATUS_OK);
    assert_int_equal(pubkey_to_evp(&key, &evp), STATUS_OK);
    return evp;
}

static void expect_recoded(struct bytes record, enum pubkey_kind kind)
{
    struct pubkey key;
    uint8_t room[ROOM];
    struct wire_writer w = wire_write(room, sizeof(room));
    assert_int_equal(pubkey_decode(record, &key), STATUS_OK);
    assert_int_equal(key.kind, kind);
    pubkey_encode(&w, &key);
    vectors_assert_equal(wire_wrote(&w), record);
}

static void expect_unfit(struct bytes record)
{
    struct fault fault = {STATUS_OK, ""};
    assert_int_equal(pubkey_check(record, &fault), STATUS_INVALID_VALUE);
    assert_true(fault.text[0] != '\0');
}

static const struct pair {
    const char *record;
    const char *spki;
    const char *private_record;
    const char *private_der;
    enum pubkey_kind kind;
} pairs[] = {
    {"keys/adminpub.bin", "keys/adminpub.spki.der", "keys/adminpriv.bin",
     "keys/adminpriv.pkcs8.der", PUBKEY_RSA},
    {"keys/userpub.bin", "keys/userpub.spki.der", "keys/userpriv.bin", "keys/userpriv.pkcs8.der",
     PUBKEY_RSA},
    {"keys/serverpub.bin", "keys/serverpub.spki.der", "keys/serverpriv.bin",
     "keys/serverpriv.pkcs8.der", PUBKEY_RSA},
    {"keys/dsapub.bin", "keys/dsapub.spki.der", "keys/dsapriv.bin", "keys/dsapriv.pkcs8.der",
     PUBKEY_DSA},
};
#define PAIR_COUNT (sizeof(pairs) / sizeof(pairs[0]))

static void record_when_recoded_has_the_same_bytes(void **state)
{
    for (size_t i = 0; i < PAIR_COUNT; i++) {
        expect_recoded(vectors_file(*state, pairs[i].record), pairs[i].kind);
    }
    expect_recoded(vectors_get(*state, "V6.rsa"), PUBKEY_RSA);
    expect_recoded(vectors_get(*state, "V6.dsa"), PUBKEY_DSA);
}

static void record_of_reference_is_the_same_key(void **state)
{
    for (size_t i = 0; i < PAIR_COUNT; i++) {
        EVP_PKEY *ours = key_of(vectors_file(*state, pairs[i].record));
        EVP_PKEY *theirs = spki_key(*state, pairs[i].spki);
        assert_int_equal(EVP_PKEY_eq(ours, theirs), 1);
        vectors_assert_equal(record_of(*state, theirs), vectors_file(*state, pairs[i].record));
        EVP_PKEY_free(ours);
        EVP_PKEY_free(theirs);
    }
}

static void record_when_rsa_has_any_zero_trailer_is_kept(void **state)
{
    struct bytes record = vectors_file(*state, "keys/adminpub.bin");
    uint8_t *longer = arena_alloc(*state, record.len + 1);
    assert_non_null(longer);
    memcpy(longer, record.data, record.len);
    longer[record.len] = 0;
    for (size_t len = record.len - 4; len <= record.len + 1; len++) {
        expect_recoded(bytes_of(longer, len), PUBKEY_RSA);
        EVP_PKEY_free(key_of(bytes_of(longer, len)));
    }
    longer[record.len] = 1;
    expect_unfit(bytes_of(longer, record.len + 1));
}

static void record_when_cut_is_refused(void **state)
{
    struct bytes record = vectors_file(*state, "keys/dsapub.bin");
    for (size_t len = 0; len < record.len; len++) {
        expect_unfit(bytes_of(record.data, len));
    }
}

static void sm2_as_pem_and_der_is_the_same_key(void **state)
{
    EVP_PKEY *private = sm2_private_key(*state);
    struct bytes pem_record = record_of(*state, private);
    struct bytes der_record = spki_record(*state, "SM2_PUB_KEY", spki_der(*state, private));
    struct pubkey key;
    assert_int_equal(pubkey_decode(pem_record, &key), STATUS_OK);
    assert_true(bytes_start_with(key.fields[0], BYTES_LITERAL("-----BEGIN PUBLIC KEY-----")));
    expect_recoded(pem_record, PUBKEY_SM2);
    expect_recoded(der_record, PUBKEY_SM2);
    expect_recoded(key.fields[0], PUBKEY_PEM);
    const struct bytes records[] = {pem_record, der_record, key.fields[0]};
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY *evp = key_of(records[i]);
        assert_int_equal(EVP_PKEY_eq(evp, private), 1);
        assert_int_equal(pubkey_check(records[i], NULL), STATUS_OK);
        EVP_PKEY_free(evp);
    }
    EVP_PKEY_free(private);
}

/* As the national tools write it: 76 columns, CRLF. */
static void sm2_pem_with_long_lines_is_read(void **state)
{
    EVP_PKEY *private = sm2_private_key(*state);
    const char *base64 = text_base64(*state, spki_der(*state, private));
    char pem[512];
    int len = snprintf(pem, sizeof(pem),
                       "-----BEGIN PUBLIC KEY-----\r\n%.76s\r\n%s\r\n-----END PUBLIC KEY-----\r\n",
                       base64, base64 + 76);
    struct bytes record = spki_record(*state, "SM2_PUB_KEY", bytes_of(pem, (size_t)len));
    EVP_PKEY *evp = key_of(record);
    assert_int_equal(EVP_PKEY_eq(evp, private), 1);
    expect_recoded(record, PUBKEY_SM2);
    EVP_PKEY_free(evp);
    EVP_PKEY_free(private);
}

static void ec_when_recoded_is_the_same_key(void **state)
{
    EVP_PKEY *made = EVP_EC_gen("P-256");
    assert_non_null(made);
    struct bytes record = record_of(*state, made);
    struct bytes der_record = spki_record(*state, "EC_PUB_KEY", spki_der(*state, made));
    expect_recoded(record, PUBKEY_EC);
    expect_recoded(der_record, PUBKEY_EC);
    EVP_PKEY *evp = key_of(der_record);
    assert_int_equal(EVP_PKEY_eq(evp, made), 1);
    expect_unfit(spki_record(*state, "SM2_PUB_KEY", spki_der(*state, made)));
    EVP_PKEY_free(evp);
    EVP_PKEY_free(made);
}

static void dh_when_recoded_is_the_same_key(void **state)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    EVP_PKEY *made = NULL;
    assert_int_equal(EVP_PKEY_keygen_init(context), 1);
    assert_int_equal(EVP_PKEY_CTX_set_group_name(context, "ffdhe2048"), 1);
    assert_int_equal(EVP_PKEY_generate(context, &made), 1);
    EVP_PKEY_CTX_free(context);
    struct bytes record = record_of(*state, made);
    expect_recoded(record, PUBKEY_DH);
    EVP_PKEY *evp = key_of(record);
    vectors_assert_equal(record_of(*state, evp), record);
    EVP_PKEY_free(evp);
    EVP_PKEY_free(made);
}

static void sm9_and_unknown_are_kept_but_no_key(void **state)
{
    static const struct {
        struct bytes record;
        enum pubkey_kind kind;
    } kept[] = {
        {{(const uint8_t *)"\0\0\0\x0bSM9_PUB_KEY\0\0\0\0\0\5alice", 26}, PUBKEY_SM9},
        {{(const uint8_t *)"\0\0\0\3NEW\0\7whatever", 17}, PUBKEY_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pubkey key;
        EVP_PKEY *evp = NULL;
        expect_recoded(kept[i].record, kept[i].kind);
        assert_int_equal(pubkey_decode(kept[i].record, &key), STATUS_OK);
        assert_int_equal(pubkey_to_evp(&key, &evp), STATUS_NOT_SUPPORTED);
        assert_null(evp);
        assert_int_equal(pubkey_check(kept[i].record, NULL), STATUS_OK);
    }
}

static void expect_rsa(struct bytes exponent, struct bytes modulus, enum status expected)
{
    const struct pubkey key = {.kind = PUBKEY_RSA,
                               .type = BYTES_LITERAL("RSA_PUB_KEY"),
                               .fields = {exponent, modulus},
                               .field_count = 2};
    EVP_PKEY *evp = NULL;
    assert_int_equal(pubkey_to_evp(&key, &evp), expected);
    EVP_PKEY_free(evp);
}

static void rsa_out_of_bounds_is_refused(void **state)
{
    static const struct bytes f4 = {(const uint8_t *)"\1\0\1", 3};
    uint8_t *modulus = arena_alloc(*state, 2049);
    assert_non_null(modulus);
    memset(modulus, 0xff, 2049);
    expect_rsa(f4, bytes_of(modulus, 256), STATUS_OK);
    expect_rsa(f4, bytes_of(modulus, 2048), STATUS_OK);
    expect_rsa(f4, bytes_of(modulus, 2049), STATUS_INVALID_VALUE);
    modulus[0] = 0; /* a sign is no bit */
    expect_rsa(f4, bytes_of(modulus, 2049), STATUS_OK);
    expect_rsa(BYTES_LITERAL("\1"), bytes_of(modulus, 256), STATUS_INVALID_VALUE);
    expect_rsa(BYTES_NONE, bytes_of(modulus, 256), STATUS_INVALID_VALUE);
    expect_rsa(BYTES_LITERAL("\4"), bytes_of(modulus, 256), STATUS_INVALID_VALUE);
    expect_rsa(BYTES_LITERAL("\1\0\0\0\0\0\0\0\1"), bytes_of(modulus, 256), STATUS_INVALID_VALUE);
    expect_rsa(f4, BYTES_NONE, STATUS_INVALID_VALUE);
    expect_rsa(f4, BYTES_LITERAL("\0\0\0"), STATUS_INVALID_VALUE);
    modulus[255] = 0xfe;
    expect_rsa(f4, bytes_of(modulus, 256), STATUS_INVALID_VALUE);
}

static void dsa_with_parts_of_another_is_refused(void **state)
{
    struct bytes record = vectors_file(*state, "keys/dsapub.bin");
    struct pubkey key;
    EVP_PKEY *evp = NULL;
    assert_int_equal(pubkey_decode(record, &key), STATUS_OK);
    struct pubkey wrong = key;
    wrong.fields[0] = BYTES_LITERAL("\x01\x00\x00\x00\x00\x00\x07");
    assert_int_equal(pubkey_to_evp(&wrong, &evp), STATUS_INVALID_VALUE);
    wrong = key;
    wrong.fields[2] = BYTES_LITERAL("\1"); /* g = 1 */
    assert_int_equal(pubkey_to_evp(&wrong, &evp), STATUS_INVALID_VALUE);
    wrong = key;
    wrong.fields[3] = key.fields[1]; /* y = p */
    assert_int_equal(pubkey_to_evp(&wrong, &evp), STATUS_INVALID_VALUE);
    wrong = key;
    wrong.fields[1] = key.fields[0]; /* p = q */
    assert_int_equal(pubkey_to_evp(&wrong, &evp), STATUS_INVALID_VALUE);
    expect_unfit(vectors_get(*state, "V6.dsa")); /* toy numbers, y above p */
}

static void point_off_the_curve_is_refused(void **state)
{
    EVP_PKEY *private = sm2_private_key(*state);
    struct bytes der = spki_der(*state, private);
    uint8_t *wrong = arena_alloc(*state, der.len + 1);
    assert_non_null(wrong);
    memcpy(wrong, der.data, der.len);
    wrong[der.len] = 0;
    expect_unfit(spki_record(*state, "SM2_PUB_KEY", bytes_of(wrong, der.len + 1)));
    wrong[der.len - 1] ^= 1;
    expect_unfit(spki_record(*state, "SM2_PUB_KEY", bytes_of(wrong, der.len)));
    expect_unfit(spki_record(*state, "SM2_PUB_KEY", BYTES_NONE));
    expect_unfit(BYTES_LITERAL("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"));
    EVP_PKEY_free(private);
}

static void from_evp_without_room_or_kind_says_so(void **state)
{
    EVP_PKEY *key = spki_key(*state, "keys/adminpub.spki.der");
    EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    uint8_t room[100];
    struct wire_writer w = wire_write(room, sizeof(room));
    assert_int_equal(pubkey_from_evp(key, &w), STATUS_NO_ROOM);
    w = wire_write(room, sizeof(room));
    assert_int_equal(pubkey_from_evp(other, &w), STATUS_NOT_SUPPORTED);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

static void expect_numbers_equal(const EVP_PKEY *a, const EVP_PKEY *b, const char *name)
{
    BIGNUM *left = NULL;
    BIGNUM *right = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(a, name, &left), 1);
    assert_int_equal(EVP_PKEY_get_bn_param(b, name, &right), 1);
    assert_int_equal(BN_cmp(left, right), 0);
    BN_clear_free(left);
    BN_clear_free(right);
}

static void private_record_of_reference_is_the_same_key(void **state)
{
    for (size_t i = 0; i < PAIR_COUNT; i++) {
        EVP_PKEY *ours = NULL;
        EVP_PKEY *theirs = private_key(*state, pairs[i].private_der);
        struct bytes record = vectors_file(*state, pairs[i].private_record);
        assert_int_equal(pubkey_private_to_evp(record, &ours), STATUS_OK);
        assert_int_equal(EVP_PKEY_eq(ours, theirs), 1);
        expect_numbers_equal(ours, theirs,
                             pairs[i].kind == PUBKEY_RSA ? OSSL_PKEY_PARAM_RSA_D
                                                         : OSSL_PKEY_PARAM_PRIV_KEY);
        EVP_PKEY_free(ours);
        EVP_PKEY_free(theirs);
    }
}

static void private_record_without_container_is_read(void **state)
{
    struct bytes record = vectors_file(*state, "keys/dsapriv.bin");
    struct bytes bare = bytes_from(record, 4);
    EVP_PKEY *key = NULL;
    assert_true(bytes_start_with(record, BYTES_LITERAL("\0\0\0\1")));
    assert_int_equal(pubkey_private_to_evp(bare, &key), STATUS_OK);
    EVP_PKEY_free(key);
    key = NULL;
    for (size_t len = 0; len < bare.len; len++) {
        assert_int_not_equal(pubkey_private_to_evp(bytes_of(bare.data, len), &key), STATUS_OK);
        assert_null(key);
    }
}

/* n and d alone, for an exponent the file does not tell. */
static void private_rsa_without_primes_finds_its_exponent(void **state)
{
    for (unsigned long e = 3; e <= 65537; e = e == 3 ? 17 : e == 17 ? 65537 : 65538) {
        BIGNUM *exponent = BN_new();
        BIGNUM *n = NULL;
        BIGNUM *d = NULL;
        EVP_PKEY *made = NULL;
        EVP_PKEY *read = NULL;
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
        assert_int_equal(BN_set_word(exponent, e), 1);
        assert_int_equal(EVP_PKEY_keygen_init(context), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(context, 1024), 1);
        assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, exponent), 1);
        assert_int_equal(EVP_PKEY_generate(context, &made), 1);
        assert_int_equal(EVP_PKEY_get_bn_param(made, OSSL_PKEY_PARAM_RSA_N, &n), 1);
        assert_int_equal(EVP_PKEY_get_bn_param(made, OSSL_PKEY_PARAM_RSA_D, &d), 1);
        uint8_t numbers[2][256];
        uint8_t *room = arena_alloc(*state, 1024);
        assert_non_null(room);
        struct wire_writer w = wire_write(room, 1024);
        wire_put_bytes(&w, BYTES_LITERAL("RSA_PRIV_KEY"));
        wire_put_bytes(&w, bytes_of(numbers[0], (size_t)BN_bn2bin(n, numbers[0])));
        wire_put_bytes(&w, bytes_of(numbers[1], (size_t)BN_bn2bin(d, numbers[1])));
        assert_int_equal(pubkey_private_to_evp(wire_wrote(&w), &read), STATUS_OK);
        assert_int_equal(EVP_PKEY_eq(read, made), 1);
        room[w.at - w.start - 1] ^= 2; /* d of nobody */
        EVP_PKEY_free(read);
        assert_int_equal(pubkey_private_to_evp(wire_wrote(&w), &read), STATUS_INVALID_VALUE);
        EVP_PKEY_free(made);
        EVP_PKEY_CTX_free(context);
        BN_free(exponent);
        BN_free(n);
        BN_clear_free(d);
    }
}

static void private_record_of_other_kind_is_refused(void **state)
{
    EVP_PKEY *key = NULL;
    (void)state;
    /* encrypted: kind 4, salt of 8 bytes */
    assert_int_equal(pubkey_private_to_evp(BYTES_LITERAL("\0\0\0\4\0\0\0\x08saltsalt"), &key),
                     STATUS_NOT_SUPPORTED);
    assert_int_equal(pubkey_private_to_evp(BYTES_LITERAL("\0\0\0\3NEW\0\0\0\0"), &key),
                     STATUS_NOT_SUPPORTED);
    assert_int_equal(pubkey_private_to_evp(BYTES_NONE, &key), STATUS_INVALID_VALUE);
    assert_null(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_when_recoded_has_the_same_bytes),
        cmocka_unit_test(record_of_reference_is_the_same_key),
        cmocka_unit_test(record_when_rsa_has_any_zero_trailer_is_kept),
        cmocka_unit_test(record_when_cut_is_refused),
        cmocka_unit_test(sm2_as_pem_and_der_is_the_same_key),
        cmocka_unit_test(sm2_pem_with_long_lines_is_read),
        cmocka_unit_test(ec_when_recoded_is_the_same_key),
        cmocka_unit_test(dh_when_recoded_is_the_same_key),
        cmocka_unit_test(sm9_and_unknown_are_kept_but_no_key),
        cmocka_unit_test(rsa_out_of_bounds_is_refused),
        cmocka_unit_test(dsa_with_parts_of_another_is_refused),
        cmocka_unit_test(point_off_the_curve_is_refused),
        cmocka_unit_test(from_evp_without_room_or_kind_says_so),
        cmocka_unit_test(private_record_of_reference_is_the_same_key),
        cmocka_unit_test(private_record_without_container_is_read),
        cmocka_unit_test(private_rsa_without_primes_finds_its_exponent),
        cmocka_unit_test(private_record_of_other_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
