/* SPDX-License-Identifier: GPL-3.0-or-later */
/* held: see held.h. */
#include "hostctl/held.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/bottle.h"
#include "hostctl/sidecar.h"

#define REASON_MAX 255 /* bytes, of the sidecar's own bounds (init/holds.h), and */
#define BY_MAX     63

json_t *held_ask(const struct runtime *runtime, const struct state *state, bool *closed, struct err *err)
{
    json_t *answer = sidecar_ask(runtime, state, "pending", str_of(NULL), err), *held, *one;
    size_t at;

    if (answer == NULL)
        return NULL;
    held = json_incref(json_object_get(answer, "held"));
    const char *egress = json_string_value(json_object_get(json_object_get(answer, "egress"), "state"));
    if (closed != NULL)
        *closed = egress != NULL && strcmp(egress, "open") != 0;
    json_decref(answer);
    json_array_foreach(held, at, one) {
        json_int_t id = json_integer_value(json_object_get(one, "id"));
        json_object_set_new(one, "bottle", json_string(state->name));
        json_object_set_new(one, "id", json_sprintf("%s/%lld", state->name, (long long)id));
    }
    if (json_is_array(held))
        return held;
    json_decref(held);
    err_set(err, "sidecar: pending: no answer that is understood");
    return NULL;
}

/* Who decides: the user that called sudo, if one did. */
static void who(char by[BY_MAX + 1])
{
    const char *sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
    const struct passwd *user = getpwuid(getuid());

    if (sudo != NULL && sudo[0] != '\0')
        snprintf(by, BY_MAX + 1, "%s", sudo);
    else if (user != NULL)
        snprintf(by, BY_MAX + 1, "%s", user->pw_name);
    else
        snprintf(by, BY_MAX + 1, "user %lu", (unsigned long)getuid());
}

/* Splits "NAME/7". Returns the number, or 0 with err. */
static json_int_t split(const char *id, char name[64], struct err *err)
{
    const char *slash = strrchr(id, '/');
    size_t len = slash != NULL ? (size_t)(slash - id) : 0;
    char *end = NULL;
    long long number = slash != NULL && slash[1] >= '1' && slash[1] <= '9' ? strtoll(slash + 1, &end, 10) : 0;

    if (len == 0 || len >= 64 || number <= 0 || *end != '\0') {
        err_set(err, "\"%.80s\" is no request: they are called as pending shows them, \"NAME/7\"", id);
        return 0;
    }
    memcpy(name, id, len);
    name[len] = '\0';
    return number;
}

static json_t *word(const char *reason)
{
    char by[BY_MAX + 1];

    who(by);
    return json_pack("{s:s, s:s}", "by", by, "reason", reason);
}

static json_t *question(json_int_t number, const struct held_how *how, const char *reason)
{
    json_t *object = word(reason);

    json_object_set_new(object, "id", json_integer(number));
    if (how != NULL)
        json_object_set_new(object, "how",
                            json_string(how->for_bottle  ? "bottle"
                                        : how->ttl_s > 0 ? "ttl"
                                                         : "once"));
    if (how != NULL && how->ttl_s > 0)
        json_object_set_new(object, "ttl_s", json_integer((json_int_t)how->ttl_s));
    return object;
}

/* Takes the question over. */
static int ask(const char *name, const char *verb, json_t *object, struct err *err)
{
    struct state state;
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);

    json_decref(object);
    if (text == NULL)
        return err_set(err, "the reason is no UTF-8");
    const struct runtime *runtime = bottle_open_running(&state, name, err);
    json_t *answer = NULL;
    if (runtime != NULL) {
        answer = sidecar_ask(runtime, &state, verb, str_of(text), err);
        state_close(&state);
    }
    free(text);
    json_decref(answer);
    return answer != NULL ? 0 : -1;
}

static int check_reason(const char *reason, struct err *err)
{
    return reason[0] != '\0' && strlen(reason) <= REASON_MAX
               ? 0
               : err_set(err, "the reason has to have 1 to %d bytes", REASON_MAX);
}

int held_decide(const char *id, const struct held_how *how, const char *reason, struct err *err)
{
    char name[64];
    json_int_t number = split(id, name, err);

    if (number == 0 || check_reason(reason, err) != 0)
        return -1;
    return ask(name, how != NULL ? "approve" : "deny", question(number, how, reason), err);
}

int held_reopen(const char *name, const char *reason, struct err *err)
{
    return check_reason(reason, err) != 0 ? -1 : ask(name, "reopen", word(reason), err);
}
