# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-gate as the agent's git sees it: whatever goes through is as it is directly, and what does not is said in git's own voice.
The upstream is the real git on bare repositories, behind a stand-in for the ssh leg (gate_rig.py)."""
import contextlib
import hashlib
import os
import re
import signal
import socket
import stat
import struct
import threading
import zlib

import pytest

from gate_rig import APPROVED, CANARY, NOT_RESOLVED, REFUSED, STALE, Rig
from spaces import WAIT, alive, wait_for

ZERO = "0" * 40


@pytest.fixture(scope="module")
def long_lived():
    made = Rig()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def rig(long_lived):
    """One gate for all that leave it as it was; each test has an upstream of its own, "app", with one commit on main."""
    long_lived.leg.before = None
    for name in list(long_lived.repos):
        del long_lived.repos[name]
    long_lived.number = getattr(long_lived, "number", 0) + 1
    fresh(long_lived, f"app{long_lived.number}")
    return long_lived


@pytest.fixture
def own():
    """A gate that may be killed."""
    made = Rig()
    try:
        fresh(made, "app1")
        yield made
    finally:
        made.close()


def fresh(rig, name):
    rig.name = name
    rig.up, rig.first = rig.begun(name)
    rig.apply()
    rig.gate.forget()
    rig.leg.requests.clear()


def clone(rig, name="one", *options):
    at = rig.path("work", f"{rig.name}-{name}")
    rig.git("clone", "--quiet", *options, rig.url(rig.name), at)
    return at


def others(rig):
    """A clone of the upstream, by somebody who does not come through the gate."""
    at = rig.path("work", f"{rig.name}-others")
    rig.git("clone", "--quiet", rig.up, at)
    return at


def hook(rig, name, text):
    path = os.path.join(rig.up, "hooks", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def remote_words(output):
    return [line for line in output.splitlines() if line.startswith("remote:")]


def results(output):
    """Of a push --porcelain: (flag, ref, summary)."""
    return sorted((line.split("\t")[0], line.split("\t")[1].split(":")[1], line.split("\t")[2]) for line in output.splitlines()
                  if line.count("\t") == 2)


def same_mirror(rig):
    return rig.refs(rig.mirror(rig.name)) == rig.refs(rig.up)


# ---- what passes

def test_clone_fetch_pull_and_push_are_as_with_the_upstream(rig):
    one, two = clone(rig), clone(rig, "two")
    assert rig.git("rev-parse", "HEAD", at=one).strip() == rig.first
    assert rig.git("symbolic-ref", "HEAD", at=one).strip() == "refs/heads/main"
    second = rig.commit(one, text="second\n")
    output = rig.git("push", "--porcelain", "origin", "main", at=one)
    assert results(output) == [(" ", "refs/heads/main", f"{rig.first[:7]}..{second[:7]}")] and remote_words(output) == []
    assert rig.refs(rig.up) == {"refs/heads/main": second} and same_mirror(rig)
    rig.git("pull", "--quiet", at=two)
    assert rig.git("rev-parse", "HEAD", at=two).strip() == second
    for at in one, two:
        rig.git("fsck", "--strict", at=at)
    fetched = rig.gate.line(method="fetch", repository=rig.name)
    assert fetched["kind"] == "git" and fetched["verdict"] == "allow" and fetched["host"] == "up.test" and fetched["bytes_in"] > 200
    pushed = rig.gate.line(method="push", ref="refs/heads/main")
    assert (pushed["verdict"], pushed["old"], pushed["new"]) == ("allow", rig.first, second) and "reason" not in pushed


def test_what_others_do_upstream_is_seen_at_once_and_what_is_gone_is_gone(rig):
    seed = others(rig)
    one = clone(rig)
    third = rig.commit(seed, text="third\n")
    rig.git("push", "--quiet", "origin", "HEAD:main", "HEAD:refs/heads/side/deep", "HEAD:refs/notes/x", at=seed)
    assert f"{third}\trefs/heads/main" in rig.git("ls-remote", "origin", at=one)
    rig.git("fetch", "--quiet", at=one)
    assert rig.git("rev-parse", "origin/main", "origin/side/deep", at=one).split() == [third, third] and same_mirror(rig)
    rig.git("push", "--quiet", "origin", ":side/deep", "HEAD:side", at=seed)  # a name where a folder was
    assert rig.git("ls-remote", "origin", "refs/heads/*", at=one).split() == [third, "refs/heads/main", third, "refs/heads/side"]
    assert same_mirror(rig)
    before = len(rig.leg.requests)
    rig.git("fetch", "--quiet", "--prune", at=one)
    assert rig.leg.requests[before:] == [(1, rig.name, 2)]  # nothing had changed: one question, no more


def test_a_mirror_of_many_packs_is_tidied_and_stays_whole(rig):
    one, seed = clone(rig), others(rig)
    packs = os.path.join(rig.mirror(rig.name), "objects", "pack")
    rig.run("sh", "-c", 'for n in $(seq 51); do echo "$n" | git hash-object -w --stdin | git pack-objects -q "$1/pack"; done', "sh", packs, cwd=seed)
    assert sum(name.endswith(".pack") for name in os.listdir(packs)) > 51
    new = rig.commit(seed, text="new\n")
    rig.git("push", "--quiet", "origin", "HEAD:main", at=seed)
    rig.git("pull", "--quiet", at=one)
    assert rig.git("rev-parse", "HEAD", at=one).strip() == new and same_mirror(rig)
    assert sum(name.endswith(".pack") for name in os.listdir(packs)) < 10
    rig.run("git", "-C", rig.mirror(rig.name), "fsck", "--full", "--strict")
    rig.git("fsck", "--strict", at=clone(rig, "after"))


def test_head_follows_the_upstreams(rig):
    seed = others(rig)
    clone(rig)
    rig.git("push", "--quiet", "origin", "HEAD:refs/heads/trunk", at=seed)
    rig.run("git", "-C", rig.up, "symbolic-ref", "HEAD", "refs/heads/trunk")
    assert rig.git("symbolic-ref", "HEAD", at=clone(rig, "two")).strip() == "refs/heads/trunk"
    rig.run("git", "-C", rig.up, "update-ref", "--no-deref", "HEAD", rig.first)
    directly, through = (rig.git("ls-remote", "--symref", remote) for remote in (rig.up, rig.url(rig.name)))
    assert through == directly and "ref:" not in through  # a bare commit


def test_an_empty_upstream_is_cloned_and_gets_its_first_commit(rig):
    rig.upstream("empty")
    rig.apply()
    at = rig.path("work", f"empty-{rig.name}")
    assert "empty repository" in rig.git("clone", rig.url("empty"), at)
    first = rig.commit(at)
    rig.git("push", "--quiet", "origin", "HEAD:main", at=at)
    assert rig.refs(rig.repos["empty"]) == {"refs/heads/main": first}


def test_sha256_repositories(rig):
    up = rig.path("up", f"sha256-{rig.name}.git")
    rig.run("git", "init", "--quiet", "--bare", "--object-format=sha256", up)
    rig.repos["wide"] = up
    seed = rig.path("work", f"wide-seed-{rig.name}")
    rig.git("init", "--quiet", "--object-format=sha256", seed)
    rig.commit(seed)
    rig.git("push", "--quiet", up, "HEAD:main", at=seed)
    rig.apply()
    at = rig.path("work", f"wide-{rig.name}")
    rig.git("clone", "--quiet", rig.url("wide"), at)
    second = rig.commit(at, text="second\n")
    rig.git("push", "--quiet", "origin", "HEAD:main", at=at)
    assert rig.refs(up) == {"refs/heads/main": second} and len(second) == 64


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_every_version_of_the_protocol(rig, version):
    at = clone(rig, f"v{version}", "-c", f"protocol.version={version}")
    rig.commit(at)
    rig.git("push", "--quiet", "origin", "HEAD:refs/heads/new", at=at)
    rig.git("-c", f"protocol.version={version}", "fetch", "--quiet", at=at)
    assert same_mirror(rig)


def test_tags_deletions_and_forced_pushes(rig):
    one = clone(rig)
    rig.git("tag", "light", at=one)
    rig.git("tag", "-a", "-m", "annotated", "heavy", at=one)
    rig.git("push", "--quiet", "--tags", at=one)
    assert set(rig.refs(rig.up)) == {"refs/heads/main", "refs/tags/light", "refs/tags/heavy"} and same_mirror(rig)
    rig.git("commit", "--quiet", "--amend", "-m", "another", at=one)
    other = rig.git("rev-parse", "HEAD", at=one).strip()
    assert "non-fast-forward" in rig.git("push", "origin", "main", at=one, ok=False)
    output = rig.git("push", "--porcelain", "--force", "origin", "main", ":light", ":refs/tags/heavy", at=one)
    assert results(output) == [("+", "refs/heads/main", f"{rig.first[:7]}...{other[:7]} (forced update)"),
                               ("-", "refs/tags/heavy", "[deleted]"), ("-", "refs/tags/light", "[deleted]")]
    assert rig.refs(rig.up) == {"refs/heads/main": other} and same_mirror(rig)
    gone = rig.gate.line(ref="refs/tags/light", new=ZERO)
    assert gone["old"] == rig.first and gone["verdict"] == "allow"


def test_shallow_and_partial_clones_fetch_deepen_and_push(rig):
    seed = others(rig)
    for number in range(5):
        rig.commit(seed, name=f"file{number}", text=f"{number}" * 1000)
    rig.git("push", "--quiet", "origin", "HEAD:main", at=seed)
    shallow = clone(rig, "shallow", "--depth=2")
    assert rig.git("rev-list", "--count", "HEAD", at=shallow).strip() == "2"
    rig.commit(shallow)
    rig.git("push", "--quiet", "origin", "HEAD:refs/heads/from-shallow", at=shallow)
    rig.git("fetch", "--quiet", "--deepen=2", at=shallow)
    assert rig.git("rev-list", "--count", "origin/main", at=shallow).strip() == "4"
    partial = clone(rig, "partial", "--filter=blob:none", "--no-checkout")
    missing = rig.git("rev-list", "--objects", "--missing=print", "HEAD", at=partial)
    assert missing.count("?") == 6
    rig.git("checkout", "--quiet", "main", at=partial)  # fetches what it lacks
    second = rig.commit(partial)
    rig.git("push", "--quiet", "origin", "main", at=partial)
    assert rig.refs(rig.up)["refs/heads/main"] == second and same_mirror(rig)


def test_push_options_reach_the_upstream(rig):
    rig.run("git", "-C", rig.up, "config", "receive.advertisePushOptions", "true")
    hook(rig, "pre-receive", 'i=0; while [ $i -lt "${GIT_PUSH_OPTION_COUNT:-0}" ]; do eval "echo \\"$i: \\$GIT_PUSH_OPTION_$i\\""; i=$((i+1)); done\n')
    one = clone(rig)
    options = ["--push-option=ci.skip", "--push-option=topic=a b;$(c) --force"]
    directly = rig.git("push", *options, rig.up, "HEAD:refs/heads/direct", at=one)
    through = rig.git("push", *options, "origin", "HEAD:refs/heads/through", at=one)
    assert remote_words(through) == remote_words(directly) != []
    assert "topic=a b;$(c) --force" in through


def test_a_push_without_options_does_not_need_them_and_one_with_them_hears_that_the_upstream_takes_none(rig):
    rig.run("git", "-C", rig.up, "config", "receive.advertisePushOptions", "false")
    one = clone(rig)
    rig.git("push", "--quiet", "origin", "HEAD:refs/heads/plain", at=one)
    output = rig.git("push", "-o", "x", "origin", "HEAD:refs/heads/options", at=one, ok=False)
    assert "the receiving end does not support push options" in output
    assert "refs/heads/options" not in rig.refs(rig.up) and same_mirror(rig)


def test_a_push_of_nothing_has_a_line_too(rig):
    one = clone(rig)
    assert "up-to-date" in rig.git("push", "origin", "main", at=one)
    assert rig.gate.line(method="push", verdict="allow").get("ref") is None


# ---- what the upstream says

def both(rig, *refspecs, options=()):
    """The same push directly, in a copy of the upstream, and through the gate: (output, its refs) of each."""
    copy = f"{rig.up}.copy"
    rig.run("cp", "-a", rig.up, copy)
    at = clone(rig, "both")
    rig.commit(at, text="both\n")
    outputs = [rig.git("push", "--porcelain", *options, remote, *refspecs, at=at, ok=False) for remote in (copy, "origin")]
    return [(output, rig.refs(up)) for output, up in zip(outputs, (copy, rig.up))]


def test_a_protected_branch_and_the_hooks_words_are_verbatim(rig):
    hook(rig, "pre-receive", "while read old new ref; do [ $ref = refs/heads/main ] && { echo 'GL-HOOK-ERR: main is protected.'; echo; "
                             "printf '   indented, and a blank behind \\n' >&2; exit 1; }; done; exit 0\n")
    (direct, direct_refs), (through, through_refs) = both(rig, "HEAD:main")
    assert remote_words(through) == remote_words(direct) and "GL-HOOK-ERR" in through
    assert results(through) == results(direct) == [("!", "refs/heads/main", "[remote rejected] (pre-receive hook declined)")]
    assert through_refs == direct_refs and same_mirror(rig)
    line = rig.gate.line(ref="refs/heads/main", verdict="block")
    assert line["reason"] == "git-declined" and line["detail"] == "pre-receive hook declined"


def test_of_several_refs_each_has_its_own_answer(rig):
    hook(rig, "update", "case $1 in refs/heads/no*) echo \"$1 is not for you\"; exit 1;; esac\n")
    (direct, direct_refs), (through, through_refs) = both(rig, "HEAD:refs/heads/yes", "HEAD:refs/heads/no1", "HEAD:refs/tags/yes", "HEAD:refs/heads/no2")
    assert results(through) == results(direct) and [flag for flag, _, _ in results(through)].count("!") == 2
    assert sorted(remote_words(through)) == sorted(remote_words(direct))
    assert through_refs == direct_refs and set(through_refs) == {"refs/heads/main", "refs/heads/yes", "refs/tags/yes"} and same_mirror(rig)


def test_an_atomic_push_is_all_or_nothing(rig):
    hook(rig, "update", "[ $1 != refs/heads/no ] || { echo 'not this one'; exit 1; }\n")
    (direct, direct_refs), (through, through_refs) = both(rig, "HEAD:refs/heads/yes", "HEAD:refs/heads/no", options=["--atomic"])
    assert results(through) == results(direct) and [flag for flag, _, _ in results(through)] == ["!", "!"]
    assert remote_words(through) == remote_words(direct)
    assert through_refs == direct_refs and set(through_refs) == {"refs/heads/main"} and same_mirror(rig)
    at = clone(rig, "atomic")
    rig.git("push", "--quiet", "--atomic", "origin", "HEAD:refs/heads/a", "HEAD:refs/heads/b", at=at)
    assert set(rig.refs(rig.up)) == {"refs/heads/main", "refs/heads/a", "refs/heads/b"}


def test_the_upstreams_own_configuration_decides(rig):
    seed = others(rig)
    rig.run("git", "-C", rig.up, "config", "receive.denyNonFastForwards", "true")
    rig.run("git", "-C", rig.up, "config", "receive.denyDeletes", "true")
    rig.git("push", "--quiet", "origin", "HEAD:refs/heads/old", at=seed)
    at = clone(rig, "denied")
    rig.git("commit", "--quiet", "--amend", "-m", "rewritten", at=at)
    copy = f"{rig.up}.copy"
    rig.run("cp", "-a", rig.up, copy)
    direct, through = (rig.git("push", "--porcelain", "--force", remote, "HEAD:main", ":old", at=at, ok=False) for remote in (copy, "origin"))
    assert results(through) == results(direct) and remote_words(through) == remote_words(direct)
    assert rig.refs(rig.up) == rig.refs(copy) and same_mirror(rig)


# ---- what goes wrong

def test_an_upstream_that_is_not_reached_is_said_and_nothing_stale_is_served(rig):
    one = clone(rig)
    rig.commit(one)

    def unreachable(service, name, fds):
        os.write(fds[2], b"ssh: connect to host up.test port 22: Connection refused\r\n")
        return 1, 255, ""
    rig.leg.before = unreachable
    words = r"remote error: git-gate: the upstream ssh://git@up.test/org/{}.git cannot be read: ssh: connect to host up.test port 22: Connection refused"
    for command in (["fetch"], ["ls-remote", "origin"], ["push", "origin", "main"], ["clone", rig.url(rig.name), rig.path("work", f"none-{rig.name}")]):
        output = rig.git(*command, at=one, ok=False)
        assert re.search(words.format(rig.name), output), output
    line = rig.gate.line(method="fetch", verdict="block")
    assert line["reason"] == "upstream-unreachable" and "Connection refused" in line["detail"]
    rig.leg.before = lambda *_: (NOT_RESOLVED, 0, "up.test has no address")
    assert "up.test has no address" in rig.git("fetch", at=one, ok=False)
    rig.leg.before = None
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert same_mirror(rig)


def test_an_upstream_that_goes_away_in_a_push_leaves_nothing_half_done(rig):
    one = clone(rig)
    new = rig.commit(one)
    rig.leg.before = lambda service, *_: None if service == 1 else (1, 255, "")
    output = rig.git("push", "--porcelain", "origin", "main", "HEAD:refs/heads/b", at=one, ok=False)
    assert [result[0] for result in results(output)] == ["!", "!"] and "did not say what became of it" in output
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and same_mirror(rig)
    line = rig.gate.line(ref="refs/heads/b", verdict="block")
    assert line["reason"] == "upstream-malformed"
    rig.leg.before = None
    rig.git("push", "--quiet", "origin", "main", "HEAD:refs/heads/b", at=one)
    assert rig.refs(rig.up) == {"refs/heads/main": new, "refs/heads/b": new} and same_mirror(rig)


def test_of_two_pushes_that_race_one_moves_the_ref(rig):
    one, two = clone(rig), clone(rig, "two")
    ours, theirs = rig.commit(one, text="one\n"), rig.commit(two, text="two\n")
    reached, go = threading.Event(), threading.Event()

    def wait(service, name, fds):  # the first push stands before the upstream while the second goes through
        if service == 2 and not reached.is_set():
            reached.set()
            assert go.wait(WAIT)
    rig.leg.before = wait
    outcome = {}
    first = threading.Thread(target=lambda: outcome.update(first=rig.git("push", "--porcelain", "origin", "main", at=one, ok=False)))
    first.start()
    try:
        assert reached.wait(WAIT)
        rig.git("push", "--quiet", "origin", "main", at=two)
    finally:
        go.set()
        first.join()
    assert results(outcome["first"]) == [("!", "refs/heads/main", "[remote rejected] (stale info)")]
    assert rig.refs(rig.up) == {"refs/heads/main": theirs} and same_mirror(rig)
    rig.leg.before = None
    rig.git("pull", "--quiet", "--rebase", "-X", "ours", at=one)
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert rig.refs(rig.up)["refs/heads/main"] != ours and same_mirror(rig)


def test_requests_at_the_same_time_share_a_look_at_the_upstream_that_began_after_them(rig):
    seed = others(rig)
    one = clone(rig)
    started, go = threading.Event(), threading.Event()

    def wait(service, name, fds):
        started.set()
        assert go.wait(WAIT)
    rig.leg.before = wait
    before = len(rig.leg.requests)
    outputs = []
    threads = [threading.Thread(target=lambda: outputs.append(rig.git("ls-remote", "origin", at=one))) for _ in range(6)]
    threads[0].start()
    assert started.wait(WAIT)
    for thread in threads[1:]:
        thread.start()
    wait_for(lambda: len(sessions(rig.gate)) == 6, "all have asked")
    new = rig.commit(seed, text="while they wait\n")
    rig.git("push", "--quiet", "origin", "HEAD:main", at=seed)
    go.set()
    for thread in threads:
        thread.join()
    assert len(outputs) == 6 and sum(new in output for output in outputs) >= 5
    looks = [request for request in rig.leg.requests[before:]]
    assert 2 <= len(looks) <= 4  # the first alone, then one for the five (and the objects)


def sessions(gate):
    """The pids of sessions that run."""
    def is_session(pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return file.read().split(b"\0")[1:2] == [b"session"]
        except (FileNotFoundError, ProcessLookupError):
            return False
    return [pid for pid in gate.children() if is_session(pid)]


def leftovers(rig):
    found = []
    for folder, folders, files in os.walk(rig.mirror(rig.name)):
        found += [os.path.join(folder, name) for name in folders + files if name.startswith("tmp_") or name.endswith(".lock")]
    return found


def half_a_push(rig, at):
    """A push whose pack has begun and does not go on: git's own bytes, cut. Returns the socket, when the quarantine is there."""
    pack = rig.path("work", "pack")
    with open(pack, "wb") as file:
        rig.space.run("git", "-C", at, "pack-objects", "--revs", "--stdout", "--all", input=b"", stdout=file)
    with open(pack, "rb") as file:
        data = file.read()
    new = rig.git("rev-parse", "HEAD", at=at).strip()
    sock = rig.space.socket()
    sock.settimeout(WAIT)
    with rig.space:
        sock.connect(("127.0.0.1", 9418))
    line = f"git-receive-pack /{rig.name}:\0host=x\0".encode()
    sock.sendall(f"{len(line) + 4:04x}".encode() + line)
    advertised = b""
    while not advertised.endswith(b"0000"):
        came = sock.recv(65536)
        assert came, advertised
        advertised += came
    command = f"{rig.first} {new} refs/heads/main\0 report-status".encode()
    sock.sendall(f"{len(command) + 4:04x}".encode() + command + b"0000" + data[:len(data) // 2])
    wait_for(lambda: leftovers(rig), "the quarantine")
    return sock


def test_a_session_that_is_killed_leaves_nothing_and_the_next_push_works(rig):
    one = clone(rig)
    rig.commit(one, text="x" * 5000)
    with half_a_push(rig, one) as sock:
        pid = sessions(rig.gate)[0]
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):  # what it had not read is there
            assert sock.recv(1) == b""
    wait_for(lambda: not sessions(rig.gate), "its end")
    line = rig.gate.line(method="push", reason="git-interrupted")
    assert line["verdict"] == "block" and line["detail"] == "the session ended early"
    new = rig.commit(one)
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert leftovers(rig) == [] and rig.refs(rig.up) == {"refs/heads/main": new} and same_mirror(rig)


def test_a_client_that_goes_in_the_middle_leaves_nothing(rig):
    one = clone(rig)
    rig.commit(one, text="y" * 5000)
    half_a_push(rig, one).close()
    wait_for(lambda: not sessions(rig.gate), "its end")
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}
    new = rig.commit(one)
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert leftovers(rig) == [] and rig.refs(rig.up) == {"refs/heads/main": new}


