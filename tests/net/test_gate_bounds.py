# SPDX-License-Identifier: GPL-3.0-or-later
"""The bounds of stopper-gate: sizes, numbers of refs, connections."""
import os

from gate_rig import ask, clone, line_of, nothing_left, request_of, same_mirror, sessions
from gate_rig import rig, shared_gate  # noqa: F401 (fixtures)
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
