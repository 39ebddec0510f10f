#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_spool
short_description: Ask containers for their usage records and keep the answer on the control node
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._asking
description:
  - Runs M(airgap.azure_ai.usage_info) on the host and writes its answer, whole or not at all, to a spool folder on the control node,
    from where M(airgap.azure_ai.ledger) takes it.
  - Readings never enter variables or templates; only counts are returned.
  - The file is there before the host is asked and says that nobody answered, so a host that cannot be reached leaves its mark in the
    ledger as well.
  - A host on which M(airgap.azure_ai.usage_info) fails does not fail this task; every scope of its containers becomes a failure, and a
    warning says why.
options:
  containers:
    description: Containers of this host as the lookup P(airgap.azure_ai.containers#lookup) gives them. Their endpoints are derived.
    type: list
    elements: dict
    default: []
  endpoints:
    description: Further endpoints, or all of them, as in M(airgap.azure_ai.usage_info).
    type: list
    elements: dict
    default: []
  direct:
    description:
      - Do not ask the host, but return RV(targets) for M(airgap.azure_ai.usage_harvest). Where the control node reaches a container,
        with C({host}), C({container}) and C({port}).
    type: str
  spool:
    description: Folder on the control node. It is made if it is not there.
    type: path
    required: true
  closed:
    description: Folder on the control node where M(airgap.azure_ai.ledger) notes which months need not be asked any more.
    type: path
  site:
    description: Name of the site.
    type: str
    required: true
  host:
    description: Name of the host in the ledger.
    type: str
    default: inventory_hostname
  harvest:
    description: Name of this harvest, the same for all its hosts.
    type: str
    required: true
  root:
    description: See M(airgap.azure_ai.usage_info).
    type: path
  months:
    description: How many months to ask for, this one included, when O(since) is not given.
    type: int
attributes:
  check_mode:
    support: full
    details:
      - Asks the containers, which changes nothing, and writes no file.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Never reports a change. The spool is a way station, the ledger is the result.
"""

EXAMPLES = r"""
- name: Ask this host's containers
  airgap.azure_ai.usage_spool:
    containers: "{{ query('airgap.azure_ai.containers') }}"
    root: /var/lib/azure-ai
    months: 13
    spool: /srv/azure-ai/ledger/spool
    site: plant-7
    harvest: 20260331T220000Z
"""

RETURN = r"""
usage:
  description: Number of scopes that reported usage.
  returned: success
  type: int
  sample: 12
no_usage:
  description: Number of scopes that reported that there is none.
  returned: success
  type: int
  sample: 2
targets:
  description: Endpoints as M(airgap.azure_ai.usage_harvest) takes them.
  returned: with O(direct)
  type: list
  elements: dict
failures:
  description: Number of scopes without an answer or with a bad one. They are in the ledger one by one.
  returned: success
  type: int
  sample: 0
"""
