/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of enterprises and what is unique about them (layout in keys.h).
 *
 * The node's own enterprise, "self", has no dossier and keeps format 1. Everybody else's row is
 * format 2: a head, then the content, which is what is digested, compared and sent with a change
 * set. Decoding trusts nothing; what it hands out is borrowed from the row. Pure.
 */
#pragma once

#include "registry/enterprise_state.h"
#include "registry/keys.h"

#define ENTERPRISE_DOSSIER_MAX (64u << 10)
#define ENTERPRISE_NOTES_MAX (16u << 10)
#define ENTERPRISE_REFERENCE_MAX 255
#define ENTERPRISE_CREDENTIAL_MAX 128 /* bytes */

#define ENTERPRISE_HEAD_LEN 40 /* of format 2 */
#define ENTERPRISE_OWN_LEN 32  /* of format 1 */
#define ENTERPRISE_CONTENT_MAX                                                                     \
    (4 + 5 * 4 + 2 * ENTERPRISE_DOSSIER_MAX + ENTERPRISE_NOTES_MAX + ENTERPRISE_REFERENCE_MAX + 10)
#define ENTERPRISE_ROW_MAX (ENTERPRISE_HEAD_LEN + ENTERPRISE_CONTENT_MAX)

struct enterprise_row {
    struct bytes id;
    uint64_t version;
    uint64_t position;
    int64_t created_ms;
    int64_t changed_ms;
    enum enterprise_state state;
    enum enterprise_state review; /* of `pending`: NONE, or SUBMITTED to REJECTED */
    enum enterprise_policy policy;
    struct bytes dossier;      /* JSON object; empty: the node's own enterprise */
    struct bytes pending;      /* JSON object: a full change under review; empty: none */
    struct bytes notes;        /* JSON list of what those who worked on it wrote; may be empty */
    struct bytes reference;    /* of the top node's answer; empty: there is none yet */
    struct bytes confirmed_on; /* 2026-11-21 */
    struct bytes content;      /* what the rest was decoded from */
};

/* CORRUPT. */
enum status enterprise_row_decode(struct bytes key, struct bytes row,
                                  struct enterprise_row *out_row);

/* Bytes of the row whose content is `content`. */
size_t enterprise_row_len(struct bytes content);

/* Its content with room for the head, which enterprise_row_seal fills: `len` is enterprise_row_len
 * of the content. */
void enterprise_row_begin(struct wire_writer *w, struct bytes content);
void enterprise_row_seal(const struct enterprise_row *head, uint8_t *row, size_t len);

/* What the row says beside when and where it was written. */
void enterprise_row_content(struct wire_writer *w, const struct enterprise_row *row);

/* Judges a content as strangers send it: INVALID_VALUE with the reason in `fault`. */
enum status enterprise_row_read_content(struct bytes content, struct enterprise_row *out_row,
                                        struct fault *fault);

/* --- what no two enterprises share ------------------------------------------------------------ */

enum enterprise_unique { ENTERPRISE_BY_CREDENTIAL = 1, ENTERPRISE_BY_PREFIX = 2 };

#define ENTERPRISE_UNIQUES_MAX 4 /* of the dossier and of the change under review */

struct enterprise_uniques {
    struct store_key keys[ENTERPRISE_UNIQUES_MAX];
    size_t count;
};

/* A cancelled enterprise frees its credential; the prefix it was given stays its own. CORRUPT when
 * the dossier cannot be read, INVALID_VALUE when it has no such items. */
enum status enterprise_uniques_of(const struct enterprise_row *row,
                                  struct enterprise_uniques *out_uniques);

/* `type` as the dossier has it; any case. INVALID_VALUE: too long or empty. */
enum status enterprise_credential_key(int type, struct bytes code, struct store_key *out_key);
enum status enterprise_prefix_key(struct bytes prefix, struct store_key *out_key);
