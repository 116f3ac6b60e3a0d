/* SPDX-License-Identifier: GPL-3.0-or-later */
/* match_json: see match_json.h. */
#include "core/match_json.h"

#include <string.h>

#include "core/json_in.h"

/* One entry while it is read. */
struct reading {
    struct match_entry *entry;
    bool deny;
};

/* One path or header while it is read. */
struct part {
    enum match_type type;
    json_t *name, *value;
};

static int read_type(json_t *value, void *into, struct err *err)
{
    int type = json_is_string(value) ? match_type_find(json_in_text(value)) : -1;

    if (type < 0)
        return err_set(err, "expected \"prefix\", \"exact\" or \"regex\"");
    ((struct part *)into)->type = (enum match_type)type;
    return 0;
}

static int read_name(json_t *value, void *into, struct err *err)
{
    if (!json_is_string(value))
        return err_set(err, "expected a string, found %s", json_in_type(value));
    ((struct part *)into)->name = value;
    return 0;
}

static int read_value(json_t *value, void *into, struct err *err)
{
    if (!json_is_string(value))
        return err_set(err, "expected a string, found %s", json_in_type(value));
    ((struct part *)into)->value = value;
    return 0;
}

static int read_path(struct reading *reading, json_t *item, struct err *err)
{
    static const struct json_in_member members[] = {
        {"type", read_type, false}, {"value", read_value, false}, {NULL, NULL, false}};
    struct part part = {.type = MATCH_PREFIX};

    if (json_in_object(item, members, false, &part, err) != 0)
        return -1;
    if (part.value == NULL)
        return err_set(err, "\"value\" is missing");
    if (match_add_path(reading->entry, reading->deny, part.type, json_in_text(part.value), err) != 0)
        return err_prefix(err, "value");
    return 0;
}

static int read_method(struct reading *reading, json_t *item, struct err *err)
{
    if (!json_is_string(item))
        return err_set(err, "expected a string, found %s", json_in_type(item));
    return match_add_method(reading->entry, json_in_text(item), err);
}

static int read_header(struct reading *reading, json_t *item, struct err *err)
{
    static const struct json_in_member members[] = {{"name", read_name, false},
                                                    {"value", read_value, false},
                                                    {"type", read_type, false},
                                                    {NULL, NULL, false}};
    struct part part = {.type = MATCH_EXACT};

    if (json_in_object(item, members, false, &part, err) != 0)
        return -1;
    if (part.name == NULL || part.value == NULL)
        return err_set(err, "\"%s\" is missing", part.name == NULL ? "name" : "value");
    return match_add_header(reading->entry, reading->deny, json_in_text(part.name), part.type,
                            json_in_text(part.value), err);
}

static int read_list(struct reading *reading, json_t *list, size_t max,
                     int (*read)(struct reading *reading, json_t *item, struct err *err), struct err *err)
{
    size_t at;
    json_t *item;

    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > max)
        return err_set(err, "expected an array of 1 to %zu", max);
    json_array_foreach(list, at, item) {
        if (read(reading, item, err) != 0)
            return err_prefix(err, "[%zu]", at);
    }
    return 0;
}

static int read_paths(json_t *value, void *into, struct err *err)
{
    return read_list(into, value, MATCH_PATHS_MAX, read_path, err);
}

static int read_methods(json_t *value, void *into, struct err *err)
{
    return read_list(into, value, MATCH_METHODS_MAX, read_method, err);
}

static int read_headers(json_t *value, void *into, struct err *err)
{
    return read_list(into, value, MATCH_HEADERS_MAX, read_header, err);
}

static int read_entry_name(json_t *value, void *into, struct err *err)
{
    struct str text = json_in_text(value);

    if (!json_is_string(value) || text.len == 0 || text.len >= MATCH_NAME_MAX)
        return err_set(err, "expected a name of 1 to %d bytes", MATCH_NAME_MAX - 1);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return err_set(err, "expected printable ASCII");
    memcpy(((struct reading *)into)->entry->name, text.ptr, text.len + 1);
    return 0;
}

static int read_entry(struct reading *reading, json_t *item, struct err *err)
{
    static const struct json_in_member members[] = {{"name", read_entry_name, false},
                                                    {"paths", read_paths, false},
                                                    {"methods", read_methods, false},
                                                    {"headers", read_headers, false},
                                                    {NULL, NULL, false}};
    struct match_entry *entry = reading->entry;

    if (match_entry_new(entry, json_array_size(json_object_get(item, "paths")),
                        json_array_size(json_object_get(item, "methods")),
                        json_array_size(json_object_get(item, "headers"))) != 0)
        return err_set(err, "out of memory");
    if (json_in_object(item, members, false, reading, err) != 0)
        return -1;
    if (entry->path_count + entry->method_count + entry->header_count == 0)
        return err_set(err, "none of \"paths\", \"methods\" and \"headers\" is there");
    return 0;
}

int match_json_read(const json_t *value, bool deny, struct match_list *list, struct err *err)
{
    size_t count = json_array_size(value);

    if (!json_is_array(value) || count == 0 || count > MATCH_ENTRIES_MAX)
        return err_set(err, "expected an array of 1 to %d entries", MATCH_ENTRIES_MAX);
    if (match_list_new(list, count, deny) != 0)
        return err_set(err, "out of memory");
    for (size_t i = 0; i < count; i++) {
        struct reading reading = {.entry = &list->entries[i], .deny = deny};
        if (read_entry(&reading, json_array_get(value, i), err) != 0)
            return err_prefix(err, "[%zu]", i);
    }
    return 0;
}

static json_t *text(struct str s)
{
    return json_stringn(s.ptr, s.len);
}

static json_t *write_entry(const struct match_entry *entry)
{
    json_t *object = json_object(), *paths = json_array(), *methods = json_array(), *headers = json_array();

    if (entry->name[0] != '\0')
        json_object_set_new(object, "name", json_string(entry->name));
    for (size_t i = 0; i < entry->path_count; i++) {
        const struct match_value *path = &entry->paths[i];
        json_array_append_new(
            paths, json_pack("{s:s, s:o}", "type", match_type_name(path->type), "value", text(path->text)));
    }
    for (size_t i = 0; i < entry->method_count; i++)
        json_array_append_new(methods, text(entry->methods[i]));
    for (size_t i = 0; i < entry->header_count; i++) {
        const struct match_header *header = &entry->headers[i];
        json_array_append_new(headers, json_pack("{s:o, s:s, s:o}", "name", text(header->name), "type",
                                                 match_type_name(header->value.type), "value",
                                                 text(header->value.text)));
    }
    if (json_array_size(paths) > 0)
        json_object_set(object, "paths", paths);
    if (json_array_size(methods) > 0)
        json_object_set(object, "methods", methods);
    if (json_array_size(headers) > 0)
        json_object_set(object, "headers", headers);
    json_decref(paths);
    json_decref(methods);
    json_decref(headers);
    return object;
}

json_t *match_json_write(const struct match_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, write_entry(&list->entries[i]));
    return array;
}
