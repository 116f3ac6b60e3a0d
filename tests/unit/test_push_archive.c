/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate/push_archive: zip and gzip are looked into, one level deep, wherever they begin; bombs, and what cannot be looked into, are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/dlp/rig.h"
#include "tests/gate/push_rig.h"
#include "tests/unit/suite.h"

static struct dlp_engine *engine;
static struct push_rig rig;

__attribute__((constructor)) static void make(void)
{
    engine = rig_engine();
}

static struct push_check *push(const char *what, const char *secret)
{
    rig_sh(&rig, secret,
           "git checkout -q -f -B x main; /usr/bin/python3 $OLDPWD/tests/gate/archives.py %s \"$S\"; git add "
           "-A; git commit -qm %s",
           what, what);
    rig_update(&rig, "refs/heads/x", "x");
    return rig_push(&rig, "");
}

START_TEST(members_are_looked_into)
{
    static const char *const archives[] = {"deflated.zip", "unlisted.zip", "streamed.zip", "program",
                                           "second.gz",    "padded.gz",    "cut.gz",       "members.tar",
                                           "within.zip",   "large.gz"};

    rig_begin(&rig, engine);
    struct push_check *check = push("secrets", RIG_TOKEN);
    ck_assert_msg(check->answer == PUSH_REFUSED, "%s", rig_said(check));
    for (size_t i = 0; i < sizeof archives / sizeof archives[0]; i++) {
        bool found = false;
        for (size_t k = 0; k < check->count; k++) {
            const struct push_finding *f = &check->findings[k];
            found = found || (strcmp(f->path, archives[i]) == 0 && strcmp(f->surface, "archive") == 0 &&
                              strcmp(f->rule, "TOKEN") == 0 && f->commit[0] != '\0' &&
                              (f->line == 501 || strcmp(archives[i], "large.gz") == 0 ||
                               strcmp(archives[i], "cut.gz") == 0));
        }
        ck_assert_msg(found, "%s: %s", archives[i], rig_said(check));
    }
    bool stored = false;
    for (size_t k = 0; k < check->count; k++)
        stored = stored || (strcmp(check->findings[k].path, "stored.zip") == 0 &&
                            strcmp(check->findings[k].surface, "blob") == 0);
    ck_assert(stored);
    ck_assert(strstr(rig_said(check), "ordinary.png") == NULL);
    push_check_free(check);
    check = push("clean", "an ordinary text");
    ck_assert_msg(check->answer == PUSH_CLEAN, "%s", rig_said(check));
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

START_TEST(bombs_and_what_cannot_be_looked_into_are_refused)
{
    static const struct {
        const char *name, *rule, *text;
        enum push_answer answer, asked;
    } rows[] = {
        {"bomb.gz", "archive-bomb", "an archive that unpacks to too much in \"bomb.gz\"", PUSH_REFUSED,
         PUSH_REFUSED},
        {"members.gz", "archive-bomb", "unpacks to too much", PUSH_REFUSED, PUSH_REFUSED},
        {"bomb.zip", "archive-bomb", "unpacks to too much", PUSH_REFUSED, PUSH_REFUSED},
        {"overlap.zip", "archive-bomb", "unpacks to too much", PUSH_REFUSED, PUSH_REFUSED},
        {"shared.gz", "archive-bomb", "unpacks to too much", PUSH_REFUSED, PUSH_REFUSED},
        {"encrypted.zip", "archive-encrypted", "a zip with an encrypted member", PUSH_REFUSED, PUSH_ASK},
        {"bzip2.zip", "archive-coding", "a zip with a member in a coding", PUSH_REFUSED, PUSH_ASK},
        {"harmless.gz", NULL, NULL, PUSH_CLEAN, PUSH_CLEAN},
    };

    rig_begin(&rig, engine);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig.asks = false;
        struct push_check *check = push(rows[i].name, "some text");
        ck_assert_msg(check->answer == rows[i].answer, "%s: %s", rows[i].name, rig_said(check));
        if (rows[i].rule != NULL) {
            const struct push_finding *f = rig_finding(check, PUSH_ARCHIVE, rows[i].rule);
            ck_assert_msg(f != NULL && strstr(f->text, rows[i].text) != NULL, "%s", rig_said(check));
            ck_assert_str_eq(f->path, rows[i].name);
        }
        ck_assert_uint_lt(check->bytes, 128u << 20);
        push_check_free(check);
        rig.asks = true;
        rig_update(&rig, "refs/heads/x", "x");
        check = rig_check(&rig);
        ck_assert_msg(check->answer == rows[i].asked, "%s: %s", rows[i].name, rig_said(check));
        push_check_free(check);
    }
    rig_end(&rig);
}
END_TEST

/* Whatever they have become: some cannot be looked into, and none is more than that. */
START_TEST(damaged_archives_are_looked_at)
{
    rig_begin(&rig, engine);
    struct push_check *check = push("damaged", "");
    ck_assert_msg(check->answer == PUSH_CLEAN || check->answer == PUSH_REFUSED, "%s", rig_said(check));
    ck_assert_uint_gt(check->objects, 390);
    for (size_t i = 0; i < check->count; i++)
        ck_assert_msg(check->findings[i].kind == PUSH_ARCHIVE, "%s", rig_said(check));
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

SUITE_MAIN("push_archive", members_are_looked_into, bombs_and_what_cannot_be_looked_into_are_refused,
           damaged_archives_are_looked_at)
