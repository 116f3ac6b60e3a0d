# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate does for its mirrors by itself: it fetches what a policy has brought before anybody asks, and writes bitmaps."""
import os
import signal
import threading

import pytest

from gate_rig import HOST_KEY, Rig, clone, leftovers, line_of, nothing_left, others, same_mirror, sessions
from spaces import WAIT, alive, wait_for


# The real one, which upkeep can be seen to wait in, or to fail in.
GIT = """#!/bin/sh
if [ "$3" = multi-pack-index ] && [ -e /gate/fail ]; then
    echo "there is no room" >&2
    exit 3
fi
if [ "$3" = multi-pack-index ] && [ -e /gate/hold ]; then
    echo "$PPID" >/gate/holds.new && mv /gate/holds.new /gate/holds
    while [ -e /gate/hold ]; do sleep 0.05; done
fi
exec /usr/lib/git-core/git "$@"
"""


@pytest.fixture(scope="module")
def long_lived():
    made = Rig(git=GIT)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def rig(long_lived):
    """One gate; each test has an upstream of its own, which the gate has not been told of yet."""
    rig = long_lived
    rig.leg.before = None
    rig.repos.clear()
    rig.number = getattr(rig, "number", 0) + 1
    rig.name = f"app{rig.number}"
    rig.up, rig.first = rig.begun(rig.name)
    wait_for(lambda: not sessions(rig.gate), "the end of the test before")
    rig.gate.forget()
    rig.leg.requests.clear()
    return rig


def hanging(rig):
    """Calls of the leg hang. Two events: one has come; they may fail."""
    reached, go = threading.Event(), threading.Event()

    def hang(service, name, fds):
        reached.set()
        assert go.wait(WAIT)
        return 1, 255, ""
    rig.leg.before = hang
    return reached, go


def test_a_repository_is_fetched_before_anybody_asks(rig):
    rig.apply(prefetch=True)
    line = rig.gate.line(method="prefetch", repository=rig.name)
    assert (line["kind"], line["verdict"], line["host"]) == ("git", "allow", "up.test") and "bytes_in" not in line and "ref" not in line
    assert same_mirror(rig) and rig.leg.requests == [(1, rig.name, 2)] * 2  # the refs, and the objects
    clone(rig)
    assert rig.leg.requests == [(1, rig.name, 2)] * 3  # it looks at the upstream itself, and everything is there
    rig.apply(prefetch=True)
    rig.upstream(f"more{rig.number}")
    rig.apply(prefetch=True)
    rig.gate.line(method="prefetch", repository=f"more{rig.number}", verdict="allow")
    assert [name for _, name, _ in rig.leg.requests[3:]] == [f"more{rig.number}"] * 2  # nothing again of what had been there


def test_a_policy_can_say_that_it_is_not(rig):
    rig.apply(prefetch=False)
    rig.apply(prefetch=False, push={rig.name: {"force": False}})
    other = rig.name
    rig.repos.clear()
    rig.name = f"other{rig.number}"
    rig.begun(rig.name)
    rig.apply(prefetch=True)
    rig.gate.line(method="prefetch", repository=rig.name)
    assert {name for _, name, _ in rig.leg.requests} == {rig.name} and not os.path.exists(rig.mirror(other))


def test_a_request_waits_for_what_is_being_fetched_and_then_looks_itself(rig):
    reached, go = threading.Event(), threading.Event()

    def wait(service, name, fds):
        if len(rig.leg.requests) == 2:  # the objects
            reached.set()
            assert go.wait(WAIT)
    rig.leg.before = wait
    seed = others(rig)
    rig.apply(prefetch=True)
    outputs = []
    thread = threading.Thread(target=lambda: outputs.append(rig.git("ls-remote", rig.url(rig.name))))
    try:
        assert reached.wait(WAIT)
        thread.start()
        wait_for(lambda: len(sessions(rig.gate)) == 2, "the request")
        new = rig.commit(seed, text="meanwhile\n")
        rig.git("push", "--quiet", "origin", "HEAD:refs/heads/new", at=seed)
        assert not outputs
    finally:
        go.set()
    thread.join()
    assert f"{new}\trefs/heads/new" in outputs[0] and same_mirror(rig)
    assert rig.gate.line(method="prefetch")["verdict"] == rig.gate.line(method="fetch")["verdict"] == "allow"


