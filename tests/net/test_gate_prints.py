# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository's private key does not leave, whatever way it is tried, though neither proxy nor gate has it: `hostctl up`, the real
programs, and an agent that was given the key by its operator's mistake. Each refusal has the same with another key beside it, which arrives."""
import base64
import json
import os
import socket
import threading

import pytest

from git_upstream import Upstream, keygen
from spaces import WAIT
from test_gate_host import GateHost, good, sh
from test_secrets import memory
from world import NAMES, RESOLVER

PORT = 8088
MANIFEST = """\
egress:
  dns: [{resolver}]
  routes:
    - {{host: plain.test, ports: [{port}], dlp: {{outbound_detectors: [known_secrets]}}}}
    - {{host: other.test, ports: [{port}], dlp: {{outbound_detectors: [known_secrets], outbound_on_match: redact}}}}
    - {{host: allowed.test, ports: [{port}], dlp: {{outbound_detectors: [known_secrets], outbound_on_match: supervise}}}}
git-gate:
  user: {{name: An Agent, email: agent@lab.test}}
  repos:
    app:
      url: {url}
      key: {{provider: static, path: {key}}}
      host_key: {host_key}
      push: {{allow: [refs/heads/agent/*]}}
"""


class Recorder:
    """An upstream that keeps every byte, and answers each request that is whole."""

    def __init__(self, lab):
        self.raw, self.open = bytearray(), []
        self.listener = lab.world.space.call(socket.create_server, ("0.0.0.0", PORT))  # of all names
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(threading.Thread(target=self._one, args=(sock,), daemon=True))
            self.open[-1].start()

    def _one(self, sock):
        pending = b""
        with sock:
            while data := sock.recv(65536):
                self.raw += data
                pending += data
                head, found, body = pending.partition(b"\r\n\r\n")
                length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
                if found and len(body) >= length:
                    pending = body[length:]
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(WAIT)


@pytest.fixture(scope="module")
def upstream(lab):
    made = Upstream(lab)
    try:
        made.repository("app")
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def recorder(lab):
    made = Recorder(lab)
    yield made
    made.close()


@pytest.fixture(scope="module")
def bottle(lab, upstream):
    host = GateHost(lab)
    try:
        made = host.up(manifest=host.write("gate.yaml", MANIFEST.format(
            resolver=RESOLVER, port=PORT, url=upstream.url("app"), key=upstream.key, host_key=upstream.host_key)))
        try:
            yield made
        finally:
            made.close()
        host.clean()
    finally:
        host.close()


def lines_of(path):
    """A key's file without its first and last line, which are found by their shape; and its seed (PROTOCOL.key of OpenSSH)."""
    with open(path, encoding="ascii") as file:
        lines = file.read().splitlines()[1:-1]
    blob = base64.b64decode("".join(lines))
    at = blob.rindex(b"\0\0\0\x40")
    return "\n".join(lines), blob[at + 4:at + 36]


@pytest.fixture(scope="module")
def keys(upstream, tmp_path_factory):
    """The repository's, and another."""
    other = str(tmp_path_factory.mktemp("other") / "key")
    keygen(other)
    return lines_of(upstream.key), lines_of(other)


WRITINGS = {
    "file": lambda key: "the key:\n" + key[0] + "\n",
    "base64": lambda key: json.dumps({"a": base64.b64encode(b"x" + key[1] + b"y").decode()}),
    "hex": lambda key: "seed=" + key[1].hex(),
    "twice": lambda key: base64.b64encode(key[0].encode()).decode(),
    "half": lambda key: "seed=" + key[1][3:26].hex(),
}


def has_key(root, pid, key):
    """Whether a process has it; None: it has ended, as the gate's sessions and their gits do."""
    try:
        return any(key[1].decode("latin-1") in text or key[0].splitlines()[3] in text for text in memory(root, pid))
    except (FileNotFoundError, ProcessLookupError):
        return None


def test_neither_proxy_nor_gate_has_the_key(bottle, keys):
    """Before anybody has sent it. The control is init, which has it."""
    root, running = f"/proc/{bottle.host.space.pid}/root/proc", bottle.host.processes()
    held = {name: {has_key(root, pid, keys[0]) for pid in running[name]} - {None}
            for name in ("stopper-init", "stopper-proxy", "stopper-gate", "stopper-dns")}
    assert True in held.pop("stopper-init")
    assert held == {"stopper-proxy": {False}, "stopper-gate": {False}, "stopper-dns": {False}}


