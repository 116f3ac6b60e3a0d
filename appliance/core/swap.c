/* SPDX-License-Identifier: GPL-3.0-or-later */
/* swap: see swap.h. Strict where a lenient reading would put the value beside text of the agent's choice. */
#include "core/swap.h"

#include <stdint.h>
#include <string.h>

#include "core/url.h"

/* Strictly RFC 4648, section 4. Returns the length, or -1. */
static long read_base64(struct str text, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t padding = 0, to = 0;
    uint32_t group = 0;

    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    if (text.len % 4 != 0 || text.len > SWAP_BASIC_MAX)
        return -1;
    for (size_t at = 0; at < text.len; at++) {
        const char *digit = text.ptr[at] != '\0' ? strchr(digits, text.ptr[at]) : NULL;
        bool filler = at >= text.len - padding;
        if (!filler && digit == NULL)
            return -1;
        group = group << 6 | (filler ? 0 : (uint32_t)(digit - digits));
        if (at % 4 != 3)
            continue;
        for (int shift = 16; shift >= 0; shift -= 8)
            out[to++] = (char)(group >> shift & 255);
        group = 0;
    }
    return (long)(to - padding);
}

static bool is_placeholder(const struct route *route, struct str text)
{
    return str_equal(text, str_of(route->auth.placeholder));
}

/* Whether a byte beside the placeholder makes it a part of something longer. */
static bool goes_on(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("-._~+/", c) != NULL);
}

size_t swap_word(const struct route *route, struct str text)
{
    struct str wanted = str_of(route->auth.placeholder);

    for (size_t at = 0; at + wanted.len <= text.len; at++) {
        size_t end = at + wanted.len;
        if (text.ptr[at] == wanted.ptr[0] && memcmp(text.ptr + at, wanted.ptr, wanted.len) == 0 &&
            (at == 0 || !goes_on(text.ptr[at - 1])) && (end == text.len || !goes_on(text.ptr[end])))
            return at;
    }
    return text.len;
}

bool swap_is_basic(struct str text, struct str *coded)
{
    static const struct str basic = STR("basic ");

    if (text.len <= basic.len || !str_equal_nocase((struct str){text.ptr, basic.len}, basic))
        return false;
    *coded = str_trim((struct str){text.ptr + basic.len, text.len - basic.len});
    return true;
}

bool swap_basic(const struct route *route, struct str coded, char plain[SWAP_BASIC_MAX], struct str *before,
                struct str *behind)
{
    long len = read_base64(coded, plain);

    if (len <= 0)
        return false;
    const char *colon = memchr(plain, ':', (size_t)len);
    struct str whole = {plain, (size_t)len},
               user = {plain, colon != NULL ? (size_t)(colon - plain) : whole.len},
               rest = {plain + user.len, whole.len - user.len};
    if (colon != NULL && is_placeholder(route, (struct str){rest.ptr + 1, rest.len - 1})) {
        *before = (struct str){plain, user.len + 1};
        *behind = (struct str){plain, 0};
        return true;
    }
    *before = (struct str){plain, 0};
    *behind = rest;
    return is_placeholder(route, user);
}

static bool is_place(const struct route *route, struct str name)
{
    if (str_equal_nocase(name, str_of("authorization")) || str_equal_nocase(name, str_of(route->auth.header)))
        return true;
    for (size_t i = 0; i < route->auth.in_count; i++)
        if (!route->auth.in[i].query && str_equal_nocase(name, str_of(route->auth.in[i].name)))
            return true;
    return false;
}

bool swap_field(const struct route *route, const struct h1_field *field)
{
    char plain[SWAP_BASIC_MAX];
    struct str coded, before, behind;

    if (!route_injects(route) || route->auth.placeholder == NULL || !is_place(route, field->name))
        return false;
    return swap_is_basic(field->value, &coded) ? swap_basic(route, coded, plain, &before, &behind)
                                               : swap_word(route, field->value) < field->value.len;
}

/* Whether a text of the query is this one, once decoded. */
static bool reads(struct str coded, const char *wanted)
{
    static char plain[HEAD_MAX];

    return coded.len <= sizeof plain &&
           str_equal((struct str){plain, url_decode(coded, plain)}, str_of(wanted));
}

static bool is_parameter(const struct route *route, struct str name)
{
    for (size_t i = 0; i < route->auth.in_count; i++)
        if (route->auth.in[i].query && reads(name, route->auth.in[i].name))
            return true;
    return false;
}

enum swap_parameter swap_parameter(const struct route *route, struct str pair, struct str *name)
{
    const char *equals = pair.len > 0 ? memchr(pair.ptr, '=', pair.len) : NULL;
    struct str value = {pair.ptr, 0};

    *name = (struct str){pair.ptr, equals != NULL ? (size_t)(equals - pair.ptr) : pair.len};
    if (!is_parameter(route, *name))
        return SWAP_OTHER;
    if (equals != NULL)
        value = (struct str){equals + 1, pair.len - name->len - 1};
    return reads(value, route->auth.placeholder) ? SWAP_VALUE : SWAP_OUT;
}

bool swap_next_pair(struct str query, size_t *at, struct str *pair)
{
    if (*at > query.len)
        return false;
    const char *stop = memchr(query.ptr + *at, '&', query.len - *at);
    size_t end = stop != NULL ? (size_t)(stop - query.ptr) : query.len;
    *pair = (struct str){query.ptr + *at, end - *at};
    *at = end + 1;
    return true;
}
