/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host_keys: see host_keys.h. What ssh-keyscan says comes from whoever answers there: it is bounded in size and time, and
 * nothing of it is shown that is not a key. */
#include "hostctl/host_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/known_hosts.h"
#include "hostctl/rt_oci_run.h"
#include "hostctl/terminal.h"

#define SCAN_SECONDS "5"    /* that a host may take to answer */
#define SCAN_MS      10000  /* for it to say all */
#define SCAN_MAX     65536u /* bytes */

/* What is asked for, the best first. */
static const struct {
    const char *type, *scan; /* ssh-keyscan's word for it */
} kinds[] = {{"ssh-ed25519", "ed25519"},
             {"ecdsa-sha2-nistp256", "ecdsa"},
             {"ecdsa-sha2-nistp384", "ecdsa"},
             {"ecdsa-sha2-nistp521", "ecdsa"},
             {"ssh-rsa", "rsa"}};

#define KINDS (sizeof kinds / sizeof kinds[0])

static size_t kind_of(struct str key)
{
    size_t kind = 0;

    while (kind < KINDS && !str_equal(host_key_type(key), str_of(kinds[kind].type)))
        kind++;
    return kind;
}

/* The best key of "HOST TYPE BASE64" lines; false: there is none. */
static bool best_of(struct str said, char key[HOST_KEY_MAX + 1])
{
    size_t best = KINDS;

    while (said.len > 0) {
        const char *end = memchr(said.ptr, '\n', said.len);
        struct str line = {said.ptr, end != NULL ? (size_t)(end - said.ptr) : said.len};
        said.ptr += line.len + (end != NULL);
        said.len -= line.len + (end != NULL);
        const char *space = memchr(line.ptr, ' ', line.len);
        if (space == NULL || line.ptr[0] == '#')
            continue;
        struct str text = {space + 1, (size_t)(line.ptr + line.len - (space + 1))};
        size_t kind = host_key_is(text) ? kind_of(text) : KINDS;
        if (kind >= best)
            continue;
        best = kind;
        memcpy(key, text.ptr, text.len);
        key[text.len] = '\0';
    }
    return best < KINDS;
}

/* Asks the host. `type`: of the key that is wanted, NULL for any. Returns 1 with a key, 0 when none came (err says why), or
 * -1 with err: nobody can be asked. */
static int scan(const struct gate_url *url, const char *type, char key[HOST_KEY_MAX + 1], struct err *err)
{
    /* The machine that the bottle knows by that name is this one. */
    const char *host = strcmp(url->host, POLICY_HOST_SERVICE) == 0 ? "127.0.0.1" : url->host;
    struct words words = {.list = NULL};
    struct buf out;

    words_list(&words, (const char *const[]){"ssh-keyscan", "-T", SCAN_SECONDS, "-t", NULL});
    words_add(&words, type != NULL ? kinds[kind_of(str_of(type))].scan : "ed25519,ecdsa,rsa");
    words_addf(&words, "-p%u", url->port);
    words_list(&words, (const char *const[]){"--", host, NULL});
    buf_init(&out, SCAN_MAX);
    struct run run = {.out = &out, .interrupt = -1, .limit_ms = SCAN_MS};
    int status = run_words(&words, &run, err);
    int result = status < 0 ? -1 : best_of(buf_str(&out), key);
    buf_fini(&out);
    words_free(&words);
    if (result == 0)
        err_set(err, "no key came from it within " SCAN_SECONDS " seconds");
    return result;
}

static int refuse(const struct manifest_repo *repo, struct report *report, const char *text)
{
    char key[128];

    snprintf(key, sizeof key, "git-gate.repos.%s.host_key", repo->name.text);
    report_file(report, repo->name.file);
    report_add(report, repo->name.line, key, "%s", text);
    return -1;
}

