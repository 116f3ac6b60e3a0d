# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agent might try against its own walls. Run as a program: prints one JSON object, probe -> "gained" or the name of
the errno. The same file runs inside the bottle and, as the control, in the same namespaces without the shim."""
import ctypes
import errno
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import termios

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
MACHINES = {"x86_64": {"clone": 56, "capset": 126, "add_key": 248, "io_uring_setup": 425, "clone3": 435, "bpf": 321,
                       "userfaultfd": 323, "syslog": 103, "pidfd_open": 434, "pidfd_getfd": 438},
            "aarch64": {"clone": 220, "capset": 91, "add_key": 217, "io_uring_setup": 425, "clone3": 435, "bpf": 280,
                        "userfaultfd": 282, "syslog": 116, "pidfd_open": 434, "pidfd_getfd": 438}}
NUMBERS = MACHINES[os.uname().machine]


def call(result):
    """A libc call's result, or its errno as an exception."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def system_call(name, *arguments):
    return call(libc.syscall(NUMBERS[name], *arguments))


def in_child(function):
    """Runs it in a child, for what would change this process; hands the errno on."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            function()
            os._exit(0)
        except OSError as error:
            os.write(writer, str(error.errno).encode())
            os._exit(1)
    os.close(writer)
    text = os.read(reader, 16)
    os.close(reader)
    os.waitpid(pid, 0)
    if text:
        raise OSError(int(text), "")


def netlink(protocol, messages):
    """Sends raw messages and raises the first error that the kernel acknowledges."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as sock:
        sock.settimeout(2)
        sock.send(b"".join(messages))
        answer = sock.recv(65536)
    _, kind, _, _, _ = struct.unpack_from("=IHHII", answer)
    assert kind == 2, kind  # NLMSG_ERROR, also the form of an acknowledgement
    number = -struct.unpack_from("=i", answer, 16)[0]
    if number:
        raise OSError(number, "")


def message(kind, flags, payload):
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, 1, 0) + payload


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


REQUEST_ACK, CREATE, REPLACE = 5, 0x400, 0x100
LOOPBACK = socket.if_nametoindex("lo")
AGENT = socket.if_nametoindex("agent0")


def route_change():  # RTM_NEWROUTE 198.51.100.0/24 dev lo
    head = struct.pack("=BBBBBBBBI", socket.AF_INET, 24, 0, 0, 254, 4, 253, 1, 0)
    netlink(0, [message(24, REQUEST_ACK | CREATE, head + attribute(1, socket.inet_aton("198.51.100.0")) +
                        attribute(4, struct.pack("=I", LOOPBACK)))])


def address_change():  # RTM_NEWADDR 10.9.9.9/32 dev agent0
    head = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, AGENT)
    netlink(0, [message(20, REQUEST_ACK | CREATE, head + attribute(2, socket.inet_aton("10.9.9.9")))])


def link_change():  # RTM_NEWLINK: another MTU
    head = struct.pack("=BBHiII", 0, 0, 0, AGENT, 0, 0)
    netlink(0, [message(16, REQUEST_ACK, head + attribute(4, struct.pack("=I", 1400)))])


def neighbour_change():  # RTM_NEWNEIGH: another next hop behind the sidecar's address
    head = struct.pack("=BBHiHBB", socket.AF_INET, 0, 0, AGENT, 0x80, 0, 0)
    netlink(0, [message(28, REQUEST_ACK | CREATE | REPLACE, head + attribute(1, socket.inet_aton("10.7.7.1")) +
                        attribute(2, b"\x02\0\0\0\0\x09"))])


def nft_change():  # NFT_MSG_NEWTABLE in a batch
    generic = struct.pack("=BBH", socket.AF_INET, 0, socket.htons(0))
    batch = struct.pack("=BBH", 0, 0, socket.htons(10))
    netlink(12, [message(16, 1, batch), message(10 << 8, REQUEST_ACK | CREATE, generic + attribute(1, b"probe\0")),
                 message(17, 1, batch)])


def setns_own():
    with open("/proc/self/ns/net", "rb") as file:
        call(libc.setns(file.fileno(), CLONE_NEWNET))


