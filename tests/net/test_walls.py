# SPDX-License-Identifier: GPL-3.0-or-later
"""Each wall: the exact refusal, its line in the audit, a control by the same probe that succeeds, and the proof that the
check fails once that wall is open."""
import json
import re

import pytest

from lab import AGENT_ADDRESS, SIDECAR_ADDRESS
from walls import bites, first_rules_open, forward_open, forwarding, links, policy, routed, rule, ruled, rules_open, several, world_probe
from world import NAMES, RESOLVER, STRANGER

PROXY_USER, DNS_USER = 61001, 61002
ALERT = {"error": "tls", "reason": "TLSV1_ALERT_ACCESS_DENIED"}  # access_denied(49), RFC 8446 section 6.2


def nothing_left(bottle, probe, targets=()):
    """Calls the probe with the egress link captured: nothing may be on it but what goes to the targets."""
    with bottle.capture() as capture:
        answer = probe()
    assert capture.leaks(bottle.address, set(targets)) == []
    return answer


# ---- names ----

def http_to_a_denied_host_is_a_403(bottle):
    mark = bottle.audit.mark()
    answer = nothing_left(bottle, lambda: bottle.agent.http(host="denied.test", path="/secret?query=1"))
    assert answer["status"] == 403
    assert answer["headers"]["content-type"] == "application/problem+json"
    problem = answer["json"]
    assert problem["type"].endswith("host-not-allowed")
    assert problem["title"] == "This host is not named by the bottle's manifest."
    assert problem["detail"] == f"GET denied.test/secret was not forwarded. {problem['title']}"
    assert (problem["status"], problem["host"]) == (403, "denied.test")
    assert "egress.routes" in problem["hint"]
    assert "rule" in problem
    line = bottle.audit.wait(mark, kind="http", verdict="block", reason="host-not-allowed", host="denied.test")
    assert (line["id"], line["method"], line["path"], line["status"]) == (problem["event_id"], "GET", "/secret", 403)
    assert "query=1" not in json.dumps(bottle.audit.lines)


def test_http_to_a_denied_host_is_a_403_that_says_why(bottle, new_bottle):
    http_to_a_denied_host_is_a_403(bottle)
    control = bottle.agent.http(host="plain.test", path="/secret?query=1")
    assert (control["status"], control["body"]) == (200, "I am plain.test at 203.0.113.13\n")
    bites(new_bottle, lambda opened: opened.apply({"protocol": 1, "dns": {"upstreams": [RESOLVER]},
                                                   "routes": [{"host": "denied.test"}]}), http_to_a_denied_host_is_a_403)


def https_to_a_denied_host_is_a_403(bottle):
    mark = bottle.audit.mark()
    answer = nothing_left(bottle, lambda: bottle.agent.https(host="denied.test", ca=None))
    assert answer.get("status") == 403 and answer["json"]["type"].endswith("host-not-allowed")
    bottle.audit.wait(mark, kind="http", verdict="block", reason="host-not-allowed", host="denied.test", port=443)


def test_https_to_a_denied_host_is_a_403_that_says_why(bottle, new_bottle):
    https_to_a_denied_host_is_a_403(bottle)
    mark = bottle.audit.mark()
    control = bottle.agent.https(host="allowed.test")
    assert (control["status"], control["body"]) == (200, "I am allowed.test at 203.0.113.10\n")
    line = bottle.audit.wait(mark, kind="tls", verdict="allow", host="allowed.test")
    assert line["upstream"] == "203.0.113.10:443" and line["rule"] == "allowed.test"
    bites(new_bottle, policy("denied.test"), https_to_a_denied_host_is_a_403)


def test_a_host_that_is_passed_through_is_refused_over_plain_http(bottle, new_bottle):
    def check(bottle):
        mark = bottle.audit.mark()
        answer = bottle.agent.http(host="allowed.test")
        assert answer["status"] == 403 and answer["json"]["type"].endswith("tls-required")
        bottle.audit.wait(mark, kind="http", verdict="block", reason="tls-required", host="allowed.test")
    check(bottle)
    assert bottle.agent.http(host="plain.test")["status"] == 200
    assert bottle.agent.https(host="allowed.test")["status"] == 200
    bites(new_bottle, lambda opened: opened.apply(
        {"protocol": 1, "dns": {"upstreams": [RESOLVER]}, "routes": [{"host": "allowed.test"}]}), check)


