/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_needs: see the header. What can be tried is tried, in namespaces that last for the attempt: a cable as every
 * bottle has it, and the sidecar's whole rule set, which stopper-init itself installs. Nothing of the machine's own
 * network is changed, or could be: stopper-init insists on being PID 1 of a namespace.
 */
#include "hostctl/rt_netns_needs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cidr.h"
#include "core/policy.h"
#include "hostctl/rt_netns_net.h"
#include "hostctl/rt_netns_proc.h"
#include "hostctl/rt_netns_uplink.h"
#include "hostctl/trial.h"

#define SUBNET "10.64.0.0/30" /* inside namespaces of the attempt's own, where there is no other */

int programs_find(char folder[PATH_MAX], struct err *err)
{
    static const char *const places[] = {"", "/../libexec/stopper"};
    char own[PATH_MAX], path[PATH_MAX + 64];
    ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);
    if (len == -1)
        return err_set_errno(err, "/proc/self/exe");
    own[len] = '\0';
    *strrchr(own, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(path, sizeof path, "%s%s/stopper-init", own, places[i]);
        if (access(path, X_OK) == 0 && realpath(path, folder)) {
            *strrchr(folder, '/') = '\0';
            return 0;
        }
    }
    return err_set(err, "stopper-init is neither in %s nor in %s/../libexec/stopper", own, own);
}

static int look_root(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    (void)runtime, (void)sidecar_image;
    if (geteuid() != 0)
        return err_set(said, "the netns runtime needs root");
    err_set(said, "hostctl runs as root");
    return 0;
}

static int look_namespaces(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    static const char *const kinds[] = {"net", "mnt", "pid", "ipc", "uts", "cgroup", "user"};
    char path[64];
    (void)runtime, (void)sidecar_image;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        if (access(path, F_OK) == -1)
            return err_set_errno(said, "%s", path);
    }
    err_set(said, "the kernel has all seven kinds");
    return 0;
}

static int look_programs(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    static const char *const names[] = {"stopper-init", "stopper-dns",        "stopper-proxy", "stopper-shim",
                                        "stopper-gate", "stopper-gate-relay", "stopper-push"};
    char folder[PATH_MAX], path[PATH_MAX + 32];
    (void)runtime, (void)sidecar_image;
    if (programs_find(folder, said) == -1)
        return -1;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (access(path, X_OK) == -1)
            return err_set_errno(said, "%s", path);
    }
    err_set(said, "in %s", folder);
    return 0;
}

/* All of it goes with its descriptors. */
static int look_cable(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    struct net net = {-1, -1, -1};
    struct cidr subnet;
    (void)runtime, (void)sidecar_image;
    if (cidr_parse(str_of(SUBNET), &subnet) == -1 || net_make(&net, &subnet, true, said) == -1)
        return -1;
    net_close(&net);
    err_set(said,
            "two network namespaces, one of them in a user namespace, and a veth between them can be made");
    return 0;
}

static int look_uplink(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    (void)runtime, (void)sidecar_image;
    if (uplink_pasta_find(said) == -1)
        return err_set(said, "pasta is not installed");
    if (access("/dev/net/tun", F_OK) == -1 && access("/sys/class/misc/tun", F_OK) == -1)
        return err_set(said, "the kernel has no tun device");
    err_set(said, "pasta, and a kernel with tun");
    return 0;
}

static int look_wall(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    static const char *const argv[] = {"stopper-init", "try", NULL};
    char folder[PATH_MAX], path[PATH_MAX + 32], text[TRIAL_MAX];
    struct proc proc;
    size_t len = 0;
    ssize_t got = 1;
    int ends[2];
    (void)runtime, (void)sidecar_image;
    if (programs_find(folder, said) == -1)
        return -1;
    if (pipe2(ends, O_CLOEXEC) == -1)
        return err_set_errno(said, "pipe");
    snprintf(path, sizeof path, "%s/stopper-init", folder);
    const int fds[] = {-1, ends[1], -1};
    struct proc_plan plan = {
        .namespaces = CLONE_NEWNET | CLONE_NEWPID,
        .net = -1,
        .join = -1,
        .capabilities = 1ull << CAP_NET_ADMIN,
        .no_new_privs = true,
        .dies_with_caller = true,
        .path = path,
        .argv = argv,
        .fds = fds,
        .fd_count = 3,
    };
    int result = proc_make(&plan, &proc, said);
    close(ends[1]);
    if (result == 0 && (result = proc_go(&proc, said)) == 0) {
        while (len < sizeof text && got > 0) {
            got = read(ends[0], text + len, sizeof text - len);
            len += got > 0 ? (size_t)got : 0;
        }
        while (waitpid(proc.pid, NULL, 0) == -1 && errno == EINTR)
            ;
        result = trial_judge((struct str){text, len}, said);
    }
    close(ends[0]);
    return result;
}

const struct need netns_needs[] = {
    {"root", "run it with sudo", true, look_root},
    {"namespaces", "it takes /proc, and a kernel with namespaces (Linux 5.12 or later)", true,
     look_namespaces},
    {"programs", "install Stopper's programs beside hostctl, or in ../libexec/stopper", true, look_programs},
    {"cable", "the kernel needs veth and user namespaces (sysctl -w user.max_user_namespaces=15000)", false,
     look_cable},
    {"uplink", "apt install passt and modprobe tun, or use --uplink=nat", false, look_uplink},
    {"wall", TRIAL_REMEDY, false, look_wall},
    {NULL, NULL, false, NULL},
};
