/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns: the runtime `netns` behind runtime.h: a bottle is two sets of namespaces and an uplink, held by
 * processes alone.
 *
 *   host      hostctl up ──┬─ stopper-init   own net, mount, pid, ipc, uts        } all die with hostctl:
 * parent death ├─ pasta          (or the guard of the NAT rule)       } signal, whatever kills it └─
 * stopper-shim   own net, mount, pid, ipc, uts, cgroup
 *
 * No namespace is bound to a file and no mount is made outside them, so that after `kill -9` there is nothing
 * to take down but files in the state folder. Every process is recorded, with its start time, before it runs.
 * It must never act on a pid without its start time, and never run anything of its own in the host's
 * namespaces.
 */
#include "hostctl/rt_netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostctl/rt_netns_log.h"
#include "hostctl/rt_netns_needs.h"
#include "hostctl/rt_netns_net.h"
#include "hostctl/rt_netns_nft.h"
#include "hostctl/rt_netns_proc.h"
#include "hostctl/rt_netns_root.h"
#include "hostctl/rt_netns_shim.h"
#include "hostctl/rt_netns_uplink.h"

#define CAP(x) (1ull << (x))
#define SIDECAR_CAPS                                                                                         \
    (CAP(CAP_NET_ADMIN) | CAP(CAP_SETUID) | CAP(CAP_SETGID) | CAP(CAP_SETPCAP) | CAP(CAP_SYS_CHROOT) |       \
     CAP(CAP_KILL))
#define SHIM_CAPS (CAP(CAP_NET_ADMIN) | CAP(CAP_SETUID) | CAP(CAP_SETGID) | CAP(CAP_SETPCAP))

#define SIDECAR_GRACE_MS 3000
#define SOCKET_TRIES     1000 /* of SOCKET_STEP_MS: 10 s until the control socket is there */
#define SOCKET_STEP_MS   10
#define CONTROL_MS       60000

/* The networks of the one bottle that this process runs, from sidecar() to clean(). */
static struct net networks = {-1, -1, -1};

/* The subnet's first address in text: the sidecar, as the agent sees it. */
static int gateway_text(const struct state *state, char text[IP_TEXT], struct err *err)
{
    struct cidr subnet;
    const char *recorded = state_get(state, "subnet");
    if (!recorded || cidr_parse(str_of(recorded), &subnet) == -1)
        return err_set(err, "the bottle's record holds no network");
    struct ip ip = net_address(&subnet, 1);
    ip_format(&ip, text);
    return 0;
}

/* Records and releases. */
static int run(struct state *state, const char *role, const struct proc_plan *plan, struct proc *proc,
               struct err *err)
{
    if (proc_make(plan, proc, err) == -1)
        return -1;
    if (state_set_process(state, role, proc->pid, proc->start, err) == -1) {
        proc_abandon(proc);
        return -1;
    }
    return proc_go(proc, err);
}

static int sidecar_words(const struct state *state, const char *what, struct err *err)
{
    char last[256];
    log_last(state, LOG_SIDECAR, last);
    return err_set(err, "the sidecar %s%s%s", what, last[0] ? ": " : "", last);
}

/* Until its control socket is there. */
static int sidecar_wait(const struct proc *sidecar, const struct state *state, int interrupt, struct err *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/root/run/stopper/control.sock", (int)sidecar->pid);
    int pidfd = proc_open(sidecar->pid, sidecar->start), result = 1;
    if (pidfd == -1)
        return sidecar_words(state, "ended", err);
    for (int i = 0; result == 1; i++) {
        struct pollfd wait[] = {{.fd = pidfd, .events = POLLIN}, {.fd = interrupt, .events = POLLIN}};
        if (access(path, F_OK) == 0)
            result = 0;
        else if (i == SOCKET_TRIES)
            result = sidecar_words(state, "did not come up within 10 seconds", err);
        else if (poll(wait, 2, SOCKET_STEP_MS) > 0)
            result = wait[0].revents ? sidecar_words(state, "ended", err) : err_set(err, "interrupted");
    }
    close(pidfd);
    return result;
}

