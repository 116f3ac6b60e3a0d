/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deploy_key: see deploy_key.h. The order of the steps is what survives a kill -9; each is done again by whoever comes next,
 * and is then without effect. */
#include "hostctl/deploy_key.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "hostctl/manifest_forge.h"
#include "hostctl/rt_oci_run.h"
#include "hostctl/sidecar.h"

#define HEAD        "stopper "
#define OF          " of bottle "
#define KEY_TYPE    "ssh-ed25519 "
#define KEY_DIGITS  68 /* of base64: 51 bytes */
#define KEY_COMMENT 128
#define END_SECONDS 8 /* for a request at a bottle's end, which `down` waits for */

/* ---- titles ---- */

void deploy_key_title(char title[GITEA_TITLE_MAX + 1], const char *repo, const char *bottle,
                      const char *label)
{
    snprintf(title, GITEA_TITLE_MAX + 1, HEAD "%s" OF "%s (%s)", repo, bottle, label);
}

bool deploy_key_take_title(const char *title, const char *label, char bottle[BOTTLE_NAME_MAX + 1])
{
    char tail[STATE_LABEL + 4];
    const char *of = strncmp(title, HEAD, strlen(HEAD)) == 0 ? strstr(title, OF) : NULL;
    int len = snprintf(tail, sizeof tail, " (%s)", label);

    if (of == NULL || strlen(of + strlen(OF)) <= (size_t)len)
        return false;
    const char *name = of + strlen(OF), *end = name + strlen(name) - len;
    if (strcmp(end, tail) != 0 || end - name > BOTTLE_NAME_MAX)
        return false;
    snprintf(bottle, BOTTLE_NAME_MAX + 1, "%.*s", (int)(end - name), name);
    return state_name_valid(bottle);
}

/* ---- what is recorded ---- */

struct entry_of {
    const char *url, *owner, *repo, *variable, *title;
    json_int_t id; /* 0: it may be there */
};

/* false: somebody has changed the record by hand. */
static bool entry_read(const json_t *key, struct entry_of *entry)
{
    *entry = (struct entry_of){
        .url = json_string_value(json_object_get(key, "url")),
        .owner = json_string_value(json_object_get(key, "owner")),
        .repo = json_string_value(json_object_get(key, "repo")),
        .variable = json_string_value(json_object_get(key, DEPLOY_KEY_VARIABLE)),
        .title = json_string_value(json_object_get(key, "title")),
        .id = json_integer_value(json_object_get(key, "id")),
    };
    return entry->url != NULL && entry->owner != NULL && entry->repo != NULL && entry->variable != NULL &&
           entry->title != NULL && entry->id >= 0;
}

static bool same_place(const struct gitea *gitea, const struct entry_of *entry)
{
    return strcmp(gitea->url, entry->url) == 0 && strcmp(gitea->owner, entry->owner) == 0 &&
           strcmp(gitea->repo, entry->repo) == 0;
}

/* Whether a key there is one that the bottle has now; the one of this title (or NULL) is to go. */
static bool is_recorded(const struct gitea *gitea, const struct state *state, json_int_t id,
                        const char *going)
{
    struct entry_of entry;
    const char *name;
    json_t *key;

    json_object_foreach((json_t *)state_deploy_keys(state), name, key) {
        if (entry_read(key, &entry) && entry.id == id && same_place(gitea, &entry) &&
            (going == NULL || strcmp(entry.title, going) != 0))
            return true;
    }
    return false;
}

/* ---- what was left ---- */

static bool is_gone(const char *bottle)
{
    struct state state;
    struct err ignored;
    enum state_result result = state_open(&state, bottle, STATE_READ, 0, &ignored);

    if (result == STATE_OK)
        state_close(&state);
    return result == STATE_MISSING;
}

/* Deletes what of this state folder's bottles is there and belongs to none: to this one, whose record does not have it, or
 * to one that has no folder any more. A bottle that is being made has its folder before its keys. */
static enum gitea_result sweep(const struct gitea *gitea, const struct state *state, const char *going,
                               struct err *err)
{
    char label[STATE_LABEL], bottle[BOTTLE_NAME_MAX + 1];
    enum gitea_result result;
    json_t *keys, *key;
    size_t i;

    if (state_label(label, err) != 0)
        return GITEA_REFUSED;
    if ((result = gitea_list(gitea, &keys, err)) != GITEA_DONE)
        return result;
    json_array_foreach(keys, i, key) {
        json_int_t id = json_integer_value(json_object_get(key, "id"));
        if (result != GITEA_DONE ||
            !deploy_key_take_title(json_string_value(json_object_get(key, "title")), label, bottle) ||
            (strcmp(bottle, state->name) == 0 ? is_recorded(gitea, state, id, going) : !is_gone(bottle)))
            continue;
        result = gitea_delete(gitea, id, err);
        if (result == GITEA_ABSENT) /* somebody else was faster: the repository was there just now */
            result = GITEA_DONE;
    }
    json_decref(keys);
    return result;
}

