# SPDX-License-Identifier: GPL-3.0-or-later
"""dlp.outbound_on_match: supervise. A request in which something was found waits for the operator: before anything is dialled when it
is in its head, with the match in hand when it is in its body. Init is played by the test, but for the last tests, which have a whole
sidecar. Nothing of a match is in what the upstream received, byte for byte, unless it was approved."""
import base64
import gzip
import json
import select
import subprocess
import threading

import pytest

from dlp_rig import SECRET, SECRETS, Recorder, chunked, github, nothing_of, post
from http_peer import get, problem
from lab import Bottle
from proxy_rig import PUBLIC, WAIT, wait_until
from spaces import tied, wait_for
from test_hold_proxy import APPROVED, CROWDED, REFUSED, Desk, quiet
from test_holds import WHO, approvals, approved, decide, pending, waits
from test_proxy_timeouts import EARLY, LATE, Timed
from world import NAMES, RESOLVER

SUPERVISE = {"outbound_on_match": "supervise", "inbound": []}
ROUTES = [{"host": "ask.test", "dlp": SUPERVISE}, {"host": "else.test", "dlp": SUPERVISE}, {"host": "*.wild.test", "dlp": SUPERVISE},
          {"host": "said.test", "dlp": {**SUPERVISE, "transcript": True}}, {"host": "block.test"}]
TOKEN, OTHER = github(7), github(8)
HELD, KEY = {"denied": False}, "a5" * 32


class Asker(Desk):
    """Init's side of it, for values."""

    def policy(self, hold=HELD, key=KEY, **members):
        self.base = self.worker.generation + 1
        self.worker.apply(*ROUTES, secrets=SECRETS, hold=hold, base=self.base, **({"value_key": key} if key else {}), **members)

    def approve(self, number, record, once=True, base=None, key=KEY, **other):
        approval = {"id": 100 + number, **{name: record[name] for name in ("host", "port", "value", "surface")},
                    "tls": bool(record["tls"]), "once": once, **other}
        self.worker.apply(*ROUTES, secrets=SECRETS, hold=HELD, base=base or self.base, value_key=key, approvals=[approval])
        if number:
            self.tell(number, APPROVED, approval["id"])


@pytest.fixture(scope="module")
def long_lived():
    made = Timed()
    made.resolver.names.update({name: [PUBLIC] for name in ("ask.test", "else.test", "a.wild.test", "said.test", "block.test")})
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    long_lived.desk = Asker(long_lived.worker)
    long_lived.desk.policy()
    long_lived.worker.forget()
    long_lived.resolver.asked.clear()
    long_lived.clock.forward(9)  # as many as may come at once may again
    yield long_lived
    long_lived.clear()


@pytest.fixture
def recorder(rig):
    return Recorder(rig)


def document(*tokens):
    return json.dumps({"text": "before " + " and ".join(tokens) + " behind", "more": list(range(200))}).encode()


def names(body, record):
    """The answer names what found it where, and nothing holds the value."""
    assert "token_patterns: github-token in the " + record["surface"] in body["detail"] and body["event_id"] == record["event"]
    assert TOKEN not in json.dumps(body) and TOKEN not in json.dumps(record)


def test_a_token_in_a_body_waits_and_goes_on_unchanged_when_it_is_approved(rig, recorder):
    body = document(TOKEN)
    with rig.client(send=post("ask.test", body, path="/a?secret=1")) as client:
        number, record = rig.desk.held()
        assert record == {"kind": 2, "seconds": 300, "port": 80, "tls": 0, "base": rig.desk.base, "query": 9, "body": len(body), "event": record["event"],
                          "rule": "github-token", "detector": "token_patterns", "surface": "body", "value": record["value"], "method": "POST",
                          "host": "ask.test", "path": "/a"}
        assert len(record["value"]) == 32 and quiet(client) and nothing_of(recorder, TOKEN)
        rig.desk.approve(number, record)
        assert client.message().status == 200
        rig.desk.ended(number)
    assert bytes(recorder.raw).endswith(b"\r\n\r\n" + body)
    line = rig.worker.line(id=record["event"])
    assert (line["verdict"], line["status"], line["detector"], line["pattern"], line["surface"]) == ("allow", 200, "token_patterns", "github-token", "body")
    assert line["detail"] == f"token_patterns: github-token in the body, by approval {100 + number}"


