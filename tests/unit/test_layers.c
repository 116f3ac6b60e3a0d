/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layers: broken manifests of tests/golden/broken with the exact text of their errors; what overlays make of bottles
 * that extend others; agents. A file NAME.yaml or NAME.md there has its errors in NAME.errors. */
#include "hostctl/layers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostctl/placeholder.h"
#include "tests/unit/suite.h"

#define BROKEN "tests/golden/broken"

static char root[PATH_MAX]; /* what the texts do not name */

static void use_config(const char *folder)
{
    char path[PATH_MAX + 64];

    ck_assert_ptr_nonnull(getcwd(root, sizeof root));
    snprintf(path, sizeof path, "%s/%s", root, folder);
    setenv("XDG_CONFIG_HOME", path, 1);
}

/* The report as text, without the folder that the tests run in. */
static const char *text_of_report(struct report *report)
{
    static char out[65536];
    size_t len = strlen(root);

    memset(out, 0, sizeof out);
    FILE *to = fmemopen(out, sizeof out, "w");
    report_print(report, to);
    fclose(to);
    for (char *at = out; (at = strstr(at, root)) != NULL;)
        memmove(at, at + len + 1, strlen(at + len + 1) + 1);
    return out;
}

static const char *errors_of(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    struct layers_agent agent = {.repository = false};
    struct manifest *manifest = NULL;
    struct report report;

    report_init(&report, path);
    if (strncmp(name, "agent-", 6) == 0)
        layers_agent(&agent, &report);
    else
        manifest = layers_bottle(&report);
    ck_assert(report.count == 0 || (manifest == NULL && agent.manifest == NULL));
    const char *text = text_of_report(&report);
    report_fini(&report);
    manifest_free(manifest);
    layers_agent_fini(&agent);
    return text;
}

static void read_file(const char *path, char *into, size_t size)
{
    FILE *file = fopen(path, "r");

    ck_assert_msg(file != NULL, "%s is missing", path);
    into[fread(into, 1, size - 1, file)] = '\0';
    fclose(file);
}

START_TEST(broken_manifests_have_the_errors_beside_them)
{
    static char wanted[65536];
    char path[PATH_MAX], errors[PATH_MAX + 16];
    unsigned count = 0;

    use_config(BROKEN "/config");
    DIR *dir = opendir(BROKEN);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || (strcmp(dot, ".yaml") != 0 && strcmp(dot, ".md") != 0))
            continue;
        snprintf(path, sizeof path, BROKEN "/%s", entry->d_name);
        snprintf(errors, sizeof errors, BROKEN "/%.*s.errors", (int)(dot - entry->d_name), entry->d_name);
        read_file(errors, wanted, sizeof wanted);
        ck_assert_msg(wanted[0] != '\0', "%s: no error is wanted", path);
        ck_assert_str_eq(errors_of(path), wanted);
        count++;
    }
    closedir(dir);
    ck_assert_uint_ge(count, 50);
}
END_TEST

static char folder[] = "/tmp/test_layers.XXXXXX";
static const char *const folders[] = {"stopper", "stopper/bottles", "stopper/agents"};

/* A file of the user's configuration, which is a folder of this test's. */
static void write_config(const char *kind, const char *name, const char *text)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/stopper/%s/%s.md", folder, kind, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "---\n%s---\nThe text below.\n", text);
    fclose(file);
}

static void set_up(void)
{
    char path[PATH_MAX];

    strcpy(strrchr(folder, '.'), ".XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    setenv("XDG_CONFIG_HOME", folder, 1);
    snprintf(root, sizeof root, "%s", folder);
}

static void tear_down(void)
{
    static const char *const files[] = {"bottles/base", "bottles/left", "bottles/right", "bottles/top",
                                        "agents/a"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/stopper/%s.md", folder, files[i]);
        unlink(path);
    }
    for (size_t i = sizeof folders / sizeof folders[0]; i-- > 0;) {
        snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
        ck_assert_int_eq(rmdir(path), 0);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

static struct manifest *bottle(const char *name, struct report *report)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/stopper/bottles/%s.md", folder, name);
    report_init(report, path);
    struct manifest *manifest = layers_bottle(report);
    ck_assert_str_eq(text_of_report(report), "");
    ck_assert_ptr_nonnull(manifest);
    return manifest;
}

static const struct manifest_route *route(const struct manifest *manifest, const char *host)
{
    for (size_t i = 0; i < manifest->route_count; i++)
        if (strcmp(manifest->routes[i].host, host) == 0)
            return &manifest->routes[i];
    return NULL;
}

static const char *dropped(const struct manifest *manifest)
{
    static char text[4096];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < manifest->dropped_count; i++) {
        const struct manifest_dropped *one = &manifest->dropped[i];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s of %s:%u by %s:%u\n", one->what.text,
                                strrchr(one->what.file, '/') + 1, one->what.line,
                                strrchr(one->by_file, '/') + 1, one->by_line);
    }
    return text;
}