/* What curl does goes on when hostctl is killed: who cleans up waits for it. */
static void guard(const struct state *state)
{
    char path[PATH_MAX + sizeof STATE_GUARD];

    snprintf(path, sizeof path, "%s/" STATE_GUARD, state->path);
    run_guard(path);
}

/* ---- registering ---- */

void deploy_keys_ready(const struct manifest *manifest, struct forge *forge, struct report *report)
{
    const char *own = report->file;
    bool any = false;
    char path[128];
    struct err err;

    for (size_t i = 0; i < manifest->repo_count; i++) {
        const struct manifest_repo *repo = &manifest->repos[i];
        if (repo->key.provider != PROVIDER_GITEA)
            continue;
        report_file(report, repo->name.file);
        snprintf(path, sizeof path, "git-gate.repos.%s.key.forge_token_env", repo->name.text);
        if (forge_take(forge, repo->key.forge_token_env.text, &err) == NULL)
            report_add(report, repo->key.forge_token_env.line, path, "%s", err.text);
        snprintf(path, sizeof path, "git-gate.repos.%s.key", repo->name.text);
        if (!any && gitea_ready(&err) != 0)
            report_add(report, repo->key.line, path, "%s", err.text);
        any = true;
    }
    report->file = own;
}

void deploy_keys_kept(const struct manifest *manifest, const struct state *state, struct report *report)
{
    const char *own = report->file;

    for (size_t i = 0; i < manifest->repo_count; i++) {
        const struct manifest_repo *repo = &manifest->repos[i];
        struct manifest_forge at;
        struct entry_of entry;
        char path[128];
        if (repo->key.provider != PROVIDER_GITEA)
            continue;
        manifest_forge(repo, &at);
        const struct gitea gitea = {.url = at.url, .owner = at.owner, .repo = at.repo};
        if (entry_read(json_object_get(state_deploy_keys(state), repo->name.text), &entry) && entry.id > 0 &&
            same_place(&gitea, &entry))
            continue;
        report_file(report, repo->name.file);
        snprintf(path, sizeof path, "git-gate.repos.%s.key", repo->name.text);
        report_add(report, repo->key.line, path,
                   "the forge gets a deploy key when a bottle is started: end it, and start it again");
    }
    report->file = own;
}

/* "ssh-ed25519 BASE64 COMMENT", which goes into a request and to another machine: nothing else is taken. */
static bool is_public_key(const char *key)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *digits = key + strlen(KEY_TYPE), *rest = digits + KEY_DIGITS;

    if (strncmp(key, KEY_TYPE, strlen(KEY_TYPE)) != 0 || strspn(digits, base64) != KEY_DIGITS)
        return false;
    if (*rest == '\0')
        return true;
    if (*rest != ' ' || strlen(rest) > KEY_COMMENT)
        return false;
    for (const char *c = rest; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            return false;
    return true;
}

/* The sidecar's answer, which holds the key (json_decref); NULL with err. */
static json_t *make(const struct runtime *runtime, const struct state *state, const char *name,
                    struct err *err)
{
    json_t *answer = sidecar_deploy_key(runtime, state, name, err);

    if (answer == NULL || is_public_key(json_string_value(json_object_get(answer, "key"))))
        return answer;
    err_set(err, "sidecar: deploy-key: no ed25519 key");
    json_decref(answer);
    return NULL;
}

static int register_one(const struct gitea *gitea, const struct manifest_repo *repo, const char *key,
                        struct state *state, struct err *err)
{
    char title[GITEA_TITLE_MAX + 1], label[STATE_LABEL];
    struct err ignored;
    json_int_t id;

    if (state_label(label, err) != 0 || sweep(gitea, state, NULL, err) != GITEA_DONE)
        return -1;
    deploy_key_title(title, repo->name.text, state->name, label);
    json_t *entry =
        json_pack("{s:s,s:s,s:s,s:s,s:s}", "url", gitea->url, "owner", gitea->owner, "repo", gitea->repo,
                  DEPLOY_KEY_VARIABLE, repo->key.forge_token_env.text, "title", title);
    if (entry == NULL)
        return err_set(err, "out of memory");
    if (state_set_deploy_key(state, repo->name.text, json_incref(entry), err) != 0) {
        json_decref(entry);
        return -1;
    }
    enum gitea_result result = gitea_add(gitea, title, key, &id, err);
    if (result == GITEA_DONE) {
        json_object_set_new(entry, "id", json_integer(id)); /* when that fails the title finds it */
        if (state_set_deploy_key(state, repo->name.text, json_incref(entry), err) != 0)
            result = GITEA_UNKNOWN;
    } else if (result != GITEA_UNKNOWN) {
        state_set_deploy_key(state, repo->name.text, NULL, &ignored);
    }
    json_decref(entry);
    return result == GITEA_DONE ? 0 : -1;
}

