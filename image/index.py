#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""index.py OUT ARCHIVE…: images of several architectures as one, whose parts an engine chooses from: OCI archives of build.py
become one OCI archive that holds an index of them. For publishing: `skopeo copy --all oci-archive:OUT docker://…`."""
import json
import sys
import tarfile

from archive import add, digest, encode

INDEX = "application/vnd.oci.image.index.v1+json"


def read(path):
    """The blobs of an archive, its image's descriptor, and the time of all."""
    with tarfile.open(path) as tar:
        entries = {entry.name: (tar.extractfile(entry).read(), int(entry.mtime)) for entry in tar}
    found, epoch = entries["index.json"]
    return {name: data for name, (data, _) in entries.items() if name.startswith("blobs/")}, json.loads(found)["manifests"][0], epoch


def main():
    out, *paths = sys.argv[1:]
    blobs, manifests, epochs, names = {}, [], set(), {}
    for path in paths:
        more, manifest, epoch = read(path)
        blobs |= more
        names = manifest.pop("annotations")
        manifests.append(manifest)
        epochs.add(epoch)
    if len(epochs) != 1:
        sys.exit("index: the images are not of one commit")
    manifests.sort(key=lambda one: one["platform"]["architecture"])
    index = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
    blobs[f"blobs/sha256/{digest(index).removeprefix('sha256:')}"] = index
    top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"mediaType": INDEX, "digest": digest(index), "size": len(index), "annotations": names}]}
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
        add(tar, "oci-layout", encode({"imageLayoutVersion": "1.0.0"}), *epochs)
        add(tar, "index.json", encode(top), *epochs)
        for name in sorted(blobs):
            add(tar, name, blobs[name], *epochs)
    print(f"  INDEX {out} {digest(index)}")


if __name__ == "__main__":
    main()
