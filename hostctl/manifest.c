/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manifest: a tree of nodes to a manifest; see manifest.h. Third stage: frontmatter -> node -> manifest ->
 * compile. One walk over the tree, driven by manifest_keys, that goes on after an error. It must never guess:
 * a value that YAML readers understand differently, a key that is not known, a name that is not canonical is
 * an error with its line.
 */
#include "hostctl/manifest.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/frontmatter.h"
#include "hostctl/manifest_reader.h"

static void walk(struct manifest_reader *reader, const struct node *node, const struct manifest_key *key);

/* The last part of a key's path that lies directly under this one: of "egress.dns" under "egress", "dns".
 * Else NULL. */
static const char *child_name(const char *path, const char *parent)
{
    size_t len = strlen(parent);

    if (len > 0 && (strncmp(path, parent, len) != 0 || path[len] != '.'))
        return NULL;
    const char *name = path + len + (len > 0);
    return strpbrk(name, ".[") == NULL ? name : NULL;
}

static const struct manifest_key *find_child(const struct manifest_reader *reader,
                                             const struct manifest_key *parent, const struct node *child)
{
    for (const struct manifest_key *key = reader->keys; key->path != NULL; key++) {
        const char *name = child_name(key->path, parent->path);
        if (name != NULL && (strcmp(name, "*") == 0 || str_equal(str_of(name), key_of(child))))
            return key;
    }
    return NULL;
}

static const struct manifest_key *find_entry(const struct manifest_reader *reader,
                                             const struct manifest_key *list)
{
    const struct manifest_key *key = reader->keys;
    size_t len = strlen(list->path);

    while (strncmp(key->path, list->path, len) != 0 || strcmp(key->path + len, "[]") != 0)
        key++;
    return key;
}

/* What a plain scalar is to YAML 1.1 or 1.2 when it is not a string to both; NULL for a string. */
static const char *scalar_type(const struct node *node)
{
    static struct {
        const char *form, *type;
        regex_t compiled;
    } types[] = {
        {.form = "^(|~|null|Null|NULL)$", .type = "empty"},
        {.form = "^(true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|[yYnN])$",
         .type = "a truth value"},
        {.form = "^[-+]?(0x[0-9a-fA-F_]+|0o[0-7]+|0b[01_]+)$", .type = "a number"},
        {.form = "^[-+]?([0-9][0-9_]*(\\.[0-9_]*)?|\\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?$", .type = "a number"},
        {.form = "^[-+]?[0-9]+(:[0-5]?[0-9])+(\\.[0-9_]*)?$", .type = "a number"},
        {.form = "^([-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN))$", .type = "a number"},
        {.form = "^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?$", .type = "a date"},
    };
    static bool ready;
    enum { longest = 64 };

    for (size_t i = 0; !ready && i < sizeof types / sizeof types[0]; i++)
        if (regcomp(&types[i].compiled, types[i].form, REG_EXTENDED | REG_NOSUB) != 0)
            return "not to be told: out of memory";
    ready = true;
    for (size_t i = 0; node->plain && node->len <= longest && i < sizeof types / sizeof types[0]; i++)
        if (regexec(&types[i].compiled, node->text, 0, NULL, 0) == 0)
            return types[i].type;
    return NULL;
}

static const char *found(const struct node *node)
{
    static const char *const kinds[] = {
        [NODE_SCALAR] = "a string", [NODE_LIST] = "a list", [NODE_MAP] = "a map", [NODE_ALIAS] = "an alias"};
    const char *type = node->kind == NODE_SCALAR ? scalar_type(node) : NULL;

    return type != NULL ? type : kinds[node->kind];
}

/* Whether a scalar of a kind that the type takes is one of its values; *hint says what stands before the text in a
 * complaint, "" for no text. */
