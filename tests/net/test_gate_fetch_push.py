# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-gate as the agent's git sees it: whatever goes through is as it is directly, fetches, pushes and what the upstream says to them."""
import os

import pytest

from gate_rig import clone, hook, others, remote_words, results, same_mirror
from gate_rig import rig, shared_gate  # noqa: F401 (fixtures)

ZERO = "0" * 40


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
