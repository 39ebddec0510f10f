# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the host and plans what must be done there.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.action.host_lock import whoami
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import adoption, lan_registry, manage
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.plan import plan
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _front_files, _want


def managed(value: str) -> t.Optional[bool]:
    """True, False, or None where only an engine that this collection installed is managed.

    :raises InputError: another word.
    """
    if value.lower() in ("auto", "none", ""):
        return None
    try:
        return boolean(value)
    except TypeError as exc:
        raise InputError(f"azure_ai_engine_manage {value}", "is neither auto nor true nor false") from exc


def authority(path: str) -> str:
    """The certificate in a file; empty when there is none."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def measured(containers: t.Iterable[t.Mapping[str, t.Any]], every: bool) -> list[str]:
    """Names of containers whose output folders are measured: those that were asked to log there, or all that have one."""
    return [
        item["declaration"]["name"] for item in containers if item["declaration"]["disk_logging"] is not None or (every and "output" in item["entry"]["mounts"])
    ]


def pulled(containers: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, str]:
    """What the registry must hold, by the names of images in the engine."""
    images = [(item["declaration"]["service"], item["image"]) for item in containers if item["image"] is not None]
    return {local_image(service, record["manifest"]): f"{record['repository']}@{record['manifest']}" for service, record in images}


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
                "allow_expired": {"type": "bool", "default": False},
                "unpin": {"type": "bool", "default": False},
                "prune": {"type": "bool", "default": True},
                "measure": {"type": "bool", "default": False},
                "engine_manage": {"type": "str", "default": "auto"},
                "engine_config": {"type": "dict", "default": {}},
                "transport": {"type": "str", "default": "auto"},
                "registry": {"type": "str", "default": ""},
                "registry_ca": {"type": "path", "default": ""},
                "incoming": {"type": "str", "default": ""},
                "registry_from": {"type": "int", "default": 8},
                "hosts": {"type": "int", "default": 1},
                "front": {"type": "dict", "default": {}},
                "front_folder": {"type": "path", "default": ""},
            }
        )
        try:
            holdings = _want.holdings_of(args["store"])
            variables = _want.templated(task_vars or {}, self._templar.template)
            want = _want.want(variables, holdings, args["root"], args["allow_latest"], args["allow_small"])
            want.update(allow_expired=args["allow_expired"], unpin=args["unpin"], prune=args["prune"])
            want["engine"] = {"manage": managed(args["engine_manage"]), "config": args["engine_config"]}
            want["registry"] = lan_registry.chosen(args["transport"], args["registry"], args["hosts"], args["registry_from"])
            want["front"] = {"declared": args["front"], **_front_files.look(args["front"], args["front_folder"])}
            want["fronted"] = bool(args["front"])
        except AirgapError as exc:
            raise AnsibleActionFail(str(exc)) from None  # Ansible would tell the cause a second time
        names = sorted({item["name"] for item in want["packages"]} | {"docker.io", *manage.TOOLS})
        asked = {**{name: args[name] for name in ("root", "docker_socket", "engine_config", "incoming")}, "packages": names}
        asked["folders"] = adoption.folders(want["containers"])
        asked["outputs"] = measured(want["containers"], args["measure"])
        if want["registry"]:
            asked.update(registry=want["registry"], registry_ca=authority(args["registry_ca"]), registry_images=pulled(want["containers"]))
        looked = self._execute_module(module_name="airgap.azure_ai.host_info", module_args=asked, task_vars=task_vars)
        if looked.get("failed") or "host" not in looked:
            return {**result, **looked}
        if (looked["host"].get("lock") or {}).get("run") == whoami()["run"]:
            looked["host"]["lock"] = None  # ours
        try:
            result.update(changed=False, host=looked["host"], plan=plan(looked["host"], want))
        except AirgapError as exc:
            raise AnsibleActionFail(str(exc)) from None  # Ansible would tell the cause a second time
        return result
