/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets as plain system calls (net_socket.h).
 *
 * Wildcard UDP sockets ask for the address each datagram came to and answer from it; a socket bound
 * to one address needs neither.
 */
#include "resolver/net_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define UDP_BUFFER_BYTES (4 << 20) /* bursts of many workers' clients; the kernel may give less */
#define UDP_ANSWER_BYTES (1 << 20) /* the longest answer, in pieces, and what the kernel adds */
#define LISTEN_BACKLOG 1024
#define CONTROL_BYTES 64 /* an in6_pktinfo with its header takes 40 */

socklen_t net_socket_address(const struct net_address *address, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (net_address_is_ipv4(address)) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(address->port);
        memcpy(&in->sin_addr, address->ip + 12, 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address->port);
    in6->sin6_scope_id = address->scope;
    memcpy(&in6->sin6_addr, address->ip, 16);
    return sizeof(*in6);
}

static void set_ipv4(struct net_address *address, const struct in_addr *in)
{
    memset(address->ip, 0, 10);
    address->ip[10] = 0xff;
    address->ip[11] = 0xff;
    memcpy(address->ip + 12, in, 4);
    address->scope = 0;
}

static void set_ipv6(struct net_address *address, const struct in6_addr *in6, uint32_t scope)
{
    memcpy(address->ip, in6, 16);
    address->scope = IN6_IS_ADDR_LINKLOCAL(in6) ? scope : 0;
}

void net_socket_read_address(const struct sockaddr_storage *from, struct net_address *out_address)
{
    memset(out_address, 0, sizeof(*out_address));
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        set_ipv4(out_address, &in->sin_addr);
        out_address->port = ntohs(in->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        set_ipv6(out_address, &in6->sin6_addr, in6->sin6_scope_id);
        out_address->port = ntohs(in6->sin6_port);
    }
}

struct net_address net_socket_local(int fd)
{
    struct sockaddr_storage storage = {0};
    socklen_t len = sizeof(storage);
    struct net_address address = {0};
    if (getsockname(fd, (struct sockaddr *)&storage, &len) == 0) {
        net_socket_read_address(&storage, &address);
    }
    return address;
}

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

static enum status refuse(int fd, const char *what, const struct net_address *address,
                          struct fault *fault)
{
    int error = errno;
    char text[NET_ADDRESS_TEXT];
    net_address_text(address, text);
    if (fd >= 0) {
        (void)close(fd);
    }
    enum status status = error == EAFNOSUPPORT ? STATUS_NOT_SUPPORTED : STATUS_SYSTEM;
    char reason[96];
    const char *said = strerror_r(error, reason, sizeof(reason));
    return fault_set(fault, status, "cannot %s %s: %s", what, text, said);
}

