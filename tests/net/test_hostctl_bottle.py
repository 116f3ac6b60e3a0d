# SPDX-License-Identifier: GPL-3.0-or-later
"""hostctl with a bottle that runs: entering it again, following its audit stream, listing and ending it."""
import json
import os
import pty
import select
import signal
import subprocess

import pytest

from spaces import WAIT, child_of, tied, wait_for
from world import RESOLVER

FAILED = 125


@pytest.fixture
def bottle(host):
    """A bottle "b" whose command waits; its hostctl as a Popen."""
    process = tied(host.command("up", "-f", host.manifest, "--name", "b", "--", "sh", "-c", "echo up; exec sleep 300"),
                   env=host.environment, cwd=host.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n", process.stderr.read()
    yield process
    host.hostctl("down", "--all")
    process.communicate(timeout=WAIT)


def test_exec_passes_status_bytes_and_folder(host, bottle):
    for command, status in [("exit 0", 0), ("exit 9", 9), ("kill -9 $$", 137)]:
        assert host.hostctl("exec", "b", "--", "sh", "-c", command).returncode == status
    done = host.hostctl("exec", "b", "--", "sh", "-c", "cat; echo words >&2", stdin="bytes\n" * 1000)
    assert (done.returncode, done.stdout, done.stderr) == (0, "bytes\n" * 1000, "words\n")
    assert host.hostctl("exec", "-w", "/usr", "b", "--", "pwd").stdout == "/usr\n"
    assert host.hostctl("exec", "b", "-w", "/absent", "--", "pwd").returncode == FAILED
    assert bottle.poll() is None


def test_shell_has_a_terminal_of_its_own(host, bottle):
    master, slave = pty.openpty()
    shell = tied(host.command("shell", "b"), env={**host.environment, "TERM": "vt100"}, cwd=host.dir, stdin=slave,
                 stdout=slave, stderr=slave)
    seen = b""

    def read(until):
        nonlocal seen
        while until not in seen:
            assert select.select([master], [], [], WAIT)[0], seen
            seen += os.read(master, 4096)
        seen = seen.partition(until)[2]
    os.write(master, b"tty; echo term-$TERM; id -u; ps -o args= -p $$\n")
    read(b"/dev/pts/")
    read(b"term-vt100")
    read(b"1000")
    os.write(master, b"sleep 300 || echo inter''rupted\n")
    wait_for(lambda: host.hostctl("exec", "b", "--", "pgrep", "-fx", "sleep 300").stdout.count("\n") == 2, "the sleep")
    os.write(master, b"\x03")  # ends the sleep, not hostctl
    os.write(master, b"echo still-$((40 + 2)); exit 6\n")
    read(b"still-42")
    assert shell.wait(WAIT) == 6 and bottle.poll() is None
    os.close(master)
    os.close(slave)


def test_exec_ends_when_it_is_told_and_the_bottle_stays(host, bottle):
    process = tied(host.command("exec", "b", "--", "sh", "-c", "echo in; exec sleep 200"), env=host.environment, cwd=host.dir,
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"in\n"
    os.kill(child_of(process.pid), signal.SIGTERM)
    assert process.wait(WAIT) == 128 + signal.SIGTERM
    assert host.hostctl("exec", "b", "--", "pgrep", "-fx", "sleep 200").stdout == ""
    assert bottle.poll() is None


def test_logs_follow_until_the_bottle_ends(host, bottle):
    follower = tied(host.command("logs", "-f", "--json", "b"), env=host.environment, cwd=host.dir, stdout=subprocess.PIPE, text=True)
    first = json.loads(follower.stdout.readline())
    assert first["kind"] == "lifecycle"
    assert host.hostctl("exec", "b", "--", "python3", "-c", "import socket; socket.gethostbyname('denied.test')").returncode == 0
    for line in follower.stdout:
        event = json.loads(line)
        if event["kind"] == "dns" and event.get("host") == "denied.test":
            break
    assert (event["verdict"], event["reason"]) == ("block", "dns-name")
    now = host.hostctl("logs", "--json", "b")
    assert now.returncode == 0 and line in now.stdout
    assert host.hostctl("down", "b").returncode == 0
    rest = follower.communicate(timeout=WAIT)[0]
    assert follower.returncode == 0 and all(json.loads(text) for text in rest.splitlines())
    kept = host.hostctl("logs", "--json", "b")  # of a bottle that is gone
    assert kept.returncode == 0 and kept.stdout.startswith(now.stdout) and json.loads(kept.stdout.splitlines()[-1])["end"]


def test_a_name_is_taken_once(host, bottle):
    second = host.hostctl("up", "-f", host.manifest, "--name", "b", "--", "true")
    assert (second.returncode, second.stdout) == (FAILED, "")
    assert second.stderr == 'hostctl up: a bottle "b" runs already; choose another name with --name\n'
    assert bottle.poll() is None and host.hostctl("exec", "b", "--", "true").returncode == 0


def test_ps_and_gc_see_a_bottle_that_runs_and_gc_leaves_it(host, bottle):
    assert host.hostctl("gc").stdout == "" and host.hostctl("gc", "--all").stdout == ""
    listed, = json.loads(host.hostctl("ps", "--json").stdout)
    assert (listed["name"], listed["state"], listed["runtime"], listed["manifest"]) == ("b", "running", "netns", host.manifest)
    assert [str(listed["pid"])] == [line.split()[2] for line in host.hostctl("ps").stdout.splitlines()[1:]]
    assert host.hostctl("exec", "b", "--", "true").returncode == 0


def test_down_waits_for_the_end_and_knows_no_bottle_twice(host, bottle):
    assert host.hostctl("down", "absent", "b").returncode == FAILED  # nothing is ended when one is not there
    assert bottle.poll() is None
    done = host.hostctl("down", "b")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads(host.hostctl("ps", "--json").stdout) == []
    assert bottle.wait(WAIT) == 128 + signal.SIGTERM
    assert host.hostctl("down", "b").returncode == FAILED


def test_the_command_has_the_manifests_environment_and_starts_in_the_first_folder(host):
    manifest = host.write("plain.md", "---\nenv:\n  GREETING: 'two words'\n  TERM: own\n---\nwords\n")
    work = os.path.join(host.dir, "work folder")
    os.mkdir(work)
    done = subprocess.run(host.command("up", "-f", manifest, "-m", manifest + "::ro", "-m", work, "--", "sh", "-c",
                                       "echo $GREETING $TERM; pwd; env; ls /work"), cwd=host.dir, stdin=subprocess.DEVNULL,
                          env={**host.environment, "SECRET_OF_MINE": "x"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "two words own" and "SECRET_OF_MINE" not in done.stdout
    assert lines[-2:] == ["plain.md", "work folder"]
    assert lines[1] != "/work/plain.md"
    done = host.hostctl("up", "-f", manifest, "-m", work, "--", "pwd")
    assert (done.returncode, done.stdout) == (0, "/work/work folder\n")


def test_a_manifests_matches_and_deny_decide_about_requests(host):
    manifest = host.write("matching.yaml", f"""\
egress:
  dns: [{RESOLVER}]
  routes:
    - host: plain.test
      matches:
        - {{paths: [{{value: /api/v1}}, {{type: regex, value: "/v[0-9]+"}}], methods: [GET, POST]}}
      deny:
        - gitea
        - {{paths: [{{value: /api/v1/secret}}]}}
""")
    hooks = "/api/v1/repos/o/r/hooks"
    bottle = host.up(manifest=manifest)
    try:
        for method, path, status, name, rule in (
                ("GET", hooks, 200, None, "plain.test matches[0]"), ("GET", "/v2?x=/../secret", 200, None, "plain.test matches[0]"),
                ("POST", hooks, 403, "deny-entry", "plain.test deny[0] gitea/hooks"),
                ("GET", "/api/v1/secret/x", 403, "deny-entry", "plain.test deny[1]"),
                ("GET", "/v2x", 403, "path-not-allowed", "plain.test"), ("PUT", "/v2", 403, "method-not-allowed", "plain.test"),
                ("GET", "/api/v1/../../secret", 400, "path-ambiguous", "plain.test")):
            got = bottle.agent.http(host="plain.test", path=path, method=method)
            assert got["status"] == status, (path, got)
            assert name is None or (got["json"]["type"], got["json"]["rule"]) == ("urn:stopper:denial:" + name, rule)
            line = bottle.audit.wait(kind="http", method=method, path=path.partition("?")[0], status=status)
            assert (line["rule"], line.get("reason")) == (rule, name)
    finally:
        bottle.close()
