# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-dns as its clients see it: what each name and type gets, what goes upstream, what is written."""
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

import pytest

from dns_rig import (A, AAAA, AGENT_SIDE, ANY, HTTPS, INTERNAL, NOERROR, NSD, NXDOMAIN, PTR, REFUSED, SERVFAIL,
                     SIDECAR, SOA, SRV, SVCB, TXT, Message, Rig, a, cname, opt, query, read_frame, reply_to, soa,
                     wait_until)

PUBLIC = "198.51.100.10"


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.close()


@pytest.fixture
def deaf():
    made = Rig(deaf=True)
    yield made
    made.close()


def answering(*records, **named):
    """An upstream that gives these records to whatever it is asked; `{}` in their owner is the name asked for."""
    return lambda wire, tcp: [reply_to(wire, [r(Message(wire).question[0]) for r in records], **named)]


def test_an_allowed_name_gets_its_addresses_from_upstream_once(rig):
    rig.first.answer = answering(lambda n: a(n, PUBLIC, 60))
    rig.worker.apply(["api.test"])
    answer = rig.ask("api.test")
    assert answer.addresses == [PUBLIC] and answer.ttls == [60] and answer.ede is None
    line = rig.worker.line(verdict="allow", host="api.test", protocol="A")
    assert line["kind"] == "dns" and line["rule"] == "api.test" and line["upstream"] == "192.0.2.53:53"
    assert rig.ask("api.test").addresses == [PUBLIC]
    rig.worker.wait_count(2)
    assert len(rig.first.asked) == 1


def test_the_ttl_ages_is_bounded_and_ends(rig):
    ttls = {"short.test": 2, "long.test": 86400, "zero.test": 0}
    rig.first.answer = lambda wire, tcp: [reply_to(wire, [a(Message(wire).question[0], PUBLIC,
                                                            ttls[Message(wire).question[0].lower()])])]
    rig.worker.apply(list(ttls))
    assert rig.ask("long.test").ttls == [300]
    assert rig.ask("zero.test").ttls == [1]
    assert rig.ask("short.test").ttls == [2]
    wait_until(lambda: rig.ask("short.test").ttls == [1])
    assert rig.first.names().count("short.test") == 1
    wait_until(lambda: rig.ask("short.test").ttls == [2])
    assert rig.first.names().count("short.test") == 2
    assert 296 <= rig.ask("long.test").ttls[0] < 300


def test_what_goes_upstream_is_the_policys_name_and_nothing_of_the_agents(rig):
    rig.first.answer = answering(lambda n: a(n, PUBLIC))
    rig.worker.apply(["api.test"])
    cookie = struct.pack("!HH8s", 10, 8, b"secret!!")
    answer = Message(rig.exchange(query("aPi.TeSt", ident=0x1234, flags=0x0130, edns=opt(4096, options=cookie, flags=0x8000))))
    assert answer.id == 0x1234 and answer.question == ("aPi.TeSt", A, 1) and answer.addresses == [PUBLIC]
    assert [r[3] for r in answer.additional] == [b""], "no option comes back"
    asked = rig.first.asked[0]
    assert b"secret" not in asked and read(asked).lower() == "api.test"
    assert asked[2:4] == b"\x01\x00" and asked[-11:] == opt(1232)
    for _ in range(20):  # ids, ports and letter case differ from query to query
        rig.worker.apply(["api.test"])
        rig.ask("api.test")
    assert len({wire[:2] for wire in rig.first.asked}) > 15
    assert len({read(wire) for wire in rig.first.asked}) > 5


def read(wire):
    return Message(wire).question[0]


