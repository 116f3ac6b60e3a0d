# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy keys: what hostctl registers at a forge while a bottle lives is exactly what is needed, and whatever happens on
the way, it does not stay there: or it is said, with its id, and found by whoever cleans up next. The forge is a stand-in
that checks every request (gitea_api.py)."""
import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess

import pytest

from git_upstream import HOST, PORT, Upstream, keygen
from gitea_api import VARIABLE, Forge, manifest
from host import Host
from lab import program
from spaces import WAIT, tied, wait_for
from test_gate_keys import made_key
from test_secrets import memory

TOKEN = "0e6d1e9b2c7f4a35880fd9a1"
STOPPER_FAILED, USAGE = 125, 2
PUBLIC = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{68}( [!-~]+)?")


class Up:
    """`hostctl up` of a bottle that runs until it is told to end."""

    def __init__(self, rig, name, file):
        self.name = name
        self.process = tied(rig.host.command("up", "-f", file, "--name", name, "--", "sh", "-c", "echo up; exec cat"),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=rig.environment(), cwd=rig.host.dir)
        self.rig = rig

    def runs(self):
        line = self.process.stdout.readline()
        assert line == b"up\n", (line, self.process.communicate(timeout=WAIT))
        return self

    def end(self):
        """The command ends: status and words."""
        _, err = self.process.communicate(timeout=2 * WAIT)
        return self.process.returncode, err.decode()

    def kill(self):
        """Ends hostctl itself, which can do nothing any more: our process is nsenter, which is its parent's."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as children:
            pid = int(children.read())
        os.kill(pid, signal.SIGKILL)
        self.process.wait(WAIT)


class Rig:
    def __init__(self, lab):
        self.host = Host(lab)
        self.forge = Forge(self.host.space, repos=("org/app", "org/lib"), prefix="/forge")
        self.forge.tokens = {TOKEN: {}}
        self.bottles = os.path.join(self.host.state, "stopper", "bottles")
        self.write("app", ("app", "org/app.git", self.forge.url))

    def write(self, name, *repos, **named):
        return self.host.write(f"{name}.yaml", manifest(*repos, **named))

    def environment(self, token=TOKEN, **more):
        found = {name: value for name, value in self.host.environment.items()
                 if not name.lower().endswith("_proxy") and name != VARIABLE}
        return {**found, **({VARIABLE: token} if token else {}), **more}

    def up(self, name="box", file="app.yaml"):
        return Up(self, name, os.path.join(self.host.dir, file))

    def hostctl(self, *words, token=TOKEN, path=os.environ["PATH"], **more):
        """path: where hostctl looks for programs."""
        command = self.host.space.enter("env", f"PATH={path}", program("hostctl"), *words)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              timeout=3 * WAIT, env=self.environment(token, **more), cwd=self.host.dir)
        return done.returncode, done.stdout, done.stderr

    def run(self, *command, file="app.yaml", name="box", **named):
        return self.hostctl("up", "-f", os.path.join(self.host.dir, file), "--name", name, "--", *(command or ("true",)), **named)

    def record(self, name="box"):
        with open(os.path.join(self.bottles, name, "record.json"), encoding="utf-8") as file:
            return json.load(file)["deploy_keys"]

    def label(self):
        with open(os.path.join(self.host.state, "stopper", "label"), encoding="ascii") as file:
            return file.read()

    def title(self, repo="app", bottle="box"):
        return f"stopper {repo} of bottle {bottle} ({self.label()})"

    def tidy(self):
        for pid in self.host.processes().get("hostctl", ()):
            self.host.kill(pid)
        self.hostctl("gc", "--forget-keys")

    def states(self):
        return {entry["name"]: entry["state"] for entry in json.loads(self.hostctl("ps", "--json")[1])}


@pytest.fixture(scope="module")
def machine(lab):
    made = Rig(lab)
    try:
        assert made.run() == (0, "", "")  # the label stays
        yield made
    finally:
        made.forge.close()
        made.host.close()


