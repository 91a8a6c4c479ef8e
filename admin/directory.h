/* SPDX-License-Identifier: Apache-2.0
 *
 * A node's directory (decisions.md "Directory"): where things lie, and opening them.
 *
 *   guantong.yaml  keys/  store/  log/  run/control.sock  backup/  files/  cache/
 */
#pragma once

#include "conf/settings.h"
#include "protocol/arena.h"
#include "registry/registry.h"

/* "<directory>/<name>" in the arena. */
const char *directory_path(struct arena *arena, const char *directory, const char *name);

/* Holds a guantong.yaml? When not, errno tells: EACCES for who may not look. */
bool directory_is_node(const char *path);

/* The settings of the node: guantong.yaml. */
enum status directory_settings(struct arena *arena, const char *directory,
                               struct settings **out_settings, struct fault *fault);

/* keys/commit.key: 32 bytes, refused when readable by others (mode) or of another length. */
enum status directory_commitment_key(struct arena *arena, const char *directory,
                                     uint8_t out_key[REGISTRY_COMMITMENT_KEY_LEN],
                                     struct fault *fault);

/* store/, read-only beside a daemon, or for writing (LOCKED while a daemon runs). */
enum status directory_open_registry(struct arena *arena, const char *directory, bool is_read_only,
                                    struct registry **out_registry, struct fault *fault);
