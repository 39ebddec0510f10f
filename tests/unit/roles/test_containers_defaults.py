# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long containers may take to end: the same, whoever stops them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import STOP_SECONDS

ROLE = Path(__file__).parents[3] / "roles/containers"


def tasks(name: str) -> list[dict[str, t.Any]]:
    return t.cast(list[dict[str, t.Any]], yaml.safe_load((ROLE / "tasks" / name).read_text()))


def test_modules_and_tasks_let_a_container_end_for_as_long() -> None:
    assert yaml.safe_load((ROLE / "defaults/main.yml").read_text())["containers_stop_seconds"] == STOP_SECONDS
    stopping = [
        task["community.docker.docker_container"] for name in ("stop.yml", "start.yml") for task in tasks(name) if "community.docker.docker_container" in task
    ]
    assert len(stopping) == 2
    assert {options.get("stop_timeout") for options in stopping} == {"{{ containers_stop_seconds }}"}


def test_every_request_of_a_proof_waits_for_its_answer() -> None:
    (block,) = [task for task in tasks("answer.yml") if "block" in task]
    asking = [task["ansible.builtin.uri"] for task in block["block"] if "ansible.builtin.uri" in task]
    assert len(asking) == 2 and {options.get("timeout") for options in asking} == {"{{ containers_smoke_seconds }}"}
