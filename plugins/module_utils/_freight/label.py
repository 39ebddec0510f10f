# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The label of a medium, as text and as a page to print: what it is, for whom, by whom, which part of how many.

This file is private to the collection.
"""

from __future__ import annotations

import html as _html
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control, parts

Record = dict[str, t.Any]
MANY = 12  # images named on a label
KIT = "tool"
WORDS = {
    "config": ("image configuration", "image configurations"),
    "file": ("file", "files"),
    "layer": ("image layer", "image layers"),
    "license": ("license, encrypted", "licenses, encrypted"),
    "manifest": ("image manifest", "image manifests"),
    "model": ("model file", "model files"),
    "package": ("package", "packages"),
    "receipt": ("receipt", "receipts"),
    KIT: ("file of the control kit", "files of the control kit"),
}
STYLE = """:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:#111;font:10.5pt/1.4 system-ui,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif}
main{max-width:17cm;margin:1cm auto;padding:.6cm .8cm;border:1.5pt solid #111}
.class{margin:0 0 .35cm;padding:.1cm 0;border:1.5pt solid #111;text-align:center;font-weight:700;letter-spacing:.06em}
code+.class{margin:.5cm 0 0}
header{display:flex;justify-content:space-between;align-items:baseline;gap:.5cm;border-bottom:1.5pt solid #111;padding-bottom:.2cm}
h1{margin:0;font-size:19pt;line-height:1.15;overflow-wrap:anywhere}
h2{font-size:11pt;margin:.45cm 0 .1cm}
.part{font-size:19pt;font-weight:700;white-space:nowrap}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.06cm .5cm;margin:.3cm 0 0}
dt{color:#444}
dd{margin:0;overflow-wrap:anywhere}
code{font:9pt/1.4 ui-monospace,"Liberation Mono",Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
ol{display:flex;flex-wrap:wrap;gap:.12cm;list-style:none;margin:.3cm 0 0;padding:0}
ol li{min-width:.8cm;padding:.03cm .1cm;border:1pt solid #777;text-align:center;color:#444}
ol li.this{background:#111;border-color:#111;color:#fff;font-weight:700;print-color-adjust:exact;-webkit-print-color-adjust:exact}
@media print{main{margin:0;break-inside:avoid;page-break-inside:avoid}@page{margin:1cm}}
"""


class Facts(t.NamedTuple):
    """What a label is made of.

    :param signer: fingerprint of the signer's key; ``principal`` is the name that control kits are verified by
    :param kit: ``control.json`` of the control kit that travels along, or None
    """

    manifest: Record
    listed: Record
    number: int
    signer: str
    classification: str
    kit: t.Optional[Record] = None
    principal: str = control.UNKNOWN

    @property
    def part(self) -> Record:
        """The part as the list has it."""
        return t.cast(Record, self.listed["parts"][self.number - 1])

    @property
    def title(self) -> str:
        """``Part 1 of 5``."""
        return f"Part {self.number} of {len(self.listed['parts'])}"


def text(facts: Facts) -> str:
    """The label for a terminal or a line printer."""
    rows = _rows(facts)
    width = max(len(name) for name, _value in rows)
    head = [facts.classification, ""] if facts.classification else []
    lines = [*head, f"{parts.name(facts.listed)}   {facts.title}", "", *(f"{name:{width}}  {value}" for name, value in rows)]
    lines += ["", *(line for title, command in commands(facts) for line in (title, f"  {command}"))]
    if facts.classification:
        lines += ["", facts.classification]
    return "".join(f"{line}\n" for line in lines)


def html(facts: Facts) -> str:
    """The label as one page that prints on a sheet: no scripts, no requests."""
    band = f'<p class="class">{escape(facts.classification)}</p>' if facts.classification else ""
    rows = "\n".join(f"<dt>{escape(name)}</dt><dd>{_value(name, value)}</dd>" for name, value in _rows(facts))
    by_hand = "\n".join(f"<h2>{escape(title)}</h2>\n<code>{escape(command)}</code>" for title, command in commands(facts))
    body = f"""{band}
<header><h1>{escape(parts.name(facts.listed))}</h1><span class="part">{facts.title}</span></header>
{_strip(facts)}
<dl>
{rows}
</dl>
{by_hand}
{band}"""
    return page(f"{parts.name(facts.listed)}, {facts.title}", STYLE, body)


def page(title: str, style: str, body: str) -> str:
    """A page that stands for itself; ``body`` is HTML already."""
    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    view = '<meta name="viewport" content="width=device-width,initial-scale=1">'
    head = f'<meta charset="utf-8">\n{policy}\n{view}\n<title>{escape(title)}</title>\n<style>\n{style}</style>'
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n<main>\n{body.strip()}\n</main>\n</body>\n</html>\n'


def escape(value: t.Any) -> str:
    """Any value as text of HTML."""
    return _html.escape(str(value))


def commands(facts: Facts) -> list[tuple[str, str]]:
    """What can be done with a medium by stock tools: (what for, the line to type)."""
    check = f'.parts[{facts.number - 1}].pieces[] | .digest[7:] + " *" + .file'
    lines = [
        ("Who signed it; compare the fingerprint:", "ssh-keygen -Y check-novalidate -n azure-ai-bundle -s parts.json.sig < parts.json"),
        ("Whether it is undamaged; says nothing when it is:", f"jq -r '{check}' parts.json | sha256sum --check --quiet"),
    ]
    if facts.kit and parts.kit_part(facts.listed) == facts.number:
        lines.append(("To set up or upgrade a control node, as root, in the medium's folder:", control.command(facts.principal)))
    return lines


def contents(manifest: Record, listed: Record | None = None) -> list[str]:
    """What a bundle brings, in words, a line each."""
    images = [f"{image['service']}:{image['tag']}" for image in manifest["images"]]
    more = f" and {len(images) - MANY} more" if len(images) > MANY else ""
    lines = [f"{_count(len(images), 'image', 'images')}: {', '.join(images[:MANY])}{more}"] if images else []
    licenses = sum(1 for release in manifest["releases"] if release["license"])
    systems = sorted({package["os"] for package in manifest["packages"]})
    lines += [f"{_count(licenses, 'license', 'licenses')}, encrypted"] if licenses else []
    lines += [_count(len(manifest["models"]), "set of models or files", "sets of models or files")] if manifest["models"] else []
    lines += [f"{_count(len(manifest['packages']), 'package', 'packages')} of {', '.join(systems)}"] if systems else []
    lines += [_count(len(manifest["receipts"]), "receipt", "receipts")] if manifest["receipts"] else []
    if listed and any(entry["file"] == "control.json" for entry in listed["files"]):
        lines.append("the control node's own tools")
    return lines


def _rows(facts: Facts) -> list[tuple[str, str]]:
    part, pieces = facts.part, facts.part["pieces"]
    total = sum(entry["bytes"] for entry in facts.listed["parts"])
    rows = [
        ("Site", facts.listed["site"]),
        ("Bundle", f"{facts.listed['sequence']}, built {facts.manifest['created']}"),
        ("Id", facts.listed["bundle"]),
        ("Signed by", facts.signer),
        ("This part", f"{part['bytes']} bytes ({human(part['bytes'])}) of {total} ({human(total)})"),
        ("Holds", _holds(facts)),
    ]
    if pieces:
        rows += [("First piece", f"{pieces[0]['file']} {pieces[0]['digest']}"), ("Last piece", f"{pieces[-1]['file']} {pieces[-1]['digest']}")]
    if facts.kit:
        target, number = facts.kit["target"], parts.kit_part(facts.listed)
        where = "this part" if number == facts.number else f"part {number}"
        rows.append(("Control kit", f"{facts.kit['version']} for {target['os']}, Python {target['python']}, {target['arch']}, on {where}"))
    rows += [("Bundle brings" if not index else "", line) for index, line in enumerate(contents(facts.manifest, facts.listed))]
    return rows


def _holds(facts: Facts) -> str:
    kinds = {blob["digest"]: blob["kind"] for blob in facts.manifest["blobs"]}
    counts: dict[str, int] = {}
    for piece in facts.part["pieces"]:
        if piece["digest"] == piece["blob"]:
            kind = kinds.get(piece["blob"], KIT)
            counts[kind] = counts.get(kind, 0) + 1
    words = [_count(count, *WORDS[kind]) for kind, count in sorted(counts.items())]
    chunks = len(facts.part["pieces"]) - sum(counts.values())
    words += [_count(chunks, "piece of a larger file", "pieces of larger files")] if chunks else []
    return "; ".join(words) or "nothing but the lists"


def _strip(facts: Facts) -> str:
    """All parts in a row, this one marked; a row of hundreds serves nobody."""
    count = len(facts.listed["parts"])
    if count > 60:
        return ""
    marks = "".join(f"<li{' class=this' if number == facts.number else ''}>{number}</li>" for number in range(1, count + 1))
    return f'<ol aria-label="parts">{marks}</ol>'


def _value(name: str, value: str) -> str:
    return f"<code>{escape(value)}</code>" if name in ("Id", "Signed by", "First piece", "Last piece") else escape(value)


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
