# SPDX-License-Identifier: GPL-3.0-or-later
"""The linters bite: each is run on a small tree that is clean, then on the same tree with one thing wrong."""
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
SPDX = "/* SPDX-License-Identifier: GPL-3.0-or-later */\n"
CLEAN = {
    "appliance/core/str.h": SPDX + "struct str;\n",
    "appliance/sys/jail.h": SPDX + '#include "core/str.h"\n',
    "appliance/proxy/main.c": SPDX + '#include "proxy/main.h"\n\n#include "core/str.h"\n#include "sys/jail.h"\n',
    "appliance/proxy/main.h": SPDX,
    "hostctl/rt_netns.c": SPDX + '#include <sys/prctl.h>\n\n#include "sys/jail.h"\n',
    "hostctl/main.c": SPDX + '#include "core/str.h"\n',
    "dns/answer.h": SPDX,
    "dns/answer.c": SPDX + '#include "answer.h"\n',
    "tests/unit/test_answer.c": SPDX + '#include "dns/answer.h"\n',
    "image/run.sh": "#!/bin/sh\n# SPDX-License-Identifier: GPL-3.0-or-later\nexit 0\n",
}
WRONG = [
    ("core includes sys", "appliance/core/str.h", '#include "sys/jail.h"\n', "appliance/core must not include appliance/sys"),
    ("sys includes a program", "appliance/sys/jail.h", '#include "proxy/main.h"\n', "must not include appliance/proxy"),
    ("program includes program", "dns/answer.c", '#include "appliance/proxy/main.h"\n', "dns must not include appliance/proxy"),
    ("by a relative path", "dns/answer.c", '#include "../hostctl/rt_netns.c"\n', "dns must not include hostctl"),
    ("hostctl includes sys", "hostctl/main.c", '#include "sys/jail.h"\n', "hostctl must not include appliance/sys"),
    ("a header of Linux", "hostctl/main.c", "#include <sys/prctl.h>\n", "<sys/prctl.h> is not of POSIX"),
    ("a header of Linux in core", "appliance/core/str.h", "#include <sys/epoll.h>\n", "<sys/epoll.h> is not of POSIX"),
    ("a spaced directive", "appliance/core/str.h", '  #  include  "sys/jail.h"\n', "must not include appliance/sys"),
    ("unknown file", "dns/answer.c", '#include "dns/absent.h"\n', "is not a file of this tree"),
    ("unknown folder", "stray/a.c", SPDX, "in no known folder"),
    ("layout", "dns/answer.c", "int  a ;\n", "layout"),
    ("no licence", "dns/bare.c", "int a;\n", "no SPDX line"),
    ("long file", "dns/long.c", SPDX + "int a;\n" * 600, "601 lines"),
    ("long function", "dns/long.c", SPDX + "int a(void)\n{\n" + "    a();\n" * 79 + "}\n", "a function of 81 lines"),
    ("script", "image/run.sh", "echo $1\n", "a script"),
    ("man page", "docs/x.1", ".Dd\n.XX\n", "a man page"),
    ("blanks", "notes.txt", "blank \n", "blanks at the end"),
]


def tree(root):
    shutil.copy(HERE.parent.parent / ".clang-format", root)
    for name, text in CLEAN.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "-q", root], check=True)


def lint(root):
    return subprocess.run([HERE / "lint.sh", root], capture_output=True, text=True, check=False)


def test_clean_tree_passes(tmp_path):
    tree(tmp_path)
    result = lint(tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name,text,says", [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_tree_fails(tmp_path, name, text, says):
    tree(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)
    result = lint(tmp_path)
    assert result.returncode == 1
    assert says in result.stdout + result.stderr


PROGRAM = "#include <stdio.h>\nint main(int n, char **w) { char t[64]; snprintf(t, sizeof t * n, \"%s\", w[0]); return puts(t) < 0; }\n"
COMPILE = {"-g": "", "-O2": "", "-fPIE": "without -fPIE", "-D_FORTIFY_SOURCE=3": "nothing fortified",
           "-fstack-protector-strong": "stack-protector", "-fstack-clash-protection": "without -fstack-clash-protection",
           "-ftrivial-auto-var-init=zero": "without -ftrivial-auto-var-init=zero"}
LINK = {"-pie": "not position independent", "-Wl,-z,relro": "no RELRO", "-Wl,-z,now": "symbols are not bound at start",
        "-Wl,-z,noexecstack": "executable stack"}
OTHERWISE = {"-fPIE": "-fno-PIE", "-pie": "-no-pie", "-Wl,-z,relro": "-Wl,-z,norelro", "-Wl,-z,now": "-Wl,-z,lazy",
             "-Wl,-z,noexecstack": "-Wl,-z,execstack", "-fstack-protector-strong": "-fno-stack-protector"}


def harden(folder, without):
    """A program built with all flags but one, as hardening.sh sees it."""
    source = folder / "a.c"
    source.write_text(PROGRAM)
    flags = [OTHERWISE.get(flag, "-g") if flag == without else flag for flag in (*COMPILE, *LINK)]
    subprocess.run(["gcc", "-w", "-U_FORTIFY_SOURCE", *flags, "-o", folder / "a", source], check=True)
    return subprocess.run([HERE / "hardening.sh", folder / "a"], capture_output=True, text=True, check=False)


def test_a_hardened_program_passes(tmp_path):
    result = harden(tmp_path, None)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("flag, says", [(flag, says) for flag, says in {**COMPILE, **LINK}.items() if says and flag != "-fPIE"])
def test_a_program_without_one_of_the_flags_fails(tmp_path, flag, says):
    result = harden(tmp_path, flag)
    assert result.returncode == 1 and says in result.stderr, result.stderr
