# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's page as a Jinja template. Every value is escaped by the environment; only charts come in as markup.

It is Python, not a file beside it: Ansible sends Python alone along with a module.
This file is private to the collection.
"""

from __future__ import annotations

_HEAD = """<!DOCTYPE html>
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
<header>
<h1>Azure AI container usage</h1>
<p class="soft">{{ title or "no site yet" }}{% if r.as_of %} · readings up to {{ r.as_of | moment }}{% endif %} · days counted on {{ r.day | day }}</p>
</header>
<p class="verdict {{ verdict.level }}"><strong>{{ verdict.title }}</strong> <span>{{ verdict.text }}</span></p>
<dl class="tiles">
{% for tile in tiles %}<div><dt>{{ tile.name }}</dt><dd class="{{ tile.level }}">{{ tile.value }}<small>{{ tile.text }}</small></dd></div>
{% endfor %}
</dl>
"""

_FINDINGS = """
{% if cards %}
<section aria-labelledby="findings">
<h2 id="findings">What to do</h2>
<ul class="cards">
{% for card in cards %}<li class="{{ card.level }}">
<div class="head"><h3>{{ card.title }}</h3><span class="tag {{ card.level }}">{{ ("by " ~ card.by | day) if card.by else card.tag }}</span></div>
{% if card.do %}<p class="do">{{ card.do }}</p>{% endif %}
<ul>{% for item in card.items_shown %}<li>{{ item.text }}<small>{{ item.where }}</small></li>{% endfor %}
{% if card.more %}<li class="soft">and {{ card.more }} more in report.json</li>{% endif %}</ul>
</li>
{% endfor %}
</ul>
</section>
{% endif %}
"""

_FLEET = """
{% if r.fleet | length > 1 %}
<section aria-labelledby="fleet">
<h2 id="fleet">Sites, worst first</h2>
{% call scroll("Sites") %}
<thead><tr><th scope="col">Site</th><th scope="col">State</th><th scope="col" class="n">Urgent</th><th scope="col" class="n">To look at</th>
<th scope="col" class="n">Containers</th><th scope="col" class="n">Silent</th><th scope="col">Last heard of</th><th scope="col" class="n">Days since</th>
<th scope="col" class="n">License days</th><th scope="col">Collection</th></tr></thead>
<tbody>
{% for s in r.fleet[:shown] %}<tr><th scope="row">{{ s.site }}{% if s.detail == "site" %}<small>totals only</small>{% endif %}</th>
<td class="{{ s.level }}">{{ {"bad": "urgent", "warn": "look at it", "good": "in order"}[s.level] }}</td>
<td class="n{{ ' bad' if s.bad }}">{{ s.bad }}</td><td class="n{{ ' warn' if s.warn }}">{{ s.warn }}</td><td class="n">{{ s.containers }}</td>
<td class="n{{ ' warn' if s.silent }}">{{ s.silent }}</td><td>{{ (s.heard_of | moment) if s.heard_of else "never" }}</td>
<td class="n">{{ s.days_since if s.days_since is not none else "\u2013" }}</td>
<td class="n {{ (s.license_days | urgency) if s.license_days is not none else ('warn' if s.licenses_unknown) }}">
{{- s.license_days if s.license_days is not none else ("unknown" if s.licenses_unknown else "\u2013") }}</td>
<td>{{ s.collection or "\u2013" }}</td></tr>
{% endfor %}
</tbody>
{% endcall %}
{{ left_out(r.fleet | length, "sites") }}
</section>
{% endif %}
"""

_PLANS = """
{% if r.commitments %}
<section aria-labelledby="commitments">
<h2 id="commitments">Commitments</h2>
<div class="plans">
{% for c in r.commitments %}<article class="plan">
<div><h3>{{ c.resource }}</h3><small>{{ c.meters | join(", ") }} · {{ c.start | day }} to {{ c.end | day }}, midnight UTC</small>
<p class="big {{ c | burnt }}">{{ c | percent }}&nbsp;%<small class="soft"> used of {{ c.granted | number }} units</small></p>
<dl class="pairs">
<dt>Units used</dt><dd>{{ c.used | span }}</dd>
{% if c.used_quantity != c.used %}<dt>Quantity behind them</dt><dd>{{ c.used_quantity | span }}</dd>{% endif %}
{% if c.adjusted != "0" %}<dt>Adjustments</dt><dd>{{ c.adjusted | number }}</dd>{% endif %}
<dt>Units left</dt><dd{% if c.left[0].startswith("-") %} class="bad"{% endif %}>{{ c.left | span }}</dd>
{% for a in c.added %}<dt>Added {{ a.date | day }}</dt><dd>{{ a.units | number }}</dd>{% endfor %}
<dt>Days left</dt><dd>{{ c.days_left if c.days_left >= 0 else "ended" }}</dd>
{% if c.forecast.units %}<dt>A month, lately</dt><dd>{{ c.forecast.rate | number }}</dd>
<dt>By the last day, likely</dt><dd>{{ c.forecast.likely | number }}</dd>
<dt>Nine in ten outcomes</dt><dd>{{ c.forecast.units | span }}</dd>
<dt>Runs out</dt><dd>{{ c.forecast.runs_out | runs_out }}</dd>{% endif %}
</dl></div>
<div>{% if charts.plans %}{{ charts.plans[loop.index0] }}
<p class="key"><span><b class="granted"></b>granted</span><span><b class="used"></b>used</span>
{% if c.forecast.units %}<span><b class="ahead"></b>forecast, with its interval</span>{% endif %}
{% if c.used[0] != c.used[1] %}<span><b class="doubt"></b>in doubt</span>{% endif %}</p>{% endif %}
<p class="soft"><small>{{ c.forecast.text }}</small></p></div>
{% if c.months %}<div class="wide">{% call scroll("Units of " ~ c.resource ~ " by month", "months") %}
<thead><tr><th scope="col">Month</th>{% for m in c.months %}<th scope="col" class="n">{{ m.month | month }}</th>{% endfor %}</tr></thead>
<tbody><tr><th scope="row">Units</th>{% for m in c.months %}<td class="n">{{ cell(m) }}</td>{% endfor %}</tr></tbody>
{% endcall %}</div>{% endif %}
</article>
{% endfor %}
</div>
</section>
{% endif %}
"""

_USAGE = """
<section aria-labelledby="usage">
<h2 id="usage">Usage</h2>
{% if r.services %}
<p class="soft">Units are what the container calls billed units, or the quantity where it names none. Two numbers are the least and the most that the truth
can be. A month in grey, or drawn pale, may still change.</p>
{% if charts.services %}<div class="grid">
{% for s in charts.services %}<figure><figcaption><b>{{ s.service or "unknown service" }}</b><span class="soft">{{ s.total | span }}</span></figcaption>
{{ s.svg }}</figure>
{% endfor %}
</div>{% endif %}
{{ by_month("By service", "Service", usage.services) }}
{{ by_month("By meter", "Meter", usage.meters) }}
{% if r.fleet | length > 1 %}{{ by_month("By site", "Site", usage.sites) }}{% endif %}
{% else %}<p class="soft">No container has reported any usage yet.</p>
{% endif %}
{% if r.adjustments %}
<h3 class="sub" id="adjustments">Adjustments, signed by hand and not in the tables above</h3>
{% call scroll("Adjustments") %}
<thead><tr><th scope="col">Meter</th><th scope="col">Kind</th><th scope="col">Month</th><th scope="col" class="n">Units</th><th scope="col">Reason</th>
<th scope="col">Signed by</th><th scope="col">Entered</th></tr></thead>
<tbody>
{% for a in r.adjustments[:shown] %}<tr><th scope="row">{{ a.meter | breakable }}
<small>{{ [a.site, a.host, a.container, a.resource] | select | join(" · ") }}</small></th>
<td>{{ a.kind | replace("_", " ") }}</td><td>{{ a.month | month }}</td>
<td class="n">{{ a.units | number }}</td>
<td class="text">{{ a.reason }}</td><td>{{ a.author }}</td>
<td>{{ a.entered_at | moment }}</td></tr>
{% endfor %}
</tbody>
{% endcall %}
{{ left_out(r.adjustments | length, "adjustments") }}
{% endif %}
</section>
"""

_LICENSES = """
{% if licenses %}
<section aria-labelledby="licenses">
<h2 id="licenses">Licenses</h2>
{% call scroll("Licenses") %}
<thead><tr><th scope="col">Container</th><th scope="col">Host</th><th scope="col" class="n">Days left</th><th scope="col">Ends</th><th scope="col">Image</th>
<th scope="col">Release</th></tr></thead>
<tbody>
{% for l in licenses[:shown] %}<tr><th scope="row">{{ l.container }}<small>{{ [l.service, l.site] | select | join(" · ") }}</small></th>
<td>{{ l.host or "\u2013" }}</td>
<td class="n {{ l.license_days | urgency }}">{{ "unknown" if l.license_days is none else "ended" if l.license_days < 0 else l.license_days }}</td>
<td>{{ (l.license_ends | day) if l.license_ends else "not declared" }}</td>
<td>{{ l.tag }}<small><code title="{{ l.image }}">{{ l.image[:19] }}{{ "…" if l.image | length > 19 }}</code></small></td>
<td><code>{{ l.release[:16] }}</code></td></tr>
{% endfor %}
</tbody>
{% endcall %}
{{ left_out(licenses | length, "licenses") }}
</section>
{% endif %}
"""

_COVERAGE = """
<section aria-labelledby="coverage">
<h2 id="coverage">Coverage</h2>
{% if calendar %}
{% call scroll("Coverage by container and month", "calendar") %}
<thead><tr><th scope="col">Container</th>{% for month in asked %}<th scope="col" class="s">{{ month[5:] }}<small>{{ month[:4] }}</small></th>{% endfor %}
<th scope="col">Last answer</th></tr></thead>
<tbody>
{% for c in calendar[:shown] %}<tr><th scope="row">{{ c.container }}<small>{{ c.host }}{{ " · " ~ c.site if r.sites | length > 1 }}</small>
{% if c.problem %}<small class="warn">{{ c.problem }}</small>{% endif %}</th>
{%- for month in asked %}{% set state = c.months.get(month, "not_asked") %}
<td class="s {{ state | word }}"><span aria-hidden="true">{{ state | glyph }}</span><span class="sr">{{ state | meaning }}</span></td>{% endfor %}
<td{% if not c.last_answer %} class="bad"{% endif %}>{{ (c.last_answer | moment) if c.last_answer else "never" }}</td></tr>
{% endfor %}
</tbody>
{% endcall %}
<ul class="legend" aria-hidden="true">
{% for state, text in states.items() %}<li><b class="s {{ state }}">{{ state | glyph }}</b>{{ text }}</li>{% endfor %}</ul>
{{ left_out(calendar | length, "containers, those with gaps first,") }}
{% else %}<p class="soft">No container was looked at yet.</p>
{% endif %}
</section>
<footer>
{% if r.chain.heads %}<h3 id="ledger">Heads of the ledger's chains</h3>
{% for site, tables in heads %}{% for table, head in tables.items() %}<p>{{ site }} · {{ table }} {{ head.seq }} <code>{{ head.hash }}</code></p>{% endfor %}
{% endfor %}
{{ left_out(r.chain.heads | length, "sites", 20) }}{% endif %}
<p>{% if r.chain.walked %}Every row was walked on {{ r.chain.walked.on | day }}, {{ r.chain.walked.rows | string | number }} of them{% else %}\
Every row was never walked{% endif %}. A report walks those that came since, and makes sure that the heads of the report before are there.</p>
<p>The chain shows that no row was altered or left out since a head was written down elsewhere. It does not show that a container counted rightly.
{% if not drawn %}There are no charts: they need Matplotlib on the control node. The tables hold every number.{% endif %}</p>
</footer>
</main>
</body>
</html>
"""

_MACROS = """
{% macro scroll(name, kind="") %}<div class="scroll" role="region" aria-label="{{ name }}" tabindex="0"><table{% if kind %} class="{{ kind }}"{% endif %}>
{{ caller() }}</table></div>{% endmacro %}
{% macro left_out(count, what, limit=shown) %}{% if count > limit %}<p class="soft">{{ limit }} of {{ count }} {{ what }} are shown; report.json has all.</p>
{% endif %}{% endmacro %}
{% macro cell(item) %}{% if not item %}<span class="soft">·</span>{% elif item.closed %}{{ item.units | span }}
{%- else %}<i class="open">{{ item.units | span }}</i>{% endif %}{% endmacro %}
{% macro by_month(title, what, rows) %}<h3 class="sub">{{ title }}</h3>
{% call scroll(title, "months") %}
<thead><tr><th scope="col">{{ what }}</th><th scope="col" class="n">All time</th>
{% for month in months %}<th scope="col" class="n">{{ month | month }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows[:shown] %}<tr><th scope="row">{{ row.name | breakable }}{% if row.more %}<small>{{ row.more }}</small>{% endif %}</th>
<td class="n">{{ row.total | span if row.total else "·" }}</td>{% for month in months %}<td class="n">{{ cell(row.months.get(month)) }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
{% endcall %}
{{ left_out(rows | length, "rows") }}{% endmacro %}
"""

TEMPLATE = _MACROS + _HEAD + _FINDINGS + _FLEET + _PLANS + _USAGE + _LICENSES + _COVERAGE
