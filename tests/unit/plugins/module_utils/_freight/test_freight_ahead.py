# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first of several media tells: a base that is missing, and room for all the others and for the import."""

from __future__ import annotations

import json
import os
import random
import shutil
import types
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import ahead, collect, delta, manifest, room
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.modules import bundle_collect, bundle_info
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit


@pytest.fixture
def first(tmp_path: Path, keys: kit.Keys) -> Path:
    """A bundle of what the next one builds on."""
    return kit.build(kit.fill(tmp_path / "store"), tmp_path / "bundles", keys, "1.0", "2.0")


@pytest.fixture
def media(first: Path, tmp_path: Path, keys: kit.Keys) -> list[Path]:
    """Parts of a bundle that builds on the first one."""
    store, chance = Store(str(tmp_path / "store")), random.Random(7)
    base = delta.on_bundle(kit.compose(store, "1.0", "2.0"))
    kit.add_release(store, kit.add_image(store, "3.0"), {"big.bin": chance.randbytes(9_000_000)})
    lean = manifest.identified({**delta.lean(kit.compose(store, "1.0", "2.0", "3.0"), base), "sequence": 2})
    return media_kit.parts(Path(Bundles(str(tmp_path / "bundles"), store).build(lean, keys.builder)), tmp_path / "media", keys)


def take(inbox: Path, site: Store, keys: kit.Keys, *paths: Path, check: bool = False) -> collect.Gathered:
    target = collect.Target(str(inbox), kit.SITE, 0, keys.trust, check, site.path)
    return collect.gather([str(path) for path in paths], target, media_kit.nothing)


@pytest.mark.parametrize("check", [False, True])
def test_a_missing_base_is_told_with_the_first_part(media: list[Path], first: Path, tmp_path: Path, keys: kit.Keys, check: bool) -> None:
    site, inbox = Store(str(tmp_path / "site")).create(), tmp_path / "inbox"
    left = {blob["digest"]: blob["size"] for blob in kit.compose(Store(str(tmp_path / "store")), "1.0", "2.0")["blobs"]}
    for part in media[1:2]:
        found = take(inbox, site, keys, part, check=check)
        assert found.problems == [] and len(found.notes) == 1
        assert f"plant-7-2 builds on {len(left)} blobs (" in found.notes[0] and delta.code(left) in found.notes[0]
    gone = next(iter(left))
    inbox.mkdir(exist_ok=True)
    shutil.copytree(first, inbox / "earlier")  # the import takes from bundles beside, too
    assert take(inbox, site, keys, media[1], check=check).notes == []
    (inbox / "earlier" / "blobs" / "sha256" / gone[7:]).unlink()
    (note,) = take(inbox, site, keys, media[1], check=check).notes
    assert " 1 blob (" in note and delta.code([gone]) in note
    site.put_bytes(Store(str(tmp_path / "store")).read(Digest.parse(gone), 10**6))
    assert take(inbox, site, keys, media[1], check=check).notes == []


def test_the_modules_tell_it(media: list[Path], tmp_path: Path, keys: kit.Keys, capsys: pytest.CaptureFixture[str]) -> None:
    site = Store(str(tmp_path / "site")).create()
    options = {"allowed_signers": keys.signers, "store": site.path}
    found = kit.run_module(bundle_collect, capsys, **options, paths=[str(media[0])], dest=str(tmp_path / "inbox"), site=kit.SITE)
    assert len(found["notes"]) == 1 and found["notes"][0] in found["lines"]
    for path in (tmp_path / "bundles" / "plant-7-2", media[0]):
        judged = kit.run_module(bundle_info, capsys, **{**options, "path": str(path)}, verify="signature")
        lacking = judged["bundle"]["lacking"]
        assert judged["valid"] and (lacking != {}) == (path == media[0]), "beside the bundle lies the one that it builds on"
    assert lacking["code"] in judged["lines"][-1] and lacking["count"] > 5 and lacking["bytes"] > 1000
    assert kit.run_module(bundle_info, capsys, path=str(media[0]), allowed_signers=keys.signers)["bundle"]["lacking"] == {}


def _disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(room, "RESERVE", 0)
    monkeypatch.setattr(os, "statvfs", lambda _path: types.SimpleNamespace(f_bavail=free, f_frsize=1))


def test_room_is_looked_at_for_all_parts_and_for_the_import(media: list[Path], tmp_path: Path, keys: kit.Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    site, inbox = Store(str(tmp_path / "site")), tmp_path / "inbox"
    size = sum(piece["size"] for part in json.loads((media[0] / "parts.json").read_bytes())["parts"] for piece in part["pieces"])
    _disk(monkeypatch, size - 1)  # any part alone would fit
    (problem,) = take(inbox, site, keys, media[0]).problems
    assert f"({size} bytes) are to be written" in problem and "make room" in problem
    _disk(monkeypatch, 2 * size - 1)
    (problem,) = take(inbox, site, keys, media[0]).problems
    assert f"with the import into the store {site.path} on the same disk: " in problem and f"({2 * size} bytes)" in problem
    assert not list(inbox.rglob("blobs/sha256/*")) and not list(inbox.rglob("pieces/*"))
    _disk(monkeypatch, 2 * size)
    assert take(inbox, site, keys, media[0]).problems == []


def test_a_store_on_another_disk_is_looked_at_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"blobs": [{"digest": kit.sha(b"x"), "size": 10, "kind": "layer", "carried": True}]}
    asked = []
    monkeypatch.setattr(room, "check", lambda what, _folder, needed: asked.append((what, needed)))
    real = os.stat

    def other(path: str, **given: bool) -> os.stat_result:
        found = real(path, **given)
        return os.stat_result((*found[:2], 99, *found[3:])) if str(path) == "/" else found

    monkeypatch.setattr(os, "stat", other)
    ahead.check_room(str(tmp_path), 5, Store("/nowhere/store"), made)
    assert asked == [("store /nowhere/store, for the import", 10), (f"folder {tmp_path}", 5)]
    with pytest.raises(InputError):
        monkeypatch.undo()
        _disk(monkeypatch, 4)
        ahead.check_room(str(tmp_path), 5)
