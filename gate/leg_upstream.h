/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leg_upstream: a repository of the policy in force, with its key, its pinned host key and, while it is used, one connection
 * of ssh's that carries what is asked for (ControlMaster of ssh_config(5)), so that a fetch and a push cost one handshake.
 * Each repository has a connection of its own, even where two are at one host: connections differ in their key.
 *
 *   none -> resolving -> connecting -> ready -> none (unused for LEG_IDLE_MS, lost, or the policy has it no more)
 */
#ifndef GATE_LEG_UPSTREAM_H
#define GATE_LEG_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "core/keys.h"
#include "core/policy.h"
#include "gate/leg.h"
#include "gate/leg_files.h"
#include "gate/leg_master.h"
#include "sys/resolve.h"

#define LEG_CONNECT_S     10u     /* of one address */
#define LEG_CONNECT_ONE_S 4u      /* when there are others */
#define LEG_CONNECT_MS    25000u  /* from the question for the name until somebody is logged in */
#define LEG_TRIES         3u      /* addresses of a name that are tried */
#define LEG_IDLE_MS       300000u /* of a connection that carries nothing */
#define LEG_MASTERS_MAX   16u     /* connections; then one that carries nothing ends */

enum leg_state { LEG_NONE, LEG_RESOLVING, LEG_CONNECTING, LEG_READY };

/* Somebody who waits until an upstream is ready. */
struct leg_wait {
    struct leg_wait *next;
    bool waiting;
    /* Once. DENIAL_NONE: it is ready; else why not, and the text for the caller. */
    void (*done)(struct leg_wait *wait, enum leg_outcome outcome, enum denial reason, const char *text);
};

struct leg_upstream {
    struct leg_upstreams *all;
    struct leg_upstream *next;
    char name[GATE_NAME_MAX + 1];
    char *url_text, *host_key;
    struct gate_url url;
    struct leg_file hosts, key;
    char control[LEG_PATH_SIZE];
    enum leg_state state;
    struct resolve *resolve;
    struct ip addresses[LEG_TRIES];
    size_t address_count, address_at;
    struct leg_master *master; /* NULL: none */
    uv_timer_t timer;          /* for the connection to be made; and for one that is unused */
    struct leg_wait *waiting;
    unsigned users; /* calls that have it */
    bool keep;      /* the policy that is staged has it */
    bool gone;      /* no more in the policy: it is freed when nobody has it */
};

struct leg_upstreams {
    uv_loop_t *loop;
    struct resolver *resolver;
    const struct policy *policy; /* in force; NULL: none yet */
    struct leg_upstream *list, *staged;
    unsigned number; /* of the last file */
    bool swept;
    uv_fs_event_t folder;
    void (*ended)(struct leg_upstream *upstream); /* the policy has it no more: whoever uses it is to end */
};

/* Watches the folder. Returns 0, or -1 with err. */
int leg_upstreams_init(struct leg_upstreams *all, uv_loop_t *loop,
                       void (*ended)(struct leg_upstream *upstream), struct err *err);

/* Removes what an earlier life has left. To be called in the jail, before the first policy. */
void leg_upstreams_begin(struct leg_upstreams *all);

/* Makes ready what a policy has, with its keys (NULL: none). Nothing changes yet. Returns 0, or -1 with err. */
int leg_upstreams_stage(struct leg_upstreams *all, const struct policy *policy, const struct keys *keys,
                        struct err *err);

/* What was staged is what there is, under this policy, which stays the caller's. Connections of repositories that are the same
 * as before go on, the others end. */
void leg_upstreams_commit(struct leg_upstreams *all, const struct policy *policy);

/* By name; NULL: the policy has none. */
struct leg_upstream *leg_upstreams_find(struct leg_upstreams *all, const char *name);

/* All connections end, all files go. */
void leg_upstreams_end(struct leg_upstreams *all);

/* Holds the upstream for a call, and gives it back. */
void leg_upstream_use(struct leg_upstream *upstream);
void leg_upstream_leave(struct leg_upstream *upstream);

/* Waits until it is ready. leg_upstream_forget: `done` is not called any more. */
void leg_upstream_want(struct leg_upstream *upstream, struct leg_wait *wait);
void leg_upstream_forget(struct leg_upstream *upstream, struct leg_wait *wait);

/* Its end: whoever waits is told, its connection and its files go, and it itself when nobody has it. */
void leg_upstream_end(struct leg_upstream *upstream);

/* What ssh is to be told of one that connects or is ready. */
void leg_upstream_target(const struct leg_upstream *upstream, struct leg_target *target);

/* For leg_upstreams.c: the folder has changed; a control socket may be new. */
void leg_upstream_look(struct leg_upstream *upstream);

#endif
