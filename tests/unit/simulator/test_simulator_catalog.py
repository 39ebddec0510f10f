# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every entry of the collection's catalog against the simulator: its online steps, its offline run, its smoke request, its usage."""

from __future__ import annotations

import gzip
import json
import re
import typing as t
import uuid
from pathlib import Path

import images
import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries

RESOURCES = {
    "SpeechServices": "speech",
    "TextTranslation": "translator",
    "TextAnalytics": "language",
    "ComputerVision": "vision",
    "FormRecognizer": "forms",
    "LUIS": "luis",
}
APP = "8c985349-ffef-4a45-9d9f-dcfe5e1af7ee"
# Options that a declaration must give.
OPTIONS: dict[str, dict[str, t.Any]] = {
    "custom_speech_to_text": {"model_id": str(uuid.UUID(int=7))},
    "neural_text_to_speech": {"voice": "en-US-AvaNeural"},
    "text_translation": {"languages": ["en", "fr"]},
    "clu": {"project_name": "lights", "exported_model_name": "lights-2"},
    "luis": {"package": "luis", "app_id": APP},
    "summarization": {"skills": ["ExtractiveSummarization"]},
}
ENTRIES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(images.CATALOG.glob("*.yml"))}


def cases() -> list[tuple[str, dict[str, t.Any]]]:
    """(service, options): each service, and each of its variants that has an image or a request of its own."""
    found = []
    for service, entry in ENTRIES.items():
        if "repository" in entry and entry.get("metered", True):
            whens = [{}, *(variant.get("when", {}) for variant in entry.get("variants", ()) if {"repository", "example_tag", "smoke"} & set(variant))]
            found += [(service, {**OPTIONS.get(service, {}), **when}) for when in whens]
    return [case for index, case in enumerate(found) if case not in found[:index]]


def fill(value: t.Any, options: t.Mapping[str, t.Any]) -> t.Any:
    """Placeholders of options in a text, or in all texts of a structure."""
    if isinstance(value, dict):
        return {name: fill(each, options) for name, each in value.items()}
    if isinstance(value, list):
        return [fill(each, options) for each in value]
    if not isinstance(value, str):
        return value

    def one(match: re.Match[str]) -> str:
        found = options[match[1]]
        return entries.flat(found[int(match[2])] if match[2] else found)

    return re.sub(r"\{options\.(\w+)(?:\[(-?\d+)\])?\}", one, value)


class Place:
    """One container of a case: what its settings and mounts are outside of a container."""

    def __init__(self, box: t.Any, service: str, options: t.Mapping[str, t.Any]) -> None:
        self.box, self.service = box, service
        self.entry = entries.resolved(ENTRIES[service], options)
        self.options = entries.with_defaults(ENTRIES[service], options)
        self.image = images.wanted({"service": service, "options": options})
        folders = {"license": box.license, "output": box.output, "shared": box.share}
        self.paths = {mount: str(folders[name]) for name, mount in self.entry["mounts"].items() if name in folders}

    def settings(self, given: t.Mapping[str, t.Any], resource: str = "") -> dict[str, str]:
        """Settings with what is mounted, asked and declared filled in; those that name an undeclared option are left out."""
        wanted = {name: entries.flat(value) for name, value in given.items()}
        kept = {name: value for name, value in wanted.items() if all(option in self.options for option in re.findall(r"\{options\.(\w+)", value))}
        account = {"{endpoint}": f"{self.box.azure}/{resource}", "{api_key}": f"key-{resource}"}
        return {name: self.paths.get(value) or account.get(value) or str(fill(value, self.options)) for name, value in kept.items()}

    def fetch(self) -> dict[str, str]:
        """All online steps; what they announce."""
        captured: dict[str, str] = {}
        for step in self.entry["online"]:
            own = RESOURCES[self.entry["resource_kind"]]
            settings = self.settings(step["settings"], "speech-s0" if step.get("account") == "model" and own == "speech" else own)
            if step.get("until") == "ready":
                running = self.box.start(settings, self.service, self.image.tag, self.image.repository)
                running.until("/ready")
                running.stop()
                continue
            status, output = self.box.run(settings, self.service, self.image.tag, self.image.repository, tuple(step.get("arguments", ())))
            assert status == 0, (step["name"], output)
            captured |= {name: re.findall(pattern, output)[-1] for name, pattern in step.get("capture", {}).items()}
        return captured

    def start(self) -> t.Any:
        """The offline run, with the containers that it needs."""
        links = {}
        for need in self.entry.get("needs", ()):
            if need["required"]:
                other = Place(self.box.other(need["service"]), need["service"], need.get("options", {}))
                links[need["setting"]] = f"http://127.0.0.1:{other.start().port}"
        settings = self.settings(self.entry["offline"]["settings"]) | self.fetch() | links
        settings |= {"Mounts:Input": str(self.box.share)} if self.service == "luis" else {}
        running = self.box.start(settings, self.service, self.image.tag, self.image.repository, SIM_GPU="pretend")
        running.until(self.entry["health"]["ready"])
        assert json.loads(running.until(self.entry["health"]["status"]))["apiStatus"] == "NonMetered"
        return running


def smoke(place: Place, running: t.Any) -> None:
    """The entry's smoke request must be answered as the entry says."""
    asked = place.entry["smoke"]
    headers = {name.replace("-", "_"): value for name, value in fill(asked.get("headers", {}), place.options).items()}
    kind = headers.pop("Content_Type", "")
    body = fill(asked["json"], place.options) if "json" in asked else None
    if "text" in asked:
        body = fill(asked["text"], place.options).encode()
    if "file" in asked:
        body = (Path(images.CATALOG) / asked["file"]).read_bytes()
    path = fill(asked["path"], place.options)
    if "result" in asked:
        assert asked["result"]["expect"] in json.dumps(running.later(path, body, kind))
        return
    status, text = running.request(path, body, kind, **headers)
    assert (status, asked.get("expect", "") in text) == (asked["status"], True), (status, text[:300])


@pytest.mark.parametrize(("service", "options"), cases(), ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())) or "plain")
def test_the_road_of_an_entry(box: t.Any, service: str, options: dict[str, t.Any]) -> None:
    (box.share / f"{APP}_PRODUCTION.gz").write_bytes(gzip.compress(b"app"))
    place = Place(box, service, options)
    running = place.start()
    smoke(place, running)
    # A list of models costs nothing.
    assert bool(running.used()) is (service != "document_intelligence_custom_template_api")


def test_the_group_behind_its_proxy(box: t.Any) -> None:
    custom = Place(box.other("custom"), "document_intelligence_custom_template_api", {"version": "3.1"}).start()
    layout = Place(box.other("layout"), "document_intelligence_layout", {"version": "3.1"}).start()
    place = Place(box, "reverse_proxy", {})
    text = place.entry["config"][0]["text"]
    for name, running in (("custom", custom), ("layout", layout)):
        text = text.replace(f"{{members.{name}}}:5000", f"127.0.0.1:{running.port}")
    conf = box.share / "nginx.conf"
    conf.write_text(text)
    running = type(custom)(*box._begin("reverse_proxy", "1", {}, {"SIM_CONF": str(conf)}))
    box.running.append(running)
    running.until(place.entry["health"]["ready"])
    smoke(place, running)
    assert layout.used() and not custom.used()
    smoke(Place(box.other("again"), "document_intelligence_custom_template_api", {"version": "3.1"}), running)
    assert running.send("/formrecognizer/documentModels", bytes(91 * 1024 * 1024), "application/pdf")[0] == 413
