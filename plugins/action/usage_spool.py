# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a host for its usage and spool the answer on the control node, past every template."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import spool


class ActionModule(ActionBase):
    """Face of the module documentation ``usage_spool``."""

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Write silence first, then ask, then write the answer: whatever ends this early leaves a true document."""
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        try:
            args.setdefault("host", (task_vars or {})["inventory_hostname"])
            if args.get("direct"):
                return {**result, "changed": False, "targets": spool.targets(args)}
            plan = spool.Plan.of(args)
            if not self._task.check_mode:
                plan.write(plan.silence("host not reached"))
            answered = self._execute_module(module_name="airgap.azure_ai.usage_info", module_args=plan.module_args, task_vars=task_vars)
            if answered.get("failed"):
                problem = " ".join(str(answered.get("msg", "")).split())[:200]
                result["warnings"] = [f"usage of {plan.host}: {problem}"]
                answer = plan.silence(f"usage_info failed: {problem}")
            else:
                answer = spool.load_answer(answered.get("compact"), f"answer of {plan.host}")
            if not self._task.check_mode:
                plan.write(answer)
        except (AirgapError, OSError) as exc:
            return {**result, "failed": True, "msg": one_line(exc)}
        return {**result, "changed": False, **spool.counts(answer)}
