/* SPDX-License-Identifier: Apache-2.0
 *
 * An answer taken apart and shown: as a page, as values alone, as one JSON document.
 *
 * Everything points into the packets and the command's arena.
 */
#pragma once

#include "admin/command.h"
#include "admin/resolve_question.h"
#include "admin/resolve_verify.h"
#include "protocol/body.h"
#include "resolver/ask.h"

enum resolve_digest {
    RESOLVE_DIGEST_NONE, /* not in the answer */
    RESOLVE_DIGEST_RIGHT,
    RESOLVE_DIGEST_WRONG, /* of another request: the answer is not to be believed */
};

struct resolve_answer {
    const struct resolve_question *question;
    char server[NET_ADDRESS_TEXT];
    enum ask_transport transport;
    bool is_verified; /* TLS: the server has the key it was to have */
    bool fell_back;   /* no answer over UDP before */
    struct bytes request;
    struct bytes packet;
    struct ask_figures figures;
    /* filled by resolve_answer_read */
    struct message message;
    enum resolve_digest digest;
    struct body_values values; /* of a success or a referral */
    struct bytes site;
    struct bytes text;                   /* of an error */
    struct bytes nonce;                  /* of a challenge */
    const struct resolve_verify *verify; /* what became of its signatures; NULL: not looked at */
};

/* PROTOCOL_ERROR (reason in `fault`), NO_MEMORY. `request` and `packet` are set. */
enum status resolve_answer_read(struct resolve_answer *answer, struct arena *arena,
                                struct fault *fault);

/* By --json, --short, --hex. Returns the exit code of the answer. */
int resolve_answer_print(struct command_call *call, const struct resolve_answer *answer);

/* 0 success; 1 negative: 100, 200, 300-303; 4 anything else. */
int resolve_exit_code(uint32_t response_code);
