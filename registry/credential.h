/* SPDX-License-Identifier: Apache-2.0
 *
 * Codes by which enterprises and people are known: unified social credit codes (GB 32100-2015),
 * organisation codes (GB 11714-1997), resident identity numbers (GB 11643-1999). Pure.
 *
 * Real codes that fail their check character exist: who looks at one says which rule it breaks, and
 * the caller decides whether a recorded reason may stand against it.
 */
#pragma once

#include "protocol/bytes.h"

enum credential_flaw {
    CREDENTIAL_SOUND,
    CREDENTIAL_LENGTH,    /* nothing else was looked at */
    CREDENTIAL_CHARACTER, /* one that the code's alphabet does not have */
    CREDENTIAL_INNER,     /* the organisation code within a social credit code fails its check */
    CREDENTIAL_DATE,      /* the birthday is none */
    CREDENTIAL_CHECK,     /* the last character is not what the others demand */
};

/* What is wrong, and with which character: `at` counts from 0; `expected` is what should stand
 * there, of CHECK and INNER, else NUL. */
struct credential_verdict {
    enum credential_flaw flaw;
    size_t at;
    char expected;
};

/* 18 characters in capitals. */
struct credential_verdict credential_social(struct bytes code);

/* The six digits of its region, GB/T 2260; only of a code without a flaw in length or character. */
struct bytes credential_social_region(struct bytes code);

/* "58910404-7" or "589104047". */
struct credential_verdict credential_organisation(struct bytes code);

/* 17 digits and one of 0..9, X; born between 1800 and 2199. */
struct credential_verdict credential_resident(struct bytes number);
