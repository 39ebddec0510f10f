# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one self-contained HTML page: no scripts, no requests, readable on a phone and on paper.

This file is private to the collection.
"""

from __future__ import annotations

import base64
import hashlib
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import charts, headline, words
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.report import SHOWN_MONTHS, STATES
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.style import STYLE
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.template import TEMPLATE

HAS_JINJA = True
try:
    import jinja2
    from markupsafe import Markup
except ImportError:
    HAS_JINJA = False

SHOWN = 300  # rows of a table: more serve nobody on a page, and report.json has them
DRAWN = 12  # charts of a kind
_GLYPHS = {"closed": "✓", "closed_none": "\u2013", "read": "○", "no_usage": "\u2013", "no_answer": "✕", "bad_answer": "!", "not_asked": "·"}
Report = t.Mapping[str, t.Any]


def render(report: Report, draw: t.Optional[bool] = None) -> bytes:
    """The page. Every value is escaped.

    :param draw: whether to draw charts; None for whenever Matplotlib is installed
    :raises MissingError: Jinja is not there.
    """
    if not HAS_JINJA:
        raise MissingError("python library jinja2", "not installed", "it comes with ansible-core: run this on the control node's own Python")
    drawn = charts.available() if draw is None else draw
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(_FILTERS)
    text = environment.from_string(TEMPLATE).render(
        r=report,
        title=", ".join(report["sites"]) if len(report["sites"]) < 6 else f"{len(report['sites'])} sites",
        style=Markup(STYLE),
        style_hash=style_hash(),
        verdict=headline.verdict(report),
        tiles=headline.tiles(report),
        cards=headline.cards(report["findings"]),
        charts=_charts(report) if drawn else {"plans": [], "services": []},
        drawn=drawn,
        shown=SHOWN,
        months=report["months"][::-1][:SHOWN_MONTHS],
        usage=_tables(report),
        licenses=sorted(report["licenses"], key=lambda row: (("bad", "warn", "good").index(_urgency(row["license_days"])), row["license_days"] or 0)),
        asked=_asked(report["coverage"]),
        calendar=sorted(report["coverage"], key=lambda row: (not row["problem"], not _gaps(row))),
        states=STATES,
        heads=list(report["chain"]["heads"].items())[:20],
    )
    return "\n".join(line for line in text.splitlines() if line.strip()).encode("utf-8") + b"\n"


def style_hash() -> str:
    """The hash by which the page's policy lets its own style in, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode("utf-8")).digest()).decode("ascii")


def _charts(report: Report) -> dict[str, list[t.Any]]:
    services = [row for row in report["services"] if row["months"]][:DRAWN]
    latest = report["months"][-1] if report["months"] else ""
    plans = [Markup(charts.burn(row, report["day"])) for row in report["commitments"][:DRAWN]]
    titled = [(row, f"Units by month of {row['service'] or 'unknown service'}") for row in services]
    drawn = [{**row, "svg": Markup(charts.months(_filled(row["months"], latest), title))} for row, title in titled]
    return {"plans": plans + [""] * (len(report["commitments"]) - len(plans)), "services": drawn}


def _filled(rows: t.Sequence[Report], latest: str) -> list[Report]:
    """The last months up to ``latest``, those without usage among them."""
    known = {row["month"]: row for row in rows}
    first = max(rows[0]["month"], calendar.back(latest, SHOWN_MONTHS - 1))
    return [known.get(month, {"month": month, "units": ["0", "0"], "closed": True}) for month in calendar.span(first, latest, latest)]


def _tables(report: Report) -> dict[str, list[dict[str, t.Any]]]:
    """Usage by service, by meter and by site: rows with ``name``, ``more``, ``total`` (or None) and ``months``."""
    closed = {(row["service"], month["month"]): month["closed"] for row in report["services"] for month in row["months"]}

    def rows(found: t.Iterable[Report], name: str) -> list[dict[str, t.Any]]:
        result: dict[tuple[str, str], dict[str, t.Any]] = {}
        for row in found:
            more = "" if name == "service" else row["service"]
            entry = result.setdefault((row[name], more), {"name": row[name] or "unknown", "more": more, "total": None, "months": {}})
            if row["month"] == calendar.ALL:
                entry["total"] = row["units"]
            else:
                entry["months"][row["month"]] = {**row, "closed": closed.get((row["service"], row["month"]), False)}
        return list(result.values())

    services = [
        {"name": row["service"] or "unknown", "more": "", "total": row["total"], "months": {m["month"]: m for m in row["months"]}} for row in report["services"]
    ]
    return {"services": services, "meters": rows(report["meters"], "meter"), "sites": rows(report["by_site"], "site")}


def _asked(covered: t.Iterable[Report]) -> list[str]:
    return sorted({month for row in covered for month in row["months"]})[-SHOWN_MONTHS:]


def _gaps(row: Report) -> bool:
    return any(state in ("no_answer", "bad_answer") for state in row["months"].values())


def _burnt(commitment: Report) -> str:
    percent = headline.percent(commitment)
    return "bad" if percent > 100 else "warn" if percent >= 90 or commitment["forecast"]["runs_out"][1] else ""


def _runs_out(months: t.Sequence[t.Optional[str]]) -> str:
    early, likely = months
    if likely:
        return f"in {words.month(likely)}" + (f", in {words.month(early)} at the earliest" if early and early != likely else "")
    return f"not likely; in {words.month(early)} at the earliest" if early else "not within the period"


def _urgency(days: t.Optional[int]) -> str:
    if days is None or days < 30:
        return "warn" if days is None or days >= 7 else "bad"
    return "good"


def _breakable(name: str) -> t.Any:
    """A dotted name that may be broken after its dots, and is copied without a trace of that."""
    return Markup(".<wbr>").join(name.split("."))


_FILTERS: dict[str, t.Callable[..., t.Any]] = {
    "number": words.number,
    "span": words.span,
    "percent": headline.percent,
    "burnt": _burnt,
    "runs_out": _runs_out,
    "urgency": _urgency,
    "moment": words.moment,
    "day": words.day,
    "month": words.month,
    "breakable": _breakable,
    # A state that a later ledger brings must not become a class name of its own making.
    "word": lambda state: state if state in STATES else "not_asked",
    "glyph": lambda state: _GLYPHS.get(state, "?"),
    "meaning": lambda state: STATES.get(state, state),
}
