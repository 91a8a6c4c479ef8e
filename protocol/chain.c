/* SPDX-License-Identifier: Apache-2.0
 *
 * Following chains of certificates (chain.h).
 *
 * `chain` in the claims names the certificates above, nearest first; without it the issuer's own
 * record is asked for any certificate about it, as the national SDK does. Roots come first: what a
 * root signed needs nothing else.
 */
#include "protocol/chain.h"

#include <openssl/evp.h>

static struct chain_signature *current(struct chain *chain)
{
    return &chain->signatures[chain->at];
}

static struct chain_link *last_link(struct chain *chain)
{
    struct chain_signature *signature = current(chain);
    return &signature->links[signature->link_count - 1];
}

static void add_link(struct chain *chain, const struct jws *jws, const struct jws_claims *claims,
                     enum claims_flaw flaw)
{
    struct chain_signature *signature = current(chain);
    signature->links[signature->link_count++] = (struct chain_link){
        .algorithm = jws->algorithm,
        .issuer = claims->issuer,
        .subject = claims->subject,
        .not_before = claims->not_before,
        .expires = claims->expires,
        .flaw = flaw,
    };
}

/* This signature is done with. */
static enum status finish(struct chain *chain, enum chain_verdict verdict)
{
    current(chain)->verdict = verdict;
    return STATUS_OK;
}

/* --- roots ------------------------------------------------------------------------------------ */

/* NOT_FOUND: no root signed it; AUTHENTICATION_FAILED: one that bears the issuer's name did not. */
static enum status find_root(const struct chain *chain, const struct chain_root **out_root)
{
    enum status outcome = STATUS_NOT_FOUND;
    for (size_t i = 0; i < chain->roots->count; i++) {
        const struct chain_root *root = &chain->roots->roots[i];
        bool is_named = bytes_equal_nocase(root->handle, chain->issuer.handle);
        if (!is_named && root->handle.len > 0) {
            continue;
        }
        enum status status;
        if (claims_check_signature(&chain->jws, root->key, &status) == CLAIMS_FLAWLESS) {
            *out_root = root;
            return STATUS_OK;
        }
        if (status != STATUS_OK) {
            return status;
        }
        outcome = is_named ? STATUS_AUTHENTICATION_FAILED : outcome;
    }
    return outcome;
}

/* --- upward ----------------------------------------------------------------------------------- */

/* A certificate about this issuer was on the way already. */
static bool was_seen(struct chain *chain)
{
    const struct chain_signature *signature = current(chain);
    for (size_t i = 1; i < signature->link_count; i++) {
        struct claims_identity subject;
        if (claims_identity_parse(signature->links[i].subject, &subject) &&
            claims_identity_is(&subject, &chain->issuer)) {
            return true;
        }
    }
    return false;
}

static bool vouches_for_itself(struct chain *chain)
{
    struct claims_identity subject;
    return current(chain)->link_count > 1 &&
           claims_identity_parse(chain->claims.subject, &subject) &&
           claims_identity_is(&subject, &chain->issuer);
}

/* Where the certificate of the issuer is to be had. */
static bool choose_wanted(struct chain *chain)
{
    if (chain->ahead_count == 0) {
        chain->ahead = chain->claims.chain;
        chain->ahead_count = chain->claims.chain_count;
    }
    if (chain->ahead_count == 0) {
        chain->wanted = (struct claims_identity){.handle = chain->issuer.handle};
        return true;
    }
    chain->ahead_count--;
    return claims_identity_parse(*chain->ahead++, &chain->wanted);
}

