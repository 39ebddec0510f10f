# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images out of the site's registry, which an ordinary user serves: pulled by digest on both Debians, over ssh in words where it is out of reach."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.lab import overlay, road, settings
from tests.lab.shell import docker, inside, run, wait_for

NAME = "10.78.1.10:5443"
FOLDER = f"{road.HOME}/registry"
TEXT, SPEECH = (settings.host(name).container for name in ("text-1", "speech-1"))
SITE_NETWORK = settings.PREFIX + "site"
STT = {"name": "stt-lan", "service": "speech_to_text", "tag": "4.9.0-amd64-en-us", "port": 5091, "resource": "speech-dc0"}
SENTIMENT = {**overlay.SENTIMENT, "name": "sentiment-lan", "port": 5092}
TRANSLATOR = {**overlay.TRANSLATOR, "name": "translator-lan", "port": 5093}
UNREACHED = f"registry {NAME}: this host cannot use it ("
PULL = f"to pull from {NAME}"


def registry(*argv: str, **values: t.Any) -> str:
    """Run the playbook that serves images, as the user who has no sudo."""
    return road.playbook(road.CONTROL, "registry", *argv, "-e", json.dumps({"azure_ai_registry": NAME, **values}), log="registry-serve")


def rollout(*argv: str) -> str:
    """Roll out at a site whose two hosts are many: the transport is chosen by their number."""
    return road.rollout(*argv, "-e", json.dumps({"azure_ai_registry": NAME, "stage_registry_from": 2}), log="registry-rollout")


def process() -> list[str]:
    """User and command of each program of control that listens on the registry's port."""
    numbers = {line.split("pid=")[1].split(",")[0] for line in inside(road.CONTROL, "ss", "-Hltnp", "sport = :5443").splitlines()}
    return [inside(road.CONTROL, "ps", "-o", "user=,args=", "-p", number) for number in numbers]


def images(host: str) -> set[str]:
    """Services whose images the engine of a host holds."""
    found = docker("exec", settings.host(host).container, "docker", "images", "--format", "{{.Repository}}").split()
    return {name.rpartition("/")[2] for name in found if name.startswith("azure-ai.invalid/")}


def declare(host: str, *containers: object) -> None:
    """Lay containers over the inventory of a host."""
    overlay.write(road.CONTROL, road.HOME, f"host_vars/{host}/lan.yml", {"azure_ai_containers__lan": containers})


@pytest.fixture(scope="module")
def served(walked: dict[str, str]) -> t.Iterator[dict[str, str]]:
    """The registry, filled and running as a process of the control node's ordinary user."""
    outputs = {"check": registry("--check")}
    assert process() == [], "check mode starts nothing"
    outputs["first"] = registry()
    outputs["again"] = registry()
    yield outputs
    docker("network", "disconnect", SITE_NETWORK, SPEECH, check=False)
    registry(registry_state="absent")
    inside(road.CONTROL, "sh", "-c", f"rm -rf {road.HOME}/{overlay.FOLDER}/host_vars/*/lan.yml")


def test_an_ordinary_user_serves_what_the_bundle_brought(served: dict[str, str]) -> None:
    assert inside(road.CONTROL, "sh", "-c", "command -v docker-registry skopeo || echo neither") == "neither"
    assert road.changes(served["check"])["localhost"] > 0 and road.changes(served["first"])["localhost"] > 0
    assert road.changes(served["again"])["localhost"] == 0, "a second run pushes nothing and restarts nothing"
    (line,) = process()
    assert line.split()[0] == road.USER and line.split()[1].startswith(f"{FOLDER}/docker-registry-")
    assert inside(road.CONTROL, "sh", "-c", f"stat -c %a {FOLDER} {FOLDER}/*.key").split() == ["700", "600", "600"]


def test_hosts_pull_by_digest_and_one_behind_a_jump_host_says_why_not(served: dict[str, str]) -> None:
    assert "speech_to_text" not in images("text-1") and "sentiment" not in images("speech-1")
    declare("text-1", STT)
    declare("speech-1", SENTIMENT)
    output = rollout()
    assert PULL in output and UNREACHED in output and "so images go over ssh" in output
    assert "container stt-lan: none -> " in output and "(first release), 0 B to send" in " ".join(output.split())
    assert "speech_to_text" in images("text-1") and "sentiment" in images("speech-1")
    assert inside(TEXT, "ls", f"/etc/docker/certs.d/{NAME}") == "ca.crt"
    assert run(["docker", "exec", SPEECH, "test", "-e", "/etc/docker/certs.d"], check=False).returncode == 1
    names = docker("exec", TEXT, "docker", "images", "--digests", "--format", "{{.Repository}}").split()
    assert not [name for name in names if name.startswith(NAME)], "the image bears our name alone"
    assert set(road.changes(rollout()).values()) == {0}


def test_a_renewed_certificate_is_trusted_and_debian_13_pulls_as_well(served: dict[str, str]) -> None:
    before = road.read(road.CONTROL, f"{FOLDER}/server.crt")
    registry(registry_leaf_days=400, registry_renew_days=398)
    assert road.read(road.CONTROL, f"{FOLDER}/server.crt") != before
    # A second cable: the host reaches the control node by itself now.
    docker("network", "connect", "--ip", "10.78.1.21", SITE_NETWORK, SPEECH)
    declare("speech-1", SENTIMENT, TRANSLATOR)
    output = rollout("--limit", "speech-1")
    assert PULL in output and UNREACHED not in output
    assert "text_translation" in images("speech-1")


def test_without_its_registry_a_site_stages_over_ssh_in_words(served: dict[str, str]) -> None:
    registry(registry_state="absent")
    assert process() == []
    name = next(each["Config"]["Image"] for each in road.containers("text-1") if each["Name"] == "/stt-lan")
    for argv in (("rm", "--force", "stt-lan"), ("image", "rm", name)):
        docker("exec", TEXT, "docker", *argv)
    output = rollout("--limit", "text-1")
    assert UNREACHED + "ConnectionRefusedError" in " ".join(output.split()) and PULL not in output
    assert "speech_to_text" in images("text-1")
    assert any(each["Name"] == "/stt-lan" and each["State"]["Running"] for each in road.containers("text-1"))


def test_where_root_is_to_be_had_it_is_a_service(served: dict[str, str]) -> None:
    inside(road.CONTROL, "sh", "-c", f"echo '{road.USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/lab")
    try:
        registry(registry_run="service")
        assert inside(road.CONTROL, "systemctl", "is-active", "azure-ai-registry") == "active"
        assert process()[0].split()[0] == road.USER
        assert road.changes(registry())["localhost"] == 0, "it stays the service that it is"
        plan = rollout("--check", "--limit", "text-1")
        assert UNREACHED not in plan and road.changes(plan)["text-1"] == 0
        inside(road.CONTROL, "systemctl", "restart", "azure-ai-registry")
        wait_for("the service answers", lambda: len(process()) == 1, 60)
        registry(registry_state="absent")
        assert process() == []
    finally:
        inside(road.CONTROL, "rm", "/etc/sudoers.d/lab")
