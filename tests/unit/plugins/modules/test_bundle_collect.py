# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import bundle_collect, bundle_import
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit


@pytest.fixture
def media(tmp_path: Path) -> list[Path]:
    keys = kit.make_keys(tmp_path / "keys")
    return media_kit.parts(media_kit.bundle(tmp_path, keys), tmp_path / "media", keys)


@pytest.fixture
def options(tmp_path: Path) -> dict:
    return {"dest": str(tmp_path / "inbox"), "site": kit.SITE, "allowed_signers": str(tmp_path / "keys" / "signers")}


def test_media_one_after_the_other_then_the_import(media: list[Path], options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    progress = tmp_path / "progress.json"
    first = kit.run_module(bundle_collect, capsys, paths=[str(media[2])], progress_file=str(progress), **options)
    assert first["changed"] and "failed" not in first and first["bundles"][0]["missing"] == [1, 2] and "parts 1 and 2 still to come" in first["lines"][0]
    assert json.loads(progress.read_text())["label"] == "collect, plant-7-1, part 3"
    assert not kit.run_module(bundle_collect, capsys, paths=[str(media[2])], **options)["changed"]
    checked = kit.run_module(bundle_collect, capsys, check=True, paths=[str(media[0])], **options)
    assert checked["changed"] and checked["bundles"][0]["here"] == [3]
    rest = kit.run_module(bundle_collect, capsys, paths=[str(media[0]), str(media[1])], **options)
    assert rest["bundles"][0]["complete"] and rest["changed"]
    again = kit.run_module(bundle_collect, capsys, paths=[str(tmp_path / "media")], **options)
    assert not again["changed"] and again["copied"] == 0 and "all 3 parts are here" in again["msg"]
    taken = kit.run_module(
        bundle_import, capsys, path=rest["bundles"][0]["path"], store=str(tmp_path / "site"), site=kit.SITE, allowed_signers=options["allowed_signers"]
    )
    assert taken["changed"] and taken["sequence"] == 1


def test_damage_fails_after_all_else_was_taken_in(media: list[Path], options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    media_kit.damage(media_kit.chunk(media[0]))
    (media[1] / "Thumbs.db").write_text("x")
    result = kit.run_module(bundle_collect, capsys, paths=[str(tmp_path / "media")], **options)
    assert result["failed"] and result["remake"] == {"plant-7-1": [1]} and result["bundles"][0]["here"] == [2, 3]
    assert "have part 1 made again: on the builder" in result["msg"] and result["foreign"] == [str(media[1] / "Thumbs.db")]
    assert any(line.startswith("not ours and left alone: ") for line in result["lines"]) and "\n" not in result["msg"]


def test_older_and_absent_media(media: list[Path], options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    passed = kit.run_module(bundle_collect, capsys, paths=[str(media[0])], sequence_from=2, **options)
    assert not passed["changed"] and passed["bundles"] == [] and passed["msg"] == "nothing newer was found"
    result = kit.run_module(bundle_collect, capsys, paths=[str(tmp_path / "nothing")], **options)
    assert result["failed"] and "no such folder" in result["msg"]


def test_expiry_is_judged_no_earlier_than_at_the_bundle_accepted_last(
    media: list[Path], options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kit.expire(options["allowed_signers"], "20980101")
    stores = {year: kit.accepted(tmp_path / year, f"{year}-06-01T00:00:00Z") for year in ("2097", "2098")}
    refused = kit.run_module(bundle_collect, capsys, paths=[str(media[0])], store=stores["2098"], **options)
    assert refused["failed"] and "key has expired" in refused["msg"] and refused["copied"] == 0
    assert kit.run_module(bundle_collect, capsys, paths=[str(media[0])], store=stores["2097"], **options)["copied"]


def test_parts_of_what_was_accepted_before_stop_nothing(media: list[Path], options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store = kit.accepted(tmp_path / "site", "", (media[0] / "bundle.json").read_bytes())
    (media[1] / "bundle.json").write_text("{}")
    Path(options["allowed_signers"]).write_text("")
    result = kit.run_module(bundle_collect, capsys, paths=[str(tmp_path / "media")], store=store, **options)
    assert result["passed"] == [str(media[0]), str(media[2])] and result["copied"] == 0
    assert [problem.split(":")[0] for problem in result["problems"]] == [f"part {media[1]}"] and "accepted before" in " ".join(result["lines"])


def test_several_signatures_may_be_required(media: list[Path], options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    result = kit.run_module(bundle_collect, capsys, paths=[str(media[0])], signatures_required=2, **options)
    assert result["failed"] and "1 of the 2 signatures required" in result["msg"] and result["copied"] == 0
