/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_root: the tables of what enters (but certificates: rt_netns_certs). The host's programs (/usr,
 * read-only) and the harmless part of its configuration; nothing of /home, /root, /run, /tmp, /var, /opt, no
 * socket, no key, no state of Stopper. An agent without any capability can connect to a daemon's Unix socket
 * through the bare file system: what is not in a table is not there. Only the user's mounts come in beside
 * that, last and checked.
 */
#include "hostctl/rt_netns_root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostctl/rt_netns_certs.h"
#include "hostctl/rt_netns_tree.h"
#include "sys/users.h"

#define SOURCES_MAX (1 << 20) /* bytes of one of apt's source lists */

/* Links into /usr where /usr is merged, else folders. */
static const char *const system_folders[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};

/* Of /etc, as the host has it, read-only. Never: shadow, gshadow, ssh, ssl/private, machine-id,
 * apt/auth.conf, apt.conf.d and environment (proxy settings), gitconfig and npmrc (tokens). */
static const char *const etc_binds[] = {
    "/etc/alternatives",
    "/etc/apt/keyrings",
    "/etc/apt/preferences",
    "/etc/apt/preferences.d",
    "/etc/apt/trusted.gpg",
    "/etc/apt/trusted.gpg.d",
    "/etc/bash.bashrc",
    "/etc/ca-certificates.conf",
    "/etc/ca-certificates/update.d",
    "/etc/chromium.d/default-flags", /* its launcher fails without any; beside them lie API keys */
    "/etc/chromium.d/dev-shm",
    "/etc/chromium.d/extensions",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/default/locale",
    "/etc/dpkg",
    "/etc/ethertypes",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/inputrc",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/locale.conf",
    "/etc/localtime",
    "/etc/lsb-release",
    "/etc/magic",
    "/etc/magic.mime",
    "/etc/mime.types",
    "/etc/nanorc",
    "/etc/networks",
    "/etc/os-release",
    "/etc/perl",
    "/etc/pki/tls/openssl.cnf",
    "/etc/profile",
    "/etc/protocols",
    "/etc/rpc",
    "/etc/services",
    "/etc/shells",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/etc/timezone",
    "/etc/vim",
};

/* Packages whose programs link into a folder of /etc with their version in its name. */
static const char *const etc_prefixes[] = {"python3", "java-"};

static int system_enter(struct err *err)
{
    if (tree_bind("/usr", NULL, TREE_READ_ONLY, err) == -1)
        return -1;
    for (size_t i = 0; i < sizeof system_folders / sizeof system_folders[0]; i++)
        if (tree_bind(system_folders[i], NULL, TREE_READ_ONLY | TREE_OPTIONAL, err) == -1)
            return -1;
    return 0;
}

/* Calls `enter` for each entry of a host's folder whose name starts so. A folder that is not there has none.
 */
static int folder_each(const char *folder, const char *prefix,
                       int (*enter)(const char *path, struct err *err), struct err *err)
{
    char path[PATH_MAX];
    struct dirent *entry;
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT ? 0 : err_set_errno(err, "%s", folder);
    int result = 0;
    while (result == 0 && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
            result = enter(path, err);
    closedir(dir);
    return result;
}

static int program_enter(const char *path, struct err *err)
{
    char at[PATH_MAX];
    struct stat status;
    if (stat(path, &status) == -1 || !S_ISREG(status.st_mode))
        return 0;
    snprintf(at, sizeof at, "%s%s", &ROOT_PROGRAMS[1], strrchr(path, '/'));
    return tree_bind(path, at, TREE_READ_ONLY, err);
}

/* What git takes for hooks (gate/relay.h), the users that ssh asks for, and the place for repositories. */
static int gate_enter(const struct root_sidecar *root, struct err *err)
{
    static const char *const hooks[] = {"pre-receive", "proc-receive"};
    char at[64], users[128];

    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        snprintf(at, sizeof at, "%s/gate-hooks/%s", &ROOT_PROGRAMS[1], hooks[i]);
        if (tree_link(at, ROOT_PROGRAMS "/stopper-gate-relay", err) == -1)
            return -1;
    }
    snprintf(users, sizeof users,
             "root:x:0:0::/:/nonexistent\nstopper-gate:x:%d:%d::/:/nonexistent\n"
             "stopper-push:x:%d:%d::/:/nonexistent\n",
             USER_GATE, USER_GATE, USER_PUSH, USER_PUSH);
    if (tree_file("etc/passwd", users, err) == -1)
        return -1;
    return tree_bind(root->store, &ROOT_STORE[1], TREE_DATA, err);
}

