# SPDX-License-Identifier: GPL-3.0-or-later
"""The netns runtime: what enters a bottle and what does not, how its command is connected to the user, and that whatever
ends it, at whatever moment, takes everything along. Each wall's probe has a control that succeeds where there is no wall."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

from spaces import WAIT, alive, child_of, tied, wait_for
from world import NAMES

STOPPER_FAILED = 125


class Up:
    """`hostctl up` with a command of the test's; its output is collected, its pid is hostctl's own."""

    def __init__(self, host, *command, options=(), name="b", **named):
        self.host, self.name = host, name
        named = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **named}
        self.process = tied(host.command("up", "-f", host.manifest, "--name", name, *options, "--", *command),
                            env=host.environment, cwd=host.dir, **named)

    def said(self, text):
        """Reads stdout until the text has come."""
        data = b""
        while text.encode() not in data:
            assert select.select([self.process.stdout], [], [], WAIT)[0], data
            piece = os.read(self.process.stdout.fileno(), 4096)
            assert piece, (data, self.process.stderr.read())
            data += piece
        return data.decode()

    def pid(self):
        return child_of(self.process.pid)

    def signal(self, number):
        os.kill(self.pid(), number)

    def end(self):
        out, err = self.process.communicate(timeout=WAIT)
        return self.process.returncode, out, err

    def record(self):
        with open(os.path.join(self.host.state, "stopper", "bottles", self.name, "record.json"), encoding="utf-8") as file:
            return json.load(file)


def up(host, *command, options=(), stdin=b"", seconds=WAIT):
    """A bottle to its end: status, stdout, stderr."""
    done = subprocess.run(host.command("up", "-f", host.manifest, "--name", "b", *options, "--", *command), input=stdin,
                          capture_output=True, env=host.environment, cwd=host.dir, timeout=seconds, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def folder(host, name, mode=0o755):
    path = os.path.join(host.dir, name)
    os.mkdir(path)
    os.chmod(path, mode)
    return path


def pid_of(host, program):
    """The machine's own number of the host's process that runs this program, and whose parent does not."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb"), open(f"/proc/{pid}/status", encoding="ascii") as status:
                name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
                fields = dict(line.split(":\t", 1) for line in status)
                numbers = fields["NSpid"].split()
                if name != program or len(numbers) < 2 or int(numbers[1]) not in host.processes().get(program, ()):
                    continue
                same = f"/proc/{host.space.pid}/root/proc/{numbers[1]}"  # another host may have this number, too
                if os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"{same}/ns/pid"):
                    found[int(pid)] = int(fields["PPid"])
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return next((pid for pid, parent in found.items() if parent not in found), None)


# ---- how the command is connected -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command, status", [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137),
                                             ("exec /nonexistent", 127)])
def test_the_commands_end_is_the_exit_status(host, command, status):
    assert up(host, "sh", "-c", command)[0] == status


def test_a_command_with_the_name_of_a_verb_of_the_shims_is_a_command(host):
    for command in ("exec", "--", "true"), ("connect",):
        assert up(host, *command) == (127, b"", f"stopper-shim: {command[0]}: command not found\n")


def test_bytes_pass_unchanged_and_the_two_outputs_stay_apart(host):
    data = os.urandom(3 << 20)
    status, out, err = up(host, "sh", "-c", "cat; echo words >&2", stdin=data)
    assert (status, out == data, err) == (0, True, "words\n")


def test_the_command_gets_no_descriptor_of_the_users(host):
    with open(os.path.join(host.dir, "mine"), "w+b") as mine:
        bottle = Up(host, "sh", "-c", "ls -l /proc/self/fd; echo again >/dev/stdout", stdin=mine, stdout=mine)
        assert bottle.end()[0] == 0
        mine.seek(0)
        text = mine.read().decode()
    assert "again" in text and host.dir not in text
    assert sorted(re.findall(r" (\d+) -> pipe:", text)) == ["0", "1", "2"], text


