/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nft: the wall as tables that read like nft(8), and the one batch that brings them into the kernel
 * (nfnetlink, libnftnl). Installed before anything listens. No rule depends on policy, which arrives later.
 *
 *   raw/prerouting  what comes from the agent: only TCP and DNS go on. This is before conntrack and before routing, so
 *                   nothing of the rest is ever answered by anything but the rejection.
 *   nat/prerouting  every TCP connection and every DNS query, whatever address it is for, becomes one of ours; but for
 *                   those to the gate, which is dialled by its address.
 *   input           only what was redirected, what is for the gate, questions to the internal resolver, and replies.
 *   forward         nothing, ever.
 *   output          replies; then who may dial what, by user. A socket that root opened stays root's (skuid 0): these
 *                   rules are about what a worker dials, and the listeners' packets are replies.
 */
#include "init/nft.h"

#include <netinet/in.h> /* before the kernel's headers, which then leave its names out */
#include <stdio.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/gen.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "sys/ports.h"
#include "sys/users.h"

#define SET_PORTED  "ported"  /* protocols whose destination port is known to be at offset 2 */
#define SET_WORKERS "workers" /* the users of the workers that dial */

#define PRIORITY_RAW    (-300) /* after defragmentation (-400), before conntrack (-200) */
#define PRIORITY_DSTNAT (-100)
#define PRIORITY_FILTER 0

#define DENIED_TIMEOUT_MS 60000u

#define BATCH_SIZE  (128u * 1024) /* bytes; the wall takes less than 20 KiB */
#define ANSWER_SIZE 8192          /* bytes */
#define BATCH_MAX   256           /* messages */

static const char *const counters[] = {NFT_COUNTER_DENIED, NFT_COUNTER_IPV6,   NFT_COUNTER_SPOOFED,
                                       NFT_COUNTER_DIRECT, NFT_COUNTER_WORKER, NFT_COUNTER_FORWARD};

/* Data types are numbers that only nft(8) reads; a key of several parts has six bits each. */
enum { TYPE_ADDRESS = 7, TYPE_PROTOCOL = 12, TYPE_SERVICE = 13, TYPE_UID = 24 };
#define TYPE_PAIR(a, b)      ((uint32_t)(a) << 6 | (uint32_t)(b))
#define TYPE_TRIPLE(a, b, c) (TYPE_PAIR(a, b) << 6 | (uint32_t)(c))

static const struct wall_set {
    const char *name;
    uint32_t type, key_len; /* bytes: each part is padded to four */
    uint32_t flags;
    uint32_t elements[6]; /* of a constant set, zero-terminated */
} sets[] = {
    {NFT_SET_DENIED,
     TYPE_TRIPLE(TYPE_ADDRESS, TYPE_PROTOCOL, TYPE_SERVICE),
     12,
     NFT_SET_EVAL | NFT_SET_TIMEOUT,
     {0}},
    {NFT_SET_DENIED_OTHER, TYPE_PAIR(TYPE_ADDRESS, TYPE_PROTOCOL), 8, NFT_SET_EVAL | NFT_SET_TIMEOUT, {0}},
    {SET_PORTED, TYPE_PROTOCOL, 1, NFT_SET_CONSTANT, {IPPROTO_UDP, IPPROTO_DCCP, IPPROTO_SCTP, 0}},
    {SET_WORKERS, TYPE_UID, 4, NFT_SET_CONSTANT, {USER_PROXY, USER_DNS, USER_GATE, USER_PUSH, 0}},
};

static const struct wall_chain {
    const char *name;
    const char *type; /* NULL = not a base chain */
    uint32_t hook;
    int32_t priority;
    uint32_t policy;
} chains[] = {
    {"raw", "filter", NF_INET_PRE_ROUTING, PRIORITY_RAW, NF_ACCEPT},
    {"nat", "nat", NF_INET_PRE_ROUTING, PRIORITY_DSTNAT, NF_ACCEPT},
    {"input", "filter", NF_INET_LOCAL_IN, PRIORITY_FILTER, NF_DROP},
    {"forward", "filter", NF_INET_FORWARD, PRIORITY_FILTER, NF_DROP},
    {"output", "filter", NF_INET_LOCAL_OUT, PRIORITY_FILTER, NF_DROP},
    {"agent", NULL, 0, 0, 0},
    {"refuse", NULL, 0, 0, 0},
};

