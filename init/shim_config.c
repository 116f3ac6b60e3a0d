/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_config: see the header. One table says which members there are; nothing is taken that it does not
 * name. Runs as root before the drop, on text from hostctl only: what the agent can write never comes here.
 */
#include "init/shim_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/trust_jks.h"

#define SAVED_NEW  SHIM_SAVED ".new"
#define CA_MAX     16384 /* bytes */
#define MOUNTS_MAX 4096
#define CA_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=- \n"

enum form { WHOLE = 1, SEALED = 2, OVERLAY = 4, BOTH = WHOLE | SEALED };

struct member {
    const char *name;
    int (*take)(struct shim_config *config, const json_t *value, struct err *err);
    unsigned allowed, required; /* forms */
};

static int id_take(const json_t *value, unsigned *id, struct err *err)
{
    json_int_t number = json_integer_value(value);

    /* 0 is root; (uid_t)-1 means "leave as it is" to setresuid(2). */
    if (!json_is_integer(value) || number < 1 || number >= UINT32_MAX)
        return err_set(err, "a number from 1 to %u is wanted", UINT32_MAX - 1);
    *id = (unsigned)number;
    return 0;
}

static int bool_take(const json_t *value, bool *to, struct err *err)
{
    if (!json_is_boolean(value))
        return err_set(err, "true or false is wanted");
    *to = json_is_true(value);
    return 0;
}

static int size_take(const json_t *value, unsigned short *to, struct err *err)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 1 || number > UINT16_MAX)
        return err_set(err, "a number from 1 to %u is wanted", UINT16_MAX);
    *to = (unsigned short)number;
    return 0;
}

static int address_take(const json_t *value, struct ip *to, struct err *err)
{
    if (!json_is_string(value) || ip_parse(str_of(json_string_value(value)), to) != 0 || to->family != 4)
        return err_set(err, "an IPv4 address is wanted");
    return 0;
}

static int protocol_take(struct shim_config *config, const json_t *value, struct err *err)
{
    (void)config;
    if (!json_is_integer(value) || json_integer_value(value) != SHIM_PROTOCOL)
        return err_set(err, "this shim speaks protocol %d", SHIM_PROTOCOL);
    return 0;
}

static int interface_take(struct shim_config *config, const json_t *value, struct err *err)
{
    size_t len = json_string_length(value);

    if (!json_is_string(value) || len == 0 || len >= sizeof config->interface ||
        strchr(json_string_value(value), '/'))
        return err_set(err, "the name of an interface is wanted");
    memcpy(config->interface, json_string_value(value), len + 1);
    return 0;
}

static int gateway_take(struct shim_config *config, const json_t *value, struct err *err)
{
    return address_take(value, &config->gateway, err);
}

static int resolver_take(struct shim_config *config, const json_t *value, struct err *err)
{
    return address_take(value, &config->resolver, err);
}

static int uid_take(struct shim_config *config, const json_t *value, struct err *err)
{
    return id_take(value, &config->uid, err);
}

static int gid_take(struct shim_config *config, const json_t *value, struct err *err)
{
    return id_take(value, &config->gid, err);
}

static int groups_take(struct shim_config *config, const json_t *value, struct err *err)
{
    if (!json_is_array(value) || json_array_size(value) > SHIM_GROUPS_MAX)
        return err_set(err, "a list of at most %d groups is wanted", SHIM_GROUPS_MAX);
    config->group_count = json_array_size(value);
    for (size_t i = 0; i < config->group_count; i++) {
        if (id_take(json_array_get(value, i), &config->groups[i], err) != 0)
            return -1;
    }
    return 0;
}

static int env_take(struct shim_config *config, const json_t *value, struct err *err)
{
    const char *name;
    json_t *text;

    if (!json_is_object(value))
        return err_set(err, "an object of strings is wanted");
    json_object_foreach((json_t *)(uintptr_t)value, name, text) {
        if (name[0] == '\0' || strchr(name, '='))
            return err_set(err, "\"%s\" is no name of a variable", name);
        if (!json_is_string(text))
            return err_set(err, "%s: a string is wanted", name);
        if (json_object_set(config->env, name, text) != 0)
            return err_set(err, "out of memory");
    }
    return 0;
}

