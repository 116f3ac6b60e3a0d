# SPDX-License-Identifier: GPL-3.0-or-later
"""Every phase of a connection has its end: what happens when a peer stays silent in it, that it does not happen a moment
before, and that a drip of bytes does not put off an absolute deadline. The proxy's clock is set forward (clock.py); the
bounds themselves are in appliance/proxy/limits.h."""
import select
import socket
import ssl
import struct

import pytest

from clock import Clock
from http_peer import get, problem
from proxy_rig import OTHER, PUBLIC, SERVER, WAIT, Rig, wait_until, wait_until_same
from synthetic import synthetic
from tls_peer import ECH, Certificates, hello, tls_upstream

EARLY, LATE = 2, 4  # seconds: before the time, and from there past it; clocks tick in between
SILENT = ["203.0.113.98", "203.0.113.99", OTHER]  # the first two lose every packet
DENIED = bytes.fromhex("15030300020231")  # access_denied(49), RFC 8446 section 6.2


class Timed(Rig):
    """A rig with a clock. `pass_time` lets it go forward and makes the worker look at it, after all that was sent before."""

    def __init__(self):
        self.clock = Clock()
        super().__init__(environment=self.clock.environment)
        self.sidecar.run("nft", "add", "chain", "inet", "stopper", "lost", "{ type filter hook output priority 0; }")
        self.sidecar.run("nft", "add", "rule", "inet", "stopper", "lost", "ip", "daddr", "203.0.113.96/29", "drop")
        self.sidecar.run("ip", "route", "add", "default", "dev", "lo")

    def settle(self):
        """The worker is one thread: when it has answered this, it has read what came before."""
        assert self.get(get("denied.test")).status == 403

    def pass_time(self, seconds):
        self.settle()
        self.clock.forward(seconds)
        self.settle()

    def ends(self, client, seconds, until=None):
        """The connection stands until the time is over; then it ends, and what came is returned."""
        self.pass_time(seconds - EARLY)
        assert select.select([client.stream], [], [], 0.3)[0] == [], "too early"
        self.pass_time(LATE)
        return (until or client.rest)()

    def connecting(self, address):
        """Whether the worker waits for a connection to the address (SYN_SENT)."""
        with open(f"/proc/{self.worker.process.pid}/net/tcp", encoding="ascii") as table:
            peers = [line.split()[2].split(":")[0] for line in table if line.split()[3] == "02"]
        return socket.inet_ntoa(struct.pack("=I", int(peers[0], 16))) == address if peers else False

    def close(self):
        super().close()
        self.clock.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def long_lived(certificates):
    certificates.make("slow", san="DNS:slow.test")
    made = Timed()
    made.resolver.names.update({"plain.test": [PUBLIC], "tls.test": [PUBLIC], "secure.test": [SERVER], "lost.test": SILENT[:1]})
    yield made
    made.close()


@pytest.fixture
def rig(long_lived, certificates):
    """With a new policy, so that no connection of an earlier test waits in the pool."""
    long_lived.worker.apply("plain.test", "tls.test", "lost.test", "slow.test", {"host": "secure.test", "tls": {"passthrough": True}},
                            extra_ca=certificates.pem)
    long_lived.worker.forget()
    long_lived.resolver.asked.clear()
    long_lived.resolver.names.pop("slow.test", None)
    yield long_lived
    long_lived.clear()


def silent(stream):
    stream.settimeout(60)
    while stream.recv(65536):
        pass


# ---- the agent is silent

@pytest.mark.parametrize("port, seconds", [(80, 10), (443, 10), (5432, 1)])
def test_a_client_that_says_nothing(rig, port, seconds):
    with rig.client(port) as client:
        if seconds > EARLY:
            assert rig.ends(client, seconds) == "reset"
        else:
            rig.pass_time(LATE)
            assert client.rest() == "reset"
    assert rig.worker.line(kind="tcp", verdict="block", reason="client-silent", port=port)


