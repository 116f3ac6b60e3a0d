# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw TCP (a route's tcp): a host and port of a route, by an address of its own, whoever speaks first; nothing beside them."""
import contextlib
import json
import os
import socket
import threading

import pytest

from host import trusting
from http_peer import CLOSING
from proxy_rig import OTHER, PUBLIC, Rig, wait_until
from spaces import WAIT
from synthetic import synthetic
from tls_peer import Authority, tls_client
from world import NAMES, RESOLVER

DB, QUEUE, LAN, PORT = "db.test", "queue.test", "lan.test", 5432
ROUTES = [{"host": DB, "tcp": [PORT, 22], "matches": [{"methods": ["GET"]}]}, {"host": QUEUE, "tcp": [PORT]},
          {"host": LAN, "tcp": [PORT], "allow_private": ["10.0.0.0/8"]}]
BINARY = b"\0\0\0\x08\x04\xd2\x16\x2f"  # how PostgreSQL's clients begin


class Counted(Rig):
    """Each of its connections leaves one line."""

    opened = 0

    def client(self, *args, **named):
        self.opened += 1
        return super().client(*args, **named)

    def lines(self):
        return sum(line.get("count", 1) for line in self.worker.lines)


@pytest.fixture(scope="module")
def long_lived():
    made = Counted()
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    """One worker for all; lines, names and upstreams are each test's own."""
    long_lived.resolver.names.update({DB: [PUBLIC], QUEUE: [OTHER], LAN: ["10.9.9.9"]})
    long_lived.resolver.asked.clear()
    long_lived.worker.apply(*ROUTES)
    yield long_lived
    long_lived.clear()
    wait_until(lambda: long_lived.lines() >= long_lived.opened)
    long_lived.worker.forget()
    long_lived.opened = 0


def greet(stream):
    """As servers of mail do: says who it is, waits for a word, answers, ends."""
    stream.sendall(b"220 ready\r\n")
    stream.sendall(b"250 " + stream.recv(100))


def hold(stream):
    """Says who it is and stays."""
    stream.sendall(b"220 ready\r\n")
    while stream.recv(100):
        pass


def test_a_server_may_be_the_first_to_speak(rig):
    upstream = rig.upstream(PUBLIC, PORT, greet)
    with rig.client(PORT, address=synthetic(DB)) as client:
        assert client.reader.exactly(11) == b"220 ready\r\n"
        client.send(b"HELO\r\n")
        assert client.rest() == b"250 HELO\r\n"
    line = rig.worker.line(kind="tcp")
    assert {name: line[name] for name in ("verdict", "rule", "host", "port", "address", "upstream", "bytes_in", "bytes_out", "generation")} == {
        "verdict": "allow", "rule": DB, "host": DB, "port": PORT, "address": synthetic(DB), "upstream": f"{PUBLIC}:{PORT}",
        "bytes_in": 21, "bytes_out": 6, "generation": rig.worker.generation}
    assert "reason" not in line and "detail" not in line
    assert (upstream.accepted, rig.resolver.asked) == (1, [DB])


