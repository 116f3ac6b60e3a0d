/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stopper-init: PID 1 of a sidecar. main is the boot, as a list of steps in the order that
 * docs/ARCHITECTURE.md gives: nothing listens before the wall stands, and the right to change the wall is
 * given up before anything takes input. A step that fails ends the process; the wall, once it stands, stays
 * with the namespace, so nothing leaves without a sidecar.
 *
 * It must never parse what the agent or an upstream has sent, and never turn anything on that the wall needs
 * off.
 */
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "core/policy.h"
#include "core/secret.h"
#include "init/audit_mux.h"
#include "init/ca.h"
#include "init/control.h"
#include "init/ctl.h"
#include "init/desk.h"
#include "init/gate_seen.h"
#include "init/kinds.h"
#include "init/meter.h"
#include "init/mounted.h"
#include "init/net.h"
#include "init/nft.h"
#include "init/options.h"
#include "init/packets.h"
#include "init/policy_store.h"
#include "init/rollout.h"
#include "init/shutter.h"
#include "init/supervise.h"
#include "init/try.h"
#include "sys/privs.h"
#include "sys/users.h"
#include "sys/worker.h"

#define OPEN_FILES 65536u /* that workers may have at most; each limits itself further */

/* What init keeps: to become a worker's user inside its jail, and to end it. */
#define KEPT                                                                                                 \
    (PRIVS_BIT(CAP_SETUID) | PRIVS_BIT(CAP_SETGID) | PRIVS_BIT(CAP_SETPCAP) | PRIVS_BIT(CAP_SYS_CHROOT) |    \
     PRIVS_BIT(CAP_KILL))

struct init {
    struct options options;
    char executable[PATH_MAX];
    struct netlink netlink;
    struct net net;
    uint32_t ruleset_generation;
    uv_loop_t loop;
    uv_signal_t terminate, interrupt;
    struct audit_mux *audit;
    struct packets packets;
    struct policy_store policies;
    struct ca ca;
    struct supervisor *supervisor;
    struct rollout rollout;
    struct desk *desk;
    struct shutter *shutter;
    struct control *control;
    bool keeps; /* there is a place for repositories */
    bool was_ready;
    uint64_t begun_ns; /* of main, before the first step */
    uint64_t started_ms, ready_ms;
    int status;
};

static void audit_lifecycle(struct init *init, enum audit_verdict verdict, const char *detail)
{
    struct audit line = {.kind = AUDIT_LIFECYCLE, .verdict = verdict, .detail = str_of(detail)};
    audit_mux_emit(init->audit, &line);
}

/* ---- what the parts tell ---- */

static void on_change(void *ctx)
{
    struct init *init = ctx;
    struct err why;
    rollout_check(&init->rollout);
    shutter_check(init->shutter);
    desk_check(init->desk);
    if (init->control != NULL)
        control_check(init->control);
    if (!init->was_ready && supervisor_serving(init->supervisor, &why)) {
        init->was_ready = true;
        init->ready_ms = (uv_hrtime() - init->begun_ns) / 1000000;
        audit_lifecycle(init, AUDIT_ALLOW, "ready");
    }
}

static void on_counters(void *ctx, struct str json)
{
    struct init *init = ctx;
    if (packets_take(&init->packets, json) < 0) {
        audit_lifecycle(init, AUDIT_ALARM, "the meter's report is malformed");
        supervisor_stop(init->supervisor, 1);
    }
}

static int on_hold(void *ctx, struct worker_ref worker, uint32_t type, uint64_t number, struct str text)
{
    return desk_hold(((struct init *)ctx)->desk, worker, type, number, text);
}

static int on_canary(void *ctx, struct str event)
{
    return shutter_seen(((struct init *)ctx)->shutter, event);
}

static void on_reopened(void *ctx, const struct err *err)
{
    control_reopened(((struct init *)ctx)->control, err);
}

static void on_gone(void *ctx, struct worker_ref worker)
{
    desk_gone(((struct init *)ctx)->desk, worker);
}

static void on_approved(void *ctx, uint64_t id, const struct err *err)
{
    control_approved(((struct init *)ctx)->control, id, err);
}

static void on_stopped(void *ctx, int status)
{
    struct init *init = ctx;
    init->status = status;
    uv_stop(&init->loop);
}

static void on_audit_broken(void *ctx, const char *why)
{
    struct init *init = ctx;
    fprintf(stderr, "stopper-init: the audit stream on stdout: %s: the sidecar ends\n", why);
    if (init->supervisor == NULL)
        exit(1);
    supervisor_stop(init->supervisor, 1);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct init *init = signal->data;
    (void)number;
    audit_lifecycle(init, AUDIT_ALLOW, "stopping");
    supervisor_stop(init->supervisor, 0);
}

