# SPDX-License-Identifier: GPL-3.0-or-later
"""hostctl explain: what it says of a request is what stopper-proxy does with it, with the same rule; and the lines that it names."""
import base64
import json
import re

import pytest

from http_peer import problem
from proxy_rig import PUBLIC, Rig
from test_hostctl_cli import USAGE
from test_manifests import Folders
from test_matching import HOST, REFUSED, ROUTES
from tls_peer import Certificates, tls_upstream

AUTH, GIT, TUNNEL, PLAIN, HOLDS = "auth.tls.test", "git.tls.test", "tunnel.tls.test", "plain.tls.test", "holds.tls.test"
HELD, VALUE = "fake-placeholder-of-no-use", "a-token-of-no-use"
MATCHING = ROUTES[0] | {"cookies": "allow"}
MANIFEST = [MATCHING,
            {"host": AUTH, "auth": {"scheme": "token", "token_ref": "FORGE_TOKEN", "header": "X-Forge"}},
            {"host": GIT, "git": {"fetch": True}, "ports": [443, 8443], "deny": ["gitea"]},
            {"host": TUNNEL, "tls": {"passthrough": True}},
            {"host": "*.wild.tls.test"},
            {"host": HOLDS, "auth": {"scheme": "raw", "token_ref": "FORGE_TOKEN", "header": "X-Forge", "placeholder": HELD,
                                     "in": ["query:key", "header:X-Key"]}},
            {"host": PLAIN}]
ALLOWED, DENIED = 0, 1
CARRIERS = ["Authorization: own", "Cookie: a=b", "x_api_key: own", "Connection: X-Hop", "X-Hop: 1", "X-Other: 1"]

CASES = [  # method, URL, fields
    ("GET", f"https://{HOST}/v1/a%20b?x=1", []), ("GET", f"http://{HOST}/v1", CARRIERS), ("GET", f"https://{HOST}/u/12", []),
    ("POST", f"https://{HOST}/v1/messages", ["X-Version: 1"]), ("GET", f"https://{HOST.upper()}:443/v1", []),
    ("GET", f"https://{HOST}?x=1", []), ("get", f"https://{HOST}/v1", []), ("TRACE", f"http://{HOST}/v1", []),
    ("GET", f"http://{HOST}/v1", ["Upgrade: websocket"]), ("GET", f"http://{HOST}/v1", ["Expect: miracles"]),
    ("GET", f"http://{HOST}/v1", ["No blank before the colon : x"]), ("GET", f"http://{HOST}/v1", ["X: " + "x" * 70000]),
    ("GET", f"http://{HOST}/v1", ["Content_Length: 1"]), ("GET", f"http://{HOST}/v1/\u00e9", []),
    ("GET", f"https://{AUTH}/", CARRIERS), ("GET", f"http://{AUTH}/", CARRIERS),
    ("GET", f"https://{PLAIN}/a//b;c", CARRIERS), ("GET", f"http://{PLAIN}:80", []), ("GET", f"http://{PLAIN}:8443/", []),
    ("GET", f"https://{PLAIN}:8443/", []), ("GET", f"http://{PLAIN}:443/", []), ("GET", f"https://{PLAIN}:80/", []),
    ("GET", f"https://{PLAIN}/r.git/info/refs?service=git-upload-pack", []),
    ("GET", f"https://{PLAIN}/r.git/info/refs?service=git-receive-pack", []),
    ("GET", f"https://{GIT}/r.git/info/refs?service=git-upload-pack", []),
    ("GET", f"https://{GIT}:8443/r.git/info/refs?service=git-upload-pack", []),
    ("GET", f"https://{GIT}/r.git//info/refs?service=git-upload-pack", []), ("POST", f"https://{GIT}/r.git/git-receive-pack", []),
    ("POST", f"https://{GIT}/api/v1/repos/o/r/hooks", []), ("GET", f"http://{GIT}/", []),
    ("GET", f"http://{TUNNEL}/", []), ("GET", f"https://{TUNNEL}/any", []), ("GET", f"https://{TUNNEL}:8443/", []),
    ("GET", "https://a.wild.tls.test/", []), ("GET", "http://wild.tls.test/", []), ("GET", "https://absent.tls.test/", []),
    ("GET", "http://192.0.2.1/", []), ("GET", "http://a..tls.test/", []),
    *((method, f"https://{HOST}{target}", fields.split("\r\n")[:-1])
      for method, target, fields, *_ in REFUSED if target.startswith("/")),
]


