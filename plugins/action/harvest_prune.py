# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of old harvests go, on the control node and without a process of their own."""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months, spool

Json = dict[str, t.Any]


class ActionModule(ActionBase):
    """Face of the module documentation ``harvest_prune``."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: t.Any = None, task_vars: Json | None = None) -> Json:
        """Find what is old, and remove it."""
        result = super().run(tmp, task_vars)
        path = os.path.expanduser(str(self._task.args.get("path") or ""))
        keep = str(self._task.args.get("keep_months"))
        if not os.path.isabs(path) or not keep.isdigit() or not 1 <= int(keep) <= months.MAX_MONTHS:
            return {**result, "failed": True, "msg": f"harvest_prune: path must be absolute and keep_months a number from 1 to {months.MAX_MONTHS}"}
        try:
            names = spool.old(path, int(keep), months.now())
            for name in () if self._task.check_mode else names:
                shutil.rmtree(os.path.join(path, name))
        except OSError as exc:
            return {**result, "failed": True, "msg": one_line(exc)}
        verb = "would remove" if self._task.check_mode else "removed"
        words = f"{verb} the answers of {len(names)} harvests, the last of them {names[-1]}" if names else "nothing is old enough"
        return {**result, "changed": bool(names), "removed": names, "msg": words}
