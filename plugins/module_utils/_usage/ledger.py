# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: append what harvests brought, verify the chain. Normative text: docs/ledger.md.

Functions take an open connection (``schema.Database``), so that one transaction holds all that belongs together.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.memory import Memory
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.records import dumps, meaning_sha256
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import GENESIS, LOOKS, READINGS, tables

with contextlib.suppress(ImportError):  # tables.IMPORT_ERROR says so
    import sqlalchemy as sa

MAX_SEQ = 2**63 - 1  # what the databases can hold
EVIDENCE = ("reset", "restored")  # record files of a source are gone; they are older than they were before
_CHUNK = 500  # values in one IN list, rows in one INSERT
_MOST = 50_000  # values and harvests remembered at once, so that an append of any size fits into memory

Evidence = t.Mapping[tuple[str, str, str], str]
_Base = dict[str, str]


class Outcome(t.NamedTuple):
    """What an append did: rows appended (``looks``, ``new``), values seen (``readings``), ``failures`` merged per container and reason.

    ``answers``: (host, container) to answers over all time, months that answered, and new readings, of every container that was looked at.
    """

    looks: int
    readings: int
    new: int
    failures: list[dict[str, t.Any]]
    answers: dict[tuple[str, str], list[int]]


def row_hash(table: str, columns: t.Sequence[str], row: t.Mapping[str, t.Any]) -> str:
    """The hash of a row: over its ``prev``, the table's name, ``seq`` and every content column in order."""
    content = dumps([table, row["seq"], *[row[column] for column in columns]])
    return hashlib.sha256(f"{row['prev']}\n{content}".encode()).hexdigest()


def series_of(source: str, reporter: str, service: str, meter: str, month: str) -> str:
    """Short key of a series: 16 hex digits."""
    return hashlib.sha256(dumps((source, reporter, service, meter, month)).encode("utf-8")).hexdigest()[:16]


class Chain:
    """The open end of one table's chain for one site; collects rows and inserts them in chunks."""

    def __init__(self, connection: t.Any, table: t.Any, columns: tuple[str, ...], site: str) -> None:
        self._connection, self._name, self._site = connection, table.name, site
        head = connection.execute(_last(table, site)).first()
        self.seq: int = head[0] if head else 0
        self.head: str = head[1] if head else GENESIS
        lost = _begun(connection, site).get(table.name)
        if lost and lost["seq"] > self.seq:
            self.seq, self.head = lost["seq"], lost["hash"]
        self._rows: list[tuple[t.Any, ...]] = []
        self.count = 0
        names = ("site", "seq", *columns[1:], "prev", "hash")
        marks = ", ".join(["?" if connection.dialect.paramstyle == "qmark" else "%s"] * len(names))
        # The driver's own form: SQLAlchemy's walk over every value costs as much as the insert.
        self._insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"

    def add(self, *values: t.Union[str, int, None]) -> int:
        """Append a row, its content columns in order without the site; return its seq."""
        self.seq += 1
        content = dumps((self._name, self.seq, self._site, *values))
        prev, self.head = self.head, hashlib.sha256(f"{self.head}\n{content}".encode()).hexdigest()
        self._rows.append((self._site, self.seq, *values, prev, self.head))
        self.count += 1
        return self.seq

    def flush(self, least: int = 1) -> None:
        """Send rows that wait, when there are ``least``."""
        if len(self._rows) >= least:
            self._connection.exec_driver_sql(self._insert, self._rows)
            self._rows = []


