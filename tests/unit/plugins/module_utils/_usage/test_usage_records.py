# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies: what is read and how exactly, what is refused and with which words."""

from __future__ import annotations

import contextlib
import json
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import records

TRANSLATOR = (
    b'{"type":"CommerceUsageResponse","meters":[{"name":"One","quantity":1250000,"billedUnit":1875000},{"name":"Two","quantity":1.50}],'
    b'"apiType":"texttranslation","serviceName":"texttranslation"}'
)


def body(quantity: str) -> bytes:
    return b'{"meters":[{"name":"M","quantity":' + quantity.encode() + b"}]}"


def test_the_documented_answer() -> None:
    found = records.parse_body(TRANSLATOR)
    assert found["meters"] == [
        {"name": "One", "quantity": "1250000", "billed_unit": "1875000"},
        {"name": "Two", "quantity": "1.5", "billed_unit": None},
    ]
    assert (found["api_type"], found["service_name"], found["extra"]) == ("texttranslation", "texttranslation", {"type": "CommerceUsageResponse"})
    assert found["body_sha256"] == "710c54436e299395d449cbc56686d94cfb5cfbe32ac49dd3079ebdfe78d2f7aa"


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("0", "0"),
        ("-0.0", "0"),
        ("253.0", "253"),
        ("0.1", "0.1"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("1e3", "1000"),
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551617", "18446744073709551617"),
        ("12.340", "12.34"),
        ("1E-7", "0.0000001"),
    ],
)
def test_numbers_stay_exact(text: str, exact: str) -> None:
    assert records.parse_body(body(text))["meters"][0]["quantity"] == exact


def test_unknown_keys_are_kept_without_floats() -> None:
    found = records.parse_body(b'{"meters":[{"name":"M","quantity":1,"unit":"min"}],"region":{"a":1.5},"n":7,"flag":true,"none":null}')
    assert found["extra"] == {"region": {"a": "1.5"}, "n": 7, "flag": True, "none": None, "meters": {"M": {"unit": "min"}}}


def test_a_byte_order_mark_and_an_empty_list_are_fine() -> None:
    assert records.parse_body(b'\xef\xbb\xbf{"meters":[]}')["meters"] == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty body"),
        (b"  \n", "empty body"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"null", "NoneType"),
        (b"[]", "list where an object"),
        (b"{}", "no list of meters"),
        (b'{"meters":{}}', "no list of meters"),
        (b'{"meters":[3]}', "not an object"),
        (b'{"meters":[{"quantity":3}]}', "without a name"),
        (b'{"meters":[{"name":"M"}]}', "not a number"),
        (TRANSLATOR[:-20], "not valid JSON"),
        (TRANSLATOR + b"x", "not valid JSON"),
        (b"\xff\xfe{", "not UTF-8"),
        (body("NaN"), "NaN"),
        (body("Infinity"), "Infinity"),
        (body("1e400"), "longer than"),
        (body("1e-400"), "longer than"),
        (body("-1"), "negative"),
        (body('"12"'), "not a number"),
        (body("true"), "not a number"),
        (body("1" * 5000), "number of 5000 characters"),
        (body("1e" + "9" * 300), "not valid JSON"),
        (b'{"meters":[{"name":"M","quantity":1,"billedUnit":-2}]}', "billedUnit of meter 'M': negative"),
        (b'{"meters":[{"name":"M","quantity":1},{"name":"M","quantity":2}]}', "meter 'M' twice"),
        (b'{"meters":[{"name":"M","quantity":1,"quantity":2}]}', "a key twice"),
        (b'{"meters":[{"name":"a\\nb","quantity":1}]}', "not a line"),
        (b'{"meters":[{"name":"\\ud800","quantity":1}]}', "not a line"),
        (b'{"meters":[],"x":"\\ud800"}', "surrogate"),
        (b'{"meters":[],"serviceName":5}', "serviceName"),
        (b"[" * 100000, "nested deeper"),
        (b'{"meters":[],"x":' + b"[" * 40 + b"]" * 40 + b"}", "nested deeper"),
    ],
)
def test_everything_else_is_refused_in_one_line(data: bytes, words: str) -> None:
    with pytest.raises(records.BadAnswer) as caught:
        records.parse_body(data)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 260


