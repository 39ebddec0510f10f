# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine-neutral spec."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import SPEC_LABEL, smoke, spec, spec_hash, writable
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


def test_a_service_may_write_beside_its_license() -> None:
    image = Image(b"x")
    entry = {**CATALOG["sentiment"], "hardening": {"read_only_license": False}}
    found = spec(entry, declaration(image=image), Release.load(release(image)), "/srv/ai")
    place = f"sent-en/releases/{found['labels']['airgap.azure_ai.release']}/license"
    assert found["mounts"][0] == {"source": f"/srv/ai/containers/{place}", "target": "/license", "read_only": False}
    assert writable(found, "/srv/ai") == [place, "sent-en/output"]
    assert found["labels"][SPEC_LABEL] != made()["labels"][SPEC_LABEL], "a rollout starts it anew"


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


ENTRY: dict[str, t.Any] = {
    **CATALOG["sentiment"],
    "container_port": 5001,
    "gpu": True,
    "user": "1000:1000",
    "mounts": {"license": "/license", "output": "/logs", "models": "/models", "shared": "/share"},
    "state": ["/db", "/a/b"],
    "files": [{"option": "other", "mount": "/other"}, {"option": "glossary", "mount": "/glossary"}],
    "config": [{"target": "/etc/one", "text": "{name} {members.layout}"}, {"target": "/etc/two", "text": "two"}],
    "offline": {"settings": {"Eula": "accept", "Path": "{options.glossary}", "Unasked": "{options.nothing}"}, "captured": []},
}
FILES = "sha256:" + "d" * 64


def rich(entry: dict[str, t.Any] | None = None, **more: t.Any) -> dict[str, t.Any]:
    image = Image(b"x")
    more = {
        "options": {"glossary": "words"},
        "members": {"layout": "dt-layout"},
        "group": "dt",
        "network": "azure-ai",
        "links": {"Host": "http://l:5000"},
        **more,
    }
    found = Release.load(release(image, MODELS, files=FILES))
    return spec({**ENTRY, **(entry or {})}, declaration(name="dt-custom", image=image, **more), found, "/srv/ai")


def test_everything_that_a_service_may_have() -> None:
    found = rich()
    base = "/srv/ai/containers/dt-custom"
    assert [(mount["source"], mount["target"], mount["read_only"]) for mount in found["mounts"][1:]] == [
        (f"{base}/output", "/logs", False),
        ("/srv/ai/models/" + "c" * 64, "/models", True),
        ("/srv/ai/models/" + "d" * 64, "/glossary", True),
        ("/srv/ai/containers/dt/shared", "/share", False),
        (f"{base}/state/db", "/db", False),
        (f"{base}/state/a_b", "/a/b", False),
        (f"{base}/config/0", "/etc/one", True),
        (f"{base}/config/1", "/etc/two", True),
    ]
    assert found["config"][0] == {"source": f"{base}/config/0", "target": "/etc/one", "text": "dt-custom dt-layout"}
    assert (found["network"], found["gpus"], found["user"], found["ports"][0]["container_port"]) == ("azure-ai", "all", "1000:1000", 5001)
    assert found["env"] == {"Eula": "accept", "Path": "words", "Host": "http://l:5000"}
    assert writable(found, "/srv/ai") == ["dt-custom/output", "dt/shared", "dt-custom/state/db", "dt-custom/state/a_b"]


def test_a_container_of_its_own_shares_with_nobody() -> None:
    assert "dt-custom/shared" in writable(rich(group=None), "/srv/ai")


def test_a_setting_by_hand_wins_over_a_link() -> None:
    assert rich(settings={"HOST": "http://mine"})["env"]["Host"] == "http://mine"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"options": {}}, "its release has files, its options name none"),
        ({"members": {}}, "names member 'layout', which its group does not have"),
        ({"entry": {"mounts": {"output": "/o", "models": "/m"}}}, "its release has a license, its service no place for them"),
    ],
)
def test_what_has_no_place_is_an_error(change: dict[str, t.Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        rich(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"network": None},
        {"links": {}},
        {"group": None},
        {"entry": {"gpu": False}},
        {"entry": {"user": None}},
        {"entry": {"config": ENTRY["config"][:1]}},
        {"entry": {"config": [{"target": "/etc/one", "text": "other"}, ENTRY["config"][1]]}},
        {"entry": {"state": []}},
    ],
)
def test_the_label_follows_the_younger_keys_too(change: dict[str, t.Any]) -> None:
    assert rich(**change)["labels"][SPEC_LABEL] != rich()["labels"][SPEC_LABEL]


def test_keys_that_a_container_does_not_use_leave_it_running() -> None:
    found = made()
    younger = ("network", "gpus", "user", "config")
    assert [found[key] for key in younger] == [None, None, None, []]
    assert spec_hash({key: value for key, value in found.items() if key not in younger}) == spec_hash(found)


def test_a_release_without_license_has_no_mount_for_it() -> None:
    image = Image(b"x")
    entry = {**CATALOG["sentiment"], "mounts": {}, "online": [], "offline": {"settings": {}}}
    assert spec(entry, declaration(image=image), Release.load(release(image, license=None)))["mounts"] == []


def test_smoke_fills_what_it_sends() -> None:
    request = {"method": "POST", "path": "/x/{options.a}", "headers": {"H": "{options.b[0]}"}, "json": [{"k": ["{options.a}", 1]}], "status": 200}
    found = smoke({"smoke": {**request, "expect": "{options.a}"}}, declaration(options={"a": "A", "b": ["B", "C"]}))
    assert found == {**request, "path": "/x/A", "headers": {"H": "B"}, "json": [{"k": ["A", 1]}], "expect": "{options.a}"}
    assert smoke({}, declaration()) is None