/* clang-format off */
static const struct nft_rule rules[] = {
    {"raw", {IIFNAME(NFT_AGENT), JUMP("agent")}},

    {"agent", {NFPROTO_IS(NFPROTO_IPV6), COUNTER(NFT_COUNTER_IPV6), REJECT}},
    {"agent", {SADDR_NOT_AGENTS, COUNTER(NFT_COUNTER_SPOOFED), DROP}},
    {"agent", {SADDR_LOCAL, COUNTER(NFT_COUNTER_SPOOFED), DROP}},
    {"agent", {L4PROTO(IPPROTO_TCP), ACCEPT}},
    {"agent", {DPORT(IPPROTO_UDP, 53), ACCEPT}},
    /* Remembering may fail (a full set, a cut header) and then ends its rule: the rejection is a rule of its own. */
    {"agent", {L4PROTO_IN(SET_PORTED), UPDATE_PORTS(NFT_SET_DENIED)}},
    {"agent", {L4PROTO_NOT_IN(SET_PORTED), UPDATE_PROTOCOLS(NFT_SET_DENIED_OTHER)}},
    {"agent", {COUNTER(NFT_COUNTER_DENIED), REJECT}},

    {"nat", {IIFNAME(NFT_AGENT), DPORT(IPPROTO_UDP, 53), REDIRECT(PORT_DNS)}},
    {"nat", {IIFNAME(NFT_AGENT), DPORT(IPPROTO_TCP, 53), REDIRECT(PORT_DNS)}},
    {"nat", {IIFNAME(NFT_AGENT), DADDR_OWN, DPORT(IPPROTO_TCP, PORT_GATE), ACCEPT}},
    {"nat", {IIFNAME(NFT_AGENT), L4PROTO(IPPROTO_TCP), REDIRECT(PORT_PROXY)}},

    {"input", {IIFNAME(NFT_AGENT), CT_STATUS_DNAT, DPORT(IPPROTO_TCP, PORT_PROXY), ACCEPT}},
    {"input", {IIFNAME(NFT_AGENT), CT_STATUS_DNAT, DPORT(IPPROTO_UDP, PORT_DNS), ACCEPT}},
    {"input", {IIFNAME(NFT_AGENT), CT_STATUS_DNAT, DPORT(IPPROTO_TCP, PORT_DNS), ACCEPT}},
    {"input", {IIFNAME(NFT_AGENT), DADDR_OWN, DPORT(IPPROTO_TCP, PORT_GATE), ACCEPT}},
    {"input", {IIFNAME(NFT_AGENT), L4PROTO(IPPROTO_TCP), COUNTER(NFT_COUNTER_DIRECT), REJECT_RESET}},
    {"input", {IIFNAME(NFT_AGENT), COUNTER(NFT_COUNTER_DIRECT), REJECT}},
    {"input", {IIFNAME(NFT_EGRESS), CT_STATE(CT_ESTABLISHED), ACCEPT}},
    {"input", {IIFNAME(NFT_EGRESS), CT_STATE(CT_RELATED), L4PROTO(IPPROTO_ICMP), ACCEPT}},
    {"input", {IIFNAME(NFT_LO), CT_STATE(CT_ESTABLISHED), ACCEPT}},
    {"input", {IIFNAME(NFT_LO), DADDR(INADDR_LOOPBACK, 32), DPORT(IPPROTO_UDP, PORT_RESOLVER), ACCEPT}},
    {"input", {WITH_HOST_LOOPBACK, IIFNAME(NFT_LO), DADDR(INADDR_LOOPBACK, 32), L4PROTO(IPPROTO_TCP), ACCEPT}},
    {"input", {IIFNAME(NFT_LO), ICMP_UNREACHABLE, ACCEPT}},

    {"forward", {COUNTER(NFT_COUNTER_FORWARD), DROP}},

    {"output", {CT_STATE(CT_ESTABLISHED | CT_RELATED), ACCEPT}},
    /* The gate only answers: what it has from upstream it has from the leg. */
    {"output", {SKUID(USER_GATE), CT_STATE(CT_NEW), GOTO("refuse")}},
    /* Whoever else asks: the proxy opens this socket while it is still root. */
    {"output", {OIFNAME(NFT_LO), DADDR(INADDR_LOOPBACK, 32), DPORT(IPPROTO_UDP, PORT_RESOLVER), ACCEPT}},
    /* Nothing of the sidecar's listens there: what does leads to the host, a declared port each. */
    {"output", {WITH_HOST_LOOPBACK, OIFNAME(NFT_LO), SKUID(USER_PROXY), DADDR(INADDR_LOOPBACK, 32), L4PROTO(IPPROTO_TCP), ACCEPT}},
    {"output", {WITH_HOST_LOOPBACK, OIFNAME(NFT_LO), SKUID(USER_PUSH), DADDR(INADDR_LOOPBACK, 32), L4PROTO(IPPROTO_TCP), ACCEPT}},
    /* The kernel's own rejections: to the agent, and to a worker whose packet was refused below. Workers cannot send ICMP. */
    {"output", {OIFNAME(NFT_LO), ICMP_UNREACHABLE, ACCEPT}},
    {"output", {OIFNAME(NFT_AGENT), ICMP_UNREACHABLE, ACCEPT}},
    {"output", {OIFNAME(NFT_AGENT), ICMPV6_UNREACHABLE, ACCEPT}},
    {"output", {OIFNAME(NFT_EGRESS), DADDR(0x00000000, 8), GOTO("refuse")}},    /* this network */
    {"output", {OIFNAME(NFT_EGRESS), DADDR(0x7f000000, 8), GOTO("refuse")}},    /* loopback */
    {"output", {OIFNAME(NFT_EGRESS), DADDR(0xa9fe0000, 16), GOTO("refuse")}},   /* link-local: metadata services */
    {"output", {OIFNAME(NFT_EGRESS), DADDR(0xe0000000, 3), GOTO("refuse")}},    /* multicast, reserved, broadcast */
    {"output", {OIFNAME(NFT_EGRESS), DADDR_AGENTS, GOTO("refuse")}},
    {"output", {OIFNAME(NFT_EGRESS), SKUID(USER_DNS), DPORT(IPPROTO_UDP, 53), ACCEPT}},
    {"output", {OIFNAME(NFT_EGRESS), SKUID(USER_DNS), DPORT(IPPROTO_TCP, 53), ACCEPT}},
    {"output", {OIFNAME(NFT_EGRESS), SKUID(USER_PROXY), NFPROTO_IS(NFPROTO_IPV4), L4PROTO(IPPROTO_TCP), ACCEPT}},
    {"output", {OIFNAME(NFT_EGRESS), SKUID(USER_PUSH), NFPROTO_IS(NFPROTO_IPV4), L4PROTO(IPPROTO_TCP), ACCEPT}},
    {"output", {CT_STATE(CT_NEW), GOTO("refuse")}},

    /* The kernel has no user: multicast reports and the like are dropped without a word. */
    {"refuse", {SKUID_IN(SET_WORKERS), COUNTER(NFT_COUNTER_WORKER), REJECT}},
    {"refuse", {DROP}},
};
/* clang-format on */

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

