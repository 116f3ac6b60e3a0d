/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_found: see push_found.h. No value is copied to anywhere here. */
#include "gate/push_found.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/dlp_rules.h"
#include "gate/push_keyed.h"
#include "gate/push_paths.h"

#define JOINED_MAX (1 << 20)
#define LINE_SIDE  4096 /* bytes on each side of a value in which a comment of its line is looked for */

static const char *const kind_names[] = {
    [PUSH_REF_RULE] = "ref-rule", [PUSH_SIZE] = "size",       [PUSH_PROTECTED] = "protected-path",
    [PUSH_SECRET] = "secret",     [PUSH_ARCHIVE] = "archive", [PUSH_SUBMODULE] = "submodule",
    [PUSH_LFS] = "lfs",           [PUSH_FILTER] = "filter",   [PUSH_SCANNER] = "scanner",
};

const char *push_kind_name(enum push_kind kind)
{
    return kind_names[kind];
}

/* Texts of the push. */

static int cover(struct push_run *run, struct str raw, char *covered)
{
    struct dlp_message message = {.detectors = DLP_TOKENS | DLP_KNOWN};
    struct dlp_scan *scan = dlp_scan_begin(run->in->engine, &message);
    uint64_t leave;
    size_t count;

    if (scan == NULL || dlp_scan_body(scan, raw, 0, true, &leave) == DLP_VIOLATION) {
        dlp_scan_end(scan);
        return -1;
    }
    const struct dlp_finding *found = dlp_scan_findings(scan, &count);
    memcpy(covered, raw.ptr, raw.len);
    for (size_t i = 0; i < count; i++)
        for (uint64_t at = found[i].start; at < found[i].end && at < raw.len; at++)
            covered[at] = '*';
    dlp_scan_end(scan);
    return 0;
}

/* The same for what slashes cut into pieces. */
static int cover_joined(struct push_run *run, struct str raw, char *covered)
{
    struct buf joined, where;
    char *text = NULL;
    int status = -1;

    if (raw.len == 0 || memchr(raw.ptr, '/', raw.len) == NULL)
        return 0;
    buf_init(&joined, JOINED_MAX);
    buf_init(&where, JOINED_MAX * sizeof(uint32_t));
    if (push_paths_joined(raw, &joined, &where) == 0 && (text = malloc(buf_str(&joined).len + 1)) != NULL &&
        cover(run, buf_str(&joined), text) == 0) {
        for (size_t i = 0; i < buf_str(&joined).len; i++) {
            uint32_t at;
            memcpy(&at, buf_str(&where).ptr + i * sizeof at, sizeof at);
            if (text[i] == '*' && at < raw.len)
                covered[at] = '*';
        }
        status = 0;
    }
    free(text);
    buf_fini(&joined);
    buf_fini(&where);
    return status;
}

void push_show(struct push_run *run, struct str raw, char *out, size_t size)
{
    char *covered = malloc(raw.len + 1); /* all of it: what is cut off may be what makes the rest a secret */
    bool cut = false;
    size_t len = 0;

    if (covered == NULL || cover(run, raw, covered) != 0 || cover_joined(run, raw, covered) != 0) {
        free(covered);
        snprintf(out, size, "(not shown)");
        return;
    }
    for (size_t i = 0; i < raw.len && !cut; i++) {
        unsigned char c = (unsigned char)covered[i];
        bool plain = c >= ' ' && c < 0x7f && c != '\\' && c != '"';
        cut = len + (plain ? 1 : 4) + sizeof "..." > size;
        if (!cut && plain)
            out[len++] = (char)c;
        else if (!cut)
            len += (size_t)snprintf(out + len, size - len, "\\x%02x", c);
    }
    snprintf(out + len, size - len, "%s", cut ? "..." : "");
    free(covered);
}

/* The list. */

static bool is_known(const struct push_run *run, const struct push_finding *new)
{
    for (size_t i = 0; i < run->check->count; i++) {
        const struct push_finding *old = &run->check->findings[i];
        if (old->kind == new->kind && old->line == new->line &&strcmp(old->rule, new->rule) == 0 &&
            strcmp(old->object, new->object) == 0 && strcmp(old->commit, new->commit) == 0 &&
            strcmp(old->path, new->path) == 0 && strcmp(old->surface, new->surface) == 0 &&
            strcmp(old->ref, new->ref) == 0)
            return true;
    }
    return false;
}

struct push_finding *push_found_add(struct push_run *run, enum push_kind kind, const char *rule,
                                    const struct push_place *place, uint64_t line)
{
    struct push_finding new = {.kind = kind, .verdict = PUSH_TO_REFUSE, .line = line};

    if (run->over)
        return NULL;
    snprintf(new.rule, sizeof new.rule, "%s", rule);
    snprintf(new.surface, sizeof new.surface, "%s", place->surface);
    if (place->object != NULL)
        push_id_write(place->object, run->id_bytes, new.object);
    if (place->commit != NULL)
        snprintf(new.commit, sizeof new.commit, "%s", place->commit);
    if (place->path.len > 0)
        push_show(run, place->path, new.path, sizeof new.path);
    if (place->update >= 0)
        snprintf(new.ref, sizeof new.ref, "%s", run->check->refs[place->update]);
    if (is_known(run, &new))
        return NULL;
    if (run->check->count == PUSH_FOUND_MAX) {
        run->check->more = true;
        run->over = true;
        return NULL;
    }
    run->check->findings[run->check->count] = new;
    return &run->check->findings[run->check->count++];
}

