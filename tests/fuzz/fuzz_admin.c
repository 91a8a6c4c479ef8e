/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of administrative requests and messages of sessions, through a whole worker on the fake
 * network: challenges, proofs, authorisation, change sets up to the committer, which changes
 * nothing here, so that each input meets the same node.
 *
 * An input is: how it is asked (below), the operation, flags, then the body. Every answer must be
 * one, and nothing is written for somebody who has proved nothing.
 */
#include <stdlib.h>

#include "tests/scenario/scene_auth.h"

#include "protocol/opcode.h"

#define HEAD 3
#define REQUESTS_MAX 3000 /* then another node: tables have filled */

enum asking {
    ASK_NOBODY,    /* as it is */
    ASK_PROVED,    /* and its challenge is answered */
    ASK_WRONGLY,   /* the input is the answer to a challenge */
    ASK_LOGGED_IN, /* on a connection that has logged in */
    ASK_SESSION,   /* in a session, with MAC */
    ASK_SEALED,    /* and encrypted */
    ASK_BARE,      /* in a session, without MAC */
    ASK_INSIDE,    /* the input is a whole message, encrypted */
    ASK_BY_UDP,    /* as one datagram or in pieces */
    ASKINGS,
};

struct node {
    struct scene *scene;
    struct session_key key;
    uint32_t session_id;
    uint32_t counter;
    unsigned requests;
    bool has_written;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static const uint32_t opcodes[] = {
    OPCODE_CREATE_HANDLE,
    OPCODE_DELETE_HANDLE,
    OPCODE_ADD_VALUE,
    OPCODE_REMOVE_VALUE,
    OPCODE_MODIFY_VALUE,
    OPCODE_LIST_HANDLES,
    OPCODE_HOME_PREFIX,
    OPCODE_LIST_DERIVED_PREFIXES,
    OPCODE_UNHOME_PREFIX,
    OPCODE_LIST_HOMED_PREFIXES,
    OPCODE_RESOLUTION,
    OPCODE_LOGIN,
    OPCODE_LOGIN_PASSWORD,
    OPCODE_VERIFY_RESPONSE,
    OPCODE_SESSION_SETUP,
    OPCODE_SESSION_TERMINATE,
    OPCODE_SESSION_EXCHANGE_KEY,
    OPCODE_CHALLENGE_RESPONSE,
};

/* Bits of the third byte. */
static uint32_t flags_of(uint8_t bits)
{
    static const uint32_t flags[] = {MESSAGE_PUBLIC_ONLY,    MESSAGE_OVERWRITE, MESSAGE_MINT,
                                     MESSAGE_REQUEST_DIGEST, MESSAGE_CERTIFIED, MESSAGE_ENCRYPT};
    uint32_t set = MESSAGE_RECURSIVE;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        set |= (bits >> i & 1) != 0 ? flags[i] : 0;
    }
    return set;
}

/* In the committer's place: what was prepared is called done. */
static enum status submit(void *context, struct change_set *set, committer_done *done,
                          void *done_context)
{
    struct node *node = context;
    node->has_written = true;
    done(set, done_context);
    return STATUS_OK;
}

/* --- the node ----------------------------------------------------------------------------------
 */

static void open_session(struct node *node)
{
    struct scene *scene = node->scene;
    struct sessions_limits limits = {.sessions = 16, .sessions_per_source = 16};
    node->key = (struct session_key){.algorithm = SESSION_AES, .len = SESSION_KEY_MAX};
    memset(node->key.data, 0x5a, node->key.len);
    const struct session_ask ask = {
        .key = &node->key,
        .version = {2, 11},
        .identity = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = 302},
        .timeout_ms = INT64_MAX / 4,
    };
    require(sessions_open(scene->sessions, &limits, net_wall_ms(scene->worker_net), &ask,
                          &node->session_id) == STATUS_OK);
    sessions_authenticate(scene->sessions, node->session_id, 302);
    node->counter = 0;
}

