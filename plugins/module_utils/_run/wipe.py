# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Licenses and releases of retired containers are wiped, and a search proves that no copy of a license is left.

Wiping overwrites a file once and removes it. On flash, on copy-on-write or journaling file systems, in snapshots and in backups older
blocks may live on: against whoever takes the disk home only encryption, or the end of the disk, helps. What is proved is that no file
below the collection's folder holds the license any more.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import CHUNK, copy_hashing
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, host_blobs
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.retire import KEPT

Digests = dict[int, set[str]]  # size of a license to digests of licenses of that size


def licenses(root: str, names: t.Iterable[str]) -> Digests:
    """The licenses of some containers."""
    found: Digests = {}
    for name in names:
        for path in _license_files(os.path.join(root, "containers", name)):
            found.setdefault(os.lstat(path).st_size, set()).add(_digest(path))
    return found


def copies(root: str, wanted: Digests, spared: t.Iterable[str] = ()) -> list[str]:
    """Files below ``root``, or in adopted output folders, that hold one of the licenses, but those in the releases of ``spared`` containers,
    which may have the same one."""
    stay = tuple(os.path.join(root, "containers", name, "releases") + os.sep for name in spared)
    found = []
    for path in [os.path.join(place, name) for base in (root, *_adopted(root)) for place, _folders, files in os.walk(base) for name in files]:
        state = os.lstat(path)
        if stat.S_ISREG(state.st_mode) and state.st_size in wanted and not path.startswith(stay) and _digest(path) in wanted[state.st_size]:
            found.append(path)
    return sorted(found)


def wipe(root: str, names: t.Sequence[str], spared: t.Sequence[str]) -> int:
    """Wipe every copy of the licenses of ``names``; return how many files that were.

    :raises IntegrityError: a copy is there afterwards.
    """
    wanted = licenses(root, names)
    found = copies(root, wanted, spared)
    for path in found:
        _overwrite(path)
        os.unlink(path)
    left = copies(root, wanted, spared)
    if left:
        raise IntegrityError(left[0], "still holds a license that was wiped", "see who writes it, and run it again")
    return len(found)


def sets(root: str, digests: t.Sequence[str]) -> int:
    """Remove sets of models and files, and blobs that no other set shares; return how many sets that were.

    :raises IntegrityError: one of them, or such a blob, is there afterwards.
    """
    blobs = host_blobs.own(root, digests)
    host_blobs.remove_sets(root, digests)
    stayed = sorted(set(deployed.models(root)) & set(digests)) + sorted(f"sha256:{name}" for name in deployed.store(root).keys() & blobs)
    if stayed:
        raise IntegrityError(f"models {stayed[0]}", f"still below {root} after they were removed", "see who writes them or has links to them, and run it again")
    return len(digests)


def remove(root: str, name: str, keep: bool) -> None:
    """Remove a container's folder, or with ``keep`` what it did not write. What the container knew itself by goes last.

    Of an adopted output folder, which is a link, what lies in it is removed; the folder itself is not ours.
    """
    folder = os.path.join(root, "containers", name)
    if not os.path.isdir(folder):
        return
    # release.json in `releases` tells an interrupted run which images and models were meant, so it outlives the links.
    for entry in sorted(os.listdir(folder), key=lambda each: each == "releases"):
        if not (keep and entry in KEPT):
            if entry == deployed.OUTPUT:
                _empty(os.path.join(folder, entry))
            _remove(os.path.join(folder, entry))
    if not os.listdir(folder):
        os.rmdir(folder)


def remove_store(root: str) -> None:
    """Remove the store, and folders that are empty now."""
    _remove(os.path.join(root, "store"))
    for name in ("models", "containers"):
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(root, name))


def _adopted(root: str) -> list[str]:
    """Links to output folders that lie elsewhere."""
    base = os.path.join(root, "containers")
    outputs = [os.path.join(base, name, deployed.OUTPUT) for name in sorted(os.listdir(base))] if os.path.isdir(base) else []
    return [path for path in outputs if os.path.islink(path)]


def _license_files(folder: str) -> list[str]:
    base = os.path.join(folder, "releases")
    found = []
    for name in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        place = os.path.join(base, name, "license")
        found += [os.path.join(place, each) for each in sorted(os.listdir(place))] if os.path.isdir(place) else []
    return [path for path in found if stat.S_ISREG(os.lstat(path).st_mode) and os.lstat(path).st_size]


def _digest(path: str) -> str:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
            return str(copy_hashing(stream)[0])
    except OSError as exc:
        raise AirgapError(path, f"cannot be read, so nobody knows whether it holds a license ({exc.strerror})", "see to the file system") from exc


def _overwrite(path: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_NOFOLLOW), "wb") as stream:
        left = os.fstat(stream.fileno()).st_size
        while left > 0:
            left -= stream.write(bytes(min(left, CHUNK)))
        stream.flush()
        os.fsync(stream.fileno())


def _empty(link: str) -> None:
    if os.path.islink(link) and os.path.isdir(link):
        for name in sorted(os.listdir(link)):
            _remove(os.path.join(link, name))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
