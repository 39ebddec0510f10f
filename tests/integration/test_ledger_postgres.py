# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger in a real PostgreSQL: the same rows, the same hashes, and the server itself refuses changes.

Uses the server of AZURE_AI_TEST_POSTGRES_URL, or starts one of its own (tests/lab/postgres.sh).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, page, report, schema
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document, rows

SCRIPT = str(Path(__file__).resolve().parents[1] / "lab/postgres.sh")


@pytest.fixture(scope="module")
def server() -> t.Iterator[str]:
    given = os.environ.get("AZURE_AI_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    folder = tempfile.mkdtemp(prefix="azure-ai-pg-")  # short: a socket's path has 107 characters
    os.chmod(folder, 0o755)
    try:
        yield subprocess.run([SCRIPT, "start", f"{folder}/pg"], check=True, capture_output=True, text=True).stdout.strip()
    finally:
        subprocess.run([SCRIPT, "stop", f"{folder}/pg"], check=True)
        shutil.rmtree(folder)


@pytest.fixture
def database(server: str) -> schema.Database:
    with sa.create_engine(server).begin() as connection:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            connection.exec_driver_sql(statement)
    return schema.Database(server)


def test_no_ledger_yet(database: schema.Database) -> None:
    with pytest.raises(MissingError, match="harvest first"), database.read():
        pass


def test_rows_and_hashes_are_those_of_sqlite(database: schema.Database, tmp_path: Path) -> None:
    twin = schema.Database(str(tmp_path / "ledger.db"))
    for harvest in range(3):
        made = document(str(harvest), {"all": {f"M{index}": harvest * index for index in range(700)}, "2026-03": None, "2026-02": "no_answer"})
        assert append(database, made) == append(twin, made)
        assert append(database, made).looks == 0
    for table in ("looks", "readings"):
        assert rows(database, table, "seq", "prev", "hash") == rows(twin, table, "seq", "prev", "hash")
    with database.read() as connection, twin.read() as other:
        assert ledger.verify(connection) == []
        assert report.build(connection) == report.build(other)
        assert page.render(report.build(connection)).startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE readings SET quantity = '9'",
        "DELETE FROM looks",
        "TRUNCATE readings",
        "TRUNCATE looks, readings",
        "INSERT INTO readings SELECT * FROM readings",
    ],
)
def test_the_server_refuses(database: schema.Database, server: str, statement: str) -> None:
    append(database, document("1", {"all": {"M": 1}}))
    with pytest.raises(sa.exc.DBAPIError, match="append-only|not the next row"), sa.create_engine(server).begin() as connection:
        connection.exec_driver_sql(statement)
    assert rows(database, "readings", "quantity") == [("1",)]


def test_what_an_owner_alters_is_found(database: schema.Database, server: str) -> None:
    for harvest in range(3):
        append(database, document(str(harvest), {"all": {"M": harvest}}))
    with sa.create_engine(server).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE readings DISABLE TRIGGER ALL")
        connection.exec_driver_sql("UPDATE readings SET quantity = '9' WHERE seq = 2")
    with database.read() as connection:
        assert ledger.verify(connection) == ["site plant-7, readings row 2: its content does not match its hash"]


def test_writers_wait_for_each_other(database: schema.Database, server: str) -> None:
    def work(name: str) -> None:
        for index in range(10):
            append(schema.Database(server), document(f"{name}{index}", {"all": {name: index}}))

    threads = [threading.Thread(target=work, args=(name,)) for name in "ABC"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row[0] for row in rows(database, "readings", "seq")] == list(range(1, 31))


def test_a_dry_run_leaves_no_table(database: schema.Database) -> None:
    with database.write(keep=False) as connection:
        appender = ledger.Appender(connection, "plant-7")
        appender.add(document("1", {"all": {"M": 1}}))
        assert appender.finish().new == 1
    with pytest.raises(MissingError), database.read():
        pass


def test_an_unknown_database_is_named(server: str) -> None:
    with pytest.raises(RemoteError, match="nowhere"), schema.Database(server.replace("/postgres?", "/nowhere?")).read():
        pass
