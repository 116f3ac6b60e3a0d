/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mount: which of the host's folders may enter a bottle, where they appear, and what is refused by identity.
 */
#include "hostctl/mount.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/suite.h"

static char base[] = "/tmp/test_mount.XXXXXX", state[64];

static void make(const char *relative)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", base, relative);
    ck_assert_int_eq(mkdir(path, 0755), 0);
}

/* A home with keys, state and a project; a socket, a fifo, a file and two links. */
static void set_up(void)
{
    static const char *const folders[] = {"home",
                                          "home/.ssh",
                                          "home/.ssh/inner",
                                          "home/project",
                                          "home/.local",
                                          "home/.local/stopper",
                                          "home/.local/stopper/bottles",
                                          "elsewhere",
                                          "with space"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[256], target[256];

    ck_assert_ptr_nonnull(mkdtemp(base));
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        make(folders[i]);
    snprintf(path, sizeof path, "%s/home", base);
    setenv("HOME", path, 1);
    unsetenv("SUDO_USER");
    snprintf(state, sizeof state, "%s/home/.local/stopper", base);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", base);
    int sock = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(sock, (struct sockaddr *)&address, sizeof address), 0);
    close(sock);
    snprintf(path, sizeof path, "%s/fifo", base);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    snprintf(path, sizeof path, "%s/file.txt", base);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    snprintf(path, sizeof path, "%s/home/.ssh/id", base);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    snprintf(path, sizeof path, "%s/link", base);
    snprintf(target, sizeof target, "%s/home/.ssh", base);
    ck_assert_int_eq(symlink(target, path), 0);
    snprintf(path, sizeof path, "%s/home/project/up", base);
    ck_assert_int_eq(symlink("../../elsewhere", path), 0);
    ck_assert_int_eq(chdir(base), 0);
}

static void tear_down(void)
{
    char command[128];

    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -r %s", base);
    ck_assert_int_eq(system(command), 0);
}

/* "@" in front of an option or an answer stands for the base folder. */
static const char *expand(const char *text, char out[512])
{
    snprintf(out, 512, "%s%s", text[0] == '@' ? base : "", text[0] == '@' ? text + 1 : text);
    return out;
}

static const struct {
    const char *option, *host, *agent;
    bool read_only, folder;
} good[] = {
    {"@/home/project", "@/home/project", "/work/project", false, true},
    {"home/project", "@/home/project", "/work/project", false, true},
    {"home/project/.", "@/home/project", "/work/project", false, true},
    {"./home/../home/project/", "@/home/project", "/work/project", false, true},
    {"home/project/up", "@/elsewhere", "/work/elsewhere", false, true},
    {"with space:/home/agent/x y", "@/with space", "/home/agent/x y", false, true},
    {"elsewhere:/data:ro", "@/elsewhere", "/data", true, true},
    {"elsewhere::ro", "@/elsewhere", "/work/elsewhere", true, true},
    {"elsewhere:", "@/elsewhere", "/work/elsewhere", false, true},
    {"file.txt::ro", "@/file.txt", "/work/file.txt", true, false},
};

START_TEST(folders_and_files_are_opened)
{
    set_up();
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct err err = {""};
        struct mount mount;
        char option[512], host[512];
        struct stat by_fd, by_path;
        ck_assert_msg(mount_parse(expand(good[i].option, option), state, &mount, &err) == 0, "%s", err.text);
        ck_assert_str_eq(mount.host, expand(good[i].host, host));
        ck_assert_str_eq(mount.agent, good[i].agent);
        ck_assert_int_eq(mount.read_only, good[i].read_only);
        ck_assert_int_eq(mount.folder, good[i].folder);
        ck_assert(fstat(mount.fd, &by_fd) == 0 && stat(mount.host, &by_path) == 0 &&
                  by_fd.st_ino == by_path.st_ino);
        ck_assert(fcntl(mount.fd, F_GETFD) & FD_CLOEXEC);
        mount_close(&mount);
    }
    tear_down();
}
END_TEST