/* The remembered key is compared, where the host can be asked. */
static int compare(const struct manifest_repo *repo, const char *known, struct report *report)
{
    char key[HOST_KEY_MAX + 1], type[64], name[KNOWN_HOSTS_NAME], path[PATH_MAX], text[PATH_MAX + 1024];
    char old[HOST_KEY_FINGERPRINT], new[HOST_KEY_FINGERPRINT];
    struct str is = host_key_type(str_of(known));
    struct err err;

    snprintf(type, sizeof type, "%.*s", (int)is.len, is.ptr);
    if (scan(&repo->from, type, key, &err) != 1 || strcmp(key, known) == 0)
        return 0; /* ssh compares it again, at each connection */
    known_hosts_name(&repo->from, name);
    host_key_fingerprint(str_of(known), old);
    host_key_fingerprint(str_of(key), new);
    if (known_hosts_path(path, &err) != 0)
        return refuse(repo, report, err.text);
    is = host_key_type(str_of(key));
    snprintf(text, sizeof text,
             "the key of %s has changed: remembered is %s %s, now it shows %.*s %s. Somebody may be in its "
             "place. If its "
             "operator says that the new one is right, forget the old one: ssh-keygen -f '%s' -R '%s'",
             name, type, old, (int)is.len, is.ptr, new, path, name);
    return refuse(repo, report, text);
}

static bool ask(const struct manifest_repo *repo, const char *name, const char *key, const char *fingerprint)
{
    struct str type = host_key_type(str_of(key));

    fprintf(stderr,
            "%s is a host that no bottle had a repository on before (git-gate.repos.%s of %s).\n"
            "  type    %.*s\n  key     %s\n"
            "Is this its key? Compare it with what its operator says. [y/N] ",
            name, repo->name.text, repo->name.file, (int)type.len, type.ptr, fingerprint);
    return terminal_yes();
}

/* A host that is not known yet. */
static int meet(const struct manifest_repo *repo, const char *command, char key[HOST_KEY_MAX + 1],
                struct report *report)
{
    char name[KNOWN_HOSTS_NAME], fingerprint[HOST_KEY_FINGERPRINT], text[HOST_KEY_MAX + 1024];
    struct err err;

    known_hosts_name(&repo->from, name);
    if (scan(&repo->from, NULL, key, &err) != 1) {
        snprintf(text, sizeof text, "is not there, and %s cannot be asked for its key: %s", name, err.text);
        return refuse(repo, report, text);
    }
    host_key_fingerprint(str_of(key), fingerprint);
    if (!terminal_asks()) {
        snprintf(text, sizeof text,
                 "is not there, and there is no terminal to ask on. %s shows a key with the fingerprint %s; "
                 "if that is right, "
                 "write: host_key: %s",
                 name, fingerprint, key);
        return refuse(repo, report, text);
    }
    if (!ask(repo, name, key, fingerprint)) {
        snprintf(text, sizeof text, "the key of %s was not accepted", name);
        return refuse(repo, report, text);
    }
    if (known_hosts_add(&repo->from, key, &err) != 0)
        return refuse(repo, report, err.text);
    fprintf(stderr, "hostctl %s: the key of %s is remembered\n", command, name);
    return 0;
}

/* A repository before this one, at the same host and port. */
static const struct manifest_repo *earlier(const struct manifest *manifest, size_t index)
{
    const struct gate_url *url = &manifest->repos[index].from;

    for (size_t i = 0; i < index; i++)
        if (strcmp(manifest->repos[i].from.host, url->host) == 0 && manifest->repos[i].from.port == url->port)
            return &manifest->repos[i];
    return NULL;
}

static int take(struct manifest *manifest, size_t index, const char *command, struct report *report)
{
    struct manifest_repo *repo = &manifest->repos[index];
    const struct manifest_repo *before = earlier(manifest, index);
    char key[HOST_KEY_MAX + 1];
    struct err err;
    int known;

    if (before != NULL) {
        if (before->host_key.text == NULL)
            return -1; /* complained of already */
        snprintf(key, sizeof key, "%s", before->host_key.text);
    } else if ((known = known_hosts_find(&repo->from, key, &err)) < 0) {
        return refuse(repo, report, err.text);
    } else if ((known ? compare(repo, key, report) : meet(repo, command, key, report)) != 0) {
        return -1;
    }
    repo->host_key = (struct manifest_word){strdup(key), repo->name.file, repo->name.line};
    return repo->host_key.text != NULL ? 0 : refuse(repo, report, "out of memory");
}

int host_keys_take(struct manifest *manifest, const char *command, struct report *report)
{
    const char *own = report->file;
    int status = 0;

    for (size_t i = 0; i < manifest->repo_count; i++)
        if (manifest->repos[i].host_key.text == NULL && take(manifest, i, command, report) != 0)
            status = -1;
    report->file = own;
    return status;
}
