# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The usage report as one value, from which JSON, CSV and the page are rendered: the same numbers everywhere.

This file is private to the collection.
"""

from __future__ import annotations

import csv
import datetime
import io
import typing as t
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, summary
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.rules import Part, total

FORMAT = 1
CSV_COLUMNS = ("site", "host", "container", "service", "resource", "meter", "month", "quantity_low", "quantity_high", "units_low", "units_high")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def build(
    connection: t.Any,
    site: t.Optional[str] = None,
    releases: t.Sequence[t.Mapping[str, t.Any]] = (),
    commitments: t.Sequence[t.Mapping[str, t.Any]] = (),
) -> dict[str, t.Any]:
    """The report of one site, or of all. It holds no time of its own making: ``as_of`` is the last look's.

    :raises InputError: a commitment is not as documented.
    """
    result = summary.accounts(connection, site)
    covered = summary.coverage(connection, site)
    problems = ledger.verify(connection)
    findings = [finding._asdict() for finding in result.findings] + summary.silent(covered)
    burned, unmatched = burn_down(result.parts, commitments)
    months = sorted({part.month for part in result.parts if part.month != calendar.ALL})
    return {
        "format": FORMAT,
        "sites": sorted({row["site"] for row in covered}),
        "as_of": max((row["last_look"] for row in covered), default=None),
        "months": months,
        "meters": summary.grouped(result.parts, ("service", "meter", "month")),
        "rows": summary.grouped(result.parts, summary.DIMENSIONS),
        "coverage": covered,
        "licenses": sorted((_license(release) for release in releases), key=lambda row: (row["host"], row["container"])),
        "commitments": burned,
        "findings": findings + unmatched,
        "chain": {"verified": not problems, "problems": problems, "heads": ledger.heads(connection)},
    }


def bound(deployed: t.Iterable[t.Mapping[str, str]], releases: t.Iterable[t.Mapping[str, t.Any]], today: datetime.date) -> list[dict[str, t.Any]]:
    """Join what runs with what the store knows of its releases: rows for ``releases`` of ``build``.

    :param deployed: as ``summary.running`` gives it
    :param releases: releases as holdings have them; an unknown or undeclared end is None, never a guess
    """
    known = {release["id"]: release for release in releases}
    rows = []
    for row in deployed:
        release = known.get(row["release"], {})
        ends = release.get("expires")
        days = (datetime.date.fromisoformat(ends) - today).days if ends else None
        rows.append({**row, "image": release.get("image"), "tag": release.get("tag"), "license_days": days})
    return rows


def burn_down(parts: t.Sequence[Part], commitments: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[list[dict[str, t.Any]], list[dict[str, t.Any]]]:
    """Use of each commitment in whole months of its period, and a finding for every meter that no commitment matches.

    :raises InputError: a commitment is not as documented.
    """
    result: list[dict[str, t.Any]] = []
    matched: set[tuple[str, str, str]] = set()
    for item in commitments:
        start, end = _day(item, "start"), _day(item, "end")
        granted = sum((_units(addition) for addition in item.get("added") or ()), _units(item))
        patterns = item.get("meters") or ["*"]
        mine = [part for part in parts if part.resource == item.get("resource") and any(fnmatchcase(part.meter, pattern) for pattern in patterns)]
        matched.update((part.site, part.resource, part.meter) for part in mine)
        inside = [part for part in mine if part.month != calendar.ALL and start[:7] <= part.month <= end[:7]]
        used, quantity = total(inside), total(inside, "quantity")
        result.append(
            {
                "resource": str(item.get("resource")),
                "meters": list(patterns),
                "start": start,
                "end": end,
                "granted": summary.plain(granted),
                "used": summary.pair(used),
                "used_quantity": summary.pair(quantity),
                "left": [summary.plain(granted - used.high), summary.plain(granted - used.low)],
            }
        )
    loose = sorted({(part.site, part.resource, part.meter) for part in parts} - matched) if commitments else []
    text = "no commitment matches this meter of resource "
    findings = [
        {"kind": "no_commitment", "site": where, "host": "", "container": "", "meter": meter, "month": "", "text": text + (resource or "unknown")}
        for where, resource, meter in loose
    ]
    return result, findings


def as_csv(report: t.Mapping[str, t.Any]) -> bytes:
    """One line per container, resource, meter and month; a cell that a spreadsheet would take for a formula gets a leading apostrophe."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(CSV_COLUMNS)
    for row in report["rows"]:
        texts = [row[name] for name in CSV_COLUMNS[:7]]
        writer.writerow([*(_safe(text) for text in texts), *row["quantity"], *row["units"]])
    return stream.getvalue().encode("utf-8")


def _safe(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA) else text


def _license(release: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    days = release.get("license_days")
    names = ("host", "container", "service", "image", "tag", "release")
    return {**{name: str(release.get(name) or "") for name in names}, "license_days": None if days in (None, "") else int(days)}


def _day(item: t.Mapping[str, t.Any], key: str) -> str:
    try:
        return datetime.date.fromisoformat(str(item.get(key))).isoformat()
    except ValueError as exc:
        raise InputError(f"commitment of {item.get('resource')}", f"{key} {item.get(key)!r} is not a day", "write it as YYYY-MM-DD") from exc


def _units(item: t.Mapping[str, t.Any]) -> Decimal:
    try:
        value = Decimal(str(item.get("units")))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise InputError("commitment", f"units {item.get('units')!r} is not a number of units")
    return value
