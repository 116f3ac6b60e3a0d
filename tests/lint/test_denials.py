# SPDX-License-Identifier: GPL-3.0-or-later
"""Every denial is provoked by a test of the net lab: its name stands there in an assertion, or in a table of what is asserted."""
import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
CHECKS = {"problem", "line", "wait"}  # calls that fail when what they are told of is not there


def denials():
    found = re.findall(r'^    X\([A-Z0-9_]+, "([a-z0-9-]+)",', (ROOT / "appliance/core/denial.h").read_text(encoding="utf-8"), re.M)
    assert len(found) > 40 and len(found) == len(set(found))
    return found


def asserted(text):
    """The words in assertions, in calls of CHECKS, and in the tables and loops that feed them."""
    words = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module):
            parts = [each.value for each in node.body if isinstance(each, ast.Assign)]
        elif isinstance(node, ast.For):
            parts = [node.iter]
        elif isinstance(node, ast.FunctionDef):
            parts = node.decorator_list
        elif isinstance(node, ast.Assert) or (isinstance(node, ast.Call) and name_of(node.func) in CHECKS):
            parts = [node]
        else:
            continue
        for part in parts:
            words |= {each.value.rpartition(":")[2] for each in ast.walk(part)
                      if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return words


def name_of(called):
    return getattr(called, "attr", getattr(called, "id", None))


@pytest.fixture(scope="module")
def lab():
    return set().union(*(asserted(path.read_text(encoding="utf-8")) for path in (ROOT / "tests/net").glob("test_*.py")))


@pytest.mark.parametrize("name", denials())
def test_a_denial_is_provoked_by_a_test(lab, name):
    assert name in lab, f"no test in tests/net provokes {name}"


def test_words_that_are_not_asserted_do_not_count():
    assert asserted('"""a"""\nX = "b"\ndef f():\n    """c"""\n    y = "d"\n    print("e")\n    # "f"\n') == {"b"}
    assert asserted('def f():\n    assert x["g"] == "h:i"\n    problem(x, 403, "j")\n    for k in ("l", "m"): pass\n') == {*"gijlm"}
