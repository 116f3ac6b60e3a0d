/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate_url: see gate_url.h. It must never repair a URL: what is not of its form is refused. */
#include "core/gate_url.h"

#include <stdlib.h>
#include <string.h>

#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

bool gate_is_name(struct str text)
{
    if (text.len == 0 || text.len > GATE_NAME_MAX || text.ptr[0] == '-')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\0' || strchr(WORD, text.ptr[i]) == NULL)
            return false;
    return !str_equal(text, str_of(".")) && !str_equal(text, str_of(".."));
}

/* A name, or an address, an IPv6 one in brackets. Returns 0 or -1. */
static int take_host(struct str host, struct gate_url *url)
{
    bool brackets = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    struct str literal = brackets ? (struct str){host.ptr + 1, host.len - 2} : host;

    if (ip_parse(literal, &url->address) == 0 && brackets == (url->address.family == 6)) {
        ip_format(&url->address, url->host);
        return 0;
    }
    url->address = (struct ip){0};
    return host_canon(host, url->host);
}

/* The number behind the colon; 0 when it is none. */
static unsigned long port_of(struct str text)
{
    char digits[6] = "";

    if (text.len == 0 || text.len > 5)
        return 0;
    memcpy(digits, text.ptr, text.len);
    if (strspn(digits, "0123456789") != text.len || digits[0] == '0')
        return 0;
    unsigned long port = strtoul(digits, NULL, 10);
    return port <= 65535 ? port : 0;
}

/* The part behind "ssh://", which ends in a NUL. Returns NULL, or what is wrong. */
static const char *take_apart(const char *rest, struct gate_url *url)
{
    const char *slash = strchr(rest, '/'), *at = strchr(rest, '@');

    if (slash == NULL || slash[1] == '\0')
        return "has no path";
    if (at == NULL || at > slash || at == rest)
        return "has no user";
    if (strspn(rest, WORD) != (size_t)(at - rest) || rest[0] == '-')
        return "has a user that is not letters, digits, \".\", \"_\" and \"-\"";
    if (at - rest > GATE_USER_MAX)
        return "has a user of more than 64 bytes";
    memcpy(url->user, rest, (size_t)(at - rest));
    struct str authority = {at + 1, (size_t)(slash - at - 1)};
    const char *bracket =
        authority.len > 0 && authority.ptr[0] == '[' ? memchr(authority.ptr, ']', authority.len) : NULL;
    const char *from = bracket != NULL ? bracket : authority.ptr;
    const char *colon = memchr(from, ':', (size_t)(slash - from));
    struct str host = {authority.ptr, colon != NULL ? (size_t)(colon - authority.ptr) : authority.len};
    if (take_host(host, url) != 0)
        return "has no host that is a name or an address";
    if (url->address.family != 0 && ip_classify(&url->address) == IP_FORBIDDEN)
        return "has an address that nothing is led to";
    unsigned long port =
        colon != NULL ? port_of((struct str){colon + 1, (size_t)(slash - colon - 1)}) : GATE_SSH_PORT;
    if (port == 0)
        return "has a bad port: 1 to 65535";
    url->port = (uint16_t)port;
    for (const char *c = slash; *c != '\0'; c++)
        if (*c <= ' ' || *c >= 0x7f || strchr("\"'\\?#*[%", *c) != NULL)
            return "has a character in its path that is not taken";
    strcpy(url->path, slash);
    return NULL;
}

const char *gate_url_take(struct str text, struct gate_url *url)
{
    char copy[GATE_URL_MAX + 1];

    *url = (struct gate_url){.port = 0};
    if (text.len > GATE_URL_MAX)
        return "has more than 1024 bytes";
    memcpy(copy, text.len > 0 ? text.ptr : "", text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len)
        return "holds a NUL character";
    if (strncmp(copy, "ssh://", 6) == 0)
        return take_apart(copy + 6, url);
    if (strstr(copy, "://") == NULL && strchr(copy, ':') != NULL)
        return "is the scp form";
    return "is no ssh:// URL";
}

bool gate_is_host_key(struct str text)
{
    static const struct str types[] = {STR("ssh-ed25519 "), STR("ecdsa-sha2-nistp256 "),
                                       STR("ecdsa-sha2-nistp384 "), STR("ecdsa-sha2-nistp521 "),
                                       STR("ssh-rsa ")};
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (text.len < types[i].len || memcmp(text.ptr, types[i].ptr, types[i].len) != 0)
            continue;
        struct str key = {text.ptr + types[i].len, text.len - types[i].len};
        size_t len = 0, padding = 0;
        while (len < key.len && key.ptr[len] != '\0' && strchr(base64, key.ptr[len]) != NULL)
            len++;
        while (len + padding < key.len && key.ptr[len + padding] == '=')
            padding++;
        return len >= 40 && padding <= 2 && (len + padding) % 4 == 0 && len + padding == key.len;
    }
    return false;
}
