# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine-neutral spec."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import SPEC_LABEL, smoke, spec, spec_hash
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, declaration, release

CATALOG = _catalog.load()
MODELS = "sha256:" + "c" * 64


def made(service: str = "sentiment", models: str | None = None, captured: dict[str, str] | None = None, **more: t.Any) -> dict[str, t.Any]:
    image = Image(b"x", service=service)
    found = Release.load(release(image, models, settings=captured or {}))
    return spec(CATALOG[service], declaration(image=image, **more), found, "/srv/ai")


def test_a_container_in_full() -> None:
    found = made(settings={"DECODER": "8"})
    identity = found["labels"]["airgap.azure_ai.release"]
    assert found["name"] == found["hostname"] == "sent-en"
    assert found["image"].startswith("azure-ai.invalid/sentiment:")
    assert list(found["env"].items()) == [("Eula", "accept"), ("Mounts:License", "/license"), ("Mounts:Output", "/output"), ("DECODER", "8")]
    assert found["mounts"] == [
        {"source": f"/srv/ai/containers/sent-en/releases/{identity}/license", "target": "/license", "read_only": True},
        {"source": "/srv/ai/containers/sent-en/output", "target": "/output", "read_only": False},
    ]
    assert found["ports"] == [{"host_ip": "127.0.0.1", "host_port": 5001, "container_port": 5000}]
    assert (found["security_opt"], found["cap_drop"], found["restart"]) == (["no-new-privileges:true"], ["ALL"], "unless-stopped")
    assert found["log"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}


def test_models_and_captured_settings() -> None:
    found = made("text_translation", MODELS, {"MODELS": "/usr/local/models/a", "TRANSLATORSYSTEMCONFIG": "/c", "OTHER": "no"})
    assert found["mounts"][2] == {"source": "/srv/ai/models/" + "c" * 64, "target": "/usr/local/models", "read_only": True}
    assert found["env"]["MODELS"] == "/usr/local/models/a"
    assert "OTHER" not in found["env"]


def test_models_without_a_place_are_an_error() -> None:
    with pytest.raises(InputError, match="no place for them"):
        made(models=MODELS)


def test_nothing_of_the_online_run_gets_in() -> None:
    entry = {**CATALOG["sentiment"], "offline": {"settings": {"Eula": "accept", "apikey": "k", "Billing": "https://x"}}}
    image = Image(b"x")
    found = spec(entry, declaration(settings={"HTTPS_PROXY": "p"}), Release.load(release(image)))
    assert found["env"] == {"Eula": "accept"}


@pytest.mark.parametrize("change", [{"cpus": 1.5}, {"memory": 1}, {"port": 6000}, {"settings": {"A": "1"}}, {"bind": "0.0.0.0"}, {"name": "x"}])
def test_the_label_follows_everything(change: dict[str, t.Any]) -> None:
    assert made(**change)["labels"][SPEC_LABEL] != made()["labels"][SPEC_LABEL]


def test_the_label_is_that_of_the_spec_and_stays() -> None:
    found = made(cpus=1.5)
    assert found["labels"][SPEC_LABEL] == spec_hash(found) == made(cpus=1.5)["labels"][SPEC_LABEL]


def test_smoke_fills_options_in() -> None:
    entry = CATALOG["text_translation"]
    found = smoke(entry, declaration(options={"languages": ["en", "fr", "es"]}))
    assert found["path"] == "/translate?api-version=3.0&from=en&to=es"
    with pytest.raises(InputError, match="needs option languages"):
        smoke(entry, declaration())
