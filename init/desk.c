/* SPDX-License-Identifier: GPL-3.0-or-later */
/* desk: see desk.h. One roll-out at a time: what is decided meanwhile is in the next one. */
#include "init/desk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/channel.h"

#define AGAIN_MS 1000u /* until an approval that could not be taken out of the policy is tried again */

struct desk {
    struct desk_setup setup;
    struct holds holds;
    uv_timer_t timer, again;
    bool rolling; /* a roll-out of ours is under way */
};

static void turn(struct desk *desk);

/* ---- saying what happens ---- */

static void audit(struct desk *desk, const struct hold *hold, struct audit line, const char *detail)
{
    const struct hold_request *request = &hold->request;
    line.detail = str_of(detail);
    line.host = str_of(request->host);
    line.method = str_of(request->kind == HOLD_PUSH ? "push" : request->method);
    line.path = str_of(request->path);
    line.port = request->port;
    line.repository = str_of(request->push.repository);
    line.ref = str_of(request->push.ref);
    line.old_id = str_of(request->push.old_id);
    line.new_id = str_of(request->push.new_id);
    line.commit = str_of(request->push.commit);
    line.line = request->push.line;
    if (request->detector[0] != '\0') {
        line.detector = request->detector;
        line.pattern = request->rule;
        line.surface = request->surface;
    }
    audit_mux_emit(desk->setup.audit, &line);
}

static void audit_held(struct desk *desk, const struct hold *hold)
{
    const struct hold_request *request = &hold->request;
    bool push = request->kind == HOLD_PUSH, match = request->detector[0] != '\0';
    char detail[128];
    snprintf(detail, sizeof detail, "held as %" PRIu64 ", its end will be event %s", hold->id,
             request->event);
    audit(desk, hold,
          (struct audit){.kind = push ? AUDIT_GIT : AUDIT_HTTP,
                         .verdict = AUDIT_HOLD,
                         .rule = match && push ? "git-gate.on_finding"
                                 : match       ? "dlp.outbound_on_match"
                                               : request->rule,
                         .reason = match  ? DENIAL_DLP_MATCH
                                   : push ? DENIAL_NONE
                                          : DENIAL_HOST_NOT_ALLOWED},
          detail);
}

static void audit_verdict(struct desk *desk, const struct hold *hold, const char *rule,
                          enum audit_verdict verdict, const char *how)
{
    char detail[HOLDS_BY + HOLDS_REASON + 128];
    snprintf(detail, sizeof detail, "%" PRIu64 "%s, by %s: %s", hold->id, how, hold->by, hold->reason);
    audit(desk, hold, (struct audit){.kind = AUDIT_CONTROL, .verdict = verdict, .rule = rule}, detail);
}

static void audit_over(struct desk *desk, const struct hold *hold, const char *why)
{
    char detail[128];
    snprintf(detail, sizeof detail, "%" PRIu64 ": %s", hold->id, why);
    audit(desk, hold, (struct audit){.kind = AUDIT_CONTROL, .verdict = AUDIT_ALLOW, .rule = "approval-end"},
          detail);
}

static void tell(struct desk *desk, struct worker_ref worker, uint64_t number, enum hold_outcome outcome,
                 uint64_t approval)
{
    struct hold_verdict verdict = {.outcome = outcome, .approval = approval};
    supervisor_tell(desk->setup.supervisor, worker, number,
                    (struct str){(const char *)&verdict, sizeof verdict});
}

/* ---- time ---- */

static uint64_t now(const struct desk *desk)
{
    return uv_now(desk->setup.loop);
}

static void on_time(uv_timer_t *timer)
{
    struct desk *desk = timer->data;
    struct hold *hold;
    while ((hold = holds_expired(&desk->holds, now(desk))) != NULL) {
        if (hold->state == HOLD_WAITS) { /* its worker has forgotten to say that it is over */
            holds_remove(&desk->holds, hold);
            continue;
        }
        audit_over(desk, hold, "its time is over");
        hold->state = HOLD_OVER;
    }
    turn(desk);
}

static void on_again(uv_timer_t *timer)
{
    turn(timer->data);
}

/* ---- the policy ---- */

