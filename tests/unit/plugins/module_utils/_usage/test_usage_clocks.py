# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose clock is wrong: of one host and the control node nobody can tell, of several hosts that agree one can."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import clocks
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import document

NOW = datetime.datetime(2026, 3, 10, 12, tzinfo=datetime.timezone.utc)
DAY = 86400


def at(seconds: float) -> str:
    return (NOW + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def spooled(*apart: int, harvest: str = "x") -> list[dict[str, t.Any]]:
    """What hosts answered whose clocks are so many seconds ahead of this node's."""
    return [{**document(harvest, {"all": {"M": 1}}, at(seconds), host=f"h{number}"), "spooled_at": at(0)} for number, seconds in enumerate(apart)]


@pytest.mark.parametrize(
    ("apart", "told"),
    [
        ((-365 * DAY, -365 * DAY), True),
        ((365 * DAY, 365 * DAY + 3600), True),
        ((2 * DAY, 2 * DAY, 2 * DAY), True),
        ((-365 * DAY,), False),
        ((DAY, DAY), False),
        ((DAY + 1, DAY + 1), True),
        ((-365 * DAY, 0), False),
        ((-365 * DAY, 365 * DAY), False),
        ((2 * DAY, 4 * DAY), False),
        ((), False),
    ],
)
def test_hosts_that_agree_on_another_day(apart: tuple[int, ...], told: bool) -> None:
    found = clocks.wrong(spooled(*apart))
    assert list(found) == ["x"] * told
    if told:
        assert found["x"] == f"says {at(0)}, and all {len(apart)} hosts that answered say about {at(max(apart))}"


def test_one_harvest_says_nothing_of_another_and_silence_says_nothing() -> None:
    silent = document("x", {"all": "no_answer"}, at(0), host="silent")
    assert list(clocks.wrong([*spooled(9 * DAY, 9 * DAY), *spooled(0, 9 * DAY, harvest="y"), silent])) == ["x"]
    assert clocks.wrong([silent, *spooled(9 * DAY)]) == {}


def test_a_time_that_is_none_is_passed_over() -> None:
    one, other = spooled(9 * DAY, 9 * DAY)
    one["answer"]["readings"][0]["observed_at"] = "yesterday"
    assert clocks.wrong([one, other]) == {}


@given(st.lists(st.integers(-400 * DAY, 400 * DAY), min_size=1, max_size=6), st.integers(-DAY, DAY))
def test_a_host_that_is_right_is_enough(others: list[int], right: int) -> None:
    assert clocks.wrong(spooled(*others, right)) == {}