def test_a_gate_that_is_killed_takes_all_with_it_and_the_next_life_sweeps(own):
    rig = own
    one = clone(rig)
    rig.commit(one, text="z" * 5000)
    with half_a_push(rig, one):
        children = rig.gate.children()
        assert len(children) >= 3  # the session, receive-pack, index-pack
        rig.gate.kill()
        wait_for(lambda: not any(alive(pid) for pid in children), "the end of all that it had started")
        assert leftovers(rig) != [] and rig.refs(rig.up) == {"refs/heads/main": rig.first}
        rig.gate.start()
        assert leftovers(rig) == []
    rig.apply()
    new = rig.commit(one)
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert rig.refs(rig.up) == {"refs/heads/main": new} and same_mirror(rig)


def test_a_gate_that_is_ended_writes_what_became_of_all(own):
    rig = own
    one = clone(rig)
    rig.commit(one, text="v" * 5000)
    with half_a_push(rig, one):
        children = rig.gate.children()
        rig.gate.close()
        wait_for(lambda: not any(alive(pid) for pid in children), "the end of all that it had started")
        assert rig.gate.line(method="push", reason="git-interrupted")["detail"] == "the gate was ended"
    rig.gate.start()


def test_a_gate_that_is_killed_while_the_upstream_takes_a_push_is_right_afterwards(own):
    rig = own
    one = clone(rig)
    new = rig.commit(one)
    reached = threading.Event()
    hook(rig, "post-receive", "kill -STOP $$\n")  # the upstream has it, and has not said so
    rig.leg.before = lambda service, *_: reached.set() if service == 2 else None
    outcome = {}
    push = threading.Thread(target=lambda: outcome.update(push=rig.git("push", "origin", "main", at=one, ok=False)))
    push.start()
    try:
        assert reached.wait(WAIT)
        wait_for(lambda: rig.refs(rig.up) == {"refs/heads/main": new}, "the upstream's ref")
        assert rig.refs(rig.mirror(rig.name)) == {"refs/heads/main": rig.first}
    finally:
        rig.gate.kill()
        push.join()
    os.remove(os.path.join(rig.up, "hooks", "post-receive"))
    rig.gate.start()
    rig.apply()
    rig.leg.before = None
    assert "up-to-date" in rig.git("push", "origin", "main", at=one) and same_mirror(rig)


