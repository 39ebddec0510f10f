# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Final or provisional, adjustments beside and added, and what was expected."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import totals
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.counter import Interval
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.findings import Seen
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.rules import Part
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.summary import grouped


def part(month: str, low: int, high: int | None = None, host: str = "h1", container: str = "c", resource: str = "r0") -> Part:
    interval = Interval(Decimal(low), Decimal(low if high is None else high))
    return Part("s", "f", container, host, container, "stt", resource, "M", month, interval, interval)


def looks(*places: tuple[str, str, str]) -> dict[totals.Scope, Seen]:
    return {("s", *place): Seen("t", "usage", None, "t", "t", 1, "usage", "t", "f") for place in places}


def states(parts: list[Part], by: tuple[str, ...], seen: dict[totals.Scope, Seen], closed: dict[tuple[str, str, str], t.Any]) -> dict[str, str]:
    rows = totals.with_state(grouped(parts, by), parts, by, seen, closed)
    return {" ".join(row[name] for name in by): row["state"] for row in rows}


CLOSED = {("s", "h1", "c"): {"months": ["2026-01"]}}


def test_a_month_is_final_when_all_that_counts_in_it_is_closed_and_certain() -> None:
    parts = [part("2026-01", 5), part("2026-02", 5), part("all", 10)]
    seen = looks(("h1", "c", "2026-01"), ("h1", "c", "2026-02"), ("h1", "c", "all"))
    assert states(parts, ("month",), seen, CLOSED) == {"2026-01": "final", "2026-02": "provisional", "all": "provisional"}
    assert states([part("2026-01", 5, 6)], ("month",), seen, CLOSED) == {"2026-01": "provisional"}


def test_another_container_keeps_only_its_own_rows_open() -> None:
    parts = [part("2026-01", 5), part("2026-01", 7, host="h2", resource="r1")]
    seen = looks(("h1", "c", "2026-01"), ("h2", "c", "2026-01"))
    assert states(parts, ("resource", "month"), seen, CLOSED) == {"r0 2026-01": "final", "r1 2026-01": "provisional"}
    assert states(parts, ("month",), seen, CLOSED) == {"2026-01": "provisional"}


def test_a_container_that_never_reported_keeps_every_row_open_that_it_may_belong_to() -> None:
    seen = looks(("h1", "c", "2026-01"), ("h2", "mute", "2026-01"))
    assert states([part("2026-01", 5)], ("resource", "month"), seen, CLOSED) == {"r0 2026-01": "provisional"}
    assert states([part("2026-01", 5)], ("host", "month"), seen, CLOSED) == {"h1 2026-01": "final"}


def test_totals_that_are_not_by_month_have_no_state() -> None:
    rows = grouped([part("2026-01", 5)], ("meter",))
    assert totals.with_state(rows, [part("2026-01", 5)], ("meter",), {}, {}) == rows


def test_adjustments_are_added_to_their_month_and_to_all_time() -> None:
    base = {"site": "s", "host": "h1", "container": "c", "service": "stt", "resource": "r0", "meter": "M"}
    entered = [{**base, "month": "2026-01", "quantity": "-3", "billed_unit": "-4.5"}, {**base, "month": "all", "quantity": "100", "billed_unit": None}]
    parts = [part("2026-01", 5), part("2026-02", 7), part("all", 12, 20)]
    rows = totals.adjusted(parts, entered, ("month",))
    assert {row["month"]: (row["quantity"], row["units"], row["adjustment"], row["adjustment_units"]) for row in rows} == {
        "2026-01": (["2", "2"], ["0.5", "0.5"], "-3", "-4.5"),
        "all": (["109", "117"], ["107.5", "115.5"], "97", "95.5"),
    }
    (row,) = totals.adjusted(parts, entered, ("meter",))
    assert row["quantity"] == ["109", "117"]
    assert totals.adjusted([], entered, ("host",))[0]["quantity"] == ["97", "97"], "a dead host may never have reported"


def test_what_was_expected() -> None:
    seen = looks(("h1", "c", "2026-01"))
    seen["s", "h1", "c", "2026-02"] = Seen("t", "no_answer", "x", "t", "t", 1, "no_usage", "t", "f")
    seen["s", "h1", "c", "2026-03"] = Seen("t", "bad_answer", "x", "t", None, 0, None, None, None)
    expected = [{"site": None, "host": "h1", "container": "c", "months": ["2026-01", "2026-02", "2026-03", "2026-04"]}, {"host": "h9", "container": "c"}]
    assert [(row["host"], row["month"], row["state"]) for row in totals.missing(expected, seen, "s")] == [
        ("h1", "2026-01", "read"),
        ("h1", "2026-02", "no usage"),
        ("h1", "2026-03", "bad answer"),
        ("h1", "2026-04", "never asked"),
        ("h9", "all", "never asked"),
    ]
