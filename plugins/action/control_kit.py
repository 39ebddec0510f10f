# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the collections that are to be carried where this Ansible finds them, then runs the module.

This file is private to the collection.
"""

from __future__ import annotations

import importlib
import os
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

OWN = "airgap.azure_ai"
NEEDED = (OWN, "ansible.posix", "community.docker", "community.library_inventory_filtering_v1")


class ActionModule(ActionBase):
    """Action part of airgap.azure_ai.control_kit."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Fill in the folders of the collections and of the installer; fail in one line."""
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        # A name or a path; each once, ours always.
        wanted = dict.fromkeys([*NEEDED, *(str(name) for name in args.get("collections") or [])])
        args["collections"] = [name if os.sep in name else located(name) for name in wanted]
        args.setdefault("installer", os.path.join(args["collections"][0], "roles", "bundle", "files", "control"))
        result.update(self._execute_module(module_name="airgap.azure_ai.control_kit", module_args=args, task_vars=task_vars))
        return result


def located(name: str) -> str:
    """The folder that this Ansible loads the collection from."""
    try:
        package = importlib.import_module(f"ansible_collections.{name}")
        return os.path.realpath(next(iter(package.__path__)))
    except (ImportError, ValueError, StopIteration):
        raise AnsibleActionFail(f"collection {name}: not installed here; install it with ansible-galaxy, or take it out of collections") from None