@pytest.fixture
def rig(machine):
    """A host and a forge that are clean afterwards, whatever a test did: the keys of a test's own aside."""
    machine.forge.reset()
    machine.host.before = machine.host.traces()
    yield machine
    try:
        machine.host.clean()
    except AssertionError:
        machine.tidy()  # the next test is not to fail of this one's
        raise
    machine.forge.reset()


def stays(rig, number, why, who="down", title=None, name="box", repo="org/app"):
    key = f"deploy key {number}" if number else "a deploy key that may have been registered"
    return (f'hostctl {who}: {name}: {key}, "{title or rig.title()}", of {repo} at {rig.forge.url}, stays there: {why}\n'
            f'hostctl {who}: {name}: 1 deploy key could not be deleted; "hostctl gc" tries again\n')


UNSET = f"the environment variable {VARIABLE} is not set, or holds no token"


# ---- the way it should go ---------------------------------------------------------------------------------------------


def test_a_key_is_registered_while_the_bottle_lives(rig):
    bottle = rig.up().runs()
    (key,) = rig.forge.keys
    assert key["repo"] == "org/app" and key["title"] == rig.title() and key["read_only"] is False, key
    assert PUBLIC.fullmatch(key["key"]), key
    assert rig.record() == {"app": {"url": rig.forge.url, "owner": "org", "repo": "app", "variable": VARIABLE,
                                    "title": rig.title(), "id": key["id"]}}
    assert rig.forge.asked() == ["/forge/api/v1/repos/org/app/keys?page=1&limit=25", "/forge/api/v1/repos/org/app/keys"]
    assert bottle.end() == (0, "")
    assert rig.forge.keys == [] and rig.forge.asked("DELETE") == [f"/forge/api/v1/repos/org/app/keys/{key['id']}"]


def test_each_bottle_has_a_key_of_its_own(rig):
    rig.write("both", ("app", "org/app.git", rig.forge.url), ("lib", "org/lib", rig.forge.url + "/"))
    keys = {}
    one, other = rig.up("one").runs(), rig.up("two", "both.yaml").runs()
    for key in rig.forge.keys:
        keys[key["title"]] = key["key"]
    assert sorted(keys) == [rig.title("app", "one"), rig.title("app", "two"), rig.title("lib", "two")]
    assert len(set(keys.values())) == 3
    assert one.end() == (0, "")
    assert sorted(rig.forge.titles()) == [rig.title("app", "two")] and rig.forge.titles("org/lib") == [rig.title("lib", "two")]
    assert rig.hostctl("down", "two") == (0, "", "") and other.end()[0] != 0
    assert rig.forge.keys == []


def test_the_token_is_nowhere_but_in_the_requests(rig):
    """A curl in front of the real one says what it was given, and what hostctl's own environment looks like meanwhile."""
    seen, real = os.path.join(rig.host.dir, "seen"), shutil.which("curl")
    assert real, "curl is missing: install Debian's package curl"
    folder = os.path.join(rig.host.dir, "bin")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "curl"), "w", encoding="ascii") as script:
        script.write(f'#!/bin/sh\n{{ echo "argv: $*"; env; }} >>{seen}\ncat /proc/$PPID/environ /proc/$PPID/cmdline >>{seen}.parent\n'
                     f'exec {real} "$@"\n')
    os.chmod(script.name, 0o755)
    done = rig.run("sh", "-c", "env", path=f"{folder}:{os.environ['PATH']}")
    assert done[0] == 0 and TOKEN not in done[1] + done[2], done
    with open(seen, encoding="utf-8", errors="replace") as file:
        text = file.read()
    assert text.count("argv: --disable --config -\n") == len(rig.forge.asked()) == 3 and f"{VARIABLE}=" not in text, text
    with open(f"{seen}.parent", "rb") as file:
        parent = file.read()
    assert TOKEN not in text and TOKEN.encode() not in parent and f"XDG_STATE_HOME={rig.host.state}".encode() in parent
    for path, _, names in os.walk(rig.host.state):
        for name in names:
            with open(os.path.join(path, name), "rb") as file:
                assert TOKEN.encode() not in file.read(), name


