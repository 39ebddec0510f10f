# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases on a host: laid down whole or not at all, switched in one step, output never touched."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, releases
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, release

ME = (os.getuid(), os.getgid())
ONE, TWO = release(Image(b"one")), release(Image(b"two"))


def stage(root: Path, found: dict[str, t.Any], data: bytes = b"license") -> Path:
    releases.stage(str(root), "sent-en", found, data, ME)
    return root / "containers" / "sent-en"


def test_a_staged_release_lies_beside_the_running_one(tmp_path: Path) -> None:
    assert releases.stage_reason(str(tmp_path), "sent-en", ONE) == f"release {ONE['id']} is not there"
    folder = stage(tmp_path, ONE)
    path = folder / "releases" / ONE["id"]
    assert (path / "license" / "license.dat").read_bytes() == b"license"
    assert (path / "license" / "license.dat").stat().st_mode & 0o7777 == 0o400
    assert (path / "license").stat().st_mode & 0o7777 == 0o500
    assert (folder / "output").stat().st_mode & 0o7777 == 0o750
    source = json.loads((folder / "source.json").read_text())
    state = (folder / "output").stat()
    assert (source["device"], source["inode"], len(source["id"])) == (state.st_dev, state.st_ino, 32)
    assert releases.stage_reason(str(tmp_path), "sent-en", ONE) is None
    found = deployed.containers(str(tmp_path))["sent-en"]
    assert (found["current"], found["releases"][ONE["id"]]["complete"], found["source"]) == (None, True, source)
    assert {key: value for key, value in found["releases"][ONE["id"]].items() if key != "complete"} == ONE


def test_a_torn_staging_is_not_complete_and_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = releases.write_bytes

    def torn(path: str, data: bytes, mode: int) -> bool:
        if path.endswith("release.json"):
            raise OSError("power cut")
        return write(path, data, mode)

    monkeypatch.setattr(releases, "write_bytes", torn)
    with pytest.raises(OSError, match="power cut"):
        stage(tmp_path, ONE)
    monkeypatch.undo()
    assert releases.stage_reason(str(tmp_path), "sent-en", ONE)
    source = (tmp_path / "containers" / "sent-en" / "source.json").read_text()
    stage(tmp_path, ONE)
    assert releases.stage_reason(str(tmp_path), "sent-en", ONE) is None
    assert (tmp_path / "containers" / "sent-en" / "source.json").read_text() == source, "the output is who it was"


def test_a_license_folder_that_the_service_writes_into(tmp_path: Path) -> None:
    root, place = str(tmp_path), f"sent-en/releases/{ONE['id']}/license"
    folder = tmp_path / "containers" / place
    releases.stage(root, "sent-en", ONE, b"license", ME, ["sent-en/output", place])
    assert (folder.stat().st_mode & 0o777, (folder / "license.dat").stat().st_mode & 0o777) == (0o700, 0o400)
    (folder / "made" / "by").mkdir(parents=True)
    assert releases.stage_reason(root, "sent-en", ONE, ["sent-en/output", place]) is None
    stage(tmp_path, ONE)
    assert (folder.stat().st_mode & 0o777, [path.name for path in folder.iterdir()]) == (0o500, ["license.dat"])
    releases.switch(root, "sent-en", ONE["id"], "c", (), ["sent-en/output", place])
    assert folder.stat().st_mode & 0o777 == 0o700


def test_switch_roll_back_and_again(tmp_path: Path) -> None:
    folder = stage(tmp_path, ONE)
    stage(tmp_path, TWO)
    (folder / "output" / "records").write_text("1000")
    root = str(tmp_path)
    assert releases.switch_reason(root, "sent-en", ONE["id"], "c") == f"none -> {ONE['id']}"
    releases.switch(root, "sent-en", ONE["id"], "c")
    assert releases.switch_reason(root, "sent-en", ONE["id"], "c") is None
    assert releases.switch_reason(root, "sent-en", ONE["id"], "d") == "compose.yml changes"
    assert (deployed.link(str(folder), "current"), deployed.link(str(folder), "previous")) == (ONE["id"], None)
    for wanted, other in ((TWO, ONE), (ONE, TWO)):
        releases.switch(root, "sent-en", wanted["id"], None)
        assert (deployed.link(str(folder), "current"), deployed.link(str(folder), "previous")) == (wanted["id"], other["id"])
    assert (folder / "current" / "release.json").is_file()
    assert (folder / "output" / "records").read_text() == "1000"
    assert (folder / "compose.yml").read_text() == "c"
    assert (folder / "compose.yml").stat().st_mode & 0o777 == 0o600, "a setting may be a secret"


