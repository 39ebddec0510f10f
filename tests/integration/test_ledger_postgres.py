# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger in a real PostgreSQL: the same rows, the same hashes, and the server itself refuses changes.

Uses the server of AZURE_AI_TEST_POSTGRES_URL, or starts one of its own (tests/integration/postgres.py).
"""

from __future__ import annotations

import threading
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import client, intake, ledger, page, report, schema, tables
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.faults import ALL, Endpoint
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.faults import report as usage
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.histories import World, check, through
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document, rows
from tests.integration import postgres


@pytest.fixture(scope="module")
def server() -> t.Iterator[str]:
    with postgres.any_url() as url:
        yield url


@pytest.fixture
def own() -> t.Iterator[postgres.Server]:
    with postgres.own() as made:
        yield made


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
        made, twin_made = report.build(connection), report.build(other)
        assert made["chain"].pop("ledgers").keys() == twin_made["chain"].pop("ledgers").keys() == {"plant-7"}  # ids are drawn at random
        assert made == twin_made
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


@pytest.mark.parametrize("name", sorted(tables.PLAIN))
def test_other_tables_only_grow_as_well(database: schema.Database, server: str, name: str) -> None:
    append(database, document("1", {"all": {"M": 1}}))
    table = tables.tables().metadata.tables[name]
    with database.write() as connection:
        if connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0:
            connection.execute(table.insert(), {column.name: 1 if column.type.python_type is int else "x" for column in table.columns})
    for statement in (f"UPDATE {name} SET site = 'y'", f"DELETE FROM {name}", f"TRUNCATE {name}", f"INSERT INTO {name} SELECT * FROM {name}"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only|duplicate key"), sa.create_engine(server).begin() as connection:
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("statements", "trigger"),
    [
        (["CREATE OR REPLACE FUNCTION readings_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"], "readings_no_change"),
        (["CREATE OR REPLACE FUNCTION looks_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"], "looks_next"),
        (["ALTER FUNCTION looks_next() SET search_path = elsewhere"], "looks_next"),
        (
            [
                "DROP TRIGGER looks_no_change ON looks",
                "CREATE TRIGGER looks_no_change BEFORE UPDATE OR DELETE ON looks FOR EACH ROW WHEN (false) EXECUTE FUNCTION looks_refuse()",
            ],
            "looks_no_change",
        ),
        (
            [
                "DROP TRIGGER looks_no_change ON looks",
                "CREATE TRIGGER looks_no_change BEFORE DELETE ON looks FOR EACH ROW EXECUTE FUNCTION looks_refuse()",
            ],
            "looks_no_change",
        ),
        (
            [
                "CREATE FUNCTION fine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
                "DROP TRIGGER states_no_change ON states",
                "CREATE TRIGGER states_no_change BEFORE UPDATE OR DELETE ON states FOR EACH ROW EXECUTE FUNCTION fine()",
            ],
            "states_no_change",
        ),
    ],
)
def test_a_guard_that_was_hollowed_out_is_noticed(database: schema.Database, server: str, statements: list[str], trigger: str) -> None:
    append(database, document("1", {"all": {"M": 1}}))
    with database.read() as connection:
        assert tables.unguarded(connection) == []
    with sa.create_engine(server).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    with database.read() as connection:
        assert trigger in tables.unguarded(connection)
    with pytest.raises(IntegrityError, match=f"the trigger {trigger} is missing or was altered"):
        append(database, document("2", {"all": {"M": 2}}))


def test_a_guard_that_is_switched_off_is_noticed(database: schema.Database, server: str) -> None:
    append(database, document("1", {"all": {"M": 1}}))
    with sa.create_engine(server).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE readings DISABLE TRIGGER readings_no_change")
    with pytest.raises(IntegrityError, match="readings_no_change is missing or was altered"):
        append(database, document("2", {"all": {"M": 2}}))


def test_histories(database: schema.Database, server: str) -> None:
    """Fifty worlds, each in a database of its own."""
    for seed in range(50):
        with sa.create_engine(server).begin() as connection:
            for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
                connection.exec_driver_sql(statement)
        world = World(seed)
        check(world, through(schema.Database(server), world))


def test_the_server_goes_away_mid_harvest_and_comes_back(own: postgres.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that were appended stay, the one that met no server is appended when it is back, nothing twice."""
    monkeypatch.setattr(intake, "PAUSES", (0.5,) * 60)
    monkeypatch.setattr(intake, "BATCH", 1)
    with Endpoint({f"/{index}{ALL}": usage(index + 1) for index in range(6)}) as server:
        endpoints = [
            {"name": f"h1/c{index}", "host": "h1", "container": f"c{index}", "url": f"{server.url}/{index}", "source": f"s{index}"} for index in range(6)
        ]
        taken = intake.Intake(own.url, "plant-7", "x", True)
        for index, answers in client.stream(endpoints, [], client.Limits(5, 0, 10_000), 1):
            if index == 3:
                own.stop()
                threading.Timer(2, own.start).start()
            taken.add(endpoints[index], answers)
        done = taken.finish(None)
    assert (done["looks"], done["new"]) == (6, 6)
    database = schema.Database(own.url)
    assert rows(database, "readings", "quantity") == [(str(index + 1),) for index in range(6)]
    with database.read() as connection:
        assert ledger.verify(connection) == []


def test_a_server_that_stays_away_is_named_and_the_harvest_can_run_again(own: postgres.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "PAUSES", (0.1,))
    taken = intake.Intake(own.url, "plant-7", "x", True)
    answers = client.Answers([], [{"name": "h1/c", "url": "u", "scope": "all", "kind": "no_answer", "reason": "r"}])
    endpoint = {"name": "h1/c", "host": "h1", "container": "c", "url": "http://h", "source": "s"}
    own.stop()
    taken.add(endpoint, answers)
    with pytest.raises(RemoteError, match="the database refused"):
        taken.flush()
    own.start()
    taken.flush()
    assert rows(schema.Database(own.url), "looks", "outcome") == [("no_answer",)]


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
