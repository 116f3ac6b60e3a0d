/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_rig: see push_rig.h. */
#include "tests/gate/push_rig.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ZERO "0000000000000000000000000000000000000000"

static char own_url[] = "ssh://git@forge.example/org/app.git",
            other_url[] = "ssh://git@forge.example:2222/org/lib.git";

/* What was freed while the search's database was made would be kept, and copied with each child. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=4";
}

static void run(const char *command)
{
    ck_assert_msg(system(command) == 0, "%s", command); /* NOLINT: what a test says */
}

void rig_begin(struct push_rig *rig, struct dlp_engine *engine)
{
    char command[1024];

    *rig = (struct push_rig){.dir = "/tmp/stopper-push.XXXXXX", .engine = engine};
    ck_assert_ptr_nonnull(mkdtemp(rig->dir));
    snprintf(rig->work, sizeof rig->work, "%s/work", rig->dir);
    snprintf(rig->mirror, sizeof rig->mirror, "%s/app.git", rig->dir);
    snprintf(rig->quarantine, sizeof rig->quarantine, "%s/app.git/objects/tmp_objdir-incoming-1", rig->dir);
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    setenv("GIT_CONFIG_COUNT", "2", 1); /* nothing beside what a test asks for */
    setenv("GIT_CONFIG_KEY_0", "maintenance.auto", 1);
    setenv("GIT_CONFIG_VALUE_0", "false", 1);
    setenv("GIT_CONFIG_KEY_1", "receive.autogc", 1);
    setenv("GIT_CONFIG_VALUE_1", "false", 1);
    static const char *const roles[] = {"AUTHOR", "COMMITTER"};
    for (size_t i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "GIT_%s_NAME", roles[i]);
        setenv(name, "Agent", 1);
        snprintf(name, sizeof name, "GIT_%s_EMAIL", roles[i]);
        setenv(name, "agent@example.com", 1);
        snprintf(name, sizeof name, "GIT_%s_DATE", roles[i]);
        setenv(name, "1700000000 +0000", 1);
    }
    snprintf(command, sizeof command,
             "git init -q --bare -b main %s && git init -q -b main %s && cd %s && "
             "printf 'one\\ntwo\\nthree\\n' >README && mkdir src && seq 1 400 >src/numbers && git add . && "
             "git commit -qm first && git push -q %s main",
             rig->mirror, rig->work, rig->work, rig->mirror);
    run(command);
    rig->repos[0] = (struct gate_repo){.name = "app", .url = own_url};
    rig->repos[1] = (struct gate_repo){.name = "lib", .url = other_url};
    for (size_t i = 0; i < 2; i++)
        ck_assert_ptr_null(gate_url_take(str_of(rig->repos[i].url), &rig->repos[i].from));
    rig->gate = (struct gate){.repos = rig->repos, .repo_count = 2};
}

static void free_updates(struct push_rig *rig)
{
    for (size_t i = 0; i < rig->update_count; i++) {
        free((char *)(uintptr_t)rig->updates[i].ref);
        free((char *)(uintptr_t)rig->updates[i].old_id);
        free((char *)(uintptr_t)rig->updates[i].new_id);
    }
    rig->update_count = 0;
}

void rig_end(struct push_rig *rig)
{
    char command[256];

    free_updates(rig);
    snprintf(command, sizeof command, "rm -rf %s", rig->dir);
    run(command);
}

void rig_sh(const struct push_rig *rig, const char *secret, const char *script, ...)
{
    char text[4096], command[4096];
    va_list list;

    va_start(list, script);
    vsnprintf(text, sizeof text, script, list);
    va_end(list);
    setenv("S", secret, 1);
    setenv("MIRROR", rig->mirror, 1);
    ck_assert_int_lt(snprintf(command, sizeof command, "set -e; cd %s; %s", rig->work, text),
                     (int)sizeof command);
    run(command);
}

const char *rig_line(const struct push_rig *rig, const char *script)
{
    static char lines[4][256];
    static unsigned next;
    char command[2048], *line = lines[next++ % 4];

    snprintf(command, sizeof command, "cd %s && %s", rig->work, script);
    FILE *from = popen(command, "r");
    ck_assert_ptr_nonnull(from);
    bool got = fgets(line, sizeof lines[0], from) != NULL;
    ck_assert_msg(pclose(from) == 0 && got, "%s", script);
    line[strcspn(line, "\n")] = '\0';
    return line;
}

