# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks and readings together tell that readings alone do not. Pure. Normative text: docs/ledger.md.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta
from decimal import Decimal

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.counter import NOTHING, Interval, plain
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.rules import Ends, Events, Finding, Part, Result

AHEAD, BEHIND = timedelta(minutes=2), timedelta(minutes=15)  # of a host's clock; a slow harvest lies between observing and recording
VANISHED = timedelta(days=7)
Scope = tuple[str, str, str, str]  # site, host, container, scope
Place = tuple[str, str, str]
_Meter = tuple[str, str, str, str, str]  # site, host, container, source, meter


class Seen(t.NamedTuple):
    """The looks at one scope of one container: the last one, and the last one that was answered (None and 0 where there is none)."""

    looked_at: str
    outcome: str
    reason: t.Optional[str]
    first_at: str
    answered_at: t.Optional[str]
    answered_seq: int
    answer: t.Optional[str]
    observed_at: t.Optional[str]
    source: t.Optional[str]


class Reopened(t.NamedTuple):
    """A month that had closed and was seen with other values later."""

    place: Place
    month: str
    closed_at: str
    changed_at: str


def of_looks(result: Result, seen: t.Mapping[Scope, Seen], reopened: t.Iterable[Reopened], events: Events, settled: t.Collection[Place] = ()) -> list[Finding]:
    """Findings of every kind here; ``settled`` are containers whose end an adjustment explains."""
    found = [*_all_beyond(result, seen), *_gone(result, seen, events), *_clocks(seen), *_vanished(seen, settled)]
    found += [_changed(item) for item in reopened]
    return sorted(set(found))


def _changed(item: Reopened) -> Finding:
    text = f"seen final on {item.closed_at[:10]} and with other values on {item.changed_at[:10]}: records came late or were removed"
    return Finding("closed_month", *item.place, "", item.month, text + "; correct what was already handed on for this month")


def _vanished(seen: t.Mapping[Scope, Seen], settled: t.Collection[Place]) -> t.Iterator[Finding]:
    newest: dict[str, str] = {}
    last: dict[Place, str] = {}
    for (site, host, container, _scope), item in seen.items():
        newest[site] = max(newest.get(site, ""), item.looked_at)
        last[site, host, container] = max(last.get((site, host, container), ""), item.looked_at)
    for place, moment in last.items():
        if place not in settled and _moment(newest[place[0]]) - _moment(moment) > VANISHED:
            text = f"not asked since {moment[:10]}: no harvest expects it any more; its last values stay in every total"
            yield Finding("vanished", *place, "", "", text + "; if it was retired or renamed without a last reading, enter what is known as an adjustment")


def _clocks(seen: t.Mapping[Scope, Seen]) -> t.Iterator[Finding]:
    worst: dict[tuple[str, str, str], timedelta] = {}
    for (site, host, _container, _scope), item in seen.items():
        if item.answered_at and item.observed_at and item.observed_at != item.answered_at:
            offset = _moment(item.observed_at) - _moment(item.answered_at)
            key = (site, host, item.answered_at[:7])
            if (offset > AHEAD or -offset > BEHIND) and abs(offset) > abs(worst.get(key, timedelta())):
                worst[key] = offset
    for (site, host, month), offset in worst.items():
        way = "ahead of" if offset > timedelta() else "behind"
        text = (
            f"its clock is {int(abs(offset).total_seconds() // 60)} minutes {way} the control node's: use around the end of a month may stand in the wrong one"
        )
        yield Finding("clock", site, host, "", "", month, text + "; set the wrong one right")


def _gone(result: Result, seen: t.Mapping[Scope, Seen], events: Events) -> t.Iterator[Finding]:
    for (site, host, container, source, meter, month), ends in result.ends.items():
        item = seen.get((site, host, container, month))
        if item is None or item.answer != "no_usage" or item.source != source or item.answered_seq <= ends.last_look:
            continue
        if any(seq > ends.last_look for seq, _kind, _moment in events.evidence.get((site, host, container, source), ())):
            continue
        text = "reported usage before and reports none now: what was reported stays counted"
        yield Finding("usage_gone", site, host, container, meter, month, text + "; look whether its record files were removed")


def _all_beyond(result: Result, seen: t.Mapping[Scope, Seen]) -> t.Iterator[Finding]:
    """All time that grew by more than its months, seen no later than they were."""
    sums = _sums(result.parts)
    months: dict[_Meter, list[tuple[str, Ends]]] = {}
    for key, ends in result.ends.items():
        if key[5] != calendar.ALL:
            months.setdefault(key[:5], []).append((key[5], ends))
    for key, ends in result.ends.items():
        always = seen.get((*key[:3], calendar.ALL))
        if key[5] != calendar.ALL or always is None or not always.answered_at or always.answered_seq <= ends.last_look:
            continue
        whole, monthly = sums.get(key[:5], (NOTHING, NOTHING))
        if not _all_asked(key[:3], ends.first_at[:7], always.answered_at, seen) or not whole.certain:
            continue
        # What all time had beyond its months when it was first seen lies in months before that.
        older = ends.first_value - sum((item.first_value for _month, item in months.get(key[:5], ()) if item.first_look <= ends.first_look), Decimal(0))
        beyond = whole.low - monthly.high - older
        if beyond > 0:
            text = f"all time grew by {plain(beyond)} more than its months since {ends.first_at[:10]}: records came late into months that are closed"
            text += ", or some are lost"
            site, host, container, _source, meter = key[:5]
            yield Finding("all_beyond_months", site, host, container, meter, "", text + "; harvest with all months", "0", plain(beyond))


def _all_asked(place: Place, first: str, moment: str, seen: t.Mapping[Scope, Seen]) -> bool:
    """Whether every month of a period was asked when all time was, or after its end; never at the turn of a month."""
    day = _moment(moment)
    if {(day - timedelta(days=1)).month, (day + timedelta(days=1)).month} != {day.month} or not calendar.is_month(first):
        return False
    month = moment[:7]
    for _count in range(calendar.MAX_MONTHS):
        item = seen.get((*place, month))
        if item is None or not item.answered_at or (item.answered_at != moment and not calendar.is_over(month, item.answered_at)):
            return False
        if month <= first:
            return True
        month = calendar.back(month, 1)
    return False


def _sums(parts: t.Iterable[Part]) -> dict[_Meter, tuple[Interval, Interval]]:
    """All time and the sum of months."""
    sums: dict[_Meter, tuple[Interval, Interval]] = {}
    for part in parts:
        key = (part.site, part.host, part.container, part.source, part.meter)
        whole, monthly = sums.get(key, (NOTHING, NOTHING))
        if part.month == calendar.ALL:
            whole = whole.plus(part.quantity)
        else:
            monthly = monthly.plus(part.quantity)
        sums[key] = (whole, monthly)
    return sums


def _moment(text: str) -> datetime:
    """A time of the ledger; one that nobody can read is the oldest there is."""
    try:
        return datetime.fromisoformat(text.rstrip("Z"))
    except ValueError:
        return datetime.min
