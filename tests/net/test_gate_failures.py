# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in the middle of a request to stopper-gate: upstreams that go away, pushes that race, sessions and gates that
are killed. It is said in git's own voice, and nothing is left half done."""
import contextlib
import os
import re
import signal
import threading

from gate_rig import NOT_RESOLVED, clone, half_a_push, hook, leftovers, nothing_left, others, results, same_mirror, sessions
from gate_rig import own, rig, shared_gate  # noqa: F401 (fixtures)
from spaces import WAIT, alive, wait_for


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
    assert nothing_left(rig) and rig.refs(rig.up) == {"refs/heads/main": new} and same_mirror(rig)


def test_a_client_that_goes_in_the_middle_leaves_nothing(rig):
    one = clone(rig)
    rig.commit(one, text="y" * 5000)
    half_a_push(rig, one).close()
    wait_for(lambda: not sessions(rig.gate), "its end")
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}
    new = rig.commit(one)
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert nothing_left(rig) and rig.refs(rig.up) == {"refs/heads/main": new}


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
        assert nothing_left(rig)
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


def test_a_ref_of_many_folders_is_no_end_of_the_gate(own):
    """The gate sweeps its mirrors when it begins, and a loose ref is as deep as its name says."""
    one = clone(own)
    name = "refs/heads/" + "/".join("d" * 200)
    own.git("push", "--quiet", "origin", f"HEAD:{name}", at=one)
    assert os.path.exists(os.path.join(own.mirror(own.name), name))
    own.gate.kill()
    own.gate.start()
    own.apply()
    assert f"{own.first}\t{name}\n" in own.git("ls-remote", own.url(own.name))
    assert own.refs(own.up) == own.refs(own.mirror(own.name)) == {"refs/heads/main": own.first, name: own.first}
