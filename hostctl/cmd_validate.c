/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl validate: reads bottles and agents with all that makes them, and says everything that is wrong, what was
 * dropped by overlays, and what `up` would refuse to start with. It starts nothing and needs no root. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "hostctl/command.h"
#include "hostctl/layers.h"
#include "hostctl/places.h"
#include "hostctl/validate.h"

struct validate {
    bool json;
};

/* What goes through one run. */
struct check {
    bool json, bad;
    json_t *list;
    size_t files;
};

static const struct option options[] = {
    {0, "json", NULL, "print a JSON array", offsetof(struct validate, json), 0}, {0, NULL, NULL, NULL, 0, 0}};

static json_t *lines_of(const struct report *report)
{
    json_t *array = json_array();

    for (size_t i = 0; i < report->kept; i++)
        json_array_append_new(array, json_pack("{s:s,s:i,s:s}", "file", report->lines[i].file, "line",
                                               (int)report->lines[i].line, "message", report->lines[i].text));
    return array;
}

static json_t *dropped_of(const struct manifest *manifest)
{
    json_t *array = json_array();

    for (size_t i = 0; manifest != NULL && i < manifest->dropped_count; i++) {
        const struct manifest_dropped *dropped = &manifest->dropped[i];
        json_array_append_new(array, json_pack("{s:s,s:s,s:i,s:s,s:i}", "what", dropped->what.text, "file",
                                               dropped->what.file, "line", (int)dropped->what.line, "by_file",
                                               dropped->by_file, "by_line", (int)dropped->by_line));
    }
    return array;
}

static void tell(struct check *check, const char *file, const struct manifest *manifest,
                 struct report *report, struct report *later)
{
    bool good = report->count == 0;

    check->bad = check->bad || !good;
    check->files++;
    if (check->json) {
        json_array_append_new(check->list, json_pack("{s:s,s:b,s:o,s:o,s:o}", "file", file, "ok", good,
                                                     "errors", lines_of(report), "dropped",
                                                     dropped_of(manifest), "unenforced", lines_of(later)));
        return;
    }
    report_print(report, stderr);
    if (good)
        printf("%s: ok\n", file);
    for (size_t i = 0; manifest != NULL && i < manifest->dropped_count; i++) {
        const struct manifest_dropped *dropped = &manifest->dropped[i];
        printf("%s:%u: %s is dropped: %s:%u takes its place\n", dropped->what.file, dropped->what.line,
               dropped->what.text, dropped->by_file, dropped->by_line);
    }
    report_print(later, stdout);
}

/* One file; the agent's path is its own. */
static void check_file(struct check *check, const char *file, struct layers_agent *agent)
{
    struct manifest *manifest = NULL;
    struct report report, later;

    report_init(&report, file);
    report_init(&later, file);
    if (agent == NULL)
        manifest = layers_bottle(&report);
    else if (layers_agent(agent, &report) == 0)
        manifest = agent->manifest;
    if (manifest != NULL)
        manifest_unenforced(manifest, &later);
    tell(check, file, manifest, &report, &later);
    report_fini(&report);
    report_fini(&later);
    if (agent != NULL)
        layers_agent_fini(agent);
    else
        manifest_free(manifest);
}

static bool ends_in(const char *text, const char *suffix)
{
    size_t len = strlen(text), end = strlen(suffix);

    return len >= end && strcmp(text + len - end, suffix) == 0;
}

/* Whether the file lies in a folder of agents. */
static bool is_agent(const char *path)
{
    const char *slash = strrchr(path, '/');
    static const char folder[] = "agents";
    size_t len = slash != NULL ? (size_t)(slash - path) : 0, name = strlen(folder);

    return len >= name && strncmp(path + len - name, folder, name) == 0 &&
           (len == name || path[len - name - 1] == '/');
}

static void check_path(struct check *check, const char *path)
{
    struct layers_agent agent = {.repository = false};

    check_file(check, path, is_agent(path) ? &agent : NULL);
}

