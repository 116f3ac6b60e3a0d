/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl/fixed: what is recorded of a manifest at the start, and what of a later one is not the same. */
#include "hostctl/fixed.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

static char home[] = "/tmp/test_fixed.XXXXXX";
static struct state state;
static struct err err;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(home));
    ck_assert_int_eq(setenv("XDG_STATE_HOME", home, 1), 0);
    ck_assert_int_eq(state_open(&state, "a", STATE_MAKE, 0, &err), STATE_OK);
}

static void tear_down(void)
{
    char command[64];

    state_close(&state);
    snprintf(command, sizeof command, "rm -rf '%s'", home);
    ck_assert_int_eq(system(command), 0);
}

/* A manifest in words of its own; "-" is what is not said. */
struct words {
    const char *env[3], *user, *email, *skills[3], *image, *runtime, *prompt;
};

static char *said(const char *text)
{
    return text == NULL || strcmp(text, "-") == 0 ? NULL : (char *)(uintptr_t)text;
}

static struct fixed digest_of(const struct words *words)
{
    struct manifest_word skills[3] = {{.text = NULL}};
    struct manifest manifest = {.user_name = said(words->user),
                                .user_email = said(words->email),
                                .image.text = said(words->image),
                                .runtime.text = said(words->runtime),
                                .skills = skills};
    char *env[4] = {NULL};
    struct fixed fixed;

    for (; words->env[manifest.env_count] != NULL; manifest.env_count++)
        env[manifest.env_count] = said(words->env[manifest.env_count]);
    for (; words->skills[manifest.skill_count] != NULL; manifest.skill_count++)
        skills[manifest.skill_count].text = said(words->skills[manifest.skill_count]);
    manifest.env = env;
    ck_assert_int_eq(fixed_take(&manifest, str_of(words->prompt), &fixed), 0);
    return fixed;
}

static const struct words started = {
    {"A=1", "B=2", NULL}, "Ada", "ada@a.example", {"one", "two", NULL}, "agent:1", "-", "be kind"};

#define REST "Ada", "ada@a.example", {"one", "two", NULL}, "agent:1", "-", "be kind"
#define VARIABLES                                                                                            \
    {                                                                                                        \
        "A=1", "B=2", NULL                                                                                   \
    }
#define SKILLS                                                                                               \
    {                                                                                                        \
        "one", "two", NULL                                                                                   \
    }

static const struct {
    struct words words;
    const char *changed;
} cases[] = {
    {{VARIABLES, REST}, ""},
    {{{"A=1", "B=3", NULL}, REST}, "env "},
    {{{"A=1", NULL}, REST}, "env "},
    {{{"A=1B=2", NULL}, REST}, "env "},
    {{{NULL}, REST}, "env "},
    {{VARIABLES, "Eva", "ada@a.example", SKILLS, "agent:1", "-", "be kind"}, "git-gate.user "},
    {{VARIABLES, "-", "ada@a.example", SKILLS, "agent:1", "-", "be kind"}, "git-gate.user "},
    {{VARIABLES, "Ada", "-", SKILLS, "agent:1", "-", "be kind"}, "git-gate.user "},
    {{VARIABLES, "Ada", "ada@a.example", {"one", NULL}, "agent:1", "-", "be kind"}, "skills "},
    {{VARIABLES, "Ada", "ada@a.example", {"onetwo", NULL}, "agent:1", "-", "be kind"}, "skills "},
    {{VARIABLES, "Ada", "ada@a.example", SKILLS, "agent:2", "-", "be kind"}, "image "},
    {{VARIABLES, "Ada", "ada@a.example", SKILLS, "agent:1", "podman", "be kind"}, "runtime "},
    {{VARIABLES, "Ada", "ada@a.example", SKILLS, "agent:1", "-", "be cruel"}, "prompt "},
    {{{NULL}, "-", "-", {NULL}, "-", "-", ""}, "env git-gate.user skills image prompt "},
};

START_TEST(what_changed_is_named)
{
    struct fixed before = digest_of(&started);

    set_up();
    ck_assert_int_eq(fixed_record(&before, &state, &err), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixed now = digest_of(&cases[i].words);
        const char *names[FIXED_PARTS];
        char text[200] = "";
        int count = fixed_changed(&now, &state, true, names);
        ck_assert_int_ge(count, 0);
        for (int j = 0; j < count; j++)
            strcat(strcat(text, names[j]), " ");
        ck_assert_str_eq(text, cases[i].changed);
    }
    tear_down();
}
END_TEST

START_TEST(a_record_without_digests_is_not_taken_for_the_same)
{
    static const char *const records[] = {"", "0", "0123456789abcdef"};
    struct fixed fixed = digest_of(&started);
    const char *names[FIXED_PARTS];

    set_up();
    ck_assert_int_eq(fixed_changed(&fixed, &state, true, names), -1);
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        ck_assert_int_eq(state_set(&state, "fixed", records[i], &err), 0);
        ck_assert_int_eq(fixed_changed(&fixed, &state, true, names), -1);
    }
    ck_assert_int_eq(fixed_record(&fixed, &state, &err), 0);
    ck_assert_int_eq(fixed_changed(&fixed, &state, true, names), 0);
    tear_down();
}
END_TEST