def test_the_key_opens_the_repository_until_it_is_deleted(rig, lab):
    """With a real server, which takes the keys that the forge has."""
    upstream = Upstream(lab)
    try:
        upstream.repository("app")
        rig.forge.changed = lambda keys: upstream.write("authorized", "".join(f"{key['key']}\n" for key in keys))
        rig.forge.changed([])
        rig.forge.repos.add("srv/app")
        rig.write("real", ("app", "srv/app.git", rig.forge.url), host=f"{HOST}:{PORT}", host_key=upstream.host_key)
        bottle = rig.up(file="real.yaml").runs()
        push = (f"git clone -q {upstream.url('app')} /tmp/app && cd /tmp/app && "
                "git -c user.name=A -c user.email=a@lab.test commit -q --allow-empty -m second && git push -q origin HEAD:agent")
        assert rig.hostctl("exec", "box", "--", "sh", "-c", push) == (0, "", "")
        assert set(upstream.refs("app")) == {"refs/heads/main", "refs/heads/agent"}
        # The key itself does not get out, though only init has seen it; another one would.
        root = f"/proc/{rig.host.space.pid}/root/proc"
        key = made_key("".join(memory(root, pid)[1] for pid in rig.host.processes()["stopper-init"]), "app")
        push = ("cd /tmp/app && printf '%s\\n' '{}' >notes && git add notes && "
                "git -c user.name=A -c user.email=a@lab.test commit -qm notes && git push -q origin HEAD:{}")
        status, _, err = rig.hostctl("exec", "box", "--", "sh", "-c", push.format("\n".join(key.splitlines()[1:-1]), "leak"))
        assert status == 1 and 'rule "gate_key:app" of known_secrets in "notes"' in err, err
        keygen(os.path.join(upstream.dir, "another"))
        with open(os.path.join(upstream.dir, "another"), encoding="ascii") as file:
            other = file.read()
        push = push.replace("cd /tmp/app", "cd /tmp/app && git reset -q --hard HEAD^")
        assert rig.hostctl("exec", "box", "--", "sh", "-c", push.format("\n".join(other.splitlines()[1:-1]), "fine")) == (0, "", "")
        assert set(upstream.refs("app")) == {"refs/heads/main", "refs/heads/agent", "refs/heads/fine"}
        assert bottle.end() == (0, "") and rig.forge.keys == []
        refused = rig.up(file="real.yaml").runs()
        rig.forge.changed([])
        status, _, err = rig.hostctl("exec", "box", "--", "git", "ls-remote", upstream.url("app"))
        assert status == 128 and f"{HOST}:{PORT} does not take this repository's key for the user git" in err, err
        assert refused.end() == (0, "")
    finally:
        rig.forge.changed = lambda keys: None
        rig.forge.repos.discard("srv/app")
        upstream.close()


def test_https_is_the_default_and_the_servers_certificate_is_checked(rig, lab):
    address = rig.host.address
    name = "forge.pem"
    certificate, key = lab.world.ca, None
    folder = rig.host.dir
    key = os.path.join(folder, "forge.key")
    lab.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=forge", "-addext", f"subjectAltName=IP:{address}", "-keyout", key, "-out", os.path.join(folder, name))
    certificate = os.path.join(folder, name)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    forge = Forge(rig.host.space, address=address, port=443, tls=tls)
    forge.tokens = {TOKEN: {}}
    try:
        rig.write("https", ("app", "org/app.git", None), host=address)
        status, _, err = rig.run(file="https.yaml")
        assert status == STOPPER_FAILED and forge.asked() == [], err
        assert err.startswith(f"hostctl up: git-gate.repos.app: deploy key: GET https://{address}/api/v1/repos/org/app/keys"
                              "?page=1&limit=25: curl: (60) "), err
        assert rig.run(file="https.yaml", CURL_CA_BUNDLE=certificate) == (0, "", "")
        assert [method for method, _ in forge.requests] == ["GET", "POST", "DELETE"] and forge.keys == []
    finally:
        forge.close()
        forge.reset()


