/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_filter: see the header. A table of denials, each with its reason; the errno is one that programs
 * expect and fall back from. Other architectures' calls (32-bit programs, x32) would not be seen through this
 * table, so they end the process. Argument masks are 32 bits wide where the kernel reads an int.
 */
#include "init/shim_filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct denial_rule {
    const char *call;
    int error;         /* errno that the agent sees */
    unsigned argument; /* compared only where `compare` is not 0 */
    enum scmp_compare compare;
    uint64_t a, b;  /* a: value, or of MASKED_EQ the mask and b the value */
    bool sandboxes; /* sandboxes need this call: left out where the agent may make user namespaces */
};

#define EQUAL(n, value)        .argument = (n), .compare = SCMP_CMP_EQ, .a = (value)
#define ABOVE(n, value)        .argument = (n), .compare = SCMP_CMP_GT, .a = (value)
#define MASKED(n, mask, value) .argument = (n), .compare = SCMP_CMP_MASKED_EQ, .a = (mask), .b = (value)
#define INT                    UINT64_C(0xffffffff)

static const struct denial_rule denials[] = {
    /* A user namespace gives all capabilities inside: the kernel code that they open up is where escapes come
     * from. clone3 hides its flags behind a pointer; without it the C library takes clone. */
    {.call = "unshare", .error = EPERM, MASKED(0, CLONE_NEWUSER, CLONE_NEWUSER), .sandboxes = true},
    {.call = "clone", .error = EPERM, MASKED(0, CLONE_NEWUSER, CLONE_NEWUSER), .sandboxes = true},
    {.call = "clone3", .error = ENOSYS, .sandboxes = true},
    {.call = "setns", .error = EPERM, .sandboxes = true},
    /* Sockets that no network namespace confines, AF_VSOCK above all: it speaks to the hypervisor, past every
     * wall here. Left are UNIX, INET, INET6, NETLINK and PACKET, which wants a capability. Bits above an int
     * only add to the value. */
    {.call = "socket", .error = EAFNOSUPPORT, ABOVE(0, AF_PACKET)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_AX25)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_IPX)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_APPLETALK)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_NETROM)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_BRIDGE)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_ATMPVC)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_X25)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_ROSE)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_DECnet)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_NETBEUI)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_SECURITY)},
    {.call = "socket", .error = EAFNOSUPPORT, EQUAL(0, AF_KEY)},
    /* Keyrings belong to a uid, not to a namespace: the host's user with the same number keeps secrets there.
     */
    {.call = "add_key", .error = EPERM},
    {.call = "request_key", .error = EPERM},
    {.call = "keyctl", .error = EPERM},
    /* The kernel's log is the host's. */
    {.call = "syslog", .error = EPERM},
    /* Characters pushed into a terminal's input, and the console's selection: a terminal may be someone
       else's. */
    {.call = "ioctl", .error = EPERM, MASKED(1, INT, TIOCSTI)},
    {.call = "ioctl", .error = EPERM, MASKED(1, INT, TIOCLINUX)},
    /* Large and young, or made for exploits' timing; ordinary programs fall back. io_uring makes calls past
       filters. */
    {.call = "bpf", .error = EPERM},
    {.call = "io_uring_setup", .error = ENOSYS},
    {.call = "io_uring_enter", .error = ENOSYS},
    {.call = "io_uring_register", .error = ENOSYS},
    {.call = "userfaultfd", .error = EPERM},
    {.call = "perf_event_open", .error = EPERM},
    /* Files by handle, whatever directory they are in. */
    {.call = "open_by_handle_at", .error = EPERM},
    /* Another kernel, or more of this one. Capabilities forbid these already; here they are forbidden twice.
     */
    {.call = "kexec_load", .error = EPERM},
    {.call = "kexec_file_load", .error = EPERM},
    {.call = "init_module", .error = EPERM},
    {.call = "finit_module", .error = EPERM},
    {.call = "delete_module", .error = EPERM},
};

static int filter_fill(scmp_filter_ctx filter, bool user_namespaces, struct err *err)
{
    for (size_t i = 0; i < sizeof denials / sizeof *denials; i++) {
        const struct denial_rule *denial = &denials[i];
        int number = seccomp_syscall_resolve_name(denial->call), result;

        if (number == __NR_SCMP_ERROR)
            return err_set(err, "filter: %s is unknown", denial->call);
        if (number < 0 || (denial->sandboxes && user_namespaces)) /* below 0: not on this architecture */
            continue;
        struct scmp_arg_cmp compare = {
            .arg = denial->argument, .op = denial->compare, .datum_a = denial->a, .datum_b = denial->b};

        result = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((unsigned)denial->error), number,
                                        denial->compare ? 1 : 0, &compare);
        if (result < 0) {
            errno = -result;
            return err_set_errno(err, "filter: %s", denial->call);
        }
    }
    if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) < 0)
        return err_set(err, "filter: it could not be made");
    return 0;
}

int shim_filter_load(bool user_namespaces, struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int result;

    if (!filter)
        return err_set(err, "filter: out of memory");
    result = filter_fill(filter, user_namespaces, err);
    if (result == 0 && (result = seccomp_load(filter)) < 0) {
        errno = -result;
        err_set_errno(err, "filter: load");
    }
    seccomp_release(filter);
    if (result < 0)
        return -1;
    /* One of the rules that are always there. */
    if (syscall(SYS_io_uring_setup, 0, NULL) == 0 || errno != ENOSYS)
        return err_set(err, "filter: it did not take effect");
    if (user_namespaces)
        return 0;
    /* With a flag that does not exist, and without arguments: the kernel itself would say EINVAL. */
    if (unshare(CLONE_NEWUSER | 0x1) == 0 || errno != EPERM || syscall(SYS_clone3, NULL, 0) == 0 ||
        errno != ENOSYS)
        return err_set(err, "filter: it did not take effect");
    return 0;
}
