/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host_keys: what becomes of a host's key, with a program in the place of ssh-keyscan that says what each test wants. There is
 * no terminal here; the question is asked in tests/net/test_gate_host.py, with the real one and a real server. */
#include "hostctl/host_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostctl/known_hosts.h"
#include "tests/unit/suite.h"

#define KEY   "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPdLr1BQmsCjW6KvYfamPY1BMxJQK36FicPT1bINaKPI"
#define OTHER "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ECDSA                                                                                                \
    "ecdsa-sha2-nistp256 "                                                                                   \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKHPPtqSgoZynolODI0inToLFB/"                        \
    "76L5T1+uwvhbhIXE9F4Zxwsh"                                                                               \
    "IvE4Gk/+WzAwTujvl/spM+1vyonr5MkJRxNM="
#define KEY_PRINT   "SHA256:Q1H5vAAKSckE9zT9HDLDS4AHFXFBgVrm5ctc3pTWtd4"
#define ECDSA_PRINT "SHA256:qOs7qkPClngwNStAUah2K7ibJ1sxGaMeXHdVamIGWrs"

static char folder[] = "/tmp/test_host_keys.XXXXXX";

static void run(const char *program, const char *words)
{
    char command[2 * PATH_MAX];

    snprintf(command, sizeof command, "%s %s", program, words);
    ck_assert_int_eq(system(command), 0);
}

