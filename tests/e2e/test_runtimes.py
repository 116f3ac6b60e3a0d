# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bottle promises, whichever runtime makes it."""
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time

import probes
from engines import TOKEN
from lab import allowed_targets
from spaces import WAIT, child_of, tied, wait_for
from world import NAMES, STRANGER

STOPPER_FAILED = 125
ASK = """
import json, sys, urllib.request
request = urllib.request.Request(f"https://{sys.argv[1]}/echo", headers={"Authorization": "Bearer from-the-agent"})
with urllib.request.urlopen(request) as answer:
    print(json.dumps([answer.read().decode(), answer.headers.get("X-Echo")]))
"""

SYSTEMS = """
import json, os, ssl, urllib.request
file, mark = "/etc/ssl/certs/ca-certificates.crt", "\\n# Stopper: the authority of this bottle\\n"
with open(file, encoding="ascii") as bundle:
    text = bundle.read()
roots = text.partition(mark)[0]
said = {"variables": [name for name in os.environ if "CERT" in name or "CA" in name], "roots": roots, "marks": text.count(mark)}
said["owner"], said["mode"] = os.stat(file).st_uid, os.stat(file).st_mode & 0o7777
for name, where in ("file", {"cafile": file}), ("folder", {"capath": os.path.dirname(file)}), ("before", {"cadata": roots}):
    try:
        context = ssl.create_default_context(**where)
        with urllib.request.urlopen("https://other.test/echo", context=context) as answer:
            said[name] = answer.read().decode()
    except urllib.error.URLError as problem:
        said[name] = problem.reason.verify_message
print(json.dumps(said))
"""


class Up:
    """`hostctl up` with a command of the test's; its output is collected."""

    def __init__(self, host, *command, options=(), name="u", verb="up", **named):
        self.host, self.name = host, name
        words = ("up", "-f", host.manifest, "--name", name, *host.options, *options, "--", *command) if verb == "up" else (verb, name)
        named = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **named}
        self.process = tied(host.command(*words), env=host.environment, cwd=host.dir, **named)

    def said(self, text):
        data = b""
        while text.encode() not in data:
            assert select.select([self.process.stdout], [], [], WAIT)[0], data
            piece = os.read(self.process.stdout.fileno(), 4096)
            assert piece, (data, self.process.stderr.read())
            data += piece
        return data.decode()

    def signal(self, number):
        os.kill(child_of(self.process.pid), number)

    def end(self):
        out, err = self.process.communicate(timeout=WAIT * 2)
        return self.process.returncode, out, err.decode()


def state_of(host, name):
    return {entry["name"]: entry["state"] for entry in json.loads(host.hostctl("ps", "--json").stdout)}.get(name)


# ---- the wall ---------------------------------------------------------------------------------------------------------


def test_allowed_hosts_are_reached_and_others_are_refused(bottle):
    with bottle.host.capture() as capture:
        assert bottle.agent.http(host="plain.test")["body"] == "I am plain.test at 203.0.113.13\n"
        assert bottle.agent.https(host="wild.sub.test")["status"] == 200
        assert bottle.agent.http(host="denied.test")["status"] == 403
        assert bottle.agent.udp(address=STRANGER, port=443)["error"] == "EHOSTUNREACH"
        assert bottle.agent.tcp(address=STRANGER, port=9999, send="x\r\n\r\n")["error"] == "ECONNRESET"
    assert capture.leaks(bottle.host.address, allowed_targets("plain.test", "wild.sub.test")) == []
    assert {frame.target for frame in capture.frames} >= {NAMES["plain.test"], NAMES["wild.sub.test"]}
    bottle.audit.wait(kind="http", verdict="block", reason="host-not-allowed", host="denied.test")


