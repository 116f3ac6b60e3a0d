/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * presets: see presets.h. Every expression is matched against the whole canonical path, in any letter case.
 * TAIL takes what lies below, and the format suffix that Rails and Grape accept (".json"). BELOW is for instances
 * that live below a path of their own, of four segments at most. Both, and segments that are never given back ("++"), are cheap on paths
 * that do not match, which most do.
 *
 * All writing methods are in each entry, not only the documented one: forges take another method out of a
 * form's body (Rack::MethodOverride), which nobody looks at here.
 */
#include "hostctl/presets.h"

#define TAIL  "(?:[./].*)?"
#define BELOW "(?:/[^/]++){0,4}?"

const char *const preset_writes[] = {"POST", "PUT", "PATCH", "DELETE", 0};

/*
 * GitHub, "REST API endpoints for …"; the section's name stands beside the path. The root is api.github.com's, or
 * "/api/v3" and "/api/uploads" of GitHub Enterprise Server. Repositories have a second, numeric address, to which
 * redirects lead: "/repositories/ID".
 */
#define HUB  "(?:/api/v3|/api/uploads)?"
#define REPO HUB "(?:/repos/[^/]++/[^/]++|/repositories/[^/]++)"
#define ORG  HUB "/(?:orgs|enterprises|organizations)/[^/]++"

static const struct preset_entry github[] = {
    /* "repository contents"; "gists" */
    {"contents", false, {REPO "/contents" TAIL, HUB "/gists" TAIL}},
    /* "Git database": blobs, commits, refs, tags, trees */
    {"git", false, {REPO "/git" TAIL}},
    /* "branches" (rename, merge, merge-upstream), "protected branches", "rules", "protected tags" */
    {"branches",
     false,
     {REPO "/branches" TAIL, REPO "/rulesets" TAIL, REPO "/tags/protection" TAIL, ORG "/rulesets" TAIL}},
    /* "branches", "pull requests": merge, update-branch */
    {"merges",
     false,
     {REPO "/merges" TAIL, REPO "/merge-upstream" TAIL, REPO "/pulls/[^/]++/(?:merge|update-branch)" TAIL}},
    /* "deploy keys", "Git SSH keys", "GPG keys", "SSH signing keys" */
    {"keys",
     false,
     {REPO "/keys" TAIL, HUB "/user/(?:keys|gpg_keys|ssh_signing_keys)" TAIL, HUB "/admin/keys" TAIL,
      HUB "/admin/users/[^/]++/authorizations" TAIL}},
    /* "repository webhooks", "organization webhooks", "GitHub App webhooks", "global webhooks" */
    {"hooks", false, {REPO "/hooks" TAIL, ORG "/hooks" TAIL, HUB "/app/hook" TAIL, HUB "/admin/hooks" TAIL}},
    /* "source imports", "repositories": update (visibility), delete, transfer, create from a template;
     * "GitHub Pages"; "collaborators"; "organization members"; "Codespaces"; "migrations" */
    {"repository",
     false,
     {REPO "/?", REPO "/(?:import|transfer|generate|pages|collaborators|invitations|teams)" TAIL,
      REPO "/(?:codespaces|pulls/[^/]++/codespaces)" TAIL, HUB "/user/(?:codespaces|migrations)" TAIL,
      ORG "/(?:codespaces|migrations|invitations|memberships|outside_collaborators)" TAIL,
      HUB "/orgs/[^/]++/teams/[^/]++/repos" TAIL, HUB "/teams/[^/]++/repos" TAIL}},
    /* "releases", "release assets": they make tags and keep files */
    {"releases", false, {REPO "/releases" TAIL}},
    /* "GitHub Apps", "OAuth applications", "self-hosted runners", secrets of "GitHub Actions", Codespaces,
     * Dependabot; "deployment environments" */
    {"tokens",
     false,
     {HUB "/applications" TAIL, HUB "/authorizations" TAIL, HUB "/(?:app|user)/installations" TAIL,
      HUB "/app-manifests" TAIL,
      REPO "/(?:actions|codespaces|dependabot)/(?:runners|secrets|variables|permissions)" TAIL,
      ORG "/(?:actions|codespaces|dependabot)/"
          "(?:runners|hosted-runners|runner-groups|secrets|variables|permissions)" TAIL,
      REPO "/environments" TAIL,
      ORG "/personal-access-token"
          ".*"}},
    /* git-lfs, docs/api: uploads go to addresses that the batch API gives (github.com) */
    {"lfs", false, {"/.*/info/lfs/(?:objects/(?!batch/?$)|locks|verify).*"}},
    /* "Forming calls with GraphQL" */
    {"graphql", true, {"(?:/api)?/graphql" TAIL}},
};