static bool right_scalar(const struct node *node, enum manifest_type type, const char **hint)
{
    bool right;

    *hint = node->len > 0 ? " " : "";
    switch (type) {
    case MANIFEST_BOOL:
        return node->plain && (strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0);
    case MANIFEST_FALSE_OR_LIST:
        return node->plain && strcmp(node->text, "false") == 0;
    case MANIFEST_NUMBER:
        return node->plain && node->len > 0 && node->len < 10 &&
               strspn(node->text, "0123456789") == node->len && (node->text[0] != '0' || node->len == 1);
    default:
        right = scalar_type(node) == NULL;
        *hint = right ? "" : node->len > 0 ? "; as text it would be " : "; an empty text would be ";
        return right;
    }
}

/* Whether the node may be looked at as this type; complains if not. */
static bool right_type(struct manifest_reader *reader, const struct node *node,
                       const struct manifest_key *key)
{
    enum { scalar = 1 << NODE_SCALAR, list = 1 << NODE_LIST, map = 1 << NODE_MAP };
    static const unsigned kinds[] = {[MANIFEST_MAP] = map,
                                     [MANIFEST_LIST] = list,
                                     [MANIFEST_STRING] = scalar,
                                     [MANIFEST_BOOL] = scalar,
                                     [MANIFEST_NUMBER] = scalar,
                                     [MANIFEST_CHOICE] = scalar | map,
                                     [MANIFEST_STRING_OR_LIST] = scalar | list,
                                     [MANIFEST_FALSE_OR_LIST] = scalar | list,
                                     [MANIFEST_LIST_OR_MAP] = list | map};
    char quoted[REPORT_QUOTED] = "";
    bool right = (kinds[key->type] & 1u << node->kind) != 0;
    const char *hint = "";

    if (node->anchor || node->tag || node->kind == NODE_ALIAS) {
        COMPLAIN(reader, node, "anchors, aliases and tags are not allowed in a manifest");
        return false;
    }
    if (right && node->kind == NODE_SCALAR)
        right = right_scalar(node, key->type, &hint);
    if (!right)
        COMPLAIN(reader, node, "must be %s, is %s%s%s", key->is, found(node), hint,
                 hint[0] != '\0' ? report_quote(text_of(node), quoted) : "");
    return right;
}

/* What this key is called now, if it is an old spelling. */
static const char *renamed(const struct node *node, const struct manifest_key *parent)
{
    for (const struct manifest_old_key *old = manifest_old_keys; old->name != NULL; old++)
        if (str_equal(str_of(old->name), key_of(node)) &&
            (old->under == NULL || strcmp(old->under, parent->path) == 0))
            return old->now;
    return NULL;
}

static bool has_child(const struct manifest_key *keys, const struct manifest_key *parent,
                      const struct node *node)
{
    for (const struct manifest_key *key = keys; key->path != NULL; key++) {
        const char *name = child_name(key->path, parent->path);
        if (name != NULL && str_equal(str_of(name), key_of(node)))
            return true;
    }
    return false;
}

/* Why a key is unknown, where there is more to say. */
static const char *why_unknown(const struct manifest_reader *reader, const struct node *node,
                               const struct manifest_key *parent)
{
    if (reader->keys == manifest_agent_keys && has_child(manifest_keys, parent, node))
        return ": it is bottle-only, an agent may not set it";
    if (reader->keys == manifest_keys && has_child(manifest_agent_keys, parent, node))
        return ": it is a key of agents";
    for (const char *const *other = manifest_keys_elsewhere; *other != NULL; other++) {
        const char *name = child_name(*other, parent->path);
        if (name != NULL && str_equal(str_of(name), key_of(node)))
            return ": this version does not enforce it yet";
    }
    return "";
}