def test_megabytes_go_both_ways_and_a_half_close_is_one(rig):
    size, data = 8 << 20, os.urandom(1 << 16)

    def echo(stream):
        while got := stream.recv(1 << 16):
            stream.sendall(got)
        stream.sendall(b"and all of it")  # after the client's end
    rig.upstream(PUBLIC, PORT, echo)
    with rig.client(PORT, address=synthetic(DB)) as client:
        def send():
            for _ in range(size // len(data)):
                client.stream.sendall(data)
            client.stream.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        for _ in range(size // len(data)):
            assert client.reader.exactly(len(data)) == data
        assert client.rest() == b"and all of it"
        sender.join(WAIT)
        assert not sender.is_alive()
    line = rig.worker.line(kind="tcp", verdict="allow")
    assert (line["bytes_out"], line["bytes_in"]) == (size, size + 13) and "reason" not in line and "detail" not in line


def test_a_client_that_sends_more_than_is_read_has_to_wait(rig):
    gate = threading.Event()
    rig.upstream(PUBLIC, PORT, lambda stream: (stream.sendall(b"hello"), gate.wait(WAIT), [None for _ in iter(lambda: stream.recv(1 << 20), b"")]))
    with rig.client(PORT, address=synthetic(DB)) as client:
        assert client.reader.exactly(5) == b"hello"
        client.stream.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < 1 << 30:
                sent += client.stream.send(bytes(1 << 20))
        assert sent < 1 << 30  # what the kernel's windows hold, and no more
        gate.set()
        client.stream.settimeout(WAIT)
        client.send(b"x")
        client.stream.shutdown(socket.SHUT_WR)
        assert client.rest() == b""
    assert rig.worker.line(kind="tcp", verdict="allow")["bytes_out"] >= sent + 1


def raw(rig, address, port, send):
    """What a connection gives; one that is refused at once may be so before it is known to be there."""
    try:
        with rig.client(port, address=address, send=send) as client:
            return client.rest()
    except ConnectionResetError:
        return "reset"


@pytest.mark.parametrize("address, port, send, reason, host", [
    (synthetic(DB), 5433, BINARY, "port-not-allowed", DB),
    (synthetic(DB), 5433, b"", "port-not-allowed", DB),
    (synthetic(DB), 80, BINARY, "protocol-unknown", DB),
    (synthetic(QUEUE), 22, b"SSH-2.0-x\r\n", "port-not-allowed", QUEUE),  # another name's
    (PUBLIC, PORT, BINARY, "protocol-unknown", None),       # where the name leads: an address is no way out
    (PUBLIC, PORT, b"", "client-silent", None),
    ("198.18.1.1", PORT, BINARY, "protocol-unknown", None),  # like one of ours, and nobody's
    (synthetic("web.test"), PORT, BINARY, "protocol-unknown", None),
], ids=range(8))
def test_nothing_else_is_raw(rig, address, port, send, reason, host):
    upstreams = [rig.upstream(PUBLIC, PORT, greet)]
    for at in {(PUBLIC, port), (OTHER, port)} - {(PUBLIC, PORT)}:
        upstreams.append(rig.upstream(*at, serve=greet))
    rig.worker.apply(*ROUTES, "web.test")
    said = raw(rig, address, port, send)
    assert said == "reset" if not send.startswith(b"SSH-") else b"This host is not allowed on this port." in said
    line = rig.worker.line(kind="tcp")
    assert (line["verdict"], line["reason"], line.get("host"), line["address"], line["port"]) == ("block", reason, host, address, port)
    assert line["rule"] == (host or "default") and "upstream" not in line
    assert [upstream.accepted for upstream in upstreams] == [0] * len(upstreams) and rig.resolver.asked == []
    assert raw(rig, synthetic(DB), PORT, BINARY) == b"220 ready\r\n250 " + BINARY  # the control


def test_http_and_tls_to_the_same_name_are_opened(rig):
    upstream = rig.upstream(PUBLIC, 80, lambda stream: (upstream.read_request(stream), stream.sendall(CLOSING)))
    with rig.client(80, address=synthetic(DB), send=b"GET / HTTP/1.1\r\nHost: db.test\r\n\r\n") as client:
        assert client.message().body == b"hello"
    assert rig.worker.line(kind="http", verdict="allow")["host"] == DB and upstream.accepted == 1
    with rig.client(443, address=synthetic(DB)) as client:
        client.stream = tls_client(client, DB, Authority.get().pem)  # the bottle's own leaf
        client.reader.stream = client.stream
        client.send(b"POST / HTTP/1.1\r\nHost: db.test\r\nContent-Length: 0\r\n\r\n")
        message = client.message()
    assert (message.status, message.json["type"]) == (403, "urn:stopper:denial:method-not-allowed")
    # a server name decides, as everywhere: the address of one name is no way to another
    with rig.client(443, address=synthetic(QUEUE)) as client:
        client.stream = tls_client(client, "evil.test", Authority.get().pem)
        client.reader.stream = client.stream
        client.send(b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n")
        assert client.message().json["type"] == "urn:stopper:denial:host-not-allowed"


@pytest.mark.parametrize("routes, reason", [
    ([{"host": DB}, ROUTES[1]], "port-not-allowed"),
    ([{"host": DB, "tcp": [22]}, ROUTES[1]], "port-not-allowed"),
    ([ROUTES[1]], "host-not-allowed"),
    ([], "host-not-allowed")])
def test_a_new_policy_ends_what_it_does_not_allow_at_once(rig, routes, reason):
    rig.upstream(PUBLIC, PORT, hold)
    rig.upstream(OTHER, PORT, greet)
    with rig.client(PORT, address=synthetic(DB)) as goes, rig.client(PORT, address=synthetic(QUEUE)) as stays:
        for client in goes, stays:
            assert client.reader.exactly(11) == b"220 ready\r\n"
        rig.worker.apply(*routes)
        assert goes.rest() == "reset"
        line = rig.worker.line(kind="tcp", host=DB)
        assert (line["verdict"], line["reason"], line["detail"], line["bytes_in"], line["generation"]) == (
            "allow", reason, "closed by a new policy", 11, rig.worker.generation) and "bytes_out" not in line
        if routes:
            stays.send(b"on\r\n")
            assert stays.rest() == b"250 on\r\n"
            stays.close()
            assert "reason" not in rig.worker.line(kind="tcp", host=QUEUE)
        else:
            assert stays.rest() == "reset"


def test_a_connection_that_is_being_dialled_meets_the_new_policy(rig):
    upstream = rig.upstream(PUBLIC, PORT, greet)
    del rig.resolver.names[DB]  # it is asked and does not answer
    with rig.client(PORT, address=synthetic(DB)) as client:
        wait_until(lambda: DB in rig.resolver.asked)
        rig.worker.apply(ROUTES[1])
        assert client.rest() == "reset"
    line = rig.worker.line(kind="tcp", host=DB)
    assert (line["verdict"], line["reason"]) == ("block", "host-not-allowed") and upstream.accepted == 0


@pytest.mark.parametrize("host, addresses, reason, upstream", [
    (DB, [OTHER], "upstream-unreachable", f"{OTHER}:{PORT}"),
    (DB, ("rcode", 3, None), "name-unresolved", None),
    (DB, ["10.9.9.9"], "address-refused", None),       # private, and not named
    (LAN, ["198.51.100.77"], "address-refused", None),  # the sidecar's own
    (LAN, ["127.0.0.1"], "address-refused", None),
    (LAN, [synthetic(DB)], "address-refused", None)])
def test_a_name_that_leads_nowhere_is_refused(rig, host, addresses, reason, upstream):
    rig.upstream("10.9.9.9", PORT, greet)
    assert raw(rig, synthetic(LAN), PORT, b"x") == b"220 ready\r\n250 x"  # the control: private, and named
    rig.resolver.names[host] = addresses
    assert raw(rig, synthetic(host), PORT, b"") == "reset"
    line = rig.worker.line(kind="tcp", host=host, verdict="block")
    assert (line["reason"], line["rule"]) == (reason, host)
    assert upstream is None or line["upstream"] == upstream


def test_a_sidecar_that_stops_writes_the_lines():
    rig = Rig()
    try:
        rig.resolver.names[DB] = [PUBLIC]
        rig.worker.apply(*ROUTES)
        rig.upstream(PUBLIC, PORT, hold)
        client = rig.client(PORT, address=synthetic(DB))
        assert client.reader.exactly(11) == b"220 ready\r\n"
        rig.worker.process.terminate()
        assert client.rest() == "reset"
        client.close()
        assert rig.worker.line(kind="tcp", host=DB)["detail"] == "the sidecar was stopped"
    finally:
        rig.close()


HOST, SERVED = "host.stopper.internal", 6379
MORE = [{"port": port} for port in (22, *range(7000, 7014))]
MANIFEST = {"egress": {"dns": [RESOLVER], "routes": [
    {"host": "allowed.test", "tcp": [{"port": PORT}, *MORE]}, {"host": "other.test"},
    {"host": HOST, "ports": list(range(11400, 11416)), "tcp": [{"port": SERVED}, *MORE]}]}}


def greeting(host):
    """A service on the host's loopback that greets and ends."""
    listener = host.space.call(socket.create_server, ("127.0.0.1", SERVED))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                stream, _ = listener.accept()
                with stream:
                    stream.sendall(b"+the host's\r\n")
    threading.Thread(target=serve, daemon=True).start()
    return listener


def test_a_bottle_has_it_by_name(lab):
    """What the agent's resolver says and what the proxy takes for the name's address are one, without a word between them."""
    with trusting(lab, json.dumps(MANIFEST)) as bottle, greeting(bottle.host):
        agent, mark = bottle.agent, bottle.audit.mark()
        caught = len(lab.world.catchers.seen)
        assert agent.tcp(address="allowed.test", port=PORT)["data"] == "caught\n"
        assert agent.tcp(address="allowed.test", port=22, send="x\r\n")["data"].startswith("SSH-2.0-")  # a real sshd
        assert agent.tcp(address=HOST, port=SERVED)["data"] == "+the host's\r\n"
        line = bottle.audit.wait(mark, kind="tcp", host="allowed.test", port=PORT)
        assert (line["verdict"], line["address"], line["upstream"], line["bytes_in"]) == (
            "allow", synthetic("allowed.test"), f"{NAMES['allowed.test']}:{PORT}", 7)
        assert bottle.audit.wait(mark, kind="tcp", host=HOST)["address"] == synthetic(HOST)
        asked = bottle.audit.wait(mark, kind="dns", host="allowed.test", protocol="A")
        assert asked["verdict"] == "allow" and "upstream" not in asked  # nobody was asked
        assert agent.https(host="allowed.test")["body"] == f"I am allowed.test at {NAMES['allowed.test']}\n"
        assert bottle.audit.wait(mark, kind="http", host="allowed.test")["verdict"] == "allow"
        for address, port, reason in ((NAMES["allowed.test"], PORT, "protocol-unknown"), ("allowed.test", 9999, "port-not-allowed"),
                                      ("other.test", PORT, "protocol-unknown")):
            mark = bottle.audit.mark()
            said = agent.tcp(address=address, port=port, send="\0\0\0\x08")
            assert (said["data"], said["error"]) == ("", "ECONNRESET"), address
            bottle.audit.wait(mark, kind="tcp", verdict="block", port=port, reason=reason)
        less = bottle.host.write("less.yaml", json.dumps(MANIFEST).replace(f'{{"port": {PORT}}}, ', ""))
        assert bottle.host.hostctl("apply", bottle.name, "-f", less).returncode == 0
        mark = bottle.audit.mark()
        assert agent.tcp(address="allowed.test", port=PORT, send="\0")["error"] == "ECONNRESET"
        bottle.audit.wait(mark, kind="tcp", verdict="block", host="allowed.test", reason="port-not-allowed")
        assert agent.tcp(address="allowed.test", port=22, send="x\r\n")["data"].startswith("SSH-2.0-")
        assert [port for _, port, _ in lab.world.catchers.seen[caught:]] == [PORT]


@pytest.mark.parametrize("route, words", [
    ('{host: "*.a.example", tcp: [{port: 5432}]}', "egress.routes[0].tcp: raw TCP needs one host, not a wildcard"),
    ("{host: a.example, ports: [5432], tcp: [{port: 5432}]}",
     "egress.routes[0].tcp[0].port: 5432 is in ports too, where HTTP and TLS are opened")])
def test_what_cannot_be_is_refused_before_a_start(host, route, words):
    manifest = host.write("bad.yaml", f"egress:\n  routes:\n    - {route}\n")
    done = host.hostctl("validate", manifest)
    assert (done.returncode, done.stderr) == (2, f"{manifest}:3: {words}\n")
    good = host.write("good.yaml", "egress:\n  routes:\n    - {host: a.example, ports: [80], tcp: [{port: 443}]}\n")  # the control
    assert host.hostctl("validate", good).stdout == f"{good}: ok\n"
