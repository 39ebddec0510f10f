# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules: intervals that hold the truth, and findings where readings contradict each other."""

from __future__ import annotations

import typing as t

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import rules


def row(quantity: object, **more: t.Any) -> dict[str, t.Any]:
    base = {
        "site": "s",
        "source": "f1",
        "reporter": "c",
        "service": "stt",
        "meter": "M",
        "month": "all",
        "host": "h1",
        "container": "c",
        "resource": "r0",
        "quantity": str(quantity),
        "billed_unit": None,
        **more,
    }
    return {**base, "series": "/".join(str(base[key]) for key in ("source", "reporter", "service", "meter", "month"))}


def account(*given_rows: dict[str, t.Any], **more: t.Any) -> tuple[tuple[float, float], set[str], rules.Result]:
    result = rules.account(sorted(given_rows, key=lambda item: item["series"]), **more)
    low, high = rules.total(result.parts)
    return (float(low), float(high)), {finding.kind for finding in result.findings}, result


def test_units_are_billed_units_where_there_are_any() -> None:
    _units, _kinds, result = account(row(10, billed_unit="15"), row(20, billed_unit="30"), row(5, meter="N"))
    assert rules.total(result.parts) == (35, 35)
    assert rules.total(result.parts, "quantity") == (25, 25)


def test_a_decrease_is_a_finding_until_it_is_explained() -> None:
    assert account(row(100), row(40))[:2] == ((100, 140), {"decrease"})
    assert account(row(100), row(40), row(120))[:2] == ((120, 120), set())


def test_a_new_source_is_a_reset() -> None:
    assert account(row(100), row(40, source="f2"))[:2] == ((140, 140), set())


def test_reporters_of_one_source_that_agree_count_once() -> None:
    assert account(row(100), row(100, reporter="d", container="d"))[:2] == ((100, 100), set())


def test_reporters_that_differ_are_a_finding() -> None:
    assert account(row(100), row(40, reporter="d", container="d"))[:2] == ((100, 140), {"shared_source"})


def test_a_copied_folder_is_a_clone() -> None:
    rows_ = [row(100), row(40, host="h2"), row(100), row(40, host="h2")]
    units, kinds, _result = account(*rows_)
    assert units == (100, 140)
    assert kinds == {"clone", "shared_source"}
    assert account(row(100), row(100, host="h2"))[:2] == ((100, 100), {"clone"})


def test_a_change_of_resource_is_split_by_the_readings_around_it() -> None:
    units, kinds, result = account(row(100), row(100, resource="r1"), row(130, resource="r1"))
    assert units == (130, 130)
    assert {part.resource: float(part.units.low) for part in result.parts} == {"r0": 100, "r1": 30}
    assert kinds == set()


def test_a_change_of_resource_without_readings_around_it_is_a_finding() -> None:
    assert account(row(100), row(130, resource="r1"))[1] == {"resource_split"}


def test_months_that_exceed_all_time() -> None:
    rows_ = [row(100), row(80, month="2026-01"), row(40, month="2026-02")]
    seen = {("s", "h1", "c", scope): "2026-03-01" for scope in ("all", "2026-01", "2026-02")}
    assert account(*rows_, latest=seen)[1] == {"months_beyond_all"}
    assert account(*rows_, latest={**seen, ("s", "h1", "c", "all"): "2026-02-01"})[1] == set(), "all time was not seen since"
    assert account(row(120), *rows_[1:], latest=seen)[1] == set()


def test_a_source_that_was_unknown_for_a_while() -> None:
    assert account(row(100, source="host:h1/c"), row(100))[1] == {"unknown_source"}


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.sampled_from(["f1", "f2"]), st.sampled_from("cd"), st.sampled_from(["h1", "h2"]), st.sampled_from(["r0", "r1"])),
        max_size=20,
    )
)
def test_any_rows_give_ordered_intervals_and_a_sum_that_holds_every_highest(steps: list[tuple[int, str, str, str, str]]) -> None:
    given_rows = [row(value, source=source, reporter=name, container=name, host=host, resource=resource) for value, source, name, host, resource in steps]
    _units, _kinds, result = account(*given_rows)
    whole = rules.total(result.parts)
    assert all(0 <= part.units.low <= part.units.high for part in result.parts)
    highest = {source: max(int(item["quantity"]) for item in given_rows if item["source"] == source) for source in {item["source"] for item in given_rows}}
    assert whole.low == sum(highest.values())
    assert whole.high <= sum(int(item["quantity"]) for item in given_rows)


def told(kind: str, seq: int = 2, moment: str = "2026-03-10T00:00:00Z") -> rules.Events:
    return rules.Events({("s", "h1", "c", "f1"): [(seq, kind, moment)]}, {})


def seen(*values: int, events: rules.Events = rules.NO_EVENTS, **more: t.Any) -> tuple[rules.Interval, dict[str, rules.Finding]]:
    rows_ = [row(value, look=index, observed_at="2026-03-10T00:00:00Z", source="f1", **more) for index, value in enumerate(values, 1)]
    result = rules.account(rows_, None, events)
    return rules.total(result.parts), {finding.kind: finding for finding in result.findings}


def test_record_files_that_are_gone_close_a_decrease_as_reset() -> None:
    assert seen(100, 40, 60, events=told("reset")) == ((160, 160), {})
    assert seen(100, 150, events=told("reset")) == ((250, 250), {}), "what looks like growth counts anew as well"
    assert seen(100, 40, 30, events=told("reset", seq=3))[0] == (130, 170), "a doubt from before stays"


def test_record_files_that_went_back_leave_an_interval() -> None:
    total_, kinds = seen(100, 40, 70, events=told("restored"))
    assert total_ == (130, 170)
    assert (kinds["restored"].low, kinds["restored"].high) == ("130", "170")


def test_going_back_adds_nothing_to_a_month_that_is_over() -> None:
    assert seen(100, 100, month="2026-02", events=told("restored")) == ((100, 100), {})
    assert seen(100, 100, month="2026-03", events=told("restored"))[0] == (100, 200)


def test_a_fall_that_rose_again_step_by_step_stays_a_finding() -> None:
    total_, kinds = seen(100, 40, 60, 120)
    assert total_ == (120, 120)
    assert (kinds["regrown"].low, kinds["regrown"].high) == ("120", "220")
    assert seen(100, 40, 120) == ((120, 120), {}), "one incomplete answer"


def test_two_services_on_one_folder_never_count_twice_in_silence() -> None:
    assert account(row(100), row(120, service="other"))[1] == {"shared_source"}
