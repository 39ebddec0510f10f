# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own store: blobs taken over from the login user's folder, model sets made of them, what is no longer needed removed.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, copy_hashing, digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import FULL, InputError, IntegrityError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import TEMPORARY_PREFIX, atomic_file, fsync_folder
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, lock

_LIST = ".blobs"  # names of what rsync shall bring; the stage role leaves it for rsync to read
_SENT = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{64}\.[A-Za-z0-9]{6}")  # a blob, or one on its way

Blob = t.Mapping[str, t.Any]
ModelSet = t.Mapping[str, t.Any]

_AT_ONCE = 2  # blobs that are verified at the same time: one is hashed while another goes to the disk
READ_ONLY = stat.S_IRUSR | stat.S_IXUSR | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH  # a folder that the images' users read


def lacking(have: t.Mapping[str, int], blobs: t.Iterable[Blob]) -> list[Blob]:
    """Those blobs that a store (hex to size) does not hold in full, each once."""
    wanted = {blob["digest"]: blob for blob in blobs}
    return [blob for digest, blob in wanted.items() if have.get(Digest.parse(digest).hex) != blob["size"]]


def damaged(root: str, blobs: t.Iterable[Blob]) -> list[str]:
    """Read those of the blobs that lie in the store; remove the ones that are not what their name says and return their digests."""
    found = []
    for blob in blobs:
        path = os.path.join(deployed.blob_folder(root), Digest.parse(blob["digest"]).hex)
        try:
            digest, size = digest_file(path)
        except FileNotFoundError:
            continue
        if (str(digest), size) != (blob["digest"], blob["size"]):
            _unlink(path)
            found.append(str(blob["digest"]))
    return found


def admit(root: str, incoming: str, blobs: t.Iterable[Blob], owner: int) -> None:
    """Take blobs named by their hex digest over from ``incoming``; a blob is in the store when it is verified.

    Files of other owners than ``owner`` and root, links and anything but regular files are refused. Damaged files are
    removed, so that the next transfer sends them again. Once all are in, what other transfers left behind goes.

    :raises Problems: every blob that is missing, damaged or refused; the others are in the store.
    """
    folder = deployed.blob_folder(root)
    os.makedirs(folder, mode=0o755, exist_ok=True)

    def problem(blob: Blob) -> t.Optional[str]:
        name = Digest.parse(blob["digest"]).hex
        try:
            _take(os.path.join(incoming, name), os.path.join(folder, name), blob, owner)
        except (IntegrityError, InputError, MissingError) as exc:
            return str(exc)
        return None

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        problems = [found for found in pool.map(problem, blobs) if found is not None]
    fsync_folder(folder)
    if problems:
        raise Problems(f"store {root}/store", problems)
    _sweep(incoming)


def _sweep(incoming: str) -> None:
    """Remove the list and what transfers of blobs that nobody wants any more left in ``incoming``; files with other names are somebody else's."""
    for path in (incoming, os.path.join(incoming, lock.PARTIAL)):
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            for name in os.listdir(folder):
                if name == _LIST or _SENT.fullmatch(name):
                    with contextlib.suppress(OSError):
                        os.unlink(name, dir_fd=folder)
        finally:
            os.close(folder)


def _take(source: str, target: str, blob: Blob, owner: int) -> None:
    what = f"blob {blob['digest']}" + (f" of container {blob['container']}" if blob.get("container") else "")
    try:
        handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise MissingError(what, f"not in {os.path.dirname(source)}", "send it again") from exc
    except OSError as exc:
        raise InputError(what, "a link or not readable, where a file should be", f"remove {source}") from exc
    with os.fdopen(handle, "rb", buffering=0) as raw:
        stream = t.cast(t.BinaryIO, raw)
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode) or state.st_nlink != 1 or state.st_uid not in (owner, 0):
            raise InputError(what, f"not a plain file of the login user (owner {state.st_uid}, {state.st_nlink} links)", f"remove {source}")
        if state.st_dev != os.stat(os.path.dirname(target)).st_dev:
            _copy(stream, target, blob, what, source)
            return
        # From here on it is root's, so nobody else can open it for writing before it is judged.
        os.fchown(handle, 0, 0)
        os.fchmod(handle, 0o444)
        if (str(copy_hashing(stream)[0]), state.st_size) != (blob["digest"], blob["size"]):
            _unlink(source)
            raise _damaged(what, source)
        os.fsync(handle)
        try:
            os.rename(source, target)
        except FileNotFoundError as exc:
            raise MissingError(what, "it went away while it was verified", "send it again") from exc
        moved = os.stat(target, follow_symlinks=False)
        if (moved.st_dev, moved.st_ino) != (state.st_dev, state.st_ino):
            os.unlink(target)
            raise IntegrityError(what, f"{source} was exchanged while it was verified", "look who else writes there, then send it again")