@pytest.mark.parametrize("writing", WRITINGS)
def test_the_key_is_not_uploaded(bottle, recorder, keys, writing):
    body, other = (WRITINGS[writing](key) for key in keys)
    before = len(recorder.raw)
    answer = bottle.agent.http(host="plain.test", port=PORT, method="POST", body=body)
    assert answer["status"] == 403 and answer["json"]["type"] == "urn:stopper:denial:dlp-match", answer
    assert "known_secrets" in json.dumps(answer["json"]), answer
    # equal ones of a second are one line
    bottle.audit.wait(verdict="block", reason="dlp-match", detector="known_secrets", pattern="gate_key:app", surface="body")
    answer = bottle.agent.http(host="plain.test", port=PORT, method="POST", body=other)
    assert answer["status"] == 200, answer
    arrived = bytes(recorder.raw[before:])
    assert other.encode() in arrived  # so this is how the other one would look
    assert not any(body[at:at + 16].encode() in arrived for at in range(len(body) - 15) if body[at:at + 16] not in other)


@pytest.mark.parametrize("writing", WRITINGS)
def test_where_findings_are_covered_it_is_covered(bottle, recorder, keys, writing):
    body, before = WRITINGS[writing](keys[0]), len(recorder.raw)
    assert bottle.agent.http(host="other.test", port=PORT, method="POST", body=body)["status"] == 200
    arrived = bytes(recorder.raw[before:]).partition(b"\r\n\r\n")[2].decode()
    assert len(arrived) == len(body) and "*" * 20 in arrived, arrived
    assert all(there == "*" or there == sent for there, sent in zip(arrived, body))
    assert keys[0][1].hex()[6:20] not in arrived and keys[0][1].hex()[-20:-6] not in arrived
    if writing in ("hex", "half"):
        assert arrived == "seed=" + "*" * (len(body) - 5)
    bottle.audit.wait(verdict="redact", detector="known_secrets", pattern="gate_key:app", surface="body")


def test_nobody_is_asked_about_it(bottle, keys):
    answer = bottle.agent.http(host="allowed.test", port=PORT, method="POST", body=WRITINGS["hex"](keys[0]))
    assert answer["status"] == 403 and answer["json"]["type"] == "urn:stopper:denial:dlp-match", answer
    assert bottle.host.hostctl("pending", "--json", bottle.name).stdout.strip() in ("", "[]")


def test_the_key_is_not_in_a_path_either(bottle, recorder, keys):
    before = len(recorder.raw)
    answer = bottle.agent.http(host="plain.test", port=PORT, path="/" + keys[0][1].hex())
    assert answer["status"] == 403 and answer["json"]["type"] == "urn:stopper:denial:dlp-match", answer
    assert bottle.agent.http(host="plain.test", port=PORT, path="/" + keys[1][1].hex())["status"] == 200
    assert keys[0][1].hex() not in recorder.raw[before:].decode() and keys[1][1].hex() in recorder.raw[before:].decode()


def test_the_key_is_not_pushed(bottle, upstream, keys):
    script = ('rm -rf /tmp/k; git clone -q "$1" /tmp/k && cd /tmp/k && git switch -q -c "agent/$3" && printf "%s\\n" "$2" >notes && git add notes'
              ' && git commit -qm notes && git push origin "agent/$3"')
    before = upstream.refs("app")
    done = sh(bottle, script, upstream.url("app"), keys[0][0], "leak")
    assert done["status"] == 1 and 'rule "gate_key:app" of known_secrets in "notes"' in done["err"], done
    assert upstream.refs("app") == before
    line = bottle.audit.wait(kind="git", verdict="block", ref="refs/heads/agent/leak")
    assert "gate_key:app" in json.dumps(line) and keys[0][0].splitlines()[2] not in json.dumps(line)
    good(bottle, script, upstream.url("app"), keys[1][0], "fine")
    assert set(upstream.refs("app")) == set(before) | {"refs/heads/agent/fine"}


def test_a_key_that_is_not_understood_starts_nothing(bottle, upstream):
    path = os.path.join(upstream.dir, "damaged")
    with open(upstream.key, encoding="ascii") as file:
        lines = file.read().splitlines()
    with open(path, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write("\n".join(lines[:3] + lines[-1:]) + "\n")
    manifest = bottle.host.write("damaged.yaml", MANIFEST.format(
        resolver=RESOLVER, port=PORT, url=upstream.url("app"), key=path, host_key=upstream.host_key))
    done = bottle.host.hostctl("up", "-f", manifest, "--name", "damaged", "--", "true")
    assert done.returncode == 125 and "keys: app: the key is damaged" in done.stderr, done
