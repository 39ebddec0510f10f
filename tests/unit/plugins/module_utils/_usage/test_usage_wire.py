# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents and lines as they cross: what fits the page is read, everything else is refused in one line."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import wire
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import ADJUSTMENTS, LOOKS, READINGS, tables

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = json.loads((Path(__file__).parents[5] / "docs/usage-export.schema.json").read_text())
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.none(), max_size=2) | st.just({})


def manifest(detail: str = "host") -> dict[str, t.Any]:
    return json.loads((GOLDEN / detail / wire.NAME).read_text())


def sealed(document: dict[str, t.Any]) -> bytes:
    return pretty({**document, "id": wire.identity(document)})


def fits(name: str, value: t.Any) -> bool:
    return jsonschema.Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{name}"}).is_valid(value)


@pytest.mark.parametrize("detail", wire.DETAILS)
def test_the_golden_export_is_read_for_ever(detail: str) -> None:
    found = wire.load_manifest((GOLDEN / detail / wire.NAME).read_bytes(), "golden")
    assert (found["site"], found["detail"], fits("export", found)) == ("plant-7", detail, True)
    assert fits("state", json.loads((GOLDEN / detail / wire.STATE).read_text()))
    if detail == "site":
        lines = (GOLDEN / detail / wire.STATEMENTS).read_bytes().splitlines(keepends=True)
        assert [wire.load_statement(line, "line")["quantity_high"] for line in lines] == ["1200", "3400", "0", "4600"]
        assert all(fits("statement", json.loads(line)) for line in lines)


@pytest.mark.parametrize(("table", "columns"), [("looks", LOOKS), ("readings", READINGS), ("adjustments", ADJUSTMENTS)])
def test_golden_rows_walk_to_the_head_that_was_signed(table: str, columns: tuple[str, ...]) -> None:
    walk = wire.Walk(tables().metadata.tables[table], "plant-7", manifest()["tables"][table])
    for line in (GOLDEN / "host" / wire.rows_file(table)).read_bytes().splitlines(keepends=True):
        row = walk.take(line)
        assert set(row) == {*columns, "seq", "prev", "hash"}
        assert wire.line_of(row) == line
        assert fits(table[:-1], row)
    walk.finish()


def test_the_golden_receipt_is_read_for_ever() -> None:
    found = wire.load_receipt((GOLDEN / "receipt" / wire.RECEIPT).read_bytes(), "golden")
    assert (found["number"], found["heads"]["readings"]["seq"], fits("receipt", found)) == (1, 4, True)


@given(st.sampled_from(sorted(manifest())), VALUES)
def test_no_member_of_a_manifest_takes_any_value(name: str, value: t.Any) -> None:
    document = manifest()
    if value == document[name] and type(value) is type(document[name]):
        return
    document[name] = value
    try:
        wire.load_manifest(sealed(document) if name != "id" else pretty(document), "export")
    except AirgapError as exc:
        assert "\n" not in str(exc)
        return
    assert fits("export", {**document, "id": wire.identity(document)}), "the schema is no stricter than the reader"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda found: found.pop("number"), "number is missing"),
        (lambda found: found.update(extra=1), "extra is unknown"),
        (lambda found: found.update(format=2), "format 2, this collection reads 1; update the collection at headquarters"),
        (lambda found: found["tables"]["looks"].update({"from": 9}), "ends before it begins"),
        (lambda found: found["tables"]["looks"].update({"to": 0, "after": "1" * 64}), "another head after than before"),
        (lambda found: found["tables"].pop("looks"), "tables has the bad value"),
        (lambda found: found["files"].reverse(), "files are not"),
        (lambda found: found["files"][0].update(name="../looks.jsonl"), "files are not"),
        (lambda found: found["files"][0].update(size=-1), "size has the bad value"),
        (lambda found: found["ledgers"][0].update(id="0" * 32), "not the last of ledgers"),
        (lambda found: found.update(site="Plant 7"), "site has the bad value"),
        (lambda found: found.update(number=True), "number has the bad value"),
        (lambda found: found.update(created="yesterday"), "created has the bad value"),
    ],
)
def test_what_a_manifest_may_not_say(change: t.Callable[[dict[str, t.Any]], t.Any], says: str) -> None:
    document = manifest()
    change(document)
    with pytest.raises(AirgapError, match=says):
        wire.load_manifest(sealed(document), "export")


