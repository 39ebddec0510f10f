# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The retire module, step by step as the action plugin takes them, on an imitation engine."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import releases
from ansible_collections.airgap.azure_ai.plugins.modules import retire
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine, Image, release

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def used(fake: FakeEngine, tmp_path: Path) -> dict[str, t.Any]:
    """A host with one container of ours and one of somebody else; the options for the module."""
    root = tmp_path / "root"
    image = Image(b"x")
    found = release(image)
    releases.stage(str(root), "sent-en", found, b"LICENSE-CANARY", (0, 0))
    releases.switch(str(root), "sent-en", found["id"], None)
    (root / "containers/sent-en/output/records").write_text("7")
    labels = {"airgap.azure_ai.container": "sent-en", "airgap.azure_ai.service": "sentiment"}
    fake.containers["c1"] = {"Id": "c1", "Names": ["/sent-en"], "Labels": labels, "State": "exited", "Image": "x"}
    fake.containers["c2"] = {"Id": "c2", "Names": ["/theirs"], "Labels": {}, "State": "running", "Image": "debian:12"}
    fake.images["debian:12"] = {"Id": "sha256:1"}
    fake.images["azure-ai.invalid/sentiment:0000000000000000"] = {"Id": "sha256:2"}
    return {"root": str(root), "docker_socket": fake.path}


def test_check_mode_tells_everything_and_does_nothing(run: Run, fake: FakeEngine, used: dict[str, t.Any]) -> None:
    for options in ({"check": True, "step": "wipe"}, {"step": "look"}):
        told = run(retire.main, **used, **options)
        assert told["changed"] and "container sent-en: stop and remove it, archive" in told["msg"]
    assert set(fake.containers) == {"c1", "c2"} and (Path(used["root"]) / "containers/sent-en/current").exists()


def test_the_whole_way(run: Run, fake: FakeEngine, used: dict[str, t.Any], tmp_path: Path) -> None:
    run(retire.main, **used, step="stop")
    packed = run(retire.main, **used, packing="sent-en", step="pack", target=str(tmp_path / "a.tar.gz"))["packed"]
    done = run(retire.main, **used, step="wipe", packed={"sent-en": packed["fingerprint"]})
    assert (done["changed"], done["wiped"]) == (True, 1)
    assert set(fake.containers) == {"c2"} and set(fake.images) == {"debian:12"}
    assert not list(Path(used["root"]).rglob("*"))
    again = run(retire.main, **used, step="look")
    assert (again["changed"], again["msg"]) == (False, "nothing to retire")


def test_members_of_a_group_that_go_together_may_share_a_folder(run: Run, fake: FakeEngine, used: dict[str, t.Any], tmp_path: Path) -> None:
    """Each is archived by itself, and the others do not stay meanwhile."""
    shared = f"{used['root']}/containers/sent-en/shared"
    labels = {"airgap.azure_ai.container": "sent-en-layout", "airgap.azure_ai.service": "sentiment"}
    fake.containers["c3"] = {"Id": "c3", "Names": ["/sent-en-layout"], "Labels": labels, "State": "exited", "Image": "x", "Mounts": [{"Source": shared}]}
    alone = run(retire.main, **used, containers=["sent-en"], packing="sent-en", step="pack", target=str(tmp_path / "a.tar.gz"))
    assert alone["failed"] and "sent-en-layout, which stays, uses its folder" in alone["msg"]
    assert run(retire.main, **used, packing="sent-en", step="pack", target=str(tmp_path / "a.tar.gz"))["packed"]["files"] > 0


def test_nothing_goes_that_was_not_archived_as_it_is(run: Run, fake: FakeEngine, used: dict[str, t.Any], tmp_path: Path) -> None:
    packed = run(retire.main, **used, packing="sent-en", step="pack", target=str(tmp_path / "a.tar.gz"))["packed"]
    (Path(used["root"]) / "containers/sent-en/output/late").write_text("one more")
    for fingerprints in ({}, {"sent-en": packed["fingerprint"]}):
        refused = run(retire.main, **used, step="wipe", packed=fingerprints)
        assert refused["failed"] and "changed since it was archived" in refused["msg"]
    assert "c1" in fake.containers and (Path(used["root"]) / "containers/sent-en/current/license/license.dat").exists()


def test_output_is_kept_on_request(run: Run, used: dict[str, t.Any]) -> None:
    assert run(retire.main, **used, output="keep", step="wipe")["wiped"] == 1
    folder = Path(used["root"]) / "containers/sent-en"
    assert sorted(path.name for path in folder.iterdir()) == ["output", "source.json"]
    assert run(retire.main, **used, output="keep")["changed"] is False
    assert run(retire.main, **used, output="archive")["changed"] is True, "an archive may still be made"


def test_a_declared_one_is_refused_in_words(run: Run, used: dict[str, t.Any]) -> None:
    refused = run(retire.main, **used, declared=["sent-en"], step="wipe")
    assert refused["failed"] and "still declared" in refused["msg"]


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs of a host whose docker.io is ours and whose containerd was there before; apt tells what it was asked."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dpkg-query").write_text("#!/bin/sh\necho 'installed docker.io 2'\necho 'installed containerd 1'\n")
    (programs / "apt-get").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncat {tmp_path}/says\n')
    for path in programs.iterdir():
        path.chmod(0o755)
    (tmp_path / "says").write_text("Purg docker.io [2]\n")
    (tmp_path / "note.json").write_text(json.dumps({"installed_by": "airgap.azure_ai", "packages": ["docker.io", "runc"]}))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(retire.manage, "NOTE", str(tmp_path / "note.json"))
    return tmp_path


def test_only_packages_of_ours_are_purged(run: Run, fake: FakeEngine, used: dict[str, t.Any], ours: Path) -> None:
    del fake.containers["c2"]
    assert "packages: purge docker.io;" in run(retire.main, **used, engine=True, output="keep", step="look")["msg"]
    run(retire.main, **used, engine=True, output="keep", step="wipe")
    asked = (ours / "asked").read_text().splitlines()
    assert asked[-1].endswith(" -- docker.io") and "--simulate" not in asked[-1] and all("--simulate" in line for line in asked[:-1])
    assert not (ours / "note.json").exists()


def test_nothing_goes_where_another_package_would_go_with_the_engine(run: Run, fake: FakeEngine, used: dict[str, t.Any], ours: Path) -> None:
    del fake.containers["c2"]
    (ours / "says").write_text("Purg kubelet [1]\nPurg docker.io [2]\n")
    told = run(retire.main, **used, check=True, engine=True, output="keep")
    assert told["plan"]["problems"] == ["engine: kubelet would be removed with docker.io; remove what needs it first, or retire without retire_engine"]
    refused = run(retire.main, **used, engine=True, output="keep", step="wipe")
    assert refused["failed"] and "kubelet would be removed" in refused["msg"]
    assert "c1" in fake.containers and all("--simulate" in line for line in (ours / "asked").read_text().splitlines())
    assert run(retire.main, **used, output="keep", step="look")["plan"]["problems"] == []
