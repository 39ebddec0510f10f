# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's result, and that reading is all it does."""

from __future__ import annotations

import sqlite3
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import adjustment, ledger
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.plugins.modules import ledger_info
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.report_kit import imported


@pytest.fixture
def params(tmp_path: Path) -> dict[str, t.Any]:
    return {"url": str(tmp_path / "ledger.db"), "site": None, "by": ["meter"], "verify": True, "anchors": []}


class Keys(t.NamedTuple):
    """A signing key, its principal and the signers file that knows it."""

    key: str
    author: str
    signers: str


def make_keys(folder: Path) -> Keys:
    folder.mkdir()
    key = folder / "site"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
    signers = folder / "signers"
    signers.write_text(f'site@plant-7 namespaces="{adjustment.NAMESPACE}" {(folder / "site.pub").read_text()}')
    return Keys(str(key), "site@plant-7", str(signers))


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


@pytest.mark.parametrize("seq", [0, -1, 2**63, 10**19, -(10**19)])
def test_an_anchor_that_no_row_can_have_is_named(params: dict[str, t.Any], seq: int) -> None:
    append(Database(params["url"]), document("1", {"all": {"M": 5}}))
    anchor = {"site": "plant-7", "table": "looks", "seq": seq, "hash": "0" * 64}
    with pytest.raises(InputError, match=f"anchor of row {seq}: not the number of a row"):
        ledger_info.look({**params, "anchors": [anchor]})
    assert ledger_info.look({**params, "anchors": [{**anchor, "seq": 2**63 - 1}]})["verified"] is False


def test_months_are_final_or_provisional_and_expected_ones_are_looked_up(params: dict[str, t.Any]) -> None:
    for harvest in "12":
        append(Database(params["url"]), document(harvest, {"2026-01": {"M": 5}, "2026-03": {"M": 1}, "all": {"M": 6}}))
    expected = [{"site": None, "host": host, "container": "stt", "months": ["2026-01"]} for host in ("h1", "h2")]
    found = ledger_info.look({**params, "by": ["month"], "site": "plant-7", "expected": expected})
    assert {row["month"]: row["state"] for row in found["totals"]} == {"2026-01": "final", "2026-03": "provisional", "all": "provisional"}
    assert [row["state"] for row in found["expected"]] == ["read", "never asked"]


def test_as_of(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for day in (1, 2):
        monkeypatch.setattr(ledger_info.months, "now", lambda day=day: f"2026-04-0{day}T00:00:00Z")
        append(Database(params["url"]), document(str(day), {"all": {"M": day}}))
    monkeypatch.setattr(ledger_info.months, "now", lambda: "2026-04-02T00:01:00Z")
    found = [ledger_info.look({**params, "as_of": f"2026-04-0{day}T00:00:00Z"})["totals"][0]["units"] for day in (1, 2)]
    assert found == [["1", "1"], ["2", "2"]]
    for wrong, words in (
        ("2026-04-03T00:00:00Z", "still to come"),
        ("2026-04-02T00:01:00Z", "less than 60 seconds ago"),
        ("2026-04-02T00:00:01Z", "less than 60 seconds ago; rows of that time may still arrive"),
        ("yesterday", "not a time"),
    ):
        with pytest.raises(InputError, match=words):
            ledger_info.look({**params, "as_of": wrong})
    assert ledger_info.look(params)["totals"][0]["units"] == ["2", "2"]


def test_an_append_that_is_stamped_and_not_yet_committed_changes_no_answer_that_was_given(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    append(Database(params["url"]), document("1", {"all": {"M": 1}}))
    moment = "2999-04-01T00:00:10Z"
    monkeypatch.setattr(ledger_info.months, "now", lambda: moment)
    asked = {**params, "as_of": moment}
    with Database(params["url"]).write() as connection:
        appender = ledger.Appender(connection, "plant-7")
        appender.add(document("2", {"all": {"M": 2}}))
        appender.finish()  # stamped; others do not see it yet, and would be told the total without it
        with pytest.raises(InputError, match="less than 60 seconds ago"):
            ledger_info.look(asked)
    monkeypatch.setattr(ledger_info.months, "now", lambda: "2999-04-01T00:01:10Z")
    assert ledger_info.look(asked)["totals"][0]["units"] == ["2", "2"]


def test_sites_that_state_sums_only_are_named(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    append(Database(params["url"]), document("1", {"all": {"M": 1}}))
    assert ledger_info.look(params)["stated_sites"] == []
    for site, number, detail in (("depot", 1, "host"), ("depot", 2, "site"), ("yard", 1, "site"), ("yard", 2, "host")):
        imported(Database(params["url"]), site, detail, "2026-11-20T00:00:00Z", None, number=number)
    told = {"site": "depot", "number": 2, "imported_at": "2026-11-23T01:00:00Z"}
    assert ledger_info.look(params)["stated_sites"] == [told]
    assert ledger_info.look({**params, "site": "yard"})["stated_sites"] == []
    monkeypatch.setattr(ledger_info.months, "now", lambda: "2026-12-01T00:00:00Z")
    assert ledger_info.look({**params, "as_of": "2026-11-23T01:00:00Z"})["stated_sites"] == [told]
    assert ledger_info.look({**params, "as_of": "2026-11-23T00:00:00Z"})["stated_sites"] == []


def test_adjustments_stand_apart_and_are_verified(params: dict[str, t.Any], tmp_path: Path) -> None:
    append(Database(params["url"]), document("1", {"all": {"M": 5}}))
    keys = make_keys(tmp_path / "keys")
    said = {"site": "plant-7", "host": "h1", "container": "stt", "service": "speech_to_text", "resource": "r0", "meter": "M", "month": "all"}
    row = adjustment.entry({**said, "quantity": "-2", "billed_unit": None, "kind": "test_traffic", "reason": "a load test"})
    signed = adjustment.signed(row, keys.author, "2026-03-10T00:00:00Z", keys.key, Trust(keys.signers))
    with Database(params["url"]).write() as connection:
        adjustment.append(connection, signed)
    found = ledger_info.look({**params, "allowed_signers": keys.signers})
    assert found["totals"] == [{"meter": "M", "quantity": ["5", "5"], "units": ["5", "5"]}]
    assert found["adjusted"] == [{"meter": "M", "quantity": ["3", "3"], "units": ["3", "3"], "adjustment": "-2", "adjustment_units": "-2"}]
    assert (found["adjustments"][0]["problem"], found["verified"]) == (None, True)
    assert "signature" not in found["adjustments"][0]
    other = make_keys(tmp_path / "other")
    refused = ledger_info.look({**params, "allowed_signers": other.signers})
    assert refused["verified"] is False
    assert "adjustments row 1" in refused["problems"][0]


def test_a_trigger_that_is_gone_is_a_problem(params: dict[str, t.Any]) -> None:
    append(Database(params["url"]), document("1", {"all": {"M": 5}}))
    with sqlite3.connect(params["url"]) as connection:
        connection.execute("DROP TRIGGER looks_no_delete")
    connection.close()
    assert ledger_info.look(params)["problems"] == ["trigger looks_no_delete: missing, switched off or altered"]


def test_no_ledger_is_named_and_none_is_made(params: dict[str, t.Any]) -> None:
    with pytest.raises(MissingError, match="harvest first"):
        ledger_info.look(params)
    assert not Path(params["url"]).exists()
