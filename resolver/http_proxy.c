/* SPDX-License-Identifier: Apache-2.0
 *
 * X-Forwarded-For from its end, where the nearest proxy wrote (http_proxy.h).
 */
#include "resolver/http_proxy.h"

#include "resolver/http_parse.h"
#include "resolver/sources.h"

static bool is_proxy(const struct generation *generation, const struct net_address *address)
{
    return sources_trust(address, generation->proxies, generation->proxy_count);
}

/* "192.0.2.7", "192.0.2.7:80", "2001:db8::1", "[2001:db8::1]:80". */
static bool read_address(struct bytes word, struct net_address *out_address)
{
    char text[NET_ADDRESS_TEXT];
    size_t start = 0;
    if (word.len == 0 || word.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, word.data, word.len);
    text[word.len] = '\0';
    char *bracket = strchr(text, ']');
    char *colon = strchr(text, ':');
    if (text[0] == '[' && bracket != NULL) {
        start = 1;
        *bracket = '\0';
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        *colon = '\0';
    }
    return net_address_parse(text + start, 0, out_address) == STATUS_OK;
}

/* The last word of the value `*text`, which loses it; false: there is none. */
static bool take_last(struct bytes *text, struct bytes *out_word)
{
    size_t start = text->len;
    while (start > 0 && text->data[start - 1] != ',') {
        start--;
    }
    struct bytes rest = bytes_from(*text, start);
    text->len = start > 0 ? start - 1 : 0;
    return http_field_word(&rest, out_word);
}

/* Goes from proxy to proxy as far as they are trusted. false: the walk is over. */
static bool follow(const struct generation *generation, struct bytes value,
                   struct net_address *client)
{
    while (value.len > 0) {
        struct bytes word;
        struct net_address address;
        if (!take_last(&value, &word) || !read_address(word, &address)) {
            return false;
        }
        *client = address;
        if (!is_proxy(generation, &address)) {
            return false;
        }
    }
    return true;
}

void http_proxy_believe(const struct generation *generation, struct http_request *request)
{
    if (generation->proxy_count == 0 || !is_proxy(generation, &request->peer)) {
        return;
    }
    bool goes_on = true;
    for (size_t i = request->field_count; goes_on && i > 0; i--) {
        const struct http_field *field = &request->fields[i - 1];
        if (bytes_equal_nocase(field->name, BYTES_LITERAL("X-Forwarded-For"))) {
            goes_on = follow(generation, field->value, &request->client);
        }
    }
    if (http_request_field_count(request, "X-Forwarded-Proto") == 1) {
        struct bytes proto = http_request_field(request, "X-Forwarded-Proto");
        request->is_tls = bytes_equal_nocase(proto, BYTES_LITERAL("https"));
    }
}