void rig_update(struct push_rig *rig, const char *ref, const char *revision)
{
    char script[1024];
    struct push_update *update = &rig->updates[rig->update_count];

    ck_assert_uint_lt(rig->update_count++, RIG_UPDATES_MAX);
    update->ref = strdup(ref);
    snprintf(script, sizeof script, "git -C %s rev-parse --verify -q '%s' || echo " ZERO, rig->mirror, ref);
    update->old_id = strdup(rig_line(rig, script));
    snprintf(script, sizeof script, "git rev-parse --verify '%s'", revision);
    update->new_id = strdup(revision[0] != '\0' ? rig_line(rig, script) : ZERO);
}

void rig_quarantine(struct push_rig *rig)
{
    char pack[128];

    snprintf(pack, sizeof pack, "rm -rf %s", rig->quarantine);
    run(pack);
    ck_assert_int_eq(mkdir(rig->quarantine, 0700), 0);
    snprintf(pack, sizeof pack, "%s/pack", rig->quarantine);
    ck_assert_int_eq(mkdir(pack, 0700), 0);
}

struct push_check *rig_check(struct push_rig *rig)
{
    static const uint8_t key[APPROVAL_KEY] = {1, 2, 3};
    struct push_check_input input = {.git = "/usr/bin/git",
                                     .git_dir = rig->mirror,
                                     .quarantine = rig->quarantine,
                                     .gate = &rig->gate,
                                     .repo = &rig->repos[0],
                                     .asks = rig->asks,
                                     .updates = rig->updates,
                                     .update_count = rig->update_count,
                                     .options = rig->options,
                                     .option_count = rig->option_count,
                                     .engine = rig->engine,
                                     .key = key,
                                     .ms = rig->ms,
                                     .approved = rig->approved};
    struct push_check *check = push_check(&input);

    ck_assert_ptr_nonnull(check);
    free_updates(rig);
    return check;
}

struct push_check *rig_push(struct push_rig *rig, const char *hidden)
{
    char command[4096];
    size_t len = 0;

    rig_quarantine(rig);
    len += (size_t)snprintf(command, sizeof command, "cd %s && { git rev-parse %s", rig->work, hidden);
    for (size_t i = 0; i < rig->update_count; i++)
        if (strcmp(rig->updates[i].new_id, ZERO) != 0)
            len += (size_t)snprintf(command + len, sizeof command - len, " %s", rig->updates[i].new_id);
    len += (size_t)snprintf(command + len, sizeof command - len,
                            "; git -C %s for-each-ref --format='^%%(objectname)'; } | "
                            "git pack-objects --revs --thin --stdout --delta-base-offset -q >%s/pack && "
                            "GIT_DIR=%s GIT_OBJECT_DIRECTORY=%s GIT_ALTERNATE_OBJECT_DIRECTORIES=%s/objects "
                            "git index-pack --stdin --fix-thin <%s/pack >/dev/null",
                            rig->mirror, rig->dir, rig->mirror, rig->quarantine, rig->mirror, rig->dir);
    ck_assert_uint_lt(len, sizeof command);
    run(command);
    return rig_check(rig);
}

void rig_accept(struct push_rig *rig, const char *ref, const char *revision)
{
    char command[1024];

    snprintf(command, sizeof command, "cd %s && git push -q -f %s '%s:%s'", rig->work, rig->mirror, revision,
             ref);
    run(command);
}

const struct push_finding *rig_finding(const struct push_check *check, enum push_kind kind, const char *rule)
{
    for (size_t i = 0; i < check->count; i++)
        if (check->findings[i].kind == kind && strcmp(check->findings[i].rule, rule) == 0)
            return &check->findings[i];
    return NULL;
}

const char *rig_said(const struct push_check *check)
{
    static const char *const answers[] = {"clean", "refused", "ask", "failed"};
    static char text[65536];
    size_t len = (size_t)snprintf(text, sizeof text, "%s %s", answers[check->answer], check->error.text);

    for (size_t i = 0; i < check->count && len < sizeof text; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "\n%s", check->findings[i].text);
    return text;
}
