# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_info on a bare host and on one with an engine."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import lock, releases
from ansible_collections.airgap.azure_ai.plugins.modules import host_info
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine, Image, release


def test_a_bare_host(tmp_path: Path, run: t.Callable[..., dict[str, t.Any]]) -> None:
    result = run(host_info.main, root=str(tmp_path / "root"), docker_socket=str(tmp_path / "none"))
    host = result["host"]
    assert result["changed"] is False
    assert (host["engine"], host["images"], host["containers"], host["deployed"], host["models"], host["store"]) == (None, [], [], {}, [], {})
    assert "no such socket" in host["engine_error"]
    assert set(host["disk"]) == {"root", "docker"}
    assert not (tmp_path / "root").exists()


def test_a_host_in_use(fake: FakeEngine, tmp_path: Path, run: t.Callable[..., dict[str, t.Any]]) -> None:
    image = Image(b"x")
    image.lay(tmp_path)
    found = release(image)
    releases.stage(str(tmp_path), "sent-en", found, b"license", (0, 0))
    fake.images["a:1"] = {"Id": "sha256:1", "RootFS": {"Layers": []}, "broken": False}
    host = run(host_info.main, check=True, root=str(tmp_path), docker_socket=fake.path)["host"]
    assert (host["engine"]["version"], host["engine"]["store"]) == ("20.10.24", "classic")
    assert [item["name"] for item in host["images"]] == ["a:1"]
    assert host["deployed"]["sent-en"]["releases"][found["id"]]["complete"] is True
    assert set(host["store"]) == {digest[7:] for digest in image.blobs}
    assert "license" not in str(host["deployed"]["sent-en"]["source"])


def test_folders_of_interest_are_told(tmp_path: Path, run: t.Callable[..., dict[str, t.Any]]) -> None:
    output = tmp_path / "containers" / "a" / "output"
    output.mkdir(parents=True)
    (output / "x.log").write_bytes(b"12345")
    old = str(tmp_path / "old")
    asked = {"root": str(tmp_path), "docker_socket": str(tmp_path / "none"), "folders": [old, str(output)], "outputs": ["a", "b"]}
    host = run(host_info.main, check=True, **asked)["host"]
    assert (host["folders"], host["outputs"]) == ({old: "missing", str(output): "folder"}, {"a": 5, "b": 0})
    assert host["deployed"]["a"]["output"] == "used"


def test_a_run_that_comes_and_goes_while_the_host_is_looked_at_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = lock.Holder("somebody", "2026-01-01T00:00:00Z", "control", "7")
    survey = host_info.inside.survey

    def meanwhile(engine: t.Any) -> dict[str, t.Any]:
        found = survey(engine)
        lock.take(str(tmp_path), mine)
        lock.give_back(str(tmp_path), mine)
        return found

    monkeypatch.setattr(host_info.inside, "survey", meanwhile)
    os.utime(tmp_path, ns=(1, 1))  # long ago, as the clocks of file systems are coarse
    before = lock.turn(str(tmp_path))
    host = host_info.look({**NOWHERE, "root": str(tmp_path)})
    assert host["turn"] == before != lock.turn(str(tmp_path))


NOWHERE: dict[str, t.Any] = {"root": "/nowhere", "docker_socket": "/nowhere", "packages": [], "engine_config": {}, "folders": [], "outputs": [], "incoming": ""}


def test_what_is_returned_is_documented() -> None:
    told = yaml.safe_load(host_info.RETURN)["host"]["contains"]
    assert {*host_info.look(NOWHERE), "registry_error"} == set(told)
