# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Totals, coverage and closed months as the ledger tells them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import summary
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document

LATER = "2026-03-20T00:00:00Z"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(str(tmp_path / "ledger.db"))


def grouped(database: Database, *by: str) -> dict[tuple[str, ...], tuple[str, str]]:
    with database.read() as connection:
        found = summary.grouped(summary.accounts(connection).parts, by)
    return {tuple(row[name] for name in by): tuple(row["units"]) for row in found}


def closed(database: Database) -> dict[str, t.Any]:
    with database.read() as connection:
        return {key[2]: value["months"] for key, value in summary.closed_months(connection).items()}


def test_months_and_all_time_are_never_added(database: Database) -> None:
    append(database, document("1", {"all": {"M": 100, "N": 1}, "2026-01": {"M": 30}, "2026-02": {"M": 50}}))
    assert grouped(database, "meter") == {("M",): ("100", "100"), ("N",): ("1", "1")}
    assert grouped(database, "month") == {("2026-01",): ("30", "30"), ("2026-02",): ("50", "50"), ("all",): ("101", "101")}
    assert grouped(database) == {(): ("101", "101")}


def test_months_stand_in_where_all_time_never_answered(database: Database) -> None:
    append(database, document("1", {"all": "bad_answer", "2026-01": {"M": 30}, "2026-02": {"M": 50}}))
    assert grouped(database, "meter") == {("M",): ("80", "80")}


def test_every_dimension(database: Database) -> None:
    append(database, document("1", {"all": {"M": 1}}), document("1", {"all": {"M": 2}}, host="h2", source="s2", resource="r1", name="tts"))
    for name, values in {"host": "h1 h2", "container": "stt tts", "resource": "r0 r1", "site": "plant-7", "service": "speech_to_text"}.items():
        assert sorted(key[0] for key in grouped(database, name)) == values.split()


def test_doubts_reach_totals_and_findings(database: Database) -> None:
    append(database, document("1", {"all": {"M": 100}}))
    append(database, document("2", {"all": {"M": 40}}))
    assert grouped(database, "meter") == {("M",): ("100", "140")}
    with database.read() as connection:
        assert [finding.kind for finding in summary.accounts(connection).findings] == ["decrease"]
        assert summary.accounts(connection, "another site").parts == []


@pytest.mark.parametrize(
    ("looks", "months"),
    [
        ([("1", {"M": 5}, LATER)], []),
        ([("1", {"M": 5}, LATER), ("2", {"M": 5}, LATER)], ["2026-02"]),
        ([("1", {"M": 5}, LATER), ("1", {"M": 5}, "2026-03-21T00:00:00Z")], []),
        ([("1", {"M": 5}, LATER), ("2", {"M": 6}, LATER)], []),
        ([("1", {"M": 5}, LATER), ("2", {"M": 6}, LATER), ("3", {"M": 6}, LATER)], ["2026-02"]),
        ([("1", {"M": 5}, LATER), ("2", "no_answer", LATER), ("3", {"M": 5}, LATER)], ["2026-02"]),
        ([("1", None, LATER), ("2", None, LATER)], ["2026-02"]),
        ([("1", {"M": 5}, "2026-02-28T23:00:00Z"), ("2", {"M": 5}, LATER)], []),
        ([("1", {"M": 5}, "2026-03-01T05:00:00Z"), ("2", {"M": 5}, LATER)], []),
    ],
)
def test_a_month_closes_when_seen_equal_by_two_harvests_after_its_end(database: Database, looks: list[tuple[str, t.Any, str]], months: list[str]) -> None:
    for harvest, values, moment in looks:
        append(database, document(harvest, {"2026-02": values, "all": {"M": 9}}, moment))
    assert closed(database).get("stt", []) == months


@pytest.mark.parametrize(("observed", "months"), [("2026-02-20T00:00:00Z", []), (LATER, ["2026-02"])])
def test_a_month_is_over_when_both_clocks_say_so(database: Database, observed: str, months: list[str]) -> None:
    """A control node that is ahead of its time would not ask again for a month that goes on."""
    for harvest in "123":
        made = document(harvest, {"2026-02": {"M": 5}, "all": {"M": 9}}, observed)
        append(database, {**made, "spooled_at": LATER})
    assert closed(database).get("stt", []) == months


