/* SPDX-License-Identifier: Apache-2.0
 *
 * Members as files: what is written is what is told, what is read is held against it.
 */
#include "tests/unit/admin/run_command.h"

#include <fcntl.h>

#include "admin/backup_file.h"

struct place {
    char path[64];
    int fd;
    struct arena *arena;
};

static struct place place_make(void)
{
    struct place place;
    scratch_make(place.path);
    place.fd = open(place.path, O_RDONLY | O_DIRECTORY);
    place.arena = arena_new(4096, 1 << 20);
    assert_true(place.fd >= 0);
    assert_non_null(place.arena);
    return place;
}

static void place_remove(struct place *place)
{
    (void)close(place->fd);
    arena_free(place->arena);
    scratch_remove(place->path);
}

static bool stop_on_progress(void *context, enum backup_phase phase, uint64_t done, uint64_t total)
{
    (void)context;
    (void)phase;
    assert_true(done <= total);
    return false;
}

static enum status check(struct place *place, const struct backup_member *member,
                         const struct backup_watch *watch)
{
    struct fault fault = {STATUS_OK, ""};
    return backup_file_check(place->fd, member, NULL, BACKUP_DIGESTS, watch, &fault);
}

static void file_written_is_private_and_checks(void **state)
{
    (void)state;
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf}; /* SHA-256 of "abc" begins so */
    struct place place = place_make();
    struct backup_member member;
    struct fault fault = {STATUS_OK, ""};
    const struct backup_watch silent = {NULL, NULL};
    struct stat facts;
    struct bytes back;
    assert_int_equal(backup_file_write(place.fd, "x", BYTES_LITERAL("abc"), &member, &fault),
                     STATUS_OK);
    assert_memory_equal(member.digest, abc, sizeof(abc));
    assert_int_equal(member.bytes, 3);
    assert_int_equal(fstatat(place.fd, "x", &facts, 0), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_int_equal(check(&place, &member, &silent), STATUS_OK);
    assert_int_equal(backup_file_read(place.fd, "x", 3, place.arena, &back, &fault), STATUS_OK);
    assert_true(bytes_equal(back, BYTES_LITERAL("abc")));
    assert_int_equal(backup_file_read(place.fd, "x", 2, place.arena, &back, &fault),
                     STATUS_CORRUPT);
    assert_int_not_equal(backup_file_write(place.fd, "x", BYTES_NONE, NULL, &fault), STATUS_OK);
    place_remove(&place);
}

static void file_of_other_content_length_or_kind_is_corrupt(void **state)
{
    (void)state;
    struct place place = place_make();
    struct backup_member member;
    struct fault fault = {STATUS_OK, ""};
    const struct backup_watch silent = {NULL, NULL};
    assert_int_equal(backup_file_write(place.fd, "x", BYTES_LITERAL("abc"), &member, &fault),
                     STATUS_OK);
    member.digest[31] ^= 1;
    assert_int_equal(check(&place, &member, &silent), STATUS_CORRUPT);
    member.digest[31] ^= 1;
    member.bytes = 4;
    assert_int_equal(check(&place, &member, &silent), STATUS_CORRUPT);
    assert_int_equal(unlinkat(place.fd, "x", 0), 0);
    assert_int_equal(check(&place, &member, &silent), STATUS_CORRUPT);
    assert_int_equal(mkdirat(place.fd, "x", 0700), 0);
    assert_int_equal(check(&place, &member, &silent), STATUS_CORRUPT);
    place_remove(&place);
}

static void watch_that_says_no_stops_the_check(void **state)
{
    (void)state;
    struct place place = place_make();
    struct backup_member member;
    struct fault fault = {STATUS_OK, ""};
    const struct backup_watch stop = {stop_on_progress, NULL};
    assert_int_equal(backup_file_write(place.fd, "x", BYTES_LITERAL("abc"), &member, &fault),
                     STATUS_OK);
    assert_int_equal(check(&place, &member, &stop), STATUS_SYSTEM);
    place_remove(&place);
}

static void room_that_is_not_there_is_refused_with_its_figures(void **state)
{
    (void)state;
    struct place place = place_make();
    struct fault fault = {STATUS_OK, ""};
    assert_int_equal(backup_file_check_room(place.fd, "/x", 1000, &fault), STATUS_OK);
    assert_int_equal(backup_file_check_room(place.fd, "/x", 10000000000000000ull, &fault),
                     STATUS_STORAGE_FULL);
    assert_non_null(strstr(fault.text, "12000000000000000"));
    place_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_written_is_private_and_checks),
        cmocka_unit_test(file_of_other_content_length_or_kind_is_corrupt),
        cmocka_unit_test(watch_that_says_no_stops_the_check),
        cmocka_unit_test(room_that_is_not_there_is_refused_with_its_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