static void node_open(struct node *node)
{
    void *state = NULL;
    require(scene_auth_open(&state) == 0);
    node->scene = state;
    scene_trust(node->scene);
    node->scene->settings->auth_password_login = true;
    node->scene->worker.services.submit = submit;
    node->scene->worker.services.submit_context = node;
    node->requests = 0;
    open_session(node);
}

static void node_close(struct node *node)
{
    void *state = node->scene;
    (void)scene_close(&state);
}

/* --- asking ------------------------------------------------------------------------------------
 */

/* All whole answers since the last time; the last one decoded. False: there was none to decode. */
static bool take_answers(const struct node *node, struct scene_tcp *tcp, struct message *out_last)
{
    struct bytes came = scene_tcp_next(tcp);
    bool is_there = false;
    for (; came.len > 0; came = scene_tcp_next(tcp)) {
        struct message answer;
        struct envelope envelope;
        require(envelope_decode(came, &envelope) == STATUS_OK);
        if (!envelope.is_encrypted) {
            require(message_decode(scene_copy(node->scene, came), &answer) == STATUS_OK);
            require(answer.header.response_code != 0);
            *out_last = answer;
            is_there = true;
        }
    }
    return is_there;
}

static bool tell(const struct node *node, struct scene_tcp *tcp, struct bytes packet,
                 struct message *out_answer)
{
    (void)scene_tcp_send(tcp, packet);
    fake_world_run(node->scene->world);
    return take_answers(node, tcp, out_answer);
}

/* What was asked under `challenge`, proved with the secret key. */
static void prove(const struct node *node, struct scene_tcp *tcp, const struct message *challenge)
{
    uint8_t signed_room[SECRET_ANSWER_MAX];
    uint8_t body_room[512];
    struct wire_writer s = wire_write(signed_room, sizeof(signed_room));
    struct body_challenge asked;
    struct message answer;
    require(body_challenge_decode(challenge->body, challenge->envelope.version, &asked) ==
            STATUS_OK);
    const struct secret_challenge secret = {
        .nonce = asked.nonce, .digest = bytes_of(asked.digest.data, asked.digest.len)};
    require(secret_answer_make(SECRET_HMAC_SHA256, BYTES_LITERAL(SCENE_SECRET), &secret, NULL,
                               &s) == STATUS_OK);
    const struct body_answer body = {
        .type = BYTES_LITERAL("HS_SECKEY"),
        .identity = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = 302},
        .signed_response = wire_wrote(&s),
    };
    struct wire_writer w = wire_write(body_room, sizeof(body_room));
    body_answer_encode(&w, &body);
    (void)tell(node, tcp,
               scene_packet(&(struct scene_ask){.opcode = OPCODE_CHALLENGE_RESPONSE,
                                                .flags = MESSAGE_RECURSIVE,
                                                .session_id = challenge->envelope.session_id,
                                                .request_id = 3,
                                                .body = wire_wrote(&w)}),
               &answer);
}

static void log_in(const struct node *node, struct scene_tcp *tcp)
{
    uint8_t room[128];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct reference identity = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = 302};
    struct message challenge;
    body_login_encode(&w, &identity);
    require(tell(node, tcp,
                 scene_packet(&(struct scene_ask){.opcode = OPCODE_LOGIN,
                                                  .flags = MESSAGE_REQUEST_DIGEST,
                                                  .request_id = 1,
                                                  .body = wire_wrote(&w)}),
                 &challenge));
    prove(node, tcp, &challenge);
}

static void ask_wrongly(const struct node *node, struct scene_tcp *tcp, struct scene_ask ask)
{
    static const uint8_t slash[] = {0, 0, 0, 1, '/'};
    struct message challenge;
    struct message answer;
    struct scene_ask first = {.opcode = OPCODE_LIST_HOMED_PREFIXES,
                              .request_id = 1,
                              .body = bytes_of(slash, sizeof(slash))};
    require(tell(node, tcp, scene_packet(&first), &challenge));
    require(challenge.header.response_code == 402);
    ask.opcode = OPCODE_CHALLENGE_RESPONSE;
    ask.session_id = challenge.envelope.session_id;
    if (tell(node, tcp, scene_packet(&ask), &answer)) {
        require(answer.header.response_code != 1);
    }
}

