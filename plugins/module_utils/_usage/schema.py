# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a database is opened for the ledger: checked first, migrated when written to, copied before a migration.

The tables themselves are in ``tables``. This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import typing as t
from contextlib import contextmanager

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import open_shared
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import backup
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import (
    ADJUSTMENTS,
    GENESIS,
    IMPORT_ERROR,
    LOOKS,
    MIGRATIONS,
    READINGS,
    Tables,
    migrate,
    pending,
    tables,
    unguarded,
)

with contextlib.suppress(ImportError):  # IMPORT_ERROR says so
    import sqlalchemy as sa
    from sqlalchemy import event

__all__ = ["ADJUSTMENTS", "GENESIS", "IMPORT_ERROR", "LOOKS", "MIGRATIONS", "READINGS", "Database", "Tables", "migrate", "tables"]

_BUSY = 60  # seconds that a writer waits for another
_LOCK = 0x617A7572  # any constant: one advisory lock for every writer of this collection's ledgers
_CACHE = 32 * 1024  # KiB; the index of series is written all over, and with SQLite's 2 MB a million rows take half as long again
_WAYS = {
    "full": "make room there and run it again",
    "no space left": "make room there and run it again",
    "locked": "another program holds it: when that has ended, run it again",
    "readonly": "run as the user who owns it",
    "unable to open": "run as the user who owns its folder",
    "permission denied": "let the database's owner grant it",
    "connection": "when the server answers again, run it again",
}
_DAMAGED = ("malformed", "not a database")  # what SQLite says of a file as soon as it is opened


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

    def close(self) -> None:
        """Let go of the database; the next use opens it again."""
        self._engine.dispose()

    @contextmanager
    def write(self, keep: bool = True) -> t.Iterator[t.Any]:
        """One writing transaction, alone on this database, migrated first; rolled back when ``keep`` is false or the block raises.

        :raises RemoteError: the database refused or is not there.
        """
        if self.path and not os.path.exists(self.path):
            os.makedirs(os.path.dirname(os.path.abspath(self.path)), mode=0o750, exist_ok=True)
            os.close(open_shared(self.path, 0o640))
        with self._errors(), self._engine.connect() as connection:
            if self._sqlite:
                connection.exec_driver_sql(f"PRAGMA cache_size=-{_CACHE}")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            try:
                self._migrate(connection, keep)
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
            missing = pending(connection)
            if len(missing) == len(MIGRATIONS):
                raise MissingError(f"ledger {self.name}", "holds no ledger", "run airgap.azure_ai.harvest first")
            if missing:
                raise InputError(f"ledger {self.name}", f"made by an older collection, lacks {missing[0]}", "the next harvest brings it up to date")
            yield connection
            self._end(connection, False)

    def _migrate(self, connection: t.Any, keep: bool) -> None:
        missing = pending(connection)
        if missing and self.path and keep and len(missing) < len(MIGRATIONS):
            # This transaction has not written anything yet: the copy is what was there before, and nobody else can write meanwhile.
            backup.copy(self.path, f"{self.path}.before-{missing[0]}")
        migrate(connection)
        loose = unguarded(connection)
        if loose:
            problem = f"the trigger {loose[0]} is missing or was altered: rows could have been altered as well"
            raise IntegrityError(f"ledger {self.name}", problem, "let airgap.azure_ai.ledger_info verify it against anchors, then restore a backup")

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
            if any(word in _line(exc) for word in _DAMAGED):
                raise IntegrityError(f"ledger {self.name}", f"no whole SQLite database ({_line(exc)})", backup.WAY_OUT) from exc
            raise RemoteError(f"ledger {self.name}", f"the database refused ({_line(exc)})", _way_out(_line(exc))) from exc


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


def _way_out(text: str) -> str:
    """What to do about what a database said."""
    return next((way for word, way in _WAYS.items() if word in text.lower()), "")


def _line(exc: BaseException) -> str:
    text = str(getattr(exc, "orig", None) or exc).strip()
    return text.splitlines()[0][:200] if text else type(exc).__name__
