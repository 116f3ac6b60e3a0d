# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-push with a real sshd: what git says and hears through it is what it would say and hear directly, each failure has its
sentence, and the keys are in its folder and nowhere else."""
import os
import signal
import socket
import subprocess


import pytest

from lab import BUILD
from leg_client import BAD, BUSY, ENDED, NO_KEY, NOT_RESOLVED, RECEIVE_PACK, REQUEST, UNKNOWN, UPLOAD_PACK
from leg_rig import ADDRESS, HOST, PUBLIC, PUSH, Rig, alive, keygen
from spaces import wait_for
from test_credentials import forms, holds
from test_secrets import memory

SPARE = "10.9.0.6"  # of the rig's network, and nobody's


@pytest.fixture(scope="module")
def shared():
    made = Rig()
    try:
        made.head = made.repository("app.git")[1]
        made.sshd()
        yield made
    finally:
        made.close()


@pytest.fixture
def rig(shared):
    """The module's, with one repository as it was in the beginning."""
    shared.authorize(shared.public)
    shared.names.addresses[HOST] = [ADDRESS]
    shared.apply([])
    shared.apply([("app", shared.url("app.git"))])
    return shared


@pytest.fixture
def own():
    """One of its own, for tests that end it."""
    made = Rig()
    try:
        made.head = made.repository("app.git")[1]
        made.sshd()
        made.apply([("app", made.url("app.git"))])
        yield made
    finally:
        made.close()


def logins(rig):
    return rig.log().count("Accepted publickey")


def calls(rig):
    """The ssh processes of calls, beside those that hold a connection."""
    return [pid for pid, words in rig.children().items() if "-N" not in words]


def hold(rig, repo="app", service=UPLOAD_PACK):
    """A call whose ssh waits for what git would say next."""
    call = rig.call(repo, service)
    call.until(b"refs/heads/main")
    return call


# ---- what it is for

def test_a_fetch_and_a_push_are_one_login(rig, tmp_path):
    url, before, work = rig.url("app.git"), logins(rig), str(tmp_path / "work")
    os.chmod(tmp_path, 0o777)
    for parent in tmp_path.parents:  # the caller is another user
        if str(parent).startswith("/tmp/"):
            os.chmod(parent, 0o755)
    done = rig.git("app", "ls-remote", "--symref", url)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"ref: refs/heads/main\tHEAD\n{rig.head}\tHEAD\n" in done.stdout
    assert rig.git("app", "clone", "-q", url, work).returncode == 0
    named = ["-C", work, "-c", "user.name=a", "-c", "user.email=a@lab.test"]
    assert rig.git("app", *named, "commit", "-q", "--allow-empty", "-m", "more").returncode == 0
    done = rig.git("app", *named, "push", "--porcelain", url, "HEAD:refs/heads/agent/one")
    assert done.returncode == 0 and "*\tHEAD:refs/heads/agent/one\t[new branch]" in done.stdout
    refs = rig.git("app", "ls-remote", url).stdout
    assert "refs/heads/agent/one" in refs
    assert rig.git("app", *named, "push", "-q", url, ":refs/heads/agent/one").returncode == 0
    assert logins(rig) == before + 1
    line = rig.line(rule="app", detail="git-receive-pack ended with status 0")
    assert {**line, "duration_ms": 0} == {
        "time": line["time"], "id": line["id"], "kind": "tcp", "verdict": "allow", "rule": "app", "detail": line["detail"], "host": HOST,
        "protocol": "ssh", "port": 22, "upstream": f"{ADDRESS}:22", "duration_ms": 0, "generation": rig.generation}


def test_gits_protocol_version_reaches_the_upstream(rig):
    for protocol, first in (2, b"000eversion 2\n"), (1, b"000eversion 1\n"), (0, rig.head.encode()):
        call = rig.call("app", protocol=protocol)
        got = call.until(rig.head.encode() if protocol < 2 else b"\n")
        assert got[4 * (protocol == 0):].startswith(first)
        call.close()


def test_words_and_status_of_the_upstream_are_handed_on(rig):
    rig.apply([("app", rig.url("app.git")), ("none", rig.url("none.git"))])
    call = rig.call("none")
    outcome, status, text = call.reply()
    assert (outcome, status, text) == (ENDED, 128, "")
    assert call.read(1) == b""
    assert call.said() == f"fatal: '{rig.path('srv', 'none.git')}' does not appear to be a git repository\n"
    call.close()
    rig.line(rule="none", verdict="allow", detail="git-upload-pack ended with status 128")


