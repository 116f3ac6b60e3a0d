/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How the shim calls an image's certutil. Each test is root of an image of its own: this machine's /usr, with
 * a script of the test's in certutil's place. What the real one makes of it is in tests/net/test_programs.py.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/trust_nss.h"
#include "tests/unit/suite.h"

#define DATABASE "sql:/home/agent/.pki/nssdb"
#define ADDED    "-d " DATABASE " -A -n Stopper, the authority of this bottle -t C,, -i /run/stopper-ca/ca.pem\n"
#define DELETED  "-d " DATABASE " -D -n Stopper, the authority of this bottle\n"
#define SAYS     "#!/bin/sh\necho \"$@\" >>/run/words\n"

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static const char *text_of(const char *path)
{
    static char text[4096];
    int fd = open(path, O_RDONLY);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    ck_assert_int_ge(len, 0);
    text[len] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

static void bind_mount(const char *from, const char *at)
{
    ck_assert_int_eq(mkdir(at, 0755), 0);
    ck_assert_int_eq(mount(from, at, NULL, MS_BIND | MS_REC, NULL), 0);
}

static void image(const char *certutil)
{
    static const char *const links[] = {"bin", "lib", "lib64"};
    char at[64], to[64];
    ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    ck_assert_int_eq(mount("image", "/tmp", "tmpfs", 0, "mode=755"), 0);
    bind_mount("/usr", "/tmp/usr");
    bind_mount("/proc", "/tmp/proc");
    bind_mount("/dev", "/tmp/dev");
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        snprintf(at, sizeof at, "/tmp/%s", links[i]);
        snprintf(to, sizeof to, "usr/%s", links[i]);
        ck_assert_int_eq(symlink(to, at), 0);
    }
    ck_assert_int_eq(chroot("/tmp"), 0);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(mkdir("/run", 0755) | mkdir("/home", 0755) | mkdir("/home/agent", 0755), 0);
    put("/run/certutil", certutil);
    ck_assert_msg(mount("/run/certutil", TRUST_NSS_CERTUTIL, NULL, MS_BIND, NULL) == 0,
                  TRUST_NSS_CERTUTIL ": %s: install Debian's package libnss3-tools", strerror(errno));
}

static struct shim_config configure(const char *env)
{
    char text[512];
    struct shim_config config;
    struct err err;
    snprintf(text, sizeof text,
             "{\"protocol\":1,\"interface\":\"a0\",\"gateway\":\"10.0.0.1\",\"resolver\":\"10.0.0.1\","
             "\"uid\":1000,\"gid\":1000,\"cwd\":\"/\",\"env\":{%s},\"ca\":"
             "\"-----BEGIN CERTIFICATE-----\\nT1VS\\n-----END CERTIFICATE-----\\n\"}",
             env);
    ck_assert_msg(shim_config_parse(str_of(text), &config, &err) == 0, "%s", err.text);
    return config;
}

