# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of the ledger, and how a database is opened for it. Normative text: docs/ledger.md.

SQLAlchemy is a requirement of control nodes only: without it ``IMPORT_ERROR`` holds the traceback and nothing here works.
This file is private to the collection.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import traceback
import typing as t
from contextlib import contextmanager

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar

IMPORT_ERROR: t.Optional[str] = None
try:
    import sqlalchemy as sa
    from sqlalchemy import event
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

GENESIS = "0" * 64
LOOKS = (
    ("site", "harvest", "host", "container", "source", "reporter", "service", "url", "release", "resource", "scope", "outcome")
    + ("http_status", "reason", "observed_at", "recorded_at", "body_sha256", "meaning_sha256")
)  # fmt: skip
READINGS = (
    ("site", "look", "series", "source", "reporter", "service", "meter", "month", "host", "container", "release", "resource")
    + ("quantity", "billed_unit", "extra", "observed_at")
)  # fmt: skip
_INTEGERS = ("look", "http_status")
_NULLABLE = ("http_status", "reason", "body_sha256", "meaning_sha256", "billed_unit", "extra")
_BUSY = 60  # seconds that a writer waits for another
_LOCK = 0x617A7572  # any constant: one advisory lock for every writer of this collection's ledgers


class Tables(t.NamedTuple):
    """``looks`` and ``readings``: content columns in hash order behind ``site`` and ``seq``, then ``prev`` and ``hash``."""

    metadata: t.Any
    looks: t.Any
    readings: t.Any
    migrations: t.Any


@functools.cache
def tables() -> Tables:
    """The tables as SQLAlchemy sees them."""
    metadata = sa.MetaData()

    def chained(name: str, columns: tuple[str, ...]) -> t.Any:
        content = [sa.Column(column, sa.BigInteger if column in _INTEGERS else sa.Text, nullable=column in _NULLABLE) for column in columns]
        content.insert(1, sa.Column("seq", sa.BigInteger, nullable=False))
        chain = [sa.Column(column, sa.Text, nullable=False) for column in ("prev", "hash")]
        return sa.Table(name, metadata, *content, *chain, sa.UniqueConstraint("site", "seq"))

    looks, readings = chained("looks", LOOKS), chained("readings", READINGS)
    sa.Index("looks_harvest", looks.c.site, looks.c.harvest)
    sa.Index("readings_series", readings.c.site, readings.c.series, readings.c.seq)
    migrations = sa.Table("migrations", metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("applied_at", sa.Text, nullable=False))
    return Tables(metadata, looks, readings, migrations)


class Database:
    """A ledger's database, opened by path or URL.

    :param url: path of a SQLite file, or a SQLAlchemy URL of SQLite or PostgreSQL without a password in it
    """

    def __init__(self, url: str) -> None:
        self.name, self._url, self.path = _resolve(url)
        try:
            self._engine = sa.create_engine(self._url, poolclass=sa.pool.StaticPool if self.path == "" else None)
        except (sa.exc.SQLAlchemyError, ImportError) as exc:
            raise InputError(f"ledger {self.name}", f"SQLAlchemy cannot use this URL ({_line(exc)})", "install psycopg for PostgreSQL") from exc
        self._sqlite = self._engine.dialect.name == "sqlite"
        if self._engine.dialect.name not in ("sqlite", "postgresql"):
            raise InputError(f"ledger {self.name}", "neither SQLite nor PostgreSQL", "only these two enforce that rows are only appended")
        if self._sqlite:
            event.listen(self._engine, "connect", _tune)

    def exists(self) -> bool:
        """Whether there may be a ledger: a SQLite file must be there, a server is asked later."""
        return not self.path or os.path.exists(self.path)

    @contextmanager
    def write(self, keep: bool = True) -> t.Iterator[t.Any]:
        """One writing transaction, alone on this database, migrated first; rolled back when ``keep`` is false or the block raises.

        :raises RemoteError: the database refused or is not there.
        """
        if self.path and not os.path.exists(self.path):
            os.makedirs(os.path.dirname(os.path.abspath(self.path)), mode=0o750, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o640))
        with self._errors(), self._engine.connect() as connection:
            if self._sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            try:
                migrate(connection)
                yield connection
            except BaseException:
                self._end(connection, False)
                raise
            self._end(connection, keep)

    @contextmanager
    def read(self) -> t.Iterator[t.Any]:
        """One reading transaction on a ledger that must be there.

        :raises MissingError: there is none; RemoteError: the database refused or is not there.
        """
        if not self.exists():
            raise MissingError(f"ledger {self.name}", "no such file", "run airgap.azure_ai.harvest first")
        with self._errors(), self._engine.connect() as connection:
            if self._sqlite:
                connection.exec_driver_sql("BEGIN")
            if not sa.inspect(connection).has_table("readings"):
                raise MissingError(f"ledger {self.name}", "holds no ledger", "run airgap.azure_ai.harvest first")
            yield connection
            self._end(connection, False)

    def _end(self, connection: t.Any, keep: bool) -> None:
        if self._sqlite and connection.connection.driver_connection.in_transaction:
            connection.exec_driver_sql("COMMIT" if keep else "ROLLBACK")
        if keep:
            connection.commit()
        else:
            connection.rollback()

    @contextmanager
    def _errors(self) -> t.Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, OSError) as exc:
            raise RemoteError(f"ledger {self.name}", f"the database refused ({_line(exc)})") from exc


