/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stopper-dns: the only resolver that a bottle's agent can reach, and, on a listener of its own, the proxy's.
 * Started by stopper-init as sys/worker.h says. From worker_jail on it has no files, no capabilities, and a
 * user of its own; it must never read a hostile byte before that.
 *
 *   5 UDP, 6 TCP: the agent's side      7 UDP: 127.0.0.1, the internal resolver
 */
#include <ldns/ldns.h>
#include <stdio.h>
#include <unistd.h>

#include "dns/reply.h"
#include "dns/server.h"
#include "sys/users.h"

#define OPEN_FILES 512 /* listeners, the agent's connections, one socket for each flight */

/* What the first query would otherwise make ready. Function bindings are resolved at start (-z now), so only
 * ldns. */
static int warm_up(void)
{
    static const uint8_t mix[32] = {0};
    uint8_t query[REPLY_QUERY_MAX], reply[REPLY_QUERY_MAX];
    struct reply parsed;
    size_t len = reply_query("warm.up", 1, 1, mix, query);

    if (len == 0)
        return -1;
    for (size_t i = 0; i < len; i++)
        reply[i] = query[i];
    LDNS_QR_SET(reply);
    LDNS_RA_SET(reply);
    return reply_read(query, len, reply, len, 0, &parsed) == REPLY_OK ? 0 : -1;
}

int main(void)
{
    static const int listeners[3] = {WORKER_FD_LISTENERS, WORKER_FD_LISTENERS + 1, WORKER_FD_LISTENERS + 2};
    static const struct jail jail = {
        .root = WORKER_EMPTY_ROOT,
        .uid = USER_DNS,
        .gid = USER_DNS,
        .open_files = OPEN_FILES,
        .profile = JAIL_DNS,
    };
    static struct worker worker;
    struct err err;

    worker_open(&worker, "stopper-dns");
    if (server_new(&worker, listeners, &err) == NULL) {
        fprintf(stderr, "stopper-dns: %s\n", err.text);
        return 1;
    }
    if (warm_up() != 0) {
        fprintf(stderr, "stopper-dns: cannot read its own query\n");
        return 1;
    }
    worker_jail(&jail);
    return worker_serve(&worker);
}
