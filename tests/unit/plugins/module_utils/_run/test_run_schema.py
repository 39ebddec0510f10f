# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our checker and the JSON Schema library agree on the catalog's schema and on options."""

from __future__ import annotations

import copy
import typing as t

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import schema
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

LANGUAGES = {
    "type": "object",
    "additionalProperties": False,
    "required": ["languages"],
    "properties": {
        "languages": {"type": "array", "minItems": 2, "items": {"type": "string", "pattern": "^[a-z]{2}$"}, "contains": {"const": "en"}},
        "n": {"type": "integer", "minimum": 1},
    },
}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({}, "options.languages is missing"),
        ({"languages": "en"}, "options.languages is 'en', not of type array"),
        ({"languages": ["en"]}, "options.languages has 1 items, fewer than 2"),
        ({"languages": ["en", "xyz"]}, "options.languages[1] is 'xyz', which does not match ^[a-z]{2}$"),
        ({"languages": ["fr", "de"]}, "options.languages must contain 'en'"),
        ({"languages": ["en", "de"], "n": 0}, "options.n is 0, less than 1"),
        ({"languages": ["en", "de"], "n": True}, "options.n is True, not of type integer"),
        ({"languages": ["en", "de"], "x": 1}, "options.x is unknown; known are languages, n"),
    ],
)
def test_faults_name_place_and_value(value: t.Any, told: str) -> None:
    assert schema.faults(value, LANGUAGES, "options") == [told]


@given(
    st.dictionaries(
        st.sampled_from(["languages", "n", "x"]), st.one_of(st.lists(st.sampled_from(["en", "fr", "EN", 1])), st.integers(-2, 2), st.booleans(), st.none())
    )
)
def test_it_judges_options_as_the_library_does(value: t.Any) -> None:
    assert (schema.faults(value, LANGUAGES) == []) == jsonschema.Draft202012Validator(LANGUAGES).is_valid(value)


@given(st.data())
def test_it_judges_damaged_entries_as_the_library_does(data: st.DataObject) -> None:
    entry = copy.deepcopy(_catalog.load()[data.draw(st.sampled_from(_catalog.services()))])
    place: t.Any = entry
    while isinstance(place, dict) and place:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            place[key] = data.draw(st.sampled_from([None, 0, "", "/x", [], {}, ["x"], True]))
            break
        place = place[key]
    validator = jsonschema.Draft202012Validator(_catalog.entry_schema())
    assert (schema.faults(entry, _catalog.entry_schema()) == []) == validator.is_valid(entry)


def test_no_keyword_is_passed_over_in_silence() -> None:
    assert schema.unknown_keywords(_catalog.entry_schema()) == []
    assert schema.unknown_keywords({"properties": {"a": {"oneOf": []}}, "items": {"format": "date"}}) == ["oneOf", "format"]
