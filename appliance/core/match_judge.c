/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * match_judge: a request against a route's lists. First what has no single reading is refused, then deny is
 * asked, then matches; nothing here changes the request, and what is in doubt (a limit, no memory) is a denial.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/match.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "core/url.h"

enum holds { NO, YES, IN_DOUBT };

/* Fields by which servers take another method than the request line's (Rack, Symfony, Express, OData, Google),
 * and parameters of the query. A form's body can hold the last ones too; bodies are not looked at here. */
static const struct str METHOD_FIELDS[] = {STR("x-http-method-override"), STR("x-http-method"),
                                           STR("x-method-override"), STR("x-rest-method")};
static const struct str METHOD_PARAMETERS[] = {STR("-method"),
                                               STR("-httpmethod"),
                                               STR("-http-method"),
                                               STR("$httpmethod"),
                                               STR("x-http-method-override"),
                                               STR("x-http-method"),
                                               STR("x-method-override")};
/* And another path (IIS, Symfony, Zend, gunicorn, Traefik's and Spring's prefix). */
static const struct str PATH_FIELDS[] = {
    STR("x-original-url"),  STR("x-original-uri"),  STR("x-rewrite-url"), STR("x-override-url"),
    STR("script-name"),     STR("x-script-name"),   STR("path-info"),     STR("x-forwarded-prefix"),
    STR("x-forwarded-uri"), STR("x-forwarded-path")};

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* As a CGI-like server sees names: letter case does not matter, and "_" is "-". */
static bool same_name(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if ((a.ptr[i] == '_' ? '-' : fold(a.ptr[i])) != (b.ptr[i] == '_' ? '-' : fold(b.ptr[i])))
            return false;
    return true;
}

static bool listed(struct str name, const struct str *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (same_name(name, names[i]))
            return true;
    return false;
}

static bool has_field(const struct match_request *request, const struct str *names, size_t count)
{
    for (size_t i = 0; i < request->field_count; i++)
        if (listed(request->fields[i].name, names, count))
            return true;
    return false;
}

static bool has_parameter(struct str query)
{
    while (query.len > 0) {
        size_t name = 0, end = 0;
        while (end < query.len && strchr("?&;", query.ptr[end]) == NULL)
            end++;
        while (name < end && query.ptr[name] != '=')
            name++;
        if (listed((struct str){query.ptr, name}, METHOD_PARAMETERS,
                   sizeof METHOD_PARAMETERS / sizeof METHOD_PARAMETERS[0]))
            return true;
        end += end < query.len;
        query = (struct str){query.ptr + end, query.len - end};
    }
    return false;
}

/* Decoded as often as anybody might. */
static bool query_overrides(struct str query)
{
    static char text[URL_PATH_MAX]; /* used up before it is left */
    size_t len = query.len, before;

    if (len > sizeof text)
        return true;
    if (len > 0)
        memcpy(text, query.ptr, len);
    for (int round = 0; round < 8; round++) {
        if (has_parameter((struct str){text, len}))
            return true;
        before = len;
        len = url_decode((struct str){text, len}, text);
        if (len == before)
            return false;
    }
    return true;
}

static enum holds regex_holds(const pcre2_code *regex, struct str text)
{
    static pcre2_match_data *data;
    static pcre2_match_context *limits;

    if (data == NULL)
        data = pcre2_match_data_create(1, NULL);
    if (limits == NULL && (limits = pcre2_match_context_create(NULL)) != NULL) {
        pcre2_set_match_limit(limits, MATCH_STEPS_MAX);
        pcre2_set_heap_limit(limits, MATCH_HEAP_MAX);
    }
    if (data == NULL || limits == NULL)
        return IN_DOUBT;
    int count =
        pcre2_match(regex, (PCRE2_SPTR)(text.ptr != NULL ? text.ptr : ""), text.len, 0, 0, data, limits);
    return count >= 0 ? YES : count == PCRE2_ERROR_NOMATCH ? NO : IN_DOUBT;
}

static bool equal(struct str a, struct str b, bool deny)
{
    return deny ? str_equal_nocase(a, b) : str_equal(a, b);
}

/* A prefix ends at a '/': its own last byte, the path's next one, or the path's end. */
static bool prefix_holds(struct str prefix, struct str path, bool deny)
{
    if (path.len < prefix.len || !equal(prefix, (struct str){path.ptr, prefix.len}, deny))
        return false;
    return path.len == prefix.len || prefix.ptr[prefix.len - 1] == '/' || path.ptr[prefix.len] == '/';
}

static struct str without_slash(struct str path)
{
    if (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    return path;
}

static enum holds path_holds(const struct match_value *value, struct str path, bool deny)
{
    enum holds holds = NO;

    switch (value->type) {
    case MATCH_PREFIX:
        return prefix_holds(deny ? without_slash(value->plain) : value->plain, path, deny) ? YES : NO;
    case MATCH_EXACT:
        return equal(deny ? without_slash(value->plain) : value->plain, deny ? without_slash(path) : path,
                     deny)
                   ? YES
                   : NO;
    case MATCH_REGEX:
        holds = regex_holds(value->regex, path);
        if (holds == NO && deny && without_slash(path).len != path.len)
            holds = regex_holds(value->regex, without_slash(path));
        break;
    }
    return holds;
}

static enum holds any_path(const struct match_entry *entry, struct str path, bool deny)
{
    enum holds found = entry->path_count == 0 ? YES : NO;