static int cwd_take(struct shim_config *config, const json_t *value, struct err *err)
{
    char *cwd;

    if (!json_is_string(value) || json_string_value(value)[0] != '/')
        return err_set(err, "an absolute path is wanted");
    cwd = strdup(json_string_value(value));
    if (!cwd)
        return err_set(err, "out of memory");
    free(config->cwd);
    config->cwd = cwd;
    return 0;
}

static int ca_take(struct shim_config *config, const json_t *value, struct err *err)
{
    struct str text = {json_string_value(value), json_string_length(value)}, block;

    if (!json_is_string(value) || text.len > CA_MAX || strspn(text.ptr, CA_LETTERS) != text.len ||
        !pem_next(&text, &block) || block.ptr != json_string_value(value) || !str_equal(text, str_of("\n")))
        return err_set(err, "one certificate in PEM is wanted");
    config->ca = strdup(json_string_value(value));
    return config->ca ? 0 : err_set(err, "out of memory");
}

static int ca_hash_take(struct shim_config *config, const json_t *value, struct err *err)
{
    if (!json_is_string(value) || json_string_length(value) != sizeof config->ca_subject_hash - 1 ||
        strspn(json_string_value(value), "0123456789abcdef") != sizeof config->ca_subject_hash - 1)
        return err_set(err, "8 hexadecimal digits are wanted");
    memcpy(config->ca_subject_hash, json_string_value(value), sizeof config->ca_subject_hash);
    return 0;
}

/* The beginning of a URL, as it stands between quotes in git's configuration. */
static bool is_url(const json_t *value)
{
    size_t len = json_string_length(value);
    const char *text = json_string_value(value);

    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
            return false;
    return len > 0;
}

/* Once a configuration. */
static int git_take(struct shim_config *config, const json_t *value, struct err *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *name;
    json_t *forms, *form;
    size_t i;

    if (!json_is_object(value))
        return err_set(err, "an object of names and lists is wanted");
    json_object_foreach((json_t *)(uintptr_t)value, name, forms) {
        if (name[0] == '\0' || strlen(name) > 64 || strspn(name, letters) != strlen(name))
            return err_set(err, "\"%s\" is no name of a repository", name);
        if (!json_is_array(forms) || json_array_size(forms) == 0)
            return err_set(err, "%s: a list of URLs is wanted", name);
        json_array_foreach(forms, i, form) {
            if (!is_url(form))
                return err_set(err, "%s: a list of URLs is wanted", name);
        }
    }
    config->git = json_deep_copy(value);
    return config->git ? 0 : err_set(err, "out of memory");
}

/* Once a configuration: an overlay has none. */
static int mounts_take(struct shim_config *config, const json_t *value, struct err *err)
{
    size_t count = json_array_size(value);

    if (!json_is_array(value) || count > MOUNTS_MAX)
        return err_set(err, "a list of at most %d absolute paths is wanted", MOUNTS_MAX);
    config->mounts = calloc(count + 1, sizeof *config->mounts);
    for (size_t i = 0; config->mounts && i < count; i++) {
        const char *path = json_string_value(json_array_get(value, i));
        if (!path || path[0] != '/')
            return err_set(err, "a list of at most %d absolute paths is wanted", MOUNTS_MAX);
        if (!(config->mounts[i] = strdup(path)))
            return err_set(err, "out of memory");
        config->mount_count++;
    }
    return config->mounts ? 0 : err_set(err, "out of memory");
}

