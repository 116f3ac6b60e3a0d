# SPDX-License-Identifier: GPL-3.0-or-later
"""An upstream that is not what it says, spoken by hand behind the ssh leg: the agent hears so in git's own voice, and the mirror is as it was."""
import os

import pytest

from gate_rig import clone, line_of, nothing_left, same_mirror
from gate_rig import rig, shared_gate  # noqa: F401 (fixtures)

VERSION_2 = b"".join(map(line_of, (b"version 2\n", b"ls-refs=unborn\n", b"fetch=shallow\n", b"object-format=sha1\n"))) + b"0000"


def refs(*lines):
    """An answer to ls-refs (gitprotocol-v2(5)), whose first line is the branch that there is."""
    return VERSION_2 + b"".join(line_of(b"%s " + line + b"\n", len(line) + 46) for line in (b"refs/heads/main", *lines)) + b"0000"


ANSWERS = {
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a length that lies": b"ffff" + b"x" * 100,
    "half a line": line_of(b"version 2\n")[:-2],
    "nothing": b"",
    "zeros": bytes(100000),
    "marks without end": b"0001" * 100000,
    "words for a terminal": line_of(b"ERR \x1b[2J\x1b]0;x\x07no\n"),
    "a HEAD that climbs": refs(b"HEAD symref-target:refs/heads/../../x"),
    "a HEAD for a terminal": refs(b"HEAD symref-target:refs/heads/\x1b[2J"),
    "an object that is none": refs(b"refs/heads/x").replace(b"%s refs/heads/x", b"1" * 40 + b" refs/heads/x"),
}

NO_REFS = [b"refs/heads/../../../evil", b"refs/heads/a\x1b[2J", b"refs/heads/a\nb", b"refs/heads/main.lock", b"config"]


def says(rig, raw):
    """The upstream says this, hears what it is asked then, and is gone."""
    raw = raw.replace(b"%s", rig.first.encode())

    def answer(service, name, fds):
        left, came = raw, b""
        try:
            while left:
                left = left[os.write(fds[1], left):]
            while raw.startswith(VERSION_2) and came.count(b"0000") < 2 and (part := os.read(fds[0], 65536)):
                came += part
        except OSError:
            pass
        return 1, 0, ""
    rig.leg.before = answer


@pytest.mark.parametrize("what", ANSWERS)
def test_what_is_wrong_with_it_is_said_and_nothing_of_it_is_kept(rig, what):
    one = clone(rig)
    before = rig.refs(rig.mirror(rig.name)), sorted(os.listdir(rig.path("gate")))
    says(rig, ANSWERS[what])
    output = rig.git("fetch", "origin", at=one, ok=False)
    rig.leg.before = None
    assert output.startswith(("fatal: remote error: git-gate: the upstream ssh://git@up.test/org/", "fatal: remote error: git-gate: the mirror's HEAD"))
    assert all(byte == "\n" or byte.isprintable() for byte in output) and "advice" not in output, output
    assert rig.gate.line(repository=rig.name, method="fetch", verdict="block")["reason"] == "upstream-unreachable"
    assert (rig.refs(rig.mirror(rig.name)), sorted(os.listdir(rig.path("gate")))) == before and nothing_left(rig)
    rig.git("fetch", "--quiet", at=one)  # the control: the same, when the upstream is itself again
    assert same_mirror(rig) and rig.git("ls-remote", "--symref", "origin", "HEAD", at=one).startswith("ref: refs/heads/main\tHEAD")


def test_a_head_that_is_no_branch_is_a_commit(rig):
    one = clone(rig)
    says(rig, refs(b"HEAD symref-target:--evil"))
    rig.git("fetch", "--quiet", "origin", at=one)
    with open(os.path.join(rig.mirror(rig.name), "HEAD"), encoding="ascii") as file:
        assert file.read() == f"{rig.first}\n"
    rig.leg.before = None
    assert rig.git("ls-remote", "--symref", "origin", "HEAD", at=one).startswith("ref: refs/heads/main\tHEAD")


def test_what_is_no_name_of_a_ref_is_left_out(rig):
    one = clone(rig)
    before = rig.refs(rig.mirror(rig.name)), sorted(os.listdir(rig.path("gate")))
    for name in NO_REFS:
        says(rig, refs(name))
        assert rig.git("fetch", "origin", at=one) == "", name
        assert (rig.refs(rig.mirror(rig.name)), sorted(os.listdir(rig.path("gate")))) == before and nothing_left(rig), name
    says(rig, refs(b"refs/heads/new"))
    assert "new branch" in rig.git("fetch", "origin", at=one)  # the same probe with a name that is one
