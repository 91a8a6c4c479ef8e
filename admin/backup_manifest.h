/* SPDX-License-Identifier: Apache-2.0
 *
 * What a backup says about itself: manifest.json, written last.
 *
 * A backup is a directory of plain files: the manifest and its members (store/data.mdb,
 * settings.yaml, keys/NAME.cms), each with length and SHA-256; the manifest ends with the digest of
 * its own content. Digests show damage, not forgery: who may write to a backup can make another.
 */
#pragma once

#include <jansson.h>

#include "protocol/bytes.h"
#include "protocol/status.h"

#define BACKUP_FORMAT 1
#define BACKUP_MEMBERS_MAX 32
#define BACKUP_NAME_MAX 96
#define BACKUP_DIGEST_LEN 32
#define BACKUP_MANIFEST_MAX (64u << 10)

#define BACKUP_MANIFEST "manifest.json"
#define BACKUP_STORE "store/data.mdb"
#define BACKUP_SETTINGS "settings.yaml"

struct backup_member {
    char name[BACKUP_NAME_MAX];
    uint64_t bytes;
    uint8_t digest[BACKUP_DIGEST_LEN];
};

struct backup_manifest {
    char program[32]; /* "guantong 0.2.0" */
    char prefix[256]; /* of the node */
    char node_id[72];
    int64_t created_ms;
    uint64_t txn;      /* LMDB's transaction the store shows */
    uint64_t position; /* journal head, 0 when empty, and its chain */
    uint8_t chain[BACKUP_DIGEST_LEN];
    uint64_t records;
    bool has_keys;
    char recipient[256];                     /* subject of its certificate */
    uint8_t recipient_id[BACKUP_DIGEST_LEN]; /* SHA-256 of its public key */
    size_t member_count;
    struct backup_member members[BACKUP_MEMBERS_MAX];
};

/* A new reference; NULL: no memory. */
json_t *backup_manifest_encode(const struct backup_manifest *manifest);

/* CORRUPT: not a manifest, or its digest does not hold; NOT_SUPPORTED: of a later format. */
enum status backup_manifest_decode(struct bytes text, struct backup_manifest *out_manifest,
                                   struct fault *fault);

/* NULL: there is none. */
const struct backup_member *backup_manifest_find(const struct backup_manifest *manifest,
                                                 const char *name);

/* "keys/site.pem.cms" gives "site.pem"; false for every other member. `out` holds
 * BACKUP_NAME_MAX. */
bool backup_manifest_key_name(const char *member, char *out);
