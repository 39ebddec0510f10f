# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input and broken freight: one clear line that names the thing and the way out, and nothing half done left behind."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.lab import road
from tests.lab.shell import inside

DAMAGED = "/home/ops/damaged"
FRESH = "/home/ops/fresh"
GOOD = {"service": "sentiment", "tag": "3.0-en", "resource": "language-dc0"}
WRONG = [
    ({**GOOD, "name": "one", "port": 6001, "service": "nonsense"}, "nonsense"),
    ({**GOOD, "name": "Not_A_Label", "port": 6002}, "Not_A_Label"),
    ({**GOOD, "name": "two", "port": 6003, "tag": "latest"}, "latest"),
    ({"service": "sentiment", "tag": "3.0-en", "name": "three", "port": 6004}, "resource"),
    ({**GOOD, "name": "four", "port": 6005}, "port 6005"),
    ({**GOOD, "name": "five", "port": 6005}, "port 6005"),
    ({**GOOD, "name": "six", "port": 6006}, "six"),
]


def refused(container: str, name: str, *argv: str, **options: t.Any) -> str:
    """The error that a playbook ends with; it must be in words."""
    with pytest.raises(road.Refused) as caught:
        road.playbook(container, name, *argv, log=f"refused-{name}", **options)
    assert "Traceback" not in caught.value.output
    return caught.value.output


def variables(**values: t.Any) -> tuple[str, str]:
    """Extra variables as arguments."""
    return "-e", json.dumps(values)


def test_every_mistake_of_an_inventory_is_told_at_once(walked: dict[str, str]) -> None:
    declared = {"azure_ai_containers__wrong": [item for item, _word in WRONG], "azure_ai_containers__twice": [{**GOOD, "name": "six", "port": 6007}]}
    output = refused(road.CONTROL, "rollout", *variables(**declared))
    for item, word in WRONG:
        assert word in output, item
    assert "azure_ai_containers__wrong" in output and "azure_ai_containers__twice" in output


def test_a_container_that_no_bundle_brought_is_named(walked: dict[str, str]) -> None:
    output = refused(road.CONTROL, "rollout", *variables(azure_ai_containers__more=[{**GOOD, "name": "more", "port": 6001, "resource": "speech-dc0"}]))
    assert "container more" in output and "bundle" in output


@pytest.mark.parametrize("name", ["receive", "rollout"])
def test_a_site_refuses_to_run_where_a_key_is_defined(walked: dict[str, str], name: str) -> None:
    output = refused(road.CONTROL, name, *variables(azure_ai_resources={"speech-dc0": {"api_key": "anything"}}))
    assert "azure_ai_resources.speech-dc0.api_key" in output and "anything" not in output


@pytest.fixture
def bundle(walked: dict[str, str]) -> t.Iterator[str]:
    """A copy of the received bundle to damage, and an empty control folder to receive it into."""
    source = road.newest_bundle(road.CONTROL, "inbox")
    inside(road.CONTROL, "sh", "-c", f"rm -rf {DAMAGED} {FRESH} && cp -r {source} {DAMAGED} && install -d -o ops -g ops {FRESH} && chown -R ops {DAMAGED}")
    yield DAMAGED
    inside(road.CONTROL, "rm", "-rf", DAMAGED, FRESH)


def receive_damaged() -> str:
    """Receive the damaged bundle into the empty folder."""
    keys = {"receive_signing_key": f"{road.HOME}/keys/signing", "receive_allowed_signers": f"{road.HOME}/keys/allowed_signers"}
    return refused(road.CONTROL, "receive", *variables(receive_source=DAMAGED, receive_home=FRESH, **keys))


def test_a_truncated_blob_is_named_and_nothing_is_imported(bundle: str) -> None:
    manifest = json.loads(road.read(road.CONTROL, f"{bundle}/bundle.json"))
    layer = manifest["images"][0]["layers"][-1]["digest"].partition(":")[2]
    inside(road.CONTROL, "truncate", "-s", "100", f"{bundle}/blobs/sha256/{layer}")
    output = receive_damaged()
    assert layer[:12] in output and manifest["images"][0]["service"] in output
    assert inside(
        road.CONTROL, "sh", "-c", f"ls {FRESH}/store/blobs/sha256/{layer} 2>/dev/null; cat {FRESH}/store/holdings.json 2>/dev/null | grep -c {layer}; true"
    ) in ("", "0")


def test_an_altered_manifest_is_refused_before_it_is_read(bundle: str) -> None:
    inside(road.CONTROL, "sed", "-i", "0,/plant-7/s//plant-8/", f"{bundle}/bundle.json")
    output = receive_damaged()
    assert "does not verify" in output and "bundle" in output
    assert inside(road.CONTROL, "find", FRESH, "-name", "holdings.json") == ""


def elsewhere(**values: t.Any) -> tuple[str, ...]:
    """Arguments for a bundle run with an empty store and the keys of the real one, for the speech container alone."""
    keys = {"bundle_signing_key": f"{road.HOME}/keys/signing", "bundle_allowed_signers": f"{road.HOME}/keys/allowed_signers"}
    vault = {"bundle_vault_password_file": f"{road.HOME}/keys/vault-{road.SITE}", "bundle_vaults": {}}
    return variables(bundle_home=FRESH, azure_ai_containers__text=[], **keys, **vault, **values)


@pytest.fixture
def builder(walked: dict[str, str]) -> t.Iterator[None]:
    """An empty folder on the builder."""
    inside(road.BUILDER, "install", "-d", "-o", "ops", "-g", "ops", FRESH)
    yield
    inside(road.BUILDER, "rm", "-rf", FRESH)


def test_a_wrong_key_names_the_resource(builder: None) -> None:
    output = refused(road.BUILDER, "bundle", *elsewhere(), environment={"AZURE_AI_SPEECH_KEY": "wrong-key-of-nobody"})
    assert "speech-dc0" in output and "key" in output and "wrong-key-of-nobody" not in output
    assert inside(road.BUILDER, "sh", "-c", f"find {FRESH} -name bundle.json") == ""


def test_a_refused_eula_is_told(builder: None) -> None:
    step = {"name": "license", "produces": ["license"], "time_limit": 60}
    settings = {"Eula": "no", "Billing": "{endpoint}", "ApiKey": "{api_key}", "DownloadLicense": "True", "Mounts:License": "/license"}
    output = refused(road.BUILDER, "bundle", *elsewhere(azure_ai_catalog={"speech_to_text": {"online": [{**step, "settings": settings}]}}))
    assert "speech_to_text" in output and "Eula" in output


def test_an_unreachable_registry_is_named(builder: None) -> None:
    output = refused(road.BUILDER, "bundle", *elsewhere(azure_ai_registry="registry.lab:5999"))
    assert "registry.lab:5999" in output
    assert inside(road.BUILDER, "sh", "-c", f"ls {FRESH}/store/blobs/sha256 2>/dev/null; true") == ""