/* In the bottle's folder, with which it goes. The gate runs the host's programs. */
static int store_make(const struct state *state, char path[PATH_MAX], struct err *err)
{
    if (access("/usr/bin/git", X_OK) == -1 || access("/usr/bin/ssh", X_OK) == -1)
        return err_set(
            err, "git-gate.repos: /usr/bin/git or /usr/bin/ssh is missing (apt install git openssh-client)");
    if (snprintf(path, PATH_MAX, "%s/gate", state->path) >= PATH_MAX)
        return err_set(err, "%s: the path is too long", state->path);
    return mkdir(path, 0700) == -1 ? err_set_errno(err, "%s", path) : 0;
}

static int sidecar_start(const struct bottle_spec *spec, struct state *state, struct err *err)
{
    /* With pasta the host's services are on the sidecar's own loopback, with a cable behind it: the default. */
    const char *host = spec->host_port_count == 0 ? "none" : "127.0.0.1";
    bool behind = spec->host_port_count > 0 && spec->uplink == UPLINK_NAT;
    const char *const argv[] = {"stopper-init",
                                "--egress",
                                NET_EGRESS_LINK,
                                "--agent",
                                NET_AGENT_LINK,
                                "--die-with-parent",
                                behind ? NULL : "--host",
                                host,
                                NULL};
    char programs[PATH_MAX], store[PATH_MAX];
    struct root_sidecar root = {programs, spec->repos ? store : NULL};
    struct proc sidecar;
    if (programs_find(programs, err) == -1 || (spec->repos && store_make(state, store, err) == -1))
        return -1;
    int audit = log_open(state, LOG_AUDIT, err), words = audit == -1 ? -1 : log_open(state, LOG_SIDECAR, err);
    int result = -1;
    if (words != -1) {
        const int fds[] = {-1, audit, words};
        struct proc_plan plan = {
            .namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
            .net = networks.sidecar,
            .join = -1,
            .prepare = root_sidecar,
            .ctx = &root,
            .capabilities = SIDECAR_CAPS,
            .dies_with_caller = true,
            .path = ROOT_PROGRAMS "/stopper-init",
            .argv = argv,
            .fds = fds,
            .fd_count = 3,
        };
        result = run(state, "sidecar", &plan, &sidecar, err);
    }
    if (audit != -1)
        close(audit);
    if (words != -1)
        close(words);
    return result == 0 ? sidecar_wait(&sidecar, state, spec->interrupt, err) : -1;
}

static int netns_sidecar(const struct bottle_spec *spec, struct state *state, struct err *err)
{
    struct cidr subnet;
    bool nat = spec->uplink == UPLINK_NAT;
    if (!nat && uplink_pasta_find(err) == -1)
        return -1;
    if (net_choose(state, "subnet", &subnet, err) == -1 || net_make(&networks, &subnet, !nat, err) == -1)
        return -1;
    if ((nat ? uplink_nat(&networks, spec, state, err) : uplink_pasta(&networks, spec, state, err)) == -1)
        return -1;
    return sidecar_start(spec, state, err);
}

static int process_open(const struct state *state, const char *role, const char *what, struct err *err)
{
    pid_t pid;
    uint64_t start;
    int fd = state_get_process(state, role, &pid, &start) ? proc_open(pid, start) : -1;
    if (fd == -1)
        err_set(err, "%s does not run", what);
    return fd;
}

struct exchange {
    int in, out, words; /* the program's stdin, stdout and stderr, our ends */
    struct str send;
    struct buf *received, said;
};

