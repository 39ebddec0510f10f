# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings that need looks as well as readings: each arises when it should, and not otherwise."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, rules, summary
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(str(tmp_path / "ledger.db"))


def found(database: Database) -> dict[str, rules.Finding]:
    with database.read() as connection:
        result = summary.accounts(connection)
    assert all(finding.text and finding.site and "; " in finding.text for finding in result.findings), "every finding says what to do"
    return {finding.kind: finding for finding in result.findings}


def see(database: Database, day: str, scopes: dict[str, t.Any], **more: t.Any) -> None:
    append(database, document(day, scopes, f"2026-{day}T12:00:00Z", **more))


def test_all_time_that_outgrows_its_months(database: Database) -> None:
    see(database, "03-10", {"2026-03": {"M": 5}, "all": {"M": 100}})
    see(database, "03-11", {"2026-03": {"M": 7}, "all": {"M": 110}})
    assert "all_beyond_months" not in found(database), "use may have come between the two questions"
    see(database, "03-12", {"2026-03": {"M": 7}, "all": {"M": 110}})
    finding = found(database)["all_beyond_months"]
    assert (finding.high, finding.container, finding.meter) == ("8", "stt", "M")
    see(database, "03-13", {"2026-03": {"M": 15}, "all": {"M": 110}})
    assert found(database) == {}


def test_use_before_the_first_look_and_between_two_questions_is_no_finding(database: Database) -> None:
    see(database, "03-10", {"2026-03": {"M": 5}, "all": {"M": 106}})
    for day in ("03-11", "03-12"):
        see(database, day, {"2026-03": {"M": 20}, "all": {"M": 120}})
    assert found(database) == {}


def test_a_month_that_nobody_asked_for_proves_nothing(database: Database) -> None:
    see(database, "02-10", {"2026-02": {"M": 5}, "all": {"M": 5}})
    for day in ("04-10", "04-11"):
        see(database, day, {"2026-02": {"M": 5}, "2026-04": {"M": 5}, "all": {"M": 50}})
    assert found(database) == {}
    see(database, "04-12", {"2026-02": {"M": 5}, "2026-03": {"M": 5}, "2026-04": {"M": 5}, "all": {"M": 50}})
    assert found(database)["all_beyond_months"].high == "35"


def test_the_turn_of_a_month_proves_nothing(database: Database) -> None:
    see(database, "03-20", {"2026-03": {"M": 5}, "all": {"M": 5}})
    for day in ("03-30", "03-31"):
        see(database, day, {"2026-03": {"M": 5}, "all": {"M": 9}})
    assert found(database) == {}


def test_a_closed_month_that_changes(database: Database) -> None:
    for day in ("03-10", "03-11"):
        see(database, day, {"2026-02": {"M": 5}, "all": {"M": 9}})
    assert found(database) == {}
    see(database, "03-12", {"2026-02": {"M": 6}, "all": {"M": 10}})
    finding = found(database)["closed_month"]
    assert (finding.month, finding.container) == ("2026-02", "stt")
    assert "2026-03-11" in finding.text and "2026-03-12" in finding.text


def test_a_new_folder_does_not_change_a_closed_month(database: Database) -> None:
    for day in ("03-10", "03-11"):
        see(database, day, {"2026-02": {"M": 5}, "all": {"M": 9}})
    see(database, "03-12", {"2026-02": None, "all": {"M": 1}}, source="s2")
    assert "closed_month" not in found(database)


def test_a_container_that_no_harvest_expects_any_more(database: Database) -> None:
    see(database, "03-01", {"all": {"M": 5}})
    see(database, "03-01", {"all": {"M": 5}}, host="h2", name="tts", source="s2")
    see(database, "03-08", {"all": {"M": 6}})
    assert found(database) == {}
    see(database, "03-09", {"all": {"M": 7}})
    finding = found(database)["vanished"]
    assert (finding.host, finding.container) == ("h2", "tts")
    with database.read() as connection:
        assert rules.total(summary.accounts(connection).parts).low == 12, "its last value is kept"