def test_an_unused_connection_serves_the_next_and_a_lost_one_is_made_anew(rig):
    assert rig.git("app", "ls-remote", rig.url("app.git")).returncode == 0
    before = logins(rig)
    master, = [pid for pid, words in rig.children().items() if "-N" in words]
    assert rig.git("app", "ls-remote", rig.url("app.git")).returncode == 0
    assert logins(rig) == before
    os.kill(master, signal.SIGKILL)
    wait_for(lambda: not alive(master), "its end")
    assert rig.git("app", "ls-remote", rig.url("app.git")).returncode == 0
    assert logins(rig) == before + 1


def test_more_calls_than_the_upstream_takes_on_one_connection(rig):
    """MaxSessions of sshd is 10 as it comes: what it refuses there ssh asks for by a connection of its own."""
    held = [hold(rig) for _ in range(12)]
    for call in held:
        call.git.sendall(b"0000")
        assert call.reply() == (ENDED, 0, "")
        call.close()


# ---- what does not work

@pytest.mark.parametrize("what, outcome, reason, text", [
    ("host-key", ENDED, "gate-host-key", "answers with another host key than the pinned one (SHA256:"),
    ("host-key-type", ENDED, "gate-host-key", "answers with another host key than the pinned one"),
    ("key", ENDED, "gate-key", "does not take this repository's key for the user git"),
    ("port", ENDED, "upstream-unreachable", "refuses connections"),
    ("silent", ENDED, "upstream-timeout", "did not answer within 4 s"),
    ("not-ssh", ENDED, "upstream-malformed", "does not speak SSH"),
    ("name", NOT_RESOLVED, "name-unresolved", "has a name that could not be resolved"),
])
def test_each_failure_has_its_sentence(rig, what, outcome, reason, text):
    port, server = {"port": 2299, "silent": 2298, "not-ssh": 2297}.get(what, 22), None
    url, keys, pinned = rig.url("app.git", port=port), "same", rig.host_key
    if what == "host-key":
        pinned = keygen(rig.path("other_host_key"))[1]
    if what == "host-key-type":
        pinned = "ssh-rsa " + keygen(rig.path("rsa_host_key"), "-t", "rsa", "-b", "2048")[1].split()[1]
    if what == "key":
        keys = {"app": keygen(rig.path("other_key"))[0]}
    if what == "name":
        url = rig.url("app.git", host="nobody.lab.test")
    if what == "silent":  # of several addresses, which are given less time, the first is nobody's
        rig.names.addresses[HOST] = [SPARE, ADDRESS]
    if what in ("silent", "not-ssh"):
        server = rig.space.socket(socket.SOCK_STREAM, (ADDRESS, port), 8)
    rig.apply([("app", url, pinned)], keys)
    call = rig.call("app")
    if what == "not-ssh":
        peer = server.accept()[0]
        peer.sendall(b"\0\1\2\n")
    got, status, words = call.reply()
    if what == "not-ssh":
        peer.close()
    where = f"{'nobody.lab.test' if what == 'name' else HOST}:{port} "
    assert got == outcome and words.startswith(where + text), words
    assert status == (255 if outcome == ENDED else 0)
    assert call.read(1) == b"" and call.said() == ""
    call.close()
    line = rig.line(reason=reason, detail=words, verdict="block", port=port)
    assert (line["rule"], line["host"]) == ("app", where.split(":", maxsplit=1)[0])
    for file in os.listdir(rig.dir):
        if file.startswith(("other_", "rsa_")):
            os.unlink(rig.path(file))
    if server is not None:
        server.close()
    rig.names.addresses[HOST] = [ADDRESS]
    rig.apply([("app", rig.url("app.git"))])  # and the next one works
    assert rig.git("app", "ls-remote", rig.url("app.git")).returncode == 0


@pytest.mark.parametrize("addresses, host", [
    (["127.0.0.1"], HOST), (["169.254.169.254"], HOST), (["10.7.7.1"], HOST), (["10.7.7.2"], HOST), (["192.0.2.7"], HOST), (["198.18.0.1"], HOST),
    (["224.0.0.1", "0.0.0.0"], HOST), (None, "10.7.7.1"), (None, "192.0.2.7")])
