# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is full: fetch, build, split, collection and import tell it before the first byte, and when it fills up under them nothing is harmed.

The disk is a small tmpfs; afterwards it is made larger, and the same run goes on.
"""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import room
from ansible_collections.airgap.azure_ai.plugins.modules import bundle_build, bundle_collect, bundle_import, bundle_split, image_fetch, package_fetch
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight.mirror_kit import Mirror
from tests.integration.engines import build

SMALL, LARGE = "4m", "96m"
Options = dict[str, t.Any]


class Disk:
    """A file system of its own with room for four megabytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._mount(SMALL)

    def grow(self) -> None:
        self._mount(f"remount,{LARGE}")

    def close(self) -> None:
        subprocess.run(["umount", str(self.path)], check=True)

    def _mount(self, size: str) -> None:
        remount, _comma, wanted = size.rpartition(",")
        options = ",".join([*([remount] if remount else []), f"size={wanted}", "mode=0700"])
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.path)], check=True)


@pytest.fixture(autouse=True)
def path_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done to the search path is undone."""
    monkeypatch.setenv("PATH", os.environ["PATH"])


@pytest.fixture
def disk(tmp_path: Path) -> t.Iterator[Disk]:
    found = Disk(tmp_path / "disk")
    yield found
    found.close()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> kit.Keys:
    return kit.make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, keys: kit.Keys) -> Path:
    """A store and a bundle of some 7 MB, and its parts."""
    folder = tmp_path_factory.mktemp("origin")
    media_kit.parts(media_kit.bundle(folder, keys), folder / "media", keys)
    return folder


def fetching(origin: Path, disk: Disk, keys: kit.Keys) -> tuple[t.Any, Options]:
    registry = kit.FolderRegistry(disk.path.parent / "registry")
    made = build(("base", 5_000_000), ("top", 3_000_000))
    layers = {layer["digest"]: made.blobs[layer["digest"]] for layer in made.record["layers"]}
    registry.push("1.0", kit.Image(made.blobs[made.record["manifest"]], made.blobs[made.record["config"]], layers))
    os.environ["PATH"] = f"{registry.program.parent}{os.pathsep}{os.environ['PATH']}"
    images = [{"service": "speech_to_text", "repository": kit.REPOSITORY, "tag": "1.0"}]
    return image_fetch, {"store": str(disk.path / "store"), "registry": "registry.example", "images": images}


def building(origin: Path, disk: Disk, keys: kit.Keys) -> tuple[t.Any, Options]:
    options = {"store": str(origin / "store"), "dest": str(disk.path / "bundles"), "site": kit.SITE, "os": ["debian-12"], "signing_key": keys.builder}
    return bundle_build, {**options, "selectors": kit.selectors("1.0", "2.0", "3.0")}


def splitting(origin: Path, disk: Disk, keys: kit.Keys) -> tuple[t.Any, Options]:
    path = origin / "bundles" / f"{kit.SITE}-1"
    return bundle_split, {"path": str(path), "dest": str(disk.path / "media"), "part_size": str(media_kit.SIZE), "signing_key": keys.builder}


def collecting(origin: Path, disk: Disk, keys: kit.Keys) -> tuple[t.Any, Options]:
    paths = [str(path) for path in sorted((origin / "media").glob("*-part-*"))]
    return bundle_collect, {"paths": paths, "dest": str(disk.path / "inbox"), "site": kit.SITE, "allowed_signers": keys.signers}


def importing(origin: Path, disk: Disk, keys: kit.Keys) -> tuple[t.Any, Options]:
    path = origin / "bundles" / f"{kit.SITE}-1"
    return bundle_import, {"path": str(path), "store": str(disk.path / "store"), "site": kit.SITE, "allowed_signers": keys.signers}


def packaging(origin: Path, disk: Disk, keys: kit.Keys) -> tuple[t.Any, Options]:
    mirror = Mirror(disk.path.parent / "mirror")
    mirror.publish({"engine": "helper", "helper": ""}, weight=3_000_000)
    options = {"mirror": f"file://{mirror.folder}/debian", "keyring": str(mirror.folder / "keyring.gpg")}
    return package_fetch, {**options, "store": str(disk.path / "store"), "os": "debian-12", "packages": ["engine"]}


WORK = [fetching, packaging, building, splitting, collecting, importing]


def left(disk: Disk) -> list[str]:
    """Files that are no lock, no list and no blob under its name: what a failed run should not leave."""
    return [str(path) for path in disk.path.rglob(".airgap-*")]


@pytest.mark.parametrize("prepare", WORK)
def test_it_is_told_beforehand(prepare: t.Callable[..., tuple[t.Any, Options]], origin: Path, disk: Disk, keys: kit.Keys, capsys: t.Any) -> None:
    module, options = prepare(origin, disk, keys)
    result = kit.run_module(module, capsys, **options)
    assert result.get("failed"), result
    said = "\n".join([result["msg"], *result.get("problems", [])])
    assert "bytes) are to be written and " in said and "are free on its disk" in said and "make room" in said
    assert left(disk) == [] and not [path for path in disk.path.rglob("*") if path.is_file() and path.stat().st_size > 10_000]


@pytest.mark.parametrize("prepare", WORK)
def test_one_that_fills_up_meanwhile_harms_nothing(
    prepare: t.Callable[..., tuple[t.Any, Options]], origin: Path, disk: Disk, keys: kit.Keys, capsys: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, options = prepare(origin, disk, keys)
    monkeypatch.setattr(room, "check", lambda *_given: None)
    result = kit.run_module(module, capsys, **options)
    assert result.get("failed"), result
    said = "\n".join([result["msg"], *result.get("problems", [])])
    assert "no space left on " in said and "make room and run again" in said
    assert left(disk) == []
    for path in disk.path.rglob("blobs/sha256/*"):
        assert path.suffix == ".part" or kit.sha(path.read_bytes()) == f"sha256:{path.name}"
    disk.grow()
    assert not kit.run_module(module, capsys, **options).get("failed")
    assert left(disk) == []
