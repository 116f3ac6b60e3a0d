/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control: clients, lines and verbs. A client has one request at a time; a request ends with one line. Sizes,
 * clients and times are bounded. Nothing here changes the wall: there is no verb for it.
 */
#include "init/control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/policy.h"
#include "core/secret.h"

#define CLIENTS_MAX 16u
#define REQUEST_MAX (POLICY_MAX_BYTES + SECRETS_MAX_JSON + KEYS_MAX_JSON + 4096u) /* bytes of a line */
#define REQUEST_MS  30000u /* from connecting, or the last answer, to a whole request */
#define READ_SIZE   65536u

struct client {
    uv_pipe_t pipe;
    uv_timer_t timer; /* for the request, or for the answer to wait-ready */
    struct control *control;
    struct client *next;
    struct buf in;
    unsigned handles; /* still to be closed */
    bool busy;        /* a request waits for its answer */
    bool waits_ready, reopening, closing, taking, deaf;
    uint64_t approving; /* the held request whose approval is awaited; 0 = none */
    json_t *apply;      /* a request that waits until no other policy is on its way; NULL = none */
};

struct control {
    struct control_setup setup;
    uv_pipe_t listener;
    struct client *clients;
    unsigned client_count;
    struct client *applying; /* whose apply is under way; NULL = nobody's, or the client is gone */
    char read_buf[READ_SIZE];
};

/* ---- answering ---- */

struct answer {
    uv_write_t write;
    char *text;
};

static void on_request_late(uv_timer_t *timer);
static void requests_take(struct client *client);

static void on_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    if (--client->handles > 0)
        return;
    buf_fini(&client->in);
    free(client);
}

static void client_close(struct client *client)
{
    struct control *control = client->control;
    struct client **at = &control->clients;
    if (client->closing)
        return;
    client->closing = true;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    control->client_count--;
    if (control->applying == client)
        control->applying = NULL;
    client->approving = 0;
    client->reopening = false;
    json_decref(client->apply);
    client->apply = NULL;
    client->handles = 2;
    uv_close((uv_handle_t *)&client->pipe, on_closed);
    uv_close((uv_handle_t *)&client->timer, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    struct answer *answer = write->data;
    struct client *client = write->handle->data;
    secret_json_free(answer->text);
    free(answer);
    if (status < 0)
        client_close(client);
}

/* Sends the object as a line, and takes it. */
static void client_answer(struct client *client, json_t *object)
{
    struct answer *answer = malloc(sizeof *answer);
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    size_t len = text != NULL ? strlen(text) : 0;
    json_decref(object);
    client->busy = client->waits_ready = client->reopening = false;
    client->approving = 0;
    if (answer == NULL || text == NULL) {
        free(answer);
        secret_json_free(text);
        client_close(client);
        return;
    }
    text[len++] = '\n'; /* in the place of the NUL */
    answer->text = text;
    answer->write.data = answer;
    uv_buf_t buf = uv_buf_init(text, (unsigned)len);
    if (uv_write(&answer->write, (uv_stream_t *)&client->pipe, &buf, 1, on_written) != 0) {
        secret_json_free(answer->text);
        free(answer);
        client_close(client);
        return;
    }
    uv_timer_start(&client->timer, on_request_late, REQUEST_MS, 0);
}

static void client_refuse(struct client *client, const char *why)
{
    client_answer(client, json_pack("{s:b, s:s}", "ok", 0, "error", why));
}

/* ---- verbs ---- */

static void verb_hello(struct client *client, const json_t *request)
{
    (void)request;
    client_answer(client, json_pack("{s:b, s:i, s:s}", "ok", 1, "protocol", CONTROL_PROTOCOL, "version",
                                    STOPPER_VERSION));
}

static void verb_status(struct client *client, const json_t *request)
{
    const struct control_setup *setup = &client->control->setup;
    json_t *answer = json_pack("{s:b, s:o}", "ok", 1, "workers", supervisor_describe(setup->supervisor));
    json_t *rest = setup->describe(setup->ctx);
    (void)request;
    json_object_update(answer, rest);
    json_decref(rest);
    client_answer(client, answer);
}

static void on_applied(void *ctx, uint64_t generation, const struct err *err)
{
    struct control *control = ctx;
    struct client *client = control->applying;
    control->applying = NULL;
    if (err == NULL)
        desk_applied(control->setup.desk);
    if (client == NULL)
        return;
    if (err != NULL)
        client_refuse(client, err->text);
    else
        client_answer(client, json_pack("{s:b, s:I}", "ok", 1, "generation", (json_int_t)generation));
    requests_take(client);
}

static void verb_apply(struct client *client, const json_t *request)
{
    struct control *control = client->control;
    const json_t *policy = json_object_get(request, "policy"), *secrets = json_object_get(request, "secrets"),
                 *keys = json_object_get(request, "keys");
    struct err err;
    if (policy == NULL) {
        client_refuse(client, "apply: the member \"policy\" is missing");
        return;
    }
    if (control->setup.rollout->running && control->setup.rollout->cause != ROLLOUT_APPLY) {
        client->apply = json_incref((json_t *)request); /* nobody else's apply: it is soon over */
        client->busy = true;
        uv_timer_stop(&client->timer);
        return;
    }
    if (control->setup.rollout->running) {
        client_refuse(client, "apply: another policy is being applied");
        return;
    }
    if (!audit_mux_room(control->setup.audit)) {
        client_refuse(client, "apply: the audit stream is not read, so nothing can be recorded");
        return;
    }
    control->applying = client;
    client->busy = true;
    uv_timer_stop(&client->timer);
    if (rollout_begin(control->setup.rollout, policy, secrets, keys, on_applied, control, &err) < 0) {
        control->applying = NULL;
        client_refuse(client, err.text);
    }
}

static void on_ready_late(uv_timer_t *timer)
{
    struct client *client = timer->data;
    struct err why = {""};
    supervisor_serving(client->control->setup.supervisor, &why);
    err_prefix(&why, "not ready");
    client_refuse(client, why.text);
    requests_take(client);
}

static void verb_wait_ready(struct client *client, const json_t *request)
{
    const json_t *timeout = json_object_get(request, "timeout_ms");
    json_int_t limit = timeout == NULL ? (json_int_t)CONTROL_WAIT_MS : json_integer_value(timeout);
    if ((timeout != NULL && !json_is_integer(timeout)) || limit < 0 ||
        limit > (json_int_t)CONTROL_WAIT_MAX_MS) {
        client_refuse(client, "wait-ready: \"timeout_ms\" is not an integer from 0 to 600000");
        return;
    }
    struct err why;
    if (supervisor_serving(client->control->setup.supervisor, &why)) {
        client_answer(client, json_pack("{s:b}", "ok", 1));
        return;
    }
    client->busy = client->waits_ready = true;
    uv_timer_start(&client->timer, on_ready_late, (uint64_t)limit, 0);
}

static void verb_ca(struct client *client, const json_t *request)
{
    const struct ca *ca = client->control->setup.ca;
    (void)request;
    client_answer(client,
                  json_pack("{s:b, s:s, s:s}", "ok", 1, "pem", ca->pem, "subject_hash", ca->subject_hash));
}

/* It changes nothing that is in force: a policy that is applied may have the key. */
static void verb_deploy_key(struct client *client, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "name"));
    struct err err;
    const char *line = name != NULL ? rollout_deploy_key(client->control->setup.rollout, name, &err) : NULL;
    if (name == NULL)
        err_set(&err, "\"name\" is not a text");
    if (line != NULL) {
        client_answer(client, json_pack("{s:b, s:s}", "ok", 1, "key", line));
        return;
    }
    err_prefix(&err, "deploy-key");
    client_refuse(client, err.text);
}