class Appender:
    """Appends the documents of one site. Use: ``add`` each document, ``expect`` what should have come, then ``finish``.

    :param evidence: what was seen of record files: (harvest, host, container) to one of EVIDENCE
    :param memory: what the appends before this one know
    """

    def __init__(self, connection: t.Any, site: str, evidence: t.Optional[Evidence] = None, memory: t.Optional[Memory] = None) -> None:
        found = tables()
        self._connection, self._site = connection, site
        self._looks = Chain(connection, found.looks, LOOKS, site)
        self._readings = Chain(connection, found.readings, READINGS, site)
        self._evidence = evidence or {}
        self._memory = memory or Memory()
        self._memory.begin((self._looks.head, self._readings.head))
        self._known, self._last, self._series = self._memory.looks, self._memory.last, self._memory.series
        self._failures: dict[tuple[str, str, str, str], list[str]] = {}
        self._answers: dict[tuple[str, str], list[int]] = {}
        self._seen = 0

    def add(self, document: t.Mapping[str, t.Any]) -> None:
        """Append a checked spool document; looks that this harvest already has are passed over."""
        host, harvest = document["host"], document["harvest"]
        endpoints = {endpoint["name"]: _attributes(host, endpoint) for endpoint in document["answer"]["endpoints"]}
        fresh = []
        for reading in document["answer"]["readings"]:
            base = endpoints[reading["name"]]
            self._count(host, base["container"])[0 if reading["scope"] == calendar.ALL else 1] += 1
            told = self._evidence.get((harvest, host, base["container"]))
            seq = self._look(document, base, reading, reading["outcome"], told, meaning_sha256(reading))
            self._seen += len(reading["meters"])
            if seq:
                fresh.append((seq, told is not None, reading, base))
        for failure in document["answer"]["failures"]:
            base = endpoints[failure["name"]]
            self._fail(host, base["container"], failure["kind"], failure["reason"], failure["scope"])
            self._look(document, base, failure, failure["kind"], failure["reason"], None)
        self._append_values(host, fresh)
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
                    self._look(document, base, {"scope": scope, "url": ""}, "no_answer", "host not reached", None)

    def finish(self) -> Outcome:
        """Send what waits, note when it was appended; return what was done."""
        self._looks.flush()
        self._readings.flush()
        if self._looks.count and current(self._connection, self._site) is None:
            open_ledger(self._connection, self._site, "first append")
        stamp(self._connection, self._site)
        self._memory.end((self._looks.head, self._readings.head))
        failures = [
            {"host": host, "container": container, "kind": kind, "reason": reason, "scopes": sorted(scopes)}
            for (host, container, kind, reason), scopes in sorted(self._failures.items())
        ]
        return Outcome(self._looks.count, self._seen, self._readings.count, failures, self._answers)

    def _count(self, host: str, container: str) -> list[int]:
        return self._answers.setdefault((host, container), [0, 0, 0])

    def _fail(self, host: str, container: str, kind: str, reason: str, scope: str) -> None:
        self._count(host, container)
        self._failures.setdefault((host, container, kind, reason), []).append(scope)

    def _have(self, harvest: str) -> set[tuple[str, str, str, str]]:
        known = self._known.get(harvest)
        if known is None:
            if sum(map(len, self._known.values())) > _MOST:
                self._looks.flush()
                self._known.clear()
            looks = tables().looks
            query = sa.select(looks.c.host, looks.c.container, looks.c.scope, looks.c.observed_at).where(looks.c.site == self._site, looks.c.harvest == harvest)
            known = self._known[harvest] = {tuple(row) for row in self._connection.execute(query)}
        return known

    def _look(
        self, document: t.Mapping[str, t.Any], base: _Base, answer: t.Mapping[str, t.Any], outcome: str, reason: t.Optional[str], meaning: t.Optional[str]
    ) -> int:
        """Append one look; return its seq, or 0 when the harvest has it already."""
        host, harvest, recorded = document["host"], document["harvest"], document["spooled_at"]
        observed = answer.get("observed_at") or recorded
        key = (host, base["container"], answer["scope"], observed)
        known = self._have(harvest)
        if key in known:
            return 0
        known.add(key)
        source, reporter, service, container, release, resource = base.values()
        place = (harvest, host, container, source, reporter, service, answer["url"], release, resource, answer["scope"], outcome)
        return self._looks.add(*place, answer.get("http_status"), reason, observed, recorded, answer.get("body_sha256"), meaning)

    def _append_values(self, host: str, fresh: t.Sequence[tuple[int, bool, t.Mapping[str, t.Any], _Base]]) -> None:
        """Append the values that are new in their series, and those that evidence tells to count anew."""
        if len(self._last) > _MOST:
            self._readings.flush()
            self._last.clear()
            self._series.clear()
        rows = [row for look, anew, reading, base in fresh for row in self._values(look, anew, reading, base)]
        # Not by subtracting the keys, which would walk over all that is remembered.
        self._remember({row[1] for row in rows if row[1] not in self._last})
        for look, series, anew, base, service, meter, reading, extra in rows:
            source, reporter, _service, container, release, resource = base.values()
            quantity, billed = meter["quantity"], meter["billed_unit"]
            value = (quantity, billed, host, container, release, resource)
            if anew or self._last.get(series) != value:
                self._last[series] = value
                self._count(host, container)[2] += 1
                place = (source, reporter, service, meter["name"], reading["scope"], host, container, release, resource)
                self._readings.add(look, series, *place, quantity, billed, extra, reading["observed_at"])

    def _values(self, look: int, anew: bool, reading: t.Mapping[str, t.Any], base: _Base) -> t.Iterator[tuple[t.Any, ...]]:
        service = base["service"] or reading["service_name"]
        extra = dumps(reading["extra"]) if reading["extra"] else None
        for meter in reading["meters"]:
            key = (base["source"], base["reporter"], service, meter["name"], reading["scope"])
            series = self._series.get(key)
            if series is None:
                series = self._series[key] = series_of(*key)
            yield look, series, anew, base, service, meter, reading, extra

    def _remember(self, series: set[str]) -> None:
        """Fetch the last value of each series into ``_last``."""
        if not series or not self._readings.seq:
            return
        readings = tables().readings
        wanted = sorted(series)
        for start in range(0, len(wanted), _CHUNK):
            chosen = readings.c.series.in_(wanted[start : start + _CHUNK])
            newest = sa.select(sa.func.max(readings.c.seq)).where(readings.c.site == self._site, chosen).group_by(readings.c.series)
            columns = [readings.c[name] for name in ("series", "quantity", "billed_unit", "host", "container", "release", "resource")]
            query = sa.select(*columns).where(readings.c.site == self._site, readings.c.seq.in_(newest))
            # Rows that wait in the chain are in _last already: they were put there when they were made.
            for row in self._connection.execute(query):
                self._last[row[0]] = tuple(row[1:])


