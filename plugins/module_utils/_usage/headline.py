# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words and numbers at the top of the page: a verdict, a few tiles, findings gathered into cards. Pure.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import recheck, words

ITEMS = 12  # findings that one card lists
_TAGS = {"bad": "urgent", "warn": "look at it", "note": "plan ahead"}
_TITLES = {
    "chain": "The ledger was altered",
    "plan_over": "A commitment is used up",
    "plan_ended": "A commitment ended",
    "plan_short": "A commitment may run short",
    "plan_ends": "A commitment ends soon",
    "no_commitment": "Usage that no commitment pays for",
    "license_ended": "Licenses ended",
    "license_ends": "Licenses end soon",
    "license_unknown": "Nobody knows when licenses end",
    "unanswered": "Containers did not answer",
    "harvest_old": "Harvests stopped",
    "export_old": "Sites sent no export",
    "decrease": "Totals went down",
    "shared_source": "Containers share an output folder",
    "clone": "Output folders were copied",
    "resource_split": "Resources changed between readings",
    "months_beyond_all": "Months exceed all time",
    "unknown_source": "Output folders without their id",
    "restored": "Records went back to an older copy",
    "regrown": "Totals fell and grew past themselves",
    "renamed": "Containers took over a folder",
    "vanished": "Containers that nobody asks any more",
    "clock": "Clocks of hosts are wrong",
    "own_clock": "The clock of this machine is wrong",
    "closed_month": "Closed months changed",
    "usage_gone": "Usage disappeared",
    "all_beyond_months": "All time exceeds the months",
}
Report = t.Mapping[str, t.Any]


def verdict(report: Report) -> dict[str, str]:
    """``level``, ``title`` and ``text``: whether anybody has to act, on how much, and what comes first."""
    findings = report["findings"]
    bad = [finding for finding in findings if finding["level"] == "bad"]
    warn = [finding for finding in findings if finding["level"] == "warn"]
    if not report["coverage"] and not report["fleet"]:
        return {"level": "warn", "title": "Nothing was harvested yet.", "text": "Run the harvest playbook first."}
    if bad:
        return {"level": "bad", "title": f"{words.count(len(bad), 'finding')} cannot wait.", "text": _first(bad)}
    if warn:
        return {"level": "warn", "title": f"{words.count(len(warn), 'finding')} to look at.", "text": _first(warn)}
    return {"level": "good", "title": "All is in order.", "text": "Every container answered, and no license or commitment needs anything this month."}


def _first(findings: t.Sequence[Report]) -> str:
    first = findings[0]
    where = " · ".join(first[name] for name in ("site", "host", "container") if first[name])
    return f"First: {_sentence(first['text'])}" + (f" ({where})" if where and first["site"] not in first["text"] else "")


def tiles(report: Report) -> list[dict[str, str]]:
    """``name``, ``value``, ``level`` and ``text`` of each headline number."""
    return [tile for tile in (_sites(report), _answers(report), _commitment(report), _license(report), _ledger(report)) if tile]


def _sites(report: Report) -> t.Optional[dict[str, str]]:
    rows = report["fleet"]
    if len(rows) < 2:
        return None
    good = sum(1 for row in rows if row["level"] == "good")
    return _tile("Sites in order", f"{good} of {len(rows)}", "good" if good == len(rows) else "warn", f"{sum(1 for row in rows if row['bad'])} urgent")


def _answers(report: Report) -> dict[str, str]:
    silent = sum(row["silent"] for row in report["fleet"])
    known = sum(row["containers"] for row in report["fleet"])
    last = max((row["last_answer"] or "" for row in report["coverage"]), default="")
    return _tile(
        "Containers that answered",
        f"{known - silent} of {known}",
        "warn" if silent or not known else "good",
        f"last on {words.day(last)}" if last else "none yet",
    )


def _commitment(report: Report) -> dict[str, str]:
    running = [row for row in report["commitments"] if row["days_left"] >= 0]
    if not running:
        return _tile("Commitment used", "\u2013", "", "none is declared" if not report["commitments"] else "none is running")
    worst = max(running, key=percent)
    level = "bad" if percent(worst) > 100 else "warn" if percent(worst) >= 90 or worst["forecast"]["runs_out"][1] else "good"
    return _tile("Commitment used", f"{percent(worst)}\u00a0%", level, f"{worst['resource']}, {words.count(worst['days_left'], 'day')} left")


def _license(report: Report) -> dict[str, str]:
    days = [row["license_days"] for row in report["licenses"]]
    unknown = sum(1 for day in days if day is None)
    known = [day for day in days if day is not None]
    if not known:
        return _tile(
            "Next license ends", "unknown" if unknown else "\u2013", "warn" if unknown else "", f"{unknown} not declared" if unknown else "none is known"
        )
    least = min(known)
    level = "bad" if least < 7 else "warn" if least < 30 or unknown else "good"
    text = f"{unknown} of {len(days)} not declared" if unknown else f"of {len(days)}"
    return _tile("Next license ends", f"in {words.count(least, 'day')}" if least >= 0 else "ended", level, text)


def _ledger(report: Report) -> dict[str, str]:
    good, walked = report["chain"]["verified"], report["chain"]["walked"]
    rows = words.number(str(recheck.rows_of(report["chain"]["heads"])))
    return _tile(
        "Ledger",
        "unbroken" if good else "broken",
        "good" if good else "bad",
        f"{rows} rows, " + (f"all walked on {words.day(walked['on'])}" if walked else "never all walked"),
    )


def _tile(name: str, value: str, level: str, text: str) -> dict[str, str]:
    return {"name": name, "value": value, "level": level, "text": text}


def percent(commitment: Report) -> int:
    """Whole per cent of a commitment that are used, adjustments among them; of a doubtful total the most."""
    granted, used = float(commitment["granted"]), float(commitment["used_adjusted"][1])
    return round(100 * used / granted) if granted else 100 if used else 0


def cards(findings: t.Iterable[Report]) -> list[dict[str, t.Any]]:
    """Findings of one kind and level as one card, in the order in which the first of each comes; ``by`` is the first day among them."""
    groups: dict[tuple[str, str], list[Report]] = {}
    for row in findings:
        groups.setdefault((row["level"], row["kind"]), []).append(row)
    return [_card(level, kind, rows) for (level, kind), rows in groups.items()]


def _card(level: str, kind: str, rows: t.Sequence[Report]) -> dict[str, t.Any]:
    items = [{"text": _sentence(row["text"]), "where": _where(row)} for row in rows[:ITEMS]]
    return {
        "level": level,
        "title": _TITLES.get(kind, kind.replace("_", " ").capitalize()) + (f" ({len(rows)})" if len(rows) > 1 else ""),
        "by": rows[0]["by"],
        "tag": _TAGS[level],
        "do": rows[0]["do"],
        "items_shown": items,
        "more": len(rows) - len(items),
    }


def _where(row: Report) -> str:
    return " · ".join(row[name] for name in ("site", "host", "container", "meter", "month") if row[name])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
