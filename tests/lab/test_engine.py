# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine is upgraded and restarted by a rollout, and the containers in it do not notice; what others need stops last."""

from __future__ import annotations

import ipaddress
import json
import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run.retire import dragged
from tests.lab import overlay, road, settings
from tests.lab.overlay import SENTIMENT, TRANSLATOR
from tests.lab.settings import Json
from tests.lab.shell import as_root, inside, run, wait_for

TEXT, SPEECH = (settings.host(name).container for name in ("text-1", "speech-1"))
OLDER = "20.10.0-0airgap"
LOGS = {"engine_daemon": {"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "4"}, "live-restore": True}}
NEED = {"service": "text_translation", "setting": "SIM_TRANSLATOR"}


def processes() -> dict[str, tuple[int, str]]:
    """Name of each container of text-1 to its process and when that was started."""
    return {each["Name"]: (each["State"]["Pid"], each["State"]["StartedAt"]) for each in road.containers("text-1")}


def daemon() -> str:
    """When the engine was started."""
    return inside(TEXT, "systemctl", "show", "--property=ActiveEnterTimestampMonotonic", "--value", "docker.service")


def version() -> str:
    """Version of the engine's package."""
    return inside(TEXT, "dpkg-query", "--show", "--showformat=${Version}", "docker.io")


def install_older() -> None:
    """Install the bundle's own package under an older version: Debian's mirror keeps no older ones."""
    held = json.loads(road.read(road.CONTROL, f"{road.HOME}/store/holdings.json"))["packages"]
    blob = next(item["digest"][7:] for item in held if item["name"] == "docker.io" and item["os"] == "debian-12")
    package = road.read(road.CONTROL, f"{road.HOME}/store/blobs/sha256/{blob}")
    change = f"sed -i 's/^Version: .*/Version: {OLDER}/' tree/DEBIAN/control"
    script = f"cd $(mktemp -d) && cat > a.deb && dpkg-deb --raw-extract a.deb tree && {change} && dpkg-deb --build -Znone tree b.deb && dpkg --install b.deb"
    run(as_root(["docker", "exec", "-i", TEXT, "sh", "-c", script]), stdin=package)
    wait_for("the engine answers", lambda: bool(processes()), 60)


def rollout(**values: object) -> str:
    """Roll out to text-1."""
    return road.rollout("--limit", "text-1", "-e", json.dumps(values), log="engine-rollout")


def test_an_upgrade_and_new_settings_restart_the_engine_and_no_container(walked: dict[str, str]) -> None:
    road.rollout("--limit", "text-1", log="engine-before")
    newest = version()
    install_older()
    before, engine = processes(), daemon()
    assert before and version() == OLDER
    output = rollout(**LOGS)
    assert f"packages to upgrade: docker.io {newest}; settings: log-opts differs" in " ".join(output.split())
    assert version() == newest and daemon() != engine
    assert processes() == before, "the same processes, started when they were"
    engine = daemon()
    assert "settings: log-opts differs" in rollout()
    assert daemon() != engine and processes() == before
    assert road.changes(rollout()) == {"text-1": 0}
    inside(TEXT, "docker", "exec", "sentiment", "python3", "-c", "pass")
    assert "max-file" in json.dumps(options()) and options()["max-file"] == "3"


def test_a_new_engine_lies_where_it_was_told_and_takes_the_pool_for_its_networks(walked: dict[str, str]) -> None:
    (pool,) = overlay.ENGINE["azure_ai_address_pools"]
    base = ipaddress.ip_network(pool["base"])
    found = json.loads(inside(SPEECH, "docker", "info", "--format", "{{json .}}"))
    assert found["DockerRootDir"] == overlay.ENGINE["azure_ai_docker_root"]
    bridge = ipaddress.ip_network(inside(SPEECH, "docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", "bridge"))
    assert bridge.subnet_of(base) and bridge.prefixlen == pool["size"]
    assert str(bridge) in inside(SPEECH, "ip", "-4", "route", "show", "dev", "docker0")
    assert inside(TEXT, "docker", "info", "--format", "{{.DockerRootDir}}") == "/var/lib/docker"


@pytest.mark.parametrize("host", [TEXT, SPEECH])
def test_the_note_names_what_was_installed(walked: dict[str, str], host: str) -> None:
    noted = json.loads(road.read(host, "/etc/docker/airgap.azure_ai.json"))["packages"]
    assert {"docker.io", "containerd", "runc"} <= set(noted)
    purged = inside(host, "apt-get", "--simulate", "purge", "--yes", "--", *noted)
    assert dragged(purged, []) == sorted(noted), "each is installed, and nothing else goes with them"


def options() -> Json:
    """Options of logs that the engine's settings hold."""
    return json.loads(road.read(TEXT, "/etc/docker/daemon.json"))["log-opts"]


def needy() -> Json:
    """Variables by which the sentiment container needs the translator."""
    catalog = overlay.layer("site")["group_vars/all.yml"]["azure_ai_catalog"]
    return {"azure_ai_catalog": {**catalog, "sentiment": {**catalog["sentiment"], "needs": [NEED]}}}


def happened(act: t.Callable[[], object]) -> list[str]:
    """Which containers stopped and started meanwhile."""
    begin = inside(TEXT, "date", "+%s.%N")
    act()
    span = ("--since", begin, "--until", inside(TEXT, "date", "+%s.%N"))
    told = inside(TEXT, "docker", "events", *span, "--filter", "type=container", "--format", "{{.Action}} {{.Actor.Attributes.name}}").splitlines()
    return [line for line in told if line in ("die sentiment", "die translator", "start sentiment", "start translator")]


def test_what_others_need_stops_last_and_starts_first_on_the_way_back_too(walked: dict[str, str]) -> None:
    order = ["die sentiment", "die translator", "start translator", "start sentiment"]
    assert happened(lambda: rollout(**needy())) == order
    assert road.changes(rollout())["text-1"] > 0, "as it was"
    # By name the sentiment container would come first; what it needed when it proved itself is kept on the host.
    assert happened(lambda: road.playbook(road.CONTROL, "rollback", "--limit", "text-1", log="engine-rollback")) == order
    assert road.changes(rollout(azure_ai_unpin=True))["text-1"] > 0
    assert road.changes(rollout()) == {"text-1": 0}


def test_what_waits_for_its_turn_is_started_again_where_what_it_needs_fails(walked: dict[str, str]) -> None:
    before = {each["Name"]: each["Id"] for each in road.containers("text-1")}
    never = {**TRANSLATOR, "settings": {"SIM_READY_AFTER": "9999"}}
    with pytest.raises(road.Refused) as caught:
        rollout(**needy(), azure_ai_containers__text=[never, SENTIMENT], containers_ready_seconds=16)
    assert "text-1: container translator: wait until it is ready failed" in caught.value.output and "rolled back: " in caught.value.output
    after = {each["Name"]: each["Id"] for each in road.containers("text-1")}
    assert after.pop("/translator") != before.pop("/translator") and after == before, "the same container as before runs again"
    assert road.changes(rollout()) == {"text-1": 0}
