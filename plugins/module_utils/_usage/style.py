# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The style sheet of the report's page: screen, phone, paper, light and dark.

This file is private to the collection.
"""

from __future__ import annotations

STYLE = """:root{color-scheme:light dark;--ink:#16202e;--soft:#576375;--line:#dde2e9;--paper:#fff;--band:#f6f7f9;--accent:#1d5fa8;--tint:#cfe0f2;
--good:#1b7344;--warn:#935c00;--bad:#b3261e;--good-band:#eaf5ee;--warn-band:#fdf3e0;--bad-band:#fcebe9}
@media (prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#9eaaba;--line:#323c4a;--paper:#12171f;--band:#1a212c;--accent:#75b0ee;--tint:#274466;
--good:#62c892;--warn:#e3b054;--bad:#f38b83;--good-band:#152a20;--warn-band:#30270f;--bad-band:#361b1a}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",sans-serif;
overflow-wrap:break-word}
main{max-width:78rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}
h1{font-size:1.875rem;line-height:1.2;margin:0;letter-spacing:-.02em;font-weight:650}
h2{font-size:1.25rem;line-height:1.3;margin:3rem 0 .75rem;letter-spacing:-.01em;font-weight:650}
h3{font-size:1rem;line-height:1.35;margin:0;font-weight:600;overflow-wrap:anywhere}
h3.sub{margin:1.75rem 0 .5rem}
p{margin:.25rem 0;max-width:54rem}
h2+p{margin-bottom:1rem}
.soft,small{color:var(--soft)}
small{display:block;font-size:.8125rem;font-weight:400;overflow-wrap:anywhere}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}.note{color:var(--accent)}
.sr{position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.verdict{margin:1.5rem 0 0;padding:.875rem 1.125rem;border-radius:.5rem;border-left:.3125rem solid;max-width:none;font-size:1.0625rem}
.verdict.good{background:var(--good-band)}.verdict.warn{background:var(--warn-band)}.verdict.bad{background:var(--bad-band)}
.verdict strong{font-weight:650}.verdict span{color:var(--ink)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:1px;background:var(--line);border:1px solid var(--line);
border-radius:.5rem;overflow:hidden;margin:1.25rem 0 0}
.tiles div{background:var(--paper);padding:.875rem 1.125rem 1rem}
.tiles dt{color:var(--soft);font-size:.8125rem}
.tiles dd{margin:0;font-size:1.75rem;line-height:1.25;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.tiles dd small{font-size:.8125rem;letter-spacing:0;margin-top:.125rem}
.cards{list-style:none;margin:0;padding:0;display:grid;grid-template-columns:minmax(0,1fr);gap:.75rem}
.cards>li{border:1px solid var(--line);border-left:.25rem solid;border-radius:.375rem;padding:.75rem 1rem}
.cards>li.bad{border-left-color:var(--bad)}.cards>li.warn{border-left-color:var(--warn)}.cards>li.note{border-left-color:var(--accent)}
.cards>li>*{color:var(--ink)}
.cards .head{display:flex;flex-wrap:wrap;gap:.125rem .75rem;align-items:baseline;justify-content:space-between}
.cards .do{margin:.25rem 0 .375rem;max-width:60rem}
.cards ul{list-style:none;margin:0;padding:0;font-size:.875rem}
.cards ul li{padding:.125rem 0}
.cards ul small{display:inline;margin-left:.375rem}
.tag{font-size:.75rem;font-weight:600;letter-spacing:.02em;white-space:nowrap}
.plans{display:grid;grid-template-columns:minmax(0,1fr);gap:1.25rem}
.plan>*{min-width:0}
.plan{border:1px solid var(--line);border-radius:.5rem;padding:1.125rem 1.25rem;display:grid;
grid-template-columns:minmax(15rem,1fr) minmax(18rem,1.2fr);gap:1rem 2rem}
.plan .wide{grid-column:1/-1}
.big{font-size:2.25rem;line-height:1.15;font-weight:650;letter-spacing:-.03em;margin:.375rem 0 .5rem;font-variant-numeric:tabular-nums}
.big small{display:inline;font-size:.875rem;letter-spacing:0}
.pairs{display:grid;grid-template-columns:auto 1fr;gap:.1875rem 1rem;margin:0;font-size:.875rem}
.pairs dt{color:var(--soft)}
.pairs dd{margin:0;text-align:right;font-variant-numeric:tabular-nums}
.key{font-size:.75rem;color:var(--soft);margin:.25rem 0 0;max-width:none}
.key b{display:inline-block;width:1.25rem;height:.1875rem;margin:0 .375rem .1875rem 0;vertical-align:middle}
.key .granted{background:var(--ink)}.key .used{background:var(--accent)}.key .ahead{height:.625rem;background:var(--accent);opacity:.25}
.key .doubt{height:.625rem;background:var(--warn);opacity:.4}.key span{margin-right:1rem;white-space:nowrap}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,1fr));gap:1rem}
figure{margin:0;max-width:38rem;border:1px solid var(--line);border-radius:.5rem;padding:.875rem 1rem .5rem}
figcaption{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem;align-items:baseline;margin-bottom:.5rem}
figcaption b{font-weight:600;overflow-wrap:anywhere;min-width:0}
.chart{display:block;width:100%;height:auto;overflow:visible}
.chart text{font-size:11px;font-family:inherit}.plan .chart text{font-size:9.5px}
.scroll{position:relative;overflow-x:auto;border:1px solid var(--line);border-radius:.5rem}
.scroll+p,.scroll+.key{margin-top:.625rem}
table{border-collapse:collapse;width:100%;font-size:.875rem}
th,td{padding:.4375rem .75rem;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
thead th{border-top:0;background:var(--band);color:var(--soft);font-weight:600;white-space:nowrap;vertical-align:bottom}
td{white-space:nowrap}
td.text{white-space:normal;min-width:14rem}
tbody th{font-weight:500;min-width:11rem;overflow-wrap:break-word}
.months th,.months td{padding:.4375rem .5rem;font-size:.8125rem}.months tbody th{min-width:13rem;font-size:.875rem}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
i.open{font-style:normal;color:var(--soft)}
.calendar td.s,.calendar th.s{text-align:center;padding:.375rem .25rem;min-width:2.25rem;border-left:1px solid var(--line)}
.calendar td.s{font-weight:600;vertical-align:middle}
.s.closed{background:var(--tint)}.s.closed_none{background:var(--band)}.s.read{color:var(--accent)}.s.closed_none,.s.no_usage,.s.not_asked{color:var(--soft)}
.s.no_answer{background:var(--bad-band);color:var(--bad)}.s.bad_answer{background:var(--warn-band);color:var(--warn)}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;margin:.75rem 0 0;padding:0;font-size:.8125rem;color:var(--soft)}
.legend b{display:inline-block;min-width:1.625rem;text-align:center;border-radius:.1875rem;margin-right:.375rem}
.legend b.s.no_answer{color:var(--bad)}
code{font:.75rem/1.4 ui-monospace,SFMono-Regular,Menlo,"Liberation Mono",monospace;overflow-wrap:anywhere;white-space:normal}
footer{margin-top:3.5rem;border-top:1px solid var(--line);padding-top:1rem;font-size:.8125rem;color:var(--soft)}
@media (max-width:44rem){main{padding:1.5rem 1rem 3rem}h1{font-size:1.5rem}.plan{grid-template-columns:minmax(0,1fr);padding:1rem}
.tiles{grid-template-columns:repeat(2,minmax(0,1fr))}.tiles div{padding:.75rem .875rem}.tiles dd{font-size:1.375rem}
.grid{grid-template-columns:minmax(0,1fr)}.plan .chart text{font-size:13px}
th,td{padding:.375rem .5rem}tbody th,.months tbody th{min-width:9rem}}
@page{size:A4 landscape;margin:12mm}
@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--line:#bbb;--paper:#fff;--band:#eee;--accent:#1d5fa8;--tint:#cfe0f2;--good:#14592f;--warn:#7a4b00;
--bad:#9b1c15;--good-band:#fff;--warn-band:#fff;--bad-band:#fff}
html{font-size:9.5pt}body{-webkit-print-color-adjust:exact;print-color-adjust:exact}main{padding:0;max-width:none}
.scroll{overflow:visible;border:0}table,.months th,.months td{font-size:8pt}th,td,.months th,.months td{padding:.25rem .4rem}
.grid{grid-template-columns:repeat(3,1fr)}
tr,figure,.plan,.cards>li,.tiles{break-inside:avoid}h2,h3{break-after:avoid}thead{display:table-header-group}h2{margin-top:1.5rem}}"""
