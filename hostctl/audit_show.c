/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_show: see the header. Texts are read from JSON, so escapes are gone here and are made anew. */
#include "hostctl/audit_show.h"

#include <string.h>

#include "core/audit.h"
#include "hostctl/escape.h"

int audit_filter_check(const struct audit_filter *filter, struct err *err)
{
    for (size_t i = 0; i < filter->kinds.count; i++) {
        size_t kind = 0, len = 0;
        char known[256] = "";
        for (; audit_kind_name(kind) != NULL && strcmp(audit_kind_name(kind), filter->kinds.values[i]) != 0;
             kind++)
            len += (size_t)snprintf(known + len, sizeof known - len, " %s", audit_kind_name(kind));
        if (audit_kind_name(kind) == NULL)
            return err_set(err, "--kind: there is no \"%.32s\"; kinds are%s", filter->kinds.values[i], known);
    }
    return 0;
}

static const char *text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    return text != NULL ? text : "";
}

static bool host_fits(struct str host, const char *wanted)
{
    struct str below = str_of(wanted[0] == '*' && wanted[1] == '.' ? wanted + 1 : NULL);

    if (below.len == 0)
        return str_equal_nocase(host, str_of(wanted));
    return host.len > below.len &&
           str_equal_nocase((struct str){host.ptr + host.len - below.len, below.len}, below);
}

static bool wanted(const struct audit_filter *filter, const json_t *line)
{
    struct str host = str_of(text_of(line, "host"));
    bool kind_fits = filter->kinds.count == 0, fits = filter->hosts.count == 0;

    if (filter->deny && strcmp(text_of(line, "verdict"), "block") != 0 &&
        strcmp(text_of(line, "verdict"), "alarm") != 0)
        return false;
    for (size_t i = 0; i < filter->kinds.count && !kind_fits; i++)
        kind_fits = strcmp(text_of(line, "kind"), filter->kinds.values[i]) == 0;
    for (size_t i = 0; i < filter->hosts.count && !fits; i++)
        fits = host_fits(host, filter->hosts.values[i]);
    return kind_fits && fits;
}

static void put_text(FILE *to, const json_t *line, const char *key, const char *before, const char *behind)
{
    const char *text = text_of(line, key);

    if (text[0] == '\0')
        return;
    fputs(before, to);
    escape_put(to, text, strcmp(key, "detail") == 0 || strcmp(key, "rule") == 0);
    fputs(behind, to);
}

static void put_number(FILE *to, const json_t *line, const char *key, const char *before)
{
    const json_t *value = json_object_get(line, key);

    if (json_is_integer(value))
        fprintf(to, "%s%" JSON_INTEGER_FORMAT, before, json_integer_value(value));
}

#define ID_SHOWN 12 /* digits of a commit's or an object's */

static void put_id(FILE *to, const json_t *line, const char *key, const char *before)
{
    char digits[ID_SHOWN + 1];

    if (text_of(line, key)[0] == '\0')
        return;
    snprintf(digits, sizeof digits, "%s", text_of(line, key));
    fputs(before, to);
    escape_put(to, digits, false);
}

/* [REPOSITORY] [REF] [OLD..NEW] [PATH[:LINE]] [of COMMIT] */
static void put_git(FILE *to, const json_t *line)
{
    put_text(to, line, "repository", " ", "");
    put_text(to, line, "ref", " ", "");
    put_id(to, line, "old", " ");
    put_id(to, line, "new", "..");
    put_text(to, line, "path", " ", "");
    put_number(to, line, "line", ":");
    put_id(to, line, "commit", " of ");
}

static void put_connection(FILE *to, const json_t *line)
{
    put_text(to, line, text_of(line, "host")[0] != '\0' ? "host" : "address", " ", "");
    put_number(to, line, "port", ":");
    put_text(to, line, "path", "", "");
}

static void put_findings(FILE *to, const json_t *line)
{
    const char *rule, *before = " found ";
    const json_t *count;

    json_object_foreach((json_t *)json_object_get(line, "findings"), rule, count) {
        fputs(before, to);
        escape_put(to, rule, false);
        fprintf(to, " x%" JSON_INTEGER_FORMAT, json_integer_value(count));
        before = ", ";
    }
}

/* TIME VERDICT KIND [PROTOCOL] [METHOD] HOST[:PORT][PATH] [STATUS] [REASON] [[RULE]] [DETAIL] [xCOUNT]; of git put_git's
 * instead of the host, and what was found behind DETAIL */
static void show_person(const json_t *line, FILE *to)
{
    char verdict[16], kind[16];

    put_text(to, line, "time", "", " ");
    snprintf(verdict, sizeof verdict, "%-6.8s", text_of(line, "verdict"));
    snprintf(kind, sizeof kind, "%-9.9s", text_of(line, "kind"));
    escape_put(to, verdict, true);
    putc(' ', to);
    escape_put(to, kind, true);
    put_text(to, line, "protocol", " ", "");
    put_text(to, line, "method", " ", "");
    if (text_of(line, "repository")[0] != '\0')
        put_git(to, line);
    else
        put_connection(to, line);
    put_number(to, line, "status", " ");
    put_text(to, line, "reason", " ", "");
    put_text(to, line, "rule", " [", "]");
    put_text(to, line, "detail", " ", "");
    put_findings(to, line);
    put_number(to, line, "count", " x");
    putc('\n', to);
}

static bool printable(struct str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] < 0x20 || line.ptr[i] > 0x7e)
            return false;
    return true;
}

static void show_as_it_is(struct str line, FILE *to)
{
    for (size_t i = 0; i < line.len; i++)
        putc(line.ptr[i] < 0x20 || line.ptr[i] > 0x7e ? '?' : line.ptr[i], to);
    putc('\n', to);
}

void audit_show(const struct audit_filter *filter, bool raw, struct str line, FILE *to)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\n')
        line.len--;
    json_t *object = printable(line) ? json_loadb(line.ptr, line.len, JSON_ALLOW_NUL, NULL) : NULL;

    if (!json_is_object(object))
        show_as_it_is(line, to);
    else if (wanted(filter, object) && raw)
        show_as_it_is(line, to);
    else if (wanted(filter, object))
        show_person(object, to);
    json_decref(object);
}
