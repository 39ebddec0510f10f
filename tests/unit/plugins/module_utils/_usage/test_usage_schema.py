# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database enforces that rows are only appended, and opening one says what is wrong."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import schema
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document, rows


@pytest.fixture
def path(tmp_path: Path) -> str:
    database = schema.Database(str(tmp_path / "deep/ledger.db"))
    for harvest in range(3):
        append(database, document(str(harvest), {"all": {"M": harvest}}))
    return str(tmp_path / "deep/ledger.db")


COPY = "SELECT * FROM readings WHERE seq = {}"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE readings SET quantity = '5'", "append-only"),
        ("UPDATE looks SET outcome = 'usage' WHERE seq = 1", "append-only"),
        ("DELETE FROM readings WHERE seq = 3", "append-only"),
        ("DELETE FROM looks", "append-only"),
        ("INSERT INTO readings " + COPY.format(1), "not the next row"),
        ("INSERT OR REPLACE INTO readings " + COPY.format(2), "not the next row"),
        ("INSERT OR IGNORE INTO looks SELECT * FROM looks WHERE seq = 2", "not the next row"),
    ],
)
def test_the_database_itself_refuses(path: str, statement: str, words: str) -> None:
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match=words):
        connection.execute(statement)
    connection.close()
    assert [row[0] for row in rows(schema.Database(path), "readings", "seq")] == [1, 2, 3]


def test_a_row_with_the_next_number_but_another_predecessor_is_refused(path: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TEMP TABLE copy AS SELECT * FROM readings WHERE seq = 3")
    connection.execute("UPDATE copy SET seq = 4")
    with pytest.raises(sqlite3.IntegrityError, match="not the next row"):
        connection.execute("INSERT INTO readings SELECT * FROM copy")
    connection.close()


def test_migrations_are_applied_once_and_written_down(path: str) -> None:
    database = schema.Database(path)
    with database.write() as connection:
        assert schema.migrate(connection) == []
        assert [row[0] for row in connection.exec_driver_sql("SELECT name FROM migrations")] == [name for name, _apply in schema.MIGRATIONS]


def test_sqlite_is_set_up_for_power_cuts_and_several_programs(path: str) -> None:
    with schema.Database(path).write() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "busy_timeout")]
    assert found == ["wal", 2, 60000]


def test_nothing_stays_of_a_dry_run(path: str) -> None:
    database = schema.Database(path)
    with database.write(keep=False) as connection:
        from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.ledger import Appender

        appender = Appender(connection, "plant-7")
        appender.add(document("new", {"all": {"M": 50}}))
        assert appender.finish().new == 1
    assert len(rows(database, "readings", "seq")) == 3


def _append(path: str, name: str) -> None:
    for index in range(10):
        append(schema.Database(path), document(f"{name}{index}", {"all": {name: index}}))


def test_programs_that_write_at_once_wait_for_each_other(path: str) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append, args=(path, name)) for name in "AB"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [row[0] for row in rows(schema.Database(path), "readings", "seq")] == list(range(1, 24))


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("mysql://h/x", InputError, "URL|SQLite"),
        ("postgresql://u:secret@h/x", InputError, "password"),
        ("nonsense://x", InputError, "URL"),
        ("postgresql://127.0.0.1:1/x?connect_timeout=1", RemoteError, "refused"),
        ("/nowhere/at/all.db", MissingError, "harvest first"),
    ],
)
def test_what_cannot_be_opened_is_named(url: str, error: type[AirgapError], words: str) -> None:
    with pytest.raises(error, match=words) as caught, schema.Database(url).read():
        pass
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be looked at" * 100])
def test_another_file_is_no_ledger(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.db"
    path.write_bytes(content)
    with pytest.raises(AirgapError), schema.Database(str(path)).read():
        pass
    assert not content or path.read_bytes() == content


def test_in_memory() -> None:
    database = schema.Database("sqlite://")
    assert append(database, document("1", {"all": {"M": 1}})).new == 1


def test_the_tables_hold_what_the_hashes_cover() -> None:
    found = schema.tables()
    for table, columns in ((found.looks, schema.LOOKS), (found.readings, schema.READINGS)):
        names: list[str] = [column.name for column in table.columns]
        assert names == ["site", "seq", *columns[1:], "prev", "hash"]
