# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle or a part is, holds and lacks: a table of lines, and a page to print and put into the file.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import label, parts

Record = dict[str, t.Any]
Row = tuple[str, ...]
SHOWN = 2000  # rows of a table on the page: more serve nobody, and bundle.json has them
STYLE = """:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:#16202e;font:11pt/1.45 system-ui,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif;overflow-wrap:anywhere}
main{max-width:26cm;margin:0 auto;padding:1.2cm}
h1{font-size:20pt;line-height:1.2;margin:0}
h2{font-size:13pt;margin:.8cm 0 .2cm}
.verdict{margin:.4cm 0;padding:.25cm .4cm;border-left:4pt solid}
.good{border-color:#1b7344;background:#eaf5ee}
.bad{border-color:#b3261e;background:#fcebe9}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.06cm .5cm;margin:.3cm 0 0}
dt{color:#576375}
dd{margin:0}
table{border-collapse:collapse;width:100%;font-size:9.5pt}
th,td{padding:.08cm .2cm .08cm 0;text-align:left;vertical-align:top;border-bottom:.5pt solid #dde2e9}
th{border-bottom:1pt solid #576375;white-space:nowrap}
td.number,th.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
code{font:8.5pt/1.4 ui-monospace,"Liberation Mono",Consolas,monospace}
ul{margin:.2cm 0;padding-left:.6cm}
thead{display:table-header-group}
tr{break-inside:avoid}
@media print{body{font-size:9.5pt}main{padding:0;max-width:none}h2{break-after:avoid}@page{margin:1.2cm}}
"""


class Judged(t.NamedTuple):
    """A bundle or part that was looked at; ``manifest``, ``listed`` and ``kit`` are None where they could not be trusted or there are none."""

    path: str
    manifest: t.Optional[Record]
    signer: str
    problems: t.Sequence[str]
    full: bool
    listed: t.Optional[Record] = None
    number: int = 0
    foreign: t.Sequence[str] = ()
    kit: t.Optional[Record] = None

    @property
    def title(self) -> str:
        """``plant-7-12``, and which part."""
        source = self.manifest or self.listed
        name = f"{source['site']}-{source['sequence']}" if source else self.path
        return f"{name}, part {self.number} of {len(self.listed['parts'])}" if self.listed else name


def lines(judged: Judged) -> list[str]:
    """The table as text: kinds with number and bytes, then images, licenses, packages; then what is wrong."""
    manifest = judged.manifest
    tables = [kinds(manifest), *(rows for _title, rows in _tables(manifest)), _kit(judged.kit)] if manifest else []
    if judged.listed:
        tables.append(_parts(judged))
    text = [line for rows in tables if len(rows) > 1 for line in (*_aligned(rows), "")]
    return [*text, *(f"wrong: {problem}" for problem in judged.problems), *(f"not ours: {name}" for name in judged.foreign)] or ["nothing"]


def kinds(manifest: Record) -> list[Row]:
    """Blobs by kind: how many, their bytes, and what of it the site's store has to have."""
    rows: list[Row] = [("kind", "number", "bytes", "left out", "bytes left out")]
    for kind in sorted({blob["kind"] for blob in manifest["blobs"]}):
        blobs = [blob for blob in manifest["blobs"] if blob["kind"] == kind]
        left = [blob["size"] for blob in blobs if not blob.get("carried", True)]
        rows.append((kind, str(len(blobs)), human(sum(blob["size"] for blob in blobs)), str(len(left) or ""), human(sum(left)) if left else ""))
    return rows


def page(judged: Judged) -> str:
    """One page that stands for itself; every value is escaped."""
    manifest = judged.manifest
    sections = [f"<h1>{label.escape(judged.title)}</h1>", _verdict(judged)]
    if manifest:
        sections += [_facts(manifest, judged), "<h2>Brings</h2>", _list(label.contents(manifest, judged.listed)), _table("Blobs by kind", kinds(manifest))]
        sections += [_table(title, rows) for title, rows in _tables(manifest)]
        sections.append(_table(f"Control kit {judged.kit['version'] if judged.kit else ''}", _kit(judged.kit)))
    if judged.listed:
        sections.append(_table("Parts", _parts(judged)))
    if judged.foreign:
        sections += ["<h2>Not ours, and left alone</h2>", _list(judged.foreign[:SHOWN])]
    return label.page(judged.title, STYLE, "\n".join(sections))


