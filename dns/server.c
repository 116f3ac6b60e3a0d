/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server: the one place that knows the order: room for the audit line, parse, decide, cache, upstream,
 * answer, audit line.
 *
 * Theory of operation. The agent's query is not looked at before a line for it is reserved; the reservation
 * lives until its answer goes out. What has to wait for upstream is copied into one of WAITERS places (some
 * are kept for the internal resolver, so that an agent cannot starve the proxy). When a policy arrives the
 * cache is emptied, everything under way is called back, and every waiting query is decided again: nothing is
 * answered or asked by a policy that is gone.
 *
 * The internal resolver's queries are the proxy's and the ssh leg's and leave no line here: they write one for each
 * connection.
 */
#include "dns/server.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "dns/cache.h"
#include "dns/tcp.h"
#include "dns/udp.h"
#include "dns/upstream.h"

#define CACHE_ENTRIES 4096
#define WAITERS       256 /* queries waiting for upstream */
#define WAITERS_AGENT                                                                                        \
    192                   /* of these, at most so many of the agent's: their lines fit into the audit queue  \
                           */
#define FLIGHTS_AGENT 128 /* of UPSTREAM_FLIGHTS */
#define VIEW_INTERNAL 0   /* no type (RFC 6895 section 3.1) */

struct waiter {
    struct upstream_waiter link; /* first: upstream knows only this */
    struct client client;
    struct query query;
    uint64_t start_ns;
};

struct server {
    struct worker *worker;
    struct cache *cache;
    struct upstream *upstream;
    struct udp *agent_udp, *internal_udp;
    struct tcp *agent_tcp;
    struct upstream_waiter *vacant;
    unsigned waiting[2]; /* by side */
    struct waiter waiters[WAITERS];
};

static void deliver(const struct client *client, const uint8_t *wire, size_t len)
{
    if (client->connection != NULL)
        tcp_send(client->connection, wire, len);
    else if (len > 0)
        udp_send(client->udp, &client->peer, wire, len);
}

/* The line of a decision whose room is reserved. */
static void write_line(struct server *server, struct audit *audit, uint64_t start_ns)
{
    audit->kind = AUDIT_DNS;
    audit->verdict = audit->reason == DENIAL_NONE ? AUDIT_ALLOW : AUDIT_BLOCK;
    audit->generation = server->worker->policy != NULL ? server->worker->policy->generation : 0;
    audit->duration_us = (uv_hrtime() - start_ns) / 1000;
    audit_id(audit->id);
    audit_sink_emit(server->worker->audit, audit);
}

static void write_answer_line(struct server *server, const struct query *query, const struct route *route,
                              const struct answer *answer, const char *from, uint64_t start_ns)
{
    char name[QUERY_TEXT_MAX], type[QUERY_TYPE_TEXT], rule[HOST_MAX + 3];
    struct audit audit = {
        .reason = answer->reason, .protocol = type, .status = answer->rcode, .upstream = from};

    audit.host = (struct str){name, query_name_text(query, name)};
    query_type_text(query->type, type);
    if (route != NULL) {
        route_name(route, rule);
        audit.rule = rule;
    }
    write_line(server, &audit, start_ns);
}

/* Sends the answer and writes its line. from: ADDRESS:PORT of the resolver, NULL when none was asked now. */
static void finish(struct server *server, const struct client *client, const struct query *query,
                   const struct route *route, const struct answer *answer, const char *from,
                   uint64_t start_ns)
{
    uint8_t wire[ANSWER_WIRE_MAX];
    size_t limit = client->connection != NULL ? ANSWER_WIRE_MAX : query->udp_size;
    size_t len = answer_build(query, answer, limit, wire);

    if (client->side == SIDE_AGENT)
        write_answer_line(server, query, route, answer, from, start_ns);
    deliver(client, wire, len);
}

static void refuse(struct server *server, const struct client *client, const struct query *query,
                   enum query_verdict verdict, uint64_t start_ns)
{
    uint8_t wire[ANSWER_WIRE_MAX];
    size_t len = answer_refuse(query, verdict, wire);

