/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of a file to import (import_lines.h).
 */
#include "admin/import_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/handle.h"

#define BUFFER_BYTES (2 * IMPORT_LINE_MAX) /* a whole line always fits behind a partly read one */
#define NO_CONVERTER ((iconv_t)-1)

struct import_lines {
    int fd; /* -1: everything is in the buffer */
    int interrupt_fd;
    bool is_ended;
    bool is_begun;   /* the byte order mark has been looked for */
    uint8_t *buffer; /* owned when `owned` is it */
    uint8_t *owned;
    size_t start, end;
    uint64_t number;
    uint64_t done_bytes, total_bytes;
    iconv_t converter;
    uint8_t *converted; /* of one line */
    size_t converted_size;
    uint8_t recognisable[80]; /* the start of an overlong line */
};

static bool is_plain_utf8(const char *encoding)
{
    return encoding == NULL || strcasecmp(encoding, "utf-8") == 0 ||
           strcasecmp(encoding, "utf8") == 0;
}

/* Lines are cut before they are converted, so an encoding must keep the ASCII bytes for ASCII. */
static bool keeps_ascii(const char *encoding)
{
    static const char *const names[] = {"gb18030", "gbk",      "gb2312", "cp936",
                                        "euc-cn",  "us-ascii", "big5",   "iso-8859-1"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(encoding, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static enum status open_converter(struct import_lines *lines, const char *encoding,
                                  struct fault *fault)
{
    if (is_plain_utf8(encoding)) {
        return STATUS_OK;
    }
    if (keeps_ascii(encoding)) {
        lines->converter = iconv_open("UTF-8", encoding);
    }
    if (lines->converter == NO_CONVERTER) {
        return fault_set(fault, STATUS_NOT_SUPPORTED,
                         "encoding %.40s is not known; gb18030, gbk and utf-8 are", encoding);
    }
    return STATUS_OK;
}

static struct import_lines *lines_new(void)
{
    struct import_lines *lines = calloc(1, sizeof *lines);
    if (lines != NULL) {
        lines->fd = -1;
        lines->interrupt_fd = -1;
        lines->converter = NO_CONVERTER;
    }
    return lines;
}

static enum status open_file(struct import_lines *lines, const char *path, struct fault *fault)
{
    lines->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (lines->fd < 0 || fstat(lines->fd, &about) != 0) {
        return fault_set(fault, STATUS_SYSTEM, "%s", strerror(errno));
    }
    if (S_ISDIR(about.st_mode)) {
        return fault_set(fault, STATUS_SYSTEM, "is a directory");
    }
    if (S_ISREG(about.st_mode)) {
        lines->total_bytes = (uint64_t)about.st_size;
        (void)posix_fadvise(lines->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    lines->owned = malloc(BUFFER_BYTES);
    lines->buffer = lines->owned;
    return lines->owned == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

enum status import_lines_open(const struct import_lines_options *options,
                              struct import_lines **out_lines, struct fault *fault)
{
    struct import_lines *lines = lines_new();
    if (lines == NULL) {
        return STATUS_NO_MEMORY;
    }
    lines->interrupt_fd = options->interrupt_fd;
    enum status status = open_file(lines, options->path, fault);
    if (status == STATUS_OK) {
        status = open_converter(lines, options->encoding, fault);
    }
    if (status != STATUS_OK) {
        import_lines_close(lines);
        return status;
    }
    *out_lines = lines;
    return STATUS_OK;
}

enum status import_lines_of(struct bytes text, const char *encoding,
                            struct import_lines **out_lines, struct fault *fault)
{
    struct import_lines *lines = lines_new();
    if (lines == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = open_converter(lines, encoding, fault);
    if (status != STATUS_OK) {
        import_lines_close(lines);
        return status;
    }
    lines->is_ended = true;
    lines->buffer = (uint8_t *)(uintptr_t)text.data; /* only read: `fd` is -1 */
    lines->end = text.len;
    lines->total_bytes = text.len;
    *out_lines = lines;
    return STATUS_OK;
}

void import_lines_close(struct import_lines *lines)
{
    if (lines == NULL) {
        return;
    }
    if (lines->fd > STDIN_FILENO) {
        (void)close(lines->fd);
    }
    if (lines->converter != NO_CONVERTER) {
        (void)iconv_close(lines->converter);
    }
    free(lines->converted);
    free(lines->owned);
    free(lines);
}

/* --- filling ---------------------------------------------------------------------------------- */

static bool is_interrupted(const struct import_lines *lines)
{
    struct pollfd waits[2] = {{lines->fd, POLLIN, 0}, {lines->interrupt_fd, POLLIN, 0}};
    if (lines->interrupt_fd < 0) {
        return false;
    }
    while (poll(waits, 2, -1) < 0) {
        if (errno != EINTR) {
            return false;
        }
    }
    return (waits[1].revents & POLLIN) != 0;
}

/* Reads once more behind what is there; sets `is_ended` at the end of the file. */
static enum status fill(struct import_lines *lines, struct fault *fault)
{
    if (lines->start > 0) {
        memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
        lines->end -= lines->start;
        lines->start = 0;
    }
    if (is_interrupted(lines)) {
        return STATUS_CLOSED;
    }
    ssize_t got;
    do {
        got = read(lines->fd, lines->buffer + lines->end, BUFFER_BYTES - lines->end);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return fault_set(fault, STATUS_SYSTEM, "reading failed: %s", strerror(errno));
    }
    lines->is_ended = got == 0;
    lines->end += (size_t)got;
    return STATUS_OK;
}

/* Takes a byte order mark off the start. */
static enum status begin(struct import_lines *lines, struct fault *fault)
{
    static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};
    while (!lines->is_ended && lines->end - lines->start < sizeof mark) {
        enum status status = fill(lines, fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
    lines->is_begun = true;
    if (lines->end - lines->start >= sizeof mark &&
        memcmp(lines->buffer + lines->start, mark, sizeof mark) == 0) {
        lines->start += sizeof mark;
        lines->done_bytes += sizeof mark;
    }
    return STATUS_OK;
}

enum status import_lines_peek(struct import_lines *lines, struct bytes *out_start,
                              struct fault *fault)
{
    enum status status = lines->is_begun ? STATUS_OK : begin(lines, fault);
    if (status == STATUS_OK) {
        *out_start = bytes_of(lines->buffer + lines->start, lines->end - lines->start);
    }
    return status;
}

/* --- lines ------------------------------------------------------------------------------------ */

static struct bytes take(struct import_lines *lines, size_t len)
{
    struct bytes taken = {lines->buffer + lines->start, len};
    lines->start += len;
    lines->done_bytes += len;
    return taken;
}

/* The bytes of the next line, raw. A line that exceeds the bound is cut to its start. */
static enum status next_raw(struct import_lines *lines, struct bytes *out_line, struct fault *fault)
{
    size_t looked = 0;
    for (;;) {
        size_t held = lines->end - lines->start;
        const uint8_t *from = lines->buffer + lines->start;
        const uint8_t *end = held > looked ? memchr(from + looked, '\n', held - looked) : NULL;
        if (end != NULL && (size_t)(end - from) < IMPORT_LINE_MAX) {
            *out_line = take(lines, (size_t)(end - from) + 1);
            return STATUS_OK;
        }
        if (end != NULL || held >= IMPORT_LINE_MAX) {
            *out_line = take(lines, IMPORT_LINE_MAX);
            return STATUS_NO_ROOM;
        }
        if (lines->is_ended) {
            *out_line = take(lines, held);
            return held == 0 ? STATUS_NOT_FOUND : STATUS_OK;
        }
        looked = held;
        enum status status = fill(lines, fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

/* Reads over the rest of an overlong line. */
static enum status skip_rest(struct import_lines *lines, struct fault *fault)
{
    for (;;) {
        size_t held = lines->end - lines->start;
        const uint8_t *end = held == 0 ? NULL : memchr(lines->buffer + lines->start, '\n', held);
        if (end != NULL) {
            (void)take(lines, (size_t)(end - (lines->buffer + lines->start)) + 1);
            return STATUS_OK;
        }
        (void)take(lines, held);
        if (lines->is_ended) {
            return STATUS_OK;
        }
        enum status status = fill(lines, fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

static enum status convert(struct import_lines *lines, struct bytes raw, struct bytes *out_text)
{
    size_t needed = raw.len * 3 + 8; /* two bytes of GBK become at most three of UTF-8 */
    if (needed > lines->converted_size) {
        uint8_t *larger = realloc(lines->converted, needed);
        if (larger == NULL) {
            return STATUS_NO_MEMORY;
        }
        lines->converted = larger;
        lines->converted_size = needed;
    }
    char *from = (char *)(uintptr_t)raw.data;
    char *to = (char *)lines->converted;
    size_t from_left = raw.len;
    size_t to_left = lines->converted_size;
    (void)iconv(lines->converter, NULL, NULL, NULL, NULL);
    if (iconv(lines->converter, &from, &from_left, &to, &to_left) == (size_t)-1) {
        return STATUS_BAD_SYNTAX;
    }
    *out_text = bytes_of(lines->converted, lines->converted_size - to_left);
    return STATUS_OK;
}

enum status import_lines_next(struct import_lines *lines, struct import_line *out_line,
                              struct fault *fault)
{
    enum status status = lines->is_begun ? STATUS_OK : begin(lines, fault);
    if (status != STATUS_OK) {
        return status;
    }
    struct bytes raw = BYTES_NONE;
    status = next_raw(lines, &raw, fault);
    if (status != STATUS_OK && status != STATUS_NO_ROOM) {
        return status;
    }
    lines->number++;
    *out_line = (struct import_line){raw, lines->number};
    if (status == STATUS_NO_ROOM && raw.data != NULL) {
        memcpy(lines->recognisable, raw.data, sizeof lines->recognisable);
        out_line->text = bytes_of(lines->recognisable, sizeof lines->recognisable);
        enum status skipped = skip_rest(lines, fault);
        return skipped == STATUS_OK
                   ? fault_set(fault, STATUS_NO_ROOM, "longer than %u bytes", IMPORT_LINE_MAX)
                   : skipped;
    }
    if (lines->converter != NO_CONVERTER) {
        status = convert(lines, raw, &out_line->text);
        if (status == STATUS_BAD_SYNTAX) {
            return fault_set(fault, status, "not in the encoding given with --encoding");
        }
    }
    return status;
}

uint64_t import_lines_done_bytes(const struct import_lines *lines)
{
    return lines->done_bytes;
}

uint64_t import_lines_total_bytes(const struct import_lines *lines)
{
    return lines->total_bytes;
}

/* --- judging ---------------------------------------------------------------------------------- */

bool import_lines_looks_gb18030(struct bytes text)
{
    if (handle_is_utf8(text)) {
        return false;
    }
    struct import_lines *lines = NULL;
    if (import_lines_of(text, "gb18030", &lines, NULL) != STATUS_OK) {
        return false;
    }
    struct bytes converted;
    bool is_sound = convert(lines, text, &converted) == STATUS_OK;
    import_lines_close(lines);
    return is_sound;
}

struct bytes import_lines_trim(struct bytes line)
{
    if (line.len > 0 && line.data[line.len - 1] == '\n') {
        line.len--;
    }
    if (line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}