/* One round of what can be moved. Returns 1, 0 when all is closed, -1 with err. */
static int exchange_turn(struct exchange *x, int patience, struct err *err)
{
    struct pollfd wait[] = {{.fd = x->in, .events = POLLOUT},
                            {.fd = x->out, .events = POLLIN},
                            {.fd = x->words, .events = POLLIN}};
    char bytes[4096];
    if (x->in == -1 && x->out == -1 && x->words == -1)
        return 0;
    int ready = poll(wait, 3, patience);
    if (ready <= 0)
        return ready == -1 && errno == EINTR ? 1 : err_set(err, "no answer from the sidecar");
    if (wait[0].revents) {
        ssize_t sent = wait[0].revents & POLLERR
                           ? -1
                           : write(x->in, x->send.ptr, x->send.len < PIPE_BUF ? x->send.len : PIPE_BUF);
        x->send.ptr += sent > 0 ? sent : 0;
        x->send.len -= sent > 0 ? (size_t)sent : 0;
        if (sent == -1 || x->send.len == 0) {
            close(x->in);
            x->in = -1;
        }
    }
    for (size_t i = 1; i < 3; i++) {
        int *fd = i == 1 ? &x->out : &x->words;
        if (!wait[i].revents)
            continue;
        ssize_t got = read(*fd, bytes, sizeof bytes);
        if (got <= 0) {
            close(*fd);
            *fd = -1;
        } else if (buf_append(i == 1 ? x->received : &x->said, bytes, (size_t)got) == -1 && i == 1) {
            return err_set(err, "the sidecar's answer is too long");
        }
    }
    return 1;
}

static int control_run(const struct proc_plan *plan, struct exchange *x, struct err *err)
{
    struct proc proc;
    int status = 0, more = 1;
    if (proc_make(plan, &proc, err) == -1 || proc_go(&proc, err) == -1)
        return -1;
    for (size_t i = 0; i < 3; i++)
        close(plan->fds[i]);
    if (x->send.len == 0) {
        close(x->in);
        x->in = -1;
    }
    while (more == 1)
        more = exchange_turn(x, CONTROL_MS, err);
    if (more == -1)
        kill(proc.pid, SIGKILL); /* our child, not reaped yet */
    while (waitpid(proc.pid, &status, 0) == -1 && errno == EINTR)
        ;
    if (more == -1)
        return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) <= 1 && buf_str(x->received).len > 0)
        return WEXITSTATUS(status);
    struct str said = str_trim(buf_str(&x->said));
    return err_set(err, "stopper-init ctl: %.*s", said.len ? (int)said.len : 9,
                   said.len ? said.ptr : "no answer");
}

static int netns_control(const struct state *state, const char *verb, const char *name, struct str in,
                         struct buf *out, struct err *err)
{
    const char *const argv[] = {"stopper-init", "ctl", verb, name, NULL};
    int fds[3] = {-1, -1, -1}, ends[2], result = 0;
    struct exchange x = {-1, -1, -1, in, out, {0}};
    int *const ours[] = {&x.in, &x.out, &x.words};
    int sidecar = process_open(state, "sidecar", "the sidecar", err);
    if (sidecar == -1)
        return -1;
    for (size_t i = 0; result == 0 && i < 3; i++) {
        if (pipe2(ends, O_CLOEXEC) == -1) {
            result = err_set_errno(err, "pipe");
            break;
        }
        *ours[i] = ends[i == 0];
        fds[i] = ends[i != 0];
    }
    struct proc_plan plan = {
        .net = -1,
        .join = sidecar,
        .joined = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
        .no_new_privs = true,
        .dies_with_caller = true,
        .path = ROOT_PROGRAMS "/stopper-init",
        .argv = argv,
        .fds = fds,
        .fd_count = 3,
    };
    buf_init(&x.said, 400);
    if (result == 0)
        result = control_run(&plan, &x, err);
    for (size_t i = 0; i < 3; i++)
        if (*ours[i] != -1)
            close(*ours[i]);
    buf_fini(&x.said);
    close(sidecar);
    return result;
}

