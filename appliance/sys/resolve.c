/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolve: queries wait in a table by their id, which is random (nobody else can reach the loopback of the
 * sidecar, but a late answer must not meet a new query). One timer looks after all deadlines. A refused
 * packet (the resolver is being restarted) is not an answer: the query is sent again until its time is over.
 */
#include "sys/resolve.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/host.h"
#include "sys/ports.h"

#define BUCKETS      256
#define PACKET_MAX   4096
#define TICK_MS      100
#define EDNS_SIZE    4096
#define EDE_FILTERED 17 /* RFC 8914 section 4.18 */

struct resolve {
    struct resolver *resolver;
    struct resolve *next;
    uint16_t id;
    char host[HOST_MAX + 1];
    uint64_t deadline, again; /* ms of uv_now */
    void (*done)(void *ctx, const struct resolve_answer *answer);
    void *ctx;
};

struct resolver {
    uv_loop_t *loop;
    int fd;
    uv_poll_t poll;
    uv_timer_t tick;
    size_t waiting;
    struct resolve *table[BUCKETS];
};

size_t resolve_write(const char *host, uint16_t id, uint8_t *packet, size_t size)
{
    ldns_pkt *query = NULL;
    uint8_t *wire = NULL;
    size_t len = 0;

    if (ldns_pkt_query_new_frm_str(&query, host, LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, LDNS_RD) != LDNS_STATUS_OK)
        return 0;
    ldns_pkt_set_id(query, id);
    ldns_pkt_set_edns_udp_size(query, EDNS_SIZE); /* without EDNS there is no Extended DNS Error */
    if (ldns_pkt2wire(&wire, query, &len) != LDNS_STATUS_OK || len > size)
        len = 0;
    if (len > 0)
        memcpy(packet, wire, len);
    LDNS_FREE(wire);
    ldns_pkt_free(query);
    return len;
}

static bool is_question(const ldns_pkt *reply, const char *host)
{
    const ldns_rr_list *questions = ldns_pkt_question(reply);

    if (!ldns_pkt_qr(reply) || ldns_rr_list_rr_count(questions) != 1)
        return false;
    const ldns_rr *question = ldns_rr_list_rr(questions, 0);
    char *name = ldns_rdf2str(ldns_rr_owner(question)); /* "a.example." */
    size_t len = strlen(host);
    bool same = name != NULL && strlen(name) == len + 1 && strncasecmp(name, host, len) == 0 &&
                ldns_rr_get_type(question) == LDNS_RR_TYPE_A;
    free(name);
    return same;
}

static bool is_filtered(ldns_pkt *reply)
{
    const ldns_edns_option_list *options = ldns_pkt_edns_get_option_list(reply);
    size_t count = options != NULL ? ldns_edns_option_list_get_count(options) : 0;

    for (size_t i = 0; i < count; i++) {
        const ldns_edns_option *option = ldns_edns_option_list_get_option(options, i);
        const uint8_t *data = ldns_edns_get_data(option);
        if (ldns_edns_get_code(option) == LDNS_EDNS_EDE && ldns_edns_get_size(option) >= 2 &&
            (data[0] << 8 | data[1]) == EDE_FILTERED)
            return true;
    }
    return false;
}

/* Every A record of the answer section; the aliases between them are the resolver's business. */
static void read_addresses(const ldns_pkt *reply, struct resolve_answer *answer)
{
    const ldns_rr_list *records = ldns_pkt_answer(reply);

    for (size_t i = 0; i < ldns_rr_list_rr_count(records) && answer->count < ADDRESSES_MAX; i++) {
        const ldns_rr *record = ldns_rr_list_rr(records, i);
        const ldns_rdf *data = ldns_rr_rdf(record, 0);
        if (ldns_rr_get_type(record) == LDNS_RR_TYPE_A && data != NULL && ldns_rdf_size(data) == 4)
            answer->ips[answer->count++] = ip_from_v4(ldns_rdf_data(data));
    }
}

int resolve_read(const uint8_t *packet, size_t len, const char *host, struct resolve_answer *answer)
{
    ldns_pkt *reply = NULL;

    *answer = (struct resolve_answer){.denial = DENIAL_NAME_UNRESOLVED};
    if (ldns_wire2pkt(&reply, packet, len) != LDNS_STATUS_OK)
        return -1;
    bool ours = is_question(reply, host);
    if (ours && ldns_pkt_get_rcode(reply) == LDNS_RCODE_NOERROR)
        read_addresses(reply, answer);
    if (answer->count > 0)
        answer->denial = DENIAL_NONE;
    else if (ours && is_filtered(reply))
        answer->denial = DENIAL_ADDRESS_REFUSED;
    ldns_pkt_free(reply);
    return ours ? 0 : -1;
}

