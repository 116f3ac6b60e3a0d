/* SPDX-License-Identifier: GPL-3.0-or-later */
/* overlay: a child's manifest over its parent's, and what is checked about the whole; see manifest.h. What a parent
 * has and the child leaves is moved, not copied: the parent is used up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/gate_remotes.h"
#include "hostctl/manifest_forge.h"
#include "hostctl/manifest_reader.h"
#include "hostctl/placeholder.h"

static bool is_said(const struct manifest *manifest, const char *path)
{
    for (size_t i = 0; i < manifest->said_count; i++)
        if (strcmp(manifest->said[i], path) == 0)
            return true;
    return false;
}

/* Whether the child says something else in a key's place: the key itself, or of env the same name. */
static bool is_replaced(const struct manifest *child, const char *path)
{
    const char *dot = strncmp(path, "env.", 4) == 0 ? strchr(path + 4, '.') : NULL;
    char name[PATH_SIZE];

    snprintf(name, sizeof name, "%.*s", dot != NULL ? (int)(dot - path) : (int)strlen(path), path);
    return is_said(child, name);
}

/* Keeps what was dropped of the parent's, and why. */
static int drop(struct manifest *child, const char *kind, const char *name, const char *file, unsigned line,
                const char *by_file, unsigned by_line)
{
    if (line == by_line && strcmp(file, by_file) == 0) /* one parent, on two ways */
        return 0;
    struct manifest_dropped *more = realloc(child->dropped, (child->dropped_count + 1) * sizeof *more);
    size_t size = strlen(kind) + strlen(name) + 2;
    char *what = malloc(size);

    if (more != NULL)
        child->dropped = more;
    if (more == NULL || what == NULL) {
        free(what);
        return -1;
    }
    snprintf(what, size, "%s %s", kind, name);
    more[child->dropped_count++] = (struct manifest_dropped){{what, file, line}, by_file, by_line};
    return 0;
}

/* A child's array with the parent's in front, in new memory; the old is freed. NULL: memory is out, nothing is
 * changed. */
static void *joined(void *items, size_t count, const void *front, size_t front_count, size_t size)
{
    char *all = malloc((front_count + count + 1) * size);

    if (all == NULL)
        return NULL;
    if (front_count > 0)
        memcpy(all, front, front_count * size);
    if (count > 0)
        memcpy(all + front_count * size, items, count * size);
    free(items);
    return all;
}

#define JOIN(items, count)                                                                                   \
    do {                                                                                                     \
        void *all = joined(child->items, child->count, parent->items, parent->count, sizeof *child->items);  \
        if (all == NULL)                                                                                     \
            return -1;                                                                                       \
        child->items = all;                                                                                  \
        child->count += parent->count;                                                                       \
        parent->count = 0;                                                                                   \
    } while (0)

static int compare_routes(const void *a, const void *b)
{
    const struct manifest_route *const *x = a, *const *y = b;

    return strcmp((*x)->host, (*y)->host);
}

static int overlay_routes(struct manifest *child, struct manifest *parent)
{
    const struct manifest_route **sorted = calloc(child->route_count + 1, sizeof *sorted);
    size_t kept = 0;
    int status = 0;

    if (sorted == NULL)
        return -1;
    for (size_t i = 0; i < child->route_count; i++)
        sorted[i] = &child->routes[i];
    qsort(sorted, child->route_count, sizeof(*sorted), compare_routes);
    for (size_t i = 0; i < parent->route_count; i++) {
        struct manifest_route *route = &parent->routes[i];
        const struct manifest_route *key = route;
        const struct manifest_route *const *by =
            bsearch(&key, sorted, child->route_count, sizeof(*sorted), compare_routes);
        if (by == NULL) {
            parent->routes[kept++] = *route;
            continue;
        }
        if (drop(child, "the route for", route->host, route->file, route->line, (*by)->file, (*by)->line) !=
            0)
            status = -1;
        manifest_route_free(route);
    }
    free(sorted);
    parent->route_count = kept;
    JOIN(routes, route_count);
    return status;
}

