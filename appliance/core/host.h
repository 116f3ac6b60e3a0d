/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host: host names as this project compares them: lower-case LDH labels (and '_'), no trailing dot, IDN as
 * A-labels (RFC 1123 section 2.1, RFC 5890). Anything that could be read as an address is not a name.
 */
#ifndef CORE_HOST_H
#define CORE_HOST_H

#include <stdbool.h>

#include "core/str.h"

#define HOST_MAX 253 /* bytes of a name without trailing dot, RFC 1035 section 2.3.4 */

/* Writes the canonical form of a name, NUL-terminated. Returns 0, or -1 when it is no host name: empty, too
 * long, an empty or over-long label, a byte outside [A-Za-z0-9_-], a trailing dot, or host_is_address(). */
int host_canon(struct str name, char out[HOST_MAX + 1]);

/* Whether clients may read this as an IP address: an IPv4 or bracketed or bare IPv6 literal, or a last label
 * that is a decimal, octal or hexadecimal number (WHATWG URL section 3.5, "ends in a number"). */
bool host_is_address(struct str name);

/* Splits "host[:port]" of Host (RFC 9110 section 7.2). The name is not checked. *port is 0 when absent.
 * Returns 0, or -1 when the port is not a number from 1 to 65535 or the form is broken. */
int host_split_port(struct str authority, struct str *name, unsigned *port);

#endif
