# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalog: every shipped entry is sound in every form, overrides are merged and judged."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import jsonschema
import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, groups, sizes
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.online import Account, captured, steps
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.settings import folded
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import smoke
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog
from ansible_collections.airgap.azure_ai.tests.unit.plugins.plugin_utils.catalog_kit import CATALOG, IMAGES, LICENSED, SERVICES, form, forms, options

ACCOUNT = Account("https://x.cognitiveservices.azure.com/", "the key")
MODEL_ACCOUNT = Account("https://y.cognitiveservices.azure.com", "its other key")
REAL = (
    "docker run -e MODELS=/usr/local/models/old -e MODELS=/usr/local/models/a,/usr/local/models/b -e TRANSLATORSYSTEMCONFIG=/usr/local/models/Config/1f image"
)
PAGE = "-e MODELS= usr/local/models/a/, usr/local/models/b/ \\\n -e TRANSLATORSYSTEMCONFIG=/usr/local/models/Config/1f \\\n"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(_catalog.entry_schema())


@pytest.mark.parametrize("service", SERVICES)
def test_an_entry_keeps_to_the_schema(service: str) -> None:
    """Judged by another checker than the collection's own."""
    assert re.fullmatch(r"[a-z0-9_]+", service), "it becomes part of an image's name"
    raw = _catalog._shipped()[service]
    jsonschema.validate(raw, _catalog.entry_schema())
    for _chosen, entry in forms(service):
        jsonschema.validate(entry, _catalog.entry_schema())


def test_every_service_of_the_document_is_there() -> None:
    documents = ["read", "layout", "receipt", "invoice", "id_document", "business_card", "general_document", "custom_template"]
    speech = {"speech_to_text", "custom_speech_to_text", "neural_text_to_speech", "text_translation"}
    language = {"sentiment", "key_phrase_extraction", "language_detection", "named_entity_recognition", "summarization", "pii", "clu", "luis"}
    assert speech | language | {"vision_read"} | {f"document_intelligence_{name}" for name in documents} <= set(SERVICES)


@pytest.mark.parametrize("service", IMAGES)
def test_a_form_is_sound(service: str) -> None:
    for _chosen, entry in forms(service):
        for what in ("cpus", "memory"):
            least, best = (sizes.memory(entry["size"][kind][what]) if what == "memory" else entry["size"][kind][what] for kind in ("minimum", "recommended"))
            assert least <= best
        assert not re.search("apikey|billing|downloadlicense", str(entry["offline"]), re.I), "nothing of the connected zone runs at a site"
        assert re.search(entry.get("tag_pattern", ""), entry["example_tag"])
        assert entry["example_tag"] != "latest"
        assert ("tag_pattern" in entry) == ("tag_help" in entry)
        if "file" in entry["smoke"]:
            assert (Path(_catalog.FOLDER) / entry["smoke"]["file"]).is_file()
        assert len({"expect", "result", "type"} & set(entry["smoke"])) == 1, "an answer is looked at, not only that there is one"
        assert ("result" in entry["smoke"]) == (entry["smoke"]["status"] == 202)


@pytest.mark.parametrize("service", LICENSED)
def test_a_licensed_form_mounts_what_its_settings_name(service: str) -> None:
    for _chosen, entry in forms(service):
        settings = {folded(name): value for name, value in entry["offline"]["settings"].items()}
        assert settings["eula"] == "accept"
        assert {"mounts:license", "mounts:output"} <= set(settings)
        assert all(value == entry["mounts"][name[7:]] for name, value in settings.items() if name.startswith("mounts:"))


def test_what_has_no_license_is_not_metered() -> None:
    assert {service for service in IMAGES if not CATALOG[service]["metered"]} == set(IMAGES) - set(LICENSED)


@pytest.mark.parametrize("service", LICENSED)
def test_online_steps_fill_their_placeholders(service: str) -> None:
    for chosen, entry in forms(service):
        found = steps(entry, chosen, ACCOUNT, MODEL_ACCOUNT)
        assert not any("{" in value for step in found for value in (*step.settings.values(), *step.arguments))
        for step, raw in zip(found, entry["online"]):
            account = MODEL_ACCOUNT if raw.get("account") == "model" else ACCOUNT
            assert (step.settings["Billing"], step.settings["ApiKey"]) == (account.endpoint.rstrip("/"), account.api_key)
            assert ("license" in step.produces) == (step.settings.get("DownloadLicense", "").lower() == "true")
            assert [name for name, value in step.settings.items() if account.api_key in value] == ["ApiKey"]
        licenses = [step for step in found if "license" in step.produces]
        assert [step.settings["Mounts:License"] for step in licenses] == [entry["mounts"]["license"]], "one step, into the mount"
        assert found[-1] == licenses[0], "a license is tied to models that are there already"


def test_models_come_from_their_own_account_where_the_pages_say_so() -> None:
    asked = {service for service in LICENSED if any(step.get("account") == "model" for step in CATALOG[service]["online"])}
    assert asked == {"custom_speech_to_text", "clu"}
    assert asked == {service for service in LICENSED if "model_resource" in CATALOG[service]["options"]["properties"]}