def enforced(route):
    """What `up` compiles of a route, for what is named here."""
    route = dict(route)
    if "auth" in route:
        auth = dict(route["auth"])
        auth["secret"] = auth.pop("token_ref")
        route["auth"] = auth
    if route.pop("git", None):
        route["git_fetch"] = True
    if "cookies" in route:
        route["cookies"] = True
    if route.get("deny") == ["gitea"]:  # the one entry of it that a case is about
        route["deny"] = [{"name": "deny[0] gitea/hooks", "methods": ["POST"],
                          "paths": [{"type": "regex", "value": "/api/v1/repos/[^/]+/[^/]+/hooks(?:[./].*)?"}]}]
    return route


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make("right", san="DNS:*.tls.test,DNS:a.wild.tls.test")
    return made


@pytest.fixture(scope="module")
def rig(certificates):
    made = Rig()
    made.worker.apply(*map(enforced, MANIFEST), secrets={"FORGE_TOKEN": "a-token-of-no-use"}, extra_ca=certificates.pem)
    made.resolver.names.update({host: [PUBLIC] for host in (HOST, AUTH, GIT, TUNNEL, PLAIN, HOLDS, "a.wild.tls.test")})
    made.upstreams = [made.upstream(PUBLIC, 80), tls_upstream(made, certificates, "right"),
                      tls_upstream(made, certificates, "right", port=8443)]
    yield made
    made.clear()
    made.close()


@pytest.fixture
def files(tmp_path):
    return Folders(tmp_path)


def explain(files, *words):
    status, out, err = files("explain", *words, "--json")
    assert err == "" and status in (ALLOWED, DENIED), err
    said = json.loads(out)
    assert (status == ALLOWED) == (said["verdict"] == "allow") == (said["reason"] is None)
    return said


def send(rig, certificates, method, url, fields, said):
    """The same request through the proxy, by a client that trusts the bottle's CA, or for a tunnel the upstream's."""
    scheme, authority, target = re.fullmatch(r"(https?)://([^/?]+)(.*)", url).groups()
    host, _, port = authority.partition(":")
    port = int(port or {"https": 443, "http": 80}[scheme])
    named = host if port == {"https": 443, "http": 80}[scheme] else authority
    target = target if target.startswith("/") else "/" + target
    length = ["Content-Length: 0"] if method == "POST" else []
    data = "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {named}", *length, *fields, "", ""]).encode()
    ca = certificates.pem_path if said["tls"] == "passthrough" else None
    with rig.https(host.lower(), port, ca=ca) if scheme == "https" else rig.client(port) as client:
        client.send(data)
        return client.message()


