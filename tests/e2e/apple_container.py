# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Apple's `container`, for tests: its arguments are checked against the command reference, its answers have the
shapes of 1.0 and later or of those before, and its "virtual machines" are namespaces in the network namespace that it runs in.

CONTAINER_ROOT is the folder with all of its state (images, containers, networks); "service" in it says that the service runs.
CONTAINER_VERSION is whose words it speaks."""
import ctypes
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import tty

import apple_reference

ROOT = os.environ.get("CONTAINER_ROOT", "/nonexistent")
VERSION = tuple(int(part) for part in os.environ.get("CONTAINER_VERSION", "1.2.2").split("."))
NEW = VERSION >= (1, 0)
DEFAULT_CAPS = ("AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID "
                "SYS_CHROOT").split()
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


class Error(Exception):
    """A ContainerizationError: its code and message."""

    def __init__(self, code, text):
        super().__init__(f'{code}: "{text}"')


def checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(source, target, kind=None, flags=0, data=None):
    checked(libc.mount(*(text.encode() if text is not None else None for text in (source, target, kind)), flags,
                       data.encode() if data is not None else None))


def path(*parts):
    return os.path.join(ROOT, *parts)


def load(*parts):
    try:
        with open(path(*parts), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def save(value, *parts):
    os.makedirs(os.path.dirname(path(*parts)), exist_ok=True)
    with open(path(*parts) + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(path(*parts) + ".new", path(*parts))


def listed(kind):
    os.makedirs(path(kind), exist_ok=True)
    return sorted(name for name in os.listdir(path(kind)) if not name.endswith(".new"))


def locked():
    """The service does one thing after the other."""
    lock = os.open(path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def unlock(lock):
    fcntl.flock(lock, fcntl.LOCK_UN)  # also where a child has the descriptor too
    os.close(lock)


def pretty(value):
    print(json.dumps(value, indent=2, sort_keys=True))


def pairs(words):
    return dict(word.partition("=")[::2] for word in words)


# ---- images ----


def reference_of(annotations):
    for key in "com.apple.containerization.image.name", "io.containerd.image.name", "org.opencontainers.image.ref.name":
        if key in annotations:
            return annotations[key]
    raise Error("invalidArgument", "the archive names no image")


def image_load(options, _arguments, _rest):
    import gzip  # as below: most commands are to be quick
    import tarfile
    if "input" not in options:
        apple_reference.refuse("Missing expected argument '--input <input>'", ("image", "load"))
    with tarfile.open(options["input"][0]) as tar:
        read = lambda name: tar.extractfile(name).read()
        blob = lambda descriptor: read("blobs/sha256/" + descriptor["digest"].partition(":")[2])
        for descriptor in json.loads(read("index.json"))["manifests"]:
            manifest = json.loads(blob(descriptor))
            name = descriptor["digest"].partition(":")[2]
            root = path("roots", name)
            if not os.path.isdir(root):
                os.makedirs(root)
                for layer in manifest["layers"]:
                    data = blob(layer)
                    data = gzip.decompress(data) if layer["mediaType"].endswith("gzip") else data
                    subprocess.run(["tar", "-C", root, "-xpf", "-"], input=data, check=True)
            reference = reference_of(descriptor.get("annotations", {}))
            save({"reference": reference, "descriptor": {key: descriptor[key] for key in ("digest", "mediaType", "size")},
                  "config": json.loads(blob(manifest["config"])), "root": root}, "images", reference.replace("/", "%"))
            print(reference)


def image_of(reference):
    image = load("images", reference.replace("/", "%"))
    if image is None:
        raise Error("notFound", f"image not found: {reference}")
    return image


def image_inspect(_options, arguments, _rest):
    found = []
    for name in dict.fromkeys(arguments):
        image = image_of(name)
        platform = {"architecture": image["config"]["architecture"], "os": image["config"]["os"]}
        variant = {"platform": platform, "size": 1, "config": image["config"]}
        attestation = {"platform": {"architecture": "unknown", "os": "unknown"}, "size": 1, "config": {}}
        if NEW:
            found.append({"id": image["descriptor"]["digest"].partition(":")[2], "configuration": {
                "name": name, "creationDate": "2026-01-01T00:00:00Z", "descriptor": image["descriptor"]},
                "variants": [{**attestation, "digest": "sha256:0"}, {**variant, "digest": image["descriptor"]["digest"]}]})
        else:
            found.append({"name": name, "index": image["descriptor"], "variants": [attestation, variant]})
    pretty(found)


def image_pull(_options, arguments, _rest):
    raise Error("internalError", f"failed to resolve {arguments[0]}: no registry answers")


def image_list(options, _arguments, _rest):
    names = [name.replace("%", "/") for name in listed("images")]
    print("\n".join(names) if "quiet" in options else json.dumps(names))


# ---- networks ----


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


def network_create(options, arguments, _rest):
    name, lock = arguments[0], locked()
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?", name):
        raise Error("invalidArgument", f"invalid network name: {name}")
    labels = pairs(options.get("label", []))
    for key in labels:
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", key):
            raise Error("invalidArgument", f"invalid_label_key_content: {key}")
    if load("networks", name):
        raise Error("exists", f"network {name} already exists")
    used = {load("networks", other)["number"] for other in listed("networks")}
    number = next(number for number in range(64, 250) if number not in used)
    mode, bridge, subnet = "hostOnly" if "internal" in options else "nat", f"vmnet{number}", f"192.168.{number}.0/24"
    ip("link", "add", bridge, "type", "bridge")
    ip("address", "add", f"192.168.{number}.1/24", "dev", bridge)  # the Mac itself
    ip("link", "set", bridge, "up")
    rules = [f'iifname "{bridge}" oifname "{bridge}" accept']  # where bridged frames pass here
    rules += [f'iifname "{bridge}" oifname "vmnet*" drop'] if mode == "nat" else [f'iifname "{bridge}" drop', f'oifname "{bridge}" drop']
    masquerade = [f'ip saddr {subnet} oifname != "{bridge}" masquerade'] if mode == "nat" else []
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as forward:
        forward.write("1")
    lines = [f"table ip {bridge} {{", "chain forward {", "type filter hook forward priority 0;", *rules, "}", "chain post {",
             "type nat hook postrouting priority srcnat;", *masquerade, "}", "}", ""]
    subprocess.run(["nft", "-f", "-"], text=True, check=True, input="\n".join(lines))
    save({"name": name, "mode": mode, "labels": labels, "number": number, "bridge": bridge, "subnet": subnet}, "networks", name)
    unlock(lock)
    print(name)


def network_of(name):
    network = load("networks", name)
    if network is None:
        raise Error("notFound", f"network {name} not found")
    return network


def network_delete(_options, arguments, _rest):
    lock = locked()
    for name in arguments:
        network = network_of(name)
        users = [each for each in listed("containers") if any(item["network"] == name for item in container_of(each)["networks"])]
        if users:
            raise Error("invalidState", f"cannot delete subnet {name} with referring containers: {', '.join(users)}")
        ip("link", "delete", network["bridge"])
        subprocess.run(["nft", "delete", "table", "ip", network["bridge"]], check=True)
        os.unlink(path("networks", name))
        print(name)
    unlock(lock)


def network_shape(name):
    network = network_of(name)
    gateway = network["subnet"].replace(".0/24", ".1")
    if NEW:
        return {"id": name, "configuration": {"name": name, "mode": network["mode"], "creationDate": "2026-01-01T00:00:00Z",
                                              "labels": network["labels"], "plugin": "container-network-vmnet", "options": {}},
                "status": {"ipv4Subnet": network["subnet"], "ipv4Gateway": gateway}}
    return {"id": name, "state": "running", "config": {"id": name, "mode": network["mode"], "labels": network["labels"]},
            "status": {"address": network["subnet"], "gateway": gateway}}


def network_list(options, _arguments, _rest):
    names = listed("networks")
    if "quiet" in options:
        print("".join(name + "\n" for name in names), end="")
    else:
        print(json.dumps([network_shape(name) for name in names]))


def network_inspect(_options, arguments, _rest):
    pretty([network_shape(name) for name in arguments])


# ---- volumes: made by being named ----


def volume_list(options, _arguments, _rest):
    print("".join(name + "\n" for name in listed("volumes")) if "quiet" in options else json.dumps(listed("volumes")), end="")


def volume_delete(_options, arguments, _rest):
    for name in arguments:
        if name not in listed("volumes"):
            raise Error("notFound", f"volume '{name}' not found")
        if any(source == name for each in listed("containers") for source, _, _ in container_of(each)["volumes"]):
            raise Error("invalidState", f"volume '{name}' is currently in use and cannot be accessed by another container, or deleted.")
        shutil.rmtree(path("volumes", name))
        print(name)


# ---- containers: what they are ----


def container_of(name):
    config = load("containers", name, "config.json")
    if config is None:
        raise Error("notFound", f"container not found: {name}")
    return config


def running(name):
    """What its machine says while it is there."""
    state = load("containers", name, "running.json")
    return state if state and os.path.exists(f"/proc/{state['vm']}") else None


def capability(word):
    name = word.upper().removeprefix("CAP_")
    if name != "ALL" and name not in CAPS:
        raise Error("invalidArgument", f"invalid capability: {word}")
    return name


def capabilities(options):
    """Adds are processed after drops."""
    drops, adds = ([capability(word) for word in options.get(key, [])] for key in ("cap-drop", "cap-add"))
    kept = set() if "ALL" in drops else set(DEFAULT_CAPS) - set(drops)
    return sorted((set(CAPS) - set(drops) if "ALL" in adds else kept | set(adds)) if adds else kept)


def volumes_of(options):
    found = []
    for word in options.get("volume", []):
        parts = word.lstrip(":").split(":")
        if len(parts) not in (2, 3):
            raise Error("invalidArgument", f"invalid volume format {word}")
        if "/" in parts[0]:
            if not os.path.exists(parts[0]):
                raise Error("invalidArgument", f"path '{parts[0]}' does not exist")
        elif not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", parts[0]):
            raise Error("invalidArgument", f"invalid volume name '{parts[0]}'")
        else:
            os.makedirs(path("volumes", parts[0]), exist_ok=True)
        found.append((parts[0], parts[1], len(parts) == 3 and "ro" in parts[2].split(",")))
    return found


def integer(options, key, command):
    value = options.get(key, ["1"])[-1]
    if not value.isdigit():
        apple_reference.refuse(f"The value '{value}' is invalid for '--{key} <{key}>'", command)
    return int(value)


def memory(options):
    value = options.get("memory", ["1g"])[-1]
    match = re.fullmatch(r"(\d+)([kmgtp]?)b?", value.lower())
    if not match:
        raise Error("invalidArgument", f"invalid memory: {value}")
    return int(match[1]) << 10 * " kmgtp".index(match[2] or " ")


def create(options, arguments, rest):
    lock, command = locked(), ("create",)
    name = options.get("name", [os.urandom(16).hex()])[-1]
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", name) or len(name) > 63:
        raise Error("invalidArgument", f"container ID {name} is not a valid container ID")
    if load("containers", name, "config.json"):
        raise Error("exists", f"container with id {name} already exists")
    image = image_of(arguments[0])
    words = image["config"].get("config", {})
    entry = [options["entrypoint"][-1]] if options.get("entrypoint", [""])[-1] else words.get("Entrypoint") or []
    argv = entry + (rest or ([] if "entrypoint" in options else words.get("Cmd") or []))
    if not argv:
        raise Error("invalidArgument", "command/entrypoint not specified for container process")
    networks = [word.partition(",")[0] for word in options.get("network", [])]
    if "none" in networks and len(networks) > 1:
        raise Error("unsupported", "no other networks may be created along with network none")
    for network in networks:
        _ = network == "none" or network_of(network)
    save({"id": name, "image": arguments[0], "descriptor": image["descriptor"], "root": image["root"], "labels": pairs(options.get("label", [])),
          "argv": argv, "environment": (words.get("Env") or []) + options.get("env", []),
          "cwd": (options.get("workdir") or options.get("cwd") or [words.get("WorkingDir") or "/"])[-1],
          "user": (options.get("user") or [words.get("User") or "0:0"])[-1] or "0:0",
          "networks": [{"network": network} for network in networks if network != "none"], "volumes": volumes_of(options),
          "tmpfs": options.get("tmpfs", []), "dns": options.get("dns", []), "no_dns": "no-dns" in options,
          "read_only": "read-only" in options, "terminal": "tty" in options, "caps": capabilities(options),
          "cpus": integer(options, "cpus", command), "memory": memory(options)}, "containers", name, "config.json")
    for folder in "upper", "work", "rootfs":
        os.makedirs(path("containers", name, folder))
    unlock(lock)
    return name


def container_shape(name):
    config, state = container_of(name), running(name)
    user, _, group = config["user"].partition(":")
    numbers = user.isdigit() and (group or "0").isdigit()
    networks = [{"network": item["network"], "hostname": name, "macAddress": item["mac"],
                 **({"ipv4Address": item["address"], "ipv4Gateway": item["gateway"], "mtu": 1280} if NEW else
                    {"address": item["address"], "gateway": item["gateway"]})} for item in (state or {"networks": []})["networks"]]
    configuration = {
        "id": name, "image": {"reference": config["image"], "descriptor": config["descriptor"]}, "labels": config["labels"],
        "networks": [{"network": item["network"], "options": {"hostname": name}} for item in config["networks"]],
        "mounts": [{"type": {"virtiofs": {}}, "source": source, "destination": target, "options": ["ro"] if closed else []}
                   for source, target, closed in config["volumes"]],
        "initProcess": {"executable": config["argv"][0], "arguments": config["argv"][1:], "environment": config["environment"],
                        "workingDirectory": config["cwd"], "terminal": config["terminal"],
                        "user": {"id": {"uid": int(user), "gid": int(group or 0)}} if numbers else {"raw": {"userString": config["user"]}}},
        "resources": {"cpus": config["cpus"], "memoryInBytes": config["memory"]}, "readOnly": config["read_only"],
        "runtimeHandler": "container-runtime-linux", "platform": {"os": "linux", "architecture": "arm64"}}
    now = "running" if state else "stopped"
    if NEW:
        return {"id": name, "configuration": configuration, "status": {"state": now, "networks": networks}}
    return {"status": now, "configuration": configuration, "networks": networks}


def inspect(_options, arguments, _rest):
    missing = [name for name in arguments if load("containers", name, "config.json") is None]
    if missing and NEW:
        raise Error("notFound", f"container not found: {', '.join(missing)}")
    pretty([container_shape(name) for name in dict.fromkeys(arguments) if name not in missing])


def list_(options, _arguments, _rest):
    names = [name for name in listed("containers") if "all" in options or running(name)]
    if "quiet" in options:
        print("".join(name + "\n" for name in names), end="")
    else:
        print(json.dumps([container_shape(name) for name in names]))


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


# ---- clients ----


class Raw:
    """The user's terminal, passed through; as long as it is one."""

    def __init__(self, wanted):
        self.old = termios.tcgetattr(0) if wanted and os.isatty(0) else None

    def __enter__(self):
        if self.old:
            tty.setraw(0, termios.TCSANOW)  # what was typed before stays

    def __exit__(self, *_):
        if self.old:
            termios.tcsetattr(0, termios.TCSADRAIN, self.old)


