/* SPDX-License-Identifier: GPL-3.0-or-later */
/* policy_auth: a route's auth, as policies write it, and the words that it is made of; see policy.h. */
#include "core/policy_auth.h"

#include <stdlib.h>
#include <string.h>

#include "core/json_in.h"

static int read_scheme(json_t *value, void *into, struct err *err)
{
    const char *name = json_string_value(value);

    for (enum auth_scheme scheme = AUTH_BEARER; name != NULL && scheme <= AUTH_RAW; scheme++) {
        if (strcmp(policy_scheme_name(scheme), name) == 0) {
            ((struct route_auth *)into)->scheme = scheme;
            return 0;
        }
    }
    return err_set(err, "expected \"Bearer\", \"token\", \"basic\" or \"raw\"");
}

static int read_secret(json_t *value, void *into, struct err *err)
{
    struct route_auth *auth = into;

    if (!json_is_string(value) || !secret_is_name(json_in_text(value)))
        return err_set(err, "not the name of a secret");
    auth->secret_name = strdup(json_string_value(value));
    return auth->secret_name != NULL ? 0 : err_set(err, "out of memory");
}

static int read_header(json_t *value, void *into, struct err *err)
{
    struct route_auth *auth = into;

    if (!json_is_string(value) || policy_header_problem(json_in_text(value)) != NULL)
        return err_set(err, "not a field that can carry a credential");
    auth->header = strdup(json_string_value(value));
    return auth->header != NULL ? 0 : err_set(err, "out of memory");
}

static int read_placeholder(json_t *value, void *into, struct err *err)
{
    struct route_auth *auth = into;
    const char *problem =
        json_is_string(value) ? policy_placeholder_problem(json_in_text(value)) : "must be a string";

    if (problem != NULL)
        return err_set(err, "%s", problem);
    auth->placeholder = strdup(json_string_value(value));
    return auth->placeholder != NULL ? 0 : err_set(err, "out of memory");
}

static int read_in(json_t *value, void *into, struct err *err)
{
    struct route_auth *auth = into;
    size_t count = json_array_size(value);

    if (!json_is_array(value) || count == 0 || count > POLICY_MAX_IN)
        return err_set(err, "expected an array of 1 to %d places", POLICY_MAX_IN);
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(value, i);
        struct auth_place *place = &auth->in[auth->in_count];
        struct str name;
        if (!json_is_string(item) || policy_place(json_in_text(item), &place->query, &name) != NULL)
            return err_set(err, "[%zu]: not \"query:NAME\" or \"header:NAME\"", i);
        place->name = strndup(name.ptr, name.len);
        if (place->name == NULL)
            return err_set(err, "out of memory");
        auth->in_count++;
    }
    return 0;
}

int policy_auth_read(json_t *value, void *into, struct err *err)
{
    static const struct json_in_member members[] = {
        {"scheme", read_scheme, false}, {"secret", read_secret, false},
        {"header", read_header, false}, {"placeholder", read_placeholder, false},
        {"in", read_in, false},         {NULL, NULL, false}};
    struct route_auth *auth = &((struct route *)into)->auth;

    if (json_is_string(value) && strcmp(json_string_value(value), "passthrough") == 0) {
        auth->scheme = AUTH_PASSTHROUGH;
        return 0;
    }
    if (json_in_object(value, members, false, auth, err) != 0)
        return -1;
    if (auth->scheme == AUTH_NONE || auth->secret_name == NULL)
        return err_set(err, "\"%s\" is missing", auth->scheme == AUTH_NONE ? "scheme" : "secret");
    if (auth->in_count > 0 && auth->placeholder == NULL)
        return err_set(err, "in: without a placeholder it has no meaning");
    if (auth->header == NULL)
        auth->header = strdup("Authorization");
    return auth->header != NULL ? 0 : err_set(err, "out of memory");
}

void policy_auth_fini(struct route_auth *auth)
{
    free(auth->header);
    free(auth->secret_name);
    free(auth->placeholder);
    for (size_t i = 0; i < auth->in_count; i++)
        free(auth->in[i].name);
}

const char *policy_scheme_name(enum auth_scheme scheme)
{
    static const char *const names[] = {[AUTH_NONE] = "",         [AUTH_PASSTHROUGH] = "passthrough",
                                        [AUTH_BEARER] = "Bearer", [AUTH_TOKEN] = "token",
                                        [AUTH_BASIC] = "basic",   [AUTH_RAW] = "raw"};

    return names[scheme];
}

const char *policy_header_problem(struct str name)
{
    static const char token[] =
        "!#$%&\'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char *const ours[] = {"host",
                                       "content-length",
                                       "transfer-encoding",
                                       "connection",
                                       "keep-alive",
                                       "te",
                                       "trailer",
                                       "upgrade",
                                       "expect",
                                       "proxy-connection",
                                       "proxy-authorization",
                                       "content-encoding",
                                       "accept-encoding",
                                       "range",
                                       "if-range",
                                       "http2-settings",
                                       "cookie"};

    if (name.len == 0 || name.len > POLICY_MAX_HEADER)
        return "is empty or longer than 64 bytes";
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '\0' || strchr(token, name.ptr[i]) == NULL)
            return "is no field name";
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (str_equal_nocase(name, str_of(ours[i])))
            return "is a field that Stopper writes itself";
    return NULL;
}

const char *policy_placeholder_problem(struct str text)
{
    bool good = text.len >= SECRET_MIN && text.len <= POLICY_PLACEHOLDER_MAX;

    for (size_t i = 0; good && i < text.len; i++)
        good = text.ptr[i] > ' ' && text.ptr[i] < 0x7f;
    return good ? NULL : "must be 8 to 512 visible ASCII characters";
}

const char *policy_place(struct str text, bool *query, struct str *name)
{
    static const struct str kinds[] = {STR("header:"), STR("query:")};

    *name = text;
    for (size_t kind = 0; kind < 2; kind++) {
        struct str prefix = kinds[kind];
        if (text.len <= prefix.len || memcmp(text.ptr, prefix.ptr, prefix.len) != 0)
            continue;
        *query = kind == 1;
        *name = (struct str){text.ptr + prefix.len, text.len - prefix.len};
        if (!*query)
            return policy_header_problem(*name);
        for (size_t i = 0; i < name->len; i++)
            if (name->ptr[i] <= ' ' || name->ptr[i] >= 0x7f || strchr("&=#%+;", name->ptr[i]) != NULL)
                return "is no name of a query parameter";
        return name->len <= POLICY_MAX_HEADER ? NULL : "is longer than 64 bytes";
    }
    return "is no place: write query:NAME or header:NAME";
}
