/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients that create records: a request, its challenge, the proof, the answer, each on a kept TCP
 * connection; then the same names are resolved and compared. Every answer is checked.
 *
 *   create_load create|check KEY-FILE|SECRET IDENTITY PREFIX FIRST COUNT CONNECTIONS RATE PORT
 *
 * COUNT names PREFIX/C-<number> from FIRST on. KEY-FILE is a PEM; anything else is the secret of an
 * HS_SECKEY value, answered with HMAC-SHA256. RATE 0: as fast as CONNECTIONS one after the other
 * allow. Prints JSON; the clients' own signing is left out of the latencies and told apart, as
 * nobody can sign before the nonce came. Exit code: 0 when every answer was right.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "protocol/body.h"
#include "protocol/opcode.h"
#include "protocol/secret_answer.h"
#include "protocol/signature.h"
#include "protocol/value.h"
#include "tests/bench/load_histogram.h"

#define SECOND_NS 1000000000
#define CONNECTIONS_MAX 1024
#define PACKET_ROOM 4096
#define FILLER 300 /* bytes of the value: rows as large as those of the other measurements */
#define PERMISSIONS 0x0e
#define EXPIRATION 0x7fffffff
#define PATIENCE_MS 30000

struct client {
    int fd;
    uint64_t number; /* of the name under way */
    bool is_busy;
    bool is_proved;
    int64_t sent_ns;
    int64_t waited_ns; /* on the first leg */
    size_t got;
    uint8_t in[PACKET_ROOM];
};

struct run {
    bool is_check;
    EVP_PKEY *key; /* NULL: the secret */
    const char *secret;
    struct reference identity;
    const char *prefix;
    uint64_t first;
    uint64_t count;
    uint64_t rate;
    uint64_t issued;
    uint64_t right;
    uint64_t wrong;
    int64_t begin_ns;
    int64_t signing_ns;
    int epoll;
    uint32_t clients;
    struct client *client;
    struct histogram latency;
    uint32_t last_code; /* of an answer that was wrong */
};

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* --- messages ----------------------------------------------------------------------------------
 */

static struct bytes name_of(const struct run *run, uint64_t number, char room[128])
{
    int len = snprintf(room, 128, "%s/C-%010llu", run->prefix, (unsigned long long)number);
    return bytes_of((const uint8_t *)room, (size_t)len);
}

/* Bytes that tell one record from another. */
static struct bytes filler_of(uint64_t number, char room[FILLER + 1])
{
    (void)snprintf(room, FILLER + 1, "%0*llu", FILLER, (unsigned long long)number);
    return bytes_of((const uint8_t *)room, FILLER);
}

static void put_values(const struct run *run, uint64_t number, struct wire_writer *w)
{
    char name[128];
    char filler[FILLER + 1];
    struct value value = {
        .index = 1,
        .ttl = 86400,
        .permissions = PERMISSIONS,
        .type = BYTES_LITERAL("TEXT"),
        .data = filler_of(number, filler),
    };
    const struct body_values body = {
        .handle = name_of(run, number, name), .values = &value, .count = 1};
    body_values_encode(w, &body);
}

static void put_question(const struct run *run, uint64_t number, struct wire_writer *w)
{
    char name[128];
    wire_put_bytes(w, name_of(run, number, name));
    wire_put_u32(w, 0);
    wire_put_u32(w, 0);
}

static struct wire_writer open_packet(uint8_t *room, uint32_t opcode, uint32_t session_id,
                                      uint64_t number, struct message_marks *out_marks)
{
    const struct envelope envelope = {.version = {2, 11},
                                      .suggested = {2, 11},
                                      .session_id = session_id,
                                      .request_id = (uint32_t)number + 1};
    const struct header header = {.opcode = opcode,
                                  .flags = MESSAGE_RECURSIVE | MESSAGE_PUBLIC_ONLY,
                                  .site_serial = MESSAGE_SERIAL_UNKNOWN,
                                  .expiration = EXPIRATION};
    struct wire_writer w = wire_write(room, PACKET_ROOM);
    *out_marks = message_open(&w, &envelope, &header);
    return w;
}

static bool deliver(struct client *client, struct wire_writer *w, struct message_marks marks)
{
    message_close(w, marks, NULL);
    struct bytes packet = wire_wrote(w);
    client->sent_ns = now_ns();
    return !w->failed &&
           send(client->fd, packet.data, packet.len, MSG_NOSIGNAL) == (ssize_t)packet.len;
}

