/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate: see gate.h. Strict: what is not understood is an error (json_in.h). */
#include "core/gate.h"

#include <stdlib.h>
#include <string.h>

#include "core/json_in.h"
#include "core/policy.h"

static int out_of_memory(struct err *err)
{
    return err_set(err, "out of memory");
}

/* A string of 1 to `most` printable bytes, a space not among them. */
static int read_word(const json_t *value, size_t most, char **into, struct err *err)
{
    struct str text = json_in_text(value);

    if (!json_is_string(value))
        return err_set(err, "expected a string, found %s", json_in_type(value));
    if (text.len == 0 || text.len > most)
        return err_set(err, "not 1 to %zu bytes", most);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return err_set(err, "a space or a control character");
    *into = strdup(text.ptr);
    return *into != NULL ? 0 : out_of_memory(err);
}

static int read_patterns(json_t *value, struct gate_patterns *patterns, struct err *err)
{
    size_t count = json_array_size(value);

    if (!json_is_array(value) || count == 0 || count > GATE_PATTERNS_MAX)
        return err_set(err, "expected an array of 1 to %d patterns", GATE_PATTERNS_MAX);
    patterns->list = calloc(count, sizeof *patterns->list);
    if (patterns->list == NULL)
        return out_of_memory(err);
    for (; patterns->count < count; patterns->count++)
        if (read_word(json_array_get(value, patterns->count), GATE_PATTERN_MAX,
                      &patterns->list[patterns->count], err) != 0)
            return err_prefix(err, "[%zu]", patterns->count);
    return 0;
}

static int read_allow(json_t *value, void *into, struct err *err)
{
    return read_patterns(value, &((struct gate_push *)into)->allow, err);
}

static int read_deny(json_t *value, void *into, struct err *err)
{
    return read_patterns(value, &((struct gate_push *)into)->deny, err);
}

static int read_protect_paths(json_t *value, void *into, struct err *err)
{
    return read_patterns(value, &((struct gate_push *)into)->protect_paths, err);
}

/* The opposite of what is written. */
static int read_not(json_t *value, bool *into, struct err *err)
{
    bool said = false;
    int status = json_in_bool(value, &said, err);

    *into = !said;
    return status;
}

static int read_force(json_t *value, void *into, struct err *err)
{
    return read_not(value, &((struct gate_push *)into)->no_force, err);
}

static int read_delete(json_t *value, void *into, struct err *err)
{
    return read_not(value, &((struct gate_push *)into)->no_delete, err);
}

static int read_max_pack(json_t *value, void *into, struct err *err)
{
    json_int_t size = json_integer_value(value);

    if (size < 1 || size > GATE_PACK_MB)
        return err_set(err, "expected an integer from 1 to %d", GATE_PACK_MB);
    ((struct gate_push *)into)->max_pack_mb = (unsigned)size;
    return 0;
}

static int read_push(json_t *value, void *into, struct err *err)
{
    static const struct json_in_member members[] = {{"allow", read_allow, false},
                                                    {"deny", read_deny, false},
                                                    {"force", read_force, false},
                                                    {"delete", read_delete, false},
                                                    {"protect_paths", read_protect_paths, false},
                                                    {"max_pack_mb", read_max_pack, false},
                                                    {NULL, NULL, false}};
    return json_in_object(value, members, false, &((struct gate_repo *)into)->push, err);
}

static int read_name(json_t *value, void *into, struct err *err)
{
    struct str text = json_in_text(value);

    if (!gate_is_name(text))
        return err_set(err, "not the name of a repository");
    memcpy(((struct gate_repo *)into)->name, text.ptr, text.len + 1);
    return 0;
}

static int read_url(json_t *value, void *into, struct err *err)
{
    struct gate_repo *repo = into;
    struct str text = json_in_text(value);
    const char *problem = json_is_string(value) ? gate_url_take(text, &repo->from) : "is no string";

    if (problem != NULL)
        return err_set(err, "%s", problem);
    repo->url = strdup(text.ptr);
    return repo->url != NULL ? 0 : out_of_memory(err);
}

static int read_host_key(json_t *value, void *into, struct err *err)
{
    struct gate_repo *repo = into;
    struct str text = json_in_text(value);

    if (!gate_is_host_key(text))
        return err_set(err, "not \"TYPE BASE64\" of the types " GATE_HOST_KEY_TYPES);
    repo->host_key = strdup(text.ptr);
    return repo->host_key != NULL ? 0 : out_of_memory(err);
}