static int overlay_repos(struct manifest *child, struct manifest *parent)
{
    size_t kept = 0;
    int status = 0;

    for (size_t i = 0; i < parent->repo_count; i++) {
        struct manifest_repo *repo = &parent->repos[i];
        const struct manifest_repo *by = NULL;
        for (size_t j = 0; j < child->repo_count && by == NULL; j++)
            if (strcmp(child->repos[j].from.host, repo->from.host) == 0)
                by = &child->repos[j];
        if (by == NULL) {
            parent->repos[kept++] = *repo;
            continue;
        }
        if (drop(child, "the repository", repo->name.text, repo->name.file, repo->name.line, by->name.file,
                 by->name.line) != 0)
            status = -1;
        manifest_repo_free(repo);
    }
    parent->repo_count = kept;
    JOIN(repos, repo_count);
    return status;
}

static int overlay_env(struct manifest *child, struct manifest *parent)
{
    size_t kept = 0;

    for (size_t i = 0; i < parent->env_count; i++) {
        char *pair = parent->env[i], path[PATH_SIZE];
        snprintf(path, sizeof path, "env.%.*s", (int)strcspn(pair, "="), pair);
        if (is_said(child, path))
            free(pair);
        else
            parent->env[kept++] = pair;
    }
    parent->env_count = kept;
    kept = 0;
    for (size_t i = 0; i < parent->form_count; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "env.%s", parent->forms[i].name.text);
        if (is_said(child, path))
            manifest_env_free(&parent->forms[i]);
        else
            parent->forms[kept++] = parent->forms[i];
    }
    parent->form_count = kept;
    JOIN(forms, form_count);
    if (parent->env_count == 0)
        return 0;
    JOIN(env, env_count);
    child->env[child->env_count] = NULL; /* joined() leaves room for it */
    return 0;
}

static int overlay_later(struct manifest *child, struct manifest *parent)
{
    size_t kept = 0;

    for (size_t i = 0; i < parent->later_count; i++)
        if (is_replaced(child, parent->later[i].text))
            free(parent->later[i].text);
        else
            parent->later[kept++] = parent->later[i];
    parent->later_count = kept;
    JOIN(later, later_count);
    return 0;
}

static void take_word(struct manifest_word *child, struct manifest_word *parent)
{
    if (child->text != NULL)
        return;
    *child = *parent;
    parent->text = NULL;
}

static void take_text(char **child, char **parent)
{
    if (*child != NULL)
        return;
    *child = *parent;
    *parent = NULL;
}

/* Lists and values that a child replaces as wholes. */
static void overlay_wholes(struct manifest *child, struct manifest *parent)
{
    if (child->dns_count == 0) {
        memcpy(child->dns, parent->dns, sizeof child->dns);
        child->dns_count = parent->dns_count;
    }
    if (!is_said(child, "egress.dns.denied"))
        child->dns_refuse = parent->dns_refuse;
    if (!is_said(child, "egress.extra_ca")) {
        memcpy(child->extra_ca, parent->extra_ca, sizeof child->extra_ca);
        child->extra_ca_count = parent->extra_ca_count;
        parent->extra_ca_count = 0;
    }
    if (!is_said(child, "egress.ignore")) {
        child->ignore = parent->ignore;
        child->ignore_count = parent->ignore_count;
        parent->ignore = NULL;
        parent->ignore_count = 0;
    }
    if (child->on_denied == DENIED_UNSAID)
        child->on_denied = parent->on_denied;
    if (child->on_canary == CANARY_UNSAID)
        child->on_canary = parent->on_canary;
    if (child->hold_seconds == 0)
        child->hold_seconds = parent->hold_seconds;
    if (!is_said(child, "supervise"))
        child->supervise = parent->supervise;
    if (!is_said(child, "skills")) {
        child->skills = parent->skills;
        child->skill_count = parent->skill_count;
        parent->skills = NULL;
        parent->skill_count = 0;
    }
    if (child->template == TEMPLATE_UNSAID)
        child->template = parent->template;
    take_word(&child->image, &parent->image);
    take_word(&child->runtime, &parent->runtime);
    take_text(&child->user_name, &parent->user_name);
    take_text(&child->user_email, &parent->user_email);
    take_text(&child->scanner, &parent->scanner);
    if (child->on_finding == FINDING_UNSAID)
        child->on_finding = parent->on_finding;
    if (child->storage_mb == 0)
        child->storage_mb = parent->storage_mb;
    if (!is_said(child, "git-gate.prefetch"))
        child->no_prefetch = parent->no_prefetch;
}

