/* SPDX-License-Identifier: GPL-3.0-or-later */
/* held_show: see held_show.h. */
#include "hostctl/held_show.h"

#include <stdbool.h>
#include <string.h>

#include "hostctl/escape.h"

#define ID_SHOWN 12 /* digits of a commit's or an object's */

static const char *text_of(const json_t *held, const char *key)
{
    const char *text = json_string_value(json_object_get(held, key));

    return text != NULL ? text : "";
}

static void put(FILE *to, const char *before, const json_t *held, const char *key)
{
    if (text_of(held, key)[0] == '\0')
        return;
    fputs(before, to);
    escape_put(to, text_of(held, key),
               strcmp(key, "detector") == 0 || strcmp(key, "rule") == 0 || strcmp(key, "surface") == 0);
}

static void put_id(FILE *to, const char *before, const json_t *held, const char *key)
{
    char digits[ID_SHOWN + 1];

    if (text_of(held, key)[0] == '\0')
        return;
    snprintf(digits, sizeof digits, "%s", text_of(held, key));
    fputs(before, to);
    escape_put(to, digits, false);
}

/* "push app refs/heads/x 0123456789ab..123456789abc  src/a.c:7 of 23456789abcd  for its blob: …" */
static void put_push(const json_t *held, FILE *to)
{
    long long findings = (long long)json_integer_value(json_object_get(held, "findings"));
    const json_t *line = json_object_get(held, "line");
    bool path = text_of(held, "path")[0] != '\0';

    put(to, "push ", held, "repository");
    put(to, " ", held, "ref");
    put_id(to, " ", held, "old");
    put_id(to, "..", held, "new");
    put(to, "  ", held, "path");
    if (line != NULL)
        fprintf(to, "%s%lld", path ? ":" : "  line ", (long long)json_integer_value(line));
    put_id(to, path || line != NULL ? " of " : "  in ", held, "commit");
    if (findings > 1)
        fprintf(to, "  finding %lld of %lld", (long long)json_integer_value(json_object_get(held, "finding")),
                findings);
    put(to, "  for its ", held, "surface");
    if (text_of(held, "detector")[0] == '\0')
        put(to, ": ", held, "rule");
}

static void put_request(const json_t *held, FILE *to)
{
    bool tls = json_is_true(json_object_get(held, "tls"));
    int port = (int)json_integer_value(json_object_get(held, "port"));
    const json_t *query = json_object_get(held, "query_bytes"), *body = json_object_get(held, "body_bytes");

    put(to, "", held, "method");
    put(to, tls ? " https://" : " http://", held, "host");
    if (port != (tls ? 443 : 80))
        fprintf(to, ":%d", port);
    put(to, "", held, "path");
    if (json_integer_value(query) > 0)
        fprintf(to, "  query %lld bytes", (long long)json_integer_value(query));
    if (json_is_null(body))
        fprintf(to, "  body of unknown length");
    else if (json_integer_value(body) > 0)
        fprintf(to, "  body %lld bytes", (long long)json_integer_value(body));
    put(to, "  for its ", held, "surface");
}

static void put_found(const json_t *held, FILE *to)
{
    put(to, ": ", held, "detector");
    put(to, ", ", held, "rule");
    put(to, ", value ", held, "value");
}

void held_put(const json_t *held, FILE *to)
{
    if (strcmp(text_of(held, "kind"), "push") == 0)
        put_push(held, to);
    else
        put_request(held, to);
    if (text_of(held, "detector")[0] != '\0')
        put_found(held, to);
    if (json_is_true(json_object_get(held, "allow_comment")))
        fputs("; a comment beside it allows it", to);
}