    if (client->side == SIDE_AGENT) {
        struct audit audit = {.reason = DENIAL_DNS_MALFORMED, .status = len > 0 ? wire[3] & 15u : 0};
        write_line(server, &audit, start_ns);
    }
    deliver(client, wire, len);
}

static void failure(struct answer *answer, enum denial reason)
{
    *answer = (struct answer){.rcode = LDNS_RCODE_SERVFAIL, .reason = reason, .ttl = TTL_FAILURE};
}

/* Puts the query among those who wait. Returns -1 when there is no place for it or for its flight. */
static int wait_for(struct server *server, const struct client *client, const struct query *query,
                    uint64_t start_ns)
{
    bool agent = client->side == SIDE_AGENT;
    struct waiter *waiter = (struct waiter *)server->vacant;

    if (waiter == NULL || (agent && server->waiting[SIDE_AGENT] >= WAITERS_AGENT))
        return -1;
    server->vacant = waiter->link.next;
    server->waiting[client->side]++;
    waiter->client = *client;
    waiter->query = *query;
    waiter->start_ns = start_ns;
    if (upstream_ask(server->upstream, query->host, agent ? FLIGHTS_AGENT : UPSTREAM_FLIGHTS,
                     &waiter->link) == 0)
        return 0;
    waiter->link.next = server->vacant;
    server->vacant = &waiter->link;
    server->waiting[client->side]--;
    return -1;
}

/* In the cache's place for the type. What the leg of a repository may dial is more than what a route may, so names of
 * repositories have an entry for the internal side; it and the proxy look at each address again. */
static uint16_t view_of(const struct gate_repo *repo)
{
    return repo != NULL ? VIEW_INTERNAL : TYPE_A;
}

/* Decides, and answers or waits. */
static void handle(struct server *server, const struct client *client, const struct query *query,
                   uint64_t start_ns)
{
    struct decision decision;

    answer_decide(server->worker->policy, client->side, query, &decision);
    if (decision.lookup && !cache_get(server->cache, query->host, view_of(decision.repo),
                                      uv_now(&server->worker->loop), &decision.answer)) {
        if (wait_for(server, client, query, start_ns) == 0)
            return;
        failure(&decision.answer, DENIAL_OVERLOADED);
    }
    finish(server, client, query, decision.route, &decision.answer, NULL, start_ns);
}

bool server_take(struct server *server, const struct client *client, const uint8_t *wire, size_t len)
{
    struct query query;

    if (client->side == SIDE_AGENT && !audit_sink_reserve(server->worker->audit))
        return false;
    uint64_t start_ns = uv_hrtime();
    enum query_verdict verdict = query_parse(wire, len, &query);
    if (verdict == QUERY_OK)
        handle(server, client, &query, start_ns);
    else
        refuse(server, client, &query, verdict, start_ns);
    return true;
}

void server_refused(struct server *server, enum denial reason)
{
    struct audit audit = {.reason = reason, .protocol = "tcp"};

    if (audit_sink_reserve(server->worker->audit))
        write_line(server, &audit, uv_hrtime());
}

/* Gives the place back before its query is handled, since that may need one. */
static void rehandle(struct server *server, struct waiter *waiter, const struct answer *looked_up,
                     const char *from)
{
    struct client client = waiter->client;
    struct query query = waiter->query;
    uint64_t start_ns = waiter->start_ns;

    waiter->link.next = server->vacant;
    server->vacant = &waiter->link;
    server->waiting[client.side]--;
    if (looked_up == NULL)
        handle(server, &client, &query, start_ns);
    else
        finish(server, &client, &query, policy_find(server->worker->policy, query.host), looked_up, from,
               start_ns);
}

/* What a flight has brought, as one side sees it. */
static void land(struct server *server, const char *host, const struct gate_repo *repo,
                 const struct reply *reply, struct answer *answer)
{
    const struct policy *policy = server->worker->policy;

    if (reply != NULL)
        answer_from_reply(policy, policy_find(policy, host), repo, reply, answer);
    else
        failure(answer, DENIAL_DNS_UPSTREAM);
    cache_put(server->cache, host, view_of(repo), uv_now(&server->worker->loop), answer);
}

