# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings: how bad, what to do, by when."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import advice

TODAY = datetime.date(2026, 10, 2)


def plan(days_left: int = 200, **more: t.Any) -> dict[str, t.Any]:
    end = TODAY + datetime.timedelta(days=days_left)
    ahead = {"runs_out": [None, None], "short": "0", "units": None}
    return {
        "resource": "r0",
        "meters": ["*"],
        "start": "2026-01-01",
        "end": end.isoformat(),
        "days_left": days_left,
        "left": ["5", "5"],
        "forecast": ahead,
        **more,
    }


@pytest.mark.parametrize(("days", "level"), [(0, "bad"), (7, "bad"), (8, "warn"), (30, "warn"), (31, "note"), (90, "note")])
def test_the_end_of_a_plan_is_told_ahead_with_the_step_in_the_portal(days: int, level: str) -> None:
    (finding,) = advice.ordered(advice.plans([plan(days)], TODAY))
    assert (finding["kind"], finding["level"], finding["by"]) == ("plan_ends", level, (TODAY + datetime.timedelta(days=days)).isoformat())
    assert "Do not auto-renew" in finding["do"]
    assert "midnight UTC" in finding["do"]


def test_nothing_is_told_earlier_or_before_a_plan_began() -> None:
    assert advice.plans([plan(91), plan(20, start="2026-10-03")], TODAY) == []


def test_a_plan_that_has_a_follower_needs_no_reminder() -> None:
    follower = plan(400, start="2027-01-01")
    assert advice.plans([plan(10), follower], TODAY) == []
    assert [finding["kind"] for finding in advice.plans([plan(-1)], TODAY)] == ["plan_ended"]
    assert advice.plans([plan(-1), follower], TODAY) == []


@pytest.mark.parametrize(
    ("left", "runs_out", "kind", "level"),
    [
        (["-5", "-1"], [None, None], "plan_over", "bad"),
        (["-5", "1"], [None, None], "plan_over", "warn"),
        (["5", "5"], ["2026-11", "2026-12"], "plan_short", "warn"),
        (["5", "5"], ["2026-12", None], "plan_short", "note"),
    ],
)
def test_units_that_run_short(left: list[str], runs_out: list[str | None], kind: str, level: str) -> None:
    (finding,) = advice.ordered(advice.plans([plan(left=left, forecast={"runs_out": runs_out, "short": "12345", "units": ["1", "2"]})], TODAY))
    assert (finding["kind"], finding["level"]) == (kind, level)
    assert "additional units" in finding["do"]


def test_nobody_is_told_to_act_in_the_past() -> None:
    (finding,) = advice.plans([plan(forecast={"runs_out": ["2026-09", "2026-10"], "short": "1", "units": ["1", "2"]})], TODAY)
    assert finding["by"] == "2026-10-02"


@pytest.mark.parametrize(
    ("days", "found"), [(-1, ("license_ended", "bad")), (0, ("license_ends", "bad")), (6, ("license_ends", "bad")), (7, ("license_ends", "warn"))]
)
def test_licenses(days: int, found: tuple[str, str]) -> None:
    (finding,) = advice.ordered(advice.licenses([{"site": "p", "host": "h", "container": "c", "license_days": days}], TODAY))
    assert (finding["kind"], finding["level"]) == found
    assert finding["by"] == ((TODAY + datetime.timedelta(days=days)).isoformat() if days >= 0 else "")


def test_unknown_ends_are_one_amber_finding_for_each_site() -> None:
    rows = [{"site": site, "host": "h", "container": f"c{place}", "license_days": None} for site in ("p", "q") for place in range(6)]
    found = advice.ordered(advice.licenses([*rows, {"site": "p", "host": "h", "container": "x", "license_days": 30}], TODAY))
    assert [(finding["site"], finding["level"]) for finding in found] == [("p", "warn"), ("q", "warn")]
    assert "c0, c1, c2, c3 and 2 more" in found[0]["text"]


def test_sites_that_went_silent() -> None:
    last = {"here": "2026-09-28T00:00:00Z", "far": "2026-09-28T00:00:00Z", "gone": None}
    exported = {"far": "2026-09-01T00:00:00Z", "gone": "2026-08-01T00:00:00Z"}
    assert [(finding["kind"], finding["site"]) for finding in advice.stale(last, exported, TODAY)] == [("export_old", "gone"), ("harvest_old", "here")]


def test_the_worst_comes_first_then_the_nearest_day() -> None:
    rows = [
        {"kind": kind, "text": "", **more}
        for kind, more in [
            ("clock", {}),
            ("decrease", {}),
            ("license_ends", {"by": "2026-11-01"}),
            ("clone", {}),
            ("new", {}),
            ("plan_over", {"level": "bad", "by": "2026-10-01"}),
            ("chain", {}),
        ]
    ]
    assert [row["kind"] for row in advice.ordered(rows)] == ["chain", "plan_over", "clone", "license_ends", "decrease", "new", "clock"]


@pytest.mark.parametrize(("as_of", "told"), [(None, False), ("2026-03-15T23:59:59Z", False), ("2026-03-16T23:59:59Z", False), ("2026-03-17T00:00:00Z", True)])
def test_a_clock_behind_what_was_written_down_is_told(as_of: str | None, told: bool) -> None:
    found = advice.ordered(advice.clock(as_of, datetime.date(2026, 3, 15)))
    assert [row["kind"] for row in found] == ["own_clock"] * told
    assert not told or (found[0]["level"] == "bad" and "says 2026-03-15, and the last harvest was at 2026-03-17T00:00:00Z" in found[0]["text"])
