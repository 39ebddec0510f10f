#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_prune
short_description: Removes releases, images and models that nothing on a host needs any more
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Keeps of each container the current release, the previous one and the one that was staged last and waits for its switch, with their
    images, models and declared files, and all that was staged for a container that never ran.
  - Removes the other releases with their licenses, and images and sets that no kept release names. Only images that this collection
    loaded are looked at, and none that some container has is removed.
  - Output of containers is never touched.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  root:
    description: Folder of the collection on the host.
    type: path
    default: /var/lib/azure-ai
  switch:
    description: Release that each container gets in this run, by the container's name; in check mode it has not got it yet.
    type: dict
    default: {}
seealso:
  - module: airgap.azure_ai.host_store
"""

EXAMPLES = r"""
- name: Remove what no release needs any more
  airgap.azure_ai.host_prune:
  become: true
"""

RETURN = r"""
msg:
  description: What was removed.
  returned: always
  type: str
releases:
  description: Releases that were, or would be, removed, each as container and id.
  returned: success
  type: list
  elements: list
images:
  description: Names of images that were, or would be, removed.
  returned: success
  type: list
  elements: str
models:
  description: Digests of sets that were, or would be, removed.
  returned: success
  type: list
  elements: str
bytes:
  description: Size of these images as the engine tells it; layers that others share stay.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import surplus
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import DEFAULT_SOCKET, Engine


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/azure-ai"},
            "switch": {"type": "dict", "default": {}},
            "docker_socket": {"type": "path", "default": DEFAULT_SOCKET},
        },
        supports_check_mode=True,
    )
    params = module.params
    engine = Engine(params["docker_socket"])
    try:
        found = surplus.look(params["root"], engine, params["switch"])
        why = surplus.reason(found)
        if why and not module.check_mode:
            surplus.remove(params["root"], engine, found)
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=one_line(exc, "host"))
    lines = [f"release {name} {release}" for name, release in found["releases"]]
    lines += [f"{kind} {item}" for kind in ("images", "models") for item in found[kind]]
    diff = {"before": "".join(f"{line}\n" for line in lines), "after": ""}
    module.exit_json(changed=why is not None, msg=f"{why} removed" if why else "nothing is left over", diff=diff, **found)


if __name__ == "__main__":
    main()