static void verb_pending(struct client *client, const json_t *request)
{
    (void)request;
    client_answer(client,
                  json_pack("{s:b, s:o, s:o}", "ok", 1, "held", desk_pending(client->control->setup.desk),
                            "egress", shutter_describe(client->control->setup.shutter)));
}

/* Who and why, of every verb that decides. Returns 0, or -1: refused. */
static int word_read(struct client *client, const json_t *request, const char *verb, struct desk_word *word)
{
    struct err err;
    word->by = json_string_value(json_object_get(request, "by"));
    word->reason = json_string_value(json_object_get(request, "reason"));
    if (word->by == NULL || word->by[0] == '\0' || strlen(word->by) >= HOLDS_BY)
        err_set(&err, "%s: \"by\" is not a text of 1 to %d bytes", verb, HOLDS_BY - 1);
    else if (word->reason == NULL || word->reason[0] == '\0' || strlen(word->reason) >= HOLDS_REASON)
        err_set(&err, "%s: \"reason\" is not a text of 1 to %d bytes", verb, HOLDS_REASON - 1);
    else
        return 0;
    client_refuse(client, err.text);
    return -1;
}

/* What approve and deny have in common. Returns 0, or -1: refused. */
static int verdict_read(struct client *client, const json_t *request, const char *verb, uint64_t *id,
                        struct desk_word *word)
{
    struct err err;
    *id = (uint64_t)json_integer_value(json_object_get(request, "id"));
    if (json_integer_value(json_object_get(request, "id")) >= 1)
        return word_read(client, request, verb, word);
    err_set(&err, "%s: \"id\" is not the number of a request", verb);
    client_refuse(client, err.text);
    return -1;
}

