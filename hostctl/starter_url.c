/* SPDX-License-Identifier: GPL-3.0-or-later */
/* starter_url: see starter_url.h. RFC 3986, and stricter: an '@' behind the host, a backslash, or a second '@' mean that some
 * reader takes another host than we do, or that a password holds a '/', and then its half would be a path. */
#include "hostctl/starter_url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/cidr.h"
#include "core/policy.h"

void starter_url_scheme(struct str text, char scheme[32])
{
    size_t len = 0;

    while (len < text.len && len < 31 &&
           (isalnum((unsigned char)text.ptr[len]) || strchr("+-.", text.ptr[len]) != NULL)) {
        scheme[len] = (char)tolower((unsigned char)text.ptr[len]);
        len++;
    }
    bool good = len > 0 && isalpha((unsigned char)scheme[0]) && text.len >= len + 3 &&
                memcmp(text.ptr + len, "://", 3) == 0;
    scheme[good ? len : 0] = '\0';
}

static int is_clean(struct str text, struct err *err)
{
    if (text.len > STARTER_URL_MAX)
        return err_set(err, "a URL of more than %d bytes", STARTER_URL_MAX);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || text.ptr[i] == '\\')
            return err_set(err, "a URL with a blank, a control character, a backslash, or what is not ASCII");
        if (text.ptr[i] == '?' || text.ptr[i] == '#')
            return err_set(err, "a URL with a query or a fragment, which may hold a credential");
    }
    return 0;
}

/* "user[:password]". */
static int take_user(struct str user, bool keep, struct starter_url *url, struct err *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    const char *colon = memchr(user.ptr, ':', user.len);
    size_t len = colon != NULL ? (size_t)(colon - user.ptr) : user.len;

    if (memchr(user.ptr, '@', user.len) != NULL)
        return err_set(err, "a URL with more than one @");
    url->credentials = !keep || colon != NULL;
    if (!keep)
        return 0;
    if (len == 0 || len > STARTER_USER_MAX)
        return err_set(err, "a URL with a user's name of no or too many letters");
    memcpy(url->user, user.ptr, len);
    url->user[len] = '\0';
    return strspn(url->user, letters) == len && url->user[0] != '-'
               ? 0
               : err_set(err, "a URL with a user's name of more than letters, digits, -, . and _");
}

/* The machine itself (RFC 6761 section 6.3): localhost, names below it, 127.0.0.0/8 and ::1. */
static bool is_loopback(struct str name)
{
    static const char local[] = "localhost";
    const size_t len = sizeof local - 1;
    struct ip ip;

    if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        name = (struct str){name.ptr + 1, name.len - 2};
    if (ip_parse(name, &ip) == 0)
        return ip.family == 4 ? ip.bytes[0] == 127 : str_equal(name, str_of("::1"));
    return name.len >= len && str_equal_nocase((struct str){name.ptr + name.len - len, len}, str_of(local)) &&
           (name.len == len || name.ptr[name.len - len - 1] == '.');
}

int starter_url(struct str text, uint16_t default_port, bool keep_user, struct starter_url *url,
                struct err *err)
{
    char scheme[32];
    struct str name;
    unsigned port;

    *url = (struct starter_url){.port = default_port};
    starter_url_scheme(text, scheme);
    if (scheme[0] == '\0')
        return err_set(err, "what is no URL");
    if (is_clean(text, err) != 0)
        return -1;
    struct str rest = {text.ptr + strlen(scheme) + 3, text.len - strlen(scheme) - 3};
    const char *slash = memchr(rest.ptr, '/', rest.len);
    struct str authority = {rest.ptr, slash != NULL ? (size_t)(slash - rest.ptr) : rest.len};
    size_t path = rest.len - authority.len, at = authority.len;
    if (slash != NULL && memchr(slash, '@', path) != NULL)
        return err_set(err, "a URL with an @ behind its host");
    for (size_t i = 0; i < path; i++)
        if (strchr("\"'*[", slash[i]) != NULL)
            return err_set(err, "a URL with a quote, * or [ in its path");
    while (at > 0 && authority.ptr[at - 1] != '@')
        at--;
    if (at > 0 && take_user((struct str){authority.ptr, at - 1}, keep_user, url, err) != 0)
        return -1;
    authority.ptr += at;
    authority.len -= at;
    if (host_split_port(authority, &name, &port) != 0)
        return err_set(err, "a URL whose host and port cannot be read");
    url->here = is_loopback(name);
    if (!url->here && host_is_address(name))
        return err_set(err, "a URL with an address: routes go by name, so give the server one");
    if (url->here)
        snprintf(url->host, sizeof url->host, "%s", POLICY_HOST_SERVICE);
    else if (host_canon(name, url->host) != 0)
        return err_set(err, "a URL whose host is no host name");
    url->port_named = port != 0;
    url->port = port != 0 ? (uint16_t)port : default_port;
    memcpy(url->path, slash != NULL ? slash : "", path);
    url->path[path] = '\0';
    return 0;
}
