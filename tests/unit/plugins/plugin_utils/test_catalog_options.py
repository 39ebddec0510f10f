# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the services: their schemas are schemas, each has an example that it takes, wrong ones are refused in words."""

from __future__ import annotations

import typing as t

import jsonschema
import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, links, schema
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import declarations
from ansible_collections.airgap.azure_ai.tests.unit.plugins.plugin_utils.catalog_kit import CATALOG, OPTIONS, SERVICES, example, options

UUID = "0207b3e6-92a8-4363-8c0e-361114cdd719"
LUIS = {"package": f"luis/{UUID}_PRODUCTION.gz", "app_id": UUID, "allow_legacy": True}


@pytest.mark.parametrize("service", SERVICES)
def test_an_options_schema_is_one(service: str) -> None:
    found = CATALOG[service]["options"]
    jsonschema.Draft202012Validator.check_schema(found)
    assert schema.unknown_keywords(found) == []
    assert found["additionalProperties"] is False, "a slip in a name must not be passed over"
    assert set(found.get("required", ())) <= set(found["properties"])


@pytest.mark.parametrize(("service", "option"), OPTIONS)
def test_an_option_tells_what_to_write(service: str, option: str) -> None:
    found = CATALOG[service]["options"]["properties"][option]
    assert found["description"].endswith("."), "a sentence"
    assert {"examples", "default", "enum"} & set(found)
    for value in (example(found), *found.get("examples", ()), *found.get("enum", ())):
        assert schema.faults(value, found) == []
        jsonschema.validate(value, found)


@pytest.mark.parametrize("service", SERVICES)
def test_a_default_chooses_nothing_that_costs(service: str) -> None:
    """Left alone, a service is the newest version, on CPUs, and nothing retired."""
    chosen = entries.with_defaults(CATALOG[service], options(service))
    assert not chosen.get("gpu") and not chosen.get("allow_legacy") and not chosen.get("studio")
    if "version" in chosen:
        assert chosen["version"] == max(CATALOG[service]["options"]["properties"]["version"]["enum"])


GOOD: list[tuple[str, dict[str, t.Any]]] = [
    ("speech_to_text", {}),
    ("speech_to_text", {"locale": "sr-Latn-RS"}),
    ("custom_speech_to_text", {"model_id": UUID, "model_resource": "speech-s0"}),
    ("neural_text_to_speech", {"voice": "zh-CN-XiaoxiaoNeural"}),
    ("neural_text_to_speech", {"voice": "zh-CN-liaoning-XiaobeiNeural"}),
    ("text_translation", {"languages": ["en", "zh-Hans"], "glossaries": "glossaries/plant"}),
    ("summarization", {"skills": ["AbstractiveSummarization"]}),
    ("vision_read", {"model": "2021-04-12"}),
    ("document_intelligence_read", {"version": "3.1"}),
    ("luis", LUIS),
]
BAD: list[tuple[str, dict[str, t.Any], str]] = [
    ("speech_to_text", {"locale": "en-us"}, "options.locale is 'en-us', which does not match"),
    ("speech_to_text", {"language": "en-US"}, "options.language is unknown; known are locale"),
    ("custom_speech_to_text", {}, "options.model_id is missing"),
    ("custom_speech_to_text", {"model_id": "my model"}, "options.model_id is 'my model', which does not match"),
    ("neural_text_to_speech", {}, "options.voice is missing"),
    ("neural_text_to_speech", {"voice": "Ava"}, "options.voice is 'Ava'"),
    ("text_translation", {}, "options.languages is missing"),
    ("text_translation", {"languages": ["de", "fr"]}, "options.languages must contain 'en'"),
    ("text_translation", {"languages": ["en"]}, "options.languages has 1 items, fewer than 2"),
    ("text_translation", {"languages": "en,fr"}, "options.languages is 'en,fr', not of type array"),
    ("summarization", {}, "options.skills is missing"),
    ("summarization", {"skills": []}, "options.skills is [], not one of ['ExtractiveSummarization']"),
    ("summarization", {"skills": ["ExtractiveSummarization", "AbstractiveSummarization"]}, "not one of ['ExtractiveSummarization']"),
    ("summarization", {"skills": ["ExtractiveSummarization"], "gpu": "yes"}, "options.gpu is 'yes', not of type boolean"),
    ("clu", {"project_name": "lights"}, "options.exported_model_name is missing"),
    ("vision_read", {"model": "2019-01-01"}, "options.model is '2019-01-01', not one of 2022-04-30, 2021-04-12"),
    ("document_intelligence_read", {"version": "2.1"}, "options.version is '2.1', not one of 4.0, 3.1, 3.0"),
    ("document_intelligence_layout", {"version": 3.1}, "options.version is 3.1, not of type string"),
    ("document_intelligence_layout", {"version": "2.1"}, "is legacy"),
    ("document_intelligence_invoice", {"version": "4.0"}, "options.version is '4.0', not one of 3.1, 3.0, 2.1"),
    ("document_intelligence_business_card", {"version": "3.1"}, "options.version is '3.1'"),
    ("document_intelligence_general_document", {"version": "3.1"}, "options.version is '3.1'"),
    ("document_intelligence_receipt", {"upstream": "ocr"}, "options.upstream is 'ocr', not one of read, layout"),
    ("luis", {**LUIS, "allow_legacy": False}, "is legacy"),
    ("luis", {key: LUIS[key] for key in ("app_id", "allow_legacy")}, "options.package is missing"),
    ("luis", {**LUIS, "app_id": "lights"}, "options.app_id is 'lights', which does not match"),
]


