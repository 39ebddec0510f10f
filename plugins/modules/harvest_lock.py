#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: harvest_lock
short_description: Let one harvest at a time write to a control folder
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
description:
  - Takes an C(flock) on a file of the control node and holds it until this run of C(ansible-playbook) ends, however it ends. There is nothing to give back
    and nothing to clean up. The file says who holds it.
  - C(flock <file> <command>) of util-linux honours the same lock, for scripts of your own.
  - Runs on the control node whatever the host of the task is.
options:
  path:
    description: The lock file. It is made if it is not there, its folder as well.
    type: path
    required: true
  wait:
    description: Seconds to wait for another run before giving up.
    type: float
    default: 0
attributes:
  check_mode:
    support: full
    details:
      - Says who holds the lock and neither takes it nor fails.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - A run that holds the lock may take it again. Never reports a change.
  action:
    description: Has an action plugin.
    support: full
    details:
      - Does everything; nothing runs on the host.
"""

EXAMPLES = r"""
- name: Wait for another harvest at most a quarter of an hour
  airgap.azure_ai.harvest_lock:
    path: /srv/azure-ai/ledger/harvest.lock
    wait: 900
  run_once: true
"""

RETURN = r"""
msg:
  description: Whether it is held, or by whom else.
  returned: always
  type: str
holder:
  description: Who else holds the lock, with C(who), C(node), C(since) and C(run); null when nobody does.
  returned: always
  type: dict
"""
