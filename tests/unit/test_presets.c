/* SPDX-License-Identifier: GPL-3.0-or-later */
/* presets: requests to each forge's API that lead around the gate, and ones that a coding agent lives by. */
#include "hostctl/presets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/manifest.h"
#include "tests/unit/suite.h"

static struct manifest *with_deny(const char *deny)
{
    struct report report;
    char yaml[256];

    snprintf(yaml, sizeof yaml, "egress: {routes: [{host: a.example, deny: [%s]}]}\n", deny);
    report_init(&report, "m.yaml");
    struct node *root = node_parse(str_of(yaml), 1, &report);
    struct manifest *manifest = root != NULL ? manifest_read(root, &report) : NULL;
    report_print(&report, stderr);
    ck_assert_ptr_nonnull(manifest);
    node_free(root);
    report_fini(&report);
    match_finish(&manifest->routes[0].rules);
    return manifest;
}

struct row {
    const char *request, *entry; /* NULL: allowed */
};

static void judge_all(const char *preset, const struct row *rows, size_t count)
{
    struct manifest *manifest = with_deny(preset);
    const struct match_rules *rules = &manifest->routes[0].rules;

    for (size_t i = 0; i < count; i++) {
        size_t method = strcspn(rows[i].request, " ");
        struct match_request request = {.method = {rows[i].request, method},
                                        .path = str_of(rows[i].request + method + 1)};
        char name[MATCH_NAME_MAX] = "", wanted[MATCH_NAME_MAX] = "";
        const struct match_entry *entry;
        enum denial denial = match_judge(rules, &request, &entry);
        if (entry != NULL)
            match_entry_name(rules, entry, name);
        if (rows[i].entry != NULL)
            snprintf(wanted, sizeof wanted, "deny[0] %s/%s", preset, rows[i].entry);
        ck_assert_msg(strcmp(name, wanted) == 0, "%s: %s by \"%s\", not by \"%s\"", rows[i].request,
                      denial_name(denial), name, wanted);
        ck_assert_int_eq(denial, rows[i].entry != NULL ? DENIAL_DENY_ENTRY : DENIAL_NONE);
    }
    manifest_free(manifest);
}

#define JUDGE(preset, ...)                                                                                   \
    do {                                                                                                     \
        static const struct row rows[] = {__VA_ARGS__};                                                      \
        judge_all(preset, rows, sizeof rows / sizeof rows[0]);                                               \
    } while (0)

