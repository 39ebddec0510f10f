# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What grew in the output folders of a host since somebody looked last. Runs on the host, mostly as root, and changes nothing.

The folders belong to the users of images, who may put anything there while we read: every step goes by an open folder, never
follows a link and opens nothing but regular files. This file is private to the collection.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import stat
import typing as t
import urllib.parse
import zlib
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import CHUNK
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human

MAX_RUN = 256 * 1024 * 1024  # bytes from one host in one run, when nobody says otherwise
_DEPTH = 16  # folders below the output folder
_NOTES = 20  # lines about one container

Record = dict[str, t.Any]


@dataclass(frozen=True)
class Limits:
    """:param answer: bytes of content in one answer; :param file: bytes of one file; :param files: files of one container"""

    answer: int = 8 * 1024 * 1024
    file: int = 64 * 1024 * 1024
    files: int = 10_000


def path_text(path: str) -> str:
    """A path below the output folder as ASCII: bytes that are no letter, digit or ``_.-~`` are ``%XX``, ``/`` stays."""
    return urllib.parse.quote_from_bytes(os.fsencode(path), safe="/")


def look(root: str, containers: t.Sequence[str], known: t.Mapping[str, t.Mapping[str, t.Sequence[t.Any]]], limits: Limits, content: bool = True) -> Record:
    """What grew, as ``{"pieces", "containers", "more"}``.

    :param known: container to path text to (bytes known, SHA-256 of those bytes, stamp of the file when it was known whole)
    :param content: whether pieces hold their bytes; without it nothing is bounded by ``limits.answer``
    :raises InputError: a container's name is no DNS label.
    """
    for name in containers:
        if not is_dns_label(name):
            raise InputError(f"container {name!r}", "not a DNS label")
    answer = _Answer(limits, content)
    for name in containers:
        if answer.full:
            break
        answer.container(os.path.join(root, "containers", name, "output"), name, known.get(name) or {})
    return {"pieces": answer.pieces, "containers": answer.containers, "more": answer.full}