def test_a_new_source_opens_what_the_old_one_closed(database: Database) -> None:
    for harvest in "12":
        append(database, document(harvest, {"2026-01": {"M": 5}, "2026-02": {"M": 5}}, LATER))
    assert closed(database)["stt"] == ["2026-01", "2026-02"]
    for harvest in "34":
        append(database, document(harvest, {"2026-02": {"M": 5}}, LATER, source="s2"))
    assert closed(database)["stt"] == ["2026-02"]


def test_coverage(database: Database) -> None:
    append(database, document("1", {"all": {"M": 5}, "2026-01": {"M": 5}, "2026-02": "bad_answer", "2026-03": {"M": 1}}, "2026-03-05T00:00:00Z"))
    append(database, document("2", {"all": "no_answer", "2026-01": {"M": 5}, "2026-02": "no_answer", "2026-03": None}, LATER))
    with database.read() as connection:
        (row,) = summary.coverage(connection)
        findings = summary.silent([row])
    assert row == {
        "site": "plant-7",
        "host": "h1",
        "container": "stt",
        "last_look": LATER,
        "last_answer": LATER,
        "problem": "no answer: because",
        "months": {"2026-01": "closed", "2026-02": "no_answer", "2026-03": "open"},
    }
    assert [finding["kind"] for finding in findings] == ["unanswered"]


def test_what_runs_is_the_last_release_that_any_look_told(database: Database) -> None:
    append(database, document("1", {"all": {"M": 1}}, release="old"), document("1", {"all": {"M": 1}}, name="mute", release=""))
    append(database, document("2", {"all": {"M": 2}}, moment=LATER, release="new"))
    append(database, document("3", {"all": "no_answer"}, moment=LATER, release=""))
    with database.read() as connection:
        found = {row["container"]: (row["host"], row["service"], row["release"]) for row in summary.running(connection, "plant-7")}
        assert summary.running(connection, "plant-8") == []
    assert found == {"stt": ("h1", "speech_to_text", "new"), "mute": ("h1", "speech_to_text", "")}


def test_an_answer_as_of_a_moment_stays_the_same(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents come late and clocks go back: what counts is when a row was appended."""
    answers: dict[str, t.Any] = {}

    def ask(moment: str) -> t.Any:
        with database.read() as connection:
            result = summary.accounts(connection, None, moment)
            return (result, summary.coverage(connection, None, moment), summary.closed_months(connection, None, moment))

    harvests = [({"2026-02": {"M": 5}, "all": {"M": 9}}, LATER), ({"2026-02": {"M": 5}, "all": {"M": 9}}, LATER)]
    harvests += [({"2026-02": {"M": 5}, "all": {"M": 20}}, "2026-03-05T00:00:00Z"), ({"2026-02": {"M": 6}, "all": {"M": 3}}, LATER)]
    for index, (scopes, moment) in enumerate(harvests):
        clock = f"2026-04-0{index + 1}T00:00:00Z"
        monkeypatch.setattr(summary.calendar, "now", lambda clock=clock: clock)
        append(database, document(str(index), scopes, moment))
        answers[clock] = ask(clock)
        assert answers[clock] == ask("2026-12-31T00:00:00Z")
    for clock, answer in answers.items():
        assert ask(clock) == answer
    assert len({str(answer) for answer in answers.values()}) == 4
    assert ask("2026-03-31T00:00:00Z")[0].parts == []


def test_as_of_looks_at_each_site_for_itself(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for index, site in enumerate(["plant-7", "plant-8", "plant-7"]):
        monkeypatch.setattr(summary.calendar, "now", lambda index=index: f"2026-04-0{index + 1}T00:00:00Z")
        append(database, document(str(index), {"all": {"M": index + 1}}, site=site), site=site)
    with database.read() as connection:
        parts = summary.accounts(connection, None, "2026-04-02T00:00:00Z").parts
        assert [ledger["site"] for ledger in summary.ledgers(connection)] == ["plant-7", "plant-8"]
        assert [ledger["site"] for ledger in summary.ledgers(connection, "plant-8")] == ["plant-8"]
    assert {part.site: part.quantity.low for part in parts} == {"plant-7": 1, "plant-8": 2}
