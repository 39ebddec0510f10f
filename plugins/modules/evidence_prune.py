#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_prune
short_description: Remove evidence of months that are long over
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
description:
  - Removes, on the control node only, whole months of what M(airgap.azure_ai.usage_evidence) kept. Nothing is fetched anew because of
    it, and the ledger stays as it is.
  - A month that has not ended in every time zone is never removed, whatever is asked for.
options:
  path:
    description: Folder of the evidence.
    type: path
    required: true
  keep_months:
    description: How many months before this one are kept.
    type: int
    required: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Keep evidence for two years
  airgap.azure_ai.evidence_prune:
    path: /srv/azure-ai/evidence
    keep_months: 24
"""

RETURN = r"""
removed:
  description: Folders that were removed, or would be.
  returned: success
  type: list
  elements: str
  sample: [/srv/azure-ai/evidence/plant-7/stt-7/stt-en/2024-01]
msg:
  description: The same in words.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import kept, months


def chosen(path: str, keep_months: int) -> list:
    """Folders to remove; raise InputError for a number that would reach into this month."""
    if not 1 <= keep_months <= months.MAX_MONTHS:
        raise InputError(f"keep_months {keep_months}", f"not a number from 1 to {months.MAX_MONTHS}")
    return kept.old(path, keep_months, months.now())


def main() -> None:
    """Entry point."""
    spec = {"path": {"type": "path", "required": True}, "keep_months": {"type": "int", "required": True}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    try:
        folders = chosen(**module.params)
        if not module.check_mode:
            kept.remove(folders)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    verb = "would be removed" if module.check_mode else "removed"
    module.exit_json(changed=bool(folders), removed=folders, msg=f"{len(folders)} months {verb}" if folders else "nothing is old enough")


if __name__ == "__main__":
    main()
