#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_ready
short_description: Waits until a container is ready and licensed
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Asks a container on its own host until it says that it is ready, a tenth of a second after the first look and at most two seconds
    after a later one. A loop of tasks from the control node would pay for a connection and a program with each look.
  - Then holds what it says of its license, where its service says so at all.
  - Asks directly, whatever the environment of the host says of proxies.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._attributes.info
options:
  url:
    description: Where the host reaches the container, as C(http://<address>:<port>).
    type: str
    required: true
  ready:
    description: Path that answers 200 when the container is ready.
    type: str
    default: /ready
  status:
    description: Path that tells C(apiStatus). Empty for a service that has none.
    type: str
    default: ''
  seconds:
    description: How long the container may take until it is ready.
    type: int
    default: 300
seealso:
  - module: airgap.azure_ai.rollout_plan
"""

EXAMPLES = r"""
- name: Wait until the container is ready
  airgap.azure_ai.container_ready:
    url: http://127.0.0.1:5001
    status: /status
"""

RETURN = r"""
looks:
  description: How often it was asked whether it is ready.
  returned: success
  type: int
msg:
  description: What it was, or why it does not serve.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import ready


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "ready": {"type": "str", "default": "/ready"},
            "status": {"type": "str", "default": ""},
            "seconds": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        looks = ready.wait(params["url"] + params["ready"], params["seconds"])
        if params["status"]:
            ready.check(params["url"] + params["status"])
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, looks=looks, msg="ready and licensed" if params["status"] else "ready")


if __name__ == "__main__":
    main()
