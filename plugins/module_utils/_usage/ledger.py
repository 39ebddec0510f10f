# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: append what harvests brought, verify the chain, read it back. Normative text: docs/ledger.md.

Functions take an open connection (``schema.Database``), so that one transaction holds all that belongs together.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import hashlib
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.records import dumps, meaning_sha256
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import GENESIS, LOOKS, READINGS, tables

with contextlib.suppress(ImportError):  # schema.IMPORT_ERROR says so
    import sqlalchemy as sa

_CHUNK = 500  # values in one IN list, rows in one INSERT
_COMPARED = ("quantity", "billed_unit", "host", "container", "release", "resource")  # a reading is new when one of them is


class Outcome(t.NamedTuple):
    """What an append did: rows appended (``looks``, ``new``), values seen (``readings``), ``failures`` merged per container and reason."""

    looks: int
    readings: int
    new: int
    failures: list[dict[str, t.Any]]


def row_hash(table: str, columns: t.Sequence[str], row: t.Mapping[str, t.Any]) -> str:
    """The hash of a row: over its ``prev``, the table's name, ``seq`` and every content column in order."""
    content = dumps([table, row["seq"], *[row[column] for column in columns]])
    return hashlib.sha256(f"{row['prev']}\n{content}".encode()).hexdigest()


def series_of(source: str, reporter: str, service: str, meter: str, month: str) -> str:
    """Short key of a series: 16 hex digits."""
    return hashlib.sha256(dumps([source, reporter, service, meter, month]).encode("utf-8")).hexdigest()[:16]


class _Chain:
    """The open end of one table's chain for one site; collects rows and inserts them in chunks."""

    def __init__(self, connection: t.Any, table: t.Any, columns: tuple[str, ...], site: str) -> None:
        self._connection, self._table, self._columns, self._site = connection, table, columns, site
        head = connection.execute(sa.select(table.c.seq, table.c.hash).where(table.c.site == site).order_by(table.c.seq.desc()).limit(1)).first()
        self.seq: int = head[0] if head else 0
        self._hash: str = head[1] if head else GENESIS
        self._rows: list[dict[str, t.Any]] = []
        self.count = 0

    def add(self, row: dict[str, t.Any]) -> int:
        """Append a row (content columns only); return its seq."""
        self.seq += 1
        row.update(site=self._site, seq=self.seq, prev=self._hash)
        row["hash"] = self._hash = row_hash(self._table.name, self._columns, row)
        self._rows.append(row)
        self.count += 1
        return self.seq

    def flush(self, least: int = 1) -> None:
        """Send rows that wait, when there are ``least``."""
        if len(self._rows) >= least:
            self._connection.execute(self._table.insert(), self._rows)
            self._rows = []


