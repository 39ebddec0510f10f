# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose engine somebody else installed and configured: it is used as it is, and nothing about it changes."""

from __future__ import annotations

import json
import typing as t
from decimal import Decimal

import pytest

from tests.lab import outcome, road, settings, visitors
from tests.lab.shell import docker, inside

# Its tree has Docker from the distribution, without any help of the collection.
HOST = settings.Host("elsewhere", "station", {"site": "10.78.1.31"}, users=("deploy",), sudo=("deploy",), engine=True, mask=("docker-registry.service",))
DAEMON = {"log-driver": "local", "labels": ["owner=somebody-else"], "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 4096, "Soft": 4096}}}
PORT = 5003
STATE = r"""
find /etc/docker /etc/systemd/system /usr/lib/systemd/system/docker.service -type f -exec sha256sum {} + | sort
dpkg-query --show
systemctl show docker.service containerd.service --property=MainPID,ActiveEnterTimestamp,UnitFileState,NRestarts
docker info --format '{{json .Labels}} {{.LoggingDriver}} {{.LiveRestoreEnabled}} {{.ID}}'
docker images --quiet --no-trunc theirs
docker network ls --quiet
"""


def state() -> list[str]:
    """Everything about the engine that is not ours to change."""
    return inside(HOST.container, "sh", "-ec", STATE).splitlines()


@pytest.fixture(scope="module")
def elsewhere(walked: dict[str, str]) -> t.Iterator[dict[str, str]]:
    """The host, with an inventory that declares a container for it; both gone afterwards."""
    visitors.come(HOST)
    visitors.configure(HOST, DAEMON)
    inside(HOST.container, "sh", "-c", "tar -c -C /etc hostname | docker import - theirs:1")
    declared = {"name": "visitor", "service": "sentiment", "tag": "3.0-en", "port": PORT, "resource": "language-dc0"}
    yield visitors.declare(HOST, declared, azure_ai_engine_manage=False)
    visitors.go(HOST)


def test_an_engine_from_elsewhere_is_used_as_it_is(elsewhere: dict[str, str]) -> None:
    before = state()
    rolled = road.rollout("--limit", HOST.name, log="elsewhere-rollout", environment=elsewhere)
    assert road.changes(rolled)[HOST.name] > 0 and state() == before
    found = json.loads(docker("exec", HOST.container, "docker", "inspect", "visitor"))[0]
    assert found["State"]["Running"] and found["HostConfig"]["LogConfig"]["Type"] == "json-file", "what is ours is ours"
    again = road.rollout("--limit", HOST.name, log="elsewhere-again", environment=elsewhere)
    assert set(road.changes(again).values()) == {0} and state() == before


def test_its_usage_is_counted_as_everywhere(elsewhere: dict[str, str]) -> None:
    inside(HOST.container, "python3", "-c", (settings.FILES / "traffic.py").read_text(), "4", str(PORT))
    road.harvest("--limit", f"{HOST.name},localhost", log="elsewhere-harvest", environment=elsewhere)
    road.report(log="elsewhere-report", environment=elsewhere)
    told = [quantity for key, quantity in outcome.reported(outcome.report()).items() if key[0] == HOST.name]
    written = json.loads(inside(HOST.container, "python3", "-c", (settings.FILES / "records.py").read_text()))
    assert told == [Decimal(row["quantity"]) for row in written] and sum(told) >= 4


def test_one_that_does_not_answer_is_named_and_left_alone(elsewhere: dict[str, str]) -> None:
    inside(HOST.container, "systemctl", "stop", "docker.socket", "docker.service")
    before = inside(HOST.container, "sh", "-c", "dpkg-query --show; find /etc/docker -type f -exec sha256sum {} +")
    with pytest.raises(road.Refused) as caught:
        road.rollout("--limit", HOST.name, log="elsewhere-down", environment=elsewhere)
    assert "Traceback" not in caught.value.output
    assert f"{HOST.name}: engine: none answers and azure_ai_engine_manage is false; install or start Docker" in caught.value.output
    assert inside(HOST.container, "sh", "-c", "dpkg-query --show; find /etc/docker -type f -exec sha256sum {} +") == before
    inside(HOST.container, "systemctl", "start", "docker.service")
    assert set(road.changes(road.rollout("--limit", HOST.name, log="elsewhere-up", environment=elsewhere)).values()) == {0}
