# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the host and plans what must be done there.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.plan import plan
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _want


class ActionModule(ActionBase):
    """airgap.azure_ai.rollout_plan."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """One host_info on the host; everything else happens here."""
        result = super().run(tmp, task_vars)
        _valid, args = self.validate_argument_spec(
            {
                "store": {"type": "path", "required": True},
                "root": {"type": "path", "default": "/var/lib/azure-ai"},
                "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
                "allow_latest": {"type": "bool", "default": False},
                "allow_small": {"type": "bool", "default": False},
            }
        )
        try:
            holdings = _want.holdings_of(args["store"])
            variables = _want.templated(task_vars or {}, self._templar.template)
            want = _want.want(variables, holdings, args["root"], args["allow_latest"], args["allow_small"])
        except AirgapError as exc:
            raise AnsibleActionFail(str(exc)) from None  # Ansible would tell the cause a second time
        names = sorted({item["name"] for item in want["packages"]} | {"docker.io"})
        asked = {"root": args["root"], "docker_socket": args["docker_socket"], "packages": names}
        looked = self._execute_module(module_name="airgap.azure_ai.host_info", module_args=asked, task_vars=task_vars)
        if looked.get("failed") or "host" not in looked:
            return {**result, **looked}
        try:
            result.update(changed=False, host=looked["host"], plan=plan(looked["host"], want))
        except AirgapError as exc:
            raise AnsibleActionFail(str(exc)) from None  # Ansible would tell the cause a second time
        return result
