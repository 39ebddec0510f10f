# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with totals: whether a month is final, adjustments beside and added, months that were expected. Pure.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t
from decimal import Decimal

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.counter import NOTHING, Interval
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.findings import Scope, Seen
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.rules import Part
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.summary import grouped, pair

Row = dict[str, t.Any]
Closed = t.Mapping[tuple[str, str, str], t.Mapping[str, t.Any]]
_PLACE = ("site", "host", "container")
_READ = {"usage": "read", "no_usage": "no usage", "no_answer": "no answer", "bad_answer": "bad answer"}


def with_state(rows: t.Iterable[Row], parts: t.Iterable[Part], by: t.Sequence[str], looks: t.Mapping[Scope, Seen], closed: Closed) -> list[Row]:
    """Rows of ``grouped`` by month with ``state``: ``final`` when nothing in it can change any more, else ``provisional``.

    Final is a month that is certain and closed for every container that counts in it, and for every one asked for it that nobody knows
    to count elsewhere.
    """
    if "month" not in by:
        return list(rows)
    done = {(*place, month) for place, entry in closed.items() for month in entry["months"]}
    open_rows: set[tuple[str, ...]] = set()
    counted: set[Scope] = set()
    for part in parts:
        place = (part.site, part.host, part.container, part.month)
        counted.add(place)
        if place not in done:
            open_rows.add(tuple(getattr(part, name) for name in by))
    # Asked and never answered with usage: it may yet turn out to belong to any row that its place fits.
    loose = [dict(zip((*_PLACE, "month"), place)) for place in looks.keys() - counted if place not in done and place[3] != calendar.ALL]
    fits = [name for name in (*_PLACE, "month") if name in by]
    unread = {tuple(place[name] for name in fits) for place in loose}
    result = []
    for row in rows:
        is_open = row["month"] == calendar.ALL or tuple(row[name] for name in by) in open_rows or tuple(row[name] for name in fits) in unread
        certain = row["quantity"][0] == row["quantity"][1] and row["units"][0] == row["units"][1]
        result.append({**row, "state": "final" if certain and not is_open else "provisional"})
    return result


def adjusted(parts: t.Iterable[Part], adjustments: t.Sequence[t.Mapping[str, t.Any]], by: t.Sequence[str]) -> list[Row]:
    """Totals of ``grouped`` with adjustments added, for the combinations that an adjustment touches.

    An adjustment of a month belongs to that month and to all time, one of all time to that alone. Each row has ``quantity`` and ``units``
    with, ``adjustment`` and ``adjustment_units`` of the adjustments alone.
    """
    with_month = "month" in by
    sums: dict[tuple[str, ...], tuple[Decimal, Decimal]] = {}
    for row in adjustments:
        quantity = Decimal(row["quantity"])
        units = quantity if row["billed_unit"] is None else Decimal(row["billed_unit"])
        for month in sorted({row["month"], calendar.ALL}) if with_month else [calendar.ALL]:
            key = tuple(month if name == "month" else row[name] for name in by)
            former = sums.get(key, (Decimal(0), Decimal(0)))
            sums[key] = (former[0] + quantity, former[1] + units)
    read = {tuple(row[name] for name in by): row for row in grouped(parts, by)}
    result = []
    for key, (quantity, units) in sorted(sums.items()):
        have = read.get(key)
        both = [_interval(have[name]) if have else NOTHING for name in ("quantity", "units")]
        whole = [pair(item.plus(Interval(more, more))) for item, more in zip(both, (quantity, units))]
        alone = {"adjustment": f"{quantity:f}", "adjustment_units": f"{units:f}"}
        result.append({**dict(zip(by, key)), "quantity": whole[0], "units": whole[1], **alone})
    return result


def missing(expected: t.Iterable[t.Mapping[str, t.Any]], looks: t.Mapping[Scope, Seen], site: str) -> list[Row]:
    """Every expected container and month with ``state``: read, no usage, no answer, bad answer or never asked; of the last answer, if there was one."""
    result = []
    for item in expected:
        where = item.get("site") or site
        for month in item.get("months") or [calendar.ALL]:
            seen = looks.get((where, item["host"], item["container"], month))
            state = "never asked" if seen is None else _READ[seen.answer or seen.outcome]
            result.append({"site": where, "host": item["host"], "container": item["container"], "month": month, "state": state})
    return result


def _interval(pair_: t.Sequence[str]) -> Interval:
    return Interval(Decimal(pair_[0]), Decimal(pair_[1]))
