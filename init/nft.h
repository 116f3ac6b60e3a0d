/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nft: the wall. Table `inet stopper`, whole, in one transaction; nothing else of the namespace's rule set is
 * touched. What it looks like as text is tests/golden/ruleset.nft.
 */
#ifndef INIT_NFT_H
#define INIT_NFT_H

#include <stdint.h>

#include "core/err.h"
#include "init/nft_expr.h"

#define NFT_TABLE "stopper"

/* The sets of what was tried, and the counters. The meter reads them. */
#define NFT_SET_DENIED       "denied"       /* address, protocol, port */
#define NFT_SET_DENIED_OTHER "denied_other" /* address, protocol */
#define NFT_SET_SIZE         1024u /* elements of each; an element ends a minute after its last packet */

#define NFT_COUNTER_DENIED  "denied"         /* packets of the agent's other than TCP and DNS */
#define NFT_COUNTER_IPV6    "denied_ipv6"    /* IPv6 packets of the agent's */
#define NFT_COUNTER_SPOOFED "spoofed"        /* packets with a source that is not the agent's */
#define NFT_COUNTER_DIRECT  "denied_direct"  /* dials of the sidecar itself, not redirected */
#define NFT_COUNTER_WORKER  "denied_worker"  /* what a worker sent that no worker may send */
#define NFT_COUNTER_FORWARD "denied_forward" /* packets that came to forwarding, which is off */

/* Installs the wall; a table of that name is replaced. All or nothing. Needs CAP_NET_ADMIN. Returns 0, or -1
 * with err. */
int nft_install(const struct nft_place *place, struct err *err);

/* The namespace's rule-set generation: it changes with every transaction of anybody's. Returns 0, or -1 with
 * err. */
int nft_generation(uint32_t *generation, struct err *err);

#endif
