/* SPDX-License-Identifier: Apache-2.0
 *
 * Captured exchanges of tests/vectors/captured as whole packets: hex lines read, several messages
 * in a line told apart, datagrams put together.
 */
#pragma once

#include "protocol/fragment.h"

#define CAPTURE_MESSAGES 4

struct capture {
    size_t count;
    struct {
        uint8_t *data;
        size_t len;
    } messages[CAPTURE_MESSAGES];
};

static inline void capture_free(struct capture *capture)
{
    for (size_t i = 0; i < capture->count; i++) {
        free(capture->messages[i].data);
    }
    capture->count = 0;
}

static inline void capture_keep(struct capture *capture, struct bytes packet)
{
    assert_in_range(capture->count, 0, CAPTURE_MESSAGES - 1);
    uint8_t *copy = malloc(packet.len + 1);
    assert_non_null(copy);
    memcpy(copy, packet.data, packet.len);
    capture->messages[capture->count].data = copy;
    capture->messages[capture->count].len = packet.len;
    capture->count++;
}

/* One line: bytes of one message, several messages, or several datagrams. */
static inline void capture_take_line(struct capture *capture, struct fragment_set *set,
                                     struct bytes line)
{
    while (line.len > 0) {
        struct envelope envelope;
        size_t len = line.len;
        if (envelope_decode(line, &envelope) != STATUS_OK) {
            capture_keep(capture, line);
            return;
        }
        bool is_piece = envelope.is_truncated && envelope.message_len > FRAGMENT_PAYLOAD;
        size_t payload_len = is_piece
                                 ? fragment_payload_len(envelope.message_len, envelope.sequence)
                                 : envelope.message_len;
        if (MESSAGE_ENVELOPE_LEN + payload_len < len && payload_len >= MESSAGE_HEADER_LEN) {
            len = MESSAGE_ENVELOPE_LEN + payload_len;
        }
        struct bytes part = bytes_of(line.data, len);
        line = bytes_from(line, len);
        if (!is_piece) {
            capture_keep(capture, part);
            continue;
        }
        if (set->buffer == NULL) {
            uint8_t *buffer = malloc(fragment_buffer_len(&envelope));
            assert_non_null(buffer);
            fragment_set_init(set, &envelope, buffer);
        }
        if (fragment_set_add(set, &envelope, part) == FRAGMENT_COMPLETE) {
            capture_keep(capture, fragment_set_message(set));
        }
    }
}

static inline int capture_nibble(int c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False when there is no such file. */
static inline bool capture_load(const char *name, const char *suffix, struct capture *out_capture)
{
    char path[512];
    *out_capture = (struct capture){.count = 0};
    (void)snprintf(path, sizeof(path), TEST_VECTORS "/captured/%s%s", name, suffix);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    struct fragment_set set = {.buffer = NULL};
    uint8_t *line = malloc(MESSAGE_PACKET_MAX * 2);
    assert_non_null(line);
    size_t len = 0;
    int high = -1;
    for (int c = fgetc(file);; c = fgetc(file)) {
        int nibble = capture_nibble(c);
        if (nibble >= 0 && high < 0) {
            high = nibble;
        } else if (nibble >= 0) {
            line[len++] = (uint8_t)(high << 4 | nibble);
            high = -1;
        } else if (len > 0) {
            capture_take_line(out_capture, &set, bytes_of(line, len));
            len = 0;
        }
        if (c == EOF) {
            break;
        }
    }
    free(set.buffer);
    free(line);
    (void)fclose(file);
    return true;
}

static inline struct bytes capture_message(const struct capture *capture, size_t i)
{
    assert_true(i < capture->count);
    return bytes_of(capture->messages[i].data, capture->messages[i].len);
}
