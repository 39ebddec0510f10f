# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations through Ansible's own inventory: it replaces lists, so each group and host has a variable of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

QUERY = "msg={{ query('airgap.azure_ai.containers') | map(attribute='name') | list }}"


def container(name: str, port: int) -> dict[str, object]:
    """A declaration."""
    return {"name": name, "service": "sentiment", "tag": "3.0-en", "resource": "language-dc0", "port": port}


def ask(folder: Path, inventory: dict[str, object]) -> str:
    """What Ansible says to the query for host h1."""
    (folder / "hosts.yml").write_text(json.dumps(inventory))
    command = ["ansible", "h1", "-i", str(folder / "hosts.yml"), "-c", "local", "-m", "ansible.builtin.debug", "-a", QUERY]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, check=False)
    return done.stdout + done.stderr


def inventory(name: str) -> dict[str, object]:
    """h1 in two groups that declare one container each, and with one of its own called ``name``."""
    return {
        "first": {"hosts": {"h1": {"azure_ai_containers": [container(name, 5003)]}}, "vars": {"azure_ai_containers__first": [container("one", 5001)]}},
        "second": {"hosts": {"h1": {}}, "vars": {"azure_ai_containers__second": [container("two", 5002)]}},
    }


def test_two_groups_and_a_host_are_concatenated(tmp_path: Path) -> None:
    answer = ask(tmp_path, inventory("own"))
    found = json.loads(answer.partition("=> ")[2])["msg"]
    assert sorted(found) == ["one", "own", "two"]


def test_one_name_twice_names_both_variables(tmp_path: Path) -> None:
    answer = ask(tmp_path, inventory("two"))
    assert {"azure_ai_containers", "azure_ai_containers__second"} <= set(re.findall(r"azure_ai_containers\w*", answer))
    assert "two" in answer and "Traceback" not in answer
