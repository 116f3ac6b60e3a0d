/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_nft: the rules on the host for --uplink=nat, one table of its own per bottle: `ip stopper_NAME`.
 * Other tables are never touched.
 */
#ifndef HOSTCTL_RT_NETNS_NFT_H
#define HOSTCTL_RT_NETNS_NFT_H

#include "core/cidr.h"
#include "core/err.h"

#define NFT_TABLE_PREFIX "stopper_"

/* In one transaction: what comes from `subnet` on `link` is masqueraded on its way to elsewhere; of the host
 * itself it reaches DNS and these TCP ports only; nothing with another source is forwarded from this link. Returns 0, or -1 with
 * err. */
int nft_table_add(const char *table, const char *link, const struct cidr *subnet, const uint16_t *ports,
                  size_t port_count, struct err *err);

/* A table that is not there is fine. Returns 0, or -1 with err. */
int nft_table_delete(const char *table, struct err *err);

/* Calls `each` with the name of every table of family ip whose name begins with NFT_TABLE_PREFIX. Returns 0,
 * or -1 with err. */
int nft_tables_each(void (*each)(void *ctx, const char *table), void *ctx, struct err *err);

#endif
