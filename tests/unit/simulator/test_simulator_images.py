# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's images: the same bytes each time, layers shared as real images share them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import typing as t
from pathlib import Path

import images
import pytest


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A small interpreter tree with what must not get into an image."""
    tree = tmp_path / "tree"
    for name in ("etc/passwd", "etc/apt/sources.list", "usr/bin/python3", "var/lib/dpkg/status"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    packed = tmp_path / "base.tar.zst"
    subprocess.run(["tar", "-C", str(tree), "-I", "zstd -q", "-cf", str(packed), "."], check=True)
    return packed


def manifests(folder: Path) -> dict[str, t.Any]:
    """Parsed manifest by image folder."""
    return {image.folder: json.loads((folder / image.folder / "manifest.json").read_text()) for image in images.IMAGES}


def test_every_blob_is_what_the_manifest_says(base: Path, tmp_path: Path) -> None:
    built = images.build(base, "key", tmp_path / "cache")
    for name, manifest in manifests(built).items():
        config = json.loads((built / name / manifest["config"]["digest"][7:]).read_bytes())
        assert config["config"]["User"] == "nonroot" and config["config"]["ExposedPorts"] == {"5000/tcp": {}}
        assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"]) == 4
        for row in [manifest["config"], *manifest["layers"]]:
            data = (built / name / row["digest"][7:]).read_bytes()
            assert (len(data), "sha256:" + hashlib.sha256(data).hexdigest()) == (row["size"], row["digest"])


def test_same_input_same_bytes(base: Path, tmp_path: Path) -> None:
    assert manifests(images.build(base, "key", tmp_path / "one")) == manifests(images.build(base, "key", tmp_path / "two"))


def test_versions_differ_in_the_top_layer_only(base: Path, tmp_path: Path) -> None:
    found = manifests(images.build(base, "key", tmp_path / "cache"))
    old, new, *others = ([layer["digest"] for layer in manifest["layers"]] for manifest in found.values())
    assert old[:3] == new[:3] and old[3] != new[3]
    assert all(other[:2] == old[:2] and other[2] != old[2] for other in others)


def test_base_layer_holds_no_package_manager_and_no_mirror(base: Path, tmp_path: Path) -> None:
    layer = tmp_path / "layer.tar"
    layer.write_bytes(images.base_layer(base))
    with tarfile.open(layer) as tar:
        names = [name for name in tar.getnames() if not tar.getmember(name).isdir()]
    assert sorted(names) == ["etc/passwd", "usr/bin/python3"]


def test_a_new_set_replaces_the_old_one(base: Path, tmp_path: Path) -> None:
    old = images.build(base, "old", tmp_path / "cache")
    new = images.build(base, "new", tmp_path / "cache")
    assert new.is_dir() and not old.exists()


def test_a_set_grows_by_what_it_lacks(base: Path, tmp_path: Path) -> None:
    extra = [images.wanted({"service": "vision_read"}), images.wanted({"service": "sentiment", "tag": "3.0-en"}, user="65532:65532")]
    one = images.make(base, "key", tmp_path / "cache", extra[:1])
    before = {path.name: path.stat().st_mtime_ns for path in one.iterdir()}
    assert {image.folder for image in (*images.IMAGES, extra[0])} <= set(before)
    base.unlink()
    assert images.make(base, "key", tmp_path / "cache", extra) == one
    after = {path.name: path.stat().st_mtime_ns for path in one.iterdir()}
    assert set(after) - set(before) == {extra[1].folder} and all(after[name] == before[name] for name in before)
    found = [json.loads((one / image.folder / "manifest.json").read_text()) for image in (images.IMAGES[3], *extra)]
    assert len({tuple(layer["digest"] for layer in manifest["layers"][:2]) for manifest in found}) == 1
    # Another user is another image of the same layers.
    assert found[0]["layers"] == found[2]["layers"] and found[0]["config"]["digest"] != found[2]["config"]["digest"]
    assert sum(layer["size"] for layer in found[1]["layers"][2:]) < 1_000_000


@pytest.mark.parametrize(
    ("service", "options", "repository", "user"),
    [
        ("document_intelligence_layout", {"version": "3.1"}, "layout-3.1", "0"),
        ("document_intelligence_layout", {}, "layout-4.0", "nonroot"),
        ("document_intelligence_custom_template_api", {"version": "3.0"}, "custom-template-3.0", "0"),
        ("document_intelligence_studio", {}, "studio", "1000"),
        ("reverse_proxy", {}, "nginx", ""),
        ("summarization", {"skills": ["ExtractiveSummarization"], "gpu": True}, "summarization", "nonroot"),
    ],
)
def test_image_of_a_declared_container(service: str, options: dict[str, t.Any], repository: str, user: str) -> None:
    image = images.wanted({"service": service, "options": options})
    assert (image.repository.rpartition("/")[2], image.runs_as) == (repository, user)
    described = images.service_json(service, image.tag, image.repository)
    assert described.get("api_version", "") == (repository[-3:] if "-" in repository else "")
    assert described.get("gpu", False) is ("gpu" in options)


def test_every_service_of_the_catalog_has_an_image() -> None:
    every = images.every()
    assert len({(image.repository, image.tag) for image in every}) == len(every) == len({image.folder for image in every})
    simulated = set(json.loads((images.HERE / "services.json").read_text()))
    assert {image.service for image in every} == simulated
    kinds = {image.service: images.service_json(image.service, image.tag, image.repository).get("kind") for image in every}
    assert kinds["pii"] == "TextAnalytics" and kinds["document_intelligence_read"] == "FormRecognizer"


def test_all_images_are_made_in_one_go(base: Path, tmp_path: Path) -> None:
    folder = images.make(base, "key", tmp_path / "cache", images.every())
    for image in images.every():
        manifest = json.loads((folder / image.folder / "manifest.json").read_text())
        assert all((folder / image.folder / row["digest"][7:]).is_file() for row in [manifest["config"], *manifest["layers"]])
