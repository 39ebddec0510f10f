# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Months in UTC."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months

TODAY = "2026-03-15T12:00:00Z"


def test_span() -> None:
    assert months.span(None, None, TODAY) == []
    assert months.span("2025-12", None, TODAY) == ["2025-12", "2026-01", "2026-02", "2026-03"]
    assert months.span(None, "2026-01", TODAY) == ["2026-01"]
    assert months.span("2026-02", "2026-02", TODAY) == ["2026-02"]


@pytest.mark.parametrize(
    ("since", "until"), [("2026-13", None), ("26-01", None), ("2026-1", None), ("2026-04", None), ("2026-02", "2026-01"), ("2000-01", None)]
)
def test_impossible_spans_are_named(since: str, until: str | None) -> None:
    with pytest.raises(InputError):
        months.span(since, until, TODAY)


@given(st.integers(2005, 2090), st.integers(1, 12), st.integers(0, 59))
def test_back_and_span_agree(year: int, month: int, count: int) -> None:
    last = f"{year}-{month:02d}"
    found = months.span(months.back(last, count), last, TODAY)
    assert len(found) == count + 1
    assert found == sorted(set(found))
    assert all(months.is_month(item) for item in found)


def test_a_month_is_over_a_day_late() -> None:
    assert not months.is_over("2026-02", "2026-03-01T23:59:59Z")
    assert months.is_over("2026-02", "2026-03-02T00:00:00Z")
    assert months.is_over("2025-12", "2026-01-02T00:00:00Z")


def test_scopes() -> None:
    assert months.is_scope("all")
    assert not months.is_scope("2026-00")
    assert len(months.now()) == len(TODAY)
