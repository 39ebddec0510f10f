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
from decimal import Decimal

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.counter import EXACT, NOTHING, ZERO, Counter, Interval, exact_sum, plain
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.months import ALL, is_over

Share = tuple[str, str, str]  # host, container, resource
Row = t.Mapping[str, t.Any]


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
    rows = list(rows)
    steady = _steady(rows, events)
    if steady is not None:
        return [steady]
    tracks: dict[str, _Track] = {}
    for row in rows:
        quantity = Decimal(row["quantity"])
        units = quantity if row["billed_unit"] is None else Decimal(row["billed_unit"])
        track = tracks.get(row["host"])
        if track is None:
            track = _Track(Counter(), Counter(), row, row)
        else:
            _begin_again(track, row, events)
        moved = EXACT.subtract(quantity, track.quantity.last)
        if track.last["resource"] != row["resource"] and moved:
            findings.append(_split(track.last, row, moved))
        share = (row["host"], row["container"], row["resource"])
        track.quantity.see(quantity, share)
        track.units.see(units, share)
        tracks[row["host"]] = track._replace(last=row)
    for track in tracks.values():
        findings.extend(_doubts(track))
    return list(tracks.values())


def _steady(rows: t.Sequence[Row], events: Events) -> t.Optional[_Track]:
    """The one track of a series that only grew under one share, as nearly all do: its steps add up to its last value."""
    first = rows[0]
    share = (first["host"], first["container"], first["resource"])
    if (first["site"], share[0], share[1], first["source"]) in events.evidence:
        return None
    quantity = units = ZERO
    for row in rows:
        former, quantity = quantity, Decimal(row["quantity"])
        before, units = units, quantity if row["billed_unit"] is None else Decimal(row["billed_unit"])
        if quantity < former or units < before or (row["host"], row["container"], row["resource"]) != share:
            return None
    return _Track(Counter.grown(quantity, share), Counter.grown(units, share), first, rows[-1])


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
    return _finding("resource_split", row, text, Interval(ZERO, max(moved, ZERO)))


def _doubts(track: _Track) -> t.Iterator[Finding]:
    """What cannot be known about one track."""
    quantity, units = track.quantity, track.units
    if not (quantity.in_doubt or units.in_doubt or quantity.unsure or units.unsure):
        return
    whole = quantity.total
    if quantity.last < quantity.peak or units.last < units.peak:
        low, high = plain(whole.low), plain(whole.high)
        text = f"reported {plain(quantity.peak)} once and {plain(quantity.last)} now: {low} if the answer is incomplete, {high} if it began again"
        yield _finding("decrease", track.last, text + "; harvest again, and look whether record files were removed", whole)
    elif quantity.in_doubt or units.in_doubt:
        text = f"its records went back to an older copy: {plain(whole.low)} to {plain(whole.high)} were used in all"
        yield _finding("restored", track.last, text + "; enter what is known as an adjustment, and leave the output folder out of restores", whole)
    if quantity.unsure or units.unsure:
        most = Interval(whole.low, EXACT.add(whole.high, quantity.unsure))
        low, high = plain(most.low), plain(most.high)
        text = f"fell, rose step by step and passed its former highest value: {low} if the answers were incomplete meanwhile, {high} at most"
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
            low, high, units_low, units_high = (shares.get(share, ZERO) for shares in mine)
            quantity, units = Interval(low, high), Interval(units_low, units_high)
            if index:  # the largest alone is the least that was used, all together the most
                quantity, units = Interval(ZERO, high), Interval(ZERO, units_high)
            host, container, resource = share
            yield Part(
                last["site"], last["source"], last["reporter"], host, container, last["service"], resource, last["meter"], last["month"], quantity, units
            )  # fmt: skip


def _several(tracks: list[_Track], events: Events) -> Finding:
    """One folder, several reporters that differ: at the same time, or one after the other."""
    names = ", ".join(sorted({f"{track.first['reporter']} on {track.first['host']}" for track in tracks}))
    most = exact_sum(track.quantity.total.high for track in tracks)
    whole = Interval(max(track.quantity.total.low for track in tracks), most)
    shares = f"{plain(whole.low)} if each reports all that is in it, {plain(whole.high)} if each its own"
    ordered = sorted(tracks, key=lambda track: track.first.get("look", 0))
    if all(_follows(one, other, events) for one, other in zip(ordered, ordered[1:])):
        text = f"one output folder, reported by one after the other: {names}; {shares}"
        return _finding("renamed", tracks[0].last, text + "; give a renamed container a new folder", whole)
    text = f"one output folder, different totals, reported by {names}: {shares}"
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
            text = f"months add up to {plain(monthly.low)}, all time is {plain(always.high)}: one of them is wrong; keep the record files and ask Microsoft"
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
    ends = (plain(between.low), plain(between.high)) if between else ("", "")
    return Finding(kind, row["site"], row["host"], row["container"], row["meter"], row["month"], text, *ends)
