# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every service of the catalog goes the whole road: download, bundle, run, smoke request, usage."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.lab import everything, outcome, overlay, road, settings
from tests.lab.settings import Json
from tests.lab.shell import inside

UNMETERED = {"reverse_proxy", "document_intelligence_studio"}
WRONG: dict[str, tuple[Json, str]] = {
    "languages without en": ({"service": "text_translation", "tag": "1.0.1-amd64", "resource": "translator-dc0", "options": {"languages": ["de", "fr"]}}, "en"),
    "a custom model nobody names": ({"service": "custom_speech_to_text", "tag": "4.9.0-amd64", "resource": "speech-dc0"}, "model_id"),
    "an image for GPUs without the option": (
        {"service": "summarization", "tag": "gpu", "resource": "language-dc0", "options": {"skills": ["AbstractiveSummarization"]}},
        "option gpu",
    ),
    "two skills in one container": (
        {"service": "summarization", "tag": "cpu", "resource": "language-dc0", "options": {"skills": ["AbstractiveSummarization", "ExtractiveSummarization"]}},
        "skills",
    ),
    "a retired service": (
        {"service": "luis", "tag": "1.1", "resource": "luis-dc0", "options": {"package": everything.PACKAGE, "app_id": everything.APP}},
        "allow_legacy",
    ),
    "a version that does not exist": (
        {"service": "document_intelligence_invoice", "tag": "x", "resource": "forms-dc0", "options": {"version": "4.0"}},
        "version",
    ),
    "a group whose members have no tag": (
        {"service": "document_intelligence_custom_template", "tag": "2023-07-31", "resource": "forms-dc0"},
        "layout",
    ),
}


@pytest.fixture(scope="module")
def everywhere(walked: dict[str, str]) -> dict[str, str]:
    """Every service declared, bundled, rolled out, used and harvested; name of the step to what it printed."""
    everything.publish(everything.GROUPS)
    everything.lay_files()
    everything.declare(everything.GROUPS, "more")
    outputs = {"bundle": road.bundle(log="services-bundle")}
    road.carry()
    outputs["receive"] = road.receive(log="services-receive")
    outputs["rollout"] = road.rollout(log="services-rollout")
    outputs["verify"] = road.playbook(road.CONTROL, "verify", log="services-verify")
    # Its smoke request only asks for models, of which there is none before one is trained.
    script = (settings.FILES / "train.py").read_text()
    outputs["train"] = inside(settings.host("speech-1").container, "python3", "-c", script, str(published("forms")))
    outputs["harvest"] = road.harvest(log="services-harvest")
    outputs["report"] = road.report(log="services-report")
    return outputs


def published(name: str) -> int:
    """The port of a container on speech-1."""
    found = next(each for each in road.containers("speech-1") if each["Name"] == f"/{name}")
    return int(found["HostConfig"]["PortBindings"]["5000/tcp"][0]["HostPort"])


def running() -> dict[str, str]:
    """Name of each running container to its service."""
    found = [each for host in overlay.PUBLISHED for each in road.containers(host)]
    return {each["Name"].strip("/"): each["Config"]["Labels"]["airgap.azure_ai.service"] for each in found if each["State"]["Running"]}


def test_every_service_of_the_catalog_runs(everywhere: dict[str, str]) -> None:
    found = running()
    assert set(found.values()) == set(overlay.SERVICES)
    assert {"forms", "forms-custom", "forms-layout", "forms-studio"} <= set(found)
    assert everywhere["train"] == "succeeded succeeded"


def test_every_use_is_in_the_ledger(everywhere: dict[str, str]) -> None:
    counted = outcome.metered()
    used = {container for _host, container, _meter, _month in counted}
    assert used == {name for name, service in running().items() if service not in UNMETERED}
    assert all(quantity > 0 for quantity in counted.values())
    assert outcome.reported(outcome.report()) == counted