/* What is chosen is staged from here on, what is over leaves. */
static json_t *stage(struct desk *desk)
{
    json_t *array = json_array();
    for (struct hold *hold = desk->holds.first; hold != NULL; hold = hold->next) {
        const struct hold_request *request = &hold->request;
        if (hold->state == HOLD_CHOSEN)
            hold->state = HOLD_STAGED;
        if (hold->state == HOLD_OVER)
            hold->state = HOLD_LEAVING;
        if (hold->state != HOLD_STAGED && hold->state != HOLD_IN_FORCE)
            continue;
        bool match = request->kind == HOLD_MATCH; /* then neither method nor path is bound */
        json_array_append_new(
            array, json_pack("{s:I, s:s, s:i, s:b, s:s, s:s, s:b}", "id", (json_int_t)hold->id, "host",
                             request->host, "port", (int)request->port, "tls", (int)request->tls,
                             match ? "value" : "method", match ? request->value : request->method,
                             match ? "surface" : "path", match ? request->surface : request->path, "once",
                             hold->how == HOLD_ONCE));
    }
    return array;
}

static bool is_in_policy(const struct desk *desk, const struct hold *hold)
{
    json_t *approvals = desk->setup.policies->current.approvals, *approval;
    size_t at;
    json_array_foreach(approvals, at, approval) {
        if (json_integer_value(json_object_get(approval, "id")) == (json_int_t)hold->id)
            return true;
    }
    return false;
}

static void answer(struct desk *desk, uint64_t id, const char *error)
{
    struct err err;
    err_set(&err, "%s", error != NULL ? error : "");
    desk->setup.on_approved(desk->setup.ctx, id, error != NULL ? &err : NULL);
}

/* An approval of a push is in no policy: the verdict is all of it. */
static void let_push(struct desk *desk, struct hold *hold)
{
    uint64_t id = hold->id;
    tell(desk, hold->worker, hold->number, HOLD_APPROVED, id);
    holds_remove(&desk->holds, hold);
    answer(desk, id, NULL);
}

static struct hold *chosen_push(const struct desk *desk)
{
    struct hold *hold = desk->holds.first;
    while (hold != NULL && (hold->state != HOLD_CHOSEN || hold->request.kind != HOLD_PUSH))
        hold = hold->next;
    return hold;
}

/* Its roll-out succeeded: whoever waits goes on. */
static void enforce(struct desk *desk, struct hold *hold)
{
    uint64_t id = hold->id;
    if (!is_in_policy(desk, hold)) {
        holds_remove(&desk->holds, hold);
        answer(desk, id, "the policy that is in force by now says itself what may be done with this host");
        return;
    }
    hold->state = HOLD_IN_FORCE;
    if (hold->number != 0)
        tell(desk, hold->worker, hold->number, HOLD_APPROVED, id);
    else if (hold->how == HOLD_ONCE)
        hold->state = HOLD_OVER;
    answer(desk, id, hold->state == HOLD_OVER ? "the request is not held any more" : NULL);
}

/* It failed: nothing has changed, and who still waits may be approved again. */
static void give_back(struct desk *desk, struct hold *hold, const char *why)
{
    uint64_t id = hold->id;
    if (hold->number != 0)
        holds_return(&desk->holds, hold);
    else
        holds_remove(&desk->holds, hold);
    answer(desk, id, why);
}

static void on_rolled(void *ctx, uint64_t generation, const struct err *err)
{
    struct desk *desk = ctx;
    struct hold *hold;
    (void)generation;
    while ((hold = holds_in(&desk->holds, HOLD_LEAVING)) != NULL) {
        if (err == NULL)
            holds_remove(&desk->holds, hold);
        else
            hold->state = HOLD_OVER;
    }
    if (err != NULL)
        uv_timer_start(&desk->again, on_again, AGAIN_MS, 0);
    while ((hold = holds_in(&desk->holds, HOLD_STAGED)) !=
           NULL) { /* an answer may lead to the next question */
        if (err == NULL)
            enforce(desk, hold);
        else
            give_back(desk, hold, err->text);
    }
    desk->rolling = false;
    turn(desk);
}

