# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load an image into a host's engine, and write on the control node how far it is."""

from __future__ import annotations

import copy
import json
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _follow

Json = dict[str, t.Any]
_MODULE = "airgap.azure_ai.image_load"


class ActionModule(ActionBase):
    """Face of the module documentation ``image_load``."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: Json | None = None) -> Json:
        """Run the module; where a file is named, look now and then at the one that it writes on the host."""
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        path = args.pop("progress_file", None)
        if not path or self._task.check_mode or self._task.async_val:
            return {**result, **self._execute_module(module_name=_MODULE, module_args=args, task_vars=task_vars)}
        host = str((task_vars or {}).get("inventory_hostname", "the host"))
        folder = self._make_tmp_path()
        there = self._connection._shell.join_path(folder, "progress.json")
        try:
            with _follow.Follower(Progress(f"{host}, loading {args.get('name')}", total(args), path), self._looker(there)) as follower:
                result.update(self._execute_module(module_name=_MODULE, module_args={**args, "progress_file": there}, task_vars=task_vars))
                if not result.get("failed"):
                    follower.complete()
                return result
        finally:
            self._remove_tmp_path(folder, force=True)

    def _looker(self, path: str) -> _follow.Look:
        # A connection of its own, as this one waits for the module. The file is readable for the login user, who owns its folder.
        connection = copy.copy(self._connection)
        connection.become = None
        command = f"cat {self._connection._shell.quote(path)}"

        def look() -> int | None:
            code, out, _err = connection.exec_command(command, sudoable=False)
            return int(json.loads(out)["done"]) if code == 0 else None

        return look


def total(args: Json) -> int:
    """Bytes that are streamed into the engine, 0 where the record does not say."""
    record = args.get("image") or {}
    try:
        left = set(args.get("leave_out") or ())
        return sum(int(layer["size"]) for layer in record["layers"] if layer["digest"] not in left)
    except (KeyError, TypeError, ValueError):
        return 0
