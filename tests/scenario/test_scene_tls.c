/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS on the fake network: OpenSSL's client over memory, the bytes carried by hand, so that every
 * tearing of them can be tried.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/tls.h"
#include "tests/scenario/fake_net.h"

#define NAME "300:0.NA/88.608"
#define ROOM 65536

struct scene {
    struct fake_world *world;
    struct net *server_net;
    struct net *client_net;
    struct net_listener *listener;
    struct net_stream *ours;   /* accepted */
    struct net_stream *theirs; /* the client's end */
    struct tls_context *context;
    struct tls *tls;
    EVP_PKEY *key;
    SSL_CTX *client_context;
    SSL *client;
    BIO *to_client;
    BIO *from_client;
    size_t chunk; /* bytes carried at a time; 0: all */
};

static void ignore(void *context)
{
    (void)context;
}

static void ignore_failure(void *context, enum status status)
{
    (void)context;
    (void)status;
}

static const struct net_stream_events no_events = {ignore, ignore, ignore_failure};

static void scene_on_accepted(void *context, struct net_stream *stream)
{
    struct scene *scene = context;
    net_stream_set_events(stream, &no_events, NULL);
    scene->ours = stream;
}

static void open_context(struct scene *scene, bool asks)
{
    struct fault fault = {STATUS_OK, ""};
    struct tls_options options = {
        .site_key = scene->key, .site_name = NAME, .asks_certificate = asks};
    assert_int_equal(tls_context_new(&options, &scene->context, &fault), STATUS_OK);
}

static void connect_client(struct scene *scene)
{
    struct net_address address;
    assert_int_equal(net_address_parse("127.0.0.1", 2643, &address), STATUS_OK);
    assert_int_equal(
        net_listen(scene->server_net, &address, scene_on_accepted, scene, &scene->listener, NULL),
        STATUS_OK);
    assert_int_equal(net_connect(scene->client_net, &address, &no_events, NULL, &scene->theirs),
                     STATUS_OK);
    fake_world_run(scene->world);
    assert_non_null(scene->ours);
    assert_int_equal(tls_accept(scene->context, scene->ours, &scene->tls), STATUS_OK);
    scene->client_context = SSL_CTX_new(TLS_client_method());
    scene->client = SSL_new(scene->client_context);
    scene->to_client = BIO_new(BIO_s_mem());
    scene->from_client = BIO_new(BIO_s_mem());
    SSL_set_bio(scene->client, scene->to_client, scene->from_client);
    SSL_set_connect_state(scene->client);
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->world = fake_world_new();
    scene->server_net = fake_world_net(scene->world);
    scene->client_net = fake_world_net(scene->world);
    scene->key = EVP_RSA_gen(2048u);
    assert_non_null(scene->key);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    SSL_free(scene->client);
    SSL_CTX_free(scene->client_context);
    tls_free(scene->tls);
    tls_context_free(scene->context);
    net_stream_close(scene->ours);
    net_stream_close(scene->theirs);
    net_listener_close(scene->listener);
    net_free(scene->server_net);
    net_free(scene->client_net);
    fake_world_free(scene->world);
    EVP_PKEY_free(scene->key);
    free(scene);
    return 0;
}

/* Carries what both sides have to say; true when something moved. */
static bool carry(struct scene *scene)
{
    uint8_t room[ROOM];
    size_t most = scene->chunk == 0 ? sizeof(room) : scene->chunk;
    bool moved = false;
    int len = BIO_read(scene->from_client, room, (int)most);
    if (len > 0) {
        size_t took = 0;
        assert_int_equal(net_stream_write(scene->theirs, bytes_of(room, (size_t)len), &took),
                         STATUS_OK);
        assert_int_equal(took, len);
        moved = true;
    }
    fake_world_run(scene->world);
    size_t got = 0;
    if (net_stream_read(scene->theirs, room, most, &got) == STATUS_OK) {
        assert_int_equal(BIO_write(scene->to_client, room, (int)got), got);
        moved = true;
    }
    return moved;
}

static enum status shake_hands(struct scene *scene)
{
    uint8_t room[16];
    size_t got = 0;
    enum status status = STATUS_PENDING;
    for (int i = 0; i < 20000 && status == STATUS_PENDING; i++) {
        int done = SSL_do_handshake(scene->client);
        status = tls_read(scene->tls, room, sizeof(room), &got);
        bool moved = carry(scene);
        if (done == 1 && tls_is_established(scene->tls) && !moved) {
            return STATUS_OK;
        }
    }
    return status;
}

