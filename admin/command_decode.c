/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong decode HEX`: what a message means, field by field with offsets.
 *
 * "-" reads standard input: one message or datagram per line, as captures are kept; the pieces of a
 * message over UDP are put together and shown once more as a whole. A message without its envelope
 * is recognised by its header's lengths.
 */
#include <ctype.h>
#include <stdlib.h>

#include "admin/decode_message.h"
#include "admin/say.h"
#include "protocol/fragment.h"
#include "protocol/opcode.h"
#include "protocol/text.h"

#define LINE_MAX_BYTES (2u * MESSAGE_PACKET_MAX + 4096)

struct decode {
    struct command_call *call;
    json_t *items; /* with --json */
    uint64_t shown;
    bool is_damaged;
    struct fragment_set *pieces; /* NULL: none under way */
};

static void show(struct decode *decode, struct bytes packet, size_t origin, const char *title)
{
    struct decode_page page;
    if (decode->items == NULL && (decode->shown > 0 || title[0] != '\0')) {
        (void)fprintf(decode->call->out, "%s%s%s", decode->shown > 0 ? "\n" : "", title,
                      title[0] != '\0' ? "\n" : "");
    }
    decode_page_begin(&page, decode->call, packet, origin);
    decode_message(&page);
    json_t *fields = decode_page_end(&page);
    decode->shown++;
    decode->is_damaged |= page.is_damaged;
    if (decode->items != NULL) {
        json_array_append_new(decode->items,
                              json_pack("{s:I, s:b, s:b, s:o}", "length",
                                        (json_int_t)(packet.len - origin), "reassembled",
                                        (int)(title[0] != '\0'), "damaged", (int)page.is_damaged,
                                        "fields", fields));
    }
}

/* A header whose body length fits says that the envelope was left out. */
static bool lacks_envelope(struct bytes packet)
{
    struct wire_reader reader = wire_read(packet);
    uint32_t opcode = wire_u32(&reader);
    (void)wire_take(&reader, 16);
    size_t body_len = wire_u32(&reader);
    (void)wire_take(&reader, body_len);
    return wire_ok(&reader) && (opcode == 0 || opcode_find(opcode) != NULL) &&
           (wire_left(&reader) == 0 || wire_u32(&reader) == wire_left(&reader));
}

/* Offsets are then of what was given: the made-up envelope counts as origin. */
static enum status show_without_envelope(struct decode *decode, struct bytes message)
{
    size_t size = MESSAGE_ENVELOPE_LEN + message.len;
    uint8_t *room = arena_alloc(decode->call->arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct envelope envelope = {
        .version = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
        .suggested = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
        .message_len = (uint32_t)message.len,
    };
    struct wire_writer w = wire_write(room, size);
    envelope_encode(&w, &envelope);
    wire_put_raw(&w, message);
    show(decode, bytes_of(room, size), MESSAGE_ENVELOPE_LEN, "");
    return STATUS_OK;
}

/* --- pieces ----------------------------------------------------------------------------------- */

static enum status begin_pieces(struct decode *decode, const struct envelope *envelope)
{
    if (decode->pieces != NULL && decode->pieces->first.request_id == envelope->request_id &&
        decode->pieces->first.message_len == envelope->message_len) {
        return STATUS_OK;
    }
    uint8_t *buffer = arena_alloc(decode->call->arena, fragment_buffer_len(envelope));
    decode->pieces = arena_alloc(decode->call->arena, sizeof *decode->pieces);
    if (buffer == NULL || decode->pieces == NULL) {
        decode->pieces = NULL;
        return STATUS_NO_MEMORY;
    }
    fragment_set_init(decode->pieces, envelope, buffer);
    return STATUS_OK;
}

static enum status take_piece(struct decode *decode, const struct envelope *envelope,
                              struct bytes packet)
{
    enum status status = begin_pieces(decode, envelope);
    if (status == STATUS_OK &&
        fragment_set_add(decode->pieces, envelope, packet) == FRAGMENT_COMPLETE) {
        show(decode, fragment_set_message(decode->pieces), 0,
             say_text(decode->call, "the pieces together", "各片合并后"));
        decode->pieces = NULL;
    }
    return status;
}

/* --- input ------------------------------------------------------------------------------------ */

/* What one message or datagram takes of a run of several, as captures of TCP have them. */
static size_t first_len(const struct envelope *envelope, struct bytes packet)
{
    size_t len = MESSAGE_ENVELOPE_LEN;
    if (envelope->message_len > MESSAGE_MAX) {
        return packet.len;
    }
    bool is_piece =
        envelope->is_truncated && envelope->sequence < fragment_count(envelope->message_len);
    len += is_piece ? fragment_payload_len(envelope->message_len, envelope->sequence)
                    : envelope->message_len;
    return len + MESSAGE_ENVELOPE_LEN <= packet.len ? len : packet.len;
}

static enum status take_first(struct decode *decode, struct bytes *packet)
{
    struct envelope envelope;
    struct bytes first = *packet;
    bool has_envelope = envelope_decode(*packet, &envelope) == STATUS_OK;
    bool fits = has_envelope && envelope.message_len == packet->len - MESSAGE_ENVELOPE_LEN;
    *packet = BYTES_NONE;
    if (!fits && lacks_envelope(first)) {
        return show_without_envelope(decode, first);
    }
    if (has_envelope) {
        struct bytes all = first;
        first.len = first_len(&envelope, all);
        *packet = bytes_from(all, first.len);
    }
    show(decode, first, 0, "");
    if (has_envelope && !envelope.is_encrypted && envelope.message_len <= MESSAGE_MAX &&
        fragment_classify(&envelope, first.len) == FRAGMENT_PIECE) {
        return take_piece(decode, &envelope, first);
    }
    return STATUS_OK;
}

static int take_packet(struct decode *decode, struct bytes packet)
{
    enum status status = STATUS_OK;
    while (packet.len > 0 && status == STATUS_OK) {
        status = take_first(decode, &packet);
    }
    return status == STATUS_OK ? EXIT_OK : say_status(decode->call, status, "HEX", NULL);
}

static int take_text(struct decode *decode, struct bytes text)
{
    struct bytes packet;
    while (text.len > 0 && isspace(text.data[0])) {
        text = bytes_from(text, 1);
    }
    if (text.len == 0 || text.data[0] == '#') {
        return EXIT_OK;
    }
    if (text.len > 2 && text.data[0] == '0' && (text.data[1] == 'x' || text.data[1] == 'X')) {
        text = bytes_from(text, 2);
    }
    enum status status = text_hex_parse(text, decode->call->arena, &packet);
    if (status == STATUS_NO_MEMORY) {
        return say_status(decode->call, status, "HEX", NULL);
    }
    if (status != STATUS_OK || packet.len == 0) {
        return say_problem(decode->call, PROBLEM_BAD_ARGUMENT,
                           say_text(decode->call, "HEX: pairs of hexadecimal digits are expected",
                                    "HEX：应为成对的十六进制数字"));
    }
    return take_packet(decode, packet);
}

static int take_stdin(struct decode *decode)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int exit_code = EXIT_OK;
    while (exit_code == EXIT_OK && (len = getline(&line, &size, stdin)) >= 0) {
        exit_code = (size_t)len > LINE_MAX_BYTES
                        ? say_problem(decode->call, PROBLEM_BAD_ARGUMENT, "HEX")
                        : take_text(decode, bytes_of(line, (size_t)len));
    }
    free(line);
    return exit_code;
}

int command_decode(struct command_call *call)
{
    struct decode decode = {.call = call, .items = call->is_json ? json_array() : NULL};
    int exit_code = EXIT_OK;
    if (call->argument_count == 0) {
        json_decref(decode.items);
        return say_problem(call, PROBLEM_MISSING_ARGUMENT, "HEX");
    }
    for (size_t i = 0; i < call->argument_count && exit_code == EXIT_OK; i++) {
        exit_code = strcmp(call->arguments[i], "-") == 0
                        ? take_stdin(&decode)
                        : take_text(&decode, bytes_of_text(call->arguments[i]));
    }
    if (exit_code == EXIT_OK && call->is_json) {
        (void)say_json(call, json_pack("{s:O}", "items", decode.items));
    }
    json_decref(decode.items);
    return exit_code == EXIT_OK && decode.is_damaged ? EXIT_NEGATIVE : exit_code;
}