def test_denied_names_get_the_sidecars_address_and_nothing_is_asked_upstream(rig):
    rig.first.answer = answering(lambda n: a(n, PUBLIC))
    rig.worker.apply(["api.test", "*.wild.test"])
    for name in ("secret-42.evil.test", "x.api.test", "test", "wild.test", "1.2.3.4", "a b.test", "api.test\0.test"):
        answer = rig.ask(name)
        assert answer.addresses == [SIDECAR] and answer.ttls == [5] and answer.ede == 15, name
    for qtype in (AAAA, HTTPS, SVCB):
        assert rig.ask("secret-43.evil.test", qtype).nodata
    for qtype in (TXT, SRV, ANY, 65280):
        answer = rig.ask("secret-44.evil.test", qtype)
        assert answer.rcode == REFUSED and answer.ede == 21 and not answer.answers
    assert rig.ask("4.3.2.1.in-addr.arpa", PTR).rcode == REFUSED
    assert rig.ask("api.test", qclass=3).rcode == REFUSED
    line = rig.worker.line(host="secret-42.evil.test")
    assert line["verdict"] == "block" and line["reason"] == "dns-name" and line["protocol"] == "A" and "rule" not in line
    assert rig.worker.line(host="secret-44.evil.test", protocol="TYPE65280")["reason"] == "dns-type"
    assert rig.worker.line(host="a\\032b.test") and rig.worker.line(host="4.3.2.1.in-addr.arpa", protocol="PTR")
    assert rig.ask("api.test").addresses == [PUBLIC]  # the control: this one does go out
    assert rig.first.names() == ["api.test"] and not rig.second.asked


def test_names_under_a_wildcard_get_the_sidecars_address_and_nothing_is_asked_upstream(rig):
    rig.first.answer = answering(lambda n: a(n, PUBLIC))
    rig.worker.apply(["*.wild.test", "exact.wild.test"])
    for name in ("a.wild.test", "secret.a.wild.test", "A.WILD.test"):
        answer = rig.ask(name)
        assert answer.addresses == [SIDECAR] and answer.ede is None and answer.ttls == [30]
        assert rig.ask(name, AAAA).nodata
    assert rig.worker.line(host="secret.a.wild.test")["rule"] == "*.wild.test"
    assert rig.ask("exact.wild.test").addresses == [PUBLIC]
    assert rig.first.names() == ["exact.wild.test"]


def test_other_types_of_an_allowed_name_hold_no_data(rig):
    rig.worker.apply(["api.test"])
    for qtype in (AAAA, HTTPS, SVCB):
        answer = rig.ask("api.test", qtype)
        assert answer.nodata and answer.ede is None
        assert rig.worker.line(host="api.test", protocol={AAAA: "AAAA", HTTPS: "HTTPS", SVCB: "SVCB"}[qtype])["verdict"] == "allow"
    for qtype in (TXT, SRV, SOA):
        answer = rig.ask("api.test", qtype)
        assert answer.nodata and answer.ede == 21
    assert rig.ask("api.test", ANY).rcode == REFUSED
    assert rig.worker.line(host="api.test", protocol="TXT")["reason"] == "dns-type"
    assert not rig.first.asked


def test_addresses_that_must_not_be_dialled_are_removed(rig):
    hosts = {"mixed.test": ["127.0.0.1", PUBLIC, "10.1.2.3", "169.254.169.254"], "bad.test": ["10.1.2.3", "127.0.0.1"],
             "own.test": ["192.0.2.7"], "lan.test": ["10.1.2.3", "10.2.2.3"], "zero.test": ["0.0.0.0"]}
    rig.first.answer = lambda wire, tcp: [reply_to(wire, [a(read(wire), x) for x in hosts[read(wire).lower()]])]
    rig.worker.apply(["mixed.test", "bad.test", "own.test", "zero.test", {"host": "lan.test", "allow_private": ["10.1.0.0/16"]}])
    assert rig.ask("mixed.test").addresses == [PUBLIC]
    for name in ("bad.test", "own.test", "zero.test"):
        for edns in (opt(), b""):
            answer = rig.ask(name, edns=edns)
            assert answer.rcode == SERVFAIL and not answer.answers and answer.ede == (17 if edns else None)
        line = rig.worker.line(host=name)
        assert line["verdict"] == "block" and line["reason"] == "dns-address" and line["rule"] == name
    assert rig.ask("lan.test").addresses == ["10.1.2.3"]


def test_a_chain_of_aliases_is_flattened_and_strangers_in_the_answer_are_ignored(rig):
    rig.first.answer = lambda wire, tcp: [reply_to(wire, [
        a("cdn.example", PUBLIC, 40), cname("www.test", "Edge.example", 30), a("other.example", "203.0.113.66"),
        cname("edge.example", "cdn.example", 50), a("www.test", "203.0.113.67")])]
    rig.worker.apply(["www.test"])
    answer = rig.ask("www.test")
    assert [(r[0], r[1], r[2]) for r in answer.answers] == [("www.test", A, 30)] and answer.addresses == [PUBLIC]


