/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate/push_check: a secret is found wherever a push can carry one, plainly and in base64, and told without its value; the same push
 * without it is clean. Each place is a script that makes the push with the text S in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/dlp/rig.h"
#include "tests/dlp/writing.h"
#include "tests/gate/push_rig.h"
#include "tests/unit/suite.h"

static struct dlp_engine *engine;

__attribute__((constructor)) static void make(void)
{
    engine = rig_engine();
}

#define BRANCH "git checkout -q -f -B x$N main; "
#define COMMIT "git add -A; git commit -qm change; "

static const struct place {
    const char *name, *script, *surface;
    const char *path; /* that is told; "" none, "*" any that does not hold the secret */
    uint64_t line;    /* that is told, in the plain form */
    bool hidden;      /* h$N is packed though no ref leads to it */
    bool no_commit;   /* none is told */
    bool no_ref;
} places[] = {
    {"a file", BRANCH "printf 'one\\ntwo\\n%s\\n' \"$S\" >new; " COMMIT, "blob", "new", 3, false, false,
     false},
    {"the first line", BRANCH "echo \"$N $S\" >a; " COMMIT, "blob", "a", 1, false, false, false},
    {"a binary file",
     BRANCH "{ head -c 70000 /dev/zero; printf '\\001%s\\377' \"$S\"; head -c 70000 /dev/zero; } >b; " COMMIT,
     "blob", "b", 1, false, false, false},
    {"a large file", BRANCH "{ head -c 9000000 /dev/zero | tr '\\0' '\\n'; echo \"$N $S\"; } >big; " COMMIT,
     "blob", "big", 9000001, false, false, false},
    {"a file of one that is there",
     BRANCH "{ cat src/numbers; echo \"$N $S\"; } >t; mv t src/numbers; " COMMIT, "blob", "src/numbers", 401,
     false, false, false},
    {"an earlier commit",
     BRANCH "echo \"$N $S\" >gone; " COMMIT "git rm -q gone; git commit -qm gone; echo more >more; " COMMIT,
     "blob", "gone", 1, false, false, false},
    {"a commit that is merged",
     BRANCH "echo a >a; " COMMIT "git checkout -q -f -B y$N main; echo \"$N $S\" >side; " COMMIT
            "git checkout -q x$N; git merge -q --no-ff -m merge y$N; git rm -q side; git commit -qm clean",
     "blob", "side", 1, false, false, false},
    {"a merge alone",
     BRANCH "echo a >a; " COMMIT "git checkout -q -f -B y$N main; echo b >b; " COMMIT
            "git checkout -q x$N; git merge -q --no-ff --no-commit >/dev/null y$N; echo \"$N $S\" >evil; git "
            "add evil; git "
            "commit -qm merge",
     "blob", "evil", 1, false, false, false},
    {"a symlink's target", BRANCH "ln -s \"/tmp/$S\" link; " COMMIT, "blob", "link", 1, false, false, false},
    {"a commit's message",
     BRANCH "echo a >a; git add a; printf 'subject\\n\\nbody\\n%s\\n' \"$S\" | git commit -q -F -",
     "commit message", "", 4, false, false, false},
    {"an author's name", BRANCH "echo a >a; git add a; GIT_AUTHOR_NAME=\"$S\" git commit -qm m",
     "commit header", "", 0, false, false, false},
    {"an author's address", BRANCH "echo a >a; git add a; GIT_AUTHOR_EMAIL=\"$S@x\" git commit -qm m",
     "commit header", "", 0, false, false, false},
    {"a committer's name", BRANCH "echo a >a; git add a; GIT_COMMITTER_NAME=\"$S\" git commit -qm m",
     "commit header", "", 0, false, false, false},
    {"a commit's further field",
     BRANCH
     "echo a >a; " COMMIT
     "git cat-file commit HEAD | sed \"/^committer/a note $S\" | git hash-object -t commit -w --stdin >t; "
     "git reset -q --soft $(cat t)",
     "commit header", "", 0, false, false, false},
    {"a tag's message",
     BRANCH "echo a >a; " COMMIT
            "git tag -a -m \"$S\" t$N; git update-ref --no-deref refs/heads/x$N t$N^{}; touch ../tag$N",
     "tag message", "", 1, false, true, true},
    {"a tagger's name", BRANCH "GIT_COMMITTER_NAME=\"$S\" git tag -a -m m t$N; touch ../tag$N", "tag header",
     "", 0, false, true, true},
    {"a file's name", BRANCH "echo a >\"src/$S\"; " COMMIT, "path", "*", 0, false, false, false},
    {"a folder's name", BRANCH "mkdir \"$S\"; echo a >\"$S/f\"; " COMMIT, "path", "*", 0, false, false,
     false},
    {"a path's components",
     BRANCH "a=$(printf %s \"$S\" | cut -c-9); b=$(printf %s \"$S\" | cut -c10-20); c=$(printf %s \"$S\" | "
            "cut -c21-); "
            "mkdir -p \"src/$a/$b\"; echo a >\"src/$a/$b/$c\"; " COMMIT,
     "path", "*", 0, false, false, false},
    {"an empty folder's name",
     BRANCH "e=$(git mktree </dev/null); t=$({ git ls-tree HEAD; printf '040000 tree %s\\t%s\\n' $e \"$S\"; "
            "} | git mktree); "
            "git reset -q --soft $(git commit-tree -p HEAD -m m $t)",
     "path", "*", 0, false, false, false},
    {"a folder that moves", BRANCH "git mv src \"$S\"; " COMMIT, "path", "*", 0, false, false, false},
    {"a submodule's name",
     BRANCH "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),\"$S\"; git commit -qm m",
     "path", "*", 0, false, false, false},
    {"a note",
     BRANCH "echo a >a; " COMMIT
            "git notes add -f -m \"$N $S\" HEAD; git update-ref refs/heads/x$N refs/notes/commits",
     "blob", "*", 1, false, false, false},
    {"a hidden blob",
     BRANCH "echo a >a; " COMMIT "git tag -f h$N $(echo \"$N $S\" | git hash-object -w --stdin)", "blob", "",
     1, true, true, true},
    {"a hidden commit", BRANCH "echo a >a; " COMMIT "git tag -f h$N $(git commit-tree -m \"$S\" HEAD^{tree})",
     "commit message", "", 1, true, false, true},
    {"a hidden tree's name",
     BRANCH "b=$(echo hello | git hash-object -w --stdin); t=$(printf '100644 blob %s\\t%s\\n' $b \"$S\" | "
            "git mktree); "
            "git tag -f h$N $(git commit-tree -m hidden $t)",
     "path", "", 0, true, true, true},
    {"a tag of a blob",
     BRANCH "git tag -a -m m t$N $(echo \"$N $S\" | git hash-object -w --stdin); touch ../tag$N", "blob", "",
     1, false, true, true},
    {"a tag of a tree",
     BRANCH "b=$(echo hello | git hash-object -w --stdin); t=$(printf '100644 blob %s\\t%s\\n' $b \"$S\" | "
            "git mktree); "
            "git tag -a -m m t$N $t; touch ../tag$N",
     "path", "*", 0, false, true, true},
    {"UTF-16", BRANCH "printf %s \"$S\" | iconv -t utf-16le >u; " COMMIT, "blob", "u", 1, false, false,
     false},
    {"a file in gzip", BRANCH "printf 'a\\n%s\\n' \"$S\" | gzip >g.gz; " COMMIT, "archive", "g.gz", 2, false,
     false, false},
    {"a tar", BRANCH "echo \"$N $S\" >f; tar cf t.tar f; rm f; " COMMIT, "blob", "t.tar", 1, false, false,
     false},
    {"a tar in gzip", BRANCH "echo \"$N $S\" >f; tar czf t.tgz f; rm f; " COMMIT, "archive", "t.tgz", 1,
     false, false, false},
    {"a zip",
     BRANCH
     "{ seq 1 300; echo \"$N $S\"; } >f; /usr/bin/python3 -c 'import zipfile; z = zipfile.ZipFile(\"z.zip\", "
     "\"w\", zipfile.ZIP_DEFLATED); "
     "z.write(\"README\"); z.write(\"f\")'; rm f; " COMMIT,
     "archive", "z.zip", 301, false, false, false},
    {".gitattributes", BRANCH "echo \"# $S\" >.gitattributes; " COMMIT, "blob", ".gitattributes", 1, false,
     false, false},
};
#define PLACES (sizeof places / sizeof places[0])

