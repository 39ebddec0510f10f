# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What readings mean: totals as intervals, and findings where they contradict each other. Pure. Normative text: docs/ledger.md.

A container reports a running total. While it only grows, the last value is the truth. When it shrinks, either the answer was
incomplete (a *dip*: the highest value seen is the truth so far) or the counter began again (a *reset*: both parts count).
Until a later value says which, the total is the interval between the two.
This file is private to the collection.
"""

from __future__ import annotations

import itertools
import typing as t
from decimal import Context, Decimal

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.months import ALL

_EXACT = Context(prec=120)  # sums of 36-digit numbers stay exact
_ZERO = Decimal(0)
Share = tuple[str, str, str]  # host, container, resource
Row = t.Mapping[str, t.Any]


class Interval(t.NamedTuple):
    """Least and most that the truth can be."""

    low: Decimal
    high: Decimal

    def plus(self, other: Interval) -> Interval:
        """Sum of two independent intervals."""
        return Interval(_EXACT.add(self.low, other.low), _EXACT.add(self.high, other.high))

    @property
    def certain(self) -> bool:
        """Whether both ends are equal."""
        return self.low == self.high


NOTHING = Interval(_ZERO, _ZERO)


class Finding(t.NamedTuple):
    """Something a person should look at. ``kind`` is one of those in docs/ledger.md."""

    kind: str
    site: str
    host: str
    container: str
    meter: str
    month: str
    text: str


class Part(t.NamedTuple):
    """What one reporter on one host counted of one meter in one month, for one container and resource."""

    site: str
    source: str
    reporter: str
    host: str
    container: str
    service: str
    resource: str
    meter: str
    month: str
    quantity: Interval
    units: Interval


class Counter:
    """Follows one running total and shares it out.

    ``low`` and ``high`` map a share to the least and most that is its own; ``peak`` is the highest value seen.
    """

    def __init__(self) -> None:
        self.low: dict[t.Any, Decimal] = {}
        self.high: dict[t.Any, Decimal] = {}
        self.peak = _ZERO
        self.last = _ZERO

    def see(self, value: Decimal, share: t.Any) -> None:
        """Take the next value, reported under ``share``."""
        grown = _EXACT.subtract(value, self.last) if value >= self.last else value
        if value >= self.peak:
            # The total is back where it was or higher: what looked like a new beginning was an incomplete answer.
            _add(self.low, share, _EXACT.subtract(value, self.peak))
            self.high = dict(self.low)
            self.peak = value
        else:
            self.low.setdefault(share, _ZERO)
            _add(self.high, share, grown)
        self.last = value

    @property
    def in_doubt(self) -> bool:
        """Whether a decrease is unexplained."""
        return self.last < self.peak

    @property
    def total(self) -> Interval:
        """Interval over all shares."""
        return Interval(_sum(self.low.values()), _sum(self.high.values()))


class _Track(t.NamedTuple):
    """One reporter on one host: its counters, its first row and its last."""

    quantity: Counter
    units: Counter
    first: Row
    last: Row


class Result(t.NamedTuple):
    """Parts, and the findings that their rows gave rise to."""

    parts: list[Part]
    findings: list[Finding]


def account(rows: t.Iterable[Row], latest: t.Optional[t.Mapping[tuple[str, str, str, str], str]] = None) -> Result:
    """Account for readings: columns of ``docs/ledger.md``, ordered by site and series, then seq.

    :param latest: ``recorded_at`` of the last answered look per (site, host, container, scope); lets months be compared with all time.
    """
    groups: dict[tuple[str, ...], list[_Track]] = {}
    findings: list[Finding] = []
    for _series, members in itertools.groupby(rows, key=lambda row: (row["site"], row["series"])):
        tracks = _follow(members, findings)
        first = tracks[0].first
        key = (first["site"], first["source"], first["service"], first["meter"], first["month"])
        groups.setdefault(key, []).extend(tracks)
    parts: list[Part] = []
    for tracks in groups.values():
        parts.extend(_combine(tracks, findings))
    findings.extend(_clones(itertools.chain.from_iterable(groups.values())))
    findings.extend(_months_beyond(parts, latest or {}))
    findings.extend(_sourceless(parts))
    return Result(parts, sorted(set(findings)))


def total(parts: t.Iterable[Part], of: str = "units") -> Interval:
    """Sum of ``quantity`` or ``units`` over parts; do not mix months with ``all``."""
    result = NOTHING
    for part in parts:
        result = result.plus(getattr(part, of))
    return result


def _follow(rows: t.Iterable[Row], findings: list[Finding]) -> list[_Track]:
    """One series: its tracks, one per host, doubts noted."""
    tracks: dict[str, _Track] = {}
    for row in rows:
        quantity = Decimal(row["quantity"])
        units = quantity if row["billed_unit"] is None else Decimal(row["billed_unit"])
        track = tracks.get(row["host"]) or _Track(Counter(), Counter(), row, row)
        grown = quantity != track.quantity.last
        if track.last["resource"] != row["resource"] and grown:
            text = f"the resource changed from {track.last['resource'] or 'unknown'} to {row['resource'] or 'unknown'} with no reading in between"
            findings.append(_finding("resource_split", row, f"{text}; what was used in between counts for the latter"))
        share = (row["host"], row["container"], row["resource"])
        track.quantity.see(quantity, share)
        track.units.see(units, share)
        tracks[row["host"]] = track._replace(last=row)
    for track in tracks.values():
        if track.quantity.in_doubt or track.units.in_doubt:
            low, high = track.quantity.total
            text = f"reported {track.quantity.peak:f} once and {track.quantity.last:f} now: {low:f} if the answer is incomplete, {high:f} if it began again"
            findings.append(_finding("decrease", track.last, text))
    return list(tracks.values())


def _combine(tracks: list[_Track], findings: list[Finding]) -> t.Iterator[Part]:
    """Everyone who reports one meter of one source in one month: those that agree count once."""
    tracks = sorted(tracks, key=lambda track: (-track.units.total.low, -track.quantity.total.low, track.first["host"], track.first["reporter"]))
    agree = len({(track.quantity.total, track.units.total) for track in tracks}) == 1
    if not agree:
        names = ", ".join(sorted({f"{track.first['reporter']} on {track.first['host']}" for track in tracks}))
        findings.append(_finding("shared_source", tracks[0].last, f"one output folder, different totals, reported by {names}"))
    for index, track in enumerate(tracks):
        if index and agree:
            continue
        last = track.last
        for share in sorted(track.quantity.low.keys() | track.units.low.keys()):
            quantity, units = _share(track.quantity, share), _share(track.units, share)
            if index:  # the largest alone is the least that was used, all together the most
                quantity, units = Interval(_ZERO, quantity.high), Interval(_ZERO, units.high)
            host, container, resource = share
            yield Part(
                last["site"], last["source"], last["reporter"], host, container, last["service"], resource, last["meter"], last["month"], quantity, units
            )  # fmt: skip


def _clones(tracks: t.Iterable[_Track]) -> t.Iterator[Finding]:
    hosts: dict[tuple[str, str], set[str]] = {}
    for track in tracks:
        hosts.setdefault((track.first["site"], track.first["source"]), set()).add(track.first["host"])
    for (site, source), names in hosts.items():
        if len(names) > 1:
            text = f"output folder {source} is on {', '.join(sorted(names))}: copied or moved"
            yield Finding("clone", site, min(names), "", "", "", text)


def _months_beyond(parts: list[Part], latest: t.Mapping[tuple[str, str, str, str], str]) -> t.Iterator[Finding]:
    """Months that add up to more than all time, seen no later than all time was."""
    sums: dict[tuple[str, str, str, str, str, str], tuple[Interval, Interval]] = {}
    newest: dict[tuple[str, str, str, str, str, str], str] = {}
    for part in parts:
        key = (part.site, part.host, part.container, part.source, part.service, part.meter)
        place = 0 if part.month == ALL else 1
        pair = list(sums.get(key, (NOTHING, NOTHING)))
        pair[place] = pair[place].plus(part.quantity)
        sums[key] = (pair[0], pair[1])
        if place:
            newest[key] = max(newest.get(key, ""), latest.get((part.site, part.host, part.container, part.month), ""))
    for (site, host, container, source, service, meter), (always, monthly) in sums.items():
        seen = latest.get((site, host, container, ALL))
        if seen and newest.get((site, host, container, source, service, meter), "") <= seen and monthly.low > always.high:
            text = f"months add up to {monthly.low:f}, all time is {always.high:f}"
            yield Finding("months_beyond_all", site, host, container, meter, "", text)


def _sourceless(parts: list[Part]) -> t.Iterator[Finding]:
    found: dict[tuple[str, str, str], set[bool]] = {}
    for part in parts:
        found.setdefault((part.site, part.host, part.container), set()).add(part.source.startswith("host:"))
    for (site, host, container), kinds in found.items():
        if len(kinds) == 2:
            text = "read both with and without the id of its output folder: its usage may be counted twice"
            yield Finding("unknown_source", site, host, container, "", "", text)


def _share(counter: Counter, share: t.Any) -> Interval:
    return Interval(counter.low.get(share, _ZERO), counter.high.get(share, _ZERO))


def _finding(kind: str, row: Row, text: str) -> Finding:
    return Finding(kind, row["site"], row["host"], row["container"], row["meter"], row["month"], text)


def _add(shares: dict[t.Any, Decimal], share: t.Any, value: Decimal) -> None:
    shares[share] = _EXACT.add(shares.get(share, _ZERO), value)


def _sum(values: t.Iterable[Decimal]) -> Decimal:
    result = _ZERO
    for value in values:
        result = _EXACT.add(result, value)
    return result
