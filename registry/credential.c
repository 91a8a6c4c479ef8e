/* SPDX-License-Identifier: Apache-2.0
 *
 * Check characters of Chinese registration codes (credential.h).
 */
#include "registry/credential.h"

#include <string.h>

#define SOCIAL_LEN 18
#define SOCIAL_BASE 31
#define SOCIAL_ORGANISATION 8 /* where the organisation code begins */
#define ORGANISATION_LEN 9
#define ORGANISATION_DASHED 10
#define RESIDENT_LEN 18
#define RESIDENT_BIRTHDAY 6
#define DECIMAL "0123456789"

/* I, O, S, V and Z are left out: they look like digits or each other (GB 32100). */
static const char social_alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
static const char organisation_alphabet[] = DECIMAL "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char resident_checks[] = "10X98765432";

static const struct credential_verdict sound = {CREDENTIAL_SOUND, 0, '\0'};

static struct credential_verdict flawed(enum credential_flaw flaw, size_t at, char expected)
{
    return (struct credential_verdict){.flaw = flaw, .at = at, .expected = expected};
}

/* Its value in that alphabet; -1: it has none. */
static int value_in(const char *alphabet, uint8_t c)
{
    const char *found = c == '\0' ? NULL : strchr(alphabet, c);
    return found == NULL ? -1 : (int)(found - alphabet);
}

/* The first character of `text` outside the alphabet; text.len: there is none. */
static size_t find_stranger(const char *alphabet, struct bytes text)
{
    size_t at = 0;
    while (at < text.len && value_in(alphabet, text.data[at]) >= 0) {
        at++;
    }
    return at;
}

/* Both alphabets give the same values to what both have, up to H; later letters differ, so the
 * organisation code within a social credit code is read with its own. */
static char organisation_check(const uint8_t *code)
{
    static const int weights[] = {3, 7, 9, 10, 5, 8, 4, 2};
    int sum = 0;
    for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++) {
        sum += weights[i] * value_in(organisation_alphabet, code[i]);
    }
    int check = (11 - sum % 11) % 11;
    return check == 10 ? 'X' : (char)('0' + check);
}

static char social_check(const uint8_t *code)
{
    int sum = 0;
    int weight = 1;
    for (size_t i = 0; i < SOCIAL_LEN - 1; i++) {
        sum += weight * value_in(social_alphabet, code[i]);
        weight = weight * 3 % SOCIAL_BASE;
    }
    return social_alphabet[(SOCIAL_BASE - sum % SOCIAL_BASE) % SOCIAL_BASE];
}

struct credential_verdict credential_social(struct bytes code)
{
    if (code.len != SOCIAL_LEN) {
        return flawed(CREDENTIAL_LENGTH, 0, '\0');
    }
    size_t stranger = find_stranger(social_alphabet, code);
    size_t no_digit = 2 + find_stranger(DECIMAL, bytes_of(code.data + 2, 6)); /* the region */
    size_t bad = no_digit < SOCIAL_ORGANISATION && no_digit < stranger ? no_digit : stranger;
    if (bad < code.len) {
        return flawed(CREDENTIAL_CHARACTER, bad, '\0');
    }
    char check = social_check(code.data);
    if (code.data[SOCIAL_LEN - 1] != (uint8_t)check) {
        return flawed(CREDENTIAL_CHECK, SOCIAL_LEN - 1, check);
    }
    char inner = organisation_check(code.data + SOCIAL_ORGANISATION);
    size_t inner_at = SOCIAL_ORGANISATION + ORGANISATION_LEN - 1;
    return code.data[inner_at] == (uint8_t)inner ? sound
                                                 : flawed(CREDENTIAL_INNER, inner_at, inner);
}

struct bytes credential_social_region(struct bytes code)
{
    return code.len == SOCIAL_LEN ? bytes_of(code.data + 2, 6) : BYTES_NONE;
}

struct credential_verdict credential_organisation(struct bytes code)
{
    uint8_t plain[ORGANISATION_LEN];
    bool is_dashed = code.len == ORGANISATION_DASHED && code.data[ORGANISATION_LEN - 1] == '-';
    if (!is_dashed && code.len != ORGANISATION_LEN) {
        return flawed(CREDENTIAL_LENGTH, 0, '\0');
    }
    memcpy(plain, code.data, ORGANISATION_LEN - 1);
    plain[ORGANISATION_LEN - 1] = code.data[code.len - 1];
    size_t bad = find_stranger(organisation_alphabet, bytes_of(plain, ORGANISATION_LEN - 1));
    if (bad < ORGANISATION_LEN - 1) {
        return flawed(CREDENTIAL_CHARACTER, bad, '\0');
    }
    char check = organisation_check(plain);
    return plain[ORGANISATION_LEN - 1] == (uint8_t)check
               ? sound
               : flawed(CREDENTIAL_CHECK, code.len - 1, check);
}

static int number_at(const uint8_t *digits, size_t count)
{
    int number = 0;
    for (size_t i = 0; i < count; i++) {
        number = number * 10 + (digits[i] - '0');
    }
    return number;
}

static bool is_birthday(const uint8_t *digits)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = number_at(digits, 4);
    int month = number_at(digits + 4, 2);
    int day = number_at(digits + 6, 2);
    if (year < 1800 || year > 2199 || month < 1 || month > 12 || day < 1 || day > days[month - 1]) {
        return false;
    }
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return is_leap || month != 2 || day < 29;
}

struct credential_verdict credential_resident(struct bytes number)
{
    if (number.len != RESIDENT_LEN) {
        return flawed(CREDENTIAL_LENGTH, 0, '\0');
    }
    size_t bad = find_stranger(DECIMAL, bytes_of(number.data, RESIDENT_LEN - 1));
    if (bad == RESIDENT_LEN - 1 && value_in(DECIMAL "X", number.data[bad]) >= 0) {
        bad = number.len;
    }
    if (bad < number.len) {
        return flawed(CREDENTIAL_CHARACTER, bad, '\0');
    }
    if (!is_birthday(number.data + RESIDENT_BIRTHDAY)) {
        return flawed(CREDENTIAL_DATE, RESIDENT_BIRTHDAY, '\0');
    }
    int sum = 0;
    int weight = 1; /* 2^(18-i) of the i-th character from the left: doubled from the right */
    for (size_t i = RESIDENT_LEN - 1; i-- > 0;) {
        weight = weight * 2 % 11;
        sum += weight * (number.data[i] - '0');
    }
    char check = resident_checks[sum % 11];
    return number.data[RESIDENT_LEN - 1] == (uint8_t)check
               ? sound
               : flawed(CREDENTIAL_CHECK, RESIDENT_LEN - 1, check);
}
