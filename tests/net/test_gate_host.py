# SPDX-License-Identifier: GPL-3.0-or-later
"""The git-gate as its users have it: `hostctl up` with repositories on a real server, the real git inside, by the URLs that the
server has. What the gate does with a push in every case is in test_gate_fetch_push.py and its neighbours; here is that
all parts of it fit."""
import json
import os
import pty
import select
import subprocess

import pytest

from git_upstream import HOST, PORT, Upstream, keygen
from host import Host
from spaces import WAIT, tied, wait_for
from test_hostctl_cli import USAGE
from world import RESOLVER

STARTED = 0
SECRET = "AKIA" + "Q3EGRT2FYZ7XMPLN"  # of the shape of one, and nobody's
MANIFEST = """\
egress:
  dns: [{resolver}]
  routes: [{{host: allowed.test, tls: {{passthrough: true}}}}]
git-gate:
  user: {{name: An Agent, email: agent@lab.test}}
  repos:
    app:
      url: {url}
      key: {{provider: static, path: {key}}}
{more}"""


def manifest(upstream, more=""):
    return MANIFEST.format(resolver=RESOLVER, url=upstream.url("app"), key=upstream.key, more=more)


@pytest.fixture(scope="module")
def upstream(lab):
    made = Upstream(lab)
    try:
        made.repository("app")
        yield made
    finally:
        made.close()


class GateHost(Host):
    """A host that resolves names as the lab does."""

    def __init__(self, lab):
        super().__init__(lab)
        self.space.run("mount", "--bind", self.write("resolv.conf", f"nameserver {RESOLVER}\n"), "/etc/resolv.conf")
        self.before = self.traces()

    def known(self):
        try:
            with open(os.path.join(self.state, "stopper", "known_hosts"), encoding="ascii") as file:
                return file.read()
        except FileNotFoundError:
            return None


@pytest.fixture(scope="module")
def gate_host(lab):
    made = GateHost(lab)
    try:
        yield made
        made.clean()  # mirrors of repositories too
    finally:
        made.close()


@pytest.fixture(scope="module")
def bottle(gate_host, upstream):
    made = gate_host.up(manifest=gate_host.write("gate.yaml", manifest(upstream, f"      host_key: {upstream.host_key}\n"
                                                                    "      push: {allow: [refs/heads/agent/*], force: false}\n")))
    try:
        yield made
    finally:
        made.close()


def sh(bottle, script, *words, **named):
    return bottle.agent.run(argv=["sh", "-c", script, "sh", *words], **named)


def good(bottle, script, *words, **named):
    done = sh(bottle, f"set -e\n{script}", *words, **named)
    assert done["status"] == 0, done
    return done["out"]


def test_the_repository_is_fetched_before_the_agent_asks(bottle):
    line = bottle.audit.wait(kind="git", method="prefetch")
    assert (line["verdict"], line["repository"], line["host"]) == ("allow", "app", HOST)


def test_the_agent_clones_commits_and_pushes_by_the_servers_own_url(bottle, upstream):
    before = upstream.refs("app")
    out = good(bottle, 'cd /tmp && git clone -q "$1" app && cd app && cat README && git remote get-url origin && git config remote.origin.url'
               ' && git switch -q -c agent/one && echo more >>README && git commit -qam "More of it" && git push -q origin agent/one'
               ' && git rev-parse HEAD', upstream.url("app"))
    lines = out.splitlines()
    assert lines[0] == "This is app." and lines[1].endswith("/app:.git") and lines[1].startswith("git://") and lines[2] == upstream.url("app")
    after = upstream.refs("app")
    assert after == before | {"refs/heads/agent/one": lines[3]}
    assert upstream.git("app", "log", "-1", "--format=%an <%ae> %cn %s", "agent/one") == "An Agent <agent@lab.test> An Agent More of it"
    good(bottle, 'cd /tmp/app && git fetch -q && git status -sb | grep -q "agent/one" && git ls-remote "$1" >/dev/null', upstream.url("app")[:-4])
    assert bottle.audit.wait(kind="git", verdict="allow", ref="refs/heads/agent/one")["repository"] == "app"


