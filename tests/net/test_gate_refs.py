# SPDX-License-Identifier: GPL-3.0-or-later
"""The refs that a push names, spoken to stopper-gate by hand: git itself would not send these. Each probe is used on what works too."""
import os
import signal

from gate_rig import clone, line_of, nothing_left, pack, push_begun, remote_words, same_mirror, sessions, to_the_end
from gate_rig import rig, shared_gate  # noqa: F401 (fixtures)
from spaces import wait_for

NONE = b"0" * 40
NO_NAME = b"it is no name of a ref below refs/ (git-check-ref-format(1))"
AT_ONCE = 2048  # refs of one push (gate/talk.h)


def commands(rig, *names, new=None, old=NONE):
    """Of a push that sets each of these to a commit."""
    lines = [old + b" " + (new or rig.first).encode() + b" " + name for name in names]
    lines[0] += b"\0 report-status side-band-64k"
    return lines


def push_raw(rig, *names, **ids):
    """Such a push, as bytes; returns what the gate says, until it closes."""
    with push_begun(rig) as sock:
        sock.sendall(b"".join(map(line_of, commands(rig, *names, **ids))) + b"0000" + pack())
        return to_the_end(sock)


def of_bytes(rig, path):
    """The names of a bare repository's refs, as they are."""
    return set(rig.run("git", "-C", path, "for-each-ref", "--format=%(refname)", encoding="latin-1").encode("latin-1").splitlines())


NOT_NAMES = {
    "a tab": b"refs/heads/a\tb", "an escape": b"refs/heads/a\x1b[2J", "a backspace": b"refs/heads/a\x08b", "a DEL": b"refs/heads/a\x7f",
    "a carriage return": b"refs/heads/a\r", "a blank": b"refs/heads/a b", "one that climbs": b"refs/heads/../../hooks/x",
    "one that climbs from refs": b"refs/../config", "dots": b"refs/heads/a..b", "a hidden one": b"refs/heads/.x", "a dot at the end": b"refs/heads/x.",
    "a lock": b"refs/heads/main.lock", "a lock in the middle": b"refs/main.lock/x", "two slashes": b"refs/heads//x", "an absolute one": b"/refs/heads/x",
    "a slash at the end": b"refs/heads/x/", "a pattern": b"refs/heads/*", "a history": b"refs/heads/a@{1}", "a revision": b"refs/heads/a~1",
    "a second name": b"refs/heads/a:refs/heads/b", "a backslash": b"refs\\heads\\x", "an option": b"--force", "one of no folder": b"main", "HEAD": b"HEAD",
    "nothing below refs": b"refs/",
}


def test_what_is_no_name_of_a_ref_is_refused_by_name(rig):
    for what, name in NOT_NAMES.items():
        rig.gate.forget()
        answer = push_raw(rig, name)
        assert NO_NAME in answer and b"ng " + name + b" pre-receive hook declined" in answer, (what, answer)
        line = rig.gate.line(verdict="block", reason="git-refused", repository=rig.name)
        assert line["ref"].isprintable() and line["detail"].endswith(NO_NAME.decode()), (what, line)
        assert of_bytes(rig, rig.up) == {b"refs/heads/main"}, what
    assert b"ok refs/heads/good" in push_raw(rig, b"refs/heads/good") and same_mirror(rig)


def test_a_gate_that_was_kept_from_running_tells_of_each_ref_that_a_session_refused(rig):
    """A refusal waits for nobody: the session may have said all, and ended, before the gate reads a word of it."""
    names = [b"refs/heads/good", *(b"refs/heads/bad.%d." % number for number in range(12))]
    with push_begun(rig) as sock:
        rig.gate.process.send_signal(signal.SIGSTOP)
        try:
            sock.sendall(b"".join(map(line_of, commands(rig, *names))) + b"0000" + pack())
            assert to_the_end(sock).count(b" pre-receive hook declined") == len(names)
            wait_for(lambda: sessions(rig.gate) == [], "the end of the session")
        finally:
            rig.gate.process.send_signal(signal.SIGCONT)
    wait_for(lambda: len(rig.gate.lines) >= len(names), "a line for each")
    assert [line["ref"].encode() for line in rig.gate.lines] == names
    assert all((line["verdict"], line["reason"]) == ("block", "git-refused") for line in rig.gate.lines), rig.gate.lines
    assert b"ok refs/heads/good" in push_raw(rig, b"refs/heads/good") and same_mirror(rig)  # the control: not when it is alone
    assert rig.gate.line(ref="refs/heads/good", verdict="allow")


