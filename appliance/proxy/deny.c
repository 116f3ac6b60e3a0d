/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deny: refusals. What they say is the denial's own sentence and hint, and what the agent itself sent,
 * escaped; nothing internal, no address that was dialled. */
#include "proxy/deny.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/json_out.h"

#define BODY_MAX      8192
#define ECHO_MAX      1024 /* bytes of host and path that are repeated */
#define SSH_ID        "SSH-2.0-Stopper\r\n"
#define SSH_TEXT_MAX  400
#define ALERT_DECODE  50
#define ALERT_DENIED  49
#define H2_1_1_NEEDED 0xd

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {400, "Bad Request"},        {403, "Forbidden"},
        {405, "Method Not Allowed"}, {408, "Request Timeout"},
        {417, "Expectation Failed"}, {421, "Misdirected Request"},
        {429, "Too Many Requests"},  {431, "Request Header Fields Too Large"},
        {502, "Bad Gateway"},        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},    {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Refused";
}

static int problem(const struct deny *deny, int status, char *body, size_t size)
{
    char type[96], detail[2 * ECHO_MAX + 512];
    struct json_out json;

    snprintf(type, sizeof type, DENY_TYPE "%s", denial_name(deny->denial));
    snprintf(detail, sizeof detail, "%.32s %.*s%.*s was not forwarded. %s%s%s",
             deny->method[0] != '\0' ? deny->method : "The request", ECHO_MAX / 4, deny->host, ECHO_MAX,
             deny->path, denial_sentence(deny->denial), deny->reason != NULL ? " " : "",
             deny->reason != NULL ? deny->reason : "");
    json_out_begin(&json, body, size);
    json_out_str(&json, "type", str_of(type), sizeof type);
    json_out_str(&json, "title", str_of(denial_sentence(deny->denial)), 256);
    json_out_u64(&json, "status", (uint64_t)status);
    json_out_str(&json, "detail", str_of(detail), 2 * ECHO_MAX);
    json_out_str(&json, "host", str_of(deny->host), ECHO_MAX);
    json_out_str(&json, "rule", str_of(deny->rule), ECHO_MAX);
    json_out_str(&json, "event_id", str_of(deny->id), 64);
    json_out_str(&json, "hint", str_of(denial_hint(deny->denial)), 256);
    return json_out_end(&json);
}

int deny_http(const struct deny *deny, struct buf *out)
{
    char body[BODY_MAX], date[64], retry[40] = "";
    int status = denial_status(deny->denial) != 0 ? denial_status(deny->denial) : 403;
    int len = problem(deny, status, body, sizeof body);
    time_t now = time(NULL);
    struct tm tm;

    if (len < 0 || gmtime_r(&now, &tm) == NULL ||
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
        return -1;
    if (deny->retry_s > 0)
        snprintf(retry, sizeof retry, "Retry-After: %u\r\n", deny->retry_s);
    if (buf_printf(
            out,
            "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n"
            "Cache-Control: no-store\r\n%s%s%s\r\n",
            status, reason_phrase(status), date, len,
            status == 405 ? "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n" : "", retry,
            deny->close ? "Connection: close\r\n" : "") != 0)
        return -1;
    return deny->to_head ? 0 : buf_append(out, body, (size_t)len);
}

int deny_tls(const struct deny *deny, struct buf *out)
{
    const unsigned char alert[] = {
        21, 3, 3, 0, 2, 2, deny->denial == DENIAL_TLS_MALFORMED ? ALERT_DECODE : ALERT_DENIED};

    return buf_append(out, alert, sizeof alert);
}

static void put_u32(unsigned char *at, size_t value)
{
    at[0] = (unsigned char)(value >> 24);
    at[1] = (unsigned char)(value >> 16);
    at[2] = (unsigned char)(value >> 8);
    at[3] = (unsigned char)value;
}

int deny_ssh(const struct deny *deny, struct buf *out)
{
    enum {
        DISCONNECT = 1,
        NOT_ALLOWED = 1,
        HEAD = 5,
        FIXED = 1 + 4 + 4 + 4
    }; /* RFC 4253 sections 11.1, 12 */
    unsigned char packet[HEAD + FIXED + SSH_TEXT_MAX + 16] = {0};
    char text[SSH_TEXT_MAX];

    snprintf(text, sizeof text, "%s %s (event %s)", denial_sentence(deny->denial), denial_hint(deny->denial),
             deny->id);
    size_t len = strlen(text), padding = 4;
    while ((HEAD + FIXED + len + padding) % 8 != 0)
        padding++;
    put_u32(packet, 1 + FIXED + len + padding);
    packet[4] = (unsigned char)padding;
    packet[HEAD] = DISCONNECT;
    put_u32(packet + HEAD + 1, NOT_ALLOWED);
    put_u32(packet + HEAD + 5, len);
    memcpy(packet + HEAD + 9, text, len); /* behind it an empty language tag and the padding, all zero */
    if (buf_append(out, SSH_ID, strlen(SSH_ID)) != 0)
        return -1;
    return buf_append(out, packet, HEAD + FIXED + len + padding);
}

int deny_h2(const struct deny *deny, struct buf *out)
{
    static const unsigned char settings[9] = {0, 0, 0, 4};
    unsigned char goaway[9 + 8] = {0, 0, 0, 7};
    const char *text = denial_sentence(deny->denial);
    size_t len = strlen(text);

    goaway[1] = (unsigned char)((8 + len) >> 8);
    goaway[2] = (unsigned char)(8 + len);
    put_u32(goaway + 13, H2_1_1_NEEDED);
    if (buf_append(out, settings, sizeof settings) != 0 || buf_append(out, goaway, sizeof goaway) != 0)
        return -1;
    return buf_append(out, text, len);
}
