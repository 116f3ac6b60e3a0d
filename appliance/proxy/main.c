/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stopper-proxy: takes the agent's redirected TCP connections and lets through what the policy names. Started
 * by stopper-init (sys/worker.h); descriptor 5 is the listener. Everything that it reads after its jail is
 * hostile.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "proxy/budgets.h"
#include "proxy/canary.h"
#include "proxy/deny.h"
#include "proxy/hold.h"
#include "proxy/leaf.h"
#include "proxy/listen.h"
#include "proxy/pool.h"
#include "proxy/search.h"
#include "proxy/session.h"
#include "proxy/tls.h"
#include "sys/channel.h"
#include "sys/resolve.h"
#include "sys/users.h"
#include "sys/worker.h"

#define HEAP_KEPT (4 << 20) /* bytes free at the heap's end */
#define ROOTS     "/etc/ssl/certs/ca-certificates.crt"

static struct proxy proxy; /* the process has one; the loop inside is too large for the stack */

static void on_policy(void *ctx, struct policy *old)
{
    struct proxy *all = ctx;
    struct str roots = all->worker.policy->extra_ca;

    if (!str_equal(roots, old != NULL ? old->extra_ca : str_of(NULL)))
        tls_kit_roots(all->tls, roots); /* what cannot be read is not trusted: upstreams say so */
    pool_clear(all->pool);
    canary_policy(all);
    session_all_policy(all);
}

static int on_database(void *ctx, uint64_t generation, int fd, struct err *err)
{
    return search_database(((struct proxy *)ctx)->search, generation, fd, err);
}

static int on_offer(void *ctx, struct policy *policy, struct err *err)
{
    struct proxy *all = ctx;

    if (search_offer(all->search, policy, err) != 0)
        return -1;
    return budgets_offer(all->budgets, policy, err);
}

static void on_ca(void *ctx, struct str bytes)
{
    struct proxy *all = ctx;

    if (leaves_authority(all->leaves, bytes) != 0)
        fputs("stopper-proxy: the CA that arrived is none\n", stderr);
}

static void on_verdict(void *ctx, uint64_t number, struct str text)
{
    hold_verdict(ctx, number, text);
}

static void on_audit_room(void *ctx)
{
    struct proxy *all = ctx;

    if (!all->starved)
        return;
    all->starved = false;
    session_all_room(all);
    listen_resume(all);
}

static void on_stop(void *ctx)
{
    session_all_stop(ctx);
}

/* With a CA that is forgotten again: the bottle's arrives when the jail is closed. Returns 0, or -1. */
static int warm_up_tls(void)
{
    uint8_t bytes[CHANNEL_CA_MAX];
    uint32_t cert_len;

    proxy.leaves = leaves_new();
    size_t len = proxy.leaves != NULL ? leaves_make_authority(bytes, sizeof bytes) : 0;
    if (len == 0 || leaves_authority(proxy.leaves, (struct str){(const char *)bytes, len}) != 0)
        return -1;
    memcpy(&cert_len, bytes, sizeof cert_len);
    proxy.tls = tls_kit_new(proxy.leaves, ROOTS);
    if (proxy.tls == NULL || tls_warm_up(proxy.leaves, bytes + sizeof cert_len, cert_len) != 0)
        return -1;
    leaves_forget(proxy.leaves);
    return 0;
}

/* What opens files or fills caches at its first use, used once before there are no files any more. */
static void warm_up(void)
{
    static const uint8_t nothing[12];
    const struct deny deny = {
        .denial = DENIAL_HTTP_METHOD, .host = "", .rule = "", .id = "", .method = "", .path = ""};
    struct resolve_answer answer;
    uint8_t packet[512];
    struct buf buf;

    buf_init(&buf, 16384);
    deny_http(&deny, &buf);
    buf_fini(&buf);
    resolve_write("warm.up", 1, packet, sizeof packet);
    resolve_read(nothing, sizeof nothing, "warm.up", &answer);
}

int main(void)
{
    struct rlimit files;
    struct stat st;
    const int listener = WORKER_FD_LISTENERS;

    mallopt(M_TRIM_THRESHOLD,
            HEAP_KEPT); /* what each message is searched with comes and goes: not by system calls */
    worker_open(&proxy.worker, "stopper-proxy");
    if (fstat(listener, &st) != 0 || !S_ISSOCK(st.st_mode) || getrlimit(RLIMIT_NOFILE, &files) != 0) {
        fputs("stopper-proxy: there is no listener on descriptor 5\n", stderr);
        return 1;
    }
    uint64_t open_files = listen_files();
    if (open_files > files.rlim_max)
        open_files = files.rlim_max;
    proxy.max = listen_max(open_files);
    proxy.pool = pool_new(&proxy.worker.loop);
    proxy.search = search_new();
    proxy.budgets = budgets_new();
    if (proxy.pool == NULL || proxy.search == NULL || proxy.budgets == NULL ||
        listen_start(&proxy, listener) != 0) {
        fputs("stopper-proxy: cannot listen\n", stderr);
        return 1;
    }
    canary_init(&proxy);
    proxy.worker.on_policy = on_policy;
    proxy.worker.on_ca = on_ca;
    proxy.worker.on_database = on_database;
    proxy.worker.on_offer = on_offer;
    proxy.worker.on_verdict = on_verdict;
    proxy.worker.on_audit_room = on_audit_room;
    proxy.worker.on_stop = on_stop;
    proxy.worker.ctx = &proxy;
    warm_up();
    if (warm_up_tls() != 0) {
        fputs("stopper-proxy: TLS does not work\n", stderr);
        return 1;
    }
    const struct jail jail = {
        .root = WORKER_EMPTY_ROOT,
        .uid = USER_PROXY,
        .gid = USER_PROXY,
        .open_files = open_files,
        .profile = JAIL_PROXY,
    };
    worker_jail(&jail);
    /* Only now: a socket that root opened stays root's, and the wall lets the proxy's user alone ask the
     * internal resolver. */
    proxy.resolver = resolver_new(&proxy.worker.loop);
    if (proxy.resolver == NULL)
        return 1;
    return worker_serve(&proxy.worker);
}
