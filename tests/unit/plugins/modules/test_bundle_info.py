# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import bundle_info
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


@pytest.fixture
def options(tmp_path: Path) -> dict:
    keys = kit.make_keys(tmp_path / "keys")
    folder = kit.build(kit.fill(tmp_path / "store"), tmp_path / "bundles", keys)
    kit.detach(folder)
    return {"path": str(folder), "allowed_signers": keys.signers}


def test_a_good_bundle_is_described(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    result = kit.run_module(bundle_info, capsys, **options)
    assert result["valid"] and result["problems"] == [] and not result["changed"]
    assert result["bundle"]["signer"] == "builder@hq" and result["bundle"]["images"] == ["speech_to_text:1.0", "speech_to_text:2.0"]


def test_a_bad_bundle_is_no_failure_of_the_module(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted((Path(options["path"]) / "blobs" / "sha256").iterdir())
    paths[0].write_bytes(bytes(byte ^ 1 for byte in paths[0].read_bytes()))
    paths[1].unlink()
    result = kit.run_module(bundle_info, capsys, **options)
    assert "failed" not in result and not result["valid"] and len(result["problems"]) == 2 and result["bundle"]["site"] == kit.SITE
    result = kit.run_module(bundle_info, capsys, **options, verify="signature")
    assert len(result["problems"]) == 1


def test_nothing_is_told_of_a_bundle_without_trust(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    Path(options["path"], "bundle.json.sig").unlink()
    result = kit.run_module(bundle_info, capsys, **options)
    assert not result["valid"] and result["bundle"] == {} and "not signed" in result["problems"][0]


def test_no_bundle_is_a_failure(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = kit.run_module(bundle_info, capsys, **{**options, "path": str(tmp_path / "nothing")})
    assert result["failed"] and "no such folder" in result["msg"]