# ---- what is missing, or refused --------------------------------------------------------------------------------------


def test_a_missing_variable_is_named_and_nothing_is_started(rig):
    where = f"{rig.host.dir}/app.yaml:9: git-gate.repos.app.key.forge_token_env: "
    status, out, err = rig.run(token=None)
    assert (status, out) == (USAGE, ""), err
    assert err.removesuffix("\n") in (where + f"the environment variable {VARIABLE} is not set",
                                      where + f"the environment variable {VARIABLE} is not set; sudo passes it on with "
                                              f"--preserve-env={VARIABLE}"), err
    status, _, err = rig.run(token="two\nlines of it")
    assert status == USAGE and err.startswith(where + f"the value of the environment variable {VARIABLE} ") and "lines" not in err
    assert rig.forge.asked() == [] and rig.states() == {}


def test_without_curl_its_package_is_named_and_nothing_is_started(rig):
    status, out, err = rig.run(path=os.path.join(rig.host.dir, "nothing"))
    assert (status, out) == (USAGE, "")
    assert err == (f"{rig.host.dir}/app.yaml:8: git-gate.repos.app.key: the program curl is missing, which speaks to the forge: "
                   "install the package curl\n")
    assert rig.forge.asked() == [] and rig.states() == {}


ADMIN = ("the token needs the scope Repository: Read and Write, and its user has to be an administrator of the repository")
NO_REPO = "status 404: The target couldn't be found.; there is no such repository, or the token may not see it"


@pytest.mark.parametrize("entry, words", [
    (None, "status 401: user does not exist [uid: 0, name: ]; the server does not take this token"),
    ({"scopes": {"read:repository"}},
     f"status 403: token does not have at least one of required scope(s): [write:repository]; {ADMIN}"),
    ({"administers": set()}, f"status 403: user should be an owner or a collaborator with admin write of a repository; {ADMIN}"),
    ({"sees": set()}, NO_REPO)], ids=["unknown", "scope", "no-admin", "unseen"])
def test_a_token_that_may_not_is_told_with_status_and_message(rig, entry, words):
    rig.forge.tokens = {TOKEN: entry} if entry is not None else {}
    try:
        assert rig.run() == (STOPPER_FAILED, "", "hostctl up: git-gate.repos.app: deploy key: GET "
                                                 f"{rig.forge.url}/api/v1/repos/org/app/keys?page=1&limit=25: {words}\n")
    finally:
        rig.forge.tokens = {TOKEN: {}}
    assert len(rig.forge.asked()) == 1 and rig.states() == {}


NOT_JSON = "and what came with it is not JSON: is that a Gitea's API?"


@pytest.mark.parametrize("status, body, words, found", [
    (422, b'{"message": "Key content has been used as non-deploy key"}',
     "status 422: Key content has been used as non-deploy key", False),
    (423, b"", "status 423", False),
    (500, b'{"message": ""}', "status 500", True),
    (201, b"<html>", f"status 201, {NOT_JSON}", True),
    (201, b" " * (3 << 20), "the answer is larger than 1048576 bytes", True)],
    ids=["in-use", "archived", "failed", "no-json", "huge"])
def test_an_answer_that_is_no_success_ends_up_and_what_may_be_there_is_looked_for(rig, status, body, words, found):
    """Each comes although the key was added: only where the answer leaves that open is it looked for, and deleted."""
    rig.forge.fault("POST", status, body, after=True)
    assert rig.run() == (STOPPER_FAILED, "", "hostctl up: git-gate.repos.app: deploy key: POST "
                                             f"{rig.forge.url}/api/v1/repos/org/app/keys: {words}\n")
    assert len(rig.forge.asked("POST")) == 1 and (rig.forge.keys == []) == found and rig.states() == {}


