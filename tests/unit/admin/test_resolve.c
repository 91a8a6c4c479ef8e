/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong resolve`: the request it makes of its words, and what it makes of answers.
 */
#include "tests/unit/admin/run_command.h"

#include "admin/resolve_print.h"
#include "protocol/opcode.h"

struct ask_words {
    struct command_call call;
    char *out, *err;
    size_t out_len, err_len;
};

/* A call with these arguments and options (pairs up to a NULL name). */
static void words_begin(struct ask_words *words, const char *const *arguments,
                        const char *const (*options)[2])
{
    *words = (struct ask_words){0};
    words->call.row = command_find("resolve", NULL);
    words->call.arguments = arguments;
    while (arguments[words->call.argument_count] != NULL) {
        words->call.argument_count++;
    }
    words->call.options = options;
    while (options != NULL && options[words->call.option_count][0] != NULL) {
        words->call.option_count++;
    }
    words->call.arena = arena_new(4096, 1u << 20);
    words->call.out = open_memstream(&words->out, &words->out_len);
    words->call.err = open_memstream(&words->err, &words->err_len);
    assert_true(words->call.arena != NULL && words->call.out != NULL && words->call.err != NULL);
}

static void words_flush(struct ask_words *words)
{
    (void)fflush(words->call.out);
    (void)fflush(words->call.err);
}

static void words_end(struct ask_words *words)
{
    (void)fclose(words->call.out);
    (void)fclose(words->call.err);
    free(words->out);
    free(words->err);
    arena_free(words->call.arena);
}

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OPTIONS(...) ((const char *const[][2]){__VA_ARGS__, {NULL, NULL}})

static void assert_text(struct bytes bytes, const char *text)
{
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.len);
}

/* --- questions -------------------------------------------------------------------------------- */

static void question_of_a_bare_name_has_the_defaults(void **state)
{
    (void)state;
    struct ask_words words;
    struct resolve_question question;
    struct bytes packet;
    struct message message;
    struct body_resolution body;
    words_begin(&words, ARGUMENTS("HDL:88.1000/零件"), NULL);
    assert_int_equal(resolve_question_read(&words.call, &question), EXIT_OK);
    assert_string_equal(question.server.host, "127.0.0.1");
    assert_string_equal(question.server.port, "2641");
    assert_true(question.tries_udp && question.tries_tcp);
    assert_int_equal(resolve_question_encode(&question, words.call.arena, 7, 1000, &packet),
                     STATUS_OK);
    assert_int_equal(message_decode(packet, &message), STATUS_OK);
    assert_memory_equal(packet.data, "\x02\x03\x02\x0b\0\0\0\0\0\0\0\x07", 12);
    assert_int_equal(message.header.opcode, OPCODE_RESOLUTION);
    assert_int_equal(message.header.flags, 0x19000000);
    assert_int_equal(message.header.site_serial, MESSAGE_SERIAL_UNKNOWN);
    assert_int_equal(message.header.expiration, 1000 + MESSAGE_EXPIRY_S);
    assert_int_equal(body_resolution_decode(message.body, &body), STATUS_OK);
    assert_text(body.handle, "88.1000/零件");
    assert_int_equal(body.index_count + body.type_count, 0);
    words_end(&words);
}

static void question_takes_every_option(void **state)
{
    (void)state;
    struct ask_words words;
    struct resolve_question question;
    struct bytes packet;
    struct message message;
    struct body_resolution body;
    struct bytes type;
    words_begin(&words, ARGUMENTS("@[::1]:2841", "88.1000/x"),
                OPTIONS({"--private", ""}, {"--certified", ""}, {"--auth", ""}, {"--digest", ""},
                        {"--no-recurse", ""}, {"--no-refer", ""}, {"--trusted", ""}, {"--tcp", ""},
                        {"--types", "URL,HS_ADMIN."}, {"--index", "1,300"}, {"--version", "2.10"},
                        {"--timeout", "250ms"}));
    assert_int_equal(resolve_question_read(&words.call, &question), EXIT_OK);
    assert_string_equal(question.server.host, "::1");
    assert_string_equal(question.server.port, "2841");
    assert_true(question.tries_tcp && !question.tries_udp);
    assert_int_equal(question.timeout_ms, 250);
    assert_int_equal(resolve_question_encode(&question, words.call.arena, 7, 0, &packet),
                     STATUS_OK);
    assert_int_equal(message_decode(packet, &message), STATUS_OK);
    assert_memory_equal(packet.data, "\x02\x0a\x02\x0a", 4);
    assert_int_equal(message.header.flags, 0xc8900002);
    assert_int_equal(body_resolution_decode(message.body, &body), STATUS_OK);
    assert_int_equal(body.index_count, 2);
    assert_memory_equal(body.indexes.data, "\0\0\0\1\0\0\1\x2c", 8);
    struct wire_reader types = wire_read(body.types);
    assert_true(body_next_text(&types, &type));
    assert_text(type, "URL");
    assert_true(body_next_text(&types, &type));
    assert_text(type, "HS_ADMIN.");
    assert_false(body_next_text(&types, &type));
    words_end(&words);
}

static void question_refuses_words_it_cannot_use(void **state)
{
    (void)state;
    static const char *const bad[][3] = {
        {NULL, NULL, NULL},       {"a/b", "c/d", NULL},     {"a/b", "@", NULL},
        {"a/b", "@[::1", NULL},   {"a/b", "@host:0", NULL}, {"a/b", "@host:70000", NULL},
        {"a/b", "@host:x", NULL}, {"a/\xff", NULL, NULL},   {"@host", NULL, NULL},
    };
    static const char *const options[][2] = {
        {"--index", "0"},    {"--index", "x"},     {"--index", "1,,2"},   {"--types", ","},
        {"--version", "2"},  {"--version", "2.x"}, {"--version", "99.1"}, {"--version", "2.3/"},
        {"--timeout", "5x"}, {"--timeout", "0"},   {"--timeout", "-1s"},
    };
    struct resolve_question question;
    struct ask_words words;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        words_begin(&words, bad[i], NULL);
        assert_int_not_equal(resolve_question_read(&words.call, &question), EXIT_OK);
        words_end(&words);
    }
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        words_begin(&words, ARGUMENTS("a/b"), OPTIONS({options[i][0], options[i][1]}));
        assert_int_equal(resolve_question_read(&words.call, &question), EXIT_USAGE);
        words_end(&words);
    }
}

static void question_for_site_info_needs_no_name(void **state)
{
    (void)state;
    struct ask_words words;
    struct resolve_question question;
    struct bytes packet;
    struct message message;
    words_begin(&words, ARGUMENTS("@192.0.2.1"),
                OPTIONS({"--site-info", ""}, {"--version", "2.3/2.10"}));
    assert_int_equal(resolve_question_read(&words.call, &question), EXIT_OK);
    assert_int_equal(resolve_question_encode(&question, words.call.arena, 7, 0, &packet),
                     STATUS_OK);
    assert_int_equal(message_decode(packet, &message), STATUS_OK);
    assert_memory_equal(packet.data, "\x02\x03\x02\x0a", 4);
    assert_int_equal(message.header.opcode, OPCODE_GET_SITE_INFO);
    assert_memory_equal(message.body.data, "\0\0\0\1/", 5);
    words_end(&words);
}

/* --- answers ---------------------------------------------------------------------------------- */

struct answered {
    struct ask_words words;
    struct resolve_question question;
    struct resolve_answer answer;
    uint8_t room[2048];
};

/* An answer with this code and body to the question of 88.1000/x. */
static enum status answer_make(struct answered *a, const char *const (*options)[2], uint32_t code,
                               uint32_t flags, struct bytes body)
{
    static const char *const arguments[] = {"88.1000/x", NULL};
    words_begin(&a->words, arguments, options);
    assert_int_equal(resolve_question_read(&a->words.call, &a->question), EXIT_OK);
    a->answer = (struct resolve_answer){.question = &a->question, .server = "192.0.2.1:2641"};
    assert_int_equal(
        resolve_question_encode(&a->question, a->words.call.arena, 7, 0, &a->answer.request),
        STATUS_OK);
    struct envelope envelope = {.version = {2, 11}, .suggested = {2, 11}, .request_id = 7};
    struct header header = {.opcode = OPCODE_RESOLUTION, .response_code = code, .flags = flags};
    struct wire_writer w = wire_write(a->room, sizeof a->room);
    struct message_marks marks = message_open(&w, &envelope, &header);
    wire_put_raw(&w, body);
    message_close(&w, marks, NULL);
    a->answer.packet = wire_wrote(&w);
    return resolve_answer_read(&a->answer, a->words.call.arena, NULL);
}

static struct bytes values_body(uint8_t *room, size_t size)
{
    struct value values[] = {
        {.index = 1,
         .ttl = 86400,
         .permissions = 14,
         .type = BYTES_LITERAL("URL"),
         .data = BYTES_LITERAL("https://x.example/")},
        {.index = 2,
         .ttl = 60,
         .permissions = 14,
         .type = BYTES_LITERAL("B\033[31m"),
         .data = BYTES_LITERAL("\x00\xff")},
    };
    struct body_values body = {BYTES_LITERAL("88.1000/x"), values, 2};
    struct wire_writer w = wire_write(room, size);
    body_values_encode(&w, &body);
    return wire_wrote(&w);
}

static void answer_page_shows_values_safely(void **state)
{
    (void)state;
    struct answered a;
    uint8_t room[512];
    assert_int_equal(answer_make(&a, NULL, 1, 0x99000000, values_body(room, sizeof room)),
                     STATUS_OK);
    assert_int_equal(resolve_answer_print(&a.words.call, &a.answer), EXIT_OK);
    words_flush(&a.words);
    assert_non_null(strstr(a.words.out, "88.1000/x  1 success"));
    assert_non_null(strstr(a.words.out, "flags AT REC CA PO"));
    assert_non_null(strstr(a.words.out, "https://x.example/"));
    assert_non_null(strstr(a.words.out, "0x00ff"));
    assert_null(strchr(a.words.out, '\033'));
    assert_non_null(strstr(a.words.out, "192.0.2.1:2641 (udp)"));
    words_end(&a.words);
}

static void answer_short_has_data_alone(void **state)
{
    (void)state;
    struct answered a;
    uint8_t room[512];
    assert_int_equal(
        answer_make(&a, OPTIONS({"--short", ""}), 1, 0, values_body(room, sizeof room)), STATUS_OK);
    assert_int_equal(resolve_answer_print(&a.words.call, &a.answer), EXIT_OK);
    words_flush(&a.words);
    assert_non_null(strstr(a.words.out, "\n0x00ff\n"));
    assert_null(strstr(a.words.out, "URL"));
    assert_non_null(strstr(a.words.out, "https://x.example/\n"));
    words_end(&a.words);
}

static void answer_json_is_one_document_with_the_bytes_when_asked(void **state)
{
    (void)state;
    struct answered a;
    uint8_t room[512];
    assert_int_equal(answer_make(&a, OPTIONS({"--hex", ""}), 1, 0, values_body(room, sizeof room)),
                     STATUS_OK);
    a.words.call.is_json = true;
    assert_int_equal(resolve_answer_print(&a.words.call, &a.answer), EXIT_OK);
    words_flush(&a.words);
    json_t *document = json_loads(a.words.out, 0, NULL);
    assert_non_null(document);
    assert_string_equal(json_text(document, "handle"), "88.1000/x");
    assert_int_equal(json_number(document, "response_code"), 1);
    assert_int_equal(json_array_size(json_object_get(document, "values")), 2);
    assert_true(strncmp(json_text(document, "request_hex"), "0203020b", 8) == 0);
    assert_true(strncmp(json_text(document, "answer_hex"), "020b020b", 8) == 0);
    json_decref(document);
    words_end(&a.words);
}

static void answer_digest_is_compared_with_the_request(void **state)
{
    (void)state;
    for (int is_wrong = 0; is_wrong < 2; is_wrong++) {
        struct answered a;
        struct message asked;
        struct digest digest;
        uint8_t room[64];
        struct wire_writer w = wire_write(room, sizeof room);
        assert_int_equal(answer_make(&a, NULL, 100, 0, BYTES_NONE), STATUS_OK);
        assert_int_equal(message_decode(a.answer.request, &asked), STATUS_OK);
        assert_int_equal(digest_compute(DIGEST_SHA256, asked.digested, &digest), STATUS_OK);
        digest.data[0] ^= (uint8_t)is_wrong;
        digest_encode(&w, &digest);
        words_end(&a.words);
        assert_int_equal(answer_make(&a, NULL, 100, MESSAGE_REQUEST_DIGEST, wire_wrote(&w)),
                         STATUS_OK);
        assert_int_equal(a.answer.digest, is_wrong ? RESOLVE_DIGEST_WRONG : RESOLVE_DIGEST_RIGHT);
        assert_int_equal(resolve_answer_print(&a.words.call, &a.answer),
                         is_wrong ? EXIT_REFUSED : EXIT_NEGATIVE);
        words_end(&a.words);
    }
}

static void answer_error_and_challenge_are_told(void **state)
{
    (void)state;
    struct answered a;
    uint8_t challenge[64] = {3};
    assert_int_equal(answer_make(&a, NULL, 301, 0, BYTES_LITERAL("\0\0\0\4away")), STATUS_OK);
    assert_int_equal(resolve_answer_print(&a.words.call, &a.answer), EXIT_NEGATIVE);
    words_flush(&a.words);
    assert_non_null(strstr(a.words.out, "away"));
    assert_non_null(strstr(a.words.out, "ask the one that does"));
    words_end(&a.words);
    challenge[36] = 16;
    assert_int_equal(answer_make(&a, NULL, 402, MESSAGE_REQUEST_DIGEST, bytes_of(challenge, 53)),
                     STATUS_OK);
    assert_int_equal(a.answer.digest, RESOLVE_DIGEST_WRONG);
    assert_int_equal(a.answer.nonce.len, 16);
    words_end(&a.words);
}

static void answer_that_does_not_decode_is_refused(void **state)
{
    (void)state;
    struct answered a;
    assert_int_equal(answer_make(&a, NULL, 1, 0, BYTES_LITERAL("\0\0\0\x63")),
                     STATUS_PROTOCOL_ERROR);
    words_end(&a.words);
    assert_int_equal(answer_make(&a, NULL, 1, MESSAGE_REQUEST_DIGEST, BYTES_LITERAL("\x09")),
                     STATUS_PROTOCOL_ERROR);
    words_end(&a.words);
}

static void exit_code_follows_the_response_code(void **state)
{
    (void)state;
    assert_int_equal(resolve_exit_code(1), EXIT_OK);
    assert_int_equal(resolve_exit_code(100), EXIT_NEGATIVE);
    assert_int_equal(resolve_exit_code(200), EXIT_NEGATIVE);
    assert_int_equal(resolve_exit_code(301), EXIT_NEGATIVE);
    assert_int_equal(resolve_exit_code(303), EXIT_NEGATIVE);
    assert_int_equal(resolve_exit_code(402), EXIT_REFUSED);
    assert_int_equal(resolve_exit_code(4), EXIT_REFUSED);
}

static void resolve_without_anybody_there_exits_5(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_UNREACHABLE, "resolve", "a/b", "@127.0.0.1:1", "--tcp", "--json");
    assert_problem(&run, "GT1401");
    run_done(&run);
    MUST(EXIT_UNREACHABLE, "resolve", "a/b", "@127.0.0.1:1", "--timeout", "300ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(question_of_a_bare_name_has_the_defaults),
        cmocka_unit_test(question_takes_every_option),
        cmocka_unit_test(question_refuses_words_it_cannot_use),
        cmocka_unit_test(question_for_site_info_needs_no_name),
        cmocka_unit_test(answer_page_shows_values_safely),
        cmocka_unit_test(answer_short_has_data_alone),
        cmocka_unit_test(answer_json_is_one_document_with_the_bytes_when_asked),
        cmocka_unit_test(answer_digest_is_compared_with_the_request),
        cmocka_unit_test(answer_error_and_challenge_are_told),
        cmocka_unit_test(answer_that_does_not_decode_is_refused),
        cmocka_unit_test(exit_code_follows_the_response_code),
        cmocka_unit_test(resolve_without_anybody_there_exits_5),
    };
    (void)setenv("LC_ALL", "C", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
