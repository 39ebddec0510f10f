# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import registry
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("registry.example:5000", "a/b", "1.0"), "registry.example:5000/a/b:1.0"),
        (("localhost", "a-b/c.d", "sha256:" + "0" * 64), "localhost/a-b/c.d@sha256:" + "0" * 64),
        (("[::1]:5000", "a", "x"), "[::1]:5000/a:x"),
    ],
)
def test_references(parts: tuple[str, str, str], expected: str) -> None:
    assert registry.reference(*parts) == expected


@pytest.mark.parametrize(
    "parts",
    [
        ("https://x", "a", "1"),
        ("x/y", "a", "1"),
        ("", "a", "1"),
        ("x", "A/b", "1"),
        ("x", "a:1", "1"),
        ("x", "a", ""),
        ("x", "a", "-1"),
        ("x", "a", "sha256:12"),
    ],
)
def test_bad_references(parts: tuple[str, str, str]) -> None:
    with pytest.raises(InputError):
        registry.reference(*parts)


@pytest.mark.parametrize("oci", [False, True])
def test_a_record_keeps_the_original_digests(oci: bool) -> None:
    image = kit.make_image("base", "top", oci=oci)
    record = registry.image_record("s", kit.REPOSITORY, "1", image.manifest, image.config, kit.NOW)
    assert record["manifest"] == kit.sha(image.manifest) and record["config"] == kit.sha(image.config)
    assert [layer["digest"] for layer in record["layers"]] == list(image.layers)
    assert record["layers"][0]["diff_id"] == kit.sha(b"base" * 100)
    assert record["media_type"] == (registry.OCI_MANIFEST if oci else registry.DOCKER_MANIFEST)


def test_the_platform_is_picked_from_an_index() -> None:
    image = kit.make_image("x")
    _kind, value = registry.document(kit.make_index(arm64=kit.make_image("y", architecture="arm64"), amd64=image), "x")
    assert str(registry.pick_platform(value, "x").digest) == kit.sha(image.manifest)
    _kind, value = registry.document(kit.make_index(arm64=image), "x")
    with pytest.raises(InputError, match="no image for linux/amd64, only linux/arm64"):
        registry.pick_platform(value, "x")


def test_a_single_image_for_another_platform_is_refused() -> None:
    image = kit.make_image("x", architecture="arm64")
    with pytest.raises(InputError, match="made for linux/arm64, not for linux/amd64"):
        registry.image_record("s", "r", "1", image.manifest, image.config, kit.NOW)


def test_another_config_is_refused() -> None:
    image = kit.make_image("x")
    with pytest.raises(IntegrityError, match="its config is"):
        registry.image_record("s", "r", "1", image.manifest, image.config + b" ", kit.NOW)


def _without(key: str) -> t.Callable[[dict], object]:
    return lambda value: value.pop(key)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda value: value.update(schemaVersion=1), "schema 2"),
        (lambda value: value.update(mediaType="application/x"), "unknown type"),
        (_without("layers"), "layers is missing"),
        (_without("config"), "descriptor"),
        (lambda value: value["layers"][0].update(size=-1), "size -1"),
        (lambda value: value["layers"][0].update(size=True), "size True"),
        (lambda value: value["layers"][0].update(digest="sha256:xyz"), "digest"),
        (lambda value: value["layers"][0].update(mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "cannot be carried"),
        (lambda value: value.update(layers=value["layers"] * 600), "600 layers"),
    ],
)
def test_bad_manifests(change: t.Callable[[dict], object], problem: str) -> None:
    value = json.loads(kit.make_image("x").manifest)
    change(value)
    with pytest.raises(InputError, match=problem):
        registry.read_manifest(json.dumps(value).encode(), "image x")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"null", b'{"schemaVersion": 2, "layers": []}'])
def test_junk_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(InputError):
        registry.read_manifest(data, "image x")


def test_a_record_that_lacks_something_is_named() -> None:
    image = kit.make_image("x")
    record = registry.image_record("s", "r/x", "1", image.manifest, image.config, kit.NOW)
    assert registry.complete_record(record) == record
    with pytest.raises(InputError, match="its record is without layers; give a record that image_fetch returned"):
        registry.complete_record({name: value for name, value in record.items() if name != "layers"})
