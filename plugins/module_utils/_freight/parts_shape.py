# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a list of parts that came from outside, after its signature: every field, and that the pieces make whole blobs.

The normative description is docs/media.md. This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import countersign, kits, parts, shape

# What a bundle has at fixed names; every part carries them.
NEEDED = ("bundle.json", "bundle.json.sig", "index.json", "oci-layout")
FIXED = NEEDED + kits.FILES
MAX_FIXED = 64 * 1024 * 1024
_FILE = re.compile(r"blobs/(?:[0-9]{3}/[0-9a-f]{32}(?:\.[0-9]{3,6})?|sha256/[0-9a-f]{64})")

Record = dict[str, t.Any]


def is_fixed(name: t.Any) -> bool:
    """Whether a bundle has a file of that name beside its blobs: those above, and further signatures."""
    return name in FIXED or (isinstance(name, str) and len(name) <= 64 and countersign.is_name(name))


HEADER: dict[str, shape.Check] = {
    "format": lambda value: value == parts.FORMAT and value is not True,
    "kind": lambda value: value == parts.KIND,
    "bundle": shape.is_digest,
    "site": is_dns_label,
    "sequence": lambda value: shape.number(2**53)(value) and value > 0,
    "part_size": shape.number(2**53),
    "files": shape.is_list,
    "parts": lambda value: isinstance(value, list) and 0 < len(value) <= parts.MAX_PARTS,
}
ENTRY: dict[str, shape.Check] = {"file": is_fixed, "digest": shape.is_digest, "size": shape.number(MAX_FIXED)}
PART: dict[str, shape.Check] = {"number": shape.number(parts.MAX_PARTS), "bytes": shape.number(2**53), "pieces": lambda value: isinstance(value, list)}
PIECE: dict[str, shape.Check] = {
    "file": shape.matches(_FILE),
    "digest": shape.is_digest,
    "size": shape.number(parts.MAX_FILE),
    "blob": shape.is_digest,
    "offset": shape.number(shape.MAX_BLOB),
}
MEDIUM: dict[str, shape.Check] = {
    "format": HEADER["format"],
    "kind": lambda value: value == parts.PART_KIND,
    "number": shape.number(parts.MAX_PARTS),
    "of": shape.number(parts.MAX_PARTS),
    "parts": shape.is_digest,
}


def load(data: bytes, what: str) -> Record:
    """The list in ``data``, which a trusted builder signed.

    :raises InputError, Problems: not a list that may be used; a newer format is named as such.
    """
    value = parse(data, what)
    newer = isinstance(value, dict) and value.get("kind") == parts.KIND and isinstance(value.get("format"), int) and value["format"] > parts.FORMAT
    if newer:
        raise InputError(what, f"its parts have format {value['format']}, this collection reads {parts.FORMAT}", "install a newer airgap.azure_ai first")
    problems = validate(value)
    if problems:
        raise Problems(what, problems)
    return t.cast(Record, value)


def load_part(data: bytes, what: str) -> Record:
    """What ``part.json`` says; raise IntegrityError when it is none."""
    try:
        value = parse(data, what, max_bytes=65536)
    except InputError as exc:
        raise IntegrityError(what, exc.problem) from exc
    problems = shape.record(value, MEDIUM, "")
    if problems:
        raise IntegrityError(what, problems[0])
    return t.cast(Record, value)


def validate(value: t.Any) -> list[str]:
    """Everything that is wrong with a list of parts, a line each (at most 50)."""
    problems = shape.record(value, HEADER, "")
    if problems:
        return problems
    problems = [problem for index, entry in enumerate(value["files"]) for problem in shape.record(entry, ENTRY, f"files[{index}]")]
    for index, part in enumerate(value["parts"]):
        problems += shape.record(part, PART, f"parts[{index}]") or _pieces(part["pieces"], f"parts[{index}].pieces")
        if len(problems) > shape.MAX_PROBLEMS:
            break
    return (problems or [*_sums(value), *_whole(value)])[: shape.MAX_PROBLEMS]


def _pieces(pieces: list[t.Any], where: str) -> list[str]:
    if len(pieces) > shape.MAX_FILES:
        return [f"{where} has {len(pieces)} entries, more than allowed"]
    return [problem for index, piece in enumerate(pieces) for problem in shape.record(piece, PIECE, f"{where}[{index}]")]


def _sums(value: Record) -> t.Iterator[str]:
    named = [entry["file"] for entry in value["files"]]
    if len(set(named)) != len(named) or not set(FIXED[:4]) <= set(named):
        yield f"files must have {', '.join(FIXED[:4])}, each once"
    for index, part in enumerate(value["parts"]):
        if part["number"] != index + 1:
            yield f"parts[{index}] has number {part['number']}"
        if part["bytes"] != sum(piece["size"] for piece in part["pieces"]):
            yield f"part {part['number']} says {part['bytes']} bytes, its pieces have others"


def _whole(value: Record) -> t.Iterator[str]:
    """Every piece once, under a name of its own, and the pieces of a blob one after the other without a gap."""
    seen: set[str] = set()
    for part in value["parts"]:
        for piece in part["pieces"]:
            short = piece["file"].rpartition("/")[2]
            if short in seen:
                yield f"piece {piece['file']} twice"
            seen.add(short)
            if piece["file"].startswith(parts.WHOLE) and not piece["digest"] == piece["blob"] == f"sha256:{short}":
                yield f"piece {piece['file']} is not the whole blob of that name"
    for blob, pieces in parts.by_blob(value).items():
        end = 0
        for piece in pieces:
            if piece["offset"] != end:
                yield f"blob {blob}: its pieces leave a gap or overlap at byte {end}"
                break
            end += piece["size"]
        if len(pieces) == 1 and pieces[0]["digest"] != blob:
            yield f"blob {blob}: its only piece has digest {pieces[0]['digest']}"
