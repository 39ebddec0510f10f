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

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.months import ALL, is_over

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
    """Something a person should look at: what it means and what to do. ``kind`` is one of those in docs/ledger.md.

    ``low`` and ``high`` are the least and most that the quantity in question can be, as decimal strings, where that can be said.
    """

    kind: str
    site: str
    host: str
    container: str
    meter: str
    month: str
    text: str
    low: str = ""
    high: str = ""


class Events(t.NamedTuple):
    """What is known besides readings.

    :param evidence: (site, host, container, source) to (seq of a look, ``reset`` or ``restored``, ``recorded_at``) in order
    :param spans: (site, host, container) to ``recorded_at`` of its first look and of its last answer
    """

    evidence: t.Mapping[tuple[str, str, str, str], t.Sequence[tuple[int, str, str]]]
    spans: t.Mapping[tuple[str, str, str], tuple[str, str]]


NO_EVENTS = Events({}, {})


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

    ``low`` and ``high`` map a share to the least and most that is its own; ``peak`` is the highest value seen since the last new beginning
    that is known; ``unsure`` is how much more it can be when a fall that was taken for incomplete answers was none.
    """

    __slots__ = ("_high", "_high_before", "_low", "_low_before", "_restored", "_rose", "last", "peak", "unsure")

    def __init__(self) -> None:
        self._low: dict[t.Any, Decimal] = {}
        self._high: dict[t.Any, Decimal] = {}
        self._low_before: dict[t.Any, Decimal] = {}
        self._high_before: dict[t.Any, Decimal] = {}
        self._restored = self._rose = False
        self.peak = self.last = self.unsure = _ZERO

    def see(self, value: Decimal, share: t.Any) -> None:
        """Take the next value, reported under ``share``."""
        if self._restored:
            # How much of it was there already cannot be known: nothing at least, all of it at most.
            _add(self._low_before, share, _ZERO)
            _add(self._high_before, share, value)
            self._restored = False
            self.peak = self.last = value
            return
        if value >= self.peak == self.last:
            # The ordinary case: nothing ever fell, or what fell is settled.
            for shares in (self._low, self._high):
                _add(shares, share, _EXACT.subtract(value, self.peak))
            self.peak = self.last = value
            return
        grown = _EXACT.subtract(value, self.last) if value >= self.last else value
        if value >= self.peak:
            # The total is back where it was or higher: what looked like a new beginning was an incomplete answer.
            otherwise = _EXACT.add(_sum(self._high.values()), grown)
            _add(self._low, share, _EXACT.subtract(value, self.peak))
            if self._rose:
                self.unsure = _EXACT.add(self.unsure, _EXACT.subtract(otherwise, _sum(self._low.values())))
                self._rose = False
            self._high = dict(self._low)
            self.peak = value
        else:
            self._rose = self._rose or self.last < value
            self._low.setdefault(share, _ZERO)
            _add(self._high, share, grown)
        self.last = value

    def restart(self, restored: bool) -> None:
        """The counter is known to begin again: at zero, or at some former value when its folder was ``restored`` from a copy."""
        for before, now in ((self._low_before, self._low), (self._high_before, self._high)):
            for share, value in now.items():
                _add(before, share, value)
        self._low, self._high = {}, {}
        self.peak = self.last = _ZERO
        self._rose, self._restored = False, restored

    @property
    def low(self) -> dict[t.Any, Decimal]:
        """Least of each share."""
        return _merged(self._low_before, self._low) if self._low_before else self._low

    @property
    def high(self) -> dict[t.Any, Decimal]:
        """Most of each share."""
        return _merged(self._high_before, self._high) if self._high_before else self._high

    @property
    def in_doubt(self) -> bool:
        """Whether a decrease or a new beginning is unexplained."""
        return self.last < self.peak or self._low_before != self._high_before

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


class Ends(t.NamedTuple):
    """Where a total began and when it last changed: look and value of the first row, look of the last."""

    first_look: int
    first_at: str
    first_value: Decimal
    last_look: int


class Result(t.NamedTuple):
    """Parts, the findings that their rows gave rise to, and the ends per (site, host, container, source, meter, month)."""

    parts: list[Part]
    findings: list[Finding]
    ends: dict[tuple[str, str, str, str, str, str], Ends]


def account(rows: t.Iterable[Row], latest: t.Optional[t.Mapping[tuple[str, str, str, str], str]] = None, events: Events = NO_EVENTS) -> Result:
    """Account for readings: columns of ``docs/ledger.md``, ordered by site and series, then seq.

    :param latest: ``recorded_at`` of the last answered look per (site, host, container, scope); lets months be compared with all time.
    """
    groups: dict[tuple[str, ...], list[_Track]] = {}
    findings: list[Finding] = []
    for _series, members in itertools.groupby(rows, key=lambda row: (row["site"], row["series"])):
        tracks = _follow(members, events, findings)
        first = tracks[0].first
        # Not by service: whoever reports a meter of a folder may report what others counted there.
        groups.setdefault((first["site"], first["source"], first["meter"], first["month"]), []).extend(tracks)
    parts: list[Part] = []
    for tracks in groups.values():
        parts.extend(_combine(tracks, events, findings))
    findings.extend(_clones(itertools.chain.from_iterable(groups.values())))
    findings.extend(_months_beyond(parts, latest or {}))
    findings.extend(_sourceless(parts))
    return Result(parts, sorted(set(findings)), {_place(track): _ends(track) for tracks in groups.values() for track in tracks})


def total(parts: t.Iterable[Part], of: str = "units") -> Interval:
    """Sum of ``quantity`` or ``units`` over parts; do not mix months with ``all``."""
    result = NOTHING
    for part in parts:
        result = result.plus(getattr(part, of))
    return result


def _follow(rows: t.Iterable[Row], events: Events, findings: list[Finding]) -> list[_Track]:
    """One series: its tracks, one per host, doubts noted."""
    tracks: dict[str, _Track] = {}
    for row in rows:
        quantity = Decimal(row["quantity"])
        units = quantity if row["billed_unit"] is None else Decimal(row["billed_unit"])
        track = tracks.get(row["host"])
        if track is None:
            track = _Track(Counter(), Counter(), row, row)
        else:
            _begin_again(track, row, events)
        moved = _EXACT.subtract(quantity, track.quantity.last)
        if track.last["resource"] != row["resource"] and moved:
            findings.append(_split(track.last, row, moved))
        share = (row["host"], row["container"], row["resource"])
        track.quantity.see(quantity, share)
        track.units.see(units, share)
        tracks[row["host"]] = track._replace(last=row)
    for track in tracks.values():
        findings.extend(_doubts(track))
    return list(tracks.values())


def _begin_again(track: _Track, row: Row, events: Events) -> None:
    """Tell a track's counters what was seen of its record files since its last row."""
    told = events.evidence.get((row["site"], row["host"], row["container"], row["source"]), ())
    for seq, kind, moment in told:
        if track.last["look"] < seq <= row["look"]:
            # Nothing is used in a month that is over: going back to an older copy of its records adds nothing to it.
            if kind == "restored" and row["month"] != ALL and is_over(row["month"], moment):
                continue
            track.quantity.restart(kind == "restored")
            track.units.restart(kind == "restored")