/* The input as message, encrypted as in a session. */
static struct bytes inside(const struct node *node, struct bytes message)
{
    static uint8_t packet[SCENE_PACKET];
    const struct envelope envelope = {.version = {2, 11},
                                      .suggested = {2, 11},
                                      .session_id = node->session_id,
                                      .request_id = 4,
                                      .message_len = (uint32_t)message.len};
    struct wire_writer w = wire_write(packet, sizeof(packet));
    envelope_encode(&w, &envelope);
    wire_put_raw(&w, message);
    return scene_encrypt(&node->key, packet, MESSAGE_ENVELOPE_LEN + message.len);
}

static void ask_by_udp(const struct node *node, struct bytes packet)
{
    struct scene_udp *udp = scene_udp_open(node->scene);
    uint32_t pieces = fragment_count((uint32_t)(packet.len - MESSAGE_ENVELOPE_LEN));
    if (pieces <= 1) {
        scene_udp_send(node->scene, udp, packet);
    }
    for (uint32_t i = 0; pieces > 1 && i < pieces; i++) {
        scene_udp_send_piece(node->scene, udp, packet, i);
    }
    fake_world_run(node->scene->world);
    scene_udp_close(udp);
}

static void ask_plainly(const struct node *node, struct scene_tcp *tcp, enum asking asking,
                        const struct scene_ask *ask)
{
    struct message answer;
    bool is_answered = tell(node, tcp, scene_packet(ask), &answer);
    if (asking == ASK_PROVED && is_answered && answer.header.response_code == 402) {
        prove(node, tcp, &answer);
    }
}

static void run(struct node *node, enum asking asking, struct scene_ask *ask, struct bytes input)
{
    struct message answer;
    struct scene_tcp *tcp = scene_tcp_open(node->scene);
    switch (asking) {
    case ASK_LOGGED_IN:
        log_in(node, tcp);
        ask_plainly(node, tcp, asking, ask);
        break;
    case ASK_WRONGLY:
        ask_wrongly(node, tcp, *ask);
        break;
    case ASK_SESSION:
    case ASK_SEALED:
        ask->key = &node->key;
        ask->counter = ++node->counter;
        ask->is_encrypted = asking == ASK_SEALED;
        ask->session_id = node->session_id;
        (void)tell(node, tcp, scene_packet(ask), &answer);
        break;
    case ASK_INSIDE:
        (void)tell(node, tcp, inside(node, input), &answer);
        break;
    case ASK_BY_UDP:
        ask_by_udp(node, scene_packet(ask));
        break;
    default:
        ask->session_id = asking == ASK_BARE ? node->session_id : 0;
        ask_plainly(node, tcp, asking, ask);
        break;
    }
    scene_tcp_close(tcp);
    fake_world_advance(node->scene->world, 1);
}

static bool may_write(enum asking asking)
{
    return asking == ASK_PROVED || asking == ASK_LOGGED_IN || asking == ASK_SESSION ||
           asking == ASK_SEALED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct node node;
    if (size < HEAD || size > SCENE_PACKET / 2) {
        return 0;
    }
    if (node.scene == NULL || node.requests == REQUESTS_MAX) {
        if (node.scene != NULL) {
            node_close(&node);
        }
        node_open(&node);
    }
    enum asking asking = data[0] % ASKINGS;
    struct scene_ask ask = {
        .opcode = opcodes[data[1] % (sizeof(opcodes) / sizeof(opcodes[0]))],
        .flags = flags_of(data[2]),
        .request_id = 2,
        .body = bytes_of(data + HEAD, size - HEAD),
    };
    node.has_written = false;
    node.requests++;
    arena_reset(node.scene->kept);
    run(&node, asking, &ask, ask.body);
    require(!node.has_written || may_write(asking));
    /* A session that was ended, or has been crowded out: another one. */
    struct session *session = NULL;
    if (sessions_get(node.scene->sessions, net_wall_ms(node.scene->worker_net), node.session_id,
                     &session) != STATUS_OK) {
        open_session(&node);
    }
    session_free(session);
    return 0;
}
