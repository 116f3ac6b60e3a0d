/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_netns_log: what the bottle's own programs say outside the audit stream: small files in its state folder,
 * 0600. */
#ifndef HOSTCTL_RT_NETNS_LOG_H
#define HOSTCTL_RT_NETNS_LOG_H

#include <stddef.h>

#include "core/err.h"
#include "hostctl/state.h"

#define LOG_AUDIT   "audit.jsonl"
#define LOG_SIDECAR "sidecar.log"
#define LOG_UPLINK  "uplink.log"

/* Opens for appending; a new file is made. The descriptor, CLOEXEC, or -1 with err. */
int log_open(const struct state *state, const char *name, struct err *err);

/* The last line, printable ASCII only and without complaints about a missing syslog; "" when there is none.
 */
void log_last(const struct state *state, const char *name, char line[256]);

#endif
