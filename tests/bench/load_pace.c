/* SPDX-License-Identifier: Apache-2.0
 *
 * Time: phases of a run, what is due, what is lost (load.h).
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/body.h"
#include "protocol/opcode.h"
#include "tests/bench/load.h"

#define SECOND_NS 1000000000
#define SWEEP_NS 100000000
#define PATIENCE_NS 1000000
#define EXPIRATION 0x7fffffff

int64_t load_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* What the scheduler has given to all threads of a process so far. */
static int64_t cpu_of(int pid)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
    int64_t total = 0;
    DIR *tasks = pid == 0 ? NULL : opendir(path);
    if (tasks == NULL) {
        return -1;
    }
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) {
        char name[sizeof(path) + sizeof(task->d_name) + 16];
        (void)snprintf(name, sizeof(name), "%s/%s/schedstat", path, task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(name, "re");
        char line[96];
        if (file != NULL && fgets(line, sizeof(line), file) != NULL) {
            total += strtoll(line, NULL, 10);
        }
        if (file != NULL) {
            (void)fclose(file);
        }
    }
    (void)closedir(tasks);
    return total;
}

static int64_t own_cpu(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * SECOND_NS + used.tv_nsec;
}

void load_begin(struct load *load)
{
    load->begin_ns = load_now_ns();
    load->measure_ns = load->begin_ns + load->options.warmup_ns;
    load->end_ns = load->measure_ns + load->options.seconds_ns;
    load->swept_ns = load->begin_ns;
}

static void give_up_lost(struct load *load, int64_t now_ns)
{
    if (now_ns - load->swept_ns < SWEEP_NS) {
        return;
    }
    load->swept_ns = now_ns;
    for (uint32_t i = 0; i < load->flight.size; i++) {
        struct flight_request *request = &load->flight.requests[i];
        if (request->state == FLIGHT_WAITING &&
            now_ns - request->sent_ns > load->options.timeout_ns) {
            load->counts.lost++;
            flight_release(&load->flight, request, FLIGHT_LOST);
            if (load->on_lost != NULL) {
                load->on_lost(load, request);
            }
        }
    }
}

bool load_goes_on(struct load *load, int64_t now_ns)
{
    give_up_lost(load, now_ns);
    if (!load->is_measuring && now_ns >= load->measure_ns) {
        load->is_measuring = true;
        load->server_cpu_ns = cpu_of(load->options.pid);
        load->own_cpu_ns = own_cpu();
    }
    if (!load->is_over && now_ns >= load->end_ns) {
        load->is_over = true;
        int64_t cpu_ns = cpu_of(load->options.pid);
        load->server_cpu_ns = cpu_ns < 0 ? -1 : cpu_ns - load->server_cpu_ns;
        load->own_cpu_ns = own_cpu() - load->own_cpu_ns;
    }
    bool is_idle = load->is_over && flight_waiting(&load->flight) == 0;
    return load->fault == NULL && (!is_idle || load_due(load, now_ns) > 0);
}

uint32_t load_due(const struct load *load, int64_t now_ns)
{
    if (load->options.rate == 0) {
        return load->is_over ? 0 : load->flight.free_count;
    }
    int64_t until_ns = now_ns < load->end_ns ? now_ns : load->end_ns - 1;
    double passed = (double)(until_ns - load->begin_ns) / SECOND_NS;
    uint64_t due = (uint64_t)(passed * (double)load->options.rate) + 1 - load->issued;
    return due < load->flight.free_count ? (uint32_t)due : load->flight.free_count;
}

int64_t load_patience_ns(const struct load *load, int64_t now_ns)
{
    if (!load->options.sleeps) {
        return 0;
    }
    int64_t patience = PATIENCE_NS;
    if (load->options.rate > 0) {
        double next = (double)load->issued / (double)load->options.rate * SECOND_NS;
        patience = load->begin_ns + (int64_t)next - now_ns;
    }
    return patience < 0 ? 0 : patience < PATIENCE_NS ? patience : PATIENCE_NS;
}

static size_t encode(const struct load *load, const struct flight_request *request,
                     uint8_t out_packet[LOAD_REQUEST_MAX])
{
    static const struct message_version version = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR};
    struct envelope envelope = {
        .version = version, .suggested = version, .request_id = request->id};
    struct header header = {
        .opcode = OPCODE_RESOLUTION,
        .flags = (uint32_t)MESSAGE_RECURSIVE | (uint32_t)MESSAGE_CACHE_CERTIFIED |
                 (uint32_t)MESSAGE_PUBLIC_ONLY,
        .site_serial = MESSAGE_SERIAL_UNKNOWN,
        .expiration = EXPIRATION,
    };
    uint8_t text[NAMES_TEXT_MAX];
    struct body_resolution body = {
        .handle = bytes_of(text, names_text(&load->names, request->name, text))};
    struct wire_writer w = wire_write(out_packet, LOAD_REQUEST_MAX);
    struct message_marks marks = message_open(&w, &envelope, &header);
    body_resolution_encode(&w, &body);
    message_close(&w, marks, NULL);
    return wire_wrote(&w).len;
}

struct flight_request *load_next(struct load *load, uint32_t owner, int64_t now_ns,
                                 uint8_t out_packet[LOAD_REQUEST_MAX], size_t *out_len)
{
    struct flight_request *request = flight_take(&load->flight);
    if (request == NULL) {
        return NULL;
    }
    request->owner = owner;
    request->name = names_draw(&load->names);
    request->sent_ns = now_ns;
    request->due_ns = now_ns;
    if (load->options.rate > 0) {
        double due = (double)load->issued / (double)load->options.rate * SECOND_NS;
        request->due_ns = load->begin_ns + (int64_t)due;
        load->issued++;
    }
    request->is_counted = request->due_ns >= load->measure_ns;
    *out_len = encode(load, request, out_packet);
    load->counts.sent++;
    load->counts.bytes_out += *out_len;
    return request;
}
