# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials through stopper-proxy: the agent's own never arrive, the route's arrive once and never come back; ports; git."""
import base64
import gzip
import json
import os
import random
import urllib.parse

import pytest

from http_peer import get, problem
from proxy_rig import BUILD, PUBLIC, Rig, wait_until
from tls_peer import Certificates, tls_upstream

TOKEN, PASSWORD, KEY = "tok/3f9A+77c1=e5~b", "pa55/word+of:it", "k3y-of-another-forge"
SECRETS = {"TOKEN": TOKEN, "LOGIN": "user:" + PASSWORD, "KEY": KEY}
AGENT = "".join(f"{name}: from-the-agent\r\n" for name in (
    "Authorization", "authorization", "PROXY-Authorization", "X-Api-Key", "x_api_key", "api-key", "X-GOOG-API-KEY", "Private-Token",
    "PRIVATE_TOKEN", "Cookie"))
KEPT = "X-Mine: kept\r\n"


def auth(scheme, secret, **more):
    return {"scheme": scheme, "secret": secret, **more}


ROUTES = [
    {"host": "bearer.tls.test", "auth": auth("Bearer", "TOKEN")},
    {"host": "token.tls.test", "auth": auth("token", "TOKEN")},
    {"host": "raw.tls.test", "auth": auth("raw", "KEY", header="X-Forge-Key")},
    {"host": "basic.tls.test", "auth": auth("basic", "LOGIN")},
    {"host": "alone.tls.test", "auth": auth("basic", "TOKEN")},
    {"host": "none.tls.test"},
    {"host": "cookies.tls.test", "cookies": True},
    {"host": "pass.tls.test", "auth": "passthrough"},
    {"host": "clear.tls.test", "auth": auth("Bearer", "TOKEN"), "insecure": True},
    {"host": "git.tls.test", "git_fetch": True, "auth": auth("basic", "TOKEN")},
    {"host": "port.tls.test", "ports": [8443, 3000]},
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make("right", san="DNS:*.tls.test")
    return made


@pytest.fixture(scope="module")
def long_lived(certificates):
    made = Rig()
    apply(made, certificates)
    made.resolver.names.update({route["host"]: [PUBLIC] for route in ROUTES})
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    long_lived.worker.forget()
    yield long_lived
    long_lived.clear()


def apply(rig, certificates, routes=None, secrets=None):
    rig.worker.apply(*(routes or ROUTES), secrets=secrets or SECRETS, extra_ca=certificates.pem)


def ask(rig, host, request, port=443):
    with rig.https(host, port) as client:
        client.send(request)
        return client.message()


def forms(value):
    """A value as it may stand somewhere: as it is, percent-encoded, in JSON, and in base64 at each place in a group."""
    made = {value, urllib.parse.quote(value, safe=""), urllib.parse.quote(value, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
            json.dumps(value)[1:-1], value.replace("/", "\\/")}
    for before in range(3):
        for encode in base64.b64encode, base64.urlsafe_b64encode:
            text = encode(b"x" * before + value.encode()).decode()
            made.add(text[(8 * before + 5) // 6:8 * (before + len(value)) // 6])
    return made


def holds(text, *values):
    return [form for value in values for form in forms(value) if form in text]


@pytest.mark.parametrize("host, field", [
    ("bearer", f"Authorization: Bearer {TOKEN}"), ("token", f"Authorization: token {TOKEN}"), ("raw", f"X-Forge-Key: {KEY}"),
    ("basic", "Authorization: Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()),
    ("alone", "Authorization: Basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode())],
    ids=["bearer", "token", "raw", "basic", "alone"])  # pytest puts ids into its environment
def test_the_routes_credential_takes_the_place_of_the_agents(rig, certificates, host, field):
    upstream = tls_upstream(rig, certificates, "right")
    agents = AGENT + "X-Forge-Key: from-the-agent\r\nX-FORGE_KEY: from-the-agent\r\n" * (host == "raw")
    fields = agents + KEPT + "Range: bytes=0-3\r\nIf-Range: x\r\nAccept-Encoding: gzip, br\r\n"
    assert ask(rig, host + ".tls.test", get(host + ".tls.test", "/a?q=1", fields)).status == 200
    seen, = (request.decode() for request in upstream.requests)
    assert seen == f"GET /a?q=1 HTTP/1.1\r\nHost: {host}.tls.test\r\n{KEPT}Accept-Encoding: identity\r\n{field}\r\n\r\n"


@pytest.mark.parametrize("host, kept", [("none", []), ("cookies", ["Cookie"]), ("pass", AGENT.split("\r\n")[:-1])])
def test_routes_without_a_value_strip_all_the_same(rig, certificates, host, kept):
    upstream = tls_upstream(rig, certificates, "right")
    fields = AGENT + KEPT + "Range: bytes=0-3\r\nAccept-Encoding: gzip\r\n"
    assert ask(rig, host + ".tls.test", get(host + ".tls.test", "/", fields)).status == 200
    seen, = (request.decode() for request in upstream.requests)
    expected = [line for line in AGENT.split("\r\n")[:-1] if line.partition(":")[0] in [k.partition(":")[0] for k in kept]
                and not line.lower().startswith("proxy-") and (host != "pass" or not line.startswith("Cookie"))]
    assert seen.split("\r\n")[2:-2] == expected + KEPT.split("\r\n")[:-1] + ["Range: bytes=0-3", "Accept-Encoding: gzip"]
    assert not holds(seen, *SECRETS.values())


def test_a_value_goes_over_tls_only(rig):
    upstream = rig.upstream(PUBLIC, 80)
    refused = problem(rig.get(get("bearer.tls.test")), 403, "auth-needs-tls")
    assert "insecure: true" in refused["hint"]
    rig.worker.line(reason="auth-needs-tls", verdict="block", rule="bearer.tls.test")
    assert upstream.accepted == 0
    assert rig.get(get("clear.tls.test", fields=AGENT)).status == 200  # the control
    assert upstream.requests[0].decode().count(TOKEN) == 1 and b"from-the-agent" not in upstream.requests[0]


def test_credentials_in_the_target_are_refused(rig):
    for target in "http://user:word@none.tls.test/", "http://user@none.tls.test/":
        problem(rig.get(f"GET {target} HTTP/1.1\r\nHost: none.tls.test\r\n\r\n".encode()), 400, "http-malformed")


def test_a_certificate_that_is_not_trusted_gets_no_value(rig, certificates, tmp_path):
    stranger = Certificates(tmp_path)
    stranger.make("right", san="DNS:*.tls.test")
    upstream = tls_upstream(rig, stranger, "right")
    problem(ask(rig, "bearer.tls.test", get("bearer.tls.test")), 502, "upstream-tls")
    assert upstream.requests == []


def echo(parts, framing, reason="OK", fields=""):
    """An upstream that sends these parts, each by itself."""
    def serve(stream):
        while upstream.read_request(stream):
            length = f"Content-Length: {sum(map(len, parts))}\r\n" if framing == "length" else \
                "Transfer-Encoding: chunked\r\n" if framing == "chunked" else "Connection: close\r\n"
            stream.sendall(f"HTTP/1.1 200 {reason}\r\n{fields}{length}\r\n".encode())
            for part in parts:
                stream.sendall(b"%x\r\n%b\r\n" % (len(part), part) if framing == "chunked" else part)
            if framing == "chunked":
                stream.sendall(f"0\r\nX-Trailer: {TOKEN}\r\n\r\n".encode())
            if framing == "close":
                stream.unwrap()  # says that this was all
                return
    upstream = None

    def start(rig, certificates):
        nonlocal upstream
        upstream = tls_upstream(rig, certificates, "right", serve)
        return upstream
    return start


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("size", [1, 7, 100000])
def test_an_echo_is_covered_in_every_form_however_it_is_cut(rig, certificates, framing, size):
    body = "".join(f"<{form}>" for form in sorted(forms(TOKEN))).encode() + b"the end"
    cut = [body[at:at + size] for at in range(0, len(body), size)]
    echo(cut, framing, f"you sent {TOKEN}", f"X-Echo: Bearer {TOKEN}\r\nX-{KEY}: not its own\r\n")(rig, certificates)
    got = ask(rig, "bearer.tls.test", get("bearer.tls.test"))
    raw = got.raw.decode() + got.body.decode()
    assert not holds(raw, TOKEN)
    assert got.start == "HTTP/1.1 200 you sent " + "*" * len(TOKEN) and got.field("x-echo") == "Bearer " + "*" * len(TOKEN)
    assert len(got.body) == len(body) and got.body.endswith(b">the end") and got.field("x-" + KEY) == "not its own"
    assert set(got.body.decode().replace(">", "").replace("the end", "").replace("<", "")) == {"*"}
    line = rig.worker.line(verdict="redact", host="bearer.tls.test")
    assert line["detail"] == f"redacted {len(forms(TOKEN)) + 2}"


def test_an_echo_of_basic_covers_the_password_alone(rig, certificates):
    whole = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    echo([f"{PASSWORD} Basic {whole} user:{PASSWORD}".encode()], "length")(rig, certificates)
    got = ask(rig, "basic.tls.test", get("basic.tls.test")).body.decode()
    stars = "*" * len(PASSWORD)
    assert not holds(got, PASSWORD) and got.startswith(stars + " Basic ") and got.endswith(" user:" + stars)


def test_random_cuts_are_covered(rig, certificates):
    dice = random.Random(5)
    text = "".join(dice.choice((*forms(TOKEN), TOKEN[:9], TOKEN[5:], "words ", "%2", "\\")) for _ in range(300)).encode()
    parts, at = [], 0
    while at < len(text):
        size = dice.choice((1, 2, 5, 40, 3000))
        parts.append(text[at:at + size])
        at += size
    echo(parts, "chunked")(rig, certificates)
    got = ask(rig, "bearer.tls.test", get("bearer.tls.test"))
    assert len(got.body) == len(text) and not holds(got.body.decode(), TOKEN) and b"words" in got.body


def test_events_are_not_held_back(rig, certificates):
    def serve(stream):
        upstream.read_request(stream)
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for _ in range(3):
            stream.sendall(b"data: {\"text\":\"to\"}\n\n")  # the token begins like this
            assert stream.recv(1) == b""  # until the test has seen it
    upstream = tls_upstream(rig, certificates, "right", serve)
    with rig.https("bearer.tls.test") as client:
        client.send(get("bearer.tls.test"))
        assert b"text/event-stream" in client.reader.until(b"\r\n\r\n")
        assert client.reader.until(b"\n\n\r\n").endswith(b'data: {"text":"to"}\n\n\r\n')


def test_a_compressed_answer_is_refused_where_a_value_was_injected(rig, certificates):
    packed = gzip.compress(b"abc")
    reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(packed), packed)
    upstream = tls_upstream(rig, certificates, "right", lambda stream: upstream.answer(stream, reply))
    problem(ask(rig, "bearer.tls.test", get("bearer.tls.test")), 502, "upstream-encoding")
    rig.worker.line(reason="upstream-encoding", host="bearer.tls.test")
    assert ask(rig, "none.tls.test", get("none.tls.test")).body == packed  # the control


def test_a_new_value_is_used_from_the_next_request_on(rig, certificates):
    upstream = tls_upstream(rig, certificates, "right", lambda stream: upstream.answer(
        stream, f"HTTP/1.1 200 OK\r\nContent-Length: {len(TOKEN)}\r\n\r\n{TOKEN}".encode()))
    try:
        with rig.https("bearer.tls.test") as client:
            client.send(get("bearer.tls.test"))
            assert client.message().body == b"*" * len(TOKEN)
            apply(rig, certificates, secrets={**SECRETS, "TOKEN": "another-value"})
            client.send(get("bearer.tls.test"))
            assert client.message().body == TOKEN.encode()  # not this route's any more
        assert upstream.accepted == 2
        assert b"Bearer another-value\r\n" in upstream.requests[1] and TOKEN.encode() not in upstream.requests[1]
    finally:
        apply(rig, certificates)


def test_a_policy_without_its_secret_is_not_taken(rig, certificates):
    secrets = {name: value for name, value in SECRETS.items() if name != "KEY"}
    refused = rig.worker.refused(*ROUTES, secrets=secrets, extra_ca=certificates.pem)
    assert refused == "policy: routes[2]: auth: the secret KEY is missing"
    refused = rig.worker.refused(*ROUTES, secrets={**SECRETS, "TOKEN": TOKEN + " "}, extra_ca=certificates.pem)
    assert refused == "secrets: TOKEN: the value holds a space"
    upstream = tls_upstream(rig, certificates, "right")
    assert ask(rig, "raw.tls.test", get("raw.tls.test")).status == 200 and KEY.encode() in upstream.requests[0]  # still


def test_nothing_that_can_be_read_holds_a_value(rig, certificates):
    echo([TOKEN.encode()], "length")(rig, certificates)
    for host in "bearer", "none", "basic", "raw":
        ask(rig, host + ".tls.test", get(host + ".tls.test"))
    problem(ask(rig, "denied.tls.test", get("denied.tls.test")), 403, "host-not-allowed")
    wait_until(lambda: len(rig.worker.lines) >= 5)
    pid = rig.worker.process.pid
    text = json.dumps(rig.worker.lines)
    for name in "cmdline", "environ", "status", "limits", "maps":
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
            text += file.read()
    assert not holds(text, *SECRETS.values()) and "bearer.tls.test" in text
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        assert [line.split()[4:6] for line in limits if line.startswith("Max core file size")] == [["0", "0"]]
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        locked = next(int(line.split()[1]) for line in status if line.startswith("VmLck:"))
    assert locked > 0 or os.path.basename(BUILD) == "asan"  # the sanitizer swallows mlock


# ---- ports

def test_a_route_is_served_on_its_ports_only(rig, certificates):
    secure = tls_upstream(rig, certificates, "right", port=8443)
    plain = rig.upstream(PUBLIC, 3000)
    assert ask(rig, "port.tls.test", get("port.tls.test:8443"), 8443).status == 200
    assert rig.get(get("port.tls.test:3000"), 3000).status == 200
    assert (secure.accepted, plain.accepted) == (1, 1)
    problem(ask(rig, "port.tls.test", get("port.tls.test")), 403, "port-not-allowed")
    problem(rig.get(get("port.tls.test")), 403, "port-not-allowed")
    problem(ask(rig, "port.tls.test", get("port.tls.test:3000"), 8443), 403, "port-not-allowed")
    problem(ask(rig, "none.tls.test", get("none.tls.test:8443"), 8443), 403, "port-not-allowed")
    assert (secure.accepted, plain.accepted) == (1, 1)


# ---- git

@pytest.mark.parametrize("method, target, status, name", [
    ("GET", "/r.git/info/refs?service=git-receive-pack", 403, "git-push"),
    ("POST", "/r.git/git-receive-pack", 403, "git-push"),
    ("POST", "/r.git/%67it-receive%2dpack", 403, "git-push"),
    ("POST", "/r.git//x/..;y/git-Receive-Pack/", 403, "git-push"),
    ("POST", "/r.git%2fgit-receive-pack", 403, "git-push"),
    ("PUT", "/r.git/info/lfs/objects/0", 403, "git-push"),
    ("GET", "/r.git//info/x", 400, "path-ambiguous"),
    ("GET", "/r.git/info/refs", 403, "git-fetch")])
def test_pushes_and_what_is_unclear_are_refused_on_a_git_route(rig, certificates, method, target, status, name):
    upstream = tls_upstream(rig, certificates, "right")
    request = f"{method} {target} HTTP/1.1\r\nHost: git.tls.test\r\nContent-Length: 0\r\n\r\n".encode()
    problem(ask(rig, "git.tls.test", request), status, name)
    rig.worker.line(reason=name, verdict="block", rule="git.tls.test")
    assert upstream.accepted == 0


def test_fetches_need_their_route(rig, certificates):
    upstream = tls_upstream(rig, certificates, "right")
    for method, target in ("GET", "/r.git/info/refs?service=git-upload-pack"), ("POST", "/r.git/git-upload-pack"):
        request = f"{method} {target} HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\n\r\n0000"
        problem(ask(rig, "none.tls.test", request.replace("HOST", "none.tls.test").encode()), 403, "git-fetch")
        assert ask(rig, "git.tls.test", request.replace("HOST", "git.tls.test").encode()).status == 200
    assert upstream.accepted == 2 and upstream.requests[1].endswith(b"\r\n\r\n0000")


BATCH = "POST /r.git/info/lfs/objects/batch HTTP/1.1\r\nHost: git.tls.test\r\nContent-Type: application/vnd.git-lfs+json\r\n"


@pytest.mark.parametrize("chunked", [False, True])
def test_an_lfs_download_passes_whole_and_an_upload_goes_nowhere(rig, certificates, chunked):
    upstream = tls_upstream(rig, certificates, "right")
    with rig.https("git.tls.test") as client:
        body = json.dumps({"operation": "download", "objects": [{"oid": "a" * 64, "size": 1}] * 100}).encode()
        if chunked:
            client.send(BATCH.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(body), 1000):
                client.send(b"%x\r\n%b\r\n" % (len(body[at:at + 1000]), body[at:at + 1000]))
            client.send(b"0\r\n\r\n")
        else:
            client.send((BATCH + f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n").encode())
            assert client.message().status == 100
            assert upstream.accepted == 0
            client.send(body)
        assert client.message().status == 200
    assert b"Expect" not in upstream.requests[0]
    assert body in upstream.requests[0]  # searched, and so in one chunk
    for bad in (body.replace(b"download", b"upload"), b'{"operation":"download","Operation":"upload"}', b"x" * 70000):
        head = f"Content-Length: {len(bad)}\r\n\r\n".encode()
        problem(ask(rig, "git.tls.test", BATCH.encode() + head + bad), 403, "git-push")
    assert upstream.accepted == 1


def test_git_clones_over_https_and_cannot_push(rig, certificates, tmp_path):
    """The real program against the real back-end."""
    from world import GitBackend
    import http.server
    import ssl
    import subprocess
    import threading
    git = ("git", "-c", "user.name=Lab", "-c", "user.email=lab@test", "-c", "init.defaultBranch=main")
    work, clone = str(tmp_path / "work"), str(tmp_path / "clone")
    subprocess.run([*git, "init", "-q", work], check=True)
    with open(os.path.join(work, "README"), "w", encoding="ascii") as file:
        file.write("a repository\n")
    for words in ("add", "README"), ("commit", "-qm", "first"), ("clone", "-q", "--bare", ".", str(tmp_path / "git" / "r.git")):
        subprocess.run([*git, *words], check=True, cwd=work)
    subprocess.run([*git, "-C", str(tmp_path / "git" / "r.git"), "config", "http.receivepack", "true"], check=True)
    seen = []

    class Backend(GitBackend):
        def do_GET(self):
            seen.append((self.command, self.path, self.headers.get("Authorization")))
            super().do_GET()

        do_POST = do_GET
    Backend.root = str(tmp_path / "git")
    listener = rig.sidecar.socket(bind=(PUBLIC, 443), listen=16)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.path("right.pem"), certificates.path("right.key"))

    class Server(http.server.ThreadingHTTPServer):
        def shutdown_request(self, request):
            try:
                request.unwrap()  # says that this was all: the back-end ends its answers like this
            except OSError:
                pass
            self.close_request(request)
    server = Server((PUBLIC, 443), Backend, bind_and_activate=False)
    server.socket.close()
    server.socket = context.wrap_socket(listener, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        from proxy_rig import Authority, DIALLED
        names = ("-c", f"http.curloptResolve=git.tls.test:443:{DIALLED}")
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "HOME": str(tmp_path), "GIT_SSL_CAINFO": Authority.get().pem}
        done = rig.run(*git, *names, "clone", "-q", "https://git.tls.test/git/r.git", clone, env=environment)
        assert done.returncode == 0, done.stderr
        with open(os.path.join(clone, "README"), encoding="ascii") as file:
            assert file.read() == "a repository\n"
        done = rig.run(*git, *names, "-C", clone, "push", "-q", "origin", "HEAD:refs/heads/x", env=environment)
        assert done.returncode != 0 and b"403" in done.stderr, done.stderr
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    wanted = "Basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    assert {request[2] for request in seen} == {wanted} and not any("receive-pack" in request[1] for request in seen)
    rig.worker.line(reason="git-push", rule="git.tls.test")