static enum status open_bound(const struct net_address *address, int type, const char *what,
                              int *out_fd, struct fault *fault)
{
    struct sockaddr_storage storage;
    socklen_t len = net_socket_address(address, &storage);
    int fd = socket(storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return refuse(fd, what, address, fault);
    }
    if (storage.ss_family == AF_INET6) {
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (type == SOCK_STREAM) {
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (bind(fd, (const struct sockaddr *)&storage, len) != 0) {
        return refuse(fd, what, address, fault);
    }
    *out_fd = fd;
    return STATUS_OK;
}

static void ask_local_address(int fd, const struct net_address *bound)
{
    if (net_address_is_wildcard(bound)) {
        bool is_ipv4 = net_address_is_ipv4(bound);
        set_option(fd, is_ipv4 ? IPPROTO_IP : IPPROTO_IPV6, is_ipv4 ? IP_PKTINFO : IPV6_RECVPKTINFO,
                   1);
    }
}

enum status net_socket_udp(const struct net_address *address, int *out_fd, struct fault *fault)
{
    int fd = -1;
    enum status status = open_bound(address, SOCK_DGRAM, "receive on", &fd, fault);
    if (status != STATUS_OK) {
        return status;
    }
    set_option(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER_BYTES);
    set_option(fd, SOL_SOCKET, SO_SNDBUF, UDP_BUFFER_BYTES);
    ask_local_address(fd, address);
    *out_fd = fd;
    return STATUS_OK;
}

enum status net_socket_udp_to(const struct net_address *peer, int *out_fd)
{
    struct sockaddr_storage storage;
    socklen_t len = net_socket_address(peer, &storage);
    int fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno == EAFNOSUPPORT ? STATUS_UNREACHABLE : STATUS_SYSTEM;
    }
    set_option(fd, SOL_SOCKET, SO_RCVBUF, UDP_ANSWER_BYTES);
    if (connect(fd, (const struct sockaddr *)&storage, len) != 0) {
        (void)close(fd);
        return STATUS_UNREACHABLE;
    }
    *out_fd = fd;
    return STATUS_OK;
}

enum status net_socket_adopt(int bound, int *out_fd)
{
    int fd = fcntl(bound, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        return STATUS_SYSTEM;
    }
    int is_listening = 0;
    socklen_t len = sizeof(is_listening);
    (void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len);
    if (is_listening != 0) {
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    } else {
        struct net_address local = net_socket_local(fd);
        ask_local_address(fd, &local);
    }
    *out_fd = fd;
    return STATUS_OK;
}

enum status net_socket_listen(const struct net_address *address, int *out_fd, struct fault *fault)
{
    int fd = -1;
    enum status status = open_bound(address, SOCK_STREAM, "listen on", &fd, fault);
    if (status != STATUS_OK) {
        return status;
    }
    if (listen(fd, LISTEN_BACKLOG) != 0) {
        return refuse(fd, "listen on", address, fault);
    }
    *out_fd = fd;
    return STATUS_OK;
}

enum status net_socket_probe(const struct net_address *address, struct fault *fault)
{
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    struct sockaddr_storage storage;
    socklen_t len = net_socket_address(address, &storage);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        int fd = socket(storage.ss_family, types[i] | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            return STATUS_OK; /* whoever opens it says what is wrong */
        }
        if (storage.ss_family == AF_INET6) {
            set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        }
        if (types[i] == SOCK_STREAM) {
            set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        }
        bool is_taken =
            bind(fd, (const struct sockaddr *)&storage, len) != 0 && errno == EADDRINUSE;
        (void)close(fd);
        if (is_taken) {
            char text[NET_ADDRESS_TEXT];
            net_address_text(address, text);
            return fault_set(fault, STATUS_LOCKED, "another process serves %s already", text);
        }
    }
    return STATUS_OK;
}

static bool unix_address(const char *path, struct sockaddr_un *out)
{
    size_t len = strlen(path);
    if (len >= sizeof(out->sun_path)) {
        return false;
    }
    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    memcpy(out->sun_path, path, len);
    return true;
}

/* Somebody accepts on `path` now. */
static bool is_listened(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    int failed = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    bool answered = failed == 0 || errno == EAGAIN;
    (void)close(fd);
    return answered;
}

static bool bind_unix(int fd, const struct sockaddr_un *address)
{
    struct stat there;
    if (lstat(address->sun_path, &there) == 0 && S_ISSOCK(there.st_mode)) {
        (void)unlink(address->sun_path);
    }
    return bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
           chmod(address->sun_path, 0660) == 0 && listen(fd, LISTEN_BACKLOG) == 0;
}