static void verb_approve(struct client *client, const json_t *request)
{
    static const char *const words[] = {
        [HOLD_ONCE] = "once", [HOLD_TTL] = "ttl", [HOLD_FOR_BOTTLE] = "bottle"};
    struct desk *desk = client->control->setup.desk;
    const char *said = json_string_value(json_object_get(request, "how"));
    json_t *ttl = json_object_get(request, "ttl_s");
    json_int_t ttl_s = json_integer_value(ttl);
    struct desk_word word;
    struct err err;
    uint64_t id;
    size_t how = 0;

    if (verdict_read(client, request, "approve", &id, &word) < 0)
        return;
    while (how < sizeof words / sizeof words[0] && (said == NULL || strcmp(said, words[how]) != 0))
        how++;
    if (how == sizeof words / sizeof words[0]) {
        client_refuse(client, "approve: \"how\" is not once, ttl or bottle");
        return;
    }
    if ((how == HOLD_TTL) != (ttl != NULL) || (ttl != NULL && (ttl_s < 1 || ttl_s > DESK_TTL_MAX_S))) {
        client_refuse(client, "approve: \"ttl_s\" goes with ttl and is an integer from 1 to 604800");
        return;
    }
    if (desk_approve(desk, id, (enum hold_how)how, (uint64_t)ttl_s, &word, &err) < 0) {
        client_refuse(client, err.text);
        return;
    }
    client->busy = true;
    client->approving = id;
    uv_timer_stop(&client->timer);
    desk_check(desk);
}

void control_approved(struct control *control, uint64_t id, const struct err *err)
{
    for (struct client *client = control->clients; client != NULL; client = client->next) {
        if (client->approving != id)
            continue;
        if (err != NULL)
            client_refuse(client, err->text);
        else
            client_answer(client, json_pack("{s:b, s:I}", "ok", 1, "id", (json_int_t)id));
        requests_take(client);
        return; /* the list may have changed */
    }
}

static void verb_deny(struct client *client, const json_t *request)
{
    struct desk_word word;
    struct err err;
    uint64_t id;
    if (verdict_read(client, request, "deny", &id, &word) < 0)
        return;
    if (desk_deny(client->control->setup.desk, id, &word, &err) < 0)
        client_refuse(client, err.text);
    else
        client_answer(client, json_pack("{s:b, s:I}", "ok", 1, "id", (json_int_t)id));
}

static void verb_reopen(struct client *client, const json_t *request)
{
    struct shutter *shutter = client->control->setup.shutter;
    struct desk_word word;
    struct err err;
    if (word_read(client, request, "reopen", &word) < 0)
        return;
    if (shutter_reopen(shutter, &word, &err) < 0) {
        client_refuse(client, err.text);
        return;
    }
    client->busy = client->reopening = true;
    uv_timer_stop(&client->timer);
    shutter_check(shutter);
}

void control_reopened(struct control *control, const struct err *err)
{
    struct client *client = control->clients;
    while (client != NULL && !client->reopening)
        client = client->next;
    if (client == NULL)
        return;
    if (err != NULL)
        client_refuse(client, err->text);
    else
        client_answer(client, json_pack("{s:b}", "ok", 1));
    requests_take(client);
}

static const struct verb {
    const char *name;
    void (*run)(struct client *client, const json_t *request);
    const char *members[5]; /* what a request may have beside "verb" */
} verbs[] = {
    {"hello", verb_hello, {NULL}},
    {"apply", verb_apply, {"policy", "secrets", "keys"}},
    {"wait-ready", verb_wait_ready, {"timeout_ms"}},
    {"status", verb_status, {NULL}},
    {"ca", verb_ca, {NULL}},
    {"deploy-key", verb_deploy_key, {"name"}},
    {"pending", verb_pending, {NULL}},
    {"approve", verb_approve, {"id", "how", "ttl_s", "by", "reason"}},
    {"deny", verb_deny, {"id", "by", "reason"}},
    {"reopen", verb_reopen, {"by", "reason"}},
};

static bool verb_has(const struct verb *verb, const char *member)
{
    for (size_t i = 0; i < sizeof verb->members / sizeof verb->members[0]; i++)
        if (verb->members[i] != NULL && strcmp(verb->members[i], member) == 0)
            return true;
    return false;
}

/* An apply that waited runs now, as if it had just come. */
static void apply_resume(struct control *control)
{
    struct client *client = control->clients;
    while (client != NULL && client->apply == NULL)
        client = client->next;
    if (client == NULL || control->setup.rollout->running)
        return;
    json_t *request = client->apply;
    client->busy = false;
    client->apply = NULL;
    verb_apply(client, request);
    json_decref(request);
    requests_take(client);
}

void control_check(struct control *control)
{
    struct err why;
    apply_resume(control);
    if (!supervisor_serving(control->setup.supervisor, &why))
        return;
    for (struct client *client = control->clients, *next; client != NULL; client = next) {
        next = client->next;
        if (!client->waits_ready)
            continue;
        client_answer(client, json_pack("{s:b}", "ok", 1));
        requests_take(client);
    }
}

