/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines to stderr and a file, as text or JSON.
 *
 * A line is made on the caller's stack, bounded, then written with one write(2) each way while the
 * mutex keeps the file in place. Whether a level is wanted is asked without the lock.
 */
#include "resolver/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "protocol/handle.h"
#include "protocol/text.h"
#include "protocol/wire.h"

#define MESSAGE_ROOM 2048                  /* what one event may say before escaping */
#define LINE_ROOM (6 * MESSAGE_ROOM + 512) /* all of it as \u00NN, and time, level, subject */
#define FILE_MODE 0640
#define GATE_MS 1000

struct log {
    atomic_int level;
    atomic_int_fast64_t gates[LOG_GATES]; /* when the next line may pass */
    pthread_mutex_t lock;                 /* everything below */
    bool is_json;
    bool to_stderr;
    int file; /* -1: none */
};

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
    [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

static enum status open_file(const struct log_options *options, int *out_file, struct fault *fault)
{
    *out_file = -1;
    if (options->file == NULL || options->file[0] == '\0') {
        return STATUS_OK;
    }
    int file = open(options->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, FILE_MODE);
    if (file < 0) {
        return fault_set(fault, STATUS_SYSTEM, "log file %s: %s", options->file, strerror(errno));
    }
    *out_file = file;
    return STATUS_OK;
}

enum status log_open(const struct log_options *options, struct log **out_log, struct fault *fault)
{
    struct log *log = calloc(1, sizeof(*log));
    if (log == NULL || pthread_mutex_init(&log->lock, NULL) != 0) {
        free(log);
        return fault_set(fault, STATUS_NO_MEMORY, "no memory for the log");
    }
    enum status status = open_file(options, &log->file, fault);
    if (status != STATUS_OK) {
        log_close(log);
        return status;
    }
    atomic_init(&log->level, (int)options->level);
    log->is_json = options->is_json;
    log->to_stderr = options->to_stderr;
    *out_log = log;
    return STATUS_OK;
}

enum status log_reopen(struct log *log, const struct log_options *options, struct fault *fault)
{
    int file;
    enum status status = open_file(options, &file, fault);
    if (status != STATUS_OK) {
        return status;
    }
    (void)pthread_mutex_lock(&log->lock);
    int old = log->file;
    log->file = file;
    log->is_json = options->is_json;
    log->to_stderr = options->to_stderr;
    (void)pthread_mutex_unlock(&log->lock);
    atomic_store_explicit(&log->level, (int)options->level, memory_order_relaxed);
    if (old >= 0) {
        (void)close(old);
    }
    return STATUS_OK;
}

void log_close(struct log *log)
{
    if (log == NULL) {
        return;
    }
    if (log->file >= 0) {
        (void)close(log->file);
    }
    (void)pthread_mutex_destroy(&log->lock);
    free(log);
}

bool log_wants(const struct log *log, enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

bool log_gate(struct log *log, unsigned gate, int64_t now_ms)
{
    atomic_int_fast64_t *opens_ms = &log->gates[gate];
    int_fast64_t seen = atomic_load_explicit(opens_ms, memory_order_relaxed);
    return now_ms >= seen &&
           atomic_compare_exchange_strong_explicit(opens_ms, &seen, now_ms + GATE_MS,
                                                   memory_order_relaxed, memory_order_relaxed);
}

enum log_level log_level_parse(const char *word)
{
    for (enum log_level level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        if (strcmp(word, level_names[level]) == 0) {
            return level;
        }
    }
    return LOG_LEVEL_INFO;
}

/* How many bytes of `text` form one character that may be shown; 0: the first byte may not. C1
 * controls and the marks that reorder a terminal's line count as controls. */
static size_t printable_len(struct bytes text)
{
    uint8_t lead = text.data[0];
    if (lead < 0x80) {
        return lead >= 0x20 && lead != 0x7f ? 1 : 0;
    }
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (len > text.len || !handle_is_utf8(bytes_of(text.data, len))) {
        return 0;
    }
    bool is_c1 = lead == 0xc2 && text.data[1] < 0xa0;
    bool is_break =
        lead == 0xe2 && text.data[1] == 0x80 && text.data[2] >= 0xa8 && text.data[2] <= 0xae;
    bool is_isolate =
        lead == 0xe2 && text.data[1] == 0x81 && text.data[2] >= 0xa6 && text.data[2] <= 0xa9;
    return is_c1 || is_break || is_isolate ? 0 : len;
}

/* `\xNN` in text; in JSON the same behind an escaped backslash, since it stands for a byte. */
static void put_byte(struct wire_writer *w, uint8_t byte, bool is_json)
{
    char escaped[8];
    int len = snprintf(escaped, sizeof(escaped), is_json ? "\\\\x%02x" : "\\x%02x", byte);
    wire_put_raw(w, bytes_of(escaped, (size_t)len));
}

/* One character (or unprintable byte) of `text`; what is left of it. */
static struct bytes put_character(struct wire_writer *w, struct bytes text, bool is_json)
{
    size_t len = printable_len(text);
    if (len == 0) {
        put_byte(w, text.data[0], is_json);
        return bytes_from(text, 1);
    }
    if (is_json && (text.data[0] == '"' || text.data[0] == '\\')) {
        wire_put_u8(w, '\\');
    }
    wire_put_raw(w, bytes_of(text.data, len));
    return bytes_from(text, len);
}

static void put_text(struct wire_writer *w, struct bytes text, bool is_json)
{
    while (text.len > 0) {
        text = put_character(w, text, is_json);
    }
}

static void put_plain(struct wire_writer *w, const char *text)
{
    wire_put_raw(w, bytes_of_text(text));
}

struct log_event {
    const char *time;
    const char *level;
    struct bytes subject;
    struct bytes message;
};

static void put_line(struct wire_writer *w, const struct log_event *event, bool is_json)
{
    put_plain(w, is_json ? "{\"time\":\"" : "");
    put_plain(w, event->time);
    put_plain(w, is_json ? "\",\"level\":\"" : " ");
    put_plain(w, event->level);
    put_plain(w, is_json ? "\",\"subject\":\"" : " ");
    put_text(w, event->subject, is_json);
    put_plain(w, is_json ? "\",\"message\":\"" : ": ");
    put_text(w, event->message, is_json);
    put_plain(w, is_json ? "\"}\n" : "\n");
}

static void write_line(int file, struct bytes line)
{
    ssize_t written;
    do {
        written = write(file, line.data, line.len);
    } while (written < 0 && errno == EINTR);
}

void log_write(struct log *log, enum log_level level, const char *subject, const char *format, ...)
{
    if (!log_wants(log, level)) {
        return;
    }
    char message[MESSAGE_ROOM];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    size_t kept = len < 0 ? 0 : (size_t)len < sizeof(message) ? (size_t)len : sizeof(message) - 1;

    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    char time_text[TEXT_TIME_LEN];
    text_time_ms((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, time_text);
    struct log_event event = {time_text, level_names[level], bytes_of_text(subject),
                              bytes_of(message, kept)};

    uint8_t room[LINE_ROOM];
    struct wire_writer w = wire_write(room, sizeof(room));
    (void)pthread_mutex_lock(&log->lock);
    put_line(&w, &event, log->is_json);
    if (log->to_stderr) {
        write_line(STDERR_FILENO, wire_wrote(&w));
    }
    if (log->file >= 0) {
        write_line(log->file, wire_wrote(&w));
    }
    (void)pthread_mutex_unlock(&log->lock);
}

const char *log_quote(struct bytes data, char *out, size_t size)
{
    static const char cut[] = "...";
    struct wire_writer w = wire_write((uint8_t *)out, size - 1);
    uint8_t *fits = w.at; /* up to here "..." may still follow */
    while (data.len > 0) {
        if ((size_t)(w.end - w.at) >= sizeof(cut) - 1) {
            fits = w.at;
        }
        data = put_character(&w, data, false);
        if (w.failed) {
            w.failed = false;
            w.at = fits;
            wire_put_raw(&w, bytes_of(cut, sizeof(cut) - 1));
            break;
        }
    }
    *w.at = '\0';
    return out;
}
