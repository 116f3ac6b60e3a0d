/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_nft: see the header. libnftnl builds the messages, libmnl carries them (nfnetlink,
 * linux/netfilter/nf_tables.h). It must never flush or list anything but its own tables.
 *
 *   table ip stopper_NAME {
 *       chain postrouting { type nat hook postrouting priority srcnat;
 *           ip saddr SUBNET oifname != LINK masquerade }
 *       chain forward { type filter hook forward priority filter;
 *           iifname LINK ip saddr & MASK != SUBNET drop }
 *       chain input { type filter hook input priority filter;
 *           iifname LINK udp dport 53 accept
 *           iifname LINK tcp dport 53 accept
 *           iifname LINK tcp dport PORT accept   (a rule each)
 *           iifname LINK drop }
 *   }
 */
#include "hostctl/rt_netns_nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#define SADDR_OFFSET 12 /* in the IPv4 header, RFC 791 */
#define DPORT_OFFSET 2  /* in the UDP and TCP headers */
#define PORT_DNS     53

struct batch {
    char bytes[32768];
    size_t len;
    uint32_t sequence;
    const char *table;
    bool failed; /* out of memory or room */
};

static void *batch_next(struct batch *batch)
{
    if (batch->len + 2048 > sizeof batch->bytes) /* a message of ours is far smaller */
        batch->failed = true;
    return batch->failed ? NULL : batch->bytes + batch->len;
}

static void batch_take(struct batch *batch, const struct nlmsghdr *message)
{
    batch->len += MNL_ALIGN(message->nlmsg_len);
    batch->sequence++;
}

static void batch_table(struct batch *batch, uint16_t type, uint16_t flags)
{
    void *at = batch_next(batch);
    struct nftnl_table *table = at ? nftnl_table_alloc() : NULL;
    if (!table) {
        batch->failed = true;
        return;
    }
    nftnl_table_set_str(table, NFTNL_TABLE_NAME, batch->table);
    struct nlmsghdr *message =
        nftnl_nlmsg_build_hdr(at, type, NFPROTO_IPV4, flags | NLM_F_ACK, batch->sequence);
    nftnl_table_nlmsg_build_payload(message, table);
    nftnl_table_free(table);
    batch_take(batch, message);
}

static void batch_chain(struct batch *batch, const char *name, const char *type, uint32_t hook,
                        int32_t priority)
{
    void *at = batch_next(batch);
    struct nftnl_chain *chain = at ? nftnl_chain_alloc() : NULL;
    if (!chain) {
        batch->failed = true;
        return;
    }
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, batch->table);
    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, type);
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
    nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
    struct nlmsghdr *message =
        nftnl_nlmsg_build_hdr(at, NFT_MSG_NEWCHAIN, NFPROTO_IPV4, NLM_F_CREATE | NLM_F_ACK, batch->sequence);
    nftnl_chain_nlmsg_build_payload(message, chain);
    nftnl_chain_free(chain);
    batch_take(batch, message);
}

/* A rule under construction: expressions are added to it; the first that cannot be made spoils it. */
static struct nftnl_rule *rule_new(struct batch *batch, const char *chain)
{
    struct nftnl_rule *rule = nftnl_rule_alloc();
    if (!rule) {
        batch->failed = true;
        return NULL;
    }
    nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, batch->table);
    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
    nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_IPV4);
    return rule;
}

static struct nftnl_expr *rule_expression(struct batch *batch, struct nftnl_rule *rule, const char *name)
{
    struct nftnl_expr *expression = rule ? nftnl_expr_alloc(name) : NULL;
    if (expression)
        nftnl_rule_add_expr(rule, expression);
    else
        batch->failed = true;
    return expression;
}

static void rule_compare(struct batch *batch, struct nftnl_rule *rule, uint32_t operator, const void * data,
                         uint32_t len)
{
    struct nftnl_expr *compare = rule_expression(batch, rule, "cmp");
    if (!compare)
        return;
    nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_OP, operator);
    nftnl_expr_set(compare, NFTNL_EXPR_CMP_DATA, data, len);
}

static void rule_meta(struct batch *batch, struct nftnl_rule *rule, uint32_t key, uint32_t operator,
                      const void * data, uint32_t len)
{
    struct nftnl_expr *meta = rule_expression(batch, rule, "meta");
    if (!meta)
        return;
    nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(meta, NFTNL_EXPR_META_DREG, NFT_REG_1);
    rule_compare(batch, rule, operator, data, len);
}

static void rule_link(struct batch *batch, struct nftnl_rule *rule, uint32_t key, uint32_t operator,
                      const char * link)
{
    char name[IFNAMSIZ] = "";
    strncpy(name, link, sizeof name - 1);
    rule_meta(batch, rule, key, operator, name, sizeof name);
}

