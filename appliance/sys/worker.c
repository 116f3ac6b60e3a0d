/* SPDX-License-Identifier: GPL-3.0-or-later */
/* worker: the life of a worker process between init's exec and its end. The one place where a policy arrives:
 * it is parsed whole before anything changes, and a policy that is not taken leaves the old one in force. */
#include "sys/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "sys/channel.h"

static const char *worker_name = "worker";
static const char *ready_note = ""; /* what the audit is told of this life */

static void end(const char *what)
{
    fprintf(stderr, "%s: %s\n", worker_name, what);
    _exit(1);
}

static void on_audit_room(void *ctx)
{
    struct worker *worker = ctx;

    if (worker->on_audit_room != NULL)
        worker->on_audit_room(worker->ctx);
}

/* Keeps them for the policy that follows; what came before and was not used is forgotten. */
static int take_secrets(struct worker *worker, const struct channel_msg *msg, struct err *err)
{
    struct str json;

    secrets_free(worker->secrets);
    worker->secrets = NULL;
    worker->secrets_generation = msg->generation;
    if (msg->fd < 0 || channel_map(msg->fd, CHANNEL_SECRETS_MAX, &json) != 0)
        return err_set(err, "the secrets did not arrive as a sealed memfd");
    int status = secrets_parse(json, &worker->secrets, err);
    munmap((void *)json.ptr, json.len);
    return status;
}

/* Reads the section out of the memfd. Returns the new policy, or NULL with err. */
static struct policy *read_policy(struct worker *worker, const struct channel_msg *msg, struct err *err)
{
    struct policy *policy = NULL;
    struct str json;

    if (msg->fd < 0 || channel_map(msg->fd, POLICY_MAX_BYTES, &json) != 0) {
        err_set(err, "the policy did not arrive as a sealed memfd");
        return NULL;
    }
    if (policy_parse(json, true, &policy, err) == 0 && policy->generation != msg->generation) {
        err_set(err, "the policy's generation differs from its message's");
        policy_unref(policy);
        policy = NULL;
    }
    munmap((void *)json.ptr, json.len);
    struct secrets *secrets = worker->secrets_generation == msg->generation ? worker->secrets : NULL;
    if (policy == NULL)
        return NULL;
    if (secrets != NULL)
        worker->secrets = NULL; /* the policy's now */
    if (policy_take_secrets(policy, secrets, err) != 0) {
        policy_unref(policy);
        policy = NULL;
    }
    return policy;
}

static void on_channel(uv_poll_t *poll, int status, int events);

/* That a policy was taken must not get lost because the channel is full of other words: then it is said later. */
static void say_applied(struct worker *worker, uint64_t generation)
{
    int status = channel_send(WORKER_FD_CHANNEL, CHANNEL_APPLIED, generation, -1, str_of(NULL));
    bool full = status != 0 && errno == EAGAIN;

    worker->unsaid = full ? generation : 0;
    uv_poll_start(&worker->channel, full ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_channel);
}

static void take_policy(struct worker *worker, const struct channel_msg *msg)
{
    struct err err;
    struct policy *policy = read_policy(worker, msg, &err), *old = worker->policy;

    if (policy != NULL && worker->on_offer != NULL && worker->on_offer(worker->ctx, policy, &err) != 0) {
        policy_unref(policy);
        policy = NULL;
    }
    if (policy == NULL) {
        channel_send(WORKER_FD_CHANNEL, CHANNEL_REFUSED, msg->generation, -1, str_of(err.text));
        return;
    }
    worker->policy = policy;
    if (worker->on_policy != NULL)
        worker->on_policy(worker->ctx, old);
    policy_unref(old);
    say_applied(worker, msg->generation);
}

static int take_database(struct worker *worker, const struct channel_msg *msg, struct err *err)
{
    if (worker->on_database == NULL || msg->fd < 0)
        return err_set(err, "nothing is searched for here");
    return worker->on_database(worker->ctx, msg->generation, msg->fd, err);
}

static int take_keys(struct worker *worker, const struct channel_msg *msg, struct err *err)
{
    if (worker->on_keys == NULL || msg->fd < 0)
        return err_set(err, "no keys belong here");
    return worker->on_keys(worker->ctx, msg->generation, msg->fd, err);
}

