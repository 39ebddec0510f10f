# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send blobs to a host with rsync, by ansible.posix.synchronize, and write how far it is."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _follow

Json = dict[str, t.Any]


class ActionModule(ActionBase):
    """Face of the module documentation ``blob_send``."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: Json | None = None) -> Json:
        """Run the other action with a thread beside it."""
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        missing = [name for name in ("src", "dest", "list", "size") if args.get(name) in (None, "")]
        if missing:
            return {**result, "failed": True, "msg": f"blob_send: {', '.join(missing)} missing"}
        host = str((task_vars or {}).get("inventory_hostname", "the host"))
        progress = Progress(f"{host}, sending", int(args["size"]), args["progress_file"]) if args.get("progress_file") else None
        task = self._task.copy()
        task.args = rsync(args)
        action = self._shared_loader_obj.action_loader.get(
            "ansible.posix.synchronize",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        with _follow.Follower(progress, lambda: _follow.written(os.getpid(), "rsync")) as follower:
            result.update(action.run(task_vars=task_vars))
            if not result.get("failed"):
                follower.complete()
        return result


def rsync(args: Json) -> Json:
    """Options of synchronize for ours."""
    # The colon says that the list is at the other end.
    more = [f"--files-from=:{args['dest'].rstrip('/')}/{args['list']}", "--chmod=F600"]
    if args.get("bandwidth"):
        more.append(f"--bwlimit={args['bandwidth']}")
    return {
        "src": args["src"],
        "dest": args["dest"],
        "archive": False,
        "compress": False,  # layers are packed already, and packing them again costs more than most networks
        "partial": True,
        "use_ssh_args": True,
        "verify_host": args.get("verify_host", True),
        "rsync_timeout": 300,  # a line that went dead in silence is given up, whatever ssh is told
        "rsync_opts": more,
    }
