# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control nodes' own Ansible: one tree made by pip and the wheel of the community package, cached and mounted read-only."""

from __future__ import annotations

import configparser
import email
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from tests.lab import shell
from tests.lab.settings import ANSIBLE, CACHE

LIBRARIES = ("sqlalchemy", "jsonschema", "jinja2", "cryptography", "cyclonedx-python-lib")
COLLECTIONS = ("community/docker", "community/library_inventory_filtering_v1", "ansible/posix")
_TARGET = ("--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--platform=manylinux2014_x86_64", "--platform=manylinux_2_28_x86_64")
_SCRIPT = "#!/usr/bin/python3\nimport sys\nfrom {module} import {name}\nsys.exit({name}())\n"
_FORM = 2


def folder() -> Path:
    """Where the tree lies in the cache; the name changes with what is in it."""
    key = hashlib.sha256(json.dumps([ANSIBLE, LIBRARIES, COLLECTIONS, _TARGET, _SCRIPT, _FORM]).encode()).hexdigest()[:16]
    return CACHE / f"tools-{key}"


def build() -> Path:
    """Make the tree when it is not there; it appears whole or not at all."""
    final = folder()
    if final.is_dir():
        return final
    final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with shell.step("tools: build"), tempfile.TemporaryDirectory(prefix=".tools-", dir=final.parent) as scratch:
        work = Path(scratch)
        installer = pip(work)
        shell.run([*installer, "download", "-q", "--no-deps", "--no-cache-dir", "-d", str(work / "wheels"), ANSIBLE], timeout=600)
        wheel = next((work / "wheels").glob("ansible-*.whl"))
        tree = work / "tree"
        core = _extract(wheel, tree)
        shell.run([*installer, "install", "-q", "--no-compile", "--target", str(tree), *_TARGET, core, *LIBRARIES], timeout=600)
        _scripts(tree)
        shutil.rmtree(tree / "bin", ignore_errors=True)
        # Host Pythons cannot write byte code into a read-only mount, and without it every start of ansible costs seconds more.
        shell.run([sys.executable, "-m", "compileall", "-q", "-j", "2", "-s", str(tree), "-p", "/opt/airgap-tools", str(tree)], check=False, timeout=300)
        shell.run(["chmod", "-R", "a+rX,go-w", str(tree)])
        os.replace(tree, final)
    return final


def pip(work: Path) -> list[str]:
    """A pip that exists: the running Python's, or that of a throw-away virtual environment."""
    if shell.run([sys.executable, "-m", "pip", "--version"], check=False).returncode == 0:
        return [sys.executable, "-m", "pip"]
    venv.create(work / "venv", with_pip=True)
    return [str(work / "venv" / "bin" / "python"), "-m", "pip"]


def _extract(wheel: Path, tree: Path) -> str:
    """Unpack the few collections we use; return the requirement of ansible-core that the wheel pins."""
    wanted = tuple(f"ansible_collections/{name}/" for name in COLLECTIONS)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tree, [name for name in names if name.startswith(wanted)])
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        needs = email.message_from_bytes(archive.read(metadata)).get_all("Requires-Dist", [])
    return next(re.sub(r"\s", "", need.split(";")[0]) for need in needs if need.startswith("ansible-core"))


def _scripts(tree: Path) -> None:
    """Command line programs that start the machine's own Python instead of the one that ran pip."""
    programs = configparser.ConfigParser()
    programs.read(next(tree.glob("ansible_core-*.dist-info/entry_points.txt")))
    for program, target in programs["console_scripts"].items():
        module, _colon, name = target.partition(":")
        shell.write_whole(tree / "scripts" / program, _SCRIPT.format(module=module.strip(), name=name.strip()), 0o755)
