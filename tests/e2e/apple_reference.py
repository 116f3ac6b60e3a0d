# SPDX-License-Identifier: GPL-3.0-or-later
"""What Apple's `container` takes, from its command reference (github.com/apple/container, docs/command-reference.md, 1.2), for the
commands that a bottle may need. What is not here is refused, as its parser does it."""
import sys

# long name: (short, takes a value, first version). Without an entry: no short, 0.1.
PROCESS = {"env": ("e", True), "env-file": (None, True), "gid": (None, True), "interactive": ("i", False), "tty": ("t", False),
           "user": ("u", True), "uid": (None, True), "workdir": ("w", True), "cwd": (None, True)}
CREATE = {
    **PROCESS, "ulimit": (None, True, (1, 0)), "cpus": ("c", True), "memory": ("m", True), "arch": ("a", True), "cap-add": (None, True, (0, 12)),
    "cap-drop": (None, True, (0, 12)), "cidfile": (None, True), "detach": ("d", False), "dns": (None, True), "dns-domain": (None, True),
    "dns-option": (None, True), "dns-search": (None, True), "entrypoint": (None, True), "init": (None, False, (0, 10)),
    "init-image": (None, True, (1, 0)), "kernel": ("k", True), "label": ("l", True), "masked-path": (None, True, (1, 2)), "mount": (None, True),
    "name": (None, True), "network": (None, True), "no-dns": (None, False), "os": (None, True), "publish": ("p", True),
    "platform": (None, True), "publish-socket": (None, True), "read-only": (None, False, (0, 10)), "read-only-path": (None, True, (1, 2)),
    "rm": (None, False), "remove": (None, False), "rosetta": (None, False), "runtime": (None, True, (1, 0)), "ssh": (None, False),
    "shm-size": (None, True, (1, 0)), "tmpfs": (None, True), "volume": ("v", True), "virtualization": (None, False),
    "scheme": (None, True), "max-concurrent-downloads": (None, True, (1, 0)),
}
FORMAT = {"format": (None, True), "quiet": ("q", False)}
ALL = {"all": ("a", False)}
MANY = 1000
# command: (options, the least and the most of arguments, whether what follows the arguments is passed on, its usage)
COMMANDS = {
    ("create",): (CREATE, 1, 1, True, "[<options>] <image> [<arguments> ...]"),
    ("run",): ({**CREATE, "progress": (None, True)}, 1, 1, True, "[<options>] <image> [<arguments> ...]"),
    ("start",): ({"attach": ("a", False), "interactive": ("i", False)}, 1, 1, False, "[--attach] [--interactive] [--debug] <container-id>"),
    ("stop",): ({**ALL, "signal": ("s", True), "time": ("t", True)}, 0, MANY, False, "[--all] [--signal <signal>] [--time <time>] [--debug] [<container-ids> ...]"),
    ("kill",): ({**ALL, "signal": ("s", True)}, 0, MANY, False, "[--all] [--signal <signal>] [--debug] [<container-ids> ...]"),
    ("delete",): ({**ALL, "force": ("f", False)}, 0, MANY, False, "[--all] [--force] [--debug] [<container-ids> ...]"),
    ("list",): ({**ALL, **FORMAT}, 0, 0, False, "[--all] [--format <format>] [--quiet] [--debug]"),
    ("exec",): ({**PROCESS, "detach": ("d", False)}, 1, 1, True, "[--detach] [--env <env> ...] [--interactive] [--tty] [--user <user>] <container-id> <arguments> ..."),
    ("logs",): ({"boot": (None, False), "follow": ("f", False), None: ("n", True)}, 1, 1, False, "[--boot] [--follow] [-n <n>] [--debug] <container-id>"),
    ("inspect",): ({}, 1, MANY, False, "[--debug] <container-ids> ..."),
    ("image", "load"): ({"input": ("i", True), "force": ("f", False, (1, 0))}, 0, 0, False, "--input <input> [--force] [--debug]"),
    ("image", "pull"): ({"scheme": (None, True), "progress": (None, True), "arch": ("a", True), "os": (None, True), "platform": (None, True)},
                        1, 1, False, "[--scheme <scheme>] [--progress <type>] [--debug] <reference>"),
    ("image", "inspect"): ({}, 1, MANY, False, "[--debug] <images> ..."),
    ("image", "list"): ({**FORMAT, "verbose": ("v", False)}, 0, 0, False, "[--format <format>] [--quiet] [--verbose] [--debug]"),
    ("network", "create"): ({"internal": (None, False, (0, 9)), "label": (None, True), "option": (None, True, (1, 0)), "plugin": (None, True, (1, 0)),
                             "subnet": (None, True), "subnet-v6": (None, True)}, 1, 1, False, "[--internal] [--label <label> ...] [--subnet <subnet>] [--debug] <name>"),
    ("network", "delete"): (ALL, 0, MANY, False, "[--all] [--debug] [<network-names> ...]"),
    ("network", "list"): (FORMAT, 0, 0, False, "[--format <format>] [--quiet] [--debug]"),
    ("network", "inspect"): ({}, 1, MANY, False, "<networks> ... [--debug]"),
    ("volume", "create"): ({"label": (None, True), "opt": (None, True), None: ("s", True)}, 1, 1, False, "[--label <label> ...] [--opt <opt> ...] [-s <s>] [--debug] <name>"),
    ("volume", "delete"): (ALL, 0, MANY, False, "[--all] [--debug] [<names> ...]"),
    ("volume", "inspect"): ({}, 1, MANY, False, "[--debug] <names> ..."),
    ("volume", "list"): (FORMAT, 0, 0, False, "[--format <format>] [--quiet] [--debug]"),
    ("system", "status"): ({"prefix": ("p", True), "format": (None, True, (1, 0))}, 0, 0, False, "[--prefix <prefix>] [--format <format>] [--debug]"),
}
ALIASES = {"rm": "delete", "ls": "list"}


