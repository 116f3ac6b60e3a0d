/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate/push_check: which refs may move, what is refused, what is asked, and what is clean. */
#include "gate/push_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/push_files.h"
#include "tests/dlp/rig.h"
#include "tests/gate/push_rig.h"
#include "tests/unit/suite.h"

static struct dlp_engine *engine;
static struct push_rig rig;

__attribute__((constructor)) static void make(void)
{
    engine = rig_engine();
}

static void answers(struct push_check *check, enum push_answer answer, const char *what)
{
    ck_assert_msg(check->answer == answer, "%s: %s", what, rig_said(check));
}

/* What the push of x says, and whether it is `answer`; freed by the caller. */
static struct push_check *push_x(enum push_answer answer, const char *what)
{
    rig_update(&rig, "refs/heads/x", "x");
    struct push_check *check = rig_push(&rig, "");
    answers(check, answer, what);
    return check;
}

/* The one finding of this kind and rule has this verdict; its text says where, and why. */
static void says(const struct push_check *check, enum push_kind kind, const char *rule,
                 enum push_verdict verdict, const char *one, const char *two)
{
    const struct push_finding *f = rig_finding(check, kind, rule);

    ck_assert_msg(f != NULL, "%s: %s", rule, rig_said(check));
    ck_assert_int_eq(f->verdict, verdict);
    ck_assert_msg(strstr(f->text, one) != NULL && strstr(f->text, two) != NULL, "%s", f->text);
    ck_assert_uint_eq(strlen(f->hash), verdict == PUSH_TO_REFUSE ? strlen(f->hash) : HOLD_VALUE);
}

static struct gate_patterns *patterns(struct gate_patterns *patterns, const char *one, const char *two)
{
    static char texts[8][64];
    static char *lists[4][2];
    static size_t next;
    char **list = lists[next % 4];

    patterns->list = list;
    patterns->count = (one != NULL) + (two != NULL);
    for (size_t i = 0; i < patterns->count; i++) {
        list[i] = texts[(2 * next + i) % 8];
        snprintf(list[i], sizeof texts[0], "%s", i == 0 ? one : two);
    }
    next++;
    return patterns;
}

