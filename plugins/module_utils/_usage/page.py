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

HAS_JINJA = True
try:
    import jinja2
    from markupsafe import Markup
except ImportError:
    HAS_JINJA = False

STYLE = """
:root{--ink:#1b2330;--soft:#5b6675;--line:#dfe4ea;--paper:#fff;--band:#f5f7f9;--accent:#0b5cad;--good:#1a7f4b;--warn:#9a6200;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--line:#303a47;--paper:#141a22;--band:#1b232d;--accent:#6fb1f5;--good:#5cc98f;
--warn:#e0ac52;--bad:#f2867f}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:72rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.75rem;line-height:1.2;margin:0;letter-spacing:-.01em}
h2{font-size:1.125rem;margin:2.5rem 0 .75rem}
p{margin:.25rem 0;max-width:44rem}
.scroll+p{margin-top:.75rem;font-size:.875rem}
.soft{color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;background:var(--line);border:1px solid var(--line);border-radius:.5rem;
overflow:hidden;margin:1.5rem 0 0}
.facts div{background:var(--paper);padding:.75rem 1rem}
.facts dt{color:var(--soft);font-size:.8125rem}
.facts dd{margin:0;font-size:1.25rem;font-weight:600}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:.5rem}
table{border-collapse:collapse;width:100%;font-size:.875rem}
th,td{padding:.5rem .75rem;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
thead th{border-top:0;background:var(--band);color:var(--soft);font-weight:600;white-space:nowrap}
td{white-space:nowrap}
tbody th{font-weight:500;min-width:11rem;overflow-wrap:break-word}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
small{display:block;overflow-wrap:anywhere;color:var(--soft);font-size:.75rem;font-weight:400}
code{font:.8125rem ui-monospace,SFMono-Regular,Menlo,"Liberation Mono",monospace;overflow-wrap:anywhere}
progress{width:100%;min-width:7rem;height:.5rem;accent-color:var(--accent)}
ul{padding:0;list-style:none;margin:0}
li{border-left:3px solid var(--warn);padding:.25rem 0 .25rem .75rem;margin:.5rem 0}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem;font-size:.8125rem;color:var(--soft)}
@media (max-width:40rem){.facts{grid-template-columns:repeat(2,1fr)}}
@page{size:A4 landscape;margin:12mm}
@media print{:root{--ink:#000;--soft:#444;--line:#bbb;--paper:#fff;--band:#eee;--good:#000;--warn:#000;--bad:#000}
body{font-size:10pt}main{padding:0;max-width:none}.scroll{overflow:visible;border:0}table{font-size:8.5pt}tr,li{break-inside:avoid}h2{break-after:avoid}
thead{display:table-header-group}}
"""

TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{{ style_hash }}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Azure AI container usage{{ " · " ~ title if title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<h1>Azure AI container usage</h1>
<p class="soft">{{ title or "no site yet" }}{% if r.as_of %} · as of {{ r.as_of | moment }}{% endif %}</p>
<dl class="facts">
<div><dt>Containers</dt><dd>{{ r.coverage | length }}</dd></div>
<div><dt>Answered last time</dt><dd class="{{ 'good' if silent == 0 else 'warn' }}">{{ r.coverage | length - silent }}</dd></div>
<div><dt>Findings</dt><dd class="{{ 'warn' if r.findings else 'good' }}">{{ r.findings | length }}</dd></div>
<div><dt>Ledger chain</dt><dd class="{{ 'good' if r.chain.verified else 'bad' }}">{{ "unbroken" if r.chain.verified else "broken" }}</dd></div>
</dl>
{% if r.chain.problems or r.findings %}
<h2 id="findings">Findings</h2>
<ul>
{% for problem in r.chain.problems %}<li class="bad"><strong>ledger</strong> {{ problem }}</li>
{% endfor %}
{% for f in r.findings %}<li><strong>{{ f.kind | replace("_", " ") }}</strong> {{ f.text }}
<small>{{ [f.site, f.host, f.container, f.meter, f.month] | select | join(" · ") }}</small></li>
{% endfor %}
</ul>
{% endif %}
{% if r.commitments %}
<h2 id="commitments">Commitments</h2>
<div class="scroll"><table>
<thead><tr><th>Resource</th><th>Period</th><th class="n">Units granted</th><th class="n">Units used</th><th class="n">Units left</th><th>Used</th></tr></thead>
<tbody>
{% for c in r.commitments %}<tr><th scope="row">{{ c.resource }}<small>{{ c.meters | join(", ") }}</small></th><td>{{ c.start }} to {{ c.end }}</td>
<td class="n">{{ c.granted | number }}</td><td class="n">{{ c.used | span }}<small>quantity {{ c.used_quantity | span }}</small></td>
<td class="n{{ ' bad' if c.left[0].startswith('-') }}">{{ c.left | span }}</td>
<td><progress max="100" value="{{ c | percent }}">{{ c | percent }} %</progress><small>{{ c | percent }} %</small></td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
<h2 id="usage">Units by meter and month</h2>
{% if meters %}
<div class="scroll"><table>
<thead><tr><th>Meter</th><th class="n">All time</th>{% for month in months %}<th class="n">{{ month }}</th>{% endfor %}</tr></thead>
<tbody>
{% for (service, meter), cells in meters.items() %}<tr><th scope="row">{{ meter | breakable }}<small>{{ service }}</small></th>
<td class="n">{{ cell(cells.get("all")) }}</td>
{%- for month in months %}<td class="n">{{ cell(cells.get(month)) }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<p class="soft">Units are what the container calls billed units, or the quantity where it names none.
Two numbers are the least and the most that the truth can be.</p>
{% else %}<p class="soft">No container has reported any usage yet.</p>
{% endif %}
{% if r.licenses %}
<h2 id="licenses">Licenses</h2>
<div class="scroll"><table>
<thead><tr><th>Container</th><th>Host</th><th>Image</th><th>Release</th><th class="n">Days left</th></tr></thead>
<tbody>
{% for l in r.licenses %}<tr><th scope="row">{{ l.container }}<small>{{ l.service }}</small></th><td>{{ l.host }}</td>
<td>{{ l.tag }}<small><code>{{ l.image }}</code></small></td><td><code>{{ l.release }}</code></td>
<td class="n {{ l.license_days | urgency }}">{{ "unknown" if l.license_days is none else l.license_days }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
<h2 id="coverage">Coverage</h2>
<div class="scroll"><table>
<thead><tr><th>Container</th><th>Host</th><th>Site</th><th>Last answer</th><th>Last look</th>
<th class="n">Months closed</th><th class="n">open</th><th class="n">missing</th></tr></thead>
<tbody>
{% for c in r.coverage %}<tr><th scope="row">{{ c.container }}
{% if c.problem %}<small class="warn">{{ c.problem | replace("_", " ") }}</small>{% endif %}</th><td>{{ c.host }}</td>
<td>{{ c.site }}</td>
<td{% if not c.last_answer %} class="bad"{% endif %}>{{ c.last_answer | moment if c.last_answer else "never" }}</td><td>{{ c.last_look | moment }}</td>
{%- for count in states(c) %}<td class="n">{{ count }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<footer>
{% for site, tables in r.chain.heads.items() %}<p>Chain heads of {{ site }}:
{% for table, head in tables.items() %}{{ table }} {{ head.seq }} <code>{{ head.hash }}</code>{{ ", " if not loop.last }}{% endfor %}</p>
{% endfor %}
<p>The chain shows that no row was altered or left out since a head was written down elsewhere. It does not show that a container counted rightly.</p>
</footer>
</main>
</body>
</html>
"""


def render(report: t.Mapping[str, t.Any]) -> bytes:
    """The page. Every value is escaped; :raises MissingError: Jinja is not there."""
    if not HAS_JINJA:
        raise MissingError("python library jinja2", "not installed", "it comes with ansible-core: run this on the control node's own Python")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(number=_number, span=_span, percent=_percent, urgency=_urgency, moment=_moment, breakable=_breakable)
    meters: dict[tuple[str, str], dict[str, t.Any]] = {}
    for row in report["meters"]:
        meters.setdefault((row["service"], row["meter"]), {})[row["month"]] = row
    text = environment.from_string(TEMPLATE).render(
        r=report,
        title=", ".join(report["sites"]) if len(report["sites"]) < 6 else f"{len(report['sites'])} sites",
        style=Markup(STYLE),
        style_hash=style_hash(),
        months=report["months"][::-1],
        meters=meters,
        cell=lambda row: _span(row["units"]) if row else "·",
        states=_states,
        silent=sum(1 for row in report["coverage"] if row["problem"]),
    )
    return text.encode("utf-8")


def style_hash() -> str:
    """The hash by which the page's policy lets its own style in, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode("utf-8")).digest()).decode("ascii")


def _number(text: str) -> str:
    """Digits in groups of three by a narrow no-break space: no locale reads that as a decimal sign."""
    whole, point, fraction = text.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return sign + f"{int(digits or 0):,}".replace(",", "\u202f") + point + fraction


def _span(pair: t.Sequence[str]) -> str:
    return _number(pair[0]) if pair[0] == pair[1] else f"{_number(pair[0])} to {_number(pair[1])}"


def _percent(commitment: t.Mapping[str, t.Any]) -> int:
    granted, used = float(commitment["granted"]), float(commitment["used"][1])
    return round(100 * used / granted) if granted else 100 if used else 0


def _urgency(days: t.Optional[int]) -> str:
    if days is None or days < 30:
        return "warn" if days is None or days >= 7 else "bad"
    return "good"


def _moment(text: str) -> str:
    return text[:16].replace("T", "\u00a0") + "\u00a0UTC" if text.endswith("Z") else text


def _breakable(name: str) -> t.Any:
    """A dotted name that may be broken after its dots, and is copied without a trace of that."""
    return Markup(".<wbr>").join(name.split("."))


def _states(row: t.Mapping[str, t.Any]) -> tuple[int, int, int]:
    states = list(row["months"].values())
    return states.count("closed"), states.count("open"), sum(1 for state in states if state not in ("closed", "open"))
