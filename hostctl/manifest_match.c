/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_match: what manifest_keys.c says about matches and deny: the lists of a route, filled with the same
 * functions as the sidecar's, so that what one refuses the other never sees. */
#include <stdio.h>
#include <string.h>

#include "hostctl/manifest_reader.h"
#include "hostctl/presets.h"

static size_t count_of(const struct node *map, const char *key)
{
    const struct node *child = manifest_child(map, key);

    return child != NULL && child->kind == NODE_LIST ? child->count : 0;
}

static int check_count(struct manifest_reader *reader, size_t count, size_t max, const struct node *node)
{
    if (count >= 1 && count <= max)
        return 0;
    COMPLAIN(reader, node, "%zu entries; 1 to %zu are allowed", count, max);
    return -1;
}

static int begin_list(struct manifest_reader *reader, struct match_list *list, size_t count, bool deny)
{
    reader->list = list;
    reader->filled = 0;
    return match_list_new(list, count, deny) == 0 ? 0 : OUT_OF_MEMORY(reader);
}

int manifest_take_matches(struct manifest_reader *reader, const struct node *node)
{
    if (check_count(reader, node->count, MATCH_ENTRIES_MAX, node) != 0)
        return -1;
    return begin_list(reader, &reader->route->rules.matches, node->count, false);
}

static const struct preset *find_preset(struct str name)
{
    for (const struct preset *preset = presets; preset->name != NULL; preset++)
        if (str_equal(name, str_of(preset->name)))
            return preset;
    return NULL;
}

int manifest_take_deny(struct manifest_reader *reader, const struct node *node)
{
    size_t count = 0;

    reader->presets = 0;
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        const struct preset *preset = child->kind == NODE_SCALAR ? find_preset(text_of(child)) : NULL;
        count += preset != NULL ? preset->count : 1;
    }
    if (check_count(reader, count, MATCH_ENTRIES_MAX, node) != 0)
        return -1;
    return begin_list(reader, &reader->route->rules.deny, count, true);
}

static int add_preset(struct match_entry *entry, const struct preset_entry *from)
{
    size_t paths = 0, methods = 0;
    struct err err;

    while (paths < PRESET_PATHS && from->paths[paths] != NULL)
        paths++;
    while (preset_writes[methods] != NULL)
        methods++;
    int status = match_entry_new(entry, paths, methods, 0);
    for (size_t i = 0; status == 0 && i < paths; i++)
        status = match_add_path(entry, true, MATCH_REGEX, str_of(from->paths[i]), &err);
    for (size_t i = 0; status == 0 && !from->reading && i < methods; i++)
        status = match_add_method(entry, str_of(preset_writes[i]), &err);
    return status;
}

/* The place in the manifest, which is another one than in the expanded list. */
static size_t place(const struct manifest_reader *reader)
{
    const char *bracket = strrchr(reader->path, '[');
    size_t at = 0;

    sscanf(bracket != NULL ? bracket : "", "[%zu]", &at);
    return at;
}

static int take_preset(struct manifest_reader *reader, const struct node *node)
{
    const struct preset *preset = find_preset(text_of(node));
    char quoted[REPORT_QUOTED];

    if (preset == NULL) {
        COMPLAIN(reader, node, "must be a map, or one of github, gitlab and gitea, is %s",
                 report_quote(text_of(node), quoted));
        return 0;
    }
    if (reader->presets & 1u << (preset - presets)) {
        COMPLAIN(reader, node, "%s is there already", preset->name);
        return 0;
    }
    reader->presets |= 1u << (preset - presets);
    for (size_t i = 0; i < preset->count; i++) {
        struct match_entry *entry = &reader->list->entries[reader->filled++];
        entry->line = node->line;
        snprintf(entry->name, sizeof entry->name, "deny[%zu] %s/%s", place(reader), preset->name,
                 preset->entries[i].name);
        if (add_preset(entry, &preset->entries[i]) != 0)
            return OUT_OF_MEMORY(reader);
    }
    return 0;
}

