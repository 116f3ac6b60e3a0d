# SPDX-License-Identifier: GPL-3.0-or-later
"""The bounds of stopper-gate: sizes, numbers of refs, connections."""
import os

from gate_rig import ask, clone, leftovers, line_of, nothing_left, others, request_of, same_mirror, sessions
from gate_rig import own, rig, shared_gate  # noqa: F401 (fixtures)
from spaces import wait_for


def test_a_push_that_is_too_large_ends_where_its_repository_says(rig):
    rig.apply(push={rig.name: {"max_pack_mb": 1}})
    one = clone(rig)
    with open(os.path.join(one, "large"), "wb") as file:
        file.write(os.urandom(3 << 20))
    rig.commit(one)
    output = rig.git("push", "origin", "main", at=one, ok=False)
    assert "pack exceeds maximum allowed size" in output, output
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and nothing_left(rig)
    rig.apply()
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert same_mirror(rig)


def test_an_upstream_of_too_many_refs_is_refused_before_one_is_kept(rig):
    with open(os.path.join(rig.up, "packed-refs"), "w", encoding="ascii") as file:
        file.write(f"# pack-refs with: peeled fully-peeled sorted \n{rig.first} refs/heads/main\n")
        file.writelines(f"{rig.first} refs/tags/t{number:06}\n" for number in range(300000))
    output = rig.git("ls-remote", rig.url(rig.name), ok=False)
    assert f"git-gate: the upstream ssh://git@up.test/org/{rig.name}.git has more than 300000 refs, which the gate does not mirror" in output
    assert not os.path.exists(rig.mirror(rig.name)) and nothing_left(rig)
    with open(os.path.join(rig.up, "packed-refs"), "w", encoding="ascii") as file:
        file.write(f"{rig.first} refs/heads/main\n")
    assert rig.git("ls-remote", rig.url(rig.name)).count("\trefs/") == 1  # the control


def test_connections_are_bounded(rig):
    line, held = request_of(rig, "upload-pack"), []
    try:
        for _ in range(16):
            held.append(rig.dial())
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


def grow(at, megabytes):
    """A file that nothing makes smaller."""
    with open(os.path.join(at, f"large{megabytes}"), "ab") as file:
        file.write(os.urandom(megabytes << 20))


def used(rig):
    """MiB in the gate's folder."""
    return sum(os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(rig.path("gate")) for name in names) / (1 << 20)


def test_what_all_mirrors_hold_is_bounded(own):
    rig, seed = own, others(own)
    full = "git-gate: the gate's storage is full (git-gate.storage_mb is 2)"
    rig.apply(storage_mb=2)
    one = clone(rig)
    grow(seed, 3)
    rig.commit(seed)
    rig.git("push", "--quiet", "origin", "HEAD:main", at=seed)
    for command in "fetch", "pull", "push":
        rig.commit(one, text=command)
        output = rig.git(command, "origin", "main", at=one, ok=False)
        assert f"remote error: {full}: the upstream ssh://git@up.test/org/{rig.name}.git cannot be read: " in output, output
        assert used(rig) < 2.1  # a git that has written all that it may
    line = rig.gate.line(method="fetch", verdict="block", reason="git-storage")
    assert line["repository"] == rig.name and full[len("git-gate: "):] in line["detail"]
    rig.apply(storage_mb=20)
    rig.git("pull", "--quiet", "--rebase", "-X", "theirs", at=one)
    rig.git("push", "--quiet", "origin", "HEAD:main", at=one)
    assert same_mirror(rig) and 3 < used(rig) < 4


def test_a_push_has_the_room_that_is_left(own):
    rig = own
    rig.apply(storage_mb=2)
    one = clone(rig)
    grow(one, 3)
    new = rig.commit(one)
    output = rig.git("push", "origin", "main", at=one, ok=False)
    assert "pack exceeds maximum allowed size" in output, output
    wait_for(lambda: not sessions(rig.gate), "its end")
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and leftovers(rig) == [] and used(rig) < 1
    with open(rig.path("gate", "ballast"), "wb") as file:
        file.truncate(2 << 20)
    output = rig.git("push", "origin", "main", at=one, ok=False)
    assert "remote error: git-gate: the gate's storage is full (git-gate.storage_mb is 2)\n" in output, output
    assert rig.gate.line(verdict="block", reason="git-storage", method="push")["repository"] == rig.name
    rig.git("fetch", "--quiet", at=one)  # what needs no room goes on
    os.remove(file.name)
    rig.apply(storage_mb=8)
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert rig.refs(rig.up) == {"refs/heads/main": new} and same_mirror(rig)
