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
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import SECRET_MODE, Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "empty")).create()


def names(store: Store) -> list[str]:
    return os.listdir(os.path.join(store.path, "blobs", "sha256"))


def test_a_blob_comes_back_by_its_digest(empty: Store) -> None:
    digest, size = empty.put_stream(io.BytesIO(b"abc"))
    assert (digest, size) == (Digest.of(b"abc"), 3)
    assert empty.read(digest, 3) == b"abc"
    assert empty.has(digest) and empty.has(digest, 3) and not empty.has(digest, 4)
    assert names(empty) == [digest.hex]


@pytest.mark.parametrize(("data", "size", "problem"), [(b"abd", 3, "its bytes are"), (b"ab", 3, "2 bytes instead of 3"), (b"abcd", 3, "more than the 3")])
def test_other_bytes_than_announced_leave_nothing(empty: Store, data: bytes, size: int, problem: str) -> None:
    with pytest.raises(IntegrityError, match=problem) as caught:
        empty.put_stream(io.BytesIO(data), Digest.of(b"abc"), size, what="license of x")
    assert str(Digest.of(b"abc")) in str(caught.value) and "license of x" in str(caught.value)
    assert names(empty) == []


def test_a_good_blob_is_not_replaced_and_a_damaged_one_is(empty: Store) -> None:
    digest = empty.put_bytes(b"abc")
    first = os.stat(empty.path_of(digest)).st_ino
    empty.put_stream(io.BytesIO(b"abc"), digest)
    assert os.stat(empty.path_of(digest)).st_ino == first
    Path(empty.path_of(digest)).write_bytes(b"abX")
    empty.put_stream(io.BytesIO(b"abc"), digest)
    assert empty.read(digest, 3) == b"abc"


def test_secrets_are_for_the_owner_only(empty: Store) -> None:
    digest = empty.put_bytes(b"secret", mode=SECRET_MODE)
    assert stat.S_IMODE(os.stat(empty.path_of(digest)).st_mode) == 0o600


def test_an_interrupted_write_leaves_nothing(empty: Store) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        empty.put_stream(Broken())
    assert names(empty) == []


def test_leavings_of_a_killed_run_are_removed_but_not_a_living_ones(empty: Store) -> None:
    leaving = Path(empty.path, "blobs", "sha256", ".airgap-killed")
    leaving.write_bytes(b"half")
    with empty.writing():
        assert empty.clean() == []
    assert leaving.exists()
    assert empty.clean() == [leaving.name]


def test_adopting_something_else_removes_it(empty: Store, tmp_path: Path) -> None:
    file = tmp_path / "layer"
    file.write_bytes(b"other")
    with pytest.raises(IntegrityError):
        empty.adopt(str(file), Digest.of(b"abc"), 3)
    assert not file.exists() and names(empty) == []


def test_reading_judges_size_and_bytes(empty: Store) -> None:
    digest = empty.put_bytes(b"abc")
    with pytest.raises(InputError, match="larger than"):
        empty.read(digest, 2)
    Path(empty.path_of(digest)).write_bytes(b"abX")
    with pytest.raises(IntegrityError, match="damaged"):
        empty.read(digest, 3)
    with pytest.raises(MissingError):
        empty.read(Digest.of(b"not here"), 3)


def test_a_link_is_no_blob(empty: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"abc")
    os.symlink(tmp_path / "elsewhere", empty.path_of(Digest.of(b"abc")))
    assert not empty.has(Digest.of(b"abc"))


def test_the_counter_grows_with_changes_only(empty: Store) -> None:
    assert empty.holdings()["counter"] == 0
    record = kit.add_image(empty)
    assert empty.holdings()["counter"] == 1
    with empty.changing() as held:
        held["counter"] = 99
        held["images"] = [record]
    assert empty.holdings()["counter"] == 1
    assert b"speech-to-text:1.0" in Path(empty.path, "index.json").read_bytes()


def test_a_failing_change_changes_nothing(empty: Store) -> None:
    kit.add_image(empty)
    before = Path(empty.path, "holdings.json").read_bytes()
    with pytest.raises(RuntimeError), empty.changing() as held:
        held["images"].clear()
        raise RuntimeError
    assert Path(empty.path, "holdings.json").read_bytes() == before


def test_the_newest_image_and_the_matching_release_are_found(empty: Store) -> None:
    old = kit.add_image(empty, "1.0", "old", fetched="2026-01-01T00:00:00Z")
    new = kit.add_image(empty, "1.0", "new", fetched="2026-02-01T00:00:00Z")
    release = kit.add_release(empty, old)
    later = kit.add_release(empty, old, ciphertext=b"later", downloaded="2026-03-01T00:00:00Z")
    assert empty.find_image(kit.REPOSITORY, "1.0") == new
    assert empty.find_image(kit.REPOSITORY, "9") is None
    assert empty.find_release(release["selector"]) == later
    assert empty.find_release(release["selector"], new["manifest"]) is None
    index = Path(empty.path, "index.json").read_text()
    assert index.count("ref.name") == 1 and old["manifest"] in index


def test_one_run_at_a_time_works_in_a_folder(empty: Store) -> None:
    with empty.working("images"), pytest.raises(InputError, match="another run"), Store(empty.path).working("images"):
        pass


def test_holdings_of_a_later_format_are_refused(empty: Store) -> None:
    Path(empty.path, "holdings.json").write_text('{"format": 2}')
    with pytest.raises(InputError, match="format 1"):
        empty.holdings()