static void rule_payload(struct batch *batch, struct nftnl_rule *rule, uint32_t base, uint32_t offset,
                         uint32_t len)
{
    struct nftnl_expr *payload = rule_expression(batch, rule, "payload");
    if (!payload)
        return;
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_LEN, len);
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
}

static void rule_source(struct batch *batch, struct nftnl_rule *rule, uint32_t operator,
                        const struct cidr * subnet)
{
    const uint32_t mask = htonl(~0u << (32 - subnet->length)), none = 0;
    rule_payload(batch, rule, NFT_PAYLOAD_NETWORK_HEADER, SADDR_OFFSET, 4);
    struct nftnl_expr *masked = rule_expression(batch, rule, "bitwise");
    if (!masked)
        return;
    nftnl_expr_set_u32(masked, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
    nftnl_expr_set_u32(masked, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
    nftnl_expr_set_u32(masked, NFTNL_EXPR_BITWISE_LEN, 4);
    nftnl_expr_set(masked, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof mask);
    nftnl_expr_set(masked, NFTNL_EXPR_BITWISE_XOR, &none, sizeof none);
    rule_compare(batch, rule, operator, subnet->ip.bytes, 4);
}

static void rule_verdict(struct batch *batch, struct nftnl_rule *rule, uint32_t verdict)
{
    struct nftnl_expr *expression = rule_expression(batch, rule, "immediate");
    if (!expression)
        return;
    nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_VERDICT, verdict);
}

/* Adds the rule to the batch and frees it. */
static void rule_end(struct batch *batch, struct nftnl_rule *rule)
{
    void *at = batch_next(batch);
    if (rule && at) {
        struct nlmsghdr *message = nftnl_nlmsg_build_hdr(
            at, NFT_MSG_NEWRULE, NFPROTO_IPV4, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, batch->sequence);
        nftnl_rule_nlmsg_build_payload(message, rule);
        batch_take(batch, message);
    }
    if (rule)
        nftnl_rule_free(rule);
}

static void input_port(struct batch *batch, const char *link, uint8_t protocol, uint16_t number)
{
    const uint16_t port = htons(number);
    struct nftnl_rule *rule = rule_new(batch, "input");
    rule_link(batch, rule, NFT_META_IIFNAME, NFT_CMP_EQ, link);
    rule_meta(batch, rule, NFT_META_L4PROTO, NFT_CMP_EQ, &protocol, sizeof protocol);
    rule_payload(batch, rule, NFT_PAYLOAD_TRANSPORT_HEADER, DPORT_OFFSET, sizeof port);
    rule_compare(batch, rule, NFT_CMP_EQ, &port, sizeof port);
    rule_verdict(batch, rule, NF_ACCEPT);
    rule_end(batch, rule);
}

/* What a table is filled with. */
struct fill {
    const char *link;
    const struct cidr *subnet;
    const uint16_t *ports;
    size_t port_count;
};

static void batch_rules(struct batch *batch, const struct fill *fill)
{
    const char *link = fill->link;
    const struct cidr *subnet = fill->subnet;

    batch_chain(batch, "postrouting", "nat", NF_INET_POST_ROUTING, 100);
    struct nftnl_rule *rule = rule_new(batch, "postrouting");
    rule_source(batch, rule, NFT_CMP_EQ, subnet);
    rule_link(batch, rule, NFT_META_OIFNAME, NFT_CMP_NEQ, link);
    rule_expression(batch, rule, "masq");
    rule_end(batch, rule);

    batch_chain(batch, "forward", "filter", NF_INET_FORWARD, 0);
    rule = rule_new(batch, "forward");
    rule_link(batch, rule, NFT_META_IIFNAME, NFT_CMP_EQ, link);
    rule_source(batch, rule, NFT_CMP_NEQ, subnet);
    rule_verdict(batch, rule, NF_DROP);
    rule_end(batch, rule);

    batch_chain(batch, "input", "filter", NF_INET_LOCAL_IN, 0);
    input_port(batch, link, IPPROTO_UDP, PORT_DNS);
    input_port(batch, link, IPPROTO_TCP, PORT_DNS);
    for (size_t i = 0; i < fill->port_count; i++)
        input_port(batch, link, IPPROTO_TCP, fill->ports[i]);
    rule = rule_new(batch, "input");
    rule_link(batch, rule, NFT_META_IIFNAME, NFT_CMP_EQ, link);
    rule_verdict(batch, rule, NF_DROP);
    rule_end(batch, rule);
}

static struct mnl_socket *open_socket(struct err *err)
{
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0)
        return socket;
    err_set_errno(err, "nfnetlink");
    if (socket)
        mnl_socket_close(socket);
    return NULL;
}

