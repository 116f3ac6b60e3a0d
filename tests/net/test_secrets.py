# SPDX-License-Identifier: GPL-3.0-or-later
"""A token of the host's, through hostctl: it reaches its host over TLS, and nothing else that anybody can read."""
import json
import os
import re
import subprocess

import pytest

from lab import BUILD
from spaces import WAIT, tied
from test_credentials import forms, holds

TOKEN = "tok/9c41D+77ab=c0~e"
MANIFEST = """\
egress:
  dns: [203.0.113.53]
  extra_ca: [lab-ca.pem]
  routes:
    - host: allowed.test
      auth: {scheme: Bearer, token_ref: FORGE_TOKEN}
    - host: other.test
"""
ASK = """
import json, os, ssl, sys, urllib.request
for host in "allowed.test", "other.test":
    request = urllib.request.Request(f"https://{host}/echo", headers={"Authorization": "Bearer from-the-agent"})
    with urllib.request.urlopen(request) as answer:
        print(json.dumps([host, answer.read().decode(), answer.headers.get("X-Echo")]), flush=True)
try:
    urllib.request.urlopen("http://allowed.test/echo")
except urllib.error.HTTPError as refused:
    print(json.dumps([refused.code, json.load(refused), str(refused.headers)]), flush=True)
files = []
for top in "/dev/shm", "/etc", "/home", "/mnt", "/opt", "/proc", "/root", "/run", "/srv", "/tmp", "/var":
    for folder, _, names in os.walk(top):
        for name in names:
            if folder.startswith("/proc") and name not in (
                    "environ", "cmdline", "comm", "status", "stat", "limits", "maps", "mountinfo", "cgroup") or "/task" in folder:
                continue
            if not os.path.isfile(os.path.join(folder, name)):
                continue  # a pipe would never end
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    files.append(file.read(1 << 20).decode("latin-1"))
            except OSError:
                pass
print(json.dumps(["files", len(files), "".join(files)]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def manifest(host):
    with open(host.lab.world.ca, encoding="ascii") as ca:
        host.write("lab-ca.pem", ca.read())
    return host.write("forge.yaml", MANIFEST)


def processes(host):
    """What everybody may read of all processes of the host and its bottles."""
    root, text = f"/proc/{host.space.pid}/root/proc", ""
    for pid in filter(str.isdigit, os.listdir(root)):
        for name in "environ", "cmdline", "comm", "status":
            try:
                with open(f"{root}/{pid}/{name}", encoding="latin-1") as file:
                    text += file.read()
            except OSError:
                pass
    return text


def memory(root, pid):
    """A process's memory as (what a core dump would hold, what it would leave out)."""
    parts = {False: [], True: []}
    with open(f"{root}/{pid}/smaps", encoding="latin-1") as file, open(f"{root}/{pid}/mem", "rb", buffering=0) as mem:
        for block in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", file.read())[1:]:
            addresses, rights = block.split()[:2]
            start, end = (int(part, 16) for part in addresses.split("-"))
            if "r" not in rights or re.search(r"^Rss: +0 kB", block, re.M) or "[v" in block.partition("\n")[0] or end - start > 1 << 28:
                continue
            mem.seek(start)
            parts["dd" in re.search(r"VmFlags:(.*)", block).group(1).split()].append(mem.read(end - start))
    return b"".join(parts[False]).decode("latin-1"), b"".join(parts[True]).decode("latin-1")