def test_a_hello_that_drips(rig):
    whole = hello()
    with rig.client(443) as client:
        for at in range(4):
            client.send(whole[at:at + 1])
            rig.pass_time(2)
        assert rig.ends(client, 2) == DENIED
    assert rig.worker.line(kind="tls", verdict="block", reason="client-silent")


def test_a_handshake_that_is_not_finished(rig):
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="tls.test").do_handshake()
    with rig.client(443, send=outgoing.read()) as client:
        assert client.stream.recv(3) == b"\x16\x03\x03"  # ServerHello
        while select.select([client.stream], [], [], 0.3)[0]:
            client.stream.recv(65536)
        assert rig.ends(client, 10) == b""
    line = rig.worker.line(kind="tls", verdict="block", reason="tls-handshake")
    assert line["detail"] == "The client did not finish the handshake in time."


def test_a_head_that_drips(rig):
    with rig.client(send=b"GET / HTTP/1.1\r\nHost: plain.test\r\nX: ") as client:
        for _ in range(4):
            client.send(b"y")
            rig.pass_time(6)
        body = problem(rig.ends(client, 6, client.message), 408, "http-timeout")
    assert rig.worker.line(kind="http", verdict="block", reason="http-timeout", status=408)["id"] == body["event_id"]


def test_requests_behind_answers_that_nobody_reads(rig):
    """They have begun nothing that could be late; others are served all the while."""
    rig.upstream()
    with rig.client() as client:
        client.stream.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                client.send(get("denied.test") * 1000)
        rig.pass_time(30 + LATE)
        assert rig.get(get("plain.test")).status == 200
        assert not [line for line in rig.worker.lines if line.get("reason") == "http-timeout"]
        rig.pass_time(90)
        client.stream.settimeout(WAIT)
        assert client.rest()[1] == "reset"


def test_a_kept_connection_without_a_next_request(rig):
    rig.upstream()
    with rig.client(send=get("plain.test")) as client:
        assert client.message().body == b"hello"
        assert rig.ends(client, 120) == b""


def test_a_body_that_does_not_go_on(rig):
    upstream = rig.upstream(serve=silent)
    with rig.client(send=b"POST / HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 10\r\n\r\nhello") as client:
        wait_until(lambda: upstream.accepted == 1)
        problem(rig.ends(client, 600, client.message), 408, "http-timeout")