/* Returns what was said on descriptor 2. */
static const char *set_up(const char *env)
{
    struct shim_config config = configure(env);
    int old = dup(2), said = open("/run/said", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_eq(dup2(said, 2), 2);
    trust_nss_setup(&config);
    ck_assert_int_eq(dup2(old, 2), 2);
    close(old);
    close(said);
    shim_config_fini(&config);
    return text_of("/run/said");
}

#define HOME "\"HOME\":\"/home/agent\""

START_TEST(the_authority_is_added_to_the_agents_own_database)
{
    struct stat status;
    image(SAYS);
    ck_assert_str_eq(set_up(HOME), "");
    ck_assert_str_eq(text_of("/run/words"), ADDED);
    ck_assert_int_eq(stat("/home/agent/.pki/nssdb", &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0700);
}
END_TEST

START_TEST(in_a_home_that_is_kept_it_takes_the_earlier_ones_place)
{
    image(SAYS);
    ck_assert_int_eq(mkdir("/home/agent/.pki", 0700) | mkdir("/home/agent/.pki/nssdb", 0700), 0);
    put("/home/agent/.pki/nssdb/cert9.db", "");
    ck_assert_str_eq(set_up(HOME), "");
    ck_assert_str_eq(text_of("/run/words"), DELETED ADDED);
}
END_TEST

START_TEST(certutil_has_the_commands_environment_and_nothing_open)
{
    image("#!/bin/sh\nls -l /proc/$$/fd | sed -n 's/.*-> //p' | grep -v certutil >/run/words; env | sort "
          ">>/run/words\n");
    int open_here = open("/run", O_RDONLY);
    ck_assert_int_ge(open_here, 0);
    ck_assert_str_eq(set_up(HOME ",\"PATH\":\"/usr/bin\""), "");
    const char *words = text_of("/run/words");
    const char *wanted = "/dev/null\n/dev/null\n/dev/null\n";
    ck_assert_msg(strncmp(words, wanted, strlen(wanted)) == 0, "%s", words);
    ck_assert_ptr_null(strstr(words, "/run\n"));
    ck_assert_ptr_nonnull(strstr(words, "\nHOME=/home/agent\n"));
    ck_assert_ptr_nonnull(strstr(words, "\nPATH=/usr/bin\n"));
    ck_assert_ptr_null(strstr(words, "\nCK_"));
    close(open_here);
}
END_TEST

START_TEST(nothing_is_made_where_there_is_nothing_to_add_to)
{
    image(SAYS);
    ck_assert_str_eq(set_up(""), "");
    ck_assert_str_eq(set_up("\"HOME\":\"home/agent\""), "");
    ck_assert_str_eq(set_up("\"HOME\":\"/nowhere/at/all\""), "");
    ck_assert_str_eq(set_up("\"HOME\":\"/proc/1\""), "");
    ck_assert_int_eq(chmod("/run/certutil", 0644), 0); /* none that can be executed */
    ck_assert_str_eq(set_up(HOME), "");
    ck_assert_int_ne(access("/home/agent/.pki", F_OK), 0);
    ck_assert_str_eq(text_of("/run/words"), "");
    ck_assert_int_eq(chmod("/run/certutil", 0755), 0); /* the control */
    ck_assert_str_eq(set_up(HOME), "");
    ck_assert_str_eq(text_of("/run/words"), ADDED);
}
END_TEST

START_TEST(a_failure_is_told_and_stops_nothing)
{
    image("#!/bin/sh\necho noise; echo noise >&2; exit 255\n");
    ck_assert_str_eq(set_up(HOME),
                     "stopper-shim: /usr/bin/certutil could not add the bottle's authority to " DATABASE
                     ": browsers will not trust it\n");
}
END_TEST

START_TEST(one_that_hangs_is_killed_with_all_that_it_started)
{
    int writer, reader;
    char byte;
    image("#!/bin/sh\nsleep 1000 >/run/alive & sleep 1000 >/run/alive\n");
    ck_assert_int_eq(mkfifo("/run/alive", 0600), 0);
    ck_assert_int_ge(reader = open("/run/alive", O_RDONLY | O_NONBLOCK), 0);
    ck_assert_int_ge(writer = open("/run/alive", O_WRONLY | O_CLOEXEC), 0);
    ck_assert_ptr_nonnull(strstr(set_up(HOME), "could not add"));
    close(writer);
    ck_assert_int_eq(fcntl(reader, F_SETFL, 0), 0);
    ck_assert_int_eq(read(reader, &byte, 1), 0); /* the end comes when nobody is left that could write */
    close(reader);
}
END_TEST

SUITE_MAIN("trust_nss", the_authority_is_added_to_the_agents_own_database,
           in_a_home_that_is_kept_it_takes_the_earlier_ones_place,
           certutil_has_the_commands_environment_and_nothing_open,
           nothing_is_made_where_there_is_nothing_to_add_to, a_failure_is_told_and_stops_nothing,
           one_that_hangs_is_killed_with_all_that_it_started)
