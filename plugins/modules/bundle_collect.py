#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect a bundle from its parts on several media."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bundle_collect
short_description: Collect a bundle from its parts on several media
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Takes parts in any order, one medium at a time or several at once, and copies what is not here yet. When nothing lacks, the folder is an
    ordinary bundle that M(airgap.azure_ai.bundle_import) reads.
  - The signature of the list of parts is verified before anything is parsed; then each piece is compared with the digest in it while it is copied.
  - Parts that are still to come are no failure. What is damaged is, after everything else has been taken in; the parts to be made again are named.
  - With the first part already it is told when the bundle builds on blobs that neither O(store) nor a bundle in O(dest) has, and it is refused when there
    is no room for all parts and for the import.
  - Files that are not ours, such as C(Thumbs.db), C(._x) or C(System Volume Information), are named and left alone. Links and devices are not followed.
options:
  paths:
    description: Media. Each is a folder of a part or a folder that holds such folders.
    type: list
    elements: path
    required: true
  dest:
    description: Folder that the bundle is collected into, as C(<bundle>.collecting) until it is complete and as C(<bundle>) then.
    type: path
    required: true
  site:
    description: Name of this site. Parts for another one are refused.
    type: str
  sequence_from:
    description: Parts of bundles with a lower sequence are passed over.
    type: int
    default: 0
  store:
    description:
      - Folder of the site's store. A key's expiry is judged no earlier than when the bundle that it accepted last was made, and parts of bundles that
        it accepted before are passed over where their signer is not trusted any more.
    type: path
  signatures_required:
    description: How many principals, each with a key of its own, must have signed the bundle's manifest.
    type: int
    default: 1
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
requirements:
  - ssh-keygen
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._signers.bundle
attributes:
  check_mode:
    support: full
    details:
      - Signatures are verified and what would be copied is told; pieces are not read.
  diff_mode:
    support: none
    details:
      - RV(lines) says what is here and what is still to come.
  idempotent:
    support: full
seealso:
  - module: airgap.azure_ai.bundle_split
  - module: airgap.azure_ai.bundle_import
"""

EXAMPLES = r"""
- name: Take in what is on the stick
  airgap.azure_ai.bundle_collect:
    paths: [/media/usb]
    dest: "{{ azure_ai_home }}/inbox"
    site: plant-7
    store: "{{ azure_ai_home }}/store"
    allowed_signers: "{{ azure_ai_allowed_signers }}"
  register: __collected

- name: Tell what is still to come
  ansible.builtin.debug:
    msg: "{{ __collected.lines }}"
"""

RETURN = r"""
bundles:
  description: How far each bundle is that has a part on these media.
  returned: when the media could be looked at
  type: list
  elements: dict
  contains:
    name: {description: "Name of the bundle, C(<site>-<sequence>).", type: str, returned: always}
    site: {description: Name of the site that it is for., type: str, returned: always}
    sequence: {description: Its sequence., type: int, returned: always}
    id: {description: Digest of its contents., type: str, returned: always}
    path: {description: "Its folder, empty while parts are missing.", type: str, returned: always}
    complete: {description: Whether all parts are here., type: bool, returned: always}
    parts: {description: Number of parts it has., type: int, returned: always}
    here: {description: Numbers of the parts that are here., type: list, elements: int, returned: always}
    missing: {description: Numbers of the parts still to come., type: list, elements: int, returned: always}
    missing_bytes: {description: Bytes of what is still to come., type: int, returned: always}
    line: {description: The same in words., type: str, returned: always}
problems:
  description: What is damaged or cannot be used, a line each.
  returned: when the media could be looked at
  type: list
  elements: str
  sample: ["plant-7-12, part 3: blobs/000/0b1c….001: damaged: its bytes are not the ones that were signed"]
remake:
  description: Numbers of the parts to be made again, by bundle.
  returned: when the media could be looked at
  type: dict
  sample: {plant-7-12: [3]}
foreign:
  description: What lies on the media and is not ours.
  returned: when the media could be looked at
  type: list
  elements: str
notes:
  description: Blobs that a bundle builds on and that neither O(store) nor another bundle in O(dest) has, with the code to be read out to the builder.
  returned: when the media could be looked at
  type: list
  elements: str
passed:
  description: Folders of parts that were passed over, as the bundle was accepted before and its signer is not trusted any more.
  returned: when the media could be looked at
  type: list
  elements: path
copied:
  description: Number of pieces that were copied, or would be in check mode.
  returned: when the media could be looked at
  type: int
copied_bytes:
  description: Their bytes.
  returned: when the media could be looked at
  type: int
lines:
  description: What is here, what is still to come, what is damaged, what is not ours, a line each.
  returned: when the media could be looked at
  type: list
  elements: str
msg:
  description: What was done, in one line.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Told
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import parts, received
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.collect import Target, gather

SHOWN = 20  # foreign files named in the lines


def run(params, check_mode):
    """Look at the media, take what is new; return the module's result."""
    trust = Trust(params["allowed_signers"], params["revoked_keys"], received.earliest(params["store"]), params["signatures_required"])
    target = Target(params["dest"], params["site"], params["sequence_from"], trust, check_mode, params["store"])
    with Told("collect", params["progress_file"]) as told:
        found = gather(params["paths"], target, told)
    remake = [f"{name}: have part {parts.numbers(numbers)} made again: {found.advice[name]}" for name, numbers in sorted(found.remake.items())]
    states = [report["line"] for report in found.reports]
    return {
        "changed": bool(found.copied or found.finished or (check_mode and found.reasons)),
        "msg": " | ".join([*found.problems, *remake, *states] or ["nothing newer was found"]),
        "bundles": found.reports,
        "problems": found.problems,
        "remake": found.remake,
        "foreign": found.foreign,
        "passed": found.passed,
        "notes": found.notes,
        "copied": found.copied,
        "copied_bytes": found.bytes,
        "lines": [
            *(f"would copy: {reason}" for reason in found.reasons if check_mode),
            *states,
            *found.notes,
            *found.problems,
            *remake,
            *_passed(found.passed),
            *_foreign(found.foreign),
        ],
    }


def _passed(folders):
    return [f"{folder}: accepted before, and its signature does not count any more: passed over; take it away" for folder in folders]


def _foreign(names):
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"not ours and left alone: {', '.join(names[:SHOWN])}{more}"] if names else []


def main():
    """Read the options, run, report."""
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "site": {"type": "str"},
            "sequence_from": {"type": "int", "default": 0},
            "store": {"type": "path"},
            "allowed_signers": {"type": "path", "required": True},
            "revoked_keys": {"type": "path"},
            "signatures_required": {"type": "int", "default": 1},
            "progress_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    if result["problems"]:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
