# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import layout
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


def make(bundle: Path, dest: Path, *more: str) -> tuple[layout.Files, dict]:
    """Make the layout of a bundle; give what it was made of."""
    manifest = json.loads((bundle / "bundle.json").read_bytes())
    wanted = layout.files(manifest)
    where = layout.sources(wanted, manifest, [str(bundle), *more])
    layout.make(wanted, where, str(dest))
    return wanted, where


def test_images_packages_and_models_lie_there_by_their_names(bundle: Path, tmp_path: Path) -> None:
    wanted, where = make(bundle, tmp_path / "scan")
    assert layout.reason(wanted, where, str(tmp_path / "scan")) is None
    names = {str(path.relative_to(tmp_path / "scan")) for path in (tmp_path / "scan").rglob("*") if path.is_file()}
    assert names == set(wanted) and "packages/debian-12/docker.io_1%3a2.3_amd64.deb" in names and any(name.endswith("/en/model.bin") for name in names)
    license_ = kit.sha(kit.LICENSE).partition(":")[2]
    assert not any(license_ in name for name in names) and (bundle / "blobs" / "sha256" / license_).exists()
    package = tmp_path / "scan" / "packages" / "debian-12" / "docker.io_1%3a2.3_amd64.deb"
    assert package.stat().st_nlink == 2, "no byte is copied"
    assert sorted(os.listdir(tmp_path)) == ["bundles", "scan", "store"]


def test_tools_that_insist_on_oci_read_every_image(bundle: Path, tmp_path: Path) -> None:
    make(bundle, tmp_path / "scan")
    for image in json.loads((bundle / "bundle.json").read_bytes())["images"]:
        reference = f"oci:{tmp_path / 'scan'}:{image['repository']}:{image['tag']}"
        command = ["skopeo", "copy", "-q", "--insecure-policy", reference, f"dir:{tmp_path / image['tag']}"]
        subprocess.run(command, check=True, capture_output=True)
        copied = {path.name for path in (tmp_path / image["tag"]).iterdir()}
        assert {layer["digest"].partition(":")[2] for layer in image["layers"]} <= copied
        manifest = json.loads((tmp_path / image["tag"] / "manifest.json").read_bytes())
        assert manifest["annotations"] == {layout.ORIGINAL: image["manifest"]}


def test_an_image_of_oci_keeps_its_manifest(tmp_path: Path, keys: kit.Keys) -> None:
    image = {
        "media_type": "application/vnd.oci.image.manifest.v1+json",
        "manifest": kit.sha(b"m"),
        "manifest_size": 1,
        "config": kit.sha(b"c"),
        "config_size": 1,
        "layers": [],
        "platform": "linux/amd64",
        "repository": "a/b",
        "tag": "1",
    }
    wanted = layout.files({"images": [image], "packages": [], "models": []})
    assert str(wanted["blobs/sha256/" + image["manifest"].partition(":")[2]]) == image["manifest"]


def test_what_is_missing_or_more_is_a_reason(bundle: Path, tmp_path: Path) -> None:
    scan = tmp_path / "scan"
    wanted, where = make(bundle, scan)
    (scan / "blobs" / "more").write_text("x")
    assert layout.reason(wanted, where, str(scan)) == "blobs/more is not of it"
    (scan / "blobs" / "more").unlink()
    index = json.loads((scan / "index.json").read_bytes())
    (scan / "index.json").write_text(json.dumps({**index, "manifests": []}))
    assert layout.reason(wanted, where, str(scan)) == "index.json is not the same"
    layout.make(wanted, where, str(scan))
    (scan / "oci-layout").unlink()
    assert layout.reason(wanted, where, str(scan)) == "oci-layout is missing"
    layout.make(wanted, where, str(scan))
    assert layout.reason(wanted, where, str(scan)) is None and sorted(os.listdir(tmp_path)) == ["bundles", "scan", "store"], "no leftover"
    assert layout.reason(wanted, where, str(tmp_path / "nothing")) == "it is not there"
    (tmp_path / "empty").mkdir()
    layout.make(wanted, where, str(tmp_path / "empty"))
    assert layout.reason(wanted, where, str(tmp_path / "empty")) is None