int root_sidecar(void *ctx, struct err *err)
{
    const struct root_sidecar *root = ctx;
    if (tree_begin(err) == -1 || system_enter(err) == -1 ||
        folder_each(root->programs, "stopper-", program_enter, err) == -1 ||
        tree_bind("/etc/ld.so.cache", NULL, TREE_READ_ONLY | TREE_OPTIONAL, err) == -1 ||
        certs_sidecar(err) == -1 || tree_tmpfs("run", "mode=755,size=16m", false, err) == -1 ||
        tree_dev(false, err) == -1 || tree_proc(true, err) == -1 ||
        (root->store != NULL && gate_enter(root, err) == -1) || tree_end(err) == -1)
        return err_prefix(err, "the sidecar's root");
    return 0;
}

/* Whether a line speaks of user and password in a URL. */
static bool holds_credentials(const char *text)
{
    for (const char *url = text; (url = strstr(url, "://")); url += 3) {
        size_t authority = strcspn(url + 3, "/ \t\n]");
        if (memchr(url + 3, '@', authority))
            return true;
    }
    return false;
}

/* A source list as a copy, unless it holds a password. */
static int sources_enter(const char *path, struct err *err)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1)
        return errno == ENOENT || errno == ELOOP ? 0 : err_set_errno(err, "%s", path);
    char *text = NULL;
    ssize_t len = -1;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size < SOURCES_MAX &&
        (text = malloc((size_t)status.st_size + 1)))
        len = read(fd, text, (size_t)status.st_size);
    close(fd);
    int result = 0;
    if (len >= 0) {
        text[len] = '\0';
        if (!holds_credentials(text))
            result = tree_file(path + 1, text, err);
    }
    free(text);
    return result;
}

static int etc_bind(const char *path, struct err *err)
{
    return tree_bind(path, NULL, TREE_READ_ONLY | TREE_OPTIONAL, err);
}

static int etc_users(const struct root_agent *root, struct err *err)
{
    char text[512];
    const char *shell = access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
    snprintf(text, sizeof text,
             "root:x:0:0:root:/root:/usr/sbin/nologin\n"
             "agent:x:%u:%u:agent:" ROOT_HOME ":%s\n"
             "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
             (unsigned)root->uid, (unsigned)root->gid, shell);
    if (tree_file("etc/passwd", text, err) == -1)
        return -1;
    snprintf(text, sizeof text, "root:x:0:\ntty:x:5:\nagent:x:%u:\nnogroup:x:65534:\n", (unsigned)root->gid);
    return tree_file("etc/group", text, err);
}

static int etc_make(const struct root_agent *root, struct err *err)
{
    char text[512];
    if (tree_tmpfs("etc", "mode=755,size=24m", false, err) == -1 || etc_users(root, err) == -1)
        return -1;
    snprintf(text, sizeof text, "127.0.0.1\tlocalhost\n127.0.1.1\t%s\n", root->name);
    if (tree_file("etc/hosts", text, err) == -1)
        return -1;
    snprintf(text, sizeof text, "%s\n", root->name);
    if (tree_file("etc/hostname", text, err) == -1)
        return -1;
    snprintf(text, sizeof text, "nameserver %s\n", root->resolver);
    if (tree_file("etc/resolv.conf", text, err) == -1 ||
        tree_file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n", err) == -1)
        return -1;
    for (size_t i = 0; i < sizeof etc_binds / sizeof etc_binds[0]; i++)
        if (etc_bind(etc_binds[i], err) == -1)
            return -1;
    for (size_t i = 0; i < sizeof etc_prefixes / sizeof etc_prefixes[0]; i++)
        if (folder_each("/etc", etc_prefixes[i], etc_bind, err) == -1)
            return -1;
    if (certs_agent(err) == -1 || sources_enter("/etc/apt/sources.list", err) == -1)
        return -1;
    return folder_each("/etc/apt/sources.list.d", "", sources_enter, err);
}

/* What is writable: each a tmpfs, nosuid and nodev. */
static int private_make(const struct root_agent *root, struct err *err)
{
    static const struct {
        const char *at;
        mode_t mode;
        bool agents;
    } all[] = {
        {"home/agent", 0700, true}, {"tmp", 01777, false},       {"var/tmp", 01777, false},
        {"run", 0755, false},       {"var/lib/apt", 0755, true}, {"var/cache", 0755, true},
    };
    static const char *const apt[] = {"var/lib/apt/lists", "var/lib/apt/lists/partial", "var/cache/apt",
                                      "var/cache/apt/archives", "var/cache/apt/archives/partial"};
    char text[64];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        snprintf(text, sizeof text, "mode=%o,uid=%u,gid=%u", (unsigned)all[i].mode,
                 all[i].agents ? (unsigned)root->uid : 0, all[i].agents ? (unsigned)root->gid : 0);
        if (tree_tmpfs(all[i].at, text, true, err) == -1)
            return -1;
    }
    for (size_t i = 0; i < sizeof apt / sizeof apt[0]; i++)
        if (tree_folder(apt[i], 0755, root->uid, root->gid, err) == -1)
            return -1;
    snprintf(text, sizeof text, "run/user/%u", (unsigned)root->uid);
    if (tree_folder("root", 0700, 0, 0, err) == -1 || tree_folder("sys", 0555, 0, 0, err) == -1 ||
        tree_folder("mnt", 0755, 0, 0, err) == -1 || tree_folder("run/lock", 01777, 0, 0, err) == -1 ||
        tree_folder("run/stopper", 0700, 0, 0, err) == -1 ||
        tree_folder(text, 0700, root->uid, root->gid, err) == -1 || tree_link("var/run", "/run", err) == -1 ||
        tree_link("var/lock", "/run/lock", err) == -1)
        return -1;
    /* The list of installed packages says no more than /usr/share/doc does. */
    return tree_bind("/var/lib/dpkg", NULL, TREE_READ_ONLY | TREE_OPTIONAL, err);
}

