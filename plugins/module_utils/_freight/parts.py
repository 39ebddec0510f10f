# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bytes of a bundle go on which medium: the same plan for the same bundle and size, and the list that says it.

The normative description is docs/media.md. This file is private to the collection.
"""

from __future__ import annotations

import heapq
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human

FORMAT = 1
KIND = "airgap.azure_ai/parts"
PART_KIND = "airgap.azure_ai/part"
CLUSTER = 32 * 1024  # what a FAT file system hands out at once; files are counted in these
MAX_FILE = 4 * 2**30 - CLUSTER  # whole clusters, and below the 4 GiB - 1 that FAT32 allows a file
MAX_PARTS = 999
PER_FOLDER = 1000  # FAT32 has room for some 16,000 names of this length in a folder
PER_PIECE = 512  # bytes of a piece's line in the list and of its entry in a folder
LEAST = 16 * CLUSTER  # room for pieces below which a part is not worth its medium
WHOLE = "blobs/sha256/"  # files of the control kit lie there under their digests, where its installer looks
PRESETS = {
    # Below what the media hold, as sold: makers count generously, and spare areas take their share.
    "cd": 700 * 10**6,
    "dvd": 4_700_000_000,
    "dvd-dl": 8_500_000_000,
    "bd": 24_000_000_000,
    "bd-dl": 48_000_000_000,
    "usb-8": 7_400_000_000,
    "usb-16": 14_700_000_000,
    "usb-32": 29_500_000_000,
    "usb-64": 59_000_000_000,
    "usb-128": 118_000_000_000,
}
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,6}))? ?([A-Za-z]{0,3})")

Record = dict[str, t.Any]


class Piece(t.NamedTuple):
    """Bytes ``offset`` to ``offset + size`` of a blob that has ``whole`` bytes; ``chunk`` counts from 0, None for a blob in one piece."""

    blob: Digest
    offset: int
    size: int
    whole: int
    chunk: int | None


def parse_size(text: str | int) -> int:
    """Bytes of ``4.7GB``, ``650 MiB``, ``1000000`` or a preset's name; raise InputError for anything else."""
    value = str(text).strip()
    if value.lower() in PRESETS:
        return PRESETS[value.lower()]
    match = _SIZE.fullmatch(value)
    unit = _UNITS.get(match.group(3).upper()) if match else None
    if match is None or unit is None:
        raise InputError(f"part size {value!r}"[:120], "not a size", f"write bytes, 4.7GB, 650MiB or one of {', '.join(PRESETS)}")
    fraction = match.group(2) or ""
    return int(match.group(1)) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


def room(part_size: int, fixed: int, blobs: t.Sequence[tuple[Digest, int]]) -> int:
    """Bytes that a part of ``part_size`` has left for pieces.

    :param fixed: bytes of the files that every part carries
    :raises InputError: too little to be of use.
    """
    total = sum(size for _digest, size in blobs)
    pieces = len(blobs) + 4 * total // max(part_size, 1) + total // MAX_FILE + 16
    overhead = fixed + PER_PIECE * pieces + 32 * CLUSTER + part_size // 512  # the last for the file system's own tables
    if part_size - overhead < LEAST:
        need = overhead + LEAST + LEAST
        raise InputError(f"part size {human(part_size)}", f"what every part carries takes {human(overhead)} of it", f"take {human(need)} or more")
    return part_size - overhead


