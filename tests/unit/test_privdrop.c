/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/privdrop in network namespaces of its own: the drop succeeds and leaves nothing, and each of its
 * probes says so when there was no drop. Needs root. */
#include "init/privdrop.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/shim_net.h"
#include "sys/netlink.h"
#include "sys/privs.h"
#include "tests/unit/suite.h"

static struct shim_config config = {
    .interface = "agent0",
    .gateway = {.family = 4, .bytes = {10, 7, 7, 1}},
    .uid = 1000,
    .gid = 1000,
    .groups = {7, 8},
    .group_count = 2,
};

/* A namespace with the agent's interface and address. */
static void namespace_enter(void)
{
    struct netlink_address address = {.ip = {.family = 4, .bytes = {10, 7, 7, 2}}, .length = 30};
    struct netlink_link link;
    struct netlink nl;
    struct err err;

    if (unshare(CLONE_NEWNET) != 0 || netlink_open(&nl, &err) != 0 ||
        netlink_veth(&nl, "agent0", "side0", -1, &err) != 0 ||
        netlink_link_find(&nl, "agent0", &link, &err) != 0)
        _exit(100);
    address.index = link.index;
    if (netlink_address_add(&nl, &address, &err) != 0 || netlink_link_up(&nl, link.index, &err) != 0)
        _exit(101);
    netlink_close(&nl);
}

/* Runs it in a child, in such a namespace; its result is the exit status, its words come back. */
static int in_child(int (*run)(struct err *), struct err *err)
{
    int report[2], status;
    pid_t pid;

    *err = (struct err){""};
    ck_assert_int_eq(pipe(report), 0);
    pid = fork();
    if (pid == 0) {
        namespace_enter();
        status = run(err);
        if (write(report[1], err, sizeof *err) != sizeof *err)
            _exit(102);
        _exit(status == 0 ? 0 : 1);
    }
    close(report[1]);
    if (read(report[0], err, sizeof *err) != sizeof *err)
        err->text[0] = '\0';
    close(report[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "status 0x%x", status);
    return WEXITSTATUS(status);
}

static int dropped(struct err *err)
{
    gid_t groups[4];

    if (privdrop(&config, err) != 0)
        return -1;
    if (getuid() != 1000 || getgid() != 1000 || getgroups(4, groups) != 2)
        return err_set(err, "another user");
    if (socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != EPERM || unshare(CLONE_NEWUSER) == 0 ||
        errno != EPERM || socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT)
        return err_set(err, "something was gained");
    return 0;
}

START_TEST(the_drop_leaves_nothing)
{
    struct err err;

    ck_assert_msg(in_child(dropped, &err) == 0, "%s", err.text);
}
END_TEST

static int route_probe(struct err *err)
{
    return shim_net_probe(&config, err);
}

START_TEST(without_a_drop_the_route_probe_says_so)
{
    struct err err;

    ck_assert_int_eq(in_child(route_probe, &err), 1);
    ck_assert_str_eq(err.text, "after the drop the route could still be changed");
}
END_TEST

/* Another user, but NET_ADMIN left by mistake. */
static int capability_kept(struct err *err)
{
    if (privs_lock(err) != 0 || privs_become(1000, 1000, NULL, 0, err) != 0 ||
        privs_keep(PRIVS_BIT(CAP_NET_ADMIN), err) != 0)
        return 0;
    return shim_net_probe(&config, err);
}

START_TEST(a_capability_that_stays_is_found_by_the_route_probe)
{
    struct err err;

    ck_assert_int_eq(in_child(capability_kept, &err), 1);
    ck_assert_str_eq(err.text, "after the drop the route could still be changed");
}
END_TEST

static int user_probe(struct err *err)
{
    return privs_probe(1000, err);
}

START_TEST(without_a_drop_the_user_probe_says_so)
{
    struct err err;

    ck_assert_int_eq(in_child(user_probe, &err), 1);
    ck_assert_str_eq(err.text, "the process could become root again");
}
END_TEST

static int group_probe(struct err *err)
{
    if (privs_lock(err) != 0 || privs_become(1000, 1000, NULL, 0, err) != 0 ||
        privs_keep(PRIVS_BIT(CAP_SETGID), err) != 0)
        return 0;
    return privs_probe(1000, err);
}

START_TEST(a_user_that_may_change_groups_is_found)
{
    struct err err;

    ck_assert_int_eq(in_child(group_probe, &err), 1);
    ck_assert_str_eq(err.text, "the process could change its groups");
}
END_TEST

static int root_probe(struct err *err)
{
    if (privs_lock(err) != 0 || privs_become(1000, 1000, NULL, 0, err) != 0 ||
        privs_keep(PRIVS_BIT(CAP_SYS_CHROOT), err) != 0)
        return 0;
    return privs_probe(1000, err);
}

START_TEST(a_user_that_may_change_its_root_is_found)
{
    struct err err;

    ck_assert_int_eq(in_child(root_probe, &err), 1);
    ck_assert_str_eq(err.text, "the process could change its root directory");
}
END_TEST

static int routes_of_another_process(struct err *err)
{
    return shim_net_setup(&config, err);
}

START_TEST(no_process_but_pid_1_sets_routes)
{
    struct err err;

    ck_assert_int_eq(in_child(routes_of_another_process, &err), 1);
    ck_assert_str_eq(err.text, "routes are only set by PID 1 of a namespace");
}
END_TEST

static int addresses_closed_by_another_process(struct err *err)
{
    return shim_net_unreachable(&config.gateway, 1, err);
}

START_TEST(no_process_but_pid_1_closes_addresses)
{
    struct err err;

    ck_assert_int_eq(in_child(addresses_closed_by_another_process, &err), 1);
    ck_assert_str_eq(err.text, "routes are only set by PID 1 of a namespace");
}
END_TEST

static int sealed_root(struct err *err)
{
    return privdrop_sealed(&config, err);
}

static int sealed_without_no_new_privileges(struct err *err)
{
    return privs_become(1000, 1000, NULL, 0, err) != 0 ? -1 : privdrop_sealed(&config, err);
}

static int sealed_with_a_capability_in_reach(struct err *err)
{
    if (privs_become(1000, 1000, NULL, 0, err) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return privdrop_sealed(&config, err);
}

START_TEST(a_container_that_is_not_sealed_is_found)
{
    struct err err;

    ck_assert_int_eq(in_child(sealed_root, &err), 1);
    ck_assert_str_eq(err.text, "sealed: the process is root");
    ck_assert_int_eq(in_child(sealed_without_no_new_privileges, &err), 1);
    ck_assert_str_eq(err.text, "sealed: the container was made without no-new-privileges");
    ck_assert_int_eq(in_child(sealed_with_a_capability_in_reach, &err), 1);
    ck_assert_str_eq(err.text, "sealed: bounding set: capability 0: Operation not permitted");
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("kernel");

    tcase_add_test(tcase, the_drop_leaves_nothing);
    tcase_add_test(tcase, without_a_drop_the_route_probe_says_so);
    tcase_add_test(tcase, a_capability_that_stays_is_found_by_the_route_probe);
    tcase_add_test(tcase, without_a_drop_the_user_probe_says_so);
    tcase_add_test(tcase, a_user_that_may_change_groups_is_found);
    tcase_add_test(tcase, a_user_that_may_change_its_root_is_found);
    tcase_add_test(tcase, no_process_but_pid_1_sets_routes);
    tcase_add_test(tcase, no_process_but_pid_1_closes_addresses);
    tcase_add_test(tcase, a_container_that_is_not_sealed_is_found);
    return suite_run_case("privdrop", tcase);
}
