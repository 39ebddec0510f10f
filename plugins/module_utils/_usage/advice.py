# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings in words: how bad, what to do about it, and by when. Pure.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import words

LEVELS = ("bad", "warn", "note")
LICENSE_DAYS = {7: "bad", 30: "warn"}  # fewer days than the key
PLAN_DAYS = {7: "bad", 30: "warn", 90: "note"}  # this many days or fewer
EXPORT_DAYS = 35  # a monthly courier, and a few days of grace
HARVEST_DAYS = 3
_PORTAL = "Azure portal, the resource, Commitment Tier pricing: "
_RENEW = _PORTAL + "set auto-renewal to a tier to go on, or to 'Do not auto-renew' to end; it can be changed until midnight UTC of the last day."
_ADD = _PORTAL + "purchase additional units; they are charged pro rata for the days that are left and cannot be taken back."
_SEE = "Look at the container's log on its host, then harvest again. While it is silent its months stay open."
_FOLDERS = "Give each container an output folder of its own, then harvest again."
# kind: level, what to do
KINDS: dict[str, tuple[str, str]] = {
    "chain": ("bad", "Keep a copy of the database, compare with heads written down elsewhere, and restore the ledger from its backup."),
    "plan_over": ("bad", _ADD),
    "plan_ended": ("bad", _PORTAL + "see whether it was renewed, and write the new period into azure_ai_commitments."),
    "plan_short": ("warn", _ADD),
    "plan_ends": ("note", _RENEW),
    "no_commitment": ("warn", "Buy a commitment for this meter, or correct resource and meters in azure_ai_commitments."),
    "license_ended": ("bad", "Bundle a new license in the connected zone, receive it and roll it out: the container will not start again with the old one."),
    "license_ends": ("warn", "Bundle a new license in the connected zone, receive it and roll it out before that day."),
    "license_unknown": (
        "warn",
        "Write license_lifetime_days into azure_ai_resources on the builder and bundle again: a license does not tell its end.",
    ),
    "unanswered": ("warn", _SEE),
    "harvest_old": ("warn", "Run the harvest playbook, and let a timer run it daily."),
    "export_old": ("warn", "Ask the site for a usage export. It holds everything since its last receipt, so nothing is lost yet."),
    "decrease": (
        "warn",
        "Mostly a container that was starting: the next harvest closes it. If it stays, see whether record files were removed.",
    ),
    "shared_source": ("bad", _FOLDERS),
    "clone": ("bad", _FOLDERS),
    "resource_split": ("warn", "Harvest right before and right after a rollout that changes a container's resource."),
    "months_beyond_all": ("bad", "The container contradicts itself: keep its record files and ask Microsoft."),
    # The text of these says what to do.
    **dict.fromkeys(("vanished", "closed_month", "usage_gone", "all_beyond_months", "restored", "regrown", "renamed"), ("warn", "")),
    "clock": ("note", ""),
    "own_clock": ("bad", "Set this machine's clock right, then write the report again."),
    "unknown_source": ("warn", "source.json beside the output folder was missing for a while: see that it is there, then harvest again."),
}
_OTHER = ("warn", "")