def test_an_id_that_is_not_that_of_the_contents_is_named() -> None:
    with pytest.raises(AirgapError, match="the contents give"):
        wire.load_manifest(pretty({**manifest(), "number": 9}), "export")


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | st.just(b"[" * 200_000) | st.just(b'{"a":' * 5_000))
def test_no_bytes_make_a_reader_stumble(data: bytes) -> None:
    for load in (wire.load_manifest, wire.load_receipt, wire.load_line, wire.load_statement):
        try:
            load(data, "what")
        except AirgapError as exc:
            assert "\n" not in str(exc)


@pytest.mark.parametrize(
    "line",
    [b'{"a":1}', b'{"a": 1}\n', b'{"a":1,"a":1}\n', b'{"b":1,"a":1}\n', b'{"a":1.0}\n', b'{"a":1e3}\n', b'{"a":-0}\n', b'{"a":NaN}\n', b'{"a":true}\n']
    + [
        b'{"a":[1]}\n',
        b'{"a":"\\u0041"}\n',
        b'{"a":"\\ud800"}\n',
        b'\xef\xbb\xbf{"a":1}\n',
        b"[1]\n",
        b'{"a":"\xff"}\n',
        b'{"a":' + b"9" * 5000 + b"}\n",
        b"\n",
    ],
)
def test_a_line_has_one_spelling(line: bytes) -> None:
    with pytest.raises(InputError):
        wire.load_line(line, "row 1")


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers(-(2**60), 2**60) | st.text(max_size=20), max_size=5))
def test_what_is_written_is_read(row: dict[str, t.Any]) -> None:
    try:
        line = wire.line_of(row)
    except UnicodeEncodeError:
        return
    assert wire.load_line(line, "row") == row


def golden_lines(table: str) -> list[bytes]:
    return (GOLDEN / "host" / wire.rows_file(table)).read_bytes().splitlines(keepends=True)


def walked(lines: list[bytes], table: str = "readings", site: str = "plant-7") -> None:
    walk = wire.Walk(tables().metadata.tables[table], site, manifest()["tables"][table])
    for line in lines:
        walk.take(line)
    walk.finish()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[1:], "readings row 1: row 2 stands in its place"),
        (lambda lines: lines[:-1], "readings row 4: missing; the export says rows up to 4"),
        (lambda lines: lines[:1] + lines[2:], "readings row 2: row 3 stands in its place"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "readings row 2: row 3 stands"),
        (lambda lines: lines + lines[-1:], "readings row 5: row 4 stands"),
        (lambda lines: [line.replace(b"3400", b"3401") for line in lines], "readings row 3: its content does not match its hash"),
        (lambda lines: [line.replace(b'"prev":"0', b'"prev":"1') for line in lines], "readings row 1: does not follow row 0"),
        (lambda lines: [line.replace(b"plant-7", b"plant-8") for line in lines], "of site plant-8, not plant-7"),
        (lambda lines: [line.replace(b'"look":', b'"loook":') for line in lines], "not the canonical JSON|look is missing"),
        (lambda lines: [line.replace(b'"quantity":"1200"', b'"quantity":null') for line in lines], "quantity has the bad value"),
        (lambda lines: [line.replace(b'"h1"', b'"h\\u0000"') for line in lines], "not the canonical|host has the bad value"),
    ],
)
def test_a_chain_that_was_touched_is_named_by_its_first_bad_row(change: t.Callable[[list[bytes]], list[bytes]], says: str) -> None:
    with pytest.raises((InputError, IntegrityError), match=says):
        walked(change(golden_lines("readings")))


@pytest.mark.parametrize(
    ("table", "column", "value", "says"),
    [
        ("readings", "quantity", "1e3", "quantity, billed_unit or month is none"),
        ("readings", "quantity", "-1", "quantity, billed_unit or month is none"),
        ("readings", "month", "2026-13", "quantity, billed_unit or month is none"),
        ("readings", "meter", "N", "series is not that"),
        ("looks", "outcome", "fine", "outcome, scope or recorded_at is none"),
        ("looks", "recorded_at", "soon", "outcome, scope or recorded_at is none"),
        ("adjustments", "quantity", "NaN", "quantity, billed_unit or month is none"),
    ],
)
def test_a_row_whose_hash_fits_must_still_mean_something(table: str, column: str, value: str, says: str) -> None:
    """A site may sign what it likes; headquarters' rules must be able to count it."""
    row = {**json.loads(golden_lines(table)[0]), column: value}
    names = [item.name for item in tables().metadata.tables[table].columns if item.name not in ("seq", "prev", "hash")]
    row["hash"] = wire.row_hash(table, names, row)
    with pytest.raises(InputError, match=says):
        walked([wire.line_of(row)], table)
