# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import stat
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import bundle as builder
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest, receive, room
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.intake import Intake
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


@pytest.fixture
def site(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "site"))


def take(bundle: Path, site: Store, keys: kit.Keys, **options: bool) -> receive.Parcel:
    parcel = receive.judge(str(bundle), site, kit.SITE, keys.trust, **options)
    if parcel.reason:
        receive.take(parcel, site, kit.SITE)
    return parcel


def tree(store: Store) -> dict[str, bytes]:
    return {str(path.relative_to(store.path)): path.read_bytes() for path in sorted(Path(store.path).rglob("*")) if path.is_file()}


def test_what_was_built_is_what_arrives(bundle: Path, store: Store, site: Store, keys: kit.Keys) -> None:
    parcel = take(bundle, site, keys)
    assert kit.blobs(site.path) == kit.blobs(bundle) == kit.blobs(store.path)
    held, source = site.holdings(), store.holdings()
    assert all(held[name] == source[name] for name in ("images", "models", "releases", "packages"))
    assert held["site"] == kit.SITE and held["bundles"] == {kit.SITE: {"sequence": 1, "id": parcel.manifest["id"]}}
    assert Path(site.path, "received", "plant-7-1.json").read_bytes() == (bundle / "bundle.json").read_bytes()
    assert Path(site.path, "index.json").read_bytes() == (bundle / "index.json").read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(
    files=st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}", fullmatch=True), st.binary(max_size=300), max_size=5), data=st.binary(max_size=4000)
)
def test_round_trip_of_anything(tmp_path_factory: pytest.TempPathFactory, keys: kit.Keys, files: dict[str, bytes], data: bytes) -> None:
    folder = tmp_path_factory.mktemp("trip")
    store, site = Store(str(folder / "store")).create(), Store(str(folder / "site"))
    kit.add_release(store, kit.add_image(store), files)
    kit.add_package(store, data=data)
    take(kit.build(store, folder / "b", keys, "1.0"), site, keys)
    assert kit.blobs(site.path) == kit.blobs(store.path)


def test_the_second_import_changes_nothing(bundle: Path, site: Store, keys: kit.Keys) -> None:
    take(bundle, site, keys)
    before = tree(site)
    parcel = take(bundle, site, keys)
    assert parcel.reason is None and parcel.missing == []
    assert tree(site) == before


def test_only_what_is_missing_is_copied(bundle: Path, store: Store, site: Store, tmp_path: Path, keys: kit.Keys) -> None:
    take(bundle, site, keys)
    kit.add_release(store, kit.add_image(store, "3.0"))
    parcel = take(kit.build(store, tmp_path / "b", keys, "1.0", "2.0", "3.0", sequence=2), site, keys)
    assert sorted(kind for _digest, _size, kind in parcel.missing) == ["config", "layer", "manifest"]
    assert site.holdings()["bundles"][kit.SITE]["sequence"] == 2


def test_licenses_arrive_private(bundle: Path, site: Store, keys: kit.Keys) -> None:
    parcel = take(bundle, site, keys)
    for digest, _size, kind in parcel.missing:
        assert (stat.S_IMODE(os.stat(site.path_of(digest)).st_mode) == 0o600) is (kind == "license")


@pytest.mark.parametrize("kinds", [{"license"}, {"layer", "model", "package"}])
def test_damaged_blobs_are_all_named_and_the_rest_is_kept(bundle: Path, site: Store, keys: kit.Keys, kinds: set[str]) -> None:
    parcel = receive.judge(str(bundle), site, kit.SITE, keys.trust)
    bad = [(digest, kind) for digest, _size, kind in parcel.missing if kind in kinds]
    good = {digest: (bundle / "blobs" / "sha256" / digest.hex).read_bytes() for digest, _kind in bad}
    for digest, data in good.items():
        (bundle / "blobs" / "sha256" / digest.hex).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises((IntegrityError, Problems)) as caught:
        receive.take(parcel, site, kit.SITE)
    for digest, kind in bad:
        assert str(digest) in str(caught.value) and kind in str(caught.value) and not site.has(digest)
    assert site.holdings()["bundles"] == {} and not Path(site.path, "received").exists()
    assert len(kit.blobs(site.path)) == len(parcel.manifest["blobs"]) - len(bad)
    for digest, data in good.items():
        (bundle / "blobs" / "sha256" / digest.hex).write_bytes(data)
    again = take(bundle, site, keys)
    assert {digest for digest, _size, _kind in again.missing} == set(good)
    assert kit.blobs(site.path) == kit.blobs(bundle)


def test_a_truncated_or_missing_blob_is_named_before_anything_is_touched(bundle: Path, site: Store, keys: kit.Keys) -> None:
    path = next((bundle / "blobs" / "sha256").iterdir())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match=path.name):
        take(bundle, site, keys)
    assert not os.path.exists(site.path)


