# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of the ledger, the triggers that let them only grow, and the migrations. Normative text: docs/ledger.md.

SQLAlchemy is a requirement of control nodes only: without it ``IMPORT_ERROR`` holds the traceback and nothing here works.
This file is private to the collection.
"""

from __future__ import annotations

import functools
import re
import traceback
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar

IMPORT_ERROR: t.Optional[str] = None
try:
    import sqlalchemy as sa
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
ADJUSTMENTS = (
    ("site", "host", "container", "service", "resource", "meter", "month", "quantity", "billed_unit", "kind", "reason")
    + ("author", "entered_at", "document", "signature")
)  # fmt: skip
# Tables without a chain: columns, and those of them that name a row.
PLAIN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ledgers": (("site", "number", "id", "opened_at", "predecessor", "heads", "reason"), ("site", "number")),
    "appends": (("site", "number", "appended_at", "looks_to", "readings_to", "adjustments_to"), ("site", "number")),
    "exports": (("site", "number", "id", "created_at", "detail", "looks_to", "readings_to", "adjustments_to", "heads"), ("site", "id")),
    "receipts": (("site", "number", "export_id", "heads", "issued_at", "received_at", "document", "signature"), ("site", "export_id")),
    "imports": (("site", "ledger", "number", "export_id", "detail", "imported_at", "signer", "heads"), ("site", "export_id")),
    "statements": (
        ("site", "export_id", "number", "service", "resource", "meter", "month", "quantity_low", "quantity_high", "units_low", "units_high", "adjusted"),
        ("site", "export_id", "service", "resource", "meter", "month"),
    ),
    "states": (("site", "export_id", "number", "created_at", "state"), ("site", "export_id")),
}
_INTEGERS = ("look", "http_status", "number", "looks_to", "readings_to", "adjustments_to")
_NULLABLE = ("http_status", "reason", "body_sha256", "meaning_sha256", "billed_unit", "extra", "predecessor", "heads", "adjusted")


class Tables(t.NamedTuple):
    """Chained tables hold their content columns in hash order behind ``site`` and ``seq``, then ``prev`` and ``hash``."""

    metadata: t.Any
    looks: t.Any
    readings: t.Any
    adjustments: t.Any
    migrations: t.Any
    ledgers: t.Any
    appends: t.Any
    exports: t.Any
    receipts: t.Any
    imports: t.Any
    statements: t.Any
    states: t.Any

    def chained(self) -> tuple[tuple[t.Any, tuple[str, ...]], ...]:
        """Every chained table with its content columns."""
        return ((self.looks, LOOKS), (self.readings, READINGS), (self.adjustments, ADJUSTMENTS))


@functools.cache
def tables() -> Tables:
    """The tables as SQLAlchemy sees them."""
    metadata = sa.MetaData()

    def column(name: str, required: bool = False) -> t.Any:
        return sa.Column(name, sa.BigInteger if name in _INTEGERS else sa.Text, nullable=name in _NULLABLE and not required)

    def chained(name: str, columns: tuple[str, ...]) -> t.Any:
        content = [column(item, item == "reason" and name == "adjustments") for item in columns]
        content.insert(1, sa.Column("seq", sa.BigInteger, nullable=False))
        chain = [sa.Column(item, sa.Text, nullable=False) for item in ("prev", "hash")]
        return sa.Table(name, metadata, *content, *chain, sa.UniqueConstraint("site", "seq"))

    looks, readings = chained("looks", LOOKS), chained("readings", READINGS)
    sa.Index("looks_harvest", looks.c.site, looks.c.harvest)
    sa.Index("readings_series", readings.c.site, readings.c.series, readings.c.seq)
    migrations = sa.Table("migrations", metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("applied_at", sa.Text, nullable=False))
    adjustments = chained("adjustments", ADJUSTMENTS)
    plain = [sa.Table(name, metadata, *map(column, columns), sa.UniqueConstraint(*key)) for name, (columns, key) in PLAIN.items()]
    return Tables(metadata, looks, readings, adjustments, migrations, *plain)


def migrate(connection: t.Any) -> list[str]:
    """Apply the migrations that this database does not have yet, in order; return their names."""
    migrations = tables().migrations
    migrations.create(connection, checkfirst=True)
    missing = pending(connection)
    for name in missing:
        dict(MIGRATIONS)[name](connection)
        connection.execute(migrations.insert(), {"name": name, "applied_at": calendar.now()})
    return missing


def pending(connection: t.Any) -> list[str]:
    """Names of migrations that this database does not have yet; all of them when it holds no ledger."""
    have: set[str] = set()
    if sa.inspect(connection).has_table("migrations"):
        have = set(connection.execute(sa.select(tables().migrations.c.name)).scalars())
    return [name for name, _apply in MIGRATIONS if name not in have]


def unguarded(connection: t.Any) -> list[str]:
    """Triggers that should let a table only grow and are missing, switched off or not as this collection made them, what they call included."""
    if connection.dialect.name == "sqlite":
        want = {_NAME.findall(statement)[0]: " ".join(statement.split()) for statement in _guards("sqlite")}
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        have = {name: " ".join(text.split()) for name, text in found}
        return sorted(name for name, text in want.items() if have.get(name) != text)
    wanted, calls = _as_postgresql_tells()
    # A function that was replaced, or that finds other tables by a search path of its own, leaves its trigger as it was.
    query = """SELECT tgname, pg_get_triggerdef(t.oid, true), proname, prosrc, lanname FROM pg_trigger t
        JOIN pg_proc p ON p.oid = tgfoid JOIN pg_language l ON l.oid = prolang
        WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND proconfig IS NULL AND pg_table_is_visible(tgrelid)"""
    fine = set()
    for name, text, function, source, language in connection.exec_driver_sql(query):
        called = calls.get(function) == _plain(source) and language == "plpgsql"
        if called and wanted.get(name) == _plain(text):
            fine.add(name)
    return sorted(wanted.keys() - fine)


def _as_postgresql_tells() -> tuple[dict[str, str], dict[str, str]]:
    """Definition by trigger, source by function, as its catalog has them."""
    every = [text for name in _GUARDED for text in (*_unchanging(name, "postgresql"), *_next(name, "postgresql", True))]
    triggers = {_NAME.findall(text)[0]: _plain(text).replace("UPDATE OR DELETE", "DELETE OR UPDATE") for text in every if _NAME.match(text)}
    return triggers, {_FUNCTION.findall(text)[0]: _plain(text.split("$$")[1]) for text in every if _FUNCTION.match(text)}


def _plain(text: str) -> str:
    # Some drivers leave a per cent sign doubled that was written so for others; to LIKE it is the same.
    return " ".join(text.split()).replace("%%", "%")


def _first(connection: t.Any) -> None:
    """Looks and readings, and triggers that let nothing happen to them but the next row of a site."""
    for name in ("looks", "readings"):
        _make(connection, name)


def _adjustments(connection: t.Any) -> None:
    """Signed adjustments, chained like readings."""
    _make(connection, "adjustments")


def _crossing(connection: t.Any) -> None:
    """Ledger ids, appends, and what crossed between sites and headquarters."""
    for name in PLAIN:
        _make(connection, name)
    looks, readings = tables().looks, tables().readings
    sums = sa.select(looks.c.site, sa.func.max(looks.c.recorded_at), sa.func.max(looks.c.seq)).group_by(looks.c.site)
    for site, moment, last in connection.execute(sums).all():
        values = connection.execute(sa.select(sa.func.coalesce(sa.func.max(readings.c.seq), 0)).where(readings.c.site == site)).scalar()
        row = {"site": site, "number": 1, "appended_at": moment, "looks_to": last, "readings_to": values, "adjustments_to": 0}
        connection.execute(tables().appends.insert(), row)


def _guard_row_ids(connection: t.Any) -> None:
    """In SQLite a row can be replaced by its hidden number as well, which no delete trigger sees."""
    if connection.dialect.name == "sqlite":
        for name in ("looks", "readings"):
            connection.exec_driver_sql(f"DROP TRIGGER {name}_next")
            connection.exec_driver_sql(_next(name, "sqlite")[-1])
    # Looks that say that the record files of a source are gone or older than before: few among millions.
    connection.exec_driver_sql("CREATE INDEX looks_evidence ON looks (site, seq) WHERE outcome IN ('usage', 'no_usage') AND reason IS NOT NULL")


def _continued(connection: t.Any) -> None:
    """A chain may go on behind rows that were lost here and that headquarters has."""
    for name in ("looks", "readings", "adjustments"):
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"DROP TRIGGER {name}_next")
            connection.exec_driver_sql(_next(name, "sqlite", True)[-1])
        else:
            connection.exec_driver_sql(
                _next(name, connection.dialect.name, True)[0].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace("%", "%%")
            )


MIGRATIONS: tuple[tuple[str, t.Callable[[t.Any], None]], ...] = (
    ("0001_looks_and_readings", _first),
    ("0002_adjustments", _adjustments),
    ("0003_crossing", _crossing),
    ("0004_row_ids", _guard_row_ids),
    ("0005_continued", _continued),
)


def _make(connection: t.Any, name: str) -> None:
    tables().metadata.tables[name].create(connection)
    for statement in (*_unchanging(name, connection.dialect.name), *_next(name, connection.dialect.name)):
        connection.exec_driver_sql(statement)


_GUARDED = ("looks", "readings", "adjustments", *PLAIN)
_NAME = re.compile(r"CREATE TRIGGER (\w+)")
_FUNCTION = re.compile(r"CREATE FUNCTION (\w+)")


def _guards(dialect: str) -> list[str]:
    """The statement of every trigger."""
    return [text for name in _GUARDED for text in (*_unchanging(name, dialect), *_next(name, dialect, True)) if _NAME.match(text)]


def _unchanging(table: str, dialect: str) -> tuple[str, ...]:
    if dialect == "sqlite":
        refuse = "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        return tuple(f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} {refuse}" for verb in ("update", "delete"))
    return (
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
    )


def _next(table: str, dialect: str, continued: bool = False) -> tuple[str, ...]:
    """What refuses a row that would replace another, and in a chain every row but the next; ``continued`` is how it is since migration 0005."""
    wrong, says = [], "not the next row of its site"
    if table in PLAIN:
        says = "the ledger is append-only"
        if dialect == "sqlite":
            # INSERT OR REPLACE deletes without a delete trigger. PostgreSQL has no such thing: its unique key refuses.
            wrong.append(f"EXISTS (SELECT 1 FROM {table} WHERE {' AND '.join(f'{name} = NEW.{name}' for name in PLAIN[table][1])})")
    else:
        # Rows have no gaps, as each came in through here: the row before is there and this one is not, so it is the next.
        before = f"EXISTS (SELECT 1 FROM {table} WHERE site = NEW.site AND seq = NEW.seq - 1 AND hash = NEW.prev)"
        # A ledger that was put back without its last rows goes on behind them: its row in ledgers names where they ended.
        point = f"""'%"{table}":{{"hash":"' || NEW.prev || '","seq":' || (NEW.seq - 1) || '}}%'"""
        begun = f" OR EXISTS (SELECT 1 FROM ledgers WHERE site = NEW.site AND heads LIKE {point})" if continued else ""
        wrong.append(f"NOT ({before} OR (NEW.seq = 1 AND NEW.prev = '{GENESIS}'){begun})")
        # A chain that goes on behind lost rows has a gap, which nobody may fill afterwards.
        wrong.append(f"EXISTS (SELECT 1 FROM {table} WHERE site = NEW.site AND seq {'>=' if continued else '='} NEW.seq)")
    if dialect == "sqlite":
        wrong.append(f"EXISTS (SELECT 1 FROM {table} WHERE rowid = NEW.rowid)")
        return (f"CREATE TRIGGER {table}_next BEFORE INSERT ON {table} WHEN {' OR '.join(wrong)} BEGIN SELECT RAISE(ABORT, '{says}'); END",)
    if not wrong:
        return ()
    return (
        f"""CREATE FUNCTION {table}_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
 IF {" OR ".join(wrong)} THEN RAISE EXCEPTION '{says}'; END IF; RETURN NEW; END $$""",
        f"CREATE TRIGGER {table}_next BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_next()",
    )
