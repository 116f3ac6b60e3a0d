/* SPDX-License-Identifier: GPL-3.0-or-later */
/* resolvconf: which resolvers the host itself uses (resolv.conf(5)), for a manifest that names none. */
#ifndef HOSTCTL_RESOLVCONF_H
#define HOSTCTL_RESOLVCONF_H

#include <stddef.h>

#include "core/cidr.h"
#include "core/err.h"
#include "core/policy.h"
#include "core/str.h"

#define RESOLVCONF_PATH "/etc/resolv.conf"
#define RESOLVCONF_SYSTEMD_PATH                                                                              \
    "/run/systemd/resolve/resolv.conf" /* systemd-resolved(8): the upstream servers */

/* Chooses from the texts of both files (the empty text for one that cannot be read): the IPv4 name servers of
 * the first that a sidecar could reach; when it has none, those of the second. At most POLICY_MAX_UPSTREAMS,
 * in order, without repeats. Returns their number, or -1 with err, which asks for egress.dns. */
int resolvconf_choose(struct str main, struct str systemd, struct ip upstreams[POLICY_MAX_UPSTREAMS],
                      struct err *err);

/* The same with this machine's files. */
int resolvconf_read(struct ip upstreams[POLICY_MAX_UPSTREAMS], struct err *err);

#endif
