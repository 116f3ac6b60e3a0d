# SPDX-License-Identifier: GPL-3.0-or-later
"""hostctl apply and status, on a bottle that works meanwhile. Each test leaves the bottle with its own manifest in force."""
import hashlib
import json
import os
import re
import subprocess
import time

import pytest

from host import Host
from lab import program
from spaces import WAIT, tied, wait_for
from world import NAMES, RESOLVER

USAGE, FAILED = 2, 125
ROUTES = ("allowed.test", "other.test")
KEPT, FRESH = 2, 1  # threads a host, of those that keep their connection and those that make one a request
BROKEN = """\
egress:
  dns: [203.0.113.53]
  routes:
    - host: allowed.test
      color: red
    - host: "bad host"
"""


def manifest(*routes, more=""):
    lines = "".join(f"    - host: {route}\n" for route in routes)
    return f"egress:\n  dns: [{RESOLVER}]\n  extra_ca: [lab-ca.pem]\n  routes:\n{lines}{more}"


@pytest.fixture(scope="module")
def bottle(lab):
    host = Host(lab)
    try:
        with open(lab.world.ca, encoding="ascii") as ca:
            host.write("lab-ca.pem", ca.read())
        host.environment.pop("SUDO_UID", None)  # messages advise its users
        made = host.up(manifest=host.write("own.yaml", manifest(*ROUTES)))
        try:
            yield made
        finally:
            made.close()
    finally:
        host.close()


def apply(bottle, *words):
    return bottle.host.hostctl("apply", bottle.name, *words)


def applied(bottle, *words):
    """The generation of an apply that has nothing to say."""
    done = apply(bottle, *words)
    assert (done.returncode, done.stderr) == (0, "")
    return int(re.fullmatch(r"generation (\d+)\n", done.stdout).group(1))


