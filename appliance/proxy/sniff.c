/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sniff: the first bytes of a connection only choose who refuses or reads it next. What is no protocol of
 * ours is SNIFF_OTHER at the first byte that says so: it must never wait for a byte that cannot change the
 * answer. */
#include "proxy/sniff.h"

#include <stddef.h>
#include <string.h>

#define LINE_MAX   8192
#define METHOD_MAX 32
#define H2_PREFACE "PRI * HTTP/2.0\r\n" /* the start of RFC 9113 section 3.4 */

/* Whether bytes and prefix agree as far as both go. */
static bool agrees(struct str bytes, const char *prefix)
{
    size_t len = strlen(prefix);

    return memcmp(bytes.ptr, prefix, bytes.len < len ? bytes.len : len) == 0;
}

static bool is_method(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
}

static bool is_text(char c)
{
    return (c >= ' ' && c < 0x7f) || c == '\r' || c == '\n' || c == '\t';
}

static enum sniff sniff_line(struct str bytes)
{
    size_t look = bytes.len < LINE_MAX ? bytes.len : LINE_MAX;
    const char *end = memchr(bytes.ptr, '\n', look);

    if (end == NULL)
        return bytes.len < LINE_MAX ? SNIFF_MORE : SNIFF_OTHER;
    size_t len = (size_t)(end - bytes.ptr);
    if (len > 0 && bytes.ptr[len - 1] == '\r')
        len--;
    const char *version = bytes.ptr + len - strlen("HTTP/1.1");
    bool http = len > strlen("HTTP/1.1") && memcmp(version - 1, " HTTP/", 6) == 0;
    return http ? SNIFF_HTTP1 : SNIFF_OTHER;
}

enum sniff sniff_first(struct str bytes, bool http_port)
{
    size_t method = 0;

    if (bytes.len == 0)
        return SNIFF_MORE;
    if (bytes.ptr[0] == 22) {
        if (bytes.len == 1)
            return SNIFF_MORE;
        return bytes.ptr[1] == 3 ? SNIFF_TLS : SNIFF_OTHER;
    }
    if (agrees(bytes, "SSH-"))
        return bytes.len >= 4 ? SNIFF_SSH : SNIFF_MORE;
    if (agrees(bytes, H2_PREFACE))
        return bytes.len >= strlen(H2_PREFACE) ? SNIFF_H2 : SNIFF_MORE;
    while (method < bytes.len && method < METHOD_MAX && is_method(bytes.ptr[method]))
        method++;
    if (method == bytes.len && method < METHOD_MAX)
        return SNIFF_MORE;
    if (http_port)
        return is_text(bytes.ptr[0]) ? SNIFF_HTTP1 : SNIFF_OTHER;
    if (method == 0 || bytes.ptr[method] != ' ')
        return SNIFF_OTHER;
    return sniff_line(bytes);
}
