/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layers: see layers.h. An error stands in the file and line that caused it: a parent that is missing in its child's.
 * It must end on whatever the files say: depth and number of files are bounded. */
#include "hostctl/layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hostctl/places.h"
#include "hostctl/templates.h"

struct loader {
    struct report *report;
    char config[PATH_MAX]; /* empty: not asked for yet */
    size_t files;
};

/* A file that is being read, and the one that extends it. */
struct chain {
    const char *path;
    const struct chain *child;
    unsigned depth;
};

static struct manifest *load(struct loader *loader, const char *path, const struct chain *child);

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;

    return strcmp(a, b) == 0 ||
           (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* The file of a bottle that is named at this place. Returns 0, or -1 after a complaint. */
static int find_bottle(struct loader *loader, const struct manifest_word *name, const char *key,
                       char path[PATH_MAX])
{
    struct report *report = loader->report;
    struct err err;

    report_file(report, name->file);
    if ((loader->config[0] == '\0' && places_config(loader->config, &err) != 0) ||
        places_file(loader->config, "bottles", name->text, path, &err) != 0) {
        report_add(report, name->line, key, "%s", err.text);
        return -1;
    }
    if (places_exists(path))
        return 0;
    report_add(report, name->line, key, "there is no bottle \"%s\": %s does not exist", name->text, path);
    return -1;
}

/* Complains when a parent must not be read: it leads back to itself, or there is no end. */
static int check_chain(struct loader *loader, const struct manifest_word *name, const char *path,
                       const struct chain *chain)
{
    struct report *report = loader->report;

    for (const struct chain *at = chain; at != NULL; at = at->child)
        if (same_file(at->path, path)) {
            report_add(report, name->line, "extends", "\"%s\" closes a circle: %s%s", name->text, path,
                       at == chain ? " is this file" : " extends this file in turn");
            return -1;
        }
    if (chain->depth >= LAYERS_DEPTH_MAX) {
        report_add(report, name->line, "extends", "more than %d parents, one above the other",
                   LAYERS_DEPTH_MAX);
        return -1;
    }
    if (loader->files >= LAYERS_MAX) {
        report_add(report, name->line, "extends", "more than %d files make this bottle", LAYERS_MAX);
        return -1;
    }
    return 0;
}

static int out_of_memory(struct report *report)
{
    report_add(report, 0, "", "out of memory");
    return -1;
}

/* Puts the manifest over its parents, the later over the earlier. Returns 0 or -1. */
static int extend(struct loader *loader, struct manifest *manifest, const struct chain *chain)
{
    struct manifest *base = NULL;
    int status = 0;

    for (size_t i = 0; i < manifest->extends_count; i++) {
        const struct manifest_word *name = &manifest->extends[i];
        char path[PATH_MAX];
        struct manifest *parent = NULL;
        if (find_bottle(loader, name, "extends", path) == 0 && check_chain(loader, name, path, chain) == 0)
            parent = load(loader, path, chain);
        if (parent == NULL)
            status = -1;
        else if (base != NULL && manifest_overlay(parent, base) != 0)
            status = out_of_memory(loader->report);
        base = parent != NULL ? parent : base;
    }
    if (base != NULL && manifest_overlay(manifest, base) != 0)
        status = out_of_memory(loader->report);
    return status;
}

static struct manifest *load(struct loader *loader, const char *path, const struct chain *child)
{
    struct chain chain = {path, child, child != NULL ? child->depth + 1 : 0};

    loader->files++;
    if (report_file(loader->report, path) == NULL)
        return NULL;
    struct manifest *manifest = manifest_load(loader->report);
    if (manifest != NULL && extend(loader, manifest, &chain) == 0)
        return manifest;
    manifest_free(manifest);
    return NULL;
}

/* A manifest of our own; an error in it would be seen by every test. */
static struct manifest *built_in(struct report *report, const char *kind, const char *name, const char *text)
{
    struct manifest *manifest = NULL;
    char file[64];

    snprintf(file, sizeof file, "%s %s", kind, name);
    if (report_file(report, file) == NULL)
        return NULL;
    struct node *root = node_parse(str_of(text), 1, report);
    if (root != NULL)
        manifest = manifest_read(root, report);
    node_free(root);
    return manifest;
}

/* The template lies under all that the files say. */
static int add_template(struct manifest *manifest, struct report *report)
{
    static const char *const names[] = {[TEMPLATE_CLAUDE] = "claude", [TEMPLATE_CODEX] = "codex"};
    const char *text = template_text(manifest->template);
    struct manifest *base = NULL;

    if (text == NULL)
        return 0;
    base = built_in(report, "template", names[manifest->template], text);
    return base == NULL ? -1 : manifest_overlay(manifest, base) != 0 ? out_of_memory(report) : 0;
}

/* What a route with a role does not say itself, its role says: auth, matches, variables. */
static int add_role(struct manifest *manifest, struct manifest_route *route, struct report *report)
{
    const char *text = role_text(route->role);
    struct manifest *base = text != NULL ? built_in(report, "role", route->role, text) : NULL;

    if (base == NULL)
        return text == NULL ? 0 : -1;
    struct manifest_route *own = &base->routes[0];
    if (route->auth.scheme == AUTH_NONE) {
        route->auth = own->auth;
        route->auth.token_line = route->role_line;
        own->auth.token_ref = own->auth.header = NULL;
    }
    bool passes = route->auth.scheme == AUTH_PASSTHROUGH;
    if (route->rules.matches.count == 0) {
        route->rules.matches = own->rules.matches;
        route->matches_file = own->file;
        route->rules.by_path = route->rules.by_path || own->rules.by_path;
        route->rules.by_method = route->rules.by_method || own->rules.by_method;
        own->rules.matches = (struct match_list){.count = 0};
    }
    manifest_drop_routes(base);
    if (passes) { /* the agent has a credential of its own: no variable goes over it */
        manifest_free(base);
        return 0;
    }
    return manifest_overlay(manifest, base) != 0 ? out_of_memory(report) : 0;
}

static int add_built_in(struct manifest *manifest, struct report *report)
{
    int status = add_template(manifest, report);

    for (size_t i = 0; status == 0 && i < manifest->route_count; i++)
        if (manifest->routes[i].role != NULL)
            status = add_role(manifest, &manifest->routes[i], report);
    return status;
}

struct manifest *layers_bottle(struct report *report)
{
    struct loader loader = {.report = report};
    const char *own = report->file;
    struct manifest *manifest = load(&loader, own, NULL);

    int status = manifest != NULL ? add_built_in(manifest, report) : -1;
    report->file = own;
    if (manifest == NULL || (status == 0 && manifest_check(manifest, report) == 0))
        return manifest;
    manifest_free(manifest);
    return NULL;
}

int layers_find_agent(const char *name, struct layers_agent *agent, struct err *err)
{
    char config[PATH_MAX], own[PATH_MAX];

    *agent = (struct layers_agent){.repository = false};
    if (!manifest_is_name(str_of(name)))
        return err_set(err, "\"%.64s\" is no name of an agent", name);
    if (places_config(config, err) != 0 || places_file(config, "agents", name, own, err) != 0 ||
        places_file(PLACES_REPOSITORY, "agents", name, agent->path, err) != 0)
        return -1;
    if (places_exists(own)) {
        memcpy(agent->path, own, sizeof own);
        return 0;
    }
    agent->repository = true;
    if (places_exists(agent->path))
        return 0;
    return err_set(err, "there is no agent \"%s\": neither %s nor %s exists", name, own, agent->path);
}

/* Skills are added to the bottle's, the user goes over it field by field. */
static int put_over(struct manifest *bottle, struct manifest *agent)
{
    for (size_t i = 0; i < agent->skill_count; i++) {
        bool there = false;
        for (size_t j = 0; j < bottle->skill_count; j++)
            there = there || strcmp(bottle->skills[j].text, agent->skills[i].text) == 0;
        struct manifest_word *more =
            there ? bottle->skills : realloc(bottle->skills, (bottle->skill_count + 1) * sizeof *more);
        if (more == NULL && !there)
            return -1;
        bottle->skills = more;
        if (there)
            continue;
        more[bottle->skill_count++] = agent->skills[i];
        agent->skills[i].text = NULL;
    }
    if (agent->user_name != NULL) {
        free(bottle->user_name);
        bottle->user_name = agent->user_name;
        agent->user_name = NULL;
    }
    if (agent->user_email != NULL) {
        free(bottle->user_email);
        bottle->user_email = agent->user_email;
        agent->user_email = NULL;
    }
    char **files = realloc(bottle->files, (bottle->file_count + agent->file_count) * sizeof *files);
    if (files == NULL)
        return -1;
    bottle->files = files;
    memcpy(files + bottle->file_count, agent->files, agent->file_count * sizeof *files);
    bottle->file_count += agent->file_count;
    agent->file_count = 0;
    return 0;
}

static struct manifest *read_agent(struct layers_agent *agent, struct report *report)
{
    struct frontmatter *matter = &agent->matter;
    struct manifest *manifest = NULL;

    if (frontmatter_read(matter, report) != 0)
        return NULL;
    sha256_hex((struct str){matter->bytes, matter->len}, agent->digest);
    agent->prompt = matter->body;
    struct node *root = node_parse(matter->yaml, matter->first_line, report);
    if (root != NULL)
        manifest = manifest_read_agent(root, report);
    node_free(root);
    return manifest;
}

int layers_agent(struct layers_agent *agent, struct report *report)
{
    struct loader loader = {.report = report};
    const char *own = report->file;
    struct manifest *said = read_agent(agent, report), *bottle = NULL;
    char path[PATH_MAX];
    int status = -1;

    if (said != NULL && find_bottle(&loader, &said->bottle, "bottle", path) == 0) {
        snprintf(agent->bottle, sizeof agent->bottle, "%s", said->bottle.text);
        report_file(report, path);
        bottle = layers_bottle(report);
        status = bottle != NULL ? 0 : -1;
    }
    if (status == 0 && put_over(bottle, said) != 0)
        status = out_of_memory(report);
    agent->manifest = bottle;
    manifest_free(said);
    report->file = own;
    return status;
}

void layers_agent_fini(struct layers_agent *agent)
{
    frontmatter_fini(&agent->matter);
    manifest_free(agent->manifest);
    agent->manifest = NULL;
}