@pytest.mark.parametrize("outcome, name, words", [(REFUSED, "held-denied", "did not approve it"), (CROWDED, "held-crowded", "newer one")])
@pytest.mark.parametrize("request_", [post("ask.test", document(TOKEN)), chunked("ask.test", [b"x" * 90000, document(TOKEN)]),
                                      get("ask.test", "/", f"X-Note: a {TOKEN}\r\n")], ids=["body", "late", "head"])
def test_a_refusal_names_what_was_found_and_nothing_of_it_has_left(rig, recorder, request_, outcome, name, words):
    with rig.client(send=request_) as client:
        number, record = rig.desk.held()
        rig.desk.tell(number, outcome)
        body = problem(client.message(), 403, name)
        names(body, record)
        assert words in body["detail"] and client.rest() == b""
        rig.desk.ended(number)
    assert nothing_of(recorder, TOKEN) and recorder.answered == 0
    line = rig.worker.line(id=record["event"])
    assert (line["verdict"], line["reason"], line["detector"], line["surface"]) == ("block", name, "token_patterns", record["surface"])


HEADS = {"header value": lambda token: get("ask.test", "/", f"X-Note: a {token} b\r\n"), "query": lambda token: get("ask.test", f"/q?x=1&y={token}&z"),
         "path": lambda token: get("ask.test", f"/a/{token}/b")}


@pytest.mark.parametrize("surface", HEADS)
def test_a_token_in_the_head_waits_before_anything_is_dialled(rig, recorder, surface):
    with rig.client(send=HEADS[surface](TOKEN)) as client:
        number, record = rig.desk.held()
        assert (record["surface"], record["method"], record["body"]) == (surface, "GET", 0) and quiet(client)
        assert recorder.upstream.accepted == 0 and rig.resolver.asked == []
        assert record["path"] == {"path": f"/a/ghp_{'*' * (len(TOKEN) - 4)}/b", "query": "/q"}.get(surface, "/")
        rig.desk.approve(number, record)
        assert client.message().status == 200
        rig.desk.ended(number)
    assert TOKEN.encode() in recorder.raw
    line = rig.worker.line(id=record["event"])
    assert line["verdict"] == "allow" and line["path"] == record["path"] and TOKEN not in json.dumps(rig.worker.lines)


def test_over_tls_too(rig):
    with rig.https("ask.test") as client:
        client.send(HEADS["query"](TOKEN))
        number, record = rig.desk.held()
        assert (record["tls"], record["port"], record["surface"]) == (1, 443, "query")
        rig.desk.tell(number, REFUSED)
        names(problem(client.message(), 403, "held-denied"), record)
        rig.desk.ended(number)


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_verdict_alone_opens_nothing(rig, recorder, where):
    """Without the policy that has the approval in it the same is asked again."""
    with rig.client(send=post("ask.test", document(TOKEN)) if where == "body" else HEADS["query"](TOKEN)) as client:
        number, record = rig.desk.held()
        rig.desk.tell(number, APPROVED, 7)
        rig.desk.ended(number)
        again, same = rig.desk.held()
        assert again == number + 1 and same == record
        rig.desk.tell(again, REFUSED)
        problem(client.message(), 403, "held-denied")
        rig.desk.ended(again)
    assert nothing_of(recorder, TOKEN)


def test_each_value_of_a_request_is_asked_about_once(rig, recorder):
    body = document(TOKEN, OTHER, TOKEN)
    with rig.client(send=post("ask.test", body, fields=f"X-Note: {OTHER}\r\n")) as client:
        values = []
        for surface in "header value", "body", "body":
            number, record = rig.desk.held()
            assert record["surface"] == surface and nothing_of(recorder, TOKEN)
            values.append(record["value"])
            rig.desk.approve(number, record)
            if len(values) < 3:
                rig.desk.ended(number)
        assert client.message().status == 200
        rig.desk.ended(number)
    assert sorted(values) == sorted([values[0], values[0], next(value for value in values if value != values[0])])
    assert bytes(recorder.raw).endswith(body)


def test_the_second_may_be_denied(rig, recorder):
    with rig.client(send=post("ask.test", document(TOKEN) + b" " * 120000 + document(OTHER))) as client:
        number, record = rig.desk.held()
        rig.desk.approve(number, record)
        rig.desk.ended(number)
        number, other = rig.desk.held()
        assert other["value"] != record["value"]
        rig.desk.tell(number, REFUSED)
        problem(client.message(), 403, "held-denied")
        rig.desk.ended(number)
    wait_until(lambda: TOKEN.encode() in recorder.raw)
    assert nothing_of(recorder, OTHER[4:])


