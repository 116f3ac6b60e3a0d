/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json_in: see json_in.h. */
#include "core/json_in.h"

#include <string.h>

const char *json_in_type(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null"};
    return value != NULL ? names[json_typeof(value)] : "nothing";
}

struct str json_in_text(const json_t *value)
{
    return (struct str){json_string_value(value), json_string_length(value)};
}

int json_in_object(json_t *object, const struct json_in_member *members, bool internal, void *into,
                   struct err *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return err_set(err, "expected an object, found %s", json_in_type(object));
    json_object_foreach(object, key, value) {
        const struct json_in_member *member = members;
        while (member->name != NULL && strcmp(member->name, key) != 0)
            member++;
        if (member->name == NULL || (member->internal && !internal))
            return err_set(err, "unknown member \"%.64s\"", key);
        if (member->read != NULL && member->read(value, into, err) != 0)
            return err_prefix(err, "%s", key);
    }
    return 0;
}

int json_in_bool(const json_t *value, bool *into, struct err *err)
{
    if (!json_is_boolean(value))
        return err_set(err, "expected true or false, found %s", json_in_type(value));
    *into = json_is_true(value);
    return 0;
}