def _copy(stream: t.BinaryIO, target: str, blob: Blob, what: str, source: str) -> None:
    try:
        with atomic_file(target, 0o444) as copy:
            digest, size = copy_hashing(stream, copy, limit=blob["size"])
            if (str(digest), size) != (blob["digest"], blob["size"]):
                raise _damaged(what, source)
    except IntegrityError:
        _unlink(source)
        raise _damaged(what, source) from None
    except OSError as exc:
        if exc.errno in FULL:
            raise MissingError(what, f"no space left in {os.path.dirname(target)} for its {blob['size']} bytes", "make room and run the stage again") from exc
        raise
    _unlink(source)


def _damaged(what: str, source: str) -> IntegrityError:
    return IntegrityError(what, f"{source} was damaged on its way and is removed", "run the stage again")


def models_missing(root: str, sets: t.Iterable[ModelSet]) -> list[ModelSet]:
    """Those model sets that are not complete on the host."""
    there = set(deployed.models(root))
    return [item for item in sets if item["digest"] not in there]


def place_models(root: str, models: ModelSet) -> None:
    """Make the folder of one model set from the store's blobs: hard links, read-only, under its name when complete.

    :raises InputError: a path that would leave the folder; MissingError: blobs that the store lacks.
    """
    for file in models["files"]:
        check_path(file["path"])
    absent = lacking(deployed.store(root), models["files"])
    if absent:
        raise MissingError(f"models {models['digest']}", f"the store lacks {len(absent)} of {len(models['files'])} files", "run the stage again")
    base = os.path.join(root, "models")
    os.makedirs(base, mode=0o755, exist_ok=True)
    work = tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=base)
    try:
        for file in models["files"]:
            target = os.path.join(work, *file["path"].split("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.link(os.path.join(deployed.blob_folder(root), Digest.parse(file["digest"]).hex), target)
        for folder, _folders, _files in os.walk(work):
            os.chmod(folder, READ_ONLY)
        os.rename(work, os.path.join(base, Digest.parse(models["digest"]).hex))
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    fsync_folder(base)


def check_path(path: t.Any) -> None:
    """Hold a model file's path: relative, no empty, dot or dot-dot part."""
    parts = path.split("/") if isinstance(path, str) else [""]
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise InputError(f"model file {path!r}", "its path leaves the folder", "build the bundle again")


def superfluous(root: str, keep: t.Iterable[str]) -> list[str]:
    """What pruning removes, as paths below ``root``: blobs not kept, models neither kept nor named by a release, leavings.

    A file of a set that stays is a blob as well, and takes no space of its own: with it, the next set that has it needs no transfer.

    :param keep: hex digests or ``sha256:…``
    """
    kept = {digest.rpartition(":")[2] for digest in keep}
    used = kept | {digest.rpartition(":")[2] for digest in deployed.models_in_use(root)}
    sets = [digest.rpartition(":")[2] for digest in deployed.models(root)]
    placed = _files(root, [name for name in sets if name in used])
    blobs = [f"store/blobs/sha256/{name}" for name in deployed.store(root) if name not in kept and _identity(_blob(root, name)) not in placed]
    models = [f"models/{name}" for name in sets if name not in used]
    leavings = [
        f"{base}/{name}" for base in ("store/blobs/sha256", "models") for name in _listed(os.path.join(root, base)) if name.startswith(TEMPORARY_PREFIX)
    ]
    return sorted(blobs + models + leavings)


def remove(root: str, paths: t.Iterable[str]) -> None:
    """Remove what ``superfluous`` named."""
    for path in paths:
        target = os.path.join(root, path)
        if os.path.isdir(target) and not os.path.islink(target):
            shutil.rmtree(target)
        else:
            _unlink(target)


def own(root: str, digests: t.Iterable[str]) -> set[str]:
    """Hex digests of blobs in the store that are files of these sets and of no other."""
    names = {digest.rpartition(":")[2] for digest in digests}
    files = _files(root, names) - _files(root, {digest.rpartition(":")[2] for digest in deployed.models(root)} - names)
    return {name for name in deployed.store(root) if _identity(_blob(root, name)) in files}


def remove_sets(root: str, digests: t.Iterable[str]) -> None:
    """Remove sets, and blobs of theirs that no other set shares."""
    names = [digest.rpartition(":")[2] for digest in digests]
    files = _files(root, names)
    remove(root, [f"models/{name}" for name in names])
    for name in deployed.store(root):
        if _identity(_blob(root, name)) in files and os.lstat(_blob(root, name)).st_nlink == 1:
            _unlink(_blob(root, name))


def _files(root: str, sets: t.Iterable[str]) -> set[tuple[int, int]]:
    """Identities of all files of some sets."""
    folders = [os.path.join(root, "models", name) for name in sets]
    return {_identity(os.path.join(place, name)) for folder in folders for place, _folders, files in os.walk(folder) for name in files}


def _blob(root: str, name: str) -> str:
    return os.path.join(deployed.blob_folder(root), name)


def _identity(path: str) -> tuple[int, int]:
    """What a file is, whatever its names."""
    state = os.lstat(path)
    return state.st_dev, state.st_ino


def _listed(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
