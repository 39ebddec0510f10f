# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every service of the catalog, declared over the two hosts of the site, and a container for each thing that nobody documents.

The road itself walks with three services; this is laid over it by the tests that need more.
"""

from __future__ import annotations

import typing as t

from tests.lab import cloud, overlay, road
from tests.lab.settings import Json
from tests.lab.shell import as_root, run
from tests.simulator import images

FORMS = "document_intelligence_"
MODEL = "0207b3e6-92a8-4363-8c0e-361114cdd719"
APP = "8c985349-ffef-4a45-9d9f-dcfe5e1af7ee"
PACKAGE = f"luis/{APP}_PRODUCTION.gz"


def _declared(name: str, service: str, resource: str, tag: str = "", **options: t.Any) -> Json:
    declared = {"name": name, "service": service, "resource": resource, "options": options}
    return {**declared, "tag": tag or images.wanted(declared).tag}


def _form(name: str, kind: str, version: str, **options: t.Any) -> Json:
    return _declared(name, FORMS + kind, "forms-dc0", version=version, **options)


TEXT = (
    _declared("key-phrases", "key_phrase_extraction", "language-dc0", "2025-08"),
    _declared("languages", "language_detection", "language-dc0", "2025-08"),
    _declared("entities", "named_entity_recognition", "language-dc0", "2025-08"),
    _declared("pii", "pii", "language-dc0"),
    _declared("summaries", "summarization", "language-dc0", skills=["ExtractiveSummarization"]),
    _declared("intents", "clu", "language-dc0", project_name="lights", exported_model_name="lights-2"),
    _declared("old-intents", "luis", "luis-dc0", package=PACKAGE, app_id=APP, allow_legacy=True),
    _declared("ocr", "vision_read", "vision-dc0"),
    _declared("linked-translator", "text_translation", "translator-dc0", languages=["en", "de"], glossaries="glossaries/plant"),
)
SPEECH = (
    _declared("stt-custom", "custom_speech_to_text", "speech-dc0", model_id=MODEL, model_resource="speech-s0"),
    _declared("voice", "neural_text_to_speech", "speech-dc0", voice="en-US-AvaNeural"),
    _form("read", "read", "3.1"),
    _form("read-4", "read", "4.0"),
    _form("layout", "layout", "3.1"),
    _form("layout-3", "layout", "3.0"),
    _form("layout-4", "layout", "4.0"),
    _form("receipts", "receipt", "3.1"),
    _form("invoices", "invoice", "3.1", layout="layout"),  # the group below has a Layout of its own
    _form("passports", "id_document", "3.1"),
    _form("cards", "business_card", "3.0"),
    _form("papers", "general_document", "3.0"),
    {
        **_declared("forms", FORMS + "custom_template", "forms-dc0", "2023-07-31", version="3.1", studio=True),
        "members": {
            "proxy": {"tag": images.wanted({"service": "reverse_proxy"}).tag},
            "layout": {"tag": "2023-07-31"},
            "studio": {"tag": "3.1"},
        },
    },
)
GROUPS = {"text_hosts": TEXT, "speech_hosts": SPEECH}
FIRST_PORT = {"text_hosts": 5010, "speech_hosts": 5110}
FILES = {
    PACKAGE: b"\x1f\x8b not opened by anybody before it is in its container",
    "glossaries/plant/en.de.container-glossary.phrasefix.src.snt": "\ufeffvalve\n".encode("utf-16-le"),
    "glossaries/plant/en.de.container-glossary.phrasefix.tgt.snt": "\ufeffVentil\n".encode("utf-16-le"),
    "glossaries/plant/version.json": b'{"VersionId": 1}\n',
}


def declare(groups: t.Mapping[str, t.Sequence[Json]], variable: str) -> None:
    """Lay containers over both sides' inventories, each group's in ``azure_ai_containers__<variable>_<group>``, with a port of its own."""
    for group, containers in groups.items():
        port = FIRST_PORT[group] if variable == "more" else FIRST_PORT[group] + 200
        ported = []
        for item in containers:
            ported.append({**item, "port": port})
            port += 10 if "members" in item else 1  # members take the ports behind their group's
        for container in road.SIDES.values():
            overlay.write(container, road.HOME, f"group_vars/{group}/{variable}.yml", {f"azure_ai_containers__{variable}_{group}": ported})


def publish(groups: t.Mapping[str, t.Sequence[Json]]) -> None:
    """Push the images of declared containers, and of the members of groups, to the lab's registry."""
    wanted = []
    for item in (item for containers in groups.values() for item in containers):
        if item["service"] != FORMS + "custom_template":
            wanted.append(images.wanted(item))
            continue
        options = {"version": item["options"]["version"]}
        for service, tag in (
            ("reverse_proxy", item["members"]["proxy"]["tag"]),
            (FORMS + "custom_template_api", item["tag"]),
            (FORMS + "layout", item["members"]["layout"]["tag"]),
            (FORMS + "studio", item["members"]["studio"]["tag"]),
        ):
            wanted.append(images.wanted({"service": service, "tag": tag, "options": {} if service.endswith("studio") else options}))
    cloud.push(wanted)


def lay_files() -> None:
    """Put the files that containers declare into the builder's folder for them."""
    for name, content in FILES.items():
        target = f"{road.HOME}/files/{name}"
        write = f"install -d -m 0750 $(dirname {target}) && cat > {target}"
        run(as_root(["docker", "exec", "-i", "--user", road.USER, road.BUILDER, "sh", "-c", write]), stdin=content)
