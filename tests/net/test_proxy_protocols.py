# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-proxy and what is not HTTP in clear: TLS that passes by its name, and protocols that are refused."""
import socket

import pytest

from http_peer import get, problem
from plain_rig import ALERT, is_reset
from plain_rig import long_lived, plain, rig, shared  # noqa: F401 (fixtures)
from proxy_rig import DIALLED, PUBLIC, SERVER, SIDECAR
from tls_peer import ECH, hello, tls_client

DECODE_ERROR = bytes.fromhex("15030300020232")


# ---- TLS

def test_tls_passes_by_its_name_end_to_end(plain):
    server = plain.nginx()
    with plain.client(443) as client, tls_client(client, "secure.test", server.ca) as stream:
        stream.sendall(b"GET /small HTTP/1.0\r\n\r\n")
        assert stream.recv(65536)
    done = plain.run("curl", "-sS", "--cacert", server.ca, "--resolve", f"secure.test:443:{DIALLED}", "https://secure.test/small")
    assert (done.returncode, done.stdout) == (0, b"small\n"), done.stderr
    line = plain.worker.line(kind="tls", verdict="allow", alpn="h2,http/1.1")
    wanted = {"rule": "secure.test", "host": "secure.test", "tls_version": "1.3", "upstream": f"{SERVER}:443",
              "address": DIALLED, "port": 443}
    assert {key: line.get(key) for key in wanted} == wanted and line["bytes_in"] > 500 and line["bytes_out"] > 500


@pytest.mark.parametrize("cut", [None, 1, 100])
def test_the_hello_is_replayed_byte_for_byte_and_half_closes_are_kept(plain, cut):
    seen = []

    def serve(stream):
        data = b""
        while got := stream.recv(65536):
            data += got
        seen.append(data)
        stream.sendall(b"answer")
    plain.upstream(SERVER, 443, serve)
    first = hello(cut=cut) + b"\x17\3\3\0\5early"
    with plain.client(443) as client:
        for i in range(0, len(first), 7):
            client.send(first[i:i + 7])
        client.send(b"later")
        client.stream.shutdown(socket.SHUT_WR)
        assert client.rest() == b"answer"
    assert seen == [first + b"later"]
    assert plain.worker.line(kind="tls", verdict="allow", bytes_out=len(first) + 5, bytes_in=6)


TLS_REFUSED = [
    (443, hello(extra=ECH), ALERT, "tls-ech"),
    (443, hello("secure.test."), DECODE_ERROR, "tls-malformed"),
    (443, hello("a b"), DECODE_ERROR, "tls-malformed"),
    (443, hello(b"secure.test\0.denied.test"), DECODE_ERROR, "tls-malformed"),
    (443, hello(extra=hello("x")[-10:]), DECODE_ERROR, "tls-malformed"),
    (443, b"\x16\3\1\0\5\2....", DECODE_ERROR, "tls-malformed"),
    (443, b"\x16\3\1\xff\xff", DECODE_ERROR, "tls-malformed"),
]


@pytest.mark.parametrize("port, sent, alert, name", TLS_REFUSED, ids=[f"{i}-{r[3]}" for i, r in enumerate(TLS_REFUSED)])
def test_tls_is_refused_by_an_alert(shared, port, sent, alert, name):
    with shared.client(port, send=sent) as client:
        assert client.rest() == alert
    line = shared.worker.line(kind="tls", verdict="block", reason=name, port=port)
    assert line["address"] == DIALLED and "upstream" not in line


def test_ech_passes_where_the_route_says_so(plain):
    upstream = plain.upstream(SERVER, 443, lambda stream: stream.sendall(stream.recv(65536)))
    plain.worker.apply({"host": "secure.test", "tls": {"passthrough": True, "ech": "allow"}})
    with plain.client(443, send=hello(extra=ECH)) as client:
        client.stream.shutdown(socket.SHUT_WR)
        assert client.rest() == hello(extra=ECH)
    assert upstream.accepted == 1


def test_tls_to_an_upstream_that_is_not_there(plain):
    with plain.client(443, send=hello()) as client:
        assert client.rest() == ALERT
    assert plain.worker.line(kind="tls", verdict="block", reason="upstream-unreachable")["upstream"] == f"{SERVER}:443"


# ---- everything else

def test_ssh_prints_the_reason(plain):
    done = plain.run("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                     "-F", "none", f"git@{DIALLED}")
    assert done.returncode == 255 and b"SSH is not a way out of this bottle." in done.stderr, done.stderr
    line = plain.worker.line(kind="tcp", verdict="block", reason="ssh", port=22)
    assert line["protocol"] == "ssh" and line["id"].encode() in done.stderr


@pytest.mark.parametrize("port", [80, 443, 25, 65535])
def test_other_protocols_are_reset(shared, port):
    with shared.client(port, send=b"\0\1\2\3hello\r\n") as client:
        assert client.rest() == "reset"
    assert shared.worker.line(kind="tcp", verdict="block", reason="protocol-unknown", port=port)["address"] == DIALLED


def test_a_client_that_says_nothing_is_reset_soon_on_ports_where_nothing_is_allowed(plain):
    with plain.client(5432) as client:  # after how long: test_proxy_timeouts.py
        assert client.rest() == "reset"
    assert plain.worker.line(kind="tcp", verdict="block", reason="client-silent", port=5432)


def test_http2_with_prior_knowledge_is_told_to_use_1_1(plain):
    with plain.client(send=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0") as client:
        answer = client.rest()
    assert answer[:9] == b"\0\0\0\4\0\0\0\0\0" and answer[12] == 7 and answer[22:26] == b"\0\0\0\x0d"
    assert answer.endswith(b"Only HTTP/1.0 and HTTP/1.1 are understood here.")
    assert plain.worker.line(kind="tcp", verdict="block", reason="http-version", protocol="h2")


def test_a_dial_of_the_proxys_own_port_is_reset(plain):
    for space in (plain.agent, plain.sidecar):  # redirected to itself: the original destination is its own; not redirected
        assert is_reset(space, 9443, SIDECAR)
    assert plain.worker.line(kind="tcp", verdict="block", reason="not-redirected")
    assert problem(plain.get(get("denied.test")), 403, "host-not-allowed")  # the control: a redirected one is answered


def test_without_a_policy_everything_is_denied(rig):
    rig.resolver.names["plain.test"] = [PUBLIC]
    upstream = rig.upstream()
    problem(rig.get(get("plain.test")), 503, "no-policy")
    with rig.https("plain.test") as client:
        client.send(get("plain.test"))
        problem(client.message(), 503, "no-policy")
    with rig.client(22, send=b"SSH-2.0-x\r\n") as client:
        assert b"No policy is loaded" in client.rest()
    assert {line["reason"] for line in rig.worker.lines} <= {"no-policy"}
    assert upstream.accepted == 0 and not rig.resolver.asked
    rig.worker.apply("plain.test")
    assert rig.get(get("plain.test")).status == 200
