# SPDX-License-Identifier: GPL-3.0-or-later
"""The "virtual machines" of the stand-in for Apple's `container`: namespaces with a root, links and a first process, and a process
beside them that outlives the command that started it."""
import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import termios

from apple_store import VERSION, Error, ip, listed, network_of, pairs, path, running, save

CAPS = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST "
        "NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE "
        "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM "
        "BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE").split()
TIOCSPTLCK, TIOCGPTN = 0x40045431, 0x80045430  # ioctl_tty(2)
NEWNS, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
RDONLY, NOSUID, NODEV, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
libc = ctypes.CDLL(None, use_errno=True)
libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]


def checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(source, target, kind=None, flags=0, data=None):
    checked(libc.mount(*(text.encode() if text is not None else None for text in (source, target, kind)), flags,
                       data.encode() if data is not None else None))


# ---- a process in a container ----


def ids(word, root):
    """The numbers of "name|uid[:gid]", from the container's files."""
    def find(file, name):
        with open(os.path.join(root, "etc", file), encoding="utf-8") as lines:
            for line in lines:
                parts = line.rstrip("\n").split(":")
                if name in (parts[0], parts[2]):
                    return parts
        return None
    user, _, group = word.partition(":")
    try:
        entry = find("passwd", user)
    except FileNotFoundError:
        entry = None
    uid = int(entry[2]) if entry else int(user)
    gid = int(group) if group.isdigit() else int(entry[3]) if entry else 0
    return uid, gid


def become(config, word):
    """Capabilities as the container has them, also for whoever comes later: those of root come from the bounding set."""
    for number, name in enumerate(CAPS):
        if name not in config["caps"]:
            libc.prctl(24, number, 0, 0, 0)
    uid, gid = ids(word, "/")
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def execute(config, argv, cwd):
    environment = pairs(config["environment"])
    environment.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if config["terminal"]:
        environment.setdefault("TERM", "xterm")
    try:
        os.chdir(cwd)
        for number in signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            signal.signal(number, signal.SIG_DFL)
        os.execvpe(argv[0], argv, environment)
    except OSError as problem:
        os.write(2, f"failed to start process: {argv[0]}: {problem.strerror}\n".encode())
    os._exit(127)


def terminal_take(link):
    """In the container: a terminal of its own; the other side's end goes through the link."""
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    number = struct.unpack("i", fcntl.ioctl(master, TIOCGPTN, struct.pack("i", 0)))[0]
    slave = os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_NOCTTY)
    socket.send_fds(link, [b"t"], [master])
    os.close(master)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(slave, number)


# ---- the machine ----


def mounts_make(config, root):
    target = lambda place: os.path.join(root, place.lstrip("/"))
    mount(None, "/", None, REC | PRIVATE)
    base = os.path.dirname(root)
    mount("overlay", root, "overlay", 0, f"lowerdir={config['root']},upperdir={base}/upper,workdir={base}/work")
    for folder in "proc", "sys", "dev", "etc", "tmp":
        os.makedirs(target(folder), exist_ok=True)
    mount("proc", target("proc"), "proc")
    if VERSION >= (1, 2):
        mount(target("proc/sys"), target("proc/sys"), None, BIND)
        mount(None, target("proc/sys"), None, BIND | REMOUNT | RDONLY)
    mount("sysfs", target("sys"), "sysfs", RDONLY)
    mount("tmpfs", target("dev"), "tmpfs", NOSUID, "mode=755")
    for name, minor, major in ("null", 3, 1), ("zero", 5, 1), ("full", 7, 1), ("random", 8, 1), ("urandom", 9, 1), ("tty", 0, 5):
        os.mknod(target(f"dev/{name}"), 0o20666, os.makedev(major, minor))
        os.chmod(target(f"dev/{name}"), 0o666)
    for name, to in ("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"):
        os.symlink(to, target(f"dev/{name}"))
    for name in "pts", "shm":
        os.mkdir(target(f"dev/{name}"))
    mount("devpts", target("dev/pts"), "devpts", NOSUID, "newinstance,ptmxmode=0666,mode=0620")
    mount("tmpfs", target("dev/shm"), "tmpfs", NOSUID | NODEV, "mode=1777")
    for place in config["tmpfs"]:
        os.makedirs(target(place), exist_ok=True)
        mount("tmpfs", target(place), "tmpfs")
    for source, place, closed in config["volumes"]:
        source = source if "/" in source else path("volumes", source)
        if os.path.isdir(source):
            os.makedirs(target(place), exist_ok=True)
        elif not os.path.exists(target(place)):
            os.makedirs(os.path.dirname(target(place)), exist_ok=True)
            os.close(os.open(target(place), os.O_CREAT))
        mount(source, target(place), None, BIND | REC)
        if closed:
            mount(None, target(place), None, BIND | REMOUNT | RDONLY)