class Appender:
    """Appends the documents of one site. Use: ``add`` each document, ``expect`` what should have come, then ``finish``."""

    def __init__(self, connection: t.Any, site: str) -> None:
        found = tables()
        self._connection, self._site = connection, site
        self._looks = _Chain(connection, found.looks, LOOKS, site)
        self._readings = _Chain(connection, found.readings, READINGS, site)
        self._known: dict[str, set[tuple[str, str, str, str]]] = {}
        self._last: dict[str, tuple[t.Any, ...]] = {}
        self._failures: dict[tuple[str, str, str, str], list[str]] = {}
        self._seen = 0

    def add(self, document: t.Mapping[str, t.Any]) -> None:
        """Append a checked spool document; looks that this harvest already has are passed over."""
        endpoints = {endpoint["name"]: _attributes(document["host"], endpoint) for endpoint in document["answer"]["endpoints"]}
        fresh = []
        for reading in document["answer"]["readings"]:
            seq = self._look(document, endpoints[reading["name"]], reading, reading["outcome"], meaning_sha256(reading))
            self._seen += len(reading["meters"])
            if seq:
                fresh.append((seq, reading, {**endpoints[reading["name"]], "host": document["host"]}))
        for failure in document["answer"]["failures"]:
            base = endpoints[failure["name"]]
            self._fail(document["host"], base["container"], failure["kind"], failure["reason"], failure["scope"])
            self._look(document, base, failure, failure["kind"], None)
        rows = [row for seq, reading, base in fresh for row in _values(seq, reading, base)]
        self._remember({row["series"] for row in rows} - self._last.keys())
        for row in rows:
            value = tuple(row[column] for column in _COMPARED)
            if self._last.get(row["series"]) != value:
                self._last[row["series"]] = value
                self._readings.add(row)
        self._looks.flush(_CHUNK)
        self._readings.flush(_CHUNK)

    def expect(self, harvest: str, expected: t.Sequence[t.Mapping[str, t.Any]], moment: str) -> None:
        """Append a look without an answer for every expected host, container and scope that this harvest has no look for."""
        have = {key[:3] for key in self._have(harvest)}
        for item in expected:
            base = _attributes(item["host"], {"name": item["container"], "service": item.get("service")})
            document = {"host": item["host"], "harvest": harvest, "spooled_at": moment}
            for scope in (*(item.get("months") or ()), calendar.ALL):
                if (item["host"], item["container"], scope) not in have:
                    self._fail(item["host"], item["container"], "no_answer", "host not reached", scope)
                    self._look(document, base, {"scope": scope, "url": "", "reason": "host not reached"}, "no_answer", None)

    def finish(self) -> Outcome:
        """Send what waits; return what was done."""
        self._looks.flush()
        self._readings.flush()
        failures = [
            {"host": host, "container": container, "kind": kind, "reason": reason, "scopes": sorted(scopes)}
            for (host, container, kind, reason), scopes in sorted(self._failures.items())
        ]
        return Outcome(self._looks.count, self._seen, self._readings.count, failures)

    def _fail(self, host: str, container: str, kind: str, reason: str, scope: str) -> None:
        self._failures.setdefault((host, container, kind, reason), []).append(scope)

    def _have(self, harvest: str) -> set[tuple[str, str, str, str]]:
        if harvest not in self._known:
            looks = tables().looks
            columns = (looks.c.host, looks.c.container, looks.c.scope, looks.c.observed_at)
            query = sa.select(*columns).where(looks.c.site == self._site, looks.c.harvest == harvest)
            self._known[harvest] = {tuple(row) for row in self._connection.execute(query)}
        return self._known[harvest]

    def _look(self, document: t.Mapping[str, t.Any], base: dict[str, str], answer: t.Mapping[str, t.Any], outcome: str, meaning: t.Optional[str]) -> int:
        """Append one look; return its seq, or 0 when the harvest has it already."""
        observed = answer.get("observed_at") or document["spooled_at"]
        key = (document["host"], base["container"], answer["scope"], observed)
        known = self._have(document["harvest"])
        if key in known:
            return 0
        known.add(key)
        row: dict[str, t.Any] = {
            **base,
            "harvest": document["harvest"],
            "host": document["host"],
            "url": answer["url"],
            "scope": answer["scope"],
            "outcome": outcome,
            "http_status": answer.get("http_status"),
            "reason": answer.get("reason"),
            "observed_at": observed,
            "recorded_at": document["spooled_at"],
            "body_sha256": answer.get("body_sha256"),
            "meaning_sha256": meaning,
        }
        return self._looks.add(row)

    def _remember(self, series: set[str]) -> None:
        """Fetch the last value of each series into ``_last``."""
        readings = tables().readings
        wanted = sorted(series)
        for start in range(0, len(wanted), _CHUNK):
            chosen = readings.c.series.in_(wanted[start : start + _CHUNK])
            newest = sa.select(sa.func.max(readings.c.seq)).where(readings.c.site == self._site, chosen).group_by(readings.c.series)
            columns = [readings.c.series, *[readings.c[column] for column in _COMPARED]]
            query = sa.select(*columns).where(readings.c.site == self._site, readings.c.seq.in_(newest))
            # Rows that wait in the chain are in _last already: they were put there when they were made.
            for row in self._connection.execute(query):
                self._last[row[0]] = tuple(row[1:])


