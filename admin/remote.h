/* SPDX-License-Identifier: Apache-2.0
 *
 * What the `guantong remote` commands share: which server, who asks with which key, and calls that
 * are waited for.
 *
 * What is not given on the command line comes from the file that `remote login` wrote
 * ($XDG_CONFIG_HOME/guantong/remote.json): server, identity, the key file's path and the server's
 * public key; never a secret.
 */
#pragma once

#include "admin/command.h"
#include "admin/key_file.h"
#include "admin/server_name.h"
#include "resolver/client.h"

struct remote {
    struct command_call *call;
    struct net *net;
    struct server_name server;
    struct net_address addresses[SERVER_NAME_ADDRESSES_MAX];
    size_t address_count;
    size_t address; /* the one that answered last */
    int64_t timeout_ms;
    const char **arguments; /* those that do not name the server */
    size_t argument_count;

    const char *identity_text; /* "300:88.608.8889/User_li"; NULL: nobody */
    const char *key_path;
    bool is_secret; /* the key file holds a secret */
    bool is_tls;
    struct client_identity identity;
    struct key_file key;
    struct bytes server_record; /* HS_PUBKEY of the server, pinned at login; empty: not known */
    EVP_PKEY *server_key;       /* from it, with --certified */
    struct tls_context *tls;    /* with --tls: trusts that key if it is known, shows ours */

    /* of the last call, in the call's arena */
    enum status status;  /* of the exchange */
    enum status outcome; /* what the server answered; ERROR for codes unknown here */
    uint32_t code;       /* as it travelled */
    struct bytes body;
    const char *text; /* what the server said about a failure; "" */
    client_more *more;
    void *context;
};

/* Reads arguments, options and file, looks the server up. EXIT_OK, or the exit code of a problem
 * that was said; remote_close in every case. */
int remote_open(struct command_call *call, bool needs_identity, struct remote *out_remote);
void remote_close(struct remote *remote);

/* One call, waited for. OK: an answer came; its code stands in `outcome`. `more` may be NULL. */
enum status remote_ask(struct remote *remote, const struct client_request *request,
                       client_more *more, void *context);

/* Says why the last call failed about `what`, and returns the exit code. */
int remote_say_failure(struct remote *remote, const char *what);

/* What `remote login` keeps. */
enum status remote_remember(const struct remote *remote, const char **out_path,
                            struct fault *fault);
enum status remote_forget(struct command_call *call, const char **out_path, struct fault *fault);