def test_nxdomain_and_nodata_are_passed_on_and_remembered(rig):
    rig.first.answer = lambda wire, tcp: [reply_to(wire, authority=[soa("test", 1000, 40)],
                                                   rcode=NXDOMAIN if b"ne" in wire.lower() else NOERROR)]
    rig.worker.apply(["none.test", "empty.test"])
    for _ in range(2):
        answer = rig.ask("none.test")
        assert answer.rcode == NXDOMAIN and answer.authority[0][0] == "none.test" and answer.authority[0][2] in (39, 40)
        assert rig.ask("empty.test").nodata
    assert len(rig.first.asked) == 2
    assert rig.worker.line(host="none.test")["status"] == NXDOMAIN


def test_the_internal_resolver_gives_real_answers_for_all_names_of_the_policy_and_for_no_others(rig):
    rig.first.answer = answering(lambda n: a(n, "127.0.0.1" if "bad" in n.lower() else PUBLIC))
    rig.worker.apply(["api.test", "*.wild.test"])
    for name in ("api.test", "a.b.wild.test"):
        assert rig.ask(name, to=INTERNAL).addresses == [PUBLIC]
        assert rig.ask(name, AAAA, to=INTERNAL).rcode == REFUSED
    answer = rig.ask("bad.wild.test", to=INTERNAL)
    assert answer.rcode == SERVFAIL and answer.ede == 17
    assert rig.ask("evil.test", to=INTERNAL).rcode == REFUSED
    assert sorted(rig.first.names()) == ["a.b.wild.test", "api.test", "bad.wild.test"]
    assert rig.ask("api.test").addresses == [PUBLIC]
    assert len(rig.first.asked) == 3  # one cache for both
    assert rig.worker.line(host="api.test") and rig.worker.count() == 1


HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJp2Z0hNnAqRVlrvNWbAgQwZcGWdyDoLSbLyUnyIRHHi"


def repos(*hosts):
    return {"repos": [{"name": host, "url": f"ssh://git@{host}/x.git", "host_key": HOST_KEY} for host in hosts]}


def test_the_internal_resolver_knows_the_hosts_of_repositories_which_the_agents_side_does_not(rig):
    private, both = "10.1.2.3", "both.test"
    rig.first.answer = lambda wire, tcp: [reply_to(wire, [a(None, each) for each in (
        ["127.0.0.1", "10.7.7.2"] if b"bad" in wire.lower() else [private, PUBLIC] if b"both" in wire.lower() else [private])])]
    rig.worker.apply([both], gate=repos("git.test", "bad.test", both))
    assert rig.ask("git.test", to=INTERNAL).addresses == [private]
    assert rig.ask("git.test", AAAA, to=INTERNAL).rcode == REFUSED
    assert rig.ask("git.test").addresses == [SIDECAR] and rig.worker.line(host="git.test", reason="dns-name")
    answer = rig.ask("bad.test", to=INTERNAL)
    assert (answer.rcode, answer.ede, answer.addresses) == (SERVFAIL, 17, [])
    assert rig.ask("x.git.test", to=INTERNAL).rcode == REFUSED
    for _ in range(2):  # whoever asks first, the agent learns what the route may lead to
        assert rig.ask(both, to=INTERNAL).addresses == [private, PUBLIC]
        assert rig.ask(both).addresses == [PUBLIC]
    assert sorted(rig.first.names()) == ["bad.test", both, "git.test"]
    rig.worker.apply([both])
    assert rig.ask("git.test", to=INTERNAL).rcode == REFUSED
    assert rig.ask(both, to=INTERNAL).addresses == [PUBLIC]
    rig.worker.apply([both], gate=repos("git.test"), closed=True)
    assert rig.ask("git.test", to=INTERNAL).rcode == REFUSED


def test_without_a_policy_everything_is_refused(rig):
    for to in (AGENT_SIDE, INTERNAL):
        for qtype in (A, AAAA, TXT):
            answer = rig.ask("api.test", qtype, to=to)
            assert answer.rcode == REFUSED and answer.ede == 14 and not answer.answers
    assert rig.worker.line(host="api.test", reason="no-policy")["verdict"] == "block"
    rig.first.answer = answering(lambda n: a(n, PUBLIC))
    rig.worker.apply(["api.test"])
    assert rig.ask("api.test").addresses == [PUBLIC]


