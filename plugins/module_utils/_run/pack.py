# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's folder as one archive: written on the host, proved on the control node before anything is removed.

The archive is a gzip'd tar stream of everything but licenses; its last member lists the SHA-256 of every file.
This file is private to the collection.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import CHUNK
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.deployed import OUTPUT

SUMS = "SHA256SUMS"
LICENSES = "license"  # folder of a release that never goes into an archive
_MAX_SUMS = 256 * 1024 * 1024


def fingerprint(folder: str) -> str:
    """Hex digits that change when a file of the folder comes, goes or is written."""
    total = hashlib.sha256()
    for path in _paths(folder):
        state = os.lstat(path)
        kept = (os.path.relpath(path, folder), stat.S_IFMT(state.st_mode), state.st_size if stat.S_ISREG(state.st_mode) else 0)
        total.update(repr((*kept, state.st_mtime_ns if stat.S_ISREG(state.st_mode) else 0)).encode())
    return total.hexdigest()


def write(folder: str, target: str) -> dict[str, t.Any]:
    """Write the folder's archive to ``target``, which must not be there, for the owner of the target's folder.

    :returns: digest (``sha256:…`` of the archive), files, bytes, fingerprint, skipped (what is neither file, folder nor link)
    :raises InputError: not enough room.
    """
    before = fingerprint(folder)
    sizes = [os.lstat(path).st_size for path in _paths(folder) if stat.S_ISREG(os.lstat(path).st_mode)]
    room = os.statvfs(os.path.dirname(target))
    if sum(sizes) + 1024 * 1024 > room.f_bavail * room.f_frsize:
        raise InputError(os.path.dirname(target), f"no room for {human(sum(sizes))} on its way to the control node", "make room, or retire_output=keep")
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        owner = os.stat(os.path.dirname(target))
        hashing = _Hashing(stream)
        skipped = _fill(folder, hashing)
        os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
    if fingerprint(folder) != before:
        raise IntegrityError(folder, "somebody writes in it while it is archived", "see who, and run it again")
    return {"digest": f"sha256:{hashing.total.hexdigest()}", "files": len(sizes), "bytes": sum(sizes), "fingerprint": before, "skipped": skipped}


def prove(path: str) -> int:
    """Read an archive whole and compare each file with the list at its end; return how many files there are.

    :raises IntegrityError: it is damaged, not whole or not what was written.
    """
    sums: dict[str, str] = {}
    told: t.Optional[bytes] = None
    try:
        with tarfile.open(path, "r|gz") as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is None:
                    continue
                if member.name == SUMS:
                    told = stream.read(_MAX_SUMS)
                    continue
                total = hashlib.sha256()
                while chunk := stream.read(CHUNK):
                    total.update(chunk)
                sums[member.name] = total.hexdigest()
    except (tarfile.TarError, EOFError, OSError, ValueError) as exc:
        raise IntegrityError(path, f"not a whole archive ({exc})", "run it again") from exc
    if told is None or told != _listed(sums):
        raise IntegrityError(path, "its files are not those that it lists", "run it again")
    return len(sums)


def _fill(folder: str, stream: t.Any) -> list[str]:
    sums: dict[str, str] = {}
    skipped = []
    with tarfile.open(fileobj=stream, mode="w|gz", format=tarfile.PAX_FORMAT) as tar:
        for path in _paths(folder):
            name = os.path.relpath(path, folder)
            info = tar.gettarinfo(path, arcname=name)
            if info is None or not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
                skipped.append(name)
                continue
            if info.issym() or info.isdir():
                tar.addfile(info)
                continue
            info.type, info.size = tarfile.REGTYPE, os.lstat(path).st_size  # a second link to a file is a file of its own
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
                reading = _Reading(source)
                tar.addfile(info, t.cast(t.IO[bytes], reading))
            sums[name] = reading.total.hexdigest()
        _add(tar, _listed(sums))
    return skipped


def _add(tar: tarfile.TarFile, data: bytes) -> None:
    info = tarfile.TarInfo(SUMS)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


def _listed(sums: t.Mapping[str, str]) -> bytes:
    return "".join(f"{digest}  {name!r}\n" for name, digest in sorted(sums.items())).encode("utf-8", "backslashreplace")


def _paths(folder: str) -> list[str]:
    """Everything below the folder but licenses, in order."""
    if not os.path.isdir(folder):
        raise MissingError(folder, "no such folder")
    found = []
    for place, folders, files in os.walk(folder):
        inside = os.path.relpath(place, folder).split(os.sep)
        if place == folder:
            folders[:] = [name for name in folders if name != OUTPUT]
            files = [name for name in files if name != OUTPUT]
        if inside[0] == "releases" and len(inside) == 2:
            folders[:] = [name for name in folders if name != LICENSES]
        found += [os.path.join(place, name) for name in folders + files]
    return sorted(found + _written(os.path.join(folder, OUTPUT)))


def _written(output: str) -> list[str]:
    """The output folder and what lies in it; of an adopted one, which is a link, only the latter: the archive holds files, not a way to them."""
    if not os.path.isdir(output):
        return [output] if os.path.lexists(output) else []
    own = [] if os.path.islink(output) else [output]
    return own + [os.path.join(place, name) for place, folders, files in os.walk(output) for name in folders + files]


class _Hashing:
    """A writer that hashes what goes through it."""

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream, self.total = stream, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.total.update(data)
        return self._stream.write(data)


class _Reading:
    """A reader that hashes what goes through it."""

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream, self.total = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.total.update(data)
        return data
