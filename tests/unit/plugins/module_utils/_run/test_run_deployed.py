# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a host's folder, whatever state it is in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed

HEX = "a" * 64


def test_a_host_without_anything(tmp_path: Path) -> None:
    root = str(tmp_path / "none")
    assert (deployed.containers(root), deployed.models(root), deployed.store(root), deployed.models_in_use(root)) == ({}, [], {}, set())


def test_only_whole_things_count(tmp_path: Path) -> None:
    for name in (HEX, ".airgap-x", "short"):
        (tmp_path / "models" / name).mkdir(parents=True)
    blobs = tmp_path / "store" / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (blobs / HEX).write_bytes(b"123")
    (blobs / ".airgap-y").write_bytes(b"")
    (blobs / ("b" * 64)).symlink_to(blobs / HEX)
    assert deployed.models(str(tmp_path)) == [f"sha256:{HEX}"]
    assert deployed.store(str(tmp_path)) == {HEX: 3}


def test_damaged_release_files_are_not_complete(tmp_path: Path) -> None:
    for name, text in {"a": "{", "b": "[]", "c": '{"license_file": "license.dat"}', "d": '{"models": "m"}'}.items():
        folder = tmp_path / "containers" / "x" / "releases" / name
        (folder / "license").mkdir(parents=True)
        (folder / "release.json").write_text(text)
        (folder / "license" / "license.dat").write_bytes(b"" if name == "c" else b"1")
    found = deployed.containers(str(tmp_path))["x"]
    assert {name: item["complete"] for name, item in found["releases"].items()} == {"a": False, "b": False, "c": False, "d": True}
    assert deployed.models_in_use(str(tmp_path)) == {"m"}
    assert (found["current"], found["previous"], found["source"], found["proven"]) == (None, None, None, None)
    (tmp_path / "containers" / "x" / "proven.json").write_text('{"spec": "0123456789abcdef"}')
    assert deployed.containers(str(tmp_path))["x"]["proven"] == "0123456789abcdef"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "\xff", "[" * 100_000, '{"release": {"id": 1}, "spec": 5}'])
@pytest.mark.parametrize("name", ["source.json", "proven.json", "former.json", "rollback.json", "releases/a/release.json"])
def test_a_file_that_says_nothing_readable_counts_as_none(tmp_path: Path, name: str, text: str) -> None:
    folder = tmp_path / "containers" / "x"
    (folder / "releases" / "a").mkdir(parents=True)
    (folder / name).write_text(text, encoding="latin-1")
    found = deployed.containers(str(tmp_path))["x"]
    assert (found["former"], found["releases"]["a"]["complete"], found["current"]) == (None, False, None)


def test_a_release_without_license_is_whole_without_one(tmp_path: Path) -> None:
    for name, text in {"a": '{"license": null, "files": "f"}', "b": '{"license": "sha256:x"}'}.items():
        folder = tmp_path / "containers" / "x" / "releases" / name
        folder.mkdir(parents=True)
        (folder / "release.json").write_text(text)
    found = deployed.containers(str(tmp_path))["x"]["releases"]
    assert {name: item["complete"] for name, item in found.items()} == {"a": True, "b": False}
    assert deployed.models_in_use(str(tmp_path)) == {"f"}, "declared files are kept as models are"


@pytest.mark.parametrize(
    ("laid", "staged"),
    [
        ({"a": 1}, None),
        ({"a": 1, "b": 2}, None),
        ({"a": 1, "b": 4}, "b"),
        ({"a": 4, "b": 1}, None),
        ({"a": 1, "b": 4, "c": 5}, "c"),
        ({"a": 5, "b": 4}, None),
        ({"a": 1, "torn": 5, "b": 4}, "b"),
    ],
)
def test_what_waits_for_its_switch_is_the_newest_whole_release_since_the_last_one(tmp_path: Path, laid: dict[str, int], staged: str | None) -> None:
    folder = tmp_path / "containers" / "x"
    for name, when in laid.items():
        (folder / "releases" / name).mkdir(parents=True)
        file = folder / "releases" / name / "release.json"
        file.write_text('{"license": "sha256:x"}' if name == "torn" else '{"license": null}')
        os.utime(file, (when, when))
    assert deployed.containers(str(tmp_path))["x"]["staged"] is None, "all waits where nothing ever ran"
    (folder / "current").symlink_to("releases/a")
    os.utime(folder / "current", (3, 3), follow_symlinks=False)
    assert deployed.containers(str(tmp_path))["x"]["staged"] == staged
