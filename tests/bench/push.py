# SPDX-License-Identifier: GPL-3.0-or-later
"""What looking through a push of 10,000 commits costs, beside `git log -p` of the same commits, in turn: wall time and CPU time of all
processes, the least of each. The history is made from the machine's own C headers. push.py [ROUNDS]"""
import glob
import os
import random
import resource
import subprocess
import sys
import tempfile
import time

COMMITS = 10000
BUILD = os.environ["STOPPER_BUILD"]
ENV = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C"}


def history():
    """A fast-import stream: 400 files, then commits that each change some lines in one to five of them."""
    dice, source = random.Random(5), []
    for path in sorted(glob.glob("/usr/include/*.h")):
        with open(path, encoding="utf-8", errors="replace") as file:
            source += file.read().split("\n")
    if len(source) < 10000:
        sys.exit("push.py: no headers in /usr/include: install Debian's package libc6-dev")
    names = [f"src/{a}/{b}/file{c}.c" for a in ("core", "net", "ui", "db") for b in "xyzw" for c in range(25)]
    files = {name: source[at:at + dice.randrange(60, 300)] for name in names for at in [dice.randrange(len(source) - 300)]}
    for number in range(COMMITS + 1):
        message = f"core: change {number}\n\n" + " ".join(dice.choice(source).strip()[:60] for _ in range(3)) + "\n"
        yield f"commit refs/heads/main\ncommitter A U Thor <author@example.com> {1700000000 + 60 * number} +0000\n"
        yield f"data {len(message.encode())}\n{message}\n"
        for name in dice.sample(names, dice.choice((1, 1, 1, 2, 2, 3, 5))) if number else names:
            lines = files[name]
            for _ in range(dice.randrange(1, 4)):
                at, new = dice.randrange(len(lines) + 1), dice.randrange(len(source) - 10)
                if len(lines) > 400 or dice.random() < 0.4:
                    del lines[at:at + dice.randrange(1, 8)]
                lines[at:at] = source[new:new + dice.randrange(1, 8)]
            text = "\n".join(lines) + "\n"
            yield f"M 100644 inline {name}\ndata {len(text.encode())}\n{text}\n"


def run(*command, data=None, env=None):
    return subprocess.run(command, input=data, env=ENV | (env or {}), check=True, stdout=subprocess.PIPE).stdout


def timed(command, env):
    """Wall and CPU seconds of a command and all that it started."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env=ENV | env, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(prefix="stopper-bench-") as top:
        full, mirror, quarantine = (os.path.join(top, name) for name in ("full.git", "mirror.git", "quarantine"))
        for repository in (full, mirror):
            run("git", "init", "-q", "--bare", "-b", "main", repository)
        run("git", "-C", full, "fast-import", "--quiet", data="".join(history()).encode())
        run("git", "-C", full, "repack", "-adfq")
        old, new = (run("git", "-C", full, "rev-parse", name).decode().strip() for name in (f"main~{COMMITS}", "main"))
        run("git", "-C", full, "push", "-q", mirror, f"{old}:refs/heads/main")
        os.makedirs(os.path.join(quarantine, "pack"))
        pack = run("git", "-C", full, "pack-objects", "--revs", "--thin", "--stdout", "-q", "--delta-base-offset", data=f"{new}\n^{old}\n".encode())
        run("git", "index-pack", "--stdin", "--fix-thin", data=pack,
            env={"GIT_DIR": mirror, "GIT_OBJECT_DIRECTORY": quarantine, "GIT_ALTERNATE_OBJECT_DIRECTORIES": mirror + "/objects"})
        check = [os.path.join(BUILD, "tests", "check_push"), mirror, quarantine, old, new, "refs/heads/main"]
        print(subprocess.run(check, check=True, stdout=subprocess.PIPE, text=True).stdout, end="")
        # The search's database, which a gate has from the start, is made anew by each run: a push of nothing says what that takes.
        nothing = check[:3] + [old, old, "refs/heads/main"]
        empty = os.path.join(top, "empty")
        os.makedirs(os.path.join(empty, "pack"))
        nothing[2] = empty
        log = ["git", "-C", full, "log", "-p", f"{old}..{new}"]
        rows = [(timed(check, {}), timed(nothing, {}), timed(log, {})) for _ in range(rounds)]
        best = [[min(row[which][kind] for row in rows) for kind in (0, 1)] for which in range(3)]
        own = [best[0][kind] - best[1][kind] for kind in (0, 1)]
        print(f"{'':24}{'wall':>8}{'CPU':>8}")
        print(f"{'looking through it':24}{own[0]:8.2f}{own[1]:8.2f}")
        print(f"{'git log -p':24}{best[2][0]:8.2f}{best[2][1]:8.2f}")
        print(f"{'ratio':24}{own[0] / best[2][0]:8.2f}{own[1] / best[2][1]:8.2f}")


main()