/* Rolls out what has been decided, when nothing else is on its way; and sets the clock. */
static void turn(struct desk *desk)
{
    struct hold *push;
    struct err err;
    while ((push = chosen_push(desk)) != NULL) /* an answer may lead to the next question */
        let_push(desk, push);
    int64_t next = holds_next_ms(&desk->holds, now(desk));
    if (next >= 0)
        uv_timer_start(&desk->timer, on_time, (uint64_t)next, 0);
    else
        uv_timer_stop(&desk->timer);
    bool chosen = holds_in(&desk->holds, HOLD_CHOSEN) != NULL;
    bool over = holds_in(&desk->holds, HOLD_OVER) != NULL && !uv_is_active((uv_handle_t *)&desk->again);
    if (desk->rolling || desk->setup.rollout->running || (!chosen && !over))
        return;
    json_t *approvals = stage(desk);
    desk->rolling = true;
    if (rollout_approvals(desk->setup.rollout, approvals, on_rolled, desk, &err) < 0)
        on_rolled(desk, 0, &err);
    json_decref(approvals);
}

/* The request of an entry is over. */
static void request_over(struct desk *desk, struct hold *hold)
{
    uint64_t id = hold->id;
    hold->number = 0;
    if (hold->state == HOLD_WAITS) {
        holds_remove(&desk->holds, hold);
    } else if (hold->how == HOLD_ONCE && hold->state == HOLD_IN_FORCE) {
        hold->state = HOLD_OVER;
    } else if (hold->how == HOLD_ONCE && hold->state == HOLD_CHOSEN) {
        holds_remove(&desk->holds, hold);
        answer(desk, id, "the request is not held any more");
    }
}

void desk_check(struct desk *desk)
{
    turn(desk);
}

/* What the new policy has not taken over is over. */
void desk_applied(struct desk *desk)
{
    struct hold *hold = desk->holds.first;
    while (hold != NULL) {
        bool waited = hold->number != 0 && (hold->state == HOLD_WAITS || hold->state == HOLD_CHOSEN) &&
                      hold->request.base != desk->setup.policies->current.base;
        bool over = (hold->state == HOLD_IN_FORCE || hold->state == HOLD_OVER) && !is_in_policy(desk, hold);
        if (over && hold->state == HOLD_IN_FORCE)
            audit_over(desk, hold, "a new policy has come into force");
        if (over)
            holds_remove(&desk->holds, hold);
        else if (waited && hold->request.kind == HOLD_PUSH)
            tell(desk, hold->worker, hold->number, HOLD_STALE, 0);
        if (waited)
            request_over(desk, hold);
        hold = over || waited ? desk->holds.first : hold->next; /* an answer may lead to the next question */
    }
    holds_forget_denials(&desk->holds);
    turn(desk);
}

/* ---- the workers ---- */

/* The repository as the policy in force has it; NULL = it has none of this name. Borrowed. */
static const json_t *repository_of(const struct desk *desk, const struct hold_request *request)
{
    const json_t *gate = json_object_get(desk->setup.policies->current.policy, "gate"), *repository;
    size_t at;
    json_array_foreach(json_object_get(gate, "repos"), at, repository) {
        const char *name = json_string_value(json_object_get(repository, "name"));
        if (name != NULL && strcmp(name, request->push.repository) == 0)
            return repository;
    }
    return NULL;
}

/* Whether it was judged by a policy that is not in force any more. A worker has a new one before it is in force for all. */
static bool is_stale(const struct desk *desk, const struct hold_request *request)
{
    const struct policy_store *policies = desk->setup.policies;
    bool known = request->base == policies->current.base ||
                 (policies->next.generation != 0 && request->base == policies->next.base);
    return request->kind == HOLD_PUSH && (!known || repository_of(desk, request) == NULL);
}

