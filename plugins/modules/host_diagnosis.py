#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_diagnosis
short_description: Puts everything that explains a host's state into one bounded archive on the control node
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Container logs, log files of the output mounts, the containers as the engine inspects them, the engine's facts and journal, system, disk, mounts,
    clock, releases by name and digest, and the plan's problems. Known messages are explained in C(summary.txt).
  - Works with the engine down and on a host that has nothing of this collection.
  - Licenses are never in it. Keys, passwords and vaults are struck out on the host and once more on the control node, where
    the vault passwords of the run are known. Values of settings that are not known to be harmless are struck out as well.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._docker
attributes:
  check_mode:
    support: full
    details:
      - Looks at the host, and writes nothing on the control node.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Every run writes an archive of its own. It never reports a change, as nothing but the archive is written.
  action:
    description: Fetches the archive, strikes out once more, and marks it.
    support: full
options:
  root:
    description: Folder of the collection on the host.
    type: path
    default: /var/lib/azure-ai
  dest:
    description: Folder on the control node. Required.
    type: path
  site:
    description: Name of the site, for the archive's name.
    type: str
    default: site
  marking:
    description:
      - Whether the archive may leave the site. It stands in the archive's name and in the first line of C(summary.txt).
      - With V(leave), names of hosts and of the site, and all addresses, are replaced by pseudonyms. The same one stands for the same thing in every
        archive; the list, C(pseudonyms.json) in O(dest), stays at the site.
    type: str
    choices: [stay, leave]
    default: stay
  max_bytes:
    description: Bound of what is in the archive, before it is compressed.
    type: int
    default: 16777216
  log_lines:
    description: How many of the last lines of each log.
    type: int
    default: 2000
  told:
    description: What the control node knows, a mapping with C(problems), C(warnings) and C(lines) of the plan.
    type: dict
    default: {}
  target:
    description: Path on the host of the archive to write; set by the action plugin.
    type: path
"""

EXAMPLES = r"""
- name: Diagnose the host
  airgap.azure_ai.host_diagnosis:
    dest: /srv/azure-ai/diagnosis
    marking: leave
  become: true
"""

RETURN = r"""
path:
  description: The archive on the control node; null in check mode.
  returned: success
  type: str
summary:
  description: What C(summary.json) holds.
  returned: success
  type: dict
lines:
  description: What C(summary.txt) holds, without its first line.
  returned: success
  type: list
  elements: str
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.diagnosis import Diagnosis
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import DEFAULT_SOCKET

LEAST = 1024 * 1024


def write(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Write the archive where the action plugin fetches it; return its summary."""
    target = params["target"]
    if not target:
        raise InputError("target", "not given", "leave it to the action plugin")
    diagnosis = Diagnosis(params["root"], params["docker_socket"], params["told"], params["log_lines"])
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        summary = diagnosis.write(stream, max(params["max_bytes"], LEAST))
        owner = os.stat(os.path.dirname(target))  # the login user's, who fetches it
        os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
    return summary


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/azure-ai"},
            "docker_socket": {"type": "path", "default": DEFAULT_SOCKET},
            "dest": {"type": "path"},
            "site": {"type": "str", "default": "site"},
            "marking": {"type": "str", "choices": ["stay", "leave"], "default": "stay"},
            "max_bytes": {"type": "int", "default": 16 * 1024 * 1024},
            "log_lines": {"type": "int", "default": 2000},
            "told": {"type": "dict", "default": {}},
            "target": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        summary = write(module.params)
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=one_line(exc, "host"))
    module.exit_json(changed=False, summary=summary)


if __name__ == "__main__":
    main()
