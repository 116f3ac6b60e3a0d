/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gitea: see gitea.h. One request is one run of curl. It must never put the token, or a text of the server's as it came,
 * into an error. */
#include "hostctl/gitea.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/places.h"
#include "hostctl/rt_oci_run.h"

#define CONFIG_SIZE     (2 * SECRET_MAX + 8192) /* bytes: the token with every letter escaped, and all the rest */
#define CONNECT_SECONDS 10
#define PAGE            25 /* keys: each may come with a description of its repository */
#define PAGES           40
#define SHOWN           300 /* bytes of what a server says */

/* ---- the request, as a configuration of curl's ---- */

struct config {
    char *text; /* locked memory */
    size_t len;
    bool full;
};

static void put(struct config *config, const char *bytes, size_t len)
{
    if (len > CONFIG_SIZE - config->len) {
        config->full = true;
        return;
    }
    memcpy(config->text + config->len, bytes, len);
    config->len += len;
}

static void put_text(struct config *config, const char *text)
{
    put(config, text, strlen(text));
}

/* Inside quotes: curl(1), --config. No value of ours has a line's end. */
static void put_quoted(struct config *config, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            put(config, "\\", 1);
        put(config, value.ptr + i, 1);
    }
}

/* A line `name = "value"`. */
static void option(struct config *config, const char *name, const char *value)
{
    put_text(config, name);
    put_text(config, " = \"");
    put_quoted(config, str_of(value));
    put_text(config, "\"\n");
}

static void number(struct config *config, const char *name, unsigned value)
{
    char text[16];

    snprintf(text, sizeof text, "%u", value);
    option(config, name, text);
}

struct request {
    const char *method;
    char url[2048];
    char *body; /* of json_dumps; NULL: none */
};

static void configure(struct config *config, const struct gitea *gitea, const struct request *request)
{
    unsigned seconds = gitea->seconds > 0 ? gitea->seconds : GITEA_SECONDS;

    put_text(config, "silent\nshow-error\ngloboff\ndisallow-username-in-url\n");
    option(config, "proto", strncmp(gitea->url, "http://", 7) == 0 ? "=http" : "=https");
    number(config, "connect-timeout", seconds < CONNECT_SECONDS ? seconds : CONNECT_SECONDS);
    number(config, "max-time", seconds);
    number(config, "max-filesize", GITEA_ANSWER);
    option(config, "request", request->method);
    option(config, "url", request->url);
    option(config, "user-agent", "stopper");
    option(config, "header", "Accept: application/json");
    put_text(config, "header = \"Authorization: token ");
    put_quoted(config, secret_expose(gitea->token));
    put_text(config, "\"\n");
    if (request->body != NULL) {
        option(config, "header", "Content-Type: application/json");
        option(config, "data-raw", request->body);
    }
    put_text(config, "write-out = \"\\n%{http_code} %{redirect_url}\"\n");
}

/* ---- what comes back, in words ---- */

/* Cut, as printable ASCII, and with the token covered. */
static void harmless(const struct gitea *gitea, struct str from, char text[SHOWN + 1])
{
    struct str token = secret_expose(gitea->token);
    size_t len = 0;

    for (size_t at = 0; at < from.len && len < SHOWN; at++) {
        if (from.len - at >= token.len && memcmp(from.ptr + at, token.ptr, token.len) == 0) {
            text[len++] = '*';
            at += token.len - 1;
            continue;
        }
        text[len++] = (char)(from.ptr[at] >= ' ' && from.ptr[at] <= '~' ? from.ptr[at] : '?');
    }
    text[len] = '\0';
}

/* "METHOD URL: " and what is wrong. */
static void wrong(struct err *err, const struct request *request, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void wrong(struct err *err, const struct request *request, const char *format, ...)
{
    char text[sizeof err->text];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    err_set(err, "%s %.300s: %s", request->method, request->url, text);
}

static const char *advice(unsigned code)
{
    static const struct {
        unsigned code;
        const char *text;
    } known[] = {
        {401, "; the server does not take this token"},
        {403, "; the token needs the scope " GITEA_SCOPE ", and its user has to be an administrator of the "
              "repository"},
        {404, "; there is no such repository, or the token may not see it"},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].code == code)
            return known[i].text;
    return "";
}

