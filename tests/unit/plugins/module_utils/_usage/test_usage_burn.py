# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commitments: granted, used, adjusted, and where use is heading."""

from __future__ import annotations

import datetime
import typing as t
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import burn
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.counter import Interval
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.rules import Part

PLAN = {"resource": "r0", "meters": ["Speech*"], "units": "1000", "start": "2026-01-01", "end": "2026-12-31", "added": [{"date": "2026-06-01", "units": "200"}]}
TODAY = datetime.date(2026, 7, 10)


def part(month: str, low: int, high: int | None = None, meter: str = "Speech.A", resource: str = "r0") -> Part:
    units = Interval(Decimal(low), Decimal(low if high is None else high))
    return Part("plant-7", "s1", "stt", "h1", "stt", "speech", resource, meter, month, units, units)


def over(_places: t.Any, month: str) -> bool:
    return month < "2026-07"


def row(*parts: Part, plan: dict[str, t.Any] | None = None, adjusted: t.Sequence[dict[str, t.Any]] = (), today: datetime.date = TODAY) -> dict[str, t.Any]:
    rows, _findings = burn.burn_down(parts, [plan or PLAN], adjusted, over, today)
    return rows[0]


def months(*values: int) -> list[Part]:
    return [part(f"2026-{place:02d}", value) for place, value in enumerate(values, 1)]


def test_use_is_that_of_the_period_its_resource_and_its_meters() -> None:
    found = row(
        part("2025-12", 400),
        part("all", 900),
        part("2026-01", 30),
        part("2026-02", 60, 70),
        part("2026-02", 5, meter="Other"),
        part("2026-03", 9, resource="r1"),
    )
    assert (found["granted"], found["used"], found["left"]) == ("1200", ["90", "100"], ["1100", "1110"])
    assert [item["month"] for item in found["months"]] == ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05", "2026-06"]
    assert found["days_left"] == 174


def test_adjustments_count_and_stand_apart() -> None:
    rows = [
        {"resource": "r0", "meter": "Speech.A", "month": month, "units": units} for month, units in (("2026-01", "100"), ("2026-02", "-20"), ("2025-12", "7"))
    ]
    found = row(*months(10, 10), adjusted=rows)
    assert (found["used"], found["adjusted"], found["used_adjusted"], found["left"]) == (["20", "20"], "80", ["100", "100"], ["1100", "1100"])


def test_the_forecast_of_an_even_pace_is_certain() -> None:
    ahead = row(*months(100, 100, 100, 100, 100, 100))["forecast"]
    assert (ahead["months"], ahead["rate"], ahead["likely"], ahead["units"], ahead["runs_out"], ahead["short"]) == (
        6,
        "100",
        "1200",
        ["1200", "1200"],
        [None, None],
        "0",
    )
    assert "6 closed months (Jan" in ahead["text"]


def test_the_interval_is_that_of_the_prediction_for_the_months_that_are_left() -> None:
    ahead = row(*months(90, 110, 90, 110, 90, 110))["forecast"]
    # Six months ahead, variance 120, five degrees of freedom: 2.015 * sqrt(120 * 6 + 120 * 36 / 6).
    assert (ahead["likely"], ahead["units"]) == ("1200", ["1124", "1276"])
    assert ahead["runs_out"] == ["2026-12", None]


def test_units_run_out_in_a_named_month() -> None:
    ahead = row(*months(150, 150, 150, 150, 150, 150))["forecast"]
    assert (ahead["likely"], ahead["runs_out"], ahead["short"]) == ("1800", ["2026-09", "2026-09"], "600")


def test_a_month_that_lies_half_in_the_period_counts_half() -> None:
    ahead = row(*months(100, 100, 100, 100, 100, 100), plan={**PLAN, "end": "2026-09-15"})["forecast"]
    assert ahead["likely"] == "850"


@pytest.mark.parametrize("values", [(), (5,), (5, 5)])
def test_too_little_to_forecast_from_is_said_in_words(values: tuple[int, ...]) -> None:
    rows, _findings = burn.burn_down(months(*values), [PLAN], (), lambda _places, month: month <= f"2026-{len(values):02d}", TODAY)
    ahead = rows[0]["forecast"]
    assert (ahead["units"], ahead["likely"], ahead["rate"]) == (None, None, None)
    assert f"{len(values)} closed months, 3 are needed" in ahead["text"]


def test_months_that_may_still_change_are_no_ground_for_a_forecast() -> None:
    ahead = row(*months(100, 100, 100, 100, 100, 100, 99999))["forecast"]
    assert ahead["rate"] == "100"
    assert int(ahead["units"][0]) >= 100599, "what is used already is used"


def test_a_doubt_widens_the_forecast() -> None:
    sure = row(*months(100, 100, 100, 100, 100, 100))["forecast"]["units"]
    doubtful = row(*months(100, 100, 100, 100, 100), part("2026-06", 100, 160))["forecast"]["units"]
    assert int(doubtful[0]) <= int(sure[0]) <= int(sure[1]) < int(doubtful[1])


def test_nothing_is_forecast_when_every_month_is_closed() -> None:
    ahead = row(*months(100, 100, 100, 100), plan={**PLAN, "end": "2026-04-30"})["forecast"]
    assert ahead["units"] is None
    assert "nothing is left" in ahead["text"]


def test_a_meter_without_a_commitment_is_a_finding() -> None:
    _rows, findings = burn.burn_down([part("2026-01", 1), part("2026-01", 1, meter="Other")], [PLAN], (), over, TODAY)
    assert [(item["kind"], item["meter"]) for item in findings] == [("no_commitment", "Other")]


@pytest.mark.parametrize(
    "change", [{"start": "soon"}, {"end": None}, {"end": "2025-12-31"}, {"units": "many"}, {"units": "NaN"}, {"units": "-1"}, {"added": [{"units": "x"}]}]
)
def test_a_wrong_commitment_is_named(change: dict[str, t.Any]) -> None:
    with pytest.raises(InputError, match="commitment"):
        row(plan={**PLAN, **change})


@given(st.lists(st.integers(0, 10**12), min_size=3, max_size=6), st.integers(0, 10**9))
def test_likely_lies_in_its_interval_and_nothing_shrinks(values: list[int], granted: int) -> None:
    rows, _findings = burn.burn_down(
        months(*values), [{**PLAN, "units": granted, "added": []}], (), lambda _places, month: month <= f"2026-{len(values):02d}", TODAY
    )
    (found,) = rows
    ahead = found["forecast"]
    low, high = map(int, ahead["units"])
    assert sum(values) <= low <= int(ahead["likely"]) <= high
    assert Decimal(found["left"][0]) == granted - sum(values)
    early, likely = ahead["runs_out"]
    assert likely is None or (early is not None and early <= likely)