def test_a_policy_rules_at_once_over_the_addresses_of_a_name_that_stays(rig):
    rig.first.answer = answering(lambda n: a(n, "10.1.2.3"))
    rig.worker.apply([{"host": "lan.test", "allow_private": ["10.0.0.0/8"]}])
    assert rig.ask("lan.test").addresses == ["10.1.2.3"]
    rig.worker.apply(["lan.test"])
    assert rig.ask("lan.test").ede == 17


def test_queries_for_a_name_that_is_being_asked_for_join_its_flight(rig):
    rig.worker.apply(["api.test"])
    rig.agent.connect(AGENT_SIDE)
    with rig.connect() as stream:
        for ident in range(40):
            rig.agent.send(query("api.test", ident=ident))
        for ident in range(100, 110):
            wire = query("API.test", ident=ident)
            stream.sendall(struct.pack("!H", len(wire)) + wire)
        rig.first.wait(1)
        time.sleep(0.2)
        rig.first.udp.sendto(reply_to(rig.first.asked[0], [a("api.test", PUBLIC)]), rig.first.peer)
        messages = [Message(rig.agent.recv(4096)) for _ in range(40)] + [Message(read_frame(stream)) for _ in range(10)]
    assert sorted(m.id for m in messages) == [*range(40), *range(100, 110)]
    assert all(m.addresses == [PUBLIC] for m in messages) and len(rig.first.asked) == 1
    rig.worker.wait_count(50)


def test_tcp_pipelines_takes_split_messages_and_survives_broken_ones(rig):
    rig.first.answer = answering(lambda n: a(n, PUBLIC))
    rig.worker.apply(["api.test"])
    frames = b"".join(struct.pack("!H", len(q)) + q for q in (query("api.test", ident=i) for i in range(200)))
    with rig.connect() as stream:
        for at in range(0, len(frames), 997):
            stream.sendall(frames[at:at + 997])
        assert sorted(Message(read_frame(stream)).id for _ in range(200)) == list(range(200))
        for byte in struct.pack("!H", 26) + query("api.test", ident=7):
            stream.sendall(bytes([byte]))
        assert Message(read_frame(stream)).addresses == [PUBLIC]
        stream.shutdown(socket.SHUT_WR)
        assert read_frame(stream) == b""
    for junk in (b"\0\0", b"\xff\xff" + b"x" * 3000, b"\0\5hello"):
        with rig.connect() as stream:
            stream.sendall(junk)
            with pytest.raises((ConnectionResetError, EOFError)):
                if read_frame(stream) == b"":
                    raise EOFError
    assert rig.worker.line(protocol="tcp", reason="dns-malformed")
    assert rig.ask("api.test").addresses == [PUBLIC]


def test_an_answer_that_does_not_fit_is_cut_and_whole_over_tcp(rig):
    addresses = [f"198.51.100.{n}" for n in range(1, 31)]
    name = ".".join(["a" * 60] * 4)
    rig.first.answer = lambda wire, tcp: [reply_to(wire, [a(None, x) for x in addresses])]
    rig.worker.apply([name])
    cut = rig.ask(name, edns=b"")
    assert cut.tc and 0 < len(cut.addresses) < 16 and len(cut.wire) <= 512
    whole = rig.ask(name)
    assert not whole.tc and whole.addresses == addresses[:16]
    with rig.connect() as stream:
        wire = query(name)
        stream.sendall(struct.pack("!H", len(wire)) + wire)
        answer = Message(read_frame(stream))
    assert not answer.tc and answer.addresses == addresses[:16]


