#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a site's wants and return them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wants_info
short_description: Verify a site's wants and return them
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Verifies the signature of a C(wants.json) that came from a site before it is parsed, and that the site that it speaks for has signed it.
  - A folder is searched for such files; one that is not to be trusted is told in RV(problems) and does not keep the others from being read.
  - Runs on the builder. Needs C(ssh-keygen) of OpenSSH 8.9 or later.
options:
  path:
    description: The wants file, or a folder with those of many sites; signatures lie beside them with C(.sig) behind the name.
    type: path
    required: true
  allowed_signers:
    description: Allowed-signers file of OpenSSH. The signer must be the principal C(site@<site>) allowed for the namespace C(azure-ai-wants).
    type: path
    required: true
requirements:
  - ssh-keygen
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._attributes.info
  - airgap.azure_ai._signers
seealso:
  - module: airgap.azure_ai.bundle_import
"""

EXAMPLES = r"""
- name: Read what plant-7 needs
  airgap.azure_ai.wants_info:
    path: "{{ azure_ai_home }}/inbox/plant-7/wants.json"
    allowed_signers: "{{ azure_ai_allowed_signers }}"
  register: __wants
"""

RETURN = r"""
found:
  description: Each site's wants, sorted by site, with C(path), C(wants) and C(signer). Of two of one site, the later file.
  returned: success
  type: list
  elements: dict
problems:
  description: Files of a folder that were passed over, and why.
  returned: success
  type: list
  elements: str
wants:
  description: The verified document.
  returned: when O(path) is a file
  type: dict
  contains:
    format: {description: Format of the document., type: int, returned: always}
    kind: {description: Always C(airgap.azure_ai/wants)., type: str, returned: always}
    site: {description: Name of the site., type: str, returned: always}
    containers: {description: "Its containers with C(service), C(tag), C(resource) and C(options).", type: list, elements: dict, returned: always}
    os: {description: Releases of its hosts., type: list, elements: str, returned: always}
    packages: {description: "What hosts have installed, with C(os), C(arch), C(all), C(each).", type: list, elements: dict, returned: in format 2}
    control: {description: "Its control node, with C(os), C(python) and C(arch).", type: dict, returned: always}
signer:
  description: Principal that signed it.
  returned: when O(path) is a file
  type: str
  sample: site@plant-7
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import carried, outbox


def run(path, trust):
    """Read one file or all of a folder; return the module's result."""
    if os.path.isdir(path):
        found, problems = carried.read_any(path, trust, outbox.read_wants)
        return {"found": found, "problems": problems}
    wants, signer = outbox.read_wants(path, trust)
    return {"found": [{"path": path, "wants": wants, "signer": signer}], "problems": [], "wants": wants, "signer": signer}


def main():
    """Read the options, verify, report."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "allowed_signers": {"type": "path", "required": True},
            "revoked_keys": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        module.exit_json(changed=False, **run(params["path"], Trust(params["allowed_signers"], params["revoked_keys"])))
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))


if __name__ == "__main__":
    main()