static const struct {
    const char *option, *why; /* a part of the error */
} bad[] = {
    {"", "must be HOST[:AGENT[:ro]]"},
    {":/x", "must be HOST[:AGENT[:ro]]"},
    {"elsewhere:/x:rw", "only \"ro\" may stand"},
    {"elsewhere:/x:ro:", "only \"ro\" may stand"},
    {"absent", "absent: No such file or directory"},
    {"/", "it is the host's root"},
    {"/proc", "the host's /proc"},
    {"/proc/self", "the host's /proc"},
    {"/sys/kernel", "the host's /sys"},
    {"/dev", "the host's devices"},
    {"/dev/null", "neither a folder nor a regular file"},
    {"/run", "the host's /run"},
    {"/var/run", "the host's /run"},
    {"/tmp", "the host's /tmp"},
    {"home", "a home folder"},
    {"home/../home/", "a home folder"},
    {".", "a home folder"},
    {"home/.ssh", "a folder of SSH keys"},
    {"home/.ssh/inner", "a folder of SSH keys"},
    {"home/.ssh/id", "a folder of SSH keys"},
    {"link", "a folder of SSH keys"},
    {"link/inner", "a folder of SSH keys"},
    {"home/.local", "Stopper's state"},
    {"home/.local/stopper", "Stopper's state"},
    {"home/.local/stopper/bottles", "Stopper's state"},
    {"socket", "it is a socket"},
    {"fifo", "neither a folder nor a regular file"},
    {"elsewhere:relative", "absolute path"},
    {"elsewhere:/", "absolute path"},
    {"elsewhere:/x/", "absolute path"},
    {"elsewhere://x", "empty parts"},
    {"elsewhere:/x/../y", "empty parts"},
    {"elsewhere:/x/.", "empty parts"},
    {"elsewhere:/x\ny", "control character"},
    {"elsewhere:/etc", "/etc belongs to the system"},
    {"elsewhere:/run/stopper", "/run belongs to the system"},
    {"elsewhere:/usr/local", "/usr belongs to the system"},
};

START_TEST(what_an_agent_must_not_see_is_refused)
{
    set_up();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {""};
        struct mount mount;
        ck_assert_msg(mount_parse(bad[i].option, state, &mount, &err) == -1, "accepted: %s", bad[i].option);
        ck_assert_msg(strstr(err.text, bad[i].why) != NULL, "%s: %s", bad[i].option, err.text);
        ck_assert_int_eq(mount.fd, -1);
    }
    tear_down();
}
END_TEST

START_TEST(a_folder_in_which_state_will_be_made_is_refused)
{
    struct mount mount;
    struct err err;

    set_up();
    ck_assert_int_eq(rmdir("home/.local/stopper/bottles"), 0);
    ck_assert_int_eq(rmdir("home/.local/stopper"), 0);
    ck_assert_int_eq(mount_parse("home/.local", state, &mount, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "Stopper's state"));
    ck_assert_int_eq(mount_parse("home/project", state, &mount, &err), 0);
    mount_close(&mount);
    tear_down();
}
END_TEST

START_TEST(mounts_do_not_hide_each_other)
{
    struct mount inner = {.fd = -1, .host = "/a", .agent = "/work/a/b"},
                 outer = {.fd = -1, .host = "/b", .agent = "/work/a"},
                 beside = {.fd = -1, .host = "/c", .agent = "/work/ab"};
    const struct mount fine[] = {outer, inner, beside}, hidden[] = {inner, beside, outer},
                       twice[] = {outer, outer};
    struct err err;

    ck_assert_int_eq(mount_check(fine, 3, &err), 0);
    ck_assert_int_eq(mount_check(hidden, 3, &err), -1);
    ck_assert_str_eq(err.text, "--mount /b:/work/a hides the earlier mount on /work/a/b");
    ck_assert_int_eq(mount_check(twice, 2, &err), -1);
}
END_TEST

SUITE_MAIN("mount", folders_and_files_are_opened, what_an_agent_must_not_see_is_refused,
           a_folder_in_which_state_will_be_made_is_refused, mounts_do_not_hide_each_other)
