# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest that came from outside: each field, each bound, nothing makes the judge fall over."""

from __future__ import annotations

import copy
import datetime
import typing as t

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest, shape
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def damage(made: dict[str, t.Any], path: str, value: t.Any) -> None:
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: t.Any = made
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("format", True, "format"),
        ("kind", "other", "kind"),
        ("site", "Plant 7", "site"),
        ("sequence", 0, "sequence"),
        ("base", "sha256:" + "0" * 64, "base"),
        ("receipts", None, "receipts is missing"),
        ("extra", 1, "extra is unknown"),
        ("images", {}, "images"),
        ("images.0.tag", "../x", "images[0].tag"),
        ("images.0.layers.0.size", 2**50, "images[0].layers[0].size"),
        ("images.0.platform", "linux/arm64", "platform"),
        ("models.0.files.0.path", "../../etc/passwd", "path"),
        ("models.0.files.0.path", "/etc/passwd", "path"),
        ("models.0.files.0.path", "a//b", "path"),
        ("models.0.files.0.path", "a\nb", "path"),
        ("models.0.files.0.path", "other.bin", "its files give"),
        ("packages.0.filename", "x/../../y.deb", "filename"),
        ("packages.0.requested", 1, "requested"),
        ("releases.0.license_size", 2**30, "license_size"),
        ("releases.0.license_file", "a/b", "license_file"),
        ("releases.0.settings", {"A": 1}, "settings"),
        ("releases.0.resource", "other", "id or selector"),
        ("releases.0.expires", "soon", "expires"),
        ("releases.0.files", "sha256:" + "0" * 64, "files sha256:0000"),
        ("releases.0.made", "yesterday", "made"),
        ("releases.1.made", "9999-01-01T00:00:00Z", "releases[1].made is 9999-01-01T00:00:00Z, more than a day after the bundle was made"),
        ("releases.0.downloaded", "when the cows come home", "releases[0].downloaded is when"),
        ("images.0.fetched", "2026-02-01T12:00:01Z", "images[0].fetched is 2026-02-01T12:00:01Z, more than a day"),
        ("created", "2026-02-30T00:00:00Z", "created has the bad value"),
        ("created", "9999-12-31T23:59:59Z", "created has the bad value"),
        ("releases.0.license_size", 0, "a license has bytes"),
        ("images.0.repository", "x", "id is"),
        ("releases.0.image", "sha256:" + "0" * 64, "is not speech_to_text:1.0 of this bundle"),
        ("blobs.0.kind", "secret", "kind"),
        ("blobs.0.size", 7, "blob"),
        ("blobs.0", None, "not listed"),
        ("blobs.0.digest", "sha256:" + "0" * 64, "nothing refers to it"),
    ],
)
def test_a_bad_manifest_is_named(store: Store, path: str, value: t.Any, problem: str) -> None:
    made = copy.deepcopy(kit.compose(store))
    damage(made, path, value)
    assert any(problem in line for line in shape.validate(made)), shape.validate(made)


@SHARED
@given(st.integers(-4 * 86400, 4 * 86400), st.sampled_from(["images.0.fetched", "releases.0.downloaded", "releases.0.made"]))
def test_nothing_is_more_than_a_day_later_than_its_bundle(store: Store, seconds: int, path: str) -> None:
    made = copy.deepcopy(kit.compose(store))
    moment = datetime.datetime(2026, 1, 31, 12) + datetime.timedelta(seconds=seconds)  # kit.NOW
    damage(made, path, moment.isoformat() + "Z")
    made["id"] = manifest.identity(made)
    assert any("more than a day after" in line for line in shape.validate(made)) is (seconds > 86400), shape.validate(made)


def test_twice_is_refused(store: Store) -> None:
    for name in ("images", "releases", "packages", "blobs", "models"):
        made = copy.deepcopy(kit.compose(store))
        made[name].append(made[name][0])
        assert any("twice" in line for line in shape.validate(made)), name


def test_another_id_is_refused(store: Store) -> None:
    made = {**kit.compose(store), "sequence": 5}
    assert any("id is" in line for line in shape.validate(made))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    )
)
def test_nothing_makes_validation_fall_over(value: t.Any) -> None:
    assert shape.validate(value)


@SHARED
@given(st.data())
def test_no_wrong_type_makes_validation_fall_over(store: Store, data: st.DataObject) -> None:
    made: t.Any = copy.deepcopy(kit.compose(store))
    place, junk = (
        made,
        st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=2), st.none(), max_size=2),
    )
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    before, place[key] = place[key], data.draw(junk)
    if place[key] != before or type(place[key]) is not type(before):
        assert bool(shape.validate(made)) or made["id"] == manifest.identity(made)


def test_versions_of_a_service_share_a_tag_where_their_repositories_differ(store: Store) -> None:
    made = copy.deepcopy(kit.compose(store, systems=[]))
    other = {**copy.deepcopy(made["images"][0]), "repository": "azure-cognitive-services/other"}
    made["images"].append(other)
    made["id"] = manifest.identity(made)
    assert shape.validate(made) == []
    other["repository"] = made["images"][0]["repository"]
    assert any("twice" in line for line in shape.validate(made))


def test_a_service_without_license_and_declared_files_are_valid(store: Store) -> None:
    image = kit.add_image(store, "proxy")
    release = kit.add_release(store, image, ciphertext=None, files={"conf/nginx.conf": b"listen"})
    made = kit.compose(store, "proxy", systems=[])
    assert shape.validate(made) == [] and release["license"] is None and release["license_size"] == 0
    assert [entry["digest"] for entry in made["models"]] == [release["files"]]
    assert "license" not in {blob["kind"] for blob in made["blobs"]} and "model" in {blob["kind"] for blob in made["blobs"]}
    made["releases"][0]["license_size"] = 5
    made["id"] = manifest.identity(made)
    assert any("without one license_size is 0" in line for line in shape.validate(made))
