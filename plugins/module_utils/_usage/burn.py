# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commitments: units granted, used, and where use is heading by the last day. Pure.

The forecast carries the mean of the last closed months on to the end. Its interval holds nine of ten outcomes if months go on
to scatter as they did (Student's t, a prediction for the sum of the months that are left); doubts in readings widen it.
This file is private to the collection.
"""

from __future__ import annotations

import datetime
import functools
import typing as t
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from fnmatch import fnmatchcase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import summary, words
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.counter import NOTHING, Interval, plain
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.rules import Part

RECENT = 6  # closed months that a forecast looks back on
LEAST = 3  # fewer tell nothing of how much months scatter
_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN)
_T90 = (6.314, 2.920, 2.353, 2.132, 2.015)  # two-sided 90 %, by degrees of freedom from 1
Commitment = t.Mapping[str, t.Any]
Closed = t.Callable[[t.Collection[tuple[str, str, str]], str], bool]


class Rate(t.NamedTuple):
    """What closed months say: their number, the mean and the sample variance of units in one."""

    months: int
    mean: Decimal
    variance: Decimal


def burn_down(
    parts: t.Sequence[Part], commitments: t.Sequence[Commitment], adjusted: t.Sequence[t.Mapping[str, t.Any]], closed: Closed, today: datetime.date
) -> tuple[list[dict[str, t.Any]], list[dict[str, t.Any]]]:
    """One row per commitment, and a finding for every meter that no commitment matches.

    :param adjusted: rows with ``resource``, ``meter``, ``month`` and ``units`` (signed)
    :param closed: whether a month can no longer change for these (site, host, container)
    :raises InputError: a commitment is not as documented.
    """
    rows = [_row(parts, item, adjusted, closed, today) for item in commitments]
    matched = {(part.site, part.resource, part.meter) for part in parts for item in commitments if _matches(item, part.resource, part.meter)}
    loose = sorted({(part.site, part.resource, part.meter) for part in parts} - matched) if commitments else []
    text = "no commitment matches this meter of resource "
    findings = [
        {"kind": "no_commitment", "site": where, "host": "", "container": "", "meter": meter, "month": "", "text": text + (resource or "unknown")}
        for where, resource, meter in loose
    ]
    return rows, findings


def _matches(item: Commitment, resource: str, meter: str) -> bool:
    return resource == item.get("resource") and any(fnmatchcase(meter, pattern) for pattern in item.get("meters") or ["*"])


def _row(parts: t.Iterable[Part], item: Commitment, adjusted: t.Iterable[t.Mapping[str, t.Any]], closed: Closed, today: datetime.date) -> dict[str, t.Any]:
    start, end = _day(item, "start"), _day(item, "end")
    if end < start:
        raise InputError(f"commitment of {item.get('resource')}", f"ends on {end}, before it starts on {start}")
    added = sorted(({"date": _day(addition, "date").isoformat(), "units": plain(_units(addition))} for addition in item.get("added") or ()), key=str)
    granted = _total([_units(item), *(_units(addition) for addition in item.get("added") or ())])
    mine = [part for part in parts if part.month != calendar.ALL and _matches(item, part.resource, part.meter)]
    places = {(part.site, part.host, part.container) for part in mine}
    by_month = _by_month(mine, lambda month: month < today.isoformat()[:7] and closed(places, month))
    inside = {month: use for month, use in by_month.items() if f"{start}"[:7] <= month <= f"{end}"[:7]}
    settled = {month for month in by_month if closed(places, month)}
    corrected = _total(Decimal(row["units"]) for row in adjusted if _matches(item, row["resource"], row["meter"]) and _within(row, start, end))
    used = _sum(use[0] for use in inside.values())
    total = Interval(_EXACT.add(used.low, corrected), _EXACT.add(used.high, corrected))
    recent = sorted(settled)[-RECENT:]
    return {
        "resource": str(item.get("resource")),
        "meters": list(item.get("meters") or ["*"]),
        "start": start.isoformat(),
        "end": end.isoformat(),
        "units": plain(_units(item)),
        "added": added,
        "granted": plain(granted),
        "used": summary.pair(used),
        "used_quantity": summary.pair(_sum(use[1] for use in inside.values())),
        "adjusted": plain(corrected),
        "used_adjusted": summary.pair(total),
        "left": [plain(_EXACT.subtract(granted, total.high)), plain(_EXACT.subtract(granted, total.low))],
        "days_left": (end - today).days,
        "months": [{"month": month, "units": summary.pair(inside[month][0]), "closed": month in settled} for month in sorted(inside)],
        "forecast": _forecast([by_month[month][0] for month in recent], recent, total, granted, _base(inside, recent, corrected), (start, end)),
    }


def _base(inside: t.Mapping[str, tuple[Interval, Interval]], recent: t.Sequence[str], corrected: Decimal) -> Interval:
    """Use up to and with the last closed month: where the line begins."""
    used = _sum(use[0] for month, use in inside.items() if recent and month <= recent[-1])
    return Interval(_EXACT.add(used.low, corrected), _EXACT.add(used.high, corrected))


def _forecast(
    uses: t.Sequence[Interval], recent: t.Sequence[str], total: Interval, granted: Decimal, base: Interval, period: tuple[datetime.date, datetime.date]
) -> dict[str, t.Any]:
    """``months`` looked at, ``rate`` a month, ``[low, high]``, ``likely``, and the months in which units run out; None where nothing can be said."""
    nothing = {"months": len(uses), "rate": None, "likely": None, "units": None, "runs_out": [None, None], "short": None}
    start, end = period
    if recent and recent[-1] >= end.isoformat()[:7]:
        return {**nothing, "text": "Every month of the period is closed: nothing is left to forecast."}
    if len(uses) < LEAST:
        return {**nothing, "text": f"Too little to forecast from: {len(uses)} closed months, {LEAST} are needed."}
    low, high = rate([use.low for use in uses]), rate([use.high for use in uses])
    steps = _steps(max(recent[-1], calendar.back(f"{start}"[:7], 1)), start, end)
    middle = (base.low + base.high + 2 * _half(low, high) * sum(share for _month, share in steps)) / 2
    ends = predicted(base, low, high, sum((share for _month, share in steps), Decimal(0)))
    least, most = max(ends.low, total.low), max(ends.high, total.high)
    likely = min(max(middle, least), most)
    text = f"The mean of {len(uses)} closed months ({words.month(recent[0])} to {words.month(recent[-1])}), carried on to {words.day(f'{end}')}. "
    text += "Nine in ten outcomes lie in the interval, if months go on to scatter as they did."
    return {
        "months": len(uses),
        "rate": _whole(_half(low, high)),
        "likely": _whole(likely),
        "units": [_whole(least), _whole(most)],
        "runs_out": [_runs_out(steps, granted, base, (low, high), True), _runs_out(steps, granted, base, (low, high), False)],
        "short": _whole(max(likely - granted, Decimal(0))),
        "text": text,
    }


def rate(values: t.Sequence[Decimal]) -> Rate:
    """Mean and sample variance; at least two values."""
    count = len(values)
    mean = _EXACT.divide(sum(values, Decimal(0)), Decimal(count))
    return Rate(count, mean, _EXACT.divide(sum(((value - mean) ** 2 for value in values), Decimal(0)), Decimal(count - 1)))


def predicted(base: Interval, low: Rate, high: Rate, ahead: Decimal) -> Interval:
    """Use after ``ahead`` more months: no total shrinks, so the least is what there is."""
    least = base.low + ahead * low.mean - margin(low, ahead)
    return Interval(max(least, base.low), base.high + ahead * high.mean + margin(high, ahead))


def margin(found: Rate, ahead: Decimal) -> Decimal:
    """Half the width of the interval for the sum of ``ahead`` months to come."""
    spread = found.variance * ahead + found.variance * ahead * ahead / found.months
    return Decimal(str(_T90[min(found.months - 1, len(_T90)) - 1])) * _EXACT.sqrt(spread)


def _runs_out(steps: t.Sequence[tuple[str, Decimal]], granted: Decimal, base: Interval, rates: tuple[Rate, Rate], earliest: bool) -> t.Optional[str]:
    """Month in which the line (or, ``earliest``, the upper edge of the interval) crosses what is granted."""
    ahead = Decimal(0)
    for month, share in steps:
        ahead += share
        likely = (base.low + base.high) / 2 + _half(*rates) * ahead
        if (predicted(base, *rates, ahead).high if earliest else likely) > granted:
            return month
    return None


def _steps(last: str, start: datetime.date, end: datetime.date) -> list[tuple[str, Decimal]]:
    """Months after ``last`` up to the end, each with the share of it that lies in the period."""
    steps = []
    month = calendar.back(last, -1)
    while month <= end.isoformat()[:7]:
        first = datetime.date(int(month[:4]), int(month[5:]), 1)
        following = calendar.back(month, -1)
        days = (datetime.date(int(following[:4]), int(following[5:]), 1) - first).days
        inside = min(end, first + datetime.timedelta(days=days - 1)) - max(start, first)
        steps.append((month, Decimal(inside.days + 1) / days))
        month = following
    return steps


def _by_month(parts: t.Iterable[Part], over: t.Callable[[str], bool]) -> dict[str, tuple[Interval, Interval]]:
    """Month to units and quantity; months between the first and the last, and closed ones behind it, without any are nothing used."""
    found: dict[str, tuple[Interval, Interval]] = {}
    for part in parts:
        units, quantity = found.get(part.month, (NOTHING, NOTHING))
        found[part.month] = (units.plus(part.units), quantity.plus(part.quantity))
    if found:
        month, last = min(found), max(found)
        while month < last or over(month):
            found.setdefault(month, (NOTHING, NOTHING))
            month = calendar.back(month, -1)
    return found


def _sum(intervals: t.Iterable[Interval]) -> Interval:
    result = NOTHING
    for interval in intervals:
        result = result.plus(interval)
    return result


def _total(values: t.Iterable[Decimal]) -> Decimal:
    return functools.reduce(_EXACT.add, values, Decimal(0))


def _half(low: Rate, high: Rate) -> Decimal:
    return (low.mean + high.mean) / 2


def _whole(value: Decimal) -> str:
    return format(_EXACT.to_integral_value(value), "f")


def _within(row: t.Mapping[str, t.Any], start: datetime.date, end: datetime.date) -> bool:
    return start.isoformat()[:7] <= row["month"] <= end.isoformat()[:7]


def _day(item: Commitment, key: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(str(item.get(key)))
    except ValueError as exc:
        raise InputError(f"commitment of {item.get('resource')}", f"{key} {item.get(key)!r} is not a day", "write it as YYYY-MM-DD") from exc


def _units(item: Commitment) -> Decimal:
    try:
        value = Decimal(str(item.get("units")))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise InputError("commitment", f"units {item.get('units')!r} is not a number of units")
    return value
