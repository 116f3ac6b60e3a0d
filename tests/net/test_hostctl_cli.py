# SPDX-License-Identifier: GPL-3.0-or-later
"""hostctl's command line: wrong words and wrong manifests end with 2 and start nothing; help, versions and empty lists. No
bottle is made here: what would make one runs in a namespace without any way out and without a sidecar's programs."""
import json
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("STOPPER_BUILD", os.path.join(ROOT, "build", "release"))
HOSTCTL = os.path.join(BUILD, "hostctl")
EXAMPLES = sorted(name for name in os.listdir(os.path.join(ROOT, "examples")) if name.endswith((".yaml", ".md")))
COMMANDS = ["up", "attach", "down", "ps", "exec", "shell", "forward", "logs", "watch", "pending", "approve", "deny", "reopen", "apply", "status", "doctor", "gc",
            "ca", "init", "validate", "explain", "completions", "version"]
USAGE, FAILED = 2, 125


class Cli:
    """hostctl as root with a home and a state folder of its own, in an own network namespace, alone in its folder: without
    a sidecar's programs no bottle can start."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.state = folder / "state"
        self.known = False
        self.program = shutil.copy(HOSTCTL, folder / "hostctl")

    def __call__(self, *words, uid=None):
        prefix = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "XDG_STATE_HOME": str(self.state)}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        done = subprocess.run(["unshare", "-n", *prefix, self.program, *words], env=env, cwd=self.folder, timeout=30,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def write(self, name, text):
        data = text if isinstance(text, bytes) else text.encode()
        (self.folder / name).write_bytes(data)
        return name

    def gate_ready(self, host, *names):
        """The user has these keys, and knows the host's."""
        ssh, self.known = self.home / ".ssh", True
        if not ssh.exists():
            ssh.mkdir(mode=0o700)
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh / names[0]], check=True)
            for name in names[1:]:
                os.link(ssh / names[0], ssh / name)
            (self.state / "stopper").mkdir(parents=True)
            (self.state / "stopper" / "known_hosts").write_text(
                f"{host} {' '.join((ssh / names[0]).with_suffix('.pub').read_text().split()[:2])}\n")

    def nothing_started(self):
        return not (self.state / "stopper" / "bottles").exists() and (self.known or not self.state.exists())


@pytest.fixture
def cli(tmp_path):
    return Cli(tmp_path)


