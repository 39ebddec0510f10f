#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_info
short_description: Tells what a rollback of containers would run
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - A container goes back to how it ran when it proved itself before the present one did; image, license, models, settings and limits together.
  - What must not or cannot be started is told as a problem, such as a release whose license ended or whose image is gone.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._attributes.info
  - airgap.azure_ai._docker
options:
  root:
    description: Folder of the collection on the host.
    type: path
    default: /var/lib/azure-ai
  containers:
    description: Containers to roll back. Empty for all that have something to go back to.
    type: list
    elements: str
    default: []
  failed:
    description:
      - Hash of the spec that failed just now, by container. Such a container goes back to what proved itself last.
    type: dict
    default: {}
seealso:
  - module: airgap.azure_ai.release
"""

EXAMPLES = r"""
- name: See what a rollback would do
  airgap.azure_ai.rollback_info:
    containers: [sentiment]
  register: result
  become: true

- name: Show it
  ansible.builtin.debug:
    var: result.lines
"""

RETURN = r"""
steps:
  description: >-
    What to run, as items of C(switch) in the plan of M(airgap.azure_ai.rollout_plan) and in the same order, a container behind those that it needs;
    each with C(back) (V(manual) or V(automatic)), C(left) and C(previous) for M(airgap.azure_ai.release) besides.
  returned: success
  type: list
  elements: dict
problems:
  description: What stands in the way.
  returned: success
  type: list
  elements: str
lines:
  description: The plan for people.
  returned: success
  type: list
  elements: str
"""

import datetime

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import back, inside
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import DEFAULT_SOCKET, Engine


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/azure-ai"},
            "docker_socket": {"type": "path", "default": DEFAULT_SOCKET},
            "containers": {"type": "list", "elements": "str", "default": []},
            "failed": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        found = back.survey(params["root"], params["containers"], params["failed"], inside.survey(Engine(params["docker_socket"])), now)
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=one_line(exc, f"{params['root']}"))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
