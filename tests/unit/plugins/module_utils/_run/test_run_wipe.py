# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Licenses are gone, and that is proved; what a container wrote is not touched unless it was archived."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import host_blobs, wipe


def lay(root: Path, name: str, text: str) -> Path:
    """A container with a license."""
    place = root / "containers" / name / "releases" / "r1" / "license"
    place.mkdir(parents=True)
    (place / "license.dat").write_text(text)
    (place.parent / "release.json").write_text("{}")
    (root / "containers" / name / "output").mkdir()
    (root / "containers" / name / "output" / "records").write_text("100")
    (root / "containers" / name / "source.json").write_text("{}")
    (root / "containers" / name / "current").symlink_to("releases/r1")
    return place / "license.dat"


def test_every_copy_goes_but_that_of_another_container(tmp_path: Path) -> None:
    mine, same, other = lay(tmp_path, "a", "CANARY-1"), lay(tmp_path, "b", "CANARY-1"), lay(tmp_path, "c", "CANARY-2")
    stray = tmp_path / "containers" / "a" / "output" / "copy"
    stray.write_text("CANARY-1")
    assert wipe.wipe(str(tmp_path), ["a"], ["b", "c"]) == 2
    assert (mine.exists(), stray.exists(), same.read_text(), other.read_text()) == (False, False, "CANARY-1", "CANARY-2")
    assert wipe.wipe(str(tmp_path), ["a"], ["b", "c"]) == 0
    assert wipe.wipe(str(tmp_path), ["b"], ["c"]) == 1 and not same.exists()


def test_a_file_is_overwritten_before_it_goes(tmp_path: Path) -> None:
    path = lay(tmp_path, "a", "CANARY-1")
    os.link(path, tmp_path.parent / "outside")
    wipe.wipe(str(tmp_path), ["a"], [])
    assert (tmp_path.parent / "outside").read_bytes() == bytes(8), "the content is gone, whatever other names the file has"


def test_a_copy_that_comes_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, "a", "CANARY-1")
    monkeypatch.setattr(os, "unlink", lambda path: Path(path).write_text("CANARY-1"))
    with pytest.raises(IntegrityError, match="still holds a license"):
        wipe.wipe(str(tmp_path), ["a"], [])


def test_what_is_kept_and_what_goes(tmp_path: Path) -> None:
    lay(tmp_path, "a", "x")
    lay(tmp_path, "b", "x")
    wipe.remove(str(tmp_path), "a", keep=True)
    assert sorted(os.listdir(tmp_path / "containers/a")) == ["output", "source.json"]
    wipe.remove(str(tmp_path), "b", keep=False)
    wipe.remove(str(tmp_path), "b", keep=False)
    assert os.listdir(tmp_path / "containers") == ["a"]


@pytest.mark.parametrize("keep", [True, False])
def test_of_an_adopted_output_the_folder_stays(tmp_path: Path, keep: bool) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    lay(root, "a", "CANARY-1")
    (root / "containers/a/output").rename(elsewhere)
    (root / "containers/a/output").symlink_to(elsewhere)
    (elsewhere / "sub").mkdir()
    (elsewhere / "sub" / "copy").write_text("CANARY-1")
    assert wipe.wipe(str(root), ["a"], []) == 2, "a copy of the license there is found as well"
    wipe.remove(str(root), "a", keep=keep)
    assert sorted(os.listdir(elsewhere)) == (["records", "sub"] if keep else [])
    assert (root / "containers/a").exists() is keep


def test_the_store_goes_with_the_folders_that_are_empty_then(tmp_path: Path) -> None:
    blobs = tmp_path / "store" / "blobs" / "sha256"
    for folder in (blobs, tmp_path / "models", tmp_path / "containers"):
        folder.mkdir(parents=True)
    (blobs / ("5" * 64)).write_text("5")
    wipe.remove_store(str(tmp_path))
    wipe.remove_store(str(tmp_path))
    assert os.listdir(tmp_path) == []


def placed(root: Path, name: str, *blobs: str) -> str:
    """A set whose files are links to blobs of the store; its digest."""
    store, folder = root / "store/blobs/sha256", root / "models" / (name * 64)
    store.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True)
    for blob in blobs:
        path = store / (blob * 64)
        if not path.exists():
            path.write_text(blob)
        os.link(path, folder / blob)
    return f"sha256:{name * 64}"


def test_a_set_goes_with_the_blobs_that_only_it_has(tmp_path: Path) -> None:
    mine = placed(tmp_path, "a", "1", "2")
    placed(tmp_path, "b", "2", "3")
    assert wipe.sets(str(tmp_path), [mine]) == 1 and wipe.sets(str(tmp_path), []) == 0
    assert [path.name[0] for path in sorted((tmp_path / "store/blobs/sha256").iterdir())] == ["2", "3"]
    assert [path.name[0] for path in (tmp_path / "models").iterdir()] == ["b"]


@pytest.mark.parametrize("stays", ["models/" + "a" * 64, "store/blobs/sha256/" + "1" * 64])
def test_a_set_or_a_blob_that_is_there_afterwards_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stays: str) -> None:
    mine = placed(tmp_path, "a", "1")
    (gone,) = (path for path in (tmp_path / "models", tmp_path / "store") if path.name not in stays)
    monkeypatch.setattr(host_blobs, "remove_sets", lambda _root, _digests: shutil.rmtree(gone))
    with pytest.raises(IntegrityError, match=f"{stays[-64:]}: still below {tmp_path} after they were removed; see who"):
        wipe.sets(str(tmp_path), [mine])
