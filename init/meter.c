/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * meter: reads the wall's counters and sets over nfnetlink and sends what is new. It never reads its channel
 * (it only looks whether init is still there) and never sends the kernel anything but dump requests. Any
 * failure ends it, and with it the sidecar.
 */
#include "init/meter.h"

#include <netinet/in.h> /* before the kernel's headers, which then leave its names out */
#include <stdio.h>

#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/gen.h>
#include <libnftnl/object.h>
#include <libnftnl/set.h>
#include <linux/capability.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "init/nft.h"
#include "sys/channel.h"
#include "sys/jail.h"
#include "sys/worker.h"

#define ANSWER_SIZE  32768u
#define ELEMENTS_MAX (2u * NFT_SET_SIZE)
#define AGAIN_MS     1000u /* between two reports of an element */
#define OPEN_FILES   16u

struct element {
    uint8_t key[12]; /* address, protocol padded to 4, port padded to 4: as the kernel keeps it; unused = 0 */
    uint64_t packets;
    uint64_t reported;    /* packets of these that are reported */
    uint64_t reported_ms; /* 0 = never */
};

struct meter {
    struct mnl_socket *socket;
    unsigned sequence;
    uint32_t generation;
    struct buf counters; /* JSON members */
    struct element known[ELEMENTS_MAX], seen[ELEMENTS_MAX];
    size_t known_count, seen_count;
};

