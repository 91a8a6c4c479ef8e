/* SPDX-License-Identifier: Apache-2.0
 *
 * The next generation of a node: what generation.h reads, and the keys (node_parts.h).
 *
 * On the starting and reloading thread.
 */
#include <stdio.h>
#include <stdlib.h>

#include "resolver/generation.h"
#include "resolver/node_parts.h"
#include "resolver/probe.h"
#include "resolver/site_key.h"
#include "resolver/tls.h"
#include "resolver/trust_roots.h"
#include "resolver/upward.h"

#define PATH_ROOM 4096

/* A key that need not be there. */
static enum status load_key(const char *path, EVP_PKEY **out_key, struct fault *fault)
{
    enum status status = path == NULL ? STATUS_NOT_FOUND : site_key_load(path, out_key, fault);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status load_keys(const struct node_options *options, struct generation *generation,
                             struct fault *fault)
{
    enum status status = load_key(options->site_key_path, &generation->site_key, fault);
    if (status == STATUS_OK) {
        status = load_key(options->previous_key_path, &generation->previous_key, fault);
    }
    if (status == STATUS_OK && options->key_server_key_path != NULL) {
        status =
            site_key_load_public(options->key_server_key_path, &generation->key_server_key, fault);
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    return status;
}

/* `path` as a setting says it: relative to the node's directory; "" is none. */
static const char *file_of(const struct node_options *options, const char *path,
                           char room[PATH_ROOM])
{
    if (path[0] == '\0' || path[0] == '/' || options->directory == NULL) {
        return path[0] == '\0' ? NULL : path;
    }
    int len = snprintf(room, PATH_ROOM, "%s/%s", options->directory, path);
    return len > 0 && len < PATH_ROOM ? room : path;
}

static enum status make_tls(const struct node_options *options, struct generation *generation,
                            struct fault *fault)
{
    const struct settings *settings = generation->settings;
    char certificate[PATH_ROOM];
    char key[PATH_ROOM];
    char name[PATH_ROOM];
    (void)snprintf(name, sizeof(name), "300:0.NA/%s", settings->node_prefix);
    const struct tls_options tls = {
        .certificate_path = file_of(options, settings->tls_certificate, certificate),
        .key_path = file_of(options, settings->tls_key, key),
        .site_key = generation->site_key,
        .site_name = name,
        .asks_certificate = settings->tls_client_certificates,
    };
    if (tls.certificate_path == NULL && generation->site_key == NULL) {
        return fault_set(fault, STATUS_NOT_FOUND, "%s",
                         "neither tls.certificate nor keys/site.pem is there");
    }
    return tls_context_new(&tls, &generation->tls, fault);
}

static enum status make_upward(const struct node_options *options, struct generation *generation,
                               struct fault *fault)
{
    char path[PATH_ROOM];
    struct upward *upward = NULL;
    enum status status = upward_new(
        generation->settings, file_of(options, generation->settings->upstream_site_file, path),
        &upward, fault);
    generation->upward = upward;
    return status;
}

static enum status read_trust(const struct node_options *options, struct generation *generation,
                              struct fault *fault)
{
    const struct settings_list *paths = &generation->settings->trust_roots;
    struct fault inner = {STATUS_OK, ""};
    enum status status = paths->count == 0
                             ? STATUS_OK
                             : trust_roots_read(options->directory, paths->items, paths->count,
                                                &generation->trust_roots, &inner);
    return status == STATUS_OK
               ? status
               : fault_set(fault, STATUS_BAD_SETTING, "trust.roots: %s", inner.text);
}

static enum status fill(const struct node *node, struct generation *generation, struct fault *fault)
{
    enum status status = load_keys(&node->options, generation, fault);
    if (status == STATUS_OK) {
        status = make_upward(&node->options, generation, fault);
    }
    if (status == STATUS_OK) {
        status = read_trust(&node->options, generation, fault);
    }
    if (status != STATUS_OK || !node->serves_tls) {
        return status;
    }
    status = make_tls(&node->options, generation, fault);
    /* A node without any key starts and says so; one that serves goes on as it is. */
    bool may_lack = status == STATUS_NOT_FOUND && node->generation == NULL;
    return status == STATUS_NOT_FOUND && !may_lack ? STATUS_BAD_SETTING
           : may_lack                              ? STATUS_OK
                                                   : status;
}

enum status node_generation_new(const struct node *node, const struct settings *settings,
                                uint64_t number, struct generation **out_generation,
                                struct fault *fault)
{
    struct generation *generation = NULL;
    enum status status =
        generation_new(settings, node->options.registry, number, &generation, fault);
    if (status == STATUS_OK) {
        status = fill(node, generation, fault);
    }
    if (status != STATUS_OK) {
        generation_free(generation);
        return status;
    }
    *out_generation = generation;
    return STATUS_OK;
}

enum status node_probe_plan(const struct node *node, const struct settings *settings,
                            struct probe_plan **out_plan, struct fault *fault)
{
    char path[PATH_ROOM];
    return probe_plan_new(settings, node->port,
                          file_of(&node->options, settings->upstream_site_file, path), out_plan,
                          fault);
}
