# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the ledger back: rows for the rules, totals by any column, which months are closed, who was looked at.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import itertools
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.rules import NOTHING, Interval, Part, Result, account
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import tables

with contextlib.suppress(ImportError):  # schema.IMPORT_ERROR says so
    import sqlalchemy as sa

DIMENSIONS = ("site", "host", "container", "service", "resource", "meter", "month")
_ROWS = ("site", "series", "source", "reporter", "service", "meter", "month", "host", "container", "resource", "quantity", "billed_unit")
_ANSWERED = ("usage", "no_usage")


def accounts(connection: t.Any, site: t.Optional[str] = None) -> Result:
    """Everything the rules say about one site's readings, or all."""
    readings = tables().readings
    query = sa.select(*[readings.c[name] for name in _ROWS]).order_by(readings.c.site, readings.c.series, readings.c.seq)
    if site:
        query = query.where(readings.c.site == site)
    rows = connection.execution_options(yield_per=2000).execute(query)
    latest = {(row["site"], row["host"], row["container"], row["scope"]): row["answered_at"] for row in looks_summary(connection, site) if row["answered_at"]}
    return account((dict(zip(_ROWS, row)) for row in rows), latest)


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
        key = tuple(getattr(part, name) for name in by)
        quantity, units = sums.get(key, (NOTHING, NOTHING))
        sums[key] = (quantity.plus(part.quantity), units.plus(part.units))
    return [
        {**dict(zip(by, key)), "quantity": pair(quantity), "units": pair(units)} for key, (quantity, units) in sorted(sums.items(), key=lambda item: item[0])
    ]


def pair(interval: Interval) -> list[str]:
    """``[low, high]`` as plain decimal strings."""
    return [plain(interval.low), plain(interval.high)]


def plain(value: t.Any) -> str:
    """A Decimal without exponent and without trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def looks_summary(connection: t.Any, site: t.Optional[str] = None) -> list[dict[str, t.Any]]:
    """Per site, host, container and scope: ``answered_at`` of the last answer, ``outcome`` and ``reason`` of the last look, ``looked_at``."""
    looks = tables().looks
    place = (looks.c.site, looks.c.host, looks.c.container, looks.c.scope)
    answered = sa.func.max(sa.case((looks.c.outcome.in_(_ANSWERED), looks.c.recorded_at)))
    newest = sa.select(*place, sa.func.max(looks.c.seq).label("seq"), answered.label("answered_at")).group_by(*place)
    if site:
        newest = newest.where(looks.c.site == site)
    last = newest.subquery()
    columns = (looks.c.site, looks.c.host, looks.c.container, looks.c.scope, looks.c.outcome, looks.c.reason, looks.c.recorded_at, last.c.answered_at)
    query = sa.select(*columns).join(last, sa.and_(looks.c.site == last.c.site, looks.c.seq == last.c.seq)).order_by(*place)
    names = ("site", "host", "container", "scope", "outcome", "reason", "looked_at", "answered_at")
    return [dict(zip(names, row)) for row in connection.execute(query)]


def running(connection: t.Any, site: t.Optional[str] = None) -> list[dict[str, str]]:
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


def closed_months(connection: t.Any, site: t.Optional[str] = None) -> dict[tuple[str, str, str], dict[str, t.Any]]:
    """Months that were seen equal by two harvests after their end: ``{(site, host, container): {"source", "months"}}``."""
    looks = tables().looks
    names = ("site", "host", "container", "scope", "source", "harvest", "recorded_at", "meaning_sha256", "seq")
    query = sa.select(*[looks.c[name] for name in names]).where(looks.c.scope != calendar.ALL, looks.c.outcome.in_(_ANSWERED))
    query = query.where(looks.c.recorded_at > looks.c.scope + "-32")  # sorts behind every day of the month
    if site:
        query = query.where(looks.c.site == site)
    result: dict[tuple[str, str, str], dict[str, t.Any]] = {}
    rows = connection.execute(query.order_by(looks.c.site, looks.c.host, looks.c.container, looks.c.scope, looks.c.seq))
    for (where, host, container, month), group in itertools.groupby(rows, key=lambda row: tuple(row[:4])):
        last = list(group)[-2:]
        if len(last) == 2 and _settled(month, *last):
            entry = result.setdefault((where, host, container), {"source": last[1].source, "months": []})
            if entry["source"] != last[1].source:
                # A new output folder: what was closed under the former one is asked again.
                entry.update(source=last[1].source, months=[])
            entry["months"].append(month)
    return result


def coverage(connection: t.Any, site: t.Optional[str] = None) -> list[dict[str, t.Any]]:
    """Per container: ``last_look``, ``last_answer`` (or None), ``problem`` of the last look at all time (or None), and ``months``.

    A month is ``closed``, ``open`` (answered, may still change) or the outcome of the last look when it never answered.
    """
    closed = closed_months(connection, site)
    result = []
    for place, group in itertools.groupby(looks_summary(connection, site), key=lambda row: (row["site"], row["host"], row["container"])):
        rows = list(group)
        done = set(closed.get(place, {}).get("months", ()))
        always = [row for row in rows if row["scope"] == calendar.ALL]
        states = {
            row["scope"]: "closed" if row["scope"] in done else "open" if row["answered_at"] else row["outcome"] for row in rows if row["scope"] != calendar.ALL
        }
        result.append(
            {
                **dict(zip(("site", "host", "container"), place)),
                "last_look": max(row["looked_at"] for row in rows),
                "last_answer": max((row["answered_at"] for row in rows if row["answered_at"]), default=None),
                "problem": next((f"{row['outcome'].replace('_', ' ')}: {row['reason']}" for row in always if row["outcome"] not in _ANSWERED), None),
                "months": states,
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
    same = first.meaning_sha256 == second.meaning_sha256 and first.source == second.source
    return same and first.harvest != second.harvest and calendar.is_over(month, first.recorded_at)


def _where(part: Part) -> tuple[str, ...]:
    return (part.site, part.source, part.service, part.meter)
