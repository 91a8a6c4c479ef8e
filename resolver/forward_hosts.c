/* SPDX-License-Identifier: Apache-2.0
 *
 * From the servers of a service, some of them names, to those that can be asked (forward_parts.h).
 *
 * A top-level server that is told by its name alone may have SRV records, _hdl-srv._udp and
 * _hdl-srv._tcp below that name; where it has none, the name itself and the registered port count.
 * Private addresses are asked only where our own records or settings tell of them: a stranger's
 * site record must not lead us to machines that only we can reach. What is known goes first: nobody
 * waits for a name while another server can be asked.
 */
#include <stdio.h>

#include "resolver/forward_parts.h"
#include "resolver/upward.h"
#include "resolver/worker.h"

static void add(struct forward_job *job, const struct service_target *target,
                const struct net_address *address, uint16_t port)
{
    struct worker *worker = job->forward->worker;
    if (!upward_may_ask(worker->generation->upward, address, job->is_told_here)) {
        metrics_add(worker->options.metrics, METRIC_upstream_private, 0, 1);
    } else if (job->target_count < SERVICE_TARGETS_MAX) {
        struct service_target *to = &job->targets[job->target_count++];
        *to = *target;
        to->host = BYTES_NONE;
        to->address = *address;
        to->address.port = port;
    }
}

static enum status place_host(struct forward_job *job, const struct service_target *target,
                              struct bytes host, uint16_t port)
{
    struct net_address addresses[DNS_ADDRESSES_MAX];
    size_t count = 0;
    enum status status = dns_find(job->forward->dns, host, addresses, &count);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        add(job, target, &addresses[i], port);
    }
    return status;
}

/* OK, PENDING, or none can be had. */
static enum status place_services(struct forward_job *job, const struct service_target *target)
{
    struct dns *dns = job->forward->dns;
    struct dns_service services[DNS_SERVICES_MAX];
    char name[DNS_HOST_ROOM + 16];
    size_t count = 0;
    int len = snprintf(name, sizeof(name), "_hdl-srv.%s.%.*s",
                       target->transport == ASK_TCP ? "_tcp" : "_udp", (int)target->host.len,
                       (const char *)target->host.data);
    enum status status = dns_find_services(dns, bytes_of(name, (size_t)len), services, &count);
    if (status == STATUS_NOT_FOUND) {
        return place_host(job, target, target->host, target->address.port);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = STATUS_NOT_FOUND;
    dns_srv_shuffle(services, count, job->forward->worker->options.random);
    for (size_t i = 0; i < count; i++) {
        enum status one =
            place_host(job, target, bytes_of_text(services[i].host), services[i].port);
        status = one == STATUS_PENDING || status == STATUS_NOT_FOUND ? one : status;
    }
    return status;
}

enum status forward_place(struct forward_job *job, const struct service_target *targets,
                          size_t count)
{
    bool is_pending = false;
    job->target_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct service_target *target = &targets[i];
        enum status status = STATUS_OK;
        if (target->host.len == 0) {
            add(job, target, &target->address, target->address.port);
        } else if (target->has_records && job->is_upward) {
            status = place_services(job, target);
        } else {
            status = place_host(job, target, target->host, target->address.port);
        }
        is_pending |= status == STATUS_PENDING;
    }
    if (job->target_count > 0) {
        return STATUS_OK;
    }
    return is_pending ? STATUS_PENDING : STATUS_UNREACHABLE;
}
