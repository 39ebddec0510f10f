# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Licenses of a selector: which one counts for which vault, and what the store has lost of it. (The module over it: test_license_download.py.)"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import vault
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import room
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.licenses import Licenses
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

SELECTOR = "speech_to_text:1.0@speech-dc0"
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store")).create()


def keep(store: Store, vault_id: str, image: str = A, day: str = "01", selector: str = SELECTOR, models: dict[str, bytes] | None = None) -> Release:
    files = [{"path": path, "digest": str(store.put_bytes(data)), "size": len(data)} for path, data in sorted((models or {}).items())]
    bound = {"service": "speech_to_text", "tag": "1.0", "resource": "speech-dc0", "options": {}, "image": image, "models": None}
    bound.update(settings={}, downloaded=f"2026-01-{day}T00:00:00Z", expires=None)
    return Licenses(store, selector).keep(bound, f"$ANSIBLE_VAULT;1.2;AES256;{vault_id}\n{image[-1]}{day}".encode(), files)


def test_each_vault_has_a_license_of_its_own(empty: Store) -> None:
    one, other = keep(empty, "plant-7"), keep(empty, "plant-8", day="02")
    found = Licenses(empty, SELECTOR)
    assert found.newest("plant-7", A) == one
    assert found.newest("plant-8", A) == other
    assert found.newest("plant-9", A) is None
    assert vault.label(found.read(other)) == "plant-8"


def test_the_license_for_the_image_comes_before_newer_ones_for_others(empty: Store) -> None:
    keep(empty, "plant-7", A, "01")
    bound = keep(empty, "plant-7", A, "02")
    newest = keep(empty, "plant-7", B, "03")
    found = Licenses(empty, SELECTOR)
    assert found.newest("plant-7", A) == bound
    assert found.newest("plant-7", B) == newest
    assert found.newest("plant-7", "sha256:" + "c" * 64) == newest


def test_another_selectors_license_is_not_taken(empty: Store) -> None:
    keep(empty, "plant-7", selector="speech_to_text:1.0@another")
    assert Licenses(empty, SELECTOR).newest("plant-7", A) is None


def test_what_the_store_lost_is_named(empty: Store) -> None:
    release = keep(empty, "plant-7", models={"en/a.bin": b"a", "en/b.bin": b"b"})
    found = Licenses(empty, SELECTOR)
    assert found.missing(release) == []
    os.unlink(empty.path_of(Digest.of(b"b")))
    assert found.missing(release) == ["model file en/b.bin"]
    os.unlink(empty.path_of(Digest.parse(release.license)))
    assert found.missing(release) == ["the license", "model file en/b.bin"]
    assert found.newest("plant-7", A) == release, "a lost license is found, so that it is replaced and not forgotten"
    with empty.changing() as held:
        held["models"].clear()
    assert found.missing(release) == ["the license", "the models"]
    assert found.missing(None) == []


def test_a_license_is_for_its_owner_only_and_its_size_is_held(empty: Store) -> None:
    release = keep(empty, "plant-7")
    info = os.stat(empty.path_of(Digest.parse(release.license)))
    assert stat.S_IMODE(info.st_mode) == 0o600
    assert [(record["id"], record["license_size"]) for record in empty.holdings()["releases"]] == [(release.id, info.st_size)]


def test_an_expiry_is_recorded_in_place(empty: Store) -> None:
    old, new = keep(empty, "plant-7", day="01"), keep(empty, "plant-7", day="02")
    dated = Release.load({**new.dump(), "expires": "2026-12-31"})
    assert dated.id == new.id
    Licenses(empty, SELECTOR).set_expiry(dated)
    assert {record["id"]: record["expires"] for record in empty.holdings()["releases"]} == {old.id: None, new.id: "2026-12-31"}


def test_a_license_is_lent_to_another_selector_and_bound_without_a_copy(empty: Store) -> None:
    own, lender = Licenses(empty, "a"), keep(empty, "plant-7", selector="b", models={"m": b"m"})
    assert own.newest("plant-7", A) is None
    own = Licenses(empty, "a", lambda record: record["selector"] == "b")
    assert own.newest("plant-7", A) == lender and own.newest("plant-8", A) is None
    files = [{"path": "g", "digest": str(empty.put_bytes(b"words")), "size": 5}]
    bound = own.bind(lender, {"options": {"x": 1}, "made": "2026-02-01T00:00:00Z"}, files)
    assert (bound.selector, bound.license, bound.models, bound.downloaded) == ("a", lender.license, lender.models, lender.downloaded)
    assert bound.files and bound.id != lender.id and own.newest("plant-7", A) == bound
    assert {record["license_size"] for record in empty.holdings()["releases"]} == {os.path.getsize(empty.path_of(Digest.parse(lender.license or "")))}
    newer = keep(empty, "plant-7", day="09", selector="b", models={"m": b"m"})
    assert own.newest("plant-7", A) == newer, "a newer license comes before the selector's own"


def test_declared_files_that_are_gone_are_no_lost_license(empty: Store) -> None:
    lender, found = keep(empty, "plant-7"), Licenses(empty, SELECTOR)
    bound = found.bind(lender, {}, [{"path": "g", "digest": str(empty.put_bytes(b"words")), "size": 5}])
    os.unlink(empty.path_of(Digest.of(b"words")))
    assert found.missing(bound) == [] and found.missing_files(bound) == ["declared file g"]
    with empty.changing() as held:
        held["models"].clear()
    assert found.missing_files(bound) == ["the declared files"]


def test_a_service_without_license_belongs_to_no_vault(empty: Store) -> None:
    found = Licenses(empty, SELECTOR)
    bound = {"service": "s", "tag": "1", "resource": "none", "options": {}, "image": A, "made": "2026-01-01T00:00:00Z"}
    release = found.keep(bound, None)
    assert release.license is None and found.newest("any", A) == release and found.missing(release) == []
    assert empty.holdings()["releases"][0]["license_size"] == 0
    with pytest.raises(MissingError, match="has no license"):
        found.read(release)
    assert found.options("s", "1", "none") == [{}] and found.options("s", "2", "none") == []


def test_models_that_come_again_need_room_for_one_alone(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(empty, "plant-7", models={"a/w.bin": b"weights", "b": b"big"})
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(room, "check", lambda what, _folder, needed: asked.append((what, needed)))
    licenses = Licenses(empty, SELECTOR)
    licenses.fits([("a/w.bin", 7), ("b", 3)])
    licenses.fits([("a/w.bin", 7), ("b", 4), ("new", 1)])
    assert asked == [(f"store {empty.path}, models", 7), (f"store {empty.path}, models", 12)]


def test_declared_files_that_the_store_has_need_no_room(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    held = {"digest": str(empty.put_bytes(b"here")), "size": 4}
    licenses = Licenses(empty, SELECTOR)
    with licenses.room([held], licensed=False):
        pass
    with pytest.raises(InputError, match=rf"\({2**50} bytes\) are to be written"), licenses.room([held, {"digest": A, "size": 2**50}], licensed=False):
        raise AssertionError("nothing is begun")
