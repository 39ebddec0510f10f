# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the ledger back: rows for the rules, totals by any column, which months are closed, who was looked at.

Every function takes ``as_of``, a time in UTC: then only what was appended until then counts, so the answer is the same for ever.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import typing as t
from decimal import Decimal

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import findings, ledger
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.counter import Interval, plain
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.findings import Reopened, Seen
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.rules import Events, Part, Result, account
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import tables

with contextlib.suppress(ImportError):  # tables.IMPORT_ERROR says so
    import sqlalchemy as sa

DIMENSIONS = ("site", "host", "container", "service", "resource", "meter", "month")
COLUMNS = (
    "site",
    "series",
    "quantity",
    "billed_unit",
    "host",
    "container",
    "resource",
    "source",
    "reporter",
    "service",
    "meter",
    "month",
    "observed_at",
    "look",
)
_ANSWERED = ("usage", "no_usage")
_CHUNK = 500  # values in one IN list
Text = t.Optional[str]


class Looks(t.NamedTuple):
    """What looks alone tell: ``seen`` of every scope, and months as ``closed_months`` has them, with those that had closed before they changed."""

    seen: dict[findings.Scope, Seen]
    closed: dict[tuple[str, str, str], dict[str, t.Any]]
    reopened: list[Reopened]


def looks_of(connection: t.Any, site: Text = None, as_of: Text = None) -> Looks:
    """For ``accounts`` and ``coverage``, so that both do not walk over all looks."""
    return Looks(seen(connection, site, as_of), *_histories(connection, site, as_of))


def accounts(connection: t.Any, site: Text = None, as_of: Text = None, looks: t.Optional[Looks] = None) -> Result:
    """Everything the rules say about one site's readings, or all."""
    with uncollected():
        return _accounts(connection, site, as_of, looks or looks_of(connection, site, as_of))


@contextlib.contextmanager
def uncollected() -> t.Iterator[None]:
    """Without the search for cycles: there are none here, and it would walk over all that a million rows leave behind again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _accounts(connection: t.Any, site: Text, as_of: Text, looks: Looks) -> Result:
    events = _events(connection, site, as_of)
    latest = {place: item.answered_at for place, item in looks.seen.items() if item.answered_at}
    spans: dict[tuple[str, str, str], tuple[str, str]] = {}
    for (where, host, container, _scope), item in looks.seen.items():
        first, last = spans.get((where, host, container), (item.first_at, ""))
        spans[where, host, container] = (min(first, item.first_at), max(last, item.answered_at or ""))
    events = events._replace(spans=spans)
    result = account(_rows(connection, site, as_of, {place[3] for place in events.evidence}), latest, events)
    more = findings.of_looks(result, looks.seen, looks.reopened, events, _settled_places(connection, site, as_of))
    return result._replace(findings=sorted([*result.findings, *more]))


def _rows(connection: t.Any, site: Text, as_of: Text, loud: t.Collection[str]) -> t.Iterator[dict[str, t.Any]]:
    """Rows for the rules, by site and series; of those that cannot matter only as little is read as it takes to know that."""
    readings = tables().readings
    for where in _sites(connection, readings, site):
        every: set[str] = set()
        for chunk in _chunks(sorted(loud)):
            chosen = sa.select(readings.c.series).where(readings.c.site == where, readings.c.source.in_(chunk)).distinct()
            every.update(connection.execute(chosen).scalars())
        columns = ("seq", "series", "quantity", "billed_unit", "host", "container", "resource")
        narrow = sa.select(*[readings.c[name] for name in columns]).order_by(readings.c.seq)
        kept = turning_points(_stream(connection, _until(narrow, readings, where, as_of)), every)
        full: list[tuple[t.Any, ...]] = []
        same: dict[t.Any, t.Any] = {}  # names come again in every row: one of each is enough
        for chunk in _chunks(kept):
            query = sa.select(*[readings.c[name] for name in COLUMNS]).where(readings.c.site == where, readings.c.seq.in_(chunk))
            full.extend(tuple([same.setdefault(value, value) for value in row]) for row in _stream(connection, query))
        full.sort(key=lambda row: (row[1], row[-1]))
        yield from (dict(zip(COLUMNS, row)) for row in full)


def turning_points(rows: t.Iterable[t.Sequence[t.Any]], every: t.Collection[str] = ()) -> list[int]:
    """Which rows of one site matter to the rules: not those within a run that only grows under one host, container and resource.

    :param rows: (seq, series, quantity, billed unit or None, host, container, resource) by seq; by series the database would have to seek each of a million
    :param every: series of which every row matters
    """
    kept: set[int] = set()
    last: dict[str, t.Sequence[t.Any]] = {}
    every = set(every)
    get = last.get
    for row in rows:
        seq, series, quantity, billed, host, container, resource = row
        before = get(series)
        last[series] = row
        if before is not None and series not in every:
            former, units = before[2], before[3]
            # As text where that tells it, which is nearly always, and written out here: a call for each takes as long as all the rest.
            rising = (len(quantity) == len(former) and quantity >= former and "." not in quantity) or _rises(former, quantity)
            if rising and billed != units:
                rising = _rises(units, billed)
            if rising and host == before[4] and container == before[5] and resource == before[6]:
                continue
            kept.add(before[0])
            if not rising:
                every.add(series)
        kept.add(seq)
    kept.update(row[0] for row in last.values())
    return sorted(kept)


def _rises(before: Text, now: Text) -> bool:
    """Whether a decimal string is equal or larger; nothing rises to or from none."""
    if before is None or now is None:
        return before is now
    return (len(now) == len(before) and now >= before and "." not in now) or Decimal(now) >= Decimal(before)


def _stream(connection: t.Any, query: t.Any) -> t.Iterable[t.Sequence[t.Any]]:
    """Rows of a query as they come; from SQLite without SQLAlchemy's own rows around them, which take a third of the time."""
    if connection.dialect.name != "sqlite":
        return connection.execute(query.execution_options(yield_per=2000))
    text = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    return connection.connection.driver_connection.execute(str(text))


