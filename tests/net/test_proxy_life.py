# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-proxy over time: policies that change under what runs, lines that must not be lost, its jail and its end."""
from http_peer import get, problem
from plain_rig import ALERT
from plain_rig import plain, rig  # noqa: F401 (fixtures)
from proxy_rig import OTHER, PUBLIC, SERVER, WAIT, Rig, wait_until
from tls_peer import ECH, hello


def test_a_new_policy_ends_what_it_does_not_allow_and_nothing_else(plain):
    gate = [False]

    def slow(stream):
        stream.recv(65536)
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        wait_until(lambda: gate[0])
        stream.sendall(b"world")
    plain.upstream(PUBLIC, 80, slow)
    plain.upstream(OTHER, 80, slow)
    plain.upstream(SERVER, 443, lambda stream: (stream.sendall(b"tunnel"), stream.recv(65536), stream.recv(1)))
    plain.worker.apply("plain.test", "other.test", {"host": "secure.test", "tls": {"passthrough": True}},
                       {"host": "stay.test", "tls": {"passthrough": True}})
    plain.resolver.names["stay.test"] = [SERVER]
    stays, goes = plain.client(send=get("plain.test")), plain.client(send=get("other.test"))
    tunnel, kept = plain.client(443, send=hello()), plain.client(443, send=hello("stay.test"))
    for client in (stays, goes):
        assert client.reader.until(b"hello").endswith(b"hello")
    for client in (tunnel, kept):
        assert client.reader.exactly(6) == b"tunnel"
    plain.worker.apply("plain.test", {"host": "stay.test", "tls": {"passthrough": True}})
    assert goes.rest() == "reset" and tunnel.rest() == "reset"
    for kind, host in (("http", "other.test"), ("tls", "secure.test")):
        assert plain.worker.line(kind=kind, host=host)["reason"] == "host-not-allowed"
    gate[0] = True
    assert stays.reader.exactly(5) == b"world"
    kept.send(b"still")
    for client in (stays, goes, tunnel, kept):
        client.close()
    assert "reason" not in plain.worker.line(kind="http", host="plain.test")


def test_a_request_that_is_being_dialled_meets_the_new_policy(plain):
    upstream = plain.upstream()
    del plain.resolver.names["plain.test"]
    with plain.client(send=get("plain.test")) as client, plain.client(443, send=hello()) as tls:
        del plain.resolver.names["secure.test"]
        wait_until(lambda: {"plain.test", "secure.test"} <= set(plain.resolver.asked))
        plain.worker.apply("other.test")
        problem(client.message(), 403, "host-not-allowed")
        assert tls.rest() == ALERT
    assert upstream.accepted == 0


def test_traffic_waits_for_the_audit_and_no_line_is_lost():
    rig = Rig(deaf=True)
    try:
        rig.resolver.names["plain.test"] = [PUBLIC]
        upstream = rig.upstream()
        rig.worker.apply("plain.test")
        path = "/" + "x" * 1000
        answered = 0
        clients = []
        while True:  # until nobody answers any more
            clients.append(rig.client(send=get("plain.test", path) * 20))
            clients[-1].stream.settimeout(2)
            try:
                for _ in range(20):
                    assert clients[-1].message().status == 200
                    answered += 1
            except TimeoutError:
                break
            assert answered < 20000
        assert answered > 200 and len(upstream.requests) == answered  # nothing was forwarded without room
        late = rig.client(send=get("denied.test"))
        rig.worker.hear()
        late.stream.settimeout(WAIT)
        problem(late.message(), 403, "host-not-allowed")
        clients[-1].stream.settimeout(WAIT)
        while answered % 20:
            assert clients[-1].message().status == 200
            answered += 1
        wait_until(lambda: len(rig.worker.lines) >= answered + 1)
        assert sum(line["verdict"] == "allow" for line in rig.worker.lines) == answered == len(upstream.requests)
        for client in (*clients, late):
            client.close()
    finally:
        rig.close()


def test_the_lines_of_what_runs_are_written_when_the_worker_is_stopped(plain):
    plain.upstream(SERVER, 443, lambda stream: (stream.sendall(b"tunnel"), stream.recv(1), stream.recv(65536), stream.recv(1)))
    client = plain.client(443, send=hello())
    assert client.reader.exactly(6) == b"tunnel"
    plain.worker.process.terminate()
    assert plain.worker.line(kind="tls", verdict="allow", host="secure.test")["bytes_in"] == 6
    client.close()


def test_the_worker_is_jailed_and_leaks_no_descriptor(plain):
    plain.upstream()
    pid = plain.worker.process.pid
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status.read().splitlines())
    assert fields["Uid"].split() == ["61001"] * 4 and fields["Gid"].split() == ["61001"] * 4 and not fields["Groups"].split()
    assert {fields[f"Cap{name}"].strip() for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert fields["NoNewPrivs"].strip() == "1" and fields["Seccomp"].strip() == "2"
    before = plain.worker.files()
    for _ in range(20):
        assert plain.get(get("plain.test")).status == 200
        assert plain.get(get("denied.test")).status == 403
        with plain.client(443, send=hello(extra=ECH)) as client:
            assert client.rest() == ALERT
        with plain.https("denied.test") as client:
            client.send(get("denied.test"))
            assert client.message().status == 403
    wait_until(lambda: plain.worker.files() == before + 1)  # the connection to the upstream is kept