def test_an_upstream_that_is_not_there_costs_one_line(rig):
    rig.leg.before = lambda service, name, fds: (os.write(fds[2], b"ssh: connect to host up.test port 22: Connection refused\r\n"), (1, 255, ""))[1]
    rig.apply(prefetch=True)
    line = rig.gate.line(method="prefetch")
    assert (line["verdict"], line["reason"]) == ("block", "upstream-unreachable") and "Connection refused" in line["detail"]
    rig.leg.before = None
    second = rig.begun(f"second{rig.number}")[0]
    rig.apply(prefetch=True)
    rig.gate.line(method="prefetch", repository=f"second{rig.number}", verdict="allow")
    assert [line["repository"] for line in rig.gate.lines] == [rig.name, f"second{rig.number}"]
    assert [name for _, name, _ in rig.leg.requests] == [rig.name] + [f"second{rig.number}"] * 2
    assert second and not os.path.exists(rig.mirror(rig.name))
    clone(rig)


def test_a_policy_without_the_repository_ends_its_fetch_and_one_with_another_place_begins_again(rig):
    reached, go = hanging(rig)
    rig.apply(prefetch=True)
    try:
        assert reached.wait(WAIT)
        gone = rig.repos.pop(rig.name)
        rig.begun(f"else{rig.number}")
        rig.leg.before = None
        rig.apply(prefetch=True)
        line = rig.gate.line(method="prefetch", repository=rig.name)
        assert (line["verdict"], line["reason"], line["detail"]) == ("block", "git-interrupted", "the session ended early")
        rig.gate.line(method="prefetch", repository=f"else{rig.number}", verdict="allow")
    finally:
        go.set()
    assert not os.path.exists(rig.mirror(rig.name)) and nothing_left(rig)
    rig.repos[rig.name] = gone
    rig.gate.forget()
    rig.apply(prefetch=True)
    rig.gate.line(method="prefetch", repository=rig.name, verdict="allow")
    rig.gate.forget()
    rig.gate.apply({"repos": [{"name": rig.name, "url": "ssh://git@elsewhere.test/app.git", "host_key": HOST_KEY}]})
    assert rig.gate.line(method="prefetch", repository=rig.name)["host"] == "elsewhere.test"


def test_what_the_gate_does_itself_is_not_counted_as_the_agents(rig):
    reached, go = threading.Event(), threading.Event()

    def wait(service, name, fds):
        reached.set()
        assert go.wait(WAIT)
    rig.leg.before = wait
    rig.apply(prefetch=True)
    line, held = line_of(f"git-upload-pack /{rig.name}:\0host=x\0".encode()), []
    try:
        assert reached.wait(WAIT)
        for _ in range(16):
            held.append(rig.space.socket())
            held[-1].settimeout(WAIT)
            with rig.space:
                held[-1].connect(("127.0.0.1", 9418))
            held[-1].sendall(line)
        wait_for(lambda: len(sessions(rig.gate)) == 17, "sixteen of the agent's, and one")
        go.set()
        assert all(sock.recv(4) != b"" for sock in held)
    finally:
        go.set()
        for sock in held:
            sock.close()


def written(path, first, refs):
    """An upstream's refs, all in one file."""
    with open(os.path.join(path, "packed-refs"), "w", encoding="ascii") as file:
        file.write(f"# pack-refs with: peeled fully-peeled sorted \n{first} refs/heads/main\n")
        file.writelines(f"{first} refs/tags/t{number:06}\n" for number in range(refs))


