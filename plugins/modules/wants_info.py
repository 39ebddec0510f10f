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
  - Runs on the builder. Needs C(ssh-keygen) of OpenSSH 8.9 or later.
options:
  path:
    description: The wants file; its signature lies beside it with C(.sig) behind the name.
    type: path
    required: true
  allowed_signers:
    description: Allowed-signers file of OpenSSH. The signer must be the principal C(site@<site>) allowed for the namespace C(azure-ai-wants).
    type: path
    required: true
  revoked_keys:
    description: Revoked keys, as a key revocation list or public keys a line each.
    type: path
requirements:
  - ssh-keygen
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._attributes.info
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
wants:
  description: The verified document.
  returned: success
  type: dict
  contains:
    format: {description: Format of the document., type: int, returned: always}
    kind: {description: Always C(airgap.azure_ai/wants)., type: str, returned: always}
    site: {description: Name of the site., type: str, returned: always}
    containers: {description: "Its containers with C(service), C(tag), C(resource) and C(options).", type: list, elements: dict, returned: always}
    os: {description: Releases of its hosts., type: list, elements: str, returned: always}
    control: {description: "Its control node, with C(os), C(python) and C(arch).", type: dict, returned: always}
signer:
  description: Principal that signed it.
  returned: success
  type: str
  sample: site@plant-7
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import outbox


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
        wants, signer = outbox.read_wants(params["path"], Trust(params["allowed_signers"], params["revoked_keys"]))
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, wants=wants, signer=signer)


if __name__ == "__main__":
    main()