# ---- what is in it

SECRET = "aVerySecretValue0123"
TOKEN = "AKIA" + "Q3EGRT2FYZ7XMPLN"
HOLD = {"hold": {"seconds": 300}, "base": 1, "value_key": "00" * 32}


def test_what_must_not_leave_is_refused_and_nothing_of_it_stays(rig):
    rig.apply(known={"FORGE_TOKEN": SECRET})
    one = clone(rig)
    clean = rig.commit(one, text="clean\n")
    bad = rig.commit(one, name="notes.txt", text=f"one\ntwo\ntoken {SECRET}\n")
    rig.git("rm", "--quiet", "notes.txt", at=one)
    rig.commit(one, text="gone again\n")
    output = rig.git("push", "--porcelain", "origin", "HEAD:main", "HEAD:refs/tags/t", at=one, ok=False)
    words = [line for line in remote_words(output) if "FORGE_TOKEN" in line]
    assert words and all("remote: git-gate: refs/" in line and bad[:8] in line and "notes.txt" in line for line in words), output
    assert [result[2] for result in results(output)] == ["[remote rejected] (pre-receive hook declined)"] * 2
    assert SECRET not in output
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and same_mirror(rig) and leftovers(rig) == []
    kept = rig.run("git", "-C", rig.mirror(rig.name), "cat-file", "--batch-all-objects", "--batch-check")
    assert clean not in kept and bad not in kept and kept.count("\n") == 3
    line = rig.gate.line(ref="refs/heads/main", verdict="block")
    wanted = {"reason": "dlp-match", "detector": "known_secrets", "pattern": "FORGE_TOKEN", "surface": "blob", "commit": bad, "path": "notes.txt",
              "line": 3, "commits": 3, "old": rig.first}
    assert {key: line.get(key) for key in wanted} == wanted and line["findings"]["FORGE_TOKEN"] >= 1 and line["objects"] >= 6
    assert SECRET not in str(rig.gate.lines)
    rig.git("reset", "--quiet", "--hard", clean, at=one)
    rig.git("push", "--quiet", "origin", "main", at=one)
    allowed = rig.gate.line(ref="refs/heads/main", verdict="allow")
    assert allowed["commits"] == 1 and allowed["objects"] >= 2 and "findings" not in allowed