static void take(struct desk *desk, struct worker_ref worker, uint64_t number,
                 const struct hold_request *request)
{
    struct hold *oldest = holds_in(&desk->holds, HOLD_WAITS);
    if (json_object_get(desk->setup.policies->current.policy, "hold") == NULL ||
        !audit_mux_room(desk->setup.audit)) {
        tell(desk, worker, number, HOLD_UNHEARD, 0);
        return;
    }
    if (is_stale(desk, request)) {
        tell(desk, worker, number, HOLD_STALE, 0);
        return;
    }
    if (holds_denied_often(&desk->holds, request)) {
        tell(desk, worker, number, HOLD_REFUSED_OFTEN, 0);
        return;
    }
    if (desk->holds.waiting >= HOLD_MAX) {
        tell(desk, oldest->worker, oldest->number, HOLD_CROWDED, 0);
        holds_remove(&desk->holds, oldest);
    }
    struct hold *hold = holds_add(&desk->holds, worker, number, request, now(desk));
    if (hold == NULL)
        tell(desk, worker, number, HOLD_UNHEARD, 0);
    else
        audit_held(desk, hold);
}

int desk_hold(struct desk *desk, struct worker_ref worker, uint32_t type, uint64_t number, struct str text)
{
    struct hold *hold = holds_of(&desk->holds, worker, number);
    struct hold_request request;
    if (number == 0)
        return -1;
    if (type == CHANNEL_HOLD) {
        if (hold != NULL || hold_read(text, &request) < 0 ||
            (request.kind == HOLD_PUSH) != supervisor_is_gate(desk->setup.supervisor, worker))
            return -1;
        take(desk, worker, number, &request);
    } else if (hold != NULL) {
        request_over(desk, hold);
    }
    turn(desk);
    return 0;
}

void desk_gone(struct desk *desk, struct worker_ref worker)
{
    struct hold *hold = desk->holds.first;
    while (hold != NULL) {
        bool its = hold->number != 0 && hold->worker.slot == worker.slot && hold->worker.life == worker.life;
        if (its)
            request_over(desk, hold);
        hold = its ? desk->holds.first : hold->next; /* an answer may lead to the next question */
    }
    turn(desk);
}

/* ---- the operator ---- */

static struct hold *find_waiting(struct desk *desk, uint64_t id, const struct desk_word *word,
                                 struct err *err)
{
    struct hold *hold = holds_find(&desk->holds, id);
    if (hold == NULL || hold->state != HOLD_WAITS) {
        err_set(err, "no request %" PRIu64 " waits", id);
        return NULL;
    }
    if (!audit_mux_room(desk->setup.audit)) {
        err_set(err, "the audit stream is not read, so nothing can be recorded");
        return NULL;
    }
    snprintf(hold->by, sizeof hold->by, "%s", word->by);
    snprintf(hold->reason, sizeof hold->reason, "%s", word->reason);
    return hold;
}

int desk_approve(struct desk *desk, uint64_t id, enum hold_how how, uint64_t ttl_s,
                 const struct desk_word *word, struct err *err)
{
    static const char *const words[] = {[HOLD_ONCE] = " once", [HOLD_FOR_BOTTLE] = " for the bottle's life"};
    struct hold *hold = find_waiting(desk, id, word, err);
    char ttl[48];
    if (hold == NULL)
        return -1;
    if (hold->request.kind == HOLD_PUSH && how != HOLD_ONCE)
        return err_set(err, "%" PRIu64 " is a push: an approval is for that one alone, so only once", id);
    if (holds_choose(&desk->holds, hold, how, 1000 * ttl_s, now(desk)) < 0)
        return err_set(err, "%d approvals are in force: no more are possible", APPROVALS_MAX);
    snprintf(ttl, sizeof ttl, " for %" PRIu64 " s", ttl_s);
    audit_verdict(desk, hold, "approve", AUDIT_ALLOW, how == HOLD_TTL ? ttl : words[how]);
    return 0;
}

int desk_deny(struct desk *desk, uint64_t id, const struct desk_word *word, struct err *err)
{
    struct hold *hold = find_waiting(desk, id, word, err);
    if (hold == NULL)
        return -1;
    audit_verdict(desk, hold, "deny", AUDIT_BLOCK, "");
    holds_count_denial(&desk->holds, &hold->request);
    tell(desk, hold->worker, hold->number, HOLD_REFUSED, 0);
    holds_remove(&desk->holds, hold);
    return 0;
}

static void put_text(json_t *object, const char *key, const char *text)
{
    if (text[0] != '\0')
        json_object_set_new(object, key, json_string(text));
}