def _tables(manifest: Record) -> list[tuple[str, list[Row]]]:
    images: list[Row] = [("image", "manifest", "layers", "bytes")]
    for image in manifest["images"]:
        size = image["config_size"] + image["manifest_size"] + sum(layer["size"] for layer in image["layers"])
        images.append((f"{image['repository']}:{image['tag']}", image["manifest"], str(len(image["layers"])), human(size)))
    releases: list[Row] = [("release", "of", "resource", "downloaded", "last day")]
    for release in manifest["releases"]:
        name = f"{release['service']}:{release['tag']}"
        releases.append((release["id"], name, release["resource"], release["downloaded"] or "", release["expires"] or "unknown"))
    packages: list[Row] = [("package", "version", "system", "digest")]
    packages += [(package["name"], package["version"], package["os"], package["digest"]) for package in manifest["packages"]]
    return [("Images", images), ("Releases", releases), ("Packages", packages)]


def _kit(kit: Record | None) -> list[Row]:
    rows: list[Row] = [("tool", "version", "of the kit", "digest")]
    return rows + [(entry["name"], entry["version"], entry["kind"], entry["digest"]) for entry in (kit["files"] if kit else [])]


def _parts(judged: Judged) -> list[Row]:
    rows: list[Row] = [("part", "pieces", "bytes", "folder")]
    for part in judged.listed["parts"] if judged.listed else []:
        mark = " (this one)" if part["number"] == judged.number else ""
        rows.append((f"{part['number']}{mark}", str(len(part["pieces"])), human(part["bytes"]), parts.folder(judged.listed or {}, part["number"])))
    return rows


def _facts(manifest: Record, judged: Judged) -> str:
    base = manifest.get("base")
    rows = [
        ("Site", manifest["site"]),
        ("Sequence", manifest["sequence"]),
        ("Id", manifest["id"]),
        ("Built", f"{manifest['created']} by airgap.azure_ai {manifest['collection']}"),
        ("Signed by", judged.signer),
        ("Builds on", " ".join(f"{key} {value}" for key, value in sorted(base.items())) if base else "nothing, it is complete"),
        ("Looked at", judged.path),
    ]
    return "<dl>" + "".join(f"<dt>{label.escape(name)}</dt><dd>{label.escape(value)}</dd>" for name, value in rows) + "</dl>"


def _verdict(judged: Judged) -> str:
    looked = "every byte was read" if judged.full else "names and sizes were looked at, no blob was read"
    if not judged.problems:
        return f'<p class="verdict good"><strong>Nothing is wrong.</strong> The signature holds, {looked}.</p>'
    count = len(judged.problems)
    words = f"{count} problem{'' if count == 1 else 's'}."
    return f'<div class="verdict bad"><strong>{words}</strong>{_list(judged.problems[:SHOWN])}</div>'


def _list(items: t.Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{label.escape(item)}</li>" for item in items) + "</ul>"


def _table(title: str, rows: list[Row]) -> str:
    if len(rows) < 2:
        return ""
    numeric = {"number", "bytes", "left out", "bytes left out", "layers", "pieces"}
    shades = [' class="number"' if name in numeric else "" for name in rows[0]]
    head = "".join(f"<th{shade}>{label.escape(name)}</th>" for name, shade in zip(rows[0], shades))
    body = "\n".join("<tr>" + "".join(f"<td{shade}>{_cell(cell)}</td>" for cell, shade in zip(row, shades)) + "</tr>" for row in rows[1 : SHOWN + 1])
    more = f"<p>{len(rows) - 1 - SHOWN} more</p>" if len(rows) - 1 > SHOWN else ""
    return f"<h2>{label.escape(title)}</h2>\n<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>{more}"


def _cell(value: str) -> str:
    return f"<code>{label.escape(value)}</code>" if value.startswith("sha256:") else label.escape(value)


def _aligned(rows: list[Row]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]
