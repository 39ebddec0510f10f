#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_fill
short_description: Has the site's registry hold exactly the images of the store
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
description:
  - Runs on the control node. Starts an instance of the registry behind a Unix socket that only its user can open, pushes what it lacks, with bytes and
    digests as they are, and ends it. Removes images that the store no longer holds, and the disk space that nothing else in the registry needs.
  - The instance that hosts read from may run meanwhile. A run that was cut off is finished by the next one.
options:
  program:
    description: The program docker-registry (CNCF Distribution 2.8 or later).
    type: path
    required: true
  folder:
    description: Folder of the registry, with its configuration C(push.yml).
    type: path
    required: true
  store:
    description: Folder of the store.
    type: path
    required: true
  progress_file:
    description: File in which the progress is told.
    type: path
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: airgap.azure_ai.image_load
"""

EXAMPLES = r"""
- name: Fill the site's registry
  airgap.azure_ai.registry_fill:
    program: /usr/bin/docker-registry
    folder: /srv/azure-ai/registry
    store: /srv/azure-ai/store
"""

RETURN = r"""
images:
  description: How many images the registry holds.
  returned: success
  type: int
msg:
  description: What was done, or would be.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import pushing
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store


def run(params: dict, check_mode: bool) -> dict:
    """Compare, push, and say what that was."""
    store = Store(params["store"])
    images = store.holdings()["images"]
    have, want = pushing.held(params["folder"]), pushing.wanted(images)
    why = pushing.reason(have, want)
    if why and not check_mode:
        with Progress("registry", pushing.size(images), params["progress_file"]) as progress:
            pushing.fill(params["program"], params["folder"], store, images, progress.advance)
    diff = {side: "".join(f"{' '.join(item)}\n" for item in items) for side, items in (("before", have), ("after", want))}
    return {"changed": why is not None, "images": len(want), "msg": why or "it holds what the store holds", "diff": diff}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "program": {"type": "path", "required": True},
            "folder": {"type": "path", "required": True},
            "store": {"type": "path", "required": True},
            "progress_file": {"type": "path"},
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