def _attributes(host: str, endpoint: t.Mapping[str, t.Any]) -> _Base:
    """The order counts: callers unpack the values."""
    container = endpoint.get("container") or endpoint["name"]
    return {
        "source": endpoint.get("source") or f"host:{host}/{container}",
        "reporter": endpoint.get("reporter") or container,
        "service": endpoint.get("service") or "",
        "container": container,
        "release": endpoint.get("release") or "",
        "resource": endpoint.get("resource") or "",
    }


def current(connection: t.Any, site: str) -> t.Optional[dict[str, t.Any]]:
    """The last row of ``ledgers`` for a site: which ledger this is; None before the first append."""
    ledgers = tables().ledgers
    row = connection.execute(sa.select(ledgers).where(ledgers.c.site == site).order_by(ledgers.c.number.desc()).limit(1)).first()
    return None if row is None else dict(row._mapping)


def writers(connection: t.Any) -> list[str]:
    """Sites that append to this ledger themselves; those whose rows came with imports are none."""
    found = tables()
    query = sa.select(found.ledgers.c.site).where(found.ledgers.c.site.not_in(sa.select(found.imports.c.site))).distinct()
    return sorted(connection.execute(query).scalars())


def _begun(connection: t.Any, site: str) -> dict[str, dict[str, t.Any]]:
    """Where the chains of the ledger before the current one ended, by table; empty when there was none."""
    before = current(connection, site)
    return json.loads(before["heads"]) if before and before["heads"] else {}


