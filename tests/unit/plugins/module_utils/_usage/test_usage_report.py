# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One value behind JSON, CSV and page."""

from __future__ import annotations

import csv
import datetime
import io
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import report
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document

PLAN = {"resource": "r0", "meters": ["Speech*"], "units": "100", "start": "2026-01-01", "end": "2026-12-31", "added": [{"date": "2026-06-01", "units": "20"}]}


def build(tmp_path: Path, scopes: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    database = Database(str(tmp_path / "ledger.db"))
    append(database, document("1", scopes))
    with database.read() as connection:
        return report.build(connection, **more)


def test_the_report_is_the_same_for_the_same_ledger(tmp_path: Path) -> None:
    first = build(tmp_path, {"all": {"M": 5}, "2026-01": {"M": 5}})
    assert pretty(first) == pretty(build(tmp_path, {"all": {"M": 5}, "2026-01": {"M": 5}}))
    assert first["as_of"] == "2026-03-10T00:00:00Z"
    assert first["chain"]["verified"] is True
    assert first["months"] == ["2026-01"]


def test_burn_down_counts_months_of_the_period_for_its_resource_and_meters(tmp_path: Path) -> None:
    scopes = {"all": {"Speech.A": 500, "Other": 7}, "2025-12": {"Speech.A": 400}, "2026-01": {"Speech.A": 30, "Other": 7}, "2026-02": {"Speech.A": 60}}
    found = build(tmp_path, scopes, commitments=[PLAN])
    (row,) = found["commitments"]
    assert (row["granted"], row["used"], row["left"]) == ("120", ["90", "90"], ["30", "30"])
    assert [(item["kind"], item["meter"]) for item in found["findings"]] == [("no_commitment", "Other")]


def test_doubt_reaches_the_burn_down(tmp_path: Path) -> None:
    build(tmp_path, {"2026-01": {"Speech.A": 50}})
    database = Database(str(tmp_path / "ledger.db"))
    append(database, document("2", {"2026-01": {"Speech.A": 10}}))
    with database.read() as connection:
        (row,) = report.build(connection, commitments=[PLAN])["commitments"]
    assert (row["used"], row["left"]) == (["50", "60"], ["60", "70"])


@pytest.mark.parametrize("change", [{"start": "soon"}, {"end": None}, {"units": "many"}, {"units": "NaN"}, {"units": "-1"}, {"added": [{"units": "x"}]}])
def test_a_wrong_commitment_is_named(tmp_path: Path, change: dict[str, t.Any]) -> None:
    with pytest.raises(InputError, match="commitment"):
        build(tmp_path, {"all": {"M": 5}}, commitments=[{**PLAN, **change}])


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_cell_is_a_formula(tmp_path: Path, name: str) -> None:
    found = build(tmp_path, {"all": {name: 5}})
    (row,) = csv.DictReader(io.StringIO(report.as_csv(found).decode()))
    assert row["meter"] == "'" + name
    assert row["units_low"] == "5"
    assert found["rows"][0]["meter"] == name


def test_licenses(tmp_path: Path) -> None:
    releases = [{"host": "h2", "container": "b", "license_days": None}, {"host": "h1", "container": "a", "tag": "1", "license_days": 3}]
    found = build(tmp_path, {"all": {"M": 5}}, releases=releases)
    assert [(row["host"], row["license_days"], row["tag"]) for row in found["licenses"]] == [("h1", 3, "1"), ("h2", None, "")]


def test_license_days_come_from_the_store_and_are_never_guessed() -> None:
    deployed = [{"host": "h1", "container": name, "service": "s", "release": name} for name in ("declared", "undeclared", "unknown")]
    releases = [
        {"id": "declared", "image": "sha256:aa", "tag": "1", "expires": "2026-03-10"},
        {"id": "undeclared", "image": "sha256:bb", "tag": "2", "expires": None},
    ]
    rows = report.bound(deployed, releases, datetime.date(2026, 3, 1))
    assert [(row["image"], row["license_days"]) for row in rows] == [("sha256:aa", 9), ("sha256:bb", None), (None, None)]
