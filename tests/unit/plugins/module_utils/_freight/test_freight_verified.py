# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import verified
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.verified import Verified


@pytest.fixture
def held(tmp_path: Path) -> tuple[Store, Digest]:
    store = Store(str(tmp_path / "store")).create()
    return store, store.put_bytes(b"good bytes")


def test_a_good_blob_is_read_once(held: tuple[Store, Digest], monkeypatch: pytest.MonkeyPatch) -> None:
    store, digest = held
    first = Verified(store)
    assert not first.knows(digest, 10) and first.problem(digest, 10) is None and first.knows(digest, 10)
    first.save()
    monkeypatch.setattr(verified, "copy_hashing", None)  # reading would fail
    assert Verified(store).problem(digest, 10) is None
    assert not Verified(store, full=True).knows(digest, 10)


def test_a_file_that_has_changed_is_read_again(held: tuple[Store, Digest]) -> None:
    store, digest = held
    known = Verified(store)
    assert known.problem(digest, 10) is None
    path = Path(store.path_of(digest))
    before = path.stat()
    path.write_bytes(b"evil bytes")
    assert "its bytes are" in str(known.problem(digest, 10))
    path.unlink()
    path.write_bytes(b"evil bytes")  # another inode with the old times
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "its bytes are" in str(known.problem(digest, 10)) or path.stat().st_ino == before.st_ino
    path.write_bytes(b"short")
    assert known.problem(digest, 10) == "5 of 10 bytes"
    path.write_bytes(b"longer than it was")
    assert known.problem(digest, 10) == "more than the 10 bytes announced"
    path.unlink()
    with pytest.raises(MissingError):
        known.problem(digest, 10)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2, "blobs": {}}', '{"format": 1, "blobs": []}', '{"format": 1, "blobs": {"x": ["a"]}}', "null"])
def test_a_memory_that_cannot_be_read_is_an_empty_one(held: tuple[Store, Digest], text: str) -> None:
    store, digest = held
    Path(store.path, "verified.json").write_text(text)
    known = Verified(store)
    assert not known.knows(digest, 10) and known.problem(digest, 10) is None
    known.save()
    assert Verified(store).knows(digest, 10)


def test_two_runs_keep_what_the_other_learnt_and_forget_what_is_gone(held: tuple[Store, Digest]) -> None:
    store, digest = held
    other = store.put_bytes(b"more")
    one, two = Verified(store), Verified(store)
    one.problem(digest, 10)
    two.problem(other, 4)
    one.save()
    two.save()
    assert Verified(store).knows(digest, 10) and Verified(store).knows(other, 4)
    os.unlink(store.path_of(digest))
    last = Verified(store, full=True)
    last.save()
    assert digest.hex not in Path(store.path, "verified.json").read_text()
