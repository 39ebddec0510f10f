# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every table only grows, an older ledger is brought up to date, and a trigger that is gone is noticed."""

from __future__ import annotations

import sqlite3
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, schema, tables
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document


@pytest.fixture
def database(tmp_path: Path) -> schema.Database:
    made = schema.Database(str(tmp_path / "ledger.db"))
    append(made, document("1", {"all": {"M": 1}}))
    return made


def fill(database: schema.Database, name: str) -> None:
    """One row of a table without a chain; ledgers and appends have theirs."""
    columns, _key = tables.PLAIN[name]
    if not rows_of(database, name):
        with database.write() as connection:
            table = tables.tables().metadata.tables[name]
            connection.execute(table.insert(), {column: 1 if table.c[column].type.python_type is int else "x" for column in columns})


def rows_of(database: schema.Database, name: str) -> list[tuple[t.Any, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name}")]


@pytest.mark.parametrize("name", sorted(tables.PLAIN))
@pytest.mark.parametrize("verb", ["UPDATE {0} SET site = 'y'", "DELETE FROM {0}", "INSERT OR REPLACE INTO {0} SELECT * FROM {0}"])
def test_nothing_changes_in_any_table(database: schema.Database, name: str, verb: str) -> None:
    fill(database, name)
    before = rows_of(database, name)
    assert len(before) == 1
    connection = sqlite3.connect(str(database.path))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(verb.format(name))
    connection.close()
    assert rows_of(database, name) == before


@pytest.mark.parametrize("name", ["readings", "looks", "ledgers"])
def test_a_row_cannot_be_replaced_by_its_hidden_number(database: schema.Database, name: str) -> None:
    before = rows_of(database, name)
    connection = sqlite3.connect(str(database.path))
    connection.execute(f"CREATE TEMP TABLE copy AS SELECT * FROM {name}")
    if name == "ledgers":
        connection.execute("UPDATE copy SET number = 2")
    else:
        connection.execute("UPDATE copy SET seq = 2, prev = hash")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(f"INSERT OR REPLACE INTO {name} (rowid, {', '.join(_columns(name))}) SELECT 1, {', '.join(_columns(name))} FROM copy")
    connection.close()
    assert rows_of(database, name) == before


def _columns(name: str) -> list[str]:
    return [column.name for column in tables.tables().metadata.tables[name].columns]


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger as the first version of the collection made it."""
    path = str(tmp_path / "old.db")
    with monkeypatch.context() as patch:
        for module in (tables, schema):
            patch.setattr(module, "MIGRATIONS", tables.MIGRATIONS[:1])
        patch.setattr(schema, "unguarded", lambda connection: [])
        patch.setattr(ledger, "heads", lambda connection, site=None: {})
        patch.setattr(ledger, "open_ledger", lambda *args: None)
        patch.setattr(ledger, "current", lambda *args: None)
        patch.setattr(ledger, "stamp", lambda *args: None)
        append(schema.Database(path), document("1", {"all": {"M": 1}}))
    return path


def test_an_older_ledger_is_copied_and_brought_up_to_date(old: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="older collection, lacks 0002"), schema.Database(old).read():
        pass
    with schema.Database(old).write(keep=False):
        pass
    assert [item.name for item in tmp_path.glob("*.before-*")] == []
    append(schema.Database(old), document("2", {"all": {"M": 2}}))
    assert [row[0] for row in rows_of(schema.Database(old), "migrations")] == [name for name, _apply in tables.MIGRATIONS]
    (copy,) = tmp_path.glob("*.before-*")
    assert copy.name == "old.db.before-0002_adjustments"
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT quantity FROM readings").fetchall() == [("1",)]
    connection.close()
    assert [row[1:2] + row[3:4] for row in rows_of(schema.Database(old), "appends")] == [(1, 1), (2, 2)]
    append(schema.Database(old), document("3", {"all": {"M": 3}}))
    assert len(list(tmp_path.glob("*.before-*"))) == 1


@pytest.mark.parametrize(
    "statement", ["DROP TRIGGER readings_no_update", "DROP TRIGGER looks_next; CREATE TRIGGER looks_next BEFORE INSERT ON looks BEGIN SELECT 1; END"]
)
def test_a_ledger_without_its_guards_is_not_written_to(database: schema.Database, statement: str) -> None:
    connection = sqlite3.connect(str(database.path))
    connection.executescript(statement)
    connection.close()
    with pytest.raises(IntegrityError, match="trigger (readings_no_update|looks_next) is missing or was altered"):
        append(database, document("2", {"all": {"M": 2}}))
    with database.read() as reading:
        assert len(tables.unguarded(reading)) == 1
