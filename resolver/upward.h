/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom this node asks about names that are not its own, and for whom: the upstream section of the
 * settings, read once for a generation and immutable.
 */
#pragma once

#include "conf/settings.h"
#include "resolver/service.h"

struct upward {
    struct arena *arena;               /* holds all below */
    struct service service;            /* the top-level service; no sites: nobody is asked */
    struct settings_network *networks; /* names are resolved for these */
    size_t network_count;
    struct settings_network *private_networks; /* services that others tell of may be there */
    size_t private_count;
    const struct settings_list *refused; /* prefixes; borrowed from the settings */
    struct bytes own_prefix;             /* names below are never asked about upward */
};

/* `site_path` names a file with the site records of the top-level service, as JSON or as bytes;
 * NULL: there is none. BAD_SETTING; NO_MEMORY. */
enum status upward_new(const struct settings *settings, const char *site_path,
                       struct upward **out_upward, struct fault *fault);
void upward_free(struct upward *upward);

/* May a service at this address be asked? What others tell of must not lead us to machines that
 * only we can reach. `is_told_here`: by our own records. `upward` may be NULL. */
bool upward_may_ask(const struct upward *upward, const struct net_address *address,
                    bool is_told_here);

/* Is this name, or one under whose prefix it stands, refused by the settings? */
bool upward_refuses(const struct upward *upward, struct bytes handle);
