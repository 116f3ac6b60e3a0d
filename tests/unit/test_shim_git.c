/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/shim_git: the configuration that the agent's git gets, as text, and as the real git takes it. */
#include "init/shim_git.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/image.h"
#include "tests/unit/suite.h"

static struct shim_config config;
static struct err err;

static void configure(const char *git, const char *env)
{
    char text[2048];

    snprintf(text, sizeof text,
             "{\"protocol\":1,\"interface\":\"a0\",\"gateway\":\"10.7.7.1\",\"resolver\":\"10.7.7.2\","
             "\"uid\":1000,"
             "\"gid\":1000,\"cwd\":\"/\",\"env\":{%s}%s%s}",
             env, git[0] ? ",\"git\":" : "", git);
    ck_assert_msg(shim_config_parse(str_of(text), &config, &err) == 0, "%s", err.text);
}

#define REPOS                                                                                                \
    "{\"app\":[\"ssh://git@h.example/org/app\",\"git@h.example:org/app\",\"https://h.example/org/app\"],"    \
    "\"app-two\":[\"ssh://git@h.example/org/app2\",\"git@h.example:org/app2\",\"https://h.example/org/"      \
    "app2\"]}"
#define TEXT(system)                                                                                         \
    "# Stopper: repositories of git-gate.repos are reached through the gate.\n"                              \
    "[include]\n\tpath = \"" system "\"\n"                                                                   \
    "[url \"git://10.7.7.1/app:\"]\n\tinsteadOf = \"ssh://git@h.example/org/app\"\n"                         \
    "\tinsteadOf = \"git@h.example:org/app\"\n\tinsteadOf = \"https://h.example/org/app\"\n"                 \
    "[url \"git://10.7.7.1/app-two:\"]\n\tinsteadOf = \"ssh://git@h.example/org/app2\"\n"                    \
    "\tinsteadOf = \"git@h.example:org/app2\"\n\tinsteadOf = \"https://h.example/org/app2\"\n"

static void holds(const char *path, const char *wanted)
{
    char text[4096];
    FILE *file = fopen(path, "r");

    ck_assert_msg(file != NULL, "%s is not there", path);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    ck_assert_str_eq(text, wanted);
}

static const char *variable(void)
{
    const char *value = json_string_value(json_object_get(config.env, "GIT_CONFIG_SYSTEM"));

    return value ? value : "";
}

START_TEST(the_file_is_roots_and_includes_the_images_own)
{
    struct stat status;

    image();
    umask(077);
    configure(REPOS, "");
    ck_assert_msg(shim_git_setup(&config, &err) == 0, "%s", err.text);
    holds(SHIM_GIT_FILE, TEXT("/etc/gitconfig"));
    ck_assert_str_eq(variable(), SHIM_GIT_FILE);
    ck_assert(stat(SHIM_GIT_FILE, &status) == 0 && status.st_mode == (S_IFREG | 0644) &&
              status.st_uid == geteuid());
    ck_assert_msg(shim_git_setup(&config, &err) == 0, "%s", err.text); /* a container that is started again */
    shim_config_fini(&config);
}
END_TEST

START_TEST(a_file_that_the_variable_leads_to_is_included)
{
    image();
    configure(REPOS, "\"GIT_CONFIG_SYSTEM\":\"/opt/a\\\\b \\\"c\\\"\"");
    ck_assert_msg(shim_git_setup(&config, &err) == 0, "%s", err.text);
    holds(SHIM_GIT_FILE, TEXT("/opt/a\\\\b \\\"c\\\""));
    ck_assert_str_eq(variable(), SHIM_GIT_FILE);
    shim_config_fini(&config);
    configure(REPOS, "\"GIT_CONFIG_SYSTEM\":\"\"");
    ck_assert_int_eq(shim_git_environment(&config, &err), 0); /* whoever enters later */
    ck_assert_str_eq(variable(), SHIM_GIT_FILE);
    shim_config_fini(&config);
}
END_TEST

START_TEST(without_repositories_nothing_is_done)
{
    image();
    configure("", "\"GIT_CONFIG_SYSTEM\":\"/opt/config\"");
    ck_assert_int_eq(shim_git_setup(&config, &err), 0);
    ck_assert_int_eq(shim_git_environment(&config, &err), 0);
    ck_assert_int_ne(access(SHIM_GIT_FILE, F_OK), 0);
    ck_assert_str_eq(variable(), "/opt/config");
    shim_config_fini(&config);
}
END_TEST

