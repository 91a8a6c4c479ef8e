/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing and reading the marks of a crash test (ledger.h).
 */
#include "tests/crash/ledger.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int ledger_open(const char *path)
{
    struct stat info;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0 && (fstat(fd, &info) != 0 ||
                    ftruncate(fd, info.st_size - info.st_size % (off_t)sizeof(struct mark)) != 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool ledger_write(int fd, const struct mark *mark)
{
    return write(fd, mark, sizeof(*mark)) == (ssize_t)sizeof(*mark);
}

bool ledger_read(const char *path, struct mark **out_marks, size_t *out_count)
{
    FILE *in = fopen(path, "rb");
    struct stat info;
    if (in == NULL || fstat(fileno(in), &info) != 0) {
        if (in != NULL) {
            (void)fclose(in);
        }
        return false;
    }
    size_t count = (size_t)info.st_size / sizeof(struct mark);
    struct mark *marks = calloc(count + 1, sizeof(*marks));
    bool is_read = marks != NULL && fread(marks, sizeof(*marks), count, in) == count;
    (void)fclose(in);
    for (size_t i = 0; is_read && i < count; i++) {
        is_read = marks[i].magic == LEDGER_MAGIC;
    }
    if (!is_read) {
        free(marks);
        return false;
    }
    *out_marks = marks;
    *out_count = count;
    return true;
}