def test_an_upstream_is_verified_against_the_roots_and_extra_ca(bottle, new_bottle):
    """plain.test has a certificate of the world's CA, which is no root of this machine's."""
    def check(bottle):
        mark = bottle.audit.mark()
        answer = bottle.agent.https(host="plain.test", ca=None)
        assert answer.get("status") == 502 and "issuer is unknown" in answer["json"]["detail"]
        bottle.audit.wait(mark, kind="http", verdict="block", reason="upstream-tls", host="plain.test")
    check(bottle)
    with open(bottle.lab.world.ca, encoding="ascii") as pem:
        trusting = {"protocol": 1, "dns": {"upstreams": [RESOLVER]}, "routes": [{"host": "plain.test"}], "extra_ca": pem.read()}
    opened = new_bottle()
    opened.apply(trusting)
    assert opened.agent.https(host="plain.test", ca=None)["body"] == "I am plain.test at 203.0.113.13\n"
    bites(new_bottle, lambda opened: opened.apply(trusting), check)


def test_the_name_decides_and_the_address_that_was_dialled_does_not(bottle):
    """An allowed name at a stranger's address comes to the name's own host; nothing goes to the stranger."""
    targets = {("udp", RESOLVER, 53), ("tcp", NAMES["plain.test"], 80), ("tcp", NAMES["allowed.test"], 443)}
    answer = nothing_left(bottle, lambda: bottle.agent.http(host="plain.test", address=STRANGER), targets)
    assert answer["body"] == "I am plain.test at 203.0.113.13\n"
    answer = nothing_left(bottle, lambda: bottle.agent.https(host="allowed.test", address=STRANGER), targets)
    assert answer["body"] == "I am allowed.test at 203.0.113.10\n"


def test_a_wildcard_host_is_reached_and_its_bare_suffix_is_not(bottle):
    assert bottle.agent.https(host="deep.er.sub.test")["body"] == "I am deep.er.sub.test at 203.0.113.12\n"
    mark = bottle.audit.mark()
    assert bottle.agent.https(host="sub.test")["status"] == 403
    bottle.audit.wait(mark, kind="http", verdict="block", reason="host-not-allowed", host="sub.test")


# ---- addresses ----

def test_a_bare_address_is_refused_over_http_and_over_tls_without_a_name(bottle, new_bottle):
    def check(bottle):
        mark = bottle.audit.mark()
        answer = nothing_left(bottle, lambda: bottle.agent.http(host=STRANGER))
        assert (answer["status"], answer["json"]["type"].endswith("address-literal")) == (403, True)
        bottle.audit.wait(mark, kind="http", verdict="block", reason="address-literal", address=STRANGER, port=80)
        answer = nothing_left(bottle, lambda: bottle.agent.https(host=STRANGER, sni=False))
        assert (answer["status"], answer["json"]["type"].endswith("address-literal")) == (403, True)
        bottle.audit.wait(mark, kind="http", verdict="block", reason="address-literal", address=STRANGER, port=443)
    check(bottle)
    assert bottle.agent.http(host="plain.test", address=STRANGER)["status"] == 200
    bites(new_bottle, routed(f"ip daddr {STRANGER}"), check)


@pytest.mark.parametrize("name", ["metadata.test", "loopback.test", "rebind.test", "lan.test"])
def test_an_allowed_name_that_leads_inside_is_refused(bottle, name):
    """Metadata services, loopback, reserved and private ranges: whatever a name resolves to, they are not dialled."""
    mark = bottle.audit.mark()
    answer = nothing_left(bottle, lambda: bottle.agent.https(host=name, address=STRANGER), {("udp", RESOLVER, 53)})
    assert answer == ALERT
    bottle.audit.wait(mark, kind="tls", verdict="block", reason="address-refused", host=name)
    found = bottle.agent.dns(server=STRANGER, name=name)
    assert (found["rcode"], found["addresses"], found["ede"]) == (2, [], [17])
    bottle.audit.wait(mark, kind="dns", verdict="block", reason="dns-address", host=name)


