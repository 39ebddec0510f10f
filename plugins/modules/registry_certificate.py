#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_certificate
short_description: Keeps a certificate for the site's registry, by an authority of the site's own
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
description:
  - Makes the authority once, C(ca.key) and C(ca.crt), and a certificate by it, C(server.key) and C(server.crt), which is renewed before it ends, when
    it does not name an address, or when its key is lost. Hosts that trust the authority go on trusting it.
requirements:
  - cryptography, which ansible-core needs as well
options:
  folder:
    description: Folder of the registry.
    type: path
    required: true
  addresses:
    description: Addresses and names under which hosts reach the registry.
    type: list
    elements: str
    required: true
  days:
    description: Days that a certificate serves.
    type: int
    default: 397
  renew_days:
    description: A certificate is renewed by the first run in its last so many days.
    type: int
    default: 30
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: airgap.azure_ai.registry_fill
"""

EXAMPLES = r"""
- name: Keep the registry's certificate
  airgap.azure_ai.registry_certificate:
    folder: /srv/azure-ai/registry
    addresses: [10.78.1.10, control.lan]
"""

RETURN = r"""
msg:
  description: What was made, or would be, and why.
  returned: always
  type: str
"""

import datetime
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import authority


def read(folder: str, name: str) -> tuple:
    """Key and certificate of that name; empty bytes for what is not there."""
    found = []
    for suffix in ("key", "crt"):
        path = os.path.join(folder, f"{name}.{suffix}")
        with open(path if os.path.exists(path) else os.devnull, "rb") as stream:
            found.append(stream.read())
    return found[0], found[1]


def write(folder: str, name: str, pair: tuple) -> None:
    """Each file whole or not at all; the key first, as a certificate without its key is made anew."""
    for suffix, data in zip(("key", "crt"), pair):
        write_bytes(os.path.join(folder, f"{name}.{suffix}"), data, 0o600)


def run(params: dict, check_mode: bool) -> dict:
    """Judge both pairs, and make what has to be made."""
    authority.needed()
    if not params["addresses"] or params["renew_days"] >= params["days"]:
        raise InputError("registry certificate", "no address, or renew_days is not less than days", "look at registry_name and registry_renew_days")
    folder, now = params["folder"], datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    ours = read(folder, "ca")
    why = authority.authority_reason(ours, now)
    told = [f"an authority of the site's own ({why})"] if why else []
    if why:
        ours = authority.new_authority(now)
    leaf = "another authority signs it" if why else authority.leaf_reason(ours, read(folder, "server"), params["addresses"], params["renew_days"], now)
    told += [f"a certificate for {', '.join(params['addresses'])} ({leaf})"] if leaf else []
    if not check_mode:
        if why:
            write(folder, "ca", ours)
        if leaf:
            write(folder, "server", authority.new_leaf(ours, params["addresses"], params["days"], now))
    return {"changed": bool(told), "msg": "; ".join(told) or "its certificate is good"}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "addresses": {"type": "list", "elements": "str", "required": True},
            "days": {"type": "int", "default": 397},
            "renew_days": {"type": "int", "default": 30},
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