def hides_its_stack(root, pid):
    """A signal finds in the registers what was copied last, and the kernel writes them to the stack."""
    with open(f"{root}/{pid}/smaps", encoding="latin-1") as file:
        stack = next(block for block in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", file.read()) if "[stack]" in block.partition("\n")[0])
    return "dd" in re.search(r"VmFlags:(.*)", stack).group(1).split()


def core_dumps_hold_nothing(host):
    """No process of Stopper's leaves a core, and if one did, it would not have the value. Says whose left out part has it."""
    root, keepers = f"/proc/{host.space.pid}/root/proc", set()
    for name, pids in host.processes().items():
        for pid in pids:
            with open(f"{root}/{pid}/limits", encoding="ascii") as limits:
                assert [line.split()[4:6] for line in limits if line.startswith("Max core file size")] == [["0", "0"]], name
            if name in ("hostctl", "stopper-init", "stopper-proxy", "stopper-dns"):
                assert hides_its_stack(root, pid), name
            if name in ("stopper-proxy", "stopper-dns"):  # not dumpable: then these are root's, not the process's user's
                assert os.stat(f"{root}/{pid}/mem").st_uid == 0, name
            dumped, left_out = memory(root, pid)
            if any(form in left_out for form in forms(TOKEN)):
                keepers.add(name)
            if name != "stopper-proxy":  # a request on its way to its host lies in ordinary memory
                assert not holds(dumped, TOKEN), name
    return keepers


def test_the_token_is_at_its_host_and_nowhere_else(host, manifest):
    before = len(host.lab.world.log())
    environment = {**host.environment, "FORGE_TOKEN": TOKEN}
    process = tied(host.command("up", "-f", manifest, "--name", "b", "--", "/usr/bin/python3", "-c", ASK), env=environment, cwd=host.dir,
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline() for _ in range(4)]
        assert all(lines), process.stderr.read()
        stars = "*" * len(TOKEN)
        assert json.loads(lines[0]) == ["allowed.test", f"you said Bearer {stars}\n", f"Bearer {stars}"]
        assert json.loads(lines[1]) == ["other.test", "you said \n", None]
        code, refusal, fields = json.loads(lines[2])
        assert (code, refusal["type"]) == (403, "urn:stopper:denial:auth-needs-tls")
        assert not holds(json.dumps(refusal) + fields, TOKEN)
        kind, count, files = json.loads(lines[3])
        assert kind == "files" and count > 50 and not holds(files, TOKEN)
        log = [json.loads(line) for line in host.lab.world.log()[before:]]
        assert [(line["host"], line["authorization"]) for line in log if line["uri"] == "/echo"] == [
            ("allowed.test", f"Bearer {TOKEN}"), ("other.test", "")]
        seen = host.hostctl("logs", "--json", "b").stdout
        assert '"verdict":"redact"' in seen.replace(" ", "")
        for words in ("ps", "--json"), ("ca", "b"):
            seen += host.hostctl(*words).stdout
        own = processes(host).replace(f"FORGE_TOKEN={TOKEN}", "", 1)  # of nsenter, through which this test starts hostctl
        assert "stopper-proxy" in own
        for folder, _, names in os.walk(host.state):
            for name in names:
                with open(os.path.join(folder, name), encoding="latin-1") as file:
                    seen += file.read()
        init = min(host.processes()["stopper-init"])
        program = os.readlink(f"/proc/{host.space.pid}/root/proc/{init}/exe")  # as it is called in there
        status = host.space.run("nsenter", "-t", str(init), "-n", "-m", "-p", program, "ctl", "status")
        assert json.loads(status)["ok"] and not holds(seen + own + status, TOKEN)
        if os.path.basename(BUILD) != "asan":  # the sanitizer keeps what was freed, and nothing overwrites it
            assert core_dumps_hold_nothing(host) == {"hostctl", "stopper-init", "stopper-proxy"}
    finally:
        process.stdin.close()
        process.wait(WAIT)
    assert process.returncode == 0 and process.stderr.read() == ""


@pytest.mark.parametrize("value, words", [
    (None, "the environment variable FORGE_TOKEN is not set"),
    ("", "the value of the environment variable FORGE_TOKEN is empty"),
    ("line-one\nline-two", "the value of the environment variable FORGE_TOKEN holds a line break"),
    ("seven77", "the value of the environment variable FORGE_TOKEN is shorter than 8 bytes")])
def test_without_its_value_nothing_starts(host, manifest, value, words):
    environment = {name: text for name, text in host.environment.items() if name not in ("FORGE_TOKEN", "SUDO_UID")}
    if value is not None:
        environment["FORGE_TOKEN"] = value
    done = subprocess.run(host.command("up", "-f", manifest, "--", "true"), env=environment, cwd=host.dir, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{manifest}:6: egress.routes[0].auth.token_ref: {words}\n"
    host.clean()