@pytest.mark.parametrize("service", IMAGES)
def test_smoke_requests_fill_their_placeholders(service: str) -> None:
    for chosen, entry in forms(service):
        found = smoke(entry, {"name": "any", "options": chosen})
        assert found is not None and "{options" not in str(found)
        assert sum(key in found for key in ("json", "text", "file")) == (found["method"] == "POST"), "one body, and only where one goes"


def test_smoke_requests_speak_of_what_was_declared() -> None:
    def asked(service: str, **more: t.Any) -> str:
        chosen = options(service, **more)
        return str(smoke(entries.resolved(CATALOG[service], chosen), {"name": "any", "options": entries.with_defaults(CATALOG[service], chosen)}))

    assert "language=mr-IN" in asked("speech_to_text", locale="mr-IN") and "language=en-US" in asked("speech_to_text")
    assert 'name="de-DE-KatjaNeural"' in asked("neural_text_to_speech", voice="de-DE-KatjaNeural")
    assert "from=en&to=de" in asked("text_translation", languages=["en", "fr", "de"])
    assert "'deploymentName': 'm2'" in asked("clu", exported_model_name="m2")
    assert "'deploymentName': 'production'" in asked("clu", deployment_name="production")
    assert "slots/staging/predict" in asked("luis", slot="staging")
    for skill, kind in (("Extractive", "Extractive"), ("Abstractive", "Abstractive"), ("Conversation", "Conversational")):
        assert f"'kind': '{kind}Summarization" in asked("summarization", skills=[f"{skill}Summarization"])


@pytest.mark.parametrize(
    ("service", "own", "versions"),
    [
        ("read", "read", {"3.0": "read-3.0", "3.1": "read-3.1", "4.0": "read-4.0"}),
        ("layout", "layout", {"2.1": "layout", "3.0": "layout-3.0", "3.1": "layout-3.1", "4.0": "layout-4.0"}),
        ("receipt", "receipt", {"2.1": "receipt", "3.0": "receipt-3.0", "3.1": "receipt-3.1"}),
        ("invoice", "invoice", {"2.1": "invoice", "3.0": "invoice-3.0", "3.1": "invoice-3.1"}),
        ("id_document", "idDocument", {"2.1": "id-document", "3.0": "id-document-3.0", "3.1": "id-document-3.1"}),
        ("business_card", "businessCard", {"2.1": "businesscard", "3.0": "businesscard-3.0"}),
        ("general_document", "document", {"3.0": "document-3.0"}),
    ],
)
def test_a_version_is_an_image_and_an_api(service: str, own: str, versions: dict[str, str]) -> None:
    name = f"document_intelligence_{service}"
    assert set(CATALOG[name]["options"]["properties"]["version"]["enum"]) == set(versions)
    assert CATALOG[name]["options"]["properties"]["version"]["default"] == max(versions)
    assert form(name)["repository"].endswith("/" + versions[max(versions)])
    for version, image in versions.items():
        entry = form(name, version=version)
        assert entry["repository"] == f"azure-cognitive-services/form-recognizer/{image}"
        family, date = {"3.0": ("formrecognizer", "2022-08-31"), "3.1": ("formrecognizer", "2023-07-31"), "4.0": ("documentintelligence", "2024-11-30")}.get(
            version, ("", "")
        )
        old = f"/formrecognizer/v2.1/{'' if own == 'layout' else 'prebuilt/'}{own}/analyze"
        assert entry["smoke"]["path"] == (old if version == "2.1" else f"/{family}/documentModels/prebuilt-{own}:analyze?api-version={date}")
        assert entry["legacy"] == (version == "2.1")


@pytest.mark.parametrize(
    ("service", "more", "needed", "version", "setting"),
    [
        ("receipt", {}, "document_intelligence_read", "3.1", "Read"),
        ("receipt", {"version": "3.0"}, "document_intelligence_read", "3.0", "Read"),
        ("receipt", {"upstream": "layout"}, "document_intelligence_layout", "3.1", "Read"),
        ("receipt", {"version": "2.1"}, "vision_read", None, "Read"),
        ("id_document", {}, "document_intelligence_read", "3.1", "Read"),
        ("id_document", {"version": "3.0", "upstream": "layout"}, "document_intelligence_layout", "3.1", "Read"),
        ("id_document", {"version": "2.1"}, "vision_read", None, "Read"),
        ("invoice", {}, "document_intelligence_layout", "3.1", "Layout"),
        ("invoice", {"version": "3.0"}, "document_intelligence_layout", "3.1", "Layout"),
        ("invoice", {"version": "2.1"}, "document_intelligence_layout", "2.1", "Layout"),
        ("business_card", {}, "document_intelligence_layout", "3.0", "Layout"),
        ("business_card", {"upstream": "read"}, "document_intelligence_read", "3.0", "Read"),
        ("business_card", {"version": "2.1"}, "vision_read", None, "Read"),
        ("general_document", {}, "document_intelligence_layout", "3.0", "Layout"),
        ("custom_template_api", {}, "document_intelligence_layout", "3.1", "Layout"),
        ("custom_template_api", {"version": "3.0"}, "document_intelligence_layout", "3.0", "Layout"),
    ],
)
def test_a_document_container_needs_another(service: str, more: dict[str, t.Any], needed: str, version: str | None, setting: str) -> None:
    (need,) = form(f"document_intelligence_{service}", **more)["needs"]
    assert (need["service"], need.get("options", {}).get("version")) == (needed, version)
    assert need["setting"] == f"AzureCognitiveService{setting}Host" and need["required"] is True
    assert version is None or version in CATALOG[needed]["options"]["properties"]["version"]["enum"]