def status(bottle):
    done = bottle.host.hostctl("status", bottle.name, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def in_force(bottle):
    now = status(bottle)
    return now["generation"], now["policy_digest"]


def asked(bottle, name, host):
    """What came of a request: (whether on a new connection, its status, the reason of a refusal or the server's words)."""
    answer = bottle.agent.kept(name=name, host=host)
    assert "error" not in answer, answer
    words = answer["body"]
    if answer["status"] == 403:
        words = json.loads(words)["type"].rpartition(":")[2]
    return answer["fresh"], answer["status"], words


class Loaded:
    """The load's counts, with times of the machine's clock, which the bottle's is too."""

    def __init__(self, bottle):
        self.bottle, self.begun = bottle, time.monotonic()
        bottle.agent.load_begin(hosts=ROUTES, kept=KEPT, fresh=FRESH)

    def more(self, count):
        """Waits until so many requests of each sort that were begun from now on have ended. Returns their counts: no others'."""
        now = time.monotonic()

        def counts():
            return self.bottle.agent.load_since(begun=now)
        wait_for(lambda: all(sum(sort.values()) >= count for sort in counts().values()), f"{count} more answers of each sort", 2 * WAIT)
        return {sort: set(outcomes) for sort, outcomes in counts().items()}


def test_under_load_no_request_is_dropped_and_a_removed_host_is_refused_at_once(bottle, record_property):
    """What apply has said is so for each request that is begun afterwards, on every connection; what both generations allow is never
    disturbed. Time plays no part: only what was begun before what."""
    fewer = bottle.host.write("fewer.yaml", manifest("allowed.test"))
    broken = bottle.host.write("broken.yaml", BROKEN)
    kept, removed = ROUTES
    whole = {f"{host} {kind}": {"200"} for host in ROUTES for kind in ("kept", "fresh")}
    without = {sort: {"403"} if sort.startswith(removed) else {"200"} for sort in whole}
    bottle.audit.wait(kind="control", verdict="allow")  # what comes before has no policy yet, and may come late
    mark, digests, load = bottle.audit.mark(), dict([in_force(bottle)]), Loaded(bottle)
    slowest = 0.0
    try:
        assert load.more(50) == whole
        for _ in range(3):
            before, begun = in_force(bottle), time.monotonic()
            assert applied(bottle, "-f", fewer) == before[0] + 1
            slowest = max(slowest, time.monotonic() - begun)  # so much at most from the word to the refusal
            assert load.more(20) == without
            digests |= [in_force(bottle)]
            done = apply(bottle, "-f", broken)
            assert (done.returncode, done.stdout) == (USAGE, "") and done.stderr.startswith(f"{broken}:5: ")
            assert load.more(20) == without and in_force(bottle)[0] == before[0] + 1
            assert applied(bottle) == before[0] + 2
            assert load.more(20) == whole
            digests |= [in_force(bottle)]
    finally:
        connections = bottle.agent.load_end()
    seconds, counts = time.monotonic() - load.begun, bottle.agent.load_since(begun=0)
    total = sum(sum(outcomes.values()) for outcomes in counts.values())
    record_property("requests over 6 applies", f"{total} in {seconds:.1f} s, {total / seconds:.0f} a second, "
                    f"{sum(connections.values())} connections; an apply took {slowest * 1000:.0f} ms at most")
    assert set(counts[f"{kept} kept"]) == set(counts[f"{kept} fresh"]) == {"200"}, counts
    assert connections[f"{kept} kept"] == KEPT  # none was closed, between requests either
    assert set(digests.values()) == {digests[max(digests)], digests[max(digests) - 1]}
    lines = bottle.audit.lines[mark:]
    assert len([line for line in lines if line["kind"] == "http"]) > 100
    assert [line for line in lines if "policy_digest" not in line or line["policy_digest"] != digests.get(line["generation"])] == []
    refused = bottle.audit.wait(mark, kind="http", verdict="block", host=removed, reason="host-not-allowed")
    assert refused["generation"] in digests


def test_a_tunnel_ends_with_its_route(bottle):
    unopened = "\n      tls: {passthrough: true}"
    both = bottle.host.write("tunnels.yaml", manifest(*(route + unopened for route in ROUTES)))
    one = bottle.host.write("tunnel.yaml", manifest("allowed.test" + unopened))

    def through(host):
        answer = bottle.agent.kept(name=f"tunnel to {host}", host=host, ca="/lab/ca.pem")
        return answer["fresh"], answer.get("status", "error")
    applied(bottle, "-f", both)
    assert [through(host) for host in ROUTES * 2] == [(True, 200)] * 2 + [(False, 200)] * 2
    mark = bottle.audit.mark()
    applied(bottle, "-f", one)
    assert [through(host) for host in ROUTES] == [(False, 200), (False, "error")]
    line = bottle.audit.wait(mark, kind="tls", host="other.test", detail="closed by a new policy")
    assert (line["reason"], line["generation"]) == ("host-not-allowed", in_force(bottle)[0])
    applied(bottle)


def test_a_broken_manifest_changes_nothing_and_every_error_is_said(bottle):
    before, mark = in_force(bottle), bottle.audit.mark()
    file = bottle.host.write("broken.yaml", BROKEN)
    said = bottle.host.hostctl("validate", file).stderr
    assert [line.split(": ")[0] for line in said.splitlines()] == [f"{file}:5", f"{file}:6"]
    done = apply(bottle, "-f", file)
    assert (done.returncode, done.stdout, done.stderr) == (USAGE, "", said)
    assert in_force(bottle) == before
    assert applied(bottle) == before[0] + 1  # the control: the same bottle takes one that is whole
    assert not [line for line in bottle.audit.lines[mark:] if line["kind"] == "control" and line["verdict"] != "allow"]


def test_the_bottles_own_file_is_read_again_and_may_be_broken_or_gone(bottle):
    own, before = bottle.host.write("own.yaml", BROKEN), in_force(bottle)
    try:
        done = apply(bottle)
        assert (done.returncode, done.stdout) == (USAGE, "") and done.stderr.startswith(f"{own}:5: ")
        bottle.host.space.run("rm", own)
        done = apply(bottle)
        assert (done.returncode, done.stdout) == (USAGE, "") and own in done.stderr
        assert in_force(bottle) == before
    finally:
        bottle.host.write("own.yaml", manifest(*ROUTES))
    assert applied(bottle) == before[0] + 1 and in_force(bottle)[1] == before[1]


def test_secrets_come_from_the_environment_and_one_that_is_missing_changes_nothing(bottle):
    token = "      auth: {scheme: Bearer, token_ref: APPLY_TOKEN}\n"
    file, before = bottle.host.write("token.yaml", manifest("allowed.test", more=token)), in_force(bottle)
    done = apply(bottle, "-f", file)
    assert (done.returncode, done.stdout, done.stderr) == (
        USAGE, "", f"{file}:6: egress.routes[0].auth.token_ref: the environment variable APPLY_TOKEN is not set\n")
    assert in_force(bottle) == before
    bottle.host.environment["APPLY_TOKEN"] = "a-token-of-the-host"
    try:
        assert applied(bottle, "-f", file) == before[0] + 1
    finally:
        del bottle.host.environment["APPLY_TOKEN"]
    answer = bottle.agent.kept(name="token", host="allowed.test", path="/echo")
    assert answer["body"] == f"you said Bearer {'*' * len('a-token-of-the-host')}\n"
    assert applied(bottle) == before[0] + 2


def test_what_cannot_change_in_a_bottle_that_runs_is_said_and_the_policy_is_applied(bottle):
    more = "env: {GREETING: hello}\nimage: agent:1\ngit-gate: {user: {name: Ada, email: ada@a.example}}\nskills: [absent]\n"
    file, before = bottle.host.write("more.yaml", manifest("allowed.test", more=more)), in_force(bottle)
    done = apply(bottle, "-f", file)
    assert (done.returncode, done.stdout) == (0, f"generation {before[0] + 1}\n")
    assert done.stderr.splitlines() == [
        f"hostctl apply: {file}: {key} is not as it was when the bottle was started, and cannot change while it runs: it stays"
        for key in ("env", "git-gate.user", "skills", "image")]
    assert asked(bottle, "fixed", "other.test")[1:] == (403, "host-not-allowed")
    assert bottle.host.hostctl("exec", bottle.name, "--", "sh", "-c", "echo $GREETING").stdout == "\n"
    assert applied(bottle) == before[0] + 2 and in_force(bottle)[1] == before[1]


class Agents:
    """The user's bottle "base" and an agent "worker" of it, the user's or the repository's, that runs."""

    def __init__(self, host, folder):
        self.host, self.user, self.name = host, f"{host.home}/.config/stopper", "agents"
        self.file = f"{folder or self.user}/agents/worker.md"
        for name in f"{self.user}/bottles", os.path.dirname(self.file):
            os.makedirs(name, exist_ok=True)
        self.base("allowed.test")
        self.worker("Be kind.")
        self.process = tied(
            host.space.enter("env", "-C", host.dir, program("hostctl"), "up", "worker", "-n", self.name, "--confirm", self.digest(), "--",
                             "sh", "-c", "echo up; exec sleep 300"),
            env=host.environment, cwd=host.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def base(self, route):
        with open(f"{self.user}/bottles/base.md", "w", encoding="ascii") as file:
            file.write(f"---\negress:\n  dns: [{RESOLVER}]\n  routes: [{{host: {route}}}]\n---\n")

    def worker(self, prompt):
        with open(self.file, "w", encoding="ascii") as file:
            file.write(f"---\nbottle: base\n---\n{prompt}\n")

    def digest(self):
        with open(self.file, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def close(self):
        self.host.hostctl("down", self.name)
        self.process.communicate(timeout=WAIT)
        os.unlink(self.file)


@pytest.mark.parametrize("whose", ["user", "repository"])
def test_an_agents_file_is_read_again_as_an_agents(bottle, whose):
    host = bottle.host
    agents = Agents(host, f"{host.dir}/.stopper" if whose == "repository" else None)

    def now():
        told = json.loads(host.hostctl("status", agents.name, "--json").stdout)
        return told["generation"], told["policy_digest"]
    try:
        assert agents.process.stdout.readline() == b"up\n", agents.process.stderr.read()
        assert host.hostctl("apply", agents.name).stdout == "generation 2\n"
        agents.base("other.test")
        agents.worker("Be cruel.")
        before, words = now(), []
        if whose == "repository":
            done = host.hostctl("apply", agents.name)
            assert (done.returncode, done.stdout) == (USAGE, "") and now() == before
            assert done.stderr == (f"hostctl apply: {agents.file} comes with the repository, and this content was not confirmed "
                                   f"before: read it, then add --confirm {agents.digest()}\n")
            words = ["--confirm", agents.digest()]
        done = host.hostctl("apply", agents.name, *words)
        assert (done.returncode, done.stdout) == (0, "generation 3\n")
        assert done.stderr == (f"hostctl apply: {agents.file}: prompt is not as it was when the bottle was started, "
                               "and cannot change while it runs: it stays\n")
        assert now()[1] != before[1]
    finally:
        agents.close()


@pytest.mark.parametrize("command", ["apply", "status"])
def test_a_bottle_that_is_not_there_and_wrong_words(bottle, command):
    before = in_force(bottle)
    done = bottle.host.hostctl(command, "absent")
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr == bottle.host.hostctl("ca", "absent").stderr.replace("hostctl ca", f"hostctl {command}")
    for words in [], [bottle.name, "absent"], [bottle.name, "--", "true"]:
        done = bottle.host.hostctl(command, *words)
        assert (done.returncode, done.stdout) == (USAGE, "")
        assert done.stderr.startswith(f"hostctl {command}: name one bottle\nusage: hostctl {command} NAME ")
    assert in_force(bottle) == before


def test_status_is_that_of_the_audit_and_counts_what_the_walls_refuse(bottle):
    mark = bottle.audit.mark()
    assert asked(bottle, "status", "absent.test")[1:] == (403, "host-not-allowed")
    line, now = bottle.audit.wait(mark, kind="http", verdict="block", host="absent.test"), status(bottle)
    assert (line["generation"], line["policy_digest"]) == (now["generation"], now["policy_digest"])
    assert (now["name"], now["runtime"], now["manifest"]) == (bottle.name, "netns", f"{bottle.host.dir}/own.yaml")
    assert now["hostctl"] in [each["pid"] for each in json.loads(bottle.host.hostctl("ps", "--json").stdout)] and "ok" not in now
    names = [worker["name"] for worker in now["workers"]]
    assert names[:2] == ["meter", "stopper-dns"] and names[2].startswith("stopper-proxy")
    assert all(worker["pid"] > 1 and worker["restarts"] == 0 and worker["memory_kib"] > 100 for worker in now["workers"])
    denied = now["counters"]["denied"]
    assert bottle.agent.udp(address="203.0.113.77", port=9999)["error"]
    wait_for(lambda: status(bottle)["counters"]["denied"] > denied, "the wall's count")
    before = wait_for(lambda: status(bottle)["denials"].get("packet") and status(bottle), "the packet's line")["denials"]
    assert before["host-not-allowed"] >= 1 and "forwarding" in now and now["forwarding"] is False
    assert now["ruleset_generation"] == now["ruleset_at_boot"]
    for _ in range(3):
        assert asked(bottle, "counted", "absent.test")[1:] == (403, "host-not-allowed")
    wait_for(lambda: status(bottle)["denials"]["host-not-allowed"] >= before["host-not-allowed"] + 3, "the denials' count")


def test_status_tells_of_budgets(bottle):
    limited = bottle.host.write("limited.yaml", manifest(ROUTES[0] + "\n      dlp: {budget: 2048k/minute}", ROUTES[1]))
    try:
        applied(bottle, "-f", limited)
        assert status(bottle)["budgets"] == [{"host": ROUTES[0], "bytes": 2 << 20}]
        assert re.search(rf"^budget +{ROUTES[0]} 2m/minute$", bottle.host.hostctl("status", bottle.name).stdout, re.M)
    finally:
        applied(bottle)
    assert status(bottle)["budgets"] == [] and "budget " not in bottle.host.hostctl("status", bottle.name).stdout


def test_status_in_lines_says_the_same(bottle):
    done, now = bottle.host.hostctl("status", bottle.name), status(bottle)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    heads = {line[0]: line[1:] for line in lines if line[0] not in ("worker", "wall", "denied")}
    assert heads["generation"] == [str(now["generation"])] and heads["policy"] == [now["policy_digest"]]
    assert heads["name"] == [bottle.name] and heads["manifest"] == [now["manifest"]] and heads["hostctl"] == [str(now["hostctl"])]
    assert isinstance(now["ready_ms"], int) and heads["uptime"][-4:] == ["ready", "after", str(now["ready_ms"]), "ms"]
    assert [line[1:5] for line in lines if line[0] == "worker"] == [
        [worker["name"], worker["state"], "pid", str(worker["pid"])] for worker in now["workers"]]
    assert [line[1] for line in lines if line[0] == "wall"] == list(now["counters"])
    assert all(line[2].isdigit() for line in lines if line[0] in ("wall", "denied"))
    told = {line[1] for line in lines if line[0] == "denied"}
    assert "host-not-allowed" in told and told <= set(now["denials"])