def test_a_private_address_is_reached_where_the_route_names_its_range(bottle, new_bottle):
    assert bottle.agent.https(host="private.test")["body"] == "I am private.test at 10.1.2.3\n"

    def check(bottle):
        assert bottle.agent.https(host="lan.test", address=STRANGER) == ALERT

    def opened(bottle):
        bottle.apply({"protocol": 1, "dns": {"upstreams": [RESOLVER]}, "routes": [
            {"host": "lan.test", "tls": {"passthrough": True}, "allow_private": ["10.9.0.0/16"]}]})
    bites(new_bottle, opened, check)


def test_of_mixed_answers_only_the_public_address_is_given(bottle):
    assert bottle.agent.dns(server=RESOLVER, name="mixed.test")["addresses"] == [NAMES["allowed.test"]]


def test_the_sidecars_own_addresses_are_no_way_in(bottle, new_bottle):
    def check(bottle):
        for address in SIDECAR_ADDRESS, bottle.address:
            mark = bottle.audit.mark()
            answer = nothing_left(bottle, lambda: bottle.agent.http(host=address))
            assert answer.get("status") == 403 and answer["json"]["type"].endswith("address-literal")
            bottle.audit.wait(mark, kind="http", verdict="block", reason="address-literal", address=address)
            mark = bottle.audit.mark()
            answer = bottle.agent.tcp(address=address, port=22, send="hello\r\n\r\n")
            assert (answer["data"], answer["error"]) == ("", "ECONNRESET")
            bottle.audit.wait(mark, kind="tcp", verdict="block", reason="protocol-unknown", address=address, port=22)
    check(bottle)
    assert bottle.agent.http(host="plain.test", address=bottle.address)["status"] == 200
    bites(new_bottle, several(ruled("nat", f"ip daddr {SIDECAR_ADDRESS} accept"), ruled("input", "iifname agent0 accept")), check)


def test_the_proxys_own_port_cannot_be_dialled(bottle, new_bottle):
    """A dial of the listener itself is left as it is by the redirection, so it carries no sign of it, and is reset before
    the listener sees it."""
    def check(bottle):
        mark = bottle.audit.mark()
        answer = bottle.agent.tcp(address=SIDECAR_ADDRESS, port=9443, send="hello\r\n\r\n")
        assert (answer["connected"], answer["error"]) == (False, "ECONNREFUSED")
        bottle.audit.wait(mark, kind="packet", verdict="block", reason="not-redirected", seconds=5)
    check(bottle)
    assert bottle.agent.http(host="plain.test", address=SIDECAR_ADDRESS)["status"] == 200
    bites(new_bottle, ruled("input", "tcp dport 9443 accept"), check)


# ---- other protocols ----

def other_ports_are_reset(bottle):
    for port in 25, 853, 5432, 9999:
        mark = bottle.audit.mark()
        answer = nothing_left(bottle, lambda: bottle.agent.tcp(address=STRANGER, port=port, send="hello\r\n\r\n"))
        assert answer == {"connected": True, "data": "", "error": "ECONNRESET"}
        bottle.audit.wait(mark, kind="tcp", verdict="block", reason="protocol-unknown", address=STRANGER, port=port)


def test_other_tcp_ports_are_reset_as_soon_as_the_client_speaks(bottle, new_bottle):
    other_ports_are_reset(bottle)
    assert world_probe(bottle, "tcp", address=STRANGER, port=9999, send="hello\r\n")["data"] == "caught\n"
    bites(new_bottle, routed(f"ip daddr {STRANGER}"), other_ports_are_reset)


def test_http_and_tls_to_an_allowed_host_on_another_port_are_refused(bottle, new_bottle):
    def check(bottle):
        mark = bottle.audit.mark()
        answer = nothing_left(bottle, lambda: bottle.agent.http(host="plain.test:8080", address=NAMES["plain.test"], port=8080))
        assert answer.get("status") == 403 and answer["json"]["type"].endswith("port-not-allowed")
        bottle.audit.wait(mark, kind="http", verdict="block", reason="port-not-allowed", port=8080)
        for port in 853, 8443:
            answer = nothing_left(bottle, lambda: bottle.agent.https(host="allowed.test", address=NAMES["allowed.test"], port=port))
            assert answer.get("status") == 403 and answer["json"]["type"].endswith("port-not-allowed")
            bottle.audit.wait(mark, kind="http", verdict="block", reason="port-not-allowed", host="allowed.test", port=port)
    check(bottle)
    assert bottle.agent.https(host="allowed.test")["status"] == 200
    bites(new_bottle, routed("tcp dport { 853, 8080, 8443 }"), check)