def test_what_git_has_for_a_name_is_one(rig):
    """However it looks: the upstream gets it, the audit shows it in printable ASCII, and a fetch has it."""
    names = {b"refs/heads/-x": "refs/heads/-x", b"refs/heads/--force": "refs/heads/--force", b"refs/heads/@": "refs/heads/@",
             b"refs/heads/\xff\xfe": "refs/heads/\\xff\\xfe", b"refs/heads/gr\xc3\xbcn": "refs/heads/gr\\xc3\\xbcn",
             b"refs/heads/" + b"/".join([b"y" * 200] * 5)[:1013]: None}
    for name, shown in names.items():
        rig.gate.forget()
        assert b"ok " + name + b"\n" in push_raw(rig, name), name
        line = rig.gate.line(method="push", verdict="allow")
        assert line["ref"] == shown if shown else line["ref"].startswith("refs/heads/yyy") and len(line["ref"]) < 600, line
    assert of_bytes(rig, rig.up) == of_bytes(rig, rig.mirror(rig.name)) == {b"refs/heads/main", *names}


def test_a_name_that_two_gits_would_read_in_two_ways_moves_nothing(rig):
    """Behind the colon git push sees another ref, and before it a commit that a tree of the agent's names: a way around push.allow."""
    rig.apply(push={rig.name: {"allow": ["refs/heads/agent/*"]}})
    one = clone(rig)
    wanted = rig.commit(one, text="not for main\n")
    assert "push.allow" in rig.git("push", "origin", "HEAD:main", at=one, ok=False)
    rig.git("push", "--quiet", "origin", "HEAD:refs/heads/agent/a", at=one)
    rig.git("update-index", "--add", "--cacheinfo", f"160000,{wanted},refs/heads/agent/x", at=one)
    rig.git("commit", "--quiet", "-m", "a link of this name", at=one)
    new = rig.git("rev-parse", "HEAD", at=one).strip()
    rig.git("push", "--quiet", "origin", "HEAD:refs/heads/agent/b", at=one)
    before = rig.refs(rig.up)
    assert before == {"refs/heads/main": rig.first, "refs/heads/agent/a": wanted, "refs/heads/agent/b": new}
    for old in NONE, rig.first.encode():
        assert NO_NAME in push_raw(rig, b"refs/heads/agent/x:refs/heads/main", new=new, old=old)
        assert rig.refs(rig.up) == before
    assert b"ok refs/heads/agent/x" in push_raw(rig, b"refs/heads/agent/x", new=new)


def test_a_ref_that_is_named_as_a_commit_is_not_what_is_pushed(rig):
    """Before the colon git push looks for a ref of that name first, and for an object then: a way around push.force."""
    rig.apply(push={rig.name: {"force": False}})
    one = clone(rig)
    rig.git("checkout", "--quiet", "--orphan", "other", at=one)
    other = rig.commit(one, text="nothing that follows main\n")
    rig.git("checkout", "--quiet", "main", at=one)
    follows = rig.commit(one)
    rig.git("push", "--quiet", "origin", "other", at=one)
    assert "push.force" in rig.git("push", "--force", "origin", "other:main", at=one, ok=False)
    rig.git("push", "--quiet", "origin", f"{other}:refs/heads/{follows}", at=one)
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert rig.refs(rig.up) == {"refs/heads/main": follows, "refs/heads/other": other, f"refs/heads/{follows}": other}
    assert same_mirror(rig) and rig.gate.line(method="push", ref="refs/heads/main", verdict="allow")["new"] == follows


def test_what_is_pushed_is_itself_and_not_what_it_names(rig):
    """A tag, a tree and a blob of the agent's get there as they are."""
    one = clone(rig)
    rig.git("tag", "-m", "a tag", "t", at=one)
    rig.git("tag", "-m", "a tag of it", "tt", "t", at=one)
    ids = [rig.git("rev-parse", name, at=one).strip() for name in ("tt", "HEAD^{tree}", "HEAD:file")]
    names = ["refs/tags/tt", "refs/tags/tree", "refs/tags/blob"]
    rig.git("push", "--quiet", "origin", *(f"{new}:{name}" for new, name in zip(ids, names)), at=one)
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first, **dict(zip(names, ids))} and same_mirror(rig)