/*
 * GitLab, "REST API resources"; the page's name stands beside the path. An instance may live below a path of its
 * own. Namespaced project ids ("group%2Fproject") have two readings and are refused before: ids are numbers here.
 */
#define LAB     BELOW "/api/v[0-9]+"
#define PROJECT LAB "/projects/[^/]++"
#define GROUP   LAB "/groups/[^/]++"

static const struct preset_entry gitlab[] = {
    /* "Repository files", "Commits", "Branches", "Tags", "Repositories" (changelog), "Repository submodules";
     * "Suggest changes" */
    {"contents", false, {PROJECT "/repository" TAIL, LAB "/suggestions" TAIL}},
    /* "Snippets", "Project snippets", "Wikis", "Releases", "Packages", "Project Markdown uploads",
     * "Secure files", Terraform's state */
    {"files",
     false,
     {LAB "/snippets" TAIL,
      PROJECT "/(?:snippets|wikis|releases|packages|uploads|secure_files|terraform)" TAIL,
      GROUP "/(?:wikis|uploads|-/packages)" TAIL, LAB "/packages" TAIL}},
    /* "Merge requests": merge, rebase; "Merge trains" */
    {"merges", false, {PROJECT "/merge_requests/[^/]++/(?:merge|rebase)" TAIL, PROJECT "/merge_trains" TAIL}},
    /* "Protected branches", "Protected tags", "Project push rules", "Merge request approvals" */
    {"protection",
     false,
     {PROJECT
      "/(?:protected_branches|protected_tags|push_rule|approvals|approval_rules|approval_settings)" TAIL,
      GROUP "/(?:protected_branches|push_rule|approval_rules)" TAIL}},
    /* "Deploy keys", "User SSH and GPG keys", "Group SSH certificates" */
    {"keys",
     false,
     {PROJECT "/deploy_keys" TAIL, LAB "/deploy_keys" TAIL, LAB "/users?(?:/[^/]++)?/(?:keys|gpg_keys)" TAIL,
      GROUP "/ssh_certificates" TAIL}},
    /* "Project webhooks", "Group webhooks", "System hooks", "Project integrations" */
    {"hooks",
     false,
     {PROJECT "/(?:hooks|integrations|services)" TAIL, GROUP "/(?:hooks|integrations)" TAIL,
      LAB "/hooks" TAIL}},
    /* "Project remote mirrors", "Project pull mirroring", "Project import and export", "Project relations
     * export", "Group import and export", "Group and project migration by direct transfer", "Import" */
    {"mirrors",
     false,
     {PROJECT "/(?:remote_mirrors|mirror|export|export_relations|import_project_members)" TAIL,
      LAB "/projects/(?:import|remote-import|remote-import-s3|import-relation)" TAIL,
      GROUP "/(?:export|export_relations)" TAIL, LAB "/groups/import" TAIL,
      LAB "/(?:bulk_imports|import)" TAIL}},
    /* "Projects": create (import_url), edit (visibility, mirror, import_url), delete, transfer, share; "Project
     * and group members"; "Geo" sites */
    {"repository",
     false,
     {LAB "/projects(?:/user/[^/]++)?"
          "(?:[.][a-z]+)?/?",
      PROJECT "/?", PROJECT "/(?:transfer|share|members|invitations|access_requests|pages)" TAIL, GROUP "/?",
      GROUP "/(?:transfer|share|members|invitations|access_requests|projects)" TAIL, LAB "/geo.*"}},
    /* "Personal access tokens", "Users" (impersonation tokens), "Project access tokens", "Group access tokens",
     * "Deploy tokens", "Runners", "Agents for Kubernetes", "Service accounts", "CI/CD job token scopes", "Applications" */
    {"tokens",
     false,
     {LAB "/personal_access_tokens" TAIL,
      LAB "/users?(?:/[^/]++)?/(?:personal_access_tokens|impersonation_tokens|runners)" TAIL,
      PROJECT "/(?:access_tokens|resource_access_tokens|deploy_tokens|runners|job_token_scope)" TAIL,
      GROUP "/(?:access_tokens|deploy_tokens|runners|service_accounts)" TAIL,
      LAB "/(?:deploy_tokens|runners|applications|service_accounts)" TAIL, PROJECT "/cluster_agents" TAIL}},
    /* "Pipeline trigger tokens", variables, and what is an administrator's: who reads them has them */
    {"secrets", true, {PROJECT "/(?:triggers|variables)" TAIL, GROUP "/variables" TAIL, LAB "/admin" TAIL}},
    /* git-lfs, docs/api: uploads go to addresses that the batch API gives */
    {"lfs", false, {"/.*/(?:info/lfs|gitlab-lfs)/(?:objects/(?!batch/?$)|locks|verify).*"}},
    /* "GraphQL API" */
    {"graphql", true, {BELOW "/api/graphql" TAIL, BELOW "/-/graphql-explorer" TAIL}},
};

