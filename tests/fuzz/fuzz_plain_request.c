/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a request, to a node that keeps answers in memory and to one that does not: both
 * answer the same bytes, and whatever the short way does not recognise it leaves alone.
 *
 * The store lives in a directory made once for the process: 88.1000/a, its larger neighbour
 * 88.1000/large, 88.2000/Case where case counts, 88.1000/sealed that is not public, and
 * 0.NA/88.1000.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocol/opcode.h"
#include "registry/committer.h"
#include "resolver/hot_path.h"

#define NOW_MS 1795230000000
#define LARGE 1500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    char directory[64];
    struct registry *registry;
    struct snapshot *snapshot;
    struct metrics *metrics;
    struct generation generation;
    struct exchange_scope scope;
    uint8_t full[MESSAGE_PACKET_MAX];
    uint8_t hot[MESSAGE_PACKET_MAX];
};

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void always_seven(void *out, size_t len)
{
    memset(out, 7, len);
}

static void commit(struct world *world, struct change_set *set)
{
    require(committer_commit_now(world->registry, world->snapshot, set, NOW_MS) == STATUS_OK);
    change_set_free(set);
    require(snapshot_refresh(world->snapshot) == STATUS_OK);
}

static struct change_set *new_set(void)
{
    struct change_set *set =
        change_set_new(CHANGE_ALL_OR_NOTHING, BYTES_LITERAL("fuzz"), BYTES_LITERAL("fuzz"));
    require(set != NULL);
    return set;
}

static void home(struct world *world, const char *prefix, enum case_rule rule)
{
    struct prefix_row row = {
        .prefix = bytes_of_text(prefix),
        .enterprise = BYTES_LITERAL("self"),
        .state = PREFIX_ACTIVE,
        .hosting = PREFIX_HOSTED,
        .case_rule = rule,
    };
    struct change_set *set = new_set();
    require(change_set_put_prefix(set, &row, CHANGE_REPLACE, NULL) == STATUS_OK);
    commit(world, set);
}

static void put(struct world *world, const char *handle, struct bytes data, uint8_t permissions)
{
    struct value value = {
        .index = 1,
        .timestamp = 1700000000,
        .ttl = VALUE_TTL_DEFAULT,
        .permissions = permissions,
        .type = BYTES_LITERAL("DESC"),
        .data = data,
    };
    struct record record = {bytes_of_text(handle), &value, 1};
    struct change_set *set = new_set();
    require(change_set_put_record(set, &record, CHANGE_REPLACE, NULL) == STATUS_OK);
    commit(world, set);
}

static void fill(struct world *world)
{
    static uint8_t large[LARGE];
    memset(large, 'x', sizeof(large));
    home(world, "88.1000", CASE_INSENSITIVE);
    home(world, "88.2000", CASE_SENSITIVE);
    put(world, "88.1000/a", BYTES_LITERAL("a part"), 0x0e);
    put(world, "88.1000/large", bytes_of(large, sizeof(large)), 0x0e);
    put(world, "88.1000/sealed", BYTES_LITERAL("for administrators"), 0x0c);
    put(world, "88.2000/Case", BYTES_LITERAL("a part"), 0x0e);
    put(world, "0.NA/88.1000", BYTES_LITERAL("a prefix"), 0x0e);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static void world_open(struct world *world)
{
    static const uint8_t key[REGISTRY_COMMITMENT_KEY_LEN] = {1, 2, 3};
    (void)snprintf(world->directory, sizeof(world->directory), "/tmp/guantong-fuzz-XXXXXX");
    require(mkdtemp(world->directory) != NULL);
    struct registry_options options = {
        .path = world->directory,
        .map_bytes = 16u << 20,
        .reserve_bytes = 1u << 20,
        .may_create = true,
        .commitment_key = bytes_of(key, sizeof(key)),
    };
    struct fault fault;
    require(registry_open(&options, &world->registry, &fault) == STATUS_OK);
    require(snapshot_new(world->registry, &world->snapshot) == STATUS_OK);
    fill(world);
    require(metrics_new(1, &world->metrics) == STATUS_OK);
    world->generation = (struct generation){
        .settings = settings_defaults(), .site_serial = 3, .is_primary = true, .number = 1};
    require(world->generation.settings != NULL);
    world->scope = (struct exchange_scope){
        .generation = &world->generation,
        .snapshot = world->snapshot,
        .metrics = metrics_slot(world->metrics, 0),
        .arena = arena_new(1u << 16, 16u << 20),
        .random = always_seven,
        .now_ms = NOW_MS,
    };
    require(world->scope.arena != NULL);
    require(hot_path_new(1u << 20, world->registry, world->scope.metrics, &world->scope.hot) ==
            STATUS_OK);
    /* Open files stay readable; nothing is left behind however the process ends. */
    (void)nftw(world->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* One store for the whole process. */
static struct world *the_world(void)
{
    static struct world world;
    if (world.registry == NULL) {
        world_open(&world);
    }
    return &world;
}

static struct bytes run_full(struct world *world, enum exchange_transport transport,
                             struct bytes packet)
{
    struct exchange x = {
        .scope = &world->scope,
        .transport = transport,
        .request = packet,
        .reply = wire_write(world->full, sizeof(world->full)),
    };
    arena_reset(world->scope.arena);
    enum status status = exchange_run(&x);
    return status == STATUS_OK ? wire_wrote(&x.reply) : BYTES_NONE;
}

static struct bytes run_hot(struct world *world, enum exchange_transport transport,
                            struct bytes packet)
{
    static const struct net_address nobody;
    struct hot_turn turn;
    struct hot_request request;
    hot_begin(&turn, &world->scope, transport);
    hot_look(&turn, packet, &request);
    hot_find(&turn, &request, 1);
    size_t len = hot_answer(&turn, &request, &nobody, world->hot);
    hot_end(&turn);
    return bytes_of(world->hot, len);
}

static bool is_success(struct bytes answer)
{
    struct message message;
    return answer.len > 0 && message_decode(answer, &message) == STATUS_OK &&
           message.header.response_code == 1;
}

static void compare(struct world *world, enum exchange_transport transport, struct bytes packet)
{
    struct plain_request plain;
    bool is_plain = plain_request_read(packet, &plain);
    struct bytes full = run_full(world, transport, packet);
    struct bytes hot = run_hot(world, transport, packet);
    require(is_plain || hot.len == 0);
    require(hot.len == 0 || bytes_equal(hot, full));
    if (!is_plain) {
        return;
    }
    /* It was just kept; other names have no answer to keep, or too many spellings to be let in. */
    if (is_success(full) && bytes_equal_nocase(plain.name, BYTES_LITERAL("88.1000/a"))) {
        require(hot.len > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *world = the_world();
    struct bytes packet = bytes_of(data, size);
    compare(world, EXCHANGE_UDP, packet);
    compare(world, EXCHANGE_TCP, packet);
    return 0;
}