def test_when_the_audit_stream_is_not_read_nothing_is_answered_and_nothing_is_lost(deaf):
    deaf.worker.apply(["*.asked.test"])  # allowed: denials that are many share a line
    deaf.agent.connect(AGENT_SIDE)
    deaf.agent.settimeout(0.5)
    sent = answered = 0
    with pytest.raises(TimeoutError):
        for sent in range(1, 20000):
            deaf.agent.send(query(f"n{sent}.asked.test", ident=sent))
            deaf.agent.recv(4096)
            answered += 1
    with deaf.connect() as stream:
        wire = query("over-tcp.asked.test", ident=9)
        stream.sendall(struct.pack("!H", len(wire)) + wire)
        stream.settimeout(0.3)
        with pytest.raises(TimeoutError):
            stream.recv(1)
        deaf.worker.hear()
        stream.settimeout(10)
        assert Message(read_frame(stream)).id == 9
    deaf.agent.settimeout(10)
    assert Message(deaf.agent.recv(4096)).id == sent
    deaf.worker.wait_count(answered + 2)
    hosts = [line["host"] for line in deaf.worker.lines]
    assert sorted(hosts) == sorted([f"n{n}.asked.test" for n in range(1, sent + 1)] + ["over-tcp.asked.test"])
    print(f"\nanswered {answered} queries before the audit stream was full")


def test_the_worker_is_jailed(rig):
    with open(f"/proc/{rig.worker.process.pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    assert status["Uid"].split() == status["Gid"].split() == ["61002"] * 4 and status["Groups"].strip() == ""
    assert {status[s] for s in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert os.listdir(f"/proc/{rig.worker.process.pid}/root") == []


ZONE = """$ORIGIN test.
$TTL 120
@ SOA ns.test. root.test. 1 3600 600 86400 50
@ NS ns
ns A 192.0.2.55
api A 198.51.100.10
www CNAME edge
edge CNAME api
text TXT "only this"
""" + "".join(f"big A 198.51.{n}.1\n" for n in range(100, 220))


@pytest.fixture
def nsd(rig):
    where = tempfile.mkdtemp(prefix="stopper-dns-")
    with open(f"{where}/zone", "w", encoding="ascii") as zone:
        zone.write(ZONE)
    with open(f"{where}/nsd.conf", "w", encoding="ascii") as conf:
        conf.write(f"""server:
  ip-address: {NSD}
  username: ""
  zonesdir: {where}
  pidfile: {where}/pid
  xfrdfile: {where}/xfrd
  xfrdir: {where}
  zonelistfile: {where}/zones
  server-count: 1
  hide-version: yes
remote-control:
  control-enable: no
zone:
  name: test
  zonefile: zone
""")
    with rig.space:
        process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", f"{where}/nsd.conf"], stderr=subprocess.DEVNULL)
    yield process
    process.terminate()
    process.wait(10)
    shutil.rmtree(where)


def test_a_real_server_over_udp_and_tcp(rig, nsd):
    rig.worker.apply(["api.test", "www.test", "big.test", "text.test", "none.test"], upstreams=[NSD])
    wait_until(lambda: rig.ask("api.test").addresses == [PUBLIC])
    assert rig.ask("www.test").addresses == [PUBLIC]
    assert len(rig.ask("big.test").addresses) == 16  # 120 records: truncated over UDP, fetched over TCP
    answer = rig.ask("none.test")
    assert answer.rcode == NXDOMAIN and answer.authority[0][2] == 50
    assert rig.ask("text.test").nodata


def test_cached_queries_per_second(rig):
    def ticks():
        with open(f"/proc/{rig.worker.process.pid}/stat", encoding="ascii") as file:
            return sum(int(n) for n in file.read().rsplit(")", 1)[1].split()[11:13])
    rig.first.answer = answering(lambda n: a(n, PUBLIC))
    rig.worker.apply(["api.test"])
    rig.ask("api.test")
    wires = [query("api.test", ident=i, edns=opt()) for i in range(64)]
    rounds = 100
    for side, to in (("the agent, an audit line each", AGENT_SIDE), ("the internal resolver", INTERNAL)):
        client = rig.space.socket(socket.SOCK_DGRAM)
        client.settimeout(10)
        client.connect(to)
        before, start = ticks(), time.monotonic()
        for _ in range(rounds):
            for wire in wires:
                client.send(wire)
            for _ in wires:
                client.recv(4096)
        seconds, used = time.monotonic() - start, (ticks() - before) / os.sysconf("SC_CLK_TCK")
        client.close()
        print(f"\n{side}: {rounds * 64 / seconds:.0f} cached queries a second, client included; "
              f"{used * 1e6 / (rounds * 64):.1f} us of the worker for each")
    rig.worker.wait_count(rounds * 64 + 1)
    assert len(rig.first.asked) == 1
