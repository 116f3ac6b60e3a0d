# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of the gate's keys through a real stopper-init: from the operator, or made in it, to stopper-push (a stand-in) and to
nobody else."""
import base64
import json
import os
import re
import signal
import subprocess

import pytest

from init_rig import PEM, POLICY, Init, Rig
from leg_rig import keygen
from lab import BUILD
from spaces import wait_for
from test_credentials import forms, holds
from test_gate_init import REPO
from test_secrets import memory

GATED = {**POLICY, "gate": {"repos": [REPO, {**REPO, "name": "made"}]}}


@pytest.fixture(scope="module")
def init():
    rig = Rig()
    try:
        yield Init(rig, policy=POLICY)
    finally:
        rig.close()


def apply(init, keys, policy=None):
    return init.ctl("apply", stdin=json.dumps({"policy": policy or GATED, **({"keys": keys} if keys is not None else {})}))


def test_a_key_is_made_once_for_a_name(init):
    mark = init.audit.mark()
    status, answer = init.ctl("deploy-key", "made")
    assert status == 0 and answer["ok"]
    kind, blob, comment = answer["key"].split(" ")
    assert (kind, comment) == ("ssh-ed25519", "stopper:made")
    assert base64.b64decode(blob, validate=True)[:19] == b"\0\0\0\x0bssh-ed25519\0\0\0\x20"
    assert init.ctl("deploy-key", "made") == (0, answer)
    status, other = init.ctl("deploy-key", "other")
    assert status == 0 and other["key"].split(" ")[1] != blob
    done = subprocess.run(["ssh-keygen", "-l", "-f", "-"], input=answer["key"], capture_output=True, text=True, check=True)
    bits, fingerprint, rest = done.stdout.split(" ", 2)
    assert (bits, rest) == ("256", "stopper:made (ED25519)\n")
    line = init.audit.wait(mark, kind="control", rule="deploy-key", repository="made")
    assert (line["verdict"], line["detail"]) == ("allow", f"a key was made: {fingerprint}")
    init.audit.wait(mark, kind="control", rule="deploy-key", repository="other")
    assert sum(line.get("rule") == "deploy-key" for line in init.audit.lines) == 2  # asking again makes none
    for name in "..", "a/b", "a" * 65:
        assert init.ctl("deploy-key", name) == (1, {"ok": False, "error": "deploy-key: the name is not a repository's"})
    assert init.ctl("deploy-key")[1].startswith("usage: stopper-init ctl ")


def test_what_is_wrong_with_keys_is_said_without_them(init):
    init.ctl("deploy-key", "made")
    for keys, words in [
            (None, "keys: the key of the repository app is missing"),
            ({"app": PEM}, "keys: the key of the repository made is missing"),
            ({"app": PEM, "made": None, "none": PEM}, "keys: none: no repository of the policy has this name"),
            ({"app": None, "made": None}, "keys: app: no key was made with this name (deploy-key)"),
            ({"app": "c2VjcmV0", "made": None}, "keys: app: the key does not begin as a private key does "
                                                "(-----BEGIN OPENSSH PRIVATE KEY-----)"),
            ({"app": 7, "made": None}, "keys: app: expected a string or null"),
            ([PEM], "keys: not an object of names and keys, with each name once, or too large")]:
        assert apply(init, keys) == (1, {"ok": False, "error": words})
    assert "keys" not in json.dumps(init.ctl("status")[1]["workers"])


def test_keys_go_to_the_leg_alone_also_when_it_starts_again(init):
    init.ctl("deploy-key", "made")
    mark = init.audit.mark()
    assert apply(init, {"app": PEM, "made": None})[0] == 0
    assert init.audit.wait(mark, kind="test", keys=["app", "made"])["policy"]["gate"]["repos"][1]["name"] == "made"
    mark = init.audit.mark()
    os.kill(init.worker("stopper-push")[1], signal.SIGKILL)
    init.audit.wait(mark, kind="test", keys=["app", "made"])
    told = [line for line in init.audit.lines if "keys" in line]
    assert told and all("dns" not in line["policy"] and not {"authority", "database", "secrets"} & set(line) for line in told)
    assert apply(init, None, POLICY)[0] == 0


def test_keys_of_a_file_are_taken_as_those_of_an_operator(init):
    rig = Rig()
    try:
        paths = {}
        for name, content in ("policy", {**POLICY, "gate": {"repos": [REPO]}}), ("keys", {"app": PEM}):
            paths[name] = os.path.join(rig.dir, name)
            with open(paths[name], "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                json.dump(content, file)
        mounted = Init(rig, "--policy", paths["policy"], "--keys", paths["keys"])
        mounted.audit.wait(kind="test", keys=["app"])
    finally:
        rig.close()


def test_no_key_is_in_memory_that_could_be_dumped(init, tmp_path):
    key = keygen(str(tmp_path / "key"))[0]
    body = key.splitlines()[-3]  # of the private half
    init.ctl("deploy-key", "made")
    assert apply(init, {"app": key, "made": None})[0] == 0
    init.audit.wait(kind="test", keys=["app", "made"])
    dumped, left_out = memory("/proc", init.pid)
    assert body in left_out
    if os.path.basename(BUILD) != "asan":  # the sanitizer keeps what was freed, and nothing overwrites it
        assert not holds(dumped, body)
        seed = base64.b64decode("".join(made_key(left_out).splitlines()[1:-1]))[-40 - 64 - 32:][:32]
        assert seed.decode("latin-1") not in dumped
    assert not any(form in json.dumps(init.audit.lines) for form in forms(body))
    assert apply(init, None, POLICY)[0] == 0


def made_key(text, name="made"):
    """The key that init has made for a repository, out of its memory."""
    found = re.findall(r"-----BEGIN OPENSSH PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END OPENSSH PRIVATE KEY-----\n", text)
    return next(key for key in found if f"stopper:{name}".encode() in base64.b64decode("".join(key.splitlines()[1:-1])))


def test_keys_are_gone_with_their_policy(init):
    wait_for(lambda: "stopper-push" not in [worker["name"] for worker in init.ctl("status")[1]["workers"]], "the end of the leg")
    assert PEM.splitlines()[1] not in "".join(memory("/proc", init.pid)) or os.path.basename(BUILD) == "asan"