def test_a_redirect_is_not_followed(rig):
    rig.forge.fault("GET", 301, headers=[("Location", f"{rig.forge.url}/api/v1/repos/org/new/keys")])
    assert rig.run() == (STOPPER_FAILED, "", "hostctl up: git-gate.repos.app: deploy key: GET "
                         f"{rig.forge.url}/api/v1/repos/org/app/keys?page=1&limit=25: status 301: a redirect to "
                         f"{rig.forge.url}/api/v1/repos/org/new/keys, which is not followed: say in the manifest where it leads\n")
    assert len(rig.forge.asked()) == 1 and rig.states() == {}


def test_a_key_of_a_title_that_is_taken_is_told(rig):
    """What has our title and was hidden when we looked is left alone: a server that hides is not one to guess about."""
    rig.forge.add("org/app", rig.title())
    rig.forge.fault("GET", 200, b"[]")
    assert rig.run() == (STOPPER_FAILED, "", "hostctl up: git-gate.repos.app: deploy key: POST "
                         f"{rig.forge.url}/api/v1/repos/org/app/keys: status 422: A key with the same name already exists\n")
    assert len(rig.forge.titles()) == 1


def test_an_up_that_fails_afterwards_deletes_what_it_registered(rig):
    rig.write("half", ("app", "org/app.git", rig.forge.url), ("gone", "org/gone.git", rig.forge.url))
    assert rig.run(file="half.yaml") == (STOPPER_FAILED, "", "hostctl up: git-gate.repos.gone: deploy key: GET "
                                         f"{rig.forge.url}/api/v1/repos/org/gone/keys?page=1&limit=25: {NO_REPO}\n")
    assert len(rig.forge.asked("POST")) == 1 and len(rig.forge.asked("DELETE")) == 1 and rig.forge.keys == []


def test_an_interrupted_up_takes_back_what_it_was_about_to_register(rig):
    with rig.forge.hold("POST", "after") as held:
        bottle = rig.up()
        held.wait()
        for pid in rig.host.processes()["hostctl"]:
            rig.host.kill(pid, signal.SIGTERM)
        held.go()
        status, err = bottle.end()
    assert status == STOPPER_FAILED and err.endswith("interrupted\n"), err
    assert rig.forge.keys == [] and rig.states() == {}


# ---- whatever is killed, whenever -------------------------------------------------------------------------------------


@contextlib.contextmanager
def killed(rig, method, when):
    """hostctl up is killed while a request of this method is held."""
    with rig.forge.hold(method, when) as held:
        bottle = rig.up()
        if method == "DELETE":
            bottle.runs().process.stdin.close()
        held.wait()
        bottle.kill()
        yield


STEPS = [("GET", "after"), ("POST", "before"), ("POST", "after"), ("DELETE", "before"), ("DELETE", "after")]


@pytest.mark.parametrize("method, when, cleaner", [
    *((*step, "gc") for step in STEPS), ("POST", "before", "down"), ("DELETE", "before", "down"), ("POST", "after", "up"), ("DELETE", "after", "up")])
def test_a_killed_up_leaves_no_key(rig, method, when, cleaner):
    """Whoever cleans up waits for the request that is under way, and knows what to look for."""
    with killed(rig, method, when):
        pass
    if cleaner == "up":
        assert rig.run() == (0, "", "")
    else:
        assert rig.hostctl(cleaner, *(["box"] if cleaner == "down" else [])) == (0, "box\n" if cleaner == "gc" else "", "")
    assert rig.forge.keys == [] and rig.states() == {}


