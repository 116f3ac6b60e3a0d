/* SPDX-License-Identifier: GPL-3.0-or-later */
/* placeholder: see placeholder.h. What it writes begins as the role's own tokens do and is as long, because programs look
 * at that, and says in clear that it is none. */
#include "hostctl/placeholder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/manifest_reader.h"
#include "hostctl/sha256.h"
#include "hostctl/templates.h"

#define SAYS_IT      "stopper-placeholder-"
#define DIGITS_PLAIN 32 /* of a placeholder of no shape */

const char placeholder_no_seed[PLACEHOLDER_SEED] = "00000000000000000000000000000000";

int placeholder_seed(char seed[PLACEHOLDER_SEED], struct err *err)
{
    unsigned char bytes[(PLACEHOLDER_SEED - 1) / 2];
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;

    if (fd >= 0)
        close(fd);
    if (got != (ssize_t)sizeof bytes)
        return err_set_errno(err, "/dev/urandom");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(seed + 2 * i, 3, "%02x", bytes[i]);
    return 0;
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

int placeholder_env(struct manifest *manifest, struct secrets *secrets, struct err *err)
{
    for (size_t i = 0; i < manifest->form_count; i++) {
        const struct manifest_env *form = &manifest->forms[i];
        const struct secret_entry *entry = form->placeholder ? NULL : secrets_find(secrets, form->ref);
        struct str value = entry != NULL ? secret_expose(entry->value) : str_of(form->held);
        size_t size = strlen(form->name.text) + value.len + 2;
        char **env = realloc(manifest->env, (manifest->env_count + 2) * sizeof *env);
        char *pair = malloc(size);
        if (env != NULL)
            manifest->env = env;
        if (env == NULL || pair == NULL) {
            free(pair);
            return err_set(err, "out of memory");
        }
        snprintf(pair, size, "%s=%.*s", form->name.text, (int)value.len, value.ptr);
        env[manifest->env_count++] = pair;
        env[manifest->env_count] = NULL;
    }
    return 0;
}
