#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a site's wants into its outbox, signed."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wants_write
short_description: Write a site's wants into its outbox
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Writes C(wants.json) and its signature when they are not what they should be. It is made from a fixed list of members, none of which is a
    host's name or address.
  - Runs on the control node of a site. Needs C(ssh-keygen) of OpenSSH 8.9 or later.
options:
  outbox:
    description: Folder of what leaves the site.
    type: path
    required: true
  site:
    description: Name of the site.
    type: str
    required: true
  signing_key:
    description: Private key of the site.
    type: path
    required: true
  wants:
    required: true
requirements:
  - ssh-keygen
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._wants
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: airgap.azure_ai.package_info
  - module: airgap.azure_ai.wants_info
"""

EXAMPLES = r"""
- name: Write what the site needs
  airgap.azure_ai.wants_write:
    outbox: "{{ azure_ai_home }}/outbox"
    site: plant-7
    signing_key: "{{ azure_ai_signing_key }}"
    wants:
      containers:
        - {service: speech_to_text, tag: 4.9.0-amd64-en-us, resource: speech-dc0, options: {}}
      os: [debian-12]
      control: {os: debian-12, python: "3.11", arch: amd64}
      packages: ["{{ azure_ai_home }}/wants/speech-1.json"]
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
systems:
  description: Releases of which wants tell what the hosts have, so that a bundle brings what they lack.
  returned: success
  type: list
  elements: str
msg:
  description: What was done and why, in one line.
  returned: always
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import outbox, states


def run(params, check_mode):
    """Compose, compare, write; return the module's result."""
    document = outbox.wants(params["site"], states.told(params["wants"]))
    reason = outbox.reason(params["outbox"], outbox.WANTS, document, outbox.WANTS_NAMESPACE, params["signing_key"])
    if reason and not check_mode:
        outbox.write(params["outbox"], outbox.WANTS, document, outbox.WANTS_NAMESPACE, params["signing_key"])
    path, systems = os.path.join(params["outbox"], outbox.WANTS), [entry["os"] for entry in document.get("packages", [])]
    about = f"bundles bring what the hosts of {', '.join(systems)} lack" if systems else "nothing is told of hosts' packages, so bundles bring all"
    verb = "would write" if check_mode else "wrote"
    done = f"{verb} {path}: {reason}" if reason else f"{path} is as it should be"
    return {"changed": reason is not None, "path": path, "systems": systems, "msg": f"{done}; {about}"}


def main():
    """Read the options, write, report."""
    module = AnsibleModule(
        argument_spec={
            "outbox": {"type": "path", "required": True},
            "site": {"type": "str", "required": True},
            "signing_key": {"type": "path", "required": True, "no_log": False},
            "wants": {"type": "dict", "required": True, "options": outbox.WANTS_OPTIONS},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