def _attributes(host: str, endpoint: t.Mapping[str, t.Any]) -> dict[str, str]:
    container = endpoint.get("container") or endpoint["name"]
    return {
        "container": container,
        "source": endpoint.get("source") or f"host:{host}/{container}",
        "reporter": endpoint.get("reporter") or container,
        "service": endpoint.get("service") or "",
        "release": endpoint.get("release") or "",
        "resource": endpoint.get("resource") or "",
    }


def _values(look: int, reading: t.Mapping[str, t.Any], base: dict[str, str]) -> t.Iterator[dict[str, t.Any]]:
    service = base["service"] or reading["service_name"]
    extra = dumps(reading["extra"]) if reading["extra"] else None
    for meter in reading["meters"]:
        yield {
            **base,
            "service": service,
            "look": look,
            "series": series_of(base["source"], base["reporter"], service, meter["name"], reading["scope"]),
            "meter": meter["name"],
            "month": reading["scope"],
            "quantity": meter["quantity"],
            "billed_unit": meter["billed_unit"],
            "extra": extra,
            "observed_at": reading["observed_at"],
        }


def heads(connection: t.Any) -> dict[str, dict[str, dict[str, t.Any]]]:
    """Head of each chain: ``{site: {table: {"seq", "hash"}}}``, what an anchor outside should hold."""
    found = tables()
    result: dict[str, dict[str, dict[str, t.Any]]] = {}
    for table in (found.looks, found.readings):
        newest = sa.select(table.c.site, sa.func.max(table.c.seq).label("seq")).group_by(table.c.site).subquery()
        query = sa.select(table.c.site, table.c.seq, table.c.hash).join(newest, sa.and_(table.c.site == newest.c.site, table.c.seq == newest.c.seq))
        for site, seq, digest in connection.execute(query):
            result.setdefault(site, {})[table.name] = {"seq": seq, "hash": digest}
    return result


def verify(connection: t.Any, anchors: t.Sequence[t.Mapping[str, t.Any]] = ()) -> list[str]:
    """Walk every chain; return one line per table whose chain is broken (its first bad row), and one per anchor that is not in it.

    :param anchors: heads written down elsewhere, ``site``, ``table``, ``seq``, ``hash``.
    """
    found = tables()
    problems = []
    for table, columns in ((found.looks, LOOKS), (found.readings, READINGS)):
        problem = _first_bad(connection, table, columns)
        if problem:
            problems.append(problem)
        for anchor in anchors:
            if anchor["table"] == table.name:
                query = sa.select(table.c.hash).where(table.c.site == anchor["site"], table.c.seq == anchor["seq"])
                if connection.execute(query).scalar() != anchor["hash"]:
                    problems.append(f"site {anchor['site']}, {table.name} row {anchor['seq']}: not the row that the anchor names")
    return problems


def _first_bad(connection: t.Any, table: t.Any, columns: tuple[str, ...]) -> t.Optional[str]:
    names = ("site", "seq", "prev", "hash", *columns[1:])
    query = sa.select(*[table.c[name] for name in names]).order_by(table.c.site, table.c.seq)
    site, seq, head = None, 0, GENESIS
    for row in connection.execution_options(yield_per=2000).execute(query):
        if row[0] != site:
            site, seq, head = row[0], 0, GENESIS
        seq += 1
        where = f"site {site}, {table.name} row {seq}"
        if row[1] != seq:
            return f"{where}: missing, row {row[1]} follows"
        if row[2] != head:
            return f"{where}: does not follow row {seq - 1}"
        content = dumps([table.name, seq, site, *row[4:]])
        head = hashlib.sha256(f"{row[2]}\n{content}".encode()).hexdigest()
        if row[3] != head:
            return f"{where}: its content does not match its hash"
    return None