/* ---- requests ---- */

/* The verb of a request whose members are all known; NULL with err. */
static const struct verb *request_verb(const json_t *request, struct err *err)
{
    const char *name = json_string_value(json_object_get(request, "verb")), *key;
    const struct verb *verb = NULL;
    json_t *value;
    for (size_t i = 0; name != NULL && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, name) == 0)
            verb = &verbs[i];
    if (verb == NULL) {
        err_set(err, "unknown verb \"%.64s\"", name != NULL ? name : "");
        return NULL;
    }
    json_object_foreach((json_t *)request, key, value) {
        if (strcmp(key, "verb") != 0 && !verb_has(verb, key)) {
            err_set(err, "%s: unknown member \"%.64s\"", verb->name, key);
            return NULL;
        }
    }
    return verb;
}

/* Takes one line off the input and runs it. Returns false when there is none. */
static bool request_run(struct client *client)
{
    struct str in = buf_str(&client->in);
    const char *end = in.len > 0 ? memchr(in.ptr, '\n', in.len) : NULL;
    struct err err;
    json_error_t where;
    if (end == NULL)
        return false;
    size_t len = (size_t)(end - in.ptr);
    json_t *request = json_loadb(in.ptr, len, JSON_REJECT_DUPLICATES, &where);
    secret_wipe(client->in.data + client->in.head, len); /* an apply holds values */
    buf_consume(&client->in, len + 1);
    const struct verb *verb = NULL;
    if (request == NULL)
        err_set(&err, "the request is not JSON, from column %d on",
                where.column); /* its text may hold values */
    else
        verb = request_verb(request, &err);
    if (verb != NULL)
        verb->run(client, request);
    else
        client_refuse(client, err.text);
    json_decref(request);
    return true;
}

/* Runs what is there, one after the other; stops at a request that has to wait. */
static void requests_take(struct client *client)
{
    if (client->taking) /* an answer from inside a verb: the loop below goes on by itself */
        return;
    client->taking = true;
    while (!client->busy && !client->closing && request_run(client))
        ;
    client->taking = false;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct client *client = handle->data;
    (void)suggested;
    *buf = uv_buf_init(client->control->read_buf, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct client *client = stream->data;
    if (len == UV_EOF && client->busy) {
        uv_read_stop(stream); /* it has said all, and waits for its answer */
        return;
    }
    if (len < 0) {
        client_close(client);
        return;
    }
    int kept = client->deaf ? 0 : buf_append(&client->in, buf->base, (size_t)len);
    secret_wipe(buf->base, (size_t)len); /* it is the control's own, and outlives the request */
    if (client->deaf)
        return;
    if (kept < 0) {
        client->deaf = true; /* read on: closing now could overtake the answer */
        buf_fini(&client->in);
        client_refuse(client, "the request is too large");
        return;
    }
    requests_take(client);
}

static void on_request_late(uv_timer_t *timer)
{
    client_close(timer->data);
}

static bool peer_is_root(uv_pipe_t *pipe)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    uv_os_fd_t fd;
    return uv_fileno((uv_handle_t *)pipe, &fd) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == 0;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct control *control = listener->data;
    struct client *client = status < 0 ? NULL : calloc(1, sizeof *client);
    if (client == NULL)
        return;
    client->control = control;
    client->pipe.data = client->timer.data = client;
    buf_init(&client->in, REQUEST_MAX);
    uv_pipe_init(control->setup.loop, &client->pipe, 0);
    uv_timer_init(control->setup.loop, &client->timer);
    client->next = control->clients;
    control->clients = client;
    control->client_count++;
    if (uv_accept(listener, (uv_stream_t *)&client->pipe) != 0 || control->client_count > CLIENTS_MAX ||
        !peer_is_root(&client->pipe) || uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) != 0) {
        client_close(client);
        return;
    }
    uv_timer_start(&client->timer, on_request_late, REQUEST_MS, 0);
}

struct control *control_open(const struct control_setup *setup, struct err *err)
{
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL) {
        err_set(err, "control: out of memory");
        return NULL;
    }
    control->setup = *setup;
    unlink(CONTROL_SOCKET); /* of an earlier life; the directory is root's alone */
    uv_pipe_init(setup->loop, &control->listener, 0);
    control->listener.data = control;
    mode_t mask = umask(0177);
    int status = uv_pipe_bind(&control->listener, CONTROL_SOCKET);
    umask(mask);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&control->listener, (int)CLIENTS_MAX, on_connection);
    if (status != 0) {
        err_set(err, "%s: %s", CONTROL_SOCKET, uv_strerror(status));
        return NULL; /* the sidecar does not start */
    }
    return control;
}
