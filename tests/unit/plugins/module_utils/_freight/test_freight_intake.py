# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import intake
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.intake import Intake
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.verified import Verified


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store")).create()


def names(store: Store) -> set[str]:
    return set(os.listdir(Path(store.path, "blobs", "sha256")))


def test_blobs_get_their_names_together_and_are_known_as_good(empty: Store) -> None:
    data = [b"one", b"two", b"", b"x" * 300_000, b"five", b"six"]
    known = Verified(empty)
    steps: list[int] = []
    with Intake(empty, known) as target:
        for item in data:
            target.add(io.BytesIO(item), Digest.of(item), len(item), 0o600, steps.append)
        assert all(name.startswith(".airgap-") for name in names(empty)) and empty.clean() == []
    assert names(empty) == {Digest.of(item).hex for item in data} and sum(steps) == sum(map(len, data))
    assert all(known.knows(Digest.of(item), len(item)) for item in data)
    assert all(stat.S_IMODE(os.stat(empty.path_of(Digest.of(item))).st_mode) == 0o600 for item in data)


@pytest.mark.parametrize("data", [bytes(2**20), bytes(2**20) + b"end", b"begin" + bytes(2**20), bytes(2**18 - 1) + b"x" + bytes(2**19)])
def test_zeros_stay_holes_and_every_byte_is_there(empty: Store, tmp_path: Path, data: bytes) -> None:
    path, digest = tmp_path / "source", Digest.of(data)
    path.write_bytes(data)
    with Intake(empty, Verified(empty)) as target, open(path, "rb", buffering=0) as source:
        target.add(source, digest, len(data), 0o644)
    info = os.stat(empty.path_of(digest))
    assert Path(empty.path_of(digest)).read_bytes() == data and info.st_blocks * 512 <= len(data) - 2**18 + 4096


@pytest.mark.parametrize(("size", "words"), [(2, "more than the 2 bytes announced"), (9, "5 bytes instead of 9"), (5, "its bytes are sha256:")])
def test_other_bytes_are_refused_and_nothing_of_them_stays(empty: Store, size: int, words: str) -> None:
    with pytest.raises(IntegrityError, match=f"layer of x.*{words}"), Intake(empty, Verified(empty)) as target:
        target.add(io.BytesIO(b"good"), Digest.of(b"good"), 4, 0o644)
        target.add(io.BytesIO(b"wrong"), Digest.of(b"right"), size, 0o644, what="layer of x")
    assert names(empty) == {Digest.of(b"good").hex}


def test_much_is_flushed_on_the_way(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_FILES", 2)
    with Intake(empty, Verified(empty)) as target:
        for item in (b"one", b"two", b"three"):
            target.add(io.BytesIO(item), Digest.of(item), len(item), 0o644)
        assert {Digest.of(b"one").hex, Digest.of(b"two").hex} < names(empty) and Digest.of(b"three").hex not in names(empty)


def test_a_damaged_blob_is_replaced(empty: Store) -> None:
    digest = empty.put_bytes(b"good")
    Path(empty.path_of(digest)).write_bytes(b"evil")
    with Intake(empty, Verified(empty)) as target:
        target.add(io.BytesIO(b"good"), digest, 4, 0o644)
    assert Path(empty.path_of(digest)).read_bytes() == b"good"