static bool ask(struct run *run, struct client *client)
{
    uint8_t room[PACKET_ROOM];
    struct message_marks marks;
    uint32_t opcode = run->is_check ? OPCODE_RESOLUTION : OPCODE_CREATE_HANDLE;
    client->number = run->first + run->issued++;
    client->is_busy = true;
    client->is_proved = false;
    client->waited_ns = 0;
    struct wire_writer w = open_packet(room, opcode, 0, client->number, &marks);
    if (run->is_check) {
        put_question(run, client->number, &w);
    } else {
        put_values(run, client->number, &w);
    }
    return deliver(client, &w, marks);
}

static enum status sign(const struct run *run, const struct message *asked, struct wire_writer *w)
{
    struct body_challenge challenge;
    enum status status = body_challenge_decode(asked->body, asked->envelope.version, &challenge);
    struct bytes digest = bytes_of(challenge.digest.data, challenge.digest.len);
    if (status != STATUS_OK) {
        return status;
    }
    if (run->key == NULL) {
        const struct secret_challenge secret = {.nonce = challenge.nonce, .digest = digest};
        return secret_answer_make(SECRET_HMAC_SHA256, bytes_of_text(run->secret), &secret, NULL, w);
    }
    const struct signature_challenge question = {
        .user_handle = run->identity.handle, .nonce = challenge.nonce, .digest = digest};
    return signature_answer_make(run->key, asked->envelope.version, &question, w);
}

static bool prove(struct run *run, struct client *client, const struct message *asked)
{
    uint8_t room[PACKET_ROOM];
    uint8_t signed_room[SIGNATURE_MAX];
    struct message_marks marks;
    struct wire_writer s = wire_write(signed_room, sizeof(signed_room));
    int64_t begin_ns = now_ns();
    client->waited_ns = begin_ns - client->sent_ns;
    if (sign(run, asked, &s) != STATUS_OK) {
        return false;
    }
    run->signing_ns += now_ns() - begin_ns;
    struct wire_writer w = open_packet(room, OPCODE_CHALLENGE_RESPONSE, asked->envelope.session_id,
                                       client->number, &marks);
    const struct body_answer body = {
        .type = run->key == NULL ? BYTES_LITERAL("HS_SECKEY") : BYTES_LITERAL("HS_PUBKEY"),
        .identity = run->identity,
        .signed_response = wire_wrote(&s),
    };
    body_answer_encode(&w, &body);
    client->is_proved = true;
    return deliver(client, &w, marks);
}

/* --- answers -----------------------------------------------------------------------------------
 */

static bool is_right(const struct run *run, const struct client *client,
                     const struct message *answer)
{
    char name[128];
    char filler[FILLER + 1];
    uint32_t opcode = run->is_check ? OPCODE_RESOLUTION : OPCODE_CREATE_HANDLE;
    struct wire_reader r = wire_read(answer->body);
    bool is_ours = bytes_equal(wire_bytes(&r), name_of(run, client->number, name));
    if (run->is_check) {
        is_ours = is_ours && wire_u32(&r) == 1 && wire_u32(&r) == 1;
        (void)wire_take(&r, 10); /* timestamp, time to live, permissions */
        is_ours = is_ours && bytes_equal(wire_bytes(&r), BYTES_LITERAL("TEXT")) &&
                  bytes_equal(wire_bytes(&r), filler_of(client->number, filler));
    }
    return is_ours && wire_ok(&r) && answer->header.opcode == opcode &&
           answer->header.response_code == 1 &&
           answer->envelope.request_id == (uint32_t)client->number + 1;
}

static void finish(struct run *run, struct client *client, const struct message *answer)
{
    client->is_busy = false;
    if (!is_right(run, client, answer)) {
        run->wrong++;
        run->last_code = answer->header.response_code;
        return;
    }
    run->right++;
    histogram_record(&run->latency, (uint64_t)(client->waited_ns + now_ns() - client->sent_ns));
}

/* False: the connection is of no more use. */
static bool take(struct run *run, struct client *client)
{
    struct message answer;
    struct bytes packet = bytes_of(client->in, client->got);
    struct envelope envelope;
    if (envelope_decode(packet, &envelope) != STATUS_OK ||
        packet.len < MESSAGE_ENVELOPE_LEN + (size_t)envelope.message_len) {
        return client->got < sizeof(client->in);
    }
    client->got = 0;
    if (message_decode(packet, &answer) != STATUS_OK) {
        return false;
    }
    if (answer.header.response_code == 402 && !client->is_proved) {
        return prove(run, client, &answer);
    }
    finish(run, client, &answer);
    return true;
}