def test_addresses_that_nothing_leads_to(rig, addresses, host):
    """Loopback, metadata services, the sidecar's own and the agent's network, by name or as they are."""
    if addresses:
        rig.names.addresses[HOST] = addresses
    name = f"to-{(addresses or [host])[0]}"  # equal denials within a second are one line
    rig.apply([(name, rig.url("other.git", host=host))])
    call = rig.call(name)
    assert call.reply() == (NOT_RESOLVED, 0, f"{host}:22 is at an address that must not be dialled")
    call.close()
    rig.line(reason="address-refused", verdict="block", rule=name, host=host, generation=rig.generation)
    assert not rig.children()


def test_private_and_public_addresses_are_dialled_by_name_and_as_they_are(rig):
    server = rig.space.socket(socket.SOCK_STREAM, (PUBLIC, 2290), 8)
    rig.names.addresses["public.lab.test"] = [PUBLIC]
    for host in "public.lab.test", PUBLIC:
        rig.apply([("app", rig.url("app.git", host=host, port=2290))])
        call = rig.call("app")
        peer, _ = server.accept()
        assert peer.recv(20).startswith(b"SSH-2.0-OpenSSH")
        peer.close()
        assert call.reply()[0] == ENDED
        call.close()
    server.close()
    asked = len(rig.names.asked)
    rig.apply([("app", rig.url("app.git", host=ADDRESS))])
    assert rig.git("app", "ls-remote", rig.url("app.git")).returncode == 0
    assert len(rig.names.asked) == asked


def test_the_next_address_is_tried(rig):
    rig.names.addresses[HOST] = ["127.0.0.1", SPARE, ADDRESS]
    rig.apply([("app", rig.url("app.git", port=22) + "/")])
    rig.apply([("app", rig.url("app.git"))])
    assert rig.git("app", "ls-remote", rig.url("app.git")).returncode == 0
    rig.line(generation=rig.generation, upstream=f"{ADDRESS}:22", verdict="allow")


# ---- requests

def packed(version=1, service=UPLOAD_PACK, protocol=0, repo=b"app"):
    return REQUEST.pack(version, service, protocol, repo)


@pytest.mark.parametrize("raw, count", [
    (packed(version=2), 3), (packed(service=0), 3), (packed(service=3), 3), (packed(protocol=3), 3), (packed(repo=b""), 3),
    (packed(repo=b"../app"), 3), (packed(repo=b"-oProxyCommand=x"), 3), (packed(repo=b"a b"), 3), (packed(repo=b"a" * 65), 3),
    (packed(repo=b"app\0x"), 3), (packed()[:-1], 3), (packed() + b"\0", 3), (packed()[:-1] + b"x", 3), (packed(), 2), (packed(), 4), (b"x", 1)])
def test_what_is_no_request_is_refused(rig, raw, count):
    call = rig.call("app", raw=raw, count=count)
    assert call.reply() == (BAD, 0, "not a request of this version")
    assert call.reply() is None and call.said() == ""
    call.close()


def test_only_the_gate_is_heard(rig):
    for user in 0, 61001, PUSH:
        call = rig.call("app", user=user)
        assert call.reply() is None
        call.close()
    hold(rig).close()


def test_unknown_repositories_and_those_without_a_key(rig):
    rig.apply([("app", rig.url("app.git")), ("bare", rig.url("app.git"))], {"app": rig.key})
    for repo, reply, reason in (("other", (UNKNOWN, 0, "the policy has no repository of this name"), "host-not-allowed"),
                                ("bare", (NO_KEY, 0, "the sidecar has no key for this repository"), "gate-key")):
        call = rig.call(repo)
        assert call.reply() == reply
        call.close()
        rig.line(rule=repo, reason=reason, verdict="block")
    assert not rig.children()


def test_seventeen_at_once_are_one_too_many(rig):
    held = [hold(rig) for _ in range(16)]
    call = rig.call("app")
    assert call.reply() == (BUSY, 0, "too many connections to repositories are open")
    call.close()
    held.pop().close()
    wait_for(lambda: len(calls(rig)) == 15, "the end of one")
    held.append(hold(rig))
    for each in held:
        each.close()
    wait_for(lambda: not calls(rig), "their end")


