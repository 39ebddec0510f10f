# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalog: every shipped entry is sound, overrides are merged and judged."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import jsonschema
import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import sizes
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.online import captured, steps
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

REAL = (
    "docker run -e MODELS=/usr/local/models/old -e MODELS=/usr/local/models/a,/usr/local/models/b -e TRANSLATORSYSTEMCONFIG=/usr/local/models/Config/1f image"
)
PAGE = "-e MODELS= usr/local/models/a/, usr/local/models/b/ \\\n -e TRANSLATORSYSTEMCONFIG=/usr/local/models/Config/1f \\\n"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(_catalog.entry_schema())


@pytest.mark.parametrize("service", _catalog.services())
def test_an_entry_is_sound(service: str) -> None:
    entry = _catalog.load()[service]
    assert re.fullmatch(r"[a-z0-9_]+", service), "it becomes part of an image's name"
    for what in ("cpus", "memory"):
        least, best = (sizes.memory(entry["size"][kind][what]) if what == "memory" else entry["size"][kind][what] for kind in ("minimum", "recommended"))
        assert least <= best
    assert {"Eula", "Mounts:License", "Mounts:Output"} <= set(entry["offline"]["settings"])
    assert entry["offline"]["settings"]["Mounts:Output"] == entry["mounts"]["output"]
    assert entry["offline"]["settings"]["Mounts:License"] == entry["mounts"]["license"]
    assert not re.search("apikey|billing", str(entry["offline"]), re.I)
    if "file" in entry["smoke"]:
        assert (Path(_catalog.FOLDER) / entry["smoke"]["file"]).is_file()


@pytest.mark.parametrize("service", _catalog.services())
def test_online_steps_fill_their_placeholders(service: str) -> None:
    entry = _catalog.load()[service]
    options = {"languages": ["en", "fr"]} if service == "text_translation" else {}
    (step,) = steps(entry, options, "https://x.cognitiveservices.azure.com/", "key")
    assert (step.settings["Billing"], step.settings["ApiKey"]) == ("https://x.cognitiveservices.azure.com", "key")
    assert not any("{" in value for value in step.settings.values())


@pytest.mark.parametrize("log", [REAL, PAGE])
def test_the_translators_log_is_read_in_both_forms(log: str) -> None:
    (step,) = steps(_catalog.load()["text_translation"], {"languages": ["en", "fr"]}, "e", "k")
    assert captured(log, step.capture) == {"MODELS": "/usr/local/models/a,/usr/local/models/b", "TRANSLATORSYSTEMCONFIG": "/usr/local/models/Config/1f"}


def test_overrides_change_single_keys_and_add_services() -> None:
    added = {**_catalog.load()["sentiment"], "title": "Language", "repository": "azure-cognitive-services/textanalytics/language"}
    found = _catalog.load({"sentiment": {"size": {"recommended": {"memory": "4g"}}}, "language": added})
    assert found["sentiment"]["size"] == {"minimum": {"cpus": 1, "memory": "2g"}, "recommended": {"cpus": 4, "memory": "4g"}}
    assert found["language"]["title"] == "Language"
    assert found["sentiment"]["registry"] == _catalog.DEFAULT_REGISTRY
    assert _catalog.load({"sentiment": {"registry": "registry.example.com"}})["sentiment"]["registry"] == "registry.example.com"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([], "not a mapping of services"),
        ({"x": 1}, "azure_ai_catalog.x: not a mapping"),
        ({"x": {}}, "x: title is missing"),
        ({"sentiment": {"repository": "host.example:5000/x"}}, "sentiment: repository is"),
        ({"sentiment": {"online": []}}, "sentiment: online has 0 items"),
        ({"sentiment": {"hardning": {}}}, "sentiment: hardning is unknown"),
        ({"sentiment": {"options": {"oneOf": []}}}, "options use oneOf"),
        ({"sentiment": {"offline": {"captured": ["X"]}}}, "offline.captured names X"),
        ({"text_translation": {"mounts": {"models": None}}}, "mounts.models is None"),
    ],
)
def test_faults_are_named(overrides: t.Any, told: str) -> None:
    with pytest.raises(AirgapError, match=re.escape(told)):
        _catalog.load(overrides)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(Problems) as caught:
        _catalog.load({"sentiment": {"title": ""}, "speech_to_text": {"size": {"minimum": {"cpus": "x"}}}})
    assert len(caught.value.problems) == 2
