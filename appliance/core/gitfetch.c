/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gitfetch: see gitfetch.h. Two readings of a path count: the strict one, and the one that a lenient server
 * might have. A push is refused when either says push; all else needs the strict one, on routes where git is
 * allowed at all. (gitprotocol-http(5), git-lfs docs/api/batch.md.)
 */
#include "core/gitfetch.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/url.h"

static struct str lower(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] | 0x20);
    return (struct str){text, len};
}

static bool contains(struct str text, const char *part)
{
    size_t len = strlen(part);
    const char *at = text.ptr, *end = text.len >= len ? text.ptr + text.len - len + 1 : text.ptr;

    for (; at < end && (at = memchr(at, part[0], (size_t)(end - at))) != NULL; at++)
        if (memcmp(at, part, len) == 0)
            return true;
    return false;
}

static bool ends(struct str text, const char *end)
{
    size_t len = strlen(end);

    while (text.len > 1 && text.ptr[text.len - 1] == '/')
        text.len--;
    return text.len >= len && memcmp(text.ptr + text.len - len, end, len) == 0;
}

/* What a path is about, in lower case and with a slash behind it. */
enum about { ABOUT_NOTHING, ABOUT_REFS, ABOUT_FETCH, ABOUT_PUSH, ABOUT_BATCH, ABOUT_LFS };

static enum about about_path(struct str path)
{
    static const struct {
        const char *part;
        enum about about;
    } parts[] = {
        {"/git-receive-pack/", ABOUT_PUSH},
        {"/git-upload-pack/", ABOUT_FETCH},
        {"/git-upload-archive/", ABOUT_FETCH},
        {"/info/refs/", ABOUT_REFS},
    };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (contains(path, parts[i].part))
            return parts[i].about;
    if (ends(path, "/objects/batch"))
        return ABOUT_BATCH;
    return contains(path, "/info/lfs/") || contains(path, "/gitlab-lfs/") ? ABOUT_LFS : ABOUT_NOTHING;
}

/* The body's type, which names the service as well. */
static enum about about_type(const struct h1_head *head)
{
    size_t count;
    const struct h1_field *type = h1_head_find(head, "content-type", &count);
    enum about about = ABOUT_NOTHING;

    for (size_t i = 0; type != NULL && i < head->field_count; i++) {
        struct str value = head->fields[i].value;
        char text[128];
        if (!str_equal_nocase(head->fields[i].name, str_of("content-type")))
            continue;
        size_t len = value.len < sizeof text ? value.len : sizeof text;
        memcpy(text, value.ptr, len);
        value = lower(text, len);
        if (contains(value, "git-receive-pack"))
            return ABOUT_PUSH;
        if (contains(value, "git-upload-pack"))
            about = ABOUT_FETCH;
        else if (contains(value, "vnd.git-lfs"))
            about = ABOUT_BATCH;
    }
    return about;
}

/* Whether the query asks for pushing, decoded as often as anybody might. */
static bool query_pushes(struct str query)
{
    char *text = query.len > 0 ? malloc(query.len) : NULL;
    size_t len = query.len, before;
    bool found = query.len > 0; /* without memory: refused */

    if (text == NULL)
        return found;
    memcpy(text, query.ptr, len);
    for (int round = 0; round < 8; round++) {
        before = len;
        len = url_decode((struct str){text, len}, text);
        if (len == before)
            break;
    }
    found = contains(lower(text, len), "git-receive-pack");
    free(text);
    return found;
}

static bool is_method(const struct h1_head *head, const char *method)
{
    return str_equal(head->method, str_of(method));
}

static enum denial judge_fetch(enum about about, const struct h1_head *head, struct request *request)
{
    static const char service[] = "?service=git-upload-pack";
    bool reads = is_method(head, "GET") || is_method(head, "HEAD");
    bool right = true;

    switch (about) {
    case ABOUT_REFS: /* exactly this: no second parameter that a server might prefer */
        right = reads && str_equal(request->query, str_of(service));
        break;
    case ABOUT_FETCH:
        right = is_method(head, "POST") && request->query.len == 0;
        break;
    case ABOUT_BATCH:
        if (!is_method(head, "POST"))
            return reads ? DENIAL_NONE : DENIAL_GIT_PUSH;
        request->look = true;
        break;
    case ABOUT_LFS: /* locks and uploads change something; downloads are GETs */
        if (!reads)
            return DENIAL_GIT_PUSH;
        break;
    case ABOUT_PUSH:
    case ABOUT_NOTHING:
        break;
    }
    return right ? DENIAL_NONE : DENIAL_GIT_FETCH;
}

enum denial gitfetch_judge(const struct route *route, const struct h1_head *head, struct request *request)
{
    static char path[URL_PATH_MAX + 2]; /* one loop, used up before it is left */

    enum url_result result = url_path(request->path, path);
    if (path[0] == '\0' && request->path.len > 0 && request->path.ptr[0] == '/')
        return DENIAL_PATH_AMBIGUOUS; /* too long to be read */
    strcat(path, "/");
    enum about about = about_path(lower(path, strlen(path)));
    enum about type = about_type(head);
    if (about == ABOUT_PUSH || type == ABOUT_PUSH || query_pushes(request->query))
        return DENIAL_GIT_PUSH;
    if (about == ABOUT_NOTHING)
        about = type;
    if (about != ABOUT_NOTHING && !route->git_fetch)
        return about == ABOUT_LFS && !is_method(head, "GET") && !is_method(head, "HEAD") ? DENIAL_GIT_PUSH
                                                                                         : DENIAL_GIT_FETCH;
    if (route->git_fetch && result != URL_OK && request->path.ptr[0] == '/')
        return DENIAL_PATH_AMBIGUOUS;
    enum denial denial = judge_fetch(about, head, request);
    size_t codings;
    const struct h1_field *coding = h1_head_find(head, "content-encoding", &codings);
    if (request->look && coding != NULL &&
        (codings > 1 || !str_equal_nocase(coding->value, str_of("identity"))))
        return DENIAL_GIT_PUSH; /* it cannot be read */
    return denial;
}

enum denial gitfetch_batch(struct str body)
{
    json_t *root = body.len > 0 ? json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    unsigned operations = 0;
    bool download = false;
    const char *key;
    json_t *value;

    /* Servers that fold the case of names see several members where this parser sees one. */
    json_object_foreach(root, key, value) {
        if (strcasecmp(key, "operation") != 0)
            continue;
        operations++;
        download = json_is_string(value) && strcmp(json_string_value(value), "download") == 0;
    }
    bool clear = operations == 1 && download;
    json_decref(root);
    return clear ? DENIAL_NONE : DENIAL_GIT_PUSH;
}
