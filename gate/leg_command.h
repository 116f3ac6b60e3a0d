/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leg_command: the command lines of ssh. All that ssh may decide is said there: it reads no configuration, asks nobody, knows
 * one host key and one key, and resolves no name. Nothing in them is secret, and nothing is the agent's.
 */
#ifndef GATE_LEG_COMMAND_H
#define GATE_LEG_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "core/cidr.h"
#include "core/gate_url.h"
#include "gate/leg.h"

#define LEG_SSH         "/usr/bin/ssh"
#define LEG_ARGV_MAX    96
#define LEG_TEXTS       10
#define LEG_REMOTE_SIZE (4 * GATE_URL_MAX + 32)

/* What ssh is told of an upstream. */
struct leg_target {
    const struct gate_url *url;
    struct ip address;                 /* that the name was resolved to, and that may be dialled */
    const char *hosts, *key, *control; /* paths: of the pinned host key, of the key, of the control socket */
    unsigned connect_s;
};

struct leg_command {
    const char *argv[LEG_ARGV_MAX]; /* NULL-terminated */
    const char *environment[2];     /* likewise */
    size_t count, texts;
    char text[LEG_TEXTS][HOST_MAX + 64];
    char remote[LEG_REMOTE_SIZE];
    char protocol[32];
};

/* The one connection to the upstream, in the foreground: it carries what the second one asks for. */
void leg_command_master(struct leg_command *command, const struct leg_target *target);

/* One service over it. Where that connection has no room for it, ssh makes one for itself. */
void leg_command_session(struct leg_command *command, const struct leg_target *target,
                         enum leg_service service, uint32_t protocol);

/* The line of known_hosts (sshd(8)), which ends with LF. Returns its length, 0 when it does not fit. */
size_t leg_command_known(const struct gate_url *url, const char *host_key, char *line, size_t size);

#endif