/* {"host-not-allowed": 3, …}: what there was. */
static json_t *describe_denials(const struct audit_mux *audit)
{
    const uint64_t *counts = audit_mux_denials(audit);
    json_t *object = json_object();
    for (int denial = DENIAL_NONE + 1; denial < DENIAL_COUNT; denial++)
        if (counts[denial] > 0)
            json_object_set_new(object, denial_name((enum denial)denial),
                                json_integer((json_int_t)counts[denial]));
    return object;
}

/* What the policy in force has of them, names and URLs as they were sent, and what became of the last requests for them. */
static json_t *describe_repositories(const struct init *init)
{
    const json_t *repos = json_object_get(json_object_get(init->policies.current.policy, "gate"), "repos");
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(repos); i++) {
        const json_t *repo = json_array_get(repos, i), *name = json_object_get(repo, "name");
        json_t *one = json_pack("{s:O, s:O}", "name", name, "url", json_object_get(repo, "url"));
        gate_seen_describe(audit_mux_seen(init->audit), json_string_value(name), one);
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *describe(void *ctx)
{
    struct init *init = ctx;
    char address[IP_TEXT];
    ip_format(&init->net.agent_address, address);
    return json_pack(
        "{s:I, s:s, s:I, s:o, s:{s:s, s:s}, s:s, s:o, s:I, s:I, s:b, s:o, s:i, s:o, s:o, s:o, s:o}",
        "generation", (json_int_t)init->policies.current.generation, "policy_digest",
        init->policies.current.digest, "uptime_s",
        (json_int_t)((uv_now(&init->loop) - init->started_ms) / 1000), "ready_ms",
        init->was_ready ? json_integer((json_int_t)init->ready_ms) : json_null(), "interfaces", "egress",
        init->net.egress.name, "agent", init->net.agent.name, "address", address, "counters",
        packets_describe(&init->packets), "ruleset_generation", (json_int_t)init->packets.generation,
        "ruleset_at_boot", (json_int_t)init->packets.expected_generation, "forwarding", net_forwards(),
        "denials", describe_denials(init->audit), "held", (int)desk_waiting(init->desk), "approvals",
        desk_approvals(init->desk), "budgets",
        init->policies.current.budgets != NULL ? json_incref(init->policies.current.budgets) : json_array(),
        "repositories", describe_repositories(init), "egress", shutter_describe(init->shutter));
}

/* ---- steps ---- */

static int step_process(struct init *init, struct err *err)
{
    struct rlimit files;
    ssize_t len = readlink("/proc/self/exe", init->executable, sizeof init->executable - 1);
    if (getpid() != 1)
        return err_set(
            err, "has to be PID 1 of a pid namespace of its own (it would rewrite this machine's network)");
    if (len < 0 || init->executable[0] != '/')
        return err_set_errno(err, "/proc/self/exe");
    umask(022);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* as far as it goes */
        files.rlim_cur = files.rlim_max < OPEN_FILES ? files.rlim_max : OPEN_FILES;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) < 0)
        return err_set_errno(err, "no core dumps");
    return 0;
}

static int step_interfaces(struct init *init, struct err *err)
{
    /* A wall between interfaces that cannot exist: nothing comes in, goes out or through. */
    static const struct nft_place nowhere = {
        .interfaces = {[NFT_LO] = "lo", [NFT_EGRESS] = "/egress", [NFT_AGENT] = "/agent"}};
    if (netlink_open(&init->netlink, err) < 0)
        return -1;
    int status = net_find(&init->netlink, &init->options, &init->net, err);
    if (status == NET_MISSING && init->options.wait_s > 0)
        status =
            nft_install(&nowhere, err) < 0 ? -1 : net_wait(&init->netlink, &init->options, &init->net, err);
    return status == 0 ? 0 : -1;
}

static int step_forwarding(struct init *init, struct err *err)
{
    return net_close_forwarding(&init->netlink, err);
}

static int step_wall(struct init *init, struct err *err)
{
    struct nft_place place = {.interfaces = {[NFT_LO] = "lo"},
                              .agent_prefix = init->net.agent_prefix,
                              .agent_address = init->net.agent_address,
                              .host_loopback = init->net.host.family == 4 && init->net.host.bytes[0] == 127};
    memcpy(place.interfaces[NFT_EGRESS], init->net.egress.name, IFNAMSIZ);
    memcpy(place.interfaces[NFT_AGENT], init->net.agent.name, IFNAMSIZ);
    return nft_install(&place, err) < 0 ? -1 : nft_generation(&init->ruleset_generation, err);
}

static int step_announce(struct init *init, struct err *err)
{
    return net_announce(&init->netlink, &init->net, err);
}