/* ---- the batch ---- */

struct batch {
    struct mnl_nlmsg_batch *messages;
    char *memory;
    uint32_t sequence;
    struct nlmsghdr *last;       /* message between begin and end */
    const char *what[BATCH_MAX]; /* by sequence number: for the error */
};

static void *batch_next(struct batch *batch, const char *what)
{
    if (batch->sequence + 1 < BATCH_MAX)
        batch->what[++batch->sequence] = what;
    return mnl_nlmsg_batch_current(batch->messages);
}

/* Closes the current message. A batch that is too large is an error of this program. */
static int batch_done(struct batch *batch)
{
    return mnl_nlmsg_batch_next(batch->messages) ? 0 : -1;
}

static struct nlmsghdr *batch_message(struct batch *batch, uint16_t type, uint16_t flags, const char *what)
{
    char *at = batch_next(batch, what);
    batch->last = nftnl_nlmsg_build_hdr(at, type, NFPROTO_INET, flags, batch->sequence);
    return batch->last;
}

static int batch_table(struct batch *batch, uint16_t type)
{
    struct nftnl_table *table = nftnl_table_alloc();
    if (table == NULL)
        return -1;
    nftnl_table_set_str(table, NFTNL_TABLE_NAME, NFT_TABLE);
    nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, NFPROTO_INET);
    struct nlmsghdr *message =
        batch_message(batch, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, "table");
    nftnl_table_nlmsg_build_payload(message, table);
    nftnl_table_free(table);
    return batch_done(batch);
}

