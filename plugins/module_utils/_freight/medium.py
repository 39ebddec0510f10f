# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies on a medium, and copies of spans of files: media know no modes, change the case of names and break while they are read.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import stat
import tempfile
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import CHUNK, Digest, copy_hashing
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import TEMPORARY_PREFIX, fsync_folder, open_regular

PART = "part.json"
LIST = "parts.json"
LABELS = ("label.txt", "label.html")
MAX_ENTRIES = 200_000

# What systems leave on media by themselves, in lower case; docs/bundle-format.md has the same list.
_STRAYS = re.compile(
    r"thumbs\.db(:encryptable)?|ehthumbs\.db|desktop\.ini|autorun\.inf|system volume information|\$recycle\.bin|recycler|found\.[0-9]{3}"
    r"|\.ds_store|\._.*|\.spotlight-v100|\.trashes|\.fseventsd|\.temporaryitems|\.documentrevisions-v100|\.apdisk"
    r"|lost\+found|\.trash-[0-9]+|\.directory"
)

Advance = t.Optional[t.Callable[[int], object]]


def is_stray(name: str) -> bool:
    """Whether a file or folder of that name is what some system lays onto media unasked: not ours, and no sign that something is wrong."""
    return _STRAYS.fullmatch(name.lower()) is not None


class Span:
    """A stream of ``size`` bytes of a file from ``offset`` on; what cannot be read is damaged, and said so."""

    def __init__(self, stream: t.BinaryIO, offset: int, size: int) -> None:
        self._stream = stream
        self._left = size
        self._stream.seek(offset)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, none at the end."""
        try:
            data = self._stream.read(min(size, self._left))
        except OSError as exc:
            raise IntegrityError("medium", f"cannot be read ({exc.strerror})") from exc
        self._left -= len(data)
        return data


class Tree:
    """The regular files and the other entries below a folder of a medium; nothing is followed, nothing read.

    Media give names in upper case or lower case as they please; ours are all lower case and differ in more than case.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.files: dict[str, tuple[str, int]] = {}
        self.others: dict[str, str] = {}
        self._folders: set[str] = set()
        self._walk(path, "")

    def find(self, name: str) -> str:
        """Path of the file that bears ``name``, or the path it should have."""
        return self.files.get(name, (os.path.join(self.path, name), 0))[0]

    def size(self, name: str) -> int | None:
        """Bytes of the file, or None when there is no such regular file."""
        return self.files[name][1] if name in self.files else None

    def foreign(self, wanted: t.Container[str], folders: t.Container[str]) -> list[str]:
        """Names of what is not ours, folders without what is in them."""
        strange = [name for name in self._folders if name not in folders]
        inner = tuple(f"{name}/" for name in strange)
        names = [*strange, *(name for name in self.files if name not in wanted), *self.others]
        return sorted(os.path.relpath(self._path(name), self.path) for name in names if not name.startswith(inner))

    def _path(self, name: str) -> str:
        return self.files[name][0] if name in self.files else self.others.get(name, os.path.join(self.path, name))

    def _walk(self, path: str, prefix: str) -> None:
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = prefix + entry.name.lower()
                info = entry.stat(follow_symlinks=False)
                if len(self.files) + len(self.others) >= MAX_ENTRIES:
                    raise InputError(self.path, f"more than {MAX_ENTRIES} files", "name the folder of the part itself")
                if stat.S_ISDIR(info.st_mode):
                    self._folders.add(name)
                    if name == "blobs" or (prefix == "blobs/" and (entry.name.isdigit() or name == "blobs/sha256")):
                        self._walk(entry.path, name + "/")
                elif stat.S_ISREG(info.st_mode) and name not in self.files:
                    self.files[name] = (entry.path, info.st_size)
                else:
                    self.others[name] = entry.path


@contextlib.contextmanager
def whole_file(path: str, mode: int) -> t.Iterator[t.BinaryIO]:
    """As ``atomic_file``, for media that know no modes as well: FAT refuses to set what it cannot keep."""
    parent = os.path.dirname(path)
    handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            with contextlib.suppress(PermissionError):
                os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    fsync_folder(parent)


def put(path: str, data: bytes, mode: int = 0o644) -> None:
    """Let ``path`` hold ``data``, if it does not yet."""
    with contextlib.suppress(MissingError, IntegrityError), open_regular(path) as stream:
        if stream.read(len(data) + 1) == data:
            return
    with whole_file(path, mode) as stream:
        stream.write(data)


def read_span(path: str, offset: int, size: int, target: t.BinaryIO | None = None, advance: Advance = None) -> Digest:
    """Read (and copy) a span of the regular file at ``path``; return its digest.

    :raises IntegrityError: no regular file, cut short, or the medium cannot be read.
    """
    with open_regular(path) as stream:
        digest, found = copy_hashing(t.cast(t.BinaryIO, Span(stream, offset, size)), target, size, advance)
    if found != size:
        raise IntegrityError(path, f"cut short: {offset + found} bytes")
    return digest


def hash_chunks(path: str, sizes: t.Sequence[int], advance: Advance = None) -> tuple[Digest, list[Digest]]:
    """Digest of the regular file at ``path`` and of its pieces of those sizes, in one reading."""
    whole, chunks = hashlib.sha256(), []
    with open_regular(path) as stream:
        for size in sizes:
            state, left = hashlib.sha256(), size
            while left:
                data = stream.read(min(left, CHUNK))
                if not data:
                    raise IntegrityError(path, "cut short")
                whole.update(data)
                state.update(data)
                left -= len(data)
                if advance is not None:
                    advance(len(data))
            chunks.append(Digest(state.hexdigest()))
    return Digest(whole.hexdigest()), chunks


@contextlib.contextmanager
def alone(folder: str, wait: bool = False) -> t.Iterator[None]:
    """Hold the folder against other runs of ours; a killed one lets go by itself.

    :raises InputError: another run works in it, and we do not ``wait``.
    """
    handle = os.open(os.path.join(folder, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as exc:
            raise InputError(folder, "another run works in it", "wait for it to end") from exc
        yield
    finally:
        os.close(handle)
