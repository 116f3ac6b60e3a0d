/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stopper-dlpc: compiles what is searched for in traffic, and ends (init/compiler.h). Descriptor 0 is a sealed memfd with the
 * known secrets and the fingerprints of keys as JSON (init/policy_store.h); 1 the empty memfd for the database; 2 takes words when it fails; 3 the base that the build made
 * (stopper-dlpc --base), to which the secrets are added. Without one that fits all is compiled, and 2 says so. Nothing of the agent's or an upstream's comes here; it is jailed all the same, before it reads anything: what it runs is the
 * largest library of all.
 */
#define _GNU_SOURCE
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/secret.h"
#include "dlpc/compile.h"
#include "init/compiler.h"
#include "init/prints_read.h"
#include "sys/channel.h"
#include "sys/jail.h"
#include "sys/seccomp.h"
#include "sys/users.h"
#include "sys/worker.h"

#define CPU_SECONDS 30
#define MEMORY_MAX                                                                                           \
    (UINT64_C(2) << 30) /* bytes of address space; not with a sanitizer, which maps terabytes */

static const struct jail jail = {
    .root = WORKER_EMPTY_ROOT,
    .uid = USER_COMPILER,
    .gid = USER_COMPILER,
    .open_files = 16,
    .file_size = COMPILER_MAX,
    .profile = JAIL_COMPILER,
};

static int fail(const char *why)
{
    fprintf(stderr, "%s\n", why);
    return 1;
}

static int limits_set(void)
{
    if (setrlimit(RLIMIT_CPU, &(struct rlimit){CPU_SECONDS, CPU_SECONDS}) != 0)
        return -1;
    return SECCOMP_SANITIZED ? 0 : setrlimit(RLIMIT_AS, &(struct rlimit){MEMORY_MAX, MEMORY_MAX});
}

/* The build's base, which is trusted as this program is; empty: there is none. */
static struct str base_map(void)
{
    struct stat status;
    void *map = MAP_FAILED;

    if (fstat(COMPILER_BASE_FD, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
        status.st_size <= COMPILER_MAX)
        map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, COMPILER_BASE_FD, 0);
    return map != MAP_FAILED ? (struct str){map, (size_t)status.st_size} : (struct str){NULL, 0};
}

static int add_secrets(const struct dlp_known *known, size_t count, const struct dlp_prints *prints,
                       struct err *err)
{
    struct str base = base_map();
    int status = base.len > 0 ? dlp_compile(known, count, prints, base, STDOUT_FILENO, err)
                              : err_set(err, "there is no base");

    if (base.len > 0)
        munmap((void *)base.ptr, base.len);
    if (status == 0)
        return 0;
    fprintf(stderr, "%s: all is compiled anew\n", err->text);
    return dlp_compile(known, count, prints, (struct str){NULL, 0}, STDOUT_FILENO, err);
}

static int compile(const struct secrets *secrets, const struct dlp_prints *prints, struct err *err)
{
    struct dlp_known *known = calloc(secrets->count + 1, sizeof *known);

    if (known == NULL)
        return err_set(err, "out of memory");
    for (size_t i = 0; i < secrets->count; i++)
        known[i] = (struct dlp_known){
            .name = secrets->entries[i].name,
            .value = secret_expose(secrets->entries[i].value),
            .kind = strcmp(secrets->entries[i].name, SECRET_CANARY) == 0 ? DLP_CANARY : DLP_HOSTS};
    int status = add_secrets(known, secrets->count, prints, err);
    free(known);
    return status;
}

static int compile_source(struct str text, struct err *err)
{
    struct secrets *secrets = NULL;
    struct dlp_prints prints = {.count = 0};
    json_t *source = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    int status = secrets_read(json_object_get(source, "secrets"), &secrets, err);

    if (status == 0)
        status = prints_read(json_object_get(source, "prints"), &prints, err);
    if (status == 0)
        status = compile(secrets, &prints, err);
    prints_free(&prints);
    secrets_free(secrets);
    json_decref(source);
    return status;
}

/* A part of the build. */
static int base_make(void)
{
    struct err err = {""};

    return dlp_base_write(stdout, &err) == 0 ? 0 : fail(err.text);
}

int main(int argc, char **argv)
{
    struct err err = {""};
    struct str json;

    if (argc == 2 && strcmp(argv[1], "--base") == 0)
        return base_make();
    if (argc > 1)
        return fail("usage: stopper-dlpc --base >FILE");

    secret_json();
    json_object_seed(0); /* opens /dev/urandom now: the jail has no files */
    if (limits_set() != 0)
        return fail("its limits cannot be set");
    if (jail_enter(&jail, &err) != 0)
        return fail(err.text);
    if (channel_map(STDIN_FILENO, COMPILER_SOURCE, &json) != 0)
        return fail("the source did not arrive as a sealed memfd");
    int status = compile_source(json, &err);
    munmap((void *)json.ptr, json.len);
    return status == 0 ? 0 : fail(err.text);
}
