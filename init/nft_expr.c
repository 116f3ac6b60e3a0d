/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nft_expr: terms of the wall as libnftnl expressions. The same registers and forms that nft(8) writes, so
 * that `nft list table` gives the tables of nft.c back as text. Nothing here decides anything.
 */
#include "init/nft_expr.h"

#include <netinet/in.h> /* before the kernel's headers, which then leave its names out */
#include <stdio.h>

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define STATUS_DNAT 0x20u /* IPS_DST_NAT, linux/netfilter/nf_conntrack_common.h */

#define IP4_SADDR_OFFSET  12u /* RFC 791 section 3.1 */
#define IP4_DADDR_OFFSET  16u
#define PORT_DADDR_OFFSET 2u /* of the destination port in TCP, UDP, UDP-Lite, DCCP and SCTP */
#define ICMP_TYPE_OFFSET  0u

#define ICMP4_UNREACHABLE 3u /* RFC 792 */
#define ICMP6_UNREACHABLE 1u /* RFC 4443 */

/* ---- single expressions ---- */

static struct nftnl_expr *expr_add(struct nftnl_rule *rule, const char *name)
{
    struct nftnl_expr *expr = nftnl_expr_alloc(name);
    if (expr != NULL)
        nftnl_rule_add_expr(rule, expr);
    return expr;
}

static int meta_load(struct nftnl_rule *rule, uint32_t key, uint32_t into)
{
    struct nftnl_expr *expr = expr_add(rule, "meta");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, into);
    return 0;
}

static int payload_load(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t len, uint32_t into)
{
    struct nftnl_expr *expr = expr_add(rule, "payload");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, into);
    return 0;
}

static int ct_load(struct nftnl_rule *rule, uint32_t key)
{
    struct nftnl_expr *expr = expr_add(rule, "ct");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, NFT_REG_1);
    return 0;
}

static int compare(struct nftnl_rule *rule, uint32_t operation, const void *value, uint32_t len)
{
    struct nftnl_expr *expr = expr_add(rule, "cmp");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, operation);
    return nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, value, len);
}

static int mask_with(struct nftnl_rule *rule, uint32_t mask)
{
    static const uint32_t zero;
    struct nftnl_expr *expr = expr_add(rule, "bitwise");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof mask);
    if (nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof mask) < 0)
        return -1;
    return nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof zero);
}

static int lookup(struct nftnl_rule *rule, const char *set, bool inverted)
{
    struct nftnl_expr *expr = expr_add(rule, "lookup");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
    nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set);
    if (inverted)
        nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    return 0;
}

static int verdict(struct nftnl_rule *rule, int code, const char *chain)
{
    struct nftnl_expr *expr = expr_add(rule, "immediate");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
    if (chain != NULL)
        nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain);
    return 0;
}

static int reject(struct nftnl_rule *rule, uint32_t type, uint8_t code)
{
    struct nftnl_expr *expr = expr_add(rule, "reject");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE, type);
    nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE, code);
    return 0;
}

/* ---- what several terms share ---- */

static int protocol_is(struct nftnl_rule *rule, uint8_t protocol)
{
    if (meta_load(rule, NFT_META_L4PROTO, NFT_REG_1) < 0)
        return -1;
    return compare(rule, NFT_CMP_EQ, &protocol, sizeof protocol);
}

static int family_is(struct nftnl_rule *rule, uint8_t family)
{
    if (meta_load(rule, NFT_META_NFPROTO, NFT_REG_1) < 0)
        return -1;
    return compare(rule, NFT_CMP_EQ, &family, sizeof family);
}

/* The whole name and its zeros are compared, so that "eth1" is not "eth10". */
static int interface_is(struct nftnl_rule *rule, uint32_t key, const char name[IFNAMSIZ])
{
    if (meta_load(rule, key, NFT_REG_1) < 0)
        return -1;
    return compare(rule, NFT_CMP_EQ, name, IFNAMSIZ);
}