START_TEST(a_link_in_its_place_is_not_followed)
{
    image();
    put("/etc/passwd", "root\n");
    put(SHIM_TRUST_FOLDER "/x", "");
    ck_assert_int_eq(symlink("/etc/passwd", SHIM_GIT_FILE), 0);
    configure(REPOS, "");
    ck_assert_msg(shim_git_setup(&config, &err) == 0, "%s", err.text);
    holds("/etc/passwd", "root\n");
    holds(SHIM_GIT_FILE, TEXT("/etc/gitconfig"));
    shim_config_fini(&config);
}
END_TEST

/* What git would ask for this URL. */
static const char *asked(const char *url)
{
    static char line[256];
    char command[512];

    snprintf(command, sizeof command, "git ls-remote --get-url '%s'", url);
    FILE *from = popen(command, "r");
    ck_assert_ptr_nonnull(from);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, from));
    ck_assert_msg(pclose(from) == 0, "%s", command);
    line[strcspn(line, "\n")] = '\0';
    return line;
}

START_TEST(git_takes_it_and_the_users_own_goes_over_it)
{
    static const struct {
        const char *url, *asked;
    } table[] = {
        {"ssh://git@h.example/org/app.git", "git://10.7.7.1/app:.git"},
        {"ssh://git@h.example/org/app", "git://10.7.7.1/app:"},
        {"git@h.example:org/app.git", "git://10.7.7.1/app:.git"},
        {"https://h.example/org/app", "git://10.7.7.1/app:"},
        {"https://h.example/org/app/", "git://10.7.7.1/app:/"},
        {"git@h.example:org/app2.git", "git://10.7.7.1/app-two:.git"},
        /* another repository, of which the gate says that it is none of its own */
        {"git@h.example:org/app3.git", "git://10.7.7.1/app:3.git"},
        {"git@h.example:org/ap.git", "git@h.example:org/ap.git"},
        {"ssh://other@h.example/org/app.git", "ssh://other@h.example/org/app.git"},
        /* of the image's own configuration, and of the user's */
        {"image:x", "https://image.example/x"},
        {"mine:x", "https://mine.example/x"},
        {"gh:org/app.git", "git@h.example:org/app.git"}, /* git replaces once */
    };
    char folder[] = "/tmp/test_shim_git.XXXXXX", own[64], command[256];
    struct buf text;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    put("system", "[url \"https://image.example/\"]\n\tinsteadOf = image:\n[user]\n\tname = Image\n");
    put(".gitconfig",
        "[url \"https://mine.example/\"]\n\tinsteadOf = mine:\n[url \"git@h.example:\"]\n\tinsteadOf = "
        "gh:\n\tinsteadOf = https://h.example/\n[user]\n\tname = Mine\n");
    snprintf(own, sizeof own, "%s/system", folder);
    configure(REPOS, "");
    buf_init(&text, SHIM_GIT_MAX);
    ck_assert_int_eq(shim_git_text(&config, own, &text), 0);
    ck_assert_int_eq(buf_append(&text, "", 1), 0);
    put("gitconfig", buf_str(&text).ptr);
    buf_fini(&text);
    shim_config_fini(&config);
    snprintf(command, sizeof command, "%s/gitconfig", folder);
    setenv("GIT_CONFIG_SYSTEM", command, 1);
    setenv("HOME", folder, 1);
    unsetenv("XDG_CONFIG_HOME");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        ck_assert_str_eq(asked(table[i].url), table[i].asked);
    FILE *from = popen("git config user.name", "r");
    char line[64] = "";
    ck_assert_ptr_nonnull(fgets(line, sizeof line, from));
    pclose(from);
    ck_assert_str_eq(line, "Mine\n");
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

SUITE_MAIN("shim_git", the_file_is_roots_and_includes_the_images_own,
           a_file_that_the_variable_leads_to_is_included, without_repositories_nothing_is_done,
           a_link_in_its_place_is_not_followed, git_takes_it_and_the_users_own_goes_over_it)
