# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import enum
import json
import random
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import canonical as canonical_module
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_DEPTH, canonical, digest_of, parse, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXT
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12)


def shuffled(value: t.Any, chance: random.Random) -> t.Any:
    """The same value, its keys in another order at every level."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, chance)) for key, item in value.items()]
        chance.shuffle(items)
        return dict(items)
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(value: t.Any, chance: random.Random) -> None:
    assert canonical(shuffled(value, chance)) == canonical(value)
    assert digest_of(shuffled(value, chance)) == digest_of(value)


@given(VALUES)
def test_the_written_form_is_that_of_the_standard_library(value: t.Any) -> None:
    assert pretty(value) == (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()
    nested = {"a": (value, [value], {}), "b": [[], ()]}
    assert pretty(nested) == (json.dumps(nested, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def test_kinds_of_texts_and_numbers_are_written_as_what_they_are() -> None:
    class Text(str):
        """As Ansible has them."""

    class Number(enum.IntEnum):
        """As the standard library has them."""

        ONE = 1

    value = {Text("k"): [Text("é"), Number.ONE, True]}
    assert pretty(value) == '{\n "k": [\n  "é",\n  1,\n  true\n ]\n}\n'.encode() and canonical(value) == '{"k":["é",1,true]}'.encode()


def read_by_byte(data: bytes) -> int:
    """Depth of nesting, in the plainest way."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            escaped, in_string = byte == 0x5C and not escaped, byte != 0x22 or escaped
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


@given(st.lists(st.sampled_from([b'"', b"\\", b"[", b"]", b"{", b"}", b"a", b"\n", b"\xff", b":"]), max_size=40).map(b"".join))
def test_depth_is_that_of_reading_byte_by_byte(data: bytes) -> None:
    assert canonical_module._depth(data) == read_by_byte(data)


@given(VALUES)
def test_both_forms_read_back(value: t.Any) -> None:
    assert parse(canonical(value), "x") == value
    assert parse(pretty(value), "x") == value


@given(VALUES, VALUES)
def test_different_values_have_different_bytes(one: t.Any, other: t.Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)  # unlike ==, tells True from 1
    assert (canonical(one) == canonical(other)) == same


def test_the_form_is_fixed_for_good() -> None:
    assert canonical({"b": [1, True, None], "a": "ü\n"}) == '{"a":"ü\\n","b":[1,true,null]}'.encode()
    assert pretty({"b": 1, "a": []}) == b'{\n "a": [],\n "b": 1\n}\n'


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (1.0, "value: 1.0 is a float"),
        ({"a": [1, {"b": 0.5}]}, "value.a[1].b: 0.5 is a float"),
        ((float("nan"),), "value[0]: nan is a float"),
        ({"a": {1: "x"}}, "value.a: key 1 is no string"),
        (["\ud800"], "value[0]: '\\ud800' is not a Unicode string"),
        ({"\udfff": 1}, "value: '\\udfff' is not a Unicode string"),
    ],
)
@pytest.mark.parametrize("form", [canonical, pretty, digest_of])
def test_what_other_readers_would_read_otherwise_is_refused(form: t.Callable[[t.Any], object], value: t.Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        form(value)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b'{"a": 1, "a": 1}', "key 'a' twice"),
        (b'[{"x": {"a": 1, "b": 2, "a": 3}}]', "key 'a' twice"),
        (b"NaN", "NaN is not a number"),
        (b"[-Infinity]", "-Infinity is not a number"),
        (b"9" * 5000, "not valid JSON"),
    ],
)
def test_bad_input_is_one_line_that_names_the_thing(data: bytes, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(data, "bundle.json")
    message = str(caught.value)
    assert message.startswith("bundle.json: ")
    assert says in message
    assert "\n" not in message


def test_size_is_judged_before_anything_is_read() -> None:
    assert parse(b"[1, 2]", "x", max_bytes=6) == [1, 2]
    with pytest.raises(InputError, match="7 bytes, more than the 6 allowed"):
        parse(b"[1, 22]", "x", max_bytes=6)


@given(st.integers(1, 60))
def test_depth_is_judged_at_the_limit(depth: int) -> None:
    data = b'{"a":[' * (depth // 2) + b"[" * (depth % 2) + b"1" + b"]" * (depth % 2) + b"]}" * (depth // 2)
    if depth <= MAX_DEPTH:
        parse(data, "x")
    else:
        with pytest.raises(InputError, match=f"nested deeper than {MAX_DEPTH} levels"):
            parse(data, "x")


def test_hostile_depth_does_not_exhaust_the_stack() -> None:
    with pytest.raises(InputError, match="nested deeper"):
        parse(b"[" * 1_000_000, "x")


@given(TEXT)
def test_brackets_inside_strings_are_no_depth(text: str) -> None:
    value = [text + '\\"[[[{{{' * 20]
    assert parse(json.dumps(value).encode(), "x", max_depth=1) == value
