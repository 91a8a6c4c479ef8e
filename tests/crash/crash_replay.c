/* SPDX-License-Identifier: Apache-2.0
 *
 * Power failures: cuts a recording at random moments, opens what a disk may hold then, checks it.
 *
 *   crash_replay RECORDING DIRECTORY IMAGES SEED
 *
 * Prints a line of JSON. Exits 0: every image held what was acknowledged before its cut; 1: some
 * did not; 2: used wrongly. The work is done in a child that is started again behind an image that
 * ends it, as a checker that crashes on an image is a loss, too.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/crash/power_image.h"
#include "tests/crash/store_check.h"

#define IMAGE_SECONDS_MAX 20
#define EXIT_USAGE 2
#define DAMAGES_SHOWN 5

/* What the child knows, seen by the parent. */
struct tally {
    uint64_t next; /* the image under way */
    uint64_t images;
    uint64_t losses;
    uint64_t crashes;
    uint64_t unmade;
    uint64_t acknowledged; /* over all images */
    uint64_t pending;
    char reasons[DAMAGES_SHOWN][320];
    size_t reason_count;
};

struct replay {
    const uint8_t *recording;
    size_t recording_len;
    uint64_t record_count;
    const char *directory;
    uint64_t images;
    uint64_t seed;
    uint64_t *cuts; /* number of records before each cut, ascending */

    size_t at;      /* bytes taken */
    uint64_t taken; /* records taken */
    struct power_disk disk;
    struct mark *marks;
    size_t mark_count;
    bool was_opened;
    struct tally *tally;
};

static void tell(struct tally *tally, uint64_t image, uint64_t cut, const char *reason)
{
    if (tally->reason_count < DAMAGES_SHOWN) {
        char *out = tally->reasons[tally->reason_count++];
        (void)snprintf(out, sizeof(tally->reasons[0]), "image %lu, cut before record %lu: %s",
                       (unsigned long)image, (unsigned long)cut, reason);
        for (; *out != '\0'; out++) {
            *out = *out == '"' || *out == '\\' ? '\'' : *out;
        }
    }
}

static const uint8_t *next_record(const struct replay *r, size_t *at, struct record_header *header)
{
    if (r->recording_len - *at < sizeof(*header)) {
        return NULL;
    }
    memcpy(header, r->recording + *at, sizeof(*header));
    const uint8_t *data = r->recording + *at + sizeof(*header);
    if (r->recording_len - *at - sizeof(*header) < header->len) {
        return NULL;
    }
    *at += sizeof(*header) + header->len;
    return data;
}

static void take_mark(struct replay *r, const uint8_t *data)
{
    memcpy(&r->marks[r->mark_count], data, sizeof(struct mark));
    r->was_opened |= r->marks[r->mark_count].kind == MARK_OPENED;
    r->mark_count++;
}

static void advance(struct replay *r, uint64_t cut)
{
    while (r->taken < cut) {
        struct record_header header = {0};
        const uint8_t *data = next_record(r, &r->at, &header);
        if (header.kind == RECORD_MARK) {
            take_mark(r, data);
        } else {
            power_disk_take(&r->disk, &header, header.len == 0 ? NULL : data);
        }
        r->taken++;
    }
}

static bool write_image(const struct replay *r, const struct disk_image *image)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/data.mdb", r->directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, image->data, image->len) == (ssize_t)image->len;
    return close(fd) == 0 && is_written;
}

static void check_image(struct replay *r, uint64_t number, struct disk_image *image)
{
    uint64_t random = r->seed * 1000003u + number;
    power_disk_cut(&r->disk, &random, image);
    if (!write_image(r, image)) {
        tell(r->tally, number, r->cuts[number], "cannot be written");
        r->tally->losses++;
        return;
    }
    const struct store_check check = {
        .marks = r->marks,
        .mark_count = r->mark_count,
        .store = r->directory,
        .may_be_unmade = !r->was_opened,
        .writes_after = true,
    };
    struct store_report report;
    if (!store_check_run(&check, &report)) {
        tell(r->tally, number, r->cuts[number], report.reason);
        r->tally->losses++;
    }
    r->tally->images++;
    r->tally->unmade += report.was_unmade;
    r->tally->acknowledged += report.acknowledged;
    r->tally->pending += r->disk.pending_count;
}

