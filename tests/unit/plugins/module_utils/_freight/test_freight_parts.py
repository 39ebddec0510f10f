# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import parts

UNIT = 10
MANIFEST = {"id": str(Digest.of(b"bundle")), "site": "plant-7", "sequence": 12}


def blobs(*sizes: int) -> list[tuple[Digest, int]]:
    return [(Digest.of(str(number).encode()), size) for number, size in enumerate(sizes)]


def units(pieces: list[parts.Piece]) -> int:
    return sum(max(1, -(-piece.size // UNIT)) for piece in pieces)


def listed(*sizes: int, space: int = 1000) -> dict:
    fixed = [{"file": "bundle.json", "digest": str(Digest.of(b"{}")), "size": 2}]
    return parts.document(MANIFEST, 5000, fixed, parts.plan(blobs(*sizes), space, UNIT, 500))


sizes = st.lists(st.one_of(st.integers(0, 3000), st.integers(0, 150)), max_size=40)
rooms = st.tuples(st.integers(50, 2000), st.integers(1, 60))


@settings(max_examples=300, deadline=None)
@given(sizes, rooms, st.randoms())
def test_every_byte_is_in_exactly_one_piece_of_a_part_that_can_hold_it(wanted: list[int], room: tuple[int, int], chance) -> None:
    space, largest = room[0], room[1] * UNIT
    given_blobs = blobs(*wanted)
    planned = parts.plan(given_blobs, space, UNIT, largest)
    shuffled = list(given_blobs)
    chance.shuffle(shuffled)
    assert parts.plan(shuffled, space, UNIT, largest) == planned, "the order in which blobs are named means nothing"
    pieces = sorted(piece for part in planned for piece in part)
    for digest, size in given_blobs:
        mine = [piece for piece in pieces if piece.blob == digest]
        ends = [0, *(piece.offset + piece.size for piece in mine)]
        assert [piece.offset for piece in mine] == ends[:-1] and ends[-1] == size and all(piece.whole == size for piece in mine)
        assert [piece.chunk for piece in mine] in ([None], list(range(len(mine)))), "chunks are counted"
    assert len(pieces) == sum(len(part) for part in planned) and {piece.blob for piece in pieces} == {digest for digest, _size in given_blobs}
    assert all(units(part) <= space // UNIT for part in planned) and all(piece.size <= largest for piece in pieces)


@settings(max_examples=300, deadline=None)
@given(sizes, rooms)
def test_parts_are_filled_evenly(wanted: list[int], room: tuple[int, int]) -> None:
    space = room[0]
    planned = parts.plan(blobs(*wanted), space, UNIT, space)
    loads = [units(part) for part in planned]
    whole = [units([piece]) for part in planned for piece in part if piece.chunk is None]
    assert max(loads) - min(loads) <= max([1, *whole]), "no part is emptier than another by more than one blob that is not cut"
    least = -(-sum(max(1, -(-size // UNIT)) for size in wanted) // (space // UNIT))
    assert len(planned) <= max(1, 2 * least), "no more than twice the media that the bytes would fill"


def test_blobs_that_fit_are_not_cut_and_larger_ones_fill_up_the_parts() -> None:
    planned = parts.plan(blobs(900, 400, 2000), 1000, UNIT, 1000)
    assert len(planned) == 4 and sorted(units(part) for part in planned)[1:] != [], planned
    assert [piece.size for part in planned for piece in part if piece.chunk is None] == [900, 400]
    assert sum(piece.size for part in planned for piece in part if piece.whole == 2000) == 2000


def test_no_file_reaches_four_gibibytes() -> None:
    planned = parts.plan(blobs(20 * 2**30), 24 * 10**9)
    assert len(planned) == 1 and max(piece.size for piece in planned[0]) < 2**32 - 1 and len(planned[0]) == 6


def test_many_small_blobs_are_planned_quickly_and_spread_over_folders() -> None:
    planned = parts.plan(blobs(*[100] * 20_000), 500 * 10**6)
    names = parts.files(planned[0])
    assert len(planned) == 2 and len(set(names)) == len(names) == 10_000
    assert max(sum(name.startswith(f"blobs/{folder:03d}/") for name in names) for folder in range(10)) == 1000


@settings(max_examples=50, deadline=None)
@given(sizes)
def test_names_suit_every_medium(wanted: list[int]) -> None:
    value = listed(*wanted)
    names = [piece["file"] for part in value["parts"] for piece in part["pieces"]]
    short = [name.rpartition("/")[2] for name in names]
    assert all(re.fullmatch(r"blobs/[0-9]{3}/[0-9a-f]{32}(\.[0-9]{3,})?", name) and len(name) <= 64 for name in names)
    assert len({name.lower() for name in short}) == len(names), "a name is good for all parts, whatever a medium makes of its case"


@pytest.mark.parametrize(
    ("text", "size"),
    [("4.7GB", 4_700_000_000), ("dvd", 4_700_000_000), ("BD", 24_000_000_000), ("650 MiB", 650 * 2**20), (1000, 1000), ("1.5kB", 1500), ("0.5GiB", 2**29)],
)
def test_sizes(text: str, size: int) -> None:
    assert parts.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "4,7GB", "1.GB", "1e9", "5XB", "9" * 40])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a size.*usb-32"):
        parts.parse_size(text)


def test_media_too_small_and_parts_too_many_are_refused() -> None:
    with pytest.raises(InputError, match="every part carries takes .* take .* or more"):
        parts.room(1_000_000, 500_000, blobs(10))
    assert 0 < parts.room(10_000_000, 500_000, blobs(10)) < 9_500_000
    with pytest.raises(InputError, match="1000 parts, more than the 999 allowed"):
        parts.document(MANIFEST, 10, [], [[]] * 1000)


def test_the_plan_can_be_worked_out_by_hand() -> None:
    """A part has 100 units of 10 bytes, a piece at most 50; what crosses that is poured: 2000 and 900 bytes, 290 units.

    400 and 7 bytes go whole on parts 1 and 2, which so stand at 40 and 1. Four parts are the least. Poured to height 83, one unit less on the
    last: 43, 82, 83 and 82 units, the largest blob first.
    """
    first, second, third, fourth = (digest.hex[:32] for digest, _size in blobs(900, 400, 7, 2000))
    found = [[(piece["file"], piece["offset"], piece["size"]) for piece in part["pieces"]] for part in listed(900, 400, 7, 2000)["parts"]]
    assert found == [
        [(f"blobs/000/{fourth}.000", 0, 430), (f"blobs/000/{second}", 0, 400)],
        [(f"blobs/000/{fourth}.001", 430, 500), (f"blobs/000/{fourth}.002", 930, 320), (f"blobs/000/{third}", 0, 7)],
        [(f"blobs/000/{fourth}.003", 1250, 500), (f"blobs/000/{fourth}.004", 1750, 250), (f"blobs/000/{first}.000", 0, 80)],
        [(f"blobs/000/{first}.001", 80, 500), (f"blobs/000/{first}.002", 580, 320)],
    ]


def test_a_list_is_compared_without_what_is_hashed_later() -> None:
    value = listed(900, 400, 7, 2000)
    digests = {parts.place(piece): str(Digest.of(b"chunk")) for part in value["parts"] for piece in part["pieces"] if piece["digest"] is None}
    filled = parts.fill(value, digests)
    assert parts.open_list(filled) == value and json.loads(parts.encoded(filled)) == filled


def test_names_for_people() -> None:
    value = listed(900, 400, 2000)
    assert parts.folder(value, 3) == "plant-7-12-part-03-of-04" and parts.name(value) == "plant-7-12"
    assert [parts.numbers(found) for found in ([], [2], [3, 1], [4, 2, 1])] == ["", "2", "1 and 3", "1, 2 and 4"]


def test_the_control_kit_lies_whole_on_the_first_part_under_names_that_its_installer_knows() -> None:
    kit = dict(blobs(30, 120, 45))
    shared, *others = blobs(30, 400, 400, 900, 300)[:1] + [(Digest.of(b"other %d" % size), size) for size in (400, 401, 900, 300)]
    planned = parts.plan([shared, *others], 1000, UNIT, 500, kit)
    first = {piece.blob for piece in planned[0] if piece.chunk is None}
    assert set(kit) <= first and not any(piece.blob in kit for part in planned[1:] for piece in part), "a blob that serves both lies there once"
    assert sum(len(part) for part in planned) == len({*kit, *dict(others)}) + sum(1 for part in planned for piece in part if piece.chunk)
    loads = [units(part) for part in planned]
    assert max(loads) - min(loads) <= 40 and max(loads) <= 100
    names = dict(zip(planned[0], parts.files(planned[0], kit)))
    assert {name for piece, name in names.items() if piece.blob in kit} == {f"blobs/sha256/{digest.hex}" for digest in kit}
    value = parts.document(MANIFEST, 5000, [], planned, kit)
    assert parts.kit_part(value) == 1 and parts.kit_part(listed(400, 400)) is None


def test_a_kit_that_no_part_can_hold_is_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"the control kit takes 1\.2 kB of one part, which has 1\.0 kB for it.*bundle_control_kit"):
        parts.plan(blobs(10), 1000, UNIT, 500, dict(blobs(600, 601)))