static void watch(struct session *session, const struct state *state, const char *role, const char *what)
{
    pid_t pid;
    uint64_t start;
    if (!state_get_process(state, role, &pid, &start))
        return;
    session->watched[session->watched_count].pid = pid;
    session->watched[session->watched_count++].what = what;
}

/* argv with these words in front; freed with free(3). */
static const char **words_before(const char *const *words, size_t count, char *const *argv)
{
    size_t argc = 0;
    while (argv[argc])
        argc++;
    const char **all = calloc(count + argc + 1, sizeof *all);
    for (size_t i = 0; all && i < count + argc; i++)
        all[i] = i < count ? words[i] : argv[i - count];
    return all;
}

static int agent_start(const struct bottle_spec *spec, const struct command_spec *command,
                       struct state *state, struct shim *shim, struct err *err)
{
    static const char *const front[] = {"stopper-shim", "--"}; /* no command is taken for a verb */
    char programs[PATH_MAX], path[PATH_MAX + 32], gateway[IP_TEXT];
    struct proc agent;
    if (programs_find(programs, err) == -1 || gateway_text(state, gateway, err) == -1)
        return -1;
    snprintf(path, sizeof path, "%s/stopper-shim", programs);
    struct root_agent root = {spec->name,   path,         gateway,           command->uid,
                              command->gid, spec->mounts, spec->mount_count, NULL};
    const char **argv = words_before(front, 2, command->argv);
    root.trees = argv ? root_trees_open(spec->mounts, spec->mount_count, err) : NULL;
    int result = -1;
    if (root.trees) {
        struct proc_plan plan = {
            .namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
            .net = networks.agent,
            .join = -1,
            .prepare = root_agent,
            .ctx = &root,
            .capabilities = SHIM_CAPS,
            .dies_with_caller = true,
            .path = ROOT_SHIM,
            .argv = argv,
            .fds = shim->fds,
            .fd_count = 4,
        };
        result = run(state, "agent", &plan, &agent, err);
        shim_started(shim);
    }
    root_trees_close(root.trees, spec->mount_count);
    free(argv);
    struct shim_bottle bottle = {
        gateway,      spec->ca,          spec->ca_subject_hash, spec->user_namespaces,
        spec->mounts, spec->mount_count, spec->remotes};
    return result == 0 ? shim_configure(shim, command, &bottle, err) : -1;
}

static int netns_agent(const struct bottle_spec *spec, const struct command_spec *command,
                       struct state *state, struct session *session, struct err *err)
{
    struct shim shim;
    if (networks.agent == -1 || command->uid == 0)
        return err_set(err, "no sidecar, or an agent that would be root");
    if (shim_open(&shim, command, command->uid, command->gid, err) == -1)
        return -1;
    if (agent_start(spec, command, state, &shim, err) == -1) {
        shim_close(&shim);
        return -1;
    }
    /* From now on the networks live by their processes alone. */
    net_close(&networks);
    *session = shim.session;
    watch(session, state, "sidecar", "the sidecar");
    watch(session, state, "uplink", "the uplink (pasta)");
    return 0;
}

static int netns_exec(const struct command_spec *command, const struct state *state, struct session *session,
                      struct err *err)
{
    static const char *const front[] = {"stopper-shim", "exec", "--"};
    struct shim shim;
    struct proc proc;
    struct stat home;
    char path[64];
    pid_t pid;
    uint64_t start;
    int agent = process_open(state, "agent", "the agent", err);
    if (agent == -1)
        return -1;
    /* Whose the home is says who the agent is. */
    state_get_process(state, "agent", &pid, &start);
    snprintf(path, sizeof path, "/proc/%d/root" ROOT_HOME, (int)pid);
    const char **argv = words_before(front, 3, command->argv);
    int result = -1;
    if (stat(path, &home) == -1)
        err_set_errno(err, "the agent's home");
    else if (argv)
        result = shim_open(&shim, command, home.st_uid, home.st_gid, err);
    if (result == 0) {
        struct proc_plan plan = {
            .net = -1,
            .join = agent,
            .joined =
                CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
            .capabilities = SHIM_CAPS,
            .path = ROOT_SHIM,
            .argv = argv,
            .fds = shim.fds,
            .fd_count = 4,
        };
        if ((result = proc_make(&plan, &proc, err)) == 0)
            result = proc_go(&proc, err);
        shim_started(&shim);
        if (result == 0 && (result = shim_configure(&shim, command, NULL, err)) == -1)
            proc_end(proc.pid, proc.start, 0, 0);
        if (result == -1) {
            shim_close(&shim);
        } else {
            close(shim.session.control); /* the shim has become the command */
            shim.session.control = -1;
            shim.session.child = proc.pid;
            *session = shim.session;
        }
    }
    free(argv);
    close(agent);
    return result;
}

