# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a harvest brought, container by container, for people. This file is private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar

HEAD = ("host", "container", "outcome", "months", "new", "problem")
_WORST = {"read": 0, "partly": 1, "bad answer": 2, "no answer": 3}
Record = dict[str, t.Any]


def rows(answers: t.Mapping[tuple[str, str], t.Sequence[int]], failures: t.Sequence[Record]) -> list[Record]:
    """One entry for each container, worst first: ``HEAD``, where ``months`` counts those that answered.

    :param answers: (host, container) to answers over all time, months that answered, and new readings
    :param failures: as the module ``ledger`` returns them
    """
    found: dict[tuple[str, str], Record] = {key: {"counts": counts, "failed": []} for key, counts in answers.items()}
    for failure in failures:
        if failure["container"]:
            found.setdefault((failure["host"], failure["container"]), {"counts": (0, 0, 0), "failed": []})["failed"].append(failure)
    result = [_row(host, container, entry) for (host, container), entry in sorted(found.items())]
    return sorted(result, key=lambda row: -_WORST[row["outcome"]])


def _row(host: str, container: str, entry: Record) -> Record:
    failed = entry["failed"]
    total, months, new = entry["counts"]
    outcome = "read"
    if failed:
        bad = any(failure["kind"] == "bad_answer" for failure in failed)
        outcome = "partly" if total + months else "bad answer" if bad else "no answer"
    problem = "; ".join(f"{failure['reason']} ({_scopes(failure['scopes'])})" for failure in failed)
    return {"host": host, "container": container, "outcome": outcome, "months": months, "new": new, "problem": problem}


def _scopes(scopes: t.Sequence[str]) -> str:
    months = [scope for scope in scopes if scope != calendar.ALL]
    words = ["all time"] if calendar.ALL in scopes else []
    if months:
        words.append(months[0] if len(months) == 1 else f"{len(months)} months from {months[0]}")
    return ", ".join(words)


def lines(table: t.Sequence[Record], most: int = 200) -> list[str]:
    """The table in columns; what is worse comes first, so what ``most`` leaves out was read."""
    if not table:
        return []
    shown = [HEAD, *(tuple(str(row[name]) for name in HEAD) for row in table[:most])]
    widths = [max(len(row[place]) for row in shown) for place in range(len(HEAD) - 1)]
    text = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]).rstrip() for row in shown]
    rest = table[most:]
    if rest:
        fine = all(row["outcome"] == "read" for row in rest)
        text.append(f"and {len(rest)} more" + (", all read" if fine else ""))
    return text


def missing(table: t.Sequence[Record]) -> int:
    """How many containers were not read, or not wholly."""
    return sum(1 for row in table if row["outcome"] != "read")
