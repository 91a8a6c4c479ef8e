/* SPDX-License-Identifier: Apache-2.0
 *
 * The node's log: `time level subject: what (reason)`, or the same as one JSON object a line.
 *
 * One `struct log` per node; any thread may write (one write(2) per line). Quote user data with
 * LOG_QUOTE first; no secret ever comes here. Per-request events are metrics, not lines.
 */
#pragma once

#include "protocol/bytes.h"
#include "protocol/status.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

struct log;

struct log_options {
    enum log_level level;
    bool is_json;
    const char *file; /* beside stderr; NULL or empty: none */
    bool to_stderr;
};

enum status log_open(const struct log_options *options, struct log **out_log, struct fault *fault);
/* New level and format; reopens the file (log rotation). The old ones stay when it fails. */
enum status log_reopen(struct log *log, const struct log_options *options, struct fault *fault);
void log_close(struct log *log);

bool log_wants(const struct log *log, enum log_level level);
void log_write(struct log *log, enum log_level level, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* At most one line a second: true for the first to pass gate `gate` (below LOG_GATES) in a second
 * of the caller's monotonic clock. What stands behind a gate is the caller's to say. */
#define LOG_GATES 32
bool log_gate(struct log *log, unsigned gate, int64_t now_ms);

/* "debug" -> LOG_LEVEL_DEBUG; INFO for anything unknown. */
enum log_level log_level_parse(const char *word);

/* Printable form of foreign bytes, at most `size` - 1 characters, "..." when cut; control and
 * non-UTF-8 bytes as \xNN. Returns `out`. */
const char *log_quote(struct bytes data, char *out, size_t size);