def test_ssh_is_disconnected_in_band_with_the_reason(bottle, new_bottle):
    def check(bottle):
        mark = bottle.audit.mark()
        answer = nothing_left(bottle, lambda: bottle.agent.tcp(address=NAMES["ssh.test"], port=22, send="SSH-2.0-test\r\n", timeout=2))
        assert answer["data"].startswith("SSH-2.0-")
        packet = answer["data"].partition("\r\n")[2].encode("latin-1")
        assert packet[5] == 1                                            # SSH_MSG_DISCONNECT, RFC 4253 section 11.1
        assert int.from_bytes(packet[6:10], "big") in (1, 11)            # not allowed to connect, by application
        length = int.from_bytes(packet[10:14], "big")
        assert packet[14:14 + length].decode().startswith("SSH is not a way out of this bottle.")
        bottle.audit.wait(mark, kind="tcp", verdict="block", reason="ssh", address=NAMES["ssh.test"], port=22)
    check(bottle)
    assert "OpenSSH" in world_probe(bottle, "tcp", address=NAMES["ssh.test"], port=22, send="SSH-2.0-test\r\n", limit=20)["data"]
    bites(new_bottle, routed("tcp dport 22"), check)


def test_quic_and_other_udp_are_rejected_as_prohibited(bottle, new_bottle):
    def check(bottle):
        for port in 443, 5353, 9999:
            mark = bottle.audit.mark()
            answer = nothing_left(bottle, lambda: bottle.agent.udp(address=STRANGER, port=port))
            assert answer == {"error": "EHOSTUNREACH"}  # icmp(7): what the kernel makes of "admin prohibited"
            bottle.audit.wait(mark, kind="packet", verdict="block", reason="packet", protocol="udp", address=STRANGER, port=port)
    check(bottle)
    for port in 443, 5353, 9999:
        assert world_probe(bottle, "udp", address=STRANGER, port=port) == {"data": "caught\n"}
    bites(new_bottle, routed(f"ip daddr {STRANGER}"), check)


def test_icmp_is_rejected_as_prohibited_even_for_one_with_raw_sockets(bottle, new_bottle):
    """The agent has no raw socket; this is root in its namespace, past the shim."""
    def check(bottle):
        for address in STRANGER, SIDECAR_ADDRESS, bottle.address:
            mark = bottle.audit.mark()
            answer = nothing_left(bottle, lambda: bottle.bare("ping", address=address))
            assert answer == {"icmp": [3, 13], "from": SIDECAR_ADDRESS}
            bottle.audit.wait(mark, kind="packet", verdict="block", reason="packet", protocol="icmp", address=address)
    check(bottle)
    assert world_probe(bottle, "ping", address=STRANGER)["icmp"] == [0, 0]
    bites(new_bottle, several(routed(f"ip daddr {STRANGER}")), check)


def test_a_spoofed_source_is_dropped_and_counted(bottle, new_bottle):
    """Root in the agent's namespace, past the shim, sends with an address that is not the agent's."""
    def spoof(bottle):
        links_of_agent = links(bottle.inner.pid)["agent0"]["addr_info"]
        assert [entry["local"] for entry in links_of_agent if entry["family"] == "inet"] == [AGENT_ADDRESS]
        return bottle.bare("udp", address=RESOLVER, port=53, source="203.0.113.200", timeout=0.3)

    def check(bottle):
        mark = bottle.audit.mark()
        with bottle.capture() as capture:
            assert spoof(bottle) == {"error": "timeout"}
        assert not [frame for frame in capture.frames if frame.kind == "udp"]
        bottle.audit.wait(mark, kind="packet", verdict="block", reason="packet-spoofed", seconds=5)
    check(bottle)
    assert bottle.bare("dns", server=RESOLVER, name="allowed.test")["addresses"] == [NAMES["allowed.test"]]
    bites(new_bottle, routed("ip saddr 203.0.113.200"), check)