enum status net_socket_listen_unix(const char *path, int *out_fd, struct fault *fault)
{
    struct sockaddr_un address;
    if (!unix_address(path, &address)) {
        return fault_set(fault, STATUS_SYSTEM, "socket path is longer than %zu bytes: %s",
                         sizeof(address.sun_path) - 1, path);
    }
    if (is_listened(&address)) {
        return fault_set(fault, STATUS_LOCKED, "another process listens on %s", path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind_unix(fd, &address)) {
        *out_fd = fd;
        return STATUS_OK;
    }
    char reason[96];
    const char *said = strerror_r(errno, reason, sizeof(reason));
    if (fd >= 0) {
        (void)close(fd);
    }
    return fault_set(fault, STATUS_SYSTEM, "cannot listen on %s: %s", path, said);
}

static enum status connect_to(int fd, const struct sockaddr *address, socklen_t len, int *out_fd)
{
    if (fd < 0) {
        return errno == EAFNOSUPPORT ? STATUS_UNREACHABLE : STATUS_SYSTEM;
    }
    if (connect(fd, address, len) != 0 && errno != EINPROGRESS) {
        (void)close(fd);
        return STATUS_UNREACHABLE;
    }
    *out_fd = fd;
    return STATUS_OK;
}

enum status net_socket_connect(const struct net_address *address, int *out_fd)
{
    struct sockaddr_storage storage;
    socklen_t len = net_socket_address(address, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    return connect_to(fd, (const struct sockaddr *)&storage, len, out_fd);
}

enum status net_socket_connect_unix(const char *path, int *out_fd)
{
    struct sockaddr_un address;
    if (!unix_address(path, &address)) {
        return STATUS_UNREACHABLE;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return connect_to(fd, (const struct sockaddr *)&address, sizeof(address), out_fd);
}

/* --- streams --------------------------------------------------------------------------------- */

static bool must_wait(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

enum status net_socket_read(int fd, uint8_t *buffer, size_t size, size_t *out_len)
{
    ssize_t got = recv(fd, buffer, size, MSG_DONTWAIT);
    if (got < 0) {
        return must_wait() ? STATUS_PENDING : STATUS_CLOSED;
    }
    if (got == 0) {
        return STATUS_CLOSED;
    }
    *out_len = (size_t)got;
    return STATUS_OK;
}

enum status net_socket_write(int fd, struct bytes data, size_t *out_len)
{
    ssize_t took = send(fd, data.data, data.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (took < 0) {
        return must_wait() || errno == ENOBUFS ? STATUS_PENDING : STATUS_CLOSED;
    }
    *out_len = (size_t)took;
    return STATUS_OK;
}

enum status net_socket_credentials(int fd, struct net_credentials *out)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || peer.pid == 0) {
        return STATUS_SYSTEM;
    }
    *out = (struct net_credentials){.uid = peer.uid, .gid = peer.gid, .pid = peer.pid};
    return STATUS_OK;
}

/* --- datagrams ------------------------------------------------------------------------------- */

struct datagram_room {
    struct iovec data;
    struct sockaddr_storage peer;
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
};

static void read_control(struct msghdr *header, struct net_address *local)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            set_ipv4(local, &info.ipi_spec_dst);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            set_ipv6(local, &info.ipi6_addr, info.ipi6_ifindex);
        }
    }
}

size_t net_socket_receive(int fd, const struct net_address *bound, struct net_datagram *datagrams,
                          size_t count)
{
    struct mmsghdr headers[NET_SOCKET_BATCH];
    struct datagram_room rooms[NET_SOCKET_BATCH];
    bool wants_control = net_address_is_wildcard(bound);
    size_t most = count < NET_SOCKET_BATCH ? count : NET_SOCKET_BATCH;
    for (size_t i = 0; i < most; i++) {
        rooms[i].data = (struct iovec){datagrams[i].data, datagrams[i].size};
        rooms[i].peer.ss_family = AF_UNSPEC;
        headers[i].msg_hdr = (struct msghdr){
            .msg_name = &rooms[i].peer,
            .msg_namelen = sizeof(rooms[i].peer),
            .msg_iov = &rooms[i].data,
            .msg_iovlen = 1,
            .msg_control = wants_control ? rooms[i].control : NULL,
            .msg_controllen = wants_control ? CONTROL_BYTES : 0,
        };
    }
    int got = recvmmsg(fd, headers, (unsigned)most, MSG_DONTWAIT, NULL);
    size_t arrived = got < 0 ? 0 : (size_t)got;
    for (size_t i = 0; i < arrived && i < most; i++) {
        datagrams[i].len = headers[i].msg_len;
        net_socket_read_address(&rooms[i].peer, &datagrams[i].peer);
        datagrams[i].local = *bound;
        read_control(&headers[i].msg_hdr, &datagrams[i].local);
    }
    return arrived;
}
