# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One value behind JSON, CSV, metrics and page."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import report
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.report_kit import build as build_report
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.report_kit import fill, release

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


def test_usage_by_month_by_service_and_by_site_add_up(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "ledger.db"))
    fill(database, "plant-7")
    fill(database, "plant-8", ("stt-en",))
    found = build_report(database)
    expected: dict[str, int] = {}
    for row in found["rows"]:
        expected[row["month"]] = expected.get(row["month"], 0) + int(row["units"][0])
    for table in ("meters", "by_site"):
        sums: dict[str, int] = {}
        for row in found[table]:
            sums[row["month"]] = sums.get(row["month"], 0) + int(row["units"][0])
        assert sums == expected, table
    (service,) = found["services"]
    assert {row["month"]: int(row["units"][0]) for row in service["months"]} == {month: units for month, units in expected.items() if month != "all"}
    assert int(service["total"][0]) == expected["all"] == sum(int(row["units"][0]) for row in found["totals"])


def test_the_calendar_tells_five_things_apart(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "ledger.db"))
    first = {"2025-12": {"M": 1}, "2026-01": None, "2026-02": "no_answer", "2026-03": {"M": 1}, "all": {"M": 2}}
    append(database, document("1", first), document("2", {**first, "2026-02": "bad_answer"}, "2026-03-11T00:00:00Z"))
    append(database, document("3", {"2026-04": None, "2026-05": "no_answer", "all": "no_answer"}, "2026-04-02T00:00:00Z"))
    (row,) = build_report(database, commitments=[])["coverage"]
    assert row["months"] == {
        "2025-12": "closed",
        "2026-01": "closed_none",
        "2026-02": "bad_answer",
        "2026-03": "read",
        "2026-04": "no_usage",
        "2026-05": "no_answer",
    }
    assert set(row["months"].values()) < set(report.STATES)


def test_a_month_is_closed_when_it_is_for_every_container(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "ledger.db"))
    fill(database)
    (service,) = build_report(database)["services"]
    assert [row["month"] for row in service["months"] if not row["closed"]] == ["2026-11"]
    (row,) = build_report(database)["commitments"]
    assert row["forecast"]["months"] == 6


def test_doubt_reaches_the_burn_down(tmp_path: Path) -> None:
    build(tmp_path, {"2026-01": {"Speech.A": 50}})
    database = Database(str(tmp_path / "ledger.db"))
    append(database, document("2", {"2026-01": {"Speech.A": 10}}))
    with database.read() as connection:
        (row,) = report.build(connection, commitments=[PLAN])["commitments"]
    assert (row["used"], row["left"]) == (["50", "60"], ["60", "70"])


def test_every_finding_says_how_bad_and_the_worst_comes_first(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "ledger.db"))
    fill(database)
    found = build_report(database, releases=[release(3), release(None, "x"), release(-5, "y")])["findings"]
    assert [finding["level"] for finding in found] == sorted((finding["level"] for finding in found), key=("bad", "warn", "note").index)
    assert {"license_ended", "license_ends", "license_unknown", "unanswered", "plan_ends"} <= {finding["kind"] for finding in found}
    assert all(finding["text"] for finding in found)


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
    rows = report.bound(deployed, releases)
    assert [(row["image"], row["license_ends"]) for row in rows] == [("sha256:aa", "2026-03-10"), ("sha256:bb", None), (None, None)]
    held = [report._license(row, datetime.date(2026, 3, 1)) for row in rows]
    assert [row["license_days"] for row in held] == [9, None, None]


def test_a_license_end_that_is_no_day_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="soon"):
        build(tmp_path, {"all": {"M": 5}}, releases=[{"host": "h", "container": "c", "license_ends": "soon"}])