# ---- names as a way out ----

def asks_nothing_upstream(bottle, label, *questions):
    """Asks; returns the answers after making sure that the label was never on the egress link."""
    with bottle.capture() as capture:
        answers = [bottle.agent.dns(server=server, name=name, kind=kind, over=over) for server, name, kind, over in questions]
    assert capture.holds(label) == []
    assert capture.leaks(bottle.address, set()) == []
    return answers


def test_a_denied_name_gets_the_sidecars_address_and_is_never_asked_upstream(bottle, new_bottle):
    label = "bm90LWEtc2VjcmV0"

    def check(bottle):
        mark, name = bottle.audit.mark(), f"{label}.attacker.test"
        answers = asks_nothing_upstream(bottle, label, (RESOLVER, name, "A", "udp"), (STRANGER, name, "A", "tcp"),
                                        (SIDECAR_ADDRESS, name, "A", "udp"))
        assert [(answer["rcode"], answer["addresses"], answer["ede"]) for answer in answers] == [(0, [SIDECAR_ADDRESS], [15])] * 3
        bottle.audit.wait(mark, kind="dns", verdict="block", reason="dns-name", host=name)
    check(bottle)
    with bottle.capture() as capture:
        assert bottle.agent.dns(server=STRANGER, name="other.test")["addresses"] == [NAMES["other.test"]]
    assert capture.holds("other")
    bites(new_bottle, routed("udp dport 53"), check)


def test_a_label_under_a_wildcard_is_no_way_out(bottle, new_bottle):
    label = "bm90LWEtc2VjcmV0"

    def check(bottle):
        answer, = asks_nothing_upstream(bottle, label, (RESOLVER, f"{label}.sub.test", "A", "udp"))
        assert (answer["rcode"], answer["addresses"]) == (0, [SIDECAR_ADDRESS])
    check(bottle)
    assert bottle.agent.https(host="wild.sub.test")["status"] == 200
    bites(new_bottle, policy(f"{label}.sub.test"), check)


@pytest.mark.parametrize("kind", ["TXT", "MX", "SRV", "PTR", "AAAA", "HTTPS", "ANY"])
def test_other_record_types_carry_nothing(bottle, new_bottle, kind):
    mark = bottle.audit.mark()
    for name in "allowed.test", "c2VjcmV0.attacker.test":
        answer, = asks_nothing_upstream(bottle, name.partition(".")[0], (RESOLVER, name, kind, "udp"))
        assert (answer["types"], answer["addresses"]) == ([], [])
        assert answer["rcode"] in (0, 5)
    bottle.audit.wait(mark, kind="dns", verdict="block", host="c2VjcmV0.attacker.test")


def test_the_record_types_wall_can_be_seen_to_fail(new_bottle):
    def check(bottle):
        answer, = asks_nothing_upstream(bottle, "allowed", (RESOLVER, "allowed.test", "TXT", "udp"))
        assert answer["types"] == []
    bites(new_bottle, routed("udp dport 53"), check)


def test_a_doh_server_is_a_host_like_any_other(bottle, new_bottle):
    def check(bottle):
        mark = bottle.audit.mark()
        assert bottle.agent.https(host="dns.google", address="8.8.8.8", path="/dns-query?dns=AAAA").get("status") == 403
        bottle.audit.wait(mark, kind="http", verdict="block", reason="host-not-allowed", host="dns.google", address="8.8.8.8")
    check(bottle)
    bites(new_bottle, routed("ip daddr 8.8.8.8"), check)


def test_the_internal_resolver_is_out_of_the_agents_reach(bottle):
    for address in SIDECAR_ADDRESS, "127.0.0.1":
        answer = bottle.agent.dns(server=address, name="wild.sub.test", port=9054)
        assert answer["error"] == ("EHOSTUNREACH" if address == SIDECAR_ADDRESS else "ECONNREFUSED")
    answer = bottle.as_user(PROXY_USER, "dns", server="127.0.0.1", name="wild.sub.test", port=9054)
    assert answer["addresses"] == [NAMES["wild.sub.test"]]


# ---- IPv6 ----