static int directory_make(const char *path, mode_t mode, struct err *err)
{
    struct stat found;
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return err_set_errno(err, "%s", path);
    if (lstat(path, &found) < 0 || !S_ISDIR(found.st_mode) || found.st_uid != 0)
        return err_set(err, "%s: is not a directory of root's", path);
    return chmod(path, mode) < 0 ? err_set_errno(err, "%s", path) : 0;
}

static int step_directories(struct init *init, struct err *err)
{
    if (mkdir("/run", 0755) < 0 && errno != EEXIST)
        return err_set_errno(err, "/run");
    if (directory_make(CONTROL_DIRECTORY, 0700, err) < 0 ||
        directory_make(WORKER_EMPTY_ROOT, 0555, err) < 0 || directory_make(GATE_DIRECTORY, 0700, err) < 0 ||
        directory_make(PUSH_DIRECTORY, 0700, err) < 0)
        return -1;
    if (privs_share(GATE_DIRECTORY, USER_GATE, 0750, err) < 0 ||
        privs_share(PUSH_DIRECTORY, USER_PUSH, 0770, err) < 0)
        return -1;
    /* It is not made here: a bottle without repositories has none, or the image's, in which nothing can be kept. */
    init->keeps = access(GATE_STORAGE, W_OK) == 0 || (errno != ENOENT && errno != EROFS);
    return init->keeps ? privs_share(GATE_STORAGE, USER_GATE, 0770, err) : 0;
}

static int step_loop(struct init *init, struct err *err)
{
    if (uv_loop_init(&init->loop) != 0 || uv_signal_init(&init->loop, &init->terminate) != 0 ||
        uv_signal_init(&init->loop, &init->interrupt) != 0)
        return err_set(err, "out of descriptors or memory");
    init->started_ms = uv_now(&init->loop);
    init->audit = audit_mux_new(&init->loop, STDOUT_FILENO, on_audit_broken, init);
    if (init->audit == NULL)
        return err_set(err, "out of memory");
    packets_init(&init->packets, init->audit, init->ruleset_generation);
    policy_store_init(&init->policies, &init->net, init->options.proxies);
    init->policies.keeps = init->keeps;
    struct supervisor_setup setup = {.loop = &init->loop,
                                     .audit = init->audit,
                                     .policies = &init->policies,
                                     .net = &init->net,
                                     .ca = &init->ca,
                                     .executable = init->executable,
                                     .proxies = init->options.proxies,
                                     .on_change = on_change,
                                     .on_counters = on_counters,
                                     .on_hold = on_hold,
                                     .on_canary = on_canary,
                                     .on_gone = on_gone,
                                     .on_stopped = on_stopped,
                                     .ctx = init};
    init->supervisor = supervisor_new(&setup);
    if (init->supervisor == NULL)
        return err_set(err, "out of memory");
    rollout_init(&init->rollout, &init->loop, &init->policies, init->supervisor, init->audit,
                 init->executable);
    struct desk_setup desk = {.loop = &init->loop,
                              .supervisor = init->supervisor,
                              .rollout = &init->rollout,
                              .policies = &init->policies,
                              .audit = init->audit,
                              .on_approved = on_approved,
                              .ctx = init};
    init->desk = desk_new(&desk);
    struct shutter_setup shutter = {.loop = &init->loop,
                                    .rollout = &init->rollout,
                                    .policies = &init->policies,
                                    .audit = init->audit,
                                    .on_reopened = on_reopened,
                                    .ctx = init};
    init->shutter = shutter_new(&shutter);
    if (init->desk == NULL || init->shutter == NULL)
        return err_set(err, "out of memory");
    init->terminate.data = init->interrupt.data = init;
    uv_signal_start(&init->terminate, on_signal, SIGTERM);
    uv_signal_start(&init->interrupt, on_signal, SIGINT);
    return 0;
}

static void on_boot_failed(void *ctx, const struct err *err)
{
    struct init *init = ctx;
    fprintf(stderr, "stopper-init: policy: %s: the sidecar ends\n", err->text);
    audit_lifecycle(init, AUDIT_ALARM, err->text);
    supervisor_stop(init->supervisor, 1);
}

/* Before the first worker, which then starts with it as one that starts again does. */
static int step_policy(struct init *init, struct err *err)
{
    if (init->options.policy[0] == '\0')
        return 0;
    if (mounted_load(&init->policies, init->options.policy, init->options.secrets, init->options.keys, err) <
        0)
        return -1;
    const struct policy_version *current = &init->policies.current;
    audit_mux_policy(init->audit, current->generation, current->digest);
    audit_mux_in_force(init->audit, current->generation);
    struct audit line = {.kind = AUDIT_CONTROL,
                         .verdict = AUDIT_ALLOW,
                         .rule = "mounted",
                         .detail = str_of(init->options.policy),
                         .generation = current->generation};
    audit_mux_emit(init->audit, &line);
    return rollout_boot(&init->rollout, on_boot_failed, init, err);
}