def test_ref_rules_are_said_with_the_ref(rig):
    rig.apply(push={rig.name: {"allow": ["refs/heads/agent/*"], "delete": False, "force": False}})
    one = clone(rig)
    rig.commit(one)
    output = rig.git("push", "--porcelain", "origin", "HEAD:refs/heads/agent/x", "HEAD:main", at=one, ok=False)
    assert re.search("remote: git-gate: refs/heads/main: refused: .*push.allow", output), output
    assert rig.gate.line(ref="refs/heads/main")["reason"] == "git-refused"
    assert rig.gate.line(ref="refs/heads/agent/x")["detail"] == "another ref of the same push was refused"
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}
    rig.git("push", "--quiet", "origin", "HEAD:refs/heads/agent/x", at=one)
    assert "push.delete" in rig.git("push", "origin", ":refs/heads/agent/x", at=one, ok=False)
    rig.git("commit", "--quiet", "--amend", "-m", "another", at=one)
    assert "push.force" in rig.git("push", "--force", "origin", "HEAD:refs/heads/agent/x", at=one, ok=False)
    assert set(rig.refs(rig.up)) == {"refs/heads/main", "refs/heads/agent/x"} and same_mirror(rig)


def pushed(rig, at, *words):
    """A push in a thread of its own; its output is in the list when it is joined."""
    output = []
    thread = threading.Thread(target=lambda: output.append(rig.git("push", "--porcelain", *words, at=at, ok=None)))
    thread.start()
    return thread, output