def test_an_import_killed_in_the_middle_goes_on(bundle: Path, site: Store, keys: kit.Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    parcel, count, put = receive.judge(str(bundle), site, kit.SITE, keys.trust), [], Intake.add

    def die(self: Intake, *arguments: t.Any, **options: t.Any) -> object:
        count.append(1)
        if len(count) == 4:
            raise KeyboardInterrupt
        return put(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Intake, "add", die)
        with pytest.raises(KeyboardInterrupt):
            receive.take(parcel, site, kit.SITE)
    assert site.holdings()["images"] == []
    Path(site.path, "blobs", "sha256", ".airgap-killed").write_bytes(b"half a blob")  # what kill -9 leaves
    again = take(bundle, site, keys)
    assert 0 < len(again.missing) < len(parcel.missing)
    assert kit.blobs(site.path) == kit.blobs(bundle) and len(os.listdir(Path(site.path, "blobs", "sha256"))) == len(again.manifest["blobs"])


def test_a_record_that_its_own_manifest_contradicts_is_not_taken_in(bundle: Path, site: Store, keys: kit.Keys) -> None:
    made = json.loads((bundle / "bundle.json").read_bytes())
    made["images"][0]["layers"].reverse()
    kit.resign(bundle, keys, {**made, "id": manifest.identity(made)})
    with pytest.raises(IntegrityError, match="layers are not what its own manifest says"):
        take(bundle, site, keys)
    assert site.holdings()["images"] == []


def test_another_sites_bundle_is_refused(store: Store, tmp_path: Path, site: Store, keys: kit.Keys) -> None:
    with pytest.raises(InputError, match="made for site plant-8, this is plant-7"):
        take(kit.build(store, tmp_path / "b", keys, site="plant-8"), site, keys)


def test_an_older_or_other_bundle_of_that_sequence_is_refused_unless_allowed(store: Store, tmp_path: Path, site: Store, keys: kit.Keys) -> None:
    take(kit.build(store, tmp_path / "b", keys, sequence=5), site, keys)
    older, other = kit.build(store, tmp_path / "b", keys, "1.0", sequence=4), kit.build(store, tmp_path / "c", keys, "1.0", sequence=5)
    with pytest.raises(InputError, match="older than plant-7-5"):
        take(older, site, keys)
    with pytest.raises(InputError, match="another bundle with sequence 5"):
        take(other, site, keys)
    before = site.holdings()["bundles"]
    take(older, site, keys, allow_older=True)
    assert site.holdings()["bundles"] == before


def test_a_store_belongs_to_one_site(bundle: Path, site: Store, keys: kit.Keys) -> None:
    with site.create().changing() as held:
        held["site"] = "plant-8"
    with pytest.raises(InputError, match="belongs to plant-8"):
        take(bundle, site, keys)


def test_a_full_disk_is_named_before_the_first_byte(bundle: Path, site: Store, keys: kit.Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "RESERVE", 2**60)
    with pytest.raises(InputError, match="are to be written and .* are free"):
        take(bundle, site, keys)
    assert kit.blobs(site.path) == {}


def test_receipts_are_laid_out_by_name(store: Store, tmp_path: Path, site: Store, keys: kit.Keys) -> None:
    (tmp_path / "receipt.json").write_text("{}")
    (tmp_path / "receipt.json.sig").write_text("signed")
    records = builder.receipts(store, [str(tmp_path / "receipt.json")], keep=True)
    parcel = take(kit.build(store, tmp_path / "b", keys, receipts=records), site, keys)
    assert Path(receive.receipts_folder(site, parcel.manifest), "receipt.json.sig").read_text() == "signed"


def test_the_clock_cannot_be_before_the_last_bundle(bundle: Path, site: Store, keys: kit.Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    take(bundle, site, keys)
    seen = []

    def refuse(_path: str, trust: Trust) -> t.NoReturn:
        seen.append(trust.earliest)
        raise InputError("x", "y")

    monkeypatch.setattr(receive.verify, "open_manifest", refuse)
    with pytest.raises(InputError):
        take(bundle, site, keys)
    assert seen == [1769860800]  # 2026-01-31T12:00:00Z


@pytest.mark.parametrize(("downloaded", "kept"), [(kit.NOW, 1), ("2027-01-01T00:00:00Z", 2)])
def test_one_download_under_another_vault_secret_takes_the_place_of_the_former(tmp_path: Path, site: Store, downloaded: str, kept: int) -> None:
    made = []
    for name, changes in (("first", {}), ("second", {"ciphertext": b"$ANSIBLE_VAULT;1.2;AES256;plant-7\nother", "downloaded": downloaded})):
        store = Store(str(tmp_path / name)).create()
        kit.add_release(store, kit.add_image(store), **changes)
        kit.add_package(store)
        made.append(kit.compose(store, "1.0", sequence=len(made) + 1))
    held = receive.outcome(receive.outcome(site.holdings(), made[0], kit.SITE), made[1], kit.SITE)
    ids = [release["id"] for release in held["releases"]]
    assert made[1]["releases"][0]["id"] in ids
    assert len(ids) == kept
