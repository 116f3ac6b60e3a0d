# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening a wall from outside, as root of the machine, so that a test can see its assertion fail without that wall.

Where a second wall stands behind the first, both are opened: what is shown is that the refusal comes from the walls and
not from a world in which nothing listens. The programs know nothing of this and have no switch for it."""
import ctypes
import json
import os
import subprocess

import pytest

from lab import policy_with
from spaces import inside
import probes


def rule(bottle, chain, text):
    """Puts a rule on top of a chain of the sidecar's wall; its name has to be right, or nft fails."""
    bottle.sidecar_run("nft", "insert", "rule", "inet", "stopper", chain, *text.split())


def rules_open(bottle, match):
    """Every rule that stands between agent and internet lets packets that match pass, with the sidecar's own address: past
    the first check, past the redirection, through the forward chain."""
    first_rules_open(bottle, match)
    forward_open(bottle, match)


def first_rules_open(bottle, match):
    for chain in "agent", "nat":
        rule(bottle, chain, f"{match} accept")
    bottle.sidecar_run("nft", "-f", "-", stdin="table ip lab { chain out { type nat hook postrouting priority 100; "
                                               'oifname "egress0" masquerade; }; }')


def forward_open(bottle, match):
    rule(bottle, "forward", f"{match} accept")
    rule(bottle, "forward", "ct state established,related accept")


def route(bottle, match):
    """Makes the sidecar a router for packets that match."""
    rules_open(bottle, match)
    forwarding(bottle)


def forwarding(bottle):
    bottle.sidecar_run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")


def policy(*hosts, **more):
    """The wall of names, open for these hosts."""
    return lambda bottle: bottle.apply(policy_with(*hosts, **more))


def routed(match):
    return lambda bottle: route(bottle, match)


def ruled(chain, text):
    return lambda bottle: rule(bottle, chain, text)


def several(*openings):
    def opening(bottle):
        for each in openings:
            each(bottle)
    return opening


def bites(new_bottle, opening, check):
    """The check holds in a fresh bottle, and fails there as soon as the wall is open."""
    bottle = new_bottle()
    check(bottle)
    opening(bottle)
    with pytest.raises(AssertionError):
        check(bottle)


def links(pid):
    """The links of a process's namespace, by name."""
    done = subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "-j", "address"], check=True, capture_output=True)
    return {link["ifname"]: link for link in json.loads(done.stdout)}


def world_probe(bottle, name, /, **arguments):
    """A probe from the internet's side."""
    return inside(bottle.lab.world.space.pid, getattr(probes, name), **arguments)


OPEN_TREE, MOVE_MOUNT = 428, 429  # of every architecture, as the flags below: linux/mount.h, fcntl.h
OPEN_TREE_CLONE, AT_RECURSIVE, MOVE_MOUNT_F_EMPTY_PATH, AT_FDCWD, CLONE_NEWNS = 1, 0x8000, 4, -100, 0x20000


def let_in(outer, inner, path):
    """Opens the file seal: a folder of process `outer`'s view appears at the same place in process `inner`'s. In a child,
    since a process with threads cannot enter a mount namespace."""
    libc, child = ctypes.CDLL(None, use_errno=True), os.fork()
    if child == 0:
        try:
            spaces = [os.open(f"{proc}/ns/mnt", os.O_RDONLY) for proc in (outer, inner)]
            done = libc.setns(spaces[0], CLONE_NEWNS)
            tree = libc.syscall(OPEN_TREE, AT_FDCWD, path.encode(), OPEN_TREE_CLONE | AT_RECURSIVE)
            done |= libc.setns(spaces[1], CLONE_NEWNS)
            os.makedirs(path, exist_ok=True)
            done |= libc.syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, path.encode(), MOVE_MOUNT_F_EMPTY_PATH)
            os._exit(done != 0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
