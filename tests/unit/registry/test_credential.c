/* SPDX-License-Identifier: Apache-2.0
 *
 * registry/credential.c: codes that are known to be sound, and what is said of others.
 */
#include "registry/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

typedef struct credential_verdict judge(struct bytes code);

static void assert_flaw(judge *judged, const char *code, enum credential_flaw flaw, char expected)
{
    struct credential_verdict verdict = judged(bytes_of_text(code));
    if (verdict.flaw != flaw || verdict.expected != expected) {
        print_message("%s: flaw %d, expected '%c'\n", code, verdict.flaw, verdict.expected);
    }
    assert_int_equal(verdict.flaw, flaw);
    assert_int_equal(verdict.expected, expected);
}

static void social_when_registered_is_sound(void **state)
{
    (void)state;
    assert_flaw(credential_social, "91110108589104047H", CREDENTIAL_SOUND, '\0');
    assert_flaw(credential_social, "91350200MA2YJ1XR9G", CREDENTIAL_SOUND, '\0');
    struct bytes region = credential_social_region(BYTES_LITERAL("91350200MA2YJ1XR9G"));
    assert_true(bytes_equal(region, BYTES_LITERAL("350200")));
}

static void social_of_early_pilots_names_the_character_expected(void **state)
{
    (void)state;
    assert_flaw(credential_social, "91350100M0001TGQXM", CREDENTIAL_CHECK, '1');
    assert_flaw(credential_social, "91350211M0000XUF46", CREDENTIAL_CHECK, 'R');
}

static void social_with_letters_left_out_or_a_region_of_letters_is_refused(void **state)
{
    (void)state;
    static const char *const codes[] = {
        "91110108589I04047H", "91110108589O04047H", "91110108589S04047H", "91110108589V04047H",
        "91110108589Z04047H", "91A10108589104047H", "91110108589104047h", "9111010858910404 H",
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_flaw(credential_social, codes[i], CREDENTIAL_CHARACTER, '\0');
    }
    assert_flaw(credential_social, "", CREDENTIAL_LENGTH, '\0');
    assert_flaw(credential_social, "91110108589104047", CREDENTIAL_LENGTH, '\0');
    assert_flaw(credential_social, "91110108589104047H1", CREDENTIAL_LENGTH, '\0');
}

/* Exchanging any one character for any other is found: that is what the check is for. */
static void social_with_one_character_changed_is_never_sound(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    const char *sound = "91350200MA2YJ1XR9G";
    char code[19];
    for (size_t at = 0; at < 18; at++) {
        for (size_t i = 0; i < sizeof(alphabet) - 1; i++) {
            memcpy(code, sound, sizeof(code));
            code[at] = alphabet[i];
            enum credential_flaw flaw = credential_social(bytes_of_text(code)).flaw;
            assert_true((flaw == CREDENTIAL_SOUND) == (alphabet[i] == sound[at]));
        }
    }
}

static void social_with_a_wrong_organisation_code_within_says_so(void **state)
{
    (void)state;
    /* The organisation code ends in 6 instead of 7; the last character fits that. */
    struct credential_verdict verdict = {0};
    char code[] = "91110108589104046?";
    static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    size_t inner = 0;
    for (size_t i = 0; i < sizeof(alphabet) - 1; i++) {
        code[17] = alphabet[i];
        verdict = credential_social(bytes_of_text(code));
        if (verdict.flaw == CREDENTIAL_INNER) {
            inner++;
            assert_int_equal(verdict.expected, '7');
            assert_int_equal(verdict.at, 16);
        } else {
            assert_int_equal(verdict.flaw, CREDENTIAL_CHECK);
        }
    }
    assert_int_equal(inner, 1);
}

static void organisation_with_and_without_dash_is_sound(void **state)
{
    (void)state;
    assert_flaw(credential_organisation, "58910404-7", CREDENTIAL_SOUND, '\0');
    assert_flaw(credential_organisation, "589104047", CREDENTIAL_SOUND, '\0');
    assert_flaw(credential_organisation, "MA2YJ1XR-9", CREDENTIAL_SOUND, '\0');
    assert_flaw(credential_organisation, "58910404-8", CREDENTIAL_CHECK, '7');
    assert_flaw(credential_organisation, "58910404+7", CREDENTIAL_LENGTH, '\0');
    assert_flaw(credential_organisation, "5891040a7", CREDENTIAL_CHARACTER, '\0');
}

static void resident_is_judged_by_birthday_and_check(void **state)
{
    (void)state;
    assert_flaw(credential_resident, "11010519491231002X", CREDENTIAL_SOUND, '\0');
    assert_flaw(credential_resident, "412724197805022135", CREDENTIAL_SOUND, '\0');
    assert_flaw(credential_resident, "412724197805022136", CREDENTIAL_CHECK, '5');
    assert_flaw(credential_resident, "110105194902290021", CREDENTIAL_DATE, '\0');
    assert_flaw(credential_resident, "110105194900010021", CREDENTIAL_DATE, '\0');
    assert_flaw(credential_resident, "110105179912310021", CREDENTIAL_DATE, '\0');
    assert_flaw(credential_resident, "11010519491231002x", CREDENTIAL_CHARACTER, '\0');
    assert_flaw(credential_resident, "1101051949123X0022", CREDENTIAL_CHARACTER, '\0');
    assert_flaw(credential_resident, "11010519491231002", CREDENTIAL_LENGTH, '\0');
}

static void credentials_holding_nul_are_refused(void **state)
{
    (void)state;
    uint8_t code[18] = "91110108589104047";
    struct credential_verdict verdict = credential_social(bytes_of(code, sizeof(code)));
    assert_int_equal(verdict.flaw, CREDENTIAL_CHARACTER);
    assert_int_equal(verdict.at, 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(social_when_registered_is_sound),
        cmocka_unit_test(social_of_early_pilots_names_the_character_expected),
        cmocka_unit_test(social_with_letters_left_out_or_a_region_of_letters_is_refused),
        cmocka_unit_test(social_with_one_character_changed_is_never_sound),
        cmocka_unit_test(social_with_a_wrong_organisation_code_within_says_so),
        cmocka_unit_test(organisation_with_and_without_dash_is_sound),
        cmocka_unit_test(resident_is_judged_by_birthday_and_check),
        cmocka_unit_test(credentials_holding_nul_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