/* None of the bytes of a secret, in either writing, is in what is told. */
static void says_nothing(const struct push_check *check, const char *secret)
{
    const char *text = rig_said(check);

    for (size_t i = 0; i + 8 <= strlen(secret); i++) {
        char piece[9] = "";
        memcpy(piece, secret + i, 8);
        ck_assert_msg(strstr(text, piece) == NULL, "%s", text);
        for (size_t k = 0; k < check->count; k++)
            ck_assert(strstr(check->findings[k].path, piece) == NULL &&
                      strstr(check->findings[k].ref, piece) == NULL);
    }
}

/* Some of the places in one push, each with a branch of its own. */
#define AT_ONCE 9
#define GROUPS  ((PLACES + AT_ONCE - 1) / AT_ONCE)

static struct push_check *push(struct push_rig *rig, size_t group, const char *secret)
{
    char hidden[256] = "", number[8], ref[32];
    size_t len = 0;

    rig_begin(rig, engine);
    for (size_t i = group * AT_ONCE; i < PLACES && i < (group + 1) * AT_ONCE; i++) {
        snprintf(number, sizeof number, "%zu", i);
        setenv("N", number, 1);
        rig_sh(rig, secret, "%s", places[i].script);
        snprintf(ref, sizeof ref, "refs/heads/x%zu", i);
        rig_update(rig, ref, ref);
        snprintf(ref, sizeof ref, "refs/tags/t%zu", i);
        if (system("test -e $MIRROR/../tag$N") == 0)
            rig_update(rig, ref, ref);
        if (places[i].hidden)
            len += (size_t)snprintf(hidden + len, sizeof hidden - len, " h%zu", i);
    }
    return rig_push(rig, hidden);
}