def open_ledger(connection: t.Any, site: str, reason: str, moment: t.Optional[str] = None, known: t.Optional[t.Mapping[str, t.Any]] = None) -> str:
    """Begin a new ledger id for a site, naming the one before and where its chains ended; return the id.

    A restored ledger needs one: its former self may have written rows that the backup does not have.

    :param known: ``ledger`` and ``heads`` as headquarters knows them, from a receipt; rows that it has and this ledger lost are gone on behind.
    """
    before = current(connection, site)
    ends = heads(connection, site).get(site, {})
    for name, head in (known or {}).get("heads", {}).items():
        if head["seq"] > ends.get(name, {"seq": 0})["seq"]:
            ends[name] = {"hash": head["hash"], "seq": head["seq"]}
    predecessor = before["id"] if before else None
    if known and known["ledger"] not in _ids(connection, site):
        predecessor = known["ledger"]
    row = {
        "site": site,
        "number": before["number"] + 1 if before else 1,
        "id": secrets.token_hex(16),
        "opened_at": moment or calendar.now(),
        "predecessor": predecessor,
        "heads": dumps(ends) if predecessor else None,
        "reason": reason,
    }
    connection.execute(tables().ledgers.insert(), row)
    return str(row["id"])


def _ids(connection: t.Any, site: str) -> set[str]:
    """Every ledger that the site's ledger knows to have been."""
    ledgers = tables().ledgers
    rows = connection.execute(sa.select(ledgers.c.id, ledgers.c.predecessor).where(ledgers.c.site == site))
    return {name for row in rows for name in row if name}


def stamp(connection: t.Any, site: str, moment: t.Optional[str] = None) -> None:
    """Note when the rows that a site has now were appended, which is what ``as_of`` goes by. Call it last in every transaction that appends."""
    appends = tables().appends
    last = connection.execute(sa.select(appends).where(appends.c.site == site).order_by(appends.c.number.desc()).limit(1)).first()
    found = heads(connection, site).get(site, {})
    ends = [found.get(table.name, {}).get("seq", 0) for table, _columns in tables().chained()]
    if not any(ends) or (last is not None and ends == list(last[3:6])):
        return
    # A clock that was set back must not make an answer for a past moment change.
    when = max(moment or calendar.now(), last.appended_at if last is not None else "")
    row = {"site": site, "number": last.number + 1 if last is not None else 1, "appended_at": when}
    connection.execute(appends.insert(), {**row, **dict(zip(("looks_to", "readings_to", "adjustments_to"), ends))})


def heads(connection: t.Any, site: t.Optional[str] = None) -> dict[str, dict[str, dict[str, t.Any]]]:
    """Head of each chain: ``{site: {table: {"seq", "hash"}}}``, what an anchor outside should hold."""
    result: dict[str, dict[str, dict[str, t.Any]]] = {}
    for table, _columns in tables().chained():
        for where in sites(connection, table) if site is None else [site]:
            row = connection.execute(_last(table, where)).first()
            if row is not None:
                result.setdefault(where, {})[table.name] = {"seq": row[0], "hash": row[1]}
    return result


def sites(connection: t.Any, table: t.Any) -> t.Iterator[str]:
    """Every site that a chained table has rows of, in order; from one to the next by the index, as ``DISTINCT`` would walk over all rows."""
    site = connection.execute(sa.select(sa.func.min(table.c.site))).scalar()
    while site is not None:
        yield site
        site = connection.execute(sa.select(sa.func.min(table.c.site)).where(table.c.site > site)).scalar()


