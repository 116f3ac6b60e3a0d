# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths, methods and fields through stopper-proxy: what upstream saw is what was judged, and what could be read otherwise
goes nowhere."""
import re
import threading
import urllib.parse

import pytest

from http_peer import get, problem
from proxy_rig import PUBLIC, WAIT, Rig, wait_until
from tls_peer import Certificates, tls_upstream

HOST, DENIED, METHODS = "api.tls.test", "forge.tls.test", "methods.tls.test"
HOOKS = "/repos/[^/]+/[^/]+/hooks(?:[./].*)?"
ROUTES = [
    {"host": HOST, "cookies": True,
     "matches": [{"paths": [{"value": "/v1"}, {"type": "regex", "value": "/u/[0-9]+"}], "methods": ["GET", "HEAD"]},
                 {"paths": [{"type": "exact", "value": "/v1/messages"}], "methods": ["POST"],
                  "headers": [{"name": "X-Version", "value": "1"}]},
                 {"paths": [{"type": "regex", "value": "/slow/(?:a+)+[bc]"}]}],
     "deny": [{"paths": [{"value": "/v1/secret"}]}, {"headers": [{"name": "X-Mode", "value": "admin"}]}]},
    {"host": DENIED, "deny": [{"name": "deny[0] github/hooks", "methods": ["POST", "PATCH"],
                               "paths": [{"type": "regex", "value": HOOKS}]}]},
    {"host": METHODS, "matches": [{"methods": ["GET"]}]},
    {"host": "any.tls.test"},
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make("right", san="DNS:*.tls.test")
    return made


@pytest.fixture(scope="module")
def long_lived(certificates):
    made = Rig()
    made.worker.apply(*ROUTES, extra_ca=certificates.pem)
    made.resolver.names.update({route["host"]: [PUBLIC] for route in ROUTES})
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    long_lived.worker.forget()
    yield long_lived
    long_lived.clear()


def request(method, host, target, fields="", body=""):
    length = f"Content-Length: {len(body)}\r\n" if method not in ("GET", "HEAD") else ""
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}\r\n{body}".encode()


def ask(rig, tls, host, what):
    if not tls:
        return rig.get(what, to_head=what.startswith(b"HEAD"))
    with rig.https(host) as client:
        client.send(what)
        return client.message(to_head=what.startswith(b"HEAD"))


def listen(rig, certificates, tls):
    return tls_upstream(rig, certificates, "right") if tls else rig.upstream(PUBLIC, 80)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "tls"])
def test_what_upstream_saw_is_what_was_judged(rig, certificates, tls):
    upstream = listen(rig, certificates, tls)
    scheme = "https" if tls else "http"
    allowed = [("GET", "/v1", "", "/v1", 0), ("GET", "/v1/a%20b?x=/v1/../secret", "", "/v1/a b", 0),
               ("GET", "/%76%31/%6dodels", "", "/v1/models", 0), ("HEAD", "/u/12", "", "/u/12", 0),
               ("POST", "/v1/messages", "x-version: 1\r\n", "/v1/messages", 1),
               ("GET", f"{scheme}://{HOST.upper()}/v1/abs", "", "/v1/abs", 0)]
    for method, target, fields, canonical, entry in allowed:
        rig.worker.forget()
        assert ask(rig, tls, HOST, request(method, HOST, target, fields)).status == 200, target
        start, _, rest = upstream.requests[-1].decode().partition("\r\n")
        seen_method, seen_target, version = start.split(" ")
        path = seen_target.partition("?")[0]
        assert (seen_method, urllib.parse.unquote(path), version) == (method, canonical, "HTTP/1.1")
        assert rest.startswith(f"Host: {HOST}\r\n") and not re.search("secret", path)
        assert rig.worker.line(verdict="allow", host=HOST)["rule"] == f"{HOST} matches[{entry}]"
    assert len(upstream.requests) == len(allowed)


REFUSED = [  # method, target, fields, status, name, rule
    ("GET", "/", "", 403, "path-not-allowed", HOST),
    ("GET", "/v10", "", 403, "path-not-allowed", HOST),
    ("GET", "/V1", "", 403, "path-not-allowed", HOST),
    ("GET", "/x/v1", "", 403, "path-not-allowed", HOST),
    ("GET", "/u/12/x", "", 403, "path-not-allowed", HOST),
    ("OPTIONS", "*", "", 403, "path-not-allowed", HOST),
    ("DELETE", "/v1/x", "", 403, "method-not-allowed", HOST),
    ("PATCH", "/v1/messages", "X-Version: 1\r\n", 403, "method-not-allowed", HOST),
    ("POST", "/v1/messages", "", 403, "header-not-allowed", HOST),
    ("POST", "/v1/messages", "X-Version: 2\r\n", 403, "header-not-allowed", HOST),
    ("POST", "/v1/messages", "X-Version: 1\r\nX-Version: 2\r\n", 403, "header-not-allowed", HOST),
    ("POST", "/v1/messages", "X-Version: 1\r\nConnection: X-Version\r\n", 403, "header-not-allowed", HOST),
    ("GET", "/v1/secret", "", 403, "deny-entry", HOST + " deny[0]"),
    ("GET", "/v1/%73ecret/x", "", 403, "deny-entry", HOST + " deny[0]"),
    ("GET", "/v1/SECRET", "", 403, "deny-entry", HOST + " deny[0]"),
    ("GET", "/v1/x", "x_mode: Admin\r\n", 403, "deny-entry", HOST + " deny[1]"),
    ("GET", "/slow/" + "a" * 40, "", 403, "match-limit", HOST + " matches[2]"),
    ("GET", "/v1/x", "X-HTTP-Method-Override: DELETE\r\n", 400, "method-override", HOST),
    ("GET", "/v1/x", "x_http_method_override: DELETE\r\n", 400, "method-override", HOST),
    ("GET", "/v1/x", "X-Method-Override: DELETE\r\n", 400, "method-override", HOST),
    ("GET", "/v1/x", "X-HTTP-Method: DELETE\r\n", 400, "method-override", HOST),
    ("GET", "/v1/x?a&_method=DELETE", "", 400, "method-override", HOST),
    ("GET", "/v1/x?%255fmethod=DELETE", "", 400, "method-override", HOST),
    ("GET", "/v1/x", "X-Original-URL: /admin\r\n", 400, "path-ambiguous", HOST),
    ("GET", "/v1/x", "X-Rewrite-Url: /admin\r\n", 400, "path-ambiguous", HOST),
    *(("GET", target, "", 400, "path-ambiguous", HOST) for target in (
        "/v1/../admin", "/v1/%2e%2e/admin", "/v1/.%2E/admin", "/v1/./x", "/v1//x", "//v1", "/v1%2fx", "/v1/..%2f..%2fadmin",
        "/v1\\..\\admin", "/v1/%5c..", "/v1/x;/../admin", "/v1/x%3bjsessionid=1", "/v1/%252e%252e/admin", "/v1/x%3f", "/v1/x%23",
        "/v1/x%0a", "/v1/x%00", "/v1/%c0%ae%c0%ae/admin", "/v1/%e0%80%af", "/v1/%", "/v1/%zz")),
]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "tls"])
def test_what_is_not_allowed_or_has_two_readings_goes_nowhere(rig, certificates, tls):
    upstream = listen(rig, certificates, tls)
    scheme = "https" if tls else "http"
    for method, target, fields, status, name, rule in REFUSED:
        forms = [target] if not target.startswith("/") else [target, f"{scheme}://{HOST}{target}"]
        for form in forms:
            said = problem(ask(rig, tls, HOST, request(method, HOST, form, fields)), status, name)
            assert said["rule"] == rule and said["hint"], form
        rig.worker.line(reason=name, verdict="block", rule=rule, status=status, host=HOST)
    assert upstream.accepted == 0 and upstream.requests == []
    assert ask(rig, tls, HOST, request("GET", HOST, "/v1/x")).status == 200  # the control
    assert upstream.accepted == 1


def test_a_refusal_says_what_the_operator_would_have_to_change(rig):
    for what, name, words in ((request("GET", HOST, "/x"), "path-not-allowed", "add the path to paths"),
                              (request("PUT", HOST, "/v1"), "method-not-allowed", "add the method to methods"),
                              (request("GET", HOST, "/v1/secret"), "deny-entry", 'the entry that "rule" names')):
        assert words in problem(rig.get(what), 403, name)["hint"]


def test_a_kept_connection_is_judged_request_by_request(rig, certificates):
    upstream = tls_upstream(rig, certificates, "right")
    with rig.https(HOST) as client:
        statuses = []
        for target in ("/v1/a", "/admin", "/v1/b", "/v1/../admin", "/v1/c"):
            client.send(get(HOST, target))
            statuses.append(client.message().status)
    assert statuses == [200, 403, 200, 400, 200]
    assert [seen.split()[1] for seen in upstream.requests] == [b"/v1/a", b"/v1/b", b"/v1/c"]


def test_a_deny_list_alone_leaves_the_rest_open(rig, certificates):
    upstream = tls_upstream(rig, certificates, "right")
    hooks = "/repos/o/r/hooks"
    for target in (hooks, hooks + "/", hooks + "/1", hooks + ".json", "/Repos/o/r/HOOKS", "/repos/o/r/%68ooks"):
        said = problem(ask(rig, True, DENIED, request("POST", DENIED, target)), 403, "deny-entry")
        assert said["rule"] == DENIED + " deny[0] github/hooks"
    rig.worker.line(reason="deny-entry", rule=DENIED + " deny[0] github/hooks", path=hooks)
    for target in ("/repos/o//r/hooks", "/repos/o/r/x/../hooks", "/repos/o/r%2fhooks", "/repos/o/r/hooks;x", "/repos/o/r\\hooks"):
        problem(ask(rig, True, DENIED, request("POST", DENIED, target)), 400, "path-ambiguous")
    problem(ask(rig, True, DENIED, request("GET", DENIED, hooks, "X-HTTP-Method-Override: POST\r\n")), 400, "method-override")
    assert upstream.accepted == 0
    for method, target in ("GET", hooks), ("POST", "/repos/o/r/issues"), ("DELETE", "/repos/o/r/hooksx"):
        assert ask(rig, True, DENIED, request(method, DENIED, target)).status == 200
    assert len(upstream.requests) == 3


def test_only_what_decides_has_to_have_one_reading(rig, certificates):
    """Package managers and object stores use encoded slashes and empty segments where no path was named."""
    upstream = tls_upstream(rig, certificates, "right")
    for host, target in (METHODS, "/@scope%2fname"), (METHODS, "/a//b;c"), ("any.tls.test", "/a/../b%2f?_method=PUT"):
        assert ask(rig, True, host, get(host, target)).status == 200
        assert upstream.requests[-1].split()[1].decode() == target
    problem(ask(rig, True, METHODS, get(METHODS, "/?_method=PUT")), 400, "method-override")
    problem(ask(rig, True, METHODS, request("POST", METHODS, "/")), 403, "method-not-allowed")
    assert len(upstream.requests) == 3


def test_a_new_policy_judges_running_requests_again(rig, certificates):
    """Each waits for its answer while the policy changes; only what both policies allow is answered."""
    def serve(stream):
        while upstream.read_request(stream):
            go.wait(WAIT)
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    go = threading.Event()
    upstream = tls_upstream(rig, certificates, "right", serve)
    running = {"/v1/kept": 200, "/v1/gone": "path-not-allowed", "/v1/denied": "deny-entry", "/u/7": "path-not-allowed",
               "/v1/kept/%61": 200}
    clients = {}
    try:
        for target in running:
            clients[target] = rig.https(HOST)
            clients[target].send(get(HOST, target))
        clients["head"] = rig.https(HOST)
        clients["head"].send(get(HOST, "/v1/kept", "X-Mode: user\r\n"))
        wait_until(lambda: len(upstream.requests) == len(clients))
        new = {"host": HOST, "matches": [{"paths": [{"value": "/v1/kept"}, {"value": "/v1/denied"}]}],
               "deny": [{"paths": [{"value": "/v1/denied"}]}, {"headers": [{"name": "X-Mode", "value": "user"}]}]}
        rig.worker.apply(new, *ROUTES[1:], extra_ca=certificates.pem)
        for target, wanted in running.items():
            if wanted != 200:
                problem(clients[target].message(), 403, wanted)
        assert problem(clients["head"].message(), 403, "deny-entry")["rule"] == HOST + " deny[1]"
        assert rig.worker.line(rule=HOST + " deny[1]", path="/v1/kept")["generation"] == rig.worker.generation
        go.set()
        for target, wanted in running.items():
            if wanted == 200:
                assert clients[target].message().body == b"hello"
        rig.worker.apply({"host": HOST}, *ROUTES[1:], extra_ca=certificates.pem)  # no rules: all is open again
        with rig.https(HOST) as client:
            client.send(get(HOST, "/v1/gone"))
            assert client.message().status == 200
    finally:
        go.set()
        for client in clients.values():
            client.close()
        rig.worker.apply(*ROUTES, extra_ca=certificates.pem)


def test_a_policy_with_rules_that_do_not_compile_is_not_taken(rig, certificates):
    bad = {"host": HOST, "matches": [{"paths": [{"type": "regex", "value": "/a("}]}]}
    refused = rig.worker.refused(bad, *ROUTES[1:], extra_ca=certificates.pem)
    assert refused == "policy: routes: [0]: matches: [0]: paths: [0]: value: does not compile: at offset 3: " \
                      "missing closing parenthesis"
    upstream = tls_upstream(rig, certificates, "right")
    problem(ask(rig, True, HOST, get(HOST, "/a")), 403, "path-not-allowed")  # the old one is in force
    assert ask(rig, True, HOST, get(HOST, "/v1")).status == 200 and upstream.accepted == 1