def test_what_it_says_is_what_the_proxy_does(rig, certificates, files):
    manifest = files.put("m.yaml", json.dumps({"egress": {"routes": MANIFEST}}))
    certificates.pem_path = files.put("ca.pem", certificates.pem)
    seen = {"allow": 0, "block": 0}
    for method, url, fields in CASES:
        rig.worker.forget()
        before = [len(upstream.requests) for upstream in rig.upstreams]
        said = explain(files, "-f", manifest, method, url, *(word for field in fields for word in ("-H", field)))
        seen[said["verdict"]] += 1
        message = send(rig, certificates, method, url, fields, said)
        new = [request for upstream, had in zip(rig.upstreams, before) for request in upstream.requests[had:]]
        if said["verdict"] == "block":
            body = problem(message, said["status"], said["reason"])
            assert (body["rule"], body["title"], body["hint"]) == (said["rule"], said["sentence"], said["hint"]), url
            assert new == [] and said["injected"] is None and said["stripped"] == [], url
            continue
        assert (message.status, len(new)) == (200, 1), (url, said, message.raw)
        if said["tls"] == "passthrough":
            continue
        assert rig.worker.line(verdict="allow")["rule"] == said["rule"], url
        arrived = {line.split(":")[0].lower() for line in new[0].decode().split("\r\n")[1:] if line}
        left_out = {field.split(":")[0].lower() for field in fields} - arrived
        assert {name.lower() for name in said["stripped"]} == left_out, url
        if said["injected"]:
            assert said["injected"] == {"variable": "FORGE_TOKEN", "header": "X-Forge", "scheme": "token"}
            assert b"\r\nX-Forge: token a-token-of-no-use\r\n" in new[0]
        assert ("x-forge" in arrived) == bool(said["injected"])
    assert seen["allow"] >= 12 and seen["block"] >= 50


@pytest.mark.parametrize("target, fields, here, stripped, seen", [
    ("/", [], [], [], [f"X-Forge: {VALUE}"]),
    ("/", [f"Authorization: token {HELD}"], ["Authorization"], [], [f"Authorization: token {VALUE}"]),
    ("/", ["Authorization: Basic " + base64.b64encode(f"u:{HELD}".encode()).decode()], ["Authorization"], [],
     ["Authorization: Basic " + base64.b64encode(f"u:{VALUE}".encode()).decode()]),
    ("/", ["Authorization: Basic " + base64.b64encode(b"u:own").decode()], [], ["Authorization"], [f"X-Forge: {VALUE}"]),
    ("/", [f"x-key: {HELD}", f"X-Forge: a={HELD}"], ["x-key", "X-Forge"], [], [f"x-key: {VALUE}", f"X-Forge: a={VALUE}"]),
    ("/", [f"X-Key: x{HELD}", f"x_key: {HELD}"], [], ["X-Key", "x_key"], [f"X-Forge: {VALUE}"]),
    ("/", [f"Authorization: {HELD}", "Connection: authorization"], [], ["Authorization", "Connection"], [f"X-Forge: {VALUE}"]),
    (f"/?a=1&key={HELD}", ["X-Key: own"], ["query:key"], ["X-Key"], [f"GET /?a=1&key={VALUE} HTTP/1.1"]),
    (f"/{HELD}?a={HELD}&key=own", [f"X-Other: {HELD}"], [], ["query:key"],
     [f"GET /{HELD}?a={HELD} HTTP/1.1", f"X-Other: {HELD}", f"X-Forge: {VALUE}"]),
], ids=range(9))
def test_the_value_goes_where_it_says(rig, certificates, files, target, fields, here, stripped, seen):
    manifest = files.put("m.yaml", json.dumps({"egress": {"routes": MANIFEST}, "env": {"A": {"placeholder_for": HOLDS}}}))
    url = f"https://{HOLDS}{target}"
    said = explain(files, "-f", manifest, "GET", url, *(word for field in fields for word in ("-H", field)))
    assert said["injected"] == {"variable": "FORGE_TOKEN", "header": "X-Forge", "scheme": "raw", "placeholder": {
        "value": HELD, "in": ["Authorization", "X-Forge", "query:key", "header:X-Key"], "env": ["A"], "here": here}}
    assert said["stripped"] == stripped
    before = len(rig.upstreams[1].requests)
    assert send(rig, certificates, "GET", url, fields, said).status == 200
    lines = rig.upstreams[1].requests[before].decode().split("\r\n")[:-2]
    line, others = lines[0], lines[1:]
    expected = [line, "Host: " + HOLDS, "Accept-Encoding: identity", *(field for field in seen if not field.startswith("GET "))]
    assert sorted([line, *others]) == sorted(expected) and line == (seen[0] if seen[0].startswith("GET ") else "GET / HTTP/1.1")
    words = [f"  injected: the value of FORGE_TOKEN in the placeholder's place in {', '.join(here)}\n" if here else
             "  injected: the value of FORGE_TOKEN in X-Forge, scheme raw\n", f'  placeholder: "{HELD}"; where it stands', "in: A\n"]
    text = files("explain", "-f", manifest, "GET", url, *(word for field in fields for word in ("-H", field)))[1]
    assert all(word in text for word in words), text


