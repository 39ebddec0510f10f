# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a host's diagnosis, strikes out once more, marks it, and gives pseudonyms where it may leave.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import os
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import make_folder
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.masking import Mask
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _carried

Json = dict[str, t.Any]
_SLACK = 4 * 1024 * 1024


class ActionModule(ActionBase):
    """airgap.azure_ai.host_diagnosis."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: Json | None = None) -> Json:
        """The module on the host; everything else here."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        args = dict(self._task.args)
        folder = os.path.expanduser(str(args.get("dest") or ""))
        if not os.path.isabs(folder):
            return {**result, "failed": True, "msg": "host_diagnosis: dest must be an absolute path on the control node"}
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        before, remote = self._connection._shell.tmpdir, self._make_tmp_path()
        target = self._connection._shell.join_path(remote, "diagnosis.tar.gz")
        try:
            asked = {**args, "told": {**(args.get("told") or {}), "control_now": now}, "target": target}
            answer = self._execute_module(module_name="airgap.azure_ai.host_diagnosis", module_args=asked, task_vars=variables)
            if answer.get("failed") or "summary" not in answer:
                return {**result, **answer, "failed": True}
            result.update(self._carry(args, target, folder, str(answer["summary"]["host"]["hostname"]), variables))
        except (AirgapError, OSError) as exc:
            return {**result, "failed": True, "msg": one_line(exc)}
        finally:
            self._remove_tmp_path(remote, force=True)
            self._connection._shell.tmpdir = before
        return {**result, "changed": False, "summary": answer["summary"]}

    def _carry(self, args: Json, target: str, folder: str, hostname: str, variables: Json) -> Json:
        if self._task.check_mode:
            return {"path": None, "lines": []}
        marking, name, site = str(args.get("marking") or "stay"), str(variables["inventory_hostname"]), str(args.get("site") or "site")
        if marking not in _carried.MARKS:
            raise InputError("marking", f"{marking!r} is neither stay nor leave")
        make_folder(folder)
        part = os.path.join(folder, f".{name.replace('/', '_')}.part")
        self._connection.fetch_file(target, part)
        os.chmod(part, 0o600)
        pseudonyms: _carried.Pseudonyms | None = None
        moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        try:
            if marking == "leave":
                pseudonyms = _carried.Pseudonyms(os.path.join(folder, "pseudonyms.json"), _names(variables, hostname, site))
            who = (pseudonyms.of(site, "site"), pseudonyms.of(name, "host")) if pseudonyms else (site, name.replace("/", "_"))
            path = os.path.join(folder, f"{'-'.join(who)}-{moment}-{marking.upper()}.tar.gz")
            most = int(args.get("max_bytes") or 16 * 1024 * 1024) + _SLACK
            summary = _carried.remade(part, path, marking, Mask(self._passwords()), pseudonyms, most)
        finally:
            os.unlink(part)
            if pseudonyms is not None:
                pseudonyms.save()
        return {"path": path, "lines": summary.splitlines()}

    def _passwords(self) -> list[bytes]:
        """Words that this run knows and that must never be in an archive: vault and become passwords."""
        found = [secret.bytes for _name, secret in getattr(self._loader._vault, "secrets", None) or [] if getattr(secret, "bytes", None)]
        word = self._play_context.become_pass or (self._connection.become.get_option("become_pass") if self._connection.become else None)
        return found + ([str(word).encode()] if word else [])


def _names(variables: Json, hostname: str, site: str) -> dict[str, set[str]]:
    """What must not leave by its name: every host of the inventory as it is called and reached, and the site."""
    known = variables.get("hostvars") or {}
    inventory = [str(name) for name in (variables.get("groups") or {}).get("all", [])]
    reached = {str(known[name].get("ansible_host") or name) for name in inventory if name in known}
    hosts = {*inventory, *reached, str(variables["inventory_hostname"]), hostname, hostname.partition(".")[0]}
    return {"host": hosts - {"localhost", "127.0.0.1", "::1", site, ""}, "site": {site}}
