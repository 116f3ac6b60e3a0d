/* SPDX-License-Identifier: GPL-3.0-or-later */
/* held_show: what waits for the operator, for a person. */
#ifndef HOSTCTL_HELD_SHOW_H
#define HOSTCTL_HELD_SHOW_H

#include <stdio.h>

#include <jansson.h>

/* Writes one of held_ask's in one line of printable ASCII without its end: "GET https://a.example/b  body 5 bytes". What an agent
 * chose of it drives no terminal and passes for no other column. */
void held_put(const json_t *held, FILE *to);

#endif
