/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinds: see kinds.h. */
#include "init/kinds.h"

#include <sys/socket.h>

#include "sys/ports.h"
#include "sys/users.h"

const struct kind kinds[KINDS] = {
    {.name = "meter", .section = POLICY_FOR_NOBODY, .vital = true},
    {.name = "stopper-dns",
     .section = POLICY_FOR_DNS,
     .listeners = {{"udp agent address", SOCK_DGRAM, .port = PORT_DNS},
                   {"tcp agent address", SOCK_STREAM, .port = PORT_DNS},
                   {"udp loopback", SOCK_DGRAM, .port = PORT_RESOLVER, .loopback = true}}},
    {.name = "stopper-proxy",
     .section = POLICY_FOR_PROXY,
     .may = KIND_CA | KIND_SECRETS | KIND_DATABASE | KIND_HOLDS | KIND_CANARY,
     .many = true,
     .listeners = {{"tcp agent address", SOCK_STREAM, .port = PORT_PROXY, .shared = true}}},
    /* before the gate, which leads to it */
    {.name = "stopper-push",
     .section = POLICY_FOR_PUSH,
     .may = KIND_KEYS,
     .gates = true,
     .listeners = {{"socket of the gate", SOCK_SEQPACKET, .path = GATE_LEG, .group = USER_GATE}}},
    {.name = "stopper-gate",
     .section = POLICY_FOR_GATE,
     .may = KIND_DATABASE | KIND_HOLDS | KIND_CANARY,
     .gates = true,
     .listeners = {{"tcp agent address", SOCK_STREAM, .port = PORT_GATE}}},
};