START_TEST(refs_are_pushed_by_their_rules)
{
    static const struct {
        const char *allow, *deny, *ref, *revision, *rule; /* of the refusal; NULL: it is clean */
        bool no_force, no_delete;
    } rows[] = {
        {NULL, NULL, "refs/heads/agent/a", "x", NULL, false, false},
        {NULL, NULL, "refs/notes/commits", "x", NULL, false, false},
        {"refs/heads/agent/*", NULL, "refs/heads/agent/a", "x", NULL, false, false},
        {"refs/heads/agent/*", NULL, "refs/heads/agent/a/b", "x", NULL, false, false},
        {"refs/heads/agent/*", NULL, "refs/heads/main", "x", "allow", false, false},
        {"refs/heads/agent/*", NULL, "refs/tags/v1", "x", "allow", false, false},
        {"refs/heads/*", "refs/heads/main", "refs/heads/main", "x", "deny", false, false},
        {"refs/heads/*", "refs/heads/main", "refs/heads/main2", "x", NULL, false, false},
        {NULL, "refs/heads/release/*", "refs/heads/release/1/x", "x", "deny", false, false},
        {NULL, NULL, "refs/heads/old", "", NULL, false, false},
        {NULL, NULL, "refs/heads/old", "", "delete", false, true},
        {"refs/heads/agent/*", NULL, "refs/heads/old", "", "allow", false, true},
        {NULL, NULL, "refs/heads/main", "x", NULL, true, false}, /* it follows */
        {NULL, NULL, "refs/heads/main", "apart", "force", true, false},
        {NULL, NULL, "refs/heads/main", "apart", NULL, false, false},
        {NULL, NULL, "refs/heads/new", "apart", NULL, true, false},
        {NULL, NULL, "refs/tags/old", "x", "force", true, false},
        {NULL, NULL, "refs/tags/new", "x", NULL, true, false},
        {NULL, NULL, "refs/heads/old", "", NULL, true, false}, /* that is delete's */
        {NULL, NULL,
         "refs/heads/a\x01"
         "b",
         "x", "name", false, false},
        {NULL, NULL, "refs/heads/a\x1b[31mb", "x", "name", false, false},
        {NULL, NULL, "refs/heads/a\nb", "x", "name", false, false},
        {NULL, NULL, "HEAD", "x", "name", false, false},
        {"refs/heads/agent/*", NULL, "refs/heads/agent/a:refs/heads/main", "x", "name", false, false},
        {NULL, NULL, "refs/heads/\xc3\xa4", "x", NULL, false, false},
    };

    rig_begin(&rig, engine);
    rig_sh(&rig, "",
           "git checkout -q -b x; echo a >a; git add a; git commit -qm a; "
           "git checkout -q --orphan apart; git commit -qm apart; "
           "git push -q $MIRROR main:refs/heads/old main:refs/tags/old");
    rig_update(&rig, "refs/heads/x", "x");
    rig_update(&rig, "refs/heads/y", "apart");
    push_check_free(rig_push(&rig, ""));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gate_push *rules = &rig.repos[0].push;
        *rules = (struct gate_push){.no_force = rows[i].no_force, .no_delete = rows[i].no_delete};
        patterns(&rules->allow, rows[i].allow, NULL);
        patterns(&rules->deny, rows[i].deny, NULL);
        rig_update(&rig, rows[i].ref, rows[i].revision);
        struct push_check *check = rig_check(&rig);
        answers(check, rows[i].rule == NULL ? PUSH_CLEAN : PUSH_REFUSED, rows[i].ref);
        if (rows[i].rule != NULL)
            says(check, PUSH_REF_RULE, rows[i].rule, PUSH_TO_REFUSE,
                 strcmp(rows[i].rule, "name") == 0 ? "git-check-ref-format(1)" : "git-gate.repos.app.push.",
                 check->refs[0]);
        for (const char *c = rig_said(check); *c != '\0'; c++)
            ck_assert(((unsigned char)*c >= ' ' && (unsigned char)*c < 0x7f) || *c == '\n');
        push_check_free(check);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(a_pack_has_a_largest_size)
{
    rig_begin(&rig, engine);
    rig_sh(&rig, "", "git checkout -q -b x; head -c 1500000 /dev/urandom >r; git add r; git commit -qm r");
    rig.repos[0].push.max_pack_mb = 1;
    struct push_check *check = push_x(PUSH_REFUSED, "a pack of 1.5 MB");
    says(check, PUSH_SIZE, "max_pack_mb", PUSH_TO_REFUSE, "max_pack_mb is 1", "refused");
    ck_assert_uint_eq(check->objects, 0);
    push_check_free(check);
    rig.repos[0].push.max_pack_mb = 2;
    push_check_free(push_x(PUSH_CLEAN, "the same, with 2"));
    rig_end(&rig);
}
END_TEST

START_TEST(a_secret_in_a_name_or_an_option_is_found_and_covered)
{
    rig_begin(&rig, engine);
    rig_sh(&rig, "", "git checkout -q -b x; echo a >a; git add a; git commit -qm a");
    rig_update(&rig, "refs/heads/fix-" RIG_TOKEN, "x");
    struct push_check *check = rig_push(&rig, "");
    answers(check, PUSH_REFUSED, "a ref");
    says(check, PUSH_SECRET, "TOKEN", PUSH_TO_REFUSE, "refs/heads/fix-****************************: refused",
         "ref name");
    ck_assert(strstr(check->refs[0], RIG_TOKEN) == NULL);
    push_check_free(check);
    rig_update(&rig, "refs/heads/kx9_Qm4vTz8/1LsW0pRb7YcNd62Hj", "x");
    check = rig_push(&rig, "");
    answers(check, PUSH_REFUSED, "a ref's components");
    says(check, PUSH_SECRET, "TOKEN", PUSH_TO_REFUSE,
         "refs/heads/*****************************: refused: ", "ref name");
    push_check_free(check);
    rig.options[0] = "topic=clean";
    rig.options[1] = "key=" RIG_TOKEN;
    rig.option_count = 1;
    push_check_free(push_x(PUSH_CLEAN, "an option"));
    rig.option_count = 2;
    check = push_x(PUSH_REFUSED, "an option");
    says(check, PUSH_SECRET, "TOKEN", PUSH_TO_REFUSE, "in push option", "refused");
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

static bool approve(void *user, const char *hash)
{
    static char seen[HOLD_VALUE + 1];

    if (hash[0] == '?') {
        snprintf(seen, sizeof seen, "%s", hash + 1);
        return false;
    }
    return strcmp(seen, hash) == 0;
}

START_TEST(who_may_be_asked_is_asked)
{
    rig_begin(&rig, engine);
    rig_sh(&rig, RIG_GITLAB,
           "git checkout -q -b x; printf 'one\\nkey = \"%%s\"\\n' \"$S\" >k; git add k; git commit -qm k; "
           "git checkout -q -b c; sed 's/$/ # gitleaks:allow/' k >t; mv t k; git commit -qam allowed; "
           "git checkout -q -b d main; echo \"" RIG_CANARY
           " gitleaks:allow\" >k; git add k; git commit -qm d");
    const char *rule = "gitlab-personal-access-token";
    struct push_check *check = push_x(PUSH_REFUSED, "nobody is asked");
    says(check, PUSH_SECRET, rule, PUSH_TO_REFUSE, "in \"k\", line 2, commit ",
         "refs/heads/x: refused: rule \"gitlab-");
    push_check_free(check);
    rig.asks = true;
    check = push_x(PUSH_REFUSED, "on_finding is block");
    push_check_free(check);
    rig.gate.supervise = true;
    check = push_x(PUSH_ASK, "on_finding is supervise");
    says(check, PUSH_SECRET, rule, PUSH_TO_ASK, "line 2", "waits for the operator's approval");
    char known[HOLD_VALUE + 2] = "?";
    strcat(known, rig_finding(check, PUSH_SECRET, rule)->hash);
    push_check_free(check);
    approve(NULL, known);
    rig.approved = approve;
    check = push_x(PUSH_CLEAN, "it was approved");
    says(check, PUSH_SECRET, rule, PUSH_APPROVED, "line 2", "approved");
    push_check_free(check);
    rig.approved = NULL;

    /* The comment alone is a question, too, and nothing without somebody to ask. */
    rig.gate.supervise = false;
    rig_accept(&rig, "refs/heads/x", "x");
    rig_update(&rig, "refs/heads/c", "c");
    check = rig_push(&rig, "");
    answers(check, PUSH_ASK, "a comment");
    says(check, PUSH_SECRET, rule, PUSH_TO_ASK, "gitleaks:allow", "waits");
    ck_assert(check->findings[0].allow_comment);
    push_check_free(check);
    rig.asks = false;
    rig_update(&rig, "refs/heads/c", "c");
    check = rig_push(&rig, "");
    answers(check, PUSH_REFUSED, "a comment, and nobody to ask");
    push_check_free(check);

    /* Known secrets are no question. */
    rig.asks = rig.gate.supervise = true;
    rig_update(&rig, "refs/heads/d", "d");
    check = rig_push(&rig, "");
    answers(check, PUSH_REFUSED, "a known secret");
    says(check, PUSH_SECRET, "CANARY", PUSH_TO_REFUSE, "of known_secrets", "refused");
    ck_assert(rig_finding(check, PUSH_SECRET, "CANARY")->canary);
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

START_TEST(protected_paths_are_asked_about)
{
    rig_begin(&rig, engine);
    patterns(&rig.repos[0].push.protect_paths, ".github/workflows/**", ".gitmodules");
    rig_sh(&rig, "",
           "git checkout -q -b x; mkdir -p .github/workflows/sub docs/.github/workflows; echo a "
           ">docs/.github/workflows/a; "
           "echo a >.github/dependabot.yml; git add .; git commit -qm around");
    push_check_free(push_x(PUSH_CLEAN, "beside them"));
    rig_sh(&rig, "",
           "echo b >.github/workflows/sub/ci.yml; git add .; git commit -qm ci; git rm -qr .github; git "
           "commit -qm gone");
    struct push_check *check = push_x(PUSH_REFUSED, "in them");
    says(check, PUSH_PROTECTED, "protect_paths", PUSH_TO_REFUSE, "\".github/workflows/sub/ci.yml\"",
         "git-gate.repos.app.push.protect_paths has (.github/workflows/**)");
    push_check_free(check);
    rig.asks = true;
    check = push_x(PUSH_ASK, "in them, and somebody to ask");
    says(check, PUSH_PROTECTED, "protect_paths", PUSH_TO_ASK, "commit ", "waits for the operator's approval");
    push_check_free(check);
    /* What the upstream changed there itself and a merge brings along is not touched by who merges it. */
    rig_sh(
        &rig, "",
        "git checkout -q -b up main; mkdir -p .github/workflows; echo u >.github/workflows/u.yml; git add .; "
        "git commit -qm up; "
        "git push -q $MIRROR up:main; git checkout -q -f -B x main; echo a >a; git add a; git commit -qm a; "
        "git merge -q --no-edit up");
    push_check_free(push_x(PUSH_CLEAN, "a merge of the upstream's"));
    rig_end(&rig);
}
END_TEST

START_TEST(only_declared_repositories_are_submodules)
{
    static const struct {
        const char *url;
        bool declared;
    } rows[] = {
        {"ssh://git@forge.example:2222/org/lib.git", true},
        {"ssh://git@FORGE.example:2222/org/lib", true},
        {"ssh://git@forge.example/org/lib.git", false},
        {"ssh://root@forge.example:2222/org/lib.git", false},
        {"https://forge.example/org/lib.git", true},
        {"https://forge.example:443/org/lib/", true},
        {"https://forge.example:8443/org/lib.git", false},
        {"https://user@forge.example/org/lib.git", false},
        {"http://forge.example/org/lib.git", false},
        {"git@forge.example:org/app.git", true},
        {"git@forge.example:/org/app", true},
        {"git@forge.example:org/lib.git", false}, /* its port is another */
        {"git@forge.example:org/app.git/../evil", false},
        {"../app.git", true},
        {"./../app", true},
        {"../other.git", false},
        {"../../evil/app.git", false},
        {"https://github.com/org/app.git", false},
        {"git://forge.example/org/app.git", false},
        {"file:///etc", false},
        {"/etc", false},
        {"ext::sh -c true", false},
        {"-u", false},
        {"", false},
    };

    rig_begin(&rig, engine);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(push_files_is_declared(&rig.gate, &rig.repos[0], str_of(rows[i].url)) ==
                          rows[i].declared,
                      "%s", rows[i].url);
    static const char module[] =
        "git checkout -q -f -B x main; git config -f .gitmodules submodule.m.path m; "
        "git config -f .gitmodules submodule.m.url \"$S\"; git add .gitmodules; "
        "git update-index --add --cacheinfo 160000,$(git rev-parse main),m; git commit -qm m";
    rig_sh(&rig, "https://forge.example/org/lib.git", module);
    push_check_free(push_x(PUSH_CLEAN, "a declared one"));
    rig_sh(&rig, "https://evil.example/org/lib.git", module);
    struct push_check *check = push_x(PUSH_REFUSED, "another one");
    says(check, PUSH_SUBMODULE, "submodule", PUSH_TO_REFUSE,
         "a submodule of \"https://evil.example/org/lib.git\", which no entry of git-gate.repos has as its "
         "url",
         "in \".gitmodules\", commit ");
    push_check_free(check);
    /* What the upstream has already is not new. */
    rig_accept(&rig, "refs/heads/main", "x");
    rig_sh(&rig, "", "git config -f .gitmodules submodule.m.branch next; git commit -qam branch");
    push_check_free(push_x(PUSH_CLEAN, "its branch"));
    /* A file that is there, under another name. */
    rig_sh(&rig, "",
           "git checkout -q -f -B x main; printf '[submodule \"n\"]\\n\\tpath = n\\n\\turl = "
           "https://evil.example/n\\n' >n; "
           "git add n; git commit -qm n; git push -q -f $MIRROR x:main; git mv n .gitmodules; git commit -qm "
           "moved");
    check = push_x(PUSH_REFUSED, "a file that becomes one");
    says(check, PUSH_SUBMODULE, "submodule", PUSH_TO_REFUSE, "https://evil.example/n", "refused");
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

START_TEST(lfs_and_filters_are_refused)
{
    rig_begin(&rig, engine);
    rig_sh(&rig, "",
           "git checkout -q -b x; printf 'version https://git-lfs.github.com/spec/v1\\noid "
           "sha256:%%064d\\nsize 12\\n' 7 >p.bin; "
           "git add p.bin; git commit -qm p");
    struct push_check *check = push_x(PUSH_REFUSED, "a pointer");
    says(check, PUSH_LFS, "lfs", PUSH_TO_REFUSE,
         "no entry of git-gate.repos or egress.routes can let LFS content through", "in \"p.bin\", commit ");
    push_check_free(check);
    rig_sh(&rig, "",
           "git checkout -q -f -B x main; printf '[lfs]\\n\\turl = https://lfs.example/x\\n' >.lfsconfig; "
           "git add .; git commit -qm l");
    check = push_x(PUSH_REFUSED, "an endpoint");
    says(check, PUSH_LFS, "lfs", PUSH_TO_REFUSE, "an LFS endpoint or filter (\"https://lfs.example/x\")",
         "in \".lfsconfig\"");
    push_check_free(check);
    rig_sh(&rig, "",
           "git checkout -q -f -B x main; printf '*.c text\\n*.bin filter=lfs -text\\n' >.gitattributes; git "
           "add .; git commit -qm f");
    check = push_x(PUSH_REFUSED, "a filter of lfs");
    says(check, PUSH_LFS, "lfs", PUSH_TO_REFUSE, "(\"lfs\")", "in \".gitattributes\"");
    push_check_free(check);
    rig_sh(&rig, "",
           "git checkout -q -f -B x main; mkdir d; echo 'secret/* filter=git-crypt' >d/.gitattributes; git "
           "add .; git commit -qm g");
    check = push_x(PUSH_REFUSED, "another filter");
    says(check, PUSH_FILTER, "filter", PUSH_TO_REFUSE, "a filter (\"git-crypt\")", "in \"d/.gitattributes\"");
    push_check_free(check);
    rig.asks = true;
    check = push_x(PUSH_ASK, "another filter, and somebody to ask");
    says(check, PUSH_FILTER, "filter", PUSH_TO_ASK, "git-crypt", "waits");
    push_check_free(check);
    rig_accept(&rig, "refs/heads/main", "x");
    rig_sh(&rig, "", "echo '*.md text' >>d/.gitattributes; git commit -qam t");
    push_check_free(push_x(PUSH_CLEAN, "the filter is there already"));
    rig_end(&rig);
}
END_TEST

START_TEST(what_the_upstream_has_is_not_new)
{
    /* The mirror has the secret; a delta needs the file it is in. */
    rig_begin(&rig, engine);
    rig_sh(&rig, RIG_TOKEN,
           "{ seq 1 3000; echo \"$S\"; } >k; git add k; git commit -qm k; git push -q -f $MIRROR HEAD:main; "
           "git checkout -q -b x; seq 1 3001 >k; git commit -qam without");
    push_check_free(push_x(PUSH_CLEAN, "a base that has it"));
    /* What was refused is refused again, and so is what an earlier push left in the mirror without a ref. */
    rig_sh(&rig, RIG_TOKEN,
           "echo \"$S again\" >n; git add n; git commit -qm again; echo more >more; git add more; git commit "
           "-qm more");
    push_check_free(push_x(PUSH_REFUSED, "new"));
    struct push_check *check = push_x(PUSH_REFUSED, "once more");
    says(check, PUSH_SECRET, "TOKEN", PUSH_TO_REFUSE, "in \"n\", line 1, commit ", "refused");
    push_check_free(check);
    rig_sh(&rig, "", "git push -q -f $MIRROR x:refs/heads/x; git -C $MIRROR update-ref -d refs/heads/x");
    rig_quarantine(&rig);
    rig_update(&rig, "refs/heads/x", "x");
    check = rig_check(&rig);
    answers(check, PUSH_REFUSED, "left there");
    says(check, PUSH_SECRET, "TOKEN", PUSH_TO_REFUSE, "in \"n\", line 1, commit ", "refs/heads/x: ");
    push_check_free(check);
    /* What the upstream had and has no more comes back: refused, too. */
    rig_sh(&rig, "",
           "git checkout -q -f -B x main; git rm -q k; git commit -qm r; git push -q -f $MIRROR x:main; git "
           "revert --no-edit HEAD >/dev/null");
    check = push_x(PUSH_REFUSED, "a revert");
    says(check, PUSH_SECRET, "TOKEN", PUSH_TO_REFUSE, "in \"k\", line 3001", "refused");
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

START_TEST(what_cannot_be_looked_at_fails)
{
    rig_begin(&rig, engine);
    rig_sh(&rig, "", "git checkout -q -b x; echo a >a; git add a; git commit -qm a");
    push_check_free(push_x(PUSH_CLEAN, "whole"));
    char command[512];
    /* A commit whose tree is not there. */
    rig_sh(&rig, "",
           "git update-ref refs/heads/x $(git cat-file commit HEAD | sed 's/^tree .*/tree "
           "1234567890123456789012345678901234567890/' | "
           "git hash-object -t commit -w --stdin)");
    rig_quarantine(&rig);
    snprintf(command, sizeof command, "git rev-parse x | git pack-objects -q %s/pack/pack >/dev/null",
             rig.quarantine);
    rig_sh(&rig, "", "%s", command);
    rig_update(&rig, "refs/heads/x", "x");
    struct push_check *check = rig_check(&rig);
    answers(check, PUSH_FAILED, "without its tree");
    ck_assert_str_eq(check->error.text, "the new commits cannot be walked");
    push_check_free(check);
    /* A pack that is damaged. */
    rig_sh(&rig, "",
           "git checkout -q -f -B x main; head -c 100000 /dev/urandom >r; git add r; git commit -qm r");
    push_check_free(push_x(PUSH_CLEAN, "before it is damaged"));
    snprintf(command, sizeof command,
             "chmod u+w %s/pack/*.pack; printf XXXXXXXX | dd of=$(ls %s/pack/*.pack) bs=1 seek=50000 "
             "conv=notrunc 2>/dev/null",
             rig.quarantine, rig.quarantine);
    rig_sh(&rig, "", "%s", command);
    rig_update(&rig, "refs/heads/x", "x");
    check = rig_check(&rig);
    answers(check, PUSH_FAILED, "damaged");
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

START_TEST(it_has_its_time)
{
    rig_begin(&rig, engine);
    rig_sh(&rig, "", "git checkout -q -b x; echo a >a; git add a; git commit -qm a");
    rig.ms = 1;
    struct push_check *check = push_x(PUSH_FAILED, "too little time");
    ck_assert_str_eq(check->error.text, "it took longer than it may");
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

/* Packs that say something else than what is in them, and one of 4 MB that unpacks to 40 GB. */
START_TEST(packs_that_lie_or_unpack_to_too_much_are_refused)
{
    static const struct {
        const char *kind, *text;
        enum push_answer answer;
    } rows[] = {
        {"bomb", "the objects unpack to more than 32 GiB", PUSH_REFUSED},
        {"large", "an object unpacks to more than 1 GiB", PUSH_REFUSED},
        {"short", "the new objects cannot be read", PUSH_FAILED},
    };

    rig_begin(&rig, engine);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_quarantine(&rig);
        rig_sh(&rig, "", "/usr/bin/python3 $OLDPWD/tests/gate/lying_pack.py %s %s", rows[i].kind,
               rig.quarantine);
        rig_update(&rig, "refs/heads/x", "main");
        struct push_check *check = rig_check(&rig);
        answers(check, rows[i].answer, rows[i].kind);
        ck_assert_msg(strstr(rig_said(check), rows[i].text) != NULL, "%s: %s", rows[i].kind, rig_said(check));
        ck_assert_uint_eq(check->bytes, 0);
        push_check_free(check);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(many_small_objects_are_looked_at)
{
    rig_begin(&rig, engine);
    rig_sh(&rig, RIG_TOKEN,
           "git checkout -q -b x; { for i in $(seq 10000); do printf 'blob\\nmark :%%d\\ndata "
           "8\\n%%07d\\n\\n' $i $i; done; "
           "printf 'commit refs/heads/x\\ncommitter A <a@b> 1700000000 +0000\\ndata 1\\nm\\nfrom %%s\\n' "
           "$(git rev-parse main); "
           "for i in $(seq 10000); do printf 'M 100644 :%%d d%%d/f%%d\\n' $i $((i / 100)) $i; done; "
           "printf 'commit refs/heads/y\\ncommitter A <a@b> 1700000000 +0000\\ndata 1\\nm\\nfrom "
           "refs/heads/x\\nM 100644 inline last\\ndata <<E\\n%%s\\nE\\n' "
           "\"$S\"; } | git fast-import --quiet --force");
    struct push_check *check = push_x(PUSH_CLEAN, "ten thousand");
    ck_assert_uint_eq(check->objects, 10001);
    ck_assert_uint_eq(check->commits, 1);
    push_check_free(check);
    rig_update(&rig, "refs/heads/x", "y");
    check = rig_push(&rig, "");
    answers(check, PUSH_REFUSED, "one more");
    says(check, PUSH_SECRET, "TOKEN", PUSH_TO_REFUSE, "in \"last\", line 1", "refused");
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

START_TEST(names_are_shown_without_what_a_terminal_obeys)
{
    rig_begin(&rig, engine);
    rig_sh(&rig, RIG_TOKEN,
           "git checkout -q -b x; n=$(printf 'a\\033[31m\\n\\\"\\\\b'); echo \"$S\" >\"$n\"; git add .; git "
           "commit -qm n");
    struct push_check *check = push_x(PUSH_REFUSED, "a name");
    says(check, PUSH_SECRET, "TOKEN", PUSH_TO_REFUSE, "in \"a\\x1b[31m\\x0a\\x5c\\x22\\x5cb\", line 1",
         "refused");
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

START_TEST(a_flood_of_findings_ends_the_search)
{
    rig_begin(&rig, engine);
    rig_sh(&rig, RIG_TOKEN,
           "git checkout -q -b x; for i in $(seq 300); do echo \"$i $S\" >f$i; done; git add .; git commit "
           "-qm many");
    rig.asks = rig.gate.supervise = true;
    struct push_check *check = push_x(PUSH_REFUSED, "many");
    ck_assert_uint_eq(check->count, PUSH_FINDINGS_MAX);
    ck_assert(check->more);
    push_check_free(check);
    rig_end(&rig);
}
END_TEST

SUITE_MAIN("push_check", refs_are_pushed_by_their_rules, a_pack_has_a_largest_size,
           a_secret_in_a_name_or_an_option_is_found_and_covered, who_may_be_asked_is_asked,
           protected_paths_are_asked_about, only_declared_repositories_are_submodules,
           lfs_and_filters_are_refused, what_the_upstream_has_is_not_new, what_cannot_be_looked_at_fails,
           it_has_its_time, packs_that_lie_or_unpack_to_too_much_are_refused,
           many_small_objects_are_looked_at, names_are_shown_without_what_a_terminal_obeys,
           a_flood_of_findings_ends_the_search)
