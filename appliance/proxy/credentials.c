/* SPDX-License-Identifier: GPL-3.0-or-later */
/* credentials: see credentials.h. The value passes through here from its secret into the bytes for the
 * upstream, and nowhere else; nothing here formats it for anybody. */
#include "proxy/credentials.h"

#include <stdint.h>
#include <string.h>

#include "core/url.h"

#define BASIC_USER                                                                                           \
    "x-access-token:" /* for a value without a user: forges take any, and this is the name that they         \
                         document */

#define BASIC_MAX 8192 /* bytes of Basic credentials that are looked into */

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

/* Strictly RFC 4648, section 4. Returns the length, or -1. */
static long read_base64(struct str text, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t padding = 0, to = 0;
    uint32_t group = 0;

    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    if (text.len % 4 != 0 || text.len > BASIC_MAX)
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

/* What takes the placeholder's place: with a user and a password for basic, the password. */
static struct str value_of(const struct route *route)
{
    return policy_sensitive(route->auth.scheme, secret_expose(route->auth.secret->value));
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

/* The next place of the placeholder in the text, as a word of its own; text.len: none. */
static size_t find_word(const struct route *route, struct str text)
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

static int put_words(const struct route *route, struct str text, struct buf *out)
{
    size_t len = strlen(route->auth.placeholder);

    for (size_t at; (at = find_word(route, text)) < text.len;) {
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

/* "Basic" and what is behind it, RFC 7617. */
static int swap_basic(const struct route *route, const struct h1_field *field, struct str coded,
                      struct buf *out)
{
    char plain[BASIC_MAX];
    long len = read_base64(coded, plain);
    const char *colon = len > 0 ? memchr(plain, ':', (size_t)len) : NULL;
    struct str whole = {plain, len > 0 ? (size_t)len : 0},
               user = {plain, colon != NULL ? (size_t)(colon - plain) : whole.len},
               password = {plain + user.len + 1, colon != NULL ? whole.len - user.len - 1 : 0};
    bool second = colon != NULL && is_placeholder(route, password);

    if (!second && !is_placeholder(route, user))
        return 0;
    const struct str parts[3] = {
        second ? (struct str){plain, user.len + 1} : (struct str){plain, 0}, value_of(route),
        second ? (struct str){plain, 0} : (struct str){plain + user.len, whole.len - user.len}};
    return put(out, field->name) != 0 || put(out, str_of(": Basic ")) != 0 || put_base64(parts, out) != 0 ||
                   put(out, str_of("\r\n")) != 0
               ? -1
               : 1;
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

int credentials_swap(const struct route *route, const struct h1_field *field, struct buf *out)
{
    static const struct str basic = STR("basic ");
    struct str value = field->value;

    if (!route_injects(route) || route->auth.placeholder == NULL || !is_place(route, field->name))
        return 0;
    if (value.len > basic.len && str_equal_nocase((struct str){value.ptr, basic.len}, basic))
        return swap_basic(route, field, str_trim((struct str){value.ptr + basic.len, value.len - basic.len}),
                          out);
    if (find_word(route, value) == value.len)
        return 0;
    return put(out, field->name) != 0 || put(out, str_of(": ")) != 0 || put_words(route, value, out) != 0 ||
                   put(out, str_of("\r\n")) != 0
               ? -1
               : 1;
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

/* RFC 3986, section 2.3: all but the unreserved is encoded. */
static int put_percent(struct str text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = goes_on((char)c) && c != '+' && c != '/';
        const char coded[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (buf_append(out, plain ? text.ptr + i : coded, plain ? 1 : 3) != 0)
            return -1;
    }
    return 0;
}

int credentials_query(const struct route *route, struct str query, struct buf *out)
{
    int swapped = 0;
    char mark = '?';

    if (route->auth.in_count == 0 || query.len == 0)
        return put(out, query);
    for (size_t at = 1, end; at <= query.len; at = end + 1) {
        const char *stop = memchr(query.ptr + at, '&', query.len - at);
        end = stop != NULL ? (size_t)(stop - query.ptr) : query.len;
        struct str pair = {query.ptr + at, end - at};
        const char *equals = pair.len > 0 ? memchr(pair.ptr, '=', pair.len) : NULL;
        struct str name = {pair.ptr, equals != NULL ? (size_t)(equals - pair.ptr) : pair.len};
        bool ours = is_parameter(route, name);
        struct str value = {pair.ptr + name.len + 1, equals != NULL ? pair.len - name.len - 1 : 0};
        if (ours && !reads(value, route->auth.placeholder))
            continue;
        if (buf_append(out, &mark, 1) != 0 || (ours ? put(out, name) != 0 || put(out, str_of("=")) != 0 ||
                                                          put_percent(value_of(route), out) != 0
                                                    : put(out, pair) != 0))
            return -1;
        swapped |= ours;
        mark = '&';
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