def test_a_terminal_is_the_bottles_own_and_follows_the_users(host):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    bottle = Up(host, "sh", "-c", "trap 'stty size; exit 5' WINCH; tty; stty size; while :; do sleep 0.05; done",
                stdin=slave, stdout=slave, stderr=slave)

    def read(until):
        data = b""
        while until not in data:
            assert select.select([master], [], [], WAIT)[0], data
            data += os.read(master, 4096)
        return data
    first = read(b"33 77")
    assert b"/dev/pts/0" in first
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    bottle.signal(signal.SIGWINCH)
    read(b"40 100")
    assert bottle.process.wait(WAIT) == 5
    assert termios.tcgetattr(slave)[3] & termios.ECHO  # the user's terminal is as it was
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command(host, number):
    bottle = Up(host, "sh", "-c", f"trap 'exit 9' {number.name[3:]}; echo up; while :; do sleep 0.05; done")
    bottle.said("up")
    bottle.signal(number)
    assert bottle.end()[0] == 9


# ---- what enters ------------------------------------------------------------------------------------------------------


def test_a_socket_of_the_hosts_is_reached_through_a_mount_only(host):
    """The wall is the agent's own root: with the daemon's folder mounted in its place the same probe connects."""
    inside = folder(host, "daemon", 0o777)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(inside, "sock"))
    os.chmod(os.path.join(inside, "sock"), 0o777)
    listener.listen()
    probe = ("import socket,sys\ntry: socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print('connected')\n"
             "except OSError as problem: print(problem.errno)")
    command = "/usr/bin/python3", "-c", probe, os.path.join(inside, "sock")
    assert up(host, *command)[1] == b"2\n"
    assert up(host, *command, options=("--mount", f"{inside}:{inside}"))[1] == b"connected\n"
    listener.close()


def test_of_the_host_only_programs_are_seen(host):
    hidden = [os.path.join(host.home, ".ssh", "id_ed25519"), host.manifest, host.state, "/etc/shadow", "/etc/ssh", "/boot",
              "/etc/machine-id", "/etc/ssl/private", "/var/log", "/run/systemd", "/opt", "/srv", "/sys/class", "/lost+found"]
    status, out, _ = up(host, "sh", "-c", 'for p; do [ -e "$p" ] && echo "$p"; done; ls -A /home /root /tmp; exit 0', "sh", *hidden)
    assert status == 0
    assert out.decode().split() == ["/home:", "agent", "/tmp:"]  # /root cannot be listed
    status, out, err = up(host, "cat", "/work/manifest", options=("--mount", f"{host.manifest}:/work/manifest:ro"))
    assert (status, out) == (0, open(host.manifest, "rb").read()), err  # the control: what is mounted is seen


def test_a_nodes_configuration_below_usr_is_empty(host):
    os.makedirs(os.path.join(host.dir, "usr", "etc"))
    for name in "npmrc", "harmless":
        host.write(os.path.join("usr", "etc", name), "token\n")
    host.space.run("mount", "-t", "overlay", "-o", f"lowerdir={host.dir}/usr:/usr", "overlay", "/usr")
    host.before = host.traces()
    assert up(host, "sh", "-c", "cat /usr/etc/harmless; echo; cat /usr/etc/npmrc") == (0, b"token\n\n", "")


def test_everything_is_mounted_nosuid_and_what_is_writable_nodev(host):
    work = folder(host, "w")
    status, out, _ = up(host, "cat", "/proc/self/mounts", options=("--mount", f"{work}:/work"))
    mounts = [line.split() for line in out.decode().splitlines()]
    assert status == 0 and len(mounts) > 10
    for _, place, kind, flags, *_ in mounts:
        flags = flags.split(",")
        assert "nosuid" in flags, place
        assert "nodev" in flags or "ro" in flags or kind == "devpts", place
    assert {place for _, place, _, flags, *_ in mounts if "rw" in flags.split(",") and place != "/proc"} == {
        "/dev/pts", "/dev/shm", "/etc", "/home/agent", "/run", "/tmp", "/var/cache", "/var/lib/apt", "/var/tmp", "/work"}


def test_a_read_only_mount_refuses_writes(host):
    work = folder(host, "w", 0o777)
    command = "sh", "-c", "echo text >/work/file"
    status, _, err = up(host, *command, options=("--mount", f"{work}:/work:ro"))
    assert status != 0 and "Read-only" in err and os.listdir(work) == []
    assert up(host, *command, options=("--mount", f"{work}:/work"))[0] == 0
    assert os.listdir(work) == ["file"]