def test_the_agent_has_no_ipv6_at_all(bottle):
    assert bottle.agent.udp(address="2001:db8::53", port=53)["error"] in ("EHOSTUNREACH", "ENETUNREACH")
    assert [entry for entry in links(bottle.inner.pid)["agent0"]["addr_info"] if entry["family"] == "inet6"] == []


def test_ipv6_of_one_who_switched_it_on_again_is_rejected(new_bottle):
    """Root in the agent's namespace, past the shim, gives itself an address and a route; the sidecar is given a way back, so
    that its rejection is seen."""
    bottle = new_bottle()
    there, here = links(bottle.pid)["agent0"]["address"], links(bottle.inner.pid)["agent0"]["address"]

    def agents(*words):
        bottle.lab.run("nsenter", "-t", str(bottle.inner.pid), "-n", *words)
    agents("sysctl", "-qw", "net.ipv6.conf.agent0.disable_ipv6=0")
    agents("ip", "-6", "route", "flush", "type", "unreachable")
    agents("ip", "-6", "address", "add", "2001:db8:7::2/64", "dev", "agent0", "nodad")
    agents("ip", "-6", "neigh", "replace", "2001:db8:7::1", "lladdr", there, "dev", "agent0")
    agents("ip", "-6", "route", "add", "default", "via", "2001:db8:7::1")
    bottle.sidecar_run("ip", "-6", "address", "add", "2001:db8:7::1/64", "dev", "agent0", "nodad")  # its link-local one may be tentative
    bottle.sidecar_run("ip", "-6", "neigh", "replace", "2001:db8:7::2", "lladdr", here, "dev", "agent0")

    def check(bottle):
        mark = bottle.audit.mark()
        with bottle.capture() as capture:
            answer = bottle.bare("udp", address="2001:db8::53", port=9999, timeout=1)
        assert [frame for frame in capture.frames if frame.target == "2001:db8::53"] == []
        assert answer == {"error": "EACCES"}  # ipv6: what the kernel makes of "admin prohibited"
        bottle.audit.wait(mark, kind="packet", verdict="block", reason="packet-ipv6", seconds=5)
    check(bottle)
    for chain in "agent", "forward", "output":
        rule(bottle, chain, "meta nfproto ipv6 accept")
    forwarding(bottle)
    bottle.sidecar_run("ip", "-6", "address", "add", "2001:db8:6::2/64", "dev", "egress0", "nodad")
    bottle.sidecar_run("ip", "-6", "neigh", "replace", "2001:db8:6::1", "lladdr", "02:00:00:00:00:01", "dev", "egress0")
    bottle.sidecar_run("ip", "-6", "route", "replace", "default", "via", "2001:db8:6::1")
    with pytest.raises(AssertionError, match="udp 2001:db8:7::2"):
        check(bottle)


# ---- the sidecar itself ----

def test_the_sidecar_forwards_nothing(bottle, new_bottle):
    def check(bottle):
        for link in "egress0", "agent0":
            for family in "ipv4", "ipv6":
                setting = bottle.sidecar_run("cat", f"/proc/sys/net/{family}/conf/{link}/forwarding")
                assert setting == "0\n", (family, link)
    check(bottle)
    bites(new_bottle, forwarding, check)


def unanswered(bottle):
    assert nothing_left(bottle, lambda: bottle.agent.udp(address=STRANGER, port=9999, timeout=0.5)) == {"error": "timeout"}


def test_without_forwarding_nothing_passes_where_every_rule_would_let_it(new_bottle):
    """The wall that holds when rules are lost."""
    bottle = new_bottle()
    rules_open(bottle, f"ip daddr {STRANGER}")
    unanswered(bottle)
    assert bottle.agent.https(host="allowed.test")["status"] == 200
    forwarding(bottle)
    assert bottle.agent.udp(address=STRANGER, port=9999) == {"data": "caught\n"}


def test_the_forward_chain_refuses_what_a_router_would_pass_and_raises_an_alarm(new_bottle):
    """The wall that holds when somebody switches forwarding on."""
    bottle = new_bottle()
    first_rules_open(bottle, f"ip daddr {STRANGER}")
    forwarding(bottle)
    mark = bottle.audit.mark()
    unanswered(bottle)
    bottle.audit.wait(mark, kind="packet", verdict="alarm", rule="wall", detail=re.compile("packets came to forwarding"))
    assert bottle.agent.https(host="allowed.test")["status"] == 200
    forward_open(bottle, f"ip daddr {STRANGER}")
    assert bottle.agent.udp(address=STRANGER, port=9999) == {"data": "caught\n"}