# ---- ends

def test_a_caller_that_closes_takes_its_ssh_along(rig):
    call = hold(rig, service=RECEIVE_PACK)
    pid, = calls(rig)
    call.leg.close()
    wait_for(lambda: not alive(pid), "its end")
    assert call.read(1 << 20)[-1:] is not None  # to the end
    call.git.close()
    os.close(call.words)
    rig.line(detail="the caller has gone", rule="app")
    assert rig.git("app", "ls-remote", rig.url("app.git")).returncode == 0


@pytest.mark.parametrize("change", ["repository", "key", "host_key", "url"])
def test_what_the_policy_has_no_more_ends(rig, change):
    rig.apply([("app", rig.url("app.git")), ("kept", rig.url("app.git"))])
    call, kept, before = hold(rig), hold(rig, "kept"), rig.folder()
    repos = [("app", rig.url("app.git")), ("kept", rig.url("app.git"))]
    keys = {"app": rig.key, "kept": rig.key}
    if change == "repository":
        del repos[0], keys["app"]
    if change == "key":
        keys["app"] = keygen(rig.path("next_key"))[0]
    if change == "host_key":
        repos[0] += (keygen(rig.path("next_host_key"))[1],)
    if change == "url":
        repos[0] = ("app", rig.url("app.git") + "/")
    pids = set(rig.children())
    rig.apply(repos, keys)
    assert call.reply() == (ENDED, 255, "the policy has this repository no more")
    wait_for(lambda: len([pid for pid in pids if alive(pid)]) == 2, "the end of one's connection and call")
    kept.git.sendall(b"0000")
    assert kept.reply() == (ENDED, 0, "")
    assert len(set(before) & set(rig.folder())) == 3  # of the other one: key, host key, control
    for each in call, kept:
        each.close()
    for file in "next_key", "next_host_key":
        for end in "", ".pub":
            if os.path.exists(rig.path(file + end)):
                os.unlink(rig.path(file + end))
    rig.apply([])
    wait_for(lambda: not rig.children(), "their end")
    assert rig.folder() == []


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_its_end_is_the_end_of_every_ssh(own, number, status):
    call = hold(own)
    pids = list(own.children())
    assert len(pids) == 2
    assert own.stop(number) == status
    wait_for(lambda: not [pid for pid in pids if alive(pid)], "their end")
    assert call.reply() is None or number == signal.SIGTERM
    assert call.git.recv(1 << 20) is not None
    call.close()
    own.generation = 0
    own.start()
    own.apply([("app", own.url("app.git"))])
    assert own.git("app", "ls-remote", own.url("app.git")).returncode == 0


@pytest.mark.parametrize("end", ["caller", "leg"])
def test_a_push_that_ends_in_the_middle_has_not_happened(own, end):
    """Commands are whole and the pack is not when the caller closes, or the leg is killed."""
    call = hold(own, service=RECEIVE_PACK)
    command = f"{'0' * 40} {own.head} refs/heads/half\0report-status".encode()
    call.git.sendall(b"%04x" % (len(command) + 4) + command + b"0000" + b"PACK\0\0\0\2\0\0\0\5")
    pid, = calls(own)
    if end == "leg":
        own.stop(signal.SIGKILL)
    call.close()
    wait_for(lambda: not alive(pid), "its end")
    if end == "leg":
        own.generation = 0
        own.start()
        own.apply([("app", own.url("app.git"))])
    session = max(own.log().splitlines().index(line) for line in own.log().splitlines() if "Starting session" in line)
    wait_for(lambda: "Close session" in "".join(own.log().splitlines()[session:]) or "onnection closed" in "".join(own.log().splitlines()[session:]),
             "the end of the upstream's")
    done = own.git("app", "ls-remote", own.url("app.git"))
    assert (done.returncode, done.stdout) == (0, f"{own.head}\tHEAD\n{own.head}\trefs/heads/main\n")


def test_an_upstream_that_goes_away_in_the_middle(own):
    call = hold(own, service=RECEIVE_PACK)
    for line in own.log().splitlines():
        if "User child is on pid" in line:
            session = int(line.split()[-1])
    os.kill(session, signal.SIGKILL)  # sshd runs in this pid namespace
    outcome, status, text = call.reply()
    assert (outcome, status) == (ENDED, 255) and text.startswith(f"{HOST}:22"), text
    call.close()
    own.line(verdict="block", reason="upstream-unreachable", rule="app")
    assert own.git("app", "ls-remote", own.url("app.git")).returncode == 0


