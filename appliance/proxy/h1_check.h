/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * h1_check: the second reading of an HTTP/1 message, by llhttp, which must agree with the first (h1_head,
 * h1_chunk) on every run of bytes. It never sees a byte that the first reading has not passed.
 */
#ifndef PROXY_H1_CHECK_H
#define PROXY_H1_CHECK_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/h1_head.h"
#include "core/str.h"

struct h1_check {
    /* private */
    llhttp_t parser;
    const struct h1_head *head; /* the first reading; NULL behind the head */
    bool request;
    size_t field;                         /* the one that is being read */
    struct str target, name, value, body; /* spans, joined when they come in parts */
};

/* Begins a message: reads its head, and says whether llhttp sees the same. */
bool h1_check_head(struct h1_check *check, bool request, const char *bytes, size_t len,
                   const struct h1_head *head);

/* h1_head_parse, and then llhttp, which has to agree. The parser goes on with the message's body afterwards. */
enum h1_error h1_check_parse(struct h1_check *check, bool request, bool to_head, const char *bytes,
                             size_t len, struct h1_head *head);

/* Goes on with bytes of the body, which are all data or all framing; `last`: the message ends behind them.
 * Says whether llhttp sees the same. */
bool h1_check_body(struct h1_check *check, const char *bytes, size_t len, bool data, bool last);

#endif