def test_a_device_in_a_mount_is_dead(host):
    work = folder(host, "w")
    os.mknod(os.path.join(work, "null"), 0o666 | 0o020000, os.makedev(1, 3))
    os.chmod(os.path.join(work, "null"), 0o666)
    subprocess.run(["sh", "-c", f"echo x >{work}/null"], check=True)  # the control: outside it is one
    status, _, err = up(host, "sh", "-c", "echo x >/work/null", options=("--mount", f"{work}:/work"))
    assert status != 0 and "Permission denied" in err


def test_links_in_a_mount_lead_nowhere_outside(host):
    work, secret = folder(host, "w"), host.write("secret", "the host's")
    os.symlink(secret, os.path.join(work, "link"))
    os.symlink("/etc", os.path.join(work, "etc"))
    with open(os.path.join(work, "link"), encoding="ascii") as link:
        assert link.read() == "the host's"  # the control
    status, out, _ = up(host, "sh", "-c", "cat /work/link; ls /work/etc/shadow", options=("--mount", f"{work}:/work"))
    assert status != 0 and out == b""


@pytest.mark.parametrize("target", ["/work/link/new", "/work/link", "/work/new"])
def test_a_mount_inside_a_mount_follows_no_link_and_makes_nothing_on_the_host(host, target):
    one, other, outside = (folder(host, name) for name in ("one", "other", "outside"))
    os.symlink(outside, os.path.join(one, "link"))
    os.mkdir(os.path.join(one, "there"))
    options = ("--mount", f"{one}:/work", "--mount", f"{other}:{target}")
    status, _, err = up(host, "true", options=options)
    assert status == STOPPER_FAILED and "--mount" in err, err
    assert sorted(os.listdir(one)) == ["link", "there"] and os.listdir(outside) == []
    assert up(host, "true", options=("--mount", f"{one}:/work", "--mount", f"{other}:/work/there"))[0] == 0  # the control


@pytest.mark.parametrize("target", ["/", "/proc", "/proc/sys", "/sys", "/dev/shm", "/etc", "/etc/ssh", "/run/stopper", "/usr/local",
                                    "/bin"])
def test_the_bottles_own_places_cannot_be_mounted_over(host, target):
    work = folder(host, "w")
    status, _, err = up(host, "true", options=("--mount", f"{work}:{target}"))
    assert status in (2, STOPPER_FAILED) and "--mount" in err, err


def test_the_agent_is_who_called_sudo(host):
    host.environment |= {"SUDO_UID": "1234", "SUDO_GID": "2345"}
    status, out, _ = up(host, "sh", "-c", "id -u; id -g; id -un; id -G; stat -c %u /home/agent /tmp; touch ~/x $XDG_RUNTIME_DIR/x")
    assert out.decode().split()[:6] == ["1234", "2345", "agent", "2345", "1234", "0"]


# ---- the sidecar and the uplink ---------------------------------------------------------------------------------------


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def test_pasta_has_no_power_over_the_host(host):
    bottle = Up(host, "sh", "-c", "echo up; sleep 60")
    bottle.said("up")
    pasta = pid_of(host, "passt.avx2") or pid_of(host, "passt")
    status = status_of(pasta)
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"61003"}
    assert status["Groups"].split() == [] and status["NoNewPrivs"] == "1"
    assert os.readlink(f"/proc/{pasta}/ns/user") != os.readlink("/proc/self/ns/user")  # its capabilities count there only
    assert os.listdir(f"/proc/{pasta}/root") == []
    bottle.signal(signal.SIGTERM)
    bottle.end()


def test_the_gateway_is_no_way_to_the_hosts_loopback(host):
    """pasta maps its gateway to the host's loopback unless it is told not to."""
    listener = host.space.call(socket.create_server, ("127.0.0.1", 7002))
    host.space.call(socket.create_connection, ("127.0.0.1", 7002), 2).close()  # the control
    bottle = Up(host, "sh", "-c", "echo up; sleep 60")
    bottle.said("up")
    sidecar = pid_of(host, "stopper-init")
    gateway = re.search(r"default via (\S+)", host.space.run("ip", "route")).group(1)
    # As the proxy's user, whom the sidecar's own rules let out: pasta alone is in the way.
    probe = ("import socket,sys\ntry: socket.create_connection((sys.argv[1], int(sys.argv[2])), 1); print('connected')\n"
             "except OSError: print('refused')")

    def dial(address, port):
        return subprocess.run(["nsenter", "-t", str(sidecar), "-n", "setpriv", "--reuid", "61001", "--clear-groups", "--",
                               "/usr/bin/python3", "-c", probe, address, str(port)], capture_output=True, text=True, check=True).stdout
    assert dial(NAMES["allowed.test"], 443) == "connected\n"  # the control
    assert dial(gateway, 7002) == "refused\n"
    bottle.signal(signal.SIGTERM)
    bottle.end()
    listener.close()