def test_eight_questions_are_enough_for_one_request(rig, recorder):
    with rig.client(send=post("ask.test", document(*(github(seed) for seed in range(20, 29))))) as client:
        for _ in range(8):
            number, record = rig.desk.held()
            rig.desk.approve(number, record)
            rig.desk.ended(number)
        problem(client.message(), 403, "dlp-match")
    assert not any(github(seed).encode() in recorder.raw for seed in range(20, 29))


def test_known_secrets_are_refused_at_once(rig, recorder):
    for body in (SECRET.encode(), document(TOKEN, SECRET), document(SECRET, TOKEN)):
        assert "known_secrets: TOKEN in the body" in problem(rig.get(post("ask.test", body)), 403, "dlp-match")["detail"]
    problem(rig.get(get("ask.test", "/", f"X-Note: {'.'.join(SECRET)}\r\nX-More: {TOKEN}\r\n")), 403, "dlp-match")
    assert rig.desk.silent() and nothing_of(recorder, SECRET) and nothing_of(recorder, TOKEN)
    assert TOKEN not in json.dumps(rig.worker.lines)


def test_what_cannot_be_asked_about_is_refused(rig, recorder):
    packed = gzip.compress(document(TOKEN))
    problem(rig.get(post("ask.test", packed, fields="Content-Encoding: gzip\r\n")), 403, "dlp-match")
    problem(rig.get(post("ask.test", b"x" * 40, fields="Content-Encoding: other\r\n")), 403, "dlp-structure")
    problem(rig.get(post("block.test", document(TOKEN))), 403, "dlp-match")
    encoded = base64.b32encode(TOKEN.encode()).decode().lower()
    problem(rig.get(get(f"{encoded[:32]}.{encoded[32:]}.wild.test")), 403, "dlp-match")
    rig.desk.policy(key=None)  # without a key there is no hash
    problem(rig.get(post("ask.test", document(TOKEN))), 403, "dlp-match")
    assert rig.desk.silent() and nothing_of(recorder, TOKEN)


def test_a_transcript_goes_on_covered(rig, recorder):
    assert rig.get(post("said.test", document(TOKEN))).status == 200
    assert rig.desk.silent() and nothing_of(recorder, TOKEN) and b"before ghp_****" in recorder.raw


def test_an_approval_is_for_that_value_host_and_surface(rig, recorder):
    with rig.client(send=post("ask.test", document(TOKEN))) as client:
        number, record = rig.desk.held()
        rig.desk.approve(number, record, once=False)
        assert client.message().status == 200
        rig.desk.ended(number)
    for request in post("ask.test", document(TOKEN), path="/other"), chunked("ask.test", [TOKEN.encode()]):
        assert rig.get(request).status == 200
    assert rig.desk.silent() and bytes(recorder.raw).count(TOKEN.encode()) == 3
    for request, same in ((post("ask.test", document(OTHER)), False), (post("else.test", document(TOKEN)), True),
                          (HEADS["query"](TOKEN), True)):
        with rig.client(send=request) as client:
            number, other = rig.desk.held()
            assert (other["value"] == record["value"]) == same
        rig.desk.ended(number)
    rig.desk.approve(0, record, once=False, key="b6" * 32)  # another sidecar's hash is another
    with rig.client(send=post("ask.test", document(TOKEN))):
        number, other = rig.desk.held()
        assert other["value"] != record["value"]
    rig.desk.ended(number)


def test_once_is_for_that_very_request(rig, recorder):
    with rig.client(send=post("ask.test", document(TOKEN))) as client:
        number, record = rig.desk.held()
        rig.desk.approve(number, record)
        assert client.message().status == 200
        rig.desk.ended(number)
        client.send(post("ask.test", document(TOKEN)))  # on the same connection, while the approval is still there
        number, again = rig.desk.held()
        assert again["value"] == record["value"] and bytes(recorder.raw).count(TOKEN.encode()) == 1
    rig.desk.ended(number)


@pytest.mark.parametrize("where", ["head", "body"])
def test_it_waits_for_its_time_and_no_longer(rig, recorder, where):
    with rig.client(send=post("ask.test", document(TOKEN)) if where == "body" else HEADS["query"](TOKEN)) as client:
        number, record = rig.desk.held()
        rig.clock.forward(300 - EARLY)
        assert rig.get(get("192.0.2.1")).status == 403 and quiet(client)
        rig.clock.forward(LATE)
        assert rig.get(get("192.0.2.1")).status == 403  # the worker looks at its clock
        names(problem(client.message(), 403, "held-timeout"), record)
        rig.desk.ended(number)
    assert nothing_of(recorder, TOKEN) and rig.worker.line(id=record["event"])["verdict"] == "block"


