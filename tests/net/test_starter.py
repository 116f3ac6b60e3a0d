# SPDX-License-Identifier: GPL-3.0-or-later
"""Starter bottles: what `hostctl init` makes of tools that are pointed at the lab's servers, and those tools in such a bottle. The
tools are the real ones, but go: a program in its place says what `go env` documents, for Go itself is 330 MB."""
import json
import os
import re
import subprocess

import pytest

from host import SYSTEM, Host, roots
from lab import program
from spaces import tied, wait_for
from world import NAMES, RESOLVER

FAILED = 125
SECRET = "a-password-of-the-users"
BOTTLE = "npm-pip-apt-git"
GO = "#!/bin/sh\n[ \"$*\" = 'env GOPROXY GOSUMDB GONOSUMDB' ] || exit 9\nprintf 'https://other.test,direct\\nsum.test+key http://plain.test/db\\n*.corp\\n'\n"
APT = """
mkdir -p /tmp/apt/lists/partial /tmp/apt/cache/archives/partial /tmp/apt/parts; : >/tmp/apt/status
echo "deb [trusted=yes] $1 ./" >/tmp/apt/sources.list
apt="apt-get -qq -o Dir::State=/tmp/apt -o Dir::State::lists=/tmp/apt/lists -o Dir::State::status=/tmp/apt/status
 -o Dir::Cache=/tmp/apt/cache -o Dir::Etc::sourcelist=/tmp/apt/sources.list -o Dir::Etc::sourceparts=/tmp/apt/parts
 -o Acquire::Retries=0 -o APT::Sandbox::User=agent -o Acquire::Languages=none"
$apt -o APT::Update::Error-Mode=any update && cd /tmp && $apt download lab-hello && dpkg-deb -f /tmp/lab-hello_1.0_all.deb Version
"""


