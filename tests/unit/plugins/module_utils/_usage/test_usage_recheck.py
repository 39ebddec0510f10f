# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger gained since its heads were written down."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, recheck
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(str(tmp_path / "ledger.db"))
    append(made, *[document(str(value), {"all": {"M": value}}, f"2026-03-1{value}T00:00:00Z") for value in range(1, 5)])
    return made


def heads(database: Database) -> dict[str, t.Any]:
    with database.read() as connection:
        return ledger.heads(connection)


def problems(database: Database, known: dict[str, t.Any]) -> list[str]:
    with database.read() as connection:
        return recheck.verify(connection, known)


def tamper(database: Database, statement: str) -> None:
    with database.write() as connection:
        for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").all():
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        connection.exec_driver_sql(statement)


def test_new_rows_and_new_sites_are_walked(database: Database) -> None:
    known = heads(database)
    assert problems(database, known) == problems(database, {}) == []
    append(database, document("9", {"all": {"M": 9}}, "2026-03-19T00:00:00Z"))
    append(database, document("9", {"all": {"M": 9}}, site="plant-8"), site="plant-8")
    assert problems(database, known) == []
    tamper(database, "UPDATE readings SET quantity = '8' WHERE quantity = '9' AND site = 'plant-8'")
    assert problems(database, known) == ["site plant-8, readings row 1: its content does not match its hash"]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE readings SET quantity = '7' WHERE seq = 4", "readings row 4: its content does not match its hash"),
        ("DELETE FROM readings WHERE seq = 4", "readings row 4: missing, the last report named it"),
        ("DELETE FROM looks WHERE seq = 5", "looks row 5: missing, row 6 follows"),
        ("UPDATE looks SET prev = 'x' WHERE seq = 6", "looks row 6: does not follow row 5"),
    ],
)
def test_what_was_changed_is_named(database: Database, statement: str, problem: str) -> None:
    known = heads(database)
    append(database, *[document(str(value), {"all": {"M": 4}}, f"2026-03-1{value}T00:00:00Z") for value in (5, 6)])
    tamper(database, statement)
    assert problems(database, known) == [f"site plant-7, {problem}"]


def test_another_ledger_is_not_taken_for_this_one(database: Database) -> None:
    known = heads(database)
    known["plant-7"]["readings"] = {"seq": 2, "hash": "0" * 64}
    assert problems(database, known) == ["site plant-7, readings row 2: not the row that the last report named"]


def test_what_it_does_not_prove(database: Database) -> None:
    known = heads(database)
    tamper(database, "UPDATE readings SET quantity = '7' WHERE seq = 2")
    assert problems(database, known) == []
    assert problems(database, {}) != []


DAY = datetime.date(2026, 3, 20)


@pytest.mark.parametrize(
    ("walked", "verify", "due"),
    [
        ("2026-03-20", "auto", False),
        ("2026-03-14", "auto", False),
        ("2026-03-13", "auto", True),
        ("2026-03-21", "auto", True),
        ("2026-03-20", "all", True),
        ("2020-01-01", "new", False),
        (None, "new", True),
    ],
)
def test_when_every_row_is_walked(walked: str | None, verify: str, due: bool) -> None:
    before = recheck.Known({}, {}, True, walked and {"on": walked, "rows": 1})
    assert recheck.due(before, verify, DAY, 7) is due
    assert recheck.due(None, verify, DAY, 7) is recheck.due(before._replace(verified=False), verify, DAY, 7) is True


@pytest.mark.parametrize("report", [None, [], {}, {"chain": None}, {"chain": {"heads": {}, "verified": True}}, {"chain": {"anchor": []}}])
def test_a_report_that_knows_nothing(report: t.Any) -> None:
    assert recheck.known(report) is None


def test_what_a_report_says_is_what_the_next_one_knows(database: Database) -> None:
    with database.read() as connection:
        said = recheck.check(connection, None, True, DAY)
        known = recheck.known({"chain": said})
        assert known == (said["heads"], said["ledgers"], True, {"on": "2026-03-20", "rows": 8})
        assert recheck.check(connection, known, False, DAY) == said


def test_a_whole_walk_looks_at_every_page_of_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    made = Database(path)
    for count in range(9):
        append(made, document(str(count), {"all": {"M": count}}))
    with made.read() as connection:
        known = recheck.known({"chain": recheck.check(connection, None, True, DAY)})
        page = connection.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'looks_harvest'").scalar()
    made.close()
    with open(path, "r+b") as stream:
        stream.seek((page - 1) * 4096)
        stream.write(b"\xff" * 4096)
    with Database(path).read() as connection:
        assert recheck.check(connection, known, False, DAY)["problems"] == [], "no row of a chain is in that page"
        said = recheck.check(connection, known, True, DAY)
    assert not said["verified"] and "the database file is damaged" in said["problems"][0]
