/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host: checking and folding host names; see host.h. It must never repair a name: what is not canonical up to
 * letter case is refused. */
#include "core/host.h"

#include <string.h>

#define LABEL_MAX 63 /* RFC 1035 section 2.3.4 */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool host_is_address(struct str name)
{
    if (name.len == 0)
        return false;
    if (name.ptr[0] == '[' || memchr(name.ptr, ':', name.len) != NULL)
        return true;
    if (name.ptr[name.len - 1] == '.')
        name.len--;
    size_t start = name.len;
    while (start > 0 && name.ptr[start - 1] != '.')
        start--;
    struct str label = {name.ptr + start, name.len - start};
    if (label.len == 0)
        return false;
    bool hex = label.len >= 2 && label.ptr[0] == '0' && (label.ptr[1] == 'x' || label.ptr[1] == 'X');
    for (size_t i = hex ? 2 : 0; i < label.len; i++)
        if (hex ? !is_hex(label.ptr[i]) : !is_digit(label.ptr[i]))
            return false;
    return true;
}

int host_canon(struct str name, char out[HOST_MAX + 1])
{
    size_t label = 0;

    if (name.len == 0 || name.len > HOST_MAX || host_is_address(name))
        return -1;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if (c == '.') {
            if (label == 0 || name.ptr[i - 1] == '-')
                return -1;
            label = 0;
        } else {
            if (!((c >= 'a' && c <= 'z') || is_digit(c) || c == '_' || (c == '-' && label > 0)))
                return -1;
            if (++label > LABEL_MAX)
                return -1;
        }
        out[i] = c;
    }
    if (label == 0 || out[name.len - 1] == '-')
        return -1;
    out[name.len] = '\0';
    return 0;
}

int host_split_port(struct str authority, struct str *name, unsigned *port)
{
    const char *colon = NULL;
    size_t start = 0;

    if (authority.len > 0 && authority.ptr[0] == '[') {
        const char *end = memchr(authority.ptr, ']', authority.len);
        if (end == NULL)
            return -1;
        start = (size_t)(end - authority.ptr) + 1;
        if (start < authority.len && authority.ptr[start] != ':')
            return -1;
    }
    if (start < authority.len)
        colon = memchr(authority.ptr + start, ':', authority.len - start);
    *name = (struct str){authority.ptr, colon != NULL ? (size_t)(colon - authority.ptr) : authority.len};
    *port = 0;
    if (colon == NULL)
        return 0;
    size_t digits = authority.len - name->len - 1;
    if (digits == 0 || digits > 5)
        return -1;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(colon[1 + i]))
            return -1;
        *port = *port * 10 + (unsigned)(colon[1 + i] - '0');
    }
    return *port >= 1 && *port <= 65535 ? 0 : -1;
}
