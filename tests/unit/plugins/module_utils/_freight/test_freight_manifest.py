# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import random
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest, shape
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.modules import bundle_build
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

ROOT = Path(__file__).resolve().parents[5]
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def test_what_is_composed_is_valid_and_fits_the_schema(store: Store) -> None:
    made = kit.compose(store)
    assert shape.validate(made) == []
    schema = json.loads((ROOT / "docs" / "bundle.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(made, schema)
    assert schema["additionalProperties"] is False and set(schema["required"]) == set(made)
    for name in ("images", "releases", "packages", "models", "receipts", "files", "blobs"):
        item = schema["properties"][name]["items"]
        fields = shape.BLOBS_1 if name == "blobs" else shape.SHAPES[name]  # what is in every format
        assert set(item["required"]) == set(fields) and set(item["properties"]) == set(shape.SHAPES[name])
        if name in shape.INNER:
            member, inner = shape.INNER[name]
            assert set(item["properties"][member]["items"]["required"]) == set(shape.SHAPES[inner])


def test_the_version_in_manifests_is_the_collections() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"] == bundle_build.COLLECTION


@SHARED
@given(seed=st.integers())
def test_order_does_not_matter(store: Store, seed: int) -> None:
    made = kit.compose(store)
    held, chance = store.holdings(), random.Random(seed)
    for name in ("images", "models", "releases", "packages"):
        chance.shuffle(held[name])
    wanted = kit.selectors("1.0", "2.0", "2.0")
    chance.shuffle(wanted)
    again = manifest.compose(held, wanted, ["debian-12", "debian-12"], kit.SITE, "1.0.0", created="2027-01-01T00:00:00Z")
    assert again["id"] == made["id"]
    assert manifest.encoded({**again, "created": made["created"]}) == manifest.encoded(made)


def test_what_matters_changes_the_id(store: Store) -> None:
    made = kit.compose(store)
    assert kit.compose(store, sequence=2)["id"] != made["id"]
    assert manifest.same_contents(kit.compose(store, sequence=2), made)
    assert not manifest.same_contents(kit.compose(store, "1.0"), made)
    assert not manifest.same_contents(kit.compose(store, site="plant-8"), made)


def test_only_what_the_site_needs_goes_along(store: Store) -> None:
    made = kit.compose(store, "1.0", systems=[])
    assert [image["tag"] for image in made["images"]] == ["1.0"]
    assert (made["models"], made["packages"]) == ([], [])
    assert {blob["kind"] for blob in made["blobs"]} == {"layer", "config", "manifest", "license"}


def test_everything_missing_is_named_at_once(store: Store) -> None:
    kit.add_image(store, "3.0")
    with pytest.raises(Problems) as caught:
        manifest.compose(store.holdings(), kit.selectors("1.0", "3.0", "9"), ["debian-13"], kit.SITE, "1.0.0")
    assert len(caught.value.problems) == 3
    for text in ("speech_to_text:9: not in the store", "speech_to_text:3.0 of resource speech-dc0: no license", "debian-13: none", "airgap.azure_ai.bundle"):
        assert text in str(caught.value)


def test_a_license_for_another_image_is_refused(store: Store) -> None:
    old = store.find_image(kit.REPOSITORY, "1.0")
    new = kit.add_image(store, "1.0", "moved", fetched="2026-06-01T00:00:00Z")
    with pytest.raises(MissingError) as caught:
        kit.compose(store, "1.0")
    assert old and old["manifest"] in str(caught.value) and new["manifest"] in str(caught.value)
    assert "speech_to_text:1.0" in str(caught.value) and "run airgap.azure_ai.bundle" in str(caught.value)
    kit.add_release(store, new, ciphertext=b"new license")
    assert [release["image"] for release in kit.compose(store, "1.0")["releases"]] == [new["manifest"]]


def test_a_tag_that_two_repositories_have_wants_the_repository_named(store: Store) -> None:
    first = store.find_image(kit.REPOSITORY, "1.0")
    assert first
    second = kit.add_image(store, "1.0", "v4", repository="azure-cognitive-services/other-4.0")
    with pytest.raises(MissingError, match=f"found in azure-cognitive-services/other-4.0 and {kit.REPOSITORY}; name the repository"):
        kit.compose(store, "1.0")
    kit.add_release(store, second, options={"version": "4.0"})
    wanted = [
        {**kit.selectors("1.0")[0], "repository": kit.REPOSITORY},
        {**kit.selectors("1.0")[0], "repository": second["repository"], "options": {"version": "4.0"}},
    ]
    made = manifest.compose(store.holdings(), wanted, [], kit.SITE, "1.0.0", created=kit.NOW)
    assert shape.validate(made) == []
    assert {release["image"] for release in made["releases"]} == {first["manifest"], second["manifest"]}
    assert len(made["images"]) == 2 and manifest.index_bytes(made).count(b"ref.name") == 2


def test_declared_files_that_the_store_lacks_are_named(store: Store) -> None:
    release = kit.add_release(store, kit.add_image(store, "5.0"), files={"g": b"words"})
    assert [files["digest"] for files in kit.compose(store, "5.0")["models"]] == [release["files"]]
    with store.changing() as held:
        held["models"] = [files for files in held["models"] if files["digest"] != release["files"]]
    with pytest.raises(MissingError, match=f"its files {release['files']} are not in the store"):
        kit.compose(store, "5.0")


def test_a_store_of_before_there_were_files_still_serves(store: Store) -> None:
    with store.changing() as held:
        for release in held["releases"]:
            del release["files"], release["made"]
    assert shape.validate(kit.compose(store)) == []