def test_a_question_has_its_own_time(rig, recorder):
    with rig.client(send=post("ask.test", document(TOKEN, OTHER))) as client:
        number, record = rig.desk.held()
        rig.clock.forward(200)
        rig.desk.approve(number, record)
        rig.desk.ended(number)
        number, record = rig.desk.held()
        rig.clock.forward(200)
        assert rig.get(get("192.0.2.1")).status == 403 and quiet(client)
        rig.desk.approve(number, record)
        assert client.message().status == 200
        rig.desk.ended(number)
    assert bytes(recorder.raw).endswith(document(TOKEN, OTHER))


def test_a_client_that_goes_away_frees_its_place(rig, recorder):
    client = rig.client(send=post("ask.test", document(TOKEN)))
    number, record = rig.desk.held()
    client.close()
    rig.desk.ended(number)
    line = rig.worker.line(id=record["event"])
    assert (line["verdict"], line["reason"], line["detail"]) == ("block", "held-ended", "the agent closed the connection")
    wait_until(lambda: recorder.open == 0)
    assert nothing_of(recorder, TOKEN)


def test_an_upstream_that_goes_away_ends_it(rig):
    seen = []

    def serve(stream):
        seen.append(stream)
        while stream.recv(65536):
            pass
    rig.upstream(PUBLIC, 80, serve)
    with rig.client(send=chunked("ask.test", [b"x" * 90000, document(TOKEN)])) as client:
        number, record = rig.desk.held()
        wait_until(lambda: seen)
        seen[0].shutdown(2)
        problem(client.message(), 502, "upstream-malformed")
        rig.desk.ended(number)
    assert rig.worker.line(id=record["event"])["reason"] == "upstream-malformed"
    rig.desk.tell(number, APPROVED, 7)  # too late
    rig.desk.ended(number)


def test_an_upstream_that_answers_before_the_verdict_is_heard(rig):
    raw, asked = bytearray(), threading.Event()

    def serve(stream):
        raw.extend(stream.recv(65536))
        asked.wait(WAIT)
        stream.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!")
        while data := stream.recv(65536):
            raw.extend(data)
    rig.upstream(PUBLIC, 80, serve)
    with rig.client(send=chunked("ask.test", [b"x" * 90000, document(TOKEN)])) as client:
        number, _ = rig.desk.held()
        asked.set()
        answer = client.message()
        assert (answer.status, answer.body) == (413, b"no!")
        rig.desk.ended(number)
    assert TOKEN.encode() not in raw


def test_a_new_policy_ends_the_wait_and_an_approval_of_another_does_not(rig, recorder):
    with rig.client(send=post("ask.test", document(TOKEN))) as client:
        number, record = rig.desk.held()
        rig.desk.approve(0, {**record, "value": "00" * 16}, id=9)
        assert quiet(client)
        rig.desk.policy()
        assert "policy has changed" in problem(client.message(), 403, "held-ended")["detail"]
    assert nothing_of(recorder, TOKEN)


def test_the_body_behind_a_match_is_not_read(rig, recorder):
    with rig.client(send=b"POST / HTTP/1.1\r\nHost: ask.test\r\nContent-Length: 100000000\r\n\r\n" + document(TOKEN) + b" " * 100000) as client:
        number, _ = rig.desk.held()
        client.stream.setblocking(False)
        sent = 0
        while select.select([], [client.stream], [], 0.3)[1]:
            sent += client.stream.send(b" " * 65536)
        assert sent < 32 << 20
        rig.desk.tell(number, REFUSED)
        client.stream.settimeout(WAIT)
        problem(client.message(), 403, "held-denied")
        rig.desk.ended(number)
    assert nothing_of(recorder, TOKEN)


@pytest.mark.parametrize("at", range(3, len(TOKEN) + 1, 9))
def test_a_token_in_two_pieces_is_one(rig, recorder, at):
    before, behind = b'{"a": "' + b"y" * 49000, b'"}' + b" " * 70000
    body = before + TOKEN.encode() + behind
    with rig.client() as client:
        head = f"POST / HTTP/1.1\r\nHost: ask.test\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        client.send(head + before + TOKEN[:at].encode())
        client.send(TOKEN[at:].encode() + behind)
        number, record = rig.desk.held()
        assert nothing_of(recorder, TOKEN)
        rig.desk.approve(number, record)
        assert client.message().status == 200
        rig.desk.ended(number)
    assert bytes(recorder.raw).endswith(body)


