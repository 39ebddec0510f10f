# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import delta, manifest, shape
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

DIGESTS = st.lists(st.binary(min_size=1, max_size=4).map(kit.sha), min_size=1, max_size=6, unique=True)


@given(DIGESTS, st.randoms())
def test_a_code_stands_for_the_list_whatever_its_order(digests: list[str], chance: t.Any) -> None:
    text = delta.code(digests)
    assert len(text) == 9 and text[4] == "-" and delta.read_code(text) == text
    mixed = list(digests)
    chance.shuffle(mixed)
    assert delta.code(mixed) == text
    assert delta.code([*digests, kit.sha(b"another one")]) != text


@settings(max_examples=50)
@given(DIGESTS, st.integers(0, 7), st.sampled_from(delta.ALPHABET))
def test_one_misheard_character_is_noticed(digests: list[str], place: int, heard: str) -> None:
    plain = delta.code(digests).replace("-", "")
    wrong = plain[:place] + heard + plain[place + 1 :]
    assert (delta.read_code(wrong) is None) is (wrong != plain)


@settings(max_examples=50)
@given(DIGESTS, st.integers(0, 6))
def test_two_swapped_characters_are_noticed(digests: list[str], place: int) -> None:
    plain = delta.code(digests).replace("-", "")
    wrong = plain[:place] + plain[place + 1] + plain[place] + plain[place + 2 :]
    assert (delta.read_code(wrong) is None) is (wrong != plain)


@pytest.mark.parametrize("text", ["", "ABC", "0000-0000-0", "UUUU-UUUU", "\u0661234-5678"])
def test_what_is_no_code_is_none(text: str) -> None:
    assert delta.read_code(text) is None


def test_a_code_is_read_as_people_write_it() -> None:
    text = delta.code([kit.sha(b"x")])
    assert delta.read_code(f" {text.lower().replace('0', 'o').replace('1', 'l').replace('-', ' ')} ") == text


def test_what_the_base_holds_is_left_out_and_listed(store: Store) -> None:
    whole = kit.compose(store)
    former = kit.compose(store, "1.0")
    made = delta.lean(whole, delta.on_bundle(former))
    assert shape.validate(made) == [] and [manifest.plain(blob) for blob in made["blobs"]] == [manifest.plain(blob) for blob in whole["blobs"]]
    left = {blob["digest"] for blob in made["blobs"] if not blob["carried"]}
    assert left == {blob["digest"] for blob in former["blobs"]} and made["base"]["id"] == former["id"]
    summary = manifest.summary(made)
    assert summary["carried"] == len(whole["blobs"]) - len(left) and 0 < summary["carried_bytes"] < summary["bytes"]
    with pytest.raises(InputError, match="is of site plant-8"):
        delta.lean(whole, delta.on_bundle({**former, "site": "plant-8"}))
    with pytest.raises(InputError, match="cannot leave out"):
        manifest.in_format(made, 1)


def test_the_last_bundle_serves_when_it_leaves_out_no_more(store: Store) -> None:
    whole = kit.compose(store)
    lean = delta.lean(whole, delta.on_bundle(kit.compose(store, "1.0")))
    assert delta.serves(whole, lean) and delta.serves(lean, lean) and not delta.serves(lean, whole)
    assert not delta.serves(whole, kit.compose(store, "1.0"))


def test_only_this_sites_base_and_only_with_a_base_is_anything_left_out(store: Store) -> None:
    lean = delta.lean(kit.compose(store), delta.on_bundle(kit.compose(store, "1.0")))
    for change, words in (
        ({"base": None}, "builds on nothing"),
        ({"base": {**lean["base"], "site": "plant-8"}}, "base is of site 'plant-8'"),
        ({"base": {**lean["base"], "kind": "rumour"}}, "base.kind has the bad value 'rumour'"),
        ({"base": {"kind": ["holdings"]}}, "base.kind has the bad value"),
        ({"base": {**lean["base"], "more": 1}}, "base.more is unknown"),
    ):
        problems = shape.validate(manifest.identified({**lean, **change}))
        assert problems and words in problems[0]


def test_a_code_is_understood_where_its_list_can_be_worked_out(store: Store) -> None:
    former = kit.compose(store, "1.0")
    last = delta.lean(kit.compose(store), delta.on_bundle(former))
    left = frozenset(blob["digest"] for blob in last["blobs"] if not blob["carried"])
    known = frozenset(sorted(left)[1:])
    image = former["images"][0]
    parts = frozenset([image["manifest"], image["config"], *(layer["digest"] for layer in image["layers"])])
    for wanted in (left, left - known, parts, frozenset(sorted(left)[-1:])):
        assert delta.find_missing([last], delta.code(wanted), [known]) == (last, wanted)
    with pytest.raises(InputError, match="fits nothing that bundle plant-7-1 leaves out"):
        delta.find_missing([last], delta.code([kit.sha(b"x")]))
    with pytest.raises(InputError, match="fits nothing that bundle plant-7-1, plant-7-1, plant-7-1 or 2 older ones leaves out"):
        delta.find_missing([last] * 5, delta.code([kit.sha(b"x")]))
    with pytest.raises(InputError, match="misheard or mistyped"):
        delta.find_missing([last], "nonsense")


def test_a_bundle_for_a_missing_list_carries_exactly_that_and_what_is_new(store: Store, tmp_path: Path) -> None:
    last = delta.lean(kit.compose(store, "1.0"), delta.on_bundle(kit.compose(store, "1.0")))
    lost = [last["blobs"][0]["digest"]]
    again = delta.lean(kit.compose(store, "1.0"), delta.for_missing(last["base"], kit.compose(store, "1.0"), last, lost))
    assert [blob["digest"] for blob in again["blobs"] if blob["carried"]] == lost
    more = delta.lean(kit.compose(store), delta.for_missing(last["base"], kit.compose(store), last, lost))
    known = {blob["digest"] for blob in last["blobs"]}
    assert {blob["digest"] for blob in more["blobs"] if blob["carried"]} == {blob["digest"] for blob in more["blobs"] if blob["digest"] not in known} | set(
        lost
    )


def test_the_error_names_count_bytes_images_and_code(store: Store) -> None:
    made = kit.compose(store)
    image = made["images"][0]
    text = str(delta.LackingError(made, 3, [image["config"], image["manifest"]]))
    assert "builds on 2 blobs" in text and "image speech_to_text:1.0" in text and delta.code([image["manifest"], image["config"]]) in text
    assert f"{image['config_size'] + image['manifest_size']} B" in text or "kB" in text
