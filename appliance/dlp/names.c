/* SPDX-License-Identifier: GPL-3.0-or-later */
/* names: words for what scan.h numbers. */
#include "dlp/scan.h"

const char *dlp_surface_name(enum dlp_surface surface)
{
    static const char *const names[] = {
        [DLP_METHOD] = "method",      [DLP_PATH] = "path",        [DLP_QUERY] = "query",
        [DLP_VALUE] = "header value", [DLP_NAME] = "header name", [DLP_COOKIE] = "cookie",
        [DLP_TRAILER] = "trailer",    [DLP_HOST] = "host name",   [DLP_DNS] = "DNS name",
        [DLP_BODY] = "body",
    };

    return names[surface];
}

static const struct {
    const char *name, *text;
} violations[] = {
    [DLP_NO_VIOLATION] = {"none", ""},
    [DLP_INJECTION] =
        {"line-injection",
         "the request holds an encoded line end or NUL where a server could take it for its own"},
    [DLP_UNKNOWN_ENCODING] = {"unknown-encoding",
                              "the body has a Content-Encoding that cannot be looked into"},
    [DLP_BAD_ENCODING] = {"bad-encoding", "the body is not what its Content-Encoding says"},
    [DLP_BOMB] = {"decode-bomb", "the body unpacks to too much"},
    [DLP_STALLED] = {"stalled-encoding", "the compressed body yields nothing for too long"},
    [DLP_FLOOD] = {"too-many-findings", "more was found than can be told"},
    [DLP_FAILED] = {"scan-failed", "the search for secrets failed"},
};

const char *dlp_violation_name(enum dlp_violation violation)
{
    return violations[violation].name;
}

const char *dlp_violation_text(enum dlp_violation violation)
{
    return violations[violation].text;
}