/* network in network order */
static int address_in(struct nftnl_rule *rule, uint32_t offset, uint32_t operation, uint32_t network,
                      unsigned length)
{
    uint32_t mask = length == 0 ? 0 : htonl(UINT32_MAX << (32 - length));
    if (family_is(rule, NFPROTO_IPV4) < 0)
        return -1;
    if (payload_load(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof network, NFT_REG_1) < 0)
        return -1;
    if (length < 32 && mask_with(rule, mask) < 0)
        return -1;
    return compare(rule, operation, &network, sizeof network);
}

static int agents_address(struct nftnl_rule *rule, const struct nft_place *place, uint32_t offset,
                          uint32_t operation)
{
    uint32_t network;
    memcpy(&network, place->agent_prefix.ip.bytes, sizeof network);
    return address_in(rule, offset, operation, network, place->agent_prefix.length);
}

static int icmp_type_is(struct nftnl_rule *rule, uint8_t family, uint8_t protocol, uint8_t type)
{
    if (family_is(rule, family) < 0 || protocol_is(rule, protocol) < 0)
        return -1;
    if (payload_load(rule, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_TYPE_OFFSET, sizeof type, NFT_REG_1) < 0)
        return -1;
    return compare(rule, NFT_CMP_EQ, &type, sizeof type);
}

static int ct_has(struct nftnl_rule *rule, uint32_t key, uint32_t mask)
{
    static const uint32_t zero;
    if (ct_load(rule, key) < 0 || mask_with(rule, mask) < 0)
        return -1;
    return compare(rule, NFT_CMP_NEQ, &zero, sizeof zero);
}

/* ---- terms ---- */

#define UNUSED ((void)place, (void)term)

NFT_TERM(nft_with_host_loopback)
{
    (void)rule;
    (void)term;
    return place->host_loopback ? 0 : 1;
}

NFT_TERM(nft_iifname)
{
    return interface_is(rule, NFT_META_IIFNAME, place->interfaces[term->a]);
}

NFT_TERM(nft_oifname)
{
    return interface_is(rule, NFT_META_OIFNAME, place->interfaces[term->a]);
}

NFT_TERM(nft_nfproto)
{
    UNUSED;
    return family_is(rule, (uint8_t)term->a);
}

NFT_TERM(nft_l4proto)
{
    UNUSED;
    return protocol_is(rule, (uint8_t)term->a);
}

NFT_TERM(nft_l4proto_in)
{
    UNUSED;
    return meta_load(rule, NFT_META_L4PROTO, NFT_REG_1) < 0 ? -1 : lookup(rule, term->name, term->a);
}

NFT_TERM(nft_dport)
{
    UNUSED;
    uint16_t port = htons((uint16_t)term->b);
    if (protocol_is(rule, (uint8_t)term->a) < 0)
        return -1;
    if (payload_load(rule, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DADDR_OFFSET, sizeof port, NFT_REG_1) < 0)
        return -1;
    return compare(rule, NFT_CMP_EQ, &port, sizeof port);
}

NFT_TERM(nft_icmp_unreachable)
{
    UNUSED;
    return icmp_type_is(rule, NFPROTO_IPV4, IPPROTO_ICMP, ICMP4_UNREACHABLE);
}

NFT_TERM(nft_icmpv6_unreachable)
{
    UNUSED;
    return icmp_type_is(rule, NFPROTO_IPV6, IPPROTO_ICMPV6, ICMP6_UNREACHABLE);
}

NFT_TERM(nft_saddr_not_agents)
{
    UNUSED;
    return agents_address(rule, place, IP4_SADDR_OFFSET, NFT_CMP_NEQ);
}

NFT_TERM(nft_daddr_agents)
{
    UNUSED;
    return agents_address(rule, place, IP4_DADDR_OFFSET, NFT_CMP_EQ);
}

