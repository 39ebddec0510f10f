# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger in SQLite: what is appended, what is refused, and that any change of a row is found."""

from __future__ import annotations

import json
import sqlite3
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import LOOKS, READINGS, Database
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document, rows


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(str(tmp_path / "ledger.db"))


def check(database: Database, *anchors: dict[str, t.Any]) -> list[str]:
    with database.read() as connection:
        return ledger.verify(connection, anchors)


def test_a_reading_only_for_a_new_value_and_a_look_for_every_answer(database: Database) -> None:
    done = [append(database, document(str(index), {"all": {"M": value}})) for index, value in enumerate([1, 1, 2, 1])]
    assert [(item.looks, item.readings, item.new) for item in done] == [(1, 1, 1), (1, 1, 0), (1, 1, 1), (1, 1, 1)]
    assert rows(database, "readings", "seq", "look", "quantity") == [(1, 1, "1"), (2, 3, "2"), (3, 4, "1")]
    assert check(database) == []


def test_only_the_meter_that_changed_is_new(database: Database) -> None:
    append(database, document("1", {"all": {"M": 1, "N": 1}, "2026-03": {"M": 1}}))
    assert append(database, document("2", {"all": {"M": 2, "N": 1}, "2026-03": {"M": 1}})).new == 1


def test_another_release_or_resource_is_a_new_reading(database: Database) -> None:
    append(database, document("1", {"all": {"M": 1}}))
    assert append(database, document("2", {"all": {"M": 1}}, resource="r1", release="rel2")).new == 1
    assert rows(database, "readings", "resource", "release")[-1] == ("r1", "rel2")


def test_the_same_harvest_twice_adds_nothing(database: Database) -> None:
    one = document("1", {"all": {"M": 1}, "2026-03": None, "2026-02": "no_answer"})
    assert append(database, one, one)[:3] == (3, 2, 1)
    again = append(database, one)
    assert (again.looks, again.new) == (0, 0)
    assert [item["scopes"] for item in again.failures] == [["2026-02"]]


def test_the_three_outcomes_and_no_answer_are_looks(database: Database) -> None:
    append(database, document("1", {"all": {"M": 1}, "2026-01": None, "2026-02": "bad_answer", "2026-03": "no_answer"}))
    assert rows(database, "looks", "scope", "outcome", "reason") == [
        ("all", "usage", None),
        ("2026-01", "no_usage", None),
        ("2026-02", "bad_answer", "because"),
        ("2026-03", "no_answer", "because"),
    ]


def test_what_was_expected_and_did_not_come(database: Database) -> None:
    expected = [{"host": host, "container": "stt", "service": "s", "months": ["2026-03"]} for host in ("h1", "h2")]
    with database.write() as connection:
        appender = ledger.Appender(connection, "plant-7")
        appender.add(document("1", {"all": {"M": 1}, "2026-03": {"M": 1}}))
        appender.expect("1", expected, "2026-03-10T00:00:00Z")
        done = appender.finish()
    assert done.failures == [{"host": "h2", "container": "stt", "kind": "no_answer", "reason": "host not reached", "scopes": ["2026-03", "all"]}]
    assert done.looks == 4


def test_every_site_has_its_own_chain(database: Database) -> None:
    for harvest in "12":
        append(database, document(harvest, {"all": {"M": int(harvest)}}))
        append(database, document(harvest, {"all": {"M": int(harvest)}}, site="plant-8"), site="plant-8")
    assert rows(database, "readings", "site", "seq") == [("plant-7", 1), ("plant-7", 2), ("plant-8", 1), ("plant-8", 2)]
    assert check(database) == []


def test_more_rows_than_a_chunk(database: Database) -> None:
    meters = {f"M{index}": index for index in range(1201)}
    assert append(database, document("1", {"all": meters})).new == 1201
    assert append(database, document("2", {"all": {**meters, "M7": 8}})).new == 1
    assert check(database) == []


def test_an_interrupted_append_leaves_nothing(database: Database) -> None:
    append(database, document("1", {"all": {"M": 1}}))
    with pytest.raises(RuntimeError), database.write() as connection:
        appender = ledger.Appender(connection, "plant-7")
        appender.add(document("2", {"all": {f"M{index}": 1 for index in range(600)}}))
        raise RuntimeError
    assert len(rows(database, "readings", "seq")) == 1
    assert append(database, document("2", {"all": {"M": 2}})).new == 1
    assert check(database) == []