def _split(before: Row, row: Row, moved: Decimal) -> Finding:
    text = f"the resource changed from {before['resource'] or 'unknown'} to {row['resource'] or 'unknown'} with no reading in between"
    text += "; what was used in between counts for the latter: harvest right before and right after such a change"
    return _finding("resource_split", row, text, Interval(_ZERO, max(moved, _ZERO)))


def _doubts(track: _Track) -> t.Iterator[Finding]:
    """What cannot be known about one track."""
    quantity, units = track.quantity, track.units
    if not (quantity.in_doubt or units.in_doubt or quantity.unsure or units.unsure):
        return
    whole = quantity.total
    if quantity.last < quantity.peak or units.last < units.peak:
        text = f"reported {quantity.peak:f} once and {quantity.last:f} now: {whole.low:f} if the answer is incomplete, {whole.high:f} if it began again"
        yield _finding("decrease", track.last, text + "; harvest again, and look whether record files were removed", whole)
    elif quantity.in_doubt or units.in_doubt:
        text = f"its records went back to an older copy: {whole.low:f} to {whole.high:f} were used in all"
        yield _finding("restored", track.last, text + "; enter what is known as an adjustment, and leave the output folder out of restores", whole)
    if quantity.unsure or units.unsure:
        most = Interval(whole.low, _EXACT.add(whole.high, quantity.unsure))
        text = f"fell, rose step by step and passed its former highest value: {most.low:f} if the answers were incomplete meanwhile, {most.high:f} at most"
        yield _finding("regrown", track.last, text + " if it began again or its host went back to a snapshot; ask whether it did, and adjust", most)


