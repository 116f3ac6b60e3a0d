/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * policy_store: JSON in, sealed memfds out. A policy that does not validate never becomes a version, and a
 * version never changes. The sidecar's own members are added here and cannot come from outside: validation
 * refuses them there.
 */
#include "init/policy_store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "init/digest.h"
#include "sys/channel.h"

#define NO_FDS                                                                                               \
    {                                                                                                        \
        -1, -1, -1, -1                                                                                       \
    } /* of a version's sections */

/* Which members of the policy, and of each route, approval and repository, a kind of worker gets. NULL ends; it gets none of
 * what nothing is said of. */
static const struct section {
    const char *members[8];
    const char *route_members[16];
    const char *approval_members[12];
    const char *repo_members[8];
} sections[POLICY_SECTIONS] = {
    [POLICY_FOR_DNS] = {.members = {"protocol", "dns", NULL},
                        .route_members = {"host", "allow_private", "ports", "tcp", NULL},
                        .approval_members = {"host", NULL},
                        .repo_members = {"name", "url", "host_key", NULL}},
    [POLICY_FOR_GATE] = {.members = {"protocol", "gate", "hold", "on_canary", NULL}},
    [POLICY_FOR_PUSH] = {.members = {"protocol", NULL}, .repo_members = {"name", "url", "host_key", NULL}},
    [POLICY_FOR_PROXY] = {.members = {"protocol", "extra_ca", "hold", "ignore", "on_canary", NULL},
                          .route_members = {"host", "allow_private", "tls", "ports", "tcp", "auth", "cookies",
                                            "insecure", "git_fetch", "matches", "deny", "dlp", NULL},
                          .approval_members = {"id", "host", "port", "tls", "method", "path", "value",
                                               "surface", "once", NULL}},
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

static json_t *list_copy(const json_t *list, const char *const *members)
{
    json_t *copy = json_array(), *item;
    size_t at;
    if (members[0] == NULL)
        return copy;
    json_array_foreach(list, at, item) {
        if (json_array_append_new(copy, members_copy(item, members)) < 0) {
            json_decref(copy);
            return NULL;
        }
    }
    return copy;
}

/* Those of values open no host, and concern the proxy alone. */
static json_t *approvals_copy(json_t *approvals, const char *const *members, bool values)
{
    json_t *list = json_array(), *approval;
    size_t at;
    json_array_foreach(approvals, at, approval) {
        if (values || json_object_get(approval, "value") == NULL)
            json_array_append(list, approval);
    }
    json_t *copy = list_copy(list, members);
    json_decref(list);
    return copy;
}

static json_t *gate_copy(const json_t *policy, const char *const *members)
{
    const json_t *repos = json_object_get(json_object_get(policy, "gate"), "repos");

    return json_pack("{s:o}", "repos", list_copy(repos, members));
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

/* Each of the proxies gets its part of every budget, so that all together send no more: the kernel spreads connections over
 * them, and what one has left no other one spends. The routes are a copy; what is in them is not. Returns 0 or -1. */
static int share_budgets(json_t *routes, unsigned proxies)
{
    size_t at;
    json_t *route;

    json_array_foreach(routes, at, route) {
        json_t *dlp = json_object_get(route, "dlp");
        json_int_t whole = json_integer_value(json_object_get(dlp, "budget"));
        if (whole == 0 || proxies == 1)
            continue;
        json_int_t part = whole / (json_int_t)proxies;
        json_t *own = json_copy(dlp);
        if (json_object_set_new(own, "budget", json_integer(part > 0 ? part : 1)) != 0) {
            json_decref(own);
            return -1;
        }
        if (json_object_set_new(route, "dlp", own) != 0)
            return -1;
    }
    return 0;
}

/* The text of a section, to be freed with secrets_text_free; NULL when memory is out. The policy has passed validation.
 */
static char *section_text(const json_t *policy, const struct policy_version *version,
                          enum policy_section number, const struct policy_store *store)
{
    const struct section *section = &sections[number];
    char *text = NULL;
    json_t *cut = members_copy(policy, section->members);
    int status =
        cut == NULL
            ? -1
            : json_object_set_new(cut, "routes",
                                  list_copy(json_object_get(policy, "routes"), section->route_members));
    if (status == 0)
        status = share_budgets(json_object_get(cut, "routes"), store->proxies);
    if (status == 0 && json_array_size(version->approvals) > 0 && section->approval_members[0] != NULL)
        status = json_object_set_new(
            cut, "approvals",
            approvals_copy(version->approvals, section->approval_members, number == POLICY_FOR_PROXY));
    if (status == 0 && version->gates && section->repo_members[0] != NULL)
        status = json_object_set_new(cut, "gate", gate_copy(policy, section->repo_members));
    if (status == 0 && version->closed)
        status = json_object_set_new(cut, "closed", json_true());
    if (status == 0 && json_object_get(cut, "hold") != NULL)
        status = json_object_set_new(cut, "base", json_integer((json_int_t)version->base));
    if (status == 0 && json_object_get(cut, "hold") != NULL && store->value_key[0] != '\0')
        status = json_object_set_new(cut, "value_key", json_string(store->value_key));
    if (status == 0 &&
        json_object_set_new(cut, "generation", json_integer((json_int_t)version->generation)) == 0 &&
        json_object_set_new(cut, "sidecar", sidecar_of(store->net)) == 0)
        text = json_dumps(cut, JSON_COMPACT);
    json_decref(cut);
    return text;
}

static void version_close(struct policy_version *version)
{
    for (int i = 0; i < POLICY_SECTIONS; i++)
        if (version->generation != 0 && version->fds[i] >= 0)
            close(version->fds[i]);
    if (version->generation != 0 && version->database >= 0)
        close(version->database);
    if (version->generation != 0 && version->source >= 0)
        close(version->source);
    secrets_free(version->secrets);
    keys_free(version->keys);
    json_decref(version->policy);
    json_decref(version->approvals);
    json_decref(version->budgets);
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

/* Of a value that is only ever a "user:password", the password: the user is no secret. */
static struct str sensitive(const struct policy *policy, const struct secret_entry *entry)
{
    struct str value = secret_expose(entry->value);
    bool basic = false, whole = false;

    for (size_t i = 0; i < policy->route_count; i++) {
        const struct route_auth *auth = &policy->routes[i].auth;
        if (auth->secret_name == NULL || strcmp(auth->secret_name, entry->name) != 0)
            continue;
        basic = basic || auth->scheme == AUTH_BASIC;
        whole = whole || auth->scheme != AUTH_BASIC;
    }
    return basic && !whole ? policy_sensitive(AUTH_BASIC, value) : value;
}

/* What has to be compiled for the policy. Returns 0 or -1. */
static int source_make(const struct policy_store *store, struct policy_version *version,
                       const struct policy *policy, struct err *err)
{
    version->gates = policy->gate != NULL;
    version->searches =
        version->gates || policy->approvals.hold_denied; /* what is approved later is searched too */
    for (size_t i = 0; i < policy->route_count; i++)
        version->searches =
            version->searches || policy->routes[i].dlp.outbound + policy->routes[i].dlp.inbound > 0;
    if (!version->searches)
        return 0;
    json_t *known = json_object();
    for (size_t i = 0; version->secrets != NULL && i < version->secrets->count; i++) {
        const struct secret_entry *entry = &version->secrets->entries[i];
        struct str value = sensitive(policy, entry);
        json_object_set_new(known, entry->name, json_stringn(value.ptr, value.len));
    }
    json_t *source = json_pack("{s:o}", "secrets", known), *prints = NULL;
    if (version->keys != NULL && !store->has_print_key)
        err_set(err, "there is no randomness for fingerprints of keys");
    else if (version->keys != NULL)
        prints = gate_prints_make(store->print_key, version->keys, err);
    if ((version->keys != NULL && prints == NULL) ||
        (prints != NULL && json_object_set_new(source, "prints", prints) != 0)) {
        json_decref(source);
        return -1;
    }
    char *text = json_dumps(source, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(source);
    if (text != NULL && digest_hex(str_of(text), AUDIT_POLICY_TEXT, version->source_digest) == 0)
        version->source =
            channel_memfd("source", str_of(text)); /* it holds the values: none stay in ordinary memory */
    secrets_text_free(text);
    return version->source >= 0 ? 0 : err_set(err, "out of memory");
}

/* What status says of budgets. */
static void note_budgets(struct policy_version *version, const struct policy *policy)
{
    char name[HOST_MAX + 3];

    version->budgets = json_array();
    for (size_t i = 0; i < policy->route_count; i++) {
        const struct route *route = &policy->routes[i];
        if (route->dlp.budget == 0)
            continue;
        route_name(route, name);
        json_array_append_new(version->budgets,
                              json_pack("{s:s, s:I}", "host", name, "bytes", (json_int_t)route->dlp.budget));
    }
}

/* Whether a policy would have the operator asked for this. */
static bool would_ask(const struct policy *policy, const char *host, bool value)
{
    const struct route *route = policy_find(policy, host);
    if (!value)
        return policy->approvals.hold_denied && !approvals_ignore(&policy->approvals, host) && route == NULL;
    return policy->approvals.asks && route != NULL && route->dlp.outbound != 0 &&
           route->dlp.outbound_on_match == DLP_RULES_SUPERVISE;
}

/* What is left of approvals under a policy. */
static void approvals_keep(json_t *approvals, const struct policy *policy)
{
    for (size_t at = json_array_size(approvals); at-- > 0;) {
        const json_t *approval = json_array_get(approvals, at);
        const char *host = json_string_value(json_object_get(approval, "host"));
        if (host == NULL) /* its section will not be taken */
            continue;
        if (!would_ask(policy, host, json_object_get(approval, "value") != NULL))
            json_array_remove(approvals, at);
    }
}

static int validate(const struct policy_store *store, const json_t *policy, struct policy_version *version,
                    struct err *err)
{
    struct policy *check;
    char *text = json_dumps(policy, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        return err_set(err, "out of memory");
    int status = policy_parse(str_of(text), false, &check, err);
    secrets_text_free(text);
    if (status != 0)
        return -1;
    status = policy_check_secrets(check, version->secrets, err);
    if (status == 0)
        status = gate_keys_check(version->keys, check, err);
    if (status == 0)
        status = source_make(store, version, check, err);
    approvals_keep(version->approvals, check);
    note_budgets(version, check);
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

void policy_store_init(struct policy_store *store, const struct net *net, unsigned proxies)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char key[APPROVAL_KEY];
    *store = (struct policy_store){.net = net, .proxies = proxies};
    store->has_print_key =
        getrandom(store->print_key, sizeof store->print_key, 0) == (ssize_t)sizeof store->print_key;
    if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key)
        return;
    for (size_t i = 0; i < 2 * sizeof key; i++)
        store->value_key[i] = hex[i % 2 == 0 ? key[i / 2] >> 4 : key[i / 2] & 15];
    explicit_bzero(key, sizeof key);
}

/* Checks and seals what is in *next but for its digest and its sections, and takes it over: `next` is it, or it is
 * closed. */
static int stage(struct policy_store *store, const json_t *policy, struct policy_version next,
                 struct err *err)
{
    if (validate(store, policy, &next, err) < 0 || digest_take(policy, next.digest, err) < 0) {
        version_close(&next);
        return -1;
    }
    if (next.gates && !store->keeps) {
        version_close(&next);
        return err_set(err, "policy: gate: this sidecar was started without a place for repositories");
    }
    next.policy = json_incref((json_t *)policy);
    next.closed = store->closed;
    for (int i = 0; i < POLICY_SECTIONS; i++) {
        char *text = section_text(policy, &next, (enum policy_section)i, store);
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

bool policy_version_ready(const struct policy_version *version)
{
    return !version->searches || version->database >= 0;
}

void policy_version_database(struct policy_version *version, int database)
{
    version->database = database;
}

bool policy_version_share(struct policy_version *version, const struct policy_version *other)
{
    if (version->source < 0 || other->generation == 0 || other->source < 0 || other->database < 0 ||
        strcmp(version->source_digest, other->source_digest) != 0)
        return false;
    version->database = fcntl(other->database, F_DUPFD_CLOEXEC, 0);
    return version->database >= 0;
}

int policy_store_stage(struct policy_store *store, const json_t *policy, const json_t *secrets,
                       const json_t *keys, struct err *err)
{
    struct policy_version next = {
        .generation = store->last + 1, .base = store->last + 1, .fds = NO_FDS, .source = -1, .database = -1};

    if (store->next.generation != 0)
        return err_set(err, "another policy is being applied");
    if (secrets_take(secrets, &next.secrets, err) < 0)
        return -1;
    if (gate_keys_take(&store->deploy, keys, &next.keys, err) < 0) {
        secrets_free(next.secrets);
        return -1;
    }
    next.approvals = json_copy(store->current.approvals);
    return stage(store, policy, next, err);
}

/* What is current, with these approvals. */
static int stage_again(struct policy_store *store, json_t *approvals, struct err *err)
{
    const struct policy_version *current = &store->current;
    struct policy_version next = {
        .generation = store->last + 1, .base = current->base, .fds = NO_FDS, .source = -1, .database = -1};

    if (store->next.generation != 0 || current->policy == NULL)
        return err_set(err,
                       current->policy == NULL ? "no policy is in force" : "another policy is being applied");
    if (current->secrets != NULL) {
        char *text = secrets_text(current->secrets);
        int status =
            text != NULL ? secrets_parse(str_of(text), &next.secrets, err) : err_set(err, "out of memory");
        secrets_text_free(text);
        if (status < 0)
            return -1;
    }
    if (current->keys != NULL && (next.keys = keys_copy(current->keys)) == NULL) {
        secrets_free(next.secrets);
        return err_set(err, "no locked memory is left for the keys (RLIMIT_MEMLOCK)");
    }
    next.approvals = approvals != NULL ? json_incref(approvals) : NULL;
    return stage(store, current->policy, next, err);
}

int policy_store_stage_approvals(struct policy_store *store, json_t *approvals, struct err *err)
{
    if (json_object_get(store->current.policy, "hold") == NULL)
        return err_set(err, "the policy has nothing held for the operator");
    return stage_again(store, approvals, err);
}

int policy_store_stage_egress(struct policy_store *store, struct err *err)
{
    json_t *approvals = json_copy(store->current.approvals);
    int status = stage_again(store, approvals, err);
    json_decref(approvals);
    return status;
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
