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
    "hostctl/rt_netns.c": SPDX + '#include "sys/jail.h"\n',
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
    ("a spaced directive", "appliance/core/str.h", '  #  include  "sys/jail.h"\n', "must not include appliance/sys"),
    ("unknown file", "dns/answer.c", '#include "dns/absent.h"\n', "is not a file of this tree"),
    ("unknown folder", "stray/a.c", SPDX, "in no known folder"),
    ("layout", "dns/answer.c", "int  a ;\n", "layout"),
    ("no licence", "dns/bare.c", "int a;\n", "no SPDX line"),
    ("long file", "dns/long.c", SPDX + "int a;\n" * 600, "601 lines"),
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