def test_the_sidecar_sees_programs_only_and_has_the_listed_capabilities(host):
    bottle = Up(host, "sh", "-c", "echo up; sleep 60")
    bottle.said("up")
    sidecar = pid_of(host, "stopper-init")
    root = f"/proc/{sidecar}/root"
    assert int(status_of(sidecar)["CapBnd"], 16) & ~sum(1 << cap for cap in (5, 6, 7, 8, 12, 18)) == 0  # capabilities(7)
    assert not {"home", "root", "tmp", "var", "srv", "opt"} & set(os.listdir(root))
    assert all(name.startswith("stopper-") for name in os.listdir(f"{root}/stopper"))
    with open(f"/proc/{sidecar}/mounts", encoding="ascii") as mounts:
        assert [line.split()[1] for line in mounts if " rw," in line] == ["/run", "/proc", "/proc/sys/net"]
    bottle.signal(signal.SIGTERM)
    bottle.end()


def test_the_bottles_network_avoids_the_hosts(host):
    """All of the pool but 10.127.0.0/16 is routed on the host."""
    for second, length in (64, 11), (96, 12), (112, 13), (120, 14), (124, 15), (126, 16):
        host.space.run("ip", "route", "add", f"10.{second}.0.0/{length}", "dev", "up0")
    bottle = Up(host, "sh", "-c", "echo up; sleep 60")
    bottle.said("up")
    assert bottle.record()["values"]["subnet"].startswith("10.127.")
    bottle.signal(signal.SIGTERM)
    bottle.end()
    for second, length in (64, 11), (96, 12), (112, 13), (120, 14), (124, 15), (126, 16):
        host.space.run("ip", "route", "del", f"10.{second}.0.0/{length}")


def test_without_a_way_out_up_says_so_and_leaves_nothing(host):
    routes = host.space.run("ip", "route", "show", "default").split()
    host.space.run("ip", "route", "del", "default")
    status, _, err = up(host, "true")
    assert status == STOPPER_FAILED and "pasta" in err, err
    host.space.run("ip", "route", "add", *routes)


def forward(host, value):
    host.space.run("sysctl", "-qw", f"net.ipv4.ip_forward={value}")


def test_nat_needs_a_host_that_forwards_and_never_makes_it_one(host):
    was = host.traces()["forwarding"].strip()
    forward(host, 0)
    status, _, err = up(host, "true", options=("--uplink", "nat"))
    assert status == STOPPER_FAILED and "net.ipv4.ip_forward" in err, err
    assert host.traces()["forwarding"] == "0\n"
    forward(host, was)


@pytest.mark.parametrize("kill", ["nothing", "hostctl", "guard", "both"])
def test_the_nat_rule_goes_whoever_is_killed(host, kill):
    was = host.traces()["forwarding"].strip()
    forward(host, 1)
    bottle = Up(host, "sh", "-c", "echo up; sleep 60", options=("--uplink", "nat"))
    bottle.said("up")
    record = bottle.record()["values"]
    assert f"table ip {record['table']}" in host.traces()["rules"] and record["link"] in host.traces()["links"]
    guard = bottle.record()["processes"]["guard"]["pid"]
    if kill in ("guard", "both"):
        host.kill(guard)
    bottle.signal(signal.SIGKILL if kill in ("hostctl", "both") else signal.SIGTERM)
    bottle.process.wait(WAIT)
    if kill == "hostctl":  # the guard does it at once, without any command of the user's
        wait_for(lambda: record["table"] not in host.traces()["rules"], "the end of the rule")
    assert host.hostctl("gc").returncode == 0
    forward(host, was)


def test_gc_all_finds_a_table_of_nobody(host):
    host.space.run("nft", "add table ip stopper_nobody; add table ip other")
    assert host.hostctl("gc").returncode == 0 and "stopper_nobody" in host.traces()["rules"]
    done = host.hostctl("gc", "--all")
    assert done.returncode == 0 and "stopper_nobody" not in host.traces()["rules"], done
    assert "table ip other" in host.traces()["rules"]
    host.space.run("nft", "delete table ip other")


