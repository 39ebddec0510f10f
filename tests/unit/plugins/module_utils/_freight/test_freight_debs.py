# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import debs


def make(folder: Path, file: str, name: str = "ours", version: str = "1:2-1", architecture: str = "amd64") -> Path:
    tree = folder / "tree" / file / "DEBIAN"
    tree.mkdir(parents=True)
    fields = f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: x <x@example.org>\nDescription: x\n"
    (tree / "control").write_text(fields)
    (folder / "own").mkdir(exist_ok=True)
    subprocess.run(["dpkg-deb", "--build", str(tree.parent), str(folder / "own" / file)], check=True, capture_output=True)
    return folder / "own"


def record(name: str, version: str, digest: str = "sha256:a", requested: bool = False) -> dict:
    return {"name": name, "version": version, "digest": digest, "requested": requested}


def test_fields_and_hash_are_read(tmp_path: Path) -> None:
    (found,) = debs.own(str(make(tmp_path, "x.deb")), "debian-12", "amd64")
    assert found.record["name"] == "ours" and found.record["version"] == "1:2-1" and found.record["requested"]
    assert found.record["size"] == Path(found.path).stat().st_size and found.record["filename"] == "ours_1%3a2-1_amd64.deb"


def test_what_is_no_package_is_named(tmp_path: Path) -> None:
    folder = make(tmp_path, "x.deb")
    (folder / "bad.deb").write_bytes(b"no package")
    with pytest.raises(InputError, match=r"bad\.deb: dpkg-deb cannot read it"):
        debs.own(str(folder), "debian-12", "amd64")


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is for arm64"):
        debs.own(str(make(tmp_path, "x.deb", architecture="arm64")), "debian-12", "amd64")


def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "x.deb")
    with pytest.raises(InputError, match=r"comes as x\.deb and y\.deb"):
        debs.own(str(make(tmp_path, "y.deb", version="3")), "debian-12", "amd64")


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(MissingError, match="bundle_own_packages"):
        debs.own("/nowhere", "debian-12", "amd64")


def test_drift_names_versions_and_bytes() -> None:
    held = [record("a", "1"), record("b", "1"), record("gone", "1")]
    assert debs.drift(held, [record("a", "2"), record("b", "1", "sha256:b"), record("new", "1")]) == ["a 1 -> 2", "b other bytes as 1"]


def test_the_old_set_is_kept_while_it_serves() -> None:
    held, new = [record("a", "1", requested=True)], [record("a", "2", requested=True)]
    assert debs.keep("debian-12", held, new, []) and not debs.keep("debian-12", held, held, [])
    with pytest.raises(IntegrityError, match="are missing"):
        debs.keep("debian-12", held, new, held)
    with pytest.raises(IntegrityError, match="other packages are wanted"):
        debs.keep("debian-12", held, [*new, record("b", "1", requested=True)], [])