class Tools(Host):
    """A host whose user's tools read from the lab's servers, and whose current folder is a repository with remotes."""

    def __init__(self, lab):
        super().__init__(lab)
        try:
            self._point()
        except BaseException:
            self.close()
            raise

    def _point(self):
        self.space.run("mount", "--bind", self.write("roots.pem", roots(self.lab)), SYSTEM)
        self.space.run("mount", "--bind", self.write("resolv.conf", f"nameserver {RESOLVER}\n"), "/etc/resolv.conf")
        for name in list(self.environment):  # what the machine that runs this says to its own tools
            if name.lower().startswith(("npm_config_", "pip_", "go", "git_", "apt_config")):
                del self.environment[name]
        os.makedirs(os.path.join(self.home, ".config", "pip"))
        self.write("home/.npmrc", "registry=https://npm.test/\n@lab:registry=https://npm.test/\n")
        self.write("home/.config/pip/pip.conf", "[global]\nindex-url = https://pypi.test/simple/\n"
                   f"extra-index-url = https://ada:{SECRET}@private.test:3141/simple/\n")
        self.write("sources.list", "deb [trusted=yes] http://apt.test/debian/ ./\n"
                   f"deb [trusted=yes] file:{self.lab.world.path('apt')} ./\n")
        for name in "parts", "lists", "lists/partial", "cache", "cache/archives", "cache/archives/partial":
            os.mkdir(os.path.join(self.dir, name))
        self.environment["APT_CONFIG"] = self.write("apt.conf", f"""\
Dir::Etc::sourcelist "{self.dir}/sources.list";
Dir::Etc::sourceparts "{self.dir}/parts";
Dir::State::lists "{self.dir}/lists";
Dir::Cache "{self.dir}/cache";
APT::Sandbox::User "root";
""")
        self.space.run("env", f"APT_CONFIG={self.environment['APT_CONFIG']}", "apt-get", "-qq", "update")
        self.space.run("git", "-C", self.dir, "init", "-q")
        for name, url in ("origin", "https://git.test/git/repo.git"), ("mine", "git@ssh.test:ada/repo.git"):
            self.space.run("git", "-C", self.dir, "remote", "add", name, url)
        self.lab.run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", os.path.join(self.home, ".ssh", "id_ecdsa"))
        self.write(".npmrc", "registry=https://denied.test/\n")  # the repository's own word, which must not count
        self.bottles = 0

    def file(self, name=BOTTLE):
        return os.path.join(self.home, ".config", "stopper", "bottles", f"{name}.md")

    def init(self, *words, **environment):
        changed = [f"{name}={value}" for name, value in environment.items()]
        return subprocess.run(self.space.enter("env", "-C", self.dir, *changed, program("hostctl"), "init", *words), capture_output=True, text=True,
                              timeout=60, check=False, stdin=subprocess.DEVNULL, env=self.environment)

    def programs(self, **named):
        """A folder for PATH with these scripts and nothing else."""
        folder = os.path.join(self.dir, f"programs-{len(os.listdir(self.dir))}")
        os.mkdir(folder)
        for name, text in named.items():
            with open(os.path.join(folder, name.replace("_", "-")), "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(file.name, 0o755)
        return folder


@pytest.fixture(scope="module")
def tools(lab):
    made = Tools(lab)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def written(tools):
    """What the first `hostctl init` said."""
    done = tools.init("git", "npm", "apt", "pip")
    assert (done.returncode, done.stdout) == (0, tools.file() + "\n"), done
    return done


def test_the_file_says_what_the_tools_said_and_validates(tools, written):
    with open(tools.file(), encoding="ascii") as file:
        text = file.read()
    routes = {}
    for block in text.partition("  routes:\n")[2].partition("env:\n")[0].split("    - host: ")[1:]:
        host, *lines = block.splitlines()
        routes[host] = [line.strip() for line in lines]
    assert list(routes) == ["npm.test", "pypi.test", "private.test", "apt.test", "git.test"]
    read = "matches: [{methods: [GET, HEAD]}]"
    assert all(read in routes[host] for host in ("npm.test", "pypi.test", "private.test", "apt.test")) and read not in routes["git.test"]
    assert {"ports: [3141]", f"allow_private: [{NAMES['private.test']}/32]"} <= set(routes["private.test"])
    assert "# auth: {scheme: basic, token_ref: PIP_CREDENTIAL}" in routes["private.test"]
    assert "ports: [80]" in routes["apt.test"] and "git: {fetch: true}" in routes["git.test"]
    assert SECRET not in text + written.stderr and "ada:" not in text and "denied.test" not in text
    assert "\ngit-gate:\n  repos:\n    'repo':\n      url: 'ssh://git@ssh.test/ada/repo.git'\n" \
           "      key: {provider: static, path: ~/.ssh/id_ecdsa}\n      push: {allow: [refs/heads/agent/*]}" in text
    assert written.stderr.splitlines() == [
        "hostctl init: npm: @lab:registry has a route; say it in the bottle's .npmrc, for no variable can",
        "hostctl init: apt: a source of the kind of a file or medium, which no route is for",
        "hostctl init: pip: the URL of private.test has a credential in it, which was left out: see auth.token_ref in the file"]
    checked = tools.hostctl("validate", BOTTLE)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, f"{tools.file()}: ok\n", "")


