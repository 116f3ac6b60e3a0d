# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-init by itself, with stand-ins for its workers: its wall rule by rule, its boot, its supervision, its control
socket, its audit stream."""
import base64
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import threading

import pytest

import probes
from capture import Capture
from init_rig import AGENT, EGRESS, HERE, POLICY, SIDECAR, STRANGER, WORLD, Init, Rig
from spaces import WAIT, Failed, alive, child_of, inside, wait_for

GOLDEN = os.path.join(HERE, "..", "golden", "ruleset.nft")
METADATA = "169.254.169.254"


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared():
    """A sidecar that tests share which leave it as it was."""
    made = Rig()
    try:
        yield Init(made, policy=POLICY)
    finally:
        made.close()


def serve(space, kind, address, port):
    """A server in a namespace that answers everything with "world"."""
    def open_socket():
        sock = socket.socket(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        return sock
    sock = inside(space.pid, open_socket)

    def answer():
        try:
            while True:
                if kind == socket.SOCK_STREAM:
                    sock.accept()[0].close()
                else:
                    sock.sendto(b"world", sock.recvfrom(2048)[1])
        except OSError:
            return
    threading.Thread(target=answer, daemon=True).start()
    return sock


# ---- the wall

def test_the_rule_set_is_the_golden_text(shared):
    with open(GOLDEN, encoding="ascii") as file:
        assert shared.rig.nft("-s", "list", "table", "inet", "stopper") == file.read()


def test_only_the_own_table_is_replaced(rig):
    rig.nft("add", "table", "ip", "others")
    rig.nft("add", "table", "inet", "stopper")
    rig.nft("add", "chain", "inet", "stopper", "left_over")
    Init(rig)
    assert rig.nft("list", "tables").split("\n")[:-1] == ["table ip others", "table inet stopper"]
    assert "left_over" not in rig.nft("list", "ruleset")


def test_every_tcp_connection_reaches_the_proxy_whatever_its_destination(shared):
    for address, port in (STRANGER, 443), (STRANGER, 22), (SIDECAR, 80), (EGRESS, 9443), (WORLD, 65535), (METADATA, 80):
        answer = shared.rig.agent.call(probes.tcp, address, port)
        assert answer["data"] == f"stopper-proxy {address} {port}\n"


def test_every_dns_query_reaches_the_dns_worker_whatever_its_destination(shared):
    for address in STRANGER, SIDECAR, "8.8.8.8":
        assert shared.rig.agent.call(probes.udp, address, 53, send="who")["data"] == "stopper-dns who"
        assert shared.rig.agent.call(probes.tcp, address, 53)["data"] == f"stopper-dns {address} 53\n"


def test_a_fragmented_query_reaches_the_dns_worker_and_other_fragments_are_refused(shared):
    big = "x" * 3000
    assert shared.rig.agent.call(probes.udp, STRANGER, 53, send=big)["data"].startswith("stopper-dns x")
    assert shared.rig.agent.call(probes.udp, STRANGER, 5353, send=big) == {"error": "EHOSTUNREACH"}


@pytest.mark.parametrize("address", [STRANGER, SIDECAR, EGRESS, WORLD])
def test_other_packets_are_refused_at_once_and_told(shared, address):
    mark = shared.audit.mark()
    assert shared.rig.agent.call(probes.udp, address, 443) == {"error": "EHOSTUNREACH"}
    assert shared.rig.agent.call(probes.ping, address) == {"icmp": [3, 13], "from": SIDECAR}
    for protocol, port in ("udp", 443), ("icmp", None):
        line = shared.audit.wait(mark, kind="packet", verdict="block", reason="packet", protocol=protocol, address=address)
        assert line.get("port") == port


def test_a_port_of_the_workers_cannot_be_dialled_itself(rig):
    init = Init(rig, policy=POLICY)
    assert rig.agent.call(probes.tcp, SIDECAR, 9443) == {"connected": False, "data": "", "error": "ECONNREFUSED"}
    init.audit.wait(kind="packet", verdict="block", reason="not-redirected")
    rig.nft("insert", "rule", "inet", "stopper", "input", "tcp", "dport", "9443", "accept")
    assert rig.agent.call(probes.tcp, SIDECAR, 9443)["connected"]


def send_from(source, target, port):
    """A DNS-sized datagram with any source address."""
    datagram = struct.pack("!HHHH", 5353, port, 8 + 5, 0) + b"hello"
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 7, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        sock.sendto(head + datagram, (target, 0))


def test_a_source_that_is_not_the_agents_is_refused_and_told(rig):
    init = Init(rig, policy=POLICY)
    rig.agent.run("ip", "address", "add", "10.66.0.1/32", "dev", "lo")
    rig.sidecar.run("ip", "route", "add", "10.66.0.1/32", "via", AGENT)
    for address in "10.66.0.1", SIDECAR, EGRESS, "127.0.0.1":
        mark = init.audit.mark()
        rig.agent.call(send_from, address, STRANGER, 53)
        if address != "127.0.0.1":  # that one the kernel drops before any rule
            init.audit.wait(mark, kind="packet", verdict="block", reason="packet-spoofed")
    assert rig.agent.call(probes.udp, STRANGER, 53, timeout=0.7, source="10.66.0.1") == {"error": "timeout"}
    assert "data" in rig.agent.call(probes.udp, STRANGER, 53, source=AGENT)
    rig.delete_rule("agent", "ip saddr !=")
    assert "data" in rig.agent.call(probes.udp, STRANGER, 53, source="10.66.0.1")


def test_ipv6_is_refused_and_told(rig):
    init = Init(rig, policy=POLICY)
    for space, link, own, other in (rig.sidecar, "agent0", "fd00::1", "fd00::2"), (rig.agent, "eth0", "fd00::2", "fd00::1"):
        mac = json.loads((rig.agent if space is rig.sidecar else rig.sidecar).run("ip", "-j", "link", "show", "eth0" if space is rig.sidecar else "agent0"))[0]["address"]
        space.run("ip", "address", "add", f"{own}/64", "dev", link, "nodad")
        space.run("ip", "neigh", "replace", other, "lladdr", mac, "dev", link)
    for _ in range(20):  # the kernel limits no rate
        assert rig.agent.call(probes.udp, "fd00::1", 53) == {"error": "EACCES"}
    assert rig.agent.call(probes.tcp, "fd00::1", 80)["error"] == "EACCES"
    init.audit.wait(kind="packet", verdict="block", reason="packet-ipv6", protocol="ipv6")
    sock = serve(rig.sidecar, socket.SOCK_DGRAM, "0.0.0.0", 7777)
    rig.delete_rule("agent", "nfproto ipv6")
    rig.nft("insert", "rule", "inet", "stopper", "agent", "accept")
    rig.nft("insert", "rule", "inet", "stopper", "input", "accept")
    rig.nft("insert", "rule", "inet", "stopper", "output", "accept")
    assert rig.agent.call(probes.udp, "fd00::1", 7778) == {"error": "ECONNREFUSED"}
    sock.close()


def test_the_internets_side_cannot_dial_in(rig):
    Init(rig, policy=POLICY)
    rig.world.run("ip", "route", "add", f"{SIDECAR}/32", "via", EGRESS)
    for address in SIDECAR, EGRESS:
        assert rig.world.call(probes.tcp, address, 9443, timeout=0.7)["error"] == "timeout"
    assert rig.world.call(probes.ping, EGRESS, timeout=0.7) == {"error": "timeout"}
    rig.nft("insert", "rule", "inet", "stopper", "input", "tcp", "dport", "9443", "accept")
    assert rig.world.call(probes.tcp, SIDECAR, 9443)["connected"]
    assert rig.world.call(probes.tcp, EGRESS, 9443)["error"] == "ECONNREFUSED"


# who, how, where, and what opens the wall: the text of the rule to delete, or a rule to insert
WORKER_WALLS = [
    ("stopper-proxy", "dial", METADATA, 80, "ip daddr 169.254.0.0/16", None),
    ("stopper-proxy", "dial", AGENT, 80, None, "oifname agent0 accept"),
    ("stopper-proxy", "send", WORLD, 53, None, "udp dport 53 accept"),
    ("stopper-proxy", "dial", "127.0.0.1", 80, None, "oifname lo accept"),
    ("stopper-dns", "dial", WORLD, 80, None, "tcp dport 80 accept"),
    ("stopper-dns", "send", WORLD, 123, None, "udp dport 123 accept"),
    ("stopper-dns", "send", METADATA, 53, "ip daddr 169.254.0.0/16", None),
    ("stopper-dns", "dial", "127.0.0.1", 80, None, "oifname lo accept"),
]


@pytest.mark.parametrize("who, how, address, port, delete, insert", WORKER_WALLS)
def test_a_worker_cannot_send_what_is_not_its_task(rig, who, how, address, port, delete, insert):
    space = {AGENT: rig.agent, "127.0.0.1": rig.sidecar}.get(address, rig.world)
    if address == METADATA:
        rig.world.run("ip", "address", "add", f"{METADATA}/32", "dev", "lo")
    server = serve(space, socket.SOCK_STREAM if how == "dial" else socket.SOCK_DGRAM, address, port)
    rig.mode(who, how, address, str(port))
    init = Init(rig)
    line = init.audit.wait(kind="test", verb=how, address=address, port=port)
    assert line["outcome"] in ("No route to host", "Operation not permitted"), line
    init.audit.wait(kind="packet", verdict="alarm", rule="wall")
    if delete:
        rig.delete_rule("output", delete)
    else:
        rig.nft("insert", "rule", "inet", "stopper", "output", *insert.split())
    if address == "127.0.0.1":
        rig.nft("insert", "rule", "inet", "stopper", "input", "iifname", "lo", "accept")
    if address == AGENT:
        for chain in "agent", "input":
            rig.nft("insert", "rule", "inet", "stopper", chain, "tcp", "sport", "80", "accept")
    mark = init.audit.mark()
    os.kill(init.worker(who)[1], signal.SIGKILL)
    line = init.audit.wait(mark, kind="test", verb=how, address=address, port=port)
    assert line["outcome"] == ("ok" if how == "dial" else "world"), line
    server.close()


@pytest.mark.parametrize("who, how, address, port", [
    ("stopper-proxy", "dial", WORLD, 443), ("stopper-proxy", "dial", STRANGER, 8080), ("stopper-proxy", "send", "127.0.0.1", 9054),
    ("stopper-dns", "send", WORLD, 53), ("stopper-dns", "dial", WORLD, 53)])
def test_a_worker_can_send_what_is_its_task(rig, who, how, address, port):
    server = None
    if address != "127.0.0.1":
        server = serve(rig.world, socket.SOCK_STREAM if how == "dial" else socket.SOCK_DGRAM, address, port)
    rig.mode(who, how, address, str(port))
    init = Init(rig)
    line = init.audit.wait(kind="test", verb=how, address=address, port=port)
    assert line["outcome"] == {"dial": "ok", "send": "world" if server else "stopper-dns hello"}[how], line
    if server:
        server.close()


def test_a_flood_of_destinations_is_refused_and_told_in_a_bounded_number_of_lines(shared):
    def flood():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(3000):
                sock.sendto(b"x", ("198.51.100.%d" % (number % 250), 1000 + number))
    mark, before = shared.audit.mark(), shared.ctl("status")[1]["counters"]["denied"]
    shared.rig.agent.call(flood)

    def told():
        return sum(line.get("count", 1) for line in shared.audit.lines[mark:] if line.get("reason") == "packet")
    wait_for(lambda: told() >= 3000, "all packets in lines", 30)
    assert told() == shared.ctl("status")[1]["counters"]["denied"] - before == 3000
    assert len([line for line in shared.audit.lines[mark:] if line.get("reason") == "packet"]) <= 1100


def test_a_changed_rule_set_is_an_alarm_and_a_lost_one_the_end(rig):
    init = Init(rig)
    rig.nft("add", "table", "ip", "others")
    init.audit.wait(kind="lifecycle", verdict="alarm", rule="wall")
    rig.nft("delete", "table", "inet", "stopper")
    assert init.end() == 1
    assert "the meter ended with status 1" in init.errors()


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


# ---- policies

def test_apply_hands_each_worker_its_section(rig):
    init = Init(rig)
    mark = init.audit.mark()
    assert init.ctl("apply", stdin=json.dumps({"policy": POLICY})) == (0, {"ok": True, "generation": 1})
    assert init.ctl("apply", stdin=json.dumps({"policy": POLICY})) == (0, {"ok": True, "generation": 2})

    def told():
        return [line["policy"] for line in init.audit.lines[mark:] if "policy" in line]
    wait_for(lambda: len(told()) >= 4, "both workers' sections of both policies")
    sections = told()
    assert len(sections) == 4
    sidecar = {"agent_address": SIDECAR, "own": ["10.7.7.0/30", f"{SIDECAR}/32", f"{EGRESS}/32"], "host": WORLD}
    assert all(section["sidecar"] == sidecar for section in sections)
    dns, proxy = sorted(sections[:2], key=lambda section: "dns" not in section)
    assert dns["routes"] == [{"host": "api.example.com"}, {"host": "git.example.com", "allow_private": ["10.9.0.0/16"]}]
    assert proxy["routes"] == POLICY["routes"]
    line = init.audit.wait(mark, kind="control", verdict="allow", rule="apply", generation=2)
    assert line["detail"] == "the policy is in force"


@pytest.mark.parametrize("word, host", [("127.0.0.1", "127.0.0.1"), ("none", None)])
def test_the_host_is_where_it_is_said_and_its_loopback_has_a_hole_in_the_wall_only_then(rig, word, host):
    init = Init(rig, "--host", word)
    mark = init.audit.mark()
    rules = rig.nft("-s", "list", "table", "inet", "stopper")
    assert ('oifname "lo" meta skuid 61001 ip daddr 127.0.0.1 meta l4proto tcp accept' in rules) == (host is not None)
    assert ('iifname "lo" ip daddr 127.0.0.1 meta l4proto tcp accept' in rules) == (host is not None)
    assert init.ctl("apply", stdin=json.dumps({"policy": POLICY})) == (0, {"ok": True, "generation": 1})
    wait_for(lambda: len([line for line in init.audit.lines[mark:] if "policy" in line]) >= 2, "both workers' sections")
    sections = [line["policy"] for line in init.audit.lines[mark:] if "policy" in line]
    assert [section["sidecar"].get("host") for section in sections] == [host, host]


def test_each_proxy_is_given_the_authority_before_any_policy_and_nobody_else_is(rig):
    init = Init(rig, "--proxies", "2", policy=POLICY)
    answer = init.ctl("ca")[1]
    der = base64.b64encode(ssl.PEM_cert_to_DER_cert(answer["pem"])).decode()

    def told():
        return [line for line in init.audit.lines if "authority" in line]
    wait_for(lambda: len(told()) == 2, "both proxies")
    given = told()
    assert [line["authority"] for line in given] == [der, der] and all(line["key"] > 100 for line in given)
    mark = init.audit.mark()
    os.kill(init.worker("stopper-proxy.2")[1], signal.SIGKILL)  # the next one gets the same
    assert init.audit.wait(mark, kind="test", authority=der)
    assert init.ctl("ca") == (0, answer)


@pytest.mark.parametrize("policy, words", [
    ("{", "the input is not a JSON object: line 1, column 1"),
    ("{}", 'apply: the member "policy" is missing'),
    ('{"policy":{}}', 'policy: "protocol" is missing'),
    ('{"policy":{},"secret":{}}', 'apply: unknown member "secret"'),
    ('{"verb":"hello"}', "the input is not an object with the members of the request"),
    (json.dumps({"policy": {**POLICY, "generation": 7}}), 'policy: unknown member "generation"'),
    (json.dumps({"policy": POLICY, "secrets": {"A": "12345678\n"}}), "secrets: A: the value holds a line break"),
    (json.dumps({"policy": {**POLICY, "routes": [{"host": "127.0.0.1"}]}}), "policy: routes: [0]: host: not a host name"),
    ('{"policy":[1]}', "policy: expected an object, found an array"),
    ("[1]", "the input is not an object with the members of the request")])
def test_a_policy_that_does_not_validate_changes_nothing(shared, policy, words):
    before = shared.ctl("status")[1]["generation"]
    assert shared.ctl("apply", stdin=policy) == (1, {"ok": False, "error": words})
    assert shared.ctl("status")[1]["generation"] == before


@pytest.mark.parametrize("mode, words", [("refuse", "worker stopper-dns: it refused policy generation 2: I would rather not"),
                                         ("mute", "the policy was not taken in time: worker stopper-dns has not answered")])
def test_a_policy_that_a_worker_does_not_take_is_in_force_nowhere(rig, mode, words):
    init = Init(rig, policy=POLICY)
    proxy = init.worker("stopper-proxy")[1]
    os.kill(init.worker("stopper-dns")[1], signal.SIGUSR1 if mode == "refuse" else signal.SIGUSR2)
    status, answer = init.ctl("apply", stdin=json.dumps({"policy": {**POLICY, "routes": []}}))
    assert (status, answer) == (1, {"ok": False, "error": words})
    init.audit.wait(kind="control", verdict="block", rule="apply", detail=words)
    assert init.ctl("status")[1]["generation"] == 1
    wait_for(lambda: not alive(proxy), "the end of the proxy that had taken it")
    assert init.ctl("wait-ready")[0] == 0

    def last():
        return [line["policy"] for line in init.audit.lines if "policy" in line and "dns" not in line["policy"]][-1]
    wait_for(lambda: last()["generation"] == 1, "the line of the proxy that was started again")
    assert last()["routes"] == POLICY["routes"]


def test_a_policy_whose_search_does_not_compile_changes_nothing(rig):
    init = Init(rig, policy=POLICY)
    assert init.audit.wait(kind="test", database=1)["policy"]["generation"] == 1
    real = os.path.join(rig.dir, "stopper-dlpc")
    more = {**POLICY, "routes": POLICY["routes"] + [{"host": "more.example.com"}]}
    os.rename(real, real + ".real")
    with open(real, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho this is too hard >&2\n")
    os.chmod(real, 0o755)
    words = "what is searched for could not be compiled: this is too hard"
    failed = {"policy": more, "secrets": {"NEW": "some-new-value"}}
    assert init.ctl("apply", stdin=json.dumps(failed)) == (1, {"ok": False, "error": words})
    init.audit.wait(kind="control", verdict="block", rule="apply", detail=words)
    assert init.ctl("status")[1]["generation"] == 1
    assert init.ctl("apply", stdin=json.dumps({"policy": more}))[1] == {"ok": True, "generation": 3}  # nothing new to compile
    nothing = {"policy": {**more, "routes": [{**route, "dlp": {"outbound": [], "inbound": []}} for route in more["routes"][1:]]}}
    assert init.ctl("apply", stdin=json.dumps({**failed, **nothing}))[0] == 0  # nothing at all
    os.rename(real + ".real", real)
    assert init.ctl("apply", stdin=json.dumps(failed))[1] == {"ok": True, "generation": 5}  # the control
    assert init.audit.wait(kind="test", database=5)


def test_a_base_that_does_not_fit_is_passed_over_and_it_says_so(rig):
    path = os.path.join(rig.dir, "stopper-dlp.db")
    with open(path, "rb") as file:
        whole = file.read()
    init = Init(rig, policy=POLICY)
    assert init.audit.wait(kind="test", database=1)
    assert "stopper-dlpc" not in init.errors()  # the control: it fits

    def other(content, name, words):
        os.unlink(path)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
        answer = init.ctl("apply", stdin=json.dumps({"policy": POLICY, "secrets": {name: "some-new-value"}}))
        assert answer[0] == 0, answer
        assert init.errors() == words
    first = "stopper-init: stopper-dlpc: dlp: this is no database, or one of another version: all is compiled anew\n"
    other(whole[:-1], "CUT", first)
    other(None, "MISSING", first + "stopper-init: stopper-dlpc: there is no base: all is compiled anew\n")
    assert init.audit.wait(kind="test", database=3)


# ---- control

def ask(init, data):
    """Raw bytes to the control socket; the lines that come back."""
    script = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect('/run/stopper/control.sock');"
              "s.sendall(sys.stdin.buffer.read()); s.shutdown(1); f=s.makefile('rb'); print(f.read().decode(), end='')")
    done = subprocess.run(["nsenter", "-t", str(init.pid), "-n", "-m", "-p", "/usr/bin/python3", "-c", script], input=data, capture_output=True,
                          timeout=WAIT, check=False)
    return [json.loads(line) for line in done.stdout.decode().splitlines()] or done.stderr.decode()


def test_the_control_socket_answers_line_by_line_and_refuses_what_it_does_not_know(shared):
    assert ask(shared, b'{"verb":"hello"}\n{"verb":"wait-ready"}\n') == [{"ok": True, "protocol": 1, "version": "0.1.0"}, {"ok": True}]
    assert ask(shared, b'{"verb":"open-wall"}\n') == [{"ok": False, "error": 'unknown verb "open-wall"'}]
    assert ask(shared, b'{"verb":"hello","policy":{}}\n') == [{"ok": False, "error": 'hello: unknown member "policy"'}]
    assert ask(shared, b'[]\n') == [{"ok": False, "error": 'unknown verb ""'}]
    assert ask(shared, b'{"verb":"apply"}\n') == [{"ok": False, "error": 'apply: the member "policy" is missing'}]
    assert ask(shared, b'nonsense\n')[0]["ok"] is False


def test_a_request_that_is_too_large_is_refused(shared):
    answer = ask(shared, b" " * (33 << 20))
    assert answer == [{"ok": False, "error": "the request is too large"}] or "Broken pipe" in answer or "reset" in answer
    assert shared.ctl("hello")[0] == 0


def test_nobody_but_root_reaches_the_control_socket(shared):
    script = "import socket; socket.socket(socket.AF_UNIX).connect('/run/stopper/control.sock')"
    done = subprocess.run(["nsenter", "-t", str(shared.pid), "-m", "-p", "setpriv", "--reuid", "61001", "--regid", "61001", "--clear-groups",
                           "/usr/bin/python3", "-c", script], capture_output=True, text=True, check=False, timeout=WAIT)
    assert "PermissionError" in done.stderr
    mode = shared.rig.run("nsenter", "-t", str(shared.pid), "-m", "stat", "-c", "%a %u %n", "/run/stopper", "/run/stopper/control.sock", "/run/stopper/empty")
    assert mode.split("\n")[:3] == ["700 0 /run/stopper", "600 0 /run/stopper/control.sock", "555 0 /run/stopper/empty"]


# ---- the audit stream

def test_lines_that_nobody_reads_wait_and_none_is_lost(rig):
    rig.mode("stopper-proxy", "audit")
    init = Init(rig, read=False)
    init.pid = child_of(init.process.pid)
    proxy = wait_for(lambda: init.host_pid_of("stopper-proxy"), "the proxy")
    wait_for(lambda: "unix_stream" in wchan(proxy) or "sock" in wchan(proxy), "the worker to wait")
    numbers, ready = [], False
    while len(numbers) < 20000 or not ready:
        raw = init.process.stdout.readline()
        assert raw, init.errors()
        line = json.loads(raw)
        ready = ready or line.get("detail") == "ready"
        if line["kind"] == "test" and "number" in line:
            numbers.append(line["number"])
    assert numbers == list(range(20000))


def wchan(pid):
    with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
        return file.read()


def test_a_stream_without_a_reader_is_the_end(rig):
    init = Init(rig, read=False)
    init.process.stdout.readline()
    init.process.stdout.close()
    assert init.end() == 1
    assert "the audit stream on stdout: its reader is gone: the sidecar ends" in init.errors()


def test_a_line_that_is_no_line_is_an_alarm(rig):
    rig.mode("stopper-dns", "noise")
    init = Init(rig)
    init.audit.wait(kind="lifecycle", verdict="alarm", detail="a worker sent a malformed audit line")
    assert not any("not json" in line for line in init.audit.lines)


def test_a_worker_cannot_speak_for_init_or_write_seals(rig):
    rig.mode("stopper-dns", "forger")
    init = Init(rig)
    init.audit.wait(kind="test", detail="another")
    alarms = [line for line in init.audit.lines if line.get("verdict") == "alarm"]
    assert [line["detail"] for line in alarms] == ["a worker sent a malformed audit line"] * 4
    told = [line["detail"] for line in init.audit.lines if line["kind"] == "test" and "detail" in line]
    assert told == ["before", "genuine", "another"]  # what stands behind a forged line in its packet is not looked at
    assert [line["seq"] for line in init.audit.lines] == list(range(1, len(init.audit.lines) + 1))


# ---- the command line

def test_help_and_version(rig):
    program = os.path.join(rig.dir, "stopper-init")
    assert rig.run(program, "--version") == "stopper-init 0.1.0, control protocol 1\n"
    assert "--die-with-parent" in rig.run(program, "--help")
    assert "wait-ready" in rig.run(program, "ctl", "--help")
    with pytest.raises(Failed, match="usage: stopper-init ctl"):
        rig.run(program, "ctl", "nonsense")