static void die(const char *what)
{
    fprintf(stderr, "stopper-init meter: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- dumps ---- */

/* Sends the message, which asks for an answer or a dump, and reads all of it. Returns false when a change
 * interrupted it. */
static bool ask(struct meter *meter, struct nlmsghdr *request, mnl_cb_t on_message)
{
    static char answer[ANSWER_SIZE];
    unsigned port = mnl_socket_get_portid(meter->socket);
    bool dump = request->nlmsg_flags & NLM_F_DUMP, more = true;

    if (mnl_socket_sendto(meter->socket, request, request->nlmsg_len) < 0)
        die("asking the kernel");
    while (more) {
        ssize_t len = mnl_socket_recvfrom(meter->socket, answer, sizeof answer);
        if (len < (ssize_t)sizeof(struct nlmsghdr))
            die("reading the kernel's answer");
        if (((const struct nlmsghdr *)answer)->nlmsg_seq != request->nlmsg_seq)
            continue; /* the rest of a dump that was interrupted */
        int status = mnl_cb_run(answer, (size_t)len, request->nlmsg_seq, port, on_message, meter);
        if (status < 0 && errno == EINTR)
            return false;
        if (status < 0)
            die("understanding the kernel's answer");
        more = dump && status > MNL_CB_STOP;
    }
    return true;
}

static struct nlmsghdr *request_new(struct meter *meter, char *buf, uint16_t type, uint16_t family,
                                    uint16_t flags)
{
    return nftnl_nlmsg_build_hdr(buf, type, family, flags, ++meter->sequence);
}

static int on_generation(const struct nlmsghdr *message, void *ctx)
{
    struct meter *meter = ctx;
    struct nftnl_gen *gen = nftnl_gen_alloc();
    if (gen == NULL || nftnl_gen_nlmsg_parse(message, gen) < 0)
        die("rule-set generation");
    meter->generation = nftnl_gen_get_u32(gen, NFTNL_GEN_ID);
    nftnl_gen_free(gen);
    return MNL_CB_OK;
}

static bool read_generation(struct meter *meter)
{
    char buf[256];
    return ask(meter, request_new(meter, buf, NFT_MSG_GETGEN, AF_UNSPEC, 0), on_generation);
}

static int on_counter(const struct nlmsghdr *message, void *ctx)
{
    struct meter *meter = ctx;
    struct nftnl_obj *object = nftnl_obj_alloc();
    if (object == NULL || nftnl_obj_nlmsg_parse(message, object) < 0)
        die("counter");
    if (nftnl_obj_is_set(object, NFTNL_OBJ_CTR_PKTS))
        buf_printf(&meter->counters, "%s\"%.32s\":%" PRIu64, meter->counters.len > 0 ? "," : "",
                   nftnl_obj_get_str(object, NFTNL_OBJ_NAME), nftnl_obj_get_u64(object, NFTNL_OBJ_CTR_PKTS));
    nftnl_obj_free(object);
    return MNL_CB_OK;
}

static bool read_counters(struct meter *meter)
{
    char buf[512];
    struct nftnl_obj *object = nftnl_obj_alloc();
    if (object == NULL)
        die("counters");
    nftnl_obj_set_str(object, NFTNL_OBJ_TABLE, NFT_TABLE);
    nftnl_obj_set_u32(object, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
    struct nlmsghdr *request = request_new(meter, buf, NFT_MSG_GETOBJ, NFPROTO_INET, NLM_F_DUMP);
    nftnl_obj_nlmsg_build_payload(request, object);
    nftnl_obj_free(object);
    buf_consume(&meter->counters, meter->counters.len);
    return ask(meter, request, on_counter);
}

static int on_element(struct nftnl_set_elem *from, void *ctx)
{
    struct meter *meter = ctx;
    uint32_t len;
    const void *key = nftnl_set_elem_get(from, NFTNL_SET_ELEM_KEY, &len);
    const struct nftnl_expr *counter = nftnl_set_elem_get(from, NFTNL_SET_ELEM_EXPR, &(uint32_t){0});
    if (key == NULL || counter == NULL || len > sizeof meter->seen[0].key ||
        meter->seen_count == ELEMENTS_MAX)
        return 0;
    struct element *element = &meter->seen[meter->seen_count++];
    *element = (struct element){.packets = nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_PACKETS)};
    memcpy(element->key, key, len);
    return 0;
}

static int on_elements(const struct nlmsghdr *message, void *ctx)
{
    struct nftnl_set *set = nftnl_set_alloc();
    if (set == NULL || nftnl_set_elems_nlmsg_parse(message, set) < 0)
        die("set");
    nftnl_set_elem_foreach(set, on_element, ctx);
    nftnl_set_free(set);
    return MNL_CB_OK;
}

static bool read_set(struct meter *meter, const char *name)
{
    char buf[512];
    struct nftnl_set *set = nftnl_set_alloc();
    if (set == NULL)
        die("set");
    nftnl_set_set_str(set, NFTNL_SET_TABLE, NFT_TABLE);
    nftnl_set_set_str(set, NFTNL_SET_NAME, name);
    struct nlmsghdr *request = request_new(meter, buf, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP);
    nftnl_set_elems_nlmsg_build_payload(request, set);
    nftnl_set_free(set);
    return ask(meter, request, on_elements);
}

/* ---- what is new ---- */

static int by_key(const void *a, const void *b)
{
    return memcmp(((const struct element *)a)->key, ((const struct element *)b)->key,
                  sizeof((struct element *)a)->key);
}

/* Takes over what was reported of the elements that are still there. Both lists are sorted by key. */
static void elements_merge(struct meter *meter)
{
    size_t old = 0;
    qsort(meter->seen, meter->seen_count, sizeof meter->seen[0], by_key);
    for (size_t i = 0; i < meter->seen_count; i++) {
        struct element *element = &meter->seen[i];
        while (old < meter->known_count && by_key(&meter->known[old], element) < 0)
            old++;
        if (old == meter->known_count || by_key(&meter->known[old], element) != 0)
            continue;
        /* fewer packets than before: it timed out and came back */
        if (element->packets >= meter->known[old].reported) {
            element->reported = meter->known[old].reported;
            element->reported_ms = meter->known[old].reported_ms;
        }
    }
    memcpy(meter->known, meter->seen, meter->seen_count * sizeof meter->seen[0]);
    meter->known_count = meter->seen_count;
}

/* Returns how many elements wait for their turn. */
static size_t elements_report(struct meter *meter, uint64_t now_ms, struct buf *out)
{
    size_t reports = 0, waiting = 0;
    for (size_t i = 0; i < meter->known_count; i++) {
        struct element *element = &meter->known[i];
        const uint8_t *key = element->key;
        if (element->packets == element->reported)
            continue;
        if (reports == METER_REPORTS ||
            (element->reported_ms != 0 && now_ms - element->reported_ms < AGAIN_MS)) {
            waiting++;
            continue;
        }
        buf_printf(out, "%s[\"%u.%u.%u.%u\",%u,%u,%" PRIu64 "]", reports > 0 ? "," : "", key[0], key[1],
                   key[2], key[3], key[4], (unsigned)key[8] << 8 | key[9],
                   element->packets - element->reported);
        element->reported = element->packets;
        element->reported_ms = now_ms;
        reports++;
    }
    return waiting;
}

static void send_report(struct meter *meter, uint64_t now_ms)
{
    struct buf out;
    buf_init(&out, CHANNEL_TEXT_MAX);
    struct str counters = buf_str(&meter->counters);
    buf_printf(&out, "{\"ruleset_generation\":%" PRIu32 ",\"counters\":{%.*s},\"denied\":[",
               meter->generation, (int)counters.len, counters.ptr);
    size_t waiting = elements_report(meter, now_ms, &out);
    if (buf_printf(&out, "],\"waiting\":%zu}", waiting) < 0)
        die("report");
    if (channel_send(METER_FD_CHANNEL, CHANNEL_COUNTERS, 0, -1, buf_str(&out)) < 0)
        die("reaching stopper-init");
    buf_fini(&out);
}

/* The counters first: what they hold, the sets then hold too, but for what found the sets full. */
static void round_trip(struct meter *meter, uint64_t now_ms)
{
    meter->seen_count = 0;
    if (!read_generation(meter) || !read_counters(meter) || !read_set(meter, NFT_SET_DENIED) ||
        !read_set(meter, NFT_SET_DENIED_OTHER))
        return; /* somebody changed the rule set meanwhile: again in half a second */
    elements_merge(meter);
    send_report(meter, now_ms);
}

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int meter_main(void)
{
    static struct meter meter;
    static const struct jail jail = {.root = WORKER_EMPTY_ROOT,
                                     .capabilities = UINT64_C(1) << CAP_NET_ADMIN,
                                     .open_files = OPEN_FILES,
                                     .profile = JAIL_METER};
    struct err err;

    signal(SIGPIPE, SIG_IGN);
    meter.socket = mnl_socket_fdopen(METER_FD_NETLINK);
    if (meter.socket == NULL || mnl_socket_bind(meter.socket, 0, MNL_SOCKET_AUTOPID) < 0)
        die("nfnetlink");
    buf_init(&meter.counters, 4096);
    round_trip(&meter, monotonic_ms());
    if (jail_enter(&jail, &err) < 0) {
        fprintf(stderr, "stopper-init meter: %s\n", err.text);
        return 1;
    }
    if (channel_send(METER_FD_CHANNEL, CHANNEL_READY, 0, -1, str_of("")) < 0)
        die("reaching stopper-init");
    for (;;) {
        struct pollfd init = {.fd = METER_FD_CHANNEL};
        if (poll(&init, 1, METER_INTERVAL_MS) > 0)
            return 0; /* init is gone */
        round_trip(&meter, monotonic_ms());
    }
}
