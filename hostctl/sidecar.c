/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sidecar: see the header. It holds no state: each question is a connection of its own. */
#include "hostctl/sidecar.h"

#include "core/buf.h"
#include "core/policy.h"
#include "hostctl/secrets.h"

#define ANSWER_MAX (1 << 20) /* bytes of an answer */

static json_t *ask(const struct runtime *runtime, const struct state *state, const char *verb,
                   const char *name, struct str in, struct err *err)
{
    json_error_t where;
    struct buf out;

    buf_init(&out, ANSWER_MAX);
    int status = runtime->control(state, verb, name, in, &out, err);
    struct str text = buf_str(&out);
    json_t *answer = status < 0 ? NULL : json_loadb(text.len > 0 ? text.ptr : "", text.len, 0, &where);
    buf_fini(&out);
    if (status < 0) {
        err_prefix(err, "sidecar: %s", verb);
        return NULL;
    }
    if (json_is_true(json_object_get(answer, "ok")) && status == 0)
        return answer;
    const char *error = json_string_value(json_object_get(answer, "error"));
    err_set(err, "sidecar: %s: %s", verb, error != NULL ? error : "no answer that is understood");
    json_decref(answer);
    return NULL;
}

json_t *sidecar_ask(const struct runtime *runtime, const struct state *state, const char *verb, struct str in,
                    struct err *err)
{
    return ask(runtime, state, verb, NULL, in, err);
}

json_t *sidecar_ca(const struct runtime *runtime, const struct state *state, struct err *err)
{
    json_t *answer = sidecar_ask(runtime, state, "ca", str_of(NULL), err);

    if (answer == NULL || (json_is_string(json_object_get(answer, "pem")) &&
                           json_is_string(json_object_get(answer, "subject_hash"))))
        return answer;
    err_set(err, "sidecar: ca: no answer that is understood");
    json_decref(answer);
    return NULL;
}

json_t *sidecar_deploy_key(const struct runtime *runtime, const struct state *state, const char *name,
                           struct err *err)
{
    json_t *answer = ask(runtime, state, "deploy-key", name, str_of(NULL), err);

    if (answer == NULL || json_is_string(json_object_get(answer, "key")))
        return answer;
    err_set(err, "sidecar: deploy-key: no answer that is understood");
    json_decref(answer);
    return NULL;
}

/* A sidecar of another release may mean something else by the same policy. */
static int check_protocol(const struct runtime *runtime, const struct state *state, struct err *err)
{
    json_t *hello = sidecar_ask(runtime, state, "hello", str_of(NULL), err);
    json_int_t protocol = json_integer_value(json_object_get(hello, "protocol"));

    if (hello == NULL)
        return -1;
    json_decref(hello);
    return protocol == POLICY_PROTOCOL
               ? 0
               : err_set(err,
                         "the sidecar speaks protocol %lld, this hostctl %d: they are of different releases",
                         (long long)protocol, POLICY_PROTOCOL);
}

json_int_t sidecar_apply(const struct runtime *runtime, const struct state *state, const char *policy,
                         const struct secrets *secrets, const char *keys, struct err *err)
{
    json_t *answer = NULL;

    if (check_protocol(runtime, state, err) != 0 ||
        (answer = sidecar_ask(runtime, state, "wait-ready", str_of(NULL), err)) == NULL)
        return -1;
    json_decref(answer);
    char *text = secrets_apply_text(policy, secrets, keys);
    if (text == NULL)
        return err_set(err, "out of memory");
    answer = sidecar_ask(runtime, state, "apply", str_of(text), err);
    secrets_text_free(text);
    json_int_t generation = json_integer_value(json_object_get(answer, "generation"));
    bool understood = generation > 0;
    if (answer != NULL && !understood)
        err_set(err, "sidecar: apply: no answer that is understood");
    json_decref(answer);
    return understood ? generation : -1;
}
