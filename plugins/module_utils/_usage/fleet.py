# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What headquarters knows of its sites beside their readings: adjustments, statements, states and imports; and which site is worst off.

A ledger that was made before these tables, or that no site's export reached, has none of it.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import typing as t
from decimal import Decimal

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.advice import LEVELS
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.counter import Interval, plain
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.rules import Part
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import tables

with contextlib.suppress(ImportError):  # tables.IMPORT_ERROR says so
    import sqlalchemy as sa

_SHOWN = ("site", "host", "container", "service", "resource", "meter", "month", "kind", "quantity", "reason", "author", "entered_at")
_CHUNK = 500  # values in one IN list


class Known(t.NamedTuple):
    """Rows of the tables of exports: ``adjustments`` with ``units``, ``parts`` from statements, the newest ``states`` and ``imports`` by site.

    Adjustments of a site whose newest export holds statements are the sums that these tell, never its signed rows as well.
    """

    adjustments: list[dict[str, t.Any]]
    parts: list[Part]
    states: dict[str, dict[str, t.Any]]
    imports: dict[str, dict[str, t.Any]]


def known(connection: t.Any, site: t.Optional[str] = None) -> Known:
    """Everything that exports brought about one site, or all."""
    states = {row["site"]: {"created_at": row["created_at"], "state": json.loads(row["state"])} for row in _newest(_rows(connection, "states", site))}
    imports = {row["site"]: row for row in _newest(_rows(connection, "imports", site))}
    # Statements are complete: the newest export's say all, and what an earlier one said and they do not is no longer so.
    telling = {name: row for name, row in imports.items() if _tells_sums(row)}
    stated = _rows(connection, "statements", site, [row["export_id"] for row in telling.values()])
    signed = [row for row in _rows(connection, "adjustments", site) if row["site"] not in telling]
    adjustments = [{**{name: row[name] or "" for name in _SHOWN}, "units": row["billed_unit"] or row["quantity"]} for row in signed]
    adjustments += [_told(row, telling[row["site"]], states.get(row["site"])) for row in stated if _adjusted(row)]
    # A line that only says what was entered by hand is not about a month in which a container reported nothing used.
    return Known(adjustments, [_part(row) for row in stated if not _adjusted(row) or _used(row)], states, imports)


def stated(connection: t.Any, site: t.Optional[str] = None, as_of: t.Optional[str] = None) -> list[dict[str, t.Any]]:
    """Sites whose newest export (until ``as_of``) holds statements and no rows: ``site``, ``number`` of the export, ``imported_at``."""
    came = [row for row in _rows(connection, "imports", site) if not as_of or row["imported_at"] <= as_of]
    return [{name: row[name] for name in ("site", "number", "imported_at")} for row in _newest(came) if _tells_sums(row)]


def _tells_sums(newest: t.Mapping[str, t.Any]) -> bool:
    """Whether a site's newest import is of statements: what it used is known by their sums alone then."""
    return bool(newest["detail"] == "site")


def _adjusted(row: t.Mapping[str, t.Any]) -> bool:
    return bool(Decimal(row["adjusted"] or 0))


def _used(row: t.Mapping[str, t.Any]) -> bool:
    return any(Decimal(row[name]) for name in ("quantity_high", "units_high"))


