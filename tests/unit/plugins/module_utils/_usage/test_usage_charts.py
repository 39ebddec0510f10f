# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts: only shapes and texts, the page's colours, the same bytes for the same numbers."""

from __future__ import annotations

import html.parser
import re
import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import charts

ROWS = [{"month": f"2026-{month:02d}", "units": [str(100 * month), str(100 * month + (50 if month == 3 else 0))], "closed": month < 5} for month in range(1, 6)]


def plan(**more: t.Any) -> dict[str, t.Any]:
    months = [{"month": "2026-01", "units": ["10", "10"]}, {"month": "2026-02", "units": ["20", "30"]}]
    ahead = {"units": ["200", "260"], "likely": "230"}
    return {
        "start": "2026-01-01",
        "end": "2026-12-31",
        "units": "100",
        "granted": "150",
        "adjusted": "0",
        "months": months,
        "forecast": ahead,
        "added": [],
        **more,
    }


def drawings() -> list[str]:
    bare = plan(months=[], forecast={"units": None}, units="0", granted="0")
    return [
        charts.months(ROWS, "<title>"),
        charts.months(ROWS[:1], "one"),
        charts.months([{"month": "2026-01", "units": ["0", "0"], "closed": True}], "none"),
        charts.burn(plan(added=[{"date": "2026-06-01", "units": "50"}]), "2026-02-20"),
        charts.burn(bare, "2026-02-20"),
    ]


class Tags(html.parser.HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_matplotlib_is_there_for_these_tests() -> None:
    assert charts.available()


def test_nothing_but_shapes_and_texts_without_styles_and_ids() -> None:
    for text in drawings():
        tags = Tags(text).found
        assert {tag for tag, _attributes in tags} == {"svg", "path", "text"}
        assert not {name for _tag, attributes in tags for name in attributes} & {"style", "id", "href", "xlink:href", "onload", "clip-path", "font-family"}


def test_every_colour_is_the_pages() -> None:
    for text in drawings():
        assert re.findall(r'(?:fill|stroke)="(?!none|var\(--)[^"]*"', text) == []
        assert set(re.findall(r"var\(--(\w+)\)", text)) <= {"ink", "soft", "line", "accent", "tint", "warn", "paper"}


def test_the_same_numbers_are_the_same_bytes() -> None:
    assert drawings() == drawings()


def test_the_title_is_a_name_for_readers_of_screens_and_no_markup() -> None:
    (tag, attributes) = Tags(charts.months(ROWS, '"<title>')).found[0]
    assert (tag, attributes["role"], attributes["aria-label"]) == ("svg", "img", '"<title>')


def test_open_months_and_doubts_look_different() -> None:
    text = charts.months(ROWS, "x")
    assert text.count('fill="var(--accent)"') == 4
    assert text.count('fill="var(--tint)"') == 1
    assert text.count("stroke-dasharray") == 1


@pytest.mark.parametrize(("value", "shown"), [(0, "0"), (950, "950"), (1500, "1.5\u202fk"), (2e6, "2\u202fM"), (3.25e9, "3.25\u202fG"), (1e12, "1\u202fT")])
def test_axis_numbers(value: float, shown: str) -> None:
    assert charts._short(value) == shown
