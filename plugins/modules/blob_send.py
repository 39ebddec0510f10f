#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: blob_send
short_description: Sends blobs to a host with rsync and shows how far it is
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
description:
  - Runs M(ansible.posix.synchronize) with the options that large blobs need. What broke off goes on inside the file the next time, as rsync keeps what came
    of it; a line that is silent for five minutes is given up.
  - Meanwhile it counts the bytes that rsync writes, for the callback P(airgap.azure_ai.progress#callback). They are those on the line, so of a transfer that
    goes on where it was only the rest.
options:
  src:
    description: Folder of the blobs on the control node, with a slash at its end.
    type: path
    required: true
  dest:
    description: Folder on the host.
    type: path
    required: true
  list:
    description: Name of a file in O(dest) that lists what to send, a name a line.
    type: str
    required: true
  size:
    description: Bytes of all that is listed.
    type: int
    required: true
  bandwidth:
    description: Limit as C(--bwlimit) of rsync takes it, such as V(5m) for 5 MiB a second; empty for none.
    type: str
    default: ''
  verify_host:
    description: Ask for the host's key as ssh is configured to; V(false) accepts any.
    type: bool
    default: true
  progress_file:
    description: File on the control node in which to write how far it is, about every two seconds.
    type: path
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
      - Does everything.
seealso:
  - module: ansible.posix.synchronize
  - module: airgap.azure_ai.host_store
"""

EXAMPLES = r"""
- name: Send what a plan names
  airgap.azure_ai.blob_send:
    src: /srv/azure-ai/store/blobs/sha256/
    dest: ~/.azure-ai/incoming
    list: list
    size: "{{ plan.send_bytes }}"
    progress_file: /srv/azure-ai/progress/send-{{ inventory_hostname }}.json
"""

RETURN = r"""
msg:
  description: What rsync said.
  returned: always
  type: str
"""
