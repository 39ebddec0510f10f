# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What headquarters knows of its sites, and which is worst off."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import metrics, sheet
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import tables
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Headquarters, Keys, Site
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.report_kit import METER, adjusted, build, fill, imported


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(str(tmp_path / "ledger.db"))


def test_the_worst_site_comes_first(database: Database) -> None:
    fill(database, "calm", ("stt-en",))
    fill(database, "silent")
    fill(database, "late", ("stt-en",))
    imported(database, "calm", "host", "2026-11-22T00:00:00Z", "2027-06-01")
    imported(database, "silent", "host", "2026-11-22T00:00:00Z", "2027-06-01")
    imported(database, "late", "host", "2026-09-01T00:00:00Z", "2026-11-01")
    rows = build(database)["fleet"]
    assert [(row["site"], row["level"]) for row in rows] == [("late", "bad"), ("silent", "warn"), ("calm", "good")]
    assert (rows[0]["days_since"], rows[0]["license_days"], rows[0]["collection"]) == (83, -22, "1.0.0")
    assert (rows[1]["silent"], rows[1]["containers"]) == (1, 2)


def test_a_site_that_keeps_its_names_is_counted_by_its_statements(database: Database) -> None:
    imported(database, "depot", "site", "2026-11-20T00:00:00Z", None)
    imported(database, "depot", "site", "2026-11-22T00:00:00Z", "2026-12-01", number=2)
    found = build(database)
    (row,) = found["commitments"]
    assert row["used"] == ["9020", "9520"], "the newer export says it again, better"
    assert row["forecast"]["months"] == 6
    (site,) = found["fleet"]
    assert (site["containers"], site["license_days"], site["detail"], site["heard_of"]) == (7, 8, "site", "2026-11-22T00:00:00Z")
    assert "Told by the site, 2 times." in [finding["text"] for finding in found["findings"]]
    assert found["sites"] == ["depot"]


MINE = {"resource": "r0", "meters": ["*"], "units": "1000", "start": "2026-01-01", "end": "2026-12-31"}


def numbers(database: Database) -> dict[str, t.Any]:
    """What site and headquarters must agree on; not the forecast, as a month that a statement tells is closed when it is over."""
    found = build(database, commitments=[MINE])
    samples = [line for line in metrics.textfile(found).decode().splitlines() if line.startswith(("azure_ai_adjusted", "azure_ai_commitment"))]
    samples = [line for line in samples if "_forecast_" not in line]
    return {
        "commitments": [{name: value for name, value in row.items() if name not in ("months", "forecast")} for row in found["commitments"]],
        "sheet": [line.split(",")[:10] for line in sheet.commitments(found).decode("utf-8-sig").splitlines()],
        "adjusted": found["adjusted"],
        "totals": found["totals"],
        "meters": found["meters"],
        "metrics": samples,
    }


def test_headquarters_says_what_the_site_says_whichever_detail_it_sends(tmp_path: Path) -> None:
    keys = Keys(tmp_path, "site@plant-7", "hq@headquarters")
    site, headquarters = Site(tmp_path / "site", keys), Headquarters(tmp_path / "hq", keys)
    site.harvest(100)
    site.adjust(quantity="-30")
    site.adjust(quantity="7", kind="opening_balance", host="old", container="gone", month="2026-02")
    headquarters.take(site.carry(tmp_path / "a", detail="host"))
    assert numbers(headquarters.database) == numbers(site.database)
    site.harvest(150)
    site.adjust(quantity="-5", reason="another")
    headquarters.take(site.carry(tmp_path / "b", detail="site"))
    own = numbers(site.database)
    assert (own["commitments"][0]["adjusted"], own["commitments"][0]["left"]) == ("-28", ["878", "878"])
    assert numbers(headquarters.database) == own
    told = build(headquarters.database)["adjustments"]
    assert [(row["month"], row["units"], row["kind"], row["author"], row["host"]) for row in told] == [
        ("2026-01", "-35", "told_by_site", "site@plant-7", ""),
        ("2026-02", "7", "told_by_site", "site@plant-7", ""),
    ]


def test_what_an_earlier_export_stated_and_the_newest_does_not_is_gone(database: Database) -> None:
    imported(database, "depot", "site", "2026-11-20T00:00:00Z", None)
    with database.write() as connection:
        other = dict.fromkeys(("quantity_low", "quantity_high", "units_low", "units_high"), "5000")
        row = {"site": "depot", "export_id": "depot-1", "number": 1, "service": "ocr", "resource": "speech-dc0", "meter": "Speech.Moved", "month": "2026-03"}
        connection.execute(tables().statements.insert(), {**row, **other, "adjusted": "40"})
    assert (build(database)["commitments"][0]["used"], build(database)["commitments"][0]["adjusted"]) == (["14010", "14510"], "40")
    imported(database, "depot", "site", "2026-11-22T00:00:00Z", None, number=2)
    assert (build(database)["commitments"][0]["used"], build(database)["commitments"][0]["adjusted"]) == (["9020", "9520"], "0")


def test_rows_and_statements_of_one_site_are_never_added_up(database: Database) -> None:
    fill(database, "plant-7", ("stt-en",))
    imported(database, "plant-7", "host", "2026-11-20T00:00:00Z", None)
    rows = build(database)["commitments"][0]["used"]
    imported(database, "plant-7", "site", "2026-11-21T00:00:00Z", None, number=2)
    assert build(database)["commitments"][0]["used"] == ["9020", "9520"] != rows


def test_licenses_come_from_the_state_of_a_site_that_tells_them(database: Database) -> None:
    fill(database, "plant-7", ("stt-en",))
    imported(database, "plant-7", "host", "2026-11-20T00:00:00Z", "2026-12-03")
    guess = {"site": "plant-7", "host": "h0", "container": "stt-en", "license_days": 5}
    assert [(row["container"], row["license_days"]) for row in build(database, releases=[guess])["licenses"]] == [("stt-en", 10)]


def test_adjustments_stand_apart_from_readings(database: Database) -> None:
    fill(database, "plant-7", ("stt-en",))
    before = build(database)
    adjusted(database)
    found = build(database)
    assert found["rows"] == before["rows"]
    assert [(row["month"], row["units"], row["reason"]) for row in found["adjustments"]] == [("2026-03", "-250", "load test")]
    assert [(row["meter"], row["adjusted"]) for row in found["adjusted"]] == [(METER, "-250")]
    assert int(found["commitments"][0]["left"][0]) - int(before["commitments"][0]["left"][0]) == 250


def test_one_site_alone(database: Database) -> None:
    fill(database, "a", ("stt-en",))
    fill(database, "b", ("stt-en",))
    imported(database, "b", "host", "2026-11-20T00:00:00Z", None)
    found = build(database, site="a")
    assert found["sites"] == ["a"]
    assert {row["site"] for row in (*found["rows"], *found["coverage"], *found["licenses"], *found["fleet"])} == {"a"}