int deploy_keys_register(const struct manifest *manifest, const struct forge *forge,
                         const struct runtime *runtime, struct state *state, int interrupt, struct err *err)
{
    guard(state);
    for (size_t i = 0; i < manifest->repo_count; i++) {
        const struct manifest_repo *repo = &manifest->repos[i];
        struct manifest_forge at;
        if (repo->key.provider != PROVIDER_GITEA)
            continue;
        manifest_forge(repo, &at);
        struct gitea gitea = {.url = at.url,
                              .owner = at.owner,
                              .repo = at.repo,
                              .token = forge_token(forge, repo->key.forge_token_env.text),
                              .interrupt = interrupt};
        json_t *made = make(runtime, state, repo->name.text, err);
        int status = made == NULL ? -1
                                  : register_one(&gitea, repo,
                                                 json_string_value(json_object_get(made, "key")), state, err);
        json_decref(made);
        if (status != 0)
            return err_prefix(err, "git-gate.repos.%s: deploy key", repo->name.text);
    }
    return 0;
}

/* ---- the end ---- */

/* Deletes one. A 404 may mean that the key is gone, or that the token sees no repository there: the list tells. */
static enum gitea_result remove_one(const struct gitea *gitea, const struct entry_of *entry,
                                    const struct state *state, struct err *err)
{
    enum gitea_result result = entry->id > 0 ? gitea_delete(gitea, entry->id, err) : GITEA_ABSENT;

    return result == GITEA_ABSENT ? sweep(gitea, state, entry->title, err) : result;
}

static void say(const struct forge *forge, const struct state *state, const struct entry_of *entry,
                const struct err *why)
{
    char key[64] = "a deploy key that may have been registered";

    if (entry->id > 0)
        snprintf(key, sizeof key, "deploy key %lld", (long long)entry->id);
    fprintf(stderr, "hostctl %s: %s: %s, \"%s\", of %s/%s at %s, %s: %s\n", forge->command, state->name, key,
            entry->title, entry->owner, entry->repo, entry->url,
            forge->forget ? "was not deleted and is forgotten" : "stays there", why->text);
}

/* Whether it is gone, or to be forgotten. *mute: the last server that gave no answer, which is not asked again. */
static bool finish(const json_t *key, const struct forge *forge, const struct state *state,
                   char mute[FORGE_URL_MAX + 1])
{
    enum gitea_result result = GITEA_REFUSED;
    struct entry_of entry;
    struct err err;

    if (!entry_read(key, &entry)) {
        fprintf(stderr, "hostctl %s: %s: a deploy key in its record is damaged%s\n", forge->command,
                state->name, forge->forget ? ", and is forgotten" : "");
        return forge->forget;
    }
    struct gitea gitea = {.url = entry.url,
                          .owner = entry.owner,
                          .repo = entry.repo,
                          .token = forge_token(forge, entry.variable),
                          .seconds = END_SECONDS,
                          .interrupt = -1};
    if (gitea.token == NULL)
        err_set(&err, "the environment variable %s is not set, or holds no token", entry.variable);
    else if (strcmp(mute, entry.url) == 0)
        err_set(&err, "not tried, since the server did not answer");
    else
        result = remove_one(&gitea, &entry, state, &err);
    if (result == GITEA_UNKNOWN)
        snprintf(mute, FORGE_URL_MAX + 1, "%s", entry.url);
    if (result == GITEA_DONE)
        return true;
    say(forge, state, &entry, &err);
    return forge->forget;
}

int deploy_keys_remove(struct state *state, const struct forge *forge, struct err *err)
{
    char mute[FORGE_URL_MAX + 1] = "";
    const char *name;
    size_t left = 0;
    json_t *key;
    void *next;

    if (state_deploy_keys(state) == NULL)
        return 0;
    guard(state);
    json_object_foreach_safe((json_t *)state_deploy_keys(state), next, name, key)
    {
        char copy[GATE_NAME_MAX + 1]; /* the name goes with what it names */
        snprintf(copy, sizeof copy, "%s", name);
        if (!finish(key, forge, state, mute))
            left++;
        else if (state_set_deploy_key(state, copy, NULL, err) != 0)
            return -1;
    }
    if (left == 0)
        return 0;
    return err_set(err, "%s: %zu deploy key%s could not be deleted; \"hostctl gc\" tries again", state->name,
                   left, left == 1 ? "" : "s");
}
