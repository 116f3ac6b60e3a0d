# SPDX-License-Identifier: GPL-3.0-or-later
"""Bottles and agents as files: where they are found, what is confirmed, what `up` refuses to start with, what `validate`
says, and what an agent finds in its bottle. Broken manifests with their errors are the unit test layers's."""
import hashlib
import json
import os
import pty
import re
import resource
import subprocess

import pytest

from test_hostctl_cli import BUILD, EXAMPLES, FAILED, ROOT, USAGE, Cli
from world import RESOLVER

OK = 0
STARTED = "hostctl up: netns: stopper-init is neither in "  # it went on to look for the sidecar's programs
LATER = "this version does not enforce it yet, and starts no bottle that needs it\n"


class Folders(Cli):
    """A user's configuration and a repository."""

    def put(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    def bottle(self, name, text):
        return self.put(f"home/.config/stopper/bottles/{name}.md", f"---\n{text}---\n")

    def agent(self, name, text, prompt=""):
        return self.put(f"home/.config/stopper/agents/{name}.md", f"---\n{text}---\n{prompt}")

    def repository_agent(self, name, text, prompt=""):
        return self.put(f".stopper/agents/{name}.md", f"---\n{text}---\n{prompt}")

    def refused(self, *words):
        status, out, err = self(*words)
        assert (status, out) == (USAGE, "") and not (self.state / "stopper" / "bottles").exists()
        return err

    def started(self, *words):
        status, out, err = self(*words)
        assert (status, out) == (FAILED, "")
        assert STARTED in err
        return err.partition(STARTED)[0]


@pytest.fixture
def files(tmp_path):
    return Folders(tmp_path)


def test_an_agent_is_found_in_the_users_folder_then_in_the_repository(files):
    own = files.folder / "home/.config/stopper/agents/a.md"
    assert files.refused("up", "a") == f'hostctl up: there is no agent "a": neither {own} nor .stopper/agents/a.md exists\n'
    files.bottle("b", "egress: {routes: []}\n")
    files.repository_agent("a", "bottle: absent\n")
    missing = files.folder / "home/.config/stopper/bottles/absent.md"
    assert files.refused("up", "a", "--", "id") == (
        f'.stopper/agents/a.md:2: bottle: there is no bottle "absent": {missing} does not exist\n')
    files.agent("a", "bottle: b\n")
    assert files.started("up", "a", "--", "id") == ""
    assert files.refused("up", "../a") == 'hostctl up: "../a" is no name of an agent\n'


def test_a_repositorys_bottles_are_warned_about_and_ignored(files):
    files.put(".stopper/bottles/b.md", "---\nenv: {}\n---\n")
    files.agent("a", "bottle: b\n")
    warning = "warning: .stopper/bottles is ignored: a repository may ship agents, never bottles\n"
    missing = files.folder / "home/.config/stopper/bottles/b.md"
    assert files.refused("up", "a", "--", "id") == (
        f"hostctl up: {warning}"
        f'{files.folder}/home/.config/stopper/agents/a.md:2: bottle: there is no bottle "b": {missing} does not exist\n')
    assert f"hostctl validate: {warning}" in files("validate")[2]
    files.bottle("b", "env: {}\n")
    assert files.started("up", "a", "--", "id") == f"hostctl up: {warning}"


def test_a_repositorys_agent_is_confirmed_once_per_content(files):
    files.bottle("b", "egress: {routes: []}\n")
    path = files.repository_agent("a", "bottle: b\n", "Do this.\n")

    def digest():
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    asks = (f"hostctl up: .stopper/agents/a.md comes with the repository, and this content was not confirmed before: read "
            f"it, then add --confirm {digest()}\n")
    assert files.refused("up", "a", "--", "id") == asks
    wrong = f"hostctl up: .stopper/agents/a.md: --confirm does not name its content, whose sha256 is {digest()}\n"
    for bad in "0" * 64, digest()[:11], digest() + "0":
        assert files.refused("up", "a", "--confirm", bad, "--", "id") == wrong
    assert files.started("up", "a", "--confirm", digest()[:12], "--", "id") == ""
    assert files.started("up", "a", "--", "id") == ""  # remembered
    first = digest()
    files.repository_agent("a", "bottle: b\n", "Do that.\n")
    assert files.refused("up", "a", "--", "id") == asks.replace(first, digest())
    files.repository_agent("a", "bottle: b\n", "Do this.\n")
    assert files.started("up", "a", "--", "id") == ""  # the first content is confirmed still


@pytest.mark.parametrize("answer, goes_on", [(b"y\n", True), (b"yes\n", True), (b"\n", False), (b"no\n", False), (b"\x04", False)])
def test_on_a_terminal_the_operator_is_asked(files, answer, goes_on):
    files.bottle("b", "egress: {routes: []}\n")
    path = files.repository_agent("a", "bottle: b\n", "Do this.\n")
    with open(path, "rb") as file:
        data = file.read()
    master, slave = pty.openpty()
    env = {"PATH": os.environ["PATH"], "HOME": str(files.home), "XDG_STATE_HOME": str(files.state)}
    process = subprocess.Popen(["unshare", "-n", files.program, "up", "a", "--", "id"], env=env, cwd=files.folder, stdin=slave,
                               stdout=slave, stderr=slave)
    os.close(slave)
    os.write(master, answer)
    seen = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(master)
    status = process.wait(30)
    text = seen.decode().replace("\r\n", "\n")
    assert f"  bottle  b\n  bytes   {len(data)}, the prompt 9 of them\n  sha256  {hashlib.sha256(data).hexdigest()}\n" in text
    if goes_on:
        assert status == FAILED and STARTED in text
    else:
        assert status == USAGE and "hostctl up: .stopper/agents/a.md was not confirmed\n" in text


def test_up_refuses_what_is_not_enforced_yet_and_says_so(files):
    manifest = files.put("m.yaml", """\
agent_provider: {template: none}
egress:
  dns: {upstreams: [192.0.2.53]}
  routes:
    - host: chatgpt.com
      role: codex_oauth
""")
    lines = f"{manifest}:6: egress.routes[0].role: {LATER}"
    assert files.refused("up", "-f", manifest, "--", "id") == lines
    assert files("validate", manifest) == (OK, f"{manifest}: ok\n{lines}", "")
    same = files.put("same.yaml", """\
agent_provider: {template: none}
egress:
  dns: {upstreams: [192.0.2.53], denied: sinkhole}
  on_denied: block
  on_canary: stop
  ignore: [t.example, "*.u.example"]
  routes:
    - host: a.example
      tcp: [{port: 5432}]
      dlp: {outbound_detectors: [entropy], inbound_detectors: [naive_injection_detection], outbound_on_match: redact, inbound_on_match: log}
    - {host: b.example, dlp: {outbound_detectors: false, inbound_detectors: false, outbound_on_match: block}}
    - {host: c.example, dlp: {outbound_on_match: supervise}}
supervise: false
""")
    assert files.started("up", "-f", same, "--", "id") == ""
    held = files.put("held.yaml", "egress: {dns: [192.0.2.53], on_denied: supervise, hold_seconds: 60}\nsupervise: true\n")
    assert files("validate", held) == (OK, f"{held}: ok\n", "")
    assert files.started("up", "-f", held, "--", "id") == ""


@pytest.mark.parametrize("text, file, line, variable", [
    ("agent_provider: {template: claude}\n", "template claude", 2, "CLAUDE_CODE_OAUTH_TOKEN"),
    ("agent_provider: {template: codex}\n", "template codex", 2, "OPENAI_API_KEY"),
    ("egress:\n  routes:\n    - host: api.anthropic.com\n      role: anthropic_api_key\n", "m.yaml", 4, "ANTHROPIC_API_KEY"),
])
def test_a_template_and_a_role_need_the_hosts_variable(files, text, file, line, variable):
    path = files.put("m.yaml", text)
    shown = path if file == "m.yaml" else file
    assert files.refused("up", "-f", path, "--", "id").splitlines()[0] == (
        f"{shown}:{line}: egress.routes[0].auth.token_ref: the environment variable {variable} is not set")
    assert files("validate", path) == (OK, f"{path}: ok\n", "")


def test_image_and_runtime_are_the_options_defaults(files):
    """PATH leads to no engine: what each way looks for tells them apart."""
    files.bottle("base", "runtime: netns\nimage: base.example/image\n")
    image = files.put("image.yaml", "extends: base\nruntime: podman\n")
    plain = files.put("plain.yaml", "runtime: netns\n")
    assert files.refused("up", "-f", plain, "--runtime", "docker", "--", "id") == (
        "hostctl up: --runtime docker needs --image, or the manifest's image\n")
    assert files.refused("up", "-f", image, "--runtime", "netns", "--", "id") == (
        "hostctl up: --runtime netns knows no --image and no image of a manifest\n")
    assert files.refused("up", "-f", files.put("bad.yaml", "image: 'a b'\n"), "--", "id") == (
        f'{files.folder}/bad.yaml:1: image: "a b" is no name of an image\n')
    assert files.refused("up", "-f", files.put("odd.yaml", "image: 'a$b'\n"), "--", "id") == (
        "hostctl up: --image and --sidecar-image must be references of images\n")
    assert files.started("up", "-f", plain, "--", "id") == ""
    for words, engine in ([], "podman"), (["--runtime", "docker"], "docker"):
        done = subprocess.run(["/usr/bin/unshare", "-n", files.program, "up", "-f", image, *words, "--", "id"], cwd=files.folder,
                              env={"PATH": "/absent", "HOME": str(files.home), "XDG_STATE_HOME": str(files.state)},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stdout) == (FAILED, "")
        assert done.stderr.startswith(f"hostctl up: {engine}: ") and " is not installed: apt install " in done.stderr


def test_validate_says_what_was_dropped_and_what_is_wrong(files):
    base = files.bottle("base", "egress: {routes: [{host: a.example}, {host: b.example}]}\n")
    top = files.bottle("top", "extends: base\negress:\n  routes: [{host: a.example}]\n")
    agent = files.agent("top", "bottle: top\n")
    bad = files.bottle("bad", "egres: {}\nextends: nowhere\n")
    repository = files.repository_agent("helper", "bottle: top\ntools: x\n")[len(str(files.folder)) + 1:]
    dropped = f"{base}:2: the route for a.example is dropped: {top}:4 takes its place\n"
    wrong = (f'{bad}:2: unknown key "egres"; allowed: extends, agent_provider, egress, env, git-gate, supervise, skills, image, '
             "runtime\n")
    tools = f'{repository}:3: unknown key "tools"; allowed: bottle, skills, git-gate, name, description, model, color, memory\n'
    assert files("validate", "top") == (OK, f"{top}: ok\n{dropped}{agent}: ok\n{dropped}", "")
    assert files("validate", top, "bad") == (USAGE, f"{top}: ok\n{dropped}", wrong)
    assert files("validate") == (USAGE, f"{base}: ok\n{top}: ok\n{dropped}{agent}: ok\n{dropped}", wrong + tools)
    assert files("validate", "absent") == (
        USAGE, "", f'hostctl validate: there is no bottle and no agent "absent" in {files.home}/.config/stopper or .stopper\n')
    status, out, err = files("validate", "--json", top, repository)
    assert (status, err) == (USAGE, "")
    assert json.loads(out) == [
        {"file": top, "ok": True, "errors": [], "unenforced": [], "dropped": [
            {"what": "the route for a.example", "file": base, "line": 2, "by_file": top, "by_line": 4}]},
        {"file": repository, "ok": False, "dropped": [], "unenforced": [],
         "errors": [{"file": repository, "line": 3, "message": tools.partition(": ")[2].rstrip("\n")}]}]
    assert files.nothing_started()


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_validate(files, example):
    path = os.path.join(ROOT, "examples", example)
    status, out, err = files("validate", path)
    assert (status, err) == (OK, "") and out.startswith(f"{path}: ok\n")


def huge(path):
    with open(path, "wb") as file:
        file.truncate(100 << 20)


def levels(path):
    with open(path, "w", encoding="ascii") as file:
        file.write("env: " + "[" * 10000 + "]" * 10000 + "\n")


def block_levels(path):
    with open(path, "w", encoding="ascii") as file:
        file.write("- " * 10000 + "x\n")


def bomb(path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 9) + "]" for i in range(1, 100)]
    with open(path, "w", encoding="ascii") as file:
        file.write("env:\n" + "".join(f"  {line}\n" for line in lines))


