#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a bundle and tell what is in it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bundle_info
short_description: Verify a bundle and tell what is in it
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Verifies a bundle's signature before anything of it is parsed, then that every listed blob is there with its size and digest and that
    nothing else is. All problems are returned at once, a line each.
  - Does not fail on a bad bundle; look at RV(valid).
options:
  path:
    description: Folder of the bundle.
    type: path
    required: true
  allowed_signers:
    description: Allowed-signers file of OpenSSH. The signer must be a principal C(builder@…) allowed for the namespace C(azure-ai-bundle).
    type: path
    required: true
  revoked_keys:
    description: Revoked keys, as a key revocation list or public keys a line each.
    type: path
  verify:
    description:
      - V(signature) judges signature, manifest, names and sizes.
      - V(full) reads all blobs too.
    type: str
    choices: [signature, full]
    default: full
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
requirements:
  - ssh-keygen
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._attributes.info
"""

EXAMPLES = r"""
- name: Look at what has arrived
  airgap.azure_ai.bundle_info:
    path: "{{ azure_ai_home }}/inbox/plant-7-12"
    allowed_signers: "{{ azure_ai_allowed_signers }}"
  register: __arrived

- name: Stop at a bad bundle
  ansible.builtin.assert:
    that: __arrived.valid
    fail_msg: "{{ __arrived.problems | join('\n') }}"
"""

RETURN = r"""
valid:
  description: Whether nothing is wrong, as far as O(verify) looked.
  returned: success
  type: bool
problems:
  description: Everything that is wrong, a line each.
  returned: success
  type: list
  elements: str
  sample: ["blob sha256:… is missing (layer 3 of image speech_to_text:4.9.0-amd64-en-us)"]
bundle:
  description: What the bundle is and holds. Empty when its manifest is not to be trusted.
  returned: success
  type: dict
  contains:
    id: {description: Digest of the contents., type: str, returned: when trusted}
    site: {description: Name of the site that it is for., type: str, returned: when trusted}
    sequence: {description: Sequence of the bundle., type: int, returned: when trusted}
    created: {description: "When it was built, in UTC.", type: str, returned: when trusted}
    signer: {description: Principal that signed it., type: str, returned: when trusted}
    collection: {description: Version of the collection that built it., type: str, returned: when trusted}
    images: {description: "Images as C(service:tag).", type: list, elements: str, returned: when trusted}
    releases: {description: Number of releases., type: int, returned: when trusted}
    models: {description: Number of model sets., type: int, returned: when trusted}
    packages: {description: Number of packages., type: int, returned: when trusted}
    receipts: {description: Number of receipt files., type: int, returned: when trusted}
    blobs: {description: Number of blobs., type: int, returned: when trusted}
    bytes: {description: Bytes of all blobs., type: int, returned: when trusted}
    contents: {description: "What is in it, a line each.", type: list, elements: str, returned: when trusted}
msg:
  description: The judgement in one line.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress, human
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest, verify


def run(params):
    """Verify; return the module's result."""
    progress = Progress("verify", 0, params["progress_file"])
    trust = Trust(params["allowed_signers"], params["revoked_keys"])
    found, signer, problems = verify.verify(params["path"], trust, params["verify"] == "full", progress.advance)
    progress.finish()
    bundle = {}
    if found is not None:
        bundle = {**manifest.summary(found), "signer": signer, "contents": manifest.contents(found)}
    if problems:
        msg = f"{params['path']}: {len(problems)} problem{'' if len(problems) == 1 else 's'}, the first: {problems[0]}"
    else:
        msg = f"{params['path']}: {bundle['site']}-{bundle['sequence']}, {human(bundle['bytes'])}, signed by {signer}, nothing is wrong"
    return {"changed": False, "msg": msg, "valid": not problems, "problems": problems, "bundle": bundle}


def main():
    """Read the options, run, report."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "allowed_signers": {"type": "path", "required": True},
            "revoked_keys": {"type": "path"},
            "verify": {"type": "str", "choices": ["signature", "full"], "default": "full"},
            "progress_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
