# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import bundle as builder
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


def test_blobs_are_linked_and_licenses_stay_private(store: Store, tmp_path: Path, keys: kit.Keys) -> None:
    made = kit.compose(store)
    folder = Path(Bundles(str(tmp_path / "b"), store).build(made, keys.builder))
    assert folder.name == "plant-7-1"
    for blob in made["blobs"]:
        digest = Digest.parse(blob["digest"])
        path = folder / "blobs" / "sha256" / digest.hex
        assert os.path.samefile(path, store.path_of(digest))
        assert (stat.S_IMODE(path.stat().st_mode) == 0o600) is (blob["kind"] == "license")


def test_blobs_are_copied_where_links_are_not_to_be_had(store: Store, tmp_path: Path, keys: kit.Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    folder = kit.build(store, tmp_path / "b", keys)
    assert verify.verify(str(folder), keys.trust)[2] == []
    license_ = next(blob for blob in kit.compose(store)["blobs"] if blob["kind"] == "license")
    assert stat.S_IMODE((folder / "blobs" / "sha256" / license_["digest"][7:]).stat().st_mode) == 0o600


@pytest.mark.parametrize("count", [1, 2])
def test_damage_in_the_store_is_named_and_nothing_is_built(store: Store, tmp_path: Path, keys: kit.Keys, count: int) -> None:
    made = kit.compose(store)
    bad = [Digest.parse(blob["digest"]) for blob in made["blobs"] if blob["kind"] == "layer"][:count]
    for digest in bad:
        path = Path(store.path_of(digest))
        path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    with pytest.raises((IntegrityError, Problems)) as caught:
        Bundles(str(tmp_path / "b"), store).build(made, keys.builder)
    for digest in bad:
        assert str(digest) in str(caught.value) and not store.has(digest)
    assert "layer" in str(caught.value) and "set aside" in str(caught.value)
    assert [name for name in os.listdir(tmp_path / "b") if name != ".lock"] == []


def test_the_reason_to_build(store: Store, tmp_path: Path, keys: kit.Keys) -> None:
    bundles, made = Bundles(str(tmp_path / "b"), store), kit.compose(store)
    assert "no bundle" in str(bundles.reason(made, None, keys.builder))
    folder = Path(bundles.build(made, keys.builder))
    last = bundles.last(kit.SITE)
    assert last == made and bundles.next_sequence(kit.SITE, last) == 2
    assert bundles.reason(kit.compose(store, created="2027-01-01T00:00:00Z"), last, keys.builder) is None
    assert "changed" in str(bundles.reason(kit.compose(store, "1.0"), last, keys.builder))
    assert "not signed by" in str(bundles.reason(made, last, keys.site))
    kit.detach(folder)
    next((folder / "blobs" / "sha256").iterdir()).unlink()
    assert "damaged" in str(bundles.reason(made, last, keys.builder))
    (folder / "bundle.json").write_text("{}")
    assert "damaged" in str(bundles.reason(made, last, keys.builder))
    shutil.rmtree(folder)
    assert "gone" in str(bundles.reason(made, last, keys.builder))


def test_the_sequence_survives_a_lost_bundles_folder(store: Store, tmp_path: Path, keys: kit.Keys) -> None:
    kit.build(store, tmp_path / "b", keys, sequence=4)
    assert Bundles(str(tmp_path / "new"), store).next_sequence(kit.SITE, None) == 5


def test_same_inputs_give_the_same_bytes(store: Store, tmp_path: Path, keys: kit.Keys) -> None:
    one, other = kit.build(store, tmp_path / "one", keys), kit.build(store, tmp_path / "other", keys)
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_a_killed_build_leaves_no_bundle_and_the_next_one_works(store: Store, tmp_path: Path, keys: kit.Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(builder, "sign_file", die)
        with pytest.raises(KeyboardInterrupt):
            kit.build(store, tmp_path / "b", keys)
    assert not (tmp_path / "b" / "plant-7-1").exists() and not (tmp_path / "b" / "plant-7.json").exists()
    (tmp_path / "b" / ".airgap-plant-7-1").mkdir()  # what kill -9 leaves
    assert verify.verify(str(kit.build(store, tmp_path / "b", keys)), keys.trust)[2] == []


def test_a_public_key_goes_along_without_a_signature_of_its_own(store: Store, tmp_path: Path, keys: kit.Keys) -> None:
    assert [record["name"] for record in builder.receipts(store, [f"{keys.site}.pub"], keep=True)] == ["site.pub"]
    (tmp_path / "slip.pub").write_bytes(Path(keys.site).read_bytes())
    with pytest.raises(InputError, match="never the private one"):
        builder.receipts(store, [str(tmp_path / "slip.pub")], keep=True)


def test_receipts_go_along_with_their_signatures(store: Store, tmp_path: Path, keys: kit.Keys) -> None:
    (tmp_path / "receipt.json").write_text("{}")
    (tmp_path / "receipt.json.sig").write_text("signed")
    records = builder.receipts(store, [str(tmp_path / "receipt.json")], keep=True)
    assert [record["name"] for record in records] == ["receipt.json", "receipt.json.sig"]
    folder = kit.build(store, tmp_path / "b", keys, receipts=records)
    assert verify.verify(str(folder), keys.trust)[2] == []