def test_packets_from_outside_for_the_agent_go_nowhere(new_bottle):
    def check(bottle):
        assert world_probe(bottle, "tcp", address=AGENT_ADDRESS, port=9, timeout=0.3)["error"] == "timeout"
    bottle = new_bottle()
    bottle.lab.world.space.run("ip", "route", "replace", "10.7.7.0/30", "via", bottle.address)
    check(bottle)
    rule(bottle, "forward", "accept")
    forwarding(bottle)
    assert world_probe(bottle, "tcp", address=AGENT_ADDRESS, port=9, timeout=5)["error"] == "ECONNREFUSED"
    with pytest.raises(AssertionError):
        check(bottle)


def test_nothing_can_be_opened_from_the_egress_side(new_bottle):
    def check(bottle):
        for address in bottle.address, SIDECAR_ADDRESS:
            for port in 9443, 9053, 22:
                assert world_probe(bottle, "tcp", address=address, port=port, timeout=0.3)["error"] == "timeout"
            assert world_probe(bottle, "udp", address=address, port=9053, timeout=0.3)["error"] == "timeout"
            assert world_probe(bottle, "ping", address=address, timeout=0.3)["error"] == "timeout"
    bottle = new_bottle()
    bottle.lab.world.space.run("ip", "route", "replace", "10.7.7.0/30", "via", bottle.address)
    check(bottle)
    rule(bottle, "input", "iifname egress0 accept")
    # the proxy resets what was not redirected, sometimes before connect() returns
    assert world_probe(bottle, "tcp", address=SIDECAR_ADDRESS, port=9443, timeout=5)["error"] == "ECONNRESET"
    with pytest.raises(AssertionError):
        check(bottle)


DIALS = [  # who, what, how it ends; the wall rejects: EPERM from send, EHOSTUNREACH from connect
    (DNS_USER, "dns", {"server": RESOLVER, "name": "other.test"}, None),
    (DNS_USER, "udp", {"address": STRANGER, "port": 9999}, "EPERM"),
    (DNS_USER, "tcp", {"address": STRANGER, "port": 9999}, "EHOSTUNREACH"),
    (DNS_USER, "dns", {"server": "169.254.169.254", "name": "other.test"}, "EPERM"),
    (PROXY_USER, "tcp", {"address": STRANGER, "port": 9999}, None),
    (PROXY_USER, "udp", {"address": STRANGER, "port": 9999}, "EPERM"),
    (PROXY_USER, "dns", {"server": RESOLVER, "name": "other.test"}, "EPERM"),
    (PROXY_USER, "tcp", {"address": "169.254.169.254", "port": 80}, "EHOSTUNREACH"),
    (PROXY_USER, "tcp", {"address": AGENT_ADDRESS, "port": 9}, "EHOSTUNREACH"),
]


@pytest.mark.parametrize("user, probe, arguments, error", DIALS)
def test_a_worker_may_dial_only_what_is_its_own(bottle, user, probe, arguments, error):
    """A process with the worker's user, in the sidecar's namespace: what a worker that was taken over could do."""
    answer = bottle.as_user(user, probe, **{**arguments, "timeout": 3})
    if error is None:
        assert answer.get("data") == "caught\n" or answer.get("addresses") == [NAMES["other.test"]], answer
    else:
        assert answer["error"] == error


@pytest.mark.parametrize("user", [0, 1000])
def test_no_other_user_of_the_sidecar_dials_anything(bottle, user):
    answer = bottle.as_user(user, "tcp", address=STRANGER, port=9999, timeout=0.5)
    assert answer == {"connected": False, "data": "", "error": "timeout"}


def test_the_wall_of_users_can_be_seen_to_fail(new_bottle):
    def check(bottle):
        for user, probe, arguments, error in DIALS:
            if error:
                assert bottle.as_user(user, probe, **{**arguments, "timeout": 1}).get("error") == error
    bites(new_bottle, ruled("output", "accept"), check)
