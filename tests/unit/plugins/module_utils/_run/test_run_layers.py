# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers need not be sent."""

from __future__ import annotations

import typing as t

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import layers
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, common

LAYERS = st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), min_size=1, max_size=6)


def host(image: Image, usable: bool = True, kind: str = "config") -> dict[str, t.Any]:
    return {"name": "x", "id": image.record[kind], "chain": [layer["diff_id"] for layer in image.record["layers"]], "usable": usable}


def digests(image: Image, *places: int) -> list[str]:
    return [image.record["layers"][place]["digest"] for place in places]


def test_a_classic_store_shares_the_longest_prefix_only() -> None:
    image = Image(b"a", b"b", b"c")
    assert layers.present(image.record, [host(Image(b"a")), host(Image(b"a", b"b", b"x"))], "classic") == digests(image, 0, 1)
    assert layers.present(image.record, [host(Image(b"x", b"b", b"c"))], "classic") == []
    assert layers.present(image.record, [host(Image(b"a"), usable=False)], "classic") == []


def test_a_blob_needed_behind_the_prefix_is_sent() -> None:
    image = Image(b"a", b"b", b"a")
    assert layers.present(image.record, [host(Image(b"a", b"b"))], "classic") == digests(image, 1)


def test_a_containerd_store_shares_blobs_of_known_images() -> None:
    image, other = Image(b"a", b"b", b"c"), Image(b"c", b"a")
    held = [host(other, kind="manifest")]
    assert layers.present(image.record, held, "containerd", [other.record]) == digests(image, 0, 2)
    assert layers.present(image.record, held, "containerd", []) == []
    assert layers.present(image.record, [host(other, usable=False)], "containerd", [other.record]) == []


@given(LAYERS, st.lists(LAYERS, max_size=4))
def test_what_is_left_out_and_what_is_sent_make_the_image(wanted: list[bytes], held: list[list[bytes]]) -> None:
    """The model of a classic engine: it takes the longest chain it has and a blob for every layer above."""
    image, there = Image(*wanted), [host(Image(*chain)) for chain in held]
    left = layers.present(image.record, there, "classic")
    diffs = [layer["diff_id"] for layer in image.record["layers"]]
    shared = max((common(diffs, one["chain"]) for one in there), default=0)
    assert set(left).isdisjoint(digests(image, *range(shared, len(wanted))))
    assert set(left) | set(digests(image, *range(shared, len(wanted)))) == set(digests(image, *range(len(wanted))))


def test_an_id_is_the_manifest_or_the_config() -> None:
    record = Image(b"a").record
    assert layers.is_image(record, record["manifest"])
    assert layers.is_image(record, record["config"])
    assert not layers.is_image(record, record["layers"][0]["digest"])