def test_a_ref_behind_the_name_of_another_is_not_moved_in_its_place(rig):
    """Behind the colon git push takes refs/heads/refs/heads/x for a refs/heads/x that the upstream has not: a way around push.allow."""
    rig.apply(push={rig.name: {"allow": ["refs/heads/agent/*"]}})
    one = clone(rig)
    new = rig.commit(one)
    rig.git("push", "--quiet", "origin", "HEAD:refs/heads/agent/a", at=one)
    for folder in "refs", "refs/heads", "refs/tags", "refs/remotes":
        rig.run("git", "-C", rig.up, "update-ref", f"{folder}/refs/heads/agent/x", rig.first)
        before = rig.refs(rig.up)
        assert "push.allow" in rig.git("push", "--force", "origin", f"HEAD:{folder}/refs/heads/agent/x", at=one, ok=False)
        for old in NONE, rig.first.encode():
            for wanted in new.encode(), NONE:
                answer = push_raw(rig, b"refs/heads/agent/x", new=wanted.decode(), old=old)
                assert b"ng refs/heads/agent/x" in answer, (folder, old, wanted, answer)
                assert rig.refs(rig.up) == before, (folder, old, wanted)
        rig.run("git", "-C", rig.up, "update-ref", "-d", f"{folder}/refs/heads/agent/x")
    assert b"ok refs/heads/agent/x" in push_raw(rig, b"refs/heads/agent/x", new=new)
    assert b"ok refs/heads/agent/x" in push_raw(rig, b"refs/heads/agent/x", new=rig.first, old=new.encode())
    assert rig.refs(rig.up)["refs/heads/agent/x"] == rig.first


def test_a_line_end_in_a_name_does_not_make_two_of_it(rig):
    """Hooks are told of refs in lines."""
    second = b" ".join([NONE, rig.first.encode(), b"refs/heads/b"])
    for name, words, lines in ((b"refs/heads/a\n", "a command of the push is malformed", 1), (b"refs/heads/a\nb", "a command of the push is malformed", 1),
                               (b"refs/heads/a\n" + second, "what git hands over is not what was looked at", 2)):
        rig.gate.forget()
        answer = push_raw(rig, name)
        assert f"git-gate: the push is refused: {words}".encode() in answer and b"ng refs/heads/a" in answer, answer
        rig.gate.line(verdict="block", reason="git-refused", repository=rig.name)
        wait_for(lambda: len(rig.gate.lines) == lines, "all lines")
        assert {line["verdict"] for line in rig.gate.lines} == {"block"}
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and same_mirror(rig)


def test_a_name_that_is_too_long_is_refused(rig):
    for size in 1025, 4000, 65000:
        rig.gate.forget()
        answer = push_raw(rig, b"refs/heads/" + b"/".join([b"y" * 200] * 330)[:size - 11])
        assert b"git-gate: the push is refused: the name of a ref is too long" in answer, answer[:300]
        assert rig.gate.line(verdict="block", reason="git-refused", repository=rig.name)["detail"] == "the name of a ref is too long"
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}


def many(rig, at, count):
    """Tags in a clone."""
    with open(os.path.join(at, ".git", "packed-refs"), "w", encoding="ascii") as file:
        file.writelines(f"{rig.first} refs/tags/t{number:07}\n" for number in range(count))


def test_as_many_refs_as_may_be_at_once_go_and_one_more_does_not(rig):
    one = clone(rig)
    many(rig, one, AT_ONCE + 1)
    output = rig.git("push", "--quiet", "--tags", at=one, ok=False)
    words = "it names too many refs; push fewer at a time"
    assert f"git-gate: the push is refused: {words}" in "\n".join(remote_words(output))
    line = rig.gate.line(method="push", verdict="block")
    assert (line["reason"], line["detail"]) == ("git-refused", words) and "ref" not in line
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}
    many(rig, one, AT_ONCE)
    rig.gate.forget()
    rig.git("push", "--quiet", "--tags", at=one)
    assert len(rig.refs(rig.up)) == AT_ONCE + 1 and same_mirror(rig)
    wait_for(lambda: sum(line["verdict"] == "allow" and line.get("ref", "").startswith("refs/tags/t") for line in rig.gate.lines) == AT_ONCE,
             "a line for each")


def high_water(pid):
    """Bytes of memory that a process has had at most; 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def test_a_million_refs_are_refused_in_bounded_memory(rig):
    one = f"{NONE.decode()} {rig.first} refs/heads/x%07d"
    size = len(one % 0) + 4
    lines = "".join(f"{size:04x}{one % number}" for number in range(1, 1000000)).encode()
    first = line_of((one % 0).encode() + b"\0 report-status side-band-64k")
    with push_begun(rig) as sock:
        sock.sendall(first + lines + b"0000" + pack())
        words = b"git-gate: the push is refused: it names too many refs; push fewer at a time"
        said = b""
        while words not in said:
            part = sock.recv(4096)
            assert part, said[-300:]
            said += part
        assert 0 < high_water(sessions(rig.gate)[0]) < 300 << 20
        assert sum(high_water(pid) for pid in rig.gate.children()) < 1 << 30
    assert rig.gate.line(verdict="block", repository=rig.name)  # it is over
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}
    assert b"ok refs/heads/good" in push_raw(rig, b"refs/heads/good") and nothing_left(rig)