def declared(service: str, chosen: dict[str, t.Any], tag: str | None = None) -> list[dict[str, t.Any]]:
    """What a builder makes of it: no names and ports, nothing that it needs of others."""
    fitting = entries.resolved(CATALOG[service], chosen)["example_tag"]
    raw = {"service": service, "tag": tag or fitting, "resource": "any-dc0", "options": chosen}
    return declarations({"azure_ai_containers": [raw]}, CATALOG, unique=False)


@pytest.mark.parametrize(("service", "chosen"), GOOD)
def test_good_options_are_taken(service: str, chosen: dict[str, t.Any]) -> None:
    (found,) = declared(service, chosen)
    assert chosen.items() <= found["options"].items()


@pytest.mark.parametrize(("service", "chosen", "told"), BAD)
def test_bad_options_are_refused_in_words(service: str, chosen: dict[str, t.Any], told: str) -> None:
    with pytest.raises(Problems) as caught:
        declared(service, chosen)
    (problem,) = caught.value.problems
    assert told in problem


@pytest.mark.parametrize(
    ("service", "chosen", "tag", "told"),
    [
        ("summarization", {"skills": ["ExtractiveSummarization"]}, "gpu", "needs the option gpu"),
        ("summarization", {"skills": ["ExtractiveSummarization"], "gpu": True}, "cpu", "has gpu in its name"),
        ("pii", {}, "gpu", "needs the option gpu"),
        ("pii", {"gpu": True}, "cpu", "has gpu in its name"),
        ("vision_read", {}, "3.2-model-2021-04-12", "2021-04-12"),
        ("vision_read", {}, "3.2.2.014850001-49e0eac6-amd64-preview", "2021-04-12"),
        ("vision_read", {"model": "2021-04-12"}, "3.2-model-2022-04-30", "before 3.2-model-2021-09-30-preview"),
        ("neural_text_to_speech", {"voice": "en-US-AriaNeural"}, "2.19.0-amd64-en-us-arianeural", "not supported any more"),
    ],
)
def test_a_tag_that_does_not_fit_the_options(service: str, chosen: dict[str, t.Any], tag: str, told: str) -> None:
    with pytest.raises(Problems, match=told):
        declared(service, chosen, tag)


@pytest.mark.parametrize("tag", ["3.2", "3.2-model-2022-04-30", "3.2-model-2021-09-30-preview"])
def test_tags_of_vision_read_without_a_time_server(tag: str) -> None:
    assert declared("vision_read", {}, tag)[0]["tag"] == tag


def test_options_that_name_a_container_exist() -> None:
    """For every container that another may need, there is an option to say which, as soon as several run."""
    for service in SERVICES:
        for chosen in entries.combinations(CATALOG[service]):
            form = entries.resolved(CATALOG[service], chosen)
            assert len(links.options_of(form)) == len(form["needs"]), service
