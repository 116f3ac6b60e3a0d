/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hold: see hold.h. */
#include "core/hold.h"

#include <stddef.h>
#include <string.h>

#include "core/dlp_rules.h"
#include "core/url.h"

#define TOKEN_MS (1000 / HOLD_RATE)

const char *hold_kind_name(uint32_t kind)
{
    static const char *const names[HOLD_KINDS] = {
        [HOLD_DENIED_HOST] = "denied-host", [HOLD_MATCH] = "match", [HOLD_PUSH] = "push"};

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

/* Nobody is asked about a known secret. */
static bool is_askable(const char *detector)
{
    return strcmp(detector, dlp_rules_detector_name(DLP_RULES_SECRETS)) != 0;
}

/* What was found is told of a match, and of nothing else. */
static bool is_match(const struct hold_request *request)
{
    if (request->kind != HOLD_MATCH)
        return request->detector[0] == '\0' && request->value[0] == '\0';
    return request->detector[0] != '\0' && hold_is_value(request->value) && is_askable(request->detector);
}

static bool is_request(const struct hold_request *request)
{
    char host[HOST_MAX + 1], path[HOLD_PATH_MAX + 1];

    return request->port != 0 && request->tls <= 1 && request->body >= -1 && request->query <= UINT32_MAX &&
           is_match(request) && request->method[0] != '\0' && is_token(request->method) &&
           host_canon(str_of(request->host), host) == 0 && strcmp(host, request->host) == 0 &&
           url_path(str_of(request->path), path) == URL_OK;
}

bool hold_is_id(const char *text)
{
    size_t len = strlen(text);

    return (len == 40 || len == HOLD_ID_MAX) && strspn(text, "0123456789abcdef") == len;
}

/* Either both ids of a ref, of one length, or none of anything. */
static bool is_ref(const struct hold_push *push)
{
    if (push->ref[0] == '\0')
        return push->old_id[0] == '\0' && push->new_id[0] == '\0';
    return strchr(push->ref, ' ') == NULL && hold_is_id(push->old_id) && hold_is_id(push->new_id) &&
           strlen(push->old_id) == strlen(push->new_id);
}

static bool is_push(const struct hold_request *request)
{
    const struct hold_push *push = &request->push;

    if (request->port != 0 || request->tls != 0 || request->body != 0 || request->query != 0 ||
        request->method[0] != '\0' || request->host[0] != '\0' || !is_askable(request->detector) ||
        (request->value[0] != '\0' && !hold_is_value(request->value)))
        return false;
    if (!is_text(push->repository, sizeof push->repository, 1) || !is_text(push->ref, sizeof push->ref, 0) ||
        !is_text(push->old_id, sizeof push->old_id, 0) || !is_text(push->new_id, sizeof push->new_id, 0) ||
        !is_text(push->commit, sizeof push->commit, 0))
        return false;
    return gate_is_name(str_of(push->repository)) && is_ref(push) &&
           (push->commit[0] == '\0' || hold_is_id(push->commit)) && push->line <= INT64_MAX &&
           push->finding >= 1 && push->finding <= push->findings && push->findings <= HOLD_FINDINGS_MAX &&
           push->allow_comment <= 1 && push->zero == 0;
}

struct str hold_bytes(const struct hold_request *request)
{
    size_t len = request->kind == HOLD_PUSH ? sizeof *request : offsetof(struct hold_request, push);

    return (struct str){(const char *)request, len};
}

int hold_read(struct str bytes, struct hold_request *request)
{
    memset(request, 0, sizeof *request);
    if (bytes.len != sizeof *request && bytes.len != offsetof(struct hold_request, push))
        return -1;
    memcpy(request, bytes.ptr, bytes.len);
    if (bytes.len != hold_bytes(request).len)
        return -1;
    if (hold_kind_name(request->kind)[0] == '\0' || request->seconds < 1 ||
        request->seconds > HOLD_SECONDS_MAX)
        return -1;
    if (!is_text(request->event, sizeof request->event, 1) ||
        !is_text(request->rule, sizeof request->rule, 1) ||
        !is_text(request->detector, sizeof request->detector, 0) ||
        !is_text(request->surface, sizeof request->surface, 1) ||
        !is_text(request->value, sizeof request->value, 0) ||
        !is_text(request->method, sizeof request->method, 0) ||
        !is_text(request->host, sizeof request->host, 0) || !is_text(request->path, sizeof request->path, 0))
        return -1;
    return (request->kind == HOLD_PUSH ? is_push(request) : is_request(request)) ? 0 : -1;
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
