/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a prefix is served, as its record 0.NA/<prefix> tells it: HS_SITE, HS_SITE.6 or HS_SERV.
 *
 * Everything made lives in the arena given.
 */
#pragma once

#include "admin/own_records.h"
#include "registry/change_set.h"

struct delegation {
    struct bytes type;
    struct bytes data;
};

/* A site of one server at "HOST", "HOST:PORT" or "[V6]:PORT", TCP and UDP. A host name goes in as
 * the attribute "domain" with an address of zeros. `key` is its HS_PUBKEY record or empty.
 * BAD_SYNTAX. */
enum status delegation_at(struct arena *arena, const char *where, struct bytes key,
                          struct delegation *out_delegation);

/* HS_SITE.6 when every server has an IPv6 address, else HS_SITE. INVALID_VALUE. */
enum status delegation_of_site(struct arena *arena, struct bytes site,
                               struct delegation *out_delegation);

/* Puts 0.NA/<facts->prefix> into the set: as the snapshot shows it, but with this and no other
 * service; a new one has the administrator of `facts`, too. The set depends on what was read. */
enum status delegation_put(struct change_set *set, struct snapshot *snapshot, struct arena *arena,
                           const struct own_records_facts *facts,
                           const struct delegation *delegation, struct fault *fault);