/* The client says `len` bytes; what we read of it must be the same. */
static void client_says(struct scene *scene, size_t len)
{
    uint8_t *text = malloc(len);
    uint8_t *read = malloc(len);
    size_t done = 0;
    assert_true(text != NULL && read != NULL);
    for (size_t i = 0; i < len; i++) {
        text[i] = (uint8_t)(i * 7);
    }
    assert_int_equal(SSL_write(scene->client, text, (int)len), len);
    for (int i = 0; i < 100000 && done < len; i++) {
        size_t got = 0;
        (void)carry(scene);
        while (done < len && tls_read(scene->tls, read + done, len - done, &got) == STATUS_OK) {
            done += got;
        }
    }
    assert_int_equal(done, len);
    assert_memory_equal(read, text, len);
    free(text);
    free(read);
}

/* We say `len` bytes through however small a window. */
static void we_say(struct scene *scene, size_t len)
{
    uint8_t *text = malloc(len);
    uint8_t *read = malloc(len);
    size_t said = 0;
    size_t done = 0;
    assert_true(text != NULL && read != NULL);
    memset(text, 0x42, len);
    for (int i = 0; i < 100000 && done < len; i++) {
        size_t took = 0;
        if (said < len) {
            enum status status = tls_write(scene->tls, bytes_of(text + said, len - said), &took);
            assert_true(status == STATUS_OK || status == STATUS_PENDING);
            assert_true(status == STATUS_OK || tls_wants_write(scene->tls));
            said += took;
        }
        (void)carry(scene);
        int got = SSL_read(scene->client, read + done, (int)(len - done));
        done += got > 0 ? (size_t)got : 0;
    }
    assert_int_equal(done, len);
    assert_memory_equal(read, text, len);
    free(text);
    free(read);
}

static void connection_carries_both_ways(void **state)
{
    struct scene *scene = *state;
    open_context(scene, false);
    connect_client(scene);
    assert_int_equal(shake_hands(scene), STATUS_OK);
    client_says(scene, 1);
    client_says(scene, 100000);
    we_say(scene, 100000);
}

static void connection_when_bytes_trickle_still_works(void **state)
{
    struct scene *scene = *state;
    scene->chunk = 1;
    open_context(scene, false);
    connect_client(scene);
    assert_int_equal(shake_hands(scene), STATUS_OK);
    client_says(scene, 300);
}

static void answer_when_the_peer_takes_little_waits_for_room(void **state)
{
    struct scene *scene = *state;
    open_context(scene, false);
    connect_client(scene);
    assert_int_equal(shake_hands(scene), STATUS_OK);
    fake_world_streams(scene->world, 100, 300);
    scene->chunk = 50;
    we_say(scene, 20000);
}

static void certificate_names_the_site_and_has_its_key(void **state)
{
    struct scene *scene = *state;
    open_context(scene, false);
    connect_client(scene);
    assert_int_equal(shake_hands(scene), STATUS_OK);
    X509 *certificate = SSL_get0_peer_certificate(scene->client);
    EVP_PKEY *key = X509_get_pubkey(certificate);
    char name[128] = "";
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_userId, name,
                                    sizeof(name));
    assert_int_equal(EVP_PKEY_eq(key, scene->key), 1);
    assert_string_equal(name, NAME);
    assert_int_equal(X509_verify(certificate, key), 1);
    EVP_PKEY_free(key);
}

static void version_below_1_2_is_refused(void **state)
{
    struct scene *scene = *state;
    open_context(scene, false);
    connect_client(scene);
    (void)SSL_set_min_proto_version(scene->client, TLS1_VERSION);
    (void)SSL_set_max_proto_version(scene->client, TLS1_1_VERSION);
    SSL_set_security_level(scene->client, 0);
    assert_int_equal(shake_hands(scene), STATUS_CLOSED);
}

static void bytes_that_are_not_tls_close_the_connection(void **state)
{
    struct scene *scene = *state;
    uint8_t room[64];
    size_t took = 0;
    size_t got = 0;
    open_context(scene, false);
    connect_client(scene);
    assert_int_equal(
        net_stream_write(scene->theirs, BYTES_LITERAL("GET / HTTP/1.1\r\n\r\n"), &took), STATUS_OK);
    fake_world_run(scene->world);
    assert_int_equal(tls_read(scene->tls, room, sizeof(room), &got), STATUS_CLOSED);
    assert_int_equal(tls_read(scene->tls, room, sizeof(room), &got), STATUS_CLOSED);
    assert_int_equal(tls_write(scene->tls, BYTES_LITERAL("x"), &took), STATUS_CLOSED);
}

