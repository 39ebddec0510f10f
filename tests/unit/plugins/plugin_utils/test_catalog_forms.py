# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries with variants, needs and members: every form is held to the schema, every name must lead somewhere."""

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import Problems
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

GPU = {"properties": {"gpu": {"type": "boolean", "default": False}}}
GROUP: dict[str, t.Any] = {
    "title": "Group",
    "options": {"type": "object", "properties": {}},
    "members": [{"name": "a", "service": "sentiment", "primary": True}, {"name": "b", "service": "speech_to_text", "main": True}],
    "sources": ["none"],
}


STEP = {"name": "license", "settings": {}, "produces": ["license"]}


def option(found: t.Any) -> dict[str, t.Any]:
    return {"type": "object", "properties": {"x": found}}


def sentiment(**change: t.Any) -> dict[str, t.Any]:
    return {"sentiment": change}


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (sentiment(variants=[{"when": {"gpu": True}}]), "sentiment: a variant asks for option gpu, which is none"),
        (sentiment(variants=[{"given": ["words"]}]), "sentiment: a variant asks for option words, which is none"),
        (sentiment(needs=[{"service": "speech_to_text", "setting": "X", "option": "x"}]), "sentiment: needs names option x, which is none"),
        (sentiment(files=[{"option": "x", "mount": "/x"}]), "sentiment: files names option x, which is none"),
        (sentiment(needs=[{"service": "tea", "setting": "X"}]), "sentiment: needs names tea, which is no service with an image"),
        (sentiment(options=GPU, variants=[{"when": {"gpu": True}, "size": {"minimum": 1}}]), "sentiment: size.minimum is 1, not of type object"),
        (
            sentiment(options=GPU, variants=[{"when": {"gpu": True}, "online": [{"name": "x", "settings": {}, "produces": ["models"]}]}]),
            "sentiment: no online step",
        ),
        ({"group": {**GROUP, "members": [*GROUP["members"], {"name": "c", "service": "tea"}]}}, "group: member c is a tea, which is no service"),
        ({"group": {**GROUP, "members": [*GROUP["members"], {"name": "c", "service": "group"}]}}, "group: member c is a group, which is no service"),
        (sentiment(tag_pattern="("), "sentiment: tag_pattern is not a regular expression (missing )"),
        (sentiment(options=GPU, variants=[{"when": {"gpu": True}, "tag_pattern": "["}]), "sentiment: tag_pattern is not a regular expression"),
        (sentiment(options=option({"pattern": "*"})), "sentiment: options.properties.x.pattern is not a regular expression (nothing to repeat"),
        (sentiment(options=option({"items": {"pattern": "("}})), "sentiment: options.properties.x.items.pattern is not a regular expression"),
        (sentiment(online=[{**STEP, "capture": {"MODELS": "("}}]), "sentiment: online step license: capture of MODELS is not a regular expression"),
        (sentiment(options=option(5)), "sentiment: options.properties.x is 5, not of type object"),
        (sentiment(options=option({"type": "text"})), "sentiment: options.properties.x.type is 'text', not one of string"),
        (sentiment(options=option({"enum": "ab"})), "sentiment: options.properties.x.enum is 'ab', not of type array"),
        (sentiment(options=option({"items": [1]})), "sentiment: options.properties.x.items is [1], not of type object"),
        (sentiment(options=option({"minLength": "1"})), "sentiment: options.properties.x.minLength is '1', not of type integer"),
        ({"half": {"title": "x", "options": {"type": "object", "properties": {}}, "sources": ["x"]}}, "half: repository is missing"),
    ],
)
def test_faults_of_forms_and_names(overrides: dict[str, t.Any], told: str) -> None:
    with pytest.raises(Problems, match=re.escape(told)):
        _catalog.load(overrides)


def test_a_variant_may_bring_what_the_entry_leaves_open() -> None:
    entry = {key: value for key, value in _catalog.load()["sentiment"].items() if key != "repository"}
    options = {"type": "object", "required": ["version"], "properties": {"version": {"enum": ["1", "2"]}}}
    variants = [{"when": {"version": version}, "repository": f"a/v{version}"} for version in "12"]
    assert _catalog.load({"mine": {**entry, "options": options, "variants": variants}})["mine"]["variants"] == variants
    with pytest.raises(Problems, match="mine: repository is missing"):
        _catalog.load({"mine": {**entry, "options": options, "variants": variants[:1]}})


def test_a_group_and_a_service_without_license_are_entries() -> None:
    found = _catalog.load({"group": GROUP, "free": {**_catalog.load()["sentiment"], "online": [], "mounts": {}, "metered": False}})
    assert (found["group"]["members"], found["free"]["metered"], found["sentiment"]["metered"]) == (GROUP["members"], False, True)


def test_one_callers_changes_are_not_the_next_ones() -> None:
    _catalog.load(sentiment(title="Other", size={"recommended": {"cpus": 99}}))
    assert _catalog.load()["sentiment"]["title"] == "Sentiment analysis"
    assert _catalog.load()["sentiment"]["size"]["recommended"]["cpus"] != 99
