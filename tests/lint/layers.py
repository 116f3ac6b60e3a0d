#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""layers.py [ROOT]: reads every #include "…" of the tree and fails on an arrow that ARCHITECTURE.md does not draw.

A quoted include is looked up as the compiler does: beside the including file, then in appliance/, then at the root.
"""
import pathlib
import re
import sys

CORE, DLP, SYS = "appliance/core", "appliance/dlp", "appliance/sys"
ALLOWED = {  # folder: what it may include besides itself
    CORE: set(),
    DLP: {CORE},
    SYS: {CORE},
    "appliance/proxy": {CORE, DLP, SYS},
    "init": {CORE, DLP, SYS},
    "dns": {CORE, DLP, SYS},
    "gate": {CORE, DLP, SYS},
    "hostctl": {CORE},  # and rt_netns* may include SYS: see below
}
LAYER_OF_FREE_FILES = "tests"  # may include anything
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def folder(path):
    """The folder of ALLOWED that a path below the root belongs to, or None."""
    return next((f for f in ALLOWED if path.as_posix().startswith(f + "/")), None)


def arrows(root):
    for source in sorted(root.rglob("*.[ch]")):
        path = source.relative_to(root)
        if path.parts[0] in ("build", LAYER_OF_FREE_FILES, "image"):
            continue
        here = folder(path)
        if here is None:
            yield f"{path}: in no known folder"
            continue
        text = source.read_text()
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            candidates = (source.parent / match[1], root / "appliance" / match[1], root / match[1])
            found = next((c.resolve() for c in candidates if c.is_file()), None)
            if found is None or not found.is_relative_to(root):
                yield f'{path}:{line}: "{match[1]}" is not a file of this tree (use <…> for a library)'
                continue
            there = folder(found.relative_to(root))
            netns = here == "hostctl" and path.name.startswith("rt_netns") and there == SYS
            if there != here and there not in ALLOWED[here] and not netns:
                yield f"{path}:{line}: {here} must not include {there or found.relative_to(root)}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    wrong = list(arrows(root))
    sys.stderr.writelines(line + "\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