def test_the_first_time_refs_come_into_one_file_and_too_many_new_ones_at_once_as_well(rig):
    written(rig.up, rig.first, 3000)
    rig.apply()
    clone(rig)
    files = loose(rig)
    assert same_mirror(rig) and len(rig.refs(rig.up)) == 3001 and files == []
    with open(os.path.join(rig.mirror(rig.name), "config"), encoding="ascii") as file:
        assert "remote" not in file.read()
    mark = os.path.join(rig.mirror(rig.name), "mark")
    with open(mark, "w", encoding="ascii"):
        pass
    rig.git("fetch", "--quiet", rig.url(rig.name), at=rig.path("work", f"{rig.name}-one"))
    assert os.path.exists(mark)
    written(rig.up, rig.first, 104000)
    assert rig.git("ls-remote", rig.url(rig.name)).count("\n") == 104002
    files = loose(rig)
    assert same_mirror(rig) and files == [] and not os.path.exists(mark)
    assert sorted(os.listdir(rig.path("gate"))).count(f"{rig.name}.git") == 1 and not beside(rig)
    with open(mark, "w", encoding="ascii"):
        pass
    at = rig.path("work", f"{rig.name}-one")
    moved = rig.commit(at)
    rig.run("git", "-C", at, "push", "--quiet", rig.up, "HEAD:main", "HEAD:aaa")  # in front of all tags
    rig.run("git", "-C", rig.up, "update-ref", "-d", "refs/tags/t000007")
    assert f"{moved}\trefs/heads/main\n" in rig.git("ls-remote", rig.url(rig.name))
    assert same_mirror(rig) and os.path.exists(mark)  # three that differ are no reason to make it again


def loose(rig):
    """Refs of the mirror that are files of their own."""
    return [name for _, _, names in os.walk(os.path.join(rig.mirror(rig.name), "refs")) for name in names]


def test_what_pushes_leave_is_put_together_though_the_upstream_has_nothing_new(rig):
    rig.apply()
    at = clone(rig)
    for number in range(300):
        rig.run("git", "-C", at, "update-ref", f"refs/tags/deep/t{number}", rig.first)
    rig.git("push", "--quiet", "--tags", at=at)
    assert len(loose(rig)) == 300 and same_mirror(rig)
    for number in range(55):
        blob = rig.run("git", "-C", at, "hash-object", "-w", "--stdin", input=f"{number}\n")
        rig.run("git", "-C", at, "pack-objects", "-q", os.path.join(rig.mirror(rig.name), "objects", "pack", "pack"), input=blob)
    assert len(in_packs(rig, ".pack")) > 50
    rig.leg.requests.clear()
    rig.git("ls-remote", rig.url(rig.name))
    assert rig.leg.requests == [(1, rig.name, 2)]  # nothing was fetched
    assert loose(rig) == [] and len(in_packs(rig, ".pack")) < 10 and same_mirror(rig)
    assert rig.run("git", "-C", rig.mirror(rig.name), "cat-file", "-t", blob.strip()) == "blob\n"


def beside(rig):
    return [name for name in os.listdir(rig.path("gate")) if name.startswith(f"{rig.name}.git.")]


def test_a_first_fetch_that_is_killed_leaves_nothing_and_the_next_works(rig):
    reached, go = threading.Event(), threading.Event()

    def hang(service, name, fds):
        if len(rig.leg.requests) == 2:
            reached.set()
            assert go.wait(WAIT)
            return 1, 255, ""
        return None
    rig.leg.before = hang
    rig.apply(prefetch=True)
    try:
        assert reached.wait(WAIT)
        wait_for(lambda: beside(rig), "the mirror that is being made")
        os.kill(sessions(rig.gate)[0], signal.SIGKILL)
        assert rig.gate.line(method="prefetch")["reason"] == "git-interrupted"
    finally:
        go.set()
    clone(rig)
    assert same_mirror(rig) and not beside(rig)


def test_a_closed_egress_ends_it_and_it_is_done_when_that_is_open_again(rig):
    reached, go = hanging(rig)
    rig.apply(prefetch=True)
    try:
        assert reached.wait(WAIT)
        rig.apply(prefetch=True, closed=True)
        assert rig.gate.line(method="prefetch", verdict="block")["reason"] == "git-interrupted"
    finally:
        rig.leg.before = None
        go.set()
    before = len(rig.leg.requests)
    rig.apply(prefetch=True)
    rig.gate.line(method="prefetch", verdict="allow")
    assert same_mirror(rig) and len(rig.leg.requests) == before + 2


# ---- upkeep

