/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of SRV records (probe_host.h).
 */
#include "resolver/probe_host.h"

#include <stdio.h>

enum status probe_host_services(struct dns *dns, const struct service_target *target,
                                struct dns_service out[DNS_SERVICES_MAX], size_t *out_count)
{
    char name[DNS_HOST_ROOM + sizeof("_hdl-srv._tcp.")];
    size_t count = 0;
    if (!target->has_records || target->host.len >= DNS_HOST_ROOM) {
        return STATUS_NOT_FOUND;
    }
    int len = snprintf(name, sizeof(name), "_hdl-srv.%s.%.*s",
                       target->transport == ASK_UDP ? "_udp" : "_tcp", (int)target->host.len,
                       (const char *)target->host.data);
    enum status status = dns_find_services(dns, bytes_of(name, (size_t)len), out, &count);
    if (status == STATUS_OK) {
        *out_count = count;
        status = count > 0 ? STATUS_OK : STATUS_UNREACHABLE;
    }
    return status;
}