def alter(path: Path, *statements: str) -> None:
    """What somebody who owns the file can do."""
    with sqlite3.connect(path) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_altering_any_value_of_any_row_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    database = Database(str(path))
    for harvest in range(3):
        append(database, document(str(harvest), {"all": {"M": harvest, "N": 7}, "2026-03": "no_answer"}))
    table, columns = data.draw(st.sampled_from([("looks", LOOKS), ("readings", READINGS)]))
    column = data.draw(st.sampled_from([*columns, "seq", "prev", "hash"]))
    seq = data.draw(st.sampled_from([row[0] for row in rows(database, table, "seq")]))
    value = "77" if column in ("seq", "look", "http_status") else "'x'"
    alter(path, f"UPDATE {table} SET {column} = {value} WHERE seq = {seq}")
    assert check(database), f"{table}.{column} of row {seq}"


def test_the_first_bad_row_is_named(database: Database, tmp_path: Path) -> None:
    for harvest in range(4):
        append(database, document(str(harvest), {"all": {"M": harvest}}))
    alter(tmp_path / "ledger.db", "UPDATE readings SET quantity = '9' WHERE seq >= 2")
    assert check(database) == ["site plant-7, readings row 2: its content does not match its hash"]


def test_a_removed_row_is_found_and_a_removed_end_by_its_anchor(database: Database, tmp_path: Path) -> None:
    for harvest in range(3):
        append(database, document(str(harvest), {"all": {"M": harvest}}))
    with database.read() as connection:
        head = {"site": "plant-7", "table": "readings", **ledger.heads(connection)["plant-7"]["readings"]}
    assert check(database, head) == []
    alter(tmp_path / "ledger.db", "DELETE FROM readings WHERE seq = 3")
    assert check(database) == []
    assert check(database, head) == ["site plant-7, readings row 3: not the row that the anchor names"]
    alter(tmp_path / "ledger.db", "DELETE FROM readings WHERE seq = 1")
    assert check(database) == ["site plant-7, readings row 1: missing, row 2 follows"]


def test_a_ledger_gets_its_id_with_the_first_append_and_another_when_it_is_restored(database: Database) -> None:
    with database.write() as connection:
        assert ledger.current(connection, "plant-7") is None
    append(database, document("1", {"all": {"M": 1}}))
    append(database, document("2", {"all": {"M": 2}}))
    with database.write() as connection:
        first = ledger.current(connection, "plant-7")
        second = ledger.open_ledger(connection, "plant-7", "restored from a backup")
        last = ledger.current(connection, "plant-7")
        assert first and last and ledger.current(connection, "plant-8") is None
        assert (first["predecessor"], last["predecessor"], last["id"]) == (None, first["id"], second)
        assert json.loads(last["heads"]) == ledger.heads(connection)["plant-7"]
        assert len(first["id"]) == 32


def test_every_append_is_noted_once_and_never_earlier_than_the_one_before(database: Database) -> None:
    append(database, document("1", {"all": {"M": 1}}))
    append(database, document("1", {"all": {"M": 1}}))
    with database.write() as connection:
        appender = ledger.Appender(connection, "plant-7")
        appender.add(document("2", {"all": {"M": 2}}))
        appender.finish()
        appender = ledger.Appender(connection, "plant-7")
        appender.add(document("3", {"all": {"M": 3}}))
        appender._looks.flush()
        appender._readings.flush()
        ledger.stamp(connection, "plant-7", "2001-01-01T00:00:00Z")
        found = [tuple(row) for row in connection.exec_driver_sql("SELECT number, appended_at, looks_to, readings_to FROM appends")]
    assert [row[:1] + row[2:] for row in found] == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]
    assert found[1][1] == found[2][1]


def test_evidence_is_written_down_and_makes_equal_values_new(database: Database) -> None:
    append(database, document("1", {"all": {"M": 1}}))
    with database.write() as connection:
        appender = ledger.Appender(connection, "plant-7", {("2", "h1", "stt"): "reset", ("2", "h2", "stt"): "reset"})
        appender.add(document("2", {"all": {"M": 1}, "2026-03": "no_answer"}))
        assert appender.finish().new == 1
    assert rows(database, "looks", "outcome", "reason") == [("usage", None), ("usage", "reset"), ("no_answer", "because")]
    assert check(database) == []


def test_what_is_remembered_stays_small(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_MOST", 10)
    documents = [document(str(number), {"all": {f"M{index}": number // 2 for index in range(8)}}, host=f"h{number % 3}") for number in range(30)]
    twin = Database("sqlite://")
    monkeypatch.setattr(ledger, "_CHUNK", 3)
    append(database, *documents)
    monkeypatch.setattr(ledger, "_MOST", 10**6)
    append(twin, *documents)
    assert rows(database, "readings", "hash") == rows(twin, "readings", "hash")
    assert append(database, *documents).looks == 0
