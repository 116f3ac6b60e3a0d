/* SPDX-License-Identifier: GPL-3.0-or-later */
/* placeholder: see placeholder.h. What it writes begins as the role's own tokens do and is as long, because programs look
 * at that, and says in clear that it is none. */
#include "hostctl/placeholder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/manifest_reader.h"
#include "hostctl/random.h"
#include "hostctl/sha256.h"
#include "hostctl/templates.h"

#define SAYS_IT      "stopper-placeholder-"
#define DIGITS_PLAIN 32 /* of a placeholder of no shape */

const char placeholder_no_seed[PLACEHOLDER_SEED] = "00000000000000000000000000000000";

int placeholder_seed(char seed[PLACEHOLDER_SEED], struct err *err)
{
    return random_hex(seed, (PLACEHOLDER_SEED - 1) / 2, err);
}

/* The route for a name or a wildcard as it is written; else the wildcard that stands for most of it. NULL: none. */
static struct manifest_route *route_for(const struct manifest *manifest, const char *host)
{
    struct manifest_route *found = NULL;
    size_t len = strlen(host);

    for (size_t i = 0; i < manifest->route_count; i++) {
        struct manifest_route *route = &manifest->routes[i];
        size_t tail = strlen(route->host) - 1;
        if (strcmp(route->host, host) == 0)
            return route;
        if (route->host[0] == '*' && len > tail && strcmp(host + len - tail, route->host + 1) == 0 &&
            (found == NULL || tail > strlen(found->host) - 1))
            found = route;
    }
    return found;
}

static bool is_wanted(const struct manifest *manifest, const struct manifest_route *route)
{
    for (size_t i = 0; i < manifest->form_count; i++)
        if (manifest->forms[i].placeholder && route_for(manifest, manifest->forms[i].ref) == route)
            return true;
    return false;
}

void placeholder_check(const struct manifest *manifest, struct report *report)
{
    char path[PATH_SIZE];

    for (size_t i = 0; i < manifest->form_count; i++) {
        const struct manifest_env *form = &manifest->forms[i];
        const struct manifest_route *route = form->placeholder ? route_for(manifest, form->ref) : NULL;
        if (!form->placeholder || (route != NULL && route->auth.token_ref != NULL))
            continue;
        snprintf(path, sizeof path, "env.%s.placeholder_for", form->name.text);
        report_file(report, form->name.file);
        if (route == NULL)
            report_add(report, form->name.line, path, "\"%s\" is the host of no route", form->ref);
        else
            report_add(report, form->name.line, path,
                       "the route for \"%s\" (%s:%u) has no auth with a token_ref", form->ref, route->file,
                       route->line);
    }
    for (size_t i = 0; i < manifest->route_count; i++) {
        const struct manifest_route *route = &manifest->routes[i];
        if (route->auth.in_count == 0 || route->auth.placeholder != NULL || is_wanted(manifest, route))
            continue;
        snprintf(path, sizeof path, "egress.routes[%zu].auth.in", route->index);
        report_file(report, route->file);
        report_add(
            report, route->auth.in_line, path,
            "has a meaning only for a placeholder: say one, or give a variable of env placeholder_for: %s",
            route->host);
    }
}

static char *make(const struct manifest_route *route, const char *seed)
{
    char text[PLACEHOLDER_SEED + HOST_MAX + 4], digest[SHA256_HEX], made[256];
    struct role_shape shape = role_shape(route->role);

    snprintf(text, sizeof text, "%s %s", seed, route->host);
    sha256_hex(str_of(text), digest);
    size_t digits = shape.length > 0 ? SHA256_HEX - 1 : DIGITS_PLAIN;
    size_t len = strlen(shape.prefix) + strlen(SAYS_IT) + digits;
    snprintf(made, sizeof made, "%s" SAYS_IT "%.*s%.*s", shape.prefix,
             shape.length > len ? (int)(shape.length - len) : 0, "--------------------------------",
             (int)digits, digest);
    return strdup(made);
}

int placeholder_fill(struct manifest *manifest, const char seed[PLACEHOLDER_SEED])
{
    for (size_t i = 0; i < manifest->form_count; i++) {
        struct manifest_env *form = &manifest->forms[i];
        struct manifest_route *route = form->placeholder ? route_for(manifest, form->ref) : NULL;
        if (route == NULL)
            continue;
        if (route->auth.placeholder == NULL) {
            route->auth.placeholder = make(route, seed);
            route->auth.generated = true;
        }
        if (route->auth.placeholder == NULL)
            return -1;
        form->held = route->auth.placeholder;
    }
    return 0;
}

static int add_variable(struct manifest *manifest, const char *name, struct str value, struct err *err)
{
    size_t size = strlen(name) + value.len + 2;
    char **env = realloc(manifest->env, (manifest->env_count + 2) * sizeof *env), *pair = malloc(size);

    if (env != NULL)
        manifest->env = env;
    if (env == NULL || pair == NULL) {
        free(pair);
        return err_set(err, "out of memory");
    }
    snprintf(pair, size, "%s=%.*s", name, (int)value.len, value.ptr);
    env[manifest->env_count++] = pair;
    env[manifest->env_count] = NULL;
    return 0;
}

int placeholder_env(struct manifest *manifest, struct secrets *secrets, struct err *err)
{
    for (size_t i = 0; i < manifest->form_count; i++) {
        const struct manifest_env *form = &manifest->forms[i];
        const struct secret_entry *entry = form->placeholder ? NULL : secrets_find(secrets, form->ref);
        struct str value = entry != NULL ? secret_expose(entry->value) : str_of(form->held);
        if (add_variable(manifest, form->name.text, value, err) != 0)
            return -1;
    }
    return 0;
}

static bool is_set(const struct manifest *manifest, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < manifest->env_count; i++)
        if (strncmp(manifest->env[i], name, len) == 0 && manifest->env[i][len] == '=')
            return true;
    return false;
}

int placeholder_canary(struct manifest *manifest, const char seed[PLACEHOLDER_SEED], struct secrets *secrets,
                       struct err *err)
{
    static const char *const names[] = {"INTERNAL_API_TOKEN", "BACKUP_API_TOKEN", "ARCHIVE_API_TOKEN"};
    struct secret_entry *entry = &secrets->entries[secrets->count];
    char text[PLACEHOLDER_SEED + 8], digest[SHA256_HEX], made[64];
    size_t name = 0;

    while (name < sizeof names / sizeof names[0] && is_set(manifest, names[name]))
        name++;
    if (name == sizeof names / sizeof names[0]) /* then nobody would find it */
        return 0;
    snprintf(text, sizeof text, "%s canary", seed);
    sha256_hex(str_of(text), digest);
    snprintf(made, sizeof made, "itk_%.40s", digest);
    entry->value = secret_new(str_of(made));
    if (entry->value == NULL)
        return err_set(err, "no locked memory is left for the canary (RLIMIT_MEMLOCK)");
    strcpy(entry->name, PLACEHOLDER_CANARY);
    secrets->count++;
    return add_variable(manifest, names[name], str_of(made), err);
}
