#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""layers.py [ROOT]: reads every #include "…" of the tree and fails on an arrow that ARCHITECTURE.md does not draw.

A quoted include is looked up as the compiler does: beside the including file, then in appliance/, then at the root.
"""
import pathlib
import re
import sys

CORE, DLP, DLPC, SYS = "appliance/core", "appliance/dlp", "appliance/dlpc", "appliance/sys"
ALLOWED = {  # folder: what it may include besides itself
    CORE: set(),
    DLP: {CORE},
    DLPC: {CORE, DLP},
    SYS: {CORE},
    "appliance/proxy": {CORE, DLP, SYS},
    "init": {CORE, DLP, DLPC, SYS},
    "dns": {CORE, DLP, SYS},
    "gate": {CORE, DLP, SYS},
    "hostctl": {CORE},  # and rt_netns* may include SYS: see below
}
# Where hostctl has to build on macOS: these headers, of C and POSIX.1-2017 (and what macOS has of its own), and no other.
PORTABLE = {CORE, "hostctl"}  # rt_netns* aside
HEADERS = set("""
    aio.h arpa/inet.h assert.h complex.h cpio.h ctype.h dirent.h dlfcn.h errno.h fcntl.h fenv.h float.h fmtmsg.h fnmatch.h ftw.h glob.h
    grp.h iconv.h inttypes.h iso646.h langinfo.h libgen.h limits.h locale.h math.h monetary.h net/if.h netdb.h netinet/in.h
    netinet/tcp.h nl_types.h poll.h pthread.h pwd.h regex.h sched.h search.h semaphore.h setjmp.h signal.h spawn.h stdalign.h stdarg.h
    stdbool.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h strings.h sys/ipc.h sys/mman.h sys/resource.h sys/select.h
    sys/sem.h sys/shm.h sys/socket.h sys/stat.h sys/statvfs.h sys/time.h sys/times.h sys/types.h sys/uio.h sys/un.h sys/utsname.h
    sys/wait.h syslog.h tar.h termios.h tgmath.h time.h ulimit.h unistd.h utime.h wchar.h wctype.h wordexp.h
    sys/ioctl.h malloc/malloc.h malloc.h
    jansson.h yaml.h pcre2.h libpsl.h sha2.h""".split())
LAYER_OF_FREE_FILES = "tests"  # may include anything
SYSTEM = re.compile(r'^\s*#\s*include\s*<([^>]+)>', re.M)
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
        if here in PORTABLE and not path.name.startswith("rt_netns"):
            for match in SYSTEM.finditer(text):
                if match[1] not in HEADERS:
                    line = text.count("\n", 0, match.start(1)) + 1
                    yield f"{path}:{line}: <{match[1]}> is not of POSIX, and this is to build on macOS too"
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