def test_the_gate_gets_the_first_key_that_it_can_use_or_says_why_there_is_none(tools, written):
    ssh = os.path.join(tools.home, ".ssh")
    gate = "    'repo':\n      url: 'ssh://git@ssh.test/ada/repo.git'\n      key: {{provider: static, path: {0}}}\n"
    os.rename(f"{ssh}/id_ecdsa", f"{ssh}/elsewhere")  # the other one is no key, and others may read it
    done = tools.init("git", "-o", "-")
    assert done.returncode == 0 and gate.format("~/.ssh/id_ed25519") in done.stdout, done
    assert done.stderr.splitlines() == ["hostctl init: git: ~/.ssh/id_ed25519 may be used by others than its owner (mode 644): chmod 600, so "
                                        "\"up\" will not take it: let key name one that the gate can use"]
    os.rename(f"{ssh}/id_ed25519", f"{ssh}/none")
    done = tools.init("git", "-o", "-")
    assert done.stderr.splitlines() == ["hostctl init: git: what is reached by ssh stands in the file as a comment: there is no key in ~/.ssh"]
    assert "# git-gate:\n#   repos:\n#     'repo':\n" in done.stdout and "\ngit-gate:" not in done.stdout
    opened = done.stdout.replace("\n# git-gate", "\ngit-gate").replace("\n#     ", "\n    ").replace("\n#   ", "\n  ")
    assert gate.format("~/.ssh/id_ed25519") in opened
    checked = tools.hostctl("validate", tools.write("open.md", opened))
    assert (checked.returncode, checked.stderr) == (0, ""), checked
    os.rename(f"{ssh}/none", f"{ssh}/id_ed25519")
    os.rename(f"{ssh}/elsewhere", f"{ssh}/id_ecdsa")


def test_a_file_is_never_written_over_unasked(tools, written):
    with open(tools.file(), encoding="ascii") as file:
        text = file.read()
    again = tools.init("npm", "pip", "apt", "git")
    assert (again.returncode, again.stdout, again.stderr) == (0, written.stdout, written.stderr)  # the same: nothing to do
    own = tools.write("home/.config/stopper/bottles/own.md", "mine\n")
    done = tools.init("git", "-n", "own")
    assert (done.returncode, done.stdout, done.stderr) == (
        FAILED, "", f"hostctl init: {own} is there already, with another content: --force writes over it\n")
    with open(own, encoding="ascii") as file:
        assert file.read() == "mine\n"
    assert tools.init("git", "-n", "own", "--force").returncode == 0
    stdout = tools.init("git", "-o", "-")
    with open(own, encoding="ascii") as file:
        assert file.read().replace("extends: own", "extends: git") == stdout.stdout
    assert tools.init("git", "-o", "other.md").returncode == 0 and tools.hostctl("validate", f"{tools.dir}/other.md").returncode == 0
    wrong = tools.init("git", "-o", "other.yaml")
    assert (wrong.returncode, wrong.stderr) == (FAILED, "hostctl init: other.yaml: a bottle's file ends in .md\n")
    assert sorted(os.listdir(os.path.dirname(own))) == [f"{BOTTLE}.md", "own.md"]  # nothing half written stays
    with open(tools.file(), encoding="ascii") as file:
        assert file.read() == text


def test_go_is_asked_for_its_proxy_and_its_sums(tools):
    done = tools.init("go", "-o", "-", PATH=tools.programs(go=GO) + ":" + tools.environment["PATH"])
    assert done.returncode == 0, done
    for line in ("# go: GOPROXY\n    - host: other.test\n      ports: [443]\n", "# go: GOSUMDB\n    - host: plain.test\n      ports: [80]\n",
                 "  GOPROXY: 'https://other.test,direct'\n  GOSUMDB: 'sum.test+key http://plain.test/db'\n  GONOSUMDB: '*.corp'\n"):
        assert line in done.stdout, done.stdout


@pytest.mark.parametrize("tool, name", [("npm", "npm"), ("pip", "python3"), ("apt", "apt-get"), ("go", "go"), ("git", "git")])
def test_a_tool_that_is_missing_fails_or_talks_nonsense_is_named(tools, tool, name):
    def said(*script):
        path = tools.programs(**{name.replace("-", "_"): "#!/bin/sh\n" + script[0]} if script else {})
        done = tools.init(tool, "-n", "absent", PATH=path)
        assert (done.returncode, done.stdout) == (FAILED, "") and not os.path.exists(tools.file("absent")), done
        return done.stderr
    assert said() == f"hostctl init: {tool}: it cannot be asked: {name}: No such file or directory\n"
    assert said("echo 'out of order\033[2J' >&2; exit 3\n").startswith(f"hostctl init: {tool}: it cannot be asked: {name} ")
    assert "out of order?[2J\n" in said("echo 'out of order\033[2J' >&2; exit 3\n")
    assert said("printf 'registry = 1\\nglobal.index-url=1\\n\\377\\n\\n'\n").startswith(f"hostctl init: {tool}: ")


