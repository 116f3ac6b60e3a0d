# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-init by itself, with stand-ins for its workers: its wall, rule by rule."""
import json
import os
import signal
import socket
import struct

import pytest

import probes
from init_rig import serve
from init_rig import AGENT, EGRESS, HERE, POLICY, SIDECAR, STRANGER, WORLD, Init
from init_rig import rig, shared  # noqa: F401 (fixtures)
from spaces import wait_for

GOLDEN = os.path.join(HERE, "..", "golden", "ruleset.nft")
METADATA = "169.254.169.254"


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
    answers = [rig.agent.call(probes.udp, "fd00::1", 53, timeout=2)["error"] for _ in range(20)]
    assert set(answers) <= {"EACCES", "timeout"} and answers.count("EACCES") >= 17  # no rate is limited; a busy kernel drops one
    assert rig.agent.call(probes.tcp, "fd00::1", 80)["error"] == "EACCES"
    init.audit.wait(kind="packet", verdict="block", reason="packet-ipv6", protocol="ipv6")
    sock = serve(rig.sidecar, socket.SOCK_DGRAM, "0.0.0.0", 7777)
    rig.delete_rule("agent", "nfproto ipv6")
    rig.nft("insert", "rule", "inet", "stopper", "agent", "accept")
    rig.nft("insert", "rule", "inet", "stopper", "input", "accept")
    rig.nft("insert", "rule", "inet", "stopper", "output", "accept")
    wait_for(lambda: rig.agent.call(probes.udp, "fd00::1", 7778, timeout=2) == {"error": "ECONNREFUSED"}, "the sidecar's own refusal")
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