static int netns_clean(struct state *state, struct err *err)
{
    static const struct {
        const char *role;
        int signal;
    } order[] = {{"agent", 0}, {"sidecar", SIGTERM}};
    int result = 0;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        pid_t pid;
        uint64_t start;
        if (state_get_process(state, order[i].role, &pid, &start) &&
            proc_end(pid, start, order[i].signal, SIDECAR_GRACE_MS) == -1)
            result = err_set(err, "process %d (%s) does not end", (int)pid, order[i].role);
    }
    net_close(&networks);
    return uplink_remove(state, err) == -1 ? -1 : result;
}

static bool netns_alive(const struct state *state)
{
    static const char *const roles[] = {"sidecar", "agent"};
    for (size_t i = 0; i < 2; i++) {
        pid_t pid;
        uint64_t start, now;
        if (!state_get_process(state, roles[i], &pid, &start) || proc_start_time(pid, &now) == -1 ||
            now != start)
            return false;
    }
    return true;
}

/* Whether some process is the guard of this table: then it belongs to a bottle, perhaps of another state
 * folder. */
static bool guarded(const char *table)
{
    char path[300], text[256];
    bool found = false;
    struct dirent *entry;
    DIR *dir = opendir("/proc");
    while (dir && !found && (entry = readdir(dir))) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t len = fd == -1 ? 0 : read(fd, text, sizeof text - 1);
        if (fd != -1)
            close(fd);
        text[len > 0 ? len : 0] = '\0';
        const char *verb =
            len > 0 ? memmem(text, (size_t)len, UPLINK_GUARD_VERB, sizeof UPLINK_GUARD_VERB) : NULL;
        found = verb && strcmp(verb + sizeof UPLINK_GUARD_VERB, table) == 0;
    }
    if (dir)
        closedir(dir);
    return found;
}

struct sweep {
    int removed, failed;
    struct err *err;
};

static void sweep_table(void *ctx, const char *table)
{
    struct sweep *sweep = ctx;
    struct state state;
    struct err ignored;
    enum state_result found =
        state_open(&state, table + sizeof NFT_TABLE_PREFIX - 1, STATE_READ, 0, &ignored);
    if (found == STATE_OK)
        state_close(&state);
    if (found != STATE_MISSING || guarded(table))
        return;
    if (nft_table_delete(table, sweep->err) == -1)
        sweep->failed++;
    else
        sweep->removed++;
}

static int netns_gc(struct err *err)
{
    struct sweep sweep = {0, 0, err};
    if (geteuid() != 0)
        return 0; /* makes nothing for anybody else */
    if (nft_tables_each(sweep_table, &sweep, err) == -1 || sweep.failed)
        return -1;
    return sweep.removed;
}

const struct runtime runtime_netns = {
    .name = "netns",
    .needs = netns_needs,
    .sidecar = netns_sidecar,
    .control = netns_control,
    .agent = netns_agent,
    .exec = netns_exec,
    .clean = netns_clean,
    .alive = netns_alive,
    .gc = netns_gc,
    .helper_verb = UPLINK_GUARD_VERB,
    .helper = uplink_guard,
    .logs = NULL,
};
