/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hold: see hold.h. */
#include "core/hold.h"

#include <string.h>

#include "core/url.h"

#define TOKEN_MS (1000 / HOLD_RATE)

const char *hold_kind_name(uint32_t kind)
{
    static const char *const names[HOLD_KINDS] = {[HOLD_DENIED_HOST] = "denied-host", [HOLD_MATCH] = "match"};

    return kind < HOLD_KINDS && names[kind] != NULL ? names[kind] : "";
}

/* Whether it is printable ASCII, ended, and zero behind its end: no byte of another's memory comes along. */
static bool is_text(const char *text, size_t size, size_t min)
{
    size_t len = 0;

    while (len < size && text[len] > ' ' - 1 && text[len] <= '~')
        len++;
    for (size_t i = len; i < size; i++)
        if (text[i] != '\0')
            return false;
    return len < size && len >= min;
}

static bool is_token(const char *text)
{
    for (; *text != '\0'; text++)
        if (strchr("()<>@,;:\\\"/[]?={} ", *text) != NULL)
            return false;
    return true;
}

bool hold_is_value(const char *text)
{
    return strlen(text) == HOLD_VALUE && strspn(text, "0123456789abcdef") == HOLD_VALUE;
}

/* What was found is told of a match, and of nothing else. */
static bool is_match(const struct hold_request *request)
{
    if (request->kind != HOLD_MATCH)
        return request->detector[0] == '\0' && request->value[0] == '\0';
    return request->detector[0] != '\0' && hold_is_value(request->value);
}

int hold_read(struct str bytes, struct hold_request *request)
{
    char host[HOST_MAX + 1], path[HOLD_PATH_MAX + 1];

    if (bytes.len != sizeof *request)
        return -1;
    memcpy(request, bytes.ptr, sizeof *request);
    if (hold_kind_name(request->kind)[0] == '\0' || request->seconds < 1 ||
        request->seconds > HOLD_SECONDS_MAX || request->port == 0 || request->tls > 1 || request->body < -1 ||
        request->query > UINT32_MAX)
        return -1;
    if (!is_text(request->event, sizeof request->event, 1) ||
        !is_text(request->rule, sizeof request->rule, 1) ||
        !is_text(request->detector, sizeof request->detector, 0) ||
        !is_text(request->surface, sizeof request->surface, 1) ||
        !is_text(request->value, sizeof request->value, 0) || !is_match(request) ||
        !is_text(request->method, sizeof request->method, 1) || !is_token(request->method) ||
        !is_text(request->host, sizeof request->host, 1) || !is_text(request->path, sizeof request->path, 1))
        return -1;
    if (host_canon(str_of(request->host), host) != 0 || strcmp(host, request->host) != 0 ||
        url_path(str_of(request->path), path) != URL_OK)
        return -1;
    return 0;
}

bool hold_rate_take(struct hold_rate *rate, uint64_t now_ms)
{
    uint64_t passed = now_ms > rate->at_ms ? now_ms - rate->at_ms : 0;

    rate->used_ms = rate->used_ms > passed ? rate->used_ms - passed : 0;
    rate->at_ms = now_ms;
    if (rate->used_ms + TOKEN_MS > (uint64_t)HOLD_RATE_AT_ONCE * TOKEN_MS)
        return false;
    rate->used_ms += TOKEN_MS;
    return true;
}
