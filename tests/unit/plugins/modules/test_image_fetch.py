# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import image_fetch
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kit.FolderRegistry:
    found = kit.FolderRegistry(tmp_path / "registry")
    found.push("1.0", kit.make_image("base", "one"))
    found.push("2.0", kit.make_image("base", "two"))
    monkeypatch.setenv("PATH", f"{found.program.parent}:{os.environ['PATH']}")
    return found


@pytest.fixture
def options(tmp_path: Path) -> dict:
    images = [{"service": "speech_to_text", "repository": kit.REPOSITORY, "tag": tag} for tag in ("1.0", "2.0", "1.0")]
    return {"store": str(tmp_path / "store"), "registry": "registry.example", "images": images}


def test_check_do_do(options: dict, remote: kit.FolderRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    planned = kit.run_module(image_fetch, capsys, check=True, **options)
    assert planned["changed"] and "would fetch" in planned["msg"] and not os.path.exists(options["store"])
    done = kit.run_module(image_fetch, capsys, **options)
    assert done["changed"] and done["fetched_bytes"] == planned["fetched_bytes"] == sum(map(len, kit.blobs(options["store"]).values()))
    assert [image["tag"] for image in done["images"]] == ["1.0", "2.0"] and done["diff"] == planned["diff"]
    again = kit.run_module(image_fetch, capsys, **options)
    assert not again["changed"] and again["fetched_bytes"] == 0 and again["images"] == done["images"]
    assert len(remote.fetched()) == 3


def test_nothing_is_fetched_when_one_image_cannot_be_had(options: dict, remote: kit.FolderRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    options["images"].append({**options["images"][0], "tag": "unknown"})
    result = kit.run_module(image_fetch, capsys, **options)
    assert result["failed"] and "no such tag" in result["msg"] and "\n" not in result["msg"]
    assert remote.fetched() == []


def test_a_moved_tag_needs_a_word(options: dict, remote: kit.FolderRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run_module(image_fetch, capsys, **options)
    moved = kit.make_image("base", "moved")
    remote.push("1.0", moved)
    assert "has moved from" in kit.run_module(image_fetch, capsys, **options)["msg"]
    done = kit.run_module(image_fetch, capsys, **options, accept_moved=True)
    assert done["changed"] and done["images"][0]["manifest"] == kit.sha(moved.manifest)


def test_a_moved_tag_may_stay_with_what_it_is_locked_to(options: dict, remote: kit.FolderRegistry, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options["lock"] = str(tmp_path / "images.lock.json")
    done = kit.run_module(image_fetch, capsys, **options)
    remote.push("1.0", kit.make_image("base", "moved"))
    assert "keep_locked" in kit.run_module(image_fetch, capsys, **options)["msg"]
    assert "say the opposite" in kit.run_module(image_fetch, capsys, **options, accept_moved=True, keep_locked=True)["msg"]
    remote.fail("no such host")
    again = kit.run_module(image_fetch, capsys, **options, keep_locked=True)
    assert not again["changed"] and again["images"] == done["images"] and len(again["notes"]) == 2
    remote.fail("")
    other = kit.run_module(image_fetch, capsys, **{**options, "store": str(tmp_path / "other")}, keep_locked=True)
    assert other["changed"] and [image["manifest"] for image in other["images"]] == [image["manifest"] for image in done["images"]]


def test_the_lock_is_written_and_obeyed_by_another_builder(
    options: dict, remote: kit.FolderRegistry, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lock = str(tmp_path / "images.lock.json")
    kit.run_module(image_fetch, capsys, check=True, **options, lock=lock)
    assert not os.path.exists(lock)
    done = kit.run_module(image_fetch, capsys, **options, lock=lock)
    locked = json.loads(Path(lock).read_text())["images"]
    assert locked == {f"{kit.REPOSITORY}:{image['tag']}": image["manifest"] for image in done["images"]}
    assert not kit.run_module(image_fetch, capsys, **options, lock=lock)["changed"]
    moved = kit.make_image("base", "moved")
    remote.push("1.0", moved)
    other = {**options, "store": str(tmp_path / "other"), "lock": lock}
    refused = kit.run_module(image_fetch, capsys, **other)
    assert refused["failed"] and "has moved from" in refused["msg"] and "accept_moved" in refused["msg"]
    kit.run_module(image_fetch, capsys, **other, accept_moved=True)
    assert json.loads(Path(lock).read_text())["images"][f"{kit.REPOSITORY}:1.0"] == kit.sha(moved.manifest)


def test_a_lock_that_is_to_be_written_is_a_change_and_told(
    options: dict, remote: kit.FolderRegistry, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lock = tmp_path / "images.lock.json"
    kit.run_module(image_fetch, capsys, **options)
    for lacking in (("1.0", "2.0"), ("2.0",)):  # a new lock, and one that lacks a tag
        planned = kit.run_module(image_fetch, capsys, check=True, **options, lock=str(lock))
        before = lock.read_text() if lock.exists() else ""
        assert planned["changed"] and "would lock" in planned["msg"] and (lock.read_text() if lock.exists() else "") == before
        done = kit.run_module(image_fetch, capsys, **options, lock=str(lock))
        assert done["changed"] and done["msg"] == planned["msg"].replace("would lock", "locked") and done["diff"] == planned["diff"]
        assert [f"lock {kit.REPOSITORY}:{tag} " in done["diff"]["after"] for tag in ("1.0", "2.0")] == [tag in lacking for tag in ("1.0", "2.0")]
        again = kit.run_module(image_fetch, capsys, **options, lock=str(lock))
        assert not again["changed"] and "lock" not in again["msg"] + again["diff"]["after"]
        value = json.loads(lock.read_text())
        del value["images"][f"{kit.REPOSITORY}:2.0"]
        lock.write_text(json.dumps(value))


def test_images_that_came_before_one_failed_are_locked(options: dict, remote: kit.FolderRegistry, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (remote.folder / kit.sha(next(reversed(kit.make_image("base", "two").layers.values())))).unlink()
    lock = tmp_path / "images.lock.json"
    assert kit.run_module(image_fetch, capsys, **options, lock=str(lock), retries=0)["failed"]
    assert list(json.loads(lock.read_text())["images"]) == [f"{kit.REPOSITORY}:1.0"]


def test_check_tells_bytes_and_newer_tags(options: dict, remote: kit.FolderRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    for tag in ("1.1", "1.10", "2.0-preview", "latest"):
        remote.push(tag, kit.make_image("base", tag))
    planned = kit.run_module(image_fetch, capsys, check=True, **options, newer=True)
    assert planned["fetched_bytes"] > 0
    assert planned["newer"] == [{"service": "speech_to_text", "tag": "1.0", "newer": ["2.0", "1.10", "1.1"]}]
    assert "newer" not in kit.run_module(image_fetch, capsys, check=True, **options)


def test_an_image_for_another_processor_is_refused_in_words(options: dict, remote: kit.FolderRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    remote.push("1.0", kit.make_image("base", "one", architecture="arm64"))
    assert "made for linux/arm64, not for linux/amd64" in kit.run_module(image_fetch, capsys, **options)["msg"]
    remote.push("1.0", kit.make_index(arm64=kit.make_image("base", "one", architecture="arm64")))
    assert "only linux/arm64" in kit.run_module(image_fetch, capsys, **options)["msg"]