static void record_when_tampered_with_closes_the_connection(void **state)
{
    struct scene *scene = *state;
    uint8_t room[ROOM];
    size_t took = 0;
    size_t got = 0;
    open_context(scene, false);
    connect_client(scene);
    assert_int_equal(shake_hands(scene), STATUS_OK);
    assert_int_equal(SSL_write(scene->client, "secret", 6), 6);
    int len = BIO_read(scene->from_client, room, sizeof(room));
    assert_true(len > 10);
    room[len - 3] ^= 1;
    assert_int_equal(net_stream_write(scene->theirs, bytes_of(room, (size_t)len), &took),
                     STATUS_OK);
    fake_world_run(scene->world);
    assert_int_equal(tls_read(scene->tls, room, sizeof(room), &got), STATUS_CLOSED);
}

/* The client shows a certificate of its own making for `key`. */
static void show(struct scene *scene, EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "UID", MBSTRING_UTF8,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(certificate, subject), 1);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_use_certificate(scene->client, certificate), 1);
    assert_int_equal(SSL_use_PrivateKey(scene->client, key), 1);
    X509_free(certificate);
}

static void certificate_of_the_client_tells_key_and_name(void **state)
{
    struct scene *scene = *state;
    struct arena *arena = arena_new(4096, 65536);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    open_context(scene, true);
    connect_client(scene);
    show(scene, key, "300:88.608/User_li");
    assert_int_equal(shake_hands(scene), STATUS_OK);
    EVP_PKEY *shown = tls_peer_key(scene->tls);
    assert_int_equal(EVP_PKEY_eq(shown, key), 1);
    assert_true(bytes_equal(tls_peer_name(scene->tls, arena), BYTES_LITERAL("300:88.608/User_li")));
    EVP_PKEY_free(shown);
    EVP_PKEY_free(key);
    arena_free(arena);
}

static void client_without_certificate_is_served_all_the_same(void **state)
{
    struct scene *scene = *state;
    struct arena *arena = arena_new(4096, 65536);
    open_context(scene, true);
    connect_client(scene);
    assert_int_equal(shake_hands(scene), STATUS_OK);
    assert_null(tls_peer_key(scene->tls));
    assert_int_equal(tls_peer_name(scene->tls, arena).len, 0);
    client_says(scene, 10);
    arena_free(arena);
}

static void context_when_freed_serves_its_connections_on(void **state)
{
    struct scene *scene = *state;
    open_context(scene, false);
    connect_client(scene);
    tls_context_free(scene->context);
    scene->context = NULL;
    assert_int_equal(shake_hands(scene), STATUS_OK);
    client_says(scene, 10);
}

static void end_told_by_us_is_seen_by_the_client(void **state)
{
    struct scene *scene = *state;
    char room[8];
    open_context(scene, false);
    connect_client(scene);
    assert_int_equal(shake_hands(scene), STATUS_OK);
    tls_finish(scene->tls);
    while (carry(scene)) {
    }
    int got = SSL_read(scene->client, room, sizeof(room));
    assert_int_equal(SSL_get_error(scene->client, got), SSL_ERROR_ZERO_RETURN);
}

static void write_pem(const char *path, EVP_PKEY *key, mode_t mode)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void files_that_do_not_fit_are_named(void **state)
{
    struct scene *scene = *state;
    char path[] = "/tmp/guantong-tls-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    (void)close(file);
    write_pem(path, scene->key, 0600);
    struct fault fault = {STATUS_OK, ""};
    struct tls_options options = {.certificate_path = path, .site_key = scene->key};
    assert_int_equal(tls_context_new(&options, &scene->context, &fault), STATUS_BAD_SETTING);
    assert_non_null(strstr(fault.text, path));
    options.certificate_path = "/nowhere.pem";
    assert_int_equal(tls_context_new(&options, &scene->context, &fault), STATUS_BAD_SETTING);
    assert_non_null(strstr(fault.text, "/nowhere.pem"));
    assert_null(scene->context);
    (void)unlink(path);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(connection_carries_both_ways),
        CASE(connection_when_bytes_trickle_still_works),
        CASE(answer_when_the_peer_takes_little_waits_for_room),
        CASE(certificate_names_the_site_and_has_its_key),
        CASE(version_below_1_2_is_refused),
        CASE(bytes_that_are_not_tls_close_the_connection),
        CASE(record_when_tampered_with_closes_the_connection),
        CASE(certificate_of_the_client_tells_key_and_name),
        CASE(client_without_certificate_is_served_all_the_same),
        CASE(context_when_freed_serves_its_connections_on),
        CASE(end_told_by_us_is_seen_by_the_client),
        CASE(files_that_do_not_fit_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