def grow(rig, seed, size=2 << 20):
    """The upstream has so many bytes more, on a branch of its own."""
    with open(os.path.join(seed, "large"), "wb") as file:
        file.write(os.urandom(size))
    new = rig.commit(seed)
    rig.git("push", "--quiet", "origin", "HEAD:main", at=seed)
    return new


def in_packs(rig, tail):
    return sorted(name for name in os.listdir(os.path.join(rig.mirror(rig.name), "objects", "pack")) if name.endswith(tail))


def with_bitmap(rig):
    wait_for(lambda: in_packs(rig, ".bitmap") and os.path.exists(os.path.join(rig.mirror(rig.name), "objects", "info", "commit-graph")), "the bitmap")
    wait_for(lambda: not sessions(rig.gate), "the end of upkeep")


def test_a_mirror_to_which_much_has_come_gets_a_bitmap_and_keeps_its_packs(rig):
    seed = others(rig)
    grow(rig, seed)
    rig.apply(prefetch=True)
    rig.gate.line(method="prefetch", verdict="allow")
    with_bitmap(rig)
    packs, bitmap = in_packs(rig, ".pack"), in_packs(rig, ".bitmap")
    assert len(packs) == len(bitmap) == 1 and same_mirror(rig)
    rig.run("git", "-C", rig.mirror(rig.name), "rev-list", "--test-bitmap", "HEAD")
    rig.run("git", "-C", rig.mirror(rig.name), "commit-graph", "verify")
    rig.git("fsck", "--strict", at=clone(rig, "first"))
    small = grow(rig, seed, 1000)
    at = clone(rig, "second")
    assert rig.git("rev-parse", "HEAD", at=at).strip() == small and in_packs(rig, ".bitmap") == bitmap  # too little came
    rig.commit(at)
    rig.git("push", "--quiet", "origin", "main", at=at)
    large = grow(rig, others_again(rig, seed), 4 << 20)
    assert rig.git("rev-parse", "HEAD", at=clone(rig, "third")).strip() == large
    wait_for(lambda: in_packs(rig, ".bitmap") not in ([], bitmap), "a bitmap of all")
    with_bitmap(rig)
    assert len(in_packs(rig, ".pack")) == 4 and set(packs) < set(in_packs(rig, ".pack"))
    rig.run("git", "-C", rig.mirror(rig.name), "rev-list", "--test-bitmap", "HEAD")
    rig.git("fsck", "--strict", at=clone(rig, "fourth"))
    assert not [line for line in rig.gate.lines if line["method"] == "upkeep"] and leftovers(rig) == []


def others_again(rig, seed):
    rig.git("pull", "--quiet", "origin", "main", at=seed)
    return seed


def test_who_asks_does_not_wait_for_upkeep(rig):
    hold, holds = rig.path("gate", "hold"), rig.path("gate", "holds")
    grow(rig, others(rig))
    with open(hold, "w", encoding="ascii"):
        pass
    try:
        rig.apply()
        clone(rig)
        wait_for(lambda: os.path.exists(holds), "upkeep")
        with open(holds, encoding="ascii") as file:
            pid = int(file.read())
        assert sessions(rig.gate) == [pid]
        os.remove(holds)
        assert f"{rig.refs(rig.up)['refs/heads/main']}\tHEAD" in rig.git("ls-remote", rig.url(rig.name))
        wait_for(lambda: not alive(pid), "its end")
        assert in_packs(rig, ".bitmap") == [] and leftovers(rig) == []
    finally:
        os.remove(hold)
    with_bitmap(rig)  # it is tried again
    assert not [line for line in rig.gate.lines if line["method"] == "upkeep"]


def test_upkeep_that_fails_has_a_line_and_is_tried_again(rig):
    fail = rig.path("gate", "fail")
    grow(rig, others(rig))
    with open(fail, "w", encoding="ascii"):
        pass
    try:
        rig.apply()
        clone(rig)
        line = rig.gate.line(method="upkeep")
    finally:
        os.remove(fail)
    assert (line["verdict"], line["reason"], line["repository"]) == ("block", "git-interrupted", rig.name)
    assert line["detail"] == "git multi-pack-index: there is no room"
    with_bitmap(rig)
    clone(rig, "after")