static int closed_take(struct shim_config *config, const json_t *value, struct err *err)
{
    if (!json_is_array(value) || json_array_size(value) > SHIM_CLOSED_MAX)
        return err_set(err, "a list of at most %d addresses is wanted", SHIM_CLOSED_MAX);
    for (config->closed_count = 0; config->closed_count < json_array_size(value); config->closed_count++)
        if (address_take(json_array_get(value, config->closed_count), &config->closed[config->closed_count],
                         err) != 0)
            return -1;
    return 0;
}

static int terminal_take(struct shim_config *config, const json_t *value, struct err *err)
{
    return bool_take(value, &config->terminal, err);
}

static int rows_take(struct shim_config *config, const json_t *value, struct err *err)
{
    return size_take(value, &config->rows, err);
}

static int columns_take(struct shim_config *config, const json_t *value, struct err *err)
{
    return size_take(value, &config->columns, err);
}

static int die_take(struct shim_config *config, const json_t *value, struct err *err)
{
    return bool_take(value, &config->die_with_parent, err);
}

static int sealed_take(struct shim_config *config, const json_t *value, struct err *err)
{
    return bool_take(value, &config->sealed, err);
}

static int user_namespaces_take(struct shim_config *config, const json_t *value, struct err *err)
{
    return bool_take(value, &config->user_namespaces, err);
}

static const struct member members[] = {
    {"protocol", protocol_take, BOTH, BOTH},
    {"interface", interface_take, BOTH, BOTH},
    {"gateway", gateway_take, BOTH, BOTH},
    {"resolver", resolver_take, BOTH, BOTH},
    {"uid", uid_take, WHOLE, WHOLE},
    {"gid", gid_take, WHOLE, WHOLE},
    {"groups", groups_take, WHOLE, 0},
    {"env", env_take, BOTH | OVERLAY, BOTH},
    {"cwd", cwd_take, BOTH | OVERLAY, BOTH},
    {"ca", ca_take, BOTH, 0},
    {"ca_subject_hash", ca_hash_take, BOTH, 0},
    {"git", git_take, BOTH, 0},
    {"mounts", mounts_take, WHOLE, 0},
    {"closed", closed_take, WHOLE, 0},
    {"terminal", terminal_take, WHOLE | OVERLAY, 0},
    {"rows", rows_take, WHOLE | OVERLAY, 0},
    {"columns", columns_take, WHOLE | OVERLAY, 0},
    {"die_with_parent", die_take, WHOLE, 0},
    {"sealed", sealed_take, BOTH, 0},
    {"user_namespaces", user_namespaces_take, BOTH, 0},
};

#define MEMBERS (sizeof members / sizeof *members)

static int members_take(const json_t *root, struct shim_config *config, enum form form, struct err *err)
{
    const char *name;
    json_t *value;

    if (!json_is_object(root))
        return err_set(err, "an object is wanted");
    json_object_foreach((json_t *)(uintptr_t)root, name, value) {
        size_t i = 0;

        while (i < MEMBERS && strcmp(members[i].name, name) != 0)
            i++;
        if (i == MEMBERS || !(members[i].allowed & form))
            return err_set(err, "unknown member \"%s\"", name);
        if (members[i].take(config, value, err) != 0)
            return err_prefix(err, "%s", name);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        if ((members[i].required & form) && !json_object_get(root, members[i].name))
            return err_set(err, "member \"%s\" is missing", members[i].name);
    }
    return 0;
}

static int text_take(struct str json, struct shim_config *config, bool overlay, struct err *err)
{
    json_error_t error;
    json_t *root = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &error);
    int result;

    if (!root)
        return err_set(err, "configuration: %s", error.text);
    enum form form = overlay ? OVERLAY : json_is_true(json_object_get(root, "sealed")) ? SEALED : WHOLE;
    result = members_take(root, config, form, err);
    json_decref(root);
    return result == 0 ? 0 : err_prefix(err, "configuration");
}

int shim_config_parse(struct str json, struct shim_config *config, struct err *err)
{
    *config = (struct shim_config){.rows = 24, .columns = 80, .env = json_object()};
    if (!config->env)
        return err_set(err, "out of memory");
    if (text_take(json, config, false, err) == 0)
        return 0;
    shim_config_fini(config);
    return -1;
}

