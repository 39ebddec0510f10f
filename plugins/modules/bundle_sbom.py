#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the CycloneDX list of what a bundle holds."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bundle_sbom
short_description: Write the CycloneDX list of what a bundle holds
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Lists images, packages, models and licenses of a bundle, and the wheels, collections and packages of a control kit, in CycloneDX 1.6, for whoever has to
    approve them. Names, versions and digests only.
  - The same bundle gives the same bytes; the serial number follows from its id.
  - The list lies beside the bundle and is not part of it. The bundle's signature is not verified here.
options:
  path:
    description: Folder of the bundle.
    type: path
    required: true
  kit:
    description: Folder of a control kit that goes along.
    type: path
  dest:
    description: File to write. Without it, O(path) with C(.cdx.json) behind it.
    type: path
requirements:
  - cyclonedx-python-lib
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: airgap.azure_ai.bundle_build
"""

EXAMPLES = r"""
- name: List what the bundle holds
  airgap.azure_ai.bundle_sbom:
    path: "{{ azure_ai_home }}/bundles/plant-7-12"
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /srv/azure-ai/bundles/plant-7-12.cdx.json
components:
  description: Number of things listed.
  returned: success
  type: int
msg:
  description: What was done, in one line.
  returned: always
  type: str
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_BYTES, parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control, manifest, sbom, shape


def run(params, check_mode):
    """Read, list, write; return the module's result."""
    folder = os.path.abspath(params["path"])
    made = parse(read_regular(os.path.join(folder, "bundle.json"), MAX_BYTES), folder)
    if not isinstance(made, dict) or made.get("kind") != manifest.KIND or shape.validate(made):
        raise InputError(f"bundle {folder}", "its bundle.json is not a manifest that may be used", "build it again")
    kit = control.read(params["kit"]) if params["kit"] else None
    if params["kit"] and kit is None:
        raise MissingError(f"control kit {params['kit']}", "has no control.json that can be read", "run airgap.azure_ai.bundle to make it")
    data = sbom.document(made, kit)
    path = params["dest"] or f"{folder}.cdx.json"
    changed = not os.path.isfile(path) or read_regular(path, MAX_BYTES) != data
    if changed and not check_mode:
        write_bytes(path, data)
    count = len(json.loads(data)["components"])
    verb = "would write" if check_mode else "wrote"
    return {"changed": changed, "path": path, "components": count, "msg": f"{verb} {path}" if changed else f"{path} is up to date"}


def main():
    """Read the options, run, report."""
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}, "kit": {"type": "path"}, "dest": {"type": "path"}},
        supports_check_mode=True,
    )
    if not sbom.HAS_CYCLONEDX:
        module.fail_json(msg=missing_required_lib(sbom.LIBRARY))
    try:
        result = run(module.params, module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