def complete(finding: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A finding with ``level``, ``do`` and ``by`` (a day, or "" for as soon as possible) that it does not have yet."""
    level, do = KINDS.get(finding["kind"], _OTHER)
    blank = {"site": "", "host": "", "container": "", "meter": "", "month": ""}
    return {**blank, "level": level, "do": do, "by": "", **finding}


def clock(as_of: t.Optional[str], day: datetime.date) -> list[dict[str, t.Any]]:
    """The finding that this machine's clock is behind what it has written down, so that all days left are too many."""
    if as_of is None or datetime.date.fromisoformat(as_of[:10]) <= day + datetime.timedelta(days=1):
        return []
    text = f"this machine's clock says {day.isoformat()}, and the last harvest was at {as_of}: days left of licenses and commitments are counted wrongly"
    return [{"kind": "own_clock", "text": text}]


def ordered(findings: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Completed findings, the worst first, those with the nearest day first among equals; a broken chain before all, as every number rests on it."""
    places = ("site", "host", "container", "meter", "month", "text")

    def urgency(row: t.Mapping[str, t.Any]) -> tuple[t.Any, ...]:
        return (LEVELS.index(row["level"]), row["kind"] != "chain", row["by"] or "9999", row["kind"], *[row[place] for place in places])

    return sorted(map(complete, findings), key=urgency)


def plans(commitments: t.Iterable[t.Mapping[str, t.Any]], today: datetime.date) -> list[dict[str, t.Any]]:
    """Findings about commitments as ``burn.burn_down`` gives them: overdrawn, running short, ending, ended."""
    rows = list(commitments)
    found = []
    for row in rows:
        if row["start"] > today.isoformat():
            continue
        follower = any(other["resource"] == row["resource"] and other["meters"] == row["meters"] and other["start"] > row["end"] for other in rows)
        found += [finding for finding in (_burnt(row, today), None if follower else _ending(row)) if finding]
    return found


def _burnt(row: t.Mapping[str, t.Any], today: datetime.date) -> t.Optional[dict[str, t.Any]]:
    if row["days_left"] < 0:
        return None
    plan, left = _plan(row), row["left"]
    if left[0].startswith("-"):
        sure = left[1].startswith("-")
        text = f"{plan} is used up: {words.number(left[0][1:])} units over{'' if sure else ' if the doubtful readings count'}."
        return {"kind": "plan_over", "level": "bad" if sure else "warn", "text": text}
    early, likely = row["forecast"]["runs_out"]
    by = max(f"{likely or early}-01", today.isoformat())
    if likely:
        return {
            "kind": "plan_short",
            "by": by,
            "text": f"{plan} runs out in {words.month(likely)} at this pace, {words.number(row['forecast']['short'])} units short at its end.",
        }
    if early:
        return {"kind": "plan_short", "level": "note", "by": by, "text": f"{plan} lasts at this pace, but could run out as early as {words.month(early)}."}
    return None


def _ending(row: t.Mapping[str, t.Any]) -> t.Optional[dict[str, t.Any]]:
    days = row["days_left"]
    if days < 0:
        return {"kind": "plan_ended", "text": f"{_plan(row)} ended on {words.day(row['end'])} and no later one is declared."}
    level = next((level for limit, level in sorted(PLAN_DAYS.items()) if days <= limit), None)
    when = "today" if days == 0 else f"in {words.count(days, 'day')}"
    if level is None:
        return None
    return {"kind": "plan_ends", "level": level, "by": row["end"], "text": f"{_plan(row)} ends {when}, on {words.day(row['end'])} at midnight UTC."}


def _plan(row: t.Mapping[str, t.Any]) -> str:
    return f"The commitment of {row['resource']}" + (f" ({', '.join(row['meters'])})" if row["meters"] != ["*"] else "")


def licenses(rows: t.Iterable[t.Mapping[str, t.Any]], today: datetime.date) -> list[dict[str, t.Any]]:
    """Findings about licenses: one for each that ended or ends soon, one per site for all whose end is unknown."""
    found: list[dict[str, t.Any]] = []
    unknown: dict[str, list[str]] = {}
    for row in rows:
        days, place = row["license_days"], {name: row[name] for name in ("site", "host", "container")}
        if days is None:
            unknown.setdefault(row["site"], []).append(row["container"])
        elif days < 0:
            found.append({**place, "kind": "license_ended", "text": f"The license ended {words.count(-days, 'day')} ago."})
        elif days < max(LICENSE_DAYS):
            level = next(level for limit, level in sorted(LICENSE_DAYS.items()) if days < limit)
            ends = (today + datetime.timedelta(days=days)).isoformat()
            when = f"in {words.count(days, 'day')}" if days else "today"
            found.append({**place, "kind": "license_ends", "level": level, "by": ends, "text": f"The license ends {when}."})
    for site, names in unknown.items():
        text = f"Nobody declared when the license of {words.some(sorted(names))} ends."
        found.append({"kind": "license_unknown", "site": site, "text": text})
    return found


def stale(last: t.Mapping[str, t.Optional[str]], exported: t.Mapping[str, str], today: datetime.date) -> list[dict[str, t.Any]]:
    """Findings about sites that went silent.

    :param last: site to the moment of its last look, or None
    :param exported: site to the moment of its last export, for sites that are known by exports only
    """
    found = []
    for site, moment in sorted(last.items()):
        since = exported.get(site, moment)
        limit, kind, what = (EXPORT_DAYS, "export_old", "export") if site in exported else (HARVEST_DAYS, "harvest_old", "harvest")
        if since and (today - datetime.date.fromisoformat(since[:10])).days > limit:
            days = (today - datetime.date.fromisoformat(since[:10])).days
            found.append({"kind": kind, "site": site, "text": f"The last {what} of {site} is {words.count(days, 'day')} old."})
    return found
