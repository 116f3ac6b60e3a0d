# SPDX-License-Identifier: GPL-3.0-or-later
"""Every refusal over HTTP is one and the same shape, and its event is the audit's: one of each status, in clear and over TLS.
Those that take time, 408 and 504, are in test_proxy_timeouts.py."""
import pytest

from http_peer import get, problem
from proxy_rig import PUBLIC, SERVER, Rig
from tls_peer import Certificates, tls_upstream


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make("right", san="DNS:*.deny.test")
    made.make("wrong", san="DNS:wrong.test")
    return made


@pytest.fixture(scope="module")
def long_lived(certificates):
    made = Rig()
    made.worker.apply("*.deny.test", {"host": "auth.deny.test", "auth": {"scheme": "Bearer", "secret": "TOKEN"}},
                      {"host": "git.deny.test", "git_fetch": True}, {"host": "tunnel.deny.test", "tls": {"passthrough": True}},
                      secrets={"TOKEN": "a-token-of-no-use"}, extra_ca=certificates.pem)
    made.resolver.names.update({"up.deny.test": [PUBLIC], "auth.deny.test": [PUBLIC], "wrong.deny.test": [SERVER],
                                "none.deny.test": ("rcode", 3, None), "lan.deny.test": ["10.9.9.9"], "git.deny.test": [PUBLIC],
                                "shut.deny.test": [SERVER]})
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    long_lived.worker.forget()
    yield long_lived
    long_lived.clear()


def same_event(rig, body):
    """The refusal's event is one audit line, which says the same. Returns the line."""
    line = rig.worker.line(id=body["event_id"])
    assert [each["id"] for each in rig.worker.lines].count(body["event_id"]) == 1
    assert body["type"] == "urn:stopper:denial:" + line["reason"] and body["status"] == line["status"]
    assert body["host"] == line.get("host", "") and body["rule"] == line["rule"]
    assert all(isinstance(body[member], str) and body[member] for member in ("type", "title", "detail", "rule", "event_id", "hint"))
    return line


UP = "up.deny.test"
SEEN = [  # secure, server name or None, request, status, name, verdict, rule
    (False, None, get(UP).replace(b"\r\n", b"\n"), 400, "http-malformed", "block", "default"),
    (True, UP, get(UP, fields="Content-Length: 1, 1\r\n"), 400, "http-malformed", "block", "*.deny.test"),
    (True, "git.deny.test", get("git.deny.test", "/r.git//info/x"), 400, "path-ambiguous", "block", "git.deny.test"),
    (False, None, get("denied.test"), 403, "host-not-allowed", "block", "default"),
    (True, "denied.test", get("denied.test"), 403, "host-not-allowed", "block", "default"),
    (False, None, get("192.0.2.1"), 403, "address-literal", "block", "default"),
    (False, None, get(UP + ":81"), 403, "port-not-allowed", "block", "*.deny.test"),
    (False, None, get("tunnel.deny.test"), 403, "tls-required", "block", "tunnel.deny.test"),
    (False, None, get("lan.deny.test"), 403, "address-refused", "block", "*.deny.test"),
    (False, None, get("auth.deny.test"), 403, "auth-needs-tls", "block", "auth.deny.test"),
    (True, UP, get(UP, fields="Connection: Upgrade\r\nUpgrade: websocket\r\n"), 403, "upgrade", "block", "default"),
    (True, UP, get(UP, "/", "X-Any: a-token-of-no-use\r\n"), 403, "secret-elsewhere", "alarm", "*.deny.test"),
    (True, UP, get(UP, "/r.git/info/refs?service=git-upload-pack"), 403, "git-fetch", "block", "*.deny.test"),
    (True, UP, get(UP, "/r.git/info/refs?service=git-receive-pack"), 403, "git-push", "block", "*.deny.test"),
    (False, None, get(UP).replace(b"GET", b"TRACE"), 405, "http-method", "block", "*.deny.test"),
    (False, None, get(UP, fields="Expect: miracles\r\n"), 417, "http-expectation", "block", "default"),
    (True, UP, get("git.deny.test"), 421, "misdirected", "block", "default"),
    (True, UP, get(UP, fields="X: " + "x" * 70000 + "\r\n"), 431, "http-head-too-large", "block", "default"),
    (False, None, get("none.deny.test"), 502, "name-unresolved", "block", "*.deny.test"),
    (False, None, get("shut.deny.test"), 502, "upstream-unreachable", "block", "*.deny.test"),
    (True, "wrong.deny.test", get("wrong.deny.test"), 502, "upstream-tls", "block", "*.deny.test"),
    (True, UP, get(UP, "/bad"), 502, "upstream-malformed", "allow", "*.deny.test"),
    (True, "auth.deny.test", get("auth.deny.test", "/gzip"), 502, "upstream-encoding", "allow", "auth.deny.test"),
    (False, None, get(UP).replace(b"1.1", b"1.2"), 505, "http-version", "block", "default"),
]


@pytest.mark.parametrize("secure, server, request_bytes, status, name, verdict, rule", SEEN,
                         ids=[f"{case[3]}-{case[4]}-{'TLS' if case[0] else 'clear'}" for case in SEEN])
def test_a_refusal_is_a_problem_with_the_event_of_its_audit_line(rig, certificates, secure, server, request_bytes, status, name, verdict,
                                                                 rule):
    answers = {"/bad": b"HTTP/1.1 200 OK\nX: y\r\n\r\n",
               "/gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"}

    def serve(stream):
        while request := upstream.read_request(stream):
            stream.sendall(answers.get(request.start.split()[1], b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    upstream = tls_upstream(rig, certificates, "right", serve)
    rig.upstream(PUBLIC, 80)
    if name == "upstream-tls":
        tls_upstream(rig, certificates, "wrong", address=SERVER)
    with rig.https(server) if secure else rig.client() as client:
        client.send(request_bytes)
        body = problem(client.message(), status, name)
    line = same_event(rig, body)
    assert (line["kind"], line["verdict"], line["rule"]) == ("http", verdict, rule)
    with rig.https(UP) if secure else rig.client() as client:  # the control
        client.send(get(UP, "/control"))
        assert client.message().status == 200


def test_without_a_policy_it_is_a_503_of_the_same_shape():
    rig = Rig()
    try:
        body = problem(rig.get(get("up.deny.test")), 503, "no-policy")
        assert same_event(rig, body)["rule"] == "default"
    finally:
        rig.close()
