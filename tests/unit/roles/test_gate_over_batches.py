# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate counts hosts of all batches that failed or are out of reach, also those whose container went back to what worked."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

HOSTS = [f"h{number}" for number in range(1, 7)]
# As a switch fails: rescued, taken back, and then failed in words.
SWITCH: list[dict[str, t.Any]] = [
    {"name": "Reach it", "ansible.builtin.raw": "true", "changed_when": False},
    {
        "name": "Switch",
        "block": [{"name": "Fail", "ansible.builtin.fail": {"msg": "never ready"}, "when": "inventory_hostname in broken + mended"}],
        "rescue": [
            {"name": "Go back", "ansible.builtin.debug": {"msg": "{{ inventory_hostname }} goes back"}},
            {"name": "Say so", "ansible.builtin.fail": {"msg": "{{ inventory_hostname }} was rolled back"}, "when": "inventory_hostname in broken"},
        ],
    },
    {"name": "Gate", "ansible.builtin.import_role": {"name": "airgap.azure_ai.gate"}},
]


def rollout(
    folder: Path, batch: t.Any, allowed: int, broken: t.Sequence[str] = (), gone: t.Sequence[str] = (), mended: t.Sequence[str] = ()
) -> tuple[str, str]:
    """What a rollout prints, and the hosts that it began with (those of the recap)."""
    nowhere = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    hosts = {name: nowhere if name in gone else {"ansible_connection": "local"} for name in HOSTS}
    play = {"name": "Roll out", "hosts": "all", "gather_facts": False, "serial": batch, "tasks": SWITCH}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (folder / "play.yml").write_text(json.dumps([play]))
    values = json.dumps({"rollout_max_failed": allowed, "broken": list(broken), "mended": list(mended)})
    command = ["ansible-playbook", "-i", "hosts.json", "play.yml", "-e", values]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACKS_ENABLED": "airgap.azure_ai.progress"}  # as init sets it
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    recap = done.stdout.rpartition("PLAY RECAP")[2]
    return done.stdout, " ".join(name for name in HOSTS if f"{name} " in recap)


@pytest.mark.parametrize(
    ("batch", "allowed", "failing", "begun", "told"),
    [
        (2, 0, {"broken": ["h1"]}, "h1 h2", "h1 failed or went out of reach, which is more than rollout_max_failed (0); not begun: h3, h4, h5, h6;"),
        (2, 0, {"gone": ["h2"]}, "h1 h2", "h2 failed or went out of reach, which is more than rollout_max_failed (0); not begun: h3, h4, h5, h6;"),
        (2, 1, {"broken": ["h1"], "gone": ["h4"]}, "h1 h2 h3 h4", "h1, h4 failed or went out of reach, which is more than rollout_max_failed (1);"),
        (2, 1, {"broken": ["h2"]}, "h1 h2 h3 h4 h5 h6", None),
        (1, 0, {"mended": ["h1", "h2"]}, "h1 h2 h3 h4 h5 h6", None),
        (3, 0, {"broken": ["h5"]}, "h1 h2 h3 h4 h5 h6", None),
        # Ansible itself ends a play when a whole batch failed, whatever is allowed, and no task is left that could say what was not begun.
        (1, 1, {"broken": ["h2"]}, "h1 h2", "failed or out of reach: h2; not begun: h3, h4, h5, h6; mend the cause"),
        (1, 1, {"gone": ["h1"]}, "h1", "failed or out of reach: h1; not begun: h2, h3, h4, h5, h6; mend the cause"),
        ([1, "50%", "100%"], 1, {"gone": ["h1"]}, "h1", "failed or out of reach: h1; not begun: h2, h3, h4, h5, h6; mend the cause"),
    ],
)
def test_the_gate(tmp_path: Path, batch: t.Any, allowed: int, failing: dict[str, list[str]], begun: str, told: str | None) -> None:
    output, seen = rollout(tmp_path, batch, allowed, **failing)
    assert seen == begun
    assert told in output if told is not None else "the rollout stops here" not in output and "not begun" not in output, output
