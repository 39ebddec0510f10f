# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What wants tell of hosts' packages, what the bundle leaves out for it, and a host that wants did not tell of."""

from __future__ import annotations

import json

import pytest

from tests.lab import road, settings
from tests.lab.settings import Json
from tests.lab.shell import as_root, inside, run

TEXT = settings.host("text-1").container
HELD = f"{road.HOME}/store/holdings.json"


def wants() -> Json:
    """The wants in the site's outbox."""
    found: Json = json.loads(road.read(road.CONTROL, f"{road.HOME}/outbox/wants.json"))
    return found


def hold(document: Json) -> None:
    """Let the site's store hold what the document says; the file keeps its owner."""
    run(as_root(["docker", "exec", "-i", road.CONTROL, "sh", "-c", f"cat > {HELD}"]), stdin=json.dumps(document).encode())


def without(document: Json, *names: str) -> Json:
    """The same without these packages."""
    return {**document, "packages": [item for item in document["packages"] if item["name"] not in names]}


def refused(*arguments: str) -> str:
    """What a rollout to text-1 says that must not go on."""
    with pytest.raises(road.Refused) as caught:
        road.rollout("--limit", "text-1", *arguments, log="packages-refused")
    return " ".join(caught.value.output.split())


def test_the_bundle_leaves_out_what_every_host_has(walked: dict[str, str]) -> None:
    output = road.playbook(road.CONTROL, "wants", log="packages-wants")
    assert "bundles bring what the hosts of debian-12, debian-13 lack" in " ".join(output.split())
    told = wants()
    assert told["format"] == 2 and {"docker.io", "rsync"} <= set(told["packages"][0]["all"])
    assert not any(word in json.dumps(told) for word in ("text-1", "speech-1", "10.78."))
    for name in ("wants.json", "wants.json.sig"):
        road.hand_over(road.CONTROL, f"{road.HOME}/outbox/{name}", road.BUILDER, f"{road.HOME}/carried/{name}")
    layers = {"ANSIBLE_INVENTORY": "inventories/connected,inventories/lab"}
    arguments = ("-e", f"bundle_wants={road.HOME}/carried/wants.json", "--check", "--diff")
    shown = road.bundle(*arguments, environment=layers, log="packages-bundle").splitlines()
    gone = {tuple(line.split()[1:3]) for line in shown if line.startswith("-package debian-1")}
    assert {(system, name) for system in ("debian-12", "debian-13") for name in ("docker.io", "containerd", "rsync", "libc6")} <= gone
    assert not [line for line in shown if "docker-registry" in line and line.startswith("-")], "for the control node it goes along"
    assert not [line for line in shown if "packages are complete" in line]
    road.playbook(road.CONTROL, "wants", "-e", "azure_ai_wants_packages=false", log="packages-untold")
    assert wants()["format"] == 1 and "packages" not in wants()


def test_a_host_that_lacks_more_than_the_bundle_brought_is_refused_with_the_way_out(walked: dict[str, str]) -> None:
    before: Json = json.loads(road.read(road.CONTROL, HELD))
    road.rollout("--limit", "text-1", log="packages-before")
    inside(TEXT, "dpkg", "--purge", "--force-depends", "rsync", "libpopt0")
    try:
        hold(without(before, "libpopt0"))
        said = refused()
        assert "none was installed: rsync : Depends: libpopt0" in said and "write wants again with this host (airgap.azure_ai.wants)" in said
        assert "dpkg" not in inside(TEXT, "dpkg", "--audit")
        hold(without(before, "libpopt0", "rsync"))
        assert "this host has no rsync, and the store's packages for debian-12 bring none; write wants again" in refused("--check")
    finally:
        hold(before)
    road.rollout("--limit", "text-1", log="packages-after")
    assert inside(TEXT, "dpkg-query", "--show", "--showformat=${db:Status-Status} ", "rsync", "libpopt0").split() == ["installed", "installed"]
    assert road.changes(road.rollout("--limit", "text-1", log="packages-again")) == {"text-1": 0}
