# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import sbom
from ansible_collections.airgap.azure_ai.plugins.modules import bundle_sbom
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return kit.build(kit.fill(tmp_path / "store"), tmp_path / "bundles", kit.make_keys(tmp_path / "keys"))


def test_check_do_do(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beside = built.parent / f"{built.name}.cdx.json"
    planned = kit.run_module(bundle_sbom, capsys, check=True, path=str(built))
    assert planned["changed"] and not beside.exists()
    done = kit.run_module(bundle_sbom, capsys, path=str(built))
    assert done["changed"] and done["path"] == str(beside) and done["components"] == len(json.loads(beside.read_bytes())["components"])
    assert not kit.run_module(bundle_sbom, capsys, path=str(built))["changed"]


def test_what_is_no_bundle_is_refused(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no control.json" in kit.run_module(bundle_sbom, capsys, path=str(built), kit=str(built))["msg"]
    (built / "bundle.json").unlink()
    (built / "bundle.json").write_text('{"kind": "airgap.azure_ai/bundle"}')
    assert "not a manifest" in kit.run_module(bundle_sbom, capsys, path=str(built))["msg"]


def test_a_missing_library_is_named(built: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sbom, "HAS_CYCLONEDX", False)
    assert "cyclonedx-python-lib" in kit.run_module(bundle_sbom, capsys, path=str(built))["msg"]
