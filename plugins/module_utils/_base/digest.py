# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SHA-256 digests as values, and copies that hash while they copy.

This file is private to the collection.
"""

from __future__ import annotations

import hashlib
import io
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError

CHUNK = 1024 * 1024  # bytes read at once; memory stays constant as blobs grow
BUFFER = 256 * 1024  # bytes; stays in the processor's cache between reading, hashing and writing
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, order=True)
class Digest:
    """A SHA-256 digest; prints and parses as ``sha256:<64 hex>``."""

    hex: str

    @classmethod
    def parse(cls, text: object) -> Digest:
        """Read ``sha256:<hex>``; raise InputError quoting ``text`` when it is anything else."""
        algorithm, colon, value = text.partition(":") if isinstance(text, str) else ("", "", "")
        if algorithm != "sha256" or not colon or not _HEX.fullmatch(value):
            raise InputError(f"digest {text!r}"[:120], "not of the form sha256:<64 lower-case hex digits>")
        return cls(value)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Digest of bytes in memory."""
        return cls(hashlib.sha256(data).hexdigest())

    @property
    def short(self) -> str:
        """The first 16 hex digits: enough to tell things apart on one host."""
        return self.hex[:16]

    def __str__(self) -> str:
        return f"sha256:{self.hex}"


def copy_hashing(
    source: t.BinaryIO,
    target: t.BinaryIO | None = None,
    limit: int | None = None,
    advance: t.Callable[[int], object] | None = None,
) -> tuple[Digest, int]:
    """Read ``source`` to its end, write to ``target`` if given; return (digest, size in bytes).

    :param limit: raise IntegrityError as soon as more than this many bytes come.
    :param advance: called with the number of bytes of each chunk.
    """
    state = hashlib.sha256()
    size = 0
    for chunk in _chunks(source):
        size += len(chunk)
        if limit is not None and size > limit:
            raise IntegrityError("stream", f"more than the {limit} bytes announced")
        state.update(chunk)
        if target is not None:
            target.write(chunk)
        if advance is not None:
            advance(len(chunk))
    return Digest(state.hexdigest()), size


def _chunks(source: t.BinaryIO) -> t.Iterator[memoryview | bytes]:
    """What comes, in one buffer used again and again where the source can fill one: new memory for each chunk costs more than hashing it."""
    if not isinstance(source, io.FileIO):
        yield from iter(lambda: source.read(CHUNK), b"")
        return
    buffer = memoryview(bytearray(BUFFER))
    while True:
        count = source.readinto(buffer)
        if not count:
            return
        yield buffer[:count]


def digest_file(path: str) -> tuple[Digest, int]:
    """Digest and size of the file at ``path``."""
    with open(path, "rb", buffering=0) as stream:
        return copy_hashing(t.cast(t.BinaryIO, stream))
