/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * match: builds what match_judge.c looks at. Every value is checked and every regular expression compiled
 * here, once; hostctl, init and the proxy all come through here, so none accepts what another refuses.
 *
 * PCRE2 is asked for the whole value by PCRE2_ANCHORED and PCRE2_ENDANCHORED, which is \A(?:…)\z without its
 * holes: "a)|(?:b" and "(*ACCEPT)" cannot get out of it, and the offset of an error is the pattern's own. UTF
 * is off, and a pattern cannot switch it on: what is matched is bytes. There is no JIT: it makes code at run
 * time, which the workers' jail forbids, and the interpreter is what the limits below count.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/match.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/url.h"

static const char *const types[] = {
    [MATCH_PREFIX] = "prefix", [MATCH_EXACT] = "exact", [MATCH_REGEX] = "regex"};

const char *match_type_name(enum match_type type)
{
    return types[type];
}

int match_type_find(struct str name)
{
    for (int type = MATCH_PREFIX; type <= MATCH_REGEX; type++)
        if (str_equal(name, str_of(types[type])))
            return type;
    return -1;
}

int match_list_new(struct match_list *list, size_t count, bool deny)
{
    list->entries = calloc(count, sizeof *list->entries);
    list->count = list->entries != NULL ? count : 0;
    list->deny = deny;
    return list->entries != NULL ? 0 : -1;
}

int match_entry_new(struct match_entry *entry, size_t paths, size_t methods, size_t headers)
{
    entry->paths = calloc(paths + 1, sizeof *entry->paths);
    entry->methods = calloc(methods + 1, sizeof *entry->methods);
    entry->headers = calloc(headers + 1, sizeof *entry->headers);
    return entry->paths != NULL && entry->methods != NULL && entry->headers != NULL ? 0 : -1;
}

/* A copy with a NUL behind it; ptr is NULL when memory is out. */
static struct str copy_of(struct str text)
{
    char *copy = malloc(text.len + 1);

    if (copy == NULL)
        return (struct str){0};
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return (struct str){copy, text.len};
}

static void value_fini(struct match_value *value)
{
    pcre2_code_free(value->regex);
    free((char *)value->text.ptr);
    free((char *)value->plain.ptr);
}

static int compile(struct match_value *value, bool deny, struct err *err)
{
    const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
                             PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | (deny ? PCRE2_CASELESS : 0);
    PCRE2_SIZE offset;
    int error;

    value->regex =
        pcre2_compile((PCRE2_SPTR)value->text.ptr, value->text.len, options, &error, &offset, NULL);
    if (value->regex != NULL)
        return 0;
    PCRE2_UCHAR words[128];
    pcre2_get_error_message(error, words, sizeof words);
    return err_set(err, "does not compile: at offset %zu: %s", (size_t)offset, (const char *)words);
}

/* Takes a copy of the text. On failure *value is empty again. */
static int value_init(struct match_value *value, bool deny, enum match_type type, struct str text,
                      struct err *err)
{
    *value = (struct match_value){.type = type};
    if (text.len > MATCH_VALUE_MAX)
        return err_set(err, "has more than %d bytes", MATCH_VALUE_MAX);
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
        return err_set(err, "holds a NUL character");
    value->text = copy_of(text);
    value->plain = copy_of(text);
    int status = value->text.ptr == NULL || value->plain.ptr == NULL
                     ? err_set(err, "does not fit into memory")
                 : type == MATCH_REGEX ? compile(value, deny, err)
                                       : 0;
    if (status == 0)
        return 0;
    value_fini(value);
    *value = (struct match_value){.type = type};
    return -1;
}

/* Paths are written as in a URL and compared decoded. */
static int decode_path(struct match_value *value, struct err *err)
{
    char *plain = (char *)value->plain.ptr;

    if (value->text.len == 0 || value->text.ptr[0] != '/')
        return err_set(err, "must begin with \"/\"");
    switch (url_path(value->text, plain)) {
    case URL_OK:
        value->plain.len = strlen(plain);
        return 0;
    case URL_BAD:
        return err_set(err,
                       "is no path as in a URL: spaces, \"%%\" and what is not ASCII are percent-encoded");
    case URL_AMBIGUOUS:
        break;
    }
    return err_set(
        err, "has no single reading: no dot segments, empty segments, \";\", backslashes and encoded "
             "\"/\", \"\\\", \"%%\", \";\", \"?\", \"#\" and control characters; such requests are refused");
}