static bool is_of(const struct push_finding *f, const struct place *place, const char *ref)
{
    return strcmp(f->surface, place->surface) == 0 && strcmp(f->rule, "TOKEN") == 0 &&
           (place->no_ref || strcmp(f->ref, ref) == 0) &&
           (strcmp(place->path, "*") == 0 || strcmp(place->path, f->path) == 0);
}

static void judge(const struct push_check *check, size_t i, bool plain)
{
    const struct place *place = &places[i];
    const struct push_finding *f = NULL;
    char ref[32];

    snprintf(ref, sizeof ref, "refs/heads/x%zu", i);
    for (size_t k = 0; k < check->count && f == NULL; k++)
        if (is_of(&check->findings[k], place, ref))
            f = &check->findings[k];
    ck_assert_msg(f != NULL, "%s, %s: %s", place->name, ref, rig_said(check));
    ck_assert_int_eq(f->kind, PUSH_SECRET);
    ck_assert_int_eq(f->verdict, PUSH_TO_REFUSE);
    ck_assert_str_eq(f->detector, "known_secrets");
    if (plain)
        ck_assert_msg(f->line == place->line, "%s: line %llu", place->name, (unsigned long long)f->line);
    ck_assert_msg((f->commit[0] == '\0') == place->no_commit, "%s: commit \"%s\"", place->name, f->commit);
    ck_assert_msg(f->commit[0] != '\0' || f->object[0] != '\0' || f->path[0] != '\0', "%s", place->name);
}

static void found(size_t group, const char *secret, bool plain)
{
    struct push_rig rig;
    struct push_check *check = push(&rig, group, secret);

    ck_assert_msg(check->answer == PUSH_REFUSED && !check->more, "%s", rig_said(check));
    for (size_t i = group * AT_ONCE; i < PLACES && i < (group + 1) * AT_ONCE; i++)
        judge(check, i, plain);
    says_nothing(check, secret);
    push_check_free(check);
    rig_end(&rig);
}

START_TEST(it_is_found_as_it_is)
{
    found((size_t)_i, RIG_TOKEN, true);
}
END_TEST

START_TEST(it_is_found_in_base64)
{
    char text[256];

    write_base64(str_of(RIG_TOKEN), "-_", text);
    text[strcspn(text, "=")] = '\0';
    found((size_t)_i, text, false);
}
END_TEST

START_TEST(without_it_the_same_is_clean)
{
    struct push_rig rig;
    struct push_check *check = push(&rig, (size_t)_i, "harmless-words-of-an-agent-s-own");

    ck_assert_msg(check->answer == PUSH_CLEAN && check->count == 0, "%s", rig_said(check));
    ck_assert_uint_gt(check->objects, AT_ONCE / 2);
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("push_places");
    Suite *suite = suite_create("push_places");

    tcase_add_loop_test(tcase, it_is_found_as_it_is, 0, (int)GROUPS);
    tcase_add_loop_test(tcase, it_is_found_in_base64, 0, (int)GROUPS);
    tcase_add_loop_test(tcase, without_it_the_same_is_clean, 0, (int)GROUPS);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