static void describe_push(const struct desk *desk, const struct hold_request *request, json_t *object)
{
    const struct hold_push *push = &request->push;
    const char *url = json_string_value(json_object_get(repository_of(desk, request), "url"));
    put_text(object, "repository", push->repository);
    put_text(object, "url", url != NULL ? url : "");
    put_text(object, "ref", push->ref);
    put_text(object, "old", push->old_id);
    put_text(object, "new", push->new_id);
    put_text(object, "commit", push->commit);
    put_text(object, "path", request->path);
    if (push->line > 0)
        json_object_set_new(object, "line", json_integer((json_int_t)push->line));
    json_object_set_new(object, "finding", json_integer((json_int_t)push->finding));
    json_object_set_new(object, "findings", json_integer((json_int_t)push->findings));
    json_object_set_new(object, "allow_comment", json_boolean(push->allow_comment != 0));
}

static void describe_request(const struct hold_request *request, json_t *object)
{
    put_text(object, "method", request->method);
    put_text(object, "host", request->host);
    json_object_set_new(object, "port", json_integer(request->port));
    json_object_set_new(object, "tls", json_boolean(request->tls != 0));
    put_text(object, "path", request->path);
}

static json_t *describe(const struct desk *desk, const struct hold *hold)
{
    const struct hold_request *request = &hold->request;
    json_t *object = json_pack("{s:I, s:s, s:s}", "id", (json_int_t)hold->id, "kind",
                               hold_kind_name(request->kind), "rule", request->rule);
    if (request->kind == HOLD_PUSH)
        describe_push(desk, request, object);
    else
        describe_request(request, object);
    if (request->detector[0] != '\0') {
        put_text(object, "detector", request->detector);
        put_text(object, "surface", request->surface);
        put_text(object, "value", request->value);
    }
    return object;
}

size_t desk_waiting(const struct desk *desk)
{
    return desk->holds.waiting;
}

json_t *desk_pending(const struct desk *desk)
{
    json_t *array = json_array();
    for (const struct hold *hold = desk->holds.first; hold != NULL; hold = hold->next) {
        const struct hold_request *request = &hold->request;
        uint64_t waited = now(desk) - hold->since_ms;
        if (hold->state != HOLD_WAITS)
            continue;
        json_t *object = describe(desk, hold);
        json_object_set_new(object, "surface", json_string(request->surface));
        if (request->kind != HOLD_PUSH) {
            json_object_set_new(object, "query_bytes", json_integer((json_int_t)request->query));
            json_object_set_new(object, "body_bytes",
                                request->body >= 0 ? json_integer(request->body) : json_null());
        }
        json_object_set_new(object, "waited_s", json_integer((json_int_t)(waited / 1000)));
        json_object_set_new(object, "seconds", json_integer((json_int_t)request->seconds));
        json_object_set_new(object, "event_id", json_string(request->event));
        json_array_append_new(array, object);
    }
    return array;
}

json_t *desk_approvals(const struct desk *desk)
{
    static const char *const names[] = {
        [HOLD_ONCE] = "once", [HOLD_TTL] = "ttl", [HOLD_FOR_BOTTLE] = "bottle"};
    json_t *array = json_array();
    for (const struct hold *hold = desk->holds.first; hold != NULL; hold = hold->next) {
        if (hold->state != HOLD_IN_FORCE)
            continue;
        json_t *object = describe(desk, hold);
        json_object_set_new(object, "how", json_string(names[hold->how]));
        if (hold->how == HOLD_TTL)
            json_object_set_new(object, "left_s",
                                json_integer(hold->until_ms > now(desk)
                                                 ? (json_int_t)((hold->until_ms - now(desk)) / 1000)
                                                 : 0));
        json_object_set_new(object, "by", json_string(hold->by));
        json_object_set_new(object, "reason", json_string(hold->reason));
        json_array_append_new(array, object);
    }
    return array;
}

struct desk *desk_new(const struct desk_setup *setup)
{
    struct desk *desk = calloc(1, sizeof *desk);
    if (desk == NULL)
        return NULL;
    desk->setup = *setup;
    uv_timer_init(setup->loop, &desk->timer);
    uv_timer_init(setup->loop, &desk->again);
    desk->timer.data = desk->again.data = desk;
    return desk;
}