def many_keys(path):
    with open(path, "w", encoding="ascii") as file:
        file.write("".join(f"k{i}: 1\n" for i in range(40000)))


def same_key(path):
    with open(path, "w", encoding="ascii") as file:
        file.write("env: {}\n" * 40000)


def long_line(path):
    with open(path, "w", encoding="ascii") as file:
        file.write("env: {A: " + "x" * (1 << 19) + ": y}\n")


@pytest.mark.parametrize("write, wanted, lines", [
    (huge, "m.yaml: larger than 1048576 bytes\n", 1),
    (levels, "m.yaml:1: nested too deeply\n", 1),
    (block_levels, "m.yaml:1: nested too deeply\n", 1),
    (bomb, "m.yaml:2: env.a0: anchors, aliases and tags are not allowed in a manifest\n", 100),
    (many_keys, 'm.yaml:1: unknown key "k0"; allowed: extends, ', 1001),
    (same_key, 'm.yaml:2: the key "env" was given on line 1 already\n', 1001),
    (long_line, "m.yaml:1: not YAML: ", 1),
], ids=lambda value: getattr(value, "__name__", None))
def test_hostile_manifests_are_refused_in_bounded_time_and_memory(files, write, wanted, lines):
    """Memory: what the child used at most, the sanitizers' share included. Time: its processor's, so that others' load is
    not measured."""
    write(files.folder / "m.yaml")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen([files.program, "validate", "m.yaml"], cwd=files.folder, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"], "HOME": str(files.home)})
    out, err = process.communicate(timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (process.returncode, out) == (USAGE, b"")
    assert err.decode().startswith(wanted) and err.count(b"\n") == lines
    assert after.ru_utime - before.ru_utime < 20
    with open(files.folder / "limited.sh", "w", encoding="ascii") as script:
        script.write('ulimit -v 200000\nexec "$@"\n')
    if "asan" not in BUILD:  # which reserves terabytes of addresses
        done = subprocess.run(["sh", "limited.sh", files.program, "validate", "m.yaml"], cwd=files.folder, capture_output=True,
                              check=False, env={"PATH": os.environ["PATH"], "HOME": str(files.home)}, timeout=60)
        assert (done.returncode, done.stderr) == (USAGE, err)


def test_an_agent_finds_its_prompt_its_skills_and_its_identity(host):
    config = os.path.join(host.home, ".config", "stopper")
    for folder in "bottles", "agents", "skills/review", "skills/write":
        os.makedirs(os.path.join(config, folder))
    for name, text in {
            "bottles/base.md": f"---\negress: {{dns: [{RESOLVER}]}}\nenv: {{A: base, B: base}}\nskills: [review]\n---\n",
            "bottles/top.md": "---\nextends: base\nenv: {B: top}\ngit-gate: {user: {name: Top, email: top@example}}\n---\n",
            "agents/helper.md": "---\nbottle: top\nskills: [write]\ngit-gate: {user: {name: Helper}}\n---\nHelp.\n\nWell.\n",
            "skills/review/SKILL.md": "How to review\n", "skills/write/SKILL.md": "How to write\n"}.items():
        with open(os.path.join(config, name), "w", encoding="utf-8") as file:
            file.write(text)
    script = ('cat "$STOPPER_PROMPT" "$STOPPER_SKILLS"/*/SKILL.md; echo $A $B; git config user.name; git config user.email; '
              'for f in "$STOPPER_PROMPT" "$STOPPER_SKILLS/review/SKILL.md"; do (echo x >>"$f") 2>/dev/null || echo read-only; done; '
              "pwd; ls /stopper")
    done = host.hostctl("up", "helper", "--", "bash", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("Help.\n\nWell.\nHow to review\nHow to write\nbase top\nHelper\ntop@example\nread-only\nread-only\n"
                           "/home/agent\nprompt.md\nskills\n")
    with open(os.path.join(config, "skills/review/SKILL.md"), encoding="utf-8") as file:
        assert file.read() == "How to review\n"
    os.rename(os.path.join(config, "skills/write"), os.path.join(config, "skills/gone"))
    done = host.hostctl("up", "helper", "--", "true")
    assert done.returncode == USAGE
    assert done.stderr.startswith(f'{config}/agents/helper.md:3: skills: "write": --mount {config}/skills/write:')


def test_denied_names_are_refused_where_the_manifest_says_so(host):
    """The same question with both words; an allowed name has its address with each."""
    script = ("import socket, struct, sys\n"
              "for name in 'allowed.test', 'denied.test':\n"
              "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10)\n"
              "    q = b''.join(bytes([len(l)]) + l.encode() for l in name.split('.')) + b'\\0\\0\\1\\0\\1'\n"
              "    s.sendto(struct.pack('!6H', 7, 256, 1, 0, 0, 0) + q, ('203.0.113.99', 53))\n"
              "    a = s.recv(512); print(name, a[3] & 15, struct.unpack('!H', a[6:8])[0])\n")
    for word, denied in ("sinkhole", "0 1"), ("refuse", "5 0"):
        path = host.write(f"{word}.yaml", f"egress: {{dns: {{upstreams: [{RESOLVER}], denied: {word}}}, routes: "
                          "[{host: allowed.test}]}\n")
        done = host.hostctl("up", "-f", path, "--", "python3", "-c", script)
        assert (done.returncode, done.stderr) == (0, "")
        first, second = done.stdout.splitlines()
        assert first.startswith("allowed.test 0 ") and first != "allowed.test 0 0" and second == f"denied.test {denied}"


def test_a_template_opens_the_inference_api_and_nothing_else_of_its_host(host):
    """The host's name leads nowhere in the lab: a request that is let through is a 502, one that is not never gets there."""
    path = host.write("claude.yaml", f"agent_provider: {{template: claude}}\negress: {{dns: [{RESOLVER}]}}\n")
    host.environment["CLAUDE_CODE_OAUTH_TOKEN"] = "value-of-the-host"
    let_through = ["POST /v1/messages", "POST /v1/messages/count_tokens", "GET /v1/models"]
    refused = ["POST /v1/files", "GET /v1/files", "POST /v1/messages/batches", "GET /v1/messages",
               "GET /v1/organizations/users", "POST /v1/models"]
    script = ('echo "$CLAUDE_CODE_OAUTH_TOKEN $DISABLE_AUTOUPDATER"\n'
              'while read -r method path; do curl -s --max-time 20 --resolve api.anthropic.com:443:203.0.113.99 -X $method '
              '-w " %{http_code}\\n" "https://api.anthropic.com$path"; done')
    done = host.hostctl("up", "-f", path, "--", "bash", "-c", script, stdin="\n".join(let_through + refused) + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    variables, *answers = done.stdout.splitlines()
    assert re.fullmatch("sk-ant-oat01-stopper-placeholder-{12}[0-9a-f]{64} 1", variables) and len(variables) == 108 + 2
    seen = [(json.loads(answer.rpartition(" ")[0])["type"].rpartition(":")[2].rpartition("/")[2], answer.rpartition(" ")[2])
            for answer in answers]
    assert seen == [("name-unresolved", "502")] * 3 + [("path-not-allowed", "403")] * 3 + [("method-not-allowed", "403"), ("path-not-allowed", "403"),
                                                         ("method-not-allowed", "403")]