def test_tls_is_opened_and_trusted_and_the_token_is_added_on_the_way_out(bottle):
    stars, before = "*" * len(TOKEN), len(bottle.host.lab.world.log())
    for name, answer in ("allowed.test", [f"you said Bearer {stars}\n", f"Bearer {stars}"]), ("other.test", ["you said \n", None]):
        done = bottle.agent.run(argv=["/usr/bin/python3", "-c", ASK, name])
        assert (done["status"], done["err"]) == (0, ""), done
        assert json.loads(done["out"]) == answer

    def seen():
        log = [json.loads(line) for line in bottle.host.lab.world.log()[before:]]
        return [(line["host"], line["authorization"]) for line in log if line["uri"] == "/echo"]
    assert wait_for(lambda: len(seen()) == 2 and seen(), "the requests") == [("allowed.test", f"Bearer {TOKEN}"), ("other.test", "")]


def test_programs_that_read_no_variable_trust_it_beside_the_images_roots(bottle):
    done = bottle.agent.run(argv=["env", "-i", "/usr/bin/python3", "-c", SYSTEMS])
    assert (done["status"], done["err"]) == (0, ""), done
    said = json.loads(done["out"])
    with open("/etc/ssl/certs/ca-certificates.crt", encoding="ascii") as file:
        assert said.pop("roots") == file.read()  # the images' are this machine's
    assert said == {"variables": [], "marks": 1, "owner": 0, "mode": 0o644, "file": "you said \n", "folder": "you said \n",
                    "before": "unable to get local issuer certificate"}


def addresses(host):
    """Every address of the host but the loopback's: (IPv4, IPv6 with the agent's link)."""
    found = [entry["local"] for link in json.loads(host.space.run("ip", "-j", "address"))
             for entry in link["addr_info"] if link["ifname"] != "lo"]
    return [text for text in found if ":" not in text], [text for text in found if ":" in text]


def test_the_hosts_services_are_out_of_reach_by_every_address(bottle):
    """Also those that listen on [::]: a bridge has link-local addresses of the host's."""
    host = bottle.host
    listeners = [host.space.call(socket.create_server, ("0.0.0.0", 7001)),
                 host.space.call(socket.create_server, ("::", 7002), family=socket.AF_INET6)]
    four, six = addresses(host)
    assert host.address in four
    for address in four:
        assert host.space.call(probes.tcp, address, 7001, timeout=0.2)["connected"], address  # the control
        assert bottle.agent.tcp(address=address, port=7001, send="hello\r\n\r\n")["error"] == "ECONNRESET", address
    link = next(name for name in bottle.agent.read(path="/sys/class/net").get("names", ["agent0"]) if name != "lo")
    for address in six:
        scoped = [f"{address}%{name['ifname']}" for name in json.loads(host.space.run("ip", "-j", "link"))]
        wait_for(lambda: any(host.space.call(probes.tcp, text, 7002, timeout=0.2)["connected"] for text in scoped), address)
        answer = bottle.agent.tcp(address=f"{address}%{link}", port=7002, timeout=2)
        assert not answer["connected"] and answer["error"] in ("EADDRNOTAVAIL", "ENETUNREACH", "EHOSTUNREACH"), (address, answer)
    for listener in listeners:
        listener.close()


def test_a_service_of_the_hosts_is_reached_by_its_route_and_port_only(bottle):
    """It listens on all addresses, as it has to where an engine's bridge lies between."""
    host, streams = bottle.host, []
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 15\r\n\r\nthe host's own\n"
    listeners = [host.space.call(socket.create_server, ("0.0.0.0", port)) for port in (7070, 7071)]

    def serve(listener):
        stream, _ = listener.accept()
        with stream:
            streams.append(stream.recv(4096))
            stream.sendall(answer)
    thread = threading.Thread(target=serve, args=(listeners[0],), daemon=True)
    thread.start()
    try:
        done = bottle.agent.http(host="host.stopper.internal", port=7070)
        assert (done["status"], done["body"]) == (200, "the host's own\n"), done
        thread.join(WAIT)
        assert streams[0].startswith(b"GET / HTTP/1.1\r\nHost: host.stopper.internal\r\n")
        assert bottle.agent.http(host="host.stopper.internal", port=7071)["status"] == 403
        bottle.audit.wait(kind="http", verdict="block", reason="port-not-allowed", host="host.stopper.internal")
    finally:
        for listener in listeners:
            listener.close()


