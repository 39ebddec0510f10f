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

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, IntegrityError, MissingError


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
        """One license in base64. It must be the blob that its release names."""
        named, what = str(item["license"]), f"license of container {item['container']}"
        path = os.path.join(os.path.expanduser(store), "blobs", "sha256", Digest.parse(named).hex) if named.startswith("sha256:") else named
        if not os.path.isfile(path):
            raise MissingError(what, f"{path} is not there", "receive the bundle again")
        if str(digest_file(path)[0]) != item["release"]["license"]:
            raise IntegrityError(what, f"{path} is not the one that its release names", "receive the bundle again")
        real = ""
        try:
            real = self._loader.get_real_file(path, decrypt=True)
            with open(real, "rb") as stream:
                return base64.b64encode(stream.read()).decode("ascii")
        except AnsibleError as exc:
            raise MissingError(
                what, "no vault secret at hand opens it", "run with --vault-id or set vault_identity_list to what it was encrypted with"
            ) from exc
        finally:
            self._loader.cleanup_tmp_file(real)
