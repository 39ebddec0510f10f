#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch the operating system packages that hosts need, with all they depend on, into the store."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: package_fetch
short_description: Fetch packages for another Debian release, with all they depend on, into the store
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Lets apt work out, with a state of its own, what a host of the named release lacks, and fetches exactly that. The index's signature is
    checked by apt against O(keyring), each package against the hash that the index announces.
  - The packages become the store's whole set for O(os).
  - Runs on the builder in the connected zone, as any user. Nothing of the machine's own apt is changed.
options:
  store:
    description: Folder of the store. Made when it is not there.
    type: path
    required: true
  os:
    description: Release that the packages are for, V(debian-12) or V(debian-13).
    type: str
    required: true
  arch:
    description: Architecture that the packages are for. The containers exist for V(amd64) only.
    type: str
    default: amd64
  packages:
    description: Names of the packages. Without it, what the roles of this collection need on a bare host.
    type: list
    elements: str
  mirror:
    description: Address of the Debian archive. Without it, the one that this machine's own apt uses.
    type: str
  security_mirror:
    description: Address of the security archive. Without it, the one that this machine's own apt uses, or O(mirror) with C(-security) behind it.
    type: str
  status_file:
    description: A target's C(/var/lib/dpkg/status); what it has is left out. Without it, the packages are complete for a target that has nothing.
    type: path
  keyring:
    description: Keyring that must have signed the index.
    type: path
    default: /usr/share/keyrings/debian-archive-keyring.gpg
  timeout:
    description: Seconds without a new byte after which the mirror is given up.
    type: int
    default: 120
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
requirements:
  - apt-get of Debian 12 or later
  - debian-archive-keyring
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
    details:
      - The mirror's index is fetched into a temporary folder; nothing is kept.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - The mirror's index is part of the outside state.
"""

EXAMPLES = r"""
- name: Fetch what a bare host needs
  airgap.azure_ai.package_fetch:
    store: "{{ azure_ai_home }}/store"
    os: debian-12

- name: Fetch what one kind of host lacks
  airgap.azure_ai.package_fetch:
    store: "{{ azure_ai_home }}/store"
    os: debian-13
    status_file: "{{ azure_ai_home }}/inbox/plant-7.dpkg-status"
"""

RETURN = r"""
packages:
  description: Record of each package.
  returned: success
  type: list
  elements: dict
  contains:
    os: {description: Release that it is for., type: str, returned: always}
    arch: {description: Architecture asked for., type: str, returned: always}
    name: {description: Name of the package., type: str, returned: always}
    version: {description: Version of the package., type: str, returned: always}
    filename: {description: Name of the file., type: str, returned: always}
    digest: {description: Digest of the file., type: str, returned: always}
    size: {description: Bytes of the file., type: int, returned: always}
    requested: {description: Whether it was asked for by name and not pulled in., type: bool, returned: always}
fetched_bytes:
  description: Bytes of the packages that were fetched, or would be in check mode.
  returned: success
  type: int
  sample: 85983232
msg:
  description: What was done, in one line.
  returned: always
  type: str
"""

import tempfile

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress, human
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings, packages, sources
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store


def request(params):
    """What the options ask for; the machine's own mirrors are looked up only when none is named."""
    mirror = params["mirror"]
    mirrors = sources.Mirrors(mirror, mirror.rstrip("/") + "-security") if mirror else sources.own()
    if params["security_mirror"]:
        mirrors = mirrors._replace(security=params["security_mirror"])
    names = packages.REQUESTED.get(params["os"], ()) if params["packages"] is None else params["packages"]
    return packages.Request(params["os"], params["arch"], tuple(names), mirrors, params["keyring"], params["status_file"], params["timeout"])


def look(store, apt, wanted):
    """(records of all packages, those that the store lacks, why the store has to change)."""
    apt.prepare()
    apt.update()
    records = [packages.record(wanted, *found) for found in apt.wanted()]
    lacking = packages.missing(store, records)
    return records, lacking, packages.reason(store.holdings(), wanted.system, records, lacking)


def run(params, check_mode):
    """Resolve, fetch, adopt; return the module's result."""
    store, wanted = Store(params["store"]), request(params)
    before = [entry for entry in store.holdings()["packages"] if entry["os"] == wanted.system]
    if check_mode:
        with tempfile.TemporaryDirectory() as folder:
            records, lacking, reason = look(store, packages.Apt(folder, wanted), wanted)
    else:
        with store.create().working(f"packages-{wanted.system}") as folder:
            apt = packages.Apt(folder, wanted)
            records, lacking, reason = look(store, apt, wanted)
            if lacking:
                progress = Progress(f"packages of {wanted.system}", sum(entry["size"] for entry in lacking), params["progress_file"])
                apt.download(progress.advance)
                packages.adopt(store, apt, lacking)
                progress.finish()
        if reason:
            with store.changing() as held:
                holdings.set_packages(held, wanted.system, records)
    size = sum(entry["size"] for entry in lacking)
    state = f"{wanted.system}: {len(records)} packages, {human(sum(entry['size'] for entry in records))}"
    return {
        "changed": reason is not None,
        "msg": f"{state}; {reason}, {human(size)} {'to fetch' if check_mode else 'fetched'}" if reason else f"{state}, all in the store",
        "packages": records,
        "fetched_bytes": size,
        "diff": {"before": _text(before), "after": _text(records)},
    }


def _text(records):
    return "".join(sorted(f"{entry['os']} {entry['name']} {entry['version']}\n" for entry in records))


def main():
    """Read the options, run, report."""
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "required": True},
            "os": {"type": "str", "required": True},
            "arch": {"type": "str", "default": "amd64"},
            "packages": {"type": "list", "elements": "str"},
            "mirror": {"type": "str"},
            "security_mirror": {"type": "str"},
            "status_file": {"type": "path"},
            "keyring": {"type": "path", "default": "/usr/share/keyrings/debian-archive-keyring.gpg"},
            "timeout": {"type": "int", "default": 120},
            "progress_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=str(exc))
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
