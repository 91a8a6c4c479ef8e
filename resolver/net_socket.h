/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets as plain system calls: opening them the way a node needs, and receiving datagrams in
 * batches (net_send.c sends them). Knows no event loop; net_libevent.c puts one around it. All
 * descriptors are non-blocking and close-on-exec.
 */
#pragma once

#include <sys/socket.h>

#include "resolver/net.h"

socklen_t net_socket_address(const struct net_address *address, struct sockaddr_storage *out);
void net_socket_read_address(const struct sockaddr_storage *from, struct net_address *out_address);
struct net_address net_socket_local(int fd);

/* NOT_SUPPORTED: this machine has no such address family; SYSTEM: everything else, with the reason
 * and the address in `fault`. */
enum status net_socket_udp(const struct net_address *address, int *out_fd, struct fault *fault);
/* From a port of the kernel's choice that is nobody else's; takes from that peer alone.
 * UNREACHABLE: there is no way to it; SYSTEM. */
enum status net_socket_udp_to(const struct net_address *peer, int *out_fd);
enum status net_socket_listen(const struct net_address *address, int *out_fd, struct fault *fault);

/* Another descriptor of a socket bound elsewhere, with the options that can still be set. Its
 * buffers are kept: whoever bound it may ask for more than we can. SYSTEM. */
enum status net_socket_adopt(int bound, int *out_fd);

/* LOCKED: somebody else is bound to the address, UDP or TCP. SO_REUSEPORT alone would let a second
 * process of the same user take a share of the requests unnoticed. */
enum status net_socket_probe(const struct net_address *address, struct fault *fault);

/* LOCKED: somebody listens on `path`. A socket file without a listener is replaced; mode 0660. */
enum status net_socket_listen_unix(const char *path, int *out_fd, struct fault *fault);

/* The connection may still be in progress. UNREACHABLE, SYSTEM. */
enum status net_socket_connect(const struct net_address *address, int *out_fd);
enum status net_socket_connect_unix(const char *path, int *out_fd);

/* As net_stream_read, net_stream_write, net_stream_credentials. */
enum status net_socket_read(int fd, uint8_t *buffer, size_t size, size_t *out_len);
enum status net_socket_write(int fd, struct bytes data, size_t *out_len);
enum status net_socket_credentials(int fd, struct net_credentials *out);

/* One recvmmsg of at most NET_SOCKET_BATCH; `bound` is the socket's own address, which is taken as
 * local one unless it is a wildcard. */
#define NET_SOCKET_BATCH 32
size_t net_socket_receive(int fd, const struct net_address *bound, struct net_datagram *datagrams,
                          size_t count);