def size():
    try:
        return fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
    except OSError:
        return None


def relay(pairs_, resize=None):
    """Copies until all that is read has ended, our own stdin aside. {from: to}"""
    sent, outs = None, [source for source in pairs_ if source != 0]
    while outs:
        if resize and (now := size()) and now != sent:
            sent = now
            resize(now)
        try:
            ready = select.select(list(pairs_), [], [], 0.1 if resize else None)[0]
        except InterruptedError:
            continue
        for source in ready:
            try:
                data = os.read(source, 65536)
            except OSError:
                data = b""
            target = pairs_[source]
            try:
                while data and (put := os.write(target, data)) < len(data):
                    data = data[put:]
            except OSError:
                if source != 0:
                    continue
                data = b""
            if not data:
                del pairs_[source]
                if source == 0:
                    if not resize:
                        os.close(target)
                else:
                    outs.remove(source)


def start(options, arguments, _rest, attach=False, interactive=False):
    name = arguments[0]
    attach, interactive = attach or "attach" in options, interactive or "interactive" in options
    lock, config = locked(), container_of(name)
    if running(name):
        if attach or interactive:
            raise Error("invalidArgument", "attach is currently unsupported on already running containers")
        print(name)
        return 0
    ends, words = machine_start(config, attach or interactive, interactive)
    first = words.readline().strip()
    unlock(lock)
    if first != "ok":
        raise Error("internalError", f"failed to start container: {first}")
    if ends["out"] is None:
        print(name)
        return 0
    flows = {ends["out"]: 1, ends["err"]: 2}
    if interactive:
        flows[0] = ends["in"]
    with Raw(config["terminal"]):
        relay(flows, (lambda now: os.write(ends["size"], now)) if config["terminal"] else None)
        return int(words.readline() or "255")


