/* SPDX-License-Identifier: Apache-2.0
 *
 * The load generator: words in, one run, figures out as JSON (load.h says what a run is).
 *
 * Exit code: 0 when answers came and none was wrong, 1 when not, 2 for words it does not know.
 */
#include "tests/bench/load.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define EXIT_USAGE 2
#define OUTSTANDING_UDP 256
#define OUTSTANDING_OPEN_LOOP 8192 /* places of the table; who finds none free leaves late */

static const char usage[] =
    "load [OPTION...] ADDRESS PORT\n"
    "  --names=PATTERN    names to resolve; a run of '#' becomes a number below --count\n"
    "  --count=N\n"
    "  --list=FILE        names out of a file instead, one a line\n"
    "  --zipf             a few names often (exponent 0.99) instead of all alike\n"
    "  --seed=N\n"
    "  --tcp              TCP connections instead of UDP\n"
    "  --one-shot         TCP, a connection for each request\n"
    "  --sockets=N        UDP sockets or TCP connections (1)\n"
    "  --outstanding=N    requests without answer: of all sockets (UDP, 256), of each connection\n"
    "                     (TCP, 1)\n"
    "  --rate=N           open loop: N a second, latency from the intended time of sending\n"
    "  --seconds=N        what is measured (5), after --warmup=N (1)\n"
    "  --timeout-ms=N     then an answer is lost (1000)\n"
    "  --code=N           the response code all answers must have (1)\n"
    "  --length=N         bytes all answers must have, envelope included (any)\n"
    "  --core=N           run on this core\n"
    "  --pid=N            read this process's CPU time at both ends of what is measured\n"
    "  --sleep            wait in the kernel, not in a loop\n";

enum word {
    WORD_NAMES = 256,
    WORD_COUNT,
    WORD_LIST,
    WORD_ZIPF,
    WORD_SEED,
    WORD_TCP,
    WORD_ONE_SHOT,
    WORD_SOCKETS,
    WORD_OUTSTANDING,
    WORD_RATE,
    WORD_SECONDS,
    WORD_WARMUP,
    WORD_TIMEOUT,
    WORD_CODE,
    WORD_LENGTH,
    WORD_CORE,
    WORD_PID,
    WORD_SLEEP,
};

static const struct option words[] = {
    {"names", required_argument, NULL, WORD_NAMES},
    {"count", required_argument, NULL, WORD_COUNT},
    {"list", required_argument, NULL, WORD_LIST},
    {"zipf", no_argument, NULL, WORD_ZIPF},
    {"seed", required_argument, NULL, WORD_SEED},
    {"tcp", no_argument, NULL, WORD_TCP},
    {"one-shot", no_argument, NULL, WORD_ONE_SHOT},
    {"sockets", required_argument, NULL, WORD_SOCKETS},
    {"outstanding", required_argument, NULL, WORD_OUTSTANDING},
    {"rate", required_argument, NULL, WORD_RATE},
    {"seconds", required_argument, NULL, WORD_SECONDS},
    {"warmup", required_argument, NULL, WORD_WARMUP},
    {"timeout-ms", required_argument, NULL, WORD_TIMEOUT},
    {"code", required_argument, NULL, WORD_CODE},
    {"length", required_argument, NULL, WORD_LENGTH},
    {"core", required_argument, NULL, WORD_CORE},
    {"pid", required_argument, NULL, WORD_PID},
    {"sleep", no_argument, NULL, WORD_SLEEP},
    {0},
};

static uint64_t number(const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        (void)fprintf(stderr, "load: \"%s\" is not a number\n", text);
        exit(EXIT_USAGE);
    }
    return value;
}

static int64_t nanoseconds(const char *text, double unit)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value < 1e6)) {
        (void)fprintf(stderr, "load: \"%s\" is not a time\n", text);
        exit(EXIT_USAGE);
    }
    return (int64_t)(value * unit);
}

static bool take_option(struct load_options *options, int option, const char *text)
{
    switch (option) {
    case WORD_NAMES:
        options->names.pattern = text;
        return true;
    case WORD_COUNT:
        options->names.count = number(text);
        return true;
    case WORD_LIST:
        options->names.list = text;
        return true;
    case WORD_ZIPF:
        options->names.is_zipf = true;
        return true;
    case WORD_SEED:
        options->names.seed = number(text);
        return true;
    case WORD_TCP:
        options->mode = LOAD_TCP;
        return true;
    case WORD_ONE_SHOT:
        options->mode = LOAD_TCP_ONE_SHOT;
        return true;
    case WORD_SOCKETS:
        options->sockets = (uint32_t)number(text);
        return true;
    case WORD_OUTSTANDING:
        options->outstanding = (uint32_t)number(text);
        return true;
    case WORD_RATE:
        options->rate = number(text);
        return true;
    default:
        return false;
    }
}

static bool take_more(struct load_options *options, int option, const char *text)
{
    switch (option) {
    case WORD_SECONDS:
        options->seconds_ns = nanoseconds(text, 1e9);
        return true;
    case WORD_WARMUP:
        options->warmup_ns = nanoseconds(text, 1e9);
        return true;
    case WORD_TIMEOUT:
        options->timeout_ns = nanoseconds(text, 1e6);
        return true;
    case WORD_CODE:
        options->code = (uint32_t)number(text);
        return true;
    case WORD_LENGTH:
        options->length = (uint32_t)number(text);
        return true;
    case WORD_CORE:
        options->core = (int)number(text);
        return true;
    case WORD_PID:
        options->pid = (int)number(text);
        return true;
    case WORD_SLEEP:
        options->sleeps = true;
        return true;
    default:
        return take_option(options, option, text);
    }
}

