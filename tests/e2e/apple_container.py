# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Apple's `container`, for tests: its arguments are checked against the command reference, its answers have the
shapes of 1.0 and later or of those before, and its "virtual machines" (apple_machine.py) are namespaces in the network namespace that
it runs in.

CONTAINER_ROOT is the folder with all of its state (images, containers, networks); "service" in it says that the service runs.
CONTAINER_VERSION is whose words it speaks."""
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
import tty

import apple_reference
from apple_machine import CAPS, become, enter, execute, machine_start, terminal_take
from apple_store import NEW, ROOT, VERSION, Error, container_of, ip, listed, load, locked, network_of, pairs, path, pretty, running, save, unlock

DEFAULT_CAPS = ("AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID "
                "SYS_CHROOT").split()


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


# ---- volumes: made by being named, or before ----


VOLUME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"


def volume_create(options, arguments, _rest):
    name = arguments[0]
    if not re.fullmatch(VOLUME, name) or len(name) > 255:
        raise Error("invalidArgument", f"invalid volume name '{name}'")
    if name in listed("volumes"):
        raise Error("exists", f"volume '{name}' already exists")
    os.makedirs(os.path.join(path("volumes", name), "lost+found"))  # it is a file system
    save(pairs(options.get("label", [])), "volume-labels", name)
    print(name)


def volume_inspect(_options, arguments, _rest):
    missing = [name for name in arguments if name not in listed("volumes")]
    if missing:
        raise Error("notFound", f"volume '{missing[0]}' not found")
    shapes = [{"name": name, "driver": "local", "format": "ext4", "source": path("volumes", name), "options": {},
               "labels": load("volume-labels", name) or {}} for name in arguments]
    pretty([{"id": shape["name"], "configuration": shape} for shape in shapes] if NEW else shapes)


def volume_list(options, _arguments, _rest):
    print("".join(name + "\n" for name in listed("volumes")) if "quiet" in options else json.dumps(listed("volumes")), end="")


def volume_delete(_options, arguments, _rest):
    for name in arguments:
        if name not in listed("volumes"):
            raise Error("notFound", f"volume '{name}' not found")
        if any(source == name for each in listed("containers") for source, _, _ in container_of(each)["volumes"]):
            raise Error("invalidState", f"volume '{name}' is currently in use and cannot be accessed by another container, or deleted.")
        shutil.rmtree(path("volumes", name))
        if os.path.exists(path("volume-labels", name)):
            os.unlink(path("volume-labels", name))
        print(name)


# ---- containers: what they are ----


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
        elif not re.fullmatch(VOLUME, parts[0]):
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
    ("volume", "create"): volume_create, ("volume", "inspect"): volume_inspect, ("volume", "list"): volume_list, ("volume", "delete"): volume_delete, ("system", "status"): status,
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
