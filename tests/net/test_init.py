# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-init by itself, with stand-ins for its workers: what it starts with, what it refuses to start with, and how it keeps its workers."""
import os
import signal
import subprocess

import pytest

import probes
from capture import Capture
from init_rig import POLICY, SIDECAR, STRANGER, Init
from init_rig import rig, shared  # noqa: F401 (fixtures)
from spaces import WAIT, Failed, alive, child_of, wait_for


# ---- boot

def refused(rig, *options, start=""):
    init = Init(rig, *options, ready=False, start=start)
    status = init.end()
    assert init.audit.lines == []
    return status, init.errors().strip()


def test_it_wants_to_be_pid_1(rig):
    done = subprocess.run([*rig.sidecar.enter(os.path.join(rig.dir, "stopper-init"))], capture_output=True, text=True, check=False, timeout=WAIT)
    assert done.returncode == 1
    assert done.stderr.startswith("stopper-init: process: has to be PID 1")
    assert rig.nft("list", "ruleset") == ""


def test_ambiguous_interfaces_are_named(rig):
    rig.sidecar.run("ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
    rig.sidecar.run("ip", "address", "add", "10.5.5.1/24", "dev", "other0")
    rig.sidecar.run("ip", "link", "set", "other0", "up")
    status, words = refused(rig)
    assert status == 1
    assert words.startswith("stopper-init: interfaces: several interfaces could be the agent's (")
    assert '"agent0"' in words and '"other0"' in words and "--agent" in words
    init = Init(rig, "--agent", "agent0", "--egress=egress0")
    assert init.ctl("status")[1]["interfaces"] == {"egress": "egress0", "agent": "agent0"}


def test_a_missing_default_route_is_named(rig):
    rig.sidecar.run("ip", "route", "delete", "default")
    assert refused(rig, "--wait", "0") == (1, "stopper-init: interfaces: no interface has an IPv4 default route: name the egress one with --egress")


@pytest.mark.parametrize("options, words", [
    (["--proxies", "0"], '--proxies: "0" is not a number from 1 to 64'), (["--nonsense"], 'unknown argument "--nonsense" (see --help)'),
    (["--egress"], "--egress needs a value (IF)"), (["--egress", "a", "--agent", "a"], "--egress and --agent name the same interface")])
def test_wrong_options_are_named(rig, options, words):
    assert refused(rig, *options) == (2, f"stopper-init: {words}")


@pytest.mark.parametrize("start", ["", "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys &&"])
def test_forwarding_is_turned_off_also_where_proc_is_read_only(rig, start):
    rig.sidecar.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    Init(rig, start=start)
    for link in "agent0", "egress0", "lo":
        assert rig.sidecar.run("cat", f"/proc/sys/net/ipv4/conf/{link}/forwarding") == "0\n"
        assert rig.sidecar.run("cat", f"/proc/sys/net/ipv6/conf/{link}/forwarding") == ("1\n" if start else "0\n")  # the rules are left
    assert rig.sidecar.run("cat", "/proc/sys/net/ipv4/ip_forward") == ("1\n" if start else "0\n")


def test_the_agents_side_is_announced_by_a_gratuitous_arp(rig):
    with Capture(rig.agent.pid, "eth0") as capture:
        Init(rig)
    assert [frame for frame in capture.frames if frame.kind == "arp" and frame.source == frame.target == SIDECAR]


def test_it_executes_its_workers_and_nothing_else(rig):
    """Traced from its first step over a policy and a worker's restart: no nft, no ip, no sysctl. That the trace would tell
    is seen by the shell in front of it, which does execute them."""
    path = os.path.join(rig.dir, "trace")
    init = Init(rig, start=f"""exec strace -DDD -f -qq -e trace=execve -e status=successful -o {path} sh -c '
        nft list tables; ip link show lo >/dev/null; sysctl -n kernel.pid_max >/dev/null; exec "$0" "$@"' "$0" "$@"; """, policy=POLICY)
    os.kill(init.worker("stopper-dns")[1], signal.SIGKILL)
    wait_for(lambda: init.worker("stopper-dns")[0]["restarts"] == 1 and init.worker("stopper-dns")[0]["state"] == "serving", "its return")
    with open(path, encoding="utf-8") as trace:
        executed = [os.path.basename(line.split('"')[1]) for line in trace if "execve(" in line]
    assert executed[:4] == ["sh", "nft", "ip", "sysctl"]  # the control
    assert executed[4] == "stopper-init" and set(executed[5:]) == {"stopper-init", "stopper-dns", "stopper-proxy", "stopper-dlpc"}, executed
    assert executed.count("stopper-dns") == 2 and executed.count("stopper-dlpc") == 1


def test_a_worker_that_is_missing_keeps_it_from_being_ready_and_says_so(rig):
    os.unlink(os.path.join(rig.dir, "stopper-dns"))
    init = Init(rig, ready=False)
    init.audit.wait(kind="lifecycle", verdict="alarm")
    init.pid = child_of(init.process.pid)
    status, answer = init.ctl("wait-ready", "--timeout", "0.2")
    assert (status, answer["ok"]) == (1, False)
    assert answer["error"].startswith("not ready: worker stopper-dns: ")
    assert "No such file or directory" in answer["error"]


def test_a_worker_that_dies_keeps_it_from_being_ready_and_its_last_words_are_kept(rig):
    rig.mode("stopper-proxy", "dies")
    init = Init(rig, ready=False)
    init.audit.wait(kind="lifecycle", verdict="alarm", detail="worker stopper-proxy ended with status 1: I cannot live like this")
    init.pid = child_of(init.process.pid)
    error = "not ready: worker stopper-proxy: it ended with status 1: I cannot live like this"
    wait_for(lambda: init.ctl("wait-ready", "--timeout", "0") == (1, {"ok": False, "error": error}), "its last words")
    rig.mode("stopper-proxy")
    assert init.ctl("wait-ready") == (0, {"ok": True})


# ---- supervision

def sockets_of(pid):
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def test_init_holds_no_listener_and_no_power_over_the_network(shared):
    inodes = {line.split()[9] for kind in ("tcp", "udp") for line in open(f"/proc/{shared.pid}/net/{kind}", encoding="ascii").readlines()[1:]}
    assert inodes
    assert sockets_of(shared.pid) & inodes == set()
    status = probes.status(shared.pid)
    kept = sum(1 << number for number in (5, 6, 7, 8, 18))  # KILL SETGID SETUID SETPCAP SYS_CHROOT
    assert {int(status[key], 16) for key in ("CapPrm", "CapEff", "CapBnd")} == {kept}
    assert {int(status[key], 16) for key in ("CapInh", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"


def test_the_meter_is_jailed_and_keeps_one_capability(shared):
    status = probes.status(shared.worker("meter")[1])
    assert {int(status[key], 16) for key in ("CapPrm", "CapEff", "CapBnd")} == {1 << 12}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert os.listdir(f"/proc/{shared.worker('meter')[1]}/root/") == []


@pytest.mark.parametrize("name", ["stopper-dns", "stopper-proxy"])
def test_a_killed_worker_closes_its_port_and_comes_back_with_the_policy_in_force(rig, name):
    init = Init(rig, policy=POLICY)
    entry, pid = init.worker(name)
    rig.mode(name, "dies")
    mark = init.audit.mark()
    os.kill(pid, signal.SIGKILL)
    init.audit.wait(mark, kind="lifecycle", verdict="alarm", detail=f"worker {name} ended by signal 9")
    init.audit.wait(mark, detail=f"worker {name} ended with status 1: I cannot live like this")
    port = 53 if name == "stopper-dns" else 443
    wait_for(lambda: rig.agent.call(probes.tcp, STRANGER, port)["error"] == "ECONNREFUSED", "a closed port")
    rig.mode(name)
    mark = init.audit.mark()
    init.audit.wait(mark, kind="lifecycle", verdict="allow", detail=f"worker {name} serves again")
    assert init.audit.wait(mark, kind="test")["policy"]["generation"] == 1
    assert rig.agent.call(probes.tcp, STRANGER, port)["data"] == f"{name} {STRANGER} {port}\n"
    assert init.worker(name)[0]["restarts"] > entry["restarts"]


def test_several_proxies_share_the_port(rig):
    init = Init(rig, "--proxies", "3", policy=POLICY)
    names = [entry["name"] for entry in init.ctl("status")[1]["workers"]]
    assert names == ["meter", "stopper-dns", "stopper-proxy.1", "stopper-proxy.2", "stopper-proxy.3"]
    for _ in range(20):
        assert rig.agent.call(probes.tcp, STRANGER, 443)["data"] == f"stopper-proxy {STRANGER} 443\n"


def test_the_meters_death_is_the_sidecars(rig):
    init = Init(rig, policy=POLICY)
    children = init.children()
    os.kill(init.worker("meter")[1], signal.SIGKILL)
    assert init.end() == 1
    assert not any(alive(pid) for pid in children)
    assert "the meter ended by signal 9: the sidecar ends" in init.errors()
    assert rig.agent.call(probes.tcp, STRANGER, 443)["error"] == "ECONNREFUSED"
    assert rig.agent.call(probes.udp, STRANGER, 443) == {"error": "EHOSTUNREACH"}  # the wall stays


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_told_to(rig, number):
    init = Init(rig)
    children = init.children()
    os.kill(init.pid, number)
    assert init.end() == 0
    init.audit.wait(kind="lifecycle", detail="stopping")
    init.audit.wait(kind="lifecycle", detail="stopped")
    assert not any(alive(pid) for pid in children)


def test_it_dies_with_its_parent_if_it_shall(rig):
    for options, dies in (["--die-with-parent"], True), ([], False):
        script = f'mount -t tmpfs -o mode=755 tmpfs /run && exec "$0" {" ".join(options)}'
        parent = subprocess.Popen(["nsenter", "-t", str(rig.sidecar.pid), "-n", "unshare", "-m", "-p", "-f", "--mount-proc", "sh", "-c",
                                   script, os.path.join(rig.dir, "stopper-init")], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert any(b'"ready"' in line for line in parent.stdout)  # the wall may have refused something before
        pid = child_of(parent.pid)
        parent.kill()
        parent.wait()
        if dies:
            wait_for(lambda: not alive(pid), "its death")
        else:
            assert alive(pid)
            os.kill(pid, signal.SIGKILL)
        parent.stdout.close()


def test_orphans_are_reaped(rig):
    init = Init(rig)
    rig.run("nsenter", "-t", str(init.pid), "-n", "-m", "-p", "sh", "-c", "(sleep 0.1 & sleep 0.2 &) ; true")
    wait_for(lambda: len(init.children()) == 3, "the orphans to be reaped")


# ---- the command line

def test_help_and_version(rig):
    program = os.path.join(rig.dir, "stopper-init")
    assert rig.run(program, "--version") == "stopper-init 0.1.0, control protocol 1\n"
    assert "--die-with-parent" in rig.run(program, "--help")
    assert "wait-ready" in rig.run(program, "ctl", "--help")
    with pytest.raises(Failed, match="usage: stopper-init ctl"):
        rig.run(program, "ctl", "nonsense")
