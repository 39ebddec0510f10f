# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's result, and that reading is all it does."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.plugins.modules import ledger_info
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document


@pytest.fixture
def params(tmp_path: Path) -> dict[str, t.Any]:
    return {"url": str(tmp_path / "ledger.db"), "site": None, "by": ["meter"], "verify": True, "anchors": []}


def test_everything_documented_is_returned(params: dict[str, t.Any]) -> None:
    append(Database(params["url"]), document("1", {"all": {"M": 5}, "2026-01": "no_answer"}))
    found = ledger_info.look(params)
    assert set(found) == set(yaml.safe_load(ledger_info.RETURN))
    assert found["totals"] == [{"meter": "M", "quantity": ["5", "5"], "units": ["5", "5"]}]
    assert (found["verified"], found["problems"], found["findings"]) == (True, [], [])
    assert found["coverage"][0]["months"] == {"2026-01": "no_answer"}
    assert ledger_info.look({**params, "verify": False})["verified"] is None


def test_an_anchor_that_does_not_hold(params: dict[str, t.Any]) -> None:
    append(Database(params["url"]), document("1", {"all": {"M": 5}}))
    good = {"site": "plant-7", "table": "looks", **ledger_info.look(params)["heads"]["plant-7"]["looks"]}
    assert ledger_info.look({**params, "anchors": [good]})["verified"] is True
    assert ledger_info.look({**params, "anchors": [{**good, "seq": 2}]})["verified"] is False


def test_no_ledger_is_named_and_none_is_made(params: dict[str, t.Any]) -> None:
    with pytest.raises(MissingError, match="harvest first"):
        ledger_info.look(params)
    assert not Path(params["url"]).exists()