def _last(table: t.Any, site: str) -> t.Any:
    """Query for seq and hash of the last row of a chain, which an aggregate would look for among all rows of the site."""
    return sa.select(table.c.seq, table.c.hash).where(table.c.site == site).order_by(table.c.seq.desc()).limit(1)


def holds(connection: t.Any, name: str, site: str, head: t.Mapping[str, t.Any]) -> bool:
    """Whether the row that a head names is in the ledger; row 0 always is."""
    table = tables().metadata.tables[name]
    found = connection.execute(sa.select(table.c.hash).where(table.c.site == site, table.c.seq == head["seq"])).scalar()
    return (found or GENESIS) == head["hash"]


def verify(connection: t.Any, anchors: t.Sequence[t.Mapping[str, t.Any]] = ()) -> list[str]:
    """Walk every chain; return one line per chain that is broken (its first bad row), and one per anchor that is not in it.

    :param anchors: heads written down elsewhere, ``site``, ``table``, ``seq``, ``hash``.
    """
    problems = []
    for table, columns in tables().chained():
        problems += [problem for site in sites(connection, table) for problem in first_bad(connection, table, columns, site)]
        for anchor in anchors:
            if anchor["table"] == table.name:
                query = sa.select(table.c.hash).where(table.c.site == anchor["site"], table.c.seq == anchor["seq"])
                if connection.execute(query).scalar() != anchor["hash"]:
                    problems.append(f"site {anchor['site']}, {table.name} row {anchor['seq']}: not the row that the anchor names")
    return problems


def first_bad(connection: t.Any, table: t.Any, columns: tuple[str, ...], site: str, head: t.Optional[t.Mapping[str, t.Any]] = None) -> list[str]:
    """The first bad row of one chain, in a line, or nothing; with ``head`` only of that row, which must be there, and of those behind it."""
    seq, before = (head["seq"] - 1, None) if head else (0, GENESIS)
    query = sa.select(*[table.c[name] for name in ("seq", "prev", "hash", *columns[1:])]).where(table.c.site == site, table.c.seq > seq).order_by(table.c.seq)
    where = f"site {site}, {table.name} row"
    for row in connection.execute(query.execution_options(yield_per=2000)):
        seq += 1
        if row[0] > seq and before is not None and {"hash": row[1], "seq": row[0] - 1} in _continuations(connection, table.name, site):
            ended = _ended(connection, table, site, row[0])
            if ended != seq - 1:
                return [f"{where} {ended + 1}: no append left it here, so it was put where rows are lost"]
            seq, before = row[0], row[1]
        if row[0] != seq:
            return [f"{where} {seq}: missing, row {row[0]} follows"]
        if before not in (None, row[1]):
            return [f"{where} {seq}: does not follow row {seq - 1}"]
        before = hashlib.sha256(f"{row[1]}\n{dumps((table.name, seq, site, *row[3:]))}".encode()).hexdigest()
        if row[2] != before:
            return [f"{where} {seq}: its content does not match its hash"]
        if head and seq == head["seq"] and before != head["hash"]:
            return [f"{where} {seq}: not the row that the last report named"]
    return [f"{where} {head['seq']}: missing, the last report named it"] if head and seq < head["seq"] else []


def _ended(connection: t.Any, table: t.Any, site: str, seq: int) -> int:
    """Where the last append ended that left a chain before row ``seq``: nobody appends anything in between."""
    appends = tables().appends
    end = appends.c[f"{table.name}_to"]
    return connection.execute(sa.select(sa.func.coalesce(sa.func.max(end), 0)).where(appends.c.site == site, end < seq)).scalar() or 0


def _continuations(connection: t.Any, name: str, site: str) -> list[dict[str, t.Any]]:
    """Where chains of the site ended whose last rows may have been lost here."""
    ledgers = tables().ledgers
    return [json.loads(text).get(name) for text in connection.execute(sa.select(ledgers.c.heads).where(ledgers.c.site == site)).scalars().all() if text]
