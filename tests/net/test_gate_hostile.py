# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agent that speaks git's protocol by hand sends stopper-gate: each is refused in git's own voice and forgotten, and the
same probe with what is right works."""
import os
import zlib

import pytest

from gate_rig import ask, clone, hook, line_of, nothing_left, pack, push_begun, request_of, same_mirror, sessions, that_is_all, to_the_end
from gate_rig import rig, shared_gate  # noqa: F401 (fixtures)
from spaces import wait_for

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
    good = ask(rig, request_of(rig, "upload-pack") + b"0000", shut=True)
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
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and same_mirror(rig) and nothing_left(rig)
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
    with push_begun(rig) as sock:
        sock.sendall(line_of(f"{rig.first} {'1' * 40} refs/heads/main\0 report-status".encode()) + b"0000" + LIES[what])
        that_is_all(sock)
        answer = to_the_end(sock)
    assert b"unpack ok" not in answer and b"unpack " in answer, answer
    wait_for(lambda: not sessions(rig.gate), "its end")
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and nothing_left(rig)
    one = clone(rig)
    new = rig.commit(one)
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert rig.refs(rig.up) == {"refs/heads/main": new}


PUSH = b"%s %s refs/heads/x\0 report-status"
CUT = {
    "a command of no length": lambda line: b"0004",
    "a delimiter": lambda line: b"0001",
    "the end of a response": lambda line: b"0002",
    "a length that is none": lambda line: b"0003" + line,
    "a length that is too large": lambda line: b"fff1" + line,
    "letters": lambda line: b"zzzz" + line,
    "a sign": lambda line: b"-001" + line,
    "a length that ends before its line": lambda line: line_of(line, len(line) - 10),
    "a length that reaches into the pack": lambda line: line_of(line, len(line) + 20),
    "a length that nothing follows": lambda line: line_of(line, 60000),
    "commands without an end": lambda line: line_of(line)[:-1],
}


@pytest.mark.parametrize("what", CUT)
def test_a_command_whose_length_lies_moves_nothing(rig, what):
    line = PUSH % (b"0" * 40, rig.first.encode())

    def push(framed):
        with push_begun(rig) as sock:
            sock.sendall(framed + b"0000" + pack())
            that_is_all(sock)
            return to_the_end(sock)
    answer = push(CUT[what](line))
    assert b"unpack ok" not in answer and b"ok refs/heads/x" not in answer, answer
    wait_for(lambda: not sessions(rig.gate), "its end")
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and nothing_left(rig)
    assert not [line for line in rig.gate.lines if "ref" in line and line["repository"] == rig.name]
    assert b"ok refs/heads/x" in push(line_of(line))  # the same probe, with a length that is right


def test_a_tag_that_only_the_mirror_has_is_looked_at_when_another_names_it(rig):
    """Who writes a pack by hand leaves out what an earlier push left there, which the upstream refused."""
    one = clone(rig)
    secret = "correct-horse-battery-7391"
    rig.git("tag", "-m", f"it is {secret}", "inner", at=one)
    inner = rig.git("rev-parse", "inner", at=one).strip()
    refuses = hook(rig, "pre-receive", "exit 1\n")
    rig.git("push", "origin", "inner", at=one, ok=False)
    os.remove(refuses)
    rig.apply(known={"word": secret})

    def push(message):
        text = f"object {inner}\ntype tag\ntag outer\ntagger A <a@example.com> 1 +0000\n\n{message}\n".encode()
        path = rig.path("work", "outer")
        with open(path, "wb") as file:
            file.write(text)
        new = rig.git("hash-object", "-t", "tag", path, at=one).strip()
        with push_begun(rig) as sock:
            sock.sendall(line_of(f"{'0' * 40} {new} refs/tags/outer\0 report-status side-band-64k".encode()) + b"0000" + pack(packed(4, len(text), text)))
            return to_the_end(sock)
    answer = push("one")
    assert b"ng refs/tags/outer" in answer and b'rule "word" of known_secrets in tag message' in answer, answer
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}
    rig.apply()
    assert b"ok refs/tags/outer" in push("two")


def push_with(rig, capability, *options):
    """The answer to a push of one ref, with these lines behind the commands."""
    line = f"{'0' * 40} {rig.first} refs/heads/x\0 report-status side-band-64k {capability}".encode()
    with push_begun(rig) as sock:
        sock.sendall(line_of(line) + b"0000" + b"".join(line_of(option) for option in options) + b"0000" + pack())
        that_is_all(sock)
        return to_the_end(sock)


@pytest.mark.parametrize("option", [b"ci.skip\nmore", b"a\x1b[2Jb", b"a\rb", b"tab\there", b"del\x7f"], ids=repr)
def test_a_push_option_with_control_characters_is_refused_before_anything_goes_on(rig, option):
    rig.run("git", "-C", rig.up, "config", "receive.advertisePushOptions", "true")
    words = "a push option holds a line end or another control character"
    answer = push_with(rig, "push-options", option)
    assert f"git-gate: the push is refused: {words}\n".encode() in answer and b"ng refs/heads/x pre-receive hook declined" in answer, answer
    assert rig.gate.line(method="push", verdict="block", reason="git-refused")["detail"] == words
    assert 2 not in [service for service, *_ in rig.leg.requests] and rig.refs(rig.up) == {"refs/heads/main": rig.first} and nothing_left(rig)
    assert b"ok refs/heads/x" in push_with(rig, "push-options", "ci.skip=\u00e4 b".encode())  # the same probe with one that is sound
    assert rig.refs(rig.up)["refs/heads/x"] == rig.first


CERTIFICATE = "certificate version 0.1\npusher agent\nnonce none\n{more}\n{zero} {new} refs/heads/x\n-----BEGIN PGP SIGNATURE-----\n\nbm9uZQ==\n" \
    "-----END PGP SIGNATURE-----\n"


@pytest.mark.parametrize("options", [0, 65], ids=["alone", "with more options than there may be"])
def test_a_signed_push_that_nobody_offered_to_take_is_refused_and_its_certificate_forgotten(rig, options):
    def objects():
        return rig.run("git", "-C", rig.mirror(rig.name), "cat-file", "--batch-all-objects", "--batch-check")
    rig.run("git", "-C", rig.up, "config", "receive.advertisePushOptions", "true")
    clone(rig)
    before = objects()
    lines = CERTIFICATE.format(zero="0" * 40, new=rig.first, more="push-option x\n" * options).splitlines(keepends=True)
    with push_begun(rig) as sock:
        sock.sendall(line_of(b"push-cert\0 report-status side-band-64k push-options") + b"".join(line_of(line.encode()) for line in lines)
                     + line_of(b"push-cert-end\n") + b"0000" + line_of(b"x") * options + b"0000" + pack())
        that_is_all(sock)
        answer = to_the_end(sock)
    words = "it is signed, which the gate does not offer: the upstream would not see the certificate"
    assert f"git-gate: the push is refused: {words}\n".encode() in answer and b"ng refs/heads/x pre-receive hook declined" in answer, answer
    assert rig.gate.line(method="push", verdict="block", reason="git-refused")["detail"] == words
    wait_for(lambda: not sessions(rig.gate), "its end")
    assert objects() == before and nothing_left(rig)
    assert 2 not in [service for service, *_ in rig.leg.requests] and rig.refs(rig.up) == {"refs/heads/main": rig.first}
    assert b"ok refs/heads/x" in push_with(rig, "push-options", b"x")  # the same without a certificate


def test_more_push_options_than_there_may_be_are_refused_in_a_sentence(rig):
    rig.run("git", "-C", rig.up, "config", "receive.advertisePushOptions", "true")
    for options in [b"x"] * 65, [b"y" * 30000, b"z" * 3000]:
        assert b"git-gate: the push is refused: it has too many push options, or too long ones\n" in push_with(rig, "push-options", *options)
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and 2 not in [service for service, *_ in rig.leg.requests]
    assert b"ok refs/heads/x" in push_with(rig, "push-options", *[b"x"] * 64)  # the same with as many as there may be