# ---- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_dead_hostctl_takes_all_processes_along_and_gc_the_files(host, number):
    bottle = Up(host, "sh", "-c", "setsid sleep 1000 & echo up; exec sleep 1000")
    bottle.said("up")
    assert len(host.processes()) > len(host.before["processes"])
    bottle.signal(number)
    bottle.process.wait(WAIT)
    wait_for(lambda: host.processes() == host.before["processes"], "the end of all processes")
    ps = host.hostctl("ps", "--json")
    assert [entry["state"] for entry in json.loads(ps.stdout)] == ["dead"]
    assert host.hostctl("down", "b").returncode == 0
    assert up(host, "true")[0] == 0  # the name is free again


def test_up_cleans_what_a_killed_up_of_the_same_name_left(host):
    bottle = Up(host, "sh", "-c", "echo up; sleep 60")
    bottle.said("up")
    bottle.signal(signal.SIGKILL)
    bottle.process.wait(WAIT)
    assert up(host, "echo", "again")[:2] == (0, b"again\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_end_at_any_moment_leaves_nothing(host, number):
    for step in range(12):
        bottle = Up(host, "sleep", "1000")
        pid = bottle.pid()
        time.sleep(step * 0.04)  # no event to wait for: the moments themselves are the test
        os.kill(pid, number)
        bottle.process.communicate(timeout=WAIT)
    done = host.hostctl("gc")
    assert done.returncode == 0, done


def test_a_dead_uplink_ends_the_bottle(host):
    bottle = Up(host, "sh", "-c", "echo up; sleep 60")
    bottle.said("up")
    host.kill(bottle.record()["processes"]["uplink"]["pid"])
    status, _, err = bottle.end()
    assert status == STOPPER_FAILED and b"uplink" in err, err


def test_a_dead_sidecar_ends_the_bottle(host):
    bottle = Up(host, "sh", "-c", "echo up; sleep 60")
    bottle.said("up")
    host.kill(bottle.record()["processes"]["sidecar"]["pid"])
    status, _, err = bottle.end()
    assert status == STOPPER_FAILED and b"sidecar" in err, err


def test_down_ends_a_command_that_does_not_listen(host):
    bottle = Up(host, "sh", "-c", "trap '' TERM HUP INT; echo up; while :; do sleep 0.1; done")
    bottle.said("up")
    assert host.hostctl("down", "b").returncode == 0
    assert bottle.end()[0] == STOPPER_FAILED


def test_a_recorded_number_that_is_someone_elses_by_now_is_left_alone(host):
    bottle = Up(host, "sh", "-c", "echo up; sleep 60")
    bottle.said("up")
    bottle.signal(signal.SIGKILL)
    bottle.process.wait(WAIT)
    bystander = tied(host.space.enter("sleep", "1000"), env=host.environment)
    pid = child_of(bystander.pid)
    path = os.path.join(host.state, "stopper", "bottles", "b", "record.json")
    record = bottle.record()
    number = wait_for(lambda: host.processes().get("sleep"), "the bystander")[0]
    record["processes"]["agent"]["pid"] = record["processes"]["sidecar"]["pid"] = number
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file)
    assert host.hostctl("gc").returncode == 0
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
    bystander.wait()


def test_bottles_side_by_side_share_nothing(host):
    bottles = [Up(host, "sh", "-c", "echo mark >/tmp/mark; ls /tmp; ps -e | wc -l; hostname; echo up; sleep 60", name=name)
               for name in ("one", "two", "three")]
    heard = [bottle.said("up\n").split() for bottle in bottles]
    assert [words[0] for words in heard] == ["mark"] * 3 and [words[2] for words in heard] == ["one", "two", "three"]
    assert len({words[1] for words in heard}) == 1  # the same few processes each
    assert len({bottle.record()["values"]["subnet"] for bottle in bottles}) == 3
    seen = host.hostctl("exec", "two", "--", "hostname")
    assert (seen.returncode, seen.stdout) == (0, "two\n")
    for bottle in bottles:
        bottle.signal(signal.SIGTERM)
        status, _, err = bottle.end()
        assert (status, err) == (143, b"")
