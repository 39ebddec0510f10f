# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around a takeover: check mode, a second run, words."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import adoption
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def options(tmp_path: Path, fake: FakeEngine) -> dict[str, t.Any]:
    (tmp_path / "old").mkdir()
    for name in ("old", "stt.adopted"):
        fake.answers[f"/containers/{name}/json"] = (404, b'{"message": "No such container"}')
    return {"root": str(tmp_path / "root"), "docker_socket": fake.path, "name": "stt", "output": str(tmp_path / "old")}


def test_check_mode_tells_and_a_second_run_changes_nothing(options: dict[str, t.Any], tmp_path: Path, run: Run) -> None:
    told = run(adoption.main, check=True, state="linked", **options)
    assert told["changed"] is True and not (tmp_path / "root").exists()
    assert run(adoption.main, state="linked", **options)["changed"] is True
    again = run(adoption.main, state="linked", **options)
    assert (again["changed"], again["msg"], again["diff"]["after"]) == (False, "container stt: nothing to do", "")


def test_the_old_container_is_renamed_by_the_engine(options: dict[str, t.Any], fake: FakeEngine, run: Run) -> None:
    run(adoption.main, state="linked", **options)
    found = {"Id": "1" * 64, "Image": "sha256:1", "Config": {"Image": "x:1"}, "HostConfig": {"RestartPolicy": {"Name": "always"}}}
    fake.answers["/containers/old/json"] = (200, json.dumps(found).encode())
    assert run(adoption.main, check=True, state="held", container="old", **options)["changed"] is True
    assert not any("stop" in path for path in fake.paths)
    assert run(adoption.main, state="held", container="old", **options)["msg"] == "container stt: old is set aside as stt.adopted"
    assert [path.rpartition("/")[2] for path in fake.paths if path.startswith("POST")] == ["update", "stop", "rename"]


def test_what_is_wrong_is_one_line(options: dict[str, t.Any], run: Run) -> None:
    result = run(adoption.main, state="linked", **{**options, "output": "/nowhere/at/all"})
    assert result["failed"] and result["msg"].startswith("container stt: adopt.output /nowhere/at/all is not a folder")