def test_a_nul_is_no_text(tools):
    done = tools.init("go", "-o", "-", PATH=tools.programs(go="#!/bin/sh\nprintf 'https://other.test\\noff\\n\\0\\n'\n"))
    assert (done.returncode, done.stdout, done.stderr) == (FAILED, "", "hostctl init: go: it said a NUL character\n")


def test_a_tool_that_talks_without_end_is_ended(tools):
    done = tools.init("go", "-o", "-", PATH=tools.programs(go="#!/bin/sh\nexec /usr/bin/yes\n"))
    assert (done.returncode, done.stdout, done.stderr) == (FAILED, "", "hostctl init: go: it cannot be asked: go env: it said too much\n")


def test_pips_own_index_counts_where_no_setting_names_one(tools):
    done = tools.init("pip", "-o", "-", PIP_CONFIG_FILE=os.devnull, COLUMNS="40")
    said = tools.space.run("env", "COLUMNS=200", f"PIP_CONFIG_FILE={os.devnull}", "python3", "-m", "pip", "install", "--help")
    default = re.search(r"--index-url <url>.*?\(default\s+https://([^/]+)/\S*\)", said, re.S)[1]
    assert done.returncode == 0 and f"# pip: its default index\n    - host: {default}\n      ports: [443]\n" in done.stdout, done
    assert "its name led nowhere" in done.stdout  # in the lab


def test_a_name_that_leads_to_the_loopback_is_an_error(tools):
    done = tools.init("pip", "-o", "-", PIP_INDEX_URL="http://loopback.test:3141/simple/")
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr == ("hostctl init: loopback.test leads to 127.0.0.1, and no bottle may go there: call it localhost, or let it be "
                           "served at an address of your network\n")


def test_pip_downloads_from_an_index_on_the_hosts_own_loopback(tools, index):
    """Which the host calls localhost, and a bottle host.stopper.internal."""
    server = tied(tools.space.enter("/usr/bin/python3", "-u", "-m", "http.server", "3141", "--bind", "127.0.0.1", "--directory",
                                    tools.lab.world.dir), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                  env=tools.environment)
    try:
        assert b"Serving HTTP on 127.0.0.1 port 3141" in server.stdout.readline()
        made = tools.init("pip", "-n", "local", PIP_INDEX_URL="http://localhost:3141/simple/", PIP_EXTRA_INDEX_URL="")
        assert (made.returncode, made.stdout) == (0, tools.file("local") + "\n"), made
        assert "pip: :env:.index-url: this machine, which a bottle calls host.stopper.internal" in made.stderr
        done = tools.hostctl("up", "-f", tools.file("local"), "-n", "local", "--", "/usr/bin/python3", "-m", "pip", "download", "--no-deps",
                             "--retries", "0", "--disable-pip-version-check", "-d", "/tmp", "lab-wheel")
        assert done.returncode == 0 and "http://host.stopper.internal:3141/simple/lab-wheel/lab_wheel-1.0-py3-none-any.whl" in done.stdout, done
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_a_repositorys_own_program_is_not_run(tools):
    """python3 -m looks into the current folder first."""
    tools.write("pip.py", "raise SystemExit('the repository was asked')\n")
    try:
        done = tools.init("pip", "-o", "-")
    finally:
        os.unlink(os.path.join(tools.dir, "pip.py"))
    assert done.returncode == 0 and "host: pypi.test\n" in done.stdout, done


