#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py: the sidecar's image out of contents.txt, our programs, and the Debian packages of this machine; no registry, no
container engine, no root. Makes OUT/ARCH: the two archives, the list of materials, digest and ID; or only OUT/root, its files."""
import argparse
import os
import shutil
import sys

from archive import Image, settings
from debian import Missing, outdated
from root import HERE, NAME, TRIPLETS, Root, lines


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="the folder of our programs")
    parser.add_argument("--deps", required=True, help="the cache folder of image/deps")
    parser.add_argument("--out", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--revision", required=True)
    parser.add_argument("--epoch", required=True, type=int, help="the time of everything, in seconds")
    parser.add_argument("--arch", required=True, choices=sorted(TRIPLETS))
    parser.add_argument("--sysroot", default="/", help="where the Debian packages are unpacked")
    parser.add_argument("--strip", default="strip")
    parser.add_argument("--root-only", action="store_true")
    return parser.parse_args()


def main():
    options = arguments()
    os.umask(0o022)
    folder = f"{options.out}/{options.arch}"
    files = f"{options.out}/root" if options.root_only else f"{folder}/root"
    shutil.rmtree(files, ignore_errors=True)
    os.makedirs(files)
    root = Root(options)
    try:
        materials = root.assemble(lines(f"{HERE}/contents.txt"))
    except Missing as problem:
        sys.exit(f"image: {problem}")
    root.write(files)
    if options.root_only:
        return
    config = settings(f"{HERE}/Containerfile", {"VERSION": options.version, "REVISION": options.revision})
    image = Image(files, config, options.arch, options.epoch)
    reference = f"localhost/{NAME}:{options.version}"
    image.write_oci(f"{folder}/{NAME}.oci.tar", reference)
    image.write_docker(f"{folder}/{NAME}.docker.tar", reference)
    for name, data in ("spdx.json", materials), ("id", image.id.encode() + b"\n"), ("digest", image.digest.encode() + b"\n"):
        with open(f"{folder}/{NAME}.{name}", "wb") as file:
            file.write(data)
    print(f"  IMAGE {folder}/{NAME}.oci.tar {len(image.compressed) / 1e6:.1f} MB compressed, {len(image.layer) / 1e6:.1f} MB unpacked\n"
          f"        {reference} ID {image.id}")
    old = outdated(sorted(root.debian.packages)) if options.sysroot == "/" else []
    if old:
        print(f"        NOT the newest packages are in it: apt-get upgrade would bring others of {' '.join(old)}")


if __name__ == "__main__":
    main()
