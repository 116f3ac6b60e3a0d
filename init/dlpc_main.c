/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stopper-dlpc: compiles what is searched for in traffic, and ends (init/compiler.h). Descriptor 0 is a sealed memfd with the
 * known secrets as JSON, {"NAME": "value"}; 1 the empty memfd for the database; 2 takes words when it fails. Nothing of
 * the agent's or an upstream's comes here; it is jailed all the same, before it reads anything: what it runs is the
 * largest library of all.
 */
#define _GNU_SOURCE
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/secret.h"
#include "dlpc/compile.h"
#include "init/compiler.h"
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

static int compile(const struct secrets *secrets, struct err *err)
{
    struct dlp_known *known = calloc(secrets->count + 1, sizeof *known);

    if (known == NULL)
        return err_set(err, "out of memory");
    for (size_t i = 0; i < secrets->count; i++)
        known[i] = (struct dlp_known){
            .name = secrets->entries[i].name,
            .value = secret_expose(secrets->entries[i].value),
            .kind = strcmp(secrets->entries[i].name, SECRET_CANARY) == 0 ? DLP_CANARY : DLP_HOSTS};
    int status = dlp_compile(known, secrets->count, STDOUT_FILENO, err);
    free(known);
    return status;
}

int main(void)
{
    struct secrets *secrets = NULL;
    struct err err = {""};
    struct str json;

    secret_json();
    json_object_seed(0); /* opens /dev/urandom now: the jail has no files */
    if (limits_set() != 0)
        return fail("its limits cannot be set");
    if (jail_enter(&jail, &err) != 0)
        return fail(err.text);
    if (channel_map(STDIN_FILENO, SECRETS_MAX_JSON, &json) != 0)
        return fail("the source did not arrive as a sealed memfd");
    int status = secrets_parse(json, &secrets, &err);
    munmap((void *)json.ptr, json.len);
    if (status == 0)
        status = compile(secrets, &err);
    secrets_free(secrets);
    return status == 0 ? 0 : fail(err.text);
}
