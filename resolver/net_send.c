/* SPDX-License-Identifier: Apache-2.0
 *
 * sendmmsg of whole datagrams and of such that leave in pieces (net_send.h).
 *
 * Some routes cannot cut (a device without checksums, an old kernel); the error for it is also what
 * a bad address gives. So an entry refused as a whole is tried piece by piece, and only when its
 * first piece is taken the socket gives up cutting: a stranger with a bad address costs nobody
 * else. Nothing of an entry has left when that happens, or all before the place where it goes on.
 */
#include "resolver/net_send.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>

#include "resolver/net_socket.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h; not in every libc */
#endif

#define SEGMENTS_MAX 64         /* the kernel's limit until 6.9 */
#define SEGMENT_BYTES_MAX 65000 /* below what one UDP datagram could carry */
#define CONTROL_BYTES (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)))

/* What one header of a sendmmsg carries: a datagram, or pieces of one entry. */
struct unit {
    size_t entry;
    size_t begin; /* bytes of the entry */
    size_t end;
    struct iovec data;
    struct sockaddr_storage peer;
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
};

/* One call of net_send_batch. */
struct batch {
    struct net_sender *sender;
    const struct net_datagram *datagrams;
    size_t count;
    struct net_pushed pushed;
    size_t entry_by_pieces; /* refused as a whole; SIZE_MAX: none */
};

static size_t piece_of(const struct net_datagram *datagram)
{
    return datagram->piece == 0 || datagram->piece > datagram->len ? datagram->len
                                                                   : datagram->piece;
}

static size_t pieces_in(const struct net_datagram *datagram, size_t bytes)
{
    size_t piece = piece_of(datagram);
    return bytes <= piece ? 1 : (bytes + piece - 1) / piece;
}

static size_t unit_len(const struct batch *batch, size_t entry, size_t begin)
{
    const struct net_datagram *datagram = &batch->datagrams[entry];
    size_t left = datagram->len - begin;
    size_t piece = piece_of(datagram);
    if (left <= piece) {
        return left;
    }
    if (!batch->sender->segments || entry == batch->entry_by_pieces) {
        return piece;
    }
    size_t pieces = SEGMENT_BYTES_MAX / piece;
    size_t most = piece * (pieces < 1 ? 1 : pieces < SEGMENTS_MAX ? pieces : SEGMENTS_MAX);
    return left < most ? left : most;
}

static void add_control(struct msghdr *header, struct cmsghdr *type, const void *data, size_t len)
{
    struct cmsghdr *at =
        (struct cmsghdr *)((uint8_t *)header->msg_control + header->msg_controllen);
    at->cmsg_level = type->cmsg_level;
    at->cmsg_type = type->cmsg_type;
    at->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(at), data, len);
    header->msg_controllen += CMSG_SPACE(len);
}

/* Names the address to leave from. */
static void add_local(struct msghdr *header, const struct net_address *local)
{
    if (net_address_is_ipv4(local)) {
        struct cmsghdr type = {.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, local->ip + 12, 4);
        add_control(header, &type, &info, sizeof(info));
    } else {
        struct cmsghdr type = {.cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO};
        struct in6_pktinfo info = {.ipi6_ifindex = local->scope};
        memcpy(&info.ipi6_addr, local->ip, 16);
        add_control(header, &type, &info, sizeof(info));
    }
}

static void fill(const struct batch *batch, struct unit *unit, struct msghdr *header)
{
    const struct net_datagram *datagram = &batch->datagrams[unit->entry];
    size_t piece = piece_of(datagram);
    unit->data = (struct iovec){datagram->data + unit->begin, unit->end - unit->begin};
    *header = (struct msghdr){
        .msg_name = &unit->peer,
        .msg_namelen = net_socket_address(&datagram->peer, &unit->peer),
        .msg_iov = &unit->data,
        .msg_iovlen = 1,
    };
    bool is_cut = unit->end - unit->begin > piece;
    bool is_from = net_address_is_wildcard(&batch->sender->bound) &&
                   !net_address_is_wildcard(&datagram->local);
    if (is_cut || is_from) {
        memset(unit->control, 0, sizeof(unit->control));
        header->msg_control = unit->control;
    }
    if (is_from) {
        add_local(header, &datagram->local);
    }
    if (is_cut) {
        struct cmsghdr type = {.cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT};
        uint16_t size = (uint16_t)piece;
        add_control(header, &type, &size, sizeof(size));
    }
}

/* From where the batch stands on; how many. */
static size_t gather(const struct batch *batch, struct unit *units, struct mmsghdr *headers)
{
    size_t entry = batch->pushed.done;
    size_t at = batch->pushed.partial;
    size_t gathered = 0;
    while (gathered < NET_SOCKET_BATCH && entry < batch->count) {
        struct unit *unit = &units[gathered];
        unit->entry = entry;
        unit->begin = at;
        unit->end = at + unit_len(batch, entry, at);
        fill(batch, unit, &headers[gathered++].msg_hdr);
        at = unit->end;
        if (at == batch->datagrams[entry].len) {
            entry++;
            at = 0;
        }
    }
    return gathered;
}

static void took(struct batch *batch, const struct unit *unit)
{
    const struct net_datagram *datagram = &batch->datagrams[unit->entry];
    if (unit->entry == batch->entry_by_pieces) {
        batch->sender->segments = false; /* it was the cutting that was refused */
    }
    batch->pushed.datagrams += pieces_in(datagram, unit->end - unit->begin);
    bool is_whole = unit->end == datagram->len;
    batch->pushed.done = unit->entry + (is_whole ? 1 : 0);
    batch->pushed.partial = is_whole ? 0 : unit->end;
}

static bool may_be_the_cutting(const struct batch *batch, const struct unit *unit, int error)
{
    return unit->end - unit->begin > piece_of(&batch->datagrams[unit->entry]) &&
           (error == EINVAL || error == EIO || error == ENOPROTOOPT || error == EOPNOTSUPP ||
            error == EMSGSIZE);
}

static void refused(struct batch *batch, const struct unit *unit, int error)
{
    if (may_be_the_cutting(batch, unit, error)) {
        batch->entry_by_pieces = unit->entry;
        return;
    }
    const struct net_datagram *datagram = &batch->datagrams[unit->entry];
    batch->pushed.refused += pieces_in(datagram, datagram->len - unit->begin);
    batch->pushed.cut += unit->begin > 0;
    batch->pushed.done = unit->entry + 1;
    batch->pushed.partial = 0;
}

void net_send_init(struct net_sender *sender, int fd)
{
    *sender = (struct net_sender){.fd = fd, .bound = net_socket_local(fd), .segments = true};
}

struct net_pushed net_send_batch(struct net_sender *sender, const struct net_datagram *datagrams,
                                 size_t count)
{
    struct batch batch = {
        .sender = sender,
        .datagrams = datagrams,
        .count = count,
        .entry_by_pieces = SIZE_MAX,
    };
    while (batch.pushed.done < count) {
        struct unit units[NET_SOCKET_BATCH];
        struct mmsghdr headers[NET_SOCKET_BATCH];
        size_t gathered = gather(&batch, units, headers);
        int sent = sendmmsg(sender->fd, headers, (unsigned)gathered, MSG_DONTWAIT);
        for (int i = 0; i < sent; i++) {
            took(&batch, &units[i]);
        }
        if (sent <= 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        }
        if (sent <= 0 && errno != EINTR) {
            refused(&batch, &units[0], errno);
        }
    }
    return batch.pushed;
}