TEXT = """egress:
  routes:
    - host: api.example.com
      auth: {scheme: Bearer, token_ref: API_KEY}
      matches:
        - methods: [GET]
          paths: [{value: /v1}]
      deny:
        - github
        - paths: [{value: /v1/secret}]
"""
OPEN = "  tls: opened\n  ports: 80, 443\n"
LOOKED_FOR = "  looked for in what is sent (block): token_patterns, known_secrets\n" \
             "  looked for in what comes back (block): naive_injection_detection\n"
PUBLIC_ONLY = "  not judged: the address that the name resolves to: it must be public (else address-refused)\n"


def test_it_names_the_line_and_the_remedy_without_the_variable(files):
    files.put("m.yaml", TEXT)
    assert files("explain", "-f", "m.yaml", "GET", "https://api.example.com/v1/x", "-H", "Authorization: own") == (
        ALLOWED, "m.yaml:6: allowed by api.example.com matches[0]\n" + OPEN +
        "  injected: the value of API_KEY in Authorization, scheme Bearer\n  stripped: Authorization\n" + LOOKED_FOR + PUBLIC_ONLY +
        "  not judged: secrets in the head: the value or the placeholder of another route, or a value of from_env, is refused "
        "(secret-elsewhere)\n  not judged: the answer: one that is compressed is refused (upstream-encoding)\n", "")
    assert files("explain", "-f", "m.yaml", "GET", "https://api.example.com/v1/secret/x") == (
        DENIED, "m.yaml:10: denied by api.example.com deny[1]: deny-entry\n"
        "  An entry of this route's deny list names this request.\n"
        '  The operator would have to change the entry that "rule" names; it wins over matches.\n' + OPEN, "")
    assert files("explain", "-f", "m.yaml", "POST", "https://api.example.com/repos/o/r/hooks")[1].startswith(
        "m.yaml:9: denied by api.example.com deny[0] github/hooks: deny-entry\n")
    assert files("explain", "-f", "m.yaml", "POST", "https://api.example.com/v1")[1].startswith(
        "m.yaml:3: denied by api.example.com: method-not-allowed\n")
    assert files("explain", "-f", "m.yaml", "GET", "https://other.example.com/") == (
        DENIED, "m.yaml: denied, no route decided: host-not-allowed\n  This host is not named by the bottle's manifest.\n"
        "  The operator would have to add an entry with this host to egress.routes.\n  tls: opened\n", "")


def test_the_line_is_that_of_the_layer(files):
    base = files.bottle("base", TEXT)
    top = files.bottle("top", "extends: base\nagent_provider: {template: claude}\negress: {dns: {denied: refuse}, routes: [{host: b.example.com}]}\n")
    files.agent("a", "bottle: top\n")
    for name in "top", "a":
        assert explain(files, name, "GET", "https://api.example.com/v1")["entry"] == {"file": base, "line": 7}
        assert explain(files, name, "GET", "https://b.example.com/")["route"] == {"file": top, "line": 4}
    said = explain(files, "a", "POST", "https://api.anthropic.com/v1/messages")
    assert said["route"]["file"] == "template claude" and said["entry"]["file"].startswith("role ")
    assert said["injected"]["variable"] and said["entry"]["line"] > 0
    assert explain(files, "a", "GET", "https://absent.example.com/")["unjudged"] == [
        "DNS, which refuses this name before there is a request (dns-name)"]