void push_found_ask(struct push_run *run, struct push_finding *finding, struct str text, struct str more)
{
    const struct push_check_input *in = run->in;

    if (in->key == NULL || push_keyed(in->key, text, more, finding->hash) != 0) {
        finding->hash[0] = '\0';
        return;
    }
    if (in->approved != NULL && in->approved(in->user, finding->hash))
        finding->verdict = PUSH_APPROVED;
    else if (in->asks)
        finding->verdict = PUSH_TO_ASK;
}

/* Whether the lines of the value say that it may stay. */
static bool is_allowed(struct str text, size_t start, size_t end)
{
    static const char comment[] = "gitleaks:allow";
    size_t from = start, to = end;

    while (from > 0 && start - from < LINE_SIDE && text.ptr[from - 1] != '\n')
        from--;
    while (to < text.len && to - end < LINE_SIDE && text.ptr[to] != '\n')
        to++;
    return memmem(text.ptr + from, to - from, comment, sizeof comment - 1) != NULL;
}

void push_found_secret(struct push_run *run, const struct push_place *place,
                       const struct dlp_finding *finding, struct str text, size_t start, size_t end,
                       uint64_t line)
{
    const struct dlp_rule *rule = dlp_rules_get(dlp_engine_rules(run->in->engine), finding->rule);
    struct push_finding *found =
        push_found_add(run, PUSH_SECRET, rule != NULL ? rule->name : "?", place, line);

    if (found == NULL)
        return;
    snprintf(found->detector, sizeof found->detector, "%s", dlp_rules_detector_name(finding->detector));
    found->allow_comment = is_allowed(text, start, end);
    found->canary = rule != NULL && finding->detector == DLP_KNOWN && rule->kind == DLP_CANARY;
    if (finding->detector != DLP_KNOWN && (found->allow_comment || run->in->gate->supervise))
        push_found_ask(run, found, (struct str){text.ptr + start, end - start}, (struct str){NULL, 0});
}

/* How it is told. */

struct line {
    char *text;
    size_t size, len;
};

static void say(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct line *line, const char *format, ...)
{
    va_list list;

    if (line->len + 1 >= line->size)
        return;
    va_start(list, format);
    int got = vsnprintf(line->text + line->len, line->size - line->len, format, list);
    va_end(list);
    line->len += got > 0 ? (size_t)got : 0;
}

static void say_where(struct line *line, const struct push_finding *f)
{
    if (f->path[0] != '\0')
        say(line, " in \"%s\"", f->path);
    else if (f->surface[0] != '\0')
        say(line, " in %s", f->surface);
    if (f->path[0] != '\0' && strcmp(f->surface, "archive") == 0)
        say(line, ", inside an archive");
    if (f->path[0] != '\0' && strcmp(f->surface, "path") == 0)
        say(line, " (the path itself)");
    if (f->line > 0)
        say(line, ", line %llu", (unsigned long long)f->line);
    if (f->commit[0] != '\0')
        say(line, ", commit %s", f->commit);
    else if (f->object[0] != '\0')
        say(line, ", object %s", f->object);
}

static const char *what_now(const struct push_finding *f)
{
    switch (f->verdict) {
    case PUSH_TO_ASK:
        return "waits for the operator's approval";
    case PUSH_APPROVED:
        return "approved by the operator";
    default:
        return "refused";
    }
}

static void tell(struct push_finding *f)
{
    struct line line = {f->text, sizeof f->text, strlen(f->text)};
    char words[sizeof f->text];

    /* What was written when it was found is the reason; the place comes in front. */
    memcpy(words, f->text, sizeof words);
    line.len = 0;
    f->text[0] = '\0';
    if (f->ref[0] != '\0')
        say(&line, "%s: ", f->ref);
    say(&line, "%s: ", what_now(f));
    if (f->kind == PUSH_SECRET) {
        say(&line, "rule \"%s\" of %s", f->rule, f->detector);
        say_where(&line, f);
        if (f->allow_comment)
            say(&line, " (its line says gitleaks:allow%s)",
                f->verdict == PUSH_TO_REFUSE ? ", which only an operator who is asked can grant" : "");
        return;
    }
    say(&line, "%s", words);
    if (f->kind != PUSH_REF_RULE && f->kind != PUSH_SIZE && f->kind != PUSH_SCANNER)
        say_where(&line, f);
}

void push_found_tell(struct push_run *run)
{
    struct push_check *check = run->check;

    if (check->count > PUSH_FINDINGS_MAX) {
        check->count = PUSH_FINDINGS_MAX;
        check->more = true;
    }
    check->answer = run->failed ? PUSH_FAILED : check->more ? PUSH_REFUSED : PUSH_CLEAN;
    for (size_t i = 0; i < check->count; i++) {
        struct push_finding *f = &check->findings[i];
        tell(f);
        if (check->answer == PUSH_FAILED)
            continue;
        if (f->verdict == PUSH_TO_REFUSE)
            check->answer = PUSH_REFUSED;
        else if (f->verdict == PUSH_TO_ASK && check->answer == PUSH_CLEAN)
            check->answer = PUSH_ASK;
    }
}