@pytest.fixture(scope="module")
def bottle(tools, written):
    """A bottle that extends the starter, on a host whose operator knows the ssh server's key."""
    with open(tools.lab.world.path("host_key.pub"), encoding="ascii") as key:
        os.makedirs(os.path.join(tools.state, "stopper"), mode=0o700, exist_ok=True)
        tools.write("state/stopper/known_hosts", "ssh.test " + " ".join(key.read().split()[:2]) + "\n")
    made = tools.up(manifest=tools.write("work.md", f"---\nextends: {BOTTLE}\n---\n"))
    yield made
    made.close()


def shell(bottle, script, *words, **named):
    return bottle.agent.run(argv=["sh", "-c", script, "sh", *words], **named)


def allowed(bottle, host, path, **members):
    return bottle.audit.wait(kind="http", verdict="allow", host=host, path=path, status=200, **members)


def test_npm_installs_from_the_registry_of_the_starter(bottle, registry):
    done = shell(bottle, 'mkdir /tmp/n && cd /tmp/n && npm install --no-audit --no-update-notifier lab-module'
                 ' && node -e "console.log(require(\'lab-module\'))"', timeout=120)
    assert done["status"] == 0 and done["out"].endswith("a module\n"), done
    allowed(bottle, "npm.test", "/lab-module", method="GET")


def test_pip_downloads_from_the_indexes_of_the_starter(bottle, index):
    done = bottle.agent.run(argv=["/usr/bin/python3", "-m", "pip", "download", "--no-deps", "--retries", "0", "--disable-pip-version-check",
                                  "-d", "/tmp/wheel", "lab-wheel"], timeout=120)
    assert done["status"] == 0 and bottle.agent.read(path="/tmp/wheel") == {"names": ["lab_wheel-1.0-py3-none-any.whl"]}, done
    allowed(bottle, "pypi.test", "/simple/lab-wheel/")
    allowed(bottle, "private.test", "/simple/lab-wheel/", port=3141)


def test_apt_downloads_from_the_mirror_of_the_starter(bottle):
    done = shell(bottle, APT, "http://apt.test/debian/")
    assert done["status"] == 0 and done["out"].strip().endswith("1.0"), done


def test_git_clones_the_repository_of_the_starter_and_no_other(bottle):
    done = bottle.agent.run(argv=["git", "clone", "-q", "https://git.test/git/repo.git", "/tmp/clone"])
    assert done["status"] == 0 and bottle.agent.read(path="/tmp/clone/README") == {"data": "a repository\n"}, done
    other = bottle.agent.run(argv=["git", "ls-remote", "https://git.test/git/other.git"])
    assert other["status"] == 128 and "The requested URL returned error: 403" in other["err"], other
    bottle.audit.wait(kind="http", verdict="block", reason="path-not-allowed", host="git.test")
    push = bottle.agent.run(argv=["git", "-C", "/tmp/clone", "push", "-q", "origin", "HEAD:x"])
    assert push["status"] == 128, push
    bottle.audit.wait(kind="http", verdict="block", reason="git-push", host="git.test")


@pytest.mark.parametrize("host, method", [("npm.test", "PUT"), ("pypi.test", "POST"), ("apt.test", "DELETE"), ("git.test", "POST")])
def test_what_is_not_reading_is_refused(bottle, host, method):
    def ask(how):
        path = "/git/repo.git/issues" if host == "git.test" else "/"
        return bottle.agent.http(host=host, path=path, method=how) if host == "apt.test" else json.loads(bottle.agent.run(argv=[
            "curl", "-sS", "-X", how, "-o", "/tmp/answer", "-w", '{"status": %{http_code}}', f"https://{host}{path}"])["out"])
    assert ask(method)["status"] == 403
    line = bottle.audit.wait(kind="http", verdict="block", reason="method-not-allowed", host=host, method=method)
    assert line["rule"] == host
    assert ask("GET")["status"] != 403  # the control
    assert wait_for(lambda: [each for each in bottle.audit.lines if each.get("host") == host and each["verdict"] == "allow"], "it")