def files_write(config, networks, root):
    """As the machine's own init does it, before the root is read-only."""
    servers = config["dns"] or [item["gateway"] for item in networks[:1]]
    texts = {"hosts": f"127.0.0.1 localhost\n{networks[0]['address'].split('/')[0] if networks else '127.0.0.1'} {config['id']}\n"}
    if not config["no_dns"]:
        texts["resolv.conf"] = "".join(f"nameserver {server}\n" for server in servers)
    for name, text in texts.items():
        place = os.path.join(root, "etc", name)
        if os.path.islink(place):
            os.unlink(place)
        with open(place, "w", encoding="ascii") as file:
            file.write(text)


def first_process(config, networks, link, root):
    """PID 1 of the namespaces, up to the container's own program."""
    try:
        mounts_make(config, root)
        files_write(config, networks, root)
        checked(libc.sethostname(config["id"].encode(), len(config["id"])))
        os.chdir(root)
        checked(libc.syscall(PIVOT_ROOT[os.uname().machine], b".", b"."))
        checked(libc.umount2(b".", 2))
        os.chdir("/")
        if config["read_only"]:
            mount(None, "/", None, BIND | REMOUNT | RDONLY)
        if config["terminal"]:
            terminal_take(link)
        become(config, config["user"])
        link.send(b"g")  # goes
        link.close()
    except (OSError, ValueError) as problem:
        link.send(f"e{problem}".encode())
        os._exit(127)
    execute(config, config["argv"], config["cwd"])


def addresses_choose(config):
    """From the top of what is free; a machine has none while it is stopped."""
    used = {item["address"] for name in listed("containers") for item in (running(name) or {"networks": []})["networks"]}
    found = []
    for item in config["networks"]:
        network = network_of(item["network"])
        address = next(text for text in (network["subnet"].replace(".0/", f".{number}/") for number in range(2, 250)) if text not in used)
        mac = "02:" + os.urandom(5).hex(":")
        found.append({"network": item["network"], "bridge": network["bridge"], "address": address, "gateway": network["subnet"].replace(".0/24", ".1"),
                      "mac": mac})
    return found


def network_wire(number, item, pid):
    """The machine's link, from the outside: one end in the bridge, the other in its namespace."""
    outer, inside = f"vm{pid}.{number}", ["nsenter", "-t", str(pid), "-n", "ip"]
    ip("link", "add", outer, "type", "veth", "peer", "name", f"eth{number}", "address", item["mac"], "netns", str(pid))
    ip("link", "set", outer, "master", item["bridge"], "up")
    for words in (["address", "add", item["address"], "dev", f"eth{number}"], ["link", "set", f"eth{number}", "up"],
                  *([["route", "add", "default", "via", item["gateway"]]] if number == 0 else [])):
        subprocess.run(inside + words, check=True)


