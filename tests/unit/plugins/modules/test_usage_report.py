# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three files with the same numbers; unchanged ledger, unchanged files."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.plugins.modules import usage_report
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document


@pytest.fixture
def params(tmp_path: Path) -> dict[str, t.Any]:
    append(Database(str(tmp_path / "ledger.db")), document("1", {"all": {"M": 12345}, "2026-01": {"M": 12345}}))
    return {"url": str(tmp_path / "ledger.db"), "dest": str(tmp_path / "report"), "site": None, "releases": [], "commitments": []}


def run(params: dict[str, t.Any], dry: bool = False) -> bool:
    return usage_report.write(params["dest"], usage_report.contents(params)[1], dry)


def test_written_once(params: dict[str, t.Any]) -> None:
    assert run(params, dry=True) is True
    assert not Path(params["dest"]).exists()
    assert run(params) is True
    assert run(params) is False
    assert run(params, dry=True) is False
    append(Database(params["url"]), document("2", {"all": {"M": 12346}}, "2026-03-11T00:00:00Z"))
    assert run(params, dry=True) is True
    assert run(params) is True


def test_the_same_numbers_in_all_files(params: dict[str, t.Any]) -> None:
    run(params)
    folder = Path(params["dest"])
    assert sorted(item.name for item in folder.iterdir()) == ["report.csv", "report.html", "report.json"]
    assert json.loads((folder / "report.json").read_text())["rows"][0]["units"] == ["12345", "12345"]
    assert ",12345,12345" in (folder / "report.csv").read_text()
    assert "12\u202f345" in (folder / "report.html").read_text()


def test_one_damaged_file_is_written_again(params: dict[str, t.Any]) -> None:
    run(params)
    (Path(params["dest"]) / "report.csv").write_text("x")
    assert run(params) is True
    assert run(params) is False
