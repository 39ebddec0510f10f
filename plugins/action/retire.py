# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retires step by step: stop, archive to the control node, prove the archive, and only then remove.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import os
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import fsync_folder, make_folder
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, pack
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

Json = dict[str, t.Any]
_OWN = ("archive", "step", "target", "packing", "packed")  # options that a task does not hand to the host


class _Failed(Exception):
    """The host's answer says that it failed."""

    def __init__(self, answer: Json) -> None:
        super().__init__(str(answer.get("msg")))
        self.answer = answer


class ActionModule(ActionBase):
    """airgap.azure_ai.retire."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: Json | None = None) -> Json:
        """Look; outside of check mode go on to the end."""
        result = super().run(tmp, task_vars)
        args = {key: value for key, value in self._task.args.items() if key not in _OWN}
        try:
            found = self._ask(args, task_vars, step="look")
            plan = found["plan"]
            self._metered(plan, task_vars or {})
            if not self._task.check_mode and not plan["empty"]:
                found = {**found, **self._retire(args, plan, task_vars)}
        except _Failed as exc:
            return {**result, **exc.answer}
        except (AirgapError, OSError) as exc:
            return {**result, "failed": True, "msg": one_line(exc)}
        return {**result, **found, "plan": plan}

    def _retire(self, args: Json, plan: Json, task_vars: Json | None) -> Json:
        if plan["problems"]:
            raise InputError("retire", " | ".join(plan["problems"]))
        folder = os.path.expanduser(str(self._task.args.get("archive") or ""))
        steps = [step for step in plan["containers"] if step["archive"]]
        if steps and not os.path.isabs(folder):
            raise InputError("archive", "an absolute path on the control node is needed", "give archive, or output=keep")
        self._ask(args, task_vars, step="stop")
        archives, packed = [], {}
        for step in steps:
            told, path = self._fetch(args, step["name"], folder, task_vars)
            packed[step["name"]] = told["fingerprint"]
            archives.append({"container": step["name"], "path": path, **{key: told[key] for key in ("digest", "files", "bytes", "skipped")}})
        done = self._ask(args, task_vars, step="wipe", packed=packed)
        return {"archives": archives, "wiped": done["wiped"], "sets": done["sets"], "changed": True}

    def _fetch(self, args: Json, name: str, folder: str, task_vars: Json | None) -> tuple[Json, str]:
        """Archive one container's folder and bring it here; it has its name only when it is proved."""
        if not is_dns_label(name):
            raise InputError(f"container {name!r}", "its folder has no name that a container can have", "look at the host")
        before, folder_there = self._connection._shell.tmpdir, self._make_tmp_path()
        try:
            return self._brought(args, name, self._connection._shell.join_path(folder_there, f"{name}.tar.gz"), folder, task_vars)
        finally:
            self._remove_tmp_path(folder_there, force=True)
            self._connection._shell.tmpdir = before

    def _brought(self, args: Json, name: str, target: str, folder: str, task_vars: Json | None) -> tuple[Json, str]:
        told = self._ask(args, task_vars, step="pack", packing=name, target=target)["packed"]
        make_folder(folder)
        moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        path = os.path.join(folder, f"{name}-{moment}.tar.gz")
        self._connection.fetch_file(target, path + ".part")
        os.chmod(path + ".part", 0o600)
        if str(digest_file(path + ".part")[0]) != told["digest"]:
            raise IntegrityError(path + ".part", "is not what the host wrote; nothing was removed", "run it again")
        if pack.prove(path + ".part") != told["files"]:
            raise IntegrityError(path + ".part", "does not hold as many files as the host told; nothing was removed", "run it again")
        with open(path + ".part", "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(path + ".part", path)
        fsync_folder(folder)
        return told, path

    def _ask(self, args: Json, task_vars: Json | None, **step: t.Any) -> Json:
        answer: Json = self._execute_module(module_name="airgap.azure_ai.retire", module_args={**args, **step}, task_vars=task_vars)
        if answer.get("failed") or not isinstance(answer.get("plan"), dict):
            raise _Failed({**answer, "failed": True})
        return answer

    def _metered(self, plan: Json, task_vars: Json) -> None:
        """Leave out endpoints of services that keep no usage records."""
        catalog = _catalog.load(self._templar.template(task_vars.get(_catalog.OVERRIDES)))
        plan["endpoints"] = [item for item in plan["endpoints"] if item["service"] not in catalog or entries.metered(catalog[item["service"]])]
