# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders through stopper-proxy: at their own host the value takes their place, where it was declared; on the way to another
host they, and every value, are a denial and an alarm."""
import base64
import json
import os
import urllib.parse

import pytest

from http_peer import get, problem
from proxy_rig import DIALLED, PUBLIC, Rig
from test_credentials import holds
from tls_peer import Authority, Certificates, tls_upstream

TOKEN, PASSWORD, KEY, KNOWN = "tok/3f9A+77c1=e5~b", "pa55/word+of:it", "AIza-real-key-of-the-host", "agents-own/passphrase"
HELD, LOGIN_HELD, KEY_HELD = "sk-stopper-placeholder-5f0c", "stopper-placeholder-of-git", "stopper-placeholder-of-the-key"
SECRETS = {"TOKEN": TOKEN, "LOGIN": "user:" + PASSWORD, "KEY": KEY, "KNOWN": KNOWN}
OWN, GIT, QUERY, OTHER = "own.tls.test", "git.tls.test", "query.tls.test", "other.tls.test"
ROUTES = [
    {"host": OWN, "auth": {"scheme": "Bearer", "secret": "TOKEN", "placeholder": HELD, "in": ["header:X-Token"]}},
    {"host": GIT, "git_fetch": True, "auth": {"scheme": "basic", "secret": "LOGIN", "placeholder": LOGIN_HELD}},
    {"host": QUERY, "auth": {"scheme": "raw", "secret": "KEY", "header": "X-Goog-Api-Key", "placeholder": KEY_HELD, "in": ["query:key"]}},
    {"host": OTHER, "cookies": True},
    {"host": "clear.tls.test", "insecure": True, "auth": {"scheme": "Bearer", "secret": "TOKEN", "placeholder": HELD}},
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make("right", san="DNS:*.tls.test")
    return made


@pytest.fixture(scope="module")
def long_lived(certificates):
    made = Rig()
    made.worker.apply(*({**route, "dlp": {"outbound": []}} for route in ROUTES), secrets=SECRETS, extra_ca=certificates.pem)
    made.resolver.names.update({route["host"]: [PUBLIC] for route in ROUTES})
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    long_lived.worker.forget()
    yield long_lived
    long_lived.clear()


def ask(rig, host, request):
    with rig.https(host) as client:
        client.send(request)
        return client.message()


def curl(rig, *words):
    """The program, by the names that it asks for; its output."""
    names = [word for route in ROUTES for word in ("--resolve", f"{route['host']}:443:{DIALLED}", "--resolve", f"{route['host']}:80:{DIALLED}")]
    done = rig.run("curl", "-sS", "--http1.1", "--cacert", Authority.get().pem, *names, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


ECHO = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


def echoing(rig, certificates):
    """An upstream whose answer is the request's own head."""
    def serve(stream):
        while request := upstream.read_request(stream):
            stream.sendall(ECHO % (len(request.raw), request.raw))
    upstream = tls_upstream(rig, certificates, "right", serve)
    return upstream