static void unknown_key(struct manifest_reader *reader, const struct node *node,
                        const struct manifest_key *parent)
{
    char quoted[REPORT_QUOTED], allowed[512] = "";
    const char *now = renamed(node, parent), *why = why_unknown(reader, node, parent);

    report_quote(key_of(node), quoted);
    if (now != NULL) {
        report_add(reader->report, node->key_line, reader->path, "%s is an old spelling: write %s", quoted,
                   now);
        return;
    }
    for (const struct manifest_key *key = reader->keys; key->path != NULL; key++) {
        const char *name = child_name(key->path, parent->path), *comma = allowed[0] != '\0' ? ", " : "";
        size_t len = strlen(allowed);
        if (name != NULL)
            snprintf(allowed + len, sizeof allowed - len, "%s%s", comma, name);
    }
    if (reader->keys == manifest_agent_keys && why[0] != '\0') /* by its whole name: "git-gate.repos" */
        report_add(reader->report, node->key_line, "", "unknown key \"%s%s%s\"%s; allowed: %s", reader->path,
                   reader->path[0] != '\0' ? "." : "", node->key, why, allowed);
    else
        report_add(reader->report, node->key_line, reader->path, "unknown key %s%s; allowed: %s", quoted, why,
                   allowed);
}

static int compare_keys(const void *a, const void *b)
{
    const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
    int order = strcmp(x->key, y->key);

    return order != 0 ? order : (x->key_line > y->key_line) - (x->key_line < y->key_line);
}

/* Complains about keys that are there twice and marks all but the first. */
static int mark_duplicates(struct manifest_reader *reader, const struct node *map)
{
    struct node **all = calloc(map->count + 1, sizeof *all);
    size_t count = 0;

    if (all == NULL)
        return OUT_OF_MEMORY(reader);
    for (struct node *child = map->first; child != NULL; child = child->next)
        if (!child->odd_key)
            all[count++] = child;
    qsort(all, count, sizeof(*all), compare_keys);
    for (size_t i = 1, first = 0; i < count; i++) {
        char quoted[REPORT_QUOTED];
        all[i]->again = strcmp(all[first]->key, all[i]->key) == 0;
        if (all[i]->again)
            report_add(reader->report, all[i]->key_line, reader->path,
                       "the key %s was given on line %u already", report_quote(key_of(all[i]), quoted),
                       all[first]->key_line);
        else
            first = i;
    }
    free(all);
    return 0;
}

static void walk_child(struct manifest_reader *reader, const struct node *child,
                       const struct manifest_key *parent)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    const struct manifest_key *key = find_child(reader, parent, child);
    size_t len = strlen(reader->path);
    char quoted[REPORT_QUOTED];

    if (child->again)
        return;
    if (child->odd_key || key == NULL) {
        if (child->odd_key)
            report_add(reader->report, child->key_line, reader->path, "a key must be one word");
        else
            unknown_key(reader, child, parent);
        return;
    }
    bool quote = child->key_len == 0 || child->key_len > 64 || strspn(child->key, plain) != child->key_len;
    snprintf(reader->path + len, PATH_SIZE - len, "%s%s", len > 0 ? "." : "",
             quote ? report_quote(key_of(child), quoted) : child->key);
    walk(reader, child, key);
    reader->path[len] = '\0';
}

static void walk_map(struct manifest_reader *reader, const struct node *map, const struct manifest_key *of)
{
    if (mark_duplicates(reader, map) != 0)
        return;
    for (const struct node *child = map->first; child != NULL; child = child->next)
        walk_child(reader, child, of);
    for (const struct manifest_key *key = reader->keys; key->path != NULL; key++) {
        const char *name = key->required ? child_name(key->path, of->path) : NULL;
        const struct node *child = name != NULL ? map->first : NULL;
        while (child != NULL && strcmp(child->key, name) != 0)
            child = child->next;
        if (name != NULL && child == NULL)
            COMPLAIN(reader, map, "the key \"%s\" is missing", name);
    }
}

