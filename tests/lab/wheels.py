# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheels of the control kit: fetched with the machine's own pip, cached, laid into the builder, which need not reach an index by itself."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from pathlib import Path

from tests.lab import settings, shell, tools

FOLDER = "/home/ops/wheels"
LOCK = settings.REPOSITORY / "roles/bundle/files/control/wheels.json"
_TARGET = ("--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--platform=manylinux2014_x86_64", "--platform=manylinux_2_28_x86_64")


def lay(container: str) -> None:
    """Give them to the builder of the lab."""
    folder = build()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(folder, FOLDER.rpartition("/")[2])
    shell.run(
        shell.as_root(["docker", "exec", "-i", container, "tar", "-C", FOLDER.rpartition("/")[0], "--no-same-owner", "-xf", "-"]), stdin=stream.getvalue()
    )


def build() -> Path:
    """Download what the lock names for the control node's Python, when it is not there; the folder appears whole or not at all."""
    entries = [entry for entry in json.loads(LOCK.read_text())["python"]["3.11"] if not entry["charts"]]
    requirements = "".join(f"{entry['name']}=={entry['version']} --hash={entry['digest']}\n" for entry in entries)
    final = settings.CACHE / f"wheels-{hashlib.sha256(requirements.encode()).hexdigest()[:16]}"
    if final.is_dir():
        return final
    final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with shell.step("wheels: download"), tempfile.TemporaryDirectory(prefix=".wheels-", dir=final.parent) as scratch:
        work = Path(scratch)
        (work / "requirements.txt").write_text(requirements)
        command = [
            *tools.pip(work),
            "download",
            "-q",
            "--no-deps",
            "--require-hashes",
            *_TARGET,
            "-d",
            str(work / "wheels"),
            "-r",
            str(work / "requirements.txt"),
        ]
        shell.run(command, timeout=600)
        shell.run(["chmod", "-R", "a+rX", str(work / "wheels")])
        os.replace(work / "wheels", final)
    return final