int shim_config_overlay(struct str json, struct shim_config *config, struct err *err)
{
    return text_take(json, config, true, err);
}

void shim_config_fini(struct shim_config *config)
{
    json_decref(config->env);
    json_decref(config->git);
    free(config->cwd);
    free(config->ca);
    for (size_t i = 0; i < config->mount_count; i++)
        free(config->mounts[i]);
    free(config->mounts);
    config->mounts = NULL;
    config->mount_count = 0;
    config->env = config->git = NULL;
    config->cwd = config->ca = NULL;
}

/* A directory of root's that nobody else may look into; made when it is missing. In a container without
 * privileges it is a mount of its own, which nobody but the agent's user is beside. */
static int directory_check(struct err *err)
{
    bool root = geteuid() == 0;
    struct stat status;

    if (root && mkdir("/run", 0755) != 0 && errno != EEXIST)
        return err_set_errno(err, "/run");
    if (root && mkdir(SHIM_FOLDER, 0700) != 0 && errno != EEXIST)
        return err_set_errno(err, SHIM_FOLDER);
    if (lstat(SHIM_FOLDER, &status) != 0)
        return err_set_errno(err, SHIM_FOLDER);
    /* One that the engine mounted is everybody's until now; of whom there is nobody yet. */
    if (root && S_ISDIR(status.st_mode) && status.st_uid == 0 && getpid() == 1 && (status.st_mode & 077)) {
        if (chmod(SHIM_FOLDER, 0700) != 0)
            return err_set_errno(err, SHIM_FOLDER);
        status.st_mode &= ~(mode_t)077;
    }
    if (!S_ISDIR(status.st_mode) || (root && (status.st_uid != 0 || (status.st_mode & 077))))
        return err_set(err, SHIM_FOLDER " is not root's alone");
    return 0;
}

int shim_config_save(struct str json, struct err *err)
{
    int fd;
    bool written;

    if (directory_check(err) != 0)
        return -1;
    unlink(SAVED_NEW);
    fd = open(SAVED_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, SAVED_NEW);
    written = write(fd, json.ptr, json.len) == (ssize_t)json.len;
    if (close(fd) != 0 || !written || rename(SAVED_NEW, SHIM_SAVED) != 0) {
        err_set_errno(err, SHIM_SAVED);
        unlink(SAVED_NEW);
        return -1;
    }
    return 0;
}

int shim_config_load(struct shim_config *config, struct err *err)
{
    struct stat status;
    struct str text = {0};
    char *bytes = NULL;
    int fd = open(SHIM_SAVED, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), result = -1;

    if (fd < 0)
        return err_set_errno(err, SHIM_SAVED);
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
        (status.st_mode & 077))
        err_set(err, SHIM_SAVED " is not this user's alone");
    else if (status.st_size <= 0 || status.st_size > SHIM_CONFIG_MAX ||
             !(bytes = malloc((size_t)status.st_size)))
        err_set(err, SHIM_SAVED " is empty or too large");
    else if (read(fd, bytes, (size_t)status.st_size) != status.st_size)
        err_set_errno(err, SHIM_SAVED);
    else {
        text = (struct str){.ptr = bytes, .len = (size_t)status.st_size};
        result = shim_config_parse(text, config, err);
    }
    free(bytes);
    close(fd);
    return result;
}

char **shim_config_environment(const struct shim_config *config)
{
    char **environment = calloc(json_object_size(config->env) + 2, sizeof *environment);
    size_t count = 0;
    const char *name;
    json_t *value;

    if (!environment)
        return NULL;
    json_object_foreach(config->env, name, value) {
        if (asprintf(&environment[count++], "%s=%s", name, json_string_value(value)) < 0)
            return NULL; /* the process is about to end */
    }
    if (config->terminal && !json_object_get(config->env, "TERM"))
        environment[count] = strdup("TERM=xterm-256color");
    return environment;
}