def run(options, arguments, rest):
    name = create(options, arguments, rest)
    status = start({}, [name], [], attach="detach" not in options, interactive="interactive" in options)
    if "rm" in options or "remove" in options:
        delete({}, [name], [], quiet=True)
    return status


def enter(pid):
    """All of the container's namespaces; what is forked from here on is in its pid namespace."""
    flags = {"ipc": NEWIPC, "uts": NEWUTS, "net": NEWNET, "pid": NEWPID, "mnt": NEWNS}
    descriptors = [(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC), flag) for kind, flag in flags.items()]
    for descriptor, flag in descriptors:
        checked(libc.setns(descriptor, flag))
        os.close(descriptor)


def exec_(options, arguments, rest):
    config, state = container_of(arguments[0]), running(arguments[0])
    if not state:
        raise Error("invalidState", f"container {arguments[0]} is not running")
    if not rest:
        raise Error("invalidArgument", "no command specified for exec")
    config["terminal"] = "tty" in options
    config["environment"] += options.get("env", [])
    word = (options.get("user") or [config["user"]])[-1]
    cwd = (options.get("workdir") or options.get("cwd") or [config["cwd"]])[-1]
    enter(state["pid"])
    link, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        link.close()
        if config["terminal"]:
            terminal_take(far)
        elif "interactive" not in options:
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        far.close()
        become(config, word)
        execute(config, rest, cwd)
    far.close()
    if config["terminal"]:
        master = socket.recv_fds(link, 16, 1)[1][0]
        with Raw(True):
            relay({master: 1, **({0: master} if "interactive" in options else {})},
                  lambda now: fcntl.ioctl(master, termios.TIOCSWINSZ, now))
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda number, _: os.kill(pid, number))
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def number_of(word):
    if word.isdigit():
        return int(word)
    try:
        return signal.Signals["SIG" + word.upper().removeprefix("SIG")]
    except KeyError:
        raise Error("invalidArgument", f"invalid signal: {word}") from None


