/* SPDX-License-Identifier: Apache-2.0
 *
 * The progress line of long commands (progress.h).
 */
#include "admin/progress.h"

#include <inttypes.h>
#include <string.h>

#define INTERVAL_MS 200 /* often enough to look alive, seldom enough to cost nothing */
#define SETTLED_MS 1000 /* before this a time left would be a guess */

void progress_count(uint64_t count, char *out)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, count);
    size_t at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[at++] = ' ';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

static void time_left(const struct progress_figures *figures, bool is_chinese, char *out,
                      size_t size)
{
    out[0] = '\0';
    if (figures->total_bytes == 0 || figures->done_bytes == 0 || figures->elapsed_ms < SETTLED_MS) {
        return;
    }
    uint64_t left =
        figures->total_bytes > figures->done_bytes ? figures->total_bytes - figures->done_bytes : 0;
    double share = (double)left / (double)figures->done_bytes;
    uint64_t seconds = (uint64_t)(share * (double)figures->elapsed_ms / 1000.0 + 0.5);
    if (seconds >= 120) {
        (void)snprintf(out, size, is_chinese ? "  剩余 %" PRIu64 " 分钟" : "  %" PRIu64 " min left",
                       (seconds + 59) / 60);
    } else {
        (void)snprintf(out, size, is_chinese ? "  剩余 %" PRIu64 " 秒" : "  %" PRIu64 " s left",
                       seconds);
    }
}

void progress_text(const struct progress_figures *figures, bool is_chinese, char *out)
{
    char records[32];
    char rate[32];
    char percent[16] = "";
    char left[48];
    progress_count(figures->records, records);
    uint64_t elapsed = figures->elapsed_ms > 0 ? (uint64_t)figures->elapsed_ms : 1;
    progress_count(figures->records * 1000 / elapsed, rate);
    if (figures->total_bytes > 0) {
        uint64_t done =
            figures->done_bytes < figures->total_bytes ? figures->done_bytes : figures->total_bytes;
        (void)snprintf(percent, sizeof percent, "  %u %%",
                       (unsigned)((double)done * 100.0 / (double)figures->total_bytes));
    }
    time_left(figures, is_chinese, left, sizeof left);
    (void)snprintf(out, PROGRESS_TEXT_MAX,
                   is_chinese ? "%.60s：%s 条  %s 条/秒%s%s" : "%.60s: %s records  %s/s%s%s",
                   figures->name, records, rate, percent, left);
}

void progress_init(struct progress *progress, FILE *stream, bool is_chinese)
{
    *progress = (struct progress){stream, is_chinese, 0, false};
}

void progress_show(struct progress *progress, const struct progress_figures *figures,
                   int64_t now_ms)
{
    if (progress->stream == NULL || now_ms < progress->next_ms) {
        return;
    }
    char line[PROGRESS_TEXT_MAX];
    progress_text(figures, progress->is_chinese, line);
    /* Without line wrap, so that a narrow terminal shows one line, cut off. */
    (void)fprintf(progress->stream, "\r\033[?7l%s\033[K\033[?7h", line);
    (void)fflush(progress->stream);
    progress->next_ms = now_ms + INTERVAL_MS;
    progress->is_shown = true;
}

void progress_clear(struct progress *progress)
{
    if (progress->stream != NULL && progress->is_shown) {
        (void)fputs("\r\033[K", progress->stream);
        (void)fflush(progress->stream);
        progress->is_shown = false;
    }
}
