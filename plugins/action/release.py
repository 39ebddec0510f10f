# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decrypts licenses on the control node, then runs the module on the host.

This file is private to the collection.
"""

from __future__ import annotations

import base64
import os
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _license


class ActionModule(ActionBase):
    """Action part of airgap.azure_ai.release."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Decrypt what is to be staged and hand it over; fail in one line."""
        result = super().run(tmp, task_vars)
        args = {key: value for key, value in self._task.args.items() if key != "license_content"}
        try:
            if args.get("state", "staged") == "staged":
                store = str(args.get("store") or "")
                licensed = [item for item in args.get("releases") or [] if item["release"]["license"] is not None]
                args["license_content"] = {item["container"]: self._license(item, store) for item in licensed}
        except AirgapError as exc:
            raise AnsibleActionFail(str(exc)) from None  # Ansible would tell the cause a second time
        except (KeyError, TypeError):
            raise AnsibleActionFail("releases: every item needs container, release and license") from None
        result.update(self._execute_module(module_name="airgap.azure_ai.release", module_args=args, task_vars=task_vars))
        return result

    def _license(self, item: t.Mapping[str, t.Any], store: str) -> str:
        """One license in base64."""
        named = str(item["license"])
        path = os.path.join(os.path.expanduser(store), "blobs", "sha256", Digest.parse(named).hex) if named.startswith("sha256:") else named
        return base64.b64encode(_license.opened(self._loader, path, item["release"]["license"], item["container"])).decode("ascii")
