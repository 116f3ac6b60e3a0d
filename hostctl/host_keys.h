/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_keys: by which key the gate knows the hosts of git-gate.repos: the one that the manifest pins, else the one that is
 * remembered (known_hosts.h), else the one that the host itself shows, once the operator has said that it is right. What a
 * host shows is asked by ssh-keyscan(1), from the machine that hostctl runs on; nothing is sent to it but a greeting.
 */
#ifndef HOSTCTL_HOST_KEYS_H
#define HOSTCTL_HOST_KEYS_H

#include "hostctl/manifest.h"
#include "hostctl/report.h"

/* Gives every repository without one its host_key. Asks on the terminal, where there is one; what is remembered then stays so.
 * A remembered key is compared with the host's, if that answers: another one is an error. `command`: who asks. Returns 0, or
 * -1 with errors in the report. */
int host_keys_take(struct manifest *manifest, const char *command, struct report *report);

#endif