/* From the link that was added last. OK: this signature is done with. */
static enum status climb(struct chain *chain)
{
    if (!claims_identity_parse(chain->claims.issuer, &chain->issuer)) {
        last_link(chain)->flaw = CLAIMS_MALFORMED;
        return finish(chain, CHAIN_FLAWED);
    }
    enum status status = find_root(chain, &current(chain)->root);
    if (status == STATUS_OK) {
        return finish(chain, CHAIN_TRUSTED);
    }
    if (status == STATUS_AUTHENTICATION_FAILED) {
        last_link(chain)->flaw = CLAIMS_BAD_SIGNATURE;
        return finish(chain, CHAIN_FLAWED);
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    if (vouches_for_itself(chain)) {
        return finish(chain, CHAIN_NO_ROOT);
    }
    if (was_seen(chain)) {
        return finish(chain, CHAIN_LOOP);
    }
    if (current(chain)->link_count > CHAIN_CERTIFICATES_MAX) {
        return finish(chain, CHAIN_TOO_LONG);
    }
    if (chain->lookups == CHAIN_LOOKUPS_MAX) {
        return finish(chain, CHAIN_TOO_COSTLY);
    }
    if (!choose_wanted(chain)) {
        last_link(chain)->flaw = CLAIMS_MALFORMED;
        return finish(chain, CHAIN_FLAWED);
    }
    chain->lookups++;
    return STATUS_PENDING;
}

/* --- the signature itself --------------------------------------------------------------------- */

static enum status decode(struct chain *chain, struct bytes data, struct jws *out_jws,
                          struct jws_claims *out_claims)
{
    struct bytes text = arena_copy(chain->arena, data);
    if (text.data == NULL && data.len > 0) {
        return STATUS_NO_MEMORY;
    }
    enum status status = jws_decode(text, chain->arena, out_jws);
    return status == STATUS_OK ? jws_claims_decode(out_jws, chain->arena, out_claims) : status;
}

static bool is_given(const struct chain *chain, uint32_t index)
{
    for (size_t i = 0; i < chain->count; i++) {
        if (chain->values[i].index == index) {
            return true;
        }
    }
    return false;
}

static enum status compare_digests(struct chain *chain, enum claims_digest digest)
{
    struct chain_signature *signature = current(chain);
    const struct jws_claims *claims = &chain->claims;
    signature->absent = arena_calloc(chain->arena, claims->digest_count + 1, sizeof(uint32_t));
    if (signature->absent == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < claims->digest_count; i++) {
        if (!is_given(chain, claims->digests[i].index)) {
            signature->absent[signature->absent_count++] = claims->digests[i].index;
        }
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < chain->count; i++) {
        status = claims_cover(claims, digest, &chain->values[i], &signature->covers[i]);
    }
    return status;
}

static enum status begin_signature(struct chain *chain, const struct value *value)
{
    struct chain_signature *signature = current(chain);
    enum claims_digest digest = CLAIMS_SHA256;
    signature->index = value->index;
    chain->jws = (struct jws){0};
    chain->claims = (struct jws_claims){0};
    chain->ahead_count = 0;
    signature->covers = arena_calloc(chain->arena, chain->count, sizeof(*signature->covers));
    if (signature->covers == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = decode(chain, value->data, &chain->jws, &chain->claims);
    if (status == STATUS_NO_MEMORY) {
        return status;
    }
    enum claims_flaw flaw = CLAIMS_MALFORMED;
    signature->digest = chain->claims.digest_algorithm;
    if (status == STATUS_OK && !claims_is_about(&chain->claims, chain->handle)) {
        flaw = CLAIMS_WRONG_SUBJECT;
    } else if (status == STATUS_OK && !claims_digest_parse(signature->digest, &digest)) {
        flaw = signature->digest.len == 0 ? CLAIMS_MALFORMED : CLAIMS_UNKNOWN_DIGEST;
    } else if (status == STATUS_OK) {
        flaw = claims_judge_times(&chain->claims, chain->now_s);
    }
    add_link(chain, &chain->jws, &chain->claims, flaw);
    if (flaw != CLAIMS_FLAWLESS) {
        return finish(chain, CHAIN_FLAWED);
    }
    status = compare_digests(chain, digest);
    return status == STATUS_OK ? climb(chain) : status;
}

/* --- certificates ----------------------------------------------------------------------------- */

struct candidate {
    struct jws jws;
    struct jws_claims claims;
    enum claims_flaw child_flaw; /* of the link below, judged by this certificate */
    enum claims_flaw own_flaw;
};

static bool is_certificate(const struct value *value)
{
    return bytes_equal_nocase(value->type, BYTES_LITERAL("HS_CERT")) && value_is_public(value);
}

/* NOT_FOUND: it is none about the issuer. */
static enum status judge(struct chain *chain, const struct value *value, struct candidate *out)
{
    struct claims_identity subject;
    EVP_PKEY *key = NULL;
    *out = (struct candidate){0};
    enum status status = decode(chain, value->data, &out->jws, &out->claims);
    if (status == STATUS_NO_MEMORY) {
        return status;
    }
    if (status != STATUS_OK || !claims_identity_parse(out->claims.subject, &subject) ||
        !claims_identity_is(&subject, &chain->issuer)) {
        return STATUS_NOT_FOUND;
    }
    status = claims_key(&out->claims, chain->arena, &key);
    if (status == STATUS_INVALID_VALUE) {
        out->own_flaw = CLAIMS_MALFORMED;
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        out->child_flaw = claims_check_signature(&chain->jws, key, &status);
    }
    EVP_PKEY_free(key);
    bool is_first = current(chain)->link_count == 1;
    bool may = is_first ? claims_permit_handle(&out->claims, chain->handle)
                        : claims_permit_certificate(&out->claims, &chain->claims);
    if (out->child_flaw == CLAIMS_FLAWLESS && !may) {
        out->child_flaw = CLAIMS_NOT_PERMITTED;
    }
    out->own_flaw = claims_judge_times(&out->claims, chain->now_s);
    return status;
}

static bool is_flawless(const struct candidate *candidate)
{
    return candidate->child_flaw == CLAIMS_FLAWLESS && candidate->own_flaw == CLAIMS_FLAWLESS;
}

/* The first that is flawless, or the last of the others. NOT_FOUND: there is none. `index` 0: of
 * any index. */
static enum status find_certificate(struct chain *chain, const struct value *values, size_t count,
                                    uint32_t index, struct candidate *out)
{
    enum status outcome = STATUS_NOT_FOUND;
    size_t tried = 0;
    for (size_t i = 0; i < count && tried < CHAIN_CANDIDATES_MAX; i++) {
        if (!is_certificate(&values[i]) || (index != 0 && values[i].index != index)) {
            continue;
        }
        struct candidate candidate;
        enum status status = judge(chain, &values[i], &candidate);
        tried++;
        if (status == STATUS_NOT_FOUND) {
            continue;
        }
        if (status != STATUS_OK) {
            return status;
        }
        *out = candidate;
        outcome = STATUS_OK;
        if (is_flawless(&candidate)) {
            break;
        }
    }
    return outcome;
}

static enum status climb_by(struct chain *chain, const struct candidate *candidate)
{
    last_link(chain)->flaw = candidate->child_flaw;
    if (candidate->child_flaw == CLAIMS_FLAWLESS) {
        add_link(chain, &candidate->jws, &candidate->claims, candidate->own_flaw);
    }
    if (!is_flawless(candidate)) {
        return finish(chain, CHAIN_FLAWED);
    }
    chain->jws = candidate->jws;
    chain->claims = candidate->claims;
    return climb(chain);
}

/* --- all of them ------------------------------------------------------------------------------ */

static bool is_signature(const struct value *value)
{
    return bytes_equal_nocase(value->type, BYTES_LITERAL("HS_SIGNATURE")) && value_is_public(value);
}

/* `status` is how the current signature stands; goes on until one needs a record. */
static enum status go_on(struct chain *chain, enum status status)
{
    while (status == STATUS_OK && ++chain->at < chain->signature_count) {
        size_t nth = 0;
        size_t i = 0;
        while (!is_signature(&chain->values[i]) || nth++ < chain->at) {
            i++;
        }
        status = begin_signature(chain, &chain->values[i]);
    }
    return status;
}

enum status chain_begin(struct chain *chain, const struct chain_options *options,
                        const struct record *record)
{
    size_t count = 0;
    for (size_t i = 0; i < record->count && count < CHAIN_SIGNATURES_MAX; i++) {
        count += is_signature(&record->values[i]);
    }
    *chain = (struct chain){
        .signatures = arena_calloc(options->arena, count + 1, sizeof(struct chain_signature)),
        .signature_count = count,
        .roots = options->roots,
        .arena = options->arena,
        .now_s = options->now_s,
        .handle = record->handle,
        .values = record->values,
        .count = record->count,
        .at = SIZE_MAX, /* before the first */
    };
    return chain->signatures == NULL ? STATUS_NO_MEMORY : go_on(chain, STATUS_OK);
}

enum status chain_supply(struct chain *chain, enum status found, const struct value *values,
                         size_t count)
{
    struct candidate candidate;
    if (found != STATUS_OK && found != STATUS_HANDLE_NOT_FOUND &&
        found != STATUS_VALUES_NOT_FOUND) {
        return go_on(chain, finish(chain, CHAIN_UNREACHABLE));
    }
    count = found == STATUS_OK ? count : 0;
    enum status status = STATUS_NOT_FOUND;
    if (chain->wanted.index != 0) {
        status = find_certificate(chain, values, count, chain->wanted.index, &candidate);
    }
    if (status == STATUS_NOT_FOUND) {
        status = find_certificate(chain, values, count, 0, &candidate);
    }
    if (status == STATUS_NOT_FOUND) {
        return go_on(chain, finish(chain, CHAIN_NO_CERTIFICATE));
    }
    return go_on(chain, status == STATUS_OK ? climb_by(chain, &candidate) : status);
}

bool chain_covers(const struct chain *chain, size_t at)
{
    for (size_t i = 0; i < chain->signature_count; i++) {
        const struct chain_signature *signature = &chain->signatures[i];
        if (signature->verdict == CHAIN_TRUSTED && signature->covers[at] == CLAIMS_COVERED) {
            return true;
        }
    }
    return false;
}

int64_t chain_expires(const struct chain *chain)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < chain->signature_count; i++) {
        const struct chain_signature *signature = &chain->signatures[i];
        for (size_t k = 0; k < signature->link_count; k++) {
            int64_t expires = signature->links[k].expires;
            bool counts = signature->verdict == CHAIN_TRUSTED && expires != 0;
            first = counts && expires < first ? expires : first;
        }
    }
    return first;
}

bool chain_is_passing(const struct chain *chain)
{
    for (size_t i = 0; i < chain->signature_count; i++) {
        if (chain->signatures[i].verdict == CHAIN_UNREACHABLE) {
            return true;
        }
    }
    return false;
}
