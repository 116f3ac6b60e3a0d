/* SPDX-License-Identifier: GPL-3.0-or-later */
/* netlink_request: what netlink.c and netlink_list.c share: one request and its answer. For nobody else. */
#ifndef SYS_NETLINK_REQUEST_H
#define SYS_NETLINK_REQUEST_H

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "sys/netlink.h"

#define NETLINK_REQUEST_SIZE 1024 /* bytes; the largest, a veth pair with two names, takes less than 200 */

/* A request in the caller's buffer, with a sequence number of its own. */
struct nlmsghdr *netlink_request_new(struct netlink *nl, char buf[NETLINK_REQUEST_SIZE], uint16_t type,
                                     uint16_t flags);

/* Sends it and reads answers until the acknowledgement or the end of the dump. Returns 0, or -1 with errno
 * (EINTR: a change interrupted the dump). */
int netlink_request_run(struct netlink *nl, struct nlmsghdr *request, mnl_cb_t on_message, void *ctx);

/* The same for a request that is only acknowledged. */
int netlink_request_ack(struct netlink *nl, struct nlmsghdr *request);

#endif