# ---- a whole sidecar; npm.test's nginx answers when it has the whole body

POLICY = {"protocol": 1, "dns": {"upstreams": [RESOLVER]}, "hold": {"denied": False},
          "routes": [{"host": "npm.test", "dlp": SUPERVISE}, {"host": "other.test", "dlp": SUPERVISE}]}


@pytest.fixture(scope="module")
def held(lab):
    made = Bottle(lab, policy=POLICY)
    yield made
    made.close()


@pytest.fixture
def bottle(held):
    """With nothing held and nothing approved, and nobody denied."""
    held.apply({"protocol": 1, "routes": []})
    held.apply(POLICY)
    return held


def curl(bottle, token, host="npm.test"):
    return tied(["nsenter", "-t", str(bottle.inner.pid), "-n", "curl", "-sS", "--max-time", "60", "--resolve", f"{host}:80:{NAMES[host]}",
                 "-H", "Content-Type: application/json", "-d", document(token).decode(), f"http://{host}/form"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def said(client):
    out, err = client.communicate(timeout=60)
    assert (client.returncode, err) == (0, b""), err
    return out.decode()


def test_curl_waits_and_is_served(bottle):
    mark = bottle.audit.mark()
    client = curl(bottle, TOKEN)
    one, = waits(bottle)
    assert one == {"id": one["id"], "kind": "match", "method": "POST", "host": "npm.test", "port": 80, "tls": False, "path": "/form",
                   "rule": "github-token", "detector": "token_patterns", "surface": "body", "value": one["value"], "query_bytes": 0,
                   "body_bytes": len(document(TOKEN)), "waited_s": one["waited_s"], "seconds": 300, "event_id": one["event_id"]}
    line = bottle.audit.wait(mark, verdict="hold", kind="http", host="npm.test")
    assert (line["reason"], line["rule"], line["detector"], line["pattern"], line["surface"]) == (
        "dlp-match", "dlp.outbound_on_match", "token_patterns", "github-token", "body")
    approved(bottle, one["id"])
    assert "urn:stopper" not in said(client)
    line = bottle.audit.wait(mark, id=one["event_id"])
    assert (line["verdict"], line["upstream"], line["detail"]) == ("allow", f"{NAMES['npm.test']}:80", f"token_patterns: github-token in the body, by approval {one['id']}")
    line = bottle.audit.wait(mark, kind="control", rule="approve")
    assert (line["detail"], line["surface"]) == (f"{one['id']} once, by ada: it is needed", "body")
    wait_for(lambda: approvals(bottle) == [], "the end of the approval")
    client = curl(bottle, TOKEN)
    again, = waits(bottle)
    assert again["value"] == one["value"]
    assert decide(bottle, "deny", again["id"])[0] == 0
    answer = json.loads(said(client))
    assert answer["type"] == "urn:stopper:denial:held-denied" and "token_patterns: github-token in the body" in answer["detail"]
    assert TOKEN[4:] not in json.dumps([one, again, answer]) and not any(TOKEN[4:] in json.dumps(line) for line in bottle.audit.lines)


def test_for_the_bottle_it_outlasts_a_policy_that_would_ask(bottle):
    client = curl(bottle, TOKEN)
    one, = waits(bottle)
    approved(bottle, one["id"], "bottle")
    assert "urn:stopper" not in said(client)
    shown, = approvals(bottle)
    assert (shown["value"], shown["surface"], shown["how"], shown["kind"]) == (one["value"], "body", "bottle", "match")
    bottle.apply(POLICY)
    assert "urn:stopper" not in said(curl(bottle, TOKEN)) and len(approvals(bottle)) == 1
    for token, host in (OTHER, "npm.test"), (TOKEN, "other.test"):
        client = curl(bottle, token, host)
        other, = waits(bottle)
        assert decide(bottle, "deny", other["id"])[0] == 0
        assert "held-denied" in said(client)
    bottle.apply({**POLICY, "routes": [{"host": "npm.test"}]})
    assert approvals(bottle) == [] and "dlp-match" in said(curl(bottle, TOKEN)) and pending(bottle) == []


def test_another_policy_ends_what_waits(bottle):
    client = curl(bottle, TOKEN)
    waits(bottle)
    bottle.apply(POLICY)
    assert "held-ended" in said(client) and pending(bottle) == []
