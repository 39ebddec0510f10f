# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts of the report as SVG to stand inside the page, drawn by Matplotlib where it is installed.

No text that others wrote goes into a chart. Colours are the page's own variables, so that light, dark and print suit; styles become
attributes, because the page's policy allows no inline style. The same input gives the same bytes.
This file is private to the collection.
"""

from __future__ import annotations

import datetime
import html.parser
import importlib
import importlib.util
import io
import typing as t
import xml.etree.ElementTree as ET

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.words import MONTHS

_WIDE, _SMALL = (5.6, 2.5), (4.6, 2.0)  # inches of 72 user units
# Stand-ins that Matplotlib draws with: the page's variable of each.
_COLOURS = {"#000001": "ink", "#000002": "soft", "#000003": "line", "#000004": "accent", "#000005": "tint", "#000006": "warn", "#000007": "paper"}
_INK, _SOFT, _LINE, _ACCENT, _TINT, _WARN, _PAPER = _COLOURS
_DROPPED = ("font", "font-family", "font-style", "font-variant", "font-weight", "font-stretch")
_SETTINGS = {"svg.fonttype": "none", "text.parse_math": False, "font.size": 11, "axes.unicode_minus": True, "path.simplify": False}
Row = t.Mapping[str, t.Any]


def available() -> bool:
    """Whether Matplotlib is installed; nothing is imported to find out."""
    return importlib.util.find_spec("matplotlib") is not None


def months(rows: t.Sequence[Row], title: str) -> str:
    """Bars of units by month: solid for what is sure, pale for what is in doubt, hollow while a month may still change.

    :param rows: ``month``, ``units`` as a pair, ``closed``; at least one
    """

    def draw(axes: t.Any) -> None:
        for place, row in enumerate(rows):
            low, high = (float(value) for value in row["units"])
            face = _ACCENT if row["closed"] else _TINT
            axes.bar(place, low, width=0.68, facecolor=face, edgecolor=_ACCENT, linewidth=1, clip_on=False)
            if high > low:
                axes.bar(place, high - low, bottom=low, width=0.68, facecolor=_PAPER, edgecolor=_WARN, linewidth=1, linestyle=(0, (2, 2)), clip_on=False)
        step = 1 if len(rows) <= 7 else 3
        shown = [place for place in range(len(rows)) if (len(rows) - 1 - place) % step == 0]
        axes.set_xticks(shown, [_month(rows[place]["month"], place == shown[0]) for place in shown])
        axes.set_xlim(-0.6, max(len(rows), 4) - 0.4)
        _amounts(axes, max(float(row["units"][1]) for row in rows))

    return _drawn(draw, title, _SMALL)


def burn(row: Row, day: str) -> str:
    """A commitment's use added up by month, its forecast with an interval, and the units granted with what was added."""
    start, end = (datetime.date.fromisoformat(row[name]) for name in ("start", "end"))
    whole = max((end - start).days + 1, 1)

    def at(when: datetime.date) -> float:
        return min(max((when - start).days / whole, 0.0), 1.0)

    def draw(axes: t.Any) -> None:
        places, low, high = _added_up(row, at, datetime.date.fromisoformat(day))
        steps, granted = [0.0], [float(row["units"])]
        for addition in row["added"]:
            steps += [at(datetime.date.fromisoformat(addition["date"]))] * 2
            granted += [granted[-1], granted[-1] + float(addition["units"])]
        axes.plot([*steps, 1.0], [*granted, granted[-1]], color=_INK, linewidth=1.4, solid_capstyle="butt", clip_on=False)
        if low != high:
            axes.fill([*places, *places[::-1]], [*low, *high[::-1]], facecolor=_WARN, alpha=0.35, clip_on=False)
        axes.plot(places, high, color=_ACCENT, linewidth=2.2, clip_on=False)
        top = max(*granted, *high)
        ahead = row["forecast"]
        if ahead["units"]:
            least, most = (float(value) for value in ahead["units"])
            axes.fill([places[-1], 1.0, 1.0], [high[-1], least, most], facecolor=_ACCENT, alpha=0.16, clip_on=False)
            axes.plot([places[-1], 1.0], [high[-1], float(ahead["likely"])], color=_ACCENT, linewidth=1.6, linestyle=(0, (3, 2.5)), clip_on=False)
            top = max(top, most)
        quarters = [start + datetime.timedelta(days=round(whole * part / 4)) for part in range(4)]
        axes.set_xticks([*map(at, quarters), 1.0], [f"{when.day} {MONTHS[when.month - 1]}" for when in (*quarters, end)])
        axes.set_xlim(0, 1)
        _amounts(axes, top)

    return _drawn(draw, f"Units used of {row['granted']}, with forecast", _WIDE)


