# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or absent: write to a temporary file, fsync, rename.

This file is private to the collection.
"""

from __future__ import annotations

import os
import tempfile
import typing as t
from contextlib import contextmanager

TEMPORARY_PREFIX = ".airgap-"


def fsync_folder(path: str) -> None:
    """Make a rename inside ``path`` survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
    """Remove temporary files that a killed run left in ``folder``; return their names."""
    gone = []
    for name in os.listdir(folder):
        if name.startswith(TEMPORARY_PREFIX):
            os.unlink(os.path.join(folder, name))
            gone.append(name)
    return gone