static int run_child(struct replay *r, uint64_t first)
{
    struct disk_image image = {0};
    for (uint64_t i = first; i < r->images; i++) {
        r->tally->next = i;
        advance(r, r->cuts[i]);
        (void)alarm(IMAGE_SECONDS_MAX);
        check_image(r, i, &image);
    }
    free(image.data);
    return 0;
}

/* Goes on behind each image that ended the child. */
static bool run(struct replay *r)
{
    for (uint64_t first = 0; first < r->images; first = r->tally->next + 1) {
        int status = 0;
        (void)fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            _exit(run_child(r, first));
        }
        if (child < 0 || waitpid(child, &status, 0) != child) {
            return false;
        }
        if (WIFEXITED(status)) {
            return WEXITSTATUS(status) == 0;
        }
        char reason[64];
        (void)snprintf(reason, sizeof(reason), "ends the checker with signal %d", WTERMSIG(status));
        tell(r->tally, r->tally->next, r->cuts[r->tally->next], reason);
        r->tally->images++;
        r->tally->crashes++;
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;
    return *left < *right ? -1 : *left > *right;
}

static bool count_records(struct replay *r)
{
    struct record_header header;
    size_t at = 0;
    size_t marks = 0;
    while (next_record(r, &at, &header) != NULL) {
        r->record_count++;
        if (header.kind == RECORD_MARK) {
            marks++;
            if (header.len != sizeof(struct mark)) {
                return false;
            }
        }
    }
    r->marks = calloc(marks + 1, sizeof(*r->marks));
    return r->marks != NULL && marks > 0 && r->record_count > 0;
}

static bool choose_cuts(struct replay *r)
{
    r->cuts = calloc(r->images + 1, sizeof(*r->cuts));
    if (r->cuts == NULL) {
        return false;
    }
    uint64_t random = r->seed;
    for (uint64_t i = 0; i < r->images; i++) {
        r->cuts[i] = 1 + workload_random(&random) % r->record_count;
    }
    qsort(r->cuts, r->images, sizeof(*r->cuts), compare);
    return true;
}

static bool load(struct replay *r, const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size == 0) {
        return false;
    }
    void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (map == MAP_FAILED) {
        return false;
    }
    r->recording = map;
    r->recording_len = (size_t)info.st_size;
    void *shared =
        mmap(NULL, sizeof(struct tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return false;
    }
    r->tally = shared;
    return count_records(r) && choose_cuts(r);
}

static void print(const struct replay *r)
{
    const struct tally *tally = r->tally;
    (void)printf("{\"images\": %lu, \"records\": %lu, \"marks_checked\": %lu, \"losses\": %lu, "
                 "\"crashes\": %lu, \"unmade\": %lu, \"unsynced_writes\": %lu, \"reasons\": [",
                 (unsigned long)tally->images, (unsigned long)r->record_count,
                 (unsigned long)tally->acknowledged, (unsigned long)tally->losses,
                 (unsigned long)tally->crashes, (unsigned long)tally->unmade,
                 (unsigned long)tally->pending);
    for (size_t i = 0; i < tally->reason_count; i++) {
        (void)printf("%s\"%s\"", i == 0 ? "" : ", ", tally->reasons[i]);
    }
    (void)printf("]}\n");
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        (void)fprintf(stderr, "crash_replay RECORDING DIRECTORY IMAGES SEED\n");
        return EXIT_USAGE;
    }
    struct replay r = {
        .directory = argv[2],
        .images = strtoull(argv[3], NULL, 10),
        .seed = strtoull(argv[4], NULL, 10),
    };
    bool is_done = load(&r, argv[1]) && run(&r);
    if (is_done) {
        print(&r);
    } else {
        (void)fprintf(stderr, "%s: cannot be replayed\n", argv[1]);
    }
    power_disk_done(&r.disk);
    free(r.marks);
    free(r.cuts);
    if (!is_done) {
        return EXIT_USAGE;
    }
    return r.tally->losses + r.tally->crashes == 0 ? 0 : 1;
}