def _added_up(row: Row, at: t.Callable[[datetime.date], float], day: datetime.date) -> tuple[list[float], list[float], list[float]]:
    """Places on the axis and the two bounds of use: from nothing on the first day to the end of each month, or today."""
    corrected = float(row["adjusted"])
    places, low, high = [0.0], [max(corrected, 0.0)], [max(corrected, 0.0)]
    for month in row["months"]:
        year, number = int(month["month"][:4]), int(month["month"][5:])
        following = datetime.date(year + number // 12, number % 12 + 1, 1)
        places.append(max(at(min(following, day)), places[-1]))
        low.append(low[-1] + float(month["units"][0]))
        high.append(high[-1] + float(month["units"][1]))
    return places, low, high


def _amounts(axes: t.Any, top: float) -> None:
    axes.set_ylim(0, top * 1.08 or 1)
    axes.yaxis.set_major_locator(importlib.import_module("matplotlib.ticker").MaxNLocator(nbins=3, integer=True))
    axes.yaxis.set_major_formatter(lambda value, _place: _short(value))


def _short(value: float) -> str:
    """A round number of the axis: 1.5 M, 20 k."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}\u202f{letter}"
    return f"{value:.3g}"


def _month(month: str, first: bool) -> str:
    name = MONTHS[int(month[5:]) - 1]
    return f"{name} {month[:4]}" if first or month.endswith("-01") else name


def _drawn(draw: t.Callable[[t.Any], None], title: str, size: tuple[float, float]) -> str:
    matplotlib = importlib.import_module("matplotlib")
    figure_class = importlib.import_module("matplotlib.figure").Figure
    canvas = importlib.import_module("matplotlib.backends.backend_svg").FigureCanvasSVG
    stream = io.StringIO()
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": "azure-ai"}):
        figure = figure_class(figsize=size)
        canvas(figure)
        figure.patch.set_visible(False)
        axes = figure.add_axes((0.115, 0.13, 0.86, 0.84))
        axes.patch.set_visible(False)
        axes.spines[["top", "left", "right"]].set_visible(False)
        axes.spines["bottom"].set_color(_SOFT)
        axes.set_axisbelow(True)
        axes.grid(True, axis="y", color=_LINE, linewidth=0.8, clip_on=False)
        axes.tick_params(length=0, labelcolor=_SOFT, pad=5)
        draw(axes)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _embedded(stream.getvalue(), title, size)


class _Shapes(html.parser.HTMLParser):
    """Collects the paths and texts of Matplotlib's document in their order, and nothing else of it."""

    def __init__(self, text: str, out: ET.Element) -> None:
        super().__init__()
        self._out, self._open = out, False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, t.Optional[str]]]) -> None:
        if tag in ("path", "text"):
            given = {name: " ".join((value or "").split()) for name, value in attrs}
            kept: dict[str, str] = {name: given[name] for name in ("d", "x", "y", "transform") if name in given}
            ET.SubElement(self._out, tag, {**kept, **_attributes(given.get("style", ""))})
        self._open = tag == "text"

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "text"

    def handle_data(self, data: str) -> None:
        if self._open:
            self._out[-1].text = (self._out[-1].text or "") + data


def _embedded(text: str, title: str, size: tuple[float, float]) -> str:
    """Matplotlib's document as an element of the page: no ids, no styles, nothing but shapes and texts."""
    out = ET.Element("svg", {"viewBox": f"0 0 {size[0] * 72:g} {size[1] * 72:g}", "role": "img", "aria-label": title, "class": "chart"})
    _Shapes(text, out)
    return ET.tostring(out, encoding="unicode")


def _attributes(style: str) -> dict[str, str]:
    """Declarations as presentation attributes, with the page's variables for colours."""
    pairs = (part.partition(":")[::2] for part in style.split(";") if ":" in part)
    found = {name.strip(): value.strip() for name, value in pairs}
    return {name: f"var(--{_COLOURS[value]})" if value in _COLOURS else value for name, value in found.items() if name not in _DROPPED}