static int batch_counter(struct batch *batch, const char *name)
{
    struct nftnl_obj *object = nftnl_obj_alloc();
    if (object == NULL)
        return -1;
    nftnl_obj_set_str(object, NFTNL_OBJ_TABLE, NFT_TABLE);
    nftnl_obj_set_str(object, NFTNL_OBJ_NAME, name);
    nftnl_obj_set_u32(object, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
    struct nlmsghdr *message = batch_message(batch, NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_EXCL, name);
    nftnl_obj_nlmsg_build_payload(message, object);
    nftnl_obj_free(object);
    return batch_done(batch);
}

/* For nft(8), which otherwise reads numbers of the host's byte order the wrong way round. */
static int set_byte_order(struct nftnl_set *set)
{
    enum { ORDER_HOST = 1, ORDER_NETWORK = 2 };
    struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
    if (data == NULL)
        return -1;
    bool host = nftnl_set_get_u32(set, NFTNL_SET_KEY_TYPE) == TYPE_UID;
    nftnl_udata_put_u32(data, NFTNL_UDATA_SET_KEYBYTEORDER, host ? ORDER_HOST : ORDER_NETWORK);
    int status =
        nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(data), nftnl_udata_buf_len(data));
    nftnl_udata_buf_free(data);
    return status;
}

static int set_remembers(struct nftnl_set *set)
{
    struct nftnl_expr *counter = nftnl_expr_alloc("counter");
    if (counter == NULL)
        return -1;
    nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, DENIED_TIMEOUT_MS);
    nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, NFT_SET_SIZE);
    nftnl_set_add_expr(set, counter);
    return 0;
}

static int set_add_elements(struct nftnl_set *set, const struct wall_set *wanted)
{
    for (const uint32_t *value = wanted->elements; *value != 0; value++) {
        struct nftnl_set_elem *element = nftnl_set_elem_alloc();
        if (element == NULL)
            return -1;
        uint8_t byte = (uint8_t)*value;
        const void *key = wanted->key_len == 1 ? (const void *)&byte : (const void *)value;
        if (nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, key, wanted->key_len) < 0) {
            nftnl_set_elem_free(element);
            return -1;
        }
        nftnl_set_elem_add(set, element);
    }
    return 0;
}