def test_it_names_what_is_looked_for(files):
    files.put("m.yaml", json.dumps({"agent_provider": {"template": "claude"}, "egress": {"routes": [
        {"host": "a.example.com", "dlp": {"outbound_detectors": False, "inbound_on_match": "annotate", "budget": "10m/minute"}},
        {"host": "b.example.com", "dlp": {"outbound_detectors": ["entropy"], "outbound_on_match": "redact", "inbound_detectors": False}},
        {"host": "e.example.com", "dlp": {"outbound_on_match": "supervise"}}, {"host": "c.example.com", "tls": {"passthrough": True}}]}}))
    both, scan = ["token_patterns", "known_secrets"], ["naive_injection_detection"]
    for host, path, wanted in (("a.example.com", "/", ([], "block", scan, "annotate", 10 << 20)), ("c.example.com", "/", None),
                               ("b.example.com", "/", (["entropy"], "redact", [], "block", None)), ("d.example.com", "/", None),
                               ("e.example.com", "/", (both, "supervise", scan, "block", None)),
                               ("api.anthropic.com", "/v1/models", (both, "redact", scan, "log", None))):
        said = explain(files, "-f", "m.yaml", "GET", f"https://{host}{path}")["dlp"]
        assert said == (wanted and dict(zip(("outbound", "outbound_on_match", "inbound", "inbound_on_match", "budget"), wanted))), host
    budget = "  budget: 10m/minute, for all requests of the route together\n"
    text = files("explain", "-f", "m.yaml", "GET", "https://a.example.com/")[1]
    assert budget in text and "what does not fit into the budget is refused (dlp-budget)" in text
    text = files("explain", "-f", "m.yaml", "GET", "https://b.example.com/")[1]
    assert "  looked for in what is sent (redact): entropy\n" in text and "comes back" not in text and "budget" not in text


def test_what_would_be_held_is_denied_unless_the_operator_approves(files):
    files.put("m.yaml", json.dumps({"supervise": True, "egress": {"ignore": ["t.example.com"], "routes": [{"host": "a.example.com"}]}}))
    held = ["the operator, for whom the request is held: it goes on when he approves it"]
    for url, unjudged in (("https://b.example.com/", held), ("https://t.example.com/", []), ("https://b.example.com/a/../b", []),
                          ("https://b.example.com/r.git/info/refs?service=git-receive-pack", [])):
        said = explain(files, "-f", "m.yaml", "GET", url)
        assert (said["verdict"], said["reason"], said["unjudged"]) == ("block", "host-not-allowed", unjudged), url


def test_what_it_cannot_know_it_says(files):
    files.put("m.yaml", json.dumps({"egress": {"routes": [
        {"host": "git.example.com", "git": {"fetch": True}, "allow_private": ["10.0.0.0/8"]},
        {"host": "tunnel.example.com", "tls": {"passthrough": True}}]}}))
    said = explain(files, "-f", "m.yaml", "POST", "https://git.example.com/r.git/info/lfs/objects/batch")["unjudged"]
    assert said == ["the address that the name resolves to: it must be public, or in allow_private (else address-refused)",
                    "the body: a Git LFS batch that is not clearly a download is refused (git-push)"]
    assert "method, path and fields: nobody sees them, TLS is not opened" in explain(
        files, "-f", "m.yaml", "GET", "https://tunnel.example.com/")["unjudged"]