static void set_up(void)
{
    char path[PATH_MAX];

    strcpy(strrchr(folder, '.'), ".XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    setenv("XDG_STATE_HOME", folder, 1);
    snprintf(path, sizeof path, "%s/bin:/usr/bin:/bin", folder);
    setenv("PATH", path, 1);
    run("mkdir", "bin");
    ck_assert_ptr_nonnull(freopen("/dev/null", "r", stdin)); /* whoever runs this may have a terminal */
}

static void tear_down(void)
{
    ck_assert_int_eq(chdir("/"), 0);
    run("rm -r", folder);
}

/* From now on the host says this to whoever asks it; the words of each question are in "asked". */
static void say(const char *script)
{
    FILE *file = fopen("bin/ssh-keyscan", "w");

    ck_assert_ptr_nonnull(file);
    fprintf(file, "#!/bin/sh\necho \"$@\" >> asked\n%s\n", script);
    fclose(file);
    ck_assert_int_eq(chmod("bin/ssh-keyscan", 0700), 0);
}

static const char *asked(void)
{
    static char text[4096];
    FILE *file = fopen("asked", "r");
    size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;

    text[len] = '\0';
    if (file != NULL)
        fclose(file);
    unlink("asked");
    return text;
}

/* The errors, and the manifest as it then is. */
static const char *errors_of(const char *repos, struct manifest **manifest)
{
    static char out[16384], yaml[8192];
    struct report report;

    snprintf(yaml, sizeof yaml, "git-gate:\n  repos:\n%s", repos);
    report_init(&report, "m.yaml");
    struct node *root = node_parse(str_of(yaml), 1, &report);
    *manifest = manifest_read(root, &report);
    ck_assert_ptr_nonnull(*manifest);
    node_free(root);
    int status = host_keys_take(*manifest, "up", &report);
    ck_assert((status == 0) == (report.count == 0));
    memset(out, 0, sizeof out);
    FILE *to = fmemopen(out, sizeof out, "w");
    report_print(&report, to);
    fclose(to);
    report_fini(&report);
    return out;
}

static void remember(const char *host, const char *key)
{
    struct gate_url url;
    char text[300];
    struct err err;

    snprintf(text, sizeof text, "ssh://git@%s/a", host);
    ck_assert_ptr_null(gate_url_take(str_of(text), &url));
    ck_assert_int_eq(known_hosts_add(&url, key, &err), 0);
}

#define REPO(name, host, more)                                                                               \
    "    " name ": {url: 'ssh://git@" host "/" name "', key: {provider: static, path: /k}" more "}\n"
#define LONE "m.yaml:3: git-gate.repos.a.host_key: "

START_TEST(a_pinned_key_asks_nobody)
{
    struct manifest *manifest;

    set_up();
    say("exit 1");
    ck_assert_str_eq(errors_of(REPO("a", "h.example", ", host_key: " KEY), &manifest), "");
    ck_assert_str_eq(manifest->repos[0].host_key.text, KEY);
    ck_assert_str_eq(asked(), "");
    manifest_free(manifest);
    tear_down();
}
END_TEST

START_TEST(without_a_terminal_an_unknown_host_is_an_error_with_the_line_to_write)
{
    struct manifest *manifest;

    set_up();
    say("echo '# h.example:22 SSH-2.0-x'; echo 'h.example " ECDSA "'; echo 'h.example " KEY "'");
    ck_assert_str_eq(errors_of(REPO("a", "h.example", "") REPO("b", "h.example", ""), &manifest),
                     LONE "is not there, and there is no terminal to ask on. h.example shows a key with the "
                          "fingerprint " KEY_PRINT "; if that is right, write: host_key: " KEY "\n");
    ck_assert_str_eq(asked(), "-T 5 -t ed25519,ecdsa,rsa -p22 -- h.example\n"); /* once for both */
    manifest_free(manifest);
    ck_assert_str_eq(
        errors_of(REPO("a", "[2001:db8::1]:2222", ""), &manifest),
        LONE "is not there, and there is no terminal to ask on. [2001:db8::1]:2222 shows a key with the "
             "fingerprint " KEY_PRINT "; if that is right, write: host_key: " KEY "\n");
    ck_assert_str_eq(asked(), "-T 5 -t ed25519,ecdsa,rsa -p2222 -- 2001:db8::1\n");
    manifest_free(manifest);
    errors_of(REPO("a", "host.stopper.internal:2222", ""), &manifest);
    ck_assert_str_eq(asked(), "-T 5 -t ed25519,ecdsa,rsa -p2222 -- 127.0.0.1\n");
    manifest_free(manifest);
    tear_down();
}
END_TEST

START_TEST(a_host_that_shows_no_key_is_an_error)
{
    struct manifest *manifest;

    set_up();
    say("echo 'h.example ssh-dss AAAA'; echo 'h.example'; echo nonsense; echo 'h.example ssh-rsa "
        "AAAAB3NzaC1yc2EA'; exit 1");
    ck_assert_str_eq(
        errors_of(REPO("a", "h.example", ""), &manifest), LONE
        "is not there, and h.example cannot be asked for its key: no key came from it within 5 seconds\n");
    manifest_free(manifest);
    say("yes 'h.example " KEY "' | head -c 80000");
    ck_assert_str_eq(
        errors_of(REPO("a", "h.example", ""), &manifest),
        LONE "is not there, and h.example cannot be asked for its key: ssh-keyscan -T: it said too much\n");
    manifest_free(manifest);
    setenv("PATH", "/nowhere", 1);
    ck_assert_str_eq(
        errors_of(REPO("a", "h.example", ""), &manifest), LONE
        "is not there, and h.example cannot be asked for its key: ssh-keyscan: No such file or directory\n");
    setenv("PATH", "/usr/bin:/bin", 1);
    manifest_free(manifest);
    tear_down();
}
END_TEST

START_TEST(a_remembered_key_is_taken_and_compared)
{
    struct manifest *manifest;

    set_up();
    remember("h.example", KEY);
    say("echo 'h.example " KEY "'");
    ck_assert_str_eq(errors_of(REPO("a", "h.example", "") REPO("b", "h.example", ""), &manifest), "");
    ck_assert_str_eq(manifest->repos[0].host_key.text, KEY);
    ck_assert_str_eq(manifest->repos[1].host_key.text, KEY);
    ck_assert_str_eq(asked(), "-T 5 -t ed25519 -p22 -- h.example\n");
    manifest_free(manifest);
    say("exit 1"); /* not reached from here now, which says nothing */
    ck_assert_str_eq(errors_of(REPO("a", "h.example", ""), &manifest), "");
    ck_assert_str_eq(manifest->repos[0].host_key.text, KEY);
    manifest_free(manifest);
    tear_down();
}
END_TEST

START_TEST(a_changed_key_is_an_error_that_names_both_and_says_how_to_accept_it)
{
    struct manifest *manifest;
    char wanted[2 * PATH_MAX], way[PATH_MAX + 128];

    set_up();
    remember("h.example", ECDSA);
    say("echo 'h.example " KEY "'");
    snprintf(way, sizeof way, "ssh-keygen -f '%s/stopper/known_hosts' -R 'h.example'", folder);
    snprintf(wanted, sizeof wanted,
             LONE "the key of h.example has changed: remembered is ecdsa-sha2-nistp256 " ECDSA_PRINT
                  ", now it shows ssh-ed25519 " KEY_PRINT
                  ". Somebody may be in its place. If its operator says that the new "
                  "one is right, forget the old one: %s\n",
             way);
    ck_assert_str_eq(errors_of(REPO("a", "h.example", ""), &manifest), wanted);
    ck_assert_ptr_null(manifest->repos[0].host_key.text);
    manifest_free(manifest);
    run(way, ">/dev/null 2>&1"); /* it is what it says */
    ck_assert_ptr_nonnull(
        strstr(errors_of(REPO("a", "h.example", ""), &manifest), "is not there, and there is no terminal"));
    manifest_free(manifest);
    tear_down();
}
END_TEST

SUITE_MAIN("host_keys", a_pinned_key_asks_nobody,
           without_a_terminal_an_unknown_host_is_an_error_with_the_line_to_write,
           a_host_that_shows_no_key_is_an_error, a_remembered_key_is_taken_and_compared,
           a_changed_key_is_an_error_that_names_both_and_says_how_to_accept_it)