/* An answer that is no success. */
static enum gitea_result refused(const struct gitea *gitea, const struct request *request, unsigned code,
                                 struct str body, struct str redirect, struct err *err)
{
    char shown[SHOWN + 1] = "";
    json_t *answer = json_loadb(body.len > 0 ? body.ptr : "", body.len, 0, NULL);
    const json_t *message = json_object_get(answer, "message");

    if (code >= 300 && code <= 399) {
        harmless(gitea, redirect, shown);
        wrong(err, request,
              "status %u: a redirect%s%s, which is not followed: say in the manifest where it leads", code,
              shown[0] != '\0' ? " to " : "", shown);
    } else {
        if (json_is_string(message))
            harmless(gitea, (struct str){json_string_value(message), json_string_length(message)}, shown);
        wrong(err, request, "status %u%s%s%s", code, shown[0] != '\0' ? ": " : "", shown, advice(code));
    }
    json_decref(answer);
    return code == 404 ? GITEA_ABSENT : code >= 300 && code <= 499 ? GITEA_REFUSED : GITEA_UNKNOWN;
}

/* ---- one request ---- */

int gitea_ready(struct err *err)
{
    return places_program("curl")
               ? 0
               : err_set(err, "the program curl is missing, which speaks to the forge: install the "
                              "package curl");
}

/* Runs curl. Returns its exit status with all that it printed in `out`, or -1 with err. */
static int run_curl(const struct gitea *gitea, const struct request *request, struct buf *out,
                    char said[SHOWN + 1], struct err *err)
{
    struct config config = {.text = secret_alloc(CONFIG_SIZE)};
    struct run run = {.out = out, .interrupt = gitea->interrupt};
    struct words words = {NULL, 0, false};
    int status = -1;

    said[0] = '\0';
    if (config.text == NULL)
        return err_set(err, "no locked memory is left (RLIMIT_MEMLOCK)");
    configure(&config, gitea, request);
    words_list(&words, (const char *const[]){"curl", "--disable", "--config", "-", NULL});
    run.in = (struct str){config.text, config.len};
    if (config.full)
        err_set(err, "the request is too long");
    else
        status = run_words(&words, &run, err);
    if (status >= 0)
        harmless(gitea, str_of(run.said), said);
    words_free(&words);
    secret_release(config.text, CONFIG_SIZE);
    return status;
}

/* The line that --write-out has put behind the body: "\nCODE URL". Takes it off. */
static unsigned take_code(struct str *body, struct str *redirect)
{
    size_t at = body->len;

    while (at > 0 && body->ptr[at - 1] != '\n')
        at--;
    struct str line = {body->ptr + at, body->len - at};
    *redirect = (struct str){"", 0};
    if (at == 0 || line.len < 4 || line.ptr[3] != ' ')
        return 0;
    unsigned code = 0;
    for (size_t i = 0; i < 3; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9')
            return 0;
        code = 10 * code + (unsigned)(line.ptr[i] - '0');
    }
    *redirect = (struct str){line.ptr + 4, line.len - 4};
    body->len = at - 1;
    return code;
}

/* Asks. GITEA_DONE: the answer had the status `wanted`, and *answer is its JSON (json_decref); NULL of it: no body is
 * wanted. */
static enum gitea_result ask(const struct gitea *gitea, const struct request *request, unsigned wanted,
                             json_t **answer, struct err *err)
{
    char said[SHOWN + 1];
    struct str redirect;
    struct buf out;
    enum gitea_result result = GITEA_UNKNOWN;

    if (gitea_ready(err) != 0)
        return GITEA_REFUSED;
    buf_init(&out, GITEA_ANSWER + sizeof request->url + 16);
    int status = run_curl(gitea, request, &out, said, err);
    struct str body = buf_str(&out);
    unsigned code = status == 0 ? take_code(&body, &redirect) : 0;
    if (status < 0 &&
        body.len + 4096 > out.cap) /* less than a read's worth of room: that is why it was ended */
        wrong(err, request, "the answer is larger than %u bytes", GITEA_ANSWER);
    else if (status < 0)
        err_prefix(err, "%s %.300s", request->method, request->url);
    else if (status != 0)
        wrong(err, request, "%s", said[0] != '\0' ? said : "curl failed and did not say why");
    else if (code != wanted && (code < 300 || code > 599))
        wrong(err, request, "status %u, which the API does not have there", code);
    else if (code != wanted)
        result = refused(gitea, request, code, body, redirect, err);
    else if (answer != NULL &&
             (*answer = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL)) == NULL)
        wrong(err, request, "status %u, and what came with it is not JSON: is that a Gitea's API?", code);
    else
        result = GITEA_DONE;
    buf_fini(&out);
    return result;
}