#define REPO(name, host) "    " name ": {url: ssh://git@" host "/r, key: {provider: static, path: /k}}\n"

START_TEST(a_child_goes_over_its_parents_by_host_field_and_name)
{
    struct report report;

    set_up();
    write_config(
        "bottles", "base",
        "egress:\n  dns: [192.0.2.1]\n  extra_ca: [base.pem]\n  ignore: [t.example]\n  hold_seconds: 60\n  "
        "on_canary: stop\n"
        "  routes:\n"
        "    - {host: a.example, cookies: allow}\n    - {host: b.example, cookies: allow}\n"
        "env: {A: base, B: base, C: {from_env: X}, D: {from_env: X}}\nskills: [one, two]\nsupervise: true\n"
        "git-gate:\n  user: {name: Base, email: base@example}\n  repos:\n" REPO("r1", "h.example")
            REPO("r2", "h.example") REPO("r3", "i.example") "  on_finding: block\n  scanner: /usr/bin/base\n "
                                                            " prefetch: false\n  storage_mb: 9\n");
    write_config("bottles", "top",
                 "extends: base\negress:\n  routes:\n    - host: B.example\n    - host: c.example\n"
                 "env: {B: top, C: top}\nsupervise: false\ngit-gate:\n  user: {name: Top}\n  repos:\n" REPO(
                     "s1", "h.example") "  scanner: /usr/bin/top\n");
    struct manifest *manifest = bottle("top", &report);
    ck_assert_uint_eq(manifest->route_count, 3);
    ck_assert(route(manifest, "a.example")->cookies && !route(manifest, "b.example")->cookies);
    ck_assert_ptr_nonnull(route(manifest, "c.example"));
    ck_assert_uint_eq(manifest->dns_count, 1);
    ck_assert_uint_eq(manifest->extra_ca_count, 1);
    ck_assert_uint_eq(manifest->ignore_count, 1);
    ck_assert_uint_eq(manifest->hold_seconds, 60);
    ck_assert_int_eq(manifest->on_canary, CANARY_STOP);
    ck_assert(!manifest->supervise && !manifest_holds(manifest));
    ck_assert_uint_eq(manifest->skill_count, 2);
    ck_assert_str_eq(manifest->user_name, "Top");
    ck_assert_str_eq(manifest->user_email, "base@example");
    ck_assert_uint_eq(manifest->env_count, 3);
    ck_assert_str_eq(manifest->env[0], "A=base");
    ck_assert_str_eq(manifest->env[1], "B=top");
    ck_assert_str_eq(manifest->env[2], "C=top");
    ck_assert_ptr_null(manifest->env[3]);
    ck_assert_uint_eq(manifest->form_count, 1); /* C is the child's literal now */
    ck_assert_str_eq(manifest->forms[0].name.text, "D");
    ck_assert_str_eq(dropped(manifest), "the route for b.example of base.md:10 by top.md:5\n"
                                        "the repository r1 of base.md:17 by top.md:12\n"
                                        "the repository r2 of base.md:18 by top.md:12\n");
    manifest_unenforced(manifest, &report);
    ck_assert_str_eq(text_of_report(&report), "");
    ck_assert_uint_eq(manifest->repo_count, 2);
    ck_assert_str_eq(manifest->repos[0].name.text, "r3");
    ck_assert_str_eq(manifest->repos[1].name.text, "s1");
    ck_assert_int_eq(manifest->on_finding, FINDING_BLOCK);
    ck_assert_str_eq(manifest->scanner, "/usr/bin/top");
    ck_assert(manifest->no_prefetch);
    ck_assert_uint_eq(manifest->storage_mb, 9);
    report_fini(&report);
    manifest_free(manifest);
    tear_down();
}
END_TEST