def test_walking_it_again_changes_nothing(everywhere: dict[str, str]) -> None:
    for step in (road.bundle, road.receive, road.rollout):
        assert set(road.changes(step(log=f"services-again-{step.__name__}")).values()) == {0}, step.__name__


def test_no_container_was_given_a_key_or_a_way_out(everywhere: dict[str, str]) -> None:
    for host in overlay.PUBLISHED:
        for each in road.containers(host):
            words = " ".join(each["Config"]["Env"]).lower()
            assert not any(word in words for word in ("apikey", "billing", "proxy=", "downloadlicense")), each["Name"]


def test_containers_that_need_others_reach_them_by_name(everywhere: dict[str, str]) -> None:
    """The smoke requests proved that it works; this is how."""
    found = {each["Name"].strip("/"): each for each in [*road.containers("speech-1"), *road.containers("text-1")]}
    links = {
        "invoices": "AzureCognitiveServiceLayoutHost=http://layout:5000",
        "papers": "AzureCognitiveServiceLayoutHost=http://layout-3:5000",
        "forms-custom": "AzureCognitiveServiceLayoutHost=http://forms-layout:5000",
        "receipts": "AzureCognitiveServiceReadHost=http://read:5000",
        "linked-translator": "ladurl=http://languages:5000",
    }
    for name, setting in links.items():
        assert setting in found[name]["Config"]["Env"], name
        assert list(found[name]["NetworkSettings"]["Networks"]) == ["azure-ai"], name
    assert list(found["voice"]["NetworkSettings"]["Networks"]) == ["bridge"]


def test_declared_files_came_with_the_bundle(everywhere: dict[str, str]) -> None:
    host = settings.host("text-1").container
    mounted = {
        mount["Destination"]: mount
        for each in road.containers("text-1")
        for mount in each["Mounts"]
        if each["Name"] in ("/old-intents", "/linked-translator") and mount["Destination"] in ("/input", "/usr/local/customhotfix")
    }
    assert set(mounted) == {"/input", "/usr/local/customhotfix"} and not any(mount["RW"] for mount in mounted.values())
    held = inside(host, "find", *(mount["Source"] for mount in mounted.values()), "-type", "f", "-printf", "%P\n").split()
    assert sorted(held) == sorted(name.rpartition("/")[2] for name in everything.FILES)


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_combination_is_refused_before_anything_is_fetched(everywhere: dict[str, str], case: str) -> None:
    declared, word = WRONG[case]
    output = refused(road.BUILDER, "bundle", [{"name": "wrong", "port": 7001, **declared}])
    assert "container wrong" in output and word in output
    assert "Fetch the images" not in output, "it was told too late"


def test_a_gpu_image_is_refused_on_a_host_without_a_gpu(everywhere: dict[str, str]) -> None:
    options = {"skills": ["AbstractiveSummarization"], "gpu": True}
    declared = {"name": "wrong", "port": 7001, "service": "summarization", "tag": "gpu", "resource": "language-dc0", "options": options}
    output = refused(road.CONTROL, "rollout", [declared], "--limit", "text-1")
    assert "text-1" in output and "container wrong" in output and "GPU" in output


def test_a_group_without_its_layouts_license_is_refused(everywhere: dict[str, str]) -> None:
    declared = {**everything.SPEECH[-1], "name": "other-forms", "port": 7001}
    declared["members"] = {**declared["members"], "layout": {"tag": "2099-01-01"}}
    output = refused(road.CONTROL, "rollout", [declared], "--limit", "speech-1")
    assert "container other-forms-layout" in output and "license" in output
    assert "other-forms" not in running()


def refused(container: str, name: str, declared: t.Sequence[Json], *argv: str) -> str:
    """What a playbook says that refuses a declaration."""
    with pytest.raises(road.Refused) as caught:
        road.playbook(container, name, *argv, "-e", json.dumps({"azure_ai_containers__wrong": declared}), log=f"services-refused-{name}")
    assert "Traceback" not in caught.value.output
    return caught.value.output