def test_a_secret_does_not_leave_and_what_was_pushed_before_stays(bottle, upstream):
    before = upstream.refs("app")
    done = sh(bottle, 'set -e; rm -rf /tmp/s; git clone -q "$1" /tmp/s; cd /tmp/s; git switch -q -c agent/two; echo "token: $2" >notes; git add notes'
              '; git commit -qm "Some notes"; git push origin agent/two', upstream.url("app"), SECRET)
    assert done["status"] == 1 and "notes" in done["err"] and SECRET not in done["err"], done
    assert upstream.refs("app") == before
    line = bottle.audit.wait(kind="git", verdict="block", ref="refs/heads/agent/two")
    assert SECRET not in json.dumps(line)
    good(bottle, 'cd /tmp/s && git reset -q --hard HEAD^ && echo fine >notes && git add notes && git commit -qm "Other notes" && git push -q origin agent/two')
    assert set(upstream.refs("app")) == set(before) | {"refs/heads/agent/two"}


def test_rules_of_refs_hold(bottle, upstream):
    before = upstream.refs("app")
    done = sh(bottle, 'rm -rf /tmp/r; git clone -q "$1" /tmp/r && cd /tmp/r && git commit -q --allow-empty -m x && git push origin main', upstream.url("app"))
    assert done["status"] == 1 and "refs/heads/main" in done["err"], done
    assert upstream.refs("app") == before


def test_what_only_begins_as_a_repository_is_none_and_ssh_is_refused_as_ever(bottle, upstream):
    done = sh(bottle, 'git ls-remote "$1"', upstream.url("app").replace("app.git", "app-docs.git"))
    assert done["status"] == 128 and "app-docs" not in done["out"] and "-docs" in done["err"], done
    done = sh(bottle, "ssh -o StrictHostKeyChecking=no -o BatchMode=yes -p 22 git@ssh.test true")
    assert done["status"] == 255 and "SSH is not a way out of this bottle" in done["err"], done
    assert sh(bottle, f"ssh -o StrictHostKeyChecking=no -o BatchMode=yes -p {PORT} git@{HOST} true")["status"] == 255


def test_the_configuration_lies_below_the_users_own(bottle, upstream):
    out = good(bottle, 'export HOME=/tmp/h; mkdir -p $HOME; git config --global user.name Mine; git config --global alias.x version; cd /tmp'
               '; git config --show-origin --get-regexp "^url\\." | cut -f1 | sort -u; git ls-remote "$1" | grep -c refs/heads/main; git x | cut -c1-3',
               upstream.url("app"))
    assert out.splitlines() == ["file:/run/stopper-ca/gitconfig", "1", "git"]
    assert bottle.host.hostctl("exec", bottle.name, "--", "git", "ls-remote", upstream.url("app"), "main").stdout.endswith("refs/heads/main\n")


def test_status_names_the_repositories_and_what_became_of_the_last_requests(bottle, upstream):
    done = sh(bottle, 'rm -rf /tmp/t; git clone -q "$1" /tmp/t && cd /tmp/t && git commit -q --allow-empty -m x && git push origin HEAD:refs/heads/other',
              upstream.url("app"))
    assert done["status"] == 1 and "push.allow" in done["err"], done
    bottle.audit.wait(kind="git", verdict="block", ref="refs/heads/other")

    def last(method):
        line = [line for line in bottle.audit.lines if line["kind"] == "git" and line.get("method") == method][-1]
        return {"time": line["time"], "event_id": line["id"], "verdict": line["verdict"]} | ({"reason": line["reason"]} if "reason" in line else {})

    def told():
        return json.loads(bottle.host.hostctl("status", "--json", bottle.name).stdout)["repositories"]
    wait_for(lambda: told() == [{"name": "app", "url": upstream.url("app"), "fetch": last("fetch"), "push": last("push")}], "the last lines")
    fetch, push = last("fetch"), last("push")
    assert (fetch["verdict"], push["verdict"], push["reason"]) == ("allow", "block", "git-refused")
    said = bottle.host.hostctl("status", bottle.name).stdout
    assert (f"repository app {upstream.url('app')}\n           fetch {fetch['time']} allow, event {fetch['event_id']}\n"
            f"           push {push['time']} block git-refused, event {push['event_id']}\n") in said, said


