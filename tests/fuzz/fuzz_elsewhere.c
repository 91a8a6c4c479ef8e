/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what other nodes and name servers say: SRV answers, HTTP around a message. The first
 * byte tells which, and in pieces of which size.
 */
#include <stdlib.h>

#include "resolver/dns_srv.h"
#include "resolver/tunnel.h"

#define CONTENT_ROOM 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void read_services(struct bytes answer)
{
    struct dns_service services[DNS_SERVICES_MAX];
    size_t count = 0;
    uint32_t ttl_s = 0;
    if (dns_srv_read(answer, services, &count, &ttl_s) != STATUS_OK) {
        return;
    }
    require(count <= DNS_SERVICES_MAX);
    for (size_t i = 0; i < count; i++) {
        require(services[i].host[0] != '\0' && services[i].port != 0);
        require(memchr(services[i].host, '\0', DNS_HOST_ROOM) != NULL);
        require(i == 0 || services[i - 1].priority <= services[i].priority);
    }
}

/* However it is cut, the same comes out. */
static size_t read_content(struct bytes answer, size_t piece, uint8_t content[CONTENT_ROOM],
                           enum status *out_status)
{
    struct tunnel *tunnel = tunnel_new(content, CONTENT_ROOM);
    enum status status = STATUS_PENDING;
    require(tunnel != NULL);
    for (size_t at = 0; at < answer.len && status == STATUS_PENDING; at += piece) {
        size_t left = answer.len - at;
        status = tunnel_take(tunnel, bytes_of(answer.data + at, left < piece ? left : piece));
    }
    if (status == STATUS_PENDING) {
        status = tunnel_end(tunnel);
    }
    size_t len = tunnel_content_len(tunnel);
    require(len <= CONTENT_ROOM);
    tunnel_free(tunnel);
    *out_status = status;
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t whole[CONTENT_ROOM];
    uint8_t cut[CONTENT_ROOM];
    enum status at_once;
    enum status in_pieces;
    if (size == 0) {
        return 0;
    }
    struct bytes rest = bytes_of(data + 1, size - 1);
    if (data[0] == 0) {
        read_services(rest);
        return 0;
    }
    size_t len = read_content(rest, rest.len + 1, whole, &at_once);
    size_t same = read_content(rest, data[0], cut, &in_pieces);
    if (at_once == STATUS_OK) {
        require(in_pieces == STATUS_OK && len == same && memcmp(whole, cut, len) == 0);
    }
    return 0;
}
