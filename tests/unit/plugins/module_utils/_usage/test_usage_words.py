# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and dates in words."""

from __future__ import annotations

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0", "0"),
        ("999", "999"),
        ("1000", "1\u202f000"),
        ("-1750.25", "-1\u202f750.25"),
        ("12345678901234567890", "12\u202f345\u202f678\u202f901\u202f234\u202f567\u202f890"),
    ],
)
def test_numbers_stay_exact(text: str, shown: str) -> None:
    assert words.number(text) == shown


def test_an_interval_shows_both_ends_only_when_they_differ() -> None:
    assert words.span(["5", "5"]) == "5"
    assert words.span(["5", "1000"]) == "5 to 1\u202f000"


def test_dates() -> None:
    assert words.day("2026-12-31").replace("\u00a0", " ") == "31 Dec 2026"
    assert words.month("2026-02").replace("\u00a0", " ") == "Feb 2026"
    assert words.month("all") == "all"
    assert words.moment("2026-02-01T03:04:05Z").replace("\u00a0", " ") == "1 Feb 2026, 03:04 UTC"
    assert words.moment("<b>") == "<b>"


def test_counts() -> None:
    assert words.count(1, "day").replace("\u00a0", " ") == "1 day"
    assert words.count(0, "day").replace("\u00a0", " ") == "0 days"
    assert words.some(["a", "b"]) == "a, b"
    assert words.some(["a", "b", "c"], 2) == "a, b and 1 more"