def _told(row: t.Mapping[str, t.Any], came: t.Mapping[str, t.Any], state: t.Optional[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """An adjustment out of a statement: a sum in units, of which nobody but the site knows host, author and reason."""
    told = {"kind": "told_by_site", "reason": "The sum of what the site entered, told with its export.", "author": came["signer"]}
    when = state["created_at"] if state else came["imported_at"]
    base = {name: row.get(name) or "" for name in _SHOWN}
    return {**base, **told, "entered_at": when, "units": row["adjusted"]}


def _rows(connection: t.Any, name: str, site: t.Optional[str], exports: t.Optional[t.Sequence[str]] = None) -> list[dict[str, t.Any]]:
    """All rows of a table about one site, or all; of some exports only where these are given."""
    table = tables().metadata.tables.get(name)
    if table is None or not sa.inspect(connection).has_table(name):
        return []
    query = sa.select(table).order_by(table.c.site, table.c["number" if "number" in table.c else "seq"])
    if site:
        query = query.where(table.c.site == site)
    if exports is None:
        return [dict(row) for row in connection.execute(query).mappings()]
    chunks = [exports[start : start + _CHUNK] for start in range(0, len(exports), _CHUNK)]
    return [dict(row) for chunk in chunks for row in connection.execute(query.where(table.c.export_id.in_(chunk))).mappings()]


def _newest(rows: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The last row of each site."""
    return list({row["site"]: row for row in rows}.values())


def _part(row: t.Mapping[str, t.Any]) -> Part:
    quantity, units = (Interval(Decimal(row[f"{name}_low"]), Decimal(row[f"{name}_high"])) for name in ("quantity", "units"))
    return Part(row["site"], "", "", "", "", row["service"], row["resource"], row["meter"], row["month"], quantity, units)


def licenses(states: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """What runs at sites that tell of it with their exports: rows for ``releases`` of ``report.build``; counted where they keep names to themselves."""
    return [
        {**row, "site": site, "container": row.get("container") or f"{row['count']} of {row['service']}", "license_ends": row["expires"]}
        for site, item in states.items()
        for row in item["state"].get("releases") or ()
    ]


def findings(found: Known) -> list[dict[str, t.Any]]:
    """Findings that sites tell of, where headquarters has no rows to see them for itself."""
    return [
        {"kind": row["kind"], "site": site, "meter": row["meter"] or "", "month": row["month"] or "", "text": f"Told by the site, {row['count']} times."}
        for site, item in found.states.items()
        if item["state"].get("detail") == "site"
        for row in item["state"].get("findings") or ()
    ]


def parts(own: t.Iterable[Part], found: Known) -> list[Part]:
    """Parts from readings, and from statements of the sites whose newest export holds statements: never both of one site."""
    stated = {site for site, row in found.imports.items() if _tells_sums(row)}
    return [part for part in own if part.site not in stated] + found.parts


def sites(report: t.Mapping[str, t.Any], found: Known, today: datetime.date) -> list[dict[str, t.Any]]:
    """One row per site, the worst first: findings by level, silent containers, days since it was last heard of, the nearest license end."""
    rows = []
    grouped = {name: _by_site(report[name]) for name in ("coverage", "findings", "licenses")}
    for site in report["sites"]:
        covered = grouped["coverage"].get(site, [])
        counts = {level: sum(1 for row in grouped["findings"].get(site, ()) if row["level"] == level) for level in LEVELS}
        days = [row["license_days"] for row in grouped["licenses"].get(site, ())]
        heard = heard_of(site, covered, found)
        rows.append(
            {
                "site": site,
                "level": next((level for level in LEVELS[:2] if counts[level]), "good"),
                **counts,
                "containers": len(covered) or _counted(found, site),
                "silent": sum(1 for row in covered if row["problem"]),
                "heard_of": heard,
                "days_since": (today - datetime.date.fromisoformat(heard[:10])).days if heard else None,
                "by_export": site in found.imports,
                "detail": found.imports[site]["detail"] if site in found.imports else "",
                "license_days": min((day for day in days if day is not None), default=None),
                "licenses_unknown": sum(1 for day in days if day is None),
                "collection": str(found.states.get(site, {}).get("state", {}).get("collection") or ""),
            }
        )
    return sorted(rows, key=lambda row: (-row["bad"], -row["warn"], -row["silent"], -(row["days_since"] or 0), row["site"]))


def _by_site(rows: t.Iterable[dict[str, t.Any]]) -> dict[str, list[dict[str, t.Any]]]:
    found: dict[str, list[dict[str, t.Any]]] = {}
    for row in rows:
        found.setdefault(row["site"], []).append(row)
    return found


def heard_of(site: str, covered: t.Iterable[t.Mapping[str, t.Any]], found: Known) -> t.Optional[str]:
    """When a site last spoke: the moment of its newest export, else of its last look."""
    if site in found.states:
        return str(found.states[site]["created_at"])
    if site in found.imports:
        return str(found.imports[site]["imported_at"])
    return max((row["last_look"] for row in covered if row["site"] == site), default=None)


def _counted(found: Known, site: str) -> int:
    releases = found.states.get(site, {}).get("state", {}).get("releases") or ()
    return sum(int(row.get("count") or 1) for row in releases)


def adjusted(rows: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Adjustments summed by site, service, resource, meter and month, apart from every reading: ``adjusted`` in units."""
    sums: dict[tuple[str, ...], Decimal] = {}
    names = ("site", "service", "resource", "meter", "month")
    for row in rows:
        key = tuple(row[name] for name in names)
        sums[key] = sums.get(key, Decimal(0)) + Decimal(row["units"])
    return [{**dict(zip(names, key)), "adjusted": plain(value)} for key, value in sorted(sums.items())]


def over(site: str, month: str, found: Known) -> bool:
    """Whether a month of a site that sends statements was over when it last spoke."""
    return site in found.states and calendar.is_over(month, found.states[site]["created_at"])
