# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says who wants a host's lock, and takes it over from a killed run of this control node.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import getpass
import hashlib
import os
import platform
import typing as t

from ansible.plugins.action import ActionBase

Json = dict[str, t.Any]

_BOOT = "/proc/sys/kernel/random/boot_id"
_FIRST = "pid:[4026531836]"  # the namespace that a kernel starts with, outside of any container
_MACHINE = 32  # hex digits of a machine's ID; before its first start a file may say "uninitialized"


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
    """``<pid>-<start in clock ticks>-<boot>-<place>``: a process ID alone is used again, and by other machines."""
    with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stream:
        started = stream.read().rpartition(")")[2].split()[19]
    return f"{process}-{started}-{_read(_BOOT)}-{here()}"


def is_dead(run: str) -> bool:
    """Whether the process of a run is gone. Of runs of other places, and of those that name none, nobody here can say."""
    process = run.partition("-")[0]
    if not process.isdigit() or run.rpartition("-")[2] != here():
        return False
    if f"-{_read(_BOOT)}-" not in run:
        return True  # the machine was started anew since
    try:
        return run_of(int(process)) != run
    except OSError:
        return not _exists(int(process))


def here() -> str:
    """Where a process ID means what it means here."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # a kernel without namespaces
        namespace = _FIRST
    try:
        machine = _read("/etc/machine-id")
    except OSError:
        machine = ""
    return place(machine, _read(_BOOT), namespace)


def place(machine: str, boot: str, namespace: str) -> str:
    """16 hex for one machine and one namespace of process IDs; names of machines are often the same.

    In a container, /etc/machine-id may be the image's, and kernels number namespaces alike: there only the boot tells machines apart.
    """
    real = len(machine) == _MACHINE and namespace == _FIRST
    return hashlib.sha256(f"{machine if real else boot}\n{namespace}".encode()).hexdigest()[:16]


def _exists(process: int) -> bool:
    """Whether there is a process, also where /proc hides those of other users."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read().strip()