int manifest_take_match(struct manifest_reader *reader, const struct node *node)
{
    if (node->kind == NODE_SCALAR)
        return take_preset(reader, node);
    size_t at = place(reader);
    struct match_entry *entry = &reader->list->entries[reader->filled];

    if (manifest_child(node, "paths") == NULL && manifest_child(node, "methods") == NULL &&
        manifest_child(node, "headers") == NULL)
        COMPLAIN(reader, node, "one of the keys \"paths\", \"methods\" and \"headers\" has to be there");
    if (at != reader->filled++)
        snprintf(entry->name, sizeof entry->name, "deny[%zu]", at);
    reader->entry = entry;
    entry->line = node->line;
    return match_entry_new(entry, count_of(node, "paths"), count_of(node, "methods"),
                           count_of(node, "headers")) == 0
               ? 0
               : OUT_OF_MEMORY(reader);
}

int manifest_take_paths(struct manifest_reader *reader, const struct node *node)
{
    return check_count(reader, node->count, MATCH_PATHS_MAX, node);
}

int manifest_take_methods(struct manifest_reader *reader, const struct node *node)
{
    return check_count(reader, node->count, MATCH_METHODS_MAX, node);
}

int manifest_take_headers(struct manifest_reader *reader, const struct node *node)
{
    return check_count(reader, node->count, MATCH_HEADERS_MAX, node);
}

/* The type that is given beside a value, which may stand before it. -1: not a type, which is said there. */
static int type_beside(const struct node *map, enum match_type absent)
{
    const struct node *type = manifest_child(map, "type");

    if (type == NULL)
        return absent;
    return type->kind == NODE_SCALAR ? match_type_find(text_of(type)) : -1;
}

int manifest_take_path(struct manifest_reader *reader, const struct node *node)
{
    reader->match_type = type_beside(node, MATCH_PREFIX);
    return 0;
}

int manifest_take_path_type(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];

    if (match_type_find(text_of(node)) < 0)
        COMPLAIN(reader, node, "must be prefix, exact or regex, is %s", report_quote(text_of(node), quoted));
    return 0;
}

int manifest_take_path_value(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];
    struct err err;

    if (reader->match_type >= 0 &&
        match_add_path(reader->entry, reader->list->deny, (enum match_type)reader->match_type, text_of(node),
                       &err) != 0)
        COMPLAIN(reader, node, "%s %s", report_quote(text_of(node), quoted), err.text);
    return 0;
}

int manifest_take_method(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];
    struct err err;

    if (match_add_method(reader->entry, text_of(node), &err) != 0)
        COMPLAIN(reader, node, "%s %s", report_quote(text_of(node), quoted), err.text);
    return 0;
}

int manifest_take_header_entry(struct manifest_reader *reader, const struct node *node)
{
    const struct node *name = manifest_child(node, "name");

    reader->match_type = type_beside(node, MATCH_EXACT);
    if (reader->match_type == MATCH_PREFIX)
        reader->match_type = -1;
    reader->header = name != NULL && name->kind == NODE_SCALAR && match_header_problem(text_of(name)) == NULL
                         ? name
                         : NULL;
    return 0;
}

int manifest_take_header_name(struct manifest_reader *reader, const struct node *node)
{
    const char *problem = match_header_problem(text_of(node));
    char quoted[REPORT_QUOTED];

    if (problem != NULL)
        COMPLAIN(reader, node, "%s %s", report_quote(text_of(node), quoted), problem);
    return 0;
}

int manifest_take_header_type(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];

    if (match_type_find(text_of(node)) < MATCH_EXACT)
        COMPLAIN(reader, node, "must be exact or regex, is %s", report_quote(text_of(node), quoted));
    return 0;
}

int manifest_take_header_value(struct manifest_reader *reader, const struct node *node)
{
    struct err err;

    /* the value is not repeated: it may be one that nobody should read */
    if (reader->match_type >= 0 && reader->header != NULL &&
        match_add_header(reader->entry, reader->list->deny, text_of(reader->header),
                         (enum match_type)reader->match_type, text_of(node), &err) != 0)
        COMPLAIN(reader, node, "the value %s", err.text);
    return 0;
}
