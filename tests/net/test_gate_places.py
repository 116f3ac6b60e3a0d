# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret in each place that a push has, through the whole gate: refused, the upstream is as it was, and the gate keeps nothing of it.
What is told of each find, and further places, are in tests/unit/test_push_places.c."""
import base64

import pytest

from gate_rig import clone, nothing_left, remote_words, same_mirror, sessions
from gate_rig import rig, shared_gate  # noqa: F401 (fixtures)
from spaces import wait_for

SECRET = "rB7q" + "Xw2LkP9vTzN4mYc"  # 19 bytes: its base64 has no padding that is not its own
WRITINGS = {"plain": SECRET, "base64": base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")}
COMMIT = "git add -A && git commit -qm change"

# Each is a script that makes branch x, which is pushed, with the text $S in it. Behind it what else is pushed.
PLACES = {
    "a file": (f'echo "key: $S" >new && {COMMIT}',),
    "a binary file": (f'{{ head -c 70000 /dev/zero; printf "\\001%s\\377" "$S"; head -c 70000 /dev/zero; }} >new && {COMMIT}',),
    "an earlier commit": (f'echo "$S" >gone && {COMMIT} && git rm -q gone && git commit -qm gone',),
    "a merge": (f'git branch -q y && echo "$S" >new && {COMMIT} && git switch -q y && echo b >b && {COMMIT} && git merge -q --no-ff -m m x && '
                "git rm -q new && git commit -qm clean && git branch -f x y && git switch -q x",),
    "a delta": (f'git show y0:numbers >numbers && echo "$S" >>numbers && {COMMIT}',),
    "a symlink": (f'ln -s "/tmp/$S" new && {COMMIT}',),
    "a message": ('git commit -q --allow-empty -m "subject" -m "body $S"',),
    "an author": ('GIT_AUTHOR_NAME="$S" git commit -q --allow-empty -m m',),
    "a committer": ('GIT_COMMITTER_EMAIL="$S@x" git commit -q --allow-empty -m m',),
    "a path": (f'mkdir "$S" && echo a >"$S/a" && {COMMIT}',),
    "gzip": (f'printf "a\\n%s\\n" "$S" | gzip >new.gz && {COMMIT}',),
    "a zip": (f'echo "$S" >f && python3 -m zipfile -c new.zip f && rm f && {COMMIT}',),
    "a tar": (f'echo "$S" >f && tar cf new.tar f && rm f && {COMMIT}',),
    "a tag": ('git tag -f -a -m "$S" t', "t"),
    "a note": ('git notes add -f -m "$S" HEAD', "refs/notes/commits"),
    "the name of a ref": (":", 'x:refs/heads/agent/"$S"'),
    "a push option": (":", '--push-option="$S"'),
}


def make(rig, at, place, text):
    """Makes the push; returns its words behind "origin"."""
    script, *more = PLACES[place]
    rig.git("switch", "--quiet", "-f", "-C", "x", "y0", at=at)
    rig.git("tag", "-f", "t", at=at)
    rig.git("branch", "-D", "y", at=at, ok=None)
    rig.run("sh", "-ec", script, cwd=at, environment={"S": text})
    return [word.replace('"$S"', text) for word in more] + ["x"]


def objects(rig):
    return rig.run("git", "-C", rig.mirror(rig.name), "cat-file", "--batch-all-objects", "--batch-check")


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_secret_leaves_from_nowhere_and_nothing_of_it_stays(rig, writing):
    rig.run("git", "-C", rig.up, "config", "receive.advertisePushOptions", "true")
    rig.apply(known={"FORGE_TOKEN": SECRET})
    at = clone(rig)
    rig.commit(at, name="numbers", text="".join(f"{number}\n" for number in range(3000)))
    rig.git("branch", "--quiet", "y0", at=at)
    rig.git("push", "--quiet", "origin", "y0:main", at=at)
    wait_for(lambda: not sessions(rig.gate), "its end")
    refs, kept = rig.refs(rig.up), objects(rig)
    for place in PLACES:
        output = rig.git("push", "--porcelain", "origin", *make(rig, at, place, WRITINGS[writing]), at=at, ok=False)
        assert any("git-gate: " in line and "FORGE_TOKEN" in line for line in remote_words(output)), (place, output)
        assert "[remote rejected] (pre-receive hook declined)" in output and WRITINGS[writing] not in "\n".join(remote_words(output)), (place, output)
        wait_for(lambda: not sessions(rig.gate), "its end")
        assert rig.refs(rig.up) == refs and objects(rig) == kept and nothing_left(rig), place
    assert same_mirror(rig)
    for text in WRITINGS.values():
        assert text not in str(rig.gate.lines)


def test_the_same_without_it_goes(rig):
    rig.run("git", "-C", rig.up, "config", "receive.advertisePushOptions", "true")
    rig.apply(known={"FORGE_TOKEN": SECRET})
    at = clone(rig)
    rig.commit(at, name="numbers", text="".join(f"{number}\n" for number in range(3000)))
    rig.git("branch", "--quiet", "y0", at=at)
    words = set()
    for number, place in enumerate(PLACES):
        words.update(make(rig, at, place, "harmless-words"))
        rig.git("branch", f"z{number}", "x", at=at)
    rig.git("push", "--quiet", "origin", *sorted(words), "refs/heads/z*:refs/heads/z*", at=at)
    assert same_mirror(rig) and len(rig.refs(rig.up)) == 1 + len(PLACES) + 4  # main; x, agent/harmless-words, the tag, the note