NFT_TERM(nft_daddr_own)
{
    UNUSED;
    uint32_t address;
    memcpy(&address, place->agent_address.bytes, sizeof address);
    return address_in(rule, IP4_DADDR_OFFSET, NFT_CMP_EQ, address, 32);
}

NFT_TERM(nft_daddr)
{
    UNUSED;
    return address_in(rule, IP4_DADDR_OFFSET, NFT_CMP_EQ, htonl(term->a), term->b);
}

NFT_TERM(nft_saddr_local)
{
    UNUSED;
    static const uint32_t local = RTN_LOCAL;
    struct nftnl_expr *expr = expr_add(rule, "fib");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_SADDR);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
    return compare(rule, NFT_CMP_EQ, &local, sizeof local);
}

NFT_TERM(nft_ct_state)
{
    UNUSED;
    return ct_has(rule, NFT_CT_STATE, term->a);
}

NFT_TERM(nft_ct_status_dnat)
{
    UNUSED;
    return ct_has(rule, NFT_CT_STATUS, STATUS_DNAT);
}

NFT_TERM(nft_skuid)
{
    UNUSED;
    return meta_load(rule, NFT_META_SKUID, NFT_REG_1) < 0
               ? -1
               : compare(rule, NFT_CMP_EQ, &term->a, sizeof term->a);
}

NFT_TERM(nft_skuid_in)
{
    UNUSED;
    return meta_load(rule, NFT_META_SKUID, NFT_REG_1) < 0 ? -1 : lookup(rule, term->name, false);
}

NFT_TERM(nft_update)
{
    UNUSED;
    /* A key of several parts fills consecutive 32-bit registers, the first of which overlays NFT_REG_1. */
    if (family_is(rule, NFPROTO_IPV4) < 0)
        return -1;
    if (payload_load(rule, NFT_PAYLOAD_NETWORK_HEADER, IP4_DADDR_OFFSET, 4, NFT_REG_1) < 0)
        return -1;
    if (meta_load(rule, NFT_META_L4PROTO, NFT_REG32_01) < 0)
        return -1;
    if (term->a && payload_load(rule, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DADDR_OFFSET, 2, NFT_REG32_02) < 0)
        return -1;
    struct nftnl_expr *expr = expr_add(rule, "dynset");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
    nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, term->name);
    return 0;
}

NFT_TERM(nft_counter)
{
    UNUSED;
    struct nftnl_expr *expr = expr_add(rule, "objref");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
    return nftnl_expr_set_str(expr, NFTNL_EXPR_OBJREF_IMM_NAME, term->name);
}

NFT_TERM(nft_redirect)
{
    UNUSED;
    uint16_t port = htons((uint16_t)term->a);
    struct nftnl_expr *immediate = expr_add(rule, "immediate");
    if (immediate == NULL)
        return -1;
    nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
    if (nftnl_expr_set(immediate, NFTNL_EXPR_IMM_DATA, &port, sizeof port) < 0)
        return -1;
    struct nftnl_expr *expr = expr_add(rule, "redir");
    if (expr == NULL)
        return -1;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_REDIR_REG_PROTO_MIN, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
    return 0;
}

NFT_TERM(nft_reject)
{
    UNUSED;
    return reject(rule, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
}

NFT_TERM(nft_reject_reset)
{
    UNUSED;
    return reject(rule, NFT_REJECT_TCP_RST, 0);
}

NFT_TERM(nft_accept)
{
    UNUSED;
    return verdict(rule, NF_ACCEPT, NULL);
}

NFT_TERM(nft_drop)
{
    UNUSED;
    return verdict(rule, NF_DROP, NULL);
}

NFT_TERM(nft_jump)
{
    UNUSED;
    return verdict(rule, NFT_JUMP, term->name);
}

NFT_TERM(nft_goto)
{
    UNUSED;
    return verdict(rule, NFT_GOTO, term->name);
}