def kill(options, arguments, _rest):
    if not arguments and "all" not in options:
        raise Error("invalidArgument", "no containers specified and --all not supplied")
    for name in arguments:
        container_of(name)
        state = running(name)
        if not state:
            raise Error("invalidState", f"failed to kill container: {name} is not running")
        os.kill(state["pid"], number_of(options.get("signal", ["KILL"])[-1]))
        print(name)


def stop(options, arguments, _rest):
    """SIGTERM, and after the time (5 s) SIGKILL."""
    if not arguments and "all" not in options:
        raise Error("invalidArgument", "no containers specified and --all not supplied")
    for name in arguments:
        container_of(name)
        for number, seconds in (number_of(options.get("signal", ["TERM"])[-1]), integer({"time": ["5"], **options}, "time", ("stop",))), (9, 20):
            state = running(name)
            try:
                _ = state and os.kill(state["pid"], number)
                gone(name, seconds)
                break
            except ProcessLookupError:
                gone(name)
                break
            except Error:
                if number == 9:
                    raise
        print(name)


def gone(name, seconds=20):
    end = time.monotonic() + seconds
    while load("containers", name, "running.json") and running(name):
        if time.monotonic() > end:
            raise Error("timeout", f"{name} does not stop")
        select.select([], [], [], 0.01)


