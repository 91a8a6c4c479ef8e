/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may do what (protocol.md §7.2-§7.4): HS_ADMIN values of records, groups, and the lists of the
 * settings. It judges a claim; whether the claim is true is identity.h's.
 *
 * Everything is decided in the snapshot of the run; the records that a permission rests on, beside
 * the one that is written, are noted and become dependencies of the change set, so that a right
 * taken away meanwhile does not count. Of groups that other nodes hold counts what was told last
 * (elsewhere.h). Worker's thread; nothing allocated but from the arena.
 *
 * Glossary: an *administrator value* has type HS_ADMIN or HS_ADMIN.*; it gives its permission bits
 * to a *reference*, which is an identity, or a *group*: an HS_VLIST value with further references.
 */
#pragma once

#include "protocol/body.h"
#include "resolver/identity.h"
#include "resolver/lookup.h"

enum auth_permission {
    AUTH_ADD_HANDLE = 0x0001,
    AUTH_DELETE_HANDLE = 0x0002,
    AUTH_ADD_PREFIX = 0x0004,
    AUTH_DELETE_PREFIX = 0x0008,
    AUTH_MODIFY_VALUE = 0x0010,
    AUTH_REMOVE_VALUE = 0x0020,
    AUTH_ADD_VALUE = 0x0040,
    AUTH_MODIFY_ADMIN = 0x0080,
    AUTH_REMOVE_ADMIN = 0x0100,
    AUTH_ADD_ADMIN = 0x0200,
    AUTH_READ_VALUE = 0x0400,
    AUTH_LIST_HANDLES = 0x0800,
    AUTH_LIST_PREFIXES = 0x1000,
};

/* --- what is needed: pure ---------------------------------------------------------------------
 */

/* A set of changes to one record, seen as one right. */
struct auth_need {
    uint32_t bits;  /* all of them, in one administrator value */
    bool is_open;   /* nobody needs to say who they are */
    bool is_locked; /* some value lacks admin write: refused for everybody, 401 */
};

/* Nothing changed yet. */
#define AUTH_NOTHING ((struct auth_need){.is_open = true})

void auth_need_add(struct auth_need *need, const struct value *added);
void auth_need_remove(struct auth_need *need, const struct value *removed);

/* A value with public write may be modified by anybody, unless it is or becomes an administrator
 * value, or becomes one that vouches for somebody (HS_PUBKEY, HS_SECKEY, HS_VLIST). */
void auth_need_modify(struct auth_need *need, const struct value *from, const struct value *to);

/* What makes `from` into `to`; both sorted by index. Equal values need nothing. */
void auth_need_replace(struct auth_need *need, const struct body_values *from,
                       const struct body_values *to);

bool auth_is_admin(const struct value *value);

/* --- who has it -------------------------------------------------------------------------------
 */

#define AUTH_READS_MAX 48 /* of the 64 dependencies of a set */

struct auth_read {
    struct bytes handle;
    uint64_t version;
};

/* A claim being judged, for one run of a handler. */
struct auth {
    struct exchange *x;
    const struct identity *who;
    struct bytes name; /* whose, folded */
    enum case_rule rule;
    struct auth_read reads[AUTH_READS_MAX];
    size_t read_count;
    bool asks;   /* records of other nodes are asked for */
    bool misses; /* one might have changed what was decided, and was not asked for */
    uint8_t folded[HANDLE_EXPANDED_MAX];
};

/* By what this node knows alone. */
void auth_begin(struct auth *auth, struct exchange *x, const struct identity *who);

/* And by what other nodes tell of groups: only of one who has proved to be who he says, so that
 * nobody else steers our questions. */
void auth_begin_asking(struct auth *auth, struct exchange *x, const struct identity *who);

/* Has `who` all of these bits in one administrator value of the record, which was found? OK;
 * INVALID_ADMIN; PENDING: groups are being looked for elsewhere; SERVER_BUSY. 0 bits: is `who` an
 * administrator of it at all? */
enum status auth_record(struct auth *auth, const struct lookup *record, uint32_t bits);

/* The same of the record named `name`, which the permission then rests on. INVALID_ADMIN, too, when
 * there is none. */
enum status auth_named(struct auth *auth, struct bytes name, uint32_t bits);

/* May `who` create `handle`: ADD_HANDLE at its prefix, ADD_PREFIX at the parent of a derived one.
 */
enum status auth_create(struct auth *auth, struct bytes handle);

/* May `who` make `from`, which was found, into something else altogether? By the difference, or
 * ADD_ADMIN, or as one who deletes and creates. ACCESS_DENIED when a locked value is what is in the
 * way. */
enum status auth_overwrite(struct auth *auth, const struct lookup *from,
                           const struct auth_need *need);

enum auth_list { AUTH_SERVER, AUTH_HOMING, AUTH_STATUS };

/* Is `who` in the settings' list for that (server_admins are in each)? */
enum status auth_listed(struct auth *auth, enum auth_list list);

/* What was decided holds only while these hold: the set depends on them. */
enum status auth_depend(const struct auth *auth, struct change_set *set);
