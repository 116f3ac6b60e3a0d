# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-dns between an agent and resolvers that both mean harm."""
import ipaddress
import random
import socket
import struct

import pytest

from dns_rig import (A, AAAA, AGENT_SIDE, FIRST, FORMERR, INTERNAL, NOERROR, NOTIMP, NXDOMAIN, SECOND, SERVFAIL, Message, Rig, a, cname, opt, query,
                     question, reply_to, soa)

PUBLIC, FORGED = "198.51.100.10", "203.0.113.66"


@pytest.fixture
def rig():
    made = Rig()
    made.first.answer = made.second.answer = lambda wire, tcp: [reply_to(wire, [a(None, PUBLIC)])]
    made.worker.apply(["api.test"], upstreams=[FIRST, SECOND])
    yield made
    made.close()


def ident(wire):
    return struct.unpack("!H", wire[:2])[0]


FORGERIES = {
    "another id": lambda q: reply_to(q, [a(None, FORGED)], ident=ident(q) ^ 1),
    "another name": lambda q: reply_to(q, [a("evil.test", FORGED)], asked_question=question("evil.test")),
    "a name below": lambda q: reply_to(q, [a(None, FORGED)], asked_question=question("x.api.test")),
    "another type": lambda q: reply_to(q, [a(None, FORGED)], asked_question=question(Message(q).question[0], AAAA)),
    "another class": lambda q: reply_to(q, [a(None, FORGED)], asked_question=question(Message(q).question[0], A, 3)),
    "no question": lambda q: struct.pack("!HHHHHH", ident(q), 0x8180, 0, 1, 0, 0) + a("api.test", FORGED),
    "two questions": lambda q: struct.pack("!HHHHHH", ident(q), 0x8180, 2, 1, 0, 0) + q[12:26] * 2 + a("api.test", FORGED),
    "a query": lambda q: reply_to(q, [a(None, FORGED)], flags=0x0100),
    "another opcode": lambda q: reply_to(q, [a(None, FORGED)], flags=0x8180 | 5 << 11),
    "a header cut short": lambda q: q[:7],
    "nothing": lambda q: b"",
    "a question cut short": lambda q: reply_to(q)[:20],
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_packet_that_is_not_the_answer_is_ignored_and_the_answer_is_taken(rig, forgery):
    rig.first.answer = lambda wire, tcp: [FORGERIES[forgery](wire), reply_to(wire, [a(None, PUBLIC)])]
    assert rig.ask("api.test").addresses == [PUBLIC]
    assert len(rig.first.asked) == 1 and not rig.second.asked


def test_a_packet_from_another_address_or_port_is_ignored(rig):
    elsewhere = rig.space.socket(socket.SOCK_DGRAM, (FIRST, 5353))

    def answer(wire, tcp):
        for sender in (elsewhere, rig.second.udp):
            try:
                sender.sendto(reply_to(wire, [a(None, FORGED)]), rig.first.peer)
            except ConnectionRefusedError:
                pass
        return [reply_to(wire, [a(None, PUBLIC)])]
    rig.first.answer = answer
    assert rig.ask("api.test").addresses == [PUBLIC]
    elsewhere.close()


def test_a_flood_of_guesses_moves_the_question_to_tcp(rig):
    def answer(wire, tcp):
        if tcp:
            return [reply_to(wire, [a(None, PUBLIC)])]
        return [reply_to(wire, [a(None, FORGED)], ident=ident(wire) ^ n) for n in range(1, 40)]
    rig.first.answer = answer
    assert rig.ask("api.test").addresses == [PUBLIC] and len(rig.first.asked) == 2 and not rig.second.asked


def test_a_resolver_that_changes_letter_case_is_asked_over_tcp(rig):
    rig.first.answer = lambda wire, tcp: [reply_to(wire, [a("api.test", PUBLIC if tcp else FORGED)],
                                                   asked_question=question("API.test" if b"api" in wire else "api.test"))]
    assert rig.ask("api.test").addresses == [PUBLIC] and len(rig.first.asked) == 2


def test_a_truncated_answer_is_fetched_over_tcp(rig):
    rig.first.answer = lambda wire, tcp: [reply_to(wire, [a(None, PUBLIC if tcp else FORGED)], flags=0x8180 if tcp else 0x8380)]
    assert rig.ask("api.test").addresses == [PUBLIC]
    assert rig.ask("api.test").addresses == [PUBLIC] and len(rig.first.asked) == 2
    assert rig.worker.line(host="api.test")["upstream"] == FIRST + ":53"


def test_truncation_without_tcp_goes_on_to_the_next_resolver(rig):
    rig.first.tcp.close()
    rig.first.tcp = rig.space.socket(socket.SOCK_STREAM)  # select's own, never connected
    rig.first.tcp.bind((FIRST, 0))
    rig.first.tcp.listen(1)
    rig.first.answer = lambda wire, tcp: [reply_to(wire, flags=0x8380)]
    assert rig.ask("api.test").addresses == [PUBLIC] and len(rig.second.asked) == 1


@pytest.mark.parametrize("how", ["with the question", "with the header alone"])
def test_a_resolver_without_edns_is_asked_without_edns(rig, how):
    def answer(wire, tcp):
        if Message(wire).additional:
            whole = reply_to(wire, rcode=FORMERR)
            return [whole if how == "with the question" else whole[:4] + bytes(8)]
        return [reply_to(wire, [a(None, PUBLIC)])]
    rig.first.answer = answer
    assert rig.ask("api.test").addresses == [PUBLIC] and len(rig.first.asked) == 2 and not rig.second.asked


def test_an_agent_that_makes_resolvers_work_cannot_starve_the_internal_resolver(rig):
    rig.first.answer = lambda wire, tcp: [reply_to(wire, [a(None, PUBLIC)])] if b"wild" in wire.lower() else []
    rig.worker.apply([f"n{i}.test" for i in range(300)] + ["*.wild.test"])
    rig.agent.connect(AGENT_SIDE)
    for i in range(128):  # so many may be under way
        rig.agent.send(query(f"n{i}.test", ident=i, edns=opt()))
        rig.first.wait(i + 1)
    refused = []
    for i in range(128, 300):
        rig.agent.send(query(f"n{i}.test", ident=i, edns=opt()))
        refused.append(Message(rig.agent.recv(4096)))
    assert {(m.rcode, m.ede) for m in refused} == {(SERVFAIL, 0)}
    assert rig.ask("a.wild.test", to=INTERNAL).addresses == [PUBLIC]
    rig.worker.line(reason="overloaded")
    late = [Message(rig.agent.recv(4096)) for _ in range(128)]
    assert {(m.rcode, m.ede) for m in late} == {(SERVFAIL, 22)}
    assert {m.id for m in refused + late} == set(range(300))
    rig.worker.wait_count(300)


MALFORMED = {
    "a response": (query("api.test", flags=0x8180), None),
    "less than a header": (b"\x12\x34\x01\x00\x00\x01", None),
    "nothing": (b"", None),
    "no question": (struct.pack("!HHHHHH", 7, 0x100, 0, 0, 0, 0), FORMERR),
    "two questions": (struct.pack("!HHHHHH", 7, 0x100, 2, 0, 0, 0) + question("api.test") * 2, FORMERR),
    "an answer": (struct.pack("!HHHHHH", 7, 0x100, 1, 1, 0, 0) + question("api.test") + a("api.test", PUBLIC), FORMERR),
    "authority": (struct.pack("!HHHHHH", 7, 0x100, 1, 0, 1, 0) + question("api.test") + a("api.test", PUBLIC), FORMERR),
    "a record that is not OPT": (struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 1) + question("api.test") + a("api.test", PUBLIC), FORMERR),
    "two OPT": (struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 2) + question("api.test") + opt() * 2, FORMERR),
    "an OPT with a name": (query("api.test", edns=b"\1x" + opt()), FORMERR),
    "an option cut short": (query("api.test", edns=opt(options=b"\0\x0a\0\x08abc")), FORMERR),
    "a byte behind": (query("api.test") + b"x", FORMERR),
    "truncated": (query("api.test", flags=0x0300), FORMERR),
    "cut": (query("api.test")[:-1], FORMERR),
    "a name without end": (struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\3api\4test", FORMERR),
    "a pointer": (struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", FORMERR),
    "a label type of its own": (struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\x41" + b"a" * 65 + b"\0\0\1\0\1", FORMERR),
    "a name of 256 bytes": (query(".".join(["a" * 62] * 4 + ["bb"])), FORMERR),
    "more than is read": (query("api.test", edns=opt(options=b"\0\x0c" + struct.pack("!H", 1400) + bytes(1400))), FORMERR),
    "another opcode": (query("api.test", flags=0x2900), NOTIMP),
    "EDNS version 1": (query("api.test", edns=opt(version=1)), NOERROR),  # BADVERS: the low bits are 0
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_not_one_plain_question_gets_an_error_or_nothing(rig, kind):
    wire, rcode = MALFORMED[kind]
    rig.agent.connect(AGENT_SIDE)
    rig.agent.send(wire)
    rig.agent.send(query("api.test", ident=0xbeef))
    first = Message(rig.agent.recv(4096))
    if rcode is not None:
        assert first.id == ident(wire) and first.rcode == rcode and not first.answers
        if kind == "EDNS version 1":
            assert first.additional[0][2] >> 24 == 1
        first = Message(rig.agent.recv(4096))
    assert first.id == 0xbeef and first.addresses == [PUBLIC]
    assert rig.worker.line(reason="dns-malformed")["verdict"] == "block"
    rig.worker.wait_count(2)
    assert rig.first.names() == ["api.test"]


def mutate(dice, wire):
    wire = bytearray(wire)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(wire)) if wire else 0
        what = dice.randrange(5)
        if what == 0 and wire:
            wire[at] = dice.getrandbits(8)
        elif what == 1 and wire:
            wire[at] ^= 1 << dice.randrange(8)
        elif what == 2:
            del wire[at:]
        elif what == 3:
            wire[at:at] = dice.randbytes(dice.randrange(1, 20))
        else:
            del wire[at:at + dice.randrange(1, 6)]
    return bytes(wire)


def test_six_hundred_mutated_queries_leave_it_alive_and_each_is_written(rig):
    dice = random.Random(8914)
    rig.agent.connect(AGENT_SIDE)
    rig.agent.setblocking(False)
    bases = [query("api.test"), query("evil.test", edns=opt(options=b"\0\x0a\0\x04abcd")), query("a.b.c.wild.test", AAAA, edns=opt())]
    sent = controls = 0
    for n in range(600):
        rig.agent.send(mutate(dice, bases[n % 3]))
        sent += 1
        if n % 50 == 49:
            assert rig.ask("api.test").addresses == [PUBLIC]
            controls += 1
            try:
                while reply := rig.agent.recv(4096):
                    assert reply[2] & 0x80 and len(reply) >= 12
            except BlockingIOError:
                pass
    rig.worker.wait_count(sent + controls)
    assert rig.worker.count() == sent + controls
    assert set(rig.first.names()) == {"api.test"}


def test_mutated_streams_leave_it_alive(rig):
    dice = random.Random(7766)
    for n in range(150):
        wire = query("api.test")
        with rig.connect() as stream:
            try:
                stream.sendall(mutate(dice, (struct.pack("!H", len(wire)) + wire) * 3))
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert rig.ask("api.test").addresses == [PUBLIC]


def test_three_hundred_mutated_replies_leave_it_alive_and_lead_to_no_forbidden_address(rig):
    dice = random.Random(5452)

    def answer(wire, tcp):
        whole = reply_to(wire, [cname(None, "edge.example"), a("edge.example", PUBLIC), a("edge.example", "10.0.0.1")], [soa("test")])
        return [whole] if tcp else [mutate(dice, whole), whole]
    rig.first.answer = answer
    for _ in range(300):
        rig.worker.apply(["api.test"], upstreams=[FIRST, SECOND])
        got = rig.ask("api.test")
        assert got.rcode in (NOERROR, SERVFAIL, NXDOMAIN) and all(owner == "api.test" for owner, *_ in got.answers)
        assert all(ipaddress.ip_address(x).is_global or x.startswith(("198.51.100.", "203.0.113.")) for x in got.addresses)