def delete(options, arguments, _rest, quiet=False):
    if not arguments and "all" not in options:
        raise Error("invalidArgument", "no containers specified and --all not supplied")
    for name in dict.fromkeys(arguments):
        container_of(name)
        state = running(name)
        if state and "force" not in options and not quiet:
            raise Error("invalidState", f"container {name} is running and can not be deleted")
        if state and not quiet:
            try:
                os.kill(state["pid"], signal.SIGKILL)
            except ProcessLookupError:
                pass
        gone(name)
        shutil.rmtree(path("containers", name))
        if not quiet:
            print(name)


def logs(options, arguments, _rest):
    container_of(arguments[0])
    place = path("containers", arguments[0], "log")
    with open(place, "rb") if os.path.exists(place) else open("/dev/null", "rb") as file:
        data = file.read()
        lines = data.splitlines(keepends=True)
        sys.stdout.buffer.write(b"".join(lines[-int(options["n"][-1]):]) if "n" in options else data)
        sys.stdout.flush()
        while "follow" in options:  # it does not know of an end
            data = file.read()
            if data:
                sys.stdout.buffer.write(data)
                sys.stdout.flush()
            else:
                select.select([], [], [], 0.02)


def status(options, _arguments, _rest):
    there = os.path.exists(path("service"))
    if options.get("format", [""])[-1] == "json":
        print(json.dumps({"status": "running" if there else "unregistered", "appRoot": ROOT}))
    else:
        print("apiserver is running" if there else "apiserver is not running and not registered with launchd")
    return 0 if there else 1


