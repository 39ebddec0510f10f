# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python packages of a control kit: which ones a lock file names by hash, and how they come into the store.

This file is private to the collection.
"""

from __future__ import annotations

import os
import re
import sys
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import shape, watch
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

FORMAT = 1
MAX_LOCK = 4 * 1024 * 1024  # bytes
PLATFORMS = {"amd64": ("manylinux2014_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64", "any")}

Record = dict[str, t.Any]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}\.whl")
_SHAPE: dict[str, shape.Check] = {
    "name": shape.matches(_NAME),
    "version": shape.matches(_NAME),
    "filename": shape.matches(_WHEEL),
    "digest": shape.is_digest,
    "size": shape.number(shape.MAX_BLOB),
    "charts": lambda value: isinstance(value, bool),
}


def read_lock(path: str, python: str, charts: bool) -> list[Record]:
    """The wheels that the lock file names for a Python such as ``3.11``: {name, version, filename, digest, size}.

    :param charts: with those that only the report's charts need
    :raises InputError: not a lock file, or none for this Python.
    """
    what = f"lock {path}"
    lock = parse(read_regular(path, MAX_LOCK), what)
    if not isinstance(lock, dict) or lock.get("format") != FORMAT or not isinstance(lock.get("python"), dict):
        raise InputError(what, f"not a lock file of format {FORMAT}")
    entries = lock["python"].get(python)
    if not isinstance(entries, list):
        known = ", ".join(sorted(lock["python"]))
        raise InputError(f"python {python!r}", f"{what} names no wheels for it", f"it has {known}; set azure_ai_control.python, or give a lock of your own")
    problems = [problem for position, entry in enumerate(entries) for problem in shape.record(entry, _SHAPE, f"python {python}[{position}]")]
    if problems:
        raise InputError(what, problems[0])
    return [{name: entry[name] for name in _SHAPE if name != "charts"} for entry in entries if charts or not entry["charts"]]


def missing(store: Store, entries: t.Sequence[Record]) -> list[Record]:
    """The wheels that the store lacks."""
    return [entry for entry in entries if not store.has(Digest.parse(entry["digest"]), entry["size"])]


def gather(store: Store, folder: str, entries: t.Sequence[Record]) -> None:
    """Copy wheels out of a folder, known by their hashes whatever they are called.

    :raises MissingError: naming those that are not there.
    """
    wanted = {(Digest.parse(entry["digest"]), entry["size"]): entry for entry in entries}
    sizes = {entry["size"] for entry in entries}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.path.getsize(path) in sizes:
            entry = wanted.pop(digest_file(path), None)
            if entry is not None:
                store.put_file(path, Digest.parse(entry["digest"]), entry["size"], what=f"wheel {entry['filename']}")
    if wanted:
        names = ", ".join(sorted(entry["filename"] for entry in wanted.values()))
        raise MissingError(f"wheels {folder}", f"lacks {names}", "get exactly these files; the lock names them by hash")


def fetch(
    store: Store,
    folder: str,
    entries: t.Sequence[Record],
    python: str,
    arch: str,
    timeout: float,
    advance: t.Callable[[int], object] | None = None,
) -> None:
    """Let pip download the wheels into ``folder`` (in the store's file system), each against its hash, and keep them."""
    folder = os.path.abspath(folder)
    os.makedirs(folder, exist_ok=True)
    requirements = os.path.join(folder, "requirements.txt")
    with open(requirements, "w", encoding="utf-8") as stream:
        stream.write("".join(f"{entry['name']}=={entry['version']} --hash={entry['digest']}\n" for entry in entries))
    done = watch.run(command(folder, requirements, python, arch), timeout, [folder], advance, {"PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    if done.returncode != 0:
        raise explain(done.stderr)
    for entry in entries:
        path = os.path.join(folder, entry["filename"])
        if not os.path.isfile(path):
            raise IntegrityError(f"wheel {entry['filename']}", "pip brought another file under this name and version", "look at the package index")
        store.adopt(path, Digest.parse(entry["digest"]), entry["size"], what=f"wheel {entry['filename']}")


def command(folder: str, requirements: str, python: str, arch: str) -> list[str]:
    """The pip command that downloads for another Python than its own."""
    tag = "cp" + python.replace(".", "")
    target = ["--implementation=cp", f"--python-version={python}", *(f"--abi={abi}" for abi in (tag, "abi3", "none"))]
    target += [f"--platform={name}" for name in PLATFORMS.get(arch, ())]
    options = ["--quiet", "--no-input", "--no-deps", "--require-hashes", "--only-binary=:all:", f"--dest={folder}", f"--requirement={requirements}"]
    return [sys.executable, "-m", "pip", "download", *options, *target]


def explain(stderr: str) -> Exception:
    """The error that pip's output means, in one line."""
    if "No module named pip" in stderr:
        return MissingError("pip", f"not installed for {sys.executable}", "install python3-pip on the builder, or name a folder of wheels")
    if "HASHES" in stderr or "hashes are required" in stderr.lower():
        return IntegrityError("wheels", "the package index gives other bytes than the lock names", "the index is changing or altered; do not use it")
    lines = [line for line in stderr.splitlines() if line.startswith("ERROR")]
    return RemoteError("wheels", f"pip failed: {(lines or ['no message'])[0][:300]}", "look at the package index that pip is set up with, then run again")
