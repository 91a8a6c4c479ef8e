/* SPDX-License-Identifier: Apache-2.0
 *
 * The control socket of a running node: run/control.sock, peer credentials, one admin thread.
 *
 * Frames both ways: int4 length ‖ int1 kind ‖ payload (length counts kind and payload; at most
 * CONTROL_FRAME_MAX). Kinds: CALL (JSON {"command":"node status","arguments":{...}}) answered by
 * RESULT (JSON) or PROBLEM (JSON {"status":name,"text":...}); CHANGE_SET (int8 tag ‖ encoded set)
 * answered by OUTCOME (int8 tag ‖ status name ‖ int4 n ‖ n x (status name ‖ int8 version)) after
 * its commit. Several change sets may be outstanding on one connection.
 *
 * Allowed: the daemon's uid, root, and members of group `guantong`; everyone else is refused and
 * logged. The admin thread may block; it never touches a worker's state.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "conf/settings.h"
#include "registry/registry.h"
#include "resolver/log.h"
#include "resolver/node.h"

#define CONTROL_FRAME_MAX (20u << 20)

enum control_kind {
    CONTROL_CALL = 1,
    CONTROL_CHANGE_SET = 2,
    CONTROL_RESULT = 3,
    CONTROL_PROBLEM = 4,
    CONTROL_OUTCOME = 5,
};

struct control;

struct control_options {
    const char *socket_path;
    struct node *node;         /* borrowed until control_stop */
    struct registry *registry; /* borrowed until control_stop */
    struct log *log;
    /* Called on the admin thread; main's answer after it has done it (reload waits for the workers;
     * drain only starts). */
    enum status (*reload)(void *context, struct fault *fault);
    void (*drain)(void *context);
    void *context;
};

/* Opens the socket and starts the admin thread. LOCKED: another daemon listens there. */
enum status control_start(const struct control_options *options, struct control **out_control,
                          struct fault *fault);

/* What serves now, for `conf diff`: copied. Call it after control_start and after every reload; any
 * thread. */
void control_publish_settings(struct control *control, const struct settings *settings);

/* Answers what is outstanding, closes the socket, ends the thread. NULL is allowed. */
void control_stop(struct control *control);

/* --- the other side (CLI) --------------------------------------------------------------------- */

struct control_client;

/* CLOSED / UNREACHABLE when no daemon listens; blocking calls on one connection. */
enum status control_connect(const char *socket_path, struct control_client **out_client);
void control_disconnect(struct control_client *client);

/* `arguments` is borrowed, may be NULL. `out_result` is a new reference. */
enum status control_call(struct control_client *client, const char *command, json_t *arguments,
                         json_t **out_result, struct fault *fault);

/* Raw frames for the writer: sends one; receives the next (payload valid until the next call).
 * `timeout_ms` 0: PENDING at once when nothing waits; -1: no limit. */
enum status control_send(struct control_client *client, enum control_kind kind,
                         struct bytes payload);
enum status control_receive(struct control_client *client, int timeout_ms,
                            enum control_kind *out_kind, struct bytes *out_payload);

/* "HANDLE_EXISTS" as it stands in OUTCOME and PROBLEM frames; ERROR for an unknown name. */
enum status control_status_of_name(struct bytes name);

/* "uid:0(root)": who acts, as journal and log name a local user. Any thread. */
void control_actor(uid_t uid, char *out, size_t size);
