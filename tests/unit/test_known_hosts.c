/* SPDX-License-Identifier: GPL-3.0-or-later */
/* known_hosts: what is remembered is found, is ssh-keygen's own format, and survives several that write at once. */
#include "hostctl/known_hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suite.h"

#define KEY   "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPdLr1BQmsCjW6KvYfamPY1BMxJQK36FicPT1bINaKPI"
#define OTHER "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static char folder[] = "/tmp/test_known_hosts.XXXXXX", path[PATH_MAX];

static void set_up(void)
{
    struct err err;

    strcpy(strrchr(folder, '.'), ".XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    setenv("XDG_STATE_HOME", folder, 1);
    ck_assert_int_eq(known_hosts_path(path, &err), 0);
}

static void tear_down(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static struct gate_url url_of(const char *text)
{
    struct gate_url url;

    ck_assert_ptr_null(gate_url_take(str_of(text), &url));
    return url;
}

static const char *found(const char *text)
{
    static char out[HOST_KEY_MAX + 1];
    struct gate_url url = url_of(text);
    static struct err err;

    int result = known_hosts_find(&url, out, &err);
    return result == 1 ? out : result == 0 ? "" : err.text;
}

static int remember(const char *text, const char *key, struct err *err)
{
    struct gate_url url = url_of(text);

    return known_hosts_add(&url, key, err);
}

static void put(const char *text, mode_t mode)
{
    char command[PATH_MAX + 64];

    snprintf(command, sizeof command, "mkdir -p '%s/stopper'", folder);
    ck_assert_int_eq(system(command), 0);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(a_key_is_of_one_host_and_port)
{
    struct err err;

    set_up();
    ck_assert_str_eq(found("ssh://git@h.example/a"), "");
    ck_assert_int_eq(remember("ssh://git@h.example/a", KEY, &err), 0);
    ck_assert_int_eq(remember("ssh://git@h.example:2222/a", OTHER, &err), 0);
    ck_assert_int_eq(remember("ssh://git@[2001:db8::1]/a", OTHER, &err), 0);
    ck_assert_str_eq(found("ssh://other@H.example:22/b"), KEY);
    ck_assert_str_eq(found("ssh://git@h.example:2222/b"), OTHER);
    ck_assert_str_eq(found("ssh://git@[2001:db8::1]/b"), OTHER);
    ck_assert_str_eq(found("ssh://git@h.example:22222/b"), "");
    ck_assert_str_eq(found("ssh://git@h.exampl/b"), "");
    ck_assert_str_eq(found("ssh://git@other.h.example/b"), "");
    ck_assert_int_eq(remember("ssh://git@h.example/a", KEY, &err), 0); /* the same once more */
    ck_assert_int_eq(remember("ssh://git@h.example/a", OTHER, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "/known_hosts: has another key of h.example by now"));
    ck_assert_str_eq(found("ssh://git@h.example/a"), KEY);
    size_t count;
    ck_assert_int_eq(known_hosts_count(&count, &err), 0);
    ck_assert_uint_eq(count, 3);
    struct stat info;
    ck_assert(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600);
    tear_down();
}
END_TEST

START_TEST(ssh_keygen_reads_the_file_and_takes_a_host_out)
{
    char command[PATH_MAX + 128];
    struct err err;

    set_up();
    ck_assert_int_eq(remember("ssh://git@h.example/a", KEY, &err), 0);
    ck_assert_int_eq(remember("ssh://git@h.example:2222/a", OTHER, &err), 0);
    snprintf(command, sizeof command, "ssh-keygen -f '%s' -F '[h.example]:2222' >/dev/null", path);
    ck_assert_msg(system(command) == 0, "ssh-keygen (package openssh-client) does not find the host");
    snprintf(command, sizeof command, "ssh-keygen -f '%s' -R 'h.example' >/dev/null 2>&1", path);
    ck_assert_int_eq(system(command), 0);
    ck_assert_str_eq(found("ssh://git@h.example/a"), "");
    ck_assert_str_eq(found("ssh://git@h.example:2222/a"), OTHER);
    ck_assert_int_eq(remember("ssh://git@h.example/a", OTHER, &err), 0); /* as it was said to be accepted */
    ck_assert_str_eq(found("ssh://git@h.example/a"), OTHER);
    tear_down();
}
END_TEST

START_TEST(a_file_that_is_not_understood_is_an_error_and_stays_as_it_is)
{
    static const struct {
        const char *text, *problem;
    } table[] = {
        {"h.example " KEY "\nh.example " KEY "\n", ":2: a second key of h.example"},
        {"# words\n\nx " KEY "\nh.example ssh-ed25519 AAAA\n", ":4: is not understood: HOST TYPE BASE64"},
        {"@revoked h.example " KEY "\n", ":1: is not understood: HOST TYPE BASE64"},
        {"h.example\n", ":1: is not understood: HOST TYPE BASE64"},
        {" h.example " KEY "\n", ":1: is not understood: HOST TYPE BASE64"},
        {"h.example " KEY "\r\n", ":1: is not understood: HOST TYPE BASE64"},
    };
    struct err err;

    set_up();
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        put(table[i].text, 0600);
        ck_assert_msg(strstr(found("ssh://git@h.example/a"), table[i].problem) != NULL, "%s: %s",
                      table[i].text, found("ssh://git@h.example/a"));
        ck_assert_int_eq(remember("ssh://git@h.example/a", OTHER, &err), -1);
    }
    put("x " KEY "\n", 0622);
    ck_assert_ptr_nonnull(
        strstr(found("ssh://git@x/a"), "is not a file that only its owner, the caller, can write"));
    put("# words\n\nx " KEY, 0644); /* no line's end */
    ck_assert_str_eq(found("ssh://git@x/a"), KEY);
    ck_assert_int_eq(remember("ssh://git@y/a", OTHER, &err), 0);
    ck_assert_str_eq(found("ssh://git@x/a"), KEY);
    ck_assert_str_eq(found("ssh://git@y/a"), OTHER);
    tear_down();
}
END_TEST

START_TEST(of_several_that_add_at_once_none_is_lost)
{
    enum { processes = 8, hosts = 10 };
    struct err err;
    char url[64];
    int status;

    set_up();
    for (int i = 0; i < processes; i++)
        if (fork() == 0) {
            int failed = 0;
            for (int j = 0; j < hosts; j++) {
                snprintf(url, sizeof url, "ssh://git@h%d-%d.example/a", i, j);
                failed |= remember(url, KEY, &err);
            }
            _exit(failed != 0);
        }
    for (int i = 0; i < processes; i++) {
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    for (int i = 0; i < processes * hosts; i++) {
        snprintf(url, sizeof url, "ssh://git@h%d-%d.example/a", i / hosts, i % hosts);
        ck_assert_str_eq(found(url), KEY);
    }
    tear_down();
}
END_TEST

SUITE_MAIN("known_hosts", a_key_is_of_one_host_and_port, ssh_keygen_reads_the_file_and_takes_a_host_out,
           a_file_that_is_not_understood_is_an_error_and_stays_as_it_is,
           of_several_that_add_at_once_none_is_lost)