def test_names_are_asked_of_the_sidecar_only(bottle):
    four, _ = addresses(bottle.host)
    with bottle.host.capture() as capture:
        for server in (*four, "203.0.113.53"):
            assert bottle.agent.dns(server=server, name="secret-data.leak.test")["ede"] == [15], server  # Blocked: the sidecar's word
        assert bottle.agent.resolve(name="git.test") == [NAMES["git.test"]]
    assert not any(b"secret-data" in frame.data.lower() for frame in capture.frames)
    assert any(b"git" in frame.data.lower() and frame.port == 53 for frame in capture.frames)  # the control


def test_bottles_side_by_side_cannot_see_each_other(host, bottle):
    other = host.up()
    try:
        own = bottle.agent.run(argv=["sh", "-c", "ip -4 -o address 2>/dev/null || hostname -I"])["out"]
        its = other.agent.run(argv=["sh", "-c", "ip -4 -o address 2>/dev/null || hostname -I"])["out"]
        address = next(word.split("/")[0] for word in its.split() if word[0].isdigit() and not word.startswith("127.") and "." in word)
        assert address not in own
        assert other.agent.run(argv=["/usr/bin/python3", "-c", "import socket,threading,time\ns=socket.create_server(('0.0.0.0',7003))\n"
                                     "threading.Thread(target=s.accept,daemon=True).start()\n"
                                     f"socket.create_connection(('{address}',7003),2); print('connected')"])["out"] == "connected\n"
        assert other.agent.run(argv=["sh", "-c", "(nc -l -p 7003 || sleep 60) >/dev/null 2>&1 & echo"])["status"] == 0
        assert bottle.agent.tcp(address=address, port=7003, send="hello\r\n\r\n")["error"] == "ECONNRESET"
        assert other.agent.http(host="plain.test")["status"] == bottle.agent.http(host="plain.test")["status"] == 200
    finally:
        other.close()


def test_the_agent_can_undo_nothing(bottle):
    agent = bottle.agent
    status = agent.status()
    assert {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1" and "0" not in status["Uid"].split()
    assert agent.open_socket(family="AF_PACKET", kind="SOCK_RAW") == "EPERM"
    assert agent.open_socket(family="AF_INET", kind="SOCK_RAW", protocol=1) == "EPERM"
    assert agent.open_socket(family="AF_INET", kind="SOCK_STREAM") == "ok"  # the control
    assert agent.system_call(name="unshare", arguments=[0x10000000]) == "EPERM"
    assert agent.system_call(name="setuid", arguments=[0]) == agent.system_call(name="sethostname", arguments=["x", 1]) == "EPERM"
    for path in "/etc/resolv.conf", "/proc/sys/net/ipv4/ip_forward":
        assert agent.run(argv=["sh", "-c", f"echo nameserver 1.1.1.1 >{path}"])["status"] != 0, path


def test_user_namespaces_are_for_those_who_ask(host):
    command = "/usr/bin/python3", "-c", "import ctypes; print(ctypes.CDLL(None).unshare(0x10000000))"
    assert host.run(*command).stdout == "-1\n"
    done = host.run(*command, options=("--allow-userns",))
    if host.runtime == "docker":  # whose default filter cannot be had to be changed
        assert done.returncode == STOPPER_FAILED and "--allow-userns" in done.stderr, done
    else:
        assert done.stdout == "0\n", done


def test_apply_reads_the_manifest_again_and_status_tells_of_it(bottle):
    host, name = bottle.host, bottle.name

    def status():
        done = host.hostctl("status", name, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)
    before = status()
    done = host.hostctl("apply", name)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"generation {before['generation'] + 1}\n", "")
    after = status()
    assert (after["generation"], after["policy_digest"]) == (before["generation"] + 1, before["policy_digest"])
    assert (after["name"], after["runtime"], after["manifest"]) == (name, host.runtime, host.manifest)
    assert all(worker["state"] == "serving" and worker["memory_kib"] > 100 for worker in after["workers"])
    assert bottle.agent.https(host="allowed.test")["status"] == 200
    denied = host.hostctl("apply", name, "-f", host.write("none.yaml", "egress: {routes: []}\n"))
    assert denied.returncode == 0 and bottle.agent.https(host="allowed.test")["status"] == 403
    assert host.hostctl("apply", name).returncode == 0 and bottle.agent.https(host="allowed.test")["status"] == 200