def test_only_a_layout_of_ours_is_replaced(bundle: Path, store: Store, tmp_path: Path) -> None:
    """The store, bundles and other tools' layouts have the file oci-layout as well."""
    wanted, where = make(bundle, tmp_path / "scan")
    others = {name: tmp_path / name for name in ("home", "foreign", "unmarked", "file", "other-bundle", "other-store")}
    shutil.copytree(bundle, others["other-bundle"])
    shutil.copytree(store.path, others["other-store"])
    for name in ("home", "foreign", "unmarked"):
        (others[name] / "blobs").mkdir(parents=True)
    (others["home"] / "precious").write_text("x")
    for name in ("foreign", "unmarked"):
        (others[name] / "oci-layout").write_bytes((tmp_path / "scan" / "oci-layout").read_bytes())
    (others["foreign"] / "index.json").write_text('{"schemaVersion": 2, "manifests": [], "annotations": {"of": "somebody"}}')
    others["file"].write_text("x")
    for name, folder in {**others, "bundle": bundle, "store": Path(store.path)}.items():
        before = sorted(folder.rglob("*"))
        for attempt in (lambda path: layout.reason(wanted, where, str(path)), lambda path: layout.make(wanted, where, str(path))):
            with pytest.raises(InputError, match=r"holds other things|no layout of ours|is no folder"):
                attempt(folder)
        assert sorted(folder.rglob("*")) == before, name


def test_what_it_is_made_of_is_out_of_its_way(bundle: Path, store: Store, tmp_path: Path) -> None:
    wanted, where = make(bundle, tmp_path / "scan")
    apart = [str(bundle), store.path]
    (tmp_path / "link").symlink_to(bundle)
    linked = tmp_path / "link"
    for dest in (bundle, bundle / "scan", bundle.parent, linked, linked / "scan", Path(store.path), Path(store.path) / "work" / "x", tmp_path):
        with pytest.raises(InputError, match="which it is made of; name a folder of its own"):
            layout.reason(wanted, where, str(dest), apart)
    assert layout.reason(wanted, where, str(tmp_path / "scan"), apart) is None
    (tmp_path / "named").symlink_to(tmp_path / "scan")
    layout.make(wanted, where, str(tmp_path / "named"))
    assert (tmp_path / "named").is_symlink() and layout.reason(wanted, where, str(tmp_path / "scan"), apart) is None


def test_what_a_bundle_leaves_out_comes_from_the_store_or_is_named(bundle: Path, store: Store, tmp_path: Path) -> None:
    shutil.rmtree(bundle / "blobs")
    with pytest.raises(Problems, match="is not here"):
        make(bundle, tmp_path / "scan")
    make(bundle, tmp_path / "scan", store.path)
    assert (tmp_path / "scan" / "index.json").is_file()


def test_room_is_looked_at_where_blobs_have_to_be_copied(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = [], os.stat

    def other(path: str, **given: bool) -> os.stat_result:
        found = real(path, **given)
        return os.stat_result((*found[:2], 99, *found[3:])) if str(path).startswith(str(bundle)) else found

    monkeypatch.setattr(layout.room, "check", lambda what, _folder, needed: asked.append((what, needed)))
    make(bundle, tmp_path / "scan")
    monkeypatch.setattr(os, "stat", other)
    _wanted, where = make(bundle, tmp_path / "scan")
    assert asked == [(f"layout {tmp_path}/scan", 0), (f"layout {tmp_path}/scan", sum(map(os.path.getsize, where.values())))]


def test_copies_are_compared_where_links_are_not_to_be_had(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    make(bundle, tmp_path / "scan")
    largest = max((bundle / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(b"x" * largest.stat().st_size)
    with pytest.raises(IntegrityError, match="damaged at"):
        make(bundle, tmp_path / "again")
    assert not (tmp_path / "again").exists() and not list(tmp_path.glob(".airgap-*"))