def plan(
    blobs: t.Iterable[tuple[Digest, int]], space: int, unit: int = CLUSTER, largest: int = MAX_FILE, kit: t.Mapping[Digest, int] | None = None
) -> list[list[Piece]]:
    """Pieces by part: blobs that fit go whole to the part that is emptiest, larger ones are poured in until all parts stand equally high.

    :param blobs: (digest, size) of each
    :param space: bytes that a part has for pieces; each piece takes whole ``unit`` bytes of it
    :param largest: bytes of the largest piece, whole units
    :param kit: digest to size of the control kit's files, which lie on the first part, whole
    """
    capacity, kit = space // unit, kit or {}
    if capacity < 1 or largest < unit:
        raise InputError("part size", f"{space} bytes have no room for a piece")
    first = (sum(_units(size, unit) for size in kit.values()), [Piece(digest, 0, size, size, None) for digest, size in sorted(kit.items())])
    if first[0] > capacity:
        needed, way_out = human(first[0] * unit), "take larger media, or set bundle_control_kit to false and carry the kit's folder by itself"
        raise InputError("part size", f"the control kit takes {needed} of one part, which has {human(space)} for it", way_out)
    items = sorted((item for item in blobs if item[0] not in kit), key=lambda item: (-item[1], item[0]))
    poured = [item for item in items if _units(item[1], unit) > min(capacity, largest // unit)]
    whole = items[len(poured) :]
    liquid = sum(_units(size, unit) for _digest, size in poured)
    count = max(1, -(-(liquid + first[0] + sum(_units(size, unit) for _digest, size in whole)) // capacity))
    while True:
        laid = _lay(whole, count, capacity, unit, first)
        shares = _level([load for load, _pieces in laid], liquid, capacity) if laid else None
        if laid and shares is not None:
            return [sorted(pieces) for pieces in _pour([pieces for _load, pieces in laid], shares, poured, unit, largest // unit)]
        count += 1


def files(pieces: t.Sequence[Piece], kit: t.Container[Digest] = ()) -> list[str]:
    """Names of a part's pieces on the medium: lower-case ASCII, no more than 64 characters, few to a folder; the kit's where its installer looks."""
    return [
        f"{WHOLE}{piece.blob.hex}"
        if piece.blob in kit
        else f"blobs/{index // PER_FOLDER:03d}/{piece.blob.hex[:32]}" + ("" if piece.chunk is None else f".{piece.chunk:03d}")
        for index, piece in enumerate(pieces)
    ]


def document(manifest: Record, part_size: int, fixed: t.Sequence[Record], planned: t.Sequence[t.Sequence[Piece]], kit: t.Container[Digest] = ()) -> Record:
    """What ``parts.json`` says; digests of chunks are null until ``fill`` knows them.

    :param fixed: {file, digest, size} of what every part carries
    :param kit: digests of the control kit's files
    """
    if len(planned) > MAX_PARTS:
        raise InputError(f"part size {human(part_size)}", f"{len(planned)} parts, more than the {MAX_PARTS} allowed", "take larger media")
    return {
        "format": FORMAT,
        "kind": KIND,
        "bundle": manifest["id"],
        "site": manifest["site"],
        "sequence": manifest["sequence"],
        "part_size": part_size,
        "files": sorted(fixed, key=lambda entry: str(entry["file"])),
        "parts": [_part(number, pieces, kit) for number, pieces in enumerate(planned, 1)],
    }


def fill(listed: Record, digests: t.Mapping[tuple[str, int], str]) -> Record:
    """The list with the digests of chunks, by (blob, offset)."""
    parts = [{**part, "pieces": [{**piece, "digest": piece["digest"] or digests[place(piece)]} for piece in part["pieces"]]} for part in listed["parts"]]
    return {**listed, "parts": parts}


def place(piece: Record) -> tuple[str, int]:
    """Where a piece of the list belongs: (blob, offset)."""
    return piece["blob"], piece["offset"]


def open_list(listed: Record) -> Record:
    """The list without the digests that ``fill`` sets: what a plan can be compared with."""
    chunked = {blob for blob, pieces in by_blob(listed).items() if len(pieces) > 1}
    parts = [{**part, "pieces": [{**piece, "digest": None} if piece["blob"] in chunked else piece for piece in part["pieces"]]} for part in listed["parts"]]
    return {**listed, "parts": parts}


def by_blob(listed: Record) -> dict[str, list[Record]]:
    """The pieces of each blob, in the order of their bytes."""
    found: dict[str, list[Record]] = {}
    for part in listed["parts"]:
        for piece in part["pieces"]:
            found.setdefault(piece["blob"], []).append(piece)
    return {blob: sorted(pieces, key=lambda piece: int(piece["offset"])) for blob, pieces in found.items()}


def encoded(listed: Record) -> bytes:
    """The bytes of ``parts.json``."""
    return pretty(listed)


def part_bytes(listed: Record, number: int) -> bytes:
    """The bytes of ``part.json``: which part of which list lies beside it."""
    return pretty({"format": FORMAT, "kind": PART_KIND, "number": number, "of": len(listed["parts"]), "parts": str(Digest.of(encoded(listed)))})


def name(listed: Record) -> str:
    """The bundle's own name, ``<site>-<sequence>``."""
    return f"{listed['site']}-{listed['sequence']}"


def folder(listed: Record, number: int) -> str:
    """Name of a part's folder, such as ``plant-7-12-part-01-of-05``."""
    count = len(listed["parts"])
    width = max(2, len(str(count)))
    return f"{name(listed)}-part-{number:0{width}d}-of-{count:0{width}d}"


def numbers(found: t.Iterable[int]) -> str:
    """``1``, ``1 and 3``, ``1, 3 and 4`` in order."""
    words = [str(number) for number in sorted(found)]
    return " and ".join([*([", ".join(words[:-1])] if words[:-1] else []), *words[-1:]])


def kit_part(listed: Record) -> int | None:
    """Number of the part that the control kit's files lie on, or None: no kit travels with the bundle."""
    return next((part["number"] for part in listed["parts"] for piece in part["pieces"] if piece["file"].startswith(WHOLE)), None)


def _part(number: int, pieces: t.Sequence[Piece], kit: t.Container[Digest]) -> Record:
    listed = [
        {"file": file, "digest": str(piece.blob) if piece.chunk is None else None, "size": piece.size, "blob": str(piece.blob), "offset": piece.offset}
        for file, piece in zip(files(pieces, kit), pieces)
    ]
    return {"number": number, "bytes": sum(piece.size for piece in pieces), "pieces": listed}


def _units(size: int, unit: int) -> int:
    return max(1, -(-size // unit))


def _lay(whole: t.Sequence[tuple[Digest, int]], count: int, capacity: int, unit: int, first: tuple[int, list[Piece]]) -> list[tuple[int, list[Piece]]] | None:
    """Each blob into the emptiest of ``count`` parts, the largest first; None when one does not fit. The first part begins with ``first``."""
    laid: list[tuple[int, list[Piece]]] = [(first[0], [*first[1]]), *((0, []) for _number in range(count - 1))]
    heap = [(laid[number][0], number) for number in range(count)]
    heapq.heapify(heap)
    for digest, size in whole:
        load, number = heapq.heappop(heap)
        load += _units(size, unit)
        if load > capacity:
            return None
        laid[number][1].append(Piece(digest, 0, size, size, None))
        laid[number] = (load, laid[number][1])
        heapq.heappush(heap, (load, number))
    return laid


def _level(loads: list[int], liquid: int, capacity: int) -> list[int] | None:
    """How many units to pour on each part so that all stand equally high; None when they would overflow."""
    low, high = 0, capacity
    if sum(capacity - load for load in loads) < liquid:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if sum(max(0, middle - load) for load in loads) < liquid else (low, middle)
    shares = [max(0, low - load) for load in loads]
    surplus = sum(shares) - liquid
    for number in range(len(shares) - 1, -1, -1):
        if surplus and shares[number]:
            shares[number] -= 1
            surplus -= 1
    return shares


def _pour(parts: list[list[Piece]], shares: list[int], poured: t.Sequence[tuple[Digest, int]], unit: int, largest: int) -> list[list[Piece]]:
    number = 0
    for digest, size in poured:
        offset = chunk = 0
        while offset < size:
            while not shares[number]:
                number += 1
            units = min(shares[number], largest, _units(size - offset, unit))
            length = min(units * unit, size - offset)
            parts[number].append(Piece(digest, offset, length, size, chunk))
            shares[number] -= units
            offset += length
            chunk += 1
    return parts
