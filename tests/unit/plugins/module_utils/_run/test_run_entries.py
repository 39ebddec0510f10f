# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries in the form that options give them."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

CATALOG = _catalog.load()
ENTRY: dict[str, t.Any] = {
    "repository": "a/one",
    "size": {"minimum": {"cpus": 1}},
    "cpu_flags": ["avx2"],
    "options": {
        "type": "object",
        "required": ["skill"],
        "properties": {
            "version": {"type": "string", "enum": ["1", "2"], "default": "1"},
            "gpu": {"type": "boolean", "default": False},
            "skill": {"type": "string"},
            "glossary": {"type": "string"},
            "many": {"type": "array", "items": {"type": "integer"}},
        },
    },
    "variants": [
        {"when": {"version": "2"}, "repository": "a/two", "size": {"minimum": {"memory": "2g"}}},
        {"when": {"gpu": True}, "gpu": True, "cpu_flags": []},
        {"when": {"version": "2", "gpu": True}, "repository": "a/two-gpu"},
        {"given": ["glossary"], "settings": {"Folder": "/g"}},
    ],
}


@pytest.mark.parametrize(
    ("options", "repository", "gpu"),
    [({}, "a/one", False), ({"version": "2"}, "a/two", False), ({"gpu": True}, "a/one", True), ({"version": "2", "gpu": True}, "a/two-gpu", True)],
)
def test_variants_that_fit_are_merged_in_order(options: dict[str, t.Any], repository: str, gpu: bool) -> None:
    found = entries.resolved(ENTRY, options)
    assert (found["repository"], found.get("gpu", False)) == (repository, gpu)
    assert found["cpu_flags"] == ([] if gpu else ["avx2"]), "a list is replaced"
    assert found["size"] == {"minimum": {"cpus": 1, "memory": "2g"} if "2" in options.values() else {"cpus": 1}}, "a mapping is merged"
    assert "variants" not in found and "when" not in found
    assert ENTRY["size"] == {"minimum": {"cpus": 1}}, "the entry stays as it was"


def test_a_variant_may_ask_whether_an_option_is_given() -> None:
    assert entries.resolved(ENTRY, {"glossary": "words"})["settings"] == {"Folder": "/g"}
    assert "settings" not in entries.resolved(ENTRY, {"skill": "x"})
    assert "given" not in entries.resolved(ENTRY, {"glossary": "words"})


def test_one_is_not_true() -> None:
    assert entries.fits({"gpu": True}, {"gpu": True})
    assert not entries.fits({"gpu": True}, {"gpu": 1})
    assert not entries.fits({"gpu": False}, {})


def test_text_that_a_template_made_is_text() -> None:
    class Tagged(str):
        """What Ansible's templates return."""

    assert entries.resolved(ENTRY, {"version": Tagged("2")})["repository"] == "a/two"


@given(st.dictionaries(st.sampled_from(["version", "gpu", "skill"]), st.sampled_from(["1", "2", True, False])))
def test_declared_options_win_over_defaults_and_resolving_twice_is_resolving_once(options: dict[str, t.Any]) -> None:
    chosen = entries.with_defaults(ENTRY, options)
    assert {name: chosen[name] for name in options} == options
    assert entries.with_defaults(ENTRY, chosen) == chosen
    once = entries.resolved(ENTRY, options)
    assert entries.resolved(once, options) == once == entries.resolved(ENTRY, chosen)


def test_every_form_is_seen() -> None:
    found = entries.combinations(ENTRY)
    seen = {(item["version"], item["gpu"], "glossary" in item) for item in found}
    assert seen == {(version, gpu, given_) for version in "12" for gpu in (False, True) for given_ in (False, True)}
    assert len(found) == len(seen)
    assert entries.combinations({"options": {"properties": {}}}) == [{}]


def test_an_option_without_a_default_may_be_left_out_of_a_form() -> None:
    entry = {"options": {"properties": {"a": {"enum": ["x", "y"]}, "b": {"type": "string"}}}, "variants": [{"when": {"a": "x"}}, {"when": {"b": "z"}}]}
    assert {str(item) for item in entries.combinations(entry)} == {
        str(item) for item in ({}, {"b": "z"}, {"a": "x"}, {"a": "x", "b": "z"}, {"a": "y"}, {"a": "y", "b": "z"})
    }
    entry["options"]["required"] = ["a"]
    assert all("a" in item for item in entries.combinations(entry))


@pytest.mark.parametrize("service", sorted(CATALOG))
def test_forms_of_the_catalog_differ(service: str) -> None:
    forms = [entries.resolved(CATALOG[service], options) for options in entries.combinations(CATALOG[service])]
    assert forms
    for variant in CATALOG[service].get("variants", ()):
        assert any(
            entries.resolved(CATALOG[service], options)
            != entries.resolved({**CATALOG[service], "variants": [v for v in CATALOG[service]["variants"] if v is not variant]}, options)
            for options in entries.combinations(CATALOG[service])
        ), f"{variant} changes nothing"


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (["en", "fr"], "en,fr"), (3, "3"), ("x", "x"), ([True, 1], "true,1")])
def test_values_as_settings_spell_them(value: t.Any, text: str) -> None:
    assert entries.flat(value) == text


def test_a_setting_of_an_option_that_nobody_declared_is_left_out() -> None:
    settings = {"A": "fixed", "B": "{options.x}", "C": "{options.x}/{options.y}", "D": "{other}"}
    assert entries.filled(settings, {"x": [1, 2]}) == {"A": "fixed", "B": "1,2", "D": "{other}"}
    assert entries.filled(settings, {"x": True, "y": "z"})["C"] == "true/z"


def test_what_an_entry_does_not_say() -> None:
    assert (entries.licensed({}), entries.metered({}), entries.container_port({})) == (False, True, 5000)
    assert (entries.licensed({"online": [1]}), entries.metered({"metered": False}), entries.container_port({"container_port": 5001})) == (True, False, 5001)