def test_a_held_request_is_shown_and_approved(bottle):
    host, name, answers = bottle.host, bottle.name, []
    with open(host.manifest, encoding="utf-8") as manifest:
        held = host.write("held.yaml", "supervise: true\n" + manifest.read())
    assert host.hostctl("apply", name, "-f", held).returncode == 0
    asked = threading.Thread(target=lambda: answers.append(bottle.agent.http(host="denied.test", timeout=60)))
    asked.start()
    try:
        one, = wait_for(lambda: json.loads(host.hostctl("pending", name, "--json").stdout), "the held request")
        assert (one["method"], one["host"], one["path"], one["bottle"]) == ("GET", "denied.test", "/", name) and not answers
        done = host.hostctl("approve", one["id"], "--reason", "it is asked for")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{one['id']} approved\n", "")
        asked.join(WAIT)
        assert answers[0]["body"] == f"I am denied.test at {NAMES['denied.test']}\n"
        line = bottle.audit.wait(kind="http", verdict="allow", host="denied.test")
        assert line["id"] == one["event_id"] and line["rule"] == f"denied.test approval {one['id'].rpartition('/')[2]}"
    finally:
        assert host.hostctl("apply", name).returncode == 0
        asked.join(WAIT)


def test_doctor_finds_every_wall_of_a_bottle_standing_and_all_that_it_needs(bottle):
    host = bottle.host
    for words in (bottle.name,), ("--runtime", host.runtime):
        done = host.hostctl("doctor", *words, "--json")
        said = json.loads(done.stdout)
        assert (done.returncode, said["ok"]) == (0, True), [line for line in said["checks"] if line["state"] != "ok"]
        assert {line["state"] for line in said["checks"]} == {"ok"}
        names = {(line["area"], line["name"]) for line in said["checks"]}
        assert names >= ({("bottle", "routes"), ("bottle", "udp"), ("bottle", "ca"), ("sidecar", "audit")} if len(words) == 1
                         else {("host", "runtimes"), (host.runtime, "wall")})


# ---- the user ---------------------------------------------------------------------------------------------------------


