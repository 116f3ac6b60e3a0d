# SPDX-License-Identifier: GPL-3.0-or-later
"""What the git-gate costs: wall time of git commands through it beside the same directly (file://, which has no ssh either), in turn,
the best of each. gate.py [ROUNDS]"""
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
from gate_rig import Rig, clean_environment  # noqa: E402
from spaces import wait_for  # noqa: E402

COMMITS, LARGE, GATE = 10000, 200 << 20, 61005


def history(commits, start=0, parent=None):
    """A fast-import stream: commits that each change two of 500 files."""
    dice, lines = random.Random(start), []
    for number in range(start, start + commits):
        lines.append(f"commit refs/heads/main\ncommitter A <a@example.com> {1700000000 + number} +0000\ndata 10\ncommit {number % 1000:03}\n")
        if number == start and parent:
            lines.append(f"from {parent}\n")
        for _ in range(2):
            text = "".join(f"line {dice.random():.6f} of the text\n" for _ in range(20))
            lines.append(f"M 644 inline dir{dice.randrange(20)}/file{dice.randrange(25)}\ndata {len(text)}\n{text}\n")
    return "".join(lines).encode()


def fast_import(at, stream):
    subprocess.run(["git", "-C", at, "-c", "core.compression=1", "fast-import", "--quiet", "--force"], input=stream, check=True)


def timed(call):
    start = time.monotonic()
    call()
    return time.monotonic() - start


def compare(name, direct, through, rounds):
    pairs = [(timed(direct), timed(through)) for _ in range(rounds)]
    one, two = (min(column) for column in zip(*pairs))
    print(f"{name:52} {one:7.2f} s  {two:7.2f} s  {two / one:5.2f}", flush=True)


def bitmap(rig, name):
    """Upkeep of the mirror is done."""
    folder = os.path.join(rig.mirror(name), "objects")
    wait_for(lambda: any(one.endswith(".bitmap") for one in os.listdir(os.path.join(folder, "pack"))) and
             os.path.exists(os.path.join(folder, "info", "commit-graph")), f"the bitmap of {name}")


def ahead(rig, name):
    """The mirror is made by the gate itself, as at the start of a bottle."""
    repos, other = dict(rig.repos), f"{name}-ahead"
    rig.repos.clear()
    rig.repos[other] = repos[name]
    start = time.monotonic()
    rig.apply(prefetch=True)
    rig.gate.line(method="prefetch", repository=other, verdict="allow")
    fetched = time.monotonic() - start
    bitmap(rig, other)
    print(f"  fetched {fetched:.2f} s behind the policy, with a bitmap after {time.monotonic() - start:.2f} s", flush=True)
    rig.repos.update(repos)
    rig.apply()
    bitmap(rig, name)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rig = Rig()
    try:
        work = rig.path("work")

        def clone(url, to="clone"):
            shutil.rmtree(os.path.join(work, to), ignore_errors=True)
            rig.git("clone", "--quiet", "--bare", url, to)
        many, large = rig.upstream("many"), rig.upstream("large")
        fast_import(many, history(COMMITS))
        rig.run("git", "-C", many, "repack", "-adq")
        fast_import(large, b"commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 1\nx\n" + b"".join(
            f"M 644 inline blob{number}\ndata {LARGE // 20}\n".encode() + os.urandom(LARGE // 20) + b"\n" for number in range(20)))
        rig.run("git", "-C", large, "-c", "core.bigFileThreshold=1m", "repack", "-adq")  # nothing in it is like anything else
        rig.apply()
        print(f"{'':52} {'direct':>7}    {'gate':>7}    ratio")
        for name, path, what in ("many", many, f"{COMMITS} commits"), ("large", large, "200 MB"):
            def first():
                shutil.rmtree(rig.mirror(name), ignore_errors=True)
                clone(rig.url(name))
            compare(f"clone of {what}, of which there is no mirror", lambda: clone(f"file://{path}"), first, rounds)
            ahead(rig, name)
            compare(f"clone of {what}", lambda: clone(f"file://{path}"), lambda: clone(rig.url(name)), rounds)
        compare("ls-remote", lambda: rig.git("ls-remote", f"file://{many}"), lambda: rig.git("ls-remote", rig.url("many")), rounds * 3)
        for to in "direct", "through":
            clone(f"file://{many}", to)
        numbers = iter(range(COMMITS, 10 * COMMITS, 100))

        def news():
            start = next(numbers)
            fast_import(many, history(100, start, rig.refs(many)["refs/heads/main"]))

        def fetch(to, url):
            rig.git("fetch", "--quiet", url, "+refs/heads/*:refs/heads/*", at=os.path.join(work, to))

        def packed_anew():
            """The mirror, which has forgotten the ref by then. A lock of the gate's own upkeep goes with the next request."""
            rig.git("ls-remote", rig.url("many"))
            repack = ["setpriv", f"--reuid={GATE}", f"--regid={GATE}", "--clear-groups", "git", "-C", rig.mirror("many"), "repack", "-adq"]
            return subprocess.run(repack, env=clean_environment(), capture_output=True).returncode == 0

        pairs = []
        for _ in range(rounds):
            news()
            pairs.append((timed(lambda: fetch("direct", f"file://{many}")), timed(lambda: fetch("through", rig.url("many")))))
        one, two = (min(column) for column in zip(*pairs))
        print(f"{'fetch of 100 new commits':52} {one:7.2f} s  {two:7.2f} s  {two / one:5.2f}")
        for commits, times in (1, 5 * rounds), (100, 3 * rounds), (COMMITS, rounds):
            source = os.path.join(work, f"source{commits}")
            clone(f"file://{many}", source)
            fast_import(source, history(commits, 500000, rig.refs(many)["refs/heads/main"]))
            rig.run("git", "-C", source, "-c", "repack.writeBitmaps=false", "repack", "-adq")  # as a clone with a working tree has it

            def push(to, url):
                rig.git("push", "--quiet", url, f"main:refs/heads/{to}", at=source)

            pairs = []
            for _ in range(times):
                pair = []
                for to, url in ("direct", f"file://{many}"), ("through", rig.url("many")):
                    pair.append(timed(lambda: push(to, url)))
                    rig.run("git", "-C", many, "update-ref", "-d", f"refs/heads/{to}")
                    rig.run("git", "-C", many, "reflog", "expire", "--expire=now", "--all")
                    rig.run("git", "-C", many, "gc", "--quiet", "--prune=now")
                    wait_for(packed_anew, "the end of the gate's own upkeep")
                pairs.append(pair)
            one, two = (min(column) for column in zip(*pairs))
            print(f"{f'push of {commits} commits':52} {one:7.3f} s {two:7.3f} s  {two / one:5.2f}", flush=True)
    finally:
        rig.close()


if __name__ == "__main__":
    main()