def seconds(data: bytes) -> float:
    """The quickest of some attempts to read a body that is refused."""
    spent = []
    for _attempt in range(5):
        begun = time.perf_counter()
        with pytest.raises(records.BadAnswer):
            records.parse_body(data)
        spent.append(time.perf_counter() - begun)
    return min(spent)


@pytest.mark.parametrize(
    ("begin", "more", "end"),
    [
        (b"[" * 33 + b'"', b'\\"', b""),  # a string without an end, and quotes in it that might begin another
        (b"[" * 33 + b'"', b"\\\\", b""),
        (b"[" * 33, b'"', b""),
        (b"[" * 33, b'"" ', b'"'),
        (b"", b"[]", b""),
        (b'{"meters":[{}', b',{"name":"M%d","quantity":1}', b"]}"),
    ],
)
def test_no_body_holds_all_threads_up_for_long(begin: bytes, more: bytes, end: bytes) -> None:
    def body_of(size: int) -> bytes:
        count = size // len(more)
        return begin + (b"".join(more % number for number in range(count)) if b"%d" in more else more * count) + end

    small, large = seconds(body_of(4_000)), seconds(body_of(32_000))
    assert large < 24 * small, "eight times the bytes take eight times as long, not sixty-four times"
    seconds(body_of(1_000_000))


@pytest.mark.parametrize("inside", [r"\\", r"\"[[", r"\\\"[", r"[\\\\", r"\u005c", r"\\\\\"{\n"])
def test_brackets_in_strings_are_no_levels(inside: str) -> None:
    text = '{"meters":[],"x":["' + inside + '","' + "[{" * 40 + '"]}'
    assert records._depth(text) == 2
    assert records.parse_body(text.encode())["extra"]["x"][1] == "[{" * 40
    with pytest.raises(records.BadAnswer, match="nested deeper"):
        records.parse_body(text.replace("]}", "," + "[" * 40 + "]" * 41 + "}").encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        records.parse_body(data)
    except records.BadAnswer as exc:
        assert str(exc) and "\n" not in str(exc)


@given(st.decimals(min_value=0, allow_nan=False, allow_infinity=False, places=6, max_value=10**20))
def test_exact_keeps_the_value(value: Decimal) -> None:
    text = records.exact(value)
    assert Decimal(text) == value
    assert records.is_exact(text)
    assert records.exact(Decimal(text)) == text


def test_meaning_ignores_order_and_spelling_of_numbers_but_no_value() -> None:
    first = records.parse_body(b'{"apiType":"a","meters":[{"name":"M","quantity":5},{"name":"N","quantity":1}]}')
    same = records.parse_body(b'{"meters": [{"quantity":1.0,"name":"N"}, {"name":"M","quantity":5.00}], "apiType":"a"}')
    other = records.parse_body(b'{"apiType":"a","meters":[{"name":"M","quantity":5},{"name":"N","quantity":1.01}]}')
    assert first["body_sha256"] != same["body_sha256"]
    assert records.meaning_sha256(first) == records.meaning_sha256(same)
    assert records.meaning_sha256(first) != records.meaning_sha256(other)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_dumps_is_canonical_json(value: object) -> None:
    from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import canonical

    assert json.loads(records.dumps(value)) == value
    with contextlib.suppress(UnicodeEncodeError):
        assert records.dumps(value).encode("utf-8") == canonical(value)


def test_dumps_is_the_same_without_the_inner_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    value = ["readings", 7, None, {"b": [1, "\u00e9\n"], "a": True}]
    quick = records.dumps(value)
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    assert records._make_encoder()(value) == quick == '["readings",7,null,{"a":true,"b":[1,"\u00e9\\n"]}]'
    for wrong in (float("nan"), {1, 2}):
        with pytest.raises((ValueError, TypeError)):
            records.dumps(wrong)