def test_apply_changes_the_gate_and_says_that_the_agents_urls_stay(bottle, upstream):
    with open(os.path.join(bottle.host.dir, "gate.yaml"), encoding="ascii") as file:
        before = file.read()
    upstream.repository("two")
    more = before + f"    two: {{url: {upstream.url('two')}, key: {{provider: static, path: {upstream.key}}}, host_key: {upstream.host_key}}}\n"
    file = bottle.host.write("gate.yaml", more)
    try:
        done = bottle.host.hostctl("apply", bottle.name)
        assert (done.returncode, done.stderr) == (0, f"hostctl apply: {file}: URLs of git-gate.repos is not as it was when the bottle was started, and "
                                                     "cannot change while it runs: it stays\n")
        out = good(bottle, 'base=$(git ls-remote --get-url "$1"); git ls-remote "${base%%app:.git}two" main', upstream.url("app"))
        assert out.split() == [upstream.refs("two")["refs/heads/main"], "refs/heads/main"]
    finally:
        bottle.host.write("gate.yaml", before)
        assert bottle.host.hostctl("apply", bottle.name).returncode == 0
    assert sh(bottle, 'base=$(git ls-remote --get-url "$1"); git ls-remote "${base%%app:.git}two" main', upstream.url("app"))["status"] == 128
    good(bottle, 'git ls-remote "$1" main', upstream.url("app"))


# ---- host keys, with the real ssh-keyscan


def asked(host, file, answer):
    """What `up` asks on a terminal, and how it ends."""
    master, slave = pty.openpty()
    process = tied(host.command("up", "-f", file, "-n", "asked", "--", "git", "ls-remote", "--get-url", "x:y"), env=host.environment, cwd=host.dir,
                   stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""

    def read(until):
        nonlocal seen
        while until not in seen:
            assert select.select([master], [], [], WAIT)[0], seen
            try:
                piece = os.read(master, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
    read(b"[y/N] ")
    os.write(master, answer)
    read(b"never said")
    os.close(master)
    return process.wait(WAIT), seen.decode().replace("\r\n", "\n")


def fingerprint(upstream, name="host_key"):
    return subprocess.run(["ssh-keygen", "-lf", os.path.join(upstream.dir, f"{name}.pub")], check=True, capture_output=True, text=True).stdout.split()[1]


def test_a_host_is_met_once_and_another_key_is_an_error(lab, upstream):
    host, name = GateHost(lab), f"[{HOST}]:{PORT}"
    try:
        file = host.write("new.yaml", manifest(upstream))
        place = f"{file}:7: git-gate.repos.app.host_key: "
        done = host.hostctl("up", "-f", file, "--", "true")
        assert (done.returncode, done.stderr) == (
            USAGE, f"{place}is not there, and there is no terminal to ask on. {name} shows a key with the fingerprint {fingerprint(upstream)}; if that is "
                   f"right, write: host_key: {upstream.host_key}\n")
        status, text = asked(host, file, b"n\n")
        assert f"  type    ssh-ed25519\n  key     {fingerprint(upstream)}\n" in text
        assert status == USAGE and f"{place}the key of {name} was not accepted\n" in text and host.known() is None
        status, text = asked(host, file, b"y\n")
        assert status == STARTED and f"hostctl up: the key of {name} is remembered\n" in text, text
        assert host.known() == f"{name} {upstream.host_key}\n"
        assert host.hostctl("up", "-f", file, "--", "true").returncode == STARTED  # nobody is asked again
        keygen(os.path.join(upstream.dir, "other_key"))
        upstream.stop()
        upstream.start("other_key")
        try:
            done = host.hostctl("up", "-f", file, "--", "true")
        finally:
            upstream.stop()
            upstream.start()
        assert (done.returncode, done.stderr) == (
            USAGE, f"{place}the key of {name} has changed: remembered is ssh-ed25519 {fingerprint(upstream)}, now it shows ssh-ed25519 "
                   f"{fingerprint(upstream, 'other_key')}. Somebody may be in its place. If its operator says that the new one is right, forget the old "
                   f"one: ssh-keygen -f '{host.state}/stopper/known_hosts' -R '{name}'\n")
        assert host.hostctl("up", "-f", file, "--", "true").returncode == STARTED
    finally:
        host.close()


def test_a_key_that_cannot_be_used_starts_nothing(gate_host, upstream):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", os.path.join(gate_host.dir, "locked")], check=True)
    file = gate_host.write("locked.yaml", manifest(upstream, f"      host_key: {upstream.host_key}\n").replace(upstream.key, f"{gate_host.dir}/locked"))
    done = gate_host.hostctl("up", "-f", file, "--", "true")
    assert (done.returncode, done.stderr) == (
        USAGE, f'{file}:9: git-gate.repos.app.key.path: "{gate_host.dir}/locked" is protected by a passphrase, or no key of OpenSSH\'s\n')
    wait_for(lambda: not os.path.exists(os.path.join(gate_host.state, "stopper", "bottles", "locked")), "no bottle")
