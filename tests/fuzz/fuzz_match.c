/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_match: a request line and fields against two policies that say the same, one in prefixes and exact paths, one
 * in regular expressions: they must agree. What is allowed has a canonical path without anything that a server
 * could read otherwise, and is allowed again when it is spelled in another way; what is denied stays denied in
 * other letter case.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"
#include "core/url.h"
#include "tests/fuzz/fuzz.h"

static void require(int holds)
{
    if (!holds)
        abort();
}

static const struct match_rules *rules(int which)
{
    static const char *const texts[] = {
        "{\"protocol\":1,\"routes\":[{\"host\":\"a.test\",\"matches\":["
        "{\"paths\":[{\"value\":\"/a/b\"},{\"value\":\"/d%20e/\"}],\"methods\":[\"GET\",\"PUT\"]},"
        "{\"paths\":[{\"type\":\"exact\",\"value\":\"/"
        "c\"}],\"headers\":[{\"name\":\"X-V\",\"value\":\"1\"}]}],"
        "\"deny\":[{\"paths\":[{\"value\":\"/a/b/x\"},{\"type\":\"exact\",\"value\":\"/a/b/y\"}]}]}]}",
        "{\"protocol\":1,\"routes\":[{\"host\":\"a.test\",\"matches\":["
        "{\"paths\":[{\"type\":\"regex\",\"value\":\"/a/b(?:/.*)?|/d e/.*\"}],\"methods\":[\"PUT\",\"GET\"]},"
        "{\"paths\":[{\"type\":\"regex\",\"value\":\"/c\"}],"
        "\"headers\":[{\"name\":\"x-v\",\"type\":\"regex\",\"value\":\"1\"}]}],"
        "\"deny\":[{\"paths\":[{\"type\":\"regex\",\"value\":\"/a/b/x(?:/.*)?\"},"
        "{\"type\":\"regex\",\"value\":\"/a/b/y\"}]}]}]}"};
    static struct policy *loaded[2];
    struct err err;

    if (loaded[which] == NULL && policy_parse(str_of(texts[which]), false, &loaded[which], &err) != 0)
        abort();
    return &loaded[which]->routes[0].rules;
}

static enum denial judge(const struct match_request *request)
{
    const struct match_entry *entry;
    enum denial denial = match_judge(rules(0), request, &entry);

    require(match_judge(rules(1), request, &entry) == denial);
    return denial;
}

/* Every byte but '/' percent-encoded. */
static enum denial judge_encoded(const struct match_request *request, const char *path)
{
    static char text[3 * FUZZ_MAX + 1];
    struct match_request other = *request;
    size_t len = 0;

    for (; *path != '\0'; path++)
        len += (size_t)sprintf(text + len, *path == '/' ? "/" : "%%%02x", (unsigned char)*path);
    other.path = (struct str){text, len};
    return judge(&other);
}

static void check_canonical(const struct match_request *request, enum denial denial)
{
    static char path[URL_PATH_MAX + 1];

    require(url_path(request->path, path) == URL_OK && path[0] == '/');
    require(strpbrk(path, "\\%;?#") == NULL && strstr(path, "//") == NULL);
    for (const char *at = path; *at != '\0'; at++) {
        size_t segment = strcspn(at + 1, "/");
        require((unsigned char)*at >= ' ' && *at != 0x7f);
        require(*at != '/' || !(segment == 1 && at[1] == '.'));
        require(*at != '/' || !(segment == 2 && at[1] == '.' && at[2] == '.'));
    }
    require(judge_encoded(request, path) == denial);
    if (denial != DENIAL_DENY_ENTRY)
        return;
    for (char *at = path; *at != '\0'; at++)
        *at = (char)(*at >= 'a' && *at <= 'z' ? *at - ('a' - 'A') : *at);
    require(judge_encoded(request, path) == DENIAL_DENY_ENTRY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct match_field fields[8];
    struct match_request request = {.fields = fields};
    const char *text = (const char *)data, *end = text + size;
    const char *line = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t first = line != NULL ? (size_t)(line - text) : size;
    const char *space = first > 0 ? memchr(text, ' ', first) : NULL;

    if (space == NULL || size > FUZZ_MAX)
        return 0;
    request.method = (struct str){text, (size_t)(space - text)};
    request.path = (struct str){space + 1, first - request.method.len - 1};
    const char *mark = request.path.len > 0 ? memchr(request.path.ptr, '?', request.path.len) : NULL;
    if (mark != NULL) {
        request.query = (struct str){mark, request.path.len - (size_t)(mark - request.path.ptr)};
        request.path.len = (size_t)(mark - request.path.ptr);
    }
    for (text += first; text < end && request.field_count < 7; text += first) {
        text++;
        line = text < end ? memchr(text, '\n', (size_t)(end - text)) : NULL;
        first = line != NULL ? (size_t)(line - text) : (size_t)(end - text);
        const char *colon = first > 0 ? memchr(text, ':', first) : NULL;
        if (colon == NULL)
            break;
        struct str value = {colon + 1, first - (size_t)(colon - text) - 1};
        fields[request.field_count++] = (struct match_field){{text, (size_t)(colon - text)}, str_trim(value)};
    }
    enum denial denial = judge(&request);
    bool star = request.path.len == 1 && request.path.ptr[0] == '*';
    require(denial != DENIAL_MATCH_LIMIT && !(star && denial == DENIAL_NONE));
    if (denial != DENIAL_PATH_AMBIGUOUS && denial != DENIAL_METHOD_OVERRIDE && !star)
        check_canonical(&request, denial);
    fields[request.field_count++] = (struct match_field){STR("X-HTTP-Method-Override"), STR("GET")};
    enum denial overridden = judge(&request);
    require(overridden == DENIAL_METHOD_OVERRIDE || overridden == DENIAL_PATH_AMBIGUOUS);
    return 0;
}