def finding(rig, name="two"):
    one = clone(rig, name)
    new = rig.commit(one, name="keys.txt", text=f"id = {TOKEN}  # gitleaks:allow\n")
    return one, new


def test_a_push_waits_for_the_operator_and_goes_on_when_he_approves(rig):
    rig.apply(**HOLD)
    one, new = finding(rig)
    thread, output = pushed(rig, one, "origin", "main")
    number, held = rig.gate.held()
    wanted = {"kind": 3, "seconds": 300, "rule": "aws-access-key-id", "detector": "token_patterns", "surface": "blob", "path": "keys.txt",
              "repository": rig.name, "ref": "refs/heads/main", "old": rig.first, "new": new, "commit": new, "line": 1, "finding": 1,
              "findings": 1, "allow_comment": 1, "port": 0, "host": "", "method": ""}
    assert {key: held[key] for key in wanted} == wanted and len(held["value"]) == 32
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}
    rig.gate.verdict(number, APPROVED)
    thread.join()
    assert "remote: git-gate: waiting for approval" in output[0] and "remote: git-gate: approved" in output[0]
    assert rig.refs(rig.up) == {"refs/heads/main": new} and same_mirror(rig)
    line = rig.gate.line(ref="refs/heads/main", verdict="allow")
    assert line["id"] == held["event"] and line["findings"] == {"aws-access-key-id": 1}