static bool find_server(struct load_options *options, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return false;
    }
    memcpy(&options->server, found->ai_addr, found->ai_addrlen);
    options->server_len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

/* Defaults that depend on the mode; false: out of bounds. */
static bool complete(struct load_options *options, uint32_t *out_places)
{
    bool is_udp = options->mode == LOAD_UDP;
    if (options->outstanding == 0) {
        options->outstanding = !is_udp             ? 1
                               : options->rate > 0 ? OUTSTANDING_OPEN_LOOP
                                                   : OUTSTANDING_UDP;
    }
    uint64_t places = options->outstanding;
    if (options->mode == LOAD_TCP_ONE_SHOT) {
        places = options->sockets;
    } else if (!is_udp) {
        places *= options->sockets;
    }
    *out_places = (uint32_t)places;
    return options->sockets > 0 && options->sockets <= LOAD_SOCKETS_MAX && places > 0 &&
           places <= FLIGHT_MAX && options->seconds_ns > 0;
}

static bool read_words(struct load_options *options, uint32_t *out_places, int count,
                       char *const *text)
{
    int option = 0;
    while ((option = getopt_long(count, text, "", words, NULL)) != -1) {
        if (!take_more(options, option, optarg)) {
            return false;
        }
    }
    return count - optind == 2 && find_server(options, text[optind], text[optind + 1]) &&
           complete(options, out_places);
}

static void print_latency(const struct histogram *latency)
{
    double mean = latency->count == 0 ? 0 : (double)latency->sum / (double)latency->count;
    printf("\"latency_us\":{\"count\":%llu,\"min\":%.1f,\"mean\":%.1f",
           (unsigned long long)latency->count, (double)latency->min / 1e3, mean / 1e3);
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        printf(",\"%s\":%.1f", points[i].name,
               (double)histogram_percentile(latency, points[i].share) / 1e3);
    }
    printf(",\"max\":%.1f}", (double)latency->max / 1e3);
}

static void print_result(const struct load *load)
{
    static const char *const modes[] = {"udp", "tcp", "tcp one-shot"};
    const struct load_options *options = &load->options;
    const struct load_counts *counts = &load->counts;
    double seconds = (double)options->seconds_ns / 1e9;
    double answers = counts->in_window == 0 ? 1 : (double)counts->in_window;
    printf("{\"mode\":\"%s\",\"names\":%llu,\"draw\":\"%s\",\"sockets\":%u,\"outstanding\":%u,"
           "\"target_rate\":%llu,\"seconds\":%.3f,",
           modes[options->mode], (unsigned long long)load->names.count,
           options->names.is_zipf ? "zipf 0.99" : "uniform", options->sockets, options->outstanding,
           (unsigned long long)options->rate, seconds);
    printf("\"sent\":%llu,\"right\":%llu,\"wrong\":%llu,\"lost\":%llu,\"duplicate\":%llu,"
           "\"late\":%llu,\"broken\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu,",
           (unsigned long long)counts->sent, (unsigned long long)counts->right,
           (unsigned long long)counts->wrong, (unsigned long long)counts->lost,
           (unsigned long long)counts->duplicate, (unsigned long long)counts->late,
           (unsigned long long)counts->broken, (unsigned long long)counts->bytes_in,
           (unsigned long long)counts->bytes_out);
    printf("\"measured\":%llu,\"rate\":%.1f,", (unsigned long long)counts->in_window,
           (double)counts->in_window / seconds);
    print_latency(&load->latency);
    if (counts->in_window > 0 && options->pid != 0 && load->server_cpu_ns > 0) {
        printf(",\"server_cpu_us\":%.4f,\"server_busy\":%.3f",
               (double)load->server_cpu_ns / 1e3 / answers,
               (double)load->server_cpu_ns / (double)options->seconds_ns);
    }
    printf(",\"own_cpu_us\":%.4f}\n", (double)load->own_cpu_ns / 1e3 / answers);
}

static int run(struct load *load)
{
    if (load->options.core >= 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET((size_t)load->options.core, &cores);
        if (sched_setaffinity(0, sizeof(cores), &cores) != 0) {
            load->fault = "cannot run on that core";
            return EXIT_FAILURE;
        }
    }
    bool is_measured = load->options.mode == LOAD_UDP ? load_udp_run(load) : load_tcp_run(load);
    if (!is_measured) {
        return EXIT_FAILURE;
    }
    print_result(load);
    return load->counts.wrong == 0 && load->counts.right > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int count, char **text)
{
    struct load *load = calloc(1, sizeof(*load));
    if (load == NULL) {
        return EXIT_FAILURE;
    }
    load->options = (struct load_options){
        .names.seed = 1,
        .sockets = 1,
        .seconds_ns = 5000000000,
        .warmup_ns = 1000000000,
        .timeout_ns = 1000000000,
        .code = 1,
        .core = -1,
    };
    uint32_t places = 0;
    int outcome = EXIT_USAGE;
    if (!read_words(&load->options, &places, count, text)) {
        (void)fputs(usage, stderr);
    } else if ((load->fault = names_init(&load->names, &load->options.names)) == NULL) {
        outcome = EXIT_FAILURE;
        load->fault = flight_init(&load->flight, places) ? NULL : "out of memory";
        if (load->fault == NULL) {
            outcome = run(load);
        }
    }
    if (load->fault != NULL) {
        (void)fprintf(stderr, "load: %s\n", load->fault);
    }
    flight_done(&load->flight);
    names_done(&load->names);
    free(load);
    return outcome;
}
