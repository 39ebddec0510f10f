#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: adoption
short_description: Takes over a container that was run by hand, and its output folder
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - The steps by which a declared container takes the place of one that somebody started with C(docker run), without losing a usage record.
    The role P(airgap.azure_ai.containers#role) takes them, in the order of O(state), and reads the old container's usage in between.
  - The folder is neither moved nor copied. C(output) in the new container's folder becomes a link to it.
  - The old container is removed only with O(state=done). Until then O(state=returned) lets it run again as before.
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
  name:
    description: Name of the declared container.
    type: str
    required: true
  output:
    description: The folder that the old container writes into.
    type: str
    required: true
  container:
    description: Name of the old container; none where only the folder is taken over.
    type: str
  state:
    description:
      - V(linked) lays the link and gives the folder its source id. What runs is not touched.
      - V(held) keeps the old container from starting by itself, stops it, and gives it the name C(<name>.adopted). One that was started with
        C(--rm) would vanish; a copy of it gets that name.
      - V(returned) removes the new container and starts the old one under its own name, with the owner of its folder and its restart policy as they were.
      - V(done) removes the old container; its volumes and its folder stay.
    type: str
    choices: [linked, held, returned, done]
    required: true
seealso:
  - module: airgap.azure_ai.rollout_plan
  - module: airgap.azure_ai.release
"""

EXAMPLES = r"""
- name: Make the folder of a container that was run by hand the output of a declared one
  airgap.azure_ai.adoption:
    name: stt-en
    output: /srv/speech/output
    state: linked
  become: true

- name: Stop the old container and set it aside
  airgap.azure_ai.adoption:
    name: stt-en
    output: /srv/speech/output
    container: speech
    state: held
  become: true
"""

RETURN = r"""
msg:
  description: What was done, in one line.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import lock
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import DEFAULT_SOCKET, Engine
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.takeover import STATES, Takeover


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/azure-ai"},
            "docker_socket": {"type": "path", "default": DEFAULT_SOCKET},
            "name": {"type": "str", "required": True},
            "output": {"type": "str", "required": True},
            "container": {"type": "str"},
            "state": {"type": "str", "choices": list(STATES), "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    why = None
    try:
        takeover = Takeover(Engine(params["docker_socket"]), params["root"], params["name"], params["output"], params["container"])
        why = takeover.reason(params["state"])
        if why and not module.check_mode:
            lock.alive(params["root"])
            takeover.act(params["state"])
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=one_line(exc, f"{params['root']}"))
    line = f"container {params['name']}: {why}" if why else f"container {params['name']}: nothing to do"
    module.exit_json(changed=bool(why), msg=line, diff={"before": "", "after": f"{line}\n" if why else ""})


if __name__ == "__main__":
    main()