START_TEST(the_ways_around_the_gate_at_github)
{
    JUDGE(
        "github", {"PUT /repos/o/r/contents/a/b.c", "contents"}, {"DELETE /repos/o/r/contents/a", "contents"},
        {"PUT /Repos/o/r/Contents/a", "contents"}, {"PUT /repositories/123/contents/a", "contents"},
        {"PUT /api/v3/repos/o/r/contents/a", "contents"}, {"POST /repos/o/r/contents/a", "contents"},
        {"POST /gists", "contents"}, {"PATCH /gists/1", "contents"}, {"POST /repos/o/r/git/blobs", "git"},
        {"POST /repos/o/r/git/trees", "git"}, {"POST /repos/o/r/git/commits", "git"},
        {"POST /repos/o/r/git/refs", "git"}, {"PATCH /repos/o/r/git/refs/heads/main", "git"},
        {"DELETE /repos/o/r/git/refs/heads/x", "git"}, {"POST /repos/o/r/git/tags/", "git"},
        {"POST /repos/o/r/git.json", "git"}, {"POST /repos/o/r/branches/main/rename", "branches"},
        {"DELETE /repos/o/r/branches/main/protection", "branches"}, {"PUT /repos/o/r/rulesets/1", "branches"},
        {"POST /repos/o/r/merges", "merges"}, {"POST /repos/o/r/merge-upstream", "merges"},
        {"PUT /repos/o/r/pulls/7/merge", "merges"}, {"PUT /repos/o/r/pulls/7/update-branch", "merges"},
        {"POST /repos/o/r/keys", "keys"}, {"POST /user/keys", "keys"}, {"POST /user/gpg_keys", "keys"},
        {"POST /user/ssh_signing_keys", "keys"}, {"POST /repos/o/r/hooks", "hooks"},
        {"PATCH /repos/o/r/hooks/1/config", "hooks"}, {"POST /orgs/o/hooks", "hooks"},
        {"PATCH /app/hook/config", "hooks"}, {"PUT /repos/o/r/import", "repository"},
        {"PATCH /repos/o/r", "repository"}, {"DELETE /repos/o/r/", "repository"},
        {"POST /repos/o/r/transfer", "repository"}, {"POST /repos/o/r/generate", "repository"},
        {"PUT /repos/o/r/collaborators/x", "repository"}, {"POST /user/codespaces", "repository"},
        {"POST /user/migrations", "repository"}, {"POST /repos/o/r/releases", "releases"},
        {"POST /api/uploads/repos/o/r/releases/1/assets", "releases"},
        {"POST /app/installations/1/access_tokens", "tokens"},
        {"POST /applications/1/token/scoped", "tokens"},
        {"POST /repos/o/r/actions/runners/registration-token", "tokens"},
        {"PUT /repos/o/r/actions/secrets/X", "tokens"},
        {"POST /orgs/o/actions/runners/generate-jitconfig", "tokens"}, {"POST /graphql", "graphql"},
        {"GET /graphql", "graphql"}, {"POST /api/graphql/", "graphql"}, {"POST /GraphQL", "graphql"},
        {"PUT /o/r.git/info/lfs/objects/0", "lfs"}, {"POST /o/r.git/info/lfs/locks", "lfs"},
        /* what is left */
        {"PUT /user/installations/1/repositories/2", "tokens"}, {"POST /orgs/o/invitations", "repository"},
        {"GET /repos/o/r/contents/a", NULL}, {"GET /repos/o/r/git/refs", NULL}, {"GET /repos/o/r", NULL},
        {"POST /repos/o/r/issues", NULL}, {"POST /repos/o/r/pulls", NULL}, {"PATCH /repos/o/r/pulls/7", NULL},
        {"POST /repos/o/r/pulls/7/comments", NULL}, {"POST /repos/o/r/issues/7/comments", NULL},
        {"GET /repos/o/r/pulls/7/merge", NULL}, {"POST /repos/o/r/statuses/0", NULL}, {"GET /user", NULL},
        {"GET /search/code", NULL}, {"POST /o/r.git/info/lfs/objects/batch", NULL},
        {"POST /o/r.git/git-upload-pack", NULL}, {"GET /repos/o/graphql/contents/graphql", NULL});
}
END_TEST

