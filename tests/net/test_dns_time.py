# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-dns and time, which passes by the tests' word alone: what it waits for, for how long, and what it never waits for."""
import struct
import threading

import pytest

from clock import Clock
from dns_rig import (A, AGENT_SIDE, FIRST, NSD, NXDOMAIN, REFUSED, SECOND, SERVFAIL, SIDECAR, Message, Rig, a, cname, name_wire, query, read_frame,
                     record, reply_to, wait_until)

PUBLIC, FORGED = "198.51.100.10", "203.0.113.66"


@pytest.fixture(scope="module")
def clock():
    made = Clock()
    yield made
    made.close()


@pytest.fixture
def rig(clock):
    made = Rig(environment=clock.environment)
    made.clock = clock
    made.first.answer = made.second.answer = answering(PUBLIC)
    made.worker.apply(["api.test"], upstreams=[FIRST, SECOND])
    clock.stop()
    yield made
    clock.start()
    made.close()


def answering(address):
    return lambda wire, tcp: [reply_to(wire, [a(None, address)])]


def passes(rig, seconds):
    """The worker is one thread: when it has answered once it has looked at its clock, twice, it has done what was due."""
    rig.clock.forward(seconds)
    for _ in range(2):
        assert rig.ask("denied.test").addresses == [SIDECAR]


class Asked(threading.Thread):
    """A query whose answer may take its time."""

    def __init__(self, rig, name):
        super().__init__(daemon=True)
        self.rig, self.name, self.got = rig, name, None
        self.start()

    def run(self):
        self.got = self.rig.ask(self.name)

    def answer(self):
        self.join(10)
        return self.got


def test_a_policy_rules_at_once_over_the_cache_and_over_queries_under_way(rig):
    rig.worker.apply(["api.test", "slow.test", "keep.test"])
    assert rig.ask("api.test").addresses == [PUBLIC]
    rig.first.answer = lambda wire, tcp: []
    rig.agent.connect(AGENT_SIDE)
    rig.agent.send(query("slow.test", ident=1))
    rig.agent.send(query("keep.test", ident=2))
    rig.first.wait(3)
    rig.second.answer = answering("198.51.100.20")
    rig.worker.apply(["keep.test"], upstreams=["192.0.2.54"])
    got = {m.id: m for m in (Message(rig.agent.recv(4096)), Message(rig.agent.recv(4096)))}
    assert got[1].addresses == [SIDECAR] and got[2].addresses == ["198.51.100.20"]
    assert rig.ask("api.test").addresses == [SIDECAR]
    passes(rig, 2)  # longer than an attempt: nothing is repeated for a name that is denied by now
    assert len(rig.first.asked) == 3 and rig.second.names() == ["keep.test"]


def circle(wire):
    return reply_to(wire, [cname("api.test", "b.test"), cname("b.test", "api.test"), a("api.test", FORGED)])


def long_chain(wire):
    names = ["api.test", *(f"n{i}.test" for i in range(40))]
    return reply_to(wire, [cname(x, y) for x, y in zip(names, names[1:])] + [a(names[-1], FORGED)])