def test_exec_passes_status_bytes_and_folder(bottle):
    host, name = bottle.host, bottle.name
    for command, status in ("exit 9", 9), ("kill -9 $$", 137):
        assert host.hostctl("exec", name, "--", "sh", "-c", command).returncode == status
    done = host.hostctl("exec", name, "--", "sh", "-c", "cat; echo words >&2", stdin="bytes\n" * 1000)
    assert (done.returncode, done.stdout, done.stderr) == (0, "bytes\n" * 1000, "words\n")
    assert host.hostctl("exec", "-w", "/usr", name, "--", "pwd").stdout == "/usr\n"
    text = host.hostctl("exec", name, "--", "cat", "/proc/self/status").stdout
    status = {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    assert {status[key] for key in ("CapPrm", "CapEff", "CapBnd")} == {"0" * 16} and status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2" and status["Uid"] == bottle.agent.status()["Uid"]


def test_exec_ends_when_it_is_told_and_the_bottle_stays(bottle):
    host = bottle.host
    process = tied(host.command("exec", bottle.name, "--", "sh", "-c", "trap 'echo told; exit 3' TERM; echo in; while :; do sleep 0.1; done"),
                   env=host.environment, cwd=host.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"in\n"
    os.kill(child_of(process.pid), signal.SIGTERM)
    assert process.stdout.readline() == b"told\n"
    assert process.wait(WAIT) == 3
    assert bottle.agent.http(host="plain.test")["status"] == 200


def test_shell_has_a_terminal_of_its_own(bottle):
    host = bottle.host
    master, slave = pty.openpty()
    shell = tied(host.command("shell", bottle.name), env={**host.environment, "TERM": "vt100"}, cwd=host.dir, stdin=slave,
                 stdout=slave, stderr=slave)
    seen = b""

    def read(until):
        nonlocal seen
        while until not in seen:
            assert select.select([master], [], [], WAIT)[0], seen
            seen += os.read(master, 4096)
        seen = seen.partition(until)[2]
    os.write(master, b"tty; echo term-$TERM; id -u\n")
    read(b"/dev/pts/")
    read(b"term-vt100")
    os.write(master, b"sleep 300\n")
    wait_for(lambda: "sleep\x00300" in bottle.agent.run(argv=["sh", "-c", "cat /proc/[0-9]*/cmdline"])["out"], "the sleep")
    os.write(master, b"\x03")  # ends the sleep, not hostctl
    os.write(master, b"echo still-$((40 + 2)); exit 6\n")
    read(b"still-42")
    assert shell.wait(WAIT) == 6
    os.close(master)
    os.close(slave)


def test_a_port_of_the_bottles_is_forwarded(bottle):
    host = bottle.host
    bottle.agent.run(argv=["sh", "-c", "/usr/bin/python3 -m http.server 8011 --bind 127.0.0.1 >/dev/null 2>&1 </dev/null &"])
    forward = tied(host.command("forward", bottle.name, "8011"), env=host.environment, cwd=host.dir, stdin=subprocess.DEVNULL,
                   stdout=subprocess.PIPE, text=True)
    port = int(forward.stdout.readline().split()[0].rpartition(":")[2])
    wait_for(lambda: "Directory listing" in host.space.call(probes.http, "127.0.0.1", port=port).get("body", ""), "the server's answer")
    os.kill(child_of(forward.pid), signal.SIGINT)
    forward.wait(WAIT)
    assert not host.space.call(probes.tcp, "127.0.0.1", port, timeout=2)["connected"]


def test_files_in_mounts_belong_to_the_user(host):
    work = os.path.join(host.dir, "mine")
    os.mkdir(work)
    os.chown(work, *host.caller)
    host.environment |= {"SUDO_UID": "1717", "SUDO_GID": "1818"}  # which counts for root only
    try:
        done = host.run("sh", "-c", "id -u; id -g; pwd; echo x >made; echo x >../other; ls -d ../lower/in 2>&1; touch ../lower/in",
                        options=("--mount", work, "--mount", f"{host.manifest}:/work/lower/in:ro", "--env", "TWO=2"))
    finally:
        del host.environment["SUDO_UID"], host.environment["SUDO_GID"]
    assert done.stdout.split()[:3] == [*map(str, host.caller), "/work/mine"], done
    info = os.stat(os.path.join(work, "made"))
    assert (info.st_uid, info.st_gid) == host.caller and done.returncode != 0 and os.listdir(work) == ["made"]


def test_a_repositorys_hooks_are_read_only_and_what_the_host_would_run_is_listed(host):
    """Also by renaming what is around them. The control is the rest of the repository."""
    work = os.path.join(host.dir, "repo")
    subprocess.run(["git", "init", "-q", work], check=True)
    subprocess.run(["chmod", "-R", "a+rwX", work], check=True)
    made = time.time()
    wait_for(lambda: time.time() > made + 1, "the next second: what is older is not listed")
    commands = ("echo x >.git/hooks/pre-commit", "echo x >>.git/config", "rm -rf .git/hooks", "mv .git/hooks .git/h", "mv .git g",
                "mv .git/config .git/c")
    done = host.run("sh", "-c", "; ".join(f"({command}) && echo '{command}'" for command in commands) + "; touch .git/index && echo end",
                    options=("--mount", work))
    assert (done.returncode, done.stdout) == (0, "end\n"), done
    assert not os.path.exists(os.path.join(work, ".git/hooks/pre-commit"))
    bottle = Up(host, "sh", "-c", "echo x >.git/description; echo x >plain; echo x >Makefile; echo x >run; chmod +x run; echo up; sleep 1000",
                options=("--mount", work))
    bottle.said("up")
    done = host.hostctl("down", "u")
    assert done.returncode == 0 and sorted(done.stdout.splitlines()) == [f"changed: {work}/Makefile", f"changed: {work}/run"], done
    assert bottle.end()[2].count("hostctl: changed: ") == 2
    with open(os.path.join(work, ".git/description"), encoding="ascii") as file:
        assert file.read() == "x\n"


def test_hooks_that_are_not_there_cannot_be_made_nor_a_worktrees_file_be_replaced(host):
    bare, tree = (os.path.join(host.dir, name) for name in ("hookless", "tree"))
    subprocess.run(["git", "init", "-q", "--template=", bare], check=True)
    os.mkdir(tree)
    with open(os.path.join(tree, ".git"), "w", encoding="ascii") as file:
        file.write("gitdir: /nowhere\n")
    subprocess.run(["chmod", "-R", "a+rwX", bare, tree], check=True)
    subprocess.run(["chown", "-R", "{}:{}".format(*host.caller), bare, tree], check=True)
    assert not os.path.exists(os.path.join(bare, ".git/hooks"))
    commands = ("echo x >/a/.git/hooks/pre-commit", "rmdir /a/.git/hooks", "mv /a/.git/hooks /a/.git/h", "mkdir /a/.git/hooks", "echo x >/b/.git",
                "rm -f /b/.git", "mv /b/.git /b/g")
    done = host.run("sh", "-c", "; ".join(f"({command}) && echo '{command}'" for command in commands) + "; touch /a/.git/index /b/x && echo end",
                    options=("--mount", f"{bare}:/a", "--mount", f"{tree}:/b"))
    assert (done.returncode, done.stdout) == (0, "end\n"), done
    info = os.stat(os.path.join(bare, ".git/hooks"))
    assert os.listdir(os.path.join(bare, ".git/hooks")) == [] and (info.st_uid, info.st_gid) == host.caller
    with open(file.name, encoding="ascii") as file:
        assert file.read() == "gitdir: /nowhere\n"


AGENT = {
    "bottles/base.md": "---\nenv: {FROM: base, GIVEN: base}\nskills: [review]\n---\n",
    "bottles/top.md": "---\nextends: base\nagent_provider: {template: claude}\nenv: {FROM: top}\n---\n",
    "agents/helper.md": "---\nbottle: top\nskills: [write]\ngit-gate: {user: {name: Ada}}\n---\nHelp.\n\nWell.\n",
    "skills/review/SKILL.md": "How to review\n", "skills/write/SKILL.md": "How to write\n"}
SHOW = """
cat "$STOPPER_PROMPT" "$STOPPER_SKILLS"/*/SKILL.md
echo "$FROM, $GIVEN, $MINE, $FORGE_TOKEN; $CLAUDE_CODE_OAUTH_TOKEN $DISABLE_AUTOUPDATER; $GIT_CONFIG_KEY_0 $GIT_CONFIG_VALUE_0"
for file in "$STOPPER_PROMPT" "$STOPPER_SKILLS/review/SKILL.md" "$STOPPER_SKILLS/write/new"; do (echo x >>"$file") 2>/dev/null || echo refused; done
pwd
"""


def test_an_agent_finds_its_prompt_its_skills_and_its_variables(host):
    """Of a bottle that extends another, with a provider's template; variables of the command line go over those of files."""
    config = os.path.join(host.home, ".config", "stopper")
    for name, text in AGENT.items():
        os.makedirs(os.path.dirname(os.path.join(config, name)), exist_ok=True)
        with open(os.path.join(config, name), "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(file.name, 0o666)  # that they cannot be written is the mounts' doing
        os.chmod(os.path.dirname(file.name), 0o777)
    os.chmod(os.path.join(config, "skills"), 0o777)
    host.environment |= {"MINE": "from here", "CLAUDE_CODE_OAUTH_TOKEN": "value-of-the-host"}
    try:
        done = host.hostctl("up", "helper", "--name", "r", *host.options, "-e", "GIVEN=a b", "-e", "MINE", "-w", "/tmp", "--", "sh", "-c", SHOW)
    finally:
        del host.environment["MINE"], host.environment["CLAUDE_CODE_OAUTH_TOKEN"]
    shown = re.sub(r"sk-ant-oat01-stopper-placeholder-+[0-9a-f]{64}\b", "PLACEHOLDER", done.stdout)
    assert (done.returncode, shown) == (
        0, "Help.\n\nWell.\nHow to review\nHow to write\ntop, a b, from here, ; PLACEHOLDER 1; user.name Ada\n"
        "refused\nrefused\nrefused\n/tmp\n"), done
    with open(os.path.join(config, "skills/review/SKILL.md"), encoding="ascii") as file:
        assert file.read() == "How to review\n"


# ---- the end ----------------------------------------------------------------------------------------------------------


def test_the_commands_end_is_the_exit_status_and_nothing_stays(host):
    for command, status in ("exit 7", 7), ("kill -KILL $$", 137):
        assert host.run("sh", "-c", command).returncode == status
    assert state_of(host, "r") is None


def test_after_a_killed_hostctl_down_leaves_nothing(host):
    bottle = Up(host, "sh", "-c", "echo up; exec sleep 1000")
    bottle.said("up")
    assert state_of(host, "u") == "running"
    bottle.signal(signal.SIGKILL)
    bottle.process.wait(WAIT)
    assert state_of(host, "u") == "dead"
    done = host.hostctl("down", "u")
    assert (done.returncode, done.stderr) == (0, "")
    assert state_of(host, "u") is None


def whole(host, name):
    """Whether the audit of a bottle that is gone has all of its lines."""
    done = host.hostctl("logs", name, "--verify")
    return done.returncode == 0 and "whole from the beginning to the end\n" in done.stdout


def test_the_audit_that_is_kept_is_whole(host):
    assert host.run("true", name="ended").returncode == 0
    assert whole(host, "ended"), host.hostctl("logs", "ended").stdout
    bottle = Up(host, "sh", "-c", "echo up; exec sleep 1000", name="killed")
    bottle.said("up")
    bottle.signal(signal.SIGKILL)  # in the namespaces of netns that is the sidecar's end, too
    bottle.process.wait(WAIT)
    assert host.hostctl("down", "killed").returncode == 0
    assert whole(host, "killed") == (host.runtime != "netns")


def test_down_tells_the_command(host):
    bottle = Up(host, "sh", "-c", "trap 'echo told; exit 4' TERM; echo up; while :; do sleep 0.1; done")
    bottle.said("up")
    assert host.hostctl("down", "u").returncode == 0
    status, out, err = bottle.end()
    assert (status, out, err.replace("Terminated\n", "")) == (4, b"told\n", "")  # bash tells of its sleep's end


def test_an_image_or_runtime_that_does_not_fit_is_said_before_anything_starts(host):
    for words, text in ((("--runtime", "nothing"), "--runtime must be one of"), (("--memory", "1g"), "--memory needs --image"),
                        (("--runtime", "netns", "--image", "x"), "--runtime netns knows no --image"),
                        (("--route", "shim"), "--route needs --image"), (("--image", "x", "--route", "me"), "--route must be helper or shim"),
                        (("--image", "x", "--cpus", "many"), "--cpus must be a number"),
                        (("--image", "x", "--memory", "1q"), "--memory must be a number"),
                        (("--image", "x", "--home", "../x"), "--home must be"), (("--workdir", "w"), "--workdir must be"),
                        (("--env", "NOT_SET_ANYWHERE"), "there is no such variable"), (("--env", "1=x"), "not the name of a variable")):
        done = host.hostctl("up", "-f", host.manifest, *words, "--", "true")
        assert done.returncode == 2 and text in done.stderr, done
    assert wait_for(lambda: state_of(host, "bottle") is None, "nothing to be made")