def test_raw_tcp_is_what_its_ports_are_for_whatever_is_said(files):
    files.put("m.yaml", "egress:\n  routes:\n    - host: a.example.com\n    - host: DB.example.com\n      tcp: [{port: 5432}, {port: 22}]\n"
              "      auth: {scheme: raw, token_ref: T}\n")
    for words in ["CONNECT", "tcp://db.example.com:5432"], ["GET", "http://db.example.com:5432/"], ["POST", "https://db.example.com:22/x"]:
        said = explain(files, "-f", "m.yaml", *words)
        assert (said["verdict"], said["rule"], said["tls"], said["tcp"], said["injected"], said["route"]["line"]) == (
            "allow", "db.example.com", "raw", [5432, 22], None, 4), words
        assert said["unjudged"] == ["the address that the name resolves to: it must be public (else address-refused)",
                                    "what is said: raw TCP is carried as it is, and nobody looks at it"]
    for words, reason in ((["CONNECT", "tcp://db.example.com:443"], "port-not-allowed"), (["CONNECT", "tcp://a.example.com:5432"], "port-not-allowed"),
                          (["CONNECT", "tcp://x.db.example.com:5432"], "host-not-allowed"), (["CONNECT", "tcp://192.0.2.1:5432"], "address-literal"),
                          (["GET", "http://a.example.com:5432/"], "port-not-allowed")):
        said = explain(files, "-f", "m.yaml", *words)
        assert (said["verdict"], said["reason"]) == ("block", reason), words
    assert explain(files, "-f", "m.yaml", "GET", "https://db.example.com/")["tls"] == "opened"
    status, out, err = files("explain", "-f", "m.yaml", "CONNECT", "tcp://db.example.com:5432")
    assert (status, err) == (ALLOWED, "") and out.splitlines()[1:4] == [
        "  tls: not looked for, this is raw TCP", "  ports: 80, 443", "  tcp ports: 5432, 22"]


@pytest.mark.parametrize("words, wrong", [
    (["-f", "m.yaml", "GET"], "takes -f FILE, a METHOD and a URL"),
    (["GET", "https://a.example.com/"], "takes -f FILE or a NAME, a METHOD and a URL"),
    (["-f", "m.yaml", "GET", "a.example.com"], "the URL must begin with https://, http:// or tcp://"),
    (["-f", "m.yaml", "GET", "https:///x"], "the URL names no host"),
    *((["-f", "m.yaml", *words], "raw TCP is asked after with CONNECT tcp://HOST:PORT, without a path or -H") for words in (
        ["GET", "tcp://a.example.com:1"], ["CONNECT", "tcp://a.example.com"], ["CONNECT", "tcp://a.example.com:1/"],
        ["CONNECT", "tcp://a.example.com:1", "-H", "X: y"])),
    (["-f", "m.yaml", "GET", "https://u:p@a.example.com/"], "a user in the URL is no part of a request: name the field with -H"),
    (["-f", "m.yaml", "GET", "https://a.example.com/#x"], 'the part behind "#" is never sent'),
    (["-f", "m.yaml", "GET", "https://a.example.com:0/"], "the URL's host or port is malformed"),
    (["-f", "m.yaml", "GET", "https://\u00e9.example.com/"], 'the URL\'s host must be ASCII (an A-label, "xn--…")'),
    (["-f", "m.yaml", "GET /x", "https://a.example.com/"], "a method and a URL have no blanks and no line breaks"),
    (["-f", "m.yaml", "GET", "https://a.example.com/x\r\nX: y"], "a method and a URL have no blanks and no line breaks"),
    (["-f", "m.yaml", "GET", "https://a.example.com/", "-H", "X: y\r\nZ: z"], "-H: a header has no line breaks"),
    (["-f", "m.yaml", "GET", "https://a.example.com/", "-H", "X"], '-H "X": must be "Name: value"'),
    (["-f", "m.yaml", "GET", "https://a.example.com/", "-H", "host: b"],
     "-H: host is not judged: the host is the URL's, and there is no body"),
])
def test_words_that_are_no_request_are_refused(files, words, wrong):
    files.put("m.yaml", TEXT)
    status, out, err = files("explain", *words)
    assert (status, out) == (USAGE, "") and err.startswith(f"hostctl explain: {wrong}\nusage: hostctl explain ")


def test_a_wrong_manifest_is_told_as_by_validate(files):
    files.put("m.yaml", "egress: {routes: [{host: a.example.com, oops: 1}]}\n")
    status, out, err = files("explain", "-f", "m.yaml", "GET", "https://a.example.com/")
    assert (status, out, err) == (USAGE, "", files("validate", "m.yaml")[2])
    assert "oops" in err
    status, out, err = files("explain", "absent", "GET", "https://a.example.com/")
    assert (status, out) == (USAGE, "") and err.startswith('hostctl explain: there is no bottle and no agent "absent" in ')
