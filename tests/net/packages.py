# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of packages beside those of the world: a registry for npm and an index for pip."""
import hashlib
import os
import subprocess
import zipfile

import pytest

from lab import HERE
from spaces import Failed, tied, wait_for


@pytest.fixture(scope="session")
def registry(lab):
    """verdaccio behind the lab's web server, as npm.test, with one package that npm published there."""
    where = os.environ.get("STOPPER_REGISTRY") or lab.run(os.path.join(HERE, "..", "..", "image", "deps", "registry.sh"), "--where").strip()
    if not os.path.exists(os.path.join(where, "ready")):
        raise Failed(f"{where} is not there: make deps")
    folder, log = lab.world.path("npm"), lab.world.path("npm.log")
    os.mkdir(folder)
    conf = lab.world.write("npm.yaml", f"""\
        storage: {folder}/storage
        auth: {{}}
        uplinks: {{}}
        packages: {{"**": {{access: $all, publish: $all}}}}
        web: {{enable: false}}
        log: {{type: stdout, format: json, level: warn}}
        """)
    with open(log, "wb") as output:
        server = tied(lab.world.space.enter("node", os.path.join(where, "node_modules", "verdaccio", "bin", "verdaccio"),
                                            "--config", conf, "--listen", "127.0.0.1:4873"),
                      stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**lab.environment, "HOME": folder})

    def listening():
        with open(log, encoding="utf-8") as output:
            text = output.read()
        if server.poll() is not None:
            raise Failed(f"verdaccio ended: {text}")
        return "http address" in text
    try:
        wait_for(listening, "verdaccio", 60)
        module = os.path.join(folder, "module")
        os.mkdir(module)
        lab.world.write("npm/module/package.json", '{"name": "lab-module", "version": "1.0.0", "main": "index.js"}\n')
        lab.world.write("npm/module/index.js", "module.exports = 'a module'\n")
        lab.world.space.run("env", f"HOME={folder}", "npm", "publish", module, "--registry", "http://127.0.0.1:4873/",
                            "--//127.0.0.1:4873/:_authToken=lab", "--no-update-notifier")
        yield
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def index(lab):
    """An index of packages (PEP 503) with one wheel."""
    wheel = lab.world.path("simple", "lab-wheel", "lab_wheel-1.0-py3-none-any.whl")
    os.makedirs(os.path.dirname(wheel))
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("lab_wheel.py", "HELLO = 'a wheel'\n")
        archive.writestr("lab_wheel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: lab-wheel\nVersion: 1.0\n")
        archive.writestr("lab_wheel-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("lab_wheel-1.0.dist-info/RECORD", "")
    with open(wheel, "rb") as archive:
        digest = hashlib.sha256(archive.read()).hexdigest()
    page = "<!DOCTYPE html><html><body><a href='{0}'>{1}</a></body></html>\n"
    name = os.path.basename(wheel)
    lab.world.write("simple/index.html", page.format("lab-wheel/", "lab-wheel"))
    lab.world.write("simple/lab-wheel/index.html", page.format(f"{name}#sha256={digest}", name))
