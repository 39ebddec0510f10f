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
        assert config["config"]["User"] == "nonroot"
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
