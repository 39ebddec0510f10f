# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that holds exactly these manifests: why each file must be written or removed, and doing so.

This file is private to the collection.
"""

from __future__ import annotations

import os
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import remove_leftovers, write_bytes
from ansible_collections.airgap.azure_ai.plugins.plugin_utils._kubernetes import HEAD

FOLDER_MODE = stat.S_IRWXU
PUBLIC_MODE = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP
SECRET_MODE = stat.S_IRUSR | stat.S_IWUSR


class File(t.NamedTuple):
    """One file that should be there."""

    container: str
    name: str
    text: str
    secret: bool


@dataclass(frozen=True)
class Step:
    """One file, what is there of it (None: nothing), and why it must change (None: it must not). ``file`` is None for one to be removed."""

    path: str
    file: File | None
    before: str | None
    reason: str | None

    def told(self) -> dict[str, t.Any]:
        """What a result says of it: never its content."""
        file = self.file
        about = {"container": file.container, "secret": file.secret} if file else {"container": None, "secret": secret(self.path)}
        return {"path": self.path, **about, "state": "present" if file else "absent", "reason": self.reason}

    def diff(self) -> dict[str, str]:
        """Before and after, but a license is never shown."""
        after = self.file.text if self.file else None
        if secret(self.path):
            hidden = "# a license, not shown\n"
            before, after = (hidden if self.before is not None else ""), (f"{hidden}# {self.reason}\n" if self.file else "")
        else:
            before, after = self.before or "", after or ""
        return {"before_header": self.path, "after_header": self.path, "before": before, "after": after}


def secret(path: str) -> bool:
    """Whether a file of this name holds a license."""
    return path.endswith(".license.yml")


def steps(folder: str, files: t.Sequence[File]) -> list[Step]:
    """One for each file, then one for each that an earlier run made and nobody wants any more."""
    result = []
    for file in files:
        path = os.path.join(folder, file.name)
        before = _read(path)
        result.append(Step(path, file, before, _reason(path, before, file)))
    wanted = {file.name for file in files}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        before = _read(os.path.join(folder, name)) if name.endswith(".yml") and name not in wanted else None
        # What somebody else put there stays.
        if before is not None and before.startswith(HEAD):
            result.append(Step(os.path.join(folder, name), None, before, "its container is not declared, or has no license of its own"))
    return result


def write(folder: str, found: t.Sequence[Step]) -> None:
    """Do what the steps say; each file is whole or as it was."""
    if any(step.file for step in found):
        os.makedirs(folder, mode=FOLDER_MODE, exist_ok=True)
        remove_leftovers(folder)
    for step in found:
        if step.file is None:
            os.unlink(step.path)
        elif step.reason:
            write_bytes(step.path, step.file.text.encode("utf-8"), _mode(step.file))


def words(found: t.Sequence[Step]) -> str:
    """The outcome in a line."""
    written = sum(1 for step in found if step.file and step.reason)
    removed = sum(1 for step in found if not step.file)
    if not written and not removed:
        return "every file is as it should be"
    return f"{written} of {len(found) - removed} files to write, {removed} to remove"


def _reason(path: str, before: str | None, file: File) -> str | None:
    if before is None:
        return "not there"
    if before != file.text:
        return "another license or release" if file.secret else "other content"
    mode = stat.S_IMODE(os.stat(path).st_mode)
    return None if mode == _mode(file) else f"its mode is {mode:04o}"


def _mode(file: File) -> int:
    return SECRET_MODE if file.secret else PUBLIC_MODE


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
