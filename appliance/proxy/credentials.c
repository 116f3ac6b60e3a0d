/* SPDX-License-Identifier: GPL-3.0-or-later */
/* credentials: see credentials.h. The value passes through here from its secret into the bytes for the
 * upstream, and nowhere else; nothing here formats it for anybody. */
#include "proxy/credentials.h"

#include <stdint.h>
#include <string.h>

#define BASIC_USER                                                                                           \
    "x-access-token:" /* for a value without a user: forges take any, and this is the name that they         \
                         document */

static int put_base64(struct str a, struct str b, struct buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = a.len + b.len;

    for (size_t at = 0; at < len; at += 3) {
        uint32_t group = 0;
        for (size_t i = 0; i < 3; i++) {
            size_t from = at + i;
            uint8_t byte = from < a.len ? (uint8_t)a.ptr[from]
                           : from < len ? (uint8_t)b.ptr[from - a.len]
                                        : 0;
            group = group << 8 | byte;
        }
        char four[4];
        for (size_t i = 0; i < 4; i++)
            four[i] = at + i > len ? '=' : digits[group >> (18 - 6 * i) & 63];
        if (buf_append(out, four, sizeof four) != 0)
            return -1;
    }
    return 0;
}

static int put(struct buf *out, struct str s)
{
    return buf_append(out, s.ptr, s.len);
}

int credentials_put(const struct route *route, struct buf *out)
{
    static const char *const prefixes[] = {
        [AUTH_BEARER] = "Bearer ", [AUTH_TOKEN] = "token ", [AUTH_BASIC] = "Basic ", [AUTH_RAW] = ""};
    const struct route_auth *auth = &route->auth;

    if (!route_injects(route))
        return 0;
    struct str value = secret_expose(auth->secret->value);
    if (put(out, str_of("Accept-Encoding: identity\r\n")) != 0 || put(out, str_of(auth->header)) != 0 ||
        put(out, str_of(": ")) != 0 || put(out, str_of(prefixes[auth->scheme])) != 0)
        return -1;
    bool whole = auth->scheme != AUTH_BASIC || memchr(value.ptr, ':', value.len) != NULL;
    int status = auth->scheme == AUTH_BASIC ? put_base64(str_of(whole ? "" : BASIC_USER), value, out)
                                            : put(out, value);
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