def refuse(text, command=None):
    """ArgumentParser's words and its exit status (EX_USAGE)."""
    sys.stderr.write(f"Error: {text}\n")
    if command:
        name = " ".join(("container",) + command)
        sys.stderr.write(f"Usage: {name} {COMMANDS[command][4]}\n  See '{name} --help' for more information.\n")
    sys.exit(64)


def command_of(words):
    """The command's words and what follows."""
    names = tuple(ALIASES.get(word, word) for word in words[:2])
    for length in 1, 2:
        if names[:length] in COMMANDS and len(names) >= length:
            return names[:length], words[length:]
    return refuse(f"Plugin '{'container-' + words[0] if words else ''}' not found.")


def option_of(command, word, version):
    """(key, takes a value, value given with =): an option of the command, by its long or short name."""
    options = {"debug": (None, False), **COMMANDS[command][0]}
    name, equals, value = word.partition("=")
    for key, (short, takes, *since) in options.items():
        if name in (f"--{key}" if key else None, f"-{short}" if short else None):
            if since and version < since[0]:
                break
            return key or short, takes, value if equals else None
    return refuse(f"Unknown option '{name}'", command)


def parse(words, version):
    """(command, {option: [values]}, arguments, passed on). An error ends the process."""
    command, rest = command_of(words)
    _, least, most, passes, _ = COMMANDS[command]
    options, arguments = {}, []
    while rest:
        word, rest = rest[0], rest[1:]
        if word == "--":
            refuse("this stand-in takes no terminator: what container makes of it is not in its reference", command)
        if word[0] == "-" and len(word) > 1:
            key, takes, value = option_of(command, word, version)
            if takes and value is None:
                if not rest or (rest[0].startswith("-") and len(rest[0]) > 1):
                    refuse(f"Missing value for '{word}'", command)
                value, rest = rest[0], rest[1:]
            elif not takes and value is not None:
                refuse(f"The option '{word.partition('=')[0]}' does not take any value, but '{value}' was specified.", command)
            options.setdefault(key, []).append(value)
            continue
        arguments.append(word)
        if passes and len(arguments) == most:
            return command, options, arguments, rest
        if len(arguments) > most:
            refuse(f"Unexpected argument '{word}'", command)
    if len(arguments) < least:
        refuse("Missing expected argument", command)
    return command, options, arguments, []