def user_namespace_clone():
    pid = system_call("clone", CLONE_NEWUSER | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def clone3():
    arguments = struct.pack("=11Q", 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
    pid = system_call("clone3", arguments, len(arguments))
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def ptrace_pid1():
    call(libc.ptrace(16, 1, 0, 0))  # PTRACE_ATTACH
    os.waitpid(1, 0x40000000)
    call(libc.ptrace(17, 1, 0, 0))


def pid1_descriptor():
    pidfd = system_call("pidfd_open", 1, 0)
    os.close(system_call("pidfd_getfd", pidfd, 0, 0))


def capability_regain():
    system_call("capset", struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", 1 << 12, 1 << 12, 0, 0, 0, 0))


def push_input():
    master, slave = os.openpty()

    def inject():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        fcntl.ioctl(slave, 0x5412, b"x")  # TIOCSTI
    try:
        in_child(inject)
    finally:
        os.close(master)
        os.close(slave)


def as_user(*command):
    """A program run by the agent's user; its status is an errno, 0 = gained. The control (root) becomes that user first."""
    identity = {} if os.getuid() else {"user": 1000, "group": 1000, "extra_groups": []}
    status = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                            **identity).returncode
    if status:
        raise OSError(status, "")


PACKET_SOCKET = "import socket, sys\ntry: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\nexcept OSError as e: sys.exit(e.errno)"
SECRET = "import sys\ntry: open('/run/root-only').read()\nexcept OSError as e: sys.exit(e.errno)"


def inet6_neighbour():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.connect(("fe80::1", 9, 0, AGENT))


PROBES = {
    "AF_PACKET": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "SOCK_RAW": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
    "AF_VSOCK": lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close(),
    "route": route_change,
    "address": address_change,
    "link": link_change,
    "neighbour": neighbour_change,
    "nft": nft_change,
    "SO_MARK": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).setsockopt(socket.SOL_SOCKET, 36, 1),
    "setuid program": lambda: as_user("/run/bin/suid-python", "-c", SECRET),
    "file capabilities": lambda: as_user("/run/bin/caps-python", "-c", PACKET_SOCKET),
    "setresuid": lambda: in_child(lambda: call(libc.setresuid(0, 0, 0))),
    "setgroups": lambda: in_child(lambda: os.setgroups([0])),
    "capset": lambda: in_child(capability_regain),
    "chroot": lambda: in_child(lambda: os.chroot("/")),
    "mount": lambda: in_child(lambda: call(libc.mount(b"none", b"/mnt", b"tmpfs", 0, None))),
    "sethostname": lambda: socket.sethostname("probe"),
    "unshare user": lambda: in_child(lambda: call(libc.unshare(CLONE_NEWUSER))),
    "unshare user and net": lambda: in_child(lambda: call(libc.unshare(CLONE_NEWUSER | CLONE_NEWNET))),
    "unshare net": lambda: in_child(lambda: call(libc.unshare(CLONE_NEWNET))),
    "clone user": user_namespace_clone,
    "clone3": clone3,
    "setns": lambda: in_child(setns_own),
    "ptrace PID 1": ptrace_pid1,
    "/proc/1/mem": lambda: open("/proc/1/mem", "rb").close(),
    "/proc/1/environ": lambda: open("/proc/1/environ", "rb").close(),
    "/proc/1/fd": lambda: os.listdir("/proc/1/fd"),
    "pidfd_getfd of PID 1": pid1_descriptor,
    "add_key": lambda: in_child(lambda: system_call("add_key", b"user", b"probe", b"x", 1, -2)),
    "io_uring": lambda: os.close(system_call("io_uring_setup", 1, ctypes.create_string_buffer(200))),
    "userfaultfd": lambda: os.close(system_call("userfaultfd", 0)),
    "syslog": lambda: system_call("syslog", 10, 0, 0),
    "TIOCSTI": push_input,
    "resolv.conf": lambda: open("/etc/resolv.conf", "a").close(),
    "saved configuration": lambda: open("/run/stopper/agent.json").close(),
    "fe80:: neighbour": inet6_neighbour,
}


def main():
    results = {}
    for name in sys.argv[1:] or PROBES:
        try:
            PROBES[name]()
            results[name] = "gained"
        except OSError as error:
            results[name] = errno.errorcode.get(error.errno, str(error.errno))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
