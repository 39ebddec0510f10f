# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
import random
import typing as t
from pathlib import Path

import jsonschema
import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import parts, parts_shape

ROOT = Path(__file__).parents[5]
MANIFEST = {"id": str(Digest.of(b"bundle")), "site": "plant-7", "sequence": 12}


def listed() -> dict[str, t.Any]:
    """A list of three parts; one blob is cut."""
    fixed = [{"file": name, "digest": str(Digest.of(name.encode())), "size": 9} for name in (*parts_shape.NEEDED, "bundle.json.officer.sig")]
    blobs = [(Digest.of(bytes([number])), size) for number, size in enumerate((900, 400, 1500))]
    value = parts.document(MANIFEST, 5000, fixed, parts.plan(blobs, 1000, 10, 500))
    return parts.fill(value, {parts.place(piece): str(Digest.of(b"c")) for part in value["parts"] for piece in part["pieces"]})


def change(value: dict[str, t.Any], path: str, new: t.Any) -> dict[str, t.Any]:
    changed = copy.deepcopy(value)
    inner: t.Any = changed
    *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    for step in steps:
        inner = inner[step]
    inner[last] = new
    return changed


def test_a_good_list_is_taken_and_fits_the_schema() -> None:
    value = listed()
    assert parts_shape.validate(value) == [] and parts_shape.load(parts.encoded(value), "part") == value
    schema = json.loads((ROOT / "docs" / "parts.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(value)
    part = {**schema, "$ref": "#/$defs/part_json"}
    jsonschema.Draft202012Validator({"$schema": schema["$schema"], "$defs": part["$defs"], "$ref": part["$ref"]}).validate(
        json.loads(parts.part_bytes(value, 1))
    )


@pytest.mark.parametrize(
    ("path", "new", "says"),
    [
        ("format", True, "format has the bad value"),
        ("kind", "airgap.azure_ai/bundle", "kind has the bad value"),
        ("site", "Plant 7", "site has the bad value"),
        ("parts", [], "parts has the bad value"),
        ("more", 1, "more is unknown"),
        ("files/0/file", "../bundle.json", "has the bad value"),
        ("files/0/file", "bundle.json", "each once"),
        ("parts/0/number", 2, "has number 2"),
        ("parts/0/bytes", 1, "its pieces have others"),
        ("parts/0/pieces/0/file", "blobs/000/../../../etc/passwd", "has the bad value"),
        ("parts/0/pieces/0/size", 2**32, "has the bad value"),
        ("parts/0/pieces/0/digest", "sha256:0", "has the bad value"),
        ("parts/0/pieces/0", [], "is not an object"),
    ],
)
def test_what_is_wrong_is_named(path: str, new: t.Any, says: str) -> None:
    value = listed()
    if path == "files/0/file" and new == "bundle.json":
        path = "files/1/file"
    assert any(says in problem for problem in parts_shape.validate(change(value, path, new))), parts_shape.validate(change(value, path, new))


def test_pieces_must_make_whole_blobs() -> None:
    value = listed()
    cut = next(pieces for pieces in parts.by_blob(value).values() if len(pieces) > 1)
    number, place = next((part["number"] - 1, part["pieces"].index(cut[1])) for part in value["parts"] if cut[1] in part["pieces"])
    assert any("gap or overlap" in problem for problem in parts_shape.validate(change(value, f"parts/{number}/pieces/{place}/offset", 1)))
    twice = change(value, f"parts/{number}/pieces/{place}/file", cut[0]["file"])
    assert any("twice" in problem for problem in parts_shape.validate(twice))
    for index, part in enumerate(value["parts"]):
        for position, piece in enumerate(part["pieces"]):
            if len(parts.by_blob(value)[piece["blob"]]) == 1:
                other = change(value, f"parts/{index}/pieces/{position}/digest", str(Digest.of(b"other")))
                assert any("its only piece" in problem for problem in parts_shape.validate(other))


def test_newer_formats_are_refused_in_words() -> None:
    with pytest.raises(InputError, match="parts have format 2, this collection reads 1; install a newer"):
        parts_shape.load(json.dumps({**listed(), "format": 2}).encode(), "part")
    with pytest.raises(Problems):
        parts_shape.load(b"{}", "part")


def test_a_part_json_that_is_none_is_damage() -> None:
    for data in (b"", b"{}", b"[1]", b'{"format": 1}', b"x" * 70_000):
        with pytest.raises(IntegrityError):
            parts_shape.load_part(data, "part.json")


def test_mutations_are_never_a_traceback() -> None:
    data, chance, accepted = parts.encoded(listed()), random.Random(3), 0
    for _round in range(1500):
        mutated = bytearray(data)
        for _change in range(chance.choice((1, 1, 2, 8))):
            place = chance.randrange(len(mutated))
            mutated[place : place + chance.choice((0, 1, 1, 5))] = bytes(
                chance.choice(b'0123456789abcdef{}[],:"nul- ') for _byte in range(chance.choice((0, 1, 1, 3)))
            )
        try:
            value = parts_shape.load(bytes(mutated), "part")
        except AirgapError:
            continue
        accepted += 1
        assert parts_shape.validate(value) == []
    assert accepted < 1500


def test_files_of_a_control_kit_have_names_of_their_own() -> None:
    kit = {Digest.of(b"wheel"): 70}
    planned = parts.plan([(Digest.of(bytes([number])), 900) for number in range(3)], 1000, 10, 1000, kit)
    fixed = [{"file": name, "digest": str(Digest.of(name.encode())), "size": 9} for name in parts_shape.FIXED]
    value = parts.document(MANIFEST, 5000, fixed, planned, kit)
    place = next(index for index, piece in enumerate(value["parts"][0]["pieces"]) if piece["file"].startswith("blobs/sha256/"))
    schema = json.loads((ROOT / "docs" / "parts.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(value)
    assert parts_shape.validate(value) == []
    other = change(value, f"parts/0/pieces/{place}/file", f"blobs/sha256/{Digest.of(b'other').hex}")
    assert parts_shape.validate(other) == [f"piece blobs/sha256/{Digest.of(b'other').hex} is not the whole blob of that name"]
    for name in ("blobs/sha256/short", f"blobs/sha256/{'A' * 64}", f"blobs/sha256/../{'a' * 61}"):
        assert "file has the bad value" in parts_shape.validate(change(value, f"parts/0/pieces/{place}/file", name))[0]
