/* SPDX-License-Identifier: GPL-3.0-or-later */
/* secrets: see secrets.h. Errors name variables, files and lines, never what is in them. */
#include "hostctl/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "hostctl/placeholder.h"

/* One value, unless it is there already; line and path: of what names it. NULL after a complaint. */
static const struct secret_entry *take(const char *name, unsigned line, const char *path,
                                       struct secrets *secrets, struct report *report)
{
    const char *value = getenv(name);
    const struct secret_entry *entry = secrets_find(secrets, name);
    const char *advice = getenv("SUDO_UID") != NULL ? "; sudo passes it on with --preserve-env=" : "";

    if (entry != NULL)
        return entry;
    if (strcmp(name, PLACEHOLDER_CANARY) == 0) {
        report_add(report, line, path, "the name " PLACEHOLDER_CANARY " is Stopper's own");
        return NULL;
    }
    if (value == NULL) {
        report_add(report, line, path, "the environment variable %s is not set%s%s", name, advice,
                   advice[0] != '\0' ? name : "");
        return NULL;
    }
    const char *problem = secret_problem(str_of(value));
    if (problem != NULL) {
        report_add(report, line, path, "the value of the environment variable %s %s", name, problem);
        return NULL;
    }
    struct secret_entry *made = &secrets->entries[secrets->count];
    made->value = secret_new(str_of(value));
    if (made->value == NULL) {
        report_add(report, line, path, "no locked memory is left for the value of %s (RLIMIT_MEMLOCK)", name);
        return NULL;
    }
    snprintf(made->name, sizeof made->name, "%s", name);
    secrets->count++;
    return made;
}

/* The value that a route needs. Returns whether it is there. */
static bool take_route(const struct manifest_route *route, struct secrets *secrets, struct report *report)
{
    char path[64];

    report_file(report, route->file);
    snprintf(path, sizeof path, "egress.routes[%zu].auth.token_ref", route->index);
    const struct secret_entry *entry =
        take(route->auth.token_ref, route->auth.token_line, path, secrets, report);
    if (entry == NULL)
        return false;
    if (policy_sensitive(route->auth.scheme, secret_expose(entry->value)).len >= SECRET_MIN)
        return true;
    report_add(report, route->auth.token_line, path,
               "the password in the value of the environment variable %s is shorter than 8 bytes",
               route->auth.token_ref);
    return false;
}

/* The value that a variable of the agent's gets: the sidecar has to know it, too, to keep it from leaving. */
static bool take_variable(const struct manifest_env *form, struct secrets *secrets, struct report *report)
{
    char path[512];

    report_file(report, form->name.file);
    snprintf(path, sizeof path, "env.%s.from_env", form->name.text);
    return take(form->ref, form->name.line, path, secrets, report) != NULL;
}

/* The variable's own bytes are what /proc shows of a process's environment. */
static void forget(const char *name)
{
    char *value = getenv(name);

    if (value == NULL)
        return;
    secret_wipe(value, strlen(value));
    unsetenv(name);
}

struct secrets *secrets_take(const struct manifest *manifest, struct report *report)
{
    struct secrets *secrets = calloc(1, sizeof *secrets + (manifest->route_count + manifest->form_count + 1) *
                                                              sizeof secrets->entries[0]);
    bool all = true;

