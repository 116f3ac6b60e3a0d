/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * privs: see the header. glibc has no capset, so the two calls are made raw with version 3 of the structures
 * (capset(2)). Nothing here decides what is given up, and nothing here goes on after a step that did not take
 * effect.
 */
#define _GNU_SOURCE
#include "sys/privs.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITY_MAX 64 /* version 3 of capset holds 64 bits */

#define SECUREBITS                                                                                           \
    (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |         \
     SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

struct capability_sets {
    uint64_t effective, permitted, inheritable;
};

static int sets_write(const struct capability_sets *sets)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(sets->effective >> (32 * i));
        data[i].permitted = (uint32_t)(sets->permitted >> (32 * i));
        data[i].inheritable = (uint32_t)(sets->inheritable >> (32 * i));
    }
    return (int)syscall(SYS_capset, &head, data);
}

static int sets_read(struct capability_sets *sets)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    if (syscall(SYS_capget, &head, data) != 0)
        return -1;
    sets->effective = data[0].effective | (uint64_t)data[1].effective << 32;
    sets->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    sets->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    return 0;
}

int privs_bound(uint64_t keep, struct err *err)
{
    /* The kernel says EINVAL behind its last capability: nothing newer than this program is forgotten. */
    for (unsigned long capability = 0; capability < CAPABILITY_MAX; capability++) {
        int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);

        if (held < 0)
            break;
        if (held == 0 || (keep & PRIVS_BIT(capability)))
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            return err_set_errno(err, "bounding set: capability %lu", capability);
    }
    for (unsigned long capability = 0; capability < CAPABILITY_MAX; capability++) {
        int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);

        if (held < 0)
            return capability == 0 ? err_set_errno(err, "bounding set") : 0;
        if (held > 0 && !(keep & PRIVS_BIT(capability)))
            return err_set(err, "bounding set: capability %lu is still there", capability);
    }
    return 0;
}

int privs_lock(struct err *err)
{
    int bits;

    if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) != 0)
        return err_set_errno(err, "securebits");
    bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    if (bits != SECUREBITS)
        return err_set(err, "securebits: 0x%x instead of 0x%x", (unsigned)bits, (unsigned)SECUREBITS);
    return 0;
}

/* Whether the process has exactly these supplementary groups, in any order. The caller's list is small
 * (tens). */
static bool groups_are(const gid_t *groups, size_t count)
{
    gid_t held[64];
    int held_count = getgroups(64, held);

    if (held_count < 0)
        return false;
    for (int i = 0; i < held_count; i++) {
        bool wanted = false;

        for (size_t j = 0; j < count && !wanted; j++)
            wanted = held[i] == groups[j];
        if (!wanted)
            return false;
    }
    return (size_t)held_count == count;
}

int privs_become(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count, struct err *err)
{
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid;

    if (setgroups(group_count, groups) != 0)
        return err_set_errno(err, "setgroups");
    if (setresgid(gid, gid, gid) != 0)
        return err_set_errno(err, "setresgid %u", (unsigned)gid);
    if (setresuid(uid, uid, uid) != 0)
        return err_set_errno(err, "setresuid %u", (unsigned)uid);
    if (getresuid(&ruid, &euid, &suid) != 0 || getresgid(&rgid, &egid, &sgid) != 0)
        return err_set_errno(err, "reading back the user");
    if (ruid != uid || euid != uid || suid != uid || rgid != gid || egid != gid || sgid != gid ||
        !groups_are(groups, group_count))
        return err_set(err, "user %u, group %u: the change did not take effect", (unsigned)uid,
                       (unsigned)gid);
    return 0;
}

int privs_keep(uint64_t keep, struct err *err)
{
    const struct capability_sets wanted = {.effective = keep, .permitted = keep};
    struct capability_sets more = wanted, held;

    /* EINVAL only where the kernel has no ambient set (before 4.3). */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        return err_set_errno(err, "ambient set");
    if (sets_write(&wanted) != 0)
        return err_set_errno(err, "capset");
    if (sets_read(&held) != 0)
        return err_set_errno(err, "capget");
    if (memcmp(&held, &wanted, sizeof held) != 0)
        return err_set(err, "capabilities: 0x%" PRIx64 " permitted instead of 0x%" PRIx64, held.permitted,
                       keep);
    for (unsigned long capability = 0; capability < CAPABILITY_MAX; capability++) {
        int raised = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0);

        if (raised < 0)
            break;
        if (raised > 0)
            return err_set(err, "ambient set: capability %lu is still there", capability);
    }
    for (unsigned capability = 0; capability <= CAP_LAST_CAP; capability++) {
        if (keep & PRIVS_BIT(capability))
            continue;
        more.permitted = keep | PRIVS_BIT(capability);
        if (sets_write(&more) == 0 || errno != EPERM)
            return err_set(err, "capability %u could be taken back", capability);
    }
    return 0;
}

int privs_seal(struct err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set_errno(err, "no_new_privs");
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return err_set(err, "no_new_privs did not take effect");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_set_errno(err, "dumpable");
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_set(err, "the process is still dumpable");
    return 0;
}

int privs_probe(uid_t uid, struct err *err)
{
    if (uid != 0 && (setresuid(0, 0, 0) == 0 || errno != EPERM))
        return err_set(err, "the process could become root again");
    if (setgroups(0, NULL) == 0 || errno != EPERM)
        return err_set(err, "the process could change its groups");
    if (chroot("/") == 0 || errno != EPERM)
        return err_set(err, "the process could change its root directory");
    return 0;
}

/* A change of the group itself would clear PR_SET_PDEATHSIG (prctl(2)); one of the supplementary groups does not. */
int privs_share(const char *path, gid_t group, mode_t mode, struct err *err)
{
    struct stat found;
    gid_t own[64];
    int count = getgroups(64, own);

    if (count < 0 || lstat(path, &found) != 0)
        return err_set_errno(err, "%s", path);
    if (S_ISLNK(found.st_mode) || found.st_uid != geteuid())
        return err_set(err, "%s: is a link, or another user's", path);
    if (setgroups(1, &group) != 0)
        return err_set_errno(err, "setgroups");
    int result = lchown(path, (uid_t)-1, group) != 0 || chmod(path, mode) != 0 || lstat(path, &found) != 0
                     ? err_set_errno(err, "%s", path)
                     : 0;
    if (setgroups((size_t)count, own) != 0 || !groups_are(own, (size_t)count))
        return err_set_errno(err, "setgroups");
    if (result == 0 && (found.st_gid != group || (found.st_mode & 07777) != mode))
        return err_set(err, "%s: group %u, mode %o did not take effect", path, (unsigned)group,
                       (unsigned)mode);
    return result;
}
