/* SPDX-License-Identifier: GPL-3.0-or-later */
/* explain_git: see explain_git.h. */
#include "hostctl/explain_git.h"

#include <stdio.h>
#include <string.h>

#include "core/glob.h"
#include "hostctl/gate_remotes.h"

#define URL_MAX 2048 /* bytes that are looked at */

bool explain_git_is(const char *word)
{
    return strcmp(word, "fetch") == 0 || strcmp(word, "push") == 0;
}

/* The repository that git leads the URL to: the one with the longest beginning. *rest is what follows. */
static const struct manifest_repo *led_to(const struct manifest *manifest, const char *url, const char **rest)
{
    const struct manifest_repo *found = NULL;
    char forms[REMOTE_FORMS][REMOTE_MAX];
    size_t longest = 0;

    for (size_t i = 0; i < manifest->repo_count; i++) {
        size_t count = gate_remote_forms(&manifest->repos[i].from, forms);
        for (size_t j = 0; j < count; j++) {
            size_t len = strlen(forms[j]);
            if (len <= longest || strncmp(url, forms[j], len) != 0)
                continue;
            longest = len;
            found = &manifest->repos[i];
            *rest = url + len;
        }
    }
    return found;
}

static bool is_end(const char *rest)
{
    static const char *const ends[] = {"", "/", ".git", ".git/"};

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (strcmp(rest, ends[i]) == 0)
            return true;
    return false;
}

static const char *match(const struct gate_patterns *patterns, const char *ref)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (glob_match(str_of(patterns->list[i]), str_of(ref), 0))
            return patterns->list[i];
    return NULL;
}

/* Why this ref may not be pushed; NULL when it may. */
static const char *ref_refused(const struct gate_push *push, const char *ref, char why[GATE_PATTERN_MAX + 64])
{
    const char *pattern = match(&push->deny, ref);

    if (pattern != NULL)
        snprintf(why, GATE_PATTERN_MAX + 64, "push.deny has %s", pattern);
    else if (push->allow.count > 0 && match(&push->allow, ref) == NULL)
        snprintf(why, GATE_PATTERN_MAX + 64, "push.allow does not have it");
    else
        return NULL;
    return why;
}

static json_t *texts(const char *const *list, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(list[i]));
    return array;
}

static json_t *rules_of(const struct manifest *manifest, const struct manifest_repo *repo)
{
    const struct gate_push *push = &repo->push;
    const char *const *paths;
    size_t count = manifest_protected(manifest, repo, &paths);

    return json_pack("{s:o,s:o,s:b,s:b,s:o,s:i,s:s}", "allow",
                     texts((const char *const *)push->allow.list, push->allow.count), "deny",
                     texts((const char *const *)push->deny.list, push->deny.count), "force", !push->no_force,
                     "delete", !push->no_delete, "protect_paths", texts(paths, count), "max_pack_mb",
                     (int)(push->max_pack_mb > 0 ? push->max_pack_mb : GATE_PACK_MB), "on_finding",
                     manifest_gate_asks(manifest) ? "supervise" : "block");
}

static json_t *repository(const struct manifest_repo *repo)
{
    return json_pack("{s:s,s:s,s:i,s:s,s:s}", "name", repo->name.text, "file", repo->name.file, "line",
                     (int)repo->name.line, "url", repo->url, "host_key",
                     repo->host_key.text != NULL ? "pinned" : "confirmed");
}

static const char *nobodys(const char *url)
{
    return strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0
               ? "no repository of git-gate.repos has this URL: git speaks HTTP, and routes decide; pushes "
                 "are refused there"
               : "no repository of git-gate.repos has this URL";
}

json_t *explain_git(const struct manifest *manifest, const char *word, const char *url, const char *ref,
                    struct err *err)
{
    char why[GATE_PATTERN_MAX + 64];
    const char *rest = "", *refused = NULL;
    bool push = strcmp(word, "push") == 0;

    if (strlen(url) > URL_MAX || strchr(url, ':') == NULL || strpbrk(url, " \t\r\n") != NULL) {
        err_set(err, "\"%.64s\" is no URL of git's", url);
        return NULL;
    }
    if (ref != NULL && (!push || strncmp(ref, "refs/", 5) != 0)) {
        err_set(err,
                push ? "\"%.64s\" is no ref's full name: refs/heads/NAME"
                     : "\"%.64s\": a fetch names no ref here",
                ref);
        return NULL;
    }
    const struct manifest_repo *repo = led_to(manifest, url, &rest);
    if (repo == NULL)
        refused = nobodys(url);
    else if (!is_end(rest))
        refused = "git leads this URL to the gate, since a repository's begins it, and the gate has no "
                  "repository there";
    else if (ref != NULL)
        refused = ref_refused(&repo->push, ref, why);
    bool gate = repo != NULL && is_end(rest);
    return json_pack("{s:s,s:s,s:s?,s:s?,s:o,s:o,s:s?}", "verdict", refused == NULL ? "allow" : "block",
                     "word", word, "ref", ref, "why", refused, "repository",
                     repo != NULL ? repository(repo) : json_null(), "rules",
                     gate && push ? rules_of(manifest, repo) : json_null(), "unjudged",
                     refused != NULL ? NULL
                     : push          ? "what is pushed: the gate looks through it; and what the upstream says"
                                     : "what the upstream says");
}

static void print_list(const char *name, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        printf("%s%s", i == 0 ? name : ", ", json_string_value(json_array_get(list, i)));
    if (json_array_size(list) > 0)
        printf("\n");
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

void explain_git_print(const json_t *said, const char *file)
{
    const json_t *repo = json_object_get(said, "repository"), *rules = json_object_get(said, "rules");
    bool known = json_is_object(repo), denied = strcmp(text_of(said, "verdict"), "block") == 0;

    if (known)
        printf("%s:%d: %s by git-gate.repos.%s%s%s\n", text_of(repo, "file"),
               (int)json_integer_value(json_object_get(repo, "line")), denied ? "denied" : "allowed",
               text_of(repo, "name"), denied ? ": " : "", text_of(said, "why"));
    else
        printf("%s: denied: %s\n", file, text_of(said, "why"));
    if (known)
        printf("  upstream: %s\n  host key: %s\n", text_of(repo, "url"), text_of(repo, "host_key"));
    if (json_is_object(rules)) {
        print_list("  allowed refs: ", json_object_get(rules, "allow"));
        print_list("  denied refs: ", json_object_get(rules, "deny"));
        printf("  forced: %s\n  deleted: %s\n", json_is_true(json_object_get(rules, "force")) ? "yes" : "no",
               json_is_true(json_object_get(rules, "delete")) ? "yes" : "no");
        print_list("  protected paths: ", json_object_get(rules, "protect_paths"));
        printf("  largest: %d MiB\n  on a find: %s\n",
               (int)json_integer_value(json_object_get(rules, "max_pack_mb")), text_of(rules, "on_finding"));
    }
    if (text_of(said, "unjudged")[0] != '\0')
        printf("  not judged: %s\n", text_of(said, "unjudged"));
}
