#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which packages a host has, as wants carry it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: package_info
short_description: Tell which Debian packages a host has
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Asks dpkg for the installed packages, their versions, and the fields that may stand in the way of newer packages. Name, addresses and files
    of the host are not among it.
  - A host without dpkg has none, which is no failure.
  - Needs no rights, and no Python package.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._attributes.info
seealso:
  - module: airgap.azure_ai.wants_write
"""

EXAMPLES = r"""
- name: Look at the host's packages
  airgap.azure_ai.package_info:
  register: __packages
"""

RETURN = r"""
os:
  description: Release that the host runs.
  returned: success
  type: str
  sample: debian-12
arch:
  description: Architecture of its packages; empty without dpkg.
  returned: success
  type: str
  sample: amd64
packages:
  description: Each package's version, or a list of the version and its fields.
  returned: success
  type: dict
  sample: {rsync: 3.2.7-1+deb12u2, systemd: [252.39-1~deb12u1, "Depends: libsystemd-shared (= 252.39-1~deb12u1)"]}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, MissingError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import states
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import host

OS_RELEASE = "/etc/os-release"


def look():
    """os, arch and packages of this host."""
    try:
        arch, packages = states.installed(states.query())
    except MissingError:
        arch, packages = "", {}
    return {"os": host.os_name(Path(OS_RELEASE).read_text(encoding="utf-8", errors="replace")), "arch": arch, "packages": packages}


def main():
    """Look and report."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        module.exit_json(changed=False, **look())
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))


if __name__ == "__main__":
    main()
