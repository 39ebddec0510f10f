# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says who wants a host's lock, and takes it over from a killed run of this control node.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import getpass
import os
import platform
import typing as t

from ansible.plugins.action import ActionBase

Json = dict[str, t.Any]


class ActionModule(ActionBase):
    """airgap.azure_ai.host_lock."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: Json | None = None) -> Json:
        """The module, and once more when the lock is that of a dead process of ours."""
        result = super().run(tmp, task_vars)
        mine = whoami()
        answer = self._ask(mine, [], task_vars)
        holder = answer.get("holder") or {}
        if answer.get("failed") and holder.get("node") == mine["node"] and is_dead(str(holder.get("run", ""))):
            answer = self._ask(mine, [holder["run"]], task_vars)
        return {**result, **answer}

    def _ask(self, mine: Json, dead: list[str], task_vars: Json | None) -> Json:
        args = {**self._task.args, "mine": mine, "dead": dead}
        answer: Json = self._execute_module(module_name="airgap.azure_ai.host_lock", module_args=args, task_vars=task_vars)
        return answer


def whoami() -> dict[str, str]:
    """This run of ansible-playbook: its worker processes come and go, their parent stays."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"who": getpass.getuser(), "since": now, "node": platform.node(), "run": run_of(os.getppid())}


def run_of(process: int) -> str:
    """``<pid>-<start in clock ticks>-<boot>``: a process ID alone is used again."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot = stream.read().strip()
    with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stream:
        started = stream.read().rpartition(")")[2].split()[19]
    return f"{process}-{started}-{boot}"


def is_dead(run: str) -> bool:
    """Whether the process of a run of this node is gone."""
    process = run.partition("-")[0]
    if not process.isdigit():
        return False
    try:
        return run_of(int(process)) != run
    except OSError:
        return True
