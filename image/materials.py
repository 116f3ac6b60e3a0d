# SPDX-License-Identifier: GPL-3.0-or-later
"""materials: the list of what an image is made of, as SPDX 2.3 in JSON: every file with its sums, the package that it is from,
and what was linked into our programs."""
import hashlib
import json
import re
import time


def identifier(kind, name):
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def package(name, version, **more):
    return {"SPDXID": identifier("Package", name), "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION", **more}


def reference(url):
    return {"externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}]}


def of_debian(found):
    more = {"homepage": found.homepage} if found.homepage else {}
    return package(found.name, found.version, supplier="Organization: Debian", sourceInfo=f"built from the source package {found.source} {found.source_version}",
                   licenseComments=f"the texts are in the image: {found.copyright}", **more,
                   **reference(f"pkg:deb/debian/{found.name}@{found.version}?arch={found.arch}&distro=debian-12"))


def of_pin(part):
    more = {"checksums": [{"algorithm": "SHA256", "checksumValue": part.sum}]} if part.sum else {}
    if part.patches:
        more["sourceInfo"] = f"compiled with {' '.join(part.patches)} of image/deps/{part.name}"
    return package(part.name, part.version, **more, **reference(f"pkg:generic/{part.name}@{part.version}"))


def verification_code(listed):
    """SPDX 2.3 section 7.9: over the SHA1 sums of a package's files."""
    sums = sorted(file["checksums"][0]["checksumValue"] for file in listed)
    return {"packageVerificationCodeValue": hashlib.sha1("".join(sums).encode()).hexdigest()}


def document(name, build, files, own_path, packages, parts, links):
    """build: version, arch and epoch. files: (path, bytes, name of the package). own_path: of this list itself. links: (path, name of
    a package that is inside it)."""
    own = package(name, build.version, licenseDeclared="GPL-3.0-or-later", primaryPackagePurpose="CONTAINER")
    listed = {path: {"SPDXID": identifier("File", path), "fileName": "." + path, "licenseConcluded": "NOASSERTION", "copyrightText": "NOASSERTION",
                     "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(data).hexdigest()},
                                   {"algorithm": "SHA256", "checksumValue": hashlib.sha256(data).hexdigest()}]} for path, data, _ in files}
    all_packages = [own] + sorted([of_debian(found) for found in packages] + [of_pin(part) for part in parts], key=lambda one: one["name"])
    for one in all_packages:
        of_it = [listed[path] for path, _, owner in files if owner == one["name"]]
        if of_it:
            one |= {"filesAnalyzed": True, "packageVerificationCode": verification_code(of_it)}
    own["packageVerificationCode"]["packageVerificationCodeExcludedFiles"] = ["." + own_path]
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", own["SPDXID"])]
    relations += [(identifier("Package", owner), "CONTAINS", listed[path]["SPDXID"]) for path, _, owner in files]
    relations += [(own["SPDXID"], "CONTAINS", other["SPDXID"]) for other in all_packages[1:]]
    relations += [(listed[path]["SPDXID"], "STATIC_LINK", identifier("Package", inside)) for path, inside in links]
    content = verification_code(listed.values())["packageVerificationCodeValue"]
    return json.dumps({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"{name}-{build.version}-{build.arch}",
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{build.version}-{build.arch}-{content}",
        "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(build.epoch)), "creators": [f"Tool: {name}-{build.version}"]},
        "packages": all_packages, "files": [listed[path] for path in sorted(listed)],
        "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other} for one, kind, other in relations]},
        indent=1, sort_keys=True).encode() + b"\n"