/* Keeps the path of a key that is there, for overlays. */
static int keep_said(struct manifest_reader *reader)
{
    struct manifest *manifest = reader->manifest;

    if (reader->path[0] == '\0' || strchr(reader->path, '[') != NULL)
        return 0;
    char **said = realloc(manifest->said, (manifest->said_count + 1) * sizeof *said);
    if (said == NULL)
        return OUT_OF_MEMORY(reader);
    manifest->said = said;
    said[manifest->said_count] = strdup(reader->path);
    return said[manifest->said_count++] != NULL ? 0 : OUT_OF_MEMORY(reader);
}

/* Keeps a key that this version does not enforce, unless its value asks for what it does anyway. */
static int keep_later(struct manifest_reader *reader, const struct node *node, const struct manifest_key *key)
{
    struct manifest *manifest = reader->manifest;
    struct manifest_route *route = strncmp(key->path, "egress.routes[]", 15) == 0 ? reader->route : NULL;

    for (const struct manifest_later_key *later = manifest_later_keys; later->path != NULL; later++) {
        if (strcmp(later->path, key->path) != 0)
            continue;
        if (later->same != NULL && node->kind == NODE_SCALAR && strcmp(node->text, later->same) == 0)
            return 0;
        return manifest_word_add(reader, route != NULL ? &route->later : &manifest->later,
                                 route != NULL ? &route->later_count : &manifest->later_count, reader->path,
                                 node->line);
    }
    return 0;
}

static void walk(struct manifest_reader *reader, const struct node *node, const struct manifest_key *key)
{
    size_t len = strlen(reader->path), index = 0;

    if (!right_type(reader, node, key) || (key->take != NULL && key->take(reader, node) != 0) ||
        keep_said(reader) != 0 || keep_later(reader, node, key) != 0)
        return;
    if (node->kind == NODE_MAP)
        walk_map(reader, node, key);
    if (node->kind != NODE_LIST)
        return;
    for (const struct node *child = node->first; child != NULL; child = child->next, index++) {
        snprintf(reader->path + len, PATH_SIZE - len, "[%zu]", index);
        walk(reader, child, find_entry(reader, key));
    }
    reader->path[len] = '\0';
}

struct host_at {
    const char *host;
    const struct node *node;
    size_t index;
};

static int compare_hosts(const void *a, const void *b)
{
    const struct host_at *x = a, *y = b;
    int order = strcmp(x->host, y->host);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static void check_hosts(struct manifest_reader *reader)
{
    const struct manifest *manifest = reader->manifest;
    struct host_at *all = calloc(manifest->route_count + 1, sizeof *all);
    size_t count = 0;

    if (all == NULL) {
        report_add(reader->report, 0, "", "out of memory");
        return;
    }
    for (size_t i = 0; i < manifest->route_count; i++)
        if (reader->route_hosts[i] != NULL)
            all[count++] = (struct host_at){manifest->routes[i].host, reader->route_hosts[i], i};
    qsort(all, count, sizeof *all, compare_hosts);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (strcmp(all[first].host, all[i].host) != 0) {
            first = i;
            continue;
        }
        snprintf(reader->path, sizeof reader->path, "egress.routes[%zu].host", all[i].index);
        COMPLAIN(reader, all[i].node, "\"%s\" has a route on line %u already", all[i].host,
                 all[first].node->line);
    }
    free(all);
}

static int keep_file(struct manifest_reader *reader)
{
    struct manifest *manifest = reader->manifest;

    manifest->files = calloc(1, sizeof *manifest->files);
    if (manifest->files == NULL || (manifest->files[0] = strdup(reader->report->file)) == NULL)
        return OUT_OF_MEMORY(reader);
    manifest->file_count = 1;
    return 0;
}

static struct manifest *read_as(const struct node *root, const struct manifest_key *keys,
                                const struct manifest_key *top, struct report *report)
{
    struct manifest_reader reader = {.report = report, .keys = keys};
    size_t before = report->count;

    reader.manifest = calloc(1, sizeof *reader.manifest);
    if (reader.manifest == NULL) {
        report_add(report, 0, "", "out of memory");
        return NULL;
    }
    if (keep_file(&reader) == 0) {
        walk(&reader, root, top);
        check_hosts(&reader);
        manifest_check_routes(&reader);
    }
    free(reader.route_hosts);
    if (report->count == before)
        return reader.manifest;
    manifest_free(reader.manifest);
    return NULL;
}