def test_a_refusal_that_is_not_taken_leave_of(rig):
    rig.settle()
    files = wait_until_same(rig.worker.files)
    with rig.client(send=get("denied.test").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as client:
        assert client.message().status == 403
        assert client.stream.recv(1) == b"" and wait_until_same(rig.worker.files) == files + 1
        rig.pass_time(4)
        wait_until(lambda: rig.worker.files() == files)


# ---- the upstream is silent

def test_a_resolver(rig):
    with rig.client(send=get("slow.test")) as client:
        wait_until(lambda: "slow.test" in rig.resolver.asked)
        problem(rig.ends(client, 5, client.message), 502, "name-unresolved")


def test_a_connection_that_is_not_accepted(rig):
    with rig.client(send=get("lost.test")) as client:
        wait_until(lambda: "lost.test" in rig.resolver.asked)
        body = problem(rig.ends(client, 10, client.message), 504, "upstream-timeout")
        line = rig.worker.line(id=body["event_id"])
        assert (line["reason"], line["verdict"], line["host"], line["status"]) == ("upstream-timeout", "block", "lost.test", 504)
    with rig.client(443, send=hello("lost.test", extra=ECH)) as client:  # an opened route: our handshake does not wait for it
        assert client.stream.recv(3)


def test_an_upstream_that_does_not_answer_the_handshake(rig):
    upstream = rig.upstream(PUBLIC, 443, silent)
    with rig.https("tls.test") as client:
        client.send(get("tls.test"))
        wait_until(lambda: upstream.accepted == 1)
        rig.pass_time(10 - EARLY)
        rig.pass_time(LATE)
        body = problem(client.message(), 504, "upstream-timeout")
    assert rig.worker.line(id=body["event_id"])["upstream"] == f"{PUBLIC}:443"


def test_each_part_of_a_dial_has_its_own_time(rig, certificates):
    """A resolver, two addresses and a handshake that are slow, each within its bound, are together no time-out."""
    def slow_to_shake(stream):
        stream.recv(1, socket.MSG_PEEK)
        waiting.append(stream)
        wait_until(lambda: not waiting)
    waiting = []
    upstream = tls_upstream(rig, certificates, "slow", address=OTHER)
    serve = upstream.serve
    upstream.serve = lambda stream: (slow_to_shake(stream), serve(stream))
    with rig.https("slow.test") as client:
        client.send(get("slow.test"))
        wait_until(lambda: "slow.test" in rig.resolver.asked)
        rig.resolver.names["slow.test"] = SILENT
        rig.pass_time(3)  # asks again, and is answered
        for address in SILENT[:2]:  # one after the other is given up
            wait_until(lambda: rig.connecting(address))
            rig.pass_time(4)
        wait_until(lambda: waiting)
        rig.pass_time(8)
        waiting.clear()
        assert client.message().body == b"hello"


def test_an_answer_that_does_not_come(rig):
    upstream = rig.upstream(serve=lambda stream: (upstream.read_request(stream), silent(stream)))
    with rig.client(send=get("plain.test")) as client:
        wait_until(lambda: upstream.requests)
        body = problem(rig.ends(client, 610, client.message), 504, "upstream-timeout")
    assert rig.worker.line(id=body["event_id"])["verdict"] == "allow"  # it was forwarded


def test_an_answer_that_does_not_go_on(rig):
    upstream = rig.upstream(serve=lambda stream: (upstream.read_request(stream), stream.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), silent(stream)))
    with rig.client(send=get("plain.test")) as client:
        assert client.message(to_head=True).status == 200
        assert client.reader.exactly(5) == b"hello"
        rig.ends(client, 600)
    assert rig.worker.line(kind="http", host="plain.test", reason="upstream-timeout")


def test_a_connection_that_waits_for_another_request(rig):
    ended = []
    upstream = rig.upstream(serve=lambda stream: (upstream.answer(stream), ended.append(True)))
    assert rig.get(get("plain.test")).body == b"hello"
    rig.pass_time(50 - EARLY)
    assert rig.get(get("plain.test")).body == b"hello" and (upstream.accepted, ended) == (1, [])
    rig.pass_time(50 + LATE - EARLY)
    wait_until(lambda: ended)


def test_a_tunnel_in_which_nobody_speaks(rig):
    rig.upstream(SERVER, 443, lambda stream: (stream.recv(65536), stream.sendall(b"tunnel"), silent(stream)))
    with rig.client(443, send=hello()) as client:
        assert client.reader.exactly(6) == b"tunnel"
        rig.pass_time(500)
        client.send(b"progress")  # moves the deadline
        rig.ends(client, 600)
    assert rig.worker.line(kind="tls", verdict="allow", host="secure.test")["detail"] == "idle for too long"


def test_raw_tcp_in_which_nobody_speaks(rig):
    rig.upstream(PUBLIC, 5432, lambda stream: (stream.sendall(b"ready"), silent(stream)))
    rig.worker.apply({"host": "plain.test", "tcp": [5432]})
    with rig.client(5432, address=synthetic("plain.test")) as client:
        assert client.reader.exactly(5) == b"ready"
        rig.pass_time(500)
        client.send(b"progress")  # moves the deadline
        rig.ends(client, 600)
    assert rig.worker.line(kind="tcp", verdict="allow", host="plain.test")["detail"] == "idle for too long"