FUNCTIONS = {
    ("create",): lambda *words: print(create(*words)), ("run",): run, ("start",): start, ("kill",): kill, ("stop",): stop, ("delete",): delete,
    ("list",): list_, ("exec",): exec_, ("logs",): logs, ("inspect",): inspect, ("image", "load"): image_load,
    ("image", "pull"): image_pull, ("image", "inspect"): image_inspect, ("image", "list"): image_list, ("network", "create"): network_create,
    ("network", "delete"): network_delete, ("network", "list"): network_list, ("network", "inspect"): network_inspect,
    ("volume", "list"): volume_list, ("volume", "delete"): volume_delete, ("system", "status"): status,
}


def perform():
    if sys.argv[1:] == ["--version"]:
        print(f"container CLI version {'.'.join(map(str, VERSION))} (build: release, commit: 0000000)")
        return 0
    command, options, arguments, rest = apple_reference.parse(sys.argv[1:], VERSION)
    if command not in FUNCTIONS:
        raise Error("unsupported", f"this stand-in does not do {' '.join(command)}")
    if command != ("system", "status") and not os.path.exists(path("service")):
        raise Error("interrupted", "XPC connection error: Connection invalid\nEnsure container system service has been started with "
                    "`container system start`.")
    return FUNCTIONS[command](options, arguments, rest) or 0


def main():
    try:
        result = perform()
        sys.stdout.flush()
    except Error as problem:
        sys.stderr.write(f"Error: {problem}\n")
        result = 1
    except BrokenPipeError:
        result = 1
    sys.exit(result)
