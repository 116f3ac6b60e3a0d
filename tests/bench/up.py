# SPDX-License-Identifier: GPL-3.0-or-later
"""make bench-up: what `hostctl up` takes, and how much of that is hostctl's own.

Bottles are made by every runtime, on hosts of the tests' own, as users make them. The engine's program is a wrapper (timed.c) that
writes when each command began and ended. hostctl's own share is the time from its start until the command runs, and from the command's
end until its own, without the time in which at least one engine command ran that it waits for: so what it sleeps between two questions
is its own. The commands that it does not wait for (an attached `start`, the `wait` for the sidecar's end) are not taken off.

    up.py [--runs N] [--json FILE] [RUNTIME…]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", folder) for folder in ("net", "e2e")]

# pylint: disable=wrong-import-position
from engines import RUNTIMES  # noqa: E402
from lab import Lab, program  # noqa: E402
from spaces import WAIT, Failed, tied  # noqa: E402

NAMES = "netns", "podman", "rootless", "docker"
OWN_MAX, READY_MAX = 150, 150  # ms: what is asked for
FIGURES = {"up": "until the command runs", "own": "of it hostctl's own", "commands": "engine commands for it",
           "down": "from the command's end", "down_own": "of it hostctl's own", "down_commands": "engine commands for it",
           "ready": "sidecar: start to ready"}


class Timed:
    """A host whose engine, if it has one, is timed."""

    def __init__(self, host):
        self.host, self.log = host, os.path.join(host.dir, "timed")
        self.tool = getattr(host, "tool", None)
        if self.tool is None:
            return
        folder = os.path.join(host.dir, "timed-bin")
        os.mkdir(folder)
        subprocess.run(["cc", "-O2", "-o", os.path.join(folder, self.tool), os.path.join(HERE, "timed.c")], check=True)
        self.environment = {"TIMED_LOG": self.log, "TIMED_PATH": host.environment["PATH"], "PATH": f"{folder}:{host.environment['PATH']}"}

    def commands(self):
        """[(begin, end or None, words)], in nanoseconds."""
        found = {}
        with open(self.log, encoding="utf-8") if os.path.exists(self.log) else open(os.devnull, encoding="utf-8") as log:
            for kind, pid, at, *words in map(str.split, log):
                found[pid] = [int(at), None, words] if kind == "B" else [found[pid][0], int(at), found[pid][2]]
        return list(found.values())

    def run(self):
        """One bottle: {figure: value}, times in ms."""
        host, words = self.host, ("sh", "-c", "echo up; read line")
        open(self.log, "w", encoding="utf-8").close()
        os.chmod(self.log, 0o666)
        environment = {**host.environment, **(self.environment if self.tool else {})}
        began = time.monotonic_ns()
        process = tied(host.command("up", "-f", host.manifest, "--name", "bench", *host.options, "--", *words), env=environment, cwd=host.dir,
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            if process.stdout.readline() != b"up\n":
                raise Failed(process.stderr.read().decode())
            up = time.monotonic_ns()
            status = json.loads(host.hostctl("status", "bench", "--json").stdout)
            told = time.monotonic_ns()
            process.stdin.write(b"\n")
            process.stdin.close()
            if process.wait(WAIT) != 0:
                raise Failed(process.stderr.read().decode())
            gone = time.monotonic_ns()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
        waited = [(begin, end) for begin, end, words in self.commands() if end is not None and not is_background(words)]
        if self.listing:
            for begin, end, line in sorted(self.commands()):
                print(f"  {(begin - began) / 1e6:8.1f} {((end or gone) - begin) / 1e6:8.1f} {' '.join(line)[:150]}")
        first, last = [each for each in waited if each[0] < up], [each for each in waited if each[0] > told]
        return {"up": (up - began) / 1e6, "own": own(began, up, first) / 1e6, "commands": len(first), "down": (gone - told) / 1e6,
                "down_own": own(told, gone, last) / 1e6, "down_commands": len(last), "ready": status["ready_ms"]}

    listing = False


def is_background(words):
    """Those that hostctl does not wait for: the agent's session, and the question after the sidecar's end."""
    return words[0] == "wait" or (words[0] == "start" and "--attach" in words)


def own(begin, end, commands):
    """The time in [begin, end] that no command covers."""
    rest, at = 0, begin
    for one, other in sorted(commands):
        rest += max(0, min(one, end) - at)
        at = max(at, other)
    return rest + max(0, end - at)


def measure(host, runs, listing=False):
    """[{figure: value} a run] after one run that warms caches."""
    timed = Timed(host)
    timed.run()
    timed.listing = listing
    return [timed.run() for _ in range(runs)]


def say(values):
    print(f"\n{'median (least to most)':26}" + "".join(f"{name:>26}" for name in values))
    for figure, words in FIGURES.items():
        cells = []
        for of in values.values():
            each = [run[figure] for run in of]
            unit = "" if figure.endswith("commands") else " ms"
            cells.append(f"{statistics.median(each):.0f}{unit} ({min(each):.0f} to {max(each):.0f})")
        print(f"{words:26}" + "".join(f"{cell:>26}" for cell in cells))
    for name, of in values.items():
        middle = {figure: statistics.median(run[figure] for run in of) for figure in ("own", "ready")}
        print(f"{name}: hostctl's own share of up <= {OWN_MAX} ms: {'yes' if middle['own'] <= OWN_MAX else 'NO'};"
              f" sidecar ready <= {READY_MAX} ms: {'yes' if middle['ready'] <= READY_MAX else 'NO'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", metavar="FILE", help="all values, for a closer look")
    parser.add_argument("--list", action="store_true", help="every engine command: when, how long (ms), and its words")
    parser.add_argument("runtimes", nargs="*", default=NAMES, metavar="RUNTIME")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("the benchmark makes namespaces and needs root")
    program("hostctl")
    lab, values = Lab("bench-up"), {}
    try:
        for name in options.runtimes:
            host = RUNTIMES[name](lab)
            try:
                values[name] = measure(host, options.runs, options.list)
            finally:
                host.close()
        say(values)
        if options.json:
            with open(options.json, "w", encoding="ascii") as file:
                json.dump(values, file, indent=1)
    finally:
        lab.close()


if __name__ == "__main__":
    main()