START_TEST(the_ways_around_the_gate_at_gitlab)
{
    JUDGE("gitlab", {"POST /api/v4/projects/1/repository/files/a.c", "contents"},
          {"PUT /api/v4/projects/1/repository/files/a.c", "contents"},
          {"POST /api/v4/projects/1/repository/commits", "contents"},
          {"POST /api/v4/projects/1/repository/commits.json", "contents"},
          {"POST /api/v4/projects/1/repository/commits/0/revert", "contents"},
          {"POST /api/v4/projects/1/repository/branches", "contents"},
          {"DELETE /api/v4/projects/1/repository/tags/v1", "contents"},
          {"POST /api/v4/projects/1/repository/changelog", "contents"},
          {"PUT /gitlab/api/v4/projects/1/repository/submodules/x", "contents"},
          {"PUT /api/v4/suggestions/5/apply", "contents"},
          {"PUT /api/v4/suggestions/batch_apply", "contents"}, {"POST /api/v4/snippets", "files"},
          {"POST /api/v4/projects/1/wikis", "files"},
          {"PUT /api/v4/projects/1/packages/generic/a/1/f", "files"},
          {"POST /api/v4/projects/1/releases", "files"},
          {"PUT /api/v4/projects/1/merge_requests/2/merge", "merges"},
          {"PUT /api/v4/projects/1/merge_requests/2/rebase", "merges"},
          {"POST /api/v4/projects/1/merge_trains/merge_requests/2", "merges"},
          {"DELETE /api/v4/projects/1/protected_branches/main", "protection"},
          {"POST /api/v4/projects/1/deploy_keys", "keys"}, {"POST /api/v4/user/keys", "keys"},
          {"POST /api/v4/users/3/gpg_keys", "keys"}, {"POST /api/v4/projects/1/hooks", "hooks"},
          {"POST /api/v4/groups/1/hooks", "hooks"}, {"PUT /api/v4/projects/1/integrations/slack", "hooks"},
          {"POST /api/v4/projects/1/remote_mirrors", "mirrors"},
          {"POST /api/v4/projects/1/mirror/pull", "mirrors"}, {"POST /api/v4/projects/1/export", "mirrors"},
          {"POST /api/v4/projects/remote-import", "mirrors"}, {"POST /api/v4/import/github", "mirrors"},
          {"POST /api/v4/bulk_imports", "mirrors"}, {"POST /api/v4/projects", "repository"},
          {"PUT /api/v4/projects/1", "repository"}, {"PUT /api/v4/projects/1/transfer", "repository"},
          {"POST /api/v4/projects/1/share", "repository"},
          {"POST /api/v4/user/personal_access_tokens", "tokens"},
          {"POST /api/v4/projects/1/access_tokens", "tokens"},
          {"POST /api/v4/users/1/impersonation_tokens", "tokens"},
          {"POST /api/v4/projects/1/deploy_tokens", "tokens"}, {"POST /api/v4/user/runners", "tokens"},
          {"GET /api/v4/projects/1/variables", "secrets"}, {"POST /api/v4/projects/1/triggers", "secrets"},
          {"GET /api/v4/admin/ci/variables", "secrets"}, {"POST /api/graphql", "graphql"},
          {"GET /gitlab/api/graphql", "graphql"},
          {"POST /api/v4/groups/1/service_accounts/2/personal_access_tokens", "tokens"},
          {"POST /api/v4/projects/1/terraform/state/x", "files"},
          {"PUT /api/v4/projects/1/access_requests/2/approve", "repository"},
          {"PUT /g/p.git/gitlab-lfs/objects/0/1", "lfs"}, {"PUT /g/p.git/info/lfs/objects/0/1", "lfs"},
          /* what is left */
          {"GET /api/v4/projects/1/repository/files/a.c", NULL},
          {"GET /api/v4/projects/1/repository/commits", NULL}, {"GET /api/v4/projects/1", NULL},
          {"GET /api/v4/projects", NULL}, {"POST /api/v4/projects/1/issues", NULL},
          {"POST /api/v4/projects/1/merge_requests", NULL}, {"PUT /api/v4/projects/1/merge_requests/2", NULL},
          {"POST /api/v4/projects/1/merge_requests/2/notes", NULL}, {"GET /api/v4/user", NULL},
          {"GET /api/v4/projects/1/hooks", NULL}, {"POST /g/p.git/info/lfs/objects/batch", NULL});
}
END_TEST