def test_a_killed_bottle_that_ran_leaves_no_key(rig):
    bottle = rig.up().runs()
    bottle.kill()
    assert len(rig.forge.keys) == 1 and rig.states() == {"box": "dead"}
    assert rig.hostctl("gc") == (0, "box\n", "")
    assert rig.forge.keys == [] and rig.states() == {}


def test_gc_waits_for_the_request_that_a_killed_hostctl_left(rig):
    """The key is added long after hostctl's end, and found."""
    with rig.forge.hold("POST", "before") as held:
        bottle = rig.up()
        held.wait()
        bottle.kill()
        gc = tied(rig.host.command("gc"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                  env=rig.environment(), cwd=rig.host.dir)
        with pytest.raises(subprocess.TimeoutExpired):
            gc.wait(0.5)
        assert len(rig.forge.asked()) == 2
        held.go()
        assert gc.communicate(timeout=WAIT) == (b"box\n", b"") and gc.returncode == 0
    assert len(rig.forge.asked("DELETE")) == 1 and rig.forge.keys == []


@pytest.mark.parametrize("missing", [204, 404])
def test_a_key_that_is_gone_already_is_no_error(rig, missing):
    bottle = rig.up().runs()
    rig.forge.missing = missing
    rig.forge.keys = []
    assert bottle.end() == (0, "")


# ---- what cannot be deleted -------------------------------------------------------------------------------------------


def test_without_the_variable_down_names_it_and_the_key_and_does_the_rest(rig):
    bottle = rig.up().runs()
    (key,) = rig.forge.keys
    bottle.kill()
    assert rig.hostctl("down", "box", token=None) == (STOPPER_FAILED, "", stays(rig, key["id"], UNSET))
    assert len(rig.forge.keys) == 1 and rig.states() == {"box": "keys"} and len(rig.forge.asked()) == 2
    wait_for(lambda: rig.host.processes() == rig.host.before["processes"], "the end of all processes")
    assert rig.hostctl("gc", token=None) == (STOPPER_FAILED, "", stays(rig, key["id"], UNSET, "gc"))
    assert rig.record()["app"]["id"] == key["id"]
    assert rig.hostctl("gc") == (0, "box\n", "")
    assert rig.forge.keys == [] and rig.states() == {}


def test_down_without_network_does_the_rest_and_gc_deletes_later(rig):
    bottle = rig.up().runs()
    (key,) = rig.forge.keys
    rig.forge.close()
    try:
        why = re.escape(f"DELETE {rig.forge.url}/api/v1/repos/org/app/keys/{key['id']}: curl: (7) ") + "[^\n]*"
        told = [re.sub(re.escape("WHY"), lambda _: why, re.escape(stays(rig, key["id"], "WHY", who))) for who in ("up", "down")]
        down = rig.hostctl("down", "box")
        assert down[:2] == (STOPPER_FAILED, "") and re.fullmatch(told[1], down[2]), down
        status, err = bottle.end()
        assert status == STOPPER_FAILED and re.fullmatch(told[0], err), err
        wait_for(lambda: rig.host.processes() == rig.host.before["processes"], "the end of all processes")
        assert rig.states() == {"box": "keys"}
        again = rig.run()
        assert again[0] == STOPPER_FAILED and re.fullmatch(told[0], again[2]), again
    finally:
        rig.forge.open()
    assert rig.hostctl("gc") == (0, "box\n", "")
    assert rig.forge.keys == [] and rig.states() == {}


def test_a_server_that_does_not_answer_is_asked_once(rig):
    rig.write("both", ("app", "org/app.git", rig.forge.url), ("lib", "org/lib.git", rig.forge.url))
    bottle = rig.up("box", "both.yaml").runs()
    rig.forge.fault("DELETE", silent=True)
    status, err = bottle.end()
    assert status == STOPPER_FAILED and len(rig.forge.asked("DELETE")) == 1
    lines = err.splitlines()
    assert len(lines) == 3 and "curl: (52) " in lines[0] and lines[1].endswith(": not tried, since the server did not answer"), err
    assert lines[2] == 'hostctl up: box: 2 deploy keys could not be deleted; "hostctl gc" tries again'
    assert rig.hostctl("gc") == (0, "box\n", "") and rig.forge.keys == []


@pytest.mark.parametrize("entry, words", [
    (None, "status 401: user does not exist [uid: 0, name: ]; the server does not take this token"),
    ({"administers": set()}, f"status 403: user should be an owner or a collaborator with admin write of a repository; {ADMIN}"),
    ({"sees": set()}, NO_REPO)], ids=["unknown", "no-admin", "unseen"])
def test_a_key_that_the_token_may_not_delete_is_kept_in_mind(rig, entry, words):
    """A 404 alone does not say that the key is gone: nor does that of the list."""
    bottle = rig.up().runs()
    (key,) = rig.forge.keys
    rig.forge.tokens = {TOKEN: entry} if entry is not None else {}
    try:
        what = f"GET {rig.forge.url}/api/v1/repos/org/app/keys?page=1&limit=25" if entry == {"sees": set()} else (
            f"DELETE {rig.forge.url}/api/v1/repos/org/app/keys/{key['id']}")
        assert bottle.end() == (STOPPER_FAILED, stays(rig, key["id"], f"{what}: {words}", "up"))
    finally:
        rig.forge.tokens = {TOKEN: {}}
    assert rig.forge.keys == [key] and rig.hostctl("gc") == (0, "box\n", "") and rig.forge.keys == []


def test_keys_can_be_forgotten(rig):
    bottle = rig.up().runs()
    (key,) = rig.forge.keys
    bottle.kill()
    status, out, err = rig.hostctl("gc", "--forget-keys", token=None)
    assert (status, out) == (0, "box\n")
    assert err == (f'hostctl gc: box: deploy key {key["id"]}, "{rig.title()}", of org/app at {rig.forge.url}, was not deleted and is '
                   f"forgotten: {UNSET}\n")
    assert rig.forge.keys == [key] and rig.states() == {}


# ---- what nobody remembers --------------------------------------------------------------------------------------------


def test_the_next_up_deletes_what_bottles_without_a_record_left_and_nothing_else(rig):
    """By title and label, on every page of the list."""
    other = [rig.forge.add("org/app", f"of somebody {number}") for number in range(60)]
    foreign = rig.forge.add("org/app", "stopper app of bottle box (0123456789abcdef)")
    here = rig.up("other").runs()
    lost = rig.up("lost").runs()
    lost.kill()
    shutil.rmtree(os.path.join(rig.bottles, "lost"))
    assert {rig.title(bottle="other"), rig.title(bottle="lost")} <= set(rig.forge.titles())
    bottle = rig.up("box").runs()
    titles = rig.forge.titles()
    assert rig.title(bottle="lost") not in titles and {rig.title(bottle="other"), rig.title(bottle="box")} <= set(titles)
    assert bottle.end() == (0, "") and here.end() == (0, "")
    assert sorted(key["id"] for key in rig.forge.keys) == sorted([*other, foreign])
    assert len(rig.forge.asked("DELETE")) == 3


# ---- changes while it runs --------------------------------------------------------------------------------------------


def test_apply_keeps_the_keys_and_makes_no_new_one(rig):
    bottle = rig.up().runs()
    asked = rig.forge.asked()
    done = rig.hostctl("apply", "box", token=None)
    assert done == (0, "generation 2\n", ""), done
    path = rig.write("more", ("app", "org/app.git", rig.forge.url), ("lib", "org/lib.git", rig.forge.url))
    assert rig.hostctl("apply", "box", "-f", path, token=None) == (
        USAGE, "", f"{path}:15: git-gate.repos.lib.key: the forge gets a deploy key when a bottle is started: end it, and start it "
                   "again\n")
    assert rig.forge.asked() == asked
    assert bottle.end() == (0, "")