static int overlay(struct manifest *child, struct manifest *parent)
{
    overlay_wholes(child, parent);
    if (overlay_routes(child, parent) != 0 || overlay_repos(child, parent) != 0 ||
        overlay_env(child, parent) != 0 || overlay_later(child, parent) != 0)
        return -1;
    JOIN(dropped, dropped_count);
    JOIN(said, said_count);
    JOIN(files, file_count);
    return 0;
}

int manifest_overlay(struct manifest *child, struct manifest *parent)
{
    int status = overlay(child, parent);

    manifest_free(parent);
    return status;
}

struct dlp_rules manifest_dlp(const struct manifest *manifest, const struct manifest_route *route)
{
    struct dlp_rules rules = dlp_rules_default(route->role != NULL);

    if (manifest->supervise && route->role == NULL)
        rules.outbound_on_match = DLP_RULES_SUPERVISE;
    if (route->dlp_said.outbound)
        rules.outbound = route->dlp.outbound;
    if (route->dlp_said.inbound)
        rules.inbound = route->dlp.inbound;
    if (route->dlp_said.outbound_on_match)
        rules.outbound_on_match = route->dlp.outbound_on_match;
    if (route->dlp_said.inbound_on_match)
        rules.inbound_on_match = route->dlp.inbound_on_match;
    rules.budget = route->dlp.budget;
    return rules;
}

bool manifest_asks(const struct manifest *manifest)
{
    bool asks = false;

    for (size_t i = 0; i < manifest->route_count; i++) {
        struct dlp_rules rules = manifest_dlp(manifest, &manifest->routes[i]);
        asks = asks || (!manifest->routes[i].tls_passthrough && rules.outbound != 0 &&
                        rules.outbound_on_match == DLP_RULES_SUPERVISE);
    }
    return asks;
}

void manifest_drop_routes(struct manifest *manifest)
{
    while (manifest->route_count > 0)
        manifest_route_free(&manifest->routes[--manifest->route_count]);
}

/* The route that lets a name of ignore through, or NULL. */
static const struct manifest_route *lets_through(const struct manifest *manifest, const char *ignored)
{
    bool wild = strncmp(ignored, "*.", 2) == 0;
    const char *name = wild ? ignored + 2 : ignored;
    size_t len = strlen(name);

    for (size_t i = 0; i < manifest->route_count; i++) {
        const char *host = manifest->routes[i].host;
        size_t host_len = strlen(host);
        if (strcmp(host, ignored) == 0)
            return &manifest->routes[i];
        if (host[0] == '*' && len >= host_len && strcmp(name + len - (host_len - 1), host + 1) == 0)
            return &manifest->routes[i]; /* "*.example.com" and "a.example.com" or "*.a.example.com" */
        if (wild && host_len > len + 1 && strcmp(host + host_len - len - 1, ignored + 1) == 0)
            return &manifest->routes[i]; /* "a.example.com" and "*.example.com" */
    }
    return NULL;
}

static int compare_names(const void *a, const void *b)
{
    const struct manifest_repo *const *x = a, *const *y = b;

    return strcmp((*x)->name.text, (*y)->name.text);
}

static void check_repo_names(const struct manifest *manifest, struct report *report)
{
    const struct manifest_repo **sorted = calloc(manifest->repo_count + 1, sizeof *sorted);

    if (sorted == NULL) {
        report_add(report, 0, "", "out of memory");
        return;
    }
    for (size_t i = 0; i < manifest->repo_count; i++)
        sorted[i] = &manifest->repos[i];
    qsort(sorted, manifest->repo_count, sizeof(*sorted), compare_names);
    for (size_t i = 1; i < manifest->repo_count; i++) {
        const struct manifest_word *name = &sorted[i]->name, *first = &sorted[i - 1]->name;
        if (strcmp(first->text, name->text) != 0)
            continue;
        report_file(report, name->file);
        report_add(report, name->line, "git-gate.repos",
                   "\"%s\" is the name of a repository in %s:%u already", name->text, first->file,
                   first->line);
    }
    free(sorted);
}