static struct nftnl_set *set_new(const struct wall_set *wanted)
{
    struct nftnl_set *set = nftnl_set_alloc();
    if (set == NULL)
        return NULL;
    nftnl_set_set_u32(set, NFTNL_SET_ID, (uint32_t)(wanted - sets) + 1);
    nftnl_set_set_u32(set, NFTNL_SET_FLAGS, wanted->flags);
    nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, wanted->type);
    nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, wanted->key_len);
    if (nftnl_set_set_str(set, NFTNL_SET_TABLE, NFT_TABLE) == 0 &&
        nftnl_set_set_str(set, NFTNL_SET_NAME, wanted->name) == 0 && set_byte_order(set) == 0 &&
        (wanted->flags & NFT_SET_CONSTANT ? set_add_elements(set, wanted) : set_remembers(set)) == 0)
        return set;
    nftnl_set_free(set);
    return NULL;
}

static int batch_set(struct batch *batch, const struct wall_set *wanted)
{
    struct nftnl_set *set = set_new(wanted);
    if (set == NULL)
        return -1;
    struct nlmsghdr *message = batch_message(batch, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, wanted->name);
    nftnl_set_nlmsg_build_payload(message, set);
    int status = batch_done(batch);
    if (status == 0 && (wanted->flags & NFT_SET_CONSTANT)) {
        message = batch_message(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, wanted->name);
        nftnl_set_elems_nlmsg_build_payload(message, set);
        status = batch_done(batch);
    }
    nftnl_set_free(set);
    return status;
}

static int batch_chain(struct batch *batch, const struct wall_chain *wanted)
{
    struct nftnl_chain *chain = nftnl_chain_alloc();
    if (chain == NULL)
        return -1;
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, NFT_TABLE);
    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, wanted->name);
    if (wanted->type != NULL) {
        nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, wanted->type);
        nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, wanted->hook);
        nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, wanted->priority);
        nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, wanted->policy);
    }
    struct nlmsghdr *message =
        batch_message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, wanted->name);
    nftnl_chain_nlmsg_build_payload(message, chain);
    nftnl_chain_free(chain);
    return batch_done(batch);
}

static int batch_rule(struct batch *batch, const struct nft_rule *wanted, const struct nft_place *place)
{
    struct nftnl_rule *rule = nftnl_rule_alloc();
    if (rule == NULL)
        return -1;
    nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, NFT_TABLE);
    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, wanted->chain);
    for (const struct nft_term *term = wanted->terms; term < wanted->terms + NFT_TERMS && term->build != NULL;
         term++) {
        int built = term->build(rule, place, term);
        if (built != 0) {
            nftnl_rule_free(rule);
            return built < 0 ? -1 : 0;
        }
    }
    struct nlmsghdr *message =
        batch_message(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, wanted->chain);
    nftnl_rule_nlmsg_build_payload(message, rule);
    nftnl_rule_free(rule);
    return batch_done(batch);
}

/* The whole wall as one transaction. "Add, delete, add" removes a table of an earlier life, if there is one.
 */
static int batch_build(struct batch *batch, const struct nft_place *place)
{
    nftnl_batch_begin(batch_next(batch, "begin"), batch->sequence);
    if (batch_done(batch) < 0)
        return -1;
    if (batch_table(batch, NFT_MSG_NEWTABLE) < 0 || batch_table(batch, NFT_MSG_DELTABLE) < 0 ||
        batch_table(batch, NFT_MSG_NEWTABLE) < 0)
        return -1;
    for (size_t i = 0; i < COUNT_OF(counters); i++)
        if (batch_counter(batch, counters[i]) < 0)
            return -1;
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        if (batch_set(batch, &sets[i]) < 0)
            return -1;
    for (size_t i = 0; i < COUNT_OF(chains); i++)
        if (batch_chain(batch, &chains[i]) < 0)
            return -1;
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (batch_rule(batch, &rules[i], place) < 0)
            return -1;
    /* One acknowledgement, asked for with the last message: errors of earlier messages come before it. */
    batch->last->nlmsg_flags |= NLM_F_ACK;
    nftnl_batch_end(batch_next(batch, "end"), batch->sequence);
    return batch_done(batch);
}

/* ---- the socket ---- */