def test_output_changes_hands_with_the_images_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stage(tmp_path, ONE)
    (folder / "output" / "sub").mkdir()
    (folder / "output" / "sub" / "file").write_text("x")
    releases.switch(str(tmp_path), "sent-en", ONE["id"], None)
    moved: list[str] = []
    monkeypatch.setattr(os, "chown", lambda path, *_owner, **_how: moved.append(os.path.relpath(path, folder)))
    releases.switch(str(tmp_path), "sent-en", ONE["id"], None)
    assert moved == []
    real = os.stat

    def stat(path: t.Any, **how: t.Any) -> t.Any:
        state = real(path, **how)
        return os.stat_result((*state[:4], 4711, 4711, *state[6:])) if str(path).endswith("license") else state

    monkeypatch.setattr(os, "stat", stat)
    releases.switch(str(tmp_path), "sent-en", ONE["id"], None)
    assert moved == ["output/sub", "output/sub/file", "output"]


def test_a_release_that_is_not_complete_is_not_switched_to(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="stage it first"):
        releases.switch_reason(str(tmp_path), "sent-en", ONE["id"], None)


@pytest.mark.parametrize("name", ["../x", "", "A", None, 5])
def test_names_that_would_leave_the_folder(tmp_path: Path, name: t.Any) -> None:
    with pytest.raises(InputError, match="not a DNS label"):
        releases.folder_of(str(tmp_path), name)


@pytest.mark.parametrize("found", ["../../etc", "0123", {**ONE, "id": "0" * 16}, {**ONE, "image": TWO["image"]}, {}, None])
def test_releases_whose_id_is_not_theirs(found: t.Any) -> None:
    with pytest.raises(InputError):
        releases.release_id(found)


