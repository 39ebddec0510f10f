# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many blobs into a store at the pace of a plain copy: hashed while they are copied, made durable together, named last.

A flush of the disk for each blob costs more than copying it. So blobs wait under temporary names, are flushed together and
only then get their names; killed before that, a run leaves temporary files that the next one removes.
This file is private to the collection.
"""

from __future__ import annotations

import os
import tempfile
import threading
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import BUFFER, Digest, copy_hashing
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import TEMPORARY_PREFIX, flush_files, fsync_folder, start_writing
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import BLOBS, Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.verified import Verified

MOST_BYTES = 4 * 10**9  # that wait for a flush; a killed run loses no more
MOST_FILES = 2000
STRETCH = 8 * 1024 * 1024  # bytes of a file that the disk is given at once
_ZEROS = bytes(BUFFER)

Advance = t.Optional[t.Callable[[int], object]]


class Intake:
    """Takes blobs into ``store`` until the block ends; what is whole gets its name even when the block raises."""

    def __init__(self, store: Store, verified: Verified) -> None:
        self._store = store
        self._verified = verified
        self._folder = os.path.join(store.path, BLOBS)
        self._waiting: list[tuple[str, Digest]] = []
        self._bytes = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Intake:
        self._writing = self._store.writing()
        self._writing.__enter__()
        return self

    def __exit__(self, *raised: t.Any) -> None:
        try:
            self.flush()
        finally:
            self._writing.__exit__(None, None, None)

    def add(self, source: t.BinaryIO, digest: Digest, size: int, mode: int, advance: Advance = None, what: str = "") -> None:
        """Copy ``source``; several threads may do so at once.

        :param what: what the blob belongs to, for the error
        :raises IntegrityError: other bytes than ``digest`` and ``size`` say; nothing of them stays.
        """
        handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=self._folder)
        try:
            found = _copy(source, t.cast(t.BinaryIO, _Landing(handle)), digest, size, advance, f"blob {digest} ({what})" if what else f"blob {digest}")
            os.ftruncate(handle, found)
            os.fchmod(handle, mode)
        except BaseException:
            os.unlink(temporary)
            raise
        finally:
            os.close(handle)
        with self._lock:
            self._waiting.append((temporary, digest))
            self._bytes += found
            due = self._bytes >= MOST_BYTES or len(self._waiting) >= MOST_FILES
        if due:
            self.flush()

    def flush(self) -> None:
        """Make durable what waits, then give it its names."""
        with self._lock:
            waiting, self._waiting, self._bytes = self._waiting, [], 0
            if not waiting:
                return
            flush_files([temporary for temporary, _digest in waiting])
            for temporary, digest in waiting:
                os.replace(temporary, self._store.path_of(digest))
            fsync_folder(self._folder)
            for _temporary, digest in waiting:
                self._verified.note(digest)


class _Landing:
    """A new file that is written to the disk while it grows. Stretches of zeros stay holes: they take no room and no time. Its end has to be set."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._size = self._begun = 0

    def write(self, chunk: memoryview | bytes) -> int:
        """Append ``chunk``."""
        if len(chunk) == BUFFER and not chunk[0] and bytes(chunk) == _ZEROS:
            os.lseek(self._handle, BUFFER, os.SEEK_CUR)
        else:
            left = memoryview(chunk)
            while left:
                left = left[os.write(self._handle, left) :]
        self._size += len(chunk)
        if self._size - self._begun >= STRETCH:
            start_writing(self._handle, self._begun, self._size - self._begun)
            self._begun = self._size
        return len(chunk)


def _copy(source: t.BinaryIO, target: t.BinaryIO, digest: Digest, size: int, advance: Advance, name: str) -> int:
    try:
        found, count = copy_hashing(source, target, size, advance)
    except IntegrityError as exc:
        raise IntegrityError(name, exc.problem) from exc
    if count != size:
        raise IntegrityError(name, f"{count} bytes instead of {size}")
    if found != digest:
        raise IntegrityError(name, f"its bytes are {found}")
    return count
