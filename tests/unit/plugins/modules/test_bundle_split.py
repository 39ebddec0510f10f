# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import bundle_split
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit, tool_kit


@pytest.fixture
def options(tmp_path: Path) -> dict:
    keys = kit.make_keys(tmp_path / "keys")
    made = media_kit.bundle(tmp_path, keys)
    return {"path": str(made), "part_size": "4MB", "signing_key": keys.builder}


def test_check_mode_tells_count_sizes_and_labels(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    result = kit.run_module(bundle_split, capsys, check=True, **options)
    assert result["changed"] and result["made"] == [1, 2, 3] and "would make parts 1, 2 and 3 of 3" in result["msg"]
    assert [part["number"] for part in result["parts"]] == [1, 2, 3] and all(part["bytes"] > 10**6 for part in result["parts"])
    assert "Part 3 of 3" in result["parts"][2]["label"] and sorted(path.name for path in Path(options["path"]).parent.iterdir() if path.is_dir()) == [
        "plant-7-1"
    ]


def test_parts_lie_beside_the_bundle_and_a_second_run_changes_nothing(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    progress = tmp_path / "progress" / "split.json"
    result = kit.run_module(bundle_split, capsys, **options, progress_file=str(progress))
    assert result["changed"] and all(Path(part["path"]).is_dir() and Path(part["path"]).parent == Path(options["path"]).parent for part in result["parts"])
    state = json.loads(progress.read_text())
    assert state["finished"] and state["label"] == "split plant-7-1, part 3 of 3" and state["done"] == state["total"]
    again = kit.run_module(bundle_split, capsys, **options)
    assert not again["changed"] and again["made"] == [] and "its 3 parts are there" in again["msg"] and len(again["lines"]) == 3


def test_one_part_is_made_again(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    result = kit.run_module(bundle_split, capsys, **options)
    folder = Path(result["parts"][1]["path"])
    before = media_kit.tree(folder)
    assert not kit.run_module(bundle_split, capsys, **options, only=[2])["changed"]
    piece = media_kit.chunk(folder)
    data = piece.read_bytes()
    piece.unlink()
    piece.write_bytes(b"x" * len(data))
    assert not kit.run_module(bundle_split, capsys, **options)["changed"], "only names and sizes are looked at"
    again = kit.run_module(bundle_split, capsys, **options, only=[2])
    assert again["made"] == [2] and media_kit.tree(folder) == before
    assert "there are 3 of this size" in kit.run_module(bundle_split, capsys, **options, only=[7])["msg"]


def test_another_size_names_the_parts_of_before(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    dest = {"dest": str(tmp_path / "media"), "classification": "FOR THE PLANT"}
    kit.run_module(bundle_split, capsys, **options, **dest)
    other = kit.run_module(bundle_split, capsys, **{**options, "part_size": "dvd"}, **dest)
    assert len(other["stale"]) == 3 and "split another way before" in other["msg"] and other["parts"][0]["label"].startswith("FOR THE PLANT\n")


def test_bad_options_are_said_in_one_line(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value, says in (("part_size", "floppy", "not a size"), ("part_size", "1MB", "take"), ("path", "/nothing", "no such folder")):
        result = kit.run_module(bundle_split, capsys, **{**options, name: value})
        assert result["failed"] and says in result["msg"] and "\n" not in result["msg"]


def test_the_label_of_the_first_part_has_the_line_that_installs_the_control_kit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = kit.make_keys(tmp_path / "keys")
    made = media_kit.bundle(tmp_path, keys, tool_kit.build(tmp_path / "kits", keys))
    options = {"path": str(made), "part_size": "4MB", "signing_key": keys.builder, "allowed_signers": keys.signers}
    labels = [part["label"] for part in kit.run_module(bundle_split, capsys, check=True, **options)["parts"]]
    assert ["-I builder@hq -n azure-ai-control" in label for label in labels] == [True, False, False]
    assert not any("azure-ai-control" in part["label"] for part in kit.run_module(bundle_split, capsys, check=True, **options, control_kit=False)["parts"])
