# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on the host: what it answers, what it refuses; and that its documentation names what the action reads."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import yaml

from ansible_collections.airgap.azure_ai.plugins.action import usage_evidence as action
from ansible_collections.airgap.azure_ai.plugins.modules import usage_evidence

Run = t.Callable[..., dict[str, t.Any]]
KEPT = {"site": "plant-7", "path": "/nowhere"}  # the action plugin's part


def output(tmp_path: Path) -> Path:
    folder = tmp_path / "containers" / "stt" / "output"
    folder.mkdir(parents=True)
    return folder


def test_it_answers_in_one_string(run: Run, tmp_path: Path) -> None:
    (output(tmp_path) / "usage").write_bytes(b"one")
    found = run(usage_evidence.main, **KEPT, containers=["stt"], root=str(tmp_path))
    assert found["changed"] is False
    assert [(piece["path"], "data" in piece) for piece in json.loads(found["compact"])["pieces"]] == [("usage", True)]


def test_check_mode_sends_no_content(run: Run, tmp_path: Path) -> None:
    (output(tmp_path) / "usage").write_bytes(b"one")
    found = run(usage_evidence.main, check=True, **KEPT, containers=["stt"], root=str(tmp_path))
    assert [(piece["size"], "data" in piece) for piece in json.loads(found["compact"])["pieces"]] == [(3, False)]


def test_wrong_options_are_one_line(run: Run, tmp_path: Path) -> None:
    for options in ({"containers": ["a/b"]}, {"containers": ["stt"], "known": "{"}, {"containers": ["stt"], "chunk": 0}):
        found = run(usage_evidence.main, **KEPT, root=str(tmp_path), **options)
        assert found["failed"] and "\n" not in found["msg"]


def test_options_of_both_sides_are_documented() -> None:
    options = yaml.safe_load(usage_evidence.DOCUMENTATION)["options"]
    assert set(action._OWN) | set(usage_evidence.argument_spec()) == set(options)
    for name, option in usage_evidence.argument_spec().items():
        assert options[name].get("default") == option.get("default"), name