/* The mapping is the memfd's: what the worker keeps of it, it copies. */
static void take_ca(struct worker *worker, const struct channel_msg *msg)
{
    struct str bytes;

    if (worker->on_ca == NULL || msg->fd < 0 || channel_map(msg->fd, CHANNEL_CA_MAX, &bytes) != 0)
        return;
    worker->on_ca(worker->ctx, bytes);
    munmap((void *)bytes.ptr, bytes.len);
}

static void on_channel(uv_poll_t *poll, int status, int events)
{
    static struct channel_msg msg; /* too large for the stack; one loop, never re-entered */
    struct worker *worker = poll->data;

    if (status == 0 && (events & UV_WRITABLE) && worker->unsaid != 0)
        say_applied(worker, worker->unsaid);
    if (status == 0 && !(events & UV_READABLE))
        return;
    int got = status == 0 ? channel_recv(WORKER_FD_CHANNEL, &msg) : 0;
    if (got <= 0) { /* init is gone, or what it says is not understood: the bottle ends */
        uv_stop(&worker->loop);
        return;
    }
    struct err err;
    if (msg.type == CHANNEL_POLICY)
        take_policy(worker, &msg);
    if (msg.type == CHANNEL_SECRETS && take_secrets(worker, &msg, &err) != 0)
        channel_send(WORKER_FD_CHANNEL, CHANNEL_REFUSED, msg.generation, -1, str_of(err.text));
    if (msg.type == CHANNEL_DATABASE && take_database(worker, &msg, &err) != 0)
        channel_send(WORKER_FD_CHANNEL, CHANNEL_REFUSED, msg.generation, -1, str_of(err.text));
    if (msg.type == CHANNEL_KEYS && take_keys(worker, &msg, &err) != 0)
        channel_send(WORKER_FD_CHANNEL, CHANNEL_REFUSED, msg.generation, -1, str_of(err.text));
    if (msg.type == CHANNEL_CA)
        take_ca(worker, &msg);
    if (msg.type == CHANNEL_VERDICT && worker->on_verdict != NULL)
        worker->on_verdict(worker->ctx, msg.generation, (struct str){msg.text, msg.text_len});
    if (msg.fd >= 0)
        close(msg.fd);
}

static void on_sigterm(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

void worker_open(struct worker *worker, const char *name)
{
    struct stat st;

    worker_name = name;
    *worker = (struct worker){0};
    if (fstat(WORKER_FD_CHANNEL, &st) != 0 || !S_ISSOCK(st.st_mode) || fstat(WORKER_FD_AUDIT, &st) != 0 ||
        !S_ISSOCK(st.st_mode))
        end("is started by stopper-init, with its sockets on descriptors 3 and 4");
    signal(SIGPIPE, SIG_IGN);
    secret_json();
    tzset(); /* opens /etc/localtime now, and jansson /dev/urandom: the jail has no files */
    json_object_seed(0);
    if (uv_loop_init(&worker->loop) != 0 ||
        uv_poll_init(&worker->loop, &worker->channel, WORKER_FD_CHANNEL) != 0 ||
        uv_signal_init(&worker->loop, &worker->sigterm) != 0)
        end("cannot make an event loop");
    worker->channel.data = worker;
    uv_poll_start(&worker->channel, UV_READABLE, on_channel);
    uv_signal_start(&worker->sigterm, on_sigterm, SIGTERM);
    worker->audit = audit_sink_new(&worker->loop, WORKER_FD_AUDIT, on_audit_room, worker);
    if (worker->audit == NULL)
        end("cannot make the audit sink");
}

void worker_jail(const struct jail *jail)
{
    struct err err;

    if (jail->root == NULL && !landlock_there())
        ready_note = "this kernel has no Landlock: files are guarded by their owners and modes alone";
    if (jail_enter(jail, &err) != 0)
        end(err.text);
}

int worker_serve(struct worker *worker)
{
    if (channel_send(WORKER_FD_CHANNEL, CHANNEL_READY, 0, -1, str_of(ready_note)) != 0)
        end("cannot reach stopper-init");
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    if (worker->on_stop != NULL)
        worker->on_stop(worker->ctx);
    audit_sink_close(worker->audit);
    uv_run(&worker->loop, UV_RUN_NOWAIT);
    policy_unref(worker->policy);
    worker->policy = NULL;
    secrets_free(worker->secrets);
    return 0;
}