/* Places that are the bottle's own: a mount there would replace what seals it, or vanish. */
static bool target_allowed(const char *at)
{
    static const char *const taken[] = {"bin",    "dev",  "etc", "lib",  "lib32", "lib64",
                                        "libx32", "proc", "run", "sbin", "sys",   "usr"};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        size_t len = strlen(taken[i]);
        if (strncmp(at, taken[i], len) == 0 && (at[len] == '/' || at[len] == '\0'))
            return false;
    }
    return at[0] != '\0';
}

/* Whether the place lies in an earlier mount, where nothing is made: it would be made on the host. */
static bool inside_mount(const struct root_agent *root, size_t number)
{
    for (size_t i = 0; i < number; i++) {
        size_t len = strlen(root->mounts[i].agent);
        if (strncmp(root->mounts[number].agent, root->mounts[i].agent, len) == 0 &&
            root->mounts[number].agent[len] == '/')
            return true;
    }
    return false;
}

static int mounts_place(const struct root_agent *root, struct err *err)
{
    for (size_t i = 0; i < root->mount_count; i++) {
        const struct mount *mount = &root->mounts[i];
        const char *at = mount->agent + 1;
        bool home = strncmp(mount->agent, ROOT_HOME "/", sizeof ROOT_HOME) == 0;
        struct tree_owner owner = {home ? root->uid : 0, home ? root->gid : 0};
        if (!target_allowed(at))
            return err_set(err, "--mount %s: this place is the bottle's own", mount->agent);
        if (tree_place(root->trees[i], at, mount->folder, !inside_mount(root, i), owner, err) == -1)
            return err_prefix(err, "--mount %s", mount->host);
    }
    return 0;
}

/* npm's configuration of a node that is installed in /usr. After tree_dev: the mount has its own flags, so
 * the device can be opened, and is empty. */
static int npmrc_hide(struct err *err)
{
    static const char at[] = "usr/etc/npmrc";
    struct stat status;
    if (lstat(at, &status) == -1 || !S_ISREG(status.st_mode))
        return 0;
    return mount("dev/null", at, NULL, MS_BIND, NULL) == -1 ? err_set_errno(err, "hiding /%s", at) : 0;
}

/* The host's own configuration below /usr, which may hold tokens, is hidden. */
static int local_hide(struct err *err)
{
    struct stat status;
    if (lstat("usr/local/etc", &status) == -1 || !S_ISDIR(status.st_mode))
        return 0;
    int empty = open("mnt", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (empty == -1)
        return err_set_errno(err, "/mnt");
    int tree = tree_detach(empty, TREE_READ_ONLY, err), result = -1;
    close(empty);
    if (tree != -1) {
        result = tree_place(tree, "usr/local/etc", true, false, (struct tree_owner){0, 0}, err);
        close(tree);
    }
    return result;
}

int root_agent(void *ctx, struct err *err)
{
    const struct root_agent *root = ctx;
    if (sethostname(root->name, strlen(root->name)) == -1)
        return err_set_errno(err, "hostname");
    if (tree_begin(err) == -1 || system_enter(err) == -1 || etc_make(root, err) == -1 ||
        private_make(root, err) == -1 || local_hide(err) == -1 ||
        tree_bind(root->shim, &ROOT_SHIM[1], TREE_READ_ONLY, err) == -1 || tree_dev(true, err) == -1 ||
        npmrc_hide(err) == -1 || tree_proc(false, err) == -1 || mounts_place(root, err) == -1 ||
        tree_end(err) == -1)
        return err_prefix(err, "the agent's root");
    return 0;
}

int *root_trees_open(const struct mount *mounts, size_t count, struct err *err)
{
    int *trees = malloc((count + 1) * sizeof *trees);
    if (!trees) {
        err_set(err, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        trees[i] = tree_detach(mounts[i].fd, mounts[i].read_only ? TREE_READ_ONLY : 0, err);
        if (trees[i] == -1) {
            err_prefix(err, "--mount %s", mounts[i].host);
            root_trees_close(trees, i);
            return NULL;
        }
    }
    return trees;
}

void root_trees_close(int *trees, size_t count)
{
    for (size_t i = 0; trees && i < count; i++)
        close(trees[i]);
    free(trees);
}
