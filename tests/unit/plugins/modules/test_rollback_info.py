# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rollback_info and release together: forward, back, back again; and what must not be started."""

from __future__ import annotations

import base64
import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed
from ansible_collections.airgap.azure_ai.plugins.modules import release, rollback_info
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine, Image
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import release as made

Run = t.Callable[..., dict[str, t.Any]]
ME = {"uid": os.getuid(), "gid": os.getgid()}
ONE, TWO = (made(Image(data), expires="2999-12-31") for data in (b"one", b"two"))


class Host:
    """A host on which containers are switched as the role does it."""

    def __init__(self, root: Path, fake: FakeEngine, run: Run) -> None:
        self.root, self.fake, self.call = root, fake, run
        self.folder = root / "containers" / "sent-en"

    def item(self, found: dict[str, t.Any], spec: str) -> dict[str, t.Any]:
        image = f"azure-ai.invalid/sentiment:{found['id']}"
        self.fake.images[image] = {"Id": "sha256:1", "Config": {}, "RootFS": {"Layers": []}, "broken": False}
        run = {"image": image, "cpus": 0.5, "labels": {"airgap.azure_ai.spec": spec}}
        return {
            "container": "sent-en",
            "service": "sentiment",
            "release": found["id"],
            "restart": True,
            "docker_container": run,
            "compose": spec,
            "url": "http://x",
        }

    def stage(self, found: dict[str, t.Any]) -> None:
        staged = [{"container": "sent-en", "release": found, "license": "sha256:x", "image": "i"}]
        content = {"sent-en": base64.b64encode(b"license").decode()}
        self.call(release.main, root=str(self.root), releases=staged, users={"i": ME}, license_content=content)

    def start(self, item: dict[str, t.Any]) -> None:
        did = self.call(release.main, root=str(self.root), state="current", docker_socket=self.fake.path, releases=[item])
        assert not did.get("failed"), did
        labels = item["docker_container"]["labels"]
        self.fake.containers = {"c": {"Id": "c", "Names": ["/sent-en"], "State": "running", "Labels": labels}}

    def prove(self, item: dict[str, t.Any], check: bool = False) -> bool:
        return bool(self.call(release.main, check=check, root=str(self.root), state="proven", releases=[item])["changed"])

    def look(self, **options: t.Any) -> dict[str, t.Any]:
        return self.call(rollback_info.main, root=str(self.root), docker_socket=self.fake.path, **options)

    def links(self) -> tuple[str | None, ...]:
        return tuple(os.path.basename(os.readlink(self.folder / name)) if (self.folder / name).is_symlink() else None for name in ("current", "previous"))


@pytest.fixture
def host(tmp_path: Path, fake: FakeEngine, run: Run) -> Host:
    """A host that went from one release to the next."""
    found = Host(tmp_path, fake, run)
    for value in (ONE, TWO):
        item = found.item(value, value["id"])
        found.stage(value)
        found.start(item)
        assert found.prove(item, check=True) and found.prove(item) and not found.prove(item)
    assert found.links() == (TWO["id"], ONE["id"])
    return found


def test_back_by_hand_once_and_not_twice(host: Host) -> None:
    found = host.look()
    (step,) = found["steps"]
    assert found["problems"] == [] and f"{TWO['id']} -> {ONE['id']} (rollback" in found["lines"][0]
    assert (step["back"], step["restart"], step["left"]) == ("manual", True, [{"release": TWO["id"], "spec": TWO["id"]}])
    host.start(step)
    assert host.fake.paths[-1].endswith("/containers/sent-en/stop"), "it is stopped before its folders change hands"
    (again,) = host.look()["steps"]
    assert (again["release"], again["left"]) == (ONE["id"], step["left"]), "cut off before it proved itself: finished, not swapped"
    assert host.prove(step)
    assert host.links() == (ONE["id"], None)
    after = host.look(containers=["sent-en", "other"])
    assert after["steps"] == [] and "was rolled back" in after["lines"][0] and after["lines"][1] == "container other: not on this host"
    host.fake.containers = {}
    (stopped,) = host.look()["steps"]
    assert (stopped["release"], stopped["restart"]) == (ONE["id"], False)


def test_back_from_what_failed(host: Host) -> None:
    three = made(Image(b"three"), expires="2999-12-31")
    host.stage(three)
    failing = host.item(three, three["id"])
    host.start(failing)
    (step,) = host.look(containers=["sent-en"], failed={"sent-en": three["id"]})["steps"]
    assert (step["back"], step["release"]) == ("automatic", TWO["id"])
    host.start(step)
    assert deployed.containers(str(host.root))["sent-en"]["proven"] is None, "that it did so before is no proof now"
    assert host.prove(step) and not host.prove(step)
    assert deployed.containers(str(host.root))["sent-en"]["proven"] == TWO["id"]
    assert host.links() == (TWO["id"], ONE["id"]), "what failed is not what one would go back to"
    assert json.loads((host.folder / "rollback.json").read_text())["left"] == [{"release": three["id"], "spec": three["id"]}]
    same = host.look(containers=["sent-en"], failed={"sent-en": three["id"]})
    assert same["steps"] == [] and "what ran before still runs" in same["lines"][0]


@pytest.mark.parametrize(("break_it", "told"), [("license", "ended on 2020-01-31"), ("image", "is not on this host any more"), ("release", "is not whole")])
def test_what_must_not_be_started_is_told(host: Host, break_it: str, told: str) -> None:
    folder = host.folder / "releases" / ONE["id"]
    if break_it == "license":
        record = json.loads((folder / "release.json").read_text())
        (folder / "release.json").write_text(json.dumps({**record, "expires": "2020-01-31"}))
    elif break_it == "image":
        del host.fake.images[f"azure-ai.invalid/sentiment:{ONE['id']}"]
    else:
        (folder / "release.json").unlink()
    found = host.look()
    assert found["steps"] == [] and told in found["problems"][0] and "container sent-en" in found["problems"][0]


def test_nothing_to_go_back_to(tmp_path: Path, fake: FakeEngine, run: Run) -> None:
    found = Host(tmp_path, fake, run)
    assert found.look() == {**found.look(), "steps": [], "problems": [], "lines": []}
    found.stage(ONE)
    item = found.item(ONE, ONE["id"])
    found.start(item)
    failed = found.look(containers=["sent-en"], failed={"sent-en": ONE["id"]})
    assert "nothing has proved itself here before" in failed["problems"][0]
