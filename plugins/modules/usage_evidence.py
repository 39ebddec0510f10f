#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_evidence
short_description: Keep record files and logs of containers on the control node
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
description:
  - Brings what grew in the output folders of containers to the control node, compressed, some megabytes with each call of the module, so
    that neither side needs more memory however much there is. Neither the containers nor the Docker Engine need to run.
  - The control node tells how many bytes of each file it knows, and their hash. A file that shrank, or whose known part reads otherwise, is kept from
    its beginning as a new generation; nothing that was kept is ever overwritten.
  - Only regular files with one name are read. Links, devices, pipes and files beyond O(max_file) are passed over, in words.
  - Below O(path) lies C(<site>/<host>/<container>/<YYYY-MM>/), one file for what came of each file in that month of the control node's
    clock, and C(index.jsonl) with place, size and SHA-256 of every piece. No name that a host gives leads anywhere else.
  - A host on which this fails does not fail the task; the result says what was not fetched.
  - Output folders belong to the users of images. Use C(become).
options:
  containers:
    description: Containers of this host, by name or as the lookup P(airgap.azure_ai.containers#lookup) gives them.
    type: list
    elements: raw
    required: true
  path:
    description: Folder on the control node. It is made if it is not there.
    type: path
    required: true
  site:
    description: Name of the site.
    type: str
    required: true
  host:
    description: Name of the host; without it the one in the inventory.
    type: str
  root:
    description: Folder with the collection's files on the host.
    type: path
    default: /var/lib/azure-ai
  max_file:
    description: Largest file that is fetched, in bytes.
    type: int
    default: 67108864
  max_run:
    description: Bytes that are fetched from one host in one run. The rest comes with the next one.
    type: int
    default: 268435456
  max_files:
    description: Files of one container that are looked at.
    type: int
    default: 10000
  chunk:
    description: Bytes of content that come with one call of the module.
    type: int
    default: 8388608
  known:
    description: What the control node knows, as JSON; set by the action plugin.
    type: str
    default: "{}"
attributes:
  check_mode:
    support: full
    details:
      - Looks what grew and fetches nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Changed means that something was kept. Containers that write logs have something new every time.
  action:
    description: Has an action plugin.
    support: full
    details:
      - Tells the host what is known, checks what comes and writes it on the control node.
seealso:
  - module: airgap.azure_ai.usage_spool
  - module: airgap.azure_ai.evidence_prune
"""

EXAMPLES = r"""
- name: Keep what the containers recorded
  airgap.azure_ai.usage_evidence:
    containers: "{{ query('airgap.azure_ai.containers') }}"
    path: /srv/azure-ai/evidence
    site: plant-7
  become: true
"""

RETURN = r"""
changed:
  description: Whether anything was kept.
  returned: success
  type: bool
bytes:
  description: Bytes that were kept, or would be.
  returned: success
  type: int
  sample: 18211
pieces:
  description: Pieces that were kept, or would be.
  returned: success
  type: int
  sample: 3
containers:
  description: Names of containers of which something was kept, or would be.
  returned: success
  type: list
  elements: str
  sample: [stt-en]
notes:
  description: What was passed over and why, one line each.
  returned: success
  type: list
  elements: str
  sample: ["stt-7 stt-en: speech_to_text/stt-en/latest.log: a link, not fetched"]
problems:
  description: What could not be fetched and should have been, one line each.
  returned: success
  type: list
  elements: str
signals:
  description:
    - Containers whose record files are all gone (V(reset)), or are again what they were before (V(restored)), as option
      O(airgap.azure_ai.ledger#module:evidence) of M(airgap.azure_ai.ledger) takes them.
  returned: success
  type: list
  elements: dict
  sample: [{"host": "stt-7", "container": "stt-en", "kind": "reset"}]
"""

import json

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import evidence


def argument_spec() -> dict:
    """Options that the action plugin passes to the host."""
    limits = evidence.Limits()
    return {
        # Names alone reach the host; of site, host, path and max_run the action plugin takes care.
        "containers": {"type": "list", "elements": "raw", "required": True},
        "site": {"type": "str", "required": True},
        "host": {"type": "str"},
        "path": {"type": "path", "required": True},
        "max_run": {"type": "int", "default": evidence.MAX_RUN},
        "root": {"type": "path", "default": "/var/lib/azure-ai"},
        "max_file": {"type": "int", "default": limits.file},
        "max_files": {"type": "int", "default": limits.files},
        "chunk": {"type": "int", "default": limits.answer},
        "known": {"type": "str", "default": "{}"},
    }


def answer(params: dict, content: bool) -> str:
    """One answer as JSON.

    :raises AirgapError: an option is wrong; what cannot be read on the host is part of the answer.
    """
    limits = evidence.Limits(params["chunk"], params["max_file"], params["max_files"])
    if min(limits.answer, limits.file, limits.files) < 1:
        raise InputError("usage_evidence", "chunk, max_file and max_files must be positive")
    try:
        known = json.loads(params["known"])
    except ValueError as exc:
        raise InputError("known", f"not JSON ({exc})", "leave it to the action plugin") from exc
    return json.dumps(evidence.look(params["root"], params["containers"], known, limits, content))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        compact = answer(module.params, content=not module.check_mode)
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, compact=compact)


if __name__ == "__main__":
    main()
