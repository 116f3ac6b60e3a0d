/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * meter: a child of init that alone keeps CAP_NET_ADMIN, because reading the wall's counters needs it. It
 * takes no input. Twice a second it sends CHANNEL_COUNTERS with
 *
 *   {"ruleset_generation": 7,
 *    "counters": {"denied": 3, "denied_ipv6": 0, …},          packets since boot, by the names of init/nft.h
 *    "denied": [["198.51.100.9", 17, 443, 2], …]}              address, protocol, port (0 = none), packets
 * since the last report of this element
 *
 * An element is reported at once when it is new and then at most once a second, and at most METER_REPORTS in
 * one message: an agent that tries thousands of ports cannot fill the audit stream. Nothing is lost: what
 * waits is reported later, and the counters hold the total.
 */
#ifndef INIT_METER_H
#define INIT_METER_H

#define METER_FD_NETLINK  3
#define METER_FD_CHANNEL  4
#define METER_INTERVAL_MS 500
#define METER_REPORTS     64

/* `stopper-init meter`: never returns but to end the process. */
int meter_main(void);

#endif
