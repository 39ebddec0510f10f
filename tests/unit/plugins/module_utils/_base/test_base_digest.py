# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import digest as module
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, copy_hashing, digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError


class Drip(io.RawIOBase):
    """A stream that gives a few bytes at once, as sockets do, and notes the largest read asked for."""

    def __init__(self, data: bytes) -> None:
        self._rest = data
        self.largest = 0

    def read(self, size: int = -1) -> bytes:
        self.largest = max(self.largest, size)
        piece, self._rest = self._rest[:7], self._rest[7:]
        return piece


@given(st.binary(max_size=200))
def test_a_copy_is_the_same_bytes_and_their_digest(data: bytes) -> None:
    target, steps = io.BytesIO(), []
    digest, size = copy_hashing(Drip(data), target, advance=steps.append)
    assert target.getvalue() == data
    assert (digest.hex, size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert sum(steps) == len(data)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_more_than_announced_is_refused_before_it_is_written(data: bytes, limit: int) -> None:
    target = io.BytesIO()
    if len(data) <= limit:
        assert copy_hashing(Drip(data), target, limit=limit)[1] == len(data)
    else:
        with pytest.raises(IntegrityError, match=f"more than the {limit} bytes announced"):
            copy_hashing(Drip(data), target, limit=limit)
        assert len(target.getvalue()) <= limit


def test_reads_are_bounded() -> None:
    stream = Drip(b"x" * 50)
    copy_hashing(stream)
    assert stream.largest == module.CHUNK


@given(st.binary(max_size=50))
def test_text_reads_back(data: bytes) -> None:
    digest = Digest.of(data)
    assert Digest.parse(str(digest)) == digest
    assert str(digest) == "sha256:" + hashlib.sha256(data).hexdigest()
    assert digest.short == digest.hex[:16]


@pytest.mark.parametrize(
    "text",
    ["", "sha256", "sha256:", "sha256:" + "a" * 63, "sha256:" + "a" * 65, "sha256:" + "A" * 64, "sha512:" + "a" * 64, "a" * 64]
    + ["sha256:" + "a" * 64 + "\n", " sha256:" + "a" * 64, "sha256:../" + "a" * 61, None, 7, b"sha256:" + b"a" * 64, ["sha256"]],
)
def test_anything_else_is_refused_and_quoted(text: object) -> None:
    with pytest.raises(InputError, match="not of the form sha256:<64 lower-case hex digits>") as caught:
        Digest.parse(text)
    assert str(caught.value).startswith("digest ")


def test_a_file_has_its_digest_and_size(tmp_path: Path) -> None:
    data = b"blob" * 700_000  # more than one chunk
    (tmp_path / "blob").write_bytes(data)
    assert digest_file(str(tmp_path / "blob")) == (Digest.of(data), len(data))
