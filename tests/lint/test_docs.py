# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents and comments name is there: files, make targets, hostctl's commands."""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FILES = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).splitlines()
DOCUMENTS = [name for name in FILES if re.fullmatch(r"README\.md|docs/[\w.-]+", name)]
SOURCES = [name for name in FILES if re.search(r"\.(c|h|inc|py|mk|sh)$|(^|/)Makefile$", name) and not name.startswith("tests/lint/")]
OURS = r"(?:[\w-]+/)*[\w-]+\.(?:c|h|inc|py|nft|sh|mk|txt)"
ELSEWHERE = {"pip.py", "tests/unit/test_X.c"}  # what others' programs are called, and a file of anybody's
TREE = {part for name in FILES for part in [name, *(name.split("/", depth)[-1] for depth in range(1, 4))]}


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def is_there(name):
    """By its whole path or the end of one, as in #include "core/policy.h"."""
    return name in TREE or name in ELSEWHERE


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_files_that_there_are(document):
    named = set(re.findall(rf"(?<![\w/.~-]){OURS}\b", text(document)))
    assert not [name for name in named if not is_there(name)]


def test_the_documents_name_files_at_all():
    assert len(re.findall(rf"`{OURS}`", text("docs/ARCHITECTURE.md"))) > 100


def comments(name):
    if name.endswith((".c", ".h", ".inc")):
        return re.findall(r"/\*.*?\*/", text(name), re.S)
    if name.endswith(".py"):
        return re.findall(r'""".*?"""|#[^\n]*', text(name), re.S)
    return re.findall(r"#[^\n]*", text(name))


def test_comments_name_files_that_there_are():
    """With a folder, or tests: a name alone may be one of another's."""
    folders = "appliance|core|dlp|dlpc|sys|proxy|init|dns|gate|hostctl|image|tests"
    ours = re.compile(rf"(?<![\w/.~<-])((?:{folders})/{OURS}|test_\w+\.(?:py|c))\b")
    named = [(source, name) for source in SOURCES for comment in comments(source) for name in ours.findall(comment)]
    assert len(named) > 100 and not [each for each in named if not is_there(each[1])]


def test_a_file_that_is_not_there_is_told_from_one_that_is():
    assert is_there("core/policy.h") and is_there("appliance/core/policy.h") and is_there("policy.h")
    assert not is_there("core/absent.h") and not is_there("ore/policy.h") and not is_there("absent.h")


def targets():
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", text("Makefile"), re.M))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_targets_of_make_that_there_are(document):
    named = set(re.findall(r"(?:`|^ {4})make ([a-z][\w-]*)", text(document), re.M))
    assert named <= targets()


def test_help_lists_the_targets_that_the_readme_names():
    help_text = subprocess.check_output(["make", "help"], cwd=ROOT, text=True)
    for target in re.findall(r"(?:`|^ {4})make ([a-z][\w-]*)", text("README.md"), re.M):
        assert re.search(rf"^  make {target} ", help_text, re.M) or target == "help", target


def commands():
    return {name for source in FILES if re.match(r"hostctl/cmd_\w+\.c", source)
            for name in re.findall(r'^const struct command cmd_\w+ = \{\s*"([a-z-]+)"', text(source), re.M)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_commands_of_hostctl_that_there_are(document):
    assert len(commands()) > 20
    named = set(re.findall(r"`(?:sudo )?hostctl ([a-z][a-z-]*)", text(document)))
    assert named <= commands() | {"help"}