START_TEST(of_several_parents_the_later_wins_and_a_common_one_is_no_circle)
{
    struct report report;

    set_up();
    write_config("bottles", "base", "egress: {routes: [{host: a.example}]}\nenv: {A: base}\nskills: [x]\n");
    write_config("bottles", "left", "extends: base\nenv: {B: left}\negress: {routes: [{host: l.example}]}\n");
    write_config("bottles", "right", "extends: [base]\nenv: {B: right}\nskills: []\n");
    write_config("bottles", "top", "extends: [left, right]\n");
    struct manifest *manifest = bottle("top", &report);
    ck_assert_uint_eq(manifest->route_count, 2);
    ck_assert_uint_eq(manifest->env_count, 2);
    ck_assert_str_eq(manifest->env[1], "B=right");
    ck_assert_uint_eq(manifest->skill_count, 0);
    ck_assert_uint_eq(manifest->dropped_count, 0);
    report_fini(&report);
    manifest_free(manifest);
    tear_down();
}
END_TEST

static const char *env(const struct manifest *manifest, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < manifest->env_count; i++)
        if (strncmp(manifest->env[i], name, len) == 0 && manifest->env[i][len] == '=')
            return manifest->env[i] + len + 1;
    return NULL;
}

START_TEST(a_template_lies_under_its_bottle_and_a_role_fills_its_route)
{
    static const struct {
        const char *template, *host, *variable;
        enum auth_scheme scheme;
        size_t ignored, forms;
        const char *begins;
        size_t length;
    } cases[] = {
        {"claude", "api.anthropic.com", "CLAUDE_CODE_OAUTH_TOKEN", AUTH_BEARER, 3, 1,
         "sk-ant-oat01-stopper-placeholder-----", 108},
        {"codex", "api.openai.com", "OPENAI_API_KEY", AUTH_BEARER, 2, 2, "sk-proj-stopper-placeholder-", 92}};
    struct report report;
    char text[256];

    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "agent_provider: {template: %s}\n", cases[i].template);
        write_config("bottles", "base", text);
        write_config("bottles", "top",
                     "extends: base\negress: {routes: [{host: a.example}]}\nenv: {A: top}\n");
        struct manifest *manifest = bottle("top", &report);
        const struct manifest_route *api = route(manifest, cases[i].host);
        ck_assert_uint_eq(manifest->route_count, 2);
        ck_assert_int_eq(api->auth.scheme, cases[i].scheme);
        ck_assert_str_eq(api->auth.token_ref, cases[i].variable);
        ck_assert_uint_eq(api->rules.matches.count, 2);
        ck_assert_uint_eq(manifest->ignore_count, cases[i].ignored);
        ck_assert_ptr_null(env(manifest, cases[i].variable));
        ck_assert_uint_eq(manifest->form_count, cases[i].forms);
        ck_assert_str_eq(manifest->forms[0].name.text, cases[i].variable);
        ck_assert_int_eq(placeholder_fill(manifest, placeholder_no_seed), 0);
        ck_assert_int_eq(strncmp(api->auth.placeholder, cases[i].begins, strlen(cases[i].begins)), 0);
        ck_assert_uint_eq(strlen(api->auth.placeholder), cases[i].length);
        for (size_t form = 0; form < manifest->form_count; form++)
            ck_assert_ptr_eq(manifest->forms[form].held, api->auth.placeholder);
        ck_assert_str_eq(env(manifest, "A"), "top");
        manifest_unenforced(manifest, &report);
        ck_assert_str_eq(text_of_report(&report), "");
        report_fini(&report);
        manifest_free(manifest);
    }
    write_config("bottles", "top",
                 "agent_provider: {template: claude}\negress:\n  ignore: []\n  routes:\n"
                 "    - {host: api.anthropic.com, role: anthropic_api_key, matches: [{methods: [POST]}]}\n"
                 "env: {ANTHROPIC_API_KEY: mine, DISABLE_TELEMETRY: \"0\"}\n");
    struct manifest *manifest = bottle("top", &report);
    const struct manifest_route *api = route(manifest, "api.anthropic.com");
    ck_assert_uint_eq(manifest->route_count, 1);
    ck_assert_str_eq(api->auth.token_ref, "ANTHROPIC_API_KEY");
    ck_assert_str_eq(api->auth.header, "x-api-key");
    ck_assert_uint_eq(api->rules.matches.count, 1);
    ck_assert_uint_eq(manifest->ignore_count, 0);
    ck_assert_str_eq(env(manifest, "ANTHROPIC_API_KEY"), "mine");
    ck_assert_str_eq(env(manifest, "DISABLE_TELEMETRY"), "0");
    ck_assert_ptr_null(env(manifest, "CLAUDE_CODE_OAUTH_TOKEN"));
    report_fini(&report);
    manifest_free(manifest);
    write_config(
        "bottles", "top",
        "egress: {routes: [{host: api.anthropic.com, role: claude_code_oauth, auth: passthrough}]}\n");
    manifest = bottle("top", &report); /* the agent's own credential: no variable goes over it */
    ck_assert_uint_eq(manifest->form_count, 0);
    report_fini(&report);
    manifest_free(manifest);
    write_config("bottles", "top", "egress: {routes: [{host: chatgpt.com, role: codex_oauth}]}\n");
    manifest = bottle("top", &report);
    manifest_unenforced(manifest, &report);
    ck_assert_str_eq(text_of_report(&report),
                     "stopper/bottles/top.md:2: egress.routes[0].role: this version does not "
                     "enforce it yet, and starts no bottle that needs it\n");
    report_fini(&report);
    manifest_free(manifest);
    tear_down();
}
END_TEST

