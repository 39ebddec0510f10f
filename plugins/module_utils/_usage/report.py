# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The usage report as one value, from which JSON, CSV, metrics and the page are rendered: the same numbers everywhere.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import advice, burn, fleet, recheck, summary
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.rules import Part

FORMAT = 2
SHOWN_MONTHS = 13
STATES = {
    "closed": "read, closed",
    "closed_none": "no usage, closed",
    "read": "read, may still change",
    "no_usage": "no usage yet",
    "no_answer": "no answer",
    "bad_answer": "bad answer",
    "not_asked": "not asked",
}


def build(
    connection: t.Any,
    site: t.Optional[str] = None,
    releases: t.Sequence[t.Mapping[str, t.Any]] = (),
    commitments: t.Sequence[t.Mapping[str, t.Any]] = (),
    today: t.Optional[datetime.date] = None,
    before: t.Optional[recheck.Known] = None,
    whole: bool = True,
) -> dict[str, t.Any]:
    """The report of one site, or of all. It holds no moment of its own making: ``as_of`` is the last look's.

    :param releases: what runs, as ``bound`` gives it
    :param today: the day on which days left are counted; that of the last look when None
    :param before: what an earlier report knew
    :param whole: whether to walk every chain; else only what came after the heads that ``before`` names
    :raises InputError: a commitment is not as documented.
    """
    looks = summary.looks_of(connection, site)
    result = summary.accounts(connection, site, looks=looks)
    known = fleet.known(connection, site)
    parts = fleet.parts(result.parts, known)
    used = _used(parts)
    covered = [_seen(row, used) for row in summary.coverage(connection, site, looks=looks)]
    as_of = max((row["last_look"] for row in covered), default=None)
    day = today or datetime.date.fromisoformat((as_of or "2000-01-01")[:10])
    closed = _closed(covered, known)
    burned, unmatched = burn.burn_down(parts, commitments, known.adjustments, closed, day)
    running = [row for row in releases if row.get("site") not in known.states] + fleet.licenses(known.states)
    held = sorted((_license(row, day) for row in running), key=lambda row: (row["site"], row["host"], row["container"]))
    silences = advice.stale(_last(covered, known), {name: t.cast(str, fleet.heard_of(name, (), known)) for name in known.imports}, day)
    told = [finding._asdict() for finding in result.findings] + summary.silent(covered) + unmatched + fleet.findings(known)
    told += advice.clock(as_of, day)
    chain = recheck.check(connection, before, whole, day)
    broken = [{"kind": "chain", "text": problem} for problem in chain["problems"]]
    report: dict[str, t.Any] = {
        "format": FORMAT,
        "sites": sorted({row["site"] for row in covered} | set(known.imports)),
        "as_of": as_of,
        "day": day.isoformat(),
        "months": _months({part.month for part in parts if part.month != calendar.ALL}),
        "services": _services(parts, closed),
        "meters": summary.grouped(parts, ("service", "meter", "month")),
        "totals": summary.grouped(parts, ("site", "service", "resource", "meter")),
        "by_site": summary.grouped(parts, ("site", "service", "month")),
        "rows": summary.grouped(parts, summary.DIMENSIONS),
        "adjustments": known.adjustments,
        "adjusted": fleet.adjusted(known.adjustments),
        "coverage": covered,
        "licenses": held,
        "commitments": burned,
        "findings": advice.ordered([*broken, *told, *advice.plans(burned, day), *advice.licenses(held, day), *silences]),
        "chain": chain,
    }
    return {**report, "fleet": fleet.sites(report, known, day)}


def bound(deployed: t.Iterable[t.Mapping[str, str]], releases: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Join what runs with what the store knows of its releases: rows for ``releases`` of ``build``.

    :param deployed: as ``summary.running`` gives it
    :param releases: releases as holdings have them; an unknown or undeclared end is None, never a guess
    """
    known = {release["id"]: release for release in releases}
    rows = []
    for row in deployed:
        release = known.get(row["release"], {})
        rows.append({**row, "image": release.get("image"), "tag": release.get("tag"), "license_ends": release.get("expires")})
    return rows


def _months(found: t.Collection[str]) -> list[str]:
    """From the first to the last, without a gap."""
    return calendar.span(max(min(found), calendar.back(max(found), calendar.MAX_MONTHS - 1)), max(found), max(found)) if found else []


def _used(parts: t.Iterable[Part]) -> set[tuple[str, str, str, str]]:
    return {(part.site, part.host, part.container, part.month) for part in parts}


def _seen(row: dict[str, t.Any], used: t.Container[tuple[str, str, str, str]]) -> dict[str, t.Any]:
    """A row of the coverage with one of STATES for each month."""

    def state(month: str, found: str) -> str:
        some = (row["site"], row["host"], row["container"], month) in used
        return {"closed": "closed" if some else "closed_none", "open": "read" if some else "no_usage"}.get(found, found)

    return {**row, "months": {month: state(month, found) for month, found in row["months"].items()}}


def _closed(covered: t.Iterable[t.Mapping[str, t.Any]], known: fleet.Known) -> burn.Closed:
    """Whether a month can no longer change for all of some places; one that was never asked for there counts as nothing used."""
    states = {(row["site"], row["host"], row["container"]): row["months"] for row in covered}

    def closed(places: t.Collection[tuple[str, str, str]], month: str) -> bool:
        found = [states[place].get(month) for place in places if place in states]
        stated = [fleet.over(place[0], month, known) for place in places if place not in states]
        return all(stated) and all(state in ("closed", "closed_none", None) for state in found) and (any(found) or any(stated))

    return closed


def _services(parts: t.Iterable[Part], closed: burn.Closed) -> list[dict[str, t.Any]]:
    """Units by service and month, and of all time; ``closed`` where no container can change them any more."""
    chosen = list(parts)
    places: dict[str, set[tuple[str, str, str]]] = {}
    for part in chosen:
        places.setdefault(part.service, set()).add((part.site, part.host, part.container))
    months: dict[str, list[dict[str, t.Any]]] = {service: [] for service in places}
    for row in summary.grouped([part for part in chosen if part.month != calendar.ALL], ("service", "month")):
        months[row["service"]].append({"month": row["month"], "units": row["units"], "closed": closed(places[row["service"]], row["month"])})
    return [{"service": row["service"], "total": row["units"], "months": months[row["service"]]} for row in summary.grouped(chosen, ("service",))]


def _last(covered: t.Iterable[t.Mapping[str, t.Any]], known: fleet.Known) -> dict[str, t.Optional[str]]:
    last: dict[str, t.Optional[str]] = dict.fromkeys(known.imports)
    for row in covered:
        last[row["site"]] = max(last.get(row["site"]) or "", row["last_look"])
    return last


def _license(release: t.Mapping[str, t.Any], day: datetime.date) -> dict[str, t.Any]:
    """A row of the table of licenses; the end may be given as a day or as days left, and is None where nobody knows it."""
    days, ends = release.get("license_days"), release.get("license_ends")
    if ends:
        try:
            days = (datetime.date.fromisoformat(str(ends)) - day).days
        except ValueError as exc:
            raise InputError(f"release of {release.get('container')}", f"license end {ends!r} is not a day") from exc
    elif days not in (None, ""):
        ends = (day + datetime.timedelta(days=int(days))).isoformat()
    names = ("site", "host", "container", "service", "image", "tag", "release")
    return {
        **{name: str(release.get(name) or "") for name in names},
        "license_ends": ends or None,
        "license_days": int(days) if ends and days is not None else None,
    }