static struct mnl_socket *socket_open(struct err *err)
{
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (socket == NULL) {
        err_set_errno(err, "nfnetlink: socket");
        return NULL;
    }
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        err_set_errno(err, "nfnetlink: bind");
        mnl_socket_close(socket);
        return NULL;
    }
    return socket;
}

/* Reads one answer to the messages from `first` on. Returns 1 for another message, 0 for success, -1 with
 * err. */
static int answer_read(struct mnl_socket *socket, const struct batch *batch, struct err *err)
{
    char answer[ANSWER_SIZE];
    ssize_t len = mnl_socket_recvfrom(socket, answer, sizeof answer);
    if (len < 0)
        return err_set_errno(err, "wall: no answer from the kernel");

    const struct nlmsghdr *message = (const struct nlmsghdr *)answer;
    if (!mnl_nlmsg_ok(message, (int)len) || message->nlmsg_type != NLMSG_ERROR ||
        mnl_nlmsg_get_payload_len(message) < sizeof(struct nlmsgerr))
        return err_set(err, "wall: the kernel's answer is malformed");
    const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
    if (error->error == 0)
        return 0;
    errno = -error->error;
    uint32_t at = error->msg.nlmsg_seq;
    return err_set_errno(err, "wall: message %u (%s)", at,
                         at < BATCH_MAX && batch->what[at] != NULL ? batch->what[at] : "?");
}

static int batch_send(struct mnl_socket *socket, const struct batch *batch, struct err *err)
{
    const void *head = mnl_nlmsg_batch_head(batch->messages);
    size_t size = mnl_nlmsg_batch_size(batch->messages);
    int buffer = (int)BATCH_SIZE * 2;
    setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_SNDBUF, &buffer,
               sizeof buffer); /* sendto says if too small */
    if (mnl_socket_sendto(socket, head, size) < 0)
        return err_set_errno(err, "wall: send");
    return answer_read(socket, batch, err);
}

int nft_install(const struct nft_place *place, struct err *err)
{
    struct batch batch = {0};
    struct mnl_socket *socket = socket_open(err);
    int status = -1;
    if (socket == NULL)
        return -1;
    batch.memory = malloc(BATCH_SIZE * 2); /* a message may overrun the limit before it is seen */
    if (batch.memory != NULL)
        batch.messages = mnl_nlmsg_batch_start(batch.memory, BATCH_SIZE);
    if (batch.messages == NULL || batch_build(&batch, place) < 0)
        err_set(err, "wall: out of memory");
    else
        status = batch_send(socket, &batch, err);
    if (batch.messages != NULL)
        mnl_nlmsg_batch_stop(batch.messages);
    free(batch.memory);
    mnl_socket_close(socket);
    return status;
}

/* ---- the generation ---- */

static int on_generation(const struct nlmsghdr *message, void *ctx)
{
    struct nftnl_gen *gen = nftnl_gen_alloc();
    int status = MNL_CB_ERROR;
    if (gen != NULL && nftnl_gen_nlmsg_parse(message, gen) == 0) {
        *(uint32_t *)ctx = nftnl_gen_get_u32(gen, NFTNL_GEN_ID);
        status = MNL_CB_OK;
    }
    if (gen != NULL)
        nftnl_gen_free(gen);
    return status;
}

int nft_generation(uint32_t *generation, struct err *err)
{
    char buf[ANSWER_SIZE];
    struct mnl_socket *socket = socket_open(err);
    if (socket == NULL)
        return -1;
    struct nlmsghdr *request = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETGEN, AF_UNSPEC, 0, 1);
    ssize_t len = mnl_socket_sendto(socket, request, request->nlmsg_len);
    if (len >= 0)
        len = mnl_socket_recvfrom(socket, buf, sizeof buf);
    int status =
        len < 0 ? -1
                : mnl_cb_run(buf, (size_t)len, 1, mnl_socket_get_portid(socket), on_generation, generation);
    mnl_socket_close(socket);
    return status < 0 ? err_set_errno(err, "rule-set generation") : 0;
}
