# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import outbox
from ansible_collections.airgap.azure_ai.plugins.modules import wants_info
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


@pytest.fixture
def options(tmp_path: Path) -> dict:
    keys = kit.make_keys(tmp_path / "keys")
    outbox.write(str(tmp_path), "wants.json", outbox.wants(kit.SITE, {"containers": kit.selectors("1.0")}), "azure-ai-wants", keys.site)
    return {"path": str(tmp_path / "wants.json"), "allowed_signers": keys.signers}


def test_verified_wants_are_returned(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    result = kit.run_module(wants_info, capsys, **options)
    assert result["wants"]["containers"] == kit.selectors("1.0") and result["signer"] == "site@plant-7" and not result["changed"]


def test_altered_wants_fail_without_being_told(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    Path(options["path"]).write_text("{}")
    result = kit.run_module(wants_info, capsys, **options)
    assert result["failed"] and "does not verify" in result["msg"] and "wants" not in {*result} - {"msg"}


def test_no_file_is_one_line(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in kit.run_module(wants_info, capsys, **{**options, "path": "/nowhere/wants.json"})["msg"]


def test_a_folder_gives_the_good_ones_and_tells_the_others(options: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "other"
    bad.mkdir()
    (bad / "wants.json").write_text("{}")
    result = kit.run_module(wants_info, capsys, **{**options, "path": str(tmp_path)})
    assert [entry["wants"]["site"] for entry in result["found"]] == [kit.SITE] and "not signed" in result["problems"][0]
    assert "wants" not in result
