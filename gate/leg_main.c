/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stopper-push: the ssh leg of the git-gate, and the only process that has the keys of its upstreams beside init. Started by
 * stopper-init as sys/worker.h says. It runs ssh for sessions of stopper-gate, which hand over the descriptors that git speaks
 * over; it never reads what goes through them, and takes no word from the agent but a repository's name.
 *
 *   5 SOCK_SEQPACKET, listening: LEG_SOCKET (gate/leg.h)
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "gate/jails.h"
#include "gate/leg_calls.h"
#include "sys/channel.h"
#include "sys/users.h"

struct push {
    struct worker worker;
    struct leg_calls calls;
    struct keys *keys; /* for the policy of this generation, which follows */
    uint64_t keys_generation;
    struct err keys_err; /* why they were not taken; "": they were */
};

/* What is wrong with keys is said of the policy that they belong to. */
static int on_keys(void *ctx, uint64_t generation, int fd, struct err *err)
{
    struct push *push = ctx;
    struct str json;

    keys_free(push->keys);
    push->keys = NULL;
    push->keys_generation = generation;
    push->keys_err.text[0] = '\0';
    (void)err;
    if (channel_map(fd, KEYS_MAX_JSON, &json) != 0) {
        err_set(&push->keys_err, "the keys did not arrive as a sealed memfd");
        return 0;
    }
    keys_parse(json, &push->keys, &push->keys_err);
    munmap((void *)json.ptr, json.len);
    return 0;
}

static int on_offer(void *ctx, struct policy *policy, struct err *err)
{
    struct push *push = ctx;
    bool given = push->keys_generation == policy->generation;
    const struct keys *keys = given ? push->keys : NULL;

    if (given && push->keys_err.text[0] != '\0') {
        *err = push->keys_err;
        return -1;
    }
    int status = leg_upstreams_stage(&push->calls.upstreams, policy, keys, err);

    keys_free(push->keys); /* ssh reads files of them */
    push->keys = NULL;
    return status;
}

static void on_policy(void *ctx, struct policy *old)
{
    struct push *push = ctx;

    (void)old;
    leg_upstreams_commit(&push->calls.upstreams, push->worker.policy);
}

static void on_audit_room(void *ctx)
{
    leg_calls_room(&((struct push *)ctx)->calls);
}

static void on_stop(void *ctx)
{
    leg_calls_end(&((struct push *)ctx)->calls);
}

int main(void)
{
    static struct push push;
    static struct jails jails;
    struct err err;

    umask(077);
    worker_open(&push.worker, "stopper-push");
    push.worker.ctx = &push;
    push.worker.on_keys = on_keys;
    push.worker.on_offer = on_offer;
    push.worker.on_policy = on_policy;
    push.worker.on_audit_room = on_audit_room;
    push.worker.on_stop = on_stop;
    if (leg_calls_listen(&push.calls, &push.worker, WORKER_FD_LISTENERS, USER_GATE, &err) != 0) {
        fprintf(stderr, "stopper-push: %s\n", err.text);
        return 1;
    }
    jails_push(&jails, LEG_FOLDER);
    worker_jail(&jails.jail);
    leg_upstreams_begin(&push.calls.upstreams);
    return worker_serve(&push.worker);
}