struct manifest *manifest_read(const struct node *root, struct report *report)
{
    static const struct manifest_key top = {"", MANIFEST_MAP, false, "a map with keys such as egress and env",
                                            NULL};

    return read_as(root, manifest_keys, &top, report);
}

struct manifest *manifest_read_agent(const struct node *root, struct report *report)
{
    static const struct manifest_key top = {"", MANIFEST_MAP, false, "a map with the key bottle", NULL};

    return read_as(root, manifest_agent_keys, &top, report);
}

struct manifest *manifest_load(struct report *report)
{
    struct manifest *manifest = NULL;
    struct frontmatter matter;

    if (frontmatter_read(&matter, report) != 0)
        return NULL;
    struct node *root = node_parse(matter.yaml, matter.first_line, report);
    if (root != NULL)
        manifest = manifest_read(root, report);
    node_free(root);
    frontmatter_fini(&matter);
    return manifest;
}

static void words_free(struct manifest_word *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(words[i].text);
    free(words);
}

void manifest_route_free(struct manifest_route *route)
{
    words_free(route->later, route->later_count);
    match_fini(&route->rules);
    free(route->allow_private);
    free(route->auth.token_ref);
    free(route->auth.header);
    free(route->auth.placeholder);
    for (size_t i = 0; i < route->auth.in_count; i++)
        free(route->auth.in[i]);
}

void manifest_env_free(struct manifest_env *form)
{
    free(form->name.text);
    free(form->ref);
}

static void patterns_free(struct gate_patterns *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        free(patterns->list[i]);
    free(patterns->list);
}

void manifest_repo_free(struct manifest_repo *repo)
{
    free(repo->name.text);
    free(repo->url);
    free(repo->host_key.text);
    free(repo->key.path.text);
    free(repo->key.forge_token_env.text);
    free(repo->key.api_url);
    patterns_free(&repo->push.allow);
    patterns_free(&repo->push.deny);
    patterns_free(&repo->push.protect_paths);
}

static void texts_free(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

void manifest_free(struct manifest *manifest)
{
    if (manifest == NULL)
        return;
    for (size_t i = 0; i < manifest->route_count; i++)
        manifest_route_free(&manifest->routes[i]);
    for (size_t i = 0; i < manifest->repo_count; i++)
        manifest_repo_free(&manifest->repos[i]);
    for (size_t i = 0; i < manifest->extra_ca_count; i++)
        free(manifest->extra_ca[i].text);
    for (size_t i = 0; i < manifest->dropped_count; i++)
        free(manifest->dropped[i].what.text);
    words_free(manifest->extends, manifest->extends_count);
    words_free(manifest->ignore, manifest->ignore_count);
    words_free(manifest->skills, manifest->skill_count);
    words_free(manifest->later, manifest->later_count);
    texts_free(manifest->files, manifest->file_count);
    texts_free(manifest->said, manifest->said_count);
    for (size_t i = 0; i < manifest->form_count; i++)
        manifest_env_free(&manifest->forms[i]);
    for (size_t i = 0; i < manifest->env_count; i++) /* some of it may be a secret that the agent has */
        secret_wipe(manifest->env[i], strlen(manifest->env[i]));
    texts_free(manifest->env, manifest->env_count);
    free(manifest->user_name);
    free(manifest->user_email);
    free(manifest->scanner);
    free(manifest->image.text);
    free(manifest->runtime.text);
    free(manifest->bottle.text);
    free(manifest->routes);
    free(manifest->repos);
    free(manifest->forms);
    free(manifest->dropped);
    free(manifest);
}
