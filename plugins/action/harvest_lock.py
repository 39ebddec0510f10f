# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One harvest at a time writes to a control folder; the lock ends with the run that took it."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.action.host_lock import whoami
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import one_line
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _run_lock

Json = dict[str, t.Any]


class ActionModule(ActionBase):
    """Face of the module documentation ``harvest_lock``."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: t.Any = None, task_vars: Json | None = None) -> Json:
        """Take the lock for the run whose worker this is."""
        result = super().run(tmp, task_vars)
        path = os.path.expanduser(str(self._task.args.get("path") or ""))
        try:
            wait = float(self._task.args.get("wait") or 0)
        except (TypeError, ValueError):
            wait = -1
        if not os.path.isabs(path) or wait < 0:
            return {**result, "failed": True, "msg": "harvest_lock: path must be absolute and wait a number of seconds"}
        try:
            holder = _run_lock.holder(path) if self._task.check_mode else _run_lock.take(path, os.getppid(), whoami(), wait)
        except OSError as exc:
            return {**result, "failed": True, "msg": one_line(exc)}
        if holder is None:
            return {**result, "changed": False, "msg": "would be held" if self._task.check_mode else "held until this run ends", "holder": None}
        words = f"lock {path}: held by {holder.get('who')} from {holder.get('node')} since {holder.get('since')}"
        failed = not self._task.check_mode
        return {**result, "failed": failed, "changed": False, "holder": holder, "msg": f"{words}; wait for that harvest, or give harvest_lock_wait"}