@pytest.mark.parametrize("words, seen", [
    (["-H", f"Authorization: Bearer {HELD}", f"https://{OWN}/v1?x=1"], [f"Authorization: Bearer {TOKEN}"]),
    (["-H", f"Authorization: token {HELD}", f"https://{OWN}/v1"], [f"Authorization: token {TOKEN}"]),
    (["-H", f"X-Token: {HELD}", f"https://{OWN}/v1"], [f"X-Token: {TOKEN}"]),
    (["-u", f"me:{HELD}", f"https://{OWN}/v1"], ["Authorization: Basic " + base64.b64encode(f"me:{TOKEN}".encode()).decode()]),
    (["-u", f"{HELD}:", f"https://{OWN}/v1"], ["Authorization: Basic " + base64.b64encode(f"{TOKEN}:".encode()).decode()]),
    (["-u", f"me:{LOGIN_HELD}", f"https://{GIT}/v1"], ["Authorization: Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()]),
    (["-G", "-d", "a=b", "--data-urlencode", f"key={KEY_HELD}", f"https://{QUERY}/v1"], [f"GET /v1?a=b&key={KEY} HTTP/1.1"]),
    (["-H", f"x-goog-api-key: {KEY_HELD}", f"https://{QUERY}/v1?key=own"], ["GET /v1 HTTP/1.1", f"x-goog-api-key: {KEY}"]),
    # without a credential, and with one of the agent's own: as to a route without a placeholder
    ([f"https://{OWN}/v1"], [f"Authorization: Bearer {TOKEN}"]),
    (["-H", "Authorization: Bearer own", "-H", "X-Token: own", f"https://{OWN}/v1"], [f"Authorization: Bearer {TOKEN}"]),
    ([f"https://{QUERY}/v1?key=own&a=1"], ["GET /v1?a=1 HTTP/1.1", f"X-Goog-Api-Key: {KEY}"]),
], ids=range(11))  # pytest puts ids into its environment
def test_curl_gets_the_value_where_the_placeholder_stands(rig, certificates, words, seen):
    upstream = echoing(rig, certificates)
    answer = curl(rig, *words)
    head, = (request.decode().split("\r\n") for request in upstream.requests)
    assert all(line in head for line in seen), head
    fields = "\n".join(head)
    assert HELD not in fields and LOGIN_HELD not in fields and KEY_HELD not in fields and "own\n" not in fields
    values = [value for value in (TOKEN, PASSWORD, KEY) if holds(fields, value)]
    assert len(values) == 1 and not holds(answer, *values), answer  # the answer hands none back
    assert sum(form in fields for form in {values[0], urllib.parse.quote(values[0], safe="")}) + len(
        [line for line in head if "Basic" in line]) >= 1
    assert rig.worker.line(verdict="redact")["host"] in (OWN, GIT, QUERY)


def test_elsewhere_at_its_own_host_it_is_text(rig, certificates):
    upstream = echoing(rig, certificates)
    answer = curl(rig, "-H", f"X-Text: {HELD}", "-d", f'{{"said": "{HELD}"}}', f"https://{OWN}/{HELD}?text={HELD}")
    seen, = (request.decode() for request in upstream.requests)
    assert seen.startswith(f"POST /{HELD}?text={HELD} HTTP/1.1") and f"X-Text: {HELD}\r\n" in seen and seen.endswith(f'"{HELD}"}}')
    assert seen.count(TOKEN) == 1 and f"Authorization: Bearer {TOKEN}\r\n" in seen
    assert HELD in answer and not holds(answer, TOKEN)


def test_in_a_part_of_a_word_nothing_takes_its_place(rig, certificates):
    upstream = echoing(rig, certificates)
    for text in f"Bearer x{HELD}", f"Bearer {HELD}x", f"Bearer {HELD[:-1]}", "Basic " + base64.b64encode(f"u:x{HELD}".encode()).decode():
        assert ask(rig, OWN, get(OWN, "/", f"Authorization: {text}\r\n")).status == 200
        assert upstream.requests.pop().decode().split("\r\n")[2:-2] == ["Accept-Encoding: identity", f"Authorization: Bearer {TOKEN}"]


def test_it_needs_tls_as_the_value_does(rig):
    upstream = rig.upstream(PUBLIC, 80)
    problem(rig.get(get(OWN, "/", f"Authorization: Bearer {HELD}\r\n")), 403, "auth-needs-tls")
    assert upstream.accepted == 0
    assert curl(rig, "-H", f"Authorization: Bearer {HELD}", "http://clear.tls.test/") == "hello"  # the control
    assert f"Authorization: Bearer {TOKEN}\r\n".encode() in upstream.requests[0]


def base64s(text):
    """At each place in a group, in both alphabets, with and without what fills the last group."""
    for before in "", "u", "u:", "user:":
        for encode in base64.b64encode, base64.urlsafe_b64encode:
            coded = encode((before + text).encode()).decode()
            yield from {coded, coded.rstrip("="), urllib.parse.quote(coded, safe="")}


def writings(text):
    yield from {text, urllib.parse.quote(text, safe=""), "".join(f"%{byte:02x}" for byte in text.encode()),
                urllib.parse.quote(urllib.parse.quote(text, safe=""), safe="")}
    yield from base64s(text)
    yield from (text.encode().hex(), text.encode().hex().upper(), "f" + text.encode().hex())


def places(text):
    """Heads that hold a text, as far as it can stand there."""
    yield get(OTHER, "/", f"X-Any: before {text} behind\r\n")
    yield get(OTHER, "/", f"Authorization: Bearer {text}\r\n")
    yield get(OTHER, "/", f"Cookie: a=b; session={text}; c=d\r\n")
    quoted = text if set(text) <= set("%/+=:~_-") | set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") else None
    if quoted:
        yield get(OTHER, f"/a/{text}/b")
        yield get(OTHER, f"/a?b={text}&c=d")
        yield f"GET http{{s}}://{OTHER}/{text} HTTP/1.1\r\nHost: {OTHER}\r\n\r\n".replace("{s}", "s").encode()


@pytest.mark.parametrize("which", range(4))
def test_on_the_way_to_another_host_it_is_a_denial_and_an_alarm(rig, certificates, which):
    text, name = ((HELD, f"the placeholder of {OWN}"), (TOKEN, "the value of TOKEN"), (PASSWORD, "the value of LOGIN"),
                  (KNOWN, "the value of KNOWN"))[which]
    upstream = tls_upstream(rig, certificates, "right")
    count = 0
    with rig.https(OTHER) as client:
        for writing in writings(text):
            for request in places(writing):
                client.send(request)
                refused = problem(client.message(), 403, "secret-elsewhere")
                assert name not in json.dumps(refused) and refused["host"] == OTHER
                if which > 0:
                    assert not holds(refused["detail"], text)
                count += 1
        client.send(get(OTHER, "/control", f"X-Any: {text[:-1]}\r\n"))  # the control
        assert client.message().status == 200
    assert upstream.accepted == 1 and len(upstream.requests) == 1 and count > 100
    line = rig.worker.line(method="GET", path="/control")
    lines = [line for line in rig.worker.lines if line["verdict"] == "alarm"]
    assert (line["verdict"], len(lines)) == ("allow", count)  # one each: alarms are never counted together
    assert {(line["reason"], line["rule"], line["detail"], line["status"]) for line in lines} == {("secret-elsewhere", OTHER, name, 403)}
    if which > 0:
        assert not holds(json.dumps(rig.worker.lines).replace("\\/", "/"), text) and {line["path"] for line in lines} >= {"*", "/"}


def test_the_alarm_goes_before_every_other_reason(rig):
    """A host that no route names, a path that is refused anyway, another bottle's host on an own connection."""
    fields = f"X-Any: {TOKEN}\r\n"
    for request, rule in ((get("evil.test", "/", fields), "default"), (get("192.0.2.1", "/", fields), "default"),
                          (get(OTHER + ":81", "/", fields), OTHER), (get(GIT, "/r.git/git-receive-pack", fields), GIT),
                          (get(f"{OTHER}", f"/{urllib.parse.quote(TOKEN)}", "Upgrade: websocket\r\n"), "default")):
        problem(rig.get(request), 403, "secret-elsewhere")
        rig.worker.line(verdict="alarm", rule=rule)
        rig.worker.forget()
    problem(rig.get(get("evil.test")), 403, "host-not-allowed")  # the control


def test_a_value_is_at_home_at_its_own_host_and_in_no_line(rig, certificates):
    """The agent may know it: what it says to the host itself is its own affair, but not the log's."""
    upstream = tls_upstream(rig, certificates, "right")
    assert ask(rig, OWN, get(OWN, f"/{urllib.parse.quote(TOKEN, safe='')}", f"X-Any: {TOKEN}\r\n")).status == 200
    assert upstream.requests[0].count(TOKEN.encode()) == 2
    assert rig.worker.line(verdict="allow", host=OWN)["path"] == "*" and not holds(json.dumps(rig.worker.lines), TOKEN)
    problem(ask(rig, OWN, get(OWN, "/", f"X-Any: {KNOWN}\r\n")), 403, "secret-elsewhere")  # that is nowhere at home


def test_a_new_policy_judges_a_running_request_by_its_own_secrets(rig, certificates):
    def serve(stream):
        upstream.read_request(stream)
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun")
        stream.recv(1)
    upstream = tls_upstream(rig, certificates, "right", serve)
    try:
        with rig.https(OTHER) as client:
            client.send(get(OTHER, "/", "X-Any: soon-a-secret\r\n"))
            assert client.reader.until(b"begun").endswith(b"begun")
            rig.worker.apply(*ROUTES, secrets={**SECRETS, "KNOWN": "soon-a-secret"}, extra_ca=certificates.pem)
            assert client.rest() in (b"", "reset")
        assert rig.worker.line(reason="secret-elsewhere", verdict="alarm")["detail"] == "the value of KNOWN"
    finally:
        rig.worker.apply(*ROUTES, secrets=SECRETS, extra_ca=certificates.pem)


def test_python_and_git_get_the_value(rig, certificates, tmp_path):
    """Real clients: urllib with a key in the query, and git whose URL holds the placeholder."""
    refs = b"001e# service=git-upload-pack\n0000" + b"003d" + b"a" * 40 + b" refs/heads/main\n" + b"0000"
    reply = (b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: %d\r\n\r\n" % len(refs)) + refs

    mine = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()

    def serve(stream):
        while request := upstream.read_request(stream):
            git = request.start.split()[1].startswith("/r.git")
            asks = git and request.field("authorization") != mine  # git offers none before it is asked
            stream.sendall(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n" if asks else
                           reply if git else ECHO % (2, b"ok"))
    upstream = tls_upstream(rig, certificates, "right", serve)
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "HOME": str(tmp_path), "GIT_SSL_CAINFO": Authority.get().pem,
                   "SSL_CERT_FILE": Authority.get().pem}
    done = rig.run("git", "-c", f"http.curloptResolve={GIT}:443:{DIALLED}", "ls-remote", f"https://me:{LOGIN_HELD}@{GIT}/r.git",
                   env=environment)
    assert done.returncode == 0 and done.stdout == b"a" * 40 + b"\trefs/heads/main\n", done.stderr
    sent = [line for request in upstream.requests for line in request.decode().split("\r\n") if line.startswith("Authorization")]
    assert sent[-1] == "Authorization: " + mine and len(sent) == 2
    script = f"""
import socket, urllib.request
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **named: real({DIALLED!r}, *rest, **named)
print(urllib.request.urlopen("https://{QUERY}/v1beta?key={KEY_HELD}").read().decode())
"""
    done = rig.run("/usr/bin/python3", "-c", script, env=environment)
    assert done.stdout == b"ok\n", done.stderr
    assert upstream.requests[-1].startswith(f"GET /v1beta?key={KEY} HTTP/1.1".encode())
    assert KEY_HELD.encode() not in upstream.requests[-1]
