# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import care
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as records
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def holdings(count: int, shared: int) -> dict:
    """Releases 0…count-1, each with an image of a layer of its own and a shared one, and every second with models."""
    held = records.empty()
    for number in range(count):
        base = 100 * (number + 1)
        layers = [{"digest": digest(shared), "size": 1}, {"digest": digest(base), "size": 1}]
        image = {"service": "s", "repository": "r", "tag": str(number), "manifest": digest(base + 1), "manifest_size": 1, "config": digest(base + 2)}
        held["images"].append({**image, "config_size": 1, "layers": layers})
        models = {"digest": digest(base + 3), "files": [{"path": "m", "digest": digest(base + 4), "size": 1}]} if number % 2 else None
        held["models"] += [models] if models else []
        release = {"id": str(number), "service": "s", "tag": str(number), "resource": "r", "image": image["manifest"], "license": digest(base + 5)}
        held["releases"].append({**release, "license_size": 1, "models": models["digest"] if models else None, "files": None})
    held["packages"] = [{"os": "debian-12", "name": "p", "version": "1", "digest": digest(7), "size": 1}]
    return held


@given(count=st.integers(0, 6), wanted=st.sets(st.integers(0, 7)), named=st.sets(st.integers(0, 5)))
@settings(max_examples=50, deadline=None)
def test_what_is_kept_is_whole_and_nothing_else_stays(count: int, wanted: set[int], named: set[int]) -> None:
    held = holdings(count, 9)
    before = copy.deepcopy(held)
    keep = care.Keep(frozenset(map(str, wanted)), frozenset(digest(100 * (number + 1) + 1) for number in named))
    found = care.superfluous(held, keep)
    assert held == before
    assert [release["id"] for release in found.holdings["releases"]] == [str(number) for number in range(count) if number in wanted]
    assert {image["tag"] for image in found.holdings["images"]} == {str(number) for number in range(count) if number in wanted | named}
    assert {models["digest"] for models in found.holdings["models"]} == {digest(100 * (n + 1) + 3) for n in range(count) if n in wanted and n % 2}
    assert found.needed == {reference.digest for reference in records.references(found.holdings)} and digest(7) in found.needed
    assert (digest(9) in found.needed) == any(number < count for number in wanted | named), "a shared layer stays as long as one image has it"
    assert len(found.lines) == sum(len(held[name]) - len(found.holdings[name]) for name in ("releases", "images", "models"))


def test_what_came_just_now_stays_whole() -> None:
    held = holdings(2, 9)
    found = care.superfluous(held, care.Keep(fresh=frozenset({digest(205)})))  # the license of release 1
    assert [release["id"] for release in found.holdings["releases"]] == ["1"] and digest(201) in found.needed and digest(204) in found.needed


def test_the_last_bundles_of_each_site_count(tmp_path: Path, keys: kit.Keys) -> None:
    store = kit.fill(tmp_path / "store")
    for tag, sequence in (("1.0", 1), ("2.0", 2), ("2.0", 10)):
        kit.build(store, tmp_path / "bundles", keys, tag, sequence=sequence)
    for count, tags in ((1, {"2.0"}), (3, {"1.0", "2.0"})):
        found = care.newest(store, str(tmp_path / "bundles"), count)
        assert {image["tag"] for manifest in found for image in manifest["images"]} == tags
    assert len(care.newest(store, str(tmp_path / "bundles"), 2)) == 2


def test_parts_are_no_bundles_of_sites_of_their_own(tmp_path: Path, keys: kit.Keys) -> None:
    """``plant-7-1-part-02-of-03`` reads like bundle 3 of a site ``plant-7-1-part-02-of``; its old bundle would be kept for ever."""
    old = media_kit.bundle(tmp_path, keys)
    folders = media_kit.parts(old, old.parent, keys)
    store = Store(str(tmp_path / "store"))
    kit.build(store, old.parent, keys, "1.0", sequence=2)
    (folders[0] / "part.json").rename(folders[0] / "PART.JSON")  # as media may show it
    for count, expected in ((1, {2}), (2, {1, 2})):
        assert {(manifest["site"], manifest["sequence"]) for manifest in care.newest(store, str(old.parent), count)} == {(kit.SITE, n) for n in expected}
    assert len(care.newest(store, str(old.parent), 9)) == 2
    shutil.rmtree(old)
    assert len(care.newest(store, str(old.parent), 9)) == 1


def test_a_manifest_that_cannot_be_read_stops_it(tmp_path: Path) -> None:
    store = kit.fill(tmp_path / "store")
    (tmp_path / "bundles" / "plant-7-1").mkdir(parents=True)
    (tmp_path / "bundles" / "plant-7-1" / "bundle.json").write_bytes(pretty({"images": []}))
    with pytest.raises(InputError, match="not the manifest of a bundle"):
        care.newest(store, str(tmp_path / "bundles"), 1)


def test_bundles_name_what_they_need(store: Store) -> None:
    manifest = kit.compose(store, "2.0")
    keep = care.of_bundles([manifest])
    assert keep.images == {manifest["images"][0]["manifest"]} and keep.blobs == {blob["digest"] for blob in manifest["blobs"]}


def test_damage_is_found_by_reading(store: Store) -> None:
    assert care.damaged(store, store.holdings()) == []
    image = store.holdings()["images"][0]
    layer = Path(store.path, "blobs", "sha256", image["layers"][0]["digest"][7:])
    layer.write_bytes(b"x" * layer.stat().st_size)
    (found,) = care.damaged(store, store.holdings())
    assert found[0] == image["layers"][0]["digest"] and "layer 1 of image" in found[1]


def test_only_blobs_are_listed_and_removed(store: Store) -> None:
    stray = Path(store.path, "blobs", "sha256", ".airgap-x")
    stray.write_bytes(b"half")
    found = care.blobs(store)
    assert set(found) == {f"sha256:{name}" for name in kit.blobs(store.path)}
    care.remove(store, [*found, digest(1)])
    assert care.blobs(store) == {} and stray.exists()


def test_kits_are_needed(tmp_path: Path) -> None:
    (tmp_path / "control-debian-12-amd64").mkdir()
    made = {"format": 1, "kind": "airgap.azure_ai/control", "files": [{"digest": digest(3)}]}
    (tmp_path / "control-debian-12-amd64" / "control.json").write_bytes(pretty(made))
    assert care.of_kits(str(tmp_path)) == {digest(3)} and care.of_kits(str(tmp_path / "none")) == frozenset()