/* The end of a flight. The policy is still the one that the flight was started under: a new one calls flights
 * back. */
static void on_reply(void *ctx, const char *host, const struct reply *reply, const struct ip *resolver,
                     struct upstream_waiter *waiters)
{
    struct server *server = ctx;
    const struct policy *policy = server->worker->policy;
    const struct gate_repo *repo = gate_at(policy->gate, host);
    struct answer answers[2]; /* by side */
    char address[IP_TEXT], from[IP_TEXT + 4];

    if (repo == NULL || policy_find(policy, host) != NULL)
        land(server, host, NULL, reply, &answers[SIDE_AGENT]);
    if (repo != NULL)
        land(server, host, repo, reply, &answers[SIDE_INTERNAL]);
    else
        answers[SIDE_INTERNAL] = answers[SIDE_AGENT];
    if (reply != NULL) {
        ip_format(resolver, address);
        snprintf(from, sizeof from, "%s:53", address);
    }
    while (waiters != NULL) {
        struct waiter *waiter = (struct waiter *)waiters;
        waiters = waiters->next;
        rehandle(server, waiter, &answers[waiter->client.side], reply != NULL ? from : NULL);
    }
    udp_flush(server->agent_udp);
    udp_flush(server->internal_udp);
}

static void on_policy(void *ctx, struct policy *old)
{
    struct server *server = ctx;

    (void)old;
    cache_clear(server->cache);
    struct upstream_waiter *waiters = upstream_cancel(server->upstream);
    upstream_configure(server->upstream, server->worker->policy);
    while (waiters != NULL) {
        struct upstream_waiter *link = waiters;
        waiters = link->next;
        rehandle(server, (struct waiter *)link, NULL, NULL);
    }
    udp_flush(server->agent_udp);
    udp_flush(server->internal_udp);
}

static void on_audit_room(void *ctx)
{
    struct server *server = ctx;

    udp_resume(server->agent_udp);
    tcp_resume(server->agent_tcp);
}

/* Whether the descriptor is a bound IPv4 socket of this type. */
static int check_listener(int sock, int type, const char *what, struct err *err)
{
    struct sockaddr_in bound = {0};
    socklen_t size = sizeof bound, type_size = sizeof type;
    int is = -1;

    if (getsockopt(sock, SOL_SOCKET, SO_TYPE, &is, &type_size) != 0 || is != type ||
        getsockname(sock, (struct sockaddr *)&bound, &size) != 0 || bound.sin_family != AF_INET ||
        bound.sin_port == 0)
        return err_set(err, "descriptor %d is not the %s", sock, what);
    return 0;
}

struct server *server_new(struct worker *worker, const int listeners[3], struct err *err)
{
    uint64_t seed;

    if (check_listener(listeners[0], SOCK_DGRAM, "agent's UDP listener", err) != 0 ||
        check_listener(listeners[1], SOCK_STREAM, "agent's TCP listener", err) != 0 ||
        check_listener(listeners[2], SOCK_DGRAM, "internal resolver's UDP listener", err) != 0)
        return NULL;
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL || getrandom(&seed, sizeof seed, 0) != sizeof seed) {
        err_set(err, "out of memory");
        free(server);
        return NULL;
    }
    for (size_t i = 0; i < WAITERS; i++) {
        server->waiters[i].link.next = server->vacant;
        server->vacant = &server->waiters[i].link;
    }
    server->worker = worker;
    server->cache = cache_new(CACHE_ENTRIES, seed);
    server->upstream = upstream_new(&worker->loop, on_reply, server);
    server->agent_udp = udp_new(server, &worker->loop, SIDE_AGENT, listeners[0]);
    server->agent_tcp = tcp_new(server, &worker->loop, listeners[1]);
    server->internal_udp = udp_new(server, &worker->loop, SIDE_INTERNAL, listeners[2]);
    if (!server->cache || !server->upstream || !server->agent_udp || !server->agent_tcp ||
        !server->internal_udp) {
        err_set(err, "cannot listen"); /* the process ends: nothing is given back */
        return NULL;
    }
    worker->on_policy = on_policy;
    worker->on_audit_room = on_audit_room;
    worker->ctx = server;
    return server;
}
