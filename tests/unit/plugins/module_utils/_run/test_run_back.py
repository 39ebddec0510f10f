# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback's plan: what it says of days and settings; the rest is tested through the module rollback_info."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import back
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, release

ONE = release(Image(b"one"))
HELD: dict[str, t.Any] = {"images": [{"name": "i", "usable": True}], "containers": []}


def lay(root: Path, name: str, **more: t.Any) -> Path:
    """A container whose present run had the same release with other settings before it."""
    folder = root / "containers" / name
    (folder / "releases" / ONE["id"] / "license").mkdir(parents=True)
    (folder / "releases" / ONE["id"] / "release.json").write_text(json.dumps({**ONE, **more}))
    (folder / "releases" / ONE["id"] / "license" / "license.dat").write_text("x")
    (folder / "current").symlink_to(f"releases/{ONE['id']}")
    run = {"container": name, "release": ONE["id"], "docker_container": {"image": "i", "labels": {"airgap.azure_ai.spec": "old"}}}
    (folder / "former.json").write_text(json.dumps({"spec": "old", "release": ONE["id"], "since": "2026-05-01T00:00:00Z", "previous": None, "run": run}))
    return folder


@pytest.mark.parametrize(("now", "days"), [("2026-12-31T23:59:59Z", 0), ("2026-06-01T00:00:00Z", 213)])
def test_former_settings_of_the_same_release(tmp_path: Path, now: str, days: int) -> None:
    lay(tmp_path, "x")
    step, line = back.step(str(tmp_path), "x", None, HELD, now)
    assert step is not None and (step["from"], step["to"], step["restart"]) == (ONE["id"], ONE["id"], False)
    assert line == f"{ONE['id']} with its former settings (rollback to what proved itself on 2026-05-01), start, license {days} days"


def test_a_license_that_ended_yesterday_is_not_started(tmp_path: Path) -> None:
    lay(tmp_path, "x")
    with pytest.raises(AirgapError, match="ended on 2026-12-31, so it is not started; bundle a new one"):
        back.step(str(tmp_path), "x", None, HELD, "2027-01-01T00:00:00Z")


def test_one_containers_problem_is_not_anothers(tmp_path: Path) -> None:
    lay(tmp_path, "ended", expires="2020-01-01")
    lay(tmp_path, "good")
    found = back.survey(str(tmp_path), [], {}, HELD, "2026-06-01T00:00:00Z")
    assert [step["container"] for step in found["steps"]] == ["good"]
    assert len(found["problems"]) == 1 and "container ended" in found["problems"][0]