static bool hear(struct run *run, struct client *client)
{
    ssize_t got =
        recv(client->fd, client->in + client->got, sizeof(client->in) - client->got, MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
    client->got += (size_t)got;
    return take(run, client);
}

/* --- the run -----------------------------------------------------------------------------------
 */

static bool is_due(const struct run *run)
{
    if (run->issued == run->count) {
        return false;
    }
    return run->rate == 0 ||
           now_ns() >= run->begin_ns + (int64_t)(run->issued * SECOND_NS / run->rate);
}

static bool dial(struct run *run, uint16_t port)
{
    int yes = 1;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    run->client = calloc(run->clients, sizeof(*run->client));
    if (run->epoll < 0 || run->client == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < run->clients; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        run->client[i].fd = fd;
        if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0 ||
            connect(fd, (const struct sockaddr *)&server, sizeof(server)) != 0 ||
            epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            return false;
        }
    }
    return true;
}

static bool ask_all(struct run *run)
{
    for (uint32_t i = 0; i < run->clients && is_due(run); i++) {
        if (!run->client[i].is_busy && !ask(run, &run->client[i])) {
            return false;
        }
    }
    return true;
}

static bool go(struct run *run)
{
    struct epoll_event events[64];
    run->begin_ns = now_ns();
    int64_t heard_ns = run->begin_ns;
    while (run->right + run->wrong < run->count) {
        if (!ask_all(run) || now_ns() - heard_ns > (int64_t)PATIENCE_MS * 1000000) {
            return false;
        }
        int ready = epoll_wait(run->epoll, events, 64, run->rate == 0 ? 1000 : 1);
        for (int i = 0; i < ready; i++) {
            heard_ns = now_ns();
            if (!hear(run, &run->client[events[i].data.u32])) {
                return false;
            }
        }
    }
    return true;
}

static void tell(const struct run *run, bool is_whole)
{
    double seconds = (double)(now_ns() - run->begin_ns) / SECOND_NS;
    double right = run->right == 0 ? 1 : (double)run->right;
    printf("{\"right\":%llu,\"wrong\":%llu,\"unanswered\":%llu,\"is_whole\":%s,\"last_code\":%u,"
           "\"seconds\":%.4f,\"rate\":%.1f,\"signing_us\":%.2f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
           (unsigned long long)run->right, (unsigned long long)run->wrong,
           (unsigned long long)(run->count - run->right - run->wrong), is_whole ? "true" : "false",
           run->last_code, seconds, (double)run->right / seconds,
           (double)run->signing_ns / 1e3 / right,
           (double)histogram_percentile(&run->latency, 0.5) / 1e3,
           (double)histogram_percentile(&run->latency, 0.99) / 1e3);
}

static bool read_identity(struct run *run, const char *text)
{
    char *end = NULL;
    run->identity.index = (uint32_t)strtoul(text, &end, 10);
    run->identity.handle = bytes_of_text(end + (*end == ':'));
    return *end == ':';
}

int main(int count, char **text)
{
    static struct run run;
    if (count != 10 || !read_identity(&run, text[3])) {
        (void)fputs("create_load create|check KEY-FILE|SECRET INDEX:HANDLE PREFIX FIRST COUNT "
                    "CONNECTIONS RATE PORT\n",
                    stderr);
        return 2;
    }
    FILE *file = fopen(text[2], "re");
    run.key = file == NULL ? NULL : PEM_read_PrivateKey(file, NULL, NULL, NULL);
    run.is_check = strcmp(text[1], "check") == 0;
    run.secret = text[2];
    run.prefix = text[4];
    run.first = strtoull(text[5], NULL, 10);
    run.count = strtoull(text[6], NULL, 10);
    run.clients = (uint32_t)strtoul(text[7], NULL, 10);
    run.rate = strtoull(text[8], NULL, 10);
    bool is_whole = run.clients > 0 && run.clients <= CONNECTIONS_MAX &&
                    dial(&run, (uint16_t)strtoul(text[9], NULL, 10)) && go(&run);
    tell(&run, is_whole);
    return is_whole && run.wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
