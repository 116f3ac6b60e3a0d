/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_forge: see the header. Names become a part of a URL's path, so only what stands there for itself is taken. */
#include "hostctl/manifest_forge.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define GIT     ".git"
#define API     "/api/v1"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static bool take_name(char name[FORGE_NAME_MAX + 1], const char *text, size_t len)
{
    if (len == 0 || len > FORGE_NAME_MAX || strspn(text, LETTERS) < len)
        return false;
    snprintf(name, FORGE_NAME_MAX + 1, "%.*s", (int)len, text);
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* "/OWNER/REPO.git", with or without the ending, as Gitea's ssh takes both. */
static bool take_path(struct manifest_forge *forge, const char *path)
{
    const char *owner = path + (path[0] == '/'), *slash = strchr(owner, '/');
    size_t len = slash != NULL ? strlen(slash + 1) : 0, ending = strlen(GIT);

    if (path[0] != '/' || slash == NULL)
        return false;
    if (len >= ending && strcmp(slash + 1 + len - ending, GIT) == 0)
        len -= ending;
    return take_name(forge->owner, owner, (size_t)(slash - owner)) && take_name(forge->repo, slash + 1, len);
}

static bool take_url(struct manifest_forge *forge, const struct manifest_repo *repo)
{
    const char *given = repo->key.api_url;
    bool brackets = repo->from.address.family == 6;
    int len = given != NULL ? snprintf(forge->url, sizeof forge->url, "%s", given)
                            : snprintf(forge->url, sizeof forge->url, "https://%s%s%s", brackets ? "[" : "",
                                       repo->from.host, brackets ? "]" : "");

    if (len < 0 || (size_t)len >= sizeof forge->url)
        return false;
    while (len > 0 && forge->url[len - 1] == '/')
        forge->url[--len] = '\0';
    return true;
}

void manifest_forge(const struct manifest_repo *repo, struct manifest_forge *forge)
{
    *forge = (struct manifest_forge){.url = ""};
    take_path(forge, repo->from.path);
    take_url(forge, repo);
}

void manifest_check_forges(const struct manifest *manifest, struct report *report)
{
    const char *own = report->file;

    for (size_t i = 0; i < manifest->repo_count; i++) {
        const struct manifest_repo *repo = &manifest->repos[i];
        struct manifest_forge forge;
        char path[128], quoted[REPORT_QUOTED];
        if (repo->key.provider != PROVIDER_GITEA || repo->url == NULL)
            continue;
        report_file(report, repo->name.file);
        snprintf(path, sizeof path, "git-gate.repos.%s.url", repo->name.text);
        if (!take_path(&forge, repo->from.path))
            report_add(report, repo->url_line, path,
                       "%s is no path on a Gitea server: with the provider gitea it is /OWNER/REPO.git",
                       report_quote(str_of(repo->from.path), quoted));
        snprintf(path, sizeof path, "git-gate.repos.%s.key.api_url", repo->name.text);
        size_t len = take_url(&forge, repo) ? strlen(forge.url) : 0, tail = strlen(API);
        if (len == 0)
            report_add(report, repo->key.api_url_line, path, "has more than %d bytes", FORGE_URL_MAX);
        else if (len > tail && strcmp(forge.url + len - tail, API) == 0)
            report_add(report, repo->key.api_url_line, path,
                       "%s ends in " API ", which Stopper adds by itself: leave it out",
                       report_quote(str_of(repo->key.api_url), quoted));
    }
    report->file = own;
}