class _Answer:
    """One walk over folders."""

    def __init__(self, limits: Limits, content: bool) -> None:
        self._limits, self._content = limits, content
        self._left = limits.answer
        self.full = False
        self.pieces: list[Record] = []
        self.containers: dict[str, Record] = {}

    def container(self, folder: str, name: str, known: t.Mapping[str, t.Sequence[t.Any]]) -> None:
        """Walk one output folder; ``containers[name]`` tells ``files`` (regular ones), ``whole`` (nothing was passed over), ``gone`` and ``notes``."""
        told: Record = {"files": 0, "whole": True, "gone": [], "notes": []}
        self.containers[name] = told
        try:
            top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as exc:
            missing = exc.errno == errno.ENOENT and not known
            _note(told, f"output folder {'is not there yet' if missing else 'cannot be read'} ({exc.strerror})", missing)
            return
        try:
            seen = self._walk(top, name, known, told)
        finally:
            os.close(top)
        if not self.full and told["whole"]:
            told["gone"] = sorted(set(known) - seen)

    def _walk(self, top: int, name: str, known: t.Mapping[str, t.Sequence[t.Any]], told: Record) -> set[str]:
        seen: set[str] = set()

        def unreadable(exc: OSError) -> None:
            _note(told, f"{path_text(os.path.normpath(str(exc.filename)))}: cannot be read ({exc.strerror})")

        for place, folders, names, handle in os.fwalk(".", dir_fd=top, onerror=unreadable, follow_symlinks=False):
            folders.sort()
            if place.count("/") >= _DEPTH and folders:
                _note(told, f"{path_text(os.path.normpath(place))}: folders below it are not looked at, {_DEPTH} levels are enough")
                folders.clear()
            for entry in sorted(names):
                path = path_text(os.path.normpath(os.path.join(place, entry)))
                if self.full:
                    return seen
                if len(seen) >= self._limits.files:
                    _note(told, f"more than {self._limits.files} files; the rest is not looked at")
                    return seen
                try:
                    self._file(handle, entry, name, path, known.get(path), told, seen)
                except OSError as exc:
                    _note(told, f"{path}: cannot be read ({exc.strerror})")
        return seen

    def _file(self, handle: int, entry: str, name: str, path: str, known: t.Optional[t.Sequence[t.Any]], told: Record, seen: set[str]) -> None:
        state = os.stat(entry, dir_fd=handle, follow_symlinks=False)
        problem = _unfit(state) or (f"{human(state.st_size)}, more than the {human(self._limits.file)} allowed" if state.st_size > self._limits.file else None)
        if problem:
            _note(told, f"{path}: {problem}, not fetched", not stat.S_ISREG(state.st_mode))
            return
        seen.add(path)
        told["files"] += 1
        if known and (known[0], known[2]) == (state.st_size, _stamp(state)):
            return
        opened = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
        with os.fdopen(opened, "rb", buffering=0) as stream:
            state = os.fstat(stream.fileno())
            if not _unfit(state) and state.st_size <= self._limits.file:
                self._piece(t.cast(t.BinaryIO, stream), state, name, path, known)

    def _piece(self, stream: t.BinaryIO, state: os.stat_result, name: str, path: str, known: t.Optional[t.Sequence[t.Any]]) -> None:
        """Add what is new of one file; nothing when the answer has no room for any of it."""
        fresh = known is None
        whole = hashlib.sha256()
        offset = 0
        if known is not None:
            offset = _hash(stream, whole, known[0])
            fresh = offset < known[0] or whole.hexdigest() != known[1]
        if fresh:
            stream.seek(0)
            whole, offset = hashlib.sha256(), 0
        rest = max(0, state.st_size - offset)
        if self._content and rest > self._left:
            self.full, rest = True, self._left
        if self._content and self.full and rest == 0:
            return
        data = _read(stream, rest)
        whole.update(data)
        end = offset + len(data)
        piece: Record = {"container": name, "path": path, "fresh": fresh, "offset": offset, "size": len(data), "total": state.st_size}
        piece.update(sha256=hashlib.sha256(data).hexdigest(), whole=whole.hexdigest(), stamp=_stamp(state) if end == state.st_size else "")
        if known is not None and fresh:
            piece["now"] = whole.hexdigest() if end == state.st_size else _rest(stream, whole.copy())
        if self._content:
            piece["data"] = base64.b64encode(zlib.compress(data)).decode("ascii") if data else ""
            self._left -= len(data)
        self.pieces.append(piece)


def _note(told: Record, text: str, harmless: bool = False) -> None:
    if len(told["notes"]) < _NOTES:
        told["notes"].append(text)
    told["whole"] = told["whole"] and harmless


def _unfit(state: os.stat_result) -> t.Optional[str]:
    """Why what lies there is not fetched whatever its size, or None."""
    if stat.S_ISLNK(state.st_mode):
        return "a link"
    if not stat.S_ISREG(state.st_mode):
        return "no regular file"
    return "it has a second name" if state.st_nlink > 1 else None


def _stamp(state: os.stat_result) -> str:
    """What no user can put back: the inode and the time of its last change, which every write sets."""
    return f"{state.st_ino}-{state.st_ctime_ns}"


def _hash(stream: t.BinaryIO, state: t.Any, size: int) -> int:
    """Hash the next ``size`` bytes; return how many there were."""
    done = 0
    while done < size:
        data = stream.read(min(CHUNK, size - done))
        if not data:
            break
        state.update(data)
        done += len(data)
    return done


def _read(stream: t.BinaryIO, size: int) -> bytes:
    parts = []
    while size > 0:
        data = stream.read(min(CHUNK, size))
        if not data:
            break
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def _rest(stream: t.BinaryIO, state: t.Any) -> str:
    _hash(stream, state, os.fstat(stream.fileno()).st_size)
    return str(state.hexdigest())