    for (size_t i = 0; found == NO && i < entry->path_count; i++)
        found = path_holds(&entry->paths[i], path, deny);
    return found;
}

static enum holds any_method(const struct match_entry *entry, struct str method)
{
    enum holds found = entry->method_count == 0 ? YES : NO;

    for (size_t i = 0; found == NO && i < entry->method_count; i++)
        found = str_equal(entry->methods[i], method) ? YES : NO;
    return found;
}

static enum holds value_holds(const struct match_value *value, struct str text, bool deny)
{
    if (value->type == MATCH_REGEX)
        return regex_holds(value->regex, text);
    return equal(value->plain, text, deny) ? YES : NO;
}

/* The value, or a part of it between commas. */
static enum holds part_holds(const struct match_value *value, struct str text)
{
    enum holds found = value_holds(value, text, true);

    if (text.len == 0 || memchr(text.ptr, ',', text.len) == NULL)
        return found;
    while (found == NO && text.len > 0) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma != NULL ? (size_t)(comma - text.ptr) : text.len;
        found = value_holds(value, str_trim((struct str){text.ptr, len}), true);
        len += comma != NULL;
        text = (struct str){text.ptr + len, text.len - len};
    }
    return found;
}

static enum holds header_holds(const struct match_header *header, const struct match_request *request,
                               bool deny)
{
    bool named = false;

    for (size_t i = 0; i < request->field_count; i++) {
        const struct match_field *field = &request->fields[i];
        if (!same_name(header->name, field->name))
            continue;
        enum holds holds = deny ? part_holds(&header->value, field->value)
                                : value_holds(&header->value, field->value, false);
        if (holds == IN_DOUBT || (deny ? holds == YES : holds == NO))
            return holds;
        named = named || str_equal_nocase(header->name, field->name);
    }
    return !deny && named ? YES : NO;
}

static enum holds all_headers(const struct match_entry *entry, const struct match_request *request, bool deny)
{
    enum holds all = YES;

    for (size_t i = 0; all == YES && i < entry->header_count; i++)
        all = header_holds(&entry->headers[i], request, deny);
    return all;
}

static enum denial judge_deny(const struct match_list *list, const struct match_request *request,
                              struct str path, const struct match_entry **entry)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct match_entry *one = &list->entries[i];
        if (any_method(one, request->method) == NO) /* the cheap ones first */
            continue;
        enum holds holds = all_headers(one, request, true);
        if (holds == YES)
            holds = any_path(one, path, true);
        if (holds == NO)
            continue;
        *entry = one;
        return holds == YES ? DENIAL_DENY_ENTRY : DENIAL_MATCH_LIMIT;
    }
    return DENIAL_NONE;
}

/* The denial names what came nearest: a path that no entry names, else a method, else a header. */
static enum denial judge_matches(const struct match_list *list, const struct match_request *request,
                                 struct str path, const struct match_entry **entry)
{
    enum denial denial = DENIAL_PATH_NOT_ALLOWED;

    for (size_t i = 0; i < list->count; i++) {
        const struct match_entry *one = &list->entries[i];
        enum holds holds = any_path(one, path, false);
        if (holds == YES && any_method(one, request->method) == NO) {
            if (denial == DENIAL_PATH_NOT_ALLOWED)
                denial = DENIAL_METHOD_NOT_ALLOWED;
            continue;
        }
        if (holds == YES && (holds = all_headers(one, request, false)) == NO)
            denial = DENIAL_HEADER_NOT_ALLOWED;
        if (holds == NO)
            continue;
        *entry = one;
        return holds == YES ? DENIAL_NONE : DENIAL_MATCH_LIMIT;
    }
    return denial;
}

enum denial match_judge(const struct match_rules *rules, const struct match_request *request,
                        const struct match_entry **entry)
{
    static char path[URL_PATH_MAX + 1]; /* used up before it is left */
    struct str canonical = request->path;

    *entry = NULL;
    if (rules->by_path) {
        if (has_field(request, PATH_FIELDS, sizeof PATH_FIELDS / sizeof PATH_FIELDS[0]))
            return DENIAL_PATH_AMBIGUOUS;
        /* "*" is what OPTIONS asks of the server as a whole; there is but one reading of it */
        if (!str_equal(request->path, str_of("*"))) {
            if (url_path(request->path, path) != URL_OK)
                return DENIAL_PATH_AMBIGUOUS;
            canonical = str_of(path);
        }
    }
    if (rules->by_method &&
        (has_field(request, METHOD_FIELDS, sizeof METHOD_FIELDS / sizeof METHOD_FIELDS[0]) ||
         query_overrides(request->query)))
        return DENIAL_METHOD_OVERRIDE;
    enum denial denial = judge_deny(&rules->deny, request, canonical, entry);
    if (denial == DENIAL_NONE && rules->matches.count > 0)
        denial = judge_matches(&rules->matches, request, canonical, entry);
    return denial;
}
