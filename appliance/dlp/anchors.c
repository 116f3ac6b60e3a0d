/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * anchors: see anchors.h. tests/unit/test_anchors.c holds the table against the expressions. What is required near a
 * literal is looser than the expressions are, by as much as JSON's escapes put between two words.
 */
#include "dlp/anchors.h"

#include <string.h>
#include <strings.h>

#include "dlp/sketch.h"

const struct dlp_anchor_literal dlp_anchor_literals[] = {
    {0, "key", true},   {1, "secr", true},   {2, "toke", true},   {3, "pass", true},
    {4, "://", false},  {5, "kty\"", false}, {5, "kty\\", false}, {5, "pwd=", true},
    {5, "sv=2", false}, {6, ":_a", false},   {6, ":_p", false},   {6, ":$", false},
    {7, "Priv", false}, {7, "Bot ", false},  {7, "webh", false},  {4, "00D", false},
};
const size_t dlp_anchor_literal_count = sizeof dlp_anchor_literals / sizeof dlp_anchor_literals[0];

#define VALUE_FAR 48 /* bytes from a name to its value */
#define VALUE_MIN 16 /* bytes of the value */
#define REACH     380

/* Whether a long value begins not far behind. From the end of where one would be: most are seen not to be by a byte or two. */
static bool value_follows(struct str text, size_t at)
{
    size_t last = at + VALUE_FAR + VALUE_MIN < text.len ? at + VALUE_FAR + VALUE_MIN : text.len;

    while (at + VALUE_MIN <= last) {
        size_t start = at + VALUE_MIN;
        while (start > at && dlp_tables.kinds[(uint8_t)text.ptr[start - 1]] & DLP_OF_VALUE)
            start--;
        if (start == at)
            return true;
        at = start;
    }
    return false;
}

static bool says(struct str text, size_t at, const char *word)
{
    size_t len = strlen(word);

    return at <= text.len && text.len - at >= len && memcmp(text.ptr + at, word, len) == 0;
}

static bool says_nocase(struct str text, size_t at, const char *word)
{
    size_t len = strlen(word);

    return at <= text.len && text.len - at >= len && strncasecmp(text.ptr + at, word, len) == 0;
}

/* Bytes from here on, up to `max`, that are not in `stops` and no white space. */
static size_t span(struct str text, size_t at, size_t max, const char *stops)
{
    size_t from = at;

    while (at < text.len && at - from < max && memchr(stops, text.ptr[at], strlen(stops)) == NULL &&
           text.ptr[at] != ' ' && !(text.ptr[at] >= '\t' && text.ptr[at] <= '\r'))
        at++;
    return at - from;
}

/* scheme://user:password@ */
static bool user_follows(struct str text, size_t at)
{
    at += span(text, at, 64, ":@/\"'<>{}");
    return at < text.len && text.ptr[at] == ':' && span(text, at + 1, 5, ":@/\"'<>{}") == 5;
}

static bool name(struct str text, size_t at, size_t len, size_t *behind)
{
    if (says(text, at + len, "-----") || says_nocase(text, at + len, " block-----")) { /* PRIVATE KEY */
        *behind = 600;
        return true;
    }
    if (says_nocase(text, at, "password=")) /* of a connection string */
        return true;
    return value_follows(text, at + len);
}

bool dlp_anchor(struct str text, size_t at, size_t *before, size_t *behind)
{
    *before = 64;
    *behind = REACH;
    switch (text.ptr[at] | 0x20) {
    case 'k':
        if (says(text, at, "kty\"") || says(text, at, "kty\\")) {
            *behind = 800;
            return true;
        }
        return says_nocase(text, at, "key") && name(text, at, 3, behind);
    case 's':
        if (says(text, at, "sv=20"))
            return true;
        return says_nocase(text, at, "secr") && name(text, at, 4, behind);
    case 't':
        return says_nocase(text, at, "toke") && name(text, at, 4, behind);
    case 'p':
        *before = 100; /* user id=…; */
        if (says(text, at, "Private-Lines: ") || says_nocase(text, at, "pwd="))
            return true;
        return says_nocase(text, at, "pass") && name(text, at, 4, behind);
    case ':':
        if (says(text, at, "://"))
            return user_follows(text, at + 3);
        if (says(text, at, ":$"))
            return at + 2 < text.len && strchr("657yg2", text.ptr[at + 2]) != NULL &&
                   text.ptr[at + 2] != '\0';
        return (says(text, at, ":_a") || says(text, at, ":_p")) && value_follows(text, at + 3);
    case 'b':
        return says(text, at, "Bot ") && at + 4 < text.len && text.ptr[at + 4] >= 'M' &&
               text.ptr[at + 4] <= 'O';
    case 'w':
        return says(text, at, "webhook.office");
    case '0':
        return says(text, at, "00D") && span(text, at + 3, 16, "!") < 16;
    default:
        return false;
    }
}

static const char *const anchored[] = {"aws-secret-access-key",
                                       "google-service-account-key",
                                       "azure-shared-access-signature",
                                       "npm-registry-password",
                                       "pem-private-key",
                                       "openssh-private-key",
                                       "pgp-private-key",
                                       "putty-private-key",
                                       "wireguard-private-key",
                                       "json-web-key",
                                       "unix-password-hash",
                                       "postgres-url",
                                       "mysql-url",
                                       "mongodb-url",
                                       "redis-url",
                                       "amqp-url",
                                       "http-url-password",
                                       "file-transfer-url-password",
                                       "sql-server-connection-string",
                                       "quoted-secret",
                                       "discord-bot-token",
                                       "teams-webhook",
                                       "braintree-access-token",
                                       "datadog-key",
                                       "salesforce-access-token"};
const size_t dlp_anchored_count = sizeof anchored / sizeof anchored[0];

bool dlp_anchored(const char *token)
{
    for (size_t i = 0; i < dlp_anchored_count; i++)
        if (strcmp(anchored[i], token) == 0)
            return true;
    return false;
}