@pytest.mark.parametrize("outcome, reason, words", [
    (REFUSED, "held-denied", "who did not approve it"), (STALE, "held-ended", "before the wait ended")])
def test_a_push_that_is_not_approved_is_refused(rig, outcome, reason, words):
    rig.apply(**HOLD)
    one, _ = finding(rig)
    thread, output = pushed(rig, one, "origin", "main")
    number, _ = rig.gate.held()
    rig.gate.verdict(number, outcome)
    thread.join()
    assert f"{words}" in output[0] and "[remote rejected] (pre-receive hook declined)" in output[0], output[0]
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and leftovers(rig) == []
    assert rig.gate.line(ref="refs/heads/main", verdict="block")["reason"] == reason


def test_a_push_that_nobody_answers_is_refused_when_its_time_is_over(rig):
    rig.apply(**{**HOLD, "hold": {"seconds": 1}})
    one, _ = finding(rig)
    thread, output = pushed(rig, one, "origin", "main")
    number, _ = rig.gate.held()
    rig.gate.hold_end(number)
    thread.join()
    assert "was not approved in time" in output[0] and rig.refs(rig.up) == {"refs/heads/main": rig.first}
    assert rig.gate.line(ref="refs/heads/main", verdict="block")["reason"] == "held-timeout"


def test_where_nobody_can_be_asked_nobody_is(rig):
    one, _ = finding(rig)
    output = rig.git("push", "origin", "main", at=one, ok=False)
    assert "aws-access-key-id" in output and "waiting" not in output and rig.refs(rig.up) == {"refs/heads/main": rig.first}


def test_a_session_that_dies_while_it_waits_is_told_of(rig):
    rig.apply(**HOLD)
    one, _ = finding(rig)
    thread, output = pushed(rig, one, "origin", "main")
    number, _ = rig.gate.held()
    os.kill(sessions(rig.gate)[0], signal.SIGKILL)
    rig.gate.hold_end(number)
    thread.join()
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and output
    assert rig.gate.line(ref="refs/heads/main")["reason"] == "git-interrupted"


def test_a_canary_on_its_way_out_closes_the_egress(own):
    rig = own
    rig.apply(known={"STOPPER_CANARY": SECRET}, on_canary="stop")
    one = clone(rig)
    rig.commit(one, text=SECRET)
    assert "STOPPER_CANARY" in rig.git("push", "origin", "main", at=one, ok=False)
    line = rig.gate.line(ref="refs/heads/main")
    assert (line["verdict"], line["reason"]) == ("alarm", "dlp-match")
    _, generation, event = rig.gate.wait_message(lambda kind, *_: kind == CANARY)
    assert (generation, event) == (rig.gate.generation, line["id"])
    assert "the bottle's egress is closed" in rig.git("ls-remote", "origin", at=one, ok=False)
    rig.apply(closed=True, on_canary="stop")
    assert "the bottle's egress is closed" in rig.git("ls-remote", "origin", at=one, ok=False)
    rig.apply(on_canary="stop")
    rig.git("ls-remote", "origin", at=one)


