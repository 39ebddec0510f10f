# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as CSV: usage with adjustments apart, and commitments. No cell that others wrote is a formula. Pure.

This file is private to the collection.
"""

from __future__ import annotations

import csv
import io
import typing as t

_PLACES = ("site", "host", "container", "service", "resource", "meter", "month")
USAGE = ("record", *_PLACES, "quantity_low", "quantity_high", "units_low", "units_high", "kind", "reason", "author", "entered_at")
COMMITMENTS = (
    ("resource", "meters", "start", "end", "granted", "used_low", "used_high", "adjusted", "left_low", "left_high")
    + ("forecast_low", "forecast_likely", "forecast_high", "runs_out_earliest", "runs_out_likely")
)  # fmt: skip
# What spreadsheets take for the beginning of a formula, the wide forms of East Asian keyboards among them.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
Report = t.Mapping[str, t.Any]


def usage(report: Report) -> bytes:
    """One line per container, resource, meter and month (``record`` is ``usage``), then one per ``adjustment``, which usage does not hold."""
    rows: list[list[str]] = []
    for row in report["rows"]:
        rows.append(["usage", *(safe(row[name]) for name in _PLACES), *row["quantity"], *row["units"], "", "", "", ""])
    for row in report["adjustments"]:
        numbers = [row["quantity"], row["quantity"], row["units"], row["units"]]
        rows.append(["adjustment", *(safe(row[name]) for name in _PLACES), *numbers, *(safe(row[name]) for name in USAGE[-4:])])
    return _table(USAGE, rows)


def commitments(report: Report) -> bytes:
    """One line per commitment; a forecast that cannot be made is empty."""
    rows = []
    for row in report["commitments"]:
        ahead = row["forecast"]
        low, high = ahead["units"] or ("", "")
        numbers = [row["granted"], *row["used"], row["adjusted"], *row["left"], low, ahead["likely"] or "", high]
        rows.append([safe(row["resource"]), safe(" ".join(row["meters"])), row["start"], row["end"], *numbers, *(month or "" for month in ahead["runs_out"])])
    return _table(COMMITMENTS, rows)


def safe(text: str) -> str:
    """``text``, behind an apostrophe where a spreadsheet would take it for a formula."""
    return "'" + text if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def _table(header: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue().encode("utf-8")