class Machine:
    """The process beside a container: it outlives who started it, keeps the log, and knows the end."""

    def __init__(self, config, client):
        self.config, self.client, self.folder = config, client, path("containers", config["id"])
        self.pumps, self.master = {}, None  # {what is read: [where it goes]}

    def boot(self):
        """Makes the namespaces and the first process in them."""
        config = self.config
        networks = addresses_choose(config)
        link, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        outs = None if config["terminal"] else [os.pipe() for _ in range(3)]
        self.keeper = os.fork()
        if self.keeper == 0:
            try:
                checked(libc.unshare(NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET))
                far.send(b"n")
                far.recv(1)
                pid = os.fork()
            except OSError as problem:
                far.send(f"e{problem}".encode())
                os._exit(127)
            if pid == 0:
                if outs:
                    for number, ends in enumerate(outs):
                        os.dup2(ends[0 if number == 0 else 1], number)
                        os.close(ends[0])
                        os.close(ends[1])
                link.close()
                first_process(config, networks, far, os.path.join(self.folder, "rootfs"))
            far.send(b"p%d" % pid)
            far.close()
            for ends in outs or []:
                os.close(ends[0])
                os.close(ends[1])
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            status = os.waitpid(pid, 0)[1]
            os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
        far.close()
        pid = 0
        while True:
            data, descriptors, _, _ = socket.recv_fds(link, 4096, 1)
            kind, rest = data[:1], data[1:].decode()
            if kind == b"n":
                for number, item in enumerate(networks):
                    network_wire(number, item, self.keeper)
                subprocess.run(["nsenter", "-t", str(self.keeper), "-n", "ip", "link", "set", "lo", "up"], check=True)
                link.send(b"w")
            elif kind == b"p":
                pid = int(rest)
            elif kind == b"t":
                self.master = descriptors[0]
            elif kind == b"g":
                self.going = True
            else:
                raise Error("internalError", f"failed to bootstrap container: {rest or 'it ended'}")
            if pid and getattr(self, "going", False):
                break
        save({"vm": os.getpid(), "pid": pid, "networks": networks}, "containers", config["id"], "running.json")
        self.wire(outs)

    def wire(self, outs):
        log = os.open(os.path.join(self.folder, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        client = self.client
        if outs:
            os.close(outs[0][0])
            os.close(outs[1][1])
            os.close(outs[2][1])
            self.pumps = {outs[1][0]: [log, client["out"]], outs[2][0]: [log, client["err"]]}
            self.inward = outs[0][1]
        else:
            self.pumps = {self.master: [log, client["out"]]}
            self.inward = self.master
        if client["in"] is not None:
            self.pumps[client["in"]] = [self.inward]
        elif outs:
            os.close(self.inward)

    def pump(self, source):
        try:
            data = os.read(source, 65536)
        except OSError:
            data = b""
        if not data:
            targets = self.pumps.pop(source)
            if source == self.client["in"] and self.inward != self.master:
                os.close(self.inward)
            elif source != self.client["in"] and targets[1] is not None and source != self.master:
                os.close(targets[1])  # the client sees the end of this stream
            return
        for target in self.pumps[source]:
            try:
                if target is not None:
                    os.write(target, data)
            except OSError:
                pass  # the client or the container's end is gone

    def live(self):
        sizes = self.client["size"]
        done = os.pidfd_open(self.keeper)
        while True:
            ready, _, _ = select.select([*self.pumps, done, *([sizes] if sizes is not None else [])], [], [])
            for source in ready:
                if source == sizes:
                    data = os.read(sizes, 8)
                    if len(data) == 8 and self.master is not None:
                        fcntl.ioctl(self.master, termios.TIOCSWINSZ, data)
                    elif not data:
                        sizes = None
                elif source != done:
                    self.pump(source)
            if done in ready and not [source for source in ready if source in self.pumps and source != self.client["in"]]:
                break
        status = os.waitstatus_to_exitcode(os.waitpid(self.keeper, 0)[1])
        os.unlink(os.path.join(self.folder, "running.json"))
        return status


def machine_start(config, attach, interactive):
    """Forks the machine off. Returns (what the client reads and writes, the pipe of its words)."""
    words = os.pipe()
    ends = {"in": os.pipe() if attach and interactive else None, "out": os.pipe() if attach else None,
            "err": os.pipe() if attach else None, "size": os.pipe() if attach and config["terminal"] else None}
    mine = {key: ends[key] and ends[key][1 if key in ("in", "size") else 0] for key in ends}
    its = {key: ends[key] and ends[key][0 if key in ("in", "size") else 1] for key in ends}
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        for pair in ends.values():
            for end in pair or ():
                _ = end in its.values() or os.close(end)
        os.close(words[0])
        null = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            signal.signal(number, signal.SIG_IGN)
        try:
            machine = Machine(config, its)
            machine.boot()
            os.write(words[1], b"ok\n")
            os.write(words[1], f"{machine.live()}\n".encode())
        except BaseException as problem:  # whatever it is, the client has to hear of it
            os.write(words[1], f"{problem}\n".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(words[1])
    for end in its.values():
        _ = end is None or os.close(end)
    return mine, os.fdopen(words[0], encoding="utf-8")


def enter(pid):
    """All of the container's namespaces; what is forked from here on is in its pid namespace."""
    flags = {"ipc": NEWIPC, "uts": NEWUTS, "net": NEWNET, "pid": NEWPID, "mnt": NEWNS}
    descriptors = [(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC), flag) for kind, flag in flags.items()]
    for descriptor, flag in descriptors:
        checked(libc.setns(descriptor, flag))
        os.close(descriptor)