static int ask_for(struct request *request, const struct gitea *gitea, const char *method, const char *tail,
                   struct err *err)
{
    request->method = method;
    request->body = NULL;
    if ((size_t)snprintf(request->url, sizeof request->url, "%s/api/v1/repos/%s/%s/keys%s", gitea->url,
                         gitea->owner, gitea->repo, tail) < sizeof request->url)
        return 0;
    return err_set(err, "the URL of the repository's keys is too long");
}

/* ---- the operations ---- */

static bool is_key(const json_t *key)
{
    return json_integer_value(json_object_get(key, "id")) > 0 &&
           json_is_string(json_object_get(key, "title"));
}

enum gitea_result gitea_add(const struct gitea *gitea, const char *title, const char *key, json_int_t *id,
                            struct err *err)
{
    struct request request;
    json_t *answer = NULL;

    if (ask_for(&request, gitea, "POST", "", err) != 0)
        return GITEA_REFUSED;
    json_t *body = json_pack("{s:s,s:s,s:b}", "title", title, "key", key, "read_only", 0);
    request.body = json_dumps(body, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(body);
    if (request.body == NULL) {
        err_set(err, "out of memory");
        return GITEA_REFUSED;
    }
    enum gitea_result result = ask(gitea, &request, 201, &answer, err);
    if (result == GITEA_DONE && !is_key(answer)) {
        wrong(err, &request, "status 201 without the id of a key");
        result = GITEA_UNKNOWN;
    }
    if (result == GITEA_DONE)
        *id = json_integer_value(json_object_get(answer, "id"));
    json_decref(answer);
    secret_json_free(request.body);
    return result;
}

enum gitea_result gitea_delete(const struct gitea *gitea, json_int_t id, struct err *err)
{
    struct request request;
    char tail[32];

    snprintf(tail, sizeof tail, "/%lld", (long long)id);
    return ask_for(&request, gitea, "DELETE", tail, err) != 0 ? GITEA_REFUSED
                                                              : ask(gitea, &request, 204, NULL, err);
}

/* Appends a page's keys. Returns how many there were, or -1. */
static long take_page(const json_t *page, json_t *keys)
{
    json_t *key;
    size_t i;

    if (!json_is_array(page))
        return -1;
    json_array_foreach(page, i, key) {
        if (!is_key(key) ||
            json_array_append_new(keys, json_pack("{s:O,s:O}", "id", json_object_get(key, "id"), "title",
                                                  json_object_get(key, "title"))) != 0)
            return -1;
    }
    return (long)json_array_size(page);
}

/* A server may give fewer than were asked for; the first page without any is the end. */
enum gitea_result gitea_list(const struct gitea *gitea, json_t **keys, struct err *err)
{
    enum gitea_result result = GITEA_DONE;
    struct request request;
    long count = 1;
    unsigned page = 1;

    *keys = json_array();
    for (; result == GITEA_DONE && count > 0 && page <= PAGES; page++) {
        json_t *answer = NULL;
        char tail[48];
        snprintf(tail, sizeof tail, "?page=%u&limit=%u", page, (unsigned)PAGE);
        result = ask_for(&request, gitea, "GET", tail, err) != 0 ? GITEA_REFUSED
                                                                 : ask(gitea, &request, 200, &answer, err);
        count = result == GITEA_DONE ? take_page(answer, *keys) : 0;
        json_decref(answer);
        if (count < 0) {
            wrong(err, &request, "status 200, and what came with it is no list of keys");
            result = GITEA_UNKNOWN;
        }
    }
    if (result == GITEA_DONE && count > 0) {
        wrong(err, &request, "the list of keys does not end");
        result = GITEA_UNKNOWN;
    }
    if (result != GITEA_DONE) {
        json_decref(*keys);
        *keys = NULL;
    }
    return result;
}