def _chunks(values: t.Sequence[t.Any]) -> t.Iterator[t.Sequence[t.Any]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def _until(query: t.Any, table: t.Any, site: Text, as_of: Text) -> t.Any:
    """The query for one site, or all, and for what was appended until ``as_of``."""
    if site:
        query = query.where(table.c.site == site)
    if as_of:
        appends = tables().appends
        ends = sa.select(appends.c.site, sa.func.max(appends.c[f"{table.name}_to"]).label("seq")).where(appends.c.appended_at <= as_of).group_by(appends.c.site)
        end = ends.subquery()
        query = query.where(sa.exists().where(end.c.site == table.c.site, table.c.seq <= end.c.seq))
    return query


def _events(connection: t.Any, site: Text, as_of: Text) -> Events:
    """Looks that evidence about record files came with; the first of each answer stands for all its scopes."""
    looks = tables().looks
    names = ("site", "host", "container", "source", "harvest", "recorded_at", "seq", "reason")
    # Word for word as the index of these few rows has it.
    query = sa.select(*[looks.c[name] for name in names]).where(sa.text("outcome IN ('usage', 'no_usage') AND reason IS NOT NULL"))
    query = query.order_by(looks.c.site, looks.c.seq)
    evidence: dict[tuple[str, str, str, str], list[tuple[int, str, str]]] = {}
    known = set()
    for row in connection.execute(_until(query, looks, site, as_of)):
        if tuple(row[:6]) not in known and row[7] in ledger.EVIDENCE:
            known.add(tuple(row[:6]))
            evidence.setdefault(tuple(row[:4]), []).append((row[6], row[7], row[5]))
    return Events(evidence, {})


def seen(connection: t.Any, site: Text = None, as_of: Text = None) -> dict[findings.Scope, Seen]:
    """The last look, and the last answer, of every container and scope."""
    looks = tables().looks
    result: dict[findings.Scope, Seen] = {}
    # One site at a time, and its name in no key: sorting half a million looks by it as well takes as long again.
    for where in _sites(connection, looks, site):
        place = (looks.c.host, looks.c.container, looks.c.scope)
        ends = (sa.func.max(looks.c.seq), sa.func.min(looks.c.seq), sa.func.max(sa.case((looks.c.outcome.in_(_ANSWERED), looks.c.seq))))
        newest = sa.select(*place, *[end.label(name) for end, name in zip(ends, ("last", "first", "answered"))]).group_by(*place)
        ended = _until(newest, looks, where, as_of).subquery()
        last, first, answered = looks.alias(), looks.alias(), looks.alias()
        columns = (last.c.recorded_at, last.c.outcome, last.c.reason, first.c.recorded_at)
        answer = (answered.c.recorded_at, sa.func.coalesce(answered.c.seq, 0), answered.c.outcome, answered.c.observed_at, answered.c.source)
        query = sa.select(ended.c.host, ended.c.container, ended.c.scope, *columns, *answer)
        query = query.join(last, sa.and_(last.c.site == where, last.c.seq == ended.c.last))
        query = query.join(first, sa.and_(first.c.site == where, first.c.seq == ended.c.first))
        query = query.outerjoin(answered, sa.and_(answered.c.site == where, answered.c.seq == ended.c.answered))
        for row in connection.execute(query.order_by(ended.c.host, ended.c.container, ended.c.scope)):
            result[where, row[0], row[1], row[2]] = Seen(*row[3:])
    return result


def _sites(connection: t.Any, table: t.Any, site: Text) -> list[str]:
    """The one site, or every one that a table has rows of."""
    return [site] if site else list(ledger.sites(connection, table))


def grouped(parts: t.Iterable[Part], by: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """Sum parts by some of DIMENSIONS; each result has those, ``quantity`` and ``units``, each ``[low, high]`` as decimal strings.

    Months and ``all`` are never added up: without ``month`` in ``by`` only ``all`` counts, or the months of a meter that has no ``all``.
    """
    chosen = list(parts)
    if "month" not in by:
        whole = {_where(part) for part in chosen if part.month == calendar.ALL}
        chosen = [part for part in chosen if part.month == calendar.ALL or _where(part) not in whole]
    sums: dict[tuple[str, ...], tuple[Interval, Interval]] = {}
    for part in chosen:
        key = tuple([getattr(part, name) for name in by])
        former = sums.get(key)
        sums[key] = (part.quantity, part.units) if former is None else (former[0].plus(part.quantity), former[1].plus(part.units))
    return [
        {**dict(zip(by, key)), "quantity": pair(quantity), "units": pair(units)} for key, (quantity, units) in sorted(sums.items(), key=lambda item: item[0])
    ]


def pair(interval: Interval) -> list[str]:
    """``[low, high]`` as plain decimal strings."""
    low = plain(interval.low)
    return [low, low if interval.certain else plain(interval.high)]


def running(connection: t.Any, site: Text = None) -> list[dict[str, str]]:
    """Per container its last known release: ``{site, host, container, service, release}``; release is empty when no look told it."""
    looks = tables().looks
    place = (looks.c.site, looks.c.host, looks.c.container)
    told = sa.case((looks.c.release != "", looks.c.seq))
    newest = sa.select(*place, sa.func.coalesce(sa.func.max(told), sa.func.max(looks.c.seq)).label("seq")).group_by(*place)
    if site:
        newest = newest.where(looks.c.site == site)
    last = newest.subquery()
    names = ("site", "host", "container", "service", "release")
    query = sa.select(*[looks.c[name] for name in names]).join(last, sa.and_(looks.c.site == last.c.site, looks.c.seq == last.c.seq)).order_by(*place)
    return [dict(zip(names, row)) for row in connection.execute(query)]


def closed_months(connection: t.Any, site: Text = None, as_of: Text = None) -> dict[tuple[str, str, str], dict[str, t.Any]]:
    """Months that were seen equal by two harvests after their end: ``{(site, host, container): {"source", "months"}}``."""
    return _histories(connection, site, as_of)[0]


def _histories(connection: t.Any, site: Text, as_of: Text) -> tuple[dict[tuple[str, str, str], dict[str, t.Any]], list[Reopened]]:
    """Closed months, and those that had been closed before they changed."""
    looks = tables().looks
    names = ("site", "host", "container", "scope", "source", "harvest", "recorded_at", "observed_at", "meaning_sha256", "seq")
    query = sa.select(*[looks.c[name] for name in names]).where(looks.c.scope != calendar.ALL, looks.c.outcome.in_(_ANSWERED))
    query = query.where(looks.c.recorded_at > looks.c.scope + "-32")  # sorts behind every day of the month
    query = query.order_by(looks.c.site, looks.c.host, looks.c.container, looks.c.scope, looks.c.seq)
    result: dict[tuple[str, str, str], dict[str, t.Any]] = {}
    reopened: list[Reopened] = []
    rows = connection.execute(_until(query, looks, site, as_of))
    for (where, host, container, month), group in itertools.groupby(rows, key=lambda row: tuple(row[:4])):
        answers = list(group)
        settled = [_settled(month, *pair) for pair in zip(answers, answers[1:])]
        if True in settled:
            closing = answers[settled.index(True) + 1]
            changed = next((row for row in answers[answers.index(closing) + 1 :] if _differs(closing, row)), None)
            if changed is not None:
                reopened.append(Reopened((where, host, container), month, closing.recorded_at, changed.recorded_at))
        if settled and settled[-1]:
            entry = result.setdefault((where, host, container), {"source": answers[-1].source, "months": []})
            if entry["source"] != answers[-1].source:
                # A new output folder: what was closed under the former one is asked again.
                entry.update(source=answers[-1].source, months=[])
            entry["months"].append(month)
    return result, reopened


def coverage(connection: t.Any, site: Text = None, as_of: Text = None, looks: t.Optional[Looks] = None) -> list[dict[str, t.Any]]:
    """Per container: ``last_look``, ``last_answer`` (or None), ``problem`` of the last look at all time (or None), and ``months``.

    A month is ``closed``, ``open`` (answered, may still change) or the outcome of the last look when it never answered.
    """
    looks = looks or looks_of(connection, site, as_of)
    result = []
    for place, group in itertools.groupby(looks.seen.items(), key=lambda item: item[0][:3]):
        rows = {key[3]: item for key, item in group}
        done = set(looks.closed.get(place, {}).get("months", ()))
        always = rows.get(calendar.ALL)
        result.append(
            {
                **dict(zip(("site", "host", "container"), place)),
                "last_look": max(item.looked_at for item in rows.values()),
                "last_answer": max((item.answered_at for item in rows.values() if item.answered_at), default=None),
                "problem": f"{always.outcome.replace('_', ' ')}: {always.reason}" if always and always.outcome not in _ANSWERED else None,
                "months": {
                    scope: "closed" if scope in done else "open" if item.answered_at else item.outcome for scope, item in rows.items() if scope != calendar.ALL
                },
            }
        )
    return result


def silent(covered: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Findings for containers whose last look at all time brought no usage report."""
    return [
        {"kind": "unanswered", "site": row["site"], "host": row["host"], "container": row["container"], "meter": "", "month": "", "text": row["problem"]}
        for row in covered
        if row["problem"]
    ]


def _settled(month: str, first: t.Any, second: t.Any) -> bool:
    """Both clocks must say that the month is over: one that is ahead would have a month passed over that goes on."""
    same = first.meaning_sha256 == second.meaning_sha256 and first.source == second.source
    return same and first.harvest != second.harvest and calendar.is_over(month, min(first.recorded_at, first.observed_at or first.recorded_at))


def adjustments(connection: t.Any, site: Text = None, as_of: Text = None) -> list[dict[str, t.Any]]:
    """Rows of ``adjustments`` in the order in which they were entered."""
    table = tables().adjustments
    query = _until(sa.select(table).order_by(table.c.site, table.c.seq), table, site, as_of)
    return [dict(row._mapping) for row in connection.execute(query)]


def ledgers(connection: t.Any, site: Text = None, as_of: Text = None) -> list[dict[str, t.Any]]:
    """The ledger of each site: its last ``id``, when and why it was begun, and the id before it."""
    table = tables().ledgers
    names = ("site", "id", "opened_at", "predecessor", "reason")
    query = sa.select(*[table.c[name] for name in names]).order_by(table.c.site, table.c.number)
    if site:
        query = query.where(table.c.site == site)
    if as_of:
        query = query.where(table.c.opened_at <= as_of)
    return list({row[0]: dict(zip(names, row)) for row in connection.execute(query)}.values())


def _differs(first: t.Any, second: t.Any) -> bool:
    return first.source == second.source and first.meaning_sha256 != second.meaning_sha256


def _settled_places(connection: t.Any, site: Text, as_of: Text) -> set[tuple[str, str, str]]:
    """Containers that an adjustment names: somebody has said what became of them."""
    return {(row["site"], row["host"], row["container"]) for row in adjustments(connection, site, as_of) if row["kind"] == "dead_host"}


def _where(part: Part) -> tuple[str, ...]:
    return (part.site, part.source, part.service, part.meter)