def test_a_container_that_does_not_answer_has_not_vanished(database: Database) -> None:
    see(database, "03-01", {"all": {"M": 5}}, host="h2", name="tts", source="s2")
    for day in ("03-01", "03-20"):
        see(database, day, {"all": {"M": 5}})
        see(database, day, {"all": "no_answer"}, host="h2", name="tts", source="s2")
    assert found(database) == {}


@pytest.mark.parametrize(("observed", "words"), [("2026-03-10T12:03:00Z", "3 minutes ahead"), ("2026-03-10T11:00:00Z", "60 minutes behind")])
def test_a_clock_that_is_wrong(database: Database, observed: str, words: str) -> None:
    made = document("1", {"all": {"M": 5}}, "2026-03-10T12:00:00Z")
    made["answer"]["readings"][0]["observed_at"] = observed
    append(database, made)
    finding = found(database)["clock"]
    assert words in finding.text and (finding.host, finding.month) == ("h1", "2026-03")


@pytest.mark.parametrize("observed", ["2026-03-10T12:01:00Z", "2026-03-10T11:50:00Z"])
def test_a_slow_harvest_is_no_wrong_clock(database: Database, observed: str) -> None:
    made = document("1", {"all": {"M": 5}}, "2026-03-10T12:00:00Z")
    made["answer"]["readings"][0]["observed_at"] = observed
    append(database, made)
    assert found(database) == {}


def test_usage_that_is_gone(database: Database) -> None:
    see(database, "03-10", {"2026-03": {"M": 5}, "all": {"M": 9}})
    see(database, "03-11", {"2026-03": None, "all": {"M": 9}})
    finding = found(database)["usage_gone"]
    assert (finding.month, finding.meter) == ("2026-03", "M")
    see(database, "03-12", {"2026-03": {"M": 5}, "all": {"M": 9}})
    assert found(database) == {}


def test_usage_that_is_gone_with_its_records_is_explained(database: Database) -> None:
    see(database, "03-10", {"all": {"M": 9}})
    with database.write() as connection:
        appender = ledger.Appender(connection, "plant-7", {("2", "h1", "stt"): "reset"})
        appender.add(document("2", {"all": None}, "2026-03-11T12:00:00Z"))
        appender.finish()
    assert found(database) == {}
    see(database, "03-12", {"all": {"M": 4}})
    assert found(database) == {}
    with database.read() as connection:
        assert rules.total(summary.accounts(connection).parts) == (13, 13)


def test_one_container_after_the_other_on_one_folder(database: Database) -> None:
    see(database, "03-10", {"all": {"M": 9}})
    see(database, "03-11", {"all": {"M": 12}}, name="new")
    see(database, "03-12", {"all": {"M": 15}}, name="new")
    finding = found(database)["renamed"]
    assert (finding.low, finding.high) == ("15", "24")
    see(database, "03-13", {"all": {"M": 9}})
    assert set(found(database)) == {"shared_source"}


def test_a_switch_of_resource_on_15_january(database: Database) -> None:
    """Readings right before and right after; the container answers with a part of it while it starts."""
    see(database, "01-10", {"2026-01": {"M": 100}, "all": {"M": 1100}}, resource="r0", release="old")
    see(database, "01-15", {"2026-01": {"M": 140}, "all": {"M": 1140}}, resource="r0", release="old")
    append(database, document("after", {"2026-01": {"M": 3}, "all": {"M": 900}}, "2026-01-15T12:05:00Z", resource="r1", release="new"))
    see(database, "01-31", {"2026-01": {"M": 200}, "all": {"M": 1200}}, resource="r1", release="new")
    with database.read() as connection:
        result = summary.accounts(connection)
    by = {(row["resource"], row["month"]): row["units"] for row in summary.grouped(result.parts, ("resource", "month"))}
    assert by == {
        ("r0", "2026-01"): ["140", "140"],
        ("r1", "2026-01"): ["60", "60"],
        ("r0", "all"): ["1140", "1140"],
        ("r1", "all"): ["60", "60"],
    }