static int step_meter(struct init *init, struct err *err)
{
    return supervisor_start_meter(init->supervisor, err);
}

/* A change that was possible a moment ago: by the socket that made them, and by a new one. */
static int change_must_fail(struct netlink *nl, int index, struct err *err)
{
    struct err refusal;
    if (netlink_link_up(nl, index, &refusal) == 0)
        return err_set(err, "the network can still be changed");
    return errno == EPERM
               ? 0
               : err_set(err, "a change of the network was not refused but failed: %s", refusal.text);
}

static int step_privileges(struct init *init, struct err *err)
{
    struct netlink fresh;
    if (privs_bound(KEPT, err) < 0 || privs_keep(KEPT, err) < 0 || privs_seal(err) < 0)
        return -1;
    if (change_must_fail(&init->netlink, init->net.agent.index, err) < 0 || netlink_open(&fresh, err) < 0)
        return -1;
    int status = change_must_fail(&fresh, init->net.agent.index, err);
    netlink_close(&fresh);
    netlink_close(&init->netlink);
    return status;
}

/* After the change of credentials, which may clear it. Whoever starts us sets it too, before exec, and looks
 * whether its own parent is still there: PID 1 of a namespace cannot see that. */
static int step_parent(struct init *init, struct err *err)
{
    int armed = 0;
    if (!init->options.die_with_parent)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_GET_PDEATHSIG, &armed, 0, 0, 0) < 0 ||
        armed != SIGKILL)
        return err_set_errno(err, "--die-with-parent");
    return 0;
}

static int step_authority(struct init *init, struct err *err)
{
    return ca_make(&init->ca, err);
}

static int step_control(struct init *init, struct err *err)
{
    struct control_setup setup = {.loop = &init->loop,
                                  .supervisor = init->supervisor,
                                  .rollout = &init->rollout,
                                  .desk = init->desk,
                                  .shutter = init->shutter,
                                  .audit = init->audit,
                                  .ca = &init->ca,
                                  .describe = describe,
                                  .ctx = init};
    init->control = control_open(&setup, err);
    return init->control == NULL ? -1 : 0;
}

static int step_workers(struct init *init, struct err *err)
{
    (void)err;
    supervisor_start_workers(init->supervisor);
    return 0;
}

static const struct step {
    const char *name;
    int (*run)(struct init *init, struct err *err);
} boot[] = {
    {"process", step_process},
    {"interfaces", step_interfaces},
    {"forwarding", step_forwarding},
    {"wall", step_wall},
    {"announcement", step_announce},
    {"directories", step_directories},
    {"loop", step_loop},
    {"policy", step_policy},
    {"meter", step_meter},
    {"privileges", step_privileges},
    {"die-with-parent", step_parent},
    {"certificate authority", step_authority},
    {"control socket", step_control}, /* before the workers: whoever reads of one can ask about it */
    {"workers", step_workers},
};

static int init_main(int argc, char *const *argv)
{
    static struct init init;
    struct err err = {""};
    init.begun_ns = uv_hrtime();
    if (options_parse(argc, argv, &init.options, &err) < 0) {
        fprintf(stderr, "stopper-init: %s\n", err.text);
        return 2;
    }
    if (init.options.help || init.options.version) {
        if (init.options.help)
            options_help(stdout);
        else
            printf("stopper-init %s, control protocol %d\n", STOPPER_VERSION, CONTROL_PROTOCOL);
        return 0;
    }
    if (init.options.die_with_parent)
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* from now; step_parent verifies */
    for (size_t i = 0; i < sizeof boot / sizeof boot[0]; i++) {
        if (boot[i].run(&init, &err) < 0) {
            fprintf(stderr, "stopper-init: %s: %s\n", boot[i].name, err.text);
            return 1;
        }
    }
    uv_run(&init.loop, UV_RUN_DEFAULT);
    struct audit last = {.kind = AUDIT_LIFECYCLE,
                         .verdict = init.status == 0 ? AUDIT_ALLOW : AUDIT_ALARM,
                         .detail = str_of("stopped")};
    audit_mux_end(init.audit, &last, 1000);
    return init.status;
}

int main(int argc, char **argv)
{
    mallopt(M_PERTURB, 0xa5); /* freed memory is overwritten: requests hold secrets */
    secret_json();
    if (!secret_hide_stack()) {
        fprintf(stderr, "stopper-init: its stack cannot be left out of core dumps\n");
        return 1;
    }
    if (argc > 1 && strcmp(argv[1], "ctl") == 0)
        return ctl_main(argc - 1, argv + 1);
    if (argc == 2 && strcmp(argv[1], "meter") == 0)
        return meter_main();
    if (argc == 2 && strcmp(argv[1], "try") == 0)
        return try_main();
    return init_main(argc, argv);
}
