#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split a built bundle into parts for several media."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bundle_split
short_description: Split a built bundle into parts for several media
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Lays a bundle out as folders of a given size, one for each medium, evenly filled. Each carries the signed list of all parts with the
    digest of each piece, the bundle's manifest and a label as text and as a page to print.
  - Blobs that fit a medium go whole; larger ones are cut, and no file reaches 4 GiB, so that FAT32, exFAT and ISO 9660 with Joliet can hold them.
  - A part that is made again has the same bytes.
  - Pieces are linked into the folders where the file system can, else copied; each is read and compared with its digest.
  - A run that was cut off goes on where it was.
options:
  path:
    description: Folder of the bundle.
    type: path
    required: true
  dest:
    description:
      - Folder that the parts are laid into, each as C(<bundle>-part-01-of-05), with the list of parts as C(<bundle>-parts.json).
      - Default is the folder that the bundle lies in.
    type: path
  part_size:
    description:
      - Bytes that a medium holds, as a number, with a unit (V(4.7GB), V(650MiB)) or as a preset.
      - Presets are V(cd), V(dvd), V(dvd-dl), V(bd), V(bd-dl), V(usb-8), V(usb-16), V(usb-32), V(usb-64) and V(usb-128), each a little below
        what such media hold.
      - The file system's own needs are taken off.
    type: str
    required: true
  only:
    description:
      - Numbers of the parts to make, for media that arrived damaged. Every byte of these parts is read, and what is wrong in them made anew.
      - Empty makes all that are not there.
    type: list
    elements: int
    default: []
  signing_key:
    description: Private key (or, with an agent, public key) that signed the bundle; it signs the list of parts.
    type: path
    required: true
  store:
    description:
      - Folder of the store. Blobs that are gone from the bundle's folder are taken from it.
      - A blob that is damaged there as well, mostly because it is the same file, is set aside in its folder C(damaged), so that it is fetched again.
    type: path
  control_kit:
    description:
      - Whether the control kit that lies in the bundle's folder goes onto the parts too. Its files stay together on the first part, where
        C(install.sh) finds them.
    type: bool
    default: true
  allowed_signers:
    description: Allowed-signers file in which the label looks up the principal that control nodes verify the control kit by.
    type: path
  classification:
    description: A line for the top and the bottom of the labels.
    type: str
    default: ""
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
requirements:
  - ssh-keygen
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
    details:
      - Tells count, sizes and labels. The digests of pieces of cut blobs are not known yet on the labels then.
  diff_mode:
    support: none
    details:
      - RV(lines) says what each part holds.
  idempotent:
    support: full
    details:
      - Another O(part_size) makes other parts; those of before stay and are named in RV(stale).
seealso:
  - module: airgap.azure_ai.bundle_build
  - module: airgap.azure_ai.bundle_collect
"""

EXAMPLES = r"""
- name: Lay the bundle out for DVDs
  airgap.azure_ai.bundle_split:
    path: "{{ azure_ai_home }}/bundles/plant-7-12"
    part_size: dvd
    signing_key: "{{ azure_ai_signing_key }}"

- name: Make the third one again
  airgap.azure_ai.bundle_split:
    path: "{{ azure_ai_home }}/bundles/plant-7-12"
    store: "{{ azure_ai_home }}/store"
    part_size: dvd
    only: [3]
    signing_key: "{{ azure_ai_signing_key }}"
"""

RETURN = r"""
parts:
  description: All parts of the bundle.
  returned: success
  type: list
  elements: dict
  contains:
    number: {description: "Number of the part, from 1.", type: int, returned: always}
    path: {description: Its folder., type: str, returned: always}
    bytes: {description: Bytes of its pieces., type: int, returned: always}
    pieces: {description: Number of its pieces., type: int, returned: always}
    label: {description: Its label as text., type: str, returned: always}
made:
  description: Numbers of the parts that were made, or would be in check mode.
  returned: success
  type: list
  elements: int
stale:
  description: Folders of the same bundle that was split another way before. Remove them; their parts do not go with these.
  returned: success
  type: list
  elements: path
lines:
  description: What each part holds, a line each.
  returned: success
  type: list
  elements: str
msg:
  description: What was done and why, in one line.
  returned: always
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Told, human
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control, kits, parts
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.media import Split, source
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store


def run(params, check_mode):
    """Plan, compare with what lies there, make what lacks; return the module's result."""
    size = parts.parse_size(params["part_size"])
    path = os.path.abspath(params["path"])
    origin = source(path, params["signing_key"], Store(params["store"]) if params["store"] else None, params["control_kit"])
    signer = kits.look(path, Trust(params["allowed_signers"])).signer if params["allowed_signers"] else ""
    split = Split(origin, params["dest"] or os.path.dirname(path), params["signing_key"], size, params["classification"], signer or control.UNKNOWN)
    chosen = _chosen(split, params["only"])
    reasons = {number: split.reason(number, full=bool(params["only"])) for number in chosen}
    wanted = [number for number in chosen if reasons[number]]
    if wanted and not check_mode:
        with Told(f"split {parts.name(split.listed)}", params["progress_file"]) as told:
            split.make(wanted, told)
    return _result(split, wanted, reasons, check_mode)


def _chosen(split, only):
    """Numbers of the parts in question."""
    unknown = sorted(set(only) - set(split.numbers))
    if unknown:
        raise InputError(
            f"part {parts.numbers(unknown)}", f"there are {len(split.numbers)} of this size", "look at part_size: it must be the one of the first split"
        )
    return sorted(set(only)) or split.numbers


def _result(split, wanted, reasons, check_mode):
    name, count = parts.name(split.listed), len(split.numbers)
    listed = [
        {
            "number": part["number"],
            "path": split.folder(part["number"]),
            "bytes": part["bytes"],
            "pieces": len(part["pieces"]),
            "label": split.label_of(part["number"]),
        }
        for part in split.listed["parts"]
    ]
    stale = split.stale()
    verb = "would make" if check_mode else "made"
    msg = (
        f"{name}: {verb} part{'s' if len(wanted) > 1 else ''} {parts.numbers(wanted)} of {count}: {reasons[wanted[0]]}"
        if wanted
        else f"{name}: its {count} parts are there"
    )
    if stale:
        msg += f"; split another way before: {', '.join(stale)}"
    return {
        "changed": bool(wanted),
        "msg": msg,
        "parts": listed,
        "made": wanted,
        "stale": [os.path.join(os.path.dirname(listed[0]["path"]), folder) for folder in stale],
        "lines": [f"part {part['number']} of {count}: {human(part['bytes'])} in {part['pieces']} pieces, {part['path']}" for part in listed],
    }


def main():
    """Read the options, run, report."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "dest": {"type": "path"},
            "part_size": {"type": "str", "required": True},
            "only": {"type": "list", "elements": "int", "default": []},
            "signing_key": {"type": "path", "required": True, "no_log": False},
            "store": {"type": "path"},
            "control_kit": {"type": "bool", "default": True},
            "allowed_signers": {"type": "path"},
            "classification": {"type": "str", "default": ""},
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
