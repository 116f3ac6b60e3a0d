/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * policy_store: JSON in, sealed memfds out. A policy that does not validate never becomes a version, and a
 * version never changes. The sidecar's own members are added here and cannot come from outside: validation
 * refuses them there.
 */
#include "init/policy_store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init/digest.h"
#include "sys/channel.h"

/* Which members of the policy, and of each route, a kind of worker gets. NULL ends; an absent list of routes'
 * = all. */
static const struct section {
    const char *members[4];
    const char *route_members[12];
} sections[POLICY_SECTIONS] = {
    [POLICY_FOR_DNS] = {{"protocol", "dns", NULL}, {"host", "allow_private", "ports", NULL}},
    [POLICY_FOR_PROXY] = {{"protocol", "extra_ca", NULL},
                          {"host", "allow_private", "tls", "ports", "auth", "cookies", "insecure",
                           "git_fetch", "matches", "deny", NULL}},
};

static json_t *members_copy(const json_t *from, const char *const *members)
{
    json_t *to = json_object();
    for (; *members != NULL; members++) {
        json_t *value = json_object_get(from, *members);
        if (value != NULL && json_object_set(to, *members, value) < 0) {
            json_decref(to);
            return NULL;
        }
    }
    return to;
}

static json_t *routes_copy(const json_t *policy, const char *const *members)
{
    json_t *routes = json_array(), *route;
    size_t at;
    json_array_foreach(json_object_get(policy, "routes"), at, route) {
        if (json_array_append_new(routes, members_copy(route, members)) < 0) {
            json_decref(routes);
            return NULL;
        }
    }
    return routes;
}

static json_t *sidecar_of(const struct net *net)
{
    char text[IP_TEXT];
    json_t *own = json_array();
    for (size_t i = 0; i < net->own_count; i++) {
        ip_format(&net->own[i].ip, text);
        json_array_append_new(own, json_sprintf("%s/%u", text, net->own[i].length));
    }
    ip_format(&net->agent_address, text);
    json_t *sidecar = json_pack("{s:s, s:o}", "agent_address", text, "own", own);
    if (net->host.family != 0) {
        ip_format(&net->host, text);
        json_object_set_new(sidecar, "host", json_string(text));
    }
    return sidecar;
}

char *policy_section(const json_t *policy, enum policy_section section, uint64_t generation,
                     const struct net *net)
{
    char *text = NULL;
    json_t *cut = members_copy(policy, sections[section].members);
    if (cut != NULL &&
        json_object_set_new(cut, "routes", routes_copy(policy, sections[section].route_members)) == 0 &&
        json_object_set_new(cut, "generation", json_integer((json_int_t)generation)) == 0 &&
        json_object_set_new(cut, "sidecar", sidecar_of(net)) == 0)
        text = json_dumps(cut, JSON_COMPACT);
    json_decref(cut);
    return text;
}

static void version_close(struct policy_version *version)
{
    for (int i = 0; i < POLICY_SECTIONS; i++)
        if (version->generation != 0 && version->fds[i] >= 0)
            close(version->fds[i]);
    secrets_free(version->secrets);
    *version = (struct policy_version){0};
}

/* Checks the section as its worker will. Returns the memfd, or -1 with err. */
static int section_seal(const char *text, struct err *err)
{
    struct policy *check;
    struct str bytes = str_of(text);
    if (text == NULL)
        return err_set(err, "out of memory");
    if (policy_parse(bytes, true, &check, err) < 0)
        return -1;
    policy_unref(check);
    int fd = channel_memfd("policy", bytes);
    return fd < 0 ? err_set_errno(err, "sealing the policy") : fd;
}

static int validate(const json_t *policy, struct secrets *secrets, struct err *err)
{
    struct policy *check;
    char *text = json_dumps(policy, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        return err_set(err, "out of memory");
    int status = policy_parse(str_of(text), false, &check, err);
    secrets_text_free(text);
    if (status != 0)
        return -1;
    status = policy_check_secrets(check, secrets, err);
    policy_unref(check);
    return status;
}

static int secrets_take(const json_t *object, struct secrets **secrets, struct err *err)
{
    *secrets = NULL;
    if (object == NULL)
        return 0;
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        return err_set(err, "out of memory");
    int status = secrets_parse(str_of(text), secrets, err);
    secrets_text_free(text);
    return status;
}

int policy_version_secrets(const struct policy_version *version)
{
    char *text = secrets_text(version->secrets);
    int fd = -1;

    if (text != NULL)
        fd = channel_memfd("secrets", str_of(text));
    secrets_text_free(text);
    return fd;
}

/* The same policy has the same digest, however it was written. It holds names of secrets and no values. */
static int digest_take(const json_t *policy, char digest[AUDIT_POLICY_TEXT + 1], struct err *err)
{
    char *text = json_dumps(policy, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    int status = text != NULL ? digest_hex(str_of(text), AUDIT_POLICY_TEXT, digest) : -1;
    secrets_text_free(text);
    return status == 0 ? 0 : err_set(err, "out of memory");
}

void policy_store_init(struct policy_store *store, const struct net *net)
{
    *store = (struct policy_store){.net = net};
}

int policy_store_stage(struct policy_store *store, const json_t *policy, const json_t *secrets,
                       struct err *err)
{
    struct policy_version next = {.generation = store->last + 1, .fds = {-1, -1}};

    if (store->next.generation != 0)
        return err_set(err, "another policy is being applied");
    if (secrets_take(secrets, &next.secrets, err) < 0)
        return -1;
    if (validate(policy, next.secrets, err) < 0 || digest_take(policy, next.digest, err) < 0) {
        version_close(&next);
        return -1;
    }
    for (int i = 0; i < POLICY_SECTIONS; i++) {
        char *text = policy_section(policy, (enum policy_section)i, next.generation, store->net);
        next.fds[i] = section_seal(text, err);
        secrets_text_free(text);
        if (next.fds[i] < 0) {
            version_close(&next);
            return -1;
        }
    }
    store->last = next.generation;
    store->next = next;
    return 0;
}

void policy_store_commit(struct policy_store *store)
{
    version_close(&store->current);
    store->current = store->next;
    store->next = (struct policy_version){0};
}

void policy_store_drop(struct policy_store *store)
{
    version_close(&store->next);
}