def test_license_names_and_empty_licenses(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a plain file name"):
        stage(tmp_path, {**ONE, "license_file": "../x"})
    with pytest.raises(MissingError, match="license is empty"):
        stage(tmp_path, ONE, b"")
    assert not (tmp_path / "containers").exists()


FREE = release(Image(b"free"), license=None)
FOLDERS = ["dt-studio/state/db", "dt/shared"]


def chowns(monkeypatch: pytest.MonkeyPatch, root: Path) -> list[tuple[str, int]]:
    """Every change of an owner from here on."""
    seen: list[tuple[str, int]] = []
    monkeypatch.setattr(os, "chown", lambda path, uid, _gid, **_how: seen.append((os.path.relpath(path, root), uid)))
    return seen


def test_a_release_without_license(tmp_path: Path) -> None:
    root, where = str(tmp_path), tmp_path / "containers"
    assert releases.stage_reason(root, "dt-studio", FREE, FOLDERS) == f"release {FREE['id']} is not there"
    releases.stage(root, "dt-studio", FREE, None, ME, FOLDERS)
    assert releases.stage_reason(root, "dt-studio", FREE, FOLDERS) is None
    assert sorted(path.name for path in (where / "dt-studio" / "releases" / FREE["id"]).iterdir()) == ["owner.json", "release.json"]
    assert sorted(path.name for path in (where / "dt-studio").iterdir()) == ["releases", "state"], "what writes no usage has no output"
    assert (where / "dt" / "shared").stat().st_mode & 0o7777 == 0o750
    releases.switch(root, "dt-studio", FREE["id"], None)
    assert releases.switch_reason(root, "dt-studio", FREE["id"], None) is None
    (where / "dt" / "shared").rmdir()
    assert releases.stage_reason(root, "dt-studio", FREE, FOLDERS) == "its ../dt/shared folder is not there"


def test_folders_follow_the_images_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, where = str(tmp_path), tmp_path / "containers"
    releases.stage(root, "dt-studio", FREE, None, ME, FOLDERS)
    (where / "dt-studio" / "state" / "db" / "file").write_text("x")
    (where / "dt" / "shared" / "result").write_text("x")
    owner = where / "dt-studio" / "releases" / FREE["id"] / "owner.json"
    owner.write_text('{"uid": 4711, "gid": 4711}')
    moved = chowns(monkeypatch, where)
    releases.switch(root, "dt-studio", FREE["id"], None, (), FOLDERS)
    assert moved == [("dt-studio/state/db/file", 4711), ("dt-studio/state/db", 4711), ("dt/shared/result", 4711), ("dt/shared", 4711)]
    assert (where / "dt" / "shared").stat().st_mode & 0o7777 == 0o777, "the other members' users write there too"
    assert (where / "dt-studio" / "state" / "db").stat().st_mode & 0o7777 == 0o750
    moved.clear()
    releases.switch(root, "dt-studio", FREE["id"], None)
    assert [path for path, _uid in moved] == ["dt-studio/state/db/file", "dt-studio/state/db"], "without being told, those of its own"


@pytest.mark.parametrize("path", ["x", "../x", "a/../b", "a/", "/etc", "a/b/../../..", "A/output"])
def test_folders_that_are_none_of_a_container(tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError):
        releases.stage(str(tmp_path), "sent-en", ONE, b"license", ME, [path])
    assert list(tmp_path.iterdir()) == []


def test_config_files_are_laid_down_before_the_start(tmp_path: Path) -> None:
    root, folder = str(tmp_path), stage(tmp_path, ONE)
    config = [{"source": f"{folder}/config/{number}", "target": "/etc/x", "text": text} for number, text in enumerate(("a $x", "b"))]
    releases.switch(root, "sent-en", ONE["id"], "c", config)
    assert [(folder / "config" / str(number)).read_text() for number in (0, 1)] == ["a $x", "b"]
    assert (folder / "config" / "0").stat().st_mode & 0o7777 == 0o644
    assert releases.switch_reason(root, "sent-en", ONE["id"], "c", config) is None
    assert releases.switch_reason(root, "sent-en", ONE["id"], "c", [{**config[0], "text": "other"}]) == "config/0 changes"


@pytest.mark.parametrize("source", ["/etc/passwd", "config/0", "{folder}/config/../output/x", "{folder}/config/.x", "{folder}/config/a/b"])
def test_config_files_lie_nowhere_else(tmp_path: Path, source: str) -> None:
    folder = stage(tmp_path, ONE)
    with pytest.raises(InputError, match="plan again"):
        releases.switch(str(tmp_path), "sent-en", ONE["id"], None, [{"source": source.format(folder=folder), "text": "x"}])


@pytest.mark.parametrize("harm", ["exchanged", "damaged", "more", "gone"])
def test_a_license_that_was_changed_is_laid_down_anew_in_its_place(tmp_path: Path, harm: str) -> None:
    folder = stage(tmp_path, ONE) / "releases" / ONE["id"] / "license"
    inode, path = folder.stat().st_ino, folder / "license.dat"
    assert (folder.parent / "license.sha256").stat().st_mode & 0o7777 == 0o600
    path.unlink()
    if harm != "gone":
        path.write_bytes({"exchanged": b"another", "damaged": b"licensf", "more": b"license and more"}[harm])
    (folder / "another.dat").write_bytes(b"another")
    assert deployed.containers(str(tmp_path))["sent-en"]["releases"][ONE["id"]]["complete"] is False
    assert releases.stage_reason(str(tmp_path), "sent-en", ONE)
    stage(tmp_path, ONE)
    assert releases.stage_reason(str(tmp_path), "sent-en", ONE) is None
    assert {item.name: item.read_bytes() for item in folder.iterdir()} == {"license.dat": b"license"}
    assert folder.stat().st_ino == inode, "a running container has this folder mounted"


def test_a_release_that_an_earlier_version_staged_is_whole(tmp_path: Path) -> None:
    (stage(tmp_path, ONE) / "releases" / ONE["id"] / "license.sha256").unlink()
    assert releases.stage_reason(str(tmp_path), "sent-en", ONE) is None