/* By name and reference, and for a placeholder by what it is; never by a secret's value. */
START_TEST(variables_without_a_value_here_and_the_hosts_ports_count)
{
    static char name[] = "A", ref[] = "X", other[] = "Y";
    struct manifest_env form = {.name.text = name, .ref = ref};
    struct manifest_route route = {.host = POLICY_HOST_SERVICE, .ports = {80}, .port_count = 1};
    struct manifest manifest = {.forms = &form, .form_count = 1, .routes = &route, .route_count = 1};
    const char *names[FIXED_PARTS];
    struct fixed before, now;

    set_up();
    ck_assert_int_eq(fixed_take(&manifest, str_of(""), &before), 0);
    ck_assert_int_eq(fixed_record(&before, &state, &err), 0);
    ck_assert_int_eq(fixed_changed(&before, &state, true, names), 0);
    form.ref = other;
    ck_assert_int_eq(fixed_take(&manifest, str_of(""), &now), 0);
    ck_assert_int_eq(fixed_changed(&now, &state, true, names), 1);
    ck_assert_str_eq(names[0], "env");
    form.ref = ref;
    form.held = "another-placeholder";
    ck_assert_int_eq(fixed_take(&manifest, str_of(""), &now), 0);
    ck_assert_int_eq(fixed_changed(&now, &state, true, names), 1);
    form.held = NULL;
    route.ports[0] = 81;
    ck_assert_int_eq(fixed_take(&manifest, str_of(""), &now), 0);
    ck_assert_int_eq(fixed_changed(&now, &state, false, names), 0);
    ck_assert_int_eq(fixed_changed(&now, &state, true, names), 1);
    ck_assert_str_eq(names[0], "ports of host.stopper.internal");
    route.ports[0] = 80;
    route.tcp[0] = 5432;
    route.tcp_count = 1;
    ck_assert_int_eq(fixed_take(&manifest, str_of(""), &now), 0);
    ck_assert_int_eq(fixed_changed(&now, &state, true, names), 1);
    ck_assert_str_eq(names[0], "ports of host.stopper.internal");
    uint16_t ports[MANIFEST_HOST_PORTS];
    ck_assert_uint_eq(fixed_host_ports(&manifest, ports), 2);
    ck_assert(ports[0] == 80 && ports[1] == 5432);
    tear_down();
}
END_TEST

START_TEST(urls_of_repositories_count_and_so_do_their_ports_on_the_host)
{
    static char a[] = "a", b[] = "b", url[] = "ssh://git@h/a", other[] = "ssh://git@h/b";
    struct manifest_repo repos[] = {
        {.name.text = a, .url = url, .from = {.host = "h", .port = 22}},
        {.name.text = b, .url = other, .from = {.host = POLICY_HOST_SERVICE, .port = 80}}};
    struct manifest_route route = {.host = POLICY_HOST_SERVICE, .ports = {80}, .port_count = 1};
    struct manifest manifest = {.repos = repos, .repo_count = 2, .routes = &route, .route_count = 1};
    uint16_t ports[MANIFEST_HOST_PORTS];
    const char *names[FIXED_PARTS];
    struct fixed before, now;

    set_up();
    ck_assert_uint_eq(fixed_host_ports(&manifest, ports), 1); /* the same one */
    ck_assert_int_eq(fixed_take(&manifest, str_of(""), &before), 0);
    ck_assert_int_eq(fixed_record(&before, &state, &err), 0);
    repos[0].push.no_force = true; /* the gate's alone */
    ck_assert_int_eq(fixed_take(&manifest, str_of(""), &now), 0);
    ck_assert_int_eq(fixed_changed(&now, &state, true, names), 0);
    repos[0].url = other;
    ck_assert_int_eq(fixed_take(&manifest, str_of(""), &now), 0);
    ck_assert_int_eq(fixed_changed(&now, &state, true, names), 1);
    ck_assert_str_eq(names[0], "URLs of git-gate.repos");
    repos[0].url = url;
    repos[1].from.port = 2222;
    ck_assert_int_eq(fixed_take(&manifest, str_of(""), &now), 0);
    ck_assert_int_eq(fixed_changed(&now, &state, true, names), 1);
    ck_assert_str_eq(names[0], "ports of host.stopper.internal");
    ck_assert_uint_eq(fixed_host_ports(&manifest, ports), 2);
    ck_assert(ports[0] == 80 && ports[1] == 2222);
    tear_down();
}
END_TEST

SUITE_MAIN("fixed", what_changed_is_named, variables_without_a_value_here_and_the_hosts_ports_count,
           urls_of_repositories_count_and_so_do_their_ports_on_the_host,
           a_record_without_digests_is_not_taken_for_the_same)
