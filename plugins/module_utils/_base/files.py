# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or absent: write to a temporary file, fsync, rename.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import tempfile
import typing as t
from contextlib import contextmanager

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError, MissingError

TEMPORARY_PREFIX = ".airgap-"
FEW = 4  # files that are flushed one by one
SYNC_FILE_RANGE_WRITE = 2


def _library() -> ctypes.CDLL | None:
    """The C library, where it has what Linux has."""
    try:
        found = ctypes.CDLL(None)
        return found if found.syncfs and found.sync_file_range else None
    except (OSError, AttributeError):
        return None


def fsync_folder(path: str) -> None:
    """Make a rename inside ``path`` survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_files(paths: t.Sequence[str]) -> None:
    """Make files of one file system survive a power cut: each by itself when they are few, else all that the file system holds back."""
    if len(paths) > FEW and _sync_file_system(paths[0]):
        return
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_file_system(path: str) -> bool:
    """Whether the C library could flush the file system of ``path``."""
    library = _library()
    if library is None:
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        return bool(library.syncfs(handle) == 0)
    finally:
        os.close(handle)


def start_writing(handle: int, offset: int, size: int) -> None:
    """Let the disk begin with a stretch of an open file, so that there is little to wait for when it is flushed; nothing is promised."""
    library = _library()
    if library is not None:
        library.sync_file_range(handle, ctypes.c_int64(offset), ctypes.c_int64(size), SYNC_FILE_RANGE_WRITE)


@contextmanager
def atomic_file(path: str, mode: int = 0o644) -> t.Iterator[t.BinaryIO]:
    """Give a binary file that becomes ``path`` when the block ends well.

    The temporary file lies in the same folder (a rename cannot cross file systems), is 0600 until it
    is whole and is removed when the block raises. An old ``path`` survives every failure.
    """
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    fsync_folder(folder)


def write_bytes(path: str, data: bytes, mode: int = 0o644) -> bool:
    """Make ``path`` hold exactly ``data``; return whether anything had to be written."""
    try:
        with open(path, "rb") as stream:
            if stream.read() == data and (os.fstat(stream.fileno()).st_mode & 0o7777) == mode:
                return False
    except FileNotFoundError:
        pass
    with atomic_file(path, mode) as stream:
        stream.write(data)
    return True


def remove_leftovers(folder: str) -> list[str]:
    """Remove temporary files that a killed run left in ``folder``; return their names. Folders are left to those who make them."""
    gone = []
    for name in os.listdir(folder):
        if name.startswith(TEMPORARY_PREFIX):
            with contextlib.suppress(IsADirectoryError):
                os.unlink(os.path.join(folder, name))
                gone.append(name)
    return gone


def open_regular(path: str) -> t.BinaryIO:
    """Open a regular file that no link stands for. Raise MissingError or IntegrityError."""
    try:
        # O_NONBLOCK: opening a FIFO for reading would wait for a writer for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise MissingError(path, "no such file") from exc
    except OSError as exc:
        raise IntegrityError(path, "not a regular file that can be read") from exc
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise IntegrityError(path, "not a regular file")
    return t.cast(t.BinaryIO, os.fdopen(handle, "rb", buffering=0))


def read_regular(path: str, limit: int) -> bytes:
    """A small regular file whole; raise IntegrityError when it has more than ``limit`` bytes."""
    with open_regular(path) as stream:
        if os.fstat(stream.fileno()).st_size > limit:
            raise IntegrityError(path, f"more than the {limit} bytes allowed")
        return stream.read(limit)


def shared_mode(folder: str, mode: int) -> int:
    """``mode``, for the group as for the owner where ``folder`` is a group's: writable by it and handing it on (setgid)."""
    state = os.stat(folder).st_mode
    return mode | (mode & 0o700) >> 3 if state & 0o2020 == 0o2020 else mode


def make_folder(path: str) -> None:
    """Make a folder and its parents 0700, or as ``shared_mode`` says; what is there stays as it is."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(os.path.abspath(path))
    make_folder(parent)
    mode = shared_mode(parent, 0o700)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
        made = os.stat(path).st_mode
        if made & 0o777 != mode:  # the umask took something; a service that may not set the group's bit has one that does not
            os.chmod(path, (made & 0o2000) | mode)


def open_shared(path: str, mode: int) -> int:
    """Open a regular file for reading and writing, no link; one that is made gets ``mode`` as ``shared_mode`` says, whatever the umask."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    os.fchmod(handle, shared_mode(os.path.dirname(os.path.abspath(path)), mode))
    return handle
