# SPDX-License-Identifier: GPL-3.0-or-later
"""Completion, in the shells themselves: each loads the script as its users would, is given a line and a key, and what it makes of
the line is compared. No engine is asked for it."""
import os
import pty
import re
import shutil
import subprocess

import pytest

from spaces import wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOSTCTL = os.path.join(os.environ.get("STOPPER_BUILD", os.path.join(ROOT, "build", "release")), "hostctl")
PACKAGES = {"bash": "bash", "zsh": "zsh", "fish": "fish"}
LIBRARY = "/usr/share/bash-completion/bash_completion"
FILES = ["own.yaml", "sub"]
KINDS = ["control", "dns", "git", "http", "lifecycle", "packet", "tcp", "tls"]

BASH = """
bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; bind '"\\C-xa": insert-completions'
source {library}; PS1='> '; : >ready
"""
ZSH = """
fpath=($PWD/../scripts $fpath); autoload -Uz compinit; compinit -u -d $PWD/../dump; PS1='> '; bindkey -e; unset zle_bracketed_paste
zle -C all-matches complete-word _generic; bindkey '^Xa' all-matches
zstyle ':completion:all-matches:*' insert true; zstyle ':completion:all-matches::::' completer _all_matches _complete
: >ready
"""


class Shell:
    """A user at a shell: a home, a folder with files, two bottles that are there, one that is gone, and an agent."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("work/sub", "work/.stopper/agents", "config/stopper/agents", "config/stopper/bottles", "home", "bin", "scripts",
                     "state/stopper/audit", "state/stopper/bottles/blue", "state/stopper/bottles/brown", "completions/completions"):
            (folder / name).mkdir(parents=True)
        (folder / "state/stopper/bottles").chmod(0o700)
        (folder / "state/stopper/audit/gone.20260101T000000.000001.jsonl").write_text("")
        for name in ("config/stopper/agents/reviewer.md", "work/.stopper/agents/helper.md", "config/stopper/bottles/base.md", "work/own.yaml",
                     "work/.stopper/agents/bad name.md"):
            (folder / name).write_text("")
        (folder / "bin/hostctl").symlink_to(HOSTCTL)
        for engine in "podman", "docker", "container":  # whoever asks one is found out
            (folder / "bin" / engine).write_text(f"#!/bin/sh\n: >{folder}/asked\n")
            (folder / "bin" / engine).chmod(0o755)
        self.environment = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": f"{folder}/home", "TERM": "dumb", "COLUMNS": "200",
                            "XDG_STATE_HOME": f"{folder}/state", "XDG_CONFIG_HOME": f"{folder}/config", "LC_ALL": "C.UTF-8",
                            "XDG_DATA_HOME": f"{folder}/home", "BASH_COMPLETION_USER_DIR": f"{folder}/completions",
                            **{name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}}

    def run(self, *argv):
        return subprocess.run(argv, env=self.environment, cwd=self.folder / "work", capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, check=False)

    def script(self, shell):
        done = self.run("hostctl", "completions", shell)
        assert (done.returncode, done.stderr) == (0, "") and done.stdout
        return done.stdout


class Typed(Shell):
    """A shell with a terminal: the line is typed, a key inserts all candidates, and the line is made a command that writes its own
    words into a file."""
    argv = None

    def __init__(self, folder, number=0):
        super().__init__(folder)
        self.prepare()
        self.number, (self.terminal, other) = number, pty.openpty()
        self.process = subprocess.Popen(["setsid", "--ctty", *self.argv], stdin=other, stdout=other, stderr=other, env=self.environment,
                                        cwd=folder / "work", close_fds=True)
        os.close(other)
        os.set_blocking(self.terminal, False)
        self.wait(lambda: (folder / "work" / "ready").exists() and b"> " in self.seen, "the prompt")
        (folder / "work" / "ready").unlink()

    def prepare(self):
        """Puts the script where the shell looks for it."""

    def wait(self, question, what):
        self.seen = b""

        def asked():
            try:  # the terminal has to be read, or the shell waits
                self.seen += os.read(self.terminal, 65536)
            except BlockingIOError:
                pass
            return question()
        wait_for(asked, what)

    def candidates(self, line):
        self.number += 1
        out = self.folder / f"out{self.number}"
        os.write(self.terminal, f"hostctl {line}\x18a\x05; mv {out}.new {out}\x01>{out}.new printf '%s\\n' \r".encode())
        self.wait(out.exists, line)
        words = out.read_text().splitlines()
        before = line.split(" ")[:-1]
        assert words[:len(before) + 1] == ["hostctl", *before], words
        return [word.rstrip("/") for word in words[len(before) + 1:] if word != ".stopper"]  # bash shows it, others do not

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


class Bash(Typed):
    def prepare(self):
        assert os.path.exists(LIBRARY), "bash-completion is missing: install Debian's package bash-completion"
        (self.folder / "completions/completions/hostctl").write_text(self.script("bash"))
        (self.folder / "rc").write_text(BASH.format(library=LIBRARY))
        self.argv = ["bash", "--noprofile", "--rcfile", str(self.folder / "rc"), "-i"]


class Zsh(Typed):
    def prepare(self):
        (self.folder / "scripts/_hostctl").write_text(self.script("zsh"))
        (self.folder / "home/.zshrc").write_text(ZSH)
        self.argv = ["zsh", "-d", "-i"]


class Fish(Shell):
    def __init__(self, folder):
        super().__init__(folder)
        scripts = folder / "config/fish/completions"
        scripts.mkdir(parents=True)
        (scripts / "hostctl.fish").write_text(self.script("fish"))

    def candidates(self, line):
        done = self.run("fish", "--private", "-c", "complete --do-complete $argv[1]", f"hostctl {line}")
        assert (done.returncode, done.stderr) == (0, ""), done
        return [word.partition("\t")[0].rstrip("/") for word in done.stdout.splitlines()]

    def close(self):
        pass


@pytest.fixture(scope="module", params=[Bash, Zsh, Fish], ids=["bash", "zsh", "fish"])
def shell(request, tmp_path_factory):
    name = request.param.__name__.lower()
    assert shutil.which(name), f"{name} is missing: install Debian's package {PACKAGES[name]}"
    made = request.param(tmp_path_factory.mktemp(name))
    yield made
    made.close()
    assert not (made.folder / "asked").exists()


def commands():
    out = subprocess.run([HOSTCTL, "--help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  (\w+) +\S", out, re.M)


@pytest.mark.parametrize("line, wanted", [
    ("", [*commands(), "help"]),
    ("st", ["status"]),
    ("help ex", ["exec", "explain"]),
    ("init ", ["apt", "git", "go", "npm", "pip"]),
    ("init npm g", ["git", "go"]),
    ("completions ", ["bash", "fish", "zsh"]),
    ("up ", ["helper", "reviewer"]),
    ("up -f ", FILES),
    ("up --uplink ", ["nat", "pasta"]),
    ("up --runtime ", ["apple", "docker", "netns", "podman"]),
    ("up --runtime=p", ["--runtime=podman"]),
    ("up -f own.yaml --me", ["--memory"]),
    ("down blue b", ["blue", "brown"]),
    ("status --", ["--help", "--json"]),
    ("status --json --", ["--help"]),
    ("logs --kind ", KINDS),
    ("logs --kind=t", ["--kind=tcp", "--kind=tls"]),
    ("logs -f ", ["blue", "brown", "gone", *FILES]),
    ("validate ", ["base", "helper", "reviewer", *FILES]),
    ("explain base P", ["PATCH", "POST", "PUT"]),
    ("explain -f own.yaml D", ["DELETE"]),
    ("ps --j", ["--json"]),
])
def test_a_shell_completes(shell, line, wanted):
    found = shell.candidates(line)
    # in one argument of bash's line "--kind=" is written once
    assert sorted(found) == sorted(wanted) or (isinstance(shell, Bash) and line == "logs --kind=t" and found == ["--kind=tcp", "tls"]), found


@pytest.mark.parametrize("line", ["exec blue -- l", "bogus x", "explain base GET h", "up -n x"])
def test_a_shell_has_nothing_to_say(shell, line):
    assert shell.candidates(line) in ([], [line.split(" ")[-1]])  # what was typed stays


@pytest.mark.parametrize("command", commands())
def test_every_option_and_operand_is_of_a_known_kind(tmp_path, command):
    user = Shell(tmp_path)
    options = re.findall(r"^  .{4}--([a-z-]+)( \S+)?", user.run("hostctl", command, "--help").stdout, re.M)
    offered = user.run("hostctl", "completions", "words", "--", command, "-").stdout
    assert re.findall(r"^--([a-z-]+)\t", offered, re.M) == [name for name, _ in options] + ["help"]
    for words in [[f"--{name}", ""] for name, argument in options if argument] + [["x"] * count + [""] for count in range(3)]:
        done = user.run("hostctl", "completions", "words", "--", command, *words)
        assert (done.returncode, done.stderr) == (0, "") and ":unknown" not in done.stdout, (words, done)
    assert ":unknown" not in offered


def test_hostile_names_are_no_candidates(tmp_path):
    user = Shell(tmp_path)
    for name in "$(id)", "a\nb", "-x", "UPPER", "..b":
        (tmp_path / "state/stopper/bottles" / name).mkdir()
        (tmp_path / "config/stopper/agents" / f"{name}.md").write_text("")
    assert user.run("hostctl", "completions", "words", "--", "down", "").stdout == "blue\tbottle\nbrown\tbottle\n"
    found = user.run("hostctl", "completions", "words", "--", "up", "").stdout.splitlines()
    assert sorted(found) == ["UPPER\tagent", "helper\tthis repository's agent", "reviewer\tagent"]


def test_words_that_are_wrong(tmp_path):
    user = Shell(tmp_path)
    for words in [], ["csh"], ["bash", "zsh"], ["bash", "--", "x"]:
        done = user.run("hostctl", "completions", *words)
        assert (done.returncode, done.stdout) == (2, "") and "name one shell: bash, zsh or fish" in done.stderr
