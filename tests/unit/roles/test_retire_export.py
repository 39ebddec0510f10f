# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a retirement ends with an export: with options as the command line gives them, which are text."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

TASKS = Path(__file__).parents[3] / "roles/retire/tasks/main.yml"


def export(folder: Path, empty: bool, *options: str) -> str:
    """What is printed by the role's own last task, with a word in place of the export, on two hosts of which one had nothing to retire."""
    (task,) = [task for task in t.cast(list[dict[str, t.Any]], yaml.safe_load(TASKS.read_text())) if task["name"] == "Write the last export"]
    told = {
        **{key: task[key] for key in ("run_once", "when")},
        "ansible.builtin.debug": {"msg": "exported"},
        "vars": {"__retire_plans": task["vars"]["__retire_plans"]},
    }
    hosts = {name: {"ansible_connection": "local", "__retire_look": {"plan": {"empty": found}}} for name, found in (("h1", True), ("h2", empty))}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": {"retire_site": False, "retire_export": True}}}))
    (folder / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [told]}]))
    command = ["ansible-playbook", "-i", "hosts.json", "play.yml", *(word for option in options for word in ("-e", option))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("empty", "options", "written"),
    [
        (False, (), True),
        (True, (), False),
        (True, ("retire_site=true",), True),
        (True, ("retire_site=false",), False),
        (False, ("retire_export=false",), False),
        (False, ("retire_site=true", "retire_export=false"), False),
    ],
)
def test_an_export_follows_whatever_was_retired_unless_it_is_turned_off(tmp_path: Path, empty: bool, options: tuple[str, ...], written: bool) -> None:
    assert ("exported" in export(tmp_path, empty, *options)) is written
