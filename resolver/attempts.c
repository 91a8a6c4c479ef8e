/* SPDX-License-Identifier: Apache-2.0
 *
 * From an exchange to its tries (attempts.h).
 */
#include "resolver/attempts.h"

#include "resolver/limit.h"
#include "resolver/services.h"
#include "resolver/sources.h"

static const struct {
    enum tries_kind kind;
    enum limit limit;
} rows[] = {
    [ATTEMPT_ELSEWHERE] = {TRIES_ELSEWHERE, LIMIT_ELSEWHERE},
    [ATTEMPT_WRONG_ANSWER] = {TRIES_WRONG_ANSWER, LIMIT_WRONG_ANSWERS},
};

static int64_t most(const struct exchange *x, enum attempt attempt)
{
    const struct settings *settings = x->scope->generation->settings;
    return attempt == ATTEMPT_ELSEWHERE ? settings->limits_elsewhere
                                        : settings->limits_wrong_answers;
}

static bool is_exempt(const struct exchange *x)
{
    const struct generation *generation = x->scope->generation;
    return x->scope->services == NULL || x->scope->services->tries == NULL ||
           sources_trust(&x->peer, generation->trusted, generation->trusted_count);
}

static bool tell(const struct exchange *x, enum attempt attempt, bool is_left)
{
    if (!is_left) {
        limit_hit(x->scope->services->worker, rows[attempt].limit, &x->peer);
    }
    return is_left;
}

bool attempts_take(const struct exchange *x, enum attempt attempt)
{
    uint8_t source[SOURCE_LEN];
    if (is_exempt(x)) {
        return true;
    }
    sources_key(&x->peer, source);
    return tell(x, attempt,
                tries_take(x->scope->services->tries, rows[attempt].kind,
                           bytes_of(source, sizeof(source)), most(x, attempt), x->scope->now_ms));
}

bool attempts_are_left(const struct exchange *x, enum attempt attempt)
{
    uint8_t source[SOURCE_LEN];
    if (is_exempt(x)) {
        return true;
    }
    sources_key(&x->peer, source);
    return tell(x, attempt,
                tries_is_left(x->scope->services->tries, rows[attempt].kind,
                              bytes_of(source, sizeof(source)), most(x, attempt),
                              x->scope->now_ms));
}
