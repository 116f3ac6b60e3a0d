# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening a wall from outside, as root of the machine, so that a test can see its assertion fail without that wall.

Where a second wall stands behind the first, both are opened: what is shown is that the refusal comes from the walls and
not from a world in which nothing listens. The programs know nothing of this and have no switch for it."""
import json

import pytest

from lab import policy_with
from spaces import inside


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
    import subprocess
    done = subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "-j", "address"], check=True, capture_output=True)
    return {link["ifname"]: link for link in json.loads(done.stdout)}


def world_probe(bottle, name, /, **arguments):
    """A probe from the internet's side."""
    import probes
    return inside(bottle.lab.world.space.pid, getattr(probes, name), **arguments)
