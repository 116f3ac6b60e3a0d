# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces that live exactly as long as a process of ours.

A Space is a process that holds network, mount, pid, ipc and uts namespaces. Nothing has a name in the file system and
nothing is made in the machine's own namespaces, so when the process ends, however it ends, the kernel takes everything
back: links, rules, mounts and every process inside. This file must never touch the machine's own network.
"""
import ctypes
import os
import select
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
WAIT = 20  # seconds: the bound of every wait in the lab

_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """The lab itself did not do what it should: never the outcome of a probe."""


def inside(pid, function, /, *arguments, **named):
    """Calls function in a thread of its own that has entered the network namespace of process pid. Sockets that it
    returns stay in that namespace."""
    outcome = {}

    def enter():
        try:
            descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if _libc.setns(descriptor, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            outcome["value"] = function(*arguments, **named)
        except BaseException as problem:  # handed on to the caller below
            outcome["problem"] = problem

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if "problem" in outcome:
        raise outcome["problem"]
    return outcome["value"]


def wait_for(question, what, seconds=WAIT):
    """Asks until the answer is true and returns it; for conditions that nothing announces."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        select.select([], [], [], 0.02)


def child_of(pid):
    """The only child of a process, once there is one."""
    def look():
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
                return children.read().split()
        except (FileNotFoundError, ProcessLookupError):
            return None
    return int(wait_for(look, f"a child of process {pid}")[0])


def alive(pid):
    """Whether the process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def netns_id(pid):
    return os.stat(f"/proc/{pid}/ns/net").st_ino


def tied(argv, **named):
    """Popen whose process is killed when this one ends."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], **named)


class Space:
    """A network namespace with its own pid and mount namespaces, held by a process that does nothing but reap."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.holder = tied(["unshare", "-n", "-m", "-p", "-i", "-u", "-f", "--kill-child", "--mount-proc", "sh", "-c",
                            f'hostname {name}; echo held; exec env --ignore-signal=CHLD sleep infinity'],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=lab.environment)
        lab.on_close(self.close)
        if self.holder.stdout.readline() != b"held\n":
            raise Failed(f"no namespace for {name}")
        self.pid = child_of(self.holder.pid)
        self.run("ip", "link", "set", "lo", "up")

    def enter(self, *argv):
        """The command line that runs argv in here."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "-i", "-u", *argv]

    def run(self, *argv, **named):
        """Runs a program of the lab in here to its end, which has to be success. Returns its output."""
        return self.lab.run(*self.enter(*argv), **named)

    def call(self, function, /, *arguments, **named):
        return inside(self.pid, function, *arguments, **named)

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


def wire(one, one_name, one_address, other, other_name, other_address):
    """A veth pair between two processes' network namespaces, made there directly: it is never seen anywhere else."""
    def ip(pid, *argv):
        subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", *argv], check=True)
    subprocess.run(["nsenter", "-t", str(one), "-n", "ip", "link", "add", one_name, "type", "veth",
                    "peer", "name", other_name, "netns", str(other)], check=True)
    for pid, name, address in (one, one_name, one_address), (other, other_name, other_address):
        ip(pid, "address", "add", address, "dev", name)
        ip(pid, "link", "set", name, "up")