def test_the_custom_template_group() -> None:
    raw = {"name": "forms", "service": "document_intelligence_custom_template", "options": {"version": "3.0", "studio": True}, "port": 5010}
    found = [declared for declared, _told in groups.expand(raw, CATALOG[raw["service"]])]
    assert [(item["name"], item["port"]) for item in found] == [("forms", 5010), ("forms-custom", 5011), ("forms-layout", 5012), ("forms-studio", 5013)]
    assert {item["options"].get("version") for item in found[:3]} == {"3.0"}
    assert [item["name"] for item, _told in groups.expand({**raw, "options": {}}, CATALOG[raw["service"]])] == ["forms", "forms-custom", "forms-layout"]


def test_the_reverse_proxy_asks_for_names_at_each_request() -> None:
    """A container that is made anew has another address; nginx keeps the ones that it found at its start."""
    (config,) = CATALOG["reverse_proxy"]["config"]
    text = groups.filled(config["text"], "forms", {"custom": "forms-custom", "layout": "forms-layout"})
    assert "{members" not in text and "resolver 127.0.0.11" in text and "listen 5000;" in text
    assert set(re.findall(r"proxy_pass (\S+);", text)) == {"$custom", "$layout"}, "a literal name would be looked up once"
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize("log", [REAL, PAGE])
def test_the_translators_log_is_read_in_both_forms(log: str) -> None:
    (step,) = steps(CATALOG["text_translation"], {"languages": ["en", "fr"]}, ACCOUNT)
    assert captured(log, step.capture) == {"MODELS": "/usr/local/models/a,/usr/local/models/b", "TRANSLATORSYSTEMCONFIG": "/usr/local/models/Config/1f"}


def test_overrides_change_single_keys_and_add_services() -> None:
    added = {**CATALOG["sentiment"], "title": "Another", "repository": "azure-cognitive-services/textanalytics/another"}
    found = _catalog.load({"sentiment": {"size": {"recommended": {"memory": "4g"}}}, "another": added})
    assert found["sentiment"]["size"] == {"minimum": {"cpus": 1, "memory": "2g"}, "recommended": {"cpus": 4, "memory": "4g"}}
    assert found["another"]["title"] == "Another"
    assert found["sentiment"]["registry"] == _catalog.DEFAULT_REGISTRY
    assert _catalog.load({"sentiment": {"registry": "registry.example.com"}})["sentiment"]["registry"] == "registry.example.com"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([], "not a mapping of services"),
        ({"x": 1}, "azure_ai_catalog.x: not a mapping"),
        ({"x": {}}, "x: title is missing"),
        ({"x": {"title": "X", "sources": ["me"], "options": {"type": "object", "properties": {}}}}, "x: repository is missing"),
        ({"sentiment": {"repository": "host.example:5000/x"}}, "sentiment: repository is"),
        ({"sentiment": {"online": [{"name": "x", "settings": {}, "produces": ["models"]}]}}, "no online step produces a license"),
        ({"sentiment": {"hardning": {}}}, "sentiment: hardning is unknown"),
        ({"sentiment": {"options": {"oneOf": []}}}, "options use oneOf"),
        ({"sentiment": {"offline": {"captured": ["X"]}}}, "offline.captured names X"),
        ({"text_translation": {"mounts": {"models": None}}}, "mounts.models is None"),
        ({"sentiment": {"variants": [{"when": {"tea": True}}]}}, "a variant asks for option tea"),
        ({"sentiment": {"variants": [{"given": ["tea"]}]}}, "a variant asks for option tea"),
        ({"sentiment": {"needs": [{"service": "tea", "setting": "TEA"}]}}, "needs names tea"),
        ({"luis": {"files": [{"option": "tea", "mount": "/tea"}]}}, "files names option tea"),
        ({"pii": {"variants": [{"when": {"gpu": True}, "size": {"minimum": {"cpus": "many"}}}]}}, "many"),
    ],
)
def test_faults_are_named(overrides: t.Any, told: str) -> None:
    with pytest.raises(AirgapError, match=re.escape(told)):
        _catalog.load(overrides)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(Problems) as caught:
        _catalog.load({"sentiment": {"title": ""}, "speech_to_text": {"size": {"minimum": {"cpus": "x"}}}})
    assert len(caught.value.problems) == 2