def _combine(tracks: list[_Track], events: Events, findings: list[Finding]) -> t.Iterator[Part]:
    """Everyone who reports one meter of one source in one month: those that agree count once."""
    agree = True
    if len(tracks) > 1:
        tracks = sorted(tracks, key=lambda track: (-track.units.total.low, -track.quantity.total.low, track.first["host"], track.first["reporter"]))
        agree = len({(track.quantity.total, track.units.total) for track in tracks}) == 1
    if not agree:
        findings.append(_several(tracks, events))
    for index, track in enumerate(tracks):
        if index and agree:
            continue
        last = track.last
        mine = (track.quantity.low, track.quantity.high, track.units.low, track.units.high)
        for share in sorted(mine[0].keys() | mine[2].keys()):
            low, high, units_low, units_high = (shares.get(share, _ZERO) for shares in mine)
            quantity, units = Interval(low, high), Interval(units_low, units_high)
            if index:  # the largest alone is the least that was used, all together the most
                quantity, units = Interval(_ZERO, high), Interval(_ZERO, units_high)
            host, container, resource = share
            yield Part(
                last["site"], last["source"], last["reporter"], host, container, last["service"], resource, last["meter"], last["month"], quantity, units
            )  # fmt: skip


def _several(tracks: list[_Track], events: Events) -> Finding:
    """One folder, several reporters that differ: at the same time, or one after the other."""
    names = ", ".join(sorted({f"{track.first['reporter']} on {track.first['host']}" for track in tracks}))
    most = _sum(track.quantity.total.high for track in tracks)
    whole = Interval(max(track.quantity.total.low for track in tracks), most)
    ordered = sorted(tracks, key=lambda track: track.first.get("look", 0))
    if all(_follows(one, other, events) for one, other in zip(ordered, ordered[1:])):
        text = f"one output folder, reported by one after the other: {names}; {whole.low:f} if each reports all that is in it, {whole.high:f} if each its own"
        return _finding("renamed", tracks[0].last, text + "; give a renamed container a new folder", whole)
    text = f"one output folder, different totals, reported by {names}: {whole.low:f} if each reports all that is in it, {whole.high:f} if each its own"
    return _finding("shared_source", tracks[0].last, text + "; give each container a folder of its own", whole)


def _follows(one: _Track, other: _Track, events: Events) -> bool:
    """Whether ``one`` had stopped reporting before ``other`` began."""
    places = [(track.first["site"], track.first["host"], track.last["container"]) for track in (one, other)]
    if places[0] == places[1]:
        return one.last.get("look", 0) < other.first.get("look", 0)
    spans = [events.spans.get(place) for place in places]
    return spans[0] is not None and spans[1] is not None and spans[0][1] < spans[1][0]


def _clones(tracks: t.Iterable[_Track]) -> t.Iterator[Finding]:
    hosts: dict[tuple[str, str], set[str]] = {}
    for track in tracks:
        hosts.setdefault((track.first["site"], track.first["source"]), set()).add(track.first["host"])
    for (site, source), names in hosts.items():
        if len(names) > 1:
            text = f"output folder {source} is on {', '.join(sorted(names))}: copied or moved; what both hold counts once only while they agree"
            text += "; remove source.json from the copy, so that it gets an id of its own"
            yield Finding("clone", site, min(names), "", "", "", text)


def _place(track: _Track) -> tuple[str, str, str, str, str, str]:
    row = track.last
    return row["site"], row["host"], row["container"], row["source"], row["meter"], row["month"]


def _ends(track: _Track) -> Ends:
    first = track.first
    return Ends(first.get("look", 0), first.get("observed_at", ""), Decimal(first["quantity"]), track.last.get("look", 0))


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
            text = f"months add up to {monthly.low:f}, all time is {always.high:f}: one of them is wrong; keep the record files and ask Microsoft"
            yield Finding("months_beyond_all", site, host, container, meter, "", text)


def _sourceless(parts: list[Part]) -> t.Iterator[Finding]:
    found: dict[tuple[str, str, str], set[bool]] = {}
    for part in parts:
        found.setdefault((part.site, part.host, part.container), set()).add(part.source.startswith("host:"))
    for (site, host, container), kinds in found.items():
        if len(kinds) == 2:
            text = "read both with and without the id of its output folder: its usage may be counted twice; see that source.json is there, then adjust"
            yield Finding("unknown_source", site, host, container, "", "", text)


def _finding(kind: str, row: Row, text: str, between: t.Optional[Interval] = None) -> Finding:
    ends = (f"{between.low:f}", f"{between.high:f}") if between else ("", "")
    return Finding(kind, row["site"], row["host"], row["container"], row["meter"], row["month"], text, *ends)


def _merged(one: t.Mapping[t.Any, Decimal], other: t.Mapping[t.Any, Decimal]) -> dict[t.Any, Decimal]:
    result = dict(one)
    for share, value in other.items():
        _add(result, share, value)
    return result


def _add(shares: dict[t.Any, Decimal], share: t.Any, value: Decimal) -> None:
    shares[share] = _EXACT.add(shares.get(share, _ZERO), value)


def _sum(values: t.Iterable[Decimal]) -> Decimal:
    result, *rest = values or (_ZERO,)
    for value in rest:
        result = _EXACT.add(result, value)
    return result
