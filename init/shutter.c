/* SPDX-License-Identifier: GPL-3.0-or-later */
/* shutter: see shutter.h. What is wanted is in the policy_store, what is the case in its current version; turn makes
 * them the same, one roll-out at a time. */
#include "init/shutter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 100u /* while another roll-out is under way, or after one that failed */

struct shutter {
    struct shutter_setup setup;
    uv_timer_t timer;
    bool rolling;   /* a roll-out of ours is under way */
    bool reopening; /* the operator waits for it */
    char event[AUDIT_ID_MAX];
    uint64_t since_ms;
    char by[HOLDS_BY], reason[HOLDS_REASON];
};

static void turn(struct shutter *shutter);

static void audit(struct shutter *shutter, enum audit_verdict verdict, const char *rule, const char *detail)
{
    struct audit line = {.kind = AUDIT_CONTROL,
                         .verdict = verdict,
                         .rule = rule,
                         .detail = str_of(detail),
                         .generation = shutter->setup.policies->current.generation};
    audit_mux_emit(shutter->setup.audit, &line);
}

static void on_timer(uv_timer_t *timer)
{
    turn(timer->data);
}

static void later(struct shutter *shutter)
{
    uv_timer_start(&shutter->timer, on_timer, AGAIN_MS, 0);
}

static void reopened(struct shutter *shutter, const struct err *err)
{
    char detail[HOLDS_BY + HOLDS_REASON + 64];

    shutter->reopening = false;
    if (err != NULL) {
        shutter->setup.policies->closed = true;
    } else {
        snprintf(detail, sizeof detail, "the egress is open again, by %s: %s", shutter->by, shutter->reason);
        audit(shutter, AUDIT_ALLOW, "reopen", detail);
    }
    shutter->setup.on_reopened(shutter->setup.ctx, err);
}

static void on_rolled(void *ctx, uint64_t generation, const struct err *err)
{
    struct shutter *shutter = ctx;
    (void)generation;
    shutter->rolling = false;
    if (shutter->reopening)
        reopened(shutter, err);
    later(shutter); /* the canary may have been seen again meanwhile */
}

static void turn(struct shutter *shutter)
{
    struct policy_store *policies = shutter->setup.policies;
    struct err err;
    if (shutter->rolling || (!shutter->reopening && policies->closed == policies->current.closed))
        return;
    if (shutter->setup.rollout->running) {
        later(shutter);
        return;
    }
    if (shutter->reopening)
        policies->closed = false;
    shutter->rolling = true;
    if (rollout_egress(shutter->setup.rollout, on_rolled, shutter, &err) < 0)
        on_rolled(shutter, 0, &err);
}

void shutter_check(struct shutter *shutter)
{
    turn(shutter);
}

/* As core/audit.h makes them; it goes into the audit and to the operator's terminal. */
static bool is_event(struct str text)
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";
    if (text.len == 0 || text.len >= AUDIT_ID_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\0' || strchr(alphabet, text.ptr[i]) == NULL)
            return false;
    return true;
}

int shutter_seen(struct shutter *shutter, struct str event)
{
    struct policy_store *policies = shutter->setup.policies;
    char detail[AUDIT_ID_MAX + 128];
    if (!is_event(event))
        return -1;
    if (policies->closed)
        return 0;
    policies->closed = true;
    memcpy(shutter->event, event.ptr, event.len);
    shutter->event[event.len] = '\0';
    shutter->since_ms = uv_now(shutter->setup.loop);
    snprintf(
        detail, sizeof detail,
        "the canary was seen on its way out (event %s): the egress is closed until the operator reopens it",
        shutter->event);
    audit(shutter, AUDIT_ALARM, "egress.on_canary", detail);
    turn(shutter);
    return 0;
}

int shutter_reopen(struct shutter *shutter, const struct desk_word *word, struct err *err)
{
    const char *state = shutter_state(shutter);
    if (strcmp(state, "closed") != 0)
        return err_set(err, "the egress is %s%s", state, strcmp(state, "open") != 0 ? ": try again" : "");
    if (!audit_mux_room(shutter->setup.audit))
        return err_set(err, "the audit stream is not read, so nothing can be recorded");
    snprintf(shutter->by, sizeof shutter->by, "%s", word->by);
    snprintf(shutter->reason, sizeof shutter->reason, "%s", word->reason);
    shutter->reopening = true;
    return 0;
}

const char *shutter_state(const struct shutter *shutter)
{
    const struct policy_store *policies = shutter->setup.policies;
    if (shutter->reopening)
        return "opening";
    if (policies->closed)
        return policies->current.closed && !shutter->rolling ? "closed" : "closing";
    return policies->current.closed ? "opening" : "open";
}

json_t *shutter_describe(const struct shutter *shutter)
{
    const char *state = shutter_state(shutter);
    json_t *object = json_pack("{s:s}", "state", state);
    if (strcmp(state, "open") == 0)
        return object;
    json_object_set_new(object, "event_id", json_string(shutter->event));
    json_object_set_new(object, "since_s",
                        json_integer((json_int_t)((uv_now(shutter->setup.loop) - shutter->since_ms) / 1000)));
    return object;
}

struct shutter *shutter_new(const struct shutter_setup *setup)
{
    struct shutter *shutter = calloc(1, sizeof *shutter);
    if (shutter == NULL)
        return NULL;
    shutter->setup = *setup;
    uv_timer_init(setup->loop, &shutter->timer);
    shutter->timer.data = shutter;
    return shutter;
}
