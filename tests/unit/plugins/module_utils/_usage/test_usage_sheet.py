# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CSV: every number there, no cell a formula."""

from __future__ import annotations

import csv
import io
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import sheet

FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


def report(text: str) -> dict[str, t.Any]:
    places = dict.fromkeys(("site", "host", "container", "service", "resource", "meter", "month"), text)
    adjustment = {**places, "quantity": "-5", "units": "-7", "kind": text, "reason": text, "author": text, "entered_at": text}
    forecast = {"units": None, "likely": None, "runs_out": [None, None]}
    plan = {"resource": text, "meters": [text], "start": "2026-01-01", "end": "2026-12-31", "granted": "10", "used": ["1", "2"], "adjusted": "-7"}
    return {
        "rows": [{**places, "quantity": ["1", "2"], "units": ["3", "4"]}],
        "adjustments": [adjustment],
        "commitments": [{**plan, "left": ["-1", "9"], "forecast": forecast}],
    }


def cells(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


@given(st.text(alphabet=st.one_of(st.sampled_from(FORMULA + "'\"; ,"), st.characters(exclude_categories=["Cs"])), max_size=20))
def test_no_cell_is_a_formula_and_no_text_is_lost(text: str) -> None:
    found = report(text)
    for data in (sheet.usage(found), sheet.commitments(found)):
        for row in cells(data):
            for name, cell in row.items():
                number = name.endswith(("_low", "_high", "adjusted", "granted"))
                assert number or not cell.startswith(tuple(FORMULA))
                assert number or not cell.lstrip().startswith(tuple(FORMULA))
    assert cells(sheet.usage(found))[0]["meter"].removeprefix("'") in (text, text.removeprefix("'"))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert sheet.safe(text) == "'" + text
    assert sheet.safe("CognitiveServices.Speech") == "CognitiveServices.Speech"


def test_adjustments_stand_in_records_of_their_own() -> None:
    rows = cells(sheet.usage(report("x")))
    assert [(row["record"], row["quantity_low"], row["units_low"], row["units_high"]) for row in rows] == [
        ("usage", "1", "3", "4"),
        ("adjustment", "-5", "-7", "-7"),
    ]


def test_commitments_are_numbers() -> None:
    (row,) = cells(sheet.commitments(report("x")))
    assert (row["granted"], row["used_high"], row["adjusted"], row["left_low"], row["forecast_likely"]) == ("10", "2", "-7", "-1", "")
