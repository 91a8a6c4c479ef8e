/* SPDX-License-Identifier: Apache-2.0
 *
 * An Authorization field, and the same bytes as JSON: whatever is read can be answered with, and
 * what it is made of lies within what was sent.
 */
#include <stdlib.h>

#include "protocol/body.h"
#include "resolver/http_credentials.h"

#define ARENA_MAX ((size_t)1 << 20)
#define ANSWER_ROOM 70000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Nothing decodes to more than was sent. */
static void look(const struct http_credentials *said, size_t size)
{
    static uint8_t room[ANSWER_ROOM];
    struct wire_writer w = wire_write(room, sizeof(room));
    const struct bytes parts[] = {said->user.handle, said->password,  said->token,
                                  said->session,     said->type,      said->algorithm,
                                  said->cnonce,      said->signature, said->salt};
    bool is_secret = false;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        require(parts[i].len <= size);
        require(parts[i].len == 0 || parts[i].data[0] + parts[i].data[parts[i].len - 1] >= 0);
    }
    if (http_credentials_answer(said, &is_secret, &w) == STATUS_OK) {
        struct body_signature signature;
        require(said->user.index != 0 && said->signature.len > 0);
        require(is_secret || body_signature_decode(wire_wrote(&w), &signature) == STATUS_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_credentials said;
    struct arena *arena = arena_new(4096, ARENA_MAX);
    require(arena != NULL);
    enum status status = http_credentials_read(arena, bytes_of(data, size), &said);
    require(status == STATUS_OK || status == STATUS_BAD_SYNTAX || status == STATUS_NO_MEMORY);
    if (status == STATUS_OK) {
        require(said.scheme == http_credentials_scheme(bytes_of(data, size)));
        look(&said, size);
    }
    if (http_credentials_read_json(arena, bytes_of(data, size), &said) == STATUS_OK) {
        look(&said, size);
    }
    arena_free(arena);
    return 0;
}