def migrate(connection: t.Any) -> list[str]:
    """Apply the migrations that this database does not have yet, in order; return their names."""
    migrations = tables().migrations
    migrations.create(connection, checkfirst=True)
    have = set(connection.execute(sa.select(migrations.c.name)).scalars())
    missing = [(name, apply) for name, apply in MIGRATIONS if name not in have]
    for name, apply in missing:
        apply(connection)
        connection.execute(migrations.insert(), {"name": name, "applied_at": calendar.now()})
    return [name for name, _apply in missing]


def _first(connection: t.Any) -> None:
    """Looks and readings, and triggers that let nothing happen to them but the next row of a site."""
    found = tables()
    for table in (found.looks, found.readings):
        table.create(connection)
        statements = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES
        for statement in statements:
            connection.exec_driver_sql(statement.format(table=table.name, genesis=GENESIS))


MIGRATIONS: tuple[tuple[str, t.Callable[[t.Any], None]], ...] = (("0001_looks_and_readings", _first),)

# INSERT OR REPLACE deletes without a delete trigger: a row that is not the next one must not come in at all.
_NOT_NEXT = """NEW.seq <> COALESCE((SELECT MAX(seq) FROM {table} WHERE site = NEW.site), 0) + 1
 OR NEW.prev <> COALESCE((SELECT hash FROM {table} WHERE site = NEW.site AND seq = NEW.seq - 1), '{genesis}')"""
_SQLITE = (
    "CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    f"CREATE TRIGGER {{table}}_next BEFORE INSERT ON {{table}} WHEN {_NOT_NEXT} BEGIN SELECT RAISE(ABORT, 'not the next row of its site'); END",
)
_POSTGRES = (
    "CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$",
    "CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
    "CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
    f"""CREATE FUNCTION {{table}}_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
 IF {_NOT_NEXT} THEN RAISE EXCEPTION 'not the next row of its site'; END IF; RETURN NEW; END $$""",
    "CREATE TRIGGER {table}_next BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_next()",
)


def _resolve(url: str) -> tuple[str, t.Any, t.Optional[str]]:
    """(name for messages, SQLAlchemy URL, path of a SQLite file or "" in memory or None)."""
    if "://" not in url:
        path = os.path.abspath(os.path.expanduser(url))
        return path, sa.URL.create("sqlite", database=path), path
    try:
        parsed = sa.make_url(url)
    except (sa.exc.SQLAlchemyError, ValueError) as exc:
        raise InputError("ledger url", "not a URL that SQLAlchemy reads") from exc
    if parsed.password is not None:
        raise InputError(f"ledger {parsed.render_as_string()}", "holds a password", "use ~/.pgpass, PGPASSFILE, a service file or a client certificate")
    if parsed.drivername == "postgresql" and importlib.util.find_spec("psycopg"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        return url, parsed, None
    in_memory = not parsed.database or parsed.database == ":memory:"
    return url, parsed, "" if in_memory else os.path.abspath(str(parsed.database))


def _tune(connection: t.Any, _record: t.Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late to read and write as one
    # FULL: a reading whose spool file is gone must survive a power cut.
    for pragma in (f"busy_timeout={_BUSY * 1000}", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _line(exc: BaseException) -> str:
    text = str(getattr(exc, "orig", None) or exc).strip()
    return text.splitlines()[0][:200] if text else type(exc).__name__