/* Gitea (and Forgejo), "/api/swagger" of the instance; the operation's tag stands beside the path. */
#define TEA      BELOW "/api/v1"
#define TEA_REPO TEA "/repos/[^/]++/[^/]++"

static const struct preset_entry gitea[] = {
    /* repository: repoChangeFiles, repoCreateFile, repoUpdateFile, repoDeleteFile, repoApplyDiffPatch */
    {"contents", false, {TEA_REPO "/(?:contents|diffpatch)" TAIL}},
    /* repository: repoCreateBranch, repoDeleteBranch, repoCreateTag, repoDeleteTag, repoSetNote */
    {"git", false, {TEA_REPO "/(?:git|branches|tags|branch_protections|tag_protections)" TAIL}},
    /* repository: wiki pages, releases and their attachments, avatar; packages, those of containers too */
    {"files",
     false,
     {TEA_REPO "/(?:wiki|releases|avatar)" TAIL, TEA "/packages" TAIL, BELOW "/api/packages" TAIL, "/v2/.+"}},
    /* repository: repoMergePullRequest, repoUpdatePullRequest, repoMergeUpstream; Forgejo: repoSyncForkBranch */
    {"merges",
     false,
     {TEA_REPO "/pulls/[^/]++/(?:merge|update)" TAIL, TEA_REPO "/(?:merge-upstream|sync_fork)" TAIL}},
    /* repository: repoCreateKey; user: userCurrentPostKey, GPG keys */
    {"keys", false, {TEA_REPO "/keys" TAIL, TEA "/user/(?:keys|gpg_keys|gpg_key_verify|gpg_key_token)" TAIL}},
    /* repository: hooks, git hooks; organization; user */
    {"hooks", false, {TEA_REPO "/hooks" TAIL, TEA "/user/hooks" TAIL, TEA "/orgs/[^/]++/hooks" TAIL}},
    /* repository: repoAddPushMirror, repoPushMirrorSync, repoMirrorSync, repoMigrate */
    {"mirrors",
     false,
     {TEA_REPO "/(?:push_mirrors|push_mirrors-sync|mirror-sync)" TAIL, TEA "/repos/migrate" TAIL}},
    /* repository: repoEdit (private, mirror_interval), repoDelete, repoTransfer, generateRepo, collaborators,
     * teams; organization: teams' repositories */
    {"repository",
     false,
     {TEA_REPO "/?", TEA_REPO "/(?:transfer|generate|convert|collaborators|teams)" TAIL, TEA "/teams" TAIL,
      TEA "/orgs/[^/]++/teams" TAIL}},
    /* user: userCreateToken, OAuth2 applications; actions: secrets, variables */
    {"tokens",
     false,
     {TEA "/users/[^/]++/tokens" TAIL, TEA "/user/applications" TAIL,
      TEA "(?:/repos/[^/]++/[^/]++|/orgs/[^/]++|/user)/actions/(?:secrets|variables|runners)" TAIL}},
    /* a runner's token is given to who reads it; admin */
    {"admin", true, {TEA "(?:/[^/]++){1,4}/actions/runners/registration-token" TAIL, TEA "/admin" TAIL}},
    /* git-lfs, docs/api */
    {"lfs", false, {"/.*/info/lfs/(?:objects/(?!batch/?$)|locks|verify).*"}},
};

#define ENTRIES(list) list, sizeof list / sizeof list[0]

const struct preset presets[] = {
    {"github", ENTRIES(github)}, {"gitlab", ENTRIES(gitlab)}, {"gitea", ENTRIES(gitea)}, {0, 0, 0}};