static int read_repo(json_t *value, const struct gate *gate, struct gate_repo *repo, struct err *err)
{
    static const struct json_in_member members[] = {{"name", read_name, false},
                                                    {"url", read_url, false},
                                                    {"host_key", read_host_key, false},
                                                    {"push", read_push, false},
                                                    {NULL, NULL, false}};

    repo->push.max_pack_mb = GATE_PACK_MB;
    if (json_in_object(value, members, false, repo, err) != 0)
        return -1;
    if (repo->name[0] == '\0' || repo->url == NULL || repo->host_key == NULL)
        return err_set(err, "\"name\", \"url\" or \"host_key\" is missing");
    for (const struct gate_repo *other = gate->repos; other < repo; other++)
        if (strcmp(other->name, repo->name) == 0)
            return err_set(err, "\"%s\" is already repos[%zu]", repo->name, (size_t)(other - gate->repos));
    return 0;
}

static int read_repos(json_t *value, void *into, struct err *err)
{
    struct gate *gate = into;
    size_t count = json_array_size(value);

    if (!json_is_array(value) || count == 0 || count > GATE_REPOS_MAX)
        return err_set(err, "expected an array of 1 to %d repositories", GATE_REPOS_MAX);
    gate->repos = calloc(count, sizeof *gate->repos);
    if (gate->repos == NULL)
        return out_of_memory(err);
    for (size_t i = 0; i < count; i++) {
        gate->repo_count = i + 1;
        if (read_repo(json_array_get(value, i), gate, &gate->repos[i], err) != 0)
            return err_prefix(err, "[%zu]", i);
    }
    return 0;
}

static int read_on_finding(json_t *value, void *into, struct err *err)
{
    struct str text = json_in_text(value);

    if (!str_equal(text, str_of("block")) && !str_equal(text, str_of("supervise")))
        return err_set(err, "the values are \"block\" and \"supervise\"");
    ((struct gate *)into)->supervise = text.ptr[0] == 's';
    return 0;
}

static int read_scanner(json_t *value, void *into, struct err *err)
{
    struct gate *gate = into;

    if (read_word(value, GATE_SCANNER_MAX, &gate->scanner, err) != 0)
        return -1;
    return gate->scanner[0] == '/' ? 0 : err_set(err, "not an absolute path");
}

static int read_prefetch(json_t *value, void *into, struct err *err)
{
    return read_not(value, &((struct gate *)into)->no_prefetch, err);
}

static int read_storage(json_t *value, void *into, struct err *err)
{
    json_int_t size = json_integer_value(value);

    if (size < 1 || size > GATE_STORAGE_MAX)
        return err_set(err, "expected an integer from 1 to %d", GATE_STORAGE_MAX);
    ((struct gate *)into)->storage_mb = (unsigned)size;
    return 0;
}

int gate_read(json_t *value, void *policy, struct err *err)
{
    static const struct json_in_member members[] = {
        {"repos", read_repos, false},        {"on_finding", read_on_finding, false},
        {"scanner", read_scanner, false},    {"prefetch", read_prefetch, false},
        {"storage_mb", read_storage, false}, {NULL, NULL, false}};
    struct gate *gate = calloc(1, sizeof *gate);

    ((struct policy *)policy)->gate = gate;
    if (gate == NULL)
        return out_of_memory(err);
    gate->storage_mb = GATE_STORAGE_MB;
    if (json_in_object(value, members, false, gate, err) != 0)
        return -1;
    return gate->repo_count > 0 ? 0 : err_set(err, "\"repos\" is missing");
}

static void patterns_fini(struct gate_patterns *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        free(patterns->list[i]);
    free(patterns->list);
}

void gate_free(struct gate *gate)
{
    if (gate == NULL)
        return;
    for (size_t i = 0; i < gate->repo_count; i++) {
        struct gate_repo *repo = &gate->repos[i];
        free(repo->url);
        free(repo->host_key);
        patterns_fini(&repo->push.allow);
        patterns_fini(&repo->push.deny);
        patterns_fini(&repo->push.protect_paths);
    }
    free(gate->repos);
    free(gate->scanner);
    free(gate);
}

const struct gate_repo *gate_find(const struct gate *gate, struct str name)
{
    for (size_t i = 0; gate != NULL && i < gate->repo_count; i++)
        if (str_equal(name, str_of(gate->repos[i].name)))
            return &gate->repos[i];
    return NULL;
}

const struct gate_repo *gate_at(const struct gate *gate, const char *host)
{
    for (size_t i = 0; gate != NULL && i < gate->repo_count; i++)
        if (gate->repos[i].from.address.family == 0 && strcmp(gate->repos[i].from.host, host) == 0)
            return &gate->repos[i];
    return NULL;
}
