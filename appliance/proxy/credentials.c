/* SPDX-License-Identifier: GPL-3.0-or-later */
/* credentials: see credentials.h. The value passes through here from its secret into the bytes for the
 * upstream, and nowhere else; nothing here formats it for anybody. */
#include "proxy/credentials.h"

#include <stdint.h>
#include <string.h>

#include "core/swap.h"

#define BASIC_USER                                                                                           \
    "x-access-token:" /* for a value without a user: forges take any, and this is the name that they         \
                         document */

static int put(struct buf *out, struct str s)
{
    return buf_append(out, s.ptr, s.len);
}

/* The parts, one behind the other. */
static int put_base64(const struct str parts[3], struct buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t group = 0;
    size_t held = 0;

    for (size_t part = 0; part < 3; part++)
        for (size_t at = 0; at < parts[part].len; at++) {
            group = group << 8 | (uint8_t)parts[part].ptr[at];
            if (++held < 3)
                continue;
            const char four[4] = {digits[group >> 18 & 63], digits[group >> 12 & 63], digits[group >> 6 & 63],
                                  digits[group & 63]};
            if (buf_append(out, four, 4) != 0)
                return -1;
            group = 0;
            held = 0;
        }
    if (held == 0)
        return 0;
    group <<= 8 * (3 - held);
    const char four[4] = {digits[group >> 18 & 63], digits[group >> 12 & 63],
                          held == 2 ? digits[group >> 6 & 63] : '=', '='};
    return buf_append(out, four, 4);
}

/* What takes the placeholder's place: with a user and a password for basic, the password. */
static struct str value_of(const struct route *route)
{
    return policy_sensitive(route->auth.scheme, secret_expose(route->auth.secret->value));
}

static int put_words(const struct route *route, struct str text, struct buf *out)
{
    size_t len = strlen(route->auth.placeholder);

    for (size_t at; (at = swap_word(route, text)) < text.len;) {
        if (put(out, (struct str){text.ptr, at}) != 0 || put(out, value_of(route)) != 0)
            return -1;
        text = (struct str){text.ptr + at + len, text.len - at - len};
        if (text.len > 0 &&
            put(out, (struct str){text.ptr, 1}) != 0) /* so that what follows is seen as before */
            return -1;
        text = (struct str){text.ptr + (text.len > 0), text.len - (text.len > 0)};
    }
    return put(out, text);
}

int credentials_swap(const struct route *route, const struct h1_field *field, struct buf *out)
{
    char plain[SWAP_BASIC_MAX];
    struct str coded, parts[3];
    int status;

    if (!swap_field(route, field))
        return 0;
    if (put(out, field->name) != 0 || put(out, str_of(": ")) != 0)
        return -1;
    if (swap_is_basic(field->value, &coded) && swap_basic(route, coded, plain, &parts[0], &parts[2])) {
        parts[1] = value_of(route);
        status = put(out, str_of("Basic ")) != 0 ? -1 : put_base64(parts, out);
    } else {
        status = put_words(route, field->value, out);
    }
    return status != 0 || put(out, str_of("\r\n")) != 0 ? -1 : 1;
}

/* RFC 3986, section 2.3: all but the unreserved is encoded. */
static int put_percent(struct str text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = c > 0 && c < 0x80 && strchr(unreserved, (char)c) != NULL;
        const char coded[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (buf_append(out, plain ? text.ptr + i : coded, plain ? 1 : 3) != 0)
            return -1;
    }
    return 0;
}

int credentials_query(const struct route *route, struct str query, struct buf *out)
{
    struct str pair, name;
    size_t at = 1;
    int swapped = 0;
    char mark = '?';

    if (route->auth.in_count == 0 || query.len == 0)
        return put(out, query);
    while (swap_next_pair(query, &at, &pair)) {
        enum swap_parameter is = swap_parameter(route, pair, &name);
        if (is == SWAP_OUT)
            continue;
        if (buf_append(out, &mark, 1) != 0)
            return -1;
        mark = '&';
        if (is == SWAP_OTHER
                ? put(out, pair) != 0
                : put(out, name) != 0 || put(out, str_of("=")) != 0 || put_percent(value_of(route), out) != 0)
            return -1;
        swapped |= is == SWAP_VALUE;
    }
    return swapped;
}

int credentials_put(const struct route *route, bool swapped, struct buf *out)
{
    static const char *const prefixes[] = {
        [AUTH_BEARER] = "Bearer ", [AUTH_TOKEN] = "token ", [AUTH_BASIC] = "Basic ", [AUTH_RAW] = ""};
    const struct route_auth *auth = &route->auth;

    if (!route_injects(route))
        return 0;
    if (put(out, str_of("Accept-Encoding: identity\r\n")) != 0)
        return -1;
    if (swapped)
        return 0;
    struct str value = secret_expose(auth->secret->value);
    if (put(out, str_of(auth->header)) != 0 || put(out, str_of(": ")) != 0 ||
        put(out, str_of(prefixes[auth->scheme])) != 0)
        return -1;
    bool whole = auth->scheme != AUTH_BASIC || memchr(value.ptr, ':', value.len) != NULL;
    const struct str parts[3] = {str_of(whole ? "" : BASIC_USER), value, str_of("")};
    int status = auth->scheme == AUTH_BASIC ? put_base64(parts, out) : put(out, value);
    return status != 0 ? -1 : put(out, str_of("\r\n"));
}

static void detach(void *attached)
{
    redactor_free(attached);
}

const struct redactor *credentials_redactor(const struct route *route)
{
    struct secret_entry *entry = route->auth.secret;
    void **attached = &entry->attached[route->auth.scheme == AUTH_BASIC];

    if (*attached == NULL) {
        *attached = redactor_new(policy_sensitive(route->auth.scheme, secret_expose(entry->value)));
        entry->detach = detach;
    }
    return *attached;
}

unsigned credentials_mask(const struct redactor *redactor, const struct h1_head *head)
{
    unsigned found = redactor_mask(redactor, (char *)head->reason.ptr, head->reason.len);

    for (size_t i = 0; i < head->field_count; i++) {
        const struct h1_field *field = &head->fields[i];
        found += redactor_mask(redactor, (char *)field->name.ptr, field->name.len);
        found += redactor_mask(redactor, (char *)field->value.ptr, field->value.len);
    }
    return found;
}

bool credentials_coded(const struct h1_head *head)
{
    for (size_t i = 0; head->framing != H1_NO_BODY && i < head->field_count; i++)
        if (str_equal_nocase(head->fields[i].name, str_of("content-encoding")) &&
            !str_equal_nocase(head->fields[i].value, str_of("identity")))
            return true;
    return false;
}