/* Sends the batch and reads one answer a message. Returns 0, or -1 with the first refusal in errno. */
static int batch_send(struct batch *batch, uint32_t first, struct err *err)
{
    char answer[8192];
    struct mnl_socket *socket = open_socket(err);
    if (!socket)
        return -1;
    int result = 0, reason = 0;
    if (mnl_socket_sendto(socket, batch->bytes, batch->len) == -1)
        result = -1, reason = errno;
    /* The begin and end messages are not acknowledged; a refused batch may be answered for some of its
     * messages only. */
    for (uint32_t want = batch->sequence - first; result == 0 && want > 0;) {
        ssize_t len = mnl_socket_recvfrom(socket, answer, sizeof answer);
        if (len == -1) {
            result = -1, reason = errno;
            break;
        }
        int left = (int)len;
        for (struct nlmsghdr *m = (struct nlmsghdr *)answer; mnl_nlmsg_ok(m, left);
             m = mnl_nlmsg_next(m, &left)) {
            if (m->nlmsg_type != NLMSG_ERROR || m->nlmsg_len < mnl_nlmsg_size(sizeof(struct nlmsgerr)))
                continue;
            int error = -((const struct nlmsgerr *)mnl_nlmsg_get_payload(m))->error;
            if (error)
                result = -1, reason = error;
            want = want > 0 ? want - 1 : 0;
        }
    }
    mnl_socket_close(socket);
    errno = reason;
    return result == -1 ? err_set_errno(err, "nftables table %s", batch->table) : 0;
}

/* Begin, the table, what fill adds, end. */
static int transaction(const char *table, uint16_t type, const struct fill *fill, struct err *err)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return err_set(err, "out of memory");
    batch->table = table;
    batch->sequence = 1;
    batch->len += MNL_ALIGN(nftnl_batch_begin(batch->bytes, batch->sequence)->nlmsg_len);
    uint32_t first = ++batch->sequence;
    batch_table(batch, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE | NLM_F_EXCL : 0);
    if (fill)
        batch_rules(batch, fill);
    int result = -1;
    uint32_t last = batch->sequence;
    void *at = batch_next(batch);
    if (at) {
        batch->len += MNL_ALIGN(nftnl_batch_end(at, last)->nlmsg_len);
        result = batch_send(batch, first, err);
    } else {
        err_set(err, "nftables table %s: out of memory", table);
    }
    int reason = errno;
    free(batch);
    errno = reason;
    return result;
}

int nft_table_add(const char *table, const char *link, const struct cidr *subnet, const uint16_t *ports,
                  size_t port_count, struct err *err)
{
    return transaction(table, NFT_MSG_NEWTABLE, &(struct fill){link, subnet, ports, port_count}, err);
}

int nft_table_delete(const char *table, struct err *err)
{
    return transaction(table, NFT_MSG_DELTABLE, NULL, err) == 0 || errno == ENOENT ? 0 : -1;
}

struct visit {
    void (*each)(void *ctx, const char *table);
    void *ctx;
};

static int visit_table(const struct nlmsghdr *message, void *data)
{
    struct visit *visit = data;
    struct nftnl_table *table = nftnl_table_alloc();
    if (!table)
        return MNL_CB_ERROR;
    if (nftnl_table_nlmsg_parse(message, table) == 0) {
        const char *name = nftnl_table_get_str(table, NFTNL_TABLE_NAME);
        if (name && strncmp(name, NFT_TABLE_PREFIX, sizeof NFT_TABLE_PREFIX - 1) == 0)
            visit->each(visit->ctx, name);
    }
    nftnl_table_free(table);
    return MNL_CB_OK;
}

int nft_tables_each(void (*each)(void *ctx, const char *table), void *ctx, struct err *err)
{
    char bytes[32768];
    struct visit visit = {each, ctx};
    struct mnl_socket *socket = open_socket(err);
    if (!socket)
        return -1;
    struct nlmsghdr *message = nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETTABLE, NFPROTO_IPV4, NLM_F_DUMP, 1);
    ssize_t len = mnl_socket_sendto(socket, message, message->nlmsg_len);
    int more = len == -1 ? MNL_CB_ERROR : MNL_CB_OK;
    while (more > MNL_CB_STOP) {
        len = mnl_socket_recvfrom(socket, bytes, sizeof bytes);
        more = len == -1
                   ? MNL_CB_ERROR
                   : mnl_cb_run(bytes, (size_t)len, 1, mnl_socket_get_portid(socket), visit_table, &visit);
    }
    if (more == MNL_CB_ERROR)
        err_set_errno(err, "nftables tables");
    mnl_socket_close(socket);
    return more == MNL_CB_ERROR ? -1 : 0;
}