# ---- keys

def body(key):
    """A whole line of the private half: what a key begins with is the same in all."""
    return key.splitlines()[-3]


def test_the_key_is_in_its_folder_and_nowhere_else(own):
    call = hold(own)
    assert own.folder() == ["1.control", "1.hosts", "1.key"]
    root = f"/proc/{own.process.pid}/root/run/stopper-push"
    for name in own.folder():
        found = os.stat(f"{root}/{name}")
        assert (found.st_mode & 0o7777, found.st_uid) == (0o600, PUSH), name
    with open(f"{root}/1.key", encoding="ascii") as file:
        assert file.read() == own.key
    seen, pids = "", [own.process.pid, *own.children()]
    assert len(pids) == 3
    for pid in pids:
        for name in "cmdline", "environ", "comm", "status", "limits":
            with open(f"/proc/{pid}/{name}", encoding="latin-1") as file:
                seen += file.read()
        with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
            assert [line.split()[4:6] for line in limits if line.startswith("Max core file size")] == [["0", "0"]]
    assert os.stat(f"/proc/{own.process.pid}/mem").st_uid == 0  # not dumpable: root's, not its user's
    for folder, _, names in os.walk(own.dir):
        for name in names:
            if not name.startswith("key") and os.path.isfile(os.path.join(folder, name)):
                with open(os.path.join(folder, name), encoding="latin-1") as file:
                    seen += file.read()
    call.git.sendall(b"0000")
    assert call.reply() == (ENDED, 0, "")
    call.close()
    seen += str(own.lines)
    assert seen and not holds(seen, body(own.key)) and "/run/stopper-push/1.key" in seen
    if os.path.basename(BUILD) != "asan":  # the sanitizer keeps what was freed, and nothing overwrites it
        dumped, left_out = memory("/proc", own.process.pid)
        assert body(own.key) in left_out and not any(form in dumped for form in forms(body(own.key)))


def test_nobody_else_can_read_it_or_enter(own):
    """git's user, and every other; with a control that can."""
    pid = str(own.process.pid)

    def tries(user):
        script = "ls /run/stopper-push; cat /run/stopper-push/1.key; " \
                 "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/run/stopper-push/1.control\")'; true"
        call = hold(own)
        done = subprocess.run(["nsenter", "-t", pid, "-m", "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "sh", "-c", script],
                              capture_output=True, text=True, check=True)
        call.close()
        return done.stdout, done.stderr

    out, words = tries(PUSH)
    assert "1.control\n1.hosts\n1.key\n" in out and own.key in out and words == ""
    for user in 61005, 61001, 65534:
        out, words = tries(user)
        assert out == "" and words.count("Permission denied") == 3


def test_without_a_folder_in_memory_no_key_is_taken():
    rig = Rig(more="mkdir -p {dir}/disk && umount /run && mkdir -p /run/stopper-push; chgrp 61006 /run/stopper-push;"
                   "mount --bind {dir}/disk /run/stopper-push && chgrp 61006 /run/stopper-push && chmod 0770 /run/stopper-push || exit 1")
    try:
        kind, text = rig.offer([("app", rig.url("app.git"))])
        assert (kind, text) == (4, "keys are kept in memory only, and /run is on a disk: mount a tmpfs there")
        assert rig.folder() == []
    finally:
        rig.close()


def test_a_folder_that_others_can_enter_takes_no_key():
    rig = Rig(mode="0777")
    try:
        assert rig.offer([("app", rig.url("app.git"))]) == (4, "the folder for keys is open to others")
    finally:
        rig.close()


def test_keys_of_an_earlier_life_are_wiped(own):
    own.stop(signal.SIGKILL)
    own.generation = 0
    own.start()
    assert own.folder() == []


def test_keys_that_are_none_change_nothing(rig):
    assert rig.offer([("app", rig.url("app.git"))], {"app": "c2VjcmV0"}) == (
        4, "keys: app: the key does not begin as a private key does (-----BEGIN OPENSSH PRIVATE KEY-----)")
    assert rig.git("app", "ls-remote", rig.url("app.git")).returncode == 0
