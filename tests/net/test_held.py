# SPDX-License-Identifier: GPL-3.0-or-later
"""What `hostctl up` hands the agent in the place of secrets, and secrets that are the agent's own: each is where it belongs, goes on
working when the manifest is applied again, and goes nowhere else."""
import json
import os
import re
import subprocess

import pytest

from spaces import WAIT, tied, wait_for
from test_credentials import holds

TOKEN, PHRASE = "tok/9c41D+77ab=c0~e", "passphrase-0f/the+agents"
MANIFEST = """\
egress:
  dns: [203.0.113.53]
  extra_ca: [lab-ca.pem]
  routes:
    - host: allowed.test
      auth: {scheme: Bearer, token_ref: FORGE_TOKEN}
    - host: other.test
env:
  HELD: {placeholder_for: allowed.test}
  PHRASE: {from_env: THE_PHRASE}
"""
AGENT = """
import json, os, sys, urllib.error, urllib.request
held, phrase, canary = os.environ["HELD"], os.environ["PHRASE"], os.environ["INTERNAL_API_TOKEN"]
def ask(host, field, value):
    request = urllib.request.Request(f"https://{host}/echo", headers={field: value})
    try:
        with urllib.request.urlopen(request) as answer:
            return [answer.status, answer.read().decode()]
    except urllib.error.HTTPError as refused:
        return [refused.code, json.load(refused)["type"]]
for _ in sys.stdin:
    print(json.dumps([held, phrase, canary, ask("allowed.test", "Authorization", "token " + held), ask("other.test", "X-Any", held),
                      ask("other.test", "X-Any", phrase), ask("allowed.test", "X-Any", phrase), ask("other.test", "X-Any", "text"),
                      ask("allowed.test", "Authorization", "Bearer " + canary)]),
          flush=True)
"""


@pytest.fixture
def manifest(host):
    with open(host.lab.world.ca, encoding="ascii") as ca:
        host.write("lab-ca.pem", ca.read())
    return host.write("held.yaml", MANIFEST)


def environments(host, value):
    """The programs whose environment or command line has this value."""
    root, names = f"/proc/{host.space.pid}/root/proc", set()
    for name, pids in host.processes().items():
        for pid in pids:
            for part in "environ", "cmdline":
                with open(f"{root}/{pid}/{part}", encoding="latin-1") as file:
                    names |= {name} if value in file.read() else set()
    return names


def test_placeholders_and_the_agents_own_secrets(host, manifest):
    before = len(host.lab.world.log())
    variables = {"FORGE_TOKEN": TOKEN, "THE_PHRASE": PHRASE}
    environment = {**host.environment, **variables}
    process = tied(host.command("up", "-f", manifest, "--name", "b", "--", "/usr/bin/python3", "-c", AGENT), env=environment, cwd=host.dir,
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def turn():
        process.stdin.write("\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, process.stderr.read()
        return json.loads(line)
    try:
        held, phrase, canary, *answers = first = turn()
        assert re.fullmatch("stopper-placeholder-[0-9a-f]{32}", held) and phrase == PHRASE and re.fullmatch("itk_[0-9a-f]{40}", canary)
        stars = "*" * len(TOKEN)
        alarm = [403, "urn:stopper:denial:secret-elsewhere"]
        assert answers == [[200, f"you said token {stars}\n"], alarm, alarm, alarm, [200, "you said \n"], alarm]
        log = [json.loads(line) for line in host.lab.world.log()[before:]]
        assert [(line["host"], line["authorization"]) for line in log if line["uri"] == "/echo"] == [
            ("allowed.test", f"token {TOKEN}"), ("other.test", "")]
        done = subprocess.run(host.command("apply", "b"), env=environment, cwd=host.dir, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "generation 2\n", "")
        assert turn() == first
        absent = subprocess.run(host.command("apply", "b"), env=host.environment, cwd=host.dir, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, check=False, timeout=60).stderr
        assert [line.partition(": ")[2] for line in absent.splitlines()] == [
            "egress.routes[0].auth.token_ref: the environment variable FORGE_TOKEN is not set",
            "env.PHRASE.from_env: the environment variable THE_PHRASE is not set"]
        lines = []

        def alarms():
            lines[:] = [json.loads(line) for line in host.hostctl("logs", "--json", "b").stdout.splitlines()]
            return [(line["detail"], line["host"], line["generation"]) for line in lines if line.get("reason") == "secret-elsewhere"]
        wait_for(lambda: len(alarms()) >= 8, "the alarms")
        assert alarms() == [(what, where, generation) for generation in (1, 2) for what, where in (
            ("the placeholder of allowed.test", "other.test"), ("the value of THE_PHRASE", "other.test"),
            ("the value of THE_PHRASE", "allowed.test"), ("the value of STOPPER_CANARY", "allowed.test"))]
        assert all(line["verdict"] == "alarm" for line in lines if line.get("reason") == "secret-elsewhere")
        agent = os.path.basename(os.path.realpath("/usr/bin/python3"))
        assert environments(host, PHRASE) == {agent} and environments(host, TOKEN) == set()
        seen = json.dumps(lines)
        for folder, _, names in os.walk(host.state):
            for name in names:
                with open(os.path.join(folder, name), encoding="latin-1") as file:
                    seen += file.read()
        assert not holds(seen, TOKEN, PHRASE, canary) and len(seen) > 2000
    finally:
        process.stdin.close()
        process.wait(WAIT)
    assert process.returncode == 0 and process.stderr.read() == ""


def test_another_bottle_has_another_placeholder_and_canary(host, manifest):
    seen = set()
    for name in "one", "two":
        done = subprocess.run(host.command("up", "-f", manifest, "--name", name, "--", "printenv", "HELD", "INTERNAL_API_TOKEN"), cwd=host.dir,
                              env={**host.environment, "FORGE_TOKEN": TOKEN, "THE_PHRASE": PHRASE}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        seen |= set(done.stdout.splitlines())
    assert len(seen) == 4


def test_without_a_variable_nothing_starts(host, manifest):
    environment = {name: text for name, text in host.environment.items() if name != "SUDO_UID"}
    for value, words in ((None, "is not set"), ("seven77", "is shorter than 8 bytes"), ("two words", "holds a space")):
        more = {} if value is None else {"THE_PHRASE": value}
        done = subprocess.run(host.command("up", "-f", manifest, "--", "true"), cwd=host.dir, stdin=subprocess.DEVNULL, text=True,
                              env={**environment, "FORGE_TOKEN": TOKEN, **more}, capture_output=True, check=False, timeout=60)
        said = "the environment variable THE_PHRASE" if value is None else "the value of the environment variable THE_PHRASE"
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"{manifest}:10: env.PHRASE.from_env: {said} {words}\n"
    host.clean()