/* The bottle, the agent, or both of this name. */
static int check_name(struct check *check, const char *config, const char *name, struct err *err)
{
    struct layers_agent agent;
    char path[PATH_MAX];
    size_t before = check->files;

    if (!manifest_is_name(str_of(name)))
        return err_set(err, "\"%.64s\" is no name of a bottle or an agent, and no file", name);
    if (places_file(config, "bottles", name, path, err) != 0)
        return -1;
    if (places_exists(path))
        check_file(check, path, NULL);
    if (layers_find_agent(name, &agent, err) == 0)
        check_file(check, agent.path, &agent);
    return check->files > before
               ? 0
               : err_set(err, "there is no bottle and no agent \"%s\" in %s or " PLACES_REPOSITORY, name,
                         config);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All .md files of a folder, in order; a folder that is not there has none. */
static int check_folder(struct check *check, const char *folder, const char *kind, struct err *err)
{
    char path[PATH_MAX], **names = NULL;
    size_t count = 0;
    int status = 0;

    if (snprintf(path, sizeof path, "%s/%s", folder, kind) >= (int)sizeof path)
        return err_set(err, "%s is too long a path", folder);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_set_errno(err, "%s", path);
    for (struct dirent *entry; status == 0 && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.' || !ends_in(entry->d_name, ".md"))
            continue;
        char **more = realloc(names, (count + 1) * sizeof *names);
        if (more != NULL)
            names = more;
        if (more == NULL || (names[count] = strdup(entry->d_name)) == NULL)
            status = err_set(err, "out of memory");
        else
            count++;
    }
    closedir(dir);
    if (count > 0)
        qsort(names, count, sizeof *names, compare);
    for (size_t i = 0; i < count; i++) {
        if (status == 0 && snprintf(path, sizeof path, "%s/%s/%s", folder, kind, names[i]) < (int)sizeof path)
            check_path(check, path);
        free(names[i]);
    }
    free(names);
    return status;
}

int validate_count(const char *config, size_t *files, size_t *wrong, struct err *err)
{
    struct check check = {.json = true, .list = json_array()};
    int status = check_folder(&check, config, "bottles", err);
    size_t i;
    json_t *file;

    if (status == 0)
        status = check_folder(&check, config, "agents", err);
    *files = check.files;
    *wrong = 0;
    json_array_foreach(check.list, i, file) {
        *wrong += !json_is_true(json_object_get(file, "ok"));
    }
    json_decref(check.list);
    return status;
}

static int check_all(struct check *check, const char *config, struct err *err)
{
    if (check_folder(check, config, "bottles", err) != 0 || check_folder(check, config, "agents", err) != 0 ||
        check_folder(check, PLACES_REPOSITORY, "agents", err) != 0)
        return -1;
    return check->files > 0
               ? 0
               : err_set(err, "there are no bottles and no agents in %s and " PLACES_REPOSITORY, config);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct validate wanted = {0};
    struct operands operands;
    char config[PATH_MAX];
    struct err err;

    if (options_parse(options, argc, argv, &wanted, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.command != NULL) {
        err_set(&err, "takes files and names, no command");
        return command_usage(command, &err);
    }
    if (places_config(config, &err) != 0)
        return command_fail(command, &err);
    if (places_exists(PLACES_REPOSITORY "/bottles"))
        fprintf(stderr, "hostctl validate: warning: " PLACES_REPOSITORY
                        "/bottles is ignored: a repository may ship agents, never bottles\n");
    struct check check = {.json = wanted.json, .list = json_array()};
    int status = operands.count == 0 ? check_all(&check, config, &err) : 0;
    for (size_t i = 0; status == 0 && i < operands.count; i++) {
        const char *name = operands.names[i];
        if (strchr(name, '/') != NULL || ends_in(name, ".md") || ends_in(name, ".yaml") ||
            ends_in(name, ".yml"))
            check_path(&check, name);
        else
            status = check_name(&check, config, name, &err);
    }
    if (status == 0 && check.json) {
        json_dumpf(check.list, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        printf("\n");
    }
    json_decref(check.list);
    if (status != 0)
        fprintf(stderr, "hostctl %s: %s\n", command->name, err.text);
    return status != 0 || check.bad ? EXIT_USAGE : EXIT_OK;
}

const struct command cmd_validate = {
    "validate", "[FILE|NAME...] [--json]", "Check bottles and agents (default: all), and start nothing",
    options,    "MANIFEST|AGENT|FILE...",  run};