def test_an_outside_scanner_decides_in_the_gates_own_jail(rig):
    """By the real gate's Landlock, seccomp and user; the program is in the one folder for it."""
    path = rig.path("bin", "scanner")
    with open(path, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n! grep forbidden-word\n")
    os.chmod(path, 0o755)
    rig.apply(scanner="/usr/local/bin/scanner")
    one = clone(rig)
    clean = rig.commit(one, text="nothing to see\n")
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert rig.refs(rig.up) == {"refs/heads/main": clean}
    rig.commit(one, text="a forbidden-word\n")
    output = rig.git("push", "origin", "main", at=one, ok=False)
    assert "remote: git-gate: refused: the outside scanner says no (exit status 1)" in output, output
    assert rig.refs(rig.up) == {"refs/heads/main": clean} and same_mirror(rig) and leftovers(rig) == []


# ---- what is refused

def ask(rig, raw, shut=False):
    """What the gate answers to these bytes, until it closes."""
    with rig.space.socket() as sock:
        sock.settimeout(WAIT)
        with rig.space:
            sock.connect(("127.0.0.1", 9418))
        sock.sendall(raw)
        if shut:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := sock.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


def line_of(text, length=None):
    return f"{len(text) + 4 if length is None else length:04x}".encode() + text


HOSTILE = {
    "a path that climbs": (b"git-upload-pack /../../etc\0host=x\0", "the path does not begin with the name of a repository"),
    "an absolute path": (b"git-upload-pack //etc/passwd\0host=x\0", "the path does not begin with the name of a repository"),
    "an option for a path": (b"git-upload-pack --upload-pack=/bin/sh\0host=x\0", "the path does not begin with /"),
    "an option for a name": (b"git-upload-pack /--strict:\0host=x\0", "the path does not begin with the name of a repository"),
    "another transport": (b"git-upload-pack ext::sh -c id\0host=x\0", "the path does not begin with /"),
    "another service": (b"git-upload-archive /{name}:\0host=x\0", "only git-upload-pack and git-receive-pack are served"),
    "control characters": (b"git-upload-pack /{name}:\x1b[2J\0host=x\0", "the path holds blanks or bytes that are not printable ASCII"),
    "a line end": (b"git-upload-pack /{name}:\n\0host=x\0", "the path holds blanks or bytes that are not printable ASCII"),
    "no end": (b"git-upload-pack /{name}:", "the path does not end with a NUL"),
    "something behind": (b"git-upload-pack /{name}:\0host=x\0GIT_DIR=/\0", "there is something behind the host that is no parameter"),
    "HTTP": (b"GET /{name} HTTP/1.1\r\n\r\n", "only git-upload-pack and git-receive-pack are served"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_request_is_refused_in_one_line(rig, what):
    line, words = HOSTILE[what]
    wanted = f"ERR git-gate: {words}".encode()
    assert ask(rig, line_of(line.replace(b"{name}", rig.name.encode()))) == line_of(wanted)
    refused = rig.gate.line(verdict="block", reason="git-request")
    assert refused["detail"] == words and "repository" not in refused
    good = ask(rig, line_of(f"git-upload-pack /{rig.name}:\0host=x\0".encode()) + b"0000", shut=True)
    assert rig.first.encode() in good  # the same probe, with a line that is right


@pytest.mark.parametrize("raw", [b"0000", b"0001", b"0003", b"0004", b"fff0", b"ffff", b"zzzz", b"1001", b"\0\0\0\0", b"GET / HT"],
                         ids=lambda raw: raw.decode())
def test_a_length_that_lies_is_refused_at_once(rig, raw):
    assert ask(rig, raw) == line_of(b"ERR git-gate: it does not begin with a line of git's protocol")


def test_a_line_that_never_ends_is_not_waited_for_when_the_client_goes(rig):
    assert ask(rig, b"0100git-upload-pack /x", shut=True) == b""
    assert rig.gate.line(reason="git-request")["detail"] == "the client has gone before it had asked"


def test_a_repository_that_is_not_declared_is_named_as_the_agent_knows_it(rig):
    one = clone(rig)
    rig.leg.requests.clear()
    for path, words in (("other:", "other"), (f"{rig.name}:2.git", f"ssh://git@up.test/org/{rig.name}.git2.git"),
                        (f"{rig.name}:/sub.git", f"ssh://git@up.test/org/{rig.name}.git/sub.git")):
        for command in "ls-remote", "fetch":
            output = rig.git(command, f"git://127.0.0.1/{path}", at=one, ok=False)
            assert f"fatal: remote error: git-gate: {words} is no repository of this bottle: the operator would have to add it to " \
                "git-gate.repos" in output
        output = rig.git("push", f"git://127.0.0.1/{path}", "HEAD:main", at=one, ok=False)
        assert f"{words} is no repository of this bottle" in output
    assert rig.gate.line(reason="git-repository", repository="other")["verdict"] == "block"
    assert rig.leg.requests == []


def test_the_mirrors_configuration_and_hooks_are_nobodys_but_the_gates(rig):
    """Who could write to a mirror, by a fault of git's, would not choose what is run there."""
    one = clone(rig)
    mirror, mark = rig.mirror(rig.name), rig.path("gate", "mark")
    trap = f"#!/bin/sh\ntouch {mark} /gate/mark\n"
    os.makedirs(os.path.join(mirror, "hooks"), exist_ok=True)
    for name in "pre-receive", "post-receive", "update", "post-update", "reference-transaction", "pre-push":
        with open(os.path.join(mirror, "hooks", name), "w", encoding="ascii") as file:
            file.write(trap)
        os.chmod(file.name, 0o755)
    with open(os.path.join(mirror, "config"), "a", encoding="ascii") as file:
        file.write('[core]\n\thooksPath = hooks\n\tsshCommand = touch /gate/mark\n\tfsmonitor = touch /gate/mark\n'
                   '[uploadpack]\n\tpackObjectsHook = touch /gate/mark\n[receive]\n\tprocReceiveRefs = none\n')
    rig.commit(one)
    rig.git("push", "--quiet", "origin", "main", at=one)
    rig.git("fetch", "--quiet", at=one)
    assert same_mirror(rig) and not os.path.exists(mark)


def test_objects_that_are_not_well_formed_are_refused_and_forgotten(rig):
    one = clone(rig)
    tree = rig.git("rev-parse", "HEAD^{tree}", at=one).strip()
    bad = f"tree {tree}\nparent {rig.first}\nauthor A <a@example.com> 1 +0000\ncommitter\n\nno committer\n"
    path = rig.path("work", "bad-commit")
    with open(path, "w", encoding="ascii") as file:
        file.write(bad)
    new = rig.git("hash-object", "-t", "commit", "-w", "--literally", path, at=one).strip()
    output = rig.git("push", "--porcelain", "origin", f"{new}:refs/heads/bad", at=one, ok=False)
    assert "missingSpaceBeforeEmail" in output or "fsck error" in output, output
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and same_mirror(rig) and leftovers(rig) == []
    assert rig.run("git", "-C", rig.mirror(rig.name), "cat-file", "--batch-all-objects", "--batch-check").count(new) == 0
    good = rig.commit(one)
    rig.git("push", "--quiet", "origin", "HEAD:refs/heads/bad", at=one)
    assert rig.refs(rig.up)["refs/heads/bad"] == good


def packed(kind, size, data, base=b""):
    """An object of a pack (gitformat-pack(5)): its head says `size`, whatever data is."""
    head, size = bytearray([kind << 4 | size & 15]), size >> 4
    while size:
        head[-1] |= 128
        head.append(size & 127)
        size >>= 7
    return bytes(head) + base + zlib.compress(data)


def pack(*objects, count=None):
    body = b"PACK" + struct.pack("!II", 2, len(objects) if count is None else count) + b"".join(objects)
    return body + hashlib.sha1(body).digest()


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


BLOB = packed(3, 5, b"hello")
BOMB = varint(5) + varint(1 << 40) + b"\x90\x05" * 1000  # copies of the base, of which a terabyte is to become
LIES = {
    "an object that says 5 GB and is 5 bytes": pack(packed(3, 5 << 30, b"hello")),
    "an object that says 5 bytes and is 5 MB": pack(packed(3, 5, bytes(5 << 20))),
    "a delta that says a terabyte": pack(BLOB, packed(6, len(BOMB), BOMB, bytes([len(BLOB)]))),
    "a delta without its base": pack(packed(7, len(BOMB), BOMB, bytes(20))),
    "more objects than there are": pack(BLOB, count=1 << 31),
    "a sum that is wrong": pack(BLOB)[:-1] + b"x",
    "no pack": b"what is this, and where does it end?",
}


@pytest.mark.parametrize("what", LIES)
def test_a_pack_that_lies_is_refused_and_forgotten(rig, what):
    with rig.space.socket() as sock:
        sock.settimeout(WAIT)
        with rig.space:
            sock.connect(("127.0.0.1", 9418))
        sock.sendall(line_of(f"git-receive-pack /{rig.name}:\0host=x\0".encode()))
        advertised = b""
        while not advertised.endswith(b"0000"):
            advertised += sock.recv(65536)
        sock.sendall(line_of(f"{rig.first} {'1' * 40} refs/heads/main\0 report-status".encode()) + b"0000" + LIES[what])
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := sock.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
    assert b"unpack ok" not in answer and b"unpack " in answer, answer
    wait_for(lambda: not sessions(rig.gate), "its end")
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and leftovers(rig) == []
    one = clone(rig)
    new = rig.commit(one)
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert rig.refs(rig.up) == {"refs/heads/main": new}


def test_a_push_that_is_too_large_ends_where_its_repository_says(rig):
    rig.apply(push={rig.name: {"max_pack_mb": 1}})
    one = clone(rig)
    with open(os.path.join(one, "large"), "wb") as file:
        file.write(os.urandom(3 << 20))
    rig.commit(one)
    output = rig.git("push", "origin", "main", at=one, ok=False)
    assert "pack exceeds maximum allowed size" in output, output
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and leftovers(rig) == []
    rig.apply()
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert same_mirror(rig)


def test_too_many_refs_at_once_are_refused_whole(rig):
    one = clone(rig)
    path = os.path.join(one, ".git", "packed-refs")
    with open(path, "a", encoding="ascii") as file:
        file.writelines(f"{rig.first} refs/tags/t{number:05}\n" for number in range(2100))
    output = rig.git("push", "--quiet", "--tags", at=one, ok=False)
    assert "git-gate: the push is refused: it names too many refs; push fewer at a time" in output
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}
    rig.git("push", "--quiet", "origin", "refs/tags/t000*:refs/tags/t000*", at=one)
    assert len(rig.refs(rig.up)) == 101 and same_mirror(rig)
    wait_for(lambda: sum(line.get("ref", "").startswith("refs/tags/t000") for line in rig.gate.lines) == 100, "a line for each")


def test_an_upstream_of_too_many_refs_is_refused_before_one_is_kept(rig):
    with open(os.path.join(rig.up, "packed-refs"), "w", encoding="ascii") as file:
        file.write(f"# pack-refs with: peeled fully-peeled sorted \n{rig.first} refs/heads/main\n")
        file.writelines(f"{rig.first} refs/tags/t{number:06}\n" for number in range(300000))
    output = rig.git("ls-remote", rig.url(rig.name), ok=False)
    assert f"git-gate: the upstream ssh://git@up.test/org/{rig.name}.git has more than 300000 refs, which the gate does not mirror" in output
    assert not os.path.exists(rig.mirror(rig.name)) and leftovers(rig) == []
    with open(os.path.join(rig.up, "packed-refs"), "w", encoding="ascii") as file:
        file.write(f"{rig.first} refs/heads/main\n")
    assert rig.git("ls-remote", rig.url(rig.name)).count("\trefs/") == 1  # the control


def test_connections_are_bounded(rig):
    line = line_of(f"git-upload-pack /{rig.name}:\0host=x\0".encode())
    held = []
    try:
        for _ in range(16):
            held.append(rig.space.socket())
            held[-1].settimeout(WAIT)
            with rig.space:
                held[-1].connect(("127.0.0.1", 9418))
            held[-1].sendall(line)
            assert held[-1].recv(4)
        words = f"ERR git-gate: too many connections to {rig.name} at once".encode()
        assert ask(rig, line) == line_of(words)
        assert rig.gate.line(reason="overloaded")["repository"] == rig.name
    finally:
        for sock in held:
            sock.close()
    wait_for(lambda: not sessions(rig.gate), "their end")
    clone(rig, "after")


def test_a_policy_without_the_repository_ends_what_is_under_way(rig):
    with rig.space.socket() as sock:
        sock.settimeout(WAIT)
        with rig.space:
            sock.connect(("127.0.0.1", 9418))
        sock.sendall(line_of(f"git-upload-pack /{rig.name}:\0host=x\0".encode()))
        assert sock.recv(4)
        gone = rig.repos.pop(rig.name)
        rig.upstream(f"else{rig.number}")
        rig.apply()
        while sock.recv(65536):
            pass
    assert "is no repository of this bottle" in rig.git("ls-remote", rig.url(rig.name), ok=False)
    rig.repos[rig.name] = gone
    rig.apply()
    clone(rig, "again")


def test_a_policy_that_says_something_else_stops_a_push_that_had_begun(rig):
    one = clone(rig)
    rig.commit(one, text="w" * 5000)
    with half_a_push(rig, one) as sock:
        rig.apply(push={rig.name: {"force": False}})
        with open(rig.path("work", "pack"), "rb") as file:
            data = file.read()
        sock.sendall(data[len(data) // 2:])
        answer = b""
        while part := sock.recv(65536):
            answer += part
    assert b"unpack ok" in answer and b"ng refs/heads/main pre-receive hook declined" in answer
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and leftovers(rig) == []
    line = rig.gate.line(ref="refs/heads/main")
    assert line["reason"] == "git-refused" and "policy has changed meanwhile" in line["detail"]


def test_nothing_leaves_while_the_egress_is_closed(rig):
    one = clone(rig)
    rig.apply(closed=True)
    assert "the bottle's egress is closed" in rig.git("fetch", at=one, ok=False)
    assert rig.gate.line(reason="egress-closed")["verdict"] == "block"
    rig.apply()
    rig.git("fetch", at=one)


def test_without_a_policy_nothing_is_served(own):
    own.gate.kill()
    own.gate.start()
    assert "no policy is loaded yet" in own.git("ls-remote", own.url("app1"), ok=False)
    assert own.gate.line(reason="no-policy")["verdict"] == "block"
    own.apply()
    clone(own)
    assert stat.S_IMODE(os.stat(own.mirror("app1")).st_mode) & 0o077 == 0
