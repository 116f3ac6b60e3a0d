# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-in for Apple's `container` keeps: its state is files below CONTAINER_ROOT, changed by one command at a time."""
import fcntl
import json
import os
import subprocess

ROOT = os.environ.get("CONTAINER_ROOT", "/nonexistent")
VERSION = tuple(int(part) for part in os.environ.get("CONTAINER_VERSION", "1.2.2").split("."))
NEW = VERSION >= (1, 0)


class Error(Exception):
    """A ContainerizationError: its code and message."""

    def __init__(self, code, text):
        super().__init__(f'{code}: "{text}"')


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


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


def network_of(name):
    network = load("networks", name)
    if network is None:
        raise Error("notFound", f"network {name} not found")
    return network


def container_of(name):
    config = load("containers", name, "config.json")
    if config is None:
        raise Error("notFound", f"container not found: {name}")
    return config


def running(name):
    """What its machine says while it is there."""
    state = load("containers", name, "running.json")
    return state if state and os.path.exists(f"/proc/{state['vm']}") else None
