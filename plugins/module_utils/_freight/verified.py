# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs of a store that were read and found good, remembered by size, time and inode: they need not be read again.

``<store>/verified.json``. Who distrusts the disk reads all again (``full``). This file is private to the collection.
"""

from __future__ import annotations

import os
import threading
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import canonical, parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, copy_hashing
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

FORMAT = 1
MAX_BYTES = 256 * 1024 * 1024

Marks = tuple[int, int, int]


class Verified:
    """What is known of the blobs of one store. Several threads may use it."""

    def __init__(self, store: Store, full: bool = False) -> None:
        self._store = store
        self._path = os.path.join(store.path, "verified.json")
        self._lock = threading.Lock()
        self._known = {} if full else self._load()
        self._changed = full

    def knows(self, digest: Digest, size: int) -> bool:
        """Whether the blob is the very file that was found good."""
        found = self._marks(digest)
        return found is not None and found[0] == size and self._known.get(digest.hex) == found

    def note(self, digest: Digest) -> None:
        """Remember that the blob was read just now and is good."""
        found = self._marks(digest)
        if found is not None:
            with self._lock:
                self._changed = self._changed or self._known.get(digest.hex) != found
                self._known[digest.hex] = found

    def problem(self, digest: Digest, size: int, advance: t.Callable[[int], object] | None = None) -> str | None:
        """What is wrong with the blob, or None; it is read unless it is known.

        :raises MissingError: it is not in the store.
        """
        if self.knows(digest, size):
            return None
        with self._store.open(digest) as source:
            try:
                found = copy_hashing(source, None, size, advance)
            except IntegrityError as exc:
                return exc.problem
        if found != (digest, size):
            return f"{found[1]} of {size} bytes" if found[1] != size else f"its bytes are {found[0]}"
        self.note(digest)
        return None

    def save(self) -> None:
        """Write what has become known. What another run wrote meanwhile stays."""
        with self._lock, self._store.locked("lock"):
            if self._changed:
                merged = {**self._load(), **self._known}
                kept = {name: marks for name, marks in merged.items() if os.path.exists(self._store.path_of(Digest(name)))}
                write_bytes(self._path, canonical({"format": FORMAT, "blobs": kept}), 0o600)
                self._changed = False

    def _load(self) -> dict[str, Marks]:
        try:
            value = parse(read_regular(self._path, MAX_BYTES), self._path, MAX_BYTES)
            if value["format"] != FORMAT:
                return {}
            return {str(name): (int(marks[0]), int(marks[1]), int(marks[2])) for name, marks in value["blobs"].items()}
        except (AirgapError, KeyError, TypeError, ValueError, IndexError, AttributeError):
            return {}  # it saves time and nothing else

    def _marks(self, digest: Digest) -> Marks | None:
        try:
            info = os.lstat(self._store.path_of(digest))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return info.st_size, info.st_mtime_ns, info.st_ino
