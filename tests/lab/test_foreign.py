# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of a distribution that nobody bundles for, whose own engine keeps images in containerd: used, switched, rolled back, pruned and retired as it is."""

from __future__ import annotations

import json
import re
import typing as t

import pytest

from tests.lab import cloud, road, settings, visitors
from tests.lab.settings import Json
from tests.lab.shell import as_root, docker, inside, run
from tests.simulator import images

HOST = settings.Host("foreign", "trixie", {"site": "10.78.1.32"}, users=("deploy",), sudo=("deploy",), engine=True)
DAEMON = {"features": {"containerd-snapshotter": True}, "labels": ["owner=somebody-else"]}
TAGS = ("3.0-en", "3.0-fr", "3.0-de")
VISITOR: Json = {"name": "visitor", "service": "sentiment", "tag": TAGS[0], "port": 5006, "resource": "language-dc0"}
NEVER = {"SIM_READY_AFTER": "9999"}
HIDDEN = "/root/hidden"
# What such a host has, by whatever means: here Debian's packages, of which the collection is to know nothing. containerd's files lie where overlays work.
INSTALL = rf"""
ln -s /var/lib/docker/elsewhere /var/lib/containerd && mkdir -p /var/lib/docker/elsewhere
apt-get install -qq --yes --no-install-recommends /root/packages/*.deb >/dev/null
rm -r /root/packages /etc/os-release
printf 'ID=rocky\nVERSION_ID=9\n' > /etc/os-release
mkdir {HIDDEN} && mv /usr/bin/dpkg* /usr/bin/apt* {HIDDEN}/
"""
STATE = rf"""
find /etc/docker /etc/systemd/system /usr/lib/systemd/system/docker.service -type f -exec sha256sum {{}} + | sort
{HIDDEN}/dpkg-query --show
systemctl show docker.service containerd.service --property=MainPID,ActiveEnterTimestamp,UnitFileState,NRestarts
docker info --format '{{{{json .Labels}}}} {{{{.DriverStatus}}}} {{{{.ID}}}}'
docker images --quiet --no-trunc theirs
docker network ls --quiet
"""


def state() -> list[str]:
    """Everything about the host that is not ours to change."""
    return inside(HOST.container, "sh", "-ec", STATE).splitlines()


def install() -> None:
    """Docker, rsync and requests, as somebody installed them."""
    store = f"{road.HOME}/store"
    held = json.loads(road.read(road.CONTROL, f"{store}/holdings.json"))["packages"]
    files = {item["digest"][7:]: item["filename"] for item in held if item["os"] == "debian-13" and not item["name"].startswith(("nginx", "docker-registry"))}
    packed = run(as_root(["docker", "exec", road.CONTROL, "tar", "-C", f"{store}/blobs/sha256", "-cf", "-", *files])).stdout
    run(as_root(["docker", "exec", "-i", HOST.container, "sh", "-c", "mkdir /root/packages && tar -xf - -C /root/packages"]), stdin=packed)
    renamed = "\n".join(f"mv /root/packages/{digest} '/root/packages/{name}'" for digest, name in files.items())
    inside(HOST.container, "sh", "-ec", renamed + INSTALL)


def declared(**more: t.Any) -> dict[str, str]:
    """An environment in which the host's container is declared in another way."""
    return visitors.declare(HOST, {**VISITOR, **more})


def rollout(environment: dict[str, str], *argv: str) -> str:
    """Roll out to the host."""
    return road.rollout("--limit", HOST.name, *argv, log="foreign-rollout", environment=environment)


def refused(environment: dict[str, str], *argv: str) -> str:
    """What a rollout says that fails; always in words."""
    with pytest.raises(road.Refused) as caught:
        rollout(environment, *argv)
    assert "Traceback" not in caught.value.output
    return caught.value.output


def names() -> list[str]:
    """Names of images in the host's engine."""
    return docker("exec", HOST.container, "docker", "images", "--format", "{{.Repository}}:{{.Tag}}").split()


def visitor() -> Json:
    """The host's container."""
    return json.loads(docker("exec", HOST.container, "docker", "inspect", "visitor"))[0]


@pytest.fixture(scope="module")
def before(walked: dict[str, str]) -> t.Iterator[list[str]]:
    """The host's state as it came; three tags of one service lie in the site's store."""
    cloud.push([images.wanted({**VISITOR, "tag": tag, "options": {}}) for tag in TAGS[1:]])
    wanted = [{**VISITOR, "name": f"visitor-{place}", "tag": tag, "port": 5951 + place} for place, tag in enumerate(TAGS)]
    road.bundle("-e", json.dumps({"azure_ai_containers__foreign": wanted}), log="foreign-bundle")
    road.carry()
    road.receive(log="foreign-receive")
    visitors.come(HOST)
    install()
    visitors.configure(HOST, DAEMON)
    inside(HOST.container, "sh", "-c", "tar -c -C /etc hostname | docker import - theirs:1")
    declared()
    yield state()
    visitors.go(HOST)


def test_it_is_used_as_it_is(before: list[str]) -> None:
    assert any("io.containerd.snapshotter" in line for line in before)
    rolled = rollout(declared())
    assert road.changes(rolled)[HOST.name] > 0 and state() == before and visitor()["State"]["Running"]
    assert set(road.changes(rollout(declared())).values()) == {0} and state() == before


def test_what_never_works_is_rolled_back_and_what_two_switches_left_goes(before: list[str]) -> None:
    first = visitor()["Config"]["Image"]
    output = refused(declared(tag=TAGS[1], settings=NEVER), "-e", "containers_ready_seconds=15")
    assert f"{HOST.name}: container visitor: wait until it is ready failed" in output and "rolled back: " in output
    assert (visitor()["Config"]["Image"], visitor()["State"]["Running"]) == (first, True)
    rollout(declared(tag=TAGS[1]))
    assert first in names(), "a rollback would need it"
    output = rollout(declared(tag=TAGS[2]))
    assert re.search(rf"{HOST.name}: 1 former release with its license, 1 image \(.*\) removed", output), output
    assert first not in names() and len([name for name in names() if name.startswith("azure-ai.invalid/")]) == 2
    assert set(road.changes(rollout(declared(tag=TAGS[2]))).values()) == {0} and state() == before


def test_it_is_retired_and_left_as_it_came(before: list[str]) -> None:
    values = {"retire_confirm": HOST.name, "retire_declared": True}
    output = road.playbook(road.CONTROL, "retire", "--limit", HOST.name, "-e", json.dumps(values), environment=declared(), log="foreign-retire")
    assert "archived and proved: " in output and "2 license files wiped" in output
    assert inside(HOST.container, "docker", "ps", "--all", "--quiet") == "" and names() == ["theirs:1"]
    assert state() == before


def test_one_with_other_user_ids_is_refused_before_anything_changes(before: list[str]) -> None:
    visitors.configure(HOST, {"userns-remap": "default"})
    looked = "find /var/lib/azure-ai -printf '%p %s %T@\\n'; docker ps --all --quiet; docker images --quiet"
    there = inside(HOST.container, "sh", "-c", looked)
    told = f"{HOST.name}: engine: it runs with userns-remap, where the owners of licenses and output would be others; use an engine without it"
    assert told in refused(declared()) and told in refused(declared(), "--check")
    assert inside(HOST.container, "sh", "-c", looked) == there