int match_add_path(struct match_entry *entry, bool deny, enum match_type type, struct str text,
                   struct err *err)
{
    struct match_value *value = &entry->paths[entry->path_count];

    if (type != MATCH_REGEX && memchr(text.ptr != NULL ? text.ptr : "", '?', text.len) != NULL)
        return err_set(err, "holds a \"?\": the query is no part of the path and decides nothing");
    if (value_init(value, deny, type, text, err) != 0)
        return -1;
    if (type != MATCH_REGEX && decode_path(value, err) != 0) {
        value_fini(value);
        return -1;
    }
    entry->path_count++;
    return 0;
}

static bool is_token(struct str s)
{
    static const char token[] =
        "!#$%&\'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '\0' || strchr(token, s.ptr[i]) == NULL)
            return false;
    return s.len > 0;
}

int match_add_method(struct match_entry *entry, struct str text, struct err *err)
{
    if (!is_token(text) || text.len > MATCH_NAME_MAX)
        return err_set(err, "is no method");
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 'a' && text.ptr[i] <= 'z')
            return err_set(err, "is no method: methods are written in capitals");
    if (str_equal(text, str_of("CONNECT")) || str_equal(text, str_of("TRACE")))
        return err_set(err, "is never forwarded");
    for (size_t i = 0; i < entry->method_count; i++)
        if (str_equal(entry->methods[i], text))
            return err_set(err, "is there already");
    struct str copy = copy_of(text);
    if (copy.ptr == NULL)
        return err_set(err, "does not fit into memory");
    entry->methods[entry->method_count++] = copy;
    return 0;
}

const char *match_header_problem(struct str name)
{
    /* As the agent sent them they never go on (proxy/rewrite.c), so an entry with one would never hold. */
    static const char *const never[] = {
        "host",    "content-length",   "transfer-encoding",   "connection", "keep-alive",    "te", "trailer",
        "upgrade", "proxy-connection", "proxy-authorization", "expect",     "http2-settings"};

    if (!is_token(name) || name.len > MATCH_NAME_MAX)
        return "is no field name";
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (str_equal_nocase(name, str_of(never[i])))
            return "never goes on as the agent sent it, so it cannot decide";
    return NULL;
}

int match_add_header(struct match_entry *entry, bool deny, struct str name, enum match_type type,
                     struct str text, struct err *err)
{
    struct match_header *header = &entry->headers[entry->header_count];
    const char *problem = match_header_problem(name);

    if (problem != NULL)
        return err_set(err, "%s", problem);
    if (type == MATCH_PREFIX)
        return err_set(err, "must be of type exact or regex");
    if (value_init(&header->value, deny, type, text, err) != 0)
        return -1;
    header->name = copy_of(name);
    if (header->name.ptr == NULL) {
        value_fini(&header->value);
        return err_set(err, "does not fit into memory");
    }
    entry->header_count++;
    return 0;
}

void match_finish(struct match_rules *rules)
{
    const struct match_list *const lists[] = {&rules->matches, &rules->deny};

    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            rules->by_path = rules->by_path || lists[l]->entries[i].path_count > 0;
            rules->by_method = rules->by_method || lists[l]->entries[i].method_count > 0;
        }
}

static void list_fini(struct match_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct match_entry *entry = &list->entries[i];
        for (size_t at = 0; at < entry->path_count; at++)
            value_fini(&entry->paths[at]);
        for (size_t at = 0; at < entry->method_count; at++)
            free((char *)entry->methods[at].ptr);
        for (size_t at = 0; at < entry->header_count; at++) {
            value_fini(&entry->headers[at].value);
            free((char *)entry->headers[at].name.ptr);
        }
        free(entry->paths);
        free(entry->methods);
        free(entry->headers);
    }
    free(list->entries);
}

void match_fini(struct match_rules *rules)
{
    list_fini(&rules->matches);
    list_fini(&rules->deny);
    *rules = (struct match_rules){.by_path = false};
}

void match_entry_name(const struct match_rules *rules, const struct match_entry *entry,
                      char out[MATCH_NAME_MAX])
{
    const struct match_list *list = &rules->matches;

    if (list->count == 0 || entry < list->entries || entry >= list->entries + list->count)
        list = &rules->deny;
    if (entry->name[0] != '\0')
        snprintf(out, MATCH_NAME_MAX, "%s", entry->name);
    else
        snprintf(out, MATCH_NAME_MAX, "%s[%zu]", list->deny ? "deny" : "matches",
                 (size_t)(entry - list->entries));
}
