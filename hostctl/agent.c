/* SPDX-License-Identifier: GPL-3.0-or-later */
/* agent: see agent.h. A repository's file is confirmed by content: what was read is what was hashed, and is what is
 * used; the file is not opened again. */
#include "hostctl/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostctl/places.h"
#include "hostctl/terminal.h"

#define DIGEST_SHORTEST 12 /* digits of a digest on the command line */

/* The file whose existence says that the digest is confirmed. */
static int mark_path(const char *digest, char path[PATH_MAX], struct err *err)
{
    char root[PATH_MAX];

    if (state_root(root, err) != 0)
        return -1;
    *strrchr(root, '/') = '\0'; /* beside the bottles */
    int len = snprintf(path, PATH_MAX, "%s/confirmed/%s", root, digest);
    return len < 0 || len >= PATH_MAX ? err_set(err, "the path of the state folder is too long") : 0;
}

/* Whether the mark is there, and is the caller's own. */
static bool is_marked(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid();
}

static int make_mark(char *path, struct err *err)
{
    char *slash = strrchr(path, '/');

    *slash = '\0';
    int status = state_make_folders(path, err);
    *slash = '/';
    if (status != 0)
        return -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, "%s", path);
    close(fd);
    return 0;
}

static bool ask(const struct layers_agent *agent)
{
    fprintf(stderr,
            "%s comes with the repository, and this content was not confirmed before.\n"
            "  bottle  %s\n  bytes   %zu, the prompt %zu of them\n  sha256  %s\n"
            "Run it? Read the file first. [y/N] ",
            agent->path, agent->bottle, agent->matter.len, agent->prompt.len, agent->digest);
    return terminal_yes();
}

int agent_confirm(const struct layers_agent *agent, const char *given, struct err *err)
{
    bool terminal = terminal_asks();
    size_t len = given != NULL ? strlen(given) : 0;
    char path[PATH_MAX];

    if (!agent->repository)
        return 0;
    if (mark_path(agent->digest, path, err) != 0)
        return -1;
    if (is_marked(path))
        return 0;
    if (given != NULL && (len < DIGEST_SHORTEST || strncmp(agent->digest, given, len) != 0))
        return err_set(err, "%s: --confirm does not name its content, whose sha256 is %s", agent->path,
                       agent->digest);
    if (given == NULL && !terminal)
        return err_set(
            err,
            "%s comes with the repository, and this content was not confirmed before: read it, then add "
            "--confirm %s",
            agent->path, agent->digest);
    if (given == NULL && !ask(agent))
        return err_set(err, "%s was not confirmed", agent->path);
    return make_mark(path, err);
}

int agent_skills(const struct manifest *manifest, const char *state, struct mount *mounts, size_t *count,
                 struct report *report)
{
    size_t before = report->count;
    char config[PATH_MAX], option[PATH_MAX + 128];
    struct err err;

    if (manifest->skill_count > 0 && places_config(config, &err) != 0) {
        report_add(report, 0, "skills", "%s", err.text);
        return -1;
    }
    for (size_t i = 0; i < manifest->skill_count; i++) {
        const struct manifest_word *skill = &manifest->skills[i];
        struct mount *mount = &mounts[*count];
        snprintf(option, sizeof option, "%s/skills/%s:" AGENT_SKILLS "/%s:ro", config, skill->text,
                 skill->text);
        report_file(report, skill->file);
        if (mount_parse(option, state, mount, &err) != 0) {
            report_add(report, skill->line, "skills", "\"%s\": %s", skill->text, err.text);
        } else if (!mount->folder) {
            report_add(report, skill->line, "skills", "\"%s\": %s is no folder", skill->text, mount->host);
            mount_close(mount);
        } else {
            ++*count;
        }
    }
    return report->count == before ? 0 : -1;
}

int agent_prompt(const struct state *state, struct str prompt, struct mount *mount, struct err *err)
{
    size_t done = 0;
    ssize_t put = 0;

    *mount = (struct mount){.fd = -1, .read_only = true, .agent = AGENT_PROMPT};
    if (snprintf(mount->host, sizeof mount->host, "%s/prompt.md", state->path) >= (int)sizeof mount->host)
        return err_set(err, "the path of the state folder is too long");
    int fd = open(mount->host, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
    if (fd < 0)
        return err_set_errno(err, "%s", mount->host);
    while (done < prompt.len && (put = write(fd, prompt.ptr + done, prompt.len - done)) > 0)
        done += (size_t)put;
    if (done < prompt.len || fchmod(fd, 0444) != 0) /* whatever the umask: the agent's user reads it */
        err_set_errno(err, "%s", mount->host);
    else if ((mount->fd = open(mount->host, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        err_set_errno(err, "%s", mount->host);
    close(fd);
    return mount->fd >= 0 ? 0 : -1;
}

static bool is_set(const struct manifest *manifest, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < manifest->env_count; i++)
        if (strncmp(manifest->env[i], name, len) == 0 && manifest->env[i][len] == '=')
            return true;
    return false;
}

static int set(struct manifest *manifest, const char *name, const char *value, struct err *err)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char **env = realloc(manifest->env, (manifest->env_count + 2) * sizeof *env), *pair = malloc(size);

    if (env != NULL)
        manifest->env = env;
    if (env == NULL || pair == NULL) {
        free(pair);
        return err_set(err, "out of memory");
    }
    snprintf(pair, size, "%s=%s", name, value);
    env[manifest->env_count++] = pair;
    env[manifest->env_count] = NULL;
    return 0;
}

int agent_env(struct manifest *manifest, bool prompt, struct err *err)
{
    const struct {
        const char *key, *value;
    } user[] = {{"user.name", manifest->user_name}, {"user.email", manifest->user_email}};
    char name[32], text[4];
    unsigned count = 0;

    if (prompt && !is_set(manifest, "STOPPER_PROMPT") &&
        set(manifest, "STOPPER_PROMPT", AGENT_PROMPT, err) != 0)
        return -1;
    if (manifest->skill_count > 0 && !is_set(manifest, "STOPPER_SKILLS") &&
        set(manifest, "STOPPER_SKILLS", AGENT_SKILLS, err) != 0)
        return -1;
    if (manifest->user_name == NULL && manifest->user_email == NULL)
        return 0;
    if (is_set(manifest, "GIT_CONFIG_COUNT"))
        return err_set(err, "env: GIT_CONFIG_COUNT cannot stand beside git-gate.user, which sets it");
    for (size_t i = 0; i < sizeof user / sizeof user[0]; i++) {
        if (user[i].value == NULL)
            continue;
        snprintf(name, sizeof name, "GIT_CONFIG_KEY_%u", count);
        if (set(manifest, name, user[i].key, err) != 0)
            return -1;
        snprintf(name, sizeof name, "GIT_CONFIG_VALUE_%u", count++);
        if (set(manifest, name, user[i].value, err) != 0)
            return -1;
    }
    snprintf(text, sizeof text, "%u", count);
    return set(manifest, "GIT_CONFIG_COUNT", text, err);
}
