/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nft_expr: the vocabulary of the wall. A rule is a chain's name and a list of terms, written in a table in
 * the order and with the words of nft(8); this file turns terms into libnftnl expressions. What a term
 * depends on (the address family before an address, the protocol before a port) it puts in front of itself,
 * as nft does.
 */
#ifndef INIT_NFT_EXPR_H
#define INIT_NFT_EXPR_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/cidr.h"

struct nftnl_rule;

/* What the tables name and only a running sidecar knows. */
enum nft_interface { NFT_LO, NFT_EGRESS, NFT_AGENT, NFT_INTERFACES };

struct nft_place {
    char interfaces[NFT_INTERFACES][IFNAMSIZ];
    struct cidr agent_prefix; /* IPv4: of the agent's side */
    struct ip agent_address;  /* IPv4: the sidecar's own there */
    bool host_loopback;       /* the host's services are led to the sidecar's own loopback */
};

struct nft_term {
    /* Adds the expressions of this term. Returns 0, 1 when the rule is not for this place, or -1 when memory is out. */
    int (*build)(struct nftnl_rule *rule, const struct nft_place *place, const struct nft_term *term);
    uint32_t a, b;
    const char *name;
};

#define NFT_TERMS 8 /* in a rule */

struct nft_rule {
    const char *chain;
    struct nft_term terms[NFT_TERMS]; /* ends at the first without build */
};

/* clang-format off */
#define WITH_HOST_LOOPBACK     {.build = nft_with_host_loopback}
#define IIFNAME(interface)     {.build = nft_iifname, .a = (interface)}
#define OIFNAME(interface)     {.build = nft_oifname, .a = (interface)}
#define NFPROTO_IS(family)     {.build = nft_nfproto, .a = (family)}
#define L4PROTO(protocol)      {.build = nft_l4proto, .a = (protocol)}
#define L4PROTO_IN(set)        {.build = nft_l4proto_in, .a = 0, .name = (set)}
#define L4PROTO_NOT_IN(set)    {.build = nft_l4proto_in, .a = 1, .name = (set)}
#define DPORT(protocol, port)  {.build = nft_dport, .a = (protocol), .b = (port)}
#define ICMP_UNREACHABLE       {.build = nft_icmp_unreachable}
#define ICMPV6_UNREACHABLE     {.build = nft_icmpv6_unreachable}
#define SADDR_NOT_AGENTS       {.build = nft_saddr_not_agents}
#define DADDR_AGENTS           {.build = nft_daddr_agents}
#define DADDR_OWN              {.build = nft_daddr_own} /* the sidecar's on the agent's side */
#define DADDR(network, length) {.build = nft_daddr, .a = (network), .b = (length)} /* network in host order */
#define SADDR_LOCAL            {.build = nft_saddr_local}
#define CT_STATE(mask)         {.build = nft_ct_state, .a = (mask)}
#define CT_STATUS_DNAT         {.build = nft_ct_status_dnat}
#define SKUID(uid)             {.build = nft_skuid, .a = (uid)}
#define SKUID_IN(set)          {.build = nft_skuid_in, .name = (set)}
#define UPDATE_PORTS(set)      {.build = nft_update, .a = 1, .name = (set)} /* ip daddr . meta l4proto . th dport */
#define UPDATE_PROTOCOLS(set)  {.build = nft_update, .a = 0, .name = (set)} /* ip daddr . meta l4proto */
#define COUNTER(object)        {.build = nft_counter, .name = (object)}
#define REDIRECT(port)         {.build = nft_redirect, .a = (port)}
#define REJECT                 {.build = nft_reject} /* with icmpx admin-prohibited */
#define REJECT_RESET           {.build = nft_reject_reset}
#define ACCEPT                 {.build = nft_accept}
#define DROP                   {.build = nft_drop}
#define JUMP(to)               {.build = nft_jump, .name = (to)}
#define GOTO(to)               {.build = nft_goto, .name = (to)}
/* clang-format on */

/* Bits of CT_STATE: linux/netfilter/nf_conntrack_common.h. */
#define CT_ESTABLISHED 0x2u
#define CT_RELATED     0x4u
#define CT_NEW         0x8u

#define NFT_TERM(name)                                                                                       \
    int name(struct nftnl_rule *rule, const struct nft_place *place, const struct nft_term *term)

NFT_TERM(nft_with_host_loopback);
NFT_TERM(nft_iifname);
NFT_TERM(nft_oifname);
NFT_TERM(nft_nfproto);
NFT_TERM(nft_l4proto);
NFT_TERM(nft_l4proto_in);
NFT_TERM(nft_dport);
NFT_TERM(nft_icmp_unreachable);
NFT_TERM(nft_icmpv6_unreachable);
NFT_TERM(nft_saddr_not_agents);
NFT_TERM(nft_daddr_agents);
NFT_TERM(nft_daddr_own);
NFT_TERM(nft_daddr);
NFT_TERM(nft_saddr_local);
NFT_TERM(nft_ct_state);
NFT_TERM(nft_ct_status_dnat);
NFT_TERM(nft_skuid);
NFT_TERM(nft_skuid_in);
NFT_TERM(nft_update);
NFT_TERM(nft_counter);
NFT_TERM(nft_redirect);
NFT_TERM(nft_reject);
NFT_TERM(nft_reject_reset);
NFT_TERM(nft_accept);
NFT_TERM(nft_drop);
NFT_TERM(nft_jump);
NFT_TERM(nft_goto);

#endif