/* Two names for one would be two rules for it, and git goes by the URL. */
static void check_repo_places(const struct manifest *manifest, struct report *report)
{
    for (size_t i = 1; i < manifest->repo_count; i++) {
        const struct manifest_word *name = &manifest->repos[i].name;
        const struct manifest_repo *first = manifest_repo_at(manifest, &manifest->repos[i].from);
        if (first == NULL || first == &manifest->repos[i])
            continue;
        report_file(report, name->file);
        report_add(report, name->line, "git-gate.repos", "\"%s\" is the same repository as \"%s\" in %s:%u",
                   name->text, first->name.text, first->name.file, first->name.line);
    }
}

/* What a bottle is told of them has its bounds. */
static void check_repo_bounds(const struct manifest *manifest, struct report *report)
{
    uint16_t ports[POLICY_MAX_PORTS];
    size_t count = manifest_gate_host_ports(manifest, ports), size = gate_remotes_size(manifest);

    if (count > POLICY_MAX_PORTS)
        report_add(report, 0, "git-gate.repos",
                   "%zu ports of " POLICY_HOST_SERVICE "; at most %d are allowed", count, POLICY_MAX_PORTS);
    if (size > REMOTES_MAX)
        report_add(report, 0, "git-gate.repos",
                   "the URLs have %zu bytes, in all forms that lead to the gate; at most %u are allowed",
                   size, REMOTES_MAX);
}

/* Each has an address of its own. */
static void check_tcp_names(const struct manifest *manifest, struct report *report)
{
    size_t count = 0;

    for (size_t i = 0; i < manifest->route_count; i++)
        count += manifest->routes[i].tcp_count > 0;
    if (count > POLICY_MAX_TCP_NAMES)
        report_add(report, 0, "egress.routes", "%zu routes with tcp; at most %d are allowed", count,
                   POLICY_MAX_TCP_NAMES);
}

int manifest_check(const struct manifest *manifest, struct report *report)
{
    const char *own = report->file;
    size_t before = report->count;

    if (manifest->route_count > MANIFEST_ROUTES_MAX) {
        report_add(report, 0, "egress.routes", "%zu routes with those of all parents; at most %d are allowed",
                   manifest->route_count, MANIFEST_ROUTES_MAX);
        return -1;
    }
    check_repo_names(manifest, report);
    check_repo_places(manifest, report);
    manifest_check_forges(manifest, report);
    check_repo_bounds(manifest, report);
    check_tcp_names(manifest, report);
    placeholder_check(manifest, report);
    for (size_t i = 0; i < manifest->ignore_count; i++) {
        const struct manifest_word *word = &manifest->ignore[i];
        const struct manifest_route *route = lets_through(manifest, word->text);
        if (route == NULL)
            continue;
        report_file(report, word->file);
        report_add(report, word->line, "egress.ignore", "\"%s\" is let through by the route for %s (%s:%u)",
                   word->text, route->host, route->file, route->line);
    }
    report->file = own;
    return report->count == before ? 0 : -1;
}

bool manifest_holds(const struct manifest *manifest)
{
    return manifest->on_denied == DENIED_SUPERVISE ||
           (manifest->on_denied == DENIED_UNSAID && manifest->supervise && !manifest->dns_refuse);
}

static void refuse(const struct manifest_word *key, struct report *report)
{
    report_file(report, key->file);
    report_add(report, key->line, key->text,
               "this version does not enforce it yet, and starts no bottle that needs it");
}

void manifest_unenforced(const struct manifest *manifest, struct report *report)
{
    const char *own = report->file;

    for (size_t i = 0; i < manifest->later_count; i++)
        refuse(&manifest->later[i], report);
    for (size_t i = 0; i < manifest->route_count; i++)
        for (size_t j = 0; j < manifest->routes[i].later_count; j++)
            refuse(&manifest->routes[i].later[j], report);
    report->file = own;
}