    if (secrets == NULL) {
        report_add(report, 0, "", "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < manifest->route_count; i++)
        if (manifest->routes[i].auth.token_ref != NULL)
            all = take_route(&manifest->routes[i], secrets, report) && all;
    for (size_t i = 0; i < manifest->form_count; i++)
        if (!manifest->forms[i].placeholder)
            all = take_variable(&manifest->forms[i], secrets, report) && all;
    for (size_t i = 0; i < manifest->route_count; i++)
        if (manifest->routes[i].auth.token_ref != NULL)
            forget(manifest->routes[i].auth.token_ref);
    for (size_t i = 0; i < manifest->form_count; i++)
        if (!manifest->forms[i].placeholder)
            forget(manifest->forms[i].ref);
    if (all && secrets->count >= SECRETS_MAX) {
        report_add(report, 0, "", "%zu variables of the host are named; at most %d are allowed",
                   secrets->count, SECRETS_MAX - 1);
        all = false;
    }
    if (all)
        return secrets;
    secrets_free(secrets);
    return NULL;
}

/* Files. */

static int read_file(const char *path, char **text, struct err *err)
{
    struct stat st;
    size_t len = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    *text = NULL;
    if (fd < 0)
        return err_set_errno(err, "cannot be read");
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        err_set(err, "is no file");
    else if (st.st_size > POLICY_MAX_EXTRA_CA)
        err_set(err, "is larger than %u bytes", POLICY_MAX_EXTRA_CA);
    else if ((*text = calloc(1, POLICY_MAX_EXTRA_CA + 2)) == NULL)
        err_set(err, "out of memory");
    while (*text != NULL && len <= POLICY_MAX_EXTRA_CA &&
           (got = read(fd, *text + len, POLICY_MAX_EXTRA_CA + 1 - len)) > 0)
        len += (size_t)got;
    close(fd);
    if (*text == NULL)
        return -1;
    if (got == 0 && len <= POLICY_MAX_EXTRA_CA && strlen(*text) == len)
        return 0;
    free(*text);
    *text = NULL;
    return err_set(err, "is no text of certificates");
}

/* Appends the CERTIFICATE blocks, and refuses every other kind: a private key has no business here. */
static int take_blocks(const char *text, struct buf *pem, struct err *err)
{
    static const char begin[] = "-----BEGIN ", kind[] = "-----BEGIN CERTIFICATE-----",
                      end[] = "-----END CERTIFICATE-----";
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n\t ";
    bool any = false;

    for (const char *at = strstr(text, begin); at != NULL; at = strstr(at, begin), any = true) {
        const char *body = at + strlen(kind), *stop = strstr(at, end);
        if (strncmp(at, kind, strlen(kind)) != 0)
            return err_set(err, "holds something else than certificates");
        if (stop == NULL || strspn(body, base64) != (size_t)(stop - body) || stop == body)
            return err_set(err, "holds a certificate that is cut short or no PEM");
        if (buf_append(pem, at, (size_t)(stop - at) + strlen(end)) != 0 || buf_append(pem, "\n", 1) != 0)
            return err_set(err, "holds too many certificates: all files together may have %u bytes",
                           POLICY_MAX_EXTRA_CA);
        at = stop;
    }
    return any ? 0 : err_set(err, "holds no certificate in PEM form");
}

static int read_one(const char *manifest, const char *path, struct buf *pem, struct err *err)
{
    const char *slash = strrchr(manifest, '/');
    int folder = path[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - manifest);
    char full[PATH_MAX], *text;

    if (snprintf(full, sizeof full, "%.*s%s", folder, manifest, path) >= (int)sizeof full)
        return err_set(err, "is too long a name");
    if (read_file(full, &text, err) != 0)
        return -1;
    int status = take_blocks(text, pem, err);
    free(text);
    return status;
}

int extra_ca_read(const struct manifest *manifest, struct report *report, char **pem)
{
    size_t before = report->count;
    struct buf all;

    *pem = NULL;
    buf_init(&all, POLICY_MAX_EXTRA_CA);
    for (size_t i = 0; i < manifest->extra_ca_count; i++) {
        const struct manifest_word *file = &manifest->extra_ca[i];
        char path[48], quoted[REPORT_QUOTED];
        struct err err;
        snprintf(path, sizeof path, "egress.extra_ca[%zu]", i);
        report_file(report, file->file);
        if (read_one(file->file, file->text, &all, &err) != 0)
            report_add(report, file->line, path, "%s %s", report_quote(str_of(file->text), quoted), err.text);
    }
    struct str text = buf_str(&all);
    if (report->count == before && text.len > 0 && (*pem = strndup(text.ptr, text.len)) == NULL)
        report_add(report, 0, "", "out of memory");
    buf_fini(&all);
    return report->count == before ? 0 : -1;
}

char *secrets_apply_text(const char *policy, const struct secrets *secrets, const char *keys)
{
    char *values = secrets_text(secrets), *text = NULL;
    json_t *root = json_object();

    if (values != NULL && json_object_set_new(root, "policy", json_loads(policy, 0, NULL)) == 0 &&
        json_object_set_new(root, "secrets", json_loads(values, 0, NULL)) == 0 &&
        (keys == NULL || json_object_set_new(root, "keys", json_loads(keys, 0, NULL)) == 0))
        text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    secrets_text_free(values);
    return text;
}