BROKEN = {
    "SERVFAIL": lambda q: reply_to(q, rcode=SERVFAIL),
    "REFUSED": lambda q: reply_to(q, rcode=REFUSED),
    "an address with NXDOMAIN": lambda q: reply_to(q, [a(None, FORGED)], rcode=NXDOMAIN),
    "a referral": lambda q: reply_to(q, [], [record("test", 2, 60, name_wire("ns.test"))], flags=0x8100),
    "a circle of aliases": circle,
    "a long chain": long_chain,
    "records cut short": lambda q: reply_to(q, [a(None, FORGED), a(None, FORGED)])[:-1],
    "65535 records": lambda q: (lambda r: r[:6] + b"\xff\xff" + r[8:])(reply_to(q, [a(None, FORGED)])),
    "an address of three bytes": lambda q: reply_to(q, [record(None, A, 60, b"\xc6\x33\x64")]),
    "a pointer to itself": lambda q: reply_to(q, [b"\xc0" + bytes([len(q) - 11]) + a("", FORGED)[1:]]),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_resolver_that_fails_or_talks_nonsense_is_passed_over(rig, broken):
    rig.first.answer = lambda wire, tcp: [BROKEN[broken](wire)]
    assert rig.ask("api.test").addresses == [PUBLIC]
    assert len(rig.first.asked) == 1 and len(rig.second.asked) == 1


def test_a_silent_resolver_costs_one_attempt_and_is_not_preferred_afterwards(rig):
    rig.worker.apply(["api.test", "next.test"], upstreams=[FIRST, SECOND])
    rig.first.answer = lambda wire, tcp: []
    asked = Asked(rig, "api.test")
    rig.first.wait(1)
    passes(rig, 1)
    assert not rig.second.asked and asked.is_alive()
    passes(rig, 1)  # an attempt has 1.5 s
    assert asked.answer().addresses == [PUBLIC]
    assert rig.ask("next.test").addresses == [PUBLIC]
    assert rig.first.names() == ["api.test"]


def test_a_resolver_that_is_not_there_costs_no_time(rig):
    rig.worker.apply(["api.test"], upstreams=[NSD, SECOND])
    assert rig.ask("api.test").addresses == [PUBLIC]
    rig.worker.apply(["api.test"], upstreams=[NSD])
    answer = rig.ask("api.test")
    assert answer.rcode == SERVFAIL and answer.ede == 22


def test_when_no_resolver_answers_the_agent_gets_servfail_before_it_gives_up(rig):
    rig.first.answer = rig.second.answer = lambda wire, tcp: []
    asked = Asked(rig, "api.test")
    rig.first.wait(1)
    for _ in range(4):
        passes(rig, 1)
        assert asked.is_alive()
    passes(rig, 1)  # resolv.conf(5): stub resolvers lose patience after 5 s
    answer = asked.answer()
    assert answer.rcode == SERVFAIL and answer.ede == 22 and not answer.answers
    line = rig.worker.line(host="api.test")
    assert line["verdict"] == "block" and line["reason"] == "dns-upstream" and line["status"] == SERVFAIL
    wait_until(lambda: len(rig.first.asked) + len(rig.second.asked) == 3)  # the resolvers are threads of ours, and may be late
    assert rig.ask("api.test").rcode == SERVFAIL  # remembered for a second
    rig.worker.apply(["next.test"], upstreams=[FIRST])
    rig.first.answer = answering(PUBLIC)
    assert rig.ask("next.test").addresses == [PUBLIC] and rig.first.names()[-1] == "next.test"
    assert len(rig.first.asked) + len(rig.second.asked) == 4


def test_tcp_connections_are_bounded_and_end_when_idle(rig):
    streams = [rig.connect() for _ in range(64)]
    refused = rig.connect()
    assert refused.recv(1) == b"" and rig.worker.line(reason="overloaded", protocol="tcp")
    wire = query("evil.test", ident=5)
    passes(rig, 5)
    streams[0].sendall(struct.pack("!H", len(wire)) + wire)
    assert Message(read_frame(streams[0])).addresses == [SIDECAR]  # which gives it ten seconds more
    streams[1].sendall(b"\0")  # a byte is not a query: it buys no time
    passes(rig, 4)
    streams[1].settimeout(0.2)
    with pytest.raises(TimeoutError):
        streams[1].recv(1)
    passes(rig, 2)
    streams[1].settimeout(10)
    assert streams[1].recv(1) == b""
    streams[0].sendall(struct.pack("!H", len(wire)) + wire)
    assert Message(read_frame(streams[0])).addresses == [SIDECAR]
    for stream in [*streams, refused]:
        stream.close()

    def accepted():
        with rig.connect() as stream:
            stream.sendall(struct.pack("!H", len(wire)) + wire)
            return read_frame(stream) != b""
    wait_until(accepted)