START_TEST(the_ways_around_the_gate_at_gitea)
{
    JUDGE("gitea", {"POST /api/v1/repos/o/r/contents/a", "contents"},
          {"POST /api/v1/repos/o/r/contents", "contents"}, {"PUT /API/V1/repos/o/r/contents/a", "contents"},
          {"POST /api/v1/repos/o/r/diffpatch", "contents"}, {"POST /git/api/v1/repos/o/r/branches", "git"},
          {"DELETE /api/v1/repos/o/r/tags/v1", "git"}, {"POST /api/v1/repos/o/r/git/notes/0", "git"},
          {"POST /api/v1/repos/o/r/wiki/new", "files"}, {"POST /api/v1/repos/o/r/releases", "files"},
          {"PUT /api/packages/o/generic/a/1/f", "files"}, {"PUT /v2/o/image/manifests/latest", "files"},
          {"POST /api/v1/repos/o/r/pulls/1/merge", "merges"},
          {"POST /api/v1/repos/o/r/pulls/1/update", "merges"},
          {"POST /api/v1/repos/o/r/merge-upstream", "merges"},
          {"POST /api/v1/repos/o/r/sync_fork/main", "merges"},
          {"PUT /api/v1/teams/1/repos/o/r", "repository"}, {"POST /api/v1/repos/o/r/keys", "keys"},
          {"POST /api/v1/user/keys", "keys"}, {"POST /api/v1/repos/o/r/hooks", "hooks"},
          {"PATCH /api/v1/repos/o/r/hooks/git/pre-receive", "hooks"}, {"POST /api/v1/user/hooks", "hooks"},
          {"POST /api/v1/orgs/o/hooks", "hooks"}, {"POST /api/v1/repos/o/r/push_mirrors", "mirrors"},
          {"POST /api/v1/repos/o/r/push_mirrors-sync", "mirrors"},
          {"POST /api/v1/repos/o/r/mirror-sync", "mirrors"}, {"POST /api/v1/repos/migrate", "mirrors"},
          {"PATCH /api/v1/repos/o/r", "repository"}, {"POST /api/v1/repos/o/r/transfer", "repository"},
          {"POST /api/v1/repos/o/r/generate", "repository"}, {"POST /api/v1/users/u/tokens", "tokens"},
          {"POST /api/v1/user/applications/oauth2", "tokens"},
          {"PUT /api/v1/repos/o/r/actions/secrets/X", "tokens"},
          {"GET /api/v1/repos/o/r/actions/runners/registration-token", "admin"},
          {"GET /api/v1/admin/users", "admin"}, {"PUT /o/r.git/info/lfs/objects/0/1", "lfs"},
          /* what is left */
          {"GET /api/v1/repos/o/r/contents/a", NULL}, {"GET /api/v1/repos/o/r/git/trees/0", NULL},
          {"POST /api/v1/repos/o/r/issues", NULL}, {"POST /api/v1/repos/o/r/pulls", NULL},
          {"PATCH /api/v1/repos/o/r/pulls/1", NULL}, {"POST /api/v1/repos/o/r/issues/1/comments", NULL},
          {"GET /api/v1/repos/o/r/pulls/1/merge", NULL}, {"GET /api/v1/user", NULL},
          {"POST /o/r.git/info/lfs/objects/batch", NULL}, {"POST /o/r.git/git-upload-pack", NULL});
}
END_TEST

START_TEST(presets_stand_beside_entries_of_ones_own)
{
    struct manifest *manifest = with_deny("{methods: [PUT]}, gitea, {paths: [{value: /x}]}, github");
    const struct match_list *deny = &manifest->routes[0].rules.deny;
    char name[MATCH_NAME_MAX];
    size_t gitea = 0, github = 0;

    for (const struct preset *preset = presets; preset->name != NULL; preset++) {
        gitea = strcmp(preset->name, "gitea") == 0 ? preset->count : gitea;
        github = strcmp(preset->name, "github") == 0 ? preset->count : github;
    }
    ck_assert_uint_eq(deny->count, 2 + gitea + github);
    match_entry_name(&manifest->routes[0].rules, &deny->entries[0], name);
    ck_assert_str_eq(name, "deny[0]");
    match_entry_name(&manifest->routes[0].rules, &deny->entries[1], name);
    ck_assert_str_eq(name, "deny[1] gitea/contents");
    match_entry_name(&manifest->routes[0].rules, &deny->entries[1 + gitea], name);
    ck_assert_str_eq(name, "deny[2]");
    match_entry_name(&manifest->routes[0].rules, &deny->entries[deny->count - 1], name);
    ck_assert_str_eq(name, "deny[3] github/graphql");
    manifest_free(manifest);
}
END_TEST

SUITE_MAIN("presets", the_ways_around_the_gate_at_github, the_ways_around_the_gate_at_gitlab,
           the_ways_around_the_gate_at_gitea, presets_stand_beside_entries_of_ones_own)