static struct resolve **find(struct resolver *resolver, uint16_t id)
{
    struct resolve **at = &resolver->table[id % BUCKETS];

    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void forget(struct resolve **at)
{
    struct resolve *resolve = *at;

    *at = resolve->next;
    if (--resolve->resolver->waiting == 0)
        uv_timer_stop(&resolve->resolver->tick);
    free(resolve);
}

static void finish(struct resolve **at, const struct resolve_answer *answer)
{
    void (*done)(void *ctx, const struct resolve_answer *answer) = (*at)->done;
    void *ctx = (*at)->ctx;

    forget(at);
    done(ctx, answer);
}

static void transmit(struct resolve *resolve)
{
    uint8_t packet[512];
    size_t len = resolve_write(resolve->host, resolve->id, packet, sizeof packet);

    resolve->again = uv_now(resolve->resolver->loop) + TIMEOUT_RESOLVE_AGAIN_MS;
    if (len > 0 && send(resolve->resolver->fd, packet, len, MSG_NOSIGNAL) < 0)
        return; /* it is sent again */
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct resolver *resolver = poll->data;
    uint8_t packet[PACKET_MAX];
    struct resolve_answer answer;

    (void)events;
    if (status != 0) { /* an ICMP error waits on the socket: take it off, and go on */
        int error;
        getsockopt(resolver->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error});
        uv_poll_start(poll, UV_READABLE, on_readable);
        return;
    }
    for (;;) {
        ssize_t len = recv(resolver->fd, packet, sizeof packet, 0);
        if (len < 0 && errno == EAGAIN)
            return;
        if (len < 2)
            continue;
        struct resolve **at = find(resolver, (uint16_t)(packet[0] << 8 | packet[1]));
        if (*at != NULL && resolve_read(packet, (size_t)len, (*at)->host, &answer) == 0)
            finish(at, &answer);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct resolver *resolver = timer->data;
    const struct resolve_answer late = {.denial = DENIAL_NAME_UNRESOLVED};
    uint64_t now = uv_now(resolver->loop);

    for (size_t i = 0; i < BUCKETS; i++) {
        struct resolve **at = &resolver->table[i];
        while (*at != NULL) {
            if (now >= (*at)->deadline) {
                finish(at, &late);
                at = &resolver->table[i]; /* `done` may have changed the list */
                continue;
            }
            if (now >= (*at)->again)
                transmit(*at);
            at = &(*at)->next;
        }
    }
}

struct resolver *resolver_new(uv_loop_t *loop)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(PORT_RESOLVER), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    if (resolver == NULL)
        return NULL;
    resolver->loop = loop;
    resolver->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (resolver->fd < 0 || connect(resolver->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        uv_poll_init(loop, &resolver->poll, resolver->fd) != 0) {
        if (resolver->fd >= 0)
            close(resolver->fd);
        free(resolver);
        return NULL;
    }
    uv_timer_init(loop, &resolver->tick);
    resolver->poll.data = resolver->tick.data = resolver;
    uv_poll_start(&resolver->poll, UV_READABLE, on_readable);
    return resolver;
}

struct resolve *resolve_start(struct resolver *resolver, const char *host,
                              void (*done)(void *ctx, const struct resolve_answer *answer), void *ctx)
{
    struct resolve *resolve = calloc(1, sizeof *resolve);
    struct resolve **at;

    if (resolve == NULL)
        return NULL;
    do {
        if (getrandom(&resolve->id, sizeof resolve->id, 0) != sizeof resolve->id) {
            free(resolve);
            return NULL;
        }
        at = find(resolver, resolve->id);
    } while (*at != NULL); /* at most CONNECTIONS_MAX of 65536 are taken */
    resolve->resolver = resolver;
    resolve->done = done;
    resolve->ctx = ctx;
    resolve->deadline = uv_now(resolver->loop) + TIMEOUT_RESOLVE_MS;
    memcpy(resolve->host, host, strlen(host) + 1);
    *at = resolve;
    if (resolver->waiting++ == 0)
        uv_timer_start(&resolver->tick, on_tick, TICK_MS, TICK_MS);
    transmit(resolve);
    return resolve;
}

void resolve_cancel(struct resolve *resolve)
{
    if (resolve != NULL)
        forget(find(resolve->resolver, resolve->id));
}