START_TEST(an_agent_adds_skills_and_goes_over_the_user)
{
    struct layers_agent agent;
    struct report report;
    struct err err;

    set_up();
    write_config("bottles", "base", "skills: [one]\ngit-gate: {user: {name: Base, email: base@example}}\n");
    write_config(
        "agents", "a",
        "bottle: base\nskills: [two, one]\ngit-gate: {user: {email: agent@example}}\nname: a\nmodel: m\n");
    ck_assert_int_eq(layers_find_agent("a", &agent, &err), 0);
    ck_assert(!agent.repository);
    report_init(&report, agent.path);
    ck_assert_int_eq(layers_agent(&agent, &report), 0);
    ck_assert_uint_eq(agent.manifest->skill_count, 2);
    ck_assert_str_eq(agent.manifest->skills[1].text, "two");
    ck_assert_str_eq(agent.manifest->user_name, "Base");
    ck_assert_str_eq(agent.manifest->user_email, "agent@example");
    ck_assert_str_eq(agent.bottle, "base");
    ck_assert(str_equal(agent.prompt, str_of("The text below.\n")));
    ck_assert_uint_eq(strlen(agent.digest), 64);
    report_fini(&report);
    layers_agent_fini(&agent);
    ck_assert_int_eq(layers_find_agent("b", &agent, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "there is no agent \"b\": neither /"));
    ck_assert_int_eq(layers_find_agent("../a", &agent, &err), -1);
    ck_assert_str_eq(err.text, "\"../a\" is no name of an agent");
    tear_down();
}
END_TEST

START_TEST(depth_and_number_of_files_are_bounded)
{
    char path[PATH_MAX], text[4096], name[16];
    struct report report;

    set_up();
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "d%d", i);
        snprintf(text, sizeof text, "extends: d%d\n", i + 1);
        write_config("bottles", name, text);
    }
    for (int i = 0; i < 8; i++) { /* each level names all of the next twice: 2^8 files without a bound */
        snprintf(name, sizeof name, "w%d", i);
        snprintf(text, sizeof text, i < 7 ? "extends: [w%d, v%d]\n" : "env: {}\n", i + 1, i + 1);
        write_config("bottles", name, text);
        name[0] = 'v';
        write_config("bottles", name, text);
    }
    snprintf(path, sizeof path, "%s/stopper/bottles/d0.md", folder);
    report_init(&report, path);
    ck_assert_ptr_null(layers_bottle(&report));
    ck_assert_str_eq(text_of_report(&report),
                     "stopper/bottles/d16.md:2: extends: more than 16 parents, one above the other\n");
    report_fini(&report);
    snprintf(path, sizeof path, "%s/stopper/bottles/w0.md", folder);
    report_init(&report, path);
    ck_assert_ptr_null(layers_bottle(&report));
    ck_assert_ptr_nonnull(strstr(text_of_report(&report), "extends: more than 64 files make this bottle\n"));
    report_fini(&report);
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof path, "%s/stopper/bottles/d%d.md", folder, i);
        unlink(path);
        snprintf(path, sizeof path, "%s/stopper/bottles/w%d.md", folder, i);
        unlink(path);
        snprintf(path, sizeof path, "%s/stopper/bottles/v%d.md", folder, i);
        unlink(path);
    }
    tear_down();
}
END_TEST

SUITE_MAIN("layers", broken_manifests_have_the_errors_beside_them,
           a_child_goes_over_its_parents_by_host_field_and_name,
           of_several_parents_the_later_wins_and_a_common_one_is_no_circle,
           a_template_lies_under_its_bottle_and_a_role_fills_its_route,
           an_agent_adds_skills_and_goes_over_the_user, depth_and_number_of_files_are_bounded)
