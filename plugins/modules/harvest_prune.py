#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: harvest_prune
short_description: Remove answers of harvests that are long over
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
description:
  - Removes the folders in which M(airgap.azure_ai.ledger) puts the answers of a harvest as they came, once they were appended.
    The ledger holds what they say and stays as it is.
  - A folder's age is that of the last file that came into it. One of this month is never removed.
  - Runs on the control node whatever the host of the task is.
options:
  path:
    description: The folder C(done) beside the spool.
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
  action:
    description: Has an action plugin.
    support: full
    details:
      - Does everything; nothing runs on the host.
"""

EXAMPLES = r"""
- name: Keep answers as they came for a quarter of a year
  airgap.azure_ai.harvest_prune:
    path: /srv/azure-ai/ledger/done
    keep_months: 3
"""

RETURN = r"""
removed:
  description: Names of the harvests whose folders were removed, or would be.
  returned: success
  type: list
  elements: str
  sample: [20260103T023000Z-4f1a]
msg:
  description: The same in words.
  returned: always
  type: str
"""