def test_help_lists_every_command(cli):
    for words in (["--help"], ["-h"], ["help"]):
        status, out, err = cli(*words)
        assert (status, err) == (0, "")
        assert re.findall(r"^  (\w+) +\S", out, re.M) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(cli, command):
    status, out, err = cli(command, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: hostctl {command} ")
    assert cli("help", command) == (0, out, "")


def test_man_page_and_help_agree(cli):
    with open(os.path.join(ROOT, "docs", "hostctl.1"), encoding="utf-8") as file:
        page = file.read()
    assert re.findall(r"^\.It Cm (\w+)$", page, re.M) == COMMANDS
    helped = {name for command in COMMANDS for name in re.findall(r" --([a-z]+)\b", cli(command, "--help")[1])}
    described = set(re.findall(r"^\.It .*\bFl -([a-z]+)", page, re.M))
    assert helped == described


def test_help_behind_the_double_dash_is_the_commands_own(cli):
    manifest = cli.write("a.yaml", "egress: {routes: []}\n")
    status, out, _ = cli("up", "-f", manifest, "--", "--help")
    assert status == FAILED and out == ""  # it went on to look for the sidecar's programs


def test_version(cli):
    status, out, err = cli("version")
    assert (status, err) == (0, "")
    number = re.fullmatch(r"hostctl (\d+\.\d+\.\d+) \(policy protocol 1\)\n", out)[1]
    assert json.loads(cli("version", "--json")[1]) == {"version": number, "protocol": 1}
    assert cli("--version") == (0, out, "")


@pytest.mark.parametrize("words, wanted", [
    ([], "usage: hostctl COMMAND"),
    (["bogus"], 'hostctl: unknown command "bogus"'),
    (["-x"], 'hostctl: unknown command "-x"'),
    (["up"], "hostctl up: -f FILE is missing"),
    (["up", "-f", "a.yaml", "id"], 'hostctl up: the command stands behind "--"'),
    (["up", "-f", "a.yaml", "--"], 'hostctl up: the command stands behind "--"'),
    (["up", "-f"], "hostctl up: --file needs FILE"),
    (["up", "--bogus"], "hostctl up: unknown option --bogus"),
    (["down"], "hostctl down: name the bottles, or --all"),
    (["down", "--all", "x"], "hostctl down: name the bottles, or --all"),
    (["ps", "x"], "hostctl ps: takes no names"),
    (["init"], "hostctl init: name one or several tools: npm, pip, apt, go, git"),
    (["init", "npm", "bogus"], 'hostctl init: "bogus" is no tool that it knows: npm, pip, apt, go, git'),
    (["init", "npm", "--", "pip"], "hostctl init: name one or several tools: npm, pip, apt, go, git"),
    (["init", "npm", "-n", "../x"], 'hostctl init: "../x" is no name of a bottle'),
    (["init", "npm", "-n", "x", "-o", "y.md"], "hostctl init: --name is the name of a bottle of the user's, --output another file"),
    (["exec", "x"], "hostctl exec: name one bottle, and behind"),
    (["exec", "x", "--"], "hostctl exec: name one bottle, and behind"),
    (["exec", "--", "id"], "hostctl exec: name one bottle, and behind"),
    (["exec", "x", "-w", "relative", "--", "id"], "hostctl exec: --workdir must be an absolute path"),
    (["shell"], "hostctl shell: name one bottle"),
    (["shell", "x", "--", "id"], "hostctl shell: name one bottle"),
    (["forward"], "hostctl forward: name one bottle, and 1 to 16 ports"),
    (["forward", "x"], "hostctl forward: name one bottle, and 1 to 16 ports"),
    (["forward", "x", *map(str, range(1, 18))], "hostctl forward: name one bottle, and 1 to 16 ports"),
    (["forward", "x", "80", "--", "id"], "hostctl forward: name one bottle, and 1 to 16 ports"),
    (["forward", "x", "80", "y"], 'hostctl forward: "y" is not PORT[:AGENTPORT]'),
    (["forward", "x", "0.0.0.0:80:80"], 'hostctl forward: "0.0.0.0:80:80" is not PORT[:AGENTPORT]'),
    (["forward", "x", "-p", "80"], "hostctl forward: unknown option -p"),
    (["logs"], "hostctl logs: name one bottle or file"),
    (["gc", "x"], "hostctl gc: takes no names"),
    (["version", "--all"], "hostctl version: unknown option --all"),
])
def test_wrong_words_are_said_and_start_nothing(cli, words, wanted):
    status, out, err = cli(*words)
    assert (status, out) == (USAGE, "")
    assert err.startswith(wanted) and "usage: hostctl " in err
    assert cli.nothing_started()


@pytest.mark.parametrize("name, text, errors", [
    ("a.yaml", "egress:\n  routes:\n    - host: a.example\n      tls: {pasthrough: true}\n",
     'a.yaml:4: egress.routes[0].tls: unknown key "pasthrough"; allowed: passthrough, ech\n'),
    ("a.yml", "egress: {dns: 192.0.2.53}\nenv: []\n",
     "a.yml:1: egress.dns: must be a map with the keys upstreams and denied, or a list of IPv4 addresses, is a string\n"
     "a.yml:2: env: must be a map of names and values, is a list\n"),
    ("a.md", "---\negress:\n  routes: [{}]\n---\nwords\n", 'a.md:3: egress.routes[0]: the key "host" is missing\n'),
    ("a.md", "# words\n", 'a.md:1: no front matter: the first line of a .md manifest is "---"\n'),
    ("a.yaml", b"env: {A: \xff}\n", "a.yaml:1: not UTF-8 text (byte 0xff)\n"),
    ("a.yaml", b"#" * ((1 << 20) + 1), "a.yaml: larger than 1048576 bytes\n"),
    ("a.yaml", "", "a.yaml:1: the manifest is empty\n"),
    ("a.json", "{}", "a.json: the name of a manifest ends in .yaml, .yml or .md\n"),
])
def test_wrong_manifests_list_all_errors_and_start_nothing(cli, name, text, errors):
    cli.write(name, text)
    assert cli("up", "-f", name, "--", "id") == (USAGE, "", errors)
    assert cli.nothing_started()


def test_files_that_cannot_be_read_start_nothing(cli):
    cli.write("secret.yaml", "egress: {}\n")
    os.chmod(cli.folder / "secret.yaml", 0o600)
    os.chmod(cli.folder, 0o755)
    for folder in cli.folder.parents:
        if os.stat(folder).st_uid == 0 and folder.name.startswith("pytest-"):
            os.chmod(folder, 0o755)
    (cli.folder / "folder.yaml").mkdir()
    assert cli("up", "-f", "absent.yaml") == (USAGE, "", "absent.yaml: No such file or directory\n")
    assert cli("up", "-f", "folder.yaml") == (USAGE, "", "folder.yaml: is a folder, not a manifest\n")
    assert cli("up", "-f", "secret.yaml", uid=65534) == (USAGE, "", "secret.yaml: Permission denied\n")
    assert cli.nothing_started()


def test_errors_of_manifest_name_options_and_mounts_come_together(cli):
    cli.write("Bad Name.yaml", "extra: 1\n")
    status, out, err = cli("up", "-f", "Bad Name.yaml", "--uplink", "vpn", "-m", "absent", "-m", "home", "-m", "/", "--", "id")
    assert (status, out) == (USAGE, "")
    assert err.splitlines() == [
        "hostctl up: Bad Name.yaml: a bottle's name is 1 to 31 of a-z, 0-9 and -, not beginning with -; choose one with --name",
        "hostctl up: --uplink must be pasta or nat",
        'Bad Name.yaml:1: unknown key "extra"; allowed: extends, agent_provider, egress, env, git-gate, supervise, skills, image, runtime',
        "hostctl up: --mount absent: No such file or directory",
        f"hostctl up: --mount home: it is, holds or lies in a home folder ({cli.home})",
        "hostctl up: --mount /: it is the host's root",
    ]
    assert cli.nothing_started()


def test_without_a_resolver_the_manifest_is_asked_for_one(cli):
    cli.write("a.yaml", "egress: {routes: [{host: a.example}]}\n")
    cli.write("resolv.conf", "nameserver 127.0.0.53\n")
    script = 'mount --bind resolv.conf /etc/resolv.conf && mount -t tmpfs none /run && exec "$0" up -f a.yaml -- id'
    done = subprocess.run(["unshare", "-nm", "sh", "-c", script, cli.program], cwd=cli.folder, capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"], "HOME": str(cli.home), "XDG_STATE_HOME": str(cli.state)}, check=False)
    assert done.returncode == USAGE
    assert done.stderr == ("hostctl up: /etc/resolv.conf: the host's resolver listens on a loopback address, which a sidecar "
                           "cannot reach; name the upstream resolvers in the manifest, as egress.dns: [ADDRESS]\n")
    assert cli.nothing_started()


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_right(cli, example):
    """They pass every check: what is missing is only the sidecar, which this folder has not."""
    script = 'mount --bind resolv.conf /etc/resolv.conf && exec "$0" up -f "$1" -- id'
    cli.write("resolv.conf", "nameserver 192.0.2.53\n")
    cli.gate_ready("git.example.com", "agent", "app_deploy_key")
    done = subprocess.run(["unshare", "-nm", "sh", "-c", script, cli.program, os.path.join(ROOT, "examples", example)],
                          cwd=cli.folder, capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"], "HOME": str(cli.home), "XDG_STATE_HOME": str(cli.state),
                               **{name: "value-of-an-example" for name in (
                                   "FORGE_TOKEN", "GITEA_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "OPENAI_API_KEY", "MODEL_KEY", "API_TOKEN")}})
    assert done.returncode == FAILED
    assert done.stderr.startswith("hostctl up: netns: stopper-init is neither in ")
    assert cli.nothing_started()


def test_the_manifests_of_the_documents_are_right(cli):
    """README's, and those of the man page."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        texts = re.findall(r"^```yaml\n(.*?)^```$", file.read(), re.M | re.S)
    assert len(texts) == 1 and texts[0].count("\n") == 11
    with open(os.path.join(ROOT, "docs", "stopper-manifest.5"), encoding="utf-8") as file:
        texts += re.findall(r"^\.Bd -literal -offset indent\n(egress:\n.*?)^\.Ed$", file.read(), re.M | re.S)
    assert len(texts) == 8
    for text in texts:
        test_examples_are_right(cli, cli.folder / cli.write("document.yaml", text))


def test_the_netns_runtime_needs_root_and_says_so(cli):
    cli.write("a.yaml", "egress: {routes: []}\n")
    os.chmod(cli.folder, 0o755)
    for folder in cli.folder.parents:
        if os.stat(folder).st_uid == 0 and folder.name.startswith("pytest-"):
            os.chmod(folder, 0o755)
    assert cli("up", "-f", "a.yaml", uid=65534) == (
        FAILED, "", "hostctl up: netns: the netns runtime needs root: run it with sudo\n")
    assert cli.nothing_started()


def test_bottles_that_are_not_there(cli):
    for words in (["down", "x"], ["exec", "x", "--", "id"], ["shell", "x"], ["forward", "x", "80"], ["logs", "x"]):
        assert cli(*words) == (FAILED, "", f'hostctl {words[0]}: there is no bottle "x"\n')
    assert cli("ps")[1].split() == ["NAME", "STATE", "PID", "RUNTIME", "CREATED", "MANIFEST"]
    assert json.loads(cli("ps", "--json")[1]) == []
    assert cli("gc") == (0, "", "")
    assert cli("down", "--all") == (0, "", "")
    assert cli.nothing_started()


def test_a_full_stdout_is_an_error(cli):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([cli.program, "version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == FAILED
    assert done.stderr == "hostctl: stdout: No space left on device\n"
