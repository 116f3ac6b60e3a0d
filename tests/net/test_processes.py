# SPDX-License-Identifier: GPL-3.0-or-later
"""Every live process against the table of privileges: users, capabilities, descriptors, roots."""
import os
import re

import pytest

import probes
from spaces import wait_for

CAPABILITIES = {"KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8, "NET_ADMIN": 12, "SYS_CHROOT": 18}
PROXY_USER, DNS_USER = 61001, 61002


def bits(*names):
    return sum(1 << CAPABILITIES[name] for name in names)


# name: uid, permitted and effective capabilities, sockets (kind: how many)
TABLE = {
    "stopper-init": (0, bits("SETUID", "SETGID", "SETPCAP", "SYS_CHROOT", "KILL"), None),
    "meter": (0, bits("NET_ADMIN"), {"netlink": 1, "unix": 1}),
    "stopper-proxy": (PROXY_USER, 0, {"tcp": 1, "udp": 1, "unix": 2}),
    "stopper-dns": (DNS_USER, 0, {"tcp": 1, "udp": 2, "unix": 2}),
}
JAILED = ("meter", "stopper-proxy", "stopper-dns")


def one(bottle, name):
    pids = bottle.processes().get(name)
    assert pids, f"no {name} among {bottle.processes()}"
    return pids[0]


def descriptors(pid):
    """{number: target}"""
    folder, found = f"/proc/{pid}/fd", {}
    for number in os.listdir(folder):
        try:
            found[int(number)] = os.readlink(os.path.join(folder, number))
        except FileNotFoundError:  # closed meanwhile
            continue
    return found


def socket_kinds(pid):
    """How many sockets of each kind the process holds; what no table of its namespace lists is "unknown"."""
    tables = {}
    for kind, column in (("tcp", 9), ("udp", 9), ("raw", 9), ("tcp6", 9), ("udp6", 9), ("unix", 6), ("netlink", 9), ("packet", 8)):
        with open(f"/proc/{pid}/net/{kind}", encoding="ascii", errors="replace") as file:
            for line in file.readlines()[1:]:
                tables[line.split()[column]] = kind
    counts = {}
    for target in descriptors(pid).values():
        if found := re.fullmatch(r"socket:\[(\d+)\]", target):
            kind = tables.get(found.group(1), "unknown")
            counts[kind] = counts.get(kind, 0) + 1
    return counts


@pytest.mark.parametrize("name", TABLE)
def test_a_process_has_the_user_and_the_capabilities_of_the_table_and_no_more(bottle, name):
    uid, capabilities, _ = TABLE[name]
    status = probes.status(one(bottle, name))
    assert status["Uid"].split() == [str(uid)] * 4
    assert status["Gid"].split() == [str(uid)] * 4
    assert status["Groups"].split() in ([], ["0"] if uid == 0 else [])
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == capabilities
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0


@pytest.mark.parametrize("name", JAILED)
def test_a_jailed_process_can_regain_nothing_and_lives_in_an_empty_root(bottle, name):
    pid = one(bottle, name)
    status = probes.status(pid)
    assert int(status["CapBnd"], 16) == TABLE[name][1]
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert os.listdir(f"/proc/{pid}/root/") == []


def test_init_cannot_regain_the_power_over_the_network(bottle):
    status = probes.status(bottle.pid)
    assert int(status["CapBnd"], 16) == TABLE["stopper-init"][1]
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize("name", JAILED)
def test_a_jailed_process_holds_exactly_its_descriptors(bottle, name):
    pid = one(bottle, name)
    held = descriptors(pid)
    assert socket_kinds(pid) == TABLE[name][2], held
    assert held[0] == held[1] == "/dev/null"
    harmless = re.compile(r"socket:.*|pipe:.*|anon_inode:\[(eventpoll|eventfd|timerfd|io_uring)\]|/dev/null|/")
    assert [target for number, target in held.items() if number != 2 and not harmless.fullmatch(target)] == []


def test_init_keeps_no_copy_of_a_workers_listener(bottle):
    """Unix sockets (control, channels, audit), pipes, sealed sections of the policy, and what its loop needs."""
    assert set(socket_kinds(bottle.pid)) == {"unix"}
    known = re.compile(r"socket:.*|pipe:.*|anon_inode:\[(eventpoll|eventfd)\]|/dev/null|/memfd:\w+ \(deleted\)")
    assert [target for number, target in descriptors(bottle.pid).items() if number != 2 and not known.fullmatch(target)] == []


def test_only_the_meter_can_touch_the_rules(bottle):
    able = [name for name, pids in bottle.processes().items() for pid in pids
            if int(probes.status(pid)["CapPrm"], 16) & bits("NET_ADMIN")]
    assert able == ["meter"]


def test_the_agent_and_its_parent_have_no_capability_and_can_regain_none(bottle):
    shim = probes.status(bottle.agent_pid)
    for status in shim, bottle.agent.status():
        assert {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
        assert status["Uid"].split() == ["1000"] * 4
        assert status["Gid"].split() == ["1000"] * 4
        assert status["Groups"] == ""


def test_the_agents_parent_holds_its_end_of_the_configuration_and_sees_the_agents_root(bottle):
    held = descriptors(bottle.agent_pid)
    assert sorted(held) == [0, 1, 2, 3, 4] and held[3].startswith("socket:") and held[4] == "anon_inode:[signalfd]", held
    assert sorted(os.listdir(f"/proc/{bottle.agent_pid}/root/")) == bottle.agent.read(path="/")["names"]


def test_the_agent_holds_only_its_own_descriptors(bottle):
    child = int(open(f"/proc/{bottle.agent_pid}/task/{bottle.agent_pid}/children", encoding="ascii").read().split()[0])
    # its listener in the work directory; the connection of the last request is just being closed
    wait_for(lambda: socket_kinds(child) == {"unix": 1}, f"one socket among {descriptors(child)}")
    assert sorted(number for number in descriptors(child) if number < 3) == [0, 1, 2]


def test_a_worker_gets_nothing_of_the_environment(bottle):
    for name in JAILED:
        for pid in bottle.processes()[name]:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                assert b"STOPPER_LAB" not in environ.read()
